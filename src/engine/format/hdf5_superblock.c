/* hdf5_superblock.c - where an HDF5 file begins, how wide its addresses are, where its root group lies. */
#include <inttypes.h>

#include "engine/format/hdf5_object.h"

static const char SIGNATURE[8] = "\x89HDF\r\n\x1a\n";
enum { SUPERBLOCK_BYTES_MAX = 8 + 16 + 12 * 8 };

/* The superblock lies at 0 or at a power of two from 512 on, behind what else was put in front of it. */
static cr_status locate(h5_file *f, cr_err *err) {
    char head[8];
    for (uint64_t at = 0; at + sizeof head <= f->size; at = at ? at * 2 : 512) {
        CR_TRY(h5_pread(f, at, head, sizeof head, "superblock", err));
        if (memcmp(head, SIGNATURE, sizeof head) == 0) {
            f->base = at;
            return CR_OK;
        }
    }
    return CR_FAIL(err, CR_FORMAT, "no HDF5 signature was found");
}

static cr_status set_widths(h5_file *f, h5_cur *c, cr_err *err) {
    f->off_size = (uint8_t)h5_uint(c, 1);
    f->len_size = (uint8_t)h5_uint(c, 1);
    c->off_size = f->off_size;
    c->len_size = f->len_size;
    bool ok = (f->off_size == 2 || f->off_size == 4 || f->off_size == 8) && (f->len_size == 2 || f->len_size == 4 || f->len_size == 8);
    return ok ? CR_OK : H5_DAMAGED(c, err, "addresses of %u bytes and lengths of %u", f->off_size, f->len_size);
}

static uint64_t parse_old(h5_cur *c, unsigned version, uint64_t *ret_base, uint64_t *ret_eof) {
    h5_take(c, 1 + 2 + 2 + 4);             /* reserved; two ranks of B-trees; flags */
    if (version == 1)
        h5_take(c, 4);
    *ret_base = h5_addr(c);
    h5_addr(c);                            /* free space */
    *ret_eof = h5_addr(c);
    h5_addr(c);                            /* driver information */
    h5_addr(c);                            /* name of the root link */
    return h5_addr(c);
}

static cr_status parse_new(h5_cur *c, uint64_t *ret_base, uint64_t *ret_eof, uint64_t *ret_extension, uint64_t *ret_root, cr_err *err) {
    h5_take(c, 1);
    *ret_base = h5_addr(c);
    *ret_extension = h5_addr(c);
    *ret_eof = h5_addr(c);
    *ret_root = h5_addr(c);
    size_t covered = (size_t)(c->p - c->start);
    uint32_t sum = (uint32_t)h5_uint(c, 4);
    CR_TRY(h5_cur_ok(c, err));
    return h5_checksum_is(sum, c->start, covered) ? CR_OK : H5_DAMAGED(c, err, "its checksum is wrong");
}

cr_status h5_superblock_read(h5_file *f, uint64_t *ret_root, uint64_t *ret_extension, cr_err *err) {
    uint8_t bytes[SUPERBLOCK_BYTES_MAX];
    CR_TRY(locate(f, err));
    size_t n = (size_t)CR_MIN(f->size - f->base, (uint64_t)sizeof bytes);
    CR_TRY(h5_pread(f, 0, bytes, n, "superblock", err));
    h5_cur c = {bytes + 8, bytes, bytes + n, f->base, "superblock", 8, 8, false};
    uint64_t base, eof, extension = H5_UNDEF, root;
    unsigned version = (unsigned)h5_uint(&c, 1);
    if (version > 3)
        return CR_FAIL(err, CR_UNSUPPORTED, "superblock of version %u; versions 0 to 3 are known", version);
    if (version < 2) {
        h5_take(&c, 4);                    /* versions of free space, root group, shared headers; reserved */
        CR_TRY(set_widths(f, &c, err));
        root = parse_old(&c, version, &base, &eof);
    } else {
        CR_TRY(set_widths(f, &c, err));
        CR_TRY(parse_new(&c, &base, &eof, &extension, &root, err));
    }
    CR_TRY(h5_cur_ok(&c, err));
    /* Where the superblock really is counts: a user block may have been put in front after the file was written. */
    uint64_t end = eof == H5_UNDEF || eof < base ? H5_UNDEF : eof - base;
    if (end == H5_UNDEF)
        return H5_DAMAGED(&c, err, "its end-of-file address is not an address");
    if (end > f->size - f->base) {
        cr_status status = CR_FAIL(err, CR_FORMAT, "the file is cut short: it has %" PRIu64 " bytes, its superblock says %" PRIu64,
                                   f->size, f->base + end);
        cr_err_hint(err, "fetch it again, or let the program that writes it finish");
        return status;
    }
    if (root == H5_UNDEF)
        return H5_DAMAGED(&c, err, "it has no root group");
    *ret_root = root;
    *ret_extension = extension;
    return CR_OK;
}
