/* zarr_fetch.c - stored bytes of chunks, and indexes of shards (ZEP 2). */
#include "engine/format/zarr_fetch.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/codec/checksum.h"
#include "engine/codec/order.h"

enum { ENTRY_BYTES = 16, CRC_BYTES = 4, TRIES = 4 };
static const uint64_t ABSENT = UINT64_MAX;

cr_status cr_zarr_fetch_init(cr_zarr_fetch *f, cr_store *store, const cr_zarr_array *array, const char *meta_key, cr_err *err) {
    size_t n = 1;
    for (int i = 0; array->sharded && i < array->ndim; i++)
        if (__builtin_mul_overflow(n, (size_t)(array->stored[i] / array->chunk[i]), &n) || n > CR_ZARR_MOST_PER_SHARD)
            return CR_FAIL(err, CR_UNSUPPORTED, "shards of more than %d chunks are not supported", CR_ZARR_MOST_PER_SHARD);
    *f = (cr_zarr_fetch){.array = array, .n_per_shard = n, .meta_key = strdup(meta_key)};
    if (!f->meta_key)
        return CR_FAIL(err, CR_MEMORY, "no memory");
    f->has_meta = cr_store_stat(store, meta_key, &f->meta, NULL) == CR_OK;
    f->store = cr_store_ref(store);
    cr_fork_lock_init(&f->lock, false);
    return CR_OK;
}

void cr_zarr_fetch_done(cr_zarr_fetch *f) {
    for (int i = 0; i < CR_ZARR_INDEX_SLOTS; i++) {
        free(f->index[i].key);
        free(f->index[i].entries);
    }
    cr_fork_lock_done(&f->lock);
    cr_store_unref(f->store);
    free(f->meta_key);
}

cr_status cr_zarr_key(const cr_zarr_array *a, const int64_t *chunk, char *key, size_t size, cr_err *err) {
    int n = snprintf(key, size, "%s%s%s", a->key, *a->key ? "/" : "", a->v2_keys ? "" : "c");
    for (int i = 0; i < a->ndim && n >= 0 && (size_t)n < size; i++) {
        int64_t at = chunk[i] / (a->stored[i] / a->chunk[i]);
        if (i > 0 || !a->v2_keys)
            n += snprintf(key + n, size - (size_t)n, "%c%lld", a->separator, (long long)at);
        else
            n += snprintf(key + n, size - (size_t)n, "%lld", (long long)at);
    }
    if (a->ndim == 0 && a->v2_keys && n >= 0 && (size_t)n < size)
        n += snprintf(key + n, size - (size_t)n, "0");
    if (n < 0 || (size_t)n >= size)
        return CR_FAIL(err, CR_FORMAT, "the key of a chunk of \"%.80s\" is too long", a->key);
    return CR_OK;
}

/* Absent is only believed while the metadata are those that were read. */
static cr_status believe_absent(cr_zarr_fetch *f, bool *ret_absent, cr_err *err) {
    cr_store_info now;
    if (f->has_meta) {
        cr_status status = cr_store_stat(f->store, f->meta_key, &now, err);
        if (status == CR_NOT_FOUND || (status == CR_OK && (now.size != f->meta.size || now.version != f->meta.version))) {
            status = CR_FAIL(err, CR_CONFLICT, "%s/%s was replaced or removed while the array was in use", cr_store_name(f->store), f->meta_key);
            cr_err_hint(err, "open it again");
        }
        CR_TRY(status);
    }
    *ret_absent = true;
    return CR_OK;
}

/* ---- indexes of shards -------------------------------------------------------------------------------------------------------- */

static size_t index_bytes(const cr_zarr_fetch *f) { return f->n_per_shard * ENTRY_BYTES + (f->array->index_crc ? CRC_BYTES : 0); }

static cr_status room_fixed(void *user, size_t n, void **ret_room, cr_err *err) {
    cr_buf *b = user;
    if (n != b->max)
        return CR_FAIL(err, CR_FORMAT, "the index of the shard has %zu bytes instead of %zu: the shard is cut off", n, b->max);
    *ret_room = cr_buf_reserve(b, n);
    return *ret_room ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory for the index of a shard");
}

/* Every entry lies inside of the shard, or is absent. */
static cr_status check_entries(const uint64_t *entries, size_t n, uint64_t shard_bytes, cr_err *err) {
    for (size_t i = 0; i < n; i++) {
        uint64_t offset = entries[2 * i], length = entries[2 * i + 1];
        if (offset == ABSENT && length == ABSENT)
            continue;
        if (offset > shard_bytes || length > shard_bytes - offset)
            return CR_FAIL(err, CR_FORMAT, "chunk %zu of the shard is said to lie at bytes %llu + %llu of %llu", i, (unsigned long long)offset,
                           (unsigned long long)length, (unsigned long long)shard_bytes);
    }
    return CR_OK;
}

static cr_status read_index(cr_zarr_fetch *f, const char *key, uint64_t **ret_entries, uint64_t *ret_version, cr_err *err) {
    size_t size = index_bytes(f), n = 0;
    cr_store_range range = {f->array->index_at_start ? 0 : -(int64_t)size, size};
    cr_store_info info = {0};
    cr_auto_buf cr_buf bytes;
    cr_buf_init(&bytes, size);
    cr_status status = cr_store_read(f->store, key, range, room_fixed, &bytes, &n, &info, err);
    if (status == CR_RANGE)
        return CR_FAIL(err, CR_FORMAT, "the shard is shorter than its index of %zu bytes", size);
    CR_TRY(status);
    cr_buf_advance(&bytes, n);
    if (f->array->index_crc) {
        uint32_t stored;
        memcpy(&stored, bytes.data + size - CRC_BYTES, CRC_BYTES);
        stored = le32toh(stored);
        if (cr_crc32c(bytes.data, size - CRC_BYTES) != stored)
            return CR_FAIL(err, CR_FORMAT, "the checksum of the shard's index is wrong: the shard is damaged");
    }
    if (f->array->index_swapped)
        cr_byteswap(bytes.data, 2 * f->n_per_shard, 8);
    CR_TRY(check_entries((const uint64_t *)bytes.data, f->n_per_shard, info.size, err));
    *ret_entries = (uint64_t *)cr_buf_take(&bytes);
    *ret_version = info.version;
    return *ret_entries ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory for the index of a shard");
}

static cr_zarr_index *find_index(cr_zarr_fetch *f, const char *key) {
    for (int i = 0; i < CR_ZARR_INDEX_SLOTS; i++)
        if (f->index[i].key && strcmp(f->index[i].key, key) == 0)
            return &f->index[i];
    return NULL;
}

static void drop_index(cr_zarr_index *x) {
    free(x->key);
    free(x->entries);
    *x = (cr_zarr_index){0};
}

/* Keeps an index; takes entries. Called with the lock held. */
static void keep_index(cr_zarr_fetch *f, const char *key, uint64_t version, uint64_t *entries) {
    int slots = (int)CR_MAX(CR_MIN(CR_ZARR_INDEX_CACHE_BYTES / index_bytes(f), (size_t)CR_ZARR_INDEX_SLOTS), (size_t)1);
    cr_zarr_index *x = find_index(f, key);
    for (int i = 0; !x && i < slots; i++)
        if (!f->index[i].key)
            x = &f->index[i];
    if (!x) {
        x = &f->index[0];
        for (int i = 1; i < slots; i++)
            if (f->index[i].last_use < x->last_use)
                x = &f->index[i];
    }
    drop_index(x);
    *x = (cr_zarr_index){strdup(key), version, ++f->clock, entries};
    if (!x->key)
        drop_index(x);
}

/* Where chunk `at` of a shard lies. */
static cr_status locate(cr_zarr_fetch *f, const char *key, size_t at, uint64_t entry[2], uint64_t *ret_version, cr_err *err) {
    pthread_mutex_lock(&f->lock.mutex);
    cr_zarr_index *x = find_index(f, key);
    if (x) {
        x->last_use = ++f->clock;
        memcpy(entry, x->entries + 2 * at, ENTRY_BYTES);
        *ret_version = x->version;
    }
    pthread_mutex_unlock(&f->lock.mutex);
    if (x)
        return CR_OK;
    uint64_t *entries = NULL;
    CR_TRY(read_index(f, key, &entries, ret_version, err));
    memcpy(entry, entries + 2 * at, ENTRY_BYTES);
    pthread_mutex_lock(&f->lock.mutex);
    keep_index(f, key, *ret_version, entries);
    pthread_mutex_unlock(&f->lock.mutex);
    return CR_OK;
}

static void forget_index(cr_zarr_fetch *f, const char *key) {
    pthread_mutex_lock(&f->lock.mutex);
    cr_zarr_index *x = find_index(f, key);
    if (x)
        drop_index(x);
    pthread_mutex_unlock(&f->lock.mutex);
}

static size_t place_in_shard(const cr_zarr_array *a, const int64_t *chunk) {
    size_t at = 0;
    for (int i = 0; i < a->ndim; i++) {
        int axis = a->shard_order[i];
        int64_t per = a->stored[axis] / a->chunk[axis];
        at = at * (size_t)per + (size_t)(chunk[axis] % per);
    }
    return at;
}

/* ---- chunks ---------------------------------------------------------------------------------------------------------------------- */

static cr_status fetch_from_shard(cr_zarr_fetch *f, const char *key, const int64_t *chunk, cr_store_room_fn room, void *user, size_t *ret_n,
                                  bool *ret_absent, cr_err *err) {
    size_t at = place_in_shard(f->array, chunk);
    for (int i = 0; i < TRIES; i++) {
        uint64_t entry[2], version = 0;
        cr_store_info info = {0};
        cr_status status = locate(f, key, at, entry, &version, err);
        if (status == CR_NOT_FOUND)
            return believe_absent(f, ret_absent, err);
        CR_TRY(status);
        if (entry[0] == ABSENT && entry[1] == ABSENT)
            return believe_absent(f, ret_absent, err);
        status = cr_store_read(f->store, key, (cr_store_range){(int64_t)entry[0], entry[1]}, room, user, ret_n, &info, err);
        if (status == CR_OK && info.version == version) {
            *ret_absent = false;
            return CR_OK;
        }
        if (status != CR_OK && status != CR_RANGE && status != CR_NOT_FOUND)
            return status;
        forget_index(f, key);     /* the shard was replaced since its index was read */
    }
    return CR_FAIL(err, CR_CONFLICT, "the shard changes while it is read");
}

static cr_status fetch(cr_zarr_fetch *f, const char *key, const int64_t *chunk, cr_store_room_fn room, void *user, size_t *ret_n,
                       bool *ret_absent, cr_err *err) {
    if (f->array->sharded)
        return fetch_from_shard(f, key, chunk, room, user, ret_n, ret_absent, err);
    cr_status status = cr_store_read(f->store, key, CR_STORE_WHOLE, room, user, ret_n, NULL, err);
    if (status == CR_NOT_FOUND)
        return believe_absent(f, ret_absent, err);
    if (status == CR_OK)
        *ret_absent = false;
    return status;
}

cr_status cr_zarr_fetch_chunk(cr_zarr_fetch *f, const int64_t *chunk, cr_store_room_fn room, void *user, size_t *ret_n, bool *ret_absent,
                              cr_err *err) {
    char key[CR_STORE_KEY_MAX + 1];
    CR_TRY(cr_zarr_key(f->array, chunk, key, sizeof key, err));
    cr_status status = fetch(f, key, chunk, room, user, ret_n, ret_absent, err);
    if (status != CR_OK)
        cr_err_context(err, "while reading %s/%s", cr_store_name(f->store), key);
    return status;
}

/* ---- parts of chunks -------------------------------------------------------------------------------------------------------------- */

cr_status cr_zarr_find_stored(cr_zarr_fetch *f, const int64_t *chunk, cr_zarr_place *ret_stored, bool *ret_absent, cr_err *err) {
    cr_zarr_place *s = ret_stored;
    cr_store_info info = {0};
    uint64_t entry[2] = {0, 0};
    CR_TRY(cr_zarr_key(f->array, chunk, s->key, sizeof s->key, err));
    cr_status status = f->array->sharded ? locate(f, s->key, place_in_shard(f->array, chunk), entry, &s->version, err)
                                         : cr_store_stat(f->store, s->key, &info, err);
    *ret_absent = false;
    if (status == CR_NOT_FOUND || (status == CR_OK && entry[0] == ABSENT && entry[1] == ABSENT))
        return believe_absent(f, ret_absent, err);
    CR_TRY(status);
    s->begin = entry[0];
    s->n = f->array->sharded ? entry[1] : info.size;
    s->version = f->array->sharded ? s->version : info.version;
    return CR_OK;
}

typedef struct exact_room {
    void *dst;
    size_t n;
} exact_room;

static cr_status room_at(void *user, size_t n, void **ret_room, cr_err *err) {
    const exact_room *p = user;
    if (n != p->n)
        return CR_FAIL(err, CR_CONFLICT, "it became shorter while it was read");
    *ret_room = p->dst;
    return CR_OK;
}

cr_status cr_zarr_read_stored(cr_zarr_fetch *f, const cr_zarr_place *s, uint64_t offset, size_t n, void *dst, cr_err *err) {
    exact_room to = {dst, n};
    cr_store_info info = {0};
    size_t got = 0;
    if (offset > s->n || n > s->n - offset)
        return CR_FAIL(err, CR_FORMAT, "it ends after %llu bytes, before all that is asked for", (unsigned long long)s->n);
    if (n == 0)
        return CR_OK;
    cr_status status = cr_store_read(f->store, s->key, (cr_store_range){(int64_t)(s->begin + offset), n}, room_at, &to, &got, &info, err);
    if (status == CR_NOT_FOUND || status == CR_RANGE || (status == CR_OK && info.version != s->version))
        status = CR_FAIL(err, CR_CONFLICT, "it changes while it is read");
    if (status == CR_CONFLICT && f->array->sharded)
        forget_index(f, s->key);
    return status;
}

size_t cr_zarr_stored_bytes(cr_zarr_fetch *f, const int64_t *chunk) {
    char key[CR_STORE_KEY_MAX + 1];
    cr_store_info info;
    if (f->array->sharded || cr_zarr_key(f->array, chunk, key, sizeof key, NULL) != CR_OK)
        return SIZE_MAX;
    cr_status status = cr_store_stat(f->store, key, &info, NULL);
    return status == CR_NOT_FOUND ? 0 : status == CR_OK ? (size_t)CR_MIN(info.size, (uint64_t)SIZE_MAX) : SIZE_MAX;
}
