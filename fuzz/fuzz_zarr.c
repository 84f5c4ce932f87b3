/* fuzz_zarr.c - any bytes as a Zarr store in memory.
 *
 * The input is a list of values: one byte, the length of the key; the key; two bytes (little-endian), the length of the value; the value.
 * make_seeds.py packs real stores in this way. */
#include <stdint.h>

#include "engine/format/zarr.h"
#include "fuzz_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    cr_store *store;
    cr_err err = CR_ERR_INIT;
    if (cr_store_open_memory(8 << 20, &store, &err) != CR_OK)
        abort();
    for (size_t at = 0; at + 3 <= n;) {
        char key[256] = {0};
        size_t n_key = CR_MIN((size_t)data[at], n - at - 3);
        memcpy(key, data + at + 1, n_key);
        at += 1 + n_key;
        size_t n_value = CR_MIN((size_t)(data[at] | data[at + 1] << 8), n - at - 2);
        (void)!cr_store_write(store, key, data + at + 2, n_value, &err);
        at += 2 + n_value;
    }
    cr_file *f = calloc(1, sizeof *f);
    cr_open_options options = {NULL, 0};
    cr_arena_init(&f->arena, 4 << 20);
    f->path = "memory";
    if (cr_zarr_open_store(store, &options, f, &err) == CR_OK)
        fuzz_read_file(f);
    else
        fuzz_check_error(&err);
    cr_file_close(f);
    cr_store_unref(store);
    return 0;
}
