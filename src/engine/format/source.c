/* source.c - what all sources share: references, checked shapes, scratch memory. */
#include "engine/format/source.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/codec/codec.h"

cr_status cr_scratch_need(cr_scratch *s, size_t bytes, cr_err *err) {
    if (bytes <= s->size)
        return CR_OK;
    if (bytes > s->max)
        return CR_FAIL(err, CR_MEMORY, "decoding a chunk needs %zu bytes of scratch memory; %zu are allowed", bytes, s->max);
    size_t size = (bytes + 4095) & ~(size_t)4095;
    void *p = aligned_alloc(64, size);
    if (!p)
        return CR_FAIL(err, CR_MEMORY, "no memory for %zu bytes of scratch", size);
    free(s->bytes);
    s->bytes = p;
    s->size = size;
    return CR_OK;
}

cr_status cr_scratch_work(cr_scratch *s, struct cr_codec_work **ret_work, cr_err *err) {
    if (!s->work)
        CR_TRY(cr_codec_work_new(&s->work, err));
    *ret_work = s->work;
    return CR_OK;
}

void cr_scratch_done(cr_scratch *s) {
    cr_codec_work_free(s->work);
    s->work = NULL;
    free(s->bytes);
    s->bytes = NULL;
    s->size = 0;
}

cr_source *cr_source_ref(cr_source *s) {
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void cr_source_unref(cr_source *s) {
    if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
        s->ops->free(s);
}

static cr_status check_extents(int ndim, const int64_t *shape, const int64_t *chunk_shape, size_t itemsize, const char *path,
                               size_t *ret_chunk_bytes, cr_err *err) {
    int64_t elements, chunk_elements;
    for (int i = 0; i < ndim; i++)
        if (shape[i] < 0 || chunk_shape[i] < 1)
            return CR_FAIL(err, CR_FORMAT, "%s: axis %d has extent %lld in chunks of %lld", path, i, (long long)shape[i],
                           (long long)chunk_shape[i]);
    size_t bytes;
    if (!cr_product(shape, ndim, &elements) || __builtin_mul_overflow((size_t)elements, itemsize, &bytes) || bytes > INT64_MAX)
        return CR_FAIL(err, CR_FORMAT, "%s: the shape holds more elements than can be counted", path);
    if (!cr_product(chunk_shape, ndim, &chunk_elements) || __builtin_mul_overflow((size_t)chunk_elements, itemsize, &bytes) ||
        bytes > CR_SOURCE_CHUNK_LIMIT_BYTES)
        return CR_FAIL(err, CR_LIMIT, "%s: one chunk is larger than %zu bytes", path, CR_SOURCE_CHUNK_LIMIT_BYTES);
    *ret_chunk_bytes = bytes;
    return CR_OK;
}

cr_status cr_source_init(cr_source *s, const cr_source_ops *ops, cr_dtype dtype, size_t itemsize, int ndim, const int64_t *shape,
                         const int64_t *chunk_shape, const char *path, cr_err *err) {
    if (ndim < 0 || ndim > CR_MAX_DIMS)
        return CR_FAIL(err, CR_UNSUPPORTED, "%s: %d dimensions; at most %d are supported", path, ndim, CR_MAX_DIMS);
    if (itemsize == 0 || dtype == CR_STRING)
        return CR_FAIL(err, CR_INTERNAL, "%s: a source needs items of fixed width", path);
    size_t chunk_bytes = 0;
    CR_TRY(check_extents(ndim, shape, chunk_shape, itemsize, path, &chunk_bytes, err));
    char *copy = strdup(path);
    if (!copy)
        return CR_FAIL(err, CR_MEMORY, "no memory");
    s->ops = ops;
    atomic_init(&s->refs, 1);
    s->dtype = dtype;
    s->itemsize = itemsize;
    s->ndim = ndim;
    for (int i = 0; i < ndim; i++) {
        s->shape[i] = shape[i];
        s->chunk_shape[i] = chunk_shape[i];
    }
    s->chunk_bytes = chunk_bytes;
    s->path = copy;
    s->identity[0] = s->identity[1] = 0;
    memset(s->state, 0, sizeof s->state);
    s->of_program = false;
    return CR_OK;
}

void cr_source_fini(cr_source *s) {
    free(s->path);
    s->path = NULL;
}

/* FNV-1a, in two lanes with different bases; collisions only matter between files open at the same time. */
static void mix(uint64_t h[2], const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++) {
        h[0] = (h[0] ^ p[i]) * 0x100000001b3ull;
        h[1] = (h[1] ^ p[i]) * 0x100000001b3ull;
        h[1] ^= h[1] >> 29;
    }
}

void cr_source_identify(cr_source *s, const char *file_path, const char *salt) {
    uint64_t h[2] = {0xcbf29ce484222325ull, 0x9ae16a3b2f90404full};
    struct stat st;
    mix(h, file_path, strlen(file_path) + 1);
    mix(h, salt, strlen(salt) + 1);
    if (stat(file_path, &st) == 0) {
        uint64_t facts[] = {st.st_dev, st.st_ino, st.st_size, st.st_mtim.tv_sec, st.st_mtim.tv_nsec};
        mix(h, facts, sizeof facts);
        memcpy(s->state, facts + 1, sizeof s->state);
    }
    s->identity[0] = h[0];
    s->identity[1] = h[1];
}

int64_t cr_source_extent(const cr_source *s, int axis, int64_t chunk) {
    int64_t start = chunk * s->chunk_shape[axis];
    return CR_MIN(s->chunk_shape[axis], s->shape[axis] - start);
}

cr_status cr_source_check_chunk(const cr_source *s, const int64_t *chunk, cr_err *err) {
    for (int i = 0; i < s->ndim; i++) {
        int64_t count = s->shape[i] / s->chunk_shape[i] + (s->shape[i] % s->chunk_shape[i] != 0);
        if (chunk[i] < 0 || chunk[i] >= count)
            return CR_FAIL(err, CR_RANGE, "%s: chunk %lld of axis %d; there are %lld", s->path, (long long)chunk[i], i,
                           (long long)count);
    }
    return CR_OK;
}

void cr_source_fill(void *dst, size_t n, const void *fill, size_t itemsize) {
    size_t total = n * itemsize, done = CR_MIN(itemsize, total);
    static const unsigned char zero[64];
    if (!fill || (itemsize <= sizeof zero && memcmp(fill, zero, itemsize) == 0)) {
        memset(dst, 0, total);
        return;
    }
    if (total == 0)
        return;
    memcpy(dst, fill, done);
    /* Doubling copies: as quick as memset for any item width. */
    while (done < total) {
        size_t step = CR_MIN(done, total - done);
        memcpy((char *)dst + done, dst, step);
        done += step;
    }
}

void cr_source_virtual_chunks(int ndim, const int64_t *shape, size_t itemsize, size_t target_bytes, int64_t *chunk) {
    int64_t room = CR_MAX((int64_t)(target_bytes / CR_MAX(itemsize, (size_t)1)), 1);
    for (int i = ndim - 1; i >= 0; i--) {
        chunk[i] = CR_MAX(CR_MIN(shape[i], room), 1);
        /* Once an axis had to be cut, the axes before it go one by one, so that a chunk stays one run of bytes. */
        room = chunk[i] < shape[i] ? 1 : CR_MAX(room / chunk[i], 1);
    }
}
