/* map_shapes.h - the three shapes of an element-wise loop, for *_loops.c: unary, binary, and clip's.
 *
 * Each makes a static cr_map_kernel. T: item type; R: item type of the result; LOAD and STORE: between items and the values of type W
 * that the expression computes with (identity but for float16). The expression sees x (and y). A repeated value is loaded once.
 */
#ifndef CR_KERNEL_MAP_SHAPES_H
#define CR_KERNEL_MAP_SHAPES_H

#include "engine/kernel/level.h"

#define CR_MAP_ARGS int64_t n, void *dst, const void *const *args, const int64_t *steps, const void *imm

#define CR_UNARY(name, T, W, R, LOAD, STORE, expr)                          \
    static void name(CR_MAP_ARGS) {                                         \
        const T *a = args[0];                                               \
        R *d = dst;                                                         \
        if (steps[0]) {                                                     \
            CR_EACH(i, n) { const W x = LOAD(a[i]); d[i] = STORE(expr); }   \
        } else if (n > 0) {                                                 \
            const W x = LOAD(a[0]);                                         \
            const R r = STORE(expr);                                        \
            CR_EACH(i, n) { d[i] = r; }                                     \
        }                                                                   \
    }

#define CR_BINARY2(name, T, T2, W, W2, R, LOAD, STORE, expr)                                        \
    static void name(CR_MAP_ARGS) {                                                                 \
        const T *a = args[0];                                                                       \
        const T2 *b = args[1];                                                                      \
        R *d = dst;                                                                                 \
        if (n <= 0)                                                                                 \
            return;                                                                                 \
        if (steps[0] && steps[1]) {                                                                 \
            CR_EACH(i, n) { const W x = LOAD(a[i]); const W2 y = LOAD(b[i]); d[i] = STORE(expr); }  \
        } else if (steps[0]) {                                                                      \
            const W2 y = LOAD(b[0]);                                                                \
            CR_EACH(i, n) { const W x = LOAD(a[i]); d[i] = STORE(expr); }                           \
        } else if (steps[1]) {                                                                      \
            const W x = LOAD(a[0]);                                                                 \
            CR_EACH(i, n) { const W2 y = LOAD(b[i]); d[i] = STORE(expr); }                          \
        } else {                                                                                    \
            const W x = LOAD(a[0]);                                                                 \
            const W2 y = LOAD(b[0]);                                                                \
            const R r = STORE(expr);                                                                \
            CR_EACH(i, n) { d[i] = r; }                                                             \
        }                                                                                           \
    }
#define CR_BINARY(name, T, W, R, LOAD, STORE, expr) CR_BINARY2(name, T, T, W, W, R, LOAD, STORE, expr)

/* The limits of clip are two values as a rule; then the loop is a vector loop. */
#define CR_TERNARY(name, T, W, LOAD, STORE, expr)                                                               \
    static void name(CR_MAP_ARGS) {                                                                             \
        const T *a = args[0], *b = args[1], *c = args[2];                                                       \
        T *d = dst;                                                                                             \
        if (n <= 0)                                                                                             \
            return;                                                                                             \
        if (steps[0] && !steps[1] && !steps[2]) {                                                               \
            const W y = LOAD(b[0]), z = LOAD(c[0]);                                                             \
            CR_EACH(i, n) { const W x = LOAD(a[i]); d[i] = STORE(expr); }                                       \
            return;                                                                                             \
        }                                                                                                       \
        /* dst may be an argument that is one value: keep these before the first store. */                      \
        const T first[3] = {a[0], b[0], c[0]};                                                                  \
        for (int64_t i = 0; i < n; i++) {                                                                       \
            const W x = LOAD(steps[0] ? a[i] : first[0]), y = LOAD(steps[1] ? b[i] : first[1]);                 \
            const W z = LOAD(steps[2] ? c[i] : first[2]);                                                       \
            d[i] = STORE(expr);                                                                                 \
        }                                                                                                       \
    }

#define CR_AS_IS(v) (v)
#define CR_AS_BOOL(v) ((uint8_t)((v) != 0))

#endif
