/* evaluate.c - from the tree to lazy arrays: names, operators, operations, statements. */
#include "cli/evaluate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

typedef struct evaluator {
    const cr_inputs *inputs;
    cr_results *made;             /* assigned so far */
    const char *each;             /* the variable that "*" is now; NULL: none */
    int at;
    cr_err *err;
} evaluator;

static cr_status evaluate(evaluator *v, cr_expr *e, cr_labelled *it, cr_operand *ret, bool plain);

void cr_operand_done(cr_operand *o) {
    cr_labelled_unref(o->array);
    cr_labelled_unref(o->weights);
    *o = (cr_operand){0};
}

void cr_results_done(cr_results *r) {
    for (int k = 0; k < r->n; k++)
        cr_labelled_unref(r->arrays[k]);
    r->n = 0;
}

/* ---- names ---- */

/* Names of what there is, for the hint. */
static void list_names(const cr_inputs *in, char *buf, size_t size) {
    size_t n = 0;
    buf[0] = 0;
    for (int k = 0; k < cr_dataset_n_variables(in->sets[0]) && n + 70 < size; k++)
        n += (size_t)snprintf(buf + n, size - n, "%s%.60s", k ? ", " : "", cr_dataset_name(in->sets[0], k));
}

static cr_status no_file_called(const evaluator *v, const char *file, const char *name) {
    cr_status status = CR_FAIL(v->err, CR_NOT_FOUND, "no file is called %.60s", file);
    cr_err_hint(v->err, "Behind the expression: %.60s=FILE. A file alone is no expression, which comes first: craton calc 'tos | mean' in.nc. A name with a point in it "
                "stands between quotes: \"%.60s.%.60s\"", file, file, name);
    return status;
}

static cr_status find(const evaluator *v, const char *file, const char *name, cr_labelled **ret_array) {
    const cr_inputs *in = file ? cr_inputs_called(v->inputs, file) : v->inputs;
    if (!in)
        return no_file_called(v, file, name);
    for (int k = v->made->n - 1; k >= 0 && !file; k--)
        if (strcmp(cr_labelled_name(v->made->arrays[k]), name) == 0) {
            *ret_array = cr_labelled_ref(v->made->arrays[k]);
            return CR_OK;
        }
    cr_status status = cr_inputs_get(in, name, ret_array, v->err);
    if (status == CR_NOT_FOUND && v->err) {
        char names[400];
        cr_err_set(v->err, CR_NOT_FOUND, __FILE__, __LINE__, "there is no variable %.100s%s%.60s", name, file ? " in " : "", file ? file : "");
        list_names(in, names, sizeof names);
        v->err->hint[0] = 0;
        cr_err_hint(v->err, "There are: %s.", names);
    }
    return status;
}

/* ---- operators ---- */

/* x.groupby(...) - y: each element of x meets the group of y that it belongs to. */
static cr_status with_groups(evaluator *v, cr_map_op op, const cr_operand *left, const cr_operand *right, cr_labelled **ret_array) {
    char key[600];
    v->at = left->modifier->at;
    if (left->modifier->verb->kind != CR_VERB_BY || right->modifier)
        return CR_FAIL(v->err, CR_INVALID, "%s waits for a reduction", left->modifier->verb->name);
    CR_TRY(cr_group_key(left->array, left->modifier->words[0].text, key, sizeof key, v->err));
    return cr_group_map(op, left->array, key, right->array, ret_array, v->err);
}

/* As NumPy has it: the result would have to be whole too, and 0 for most. */
static cr_status check_power(evaluator *v, const cr_expr *e, cr_labelled *base) {
    const cr_expr *exponent = e->args[1];
    char kind = cr_dtype_kind(cr_labelled_dtype(base));
    if (exponent->kind != CR_EXPR_WHOLE || exponent->whole >= 0 || (kind != 'i' && kind != 'u' && kind != 'b'))
        return CR_OK;
    v->at = exponent->at;
    cr_status status = CR_FAIL(v->err, CR_INVALID, "whole numbers to a negative whole power are no whole numbers");
    cr_err_hint(v->err, "Write the exponent with a point: %lld.0", (long long)exponent->whole);
    return status;
}

static cr_status evaluate_map(evaluator *v, const cr_expr *e, cr_labelled *it, cr_labelled **ret_array) {
    cr_operand args[3] = {0};
    cr_status status = CR_OK;
    for (int k = 0; k < e->n_args && status == CR_OK; k++)
        status = evaluate(v, e->args[k], it, &args[k], k > 0 || e->n_args == 1);
    cr_labelled *arrays[3] = {args[0].array, args[1].array, args[2].array};
    if (status == CR_OK && e->op == CR_MAP_POWER)
        status = check_power(v, e, arrays[0]);
    if (status == CR_OK)
        status = args[0].modifier ? with_groups(v, e->op, &args[0], &args[1], ret_array) : cr_labelled_map(e->op, arrays, ret_array, v->err);
    for (int k = 0; k < e->n_args; k++)
        cr_operand_done(&args[k]);
    return status;
}

/* ---- operations ---- */

static cr_status apply_map(evaluator *v, cr_expr *e, cr_labelled *on, cr_labelled **ret_array) {
    cr_operand args[3] = {0};
    cr_status status = CR_OK;
    for (int k = 1; k < e->n_args && status == CR_OK; k++)
        status = evaluate(v, e->args[k], on, &args[k], true);
    cr_labelled *arrays[3] = {on, args[1].array, args[2].array};
    if (status == CR_OK && e->verb->kind == CR_VERB_WHERE)
        status = cr_labelled_where(on, arrays[1], arrays[2], ret_array, v->err);
    else if (status == CR_OK && cr_map_arity((cr_map_op)e->verb->detail) != e->n_args)
        status = CR_FAIL(v->err, CR_INVALID, "%s takes %d operands", e->verb->name, cr_map_arity((cr_map_op)e->verb->detail));
    else if (status == CR_OK)
        status = cr_labelled_map((cr_map_op)e->verb->detail, arrays, ret_array, v->err);
    e->used = true;
    for (int k = 1; k < e->n_args; k++)
        cr_operand_done(&args[k]);
    return status;
}

/* Operations with one other result. */
static cr_status apply_with(evaluator *v, cr_expr *e, cr_labelled *on, cr_labelled **ret_array) {
    cr_operand other = {0};
    CR_TRY(evaluate(v, e->args[1], on, &other, true));
    e->used = true;
    cr_status status = e->verb->kind == CR_VERB_FILL ? cr_apply_filling(on, other.array, ret_array, v->err)
                                                     : cr_apply_correlation(v->inputs->context, e, on, other.array, ret_array, v->err);
    cr_operand_done(&other);
    return status;
}

static cr_status set_attrs(evaluator *v, const cr_expr *e, cr_labelled *on, cr_labelled **ret_array) {
    cr_labelled *now = cr_labelled_ref(on);
    for (int k = 0; k < e->n_keys; k++) {
        cr_labelled *next = NULL;
        cr_status status = CR_OK;
        if (e->keys[k].form != CR_KEYED_ONE) {
            v->at = e->keys[k].at;
            status = CR_FAIL(v->err, CR_INVALID, "the attribute %.60s is one text", e->keys[k].key);
        }
        if (status == CR_OK)
            status = cr_set_attr(now, e->keys[k].key, e->keys[k].labels[0].text, &next, v->err);
        if (status != CR_OK) {
            cr_labelled_unref(now);
            return status;
        }
        cr_labelled_become(&now, next);
    }
    *ret_array = now;
    return CR_OK;
}

static cr_status transpose(evaluator *v, cr_expr *e, cr_labelled *on, cr_labelled **ret_array) {
    const char *dims[CR_EXPR_DIMS];
    int n = 0;
    for (int k = 0; k < e->n_words; k++)
        if (!v->each || cr_has_dim(on, e->words[k].text))
            dims[n++] = cr_dim_called(on, e->words[k].text);
    e->used = e->used || n > 0;
    if (!v->each && n != cr_labelled_ndim(on))
        return CR_FAIL(v->err, CR_INVALID, "transpose names all dimensions: there are %d", cr_labelled_ndim(on));
    if (n != cr_labelled_ndim(on)) {
        *ret_array = cr_labelled_ref(on);
        return CR_OK;
    }
    return cr_labelled_transpose(on, dims, ret_array, v->err);
}

static cr_status apply(evaluator *v, cr_expr *e, const cr_operand *on, cr_labelled **ret_array) {
    cr_labelled *a = on->array;
    bool each = v->each != NULL;
    switch (e->verb->kind) {
    case CR_VERB_SEL:
    case CR_VERB_NEAREST:
    case CR_VERB_ISEL: return cr_apply_selection(v->inputs->context, e, a, each, ret_array, &v->at, v->err);
    case CR_VERB_MAP:
    case CR_VERB_WHERE: return apply_map(v, e, a, ret_array);
    case CR_VERB_ANOMALY: return cr_apply_anomaly(e, a, each, ret_array, v->err);
    case CR_VERB_REGRID: return cr_apply_regrid(v->inputs->context, v->inputs, e, a, each, ret_array, &v->at, v->err);
    case CR_VERB_TRANSPOSE: return transpose(v, e, a, ret_array);
    case CR_VERB_ALONG: return cr_apply_along(v->inputs->context, e, a, each, ret_array, &v->at, v->err);
    case CR_VERB_INTERP: return cr_apply_interpolation(v->inputs->context, e, a, each, ret_array, &v->at, v->err);
    case CR_VERB_POINTS: return cr_apply_points(v->inputs->context, e, a, each, ret_array, &v->at, v->err);
    case CR_VERB_FILL:
    case CR_VERB_CORR: return apply_with(v, e, a, ret_array);
    default: break;
    }
    e->used = true;
    switch (e->verb->kind) {
    case CR_VERB_NAME: return cr_labelled_with_name(a, e->words[0].text, ret_array, v->err);
    case CR_VERB_ATTRS: return set_attrs(v, e, a, ret_array);
    case CR_VERB_TO: return cr_convert_units(v->inputs->context, a, e->words[0].text, ret_array, v->err);
    default: return CR_FAIL(v->err, CR_INTERNAL, "%s is not implemented", e->verb->name);
    }
}

static bool reduces(const cr_verb *verb) { return verb->kind == CR_VERB_REDUCE || verb->kind == CR_VERB_MEDIAN || verb->kind == CR_VERB_QUANTILE; }

static cr_status evaluate_verb(evaluator *v, cr_expr *e, cr_labelled *it, cr_operand *ret) {
    cr_operand on = {0}, weights = {0};
    CR_TRY(evaluate(v, e->args[0], it, &on, !reduces(e->verb)));
    cr_status status = CR_OK;
    if (e->verb->modifies) {
        if (e->n_args == 2)
            status = evaluate(v, e->args[1], on.array, &weights, true);
        if (status == CR_OK) {
            *ret = (cr_operand){.array = on.array, .modifier = e, .weights = weights.array};
            return CR_OK;
        }
    } else if (reduces(e->verb)) {
        status = cr_apply_reduction(v->inputs->context, e, &on, v->each != NULL, &ret->array, &v->at, v->err);
    } else {
        status = apply(v, e, &on, &ret->array);
    }
    cr_operand_done(&weights);
    cr_operand_done(&on);
    return status;
}

/* ---- the tree ---- */

static cr_status evaluate_leaf(evaluator *v, const cr_expr *e, cr_labelled *it, cr_labelled **ret_array) {
    switch (e->kind) {
    case CR_EXPR_WHOLE: return cr_labelled_whole(v->inputs->context, e->whole, ret_array, v->err);
    case CR_EXPR_REAL: return cr_labelled_number(v->inputs->context, e->real, ret_array, v->err);
    case CR_EXPR_EACH: return find(v, e->file, v->each, ret_array);
    case CR_EXPR_IT:
        if (!it)
            return CR_FAIL(v->err, CR_INVALID, "_ is what an operation works on, and this is the argument of none");
        *ret_array = cr_labelled_ref(it);
        return CR_OK;
    default: return find(v, e->file, e->name, ret_array);
    }
}

/* plain: a modifier without its reduction is an error. The deepest failure says where. */
static cr_status evaluate(evaluator *v, cr_expr *e, cr_labelled *it, cr_operand *ret, bool plain) {
    int before = v->at;
    cr_status status = e->kind == CR_EXPR_VERB  ? evaluate_verb(v, e, it, ret)
                       : e->kind == CR_EXPR_MAP ? evaluate_map(v, e, it, &ret->array)
                                                : evaluate_leaf(v, e, it, &ret->array);
    if (status == CR_OK)
        v->at = before;
    if (status == CR_OK && plain && ret->modifier) {
        status = CR_FAIL(v->err, CR_INVALID, "%s waits for a reduction", ret->modifier->verb->name);
        cr_err_hint(v->err, "Behind it stands what is made of each part: %s%s%s mean (max, std, quantile 0.9 ...)", ret->modifier->verb->name, *ret->modifier->verb->arguments ? " " : "",
                    ret->modifier->verb->arguments);
        v->at = ret->modifier->at;
        cr_operand_done(ret);
    }
    if (status != CR_OK && v->at < 0)
        v->at = e->at;
    return status;
}

/* ---- statements ---- */

/* A coordinate that is a result is not its own coordinate any more. */
static cr_status name_it(cr_labelled *a, const char *name, cr_labelled **ret_array, cr_err *err) {
    cr_labelled *named = NULL, *coord = NULL;
    CR_TRY(cr_labelled_with_name(a, name, &named, err));
    bool own = cr_labelled_coord(named, name, &coord, NULL) == CR_OK;
    cr_status status = own ? cr_labelled_without_coord(named, name, ret_array, err) : CR_OK;
    cr_labelled_unref(coord);
    if (own)
        cr_labelled_unref(named);
    else
        *ret_array = named;
    return status;
}

/* Takes the reference. */
static cr_status keep(evaluator *v, cr_results *r, const char *name, cr_labelled *a) {
    cr_labelled *named = NULL;
    const char *own = name ? name : cr_labelled_name(a) ? cr_labelled_name(a) : "result";
    cr_status status = r->n < CR_RESULTS_MOST ? name_it(a, own, &named, v->err)
                                              : CR_FAIL(v->err, CR_LIMIT, "more than %d results", CR_RESULTS_MOST);
    cr_labelled_unref(a);
    CR_TRY(status);
    own = cr_labelled_name(named);            /* the array it may have been the name of is gone */
    for (int k = 0; k < r->n; k++)
        if (strcmp(cr_labelled_name(r->arrays[k]), own) == 0) {
            if (!name) {
                cr_err_set(v->err, CR_INVALID, __FILE__, __LINE__, "two results have the name %.100s", own);
                cr_labelled_unref(named);
                cr_err_hint(v->err, "Give one another name: ... | name other");
                return CR_INVALID;
            }
            cr_labelled_become(&r->arrays[k], named); /* assigned again */
            return CR_OK;
        }
    r->arrays[r->n++] = named;
    return CR_OK;
}

/* In a run over several variables, an operation that none of them could take is a mistake. */
static cr_status check_used(evaluator *v, const cr_expr *e) {
    for (int k = 0; k < e->n_args; k++)
        CR_TRY(check_used(v, e->args[k]));
    if (e->kind != CR_EXPR_VERB || e->used || e->verb->modifies)
        return CR_OK;
    v->at = e->at;
    return CR_FAIL(v->err, CR_NOT_FOUND, "no variable has the dimensions that %s works on", e->verb->name);
}

static cr_status run_result(evaluator *v, const cr_statement *s, int at, cr_results *r) {
    cr_operand o = {0};
    v->at = -1;
    CR_TRY(evaluate(v, s->results[at], NULL, &o, true));
    v->at = s->results[at]->at;
    return keep(v, r, s->name, o.array);
}

/* The first "*" of a tree, whose file says which variables there are; NULL: none. */
static const cr_expr *first_each(const cr_expr *e) {
    const cr_expr *found = e->kind == CR_EXPR_EACH ? e : NULL;
    for (int k = 0; k < e->n_args && !found; k++)
        found = first_each(e->args[k]);
    return found;
}

static cr_status run_each(evaluator *v, const cr_statement *s, int at, const cr_expr *star, cr_results *r) {
    const cr_inputs *in = star->file ? cr_inputs_called(v->inputs, star->file) : v->inputs;
    int before = r->n;
    v->at = star->at;
    if (!in)
        return no_file_called(v, star->file, "*");
    const cr_dataset *d = in->sets[0];
    for (int k = 0; k < cr_dataset_n_variables(d); k++) {
        cr_labelled *a = NULL;
        if (cr_dataset_is_coord(d, k))
            continue;
        v->at = s->at;
        CR_TRY(cr_dataset_get(d, cr_dataset_name(d, k), &a, v->err));
        bool numbers = cr_labelled_kind(a) == CR_KIND_NUMBERS;
        cr_labelled_unref(a);
        r->left_out += !numbers;
        v->each = cr_dataset_name(d, k);
        if (numbers)
            CR_TRY(run_result(v, s, at, r));
    }
    v->each = NULL;
    if (r->n > before)
        CR_TRY(check_used(v, s->results[at]));
    v->at = s->at;
    return r->n > before ? CR_OK : CR_FAIL(v->err, CR_NOT_FOUND, "the file has no variable of numbers");
}

static cr_status run_statement(evaluator *v, const cr_statement *s, cr_results *r) {
    for (int k = 0; k < s->n; k++) {
        const cr_expr *star = first_each(s->results[k]);
        CR_TRY(star ? run_each(v, s, k, star, r) : run_result(v, s, k, r));
    }
    return CR_OK;
}

cr_status cr_evaluate(const cr_program *program, const cr_inputs *inputs, cr_results *ret_results, int *ret_at, cr_err *err) {
    cr_auto_free cr_results *made = calloc(1, sizeof *made);
    cr_status status = CR_OK;
    *ret_at = 0;
    if (!made)
        return CR_FAIL(err, CR_MEMORY, "no memory for results");
    evaluator v = {.inputs = inputs, .made = made, .at = -1, .err = err};
    for (int k = 0; k < program->n && status == CR_OK; k++) {
        const cr_statement *s = &program->statements[k];
        bool last = k == program->n - 1;
        if (!s->name && !last) {
            v.at = s->at;
            status = CR_FAIL(err, CR_INVALID, "only the last statement gives a result; this one is not used");
            cr_err_hint(err, "Give it a name: x = ...");
            break;
        }
        status = run_statement(&v, s, s->name ? made : ret_results);
        if (status == CR_OK && last && s->name) {
            *ret_results = *made;
            made->n = 0;
        }
    }
    cr_results_done(made);
    if (status != CR_OK)
        cr_results_done(ret_results);
    *ret_at = v.at < 0 ? 0 : v.at;
    return status;
}
