/* hdf5_dataset.h - a dataset as its object header describes it, and the source that reads its chunks.
 *
 * The source keeps the file open by a reference of its own. Its index of chunks is read when the first chunk is asked for, once,
 * by whichever worker comes first; the others wait. Chunks are read with pread into the worker's scratch, undone through the
 * codecs straight into the destination, and put into native byte order there.
 */
#ifndef CR_ENGINE_FORMAT_HDF5_DATASET_H
#define CR_ENGINE_FORMAT_HDF5_DATASET_H

#include "engine/codec/codec.h"
#include "engine/format/hdf5_chunk_index.h"
#include "engine/format/hdf5_object.h"
#include "engine/format/source.h"

typedef struct h5_dataset {
    h5_type type;
    h5_space space;
    h5_fill fill;
    h5_layout layout;
    h5_pipeline pipeline;
    cr_codec_chain chain;          /* one codec per filter */
    const char *problem;           /* why its values cannot be read; in the arena `keep` or static */
} h5_dataset;

/* CR_FORMAT when the header is damaged or lacks what a dataset must have. */
cr_status h5_dataset_parse(h5_ctx *x, const h5_object *o, h5_dataset *ret_dataset, cr_err *err) CR_MUST_USE;
/* One item of the fill value in native byte order, in arena; NULL in *ret_item when it is zeros or nothing was declared. */
cr_status h5_dataset_fill(const h5_dataset *d, cr_arena *arena, void **ret_item, cr_err *err) CR_MUST_USE;
/* "deflate 4, shuffle" in arena. */
cr_status h5_dataset_compression(const h5_dataset *d, cr_arena *arena, const char **ret_text, cr_err *err) CR_MUST_USE;
/* shape: of the dataset, or longer along axes that are unlimited: elements beyond what is stored are the fill value. path names the
 * variable in the file ("/tas"). Strings of variable length give their stored descriptors as CR_BYTES. */
cr_status h5_source_new(h5_file *f, const h5_dataset *d, const int64_t *shape, const void *fill, const char *path, cr_source **ret_source,
                        cr_err *err) CR_MUST_USE;
/* All strings behind a source of descriptors, row-major, in arena. */
cr_status h5_strings_read(cr_source *descriptors, cr_arena *arena, const char ***ret_strings, int64_t *ret_n, cr_err *err) CR_MUST_USE;

#endif
