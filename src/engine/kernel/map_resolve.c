/* map_resolve.c - NumPy 2's rules for the types of an element-wise operation, one row per operation. */
#include "engine/kernel/map_table.h"

#include "base/error.h"

enum family {
    COMMON,                       /* arguments are promoted together */
    COMPARE,                      /* the same, but int64 with uint64 keep their types */
    TRUE_DIVIDE,                  /* the same, but integers become double */
    FLOATING,                     /* each argument asks for the smallest float that holds it */
    TRUTH,                        /* every argument becomes bool */
    CHOOSE,                       /* bool, then two that are promoted together */
};
/* What becomes of bool when all arguments are bool: stays, int8, or not allowed. */
enum bools { KEEP, AS_I8, REFUSE };

static const struct {
    uint8_t family, bools;
    bool no_float, gives_bool;
} rules[CR_MAP_COUNT] = {
    [CR_MAP_ADD] = {COMMON, KEEP},
    [CR_MAP_SUBTRACT] = {COMMON, REFUSE},
    [CR_MAP_MULTIPLY] = {COMMON, KEEP},
    [CR_MAP_DIVIDE] = {TRUE_DIVIDE},
    [CR_MAP_FLOOR_DIVIDE] = {COMMON, AS_I8},
    [CR_MAP_REMAINDER] = {COMMON, AS_I8},
    [CR_MAP_POWER] = {COMMON, AS_I8},
    [CR_MAP_MAXIMUM] = {COMMON, KEEP},
    [CR_MAP_MINIMUM] = {COMMON, KEEP},
    [CR_MAP_FMAX] = {COMMON, KEEP},
    [CR_MAP_FMIN] = {COMMON, KEEP},
    [CR_MAP_ARCTAN2] = {FLOATING},
    [CR_MAP_HYPOT] = {FLOATING},
    [CR_MAP_COPYSIGN] = {FLOATING},
    [CR_MAP_EQUAL] = {COMPARE, KEEP, false, true},
    [CR_MAP_NOT_EQUAL] = {COMPARE, KEEP, false, true},
    [CR_MAP_LESS] = {COMPARE, KEEP, false, true},
    [CR_MAP_LESS_EQUAL] = {COMPARE, KEEP, false, true},
    [CR_MAP_GREATER] = {COMPARE, KEEP, false, true},
    [CR_MAP_GREATER_EQUAL] = {COMPARE, KEEP, false, true},
    [CR_MAP_BITWISE_AND] = {COMMON, KEEP, true},
    [CR_MAP_BITWISE_OR] = {COMMON, KEEP, true},
    [CR_MAP_BITWISE_XOR] = {COMMON, KEEP, true},
    [CR_MAP_LOGICAL_AND] = {TRUTH},
    [CR_MAP_LOGICAL_OR] = {TRUTH},
    [CR_MAP_LOGICAL_XOR] = {TRUTH},
    [CR_MAP_NEGATIVE] = {COMMON, REFUSE},
    [CR_MAP_POSITIVE] = {COMMON, REFUSE},
    [CR_MAP_ABSOLUTE] = {COMMON, KEEP},
    [CR_MAP_SIGN] = {COMMON, REFUSE},
    [CR_MAP_INVERT] = {COMMON, KEEP, true},
    [CR_MAP_LOGICAL_NOT] = {TRUTH},
    [CR_MAP_SQRT] = {FLOATING},
    [CR_MAP_SQUARE] = {COMMON, AS_I8},
    [CR_MAP_RECIPROCAL] = {COMMON, AS_I8},
    [CR_MAP_EXP] = {FLOATING},
    [CR_MAP_EXPM1] = {FLOATING},
    [CR_MAP_LOG] = {FLOATING},
    [CR_MAP_LOG1P] = {FLOATING},
    [CR_MAP_LOG2] = {FLOATING},
    [CR_MAP_LOG10] = {FLOATING},
    [CR_MAP_SIN] = {FLOATING},
    [CR_MAP_COS] = {FLOATING},
    [CR_MAP_TAN] = {FLOATING},
    [CR_MAP_ARCSIN] = {FLOATING},
    [CR_MAP_ARCCOS] = {FLOATING},
    [CR_MAP_ARCTAN] = {FLOATING},
    [CR_MAP_SINH] = {FLOATING},
    [CR_MAP_COSH] = {FLOATING},
    [CR_MAP_TANH] = {FLOATING},
    [CR_MAP_EXP2] = {FLOATING},
    [CR_MAP_ARCSINH] = {FLOATING},
    [CR_MAP_ARCCOSH] = {FLOATING},
    [CR_MAP_ARCTANH] = {FLOATING},
    [CR_MAP_CBRT] = {FLOATING},
    [CR_MAP_LOGADDEXP] = {FLOATING},
    [CR_MAP_LOGADDEXP2] = {FLOATING},
    [CR_MAP_FMOD] = {COMMON, AS_I8},
    [CR_MAP_HEAVISIDE] = {FLOATING},
    [CR_MAP_NEXTAFTER] = {FLOATING},
    [CR_MAP_LEFT_SHIFT] = {COMMON, AS_I8, true},
    [CR_MAP_RIGHT_SHIFT] = {COMMON, AS_I8, true},
    [CR_MAP_GCD] = {COMMON, REFUSE, true},
    [CR_MAP_LCM] = {COMMON, REFUSE, true},
    [CR_MAP_DEG2RAD] = {FLOATING},
    [CR_MAP_RAD2DEG] = {FLOATING},
    [CR_MAP_FLOOR] = {COMMON, KEEP},
    [CR_MAP_CEIL] = {COMMON, KEEP},
    [CR_MAP_TRUNC] = {COMMON, KEEP},
    [CR_MAP_RINT] = {FLOATING},
    [CR_MAP_ISNAN] = {COMMON, KEEP, false, true},
    [CR_MAP_ISINF] = {COMMON, KEEP, false, true},
    [CR_MAP_ISFINITE] = {COMMON, KEEP, false, true},
    [CR_MAP_SIGNBIT] = {FLOATING, 0, false, true},
    [CR_MAP_WHERE] = {CHOOSE, KEEP},
    [CR_MAP_CLIP] = {COMMON, KEEP},
};

static const struct {
    const char *name;
    int arity;
} ops[CR_MAP_COUNT] = {
#define X(id, name, arity) [CR_MAP_##id] = {name, arity},
    CR_MAP_TABLE(X)
#undef X
};

/* The type that a Python scalar of the kind of weak takes beside arrays whose common type is strong (-1: no arrays). */
static cr_dtype weak_type(cr_dtype weak, int strong) {
    bool is_float = cr_dtype_kind(weak) == 'f';
    if (strong < 0)
        return is_float ? CR_F64 : CR_I64;
    char k = cr_dtype_kind((cr_dtype)strong);
    if (k == 'f' || (!is_float && k != 'b'))
        return (cr_dtype)strong;
    return is_float ? CR_F64 : CR_I64;
}

/* The common type of those that are not weak (-1: none), floats first: int8, uint8 and float16 make float16, not the float32 that
 * int8 with uint8 would ask for. */
static int promote_strong(int n, const cr_dtype *types, const bool *weak) {
    int common = -1;
    for (int floats = 1; floats >= 0; floats--)
        for (int i = 0; i < n; i++)
            if (!(weak && weak[i]) && (cr_dtype_kind(types[i]) == 'f') == floats)
                common = common < 0 ? (int)types[i] : (int)cr_dtype_promote((cr_dtype)common, types[i]);
    return common;
}

/* NEP 50: arrays decide; Python scalars follow, and raise the kind at most. Each argument's type goes to ret_each. */
static cr_dtype promote_all(int n, const cr_dtype *types, const bool *weak, cr_dtype *ret_each) {
    int strong = promote_strong(n, types, weak);
    for (int i = 0; i < n; i++)
        ret_each[i] = weak && weak[i] ? weak_type(types[i], strong) : types[i];
    return (cr_dtype)promote_strong(n, ret_each, NULL);
}

/* The smallest float type that holds every value of t's range of digits, as NumPy's casting table has it. */
static cr_dtype float_for(cr_dtype t) {
    size_t size = cr_dtype_size(t);
    if (cr_dtype_kind(t) == 'f')
        return t;
    return size == 1 ? CR_F16 : size == 2 ? CR_F32 : CR_F64;
}

static cr_status common_loop(cr_map_op op, cr_dtype common, cr_dtype *ret_loop, cr_err *err) {
    if (common == CR_BOOL && rules[op].bools == REFUSE) {
        cr_status s = CR_FAIL(err, CR_TYPE, "%s is not defined for bool", ops[op].name);
        cr_err_hint(err, op == CR_MAP_SUBTRACT ? "use bitwise_xor or logical_xor" :
                         ops[op].arity == 1 ? "use logical_not, or cast to an integer type" : "cast to an integer type");
        return s;
    }
    if (cr_dtype_kind(common) == 'f' && rules[op].no_float)
        return CR_FAIL(err, CR_TYPE, "%s is defined for %sintegers, not for %s", ops[op].name, rules[op].bools == REFUSE ? "" : "bool and ",
                       cr_dtype_name(common));
    *ret_loop = common == CR_BOOL && rules[op].bools == AS_I8 ? CR_I8 : common;
    return CR_OK;
}

cr_status cr_map_resolve(cr_map_op op, int n, const cr_dtype *types, const bool *weak, cr_dtype *ret_loop_types, cr_dtype *ret_out,
                         cr_err *err) {
    if ((unsigned)op >= CR_MAP_COUNT)
        return CR_FAIL(err, CR_INVALID, "no element-wise operation has the number %d", (int)op);
    if (n != ops[op].arity)
        return CR_FAIL(err, CR_INVALID, "%s takes %d arguments, not %d", ops[op].name, ops[op].arity, n);
    for (int i = 0; i < n; i++)
        if ((unsigned)types[i] > CR_F64)
            return CR_FAIL(err, CR_TYPE, "%s is not defined for %s", ops[op].name, cr_dtype_name(types[i]));
        else if (weak && weak[i] && types[i] == CR_BOOL)
            return CR_FAIL(err, CR_INVALID, "%s: a bool is never a weak scalar", ops[op].name);

    cr_dtype each[3], loop = CR_BOOL;
    int from = rules[op].family == CHOOSE;                   /* the condition takes no part in promotion */
    cr_dtype common = promote_all(n - from, types + from, weak ? weak + from : NULL, each);
    switch (rules[op].family) {
    case TRUTH:
        break;
    case TRUE_DIVIDE:
        loop = cr_dtype_kind(common) == 'f' ? common : CR_F64;
        break;
    case FLOATING:
        loop = CR_F16;
        for (int i = 0; i < n; i++)
            loop = CR_MAX(loop, float_for(each[i]));
        break;
    default:
        CR_TRY(common_loop(op, common, &loop, err));
    }
    bool exact = rules[op].family == COMPARE && (each[0] == CR_U64) != (each[1] == CR_U64);
    int other = each[0] == CR_U64;                           /* uint64 with a signed type: compared exactly, not as double */
    if (exact && cr_dtype_kind(each[other]) == 'i') {
        ret_loop_types[other] = CR_I64;
        ret_loop_types[!other] = CR_U64;
    } else {
        for (int i = 0; i < n; i++)
            ret_loop_types[i] = i < from ? CR_BOOL : loop;
    }
    *ret_out = rules[op].gives_bool ? CR_BOOL : loop;
    return CR_OK;
}
