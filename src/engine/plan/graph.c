/* graph.c - every node of the graph gets a number, equal nodes one number, and a phase; and the graph with others in place of some of its nodes.
 * Iterative: depth is in the user's hands. */
#include <stdlib.h>

#include "engine/array/weights.h"
#include "engine/plan/plan.h"

static bool same_leaf(const cr_array *a, const cr_array *b) {
    if (a->op == CR_OP_MEMORY) { /* the same memory twice is the same array, whoever owns it */
        const cr_memory_params *p = a->params, *q = b->params;
        return p->data == q->data && memcmp(p->strides, q->strides, sizeof p->strides) == 0;
    }
    if (a->op == CR_OP_CALLBACK)
        return false;
    if (a->op == CR_OP_STORED) {
        const cr_source *s = ((const cr_stored_params *)a->params)->source, *t = ((const cr_stored_params *)b->params)->source;
        return s == t || ((s->identity[0] | s->identity[1]) != 0 && s->identity[0] == t->identity[0] &&
                          s->identity[1] == t->identity[1] && s->path != NULL && t->path != NULL && strcmp(s->path, t->path) == 0);
    }
    if (a->op == CR_OP_REDUCE || a->op == CR_OP_GROUP) {
        const cr_reduce_params *p = a->params, *q = b->params;
        return memcmp(p, q, CR_REDUCE_PLAIN_BYTES) == 0 && p->n_codes == q->n_codes &&
               (p->codes == q->codes || memcmp(p->codes, q->codes, (size_t)p->n_codes * sizeof *p->codes) == 0);
    }
    return a->params_bytes == b->params_bytes && memcmp(a->params, b->params, a->params_bytes) == 0;
}

static bool same_node(const cr_plan *plan, int32_t id, const cr_array *b, const int32_t *inputs) {
    const cr_array *a = plan->nodes[id].node;
    if (a->hash != b->hash || a->op != b->op || a->dtype != b->dtype || a->itemsize != b->itemsize || a->ndim != b->ndim ||
        a->n_inputs != b->n_inputs || (a->ndim > 0 && memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof *a->shape) != 0))
        return false;
    for (int i = 0; i < a->n_inputs; i++)
        if (plan->nodes[id].inputs[i] != inputs[i])
            return false;
    return same_leaf(a, b);
}

static cr_status add_node(cr_plan *plan, const cr_array *a, int32_t *ret_id, cr_err *err) {
    int32_t *inputs = cr_arena_calloc(&plan->arena, (size_t)a->n_inputs + 1, sizeof *inputs);
    if (inputs == NULL)
        return CR_FAIL(err, CR_LIMIT, "planning needs too much memory: the graph has more than %d nodes", plan->n_nodes);
    int32_t phase = 0;
    for (int i = 0; i < a->n_inputs; i++) {
        inputs[i] = (int32_t)cr_idtable_get(&plan->by_address, (uint64_t)(uintptr_t)a->inputs[i], 0);
        const cr_plan_node *in = &plan->nodes[inputs[i]];
        phase = CR_MAX(phase, in->phase + (cr_ops[in->node->op].cls == CR_CLASS_REDUCE));
    }
    /* Equal hashes form a short chain: (hash, 0), (hash, 1) ... */
    for (uint64_t k = 0;; k++) {
        int64_t known = cr_idtable_get(&plan->by_hash, a->hash, k);
        if (known < 0) {
            CR_TRY(cr_idtable_put(&plan->by_hash, a->hash, k, plan->n_nodes, err));
            break;
        }
        if (same_node(plan, (int32_t)known, a, inputs)) {
            *ret_id = (int32_t)known;
            return CR_OK;
        }
    }
    if (plan->n_nodes == plan->cap_nodes) {
        int32_t cap = plan->cap_nodes == 0 ? 256 : 2 * plan->cap_nodes;
        cr_plan_node *more = cap > 1 << 28 ? NULL : realloc(plan->nodes, (size_t)cap * sizeof *more);
        if (more == NULL)
            return CR_FAIL(err, CR_LIMIT, "no memory to plan a graph of %d nodes", plan->n_nodes);
        plan->nodes = more;
        plan->cap_nodes = cap;
    }
    *ret_id = plan->n_nodes;
    plan->nodes[plan->n_nodes++] = (cr_plan_node){.node = a, .inputs = inputs, .phase = phase, .result = -1};
    return CR_OK;
}

typedef struct frame {
    const cr_array *node;
    int next;
} frame;

static cr_status number_from(cr_plan *plan, const cr_array *root, frame **stack, size_t *cap, cr_err *err) {
    size_t n = 0;
    if (cr_idtable_get(&plan->by_address, (uint64_t)(uintptr_t)root, 0) >= 0)
        return CR_OK;
    (*stack)[n++] = (frame){root, 0};
    while (n > 0) {
        frame *f = &(*stack)[n - 1];
        if (f->next < f->node->n_inputs) {
            const cr_array *in = f->node->inputs[f->next++];
            if (cr_idtable_get(&plan->by_address, (uint64_t)(uintptr_t)in, 0) >= 0)
                continue;
            if (n == *cap) {
                frame *more = realloc(*stack, 2 * *cap * sizeof *more);
                if (more == NULL)
                    return CR_FAIL(err, CR_MEMORY, "no memory to plan a graph of depth %zu", n);
                *stack = more;
                *cap *= 2;
            }
            (*stack)[n++] = (frame){in, 0};
            continue;
        }
        int32_t id = -1;
        CR_TRY(add_node(plan, f->node, &id, err));
        CR_TRY(cr_idtable_put(&plan->by_address, (uint64_t)(uintptr_t)f->node, 0, id, err));
        n--;
    }
    return CR_OK;
}

cr_status cr_graph_number(cr_plan *plan, int n, cr_array *const *arrays, cr_err *err) {
    size_t cap = 64;
    frame *stack = malloc(cap * sizeof *stack);
    if (stack == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to plan");
    cr_status status = CR_OK;
    for (int i = 0; i < n && status == CR_OK; i++) {
        status = number_from(plan, arrays[i], &stack, &cap, err);
        if (status == CR_OK)
            plan->output_nodes[i] = (int32_t)cr_idtable_get(&plan->by_address, (uint64_t)(uintptr_t)arrays[i], 0);
    }
    free(stack);
    return status;
}

/* ---- with others in place of some ---- */

static void release_original(void *a) { cr_array_unref(a); }

/* What parameters point to belongs to the node that they were copied from. */
static void hold_outside(cr_array *v, cr_array *original) {
    if (v->op == CR_OP_GROUP) {
        cr_reduce_params *p = v->params;
        p->release = release_original;
        p->owner = cr_array_ref(original);
    } else if (v->op == CR_OP_REGRID) {
        cr_weights_ref(((const cr_regrid_params *)v->params)->weights);
    }
}

cr_status cr_graph_again(const cr_array *a, cr_array *const *inputs, cr_array **ret_array, cr_err *err) {
    cr_node_spec spec = {.op = (cr_op_id)a->op, .dtype = a->dtype, .itemsize = a->itemsize, .ndim = a->ndim, .shape = a->shape,
                         .n_inputs = a->n_inputs, .inputs = inputs, .params = a->params, .params_bytes = a->params_bytes};
    cr_array *v;
    CR_TRY(cr_node_new(&spec, &v, err));
    hold_outside(v, (cr_array *)a);
    for (int i = 0; i < a->ndim; i++)
        v->cuts[i] = cr_cuts_ref(a->cuts[i]);
    v->weak = a->weak;
    *ret_array = v;
    return CR_OK;
}

cr_status cr_graph_remade(const cr_plan *plan, int32_t id, cr_array *const *made, cr_array **ret_array, cr_err *err) {
    const cr_plan_node *n = &plan->nodes[id];
    bool same = true;
    for (int i = 0; i < n->node->n_inputs; i++)
        same = same && made[n->inputs[i]] == plan->nodes[n->inputs[i]].node;
    if (same) {
        *ret_array = cr_array_ref((cr_array *)n->node);
        return CR_OK;
    }
    cr_auto_free cr_array **inputs = calloc((size_t)n->node->n_inputs, sizeof *inputs);
    if (inputs == NULL)
        return CR_FAIL(err, CR_MEMORY, "no memory to plan");
    for (int i = 0; i < n->node->n_inputs; i++)
        inputs[i] = made[n->inputs[i]];
    return cr_graph_again(n->node, inputs, ret_array, err);
}

static cr_status replaced(const cr_plan *plan, int32_t id, cr_array *const *others, cr_array **made, cr_err *err) {
    if (others[id] == NULL)
        return cr_graph_remade(plan, id, made, &made[id], err);
    made[id] = cr_array_ref(others[id]);
    return CR_OK;
}

cr_status cr_graph_replaced(const cr_plan *plan, cr_array *const *others, cr_array **ret_arrays, cr_err *err) {
    cr_auto_free cr_array **made = calloc((size_t)plan->n_nodes + 1, sizeof *made);
    cr_status status = made == NULL ? CR_FAIL(err, CR_MEMORY, "no memory to plan") : CR_OK;
    for (int32_t id = 0; id < plan->n_nodes && status == CR_OK; id++) /* inputs come before what is made of them */
        status = replaced(plan, id, others, made, err);
    for (int i = 0; i < plan->n_outputs && status == CR_OK; i++)
        ret_arrays[i] = cr_array_ref(made[plan->output_nodes[i]]);
    for (int32_t id = 0; id < plan->n_nodes && made != NULL; id++)
        cr_array_unref(made[id]);
    return status;
}
