/* fuzz_netcdf3.c - any bytes as a NetCDF classic file: opened, described, and its first and last chunks read. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static int fd = -1;
    static char path[64];
    if (fd < 0) {
        fd = memfd_create("fuzz", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, data, n, 0) != (ssize_t)n)
        abort();
    cr_open_options options = {NULL, 4 << 20};
    cr_err err = CR_ERR_INIT;
    cr_file *f;
    if (cr_file_open(path, &options, &f, &err) != CR_OK) {
        fuzz_check_error(&err);
        return 0;
    }
    fuzz_read_file(f);
    cr_file_close(f);
    return 0;
}
