/* writer.c - cr_writer: collects and checks what is to be written, and runs it into a format. */
#include "engine/format/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/format/sibling.h"
#include "engine/format/source.h"
#include "engine/format/zarr_json.h"

enum { MAX_ITEM_BYTES = 1 << 20, MAX_ITEMS = 1 << 20, DEFAULT_CHUNK_BYTES = 1 << 20, MAX_NAME_BYTES = 200, MOST_PARTS = 256 };
static const int64_t MOST_JOURNAL_CHUNKS = (int64_t)1 << 32, MOST_SHARD_EXTENT = (int64_t)1 << 40;
static const size_t MODEL_LIMIT_BYTES = (size_t)2 << 30;

static const cr_output_format *const formats[] = {
    &cr_output_zarr3,
    &cr_output_zarr2,
    &cr_output_netcdf4,
};

struct cr_writer {
    cr_arena arena;
    const cr_output_format *format;
    cr_sibling place;
    const char **unlimited;       /* NULL-terminated, or NULL */
    cr_attr *attrs;
    cr_dim *dims;
    cr_write_item *items;
    int n_attrs, n_dims, n_items, cap_dims, cap_items;
    bool ended;                   /* finish was called */
    bool begun;                   /* others write the values: cr_writer_begin */
    cr_write_model model;
    void *state;                  /* of the format, between begin and free */
    bool has_journal, resume;
    cr_journal *journal;
    int64_t n_chunks, n_kept;
    char *scratch;                /* see cr_writer_scratch */
};

static cr_status no_room(cr_err *err) {
    return CR_FAIL(err, CR_LIMIT, "the description of what to write takes more than %zu bytes", MODEL_LIMIT_BYTES);
}

/* ---- beginning ------------------------------------------------------------------------------------------------------------------ */

static cr_status find_format(const char *name, const cr_output_format **ret, cr_err *err) {
    for (size_t i = 0; i < CR_ARRAY_LEN(formats); i++)
        if (strcmp(formats[i]->name, name ? name : formats[0]->name) == 0) {
            *ret = formats[i];
            return CR_OK;
        }
    cr_status status = CR_FAIL(err, CR_UNSUPPORTED, "writing the format \"%.40s\"", name);
    char list[256] = "";
    for (size_t i = 0; i < CR_ARRAY_LEN(formats); i++)
        strncat(strncat(list, i ? ", " : "", sizeof list - strlen(list) - 1), formats[i]->name, sizeof list - strlen(list) - 1);
    cr_err_hint(err, "choose one of: %s", list);
    return status;
}

static cr_status copy_names(cr_writer *w, const char *const *names, cr_err *err) {
    size_t n = 0;
    while (names && names[n])
        n++;
    if (n == 0)
        return CR_OK;
    w->unlimited = cr_arena_calloc(&w->arena, n + 1, sizeof *w->unlimited);
    if (!w->unlimited)
        return no_room(err);
    for (size_t i = 0; i < n; i++)
        if (!(w->unlimited[i] = cr_arena_strdup(&w->arena, names[i])))
            return no_room(err);
    return CR_OK;
}

cr_status cr_writer_new(const char *path, const cr_write_options *options, cr_writer **ret_writer, cr_err *err) {
    static const cr_write_options defaults = {0};
    const cr_output_format *format = NULL;
    if (!path || !*path)
        return CR_FAIL(err, CR_INVALID, "a path is needed");
    options = options ? options : &defaults;
    CR_TRY(find_format(options->format, &format, err));
    cr_writer *w = calloc(1, sizeof *w);
    if (!w)
        return CR_FAIL(err, CR_MEMORY, "no memory");
    cr_arena_init(&w->arena, MODEL_LIMIT_BYTES);
    w->format = format;
    w->place.lock = -1;
    w->resume = options->resume;
    w->has_journal = format->is_directory && (options->journal || options->resume);
    cr_status status = copy_names(w, options->unlimited, err);
    if (status == CR_OK && w->resume && !format->is_directory)
        status = CR_FAIL(err, CR_UNSUPPORTED, "writing %s cannot be resumed; only Zarr can, whose chunks are files of their own", format->name);
    if (status == CR_OK)
        status = w->resume ? cr_sibling_resume(&w->place, path, options->overwrite, cr_journal_exists, err)
                           : cr_sibling_new(&w->place, path, format->is_directory, options->overwrite, err);
    w->place.keep = w->resume;    /* what another process finished is not ours to remove */
    if (status != CR_OK) {
        cr_err_context(err, "while starting to write %s", path);
        cr_writer_free(w);
        return status;
    }
    *ret_writer = w;
    return CR_OK;
}

void cr_writer_free(cr_writer *w) {
    if (!w)
        return;
    for (int i = 0; i < w->n_items; i++)
        if (w->items[i].values)
            cr_array_unref(w->items[i].values);
    for (int i = 0; i < w->n_items; i++)
        free(w->items[i].done);
    cr_journal_free(w->journal);
    free(w->scratch);
    if (w->state)
        w->format->free(w->state);
    cr_sibling_done(&w->place);
    cr_arena_done(&w->arena);
    free(w);
}

/* ---- checking and copying ------------------------------------------------------------------------------------------------------- */

/* Names become keys, file names and JSON: no slash, no dot at the start, nothing that is not printable text. */
static cr_status check_name(const char *what, const char *name, cr_err *err) {
    size_t n = name ? strlen(name) : 0;
    bool good = n > 0 && n <= MAX_NAME_BYTES && cr_text_is_utf8(name, n) && !strchr(name, '/') && name[0] != '.' &&
                strcmp(name, "zarr.json") != 0;
    for (size_t i = 0; good && i < n; i++)
        good = (unsigned char)name[i] >= 0x20 && name[i] != 0x7f;
    if (!good)
        return CR_FAIL(err, CR_INVALID, "\"%.80s\" cannot be the name of a %s", name ? name : "", what);
    return CR_OK;
}

static cr_status copy_attr(cr_writer *w, const cr_attr *from, cr_attr *to, cr_err *err) {
    size_t n_name = from->name ? strlen(from->name) : 0;
    if (n_name == 0 || !cr_text_is_utf8(from->name, n_name))
        return CR_FAIL(err, CR_INVALID, "an attribute needs a name in UTF-8");
    if (from->n < 0 || (from->n > 0 && !from->values))
        return CR_FAIL(err, CR_INVALID, "attribute \"%.80s\" has no values", from->name);
    if (from->form == CR_ATTR_JSON) {
        const char *text = from->dtype == CR_STRING && from->n == 1 ? *(const char *const *)from->values : NULL;
        cr_auto_json json_t *json = NULL;
        if (!text || cr_json_parse(text, strlen(text), MAX_ITEMS, &json, NULL) != CR_OK)
            return CR_FAIL(err, CR_INVALID, "attribute \"%.80s\" is said to be JSON and is none", from->name);
    }
    *to = (cr_attr){cr_arena_strdup(&w->arena, from->name), from->dtype, from->n, NULL, from->form};
    if (!to->name)
        return no_room(err);
    if (from->dtype == CR_STRING) {
        const char **texts = cr_arena_calloc(&w->arena, (size_t)from->n, sizeof *texts);
        for (int64_t i = 0; texts && i < from->n; i++) {
            const char *text = ((const char *const *)from->values)[i];
            if (!text || !cr_text_is_utf8(text, strlen(text)))
                return CR_FAIL(err, CR_INVALID, "attribute \"%.80s\" is not text in UTF-8", from->name);
            if (!(texts[i] = cr_arena_strdup(&w->arena, text)))
                return no_room(err);
        }
        to->values = texts;
        return texts ? CR_OK : no_room(err);
    }
    size_t width = cr_dtype_size(from->dtype);
    if (width == 0)
        return CR_FAIL(err, CR_TYPE, "attribute \"%.80s\" is of a type that cannot be written", from->name);
    void *values = cr_arena_calloc(&w->arena, (size_t)from->n, width);
    if (!values)
        return no_room(err);
    if (from->n)
        memcpy(values, from->values, (size_t)from->n * width);
    to->values = values;
    return CR_OK;
}

static cr_status copy_attrs(cr_writer *w, const cr_attr *attrs, int n, cr_attr **ret, cr_err *err) {
    cr_attr *copy = n >= 0 ? cr_arena_calloc(&w->arena, (size_t)n, sizeof *copy) : NULL;
    if (!copy)
        return no_room(err);
    for (int i = 0; i < n; i++) {
        CR_TRY(copy_attr(w, &attrs[i], &copy[i], err));
        if (cr_attr_find(copy, i, copy[i].name))
            return CR_FAIL(err, CR_INVALID, "two attributes named \"%.80s\"", copy[i].name);
    }
    *ret = copy;
    return CR_OK;
}

static cr_status not_ended(const cr_writer *w, cr_err *err) {
    return w->ended ? CR_FAIL(err, CR_CONFLICT, "%s is finished already", w->place.destination) : CR_OK;
}

cr_status cr_writer_attrs(cr_writer *w, const cr_attr *attrs, int n, cr_err *err) {
    CR_TRY(not_ended(w, err));
    CR_TRY(copy_attrs(w, attrs, n, &w->attrs, err));
    w->n_attrs = n;
    return CR_OK;
}

static bool is_unlimited(const cr_writer *w, const char *name) {
    for (size_t i = 0; w->unlimited && w->unlimited[i]; i++)
        if (strcmp(w->unlimited[i], name) == 0)
            return true;
    return false;
}

/* A dimension keeps the length of its first use. */
static cr_status use_dim(cr_writer *w, const char *name, int64_t length, const char **ret_name, cr_err *err) {
    CR_TRY(check_name("dimension", name, err));
    for (int i = 0; i < w->n_dims; i++) {
        if (strcmp(w->dims[i].name, name) != 0)
            continue;
        if (w->dims[i].length != length)
            return CR_FAIL(err, CR_INVALID, "dimension \"%s\" has length %lld here and %lld in another variable", name, (long long)length,
                           (long long)w->dims[i].length);
        *ret_name = w->dims[i].name;
        return CR_OK;
    }
    if (w->n_dims == w->cap_dims) {
        int cap = w->cap_dims ? w->cap_dims * 2 : 16;
        cr_dim *more = cap <= MAX_ITEMS ? cr_arena_calloc(&w->arena, (size_t)cap, sizeof *more) : NULL;
        if (!more)
            return no_room(err);
        if (w->n_dims)
            memcpy(more, w->dims, (size_t)w->n_dims * sizeof *more);
        w->dims = more;
        w->cap_dims = cap;
    }
    char *copy = cr_arena_strdup(&w->arena, name);
    if (!copy)
        return no_room(err);
    w->dims[w->n_dims++] = (cr_dim){copy, length, is_unlimited(w, name)};
    *ret_name = copy;
    return CR_OK;
}

size_t cr_write_itemsize(const cr_write_variable *v) { return v->dtype == CR_BYTES ? v->itemsize : cr_dtype_size(v->dtype); }

int64_t cr_write_divisor(int64_t shard, int64_t most) {
    int64_t below = 1, above = shard;
    for (int64_t k = 1; k <= shard / k; k++) {
        if (shard % k)
            continue;
        for (int side = 0; side < 2; side++) {
            int64_t one = side ? shard / k : k;
            below = one <= most ? CR_MAX(below, one) : below;
            above = one > most ? CR_MIN(above, one) : above;
        }
    }
    bool farther = (double)above / (double)most >= (double)most / (double)below;
    return below >= most - most / 4 * 3 || farther ? below : above;
}

static cr_status copy_shards(cr_writer *w, const cr_write_variable *from, int64_t *chunks, const int64_t **ret_shards, cr_err *err) {
    int64_t *shards = cr_arena_calloc(&w->arena, (size_t)from->ndim, sizeof *shards);
    if (!shards)
        return no_room(err);
    for (int i = 0; i < from->ndim; i++) {
        shards[i] = from->shards[i];
        if (shards[i] < 1 || shards[i] > MOST_SHARD_EXTENT)
            return CR_FAIL(err, CR_INVALID, "shards of %lld along \"%s\"; it is 1 to %lld", (long long)shards[i], from->dims[i],
                           (long long)MOST_SHARD_EXTENT);
        /* Neither is cut to the extent: a shard has to stay whole chunks, also when the array grows. */
        chunks[i] = from->chunks ? from->chunks[i] : cr_write_divisor(shards[i], chunks[i]);
        if (shards[i] % chunks[i] == 0)
            continue;
        cr_status status = CR_FAIL(err, CR_INVALID, "shards of %lld along \"%s\" are not whole chunks of %lld", (long long)shards[i],
                                   from->dims[i], (long long)chunks[i]);
        cr_err_hint(err, "choose a multiple, for instance %lld", (long long)((shards[i] / chunks[i] + 1) * chunks[i]));
        return status;
    }
    *ret_shards = shards;
    return CR_OK;
}

/* Chunks of about target_bytes, the longest axis cut first; each >= 1 and at most the extent. */
static void balance_chunks(int ndim, const int64_t *shape, size_t itemsize, size_t target_bytes, int64_t *chunk) {
    double elements = 1, target = (double)CR_MAX(target_bytes / itemsize, (size_t)1);
    for (int i = 0; i < ndim; i++) {
        chunk[i] = CR_MAX(shape[i], 1);
        elements *= (double)chunk[i];
    }
    /* The longest axis is halved until a chunk is small enough: pieces that are read along any axis stay few. */
    while (elements > target) {
        int longest = 0;
        for (int i = 1; i < ndim; i++)
            if (chunk[i] > chunk[longest])
                longest = i;
        elements /= (double)chunk[longest];
        chunk[longest] = (chunk[longest] + 1) / 2;
        elements *= (double)chunk[longest];
    }
}

static cr_status copy_shape(cr_writer *w, const cr_write_variable *from, cr_write_variable *to, cr_err *err) {
    size_t n = (size_t)from->ndim, itemsize = CR_MAX(cr_write_itemsize(from), (size_t)1);
    int64_t *shape = cr_arena_calloc(&w->arena, n, sizeof *shape), *chunks = cr_arena_calloc(&w->arena, n, sizeof *chunks), total;
    const char **dims = cr_arena_calloc(&w->arena, n, sizeof *dims);
    if (!shape || !chunks || !dims)
        return no_room(err);
    for (int i = 0; i < from->ndim; i++) {
        if (from->shape[i] < 0 || (from->chunks && from->chunks[i] < 1))
            return CR_FAIL(err, CR_INVALID, "axis %d has extent %lld in chunks of %lld", i, (long long)from->shape[i],
                           from->chunks ? (long long)from->chunks[i] : 0);
        shape[i] = from->shape[i];
        CR_TRY(use_dim(w, from->dims[i], shape[i], &dims[i], err));
        for (int k = 0; k < i; k++)
            if (dims[k] == dims[i])
                return CR_FAIL(err, CR_INVALID, "dimension \"%s\" is used twice", dims[i]);
    }
    if (!cr_product(shape, from->ndim, &total) || total > INT64_MAX / (int64_t)itemsize)
        return CR_FAIL(err, CR_INVALID, "the shape holds more elements than can be counted");
    balance_chunks(from->ndim, shape, itemsize, DEFAULT_CHUNK_BYTES, chunks);
    for (int i = 0; from->chunks && i < from->ndim; i++)
        chunks[i] = CR_MAX(CR_MIN(from->chunks[i], shape[i]), 1);
    if (from->shards)
        CR_TRY(copy_shards(w, from, chunks, &to->shards, err));
    to->shape = shape;
    to->chunks = chunks;
    to->dims = dims;
    return CR_OK;
}

static cr_status new_item(cr_writer *w, const cr_write_variable *v, cr_write_item **ret_item, cr_err *err) {
    if (!v || v->ndim < 0 || v->ndim > CR_MAX_DIMS || (v->ndim && (!v->shape || !v->dims)))
        return CR_FAIL(err, CR_INVALID, "a variable has 0 to %d dimensions with names and a shape", CR_MAX_DIMS);
    CR_TRY(check_name("variable", v->name, err));
    for (int i = 0; i < w->n_items; i++)
        if (strcmp(w->items[i].v.name, v->name) == 0)
            return CR_FAIL(err, CR_INVALID, "two variables named \"%s\"", v->name);
    if (w->n_items == w->cap_items) {
        int cap = w->cap_items ? w->cap_items * 2 : 16;
        cr_write_item *more = cap <= MAX_ITEMS ? cr_arena_calloc(&w->arena, (size_t)cap, sizeof *more) : NULL;
        if (!more)
            return no_room(err);
        if (w->n_items)
            memcpy(more, w->items, (size_t)w->n_items * sizeof *more);
        w->items = more;
        w->cap_items = cap;
    }
    cr_write_item *item = &w->items[w->n_items];   /* counted once it is complete */
    cr_attr *attrs = NULL;
    *item = (cr_write_item){.v = *v};
    item->v.name = cr_arena_strdup(&w->arena, v->name);
    item->v.codec = v->codec ? cr_arena_strdup(&w->arena, v->codec) : NULL;
    if (!item->v.name || (v->codec && !item->v.codec))
        return no_room(err);
    CR_TRY(copy_shape(w, v, &item->v, err));
    item->unit = item->v.shards ? item->v.shards : item->v.chunks;
    CR_TRY(copy_attrs(w, v->attrs, v->n_attrs, &attrs, err));
    item->v.attrs = attrs;
    if (v->fill && v->dtype != CR_STRING) {
        void *fill = cr_arena_alloc(&w->arena, CR_MAX(cr_write_itemsize(v), (size_t)1));
        if (!fill)
            return no_room(err);
        memcpy(fill, v->fill, cr_write_itemsize(v));
        item->v.fill = fill;
    }
    if (w->format->check)
        CR_TRY(w->format->check(&item->v, err));
    *ret_item = item;
    return CR_OK;
}

static cr_status check_values(const cr_write_variable *v, const cr_array *values, cr_err *err) {
    bool same = cr_array_ndim(values) == v->ndim;
    for (int i = 0; same && i < v->ndim; i++)
        same = cr_array_shape(values)[i] == v->shape[i];
    return same ? CR_OK : CR_FAIL(err, CR_INVALID, "the values have another shape than the variable");
}

static cr_status add_values(cr_writer *w, const cr_write_variable *v, cr_array *values, cr_err *err) {
    cr_write_item *item;
    CR_TRY(not_ended(w, err));
    if (!values || v->dtype > CR_BYTES)
        return CR_FAIL(err, CR_TYPE, "numbers and text of fixed width are written with values, other text with cr_writer_strings");
    if (v->dtype == CR_BYTES) {
        if (v->itemsize < 1 || v->itemsize > MAX_ITEM_BYTES || (v->utf32 && v->itemsize % 4))
            return CR_FAIL(err, CR_INVALID, "items of %zu bytes; text of fixed width has 1 to %d, in UTF-32 a multiple of 4", v->itemsize, MAX_ITEM_BYTES);
        if (cr_array_dtype(values) != CR_BYTES || cr_array_itemsize(values) != v->itemsize)
            return CR_FAIL(err, CR_TYPE, "text of %zu bytes is written from items of as many bytes", v->itemsize);
    }
    CR_TRY(new_item(w, v, &item, err));
    CR_TRY(check_values(&item->v, values, err));
    if (cr_array_dtype(values) == v->dtype)
        item->values = cr_array_ref(values);
    else
        CR_TRY(cr_array_cast(values, v->dtype, &item->values, err));
    w->n_items++;
    return CR_OK;
}

cr_status cr_writer_variable(cr_writer *w, const cr_write_variable *v, cr_array *values, cr_err *err) {
    cr_status status = add_values(w, v, values, err);
    if (status != CR_OK)
        cr_err_context(err, "variable \"%.80s\"", v && v->name ? v->name : "");
    return status;
}

static cr_status add_strings(cr_writer *w, const cr_write_variable *v, const char *const *strings, cr_err *err) {
    cr_write_item *item;
    int64_t n = 0;
    CR_TRY(not_ended(w, err));
    if (v->dtype != CR_STRING)
        return CR_FAIL(err, CR_TYPE, "strings are written as variables of type string");
    CR_TRY(new_item(w, v, &item, err));
    if (!cr_product(item->v.shape, v->ndim, &n))
        return CR_FAIL(err, CR_INVALID, "too many strings");
    const char **copy = cr_arena_calloc(&w->arena, (size_t)n, sizeof *copy);
    if (!copy)
        return no_room(err);
    for (int64_t i = 0; i < n; i++) {
        if (!strings[i] || !cr_text_is_utf8(strings[i], strlen(strings[i])))
            return CR_FAIL(err, CR_INVALID, "string %lld is not text in UTF-8", (long long)i);
        if (!(copy[i] = cr_arena_strdup(&w->arena, strings[i])))
            return no_room(err);
    }
    item->strings = copy;
    w->n_items++;
    return CR_OK;
}

cr_status cr_writer_strings(cr_writer *w, const cr_write_variable *v, const char *const *strings, cr_err *err) {
    cr_status status = add_strings(w, v, strings, err);
    if (status != CR_OK)
        cr_err_context(err, "variable \"%.80s\"", v && v->name ? v->name : "");
    return status;
}

/* ---- running ---------------------------------------------------------------------------------------------------------------------- */

/* What is missing of all variables, in computations of a few hundred boxes. */
static cr_status run_missing(cr_writer *w, cr_context *c, void *state, cr_err *err) {
    cr_auto_free cr_write_box *boxes = calloc(MOST_PARTS, sizeof *boxes);
    cr_auto_free cr_write_shift *shifts = calloc(MOST_PARTS, sizeof *shifts);
    cr_auto_free cr_sink *whole = calloc((size_t)w->n_items + 1, sizeof *whole);
    cr_array *parts[MOST_PARTS] = {NULL};
    const cr_write_item *owner[MOST_PARTS];
    cr_sink sinks[MOST_PARTS];
    cr_status status = CR_OK;
    int n, first = 0;             /* items before the first are finished */
    if (!boxes || !shifts || !whole)
        return CR_FAIL(err, CR_MEMORY, "no memory");
    for (int i = 0; i < w->n_items; i++)
        if (w->items[i].values)
            CR_TRY(w->format->sink(state, i, &whole[i], err));
    do {
        n = 0;
        for (int i = first; i < w->n_items && n < MOST_PARTS && status == CR_OK; i++) {
            const cr_write_item *item = &w->items[i];
            cr_write_box all = {0};
            int found = 0;
            if (!item->values)
                continue;
            memcpy(all.count, item->v.shape, (size_t)item->v.ndim * sizeof *all.count);
            status = cr_write_missing(item, &all, boxes + n, MOST_PARTS - n, &found, err);
            for (int end = n + found; n < end && status == CR_OK; n++) {
                status = cr_write_part(item->values, &boxes[n], &whole[i], &shifts[n], &parts[n], &sinks[n], err);
                owner[n] = item;
            }
            if (n < MOST_PARTS)
                first = i + 1;
        }
        if (status == CR_OK && n)
            status = cr_compute_to(c, n, parts, sinks, err);
        for (int k = 0; k < n; k++) {
            if (status == CR_OK)
                cr_write_mark(owner[k], &boxes[k], 1);
            cr_array_unref(parts[k]);
            parts[k] = NULL;
        }
    } while (status == CR_OK && n == MOST_PARTS);
    return status;
}

/* Everything with values in one computation. */
static cr_status run_together(cr_writer *w, cr_context *c, void *state, cr_err *err) {
    cr_auto_free cr_array **arrays = calloc((size_t)w->n_items + 1, sizeof *arrays);
    cr_auto_free cr_sink *sinks = calloc((size_t)w->n_items + 1, sizeof *sinks);
    int n = 0;
    if (!arrays || !sinks)
        return CR_FAIL(err, CR_MEMORY, "no memory");
    for (int i = 0; i < w->n_items; i++) {
        if (!w->items[i].values)
            continue;
        arrays[n] = w->items[i].values;
        CR_TRY(w->format->sink(state, i, &sinks[n++], err));
    }
    return n ? cr_compute_to(c, n, arrays, sinks, err) : CR_OK;
}

static cr_status run_each(cr_writer *w, cr_context *c, void *state, cr_write_run_fn run, void *user, cr_err *err) {
    for (int i = 0; i < w->n_items; i++) {
        cr_sink sink;
        cr_write_pieces pieces = {0};
        if (!w->items[i].values)
            continue;
        CR_TRY(w->format->sink(state, i, &sink, err));
        if (w->format->pieces)
            CR_TRY(w->format->pieces(state, i, &pieces, err));
        CR_TRY(run(user, c, &w->items[i], &sink, pieces.sink.write ? &pieces : NULL, err));
    }
    return CR_OK;
}

static cr_status name_scratch(cr_writer *w, cr_err *err) {
    if (!w->scratch && asprintf(&w->scratch, "%s/.craton-scratch", w->place.temporary) < 0) {
        w->scratch = NULL;
        return CR_FAIL(err, CR_MEMORY, "no memory");
    }
    return CR_OK;
}

static cr_status run_all(cr_writer *w, cr_context *c, void *state, cr_write_run_fn run, void *user, cr_err *err) {
    if (!w->begun)
        CR_TRY(run ? run_each(w, c, state, run, user, err) : w->n_kept ? run_missing(w, c, state, err) : run_together(w, c, state, err));
    if (w->place.adopted)             /* a killed call may have needed one, and with more memory this one does not */
        CR_TRY(name_scratch(w, err));
    if (w->scratch)
        cr_sibling_remove(w->scratch);
    for (int i = 0; i < w->n_items; i++)
        if (w->items[i].strings)
            CR_TRY(w->format->strings(state, i, err));
    return w->format->finish(state, err);
}

/* ---- the journal ---------------------------------------------------------------------------------------------------------------- */

static void add_item(cr_digest *d, const cr_write_item *item) {
    const cr_write_variable *v = &item->v;
    const int64_t facts[] = {v->ndim, v->dtype, v->level, v->shuffle, v->fill != NULL, v->n_attrs, item->values == NULL, (int64_t)cr_write_itemsize(v), v->utf32};
    cr_digest_text(d, v->name);
    cr_digest_add(d, facts, sizeof facts);
    cr_digest_text(d, v->codec);
    cr_digest_add(d, v->shape, (size_t)v->ndim * sizeof *v->shape);
    cr_digest_add(d, v->chunks, (size_t)v->ndim * sizeof *v->chunks);
    if (v->shards)
        cr_digest_add(d, v->shards, (size_t)v->ndim * sizeof *v->shards);
    for (int i = 0; i < v->ndim; i++)
        cr_digest_text(d, v->dims[i]);
    if (v->fill)
        cr_digest_add(d, v->fill, cr_write_itemsize(v));
}

static void add_attrs(cr_digest *d, const cr_attr *attrs, int n) {
    for (int i = 0; i < n; i++) {
        const int64_t facts[] = {attrs[i].dtype, attrs[i].n, attrs[i].form};
        cr_digest_text(d, attrs[i].name);
        cr_digest_add(d, facts, sizeof facts);
        for (int64_t k = 0; attrs[i].dtype == CR_STRING && k < attrs[i].n; k++)
            cr_digest_text(d, ((const char *const *)attrs[i].values)[k]);
        if (attrs[i].dtype != CR_STRING)
            cr_digest_add(d, attrs[i].values, (size_t)attrs[i].n * cr_dtype_size(attrs[i].dtype));
    }
}

static cr_status identify(const cr_writer *w, cr_journal_identity *ret, cr_err *err) {
    static const cr_digest begin = CR_DIGEST_INIT;
    *ret = (cr_journal_identity){begin, begin, begin};
    cr_auto_free cr_array **arrays = calloc((size_t)w->n_items + 1, sizeof *arrays);
    int n = 0;
    if (!arrays)
        return CR_FAIL(err, CR_MEMORY, "no memory");
    cr_digest_text(&ret->layout, w->format->name);
    add_attrs(&ret->layout, w->attrs, w->n_attrs);
    for (int i = 0; i < w->n_items; i++) {
        add_item(&ret->layout, &w->items[i]);
        add_attrs(&ret->layout, w->items[i].v.attrs, w->items[i].v.n_attrs);
        if (w->items[i].values)
            arrays[n++] = w->items[i].values;
    }
    return cr_array_digest(n, arrays, &ret->program, &ret->sources, err);
}

static cr_status make_bits(cr_writer *w, cr_err *err) {
    for (int i = 0; i < w->n_items; i++) {
        cr_write_item *item = &w->items[i];
        if (!item->values)
            continue;
        item->n_chunks = 1;
        for (int a = 0; a < item->v.ndim; a++)
            if (__builtin_mul_overflow(item->n_chunks, (item->v.shape[a] + item->unit[a] - 1) / item->unit[a], &item->n_chunks) ||
                item->n_chunks > MOST_JOURNAL_CHUNKS)
                return CR_FAIL(err, CR_LIMIT, "a write of more than %lld chunks cannot be resumed", (long long)MOST_JOURNAL_CHUNKS);
        item->done = calloc((size_t)item->n_chunks / 64 + 1, sizeof *item->done);
        if (!item->done)
            return CR_FAIL(err, CR_MEMORY, "no memory for the state of %lld chunks", (long long)item->n_chunks);
        w->n_chunks += item->n_chunks;
    }
    return CR_OK;
}

/* A journal that was not asked to be resumed from is a service: where it cannot be had, the write goes on without. */
static cr_status open_journal(cr_writer *w, cr_err *err) {
    cr_journal_identity identity;
    cr_status status = identify(w, &identity, err);
    if (status == CR_OK)
        status = make_bits(w, err);
    if (status != CR_OK && !w->place.adopted)
        w->place.keep = false;    /* nothing is in it */
    if (status != CR_OK && !w->resume) {
        w->n_chunks = 0;
        return CR_OK;
    }
    CR_TRY(status);
    return w->place.adopted ? cr_journal_open(w->place.temporary, &identity, &w->journal, err)
                            : cr_journal_new(w->place.temporary, &identity, &w->journal, err);
}

static void count_kept(cr_writer *w) {
    for (int i = 0; i < w->n_items; i++)
        for (int64_t k = 0; w->items[i].done && k < w->items[i].n_chunks / 64 + 1; k++)
            w->n_kept += __builtin_popcountll(w->items[i].done[k]);
}

void cr_writer_chunks(const cr_writer *w, int64_t *ret_total, int64_t *ret_kept) {
    *ret_total = w->n_chunks;
    *ret_kept = w->n_kept;
}

cr_status cr_writer_scratch(cr_writer *w, const char **ret_path, cr_err *err) {
    if (w->format->is_directory && !w->scratch) {
        CR_TRY(name_scratch(w, err));
        if (mkdir(w->scratch, 0777) != 0 && errno != EEXIST)
            return CR_FAIL_ERRNO(err, "cannot make the directory %s", w->scratch);
    }
    *ret_path = w->scratch;
    return CR_OK;
}

/* The last thing before the write takes its place: everything else is on disk, and without its journal it would begin anew. */
static cr_status commit(cr_writer *w, cr_err *err) {
    cr_auto_free char *path = NULL;
    if (w->journal && asprintf(&path, "%s/" CR_JOURNAL_NAME, w->place.temporary) < 0) {
        path = NULL;
        return CR_FAIL(err, CR_MEMORY, "no memory");
    }
    if (path && unlink(path) != 0)
        return CR_FAIL_ERRNO(err, "cannot remove %s", path);
    w->place.keep = false;
    return cr_sibling_commit(&w->place, err);
}

static bool has_shards(const cr_writer *w) {
    bool any = false;
    for (int i = 0; i < w->n_items; i++)
        any |= w->items[i].v.shards != NULL;
    return any;
}

static cr_status begin(cr_writer *w, cr_err *err) {
    if (w->has_journal)
        CR_TRY(open_journal(w, err));
    w->model = (cr_write_model){w->n_dims, w->n_attrs, w->n_items, w->dims, w->attrs, w->items, w->journal};
    CR_TRY(w->format->begin(&w->model, w->place.temporary, &w->state, err));
    count_kept(w);
    return CR_OK;
}

cr_status cr_writer_begin(cr_writer *w, const char **ret_path, cr_err *err) {
    CR_TRY(not_ended(w, err));
    if (!w->format->is_directory || w->has_journal || w->begun) {
        cr_status status = CR_FAIL(err, CR_UNSUPPORTED, "writing %s by several processes: the values of Zarr stores alone can be written so, once",
                                   w->place.destination);
        cr_err_hint(err, "write a Zarr store, without resume");
        return status;
    }
    CR_TRY(begin(w, err));
    w->begun = true;
    *ret_path = w->place.temporary;
    return CR_OK;
}

static cr_status finish(cr_writer *w, cr_context *c, cr_write_run_fn run, void *user, cr_err *err) {
    if (!w->begun)
        CR_TRY(begin(w, err));
    cr_status status = run_all(w, c, w->state, run, user, err);
    w->format->free(w->state);
    w->state = NULL;
    if (status == CR_MEMORY && !run && has_shards(w) && err) {
        err->hint[0] = 0;
        cr_err_hint(err, "a shard is collected whole before it is written: allow more memory, use fewer threads, or choose smaller shards");
    }
    if (status != CR_OK && w->resume)
        cr_err_hint(err, "what is finished was kept: the same again, resuming, goes on from there");
    return status == CR_OK ? commit(w, err) : status;
}

cr_status cr_writer_finish_with(cr_writer *w, cr_context *c, cr_write_run_fn run, void *user, cr_err *err) {
    CR_TRY(not_ended(w, err));
    w->ended = true;
    cr_status status = finish(w, c, run, user, err);
    if (status != CR_OK)
        cr_err_context(err, "while writing %s", w->place.destination);
    return status;
}

int cr_writer_items(const cr_writer *w, const cr_write_item **ret_items) {
    *ret_items = w->items;
    return w->begun ? 0 : w->n_items;
}

const char *cr_writer_destination(const cr_writer *w) { return w->place.destination; }
