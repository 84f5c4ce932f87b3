/* replay.c - runs a fuzz target over the files of a corpus, without libFuzzer: what was found once stays mended.
 *
 *   fuzz_zarr_replay DIR [ROUNDS]
 *
 * Every file is run as it is, and ROUNDS times with a few bytes changed or cut off, always the same ones. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MAX_BYTES = 1 << 20 };

static uint64_t state = 88172645463325252ull;

static uint64_t next(void) {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* Digits and brackets turn into others of their kind, so that text formats stay readable and mean something else. */
static uint8_t change(uint8_t c) {
    static const char digits[] = "0123456789-.eN", marks[] = "[]{},:\"";
    if (c && strchr(digits, c))
        return (uint8_t)digits[next() % (sizeof digits - 1)];
    if (c && strchr(marks, c))
        return (uint8_t)marks[next() % (sizeof marks - 1)];
    return next() % 2 ? (uint8_t)next() : (uint8_t)(c ^ 1u << next() % 8);
}

static void run_exact(const uint8_t *data, size_t n) {
    uint8_t *copy = malloc(n ? n : 1);     /* its own block: sanitizers see every byte read beyond it */
    if (!copy)
        abort();
    memcpy(copy, data, n);
    (void)LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static void run_file(const char *path, long rounds) {
    cr_err err = CR_ERR_INIT;
    cr_buf original, changed;
    cr_buf_init(&original, MAX_BYTES);
    cr_buf_init(&changed, MAX_BYTES);
    if (cr_file_read(path, &original, &err) != CR_OK) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    run_exact((const uint8_t *)cr_buf_str(&original), original.len);
    for (long i = 0; i < rounds && original.len; i++) {
        cr_buf_clear(&changed);
        cr_buf_add(&changed, original.data, i % 8 ? original.len : next() % original.len);
        for (uint64_t k = next() % 6 + 1; k && changed.len; k--) {
            size_t at = next() % changed.len;
            changed.data[at] = (char)change((uint8_t)changed.data[at]);
        }
        run_exact((const uint8_t *)cr_buf_str(&changed), changed.len);
    }
    cr_buf_done(&original);
    cr_buf_done(&changed);
}

int main(int argc, char **argv) {
    DIR *d = argc > 1 ? opendir(argv[1]) : NULL;
    int n = 0;
    if (!d) {
        fprintf(stderr, "usage: %s DIR [ROUNDS]\n", argv[0]);
        return 2;
    }
    for (struct dirent *e; (e = readdir(d));) {
        char path[4096];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
        run_file(path, argc > 2 ? atol(argv[2]) : 0);
        n++;
    }
    closedir(d);
    printf("%d files\n", n);
    return n ? 0 : 1;
}
