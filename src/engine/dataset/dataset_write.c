/* dataset_write.c - a dataset into a file or store: which coordinates belong to which variable, and everything in shared scans. */
#include <stdlib.h>

#include "base/buf.h"
#include "engine/array/node.h"
#include "engine/dataset/dataset.h"
#include "engine/dataset/encode.h"
#include "engine/exec/run.h"

enum { COORDINATES_MAX = 1 << 16 };

static bool is_dim(const cr_dataset *d, const char *name) {
    for (int k = 0; k < d->n; k++)
        if (cr_var_axis(d->vars[k], name) >= 0)
            return true;
    return false;
}

/* A coordinate that an attribute must name, because nothing else says that it is one. */
static bool needs_naming(const cr_dataset *d, int k) {
    return d->is_coord[k] && !is_dim(d, d->vars[k]->name) && !strchr(d->vars[k]->name, ' ');
}

static bool lies_on(const cr_var *coord, const cr_var *v) {
    for (int a = 0; a < coord->ndim; a++)
        if (cr_var_axis(v, coord->dims[a]) < 0)
            return false;
    return true;
}

static bool names_word(const char *text, const char *word) {
    size_t n = strlen(word);
    for (const char *at = text; at && *at;) {
        at += strspn(at, " \t\n");
        size_t length = strcspn(at, " \t\n");
        if (length == n && memcmp(at, word, n) == 0)
            return true;
        at += length;
    }
    return false;
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Sorted names with blanks between. */
static cr_status join_names(const char **names, int n, cr_buf *b, cr_err *err) {
    qsort(names, (size_t)n, sizeof *names, by_name);
    for (int k = 0; k < n; k++) {
        cr_buf_adds(b, k ? " " : "");
        cr_buf_adds(b, names[k]);
    }
    return cr_buf_check(b, err);
}

/* The attribute "coordinates" of variable k (CF 5), also marked in named[]; empty: none. */
static cr_status coordinates_of(const cr_dataset *d, int k, bool *named, cr_buf *b, cr_err *err) {
    const cr_var *v = d->vars[k];
    const char *before = v->encoding ? v->encoding->coordinates : NULL;
    cr_auto_free const char **names = calloc((size_t)d->n + 1, sizeof *names);
    if (!names)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d names", d->n);
    int n = 0;
    if (before) {
        cr_buf_adds(b, before);
        for (int j = 0; j < d->n; j++)
            named[j] = named[j] || names_word(before, d->vars[j]->name);
        return cr_buf_check(b, err);
    }
    if (needs_naming(d, k) || cr_var_axis(v, v->name) >= 0)
        return CR_OK;
    for (int j = 0; j < d->n; j++)
        if (needs_naming(d, j) && lies_on(d->vars[j], v)) {
            names[n++] = d->vars[j]->name;
            named[j] = true;
        }
    return join_names(names, n, b, err);
}

/* The grid of the values when it is regular, else NULL: the writer chooses. */
static const int64_t *chunks_of(cr_array *a, int64_t *chunks) {
    bool cut = false;
    for (int axis = 0; axis < a->ndim; axis++) {
        int64_t n = cr_array_chunks(a, axis, NULL);
        cr_auto_free int64_t *sizes = calloc((size_t)n + 1, sizeof *sizes);
        if (!sizes || n == 0)
            return NULL;
        cr_array_chunks(a, axis, sizes);
        for (int64_t k = 1; k < n; k++)
            if (k < n - 1 ? sizes[k] != sizes[0] : sizes[k] > sizes[0])
                return NULL;
        cut = cut || n > 1;
        chunks[axis] = CR_MAX(sizes[0], 1);
    }
    return cut ? chunks : NULL;
}

static cr_status declare(cr_writer *w, const cr_var *v, cr_err *err) {
    int64_t chunks[CR_MAX_DIMS];
    cr_write_variable to = {.name = v->name, .ndim = v->ndim, .dims = v->dims, .shape = v->shape, .attrs = v->attrs, .n_attrs = v->n_attrs};
    if (v->kind == CR_KIND_TEXT) {
        to.dtype = CR_STRING;
        return cr_writer_strings(w, &to, (const char *const *)v->labels->s, err);
    }
    to.dtype = v->data->dtype;
    to.chunks = chunks_of(v->data, chunks);
    to.shuffle = v->data->itemsize > 1;
    return cr_writer_variable(w, &to, v->data, err);
}

static cr_status write_variable(const cr_dataset *d, cr_writer *w, int k, bool *named, cr_err *err) {
    cr_auto_buf cr_buf coordinates;
    cr_auto_var cr_var *stored = NULL;
    cr_buf_init(&coordinates, COORDINATES_MAX);
    if (d->vars[k]->problem)
        return CR_FAIL(err, CR_UNSUPPORTED, "%s", d->vars[k]->problem);
    CR_TRY(coordinates_of(d, k, named, &coordinates, err));
    CR_TRY(cr_encode(d->context, d->vars[k], &stored, err));
    const char *text = cr_buf_str(&coordinates);
    cr_attr attr = {"coordinates", CR_STRING, 1, &text};
    if (*text && !cr_attr_find(stored->attrs, stored->n_attrs, "coordinates"))
        CR_TRY(cr_var_add_attr(stored, &attr, err));
    return declare(w, stored, err);
}

/* Attributes of the whole, with the coordinates that no variable names. */
static cr_status write_attrs(const cr_dataset *d, cr_writer *w, const bool *named, cr_err *err) {
    cr_auto_free const char **names = calloc((size_t)d->n + 1, sizeof *names);
    cr_auto_free cr_attr *attrs = calloc((size_t)d->n_attrs + 1, sizeof *attrs);
    cr_auto_buf cr_buf b;
    cr_buf_init(&b, COORDINATES_MAX);
    if (!names || !attrs)
        return CR_FAIL(err, CR_MEMORY, "no memory for attributes");
    int n = 0, n_attrs = d->n_attrs;
    if (d->n_attrs > 0)
        memcpy(attrs, d->attrs, (size_t)d->n_attrs * sizeof *attrs);
    for (int k = 0; k < d->n; k++)
        if (needs_naming(d, k) && !named[k])
            names[n++] = d->vars[k]->name;
    CR_TRY(join_names(names, n, &b, err));
    const char *text = cr_buf_str(&b);
    if (*text && !cr_attr_find(d->attrs, d->n_attrs, "coordinates"))
        attrs[n_attrs++] = (cr_attr){"coordinates", CR_STRING, 1, &text};
    return cr_writer_attrs(w, attrs, n_attrs, err);
}

cr_status cr_dataset_write(cr_dataset *d, const char *path, const cr_write_options *options, cr_err *err) {
    cr_writer *w = NULL;
    cr_auto_free bool *named = calloc((size_t)d->n + 1, sizeof *named);
    if (!named)
        return CR_FAIL(err, CR_MEMORY, "no memory for a dataset of %d variables", d->n);
    CR_TRY(cr_writer_new(path, options, &w, err));
    cr_context_begin(d->context);
    cr_status status = CR_OK;
    for (int k = 0; k < d->n && status == CR_OK; k++)
        status = write_variable(d, w, k, named, err);
    if (status == CR_OK)
        status = write_attrs(d, w, named, err);
    if (status == CR_OK)
        status = cr_writer_finish(w, d->context, err);
    cr_context_end(d->context);
    cr_writer_free(w);
    if (status != CR_OK)
        cr_err_context(err, "%s", path);
    return status;
}
