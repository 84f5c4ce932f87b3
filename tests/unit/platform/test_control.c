/* The control socket when descriptors run out: its loop does not spin, and who waited is served when there are some again. */
#include "../check_main.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "platform/hub/hub.h"

enum { SHORT_MS = 900 };

static int turns;
static struct rlimit before;

static int64_t count_turn(void *user) {
    turns++;
    return -1;
}

static void give_descriptors(void *user) { setrlimit(RLIMIT_NOFILE, &before); }

static void end(void *user) { cr_loop_stop(user); }

START_TEST(no_descriptors_for_a_while) {
    cr_hub hub = {0};
    cr_err err = CR_ERR_INIT;
    cr_control *control;
    cr_timer give = {0}, stop = {0};
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char reply[256];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(CR_MIN(fd, client), 0);
    socklen_t n = sizeof at;
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(sa_family_t)), 0);   /* a name without a file, of the kernel's choice */
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    ck_assert_int_eq(listen(fd, 4), 0);
    ck_assert_ok(cr_loop_new(&hub.loop, &err));
    ck_assert_ok(cr_control_new(&hub, fd, &control, &err));
    ck_assert_int_eq(connect(client, (struct sockaddr *)&at, n), 0);
    ck_assert_int_eq(write(client, "{}\n", 3), 3);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit none = {3, before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    cr_loop_before_wait(hub.loop, count_turn, NULL);
    cr_timer_start(hub.loop, &give, SHORT_MS, give_descriptors, NULL);
    cr_timer_start(hub.loop, &stop, 2 * SHORT_MS, end, hub.loop);
    ck_assert_ok(cr_loop_run(hub.loop, &err));
    ck_assert_int_ge(turns, 4);
    ck_assert_int_le(turns, 40);
    ssize_t got = recv(client, reply, sizeof reply - 1, MSG_DONTWAIT);
    ck_assert_int_gt(got, 0);
    reply[got] = 0;
    ck_assert_ptr_nonnull(strstr(reply, "not a question"));
    cr_control_free(control);
    cr_loop_free(hub.loop);
    close(fd);
    close(client);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("control");
    TCase *t = tcase_create("all");
    tcase_add_test(t, no_descriptors_for_a_while);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite())
