/* arena.c - bounded bump allocation in blocks that double up to 1 MiB. */
#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct cr_arena_block {
    cr_arena_block *next;
    size_t size, used;
    _Alignas(16) unsigned char data[];
};

enum { FIRST_BLOCK = 4096 - 64, LARGEST_BLOCK = 1 << 20 };

void cr_arena_init(cr_arena *a, size_t limit_bytes) {
    *a = (cr_arena){NULL, 0, limit_bytes};
}

void cr_arena_done(cr_arena *a) {
    for (cr_arena_block *b = a->head, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    a->head = NULL;
    a->used_bytes = 0;
}

static cr_arena_block *add_block(cr_arena *a, size_t need) {
    size_t size = a->head ? CR_MIN(a->head->size * 2, (size_t)LARGEST_BLOCK) : FIRST_BLOCK;
    size_t room = a->limit_bytes > a->used_bytes ? a->limit_bytes - a->used_bytes : 0;
    if (room < sizeof(cr_arena_block) || need > room - sizeof(cr_arena_block))
        return NULL;
    size = CR_MAX(size, need);
    size = CR_MIN(size, room - sizeof(cr_arena_block));
    cr_arena_block *b = calloc(1, sizeof *b + size);
    if (!b)
        return NULL;
    b->size = size;
    b->next = a->head;
    a->head = b;
    a->used_bytes += sizeof *b + size;
    return b;
}

void *cr_arena_alloc(cr_arena *a, size_t bytes) {
    if (bytes > SIZE_MAX - 15)
        return NULL;
    bytes = bytes ? (bytes + 15) & ~(size_t)15 : 16;
    cr_arena_block *b = a->head;
    if (!b || b->size - b->used < bytes) {
        b = add_block(a, bytes);
        if (!b)
            return NULL;
    }
    void *p = b->data + b->used;
    b->used += bytes;
    return p;
}

void *cr_arena_calloc(cr_arena *a, size_t n, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes))
        return NULL;
    return cr_arena_alloc(a, bytes);
}

char *cr_arena_strndup(cr_arena *a, const char *s, size_t n) {
    char *p = n < SIZE_MAX ? cr_arena_alloc(a, n + 1) : NULL;
    if (p)
        memcpy(p, s, n);
    return p;
}

char *cr_arena_strdup(cr_arena *a, const char *s) {
    return cr_arena_strndup(a, s, strlen(s));
}

char *cr_arena_printf(cr_arena *a, const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n >= 0 ? cr_arena_alloc(a, (size_t)n + 1) : NULL;
    if (p)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}
