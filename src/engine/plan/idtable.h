/* idtable.h - a hash table from two words to a small number, for the planner: node to id, (node, access) to value. Not for keys from
 * outside that must not collide: the keys are addresses and counters, mixed. Belongs to one thread. */
#ifndef CR_PLAN_IDTABLE_H
#define CR_PLAN_IDTABLE_H

#include <stdint.h>
#include "base/error.h"

typedef struct cr_idtable {
    struct { uint64_t a, b; int64_t value; } *slots; /* value < 0: free */
    size_t cap, len;
} cr_idtable;

void cr_idtable_done(cr_idtable *t);
int64_t cr_idtable_get(const cr_idtable *t, uint64_t a, uint64_t b);                      /* -1 when absent */
cr_status cr_idtable_put(cr_idtable *t, uint64_t a, uint64_t b, int64_t value, cr_err *err) CR_MUST_USE; /* value >= 0; replaces */

#endif
