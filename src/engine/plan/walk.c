/* walk.c - see walk.h. */
#include <stdlib.h>

#include "engine/plan/walk.h"

#define MOST_SEGMENTS ((int64_t)1 << 22)
#define MOST_BOXES 64              /* in which a node is looked at through one access, that are tried for one more */

cr_status cr_plan_grow(void **items, int32_t n, int32_t *cap, size_t size, cr_err *err) {
    if (n < *cap)
        return CR_OK;
    int32_t more = *cap == 0 ? 32 : 2 * *cap;
    void *bigger = more > CR_PROGRAM_MOST_VALUES ? NULL : realloc(*items, (size_t)more * size);
    if (bigger == NULL) {
        cr_status s = CR_FAIL(err, CR_LIMIT, "the expression has more than %d parts once its views are resolved", n);
        cr_err_hint(err, "compute parts of it first");
        return s;
    }
    *items = bigger;
    *cap = more;
    return CR_OK;
}

void cr_walk_done(cr_walk *k) {
    free(k->items);
    free(k->links);
    free(k->boxes);
    free(k->nodes);
    cr_idtable_done(&k->known);
}


/* A new box like `like`, -1: everything. */
static cr_status add_box(cr_walk *k, int32_t like, int32_t *ret_box, cr_err *err) {
    size_t words = cr_box_words(k->p);
    CR_TRY(cr_plan_grow((void **)&k->boxes, k->n_boxes, &k->cap_boxes, words * sizeof *k->boxes, err));
    int64_t *b = cr_walk_box(k, k->n_boxes);
    for (int d = 0; d < k->p->ndim && like < 0; d++) {
        b[2 * d] = 0;
        b[2 * d + 1] = k->p->shape[d];
    }
    if (like >= 0)
        memcpy(b, cr_walk_box(k, like), words * sizeof *b);
    *ret_box = k->n_boxes++;
    return CR_OK;
}

static double box_size(const int64_t *b, int ndim) {
    double n = 1;
    for (int d = 0; d < ndim; d++)
        n *= (double)(b[2 * d + 1] - b[2 * d]);
    return n;
}

/* Two boxes become one where that adds nothing, or no more than they have in common. It adds no position along any axis that is in neither: there,
 * accesses would mean nothing. */
static bool join_boxes(int ndim, const int64_t *a, const int64_t *b, int64_t *ret_both) {
    bool a_holds = true, b_holds = true, overlap = true;
    int differ = 0;
    for (int d = 0; d < ndim; d++) {
        int64_t lo = CR_MIN(a[2 * d], b[2 * d]), hi = CR_MAX(a[2 * d + 1], b[2 * d + 1]);
        int64_t from = CR_MAX(a[2 * d], b[2 * d]), to = CR_MIN(a[2 * d + 1], b[2 * d + 1]);
        if (from > to)
            return false;
        overlap = overlap && from < to;
        a_holds = a_holds && a[2 * d] == lo && a[2 * d + 1] == hi;
        b_holds = b_holds && b[2 * d] == lo && b[2 * d + 1] == hi;
        differ += a[2 * d] != b[2 * d] || a[2 * d + 1] != b[2 * d + 1];
        ret_both[2 * d] = lo;
        ret_both[2 * d + 1] = hi;
    }
    if (a_holds || b_holds || differ <= 1)
        return true;
    return overlap && box_size(ret_both, ndim) <= box_size(a, ndim) + box_size(b, ndim);
}

/* Goes down through views until something has a value of its own. A concat at a constant position is a view too. */
static cr_status skip_views(cr_plan *plan, const cr_program *p, int32_t *node, const cr_access **access, cr_err *err) {
    for (;;) {
        const cr_plan_node *n = &plan->nodes[*node];
        const cr_array *a = n->node;
        if (cr_ops[a->op].cls != CR_CLASS_VIEW)
            return CR_OK;
        if (a->op == CR_OP_CONCAT) {
            int axis = *(const int *)a->params, k = 0;
            if ((*access)->axis[axis].dim >= 0)
                return CR_OK;
            cr_access_axis x = (*access)->axis[axis];
            while (x.start >= a->inputs[k]->shape[axis])
                x.start -= a->inputs[k++]->shape[axis];
            CR_TRY(cr_access_replace(plan, *access, axis, &x, access, err));
            *node = n->inputs[k];
            continue;
        }
        CR_TRY(cr_access_through(plan, p->shape, *node, 0, *access, access, err));
        *node = n->inputs[0];
    }
}

static cr_status push_node(cr_walk *k, int32_t node, cr_err *err) {
    CR_TRY(cr_plan_grow((void **)&k->nodes, k->n_nodes, &k->cap_nodes, sizeof *k->nodes, err));
    int32_t i = k->n_nodes++;
    for (; i > 0 && k->nodes[(i - 1) / 2] < node; i = (i - 1) / 2)
        k->nodes[i] = k->nodes[(i - 1) / 2];
    k->nodes[i] = node;
    return CR_OK;
}

static int32_t pop_node(cr_walk *k) {
    int32_t top = k->nodes[0], last = k->nodes[--k->n_nodes], i = 0;
    for (int32_t c; (c = 2 * i + 1) < k->n_nodes; i = c) {
        c += c + 1 < k->n_nodes && k->nodes[c + 1] > k->nodes[c];
        if (k->nodes[c] <= last)
            break;
        k->nodes[i] = k->nodes[c];
    }
    k->nodes[i] = last;
    return top;
}

/* An item of the same node and access that can look at the box too; -1: none. As it grows it may meet others, which become parts of it. */
static cr_status join_items(cr_walk *k, int32_t latest, int32_t box, int32_t *ret_item, cr_err *err) {
    int64_t both[2 * CR_MAX_DIMS];
    int ndim = k->p->ndim;
    int32_t found = -1;
    for (bool grown = true; grown;) {
        grown = false;
        int32_t seen = 0;
        for (int32_t i = latest; i >= 0 && seen < MOST_BOXES; i = k->items[i].same) {
            if (k->items[i].into >= 0 || i == found)
                continue;
            seen++;
            int32_t with = found >= 0 ? k->items[found].box : box, more;
            if (!join_boxes(ndim, cr_walk_box(k, k->items[i].box), cr_walk_box(k, with), both))
                continue;
            if (found >= 0)
                k->items[i].into = found;
            else
                found = i;
            if (memcmp(cr_walk_box(k, k->items[found].box), both, 2 * (size_t)ndim * sizeof *both) == 0)
                continue;
            CR_TRY(add_box(k, 0, &more, err));
            memcpy(cr_walk_box(k, more), both, 2 * (size_t)ndim * sizeof *both);
            k->items[found].box = more;
            grown = true;
        }
    }
    *ret_item = found;
    return CR_OK;
}

static cr_status look_at(cr_walk *k, int32_t node, const cr_access *access, int32_t box, int32_t *ret_item, cr_err *err) {
    CR_TRY(skip_views(k->plan, k->p, &node, &access, err));
    uint8_t op = k->plan->nodes[node].node->op;
    if (op == CR_OP_SCALAR || op == CR_OP_FULL) /* the same wherever it is looked at */
        box = 0;
    uint64_t key = cr_memo_key(node, 0), word = (uint64_t)(uintptr_t)access;
    int32_t same = (int32_t)cr_idtable_get(&k->known, key, word), next = (int32_t)cr_idtable_get(&k->known, key, 0), found;
    CR_TRY(join_items(k, same, box, &found, err));
    if (found < 0) {
        CR_TRY(cr_plan_grow((void **)&k->items, k->n_items, &k->cap_items, sizeof *k->items, err));
        found = k->n_items++;
        k->items[found] = (cr_walk_item){.node = node, .box = box, .access = access, .into = -1, .same = same, .next = next, .value = -1};
        CR_TRY(cr_idtable_put(&k->known, key, word, found, err));
        CR_TRY(cr_idtable_put(&k->known, key, 0, found, err));
        if (next < 0)
            CR_TRY(push_node(k, node, err));
    }
    *ret_item = found;
    return CR_OK;
}

/* ---- concat ---- */

static int64_t position_at(const cr_access_axis *x, int64_t i) { return x->index != NULL ? x->index[i] : x->start + x->step * i; }

/* Which input holds `position` along the concat's axis; starts[k] is where input k begins. */
static int64_t input_at(const int64_t *starts, int64_t n, int64_t position) {
    int64_t lo = 0, hi = n - 1;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo + 1) / 2;
        if (starts[mid] <= position)
            lo = mid;
        else
            hi = mid - 1;
    }
    return lo;
}

/* End of the run of domain positions from i on that stay in input [begin, end). */
static int64_t run_end(const cr_access_axis *x, int64_t i, int64_t extent, int64_t begin, int64_t end) {
    if (x->index == NULL) {
        int64_t at = x->start + x->step * i;
        int64_t more = x->step > 0 ? (end - 1 - at) / x->step : x->step < 0 ? (at - begin) / -x->step : extent;
        return CR_MIN(extent, i + more + 1);
    }
    while (i < extent && x->index[i] >= begin && x->index[i] < end)
        i++;
    return i;
}

/* The access of an input that begins at `begin` of the concat: positions of x less that. Of a list the positions in their own inputs are made once for all of
 * them (own): each input is looked at where they are its own. */
static cr_status shifted(cr_plan *plan, const cr_access *a, int axis, const cr_access_axis *x, int64_t begin, const int64_t *own, const cr_access **ret_access,
                         cr_err *err) {
    cr_access_axis y = *x;
    if (x->index == NULL)
        y.start = x->start - begin;
    else
        y.index = own;
    return cr_access_replace(plan, a, axis, &y, ret_access, err);
}

/* Segments of an item that is a concat, and items for what they show. */
static cr_status split_concat(cr_walk *w, int32_t item, cr_err *err) {
    cr_plan *plan = w->plan;
    const cr_walk_item it = w->items[item]; /* they move as others come */
    const cr_plan_node *n = &plan->nodes[it.node];
    const cr_array *a = n->node;
    int axis = *(const int *)a->params;
    const cr_access_axis *x = &it.access->axis[axis];
    int64_t first = cr_walk_box(w, it.box)[2 * x->dim], extent = cr_walk_box(w, it.box)[2 * x->dim + 1], m = 0;
    cr_auto_free int64_t *starts = malloc(((size_t)a->n_inputs + 1) * sizeof *starts);
    if (starts == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to plan a concat of %d arrays", a->n_inputs);
    starts[0] = 0;
    for (int i = 0; i < a->n_inputs; i++)
        starts[i + 1] = starts[i] + a->inputs[i]->shape[axis];
    int64_t *own = x->index != NULL ? cr_arena_calloc(&plan->arena, (size_t)w->p->shape[x->dim] + 1, sizeof *own) : NULL;
    if (x->index != NULL && own == NULL)
        return CR_FAIL(err, CR_LIMIT, "planning needs too much memory: an index list over a concat");
    for (int64_t i = first; i < extent; m++) {
        int64_t k = input_at(starts, a->n_inputs, position_at(x, i));
        int64_t end = run_end(x, i, extent, starts[k], starts[k + 1]);
        for (; own != NULL && i < end; i++) /* all of it before anything is made of it */
            own[i] = x->index[i] - starts[k];
        i = end;
        if (m >= MOST_SEGMENTS)
            return CR_FAIL(err, CR_LIMIT, "an index list jumps between the parts of a concat more than %lld times", (long long)m);
    }
    cr_segment *segments = cr_arena_calloc(&plan->arena, (size_t)m + 1, sizeof *segments);
    if (segments == NULL)
        return CR_FAIL(err, CR_LIMIT, "planning needs too much memory: the concat has too many parts");
    m = 0;
    for (int64_t i = first; i < extent; m++) {
        const cr_access *access;
        int32_t box;
        int64_t k = input_at(starts, a->n_inputs, position_at(x, i));
        int64_t end = run_end(x, i, extent, starts[k], starts[k + 1]);
        CR_TRY(shifted(plan, it.access, axis, x, starts[k], own, &access, err));
        CR_TRY(add_box(w, it.box, &box, err));
        cr_walk_box(w, box)[2 * x->dim] = i;
        cr_walk_box(w, box)[2 * x->dim + 1] = end;
        segments[m].lo = i;
        segments[m].hi = end;
        CR_TRY(look_at(w, n->inputs[k], access, box, &segments[m].value, err));
        i = end;
    }
    w->items[item].dim = x->dim;
    w->items[item].n_segments = m;
    w->items[item].segments = segments;
    return CR_OK;
}

/* ---- the walk ---- */

static cr_status split_map(cr_walk *k, int32_t item, cr_err *err) {
    const cr_walk_item it = k->items[item];
    const cr_plan_node *n = &k->plan->nodes[it.node];
    k->items[item].first_link = k->n_links;
    k->items[item].n_links = n->node->n_inputs;
    for (int i = 0; i < n->node->n_inputs; i++) {
        const cr_access *access;
        int32_t in;
        CR_TRY(cr_access_through(k->plan, k->p->shape, it.node, i, it.access, &access, err));
        CR_TRY(look_at(k, n->inputs[i], access, it.box, &in, err));
        CR_TRY(cr_plan_grow((void **)&k->links, k->n_links, &k->cap_links, sizeof *k->links, err));
        k->links[k->n_links++] = in;
    }
    return CR_OK;
}

cr_status cr_walk_check(const cr_walk *k, cr_err *err) {
    uint64_t bytes = cr_program_bytes(k->p) + (uint64_t)k->cap_items * sizeof(cr_walk_item) + (uint64_t)(k->cap_links + k->cap_nodes) * sizeof(int32_t) +
                     (uint64_t)k->cap_boxes * cr_box_words(k->p) * sizeof(int64_t) + 24 * k->known.cap;
    if (bytes <= k->plan->limit_bytes)
        return CR_OK;
    cr_status status = CR_FAIL(err, CR_LIMIT, "the expression has more than %d parts once its views are resolved, which is more than planning may hold",
                               k->n_items);
    cr_err_hint(err, "compute parts of it first: shifts, rolls and concats of each other multiply");
    return status;
}

/* All that is looked at, users first: inputs have smaller numbers. */
static cr_status collect(cr_walk *k, cr_err *err) {
    while (k->n_nodes > 0) {
        int32_t node = pop_node(k);
        const cr_array *a = k->plan->nodes[node].node;
        if (a->op != CR_OP_CONCAT && cr_ops[a->op].cls != CR_CLASS_MAP)
            continue;
        for (int32_t i = (int32_t)cr_idtable_get(&k->known, cr_memo_key(node, 0), 0); i >= 0; i = k->items[i].next) {
            CR_TRY(cr_walk_check(k, err));
            if (k->items[i].into < 0)
                CR_TRY((a->op == CR_OP_CONCAT ? split_concat : split_map)(k, i, err));
        }
    }
    return CR_OK;
}

cr_status cr_walk_make(cr_walk *k, cr_plan *plan, cr_program *p, int32_t node, const cr_access *access, int32_t *ret_root, cr_err *err) {
    int32_t everything;
    *k = (cr_walk){.plan = plan, .p = p};
    CR_TRY(add_box(k, -1, &everything, err));
    CR_TRY(look_at(k, node, access, everything, ret_root, err));
    return collect(k, err);
}
