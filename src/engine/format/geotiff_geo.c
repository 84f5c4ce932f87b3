/* geotiff_geo.c - where the pixels of a GeoTIFF lie, and in which coordinate system. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/format/geotiff.h"
#include "engine/format/text8.h"
#include "engine/format/zarr_json.h"

enum {
    TAG_PIXEL_SCALE = 33550, TAG_TIEPOINT = 33922, TAG_TRANSFORMATION = 34264, TAG_GEO_KEYS = 34735, TAG_GEO_TEXT = 34737,
    KEY_MODEL = 1024, KEY_RASTER = 1025, KEY_CITATION = 1026, KEY_GEOGRAPHIC = 2048, KEY_GEOGRAPHIC_CITATION = 2049, KEY_PROJECTED = 3072,
    KEY_PROJECTED_CITATION = 3073,
    PIXEL_IS_POINT = 2, FIRST_EPSG = 1024, LAST_EPSG = 32766, /* other codes: undefined, or private to the file */
    MAX_ATTRS = 16, MAX_CITATION = 1000,
};

/* ---- where pixels lie ---------------------------------------------------------------------------------------------------------- */

static bool all_finite(const double *v, int n) {
    for (int i = 0; i < n; i++)
        if (!isfinite(v[i]))
            return false;
    return true;
}

static bool read_transform(const cr_tiff_handle *h, double t[6]) {
    uint32_t n_scale = 0, n_tie = 0, n_matrix = 0;
    const double *matrix = cr_tiff_tag(h, TAG_TRANSFORMATION, TIFF_DOUBLE, &n_matrix);
    const double *scale = cr_tiff_tag(h, TAG_PIXEL_SCALE, TIFF_DOUBLE, &n_scale), *tie = cr_tiff_tag(h, TAG_TIEPOINT, TIFF_DOUBLE, &n_tie);
    if (scale && n_scale >= 2 && scale[0] != 0 && scale[1] != 0 && tie && n_tie >= 6) {
        t[1] = scale[0];
        t[2] = t[4] = 0;
        t[5] = -fabs(scale[1]);
        t[0] = tie[3] - tie[0] * t[1];
        t[3] = tie[4] - tie[1] * t[5];
    } else if (matrix && n_matrix == 16) {
        t[0] = matrix[3];
        t[1] = matrix[0];
        t[2] = matrix[1];
        t[3] = matrix[7];
        t[4] = matrix[4];
        t[5] = matrix[5];
    } else {
        return false;
    }
    return all_finite(t, 6) && t[1] * t[5] - t[2] * t[4] != 0;
}

/* ---- keys ------------------------------------------------------------------------------------------------------------------------ */

static const uint16_t *find_key(const uint16_t *keys, uint32_t n, uint16_t id) {
    for (uint32_t i = 4; i + 4 <= n && i / 4 <= keys[3]; i += 4)
        if (keys[i] == id)
            return keys + i;
    return NULL;
}

static int short_key(const uint16_t *keys, uint32_t n, uint16_t id) {
    const uint16_t *k = find_key(keys, n, id);
    return k && k[1] == 0 && k[2] == 1 ? k[3] : 0;
}

/* Text keys end in '|'. */
static cr_status text_key(const cr_tiff_handle *h, const uint16_t *keys, uint32_t n, uint16_t id, cr_arena *arena, const char **ret, cr_err *err) {
    const uint16_t *k = find_key(keys, n, id);
    uint32_t n_text = 0;
    const char *text = k && k[1] == TAG_GEO_TEXT ? cr_tiff_tag(h, TAG_GEO_TEXT, TIFF_ASCII, &n_text) : NULL;
    if (!text || *ret || k[3] >= n_text || k[2] > n_text - k[3])
        return CR_OK;
    size_t length = strnlen(text + k[3], CR_MIN(k[2], (uint16_t)MAX_CITATION));
    while (length > 0 && text[k[3] + length - 1] == '|')
        length--;
    if (length == 0)
        return CR_OK;
    *ret = cr_text8(arena, text + k[3], length);
    return *ret ? CR_OK : CR_FAIL(err, CR_LIMIT, "the metadata are larger than their limit");
}

static int epsg_of(int code) { return code >= FIRST_EPSG && code <= LAST_EPSG ? code : 0; }

cr_status cr_geo_read(const cr_tiff_handle *h, cr_arena *arena, cr_geo *ret_geo, cr_err *err) {
    cr_geo g = {0};
    uint32_t n = 0;
    const uint16_t *keys = cr_tiff_tag(h, TAG_GEO_KEYS, TIFF_SHORT, &n);
    g.has_transform = read_transform(h, g.t);
    if (keys && n >= 4) {
        g.model = short_key(keys, n, KEY_MODEL);
        g.is_point = short_key(keys, n, KEY_RASTER) == PIXEL_IS_POINT;
        g.epsg = epsg_of(short_key(keys, n, g.model == 2 ? KEY_GEOGRAPHIC : KEY_PROJECTED));
        CR_TRY(text_key(h, keys, n, KEY_CITATION, arena, &g.citation, err));
        CR_TRY(text_key(h, keys, n, KEY_PROJECTED_CITATION, arena, &g.citation, err));
        CR_TRY(text_key(h, keys, n, KEY_GEOGRAPHIC_CITATION, arena, &g.citation, err));
    }
    /* The place that is given is the centre of a pixel then. */
    if (g.is_point && g.has_transform) {
        g.t[0] -= 0.5 * g.t[1] + 0.5 * g.t[2];
        g.t[3] -= 0.5 * g.t[4] + 0.5 * g.t[5];
    }
    *ret_geo = g;
    return CR_OK;
}

/* ---- attributes of spatial_ref --------------------------------------------------------------------------------------------------- */

typedef struct attr_list {
    cr_arena *arena;
    cr_attr *attrs;
    int n;
    bool failed;
} attr_list;

static void add_text(attr_list *l, const char *name, const char *text) {
    const char **value = cr_arena_alloc(l->arena, sizeof *value);
    l->failed |= !value || !text;
    if (l->failed || l->n == MAX_ATTRS)
        return;
    *value = text;
    l->attrs[l->n++] = (cr_attr){name, CR_STRING, 1, value};
}

static void add_number(attr_list *l, const char *name, double v) {
    double *value = cr_arena_alloc(l->arena, sizeof *value);
    l->failed |= !value;
    if (l->failed || l->n == MAX_ATTRS)
        return;
    *value = v;
    l->attrs[l->n++] = (cr_attr){name, CR_F64, 1, value};
}

/* Systems whose parameters follow from the code alone (EPSG registry): latitude and longitude, and the zones of UTM. */
static const struct {
    int first, last, first_zone;
    bool south, wgs84;
} utm[] = {
    {32601, 32660, 1, false, true},
    {32701, 32760, 1, true, true},
    {25828, 25838, 28, false, false},  /* ETRS89 */
    {26901, 26923, 1, false, false},   /* NAD83 */
};

static void add_ellipsoid(attr_list *l, bool wgs84) {
    add_number(l, "semi_major_axis", 6378137.0);
    add_number(l, "inverse_flattening", wgs84 ? 298.257223563 : 298.257222101);
}

/* CF conventions, appendix F. */
static void add_mapping(attr_list *l, const cr_geo *g) {
    if (g->model == 2) {
        add_text(l, "grid_mapping_name", "latitude_longitude");
        if (g->epsg == 4326 || g->epsg == 4258 || g->epsg == 4269)
            add_ellipsoid(l, g->epsg == 4326);
    }
    for (size_t i = 0; g->model == 1 && i < CR_ARRAY_LEN(utm); i++) {
        if (g->epsg < utm[i].first || g->epsg > utm[i].last)
            continue;
        add_text(l, "grid_mapping_name", "transverse_mercator");
        add_ellipsoid(l, utm[i].wgs84);
        add_number(l, "longitude_of_central_meridian", (g->epsg - utm[i].first + utm[i].first_zone) * 6 - 183);
        add_number(l, "latitude_of_projection_origin", 0);
        add_number(l, "scale_factor_at_central_meridian", 0.9996);
        add_number(l, "false_easting", 500000);
        add_number(l, "false_northing", utm[i].south ? 10000000 : 0);
    }
}

static char *transform_text(const cr_geo *g, cr_arena *arena) {
    cr_auto_buf cr_buf b;
    cr_buf_init(&b, 400);
    for (int i = 0; i < 6; i++) {
        cr_buf_adds(&b, i ? " " : "");
        cr_json_write_item(CR_F64, &g->t[i], false, &b);
    }
    return cr_arena_strdup(arena, cr_buf_str(&b));
}

cr_status cr_geo_attrs(const cr_geo *g, cr_arena *arena, cr_attr **ret_attrs, int *ret_n, cr_err *err) {
    attr_list l = {arena, cr_arena_calloc(arena, MAX_ATTRS, sizeof(cr_attr)), 0, false};
    l.failed = !l.attrs;
    if (g->epsg) {
        add_text(&l, "spatial_ref", cr_arena_printf(arena, "EPSG:%d", g->epsg));
        add_mapping(&l, g);
    }
    if (g->citation)
        add_text(&l, "geotiff_citation", g->citation);
    if (g->has_transform)
        add_text(&l, "GeoTransform", transform_text(g, arena));
    if (l.failed)
        return CR_FAIL(err, CR_LIMIT, "the metadata are larger than their limit");
    *ret_attrs = l.attrs;
    *ret_n = l.n;
    return CR_OK;
}
