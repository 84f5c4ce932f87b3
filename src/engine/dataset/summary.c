/* summary.c - a labelled array for people. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "engine/array/node.h"
#include "engine/dataset/variable.h"

enum { SUMMARY_MAX = 1 << 20, SHOWN_MOST = 40, ATTR_VALUES_MOST = 20 };

/* Text from files: no control characters, which steer terminals, and not without end. */
static void add_text(cr_buf *b, const char *s) {
    size_t n = strlen(s), most = 200;
    for (size_t k = 0; k < n && k < most; k++)
        cr_buf_addc(b, (unsigned char)s[k] < 0x20 || s[k] == 0x7f ? ' ' : s[k]);
    if (n > most)
        cr_buf_adds(b, "...");
}

static void add_label(cr_buf *b, const cr_var *v, const cr_labels *l, int64_t i) {
    char text[256];
    if (l->kind == 'f' && v->data && v->data->dtype == CR_F32)
        snprintf(text, sizeof text, "%.7g", l->f[i]);
    else
        cr_labels_show(l, v->calendar, i, text, sizeof text);
    add_text(b, text);
}

static const char *type_name(const cr_var *v) {
    return v->kind == CR_KIND_TIMES ? cr_calendar_name(v->calendar) : v->data ? cr_dtype_name(v->data->dtype) : "text";
}

static void add_dims(cr_buf *b, const cr_var *v) {
    cr_buf_addc(b, '(');
    for (int a = 0; a < v->ndim; a++) {
        cr_buf_adds(b, a ? ", " : "");
        add_text(b, v->dims[a]);
        cr_buf_addf(b, ": %" PRId64, v->shape[a]);
    }
    cr_buf_addc(b, ')');
}

static void add_attr(cr_buf *b, const cr_attr *a) {
    cr_buf_adds(b, "    ");
    add_text(b, a->name);
    cr_buf_adds(b, ": ");
    if (a->dtype == CR_STRING) {
        for (int64_t k = 0; k < a->n && k < ATTR_VALUES_MOST; k++) {
            cr_buf_adds(b, k ? ", " : "");
            add_text(b, ((const char *const *)a->values)[k]);
        }
    } else {
        cr_var plain = {.kind = CR_KIND_NUMBERS};
        cr_auto_array cr_array *values = NULL;
        cr_auto_labels cr_labels *l = NULL;
        if (cr_dtype_size(a->dtype) && cr_array_copy_memory(a->dtype, 1, &a->n, a->values, &values, NULL) == CR_OK) {
            plain.data = values;
            if (cr_labels_of_values(&plain, a->values, &l, NULL) == CR_OK)
                for (int64_t k = 0; k < a->n && k < ATTR_VALUES_MOST; k++) {
                    cr_buf_adds(b, k ? ", " : "");
                    add_label(b, &plain, l, k);
                }
        }
    }
    cr_buf_adds(b, a->n > ATTR_VALUES_MOST ? ", ...\n" : "\n");
}

static void add_coord(cr_buf *b, const cr_var *v) {
    cr_buf_adds(b, cr_var_is_index(v) ? "  * " : "    ");
    add_text(b, v->name);
    cr_buf_addc(b, ' ');
    add_dims(b, v);
    cr_buf_addf(b, " %s", type_name(v));
    for (int64_t k = 0; v->labels && k < v->labels->n && k < 3; k++) {
        bool last = k == 2 || k == v->labels->n - 1;
        cr_buf_adds(b, k == 0 ? "  " : last && v->labels->n > 3 ? " ... " : " ");
        add_label(b, v, v->labels, last ? v->labels->n - 1 : k);
    }
    cr_buf_addc(b, '\n');
}

static cr_status add_values(cr_buf *b, const cr_labelled *a, cr_err *err) {
    int64_t n = 1;
    for (int k = 0; k < a->var->ndim; k++)
        n *= a->var->shape[k];
    if (n > SHOWN_MOST || (a->var->data && a->var->data->dtype == CR_F16))
        return CR_OK;
    cr_auto_labels cr_labels *l = NULL;
    CR_TRY(cr_var_labels(a->context, a->var, &l, err));
    int64_t row = a->var->ndim ? a->var->shape[a->var->ndim - 1] : 1;
    cr_buf_adds(b, "Values:\n");
    for (int64_t k = 0; k < l->n; k++) {
        cr_buf_adds(b, row > 0 && k % row == 0 ? "    " : " ");
        add_label(b, a->var, l, k);
        cr_buf_adds(b, row > 0 && k % row == row - 1 ? "\n" : "");
    }
    return CR_OK;
}

cr_status cr_labelled_summary(cr_labelled *a, char **ret_text, cr_err *err) {
    cr_auto_buf cr_buf b;
    cr_buf_init(&b, SUMMARY_MAX);
    add_text(&b, a->var->name ? a->var->name : "(no name)");
    cr_buf_addc(&b, ' ');
    add_dims(&b, a->var);
    cr_buf_addf(&b, " %s\n", type_name(a->var));
    CR_TRY(add_values(&b, a, err));
    cr_buf_adds(&b, a->n_coords ? "Coordinates:\n" : "");
    for (int k = 0; k < a->n_coords; k++)
        add_coord(&b, a->coords[k]);
    cr_buf_adds(&b, a->var->n_attrs ? "Attributes:\n" : "");
    for (int k = 0; k < a->var->n_attrs; k++)
        add_attr(&b, &a->var->attrs[k]);
    CR_TRY(cr_buf_check(&b, err));
    *ret_text = cr_buf_take(&b);
    return *ret_text ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory for a summary");
}
