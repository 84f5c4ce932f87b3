/* test_http_server.c - the server over a real socket: limits, errors, late replies, streams; the loop and the workers under it. */
#include "../check_main.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "platform/http/http.h"
#include "platform/http/workers.h"

static cr_loop *loop;
static cr_http *http;
static cr_workers *workers;
static char path[108];
static int listen_fd;

static void hello(cr_request *req) { cr_reply_json(req, 200, json_pack("{s:s}", "hello", req->param[0] ? req->param[0] : "")); }

static void echo(cr_request *req) {
    const char *value = cr_pairs_get(&req->form, "text");
    cr_reply(req, 200, "text/plain", value ? value : "none", value ? strlen(value) : 4);
}

static void nothing(void *user) { (void)user; usleep(20000); }
static void reply_late(void *user) { cr_reply_json(user, 200, json_pack("{s:b}", "late", 1)); }

static void late(cr_request *req) {
    cr_err err = CR_ERR_INIT;
    ck_assert_ok(cr_workers_submit(workers, nothing, reply_late, req, &err));
    cr_request_suspend(req);
}

static cr_stream *stream;
static cr_timer stream_timer;
static int ticks;

static void tick(void *user) {
    json_t *event = json_pack("{s:i}", "n", ++ticks);
    cr_stream_send(stream, event);
    json_decref(event);
    if (ticks == 3)
        cr_stream_end(stream);
    else
        cr_timer_start(loop, &stream_timer, 10, tick, NULL);
}

static void events(cr_request *req) {
    stream = cr_reply_stream(req, (cr_stream_owner){1, 1}, NULL, NULL);
    cr_timer_start(loop, &stream_timer, 10, tick, NULL);
}

static int held_closed;
static void on_held_closed(void *user) { held_closed++; }

/* A stream that nobody ends; the address says whose it is. */
static void hold(cr_request *req) {
    cr_stream_owner owner = {req->param[0][0], req->param[1][0]};
    json_t *event = json_pack("{s:i}", "held", 1);
    cr_stream *s = cr_reply_stream(req, owner, on_held_closed, NULL);
    if (s)
        cr_stream_send(s, event);
    json_decref(event);
}

static void forget(cr_request *req) { (void)req; }

static int woken;
static void wake_up(void *user) { woken++; }
static void stop_loop(void *user) { cr_loop_stop(user); }

/* Would answer in a moment; the hub ends before. */
static void doze(cr_request *req) {
    cr_timer_start(loop, &req->timer, 10, wake_up, req);
    cr_request_suspend(req);
    cr_loop_stop(loop);
}

static const cr_route routes[] = {
    {CR_GET, "/hello/:name", CR_ROUTE_API_OPEN, CR_CSRF_NONE, hello},
    {CR_POST, "/echo", CR_ROUTE_API_OPEN, CR_CSRF_NONE, echo},
    {CR_GET, "/late", CR_ROUTE_API_OPEN, CR_CSRF_NONE, late},
    {CR_GET, "/events", CR_ROUTE_API_OPEN, CR_CSRF_NONE, events},
    {CR_GET, "/hold/:person/:session", CR_ROUTE_API_OPEN, CR_CSRF_NONE, hold},
    {CR_GET, "/doze", CR_ROUTE_API_OPEN, CR_CSRF_NONE, doze},
    {CR_GET, "/forget", CR_ROUTE_API_OPEN, CR_CSRF_NONE, forget},
    {CR_GET, "/page", CR_ROUTE_PAGE_OPEN, CR_CSRF_NONE, hello},
    {0},
};

static bool gate(cr_request *req) { return true; }
static void error_page(cr_request *req, int status, const char *message, const char *hint) {
    cr_reply(req, status, "text/html", message, strlen(message));
}

static void setup(void) {
    cr_err err = CR_ERR_INIT;
    snprintf(path, sizeof path, "/tmp/craton-test-http-%d", (int)getpid());
    unlink(path);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(a.sun_path, path);
    listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(listen_fd, (struct sockaddr *)&a, sizeof a), 0);
    ck_assert_int_eq(listen(listen_fd, 16), 0);
    static const cr_http_hooks hooks = {routes, gate, error_page, "default-src 'none'", NULL};
    ck_assert_ok(cr_loop_new(&loop, &err));
    ck_assert_ok(cr_workers_new(loop, 2, 4, &workers, &err));
    ck_assert_ok(cr_http_new(loop, listen_fd, &hooks, &http, &err));
}

static void teardown(void) {
    cr_workers_free(workers);
    cr_http_free(http);
    cr_loop_free(loop);
    close(listen_fd);
    unlink(path);
}

typedef struct exchange {
    const char *request;
    size_t len;
    char answer[65536];
} exchange;

/* The client runs on a thread of its own and ends the loop. */
static void *client(void *arg) {
    exchange *x = arg;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(a.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    size_t n = 0;
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0) {
        (void)!send(fd, x->request, x->len, MSG_NOSIGNAL);
        for (ssize_t got; n + 1 < sizeof x->answer && (got = read(fd, x->answer + n, sizeof x->answer - 1 - n)) > 0;)
            n += (size_t)got;
    }
    x->answer[n] = 0;
    close(fd);
    cr_loop_stop(loop);
    return NULL;
}

static exchange *ask_bytes(const char *request, size_t len) {
    static exchange x;
    cr_err err = CR_ERR_INIT;
    pthread_t t;
    x.request = request;
    x.len = len;
    ck_assert_int_eq(pthread_create(&t, NULL, client, &x), 0);
    ck_assert_ok(cr_loop_run(loop, &err));
    pthread_join(t, NULL);
    return &x;
}

static const char *ask(const char *request) { return ask_bytes(request, strlen(request))->answer; }

static void ck_status(const char *answer, int status) {
    char line[32];
    snprintf(line, sizeof line, "HTTP/1.1 %d ", status);
    ck_assert_msg(strncmp(answer, line, strlen(line)) == 0, "expected %d, got: %.300s", status, answer);
}

#define END " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"

START_TEST(answers_and_headers) {
    const char *a = ask("GET /hello/ad%61?q=1" END "\r\n");
    ck_status(a, 200);
    ck_assert_ptr_nonnull(strstr(a, "{\"hello\":\"ada\"}"));
    ck_assert_ptr_nonnull(strstr(a, "Cross-Origin-Opener-Policy: same-origin"));
    ck_assert_ptr_nonnull(strstr(a, "X-Frame-Options: DENY"));
    ck_assert_ptr_nonnull(strstr(a, "Content-Security-Policy: default-src 'none'"));
    ck_assert_ptr_nonnull(strstr(a, "Cache-Control: no-store"));
}
END_TEST

START_TEST(errors_before_the_handler) {
    static const struct {
        const char *request;
        int status;
        bool by_library;      /* refused before our code is asked */
    } rows[] = {
        {"GET /nowhere" END "\r\n", 404},
        {"DELETE /echo" END "\r\n", 405},
        {"GET /hello/%ff" END "\r\n", 400},
        {"GET /hello/a?x=%zz" END "\r\n", 400},
        {"POST /echo" END "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 104857600\r\n\r\n", 413},
        {"POST /echo" END "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 99999999999999999999\r\n\r\n", 413, true},
        {"POST /echo" END "Content-Type: text/xml\r\nContent-Length: 3\r\n\r\n<a>", 415},
        {"POST /echo" END "Content-Type: application/json\r\nContent-Length: 3\r\n\r\n{,}", 400},
        {"POST /echo" END "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 8\r\n\r\ntext=%00", 400},
        {"GET /forget" END "\r\n", 500},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(rows); i++) {
        const char *a = ask(rows[i].request);
        ck_status(a, rows[i].status);
        ck_assert_msg(rows[i].by_library || strstr(a, "\"status\":"), "row %zu: %.900s", i, a);
    }
}
END_TEST

START_TEST(long_target_and_header) {
    static char request[80000];
    int n = snprintf(request, sizeof request, "GET /hello/a?x=");
    memset(request + n, 'a', 9000);
    strcpy(request + n + 9000, END "\r\n");
    ck_status(ask(request), 414);
    n = snprintf(request, sizeof request, "GET /hello/a" END "X-Big: ");
    memset(request + n, 'a', 70000);
    strcpy(request + n + 70000, "\r\n\r\n");
    const char *a = ask(request);
    ck_assert_msg(strstr(a, " 431 ") || strstr(a, " 413 ") || !*a, "%.200s", a);
    ck_status(ask("GET /hello/still" END "\r\n"), 200);
}
END_TEST

START_TEST(chunked_body_over_the_limit) {
    static char request[3 << 20];
    size_t n = (size_t)snprintf(request, sizeof request, "POST /echo" END "Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 20; i++) {
        n += (size_t)snprintf(request + n, sizeof request - n, "10000\r\n");
        memset(request + n, 'a', 0x10000);
        n += 0x10000;
        n += (size_t)snprintf(request + n, sizeof request - n, "\r\n");
    }
    n += (size_t)snprintf(request + n, sizeof request - n, "0\r\n\r\n");
    ck_status(ask_bytes(request, n)->answer, 413);
}
END_TEST

START_TEST(form_reaches_the_handler) {
    const char *a = ask("POST /echo" END "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\ntext=a%2B");
    ck_status(a, 200);
    ck_assert_ptr_nonnull(strstr(a, "\r\n\r\na+"));
}
END_TEST

START_TEST(pages_get_pages) {
    const char *a = ask("POST /page" END "Accept: text/html\r\nContent-Length: 0\r\n\r\n");
    ck_status(a, 405);
    ck_assert_ptr_nonnull(strstr(a, "Content-Type: text/html"));
    ck_assert_ptr_nonnull(strstr(a, "Allow: GET, HEAD"));
}
END_TEST

START_TEST(late_reply_is_not_delayed) {
    const char *a = ask("GET /late" END "\r\n");
    ck_status(a, 200);
    ck_assert_ptr_nonnull(strstr(a, "{\"late\":true}"));
}
END_TEST

START_TEST(events_flow) {
    const char *a = ask("GET /events" END "\r\n");
    ck_status(a, 200);
    ck_assert_ptr_nonnull(strstr(a, "text/event-stream"));
    ck_assert_ptr_nonnull(strstr(a, "data: {\"n\":1}\n\n"));
    ck_assert_ptr_nonnull(strstr(a, "data: {\"n\":3}\n\n"));
}
END_TEST

typedef struct holding {
    int fd[64], n;
    bool open[64];
} holding;

static void hold_one(holding *h, const char *who) {
    char text[256];
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(a.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), n = snprintf(text, sizeof text, "GET /hold/%s HTTP/1.1\r\nHost: x\r\n\r\n", who);
    size_t got = 0;
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0 && send(fd, text, (size_t)n, MSG_NOSIGNAL) == n)
        for (ssize_t r = 1; r > 0 && !(got && strstr(text, "held"));) {
            char all[4096] = "";
            r = recv(fd, all, sizeof all - 1, 0);
            got += r > 0 ? (size_t)r : 0;
            if (strstr(all, "held"))
                strcpy(text, "held");
        }
    h->fd[h->n++] = fd;
}

static void *holder(void *arg) {
    holding *h = arg;
    for (int i = 0; i < 10; i++)        /* 0-9: one sign-in of a person */
        hold_one(h, "a/1");
    for (int i = 0; i < 8; i++)         /* 10-17: two more of the same person */
        hold_one(h, "a/2");
    hold_one(h, "a/3");                 /* 18 */
    hold_one(h, "b/1");                 /* 19: somebody else */
    for (int i = 0; i < h->n; i++) {
        struct timeval patience = {0, 50000};
        char rest[256];
        ssize_t r;
        setsockopt(h->fd[i], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        while ((r = recv(h->fd[i], rest, sizeof rest, 0)) > 0)
            ;
        h->open[i] = r < 0;             /* nothing came, and no end either */
    }
    for (int i = 0; i < h->n; i++)
        close(h->fd[i]);
    cr_loop_stop(loop);
    return NULL;
}

START_TEST(streams_of_one_person_are_limited) {
    cr_err err = CR_ERR_INIT;
    holding h = {.n = 0};
    pthread_t t;
    held_closed = 0;
    ck_assert_int_eq(pthread_create(&t, NULL, holder, &h), 0);
    ck_assert_ok(cr_loop_run(loop, &err));
    pthread_join(t, NULL);
    ck_assert_int_eq(h.n, 20);
    for (int i = 0; i < h.n; i++)       /* of each sign-in the newest 8; of the person the newest 16 */
        ck_assert_msg(h.open[i] == (i >= 3), "stream %d is %s", i, h.open[i] ? "open" : "closed");
    ck_assert_int_eq(held_closed, 3);
}
END_TEST

START_TEST(a_request_takes_its_timer_along) {
    static exchange x = {.request = "GET /doze" END "\r\n"};
    cr_err err = CR_ERR_INIT;
    cr_timer stop = {0};
    pthread_t t;
    x.len = strlen(x.request);
    ck_assert_int_eq(pthread_create(&t, NULL, client, &x), 0);
    ck_assert_ok(cr_loop_run(loop, &err));
    cr_http_free(http);
    http = NULL;
    pthread_join(t, NULL);
    ck_status(x.answer, 503);
    ck_assert_ok(cr_loop_run(loop, &err));      /* the client has asked for its end */
    cr_timer_start(loop, &stop, 50, stop_loop, loop);
    ck_assert_ok(cr_loop_run(loop, &err));
    ck_assert_int_eq(woken, 0);
    cr_timer_stop(&stop);
}
END_TEST

static int order[8], n_order;
static void note(void *user) { order[n_order++] = (int)(intptr_t)user; if (n_order == 3) cr_loop_stop(loop); }

START_TEST(timers_keep_their_order) {
    cr_err err = CR_ERR_INIT;
    cr_timer a = {0}, b = {0}, c = {0}, d = {0};
    n_order = 0;
    cr_timer_start(loop, &a, 30, note, (void *)3);
    cr_timer_start(loop, &b, 10, note, (void *)1);
    cr_timer_start(loop, &c, 20, note, (void *)2);
    cr_timer_start(loop, &d, 5, note, (void *)9);
    cr_timer_stop(&d);
    ck_assert_ok(cr_loop_run(loop, &err));
    ck_assert(order[0] == 1 && order[1] == 2 && order[2] == 3);
}
END_TEST

START_TEST(full_queue_is_said) {
    cr_err err = CR_ERR_INIT;
    cr_status status = CR_OK;
    int n = 0;
    while (n < 100 && (status = cr_workers_submit(workers, nothing, nothing, NULL, &err)) == CR_OK)
        n++;
    ck_assert_int_eq(status, CR_BUSY);
    ck_assert_int_le(n, 8);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("http_server");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, answers_and_headers);
    tcase_add_test(t, errors_before_the_handler);
    tcase_add_test(t, long_target_and_header);
    tcase_add_test(t, chunked_body_over_the_limit);
    tcase_add_test(t, form_reaches_the_handler);
    tcase_add_test(t, pages_get_pages);
    tcase_add_test(t, late_reply_is_not_delayed);
    tcase_add_test(t, events_flow);
    tcase_add_test(t, streams_of_one_person_are_limited);
    tcase_add_test(t, a_request_takes_its_timer_along);
    tcase_add_test(t, timers_keep_their_order);
    tcase_add_test(t, full_queue_is_said);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
