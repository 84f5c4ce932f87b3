/* test_regrid.c - weights against plain loops and closed forms; application against a dense matrix, byte by byte over threads, limits, chunks and
 * parts; files; what is refused. */
#include "../check_main.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "craton/craton.h"
#include "engine/regrid/search.h"

#define DEGREE 0.017453292519943295

static cr_context *context(int threads, uint64_t limit, int simd) {
    cr_context_options o = {.threads = threads, .memory_limit_bytes = limit, .simd_level = simd};
    cr_err err = CR_ERR_INIT;
    cr_context *c;
    ck_assert_ok(cr_context_new(&o, &c, &err));
    return c;
}

/* Rows and columns in the middle of equal cells; from lat0, lon0 on, in steps that may be negative. */
static cr_grid *regular(int ny, double lat0, double dlat, int nx, double lon0, double dlon, const uint8_t *mask) {
    double lat[400], lon[800];
    cr_err err = CR_ERR_INIT;
    cr_grid *g;
    for (int i = 0; i < ny; i++)
        lat[i] = lat0 + dlat * (i + 0.5);
    for (int i = 0; i < nx; i++)
        lon[i] = lon0 + dlon * (i + 0.5);
    ck_assert_ok(cr_grid_rectilinear(ny, lat, NULL, nx, lon, NULL, mask, &g, &err));
    return g;
}

/* The same as cells with corners, turned about the x axis of the sphere. */
static cr_grid *turned(int ny, int nx, double by, const uint8_t *mask) {
    static double lat[10000], lon[10000], lat_c[40000], lon_c[40000];
    double s = sin(by * DEGREE), c = cos(by * DEGREE);
    cr_err err = CR_ERR_INIT;
    cr_grid *g;
    for (int k = 0; k < ny * nx; k++)
        for (int corner = 0; corner < 5; corner++) {
            static const double dy[] = {0, 0, 1, 1, 0.5}, dx[] = {0, 1, 1, 0, 0.5};
            double p = (-90 + (k / nx + dy[corner]) * 180 / ny) * DEGREE, l = (k % nx + dx[corner]) * 360 / nx * DEGREE;
            double x = cos(p) * cos(l), y = cos(p) * sin(l) * c - sin(p) * s, z = cos(p) * sin(l) * s + sin(p) * c;
            double *to_lat = corner == 4 ? &lat[k] : &lat_c[4 * k + corner], *to_lon = corner == 4 ? &lon[k] : &lon_c[4 * k + corner];
            *to_lat = asin(fmax(-1, fmin(1, z))) / DEGREE;
            *to_lon = atan2(y, x) / DEGREE;
        }
    ck_assert_ok(cr_grid_curvilinear(NULL, 2, (int64_t[]){ny, nx}, lat, lon, 4, lat_c, lon_c, mask, &g, &err));
    return g;
}

static cr_weights *make(const cr_grid *from, const cr_grid *to, cr_regrid_method method, cr_regrid_norm norm) {
    cr_context *c = context(2, 0, -1);
    cr_weights_options o = {.method = method, .norm = norm};
    cr_err err = CR_ERR_INIT;
    cr_weights *w;
    ck_assert_ok(cr_weights_make(c, from, to, &o, &w, &err));
    cr_context_free(c);
    return w;
}

/* The plainest application, in the order of the file. */
static void dense(const cr_weights *w, const double *in, double *out, int64_t n_out) {
    int64_t n = cr_weights_count(w), *row = malloc((size_t)(2 * n + 1) * sizeof *row), *col = row + n;
    double *s = malloc((size_t)(n + 1) * sizeof *s);
    cr_weights_triplets(w, row, col, s);
    for (int64_t i = 0; i < n_out; i++)
        out[i] = NAN;
    for (int64_t k = 0; k < n; k++)
        out[row[k]] = (isnan(out[row[k]]) ? 0 : out[row[k]]) + s[k] * in[col[k]];
    free(row);
    free(s);
}

START_TEST(constants_stay_and_integrals_too) {
    for (int kind = 0; kind < 4; kind++) {
        cr_grid *from = kind < 2 ? regular(36, 90, -5, 48, -180, 7.5, NULL) : turned(30, 40, 50, NULL);
        cr_grid *to = kind & 1 ? turned(24, 36, 20, NULL) : regular(45, -90, 4, 60, 3, 6, NULL);
        const int64_t *fs = cr_grid_shape(from), *ts = cr_grid_shape(to);
        int64_t n = fs[0] * fs[1], m = ts[0] * ts[1];
        double *own = malloc((size_t)n * 8), *in = malloc((size_t)n * 8), *out = malloc((size_t)m * 8);
        cr_err err = CR_ERR_INIT;
        ck_assert_ok(cr_grid_areas(from, own, &err));
        for (int norm = 0; norm < 2; norm++) {
            cr_weights *w = make(from, to, CR_REGRID_CONSERVATIVE, norm ? CR_REGRID_DSTAREA : CR_REGRID_FRACAREA);
            const double *a = cr_weights_areas(w, true), *b = cr_weights_areas(w, false);
            double before = 0, after = 0, sphere = 0;
            if (kind != 1)
                ck_assert_mem_eq(a, own, (size_t)n * 8);
            for (int64_t i = 0; i < n; i++)
                in[i] = 1;
            dense(w, in, out, m);
            for (int64_t i = 0; i < m; i++)
                ck_assert_msg(fabs(out[i] - 1) < (norm || kind ? 1e-11 : 1e-14), "kind %d: cell %lld is %.17g", kind, (long long)i, out[i]);
            for (int64_t i = 0; i < n; i++) {
                in[i] = (double)(i * 7919 % 101) - 40;
                before += in[i] * a[i];
                sphere += a[i];
            }
            dense(w, in, out, m);
            for (int64_t i = 0; i < m; i++)
                after += out[i] * b[i];
            ck_assert_double_eq_tol(sphere, 4 * M_PI, 1e-12 * 4 * M_PI);
            ck_assert_msg(fabs(after - before) < 1e-12 * 40 * sphere, "kind %d: integral %.17g became %.17g", kind, before, after);
            cr_weights_unref(w);
        }
        free(own);
        free(in);
        free(out);
        cr_grid_unref(from);
        cr_grid_unref(to);
    }
}
END_TEST

/* Shared areas of rectilinear cells are closed forms. */
START_TEST(boxes_share_what_they_share) {
    cr_grid *from = regular(9, -45, 10, 12, 330, 5, NULL), *to = regular(4, 33, -17, 5, -20, 9, NULL);
    for (int norm = 0; norm < 2; norm++) {
        cr_weights *w = make(from, to, CR_REGRID_CONSERVATIVE, norm ? CR_REGRID_DSTAREA : CR_REGRID_FRACAREA);
        double *expected = calloc(20 * 108, sizeof *expected);
        for (int t = 0; t < 20; t++) {
            double n = 33 - 17.0 * (t / 5), s = n - 17, west = -20 + 9.0 * (t % 5), sum = 0;
            for (int f = 0; f < 108; f++) {
                double fs = -45 + 10.0 * (f / 12), fw = -30 + 5.0 * (f % 12), lo = fmax(s, fs), hi = fmin(n, fs + 10);
                double dx = fmin(west + 9, fw + 5) - fmax(west, fw);
                expected[t * 108 + f] = hi > lo && dx > 0 ? (sin(hi * DEGREE) - sin(lo * DEGREE)) * dx : 0;
                sum += expected[t * 108 + f];
            }
            for (int f = 0; f < 108; f++)
                expected[t * 108 + f] /= norm ? (sin(n * DEGREE) - sin(s * DEGREE)) * 9 : sum;
        }
        int64_t n = cr_weights_count(w), *row = malloc((size_t)n * 16), *col = row + n, positive = 0;
        double *s = malloc((size_t)n * 8);
        cr_weights_triplets(w, row, col, s);
        for (int64_t k = 0; k < n; k++)
            ck_assert_double_eq_tol(s[k], expected[row[k] * 108 + col[k]], 1e-13);
        for (int k = 0; k < 20 * 108; k++)
            positive += expected[k] > 1e-13;
        ck_assert_int_eq(n, positive);
        free(expected);
        free(row);
        free(s);
        cr_weights_unref(w);
    }
    cr_grid_unref(from);
    cr_grid_unref(to);
}
END_TEST

START_TEST(nearest_is_nearest) {
    uint8_t mask[30 * 40];
    for (int i = 0; i < 1200; i++)
        mask[i] = i * 7919 % 5 != 0;
    cr_grid *from = turned(30, 40, 33, mask), *to = regular(20, -90, 9, 30, 0, 12, NULL);
    cr_weights *w = make(from, to, CR_REGRID_NEAREST, 0);
    int64_t row[600], col[600];
    double s[600];
    ck_assert_int_eq(cr_weights_count(w), 600);
    cr_weights_triplets(w, row, col, s);
    double st = sin(33 * DEGREE), ct = cos(33 * DEGREE);
    for (int t = 0; t < 600; t++) {
        double p = (-90 + 9 * (t / 30 + 0.5)) * DEGREE, l = 12 * (t % 30 + 0.5) * DEGREE, least = 9, found = 9;
        for (int f = 0; f < 1200; f++) {
            double q = (-90 + (f / 40 + 0.5) * 6) * DEGREE, k = (f % 40 + 0.5) * 9 * DEGREE;
            double x = cos(q) * cos(k), y = cos(q) * sin(k) * ct - sin(q) * st, z = cos(q) * sin(k) * st + sin(q) * ct;
            double d = hypot(hypot(x - cos(p) * cos(l), y - cos(p) * sin(l)), z - sin(p));
            least = mask[f] && d < least ? d : least;
            found = f == col[t] ? d : found;
        }
        ck_assert_int_eq(row[t], t);
        ck_assert_double_eq(s[t], 1);
        ck_assert_int_ne(mask[col[t]], 0);
        ck_assert_double_eq_tol(found, least, 1e-12);
    }
    cr_weights_unref(w);
    cr_grid_unref(from);
    cr_grid_unref(to);
}
END_TEST

/* Linear in latitude on rectilinear sources; linear in space, along rays, on others. */
START_TEST(bilinear_keeps_what_is_linear) {
    cr_grid *to = regular(60, -90, 3, 70, -180, 360.0 / 70, NULL), *from = regular(36, 90, -5, 72, 0, 5, NULL);
    cr_weights *w = make(from, to, CR_REGRID_BILINEAR, 0);
    static double in[3000], out[4200];
    for (int i = 0; i < 36 * 72; i++)
        in[i] = 90 - 5 * (i / 72 + 0.5);
    dense(w, in, out, 4200);
    for (int i = 0; i < 4200; i++) {
        double lat = -90 + 3 * (i / 70 + 0.5); /* constant rows: beyond the last one nothing changes */
        ck_assert_double_eq_tol(out[i], fmax(-87.5, fmin(87.5, lat)), 1e-12);
    }
    cr_weights_unref(w);
    cr_grid_unref(from);
    from = turned(45, 60, 70, NULL);
    w = make(from, to, CR_REGRID_BILINEAR, 0);
    static double parts[3][4200];
    double st = sin(70 * DEGREE), ct = cos(70 * DEGREE);
    for (int axis = 0; axis < 3; axis++) {
        for (int i = 0; i < 45 * 60; i++) {
            double p = (-90 + (i / 60 + 0.5) * 4) * DEGREE, l = (i % 60 + 0.5) * 6 * DEGREE;
            const double v[] = {cos(p) * cos(l), cos(p) * sin(l) * ct - sin(p) * st, cos(p) * sin(l) * st + sin(p) * ct};
            in[i] = v[axis];
        }
        dense(w, in, parts[axis], 4200);
    }
    int inside = 0;
    for (int i = 0; i < 4200; i++) {
        double p = (-90 + 3 * (i / 70 + 0.5)) * DEGREE, l = (-180 + 360.0 / 70 * (i % 70 + 0.5)) * DEGREE;
        double length = sqrt(parts[0][i] * parts[0][i] + parts[1][i] * parts[1][i] + parts[2][i] * parts[2][i]);
        if (isnan(length))
            continue; /* around the poles of the source, where it has no quads */
        inside++;
        ck_assert_double_eq_tol(parts[0][i] / length, cos(p) * cos(l), 1e-11);
        ck_assert_double_eq_tol(parts[1][i] / length, cos(p) * sin(l), 1e-11);
        ck_assert_double_eq_tol(parts[2][i] / length, sin(p), 1e-11);
    }
    ck_assert_int_gt(inside, 4150);
    cr_weights_unref(w);
    cr_grid_unref(from);
    cr_grid_unref(to);
}
END_TEST

/* ---- application ---- */

enum { MAPS = 21, SY = 18, SX = 24, TY = 15, TX = 20 };
static double field[MAPS][SY * SX];

static void fill_field(bool holes) {
    for (int t = 0; t < MAPS; t++)
        for (int i = 0; i < SY * SX; i++)
            field[t][i] = holes && (t * 31 + i * 7919) % 17 < 4 && t != 3 ? NAN : (double)((t * 37 + i * 7919) % 211) / 8 - 9;
}

static cr_array *regridded(cr_dtype type, int64_t ct, int64_t cy, int64_t cx, cr_weights *w, const cr_regrid_options *o) {
    const int64_t shape[] = {MAPS, SY, SX}, chunks[] = {ct, cy, cx};
    cr_array *a, *b, *r;
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_array_from_memory(CR_F64, 8, 3, shape, NULL, chunks, field, NULL, NULL, &a, &err));
    ck_assert_ok(cr_array_cast(a, type, &b, &err));
    ck_assert_ok(cr_array_regrid(b, w, o, &r, &err));
    cr_array_unref(a);
    cr_array_unref(b);
    return r;
}

static void compute(cr_context *c, cr_array *a, void *out) {
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_compute(c, 1, &a, &out, &err));
}

START_TEST(bytes_are_the_same_everywhere) {
    static const struct { int threads, simd; uint64_t limit; } how[] = {{1, -1, 0}, {2, 0, 0}, {7, 1, 0}, {2, -1, 1 << 20}};
    static const int64_t chunks[][3] = {{1, SY, SX}, {4, 5, 24}, {MAPS, 7, 5}, {16, SY, 24}, {2, 1, 3}};
    static char first[MAPS * TY * TX * 8], again[MAPS * TY * TX * 8], part[MAPS * TY * TX * 8];
    cr_grid *to = regular(TY, -90, 12, TX, -170, 18, NULL);
    cr_err err = CR_ERR_INIT;
    for (int source = 0; source < 2; source++)
        for (int method = 0; method < 3; method++)
            for (int single = 0; single < 2; single++)
                for (int skip = 0; skip < 2; skip++) {
                    cr_grid *from = source ? turned(SY, SX, 40, NULL) : regular(SY, 90, -10, SX, 0, 15, NULL);
                    cr_weights *w = make(from, to, (cr_regrid_method)method, CR_REGRID_FRACAREA);
                    cr_regrid_options o = {.skipna = skip, .na_thres = 0.6};
                    size_t item = single ? 4 : 8, bytes = MAPS * TY * TX * item;
                    fill_field(true);
                    for (size_t h = 0; h < CR_ARRAY_LEN(how); h++)
                        for (size_t k = 0; k < CR_ARRAY_LEN(chunks); k++) {
                            cr_context *c = context(how[h].threads, how[h].limit, how[h].simd);
                            cr_array *r = regridded(single ? CR_F32 : CR_F64, chunks[k][0], chunks[k][1], chunks[k][2], w, &o);
                            compute(c, r, h + k == 0 ? first : again);
                            if (h + k > 0)
                                ck_assert_mem_eq(first, again, bytes);
                            if (how[h].limit > 0)
                                ck_assert_uint_le(cr_context_peak_bytes(c), how[h].limit);
                            /* a part of it, backwards in one axis */
                            const cr_slice cut[] = {{5, 3, 5}, {TY - 2, -4, 3}, {3, 1, 11}};
                            cr_array *p;
                            ck_assert_ok(cr_array_slice(r, cut, &p, &err));
                            compute(c, p, part);
                            for (int t = 0; t < 5; t++)
                                for (int y = 0; y < 3; y++)
                                    ck_assert_mem_eq(part + (size_t)((t * 3 + y) * 11) * item,
                                                     first + (size_t)(((5 + 3 * t) * TY + TY - 2 - 4 * y) * TX + 3) * item, 11 * item);
                            cr_array_unref(p);
                            cr_array_unref(r);
                            cr_context_free(c);
                        }
                    /* and it is right */
                    int64_t n = cr_weights_count(w), *row = malloc((size_t)n * 16), *col = row + n;
                    double *s = malloc((size_t)n * 8);
                    cr_weights_triplets(w, row, col, s);
                    for (int t = 0; t < MAPS; t++) {
                        double sum[TY * TX] = {0}, valid[TY * TX] = {0};
                        bool any[TY * TX] = {0};
                        for (int64_t k = 0; k < n; k++) {
                            double x = single ? (double)(float)field[t][col[k]] : field[t][col[k]];
                            sum[row[k]] += skip && isnan(x) ? 0 : s[k] * x;
                            valid[row[k]] += isnan(x) ? 0 : s[k];
                            any[row[k]] = true;
                        }
                        for (int i = 0; i < TY * TX; i++) {
                            double e = !any[i] ? NAN : !skip ? sum[i] : valid[i] >= 1 - 0.6 ? sum[i] / valid[i] : NAN;
                            size_t at = (size_t)(t * TY * TX + i);
                            double g = single ? (double)((float *)first)[at] : ((double *)first)[at];
                            if (skip && fabs(valid[i] - 0.4) < 1e-9)
                                continue; /* on the border */
                            ck_assert_msg((isnan(g) && isnan(e)) || fabs(g - e) < (single ? 2e-6 : 1e-12), "map %d, cell %d: %g, expected %g", t, i, g, e);
                        }
                    }
                    free(row);
                    free(s);
                    cr_weights_unref(w);
                    cr_grid_unref(from);
                }
    cr_grid_unref(to);
}
END_TEST

/* In expressions: above a reduction, below one, and in a concat. */
START_TEST(regrids_among_other_operations) {
    cr_grid *from = regular(SY, 90, -10, SX, 0, 15, NULL), *to = regular(TY, -90, 12, TX, -170, 18, NULL);
    cr_weights *w = make(from, to, CR_REGRID_BILINEAR, 0), *back = make(to, from, CR_REGRID_NEAREST, 0);
    cr_context *c = context(2, 0, -1);
    cr_err err = CR_ERR_INIT;
    fill_field(false);
    cr_array *r = regridded(CR_F64, 4, 6, 24, w, NULL), *mean, *source, *of_mean, *twice, *both;
    const int64_t shape[] = {MAPS, SY, SX}, chunks[] = {2, 18, 24};
    ck_assert_ok(cr_array_from_memory(CR_F64, 8, 3, shape, NULL, chunks, field, NULL, NULL, &source, &err));
    cr_array *small;
    ck_assert_ok(cr_array_reduce(CR_REDUCE_MEAN, r, 1, (int[]){0}, NULL, &mean, &err));
    ck_assert_ok(cr_array_reduce(CR_REDUCE_MEAN, source, 1, (int[]){0}, NULL, &small, &err));
    ck_assert_ok(cr_array_regrid(small, w, NULL, &of_mean, &err));
    ck_assert_ok(cr_array_regrid(r, back, NULL, &twice, &err));
    ck_assert_ok(cr_array_concat(2, (cr_array *[]){r, r}, 0, &both, &err));
    static double a[TY * TX], b[TY * TX], all[MAPS * TY * TX], t[MAPS * SY * SX], two[2 * MAPS * TY * TX], expected[SY * SX];
    ck_assert_ok(cr_compute(c, 5, (cr_array *[]){mean, of_mean, r, twice, both}, (void *[]){a, b, all, t, two}, &err));
    for (int i = 0; i < TY * TX; i++)
        ck_assert_double_eq_tol(a[i], b[i], 1e-12);
    for (int m = 0; m < MAPS; m++) {
        dense(back, all + m * TY * TX, expected, SY * SX);
        ck_assert_mem_eq(expected, t + m * SY * SX, sizeof expected);
    }
    ck_assert_mem_eq(two, all, sizeof all);
    ck_assert_mem_eq(two + MAPS * TY * TX, all, sizeof all);
    cr_array *made[] = {r, mean, source, of_mean, twice, both, small};
    for (size_t i = 0; i < CR_ARRAY_LEN(made); i++)
        cr_array_unref(made[i]);
    cr_weights_unref(w);
    cr_weights_unref(back);
    cr_grid_unref(from);
    cr_grid_unref(to);
    cr_context_free(c);
}
END_TEST

/* What is read of a large source for a part of the target. */
typedef struct asked {
    int64_t lo, hi;
} asked;

static cr_status read_rows(void *user, const int64_t *start, const int64_t *count, void *dst, cr_err *err) {
    asked *a = user;
    (void)err;
    a->lo = start[0] < a->lo ? start[0] : a->lo;
    a->hi = start[0] + count[0] > a->hi ? start[0] + count[0] : a->hi;
    for (int64_t i = 0; i < count[0] * count[1]; i++)
        ((double *)dst)[i] = 1;
    return CR_OK;
}

START_TEST(parts_read_their_rows_alone) {
    asked a = {999, -1};
    cr_grid *from = regular(180, -90, 1, 360, 0, 1, NULL), *to = regular(45, -90, 4, 90, 0, 4, NULL);
    cr_weights *w = make(from, to, CR_REGRID_CONSERVATIVE, 0);
    cr_context *c = context(1, 0, -1);
    cr_array *source, *r, *part;
    double out[90];
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_array_from_callback(CR_F64, 8, 2, (int64_t[]){180, 360}, (int64_t[]){10, 360}, true, read_rows, NULL, &a, &source, &err));
    ck_assert_ok(cr_array_regrid(source, w, NULL, &r, &err));
    ck_assert_ok(cr_array_slice(r, (cr_slice[]){{20, 1, 1}, {0, 1, 90}}, &part, &err));
    compute(c, part, out);
    ck_assert_int_eq(a.lo, 80);
    ck_assert_int_eq(a.hi, 84);
    ck_assert_double_eq_tol(out[89], 1, 1e-14);
    cr_array_unref(part);
    cr_array_unref(r);
    cr_array_unref(source);
    cr_weights_unref(w);
    cr_grid_unref(from);
    cr_grid_unref(to);
    cr_context_free(c);
}
END_TEST

START_TEST(weights_do_not_depend_on_threads) {
    cr_grid *from = turned(60, 80, 25, NULL), *to = regular(90, -90, 2, 180, 0, 2, NULL);
    for (int method = 0; method < 3; method++) {
        cr_weights *w[2];
        cr_weights_options o = {.method = (cr_regrid_method)method};
        cr_err err = CR_ERR_INIT;
        for (int i = 0; i < 2; i++) {
            cr_context *c = context(i ? 5 : 1, 0, -1);
            ck_assert_ok(cr_weights_make(c, from, to, &o, &w[i], &err));
            cr_context_free(c);
        }
        int64_t n = cr_weights_count(w[0]);
        ck_assert_int_eq(n, cr_weights_count(w[1]));
        int64_t *cells[2] = {malloc((size_t)n * 16), malloc((size_t)n * 16)};
        double *s[2] = {malloc((size_t)n * 8), malloc((size_t)n * 8)};
        for (int i = 0; i < 2; i++)
            cr_weights_triplets(w[i], cells[i], cells[i] + n, s[i]);
        ck_assert_mem_eq(cells[0], cells[1], (size_t)n * 16);
        ck_assert_mem_eq(s[0], s[1], (size_t)n * 8);
        for (int i = 0; i < 2; i++) {
            free(cells[i]);
            free(s[i]);
            cr_weights_unref(w[i]);
        }
    }
    cr_context *c = context(2, 1 << 20, -1);
    cr_err err = CR_ERR_INIT;
    cr_weights *w;
    ck_assert_fails(cr_weights_make(c, from, to, &(cr_weights_options){.method = CR_REGRID_CONSERVATIVE}, &w, &err), CR_MEMORY);
    cr_context_free(c);
    for (int stays = 0; stays < 2; stays++) { /* cancelled before it begins */
        cr_context_options o = {.threads = 2, .simd_level = -1, .cancel_stays = stays};
        err = (cr_err)CR_ERR_INIT;
        ck_assert_ok(cr_context_new(&o, &c, &err));
        cr_context_cancel(c);
        cr_status status = cr_weights_make(c, from, to, &(cr_weights_options){.method = CR_REGRID_NEAREST}, &w, &err);
        ck_assert_int_eq(status, stays ? CR_CANCELLED : CR_OK);
        if (status == CR_OK)
            cr_weights_unref(w);
        cr_context_free(c);
    }
    cr_grid_unref(from);
    cr_grid_unref(to);
}
END_TEST

/* Where it may take long: preparing, one cell over all of the source, areas; and the whole. */
START_TEST(a_cancel_is_heard_everywhere) {
    cr_grid *from = turned(100, 100, 30, NULL), *to = turned(4, 8, 60, NULL);
    static double areas[10000];
    cr_grid *none = NULL;
    for (int method = 0; method < CR_REGRID_METHOD_COUNT; method++) {
        cr_context_options o = {.threads = 2, .simd_level = -1, .cancel_stays = true};
        cr_err err = CR_ERR_INIT;
        cr_context *c;
        cr_weights *w = NULL;
        cr_found found = {.most = 10000};
        double share;
        ck_assert_ok(cr_context_new(&o, &c, &err));
        cr_search s = {.context = c, .from = from, .to = to, .options = {.method = (cr_regrid_method)method}}, again = s;
        cr_status (*prepare)(cr_search *, cr_err *) = method == CR_REGRID_BILINEAR       ? cr_search_bilinear
                                                      : method == CR_REGRID_CONSERVATIVE ? cr_search_conservative
                                                                                         : cr_search_nearest;
        ck_assert_ok(prepare(&s, &err));
        ck_assert_ok(s.find(&s, 0, &found, &share, &err));
        ck_assert_ok(cr_grid_areas_as(c, from, true, areas, &err));
        cr_context_cancel(c);
        ck_assert_fails(prepare(&again, &err), CR_CANCELLED);
        ck_assert_fails(cr_grid_curvilinear(c, 1, (int64_t[]){1}, areas, areas, 0, NULL, NULL, NULL, &none, &err), CR_CANCELLED);
        if (method == CR_REGRID_CONSERVATIVE)
            ck_assert_fails(s.find(&s, 0, &found, &share, &err), CR_CANCELLED);
        ck_assert_fails(cr_grid_areas_as(c, from, true, areas, &err), CR_CANCELLED);
        ck_assert_fails(cr_weights_make(c, from, to, &s.options, &w, &err), CR_CANCELLED);
        ck_assert_ptr_null(w);
        cr_search_done(&s);
        cr_search_done(&again);
        free(found.col);
        free(found.weight);
        cr_context_free(c);
    }
    cr_grid_unref(from);
    cr_grid_unref(to);
}
END_TEST

START_TEST(files_give_back_what_was_written) {
    char path[] = "/tmp/test-regrid-XXXXXX";
    ck_assert_int_ge(mkstemp(path), 0);
    cr_grid *from = turned(12, 16, 25, NULL), *to = regular(9, -90, 20, 18, 0, 20, NULL);
    cr_weights *w = make(from, to, CR_REGRID_CONSERVATIVE, CR_REGRID_DSTAREA), *again;
    cr_context *c = context(2, 0, -1);
    cr_err err = CR_ERR_INIT;
    ck_assert_fails(cr_weights_write(c, w, path, false, &err), CR_EXISTS);
    ck_assert_ok(cr_weights_write(c, w, path, true, &err));
    for (int given = 0; given < 2; given++) {
        ck_assert_ok(cr_weights_read(c, path, given ? 2 : 0, (int64_t[]){12, 16}, given, (int64_t[]){162}, &again, &err));
        int64_t shape[2], n = cr_weights_count(w), *cells = malloc((size_t)n * 32);
        double *s = malloc((size_t)n * 16);
        ck_assert_int_eq(cr_weights_source(again, shape), 2);
        ck_assert_int_eq(shape[0], 12);
        ck_assert_int_eq(shape[1], 16);
        ck_assert_int_eq(cr_weights_target(again, shape), given ? 1 : 2);
        ck_assert_int_eq(shape[0], given ? 162 : 9);
        ck_assert_int_eq(n, cr_weights_count(again));
        cr_weights_triplets(w, cells, cells + n, s);
        cr_weights_triplets(again, cells + 2 * n, cells + 3 * n, s + n);
        ck_assert_mem_eq(cells, cells + 2 * n, (size_t)n * 16);
        ck_assert_mem_eq(s, s + n, (size_t)n * 8);
        free(cells);
        free(s);
        cr_weights_unref(again);
    }
    ck_assert_fails(cr_weights_read(c, path, 2, (int64_t[]){12, 15}, 0, NULL, &again, &err), CR_INVALID);
    ck_assert_fails(cr_weights_read(c, path, 2, (int64_t[]){(int64_t)1 << 62, 4}, 0, NULL, &again, &err), CR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "too large"));        /* a product that is 0 where it wraps */
    ck_assert_fails(cr_weights_read(c, path, 2, (int64_t[]){-12, -16}, 0, NULL, &again, &err), CR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "negative"));         /* not taken for the 192 cells of the file */
    unlink(path);
    ck_assert_fails(cr_weights_read(c, path, 0, NULL, 0, NULL, &again, &err), CR_NO_FILE);
    cr_weights_unref(w);
    cr_grid_unref(from);
    cr_grid_unref(to);
    cr_context_free(c);
}
END_TEST

START_TEST(wrong_grids_are_refused) {
    cr_err err = CR_ERR_INIT;
    cr_grid *g, *list, *points;
    const double up[] = {0, 10, 20}, jump[] = {0, 20, 10}, hole[] = {0, NAN, 20}, high[] = {80, 90, 100}, wide[] = {0, 180, 361}, off[] = {0, 1, 2, 3};
    ck_assert_fails(cr_grid_rectilinear(3, jump, NULL, 3, up, NULL, NULL, &g, &err), CR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "neither rises nor falls"));
    ck_assert_fails(cr_grid_rectilinear(3, hole, NULL, 3, up, NULL, NULL, &g, &err), CR_INVALID);
    ck_assert_fails(cr_grid_rectilinear(3, high, NULL, 3, up, NULL, NULL, &g, &err), CR_INVALID);
    ck_assert_fails(cr_grid_rectilinear(3, up, NULL, 3, jump, NULL, NULL, &g, &err), CR_INVALID);
    ck_assert_fails(cr_grid_rectilinear(3, up, NULL, 3, wide, NULL, NULL, &g, &err), CR_INVALID);
    ck_assert_fails(cr_grid_rectilinear(3, up, off, 3, up, NULL, NULL, &g, &err), CR_INVALID);
    ck_assert_fails(cr_grid_rectilinear(0, up, NULL, 3, up, NULL, NULL, &g, &err), CR_INVALID);
    const int64_t one[] = {1};
    const double c[] = {5}, lat[] = {0, 0, 10, 10}, lon[] = {0, 10, 10, 0}, crossed[] = {0, 10, 0, 10}, flat_lat[] = {0, 0, 0, 0}, nan1[] = {NAN};
    ck_assert_ok(cr_grid_curvilinear(NULL, 1, one, c, c, 4, lat, lon, NULL, &g, &err));
    cr_grid_unref(g);
    ck_assert_fails(cr_grid_curvilinear(NULL, 1, one, c, c, 4, lat, crossed, NULL, &g, &err), CR_INVALID);
    ck_assert_fails(cr_grid_curvilinear(NULL, 1, one, c, c, 4, flat_lat, lon, NULL, &g, &err), CR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "has no area"));
    ck_assert_fails(cr_grid_curvilinear(NULL, 1, one, nan1, c, 0, NULL, NULL, NULL, &g, &err), CR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.hint, "mask"));
    ck_assert_ok(cr_grid_curvilinear(NULL, 1, one, nan1, c, 0, NULL, NULL, (uint8_t[]){0}, &points, &err));
    ck_assert_ok(cr_grid_curvilinear(NULL, 1, one, c, c, 0, NULL, NULL, NULL, &list, &err));
    cr_grid *whole = regular(18, -90, 10, 36, 0, 10, NULL);
    cr_context *ctx = context(1, 0, -1);
    cr_weights *w;
    cr_array *a, *r;
    ck_assert_fails(cr_weights_make(ctx, list, whole, NULL, &w, &err), CR_INVALID);
    ck_assert_fails(cr_weights_make(ctx, whole, list, &(cr_weights_options){.method = CR_REGRID_CONSERVATIVE}, &w, &err), CR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.hint, "bounds"));
    ck_assert_ok(cr_weights_make(ctx, points, whole, &(cr_weights_options){.method = CR_REGRID_NEAREST}, &w, &err));
    ck_assert_int_eq(cr_weights_count(w), 0); /* nothing is there */
    cr_weights_unref(w);
    ck_assert_ok(cr_weights_make(ctx, whole, list, NULL, &w, &err));
    ck_assert_ok(cr_array_full(CR_F64, 2, (int64_t[]){36, 18}, NULL, &(double){1}, &a, &err));
    ck_assert_fails(cr_array_regrid(a, w, NULL, &r, &err), CR_INVALID);
    cr_array_unref(a);
    ck_assert_ok(cr_array_full(CR_I16, 2, (int64_t[]){18, 36}, NULL, &(int16_t){7}, &a, &err));
    ck_assert_fails(cr_array_regrid(a, w, &(cr_regrid_options){.na_thres = 2}, &r, &err), CR_INVALID);
    ck_assert_ok(cr_array_regrid(a, w, NULL, &r, &err));
    double out;
    compute(ctx, r, &out);
    ck_assert_double_eq_tol(out, 7, 1e-14);
    ck_assert_int_eq(cr_array_ndim(r), 1);
    cr_array_unref(r);
    cr_array_unref(a);
    cr_weights_unref(w);
    const int64_t shape[] = {4}, row[] = {0, 4}, col[] = {0, 0};
    ck_assert_fails(cr_weights_from_triplets(1, shape, 1, shape, 2, row, col, (double[]){1, 1}, &w, &err), CR_RANGE);
    ck_assert_fails(cr_weights_from_triplets(1, shape, 1, shape, 1, row, col, (double[]){INFINITY}, &w, &err), CR_INVALID);
    cr_grid_unref(list);
    cr_grid_unref(points);
    cr_grid_unref(whole);
    cr_context_free(ctx);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("regrid");
    TCase *t = tcase_create("regrid");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, constants_stay_and_integrals_too);
    tcase_add_test(t, boxes_share_what_they_share);
    tcase_add_test(t, nearest_is_nearest);
    tcase_add_test(t, bilinear_keeps_what_is_linear);
    tcase_add_test(t, bytes_are_the_same_everywhere);
    tcase_add_test(t, regrids_among_other_operations);
    tcase_add_test(t, parts_read_their_rows_alone);
    tcase_add_test(t, weights_do_not_depend_on_threads);
    tcase_add_test(t, a_cancel_is_heard_everywhere);
    tcase_add_test(t, files_give_back_what_was_written);
    tcase_add_test(t, wrong_grids_are_refused);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
