/* hdf5_io.c - fetching bytes within the file, the cursor, checksum, text. */
#include "engine/format/hdf5_io.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/format/text8.h"

cr_status h5_file_open(const char *path, cr_reader *reader, uint64_t limit_bytes, h5_file **ret_file, cr_err *err) {
    cr_held_file *held = NULL;
    CR_TRY(cr_held_open(path, reader, &held, err));
    h5_file *f = calloc(1, sizeof *f);
    char *copy = strdup(path);
    if (!f || !copy) {
        free(f);
        free(copy);
        cr_held_close(held);
        return CR_FAIL(err, CR_MEMORY, "no memory to open %s", path);
    }
    atomic_init(&f->refs, 1);
    f->held = held;
    f->path = copy;
    f->size = cr_held_size(held);
    f->limit_bytes = limit_bytes;
    f->off_size = f->len_size = 8;
    *ret_file = f;
    return CR_OK;
}

h5_file *h5_file_ref(h5_file *f) {
    atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}

void h5_file_unref(h5_file *f) {
    if (!f || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
        return;
    cr_held_close(f->held);
    free(f->path);
    free(f);
}

cr_status h5_pread(const h5_file *f, uint64_t addr, void *dst, size_t n, const char *what, cr_err *err) {
    uint64_t room = f->size - f->base;
    if (addr == H5_UNDEF)
        return CR_FAIL(err, CR_FORMAT, "%s: the file gives no address for it", what);
    if (addr > room || n > room - addr)
        return h5_damaged(what, f->base + addr, err, __FILE__, __LINE__, "%zu bytes would lie past the end of the file (%" PRIu64 ")", n, f->size);
    return cr_held_read(f->held, f->base + addr, dst, n, err);
}

cr_status h5_alloc(cr_arena *arena, size_t n, size_t size, void *ret_pointer, cr_err *err) {
    void *p = cr_arena_calloc(arena, n, size);
    if (!p) {
        cr_status status = CR_FAIL(err, CR_LIMIT, "the metadata needs more than %zu bytes", arena->limit_bytes);
        cr_err_hint(err, "raise metadata_limit_bytes if you trust this file");
        return status;
    }
    *(void **)ret_pointer = p;
    return CR_OK;
}

cr_status h5_load(h5_ctx *x, uint64_t addr, uint64_t n, const char *what, h5_cur *ret_cur, cr_err *err) {
    uint8_t *bytes = NULL;
    /* Looked at before memory is asked for, so that a wrong length is called damage and not a limit. */
    if (addr != H5_UNDEF && n > x->file->size)
        return h5_damaged(what, x->file->base + addr, err, __FILE__, __LINE__, "its length of %" PRIu64 " is larger than the file", n);
    CR_TRY(h5_alloc(x->temp, (size_t)n, 1, &bytes, err));
    CR_TRY(h5_pread(x->file, addr, bytes, (size_t)n, what, err));
    *ret_cur = (h5_cur){bytes, bytes, bytes + n, x->file->base + addr, what, x->file->off_size, x->file->len_size, false};
    return CR_OK;
}

cr_status h5_load_checked(h5_ctx *x, uint64_t addr, uint64_t n, const char *what, h5_cur *ret_cur, cr_err *err) {
    h5_cur c;
    CR_TRY(h5_load(x, addr, n, what, &c, err));
    if (n < 4)
        return H5_DAMAGED(&c, err, "it is too short");
    c.end -= 4;
    h5_cur sum = c;
    sum.p = c.end;
    sum.end = c.end + 4;
    if (!h5_checksum_is((uint32_t)h5_uint(&sum, 4), c.p, (size_t)(c.end - c.p)))
        return H5_DAMAGED(&c, err, "its checksum is wrong");
    *ret_cur = c;
    return CR_OK;
}

const uint8_t *h5_take(h5_cur *c, uint64_t n) {
    if (c->bad || n > (uint64_t)(c->end - c->p)) {
        c->bad = true;
        return NULL;
    }
    const uint8_t *p = c->p;
    c->p += n;
    return p;
}

uint64_t h5_uint(h5_cur *c, unsigned n) {
    const uint8_t *p = h5_take(c, n);
    uint64_t v = 0;
    for (unsigned i = 0; p && i < n && i < 8; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

uint64_t h5_addr(h5_cur *c) {
    uint64_t v = h5_uint(c, c->off_size);
    uint64_t none = c->off_size >= 8 ? UINT64_MAX : ((uint64_t)1 << (8 * c->off_size)) - 1;
    return v == none ? H5_UNDEF : v;
}

uint64_t h5_length(h5_cur *c) { return h5_uint(c, c->len_size); }

h5_cur h5_sub(h5_cur *c, uint64_t n) {
    h5_cur sub = *c;
    const uint8_t *p = h5_take(c, n);
    sub.at = p ? sub.at + (uint64_t)(p - sub.start) : sub.at;
    sub.bad = !p;
    sub.start = sub.p = p ? p : sub.p;
    sub.end = p ? p + n : sub.p;
    return sub;
}

cr_status h5_cur_ok(const h5_cur *c, cr_err *err) {
    return c->bad ? H5_DAMAGED(c, err, "it ends too early") : CR_OK;
}

cr_status h5_expect(h5_cur *c, const char *signature, unsigned version, cr_err *err) {
    const uint8_t *p = h5_take(c, 4);
    if (!p || memcmp(p, signature, 4) != 0)
        return H5_DAMAGED(c, err, "its signature \"%s\" is missing", signature);
    unsigned got = (unsigned)h5_uint(c, 1);
    if (got != version)
        return H5_DAMAGED(c, err, "its version is %u, expected %u", got, version);
    return h5_cur_ok(c, err);
}

cr_status h5_damaged(const char *what, uint64_t at, cr_err *err, const char *file, int line, const char *fmt, ...) {
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    cr_status status = cr_err_set(err, CR_FORMAT, file, line, "%s at offset %" PRIu64 ": %s", what, at, text);
    cr_err_hint(err, "the file is damaged or was cut short; fetch it again");
    return status;
}

static inline uint32_t rotl(uint32_t v, int n) { return v << n | v >> (32 - n); }

static uint32_t load_le32(const uint8_t *p, size_t n) {
    uint32_t v = 0;
    for (size_t i = 0; i < n && i < 4; i++)
        v |= (uint32_t)p[i] << (8 * i);
    return v;
}

uint32_t h5_checksum(const uint8_t *bytes, size_t n) {
    uint32_t a, b, c;
    a = b = c = 0xdeadbeefu + (uint32_t)n;
    for (; n > 12; n -= 12, bytes += 12) {
        a += load_le32(bytes, 4);
        b += load_le32(bytes + 4, 4);
        c += load_le32(bytes + 8, 4);
        a -= c, a ^= rotl(c, 4), c += b;
        b -= a, b ^= rotl(a, 6), a += c;
        c -= b, c ^= rotl(b, 8), b += a;
        a -= c, a ^= rotl(c, 16), c += b;
        b -= a, b ^= rotl(a, 19), a += c;
        c -= b, c ^= rotl(b, 4), b += a;
    }
    if (n == 0)
        return c;
    a += load_le32(bytes, n);
    b += n > 4 ? load_le32(bytes + 4, n - 4) : 0;
    c += n > 8 ? load_le32(bytes + 8, n - 8) : 0;
    c ^= b, c -= rotl(b, 14);
    a ^= c, a -= rotl(c, 11);
    b ^= a, b -= rotl(a, 25);
    c ^= b, c -= rotl(b, 16);
    a ^= c, a -= rotl(c, 4);
    b ^= a, b -= rotl(a, 14);
    c ^= b, c -= rotl(b, 24);
    return c;
}

bool h5_checksum_is(uint32_t sum, const uint8_t *bytes, size_t n) {
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    return true;
#else
    return sum == h5_checksum(bytes, n);
#endif
}

unsigned h5_log2(uint64_t v) {
    return v ? 63u - (unsigned)__builtin_clzll(v) : 0;
}

unsigned h5_bytes_for(uint64_t limit) { return h5_log2(limit) / 8 + 1; }

char *h5_text(cr_arena *arena, const void *bytes, size_t n) { return cr_text8(arena, bytes, n ? strnlen(bytes, n) : 0); }
