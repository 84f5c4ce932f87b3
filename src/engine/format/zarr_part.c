/* zarr_part.c - see zarr_part.h.
 *
 * A box is runs of bytes that lie one behind the other in the decoded chunk. They are taken in ascending order: what is decoded goes by once. */
#include "engine/format/zarr_part.h"

#include <string.h>

#include "base/error.h"
#include "engine/codec/blosc_blocks.h"
#include "engine/codec/codec.h"
#include "engine/codec/zstd_stream.h"

#define LEAST_CHUNK_BYTES ((size_t)1 << 20)  /* below, a whole chunk is quick */
#define NEAR_BYTES ((size_t)64 << 10)        /* stored as it is: gaps up to this are read over */
#define BLOCK_BYTES ((size_t)512 << 10)      /* of Blosc, where the metadata do not say it: what the library chooses at most */
#define MOST_BLOCKS ((size_t)1 << 16)
#define MOST_RUNS ((int64_t)1 << 20)
#define WINDOW_BYTES ((size_t)256 << 10)     /* stored or decoded bytes at a time */
#define REACH_BYTES ((size_t)4 << 20)        /* how far frames of Zstandard refer back, below HIGH_LEVEL */
enum { HIGH_LEVEL = 17 };
enum { TRIES = 4 };

static size_t align64(size_t n) { return (n + 63) & ~(size_t)63; }

/* ---- runs ----------------------------------------------------------------------------------------------------------------------- */

typedef struct runs {
    int outer;                    /* axes that are walked */
    int64_t n[CR_MAX_DIMS], at[CR_MAX_DIMS];
    size_t stride[CR_MAX_DIMS];   /* bytes in the chunk */
    size_t next, bytes;           /* where the next run begins; of each */
    bool more;
} runs;

static void begin_runs(runs *r, const cr_zarr_array *a, const int64_t *lo, const int64_t *n) {
    size_t inner = a->itemsize;
    *r = (runs){.bytes = a->itemsize, .more = true};
    bool whole = true;
    for (int i = a->ndim - 1; i >= 0; i--) {
        r->stride[i] = inner;
        r->next += (size_t)lo[i] * inner;
        if (whole)
            r->bytes = (size_t)n[i] * inner;
        r->outer = whole ? i : r->outer;
        whole = whole && n[i] == a->chunk[i];
        inner *= (size_t)a->chunk[i];
        r->n[i] = n[i];
    }
}

static void next_run(runs *r) {
    int i = r->outer - 1;
    for (; i >= 0; i--) {
        r->next += r->stride[i];
        if (++r->at[i] < r->n[i])
            return;
        r->next -= (size_t)r->n[i] * r->stride[i];
        r->at[i] = 0;
    }
    r->more = false;
}

static size_t end_of_box(const cr_zarr_array *a, const int64_t *end) {
    size_t inner = a->itemsize, last = 0;
    for (int i = a->ndim - 1; i >= 0; i--) {
        last += (size_t)(end[i] - 1) * inner;
        inner *= (size_t)a->chunk[i];
    }
    return last + a->itemsize;
}

/* ---- what is worth it ----------------------------------------------------------------------------------------------------------- */

/* Bytes that are decoded for a box, where they come in blocks that lie anywhere. */
static size_t touched(const cr_zarr_array *a, const int64_t *n, size_t block, size_t chunk_bytes, int64_t *ret_runs) {
    size_t run = a->itemsize, stride = a->itemsize;
    int64_t count = 1;
    *ret_runs = 1;
    bool whole = true;
    for (int i = a->ndim - 1; i >= 0; i--) {
        if (!whole && __builtin_mul_overflow(*ret_runs, n[i], ret_runs))
            *ret_runs = INT64_MAX;
        whole = whole && n[i] == a->chunk[i];
        if (count == 1 && stride - CR_MIN(stride, run) < block)
            run += (size_t)(n[i] - 1) * stride;
        else if (__builtin_mul_overflow(count, n[i], &count))
            return chunk_bytes;
        stride *= (size_t)a->chunk[i];
    }
    size_t all;
    return __builtin_mul_overflow((size_t)count, run + block, &all) ? chunk_bytes : CR_MIN(all, chunk_bytes);
}

/* Read otherwise, a part of the decoded bytes is no part of the chunk, or takes all of the stored bytes. */
static bool suits(const cr_zarr_array *a) {
    return a->chain.n <= 1 && !a->permuted && a->swap_width == 0 && a->itemsize > 0 &&
           (a->chain.n == 0 || a->chain.codecs[0].id == CR_CODEC_BLOSC || a->chain.codecs[0].id == CR_CODEC_ZSTD);
}

bool cr_zarr_reads_part(const cr_zarr_array *a, size_t chunk_bytes, const int64_t *n, const int64_t *end, size_t *ret_bytes,
                        size_t *ret_decoded) {
    const cr_codec *c = &a->chain.codecs[0];
    size_t decoded = chunk_bytes, block;
    int64_t n_runs;
    if (chunk_bytes < LEAST_CHUNK_BYTES || !suits(a))
        return false;
    if (a->chain.n == 0) {
        decoded = touched(a, n, NEAR_BYTES, chunk_bytes, &n_runs);
        *ret_bytes = WINDOW_BYTES;
    } else if (c->id == CR_CODEC_BLOSC) {
        block = c->blosc_block_bytes > 0 ? (size_t)c->blosc_block_bytes : BLOCK_BYTES;
        decoded = touched(a, n, block, chunk_bytes, &n_runs);
        *ret_bytes = CR_MAX(3 * block + 4 * (chunk_bytes / CR_MAX(block, (size_t)4096)) + (size_t)4096, WINDOW_BYTES); /* what is copied is plain */
    } else {
        decoded = end_of_box(a, end);
        touched(a, n, 0, chunk_bytes, &n_runs);
        *ret_bytes = CR_MIN(c->level < HIGH_LEVEL ? REACH_BYTES : CR_ZSTD_TAKE_BYTES, chunk_bytes) + 3 * WINDOW_BYTES;
    }
    *ret_decoded = decoded;
    return n_runs <= MOST_RUNS && decoded <= chunk_bytes / 2;
}

/* ---- stored as it is ------------------------------------------------------------------------------------------------------------ */

/* base: where the decoded bytes begin among the stored. */
static cr_status take_plain(cr_zarr_fetch *f, const cr_zarr_place *s, uint64_t base, runs *r, size_t end, char *dst, cr_scratch *scratch, cr_err *err) {
    size_t from = 0, n = 0;
    CR_TRY(cr_scratch_need(scratch, WINDOW_BYTES, err));
    char *window = scratch->bytes;
    for (; r->more; dst += r->bytes, next_run(r)) {
        if (r->bytes > NEAR_BYTES) {
            CR_TRY(cr_zarr_read_stored(f, s, base + r->next, r->bytes, dst, err));
            continue;
        }
        if (r->next + r->bytes > from + n) {
            from = r->next;
            n = CR_MIN(end - from, WINDOW_BYTES);
            CR_TRY(cr_zarr_read_stored(f, s, base + from, n, window, err));
        }
        memcpy(dst, window + (r->next - from), r->bytes);
    }
    return CR_OK;
}

/* ---- Blosc ---------------------------------------------------------------------------------------------------------------------- */

static cr_status take_blocks(cr_zarr_fetch *f, const cr_zarr_place *s, const cr_blosc_layout *l, runs *r, char *dst, cr_scratch *scratch, cr_err *err) {
    size_t at_room = align64(4 * l->n_blocks), at_block = at_room + align64(cr_blosc_take_room(l)), held = SIZE_MAX, got;
    if (at_block + l->block_bytes > scratch->max)
        return CR_FAIL(err, CR_UNSUPPORTED, "its blocks are larger than was planned for");
    CR_TRY(cr_scratch_need(scratch, at_block + l->block_bytes, err));
    uint8_t *starts = scratch->bytes, *room = starts + at_room, *block = starts + at_block;
    CR_TRY(cr_zarr_read_stored(f, s, CR_BLOSC_HEAD_BYTES, 4 * l->n_blocks, starts, err));
    for (; r->more; next_run(r))
        for (size_t at = r->next, left = r->bytes; left > 0;) {
            size_t i = at / l->block_bytes, within = at % l->block_bytes, n = CR_MIN(left, l->block_bytes - within);
            bool in_place = n == l->block_bytes;
            if (held != i) {
                uint64_t begin;
                size_t stored;
                CR_TRY(cr_blosc_block_place(l, starts, i, s->n, &begin, &stored, err));
                CR_TRY(cr_zarr_read_stored(f, s, begin, stored, room + CR_BLOSC_BEFORE, err));
                CR_TRY(cr_blosc_take_block(l, i, room, stored, in_place ? (uint8_t *)dst : block, &got, err));
                held = in_place ? held : i;
            } else {
                in_place = false;
            }
            if (!in_place)
                memcpy(dst, block + within, n);
            dst += n;
            at += n;
            left -= n;
        }
    return CR_OK;
}

static cr_status take_blosc(cr_zarr_fetch *f, const cr_zarr_place *s, size_t chunk_bytes, runs *r, size_t end, char *dst, cr_scratch *scratch,
                            cr_err *err) {
    uint8_t head[CR_BLOSC_HEAD_BYTES];
    cr_blosc_layout l;
    CR_TRY(cr_zarr_read_stored(f, s, 0, sizeof head, head, err));
    CR_TRY(cr_blosc_layout_of(head, s->n, &l, err));
    if (l.n_bytes != chunk_bytes)
        return CR_FAIL(err, CR_FORMAT, "it decodes to %zu bytes; the chunk has %zu", l.n_bytes, chunk_bytes);
    if (l.copied)
        return take_plain(f, s, CR_BLOSC_HEAD_BYTES, r, end, dst, scratch, err);
    if (l.n_blocks > MOST_BLOCKS)
        return CR_FAIL(err, CR_UNSUPPORTED, "it has too many blocks to look for some of them");
    return take_blocks(f, s, &l, r, dst, scratch, err);
}

/* ---- Zstandard ------------------------------------------------------------------------------------------------------------------ */

static cr_status take_zstd(cr_zarr_fetch *f, const cr_zarr_place *s, runs *r, size_t end, char *dst, cr_scratch *scratch, cr_err *err) {
    cr_codec_work *work;
    size_t from = 0, n = 0, used, at_in = 0, n_in = 0;      /* decoded bytes that are here; stored bytes that are here */
    uint64_t read = 0;
    CR_TRY(cr_scratch_need(scratch, 2 * WINDOW_BYTES, err));
    CR_TRY(cr_scratch_work(scratch, &work, err));
    CR_TRY(cr_zstd_take_begin(work, err));
    char *in = scratch->bytes, *out = in + WINDOW_BYTES;
    for (size_t at = r->next, left = r->bytes; r->more;) {
        if (at >= from + n) {
            size_t more;
            from += n;
            n = 0;
            if (at_in == n_in && read < s->n) {
                at_in = 0;
                n_in = (size_t)CR_MIN(s->n - read, (uint64_t)WINDOW_BYTES);
                CR_TRY(cr_zarr_read_stored(f, s, read, n_in, in, err));
                read += n_in;
            }
            CR_TRY(cr_zstd_take(work, in + at_in, n_in - at_in, &used, out, CR_MIN(WINDOW_BYTES, end - from), &more, err));
            if (used == 0 && more == 0 && read == s->n)
                return CR_FAIL(err, CR_FORMAT, "it decodes to %zu bytes, and %zu are asked for", from, end);
            at_in += used;
            n = more;
            continue;
        }
        size_t take = CR_MIN(left, from + n - at);
        memcpy(dst, out + (at - from), take);
        dst += take;
        at += take;
        left -= take;
        if (left == 0) {
            next_run(r);
            at = r->next;
            left = r->bytes;
        }
    }
    return CR_OK;
}

/* ---- a box ---------------------------------------------------------------------------------------------------------------------- */

static cr_status take(cr_zarr_fetch *f, const cr_zarr_place *s, size_t chunk_bytes, const int64_t *lo, const int64_t *n, void *dst, cr_scratch *scratch,
                      cr_err *err) {
    const cr_zarr_array *a = f->array;
    int64_t ends[CR_MAX_DIMS];
    runs r;
    begin_runs(&r, a, lo, n);
    for (int i = 0; i < a->ndim; i++)
        ends[i] = lo[i] + n[i];
    size_t end = end_of_box(a, ends);
    if (a->chain.n == 0 && s->n != chunk_bytes)
        return CR_FAIL(err, CR_FORMAT, "it has %llu bytes; the chunk has %zu", (unsigned long long)s->n, chunk_bytes);
    if (a->chain.n == 0)
        return take_plain(f, s, 0, &r, end, dst, scratch, err);
    return a->chain.codecs[0].id == CR_CODEC_BLOSC ? take_blosc(f, s, chunk_bytes, &r, end, dst, scratch, err) : take_zstd(f, s, &r, end, dst, scratch, err);
}

cr_status cr_zarr_read_part(cr_zarr_fetch *f, size_t chunk_bytes, const int64_t *chunk, const int64_t *lo, const int64_t *n, void *dst, cr_scratch *scratch,
                            bool *ret_absent, cr_err *err) {
    cr_zarr_place s;
    cr_status status = CR_CONFLICT;
    s.key[0] = 0;
    *ret_absent = false;
    if (!suits(f->array))
        return CR_FAIL(err, CR_UNSUPPORTED, "chunks of this kind are decoded whole");
    for (int i = 0; i < TRIES && status == CR_CONFLICT; i++) {
        status = cr_zarr_find_stored(f, chunk, &s, ret_absent, err);
        if (status != CR_OK || *ret_absent)
            break;
        status = take(f, &s, chunk_bytes, lo, n, dst, scratch, err);
    }
    if (status != CR_OK)
        cr_err_context(err, "while reading a part of %s/%s", cr_store_name(f->store), s.key);
    return status;
}

void cr_zarr_cut(const cr_zarr_array *a, const void *chunk, const int64_t *lo, const int64_t *n, void *dst) {
    char *to = dst;
    runs r;
    begin_runs(&r, a, lo, n);
    for (; r.more; to += r.bytes, next_run(&r))
        memcpy(to, (const char *)chunk + r.next, r.bytes);
}
