/* order.c - byte order and axis order. */
#include "engine/codec/order.h"

#include <string.h>

#include "base/error.h"
#include "craton/array.h"

size_t cr_codec_item_bytes(cr_dtype t) {
    static const uint8_t bytes[CR_DTYPE_COUNT] = {
#define X(name, numpy, width, kind) [CR_##name] = width,
        CR_DTYPE_TABLE(X)
#undef X
    };
    return (unsigned)t < CR_DTYPE_COUNT && bytes[t] ? bytes[t] : 1;
}

#define DEFINE_SWAP(bits)                               \
    static void swap##bits(uint8_t *p, size_t n) {      \
        for (size_t i = 0; i < n; i++, p += bits / 8) { \
            uint##bits##_t v;                           \
            memcpy(&v, p, sizeof v);                    \
            v = __builtin_bswap##bits(v);               \
            memcpy(p, &v, sizeof v);                    \
        }                                               \
    }
DEFINE_SWAP(16)
DEFINE_SWAP(32)
DEFINE_SWAP(64)

void cr_byteswap(void *items, size_t n, size_t width) {
    uint8_t *p = items;
    switch (width) {
    case 0:
    case 1: return;
    case 2: swap16(p, n); return;
    case 4: swap32(p, n); return;
    case 8: swap64(p, n); return;
    default:
        for (; n; n--, p += width)
            for (size_t a = 0, b = width - 1; a < b; a++, b--) {
                uint8_t t = p[a];
                p[a] = p[b];
                p[b] = t;
            }
    }
}

/* One plane: rows of dst are contiguous, src steps by col_step. Tiled, so that both sides stay within a few cache lines. */
static void copy_plane(size_t rows, size_t cols, size_t itemsize, const char *src, size_t row_step, size_t col_step, char *dst,
                       size_t dst_row_step) {
    enum { TILE = 32 };
#define COPY_AS(type)                                                                                  \
    for (size_t r0 = 0; r0 < rows; r0 += TILE)                                                         \
        for (size_t c0 = 0; c0 < cols; c0 += TILE)                                                     \
            for (size_t r = r0; r < CR_MIN(rows, r0 + TILE); r++)                                      \
                for (size_t c = c0; c < CR_MIN(cols, c0 + TILE); c++)                                  \
                    memcpy(dst + r * dst_row_step + c * sizeof(type), src + r * row_step + c * col_step, sizeof(type));
    switch (itemsize) {
    case 1: COPY_AS(uint8_t) return;
    case 2: COPY_AS(uint16_t) return;
    case 4: COPY_AS(uint32_t) return;
    case 8: COPY_AS(uint64_t) return;
    default:
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < cols; c++)
                memcpy(dst + r * dst_row_step + c * itemsize, src + r * row_step + c * col_step, itemsize);
    }
#undef COPY_AS
}

void cr_untranspose(int ndim, const int64_t *dst_shape, const int *order, size_t itemsize, const void *src, void *dst) {
    size_t src_step[CR_MAX_DIMS], dst_step[CR_MAX_DIMS], step = itemsize;
    int64_t index[CR_MAX_DIMS] = {0};
    for (int i = ndim - 1; i >= 0; i--) {
        src_step[order[i]] = step;
        step *= (size_t)dst_shape[order[i]];
    }
    if (step == 0)
        return;
    step = itemsize;
    for (int i = ndim - 1; i >= 0; i--) {
        dst_step[i] = step;
        step *= (size_t)dst_shape[i];
    }
    if (ndim < 2) {
        memcpy(dst, src, step);
        return;
    }
    /* The plane: the last axis of dst, and the axis that is fastest in src (the one before the last, if that is the same). */
    int col = ndim - 1, row = order[ndim - 1] == col ? col - 1 : order[ndim - 1];
    const char *from = src;
    char *to = dst;
    for (;;) {
        copy_plane((size_t)dst_shape[row], (size_t)dst_shape[col], itemsize, from, src_step[row], src_step[col], to, dst_step[row]);
        int axis = ndim - 1;
        for (; axis >= 0; axis--) {
            if (axis == row || axis == col)
                continue;
            from += src_step[axis];
            to += dst_step[axis];
            if (++index[axis] < dst_shape[axis])
                break;
            from -= src_step[axis] * (size_t)dst_shape[axis];
            to -= dst_step[axis] * (size_t)dst_shape[axis];
            index[axis] = 0;
        }
        if (axis < 0)
            return;
    }
}
