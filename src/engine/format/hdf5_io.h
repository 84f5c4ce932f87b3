/* hdf5_io.h - bounded reading of an HDF5 file: the one place where its bytes are fetched, and a cursor over fetched bytes.
 *
 * An h5_file is an open file: immutable after h5_file_open and the superblock, shared by reference between the reader of the
 * metadata and the sources of variables, on any thread. An h5_ctx is one parse, on one thread: what it fetches goes into `temp`,
 * whose byte limit bounds both the memory and the work that a hostile file can ask for.
 *
 * Addresses are the file's own: relative to the base address (the superblock's place behind a user block). H5_UNDEF is the
 * format's "no address". Messages speak of absolute offsets.
 *
 * Invariants
 *  1. No byte outside [base, size) of the file is read, and no cursor gives a byte outside of what was fetched.
 *  2. A cursor that ran out gives zeros and remembers it; h5_cur_ok turns that into CR_FORMAT.
 *
 * The format: "HDF5 File Format Specification Version 3.0" (The HDF Group).
 */
#ifndef CR_ENGINE_FORMAT_HDF5_IO_H
#define CR_ENGINE_FORMAT_HDF5_IO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/error.h"
#include "engine/store/held_file.h"

#define H5_UNDEF UINT64_MAX

typedef struct h5_file {
    atomic_int refs;
    cr_held_file *held;
    char *path;
    uint64_t size;             /* bytes in the file, when it was opened */
    uint64_t base;             /* absolute offset of address 0 */
    uint64_t limit_bytes;      /* for metadata, per parse */
    uint8_t off_size, len_size;/* bytes of an address and of a length: 2, 4 or 8 */
} h5_file;

cr_status h5_file_open(const char *path, cr_reader *reader /* or NULL */, uint64_t limit_bytes, h5_file **ret_file, cr_err *err) CR_MUST_USE;
h5_file *h5_file_ref(h5_file *f);
void h5_file_unref(h5_file *f);                 /* NULL is allowed */
/* Reads exactly n bytes at addr; what names the structure in messages. */
cr_status h5_pread(const h5_file *f, uint64_t addr, void *dst, size_t n, const char *what, cr_err *err) CR_MUST_USE;

struct h5_sohm;
struct h5_gheap;
typedef struct h5_ctx {
    h5_file *file;             /* borrowed */
    cr_arena *keep;            /* for what outlives the parse */
    cr_arena *temp;            /* for fetched bytes and work */
    struct h5_sohm *sohm;      /* the table of shared messages; NULL: the file has none */
    struct h5_gheap *gheap;    /* collections of the global heap that were fetched; may be NULL at first */
} h5_ctx;

/* Zeroed memory of n * size bytes, or CR_LIMIT. */
cr_status h5_alloc(cr_arena *arena, size_t n, size_t size, void *ret_pointer, cr_err *err) CR_MUST_USE;

typedef struct h5_cur {
    const uint8_t *p, *start, *end;
    uint64_t at;               /* absolute offset of start in the file */
    const char *what;          /* "object header" */
    uint8_t off_size, len_size;
    bool bad;
} h5_cur;

/* Fetches n bytes at addr. */
cr_status h5_load(h5_ctx *x, uint64_t addr, uint64_t n, const char *what, h5_cur *ret_cur, cr_err *err) CR_MUST_USE;
/* The same, and the last 4 bytes must be the checksum of those before; they are cut off. */
cr_status h5_load_checked(h5_ctx *x, uint64_t addr, uint64_t n, const char *what, h5_cur *ret_cur, cr_err *err) CR_MUST_USE;

static inline size_t h5_left(const h5_cur *c) { return c->bad ? 0 : (size_t)(c->end - c->p); }
static inline uint64_t h5_at(const h5_cur *c) { return c->at + (uint64_t)(c->p - c->start); }
/* n bytes, borrowed; NULL when there are fewer. */
const uint8_t *h5_take(h5_cur *c, uint64_t n);
/* Unsigned little-endian integer of n <= 8 bytes. */
uint64_t h5_uint(h5_cur *c, unsigned n);
/* An address or length of the file's width; an address of all ones becomes H5_UNDEF. */
uint64_t h5_addr(h5_cur *c);
uint64_t h5_length(h5_cur *c);
/* The next n bytes as a cursor of their own. */
h5_cur h5_sub(h5_cur *c, uint64_t n);
/* CR_FORMAT when the cursor ran out. */
cr_status h5_cur_ok(const h5_cur *c, cr_err *err) CR_MUST_USE;
/* The next bytes must be this 4-byte signature, followed by this version number. */
cr_status h5_expect(h5_cur *c, const char *signature, unsigned version, cr_err *err) CR_MUST_USE;

/* CR_FORMAT with the structure's name, its place and a hint. */
#define H5_DAMAGED(cur, err, ...) h5_damaged((cur)->what, (cur)->at, (err), __FILE__, __LINE__, __VA_ARGS__)
cr_status h5_damaged(const char *what, uint64_t at, cr_err *err, const char *file, int line, const char *fmt, ...) CR_PRINTF(6, 7);

/* Bob Jenkins' lookup3 ("hashlittle", initial value 0), the checksum of HDF5's metadata. */
uint32_t h5_checksum(const uint8_t *bytes, size_t n);
/* Whether n bytes have this checksum. Always true in a fuzzing build, where inputs could hardly get past it. */
bool h5_checksum_is(uint32_t sum, const uint8_t *bytes, size_t n);
/* Number of bytes that hold every value up to limit. */
unsigned h5_bytes_for(uint64_t limit);
/* floor(log2(v)); 0 for 0. */
unsigned h5_log2(uint64_t v);

/* Text of n bytes that ends at the first NUL, if any, as UTF-8 (see text8.h), in arena; NULL at the limit. */
char *h5_text(cr_arena *arena, const void *bytes, size_t n);

#endif
