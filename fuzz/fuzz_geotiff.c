/* fuzz_geotiff.c - any bytes as a TIFF: opened, described, and its first and last chunks read; the same for its first group. */
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz_read.h"

static void open_group(const char *path, const char *group, char first_group[64]) {
    cr_open_options options = {group, 4 << 20};
    cr_err err = CR_ERR_INIT;
    cr_file *f;
    if (cr_file_open(path, &options, &f, &err) != CR_OK) {
        fuzz_check_error(&err);
        return;
    }
    if (first_group && cr_file_n_groups(f) > 0)
        snprintf(first_group, 64, "%s", cr_file_group(f, 0));
    fuzz_read_file(f);
    cr_file_close(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static int fd = -1;
    static char path[64];
    char group[64] = "";
    if (fd < 0) {
        fd = memfd_create("fuzz", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, data, n, 0) != (ssize_t)n)
        abort();
    open_group(path, NULL, group);
    if (*group)
        open_group(path, group, NULL);
    return 0;
}
