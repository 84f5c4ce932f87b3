/* hdf5_object.c - object headers of both versions, continuation blocks, shared messages. */
#include "engine/format/hdf5_object.h"

#include "engine/format/hdf5_heap.h"

enum { MAX_BLOCKS = 4096, MAX_MESSAGES = 1 << 20 };

typedef struct header {                    /* one object header while it is read */
    h5_ctx *x;
    h5_object *o;
    int cap;
    unsigned version;
    bool tracks_order;                     /* version 2: messages carry their creation order */
    int n_blocks, cap_blocks;
    struct { uint64_t addr, len; } *blocks;/* continuations, in the order they are met */
    long messages_left;                    /* version 1 counts them */
} header;

static cr_status add_block(header *h, const h5_cur *from, uint64_t addr, uint64_t len, cr_err *err) {
    for (int i = 0; i < h->n_blocks; i++)
        if (h->blocks[i].addr == addr)
            return H5_DAMAGED(from, err, "its continuation blocks form a loop");
    if (h->n_blocks == MAX_BLOCKS)
        return H5_DAMAGED(from, err, "it has more than %d continuation blocks", MAX_BLOCKS);
    if (h->n_blocks == h->cap_blocks) {
        int cap = h->cap_blocks ? h->cap_blocks * 2 : 8;
        void *grown;
        CR_TRY(h5_alloc(h->x->temp, (size_t)cap, sizeof *h->blocks, &grown, err));
        if (h->n_blocks)
            memcpy(grown, h->blocks, (size_t)h->n_blocks * sizeof *h->blocks);
        h->blocks = grown;
        h->cap_blocks = cap;
    }
    h->blocks[h->n_blocks].addr = addr;
    h->blocks[h->n_blocks++].len = len;
    return CR_OK;
}

static cr_status add_message(header *h, h5_msg m, cr_err *err) {
    h5_object *o = h->o;
    if (m.type == H5_MSG_NIL)
        return CR_OK;
    if (m.type == H5_MSG_CONTINUATION) {
        uint64_t addr = h5_addr(&m.data), len = h5_length(&m.data);
        CR_TRY(h5_cur_ok(&m.data, err));
        return add_block(h, &m.data, addr, len, err);
    }
    if (o->n == MAX_MESSAGES)
        return H5_DAMAGED(&m.data, err, "it has more than %d messages", MAX_MESSAGES);
    if (o->n == h->cap) {
        int cap = h->cap ? h->cap * 2 : 16;
        h5_msg *grown;
        CR_TRY(h5_alloc(h->x->temp, (size_t)cap, sizeof *grown, &grown, err));
        if (o->n)
            memcpy(grown, o->msgs, (size_t)o->n * sizeof *grown);
        o->msgs = grown;
        h->cap = cap;
    }
    o->msgs[o->n++] = m;
    return CR_OK;
}

static cr_status parse_messages(header *h, h5_cur *c, cr_err *err) {
    size_t prefix = h->version == 1 ? 8 : h->tracks_order ? 6 : 4;
    while (h5_left(c) >= prefix && (h->version != 1 || h->messages_left > 0)) {
        h5_msg m = {0};
        m.type = (uint16_t)h5_uint(c, h->version == 1 ? 2 : 1);
        uint64_t size = h5_uint(c, 2);
        m.flags = (uint8_t)h5_uint(c, 1);
        if (h->version == 1)
            h5_take(c, 3);
        else if (h->tracks_order)
            m.corder = (uint16_t)h5_uint(c, 2);
        m.data = h5_sub(c, size);
        CR_TRY(h5_cur_ok(c, err));
        h->messages_left--;
        CR_TRY(add_message(h, m, err));
    }
    return CR_OK;
}

static cr_status load_first_v1(header *h, h5_cur *c, h5_cur *ret_block, cr_err *err) {
    h5_take(c, 2);                         /* version, reserved */
    h->messages_left = (long)h5_uint(c, 2);
    h5_take(c, 4);                         /* reference count */
    uint64_t size = h5_uint(c, 4);
    CR_TRY(h5_cur_ok(c, err));
    return h5_load(h->x, h->o->addr + 16, size, "object header", ret_block, err);
}

static cr_status load_first_v2(header *h, h5_cur *c, h5_cur *ret_block, cr_err *err) {
    CR_TRY(h5_expect(c, "OHDR", 2, err));
    unsigned flags = (unsigned)h5_uint(c, 1);
    unsigned skip = (flags & 0x20 ? 16 : 0) + (flags & 0x10 ? 4 : 0);
    h5_take(c, skip);
    unsigned width = 1u << (flags & 3);
    uint64_t size = h5_uint(c, width);
    CR_TRY(h5_cur_ok(c, err));
    h->tracks_order = flags & 0x04;
    uint64_t prefix = 6 + skip + width;
    if (size > h->x->file->size)
        return H5_DAMAGED(c, err, "its size is larger than the file");
    CR_TRY(h5_load_checked(h->x, h->o->addr, prefix + size + 4, "object header", ret_block, err));
    h5_take(ret_block, prefix);
    return CR_OK;
}

cr_status h5_object_load(h5_ctx *x, uint64_t addr, h5_object *ret_object, cr_err *err) {
    h5_object o = {addr, 0, NULL};
    header h = {.x = x, .o = &o};
    h5_cur c, block;
    uint64_t room = x->file->size - x->file->base;
    /* Enough for the longest prefix of either version; a header may lie close to the end of the file. */
    uint64_t n = addr < room ? CR_MIN(room - addr, (uint64_t)40) : 16;
    CR_TRY(h5_load(x, addr, n, "object header", &c, err));
    h.version = h5_left(&c) && c.p[0] == 1 ? 1 : 2;
    CR_TRY(h.version == 1 ? load_first_v1(&h, &c, &block, err) : load_first_v2(&h, &c, &block, err));
    CR_TRY(parse_messages(&h, &block, err));
    for (int i = 0; i < h.n_blocks; i++) {
        if (h.version == 1) {
            CR_TRY(h5_load(x, h.blocks[i].addr, h.blocks[i].len, "object header continuation", &block, err));
        } else {
            CR_TRY(h5_load_checked(x, h.blocks[i].addr, h.blocks[i].len, "object header continuation", &block, err));
            const uint8_t *signature = h5_take(&block, 4);
            if (!signature || memcmp(signature, "OCHK", 4) != 0)
                return H5_DAMAGED(&block, err, "its signature \"OCHK\" is missing");
        }
        CR_TRY(parse_messages(&h, &block, err));
    }
    *ret_object = o;
    return CR_OK;
}

bool h5_object_has(const h5_object *o, unsigned type) {
    for (int i = 0; i < o->n; i++)
        if (o->msgs[i].type == type)
            return true;
    return false;
}

cr_status h5_object_find(h5_ctx *x, const h5_object *o, unsigned type, h5_cur *ret_data, bool *ret_found, cr_err *err) {
    *ret_found = false;
    for (int i = 0; i < o->n; i++) {
        if (o->msgs[i].type != type)
            continue;
        h5_cur data = o->msgs[i].data;
        if (o->msgs[i].flags & H5_MSG_SHARED)
            CR_TRY(h5_shared_follow(x, type, &data, err));
        *ret_data = data;
        *ret_found = true;
        return CR_OK;
    }
    return CR_OK;
}

/* ---- shared messages -------------------------------------------------------------------------------------------- */

typedef struct h5_sohm {
    int n;
    struct { unsigned types; uint64_t heap; h5_fheap *open; } index[8];
} h5_sohm;

cr_status h5_sohm_load(h5_ctx *x, uint64_t extension, cr_err *err) {
    h5_object o;
    h5_cur c, table;
    bool found;
    CR_TRY(h5_object_load(x, extension, &o, err));
    CR_TRY(h5_object_find(x, &o, H5_MSG_SOHM, &c, &found, err));
    if (!found)
        return CR_OK;
    h5_take(&c, 1);
    uint64_t addr = h5_addr(&c);
    unsigned n = (unsigned)h5_uint(&c, 1);
    CR_TRY(h5_cur_ok(&c, err));
    if (n > 8)
        return H5_DAMAGED(&c, err, "%u indexes of shared messages; at most 8 are possible", n);
    h5_sohm *s;
    CR_TRY(h5_alloc(x->temp, 1, sizeof *s, &s, err));
    CR_TRY(h5_load_checked(x, addr, 4 + n * (1 + 1 + 2 + 4 + 2 + 2 + 2 + 2ull * x->file->off_size) + 4, "table of shared messages", &table, err));
    const uint8_t *signature = h5_take(&table, 4);
    if (!signature || memcmp(signature, "SMTB", 4) != 0)
        return H5_DAMAGED(&table, err, "its signature \"SMTB\" is missing");
    for (unsigned i = 0; i < n; i++) {
        h5_take(&table, 2);                /* version, kind of index */
        s->index[i].types = (unsigned)h5_uint(&table, 2);
        h5_take(&table, 4 + 2 + 2 + 2);    /* smallest size, two cut-offs, number of messages */
        h5_addr(&table);
        s->index[i].heap = h5_addr(&table);
    }
    CR_TRY(h5_cur_ok(&table, err));
    s->n = (int)n;
    x->sohm = s;
    return CR_OK;
}

static cr_status from_heap(h5_ctx *x, unsigned type, h5_cur *data, cr_err *err) {
    const uint8_t *id = h5_take(data, 8);
    CR_TRY(h5_cur_ok(data, err));
    for (int i = 0; x->sohm && i < x->sohm->n; i++) {
        if (!(x->sohm->index[i].types & 1u << type))
            continue;
        if (!x->sohm->index[i].open)
            CR_TRY(h5_fheap_open(x, x->sohm->index[i].heap, &x->sohm->index[i].open, err));
        return h5_fheap_get(x, x->sohm->index[i].open, id, 8, data, err);
    }
    return H5_DAMAGED(data, err, "a message of type %u is said to be shared, but no heap of such messages exists", type);
}

cr_status h5_shared_follow(h5_ctx *x, unsigned type, h5_cur *data, cr_err *err) {
    unsigned version = (unsigned)h5_uint(data, 1), kind = (unsigned)h5_uint(data, 1);
    if (version < 1 || version > 3)
        return H5_DAMAGED(data, err, "a shared message of version %u", version);
    if (version == 3 && kind == 1)
        return from_heap(x, type, data, err);
    if (version == 1)
        h5_take(data, 6);
    uint64_t addr = h5_addr(data);
    CR_TRY(h5_cur_ok(data, err));
    h5_object target;
    CR_TRY(h5_object_load(x, addr, &target, err));
    for (int i = 0; i < target.n; i++) {
        if (target.msgs[i].type != type)
            continue;
        if (target.msgs[i].flags & H5_MSG_SHARED)
            return H5_DAMAGED(data, err, "a shared message leads to another shared message");
        *data = target.msgs[i].data;
        return CR_OK;
    }
    return H5_DAMAGED(data, err, "the object it shares a message with has none of that type");
}
