/* map_table.c - looking up element-wise loops, and preparing CF unpacking. */
#include "engine/kernel/map_table.h"

#include <math.h>

#include "base/error.h"
#include "engine/kernel/half.h"
#include "engine/kernel/level.h"

static const cr_map_table *map_table(int simd) {
#if CR_KERNEL_LEVELS > 1
    static const cr_map_table *const levels[CR_LEVEL_COUNT] = {&cr_map_table_0, &cr_map_table_1};
    return levels[cr_simd_pick_of(simd, CR_LEVEL_COUNT)];
#else
    return &cr_map_table_0;
#endif
}

static const cr_maths_table *maths_table(int simd) {
    static const cr_maths_table *const levels[CR_MATHS_LEVELS] = {
        &cr_maths_table_0,
#if CR_MATHS_LEVELS > 1
        &cr_maths_table_1,
#endif
#if CR_MATHS_LEVELS > 2
        &cr_maths_table_2,
#endif
    };
    return levels[cr_simd_pick_of(simd, CR_MATHS_LEVELS)];
}

static const cr_cast_table *cast_table(int simd) {
#if CR_KERNEL_LEVELS > 1
    static const cr_cast_table *const levels[CR_LEVEL_COUNT] = {&cr_cast_table_0, &cr_cast_table_1};
    return levels[cr_simd_pick_of(simd, CR_LEVEL_COUNT)];
#else
    return &cr_cast_table_0;
#endif
}

cr_map_kernel cr_kernel_map(int simd, cr_map_op op, const cr_dtype *loop_types) {
    static const uint8_t arity[CR_MAP_COUNT] = {
#define X(id, name, n) [CR_MAP_##id] = n,
        CR_MAP_TABLE(X)
#undef X
    };
    if ((unsigned)op >= CR_MAP_COUNT)
        return NULL;
    cr_dtype last = loop_types[arity[op] - 1];
    if ((unsigned)last >= CR_NUMERIC_COUNT)
        return NULL;
    if (arity[op] == 2 && loop_types[0] != last) {
        if (loop_types[0] == CR_I64 && last == CR_U64)
            return map_table(simd)->signed_unsigned[op];
        return loop_types[0] == CR_U64 && last == CR_I64 ? map_table(simd)->unsigned_signed[op] : NULL;
    }
    cr_map_kernel maths = last < CR_F16 ? NULL : maths_table(simd)->map[op][last - CR_F16];
    return maths ? maths : map_table(simd)->map[op][last];
}

cr_map_kernel cr_kernel_cast(int simd, cr_dtype from, cr_dtype to) {
    if ((unsigned)from >= CR_NUMERIC_COUNT || (unsigned)to >= CR_NUMERIC_COUNT)
        return NULL;
    if (from == to && cr_dtype_kind(from) == 'f')            /* as bits: every NaN stays what it is */
        from = to = from == CR_F16 ? CR_I16 : from == CR_F32 ? CR_I32 : CR_I64;
    return cast_table(simd)->cast[from][to];
}

/* ---- unpacking -------------------------------------------------------------------------------------------------- */

enum { UNPACK_BLOCK = 256 };

/* The result is of another type than the scaling: by blocks through memory of the stack. Blocks are read before they are written,
 * and items of equal size stay in step, so dst may be the argument. */
static void unpack_then_convert(int64_t n, void *dst, const void *const *args, const int64_t *steps, const void *imm) {
    const cr_unpack_imm *u = imm;
    const size_t in_size = cr_dtype_size(u->raw), out_size = cr_dtype_size(u->out);
    const int64_t contiguous = 1;
    double scaled[UNPACK_BLOCK];
    uint64_t first = 0;
    memcpy(&first, args[0], n > 0 ? in_size : 0);
    for (int64_t i = 0; i < n; i += UNPACK_BLOCK) {
        int64_t m = CR_MIN(n - i, (int64_t)UNPACK_BLOCK);
        const void *from = steps[0] ? (const char *)args[0] + (size_t)i * in_size : (const char *)&first;
        const void *mid = scaled;
        u->inner(m, scaled, &from, steps, imm);
        u->convert(m, (char *)dst + (size_t)i * out_size, &mid, &contiguous, NULL);
    }
}

/* What runs for a packing; everything that depends on types alone. */
struct choice {
    bool plain;                   /* nothing but a conversion */
    cr_dtype raw, scaled;
    int compare;
};

static int digits(cr_dtype t) {
    static const uint8_t of[CR_NUMERIC_COUNT] = {[CR_BOOL] = 1, [CR_I8] = 7, [CR_I16] = 15, [CR_I32] = 31, [CR_I64] = 63, [CR_U8] = 8,
        [CR_U16] = 16, [CR_U32] = 32, [CR_U64] = 64, [CR_F16] = 11, [CR_F32] = 24, [CR_F64] = 53};
    return of[t];
}

static cr_status choose_compare(cr_dtype raw, cr_dtype compare, int *ret_compare, cr_err *err) {
    if ((unsigned)compare >= CR_NUMERIC_COUNT)
        return CR_FAIL(err, CR_TYPE, "fill values cannot be compared as %s", cr_dtype_name(compare));
    bool raw_float = cr_dtype_kind(raw) == 'f', float_compare = cr_dtype_kind(compare) == 'f';
    if (float_compare ? digits(compare) >= digits(raw) : !raw_float && cr_dtype_size(compare) >= cr_dtype_size(raw)) {
        *ret_compare = CR_COMPARE_RAW;                       /* the conversion keeps values apart: compare what is stored */
        return CR_OK;
    }
    if (!float_compare || compare == CR_F16)
        return CR_FAIL(err, CR_TYPE, "fill values of %s data cannot be compared as %s", cr_dtype_name(raw), cr_dtype_name(compare));
    *ret_compare = compare == CR_F32 ? CR_COMPARE_F32 : CR_COMPARE_F64;
    return CR_OK;
}

static cr_status choose(cr_dtype raw, const cr_packing *p, struct choice *ret, cr_err *err) {
    if ((unsigned)raw >= CR_NUMERIC_COUNT || (unsigned)p->out_dtype >= CR_NUMERIC_COUNT)
        return CR_FAIL(err, CR_TYPE, "%s data cannot be unpacked to %s", cr_dtype_name(raw), cr_dtype_name(p->out_dtype));
    if (p->n_fills < 0 || p->n_fills > 4)
        return CR_FAIL(err, CR_INVALID, "a packing has at most 4 fill values, not %d", p->n_fills);
    struct choice c = {.raw = raw == CR_BOOL ? CR_U8 : raw, .scaled = p->out_dtype, .compare = CR_COMPARE_RAW};
    bool arithmetic = p->has_scale || p->has_offset;
    c.plain = !arithmetic && p->n_fills == 0;
    if (c.plain) {
        *ret = c;
        return CR_OK;
    }
    if (p->n_fills > 0 && cr_dtype_kind(p->out_dtype) != 'f')
        return CR_FAIL(err, CR_TYPE, "%s cannot hold a missing value", cr_dtype_name(p->out_dtype));
    if (arithmetic)
        c.scaled = p->scale_dtype;
    else if (c.scaled == CR_F16)
        c.scaled = CR_F32;                                   /* exact, and back */
    if (c.scaled != CR_F32 && c.scaled != CR_F64)
        return CR_FAIL(err, CR_TYPE, "scale and offset are applied in float32 or float64, not in %s", cr_dtype_name(c.scaled));
    if (p->n_fills > 0)
        CR_TRY(choose_compare(c.raw, p->compare_dtype, &c.compare, err));
    *ret = c;
    return CR_OK;
}

size_t cr_map_imm_size(void) { return sizeof(cr_unpack_imm); }

static double round_to(cr_dtype t, double v) {
    return t == CR_F16 ? (double)cr_half_to_float(cr_double_to_half(v)) : t == CR_F32 ? (double)(float)v : v;
}

/* The raw integer that becomes v; false: none does. */
static bool integer_of(cr_dtype raw, double v, int64_t *ret) {
    bool is_signed = cr_dtype_kind(raw) == 'i';
    double low = is_signed ? -ldexp(1, digits(raw)) : 0, high = ldexp(1, digits(raw));
    if (!(v >= low && v < high) || v != trunc(v))
        return false;
    *ret = v >= 0x1p63 ? (int64_t)((uint64_t)(int64_t)(v - 0x1p63) ^ 1ull << 63) : (int64_t)v;
    return true;
}

static bool integer_fits(cr_dtype raw, int64_t v) {
    int bits = digits(raw);
    if (bits >= 63)                                          /* uint64 fills are given as their bits */
        return true;
    return v < (int64_t)1 << bits && v >= (cr_dtype_kind(raw) == 'i' ? -((int64_t)1 << bits) : 0);
}

/* Fill i of p goes to imm; false: no raw value can match, or only NaN, which stays NaN anyway. */
static bool put_fill(const struct choice *c, const cr_packing *p, int i, cr_unpack_imm *imm) {
    bool exact = cr_dtype_kind(p->compare_dtype) != 'f';
    int64_t k = imm->n_fills;
    if (cr_dtype_kind(c->raw) != 'f' && c->compare == CR_COMPARE_RAW) {
        if (exact)
            imm->fill.i[k] = p->fills_exact[i];
        return exact ? integer_fits(c->raw, p->fills_exact[i])
                     : integer_of(c->raw, round_to(p->compare_dtype, p->fills[i]), &imm->fill.i[k]);
    }
    double v = round_to(p->compare_dtype, p->fills[i]);
    if (v != v || (c->compare == CR_COMPARE_RAW && round_to(c->raw, v) != v))
        return false;
    imm->fill.f[k] = v;
    return true;
}

cr_status cr_unpack_prepare(int simd, cr_dtype raw, const cr_packing *p, void *ret_imm, cr_err *err) {
    struct choice c = {0};
    CR_TRY(choose(raw, p, &c, err));
    cr_unpack_imm imm = {.scale = p->has_scale ? p->scale : 1.0, .offset = p->has_offset ? p->offset : -0.0, .raw = c.raw,
                         .scaled = c.scaled, .out = p->out_dtype};
    for (int i = 0; i < p->n_fills && !c.plain; i++)
        imm.n_fills += put_fill(&c, p, i, &imm);
    for (int64_t k = imm.n_fills; k > 0 && k < 4; k++)
        imm.fill.i[k] = imm.fill.i[0];                       /* the bits, whichever member is in use */
    if (!c.plain) {
        imm.inner = cast_table(simd)->unpack[c.raw][c.compare][c.scaled == CR_F64];
        imm.convert = cr_kernel_cast(simd, c.scaled, p->out_dtype);
    }
    memcpy(ret_imm, &imm, sizeof imm);
    return CR_OK;
}

cr_map_kernel cr_kernel_unpack(int simd, cr_dtype raw, const cr_packing *p) {
    struct choice c = {0};
    if (choose(raw, p, &c, NULL) != CR_OK)
        return NULL;
    if (c.plain)
        return cr_kernel_cast(simd, raw, p->out_dtype);
    return c.scaled == p->out_dtype ? cast_table(simd)->unpack[c.raw][c.compare][c.scaled == CR_F64] : unpack_then_convert;
}
