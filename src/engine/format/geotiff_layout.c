/* geotiff_layout.c - how the pixels of a page are stored: checked, and what of it can be read. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/format/geotiff.h"

enum { MAX_BANDS = 65535 };
static const uint64_t MAX_PIECE_BYTES = (uint64_t)1 << 30;

/* Those that are read. Others are left to programs that convert: each codec is code that hostile files reach. */
static const struct {
    uint16_t number;
    const char *name;
    bool is_read;
} compressions[] = {
    {COMPRESSION_NONE, "", true},
    {COMPRESSION_LZW, "lzw", true},
    {COMPRESSION_ADOBE_DEFLATE, "deflate", true},
    {COMPRESSION_DEFLATE, "deflate", true},
    {COMPRESSION_PACKBITS, "packbits", true},
    {COMPRESSION_ZSTD, "zstd", true},
    {COMPRESSION_JPEG, "JPEG", false},
    {COMPRESSION_OJPEG, "JPEG", false},
    {COMPRESSION_LERC, "LERC", false},
    {COMPRESSION_LZMA, "LZMA", false},
    {COMPRESSION_WEBP, "WebP", false},
    {COMPRESSION_JXL, "JPEG XL", false},
};

const char *cr_tiff_compression_name(uint16_t compression) {
    for (size_t i = 0; i < CR_ARRAY_LEN(compressions); i++)
        if (compressions[i].number == compression)
            return compressions[i].name;
    return "unknown";
}

static bool is_read(uint16_t compression) {
    for (size_t i = 0; i < CR_ARRAY_LEN(compressions); i++)
        if (compressions[i].number == compression)
            return compressions[i].is_read && TIFFIsCODECConfigured(compression);
    return false;
}

/* SampleFormat and BitsPerSample together. */
static const struct {
    uint16_t format, bits;
    cr_dtype dtype;
} types[] = {
    {SAMPLEFORMAT_UINT, 8, CR_U8},    {SAMPLEFORMAT_UINT, 16, CR_U16},   {SAMPLEFORMAT_UINT, 32, CR_U32},
    {SAMPLEFORMAT_UINT, 64, CR_U64},  {SAMPLEFORMAT_INT, 8, CR_I8},      {SAMPLEFORMAT_INT, 16, CR_I16},
    {SAMPLEFORMAT_INT, 32, CR_I32},   {SAMPLEFORMAT_INT, 64, CR_I64},    {SAMPLEFORMAT_IEEEFP, 16, CR_F16},
    {SAMPLEFORMAT_IEEEFP, 32, CR_F32}, {SAMPLEFORMAT_IEEEFP, 64, CR_F64}, {SAMPLEFORMAT_VOID, 8, CR_U8},
    {SAMPLEFORMAT_VOID, 16, CR_U16},  {SAMPLEFORMAT_VOID, 32, CR_U32},
};

static bool find_type(uint16_t format, uint16_t bits, cr_dtype *ret) {
    for (size_t i = 0; i < CR_ARRAY_LEN(types); i++)
        if (types[i].format == format && types[i].bits == bits) {
            *ret = types[i].dtype;
            return true;
        }
    return false;
}

static uint16_t number(TIFF *tif, uint32_t tag, uint16_t otherwise) {
    uint16_t v = otherwise;
    return TIFFGetFieldDefaulted(tif, tag, &v) == 1 ? v : otherwise;
}

static cr_status read_shape(const cr_tiff_file *f, const cr_tiff_handle *h, cr_tiff_layout *l, cr_err *err) {
    TIFF *tif = h->tif;
    l->tiled = TIFFIsTiled(tif);
    l->bands = number(tif, TIFFTAG_SAMPLESPERPIXEL, 1);
    if (!TIFFGetField(tif, TIFFTAG_IMAGEWIDTH, &l->width) || !TIFFGetField(tif, TIFFTAG_IMAGELENGTH, &l->height))
        return cr_tiff_fail(f, h, "it has no width and height", err);
    if (l->tiled && (!TIFFGetField(tif, TIFFTAG_TILEWIDTH, &l->piece_width) || !TIFFGetField(tif, TIFFTAG_TILELENGTH, &l->piece_height)))
        return cr_tiff_fail(f, h, "its tiles have no width and height", err);
    if (!l->tiled) {
        l->piece_width = l->width;
        if (!TIFFGetFieldDefaulted(tif, TIFFTAG_ROWSPERSTRIP, &l->piece_height))
            l->piece_height = l->height;
        l->piece_height = CR_MIN(l->piece_height, l->height);
    }
    if (l->width == 0 || l->height == 0 || l->bands == 0 || l->bands > MAX_BANDS || l->width > INT32_MAX || l->height > INT32_MAX ||
        l->piece_width == 0 || l->piece_height == 0 || l->piece_width > INT32_MAX || l->piece_height > INT32_MAX)
        return CR_FAIL(err, CR_FORMAT, "%s: %u x %u pixels of %u bands in pieces of %u x %u make no raster", f->path, l->width, l->height, l->bands,
                       l->piece_width, l->piece_height);
    return CR_OK;
}

/* libtiff and we must mean the same pieces: 3-d tiles and wrapped counts would make us ask for others. */
static cr_status check_count(const cr_tiff_file *f, const cr_tiff_handle *h, const cr_tiff_layout *l, cr_err *err) {
    uint64_t across = l->tiled ? (l->width - 1) / l->piece_width + 1 : 1, down = (l->height - 1) / l->piece_height + 1;
    uint64_t n = across * down * (l->planar ? l->bands : 1), theirs = l->tiled ? TIFFNumberOfTiles(h->tif) : TIFFNumberOfStrips(h->tif);
    if (n != theirs)
        return CR_FAIL(err, CR_FORMAT, "%s: its shape needs %llu strips or tiles, it tells of %llu", f->path, (unsigned long long)n,
                       (unsigned long long)theirs);
    return CR_OK;
}

/* Bytes of a piece as it is decoded; false when that is too much to hold. */
static bool piece_is_small(const cr_tiff_layout *l) {
    uint64_t bytes = (uint64_t)l->piece_width * l->piece_height;
    /* Without compression, strips are read row by row. */
    if (!l->tiled && l->compression == COMPRESSION_NONE)
        bytes = l->piece_width;
    return !__builtin_mul_overflow(bytes, (l->planar ? 1 : l->bands) * (uint64_t)l->itemsize, &bytes) && bytes <= MAX_PIECE_BYTES;
}

static const char *find_problem(TIFF *tif, const cr_tiff_layout *l, uint16_t format, uint16_t bits, bool known_type, cr_arena *arena) {
    if (!is_read(l->compression))
        return cr_arena_printf(arena, "its compression %s (%u) is not supported; write it again with deflate, zstd or LZW",
                               cr_tiff_compression_name(l->compression), l->compression);
    if (!known_type)
        return cr_arena_printf(arena, "samples of %u bits in format %u are not supported: integers of 8 to 64 and floats of 16 to 64 bits are", bits,
                               format);
    if (number(tif, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK) == PHOTOMETRIC_YCBCR)
        return "its colours are YCbCr, which is not supported; write it again as RGB";
    if (!piece_is_small(l))
        return cr_arena_printf(arena, "one strip or tile is larger than %llu bytes; write it again in tiles", (unsigned long long)MAX_PIECE_BYTES);
    return NULL;
}

cr_status cr_tiff_read_layout(const cr_tiff_file *f, const cr_tiff_handle *h, cr_arena *arena, cr_tiff_layout *ret_layout, cr_err *err) {
    cr_tiff_layout l = {.page = h->page, .dtype = CR_U8};
    CR_TRY(read_shape(f, h, &l, err));
    uint16_t format = number(h->tif, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT), bits = number(h->tif, TIFFTAG_BITSPERSAMPLE, 1);
    l.compression = number(h->tif, TIFFTAG_COMPRESSION, COMPRESSION_NONE);
    l.planar = l.bands > 1 && number(h->tif, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) == PLANARCONFIG_SEPARATE;
    l.swapped = TIFFIsByteSwapped(h->tif);
    l.bits_turned = number(h->tif, TIFFTAG_FILLORDER, FILLORDER_MSB2LSB) == FILLORDER_LSB2MSB;
    CR_TRY(check_count(f, h, &l, err));
    bool known = find_type(format, bits, &l.dtype);
    l.itemsize = cr_dtype_size(l.dtype);
    l.problem = find_problem(h->tif, &l, format, bits, known, arena);
    *ret_layout = l;
    return CR_OK;
}
