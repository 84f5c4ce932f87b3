/* dtype.h - the element types of arrays. The names and codes are NumPy's. */
#ifndef CRATON_DTYPE_H
#define CRATON_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "craton/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/*      name   NumPy  bytes kind */
#define CR_DTYPE_TABLE(X)  \
    X(BOOL, "|b1",  1, 'b') \
    X(I8,   "|i1",  1, 'i') \
    X(I16,  "<i2",  2, 'i') \
    X(I32,  "<i4",  4, 'i') \
    X(I64,  "<i8",  8, 'i') \
    X(U8,   "|u1",  1, 'u') \
    X(U16,  "<u2",  2, 'u') \
    X(U32,  "<u4",  4, 'u') \
    X(U64,  "<u8",  8, 'u') \
    X(F16,  "<f2",  2, 'f') \
    X(F32,  "<f4",  4, 'f') \
    X(F64,  "<f8",  8, 'f')

typedef enum cr_dtype {
#define X(name, numpy, bytes, kind) CR_##name,
    CR_DTYPE_TABLE(X)
#undef X
    CR_BYTES,                 /* fixed-width items, opaque to arithmetic: text, compound records; width beside the type */
    CR_STRING,                /* variable-length UTF-8; only in attributes and small variables read whole, never in a cr_array */
    CR_DTYPE_COUNT
} cr_dtype;

/* Bytes of one item; 0 for CR_BYTES and CR_STRING, whose width is stored beside them. */
CR_API size_t cr_dtype_size(cr_dtype t);
/* NumPy's kind letter: b i u f, S for CR_BYTES, O for CR_STRING. */
CR_API char cr_dtype_kind(cr_dtype t);
/* "float32", "int16", "bool", "bytes", "string". */
CR_API const char *cr_dtype_name(cr_dtype t);
/* "<f4" ... ; CR_NOT_FOUND for a code that is not in the table. Big-endian codes are not in the table. */
CR_API cr_status cr_dtype_from_numpy(const char *code, cr_dtype *ret_dtype, cr_err *err) CR_MUST_USE;
/* The type NumPy 2 gives to an operation on arrays of types a and b. CR_BYTES and CR_STRING have no common type with numbers: the
 * result is CR_STRING, which no operation takes. */
CR_API cr_dtype cr_dtype_promote(cr_dtype a, cr_dtype b);

#ifdef __cplusplus
}
#endif
#endif
