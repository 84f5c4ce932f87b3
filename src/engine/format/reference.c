/* reference.c - reading kerchunk's JSON into a store of references, which is then opened as any Zarr hierarchy. */
#include "engine/format/reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "engine/format/zarr.h"
#include "engine/format/zarr_json.h"
#include "engine/store/store_reference.h"

/* A value of JSON costs about 100 bytes for as long as the text is read; a reference is four or five of them. */
enum { LIMIT_BYTES_PER_VALUE = 32 };

typedef struct loader {
    const char *path;             /* of the JSON */
    char *folder;                 /* absolute, without a slash at the end; owned */
    cr_store *store;
    const json_t *templates;
    size_t n;                     /* references so far */
    cr_arena scratch;             /* of one reference */
} loader;

/* ---- where a URL leads -------------------------------------------------------------------------------------------------------- */

static cr_status find_folder(loader *l, cr_err *err) {
    const char *slash = strrchr(l->path, '/');
    char here[CR_REFERENCE_URL_MAX] = "";
    if (*l->path != '/' && !getcwd(here, sizeof here))
        return CR_FAIL_ERRNO(err, "cannot tell which folder %s is in", l->path);
    const char *between = *here && slash ? "/" : "";
    if (asprintf(&l->folder, "%s%s%.*s", here, between, slash ? (int)(slash - l->path) : 0, l->path) < 0) {
        l->folder = NULL;
        return CR_FAIL(err, CR_MEMORY, "no memory");
    }
    return CR_OK;
}

/* Length of "s3" in "s3://...", or 0. */
static size_t scheme_length(const char *url) {
    size_t n = strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");
    return n > 0 && strncmp(url + n, "://", 3) == 0 ? n : 0;
}

static cr_status local_path(const loader *l, const char *key, const char *url, cr_buf *out, cr_err *err) {
    static const char *const local[] = {"file://", "local://", "file:", "local:"};
    const char *path = url;
    for (size_t i = 0; i < CR_ARRAY_LEN(local) && path == url; i++)
        if (cr_starts_with(url, local[i]))
            path = url + strlen(local[i]);
    if (scheme_length(path) || strstr(path, "::")) {
        cr_status status = CR_FAIL(err, CR_UNSUPPORTED, "\"%.200s\" refers to %.300s, which is not a file on this machine", key, url);
        cr_err_hint(err, "remote files cannot be read yet: copy them here, and make the references of the copies (or change the URLs in the JSON)");
        return status;
    }
    if (!*path)
        return CR_FAIL(err, CR_FORMAT, "\"%.200s\" refers to a file without a name", key);
    if (*path != '/')
        cr_buf_addf(out, "%s/", l->folder);
    cr_buf_adds(out, path);
    return cr_buf_check(out, err);
}

/* ---- one reference -------------------------------------------------------------------------------------------------------------- */

static cr_status count(loader *l, cr_err *err) {
    if (++l->n > CR_REFERENCES_MAX)
        return CR_FAIL(err, CR_LIMIT, "there are more than %d references", CR_REFERENCES_MAX);
    return CR_OK;
}

static cr_status add_text(loader *l, const char *key, const char *text, size_t n, cr_err *err) {
    static const char mark[] = "base64:";
    unsigned char *room = NULL;
    if (n < sizeof mark - 1 || memcmp(text, mark, sizeof mark - 1) != 0)
        return cr_references_add_value(l->store, key, text, n, err);
    text += sizeof mark - 1;
    n -= sizeof mark - 1;
    cr_auto_free unsigned char *bytes = malloc(n / 4 * 3 + 1);
    if (!bytes)
        return CR_FAIL(err, CR_MEMORY, "no memory");
    int64_t got = cr_base64_decode(text, n, bytes, n / 4 * 3);
    if (got < 0)
        return CR_FAIL(err, CR_FORMAT, "the value of \"%.200s\" is not base64", key);
    CR_TRY(cr_references_add_room(l->store, key, (size_t)got, &room, err));
    memcpy(room, bytes, (size_t)got);
    return CR_OK;
}

static cr_status place(const json_t *v, const char *key, const char *what, uint64_t *ret, cr_err *err) {
    bool negative = false;
    uint64_t n = 0;
    if (!cr_json_integer(v, &negative, &n) || (negative && n) || n > INT64_MAX)
        return CR_FAIL(err, CR_FORMAT, "the %s of \"%.200s\" is not a number of bytes", what, key);
    *ret = n;
    return CR_OK;
}

static cr_status add_url(loader *l, const char *key, const char *url, uint64_t offset, uint64_t length, cr_err *err) {
    cr_auto_buf cr_buf whole, path;
    cr_buf_init(&whole, CR_REFERENCE_URL_MAX);
    cr_buf_init(&path, CR_REFERENCE_URL_MAX);
    if (l->templates && strstr(url, "{{")) {
        cr_reference_scope scope = {NULL, 0, l->templates};
        cr_status status = cr_reference_expand(url, &scope, &l->scratch, &whole, err);
        cr_arena_done(&l->scratch);
        CR_TRY(status);
        url = cr_buf_str(&whole);
    }
    CR_TRY(local_path(l, key, url, &path, err));
    return cr_references_add_range(l->store, key, cr_buf_str(&path), offset, length, err);
}

static cr_status add_list(loader *l, const char *key, const json_t *list, cr_err *err) {
    const json_t *url = json_array_get(list, 0);
    size_t n = json_array_size(list);
    uint64_t offset = 0, length = UINT64_MAX;
    if ((n != 1 && n != 3) || !json_is_string(url) || strlen(json_string_value(url)) != json_string_length(url))
        return CR_FAIL(err, CR_FORMAT, "the reference of \"%.200s\" is neither [url] nor [url, offset, length]", key);
    if (n == 3) {
        CR_TRY(place(json_array_get(list, 1), key, "offset", &offset, err));
        CR_TRY(place(json_array_get(list, 2), key, "length", &length, err));
    }
    return add_url(l, key, json_string_value(url), offset, length, err);
}

static cr_status add_object(loader *l, const char *key, const json_t *v, cr_err *err) {
    char *text = json_dumps(v, JSON_COMPACT | JSON_REAL_PRECISION(17));
    if (!text)
        return CR_FAIL(err, CR_MEMORY, "no memory for the value of \"%.200s\"", key); /* what was read as JSON can be written as JSON */
    cr_status status = cr_references_add_value(l->store, key, text, strlen(text), err);
    free(text);
    return status;
}

static cr_status add_reference(loader *l, const char *key, const json_t *v, cr_err *err) {
    CR_TRY(count(l, err));
    switch (json_typeof(v)) {
    case JSON_STRING: return add_text(l, key, json_string_value(v), json_string_length(v), err);
    case JSON_ARRAY: return add_list(l, key, v, err);
    case JSON_OBJECT: return add_object(l, key, v, err);
    default:
        return CR_FAIL(err, CR_FORMAT, "the reference of \"%.200s\" is neither text nor a list", key);
    }
}

static cr_status add_all(loader *l, const json_t *refs, cr_err *err) {
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)refs, key, v) CR_TRY(add_reference(l, key, v, err));
    return CR_OK;
}

/* ---- references made by counting ------------------------------------------------------------------------------------------------ */

/* One dimension of a row of "gen": a list of values, or a range. */
typedef struct counter {
    const char *name;
    const json_t *list;
    int64_t start, step, n, at;
} counter;

static cr_status read_range(const json_t *v, counter *c, cr_err *err) {
    int64_t stop, span;
    const int64_t far = INT64_MAX / 4;
    if (!json_object_get(v, "stop"))
        return CR_FAIL(err, CR_FORMAT, "the dimension \"%.100s\" of \"gen\" has no \"stop\"", c->name);
    CR_TRY(cr_json_int(v, "start", -far, far, 0, &c->start, err));
    CR_TRY(cr_json_int(v, "stop", -far, far, 0, &stop, err));
    CR_TRY(cr_json_int(v, "step", -far, far, 1, &c->step, err));
    if (c->step == 0)
        return CR_FAIL(err, CR_FORMAT, "the dimension \"%.100s\" of \"gen\" has steps of 0", c->name);
    span = c->step > 0 ? stop - c->start : c->start - stop;
    int64_t step = c->step > 0 ? c->step : -c->step;
    c->n = span > 0 ? (span - 1) / step + 1 : 0;
    return CR_OK;
}

static cr_status read_counters(const json_t *row, counter *counters, int *ret_n, cr_err *err) {
    json_t *dimensions = NULL, *v;
    const char *name;
    int64_t total = 1;
    int n = 0;
    CR_TRY(cr_json_member(row, "dimensions", JSON_OBJECT, &dimensions, err));
    if (json_object_size(dimensions) > CR_REFERENCE_COUNTERS_MAX)
        return CR_FAIL(err, CR_LIMIT, "a row of \"gen\" has more than %d dimensions", CR_REFERENCE_COUNTERS_MAX);
    json_object_foreach(dimensions, name, v) {
        counter *c = &counters[n++];
        *c = (counter){.name = name};
        if (json_is_array(v)) {
            c->list = v;
            c->n = (int64_t)json_array_size(v);
        } else if (json_is_object(v)) {
            CR_TRY(read_range(v, c, err));
        } else {
            return CR_FAIL(err, CR_FORMAT, "the dimension \"%.100s\" of \"gen\" is neither a list nor a range", name);
        }
        if (__builtin_mul_overflow(total, c->n, &total) || total > CR_REFERENCES_MAX)
            return CR_FAIL(err, CR_LIMIT, "a row of \"gen\" makes more than %d references", CR_REFERENCES_MAX);
    }
    *ret_n = n;
    return CR_OK;
}

static cr_status name_values(const counter *counters, int n, cr_reference_name *names, cr_err *err) {
    for (int i = 0; i < n; i++) {
        const counter *c = &counters[i];
        const json_t *item = json_array_get(c->list, (size_t)c->at);
        names[i] = (cr_reference_name){c->name, json_string_value(item), c->start + c->at * c->step};
        if (json_is_integer(item))
            names[i].number = json_integer_value(item);
        else if (item && !json_is_string(item))
            return CR_FAIL(err, CR_FORMAT, "the values of the dimension \"%.100s\" of \"gen\" are neither integers nor texts", c->name);
    }
    return CR_OK;
}

/* A number of bytes: an integer, or a template that makes one. */
static cr_status made_place(loader *l, const json_t *row, const char *member, const cr_reference_scope *scope, const char *key,
                            uint64_t *ret, cr_err *err) {
    const json_t *v = json_object_get(row, member);
    if (!json_is_string(v))
        return place(v, key, member, ret, err);
    cr_auto_buf cr_buf text;
    int64_t n;
    cr_buf_init(&text, CR_REFERENCE_URL_MAX);
    CR_TRY(cr_reference_expand(json_string_value(v), scope, &l->scratch, &text, err));
    if (cr_parse_int(cr_buf_str(&text), 0, INT64_MAX, &n, NULL) != CR_OK)
        return CR_FAIL(err, CR_FORMAT, "the %s of \"%.200s\" is \"%.100s\", which is not a number of bytes", member, key, cr_buf_str(&text));
    *ret = (uint64_t)n;
    return CR_OK;
}

static cr_status make_one(loader *l, const json_t *row, const char *key_text, const char *url_text, const counter *counters, int n,
                          cr_err *err) {
    cr_reference_name names[CR_REFERENCE_COUNTERS_MAX];
    cr_reference_scope scope = {names, n, l->templates};
    uint64_t offset = 0, length = UINT64_MAX;
    cr_auto_buf cr_buf key, url;
    cr_buf_init(&key, CR_STORE_KEY_MAX);
    cr_buf_init(&url, CR_REFERENCE_URL_MAX);
    CR_TRY(count(l, err));
    CR_TRY(name_values(counters, n, names, err));
    CR_TRY(cr_reference_expand(key_text, &scope, &l->scratch, &key, err));
    CR_TRY(cr_reference_expand(url_text, &scope, &l->scratch, &url, err));
    bool has_offset = json_object_get(row, "offset"), has_length = json_object_get(row, "length");
    if (has_offset != has_length)
        return CR_FAIL(err, CR_FORMAT, "a row of \"gen\" has only one of \"offset\" and \"length\"");
    if (has_offset) {
        CR_TRY(made_place(l, row, "offset", &scope, cr_buf_str(&key), &offset, err));
        CR_TRY(made_place(l, row, "length", &scope, cr_buf_str(&key), &length, err));
    }
    return add_url(l, cr_buf_str(&key), cr_buf_str(&url), offset, length, err);
}

static cr_status make_row(loader *l, const json_t *row, cr_err *err) {
    counter counters[CR_REFERENCE_COUNTERS_MAX];
    json_t *key = NULL, *url = NULL;
    int n = 0;
    if (!json_is_object(row))
        return CR_FAIL(err, CR_FORMAT, "a row of \"gen\" is not an object");
    CR_TRY(cr_json_member(row, "key", JSON_STRING, &key, err));
    CR_TRY(cr_json_member(row, "url", JSON_STRING, &url, err));
    CR_TRY(read_counters(row, counters, &n, err));
    for (int i = 0; i < n; i++)
        if (counters[i].n == 0)
            return CR_OK;
    for (;;) {
        cr_status status = make_one(l, row, json_string_value(key), json_string_value(url), counters, n, err);
        cr_arena_done(&l->scratch);
        CR_TRY(status);
        int axis = n - 1;
        while (axis >= 0 && ++counters[axis].at == counters[axis].n)
            counters[axis--].at = 0;
        if (axis < 0)
            return CR_OK;
    }
}

/* ---- the document -------------------------------------------------------------------------------------------------------------- */

static cr_status load_version_1(loader *l, const json_t *root, cr_err *err) {
    const json_t *templates = json_object_get(root, "templates"), *gen = json_object_get(root, "gen");
    const char *name;
    json_t *v;
    size_t i;
    if ((templates && !json_is_object(templates) && !json_is_null(templates)) || (gen && !json_is_array(gen) && !json_is_null(gen)))
        return CR_FAIL(err, CR_FORMAT, "\"templates\" must be an object and \"gen\" a list");
    json_object_foreach((json_t *)templates, name, v) if (!json_is_string(v))
        return CR_FAIL(err, CR_FORMAT, "the template \"%.100s\" is not text", name);
    l->templates = json_is_object(templates) ? templates : NULL;
    CR_TRY(add_all(l, json_object_get(root, "refs"), err));
    json_array_foreach((json_t *)gen, i, v) {
        cr_status status = make_row(l, v, err);
        if (status != CR_OK) {
            cr_err_context(err, "in row %zu of \"gen\"", i);
            return status;
        }
    }
    return CR_OK;
}

static bool has_metadata(const json_t *refs) {
    static const char *const marks[] = {".zgroup", ".zmetadata", "zarr.json", ".zarray", ".zattrs"};
    for (size_t i = 0; i < CR_ARRAY_LEN(marks); i++)
        if (json_object_get(refs, marks[i]))
            return true;
    return false;
}

static cr_status load(loader *l, const json_t *root, cr_err *err) {
    const json_t *refs = json_object_get(root, "refs"), *version = json_object_get(root, "version");
    if (version && json_is_integer(version) && json_integer_value(version) != 1)
        return CR_FAIL(err, CR_UNSUPPORTED, "references of version %lld; 0 and 1 are supported", (long long)json_integer_value(version));
    if (!json_is_object(refs) && !has_metadata(root)) {
        cr_status status = CR_FAIL(err, CR_FORMAT, "it is JSON, but not references of kerchunk: it has neither \"refs\" nor Zarr metadata");
        cr_err_hint(err, "a hierarchy needs .zgroup, .zarray or zarr.json among its keys");
        return status;
    }
    CR_TRY(json_is_object(refs) ? load_version_1(l, root, err) : add_all(l, root, err));
    return cr_references_seal(l->store, err);
}

static cr_status list_targets(cr_store *store, cr_file *f, cr_err *err) {
    int n = 0;
    while (cr_references_file(store, (size_t)n))
        n++;
    f->targets = cr_arena_calloc(&f->arena, (size_t)n, sizeof *f->targets);
    for (int i = 0; f->targets && i < n; i++)
        f->targets[i] = cr_references_file(store, (size_t)i);    /* lives as long as the file's reference to the store */
    f->n_targets = f->targets ? n : 0;
    return f->targets ? CR_OK : CR_FAIL(err, CR_LIMIT, "the metadata are larger than their limit");
}

cr_status cr_reference_open_json(const char *path, const json_t *root, const cr_open_options *options, cr_file *f, cr_err *err) {
    loader l = {.path = path};
    cr_arena_init(&l.scratch, 1 << 20);
    CR_TRY(cr_store_open_reference(path, f->arena.limit_bytes, &l.store, err));
    cr_status status = find_folder(&l, err);
    if (status == CR_OK)
        status = load(&l, root, err);
    if (status == CR_OK)
        status = cr_zarr_open_store(l.store, options, f, err);
    if (status == CR_OK)
        status = list_targets(l.store, f, err);
    cr_store_unref(l.store);
    cr_arena_done(&l.scratch);
    free(l.folder);
    return status;
}

/* ---- the format ------------------------------------------------------------------------------------------------------------------ */

static bool reference_probe(const char *path, bool is_dir, const unsigned char *head, size_t n) {
    size_t i = 0;
    while (i < n && (head[i] == ' ' || head[i] == '\t' || head[i] == '\n' || head[i] == '\r'))
        i++;
    return !is_dir && i < n && head[i] == '{';
}

static cr_status reference_open(const char *path, const cr_open_options *options, cr_file *f, cr_err *err) {
    cr_auto_json json_t *root = NULL;
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, f->arena.limit_bytes);
    CR_TRY(cr_file_read(path, &text, err));
    CR_TRY(cr_json_parse(cr_buf_str(&text), text.len, f->arena.limit_bytes / LIMIT_BYTES_PER_VALUE, &root, err));
    cr_buf_done(&text);
    return cr_reference_open_json(path, root, options, f, err);
}

const cr_format cr_format_reference = {"reference", reference_probe, reference_open};
