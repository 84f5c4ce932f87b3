/* selection.c - sel, nearest and isel: labels as they were written become labels of the index. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/evaluate.h"

static cr_status number_of(const cr_label_text *l, const char *dim, double *ret, int *at, cr_err *err) {
    char *end;
    *ret = cr_parse_real(l->text, &end);
    if (end != l->text && !*end && isfinite(*ret))
        return CR_OK;
    *at = l->at;
    return CR_FAIL(err, CR_TYPE, "the labels of %s are numbers, and \"%.60s\" is none", dim, l->text);
}

static cr_status position_of(const cr_label_text *l, int64_t *ret, int *at, cr_err *err) {
    if (cr_parse_int(l->text[0] == '+' ? l->text + 1 : l->text, INT64_MIN + 1, INT64_MAX, ret, NULL) == CR_OK)
        return CR_OK;
    *at = l->at;
    return CR_FAIL(err, CR_INVALID, "\"%.60s\" is no position", l->text);
}

static cr_status step_of(const cr_keyed *k, int64_t *ret, int *at, cr_err *err) {
    *ret = 1;
    if (k->n < 3 || !k->labels[2].text)
        return CR_OK;
    CR_TRY(position_of(&k->labels[2], ret, at, err));
    if (*ret != 0)
        return CR_OK;
    *at = k->labels[2].at;
    return CR_FAIL(err, CR_INVALID, "a step cannot be 0");
}

/* ---- by position ---- */

static cr_status isel(const cr_keyed *k, cr_labelled *a, cr_labelled **ret_array, int *at, cr_err *err) {
    if (k->form == CR_KEYED_RANGE) {
        int64_t ends[2] = {CR_FROM_END, CR_FROM_END}, step;
        for (int i = 0; i < 2; i++)
            if (k->labels[i].text)
                CR_TRY(position_of(&k->labels[i], &ends[i], at, err));
        CR_TRY(step_of(k, &step, at, err));
        return cr_isel_range(a, k->key, ends[0], ends[1], step, ret_array, err);
    }
    cr_auto_free int64_t *positions = calloc((size_t)k->n + 1, sizeof *positions);
    if (!positions)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d positions", k->n);
    for (int i = 0; i < k->n; i++)
        CR_TRY(position_of(&k->labels[i], &positions[i], at, err));
    return k->form == CR_KEYED_ONE ? cr_isel(a, k->key, positions[0], ret_array, err)
                                   : cr_isel_list(a, k->key, positions, k->n, ret_array, err);
}

/* ---- by label ---- */

/* Whether numbers fall along their only dimension. */
static cr_status falls(cr_context *c, cr_labelled *index, bool *ret, cr_err *err) {
    int64_t ends[2] = {0, cr_labelled_shape(index)[0] - 1};
    double values[2];
    cr_array *picked = NULL, *real = NULL;
    *ret = false;
    if (ends[1] < 1)
        return CR_OK;
    cr_status status = cr_array_take(cr_labelled_array(index), 0, ends, 2, &picked, err);
    if (status == CR_OK)
        status = cr_array_cast(picked, CR_F64, &real, err);
    if (status == CR_OK)
        status = cr_compute(c, 1, &real, (void *[]){values}, err);
    if (status == CR_OK)
        *ret = values[1] < values[0];
    cr_array_unref(real);
    cr_array_unref(picked);
    return status;
}

/* What lies between two labels, whichever way the index runs. */
static cr_status sel_range(cr_context *c, const cr_keyed *k, cr_labelled *a, cr_labelled *index, cr_labelled **ret_array, int *at,
                           cr_err *err) {
    const cr_label_text *from = &k->labels[0], *to = &k->labels[1];
    if (cr_labelled_kind(index) != CR_KIND_NUMBERS)
        return cr_sel_text_range(a, k->key, from->text, to->text, ret_array, err);
    double ends[2] = {NAN, NAN};
    bool falling;
    if (from->text)
        CR_TRY(number_of(from, k->key, &ends[0], at, err));
    if (to->text)
        CR_TRY(number_of(to, k->key, &ends[1], at, err));
    CR_TRY(cr_sel_longitudes(c, a, k->key, index, ends[0], ends[1], ret_array, err));
    if (*ret_array)
        return CR_OK;
    if (ends[0] > ends[1]) {
        *at = from->at;
        return CR_FAIL(err, CR_INVALID, "the range %s:%s goes from the larger to the smaller label", from->text, to->text);
    }
    CR_TRY(falls(c, index, &falling, err));
    return cr_sel_range(a, k->key, ends[falling], ends[!falling], ret_array, err);
}

static cr_status nothing_there(const cr_keyed *k, cr_err *err) {
    return CR_FAIL(err, CR_NOT_FOUND, "%s has no label in %.40s:%.40s", k->key, k->labels[0].text ? k->labels[0].text : "",
                   k->labels[1].text ? k->labels[1].text : "");
}

static cr_status sel_several(cr_context *c, const cr_keyed *k, cr_labelled *a, cr_labelled *index, cr_match match, cr_labelled **ret_array, int *at, cr_err *err) {
    cr_auto_free double *labels = calloc((size_t)k->n + 1, sizeof *labels);
    if (!labels)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d labels", k->n);
    for (int i = 0; i < k->n; i++) {
        CR_TRY(number_of(&k->labels[i], k->key, &labels[i], at, err));
        CR_TRY(cr_turn_longitude(c, index, &labels[i], err));
    }
    return cr_sel_list(a, k->key, labels, k->n, match, ret_array, err);
}

static cr_status sel_index(cr_context *c, const cr_keyed *k, cr_labelled *a, cr_labelled *index, cr_match match, cr_labelled **ret_array,
                           int *at, cr_err *err) {
    bool numbers = cr_labelled_kind(index) == CR_KIND_NUMBERS;
    if (k->form == CR_KEYED_RANGE) {
        cr_labelled *all = NULL;
        int64_t step;
        if (match == CR_MATCH_NEAREST)
            return CR_FAIL(err, CR_INVALID, "the nearest of a range is not defined; name single labels of %s", k->key);
        CR_TRY(step_of(k, &step, at, err));
        CR_TRY(sel_range(c, k, a, index, &all, at, err));
        cr_status status = cr_labelled_shape(all)[cr_labelled_axis(all, k->key)] == 0 ? nothing_there(k, err) : CR_OK;
        if (status == CR_OK)
            status = cr_isel_range(all, k->key, CR_FROM_END, CR_FROM_END, step, ret_array, err);
        cr_labelled_unref(all);
        return status;
    }
    if (k->form == CR_KEYED_LIST && !numbers)
        return CR_FAIL(err, CR_UNSUPPORTED, "several labels of %s at once are possible for numbers only; a range may do", k->key);
    if (k->form == CR_KEYED_LIST)
        return sel_several(c, k, a, index, match, ret_array, at, err);
    if (!numbers)
        return cr_sel_text(a, k->key, k->labels[0].text, match, ret_array, err);
    double label;
    CR_TRY(number_of(&k->labels[0], k->key, &label, at, err));
    CR_TRY(cr_turn_longitude(c, index, &label, err));
    return cr_sel(a, k->key, label, match, ret_array, err);
}

static cr_status sel(cr_context *c, const cr_keyed *k, cr_labelled *a, cr_match match, cr_labelled **ret_array, int *at, cr_err *err) {
    cr_labelled *index = NULL;
    if (cr_labelled_axis(a, k->key) >= 0 && cr_labelled_coord(a, k->key, &index, NULL) != CR_OK) {
        cr_err_set(err, CR_NOT_FOUND, __FILE__, __LINE__, "the dimension %s has no labels", k->key);
        cr_err_hint(err, "Positions are selected with isel.");
        return CR_NOT_FOUND;
    }
    cr_status status = index ? sel_index(c, k, a, index, match, ret_array, at, err) : cr_no_dim(a, k->key, err);
    cr_labelled_unref(index);
    return status;
}

/* ---- of cells that are no rows and columns ---- */

/* What a key asks of latitudes or longitudes that are no dimension; NULL: nothing. */
static const cr_keyed *place_key(const cr_expr *e, cr_labelled *a, const char *which) {
    for (int i = 0; i < e->n_keys; i++) {
        const char *word = cr_place_word(e->keys[i].key);
        if (word && strcmp(word, which) == 0 && !cr_has_dim(a, e->keys[i].key) && e->keys[i].form == CR_KEYED_ONE)
            return &e->keys[i];
    }
    return NULL;
}

/* The cell whose centre is nearest on the sphere; cells without a place are passed over. */
static int64_t nearest_cell(const double *lats, const double *lons, int64_t n, double lat, double lon) {
    const double degree = acos(-1) / 180;
    double least = INFINITY, x = cos(lat * degree) * cos(lon * degree), y = cos(lat * degree) * sin(lon * degree), z = sin(lat * degree);
    int64_t at = -1;
    for (int64_t k = 0; k < n; k++) {
        double c = cos(lats[k] * degree), dx = c * cos(lons[k] * degree) - x, dy = c * sin(lons[k] * degree) - y, dz = sin(lats[k] * degree) - z;
        double far = dx * dx + dy * dy + dz * dz;
        if (far < least) {
            least = far;
            at = k;
        }
    }
    return at;
}

/* nearest lat=... lon=... where both are of each cell: the two dimensions go. *ret_array NULL: it is not that. */
static cr_status nearest_in_cells(cr_context *c, const cr_expr *e, cr_labelled *a, cr_labelled **ret_array, int *at, cr_err *err) {
    const cr_keyed *keys[2] = {place_key(e, a, "lat"), place_key(e, a, "lon")};
    const char *dims[2];
    cr_labelled *lat = NULL, *lon = NULL, *row = NULL;
    if (!keys[0] || !keys[1] || !cr_cells_of(a, dims, &lat, &lon))
        return CR_OK;
    double wanted[2];
    int64_t n = 0, found = -1, width = cr_labelled_shape(lat)[1];
    cr_auto_free double *lats = NULL, *lons = NULL;
    cr_status status = number_of(&keys[0]->labels[0], "latitude", &wanted[0], at, err);
    if (status == CR_OK)
        status = number_of(&keys[1]->labels[0], "longitude", &wanted[1], at, err);
    if (status == CR_OK)
        status = cr_load_doubles(c, lat, &lats, &n, err);
    if (status == CR_OK)
        status = cr_load_doubles(c, lon, &lons, &n, err);
    if (status == CR_OK)
        found = nearest_cell(lats, lons, n, wanted[0], wanted[1]);
    if (status == CR_OK && found < 0)
        status = CR_FAIL(err, CR_NOT_FOUND, "no cell has a latitude and a longitude");
    if (status == CR_OK)
        status = cr_isel(a, dims[0], found / width, &row, err);
    if (status == CR_OK)
        status = cr_isel(row, dims[1], found % width, ret_array, err);
    cr_labelled_unref(row);
    cr_labelled_unref(lat);
    cr_labelled_unref(lon);
    return status;
}

static bool is_method(const cr_expr *e, const cr_keyed *k) { return e->verb->kind == CR_VERB_SEL && strcmp(k->key, "method") == 0; }

cr_status cr_apply_selection(cr_context *c, cr_expr *e, cr_labelled *a, bool each, cr_labelled **ret_array, int *at, cr_err *err) {
    cr_match match = e->verb->kind == CR_VERB_NEAREST ? CR_MATCH_NEAREST : CR_MATCH_EXACT;
    for (int i = 0; i < e->n_keys; i++)
        if (is_method(e, &e->keys[i])) { /* xarray's spelling of nearest */
            if (e->keys[i].form != CR_KEYED_ONE || strcmp(e->keys[i].labels[0].text, "nearest") != 0) {
                *at = e->keys[i].at;
                return CR_FAIL(err, CR_UNSUPPORTED, "the method of sel can be nearest, and nothing else");
            }
            match = CR_MATCH_NEAREST;
        }
    cr_labelled *now = cr_labelled_ref(a), *cell = NULL;
    cr_status status = match == CR_MATCH_NEAREST ? nearest_in_cells(c, e, a, &cell, at, err) : CR_OK;
    const cr_keyed *by_cell[2] = {cell ? place_key(e, a, "lat") : NULL, cell ? place_key(e, a, "lon") : NULL};
    if (cell) {
        cr_labelled_become(&now, cell);
        e->used = true;
    }
    for (int i = 0; i < e->n_keys && status == CR_OK; i++) {
        const cr_keyed *k = &e->keys[i];
        if (k == by_cell[0] || k == by_cell[1])
            continue;
        cr_labelled *next = NULL;
        bool part = e->verb->kind == CR_VERB_SEL && cr_is_part_of_date(now, k->key);
        if (is_method(e, k) || (each && !part && !cr_has_dim(now, k->key)))
            continue;
        e->used = true;
        *at = k->at;
        cr_keyed named = *k;
        named.key = cr_dim_called(now, k->key);
        status = part                            ? cr_sel_part_of_date(k, now, &next, at, err)
                 : e->verb->kind == CR_VERB_ISEL ? isel(&named, now, &next, at, err)
                                                 : sel(c, &named, now, match, &next, at, err);
        if (status == CR_OK)
            cr_labelled_become(&now, next);
    }
    if (status == CR_OK)
        *ret_array = now;
    else
        cr_labelled_unref(now);
    return status;
}
