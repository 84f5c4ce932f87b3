/* hdf5_fractal_heap.c - objects of a fractal heap by their ID.
 *
 * Managed objects lie in direct blocks that a table of doubling rows covers: rows 0 and 1 hold blocks of the starting size,
 * each further row blocks of twice the size of the row before; rows whose blocks would be larger than the largest direct block
 * hold indirect blocks, which are such tables themselves. An ID gives an offset into that space. Huge objects have an address
 * of their own, tiny ones lie in the ID itself. */
#include <inttypes.h>

#include "engine/format/hdf5_heap.h"

typedef struct block {                     /* a fetched direct or indirect block; bytes after the common prefix */
    struct block *next;
    uint64_t addr;
    h5_cur bytes;
} block;

struct h5_fheap {
    uint64_t addr;
    h5_cur header;
    unsigned id_bytes, flags, offset_bits, offset_bytes, length_bytes, width, max_direct_rows, root_rows;
    uint64_t largest_managed, huge_tree, start_size, largest_direct, root;
    block *blocks;
};

enum { CHECKS_DIRECT_BLOCKS = 2, MAX_ROWS = 64 };

static bool is_power_of_two(uint64_t v) { return v && !(v & (v - 1)); }

static cr_status check_table(h5_fheap *h, cr_err *err) {
    if (!is_power_of_two(h->width) || !is_power_of_two(h->start_size) || !is_power_of_two(h->largest_direct) ||
        h->start_size > h->largest_direct || h->offset_bits == 0 || h->offset_bits > 64 ||
        h5_log2(h->start_size) + h5_log2(h->width) > 62)
        return H5_DAMAGED(&h->header, err, "its table of blocks has impossible sizes");
    h->offset_bytes = (h->offset_bits + 7) / 8;
    h->max_direct_rows = h5_log2(h->largest_direct) - h5_log2(h->start_size) + 2;
    h->length_bytes = CR_MIN((h5_log2(h->largest_direct) + 7) / 8, h5_bytes_for(h->largest_managed));
    if (h->root_rows > MAX_ROWS || h5_log2(h->start_size) + h->root_rows > 64 || h->length_bytes == 0)
        return H5_DAMAGED(&h->header, err, "its table has %u rows", h->root_rows);
    return CR_OK;
}

cr_status h5_fheap_open(h5_ctx *x, uint64_t addr, h5_fheap **ret_heap, cr_err *err) {
    h5_fheap *h;
    h5_cur c;
    unsigned O = x->file->off_size, L = x->file->len_size;
    CR_TRY(h5_alloc(x->temp, 1, sizeof *h, &h, err));
    CR_TRY(h5_load(x, addr, 26 + 3 * O + 12 * L, "fractal heap", &c, err));
    CR_TRY(h5_expect(&c, "FRHP", 0, err));
    h->addr = addr;
    h->id_bytes = (unsigned)h5_uint(&c, 2);
    unsigned filter_bytes = (unsigned)h5_uint(&c, 2);
    h->flags = (unsigned)h5_uint(&c, 1);
    h->largest_managed = h5_uint(&c, 4);
    h5_length(&c);                         /* next ID of a huge object */
    h->huge_tree = h5_addr(&c);
    h5_length(&c);                         /* free space, and its manager */
    h5_addr(&c);
    h5_take(&c, 8ull * L);                 /* counts and sizes of managed, huge and tiny objects */
    h->width = (unsigned)h5_uint(&c, 2);
    h->start_size = h5_length(&c);
    h->largest_direct = h5_length(&c);
    h->offset_bits = (unsigned)h5_uint(&c, 2);
    h5_take(&c, 2);                        /* rows that a new root starts with */
    h->root = h5_addr(&c);
    h->root_rows = (unsigned)h5_uint(&c, 2);
    uint32_t sum = 0;
    size_t covered = (size_t)(c.p - c.start);
    sum = (uint32_t)h5_uint(&c, 4);
    CR_TRY(h5_cur_ok(&c, err));
    h->header = c;
    if (filter_bytes)
        return CR_FAIL(err, CR_UNSUPPORTED, "the fractal heap at offset %" PRIu64 " is compressed", c.at);
    if (!h5_checksum_is(sum, c.start, covered))
        return H5_DAMAGED(&c, err, "its checksum is wrong");
    CR_TRY(check_table(h, err));
    *ret_heap = h;
    return CR_OK;
}

static uint64_t row_block_size(const h5_fheap *h, unsigned row) {
    return row == 0 ? h->start_size : h->start_size << (row - 1);
}

static block *find_block(const h5_fheap *h, uint64_t addr) {
    for (block *b = h->blocks; b; b = b->next)
        if (b->addr == addr)
            return b;
    return NULL;
}

static cr_status load_block(h5_ctx *x, h5_fheap *h, uint64_t addr, uint64_t size, bool direct, uint64_t offset, block **ret_block, cr_err *err) {
    block *b = find_block(h, addr);
    if (!b) {
        CR_TRY(h5_alloc(x->temp, 1, sizeof *b, &b, err));
        b->addr = addr;
        CR_TRY(h5_load(x, addr, size, direct ? "direct block of a fractal heap" : "indirect block of a fractal heap", &b->bytes, err));
        b->next = h->blocks;
        h5_cur c = b->bytes;
        CR_TRY(h5_expect(&c, direct ? "FHDB" : "FHIB", 0, err));
        if (h5_addr(&c) != h->addr || h5_uint(&c, h->offset_bytes) != offset)
            return H5_DAMAGED(&b->bytes, err, "it belongs to another heap or place");
        if (direct && h->flags & CHECKS_DIRECT_BLOCKS) {
            /* The checksum lies inside of what it covers, and counts as zeros there. The bytes are our own copy. */
            uint8_t *place = (uint8_t *)c.p;
            uint32_t sum = (uint32_t)h5_uint(&c, 4);
            CR_TRY(h5_cur_ok(&c, err));
            memset(place, 0, 4);
            if (!h5_checksum_is(sum, b->bytes.start, (size_t)(b->bytes.end - b->bytes.start)))
                return H5_DAMAGED(&b->bytes, err, "its checksum is wrong");
        } else if (!direct) {
            h5_cur tail = c;
            h5_take(&tail, h5_left(&c) - CR_MIN(h5_left(&c), (size_t)4));
            size_t covered = (size_t)(tail.p - tail.start);
            if (!h5_checksum_is((uint32_t)h5_uint(&tail, 4), tail.start, covered) || tail.bad)
                return H5_DAMAGED(&b->bytes, err, "its checksum is wrong");
            b->bytes.p = c.p;
        }
        h->blocks = b;
    }
    *ret_block = b;
    return CR_OK;
}

/* The row, column and start of the block of a table that covers an offset counted from the table's start. */
static void locate(const h5_fheap *h, uint64_t offset, unsigned *ret_row, unsigned *ret_column, uint64_t *ret_start) {
    uint64_t row_bytes = h->start_size * h->width;
    unsigned row = offset < row_bytes ? 0 : h5_log2(offset / row_bytes) + 1;
    uint64_t row_start = row == 0 ? 0 : row_bytes << (row - 1);
    uint64_t size = row_block_size(h, row);
    *ret_row = row;
    *ret_column = (unsigned)((offset - row_start) / size);
    *ret_start = row_start + *ret_column * size;
}

static uint64_t indirect_bytes(const h5_ctx *x, const h5_fheap *h, unsigned rows) {
    return 5 + x->file->off_size + h->offset_bytes + (uint64_t)rows * h->width * x->file->off_size + 4;
}

/* Goes down from the root to the direct block of an offset. Each level covers less than the one before. */
static cr_status find_direct(h5_ctx *x, h5_fheap *h, uint64_t offset, uint64_t *ret_addr, uint64_t *ret_start, uint64_t *ret_size, cr_err *err) {
    uint64_t addr = h->root, table_start = 0;
    unsigned rows = h->root_rows;
    if (rows == 0) {
        *ret_addr = addr;
        *ret_start = 0;
        *ret_size = h->start_size;
        return CR_OK;
    }
    for (int level = 0; level < MAX_ROWS; level++) {
        block *b;
        unsigned row, column;
        uint64_t start;
        CR_TRY(load_block(x, h, addr, indirect_bytes(x, h, rows), false, table_start, &b, err));
        locate(h, offset - table_start, &row, &column, &start);
        if (row >= rows)
            return H5_DAMAGED(&b->bytes, err, "it does not cover offset %" PRIu64 " of the heap", offset);
        h5_cur c = b->bytes;
        h5_take(&c, ((uint64_t)row * h->width + column) * x->file->off_size);
        addr = h5_addr(&c);
        CR_TRY(h5_cur_ok(&c, err));
        table_start += start;
        if (row < h->max_direct_rows) {
            *ret_addr = addr;
            *ret_start = table_start;
            *ret_size = row_block_size(h, row);
            return CR_OK;
        }
        unsigned row_bits = h5_log2(h->start_size) + h5_log2(h->width), size_bits = h5_log2(row_block_size(h, row));
        if (size_bits < row_bits)
            return H5_DAMAGED(&b->bytes, err, "its rows have impossible sizes");
        rows = size_bits - row_bits + 1;
    }
    return H5_DAMAGED(&h->header, err, "its indirect blocks are nested too deeply");
}

static cr_status get_managed(h5_ctx *x, h5_fheap *h, h5_cur *id, h5_cur *ret_object, cr_err *err) {
    uint64_t offset = h5_uint(id, h->offset_bytes), length = h5_uint(id, h->length_bytes);
    CR_TRY(h5_cur_ok(id, err));
    uint64_t addr = H5_UNDEF, start = 0, size = 0;
    if (h->offset_bits < 64 && offset >> h->offset_bits)
        return H5_DAMAGED(&h->header, err, "an object at offset %" PRIu64 " of the heap", offset);
    CR_TRY(find_direct(x, h, offset, &addr, &start, &size, err));
    uint64_t inside = offset - start;
    if (inside > size || length > size - inside)
        return H5_DAMAGED(&h->header, err, "an object of %" PRIu64 " bytes at offset %" PRIu64 " leaves its block", length, offset);
    block *b;
    CR_TRY(load_block(x, h, addr, size, true, start, &b, err));
    h5_cur c = b->bytes;
    if (inside > (uint64_t)(c.end - c.start))
        return H5_DAMAGED(&c, err, "it is used as two blocks of different sizes");
    c.p = c.start + inside;
    *ret_object = h5_sub(&c, length);
    ret_object->what = "object of a fractal heap";
    return CR_OK;
}

typedef struct huge_search {
    uint64_t id, addr, length;
    bool found;
} huge_search;

static cr_status match_huge(void *user, h5_cur *record, cr_err *err) {
    huge_search *s = user;
    uint64_t addr = h5_addr(record), length = h5_length(record), id = h5_length(record);
    CR_TRY(h5_cur_ok(record, err));
    if (id == s->id) {
        s->addr = addr;
        s->length = length;
        s->found = true;
    }
    return CR_OK;
}

static cr_status get_huge(h5_ctx *x, h5_fheap *h, h5_cur *id, h5_cur *ret_object, cr_err *err) {
    huge_search s = {0};
    if (h->id_bytes >= 1u + x->file->off_size + x->file->len_size) {
        s.addr = h5_addr(id);
        s.length = h5_length(id);
    } else {
        s.id = h5_uint(id, CR_MIN(h->id_bytes - 1, 8u));
        CR_TRY(h5_btree2_walk(x, h->huge_tree, 1, match_huge, &s, err));
        if (!s.found)
            return H5_DAMAGED(&h->header, err, "it has no huge object %" PRIu64, s.id);
    }
    CR_TRY(h5_cur_ok(id, err));
    return h5_load(x, s.addr, s.length, "huge object of a fractal heap", ret_object, err);
}

cr_status h5_fheap_get(h5_ctx *x, h5_fheap *h, const uint8_t *bytes, size_t id_bytes, h5_cur *ret_object, cr_err *err) {
    if (id_bytes < h->id_bytes || h->id_bytes < 2)
        return H5_DAMAGED(&h->header, err, "its IDs have %u bytes, where %zu are stored", h->id_bytes, id_bytes);
    h5_cur id = {bytes, bytes, bytes + h->id_bytes, h->header.at, "ID of an object of a fractal heap", x->file->off_size, x->file->len_size, false};
    unsigned first = (unsigned)h5_uint(&id, 1), kind = first >> 4 & 3;
    if (first >> 6)
        return H5_DAMAGED(&h->header, err, "an ID of version %u", first >> 6);
    if (kind == 0)
        return get_managed(x, h, &id, ret_object, err);
    if (kind == 1)
        return get_huge(x, h, &id, ret_object, err);
    if (kind != 2)
        return H5_DAMAGED(&h->header, err, "an ID of kind %u", kind);
    /* Tiny: the length less one in the low bits, with one more byte when IDs are long. */
    uint64_t length = first & 15;
    if (h->id_bytes > 17)
        length = length << 8 | h5_uint(&id, 1);
    *ret_object = h5_sub(&id, length + 1);
    return h5_cur_ok(ret_object, err);
}
