/* split.c - results into several files: -o 'out_{year}.nc' is one for each year, {variable} one for each result, {lev} one for each label. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/split.h"

enum { FILES_MOST = 100000, DEEPEST = 4 };

typedef struct splitting {
    cr_context *context;
    cr_split_write write;
    void *user;
    int files, depth;
    bool dry;                     /* asks whether files can be written, before the first one is */
} splitting;

static cr_status run(splitting *s, const cr_results *r, const char *path, cr_err *err);

/* The first {NAME} of a path; 0: none. */
static size_t field_of(const char *path, char *name, size_t size, const char **ret_begin) {
    const char *begin = strchr(path, '{'), *end = begin ? strchr(begin, '}') : NULL;
    size_t n = end ? (size_t)(end - begin) - 1 : 0;
    if (n == 0 || n >= size)
        return 0;
    memcpy(name, begin + 1, n);
    name[n] = 0;
    *ret_begin = begin;
    return n + 2;
}

bool cr_split_wanted(const char *path) {
    char name[256];
    const char *begin;
    return path && field_of(path, name, sizeof name, &begin) > 0;
}

/* path with value in place of its first field; what would be another folder, or no name, is a line. */
static void filled(const char *path, const char *value, cr_buf *out) {
    char name[256];
    const char *begin = path;
    size_t n = field_of(path, name, sizeof name, &begin);
    cr_buf_add(out, path, (size_t)(begin - path));
    for (; *value; value++)
        cr_buf_addc(out, *value == '/' || (unsigned char)*value < ' ' || *value == '{' || *value == '}' ? '_' : *value);
    cr_buf_adds(out, begin + n);
}

static cr_status deliver(splitting *s, const cr_results *r, const char *path, const char *value, cr_err *err) {
    cr_auto_buf cr_buf to;
    cr_buf_init(&to, 8 << 10);
    filled(path, value, &to);
    CR_TRY(cr_buf_check(&to, err));
    return run(s, r, cr_buf_str(&to), err);
}

static cr_status by_variable(splitting *s, const cr_results *r, const char *path, cr_err *err) {
    for (int k = 0; k < r->n; k++) {
        cr_auto_free cr_results *one = calloc(1, sizeof *one);
        if (!one)
            return CR_FAIL(err, CR_MEMORY, "no memory for results");
        one->n = 1;
        one->arrays[0] = r->arrays[k];
        CR_TRY(deliver(s, one, path, cr_labelled_name(r->arrays[k]), err));
    }
    return CR_OK;
}

/* All results with what they have of one value; those that do not know it, whole. */
static cr_status part(splitting *s, const cr_results *r, const char *path, const char *name, const cr_keyed *date, int64_t at, const char *value, cr_err *err) {
    cr_auto_free cr_results *some = calloc(1, sizeof *some);
    cr_status status = some ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory for results");
    for (int k = 0; k < r->n && status == CR_OK; k++) {
        cr_labelled *a = r->arrays[k];
        int unused;
        if (date && cr_is_part_of_date(a, name))
            status = cr_sel_part_of_date(date, a, &some->arrays[k], &unused, err);
        else if (!date && cr_has_dim(a, name))
            status = cr_isel(a, cr_dim_called(a, name), at, &some->arrays[k], err);
        else
            some->arrays[k] = cr_labelled_ref(a);
        some->n += status == CR_OK;
    }
    if (status == CR_OK)
        status = deliver(s, some, path, value, err);
    if (some)
        cr_results_done(some);
    return status;
}

static cr_status by_date(splitting *s, const cr_results *r, cr_labelled *a, const char *path, const char *name, cr_err *err) {
    cr_auto_free int64_t *values = NULL;
    int64_t n = 0;
    CR_TRY(cr_parts_of_dates(a, name, &values, &n, err));
    for (int64_t k = 0; k < n; k++) {
        char text[40];
        cr_label_text label = {.text = text};
        const cr_keyed key = {.key = name, .form = CR_KEYED_ONE, .n = 1, .labels = &label};
        cr_part_of_date_text(name, values[k], text, sizeof text);
        CR_TRY(part(s, r, path, name, &key, 0, text, err));
    }
    return CR_OK;
}

static cr_status by_label(splitting *s, const cr_results *r, cr_labelled *a, const char *path, const char *name, cr_err *err) {
    const char *dim = cr_dim_called(a, name);
    int64_t n = cr_labelled_shape(a)[cr_labelled_axis(a, dim)], many = 0;
    cr_auto_free double *numbers = NULL;
    cr_auto_free int64_t *times = NULL;
    cr_labelled *index = NULL;
    cr_status status = CR_OK;
    bool known = cr_labelled_coord(a, dim, &index, NULL) == CR_OK;
    cr_kind kind = known ? cr_labelled_kind(index) : CR_KIND_NUMBERS;
    if (known && kind == CR_KIND_NUMBERS)
        status = cr_load_doubles(s->context, index, &numbers, &many, err);
    if (known && kind == CR_KIND_TIMES) {
        times = calloc((size_t)n + 1, sizeof *times);
        status = times ? cr_labelled_load(index, times, (size_t)n * sizeof *times, err) : CR_FAIL(err, CR_MEMORY, "no memory for labels");
    }
    for (int64_t k = 0; k < n && status == CR_OK; k++) {
        char text[300];
        cr_date date;
        if (numbers)
            snprintf(text, sizeof text, "%.10g", numbers[k]);
        else if (times && times[k] != CR_TIME_MISSING)
            cr_date_from_us(cr_labelled_calendar(index), times[k], &date), cr_date_text(&date, text, sizeof text);
        else if (known && kind == CR_KIND_TEXT)
            snprintf(text, sizeof text, "%s", cr_labelled_text_values(index)[k]);
        else
            snprintf(text, sizeof text, "%lld", (long long)k);
        status = part(s, r, path, name, NULL, k, text, err);
    }
    cr_labelled_unref(index);
    return status;
}

static cr_status run(splitting *s, const cr_results *r, const char *path, cr_err *err) {
    char name[256];
    const char *begin;
    if (field_of(path, name, sizeof name, &begin) == 0)
        return ++s->files <= FILES_MOST ? s->write(s->user, s->dry ? NULL : r, path, err) : CR_FAIL(err, CR_LIMIT, "more than %d files", FILES_MOST);
    if (++s->depth > DEEPEST)
        return CR_FAIL(err, CR_LIMIT, "a name has at most %d parts in braces", DEEPEST);
    cr_status status = CR_NOT_FOUND;
    if (strcmp(name, "variable") == 0)
        status = by_variable(s, r, path, err);
    for (int k = 0; k < r->n && status == CR_NOT_FOUND; k++) {
        cr_labelled *a = r->arrays[k];
        if (cr_is_part_of_date(a, name))
            status = by_date(s, r, a, path, name, err);
        else if (cr_has_dim(a, name))
            status = by_label(s, r, a, path, name, err);
        else
            continue;
        s->depth--;
        return status;
    }
    s->depth--;
    if (status == CR_NOT_FOUND) {
        status = CR_FAIL(err, CR_NOT_FOUND, "{%.100s} is no dimension of the results", name);
        cr_err_hint(err, "What stands in braces is a dimension, year, month, season, day, or the word variable.");
    }
    return status;
}

cr_status cr_split_results(cr_context *c, const cr_results *r, const char *path, cr_split_write write, void *user, cr_err *err) {
    splitting check = {.context = c, .write = write, .user = user, .dry = true}, s = {.context = c, .write = write, .user = user};
    if (cr_split_wanted(path))
        CR_TRY(run(&check, r, path, err));
    return run(&s, r, path, err);
}
