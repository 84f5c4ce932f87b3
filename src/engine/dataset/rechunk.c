/* rechunk.c - the same data in other chunks: what is written, and where. rechunk_run.c moves the values. */
#include "engine/dataset/rechunk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/array/node.h"
#include "engine/exec/run.h"
#include "engine/format/codec_text.h"
#include "engine/format/sibling.h"

static const size_t TEXT_LIMIT_BYTES = (size_t)1 << 30;
static const int64_t MOST_EXTENT = (int64_t)1 << 40;   /* of a chunk or shard: what divides one is found by trial */

/* ---- options ---- */

static bool has_dim(const cr_file *f, const char *name) {
    for (int i = 0; i < cr_file_n_dims(f); i++)
        if (strcmp(cr_file_dim(f, i)->name, name) == 0)
            return true;
    return false;
}

typedef struct name_list {
    char text[400];           /* as many names as fit */
} name_list;

static void list_name(name_list *l, const char *name) {
    size_t used = strlen(l->text);
    if (used + strlen(name) + 3 < sizeof l->text)
        snprintf(l->text + used, sizeof l->text - used, "%s%s", used ? ", " : "", name);
}

static cr_status no_such_dim(const cr_file *f, const char *name, cr_err *err) {
    name_list list = {""};
    for (int i = 0; i < cr_file_n_dims(f); i++)
        list_name(&list, cr_file_dim(f, i)->name);
    cr_status status = CR_FAIL(err, CR_NOT_FOUND, "%s has no dimension \"%.80s\"", cr_file_path(f), name);
    cr_err_hint(err, "it has: %s", list.text);
    return status;
}

static cr_status check_sizes(const cr_file *f, const char *what, int n, const char *const *dims, const int64_t *sizes, cr_err *err) {
    for (int k = 0; k < n; k++) {
        if ((sizes[k] < 1 && sizes[k] != -1) || sizes[k] > MOST_EXTENT)
            return CR_FAIL(err, CR_INVALID, "%s of %lld along \"%.80s\"; 1 to %lld, or -1 for the whole dimension", what, (long long)sizes[k], dims[k],
                           (long long)MOST_EXTENT);
        for (int j = 0; j < k; j++)
            if (strcmp(dims[j], dims[k]) == 0)
                return CR_FAIL(err, CR_INVALID, "%s along \"%.80s\" are given twice", what, dims[k]);
        if (!has_dim(f, dims[k]))
            return no_such_dim(f, dims[k], err);
    }
    return CR_OK;
}

static cr_status check_options(const cr_file *f, const cr_rechunk_options *o, cr_err *err) {
    CR_TRY(check_sizes(f, "chunks", o->n, o->dims, o->chunks, err));
    if (o->n_shards && o->format && strcmp(o->format, "zarr3") != 0) {
        cr_status status = CR_FAIL(err, CR_INVALID, "shards in the format %.40s", o->format);
        cr_err_hint(err, "Zarr version 3 alone has them: leave out shards, or choose the format zarr3");
        return status;
    }
    return check_sizes(f, "shards", o->n_shards, o->shard_dims, o->shards, err);
}

/* Which of the sizes is that of a dimension; -1: none. */
static int asked(int n, const char *const *dims, const char *dim) {
    for (int k = 0; k < n; k++)
        if (strcmp(dims[k], dim) == 0)
            return k;
    return -1;
}

/* False: nothing is asked of this variable and nothing is stored in chunks, so that the writer chooses. */
static bool chunks_of(const cr_variable *v, const cr_rechunk_options *o, int64_t *chunk) {
    bool any = v->chunks != NULL;
    for (int i = 0; i < v->ndim; i++) {
        int k = asked(o->n, o->dims, v->dims[i]);
        chunk[i] = CR_MAX(k < 0 ? (v->chunks ? v->chunks[i] : v->shape[i]) : o->chunks[k] == -1 ? v->shape[i] : o->chunks[k], 1);
        any |= k >= 0;
    }
    return any;
}

/* False: this variable has no shards. Chunks that nobody asked for become what divides a shard. */
static bool shards_of(const cr_variable *v, const cr_rechunk_options *o, bool chunked, int64_t *chunk, int64_t *shard) {
    bool any = false;
    for (int i = 0; i < v->ndim && v->dtype < CR_BYTES; i++) {
        int k = asked(o->n_shards, o->shard_dims, v->dims[i]);
        any |= k >= 0;
        shard[i] = k < 0 ? chunk[i] : o->shards[k];
        if (k >= 0 && shard[i] == -1)
            shard[i] = chunked ? (CR_MAX(v->shape[i], 1) + chunk[i] - 1) / chunk[i] * chunk[i] : CR_MAX(v->shape[i], 1);
        else if (k >= 0 && asked(o->n, o->dims, v->dims[i]) < 0)
            chunk[i] = cr_write_divisor(shard[i], chunk[i]);
    }
    return any;
}

/* ---- which variables ---- */

static int index_of(const cr_file *f, const char *name, size_t length) {
    for (int i = 0; i < cr_file_n_variables(f); i++) {
        const char *own = cr_file_variable(f, i)->name;
        if (strlen(own) == length && memcmp(own, name, length) == 0)
            return i;
    }
    return -1;
}

static cr_status no_such_variable(const cr_file *f, const char *name, cr_err *err) {
    name_list list = {""};
    for (int i = 0; i < cr_file_n_variables(f); i++)
        list_name(&list, cr_file_variable(f, i)->name);
    cr_status status = CR_FAIL(err, CR_NOT_FOUND, "%s has no variable \"%.80s\"", cr_file_path(f), name);
    cr_err_hint(err, "it has: %s", list.text);
    return status;
}

/* Names in attributes stand between blanks; a colon follows those that say what the next name is. */
static void take_named(const cr_file *f, const cr_variable *v, bool *taken) {
    static const char *const attrs[] = {"coordinates", "bounds", "climatology", "grid_mapping", "cell_measures", "formula_terms"};
    for (size_t k = 0; k < CR_ARRAY_LEN(attrs); k++) {
        const cr_attr *a = cr_attr_find(v->attrs, v->n_attrs, attrs[k]);
        const char *text = a && a->dtype == CR_STRING && a->n == 1 ? *(const char *const *)a->values : "";
        while (*text) {
            size_t length = strcspn(text, " \t\n");
            int at = index_of(f, text, length > 0 && text[length - 1] == ':' ? length - 1 : length);
            if (at >= 0)
                taken[at] = true;
            text += length + (text[length] != 0);
        }
    }
}

/* Which variables go over: those asked for, the coordinates of their dimensions and what their attributes name, and so on from these. */
static cr_status choose(const cr_file *f, const cr_rechunk_options *o, bool **ret_taken, cr_err *err) {
    int n = cr_file_n_variables(f);
    cr_auto_free bool *taken = calloc((size_t)n + 1, sizeof *taken), *seen = calloc((size_t)n + 1, sizeof *seen);
    if (!taken || !seen)
        return CR_FAIL(err, CR_MEMORY, "no memory for the names of %d variables", n);
    for (int k = 0; k < o->n_variables; k++) {
        int at = index_of(f, o->variables[k], strlen(o->variables[k]));
        if (at < 0)
            return no_such_variable(f, o->variables[k], err);
        taken[at] = true;
    }
    for (bool more = o->n_variables > 0; more;) {
        more = false;
        for (int i = 0; i < n; i++) {
            const cr_variable *v = cr_file_variable(f, i);
            if (!taken[i] || seen[i])
                continue;
            more = seen[i] = true;
            take_named(f, v, taken);
            for (int d = 0; d < v->ndim; d++) {
                int at = index_of(f, v->dims[d], strlen(v->dims[d]));
                if (at >= 0)
                    taken[at] = true;
            }
        }
    }
    if (o->n_variables == 0)
        memset(taken, true, (size_t)n);
    *ret_taken = taken;
    taken = NULL;
    return CR_OK;
}

/* ---- variables ---- */

static cr_status add_strings(const cr_file *f, cr_writer *w, const cr_write_variable *v, cr_err *err) {
    char **strings = NULL;
    int64_t n = 0;
    CR_TRY(cr_file_strings(f, v->name, &strings, &n, err));
    cr_status status = cr_writer_strings(w, v, (const char *const *)strings, err);
    cr_free(strings);
    return status;
}

static cr_status add_characters(cr_context *c, const cr_file *f, cr_writer *w, const cr_variable *from, cr_write_variable *v, cr_err *err) {
    bool joined = from->itemsize == 1 && from->ndim > 0;
    size_t width = joined ? (size_t)from->shape[from->ndim - 1] : from->itemsize;
    int64_t n = 1;
    v->ndim = from->ndim - joined;
    v->dtype = CR_STRING;
    if (!cr_starts_with(cr_file_format(f), "netcdf"))
        return CR_FAIL(err, CR_UNSUPPORTED, "text of fixed width in Zarr is not copied yet");
    if (!cr_product(v->shape, v->ndim, &n) || (uint64_t)n > TEXT_LIMIT_BYTES / (width + 1))
        return CR_FAIL(err, CR_LIMIT, "it holds more than %zu bytes of text", TEXT_LIMIT_BYTES);
    cr_auto_free char *bytes = calloc((size_t)n * width + 1, 1), *copies = calloc((size_t)n * (width + 1) + 1, 1);
    cr_auto_free const char **texts = calloc((size_t)n + 1, sizeof *texts);
    cr_array *array = NULL;
    if (!bytes || !copies || !texts)
        return CR_FAIL(err, CR_MEMORY, "no memory for %lld texts", (long long)n);
    CR_TRY(cr_file_array(f, from->name, &array, err));
    void *out = bytes;
    cr_status status = cr_compute(c, 1, &array, &out, err);
    cr_array_unref(array);
    for (int64_t k = 0; k < n; k++)
        texts[k] = memcpy(copies + (size_t)k * (width + 1), bytes + (size_t)k * width, width);
    return status == CR_OK ? cr_writer_strings(w, v, texts, err) : status;
}

static cr_status add_numbers(const cr_file *f, cr_writer *w, const cr_write_variable *v, cr_rechunk_run *r, cr_err *err) {
    cr_array *array = NULL;
    CR_TRY(cr_file_array(f, v->name, &array, err));
    cr_status status = cr_writer_variable(w, v, array, err);
    r->total_bytes += (double)array->size * (double)array->itemsize;
    cr_array_unref(array);
    return status;
}

static cr_status add_variable(cr_context *c, const cr_file *f, cr_writer *w, const cr_variable *from, const cr_rechunk_options *o, cr_rechunk_run *r,
                              cr_err *err) {
    int64_t chunk[CR_MAX_DIMS], shard[CR_MAX_DIMS];
    bool numbers = from->dtype < CR_BYTES;
    /* In NetCDF a fill value says what is missing. That of a Zarr array only says what absent chunks hold, unless the attribute is there too. */
    bool netcdf = o->format && strcmp(o->format, "netcdf4") == 0;
    bool has_fill = from->has_fill && numbers && (!netcdf || cr_attr_find(from->attrs, from->n_attrs, "_FillValue"));
    cr_write_variable v = {.name = from->name, .ndim = from->ndim, .dims = from->dims, .shape = from->shape, .dtype = from->dtype,
                           .attrs = from->attrs, .n_attrs = from->n_attrs, .fill = has_fill ? from->fill : NULL,
                           .codec = numbers ? o->codec : NULL, .level = numbers && o->codec ? o->level : 0,
                           .shuffle = numbers && o->codec && o->shuffle};
    v.chunks = chunks_of(from, o, chunk) ? chunk : NULL;
    v.shards = shards_of(from, o, v.chunks != NULL, chunk, shard) ? shard : NULL;
    if (numbers && !o->codec)
        cr_codec_text_keep(from->compression, cr_starts_with(cr_file_format(f), "zarr"), o->format, &v);
    if (from->dtype == CR_STRING)
        return add_strings(f, w, &v, err);
    return numbers ? add_numbers(f, w, &v, r, err) : add_characters(c, f, w, from, &v, err);
}

static cr_status add_all(cr_context *c, const cr_file *f, cr_writer *w, const cr_rechunk_options *o, cr_rechunk_run *r, cr_err *err) {
    cr_auto_free cr_attr *attrs = calloc((size_t)cr_file_n_attrs(f) + 1, sizeof *attrs);
    if (!attrs)
        return CR_FAIL(err, CR_MEMORY, "no memory");
    for (int i = 0; i < cr_file_n_attrs(f); i++)
        attrs[i] = *cr_file_attr(f, i);
    cr_auto_free bool *taken = NULL;
    CR_TRY(choose(f, o, &taken, err));
    CR_TRY(cr_writer_attrs(w, attrs, cr_file_n_attrs(f), err));
    for (int i = 0; i < cr_file_n_variables(f); i++) {
        const cr_variable *v = cr_file_variable(f, i);
        if (!taken[i])
            continue;
        r->report.n_variables++;
        cr_status status = add_variable(c, f, w, v, o, r, err);
        if (status != CR_OK) {
            cr_err_context(err, "variable \"%s\"", v->name);
            return status;
        }
    }
    return CR_OK;
}

/* ---- running ---- */

cr_status cr_rechunk_finish(cr_context *c, cr_writer *w, cr_rechunk_run *r, cr_err *err) {
    cr_sibling scratch = {.lock = -1};
    cr_status status = cr_writer_scratch(w, &r->scratch, err);
    if (status == CR_OK && !r->scratch) {
        /* A second temporary of the same destination: it is found and removed with the first when both are left behind. Never moved. */
        status = cr_sibling_new(&scratch, cr_writer_destination(w), true, true, err);
        r->scratch = scratch.temporary;
    }
    r->progress = c->progress;
    r->progress_user = c->progress_user;
    cr_context_set_progress(c, cr_rechunk_progress, r);
    if (status == CR_OK)
        status = cr_writer_finish_with(w, c, cr_rechunk_values, r, err);
    cr_writer_chunks(w, &r->report.n_chunks, &r->report.n_kept);
    cr_context_set_progress(c, r->progress, r->progress_user);
    if (status == CR_OK && r->progress)
        r->progress(r->progress_user, r->total_bytes, r->total_bytes, 0, 1);
    cr_sibling_done(&scratch);
    return status;
}

static cr_status rechunk_file(const cr_file *f, const char *destination, const cr_rechunk_options *o, cr_context *c, cr_rechunk_run *r,
                              cr_err *err) {
    cr_write_options options = {.format = o->format, .overwrite = o->overwrite, .journal = true, .resume = o->resume};
    cr_writer *w = NULL;
    int n = 0;
    cr_auto_free const char **unlimited = calloc((size_t)cr_file_n_dims(f) + 1, sizeof *unlimited);
    if (!unlimited)
        return CR_FAIL(err, CR_MEMORY, "no memory for the names of %d dimensions", cr_file_n_dims(f));
    for (int i = 0; i < cr_file_n_dims(f); i++)
        if (cr_file_dim(f, i)->unlimited)
            unlimited[n++] = cr_file_dim(f, i)->name;
    options.unlimited = unlimited;
    CR_TRY(check_options(f, o, err));
    CR_TRY(cr_writer_new(destination, &options, &w, err));
    cr_status status = add_all(c, f, w, o, r, err);
    if (status == CR_OK)
        status = cr_rechunk_finish(c, w, r, err);
    cr_writer_free(w);
    return status;
}

cr_status cr_rechunk(const char *source, const char *destination, const cr_rechunk_options *options, cr_context *c,
                     cr_rechunk_report *ret_report, cr_err *err) {
    static const cr_rechunk_options defaults = {0};
    const cr_rechunk_options *o = options ? options : &defaults;
    cr_open_options how = {.group = o->group, .unreadable = o->unreadable};
    cr_rechunk_run r = {.report = {.most_reads = 1}};
    cr_file *f = NULL;
    if (!c || !destination || !*destination || o->n < 0 || (o->n && (!o->dims || !o->chunks)) || o->n_shards < 0 ||
        (o->n_shards && (!o->shard_dims || !o->shards)) || o->n_variables < 0 || (o->n_variables && !o->variables))
        return CR_FAIL(err, CR_INVALID, "a context, a destination, chunks for each named dimension, and names of variables are needed");
    cr_context_begin(c);
    cr_status status = cr_file_open(source, &how, &f, err);
    if (status == CR_OK)
        status = rechunk_file(f, destination, o, c, &r, err);
    cr_file_close(f);
    cr_context_end(c);
    if (status != CR_OK) {
        cr_err_context(err, "while rechunking %s", source);
        return status;
    }
    if (ret_report)
        *ret_report = r.report;
    return CR_OK;
}
