/* store_memory.c - a store in memory: tests, and small results that never touch a disk. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/map.h"
#include "engine/store/store.h"

typedef struct value {
    size_t n;
    uint64_t version;
    unsigned char bytes[];
} value;

typedef struct memory_store {
    cr_store base;
    pthread_rwlock_t lock;        /* guards all below */
    cr_map values;
    size_t used, max;
    uint64_t clock;
} memory_store;

enum { MAX_KEYS = 1 << 24 };

static cr_status find(memory_store *s, const char *key, value **ret_value, cr_err *err) {
    value *v = cr_map_get(&s->values, key);
    if (!v)
        return CR_FAIL(err, CR_NOT_FOUND, "%s has no \"%s\"", s->base.name, key);
    *ret_value = v;
    return CR_OK;
}

static cr_status memory_stat(cr_store *base, const char *key, cr_store_info *ret_info, cr_err *err) {
    memory_store *s = (memory_store *)base;
    value *v = NULL;
    pthread_rwlock_rdlock(&s->lock);
    cr_status status = find(s, key, &v, err);
    if (status == CR_OK)
        *ret_info = (cr_store_info){v->n, v->version};
    pthread_rwlock_unlock(&s->lock);
    return status;
}

static cr_status read_locked(memory_store *s, const char *key, cr_store_range range, cr_store_room_fn room, void *user,
                             size_t *ret_n, cr_store_info *ret_info, cr_err *err) {
    value *v = NULL;
    uint64_t start;
    size_t length;
    void *dst;
    CR_TRY(find(s, key, &v, err));
    CR_TRY(cr_store_resolve(&s->base, key, range, v->n, &start, &length, err));
    CR_TRY(room(user, length, &dst, err));
    if (length)
        memcpy(dst, v->bytes + start, length);
    *ret_n = length;
    if (ret_info)
        *ret_info = (cr_store_info){v->n, v->version};
    return CR_OK;
}

static cr_status memory_read(cr_store *base, const char *key, cr_store_range range, cr_store_room_fn room, void *user, size_t *ret_n,
                             cr_store_info *ret_info, cr_err *err) {
    memory_store *s = (memory_store *)base;
    pthread_rwlock_rdlock(&s->lock);
    cr_status status = read_locked(s, key, range, room, user, ret_n, ret_info, err);
    pthread_rwlock_unlock(&s->lock);
    return status;
}

static cr_status list_locked(memory_store *s, const char *prefix, size_t limit, cr_arena *arena, cr_store_entry **ret_entries,
                             size_t *ret_n, cr_err *err) {
    size_t below = strlen(prefix), n = 0;
    cr_store_entry *list = cr_arena_calloc(arena, s->values.len, sizeof *list);
    if (!list)
        return CR_FAIL(err, CR_LIMIT, "the list of names in %s is too long", s->base.name);
    const char *key;
    void *v;
    for (size_t i = 0; (i = cr_map_next(&s->values, i, &key, &v));) {
        if (below && (strncmp(key, prefix, below) != 0 || key[below] != '/'))
            continue;
        const char *name = below ? key + below + 1 : key;
        size_t len = strcspn(name, "/");
        char *copy = cr_arena_strndup(arena, name, len);
        if (!copy)
            return CR_FAIL(err, CR_LIMIT, "the list of names in %s is too long", s->base.name);
        list[n++] = (cr_store_entry){copy, name[len] == '/'};
    }
    n = cr_store_sort_entries(list, n);
    if (n > limit)
        return CR_FAIL(err, CR_LIMIT, "%s holds more than %zu names", s->base.name, limit);
    *ret_entries = list;
    *ret_n = n;
    return CR_OK;
}

static cr_status memory_list(cr_store *base, const char *prefix, size_t limit, cr_arena *arena, cr_store_entry **ret_entries,
                             size_t *ret_n, cr_err *err) {
    memory_store *s = (memory_store *)base;
    pthread_rwlock_rdlock(&s->lock);
    cr_status status = list_locked(s, prefix, limit, arena, ret_entries, ret_n, err);
    pthread_rwlock_unlock(&s->lock);
    return status;
}

static cr_status keep(cr_store *base, const char *key, const void *bytes, size_t n, cr_err *err) {
    memory_store *s = (memory_store *)base;
    value *v = n < SIZE_MAX - sizeof *v ? malloc(sizeof *v + n) : NULL;
    if (!v)
        return CR_FAIL(err, CR_MEMORY, "no memory for %zu bytes of \"%s\"", n, key);
    v->n = n;
    if (n)
        memcpy(v->bytes, bytes, n);
    pthread_rwlock_wrlock(&s->lock);
    value *old = cr_map_get(&s->values, key);
    size_t others = s->used - (old ? old->n : 0);
    cr_status status = n > s->max || others > s->max - n ? CR_FAIL(err, CR_NO_SPACE, "%s is full: %zu bytes", s->base.name, s->max)
                                                         : cr_map_set(&s->values, key, v, err);
    if (status == CR_OK) {
        s->used = others + n;
        v->version = ++s->clock;
    }
    pthread_rwlock_unlock(&s->lock);
    free(status == CR_OK ? old : v);
    return status;
}

typedef struct memory_out {
    cr_store_out base;
    cr_buf bytes;
} memory_out;

static cr_status memory_put(cr_store_out *out, const void *bytes, size_t n, cr_err *err) {
    cr_buf *b = &((memory_out *)out)->bytes;
    cr_buf_add(b, bytes, n);
    return b->failed ? CR_FAIL(err, CR_NO_SPACE, "memory is full: %zu bytes", b->max) : CR_OK;
}

static cr_status memory_write(cr_store *base, const char *key, cr_store_fill_fn fill, void *user, cr_err *err) {
    memory_out out = {.base = {.put = memory_put}};
    cr_buf_init(&out.bytes, CR_MIN(((memory_store *)base)->max, SIZE_MAX / 2));
    cr_status status = fill(user, &out.base, err);
    if (status == CR_OK)
        status = keep(base, key, out.bytes.data, out.bytes.len, err);
    cr_buf_done(&out.bytes);
    return status;
}

static cr_status memory_sync(cr_store *base, cr_err *err) { return CR_OK; }

static void memory_free(cr_store *base) {
    memory_store *s = (memory_store *)base;
    const char *key;
    void *v;
    for (size_t i = 0; (i = cr_map_next(&s->values, i, &key, &v));)
        free(v);
    cr_map_done(&s->values);
    pthread_rwlock_destroy(&s->lock);
    free(s->base.name);
    free(s);
}

static const cr_store_ops memory_ops = {"memory", memory_stat, memory_read, memory_list, memory_write, memory_sync, memory_free, NULL};

cr_status cr_store_open_memory(size_t max_bytes, cr_store **ret_store, cr_err *err) {
    memory_store *s = calloc(1, sizeof *s);
    char *name = strdup("memory");
    if (!s || !name) {
        free(s);
        free(name);
        return CR_FAIL(err, CR_MEMORY, "no memory");
    }
    s->base = (cr_store){&memory_ops, 1, name};
    pthread_rwlock_init(&s->lock, NULL);
    cr_map_init(&s->values, MAX_KEYS);
    s->max = max_bytes;
    *ret_store = &s->base;
    return CR_OK;
}
