/* sieve.c - order statistics near an end: of each series only what the wanted ranks can need is kept (kernel/rank.h, cr_rank_sift).
 *
 * The kept positions of a panel, counted row-major, are dealt to sieves, a row of lanes to each. Workers store a cell into a box of their own,
 * all its kept positions side by side for each position of the reduced axes, and then put it through the sieves one after the other. Several
 * workers may do so with one panel: each begins with other sieves, and a lock is for a range of them. The order in which elements come
 * changes nothing of what is kept.
 */
#include "engine/exec/run.h"

typedef struct sieve {
    void *rows;
    cr_rank_sieve *state;
} sieve;

static sieve sieve_at(const cr_sink_plan *k, char *panel, int64_t i) {
    char *at = panel + i * k->sieve_bytes;
    return (sieve){.rows = at, .state = (cr_rank_sieve *)(at + (int64_t)(k->sift.room + 1) * CR_RANK_ROW_BYTES)};
}

static int64_t positions(const cr_program *p, const cr_sink_plan *k, const int64_t *n, bool reduced) {
    int64_t all = 1;
    for (int d = 0; d < p->ndim; d++)
        all *= ((k->reduced & (1u << d)) != 0) == reduced ? n[d] : 1;
    return all;
}

int64_t cr_sieve_pieces(const cr_program *p, const cr_sink_plan *k, const int64_t *n) {
    return (positions(p, k, n, false) + k->lanes - 1) / k->lanes;
}

void cr_sieve_open(const cr_sink_plan *k, char *panel) {
    for (int64_t i = 0; i < k->panel_bytes / k->sieve_bytes; i++)
        sieve_at(k, panel, i).state->begun = 0;
}

void cr_sieve_begin(const cr_worker *w, const cr_sink_plan *k, cr_place *place) {
    int64_t bytes = (int64_t)cr_dtype_size(k->rank.in);
    place->out = place->box;
    for (int reduced = 0; reduced < 2; reduced++)
        for (int d = w->run->scan->program.ndim - 1; d >= 0; d--)
            if (((k->reduced & (1u << d)) != 0) == reduced) {
                place->out_stride[d] = bytes;
                bytes *= w->n[d];
            }
}

void cr_sieve_take(const cr_worker *w, const cr_sink_plan *k, const cr_place *place, char *panel, pthread_mutex_t *locks) {
    const cr_program *p = &w->run->scan->program;
    const int64_t item = (int64_t)cr_dtype_size(k->rank.in), across = positions(p, k, w->n, false), rows = positions(p, k, w->n, true);
    const int64_t n = cr_sieve_pieces(p, k, w->n);
    for (int part = 0; part < CR_SIEVE_LOCKS; part++) {
        int at = (part + w->id) % CR_SIEVE_LOCKS;
        pthread_mutex_lock(&locks[at]);
        for (int64_t i = at * n / CR_SIEVE_LOCKS; i < (at + 1) * n / CR_SIEVE_LOCKS; i++) {
            sieve s = sieve_at(k, panel, i);
            cr_rank_sift_rows(&k->rank, w->run->plan->simd, &k->sift, s.state, s.rows, place->box + i * k->lanes * item,
                              (int)CR_MIN(k->lanes, across - i * k->lanes), across * item, rows);
        }
        pthread_mutex_unlock(&locks[at]);
    }
}

void cr_sieve_rank(const cr_run *r, const cr_sink_run *s, int64_t q_stride, char *panel, const int64_t *lo, const int64_t *n, int64_t piece) {
    const cr_sink_plan *k = s->plan;
    const cr_program *p = &r->scan->program;
    const int64_t first = piece * k->lanes, across = positions(p, k, n, false);
    sieve at = sieve_at(k, panel, piece);
    char *out[CR_RANK_MOST_LANES];
    int n_lanes = (int)CR_MIN(k->lanes, across - first);
    for (int l = 0; l < n_lanes; l++) {
        int64_t rest = first + l;
        out[l] = s->out;
        for (int d = p->ndim - 1; d >= 0; d--)
            if (!(k->reduced & (1u << d))) {
                out[l] += (lo[d] + rest % n[d]) * s->out_stride[d];
                rest /= n[d];
            }
    }
    cr_rank_sifted(&k->rank, r->plan->simd, &k->sift, at.state, at.rows, positions(p, k, p->shape, true), n_lanes, out, q_stride);
}
