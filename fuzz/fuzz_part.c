/* fuzz_part.c - parts of a reduction that were changed on their way: refused, or combined to some numbers, and never read beyond their end.
 *
 * The first byte says which reduction, the second which part is changed; then come changes: three bytes of place, one of value. The last two
 * bytes of the input shorten or lengthen the part. The head's size and checksum are put right, so that what changes is seen by those who read states. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "craton/craton.h"
#include "engine/exec/part_form.h"
#include "engine/plan/serialize_form.h"
#include "fuzz_read.h"

enum { ROWS = 2048, COLUMNS = 4, N_CASES = 4, MOST = 32 };

typedef struct fuzz_case {
    cr_array *array;
    int64_t n_parts;
    void *parts[MOST];
    size_t sizes[MOST];
} fuzz_case;

static void must(cr_status s) {
    if (s != CR_OK)
        abort();
}

static cr_array *make_case(cr_array *a, int number) {
    static int32_t codes[ROWS];
    cr_reduce_options o = {.skipna = true};
    int axis = 0;
    cr_array *r;
    cr_err err = CR_ERR_INIT;
    for (int i = 0; i < ROWS; i++)
        codes[i] = i % 5 - 1;
    if (number < 3) {
        static const cr_reduction reductions[] = {CR_REDUCE_MEAN, CR_REDUCE_STD, CR_REDUCE_ARGMAX};
        must(cr_array_reduce(reductions[number], a, 1, &axis, &o, &r, &err));
    } else {
        must(cr_array_group(CR_REDUCE_MIN, a, 1, &axis, codes, 5, &o, &r, &err));
    }
    return r;
}

static fuzz_case *cases(cr_context *c) {
    static fuzz_case made[N_CASES];
    static float values[ROWS * COLUMNS];
    int64_t shape[] = {ROWS, COLUMNS}, chunks[] = {1, COLUMNS};
    cr_err err = CR_ERR_INIT;
    cr_array *a;
    if (made[0].array != NULL)
        return made;
    for (int i = 0; i < ROWS * COLUMNS; i++)
        values[i] = (float)(i % 97);
    must(cr_array_from_memory(CR_F32, 4, 2, shape, NULL, chunks, values, NULL, NULL, &a, &err));
    for (int i = 0; i < N_CASES; i++) {
        cr_part_cut cut;
        made[i].array = make_case(a, i);
        must(cr_part_look(c, 1, &made[i].array, 4, &cut, &err));
        made[i].n_parts = cut.n_parts;
        if (cut.n_parts < 2 || cut.n_parts > MOST)
            abort();
        for (int64_t k = 0; k < cut.n_parts; k++)
            must(cr_part_compute(c, 1, &made[i].array, 4, k, &made[i].parts[k], &made[i].sizes[k], &err));
    }
    cr_array_unref(a);
    return made;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static cr_context *c;
    cr_context_options options = {.threads = 1, .memory_limit_bytes = 16 << 20, .simd_level = -1};
    cr_err err = CR_ERR_INIT;
    if (n < 4)
        return 0;
    if (c == NULL && cr_context_new(&options, &c, &err) != CR_OK)
        abort();
    fuzz_case *f = &cases(c)[data[0] % N_CASES];
    int64_t which = data[1] % f->n_parts;
    size_t size = f->sizes[which] + (int8_t)data[n - 1] * (data[n - 2] % 4 == 0);
    char *bytes = calloc(size + 1, 1);
    memcpy(bytes, f->parts[which], CR_MIN(size, f->sizes[which]));
    for (size_t at = 2; at + 4 <= n - 2; at += 4)
        bytes[(data[at] | (size_t)data[at + 1] << 8 | (size_t)data[at + 2] << 16) % (size + 1)] = (char)data[at + 3];
    if (size >= CR_PART_HEAD_BYTES) {
        cr_part_head h;
        memcpy(&h, bytes, sizeof h);
        h.bytes = size;
        h.sum = cr_graph_sum(bytes + CR_PART_HEAD_BYTES, size - CR_PART_HEAD_BYTES);
        memcpy(bytes, &h, sizeof h);
    }
    const void *parts[MOST];
    size_t sizes[MOST];
    double out[5 * COLUMNS];
    void *outs[] = {out};
    for (int64_t k = 0; k < f->n_parts; k++) {
        parts[k] = k == which ? bytes : f->parts[k];
        sizes[k] = k == which ? size : f->sizes[k];
    }
    if (cr_part_combine(c, 1, &f->array, 4, f->n_parts, parts, sizes, outs, &err) != CR_OK)
        fuzz_check_error(&err);
    free(bytes);
    return 0;
}
