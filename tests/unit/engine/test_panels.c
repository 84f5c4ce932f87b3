/* test_panels.c - panels against counting: the formula for reads, limits, and what an intermediate grid is worth; cr_rechunk's arguments. */
#include "../check_main.h"

#include <math.h>
#include <string.h>
#include "base/error.h"
#include "engine/exec/panels.h"
#include "craton/rechunk.h"

static uint64_t state = 20261128;
static int64_t below(int64_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((state >> 33) % (uint64_t)n);
}

static int64_t pieces(int64_t extent, int64_t size) { return (extent + size - 1) / size; }

/* Walks all panels and counts the source chunks that each meets. */
static double counted(const cr_panels *p) {
    double reads = 1;
    for (int i = 0; i < p->ndim; i++) {
        int64_t meetings = 0;
        for (int64_t at = 0; at < p->shape[i]; at += p->panel[i])
            meetings += (CR_MIN(at + p->panel[i], p->shape[i]) - 1) / p->source[i] - at / p->source[i] + 1;
        reads *= (double)meetings / (double)pieces(p->shape[i], p->source[i]);
    }
    return reads;
}

static cr_panels random_case(void) {
    cr_panels p = {.ndim = (int)below(4) + 1, .itemsize = (size_t)1 << below(4)};
    for (int i = 0; i < p.ndim; i++) {
        p.shape[i] = below(200) + 1;
        p.source[i] = below(p.shape[i]) + 1;
        p.chunk[i] = below(p.shape[i]) + 1;
    }
    return p;
}

START_TEST(test_random) {
    for (int k = 0; k < 20000; k++) {
        cr_panels p = random_case(), least = p;
        double chunk_bytes = (double)p.itemsize;
        uint64_t most = (uint64_t)below(1 << 20) + 1;
        for (int i = 0; i < p.ndim; i++) {
            least.panel[i] = p.chunk[i];
            chunk_bytes *= (double)p.chunk[i];
        }
        cr_panels_choose(&p, most);
        for (int i = 0; i < p.ndim; i++)
            ck_assert_msg(p.panel[i] == p.shape[i] || (p.panel[i] >= 1 && p.panel[i] % p.chunk[i] == 0), "case %d axis %d", k, i);
        ck_assert_msg(cr_panels_bytes(&p) <= fmax((double)most, chunk_bytes), "case %d: %g bytes of %g", k, cr_panels_bytes(&p), (double)most);
        ck_assert_msg(fabs(cr_panels_reads(&p) - counted(&p)) < 1e-9 * counted(&p), "case %d: %g, counted %g", k, cr_panels_reads(&p), counted(&p));
        ck_assert_msg(cr_panels_reads(&p) <= cr_panels_reads(&least) * (1 + 1e-9), "case %d: more reads than chunk by chunk", k);
    }
}
END_TEST

START_TEST(test_all_fits) {
    for (int k = 0; k < 1000; k++) {
        cr_panels p = random_case();
        cr_panels_choose(&p, UINT64_MAX);
        ck_assert_int_eq(cr_panels_count(&p), 1);
        ck_assert(cr_panels_reads(&p) == 1);
    }
}
END_TEST

/* Hourly maps to series, a year in 256 MiB: hundreds of reads become about two. */
START_TEST(test_between) {
    cr_panels p = {.ndim = 3, .itemsize = 4, .shape = {8760, 721, 1440}, .source = {1, 721, 1440}, .chunk = {8760, 32, 32}}, a = p, b = p;
    const uint64_t most = 64 << 20;
    cr_panels_choose(&p, most);
    ck_assert(cr_panels_reads(&p) > 100);
    cr_panels_between(&p, most, a.chunk);
    memcpy(b.source, a.chunk, sizeof b.source);
    cr_panels_choose(&a, most);
    cr_panels_choose(&b, most);
    ck_assert_msg(cr_panels_reads(&a) < 1.25 && cr_panels_reads(&b) < 1.25, "%g and %g reads", cr_panels_reads(&a), cr_panels_reads(&b));
}
END_TEST

START_TEST(test_arguments) {
    cr_err err = CR_ERR_INIT;
    cr_context *c;
    ck_assert_ok(cr_context_new(NULL, &c, &err));
    cr_rechunk_options options = {.n = 1};
    ck_assert_fails(cr_rechunk("/nowhere", "out.zarr", &options, c, NULL, &err), CR_INVALID);
    ck_assert_fails(cr_rechunk("/nowhere", "", NULL, c, NULL, &err), CR_INVALID);
    ck_assert_fails(cr_rechunk("/nowhere", "out.zarr", NULL, NULL, NULL, &err), CR_INVALID);
    ck_assert_fails(cr_rechunk("/nowhere", "out.zarr", NULL, c, NULL, &err), CR_NO_FILE);
    cr_context_free(c);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("panels");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 30);
    tcase_add_test(t, test_random);
    tcase_add_test(t, test_all_fits);
    tcase_add_test(t, test_between);
    tcase_add_test(t, test_arguments);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite())
