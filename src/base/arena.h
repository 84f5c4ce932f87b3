/* arena.h - memory of one request, one parse, one plan: allocated piece by piece, freed at once, bounded.
 *
 * An arena belongs to one thread at a time. Pieces are aligned to 16 bytes and zeroed. When the byte limit given to
 * cr_arena_init is reached, allocation returns NULL; callers turn that into CR_LIMIT.
 */
#ifndef CR_BASE_ARENA_H
#define CR_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>
#include "base/error.h"

typedef struct cr_arena_block cr_arena_block;
typedef struct cr_arena {
    cr_arena_block *head;
    size_t used_bytes, limit_bytes;   /* used counts what was asked of malloc */
} cr_arena;

void cr_arena_init(cr_arena *a, size_t limit_bytes);
void cr_arena_done(cr_arena *a);                       /* frees every piece; the arena may be used again */
void *cr_arena_alloc(cr_arena *a, size_t bytes);       /* zeroed; NULL when over the limit or out of memory */
void *cr_arena_calloc(cr_arena *a, size_t n, size_t size); /* NULL also when n * size overflows */
char *cr_arena_strdup(cr_arena *a, const char *s);
char *cr_arena_strndup(cr_arena *a, const char *s, size_t n);
char *cr_arena_printf(cr_arena *a, const char *fmt, ...) CR_PRINTF(2, 3);

static inline void cr_arena_cleanup(cr_arena *a) { cr_arena_done(a); }
#define cr_auto_arena __attribute__((cleanup(cr_arena_cleanup)))

#endif
