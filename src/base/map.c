/* map.c - open addressing with linear probing and backward-shift deletion. */
#include "base/map.h"

#include <stdlib.h>
#include <sys/random.h>

static uint64_t seed;

__attribute__((constructor)) static void make_seed(void) {
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
        seed = (uint64_t)(uintptr_t)&seed * 0x9E3779B97F4A7C15u;
}

static uint64_t hash_text(const char *s) {
    uint64_t h = seed ^ 0xCBF29CE484222325u;
    for (; *s; s++) {
        h ^= (unsigned char)*s;
        h *= 0x100000001B3u;
        h ^= h >> 29;
    }
    h *= 0xBF58476D1CE4E5B9u;
    return h ^ (h >> 32);
}

void cr_map_init(cr_map *m, size_t max_entries) {
    *m = (cr_map){NULL, 0, 0, max_entries};
}

void cr_map_done(cr_map *m) {
    for (size_t i = 0; i < m->cap; i++)
        free(m->slots[i].key);
    free(m->slots);
    *m = (cr_map){NULL, 0, 0, m->max};
}

static size_t find(const cr_map *m, const char *key, uint64_t h) {
    size_t i = h & (m->cap - 1);
    while (m->slots[i].key && (m->slots[i].hash != h || strcmp(m->slots[i].key, key) != 0))
        i = (i + 1) & (m->cap - 1);
    return i;
}

void *cr_map_get(const cr_map *m, const char *key) {
    if (!m->len)
        return NULL;
    return m->slots[find(m, key, hash_text(key))].value;
}

static cr_status grow(cr_map *m, cr_err *err) {
    cr_map old = *m;
    size_t cap = old.cap ? old.cap * 2 : 16;
    cr_map_slot *slots = calloc(cap, sizeof *slots);
    if (!slots)
        return CR_FAIL(err, CR_MEMORY, "no memory for a map of %zu entries", cap);
    m->slots = slots;
    m->cap = cap;
    for (size_t i = 0; i < old.cap; i++)
        if (old.slots[i].key)
            m->slots[find(m, old.slots[i].key, old.slots[i].hash)] = old.slots[i];
    free(old.slots);
    return CR_OK;
}

cr_status cr_map_set(cr_map *m, const char *key, void *value, cr_err *err) {
    uint64_t h = hash_text(key);
    if (m->cap) {
        cr_map_slot *s = &m->slots[find(m, key, h)];
        if (s->key) {
            s->value = value;
            return CR_OK;
        }
    }
    if (m->len >= m->max)
        return CR_FAIL(err, CR_LIMIT, "more than %zu entries", m->max);
    if ((m->len + 1) * 4 > m->cap * 3)
        CR_TRY(grow(m, err));
    char *copy = strdup(key);
    if (!copy)
        return CR_FAIL(err, CR_MEMORY, "no memory for a key");
    m->slots[find(m, key, h)] = (cr_map_slot){copy, value, h};
    m->len++;
    return CR_OK;
}

void *cr_map_remove(cr_map *m, const char *key) {
    if (!m->len)
        return NULL;
    size_t i = find(m, key, hash_text(key));
    if (!m->slots[i].key)
        return NULL;
    void *value = m->slots[i].value;
    free(m->slots[i].key);
    m->len--;
    /* Move later entries of the probe chain back, so that no tombstones are needed. */
    size_t hole = i;
    for (size_t j = (i + 1) & (m->cap - 1); m->slots[j].key; j = (j + 1) & (m->cap - 1)) {
        size_t home = m->slots[j].hash & (m->cap - 1);
        if (((j - home) & (m->cap - 1)) >= ((j - hole) & (m->cap - 1))) {
            m->slots[hole] = m->slots[j];
            hole = j;
        }
    }
    m->slots[hole] = (cr_map_slot){NULL, NULL, 0};
    return value;
}

size_t cr_map_next(const cr_map *m, size_t i, const char **ret_key, void **ret_value) {
    for (; i < m->cap; i++) {
        if (m->slots[i].key) {
            if (ret_key)
                *ret_key = m->slots[i].key;
            if (ret_value)
                *ret_value = m->slots[i].value;
            return i + 1;
        }
    }
    return 0;
}
