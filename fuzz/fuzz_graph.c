/* fuzz_graph.c - any bytes as a graph that was sent: read, computed when it is small, written and read again.
 *
 * The head's sizes and checksum are put right first, so that what changes is seen by the reader of nodes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "craton/craton.h"
#include "engine/plan/serialize_form.h"
#include "fuzz_read.h"

enum { MOST_NODES = 300, MOST_ELEMENTS = 20000 };

/* Whether all that it takes is little: elements of every node, each time that it is met. */
static bool is_small(cr_array *a, int *nodes, int64_t *elements) {
    int64_t n = cr_array_size(a);
    if (++*nodes > MOST_NODES || n > MOST_ELEMENTS || (*elements += n) > MOST_ELEMENTS || cr_array_itemsize(a) > 64)
        return false;
    for (int i = 0; i < cr_array_n_inputs(a); i++)
        if (!is_small(cr_array_input(a, i), nodes, elements))
            return false;
    return true;
}

static void compute(cr_context *c, cr_array **arrays, int n) {
    cr_err err = CR_ERR_INIT;
    int nodes = 0;
    int64_t elements = 0;
    bool small = n <= 16;
    for (int i = 0; i < n && small; i++)
        small = is_small(arrays[i], &nodes, &elements);
    if (!small || n == 0)
        return;
    void *out[16];
    for (int i = 0; i < n; i++)
        out[i] = malloc((size_t)cr_array_size(arrays[i]) * cr_array_itemsize(arrays[i]) + 1);
    if (cr_compute(c, n, arrays, out, &err) != CR_OK)
        fuzz_check_error(&err);
    for (int i = 0; i < n; i++)
        free(out[i]);
}

static cr_array **again(cr_array **arrays, int *n, void **ret_bytes, size_t *ret_n) {
    cr_err err = CR_ERR_INIT;
    cr_array **read = NULL;
    int n_read = 0;
    if (cr_graph_encode(*n, arrays, UINT64_MAX, ret_bytes, ret_n, &err) != CR_OK || cr_graph_decode(*ret_bytes, *ret_n, &read, &n_read, &err) != CR_OK)
        abort();
    if (n_read != *n)
        abort();
    cr_graph_free(arrays, *n);
    return read;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static cr_context *c;
    cr_context_options options = {.threads = 1, .memory_limit_bytes = 16 << 20, .simd_level = -1};
    cr_err err = CR_ERR_INIT;
    if (c == NULL && cr_context_new(&options, &c, &err) != CR_OK)
        abort();
    char *bytes = malloc(n + 1);
    memcpy(bytes, data, n);
    if (n >= CR_GRAPH_HEAD_BYTES) {
        cr_graph_head h;
        cr_graph_head_read(&h, bytes);
        h.bytes = n;
        h.sum = cr_graph_sum(bytes + CR_GRAPH_HEAD_BYTES, n - CR_GRAPH_HEAD_BYTES);
        cr_graph_head_write(&h, bytes);
    }
    cr_array **arrays;
    int n_arrays;
    if (cr_graph_decode(bytes, n, &arrays, &n_arrays, &err) == CR_OK) {
        void *first, *second;
        size_t n_first, n_second;
        compute(c, arrays, n_arrays);
        arrays = again(arrays, &n_arrays, &first, &n_first);
        arrays = again(arrays, &n_arrays, &second, &n_second);
        if (n_first != n_second || memcmp(first, second, n_first) != 0)
            abort();
        free(first);
        free(second);
        cr_graph_free(arrays, n_arrays);
    } else {
        fuzz_check_error(&err);
    }
    free(bytes);
    return 0;
}
