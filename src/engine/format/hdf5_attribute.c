/* hdf5_attribute.c - attributes: messages of the object header, or messages in a fractal heap. */
#include <stdlib.h>

#include "engine/format/hdf5_group.h"
#include "engine/format/hdf5_heap.h"

typedef struct attr_list {
    h5_ctx *x;
    h5_attr *attrs;
    int n, cap;
    h5_fheap *heap;
    bool ordered;
} attr_list;

static cr_status add_attr(attr_list *l, const h5_attr *a, cr_err *err) {
    if (l->n == l->cap) {
        int cap = l->cap ? l->cap * 2 : 16;
        h5_attr *grown;
        CR_TRY(h5_alloc(l->x->temp, (size_t)cap, sizeof *grown, &grown, err));
        if (l->n)
            memcpy(grown, l->attrs, (size_t)l->n * sizeof *grown);
        l->attrs = grown;
        l->cap = cap;
    }
    l->attrs[l->n++] = *a;
    return CR_OK;
}

/* Parts of version 1 are padded to 8 bytes. */
static h5_cur part(h5_cur *c, unsigned version, uint64_t size) {
    h5_cur p = h5_sub(c, version == 1 ? (size + 7) & ~7ull : size);
    if (!p.bad)
        p.end = p.start + size;
    return p;
}

static cr_status parse_attr(attr_list *l, h5_cur *c, uint32_t order, cr_err *err) {
    h5_attr a = {.order = order};
    unsigned version = (unsigned)h5_uint(c, 1), flags = (unsigned)h5_uint(c, 1);
    if (version < 1 || version > 3)
        return H5_DAMAGED(c, err, "an attribute of version %u", version);
    uint64_t name_bytes = h5_uint(c, 2), type_bytes = h5_uint(c, 2), space_bytes = h5_uint(c, 2);
    if (version == 3)
        h5_take(c, 1);                     /* ASCII or UTF-8 */
    h5_cur name = part(c, version, name_bytes), type = part(c, version, type_bytes), space = part(c, version, space_bytes);
    CR_TRY(h5_cur_ok(c, err));
    if (version > 1 && flags & 1)
        CR_TRY(h5_shared_follow(l->x, H5_MSG_DATATYPE, &type, err));
    if (version > 1 && flags & 2)
        CR_TRY(h5_shared_follow(l->x, H5_MSG_DATASPACE, &space, err));
    a.name = h5_text(l->x->temp, name.p, h5_left(&name));
    if (!a.name)
        return CR_FAIL(err, CR_LIMIT, "the metadata needs more than %zu bytes", l->x->temp->limit_bytes);
    CR_TRY(h5_type_parse(&type, &a.type, err));
    CR_TRY(h5_space_parse(&space, &a.space, err));
    uint64_t bytes;
    if (__builtin_mul_overflow((uint64_t)a.space.n, (uint64_t)a.type.size, &bytes) || bytes > h5_left(c))
        return H5_DAMAGED(c, err, "the values of attribute \"%s\" are longer than their place", a.name);
    a.data = h5_sub(c, bytes);
    return add_attr(l, &a, err);
}

static cr_status add_dense_attr(void *user, h5_cur *record, cr_err *err) {
    attr_list *l = user;
    const uint8_t *id = h5_take(record, 8);
    unsigned flags = (unsigned)h5_uint(record, 1);
    uint32_t order = (uint32_t)h5_uint(record, 4);
    CR_TRY(h5_cur_ok(record, err));
    h5_cur c;
    if (flags & H5_MSG_SHARED) {
        /* The ID is one of the heap of shared messages: made into the body of a shared message of version 3. */
        uint8_t *body;
        CR_TRY(h5_alloc(l->x->temp, 1, 10, &body, err));
        body[0] = 3;
        body[1] = 1;
        memcpy(body + 2, id, 8);
        c = (h5_cur){body, body, body + 10, record->at, "shared attribute", record->off_size, record->len_size, false};
        CR_TRY(h5_shared_follow(l->x, H5_MSG_ATTRIBUTE, &c, err));
    } else {
        CR_TRY(h5_fheap_get(l->x, l->heap, id, 8, &c, err));
    }
    return parse_attr(l, &c, order, err);
}

static cr_status load_dense(attr_list *l, h5_cur *c, cr_err *err) {
    unsigned version = (unsigned)h5_uint(c, 1), flags = (unsigned)h5_uint(c, 1);
    if (version != 0)
        return H5_DAMAGED(c, err, "attribute information of version %u", version);
    if (flags & 1)
        h5_take(c, 2);
    uint64_t heap = h5_addr(c), tree = h5_addr(c);
    CR_TRY(h5_cur_ok(c, err));
    if (heap == H5_UNDEF)
        return CR_OK;
    CR_TRY(h5_fheap_open(l->x, heap, &l->heap, err));
    return h5_btree2_walk(l->x, tree, 8, add_dense_attr, l, err);
}

static int by_order(const void *a, const void *b) {
    uint32_t x = ((const h5_attr *)a)->order, y = ((const h5_attr *)b)->order;
    return x == y ? strcmp(((const h5_attr *)a)->name, ((const h5_attr *)b)->name) : (x > y) - (x < y);
}

cr_status h5_attrs_load(h5_ctx *x, const h5_object *o, h5_attr **ret_attrs, int *ret_n, cr_err *err) {
    attr_list l = {.x = x};
    bool found;
    h5_cur c;
    for (int i = 0; i < o->n; i++) {
        if (o->msgs[i].type != H5_MSG_ATTRIBUTE)
            continue;
        c = o->msgs[i].data;
        if (o->msgs[i].flags & H5_MSG_SHARED)
            CR_TRY(h5_shared_follow(x, H5_MSG_ATTRIBUTE, &c, err));
        l.ordered = l.ordered || o->msgs[i].corder != 0;
        CR_TRY(parse_attr(&l, &c, o->msgs[i].corder, err));
    }
    CR_TRY(h5_object_find(x, o, H5_MSG_ATTRIBUTE_INFO, &c, &found, err));
    if (found) {
        int compact = l.n;
        CR_TRY(load_dense(&l, &c, err));
        l.ordered = l.ordered || l.n > compact;
    }
    /* Old headers do not number their messages: those stay in the order of the header. */
    if (l.n && l.ordered)
        qsort(l.attrs, (size_t)l.n, sizeof *l.attrs, by_order);
    *ret_attrs = l.attrs;
    *ret_n = l.n;
    return CR_OK;
}
