/* hdf5_dataset.c - from an object header to the description of a dataset. */
#include "engine/format/hdf5_dataset.h"

#include "base/buf.h"
#include "engine/codec/order.h"

/* ---- filters ---------------------------------------------------------------------------------------------------- */

/* The plug-in's parameters: two versions, item size, buffer size, level, shuffle, compressor. */
static cr_codec blosc_codec(const h5_filter *f) {
    static const char *const inner[] = {"blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd"};
    cr_codec c = {.id = CR_CODEC_BLOSC, .itemsize = 1, .level = 5, .blosc_shuffle = 1};
    if (f->n_values > 2)
        c.itemsize = (int)CR_MIN(CR_MAX(f->values[2], 1u), 255u);
    if (f->n_values > 4)
        c.level = (int)CR_MIN(f->values[4], 9u);
    if (f->n_values > 5)
        c.blosc_shuffle = (int)CR_MIN(f->values[5], 2u);
    const char *name = f->n_values > 6 && f->values[6] < CR_ARRAY_LEN(inner) ? inner[f->values[6]] : inner[0];
    memcpy(c.blosc_inner, name, strlen(name) + 1);
    return c;
}

static const char *filter_name(uint16_t id) {
    switch (id) {
    case H5_FILTER_SZIP: return "szip";
    case H5_FILTER_NBIT: return "nbit";
    case H5_FILTER_SCALEOFFSET: return "scaleoffset";
    case H5_FILTER_LZF: return "lzf";
    case H5_FILTER_LZ4: return "lz4";
    case H5_FILTER_BITSHUFFLE: return "bitshuffle";
    default: return NULL;
    }
}

static bool set_codec(const h5_filter *f, uint32_t itemsize, cr_codec *c) {
    uint32_t first = f->n_values > 0 ? f->values[0] : 0;
    switch (f->id) {
    case H5_FILTER_DEFLATE:
        *c = (cr_codec){.id = CR_CODEC_ZLIB, .level = (int)CR_MIN(first, 9u)};
        return true;
    case H5_FILTER_SHUFFLE:
        *c = (cr_codec){.id = CR_CODEC_SHUFFLE, .itemsize = (int)CR_MIN(f->n_values ? first : itemsize, (uint32_t)INT32_MAX)};
        return c->itemsize > 0;
    case H5_FILTER_FLETCHER32:
        *c = (cr_codec){.id = CR_CODEC_FLETCHER32};
        return true;
    case H5_FILTER_ZSTD:
        *c = (cr_codec){.id = CR_CODEC_ZSTD, .level = f->n_values ? (int)first : 3};
        return true;
    case H5_FILTER_BLOSC:
        *c = blosc_codec(f);
        return true;
    default:
        return false;
    }
}

static cr_status set_chain(h5_ctx *x, h5_dataset *d, cr_err *err) {
    const h5_pipeline *p = &d->pipeline;
    if (p->n > CR_CODEC_CHAIN_MAX) {
        d->problem = "it has more filters than are supported";
        return CR_OK;
    }
    for (int i = 0; i < p->n; i++) {
        if (set_codec(&p->filters[i], d->type.size, &d->chain.codecs[i]))
            continue;
        const char *name = filter_name(p->filters[i].id);
        char *text = name ? cr_arena_printf(x->keep, "the filter \"%s\" is not supported", name)
                          : cr_arena_printf(x->keep, "the filter with number %u is not supported", p->filters[i].id);
        d->problem = text ? text : "one of its filters is not supported";
        return CR_OK;
    }
    d->chain.n = p->n;
    return CR_OK;
}

cr_status h5_dataset_compression(const h5_dataset *d, cr_arena *arena, const char **ret_text, cr_err *err) {
    cr_auto_buf cr_buf b;
    cr_buf_init(&b, 1000);
    for (int pass = 0; pass < 2; pass++)   /* compressors first, then what prepares or checks */
        for (int i = 0; i < d->pipeline.n; i++) {
            const h5_filter *f = &d->pipeline.filters[i];
            bool helper = f->id == H5_FILTER_SHUFFLE || f->id == H5_FILTER_FLETCHER32;
            if (helper != (pass == 1))
                continue;
            cr_buf_adds(&b, b.len ? ", " : "");
            if (f->id == H5_FILTER_DEFLATE)
                cr_buf_addf(&b, "deflate %u", f->n_values ? f->values[0] : 0);
            else if (f->id == H5_FILTER_ZSTD)
                cr_buf_addf(&b, "zstd %d", f->n_values ? (int)f->values[0] : 3);
            else if (f->id == H5_FILTER_BLOSC)
                cr_buf_addf(&b, "blosc %s %d", blosc_codec(f).blosc_inner, blosc_codec(f).level);
            else if (helper)
                cr_buf_adds(&b, f->id == H5_FILTER_SHUFFLE ? "shuffle" : "fletcher32");
            else if (filter_name(f->id))
                cr_buf_adds(&b, filter_name(f->id));
            else
                cr_buf_addf(&b, "filter %u", f->id);
        }
    char *text = cr_arena_strdup(arena, cr_buf_str(&b));
    if (!text)
        return CR_FAIL(err, CR_LIMIT, "the metadata needs more than %zu bytes", arena->limit_bytes);
    *ret_text = text;
    return CR_OK;
}

/* ---- header ----------------------------------------------------------------------------------------------------- */

static cr_status need(h5_ctx *x, const h5_object *o, unsigned type, const char *name, h5_cur *ret_data, cr_err *err) {
    bool found;
    CR_TRY(h5_object_find(x, o, type, ret_data, &found, err));
    if (found)
        return CR_OK;
    return h5_damaged("object header", x->file->base + o->addr, err, __FILE__, __LINE__, "a dataset without a %s message", name);
}

static cr_status parse_fill(h5_ctx *x, const h5_object *o, h5_fill *ret_fill, cr_err *err) {
    h5_cur c;
    bool found;
    *ret_fill = (h5_fill){0};
    CR_TRY(h5_object_find(x, o, H5_MSG_FILL, &c, &found, err));
    if (found)
        return h5_fill_parse(&c, ret_fill, err);
    CR_TRY(h5_object_find(x, o, H5_MSG_FILL_OLD, &c, &found, err));
    return found ? h5_fill_parse_old(&c, ret_fill, err) : CR_OK;
}

/* What must hold between type, shape and layout before anything is read by them. */
static cr_status check_layout(h5_ctx *x, const h5_object *o, h5_dataset *d, cr_err *err) {
    h5_layout *l = &d->layout;
    uint64_t at = x->file->base + o->addr, bytes;
    if (__builtin_mul_overflow((uint64_t)d->space.n, (uint64_t)d->type.size, &bytes) || bytes > INT64_MAX)
        return h5_damaged("object header", at, err, __FILE__, __LINE__, "a dataset with more bytes than can be counted");
    if (l->class == H5_CONTIGUOUS && l->addr != H5_UNDEF && l->size < bytes)
        return h5_damaged("object header", at, err, __FILE__, __LINE__, "a dataset of %llu bytes in %llu bytes of storage",
                          (unsigned long long)bytes, (unsigned long long)l->size);
    if (l->class == H5_COMPACT && h5_left(&l->bytes) < bytes)
        return h5_damaged("object header", at, err, __FILE__, __LINE__, "a dataset of %llu bytes in %zu bytes of storage",
                          (unsigned long long)bytes, h5_left(&l->bytes));
    if (l->class != H5_CHUNKED)
        return CR_OK;
    if (l->ndim != d->space.ndim)
        return h5_damaged("object header", at, err, __FILE__, __LINE__, "a dataset of %d dimensions in chunks of %d", d->space.ndim, l->ndim);
    uint64_t chunk = d->type.size;
    for (int i = 0; i < l->ndim; i++)
        if (__builtin_mul_overflow(chunk, (uint64_t)l->chunk[i], &chunk) || chunk > UINT32_MAX)
            return h5_damaged("object header", at, err, __FILE__, __LINE__, "a chunk of more than 4 GiB");
    return CR_OK;
}

cr_status h5_dataset_parse(h5_ctx *x, const h5_object *o, h5_dataset *ret_dataset, cr_err *err) {
    h5_dataset d = {0};
    h5_cur c;
    bool found;
    CR_TRY(need(x, o, H5_MSG_DATATYPE, "datatype", &c, err));
    CR_TRY(h5_type_parse(&c, &d.type, err));
    CR_TRY(need(x, o, H5_MSG_DATASPACE, "dataspace", &c, err));
    CR_TRY(h5_space_parse(&c, &d.space, err));
    CR_TRY(need(x, o, H5_MSG_LAYOUT, "layout", &c, err));
    CR_TRY(h5_layout_parse(&c, &d.layout, err));
    CR_TRY(parse_fill(x, o, &d.fill, err));
    CR_TRY(h5_object_find(x, o, H5_MSG_FILTERS, &c, &found, err));
    if (found)
        CR_TRY(h5_pipeline_parse(&c, &d.pipeline, err));
    if (!d.layout.problem && !d.space.null)
        CR_TRY(check_layout(x, o, &d, err));
    CR_TRY(set_chain(x, &d, err));
    if (d.type.problem)
        d.problem = d.type.problem;
    else if (d.layout.problem)
        d.problem = d.layout.problem;
    else if (h5_object_has(o, H5_MSG_EXTERNAL))
        d.problem = "its values are stored in other files, which is not supported";
    else if (d.space.null)
        d.problem = "it has no elements (a null dataspace)";
    *ret_dataset = d;
    return CR_OK;
}

cr_status h5_dataset_fill(const h5_dataset *d, cr_arena *arena, void **ret_item, cr_err *err) {
    size_t n = h5_left(&d->fill.bytes);
    *ret_item = NULL;
    if (n != d->type.size)                 /* also a fill value of another type: the library ignores its conversion's failure */
        return CR_OK;
    void *item;
    CR_TRY(h5_alloc(arena, 1, n, &item, err));
    memcpy(item, d->fill.bytes.p, n);
    if (d->type.big_endian)
        cr_byteswap(item, 1, n);
    *ret_item = item;
    return CR_OK;
}
