/* writer.h - how a format writes: what lies between cr_writer_* (writer.c) and the formats that can be written.
 *
 * writer.c keeps the declared model, checks it, makes a temporary file or directory beside the destination, runs the computation
 * into the sinks of the format, and moves the result into place. A format turns the model into a file: it never sees the final
 * path, and never removes anything.
 *
 * The order of calls: check (once per variable, when it is declared), begin, then sink and strings (each variable once: sink when
 * it has values, strings when it has strings), finish, free. After a failure of any of them only free is called. All are called
 * from one thread, except the write() of a sink, which workers call (one at a time if the sink says serial).
 *
 * Invariants
 *  1. The model does not change and lives from begin to free.
 *  2. Every variable has chunks (each >= 1), valid UTF-8 names that are unique, dims of consistent length, dtype CR_STRING only
 *     with strings, and values of exactly its shape and dtype (writer.c casts); CR_BYTES has an itemsize, which that of the values is.
 *  3. After finish returned CR_OK the file or directory is complete, closed, and its bytes are on disk (synced).
 */
#ifndef CR_ENGINE_FORMAT_WRITER_H
#define CR_ENGINE_FORMAT_WRITER_H

#include "base/arena.h"
#include "craton/file.h"
#include "engine/format/journal.h"

typedef struct cr_write_item {
    cr_write_variable v;               /* deep copy */
    cr_array *values;                  /* owned by the writer; NULL for strings */
    const char *const *strings;        /* product(shape) texts; NULL for values */
    const int64_t *unit;               /* shape of one stored object, which is written at once: v.shards, or v.chunks without any */
    int64_t n_chunks;                  /* stored objects, when the write has a journal and values */
    uint64_t *done;                    /* a bit for each that is finished, in row-major order; NULL: there is no journal */
} cr_write_item;

typedef struct cr_write_model {
    int n_dims, n_attrs, n_variables;
    const cr_dim *dims;                /* of all variables, in the order of first use */
    const cr_attr *attrs;              /* global */
    const cr_write_item *items;
    cr_journal *journal;               /* NULL: none. begin reads it and sets the bits of done; the sinks add to it */
} cr_write_model;

typedef struct cr_write_pieces {
    cr_sink sink;
    uint64_t open_bytes;               /* that each object holds from its first block to its last, besides blocks */
} cr_write_pieces;

typedef struct cr_output_format {
    const char *name;                  /* cr_write_options.format */
    bool is_directory;
    /* CR_UNSUPPORTED or CR_INVALID when the format cannot hold this variable (type, codec, level). May be NULL. */
    cr_status (*check)(const cr_write_variable *v, cr_err *err);
    /* Makes the file at temp_path (an empty file or directory exists there: truncate it) with all metadata. */
    cr_status (*begin)(const cr_write_model *m, const char *temp_path, void **ret_state, cr_err *err);
    /* Where the values of variable i go. sink->chunks and ->user live until free. */
    cr_status (*sink)(void *state, int i, cr_sink *ret_sink, cr_err *err);
    /* The same for stored objects that come in pieces: sink->chunks is a block, which is shorter than an object along one axis at most; boxes are
     * as wide as the object along the others, and of any length along that (zarr_stream.h). What is begun so goes on so: an object that is not complete
     * when free is called is removed, also one that sink wrote meanwhile. ret_pieces is zeroed; left so: not this variable. May be NULL. */
    cr_status (*pieces)(void *state, int i, cr_write_pieces *ret_pieces, cr_err *err);
    cr_status (*strings)(void *state, int i, cr_err *err);
    cr_status (*finish)(void *state, cr_err *err);
    void (*free)(void *state);
} cr_output_format;

/* Bytes of one item; 0 for CR_STRING. */
size_t cr_write_itemsize(const cr_write_variable *v);

/* The largest chunk that divides a shard (>= 1) and is no longer than this. When that is less than a quarter of it (a prime has only 1), the
 * divisor that is nearest in proportion, which may be longer. */
int64_t cr_write_divisor(int64_t shard, int64_t most);

/* cr_writer_finish (dataset/write_run.c) with a way to run the computation: run(user, ...) is called for each variable that has values, in the
 * order of declaration, and hands every box of the sink's chunk grid to it once; or those of pieces (NULL: there are none), which do the same.
 * NULL: all are computed together. */
typedef cr_status (*cr_write_run_fn)(void *user, cr_context *c, const cr_write_item *item, const cr_sink *sink, const cr_write_pieces *pieces, cr_err *err);
cr_status cr_writer_finish_with(cr_writer *w, cr_context *c, cr_write_run_fn run, void *user, cr_err *err) CR_MUST_USE;

/* What is to be computed; none when others write the chunks. Borrowed. */
int cr_writer_items(const cr_writer *w, const cr_write_item **ret_items);
const char *cr_writer_destination(const cr_writer *w);

/* A box of whole chunks, in elements. */
typedef struct cr_write_box {
    int64_t start[CR_MAX_DIMS], count[CR_MAX_DIMS];
} cr_write_box;
/* The chunks that are not finished among those of a box (which begins at a chunk and ends at one, or at the edge), as few disjoint
 * boxes as greed finds, at most max of them; after a full list ask again, when its boxes are written and marked. */
cr_status cr_write_missing(const cr_write_item *item, const cr_write_box *within, cr_write_box *boxes, int max, int *ret_n, cr_err *err) CR_MUST_USE;
/* Marks the chunks of these boxes as finished. */
void cr_write_mark(const cr_write_item *item, const cr_write_box *boxes, int n);
/* The values of a box, and a sink that sees them at their place; user (of *ret_sink) must live as long. */
typedef struct cr_write_shift {
    const cr_sink *sink;
    int ndim;
    int64_t start[CR_MAX_DIMS];
} cr_write_shift;
cr_status cr_write_part(cr_array *values, const cr_write_box *box, const cr_sink *sink, cr_write_shift *shift, cr_array **ret_part,
                        cr_sink *ret_sink, cr_err *err) CR_MUST_USE;

/* A directory for what a write needs only while it runs; it is removed before the write becomes visible. *ret_path belongs to the writer;
 * NULL when the format is a file. */
cr_status cr_writer_scratch(cr_writer *w, const char **ret_path, cr_err *err) CR_MUST_USE;

/* One row per output format, in writer.c. */
extern const cr_output_format cr_output_zarr3, cr_output_zarr2, cr_output_netcdf4;

#endif
