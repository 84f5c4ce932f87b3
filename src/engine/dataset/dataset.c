/* dataset.c - datasets: opened from a file, made of arrays, asked for their variables. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/array/node.h"
#include "engine/dataset/dataset.h"
#include "engine/dataset/decode.h"

static cr_status no_memory(cr_err *err) { return CR_FAIL(err, CR_MEMORY, "no memory for a dataset"); }

static cr_status dataset_alloc(cr_context *c, int n_most, cr_dataset **ret_dataset, cr_err *err) {
    cr_dataset *d = calloc(1, sizeof *d);
    if (!d)
        return no_memory(err);
    d->refs = 1;
    d->context = c;
    cr_arena_init(&d->memory, CR_VAR_MEMORY_MAX);
    d->vars = calloc((size_t)n_most + 1, sizeof *d->vars);
    d->is_coord = calloc((size_t)n_most + 1, sizeof *d->is_coord);
    if (!d->vars || !d->is_coord) {
        cr_dataset_unref(d);
        return no_memory(err);
    }
    *ret_dataset = d;
    return CR_OK;
}

cr_dataset *cr_dataset_ref(cr_dataset *d) {
    if (d)
        atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
    return d;
}

void cr_dataset_unref(cr_dataset *d) {
    if (!d || atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (int k = 0; k < d->n; k++)
        cr_var_unref(d->vars[k]);
    free(d->vars);
    free(d->is_coord);
    cr_arena_done(&d->memory);
    free(d);
}

static int find(const cr_dataset *d, const char *name, size_t length) {
    for (int k = 0; k < d->n; k++)
        if (strlen(d->vars[k]->name) == length && memcmp(d->vars[k]->name, name, length) == 0)
            return k;
    return -1;
}

/* Marks the variables that a "coordinates" attribute names, words between blanks. */
static void mark_coords(cr_dataset *d, const char *names) {
    while (names && *names) {
        names += strspn(names, " \t\n");
        size_t length = strcspn(names, " \t\n");
        int at = length > 0 ? find(d, names, length) : -1;
        if (at >= 0)
            d->is_coord[at] = true;
        names += length;
    }
}

static cr_status copy_attrs(cr_dataset *d, int n, const cr_attr *attrs, bool drop_coordinates, cr_err *err) {
    d->attrs = cr_arena_calloc(&d->memory, (size_t)n + 1, sizeof *d->attrs);
    if (!d->attrs)
        return no_memory(err);
    for (int k = 0; k < n; k++) {
        if (drop_coordinates && strcmp(attrs[k].name, "coordinates") == 0 && attrs[k].dtype == CR_STRING)
            continue;
        CR_TRY(cr_attr_copy(&d->memory, &attrs[k], &d->attrs[d->n_attrs], err));
        d->n_attrs++;
    }
    return CR_OK;
}

/* ---- opening ---- */

/* Whether the last dimension of v only ever counts characters: then they are joined to texts. */
static bool joins(const cr_file *f, const cr_variable *v) {
    if (v->dtype != CR_BYTES || v->itemsize != 1 || v->ndim == 0)
        return false;
    const char *dim = v->dims[v->ndim - 1];
    if (cr_file_find(f, dim))
        return false;
    for (int k = 0; k < cr_file_n_variables(f); k++) {
        const cr_variable *other = cr_file_variable(f, k);
        for (int a = 0; a < other->ndim; a++)
            if (strcmp(other->dims[a], dim) == 0 && (other->dtype != CR_BYTES || a != other->ndim - 1))
                return false;
    }
    return true;
}

/* The time variable that names v as its bounds (CF 7.1), when v does not say itself what it counts. */
static void lend_units(const cr_file *f, const cr_variable *v, cr_decoding *how) {
    for (int k = 0; k < cr_file_n_variables(f); k++) {
        const cr_variable *t = cr_file_variable(f, k);
        const char *bounds = cr_attr_text(t->attrs, t->n_attrs, "bounds"), *units = cr_attr_text(t->attrs, t->n_attrs, "units");
        if (!bounds || strcmp(bounds, v->name) != 0 || !cr_time_units_likely(units))
            continue;
        if (!cr_attr_find(v->attrs, v->n_attrs, "units"))
            how->units = units;
        if (!cr_attr_find(v->attrs, v->n_attrs, "calendar"))
            how->calendar = cr_attr_text(t->attrs, t->n_attrs, "calendar");
    }
}

/* A variable that is known and cannot be read: says why when it is asked for. */
static cr_status unreadable(const cr_variable *v, const char *why, cr_var **ret_var, cr_err *err) {
    cr_auto_labels cr_labels *none = NULL;
    cr_auto_var cr_var *var = NULL;
    int64_t zero = 0;
    CR_TRY(cr_labels_text(0, NULL, &none, err));
    CR_TRY(cr_var_new_text(v->name, 1, (const char *[]){v->name}, &zero, none, &var, err));
    var->problem = cr_arena_strdup(&var->memory, why);
    if (!var->problem)
        return no_memory(err);
    *ret_var = var;
    var = NULL;
    return CR_OK;
}

/* Whether the units or the calendar of times are none that can be understood; the first is told in the note. */
static bool odd_times(cr_dataset *d, const cr_variable *v, const cr_decoding *how) {
    const char *units = how->units ? how->units : cr_attr_text(v->attrs, v->n_attrs, "units");
    const char *name = how->calendar ? how->calendar : cr_attr_text(v->attrs, v->n_attrs, "calendar");
    cr_calendar calendar;
    cr_time_units known;
    cr_err why = CR_ERR_INIT;
    if (!cr_time_units_likely(units) ||
        (cr_calendar_find(name, &calendar, &why) == CR_OK && cr_time_units_parse(units, calendar, &known, &why) == CR_OK))
        return false;
    if (!d->note[0])
        snprintf(d->note, sizeof d->note, "%.60s stays numbers: %.300s", v->name, why.message);
    return true;
}

static cr_status open_variable(cr_dataset *d, const cr_file *f, const cr_variable *v, const cr_dataset_options *options, cr_var **ret_var,
                               cr_err *err) {
    cr_context *c = d->context;
    cr_decoding how = {.as_stored = options && options->as_stored, .weak_attrs = cr_starts_with(cr_file_format(f), "zarr")};
    if (!how.as_stored) {
        how.join_characters = joins(f, v);
        lend_units(f, v, &how);
        how.plain_times = options && options->odd_times_stay && odd_times(d, v, &how);
    }
    cr_auto_array cr_array *raw = NULL;
    cr_auto_labels cr_labels *texts = NULL;
    if (v->problem)
        return CR_FAIL(err, CR_UNSUPPORTED, "the variable %s cannot be read: %s", v->name, v->problem);
    if (v->dtype == CR_STRING) {
        char **strings = NULL;
        int64_t n = 0;
        CR_TRY(cr_file_strings(f, v->name, &strings, &n, err));
        cr_status status = cr_labels_text(n, (const char *const *)strings, &texts, err);
        cr_free(strings);
        CR_TRY(status);
    } else {
        CR_TRY(cr_file_array(f, v->name, &raw, err));
    }
    return cr_decode(c, v, raw, texts, &how, ret_var, err);
}

/* The labels of all indexes, read together. */
static cr_status read_indexes(cr_dataset *d, cr_err *err) {
    cr_auto_free cr_array **arrays = calloc((size_t)d->n + 1, sizeof *arrays);
    cr_auto_free void **out = calloc((size_t)d->n + 1, sizeof *out);
    cr_auto_free cr_var **which = calloc((size_t)d->n + 1, sizeof *which);
    if (!arrays || !out || !which)
        return no_memory(err);
    int n = 0;
    cr_status status = CR_OK;
    for (int k = 0; k < d->n && status == CR_OK; k++) {
        cr_var *v = d->vars[k];
        if (!cr_var_is_index(v) || !v->data)
            continue;
        status = cr_labels_check(v, err);
        if (status != CR_OK)
            break;
        out[n] = malloc((size_t)v->data->size * v->data->itemsize + 1);
        if (!out[n])
            status = no_memory(err);
        which[n] = v;
        arrays[n++] = v->data;
    }
    if (status == CR_OK && n > 0)
        status = cr_compute(d->context, n, arrays, out, err);
    for (int k = 0; k < n; k++) {
        cr_var *v = which[k];
        cr_array *held = NULL;
        if (status == CR_OK)
            status = cr_labels_of_values(v, out[k], &v->labels, err);
        if (status == CR_OK)
            status = cr_array_from_memory(v->data->dtype, 0, 1, v->shape, NULL, NULL, out[k], free, out[k], &held, err);
        if (status != CR_OK) {
            free(out[k]);
            continue;
        }
        cr_array_unref(v->data);
        v->data = held;
    }
    return status;
}

static cr_status open_all(cr_dataset *d, const cr_file *f, const cr_dataset_options *options, cr_err *err) {
    bool decode = !(options && options->as_stored);
    for (int k = 0; k < cr_file_n_variables(f); k++) {
        const cr_variable *v = cr_file_variable(f, k);
        cr_err why = CR_ERR_INIT;
        cr_status status = open_variable(d, f, v, options, &d->vars[d->n], &why);
        bool index = v->ndim == 1 && strcmp(v->name, v->dims[0]) == 0;
        if (status == CR_MEMORY || status == CR_CANCELLED || (status != CR_OK && index)) {
            cr_err_set(err, status, __FILE__, __LINE__, "%s", why.message);
            cr_err_hint(err, "%s", why.hint);
            return status;
        }
        if (status != CR_OK)
            CR_TRY(unreadable(v, why.message, &d->vars[d->n], err));
        d->is_coord[d->n] = index;
        d->n++;
    }
    cr_auto_free cr_attr *attrs = calloc((size_t)cr_file_n_attrs(f) + 1, sizeof *attrs);
    if (!attrs)
        return no_memory(err);
    for (int k = 0; k < cr_file_n_attrs(f); k++)
        attrs[k] = *cr_file_attr(f, k);
    for (int k = 0; k < d->n && decode; k++)
        mark_coords(d, d->vars[k]->encoding ? d->vars[k]->encoding->coordinates : NULL);
    if (decode)
        mark_coords(d, cr_attr_text(attrs, cr_file_n_attrs(f), "coordinates"));
    CR_TRY(copy_attrs(d, cr_file_n_attrs(f), attrs, decode, err));
    return read_indexes(d, err);
}

cr_status cr_dataset_open(cr_context *c, const char *path, const cr_dataset_options *options, cr_dataset **ret_dataset, cr_err *err) {
    cr_open_options open = {0};
    cr_file *f = NULL;
    cr_dataset *d = NULL;
    if (options)
        open = (cr_open_options){options->group, options->metadata_limit_bytes, options->unreadable};
    CR_TRY(cr_file_open(path, &open, &f, err));
    cr_status status = dataset_alloc(c, cr_file_n_variables(f), &d, err);
    if (status == CR_OK)
        status = open_all(d, f, options, err);
    cr_file_close(f);
    if (status != CR_OK) {
        cr_err_context(err, "%s", path);
        cr_dataset_unref(d);
        return status;
    }
    *ret_dataset = d;
    return CR_OK;
}

/* ---- asking ---- */

int cr_dataset_n_variables(const cr_dataset *d) { return d->n; }
const char *cr_dataset_note(const cr_dataset *d) { return d->note[0] ? d->note : NULL; }
const char *cr_dataset_name(const cr_dataset *d, int i) { return i < 0 || i >= d->n ? NULL : d->vars[i]->name; }
bool cr_dataset_is_coord(const cr_dataset *d, int i) { return i >= 0 && i < d->n && d->is_coord[i]; }
const char *cr_dataset_difference(const cr_dataset *d, int i) { return i < 0 || i >= d->n ? NULL : d->vars[i]->note; }
int cr_dataset_n_attrs(const cr_dataset *d) { return d->n_attrs; }
const cr_attr *cr_dataset_attr(const cr_dataset *d, int i) { return i < 0 || i >= d->n_attrs ? NULL : &d->attrs[i]; }

cr_status cr_dataset_get(const cr_dataset *d, const char *name, cr_labelled **ret_array, cr_err *err) {
    int at = find(d, name, strlen(name));
    if (at < 0) {
        char names[400] = "";
        for (int k = 0; k < d->n; k++)
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", k ? ", " : "", d->vars[k]->name);
        cr_err_set(err, CR_NOT_FOUND, __FILE__, __LINE__, "there is no variable %.100s", name);
        cr_err_hint(err, d->n ? "Variables: %s." : "There are no variables%s.", names);
        return CR_NOT_FOUND;
    }
    if (d->vars[at]->problem)
        return CR_FAIL(err, CR_UNSUPPORTED, "%s", d->vars[at]->problem);
    cr_auto_free cr_var **coords = calloc((size_t)d->n + 1, sizeof *coords);
    if (!coords)
        return no_memory(err);
    int n = 0;
    for (int k = 0; k < d->n; k++)
        if (d->is_coord[k] && !d->vars[k]->problem)
            coords[n++] = d->vars[k];
    return cr_labelled_make(d->context, d->vars[at], n, coords, ret_array, err);
}

/* ---- of arrays ---- */

/* Puts a variable in, unless the same is there. */
static cr_status put(cr_dataset *d, cr_var *v, bool coord, cr_labelled *owner, cr_err *err) {
    int at = find(d, v->name, strlen(v->name));
    if (at < 0) {
        for (int k = 0; k < d->n; k++)
            for (int a = 0; a < v->ndim; a++) {
                int other = cr_var_axis(d->vars[k], v->dims[a]);
                if (other >= 0 && d->vars[k]->shape[other] != v->shape[a])
                    return CR_FAIL(err, CR_INVALID, "the dimension %s has %lld elements in %s and %lld in %s", v->dims[a],
                                   (long long)d->vars[k]->shape[other], d->vars[k]->name, (long long)v->shape[a], v->name);
            }
        d->is_coord[d->n] = coord;
        d->vars[d->n++] = cr_var_ref(v);
        return CR_OK;
    }
    bool same = d->vars[at] == v && d->is_coord[at] == coord;
    if (!same && coord && d->is_coord[at])
        CR_TRY(cr_same_values(d->context, d->vars[at], v, &same, err));
    if (!same) {
        cr_err_set(err, CR_INVALID, __FILE__, __LINE__, coord ? "the coordinate %s of %s differs from another of that name" : "two variables have the name %s%.0s",
                   v->name, owner->var->name);
        cr_err_hint(err, coord ? "Select what both have (cr_align), or replace the coordinate (cr_labelled_with_coord)." : "Give one another name (cr_labelled_with_name).");
        return CR_INVALID;
    }
    return CR_OK;
}

cr_status cr_dataset_new(cr_context *c, int n, cr_labelled *const *arrays, int n_attrs, const cr_attr *attrs, cr_dataset **ret_dataset,
                         cr_err *err) {
    int most = n;
    for (int k = 0; k < n; k++) {
        if (!arrays[k]->var->name)
            return CR_FAIL(err, CR_INVALID, "array %d has no name; give it one with cr_labelled_with_name", k);
        most += arrays[k]->n_coords;
    }
    cr_dataset *d = NULL;
    CR_TRY(dataset_alloc(c, most, &d, err));
    cr_status status = copy_attrs(d, n_attrs, attrs, false, err);
    for (int k = 0; k < n && status == CR_OK; k++)
        for (int j = 0; j < arrays[k]->n_coords && status == CR_OK; j++)
            status = put(d, arrays[k]->coords[j], true, arrays[k], err);
    for (int k = 0; k < n && status == CR_OK; k++) {
        bool itself = cr_labelled_find_coord(arrays[k], arrays[k]->var->name) == arrays[k]->var;
        if (!itself)
            status = put(d, arrays[k]->var, false, arrays[k], err);
    }
    if (status != CR_OK) {
        cr_dataset_unref(d);
        return status;
    }
    *ret_dataset = d;
    return CR_OK;
}
