/* hdf5_btree2.c - walking a version-2 B-tree.
 *
 * The widths of counts in a node follow from how many records fit in nodes below it, so they are computed level by level from
 * the node size first. */
#include <inttypes.h>

#include "engine/format/hdf5_heap.h"

enum { NODE_OVERHEAD = 4 + 1 + 1 + 4, MAX_DEPTH = 32 };

typedef struct tree {
    h5_ctx *x;
    h5_record_fn visit;
    void *user;
    unsigned type, node_bytes, record_bytes;
    unsigned count_width;                  /* bytes of a child's record count */
    unsigned total_width[MAX_DEPTH + 1];   /* bytes of the count of all records below a child at a depth */
    uint64_t most[MAX_DEPTH + 1];          /* records that fit in a node at a depth */
} tree;

static unsigned pointer_bytes(const tree *t, unsigned depth) {
    return t->x->file->off_size + t->count_width + (depth > 1 ? t->total_width[depth - 1] : 0);
}

static cr_status set_widths(tree *t, unsigned depth, const h5_cur *c, cr_err *err) {
    if (t->record_bytes == 0 || t->node_bytes < NODE_OVERHEAD + t->record_bytes)
        return H5_DAMAGED(c, err, "nodes of %u bytes for records of %u", t->node_bytes, t->record_bytes);
    if (depth > MAX_DEPTH)
        return H5_DAMAGED(c, err, "a depth of %u", depth);
    uint64_t below = t->most[0] = (t->node_bytes - NODE_OVERHEAD) / t->record_bytes;
    t->count_width = h5_bytes_for(below);
    for (unsigned d = 1; d <= depth; d++) {
        unsigned pointer = pointer_bytes(t, d);
        if (t->node_bytes < NODE_OVERHEAD + pointer + t->record_bytes + pointer)
            return H5_DAMAGED(c, err, "nodes of %u bytes for records of %u", t->node_bytes, t->record_bytes);
        t->most[d] = (t->node_bytes - NODE_OVERHEAD - pointer) / (t->record_bytes + pointer);
        if (__builtin_mul_overflow(t->most[d] + 1, below, &below) || __builtin_add_overflow(below, t->most[d], &below))
            return H5_DAMAGED(c, err, "a depth of %u", depth);
        t->total_width[d] = h5_bytes_for(below);
    }
    return CR_OK;
}

static cr_status visit_record(tree *t, h5_cur *records, cr_err *err) {
    h5_cur record = h5_sub(records, t->record_bytes);
    CR_TRY(h5_cur_ok(&record, err));
    return t->visit(t->user, &record, err);
}

/* Recursion is at most MAX_DEPTH deep. Every node costs its bytes in the temporary arena, which ends a walk in circles. */
static cr_status walk_node(tree *t, uint64_t addr, uint64_t n_records, unsigned depth, cr_err *err) {
    h5_cur c;
    uint64_t used = NODE_OVERHEAD + n_records * t->record_bytes + (depth ? (n_records + 1) * pointer_bytes(t, depth) : 0);
    CR_TRY(h5_load(t->x, addr, CR_MIN(used, (uint64_t)t->node_bytes), "node of a B-tree (version 2)", &c, err));
    if (n_records > t->most[depth])
        return H5_DAMAGED(&c, err, "%" PRIu64 " records; at most %" PRIu64 " fit", n_records, t->most[depth]);
    h5_cur sum = c;
    h5_take(&sum, used - 4);
    if (!h5_checksum_is((uint32_t)h5_uint(&sum, 4), c.start, (size_t)used - 4) || sum.bad)
        return H5_DAMAGED(&c, err, "its checksum is wrong");
    CR_TRY(h5_expect(&c, depth ? "BTIN" : "BTLF", 0, err));
    if (h5_uint(&c, 1) != t->type)
        return H5_DAMAGED(&c, err, "it belongs to another kind of tree");
    h5_cur records = h5_sub(&c, n_records * t->record_bytes);
    for (uint64_t i = 0; i <= n_records; i++) {
        if (depth) {
            uint64_t child = h5_addr(&c), n = h5_uint(&c, t->count_width);
            if (depth > 1)
                h5_uint(&c, t->total_width[depth - 1]);
            CR_TRY(h5_cur_ok(&c, err));
            CR_TRY(walk_node(t, child, n, depth - 1, err));
        }
        if (i < n_records)
            CR_TRY(visit_record(t, &records, err));
    }
    return CR_OK;
}

cr_status h5_btree2_walk(h5_ctx *x, uint64_t addr, unsigned type, h5_record_fn visit, void *user, cr_err *err) {
    tree t = {.x = x, .visit = visit, .user = user, .type = type};
    h5_cur c;
    CR_TRY(h5_load_checked(x, addr, 4 + 1 + 1 + 4 + 2 + 2 + 1 + 1 + x->file->off_size + 2 + x->file->len_size + 4ull, "B-tree (version 2)", &c, err));
    CR_TRY(h5_expect(&c, "BTHD", 0, err));
    unsigned got = (unsigned)h5_uint(&c, 1);
    if (got != type)
        return H5_DAMAGED(&c, err, "it holds records of type %u, expected %u", got, type);
    t.node_bytes = (unsigned)h5_uint(&c, 4);
    t.record_bytes = (unsigned)h5_uint(&c, 2);
    unsigned depth = (unsigned)h5_uint(&c, 2);
    h5_take(&c, 2);                        /* percentages of splitting and merging */
    uint64_t root = h5_addr(&c), n = h5_uint(&c, 2);
    CR_TRY(h5_cur_ok(&c, err));
    CR_TRY(set_widths(&t, depth, &c, err));
    return root == H5_UNDEF ? CR_OK : walk_node(&t, root, n, depth, err);
}
