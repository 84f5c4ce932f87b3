/* lookup.c - selecting by label: labels of an index become positions. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "engine/dataset/variable.h"

/* What is looked for: a number, a text, or a span of time. */
typedef struct wanted {
    char kind;                    /* 'f', 's', 't' */
    double f;
    const char *s;
    int64_t begin, end;           /* 't': [begin, end) */
} wanted;

static cr_status find_index(const cr_labelled *a, const char *dim, char kind, const cr_var **ret_index, cr_err *err) {
    int axis;
    CR_TRY(cr_labelled_find_dim(a, "sel", dim, &axis, err));
    const cr_var *v = cr_labelled_index(a, dim);
    if (!v) {
        cr_err_set(err, CR_NOT_FOUND, __FILE__, __LINE__, "sel: the dimension %s has no labels", dim);
        cr_err_hint(err, "cr_isel selects by position; cr_labelled_with_coord gives labels.");
        return CR_NOT_FOUND;
    }
    bool number = v->labels->kind == 'f' || v->labels->kind == 'i', text = v->labels->kind == 's' || v->labels->kind == 't';
    if ((kind == 'f' && !number) || (kind == 's' && !text))
        return CR_FAIL(err, CR_TYPE, "sel: the labels of %s are %s; they are selected with %s", dim,
                       number ? "numbers" : v->labels->kind == 't' ? "times" : "text", number ? "cr_sel or cr_sel_range" : "cr_sel_text or cr_sel_text_range");
    *ret_index = v;
    return CR_OK;
}

static cr_status want_text(const cr_var *index, const char *text, wanted *ret, cr_err *err) {
    ret->kind = index->labels->kind;
    ret->s = text;
    return ret->kind == 't' ? cr_date_span(index->calendar, text, &ret->begin, &ret->end, err) : CR_OK;
}

static double number_of(const cr_labels *l, int64_t i) { return l->kind == 'f' ? l->f[i] : (double)l->i[i]; }

static bool hit(const cr_labels *l, int64_t i, const wanted *w) {
    if (cr_labels_missing(l, i))
        return w->kind == 'f' && isnan(w->f);
    if (w->kind == 's')
        return strcmp(l->s[i], w->s) == 0;
    if (w->kind == 't')
        return l->i[i] >= w->begin && l->i[i] < w->end;
    return number_of(l, i) == w->f;
}

static cr_status not_found(const char *dim, const cr_var *index, const wanted *w, cr_err *err) {
    char one[100], two[100];
    const cr_labels *l = index->labels;
    if (w->kind == 'f')
        cr_err_set(err, CR_NOT_FOUND, __FILE__, __LINE__, "sel: %s has no label %.17g", dim, w->f);
    else
        cr_err_set(err, CR_NOT_FOUND, __FILE__, __LINE__, w->kind == 't' ? "sel: %s has no time in %.64s" : "sel: %s has no label %.64s", dim, w->s);
    if (l->n > 0)
        cr_err_hint(err, "Its labels go from %s to %s.", cr_labels_show(l, index->calendar, 0, one, sizeof one),
                    cr_labels_show(l, index->calendar, l->n - 1, two, sizeof two));
    return CR_NOT_FOUND;
}

/* The one element with a label. */
static cr_status exact(const char *dim, const cr_var *index, const wanted *w, int64_t *ret_at, cr_err *err) {
    int64_t at = -1;
    for (int64_t k = 0; k < index->labels->n; k++) {
        if (!hit(index->labels, k, w))
            continue;
        if (at >= 0) {
            char text[100];
            cr_err_set(err, CR_INVALID, __FILE__, __LINE__, "sel: the label %s of %s occurs more than once",
                       cr_labels_show(index->labels, index->calendar, k, text, sizeof text), dim);
            cr_err_hint(err, "cr_isel selects by position.");
            return CR_INVALID;
        }
        at = k;
    }
    if (at < 0)
        return not_found(dim, index, w, err);
    *ret_at = at;
    return CR_OK;
}

/* Distances as pandas takes them: the larger label of two that are as near. Unsigned differences of times cannot overflow. */
static cr_status nearest(const char *dim, const cr_var *index, const wanted *w, int64_t *ret_at, cr_err *err) {
    const cr_labels *l = index->labels;
    int64_t at = -1;
    double best = INFINITY;
    uint64_t best_us = UINT64_MAX;
    if (w->kind == 's')
        return CR_FAIL(err, CR_TYPE, "sel: no text is nearest to another");
    for (int64_t k = 0; k < l->n; k++) {
        if (cr_labels_missing(l, k))
            continue;
        bool better, same;
        if (w->kind == 't') {
            uint64_t us = l->i[k] > w->begin ? (uint64_t)l->i[k] - (uint64_t)w->begin : (uint64_t)w->begin - (uint64_t)l->i[k];
            better = at < 0 || us < best_us;
            same = us == best_us;
            best_us = better ? us : best_us;
        } else {
            double distance = fabs(number_of(l, k) - w->f);
            better = distance < best;
            same = distance == best;
            best = better ? distance : best;
        }
        if (better || (same && at >= 0 && cr_labels_compare(l, k, at) > 0))
            at = k;
    }
    if (at < 0)
        return not_found(dim, index, w, err);
    *ret_at = at;
    return CR_OK;
}

static cr_status locate(const char *dim, const cr_var *index, const wanted *w, cr_match match, int64_t *ret_at, cr_err *err) {
    return match == CR_MATCH_NEAREST ? nearest(dim, index, w, ret_at, err) : exact(dim, index, w, ret_at, err);
}

cr_status cr_sel(cr_labelled *a, const char *dim, double label, cr_match match, cr_labelled **ret_array, cr_err *err) {
    const cr_var *index = NULL;
    wanted w = {.kind = 'f', .f = label};
    int64_t at;
    CR_TRY(find_index(a, dim, 'f', &index, err));
    CR_TRY(locate(dim, index, &w, match, &at, err));
    return cr_isel(a, dim, at, ret_array, err);
}

cr_status cr_sel_list(cr_labelled *a, const char *dim, const double *labels, int64_t n, cr_match match, cr_labelled **ret_array, cr_err *err) {
    const cr_var *index = NULL;
    CR_TRY(find_index(a, dim, 'f', &index, err));
    cr_auto_free int64_t *at = n >= 0 && n < PTRDIFF_MAX / 16 ? calloc((size_t)n + 1, sizeof *at) : NULL;
    if (!at)
        return CR_FAIL(err, CR_MEMORY, "sel: no memory for %" PRId64 " labels", n);
    for (int64_t k = 0; k < n; k++) {
        wanted w = {.kind = 'f', .f = labels[k]};
        CR_TRY(locate(dim, index, &w, match, &at[k], err));
    }
    return cr_isel_list(a, dim, at, n, ret_array, err);
}

cr_status cr_sel_text(cr_labelled *a, const char *dim, const char *label, cr_match match, cr_labelled **ret_array, cr_err *err) {
    const cr_var *index = NULL;
    wanted w = {0};
    int64_t at;
    CR_TRY(find_index(a, dim, 's', &index, err));
    CR_TRY(want_text(index, label, &w, err));
    if (w.kind == 's' || match == CR_MATCH_NEAREST) {
        CR_TRY(locate(dim, index, &w, match, &at, err));
        return cr_isel(a, dim, at, ret_array, err);
    }
    cr_auto_free int64_t *hits = calloc((size_t)index->labels->n + 1, sizeof *hits);
    if (!hits)
        return CR_FAIL(err, CR_MEMORY, "sel: no memory for %" PRId64 " positions", index->labels->n);
    int64_t n = 0;
    bool row = true;
    for (int64_t k = 0; k < index->labels->n; k++)
        if (hit(index->labels, k, &w)) {
            row = row && (n == 0 || hits[n - 1] == k - 1);
            hits[n++] = k;
        }
    if (n == 0)
        return not_found(dim, index, &w, err);
    return row ? cr_isel_range(a, dim, hits[0], hits[n - 1] + 1, 1, ret_array, err) : cr_isel_list(a, dim, hits, n, ret_array, err);
}

/* ---- ranges ---- */

/* 1: labels rise, -1: they fall; none is missing. */
static cr_status direction(const char *dim, const cr_var *index, int *ret_direction, cr_err *err) {
    const cr_labels *l = index->labels;
    bool rises = true, falls = true;
    for (int64_t k = 0; k < l->n; k++) {
        int step = k > 0 && !cr_labels_missing(l, k - 1) && !cr_labels_missing(l, k) ? cr_labels_compare(l, k, k - 1) : 0;
        rises = rises && step >= 0 && !cr_labels_missing(l, k);
        falls = falls && step <= 0 && !cr_labels_missing(l, k);
    }
    if (!rises && !falls) {
        cr_err_set(err, CR_INVALID, __FILE__, __LINE__, "sel: the labels of %s neither rise nor fall, so that there is no range between two of them", dim);
        cr_err_hint(err, "cr_sel_list selects single labels, cr_isel_list positions.");
        return CR_INVALID;
    }
    *ret_direction = rises ? 1 : -1;
    return CR_OK;
}

/* Whether label i lies before the range that w opens, or after the one that it closes, in the direction of the index. */
static bool outside(const cr_labels *l, int64_t i, const wanted *w, bool opens, int way) {
    int side; /* of the label: -1 below the wanted one, 1 above */
    if (w->kind == 't')
        side = l->i[i] < w->begin ? -1 : l->i[i] >= w->end ? 1 : 0;
    else if (w->kind == 's')
        side = strcmp(l->s[i], w->s);
    else
        side = (number_of(l, i) > w->f) - (number_of(l, i) < w->f);
    return opens ? side * way < 0 : side * way > 0;
}

static cr_status between(cr_labelled *a, const char *dim, const cr_var *index, const wanted *from, const wanted *to, cr_labelled **ret_array,
                         cr_err *err) {
    int way;
    CR_TRY(direction(dim, index, &way, err));
    int64_t first = 0, end = index->labels->n;
    while (from && first < end && outside(index->labels, first, from, true, way))
        first++;
    while (to && end > first && outside(index->labels, end - 1, to, false, way))
        end--;
    return cr_isel_range(a, dim, first, end, 1, ret_array, err);
}

cr_status cr_sel_range(cr_labelled *a, const char *dim, double from, double to, cr_labelled **ret_array, cr_err *err) {
    const cr_var *index = NULL;
    wanted begin = {.kind = 'f', .f = from}, end = {.kind = 'f', .f = to};
    CR_TRY(find_index(a, dim, 'f', &index, err));
    return between(a, dim, index, isnan(from) ? NULL : &begin, isnan(to) ? NULL : &end, ret_array, err);
}

cr_status cr_sel_text_range(cr_labelled *a, const char *dim, const char *from, const char *to, cr_labelled **ret_array, cr_err *err) {
    const cr_var *index = NULL;
    wanted begin = {0}, end = {0};
    CR_TRY(find_index(a, dim, 's', &index, err));
    if (from)
        CR_TRY(want_text(index, from, &begin, err));
    if (to)
        CR_TRY(want_text(index, to, &end, err));
    return between(a, dim, index, from ? &begin : NULL, to ? &end : NULL, ret_array, err);
}
