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
 *     with strings, and values of exactly its shape and dtype (writer.c casts).
 *  3. After finish returned CR_OK the file or directory is complete, closed, and its bytes are on disk (synced).
 */
#ifndef CR_ENGINE_FORMAT_WRITER_H
#define CR_ENGINE_FORMAT_WRITER_H

#include "base/arena.h"
#include "craton/file.h"

typedef struct cr_write_item {
    cr_write_variable v;               /* deep copy; dtype CR_BYTES: not written yet by any format */
    cr_array *values;                  /* owned by the writer; NULL for strings */
    const char *const *strings;        /* product(shape) texts; NULL for values */
} cr_write_item;

typedef struct cr_write_model {
    int n_dims, n_attrs, n_variables;
    const cr_dim *dims;                /* of all variables, in the order of first use */
    const cr_attr *attrs;              /* global */
    const cr_write_item *items;
} cr_write_model;

typedef struct cr_output_format {
    const char *name;                  /* cr_write_options.format */
    bool is_directory;
    /* CR_UNSUPPORTED or CR_INVALID when the format cannot hold this variable (type, codec, level). May be NULL. */
    cr_status (*check)(const cr_write_variable *v, cr_err *err);
    /* Makes the file at temp_path (an empty file or directory exists there: truncate it) with all metadata. */
    cr_status (*begin)(const cr_write_model *m, const char *temp_path, void **ret_state, cr_err *err);
    /* Where the values of variable i go. sink->chunks and ->user live until free. */
    cr_status (*sink)(void *state, int i, cr_sink *ret_sink, cr_err *err);
    cr_status (*strings)(void *state, int i, cr_err *err);
    cr_status (*finish)(void *state, cr_err *err);
    void (*free)(void *state);
} cr_output_format;

/* Chunks of about target_bytes, the longest axis cut first; each >= 1 and at most the extent. */
void cr_write_balanced_chunks(int ndim, const int64_t *shape, size_t itemsize, size_t target_bytes, int64_t *chunk);

/* cr_writer_finish with another way to run the computation: run(user, ...) is called for each variable that has values, in the order of
 * declaration, and hands every box of the sink's chunk grid to it once. */
typedef cr_status (*cr_write_run_fn)(void *user, cr_context *c, const cr_write_item *item, const cr_sink *sink, cr_err *err);
cr_status cr_writer_finish_with(cr_writer *w, cr_context *c, cr_write_run_fn run, void *user, cr_err *err) CR_MUST_USE;

/* One row per output format, in writer.c. */
extern const cr_output_format cr_output_zarr3, cr_output_zarr2, cr_output_netcdf4;

#endif
