/* fuzz_reference.c - any bytes as kerchunk's JSON: parsed, templates expanded, opened as a Zarr hierarchy, its first and last chunks read.
 *
 * The one file that references can sensibly lead to is called "100": the JSON is said to lie in /proc/self/fd, and this descriptor is a file
 * in memory. Any other name leads nowhere or to what the fuzzer may read anyway. */
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/format/reference.h"
#include "engine/format/zarr_json.h"
#include "fuzz_read.h"

enum { DATA_FD = 100, DATA_BYTES = 4096 };

static void make_data(void) {
    static bool made;
    unsigned char bytes[DATA_BYTES];
    if (made)
        return;
    for (int i = 0; i < DATA_BYTES; i++)
        bytes[i] = (unsigned char)(i * 7);
    int fd = memfd_create("data", 0);
    if (fd < 0 || write(fd, bytes, sizeof bytes) != (ssize_t)sizeof bytes || dup2(fd, DATA_FD) != DATA_FD)
        abort();
    close(fd);
    made = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    cr_err err = CR_ERR_INIT;
    cr_open_options options = {NULL, 0};
    json_t *root = NULL;
    make_data();
    if (cr_json_parse((const char *)data, n, 100000, &root, &err) != CR_OK) {
        fuzz_check_error(&err);
        return 0;
    }
    cr_file *f = calloc(1, sizeof *f);
    cr_arena_init(&f->arena, 4 << 20);
    f->path = "/proc/self/fd/refs.json";
    if (cr_reference_open_json(f->path, root, &options, f, &err) == CR_OK) {
        for (int i = 0; cr_file_target(f, i); i++)
            (void)strlen(cr_file_target(f, i));
        fuzz_read_file(f);
    } else {
        fuzz_check_error(&err);
    }
    cr_file_close(f);
    json_decref(root);
    return 0;
}
