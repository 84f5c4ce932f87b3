/* wrap.c - labels for values that were made without them, and values out of labelled arrays: what programs in C need around array.h. */
#include <stdlib.h>
#include <string.h>

#include "engine/dataset/variable.h"

cr_status cr_labelled_with_values(cr_labelled *a, cr_array *values, cr_labelled **ret_array, cr_err *err) {
    const char *name = a->var->name ? a->var->name : "the array";
    if (!a->var->data)
        return CR_FAIL(err, CR_TYPE, "%s is text", name);
    if (cr_array_ndim(values) != a->var->ndim) {
        cr_status status = CR_FAIL(err, CR_INVALID, "%s has %d dimensions, the values have %d", name, a->var->ndim, cr_array_ndim(values));
        cr_err_hint(err, "cr_labelled_new names the dimensions of other values.");
        return status;
    }
    cr_auto_var cr_var *var = NULL;
    cr_auto_free cr_var **coords = calloc((size_t)a->n_coords + 1, sizeof *coords);
    if (!coords)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d coordinates", a->n_coords);
    CR_TRY(cr_var_new(a->var->name, a->var->ndim, a->var->dims, values, CR_KIND_NUMBERS, CR_CALENDAR_STANDARD, &var, err));
    CR_TRY(cr_var_copy_attrs(var, a->var->n_attrs, a->var->attrs, err));
    int n = 0;
    for (int k = 0; k < a->n_coords; k++) {
        bool fits = true;
        for (int d = 0; d < a->coords[k]->ndim && fits; d++)
            fits = a->coords[k]->shape[d] == cr_array_shape(values)[cr_var_axis(a->var, a->coords[k]->dims[d])];
        if (fits)
            coords[n++] = a->coords[k];
    }
    return cr_labelled_make(a->context, var, n, coords, ret_array, err);
}

cr_status cr_labelled_row(cr_context *c, const char *name, int64_t n, const double *values, const char *units, cr_labelled **ret_array, cr_err *err) {
    cr_auto_array cr_array *array = NULL;
    cr_auto_labelled cr_labelled *plain = NULL;
    const cr_attr attr = {.name = "units", .dtype = CR_STRING, .n = 1, .values = &units};
    CR_TRY(cr_array_copy_memory(CR_F64, 1, &n, values, &array, err));
    CR_TRY(cr_labelled_new(c, name, &name, array, CR_KIND_NUMBERS, CR_CALENDAR_STANDARD, &plain, err));
    return cr_labelled_with_attrs(plain, units ? 1 : 0, &attr, ret_array, err);
}

cr_status cr_labelled_load_doubles(cr_labelled *a, double *ret_values, size_t n, cr_err *err) {
    const char *name = a->var->name ? a->var->name : "the array";
    cr_auto_array cr_array *wide = NULL;
    if (!a->var->data || a->var->kind != CR_KIND_NUMBERS)
        return CR_FAIL(err, CR_TYPE, "%s is no numbers", name);
    if (n < (size_t)cr_array_size(a->var->data))
        return CR_FAIL(err, CR_LIMIT, "room for %zu of %lld values", n, (long long)cr_array_size(a->var->data));
    CR_TRY(cr_array_cast(a->var->data, CR_F64, &wide, err));
    void *out = ret_values;
    return cr_compute(a->context, 1, &wide, &out, err);
}
