/* part.h - a reduction over one large array in parts, which several processes compute and one combines: the bits of the whole.
 *
 * The elements that reductions look at are cut into boxes: along axes that are kept, at the borders of cells, and along one that is reduced, at the
 * borders of sections of the fold tree (docs/decisions/0004). A part is the states of its sections: plain numbers, one per element of the
 * result that the part knows of. Sections are merged in the order in which the whole merges them, so that the result is that of cr_compute
 * with the same arrays, bit by bit, however many parts there are and whoever computed them.
 *
 * Who takes part has the same arrays (cr_graph_encode) and the same wanted number; both decide the cut, threads and memory do not.
 *
 * Form of a part: little-endian; magic "\x93" "CRPART\n", version (u32), arrays (u32), wanted, part and parts (i64), bytes in all (u64), checksum of what
 * follows (u64); then for each array a description that must be that of the reader's own array, and the states: for each section the
 * groups that have elements (u8 each), and each plane, padded to multiples of 8 bytes. Numbers may be any; sizes follow from the arrays alone.
 */
#ifndef CRATON_PART_H
#define CRATON_PART_H

#include "craton/array.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CR_PART_VERSION 1             /* of the form; another one is CR_UNSUPPORTED */
#define CR_PARTS_MOST 65536

typedef struct cr_part_cut {          /* of the scan that computes an array */
    int32_t scan;                     /* arrays with the same number are computed by one scan and can be computed in parts together; -1: not in parts */
    int64_t n_parts;                  /* near the wanted number; 1: this reduction cannot be cut */
    uint64_t state_bytes;             /* of all parts of this array together */
    double cost_ns;                   /* predicted, of the whole scan, with one thread */
    uint64_t fold_order;              /* two reductions alike, one of a slice along axes that both keep, have the same bits there when this is equal; 0: scan is -1 */
} cr_part_cut;

/* How n arrays would be cut into about `wanted` (1..CR_PARTS_MOST) parts; ret_cuts has n entries. Reductions that are not made of other
 * reductions, other than quantiles, can be computed in parts; scan -1: anything else, and what one scan computes together with something else. */
CR_API cr_status cr_part_look(cr_context *c, int n, cr_array *const *arrays, int64_t wanted, cr_part_cut *ret_cuts, cr_err *err) CR_MUST_USE;
/* Part number `part` (0 .. n_parts - 1) of n arrays of one scan, as *ret_n bytes; the caller frees them with cr_free. CR_INVALID: no such part, or
 * arrays that one scan does not compute in parts. */
CR_API cr_status cr_part_compute(cr_context *c, int n, cr_array *const *arrays, int64_t wanted, int64_t part, void **ret_bytes, size_t *ret_n,
                                 cr_err *err) CR_MUST_USE;
/* All n_parts parts, in order, to the values: out as in cr_compute. CR_FORMAT: damaged, or not a part of these arrays in this cut. */
CR_API cr_status cr_part_combine(cr_context *c, int n, cr_array *const *arrays, int64_t wanted, int64_t n_parts, const void *const *bytes,
                                 const size_t *n_bytes, void *const *out, cr_err *err) CR_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
