/* test_runner_jobs.c - long work beside the helper's loop, and the removal of an account whose steps were interrupted. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../check_main.h"
#include "base/clock.h"
#include "base/file.h"
#include "platform/runner/account.h"
#include "platform/runner/jobs.h"
#include "platform/runner/process.h"

enum { PATIENCE_MS = 20000 };

static cr_watch *w;
static cr_jobs *jobs;
static cr_err err = CR_ERR_INIT;
static char folder[] = "/tmp/craton-jobs-XXXXXX";

typedef struct outcome {
    int order;                    /* which end it was; 0: none yet */
    cr_err result;
} outcome;
static int ends, wanted;

static void on_done(void *user, const cr_err *result) {
    outcome *o = user;
    o->result = *result;
    o->order = ++ends;
    if (ends == wanted)
        cr_watch_stop(w);
}

static void too_long(void *user, uint32_t events) { ck_abort_msg("the jobs do not end"); }

static void setup(void) {
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_ok(cr_watch_new(&w, &err));
    ck_assert_ok(cr_jobs_new(w, &jobs, &err));
    ck_assert_ok(cr_watch_after(w, PATIENCE_MS, too_long, NULL, &err));
    ends = 0;
}

static void teardown(void) {
    char command[100];
    cr_jobs_free(jobs);
    cr_watch_free(w);
    snprintf(command, sizeof command, "chmod -R u+rwx %s; rm -rf %s", folder, folder);
    ck_assert_int_eq(system(command), 0);
}

static void run(int n) {
    wanted = n;
    ck_assert_ok(cr_watch_run(w, &err));
}

static void add(cr_lane lane, cr_job_fn fn, const void *what, size_t size, int64_t timeout_ms, outcome *o) {
    ck_assert_ok(cr_jobs_add(jobs, lane, fn, what, size, timeout_ms, on_done, o, &err));
}

static cr_status nap(const void *what, cr_err *e) {
    usleep(*(const useconds_t *)what);
    return CR_OK;
}

static cr_status refuse(const void *what, cr_err *e) { return CR_FAIL(e, CR_CONFLICT, "not %s", (const char *)what); }

START_TEST(results) {
    outcome good = {0}, bad = {0};
    useconds_t us = 1000;
    char text[] = "today";
    add(CR_LANE_FILES, nap, &us, sizeof us, PATIENCE_MS, &good);
    add(CR_LANE_FILES, refuse, text, sizeof text, PATIENCE_MS, &bad);
    text[0] = 'T';                /* what was given is a copy */
    ck_assert_int_eq(ends, 0);    /* never from inside cr_jobs_add */
    run(2);
    ck_assert_int_eq(good.result.status, CR_OK);
    ck_assert_int_eq(bad.result.status, CR_CONFLICT);
    ck_assert_str_eq(bad.result.message, "not today");
}
END_TEST

START_TEST(lanes) {
    outcome o[4] = {0};
    useconds_t long_us = 300000, short_us = 1000;
    add(CR_LANE_ACCOUNTS, nap, &long_us, sizeof long_us, PATIENCE_MS, &o[0]);
    add(CR_LANE_ACCOUNTS, nap, &short_us, sizeof short_us, PATIENCE_MS, &o[1]);
    add(CR_LANE_FILES, nap, &long_us, sizeof long_us, PATIENCE_MS, &o[2]);
    add(CR_LANE_FILES, nap, &short_us, sizeof short_us, PATIENCE_MS, &o[3]);
    int64_t begin = cr_now_ms();
    run(4);
    ck_assert_int_eq(o[3].order, 1);                    /* beside the long one */
    ck_assert_int_gt(o[1].order, o[0].order);           /* after the long one */
    ck_assert_int_lt((int)(cr_now_ms() - begin), 5000);
}
END_TEST

static cr_status with_a_child(const void *what, cr_err *e) {
    const char *const sleep_long[] = {"/bin/sleep", "1000", NULL};
    return cr_program_run(sleep_long, (uid_t)-1, 0, 1000000, e);
}

/* Also the program that it waits for ends. */
START_TEST(too_late) {
    outcome o = {0};
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    add(CR_LANE_FILES, with_a_child, "", 1, 400, &o);
    run(1);
    ck_assert_int_eq(o.result.status, CR_TIMEOUT);
    int status = 0;
    ck_assert_int_gt(waitpid(-1, &status, 0), 0);       /* the orphaned sleep: came to us */
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
END_TEST

static cr_status count_open(const void *what, cr_err *e) {
    return fcntl(*(const int *)what, F_GETFD) < 0 ? CR_OK : CR_FAIL(e, CR_INTERNAL, "a descriptor of the helper is open");
}

START_TEST(no_descriptor_stays_open) {
    outcome o = {0};
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    add(CR_LANE_FILES, count_open, &fd, sizeof fd, PATIENCE_MS, &o);
    run(1);
    ck_assert_msg(o.result.status == CR_OK, "%s", o.result.message);
    close(fd);
}
END_TEST

static cr_status die(const void *what, cr_err *e) { abort(); }

START_TEST(killed_from_outside) {
    outcome o = {0};
    add(CR_LANE_FILES, die, "", 1, PATIENCE_MS, &o);
    run(1);
    ck_assert_int_eq(o.result.status, CR_CANCELLED);
}
END_TEST

START_TEST(end_with_jobs) {
    outcome o = {0};
    int64_t begin = cr_now_ms();
    add(CR_LANE_FILES, with_a_child, "", 1, PATIENCE_MS, &o);
    useconds_t us = 1000;
    outcome other = {0};
    add(CR_LANE_FILES, nap, &us, sizeof us, PATIENCE_MS, &other);
    run(1);                       /* the short one: the long one runs now */
    cr_jobs_free(jobs);
    jobs = NULL;
    ck_assert_int_lt((int)(cr_now_ms() - begin), 3000);
    ck_assert_int_eq(o.order, 0);
}
END_TEST

/* ---- accounts, without root: one account with this uid ---- */

static cr_config config;
static cr_accounts *accounts;

static void make_account(cr_account *u, cr_account_work *work) {
    char *argv[] = {"cratond", "--state", folder, "--run", folder, "--prefix", folder, NULL}, path[200];
    ck_assert_ok(cr_config_load(NULL, 7, argv, &config, &err));
    config.as_root = false;
    for (const char *const *p = (const char *const[]){"home", "runner", "r", NULL}; *p; p++) {
        snprintf(path, sizeof path, "%s/%s", folder, *p);
        ck_assert_int_eq(mkdir(path, 0700), 0);
    }
    ck_assert_ok(cr_accounts_open(&config, &accounts, &err));
    ck_assert_ok(cr_account_claim(accounts, "ada", u, work, &err));
    ck_assert(!cr_account_is_made(accounts, u));
    ck_assert_ok(cr_account_make(work, &err));
    ck_assert_ok(cr_account_make(work, &err));          /* again: nothing to do */
    ck_assert(cr_account_is_made(accounts, u));
    snprintf(path, sizeof path, "%s/closed", u->home);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    strcat(path, "/file");
    ck_assert_ok(cr_file_replace(path, "x", 1, 0600, &err));
    *strrchr(path, '/') = 0;
    ck_assert_int_eq(chmod(path, 0), 0);
}

static bool removed_is_empty(void) {
    char command[120];
    snprintf(command, sizeof command, "test -z \"$(ls -A %s/home/.removed)\"", folder);
    return system(command) == 0;
}

START_TEST(removal_again_after_each_step) {
    cr_account u;
    cr_account_work work;
    char path[200];
    make_account(&u, &work);
    ck_assert_ok(cr_account_leave(accounts, "ada", true, &work, &err));
    /* An earlier attempt was killed when it had moved the home away and deleted nothing. */
    snprintf(path, sizeof path, "%s/home/.removed", folder);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/home/.removed/ada.%u", folder, (unsigned)u.uid);
    ck_assert_int_eq(rename(u.home, path), 0);
    snprintf(path, sizeof path, "%s/u/ada/left", folder);        /* by a program that ended a moment ago, beside its socket */
    ck_assert_ok(cr_make_dirs(path, 0700, &err));
    ck_assert_ok(cr_account_clear(&work, &err));
    ck_assert(removed_is_empty());
    *strrchr(path, '/') = 0;
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_ok(cr_account_clear(&work, &err));
    ck_assert_ok(cr_account_unmake(&work, &err));
    ck_assert_ok(cr_account_forget(accounts, "ada", &err));
    ck_assert_fails(cr_account_leave(accounts, "ada", true, &work, &err), CR_NOT_FOUND);
    ck_assert_ok(cr_account_forget(accounts, "ada", &err));
    cr_accounts_close(accounts);
}
END_TEST

START_TEST(a_line_that_cannot_be_taken_out_stays) {
    cr_account u, same;
    cr_account_work work;
    char path[200];
    make_account(&u, &work);
    snprintf(path, sizeof path, "%s/runner", folder);
    char aside[200];
    snprintf(aside, sizeof aside, "%s/aside", folder);
    ck_assert_int_eq(rename(path, aside), 0);           /* nothing can be written there now */
    cr_status status = cr_account_forget(accounts, "ada", &err);
    ck_assert_int_ne(status, CR_OK);
    ck_assert_ok(cr_account_find(accounts, "ada", &same, &err));
    ck_assert_int_eq(same.uid, u.uid);
    ck_assert_int_eq(rename(aside, path), 0);
    ck_assert_ok(cr_account_forget(accounts, "ada", &err));
    cr_accounts_close(accounts);
    ck_assert_ok(cr_accounts_open(&config, &accounts, &err));
    ck_assert_fails(cr_account_find(accounts, "ada", &same, &err), CR_NOT_FOUND);
    cr_accounts_close(accounts);
}
END_TEST

/* ./up --demo when the person whose platform it is has an account; also after a start in the middle of a demo. */
START_TEST(without_root_one_account_and_demos) {
    cr_account u, demo, other;
    cr_account_work work;
    make_account(&u, &work);
    ck_assert_fails(cr_account_claim(accounts, "eve", &other, &work, &err), CR_DENIED);
    ck_assert_ptr_nonnull(strstr(err.message, "ada"));
    ck_assert_fails(cr_account_claim(accounts, "demo-eve", &other, &work, &err), CR_DENIED);
    ck_assert_ok(cr_account_claim(accounts, "demo-0123abcd", &demo, &work, &err));
    ck_assert_int_eq(demo.uid, u.uid);
    ck_assert_str_ne(demo.home, u.home);
    cr_accounts_close(accounts);
    ck_assert_ok(cr_accounts_open(&config, &accounts, &err));
    ck_assert_fails(cr_account_claim(accounts, "eve", &other, &work, &err), CR_DENIED);
    ck_assert_ok(cr_account_find(accounts, "ada", &other, &err));
    ck_assert_ok(cr_account_forget(accounts, "demo-0123abcd", &err));
    cr_accounts_close(accounts);
    config.as_root = true;   /* there each has a uid of its own, demos too */
    char shared[] = "ada 45001\ndemo-0123abcd 45001\n";
    ck_assert_fails(cr_accounts_parse(&config, shared, strlen(shared), "list", &accounts, &err), CR_FORMAT);
}
END_TEST

/* A start that fails behind the fork: nobody watches for the end of that process. */
START_TEST(killed_and_reaped_at_once) {
    int pidfd = -1;
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    ck_assert_ok(cr_process_pidfd(pid, &pidfd, &err));
    cr_exit end = cr_process_kill(pidfd);
    ck_assert(end.known);
    ck_assert_int_eq(end.signal, SIGKILL);
    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);   /* no zombie, which would be counted as left over */
    close(pidfd);
}
END_TEST

static pid_t looked_for, held;

static void note_one(void *user, pid_t pid) { *(bool *)user = *(bool *)user || pid == looked_for; }

static bool is_held(void *user, pid_t pid) {
    (void)user;
    return pid == held;
}

static void wait_for_end(pid_t pid) {
    siginfo_t info = {0};
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

/* Who waits for an account's processes must not wait for one that nobody has reaped yet. */
START_TEST(one_that_has_ended_is_no_process) {
    bool seen = false;
    looked_for = getpid();
    cr_process_each_of(geteuid(), note_one, &seen);
    ck_assert(seen);
    if ((looked_for = fork()) == 0)
        _exit(0);
    wait_for_end(looked_for);
    seen = false;
    cr_process_each_of(geteuid(), note_one, &seen);
    ck_assert(!seen);
    ck_assert_int_eq(waitpid(looked_for, NULL, 0), looked_for);
}
END_TEST

START_TEST(orphans_behind_one_that_is_held) {
    pid_t orphan;
    if ((held = fork()) == 0)
        _exit(0);
    wait_for_end(held);
    if ((orphan = fork()) == 0)
        _exit(0);
    wait_for_end(orphan);
    ck_assert(!cr_process_reap_orphans(is_held, NULL));
    ck_assert_int_eq(waitpid(held, NULL, 0), held);          /* as who holds it does */
    ck_assert(cr_process_reap_orphans(is_held, NULL));
    ck_assert_int_eq(waitpid(orphan, NULL, WNOHANG), -1);
}
END_TEST

static Suite *make_suite(void) {
    Suite *s = suite_create("runner_jobs");
    TCase *t = tcase_create("jobs");
    tcase_set_timeout(t, 30);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, results);
    tcase_add_test(t, lanes);
    tcase_add_test(t, too_late);
    tcase_add_test(t, no_descriptor_stays_open);
    tcase_add_test(t, killed_from_outside);
    tcase_add_test(t, killed_and_reaped_at_once);
    tcase_add_test(t, one_that_has_ended_is_no_process);
    tcase_add_test(t, orphans_behind_one_that_is_held);
    tcase_add_test(t, end_with_jobs);
    tcase_add_test(t, removal_again_after_each_step);
    tcase_add_test(t, a_line_that_cannot_be_taken_out_stays);
    tcase_add_test(t, without_root_one_account_and_demos);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(make_suite())
