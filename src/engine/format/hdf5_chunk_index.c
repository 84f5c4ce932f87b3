/* hdf5_chunk_index.c - the sorted array of chunks, and the indexes that are trees or no index at all. */
#include "engine/format/hdf5_chunk_index.h"

#include <inttypes.h>
#include <stdlib.h>

#include "engine/format/hdf5_heap.h"

static int64_t grid_extent(const h5_chunked *d, int i) {
    return d->shape[i] / d->layout.chunk[i] + (d->shape[i] % d->layout.chunk[i] != 0);
}

uint64_t h5_chunk_key(const h5_chunked *d, const int64_t *coordinates) {
    uint64_t key = 0;
    for (int i = 0; i < d->ndim; i++)
        key = key * (uint64_t)grid_extent(d, i) + (uint64_t)coordinates[i];
    return key;
}

const h5_chunk *h5_chunk_index_find(const h5_chunk_index *index, uint64_t key) {
    if (index->complete)
        return key < index->n ? &index->chunks[key] : NULL;
    size_t low = 0, high = index->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->chunks[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < index->n && index->chunks[low].key == key ? &index->chunks[low] : NULL;
}

void h5_chunk_index_done(h5_chunk_index *index) {
    free(index->chunks);
    *index = (h5_chunk_index){0};
}

cr_status h5_chunk_list_add(h5_chunk_list *l, const int64_t *coordinates, uint64_t addr, uint64_t size, uint32_t mask, cr_err *err) {
    if (addr == H5_UNDEF)
        return CR_OK;
    for (int i = 0; i < l->d->ndim; i++)
        if (coordinates[i] >= grid_extent(l->d, i))
            return CR_OK;
    if (size > UINT32_MAX)
        return CR_FAIL(err, CR_FORMAT, "a chunk is said to take %" PRIu64 " bytes", size);
    if (l->n == l->cap) {
        size_t cap = l->cap ? CR_MIN(l->cap * 2, l->max) : CR_MIN((size_t)64, l->max);
        if (l->n >= cap)
            return CR_FAIL(err, CR_LIMIT, "more than %zu chunks: their index is larger than the metadata limit", l->max);
        h5_chunk *grown = realloc(l->chunks, cap * sizeof *grown);
        if (!grown)
            return CR_FAIL(err, CR_MEMORY, "no memory for an index of %zu chunks", cap);
        l->chunks = grown;
        l->cap = cap;
    }
    l->chunks[l->n++] = (h5_chunk){h5_chunk_key(l->d, coordinates), addr, (uint32_t)size, mask};
    return CR_OK;
}

/* ---- B-tree, version 1 ------------------------------------------------------------------------------------------ */

/* Chunks are unique and ascend in a valid tree. Holding the file to that also means that no node with chunks can be met twice. */
static cr_status check_order(h5_chunk_list *l, const h5_cur *c, const int64_t *coordinates, cr_err *err) {
    int order = l->any ? 0 : 1;
    for (int i = 0; i < l->d->ndim && order == 0; i++)
        order = coordinates[i] > l->last[i] ? 1 : coordinates[i] < l->last[i] ? -1 : 0;
    if (order <= 0)
        return H5_DAMAGED(c, err, "its chunks are not in order");
    memcpy(l->last, coordinates, sizeof l->last);
    l->any = true;
    return CR_OK;
}

static cr_status read_leaf_key(h5_chunk_list *l, h5_cur *c, uint32_t *ret_size, uint32_t *ret_mask, int64_t *ret_coordinates, cr_err *err) {
    *ret_size = (uint32_t)h5_uint(c, 4);
    *ret_mask = (uint32_t)h5_uint(c, 4);
    for (int i = 0; i < l->d->ndim; i++) {
        uint64_t at = h5_uint(c, 8), extent = (uint64_t)l->d->layout.chunk[i];
        if (at > INT64_MAX || at % extent != 0)
            return H5_DAMAGED(c, err, "a chunk begins at %" PRIu64 " on axis %d, where chunks have %" PRIu64, at, i, extent);
        ret_coordinates[i] = (int64_t)(at / extent);
    }
    h5_uint(c, 8);
    return h5_cur_ok(c, err);
}

static cr_status walk_btree1(h5_chunk_list *l, uint64_t addr, int level, cr_err *err) {
    static const char what[] = "B-tree of chunks";
    const h5_file *f = l->x->file;
    uint8_t prefix[8 + 2 * 8];
    size_t prefix_bytes = 8 + 2u * f->off_size, key_bytes = 8 + 8 * ((size_t)l->d->ndim + 1);
    CR_TRY(h5_pread(f, addr, prefix, prefix_bytes, what, err));
    h5_cur c = {prefix, prefix, prefix + prefix_bytes, f->base + addr, what, f->off_size, f->len_size, false};
    CR_TRY(h5_expect(&c, "TREE", 1, err));
    int got = (int)h5_uint(&c, 1);
    size_t n = (size_t)h5_uint(&c, 2), bytes = n * (key_bytes + f->off_size);
    if (level >= 0 && got != level)
        return H5_DAMAGED(&c, err, "a node of level %d where level %d belongs", got, level);
    /* Otherwise nodes without chunks could be walked over and over: levels of a few hundred children that are one empty node take years. */
    if (level >= 0 && n == 0)
        return H5_DAMAGED(&c, err, "a node without children below the root");
    cr_auto_free uint8_t *node = malloc(CR_MAX(bytes, (size_t)1));
    if (!node)
        return CR_FAIL(err, CR_MEMORY, "no memory for a node of %zu bytes", bytes);
    CR_TRY(h5_pread(f, addr + prefix_bytes, node, bytes, what, err));
    c = (h5_cur){node, node, node + bytes, f->base + addr + prefix_bytes, what, f->off_size, f->len_size, false};
    for (size_t i = 0; i < n; i++) {
        uint32_t size = 0, mask = 0;
        int64_t at[CR_MAX_DIMS] = {0};
        if (got == 0)
            CR_TRY(read_leaf_key(l, &c, &size, &mask, at, err));
        else
            h5_take(&c, key_bytes);
        uint64_t child = h5_addr(&c);
        if (got > 0) {
            CR_TRY(walk_btree1(l, child, got - 1, err));
            continue;
        }
        CR_TRY(check_order(l, &c, at, err));
        CR_TRY(h5_chunk_list_add(l, at, child, size, mask, err));
    }
    return CR_OK;
}

/* ---- B-tree, version 2 ------------------------------------------------------------------------------------------ */

static cr_status add_record(void *user, h5_cur *c, cr_err *err) {
    h5_chunk_list *l = user;
    int64_t at[CR_MAX_DIMS] = {0};
    size_t fixed = c->off_size + (l->sized ? 4 : 0) + 8 * (size_t)l->d->ndim, width = h5_left(c) - CR_MIN(h5_left(c), fixed);
    uint64_t addr = h5_addr(c), size = l->d->chunk_bytes;
    uint32_t mask = 0;
    if (l->sized) {
        if (width < 1 || width > 8)
            return H5_DAMAGED(c, err, "a record of %zu bytes", (size_t)(c->end - c->start));
        size = h5_uint(c, (unsigned)width);
        mask = (uint32_t)h5_uint(c, 4);
    }
    for (int i = 0; i < l->d->ndim; i++) {
        uint64_t v = h5_uint(c, 8);
        at[i] = v > INT64_MAX ? INT64_MAX : (int64_t)v;
    }
    CR_TRY(h5_cur_ok(c, err));
    CR_TRY(check_order(l, c, at, err));
    return h5_chunk_list_add(l, at, addr, size, mask, err);
}

/* The header says whether records carry sizes; reading its type beforehand saves asking for the filters here. */
static cr_status read_btree2(h5_chunk_list *l, cr_err *err) {
    uint8_t head[6];
    CR_TRY(h5_pread(l->x->file, l->d->layout.addr, head, sizeof head, "B-tree (version 2)", err));
    l->sized = head[5] == 11;
    return h5_btree2_walk(l->x, l->d->layout.addr, l->sized ? 11 : 10, add_record, l, err);
}

/* ---- no index --------------------------------------------------------------------------------------------------- */

static cr_status add_single(h5_chunk_list *l, cr_err *err) {
    const h5_layout *y = &l->d->layout;
    int64_t origin[CR_MAX_DIMS] = {0};
    return h5_chunk_list_add(l, origin, y->addr, y->single_filtered ? y->single_size : l->d->chunk_bytes,
                             y->single_filtered ? y->single_mask : 0, err);
}

/* All chunks of the largest shape one after the other. */
static cr_status add_implicit(h5_chunk_list *l, cr_err *err) {
    int64_t at[CR_MAX_DIMS] = {0};
    for (int i = 0; i < l->d->ndim; i++)
        if (l->d->shape[i] == 0)
            return CR_OK;
    for (;;) {
        uint64_t number = 0, addr;
        for (int i = 0; i < l->d->ndim; i++) {
            int64_t most = l->d->most[i] < 0 ? l->d->shape[i] : l->d->most[i];
            number = number * (uint64_t)(most / l->d->layout.chunk[i] + (most % l->d->layout.chunk[i] != 0)) + (uint64_t)at[i];
        }
        if (__builtin_mul_overflow(number, (uint64_t)l->d->chunk_bytes, &addr) || __builtin_add_overflow(addr, l->d->layout.addr, &addr) ||
            addr > l->x->file->size)
            return CR_FAIL(err, CR_FORMAT, "chunk %" PRIu64 " would lie past the end of the file", number);
        CR_TRY(h5_chunk_list_add(l, at, addr, l->d->chunk_bytes, 0, err));
        int i = l->d->ndim - 1;
        while (i >= 0 && ++at[i] == grid_extent(l->d, i))
            at[i--] = 0;
        if (i < 0)
            return CR_OK;
    }
}

/* ---- all -------------------------------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b) {
    uint64_t x = ((const h5_chunk *)a)->key, y = ((const h5_chunk *)b)->key;
    return (x > y) - (x < y);
}

static cr_status finish(h5_chunk_list *l, h5_chunk_index *ret_index, cr_err *err) {
    bool sorted = true;
    for (size_t i = 1; i < l->n && sorted; i++)
        sorted = l->chunks[i - 1].key < l->chunks[i].key;
    if (!sorted)
        qsort(l->chunks, l->n, sizeof *l->chunks, by_key);
    for (size_t i = 1; i < l->n; i++)
        if (l->chunks[i - 1].key == l->chunks[i].key)
            return CR_FAIL(err, CR_FORMAT, "the index lists a chunk twice");
    h5_chunk *fitted = l->n ? realloc(l->chunks, l->n * sizeof *fitted) : NULL;
    if (fitted)
        l->chunks = fitted;
    *ret_index = (h5_chunk_index){l->chunks, l->n, l->n > 0 && l->chunks[l->n - 1].key == l->n - 1};
    l->chunks = NULL;
    return CR_OK;
}

static cr_status read_index(h5_chunk_list *l, cr_err *err) {
    if (l->d->layout.addr == H5_UNDEF)
        return CR_OK;
    switch (l->d->layout.index) {
    case H5_INDEX_BTREE1: return walk_btree1(l, l->d->layout.addr, -1, err);
    case H5_INDEX_SINGLE: return add_single(l, err);
    case H5_INDEX_IMPLICIT: return add_implicit(l, err);
    case H5_INDEX_FIXED: return h5_fixed_array_read(l, err);
    case H5_INDEX_EXTENSIBLE: return h5_extensible_array_read(l, err);
    case H5_INDEX_BTREE2: return read_btree2(l, err);
    }
    return CR_FAIL(err, CR_INTERNAL, "chunk index %d", (int)l->d->layout.index);
}

cr_status h5_chunk_index_load(h5_file *f, const h5_chunked *d, h5_chunk_index *ret_index, cr_err *err) {
    cr_auto_arena cr_arena temp;
    cr_arena_init(&temp, (size_t)CR_MIN(f->limit_bytes, (uint64_t)SIZE_MAX));
    h5_ctx x = {.file = f, .keep = &temp, .temp = &temp};
    h5_chunk_list l = {.x = &x, .d = d, .max = (size_t)(f->limit_bytes / sizeof(h5_chunk))};
    cr_status status = read_index(&l, err);
    if (status == CR_OK)
        status = finish(&l, ret_index, err);
    free(l.chunks);
    if (status != CR_OK)
        cr_err_context(err, "in the index of chunks");
    return status;
}
