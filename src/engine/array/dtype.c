/* dtype.c - the dtype table. */
#include "craton/dtype.h"
#include "base/error.h"

static const struct {
    const char *code;
    uint8_t size;
    char kind;
} rows[CR_DTYPE_COUNT] = {
#define X(n, numpy, bytes, k) [CR_##n] = {numpy, bytes, k},
    CR_DTYPE_TABLE(X)
#undef X
    [CR_BYTES] = {NULL, 0, 'S'},
    [CR_STRING] = {NULL, 0, 'O'},
};
static const char *const names[CR_DTYPE_COUNT] = {
    [CR_BOOL] = "bool", [CR_I8] = "int8", [CR_I16] = "int16", [CR_I32] = "int32", [CR_I64] = "int64", [CR_U8] = "uint8",
    [CR_U16] = "uint16", [CR_U32] = "uint32", [CR_U64] = "uint64", [CR_F16] = "float16", [CR_F32] = "float32", [CR_F64] = "float64",
    [CR_BYTES] = "bytes", [CR_STRING] = "string",
};

/* numpy.promote_types, written out; tests compare it with a table that NumPy made. */
#define T(a) CR_##a
static const uint8_t promoted[CR_F64 + 1][CR_F64 + 1] = {
    /*           bool     i1      i2      i4      i8      u1      u2      u4      u8      f2      f4      f8 */
    [CR_BOOL] = {T(BOOL), T(I8),  T(I16), T(I32), T(I64), T(U8),  T(U16), T(U32), T(U64), T(F16), T(F32), T(F64)},
    [CR_I8] =   {T(I8),   T(I8),  T(I16), T(I32), T(I64), T(I16), T(I32), T(I64), T(F64), T(F16), T(F32), T(F64)},
    [CR_I16] =  {T(I16),  T(I16), T(I16), T(I32), T(I64), T(I16), T(I32), T(I64), T(F64), T(F32), T(F32), T(F64)},
    [CR_I32] =  {T(I32),  T(I32), T(I32), T(I32), T(I64), T(I32), T(I32), T(I64), T(F64), T(F64), T(F64), T(F64)},
    [CR_I64] =  {T(I64),  T(I64), T(I64), T(I64), T(I64), T(I64), T(I64), T(I64), T(F64), T(F64), T(F64), T(F64)},
    [CR_U8] =   {T(U8),   T(I16), T(I16), T(I32), T(I64), T(U8),  T(U16), T(U32), T(U64), T(F16), T(F32), T(F64)},
    [CR_U16] =  {T(U16),  T(I32), T(I32), T(I32), T(I64), T(U16), T(U16), T(U32), T(U64), T(F32), T(F32), T(F64)},
    [CR_U32] =  {T(U32),  T(I64), T(I64), T(I64), T(I64), T(U32), T(U32), T(U32), T(U64), T(F64), T(F64), T(F64)},
    [CR_U64] =  {T(U64),  T(F64), T(F64), T(F64), T(F64), T(U64), T(U64), T(U64), T(U64), T(F64), T(F64), T(F64)},
    [CR_F16] =  {T(F16),  T(F16), T(F32), T(F64), T(F64), T(F16), T(F32), T(F64), T(F64), T(F16), T(F32), T(F64)},
    [CR_F32] =  {T(F32),  T(F32), T(F32), T(F64), T(F64), T(F32), T(F32), T(F64), T(F64), T(F32), T(F32), T(F64)},
    [CR_F64] =  {T(F64),  T(F64), T(F64), T(F64), T(F64), T(F64), T(F64), T(F64), T(F64), T(F64), T(F64), T(F64)},
};
#undef T

size_t cr_dtype_size(cr_dtype t) { return (unsigned)t < CR_DTYPE_COUNT ? rows[t].size : 0; }
char cr_dtype_kind(cr_dtype t) { return (unsigned)t < CR_DTYPE_COUNT ? rows[t].kind : '?'; }
const char *cr_dtype_name(cr_dtype t) { return (unsigned)t < CR_DTYPE_COUNT ? names[t] : "unknown"; }

cr_status cr_dtype_from_numpy(const char *code, cr_dtype *ret_dtype, cr_err *err) {
    if (!code)
        return CR_FAIL(err, CR_INVALID, "no data type code was given");
    for (int t = 0; t < CR_DTYPE_COUNT; t++)
        if (rows[t].code && strcmp(rows[t].code, code) == 0) {
            *ret_dtype = (cr_dtype)t;
            return CR_OK;
        }
    return CR_FAIL(err, CR_NOT_FOUND, "no data type has the NumPy code \"%.20s\"", code);
}

cr_dtype cr_dtype_promote(cr_dtype a, cr_dtype b) {
    if ((unsigned)a <= CR_F64 && (unsigned)b <= CR_F64)
        return (cr_dtype)promoted[a][b];
    /* Texts promote among themselves only; the caller refuses a mixture, which has no common type. */
    return a == b ? a : CR_STRING;
}
