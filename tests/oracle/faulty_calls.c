/* faulty_calls.c - system calls that fail, are cut short or kill the process, for the tests of what is written and read: preloaded (LD_PRELOAD).
 *
 * The environment says what happens, or faulty_arm() from a program: "ACTION CLASS N SEED". CLASS: r (read, pread), w (everything that
 * changes a file, a directory or what is on disk), b (both). The N-th call of the class, counted from 1,
 *     eio, enospc, edquot          fails with that error, once
 *     eintr                        as well, where it handles bytes or waits for the disk
 *     from-eio, from-enospc        and all after it
 *     kill                         does not happen: SIGKILL
 *     torn                         writes half of its bytes, then SIGKILL (what has no bytes: as kill)
 * and with
 *     short                        from the N-th on, reads and writes do a part of what they were asked for, and every fifth is interrupted (EINTR)
 * faulty_count() says how many calls there were; at a normal end they are written to the file that FAULTY_COUNT names. Descriptors 0 to 2 are left alone. What the C library calls inside of itself, and what
 * the kernel does at an unlink of others, is not seen. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define SEEN __attribute__((visibility("default")))

enum { READS = 1, WRITES = 2, SYNCS = 6 };
enum { NOTHING, FAIL, FAIL_FROM, KILL, TORN, SHORT };

static atomic_int action, class, why;
static atomic_long countdown, count;
static atomic_uint random_state;

static const struct { const char *name; int action, why; } actions[] = {
    {"eio", FAIL, EIO},           {"enospc", FAIL, ENOSPC},           {"edquot", FAIL, EDQUOT}, {"eintr", FAIL, EINTR}, {"from-eio", FAIL_FROM, EIO},
    {"from-enospc", FAIL_FROM, ENOSPC}, {"kill", KILL, 0},            {"torn", TORN, 0},        {"short", SHORT, 0},    {"count", NOTHING, 0},
};

SEEN void faulty_arm(const char *text);
SEEN long faulty_count(void);

void faulty_arm(const char *text) {
    char name[32], what;
    long n;
    unsigned seed;
    atomic_store(&action, NOTHING);
    atomic_store(&class, 0);
    atomic_store(&count, 0);
    if (sscanf(text, "%31s %c %ld %u", name, &what, &n, &seed) != 4)
        return;
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (strcmp(actions[i].name, name) != 0)
            continue;
        atomic_store(&countdown, n);
        atomic_store(&random_state, seed * 2654435761u + 1);
        atomic_store(&why, actions[i].why);
        atomic_store(&class, what == 'r' ? READS : what == 'w' ? WRITES : READS | WRITES);
        atomic_store(&action, actions[i].action);
    }
}

long faulty_count(void) { return atomic_load(&count); }

__attribute__((constructor)) static void from_environment(void) {
    const char *text = getenv("FAULTY_CALLS");
    if (text)
        faulty_arm(text);
}

__attribute__((destructor)) static void say_count(void) {
    const char *path = getenv("FAULTY_COUNT");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;
    char text[32];
    int n = snprintf(text, sizeof text, "%ld", atomic_load(&count));
    if (fd >= 0)
        syscall(SYS_write, fd, text, n);
}

static unsigned draw(void) { return atomic_fetch_add(&random_state, 2654435769u) >> 8; }

static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;)
        pause();
}

/* What this call is to do: 0 as ever, -1 fail (errno is set), else the bytes that it may handle at most, of n. */
static ssize_t turn(int its_class, size_t n) {
    if (!(atomic_load(&class) & its_class))
        return 0;
    atomic_fetch_add(&count, 1);
    long left = atomic_fetch_sub(&countdown, 1);
    switch (atomic_load(&action)) {
    case FAIL:
        if (left != 1 || (atomic_load(&why) == EINTR && n == 0 && its_class != SYNCS))
            return 0;
        errno = atomic_load(&why);
        return -1;
    case FAIL_FROM:
        if (left > 1)
            return 0;
        errno = atomic_load(&why);
        return -1;
    case KILL:
        if (left == 1)
            die();
        return 0;
    case TORN:
        if (left != 1)
            return 0;
        if (n < 2)
            die();
        return (ssize_t)(n / 2);
    case SHORT:
        if (left > 1 || n == 0)
            return 0;
        if (draw() % 5 == 0) {
            errno = EINTR;
            return -1;
        }
        return (ssize_t)(1 + draw() % n);
    }
    return 0;
}

static void torn(void) {
    if (atomic_load(&action) == TORN && atomic_load(&countdown) == 0)
        die();
}

static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found)
        abort();
    return found;
}

#define REAL(name) ((__typeof__(name) *)real(#name))

#define BYTES(name, its_class, parameters, ...)                           \
    SEEN ssize_t name parameters {                                        \
        ssize_t most = fd > 2 ? turn(its_class, n) : 0;                   \
        if (most < 0)                                                     \
            return -1;                                                    \
        n = most ? (size_t)most : n;                                      \
        ssize_t done = REAL(name)(__VA_ARGS__);                           \
        if (most && its_class == WRITES)                                  \
            torn();                                                       \
        return done;                                                      \
    }

BYTES(read, READS, (int fd, void *p, size_t n), fd, p, n)
BYTES(pread, READS, (int fd, void *p, size_t n, off_t at), fd, p, n, at)
BYTES(pread64, READS, (int fd, void *p, size_t n, off64_t at), fd, p, n, at)
BYTES(write, WRITES, (int fd, const void *p, size_t n), fd, p, n)
BYTES(pwrite, WRITES, (int fd, const void *p, size_t n, off_t at), fd, p, n, at)
BYTES(pwrite64, WRITES, (int fd, const void *p, size_t n, off64_t at), fd, p, n, at)

#define CHANGE_AS(its_class, name, parameters, ...) \
    SEEN int name parameters { return turn(its_class, 0) < 0 ? -1 : REAL(name)(__VA_ARGS__); }
#define CHANGE(name, parameters, ...) CHANGE_AS(WRITES, name, parameters, __VA_ARGS__)

CHANGE_AS(SYNCS, fsync, (int fd), fd)
CHANGE_AS(SYNCS, fdatasync, (int fd), fd)
CHANGE(ftruncate, (int fd, off_t n), fd, n)
CHANGE(ftruncate64, (int fd, off64_t n), fd, n)
CHANGE(rename, (const char *from, const char *to), from, to)
CHANGE(renameat, (int a, const char *from, int b, const char *to), a, from, b, to)
CHANGE(renameat2, (int a, const char *from, int b, const char *to, unsigned flags), a, from, b, to, flags)
CHANGE(mkdir, (const char *path, mode_t mode), path, mode)
CHANGE(mkdirat, (int fd, const char *path, mode_t mode), fd, path, mode)
CHANGE(fchmod, (int fd, mode_t mode), fd, mode)

/* Removing is what cleans up after another fault; it does not fail, but it counts, and a process can end before it. */
static void before_removal(void) {
    int a = atomic_load(&action);
    if (a == KILL || a == TORN)
        turn(WRITES, 0);
}

SEEN int unlink(const char *path) {
    before_removal();
    return REAL(unlink)(path);
}

SEEN int unlinkat(int fd, const char *path, int flags) {
    before_removal();
    return REAL(unlinkat)(fd, path, flags);
}

SEEN int rmdir(const char *path) {
    before_removal();
    return REAL(rmdir)(path);
}

static mode_t mode_of(int flags, va_list ap) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0; }

#define OPEN(name, parameters, last, ...)                                                       \
    SEEN int name parameters {                                                                  \
        va_list ap;                                                                             \
        va_start(ap, last);                                                                     \
        mode_t mode = mode_of(flags, ap);                                                       \
        va_end(ap);                                                                             \
        if (flags & (O_CREAT | O_TRUNC) && turn(WRITES, 0) < 0)                                 \
            return -1;                                                                          \
        return REAL(name)(__VA_ARGS__, mode);                                                   \
    }

OPEN(open, (const char *path, int flags, ...), flags, path, flags)
OPEN(open64, (const char *path, int flags, ...), flags, path, flags)
OPEN(openat, (int fd, const char *path, int flags, ...), flags, fd, path, flags)
OPEN(openat64, (int fd, const char *path, int flags, ...), flags, fd, path, flags)
