/* aggregate.h - what plain and grouped reductions share. */
#ifndef CR_ENGINE_DATASET_AGGREGATE_H
#define CR_ENGINE_DATASET_AGGREGATE_H

#include "engine/dataset/variable.h"

/* Which axes are folded, and with which codes (cr_array_group); codes NULL: all elements into one. */
typedef struct cr_folding {
    int n_axes;
    const int *axes;
    const int32_t *codes;
    int64_t n_groups;
} cr_folding;

cr_status cr_fold_array(const cr_folding *f, cr_array *a, cr_reduction r, const cr_reduce_options *options, cr_array **ret_array,
                        cr_err *err) CR_MUST_USE;
/* The values of a labelled array, times included; options NULL: missing values are left out. */
cr_status cr_fold_labelled(cr_labelled *a, const cr_folding *f, cr_reduction r, const cr_reduce_options *options, cr_array **ret_array,
                           cr_err *err) CR_MUST_USE;

#endif
