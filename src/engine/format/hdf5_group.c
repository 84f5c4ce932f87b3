/* hdf5_group.c - links of a group: link messages, a fractal heap of them, or the older symbol table. */
#include "engine/format/hdf5_group.h"

#include <stdlib.h>

#include "engine/format/hdf5_heap.h"

enum { MAX_SOFT_LINKS = 16, MAX_TREE_DEPTH = 64 };

typedef struct link_list {
    h5_ctx *x;
    h5_group g;
    int cap;
    bool ordered;
    h5_fheap *heap;
    h5_cur names;                          /* symbol table: segment of the local heap */
} link_list;

bool h5_is_group(const h5_object *o) { return h5_object_has(o, H5_MSG_SYMBOL_TABLE) || h5_object_has(o, H5_MSG_LINK_INFO); }
bool h5_is_dataset(const h5_object *o) { return h5_object_has(o, H5_MSG_DATATYPE) && h5_object_has(o, H5_MSG_DATASPACE); }

static cr_status add_link(link_list *l, h5_link link, cr_err *err) {
    h5_group *g = &l->g;
    if (g->n == l->cap) {
        int cap = l->cap ? l->cap * 2 : 16;
        h5_link *grown;
        CR_TRY(h5_alloc(l->x->temp, (size_t)cap, sizeof *grown, &grown, err));
        if (g->n)
            memcpy(grown, g->links, (size_t)g->n * sizeof *grown);
        g->links = grown;
        l->cap = cap;
    }
    g->links[g->n++] = link;
    return CR_OK;
}

static cr_status copy_text(h5_ctx *x, const void *bytes, size_t n, const char **ret_text, cr_err *err) {
    *ret_text = h5_text(x->keep, bytes, n);
    return *ret_text ? CR_OK : CR_FAIL(err, CR_LIMIT, "the metadata needs more than %zu bytes", x->keep->limit_bytes);
}

static cr_status parse_link(link_list *l, h5_cur *c, cr_err *err) {
    h5_link link = {.addr = H5_UNDEF};
    unsigned version = (unsigned)h5_uint(c, 1), flags = (unsigned)h5_uint(c, 1);
    if (version != 1)
        return H5_DAMAGED(c, err, "a link of version %u", version);
    unsigned kind = flags & 8 ? (unsigned)h5_uint(c, 1) : 0;
    if (flags & 4)
        link.order = h5_uint(c, 8);
    if (flags & 16)
        h5_take(c, 1);
    h5_cur name = h5_sub(c, h5_uint(c, 1u << (flags & 3)));
    CR_TRY(h5_cur_ok(c, err));
    CR_TRY(copy_text(l->x, name.p, h5_left(&name), &link.name, err));
    link.kind = kind == 0 ? H5_LINK_HARD : kind == 1 ? H5_LINK_SOFT : H5_LINK_ELSEWHERE;
    if (link.kind == H5_LINK_HARD) {
        link.addr = h5_addr(c);
    } else if (link.kind == H5_LINK_SOFT) {
        h5_cur target = h5_sub(c, h5_uint(c, 2));
        CR_TRY(h5_cur_ok(c, err));
        CR_TRY(copy_text(l->x, target.p, h5_left(&target), &link.target, err));
    }
    CR_TRY(h5_cur_ok(c, err));
    return add_link(l, link, err);
}

static cr_status add_dense_link(void *user, h5_cur *record, cr_err *err) {
    link_list *l = user;
    h5_take(record, 4);                    /* hash of the name */
    size_t n = h5_left(record);
    const uint8_t *id = h5_take(record, n);
    h5_cur c;
    CR_TRY(h5_fheap_get(l->x, l->heap, id, n, &c, err));
    return parse_link(l, &c, err);
}

static cr_status load_link_info(link_list *l, h5_cur *c, cr_err *err) {
    unsigned version = (unsigned)h5_uint(c, 1), flags = (unsigned)h5_uint(c, 1);
    if (version != 0)
        return H5_DAMAGED(c, err, "link information of version %u", version);
    if (flags & 1)
        h5_take(c, 8);
    uint64_t heap = h5_addr(c), tree = h5_addr(c);
    CR_TRY(h5_cur_ok(c, err));
    l->ordered = flags & 1;
    if (heap == H5_UNDEF)
        return CR_OK;
    CR_TRY(h5_fheap_open(l->x, heap, &l->heap, err));
    return h5_btree2_walk(l->x, tree, 5, add_dense_link, l, err);
}

/* ---- symbol table ----------------------------------------------------------------------------------------------- */

static cr_status load_symbols(link_list *l, uint64_t addr, cr_err *err) {
    h5_cur c;
    unsigned O = l->x->file->off_size, entry = 2 * O + 24;
    CR_TRY(h5_load(l->x, addr, 8, "symbol table node", &c, err));
    CR_TRY(h5_expect(&c, "SNOD", 1, err));
    h5_take(&c, 1);
    unsigned n = (unsigned)h5_uint(&c, 2);
    CR_TRY(h5_load(l->x, addr + 8, (uint64_t)n * entry, "symbol table node", &c, err));
    for (unsigned i = 0; i < n; i++) {
        h5_link link = {.kind = H5_LINK_HARD};
        const char *name, *target;
        uint64_t name_at = h5_addr(&c);
        link.addr = h5_addr(&c);
        unsigned cached = (unsigned)h5_uint(&c, 4);
        h5_take(&c, 4);
        h5_cur scratch = h5_sub(&c, 16);
        CR_TRY(h5_cur_ok(&c, err));
        CR_TRY(h5_local_name(&l->names, name_at, &name, err));
        CR_TRY(copy_text(l->x, name, strlen(name), &link.name, err));
        if (cached == 2) {                 /* a soft link: the path lies in the heap */
            link.kind = H5_LINK_SOFT;
            CR_TRY(h5_local_name(&l->names, h5_uint(&scratch, 4), &target, err));
            CR_TRY(copy_text(l->x, target, strlen(target), &link.target, err));
        }
        CR_TRY(add_link(l, link, err));
    }
    return CR_OK;
}

/* Levels must fall by one, so that the walk ends; every node costs its bytes in the arena, so that it ends soon. */
static cr_status walk_groups(link_list *l, uint64_t addr, int level, cr_err *err) {
    h5_cur c;
    unsigned O = l->x->file->off_size, L = l->x->file->len_size;
    CR_TRY(h5_load(l->x, addr, 8 + 2ull * O, "B-tree of a group", &c, err));
    const uint8_t *signature = h5_take(&c, 4);
    if (!signature || memcmp(signature, "TREE", 4) != 0)
        return H5_DAMAGED(&c, err, "its signature \"TREE\" is missing");
    unsigned kind = (unsigned)h5_uint(&c, 1);
    int got = (int)h5_uint(&c, 1);
    unsigned n = (unsigned)h5_uint(&c, 2);
    if (kind != 0 || got > MAX_TREE_DEPTH || (level >= 0 && got != level))
        return H5_DAMAGED(&c, err, "a node of kind %u and level %d", kind, got);
    CR_TRY(h5_load(l->x, addr + 8 + 2 * O, (uint64_t)n * (O + L) + L, "B-tree of a group", &c, err));
    for (unsigned i = 0; i < n; i++) {
        h5_length(&c);
        uint64_t child = h5_addr(&c);
        CR_TRY(h5_cur_ok(&c, err));
        CR_TRY(got == 0 ? load_symbols(l, child, err) : walk_groups(l, child, got - 1, err));
    }
    return CR_OK;
}

static cr_status load_symbol_table(link_list *l, h5_cur *c, cr_err *err) {
    uint64_t tree = h5_addr(c), heap = h5_addr(c);
    CR_TRY(h5_cur_ok(c, err));
    CR_TRY(h5_local_heap(l->x, heap, &l->names, err));
    return walk_groups(l, tree, -1, err);
}

/* ---- all -------------------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b) { return strcmp(((const h5_link *)a)->name, ((const h5_link *)b)->name); }

static int by_order(const void *a, const void *b) {
    uint64_t x = ((const h5_link *)a)->order, y = ((const h5_link *)b)->order;
    return x == y ? by_name(a, b) : (x > y) - (x < y);
}

cr_status h5_group_load(h5_ctx *x, const h5_object *o, h5_group *ret_group, cr_err *err) {
    link_list l = {.x = x};
    h5_cur c;
    bool found;
    CR_TRY(h5_object_find(x, o, H5_MSG_SYMBOL_TABLE, &c, &found, err));
    if (found)
        CR_TRY(load_symbol_table(&l, &c, err));
    CR_TRY(h5_object_find(x, o, H5_MSG_LINK_INFO, &c, &found, err));
    if (found)
        CR_TRY(load_link_info(&l, &c, err));
    for (int i = 0; i < o->n; i++) {
        if (o->msgs[i].type != H5_MSG_LINK)
            continue;
        h5_cur link = o->msgs[i].data;
        CR_TRY(parse_link(&l, &link, err));
    }
    if (l.g.n)
        qsort(l.g.links, (size_t)l.g.n, sizeof *l.g.links, l.ordered ? by_order : by_name);
    *ret_group = l.g;
    return CR_OK;
}

const h5_link *h5_group_find(const h5_group *g, const char *name) {
    for (int i = 0; i < g->n; i++)
        if (strcmp(g->links[i].name, name) == 0)
            return &g->links[i];
    return NULL;
}

static cr_status follow(h5_ctx *x, uint64_t root, uint64_t group_addr, const h5_link *link, int *left, uint64_t *ret_addr, cr_err *err);

static cr_status follow_path(h5_ctx *x, uint64_t root, uint64_t from, const char *path, int *left, uint64_t *ret_addr, cr_err *err) {
    uint64_t at = *path == '/' ? root : from;
    while (at != H5_UNDEF) {
        path += strspn(path, "/");
        size_t n = strcspn(path, "/");
        if (n == 0)
            break;
        char *name = cr_arena_strndup(x->temp, path, n);
        if (!name)
            return CR_FAIL(err, CR_LIMIT, "the metadata needs more than %zu bytes", x->temp->limit_bytes);
        path += n;
        if (strcmp(name, ".") == 0)
            continue;
        h5_object o;
        h5_group g = {0};
        CR_TRY(h5_object_load(x, at, &o, err));
        if (h5_is_group(&o))
            CR_TRY(h5_group_load(x, &o, &g, err));
        const h5_link *next = h5_group_find(&g, name);
        uint64_t here = at;
        at = H5_UNDEF;
        if (next)
            CR_TRY(follow(x, root, here, next, left, &at, err));
    }
    *ret_addr = at;
    return CR_OK;
}

static cr_status follow(h5_ctx *x, uint64_t root, uint64_t group_addr, const h5_link *link, int *left, uint64_t *ret_addr, cr_err *err) {
    if (link->kind == H5_LINK_HARD) {
        *ret_addr = link->addr;
        return CR_OK;
    }
    *ret_addr = H5_UNDEF;
    if (link->kind == H5_LINK_ELSEWHERE || (*left)-- <= 0)
        return CR_OK;
    return follow_path(x, root, group_addr, link->target, left, ret_addr, err);
}

cr_status h5_link_follow(h5_ctx *x, uint64_t root, uint64_t group_addr, const h5_link *link, uint64_t *ret_addr, cr_err *err) {
    int left = MAX_SOFT_LINKS;
    return follow(x, root, group_addr, link, &left, ret_addr, err);
}
