/* store.h - bytes by key: what a Zarr hierarchy lies in. A local directory or memory now; archives and object stores later.
 *
 * A cr_store is reference counted and may be used from any number of threads at once. Values are read whole or by range into room
 * that the caller provides once the length is known, so that nothing is copied twice and nothing is larger than allowed.
 *
 * Invariants
 *  1. A key is one or more names joined by '/': no empty name, no "." or "..", no NUL, at most CR_STORE_KEY_MAX bytes. Every
 *     entry point checks it (CR_INVALID).
 *  2. No key reaches outside of the store, not even through a symbolic link (CR_DENIED).
 *  3. A write is seen whole or not at all by readers of the store.
 *  4. CR_NOT_FOUND always and only means: no value of that key.
 */
#ifndef CR_ENGINE_STORE_STORE_H
#define CR_ENGINE_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

#define CR_STORE_KEY_MAX 2048

typedef struct cr_store cr_store;

/* Bytes [offset, offset + length) of a value, cut at its end; a negative offset counts from the end. */
typedef struct cr_store_range {
    int64_t offset;
    uint64_t length;
} cr_store_range;
#define CR_STORE_WHOLE ((cr_store_range){0, UINT64_MAX})

typedef struct cr_store_info {
    uint64_t size;                /* of the whole value */
    uint64_t version;             /* changes when the value is replaced */
} cr_store_info;

/* Where n bytes can go; called at most once per read. Failing refuses the value. */
typedef cr_status (*cr_store_room_fn)(void *user, size_t n, void **ret_room, cr_err *err);

typedef struct cr_store_entry {
    const char *name;             /* last part of the key */
    bool is_prefix;               /* there are keys below it */
} cr_store_entry;

cr_store *cr_store_ref(cr_store *s);
void cr_store_unref(cr_store *s);                                  /* NULL is allowed */
const char *cr_store_name(const cr_store *s);                      /* the path; for messages */

cr_status cr_store_check_key(const char *key, cr_err *err) CR_MUST_USE;
cr_status cr_store_stat(cr_store *s, const char *key, cr_store_info *ret_info, cr_err *err) CR_MUST_USE;
/* Reads a range; *ret_n bytes came. CR_RANGE when it starts outside of the value. ret_info may be NULL. */
cr_status cr_store_read(cr_store *s, const char *key, cr_store_range range, cr_store_room_fn room, void *user, size_t *ret_n,
                        cr_store_info *ret_info, cr_err *err) CR_MUST_USE;
/* Appends the whole value to out; CR_LIMIT when it does not fit its maximum. */
cr_status cr_store_read_buf(cr_store *s, const char *key, cr_buf *out, cr_err *err) CR_MUST_USE;
/* Names directly below prefix ("" is the root), sorted, at most limit of them (CR_LIMIT), in the arena. A missing prefix has none. */
cr_status cr_store_list(cr_store *s, const char *prefix, size_t limit, cr_arena *arena, cr_store_entry **ret_entries, size_t *ret_n,
                        cr_err *err) CR_MUST_USE;
cr_status cr_store_write(cr_store *s, const char *key, const void *bytes, size_t n, cr_err *err) CR_MUST_USE;
/* The same for a value that is made in parts and never whole in memory: fill hands them over one after the other with cr_store_put. When it
 * fails, nothing of them is seen. */
typedef struct cr_store_out cr_store_out;
typedef cr_status (*cr_store_fill_fn)(void *user, cr_store_out *out, cr_err *err);
cr_status cr_store_write_from(cr_store *s, const char *key, cr_store_fill_fn fill, void *user, cr_err *err) CR_MUST_USE;
cr_status cr_store_put(cr_store_out *out, const void *bytes, size_t n, cr_err *err) CR_MUST_USE;
/* The same without a function around it, for a value whose first head_bytes are known last: cr_store_put adds what follows them. It is there
 * when cr_store_finish says so, which ends *out also when it fails; cr_store_abandon leaves nothing. In private directories alone
 * (CR_UNSUPPORTED). */
cr_status cr_store_begin(cr_store *s, const char *key, size_t head_bytes, cr_store_out **ret_out, cr_err *err) CR_MUST_USE;
cr_status cr_store_finish(cr_store_out *out, const void *head, cr_err *err) CR_MUST_USE;
void cr_store_abandon(cr_store_out *out);                          /* NULL is allowed */
/* Everything written so far survives a power cut. */
cr_status cr_store_sync(cr_store *s, cr_err *err) CR_MUST_USE;

/* A directory. CR_NO_FILE when it does not exist. is_private: nobody reads it yet (it will be renamed when complete), so values
 * are written in place, without a temporary file each; invariant 3 then is the caller's rename. */
cr_status cr_store_open_dir(const char *path, bool is_private, cr_store **ret_store, cr_err *err) CR_MUST_USE;
/* From now on values of this directory, which is not private, are made in its directory `name`, which is there, and moved to their keys when
 * complete. Whoever removes that directory stops all writers at once, also those that cannot be reached any more: what was not moved
 * before never is (CR_NO_FILE). CR_UNSUPPORTED: no directory. */
cr_status cr_store_stage(cr_store *s, const char *name, cr_err *err) CR_MUST_USE;
/* Memory, holding at most max_bytes of values. */
cr_status cr_store_open_memory(size_t max_bytes, cr_store **ret_store, cr_err *err) CR_MUST_USE;

/* ---- for those who implement a store -------------------------------------------------------------------------------- */

typedef struct cr_store_ops {
    const char *name;
    cr_status (*stat)(cr_store *s, const char *key, cr_store_info *ret_info, cr_err *err);
    cr_status (*read)(cr_store *s, const char *key, cr_store_range range, cr_store_room_fn room, void *user, size_t *ret_n,
                      cr_store_info *ret_info, cr_err *err);
    cr_status (*list)(cr_store *s, const char *prefix, size_t limit, cr_arena *arena, cr_store_entry **ret_entries, size_t *ret_n,
                      cr_err *err);
    cr_status (*write)(cr_store *s, const char *key, cr_store_fill_fn fill, void *user, cr_err *err);
    cr_status (*sync)(cr_store *s, cr_err *err);
    void (*free)(cr_store *s);
    cr_status (*begin)(cr_store *s, const char *key, size_t head_bytes, cr_store_out **ret_out, cr_err *err);   /* NULL: unsupported */
} cr_store_ops;

struct cr_store {
    const cr_store_ops *ops;
    int refs;                     /* atomic */
    char *name;
};
struct cr_store_out {
    cr_status (*put)(cr_store_out *out, const void *bytes, size_t n, cr_err *err);
    cr_status (*end)(cr_store_out *out, const void *head, cr_err *err);     /* of cr_store_begin; head NULL: abandoned, cannot fail. Frees out */
};
/* Start and length of a range within a value of size bytes; CR_RANGE. */
cr_status cr_store_resolve(const cr_store *s, const char *key, cr_store_range range, uint64_t size, uint64_t *ret_start,
                           size_t *ret_length, cr_err *err) CR_MUST_USE;
/* Sorts by name and drops repeated names. */
size_t cr_store_sort_entries(cr_store_entry *entries, size_t n);

#endif
