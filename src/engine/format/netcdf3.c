/* netcdf3.c - the header of a NetCDF classic file: dimensions, attributes, variables and where they lie. */
#include "engine/format/netcdf3.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/text.h"
#include "engine/codec/order.h"
#include "engine/format/text8.h"

enum { TAG_DIMENSION = 0x0A, TAG_VARIABLE = 0x0B, TAG_ATTRIBUTE = 0x0C };
enum { NC_CHAR = 2, LAST_CLASSIC_TYPE = 6, LAST_CDF5_TYPE = 11, MAX_NAME_BYTES = 65536, READ_BYTES = 65536 };

/* External types, by nc_type. */
static const cr_dtype types[LAST_CDF5_TYPE + 1] = {
    [1] = CR_I8,  [NC_CHAR] = CR_BYTES, [3] = CR_I16, [4] = CR_I32,  [5] = CR_F32, [6] = CR_F64,
    [7] = CR_U8,  [8] = CR_U16,         [9] = CR_U32, [10] = CR_I64, [11] = CR_U64,
};

/* Reads the header from the front, block by block as it is needed. */
typedef struct cursor {
    cr_netcdf3_file *nc;
    cr_file *f;
    cr_buf bytes;                 /* the file from offset 0 on */
    size_t at;
    int version;                  /* 1, 2 or 5 */
    uint64_t n_records;
} cursor;

static cr_status need(cursor *c, uint64_t n, cr_err *err) {
    uint64_t end;
    if (__builtin_add_overflow((uint64_t)c->at, n, &end) || end > c->nc->size)
        return CR_FAIL(err, CR_FORMAT, "the header claims %llu more bytes at offset %zu; the file has %llu in all", (unsigned long long)n,
                       c->at, (unsigned long long)c->nc->size);
    while (c->bytes.len < end) {
        size_t want = (size_t)CR_MIN(CR_MAX(end - c->bytes.len, (uint64_t)READ_BYTES), c->nc->size - c->bytes.len);
        char *p = cr_buf_reserve(&c->bytes, want);
        if (!p)
            return CR_FAIL(err, CR_LIMIT, "the header is larger than the metadata limit of %zu bytes", c->bytes.max);
        CR_TRY(cr_held_read(c->nc->held, c->bytes.len, p, want, err));
        cr_buf_advance(&c->bytes, want);
    }
    return CR_OK;
}

static cr_status get_u32(cursor *c, uint32_t *ret, cr_err *err) {
    CR_TRY(need(c, 4, err));
    uint32_t v;
    memcpy(&v, c->bytes.data + c->at, 4);
    *ret = __builtin_bswap32(v);
    c->at += 4;
    return CR_OK;
}

static cr_status get_u64(cursor *c, uint64_t *ret, cr_err *err) {
    uint32_t high = 0, low = 0;
    CR_TRY(get_u32(c, &high, err));
    CR_TRY(get_u32(c, &low, err));
    *ret = (uint64_t)high << 32 | low;
    return CR_OK;
}

/* A count: 4 bytes, in CDF-5 8 bytes; never negative. */
static cr_status get_count(cursor *c, uint64_t *ret, cr_err *err) {
    uint64_t v = 0;
    size_t where = c->at;
    if (c->version == 5) {
        CR_TRY(get_u64(c, &v, err));
    } else {
        uint32_t v32 = 0;
        CR_TRY(get_u32(c, &v32, err));
        v = v32;
    }
    if (v > (c->version == 5 ? (uint64_t)INT64_MAX : (uint64_t)INT32_MAX))
        return CR_FAIL(err, CR_FORMAT, "a negative count at offset %zu of the header", where);
    *ret = v;
    return CR_OK;
}

/* A list: tag and number of entries, both 0 when absent. Each entry takes at least min_bytes. */
static cr_status get_list(cursor *c, uint32_t tag, size_t min_bytes, int *ret_n, cr_err *err) {
    uint32_t found = 0;
    uint64_t n = 0;
    size_t where = c->at;
    CR_TRY(get_u32(c, &found, err));
    CR_TRY(get_count(c, &n, err));
    if (found != tag && !(found == 0 && n == 0))
        return CR_FAIL(err, CR_FORMAT, "list tag %u at offset %zu of the header; %u was expected", found, where, tag);
    if (n > (c->nc->size - c->at) / min_bytes || n > INT32_MAX / 2)
        return CR_FAIL(err, CR_FORMAT, "a list of %llu entries at offset %zu of the header cannot fit the file", (unsigned long long)n,
                       where);
    *ret_n = (int)n;
    return CR_OK;
}

static cr_status no_room(cr_err *err) { return CR_FAIL(err, CR_LIMIT, "the metadata are larger than their limit"); }

/* n bytes and their padding to a multiple of 4; the pointer is good until the next read. */
static cr_status get_padded(cursor *c, uint64_t n, const char **ret, cr_err *err) {
    uint64_t padded = n + (4 - n % 4) % 4;
    /* A writer may leave the last padding out at the end of the file. */
    CR_TRY(need(c, c->nc->size - c->at < padded ? n : padded, err));
    *ret = c->bytes.data + c->at;
    c->at += (size_t)CR_MIN(padded, c->nc->size - c->at);
    return CR_OK;
}

static cr_status get_name(cursor *c, const char **ret, cr_err *err) {
    uint64_t n = 0;
    const char *p = NULL;
    size_t where = c->at;
    CR_TRY(get_count(c, &n, err));
    if (n == 0 || n > MAX_NAME_BYTES)
        return CR_FAIL(err, CR_FORMAT, "a name of %llu bytes at offset %zu of the header", (unsigned long long)n, where);
    CR_TRY(get_padded(c, n, &p, err));
    char *name = cr_text8(&c->f->arena, p, (size_t)n);
    if (!name)
        return no_room(err);
    if (!*name)
        return CR_FAIL(err, CR_FORMAT, "an empty name at offset %zu of the header", where);
    *ret = name;
    return CR_OK;
}

static cr_status get_type(cursor *c, uint32_t *ret_type, cr_err *err) {
    uint32_t t = 0;
    CR_TRY(get_u32(c, &t, err));
    if (t < 1 || t > (uint32_t)(c->version == 5 ? LAST_CDF5_TYPE : LAST_CLASSIC_TYPE))
        return CR_FAIL(err, CR_FORMAT, "data type %u at offset %zu of the header does not exist", t, c->at - 4);
    *ret_type = t;
    return CR_OK;
}

static cr_status get_attr(cursor *c, cr_attr *a, cr_err *err) {
    uint32_t type = 0;
    uint64_t n = 0, bytes = 0;
    const char *p = NULL;
    CR_TRY(get_name(c, &a->name, err));
    CR_TRY(get_type(c, &type, err));
    CR_TRY(get_count(c, &n, err));
    size_t width = cr_codec_item_bytes(types[type]);
    if (__builtin_mul_overflow(n, (uint64_t)width, &bytes) || bytes > c->nc->size)
        return CR_FAIL(err, CR_FORMAT, "attribute \"%s\" claims %llu values", a->name, (unsigned long long)n);
    CR_TRY(get_padded(c, bytes, &p, err));
    if (type == NC_CHAR) {
        const char **text = cr_arena_alloc(&c->f->arena, sizeof *text);
        char *copy = text ? cr_text8(&c->f->arena, p, (size_t)n) : NULL;
        if (!copy)
            return no_room(err);
        *text = copy;
        a->dtype = CR_STRING;
        a->n = 1;
        a->values = text;
        return CR_OK;
    }
    void *values = cr_arena_alloc(&c->f->arena, (size_t)bytes);
    if (!values)
        return no_room(err);
    if (bytes)
        memcpy(values, p, (size_t)bytes);
    cr_byteswap(values, (size_t)n, width);
    a->dtype = types[type];
    a->n = (int64_t)n;
    a->values = values;
    return CR_OK;
}

static cr_status get_attrs(cursor *c, const cr_attr **ret_attrs, int *ret_n, cr_err *err) {
    int n = 0;
    CR_TRY(get_list(c, TAG_ATTRIBUTE, 12, &n, err));
    cr_attr *attrs = cr_arena_calloc(&c->f->arena, (size_t)n, sizeof *attrs);
    if (!attrs)
        return no_room(err);
    for (int i = 0; i < n; i++)
        CR_TRY(get_attr(c, &attrs[i], err));
    *ret_attrs = attrs;
    *ret_n = n;
    return CR_OK;
}

static cr_status get_dims(cursor *c, cr_err *err) {
    int n = 0, unlimited = 0;
    CR_TRY(get_list(c, TAG_DIMENSION, 8, &n, err));
    c->f->dims = cr_arena_calloc(&c->f->arena, (size_t)n, sizeof *c->f->dims);
    if (!c->f->dims)
        return no_room(err);
    for (int i = 0; i < n; i++) {
        cr_dim *d = &c->f->dims[i];
        uint64_t length = 0;
        CR_TRY(get_name(c, &d->name, err));
        CR_TRY(get_count(c, &length, err));
        d->length = (int64_t)length;
        d->unlimited = length == 0;
        unlimited += d->unlimited;
    }
    if (unlimited > 1)
        return CR_FAIL(err, CR_FORMAT, "%d record dimensions; a classic file has at most one", unlimited);
    c->f->n_dims = n;
    return CR_OK;
}

/* Names and ids of the axes. More axes than the engine has: the variable is described but not readable. */
static cr_status get_axes(cursor *c, cr_variable *v, cr_netcdf3_layout *l, cr_err *err) {
    uint64_t ndim = 0;
    CR_TRY(get_count(c, &ndim, err));
    if (ndim > (c->nc->size - c->at) / 4)
        return CR_FAIL(err, CR_FORMAT, "variable \"%s\" claims %llu dimensions", v->name, (unsigned long long)ndim);
    const char **names = cr_arena_calloc(&c->f->arena, (size_t)ndim, sizeof *names);
    int64_t *shape = cr_arena_calloc(&c->f->arena, (size_t)ndim, sizeof *shape);
    if (!names || !shape)
        return no_room(err);
    for (uint64_t i = 0; i < ndim; i++) {
        uint64_t id = 0;
        CR_TRY(get_count(c, &id, err));
        if (id >= (uint64_t)c->f->n_dims)
            return CR_FAIL(err, CR_FORMAT, "variable \"%s\" uses dimension %llu; there are %d", v->name, (unsigned long long)id,
                           c->f->n_dims);
        const cr_dim *d = &c->f->dims[id];
        if (d->unlimited && i > 0)
            return CR_FAIL(err, CR_FORMAT, "the record dimension is not the first one of variable \"%s\"", v->name);
        l->is_record |= d->unlimited;
        names[i] = d->name;
        shape[i] = d->length;      /* of the record dimension: set when the number of records is known */
    }
    v->dims = names;
    v->shape = shape;
    v->ndim = (int)ndim;
    return CR_OK;
}

static cr_status get_variable(cursor *c, cr_variable *v, cr_netcdf3_layout *l, cr_err *err) {
    uint32_t type = 0, begin32 = 0;
    uint64_t vsize = 0;
    CR_TRY(get_name(c, &v->name, err));
    CR_TRY(get_axes(c, v, l, err));
    CR_TRY(get_attrs(c, &v->attrs, &v->n_attrs, err));
    CR_TRY(get_type(c, &type, err));
    /* vsize is redundant, and wrong by design in large files: sizes are computed from the shape. */
    if (c->version == 5) {
        CR_TRY(get_u64(c, &vsize, err));
    } else {
        uint32_t v32;
        CR_TRY(get_u32(c, &v32, err));
    }
    if (c->version == 1) {
        CR_TRY(get_u32(c, &begin32, err));
        l->begin = begin32;
    } else {
        CR_TRY(get_u64(c, &l->begin, err));
    }
    if (l->begin > INT64_MAX)
        return CR_FAIL(err, CR_FORMAT, "variable \"%s\" begins at a negative offset", v->name);
    v->dtype = l->dtype = types[type];
    v->itemsize = l->width = cr_codec_item_bytes(types[type]);
    v->compression = "";
    return CR_OK;
}

/* Bytes of a fixed variable, or of one record of a record variable. */
static cr_status slab_bytes(const cr_variable *v, const cr_netcdf3_layout *l, uint64_t *ret, cr_err *err) {
    uint64_t bytes = l->width;
    for (int i = l->is_record; i < v->ndim; i++)
        if (__builtin_mul_overflow(bytes, (uint64_t)v->shape[i], &bytes) || bytes > INT64_MAX)
            return CR_FAIL(err, CR_FORMAT, "variable \"%s\" has more bytes than a file can have", v->name);
    *ret = bytes;
    return CR_OK;
}

/* How far apart records are, and how many there are when the writer did not say. */
static cr_status place_records(cursor *c, cr_netcdf3_layout *layouts, bool streaming, cr_err *err) {
    uint64_t step = 0, first = UINT64_MAX, bytes = 0, last = 0;
    int n_record = 0;
    for (int i = 0; i < c->f->n_variables; i++) {
        if (!layouts[i].is_record)
            continue;
        CR_TRY(slab_bytes(&c->f->variables[i].pub, &layouts[i], &bytes, err));
        n_record++;
        last = bytes;
        first = CR_MIN(first, layouts[i].begin);
        if (__builtin_add_overflow(step, bytes + (4 - bytes % 4) % 4, &step) || step > INT64_MAX)
            return CR_FAIL(err, CR_FORMAT, "one record has more bytes than a file can have");
    }
    if (n_record == 1)
        step = last;              /* the only record variable is not padded */
    if (streaming)
        c->n_records = n_record && step && c->nc->size > first ? (c->nc->size - first) / step : 0;
    for (int i = 0; i < c->f->n_dims; i++)
        if (c->f->dims[i].unlimited)
            c->f->dims[i].length = (int64_t)c->n_records;
    for (int i = 0; i < c->f->n_variables; i++)
        if (layouts[i].is_record)
            layouts[i].record_step = step;
    return CR_OK;
}

static cr_status finish_variable(cursor *c, cr_variable *v, cr_netcdf3_layout *l, cr_err *err) {
    uint64_t bytes = 0;
    CR_TRY(slab_bytes(v, l, &bytes, err));
    if (l->is_record)
        ((int64_t *)v->shape)[0] = (int64_t)c->n_records;
    v->stored_bytes = bytes;
    if (l->is_record && __builtin_mul_overflow(bytes, c->n_records, &v->stored_bytes))
        return CR_FAIL(err, CR_FORMAT, "variable \"%s\" has more bytes than a file can have", v->name);
    uint64_t end = 0;
    if (__builtin_mul_overflow(l->record_step, c->n_records, &end) || end > INT64_MAX - l->begin)
        return CR_FAIL(err, CR_FORMAT, "the records of variable \"%s\" end beyond what a file can have", v->name);
    const cr_attr *fill = cr_attr_find(v->attrs, v->n_attrs, "_FillValue");
    v->has_fill = fill && fill->n == 1 && fill->dtype == v->dtype;
    v->fill = v->has_fill ? fill->values : NULL;
    if (v->ndim > CR_MAX_DIMS) {
        v->problem = "it has more dimensions than are supported";
        return CR_OK;
    }
    l->ndim = v->ndim;
    for (int i = 0; i < v->ndim; i++)
        l->shape[i] = v->shape[i];
    return CR_OK;
}

static cr_status get_header(cursor *c, cr_netcdf3_layout **ret_layouts, cr_err *err) {
    cr_file *f = c->f;
    uint32_t magic = 0;
    CR_TRY(get_u32(c, &magic, err));
    c->version = magic & 0xff;
    if (magic >> 8 != 0x434446 || (c->version != 1 && c->version != 2 && c->version != 5))
        return CR_FAIL(err, CR_FORMAT, "not a NetCDF classic file");
    f->format = c->version == 1 ? "netcdf3" : c->version == 2 ? "netcdf3-64bit" : "netcdf5";
    uint32_t records32 = 0;
    bool streaming;
    if (c->version == 5) {
        CR_TRY(get_u64(c, &c->n_records, err));
        streaming = c->n_records == UINT64_MAX;
    } else {
        CR_TRY(get_u32(c, &records32, err));
        c->n_records = records32;
        streaming = records32 == UINT32_MAX;
    }
    if (!streaming && c->n_records > (c->version == 5 ? (uint64_t)INT64_MAX : (uint64_t)INT32_MAX))
        return CR_FAIL(err, CR_FORMAT, "a negative number of records");
    CR_TRY(get_dims(c, err));
    const cr_attr *attrs = NULL;
    CR_TRY(get_attrs(c, &attrs, &f->n_attrs, err));
    f->attrs = (cr_attr *)attrs;
    int n = 0;
    CR_TRY(get_list(c, TAG_VARIABLE, 28, &n, err));
    cr_netcdf3_layout *layouts = cr_arena_calloc(&f->arena, (size_t)n, sizeof *layouts);
    f->variables = cr_arena_calloc(&f->arena, (size_t)n, sizeof *f->variables);
    if (!layouts || !f->variables)
        return no_room(err);
    for (int i = 0; i < n; i++) {
        CR_TRY(get_variable(c, &f->variables[i].pub, &layouts[i], err));
        f->n_variables = i + 1;
    }
    CR_TRY(place_records(c, layouts, streaming, err));
    for (int i = 0; i < n; i++)
        CR_TRY(finish_variable(c, &f->variables[i].pub, &layouts[i], err));
    *ret_layouts = layouts;
    return CR_OK;
}

/* Of an open file into f (everything but the sources); layouts has f->n_variables entries, in f's arena. */
static cr_status parse_header(cr_netcdf3_file *nc, cr_file *f, cr_netcdf3_layout **ret_layouts, cr_err *err) {
    cursor c = {.nc = nc, .f = f};
    cr_buf_init(&c.bytes, f->arena.limit_bytes);
    cr_status status = get_header(&c, ret_layouts, err);
    cr_buf_done(&c.bytes);
    return status;
}

/* ---- the format ----------------------------------------------------------------------------------------------------- */

cr_netcdf3_file *cr_netcdf3_file_ref(cr_netcdf3_file *f) {
    __atomic_fetch_add(&f->refs, 1, __ATOMIC_RELAXED);
    return f;
}

void cr_netcdf3_file_unref(cr_netcdf3_file *f) {
    if (__atomic_fetch_sub(&f->refs, 1, __ATOMIC_ACQ_REL) != 1)
        return;
    cr_held_close(f->held);
    free(f);
}

static bool netcdf3_probe(const char *path, bool is_dir, const unsigned char *head, size_t n) {
    return !is_dir && n >= 4 && memcmp(head, "CDF", 3) == 0 && (head[3] == 1 || head[3] == 2 || head[3] == 5);
}

static cr_status netcdf3_open(const char *path, const cr_open_options *options, cr_file *f, cr_err *err) {
    const char *group = options->group ? options->group : "";
    if (group[strspn(group, "/")])
        return CR_FAIL(err, CR_NOT_FOUND, "there is no group \"%s\": NetCDF classic files have no groups", group);
    cr_netcdf3_file *nc = malloc(sizeof *nc);
    if (!nc)
        return CR_FAIL(err, CR_MEMORY, "no memory");
    *nc = (cr_netcdf3_file){.refs = 1};
    cr_status status = cr_held_open(path, &nc->held, err);
    nc->size = nc->held ? cr_held_size(nc->held) : 0;
    cr_netcdf3_layout *layouts = NULL;
    if (status == CR_OK)
        status = parse_header(nc, f, &layouts, err);
    for (int i = 0; status == CR_OK && i < f->n_variables; i++) {
        cr_model_variable *v = &f->variables[i];
        if (!v->pub.problem)
            status = cr_netcdf3_source(nc, &layouts[i], path, v->pub.name, &v->source, err);
    }
    cr_netcdf3_file_unref(nc);
    return status;
}

const cr_format cr_format_netcdf3 = {"netcdf3", netcdf3_probe, netcdf3_open};
