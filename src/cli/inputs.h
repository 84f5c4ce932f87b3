/* inputs.h - the files of `craton calc` as one: in a row along a dimension, when there are several. */
#ifndef CR_CLI_INPUTS_H
#define CR_CLI_INPUTS_H

#include "craton/craton.h"

typedef struct cr_inputs {
    cr_context *context;
    int n;
    cr_dataset **sets;            /* in the order of the labels of along */
    char along[256];              /* "" for one file */
} cr_inputs;

/* along NULL: the dimension with times. Files are put into the order of their first labels; CR_INVALID: they overlap. */
cr_status cr_inputs_open(cr_context *c, int n, char *const *paths, const cr_dataset_options *options, const char *along,
                         cr_inputs *ret_inputs, cr_err *err) CR_MUST_USE;
void cr_inputs_close(cr_inputs *in);
/* Variables that have the dimension along are joined, others are those of the first file. */
cr_status cr_inputs_get(const cr_inputs *in, const char *name, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;

#endif
