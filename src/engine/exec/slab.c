/* slab.c - blocks from mmap by size class. */
#include "engine/exec/slab.h"

#include <sys/mman.h>
#include <unistd.h>
#include "base/poison.h"
#include "base/text.h"

struct cr_slab_free {
    cr_slab_free *next;
    uint64_t touched_bytes;       /* by who had it */
};

#define LEAST_BYTES ((uint64_t)64 << 10)
#define CLASSES (8 * 48)

/* Class k holds blocks of (8 + k % 8) / 8 * 64 KiB * 2^(k / 8). */
static uint64_t class_bytes(int k) { return (LEAST_BYTES / 8 * (uint64_t)(8 + k % 8)) << (k / 8); }

static int class_of(uint64_t bytes) {
    int k = 0;
    if (bytes > LEAST_BYTES) {
        int doubling = 63 - __builtin_clzll(bytes / LEAST_BYTES);
        for (k = 8 * doubling; k < CLASSES && class_bytes(k) < bytes;)
            k++;
    }
    return k;
}

void cr_slab_init(cr_slab *s) {
    memset(s, 0, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
}

void cr_slab_done(cr_slab *s) {
    cr_slab_trim(s, 0);
    pthread_mutex_destroy(&s->lock);
}

/* What may go on waiting beside what is held. */
static uint64_t room_to_wait(cr_slab *s) {
    pthread_mutex_lock(&s->lock);
    uint64_t room = s->limit_bytes == 0 ? UINT64_MAX : s->limit_bytes - CR_MIN(s->limit_bytes, s->bytes_held);
    pthread_mutex_unlock(&s->lock);
    return room;
}

/* Pages of a block that the next one has no use for, since it asks for less: they are not counted, so they are not kept. */
static void drop_tail(void *block, uint64_t touched_bytes, uint64_t bytes) {
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), from = (bytes + page - 1) / page * page;
    if (touched_bytes > from)
        madvise((char *)block + from, touched_bytes - from, MADV_DONTNEED);
}

cr_status cr_slab_take(cr_slab *s, uint64_t bytes, void **ret_block, cr_err *err) {
    int k = bytes > (uint64_t)1 << 46 ? CLASSES : class_of(bytes);
    char text[32];
    if (k >= CLASSES)
        return CR_FAIL(err, CR_MEMORY, "a block of %s is too large", cr_text_bytes(bytes, text, sizeof text));
    pthread_mutex_lock(&s->lock);
    void *block = s->waiting[k];
    if (block != NULL) {
        s->waiting[k] = s->waiting[k]->next;
        s->bytes_waiting -= class_bytes(k);
    }
    s->bytes_held += bytes;
    s->peak_bytes = CR_MAX(s->peak_bytes, s->bytes_held);
    pthread_mutex_unlock(&s->lock);
    if (block == NULL) {
        cr_slab_trim(s, room_to_wait(s));
        block = mmap(NULL, class_bytes(k), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (block == MAP_FAILED) {
            pthread_mutex_lock(&s->lock);
            s->bytes_held -= bytes;
            pthread_mutex_unlock(&s->lock);
            return CR_FAIL(err, CR_MEMORY, "the system has no memory for a block of %s", cr_text_bytes(bytes, text, sizeof text));
        }
    } else {
        drop_tail(block, ((cr_slab_free *)block)->touched_bytes, bytes);
    }
    cr_unpoison(block, bytes);
    cr_poison((char *)block + bytes, class_bytes(k) - bytes);
    *ret_block = block;
    return CR_OK;
}

void cr_slab_give(cr_slab *s, void *block, uint64_t bytes) {
    if (block == NULL)
        return;
    int k = class_of(bytes);
    cr_poison((char *)block + sizeof(cr_slab_free), class_bytes(k) - sizeof(cr_slab_free));
    cr_unpoison(block, sizeof(cr_slab_free));
    pthread_mutex_lock(&s->lock);
    *(cr_slab_free *)block = (cr_slab_free){s->waiting[k], bytes};
    s->waiting[k] = block;
    s->bytes_held -= bytes;
    s->bytes_waiting += class_bytes(k);
    pthread_mutex_unlock(&s->lock);
}

cr_status cr_slab_reserve(cr_slab *s, uint64_t bytes, uint64_t touched_bytes, void **ret_block, cr_err *err) {
    char text[32];
    cr_slab_trim(s, room_to_wait(s));
    void *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (block == MAP_FAILED)
        return CR_FAIL(err, CR_MEMORY, "the system has no memory for a block of %s", cr_text_bytes(bytes, text, sizeof text));
    pthread_mutex_lock(&s->lock);
    s->bytes_held += touched_bytes;
    s->peak_bytes = CR_MAX(s->peak_bytes, s->bytes_held);
    pthread_mutex_unlock(&s->lock);
    *ret_block = block;
    return CR_OK;
}

void cr_slab_release(cr_slab *s, void *block, uint64_t bytes, uint64_t touched_bytes) {
    if (block == NULL)
        return;
    munmap(block, bytes);
    pthread_mutex_lock(&s->lock);
    s->bytes_held -= touched_bytes;
    pthread_mutex_unlock(&s->lock);
}

void cr_slab_trim(cr_slab *s, uint64_t keep_bytes) {
    pthread_mutex_lock(&s->lock);
    for (int k = CLASSES - 1; k >= 0 && s->bytes_waiting > keep_bytes; k--)
        while (s->waiting[k] != NULL && s->bytes_waiting > keep_bytes) {
            cr_slab_free *block = s->waiting[k];
            s->waiting[k] = block->next;
            s->bytes_waiting -= class_bytes(k);
            cr_unpoison(block, class_bytes(k)); /* who gets these addresses next knows nothing of it */
            munmap(block, class_bytes(k));
        }
    pthread_mutex_unlock(&s->lock);
}
