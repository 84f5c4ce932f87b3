/* fuzz_hdf5.c - any bytes as an HDF5 file: opening, every group below the root, every variable's values within limits.
 *
 * A libFuzzer target; tests/unit/engine/hdf5_mutate.c links it too. Build with -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION to let inputs
 * past the checksums of newer files. Seeds: small files of every kind, as tests/oracle/test_hdf5.py makes them. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "engine/format/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { METADATA_BYTES = 8 << 20, CHUNK_BYTES = 4 << 20, CHUNKS = 24, GROUPS = 3 };

static void read_some(cr_source *s) {
    int64_t chunk[CR_MAX_DIMS] = {0};
    cr_scratch scratch = {.max = 4 * CHUNK_BYTES};
    bool empty = false, absent;
    cr_err err = CR_ERR_INIT;
    for (int i = 0; i < s->ndim; i++)
        empty = empty || s->shape[i] == 0;
    if (empty || s->chunk_bytes > CHUNK_BYTES)
        return;
    void *dst = malloc(s->chunk_bytes);
    for (int n = 0; dst && n < CHUNKS; n++) {
        (void)s->ops->stored_bytes(s, chunk);
        (void)s->ops->read_chunk(s, chunk, dst, &scratch, &absent, &err);
        int i = s->ndim - 1;
        while (i >= 0 && ++chunk[i] * s->chunk_shape[i] >= s->shape[i])
            chunk[i--] = 0;
        if (i < 0)
            break;
    }
    free(dst);
    cr_scratch_done(&scratch);
}

static void read_group(const char *path, const char *group, int depth) {
    cr_open_options options = {group, METADATA_BYTES};
    cr_file *f;
    cr_err err = CR_ERR_INIT;
    if (cr_file_open(path, &options, &f, &err) != CR_OK) {
        if (!err.message[0] || err.status == CR_INTERNAL)
            abort();
        return;
    }
    for (int i = 0; i < cr_file_n_variables(f); i++) {
        const cr_model_variable *v = &f->variables[i];
        char **strings;
        int64_t n;
        if (v->source)
            read_some(v->source);
        else if (v->read_strings && cr_file_strings(f, v->pub.name, &strings, &n, &err) == CR_OK)
            free(strings);
    }
    for (int i = 0; depth > 0 && i < cr_file_n_groups(f) && i < GROUPS; i++) {
        char name[1024];
        int n = snprintf(name, sizeof name, "%s/%s", group, cr_file_group(f, i));
        if (n > 0 && (size_t)n < sizeof name)
            read_group(path, name, depth - 1);
    }
    cr_file_close(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int fd = -1;
    static char path[64];
    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
        abort();
    read_group(path, "", 2);
    return 0;
}
