/* zarr_source.c - chunks of a Zarr array as a cr_source.
 *
 * Scratch memory of one chunk: the stored bytes, room for codecs in between, and (when axes are in another order) one chunk. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "engine/codec/order.h"
#include "engine/format/journal.h"
#include "engine/format/zarr.h"
#include "engine/format/zarr_fetch.h"
#include "engine/format/zarr_part.h"

typedef struct zarr_source {
    cr_source base;
    cr_zarr_array array;
    cr_zarr_fetch fetch;
    size_t max_stored, between, permute;   /* bytes; see above */
    unsigned char fill[];
} zarr_source;

static size_t align64(size_t n) { return (n + 63) & ~(size_t)63; }

/* Without codecs and in native order the stored bytes are the chunk. */
static bool is_plain(const zarr_source *s) { return s->array.chain.n == 0 && !s->array.permuted; }

typedef struct stored_room {
    const zarr_source *s;
    cr_scratch *scratch;
    void *dst;
} stored_room;

static cr_status make_room(void *user, size_t n, void **ret_room, cr_err *err) {
    stored_room *r = user;
    if (n > r->s->max_stored)
        return CR_FAIL(err, CR_FORMAT, "it has %zu stored bytes; a chunk of this array has at most %zu", n, r->s->max_stored);
    if (is_plain(r->s)) {
        if (n != r->s->base.chunk_bytes)
            return CR_FAIL(err, CR_FORMAT, "it has %zu bytes; the chunk has %zu", n, r->s->base.chunk_bytes);
        *ret_room = r->dst;
        return CR_OK;
    }
    CR_TRY(cr_scratch_need(r->scratch, align64(n) + r->s->between + r->s->permute, err));
    *ret_room = r->scratch->bytes;
    return CR_OK;
}

static cr_status decode(const zarr_source *s, size_t n, void *dst, cr_scratch *scratch, cr_err *err) {
    const cr_zarr_array *a = &s->array;
    cr_codec_work *work;
    size_t bytes = s->base.chunk_bytes;
    CR_TRY(cr_scratch_work(scratch, &work, err));
    char *out = dst;
    if (!is_plain(s)) {               /* else it was read where it belongs */
        char *between = scratch->bytes ? (char *)scratch->bytes + align64(n) : NULL; /* an empty chunk needs no room */
        out = a->permuted ? between + s->between : out;
        CR_TRY(cr_codec_chain_decode(&a->chain, work, scratch->bytes, n, out, bytes, between, err));
    }
    if (a->swap_width)
        cr_byteswap(out, bytes / a->swap_width, a->swap_width);
    if (a->permuted)
        cr_untranspose(a->ndim, a->chunk, a->order, a->itemsize, out, dst);
    return CR_OK;
}

static cr_status zarr_read_chunk(cr_source *base, const int64_t *chunk, void *dst, cr_scratch *scratch, bool *ret_absent, cr_err *err) {
    zarr_source *s = (zarr_source *)base;
    stored_room room = {s, scratch, dst};
    size_t n = 0;
    bool absent = false;
    CR_TRY(cr_source_check_chunk(base, chunk, err));
    CR_TRY(cr_zarr_fetch_chunk(&s->fetch, chunk, make_room, &room, &n, &absent, err));
    if (absent) {
        cr_source_fill(dst, base->chunk_bytes / base->itemsize, s->fill, base->itemsize);
    } else {
        cr_status status = decode(s, n, dst, scratch, err);
        if (status != CR_OK) {
            char key[CR_STORE_KEY_MAX + 1] = "?";
            (void)!cr_zarr_key(&s->array, chunk, key, sizeof key, NULL);
            cr_err_context(err, "while decoding %s/%s", cr_store_name(s->fetch.store), key);
            return status;
        }
    }
    *ret_absent = absent;
    return CR_OK;
}

static size_t zarr_scratch_bytes(const cr_source *base) {
    const zarr_source *s = (const zarr_source *)base;
    return is_plain(s) ? 0 : align64(s->max_stored) + s->between + s->permute;
}

static size_t zarr_stored_bytes(const cr_source *base, const int64_t *chunk) {
    return cr_source_check_chunk(base, chunk, NULL) == CR_OK ? cr_zarr_stored_bytes((cr_zarr_fetch *)&((const zarr_source *)base)->fetch, chunk)
                                                             : 0;
}

static void zarr_free(cr_source *base) {
    zarr_source *s = (zarr_source *)base;
    cr_zarr_fetch_done(&s->fetch);
    free((char *)s->array.key);
    cr_source_fini(base);
    free(s);
}

/* Size and version of every stored object: a chunk can be replaced while the metadata stay. */
static cr_status zarr_fingerprint(cr_source *base, cr_digest *d, cr_err *err) {
    zarr_source *s = (zarr_source *)base;
    int64_t at[CR_MAX_DIMS] = {0};
    char key[CR_STORE_KEY_MAX + 1];
    for (int i = 0; i < base->ndim; i++)
        if (base->shape[i] == 0)
            return CR_OK;
    for (;;) {
        cr_store_info info = {0};
        CR_TRY(cr_zarr_key(&s->array, at, key, sizeof key, err));
        cr_status status = cr_store_stat(s->fetch.store, key, &info, err);
        if (status != CR_OK && status != CR_NOT_FOUND)
            return status;
        const uint64_t facts[] = {status == CR_OK, info.size, info.version};
        cr_digest_add(d, facts, sizeof facts);
        int axis = base->ndim - 1;
        while (axis >= 0 && (at[axis] += s->array.stored[axis] / s->array.chunk[axis]) * s->array.chunk[axis] >= base->shape[axis])
            at[axis--] = 0;
        if (axis < 0)
            return CR_OK;
    }
}

static bool zarr_reads_part(const cr_source *base, const int64_t *n, const int64_t *end, size_t *ret_bytes, size_t *ret_decoded) {
    return cr_zarr_reads_part(&((const zarr_source *)base)->array, base->chunk_bytes, n, end, ret_bytes, ret_decoded);
}

/* In memory beyond what was planned: a chunk of an unusual writer has to be readable all the same. */
static cr_status part_of_whole(cr_source *base, const int64_t *chunk, const int64_t *lo, const int64_t *n, void *dst, bool *ret_absent, cr_err *err) {
    cr_scratch apart = {.max = SIZE_MAX};
    cr_auto_free char *whole = malloc(base->chunk_bytes);
    if (!whole)
        return CR_FAIL(err, CR_MEMORY, "no memory for a chunk of %zu bytes", base->chunk_bytes);
    cr_status status = zarr_read_chunk(base, chunk, whole, &apart, ret_absent, err);
    cr_scratch_done(&apart);
    if (status == CR_OK)
        cr_zarr_cut(&((const zarr_source *)base)->array, whole, lo, n, dst);
    return status;
}

static cr_status zarr_read_part(cr_source *base, const int64_t *chunk, const int64_t *lo, const int64_t *n, void *dst, cr_scratch *scratch,
                                bool *ret_absent, cr_err *err) {
    zarr_source *s = (zarr_source *)base;
    cr_err why = CR_ERR_INIT;
    CR_TRY(cr_source_check_chunk(base, chunk, err));
    cr_status status = cr_zarr_read_part(&s->fetch, base->chunk_bytes, chunk, lo, n, dst, scratch, ret_absent, &why);
    if (status == CR_UNSUPPORTED)
        return part_of_whole(base, chunk, lo, n, dst, ret_absent, err);
    if (status != CR_OK) {
        if (err)
            *err = why;
        return status;
    }
    size_t items = 1;
    for (int i = 0; i < base->ndim && *ret_absent; i++)
        items *= (size_t)n[i];
    if (*ret_absent)
        cr_source_fill(dst, items, s->fill, base->itemsize);
    return CR_OK;
}

static const cr_source_ops zarr_ops = {"zarr", zarr_read_chunk, zarr_scratch_bytes, zarr_stored_bytes, zarr_free, zarr_fingerprint,
                                       zarr_reads_part, zarr_read_part};

bool cr_zarr_source_array(const cr_source *source, const cr_zarr_array **ret_array, const void **ret_fill, cr_store **ret_store) {
    const zarr_source *s = (const zarr_source *)source;
    if (source->ops != &zarr_ops)
        return false;
    *ret_array = &s->array;
    *ret_fill = s->fill;
    *ret_store = s->fetch.store;
    return true;
}

static cr_status plan_scratch(zarr_source *s, cr_err *err) {
    size_t bytes = s->base.chunk_bytes;
    s->max_stored = cr_codec_chain_bound(&s->array.chain, bytes);
    s->between = cr_codec_chain_decode_room(&s->array.chain, bytes);
    s->permute = s->array.permuted ? align64(bytes) : 0;
    if (s->max_stored > CR_SOURCE_CHUNK_LIMIT_BYTES * 4 || s->between > CR_SOURCE_CHUNK_LIMIT_BYTES * 16)
        return CR_FAIL(err, CR_LIMIT, "%s: chunks are too large to decode", s->base.path);
    return CR_OK;
}

static cr_status fill_in(zarr_source *s, cr_store *store, const cr_zarr_array *a, const char *meta_key, const char *path, cr_err *err) {
    s->array = *a;
    s->array.dims = NULL;         /* what lives in the caller's arena stays there */
    s->array.attrs = NULL;
    s->array.fill = NULL;
    s->array.fill_text = NULL;
    if (a->fill)
        memcpy(s->fill, a->fill, a->itemsize);
    CR_TRY(cr_source_init(&s->base, &zarr_ops, a->dtype, a->itemsize, a->ndim, a->shape, a->chunk, path, err));
    s->array.key = strdup(a->key);
    cr_status status = s->array.key ? plan_scratch(s, err) : CR_FAIL(err, CR_MEMORY, "no memory");
    if (status == CR_OK)
        status = cr_zarr_fetch_init(&s->fetch, store, &s->array, meta_key, err);
    if (status != CR_OK) {
        free((char *)s->array.key);
        cr_source_fini(&s->base);
    }
    return status;
}

cr_status cr_zarr_source(cr_store *store, const cr_zarr_array *array, const char *meta_key, cr_source **ret_source, cr_err *err) {
    cr_auto_free char *path = NULL, *meta_path = NULL;
    zarr_source *s = calloc(1, sizeof *s + array->itemsize);
    if (!s || asprintf(&path, "%s:/%s", cr_store_name(store), array->key) < 0)
        path = NULL;
    if (!path || asprintf(&meta_path, "%s/%s", cr_store_name(store), meta_key) < 0) {
        meta_path = NULL;
        free(s);
        return CR_FAIL(err, CR_MEMORY, "no memory");
    }
    cr_status status = fill_in(s, store, array, meta_key, path, err);
    if (status != CR_OK) {
        free(s);
        return status;
    }
    /* References are no directory: the file that holds them is what can change. */
    const char *file = access(meta_path, F_OK) == 0 ? meta_path : cr_store_name(store);
    cr_source_identify(&s->base, file, path);
    *ret_source = &s->base;
    return CR_OK;
}
