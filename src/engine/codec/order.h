/* order.h - the order of bytes in items and of items in memory. */
#ifndef CR_ENGINE_CODEC_ORDER_H
#define CR_ENGINE_CODEC_ORDER_H

#include <stddef.h>
#include <stdint.h>

#include "craton/dtype.h"

/* Bytes of an item of a numeric type (cr_dtype_size, usable where only numeric types come). */
size_t cr_codec_item_bytes(cr_dtype t);
/* Reverses the bytes of each of n items, in place. */
void cr_byteswap(void *items, size_t n, size_t width);
/* dst is row-major with ndim extents; src holds the same items row-major with the axes in another order: axis i of src is axis
 * order[i] of dst. */
void cr_untranspose(int ndim, const int64_t *dst_shape, const int *order, size_t itemsize, const void *src, void *dst);

#endif
