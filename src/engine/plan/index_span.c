/* index_span.c - see index_span.h. */
#include "engine/plan/index_span.h"

#define FAN 16

static void summarize(const int64_t *least, const int64_t *most, int64_t lo, int64_t hi, int64_t *a, int64_t *b) {
    for (int64_t i = lo; i < hi; i++) {
        *a = CR_MIN(*a, least[i]);
        *b = CR_MAX(*b, most[i]);
    }
}

const cr_index_span *cr_index_span_make(cr_arena *arena, const int64_t *index, int64_t n) {
    cr_index_span *s = cr_arena_alloc(arena, sizeof *s);
    if (s == NULL)
        return NULL;
    const int64_t *least = index, *most = index;
    s->index = index;
    s->n = n;
    while (n > FAN && s->n_levels < CR_INDEX_SPAN_LEVELS) {
        int64_t blocks = (n + FAN - 1) / FAN;
        int64_t *a = cr_arena_calloc(arena, (size_t)blocks, sizeof *a), *b = cr_arena_calloc(arena, (size_t)blocks, sizeof *b);
        if (a == NULL || b == NULL)
            return NULL;
        for (int64_t k = 0; k < blocks; k++) {
            a[k] = INT64_MAX;
            b[k] = INT64_MIN;
            summarize(least, most, FAN * k, CR_MIN(n, FAN * k + FAN), &a[k], &b[k]);
        }
        least = s->least[s->n_levels] = a;
        most = s->most[s->n_levels++] = b;
        n = blocks;
    }
    return s;
}

/* On each level what sticks out of whole blocks at both ends, then one level up with the rest. */
void cr_index_span_ask(const cr_index_span *s, int64_t lo, int64_t hi, int64_t *ret_least, int64_t *ret_most) {
    const int64_t *least = s->index, *most = s->index;
    int64_t a = INT64_MAX, b = INT64_MIN;
    for (int level = 0; lo < hi; level++) {
        int64_t first = (lo + FAN - 1) / FAN, end = hi / FAN;
        /* The last block may be shorter: it is taken apart like one that is cut. */
        if (level == s->n_levels || first >= end) {
            summarize(least, most, lo, hi, &a, &b);
            break;
        }
        summarize(least, most, lo, FAN * first, &a, &b);
        summarize(least, most, FAN * end, hi, &a, &b);
        lo = first;
        hi = end;
        least = s->least[level];
        most = s->most[level];
    }
    *ret_least = a;
    *ret_most = b;
}
