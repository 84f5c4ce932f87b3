/* broadcast.c - several labelled arrays as one: dimensions by name, indexes compared or joined, coordinates and attributes merged. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/array/node.h"
#include "engine/dataset/variable.h"

static const char *named(const cr_labelled *a) { return a->var->name ? a->var->name : "an array"; }

/* ---- dimensions ---- */

static cr_status frame_of(const char *what, int n, cr_labelled *const *args, cr_frame *f, cr_err *err) {
    f->ndim = 0;
    for (int k = 0; k < n; k++) {
        const cr_var *v = args[k]->var;
        for (int a = 0; a < v->ndim; a++) {
            int at = 0;
            while (at < f->ndim && strcmp(f->dims[at], v->dims[a]) != 0)
                at++;
            if (at == CR_MAX_DIMS)
                return CR_FAIL(err, CR_LIMIT, "%s: more than %d dimensions together", what, CR_MAX_DIMS);
            if (at < f->ndim && f->shape[at] != v->shape[a])
                return CR_FAIL(err, CR_INVALID, "%s: the dimension %s has %" PRId64 " elements in one argument and %" PRId64 " in %s", what,
                               v->dims[a], f->shape[at], v->shape[a], named(args[k]));
            if (at == f->ndim) {
                f->dims[at] = v->dims[a];
                f->shape[f->ndim++] = v->shape[a];
            }
        }
    }
    return CR_OK;
}

/* The axes of v in the order of the frame, with axes of extent 1 for dimensions it has not; leading ones are left to NumPy's rule. */
static cr_status fit_to_frame(const cr_var *v, const cr_frame *f, cr_array **ret_array, cr_err *err) {
    int order[CR_MAX_DIMS], n = 0;
    for (int d = 0; d < f->ndim; d++) {
        int axis = cr_var_axis(v, f->dims[d]);
        if (axis >= 0)
            order[n++] = axis;
    }
    cr_array *fitted = cr_array_ref(v->data);
    bool sorted = true;
    for (int k = 0; k < n; k++)
        sorted = sorted && order[k] == k;
    if (!sorted) {
        cr_array *permuted;
        cr_status status = cr_array_permute(fitted, order, &permuted, err);
        cr_array_unref(fitted);
        CR_TRY(status);
        fitted = permuted;
    }
    int at = 0;
    for (int d = 0; d < f->ndim && n > 0; d++) {
        if (cr_var_axis(v, f->dims[d]) >= 0) {
            at++;
            continue;
        }
        if (at == 0)
            continue;
        cr_array *wider;
        cr_status status = cr_array_expand(fitted, at, &wider, err);
        cr_array_unref(fitted);
        CR_TRY(status);
        fitted = wider;
        at++;
    }
    *ret_array = fitted;
    return CR_OK;
}

cr_status cr_broadcast(const char *what, int n, cr_labelled *const *args, cr_frame *ret_frame, cr_array **arrays, cr_err *err) {
    for (int k = 0; k < n; k++)
        if (!args[k]->var->data)
            return CR_FAIL(err, CR_TYPE, "%s: %s is text", what, named(args[k]));
    CR_TRY(cr_check_aligned(what, n, args, err));
    CR_TRY(frame_of(what, n, args, ret_frame, err));
    for (int k = 0; k < n; k++) {
        cr_status status = fit_to_frame(args[k]->var, ret_frame, &arrays[k], err);
        if (status != CR_OK) {
            while (k-- > 0)
                cr_array_unref(arrays[k]);
            return status;
        }
    }
    return CR_OK;
}

/* ---- indexes ---- */

/* -1: equal; else the first position where they differ (the shorter length, when all before are equal). */
static int64_t first_difference(const cr_var *a, const cr_var *b) {
    if (a->labels == b->labels)
        return -1;
    int64_t n = CR_MIN(a->labels->n, b->labels->n);
    if (a->labels->kind == 't' && b->labels->kind == 't' && a->calendar != b->calendar)
        return 0;
    for (int64_t k = 0; k < n; k++)
        if (!cr_labels_same(a->labels, k, b->labels, k))
            return k;
    return a->labels->n == b->labels->n ? -1 : n;
}

/* A label, with its calendar when it is a time. */
static char *label_text(const cr_var *index, int64_t at, char *buf, size_t size) {
    char text[100];
    cr_labels_show(index->labels, index->calendar, at, text, sizeof text);
    if (index->labels->kind == 't')
        snprintf(buf, size, "%s (%s)", text, cr_calendar_name(index->calendar));
    else
        snprintf(buf, size, "%s", text);
    return buf;
}

cr_status cr_check_aligned(const char *what, int n, cr_labelled *const *args, cr_err *err) {
    for (int k = 1; k < n; k++)
        for (int a = 0; a < args[k]->var->ndim; a++) {
            const char *dim = args[k]->var->dims[a];
            const cr_var *own = cr_labelled_index(args[k], dim), *other = NULL;
            for (int j = 0; j < k && own && !other; j++)
                other = cr_labelled_index(args[j], dim);
            int64_t at = own && other ? first_difference(other, own) : -1;
            if (at < 0)
                continue;
            char one[140], two[140];
            if (at < own->labels->n && at < other->labels->n)
                cr_err_set(err, CR_INVALID, __FILE__, __LINE__, "%s: the labels of %s differ, first at position %" PRId64 ": %s and %s", what, dim, at,
                           label_text(other, at, one, sizeof one), label_text(own, at, two, sizeof two));
            else
                cr_err_set(err, CR_INVALID, __FILE__, __LINE__, "%s: the labels of %s differ: there are %" PRId64 " and %" PRId64, what, dim,
                           other->labels->n, own->labels->n);
            cr_err_hint(err, "Select the labels that all have (cr_align).");
            return CR_INVALID;
        }
    return CR_OK;
}

bool cr_labels_comparable(const cr_var *a, const cr_var *b) {
    bool numbers = (a->labels->kind == 'i' || a->labels->kind == 'f') && (b->labels->kind == 'i' || b->labels->kind == 'f');
    return numbers || (a->labels->kind == b->labels->kind && (a->labels->kind != 't' || a->calendar == b->calendar));
}

/* Joins one dimension: arrays[k] are replaced. */
static cr_status join_dim(const char *dim, int n, cr_labelled **arrays, cr_err *err) {
    const cr_var *first = NULL;
    bool differ = false;
    for (int k = 0; k < n; k++) {
        const cr_var *v = cr_labelled_index(arrays[k], dim);
        if (v && first && !cr_labels_comparable(first, v))
            return CR_FAIL(err, CR_TYPE, "align: the labels of %s are of different kinds or calendars", dim);
        differ = differ || (v && first && first_difference(first, v) >= 0);
        first = first ? first : v;
    }
    if (!differ)
        return CR_OK;
    cr_auto_labels cr_labels *base = cr_labels_ref(first->labels); /* arrays[0] is replaced on the way */
    cr_auto_free cr_sorted_label **sorted = calloc((size_t)n, sizeof *sorted);
    cr_auto_free int64_t *kept = calloc((size_t)base->n + 1, sizeof *kept), *at = calloc((size_t)base->n + 1, sizeof *at);
    if (!sorted || !kept || !at)
        return CR_FAIL(err, CR_MEMORY, "no memory to align %s", dim);
    cr_status status = CR_OK;
    for (int k = 0; k < n && status == CR_OK; k++)
        if (cr_labelled_index(arrays[k], dim))
            status = cr_labels_sort_unique(dim, cr_labelled_index(arrays[k], dim)->labels, first->calendar, &sorted[k], err);
    int64_t n_kept = 0;
    for (int64_t i = 0; i < base->n && status == CR_OK; i++) {
        bool everywhere = true;
        for (int k = 0; k < n && everywhere; k++)
            everywhere = !sorted[k] || cr_labels_find(sorted[k], cr_labelled_index(arrays[k], dim)->labels->n, base, i) >= 0;
        if (everywhere)
            kept[n_kept++] = i;
    }
    for (int k = 0; k < n && status == CR_OK; k++) {
        if (!sorted[k])
            continue;
        int64_t own = cr_labelled_index(arrays[k], dim)->labels->n;
        for (int64_t i = 0; i < n_kept; i++)
            at[i] = cr_labels_find(sorted[k], own, base, kept[i]);
        cr_pick pick = {.dim = dim, .at = at, .n = n_kept};
        cr_labelled *picked = NULL;
        status = cr_labelled_pick(arrays[k], &pick, &picked, err);
        if (status == CR_OK) {
            cr_labelled_unref(arrays[k]);
            arrays[k] = picked;
        }
    }
    for (int k = 0; k < n; k++)
        free(sorted[k]);
    return status;
}

cr_status cr_align(int n, cr_labelled *const *arrays, cr_labelled **ret_arrays, cr_err *err) {
    if (n < 1)
        return CR_FAIL(err, CR_INVALID, "align: no arrays");
    cr_auto_free cr_labelled **own = calloc((size_t)n, sizeof *own);
    if (!own)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d arrays", n);
    for (int k = 0; k < n; k++)
        own[k] = cr_labelled_ref(arrays[k]);
    cr_status status = CR_OK;
    for (int k = 0; k < n && status == CR_OK; k++)
        for (int a = 0; a < arrays[k]->var->ndim && status == CR_OK; a++)
            status = join_dim(arrays[k]->var->dims[a], n, own, err);
    for (int k = 0; k < n; k++)
        if (status == CR_OK)
            ret_arrays[k] = own[k];
        else
            cr_labelled_unref(own[k]);
    return status;
}

/* ---- coordinates ---- */

/* All elements equal, NaN to NaN: one bool, whatever the size. */
static cr_status same_arrays(cr_context *c, cr_array *a, cr_array *b, bool *ret_same, cr_err *err) {
    cr_auto_array cr_array *equal = NULL, *one = NULL, *two = NULL, *missing = NULL, *either = NULL, *all = NULL;
    if (a->size == 0) {
        *ret_same = true;
        return CR_OK;
    }
    CR_TRY(cr_array_map(CR_MAP_EQUAL, (cr_array *[]){a, b}, &equal, err));
    CR_TRY(cr_array_map(CR_MAP_NOT_EQUAL, (cr_array *[]){a, a}, &one, err));
    CR_TRY(cr_array_map(CR_MAP_NOT_EQUAL, (cr_array *[]){b, b}, &two, err));
    CR_TRY(cr_array_map(CR_MAP_LOGICAL_AND, (cr_array *[]){one, two}, &missing, err));
    CR_TRY(cr_array_map(CR_MAP_LOGICAL_OR, (cr_array *[]){equal, missing}, &either, err));
    if (a->ndim > 0)
        CR_TRY(cr_array_reduce(CR_REDUCE_ALL, either, 0, NULL, NULL, &all, err));
    else
        all = cr_array_ref(either);
    uint8_t same = 0;
    CR_TRY(cr_compute(c, 1, &all, (void *[]){&same}, err));
    *ret_same = same != 0;
    return CR_OK;
}

cr_status cr_same_values(cr_context *c, const cr_var *a, const cr_var *b, bool *ret_same, cr_err *err) {
    *ret_same = false;
    if (a->kind != b->kind || (a->kind == CR_KIND_TIMES && a->calendar != b->calendar) || a->ndim != b->ndim)
        return CR_OK;
    for (int k = 0; k < a->ndim; k++)
        if (strcmp(a->dims[k], b->dims[k]) != 0 || a->shape[k] != b->shape[k])
            return CR_OK;
    if (!a->data || !b->data) {
        bool same = a->labels && b->labels && a->labels->n == b->labels->n;
        for (int64_t k = 0; same && k < a->labels->n; k++)
            same = cr_labels_same(a->labels, k, b->labels, k);
        *ret_same = same;
        return CR_OK;
    }
    return same_arrays(c, a->data, b->data, ret_same, err);
}

typedef struct merged {
    cr_var **vars;                /* with NULL for names in conflict */
    const char **names;
    int n;
} merged;

static cr_status merge_one(cr_context *c, merged *m, cr_var *v, cr_err *err) {
    int at = 0;
    while (at < m->n && strcmp(m->names[at], v->name) != 0)
        at++;
    if (at == m->n) {
        m->names[m->n] = v->name;
        m->vars[m->n++] = cr_var_ref(v);
        return CR_OK;
    }
    cr_var *old = m->vars[at];
    if (old == v || (old && cr_var_is_index(old)))
        return CR_OK;
    bool same = false;
    if (cr_var_is_index(v)) { /* labels win over whatever else has their name */
        cr_var_unref(old);
        m->vars[at] = cr_var_ref(v);
        return CR_OK;
    }
    if (!old)
        return CR_OK;
    CR_TRY(cr_same_values(c, old, v, &same, err));
    if (!same) {
        cr_var_unref(old);
        m->vars[at] = NULL;
    }
    return CR_OK;
}

cr_status cr_merge_coords(cr_context *c, int n, cr_labelled *const *args, cr_var ***ret_coords, int *ret_n, cr_err *err) {
    int most = 0;
    for (int k = 0; k < n; k++)
        most += args[k]->n_coords;
    merged m = {calloc((size_t)most + 1, sizeof *m.vars), calloc((size_t)most + 1, sizeof *m.names), 0};
    cr_status status = m.vars && m.names ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory for %d coordinates", most);
    for (int k = 0; k < n; k++)
        for (int j = 0; j < args[k]->n_coords && status == CR_OK; j++)
            status = merge_one(c, &m, args[k]->coords[j], err);
    int kept = 0;
    for (int k = 0; k < m.n; k++)
        if (m.vars[k] && status == CR_OK)
            m.vars[kept++] = m.vars[k];
        else
            cr_var_unref(m.vars[k]);
    free(m.names);
    if (status != CR_OK) {
        free(m.vars);
        return status;
    }
    *ret_coords = m.vars;
    *ret_n = kept;
    return CR_OK;
}

/* ---- results ---- */

static bool conflicting(int n, cr_labelled *const *args, const cr_attr *attr) {
    for (int k = 0; k < n; k++) {
        const cr_attr *other = cr_attr_find(args[k]->var->attrs, args[k]->var->n_attrs, attr->name);
        if (other && !cr_attr_equal(attr, other))
            return true;
    }
    return false;
}

static cr_status merge_attrs(cr_var *v, int n, cr_labelled *const *args, cr_err *err) {
    for (int k = 0; k < n; k++)
        for (int j = 0; j < args[k]->var->n_attrs; j++) {
            const cr_attr *attr = &args[k]->var->attrs[j];
            if (!cr_attr_find(v->attrs, v->n_attrs, attr->name) && !conflicting(n, args, attr))
                CR_TRY(cr_var_add_attr(v, attr, err));
        }
    return CR_OK;
}

/* The name that all arguments have, plain numbers aside; NULL when they differ. */
static const char *common_name(int n, cr_labelled *const *args) {
    const char *name = NULL;
    bool first = true;
    for (int k = 0; k < n; k++) {
        if (args[k]->number)
            continue;
        const char *own = args[k]->var->name;
        if (!own || (!first && strcmp(name, own) != 0))
            return NULL;
        name = own;
        first = false;
    }
    return name;
}

static bool has_dropped_dim(const cr_var *v, const char *const *dims) {
    for (; dims && *dims; dims++)
        if (cr_var_axis(v, *dims) >= 0)
            return true;
    return false;
}

cr_status cr_labelled_result(int n, cr_labelled *const *args, int ndim, const char *const *dims, cr_array *data, const cr_result_rules *rules,
                             cr_labelled **ret_array, cr_err *err) {
    cr_auto_var cr_var *var = NULL;
    CR_TRY(cr_var_new(rules->first_name ? args[0]->var->name : common_name(n, args), ndim, dims, data, CR_KIND_NUMBERS, 0, &var, err));
    CR_TRY(rules->first_attrs ? cr_var_copy_attrs(var, args[0]->var->n_attrs, args[0]->var->attrs, err) : merge_attrs(var, n, args, err));
    cr_var **coords = NULL;
    int n_coords = 0, kept = 0;
    CR_TRY(cr_merge_coords(args[0]->context, n, args, &coords, &n_coords, err));
    for (int k = 0; k < n_coords; k++)
        if (has_dropped_dim(coords[k], rules->drop_dims))
            cr_var_unref(coords[k]);
        else
            coords[kept++] = coords[k];
    cr_status status = cr_labelled_make(args[0]->context, var, kept, coords, ret_array, err);
    for (int k = 0; k < kept; k++)
        cr_var_unref(coords[k]);
    free(coords);
    return status;
}
