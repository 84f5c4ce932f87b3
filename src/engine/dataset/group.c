/* group.c - grouping by a part of a time or by a coordinate. */
#include <inttypes.h>
#include <stdlib.h>

#include "engine/array/node.h"
#include "engine/dataset/aggregate.h"

typedef enum component { YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, DAYOFYEAR, QUARTER, SEASON, N_COMPONENTS } component;
static const char *const component_names[N_COMPONENTS] = {"year", "month", "day", "hour", "minute", "second", "dayofyear", "quarter", "season"};

/* The labels that groups are made of. */
typedef struct grouping {
    const char *name;             /* of the group dimension */
    const char *dim;              /* the dimension that is grouped */
    int axis;
    cr_labels *labels;            /* one per element; owned */
    cr_dtype dtype;               /* of the group labels */
    cr_calendar calendar;
    const cr_var *coord;          /* NULL: a component */
} grouping;

static cr_status no_component(const char *word, cr_err *err) {
    cr_err_set(err, CR_INVALID, __FILE__, __LINE__, "times have no component %.64s", word);
    cr_err_hint(err, "Components: year, month, day, hour, minute, second, dayofyear, quarter, season.");
    return CR_INVALID;
}

static int64_t part_of(const cr_date *d, component c, cr_calendar calendar) {
    switch (c) {
    case YEAR: return d->year;
    case MONTH: return d->month;
    case DAY: return d->day;
    case HOUR: return d->hour;
    case MINUTE: return d->minute;
    case SECOND: return d->second;
    case DAYOFYEAR: return cr_date_day_of_year(calendar, d);
    default: return (d->month - 1) / 3 + 1;
    }
}

/* A missing time is in no group: its label is a NaN or a missing time. */
static cr_status labels_of_component(const cr_labels *times, cr_calendar calendar, component c, cr_labels **ret_labels, cr_err *err) {
    static const char *const seasons[] = {"DJF", "MAM", "JJA", "SON"};
    cr_date d;
    if (c == SEASON) {
        cr_auto_free const char **texts = calloc((size_t)times->n + 1, sizeof *texts);
        if (!texts)
            return CR_FAIL(err, CR_MEMORY, "no memory for %" PRId64 " seasons", times->n);
        for (int64_t k = 0; k < times->n; k++) {
            cr_date_from_us(calendar, cr_labels_missing(times, k) ? 0 : times->i[k], &d);
            texts[k] = cr_labels_missing(times, k) ? "" : seasons[d.month % 12 / 3];
        }
        return cr_labels_text(times->n, texts, ret_labels, err);
    }
    CR_TRY(cr_labels_new('i', times->n, ret_labels, err));
    for (int64_t k = 0; k < times->n; k++) {
        if (cr_labels_missing(times, k)) {
            (*ret_labels)->i[k] = INT64_MIN;
            continue;
        }
        cr_date_from_us(calendar, times->i[k], &d);
        (*ret_labels)->i[k] = part_of(&d, c, calendar);
    }
    return CR_OK;
}

/* Elements without a group: missing labels, and what labels_of_component gave for missing times. */
static bool in_no_group(const grouping *g, int64_t k) {
    if (!g->coord)
        return g->labels->kind == 's' ? !g->labels->s[k][0] : g->labels->i[k] == INT64_MIN;
    return cr_labels_missing(g->labels, k);
}

static cr_status group_by_component(cr_labelled *a, const char *by, const char *dot, grouping *g, cr_err *err) {
    int c = 0;
    while (c < N_COMPONENTS && strcmp(component_names[c], dot + 1) != 0)
        c++;
    const cr_var *times = NULL;
    for (int k = 0; k < a->n_coords; k++)
        if (strlen(a->coords[k]->name) == (size_t)(dot - by) && memcmp(a->coords[k]->name, by, (size_t)(dot - by)) == 0)
            times = a->coords[k];
    if (!times)
        return CR_FAIL(err, CR_NOT_FOUND, "group: there is no coordinate %.*s", (int)CR_MIN(dot - by, 100), by);
    if (times->kind != CR_KIND_TIMES || times->ndim != 1)
        return CR_FAIL(err, CR_TYPE, "group: the coordinate %s is no row of times", times->name);
    if (c == N_COMPONENTS)
        return no_component(dot + 1, err);
    cr_auto_labels cr_labels *us = NULL;
    CR_TRY(cr_var_labels(a->context, times, &us, err));
    CR_TRY(labels_of_component(us, times->calendar, (component)c, &g->labels, err));
    g->name = component_names[c];
    g->dim = times->dims[0];
    g->dtype = CR_I64;
    return CR_OK;
}

static cr_status find_groups(cr_labelled *a, const char *by, grouping *g, cr_err *err) {
    *g = (grouping){0};
    const cr_var *coord = cr_labelled_find_coord(a, by);
    const char *dot = strrchr(by, '.');
    if (!coord && dot) {
        CR_TRY(group_by_component(a, by, dot, g, err));
    } else {
        if (!coord) {
            cr_err_set(err, CR_NOT_FOUND, __FILE__, __LINE__, "group: there is no coordinate %.100s", by);
            cr_err_hint(err, "Groups are made by a coordinate, or by a part of a time as in \"time.month\".");
            return CR_NOT_FOUND;
        }
        if (coord->ndim != 1)
            return CR_FAIL(err, CR_UNSUPPORTED, "group: the coordinate %s has %d dimensions; groups are made by one", by, coord->ndim);
        CR_TRY(cr_var_labels(a->context, coord, &g->labels, err));
        g->name = coord->name;
        g->dim = coord->dims[0];
        g->dtype = coord->data ? coord->data->dtype : CR_STRING;
        g->calendar = coord->calendar;
        g->coord = coord;
    }
    g->axis = cr_var_axis(a->var, g->dim);
    return CR_OK;
}

/* codes[k]: the group of element k, -1: none; *ret_groups: the label of each group, sorted. */
static cr_status number_groups(const grouping *g, int32_t *codes, cr_labels **ret_groups, cr_err *err) {
    cr_auto_free cr_sorted_label *sorted = NULL;
    cr_auto_free int64_t *firsts = calloc((size_t)g->labels->n + 1, sizeof *firsts);
    if (!firsts)
        return CR_FAIL(err, CR_MEMORY, "no memory for %" PRId64 " groups", g->labels->n);
    CR_TRY(cr_labels_sort(g->labels, &sorted, err));
    int64_t n = 0;
    for (int64_t k = 0; k < g->labels->n; k++) {
        int64_t at = sorted[k].at;
        if (in_no_group(g, at)) {
            codes[at] = -1;
            continue;
        }
        if (n == 0 || !cr_labels_same(g->labels, firsts[n - 1], g->labels, at))
            firsts[n++] = at;
        if (n > INT32_MAX)
            return CR_FAIL(err, CR_LIMIT, "group: more than %d groups", INT32_MAX);
        codes[at] = (int32_t)(n - 1);
    }
    return cr_labels_take(g->labels, firsts, n, ret_groups, err);
}

static cr_status group_coordinate(const grouping *g, const char *dim, cr_labels *labels, cr_var **ret_var, cr_err *err) {
    cr_auto_var cr_var *v = NULL;
    CR_TRY(cr_var_of_labels(g->name, dim, labels, g->dtype, g->calendar, &v, err));
    if (g->coord)
        CR_TRY(cr_var_copy_attrs(v, g->coord->n_attrs, g->coord->attrs, err));
    *ret_var = v;
    v = NULL;
    return CR_OK;
}

static cr_status with_coordinate(cr_labelled *a, cr_var *coord, cr_labelled **ret_array, cr_err *err) {
    cr_auto_labelled cr_labelled *as_array = NULL;
    CR_TRY(cr_labelled_make(a->context, coord, 0, NULL, &as_array, err));
    return cr_labelled_with_coord(a, as_array, ret_array, err);
}

static cr_status reduce_groups(cr_reduction r, cr_labelled *a, const grouping *g, const cr_reduce_options *options, cr_labelled **ret_array,
                               cr_err *err) {
    for (int k = 0; k < a->var->ndim; k++)
        if (k != g->axis && strcmp(a->var->dims[k], g->name) == 0)
            return CR_FAIL(err, CR_INVALID, "group: the array has a dimension %s already", g->name);
    cr_auto_free int32_t *codes = calloc((size_t)g->labels->n + 1, sizeof *codes);
    cr_auto_labels cr_labels *groups = NULL;
    if (!codes)
        return CR_FAIL(err, CR_MEMORY, "no memory for %" PRId64 " groups", g->labels->n);
    CR_TRY(number_groups(g, codes, &groups, err));
    if (groups->n == 0)
        return CR_FAIL(err, CR_INVALID, "group: no element along %s has a label", g->dim);
    cr_folding f = {.n_axes = 1, .axes = &g->axis, .codes = codes, .n_groups = groups->n};
    cr_auto_array cr_array *data = NULL;
    CR_TRY(cr_fold_labelled(a, &f, r, options, &data, err));
    const char *dims[CR_MAX_DIMS], *dropped[] = {g->dim, NULL};
    for (int k = 0; k < a->var->ndim; k++)
        dims[k] = k == g->axis ? g->name : a->var->dims[k];
    cr_result_rules rules = {.first_attrs = true, .drop_dims = dropped};
    cr_auto_labelled cr_labelled *bare = NULL;
    cr_auto_var cr_var *coord = NULL;
    CR_TRY(cr_labelled_result(1, &a, a->var->ndim, dims, data, &rules, &bare, err));
    if (a->var->kind == CR_KIND_TIMES && r != CR_REDUCE_COUNT) {
        bare->var->kind = CR_KIND_TIMES;
        bare->var->calendar = a->var->calendar;
    }
    CR_TRY(group_coordinate(g, g->name, groups, &coord, err));
    return with_coordinate(bare, coord, ret_array, err);
}

cr_status cr_group_reduce(cr_reduction r, cr_labelled *a, const char *by, const cr_reduce_options *options, cr_labelled **ret_array, cr_err *err) {
    grouping g;
    if (r == CR_REDUCE_ARGMIN || r == CR_REDUCE_ARGMAX)
        return CR_FAIL(err, CR_UNSUPPORTED, "%s of groups is not available", cr_reduction_name(r));
    cr_status status = find_groups(a, by, &g, err);
    if (status == CR_OK)
        status = reduce_groups(r, a, &g, options, ret_array, err);
    cr_labels_unref(g.labels);
    return status;
}

/* ---- arithmetic with groups ---- */

/* v with a dimension, and its own name where it is the name of an index, kept; only the dimension gets another name. */
static cr_status rename_dim(const cr_var *v, const char *from, const char *to, cr_var **ret_var, cr_err *err) {
    const char *dims[CR_MAX_DIMS];
    for (int k = 0; k < v->ndim; k++)
        dims[k] = strcmp(v->dims[k], from) == 0 ? to : v->dims[k];
    cr_auto_var cr_var *renamed = NULL;
    if (v->data)
        CR_TRY(cr_var_new(v->name, v->ndim, dims, v->data, v->kind, v->calendar, &renamed, err));
    else
        CR_TRY(cr_var_new_text(v->name, v->ndim, dims, v->shape, v->labels, &renamed, err));
    if (v->data)
        renamed->labels = cr_labels_ref(v->labels);
    CR_TRY(cr_var_copy_attrs(renamed, v->n_attrs, v->attrs, err));
    *ret_var = renamed;
    renamed = NULL;
    return CR_OK;
}

/* Missing where it is not present along an axis; text has no missing values, and stays. */
static cr_status punch_holes(cr_var *v, int axis, int64_t n, const bool *present, cr_err *err) {
    if (v->kind != CR_KIND_NUMBERS)
        return CR_OK;
    cr_auto_array cr_array *keep = NULL, *data = NULL;
    CR_TRY(cr_array_copy_memory(CR_BOOL, 1, &n, present, &keep, err));
    for (int k = axis + 1; k < v->ndim; k++) {
        cr_array *wider;
        CR_TRY(cr_array_expand(keep, k - axis, &wider, err));
        cr_array_unref(keep);
        keep = wider;
    }
    CR_TRY(cr_array_where_missing(v->data, keep, &data, err));
    cr_array_unref(v->data);
    cr_labels_unref(v->labels);
    v->labels = NULL;
    v->data = data;
    data = NULL;
    return CR_OK;
}

/* b with the group dimension turned into the grouped one: element k is at[k] of b, or missing where it is not present (NULL: all are).
 * The group of each element becomes a coordinate. */
static cr_status spread(cr_labelled *b, const grouping *g, const int64_t *own, const int64_t *at, int64_t n, const bool *present,
                        cr_labelled **ret_array, cr_err *err) {
    cr_auto_labelled cr_labelled *picked = NULL;
    cr_auto_labels cr_labels *labels = NULL;
    cr_auto_var cr_var *var = NULL;
    cr_pick pick = {.dim = g->name, .at = at, .n = n};
    CR_TRY(cr_labelled_pick(b, &pick, &picked, err));
    CR_TRY(rename_dim(picked->var, g->name, g->dim, &var, err));
    if (present)
        CR_TRY(punch_holes(var, cr_var_axis(var, g->dim), n, present, err));
    cr_auto_free cr_var **coords = calloc((size_t)picked->n_coords + 1, sizeof *coords);
    if (!coords)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d coordinates", picked->n_coords);
    cr_status status = cr_labels_take(g->labels, own, n, &labels, err);
    for (int k = 0; k < picked->n_coords && status == CR_OK; k++) {
        const cr_var *c = picked->coords[k];
        if (strcmp(c->name, g->name) == 0)
            status = group_coordinate(g, g->dim, labels, &coords[k], err);
        else
            status = rename_dim(c, g->name, g->dim, &coords[k], err);
        if (status == CR_OK && present && strcmp(c->name, g->name) != 0 && cr_var_axis(c, g->name) >= 0)
            status = punch_holes(coords[k], cr_var_axis(coords[k], g->dim), n, present, err);
    }
    if (status == CR_OK)
        status = cr_labelled_make(b->context, var, picked->n_coords, coords, ret_array, err);
    for (int k = 0; k < picked->n_coords; k++)
        cr_var_unref(coords[k]);
    return status;
}

/* Which elements of a have a group (own), and where in b that is (at); holes: it is not there. */
static cr_status match_groups(const grouping *g, const cr_var *index, int64_t *own, int64_t *at, bool *present, int64_t *ret_n, bool *ret_holes,
                              cr_err *err) {
    cr_var key = {.labels = g->labels, .calendar = g->calendar};
    if (!cr_labels_comparable(index, &key))
        return CR_FAIL(err, CR_TYPE, "group: the labels of %s are of different kinds or calendars", g->name);
    cr_auto_free cr_sorted_label *sorted = NULL;
    CR_TRY(cr_labels_sort_unique(g->name, index->labels, index->calendar, &sorted, err));
    int64_t n = 0;
    *ret_holes = false;
    for (int64_t k = 0; k < g->labels->n; k++) {
        if (in_no_group(g, k))
            continue;
        int64_t found = cr_labels_find(sorted, index->labels->n, g->labels, k);
        own[n] = k;
        at[n] = CR_MAX(found, 0);
        present[n++] = found >= 0;
        *ret_holes = *ret_holes || found < 0;
    }
    *ret_n = n;
    return CR_OK;
}

static cr_status map_groups(cr_map_op op, cr_labelled *a, const grouping *g, cr_labelled *b, cr_labelled **ret_array, cr_err *err) {
    const cr_var *index = cr_labelled_index(b, g->name);
    if (!index || cr_map_arity(op) != 2 || a->var->kind != CR_KIND_NUMBERS || b->var->kind != CR_KIND_NUMBERS)
        return CR_FAIL(err, CR_INVALID, "%s by groups: both sides are numbers, and the second has the labelled dimension %s", cr_map_name(op), g->name);
    if (strcmp(g->name, g->dim) != 0 && cr_var_axis(b->var, g->dim) >= 0)
        return CR_FAIL(err, CR_INVALID, "%s by groups: the second side has the dimension %s, which is grouped", cr_map_name(op), g->dim);
    int64_t total = g->labels->n, n = 0;
    cr_auto_free int64_t *own = calloc((size_t)total + 1, sizeof *own), *at = calloc((size_t)total + 1, sizeof *at);
    cr_auto_free bool *present = calloc((size_t)total + 1, sizeof *present);
    bool holes = false;
    if (!own || !at || !present)
        return CR_FAIL(err, CR_MEMORY, "no memory for %" PRId64 " groups", total);
    CR_TRY(match_groups(g, index, own, at, present, &n, &holes, err));
    if (index->labels->n == 0)
        return CR_FAIL(err, CR_INVALID, "%s by groups: the second side has no groups", cr_map_name(op));
    cr_auto_labelled cr_labelled *mine = NULL, *theirs = NULL;
    cr_pick pick = {.dim = g->dim, .at = own, .n = n};
    if (n == total)
        mine = cr_labelled_ref(a);
    else
        CR_TRY(cr_labelled_pick(a, &pick, &mine, err));
    CR_TRY(spread(b, g, own, at, n, holes ? present : NULL, &theirs, err));
    return cr_labelled_map(op, (cr_labelled *[]){mine, theirs}, ret_array, err);
}

cr_status cr_group_map(cr_map_op op, cr_labelled *a, const char *by, cr_labelled *b, cr_labelled **ret_array, cr_err *err) {
    grouping g;
    if ((unsigned)op >= CR_MAP_COUNT)
        return CR_FAIL(err, CR_INVALID, "there is no elementwise operation number %d", (int)op);
    cr_status status = find_groups(a, by, &g, err);
    if (status == CR_OK)
        status = map_groups(op, a, &g, b, ret_array, err);
    cr_labels_unref(g.labels);
    return status;
}
