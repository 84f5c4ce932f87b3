/* file.h - files of arrays: NetCDF-3 (classic, 64-bit offset, CDF-5), NetCDF-4/HDF5, Zarr v2 and v3, GeoTIFF. Reading, and writing Zarr and NetCDF-4.
 *
 * A cr_file is an open file or store: dimensions, variables with their attributes and stored chunks, group attributes. Values are
 * as stored (packed, unmasked): cf.h gives them meaning. Opening reads metadata only. Arrays made from a file keep what
 * they need; the cr_file may be closed while they live. Every offset and size that a file states is checked before it is used.
 *
 * Threads: a cr_file is immutable after opening and may be shared.
 */
#ifndef CRATON_FILE_H
#define CRATON_FILE_H

#include "craton/array.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cr_file cr_file;

/* What JSON (Zarr) says besides the values, and NetCDF does not: it is a list also of one; or it is neither numbers nor texts (an object, a list of
 * lists, null), then it is one text, which is its JSON. */
typedef enum cr_attr_form { CR_ATTR_PLAIN, CR_ATTR_LIST, CR_ATTR_JSON } cr_attr_form;

typedef struct cr_attr {
    const char *name;
    cr_dtype dtype;               /* CR_STRING: text, n strings in values as const char *const *; else n items of dtype */
    int64_t n;
    const void *values;           /* aligned for its type */
    cr_attr_form form;
} cr_attr;

typedef struct cr_dim {
    const char *name;
    int64_t length;
    bool unlimited;
} cr_dim;

typedef struct cr_variable {
    const char *name;
    cr_dtype dtype;               /* as stored, native byte order */
    size_t itemsize;
    int ndim;
    const int64_t *shape;
    const char *const *dims;      /* ndim names */
    const int64_t *chunks;        /* stored chunk shape; NULL: stored contiguously */
    const cr_attr *attrs;         /* _FillValue has the variable's type, also from Zarr (format/zarr.h says how) */
    int n_attrs;
    bool has_fill;                /* the storage's own fill value (for absent chunks) was declared */
    const void *fill;             /* one item; NULL for CR_STRING */
    const char *compression;      /* "deflate 4, shuffle", "zstd 3", "" */
    uint64_t stored_bytes;        /* bytes in the file; 0 when not known without looking at every chunk */
    const char *problem;          /* not NULL: why its values cannot be read; its metadata can */
    const int64_t *shards;        /* Zarr: shape of the stored objects that hold several chunks; NULL: each chunk is one */
    int text_width;               /* CR_STRING that is stored in a fixed number of characters (Zarr's UTF-32): how many; 0: of any length */
} cr_variable;

/* ---- chunks that cannot be read ----------------------------------------------------------------------------------
 *
 * A chunk that is damaged or cannot be reached is an error that names it, unless a list is given when its file is opened: then its values
 * are missing (_FillValue or missing_value of the variable, else NaN), and the list says which and why. Variables of whole numbers without
 * either cannot say that a value is missing: there it stays an error, as does damage to metadata, to the text of CR_STRING, and to what
 * other processes compute. Writes of it have no journal: resumed, they would not know what was missing before (CR_UNSUPPORTED). A list may
 * serve many files. Threads: any, at any time.
 */
typedef struct cr_unreadable cr_unreadable;
#define CR_UNREADABLE_MOST 1000   /* chunks that are listed */

CR_API cr_status cr_unreadable_new(cr_unreadable **ret_list, cr_err *err) CR_MUST_USE;
CR_API cr_unreadable *cr_unreadable_ref(cr_unreadable *u);
CR_API void cr_unreadable_unref(cr_unreadable *u);                     /* NULL is allowed; open files and their arrays have references */
CR_API int cr_unreadable_count(const cr_unreadable *u);                /* each chunk once, in the order in which they were met; only grows */
CR_API const char *cr_unreadable_text(const cr_unreadable *u, int i);  /* NULL after the last; lives as long as the list */
CR_API bool cr_unreadable_more(const cr_unreadable *u);                /* there were others that are not listed */

/* ---- opening ----------------------------------------------------------------------------------------------------- */

/* Bytes of a NetCDF or GeoTIFF file that lie at no path: in memory, in an object store, behind a network. read puts exactly n bytes from offset on, which
 * lie within size, into dst, or fails; it is called from any thread, several at a time, also while a file is opened and until the last array is gone.
 * The bytes do not change. release may be NULL; it is called with the last reference, on whichever thread that is. */
typedef struct cr_reader cr_reader;
typedef cr_status (*cr_reader_read_fn)(void *user, uint64_t offset, void *dst, size_t n, cr_err *err);
CR_API cr_status cr_reader_new(uint64_t size, cr_reader_read_fn read, void (*release)(void *user), void *user, cr_reader **ret_reader, cr_err *err) CR_MUST_USE;
CR_API void cr_reader_unref(cr_reader *r);                             /* NULL is allowed; open files and their arrays have references */

typedef struct cr_open_options {
    const char *group;            /* "/" or "a/b"; NULL: root */
    uint64_t metadata_limit_bytes;/* 0: 256 MiB */
    cr_unreadable *unreadable;    /* NULL: a chunk that cannot be read is an error */
    /* NULL: what is at path. Else these bytes, and path is a name for messages. Arrays of them cannot be sent, and writes of them cannot be resumed. */
    cr_reader *reader;
} cr_open_options;

/* path: a file (also kerchunk's references as JSON), or the directory of a Zarr store (trailing .zip not yet). CR_NO_FILE, CR_FORMAT (damaged; says where),
 * CR_UNSUPPORTED (says what). */
CR_API cr_status cr_file_open(const char *path, const cr_open_options *options /* NULL: defaults */, cr_file **ret_file, cr_err *err) CR_MUST_USE;
CR_API void cr_file_close(cr_file *f);
CR_API const char *cr_file_path(const cr_file *f);
CR_API const char *cr_file_format(const cr_file *f);        /* "netcdf3", "netcdf3-64bit", "netcdf5", "netcdf4", "zarr2", "zarr3", "geotiff" */
CR_API int cr_file_n_dims(const cr_file *f);
CR_API const cr_dim *cr_file_dim(const cr_file *f, int i);
CR_API int cr_file_n_attrs(const cr_file *f);
CR_API const cr_attr *cr_file_attr(const cr_file *f, int i);
CR_API int cr_file_n_variables(const cr_file *f);
CR_API const cr_variable *cr_file_variable(const cr_file *f, int i);
CR_API int cr_file_n_groups(const cr_file *f);
CR_API const char *cr_file_group(const cr_file *f, int i);  /* names of the groups directly below the opened one */
/* Files beside path that values are read from: those that kerchunk's references lead to, in the order of their first use; NULL after the last.
 * References may name whatever the caller can read: look here before you trust a JSON that others wrote. */
CR_API const char *cr_file_target(const cr_file *f, int i);
/* NULL when there is none of that name. */
CR_API const cr_variable *cr_file_find(const cr_file *f, const char *name);
CR_API const cr_attr *cr_attr_find(const cr_attr *attrs, int n, const char *name);

/* The lazy array of a variable. Not for CR_STRING, but where it has a text_width: then items are CR_BYTES, so many characters in UTF-32 and native byte
 * order, zeros behind the text. */
CR_API cr_status cr_file_array(const cr_file *f, const char *name, cr_array **ret_array, cr_err *err) CR_MUST_USE;
/* All values of a CR_STRING variable; strings are owned by the block that is freed with cr_free. */
CR_API cr_status cr_file_strings(const cr_file *f, const char *name, char ***ret_strings, int64_t *ret_n, cr_err *err) CR_MUST_USE;

/* ---- writing ---------------------------------------------------------------------------------------------------- */

typedef struct cr_writer cr_writer;

typedef struct cr_write_variable {
    const char *name;
    int ndim;
    const char *const *dims;
    const int64_t *shape;
    const int64_t *chunks;        /* NULL: chosen (about 1 MiB) */
    cr_dtype dtype;               /* as stored; CR_BYTES: text of fixed width */
    /* CR_BYTES: bytes of one item, which the values have too. NetCDF-4 has single characters (1) alone; a last dimension counts them. */
    size_t itemsize;
    bool utf32;                   /* CR_BYTES in Zarr: 4 bytes in native order are one character; else they are bytes, padded with zeros */
    const cr_attr *attrs;
    int n_attrs;
    const void *fill;             /* one item or NULL */
    /* "zstd", "lz4", "deflate" (NetCDF-4 and Zarr), "none"; NULL: the format's default (of Zarr, for numbers: "blosc zstd 1 shuffle").
     * Zarr: also what cr_variable.compression says of another variable, "blosc zstd 5 bitshuffle", whose levels and shuffling then hold
     * instead of the two below. */
    const char *codec;
    int level;                    /* 0: the codec's default */
    bool shuffle;
    /* Zarr 3: shape of one stored object, which holds whole chunks (CR_INVALID when not) and an index; NULL: each chunk is an object. A shard is
     * written at once, so it has to fit into memory, and it is what a resumed write or an update does whole. chunks that are NULL are
     * chosen to divide it. */
    const int64_t *shards;
    bool fletcher32;              /* NetCDF-4: chunks get a checksum; CR_UNSUPPORTED elsewhere */
} cr_write_variable;

typedef struct cr_write_options {
    const char *format;           /* "zarr3" (default), "zarr2", "netcdf4" */
    bool overwrite;               /* replace an existing store or file; without it CR_EXISTS */
    const char *const *unlimited; /* names of unlimited dimensions, NULL-terminated, or NULL */
    /* Zarr: chunks that are finished are written down, so that the write can be resumed after it was killed. */
    bool journal;
    /* Go on with what a killed writer with a journal left of this destination, if there is one: its finished chunks are checked and kept, only
     * the others are computed. Refused with the reason (CR_CONFLICT) when what is written, how it is computed, or a file it is read from is
     * not the same; CR_UNSUPPORTED when that cannot be known (values from callbacks). Has a journal itself, and what is finished stays when it
     * fails or is cancelled. */
    bool resume;
} cr_write_options;

/* Nothing is visible at path until cr_writer_finish succeeds; an old store or file stays intact until then. */
CR_API cr_status cr_writer_new(const char *path, const cr_write_options *options, cr_writer **ret_writer, cr_err *err) CR_MUST_USE;
CR_API cr_status cr_writer_attrs(cr_writer *w, const cr_attr *attrs, int n, cr_err *err) CR_MUST_USE;
/* Declares a variable of numbers, or of CR_BYTES; values is what to write (same shape; cast to dtype if it differs). Kept until finish. chunks longer
 * than an extent are cut to it (not those of shards). CR_INVALID names what is wrong: a name that cannot be a file's, dimensions of two lengths, ... */
CR_API cr_status cr_writer_variable(cr_writer *w, const cr_write_variable *v, cr_array *values, cr_err *err) CR_MUST_USE;
/* The same for text: v->dtype is CR_STRING, strings are as many as the shape holds, in UTF-8; copied. */
CR_API cr_status cr_writer_strings(cr_writer *w, const cr_write_variable *v, const char *const *strings, cr_err *err) CR_MUST_USE;
/* For values that other processes write: makes the store at *ret_path, where nobody looks, with everything but values of numbers, which are all fill;
 * path is good until finish. Others write every chunk into it (cr_zarr_update), on a file system that all share. cr_writer_finish then
 * computes nothing and makes it visible; it is for the caller to know that all is there. Nothing can be declared afterwards. Zarr alone, without journal. */
CR_API cr_status cr_writer_begin(cr_writer *w, const char **ret_path, cr_err *err) CR_MUST_USE;
/* Computes and writes everything in shared scans, then makes it visible. */
CR_API cr_status cr_writer_finish(cr_writer *w, cr_context *c, cr_err *err) CR_MUST_USE;
/* Chunks of numbers that a resumed write has, and how many of them were finished when it began. 0 before finish. */
CR_API void cr_writer_chunks(const cr_writer *w, int64_t *ret_total, int64_t *ret_kept);
CR_API void cr_writer_free(cr_writer *w);                   /* without finish: leaves nothing behind */

/* Values into arrays of numbers, or of text of fixed width, of a Zarr store that is there: the box of the values' shape at start, in whole chunks (of arrays in shards
 * whole shards, here and below). start lies at the beginning of a chunk (CR_INVALID); where a box ends inside of one, the array ends there
 * too, or will: the rest of that chunk becomes fill.
 * Shapes in the metadata are not looked at and not changed: an append writes its values first, and says so in the metadata last.
 * Each chunk is replaced at once: readers see the old or the new one. Two writers of one chunk at a time lose one of the two. */
typedef struct cr_update {
    const char *name;
    cr_array *values;             /* cast to the type of the array; text has to have its width */
    const int64_t *start;         /* one per axis */
} cr_update;
/* staging: a directory in the store in which chunks are made before they are moved into place; NULL: beside their place. When it is removed, no
 * writer that was told of it changes the store any more, wherever it runs and whether or not it can be reached (CR_NO_FILE). */
CR_API cr_status cr_zarr_update(const char *path, const char *staging, int n, const cr_update *updates, cr_context *c, cr_err *err) CR_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
