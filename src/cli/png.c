/* png.c - pixels as a PNG file: signature, header, one compressed stream, end. */
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#include "cli/canvas.h"

static void put32(uint8_t *at, uint32_t v) {
    for (int k = 0; k < 4; k++)
        at[k] = (uint8_t)(v >> (24 - 8 * k));
}

static void chunk(cr_buf *out, const char *name, const void *bytes, size_t n) {
    uint8_t word[4];
    put32(word, (uint32_t)n);
    cr_buf_add(out, word, 4);
    cr_buf_add(out, name, 4);
    cr_buf_add(out, bytes, n);
    put32(word, libdeflate_crc32(libdeflate_crc32(0, name, 4), bytes, n));
    cr_buf_add(out, word, 4);
}

/* Each row behind the number of its filter: 2, the difference from the row above, which is small in pictures of large cells. */
static void filter_rows(int w, int h, const cr_rgb *pixels, uint8_t *rows) {
    size_t stride = 3 * (size_t)w;
    for (int y = 0; y < h; y++) {
        const uint8_t *row = (const uint8_t *)(pixels + (size_t)y * (size_t)w), *above = row - stride;
        uint8_t *to = rows + (size_t)y * (stride + 1);
        *to++ = 2;
        for (size_t k = 0; k < stride; k++)
            to[k] = (uint8_t)(row[k] - (y ? above[k] : 0));
    }
}

cr_status cr_png(int w, int h, const cr_rgb *pixels, cr_buf *out, cr_err *err) {
    static const uint8_t signature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    uint8_t header[13] = {[8] = 8 /* bits */, 2 /* red, green, blue */};
    _Static_assert(sizeof(cr_rgb) == 3, "colours lie one behind the other");
    size_t n = (3 * (size_t)w + 1) * (size_t)h;
    struct libdeflate_compressor *z = libdeflate_alloc_compressor(6);
    size_t most = libdeflate_zlib_compress_bound(z, n);
    cr_auto_free uint8_t *rows = malloc(n + 1), *packed = malloc(most + 1);
    if (z && rows && packed) {
        filter_rows(w, h, pixels, rows);
        most = libdeflate_zlib_compress(z, rows, n, packed, most);
    }
    libdeflate_free_compressor(z);
    if (!z || !rows || !packed || most == 0)
        return CR_FAIL(err, CR_MEMORY, "no memory for a picture of %d x %d pixels", w, h);
    put32(header, (uint32_t)w);
    put32(header + 4, (uint32_t)h);
    cr_buf_add(out, signature, sizeof signature);
    chunk(out, "IHDR", header, sizeof header);
    chunk(out, "IDAT", packed, most);
    chunk(out, "IEND", NULL, 0);
    return cr_buf_check(out, err);
}
