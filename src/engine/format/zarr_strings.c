/* zarr_strings.c - arrays of text, read whole: UTF-32 of fixed width, and the vlen-utf8 of numcodecs. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/codec/order.h"
#include "engine/format/text8.h"
#include "engine/format/zarr.h"
#include "engine/format/zarr_fetch.h"

enum { MAX_CHUNK_BYTES = 1 << 28 };

typedef struct reader {
    const cr_zarr_array *a;
    cr_zarr_fetch fetch;
    cr_arena *arena;
    cr_codec_work *work;
    const char **strings;         /* the whole array */
    size_t n_chunk;               /* items of one chunk */
    const char **items;           /* of the chunk at hand, in stored order */
    cr_buf stored, decoded;
} reader;

static cr_status no_room(cr_err *err) { return CR_FAIL(err, CR_LIMIT, "the texts take more memory than is allowed for them"); }

static cr_status room_in_buf(void *user, size_t n, void **ret_room, cr_err *err) {
    cr_buf *b = user;
    *ret_room = cr_buf_reserve(b, n);
    return *ret_room ? CR_OK : CR_FAIL(err, CR_LIMIT, "a chunk of text has %zu stored bytes; at most %zu are read", n, b->max);
}

/* ---- decoding ------------------------------------------------------------------------------------------------------------------ */

static cr_status decode_to(reader *r, size_t bytes, cr_err *err) {
    cr_buf_clear(&r->decoded);
    size_t between = cr_codec_chain_decode_room(&r->a->chain, bytes);
    cr_auto_free void *temporary = between && between < SIZE_MAX ? malloc(between) : NULL;
    char *dst = cr_buf_reserve(&r->decoded, bytes);
    if (!dst || (between && !temporary))
        return CR_FAIL(err, CR_MEMORY, "no memory to decode a chunk of text");
    CR_TRY(cr_codec_chain_decode(&r->a->chain, r->work, r->stored.data, r->stored.len, dst, bytes, temporary, err));
    cr_buf_advance(&r->decoded, bytes);
    return CR_OK;
}

/* How long variable-length text becomes is only known afterwards: more and more room is tried. */
static cr_status decode_open(reader *r, cr_err *err) {
    for (size_t cap = CR_MAX(r->stored.len * 4, (size_t)65536);; cap *= 4) {
        cap = CR_MIN(cap, (size_t)MAX_CHUNK_BYTES);
        cr_buf_clear(&r->decoded);
        size_t between = cr_codec_chain_decode_room(&r->a->chain, cap), n = 0;
        cr_auto_free void *temporary = between && between < SIZE_MAX ? malloc(between) : NULL;
        char *dst = cr_buf_reserve(&r->decoded, cap);
        if (!dst || (between && !temporary))
            return CR_FAIL(err, CR_MEMORY, "no memory to decode a chunk of text");
        cr_status status = cr_codec_chain_decode_within(&r->a->chain, r->work, r->stored.data, r->stored.len, dst, cap, temporary, &n, err);
        if (status == CR_OK)
            cr_buf_advance(&r->decoded, n);
        if (status != CR_FORMAT || cap == MAX_CHUNK_BYTES)
            return status;
    }
}

/* A count, then for each text its length in bytes and the bytes; all numbers little-endian, 4 bytes. */
static cr_status split_vlen(reader *r, cr_err *err) {
    const char *p = r->decoded.data, *end = p + r->decoded.len;
    uint32_t n;
    if (r->decoded.len < 4)
        return CR_FAIL(err, CR_FORMAT, "a chunk of text of %zu bytes", r->decoded.len);
    memcpy(&n, p, 4);
    p += 4;
    if (le32toh(n) != r->n_chunk)
        return CR_FAIL(err, CR_FORMAT, "%u texts in a chunk of %zu", le32toh(n), r->n_chunk);
    for (size_t i = 0; i < r->n_chunk; i++) {
        uint32_t length = 0;
        if (end - p >= 4)
            memcpy(&length, p, 4);
        length = le32toh(length);
        if (end - p < 4 || length > (size_t)(end - p - 4))
            return CR_FAIL(err, CR_FORMAT, "text %zu does not end inside of its chunk", i);
        r->items[i] = cr_text8(r->arena, p + 4, length);
        if (!r->items[i])
            return no_room(err);
        p += 4 + length;
    }
    return CR_OK;
}

static char *put_utf8(char *to, uint32_t c) {
    if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
        c = 0xFFFD;
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xC0 | c >> 6);
        *to++ = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *to++ = (char)(0xE0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    } else {
        *to++ = (char)(0xF0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 63));
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    }
    return to;
}

static cr_status split_utf32(reader *r, cr_err *err) {
    size_t width = r->a->itemsize / 4;
    if (r->a->swap_width)
        cr_byteswap(r->decoded.data, r->decoded.len / 4, 4);
    for (size_t i = 0; i < r->n_chunk; i++) {
        const char *item = r->decoded.data + i * r->a->itemsize;
        size_t n = 0;
        for (size_t k = 0; k < width; k++) {
            uint32_t c;
            memcpy(&c, item + 4 * k, 4);
            n = c ? k + 1 : n;
        }
        char *text = cr_arena_alloc(r->arena, 4 * n + 1), *to = text;
        if (!text)
            return no_room(err);
        for (size_t k = 0; k < n; k++) {
            uint32_t c;
            memcpy(&c, item + 4 * k, 4);
            if (c)
                to = put_utf8(to, c);
        }
        r->items[i] = text;
    }
    return CR_OK;
}

/* ---- placing --------------------------------------------------------------------------------------------------------------------- */

/* Pointers of the chunk at hand to their places in the whole array. */
static void place(reader *r, const int64_t *chunk) {
    const cr_zarr_array *a = r->a;
    for (size_t at = 0; at < r->n_chunk; at++) {
        int64_t index[CR_MAX_DIMS];
        size_t rest = at, whole = 0;
        bool inside = true;
        for (int i = a->ndim - 1; i >= 0; i--) {
            int axis = a->order[i];
            index[axis] = chunk[axis] * a->chunk[axis] + (int64_t)(rest % (size_t)a->chunk[axis]);
            rest /= (size_t)a->chunk[axis];
            inside &= index[axis] < a->shape[axis];
        }
        for (int i = 0; i < a->ndim; i++)
            whole = whole * (size_t)a->shape[i] + (size_t)index[i];
        if (inside)
            r->strings[whole] = r->items[at];
    }
}

static cr_status read_chunk(reader *r, const int64_t *chunk, cr_err *err) {
    size_t n = 0;
    bool absent = false;
    cr_buf_clear(&r->stored);
    CR_TRY(cr_zarr_fetch_chunk(&r->fetch, chunk, room_in_buf, &r->stored, &n, &absent, err));
    if (absent) {
        for (size_t i = 0; i < r->n_chunk; i++)
            r->items[i] = r->a->fill_text;
        place(r, chunk);
        return CR_OK;
    }
    cr_buf_advance(&r->stored, n);
    if (r->a->text == CR_ZARR_UTF32) {
        CR_TRY(decode_to(r, r->n_chunk * r->a->itemsize, err));
        CR_TRY(split_utf32(r, err));
    } else {
        CR_TRY(decode_open(r, err));
        CR_TRY(split_vlen(r, err));
    }
    place(r, chunk);
    return CR_OK;
}

static cr_status read_all(reader *r, int64_t total, cr_err *err) {
    int64_t chunk[CR_MAX_DIMS] = {0};
    while (total) {
        cr_status status = read_chunk(r, chunk, err);
        if (status != CR_OK) {
            char key[CR_STORE_KEY_MAX + 1] = "?";
            (void)!cr_zarr_key(r->a, chunk, key, sizeof key, NULL);
            cr_err_context(err, "%s", key);
            return status;
        }
        int axis = r->a->ndim - 1;
        while (axis >= 0 && ++chunk[axis] * r->a->chunk[axis] >= r->a->shape[axis])
            chunk[axis--] = 0;
        if (axis < 0)
            break;
    }
    return CR_OK;
}

static cr_status count_items(const cr_zarr_array *a, int64_t *ret_total, size_t *ret_chunk, cr_err *err) {
    int64_t chunk;
    if (!cr_product(a->shape, a->ndim, ret_total) || !cr_product(a->chunk, a->ndim, &chunk) ||
        chunk > MAX_CHUNK_BYTES / (int64_t)CR_MAX(a->itemsize, sizeof(char *)))
        return CR_FAIL(err, CR_LIMIT, "an array of text of this size is not read whole");
    *ret_chunk = (size_t)chunk;
    return CR_OK;
}

cr_status cr_zarr_strings(cr_store *store, const cr_zarr_array *array, const char *meta_key, cr_arena *arena, const char ***ret_strings,
                          int64_t *ret_n, cr_err *err) {
    reader r = {.a = array, .arena = arena};
    int64_t total = 0;
    CR_TRY(count_items(array, &total, &r.n_chunk, err));
    r.strings = cr_arena_calloc(arena, (size_t)total, sizeof *r.strings);
    r.items = cr_arena_calloc(arena, r.n_chunk, sizeof *r.items);
    if (!r.strings || !r.items)
        return no_room(err);
    CR_TRY(cr_zarr_fetch_init(&r.fetch, store, array, meta_key, err));
    cr_buf_init(&r.stored, MAX_CHUNK_BYTES);
    cr_buf_init(&r.decoded, MAX_CHUNK_BYTES);
    cr_status status = cr_codec_work_new(&r.work, err);
    if (status == CR_OK)
        status = read_all(&r, total, err);
    cr_codec_work_free(r.work);
    cr_buf_done(&r.stored);
    cr_buf_done(&r.decoded);
    cr_zarr_fetch_done(&r.fetch);
    CR_TRY(status);
    *ret_strings = r.strings;
    *ret_n = total;
    return CR_OK;
}
