/* clock.c - the machine's clock as one platform of the tests sees it: preloaded there by its own /etc/ld.so.preload, it adds the nanoseconds that
 * /etc/craton-test-clock holds (eight bytes, as the machine writes a number) to wall time. The monotonic clock goes on as it is, as on a machine whose clock
 * is set. The file is mapped once, so that all processes see a step at the same moment. */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t none, *step_ns = &none;

__attribute__((constructor)) static void map_step(void) {
    int fd = open("/etc/craton-test-clock", O_RDONLY | O_CLOEXEC);
    void *at = fd >= 0 ? mmap(NULL, sizeof *step_ns, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (at != MAP_FAILED)
        step_ns = at;
    if (fd >= 0)
        close(fd);
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *t) {
    if (syscall(SYS_clock_gettime, id, t) != 0)
        return -1;
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) {
        int64_t ns = (int64_t)t->tv_sec * 1000000000 + t->tv_nsec + *step_ns;
        t->tv_sec = ns / 1000000000;
        t->tv_nsec = ns % 1000000000;
    }
    return 0;
}

__attribute__((visibility("default"))) int gettimeofday(struct timeval *restrict t, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return 0;
}

__attribute__((visibility("default"))) time_t time(time_t *ret) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (ret)
        *ret = now.tv_sec;
    return now.tv_sec;
}
