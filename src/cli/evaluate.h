/* evaluate.h - a program of `craton calc` on the variables of files: lazy labelled arrays out of a tree. */
#ifndef CR_CLI_EVALUATE_H
#define CR_CLI_EVALUATE_H

#include "cli/expression.h"
#include "cli/inputs.h"

enum { CR_RESULTS_MOST = 1000 };

typedef struct cr_results {
    int n;
    cr_labelled *arrays[CR_RESULTS_MOST];     /* named, each name once */
    int left_out;                 /* by "*": variables of times or text */
} cr_results;

/* Nothing but labels is read. On failure *ret_at is the byte of the program that failed. Results are those of the last statement, or
 * all that was assigned when it is an assignment. */
cr_status cr_evaluate(const cr_program *program, const cr_inputs *inputs, cr_results *ret_results, int *ret_at, cr_err *err) CR_MUST_USE;
void cr_results_done(cr_results *r);

/* ---- between the files of the evaluation ---- */

/* What a verb works on: an array, perhaps with a modifier that waits for a reduction. */
typedef struct cr_operand {
    cr_labelled *array;
    const cr_expr *modifier;      /* NULL: none */
    cr_labelled *weights;         /* of CR_VERB_WEIGHTED; NULL: by latitude */
} cr_operand;

void cr_operand_done(cr_operand *o);

/* each: a dimension that the array does not have is passed over. *at is set to what failed, when that is known better than the verb. */
cr_status cr_apply_selection(cr_context *c, cr_expr *e, cr_labelled *a, bool each, cr_labelled **ret_array, int *at,
                             cr_err *err) CR_MUST_USE;
cr_status cr_apply_reduction(cr_context *c, cr_expr *e, const cr_operand *o, bool each, cr_labelled **ret_array, int *at,
                             cr_err *err) CR_MUST_USE;
/* Along the one dimension named: what the verb's detail says. */
cr_status cr_apply_along(cr_context *c, cr_expr *e, cr_labelled *a, bool each, cr_labelled **ret_array, int *at, cr_err *err) CR_MUST_USE;
cr_status cr_apply_correlation(cr_context *c, cr_expr *e, cr_labelled *a, cr_labelled *b, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;
/* a, and other where it is missing. */
cr_status cr_apply_filling(cr_labelled *a, cr_labelled *other, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;
cr_status cr_apply_interpolation(cr_context *c, cr_expr *e, cr_labelled *a, bool each, cr_labelled **ret_array, int *at,
                                 cr_err *err) CR_MUST_USE;
/* The nearest cells of several places, along a new dimension "point". */
cr_status cr_apply_points(cr_context *c, cr_expr *e, cr_labelled *a, bool each, cr_labelled **ret_array, int *at, cr_err *err) CR_MUST_USE;
cr_status cr_apply_anomaly(cr_expr *e, cr_labelled *a, bool each, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;
/* median and quantile: over dimensions (n 0: all), by group of the dimension dim, by period. */
cr_status cr_order_over(cr_context *c, const cr_expr *e, cr_labelled *a, int n, const char *const *dims, cr_labelled **ret_array, int *at,
                        cr_err *err) CR_MUST_USE;
cr_status cr_order_by_group(cr_context *c, const cr_expr *e, cr_labelled *a, const char *dim, const char *key, cr_labelled **ret_array,
                            int *at, cr_err *err) CR_MUST_USE;
cr_status cr_order_by_period(cr_context *c, const cr_expr *e, cr_labelled *a, const char *dim, const char *every, cr_labelled **ret_array,
                             int *at, cr_err *err) CR_MUST_USE;
/* To another grid: words are a grid (r360x180, or a file between quotes), a method, skipna. Weights are made now. */
cr_status cr_apply_regrid(cr_context *c, const cr_inputs *inputs, cr_expr *e, cr_labelled *a, bool each, cr_labelled **ret_array, int *at,
                          cr_err *err) CR_MUST_USE;
/* The dimension of a that a person means: itself, or the one that is a latitude (lat), longitude (lon), level (lev) or time whatever the file calls
 * it; else the word. Borrowed from a or the caller. */
const char *cr_dim_called(cr_labelled *a, const char *word);
/* The two dimensions of cells whose latitudes and longitudes are no rows and columns: both coordinates have them. false: there are no such. */
bool cr_cells_of(cr_labelled *a, const char **ret_dims, cr_labelled **ret_lat, cr_labelled **ret_lon);
/* What word is of the roles "lat" and "lon"; NULL: neither. */
const char *cr_place_word(const char *word);
cr_status cr_no_dim(cr_labelled *a, const char *word, cr_err *err) CR_MUST_USE;   /* the error that lists what there is */
bool cr_has_dim(cr_labelled *a, const char *word);
/* month, season, year ..., when a has times and no dimension of that name; and what of a has it. */
bool cr_is_part_of_date(cr_labelled *a, const char *word);
cr_status cr_sel_part_of_date(const cr_keyed *k, cr_labelled *a, cr_labelled **ret_array, int *at, cr_err *err) CR_MUST_USE;
/* The values of that part that there are, rising, each once (seasons: 0 is DJF); the caller frees. And one as it is written: 2008, 03, DJF. */
cr_status cr_parts_of_dates(cr_labelled *a, const char *word, int64_t **ret_values, int64_t *ret_n, cr_err *err) CR_MUST_USE;
void cr_part_of_date_text(const char *word, int64_t value, char *buf, size_t size);
/* Coordinates of the Earth. */
bool cr_is_latitude(cr_labelled *a);
bool cr_is_longitude(cr_labelled *a);
/* What lies from one longitude east to another, when that is not what plain selection finds: across the seam of the labels, or in another
 * turn than they are. Labels of the result go on from `from`. *ret_array NULL: plain selection it is. */
cr_status cr_sel_longitudes(cr_context *c, cr_labelled *a, const char *dim, cr_labelled *index, double from, double to,
                            cr_labelled **ret_array, cr_err *err) CR_MUST_USE;
/* *label becomes the same longitude in the turn in which it is next to a label. Other coordinates: nothing. */
cr_status cr_turn_longitude(cr_context *c, cr_labelled *index, double *label, cr_err *err) CR_MUST_USE;
/* All values; the caller frees. */
cr_status cr_load_doubles(cr_context *c, cr_labelled *a, double **ret_values, int64_t *ret_n, cr_err *err) CR_MUST_USE;
/* "month" as cr_group_reduce wants it: "time.month". */
cr_status cr_group_key(cr_labelled *a, const char *word, char *buf, size_t size, cr_err *err) CR_MUST_USE;
/* The dimension whose index is times; NULL: none. */
const char *cr_time_dim(cr_labelled *a);
cr_status cr_convert_units(cr_context *c, cr_labelled *a, const char *to, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;
/* One attribute replaced or added. */
cr_status cr_set_attr(cr_labelled *a, const char *name, const char *value, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;
/* a becomes b, whose reference it takes. */
static inline void cr_labelled_become(cr_labelled **a, cr_labelled *b) {
    cr_labelled_unref(*a);
    *a = b;
}

#endif
