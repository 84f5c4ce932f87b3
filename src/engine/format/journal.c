/* journal.c - the journal of a long write: head, records, digests. All numbers are little-endian. */
#include "engine/format/journal.h"

#include <endian.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "engine/codec/checksum.h"

static const char MAGIC[16] = "craton journal1\n";
enum { DIGESTS_AT = 16, HEAD_CRC_AT = 64, HEAD_BYTES = 68, RECORD_BYTES = 28, RECORD_CRC_AT = 24, READ_RECORDS = 4096 };

struct cr_journal {
    int fd;
    pthread_mutex_t lock;         /* records are appended one after the other */
    int64_t at;                   /* where the next record goes */
};

/* ---- digests ---------------------------------------------------------------------------------------------------------------------- */

static void mix(cr_digest *d, uint64_t v) {
    d->h[0] = (d->h[0] ^ v) * 0x9E3779B97F4A7C15u;
    d->h[0] ^= d->h[0] >> 32;
    d->h[1] = (d->h[1] + v) * 0xD6E8FEB86659FD93u;
    d->h[1] ^= d->h[1] >> 29 ^ d->h[0] << 17;
}

void cr_digest_add(cr_digest *d, const void *bytes, size_t n) {
    const char *p = bytes;
    mix(d, n);
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        mix(d, le64toh(v));
    }
    uint64_t rest = 0;
    if (n)
        memcpy(&rest, p, n);
    mix(d, le64toh(rest));
}

void cr_digest_text(cr_digest *d, const char *text) { cr_digest_add(d, text ? text : "", text ? strlen(text) + 1 : 0); }

/* ---- the head --------------------------------------------------------------------------------------------------------------------- */

static void put(unsigned char *at, uint64_t v, int bytes) {
    for (int i = 0; i < bytes; i++)
        at[i] = (unsigned char)(v >> 8 * i);
}

static uint64_t get(const unsigned char *at, int bytes) {
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v |= (uint64_t)at[i] << 8 * i;
    return v;
}

static void make_head(const cr_journal_identity *identity, unsigned char head[HEAD_BYTES]) {
    const cr_digest *digests[] = {&identity->layout, &identity->program, &identity->sources};
    memcpy(head, MAGIC, sizeof MAGIC);
    for (int i = 0; i < 6; i++)
        put(head + DIGESTS_AT + 8 * i, digests[i / 2]->h[i % 2], 8);
    put(head + HEAD_CRC_AT, cr_crc32c(head, HEAD_CRC_AT), 4);
}

static bool read_head(int fd, unsigned char head[HEAD_BYTES]) {
    return pread(fd, head, HEAD_BYTES, 0) == HEAD_BYTES && memcmp(head, MAGIC, sizeof MAGIC) == 0 &&
           get(head + HEAD_CRC_AT, 4) == cr_crc32c(head, HEAD_CRC_AT);
}

static int open_file(const char *dir, int flags) {
    cr_auto_fd int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return at < 0 ? -1 : openat(at, CR_JOURNAL_NAME, flags | O_CLOEXEC | O_NOFOLLOW, 0666);
}

/* Takes fd. */
static cr_status make(int fd, int64_t at, cr_journal **ret_journal, cr_err *err) {
    cr_journal *j = calloc(1, sizeof *j);
    if (!j) {
        close(fd);
        return CR_FAIL(err, CR_MEMORY, "no memory");
    }
    *j = (cr_journal){.fd = fd, .at = at};
    pthread_mutex_init(&j->lock, NULL);
    *ret_journal = j;
    return CR_OK;
}

cr_status cr_journal_new(const char *dir, const cr_journal_identity *identity, cr_journal **ret_journal, cr_err *err) {
    unsigned char head[HEAD_BYTES];
    int fd = open_file(dir, O_RDWR | O_CREAT | O_TRUNC);
    if (fd < 0)
        return CR_FAIL_ERRNO(err, "cannot make %s/%s", dir, CR_JOURNAL_NAME);
    make_head(identity, head);
    cr_status status = cr_write_all(fd, head, HEAD_BYTES, err);
    if (status != CR_OK) {
        close(fd);
        cr_err_context(err, "while writing %s/%s", dir, CR_JOURNAL_NAME);
        return status;
    }
    return make(fd, HEAD_BYTES, ret_journal, err);
}

bool cr_journal_exists(const char *dir) {
    unsigned char head[HEAD_BYTES];
    cr_auto_fd int fd = open_file(dir, O_RDONLY | O_NONBLOCK);
    return fd >= 0 && read_head(fd, head);
}

static cr_status compare(const unsigned char *found, const unsigned char *wanted, cr_err *err) {
    static const char *const reasons[] = {
        "variables, shapes, chunks, codecs or attributes are not those that were asked for when it began",
        "the values are computed in another way than when it began",
        "what it reads has changed since it began",
    };
    for (int i = 0; i < 3; i++)
        if (memcmp(found + DIGESTS_AT + 16 * i, wanted + DIGESTS_AT + 16 * i, 16) != 0) {
            cr_status status = CR_FAIL(err, CR_CONFLICT, "it cannot be resumed: %s", reasons[i]);
            cr_err_hint(err, "write it anew, without resuming; what was begun is removed then");
            return status;
        }
    return CR_OK;
}

cr_status cr_journal_open(const char *dir, const cr_journal_identity *identity, cr_journal **ret_journal, cr_err *err) {
    unsigned char found[HEAD_BYTES], wanted[HEAD_BYTES];
    cr_auto_fd int fd = open_file(dir, O_RDWR | O_NONBLOCK);
    if (fd < 0)
        return CR_FAIL_ERRNO(err, "cannot open %s/%s", dir, CR_JOURNAL_NAME);
    if (!read_head(fd, found))
        return CR_FAIL(err, CR_FORMAT, "%s/%s is damaged", dir, CR_JOURNAL_NAME);
    make_head(identity, wanted);
    CR_TRY(compare(found, wanted, err));
    off_t end = lseek(fd, 0, SEEK_END);
    if (end < HEAD_BYTES)
        return CR_FAIL_ERRNO(err, "cannot look at %s/%s", dir, CR_JOURNAL_NAME);
    int64_t whole = HEAD_BYTES + (end - HEAD_BYTES) / RECORD_BYTES * RECORD_BYTES;
    int taken = fd;
    fd = -1;
    return make(taken, whole, ret_journal, err);
}

void cr_journal_free(cr_journal *j) {
    if (!j)
        return;
    close(j->fd);
    pthread_mutex_destroy(&j->lock);
    free(j);
}

/* ---- records ---------------------------------------------------------------------------------------------------------------------- */

cr_status cr_journal_add(cr_journal *j, const cr_journal_record *record, cr_err *err) {
    unsigned char bytes[RECORD_BYTES];
    put(bytes, record->variable, 4);
    put(bytes + 4, record->chunk, 8);
    put(bytes + 12, record->bytes, 8);
    put(bytes + 20, record->crc, 4);
    put(bytes + RECORD_CRC_AT, cr_crc32c(bytes, RECORD_CRC_AT), 4);
    cr_status status = CR_OK;
    pthread_mutex_lock(&j->lock);
    for (size_t done = 0; status == CR_OK && done < RECORD_BYTES;) {
        ssize_t n = pwrite(j->fd, bytes + done, RECORD_BYTES - done, (off_t)(j->at + (int64_t)done));
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            status = CR_FAIL_ERRNO(err, "cannot write %s", CR_JOURNAL_NAME);
    }
    if (status == CR_OK)
        j->at += RECORD_BYTES;
    pthread_mutex_unlock(&j->lock);
    return status;
}

static cr_status replay_some(const unsigned char *bytes, size_t n, cr_journal_fn fn, void *user, cr_err *err) {
    for (; n; n--, bytes += RECORD_BYTES) {
        cr_journal_record record = {(uint32_t)get(bytes, 4), get(bytes + 4, 8), get(bytes + 12, 8), (uint32_t)get(bytes + 20, 4)};
        if (get(bytes + RECORD_CRC_AT, 4) == cr_crc32c(bytes, RECORD_CRC_AT))
            CR_TRY(fn(user, &record, err));
    }
    return CR_OK;
}

cr_status cr_journal_replay(cr_journal *j, cr_journal_fn fn, void *user, cr_err *err) {
    cr_auto_free unsigned char *bytes = malloc((size_t)RECORD_BYTES * READ_RECORDS);
    if (!bytes)
        return CR_FAIL(err, CR_MEMORY, "no memory to read %s", CR_JOURNAL_NAME);
    for (int64_t at = HEAD_BYTES; at < j->at;) {
        size_t wanted = (size_t)CR_MIN(j->at - at, (int64_t)RECORD_BYTES * READ_RECORDS);
        ssize_t n = pread(j->fd, bytes, wanted, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < RECORD_BYTES)
            return CR_FAIL_ERRNO(err, "cannot read %s", CR_JOURNAL_NAME);
        n -= n % RECORD_BYTES;
        CR_TRY(replay_some(bytes, (size_t)n / RECORD_BYTES, fn, user, err));
        at += n;
    }
    return CR_OK;
}
