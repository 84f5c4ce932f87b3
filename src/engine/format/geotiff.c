/* geotiff.c - opening a GeoTIFF: band_data(band, y, x), its coordinates, and its overviews as groups. */
#include "engine/format/geotiff.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/format/linear_source.h"
#include "engine/format/text8.h"
#include "engine/format/zarr_json.h"

enum { MAX_VARIABLES = 5, OWN_ATTRS = 8 };

static const char band_data[] = "band_data", spatial_ref[] = "spatial_ref";

typedef struct opener {
    cr_tiff_file *tiff;
    cr_file *f;
    cr_arena *arena;
    cr_tiff_layout layout;        /* of the page that is opened */
    cr_geo geo;
    cr_gdal_notes notes;
} opener;

static cr_status no_room(cr_err *err) { return CR_FAIL(err, CR_LIMIT, "the metadata are larger than their limit"); }

/* ---- pages ----------------------------------------------------------------------------------------------------------------------- */

typedef struct page {
    uint16_t number;
    uint32_t width, height;
    char name[24];                /* "" for the first */
} page;

/* The pages that are rasters: the first, its overviews, and further images. Masks are left out. */
static cr_status list_pages(opener *o, cr_tiff_handle *h, page *pages, int *ret_n, cr_err *err) {
    int n = 0, overviews = 0;
    bool damaged = false;
    for (uint16_t i = 0; !damaged; i++) {
        uint32_t kind = 0;
        page p = {.number = i};
        TIFFGetFieldDefaulted(h->tif, TIFFTAG_SUBFILETYPE, &kind);
        TIFFGetField(h->tif, TIFFTAG_IMAGEWIDTH, &p.width);
        TIFFGetField(h->tif, TIFFTAG_IMAGELENGTH, &p.height);
        bool is_mask = i > 0 && kind & FILETYPE_MASK;
        if (i > 0 && !is_mask && kind & FILETYPE_REDUCEDIMAGE)
            snprintf(p.name, sizeof p.name, "overview_%d", ++overviews);
        else if (i > 0)
            snprintf(p.name, sizeof p.name, "page_%u", i + 1u);
        if (!is_mask)
            pages[n++] = p;
        if (i + 1 == CR_TIFF_PAGES_MAX || TIFFLastDirectory(h->tif))
            break;
        /* A later page that is damaged does not take the first from its readers. */
        damaged = !TIFFReadDirectory(h->tif);
    }
    /* What a directory that cannot be read leaves behind is no page. */
    h->page = damaged ? CR_TIFF_NO_PAGE : TIFFCurrentDirectory(h->tif);
    *ret_n = n;
    return CR_OK;
}

static cr_status pick_page(opener *o, const page *pages, int n, const char *group, const page **ret_page, cr_err *err) {
    cr_file *f = o->f;
    const char *name = group ? group + strspn(group, "/") : "";
    size_t length = strlen(name);
    while (length > 0 && name[length - 1] == '/')
        length--;
    *ret_page = NULL;
    for (int i = 0; i < n && !*ret_page; i++)
        if (strlen(pages[i].name) == length && memcmp(pages[i].name, name, length) == 0)
            *ret_page = &pages[i];
    if (!*ret_page) {
        cr_status status = CR_FAIL(err, CR_NOT_FOUND, "there is no group \"%.*s\"", (int)CR_MIN(length, (size_t)100), name);
        cr_err_hint(err, "overviews are the groups overview_1, overview_2, ...; `craton info` lists them");
        return status;
    }
    if (length > 0 || n == 1)
        return CR_OK;
    f->groups = cr_arena_calloc(o->arena, (size_t)n, sizeof *f->groups);
    for (int i = 1; f->groups && i < n; i++) {
        f->groups[f->n_groups] = cr_arena_strdup(o->arena, pages[i].name);
        if (!f->groups[f->n_groups])
            return no_room(err);
        f->n_groups++;
    }
    return f->groups ? CR_OK : no_room(err);
}

/* An overview covers what the first page does, in larger pixels. */
static void scale_transform(cr_geo *g, const page *whole, const cr_tiff_layout *l) {
    double x = (double)whole->width / l->width, y = (double)whole->height / l->height;
    g->t[1] *= x;
    g->t[4] *= x;
    g->t[2] *= y;
    g->t[5] *= y;
}

/* Geography and notes are written beside the first page; another image of its own may have its own. */
static cr_status read_page(opener *o, const page *first, const page *p, cr_err *err) {
    cr_tiff_handle *h = NULL;
    bool is_overview = cr_starts_with(p->name, "overview_");
    CR_TRY(cr_tiff_take(o->tiff, is_overview ? first->number : p->number, &h, err));
    cr_status status = cr_geo_read(h, o->arena, &o->geo, err);
    cr_tiff_layout l = {0};
    if (status == CR_OK)
        status = cr_tiff_read_layout(o->tiff, h, o->arena, &l, err);
    if (status == CR_OK)
        status = cr_gdal_read(h, l.bands, o->arena, &o->notes, err);
    cr_tiff_give(o->tiff, h);
    if (status == CR_OK && is_overview) {
        uint32_t bands = l.bands;
        CR_TRY(cr_tiff_take(o->tiff, p->number, &h, err));
        status = cr_tiff_read_layout(o->tiff, h, o->arena, &l, err);
        cr_tiff_give(o->tiff, h);
        if (status == CR_OK && l.bands != bands)
            status = CR_FAIL(err, CR_FORMAT, "%s: an overview has %u bands, the raster %u", o->tiff->path, l.bands, bands);
        if (status == CR_OK)
            scale_transform(&o->geo, first, &l);
    }
    o->layout = l;
    return status;
}

/* ---- attributes of band_data ------------------------------------------------------------------------------------------------------ */

static cr_status add_text(opener *o, cr_attr *attrs, int *n, const char *name, const char *const *texts, int64_t count, cr_err *err) {
    const char **own = cr_arena_calloc(o->arena, (size_t)count, sizeof *own);
    if (!own)
        return no_room(err);
    memcpy(own, texts, (size_t)count * sizeof *own);
    attrs[(*n)++] = (cr_attr){name, CR_STRING, count, own};
    return CR_OK;
}

static bool all_equal(const double *v, uint32_t n) {
    for (uint32_t i = 1; i < n; i++)
        if (v[i] != v[0])
            return false;
    return true;
}

/* One number for all bands has CF's name and is applied; numbers that differ are only told. */
static void add_packing(const cr_gdal_notes *notes, uint32_t bands, cr_attr *attrs, int *n) {
    const double *scales = notes->scales, *offsets = notes->offsets;
    if ((!scales || all_equal(scales, bands)) && (!offsets || all_equal(offsets, bands))) {
        if (scales)
            attrs[(*n)++] = (cr_attr){"scale_factor", CR_F64, 1, scales};
        if (offsets)
            attrs[(*n)++] = (cr_attr){"add_offset", CR_F64, 1, offsets};
        return;
    }
    if (scales)
        attrs[(*n)++] = (cr_attr){"scales", CR_F64, bands, scales};
    if (offsets)
        attrs[(*n)++] = (cr_attr){"offsets", CR_F64, bands, offsets};
}

/* The value as an item of the type; false when the type cannot hold it (then no pixel has it). */
static bool item_of(double v, cr_dtype t, void *item) {
    static const struct {
        cr_dtype dtype;
        double min, past;         /* integers from min up to, not including, past */
    } ranges[] = {
        {CR_I8, -128, 128},   {CR_U8, 0, 256},          {CR_I16, -32768, 32768},      {CR_U16, 0, 65536},
        {CR_I32, -0x1p31, 0x1p31}, {CR_U32, 0, 0x1p32}, {CR_I64, -0x1p63, 0x1p63}, {CR_U64, 0, 0x1p64},
    };
    const float f = (float)v;
    const uint16_t h = cr_half_from_double(v);
    if (cr_dtype_kind(t) == 'f') {
        memcpy(item, t == CR_F64 ? (const void *)&v : t == CR_F32 ? (const void *)&f : (const void *)&h, cr_dtype_size(t));
        return true;
    }
    for (size_t i = 0; i < CR_ARRAY_LEN(ranges); i++) {
        if (ranges[i].dtype != t || !(v >= ranges[i].min && v < ranges[i].past) || v != trunc(v))
            continue;
        /* Little-endian machines: the low bytes of the whole number are the item. */
        uint64_t bits = v < 0 ? (uint64_t)(int64_t)v : (uint64_t)v;
        memcpy(item, &bits, cr_dtype_size(t));
        return true;
    }
    return false;
}

/* Whole numbers of 64 bits have more digits than a double. False: the text is not one, or not of this type. */
static bool long_item_of(const char *text, cr_dtype t, void *item) {
    char *end;
    bool negative = text[strspn(text, " ")] == '-';
    errno = 0;
    uint64_t bits = negative ? (uint64_t)strtoll(text, &end, 10) : strtoull(text, &end, 10);
    bool whole = end != text && end[strspn(end, " ")] == 0 && errno == 0;
    if (!whole || !((t == CR_I64 && (negative || bits <= INT64_MAX)) || (t == CR_U64 && !negative)))
        return false;
    memcpy(item, &bits, sizeof bits);
    return true;
}

static cr_status nodata_item(opener *o, const void **ret_item, cr_err *err) {
    const cr_dtype t = o->layout.dtype;
    char *end;
    *ret_item = NULL;
    double v = o->notes.has_nodata ? cr_parse_real(o->notes.nodata, &end) : 0;
    if (!o->notes.has_nodata || end == o->notes.nodata)
        return CR_OK;
    void *item = cr_arena_alloc(o->arena, 8);
    if (!item)
        return no_room(err);
    if (long_item_of(o->notes.nodata, t, item) || item_of(v, t, item))
        *ret_item = item;
    return CR_OK;
}

static cr_status band_attrs(opener *o, const void *nodata, cr_attr **ret_attrs, int *ret_n, cr_err *err) {
    static const char *const point = "Point", *const area = "Area", *const ref = spatial_ref;
    uint32_t bands = o->layout.bands;
    int n = 0;
    cr_attr *attrs = cr_arena_calloc(o->arena, (size_t)o->notes.n_attrs + OWN_ATTRS, sizeof *attrs);
    if (!attrs)
        return no_room(err);
    if (nodata)
        attrs[n++] = (cr_attr){"_FillValue", o->layout.dtype, 1, nodata};
    add_packing(&o->notes, bands, attrs, &n);
    if (o->notes.descriptions)
        CR_TRY(add_text(o, attrs, &n, "long_name", o->notes.descriptions, bands, err));
    if (!cr_attr_find(o->notes.attrs, o->notes.n_attrs, "AREA_OR_POINT"))
        CR_TRY(add_text(o, attrs, &n, "AREA_OR_POINT", o->geo.is_point ? &point : &area, 1, err));
    CR_TRY(add_text(o, attrs, &n, "grid_mapping", &ref, 1, err));
    CR_TRY(add_text(o, attrs, &n, "coordinates", &ref, 1, err));
    int own = n;
    for (int i = 0; i < o->notes.n_attrs; i++)
        if (!cr_attr_find(attrs, own, o->notes.attrs[i].name))
            attrs[n++] = o->notes.attrs[i];
    *ret_attrs = attrs;
    *ret_n = n;
    return CR_OK;
}

/* ---- variables ---------------------------------------------------------------------------------------------------------------------- */

static cr_status add_dims(opener *o, cr_err *err) {
    static const char *const names[] = {"band", "y", "x"};
    const int64_t lengths[] = {o->layout.bands, o->layout.height, o->layout.width};
    o->f->dims = cr_arena_calloc(o->arena, CR_ARRAY_LEN(names), sizeof *o->f->dims);
    o->f->variables = cr_arena_calloc(o->arena, MAX_VARIABLES, sizeof *o->f->variables);
    if (!o->f->dims || !o->f->variables)
        return no_room(err);
    for (size_t i = 0; i < CR_ARRAY_LEN(names); i++)
        o->f->dims[o->f->n_dims++] = (cr_dim){names[i], lengths[i], false};
    return CR_OK;
}

/* dim: 0 band, 1 y, 2 x; -1: no dimension. */
static cr_status add_line(opener *o, const char *name, int dim, cr_dtype dtype, const cr_linear *line, cr_attr *attrs, int n_attrs, cr_err *err) {
    cr_model_variable *v = &o->f->variables[o->f->n_variables];
    int64_t *shape = cr_arena_calloc(o->arena, 1, sizeof *shape);
    const char **dims = cr_arena_calloc(o->arena, 1, sizeof *dims);
    if (!shape || !dims)
        return no_room(err);
    if (dim >= 0) {
        shape[0] = o->f->dims[dim].length;
        dims[0] = o->f->dims[dim].name;
    }
    CR_TRY(cr_linear_source(line, dtype, dim >= 0 ? shape[0] : -1, o->tiff->path, name, &v->source, err));
    v->pub = (cr_variable){.name = name, .dtype = dtype, .itemsize = 8, .ndim = dim >= 0, .shape = shape, .dims = dims, .attrs = attrs,
                           .n_attrs = n_attrs, .compression = ""};
    o->f->n_variables++;
    return CR_OK;
}

/* A rotated raster has no x and y of its own; GeoTransform tells where its pixels lie. */
static cr_status add_coordinates(opener *o, cr_err *err) {
    const cr_geo *g = &o->geo;
    cr_attr *attrs = NULL;
    int n = 0;
    CR_TRY(add_line(o, "band", 0, CR_I64, &(cr_linear){1, 0, 1}, NULL, 0, err));
    if (g->has_transform && g->t[2] == 0 && g->t[4] == 0) {
        CR_TRY(add_line(o, "y", 1, CR_F64, &(cr_linear){g->t[3], 0.5, g->t[5]}, NULL, 0, err));
        CR_TRY(add_line(o, "x", 2, CR_F64, &(cr_linear){g->t[0], 0.5, g->t[1]}, NULL, 0, err));
    } else if (!g->has_transform) {
        CR_TRY(add_line(o, "y", 1, CR_F64, &(cr_linear){0, 0.5, 1}, NULL, 0, err));
        CR_TRY(add_line(o, "x", 2, CR_F64, &(cr_linear){0, 0.5, 1}, NULL, 0, err));
    }
    CR_TRY(cr_geo_attrs(g, o->arena, &attrs, &n, err));
    return add_line(o, spatial_ref, -1, CR_I64, &(cr_linear){0, 0, 0}, attrs, n, err);
}

static cr_status add_bands(opener *o, cr_err *err) {
    static const char *const dims[] = {"band", "y", "x"};
    const cr_tiff_layout *l = &o->layout;
    cr_model_variable *v = &o->f->variables[o->f->n_variables];
    const void *nodata = NULL;
    cr_attr *attrs = NULL;
    int n = 0;
    int64_t *shape = cr_arena_calloc(o->arena, 3, sizeof *shape), *chunks = cr_arena_calloc(o->arena, 3, sizeof *chunks);
    if (!shape || !chunks)
        return no_room(err);
    CR_TRY(nodata_item(o, &nodata, err));
    CR_TRY(band_attrs(o, nodata, &attrs, &n, err));
    memcpy(shape, (int64_t[]){l->bands, l->height, l->width}, 3 * sizeof *shape);
    memcpy(chunks, (int64_t[]){l->planar ? 1 : l->bands, l->piece_height, l->piece_width}, 3 * sizeof *chunks);
    if (!l->problem) {
        CR_TRY(cr_tiff_source(o->tiff, l, nodata, band_data, &v->source, err));
        memcpy(chunks, v->source->chunk_shape, 3 * sizeof *chunks);
    }
    v->pub = (cr_variable){.name = band_data, .dtype = l->dtype, .itemsize = l->itemsize, .ndim = 3, .shape = shape, .dims = dims, .chunks = chunks,
                           .attrs = attrs, .n_attrs = n, .compression = cr_tiff_compression_name(l->compression), .problem = l->problem};
    o->f->n_variables++;
    return CR_OK;
}

/* ---- the format ---------------------------------------------------------------------------------------------------------------------- */

static bool tiff_probe(const char *path, bool is_dir, const unsigned char *head, size_t n) {
    return !is_dir && n >= 8 && (memcmp(head, "II\x2a\0", 4) == 0 || memcmp(head, "MM\0\x2a", 4) == 0 || memcmp(head, "II\x2b\0", 4) == 0 ||
                                 memcmp(head, "MM\0\x2b", 4) == 0);
}

static void tiff_close(cr_file *f) { cr_tiff_unref(f->state); }

static cr_status tiff_open(const char *path, const cr_open_options *options, cr_file *f, cr_err *err) {
    opener o = {.f = f, .arena = &f->arena};
    cr_tiff_handle *h = NULL;
    const page *chosen = NULL;
    int n = 0;
    page *pages = cr_arena_calloc(&f->arena, CR_TIFF_PAGES_MAX, sizeof *pages);
    if (!pages)
        return no_room(err);
    CR_TRY(cr_tiff_open(path, options->reader, &o.tiff, err));
    f->state = o.tiff;
    f->close = tiff_close;
    CR_TRY(cr_tiff_take(o.tiff, 0, &h, err));
    cr_status status = list_pages(&o, h, pages, &n, err);
    cr_tiff_give(o.tiff, h);
    CR_TRY(status);
    CR_TRY(pick_page(&o, pages, n, options->group, &chosen, err));
    CR_TRY(read_page(&o, &pages[0], chosen, err));
    CR_TRY(add_dims(&o, err));
    CR_TRY(add_coordinates(&o, err));
    return add_bands(&o, err);
}

const cr_format cr_format_geotiff = {"geotiff", tiff_probe, tiff_open, true};
