/* inputs.c - several files in a row, or beside each other along a new dimension; files with names. */
#include "cli/inputs.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

/* Ends of the index of one file; times as microseconds. */
typedef struct span {
    cr_dataset *set;
    const char *path;
    double first, last;
} span;

static cr_status end_of(cr_inputs *in, cr_labelled *index, int64_t at, double *ret, cr_err *err) {
    cr_array *picked = NULL, *real = NULL;
    cr_status status = cr_array_take(cr_labelled_array(index), 0, &at, 1, &picked, err);
    if (status == CR_OK)
        status = cr_array_cast(picked, CR_F64, &real, err);
    if (status == CR_OK)
        status = cr_compute(in->context, 1, &real, (void *[]){ret}, err);
    cr_array_unref(real);
    cr_array_unref(picked);
    return status;
}

static cr_status span_of(cr_inputs *in, span *s, cr_err *err) {
    cr_labelled *index = NULL;
    CR_TRY(cr_dataset_get(s->set, in->order, &index, err));
    cr_status status = CR_OK;
    if (!cr_labelled_array(index) || cr_labelled_ndim(index) != 1 || cr_labelled_shape(index)[0] == 0)
        status = CR_FAIL(err, CR_INVALID, "%s is no row of numbers or times", in->order);
    int64_t n = status == CR_OK ? cr_labelled_shape(index)[0] : 0;
    if (status == CR_OK)
        status = end_of(in, index, 0, &s->first, err);
    if (status == CR_OK)
        status = end_of(in, index, n - 1, &s->last, err);
    cr_labelled_unref(index);
    return status;
}

static int by_first(const void *a, const void *b) {
    double x = ((const span *)a)->first, y = ((const span *)b)->first;
    return (x > y) - (x < y);
}

/* A coordinate with times, in a row along dim (NULL: any). of_index: it is the index of its dimension. */
static bool find_row_of_times(cr_inputs *in, const char *dim, bool of_index) {
    for (int k = 0; k < cr_dataset_n_variables(in->sets[0]); k++) {
        cr_labelled *a = NULL;
        const char *name = cr_dataset_name(in->sets[0], k);
        if (!cr_dataset_is_coord(in->sets[0], k) || cr_dataset_get(in->sets[0], name, &a, NULL) != CR_OK)
            continue;
        bool found = cr_labelled_kind(a) == CR_KIND_TIMES && cr_labelled_ndim(a) == 1 && (!dim || strcmp(cr_labelled_dim(a, 0), dim) == 0) &&
                     (strcmp(cr_labelled_dim(a, 0), name) == 0) == of_index && strlen(name) < sizeof in->order && strlen(cr_labelled_dim(a, 0)) < sizeof in->along;
        if (found) {
            strcpy(in->order, name);
            strcpy(in->along, cr_labelled_dim(a, 0));
        }
        cr_labelled_unref(a);
        if (found)
            return true;
    }
    return false;
}

/* The dimension that has times for labels, or at least beside its labels (NEMO: time_centered along time_counter). */
static cr_status find_times(cr_inputs *in, cr_err *err) {
    if (find_row_of_times(in, NULL, true) || find_row_of_times(in, NULL, false))
        return CR_OK;
    cr_err_set(err, CR_NOT_FOUND, __FILE__, __LINE__, "the files have no dimension of times to be joined along");
    cr_err_hint(err, "Name another dimension with --along.");
    return CR_NOT_FOUND;
}

static cr_status put_in_order(cr_inputs *in, char *const *paths, cr_err *err) {
    cr_auto_free span *spans = calloc((size_t)in->n, sizeof *spans);
    if (!spans)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d files", in->n);
    for (int k = 0; k < in->n; k++) {
        spans[k] = (span){.set = in->sets[k], .path = paths[k]};
        cr_status status = span_of(in, &spans[k], err);
        if (status != CR_OK) {
            cr_err_context(err, "%s", paths[k]);
            return status;
        }
    }
    qsort(spans, (size_t)in->n, sizeof *spans, by_first);
    for (int k = 0; k < in->n; k++)       /* all, also before an error: each is closed once */
        in->sets[k] = spans[k].set;
    for (int k = 1; k < in->n; k++)
        if (spans[k].first <= spans[k - 1].last) {
            cr_status status = CR_FAIL(err, CR_INVALID, "%s begins along %s before %s ends", spans[k].path, in->along, spans[k - 1].path);
            cr_err_hint(err, "--along member puts them beside each other, along a new dimension; NAME=FILE gives one a name: craton calc 'tos - b.tos' a.nc b=b.nc");
            return status;
        }
    return CR_OK;
}

/* ---- along a new dimension ---- */

static bool has_dim(const cr_dataset *d, const char *dim) {
    bool found = false;
    for (int k = 0; k < cr_dataset_n_variables(d) && !found; k++) {
        cr_labelled *a = NULL;
        found = cr_dataset_get(d, cr_dataset_name(d, k), &a, NULL) == CR_OK && cr_labelled_axis(a, dim) >= 0;
        cr_labelled_unref(a);
    }
    return found;
}

/* Members are called by their files. */
static cr_status name_members(cr_inputs *in, char *const *paths, cr_err *err) {
    int64_t n = in->n;
    const char *dim = in->along;
    return cr_labelled_texts(in->context, dim, 1, &dim, &n, (const char *const *)paths, &in->members, err);
}

/* a with one more dimension, of one element, before the others. */
static cr_status as_member(const cr_inputs *in, cr_labelled *a, cr_labelled **ret_array, cr_err *err) {
    const char *dims[CR_MAX_DIMS];
    int ndim = cr_labelled_ndim(a), n = cr_labelled_n_attrs(a);
    cr_array *data = NULL;
    cr_labelled *now = NULL, *next = NULL;
    cr_auto_free cr_attr *attrs = calloc((size_t)n + 1, sizeof *attrs);
    if (!attrs)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d attributes", n);
    if (ndim + 1 > CR_MAX_DIMS)
        return CR_FAIL(err, CR_LIMIT, "%s has too many dimensions", cr_labelled_name(a));
    for (int k = 0; k < n; k++)
        attrs[k] = *cr_labelled_attr(a, k);
    dims[0] = in->along;
    for (int k = 0; k < ndim; k++)
        dims[k + 1] = cr_labelled_dim(a, k);
    CR_TRY(cr_array_expand(cr_labelled_array(a), 0, &data, err));
    cr_status status = cr_labelled_new(in->context, cr_labelled_name(a), dims, data, cr_labelled_kind(a), CR_CALENDAR_STANDARD, &now, err);
    cr_array_unref(data);
    CR_TRY(status);
    status = cr_labelled_with_attrs(now, n, attrs, &next, err);
    for (int k = 0; k < cr_labelled_n_coords(a) && status == CR_OK; k++) {
        cr_labelled *coord = NULL;
        cr_labelled_unref(now);
        now = next;
        next = NULL;
        status = cr_labelled_coord(a, cr_labelled_coord_name(a, k), &coord, err);
        if (status == CR_OK)
            status = cr_labelled_with_coord(now, coord, &next, err);
        cr_labelled_unref(coord);
    }
    cr_labelled_unref(now);
    if (status == CR_OK)
        *ret_array = next;
    return status;
}

static bool is_coord(const cr_dataset *d, const char *name) {
    for (int k = 0; k < cr_dataset_n_variables(d); k++)
        if (strcmp(cr_dataset_name(d, k), name) == 0)
            return cr_dataset_is_coord(d, k);
    return false;
}

/* ---- opening ---- */

/* The files of one name. */
static cr_status open_row(cr_context *c, int n, char *const *paths, const cr_dataset_options *options, const char *along, cr_inputs *ret_inputs,
                          cr_err *err) {
    cr_inputs in = {.context = c, .sets = calloc((size_t)n + 1, sizeof *in.sets)};
    cr_status status = CR_OK;
    if (!in.sets)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d files", n);
    for (int k = 0; k < n && status == CR_OK; k++) {
        status = cr_dataset_open(c, paths[k], options, &in.sets[k], err);
        in.n += status == CR_OK;
    }
    if (status == CR_OK && along && strlen(along) >= sizeof in.along)
        status = CR_FAIL(err, CR_INVALID, "the name of the dimension is too long");
    if (status == CR_OK && n > 1) {
        if (along) {
            strcpy(in.along, along);
            if (!find_row_of_times(&in, along, true) && !find_row_of_times(&in, along, false))
                strcpy(in.order, along);
        } else
            status = find_times(&in, err);
    }
    if (status == CR_OK && n > 1)
        status = along && !has_dim(in.sets[0], along) ? name_members(&in, paths, err) : put_in_order(&in, paths, err);
    if (status != CR_OK)
        cr_inputs_close(&in);
    else
        *ret_inputs = in;
    return status;
}

typedef struct row {
    char name[64];
    int n;
    char **paths;                 /* owned, as each of them is */
} row;

typedef struct rows {
    int n, all;
    row *rows;
} rows;

static void rows_done(rows *r) {
    for (int k = 0; k < r->n; k++) {
        for (int i = 0; i < r->rows[k].n; i++)
            free(r->rows[k].paths[i]);
        free(r->rows[k].paths);
    }
    free(r->rows);
}

static cr_status add_path(rows *r, const char *name, size_t length, const char *path, cr_err *err) {
    int at = 0;
    while (at < r->n && !(strlen(r->rows[at].name) == length && memcmp(r->rows[at].name, name, length) == 0))
        at++;
    if (at == r->n) {
        row *wider = realloc(r->rows, ((size_t)r->n + 1) * sizeof *wider);
        if (!wider)
            return CR_FAIL(err, CR_MEMORY, "no memory for names of files");
        r->rows = wider;
        r->rows[r->n] = (row){0};
        memcpy(r->rows[r->n++].name, name, length);
    }
    row *to = &r->rows[at];
    if (++r->all > CR_INPUTS_MOST)
        return CR_FAIL(err, CR_LIMIT, "there are more than %d files", CR_INPUTS_MOST);
    char **wider = realloc(to->paths, ((size_t)to->n + 1) * sizeof *wider);
    if (!wider)
        return CR_FAIL(err, CR_MEMORY, "no memory for names of files");
    to->paths = wider;
    to->paths[to->n] = strdup(path);
    return to->paths[to->n++] ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory for names of files");
}

/* Letters of a NAME before "="; 0: the operand is a file. */
static size_t name_length(const char *operand) {
    size_t n = 0;
    while ((operand[n] >= 'a' && operand[n] <= 'z') || (operand[n] >= 'A' && operand[n] <= 'Z') || operand[n] == '_' ||
           (n > 0 && operand[n] >= '0' && operand[n] <= '9'))
        n++;
    return operand[n] == '=' && access(operand, F_OK) != 0 ? n : 0;
}

static cr_status add_operand(rows *r, const char *operand, cr_err *err) {
    size_t length = name_length(operand);
    const char *path = operand + length + (length > 0);
    if (length >= sizeof r->rows->name)
        return CR_FAIL(err, CR_LIMIT, "the name %.60s... of a file is too long", operand);
    if (strcmp(path, "-") == 0 && access(path, F_OK) != 0) {
        cr_status status = CR_FAIL(err, CR_INVALID, "standard input cannot be read: parts of files are read where they lie");
        cr_err_hint(err, "Name the file, or write what comes through the pipe into one first.");
        return status;
    }
    if (length == 0 || access(path, F_OK) == 0)
        return add_path(r, operand, length, path, err);
    glob_t found;
    int code = glob(path, GLOB_NOCHECK | GLOB_TILDE, NULL, &found);
    cr_status status = code == 0 ? CR_OK : CR_FAIL(err, CR_IO, "%.200s: files cannot be listed", path);
    for (size_t k = 0; code == 0 && k < found.gl_pathc && status == CR_OK; k++)
        status = add_path(r, operand, length, found.gl_pathv[k], err);
    if (code == 0)
        globfree(&found);
    return status;
}

/* Files without a name first. */
static void put_nameless_first(rows *r) {
    for (int k = 1; k < r->n; k++)
        if (!r->rows[k].name[0]) {
            row first = r->rows[k];
            memmove(r->rows + 1, r->rows, (size_t)k * sizeof *r->rows);
            r->rows[0] = first;
        }
}

cr_status cr_inputs_open(cr_context *c, int n, char *const *operands, const cr_dataset_options *options, const char *along,
                         cr_inputs *ret_inputs, cr_err *err) {
    rows r = {0};
    cr_status status = CR_OK;
    cr_inputs all = {0}, *last = &all;
    for (int k = 0; k < n && status == CR_OK; k++)
        status = add_operand(&r, operands[k], err);
    put_nameless_first(&r);
    for (int k = 0; k < r.n && status == CR_OK; k++) {
        cr_inputs *to = k == 0 ? &all : calloc(1, sizeof *to);
        status = to ? open_row(c, r.rows[k].n, r.rows[k].paths, options, along, to, err) : CR_FAIL(err, CR_MEMORY, "no memory for files");
        if (status != CR_OK) {
            if (k > 0)
                free(to);
            break;
        }
        snprintf(to->name, sizeof to->name, "%s", r.rows[k].name);
        if (k > 0)
            last->next = to;
        last = to;
    }
    rows_done(&r);
    if (status != CR_OK)
        cr_inputs_close(&all);
    else
        *ret_inputs = all;
    return status;
}

void cr_inputs_close(cr_inputs *in) {
    for (cr_inputs *next = in->next, *after; next; next = after) {
        after = next->next;
        next->next = NULL;
        cr_inputs_close(next);
        free(next);
    }
    for (int k = 0; k < in->n; k++)
        cr_dataset_unref(in->sets[k]);
    cr_labelled_unref(in->members);
    free(in->sets);
    *in = (cr_inputs){0};
}

const cr_inputs *cr_inputs_called(const cr_inputs *in, const char *name) {
    for (; in; in = in->next)
        if (strcmp(in->name, name) == 0)
            return in;
    return NULL;
}

/* The variable of each file; first: that of the first one. */
static cr_status get_parts(const cr_inputs *in, const char *name, cr_labelled *first, cr_labelled **parts, cr_err *err) {
    for (int k = 0; k < in->n; k++) {
        cr_labelled *part = k == 0 ? cr_labelled_ref(first) : NULL;
        cr_status status = part ? CR_OK : cr_dataset_get(in->sets[k], name, &part, err);
        if (status == CR_OK && in->members)
            status = as_member(in, part, &parts[k], err);
        else
            parts[k] = cr_labelled_ref(part);
        cr_labelled_unref(part);
        CR_TRY(status);
    }
    return CR_OK;
}

cr_status cr_inputs_get(const cr_inputs *in, const char *name, cr_labelled **ret_array, cr_err *err) {
    cr_labelled *first = NULL, *joined = NULL;
    CR_TRY(cr_dataset_get(in->sets[0], name, &first, err));
    bool whole = in->members ? cr_labelled_kind(first) != CR_KIND_NUMBERS || is_coord(in->sets[0], name) : cr_labelled_axis(first, in->along) < 0;
    if (in->n == 1 || whole) {
        *ret_array = first;
        return CR_OK;
    }
    cr_auto_free cr_labelled **parts = calloc((size_t)in->n, sizeof *parts);
    cr_status status = parts ? get_parts(in, name, first, parts, err) : CR_FAIL(err, CR_MEMORY, "no memory for %d files", in->n);
    if (status == CR_OK)
        status = cr_concat(in->n, parts, in->along, &joined, err);
    if (status == CR_OK)
        status = in->members ? cr_labelled_with_coord(joined, in->members, ret_array, err) : CR_OK;
    if (status == CR_OK && !in->members)
        *ret_array = cr_labelled_ref(joined);
    cr_labelled_unref(joined);
    for (int k = 0; parts && k < in->n; k++)
        cr_labelled_unref(parts[k]);
    cr_labelled_unref(first);
    return status;
}
