/* panel.c - order statistics: all elements of a kept cell are put together in a panel; when the last has come, its series are ranked.
 *
 * A panel has the cell's kept extents and the whole of the reduced axes, laid out as the domain. Workers store cells into it as into a
 * result in memory, each its own part. Whoever brings the last part ranks the series and gives the panel back; workers that have nothing
 * better to do help with it, a piece at a time (a few series side by side). fit.c has counted how many can be open at once, and so nobody
 * opens another before the one he filled is given back.
 *
 * Where the quantiles are near an end, a panel keeps less than all elements: what goes into it and how it is ranked is then in sieve.c.
 */
#include <stdlib.h>

#include "engine/exec/run.h"

typedef struct cr_panel {
    struct cr_panel *next;        /* unused ones; those that are being ranked */
    int sink;
    int64_t missing;              /* elements */
    char *bytes;
    int64_t lo[CR_MAX_DIMS], n[CR_MAX_DIMS]; /* of the kept cell */
    int64_t n_pieces;
    atomic_int_fast64_t next_piece;
    int64_t pieces_left;          /* under the run's lock, as are the helpers, without whom it is not given back */
    int helpers;
    pthread_mutex_t locks[CR_SIEVE_LOCKS];
} panel;

struct cr_panels {
    pthread_mutex_t lock;
    panel **open;                 /* per kept cell */
    panel *entries, *unused;
    char *memory;
    uint64_t memory_bytes;
    int64_t group_stride, q_stride;
    /* grouped: offsets of the reduced positions in a panel, group by group; starts[g] is where group g begins */
    int64_t *rows, *starts;
};

/* ---- setting up ---- */

static void result_strides(const cr_run *r, cr_sink_run *s, struct cr_panels *p) {
    const cr_array *a = s->node;
    const cr_sink_plan *k = s->plan;
    int64_t stride[CR_MAX_DIMS], bytes = (int64_t)a->itemsize;
    for (int i = a->ndim - 1; i >= 0; i--) {
        stride[i] = bytes;
        bytes *= a->shape[i];
    }
    for (int d = 0; d < r->scan->program.ndim; d++)
        s->out_stride[d] = k->out_axis[d] < 0 ? 0 : stride[k->out_axis[d]];
    p->group_stride = k->quantiles->grouped ? stride[k->group_axis] : 0;
    p->q_stride = k->quantiles->n_q > 0 ? stride[0] : 0;
}

/* Codes are row-major over the reduced axes as the user counts them; panels lie as the domain. */
static cr_status list_rows(const cr_run *r, const cr_sink_plan *k, struct cr_panels *p, cr_err *err) {
    const cr_program *program = &r->scan->program;
    const int32_t *codes = cr_quantile_codes(k->quantiles);
    int64_t n = k->quantiles->n_codes, c[CR_MAX_DIMS] = {0};
    p->rows = malloc(((size_t)n + 1) * sizeof *p->rows);
    p->starts = calloc((size_t)k->n_groups + 2, sizeof *p->starts);
    if (p->rows == NULL || p->starts == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for %lld group codes", (long long)n);
    for (int64_t i = 0; i < n; i++)
        if (codes[i] >= 0)
            p->starts[codes[i] + 2]++;
    for (int64_t g = 0; g < k->n_groups; g++)
        p->starts[g + 2] += p->starts[g + 1];
    for (int64_t i = 0; i < n; i++) { /* starts[g + 1] moves from the beginning of group g to its end */
        int64_t offset = 0, index = 0;
        int d = program->ndim - 1;
        for (int e = 0; e < program->ndim; e++)
            if (k->reduced & (1u << e)) {
                offset += c[e] * k->panel_stride[e];
                index += c[e] * k->index_stride[e];
            }
        if (codes[index] >= 0)
            p->rows[p->starts[codes[index] + 1]++] = offset;
        while (d >= 0 && (!(k->reduced & (1u << d)) || ++c[d] == program->shape[d]))
            c[d--] = 0;
    }
    return CR_OK;
}

cr_status cr_panel_init(cr_run *r, cr_sink_run *s, cr_err *err) {
    const cr_sink_plan *k = s->plan;
    struct cr_panels *p = calloc(1, sizeof *p);
    if (p == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to compute %s", cr_array_op(s->node));
    s->panels = p;
    s->out = r->plan->results[k->result].data;
    pthread_mutex_init(&p->lock, NULL);
    result_strides(r, s, p);
    if (r->scan->empty)
        return CR_OK;
    p->open = calloc((size_t)k->n_kept, sizeof *p->open);
    p->entries = calloc((size_t)k->n_panels, sizeof *p->entries);
    if (p->open == NULL || p->entries == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to compute %s", cr_array_op(s->node));
    if (k->quantiles->grouped)
        CR_TRY(list_rows(r, k, p, err));
    p->memory_bytes = (uint64_t)k->n_panels * (uint64_t)k->panel_bytes;
    void *block;
    CR_TRY(cr_slab_take(&r->context->slab, p->memory_bytes, &block, err));
    p->memory = block;
    for (int64_t i = k->n_panels - 1; i >= 0; i--) {
        for (int l = 0; k->sifts && l < CR_SIEVE_LOCKS; l++)
            pthread_mutex_init(&p->entries[i].locks[l], NULL);
        p->entries[i].bytes = p->memory + i * k->panel_bytes;
        p->entries[i].next = p->unused;
        p->unused = &p->entries[i];
    }
    return CR_OK;
}

void cr_panel_done(cr_run *r, cr_sink_run *s) {
    struct cr_panels *p = s->panels;
    if (p == NULL)
        return;
    for (int64_t i = 0; p->memory != NULL && s->plan->sifts && i < s->plan->n_panels; i++)
        for (int l = 0; l < CR_SIEVE_LOCKS; l++)
            pthread_mutex_destroy(&p->entries[i].locks[l]);
    cr_slab_give(&r->context->slab, p->memory, p->memory_bytes);
    free(p->open);
    free(p->entries);
    free(p->rows);
    free(p->starts);
    pthread_mutex_destroy(&p->lock);
    free(p);
    s->panels = NULL;
}

/* ---- storing ---- */

static int64_t kept_number(const cr_worker *w, const cr_sink_plan *k) {
    int64_t kept = 0;
    for (int d = 0; d < w->run->scan->program.ndim; d++)
        if (!(k->reduced & (1u << d)))
            kept = kept * w->run->scan->cells.n[d] + w->cell[d];
    return kept;
}

cr_status cr_panel_begin(cr_worker *w, int sink, cr_err *err) {
    cr_sink_run *s = &w->run->sinks[sink];
    const cr_sink_plan *k = s->plan;
    struct cr_panels *p = s->panels;
    int64_t kept = kept_number(w, k);
    pthread_mutex_lock(&p->lock);
    panel *at = p->open[kept];
    if (at == NULL && p->unused != NULL) {
        at = p->open[kept] = p->unused;
        p->unused = at->next;
        at->missing = 1;
        for (int d = 0; d < w->run->scan->program.ndim; d++)
            at->missing *= (k->reduced & (1u << d)) ? w->run->scan->program.shape[d] : w->n[d];
        if (k->sifts)
            cr_sieve_open(k, at->bytes);
    }
    pthread_mutex_unlock(&p->lock);
    if (at == NULL)
        return CR_FAIL(err, CR_INTERNAL, "%s needs more than the %lld panels that were planned", cr_array_op(s->node), (long long)k->n_panels);
    cr_place *place = &w->places[sink];
    if (k->sifts) {
        cr_sieve_begin(w, k, place);
        return CR_OK;
    }
    place->out = at->bytes;
    for (int d = 0; d < w->run->scan->program.ndim; d++) {
        place->out_stride[d] = k->panel_stride[d];
        if (k->reduced & (1u << d))
            place->out += w->lo[d] * k->panel_stride[d];
    }
    return CR_OK;
}

/* ---- ranking ---- */

typedef struct ranking {
    const cr_sink_run *s;
    const cr_program *program;
    cr_rank_work work;
    int64_t *counts;              /* per lane */
    char *keys;
    size_t item;
    int simd;
    int64_t room;                 /* keys of a lane */
} ranking;

static void begin_ranking(const cr_worker *w, const cr_sink_run *s, char *memory, ranking *g) {
    const cr_sink_plan *k = s->plan;
    int places = cr_rank_places(&k->rank);
    g->s = s;
    g->program = &w->run->scan->program;
    g->item = cr_dtype_size(k->rank.in);
    g->work.n = -1;
    g->simd = w->run->plan->simd;
    g->counts = (int64_t *)memory;
    g->work.places = (cr_rank_place *)(g->counts + CR_RANK_MOST_LANES);
    g->work.ranks = (int64_t *)(g->work.places + places);
    g->keys = (char *)(((uintptr_t)(g->work.ranks + 2 * places) + 63) / 64 * 64);
    g->room = 1;
    for (int d = 0; d < g->program->ndim; d++)
        if (k->reduced & (1u << d))
            g->room *= g->program->shape[d];
}

/* The whole of the reduced axes, for n_lanes series from src on. */
static void gather_all(const ranking *g, char *keys, const char *src, int64_t lane_step, int n_lanes) {
    const cr_sink_plan *k = g->s->plan;
    char *row = keys;
    int64_t c[CR_MAX_DIMS] = {0};
    int inner = g->program->ndim - 1;
    while (inner > 0 && (!(k->reduced & (1u << inner)) || g->program->shape[inner] == 1))
        inner--;
    bool has_inner = inner >= 0 && (k->reduced & (1u << inner));
    for (;;) {
        const char *from = src;
        for (int d = 0; d < inner; d++)
            from += (k->reduced & (1u << d)) ? c[d] * k->panel_stride[d] : 0;
        int64_t step = has_inner ? k->panel_stride[inner] : 0, n = has_inner ? g->program->shape[inner] : 1;
        if (k->side_by_side)
            cr_rank_gather_rows(k->rank.in, g->simd, row, g->counts, from, lane_step, n_lanes, step, NULL, n);
        else
            cr_rank_gather(k->rank.in, keys, g->room, g->counts, from, lane_step, n_lanes, step, n);
        row += n * CR_RANK_ROW_BYTES;
        int d = inner - 1;
        while (d >= 0 && (!(k->reduced & (1u << d)) || ++c[d] == g->program->shape[d]))
            c[d--] = 0;
        if (d < 0)
            return;
    }
}

/* n_lanes series side by side, the first at src, their results at out. */
static void rank_lanes(ranking *g, char *src, char *out, int n_lanes) {
    const cr_sink_plan *k = g->s->plan;
    const struct cr_panels *p = g->s->panels;
    int64_t lane_step = k->lane_axis < 0 ? 0 : k->panel_stride[k->lane_axis], out_step = k->lane_axis < 0 ? 0 : g->s->out_stride[k->lane_axis];
    char *keys = k->in_place ? src : g->keys;
    for (int64_t group = 0; group < k->n_groups; group++) {
        int64_t n = g->room;
        memset(g->counts, 0, (size_t)n_lanes * sizeof *g->counts);
        if (k->quantiles->grouped && k->side_by_side) {
            n = p->starts[group + 1] - p->starts[group];
            cr_rank_gather_rows(k->rank.in, g->simd, keys, g->counts, src, lane_step, n_lanes, 0, p->rows + p->starts[group], n);
        } else if (k->quantiles->grouped) {
            n = p->starts[group + 1] - p->starts[group];
            cr_rank_gather_at(k->rank.in, keys, g->room, g->counts, src, lane_step, n_lanes, p->rows + p->starts[group], n);
        } else {
            gather_all(g, keys, src, lane_step, n_lanes);
        }
        if (k->side_by_side)
            cr_rank_rows(&k->rank, g->simd, keys, n, g->counts, n_lanes, out + group * p->group_stride, out_step, p->q_stride);
        for (int l = 0; l < n_lanes && !k->side_by_side; l++)
            cr_rank_series(&k->rank, &g->work, keys + (size_t)(l * g->room) * g->item, g->counts[l], n,
                           out + l * out_step + group * p->group_stride, p->q_stride);
    }
}

static int64_t count_pieces(const cr_program *program, const cr_sink_plan *k, const int64_t *n) {
    int64_t pieces = 1;
    if (k->sifts)
        return cr_sieve_pieces(program, k, n);
    for (int d = 0; d < program->ndim; d++)
        if (!(k->reduced & (1u << d)))
            pieces *= d == k->lane_axis ? (n[d] + k->lanes - 1) / k->lanes : n[d];
    return pieces;
}

static void rank_piece(const cr_run *r, ranking *g, const panel *at, int64_t piece) {
    const cr_sink_run *s = &r->sinks[at->sink];
    const cr_sink_plan *k = s->plan;
    if (k->sifts) {
        cr_sieve_rank(r, s, s->panels->q_stride, at->bytes, at->lo, at->n, piece);
        return;
    }
    char *src = at->bytes, *out = s->out;
    int64_t n = 1;
    for (int d = g->program->ndim - 1; d >= 0; d--) {
        if (k->reduced & (1u << d))
            continue;
        int64_t width = d == k->lane_axis ? k->lanes : 1, steps = (at->n[d] + width - 1) / width, c = piece % steps * width;
        piece /= steps;
        if (d == k->lane_axis)
            n = CR_MIN(width, at->n[d] - c);
        src += c * k->panel_stride[d];
        out += (at->lo[d] + c) * s->out_stride[d];
    }
    rank_lanes(g, src, out, (int)n);
}

/* Ranks pieces of a panel until none is left to begin. */
static void rank_pieces(cr_worker *w, panel *at, bool helping) {
    cr_run *r = w->run;
    int64_t done = 0, piece;
    ranking g = {0};
    if (!r->sinks[at->sink].plan->sifts)
        begin_ranking(w, &r->sinks[at->sink], w->places[at->sink].ranking, &g);
    for (; (piece = atomic_fetch_add(&at->next_piece, 1)) < at->n_pieces; done++)
        if (!cr_context_cancelled(r->context))
            rank_piece(r, &g, at, piece);
    pthread_mutex_lock(&r->lock);
    for (panel **link = &r->ranking; *link != NULL; link = &(*link)->next)
        if (*link == at) { /* nothing to help with any more */
            *link = at->next;
            break;
        }
    at->pieces_left -= done;
    at->helpers -= helping;
    if (at->pieces_left == 0 && at->helpers == 0)
        pthread_cond_broadcast(&r->moved);
    pthread_mutex_unlock(&r->lock);
}

struct cr_panel *cr_panel_to_help(cr_run *r) {
    if (r->ranking != NULL)
        r->ranking->helpers++;
    return r->ranking;
}

void cr_panel_help(cr_worker *w, struct cr_panel *at) { rank_pieces(w, at, true); }

static void rank_panel(cr_worker *w, int sink, panel *at) {
    cr_run *r = w->run;
    memcpy(at->lo, w->lo, sizeof at->lo);
    memcpy(at->n, w->n, sizeof at->n);
    at->sink = sink;
    at->n_pieces = at->pieces_left = count_pieces(&r->scan->program, r->sinks[sink].plan, at->n);
    atomic_store(&at->next_piece, 0);
    pthread_mutex_lock(&r->lock);
    at->next = r->ranking;
    r->ranking = at;
    if (at->n_pieces > 1)
        pthread_cond_broadcast(&r->moved);
    pthread_mutex_unlock(&r->lock);
    rank_pieces(w, at, false);
    pthread_mutex_lock(&r->lock);
    while (at->pieces_left > 0 || at->helpers > 0)
        pthread_cond_wait(&r->moved, &r->lock);
    pthread_mutex_unlock(&r->lock);
}

cr_status cr_panel_cell_done(cr_worker *w, int sink, cr_err *err) {
    cr_sink_run *s = &w->run->sinks[sink];
    struct cr_panels *p = s->panels;
    int64_t kept = kept_number(w, s->plan), elements = 1;
    for (int d = 0; d < w->run->scan->program.ndim; d++)
        elements *= w->n[d];
    pthread_mutex_lock(&p->lock);
    panel *at = p->open[kept];
    pthread_mutex_unlock(&p->lock);
    if (s->plan->sifts)
        cr_sieve_take(w, s->plan, &w->places[sink], at->bytes, at->locks);
    pthread_mutex_lock(&p->lock);
    at->missing -= elements;
    bool full = at->missing == 0;
    if (full)
        p->open[kept] = NULL;
    pthread_mutex_unlock(&p->lock);
    if (!full)
        return CR_OK;
    rank_panel(w, sink, at);
    pthread_mutex_lock(&p->lock);
    at->next = p->unused;
    p->unused = at;
    pthread_mutex_unlock(&p->lock);
    return CR_OK;
}

void cr_panel_nothing(cr_sink_run *s) {
    cr_fold_put_missing(s->node->dtype, s->out, s->node->size);
}
