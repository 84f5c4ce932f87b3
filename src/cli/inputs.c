/* inputs.c - several files in a row. */
#include "cli/inputs.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* Ends of the index of one file; times as microseconds. */
typedef struct span {
    cr_dataset *set;
    const char *path;
    double first, last;
} span;

static cr_status end_of(cr_inputs *in, cr_labelled *index, int64_t at, double *ret, cr_err *err) {
    cr_array *picked = NULL, *real = NULL;
    cr_status status = cr_array_take(cr_labelled_array(index), 0, &at, 1, &picked, err);
    if (status == CR_OK)
        status = cr_array_cast(picked, CR_F64, &real, err);
    if (status == CR_OK)
        status = cr_compute(in->context, 1, &real, (void *[]){ret}, err);
    cr_array_unref(real);
    cr_array_unref(picked);
    return status;
}

static cr_status span_of(cr_inputs *in, span *s, cr_err *err) {
    cr_labelled *index = NULL;
    CR_TRY(cr_dataset_get(s->set, in->along, &index, err));
    cr_status status = CR_OK;
    if (!cr_labelled_array(index) || cr_labelled_ndim(index) != 1 || cr_labelled_shape(index)[0] == 0)
        status = CR_FAIL(err, CR_INVALID, "%s is no row of numbers or times", in->along);
    int64_t n = status == CR_OK ? cr_labelled_shape(index)[0] : 0;
    if (status == CR_OK)
        status = end_of(in, index, 0, &s->first, err);
    if (status == CR_OK)
        status = end_of(in, index, n - 1, &s->last, err);
    cr_labelled_unref(index);
    return status;
}

static int by_first(const void *a, const void *b) {
    double x = ((const span *)a)->first, y = ((const span *)b)->first;
    return (x > y) - (x < y);
}

/* The dimension that has times for labels. */
static cr_status find_times(cr_inputs *in, cr_err *err) {
    for (int k = 0; k < cr_dataset_n_variables(in->sets[0]); k++) {
        cr_labelled *a = NULL;
        const char *name = cr_dataset_name(in->sets[0], k);
        if (!cr_dataset_is_coord(in->sets[0], k) || cr_dataset_get(in->sets[0], name, &a, NULL) != CR_OK)
            continue;
        bool found = cr_labelled_kind(a) == CR_KIND_TIMES && cr_labelled_ndim(a) == 1 && strcmp(cr_labelled_dim(a, 0), name) == 0;
        cr_labelled_unref(a);
        if (found && strlen(name) < sizeof in->along) {
            strcpy(in->along, name);
            return CR_OK;
        }
    }
    cr_err_set(err, CR_NOT_FOUND, __FILE__, __LINE__, "the files have no dimension of times to be joined along");
    cr_err_hint(err, "Name another dimension with --along.");
    return CR_NOT_FOUND;
}

static cr_status put_in_order(cr_inputs *in, char *const *paths, cr_err *err) {
    cr_auto_free span *spans = calloc((size_t)in->n, sizeof *spans);
    if (!spans)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d files", in->n);
    for (int k = 0; k < in->n; k++) {
        spans[k] = (span){.set = in->sets[k], .path = paths[k]};
        cr_status status = span_of(in, &spans[k], err);
        if (status != CR_OK) {
            cr_err_context(err, "%s", paths[k]);
            return status;
        }
    }
    qsort(spans, (size_t)in->n, sizeof *spans, by_first);
    for (int k = 0; k < in->n; k++)       /* all, also before an error: each is closed once */
        in->sets[k] = spans[k].set;
    for (int k = 1; k < in->n; k++)
        if (spans[k].first <= spans[k - 1].last)
            return CR_FAIL(err, CR_INVALID, "%s begins along %s before %s ends", spans[k].path, in->along, spans[k - 1].path);
    return CR_OK;
}

cr_status cr_inputs_open(cr_context *c, int n, char *const *paths, const cr_dataset_options *options, const char *along,
                         cr_inputs *ret_inputs, cr_err *err) {
    cr_inputs in = {.context = c, .sets = calloc((size_t)n + 1, sizeof *in.sets)};
    cr_status status = CR_OK;
    if (!in.sets)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d files", n);
    for (int k = 0; k < n && status == CR_OK; k++) {
        status = cr_dataset_open(c, paths[k], options, &in.sets[k], err);
        in.n += status == CR_OK;
    }
    if (status == CR_OK && along && strlen(along) >= sizeof in.along)
        status = CR_FAIL(err, CR_INVALID, "the name of the dimension is too long");
    if (status == CR_OK && n > 1) {
        if (along)
            strcpy(in.along, along);
        else
            status = find_times(&in, err);
    }
    if (status == CR_OK && n > 1)
        status = put_in_order(&in, paths, err);
    if (status != CR_OK)
        cr_inputs_close(&in);
    else
        *ret_inputs = in;
    return status;
}

void cr_inputs_close(cr_inputs *in) {
    for (int k = 0; k < in->n; k++)
        cr_dataset_unref(in->sets[k]);
    free(in->sets);
    *in = (cr_inputs){0};
}

cr_status cr_inputs_get(const cr_inputs *in, const char *name, cr_labelled **ret_array, cr_err *err) {
    cr_labelled *first = NULL;
    CR_TRY(cr_dataset_get(in->sets[0], name, &first, err));
    if (in->n == 1 || cr_labelled_axis(first, in->along) < 0) {
        *ret_array = first;
        return CR_OK;
    }
    cr_auto_free cr_labelled **parts = calloc((size_t)in->n, sizeof *parts);
    cr_status status = parts ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory for %d files", in->n);
    if (parts)
        parts[0] = cr_labelled_ref(first);
    for (int k = 1; k < in->n && status == CR_OK; k++)
        status = cr_dataset_get(in->sets[k], name, &parts[k], err);
    if (status == CR_OK)
        status = cr_concat(in->n, parts, in->along, ret_array, err);
    for (int k = 0; parts && k < in->n; k++)
        cr_labelled_unref(parts[k]);
    cr_labelled_unref(first);
    return status;
}
