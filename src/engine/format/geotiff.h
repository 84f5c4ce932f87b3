/* geotiff.h - GeoTIFF, also BigTIFF and cloud-optimized: rasters as band_data(band, y, x) with their coordinates.
 *
 * Sources: TIFF 6.0; the GeoTIFF standard (OGC 19-008r4); GDAL's tags for no-data and metadata. The shape of the result is that of rioxarray's
 * engine "rasterio": band (from 1), y and x at the centres of pixels, and spatial_ref with what is known of the coordinate system.
 * libtiff reads directories and decodes strips and tiles; bytes are read by us.
 *
 * Files are hostile until shown otherwise:
 *  1. A handle of libtiff is used by one thread at a time (cr_tiff_take, cr_tiff_give); its messages go to the cr_err of that thread, none to
 *     stderr. No process-wide state of libtiff (handlers, tag extenders) is touched.
 *  2. libtiff sees the file through functions that refuse to read outside of it, and may allocate at most CR_TIFF_ALLOC_MAX at a time.
 *  3. Shapes are checked before they are used; the place and length of a strip or tile are checked against the file, and its length against what
 *     it can decode to, before it is read. Codecs are those of a short list; others make the variable's problem.
 */
#ifndef CR_ENGINE_FORMAT_GEOTIFF_H
#define CR_ENGINE_FORMAT_GEOTIFF_H

#include <tiffio.h>

#include "base/fork_lock.h"
#include "engine/format/model.h"
#include "engine/store/held_file.h"

#define CR_TIFF_ALLOC_MAX ((tmsize_t)64 << 20)
enum { CR_TIFF_IDLE_MAX = 8, CR_TIFF_PAGES_MAX = 256, CR_TIFF_NO_PAGE = UINT16_MAX, CR_TIFF_MESSAGE_MAX = 300 };

/* One handle of libtiff, and what it reads through. */
typedef struct cr_tiff_handle {
    TIFF *tif;
    const cr_held_file *held;     /* borrowed */
    uint64_t size, at;
    uint16_t page;                /* the directory that is current */
    char message[CR_TIFF_MESSAGE_MAX]; /* the first error since cr_tiff_take */
} cr_tiff_handle;

/* The open file, shared by the sources of its variables. */
typedef struct cr_tiff_file {
    int refs;                     /* atomic */
    cr_held_file *held;
    uint64_t size;
    char *path;
    cr_fork_lock lock;            /* guards the two below */
    cr_tiff_handle *idle[CR_TIFF_IDLE_MAX];
    int n_idle;
} cr_tiff_file;

cr_status cr_tiff_open(const char *path, cr_reader *reader /* or NULL */, cr_tiff_file **ret_file, cr_err *err) CR_MUST_USE;
cr_tiff_file *cr_tiff_ref(cr_tiff_file *f);
void cr_tiff_unref(cr_tiff_file *f);
/* A handle that stands at a page, for this thread alone until it is given back. */
cr_status cr_tiff_take(cr_tiff_file *f, uint16_t page, cr_tiff_handle **ret_handle, cr_err *err) CR_MUST_USE;
void cr_tiff_give(cr_tiff_file *f, cr_tiff_handle *h);
/* CR_FORMAT with what libtiff said; what: what could not be done. */
cr_status cr_tiff_fail(const cr_tiff_file *f, const cr_tiff_handle *h, const char *what, cr_err *err) CR_MUST_USE;
/* The values of a tag that libtiff does not know by itself, borrowed until the page changes; NULL unless it is stored with this type. */
const void *cr_tiff_tag(const cr_tiff_handle *h, uint32_t tag, TIFFDataType type, uint32_t *ret_n);

/* How the pixels of one page are stored; checked. */
typedef struct cr_tiff_layout {
    uint16_t page, compression;
    uint32_t width, height, bands;
    uint32_t piece_width, piece_height; /* of a tile, or of a strip (as wide as the page) */
    bool tiled, planar;           /* planar: each band has its own tiles or strips */
    bool swapped;                 /* stored in the other byte order */
    bool bits_turned;             /* FillOrder 2: the lowest bit of each byte comes first; libtiff turns them in what it decodes */
    cr_dtype dtype;
    size_t itemsize;
    const char *problem;          /* why it cannot be read; in the arena; then dtype may be wrong */
} cr_tiff_layout;
cr_status cr_tiff_read_layout(const cr_tiff_file *f, const cr_tiff_handle *h, cr_arena *arena, cr_tiff_layout *ret_layout, cr_err *err) CR_MUST_USE;
const char *cr_tiff_compression_name(uint16_t compression);
/* band_data(band, y, x). fill: one item for pieces that are not stored, or NULL for zeros. name: for messages. */
cr_status cr_tiff_source(cr_tiff_file *f, const cr_tiff_layout *layout, const void *fill, const char *name, cr_source **ret_source,
                         cr_err *err) CR_MUST_USE;

/* Where pixels lie, from ModelPixelScale and ModelTiepoint or ModelTransformation, in GDAL's order: x = t[0] + column t[1] + row t[2],
 * y = t[3] + column t[4] + row t[5], at the corners of pixels. */
typedef struct cr_geo {
    bool has_transform;
    double t[6];
    bool is_point;                /* GTRasterType PixelIsPoint; t was moved by half a pixel */
    int model;                    /* GTModelType: 1 projected, 2 geographic, 3 geocentric, 0 not said */
    int epsg;                     /* of the coordinate system; 0: none, or defined by the file itself */
    const char *citation;         /* what the file calls it, or NULL; in the arena */
} cr_geo;
cr_status cr_geo_read(const cr_tiff_handle *h, cr_arena *arena, cr_geo *ret_geo, cr_err *err) CR_MUST_USE;
/* Attributes of spatial_ref, in the arena. */
cr_status cr_geo_attrs(const cr_geo *geo, cr_arena *arena, cr_attr **ret_attrs, int *ret_n, cr_err *err) CR_MUST_USE;

/* What GDAL notes beside the standard (tags 42112 and 42113). Arrays have one entry per band, or are NULL; in the arena. */
typedef struct cr_gdal_notes {
    bool has_nodata;
    const char *nodata;           /* as written: "-9999", "nan" */
    double *scales, *offsets;
    const char **descriptions;
    cr_attr *attrs;               /* items of the whole file */
    int n_attrs;
} cr_gdal_notes;
cr_status cr_gdal_read(const cr_tiff_handle *h, uint32_t bands, cr_arena *arena, cr_gdal_notes *ret_notes, cr_err *err) CR_MUST_USE;

#endif
