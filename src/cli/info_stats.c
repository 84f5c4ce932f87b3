/* info_stats.c - `craton info --stats`: of each variable of numbers how many values it has, how many are missing, and the least, mean and largest. */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/info.h"

enum { MEASURES = 4 };                /* how many are there, least, mean, largest */

typedef struct stat_row {
    const char *name;
    int64_t values;
    double measures[MEASURES];
} stat_row;

typedef struct stats {
    cr_dataset *set;
    int n, n_arrays;
    stat_row *rows;
    cr_array **arrays;
} stats;

static void done(stats *s) {
    for (int k = 0; k < s->n_arrays; k++)
        cr_array_unref(s->arrays[k]);
    free(s->arrays);
    free(s->rows);
    cr_dataset_unref(s->set);
}

static cr_status measure(stats *s, cr_labelled *a, cr_err *err) {
    static const cr_reduction which[MEASURES] = {CR_REDUCE_COUNT, CR_REDUCE_MIN, CR_REDUCE_MEAN, CR_REDUCE_MAX};
    const cr_reduce_options options = {.skipna = true};
    for (int k = 0; k < MEASURES; k++) {
        cr_array *reduced = NULL;
        CR_TRY(cr_array_reduce(which[k], cr_labelled_array(a), 0, NULL, &options, &reduced, err));
        cr_status status = cr_array_cast(reduced, CR_F64, &s->arrays[s->n_arrays], err);
        cr_array_unref(reduced);
        CR_TRY(status);
        s->n_arrays++;
    }
    return CR_OK;
}

/* All variables in one pass over the file. */
static cr_status compute(stats *s, cr_context *context, cr_err *err) {
    int most = cr_dataset_n_variables(s->set);
    s->rows = calloc((size_t)most + 1, sizeof *s->rows);
    s->arrays = calloc((size_t)most * MEASURES + 1, sizeof *s->arrays);
    cr_auto_free void **out = calloc((size_t)most * MEASURES + 1, sizeof *out);
    if (!s->rows || !s->arrays || !out)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d variables", most);
    for (int k = 0; k < most; k++) {
        cr_labelled *a = NULL;
        if (cr_dataset_is_coord(s->set, k) || cr_dataset_get(s->set, cr_dataset_name(s->set, k), &a, NULL) != CR_OK)
            continue;
        stat_row *r = &s->rows[s->n];
        *r = (stat_row){.name = cr_dataset_name(s->set, k), .values = 1};
        for (int d = 0; d < cr_labelled_ndim(a); d++)
            r->values *= cr_labelled_shape(a)[d];
        bool fits = cr_labelled_kind(a) == CR_KIND_NUMBERS && r->values > 0;
        cr_status status = fits ? measure(s, a, err) : CR_OK;
        cr_labelled_unref(a);
        CR_TRY(status);
        for (int m = 0; m < MEASURES && fits; m++)
            out[s->n * MEASURES + m] = &r->measures[m];
        s->n += fits;
    }
    return s->n_arrays ? cr_compute(context, s->n_arrays, s->arrays, out, err) : CR_OK;
}

static void number(cr_buf *out, double value) {
    if (isnan(value))
        cr_buf_adds(out, "             -");
    else
        cr_buf_addf(out, "  %12.6g", value);
}

static void as_text(const stats *s, const char *path, const cr_cli_screen *screen, cr_buf *out) {
    size_t width = 8;
    for (int k = 0; k < s->n; k++)
        width = CR_MAX(width, CR_MIN(strlen(s->rows[k].name), 60));
    cr_cli_text(out, path, 0, screen->utf8);
    cr_buf_addf(out, "\n%-*s  %12s  %12s  %12s  %12s  %12s\n", (int)width, "variable", "values", "missing", "minimum", "mean", "maximum");
    for (int k = 0; k < s->n; k++) {
        const stat_row *r = &s->rows[k];
        size_t from = out->len;
        cr_cli_text(out, r->name, 60, screen->utf8);
        cr_buf_addf(out, "%*s  %12" PRId64 "  %12" PRId64, (int)(width - CR_MIN(width, cr_cli_columns(out, from))), "", r->values, r->values - (int64_t)r->measures[0]);
        for (int m = 1; m < MEASURES; m++)
            number(out, r->measures[m]);
        cr_buf_addc(out, '\n');
    }
}

static json_t *json_number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static cr_status as_json(const stats *s, const char *path, cr_buf *out, cr_err *err) {
    json_t *list = json_object(), *all = json_pack("{s:s%, s:o}", "file", path, strlen(path), "variables", list);
    for (int k = 0; k < s->n && all; k++) {
        const stat_row *r = &s->rows[k];
        json_object_set_new(list, r->name, json_pack("{s:I, s:I, s:o, s:o, s:o}", "values", (json_int_t)r->values, "missing",
                                                     (json_int_t)(r->values - (int64_t)r->measures[0]), "minimum", json_number(r->measures[1]), "mean",
                                                     json_number(r->measures[2]), "maximum", json_number(r->measures[3])));
    }
    char *text = all ? json_dumps(all, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) : NULL;
    cr_status status = text ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory for the results");
    if (text)
        cr_buf_addf(out, "%s\n", text);
    free(text);
    json_decref(all);
    return status;
}

cr_status cr_info_stats(cr_context *context, const char *path, const char *group, bool json, const cr_cli_screen *screen, cr_buf *out, cr_err *err) {
    const cr_dataset_options how = {.group = group, .odd_times_stay = true};
    stats s = {0};
    CR_TRY(cr_dataset_open(context, path, &how, &s.set, err));
    cr_status status = compute(&s, context, err);
    if (status == CR_OK && json)
        status = as_json(&s, path, out, err);
    else if (status == CR_OK)
        as_text(&s, path, screen, out);
    done(&s);
    return status;
}
