/* test_dataset.c - labelled arrays from files that the test writes: opening, selecting, reducing, grouping, writing. */
#include "../check_main.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "craton/dataset.h"

static char dir[64], path[96];
static cr_err err = CR_ERR_INIT;
static cr_context *context;

enum { TIMES = 24, LATS = 3, LONS = 4 };
static const char *const dims[] = {"time", "lat", "lon"};
static const int64_t shape[] = {TIMES, LATS, LONS};
/* value(t, y, x) as unpacked; -99 at t % 5 == 4, x == 0 in the file. */
static double value(int t, int y, int x) { return t % 5 == 4 && x == 0 ? NAN : (t * 100 + y * 10 + x) * 0.5 - 7; }

static cr_attr text_attr(const char *name, const char *const *text) { return (cr_attr){name, CR_STRING, 1, text}; }

static void put(cr_writer *w, const char *name, int ndim, const char *const *d, const int64_t *s, cr_dtype dtype, const void *data,
                const cr_attr *attrs, int n_attrs, const int64_t *chunks) {
    cr_array *a = NULL;
    cr_write_variable v = {.name = name, .ndim = ndim, .dims = d, .shape = s, .dtype = dtype, .attrs = attrs, .n_attrs = n_attrs, .chunks = chunks};
    ck_assert_ok(cr_array_copy_memory(dtype, ndim, s, data, &a, &err));
    ck_assert_ok(cr_writer_variable(w, &v, a, &err));
    cr_array_unref(a);
}

/* Two years of months in the 360-day calendar. */
static void write_file(const char *format) {
    static int16_t packed[TIMES * LATS * LONS];
    static int32_t days[TIMES];
    static float lon[LONS];
    const double lat[] = {60, 10, -50}, scale = 0.5, offset = -7, height = 2, area[LATS * LONS] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    const int16_t fill = -99;
    const char *units = "days since 1999-12-16 12:00", *calendar = "360_day", *celsius = "degC", *north = "degrees_north", *about = "height area";
    const char *title = "made by a test", *const names[] = {"a", "b", "c"};
    for (int t = 0; t < TIMES; t++) {
        days[t] = 30 * t + 30;
        for (int y = 0; y < LATS; y++)
            for (int x = 0; x < LONS; x++)
                packed[(t * LATS + y) * LONS + x] = isnan(value(t, y, x)) ? fill : (int16_t)(t * 100 + y * 10 + x);
    }
    for (int x = 0; x < LONS; x++)
        lon[x] = (float)x * 90;
    cr_write_options options = {format, false, NULL};
    cr_writer *w;
    ck_assert_ok(cr_writer_new(path, &options, &w, &err));
    cr_attr global = text_attr("title", &title);
    ck_assert_ok(cr_writer_attrs(w, &global, 1, &err));
    cr_attr time_attrs[] = {text_attr("units", &units), text_attr("calendar", &calendar)};
    put(w, "time", 1, dims, shape, CR_I32, days, time_attrs, 2, NULL);
    cr_attr lat_attr = text_attr("units", &north);
    put(w, "lat", 1, dims + 1, shape + 1, CR_F64, lat, &lat_attr, 1, NULL);
    put(w, "lon", 1, dims + 2, shape + 2, CR_F32, lon, NULL, 0, NULL);
    put(w, "height", 0, NULL, NULL, CR_F64, &height, NULL, 0, NULL);
    put(w, "area", 2, dims + 1, shape + 1, CR_F64, area, NULL, 0, NULL);
    cr_attr attrs[] = {text_attr("units", &celsius), text_attr("coordinates", &about), {"scale_factor", CR_F64, 1, &scale},
                       {"add_offset", CR_F64, 1, &offset}, {"_FillValue", CR_I16, 1, &fill}};
    put(w, "sst", 3, dims, shape, CR_I16, packed, attrs, 5, (int64_t[]){7, 2, 4});
    cr_write_variable text = {.name = "label", .ndim = 1, .dims = dims + 1, .shape = shape + 1, .dtype = CR_STRING};
    ck_assert_ok(cr_writer_strings(w, &text, names, &err));
    ck_assert_ok(cr_writer_finish(w, context, &err));
    cr_writer_free(w);
}

static void setup(void) {
    cr_context_options options = {.threads = 3, .simd_level = -1, .memory_limit_bytes = 256 << 20};
    snprintf(dir, sizeof dir, "/tmp/craton-dataset-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/in", dir);
    ck_assert_ok(cr_context_new(&options, &context, &err));
}

static void teardown(void) {
    char command[128];
    cr_context_free(context);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
}

static cr_dataset *opened(const char *format) {
    cr_dataset *d = NULL;
    write_file(format);
    ck_assert_ok(cr_dataset_open(context, path, NULL, &d, &err));
    return d;
}

static cr_labelled *get(const cr_dataset *d, const char *name) {
    cr_labelled *a = NULL;
    ck_assert_ok(cr_dataset_get(d, name, &a, &err));
    return a;
}

static cr_labelled *sst(void) {
    cr_dataset *d = opened("zarr3");
    cr_labelled *a = get(d, "sst");
    cr_dataset_unref(d);
    return a;
}

/* Values as double, whatever their type; at most 1000. */
static const double *values(cr_labelled *a) {
    static double out[1000];
    cr_array *wide = NULL;
    ck_assert_int_le(cr_array_size(cr_labelled_array(a)), 1000);
    ck_assert_ok(cr_array_cast(cr_labelled_array(a), CR_F64, &wide, &err));
    ck_assert_ok(cr_compute(context, 1, &wide, (void *[]){out}, &err));
    cr_array_unref(wide);
    return out;
}

#define ck_near(got, wanted)                                                                            \
    do {                                                                                                \
        double g_ = (got), w_ = (wanted);                                                               \
        ck_assert_msg((isnan(g_) && isnan(w_)) || fabs(g_ - w_) <= 1e-12 * fabs(w_) + 1e-12, "%.17g is not %.17g", g_, w_); \
    } while (0)

static const char *attr_of(cr_labelled *a, const char *name) {
    for (int k = 0; k < cr_labelled_n_attrs(a); k++)
        if (strcmp(cr_labelled_attr(a, k)->name, name) == 0)
            return *(const char *const *)cr_labelled_attr(a, k)->values;
    return NULL;
}

static bool has_coord(cr_labelled *a, const char *name) {
    for (int k = 0; k < cr_labelled_n_coords(a); k++)
        if (strcmp(cr_labelled_coord_name(a, k), name) == 0)
            return true;
    return false;
}

static void check_opened(const char *format) {
    cr_dataset *d = opened(format);
    ck_assert_int_eq(cr_dataset_n_variables(d), 7);
    ck_assert_int_eq(cr_dataset_n_attrs(d), 1);
    cr_labelled *a = get(d, "sst"), *time = NULL, *none = NULL;
    ck_assert_int_eq(cr_labelled_dtype(a), CR_F64);
    ck_assert_int_eq(cr_labelled_ndim(a), 3);
    ck_assert_str_eq(cr_labelled_dim(a, 2), "lon");
    ck_assert_int_eq(cr_labelled_n_coords(a), 5);
    ck_assert_int_eq(cr_labelled_n_attrs(a), 1);
    ck_assert_str_eq(attr_of(a, "units"), "degC");
    const double *v = values(a);
    for (int k = 0; k < TIMES * LATS * LONS; k++)
        ck_near(v[k], value(k / (LATS * LONS), k / LONS % LATS, k % LONS));
    ck_assert_ok(cr_labelled_coord(a, "time", &time, &err));
    ck_assert_int_eq(cr_labelled_kind(time), CR_KIND_TIMES);
    ck_assert_int_eq(cr_labelled_calendar(time), CR_CALENDAR_360_DAY);
    ck_assert_int_eq(cr_labelled_n_attrs(time), 0);
    int64_t us[TIMES];
    cr_date date;
    char text[64];
    ck_assert_fails(cr_labelled_load(time, us, sizeof us - 1, &err), CR_LIMIT);
    ck_assert_ok(cr_labelled_load(time, us, sizeof us, &err));
    cr_date_from_us(CR_CALENDAR_360_DAY, us[1], &date);
    ck_assert_str_eq(cr_date_text(&date, text, sizeof text), "2000-02-16 12:00");
    ck_assert_fails(cr_labelled_coord(a, "depth", &none, &err), CR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.hint, "area"));
    ck_assert_fails(cr_dataset_get(d, "sss", &none, &err), CR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.hint, "sst"));
    cr_labelled *label = get(d, "label");
    ck_assert_int_eq(cr_labelled_kind(label), CR_KIND_TEXT);
    ck_assert_str_eq(cr_labelled_text_values(label)[2], "c");
    cr_labelled_unref(label);
    cr_labelled_unref(time);
    cr_labelled_unref(a);
    cr_dataset_unref(d);
}

START_TEST(zarr_is_opened) { check_opened("zarr3"); }
END_TEST

START_TEST(netcdf_is_opened) { check_opened("netcdf4"); }
END_TEST

START_TEST(stored_values_stay) {
    cr_dataset_options options = {.as_stored = true};
    cr_dataset *d = NULL;
    write_file("netcdf4");
    ck_assert_ok(cr_dataset_open(context, path, &options, &d, &err));
    cr_labelled *a = get(d, "sst"), *time = get(d, "time");
    ck_assert_int_eq(cr_labelled_dtype(a), CR_I16);
    ck_near(values(a)[4 * LATS * LONS], -99);
    ck_assert_int_eq(cr_labelled_kind(time), CR_KIND_NUMBERS);
    ck_assert_str_eq(attr_of(time, "calendar"), "360_day");
    cr_labelled_unref(a);
    cr_labelled_unref(time);
    cr_dataset_unref(d);
}
END_TEST

START_TEST(positions_are_selected) {
    cr_labelled *a = sst(), *b = NULL, *c = NULL, *none = NULL;
    ck_assert_ok(cr_isel(a, "time", -1, &b, &err));
    ck_assert_int_eq(cr_labelled_ndim(b), 2);
    ck_assert(has_coord(b, "time") && has_coord(b, "area"));
    ck_assert_ok(cr_isel_range(b, "lon", CR_FROM_END, CR_FROM_END, -2, &c, &err));
    ck_assert_int_eq(cr_labelled_shape(c)[1], 2);
    ck_near(values(c)[2], value(TIMES - 1, 1, 3));
    ck_near(values(c)[3], value(TIMES - 1, 1, 1));
    cr_labelled_unref(c);
    ck_assert_ok(cr_isel_list(b, "lat", (int64_t[]){2, 2, -3}, 3, &c, &err));
    ck_near(values(c)[4 + 1], value(TIMES - 1, 2, 1));
    ck_near(values(c)[8 + 1], value(TIMES - 1, 0, 1));
    ck_assert_fails(cr_isel(a, "time", TIMES, &none, &err), CR_RANGE);
    ck_assert_fails(cr_isel(a, "depth", 0, &none, &err), CR_NOT_FOUND);
    ck_assert_str_eq(err.hint, "Its dimensions: time, lat, lon.");
    ck_assert_fails(cr_isel_range(a, "lat", 0, 1, 0, &none, &err), CR_INVALID);
    ck_assert_fails(cr_isel_list(a, "lat", (int64_t[]){3}, 1, &none, &err), CR_RANGE);
    cr_labelled_unref(a);
    cr_labelled_unref(b);
    cr_labelled_unref(c);
}
END_TEST

START_TEST(dimensions_are_reduced) {
    cr_labelled *a = sst(), *b = NULL, *all = NULL, *none = NULL;
    ck_assert_ok(cr_labelled_reduce(CR_REDUCE_MEAN, a, 1, (const char *[]){"time"}, NULL, &b, &err));
    ck_assert_str_eq(cr_labelled_name(b), "sst");
    ck_assert_str_eq(attr_of(b, "units"), "degC");
    ck_assert(!has_coord(b, "time") && has_coord(b, "lat") && has_coord(b, "height"));
    double sum = 0;
    int n = 0;
    for (int t = 0; t < TIMES; t++)
        if (!isnan(value(t, 1, 0))) {
            sum += value(t, 1, 0);
            n++;
        }
    ck_near(values(b)[LONS], sum / n);
    ck_assert_ok(cr_labelled_reduce(CR_REDUCE_COUNT, a, 0, NULL, NULL, &all, &err));
    ck_assert_int_eq(cr_labelled_ndim(all), 0);
    ck_near(values(all)[0], TIMES * LATS * LONS - 4 * LATS);
    cr_labelled_unref(all);
    cr_reduce_options strict = {.skipna = false};
    ck_assert_ok(cr_labelled_reduce(CR_REDUCE_MAX, a, 0, NULL, &strict, &all, &err));
    ck_assert(isnan(values(all)[0]));
    ck_assert_fails(cr_labelled_reduce(CR_REDUCE_SUM, a, 2, (const char *[]){"lat", "lat"}, NULL, &none, &err), CR_INVALID);
    ck_assert_fails(cr_labelled_reduce(CR_REDUCE_SUM, a, 1, (const char *[]){"level"}, NULL, &none, &err), CR_NOT_FOUND);
    cr_labelled_unref(a);
    cr_labelled_unref(b);
    cr_labelled_unref(all);
}
END_TEST

START_TEST(summary_shows_values_and_labels) {
    cr_labelled *a = sst(), *b = NULL;
    char *text = NULL;
    ck_assert_ok(cr_labelled_reduce(CR_REDUCE_MAX, a, 1, (const char *[]){"time"}, NULL, &b, &err));
    ck_assert_ok(cr_labelled_summary(b, &text, &err));
    ck_assert_ptr_nonnull(strstr(text, "sst (lat: 3, lon: 4) float64\n"));
    ck_assert_ptr_nonnull(strstr(text, "  * lat (lat: 3) float64  60 10 -50\n"));
    ck_assert_ptr_nonnull(strstr(text, "1143 1143.5 1144 1144.5")); /* t 23, y 0 */
    ck_assert_ptr_nonnull(strstr(text, "units: degC"));
    cr_free(text);
    cr_labelled_unref(a);
    cr_labelled_unref(b);
}
END_TEST

/* ---- labels ---- */

static cr_labelled *selected(cr_labelled *a, const char *text, cr_match match) {
    cr_labelled *b = NULL;
    ck_assert_ok(cr_sel_text(a, "time", text, match, &b, &err));
    return b;
}

static int64_t length(cr_labelled *a, const char *dim) { return cr_labelled_shape(a)[cr_labelled_axis(a, dim)]; }

START_TEST(dates_stand_for_their_span) {
    cr_labelled *a = sst(), *none = NULL;
    /* The times are the 16th of each month, 12:00, from 2000-01 to 2001-12. */
    struct { const char *text; int64_t n; } spans[] = {{"2000", 12}, {"2001-03", 1}, {"2001-03-16", 1}, {"2001-03-16T12", 1},
                                                       {"2001-03-16 12:00", 1}, {"2001-03-16T12:00:00", 1}, {"2001-03-16T12:00:00.0", 1}};
    for (size_t k = 0; k < CR_ARRAY_LEN(spans); k++) {
        cr_labelled *b = selected(a, spans[k].text, CR_MATCH_EXACT);
        ck_assert_int_eq(length(b, "time"), spans[k].n);
        ck_near(values(b)[1], value(spans[k].n == 1 ? 14 : 0, 0, 1));
        cr_labelled_unref(b);
    }
    cr_labelled *near = selected(a, "2000-03-01", CR_MATCH_NEAREST);
    ck_assert_int_eq(cr_labelled_axis(near, "time"), -1);
    ck_near(values(near)[1], value(1, 0, 1)); /* 14 days and a half; 2000-03-16 is a day further away */
    ck_assert_fails(cr_sel_text(a, "time", "2001-03-17", CR_MATCH_EXACT, &none, &err), CR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.hint, "2000-01-16 12:00"));
    ck_assert_fails(cr_sel_text(a, "time", "2001-02-31", CR_MATCH_EXACT, &none, &err), CR_RANGE);
    ck_assert_ok(cr_sel_text(a, "time", "2001-02-30", CR_MATCH_NEAREST, &none, &err)); /* which this calendar has */
    cr_labelled_unref(none);
    const char *wrong[] = {"", "2001-", "01-02", "2001-1", "2001-02-03T", "2001-02-03X04", "2001-02-03T04:", "2001-02-03T04:05:06.", "2001-02-03T04:05:06.1234567",
                           "yesterday", "2001-02-03 04:05:06Z"};
    for (size_t k = 0; k < CR_ARRAY_LEN(wrong); k++)
        ck_assert_fails(cr_sel_text(a, "time", wrong[k], CR_MATCH_EXACT, &none, &err), CR_INVALID);
    ck_assert_fails(cr_sel(a, "time", 3, CR_MATCH_EXACT, &none, &err), CR_TYPE);
    ck_assert_fails(cr_sel_text(a, "lat", "3", CR_MATCH_EXACT, &none, &err), CR_TYPE);
    cr_labelled_unref(a);
    cr_labelled_unref(near);
}
END_TEST

START_TEST(ranges_include_both_ends) {
    cr_labelled *a = sst(), *b = NULL, *none = NULL;
    struct { const char *from, *to; int64_t n; } ranges[] = {{"2000-11", "2001-02", 4}, {NULL, "2000-01-16", 1}, {"2001-12-16T12", NULL, 1},
                                                             {NULL, NULL, TIMES}, {"2002", NULL, 0}, {"2001", "2000", 0}};
    for (size_t k = 0; k < CR_ARRAY_LEN(ranges); k++) {
        ck_assert_ok(cr_sel_text_range(a, "time", ranges[k].from, ranges[k].to, &b, &err));
        ck_assert_int_eq(length(b, "time"), ranges[k].n);
        cr_labelled_unref(b);
    }
    ck_assert_ok(cr_sel_range(a, "lat", 60, 0, &b, &err)); /* falling labels */
    ck_assert_int_eq(length(b, "lat"), 2);
    cr_labelled_unref(b);
    ck_assert_ok(cr_sel_range(a, "lat", 0, 60, &b, &err));
    ck_assert_int_eq(length(b, "lat"), 0);
    cr_labelled_unref(b);
    ck_assert_ok(cr_sel_range(a, "lon", NAN, 90, &b, &err));
    ck_assert_int_eq(length(b, "lon"), 2);
    cr_labelled_unref(b);
    ck_assert_ok(cr_isel_list(a, "lat", (int64_t[]){0, 2, 1}, 3, &b, &err));
    ck_assert_fails(cr_sel_range(b, "lat", 60, 0, &none, &err), CR_INVALID);
    cr_labelled_unref(b);
    cr_labelled_unref(a);
}
END_TEST

START_TEST(numbers_and_texts_are_found) {
    cr_dataset *d = opened("zarr3");
    cr_labelled *a = get(d, "sst"), *names = get(d, "label"), *b = NULL, *c = NULL, *none = NULL;
    ck_assert_ok(cr_sel(a, "lat", 10, CR_MATCH_EXACT, &b, &err));
    ck_near(values(b)[1], value(0, 1, 1));
    cr_labelled_unref(b);
    ck_assert_ok(cr_sel(a, "lat", 35, CR_MATCH_NEAREST, &b, &err)); /* as near to 60 as to 10: the larger */
    ck_near(values(b)[1], value(0, 0, 1));
    cr_labelled_unref(b);
    ck_assert_ok(cr_sel_list(a, "lon", (double[]){270, 0}, 2, CR_MATCH_EXACT, &b, &err));
    ck_near(values(b)[0], value(0, 0, 3));
    cr_labelled_unref(b);
    ck_assert_fails(cr_sel(a, "lat", 11, CR_MATCH_EXACT, &none, &err), CR_NOT_FOUND);
    ck_assert_str_eq(err.message, "sel: lat has no label 11");
    /* Text as an index: "label" becomes the name of the dimension too. */
    ck_assert_ok(cr_labelled_texts(context, "lat", 1, (const char *[]){"lat"}, (int64_t[]){3}, cr_labelled_text_values(names), &b, &err));
    ck_assert_ok(cr_labelled_with_coord(a, b, &c, &err));
    cr_labelled_unref(b);
    ck_assert_ok(cr_sel_text(c, "lat", "c", CR_MATCH_EXACT, &b, &err));
    ck_near(values(b)[1], value(0, 2, 1));
    ck_assert_fails(cr_sel_text(c, "lat", "d", CR_MATCH_EXACT, &none, &err), CR_NOT_FOUND);
    ck_assert_fails(cr_sel_text(c, "lat", "c", CR_MATCH_NEAREST, &none, &err), CR_TYPE);
    cr_labelled_unref(a);
    cr_labelled_unref(b);
    cr_labelled_unref(c);
    cr_labelled_unref(names);
    cr_dataset_unref(d);
}
END_TEST

/* ---- arithmetic ---- */

static cr_labelled *map2(cr_map_op op, cr_labelled *a, cr_labelled *b) {
    cr_labelled *out = NULL;
    ck_assert_ok(cr_labelled_map(op, (cr_labelled *[]){a, b}, &out, &err));
    return out;
}

START_TEST(dimensions_meet_by_name) {
    cr_dataset *d = opened("zarr3");
    cr_labelled *a = get(d, "sst"), *area = get(d, "area"), *turned = NULL, *two = NULL, *none = NULL;
    ck_assert_ok(cr_labelled_number(context, 2, &two, &err));
    ck_assert_ok(cr_labelled_transpose(area, (const char *[]){"lon", "lat"}, &turned, &err));
    cr_labelled *b = map2(CR_MAP_MULTIPLY, turned, a), *c = map2(CR_MAP_ADD, a, two);
    ck_assert_str_eq(cr_labelled_dim(b, 0), "lon");
    ck_assert_str_eq(cr_labelled_dim(b, 2), "time");
    ck_assert_ptr_null(cr_labelled_name(b));
    ck_near(values(b)[(1 * LATS + 2) * TIMES + 5], (2 * LONS + 1 + 1) * value(5, 2, 1));
    ck_assert_str_eq(cr_labelled_name(c), "sst");
    ck_near(values(c)[1], value(0, 0, 1) + 2);
    /* Another length, other labels. */
    cr_labelled *part = NULL, *other = NULL;
    ck_assert_ok(cr_isel_range(a, "lat", 0, 2, 1, &part, &err));
    ck_assert_ok(cr_isel_range(a, "lat", 1, 3, 1, &other, &err));
    ck_assert_fails(cr_labelled_map(CR_MAP_ADD, (cr_labelled *[]){part, other}, &none, &err), CR_INVALID);
    ck_assert_str_eq(err.message, "add: the labels of lat differ, first at position 0: 60 and 10");
    ck_assert_str_eq(err.hint, "Select the labels that all have (cr_align).");
    cr_labelled *both[2] = {0};
    ck_assert_ok(cr_align(2, (cr_labelled *[]){part, other}, both, &err));
    ck_assert_int_eq(length(both[0], "lat"), 1);
    cr_labelled *zero = map2(CR_MAP_SUBTRACT, both[0], both[1]);
    ck_near(values(zero)[1], 0);
    cr_labelled *unlabelled = NULL, *short_one = NULL;
    ck_assert_ok(cr_labelled_without_coord(part, "lat", &unlabelled, &err));
    ck_assert_fails(cr_labelled_map(CR_MAP_ADD, (cr_labelled *[]){a, unlabelled}, &none, &err), CR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "lat has 3 elements in one argument and 2"));
    ck_assert_ok(cr_isel_range(unlabelled, "lat", 0, 1, 1, &short_one, &err)); /* one element does not stand for three */
    ck_assert_fails(cr_labelled_map(CR_MAP_ADD, (cr_labelled *[]){a, short_one}, &none, &err), CR_INVALID);
    cr_labelled *all[] = {a, area, turned, two, b, c, part, other, both[0], both[1], zero, unlabelled, short_one};
    for (size_t k = 0; k < CR_ARRAY_LEN(all); k++)
        cr_labelled_unref(all[k]);
    cr_dataset_unref(d);
}
END_TEST

START_TEST(where_keeps_and_replaces) {
    cr_labelled *a = sst(), *limit = NULL, *b = NULL, *c = NULL, *none = NULL;
    ck_assert_ok(cr_labelled_number(context, 500, &limit, &err));
    cr_labelled *warm = map2(CR_MAP_GREATER, a, limit);
    ck_assert_int_eq(cr_labelled_dtype(warm), CR_BOOL);
    ck_assert_ok(cr_labelled_where(a, warm, NULL, &b, &err));
    ck_assert(isnan(values(b)[1]));
    ck_near(values(b)[TIMES * LATS * LONS - 1], value(TIMES - 1, LATS - 1, LONS - 1));
    ck_assert_str_eq(attr_of(b, "units"), "degC");
    ck_assert_ok(cr_labelled_where(a, warm, limit, &c, &err));
    ck_near(values(c)[1], 500);
    ck_assert_fails(cr_labelled_where(warm, warm, NULL, &none, &err), CR_TYPE);
    cr_labelled *all[] = {a, limit, b, c, warm};
    for (size_t k = 0; k < CR_ARRAY_LEN(all); k++)
        cr_labelled_unref(all[k]);
}
END_TEST

START_TEST(times_are_compared_and_not_added) {
    cr_dataset *d = opened("zarr3");
    cr_labelled *time = get(d, "time"), *first = NULL, *least = NULL, *none = NULL;
    ck_assert_ok(cr_isel(time, "time", 3, &first, &err));
    cr_labelled *earlier = map2(CR_MAP_LESS, time, first);
    ck_near(values(earlier)[2], 1);
    ck_near(values(earlier)[3], 0);
    ck_assert_fails(cr_labelled_map(CR_MAP_ADD, (cr_labelled *[]){time, first}, &none, &err), CR_TYPE);
    ck_assert_ok(cr_labelled_reduce(CR_REDUCE_MAX, time, 0, NULL, NULL, &least, &err));
    int64_t us = 0;
    cr_date date;
    ck_assert_ok(cr_labelled_load(least, &us, sizeof us, &err));
    cr_date_from_us(cr_labelled_calendar(least), us, &date);
    ck_assert_int_eq(date.year * 100 + date.month, 200112);
    cr_labelled *all[] = {time, first, least, earlier};
    for (size_t k = 0; k < CR_ARRAY_LEN(all); k++)
        cr_labelled_unref(all[k]);
    cr_dataset_unref(d);
}
END_TEST

/* ---- groups and weights ---- */

START_TEST(months_are_grouped) {
    cr_labelled *a = sst(), *mean = NULL, *quarter = NULL, *season = NULL, *anomaly = NULL, *none = NULL;
    ck_assert_ok(cr_group_reduce(CR_REDUCE_MEAN, a, "time.month", NULL, &mean, &err));
    ck_assert_str_eq(cr_labelled_dim(mean, 0), "month");
    ck_assert_int_eq(length(mean, "month"), 12);
    ck_assert(!has_coord(mean, "time"));
    ck_near(values(mean)[3 * LATS * LONS + 5], (value(3, 1, 1) + value(15, 1, 1)) / 2);
    ck_near(values(mean)[4 * LATS * LONS], value(16, 0, 0)); /* the other one is missing */
    ck_assert_ok(cr_group_map(CR_MAP_SUBTRACT, a, "time.month", mean, &anomaly, &err));
    ck_near(values(anomaly)[3 * LATS * LONS + 5], -300);
    ck_near(values(anomaly)[15 * LATS * LONS + 5], 300);
    ck_assert(has_coord(anomaly, "month") && has_coord(anomaly, "time"));
    ck_assert_str_eq(attr_of(anomaly, "units"), "degC");
    ck_assert_ok(cr_group_reduce(CR_REDUCE_COUNT, a, "time.quarter", NULL, &quarter, &err));
    ck_assert_int_eq(length(quarter, "quarter"), 4);
    ck_near(values(quarter)[1], 6);
    ck_assert_ok(cr_group_reduce(CR_REDUCE_MAX, a, "time.season", NULL, &season, &err));
    cr_labelled *names = NULL;
    ck_assert_ok(cr_labelled_coord(season, "season", &names, &err));
    ck_assert_str_eq(cr_labelled_text_values(names)[0], "DJF");
    ck_assert_str_eq(cr_labelled_text_values(names)[3], "SON");
    ck_near(values(season)[1], value(23, 0, 1));
    ck_assert_fails(cr_group_reduce(CR_REDUCE_MEAN, a, "time.week", NULL, &none, &err), CR_INVALID);
    ck_assert_fails(cr_group_reduce(CR_REDUCE_MEAN, a, "lat.month", NULL, &none, &err), CR_TYPE);
    ck_assert_fails(cr_group_reduce(CR_REDUCE_MEAN, a, "area", NULL, &none, &err), CR_UNSUPPORTED);
    ck_assert_fails(cr_group_map(CR_MAP_SUBTRACT, a, "time.month", season, &none, &err), CR_INVALID);
    cr_labelled *all[] = {a, mean, quarter, season, anomaly, names};
    for (size_t k = 0; k < CR_ARRAY_LEN(all); k++)
        cr_labelled_unref(all[k]);
}
END_TEST

START_TEST(weights_leave_missing_values_out) {
    cr_dataset *d = opened("zarr3");
    cr_labelled *a = get(d, "sst"), *area = get(d, "area"), *mean = NULL, *none = NULL;
    ck_assert_ok(cr_weighted_mean(a, area, 2, (const char *[]){"lat", "lon"}, &mean, &err));
    ck_assert_int_eq(cr_labelled_ndim(mean), 1);
    ck_assert_str_eq(cr_labelled_name(mean), "sst");
    for (int t = 0; t < TIMES; t++) {
        double sum = 0, weight = 0;
        for (int k = 0; k < LATS * LONS; k++)
            if (!isnan(value(t, k / LONS, k % LONS))) {
                sum += value(t, k / LONS, k % LONS) * (k + 1);
                weight += k + 1;
            }
        ck_near(values(mean)[t], sum / weight);
    }
    ck_assert_fails(cr_weighted_mean(a, area, 1, (const char *[]){"depth"}, &none, &err), CR_NOT_FOUND);
    cr_labelled_unref(a);
    cr_labelled_unref(area);
    cr_labelled_unref(mean);
    cr_dataset_unref(d);
}
END_TEST

/* ---- writing ---- */

static void check_written(const char *format) {
    char out[96];
    cr_dataset *d = opened("zarr3"), *back = NULL, *stored = NULL;
    cr_labelled *a = get(d, "sst"), *label = get(d, "label"), *part = NULL, *again = NULL, *raw = NULL;
    cr_write_options options = {.format = format};
    cr_dataset_options as_stored = {.as_stored = true};
    snprintf(out, sizeof out, "%s/out", dir);
    ck_assert_ok(cr_isel_range(a, "time", 2, CR_FROM_END, 3, &part, &err));
    cr_dataset *both = NULL;
    ck_assert_ok(cr_dataset_new(context, 2, (cr_labelled *[]){part, label}, 0, NULL, &both, &err));
    ck_assert_ok(cr_dataset_write(both, out, &options, &err));
    ck_assert_fails(cr_dataset_write(both, out, &options, &err), CR_EXISTS);
    ck_assert_ok(cr_dataset_open(context, out, NULL, &back, &err));
    again = get(back, "sst");
    ck_assert_int_eq(cr_labelled_n_coords(again), 5);
    ck_near(values(again)[LATS * LONS + 1], value(5, 0, 1));
    ck_assert(isnan(values(again)[4 * LATS * LONS])); /* t 14 */
    ck_assert_ok(cr_dataset_open(context, out, &as_stored, &stored, &err));
    raw = get(stored, "sst");
    ck_assert_int_eq(cr_labelled_dtype(raw), CR_I16);
    ck_near(values(raw)[LATS * LONS + 1], 501);
    ck_near(values(raw)[4 * LATS * LONS], -99);
    cr_labelled *time = get(stored, "time");
    ck_assert_str_eq(attr_of(time, "units"), "days since 1999-12-16 12:00");
    ck_near(values(time)[1], 180);
    cr_labelled *all[] = {a, label, part, again, raw, time};
    for (size_t k = 0; k < CR_ARRAY_LEN(all); k++)
        cr_labelled_unref(all[k]);
    cr_dataset *sets[] = {d, both, back, stored};
    for (size_t k = 0; k < CR_ARRAY_LEN(sets); k++)
        cr_dataset_unref(sets[k]);
}

START_TEST(zarr_is_written) { check_written("zarr3"); }
END_TEST

START_TEST(netcdf_is_written) { check_written("netcdf4"); }
END_TEST

/* Times made in memory, one of them missing, in a calendar of their own. */
START_TEST(new_times_are_written) {
    const int64_t day = INT64_C(86400000000), three = 3;
    int64_t us[3] = {0, CR_TIME_MISSING, 0};
    cr_date first = {.year = 2001, .month = 2, .day = 28}, later = {.year = 2001, .month = 3, .day = 1, .hour = 6};
    char out[96];
    cr_array *values_of = NULL;
    cr_labelled *a = NULL, *b = NULL;
    cr_dataset *d = NULL, *back = NULL;
    cr_write_options options = {.format = "netcdf4"};
    ck_assert_ok(cr_date_to_us(CR_CALENDAR_NOLEAP, &first, &us[0], &err));
    ck_assert_ok(cr_date_to_us(CR_CALENDAR_NOLEAP, &later, &us[2], &err));
    ck_assert_int_eq(us[2] - us[0], day + day / 4);
    ck_assert_ok(cr_array_copy_memory(CR_I64, 1, &three, us, &values_of, &err));
    ck_assert_ok(cr_labelled_new(context, "when", (const char *[]){"x"}, values_of, CR_KIND_TIMES, CR_CALENDAR_NOLEAP, &a, &err));
    ck_assert_ok(cr_dataset_new(context, 1, &a, 0, NULL, &d, &err));
    snprintf(out, sizeof out, "%s/out.nc", dir);
    ck_assert_ok(cr_dataset_write(d, out, &options, &err));
    ck_assert_ok(cr_dataset_open(context, out, NULL, &back, &err));
    b = get(back, "when");
    int64_t got[3];
    ck_assert_ok(cr_labelled_load(b, got, sizeof got, &err));
    ck_assert_int_eq(cr_labelled_calendar(b), CR_CALENDAR_NOLEAP);
    ck_assert_mem_eq(got, us, sizeof us);
    cr_array_unref(values_of);
    cr_labelled_unref(a);
    cr_labelled_unref(b);
    cr_dataset_unref(d);
    cr_dataset_unref(back);
}
END_TEST

START_TEST(datasets_refuse_what_does_not_fit) {
    cr_dataset *d = opened("zarr3"), *none = NULL;
    cr_labelled *a = get(d, "sst"), *part = NULL, *renamed = NULL, *nameless = NULL;
    ck_assert_ok(cr_isel_range(a, "lat", 0, 2, 1, &part, &err));
    ck_assert_ok(cr_labelled_with_name(part, "part", &renamed, &err));
    ck_assert_ok(cr_labelled_with_name(a, NULL, &nameless, &err));
    ck_assert_ok(cr_dataset_new(context, 2, (cr_labelled *[]){a, a}, 0, NULL, &none, &err)); /* the same array is no conflict */
    cr_dataset_unref(none);
    ck_assert_fails(cr_dataset_new(context, 2, (cr_labelled *[]){a, renamed}, 0, NULL, &none, &err), CR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "lat"));
    ck_assert_fails(cr_dataset_new(context, 1, &nameless, 0, NULL, &none, &err), CR_INVALID);
    cr_labelled *all[] = {a, part, renamed, nameless};
    for (size_t k = 0; k < CR_ARRAY_LEN(all); k++)
        cr_labelled_unref(all[k]);
    cr_dataset_unref(d);
}
END_TEST

/* ---- the examples of examples/, run as they are ---- */

static int run_example(const char *name, const char *arguments) {
    char command[512];
    const char *folder = getenv("CRATON_EXAMPLES");
    ck_assert_ptr_nonnull(folder);
    snprintf(command, sizeof command, "'%s/example_%s' %s > '%s/log' 2>&1", folder, name, arguments, dir);
    return system(command);
}

START_TEST(climatology_example_runs) {
    char arguments[256], out[96];
    cr_dataset *d = NULL;
    write_file("netcdf4");
    snprintf(out, sizeof out, "%s/out.nc", dir);
    snprintf(arguments, sizeof arguments, "'%s' sst time '%s'", path, out);
    ck_assert_int_eq(run_example("climatology", arguments), 0);
    ck_assert_ok(cr_dataset_open(context, out, NULL, &d, &err));
    cr_labelled *mean = get(d, "climatology"), *anomaly = get(d, "anomaly");
    ck_near(values(mean)[3 * LATS * LONS + 5], (value(3, 1, 1) + value(15, 1, 1)) / 2);
    ck_near(values(anomaly)[15 * LATS * LONS + 5], 300);
    cr_labelled_unref(mean);
    cr_labelled_unref(anomaly);
    cr_dataset_unref(d);
    ck_assert_int_ne(run_example("climatology", "/nowhere sst time /tmp/never"), 0);
}
END_TEST

START_TEST(area_mean_example_runs) {
    char arguments[256], log[96], date[32] = "";
    double got = 0, sum = 0, weight = 0;
    write_file("zarr2");
    snprintf(arguments, sizeof arguments, "'%s' sst lat lon", path);
    ck_assert_int_eq(run_example("area_mean", arguments), 0);
    const double lats[] = {60, 10, -50};
    for (int k = 0; k < LATS * LONS; k++) {
        double w = cos(lats[k / LONS] * acos(-1) / 180);
        sum += value(0, k / LONS, k % LONS) * w;
        weight += w;
    }
    snprintf(log, sizeof log, "%s/log", dir);
    FILE *f = fopen(log, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%31[^\t]\t%lf", date, &got), 2);
    fclose(f);
    ck_assert_str_eq(date, "2000-01-16 12:00");
    ck_assert(fabs(got - sum / weight) < 1e-8);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("dataset");
    TCase *c = tcase_create("dataset");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, zarr_is_opened);
    tcase_add_test(c, netcdf_is_opened);
    tcase_add_test(c, stored_values_stay);
    tcase_add_test(c, positions_are_selected);
    tcase_add_test(c, dimensions_are_reduced);
    tcase_add_test(c, summary_shows_values_and_labels);
    tcase_add_test(c, dates_stand_for_their_span);
    tcase_add_test(c, ranges_include_both_ends);
    tcase_add_test(c, numbers_and_texts_are_found);
    tcase_add_test(c, dimensions_meet_by_name);
    tcase_add_test(c, where_keeps_and_replaces);
    tcase_add_test(c, times_are_compared_and_not_added);
    tcase_add_test(c, months_are_grouped);
    tcase_add_test(c, weights_leave_missing_values_out);
    tcase_add_test(c, zarr_is_written);
    tcase_add_test(c, netcdf_is_written);
    tcase_add_test(c, new_times_are_written);
    tcase_add_test(c, datasets_refuse_what_does_not_fit);
    tcase_add_test(c, climatology_example_runs);
    tcase_add_test(c, area_mean_example_runs);
    suite_add_tcase(s, c);
    return s;
}

CHECK_MAIN(suite())
