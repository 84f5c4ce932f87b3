/* zarr.c - opening a Zarr hierarchy: which arrays and groups there are, consolidated or by listing. */
#include "engine/format/zarr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/map.h"
#include "base/text.h"
#include "engine/format/text8.h"
#include "engine/format/zarr_json.h"

enum { MAX_CHILDREN = 100000, MAX_DIMS = 1000000, BYTES_PER_VALUE = 128 };

typedef struct opener {
    cr_store *store;
    cr_file *f;
    int version;
    const char *group;            /* without slashes at its ends; "" is the root */
    size_t bytes_left;            /* of JSON text */
    json_t *root;                 /* zarr.json or .zmetadata, or NULL */
    const json_t *consolidated;   /* key -> metadata, inside of root; NULL: look in the store */
    size_t cap_variables, cap_groups;
    int cap_dims;
    cr_map dims, groups;          /* name -> place in f->dims, counted from 1; name -> anything: stores may have ten thousands */
} opener;

typedef struct text_state {
    cr_store *store;              /* borrowed from the file's state */
    const cr_zarr_array *array;
    const char *meta_key;
} text_state;

static cr_status no_room(cr_err *err) { return CR_FAIL(err, CR_LIMIT, "the metadata are larger than their limit"); }

/* ---- metadata documents ------------------------------------------------------------------------------------------------------ */

/* Reads and parses one document; CR_NOT_FOUND without a message of its own when it is absent. */
static cr_status read_json(opener *o, const char *key, json_t **ret_json, cr_err *err) {
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, o->bytes_left);
    CR_TRY(cr_store_read_buf(o->store, key, &text, err));
    o->bytes_left -= text.len;
    cr_status status = cr_json_parse(cr_buf_str(&text), text.len, o->f->arena.limit_bytes / BYTES_PER_VALUE, ret_json, err);
    if (status != CR_OK)
        cr_err_context(err, "%s", key);
    return status;
}

/* "a/b" + ".zarray" = "a/b/.zarray". */
static cr_status join(const char *prefix, const char *name, char out[CR_STORE_KEY_MAX + 1], cr_err *err) {
    int n = snprintf(out, CR_STORE_KEY_MAX + 1, "%s%s%s", prefix, *prefix && *name ? "/" : "", name);
    return n >= 0 && n <= CR_STORE_KEY_MAX ? CR_OK : CR_FAIL(err, CR_FORMAT, "the name of \"%.80s\" is too long", prefix);
}

/* The document of a node (name "" in v3, ".zarray" and so on in v2): from the consolidated metadata or the store. A new reference;
 * NULL when there is none. */
static cr_status node_json(opener *o, const char *node, const char *name, json_t **ret_json, cr_err *err) {
    char key[CR_STORE_KEY_MAX + 1];
    *ret_json = NULL;
    if (o->consolidated) {
        CR_TRY(join(node, o->version == 3 ? "" : name, key, err));
        *ret_json = json_incref(json_object_get(o->consolidated, key));
        return CR_OK;
    }
    CR_TRY(join(node, o->version == 3 ? "zarr.json" : name, key, err));
    cr_status status = read_json(o, key, ret_json, err);
    return status == CR_NOT_FOUND ? CR_OK : status;
}

/* ---- attributes ---------------------------------------------------------------------------------------------------------------- */

static cr_status convert_attrs(opener *o, const json_t *attrs, int extra, cr_attr **ret_attrs, int *ret_n, cr_err *err) {
    size_t n = json_object_size(attrs);
    cr_attr *out = cr_arena_calloc(&o->f->arena, n + (size_t)extra, sizeof *out);
    if (!out)
        return no_room(err);
    int used = 0;
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)attrs, name, v) {
        if (strcmp(name, "_ARRAY_DIMENSIONS") != 0)
            CR_TRY(cr_json_attr(name, v, &o->f->arena, &out[used++], err));
    }
    *ret_attrs = out;
    *ret_n = used;
    return CR_OK;
}

/* What xarray means by the attribute _FillValue of a v3 array: base64 of a double, or a plain number. */
static bool fill_attr_v3(const json_t *v, cr_dtype dtype, void *dst) {
    const char *s = json_string_value(v);
    unsigned char bytes[8];
    if (s && cr_dtype_kind(dtype) == 'f' && cr_base64_decode(s, json_string_length(v), bytes, 8) == 8) {
        uint64_t bits = 0;
        for (int i = 7; i >= 0; i--)
            bits = bits << 8 | bytes[i];
        double d;
        memcpy(&d, &bits, 8);
        cr_auto_json json_t *number = json_real(d);
        if (number)
            return cr_json_item(number, dtype, dst);
        /* jansson has no NaN and no infinity. */
        uint16_t h = cr_half_from_double(d);
        float f = (float)d;
        memcpy(dst, dtype == CR_F16 ? (const void *)&h : dtype == CR_F32 ? (const void *)&f : (const void *)&d, cr_dtype_size(dtype));
        return true;
    }
    return cr_json_item(v, dtype, dst);
}

/* Gives _FillValue the type of the variable; see zarr.h. */
static cr_status typed_fill(opener *o, const cr_zarr_array *a, cr_variable *v, cr_attr *attrs, int *n, cr_err *err) {
    char kind = cr_dtype_kind(a->dtype);
    if (kind != 'i' && kind != 'u' && kind != 'f')
        return CR_OK;
    const void *value = a->version == 2 && a->has_fill ? a->fill : NULL;
    const json_t *stored = json_object_get(a->attrs, "_FillValue");
    if (!value && stored) {
        void *item = cr_arena_alloc(&o->f->arena, a->itemsize);
        if (!item)
            return no_room(err);
        value = fill_attr_v3(stored, a->dtype, item) ? item : NULL;
    }
    if (!value)
        return CR_OK;
    cr_attr *at = (cr_attr *)cr_attr_find(attrs, *n, "_FillValue");
    at = at ? at : &attrs[(*n)++];
    *at = (cr_attr){"_FillValue", a->dtype, 1, value};
    return CR_OK;
}

/* ---- dimensions ---------------------------------------------------------------------------------------------------------------- */

static cr_status add_dim(opener *o, const char *name, int64_t length, const char **problem, cr_err *err) {
    cr_file *f = o->f;
    size_t known = (size_t)(uintptr_t)cr_map_get(&o->dims, name);
    if (known) {
        const cr_dim *d = &f->dims[known - 1];
        if (d->length != length && !*problem)
            *problem = cr_arena_printf(&f->arena, "its dimension \"%s\" has length %lld, but %lld in other variables", name,
                                           (long long)length, (long long)d->length);
        return CR_OK;
    }
    if (f->n_dims == o->cap_dims) {
        o->cap_dims = o->cap_dims ? o->cap_dims * 2 : 16;
        cr_dim *more = cr_arena_calloc(&f->arena, (size_t)o->cap_dims, sizeof *more);
        if (!more)
            return no_room(err);
        if (f->n_dims)
            memcpy(more, f->dims, (size_t)f->n_dims * sizeof *more);
        f->dims = more;
    }
    f->dims[f->n_dims++] = (cr_dim){name, length, false};
    return cr_map_set(&o->dims, name, (void *)(uintptr_t)f->n_dims, err);
}

/* ---- variables ------------------------------------------------------------------------------------------------------------------ */

static cr_status read_strings(void *user, cr_arena *arena, const char ***ret, int64_t *ret_n, cr_err *err) {
    const text_state *t = user;
    return cr_zarr_strings(t->store, t->array, t->meta_key, arena, ret, ret_n, err);
}

/* The key whose replacement means that the array changed: its own metadata, or the consolidated ones. */
static cr_status meta_key_of(opener *o, const char *node, const char **ret, cr_err *err) {
    char key[CR_STORE_KEY_MAX + 1];
    cr_store_info info;
    CR_TRY(join(node, o->version == 3 ? "zarr.json" : ".zarray", key, err));
    if (cr_store_stat(o->store, key, &info, NULL) != CR_OK)
        snprintf(key, sizeof key, "%s", o->version == 3 ? "zarr.json" : ".zmetadata");
    *ret = cr_arena_strdup(&o->f->arena, key);
    return *ret ? CR_OK : no_room(err);
}

static cr_status describe(opener *o, const char *name, const cr_zarr_array *a, cr_variable *v, cr_err *err) {
    cr_arena *arena = &o->f->arena;
    char text[256], *compression = NULL;
    cr_attr *attrs = NULL;
    int n = 0;
    cr_codec_chain_text(&a->chain, text, sizeof text);
    compression = cr_arena_printf(arena, "%s%s%s", a->sharded ? "sharded" : "", a->sharded && *text ? ", " : "", text);
    int64_t *shape = cr_arena_calloc(arena, (size_t)a->ndim, sizeof *shape), *chunks = cr_arena_calloc(arena, (size_t)a->ndim, sizeof *chunks);
    if (!shape || !chunks || !compression)
        return no_room(err);
    memcpy(shape, a->shape, sizeof *shape * (size_t)a->ndim);
    memcpy(chunks, a->chunk, sizeof *chunks * (size_t)a->ndim);
    int64_t *shards = a->sharded ? cr_arena_calloc(arena, (size_t)a->ndim, sizeof *shards) : NULL;
    if (a->sharded && !shards)
        return no_room(err);
    if (shards)
        memcpy(shards, a->stored, sizeof *shards * (size_t)a->ndim);
    CR_TRY(convert_attrs(o, a->attrs, 1, &attrs, &n, err));
    bool is_text = a->text != CR_ZARR_NOT_TEXT;
    *v = (cr_variable){
        .name = name, .dtype = is_text ? CR_STRING : a->dtype, .itemsize = is_text ? 0 : a->itemsize, .ndim = a->ndim, .shape = shape,
        .dims = a->dims, .chunks = chunks, .has_fill = a->has_fill, .fill = is_text ? NULL : a->fill, .compression = compression,
        .problem = a->problem, .shards = shards, .text_width = a->text == CR_ZARR_UTF32 ? (int)(a->itemsize / 4) : 0,
    };
    if (!a->problem)
        CR_TRY(typed_fill(o, a, v, attrs, &n, err));
    v->attrs = attrs;
    v->n_attrs = n;
    for (int i = 0; i < a->ndim; i++)
        CR_TRY(add_dim(o, a->dims[i], a->shape[i], &v->problem, err));
    return CR_OK;
}

/* How its values are read. What cannot be read for its size alone is a problem of this variable. */
static cr_status attach(opener *o, const cr_zarr_array *a, cr_model_variable *v, cr_err *err) {
    const char *meta_key = NULL;
    cr_err local = CR_ERR_INIT;
    if (v->pub.problem)
        return CR_OK;
    CR_TRY(meta_key_of(o, a->key, &meta_key, err));
    if (a->text != CR_ZARR_NOT_TEXT) {
        cr_zarr_array *kept = cr_arena_alloc(&o->f->arena, sizeof *kept);
        text_state *t = cr_arena_alloc(&o->f->arena, sizeof *t);
        if (!kept || !t)
            return no_room(err);
        *kept = *a;
        kept->attrs = NULL;
        *t = (text_state){o->store, kept, meta_key};
        v->read_strings = read_strings;
        v->user = t;
        if (a->text != CR_ZARR_UTF32)
            return CR_OK;
    }
    cr_status status = cr_zarr_source(o->store, a, meta_key, &v->source, &local);
    if (status == CR_LIMIT || status == CR_UNSUPPORTED) {
        v->pub.problem = cr_arena_strdup(&o->f->arena, local.message);
        return v->pub.problem ? CR_OK : no_room(err);
    }
    if (status != CR_OK && err)
        *err = local;
    return status;
}

static cr_status add_variable(opener *o, const char *node, const char *name, const json_t *array, const json_t *attrs, cr_err *err) {
    cr_file *f = o->f;
    cr_zarr_array a;
    cr_status status = o->version == 3 ? cr_zarr_parse_v3(node, array, &f->arena, &a, err)
                                       : cr_zarr_parse_v2(node, array, attrs, &f->arena, &a, err);
    if (status != CR_OK) {
        cr_err_context(err, "array \"%s\"", *node ? node : "/");
        return status;
    }
    if ((size_t)f->n_variables == o->cap_variables) {
        o->cap_variables = o->cap_variables ? o->cap_variables * 2 : 16;
        cr_model_variable *more = cr_arena_calloc(&f->arena, o->cap_variables, sizeof *more);
        if (!more)
            return no_room(err);
        if (f->n_variables)
            memcpy(more, f->variables, (size_t)f->n_variables * sizeof *more);
        f->variables = more;
    }
    cr_model_variable *v = &f->variables[f->n_variables++];
    const char *own = cr_text8(&f->arena, name, strlen(name));
    if (!own)
        return no_room(err);
    CR_TRY(describe(o, own, &a, &v->pub, err));
    return attach(o, &a, v, err);
}

static cr_status add_group(opener *o, const char *name, size_t n, cr_err *err) {
    cr_file *f = o->f;
    char *own = cr_text8(&f->arena, name, n);
    if (!own)
        return no_room(err);
    if (cr_map_get(&o->groups, own))
        return CR_OK;
    if ((size_t)f->n_groups == o->cap_groups) {
        o->cap_groups = o->cap_groups ? o->cap_groups * 2 : 16;
        const char **more = cr_arena_calloc(&f->arena, o->cap_groups, sizeof *more);
        if (!more)
            return no_room(err);
        if (f->n_groups)
            memcpy(more, f->groups, (size_t)f->n_groups * sizeof *more);
        f->groups = more;
    }
    f->groups[f->n_groups++] = own;
    return cr_map_set(&o->groups, own, own, err);
}

/* ---- the members of the group -------------------------------------------------------------------------------------------------- */

/* One child: an array becomes a variable, anything else that has metadata a group. */
static cr_status add_child(opener *o, const char *name, cr_err *err) {
    char node[CR_STORE_KEY_MAX + 1];
    cr_auto_json json_t *meta = NULL, *attrs = NULL;
    CR_TRY(join(o->group, name, node, err));
    if (o->version == 3) {
        CR_TRY(node_json(o, node, "", &meta, err));
        const char *type = cr_json_text(meta, "node_type", "");
        if (strcmp(type, "array") == 0)
            return add_variable(o, node, name, meta, NULL, err);
        if (meta && strcmp(type, "group") != 0)
            return CR_FAIL(err, CR_FORMAT, "\"%s\" is neither an array nor a group", node);
        return meta ? add_group(o, name, strlen(name), err) : CR_OK;
    }
    CR_TRY(node_json(o, node, ".zarray", &meta, err));
    if (!meta) {
        CR_TRY(node_json(o, node, ".zgroup", &meta, err));
        return meta ? add_group(o, name, strlen(name), err) : CR_OK;
    }
    CR_TRY(node_json(o, node, ".zattrs", &attrs, err));
    return add_variable(o, node, name, meta, attrs, err);
}

static cr_status list_store(opener *o, cr_err *err) {
    cr_auto_arena cr_arena names;
    cr_store_entry *entries = NULL;
    size_t n = 0;
    cr_arena_init(&names, o->f->arena.limit_bytes);
    CR_TRY(cr_store_list(o->store, o->group, MAX_CHILDREN, &names, &entries, &n, err));
    for (size_t i = 0; i < n; i++)
        if (entries[i].is_prefix && entries[i].name[0] != '.')
            CR_TRY(add_child(o, entries[i].name, err));
    return CR_OK;
}

/* Keys of the consolidated metadata: "a/.zarray" (v2) or "a" (v3) is a child, "a/b..." tells of a group "a". */
static cr_status list_consolidated(opener *o, cr_err *err) {
    size_t below = strlen(o->group), seen = 0;
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)o->consolidated, key, v) {
        if (below && (strncmp(key, o->group, below) != 0 || key[below] != '/'))
            continue;
        const char *name = below ? key + below + 1 : key, *slash = strchr(name, '/');
        size_t n = slash ? (size_t)(slash - name) : strlen(name);
        char copy[CR_STORE_KEY_MAX + 1];
        CR_TRY(cr_store_check_key(key, err));
        if (++seen > MAX_CHILDREN)
            return CR_FAIL(err, CR_LIMIT, "more than %d members", MAX_CHILDREN);
        memcpy(copy, name, n);
        copy[n] = 0;
        if (o->version == 3 ? !slash : slash && strcmp(slash, "/.zarray") == 0)
            CR_TRY(add_child(o, copy, err));
        else if (slash && strcmp(slash, "/.zattrs") != 0)
            CR_TRY(add_group(o, name, n, err));
    }
    return CR_OK;
}

/* The last name of the path, for an array that is the store itself. */
static const char *name_of_path(const char *path, char *out, size_t size) {
    size_t n = strlen(path);
    while (n > 0 && path[n - 1] == '/')
        n--;
    size_t start = n;
    while (start > 0 && path[start - 1] != '/')
        start--;
    snprintf(out, size, "%.*s", (int)CR_MIN(n - start, (size_t)250), path + start);
    char *dot = strstr(out, ".zarr");
    if (dot && dot > out)
        *dot = 0;
    return *out && strcmp(out, ".") != 0 && strcmp(out, "..") != 0 ? out : "array";
}

static cr_status open_node(opener *o, cr_err *err) {
    cr_auto_json json_t *meta = NULL, *attrs = NULL;
    char own[256];
    const char *leaf = strrchr(o->group, '/');
    leaf = leaf ? leaf + 1 : *o->group ? o->group : name_of_path(o->f->path, own, sizeof own);
    if (o->version == 3 && !*o->group)
        meta = json_incref(o->root);
    else
        CR_TRY(node_json(o, o->group, o->version == 3 ? "" : ".zarray", &meta, err));
    if (o->version == 2)
        CR_TRY(node_json(o, o->group, ".zattrs", &attrs, err));
    bool is_array = meta && (o->version == 2 || strcmp(cr_json_text(meta, "node_type", ""), "array") == 0);
    if (is_array)
        return add_variable(o, o->group, leaf, meta, attrs, err);
    if (o->version == 2)
        CR_TRY(node_json(o, o->group, ".zgroup", &meta, err));
    if (meta && !json_is_object(meta))
        return CR_FAIL(err, CR_FORMAT, "the metadata of the group are not a JSON object");
    const json_t *group_attrs = o->version == 3 ? json_object_get(meta, "attributes") : attrs;
    if (group_attrs && !json_is_object(group_attrs))
        return CR_FAIL(err, CR_FORMAT, "the attributes of the group are not a JSON object");
    CR_TRY(convert_attrs(o, group_attrs, 0, &o->f->attrs, &o->f->n_attrs, err));
    CR_TRY(o->consolidated ? list_consolidated(o, err) : list_store(o, err));
    if (!meta && *o->group && o->f->n_variables == 0 && o->f->n_groups == 0)
        return CR_FAIL(err, CR_NOT_FOUND, "there is no group \"%s\"", o->group);
    return CR_OK;
}

/* Which version the store has, and its consolidated metadata if there are any. */
static cr_status load_root(opener *o, cr_err *err) {
    json_t *member;
    int64_t version;
    cr_status status = read_json(o, "zarr.json", &o->root, err);
    if (status == CR_OK) {
        o->version = 3;
        if (!json_is_object(o->root))
            return CR_FAIL(err, CR_FORMAT, "zarr.json is not a JSON object");
        CR_TRY(cr_json_int(o->root, "zarr_format", 3, 3, 0, &version, err));
        member = json_object_get(json_object_get(o->root, "consolidated_metadata"), "metadata");
        o->consolidated = json_is_object(member) ? member : NULL;
        return CR_OK;
    }
    if (status != CR_NOT_FOUND)
        return status;
    o->version = 2;
    status = read_json(o, ".zmetadata", &o->root, err);
    if (status == CR_NOT_FOUND)
        return CR_OK;
    CR_TRY(status);
    member = json_object_get(o->root, "metadata");
    if (json_object_get(o->root, "record_size")) {
        status = CR_FAIL(err, CR_UNSUPPORTED, "these are kerchunk's references in Parquet, which cannot be read");
        cr_err_hint(err, "write them as JSON: fsspec's ReferenceFileSystem does so with save_json()");
        return status;
    }
    if (!json_is_object(member))
        return CR_FAIL(err, CR_FORMAT, ".zmetadata has no object \"metadata\"");
    o->consolidated = member;
    return CR_OK;
}

/* ---- the format ------------------------------------------------------------------------------------------------------------------ */

static bool zarr_probe(const char *path, bool is_dir, const unsigned char *head, size_t n) {
    static const char *const marks[] = {"zarr.json", ".zgroup", ".zarray", ".zmetadata", ".zattrs"};
    char name[4096];
    for (size_t i = 0; is_dir && i < CR_ARRAY_LEN(marks); i++)
        if ((size_t)snprintf(name, sizeof name, "%s/%s", path, marks[i]) < sizeof name && access(name, F_OK) == 0)
            return true;
    return false;
}

static void zarr_close(cr_file *f) { cr_store_unref(f->state); }

static cr_status normal_group(const char *group, cr_arena *arena, const char **ret, cr_err *err) {
    const char *from = group ? group + strspn(group, "/") : "";
    size_t n = strlen(from);
    while (n > 0 && from[n - 1] == '/')
        n--;
    *ret = cr_arena_strndup(arena, from, n);
    if (!*ret)
        return no_room(err);
    return n ? cr_store_check_key(*ret, err) : CR_OK;
}

cr_status cr_zarr_open_store(cr_store *store, const cr_open_options *options, cr_file *f, cr_err *err) {
    opener o = {.store = store, .f = f, .bytes_left = f->arena.limit_bytes};
    f->state = cr_store_ref(store);
    f->close = zarr_close;
    CR_TRY(normal_group(options->group, &f->arena, &o.group, err));
    cr_map_init(&o.dims, MAX_DIMS);
    cr_map_init(&o.groups, MAX_CHILDREN);
    cr_status status = load_root(&o, err);
    f->format = o.version == 3 ? "zarr3" : "zarr2";
    if (status == CR_OK)
        status = open_node(&o, err);
    json_decref(o.root);
    cr_map_done(&o.dims);
    cr_map_done(&o.groups);
    return status;
}

static cr_status zarr_open(const char *path, const cr_open_options *options, cr_file *f, cr_err *err) {
    cr_store *store = NULL;
    CR_TRY(cr_store_open_dir(path, false, &store, err));
    cr_status status = cr_zarr_open_store(store, options, f, err);
    cr_store_unref(store);
    return status;
}

const cr_format cr_format_zarr = {"zarr", zarr_probe, zarr_open};
