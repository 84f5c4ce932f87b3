/* source.h - what the executor needs of anything that stores an array in chunks. Implemented by the formats.
 *
 * A cr_source is immutable and reference counted. Chunks form a regular grid: chunk c covers [c*chunk_shape, (c+1)*chunk_shape) of
 * the shape, edge chunks are cut at the shape. A source that is stored contiguously presents a virtual grid of about 4 MiB.
 *
 * read_chunk fills dst with one chunk: row-major, native byte order, full chunk_shape (edge chunks included: elements beyond
 * the shape are undefined), chunk_bytes = product(chunk_shape) * itemsize. It may be called from any number of threads at once
 * with different scratch. *ret_absent: the chunk is not stored; dst then was filled with the fill value by read_chunk itself.
 *
 * A source may also read a box of a chunk without decoding the rest (reads_part, read_part); damage beside the box is then not seen.
 */
#ifndef CR_ENGINE_FORMAT_SOURCE_H
#define CR_ENGINE_FORMAT_SOURCE_H

#include <stdatomic.h>
#include "craton/array.h"

/* One per worker, zeroed but for max before first use: a byte buffer that sources grow and reuse, and what codecs keep between
 * calls (made when first needed). Memory of both counts against max. */
typedef struct cr_scratch {
    void *bytes;                   /* aligned to 64 bytes */
    size_t size;
    size_t max;                    /* growing past it is CR_MEMORY */
    struct cr_codec_work *work;    /* see codec/codec.h */
} cr_scratch;
/* Makes bytes at least this large; what it held is lost. */
cr_status cr_scratch_need(cr_scratch *s, size_t bytes, cr_err *err) CR_MUST_USE;
/* What codecs keep between calls, made when first asked for. */
cr_status cr_scratch_work(cr_scratch *s, struct cr_codec_work **ret_work, cr_err *err) CR_MUST_USE;
void cr_scratch_done(cr_scratch *s);

struct cr_digest;                  /* journal.h */

typedef struct cr_source cr_source;
typedef struct cr_source_ops {
    const char *name;              /* "zarr", "hdf5", "netcdf3" */
    cr_status (*read_chunk)(cr_source *s, const int64_t *chunk, void *dst, cr_scratch *scratch, bool *ret_absent, cr_err *err);
    /* Bytes that a worker's scratch will need at most for one chunk (stored bytes and codec work space). */
    size_t (*scratch_bytes)(const cr_source *s);
    /* Stored bytes of a chunk, 0 when absent, SIZE_MAX when not known without reading. For plans and explain. */
    size_t (*stored_bytes)(const cr_source *s, const int64_t *chunk);
    void (*free)(cr_source *s);
    /* Adds the state of everything that chunks are read from, where that is more than the one file of cr_source_identify. May be NULL. */
    cr_status (*fingerprint)(cr_source *s, struct cr_digest *d, cr_err *err);
    /* Both NULL: chunks are read whole. reads_part: is a box of n elements along each axis, which ends at most `end` elements into its chunk, worth being
     * read by itself? *ret_bytes: what a worker's scratch needs for it; *ret_decoded: bytes that are decoded for it. read_part: the box [lo, lo + n) of a chunk, row-major and without gaps. */
    bool (*reads_part)(const cr_source *s, const int64_t *n, const int64_t *end, size_t *ret_bytes, size_t *ret_decoded);
    cr_status (*read_part)(cr_source *s, const int64_t *chunk, const int64_t *lo, const int64_t *n, void *dst, cr_scratch *scratch, bool *ret_absent,
                           cr_err *err);
} cr_source_ops;

struct cr_source {
    const cr_source_ops *ops;
    atomic_int refs;
    cr_dtype dtype;
    size_t itemsize;
    int ndim;
    int64_t shape[CR_MAX_DIMS];
    int64_t chunk_shape[CR_MAX_DIMS]; /* each >= 1; for a 0-d array the one chunk has index () */
    size_t chunk_bytes;
    char *path;                    /* for messages: "file.nc:/tas" */
    uint64_t identity[2];          /* equal for equal path, size and mtime: hash-consing of nodes */
    uint64_t state[4];             /* inode, size and mtime, without the path: whether it changed since another run */
    bool of_program;               /* read through a cr_reader: nobody else can open it, nor a later run compare it */
};

cr_source *cr_source_ref(cr_source *s);
void cr_source_unref(cr_source *s);                        /* NULL is allowed */

/* For the makers of sources. Sets every common field and one reference; shape and chunk_shape are checked (extents >= 0, chunks
 * >= 1, chunk bytes within LIMIT, number of elements within int64_t), path is copied. On failure s holds nothing to free;
 * afterwards ops->free must call cr_source_fini and free its own. */
#define CR_SOURCE_CHUNK_LIMIT_BYTES ((size_t)1 << 32)
cr_status cr_source_init(cr_source *s, const cr_source_ops *ops, cr_dtype dtype, size_t itemsize, int ndim, const int64_t *shape,
                         const int64_t *chunk_shape, const char *path, cr_err *err) CR_MUST_USE;
void cr_source_fini(cr_source *s);
/* Hash of what makes two openings the same data: path, device, inode, size and mtime of the file; salt tells apart variables. */
void cr_source_identify(cr_source *s, const char *file_path, const char *salt);
/* Elements of chunk along axis that lie inside the shape (less than chunk_shape at the edge). */
int64_t cr_source_extent(const cr_source *s, int axis, int64_t chunk);
/* CR_RANGE when the chunk index lies outside of the grid. */
cr_status cr_source_check_chunk(const cr_source *s, const int64_t *chunk, cr_err *err) CR_MUST_USE;
/* Writes n items of itemsize bytes, each a copy of fill; fill NULL: zeros. */
void cr_source_fill(void *dst, size_t n, const void *fill, size_t itemsize);
/* A grid of about target_bytes for data stored contiguously: whole rows from the last axis on; chunk gets each >= 1. */
void cr_source_virtual_chunks(int ndim, const int64_t *shape, size_t itemsize, size_t target_bytes, int64_t *chunk);

#endif
