/* access.c - how the index of a domain becomes the index of a node below a chain of views.
 *
 * Accesses are interned: equal ones are one object, and the composition of an access with a view is remembered, so that diamonds in
 * the graph stay diamonds. Index tables live as long as the plan; their bytes count against the plan's arena.
 */
#include "engine/plan/plan.h"

static uint64_t axis_hash(const cr_access_axis *x, int n) {
    uint64_t h = 0x9E3779B97F4A7C15u;
    for (int i = 0; i < n; i++) {
        h = (h ^ (uint64_t)(x[i].dim + 1)) * 0xD6E8FEB86659FD93u;
        h = (h ^ (uint64_t)x[i].start ^ h >> 32) * 0xD6E8FEB86659FD93u;
        h = (h ^ (uint64_t)x[i].step ^ (uint64_t)(uintptr_t)x[i].index) * 0xD6E8FEB86659FD93u;
    }
    return h ^ h >> 29;
}

static cr_status out_of_arena(cr_err *err) {
    cr_status s = CR_FAIL(err, CR_LIMIT, "planning needs too much memory: the expression is too large");
    cr_err_hint(err, "compute parts of it first, or take fewer elements by index");
    return s;
}

static bool same_axis(const cr_access_axis *a, const cr_access_axis *b) {
    return a->dim == b->dim && a->start == b->start && a->step == b->step && a->index == b->index;
}

static cr_status intern(cr_plan *plan, int ndim, const cr_access_axis *axes, const cr_access **ret_access, cr_err *err) {
    uint64_t h = axis_hash(axes, ndim);
    int64_t at = cr_idtable_get(&plan->interned, h, (uint64_t)ndim);
    cr_access *first = at < 0 ? NULL : (cr_access *)(uintptr_t)at;
    for (cr_access *a = first; a != NULL; a = a->next) {
        int i = 0;
        while (i < ndim && same_axis(&a->axis[i], &axes[i]))
            i++;
        if (i == ndim) {
            *ret_access = a;
            return CR_OK;
        }
    }
    cr_access *a = cr_arena_alloc(&plan->arena, sizeof *a + (size_t)ndim * sizeof *axes);
    if (a == NULL)
        return out_of_arena(err);
    a->ndim = ndim;
    a->next = first;
    if (ndim > 0)
        memcpy(a->axis, axes, (size_t)ndim * sizeof *axes);
    CR_TRY(cr_idtable_put(&plan->interned, h, (uint64_t)ndim, (int64_t)(uintptr_t)a, err));
    *ret_access = a;
    return CR_OK;
}

cr_status cr_access_identity(cr_plan *plan, int ndim, const int *dims, cr_access **ret_access, cr_err *err) {
    cr_access_axis axes[CR_MAX_DIMS];
    memset(axes, 0, sizeof axes);
    for (int i = 0; i < ndim; i++) {
        axes[i].dim = dims[i];
        axes[i].step = 1;
    }
    return intern(plan, ndim, axes, (const cr_access **)ret_access, err);
}

cr_status cr_access_replace(cr_plan *plan, const cr_access *a, int axis, const cr_access_axis *with, const cr_access **ret_access,
                            cr_err *err) {
    cr_access_axis axes[CR_MAX_DIMS];
    if (a->ndim > 0)
        memcpy(axes, a->axis, (size_t)a->ndim * sizeof *axes);
    axes[axis] = *with;
    return intern(plan, a->ndim, axes, ret_access, err);
}

static void constant(cr_access_axis *x, int64_t position) {
    x->dim = -1;
    x->start = position;
    x->step = 0;
    x->index = NULL;
}

/* x := start + step * x */
static cr_status through_slice(cr_plan *plan, const int64_t *domain, const cr_slice *s, cr_access_axis *x, cr_err *err) {
    if (x->dim < 0) {
        constant(x, s->start + s->step * x->start);
    } else if (x->index == NULL) {
        x->start = s->start + s->step * x->start;
        x->step = s->step * x->step;
    } else {
        int64_t n = domain[x->dim], *index = cr_arena_calloc(&plan->arena, (size_t)n + 1, sizeof *index);
        if (index == NULL)
            return out_of_arena(err);
        for (int64_t i = 0; i < n; i++)
            index[i] = s->start + s->step * x->index[i];
        x->index = index;
    }
    return CR_OK;
}

/* x := take[x]; an even progression becomes start and step again. */
static cr_status through_take(cr_plan *plan, const int64_t *domain, const cr_take_params *t, cr_access_axis *x, cr_err *err) {
    if (x->dim < 0) {
        constant(x, t->index[x->start]);
        return CR_OK;
    }
    int64_t n = domain[x->dim];
    if (x->index == NULL && x->start == 0 && x->step == 1 && n == t->n) {
        x->index = t->index; /* the node outlives the plan */
    } else {
        int64_t *index = cr_arena_calloc(&plan->arena, (size_t)n + 1, sizeof *index);
        if (index == NULL)
            return out_of_arena(err);
        for (int64_t i = 0; i < n; i++) {
            /* Below a concat, positions outside of the scope mean nothing and may lie outside of the list: they stay 0. */
            int64_t at = x->index != NULL ? x->index[i] : x->start + x->step * i;
            index[i] = at >= 0 && at < t->n ? t->index[at] : 0;
        }
        x->index = index;
    }
    x->start = 0;
    x->step = 1;
    if (n == 0)
        return CR_OK;
    int64_t step = n > 1 ? x->index[1] - x->index[0] : 1;
    for (int64_t i = 1; i < n; i++)
        if (x->index[i] - x->index[i - 1] != step)
            return CR_OK;
    x->start = x->index[0];
    x->step = step;
    x->index = NULL;
    if (step == 0)
        constant(x, x->start);
    return CR_OK;
}

static cr_status through(cr_plan *plan, const int64_t *domain, const cr_array *v, int input, const cr_access *a, cr_access_axis *x,
                         cr_err *err) {
    const cr_array *in = v->inputs[input];
    switch (v->op) {
    case CR_OP_SLICE:
        for (int i = 0; i < in->ndim; i++) {
            x[i] = a->axis[i];
            CR_TRY(through_slice(plan, domain, (const cr_slice *)v->params + i, &x[i], err));
        }
        return CR_OK;
    case CR_OP_TAKE: {
        const cr_take_params *t = v->params;
        memcpy(x, a->axis, (size_t)in->ndim * sizeof *x);
        return through_take(plan, domain, t, &x[t->axis], err);
    }
    case CR_OP_PERMUTE:
        for (int i = 0; i < in->ndim; i++)
            x[((const int *)v->params)[i]] = a->axis[i];
        return CR_OK;
    case CR_OP_EXPAND:
        for (int i = 0; i < in->ndim; i++)
            x[i] = a->axis[i < *(const int *)v->params ? i : i + 1];
        return CR_OK;
    case CR_OP_SQUEEZE: {
        int axis = *(const int *)v->params;
        for (int i = 0; i < in->ndim; i++) {
            if (i == axis)
                constant(&x[i], 0);
            else
                x[i] = a->axis[i < axis ? i : i - 1];
        }
        return CR_OK;
    }
    default: /* RECHUNK, BROADCAST and elementwise: the trailing axes, repeated ones at 0 */
        for (int i = 0; i < in->ndim; i++) {
            int own = i + v->ndim - in->ndim;
            x[i] = a->axis[own];
            if (in->shape[i] == 1)
                constant(&x[i], 0);
        }
        return CR_OK;
    }
}

cr_status cr_access_through(cr_plan *plan, const int64_t *domain, int32_t view, int input, const cr_access *a, const cr_access **ret_access,
                            cr_err *err) {
    cr_access_axis x[CR_MAX_DIMS];
    uint64_t key = (uint64_t)(uint32_t)view << 2 | (uint64_t)input;
    int64_t known = cr_idtable_get(&plan->composed, key, (uint64_t)(uintptr_t)a);
    if (known >= 0) {
        *ret_access = (const cr_access *)(uintptr_t)known;
        return CR_OK;
    }
    const cr_array *v = plan->nodes[view].node;
    memset(x, 0, sizeof x);
    CR_TRY(through(plan, domain, v, input, a, x, err));
    CR_TRY(intern(plan, v->inputs[input]->ndim, x, ret_access, err));
    /* Elementwise nodes compose in no time and are many: remembering them would only cost memory. */
    if (cr_ops[v->op].cls != CR_CLASS_VIEW)
        return CR_OK;
    return cr_idtable_put(&plan->composed, key, (uint64_t)(uintptr_t)a, (int64_t)(uintptr_t)*ret_access, err);
}
