/* test_password.c - how many hashes of passwords are made at the same time: several where there is memory for them, one where there is little. The process
 * that makes them is told how much there is by a /proc/meminfo of its own, and says how much it had at most (VmHWM). */
#include "../check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/file.h"
#include "platform/identity/password.h"

enum { THREADS = 2, HASHES = 4, HASH_MIB = 64, MORE_MIB = 24, NOT_ALLOWED = 77 };

static pthread_barrier_t all_there;

static void *hash_some(void *failures) {
    char out[CR_PASSWORD_HASH_BYTES];
    cr_err err = CR_ERR_INIT;
    pthread_barrier_wait(&all_there);
    for (int i = 0; i < HASHES; i++)
        *(int *)failures += cr_password_hash("rivers and stones", out, &err) != CR_OK;
    return NULL;
}

static long high_water_kib(void) {
    char line[200];
    long kib = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %ld kB", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib;
}

/* In a mount namespace of this process; without root, in a user namespace too. */
static bool show_memory(const char *meminfo) {
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return false;
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && mount(meminfo, "/proc/meminfo", NULL, MS_BIND, NULL) == 0;
}

static int hash_in_threads(void) {
    pthread_t threads[THREADS];
    int failures[THREADS] = {0}, all = 0;
    pthread_barrier_init(&all_there, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, hash_some, &failures[i]) != 0)
            return -1;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        all += failures[i];
    }
    return all;
}

/* What the process had more than at its begin, in MiB, with that much memory available; -1: this cannot be shown here. */
static long peak_mib(const char *meminfo, long available_mib) {
    char text[80];
    int ends[2], code;
    long grown = 0;
    cr_err err = CR_ERR_INIT;
    snprintf(text, sizeof text, "MemTotal: 16777216 kB\nMemAvailable: %ld kB\n", available_mib * 1024);
    ck_assert_ok(cr_file_replace(meminfo, text, strlen(text), 0644, &err));
    ck_assert_int_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (!show_memory(meminfo))
            _exit(NOT_ALLOWED);
        long before = high_water_kib();
        if (hash_in_threads() != 0)
            _exit(1);
        grown = (high_water_kib() - before) / 1024;
        _exit(write(ends[1], &grown, sizeof grown) == sizeof grown ? 0 : 1);
    }
    close(ends[1]);
    bool told = read(ends[0], &grown, sizeof grown) == sizeof grown;
    close(ends[0]);
    ck_assert_int_eq(waitpid(pid, &code, 0), pid);
    if (WIFEXITED(code) && WEXITSTATUS(code) == NOT_ALLOWED)
        return -1;
    ck_assert(told && WIFEXITED(code) && WEXITSTATUS(code) == 0);
    return grown;
}

START_TEST(where_memory_is_short_hashes_take_turns) {
    char meminfo[] = "/tmp/craton-meminfo-XXXXXX";
    int fd = mkstemp(meminfo);
    ck_assert_int_ge(fd, 0);
    close(fd);
    long little = peak_mib(meminfo, 4 * HASH_MIB - 1), much = 0;
    /* That the test sees two at a time when there are two; a machine with something else to do may run them one after the other by itself. */
    for (int i = 0; i < 20 && little >= 0 && much < HASH_MIB + MORE_MIB; i++)
        much = peak_mib(meminfo, 64 * HASH_MIB);
    unlink(meminfo);
    if (little < 0) {
        printf("# no mount namespaces here: nothing tested\n");
        return;
    }
    ck_assert_int_ge(little, HASH_MIB - 1);
    ck_assert_int_lt(little, HASH_MIB + MORE_MIB);
    ck_assert_int_ge(much, HASH_MIB + MORE_MIB);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("password");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 50);
    tcase_add_test(t, where_memory_is_short_hashes_take_turns);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
