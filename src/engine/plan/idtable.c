/* idtable.c - open addressing, linear probing, at most half full. */
#include "engine/plan/idtable.h"

#include <stdlib.h>

static size_t place(const cr_idtable *t, uint64_t a, uint64_t b) {
    uint64_t h = (a ^ (b << 32 | b >> 32)) * 0x9E3779B97F4A7C15u;
    h = (h ^ h >> 31 ^ a) * 0xD6E8FEB86659FD93u;
    size_t i = (size_t)(h ^ h >> 32) & (t->cap - 1);
    while (t->slots[i].value >= 0 && (t->slots[i].a != a || t->slots[i].b != b))
        i = (i + 1) & (t->cap - 1);
    return i;
}

void cr_idtable_done(cr_idtable *t) {
    free(t->slots);
    memset(t, 0, sizeof *t);
}

int64_t cr_idtable_get(const cr_idtable *t, uint64_t a, uint64_t b) {
    return t->cap == 0 ? -1 : t->slots[place(t, a, b)].value;
}

cr_status cr_idtable_put(cr_idtable *t, uint64_t a, uint64_t b, int64_t value, cr_err *err) {
    if (2 * (t->len + 1) > t->cap) {
        cr_idtable bigger = {.cap = t->cap == 0 ? 64 : 2 * t->cap};
        bigger.slots = malloc(bigger.cap * sizeof *bigger.slots);
        if (bigger.slots == NULL)
            return CR_FAIL(err, CR_MEMORY, "no memory to plan a graph of %zu parts", t->len);
        for (size_t i = 0; i < bigger.cap; i++)
            bigger.slots[i].value = -1;
        for (size_t i = 0; i < t->cap; i++)
            if (t->slots[i].value >= 0)
                bigger.slots[place(&bigger, t->slots[i].a, t->slots[i].b)] = t->slots[i];
        bigger.len = t->len;
        free(t->slots);
        *t = bigger;
    }
    size_t i = place(t, a, b);
    t->len += t->slots[i].value < 0;
    t->slots[i].a = a;
    t->slots[i].b = b;
    t->slots[i].value = value;
    return CR_OK;
}
