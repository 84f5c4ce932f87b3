/* singleuser.c - what tests and benches of a thousand user servers have in the place of Python and jupyterhub-singleuser, by a prefix of their own
 * (simulated.py): Craton starts it, watches it and routes to it as it does with the real one, and 200 KiB of memory are enough for it.
 *
 * It takes the socket from its arguments and who it is from its environment. It says its person's name in every answer, in the header
 * X-Simulated and as the text, so that a request that came to the wrong server is seen; answers what the hub asks about use (api/status,
 * api/kernels, api/terminals); tells the hub about its use after its start, and then in the period of VIRTUAL_ENV/simulated.conf: the seconds,
 * in digits. What is asked below simulated/use counts as use.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 48, HEAD_MAX = 8192, PATIENCE_S = 5 };

typedef struct connection {
    int fd;
    size_t len;
    size_t skip;                  /* of a body */
    char head[HEAD_MAX + 1];
} connection;

static connection *open_ones[CONNECTIONS];
static int n_open;
static const char *user, *prefix, *token, *activity_url;
static time_t used, began;

static time_t now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

static void iso(time_t t, char out[40]) {
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(out, 40, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static bool write_all(int fd, const char *text, size_t n) {
    while (n > 0) {
        ssize_t done = send(fd, text, n, MSG_NOSIGNAL);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        text += done;
        n -= (size_t)done;
    }
    return true;
}

/* ---- to the hub ---- */

/* http://HOST:PORT/PATH; both waits end after PATIENCE_S. */
static void tell_use(void) {
    char host[64], path[1024], at[40], body[256], request[2048], answer[512];
    int port;
    if (sscanf(activity_url, "http://%63[0-9.]:%d%1023s", host, &port, path) != 3)
        return;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    inet_pton(AF_INET, host, &to.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    iso(used, at);
    int n = snprintf(body, sizeof body, "{\"servers\": {\"\": {\"last_activity\": \"%s\"}}, \"last_activity\": \"%s\"}", at, at);
    int all = snprintf(request, sizeof request,
                       "POST %s HTTP/1.1\r\nHost: %s:%d\r\nAuthorization: token %s\r\nContent-Type: application/json\r\n"
                       "Content-Length: %d\r\nConnection: close\r\n\r\n%s", path, host, port, token, n, body);
    if (all < (int)sizeof request && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 && write_all(fd, request, (size_t)all))
        while (read(fd, answer, sizeof answer) > 0)
            ;
    close(fd);
}

static int period_s(void) {
    char path[1024], text[16] = "";
    snprintf(path, sizeof path, "%s/simulated.conf", getenv("VIRTUAL_ENV") ? getenv("VIRTUAL_ENV") : "");
    FILE *f = fopen(path, "re");
    if (f) {
        if (!fgets(text, sizeof text, f))
            text[0] = 0;
        fclose(f);
    }
    return atoi(text) > 0 ? atoi(text) : 300;
}

/* ---- from HAProxy and the hub ---- */

static bool is_below(const char *target, const char *path) {
    size_t n = strlen(prefix);
    return strncmp(target, prefix, n) == 0 && strncmp(target + n, path, strlen(path)) == 0;
}

static bool answer(connection *c) {
    char target[1024] = "", text[512], out[1200], at[40], start[40];
    const char *type = "application/json";
    bool last = strstr(c->head, "onnection: close") != NULL;
    sscanf(c->head, "%*15s %1023s", target);
    if (is_below(target, "simulated/use"))
        used = time(NULL);
    iso(used, at);
    iso(began, start);
    if (is_below(target, "api/status")) {
        snprintf(text, sizeof text, "{\"connections\": 0, \"kernels\": 0, \"last_activity\": \"%s\", \"started\": \"%s\"}", at, start);
    } else if (is_below(target, "api/kernels") || is_below(target, "api/terminals")) {
        snprintf(text, sizeof text, "[]");
    } else {
        type = "text/plain";
        snprintf(text, sizeof text, "%s\n", user);
    }
    int n = snprintf(out, sizeof out,
                     "HTTP/1.1 200 OK\r\nX-JupyterHub-Version: 6.1.1\r\nX-Simulated: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s\r\n%s",
                     user, type, strlen(text), last ? "Connection: close\r\n" : "", text);
    return write_all(c->fd, out, (size_t)n) && !last;
}

static void hang_up(int i) {
    close(open_ones[i]->fd);
    free(open_ones[i]);
    open_ones[i] = open_ones[--n_open];
}

/* What is there of a request; false: the connection ends. */
static bool take(connection *c) {
    ssize_t n = read(c->fd, c->head + c->len, HEAD_MAX - c->len);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0)
        return false;
    c->len += (size_t)n;
    for (;;) {
        size_t skipped = c->skip < c->len ? c->skip : c->len;
        memmove(c->head, c->head + skipped, c->len - skipped);
        c->len -= skipped;
        c->skip -= skipped;
        c->head[c->len] = 0;
        char *end = strstr(c->head, "\r\n\r\n");
        if (!end)
            return c->len < HEAD_MAX;
        end[2] = 0;
        const char *length = strcasestr(c->head, "\r\ncontent-length:");
        c->skip = (size_t)(end + 4 - c->head) + (length ? strtoul(length + 17, NULL, 10) : 0);
        if (!answer(c))
            return false;
    }
}

static void welcome(int listener) {
    connection *c = n_open < CONNECTIONS ? malloc(sizeof *c) : NULL;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (!c || fd < 0) {
        free(c);
        if (fd >= 0)
            close(fd);
        return;
    }
    c->fd = fd;
    c->len = c->skip = 0;
    open_ones[n_open++] = c;
}

static int listen_at(const char *path) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (strlen(path) >= sizeof at.sun_path)
        return -1;
    strcpy(at.sun_path, path);
    umask(0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || chmod(path, 0660) != 0 || listen(fd, 64) != 0)
        return -1;
    return fd;
}

static void serve(int listener) {
    int period = period_s();
    time_t next = now_s();
    for (;;) {
        struct pollfd fds[CONNECTIONS + 1] = {{listener, POLLIN, 0}};
        for (int i = 0; i < n_open; i++)
            fds[i + 1] = (struct pollfd){open_ones[i]->fd, POLLIN, 0};
        int n = n_open;
        time_t left = next - now_s();
        if (left <= 0) {
            tell_use();
            next = now_s() + period;
            continue;
        }
        poll(fds, (nfds_t)n + 1, (int)left * 1000);
        for (int i = n - 1; i >= 0; i--)      /* from the end: one that goes is replaced by the last */
            if (fds[i + 1].revents && !take(open_ones[i]))
                hang_up(i);
        if (fds[0].revents)
            welcome(listener);
    }
}

int main(int argc, char **argv) {
    static const char option[] = "--ServerApp.sock=";
    const char *socket_path = NULL;
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], option, sizeof option - 1) == 0)
            socket_path = argv[i] + sizeof option - 1;
    user = getenv("JUPYTERHUB_USER");
    prefix = getenv("JUPYTERHUB_SERVICE_PREFIX");
    token = getenv("JUPYTERHUB_API_TOKEN");
    activity_url = getenv("JUPYTERHUB_ACTIVITY_URL");
    if (!socket_path || !user || !prefix || !token || !activity_url) {
        fprintf(stderr, "simulated server: the socket, or something of the environment of a user server, is missing\n");
        return 2;
    }
    used = began = time(NULL);
    int listener = listen_at(socket_path);
    if (listener < 0) {
        perror("simulated server: listening");
        return 1;
    }
    serve(listener);
}
