/* chunk_box.c - the boxes of chunks that a program looks at, where a source reads these by themselves (docs/decisions/0062). */
#include "engine/plan/plan.h"

enum { SHORT_LIST = 256 };

/* Positions of a source that a program looks at along an axis. Long lists are taken to look at all, since this is asked for every chunk. Below a concat
 * positions of other parts count too: some more. */
static void looked_at(const cr_program *p, const cr_access_axis *x, int64_t extent, int64_t *ret_lo, int64_t *ret_hi) {
    int64_t first = x->start, last = x->start, far, n = x->dim >= 0 ? p->shape[x->dim] : 1;
    *ret_lo = 0;
    *ret_hi = extent;
    if (x->dim >= 0 && x->index != NULL) {
        if (n < 1 || n > SHORT_LIST)
            return;
        first = last = x->index[0];
        for (int64_t i = 1; i < n; i++) {
            first = CR_MIN(first, x->index[i]);
            last = CR_MAX(last, x->index[i]);
        }
    } else if (x->dim >= 0 && (__builtin_mul_overflow(x->step, n - 1, &far) || __builtin_add_overflow(first, far, &last))) {
        return;
    }
    int64_t lo = CR_MAX(0, CR_MIN(first, last)), hi = CR_MIN(extent - 1, CR_MAX(first, last));
    if (lo > hi)
        return;
    *ret_lo = lo;
    *ret_hi = hi + 1;
}

void cr_leaf_part(const cr_program *p, const cr_leaf *l, const int64_t *at, int64_t *ret_lo, int64_t *ret_n) {
    const cr_source *s = ((const cr_stored_params *)l->node->params)->source;
    for (int a = 0; a < s->ndim; a++) {
        int64_t lo, hi, begin = at[a] * s->chunk_shape[a];
        looked_at(p, &l->access->axis[a], s->shape[a], &lo, &hi);
        ret_lo[a] = CR_MAX(0, CR_MIN(lo - begin, s->chunk_shape[a] - 1));
        ret_n[a] = CR_MAX(ret_lo[a] + 1, CR_MIN(hi - begin, s->chunk_shape[a])) - ret_lo[a];
    }
}

bool cr_leaf_reads_parts(const cr_program *p, cr_leaf *l, uint64_t *ret_bytes, size_t *ret_scratch) {
    const cr_source *s = ((const cr_stored_params *)l->node->params)->source;
    int64_t n[CR_MAX_DIMS], end[CR_MAX_DIMS];
    size_t decoded;
    if (s->ops->reads_part == NULL)
        return false;
    *ret_bytes = l->itemsize;
    for (int a = 0; a < s->ndim; a++) {
        int64_t lo, hi, c = s->chunk_shape[a];
        looked_at(p, &l->access->axis[a], s->shape[a], &lo, &hi);
        if (hi <= lo)
            return false;
        bool one = lo / c == (hi - 1) / c, two = lo / c + 1 == (hi - 1) / c;
        n[a] = one ? hi - lo : two ? CR_MAX((lo / c + 1) * c - lo, hi - (hi - 1) / c * c) : c;
        end[a] = one ? hi - lo / c * c : c;
        *ret_bytes *= (uint64_t)n[a]; /* at most a chunk */
    }
    if (!s->ops->reads_part(s, n, end, ret_scratch, &decoded))
        return false;
    l->part_again = CR_MAX(1, (double)decoded / (double)*ret_bytes);
    uint64_t same = 0;
    for (int32_t i = 0; i < p->n_leaves; i++)
        same += p->leaves[i].node == l->node;
    return decoded <= s->chunk_bytes / same;
}
