/* part_run.c - a part of a reduction to bytes, and all parts to the result; see include/craton/part.h.
 *
 * States are laid out by the positions of the part, not by cells: who computes a part may have had to make cells finer to fit its memory.
 */
#include <stdlib.h>

#include "craton/part.h"
#include "engine/exec/part_form.h"
#include "engine/exec/run.h"
#include "engine/plan/serialize_form.h"

#define DESCRIPTION_WORDS 12
#define DESCRIPTION_BYTES ((int64_t)sizeof(int64_t) * DESCRIPTION_WORDS)

/* ---- storing what was folded ---- */

/* Each kept cell has its own rows. Groups are told by the first one: which have elements depends on reduced positions alone. */
void cr_part_store(const cr_scan *scan, const cr_sink_plan *k, int64_t kept, const cr_state *st, int64_t index) {
    const cr_part_sink *part = k->part;
    char *to = k->part_states + index * part->state_bytes;
    cr_kept_box b;
    bool first = true;
    int last = scan->program.ndim - 1, n = scan->program.ndim;
    cr_combine_box(scan, k, kept, &b);
    while (last >= 0 && (k->reduced & (1u << last)))
        last--;
    for (int d = 0; d < n; d++)
        first = first && b.lo[d] == part->lo[d];
    if (first && st->touched != NULL)
        memcpy(to, st->touched, (size_t)k->n_groups);
    else if (first)
        memset(to, 1, (size_t)k->n_groups);
    for (int64_t g = 0; g < k->n_groups; g++) {
        int64_t c[CR_MAX_DIMS] = {0}, row = last < 0 ? 1 : b.n[last];
        if (st->touched != NULL && !st->touched[g])
            continue;
        for (int64_t at = 0; at < b.slots; at += row) {
            int64_t slot = 0;
            for (int d = 0; d < n; d++)
                slot = slot * part->n[d] + b.lo[d] + c[d] - part->lo[d];
            for (int p = 0; p < k->fold->n_planes; p++) {
                size_t item = cr_dtype_size(k->fold->plane[p]);
                memcpy(to + part->plane_at[p] + (size_t)(g * part->slots + slot) * item,
                       (const char *)st->planes[p] + (size_t)(g * b.slots + at) * item, (size_t)row * item);
            }
            int d = last - 1;
            while (d >= 0 && ++c[d] == b.n[d])
                c[d--] = 0;
        }
    }
}

/* ---- the form ---- */

static cr_sink_plan *sink_of(const cr_plan *plan, int output) {
    cr_scan *s = &plan->scans[0];
    for (int i = 0; i < s->n_sinks; i++)
        if (plan->output_first[output] == output && s->sinks[i].node == plan->output_nodes[output])
            return &s->sinks[i];
    return NULL; /* the same array once more */
}

static int64_t word_of(const char *name) { return (int64_t)cr_graph_sum(name, strlen(name)); }

/* Two descriptions are equal when states of the one mean something to the other. */
static void describe(const cr_plan *plan, const cr_sink_plan *k, const cr_part_sink *part, int64_t *ret_words) {
    const cr_array *a = plan->nodes[k->node].node;
    const cr_reduce_options *o = &k->params->options;
    const int64_t words[DESCRIPTION_WORDS] = {
        word_of(cr_array_op(a)), word_of(cr_dtype_name(a->dtype)), word_of(cr_dtype_name(a->inputs[0]->dtype)), a->inputs[0]->size,
        o->skipna, o->ddof, o->min_count, k->n_groups, part->first_block, part->end_block, part->slots, part->state_bytes};
    memcpy(ret_words, words, sizeof words);
}

static cr_status total_bytes(const cr_plan *plan, const cr_parts *parts, int64_t number, uint64_t *ret_bytes, cr_err *err) {
    const cr_scan *s = &plan->scans[0];
    cr_part_box box;
    uint64_t bytes = CR_PART_HEAD_BYTES;
    cr_parts_box(s, parts, number, &box);
    for (int i = 0; i < plan->n_outputs; i++) {
        const cr_sink_plan *k = sink_of(plan, i);
        cr_part_sink part;
        if (k == NULL)
            continue;
        cr_parts_of_sink(s, k, parts, &box, &part);
        bytes += (uint64_t)DESCRIPTION_BYTES + (uint64_t)part.n_states * (uint64_t)part.state_bytes; /* 8 states of at most 2^40 */
        if (bytes >= (uint64_t)CR_PART_MOST_BYTES)
            return CR_FAIL(err, CR_LIMIT, "the states of %s have more than %lld bytes in one part", cr_array_op(plan->nodes[k->node].node),
                           (long long)CR_PART_MOST_BYTES);
    }
    *ret_bytes = bytes;
    return CR_OK;
}

/* ---- computing ---- */

typedef struct part_memory {      /* of the sinks of a part */
    cr_part_sink *sinks;
    char *bytes;
    uint64_t n_bytes;
} part_memory;

static cr_status prepare(cr_plan *plan, int64_t wanted, int64_t number, part_memory *m, cr_err *err) {
    cr_scan *s = &plan->scans[0];
    CR_TRY(total_bytes(plan, &plan->parts, number, &m->n_bytes, err));
    m->bytes = calloc(1, m->n_bytes); /* groups without elements stay 0 */
    m->sinks = calloc((size_t)plan->n_outputs, sizeof *m->sinks);
    if (m->bytes == NULL || m->sinks == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory for the %llu bytes of a part", (unsigned long long)m->n_bytes);
    cr_part_head h = {.magic = CR_PART_MAGIC, .version = CR_PART_VERSION, .n_arrays = (uint32_t)plan->n_outputs, .wanted = wanted, .part = number,
                   .n_parts = plan->parts.n_parts, .bytes = m->n_bytes};
    memcpy(m->bytes, &h, sizeof h);
    char *at = m->bytes + CR_PART_HEAD_BYTES;
    for (int i = 0; i < plan->n_outputs; i++) {
        cr_sink_plan *k = sink_of(plan, i);
        int64_t words[DESCRIPTION_WORDS];
        if (k == NULL)
            continue;
        cr_parts_of_sink(s, k, &plan->parts, plan->part, &m->sinks[i]);
        describe(plan, k, &m->sinks[i], words);
        memcpy(at, words, sizeof words);
        k->part = &m->sinks[i];
        k->part_states = at + DESCRIPTION_BYTES;
        at = k->part_states + k->part->n_states * k->part->state_bytes;
    }
    return CR_OK;
}

static cr_status run_part(cr_context *c, cr_plan *plan, cr_err *err) {
    cr_scan *s = &plan->scans[0];
    double cells = cr_scan_weight(s);
    for (int d = 0; d < s->program.ndim; d++)
        cells *= (double)(cr_unit_begin(s, d, s->unit_n[d]) - cr_unit_begin(s, d, 0));
    CR_TRY(cr_run_scan(c, plan, s, 0, cells, err));
    if (c->progress != NULL)
        c->progress(c->progress_user, cells, cells, 0, 1);
    return CR_OK;
}

static cr_status check_wanted(int n, int64_t wanted, cr_err *err) {
    if (n < 1 || wanted < 1 || wanted > CR_PARTS_MOST)
        return CR_FAIL(err, CR_INVALID, "%d arrays in %lld parts: there are 1 to %d parts of 1 or more arrays", n, (long long)wanted, CR_PARTS_MOST);
    return CR_OK;
}

static cr_status part_bytes(cr_context *c, cr_plan *plan, int64_t wanted, int64_t number, void **ret_bytes, size_t *ret_n, cr_err *err) {
    part_memory m = {0};
    cr_status status = prepare(plan, wanted, number, &m, err);
    if (status == CR_OK && cr_context_cancelled(c))
        status = CR_FAIL(err, CR_CANCELLED, "cancelled");
    if (status == CR_OK)
        status = run_part(c, plan, err);
    if (status == CR_OK) {
        cr_part_head h;
        memcpy(&h, m.bytes, sizeof h);
        h.sum = cr_graph_sum(m.bytes + CR_PART_HEAD_BYTES, m.n_bytes - CR_PART_HEAD_BYTES);
        memcpy(m.bytes, &h, sizeof h);
        *ret_bytes = m.bytes;
        *ret_n = m.n_bytes;
        m.bytes = NULL;
    }
    free(m.bytes);
    free(m.sinks);
    return status;
}

cr_status cr_part_compute(cr_context *c, int n, cr_array *const *arrays, int64_t wanted, int64_t part, void **ret_bytes, size_t *ret_n,
                          cr_err *err) {
    CR_TRY(check_wanted(n, wanted, err));
    cr_plan plan;
    cr_auto_free cr_output_spec *outputs = calloc((size_t)n, sizeof *outputs);
    if (outputs == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to compute %d arrays", n);
    for (int i = 0; i < n; i++)
        outputs[i].data = &plan; /* no result is finished, so none is written */
    cr_plan_options o = {.simd = c->simd, .threads = c->threads, .limit_bytes = c->memory_limit_bytes, .wanted = wanted, .part = part};
    CR_TRY(cr_context_take(c, err));
    c->slab.peak_bytes = c->slab.bytes_held;
    cr_status status = cr_plan_make(&plan, n, arrays, outputs, &o, err);
    uint64_t before = plan.arena.used_bytes;
    if (status == CR_OK)
        status = part_bytes(c, &plan, wanted, part, ret_bytes, ret_n, err);
    c->peak_bytes = c->slab.peak_bytes + before;
    cr_plan_done(&plan);
    cr_context_give(c);
    return status;
}

/* ---- looking ---- */

/* Reductions that nobody asked for, of which these arrays are made: their parts could not be computed alone. */
static bool makes_others(const cr_plan *plan) {
    for (int i = 0; i < plan->n_scans; i++)
        for (int k = 0; k < plan->scans[i].n_sinks; k++) {
            bool asked = false;
            for (int o = 0; o < plan->n_outputs; o++)
                asked = asked || plan->scans[i].sinks[k].node == plan->output_nodes[o];
            if (!asked)
                return true;
        }
    return false;
}

/* What the bits depend on: which elements make up cells along the reduced axes, and which cells make up blocks. Both go by the sizes of kept axes
 * too. */
static uint64_t fold_order(const cr_scan *s, const cr_sink_plan *k) {
    uint64_t order = k->by_index ? 1 : 3;
    for (int d = 0; d < s->program.ndim && !k->by_index; d++) {
        if (!(k->reduced & (1u << d)))
            continue;
        uint64_t axis[] = {order, (uint64_t)d, (uint64_t)k->blocks[d],
                           cr_graph_sum((const char *)s->cells.ends[d], (size_t)s->cells.n[d] * sizeof s->cells.ends[d][0])};
        order = cr_graph_sum((const char *)axis, sizeof axis) | 1;
    }
    return order;
}

static cr_status look_scan(const cr_plan *plan, int scan, int64_t wanted, cr_part_cut *cuts) {
    const cr_scan *s = &plan->scans[scan];
    cr_parts parts;
    double cost = cr_scan_weight(s);
    if (!cr_parts_can(plan, s) || makes_others(plan))
        return CR_OK;
    cr_parts_cut(s, wanted, &parts);
    for (int d = 0; d < s->program.ndim; d++)
        cost *= (double)s->cells.n[d];
    for (int i = 0; i < plan->n_outputs; i++)
        for (int k = 0; k < s->n_sinks; k++) {
            if (s->sinks[k].node != plan->output_nodes[i])
                continue;
            uint64_t bytes = 0;
            for (int64_t p = 0; p < parts.n_parts; p++) {
                cr_part_box box;
                cr_part_sink sink;
                cr_parts_box(s, &parts, p, &box);
                cr_parts_of_sink(s, &s->sinks[k], &parts, &box, &sink);
                bytes += (uint64_t)sink.n_states * (uint64_t)sink.state_bytes;
            }
            cuts[i] = (cr_part_cut){.scan = scan, .n_parts = parts.n_parts, .state_bytes = bytes, .cost_ns = cost,
                                    .fold_order = fold_order(s, &s->sinks[k])};
        }
    return CR_OK;
}

cr_status cr_part_look(cr_context *c, int n, cr_array *const *arrays, int64_t wanted, cr_part_cut *ret_cuts, cr_err *err) {
    CR_TRY(check_wanted(n, wanted, err));
    cr_plan plan;
    cr_plan_options o = {.simd = c->simd, .threads = 1, .limit_bytes = c->memory_limit_bytes, .only_cells = true};
    for (int i = 0; i < n; i++)
        ret_cuts[i] = (cr_part_cut){.scan = -1, .n_parts = 1};
    cr_status status = cr_plan_make(&plan, n, arrays, NULL, &o, err);
    for (int i = 0; i < plan.n_scans && status == CR_OK; i++)
        status = look_scan(&plan, i, wanted, ret_cuts);
    cr_plan_done(&plan);
    return status;
}

/* ---- combining ---- */

static cr_status check_description(const cr_plan *plan, const cr_sink_plan *k, const cr_part_sink *part, const char *at, int64_t number, cr_err *err) {
    int64_t words[DESCRIPTION_WORDS];
    describe(plan, k, part, words);
    if (memcmp(words, at, sizeof words) != 0)
        return CR_FAIL(err, CR_FORMAT, "part %lld is of another computation than %s of this one", (long long)number,
                       cr_array_op(plan->nodes[k->node].node));
    for (int64_t i = 0; i < part->n_states; i++)
        for (int64_t g = 0; g < k->n_groups; g++)
            if ((unsigned char)at[DESCRIPTION_BYTES + i * part->state_bytes + g] > 1)
                return CR_FAIL(err, CR_FORMAT, "part %lld is damaged: whether group %lld has elements is neither yes nor no", (long long)number,
                               (long long)g);
    return CR_OK;
}

/* Every size that is read later follows from the plan; here it is seen that the bytes have it. */
static cr_status check_part(const cr_plan *plan, int64_t wanted, int64_t number, const char *bytes, size_t n, cr_err *err) {
    cr_part_head h;
    uint64_t need;
    if (n < CR_PART_HEAD_BYTES || memcmp(bytes, CR_PART_MAGIC, 8) != 0)
        return CR_FAIL(err, CR_FORMAT, "part %lld: these %zu bytes are not a part of a computation", (long long)number, n);
    memcpy(&h, bytes, sizeof h);
    if (h.version != CR_PART_VERSION)
        return CR_FAIL(err, CR_UNSUPPORTED, "part %lld has the form of version %u, this library reads %d", (long long)number, h.version,
                       CR_PART_VERSION);
    CR_TRY(total_bytes(plan, &plan->parts, number, &need, err));
    if (h.n_arrays != (uint32_t)plan->n_outputs || h.wanted != wanted || h.part != number || h.n_parts != plan->parts.n_parts)
        return CR_FAIL(err, CR_FORMAT, "these bytes are part %lld of %lld of %u arrays, not part %lld of %lld of %d", (long long)h.part,
                       (long long)h.n_parts, h.n_arrays, (long long)number, (long long)plan->parts.n_parts, plan->n_outputs);
    if (h.bytes != n || need != n)
        return CR_FAIL(err, CR_FORMAT, "part %lld has %zu bytes where %llu were written and %llu are needed", (long long)number, n,
                       (unsigned long long)h.bytes, (unsigned long long)need);
    if (h.sum != cr_graph_sum(bytes + CR_PART_HEAD_BYTES, n - CR_PART_HEAD_BYTES))
        return CR_FAIL(err, CR_FORMAT, "part %lld is damaged: its checksum is another", (long long)number);
    return CR_OK;
}

typedef struct combining {
    cr_run run;
    const void *const *bytes;
    uint64_t *at;                 /* per part: where the array that is combined begins */
} combining;

/* A state to work memory that is aligned, since bytes that came over a wire need not be. */
static void take_state(const cr_sink_run *s, const cr_part_sink *part, const char *from, char *memory, cr_state *ret_state) {
    const cr_sink_plan *k = s->plan;
    memcpy(memory, from, (size_t)part->state_bytes);
    *ret_state = (cr_state){.n_slots = k->n_groups * part->slots, .touched = s->node->op == CR_OP_GROUP ? (uint8_t *)memory : NULL};
    for (int p = 0; p < k->fold->n_planes; p++)
        ret_state->planes[p] = memory + part->plane_at[p];
}

/* The parts of one box of kept positions, from the one with the first block on, every `step`-th. */
static cr_status combine_box(combining *m, cr_sink_run *s, int64_t first, int64_t step, int64_t n, cr_err *err) {
    const cr_sink_plan *k = s->plan;
    const cr_plan *plan = m->run.plan;
    cr_part_box box;
    cr_part_sink part;
    cr_state total, right;
    cr_kept_box kept;
    void *memory;
    cr_parts_box(m->run.scan, &plan->parts, first, &box);
    cr_parts_of_sink(m->run.scan, k, &plan->parts, &box, &part);
    CR_TRY(cr_slab_take(&m->run.context->slab, 2 * (uint64_t)part.state_bytes, &memory, err));
    take_state(s, &part, (const char *)m->bytes[first] + m->at[first] + DESCRIPTION_BYTES, memory, &total);
    for (int64_t i = 1; i < n; i++) {
        int64_t number = first + i * step;
        cr_parts_box(m->run.scan, &plan->parts, number, &box);
        cr_parts_of_sink(m->run.scan, k, &plan->parts, &box, &part);
        for (int64_t j = 0; j < part.n_states; j++) {
            const char *from = (const char *)m->bytes[number] + m->at[number] + DESCRIPTION_BYTES + j * part.state_bytes;
            take_state(s, &part, from, (char *)memory + part.state_bytes, &right);
            cr_combine_merge(k, &total, &right);
        }
    }
    memcpy(kept.lo, part.lo, sizeof kept.lo);
    memcpy(kept.n, part.n, sizeof kept.n);
    kept.slots = part.slots;
    cr_status status = cr_combine_finish(&m->run, s, &kept, &total, err);
    cr_slab_give(&m->run.context->slab, memory, 2 * (uint64_t)part.state_bytes);
    return status;
}

static cr_status combine_sink(combining *m, cr_sink_plan *k, cr_err *err) {
    const cr_plan *plan = m->run.plan;
    const cr_parts *p = &plan->parts;
    cr_sink_run s = {.plan = k, .node = plan->nodes[k->node].node};
    int64_t step = 1, n = 1;
    for (int d = 0; d < m->run.scan->program.ndim; d++)
        if ((k->reduced & (1u << d)) && p->pieces[d] > 1) {
            n = p->pieces[d];
            for (int e = d + 1; e < m->run.scan->program.ndim; e++)
                step *= p->pieces[e];
        }
    cr_status status = cr_combine_place(&m->run, &s, err);
    for (int64_t i = 0; i < p->n_parts && status == CR_OK; i++) {
        if (cr_context_cancelled(m->run.context))
            status = CR_FAIL(err, CR_CANCELLED, "cancelled");
        else if (i / step % n == 0)
            status = combine_box(m, &s, i, step, n, err);
    }
    free(s.has_members);
    pthread_mutex_destroy(&s.lock);
    return status;
}

/* Sees that array number i of every part is what is expected there; where the next one begins. */
static cr_status check_sink(combining *m, const cr_sink_plan *k, cr_err *err) {
    for (int64_t number = 0; number < m->run.plan->parts.n_parts; number++) {
        cr_part_box box;
        cr_part_sink part;
        cr_parts_box(m->run.scan, &m->run.plan->parts, number, &box);
        cr_parts_of_sink(m->run.scan, k, &m->run.plan->parts, &box, &part);
        CR_TRY(check_description(m->run.plan, k, &part, (const char *)m->bytes[number] + m->at[number], number, err));
    }
    return CR_OK;
}

static void go_on(combining *m, const cr_sink_plan *k) {
    for (int64_t number = 0; number < m->run.plan->parts.n_parts; number++) {
        cr_part_box box;
        cr_part_sink part;
        cr_parts_box(m->run.scan, &m->run.plan->parts, number, &box);
        cr_parts_of_sink(m->run.scan, k, &m->run.plan->parts, &box, &part);
        m->at[number] += (uint64_t)(DESCRIPTION_BYTES + part.n_states * part.state_bytes);
    }
}

static cr_status combine(cr_context *c, cr_plan *plan, int64_t wanted, int64_t n_parts, const void *const *bytes, const size_t *n_bytes, void *const *out,
                         cr_err *err) {
    if (n_parts != plan->parts.n_parts)
        return CR_FAIL(err, CR_INVALID, "%lld parts were given, these arrays are cut into %lld", (long long)n_parts, (long long)plan->parts.n_parts);
    cr_auto_free uint64_t *at = malloc((size_t)n_parts * sizeof *at);
    if (at == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to combine %lld parts", (long long)n_parts);
    for (int64_t i = 0; i < n_parts; i++) {
        CR_TRY(check_part(plan, wanted, i, bytes[i], n_bytes[i], err));
        at[i] = CR_PART_HEAD_BYTES;
    }
    combining m = {.run = {.context = c, .plan = plan, .scan = &plan->scans[0]}, .bytes = bytes, .at = at};
    for (int i = 0; i < plan->n_outputs; i++) {
        cr_sink_plan *k = sink_of(plan, i);
        const cr_array *a = plan->nodes[plan->output_nodes[i]].node;
        if (k == NULL) {
            memmove(out[i], out[plan->output_first[i]], (size_t)a->size * a->itemsize);
            continue;
        }
        CR_TRY(check_sink(&m, k, err));
        CR_TRY(combine_sink(&m, k, err));
        go_on(&m, k);
    }
    return CR_OK;
}

cr_status cr_part_combine(cr_context *c, int n, cr_array *const *arrays, int64_t wanted, int64_t n_parts, const void *const *bytes, const size_t *n_bytes,
                          void *const *out, cr_err *err) {
    CR_TRY(check_wanted(n, wanted, err));
    cr_plan plan;
    cr_auto_free cr_output_spec *outputs = calloc((size_t)n, sizeof *outputs);
    if (outputs == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to combine %d arrays", n);
    for (int i = 0; i < n; i++) {
        outputs[i].data = out[i];
        if (out[i] == NULL)
            return CR_FAIL(err, CR_INVALID, "there is no memory given for array %d", i);
    }
    cr_plan_options o = {.simd = c->simd, .threads = 1, .limit_bytes = c->memory_limit_bytes, .only_cells = true, .wanted = wanted};
    CR_TRY(cr_context_take(c, err));
    cr_status status = cr_plan_make(&plan, n, arrays, outputs, &o, err);
    if (status == CR_OK)
        status = combine(c, &plan, wanted, n_parts, bytes, n_bytes, out, err);
    cr_plan_done(&plan);
    cr_context_give(c);
    return status;
}
