/* fuzz_journal.c - any bytes as the journal of an unfinished store: opened, replayed against the chunks that lie there, added to.
 *
 * The first byte says how much of the input is put right before, so that what changes is seen behind the checksums: bit 0 the head, bit 1 the
 * checksum of each record, bit 2 lengths and checksums of records as those of chunks that are there. The rest is the file. One small
 * directory serves all runs: two variables, one in chunks and one in shards, with some stored objects that never change. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/codec/checksum.h"
#include "engine/format/sibling.h"
#include "engine/format/writer.h"
#include "fuzz_read.h"

enum { HEAD = 68, RECORD = 28, MOST_BYTES = 4096, N_CHUNKS = 9, N_SHARDS = 3, OBJECT_BYTES = 40 };

static const cr_journal_identity identity = {{{1, 2}}, {{3, 4}}, {{5, 6}}};
static char directory[64];
static int journal = -1;

static void remove_directory(void) { cr_sibling_remove(directory); }

static void make_object(const char *key) {
    char path[128], bytes[OBJECT_BYTES];
    memset(bytes, 'x', sizeof bytes);
    snprintf(path, sizeof path, "%s/%s", directory, key);
    for (char *slash = strchr(path + strlen(directory) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        (void)!mkdir(path, 0777);
        *slash = '/';
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, bytes, sizeof bytes) != sizeof bytes)
        abort();
    close(fd);
}

static void make_directory(void) {
    char path[128];
    cr_err err = CR_ERR_INIT;
    cr_journal *j = NULL;
    snprintf(directory, sizeof directory, "%s/fuzz-journal-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(directory) || cr_journal_new(directory, &identity, &j, &err) != CR_OK)
        abort();
    atexit(remove_directory);
    cr_journal_free(j);
    make_object("chunks/c/0/0");
    make_object("chunks/c/1/2");
    make_object("shards/c/0");
    snprintf(path, sizeof path, "%s/" CR_JOURNAL_NAME, directory);
    journal = open(path, O_RDWR | O_CLOEXEC);
    if (journal < 0)
        abort();
}

static void put_u32(uint8_t *at, uint32_t v) {
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(v >> 8 * i);
}

/* What a killed writer left, as far as the first byte of the input wants it to be sound. */
static size_t lay_out(const uint8_t *data, size_t n, uint8_t file[MOST_BYTES]) {
    static uint8_t head[HEAD];
    uint8_t how = n ? data[0] : 0;
    size_t used = n ? CR_MIN(n - 1, (size_t)MOST_BYTES) : 0;
    if (!head[0] && pread(journal, head, HEAD, 0) != HEAD)
        abort();
    if (used)
        memcpy(file, data + 1, used);
    if (how & 1) {
        memcpy(file, head, HEAD);
        used = CR_MAX(used, (size_t)HEAD);
    }
    for (size_t at = HEAD; at + RECORD <= used && how & 6; at += RECORD) {
        static const uint8_t bytes[8] = {OBJECT_BYTES};
        char object[OBJECT_BYTES];
        memset(object, 'x', sizeof object);
        if (how & 4) {
            memcpy(file + at + 12, bytes, 8);
            put_u32(file + at + 20, cr_crc32c(object, sizeof object));
        }
        put_u32(file + at + 24, cr_crc32c(file + at, 24));
    }
    return used;
}

static cr_status add_one(void *user, const cr_journal_record *record, cr_err *err) {
    (void)record;
    (void)err;
    ++*(size_t *)user;
    return CR_OK;
}

/* Bits stand for objects of the variable, and only those may be set of which some sound record says what is there. */
typedef struct truth {
    uint64_t may[2];
} truth;

static cr_status find_true(void *user, const cr_journal_record *r, cr_err *err) {
    static const uint64_t n[] = {N_CHUNKS, N_SHARDS}, there[] = {1u << 0 | 1u << 5, 1u << 0};
    truth *t = user;
    char object[OBJECT_BYTES];
    (void)err;
    memset(object, 'x', sizeof object);
    if (r->variable > 1 || r->chunk >= n[r->variable])
        return CR_OK;
    uint64_t bit = UINT64_C(1) << r->chunk;
    bool stored = there[r->variable] & bit;
    if (stored ? r->bytes == OBJECT_BYTES && r->crc == cr_crc32c(object, sizeof object) : r->bytes == CR_JOURNAL_ABSENT)
        t->may[r->variable] |= bit;
    return CR_OK;
}

static void resume(cr_journal *j) {
    static const char *const dims[] = {"y", "x"};
    static const int64_t shape[] = {5, 7}, chunks[] = {2, 3}, small[] = {1}, shards[] = {2}, length[] = {5};
    uint64_t done[2][2] = {{0}};
    cr_write_item items[] = {
        {.v = {.name = "chunks", .ndim = 2, .dims = dims, .shape = shape, .chunks = chunks, .dtype = CR_F32}, .unit = chunks, .n_chunks = N_CHUNKS,
         .done = done[0]},
        {.v = {.name = "shards", .ndim = 1, .dims = dims, .shape = length, .chunks = small, .shards = shards, .dtype = CR_I16, .codec = "none"},
         .unit = shards, .n_chunks = N_SHARDS, .done = done[1]},
    };
    const cr_write_model model = {.n_variables = 2, .items = items, .journal = j};
    cr_err err = CR_ERR_INIT;
    void *state = NULL;
    if (cr_output_zarr3.begin(&model, directory, &state, &err) != CR_OK) {
        fuzz_check_error(&err);
        return;
    }
    cr_output_zarr3.free(state);
    truth t = {{0}};
    if (cr_journal_replay(j, find_true, &t, &err) != CR_OK)
        abort();
    for (int i = 0; i < 2; i++)
        if (done[i][0] != t.may[i] || done[i][1])
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    uint8_t file[MOST_BYTES] = {0};
    cr_err err = CR_ERR_INIT;
    cr_journal *j = NULL;
    if (journal < 0)
        make_directory();
    size_t used = lay_out(data, n, file), before = 0, after = 0;
    if (ftruncate(journal, 0) != 0 || pwrite(journal, file, used, 0) != (ssize_t)used)
        abort();
    bool exists = cr_journal_exists(directory);
    if (cr_journal_open(directory, &identity, &j, &err) != CR_OK) {
        fuzz_check_error(&err);
        if (n && data[0] & 1)
            abort();              /* that head is right */
        return 0;
    }
    if (!exists || cr_journal_replay(j, add_one, &before, &err) != CR_OK || before > (used - HEAD) / RECORD)
        abort();
    resume(j);
    const cr_journal_record one = {0, 4, CR_JOURNAL_ABSENT, 0};
    if (cr_journal_add(j, &one, &err) != CR_OK || cr_journal_replay(j, add_one, &after, &err) != CR_OK || after != before + 1)
        abort();
    cr_journal_free(j);
    return 0;
}
