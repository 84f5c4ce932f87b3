/* rechunk.h - the same data in other chunks: from NetCDF or Zarr to Zarr (or NetCDF-4), in bounded memory.
 *
 * Every variable of the source goes over as it is stored: packed values, fill values and attributes are copied, nothing is decoded
 * or encoded in between. Text of fixed width in NetCDF (characters) becomes text of variable length, its last dimension goes.
 *
 * Chunks of Zarr that are compressed in blocks (Blosc with Zstandard, the default) and are longer than those of the source are made block by block, all of
 * those that lie side by side at once. Else the destination is written in panels: boxes of whole chunks that fit into the context's memory limit, chosen so
 * that each chunk of the source is read as few times as possible. Where it would still be read more than CR_RECHUNK_MOST_READS times, the variable goes through an
 * intermediate store beside the destination, as large as the variable at most (compressed with lz4), which is removed at the end. When
 * not even one chunk fits: CR_MEMORY with advice, before that variable is written.
 *
 * Invariants
 *  1. Nothing is visible at the destination until everything is written and on disk; what was there stays intact until then, also when
 *     the disk fills or the process is killed. What a killed one left beside it is removed, or continued
 *     (resume) and then the same bytes, when the same destination is written again.
 *  2. What is written does not depend on threads and memory limit.
 */
#ifndef CRATON_RECHUNK_H
#define CRATON_RECHUNK_H

#include "craton/file.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CR_RECHUNK_MOST_READS 3

typedef struct cr_rechunk_options {
    int n;                        /* dimensions named below */
    const char *const *dims;      /* each a dimension of the source (CR_NOT_FOUND), none twice */
    const int64_t *chunks;        /* elements per chunk; -1: the whole dimension. Dimensions not named keep their chunks */
    /* Zarr 3: elements per shard along these, as above; -1: the whole dimension, rounded up to whole chunks. A variable with none of them has no
     * shards; along others of its dimensions a shard is one chunk long. Chunks that were not asked for are made to divide it; those that
     * were and do not are CR_INVALID. Text has no shards. */
    int n_shards;
    const char *const *shard_dims;
    const int64_t *shards;
    const char *group;            /* of the source; NULL: root. Groups below it are not copied */
    /* Variables to copy (CR_NOT_FOUND lists what there is); 0: all. What they need to be understood goes with them: coordinates, bounds,
     * grid mappings, cell measures, terms of formulas (CF 5, 7, 4.3.3). */
    int n_variables;
    const char *const *variables;
    const char *format;           /* as cr_write_options */
    const char *codec;            /* as cr_write_variable, for every variable of numbers; NULL: that of the source where the format has it; deflate of
                                   * NetCDF becomes the default of Zarr */
    int level;
    bool shuffle;                 /* only looked at with a codec */
    bool overwrite;
    bool resume;                  /* as cr_write_options; a Zarr destination always has a journal */
    cr_unreadable *unreadable;    /* NULL: a chunk of the source that cannot be read is an error (file.h) */
} cr_rechunk_options;

typedef struct cr_rechunk_report {
    int n_variables;
    int n_staged;                 /* variables that went through an intermediate store */
    int64_t n_panels;             /* boxes written, those of intermediate stores included */
    int64_t n_chunks, n_kept;     /* of numbers, in Zarr: all, and those that were finished when it was resumed */
    double most_reads;            /* how often a chunk was read at most, on average over the worst variable */
} cr_rechunk_report;

/* Runs in c with its threads, memory limit, progress and cancelling. ret_report may be NULL. Besides what reading and writing can
 * say: CR_INVALID for chunks that make no sense, CR_UNSUPPORTED naming a variable that cannot be read or written. */
CR_API cr_status cr_rechunk(const char *source, const char *destination, const cr_rechunk_options *options, cr_context *c,
                            cr_rechunk_report *ret_report, cr_err *err) CR_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
