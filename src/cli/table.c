/* table.c - values as text. */
#include "cli/table.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The values of an array in memory. */
typedef struct column {
    cr_labelled *array;           /* owned */
    void *values;                 /* NULL for text */
    int64_t n;
} column;

static void column_done(column *c) {
    free(c->values);
    cr_labelled_unref(c->array);
    *c = (column){0};
}

static int64_t count(cr_labelled *a) {
    int64_t n = 1;
    for (int k = 0; k < cr_labelled_ndim(a); k++)
        n *= cr_labelled_shape(a)[k];
    return n;
}

/* Takes the reference. */
static cr_status load(cr_labelled *a, column *c, cr_err *err) {
    *c = (column){.array = a, .n = count(a)};
    if (cr_labelled_kind(a) == CR_KIND_TEXT)
        return CR_OK;
    size_t bytes = (size_t)c->n * cr_array_itemsize(cr_labelled_array(a));
    c->values = malloc(bytes + 1);
    cr_status status = c->values ? cr_labelled_load(a, c->values, bytes, err)
                                 : CR_FAIL(err, CR_MEMORY, "no memory for %" PRId64 " values", c->n);
    if (status != CR_OK)
        column_done(c);
    return status;
}

#define WHOLE(name, T) \
    case CR_##name: *ret = ((const T *)c->values)[i]; return true

/* false: it is floating. */
static bool whole_at(const column *c, int64_t i, int64_t *ret) {
    switch (cr_labelled_dtype(c->array)) {
    WHOLE(I8, int8_t);
    WHOLE(I16, int16_t);
    WHOLE(I32, int32_t);
    WHOLE(I64, int64_t);
    WHOLE(U8, uint8_t);
    WHOLE(U16, uint16_t);
    WHOLE(U32, uint32_t);
    case CR_U64: *ret = (int64_t)((const uint64_t *)c->values)[i]; return true;
    default: return false;
    }
}

static double real_at(const column *c, int64_t i) {
    cr_dtype t = cr_labelled_dtype(c->array);
    return t == CR_F64 ? ((const double *)c->values)[i] : t == CR_F32 ? ((const float *)c->values)[i] : NAN;
}

/* Times as ISO 8601, "T" between date and clock; returns false when it is missing. */
static bool time_at(const column *c, int64_t i, char *buf, size_t size) {
    int64_t us = ((const int64_t *)c->values)[i];
    cr_date d;
    if (us == CR_TIME_MISSING)
        return false;
    cr_date_from_us(cr_labelled_calendar(c->array), us, &d);
    cr_date_text(&d, buf, size);
    char *blank = strchr(buf, ' ');
    if (blank)
        *blank = 'T';
    return true;
}

static void value_text(const column *c, int64_t i, bool utf8, cr_buf *out) {
    char buf[80];
    int64_t whole;
    switch (cr_labelled_kind(c->array)) {
    case CR_KIND_TEXT: cr_cli_text(out, cr_labelled_text_values(c->array)[i], 0, utf8); return;
    case CR_KIND_TIMES: cr_buf_adds(out, time_at(c, i, buf, sizeof buf) ? buf : "NaT"); return;
    default: break;
    }
    if (cr_labelled_dtype(c->array) == CR_BOOL)
        cr_buf_adds(out, ((const uint8_t *)c->values)[i] ? "true" : "false");
    else if (whole_at(c, i, &whole))
        cr_buf_addf(out, cr_labelled_dtype(c->array) == CR_U64 ? "%" PRIu64 : "%" PRId64, whole);
    else if (isnan(real_at(c, i)))
        cr_buf_adds(out, "nan");      /* whatever its sign */
    else
        cr_buf_addf(out, cr_labelled_dtype(c->array) == CR_F32 ? "%.7g" : "%.10g", real_at(c, i));
}

/* ---- labels ---- */

enum { LABELS_MOST = 2 * CR_MAX_DIMS };

/* What is told of a place of an array: the label, or position, along each dimension, and of a dimension without labels (points) what lies along it. */
typedef struct labels {
    int n;
    struct { const char *name; int axis; column values; /* no array: positions */ } of[LABELS_MOST];
} labels;

static void labels_done(labels *l) {
    for (int k = 0; k < l->n; k++)
        column_done(&l->of[k].values);
}

static cr_status load_labels(cr_labelled *a, labels *l, cr_err *err) {
    l->n = 0;
    for (int d = 0; d < cr_labelled_ndim(a); d++) {
        cr_labelled *index = NULL;
        bool known = cr_labelled_coord(a, cr_labelled_dim(a, d), &index, NULL) == CR_OK;
        l->of[l->n].name = cr_labelled_dim(a, d);
        l->of[l->n].axis = d;
        l->of[l->n++].values = (column){0};
        if (known)
            CR_TRY(load(index, &l->of[l->n - 1].values, err));
        for (int k = 0; k < cr_labelled_n_coords(a) && !known && l->n < CR_MAX_DIMS; k++) {
            cr_labelled *beside = NULL;
            CR_TRY(cr_labelled_coord(a, cr_labelled_coord_name(a, k), &beside, err));
            if (cr_labelled_ndim(beside) != 1 || strcmp(cr_labelled_dim(beside, 0), cr_labelled_dim(a, d)) != 0) {
                cr_labelled_unref(beside);
                continue;
            }
            l->of[l->n].name = cr_labelled_coord_name(a, k);
            l->of[l->n].axis = d;
            l->of[l->n++].values = (column){0};
            CR_TRY(load(beside, &l->of[l->n - 1].values, err));
        }
    }
    return CR_OK;
}

/* Positions along all dimensions of value i. */
static void place_of(cr_labelled *a, int64_t i, int64_t *at) {
    for (int d = cr_labelled_ndim(a) - 1; d >= 0; d--) {
        at[d] = i % cr_labelled_shape(a)[d];
        i /= cr_labelled_shape(a)[d];
    }
}

/* ---- as columns ---- */

typedef struct lines {
    cr_buf cells;                 /* texts with NULs between */
    int n_columns;
    size_t *width;
} lines;

static void end_cell(lines *l, int at, size_t from) {
    l->width[at] = CR_MAX(l->width[at], cr_cli_columns(&l->cells, from));
    cr_buf_addc(&l->cells, 0);
}

/* Header and values; labels are columns of their own. */
static void fill(lines *l, const labels *told, const column *values, bool utf8) {
    cr_labelled *a = values->array;
    for (int c = 0; c <= told->n; c++) {
        size_t from = l->cells.len;
        cr_cli_text(&l->cells, c < told->n ? told->of[c].name : cr_labelled_name(a), 60, utf8);
        end_cell(l, c, from);
    }
    for (int64_t i = 0; i < values->n; i++) {
        int64_t at[CR_MAX_DIMS];
        place_of(a, i, at);
        for (int c = 0; c <= told->n; c++) {
            size_t from = l->cells.len;
            if (c == told->n)
                value_text(values, i, utf8, &l->cells);
            else if (told->of[c].values.array)
                value_text(&told->of[c].values, at[told->of[c].axis], utf8, &l->cells);
            else
                cr_buf_addf(&l->cells, "%" PRId64, at[told->of[c].axis]);
            end_cell(l, c, from);
        }
    }
}

/* Numbers stand to the right, so that columns can be read; between columns are two blanks. */
static void print(const lines *l, cr_buf *out) {
    const char *cell = cr_buf_str(&l->cells), *end = cell + l->cells.len;
    for (int c = 0; cell < end && !l->cells.failed; c = (c + 1) % l->n_columns) {
        size_t n = strlen(cell), shown = 0;
        for (size_t k = 0; k < n; k++)
            shown += ((unsigned char)cell[k] & 0xc0) != 0x80;
        cr_buf_addf(out, "%s%*s%s%s", c ? "  " : "", (int)(l->width[c] - CR_MIN(shown, l->width[c])), "", cell,
                    c == l->n_columns - 1 ? "\n" : "");
        cell += n + 1;
    }
}

static const char *units_of(cr_labelled *a) {
    for (int k = 0; k < cr_labelled_n_attrs(a); k++) {
        const cr_attr *u = cr_labelled_attr(a, k);
        if (strcmp(u->name, "units") == 0 && u->dtype == CR_STRING && u->n == 1)
            return *(const char *const *)u->values;
    }
    return NULL;
}

static cr_status text_of(cr_labelled *a, const cr_cli_screen *screen, cr_buf *out, cr_err *err) {
    labels told = {0};
    column values = {0};
    size_t width[LABELS_MOST + 1] = {0};
    lines l = {.width = width};
    cr_buf_init(&l.cells, CR_CLI_OUTPUT_MAX);
    cr_status status = load(cr_labelled_ref(a), &values, err);
    if (status == CR_OK)
        status = load_labels(a, &told, err);
    if (status == CR_OK) {
        const char *units = units_of(a);
        l.n_columns = told.n + 1;
        fill(&l, &told, &values, screen->utf8);
        if (units && *units) {
            cr_buf_adds(out, "# ");
            cr_cli_text(out, cr_labelled_name(a), 60, screen->utf8);
            cr_buf_adds(out, " in ");
            cr_cli_text(out, units, 60, screen->utf8);
            cr_buf_addc(out, '\n');
        }
        print(&l, out);
        status = cr_buf_check(&l.cells, err);
    }
    labels_done(&told);
    column_done(&values);
    cr_buf_done(&l.cells);
    return status;
}

static cr_status summary_of(cr_labelled *a, bool utf8, cr_buf *out, cr_err *err) {
    char *text = NULL;
    CR_TRY(cr_labelled_summary(a, &text, err));
    for (char *line = text; line && *line;) {
        size_t n = strcspn(line, "\n");
        char *rest = line[n] ? line + n + 1 : NULL;
        line[n] = 0;
        cr_cli_text(out, line, 0, utf8);
        cr_buf_addc(out, '\n');
        line = rest;
    }
    cr_free(text);
    cr_buf_adds(out, "Too many values for a table; -o FILE writes them.\n");
    return CR_OK;
}

cr_status cr_table_text(const cr_results *r, const cr_cli_screen *screen, cr_buf *out, cr_err *err) {
    for (int k = 0; k < r->n; k++) {
        if (k > 0)
            cr_buf_addc(out, '\n');
        if (count(r->arrays[k]) > CR_TABLE_MOST)
            CR_TRY(summary_of(r->arrays[k], screen->utf8, out, err));
        else
            CR_TRY(text_of(r->arrays[k], screen, out, err));
    }
    return CR_OK;
}

/* ---- as CSV ---- */

/* The fewest digits that give the number back. */
static void shortest(double value, bool narrow, cr_buf *out) {
    char buf[40];
    for (int digits = narrow ? 6 : 15; digits <= 17; digits++) {
        snprintf(buf, sizeof buf, "%.*g", digits, value);
        double back = strtod(buf, NULL);
        if (narrow ? (float)back == (float)value : back == value)
            break;
    }
    cr_buf_adds(out, buf);
}

static void csv_value(const column *c, int64_t i, cr_buf *out) {
    cr_dtype t = cr_labelled_dtype(c->array);
    if (cr_labelled_kind(c->array) == CR_KIND_NUMBERS && (t == CR_F32 || t == CR_F64)) {
        if (!isnan(real_at(c, i)))
            shortest(real_at(c, i), t == CR_F32, out);
        return;
    }
    if (cr_labelled_kind(c->array) == CR_KIND_TIMES && ((const int64_t *)c->values)[i] == CR_TIME_MISSING)
        return;
    cr_auto_buf cr_buf cell;
    cr_buf_init(&cell, CR_CLI_OUTPUT_MAX);
    value_text(c, i, true, &cell);
    bool quoted = strpbrk(cr_buf_str(&cell), ",\"") != NULL;
    cr_buf_adds(out, quoted ? "\"" : "");
    for (const char *s = cr_buf_str(&cell); *s; s++) {
        if (*s == '"')
            cr_buf_addc(out, '"');
        cr_buf_addc(out, *s);
    }
    cr_buf_adds(out, quoted ? "\"" : "");
}

/* Whether a lies on the rows of the first result: the same dimensions, of the same lengths. */
static cr_status same_rows(cr_labelled *first, cr_labelled *a, cr_err *err) {
    bool same = cr_labelled_ndim(a) == cr_labelled_ndim(first);
    for (int d = 0; d < cr_labelled_ndim(first) && same; d++)
        same = strcmp(cr_labelled_dim(a, d), cr_labelled_dim(first, d)) == 0 && cr_labelled_shape(a)[d] == cr_labelled_shape(first)[d];
    if (same)
        return CR_OK;
    cr_status status = CR_FAIL(err, CR_INVALID, "%.100s has other dimensions than %.100s: they are no table", cr_labelled_name(a), cr_labelled_name(first));
    cr_err_hint(err, "Write each into a file of its own.");
    return status;
}

static void csv_rows(const labels *told, const column *values, int n, cr_buf *out) {
    for (int c = 0; c < told->n + n; c++) {
        cr_buf_adds(out, c ? "," : "");
        cr_cli_text(out, c < told->n ? told->of[c].name : cr_labelled_name(values[c - told->n].array), 0, true);
    }
    cr_buf_addc(out, '\n');
    for (int64_t i = 0; i < values[0].n && !out->failed; i++) {
        int64_t at[CR_MAX_DIMS];
        place_of(values[0].array, i, at);
        for (int c = 0; c < told->n + n; c++) {
            cr_buf_adds(out, c ? "," : "");
            if (c >= told->n)
                csv_value(&values[c - told->n], i, out);
            else if (told->of[c].values.array)
                csv_value(&told->of[c].values, at[told->of[c].axis], out);
            else
                cr_buf_addf(out, "%" PRId64, at[told->of[c].axis]);
        }
        cr_buf_addc(out, '\n');
    }
}

cr_status cr_table_csv(const cr_results *r, cr_buf *out, cr_err *err) {
    cr_auto_free column *values = calloc((size_t)r->n + 1, sizeof *values);
    labels told = {0};
    cr_status status = values ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory for the results");
    if (status == CR_OK && count(r->arrays[0]) > CR_CSV_MOST) {
        status = CR_FAIL(err, CR_LIMIT, "%.100s has %" PRId64 " values; a CSV file gets at most %d", cr_labelled_name(r->arrays[0]), count(r->arrays[0]), CR_CSV_MOST);
        cr_err_hint(err, "Select a part or reduce it; NetCDF (-o FILE.nc) holds all.");
    }
    for (int k = 0; k < r->n && status == CR_OK; k++)
        status = same_rows(r->arrays[0], r->arrays[k], err);
    for (int k = 0; k < r->n && status == CR_OK; k++)
        status = load(cr_labelled_ref(r->arrays[k]), &values[k], err);
    if (status == CR_OK)
        status = load_labels(r->arrays[0], &told, err);
    if (status == CR_OK) {
        csv_rows(&told, values, r->n, out);
        status = cr_buf_check(out, err);
    }
    labels_done(&told);
    for (int k = 0; values && k < r->n; k++)
        column_done(&values[k]);
    return status;
}

/* ---- as JSON ---- */

static json_t *json_value(const column *c, int64_t i) {
    char buf[80];
    int64_t whole;
    switch (cr_labelled_kind(c->array)) {
    case CR_KIND_TEXT: return json_string(cr_labelled_text_values(c->array)[i]);
    case CR_KIND_TIMES: return time_at(c, i, buf, sizeof buf) ? json_string(buf) : json_null();
    default: break;
    }
    if (cr_labelled_dtype(c->array) == CR_BOOL)
        return json_boolean(((const uint8_t *)c->values)[i]);
    if (whole_at(c, i, &whole))
        return json_integer(whole);
    return isfinite(real_at(c, i)) ? json_real(real_at(c, i)) : json_null();
}

/* Nested lists; *at counts the values. */
static json_t *json_nested(const column *c, int axis, int64_t *at) {
    if (axis == cr_labelled_ndim(c->array))
        return json_value(c, (*at)++);
    json_t *list = json_array();
    for (int64_t k = 0; k < cr_labelled_shape(c->array)[axis]; k++)
        json_array_append_new(list, json_nested(c, axis + 1, at));
    return list;
}

static json_t *json_attr(const cr_attr *a) {
    if (a->dtype == CR_STRING && a->n == 1)
        return json_string(*(const char *const *)a->values);
    json_t *list = json_array();
    for (int64_t k = 0; k < a->n; k++) {
        double real = a->dtype == CR_F64 ? ((const double *)a->values)[k] : a->dtype == CR_F32 ? ((const float *)a->values)[k] : 0;
        json_t *one = NULL;
        switch (a->dtype) {
        case CR_STRING: one = json_string(((const char *const *)a->values)[k]); break;
        case CR_BOOL: one = json_boolean(((const uint8_t *)a->values)[k]); break;
        case CR_I8: one = json_integer(((const int8_t *)a->values)[k]); break;
        case CR_U8: one = json_integer(((const uint8_t *)a->values)[k]); break;
        case CR_I16: one = json_integer(((const int16_t *)a->values)[k]); break;
        case CR_U16: one = json_integer(((const uint16_t *)a->values)[k]); break;
        case CR_I32: one = json_integer(((const int32_t *)a->values)[k]); break;
        case CR_U32: one = json_integer(((const uint32_t *)a->values)[k]); break;
        case CR_I64: one = json_integer(((const int64_t *)a->values)[k]); break;
        case CR_U64: one = json_integer((json_int_t)((const uint64_t *)a->values)[k]); break;
        default: one = isfinite(real) ? json_real(real) : json_null(); break;
        }
        json_array_append_new(list, one ? one : json_null());
    }
    if (a->n != 1)
        return list;
    json_t *only = json_incref(json_array_get(list, 0));
    json_decref(list);
    return only;
}

static cr_status json_variable(cr_labelled *a, json_t **ret, cr_err *err) {
    column c = {0};
    int64_t at = 0;
    CR_TRY(load(cr_labelled_ref(a), &c, err));
    json_t *dims = json_array(), *attrs = json_object();
    for (int k = 0; k < cr_labelled_ndim(a); k++)
        json_array_append_new(dims, json_string(cr_labelled_dim(a, k)));
    for (int k = 0; k < cr_labelled_n_attrs(a); k++)
        json_object_set_new(attrs, cr_labelled_attr(a, k)->name, json_attr(cr_labelled_attr(a, k)));
    *ret = json_pack("{s:o, s:o, s:o}", "dims", dims, "attrs", attrs, "data", json_nested(&c, 0, &at));
    column_done(&c);
    return CR_OK;
}

static cr_status json_add(json_t *coords, json_t *sizes, cr_labelled *a, cr_err *err) {
    for (int k = 0; k < cr_labelled_ndim(a); k++)
        json_object_set_new(sizes, cr_labelled_dim(a, k), json_integer(cr_labelled_shape(a)[k]));
    for (int k = 0; k < cr_labelled_n_coords(a); k++) {
        const char *name = cr_labelled_coord_name(a, k);
        cr_labelled *coord = NULL;
        json_t *one = NULL;
        if (json_object_get(coords, name))
            continue;
        CR_TRY(cr_labelled_coord(a, name, &coord, err));
        cr_status status = count(coord) > CR_TABLE_MOST ? CR_FAIL(err, CR_LIMIT, "the coordinate %.100s has more than %d values", name,
                                                                  CR_TABLE_MOST)
                                                        : json_variable(coord, &one, err);
        cr_labelled_unref(coord);
        CR_TRY(status);
        json_object_set_new(coords, name, one);
    }
    return CR_OK;
}

cr_status cr_table_json(const cr_results *r, cr_buf *out, cr_err *err) {
    json_t *coords = json_object(), *variables = json_object(), *sizes = json_object();
    json_t *all = json_pack("{s:o, s:{}, s:o, s:o}", "coords", coords, "attrs", "dims", sizes, "data_vars", variables);
    cr_status status = all ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory for the results");
    for (int k = 0; k < r->n && status == CR_OK; k++) {
        json_t *one = NULL;
        if (count(r->arrays[k]) > CR_TABLE_MOST) {
            status = CR_FAIL(err, CR_LIMIT, "%.100s has %" PRId64 " values; at most %d are printed", cr_labelled_name(r->arrays[k]),
                             count(r->arrays[k]), CR_TABLE_MOST);
            cr_err_hint(err, "-o FILE writes them.");
        }
        if (status == CR_OK)
            status = json_add(coords, sizes, r->arrays[k], err);
        if (status == CR_OK)
            status = json_variable(r->arrays[k], &one, err);
        if (status == CR_OK)
            json_object_set_new(variables, cr_labelled_name(r->arrays[k]), one);
    }
    char *text = status == CR_OK ? json_dumps(all, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) : NULL;
    if (status == CR_OK && !text)
        status = CR_FAIL(err, CR_MEMORY, "no memory for the results");
    if (text)
        cr_buf_addf(out, "%s\n", text);
    free(text);
    json_decref(all);
    return status;
}
