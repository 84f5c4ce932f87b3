/* hdf5_netcdf4.c - opening an HDF5 file as NetCDF-4: from what the scan found to the model behind cr_file. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "engine/format/hdf5_heap.h"
#include "engine/format/hdf5_netcdf4.h"

enum { MAX_PATH_GROUPS = 32 };
/* Comparing every unlabelled axis with every dimension could take forever in a file made for that. */
static const int64_t MAX_PHONY_COMPARISONS = 50000000;

typedef struct strings_state {             /* a variable of strings: its descriptors */
    struct strings_state *next;
    cr_source *descriptors;
} strings_state;

typedef struct builder {
    nc_scan *s;
    cr_file *f;
    const char *prefix;                    /* path of the opened group, ending in "/" */
    int group;                             /* its number on the path */
    int64_t comparisons;
    int n_phony;
} builder;

static void close_state(cr_file *f) {
    for (strings_state *i = f->state; i; i = i->next)
        cr_source_unref(i->descriptors);
    f->state = NULL;
}

static cr_status read_strings(void *user, cr_arena *arena, const char ***ret, int64_t *ret_n, cr_err *err) {
    return h5_strings_read(((strings_state *)user)->descriptors, arena, ret, ret_n, err);
}

/* ---- dimensions ------------------------------------------------------------------------------------------------- */

/* A dimension of the opened group that fits an axis without a label and is not yet used by the variable, or a new one. */
static cr_status phony_dim(builder *b, const h5_space *space, int axis, const int *used, int *ret_dim, cr_err *err) {
    nc_scan *s = b->s;
    bool unlimited = space->most[axis] < 0;
    for (int i = 0; i < s->n_dims; i++) {
        if (++b->comparisons > MAX_PHONY_COMPARISONS)
            return CR_FAIL(err, CR_LIMIT, "too many dimensions without names");
        if (s->dims[i].group != b->group || s->dims[i].length != space->shape[axis] || s->dims[i].unlimited != unlimited)
            continue;
        bool taken = false;
        for (int k = 0; k < axis; k++)
            taken = taken || used[k] == i;
        if (!taken) {
            *ret_dim = i;
            return CR_OK;
        }
    }
    if (s->n_dims == s->cap_dims) {
        nc_dim *grown;
        int cap = s->cap_dims ? s->cap_dims * 2 : 16;
        CR_TRY(h5_alloc(s->x->temp, (size_t)cap, sizeof *grown, &grown, err));
        if (s->n_dims)
            memcpy(grown, s->dims, (size_t)s->n_dims * sizeof *grown);
        s->dims = grown;
        s->cap_dims = cap;
    }
    const char *name = cr_arena_printf(&b->f->arena, "phony_dim_%" PRId64, s->next_id);
    if (!name)
        return CR_FAIL(err, CR_LIMIT, "the metadata needs more than %zu bytes", b->f->arena.limit_bytes);
    *ret_dim = s->n_dims;
    s->dims[s->n_dims++] = (nc_dim){name, H5_UNDEF, s->next_id++, space->shape[axis], unlimited, b->group, true};
    return CR_OK;
}

/* The dimensions of a variable and its shape: longer than stored where an unlimited dimension is. */
static cr_status set_dims(builder *b, const nc_var *v, cr_variable *pub, cr_err *err) {
    const h5_space *space = &v->dataset.space;
    int64_t *shape;
    const char **names;
    int used[CR_MAX_DIMS];
    CR_TRY(h5_alloc(&b->f->arena, (size_t)CR_MAX(space->ndim, 1), sizeof *shape, &shape, err));
    CR_TRY(h5_alloc(&b->f->arena, (size_t)CR_MAX(space->ndim, 1), sizeof *names, &names, err));
    for (int i = 0; i < space->ndim; i++) {
        int d = nc_var_dim(b->s, v, i);
        if (d < 0)
            CR_TRY(phony_dim(b, space, i, used, &d, err));
        nc_dim *dim = &b->s->dims[d];
        used[i] = d;
        dim->used = true;
        names[i] = dim->name;
        shape[i] = space->shape[i];
        if (dim->length == shape[i])
            continue;
        shape[i] = dim->length;
        if (!dim->unlimited || dim->length < space->shape[i] || v->dataset.layout.class != H5_CHUNKED)
            pub->problem = "its shape does not agree with the length of its dimensions";
    }
    pub->ndim = space->ndim;
    pub->shape = shape;
    pub->dims = names;
    return CR_OK;
}

static int by_id(const void *a, const void *b) {
    const nc_dim *x = a, *y = b;
    if (x->group != y->group)              /* those of the opened group first, then inherited ones */
        return y->group - x->group;
    return (x->id > y->id) - (x->id < y->id);
}

static cr_status publish_dims(builder *b, cr_err *err) {
    nc_scan *s = b->s;
    cr_dim *dims;
    int n = 0;
    if (s->n_dims)
        qsort(s->dims, (size_t)s->n_dims, sizeof *s->dims, by_id);
    CR_TRY(h5_alloc(&b->f->arena, (size_t)CR_MAX(s->n_dims, 1), sizeof *dims, &dims, err));
    for (int i = 0; i < s->n_dims; i++)
        if (s->dims[i].group == b->group || s->dims[i].used)
            dims[n++] = (cr_dim){s->dims[i].name, s->dims[i].length, s->dims[i].unlimited};
    b->f->dims = dims;
    b->f->n_dims = n;
    return CR_OK;
}

/* ---- variables -------------------------------------------------------------------------------------------------- */

static cr_status set_source(builder *b, const nc_var *v, cr_model_variable *m, cr_err *err) {
    const h5_dataset *d = &v->dataset;
    cr_source *source;
    char path[1024];
    snprintf(path, sizeof path, "%s%s", b->prefix, v->name);
    cr_status status = h5_source_new(b->s->x->file, d, m->pub.shape, m->pub.fill, path, &source, err);
    if (status == CR_LIMIT || status == CR_UNSUPPORTED) {
        m->pub.problem = "it is stored in chunks larger than are supported";
        return CR_OK;
    }
    CR_TRY(status);
    if (d->type.dtype != CR_STRING) {
        m->source = source;
        return CR_OK;
    }
    strings_state *state = cr_arena_alloc(&b->f->arena, sizeof *state);
    if (!state) {
        cr_source_unref(source);
        return CR_FAIL(err, CR_LIMIT, "the metadata needs more than %zu bytes", b->f->arena.limit_bytes);
    }
    *state = (strings_state){b->f->state, source};
    b->f->state = state;
    m->read_strings = read_strings;
    m->user = state;
    return CR_OK;
}

static uint64_t known_bytes(const h5_dataset *d) {
    if (d->layout.class == H5_COMPACT)
        return h5_left(&d->layout.bytes);
    if (d->layout.class == H5_CONTIGUOUS)
        return d->layout.addr == H5_UNDEF || d->layout.problem ? 0 : (uint64_t)d->space.n * d->type.size;
    if (d->layout.class == H5_CHUNKED && d->layout.index == H5_INDEX_SINGLE && d->layout.addr != H5_UNDEF && d->layout.single_filtered)
        return d->layout.single_size;
    return 0;
}

static cr_status publish_variable(builder *b, const nc_var *v, cr_model_variable *m, cr_err *err) {
    const h5_dataset *d = &v->dataset;
    cr_arena *arena = &b->f->arena;
    cr_variable *pub = &m->pub;
    cr_attr *attrs;
    void *fill;
    pub->name = v->name;
    pub->dtype = d->type.dtype == CR_DTYPE_COUNT ? CR_BYTES : d->type.dtype;
    pub->itemsize = d->type.dtype == CR_STRING ? 0 : d->type.size;
    CR_TRY(set_dims(b, v, pub, err));
    if (d->problem)
        pub->problem = d->problem;
    CR_TRY(nc_attrs(b->s->x, v->attrs, v->n_attrs, &attrs, &pub->n_attrs, err));
    pub->attrs = attrs;
    CR_TRY(h5_dataset_compression(d, arena, &pub->compression, err));
    CR_TRY(h5_dataset_fill(d, arena, &fill, err));
    pub->has_fill = d->fill.defined && fill && d->type.dtype != CR_STRING;
    pub->fill = pub->has_fill ? fill : NULL;
    pub->stored_bytes = known_bytes(d);
    if (d->layout.class == H5_CHUNKED && d->layout.ndim == d->space.ndim) {
        int64_t *chunks;
        CR_TRY(h5_alloc(arena, (size_t)CR_MAX(d->layout.ndim, 1), sizeof *chunks, &chunks, err));
        memcpy(chunks, d->layout.chunk, (size_t)d->layout.ndim * sizeof *chunks);
        pub->chunks = chunks;
    }
    return pub->problem ? CR_OK : set_source(b, v, m, err);
}

static cr_status publish_variables(builder *b, cr_err *err) {
    nc_scan *s = b->s;
    int n = 0;
    for (int i = 0; i < s->n_vars; i++)
        n += s->vars[i].group == b->group && !s->vars[i].dim_only;
    CR_TRY(h5_alloc(&b->f->arena, (size_t)CR_MAX(n, 1), sizeof *b->f->variables, &b->f->variables, err));
    for (int i = 0; i < s->n_vars; i++) {
        const nc_var *v = &s->vars[i];
        if (v->group != b->group || v->dim_only)
            continue;
        cr_status status = publish_variable(b, v, &b->f->variables[b->f->n_variables], err);
        b->f->n_variables++;               /* counted also on failure, so that closing finds its source */
        if (status != CR_OK) {
            cr_err_context(err, "in variable \"%s\"", v->name);
            return status;
        }
    }
    return CR_OK;
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

/* The groups from the root to the one that is opened. */
static cr_status find_path(nc_scan *s, const char *group, uint64_t path[MAX_PATH_GROUPS], int *ret_n, cr_err *err) {
    int n = 0;
    path[n++] = s->root;
    for (const char *p = group ? group : ""; ; ) {
        p += strspn(p, "/");
        size_t len = strcspn(p, "/");
        if (len == 0)
            break;
        h5_object o;
        h5_group g;
        char *name = cr_arena_strndup(s->x->temp, p, len);
        if (!name || n == MAX_PATH_GROUPS)
            return CR_FAIL(err, CR_LIMIT, "the path of the group \"%s\" is too long", group);
        CR_TRY(h5_object_load(s->x, path[n - 1], &o, err));
        CR_TRY(h5_group_load(s->x, &o, &g, err));
        const h5_link *link = h5_group_find(&g, name);
        uint64_t addr = H5_UNDEF;
        if (link)
            CR_TRY(h5_link_follow(s->x, s->root, path[n - 1], link, &addr, err));
        if (addr != H5_UNDEF)
            CR_TRY(h5_object_load(s->x, addr, &o, err));
        if (addr == H5_UNDEF || !h5_is_group(&o))
            return CR_FAIL(err, CR_NOT_FOUND, "there is no group \"%s\"", group);
        path[n++] = addr;
        p += len;
    }
    *ret_n = n;
    return CR_OK;
}

static cr_status publish_group(builder *b, uint64_t addr, cr_err *err) {
    h5_object o;
    h5_attr *attrs;
    int n;
    nc_scan *s = b->s;
    CR_TRY(h5_object_load(s->x, addr, &o, err));
    CR_TRY(h5_attrs_load(s->x, &o, &attrs, &n, err));
    CR_TRY(nc_attrs(s->x, attrs, n, &b->f->attrs, &b->f->n_attrs, err));
    CR_TRY(h5_alloc(&b->f->arena, (size_t)CR_MAX(s->n_groups, 1), sizeof *b->f->groups, &b->f->groups, err));
    for (int i = 0; i < s->n_groups; i++)
        b->f->groups[i] = s->groups[i];
    b->f->n_groups = s->n_groups;
    CR_TRY(publish_variables(b, err));
    return publish_dims(b, err);
}

/* "/" or "/a/b/", however it was written. */
static const char *group_prefix(cr_arena *arena, const char *group) {
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, 65536);
    cr_buf_addc(&text, '/');
    for (const char *p = group ? group : ""; *p;) {
        p += strspn(p, "/");
        size_t n = strcspn(p, "/");
        cr_buf_add(&text, p, n);
        cr_buf_adds(&text, n ? "/" : "");
        p += n;
    }
    return cr_arena_strdup(arena, cr_buf_str(&text));
}

static cr_status build(h5_ctx *x, const cr_open_options *options, cr_file *f, cr_err *err) {
    uint64_t extension, path[MAX_PATH_GROUPS];
    int n_path = 0;
    nc_scan s = {.x = x};
    CR_TRY(h5_superblock_read(x->file, &s.root, &extension, err));
    if (extension != H5_UNDEF)
        CR_TRY(h5_sohm_load(x, extension, err));
    CR_TRY(find_path(&s, options->group, path, &n_path, err));
    for (int i = 0; i < n_path; i++)
        CR_TRY(nc_scan_group(&s, path[i], i, i == n_path - 1, err));
    CR_TRY(nc_index_dims(&s, err));
    CR_TRY(nc_measure_unlimited(&s, path, n_path, err));
    builder b = {.s = &s, .f = f, .prefix = group_prefix(x->temp, options->group), .group = n_path - 1};
    if (!b.prefix)
        return CR_FAIL(err, CR_LIMIT, "the path of the group is too long");
    return publish_group(&b, path[n_path - 1], err);
}

static cr_status open_netcdf4(const char *path, const cr_open_options *options, cr_file *f, cr_err *err) {
    h5_file *file;
    cr_auto_arena cr_arena temp;
    cr_arena_init(&temp, f->arena.limit_bytes);
    CR_TRY(h5_file_open(path, options->reader, f->arena.limit_bytes, &file, err));
    f->close = close_state;
    h5_ctx x = {.file = file, .keep = &f->arena, .temp = &temp};
    cr_status status = build(&x, options, f, err);
    h5_file_unref(file);                   /* sources hold their own references */
    return status;
}

/* The signature may lie behind a user block, at 512 or any power of two after; further than the bytes at hand is not looked. */
static bool probe(const char *path, bool is_dir, const unsigned char *head, size_t n) {
    for (size_t at = 0; !is_dir && at + 8 <= n; at = at ? at * 2 : 512)
        if (memcmp(head + at, "\x89HDF\r\n\x1a\n", 8) == 0)
            return true;
    return false;
}

const cr_format cr_format_hdf5 = {"netcdf4", probe, open_netcdf4, true};
