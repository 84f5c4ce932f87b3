/* hdf5_chunk_array.c - chunk indexes that are arrays: the fixed array (no axis is unlimited) and the extensible array (one is).
 *
 * Both hold one entry per chunk, numbered row-major over the grid of the largest shape; in the extensible array the unlimited
 * axis counts as the first. Large blocks are cut into pages, each with its checksum; a bit per page says whether it was ever
 * written. The extensible array's blocks grow: super block s has 2^(s/2) data blocks of 2^((s+1)/2) times the smallest. */
#include <inttypes.h>

#include "engine/format/hdf5_chunk_index.h"

typedef struct chunk_array {
    h5_chunk_list *l;
    h5_ctx *x;
    uint64_t header_addr;
    unsigned entry_bytes, size_width;      /* size_width 0: entries are addresses only */
    uint64_t page_entries;
    int first;                             /* the axis that counts as the first */
    uint64_t extent[CR_MAX_DIMS];          /* chunks per axis in the numbering; of the first axis: not used */
    unsigned offset_width;                 /* extensible: bytes of a block's offset */
} chunk_array;

static cr_status set_entries(chunk_array *a, const h5_cur *c, unsigned client, unsigned entry_bytes, cr_err *err) {
    unsigned O = a->x->file->off_size;
    a->entry_bytes = entry_bytes;
    bool ok = client == 0 ? entry_bytes == O : client == 1 && entry_bytes > O + 4 && entry_bytes <= O + 4 + 8;
    if (!ok)
        return H5_DAMAGED(c, err, "entries of kind %u and %u bytes", client, entry_bytes);
    a->size_width = client ? entry_bytes - O - 4 : 0;
    const h5_chunked *d = a->l->d;
    uint64_t total = 1;
    for (int i = 0; i < d->ndim; i++) {
        int64_t most = d->most[i] < 0 ? d->shape[i] : d->most[i], chunk = d->layout.chunk[i];
        a->extent[i] = (uint64_t)(most / chunk + (most % chunk != 0));
        if (i != a->first && (a->extent[i] == 0 || __builtin_mul_overflow(total, a->extent[i], &total)))
            return H5_DAMAGED(c, err, "it is about a grid without chunks");
    }
    return CR_OK;
}

static cr_status add_entry(chunk_array *a, uint64_t number, h5_cur *c, cr_err *err) {
    const h5_chunked *d = a->l->d;
    uint64_t addr = h5_addr(c), size = d->chunk_bytes;
    uint32_t mask = 0;
    if (a->size_width) {
        size = h5_uint(c, a->size_width);
        mask = (uint32_t)h5_uint(c, 4);
    }
    CR_TRY(h5_cur_ok(c, err));
    int64_t at[CR_MAX_DIMS];
    for (int i = d->ndim - 1; i >= 0; i--) {
        if (i == a->first)
            continue;
        at[i] = (int64_t)(number % a->extent[i]);
        number /= a->extent[i];
    }
    if (d->ndim)
        at[a->first] = (int64_t)CR_MIN(number, (uint64_t)INT64_MAX);
    return h5_chunk_list_add(a->l, at, addr, size, mask, err);
}

static cr_status add_entries(chunk_array *a, uint64_t first, uint64_t n, h5_cur *c, cr_err *err) {
    if (h5_left(c) / a->entry_bytes < n)
        return H5_DAMAGED(c, err, "it is too short for %" PRIu64 " entries", n);
    for (uint64_t i = 0; i < n; i++)
        CR_TRY(add_entry(a, first + i, c, err));
    return CR_OK;
}

/* Pages from addr on; bit first_bit + i of bitmap (highest bit of a byte first) says whether page i was written. */
static cr_status add_pages(chunk_array *a, uint64_t addr, uint64_t first, uint64_t n, const uint8_t *bitmap, uint64_t first_bit, cr_err *err) {
    for (uint64_t done = 0, page = first_bit; done < n; page++) {
        uint64_t here = CR_MIN(a->page_entries, n - done), bytes = here * a->entry_bytes + 4;
        h5_cur c;
        if (bitmap[page / 8] & 0x80 >> page % 8) {
            CR_TRY(h5_load_checked(a->x, addr, bytes, "page of an array of chunks", &c, err));
            CR_TRY(add_entries(a, first + done, here, &c, err));
        }
        addr += bytes;
        done += here;
    }
    return CR_OK;
}

static cr_status check_owner(chunk_array *a, h5_cur *c, cr_err *err) {
    h5_take(c, 1);                         /* kind of entries, as in the header */
    return h5_addr(c) == a->header_addr && !c->bad ? CR_OK : H5_DAMAGED(c, err, "it belongs to another array");
}

/* ---- fixed array ------------------------------------------------------------------------------------------------ */

static cr_status check_count(const h5_cur *c, h5_ctx *x, uint64_t n, unsigned entry_bytes, cr_err *err) {
    return n <= x->file->size / entry_bytes ? CR_OK : H5_DAMAGED(c, err, "%" PRIu64 " entries are more than the file can hold", n);
}

cr_status h5_fixed_array_read(h5_chunk_list *l, cr_err *err) {
    h5_ctx *x = l->x;
    chunk_array a = {.l = l, .x = x, .header_addr = l->d->layout.addr};
    unsigned O = x->file->off_size;
    h5_cur c;
    CR_TRY(h5_load_checked(x, a.header_addr, 8ull + x->file->len_size + O + 4, "fixed array of chunks", &c, err));
    CR_TRY(h5_expect(&c, "FAHD", 0, err));
    unsigned client = (unsigned)h5_uint(&c, 1), entry_bytes = (unsigned)h5_uint(&c, 1), page_bits = (unsigned)h5_uint(&c, 1);
    uint64_t n = h5_length(&c), block = h5_addr(&c);
    CR_TRY(h5_cur_ok(&c, err));
    CR_TRY(set_entries(&a, &c, client, entry_bytes, err));
    if (block == H5_UNDEF)
        return CR_OK;
    CR_TRY(check_count(&c, x, n, entry_bytes, err));
    a.page_entries = (uint64_t)1 << CR_MIN(page_bits, 62u);
    bool paged = n > a.page_entries;
    uint64_t pages = paged ? (n + a.page_entries - 1) / a.page_entries : 0, bitmap_bytes = (pages + 7) / 8;
    uint64_t bytes = 6 + O + bitmap_bytes + (paged ? 0 : n * entry_bytes) + 4;
    CR_TRY(h5_load_checked(x, block, bytes, "block of a fixed array of chunks", &c, err));
    CR_TRY(h5_expect(&c, "FADB", 0, err));
    CR_TRY(check_owner(&a, &c, err));
    const uint8_t *bitmap = h5_take(&c, bitmap_bytes);
    return paged ? add_pages(&a, block + bytes, 0, n, bitmap, 0, err) : add_entries(&a, 0, n, &c, err);
}

/* ---- extensible array ------------------------------------------------------------------------------------------- */

typedef struct growth {                    /* parameters of the header */
    unsigned max_bits, index_entries, min_entries, min_pointers, page_bits, super_blocks;
    uint64_t used;                         /* entries with numbers from here on were never set */
} growth;

static uint64_t blocks_in(unsigned s) { return (uint64_t)1 << s / 2; }
static uint64_t entries_in(const growth *g, unsigned s) { return ((uint64_t)1 << (s + 1) / 2) * g->min_entries; }

static cr_status read_data_block(chunk_array *a, const growth *g, uint64_t addr, uint64_t first, uint64_t n, const uint8_t *bitmap,
                                 uint64_t first_bit, cr_err *err) {
    h5_cur c;
    if (addr == H5_UNDEF || first >= g->used)
        return CR_OK;
    bool paged = n > a->page_entries;
    uint64_t bytes = 6 + a->x->file->off_size + a->offset_width + (paged ? 0 : n * a->entry_bytes) + 4;
    CR_TRY(h5_load_checked(a->x, addr, bytes, "data block of an extensible array of chunks", &c, err));
    CR_TRY(h5_expect(&c, "EADB", 0, err));
    CR_TRY(check_owner(a, &c, err));
    h5_take(&c, a->offset_width);
    if (!paged)
        return add_entries(a, first, n, &c, err);
    return bitmap ? add_pages(a, addr + bytes, first, n, bitmap, first_bit, err) : H5_DAMAGED(&c, err, "it has pages that no super block describes");
}

static cr_status read_super_block(chunk_array *a, const growth *g, unsigned s, uint64_t addr, uint64_t first, cr_err *err) {
    h5_cur c;
    uint64_t blocks = blocks_in(s), n = entries_in(g, s), pages = n > a->page_entries ? n / a->page_entries : 0, map_bytes = (pages + 7) / 8;
    if (addr == H5_UNDEF || first >= g->used)
        return CR_OK;
    uint64_t bytes = 6 + a->x->file->off_size + a->offset_width + blocks * (map_bytes + a->x->file->off_size) + 4;
    CR_TRY(h5_load_checked(a->x, addr, bytes, "super block of an extensible array of chunks", &c, err));
    CR_TRY(h5_expect(&c, "EASB", 0, err));
    CR_TRY(check_owner(a, &c, err));
    h5_take(&c, a->offset_width);
    const uint8_t *bitmaps = h5_take(&c, blocks * map_bytes);
    CR_TRY(h5_cur_ok(&c, err));
    for (uint64_t b = 0; b < blocks; b++) {
        uint64_t block = h5_addr(&c);
        CR_TRY(h5_cur_ok(&c, err));
        /* Room is kept per block in whole bytes, but the bits of all blocks follow each other. */
        CR_TRY(read_data_block(a, g, block, first + b * n, n, pages ? bitmaps : NULL, b * pages, err));
    }
    return CR_OK;
}

static cr_status read_growth(h5_cur *c, growth *g, cr_err *err) {
    g->max_bits = (unsigned)h5_uint(c, 1);
    g->index_entries = (unsigned)h5_uint(c, 1);
    g->min_entries = (unsigned)h5_uint(c, 1);
    g->min_pointers = (unsigned)h5_uint(c, 1);
    g->page_bits = (unsigned)h5_uint(c, 1);
    h5_take(c, 4ull * c->len_size);        /* numbers and sizes of super blocks and data blocks */
    g->used = h5_length(c);
    h5_length(c);
    unsigned min_bits = h5_log2(g->min_entries);
    bool ok = g->max_bits <= 62 && g->min_entries == 1u << min_bits && g->min_pointers >= 2 &&
              g->min_pointers == 1u << h5_log2(g->min_pointers) && min_bits < g->max_bits && g->page_bits <= 62;
    if (c->bad || !ok)
        return H5_DAMAGED(c, err, "its parameters of growth are impossible");
    g->super_blocks = 1 + g->max_bits - min_bits;
    return 2 * h5_log2(g->min_pointers) <= g->super_blocks ? CR_OK : H5_DAMAGED(c, err, "its parameters of growth are impossible");
}

/* The index block: the first entries, then addresses of the data blocks of the first super blocks, then of further super blocks. */
static cr_status read_index_block(chunk_array *a, const growth *g, uint64_t addr, cr_err *err) {
    h5_cur c;
    unsigned O = a->x->file->off_size, direct = 2 * h5_log2(g->min_pointers);
    uint64_t direct_blocks = 2ull * (g->min_pointers - 1), super = g->super_blocks - direct;
    uint64_t bytes = 6 + O + (uint64_t)g->index_entries * a->entry_bytes + (direct_blocks + super) * O + 4;
    CR_TRY(h5_load_checked(a->x, addr, bytes, "index block of an extensible array of chunks", &c, err));
    CR_TRY(h5_expect(&c, "EAIB", 0, err));
    CR_TRY(check_owner(a, &c, err));
    CR_TRY(add_entries(a, 0, g->index_entries, &c, err));
    uint64_t first = g->index_entries;
    for (unsigned s = 0; s < g->super_blocks; s++) {
        uint64_t blocks = blocks_in(s), n = entries_in(g, s);
        if (first >= g->used)
            break;
        for (uint64_t b = 0; s < direct && b < blocks; b++) {
            uint64_t block = h5_addr(&c);
            CR_TRY(h5_cur_ok(&c, err));
            CR_TRY(read_data_block(a, g, block, first + b * n, n, NULL, 0, err));
        }
        if (s >= direct) {
            uint64_t block = h5_addr(&c);
            CR_TRY(h5_cur_ok(&c, err));
            CR_TRY(read_super_block(a, g, s, block, first, err));
        }
        first += blocks * n;
    }
    return CR_OK;
}

cr_status h5_extensible_array_read(h5_chunk_list *l, cr_err *err) {
    h5_ctx *x = l->x;
    chunk_array a = {.l = l, .x = x, .header_addr = l->d->layout.addr};
    growth g = {0};
    h5_cur c;
    CR_TRY(h5_load_checked(x, a.header_addr, 12ull + 6ull * x->file->len_size + x->file->off_size + 4, "extensible array of chunks", &c, err));
    CR_TRY(h5_expect(&c, "EAHD", 0, err));
    unsigned client = (unsigned)h5_uint(&c, 1), entry_bytes = (unsigned)h5_uint(&c, 1);
    CR_TRY(read_growth(&c, &g, err));
    uint64_t block = h5_addr(&c);
    CR_TRY(h5_cur_ok(&c, err));
    for (int i = 0; i < l->d->ndim; i++)
        if (l->d->most[i] < 0)
            a.first = i;
    CR_TRY(set_entries(&a, &c, client, entry_bytes, err));
    CR_TRY(check_count(&c, x, g.used, entry_bytes, err));
    a.page_entries = (uint64_t)1 << g.page_bits;
    a.offset_width = (g.max_bits + 7) / 8;
    return block == H5_UNDEF ? CR_OK : read_index_block(&a, &g, block, err);
}
