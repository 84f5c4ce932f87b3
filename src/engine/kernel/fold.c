/* fold.c - which fold serves a reduction of a type, and of what type the result is. */
#include "engine/kernel/fold.h"

#include "base/error.h"
#include "engine/kernel/level.h"

static const char *const names[CR_REDUCTION_COUNT] = {
#define X(id, name) [CR_REDUCE_##id] = name,
    CR_REDUCTION_TABLE(X)
#undef X
};

static const cr_fold *find_loops(int simd, enum cr_fold_id id, cr_dtype in) {
#if CR_KERNEL_LEVELS > 1
    static const cr_fold_table *const ints[CR_LEVEL_COUNT] = {&cr_fold_ints_0, &cr_fold_ints_1};
    static const cr_fold_table *const floats[CR_LEVEL_COUNT] = {&cr_fold_floats_0, &cr_fold_floats_1};
    const int level = cr_simd_pick_of(simd, CR_LEVEL_COUNT);
#else
    static const cr_fold_table *const ints[1] = {&cr_fold_ints_0}, *const floats[1] = {&cr_fold_floats_0};
    const int level = 0;
#endif
    /* FIRSTP and LASTP of floats move bits, and live with the integers. */
    const cr_fold *f = &floats[level]->fold[id][in];
    return f->n_planes > 0 ? f : &ints[level]->fold[id][in == CR_BOOL ? CR_U8 : in];
}

/* Sum and product: in wrapping integers, or in double when the result is floating. */
static cr_status find_sum(cr_reduction r, cr_dtype in, const cr_reduce_options *o, enum cr_fold_id *ret_id, cr_dtype *ret_out, cr_err *err) {
    bool is_float = cr_dtype_kind(in) == 'f', propagate = is_float && !o->skipna;
    cr_dtype out = is_float ? in : cr_dtype_kind(in) == 'u' ? CR_U64 : CR_I64;
    if (!is_float && o->min_count > 0)
        out = CR_F64;                                        /* must be able to say "missing" */
    if (o->has_dtype) {
        if (cr_dtype_kind(o->dtype) != 'f' && (is_float || o->min_count > 0))
            return CR_FAIL(err, CR_TYPE, "%s of %s%s cannot be given as %s", names[r], cr_dtype_name(in),
                           o->min_count > 0 ? " with min_count" : "", cr_dtype_name(o->dtype));
        out = o->dtype;
    }
    if (cr_dtype_kind(out) != 'f')
        *ret_id = r == CR_REDUCE_SUM ? CR_FOLD_ISUM : CR_FOLD_IPROD;
    else if (r == CR_REDUCE_PROD)
        *ret_id = propagate ? CR_FOLD_PRODP : CR_FOLD_PROD;
    else if (o->min_count > 0)
        *ret_id = propagate ? CR_FOLD_SUMNP : CR_FOLD_SUMN;
    else
        *ret_id = propagate ? CR_FOLD_SUMP : CR_FOLD_SUM;
    *ret_out = out;
    return CR_OK;
}

/* mean, var, std: always floating. */
static cr_status find_moment(cr_reduction r, cr_dtype in, const cr_reduce_options *o, enum cr_fold_id *ret_id, cr_dtype *ret_out,
                             cr_err *err) {
    bool is_float = cr_dtype_kind(in) == 'f', propagate = is_float && !o->skipna;
    if (o->has_dtype && cr_dtype_kind(o->dtype) != 'f')
        return CR_FAIL(err, CR_TYPE, "%s cannot be given as %s", names[r], cr_dtype_name(o->dtype));
    *ret_out = o->has_dtype ? o->dtype : is_float ? in : CR_F64;
    switch (r) {
    case CR_REDUCE_MEAN:
        *ret_id = propagate ? CR_FOLD_MEANP : CR_FOLD_MEAN;
        break;
    case CR_REDUCE_VAR:
        *ret_id = propagate ? CR_FOLD_VARP : CR_FOLD_VAR;
        break;
    default:
        *ret_id = propagate ? CR_FOLD_STDP : CR_FOLD_STD;
    }
    return CR_OK;
}

static cr_status find_other(cr_reduction r, cr_dtype in, const cr_reduce_options *o, enum cr_fold_id *ret_id, cr_dtype *ret_out,
                            cr_err *err) {
    /* The fold, its variant that passes NaN on, and the type of the result (CR_STRING: that of the elements). */
    static const struct {
        uint8_t id, propagating, out;
    } rows[CR_REDUCTION_COUNT] = {
        [CR_REDUCE_MIN] = {CR_FOLD_MIN, CR_FOLD_MINP, CR_STRING},
        [CR_REDUCE_MAX] = {CR_FOLD_MAX, CR_FOLD_MAXP, CR_STRING},
        [CR_REDUCE_COUNT] = {CR_FOLD_COUNT, CR_FOLD_COUNT, CR_I64},
        [CR_REDUCE_ANY] = {CR_FOLD_ANY, CR_FOLD_ANY, CR_BOOL},
        [CR_REDUCE_ALL] = {CR_FOLD_ALL, CR_FOLD_ALL, CR_BOOL},
        [CR_REDUCE_FIRST] = {CR_FOLD_FIRST, CR_FOLD_FIRSTP, CR_STRING},
        [CR_REDUCE_LAST] = {CR_FOLD_LAST, CR_FOLD_LASTP, CR_STRING},
        [CR_REDUCE_ARGMIN] = {CR_FOLD_ARGMIN, CR_FOLD_ARGMINP, CR_I64},
        [CR_REDUCE_ARGMAX] = {CR_FOLD_ARGMAX, CR_FOLD_ARGMAXP, CR_I64},
    };
    cr_dtype out = rows[r].out == CR_STRING ? in : (cr_dtype)rows[r].out;
    if (o->min_count > 1)
        return CR_FAIL(err, CR_UNSUPPORTED, "%s does not take min_count", names[r]);
    if (o->has_dtype && o->dtype != out) {
        cr_status s = CR_FAIL(err, CR_TYPE, "%s of %s is %s, not %s", names[r], cr_dtype_name(in), cr_dtype_name(out), cr_dtype_name(o->dtype));
        cr_err_hint(err, "cast the result instead");
        return s;
    }
    *ret_id = cr_dtype_kind(in) == 'f' && !o->skipna ? rows[r].propagating : rows[r].id;
    *ret_out = out;
    return CR_OK;
}

cr_status cr_fold_find(int simd, cr_reduction r, cr_dtype in, const cr_reduce_options *o, const cr_fold **ret_fold, cr_dtype *ret_out,
                       cr_err *err) {
    static const cr_reduce_options none = {0};
    enum cr_fold_id id = CR_FOLD_ISUM;
    cr_dtype out = in;
    if ((unsigned)r >= CR_REDUCTION_COUNT)
        return CR_FAIL(err, CR_INVALID, "no reduction has the number %d", (int)r);
    if ((unsigned)in >= CR_NUMERIC_COUNT || (o && o->has_dtype && (unsigned)o->dtype >= CR_NUMERIC_COUNT))
        return CR_FAIL(err, CR_TYPE, "%s is not defined for %s", names[r],
                       cr_dtype_name((unsigned)in >= CR_NUMERIC_COUNT ? in : o->dtype));
    o = o ? o : &none;
    if (o->min_count < 0)
        return CR_FAIL(err, CR_INVALID, "min_count is %lld; it cannot be negative", (long long)o->min_count);
    switch (r) {
    case CR_REDUCE_SUM:
    case CR_REDUCE_PROD:
        CR_TRY(find_sum(r, in, o, &id, &out, err));
        break;
    case CR_REDUCE_MEAN:
    case CR_REDUCE_VAR:
    case CR_REDUCE_STD:
        CR_TRY(find_moment(r, in, o, &id, &out, err));
        break;
    default:
        CR_TRY(find_other(r, in, o, &id, &out, err));
    }
    *ret_fold = find_loops(simd, id, in);
    *ret_out = out;
    return CR_OK;
}

size_t cr_fold_slot_bytes(const cr_fold *f) {
    size_t bytes = 0;
    for (int p = 0; p < f->n_planes; p++)
        bytes += cr_dtype_size(f->plane[p]);
    return bytes;
}

void cr_fold_planes_at(const cr_fold *f, void *const *planes, int64_t slot, void **ret) {
    for (int p = 0; p < f->n_planes; p++)
        ret[p] = (char *)planes[p] + slot * (int64_t)cr_dtype_size(f->plane[p]);
}
