/* test_plan.c - what planning promises about memory, and what explain says of it, against what is counted. */
#include "../check_main.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/error.h"
#include "base/poison.h"
#include "craton/craton.h"
#include "engine/exec/run.h"
#include "engine/exec/slab.h"
#include "engine/exec/stage.h"
#include "engine/format/model.h"

enum { T = 96, Y = 128, X = 64, CHUNK = 4, CHUNKS = T / CHUNK };

/* ---- a stored array whose chunks count how often they are decoded ---- */

static atomic_int decoded[CHUNKS];
static int slow_ms; /* that decoding takes */

static cr_status read_chunk(cr_source *s, const int64_t *chunk, void *dst, cr_scratch *scratch, bool *ret_absent, cr_err *err) {
    double *out = dst;
    atomic_fetch_add(&decoded[chunk[0]], 1);
    if (slow_ms > 0)
        nanosleep(&(struct timespec){.tv_nsec = slow_ms * 1000000L}, NULL);
    for (int64_t i = 0; i < CHUNK * Y * X; i++)
        out[i] = (double)((chunk[0] * 7919 + i * 31) % 1009);
    *ret_absent = false;
    return CR_OK;
}

static size_t scratch_bytes(const cr_source *s) { return 0; }
static size_t stored_bytes(const cr_source *s, const int64_t *chunk) { return s->chunk_bytes; }
static void free_source(cr_source *s) {
    cr_source_fini(s);
    free(s);
}
static const cr_source_ops ops = {"counted", read_chunk, scratch_bytes, stored_bytes, free_source, NULL};

static cr_array *counted_array(void) {
    const int64_t shape[] = {T, Y, X}, chunks[] = {CHUNK, Y, X};
    cr_source *s = calloc(1, sizeof *s);
    cr_err err = CR_ERR_INIT;
    cr_array *a;
    ck_assert_ptr_nonnull(s);
    ck_assert_ok(cr_source_init(s, &ops, CR_F64, 8, 3, shape, chunks, "counted", &err));
    ck_assert_ok(cr_array_from_source(s, &a, &err));
    cr_source_unref(s);
    return a;
}

static cr_context *context(int threads, uint64_t limit) {
    cr_context_options o = {.threads = threads, .memory_limit_bytes = limit, .simd_level = -1};
    cr_err err = CR_ERR_INIT;
    cr_context *c;
    ck_assert_ok(cr_context_new(&o, &c, &err));
    return c;
}

static char *explained(cr_context *c, cr_array *a) {
    cr_err err = CR_ERR_INIT;
    char *text = NULL;
    ck_assert_ok(cr_explain(c, 1, &a, &text, &err));
    return text;
}

START_TEST(cancel_before_anything_runs) {
    static double out[Y][X];
    const int axis = 0;
    void *to = out;
    cr_array *a = counted_array(), *m;
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_array_median(a, 1, &axis, NULL, &m, &err));
    for (int stays = 0; stays < 2; stays++) {
        cr_context_options o = {.threads = 2, .simd_level = -1, .cancel_stays = stays};
        cr_context *c;
        ck_assert_ok(cr_context_new(&o, &c, &err));
        cr_context_cancel(c);
        for (int i = 0; i < 2; i++) {
            cr_status status = cr_compute(c, 1, &m, &to, &err);
            ck_assert_int_eq(status, stays ? CR_CANCELLED : CR_OK);
            err = (cr_err)CR_ERR_INIT;
        }
        cr_context_begin(c); /* a call of several computations */
        cr_context_cancel(c);
        for (int i = 0; i < 2; i++) {
            ck_assert_int_eq(cr_compute(c, 1, &m, &to, &err), CR_CANCELLED);
            err = (cr_err)CR_ERR_INIT;
        }
        cr_context_end(c);
        cr_context_free(c);
    }
    cr_array_unref(m);
    cr_array_unref(a);
}
END_TEST

START_TEST(explain_counts_decoding) {
    static double out[Y][X];
    const int axis = 0;
    cr_err err = CR_ERR_INIT;
    cr_array *a = counted_array(), *m;
    cr_context *c = context(1, 4 << 20); /* all values take 6 MiB */
    ck_assert_ok(cr_array_median(a, 1, &axis, NULL, &m, &err));
    char *text = explained(c, m);
    const char *times = strstr(text, "each decoded ");
    ck_assert_msg(times != NULL, "nothing is said of decoding twice:\n%s", text);
    double told = atof(times + strlen("each decoded "));
    void *to = out;
    ck_assert_ok(cr_compute(c, 1, &m, &to, &err));
    for (int i = 0; i < CHUNKS; i++)
        ck_assert_msg(atomic_load(&decoded[i]) == (int)told && told == (int)told, "chunk %d was decoded %d times, foretold:\n%s", i,
                      atomic_load(&decoded[i]), text);
    ck_assert_uint_le(cr_context_peak_bytes(c), 4 << 20);
    cr_free(text);
    cr_context_free(c);
    cr_array_unref(m);
    cr_array_unref(a);
}
END_TEST

START_TEST(nothing_is_said_of_decoding_once) {
    const int axis = 0;
    cr_err err = CR_ERR_INIT;
    cr_array *a = counted_array(), *m;
    cr_context *c = context(2, 64 << 20);
    ck_assert_ok(cr_array_median(a, 1, &axis, NULL, &m, &err));
    char *text = explained(c, m);
    ck_assert_msg(strstr(text, "each decoded") == NULL, "%s", text);
    cr_free(text);
    cr_context_free(c);
    cr_array_unref(m);
    cr_array_unref(a);
}
END_TEST

typedef struct seen {
    double last, total, rest;
    int n, beside, n_ends;            /* calls; those while scratch files are made; at the end */
    bool falls;
} seen;

static void watch(void *user, double done, double total, int phase, int n_phases) {
    seen *s = user;
    s->falls = s->falls || done < s->last || (s->n > 0 && total != s->total) || phase < 0 || phase >= n_phases || s->n_ends > 0;
    if (s->n++ == 0)
        ck_assert_msg(done < 0.2 * total, "begins with %g of %g", done, total);
    s->beside += done < total - s->rest;
    s->n_ends += done >= total;
    s->last = done;
    s->total = total;
}

/* The spread of what is left of each value without the mean of its group: the means are larger than memory. What is shown goes on from the first chunk that is
 * read for a scratch file to the end, as one. */
START_TEST(progress_goes_on_while_scratch_files_are_made) {
    enum { GROUPS = 48 };
    static double out[Y][X], again[Y][X];
    const int axis = 0;
    int32_t codes[T];
    int64_t index[T];
    void *to = out;
    seen s = {0};
    cr_err err = CR_ERR_INIT;
    cr_array *a = counted_array(), *means, *mean_of_each, *without, *spread;
    for (int i = 0; i < T; i++)
        index[i] = codes[i] = i % GROUPS;
    ck_assert_ok(cr_array_group(CR_REDUCE_MEAN, a, 1, &axis, codes, GROUPS, NULL, &means, &err));
    ck_assert_ok(cr_array_take(means, 0, index, T, &mean_of_each, &err));
    cr_array *both[] = {a, mean_of_each};
    ck_assert_ok(cr_array_map(CR_MAP_SUBTRACT, both, &without, &err));
    ck_assert_ok(cr_array_reduce(CR_REDUCE_STD, without, 1, &axis, NULL, &spread, &err));
    cr_context *c = context(2, 0);
    ck_assert_ok(cr_compute(c, 1, &spread, &to, &err));
    cr_context_free(c);

    c = context(2, 2 << 20);
    cr_context_set_progress(c, watch, &s);
    cr_output_spec output = {.data = again};
    cr_staging staging;
    ck_assert_ok(cr_staging_make(c, 1, &spread, &output, &staging, &err));
    ck_assert_double_gt(cr_staging_weigh(c, &staging, &output), staging.rest);
    ck_assert_double_gt(staging.rest, 0);
    s.rest = staging.rest;
    cr_staging_done(&staging);
    slow_ms = 80; /* what is shown has a tenth of a second between, on machines of any speed */
    to = again;
    ck_assert_ok(cr_compute(c, 1, &spread, &to, &err));
    slow_ms = 0;
    ck_assert(!s.falls && s.n_ends == 1);
    ck_assert_msg(s.beside >= 3, "shown %d times while scratch files were made, %d times in all", s.beside, s.n);
    ck_assert_mem_eq(out, again, sizeof out);
    cr_context_free(c);
    cr_array_unref(spread);
    cr_array_unref(without);
    cr_array_unref(mean_of_each);
    cr_array_unref(means);
    cr_array_unref(a);
}
END_TEST

/* A scan of one unit needs one worker, however many threads there are, and no more memory than one thread does. */
START_TEST(workers_without_units_take_no_memory) {
    const int64_t shape[] = {300, 400};
    static double out[300][400];
    cr_err err = CR_ERR_INIT;
    cr_array *a, *doubled;
    uint64_t peak[2];
    ck_assert_ok(cr_array_copy_memory(CR_F64, 2, shape, &out[0][0], &a, &err));
    cr_array *args[] = {a, a};
    ck_assert_ok(cr_array_map(CR_MAP_ADD, args, &doubled, &err));
    for (int i = 0; i < 2; i++) {
        cr_context *c = context(i == 0 ? 1 : 64, 0);
        void *to = out;
        if (i == 1) {
            char *text = explained(c, doubled);
            ck_assert_msg(strstr(text, " 1 units, 1 workers") != NULL, "%s", text);
            cr_free(text);
        }
        ck_assert_ok(cr_compute(c, 1, &doubled, &to, &err));
        peak[i] = cr_context_peak_bytes(c);
        cr_context_free(c);
    }
    ck_assert_uint_eq(peak[0], peak[1]);
    cr_array_unref(doubled);
    cr_array_unref(a);
}
END_TEST

/* Blocks that wait for the next taker count against the limit like those in use. */
START_TEST(waiting_blocks_make_room) {
    cr_slab s;
    cr_err err = CR_ERR_INIT;
    void *block;
    cr_slab_init(&s);
    s.limit_bytes = 5 << 20;
    ck_assert_ok(cr_slab_take(&s, 1 << 20, &block, &err));
    cr_slab_give(&s, block, 1 << 20);
    ck_assert_ok(cr_slab_take(&s, 2 << 20, &block, &err));
    cr_slab_give(&s, block, 2 << 20);
    ck_assert_uint_eq(s.bytes_waiting, 3 << 20);
    ck_assert_ok(cr_slab_take(&s, 4 << 20, &block, &err));
    ck_assert_uint_le(s.bytes_held + s.bytes_waiting, s.limit_bytes);
    cr_slab_give(&s, block, 4 << 20);
    cr_slab_done(&s);
}
END_TEST

#ifdef CR_POISONS
/* Of a block nobody has what is beyond the bytes that were asked for, and nothing of it after it was given back. */
START_TEST(what_nobody_has_is_poisoned) {
    cr_slab s;
    void *block, *again;
    cr_slab_init(&s);
    ck_assert_int_eq(cr_slab_take(&s, 70000, &block, NULL), CR_OK);
    ck_assert(__asan_region_is_poisoned(block, 70000) == NULL && __asan_address_is_poisoned((char *)block + 70000));
    cr_slab_give(&s, block, 70000);
    ck_assert(__asan_address_is_poisoned((char *)block + 64));
    ck_assert_int_eq(cr_slab_take(&s, 70001, &again, NULL), CR_OK);
    ck_assert(again == block && __asan_region_is_poisoned(again, 70001) == NULL);
    cr_slab_give(&s, again, 70001);
    cr_slab_done(&s);
}
END_TEST
#endif

static Suite *suite(void) {
    Suite *s = suite_create("plan");
    TCase *t = tcase_create("plan");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, cancel_before_anything_runs);
    tcase_add_test(t, explain_counts_decoding);
    tcase_add_test(t, nothing_is_said_of_decoding_once);
    tcase_add_test(t, progress_goes_on_while_scratch_files_are_made);
    tcase_add_test(t, workers_without_units_take_no_memory);
    tcase_add_test(t, waiting_blocks_make_room);
#ifdef CR_POISONS
    tcase_add_test(t, what_nobody_has_is_poisoned);
#endif
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
