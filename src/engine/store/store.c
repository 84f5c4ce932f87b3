/* store.c - what every store does alike: keys, ranges, references. */
#include "engine/store/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

cr_store *cr_store_ref(cr_store *s) {
    __atomic_fetch_add(&s->refs, 1, __ATOMIC_RELAXED);
    return s;
}

void cr_store_unref(cr_store *s) {
    if (s && __atomic_fetch_sub(&s->refs, 1, __ATOMIC_ACQ_REL) == 1)
        s->ops->free(s);
}

const char *cr_store_name(const cr_store *s) { return s->name; }

static bool name_is_plain(const char *name, size_t n) {
    return n > 0 && n <= 255 && !(name[0] == '.' && (n == 1 || (n == 2 && name[1] == '.')));
}

cr_status cr_store_check_key(const char *key, cr_err *err) {
    size_t n = strnlen(key, CR_STORE_KEY_MAX + 1);
    bool ok = n > 0 && n <= CR_STORE_KEY_MAX;
    for (const char *p = key; ok; p++) {
        size_t len = strcspn(p, "/");
        ok = name_is_plain(p, len);
        p += len;
        if (!*p)
            break;
    }
    if (!ok)
        return CR_FAIL(err, CR_INVALID, "\"%.200s\" is not a valid key of a store", key);
    return CR_OK;
}

cr_status cr_store_stat(cr_store *s, const char *key, cr_store_info *ret_info, cr_err *err) {
    CR_TRY(cr_store_check_key(key, err));
    return s->ops->stat(s, key, ret_info, err);
}

cr_status cr_store_read(cr_store *s, const char *key, cr_store_range range, cr_store_room_fn room, void *user, size_t *ret_n,
                        cr_store_info *ret_info, cr_err *err) {
    CR_TRY(cr_store_check_key(key, err));
    return s->ops->read(s, key, range, room, user, ret_n, ret_info, err);
}

static cr_status room_in_buf(void *user, size_t n, void **ret_room, cr_err *err) {
    cr_buf *b = user;
    void *p = cr_buf_reserve(b, n);
    if (!p)
        return CR_FAIL(err, CR_LIMIT, "it has %zu bytes; at most %zu are read", n, b->max);
    *ret_room = p;
    return CR_OK;
}

cr_status cr_store_read_buf(cr_store *s, const char *key, cr_buf *out, cr_err *err) {
    size_t n;
    cr_status status = cr_store_read(s, key, CR_STORE_WHOLE, room_in_buf, out, &n, NULL, err);
    if (status == CR_LIMIT)
        cr_err_context(err, "%s/%s", s->name, key);
    CR_TRY(status);
    cr_buf_advance(out, n);
    return CR_OK;
}

cr_status cr_store_list(cr_store *s, const char *prefix, size_t limit, cr_arena *arena, cr_store_entry **ret_entries, size_t *ret_n,
                        cr_err *err) {
    if (*prefix)
        CR_TRY(cr_store_check_key(prefix, err));
    return s->ops->list(s, prefix, limit, arena, ret_entries, ret_n, err);
}

cr_status cr_store_put(cr_store_out *out, const void *bytes, size_t n, cr_err *err) { return out->put(out, bytes, n, err); }

cr_status cr_store_write_from(cr_store *s, const char *key, cr_store_fill_fn fill, void *user, cr_err *err) {
    CR_TRY(cr_store_check_key(key, err));
    return s->ops->write(s, key, fill, user, err);
}

typedef struct whole {
    const void *bytes;
    size_t n;
} whole;

static cr_status put_whole(void *user, cr_store_out *out, cr_err *err) {
    const whole *w = user;
    return cr_store_put(out, w->bytes, w->n, err);
}

cr_status cr_store_write(cr_store *s, const char *key, const void *bytes, size_t n, cr_err *err) {
    return cr_store_write_from(s, key, put_whole, &(whole){bytes, n}, err);
}

cr_status cr_store_begin(cr_store *s, const char *key, size_t head_bytes, cr_store_out **ret_out, cr_err *err) {
    CR_TRY(cr_store_check_key(key, err));
    if (!s->ops->begin)
        return CR_FAIL(err, CR_UNSUPPORTED, "%s: a value whose beginning is known last", s->name);
    return s->ops->begin(s, key, head_bytes, ret_out, err);
}

cr_status cr_store_finish(cr_store_out *out, const void *head, cr_err *err) { return out->end(out, head, err); }

void cr_store_abandon(cr_store_out *out) {
    if (out && out->end(out, NULL, NULL) != CR_OK)
        return;                       /* abandoning cannot fail */
}

cr_status cr_store_sync(cr_store *s, cr_err *err) { return s->ops->sync(s, err); }

cr_status cr_store_resolve(const cr_store *s, const char *key, cr_store_range range, uint64_t size, uint64_t *ret_start,
                           size_t *ret_length, cr_err *err) {
    uint64_t back = range.offset < 0 ? -(uint64_t)range.offset : 0;
    uint64_t start = range.offset < 0 ? size - back : (uint64_t)range.offset;
    if (back > size || start > size)
        return CR_FAIL(err, CR_RANGE, "%s/%s has %llu bytes; byte %lld was asked for", s->name, key, (unsigned long long)size,
                       (long long)range.offset);
    uint64_t length = CR_MIN(range.length, size - start);
    if (length > SIZE_MAX / 2)
        return CR_FAIL(err, CR_LIMIT, "%s/%s is too large", s->name, key);
    *ret_start = start;
    *ret_length = (size_t)length;
    return CR_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const cr_store_entry *)a)->name, ((const cr_store_entry *)b)->name);
}

size_t cr_store_sort_entries(cr_store_entry *entries, size_t n) {
    if (n == 0)
        return 0;
    qsort(entries, n, sizeof *entries, by_name);
    size_t kept = 1;
    for (size_t i = 1; i < n; i++) {
        if (strcmp(entries[i].name, entries[kept - 1].name) == 0)
            entries[kept - 1].is_prefix |= entries[i].is_prefix;
        else
            entries[kept++] = entries[i];
    }
    return kept;
}
