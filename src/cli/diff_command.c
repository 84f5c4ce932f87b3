/* diff_command.c - `craton diff A B`: which variables of two files differ, in how many values, and by how much. Exit code 1: they differ. */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/computing.h"

enum { EXIT_DIFFERENT = 1, MEASURES = 4 };

typedef struct compared {
    const char *name;             /* borrowed from the dataset */
    char problem[160];            /* why values were not compared; "" */
    int64_t values;
    int first;                    /* of its measures among all that are computed; -1: none */
    int64_t differ, missing;      /* values; those that are missing in one file alone */
    double most, relative;        /* largest difference, and as a share of the larger value; NaN: nowhere both are there */
} compared;

typedef struct diffing {
    cr_context *context;
    cr_dataset *sets[2];
    int n, n_arrays;
    compared *all;
    cr_array **arrays;            /* owned */
    double *results;
    double most, relative;        /* differences up to these count as none */
    const char *variables;        /* NULL: all */
} diffing;

static void done(diffing *d) {
    for (int k = 0; k < d->n_arrays; k++)
        cr_array_unref(d->arrays[k]);
    free(d->arrays);
    free(d->results);
    free(d->all);
    cr_dataset_unref(d->sets[0]);
    cr_dataset_unref(d->sets[1]);
}

/* ---- what is measured of a pair ---- */

typedef struct pool {
    cr_array *held[40];
    int n;
    cr_status status;
    cr_err *err;
} pool;

static cr_array *held(pool *p, cr_status status, cr_array **made) {
    p->status = status;
    return status == CR_OK ? p->held[p->n++] = *made : NULL;
}

static cr_array *map(pool *p, cr_map_op op, cr_array *a, cr_array *b) {
    cr_array *made = NULL;
    return p->status == CR_OK ? held(p, cr_array_map(op, (cr_array *[]){a, b}, &made, p->err), &made) : NULL;
}

static cr_array *cast(pool *p, cr_array *a, cr_dtype type) {
    cr_array *made = NULL;
    return p->status == CR_OK ? held(p, cr_array_cast(a, type, &made, p->err), &made) : NULL;
}

static cr_array *number(pool *p, double value) {
    cr_array *made = NULL;
    return p->status == CR_OK ? held(p, cr_array_scalar(CR_F64, &value, false, &made, p->err), &made) : NULL;
}

static cr_array *reduce(pool *p, cr_reduction r, cr_array *a) {
    const cr_reduce_options options = {.skipna = true};
    cr_array *made = NULL;
    return p->status == CR_OK ? held(p, cr_array_reduce(r, a, 0, NULL, &options, &made, p->err), &made) : NULL;
}

/* Numbers and times; both become double but where every bit counts. */
static cr_status measure(diffing *d, compared *c, cr_array *a, cr_array *b, cr_err *err) {
    pool p = {.err = err};
    bool exact = d->most == 0 && d->relative == 0 && cr_dtype_kind(cr_array_dtype(a)) != 'f' && cr_array_dtype(a) == cr_array_dtype(b);
    cr_array *x = cast(&p, a, CR_F64), *y = cast(&p, b, CR_F64);
    cr_array *apart = map(&p, CR_MAP_ABSOLUTE, map(&p, CR_MAP_SUBTRACT, x, y), NULL);
    cr_array *x_size = map(&p, CR_MAP_ABSOLUTE, x, NULL), *y_size = map(&p, CR_MAP_ABSOLUTE, y, NULL);
    cr_array *size = map(&p, CR_MAP_MAXIMUM, x_size, y_size);
    cr_array *over = map(&p, CR_MAP_GREATER, apart, number(&p, d->most));
    if (d->relative > 0)
        over = map(&p, CR_MAP_LOGICAL_AND, over, map(&p, CR_MAP_GREATER, apart, map(&p, CR_MAP_MULTIPLY, size, number(&p, d->relative))));
    if (exact)
        over = map(&p, CR_MAP_NOT_EQUAL, a, b);
    cr_array *one = map(&p, CR_MAP_NOT_EQUAL, map(&p, CR_MAP_ISNAN, x, NULL), map(&p, CR_MAP_ISNAN, y, NULL));
    cr_array *measures[MEASURES] = {cast(&p, reduce(&p, CR_REDUCE_SUM, over), CR_F64), cast(&p, reduce(&p, CR_REDUCE_SUM, one), CR_F64),
                                    reduce(&p, CR_REDUCE_MAX, apart), reduce(&p, CR_REDUCE_MAX, map(&p, CR_MAP_DIVIDE, apart, size))};
    if (p.status == CR_OK) {
        c->first = d->n_arrays;
        for (int k = 0; k < MEASURES; k++)
            d->arrays[d->n_arrays++] = cr_array_ref(measures[k]);
    }
    for (int k = 0; k < p.n; k++)
        cr_array_unref(p.held[k]);
    return p.status;
}

static void compare_texts(compared *c, cr_labelled *a, cr_labelled *b) {
    for (int64_t i = 0; i < c->values; i++)
        c->differ += strcmp(cr_labelled_text_values(a)[i], cr_labelled_text_values(b)[i]) != 0;
}

static const char *units_of(cr_labelled *a) {
    for (int k = 0; k < cr_labelled_n_attrs(a); k++) {
        const cr_attr *u = cr_labelled_attr(a, k);
        if (strcmp(u->name, "units") == 0 && u->dtype == CR_STRING && u->n == 1)
            return *(const char *const *)u->values;
    }
    return "";
}

static bool same_shape(cr_labelled *a, cr_labelled *b) {
    bool same = cr_labelled_ndim(a) == cr_labelled_ndim(b);
    for (int k = 0; k < cr_labelled_ndim(a) && same; k++)
        same = cr_labelled_shape(a)[k] == cr_labelled_shape(b)[k];
    return same;
}

static cr_status compare(diffing *d, compared *c, cr_err *err) {
    cr_labelled *a = NULL, *b = NULL;
    CR_TRY(cr_dataset_get(d->sets[0], c->name, &a, err));
    cr_status status = cr_dataset_get(d->sets[1], c->name, &b, err);
    c->values = 1;
    for (int k = 0; status == CR_OK && k < cr_labelled_ndim(a); k++)
        c->values *= cr_labelled_shape(a)[k];
    if (status != CR_OK)
        ;
    else if (!same_shape(a, b))
        snprintf(c->problem, sizeof c->problem, "other shape");
    else if (cr_labelled_kind(a) != cr_labelled_kind(b))
        snprintf(c->problem, sizeof c->problem, "numbers, times and text are compared with their like");
    else if (cr_labelled_kind(a) == CR_KIND_TIMES && cr_labelled_calendar(a) != cr_labelled_calendar(b))
        snprintf(c->problem, sizeof c->problem, "calendars %s, %s", cr_calendar_name(cr_labelled_calendar(a)), cr_calendar_name(cr_labelled_calendar(b)));
    else if (cr_labelled_kind(a) == CR_KIND_TEXT)
        compare_texts(c, a, b);
    else if (c->values > 0)
        status = measure(d, c, cr_labelled_array(a), cr_labelled_array(b), err);
    if (status == CR_OK && !c->problem[0] && strcmp(units_of(a), units_of(b)) != 0)
        snprintf(c->problem, sizeof c->problem, "units \"%.50s\", \"%.50s\"", units_of(a), units_of(b));
    cr_labelled_unref(b);
    cr_labelled_unref(a);
    return status;
}

/* ---- all variables ---- */

static bool has(const cr_dataset *d, const char *name) {
    for (int k = 0; k < cr_dataset_n_variables(d); k++)
        if (strcmp(cr_dataset_name(d, k), name) == 0)
            return true;
    return false;
}

/* Whether --variables names it. */
static bool is_asked(const char *list, const char *name) {
    size_t n = strlen(name);
    if (!list)
        return true;
    for (const char *w = list; *w; w += w[strcspn(w, ",")] ? strcspn(w, ",") + 1 : strcspn(w, ","))
        if (strcspn(w, ",") == n && memcmp(w, name, n) == 0)
            return true;
    return false;
}

static cr_status find(diffing *d, cr_err *err) {
    size_t most = (size_t)cr_dataset_n_variables(d->sets[0]) + (size_t)cr_dataset_n_variables(d->sets[1]);
    d->all = calloc(most + 1, sizeof *d->all);
    d->arrays = calloc(MEASURES * most + 1, sizeof *d->arrays);
    d->results = calloc(MEASURES * most + 1, sizeof *d->results);
    if (!d->all || !d->arrays || !d->results)
        return CR_FAIL(err, CR_MEMORY, "no memory for %zu variables", most);
    for (int side = 0; side < 2; side++)
        for (int k = 0; k < cr_dataset_n_variables(d->sets[side]); k++) {
            const char *name = cr_dataset_name(d->sets[side], k);
            if (!is_asked(d->variables, name) || (side == 1 && has(d->sets[0], name)))
                continue;
            compared *c = &d->all[d->n++];
            *c = (compared){.name = name, .first = -1, .most = NAN, .relative = NAN};
            if (!has(d->sets[!side], name))
                snprintf(c->problem, sizeof c->problem, "only in the %s file", side ? "second" : "first");
            else
                CR_TRY(compare(d, c, err));
        }
    if (d->n > 0)
        return CR_OK;
    return CR_FAIL(err, CR_NOT_FOUND, d->variables ? "neither file has a variable of these names: %.200s" : "neither file has a variable%s", d->variables ? d->variables : "");
}

static cr_status run_all(diffing *d, cr_err *err) {
    cr_auto_free void **out = calloc((size_t)d->n_arrays + 1, sizeof *out);
    if (!out)
        return CR_FAIL(err, CR_MEMORY, "no memory for results");
    for (int k = 0; k < d->n_arrays; k++)
        out[k] = &d->results[k];
    if (d->n_arrays > 0)
        CR_TRY(cr_compute(d->context, d->n_arrays, d->arrays, out, err));
    for (int k = 0; k < d->n; k++) {
        compared *c = &d->all[k];
        const double *r = c->first < 0 ? NULL : d->results + c->first;
        if (r) {
            c->differ = (int64_t)r[0];
            c->missing = (int64_t)r[1];
            c->most = r[2];
            c->relative = r[3];
        }
    }
    return CR_OK;
}

static bool differs(const compared *c) { return c->problem[0] || c->differ || c->missing; }

/* ---- what is told ---- */

static void put_number(cr_buf *out, double value) {
    if (isnan(value))
        cr_buf_adds(out, "           -");
    else
        cr_buf_addf(out, "%12.6g", value);
}

static void table(const diffing *d, bool utf8, cr_buf *out) {
    int same = 0;
    size_t width = 8;
    for (int k = 0; k < d->n; k++)
        width = CR_MAX(width, differs(&d->all[k]) ? CR_MIN(strlen(d->all[k].name), 60) : 0);
    for (int k = 0; k < d->n; k++)
        same += !differs(&d->all[k]);
    if (same < d->n)
        cr_buf_addf(out, "%-*s  %12s  %12s  %12s  %12s  %12s\n", (int)width, "variable", "values", "differ", "missing in 1", "by at most", "relative");
    for (int k = 0; k < d->n; k++) {
        const compared *c = &d->all[k];
        if (!differs(c))
            continue;
        size_t from = out->len;
        cr_cli_text(out, c->name, 60, utf8);
        cr_buf_addf(out, "%*s", (int)(width - CR_MIN(width, cr_cli_columns(out, from))), "");
        if (c->differ || c->missing) {
            cr_buf_addf(out, "  %12" PRId64 "  %12" PRId64 "  %12" PRId64 "  ", c->values, c->differ, c->missing);
            put_number(out, c->most);
            cr_buf_adds(out, "  ");
            put_number(out, c->relative);
        }
        if (c->problem[0]) {
            cr_buf_adds(out, "  ");
            cr_cli_text(out, c->problem, 0, utf8);
        }
        cr_buf_addc(out, '\n');
    }
    cr_buf_addf(out, "%d of %d variables differ.\n", d->n - same, d->n);
}

static json_t *json_number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static cr_status as_json(const diffing *d, bool different, cr_buf *out, cr_err *err) {
    json_t *list = json_array();
    json_t *all = json_pack("{s:b, s:o}", "same", !different, "variables", list);
    for (int k = 0; k < d->n && all; k++) {
        const compared *c = &d->all[k];
        json_array_append_new(list, json_pack("{s:s, s:b, s:I, s:I, s:I, s:o, s:o, s:o}", "name", c->name, "same", !differs(c), "values", (json_int_t)c->values,
                                              "differ", (json_int_t)c->differ, "missing_in_one", (json_int_t)c->missing, "most", json_number(c->most),
                                              "relative", json_number(c->relative), "problem", c->problem[0] ? json_string(c->problem) : json_null()));
    }
    char *text = all ? json_dumps(all, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) : NULL;
    cr_status status = text ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory for the results");
    if (text)
        cr_buf_addf(out, "%s\n", text);
    free(text);
    json_decref(all);
    return status;
}

/* ---- the command ---- */

static int run(diffing *d, char *const *paths, const char *group, bool json, const cr_session_options *session) {
    cr_err err = CR_ERR_INIT;
    cr_cli_screen screen;
    cr_auto_buf cr_buf out;
    bool different = false;
    cr_buf_init(&out, CR_CLI_OUTPUT_MAX);
    cr_cli_screen_of(stdout, &screen);
    if (cr_session_begin(session, &d->context, &err) != CR_OK)
        return cr_cli_fail(&err);
    const cr_dataset_options how = {.group = group, .unreadable = cr_session_unreadable(), .odd_times_stay = true};
    cr_status status = CR_OK;
    for (int side = 0; side < 2 && status == CR_OK; side++)
        status = cr_dataset_open(d->context, paths[side], &how, &d->sets[side], &err);
    if (status == CR_OK)
        status = find(d, &err);
    if (status == CR_OK)
        status = run_all(d, &err);
    for (int k = 0; k < d->n; k++)
        different = different || differs(&d->all[k]);
    if (status == CR_OK && json)
        status = as_json(d, different, &out, &err);
    else if (status == CR_OK)
        table(d, screen.utf8, &out);
    done(d);
    cr_session_end(d->context);
    if (status == CR_OK)
        status = cr_cli_put(&out, &err);
    return status != CR_OK ? cr_cli_fail(&err) : different ? EXIT_DIFFERENT : 0;
}

static cr_status read_tolerance(const char *text, const char *option, double *ret, cr_err *err) {
    char *end = NULL;
    if (!text)
        return CR_OK;
    *ret = cr_parse_real(text, &end);
    return end != text && !*end && isfinite(*ret) && *ret >= 0 ? CR_OK : CR_FAIL(err, CR_INVALID, "--%s is a number from 0 on, and \"%.60s\" is none", option, text);
}

int cr_cli_diff(const cr_cli_command *self, int argc, char **argv) {
    diffing d = {0};
    bool help = false, json = false;
    const char *most = NULL, *relative = NULL, *group = NULL;
    cr_session_options session = {0};
    const cr_option rows[] = {
        {0, "abs", "VALUE", "differences up to this count as none", CR_OPTION_TEXT, &most},
        {0, "rel", "SHARE", "differences up to this share of the larger value count as none", CR_OPTION_TEXT, &relative},
        {'v', "variables", "NAME,...", "only these", CR_OPTION_TEXT, &d.variables},
        {0, "json", NULL, "print JSON", CR_OPTION_FLAG, &json},
        {'g', "group", "PATH", "group of the files, for instance a/b", CR_OPTION_TEXT, &group},
        CR_SESSION_ROWS(session),
        {'h', "help", NULL, "this text", CR_OPTION_FLAG, &help},
        {0},
    };
    cr_err err = CR_ERR_INIT;
    int first = 0;
    if (cr_option_parse(rows, argc, argv, &first, &err) != CR_OK)
        return cr_cli_fail(&err);
    if (help)
        return cr_cli_help(self, rows);
    if (argc - first != 2) {
        (void)CR_FAIL(&err, CR_INVALID, "%s needs two files", self->name);
        cr_err_hint(&err, "craton diff a.nc b.nc   (craton diff --help)");
        return cr_cli_fail(&err);
    }
    if (read_tolerance(most, "abs", &d.most, &err) != CR_OK || read_tolerance(relative, "rel", &d.relative, &err) != CR_OK)
        return cr_cli_fail(&err);
    return run(&d, argv + first, group, json, &session);
}
