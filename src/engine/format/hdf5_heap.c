/* hdf5_heap.c - the local heap and the global heap. */
#include "engine/format/hdf5_heap.h"

#include <inttypes.h>

cr_status h5_local_heap(h5_ctx *x, uint64_t addr, h5_cur *ret_segment, cr_err *err) {
    h5_cur c;
    CR_TRY(h5_load(x, addr, 8 + 2ull * x->file->len_size + x->file->off_size, "local heap", &c, err));
    CR_TRY(h5_expect(&c, "HEAP", 0, err));
    h5_take(&c, 3);
    uint64_t size = h5_length(&c);
    h5_length(&c);                         /* head of the free list */
    uint64_t segment = h5_addr(&c);
    CR_TRY(h5_cur_ok(&c, err));
    return h5_load(x, segment, size, "data segment of a local heap", ret_segment, err);
}

cr_status h5_local_name(const h5_cur *segment, uint64_t offset, const char **ret_name, cr_err *err) {
    size_t n = (size_t)(segment->end - segment->start);
    if (offset >= n || !memchr(segment->start + offset, 0, n - (size_t)offset))
        return H5_DAMAGED(segment, err, "no name ends within it from its byte %" PRIu64 " on", offset);
    *ret_name = (const char *)segment->start + offset;
    return CR_OK;
}

/* ---- global heap ------------------------------------------------------------------------------------------------ */

typedef struct collection {
    uint64_t addr;
    h5_cur bytes;
    uint32_t n;                            /* objects have indexes below n */
    struct { uint32_t offset, size; } *objects;
} collection;

struct h5_gheap {                          /* open addressing by address */
    collection *slots;
    size_t len, cap;
};

static collection *slot_of(struct h5_gheap *g, uint64_t addr) {
    size_t i = (size_t)((addr * 0x9E3779B97F4A7C15u) >> 20) & (g->cap - 1);
    while (g->slots[i].objects && g->slots[i].addr != addr)
        i = (i + 1) & (g->cap - 1);
    return &g->slots[i];
}

static cr_status make_room(h5_ctx *x, cr_err *err) {
    if (!x->gheap)
        CR_TRY(h5_alloc(x->temp, 1, sizeof *x->gheap, &x->gheap, err));
    struct h5_gheap *g = x->gheap, bigger = {NULL, g->len, g->cap ? g->cap * 2 : 64};
    if (g->len * 2 < g->cap)
        return CR_OK;
    CR_TRY(h5_alloc(x->temp, bigger.cap, sizeof *bigger.slots, &bigger.slots, err));
    for (size_t i = 0; i < g->cap; i++)
        if (g->slots[i].objects)
            *slot_of(&bigger, g->slots[i].addr) = g->slots[i];
    *g = bigger;
    return CR_OK;
}

/* First pass over the objects of a collection: the largest index; second: their places. */
static cr_status index_objects(h5_ctx *x, collection *k, cr_err *err) {
    for (int pass = 0; pass < 2; pass++) {
        h5_cur c = k->bytes;
        while (h5_left(&c) >= 8 + c.len_size) {
            uint32_t index = (uint32_t)h5_uint(&c, 2);
            h5_take(&c, 2 + 4);
            uint64_t size = h5_length(&c);
            if (index == 0)                /* the free space, up to the end */
                break;
            if (size > h5_left(&c))
                return H5_DAMAGED(&k->bytes, err, "its object %u of %" PRIu64 " bytes runs over its end", index, size);
            if (pass == 0) {
                k->n = CR_MAX(k->n, index + 1);
            } else {
                k->objects[index].offset = (uint32_t)(c.p - c.start);
                k->objects[index].size = (uint32_t)size;
            }
            h5_take(&c, CR_MIN((size + 7) & ~(uint64_t)7, (uint64_t)h5_left(&c)));
        }
        if (pass == 0)
            CR_TRY(h5_alloc(x->temp, CR_MAX(k->n, 1u), sizeof *k->objects, &k->objects, err));
    }
    return CR_OK;
}

static cr_status load_collection(h5_ctx *x, uint64_t addr, collection *k, cr_err *err) {
    h5_cur c;
    CR_TRY(h5_load(x, addr, 8 + x->file->len_size, "global heap collection", &c, err));
    CR_TRY(h5_expect(&c, "GCOL", 1, err));
    h5_take(&c, 3);
    uint64_t size = h5_length(&c);
    if (size < 8 + (uint64_t)c.len_size || size > UINT32_MAX)
        return H5_DAMAGED(&c, err, "its size is %" PRIu64, size);
    *k = (collection){.addr = addr};
    CR_TRY(h5_load(x, addr, size, "global heap collection", &k->bytes, err));
    h5_take(&k->bytes, 8 + k->bytes.len_size);
    return index_objects(x, k, err);
}

/* The object that a stored (address, index) pair names, as a cursor over its bytes; valid as long as the temporary arena. */
static cr_status object_at(h5_ctx *x, uint64_t addr, uint32_t index, h5_cur *ret_object, cr_err *err) {
    CR_TRY(make_room(x, err));
    collection *k = slot_of(x->gheap, addr);
    if (!k->objects) {
        collection loaded;
        CR_TRY(load_collection(x, addr, &loaded, err));
        *k = loaded;
        x->gheap->len++;
    }
    if (index >= k->n || !k->objects[index].offset)
        return H5_DAMAGED(&k->bytes, err, "it has no object %u", index);
    h5_cur c = k->bytes;
    c.p = c.start + k->objects[index].offset;
    *ret_object = h5_sub(&c, k->objects[index].size);
    return CR_OK;
}

cr_status h5_vlen_get(h5_ctx *x, h5_cur *stored, uint32_t *ret_count, h5_cur *ret_object, cr_err *err) {
    uint32_t count = (uint32_t)h5_uint(stored, 4);
    uint64_t addr = h5_addr(stored);
    uint32_t index = (uint32_t)h5_uint(stored, 4);
    CR_TRY(h5_cur_ok(stored, err));
    if (count == 0 || addr == 0 || addr == H5_UNDEF) {
        *ret_count = 0;
        *ret_object = (h5_cur){stored->p, stored->p, stored->p, stored->at, "global heap object", stored->off_size, stored->len_size, false};
        return CR_OK;
    }
    CR_TRY(object_at(x, addr, index, ret_object, err));
    *ret_count = count;
    return CR_OK;
}
