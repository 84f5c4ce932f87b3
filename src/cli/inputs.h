/* inputs.h - the files of `craton calc` as one: in a row along a dimension, when there are several; and further files under names of their own. */
#ifndef CR_CLI_INPUTS_H
#define CR_CLI_INPUTS_H

#include "craton/craton.h"

enum { CR_INPUTS_MOST = 1 << 20 };

typedef struct cr_inputs {
    cr_context *context;
    int n;
    cr_dataset **sets;            /* in the order of the labels of along */
    char along[256];              /* "" for one file */
    char order[256];              /* the coordinate whose values along it put files in order: along itself, or one with times */
    cr_labelled *members;         /* along is a new dimension, with these labels: the names of the files; NULL: one that they have */
    char name[64];                /* "" for files without a name */
    struct cr_inputs *next;       /* files of the next name; owned */
} cr_inputs;

/* operands: files, and NAME=FILE for those that an expression calls NAME.variable. The same NAME several times, or patterns in FILE (which a shell does
 * not see behind "="), are several files. An operand that is a file as it stands is one, whatever is in its name. *ret_inputs are the files without a
 * name, or else those of the first name.
 * along NULL: the dimension with times; one that no file has is a new one, for variables of numbers. Files are put into the order of their first
 * labels; CR_INVALID: they overlap. */
cr_status cr_inputs_open(cr_context *c, int n, char *const *operands, const cr_dataset_options *options, const char *along,
                         cr_inputs *ret_inputs, cr_err *err) CR_MUST_USE;
void cr_inputs_close(cr_inputs *in);
/* The files of a name; NULL: there is none. */
const cr_inputs *cr_inputs_called(const cr_inputs *in, const char *name);
/* Variables that have the dimension along are joined, others are those of the first file. */
cr_status cr_inputs_get(const cr_inputs *in, const char *name, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;

#endif
