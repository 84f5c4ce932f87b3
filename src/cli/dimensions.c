/* dimensions.c - dimensions by what they are: lat, lon, lev and time are understood whatever a file calls them; and choosing among times by
 * month, season and other parts of a date. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/evaluate.h"

/* ---- names ---- */

static bool is_one_of(const char *word, const char *const *words) {
    for (; *words; words++)
        if (strcmp(word, *words) == 0)
            return true;
    return false;
}

static const char *text_attr(cr_labelled *a, const char *name) {
    for (int k = 0; k < cr_labelled_n_attrs(a); k++) {
        const cr_attr *own = cr_labelled_attr(a, k);
        if (strcmp(own->name, name) == 0 && own->dtype == CR_STRING && own->n == 1)
            return *(const char *const *)own->values;
    }
    return "";
}

/* A vertical coordinate says so by its axis, its direction, or units of pressure (CF 4.3). */
static bool is_level(cr_labelled *a) {
    static const char *const pressures[] = {"Pa", "hPa", "mbar", "millibar", "mb", NULL};
    return cr_labelled_kind(a) == CR_KIND_NUMBERS && (strcmp(text_attr(a, "axis"), "Z") == 0 || *text_attr(a, "positive") ||
                                                      is_one_of(text_attr(a, "units"), pressures));
}

/* Also one whose units cannot be understood, and that stayed numbers. */
static bool is_time(cr_labelled *a) { return cr_labelled_kind(a) == CR_KIND_TIMES || cr_time_units_likely(text_attr(a, "units")); }

static const struct role {
    const char *const names[4];
    bool (*is)(cr_labelled *index);
} roles[] = {
    {{"lat", "latitude"}, cr_is_latitude},
    {{"lon", "longitude"}, cr_is_longitude},
    {{"lev", "level"}, is_level},
    {{"time"}, is_time},
};

const char *cr_dim_called(cr_labelled *a, const char *word) {
    if (cr_labelled_axis(a, word) >= 0)
        return word;
    for (size_t r = 0; r < CR_ARRAY_LEN(roles); r++) {
        if (!is_one_of(word, roles[r].names))
            continue;
        for (int d = 0; d < cr_labelled_ndim(a); d++) {
            cr_labelled *index = NULL;
            bool found = cr_labelled_coord(a, cr_labelled_dim(a, d), &index, NULL) == CR_OK && roles[r].is(index);
            cr_labelled_unref(index);
            if (found)
                return cr_labelled_dim(a, d);
        }
    }
    return word;
}

const char *cr_place_word(const char *word) {
    return is_one_of(word, roles[0].names) ? "lat" : is_one_of(word, roles[1].names) ? "lon" : NULL;
}

bool cr_cells_of(cr_labelled *a, const char **ret_dims, cr_labelled **ret_lat, cr_labelled **ret_lon) {
    cr_labelled *found[2] = {NULL, NULL};
    for (int k = 0; k < cr_labelled_n_coords(a); k++) {
        cr_labelled *coord = NULL;
        if (cr_labelled_coord(a, cr_labelled_coord_name(a, k), &coord, NULL) != CR_OK)
            continue;
        int which = cr_labelled_ndim(coord) != 2 ? -1 : cr_is_latitude(coord) ? 0 : cr_is_longitude(coord) ? 1 : -1;
        if (which >= 0 && !found[which])
            found[which] = cr_labelled_ref(coord);
        cr_labelled_unref(coord);
    }
    bool fit = found[0] && found[1];
    for (int d = 0; d < 2 && fit; d++)
        fit = strcmp(cr_labelled_dim(found[0], d), cr_labelled_dim(found[1], d)) == 0;
    for (int d = 0; d < 2 && fit; d++)
        ret_dims[d] = cr_labelled_dim(a, cr_labelled_axis(a, cr_labelled_dim(found[0], d)));
    if (fit) {
        *ret_lat = found[0];
        *ret_lon = found[1];
        return true;
    }
    cr_labelled_unref(found[0]);
    cr_labelled_unref(found[1]);
    return false;
}

cr_status cr_no_dim(cr_labelled *a, const char *word, cr_err *err) {
    char dims[400] = "";
    for (int d = 0; d < cr_labelled_ndim(a); d++)
        snprintf(dims + strlen(dims), sizeof dims - strlen(dims), "%s%.60s", d ? ", " : "", cr_labelled_dim(a, d));
    cr_status status = CR_FAIL(err, CR_NOT_FOUND, "%s has no dimension %.60s", cr_labelled_name(a) ? cr_labelled_name(a) : "the array", word);
    const char *cells[2];
    cr_labelled *lat = NULL, *lon = NULL;
    if (cr_place_word(word) && cr_cells_of(a, cells, &lat, &lon))
        cr_err_hint(err, "Its cells lie along %s and %s, with %.60s and %.60s of each: nearest lat=... lon=... and mean lat lon go over both, where %.60s > 30 chooses.", cells[0], cells[1],
                    cr_labelled_name(lat), cr_labelled_name(lon), cr_labelled_name(lat));
    else
        cr_err_hint(err, *dims ? "Its dimensions: %s." : "It is a single value%s.", dims);
    cr_labelled_unref(lat);
    cr_labelled_unref(lon);
    return status;
}

bool cr_has_dim(cr_labelled *a, const char *word) { return cr_labelled_axis(a, cr_dim_called(a, word)) >= 0; }

/* ---- parts of dates ---- */

enum part { PART_NONE, PART_YEAR, PART_MONTH, PART_DAY, PART_HOUR, PART_DAYOFYEAR, PART_SEASON };
static const struct { const char *name; enum part part; int around; /* largest value of a part that begins again behind it */ } parts[] = {
    {"year", PART_YEAR, 0}, {"month", PART_MONTH, 12}, {"day", PART_DAY, 31}, {"hour", PART_HOUR, 23},
    {"dayofyear", PART_DAYOFYEAR, 366}, {"season", PART_SEASON, 0}};
static const char *const seasons[] = {"DJF", "MAM", "JJA", "SON"};

static int part_called(const char *word) {
    for (size_t k = 0; k < CR_ARRAY_LEN(parts); k++)
        if (strcmp(parts[k].name, word) == 0)
            return (int)k;
    return -1;
}

bool cr_is_part_of_date(cr_labelled *a, const char *word) {
    return part_called(word) >= 0 && cr_labelled_axis(a, word) < 0 && cr_time_dim(a);
}

static cr_status value_of(const cr_label_text *l, enum part part, int64_t *ret, int *at, cr_err *err) {
    *at = l->at;
    if (part == PART_SEASON) {
        for (int k = 0; k < 4; k++)
            if (strcmp(l->text, seasons[k]) == 0) {
                *ret = k;
                return CR_OK;
            }
        return CR_FAIL(err, CR_INVALID, "\"%.60s\" is no season: DJF, MAM, JJA, SON", l->text);
    }
    if (cr_parse_int(l->text, INT64_MIN + 1, INT64_MAX, ret, NULL) != CR_OK)
        return CR_FAIL(err, CR_INVALID, "\"%.60s\" is no whole number", l->text);
    return CR_OK;
}

static int64_t part_of(cr_calendar calendar, const cr_date *d, enum part part) {
    switch (part) {
    case PART_YEAR: return d->year;
    case PART_MONTH: return d->month;
    case PART_DAY: return d->day;
    case PART_HOUR: return d->hour;
    case PART_DAYOFYEAR: return cr_date_day_of_year(calendar, d);
    default: return d->month % 12 / 3;
    }
}

/* Whether a value is among those that were asked for; a range of a part that begins again may go over its end: month=11:2. */
static bool wanted(int64_t value, const cr_keyed *k, const int64_t *asked) {
    if (k->form != CR_KEYED_RANGE) {
        for (int i = 0; i < k->n; i++)
            if (asked[i] == value)
                return true;
        return false;
    }
    bool from = !k->labels[0].text || value >= asked[0], to = !k->labels[1].text || value <= asked[1];
    return k->labels[0].text && k->labels[1].text && asked[0] > asked[1] ? from || to : from && to;
}

static cr_status check_range(const cr_keyed *k, int around, const int64_t *asked, cr_err *err) {
    if (k->form != CR_KEYED_RANGE)
        return CR_OK;
    if (k->n > 2 && k->labels[2].text)
        return CR_FAIL(err, CR_INVALID, "a range of %.60s has no step", k->key);
    if (k->labels[0].text && k->labels[1].text && asked[0] > asked[1] && !around)
        return CR_FAIL(err, CR_INVALID, "the range %s:%s goes from the larger to the smaller", k->labels[0].text, k->labels[1].text);
    return CR_OK;
}

/* That part of each time of a, in order; missing times: INT64_MIN. */
static cr_status load_parts(cr_labelled *a, enum part part, int64_t **ret, int64_t *ret_n, cr_err *err) {
    cr_labelled *index = NULL;
    CR_TRY(cr_labelled_coord(a, cr_time_dim(a), &index, err));
    int64_t n = cr_labelled_shape(index)[0];
    cr_calendar calendar = cr_labelled_calendar(index);
    cr_auto_free int64_t *times = calloc((size_t)n + 1, sizeof *times);
    cr_status status = times ? cr_labelled_load(index, times, (size_t)n * sizeof *times, err)
                             : CR_FAIL(err, CR_MEMORY, "no memory for %lld times", (long long)n);
    cr_labelled_unref(index);
    CR_TRY(status);
    for (int64_t i = 0; i < n; i++) {
        cr_date d;
        if (times[i] == CR_TIME_MISSING)
            continue;
        cr_date_from_us(calendar, times[i], &d);
        times[i] = part_of(calendar, &d, part);
    }
    *ret = times;
    times = NULL;
    *ret_n = n;
    return CR_OK;
}

static int rising(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

cr_status cr_parts_of_dates(cr_labelled *a, const char *word, int64_t **ret_values, int64_t *ret_n, cr_err *err) {
    int64_t n = 0, kept = 0, *values = NULL;
    CR_TRY(load_parts(a, parts[part_called(word)].part, &values, &n, err));
    qsort(values, (size_t)n, sizeof *values, rising);
    for (int64_t i = 0; i < n; i++)
        if (values[i] != INT64_MIN && (kept == 0 || values[i] != values[kept - 1]))
            values[kept++] = values[i];
    *ret_values = values;
    *ret_n = kept;
    return CR_OK;
}

void cr_part_of_date_text(const char *word, int64_t value, char *buf, size_t size) {
    enum part part = parts[part_called(word)].part;
    int digits = part == PART_YEAR ? 4 : part == PART_DAYOFYEAR ? 3 : 2;
    if (part == PART_SEASON)
        snprintf(buf, size, "%s", seasons[value]);
    else
        snprintf(buf, size, "%0*lld", digits, (long long)value);
}

cr_status cr_sel_part_of_date(const cr_keyed *k, cr_labelled *a, cr_labelled **ret_array, int *at, cr_err *err) {
    int which = part_called(k->key);
    const char *dim = cr_time_dim(a);
    cr_auto_free int64_t *asked = calloc((size_t)k->n + 3, sizeof *asked);
    if (!asked)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d labels", k->n);
    for (int i = 0; i < k->n; i++)
        if (k->labels[i].text)
            CR_TRY(value_of(&k->labels[i], parts[which].part, &asked[i], at, err));
    *at = k->at;
    CR_TRY(check_range(k, parts[which].around, asked, err));
    cr_auto_free int64_t *values = NULL;
    int64_t n = 0, found = 0;
    CR_TRY(load_parts(a, parts[which].part, &values, &n, err));
    for (int64_t i = 0; i < n; i++)       /* values become positions */
        if (values[i] != INT64_MIN && wanted(values[i], k, asked))
            values[found++] = i;
    if (found == 0)
        return CR_FAIL(err, CR_NOT_FOUND, "no time of %s has this %s", dim, k->key);
    return cr_isel_list(a, dim, values, found, ret_array, err);
}
