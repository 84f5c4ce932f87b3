/* map.h - a hash map from text to pointer, with a maximum number of entries. Keys are copied; values are borrowed.
 * The hash is seeded at random per process, so that chosen keys cannot make it slow. Belongs to one thread. */
#ifndef CR_BASE_MAP_H
#define CR_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

typedef struct cr_map_slot {
    char *key;                /* NULL: free */
    void *value;
    uint64_t hash;
} cr_map_slot;
typedef struct cr_map {
    cr_map_slot *slots;
    size_t len, cap, max;
} cr_map;

void cr_map_init(cr_map *m, size_t max_entries);
void cr_map_done(cr_map *m);
void *cr_map_get(const cr_map *m, const char *key);                  /* NULL when absent */
cr_status cr_map_set(cr_map *m, const char *key, void *value, cr_err *err) CR_MUST_USE;
void *cr_map_remove(cr_map *m, const char *key);                     /* the value that was there, or NULL */
/* for (size_t i = 0; (i = cr_map_next(m, i, &key, &value)); ) { ... } ; order is not defined */
size_t cr_map_next(const cr_map *m, size_t i, const char **ret_key, void **ret_value);

#endif
