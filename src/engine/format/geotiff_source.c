/* geotiff_source.c - chunks of a raster: tiles as they are stored, strips together until they are about 4 MiB.
 *
 * A chunk covers all bands where pixels are stored with their bands side by side, else one. Pieces (tiles, strips) are read by us, decoded
 * by libtiff from memory, and put in order. Scratch memory: the stored bytes, then (bands side by side) the decoded piece. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/codec/order.h"
#include "engine/format/geotiff.h"

enum { CHUNK_BYTES = 4 << 20, STORED_SLACK = 64 << 10 };

typedef struct tiff_source {
    cr_source base;
    cr_tiff_file *file;
    cr_tiff_layout l;
    uint32_t across, down;        /* pieces of one plane */
    uint32_t side;                /* bands side by side in a piece: all, or 1 */
    size_t row_bytes;             /* of a decoded piece */
    size_t piece_bytes;
    bool has_fill;
    unsigned char fill[8];
} tiff_source;

static size_t align64(size_t n) { return (n + 63) & ~(size_t)63; }

/* Rows of strips without compression are read where they lie. */
static bool reads_rows(const tiff_source *s) { return !s->l.tiled && s->l.compression == COMPRESSION_NONE; }

/* No codec makes things much larger: what claims to be is damaged, and would only cost memory. */
static size_t max_stored(const tiff_source *s) { return s->piece_bytes + s->piece_bytes / 2 + STORED_SLACK; }

/* ---- one piece ------------------------------------------------------------------------------------------------------------------ */

static cr_status read_bytes(const tiff_source *s, uint64_t at, size_t n, void *dst, cr_err *err) {
    cr_status status = cr_held_read(s->file->held, at, dst, n, err);
    if (status != CR_OK)
        cr_err_context(err, "%s", s->base.path);
    return status;
}

/* Where a piece is stored; *ret_n 0: it is not, as GDAL leaves out what is empty. */
static cr_status locate(const tiff_source *s, cr_tiff_handle *h, uint32_t piece, uint64_t *ret_at, uint64_t *ret_n, cr_err *err) {
    int failed = 0;
    uint64_t at = TIFFGetStrileOffsetWithErr(h->tif, piece, &failed), n = failed ? 0 : TIFFGetStrileByteCountWithErr(h->tif, piece, &failed);
    if (failed)
        return cr_tiff_fail(s->file, h, "the places of its strips or tiles cannot be read", err);
    if (n > 0 && (at > s->file->size || n > s->file->size - at))
        return CR_FAIL(err, CR_FORMAT, "%s: strip or tile %u is said to lie at bytes %llu + %llu of %llu: the file is cut off or damaged",
                       s->base.path, piece, (unsigned long long)at, (unsigned long long)n, (unsigned long long)s->file->size);
    *ret_at = at;
    *ret_n = n;
    return CR_OK;
}

/* Decodes a whole piece of `rows` rows to dst, in native byte order. */
static cr_status decode_piece(const tiff_source *s, cr_tiff_handle *h, uint32_t piece, uint32_t rows, uint64_t at, uint64_t n, void *dst,
                              cr_scratch *scratch, cr_err *err) {
    size_t bytes = s->row_bytes * rows;
    if (n > max_stored(s))
        return CR_FAIL(err, CR_FORMAT, "%s: strip or tile %u has %llu stored bytes; it decodes to %zu", s->base.path, piece,
                       (unsigned long long)n, bytes);
    /* The stored bytes lie at the start of the scratch memory, which the caller made large enough. */
    CR_TRY(read_bytes(s, at, (size_t)n, scratch->bytes, err));
    h->message[0] = 0;
    if (!TIFFReadFromUserBuffer(h->tif, piece, scratch->bytes, (tmsize_t)n, dst, (tmsize_t)bytes)) {
        char what[64];
        snprintf(what, sizeof what, "strip or tile %u cannot be decoded", piece);
        return cr_tiff_fail(s->file, h, what, err);
    }
    return CR_OK;
}

/* Part of a strip without compression. */
static cr_status read_rows(const tiff_source *s, uint32_t piece, uint32_t first, uint32_t rows, uint64_t at, uint64_t n, void *dst, cr_err *err) {
    uint64_t from = (uint64_t)first * s->row_bytes;
    size_t bytes = (size_t)rows * s->row_bytes;
    if (from + bytes > n)
        return CR_FAIL(err, CR_FORMAT, "%s: strip %u has %llu bytes; its rows need %llu", s->base.path, piece, (unsigned long long)n,
                       (unsigned long long)(from + bytes));
    CR_TRY(read_bytes(s, at + from, bytes, dst, err));
    if (s->l.bits_turned)
        TIFFReverseBits(dst, (tmsize_t)bytes);
    if (s->l.swapped && s->l.itemsize > 1)
        cr_byteswap(dst, bytes / s->l.itemsize, s->l.itemsize);
    return CR_OK;
}

/* Bands side by side become one plane after the other. */
static void part_bands(const tiff_source *s, const char *from, size_t pixels, char *to, size_t plane_bytes) {
    size_t w = s->l.itemsize, bands = s->side;
    for (size_t b = 0; b < bands; b++) {
        char *out = to + b * plane_bytes;
        const char *in = from + b * w;
        for (size_t i = 0; i < pixels; i++, in += bands * w, out += w)
            switch (w) {          /* a constant width is one move */
            case 1: *out = *in; break;
            case 2: memcpy(out, in, 2); break;
            case 4: memcpy(out, in, 4); break;
            default: memcpy(out, in, 8); break;
            }
    }
}

/* ---- chunks -------------------------------------------------------------------------------------------------------------------- */

typedef struct part {
    uint32_t piece, first, rows;  /* rows [first, first + rows) of a piece ... */
    size_t at;                    /* ... go to this row of the chunk */
} part;

static cr_status read_part(tiff_source *s, cr_tiff_handle *h, const part *p, char *dst, cr_scratch *scratch, bool *absent, cr_err *err) {
    size_t plane = (size_t)s->base.chunk_shape[1] * (size_t)s->base.chunk_shape[2] * s->l.itemsize, row = s->row_bytes / s->side;
    size_t pixels = (size_t)p->rows * s->l.piece_width;
    uint64_t at = 0, n = 0;
    CR_TRY(locate(s, h, p->piece, &at, &n, err));
    if (n == 0) {
        for (uint32_t b = 0; b < s->side; b++)
            cr_source_fill(dst + b * plane + p->at * row, pixels, s->has_fill ? s->fill : NULL, s->l.itemsize);
        return CR_OK;
    }
    *absent = false;
    size_t stored = reads_rows(s) ? 0 : align64(max_stored(s));
    CR_TRY(cr_scratch_need(scratch, stored + (s->side > 1 ? s->row_bytes * p->rows : 0) + 1, err));
    char *out = s->side > 1 ? (char *)scratch->bytes + stored : dst + p->at * row;
    CR_TRY(reads_rows(s) ? read_rows(s, p->piece, p->first, p->rows, at, n, out, err)
                         : decode_piece(s, h, p->piece, p->rows, at, n, out, scratch, err));
    if (s->side > 1)
        part_bands(s, out, pixels, dst + p->at * row, plane);
    return CR_OK;
}

static cr_status read_parts(tiff_source *s, cr_tiff_handle *h, const int64_t *chunk, char *dst, cr_scratch *scratch, bool *absent, cr_err *err) {
    uint32_t first_piece = s->side > 1 ? 0 : (uint32_t)chunk[0] * s->across * s->down;
    if (s->l.tiled) {
        part p = {first_piece + (uint32_t)chunk[1] * s->across + (uint32_t)chunk[2], 0, s->l.piece_height, 0};
        return read_part(s, h, &p, dst, scratch, absent, err);
    }
    uint32_t row = (uint32_t)(chunk[1] * s->base.chunk_shape[1]), end = row + (uint32_t)cr_source_extent(&s->base, 1, chunk[1]);
    for (size_t at = 0; row < end;) {
        uint32_t strip = row / s->l.piece_height, first = row % s->l.piece_height;
        part p = {first_piece + strip, first, CR_MIN(s->l.piece_height - first, end - row), at};
        CR_TRY(read_part(s, h, &p, dst, scratch, absent, err));
        at += p.rows;
        row += p.rows;
    }
    return CR_OK;
}

static cr_status tiff_read_chunk(cr_source *base, const int64_t *chunk, void *dst, cr_scratch *scratch, bool *ret_absent, cr_err *err) {
    tiff_source *s = (tiff_source *)base;
    cr_tiff_handle *h = NULL;
    bool absent = true;
    CR_TRY(cr_source_check_chunk(base, chunk, err));
    CR_TRY(cr_tiff_take(s->file, s->l.page, &h, err));
    cr_status status = read_parts(s, h, chunk, dst, scratch, &absent, err);
    cr_tiff_give(s->file, h);
    if (status == CR_OK)
        *ret_absent = absent;
    return status;
}

static size_t tiff_scratch_bytes(const cr_source *base) {
    const tiff_source *s = (const tiff_source *)base;
    size_t rows = reads_rows(s) ? (size_t)s->base.chunk_shape[1] : s->l.piece_height;
    return (reads_rows(s) ? 0 : align64(max_stored(s))) + (s->side > 1 ? s->row_bytes * rows : 0) + 64;
}

static size_t tiff_stored_bytes(const cr_source *base, const int64_t *chunk) { return SIZE_MAX; }

static void tiff_free(cr_source *base) {
    cr_tiff_unref(((tiff_source *)base)->file);
    cr_source_fini(base);
    free(base);
}

static const cr_source_ops tiff_ops = {"geotiff", tiff_read_chunk, tiff_scratch_bytes, tiff_stored_bytes, tiff_free, NULL};

/* Rows of one chunk: whole strips where they have to be decoded. */
static uint32_t chunk_rows(const cr_tiff_layout *l, size_t row_bytes) {
    if (l->tiled)
        return l->piece_height;
    uint64_t rows = CR_MAX((uint64_t)CHUNK_BYTES / row_bytes, (uint64_t)1);
    if (l->compression != COMPRESSION_NONE)
        rows = CR_MAX(rows / l->piece_height, (uint64_t)1) * l->piece_height;
    return (uint32_t)CR_MIN(rows, (uint64_t)l->height);
}

cr_status cr_tiff_source(cr_tiff_file *f, const cr_tiff_layout *l, const void *fill, const char *name, cr_source **ret_source, cr_err *err) {
    cr_auto_free char *path = NULL, *salt = NULL;
    tiff_source *s = calloc(1, sizeof *s);
    if (!s || asprintf(&path, "%s:/%s", f->path, name) < 0 || asprintf(&salt, "%s@%u", name, l->page) < 0) {
        free(s);
        return CR_FAIL(err, CR_MEMORY, "no memory");
    }
    s->l = *l;
    s->side = l->planar ? 1 : l->bands;
    s->row_bytes = (size_t)l->piece_width * s->side * l->itemsize;
    s->piece_bytes = s->row_bytes * l->piece_height;
    s->across = l->tiled ? (l->width - 1) / l->piece_width + 1 : 1;
    s->down = (l->height - 1) / l->piece_height + 1;
    if (fill)
        memcpy(s->fill, fill, l->itemsize);
    s->has_fill = fill;
    const int64_t shape[] = {l->bands, l->height, l->width}, chunk[] = {s->side, chunk_rows(l, s->row_bytes), l->piece_width};
    uint64_t pieces = (uint64_t)s->across * s->down * (l->planar ? l->bands : 1);
    cr_status status = pieces > UINT32_MAX ? CR_FAIL(err, CR_LIMIT, "%s: it has more strips or tiles than can be counted", path)
                                           : cr_source_init(&s->base, &tiff_ops, l->dtype, l->itemsize, 3, shape, chunk, path, err);
    if (status != CR_OK) {
        free(s);
        return status;
    }
    s->file = cr_tiff_ref(f);
    cr_source_identify(&s->base, f->path, salt);
    *ret_source = &s->base;
    return CR_OK;
}
