/* labels.c - values in memory: made, compared, selected from, shown. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/array/node.h"
#include "engine/dataset/variable.h"

cr_status cr_labels_new(char kind, int64_t n, cr_labels **ret_labels, cr_err *err) {
    cr_labels *l = calloc(1, sizeof *l);
    void *values = n < PTRDIFF_MAX / 16 ? calloc((size_t)n + 1, 8) : NULL;
    if (!l || !values) {
        free(l);
        free(values);
        return CR_FAIL(err, CR_MEMORY, "no memory for %" PRId64 " labels", n);
    }
    l->refs = 1;
    l->kind = kind;
    l->n = n;
    if (kind == 'f')
        l->f = values;
    else
        l->i = values;
    *ret_labels = l;
    return CR_OK;
}

cr_status cr_labels_text(int64_t n, const char *const *texts, cr_labels **ret_labels, cr_err *err) {
    size_t bytes = 0;
    for (int64_t i = 0; i < n; i++)
        bytes += strlen(texts[i]) + 1;
    cr_labels *l = calloc(1, sizeof *l);
    char **block = n < PTRDIFF_MAX / 16 && bytes < PTRDIFF_MAX / 4 ? malloc(((size_t)n + 1) * sizeof *block + bytes) : NULL;
    if (!l || !block) {
        free(l);
        free(block);
        return CR_FAIL(err, CR_MEMORY, "no memory for %" PRId64 " texts", n);
    }
    char *at = (char *)(block + n + 1);
    for (int64_t i = 0; i < n; i++) {
        size_t length = strlen(texts[i]) + 1;
        block[i] = memcpy(at, texts[i], length);
        at += length;
    }
    block[n] = NULL;
    *l = (cr_labels){.refs = 1, .kind = 's', .n = n, .s = block};
    *ret_labels = l;
    return CR_OK;
}

cr_labels *cr_labels_ref(cr_labels *l) {
    if (l)
        atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
    return l;
}

void cr_labels_unref(cr_labels *l) {
    if (!l || atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) != 1)
        return;
    free(l->i);
    free(l->f);
    free(l->s);
    free(l);
}

cr_status cr_labels_take(const cr_labels *l, const int64_t *at, int64_t n, cr_labels **ret_labels, cr_err *err) {
    if (l->kind == 's') {
        cr_auto_free const char **texts = calloc((size_t)n + 1, sizeof *texts);
        if (!texts)
            return CR_FAIL(err, CR_MEMORY, "no memory for %" PRId64 " texts", n);
        for (int64_t k = 0; k < n; k++)
            texts[k] = l->s[at[k]];
        return cr_labels_text(n, texts, ret_labels, err);
    }
    CR_TRY(cr_labels_new(l->kind, n, ret_labels, err));
    for (int64_t k = 0; k < n; k++)
        if (l->kind == 'f')
            (*ret_labels)->f[k] = l->f[at[k]];
        else
            (*ret_labels)->i[k] = l->i[at[k]];
    return CR_OK;
}

static bool is_number(char kind) { return kind == 'i' || kind == 'f'; }

bool cr_labels_same(const cr_labels *a, int64_t i, const cr_labels *b, int64_t j) {
    if (is_number(a->kind) && is_number(b->kind) && (a->kind == 'f' || b->kind == 'f')) {
        double x = a->kind == 'f' ? a->f[i] : (double)a->i[i], y = b->kind == 'f' ? b->f[j] : (double)b->i[j];
        return x == y || (isnan(x) && isnan(y));
    }
    if (a->kind != b->kind)
        return false;
    return a->kind == 's' ? strcmp(a->s[i], b->s[j]) == 0 : a->i[i] == b->i[j];
}

bool cr_labels_missing(const cr_labels *l, int64_t i) {
    return l->kind == 'f' ? isnan(l->f[i]) : l->kind == 't' ? l->i[i] == CR_TIME_MISSING : false;
}

int cr_labels_compare(const cr_labels *l, int64_t i, int64_t j) {
    if (l->kind == 's')
        return strcmp(l->s[i], l->s[j]);
    if (l->kind == 'f')
        return (l->f[i] > l->f[j]) - (l->f[i] < l->f[j]);
    return (l->i[i] > l->i[j]) - (l->i[i] < l->i[j]);
}

char *cr_labels_show(const cr_labels *l, cr_calendar calendar, int64_t i, char *buf, size_t size) {
    cr_date date;
    if (l->kind == 's')
        snprintf(buf, size, "%s", l->s[i]);
    else if (l->kind == 'f')
        snprintf(buf, size, "%.10g", l->f[i]);
    else if (l->kind == 'i')
        snprintf(buf, size, "%" PRId64, l->i[i]);
    else if (l->i[i] == CR_TIME_MISSING)
        snprintf(buf, size, "NaT");
    else {
        char text[64];
        cr_date_from_us(calendar, l->i[i], &date);
        snprintf(buf, size, "%s", cr_date_text(&date, text, sizeof text));
    }
    return buf;
}

/* Orders labels of several arrays; whole numbers and floats mix; NaN comes last. */
static int by_label(const void *a, const void *b) {
    const cr_sorted_label *x = a, *y = b;
    if (cr_labels_same(x->labels, x->at, y->labels, y->at))
        return 0;
    if (x->labels->kind == 's')
        return strcmp(x->labels->s[x->at], y->labels->s[y->at]);
    if (x->labels->kind == 'f' || y->labels->kind == 'f') {
        double p = x->labels->kind == 'f' ? x->labels->f[x->at] : (double)x->labels->i[x->at];
        double q = y->labels->kind == 'f' ? y->labels->f[y->at] : (double)y->labels->i[y->at];
        return p < q ? -1 : p > q ? 1 : isnan(p) ? 1 : -1;
    }
    return x->labels->i[x->at] < y->labels->i[y->at] ? -1 : 1;
}

cr_status cr_labels_sort(const cr_labels *l, cr_sorted_label **ret_sorted, cr_err *err) {
    cr_sorted_label *s = calloc((size_t)l->n + 1, sizeof *s);
    if (!s)
        return CR_FAIL(err, CR_MEMORY, "no memory for %" PRId64 " labels", l->n);
    for (int64_t k = 0; k < l->n; k++)
        s[k] = (cr_sorted_label){l, k};
    qsort(s, (size_t)l->n, sizeof *s, by_label);
    *ret_sorted = s;
    return CR_OK;
}

cr_status cr_labels_sort_unique(const char *dim, const cr_labels *l, cr_calendar calendar, cr_sorted_label **ret_sorted, cr_err *err) {
    cr_sorted_label *s = NULL;
    CR_TRY(cr_labels_sort(l, &s, err));
    for (int64_t k = 1; k < l->n; k++)
        if (by_label(&s[k - 1], &s[k]) == 0) {
            char text[100];
            cr_status status = CR_FAIL(err, CR_INVALID, "the label %s of %s occurs more than once",
                                       cr_labels_show(l, calendar, s[k].at, text, sizeof text), dim);
            free(s);
            return status;
        }
    *ret_sorted = s;
    return CR_OK;
}

int64_t cr_labels_find(const cr_sorted_label *sorted, int64_t n, const cr_labels *l, int64_t i) {
    cr_sorted_label wanted = {l, i};
    const cr_sorted_label *found = bsearch(&wanted, sorted, (size_t)n, sizeof *sorted, by_label);
    return found ? found->at : -1;
}

#define COPY(name, T)                                                                     \
    case CR_##name:                                                                       \
        for (int64_t k = 0; k < n; k++)                                                   \
            l->i[k] = (int64_t)((const T *)values)[k];                                    \
        break

cr_status cr_labels_of_values(const cr_var *v, const void *values, cr_labels **ret_labels, cr_err *err) {
    int64_t n = v->data->size;
    bool real = cr_dtype_kind(v->data->dtype) == 'f';
    if (v->data->dtype == CR_F16 || cr_dtype_size(v->data->dtype) == 0)
        return CR_FAIL(err, CR_UNSUPPORTED, "%s: labels of type %s are not supported", v->name ? v->name : "the array", cr_dtype_name(v->data->dtype));
    cr_labels *l;
    CR_TRY(cr_labels_new(v->kind == CR_KIND_TIMES ? 't' : real ? 'f' : 'i', n, &l, err));
    switch (v->data->dtype) {
    COPY(BOOL, uint8_t);
    COPY(I8, int8_t);
    COPY(I16, int16_t);
    COPY(I32, int32_t);
    COPY(I64, int64_t);
    COPY(U8, uint8_t);
    COPY(U16, uint16_t);
    COPY(U32, uint32_t);
    COPY(U64, uint64_t);
    case CR_F32:
        for (int64_t k = 0; k < n; k++)
            l->f[k] = ((const float *)values)[k];
        break;
    default:
        memcpy(l->f, values, (size_t)n * sizeof(double));
    }
    for (int64_t k = 0; k < n; k++) {
        if (v->data->dtype == CR_U64 && l->i[k] < 0) {
            cr_labels_unref(l);
            return CR_FAIL(err, CR_RANGE, "%s: the label %" PRIu64 " is larger than 2^63 - 1", v->name ? v->name : "the array", ((const uint64_t *)values)[k]);
        }
        if (v->kind == CR_KIND_TIMES && l->i[k] == CR_TIME_MISSING + 1) {
            cr_labels_unref(l);
            return CR_FAIL(err, CR_RANGE, "%s: the time at position %" PRId64 " lies more than 287,000 years from year 1", v->name ? v->name : "the array", k);
        }
    }
    *ret_labels = l;
    return CR_OK;
}

cr_status cr_labels_check(const cr_var *v, cr_err *err) {
    if (v->data->size <= CR_LABELS_MAX)
        return CR_OK;
    return CR_FAIL(err, CR_LIMIT, "%s has %" PRId64 " labels; at most %d are held in memory", v->name ? v->name : "an array", v->data->size, CR_LABELS_MAX);
}

cr_status cr_var_labels(cr_context *c, const cr_var *v, cr_labels **ret_labels, cr_err *err) {
    if (v->labels) {
        *ret_labels = cr_labels_ref(v->labels);
        return CR_OK;
    }
    if (v->problem)
        return CR_FAIL(err, CR_UNSUPPORTED, "the variable %s cannot be read: %s", v->name, v->problem);
    CR_TRY(cr_labels_check(v, err));
    cr_auto_free void *values = malloc((size_t)v->data->size * v->data->itemsize + 1);
    if (!values)
        return CR_FAIL(err, CR_MEMORY, "no memory for the %lld values of %s", (long long)v->data->size, v->name ? v->name : "an array");
    cr_status status = cr_compute(c, 1, &v->data, &values, err);
    if (status != CR_OK) {
        cr_err_context(err, "reading the labels of %s", v->name ? v->name : "an array");
        return status;
    }
    return cr_labels_of_values(v, values, ret_labels, err);
}
