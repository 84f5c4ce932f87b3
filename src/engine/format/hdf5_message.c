/* hdf5_message.c - dataspace, fill value, layout and filter messages. */
#include "engine/format/hdf5_message.h"

#include <inttypes.h>

#include "base/text.h"

/* ---- dataspace -------------------------------------------------------------------------------------------------- */

static cr_status read_extents(h5_cur *c, int ndim, int64_t *extents, bool may_be_unlimited, cr_err *err) {
    uint64_t unlimited = c->len_size >= 8 ? UINT64_MAX : ((uint64_t)1 << (8 * c->len_size)) - 1;
    for (int i = 0; i < ndim; i++) {
        uint64_t v = h5_length(c);
        if (may_be_unlimited && v == unlimited)
            extents[i] = -1;
        else if (v > INT64_MAX)
            return H5_DAMAGED(c, err, "axis %d has extent %" PRIu64, i, v);
        else
            extents[i] = (int64_t)v;
    }
    return CR_OK;
}

cr_status h5_space_parse(h5_cur *c, h5_space *ret_space, cr_err *err) {
    h5_space s = {0};
    unsigned version = (unsigned)h5_uint(c, 1);
    s.ndim = (int)h5_uint(c, 1);
    unsigned flags = (unsigned)h5_uint(c, 1), kind = (unsigned)h5_uint(c, 1);
    if (version == 1)
        h5_take(c, 4);
    CR_TRY(h5_cur_ok(c, err));
    if (version != 1 && version != 2)
        return H5_DAMAGED(c, err, "a dataspace of version %u", version);
    if (s.ndim > CR_MAX_DIMS)
        return H5_DAMAGED(c, err, "a dataspace of %d dimensions; at most %d are possible", s.ndim, CR_MAX_DIMS);
    s.null = version == 2 && kind == 2;
    CR_TRY(read_extents(c, s.ndim, s.shape, false, err));
    memcpy(s.most, s.shape, sizeof s.most);
    if (flags & 1)
        CR_TRY(read_extents(c, s.ndim, s.most, true, err));
    CR_TRY(h5_cur_ok(c, err));
    for (int i = 0; i < s.ndim; i++)
        if (s.most[i] >= 0 && s.most[i] < s.shape[i])
            return H5_DAMAGED(c, err, "axis %d is longer than it may become", i);
    if (!cr_product(s.shape, s.ndim, &s.n))
        return H5_DAMAGED(c, err, "a dataspace with more elements than can be counted");
    if (s.null)
        s.n = 0;
    *ret_space = s;
    return CR_OK;
}

/* ---- fill value ------------------------------------------------------------------------------------------------- */

cr_status h5_fill_parse(h5_cur *c, h5_fill *ret_fill, cr_err *err) {
    h5_fill f = {0};
    unsigned version = (unsigned)h5_uint(c, 1);
    bool has_size;
    if (version == 3) {
        unsigned flags = (unsigned)h5_uint(c, 1);
        has_size = flags & 0x20;
        f.defined = has_size;
    } else if (version == 1 || version == 2) {
        h5_take(c, 2);                     /* when space is allocated, when filled */
        f.defined = h5_uint(c, 1) == 1;
        has_size = version == 1 || f.defined;
    } else {
        return H5_DAMAGED(c, err, "a fill value of version %u", version);
    }
    uint64_t size = has_size ? h5_uint(c, 4) : 0;
    f.bytes = h5_sub(c, size > INT32_MAX ? 0 : size);
    CR_TRY(h5_cur_ok(c, err));
    /* Size 0 is the library's default of zeros, which nobody chose. */
    f.defined = f.defined && h5_left(&f.bytes) > 0;
    *ret_fill = f;
    return CR_OK;
}

cr_status h5_fill_parse_old(h5_cur *c, h5_fill *ret_fill, cr_err *err) {
    h5_fill f = {0};
    f.bytes = h5_sub(c, h5_uint(c, 4));
    CR_TRY(h5_cur_ok(c, err));
    f.defined = h5_left(&f.bytes) > 0;
    *ret_fill = f;
    return CR_OK;
}

/* ---- layout ----------------------------------------------------------------------------------------------------- */

static cr_status read_chunk_shape(h5_cur *c, unsigned n, unsigned width, h5_layout *l, cr_err *err) {
    if (n < 1 || n > CR_MAX_DIMS + 1)
        return H5_DAMAGED(c, err, "a chunk of %u dimensions", n);
    l->ndim = (int)n - 1;                  /* the last is the size of an item */
    for (unsigned i = 0; i < n; i++) {
        uint64_t v = h5_uint(c, width);
        if (!c->bad && (v == 0 || v > INT64_MAX))
            return H5_DAMAGED(c, err, "a chunk with an extent of %" PRIu64, v);
        if (i + 1 < n)
            l->chunk[i] = (int64_t)v;
    }
    return h5_cur_ok(c, err);
}

static cr_status parse_layout_1(h5_cur *c, h5_layout *l, cr_err *err) {
    unsigned n = (unsigned)h5_uint(c, 1);
    l->class = (h5_layout_class)h5_uint(c, 1);
    h5_take(c, 5);
    l->addr = l->class == H5_COMPACT ? H5_UNDEF : h5_addr(c);
    l->size = H5_UNDEF;                    /* follows from shape and type */
    if (l->class == H5_CHUNKED)
        return read_chunk_shape(c, n, 4, l, err);
    h5_take(c, 4ull * n);
    if (l->class == H5_COMPACT)
        l->bytes = h5_sub(c, h5_uint(c, 4));
    return h5_cur_ok(c, err);
}

static cr_status parse_chunked_4(h5_cur *c, h5_layout *l, cr_err *err) {
    unsigned flags = (unsigned)h5_uint(c, 1), n = (unsigned)h5_uint(c, 1), width = (unsigned)h5_uint(c, 1);
    if (width > 8)
        return H5_DAMAGED(c, err, "extents of chunks in %u bytes", width);
    CR_TRY(read_chunk_shape(c, n, width, l, err));
    unsigned kind = (unsigned)h5_uint(c, 1);
    l->edges_unfiltered = flags & 1;
    switch (kind) {
    case 1:
        l->index = H5_INDEX_SINGLE;
        l->single_filtered = flags & 2;
        if (l->single_filtered) {
            l->single_size = h5_length(c);
            l->single_mask = (uint32_t)h5_uint(c, 4);
        }
        break;
    case 2: l->index = H5_INDEX_IMPLICIT; break;
    case 3: l->index = H5_INDEX_FIXED; h5_take(c, 1); break;
    case 4: l->index = H5_INDEX_EXTENSIBLE; h5_take(c, 5); break;
    case 5: l->index = H5_INDEX_BTREE2; h5_take(c, 6); break;
    default:
        return H5_DAMAGED(c, err, "a chunk index of type %u", kind);
    }
    l->addr = h5_addr(c);
    return CR_OK;
}

cr_status h5_layout_parse(h5_cur *c, h5_layout *ret_layout, cr_err *err) {
    h5_layout l = {.addr = H5_UNDEF};
    unsigned version = (unsigned)h5_uint(c, 1);
    if (version == 1 || version == 2) {
        CR_TRY(parse_layout_1(c, &l, err));
    } else if (version >= 3 && version <= 5) {
        l.class = (h5_layout_class)h5_uint(c, 1);
        if (l.class == H5_COMPACT) {
            l.bytes = h5_sub(c, h5_uint(c, 2));
        } else if (l.class == H5_CONTIGUOUS) {
            l.addr = h5_addr(c);
            l.size = h5_length(c);
        } else if (l.class == H5_CHUNKED && version == 3) {
            unsigned n = (unsigned)h5_uint(c, 1);
            l.addr = h5_addr(c);
            CR_TRY(read_chunk_shape(c, n, 4, &l, err));
        } else if (l.class == H5_CHUNKED) {
            CR_TRY(parse_chunked_4(c, &l, err));
        }
    } else {
        l.problem = "this version of the storage layout is not supported";
    }
    CR_TRY(h5_cur_ok(c, err));
    if (l.class == H5_VIRTUAL)
        l.problem = "virtual datasets (parts of other files) are not supported";
    else if (l.class > H5_VIRTUAL)
        return H5_DAMAGED(c, err, "a storage layout of class %u", (unsigned)l.class);
    *ret_layout = l;
    return CR_OK;
}

/* ---- filters ---------------------------------------------------------------------------------------------------- */

static cr_status parse_filter(h5_cur *c, unsigned version, h5_filter *f, cr_err *err) {
    f->id = (uint16_t)h5_uint(c, 2);
    uint64_t name_bytes = version == 1 || f->id >= 256 ? h5_uint(c, 2) : 0;
    f->optional = h5_uint(c, 2) & 1;
    unsigned n = (unsigned)h5_uint(c, 2);
    h5_take(c, version == 1 ? (name_bytes + 7) & ~7ull : name_bytes);
    if (n > H5_MAX_FILTER_VALUES)
        return H5_DAMAGED(c, err, "filter %u has %u parameters", f->id, n);
    f->n_values = (int)n;
    for (unsigned i = 0; i < n; i++)
        f->values[i] = (uint32_t)h5_uint(c, 4);
    if (version == 1 && n % 2)
        h5_take(c, 4);
    return h5_cur_ok(c, err);
}

cr_status h5_pipeline_parse(h5_cur *c, h5_pipeline *ret_pipeline, cr_err *err) {
    h5_pipeline p = {0};
    unsigned version = (unsigned)h5_uint(c, 1);
    p.n = (int)h5_uint(c, 1);
    if (version != 1 && version != 2)
        return H5_DAMAGED(c, err, "a list of filters of version %u", version);
    if (p.n > H5_MAX_FILTERS)
        return H5_DAMAGED(c, err, "%d filters; at most %d are possible", p.n, H5_MAX_FILTERS);
    if (version == 1)
        h5_take(c, 6);
    for (int i = 0; i < p.n; i++)
        CR_TRY(parse_filter(c, version, &p.filters[i], err));
    *ret_pipeline = p;
    return CR_OK;
}
