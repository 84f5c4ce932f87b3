/* stored_chunks.c - see stored_chunks.h. */
#include "stored_chunks.h"

#include <fcntl.h>
#include <hdf5.h>
#include <libdeflate.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "figures.h"

static hid_t open_variable(const char *path, const char *variable, hid_t *ret_file) {
    *ret_file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    hid_t set = *ret_file < 0 ? -1 : H5Dopen2(*ret_file, variable, H5P_DEFAULT);
    if (set < 0)
        fail("%s has no variable %s, or cannot be read", path, variable);
    return set;
}

void stored_chunks_open(const char *path, const char *variable, stored_chunks *c) {
    hsize_t shape[3], chunk[3], n;
    hid_t file, set = open_variable(path, variable, &file), space = H5Dget_space(set), how = H5Dget_create_plist(set), type = H5Dget_type(set);
    if (H5Sget_simple_extent_ndims(space) != 3 || H5Pget_layout(how) != H5D_CHUNKED || H5Pget_chunk(how, 3, chunk) != 3)
        fail("%s: %s is not of three axes, or not in chunks", path, variable);
    H5Sget_simple_extent_dims(space, shape, NULL);
    c->item = H5Tget_size(type);
    c->chunk_bytes = c->item;
    for (int i = 0; i < 3; i++) {
        c->shape[i] = (int64_t)shape[i];
        c->chunk[i] = (int64_t)chunk[i];
        c->grid[i] = (int64_t)(shape[i] / chunk[i]);
        if (shape[i] % chunk[i] != 0)
            fail("%s: chunks of %s do not fill its shape", path, variable);
        c->chunk_bytes *= (size_t)chunk[i];
    }
    H5Dget_num_chunks(set, space, &n);
    if ((int64_t)n != c->grid[0] * c->grid[1] * c->grid[2])
        fail("%s: chunks of %s are missing", path, variable);
    c->at = memory((size_t)n, sizeof *c->at);
    c->stored = memory((size_t)n, sizeof *c->stored);
    c->most_bytes = 0;
    for (hsize_t k = 0; k < n; k++) {
        hsize_t offset[3], bytes;
        haddr_t at;
        unsigned mask;
        if (H5Dget_chunk_info(set, space, k, offset, &mask, &at, &bytes) < 0 || mask != 0)
            fail("%s: chunk %llu of %s is stored otherwise", path, (unsigned long long)k, variable);
        int64_t number = 0;
        for (int i = 0; i < 3; i++)
            number = number * c->grid[i] + (int64_t)(offset[i] / chunk[i]);
        c->at[number] = at;
        c->stored[number] = (uint32_t)bytes;
        c->most_bytes = bytes > c->most_bytes ? (size_t)bytes : c->most_bytes;
    }
    H5Tclose(type);
    H5Pclose(how);
    H5Sclose(space);
    H5Dclose(set);
    H5Fclose(file);
    c->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (c->fd < 0)
        fail("%s cannot be opened", path);
}

double *read_axis(const char *path, const char *variable, int64_t *ret_n) {
    hid_t file, set = open_variable(path, variable, &file), space = H5Dget_space(set);
    *ret_n = H5Sget_simple_extent_npoints(space);
    double *values = memory((size_t)*ret_n, sizeof *values);
    if (H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
        fail("%s: %s cannot be read", path, variable);
    H5Sclose(space);
    H5Dclose(set);
    H5Fclose(file);
    return values;
}

void inflating_init(const stored_chunks *c, inflating *i) {
    i->tool = libdeflate_alloc_decompressor();
    if (i->tool == NULL)
        fail("no memory for a decompressor");
    i->stored = memory(c->most_bytes, 1);
    i->shuffled = memory(c->chunk_bytes, 1);
}

void inflating_done(inflating *i) {
    libdeflate_free_decompressor(i->tool);
    free(i->stored);
    free(i->shuffled);
}

static void unshuffle_2(const uint8_t *restrict src, uint8_t *restrict dst, size_t n) {
    for (size_t i = 0; i < n; i++) {
        dst[2 * i] = src[i];
        dst[2 * i + 1] = src[n + i];
    }
}

static void unshuffle_4(const uint8_t *restrict src, uint8_t *restrict dst, size_t n) {
    for (size_t i = 0; i < n; i++) {
        dst[4 * i] = src[i];
        dst[4 * i + 1] = src[n + i];
        dst[4 * i + 2] = src[2 * n + i];
        dst[4 * i + 3] = src[3 * n + i];
    }
}

void read_stored_chunk(const stored_chunks *c, int64_t number, inflating *i, void *restrict dst) {
    size_t got;
    uint32_t n = c->stored[number];
    if (pread(c->fd, i->stored, n, (off_t)c->at[number]) != (ssize_t)n ||
        libdeflate_zlib_decompress(i->tool, i->stored, n, i->shuffled, c->chunk_bytes, &got) != LIBDEFLATE_SUCCESS || got != c->chunk_bytes)
        fail("chunk %lld cannot be read", (long long)number);
    if (c->item == 2)
        unshuffle_2(i->shuffled, dst, c->chunk_bytes / 2);
    else if (c->item == 4)
        unshuffle_4(i->shuffled, dst, c->chunk_bytes / 4);
    else
        fail("items of %zu bytes", c->item);
}

/* ---- threads ---- */

typedef struct thread {
    pthread_t id;
    void (*function)(void *job, int thread);
    void *job;
    int number;
} thread;

static void *begin(void *argument) {
    const thread *t = argument;
    t->function(t->job, t->number);
    return NULL;
}

void run_threads(int n, void (*function)(void *job, int thread), void *job) {
    thread *threads = memory((size_t)n, sizeof *threads);
    for (int i = 1; i < n; i++) {
        threads[i] = (thread){.function = function, .job = job, .number = i};
        if (pthread_create(&threads[i].id, NULL, begin, &threads[i]) != 0)
            fail("no thread can be started");
    }
    function(job, 0);
    for (int i = 1; i < n; i++)
        pthread_join(threads[i].id, NULL);
    free(threads);
}
