/* parts.c - where the one scan of a plan can be cut, so that several processes each do a part of it.
 *
 * Everything here follows from the cells and blocks that the expression has decided, before fit.c looks at threads and memory: who makes the
 * same plan elsewhere finds the same borders.
 */
#include "engine/plan/plan.h"

/* Slabs along a reduced axis that are whole sections of this sink. */
static int64_t slabs_of_sections(const cr_sink_plan *k, int d) {
    for (int e = 0; e < d; e++)
        if (k->blocks[e] > 1)
            return 1; /* a slab of an inner axis holds a piece of every section */
    return CR_MAX(1, CR_MIN(k->blocks[d], k->n_blocks / CR_FOLD_SECTION));
}

bool cr_scan_runs_along(const cr_scan *s, int d) {
    for (int32_t i = 0; i < s->program.n_leaves; i++) {
        const cr_leaf *l = &s->program.leaves[i];
        if (l->kind != CR_LEAF_ALONG || l->node->op == CR_OP_WINDOW || l->node->op == CR_OP_REGRID)
            continue;
        if (l->access->axis[cr_along_params_of(l->node)->axis].dim == d)
            return true;
    }
    return false;
}

static int64_t most_pieces(const cr_scan *s, int d, bool *ret_kept) {
    int64_t most = INT64_MAX;
    for (int i = 0; i < s->n_sinks; i++)
        if (s->sinks[i].reduced & (1u << d))
            most = CR_MIN(most, slabs_of_sections(&s->sinks[i], d));
    *ret_kept = most == INT64_MAX;
    return cr_scan_runs_along(s, d) ? 1 : *ret_kept ? s->cells.n[d] : most;
}

/* Kept axes first: their parts are finished where they are computed, and have one state each. */
void cr_parts_cut(const cr_scan *s, int64_t wanted, cr_parts *ret_parts) {
    cr_parts *p = ret_parts;
    memset(p, 0, sizeof *p);
    p->n_parts = 1;
    for (int pass = 0; pass < 2; pass++)
        for (int d = 0; d < s->program.ndim; d++) {
            bool kept;
            int64_t most = most_pieces(s, d, &kept);
            if (kept != (pass == 0))
                continue;
            p->most[d] = most;
            p->pieces[d] = CR_MIN(most, (wanted + p->n_parts - 1) / p->n_parts);
            p->n_parts *= p->pieces[d];
        }
}

void cr_parts_box(const cr_scan *s, const cr_parts *p, int64_t part, cr_part_box *ret_box) {
    for (int d = s->program.ndim - 1; d >= 0; d--) {
        int64_t i = part % p->pieces[d], cells = s->cells.n[d];
        part /= p->pieces[d];
        ret_box->first[d] = i * p->most[d] / p->pieces[d];
        ret_box->end[d] = (i + 1) * p->most[d] / p->pieces[d];
        ret_box->lo[d] = cr_cells_begin(&s->cells, d, cr_block_begin(cells, p->most[d], ret_box->first[d]));
        ret_box->hi[d] = cr_cells_begin(&s->cells, d, cr_block_begin(cells, p->most[d], ret_box->end[d]));
    }
}

void cr_parts_of_sink(const cr_scan *s, const cr_sink_plan *k, const cr_parts *p, const cr_part_box *box, cr_part_sink *ret_sink) {
    cr_part_sink *r = ret_sink;
    memset(r, 0, sizeof *r);
    r->end_block = (int32_t)k->n_blocks;
    r->slots = 1;
    for (int d = 0; d < s->program.ndim; d++) {
        r->n[d] = 1;
        if (!(k->reduced & (1u << d))) {
            r->lo[d] = box->lo[d];
            r->n[d] = box->hi[d] - box->lo[d];
            r->slots *= r->n[d];
        } else if (p->pieces[d] > 1) { /* at most one */
            r->first_block = (int32_t)(box->first[d] * k->n_blocks / p->most[d]);
            r->end_block = (int32_t)(box->end[d] * k->n_blocks / p->most[d]);
        }
    }
    r->n_states = r->first_block == 0 ? 1 : (r->end_block - r->first_block + CR_FOLD_SECTION - 1) / CR_FOLD_SECTION;
    int64_t at = (k->n_groups + 7) / 8 * 8;
    for (int i = 0; i < k->fold->n_planes; i++) {
        int64_t bytes = k->n_groups;
        r->plane_at[i] = at;
        if (__builtin_mul_overflow(bytes, r->slots, &bytes) || __builtin_mul_overflow(bytes, (int64_t)cr_dtype_size(k->fold->plane[i]), &bytes) ||
            __builtin_add_overflow(at, (bytes + 7) / 8 * 8, &at) || at > CR_PART_MOST_BYTES)
            at = CR_PART_MOST_BYTES;
    }
    r->state_bytes = CR_MIN(at, CR_PART_MOST_BYTES);
}

bool cr_parts_can(const cr_plan *plan, const cr_scan *s) {
    for (int i = 0; i < s->n_sinks; i++)
        if (!cr_sink_folds(&s->sinks[i]) || s->sinks[i].narrows != NULL)
            return false;
    return !s->empty && s->n_sinks > 0 && s->phase == 0 && plan->n_scans > 0;
}
