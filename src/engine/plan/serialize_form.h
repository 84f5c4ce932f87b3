/* serialize_form.h - what the writer and the reader of graphs share; the form itself is told in serialize.c. */
#ifndef CR_PLAN_SERIALIZE_FORM_H
#define CR_PLAN_SERIALIZE_FORM_H

#include <string.h>

#include "engine/array/node.h"

#define CR_GRAPH_MAGIC "\x93" "CRATON\n"
#define CR_GRAPH_HEAD_BYTES 36
#define CR_GRAPH_MOST_BYTES ((uint64_t)4 << 30)

typedef struct cr_graph_head {
    char magic[8];
    uint32_t version, n_nodes, n_outputs;
    uint64_t bytes, sum;
} cr_graph_head;

static inline void cr_graph_head_write(const cr_graph_head *h, char *to) {
    memcpy(to, h->magic, 8);
    memcpy(to + 8, &h->version, 4);
    memcpy(to + 12, &h->n_nodes, 4);
    memcpy(to + 16, &h->n_outputs, 4);
    memcpy(to + 20, &h->bytes, 8);
    memcpy(to + 28, &h->sum, 8);
}

static inline void cr_graph_head_read(cr_graph_head *h, const char *from) {
    memcpy(h->magic, from, 8);
    memcpy(&h->version, from + 8, 4);
    memcpy(&h->n_nodes, from + 12, 4);
    memcpy(&h->n_outputs, from + 16, 4);
    memcpy(&h->bytes, from + 20, 8);
    memcpy(&h->sum, from + 28, 8);
}

/* Against bytes that were damaged on their way; not against an enemy, whose bytes meet the checks of reading. */
static inline uint64_t cr_graph_sum(const char *bytes, size_t n) {
    uint64_t h = 0xcbf29ce484222325u;
    for (; n >= 8; n -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        h = (h ^ word) * 0x9E3779B97F4A7C15u;
        h ^= h >> 32;
    }
    for (; n > 0; n--, bytes++)
        h = (h ^ (unsigned char)*bytes) * 0x100000001b3u;
    return h;
}

/* Whether the constructor makes the second input from the first, unless it is given. */
static inline bool cr_graph_infers_rest(int op) { return op == CR_OP_CUMULATE || op == CR_OP_FILL; }

#endif
