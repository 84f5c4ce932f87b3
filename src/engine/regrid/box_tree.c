/* box_tree.c - see box_tree.h. */
#include "engine/regrid/box_tree.h"

#include <stdlib.h>
#include "engine/exec/run.h"

enum { LEAF = 8, DEPTH = 64, ASK_EACH = 1024 };

void cr_box_add(cr_box *b, cr_vec v) {
    const double c[3] = {v.x, v.y, v.z};
    for (int i = 0; i < 3; i++) {
        b->lo[i] = fminf(b->lo[i], nextafterf((float)c[i], -4));
        b->hi[i] = fmaxf(b->hi[i], nextafterf((float)c[i], 4));
    }
}

/* A patch of the sphere whose corners are at most d apart lies within d^2 / 4 of the box around them (d < 1.4: a quarter of a great circle). */
cr_box cr_box_of(const cr_polygon *p) {
    cr_box b = cr_box_none();
    double most = 0;
    for (int i = 0; i < p->n; i++) {
        cr_box_add(&b, p->p[i]);
        for (int k = 0; k < i; k++) {
            cr_vec d = cr_vec_minus(p->p[i], p->p[k]);
            most = fmax(most, cr_vec_dot(d, d));
        }
    }
    float more = (float)(most / 4 + 1e-12);
    for (int i = 0; i < 3; i++) {
        b.lo[i] -= more;
        b.hi[i] += more;
    }
    return b;
}

typedef struct builder {
    const cr_context *context;
    cr_box_tree *t;
    float (*centre)[3];           /* by place in `order` at first, then moved along with it */
    cr_box (*box_of)(const void *user, int32_t item);
    const void *user;
} builder;

static void swap(builder *b, int32_t i, int32_t k) {
    int32_t item = b->t->order[i];
    b->t->order[i] = b->t->order[k];
    b->t->order[k] = item;
    for (int a = 0; a < 3; a++) {
        float c = b->centre[i][a];
        b->centre[i][a] = b->centre[k][a];
        b->centre[k][a] = c;
    }
}

/* The item that belongs at mid along the axis is put there, smaller ones before it (Hoare 1961). */
static void select_median(builder *b, int32_t lo, int32_t hi, int32_t mid, int axis) {
    while (hi - lo > 1) {
        float pivot = b->centre[lo + (hi - lo) / 2][axis];
        int32_t i = lo, k = hi - 1;
        while (i <= k) {
            while (b->centre[i][axis] < pivot)
                i++;
            while (b->centre[k][axis] > pivot)
                k--;
            if (i <= k)
                swap(b, i++, k--);
        }
        if (mid <= k)
            hi = k + 1;
        else if (mid >= i)
            lo = i;
        else
            return;
    }
}

/* Halves each time: no deeper than the logarithm of 2^31. false: cancelled. */
static bool build(builder *b, int32_t begin, int32_t end) {
    cr_box_tree *t = b->t;
    if (cr_context_cancelled(b->context))
        return false;
    int32_t me = t->n_nodes++;
    cr_box box = cr_box_none();
    if (end - begin <= LEAF) {
        for (int32_t i = begin; i < end; i++) {
            cr_box one = b->box_of(b->user, t->order[i]);
            for (int a = 0; a < 3; a++) {
                box.lo[a] = fminf(box.lo[a], one.lo[a]);
                box.hi[a] = fmaxf(box.hi[a], one.hi[a]);
            }
        }
    } else {
        float lo[3] = {4, 4, 4}, hi[3] = {-4, -4, -4};
        for (int32_t i = begin; i < end; i++)
            for (int a = 0; a < 3; a++) {
                lo[a] = fminf(lo[a], b->centre[i][a]);
                hi[a] = fmaxf(hi[a], b->centre[i][a]);
            }
        int axis = 0;
        for (int a = 1; a < 3; a++)
            if (hi[a] - lo[a] > hi[axis] - lo[axis])
                axis = a;
        int32_t mid = begin + (end - begin) / 2;
        select_median(b, begin, end, mid, axis);
        int32_t first = t->n_nodes;
        if (!build(b, begin, mid))
            return false;
        int32_t second = t->n_nodes;
        if (!build(b, mid, end))
            return false;
        for (int a = 0; a < 3; a++) {
            box.lo[a] = fminf(t->nodes[first].box.lo[a], t->nodes[second].box.lo[a]);
            box.hi[a] = fmaxf(t->nodes[first].box.hi[a], t->nodes[second].box.hi[a]);
        }
    }
    t->nodes[me] = (cr_box_node){.box = box, .begin = begin, .end = end, .skip = t->n_nodes};
    return true;
}

cr_status cr_box_tree_new(const cr_context *c, int32_t n, int32_t *items, cr_box (*box_of)(const void *user, int32_t item), const void *user,
                          cr_box_tree **ret_tree, cr_err *err) {
    cr_box_tree *t = calloc(1, sizeof *t);
    cr_auto_free float(*centre)[3] = malloc(((size_t)n + 1) * sizeof *centre);
    cr_box_node *nodes = malloc((2 * ((size_t)n / (LEAF / 2) + 1) + 1) * sizeof *nodes);
    if (t == NULL || centre == NULL || nodes == NULL) {
        free(t);
        free(nodes);
        return CR_FAIL(err, CR_MEMORY, "no memory to search %d cells", (int)n);
    }
    *t = (cr_box_tree){.n_items = n, .order = items, .nodes = nodes};
    bool going = true;
    for (int32_t i = 0; i < n && going; i++) {
        going = i % ASK_EACH != 0 || !cr_context_cancelled(c);
        cr_box b = box_of(user, items[i]);
        for (int a = 0; a < 3; a++)
            centre[i][a] = (b.lo[a] + b.hi[a]) / 2;
    }
    builder b = {.context = c, .t = t, .centre = centre, .box_of = box_of, .user = user};
    if (n > 0 && (!going || !build(&b, 0, n))) {
        free(t);
        free(nodes);
        return CR_FAIL(err, CR_CANCELLED, "cancelled");
    }
    *ret_tree = t;
    return CR_OK;
}

void cr_box_tree_free(cr_box_tree *t) {
    if (t == NULL)
        return;
    free(t->order);
    free(t->nodes);
    free(t);
}

/* Square of the distance to the box; a little less, for the rounding of its borders. */
static double away(const cr_box *b, cr_vec v) {
    const double c[3] = {v.x, v.y, v.z};
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        double d = c[i] < (double)b->lo[i] ? (double)b->lo[i] - c[i] : c[i] > (double)b->hi[i] ? c[i] - (double)b->hi[i] : 0;
        sum += d * d;
    }
    return sum;
}

int32_t cr_box_tree_nearest(const cr_box_tree *t, cr_vec v, cr_vec (*at)(const void *user, int32_t item), const void *user) {
    int32_t stack[DEPTH], n = 0, best = -1;
    double least = 16;
    if (t->n_nodes > 0)
        stack[n++] = 0;
    while (n > 0) {
        int32_t i = stack[--n];
        if (away(&t->nodes[i].box, v) > least)
            continue;
        if (cr_box_node_is_leaf(t, i)) {
            for (int32_t k = t->nodes[i].begin; k < t->nodes[i].end; k++) {
                cr_vec d = cr_vec_minus(at(user, t->order[k]), v);
                double square = cr_vec_dot(d, d);
                if (square < least || (square == least && t->order[k] < best)) {
                    least = square;
                    best = t->order[k];
                }
            }
            continue;
        }
        int32_t first = i + 1, second = t->nodes[first].skip;
        bool turn = away(&t->nodes[second].box, v) < away(&t->nodes[first].box, v);
        stack[n++] = turn ? first : second;
        stack[n++] = turn ? second : first;
    }
    return best;
}
