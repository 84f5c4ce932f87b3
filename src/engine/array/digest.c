/* digest.c - what a graph computes, as a digest that is the same in every process (format/journal.h).
 *
 * Nodes are visited inputs first, each once; a node's own digest is of its operation, type, shape, cuts and parameters, and of the
 * numbers that its inputs were given in the order of visiting. Values in memory count by their content, stored arrays by their place
 * in their file and how they are stored; the state of that file goes into a digest of its own. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/array/node.h"
#include "engine/array/weights.h"
#include "engine/format/journal.h"

typedef struct visited {
    const cr_array *node;
    int64_t number;
} visited;

typedef struct visit {
    visited *table;               /* open addressing, at most half full */
    size_t cap, len;
    const cr_array **stack;
    size_t n_stack, cap_stack;
    cr_digest *program, *sources;
} visit;

static visited *place(const visit *v, const cr_array *node) {
    size_t i = (size_t)((uintptr_t)node >> 4) * 0x9E3779B97F4A7C15u >> 20 & (v->cap - 1);
    while (v->table[i].node && v->table[i].node != node)
        i = (i + 1) & (v->cap - 1);
    return &v->table[i];
}

static cr_status remember(visit *v, const cr_array *node, cr_err *err) {
    if (2 * (v->len + 1) > v->cap) {
        visit bigger = *v;
        bigger.cap = v->cap ? 2 * v->cap : 64;
        bigger.table = calloc(bigger.cap, sizeof *bigger.table);
        if (!bigger.table)
            return CR_FAIL(err, CR_MEMORY, "no memory to compare a graph of %zu nodes", v->len);
        for (size_t i = 0; i < v->cap; i++)
            if (v->table[i].node)
                *place(&bigger, v->table[i].node) = v->table[i];
        free(v->table);
        *v = bigger;
    }
    *place(v, node) = (visited){node, (int64_t)v->len};
    v->len++;
    return CR_OK;
}

static bool is_known(const visit *v, const cr_array *node) { return v->cap && place(v, node)->node; }

static cr_status push(visit *v, const cr_array *node, cr_err *err) {
    if (v->n_stack == v->cap_stack) {
        size_t cap = v->cap_stack ? 2 * v->cap_stack : 64;
        const cr_array **more = realloc(v->stack, cap * sizeof *more);
        if (!more)
            return CR_FAIL(err, CR_MEMORY, "no memory to compare a graph of %zu nodes", v->len);
        v->stack = more;
        v->cap_stack = cap;
    }
    v->stack[v->n_stack++] = node;
    return CR_OK;
}

/* ---- what a node is of ---- */

static void add_memory(const cr_array *a, cr_digest *d) {
    const cr_memory_params *p = a->params;
    int64_t at[CR_MAX_DIMS] = {0}, step = (int64_t)a->itemsize;
    int inner = a->ndim;          /* axes from here on lie one behind the other */
    while (inner > 0 && (p->strides[inner - 1] == step || a->shape[inner - 1] == 1))
        step *= a->shape[--inner];
    if (a->size == 0)
        return;
    for (;;) {
        const char *from = p->data;
        for (int i = 0; i < inner; i++)
            from += at[i] * p->strides[i];
        cr_digest_add(d, from, (size_t)step);
        int axis = inner - 1;
        while (axis >= 0 && ++at[axis] == a->shape[axis])
            at[axis--] = 0;
        if (axis < 0)
            return;
    }
}

/* Where the array lies in its file, without the path of the file: that may have moved. */
static const char *inside(const char *path) {
    const char *found = path;
    for (const char *at = path; (at = strstr(at, ":/")); at++)
        found = at;
    return found;
}

static cr_status add_stored(const cr_array *a, visit *v, cr_err *err) {
    cr_source *s = ((const cr_stored_params *)a->params)->source;
    if (s->of_program)
        return CR_FAIL(err, CR_UNSUPPORTED, "a write from %s cannot be resumed: its bytes are of no file that could be compared", s->path);
    cr_digest_text(v->program, inside(s->path));
    cr_digest_add(v->program, s->chunk_shape, (size_t)s->ndim * sizeof *s->chunk_shape);
    cr_digest_add(v->sources, s->state, sizeof s->state);
    return s->ops->fingerprint ? s->ops->fingerprint(s, v->sources, err) : CR_OK;
}

static void add_weights(const cr_array *a, cr_digest *d) {
    const cr_regrid_params *p = a->params;
    const cr_weights *w = p->weights;
    cr_digest_add(d, &p->least, sizeof p->least);
    cr_digest_add(d, &p->skipna, sizeof p->skipna);
    cr_digest_add(d, w->begin, (size_t)(w->n_dst + 1) * sizeof *w->begin);
    cr_digest_add(d, w->place, (size_t)w->n * sizeof *w->place);
    cr_digest_add(d, w->weight, (size_t)w->n * sizeof *w->weight);
    cr_digest_add(d, w->runs, (size_t)w->n_runs * sizeof *w->runs);
}

static void add_cuts(const cr_array *a, cr_digest *d) {
    for (int i = 0; i < a->ndim; i++) {
        const cr_cuts *c = a->cuts[i];
        if (c->ends)
            cr_digest_add(d, c->ends, (size_t)c->n * sizeof *c->ends);
        else
            cr_digest_add(d, (const int64_t[]){c->extent, c->period, c->phase}, 3 * sizeof(int64_t));
    }
}

static cr_status add_node(visit *v, const cr_array *a, cr_err *err) {
    const uint64_t facts[] = {a->op, a->weak, a->dtype, a->itemsize, (uint64_t)a->ndim, (uint64_t)a->n_inputs};
    cr_digest_add(v->program, facts, sizeof facts);
    cr_digest_add(v->program, a->shape, (size_t)a->ndim * sizeof *a->shape);
    add_cuts(a, v->program);
    for (int i = 0; i < a->n_inputs; i++)
        cr_digest_add(v->program, &place(v, a->inputs[i])->number, sizeof(int64_t));
    switch (a->op) {
    case CR_OP_MEMORY:
        add_memory(a, v->program);
        break;
    case CR_OP_STORED:
        CR_TRY(add_stored(a, v, err));
        break;
    case CR_OP_CALLBACK: {
        cr_status status = CR_FAIL(err, CR_UNSUPPORTED, "a write whose values come from functions outside of the engine cannot be resumed: "
                                                        "whether they are the same functions is not known");
        cr_err_hint(err, "write it without resuming, or write what the functions make first, and go on from there");
        return status;
    }
    case CR_OP_REDUCE:
    case CR_OP_GROUP: {
        const cr_reduce_params *p = a->params;
        cr_digest_add(v->program, p, CR_REDUCE_PLAIN_BYTES);
        if (p->n_codes > 0)
            cr_digest_add(v->program, p->codes, (size_t)p->n_codes * sizeof *p->codes);
        break;
    }
    case CR_OP_REGRID:
        add_weights(a, v->program);
        break;
    default:
        cr_digest_add(v->program, a->params, a->params_bytes);
    }
    return remember(v, a, err);
}

static cr_status walk(visit *v, const cr_array *root, cr_err *err) {
    CR_TRY(push(v, root, err));
    while (v->n_stack) {
        const cr_array *a = v->stack[v->n_stack - 1];
        size_t before = v->n_stack;
        if (is_known(v, a)) {
            v->n_stack--;
            continue;
        }
        for (int i = a->n_inputs - 1; i >= 0; i--)
            if (!is_known(v, a->inputs[i]))
                CR_TRY(push(v, a->inputs[i], err));
        if (v->n_stack != before)
            continue;
        v->n_stack--;
        CR_TRY(add_node(v, a, err));
    }
    cr_digest_add(v->program, &place(v, root)->number, sizeof(int64_t));
    return CR_OK;
}

cr_status cr_array_digest(int n, cr_array *const *arrays, cr_digest *program, cr_digest *sources, cr_err *err) {
    visit v = {.program = program, .sources = sources};
    cr_status status = CR_OK;
    for (int i = 0; i < n && status == CR_OK; i++)
        status = walk(&v, arrays[i], err);
    free(v.table);
    free(v.stack);
    return status;
}
