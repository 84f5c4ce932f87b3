/* combine.c - states of blocks become results: the fold tree.
 *
 * A block's state belongs to one worker until all cells of the block are folded. Then it is handed to its kept cell, where blocks are merged
 * strictly in order: eight into a section, sections into the total. A block that comes early waits. Whoever brings the next one
 * in order does the merging, without the lock; the first block of a section becomes the section, so that nothing is copied.
 */
#include <stdlib.h>

#include "engine/exec/run.h"

static bool keeps(const cr_sink_plan *k, int d) { return !(k->reduced & (1u << d)); }

static void result_strides(const cr_run *r, cr_sink_run *s) {
    const cr_array *a = s->node;
    int64_t stride[CR_MAX_DIMS], bytes = (int64_t)a->itemsize;
    for (int i = a->ndim - 1; i >= 0; i--) {
        stride[i] = bytes;
        bytes *= a->shape[i];
    }
    for (int d = 0; d < r->scan->program.ndim; d++)
        s->out_stride[d] = s->plan->out_axis[d] < 0 ? 0 : stride[s->plan->out_axis[d]];
    s->group_stride = a->op == CR_OP_GROUP ? stride[s->plan->group_axis] : 0;
}

cr_status cr_combine_place(cr_run *r, cr_sink_run *s, cr_err *err) {
    const cr_sink_plan *k = s->plan;
    pthread_mutex_init(&s->lock, NULL);
    s->out = r->plan->results[k->result].data;
    result_strides(r, s);
    if (s->node->op == CR_OP_GROUP) {
        s->has_members = calloc((size_t)k->n_groups + 1, 1);
        if (s->has_members == NULL)
            return CR_FAIL(err, CR_MEMORY, "no memory for %lld groups", (long long)k->n_groups);
        const int32_t *codes = r->scan->empty ? k->params->codes : cr_sink_codes(r->scan, k);
        for (int64_t i = 0; i < k->params->n_codes; i++)
            if (codes[i] >= 0)
                s->has_members[codes[i]] = 1;
    }
    return CR_OK;
}

cr_status cr_combine_init(cr_run *r, cr_sink_run *s, cr_err *err) {
    const cr_sink_plan *k = s->plan;
    CR_TRY(cr_combine_place(r, s, err));
    if (r->scan->empty)
        return CR_OK;
    s->n_kept = k->n_kept;
    s->kept_bytes = (uint64_t)k->n_kept * sizeof *s->kept;
    s->states_bytes = (uint64_t)k->n_states * (uint64_t)k->state_bytes;
    void *block;
    CR_TRY(cr_slab_take(&r->context->slab, s->kept_bytes, &block, err));
    s->kept = block;
    memset(s->kept, 0, s->kept_bytes);
    for (int64_t i = 0; i < s->n_kept && k->part != NULL; i++)
        s->kept[i].next_block = k->part->first_block;
    CR_TRY(cr_slab_take(&r->context->slab, s->states_bytes, &block, err));
    s->states = block;
    return CR_OK;
}

void cr_combine_done(cr_run *r, cr_sink_run *s) {
    cr_slab_give(&r->context->slab, s->kept, s->kept_bytes);
    cr_slab_give(&r->context->slab, s->states, s->states_bytes);
    free(s->has_members);
    pthread_mutex_destroy(&s->lock);
}

/* ---- buffers ---- */

static cr_status take_state(cr_sink_run *s, cr_state **ret_state, cr_err *err) {
    const cr_sink_plan *k = s->plan;
    pthread_mutex_lock(&s->lock);
    cr_state *st = s->unused;
    if (st != NULL) {
        s->unused = st->next;
    } else if (s->never_used < k->n_states) {
        st = (cr_state *)(s->states + s->never_used++ * k->state_bytes);
        char *at = (char *)(((uintptr_t)(st + 1) + 63) / 64 * 64);
        for (int p = 0; p < k->fold->n_planes; p++) {
            st->planes[p] = at;
            at += ((size_t)k->most_slots * cr_dtype_size(k->fold->plane[p]) + 63) / 64 * 64;
        }
        st->touched = s->node->op == CR_OP_GROUP ? (uint8_t *)at : NULL;
    }
    pthread_mutex_unlock(&s->lock);
    if (st == NULL)
        return CR_FAIL(err, CR_INTERNAL, "%s needs more than the %lld states that were planned", cr_array_op(s->node),
                       (long long)k->n_states);
    st->next = NULL;
    *ret_state = st;
    return CR_OK;
}

static void give_state(cr_sink_run *s, cr_state *st) {
    if (st == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    st->next = s->unused;
    s->unused = st;
    pthread_mutex_unlock(&s->lock);
}

/* ---- the current cell's state ---- */

/* Index of the current cell's (kept cell, block) in the worker's unit, the block's number, and the cells of the block. */
static int64_t local_index(const cr_worker *w, const cr_sink_plan *k, int32_t *ret_block, int64_t *ret_cells) {
    const cr_scan *scan = w->run->scan;
    int64_t kept = 0, local = 0, blocks_here = 1, cells = 1;
    int32_t block = 0;
    for (int d = 0; d < scan->program.ndim; d++) {
        if (keeps(k, d)) {
            kept = kept * (w->unit_hi[d] - w->unit_lo[d]) + w->cell[d] - w->unit_lo[d];
            continue;
        }
        int64_t n = scan->cells.n[d], b = k->blocks[d], own = cr_block_of(n, b, w->cell[d]);
        int64_t first = cr_block_of(n, b, w->unit_lo[d]), count = cr_block_of(n, b, w->unit_hi[d] - 1) - first + 1;
        local = local * count + own - first;
        blocks_here *= count;
        block = (int32_t)(block * b + own);
        cells *= cr_block_begin(n, b, own + 1) - cr_block_begin(n, b, own);
    }
    *ret_block = block;
    *ret_cells = cells;
    return kept * blocks_here + local;
}

cr_status cr_combine_state(cr_worker *w, int sink, cr_state **ret_state, cr_err *err) {
    cr_sink_run *s = &w->run->sinks[sink];
    const cr_sink_plan *k = s->plan;
    cr_place *p = &w->places[sink];
    int32_t block;
    int64_t cells, at = local_index(w, k, &block, &cells);
    cr_state *st = p->open[at];
    if (st == NULL) {
        CR_TRY(take_state(s, &st, err));
        st->n_slots = k->n_groups;
        for (int d = 0; d < w->run->scan->program.ndim; d++)
            st->n_slots *= keeps(k, d) ? w->n[d] : 1;
        st->cells_left = cells;
        st->block = block;
        /* Elements that come in runs go to any group; rows go to one, which is set up when its first row comes (strip.c). */
        if (st->touched != NULL)
            memset(st->touched, k->runs, (size_t)k->n_groups);
        if (st->touched == NULL || k->runs)
            k->fold->init(st->planes, 0, st->n_slots);
        p->open[at] = st;
    }
    *ret_state = st;
    return CR_OK;
}

/* ---- results ---- */

void cr_combine_box(const cr_scan *scan, const cr_sink_plan *k, int64_t kept, cr_kept_box *b) {
    b->slots = 1;
    for (int d = scan->program.ndim - 1; d >= 0; d--) {
        b->lo[d] = 0;
        b->n[d] = 1;
        if (!keeps(k, d))
            continue;
        int64_t i = kept % scan->cells.n[d];
        kept /= scan->cells.n[d];
        b->lo[d] = cr_cells_begin(&scan->cells, d, i);
        b->n[d] = scan->cells.ends[d][i] - b->lo[d];
        b->slots *= b->n[d];
    }
}

#define PIECE 512

/* n items to places `step` bytes apart. */
static void spread(char *out, int64_t step, const void *items, int64_t item, int64_t n) {
#define SPREAD(type)                              \
    for (int64_t j = 0; j < n; j++)               \
        *(type *)(out + j * step) = ((const type *)items)[j]
    switch (item) {
    case 1: SPREAD(uint8_t); break;
    case 2: SPREAD(uint16_t); break;
    case 4: SPREAD(uint32_t); break;
    default: SPREAD(uint64_t);
    }
#undef SPREAD
}

/* Slots slot .. slot + n - 1 to n items `step` bytes apart. */
static cr_status finish_row(const cr_sink_run *s, cr_state *st, bool missing, int64_t slot, int64_t n, char *out, int64_t step, cr_err *err) {
    const cr_sink_plan *k = s->plan;
    cr_dtype type = s->node->dtype;
    int64_t item = (int64_t)s->node->itemsize;
    uint64_t piece[PIECE];
    void *at[CR_FOLD_MAX_PLANES];
    for (int64_t i = 0; i < n; i += PIECE) {
        int64_t m = CR_MIN(PIECE, n - i);
        char *to = step == item ? out + i * item : (char *)piece;
        if (missing) {
            cr_fold_put_missing(type, to, m);
        } else {
            cr_fold_planes_at(k->fold, st->planes, slot + i, at);
            CR_TRY(k->fold->finish(at, m, &k->params->options, type, to, err));
        }
        if (to == (char *)piece)
            spread(out + i * step, step, piece, item, m);
    }
    return CR_OK;
}

cr_status cr_combine_finish(const cr_run *r, const cr_sink_run *s, const cr_kept_box *b, cr_state *st, cr_err *err) {
    const cr_sink_plan *k = s->plan;
    int64_t c[CR_MAX_DIMS] = {0};
    int last = r->scan->program.ndim - 1;
    while (last >= 0 && b->n[last] == 1)
        last--;
    for (int64_t g = 0; g < k->n_groups; g++) {
        bool missing = s->has_members != NULL && !s->has_members[g];
        if (!missing && st->touched != NULL && !st->touched[g])
            k->fold->init(st->planes, g * b->slots, b->slots);
        for (int64_t at = 0; at < b->slots;) {
            char *out = s->out + (k->group_at != NULL ? k->group_at[g] : g) * s->group_stride;
            int64_t row = last < 0 ? 1 : b->n[last];
            for (int d = 0; d < r->scan->program.ndim; d++)
                out += (b->lo[d] + c[d]) * s->out_stride[d];
            cr_status status = finish_row(s, st, missing, g * b->slots + at, row, out, last < 0 ? 0 : s->out_stride[last], err);
            if (status != CR_OK) {
                cr_err_context(err, "while computing %s", cr_array_op(s->node));
                return status;
            }
            at += row;
            int d = last - 1;
            while (d >= 0 && ++c[d] == b->n[d])
                c[d--] = 0;
        }
    }
    return CR_OK;
}

/* Digits are counted: where in them the wanted rank lies, beginning from what the pass before has found. */
static cr_status finish_digits(cr_run *r, cr_sink_run *s, int64_t kept, cr_state *st) {
    const cr_sink_plan *k = s->plan;
    const char *before = k->narrowed_before >= 0 ? r->plan->results[k->narrowed_before].data : NULL;
    const int64_t word = s->node->size / 3 * 8; /* prefix, rank and number lie one behind the other, each for all that is kept */
    cr_rank rank = cr_digit_rank(k->narrows);
    cr_kept_box b;
    int64_t c[CR_MAX_DIMS] = {0};
    cr_combine_box(r->scan, k, kept, &b);
    for (int64_t slot = 0; slot < b.slots; slot++) {
        int64_t offset = 0;
        cr_rank_narrowed at;
        for (int d = 0; d < r->scan->program.ndim; d++)
            offset += (b.lo[d] + c[d]) * s->out_stride[d];
        if (before != NULL) {
            memcpy(&at.prefix, before + offset, 8);
            memcpy(&at.rank, before + offset + word, 8);
            memcpy(&at.n, before + offset + 2 * word, 8);
        }
        cr_rank_narrow(&rank, before == NULL, k->narrows->above, k->narrows->bits, (const int64_t *)st->planes[0] + slot, b.slots, &at);
        memcpy(s->out + offset, &at.prefix, 8);
        memcpy(s->out + offset + word, &at.rank, 8);
        memcpy(s->out + offset + 2 * word, &at.n, 8);
        int d = r->scan->program.ndim - 1;
        while (d >= 0 && ++c[d] == b.n[d])
            c[d--] = 0;
    }
    return CR_OK;
}

static void copy_slots(const cr_fold *f, void *const *to, void *const *from, int64_t n) {
    for (int p = 0; p < f->n_planes; p++)
        memcpy(to[p], from[p], (size_t)n * cr_dtype_size(f->plane[p]));
}

/* Only what the right-hand block has seen; where the left-hand one saw nothing, merging with its fresh state would change no bit. */
void cr_combine_merge(const cr_sink_plan *k, cr_state *left, cr_state *right) {
    if (left->touched == NULL) {
        k->fold->merge(left->planes, right->planes, left->n_slots);
        return;
    }
    int64_t per_group = left->n_slots / k->n_groups;
    for (int64_t g = 0, end; g < k->n_groups; g = end) {
        void *to[CR_FOLD_MAX_PLANES], *from[CR_FOLD_MAX_PLANES];
        for (end = g + 1; end < k->n_groups && left->touched[end] == left->touched[g] && right->touched[end] == right->touched[g];)
            end++;
        if (!right->touched[g])
            continue;
        cr_fold_planes_at(k->fold, left->planes, g * per_group, to);
        cr_fold_planes_at(k->fold, right->planes, g * per_group, from);
        if (left->touched[g])
            k->fold->merge(to, from, (end - g) * per_group);
        else
            copy_slots(k->fold, to, from, (end - g) * per_group);
        memset(left->touched + g, 1, (size_t)(end - g));
    }
}

/* Takes the next block in order from those that wait. Under the lock. */
static cr_state *next_in_order(cr_kept_cell *c) {
    for (cr_state **at = &c->early; *at != NULL; at = &(*at)->next)
        if ((*at)->block == c->next_block) {
            cr_state *st = *at;
            *at = st->next;
            return st;
        }
    return NULL;
}

/* Puts one block into the tree; *ret_spare: states that are free now. */
static void absorb(const cr_run *r, const cr_sink_plan *k, int64_t kept, cr_kept_cell *c, cr_state *st, cr_state **ret_spare) {
    int32_t block = st->block;
    *ret_spare = NULL;
    if (c->section == NULL) {
        c->section = st;
    } else {
        cr_combine_merge(k, c->section, st);
        *ret_spare = st;
    }
    bool section_ends = (block + 1) % CR_FOLD_SECTION == 0 || block + 1 == k->n_blocks;
    if (!section_ends)
        return;
    if (c->total == NULL && (k->part == NULL || k->part->first_block == 0)) {
        c->total = c->section;
    } else {
        if (c->total != NULL)
            cr_combine_merge(k, c->total, c->section);
        else /* who has the sections before this one merges it */
            cr_part_store(r->scan, k, kept, c->section, (block - k->part->first_block) / CR_FOLD_SECTION);
        /* Two are free only if the section is not the block itself; then the block was given back above. */
        if (*ret_spare != NULL)
            (*ret_spare)->next = c->section;
        else
            *ret_spare = c->section;
    }
    c->section = NULL;
}

static cr_status kept_cell_done(cr_run *r, cr_sink_run *s, int64_t kept, cr_state *total, cr_err *err) {
    cr_kept_box b;
    if (s->plan->part != NULL && total != NULL)
        cr_part_store(r->scan, s->plan, kept, total, 0);
    if (s->plan->part != NULL)
        return CR_OK;
    if (s->plan->narrows != NULL)
        return finish_digits(r, s, kept, total);
    cr_combine_box(r->scan, s->plan, kept, &b);
    return cr_combine_finish(r, s, &b, total, err);
}

static cr_status hand_in(cr_run *r, cr_sink_run *s, int64_t kept, cr_state *st, cr_err *err) {
    const cr_sink_plan *k = s->plan;
    cr_kept_cell *c = &s->kept[kept];
    int64_t end = k->part != NULL ? k->part->end_block : k->n_blocks;
    cr_status status = CR_OK;
    pthread_mutex_lock(&s->lock);
    st->next = c->early;
    c->early = st;
    if (c->busy) {
        pthread_mutex_unlock(&s->lock);
        return CR_OK;
    }
    c->busy = true;
    while ((st = next_in_order(c)) != NULL) {
        cr_state *spare;
        st->next = NULL;
        pthread_mutex_unlock(&s->lock);
        absorb(r, k, kept, c, st, &spare);
        for (cr_state *next; spare != NULL; spare = next) {
            next = spare->next;
            spare->next = NULL;
            give_state(s, spare);
        }
        if (c->next_block + 1 == end) {
            status = kept_cell_done(r, s, kept, c->total, err);
            give_state(s, c->total);
            c->total = NULL;
        }
        pthread_mutex_lock(&s->lock);
        c->next_block++;
    }
    c->busy = false;
    pthread_mutex_unlock(&s->lock);
    return status;
}

cr_status cr_combine_cell_done(cr_worker *w, int sink, cr_err *err) {
    cr_sink_run *s = &w->run->sinks[sink];
    const cr_sink_plan *k = s->plan;
    cr_place *p = &w->places[sink];
    int32_t block;
    int64_t cells, at = local_index(w, k, &block, &cells), kept = 0;
    cr_state *st = p->open[at];
    if (--st->cells_left > 0)
        return CR_OK;
    p->open[at] = NULL;
    for (int d = 0; d < w->run->scan->program.ndim; d++)
        if (keeps(k, d))
            kept = kept * w->run->scan->cells.n[d] + w->cell[d];
    return hand_in(w->run, s, kept, st, err);
}

/* One value for all: what the fold gives for no elements, or what says "nothing here". */
cr_status cr_combine_nothing(cr_run *r, cr_sink_run *s, cr_err *err) {
    const cr_sink_plan *k = s->plan;
    uint64_t planes[CR_FOLD_MAX_PLANES][1], value;
    void *at[CR_FOLD_MAX_PLANES];
    cr_reduction op = (cr_reduction)k->params->reduction;
    bool missing = s->has_members != NULL || op == CR_REDUCE_MIN || op == CR_REDUCE_MAX || op == CR_REDUCE_FIRST || op == CR_REDUCE_LAST;
    for (int p = 0; p < CR_FOLD_MAX_PLANES; p++)
        at[p] = planes[p];
    if (missing) {
        cr_fold_put_missing(s->node->dtype, &value, 1);
    } else {
        k->fold->init(at, 0, 1);
        CR_TRY(k->fold->finish(at, 1, &k->params->options, s->node->dtype, &value, err));
    }
    for (int64_t i = 0; i < s->node->size; i++)
        memcpy(s->out + (size_t)i * s->node->itemsize, &value, s->node->itemsize);
    return CR_OK;
}
