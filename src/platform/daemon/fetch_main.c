/* fetch_main.c - craton-fetch: asks other machines for the hub, and nothing else.
 *
 * craton-fetch ORIGIN[,ORIGIN...]   with the listening socket as descriptor 3. Format of a question: platform/http/fetch.h.
 *
 * It speaks to the origins of its command line only, by https (http: this machine's own addresses), or hands a mail to the server named there, by
 * TLS from the first byte (smtps) or from STARTTLS on, before which nothing is said. It follows no redirect, uses no
 * proxy, and keeps nothing: no cookie, no connection, no secret. A few threads take one question each; the socket's backlog is the
 * queue. What a provider sends passes through here as bytes; it is parsed in the hub, what libcurl and its TLS parse is parsed here.
 */
#include <curl/curl.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/daemon/fetch_process.h"
#include "platform/http/fetch.h"
#include "platform/runner/confine.h"

enum { THREADS = 16, ASK_PATIENCE_S = 5, STACK_BYTES = 512 << 10 };

static const char *origins;       /* comma-separated */

static bool is_listed(const char *origin, size_t n) {
    for (const char *at = origins; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, origin, n) == 0 && (at[n] == ',' || at[n] == 0))
            return true;
    return false;
}

static bool is_known(const char *url) {
    char origin[320];
    return cr_url_origin(url, origin, NULL) == CR_OK && is_listed(origin, strlen(origin));
}

/* smtp(s)://HOST[:PORT][/NAME]: libcurl greets the server as NAME. */
static bool is_known_mail_server(const char *url) {
    const char *host = strstr(url, "://");
    size_t n = host && (cr_starts_with(url, "smtp://") || cr_starts_with(url, "smtps://")) ? (size_t)(host - url) + 3 : 0;
    if (!n)
        return false;
    n += strcspn(url + n, "/");
    return is_listed(url, n) && strspn(url + n, "/abcdefghijklmnopqrstuvwxyz0123456789.-") == strlen(url + n);
}

/* One line of the hub's. */
static json_t *read_ask(int fd) {
    cr_auto_buf cr_buf in;
    cr_buf_init(&in, CR_FETCH_LINE_MAX);
    const char *end = NULL;
    while (!end) {
        char bytes[4096];
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n <= 0)
            return NULL;
        cr_buf_add(&in, bytes, (size_t)n);
        explicit_bzero(bytes, sizeof bytes);
        if (in.failed)
            return NULL;
        end = memchr(in.data, '\n', in.len);
    }
    json_t *ask = json_loadb(in.data, (size_t)(end - in.data), JSON_REJECT_DUPLICATES, NULL);
    explicit_bzero(in.data, in.len);
    return ask;
}

static size_t take(char *bytes, size_t size, size_t n, void *user) {
    cr_buf *body = user;
    cr_buf_add(body, bytes, size * n);
    return body->failed ? 0 : size * n;      /* 0 ends the transfer */
}

static const char *text(const json_t *ask, const char *name) { return json_string_value(json_object_get(ask, name)); }

/* What every transfer has. The last ones decide what may be spoken at all; a failure must not pass. */
static CURLcode set_common(CURL *curl, const json_t *ask, const char *protocols, long total_ms) {
    curl_easy_setopt(curl, CURLOPT_URL, text(ask, "url"));
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CR_FETCH_CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, total_ms);
    CURLcode rc = curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, protocols);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    return rc == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L) : rc;
}

static CURLcode set_up(CURL *curl, const json_t *ask, cr_buf *body, struct curl_slist **headers) {
    const char *form = text(ask, "form"), *bearer = text(ask, "bearer");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_MAXFILESIZE, (long)CR_FETCH_BODY_MAX);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "craton");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    if (form) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(form));
        curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, form);
    }
    if (text(ask, "user")) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(curl, CURLOPT_USERNAME, text(ask, "user"));
        curl_easy_setopt(curl, CURLOPT_PASSWORD, text(ask, "password") ? text(ask, "password") : "");
    }
    if (bearer) {
        cr_auto_buf cr_buf line;
        cr_buf_init(&line, CR_FETCH_LINE_MAX);
        cr_buf_addf(&line, "Authorization: Bearer %s", bearer);
        for (const char *p = bearer; *p; p++)
            if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7F)
                return CURLE_BAD_FUNCTION_ARGUMENT;
        *headers = curl_slist_append(*headers, cr_buf_str(&line));
        if (line.data)
            explicit_bzero(line.data, line.len);
    }
    *headers = curl_slist_append(*headers, "Accept: application/json");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, *headers);
    return set_common(curl, ask, "http,https", CR_FETCH_TOTAL_MS);
}

/* ---- mail ---- */

typedef struct letter {
    const char *rest;         /* not sent yet */
    char said[300];           /* the server's last line that refuses something */
} letter;

static size_t give(char *bytes, size_t size, size_t n, void *user) {
    letter *l = user;
    size_t some = CR_MIN(size * n, strlen(l->rest));
    memcpy(bytes, l->rest, some);
    l->rest += some;
    return some;
}

static size_t hear(char *bytes, size_t size, size_t n, void *user) {
    letter *l = user;
    int len = (int)CR_MIN(size * n, sizeof l->said - 1);
    if (len == 0 || (bytes[0] != '4' && bytes[0] != '5'))
        return size * n;
    while (len > 0 && (bytes[len - 1] == '\n' || bytes[len - 1] == '\r'))
        len--;
    snprintf(l->said, sizeof l->said, "%.*s", len, bytes);
    return size * n;
}

/* Of the envelope: one word, so that it is no second command. */
static bool is_address(const char *s) {
    for (const char *p = s ? s : " "; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7F || *p == '<' || *p == '>')
            return false;
    return s && strchr(s, '@');
}

static CURLcode set_up_mail(CURL *curl, const json_t *ask, letter *l, struct curl_slist **to) {
    const char *from = text(ask, "mail_from"), *whom = text(ask, "mail_to"), *authorities = text(ask, "mail_ca");
    if (!is_address(from) || !is_address(whom))
        return CURLE_BAD_FUNCTION_ARGUMENT;
    *to = curl_slist_append(*to, whom);
    curl_easy_setopt(curl, CURLOPT_MAIL_FROM, from);
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, *to);
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(curl, CURLOPT_READDATA, l);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, hear);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, l);
    if (text(ask, "user")) {
        curl_easy_setopt(curl, CURLOPT_USERNAME, text(ask, "user"));
        curl_easy_setopt(curl, CURLOPT_PASSWORD, text(ask, "password") ? text(ask, "password") : "");
    }
    CURLcode rc = authorities ? curl_easy_setopt(curl, CURLOPT_CAINFO, authorities) : CURLE_OK;
    if (rc == CURLE_OK && authorities)
        rc = curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);      /* these, and not the system's too */
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(curl, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
    return rc == CURLE_OK ? set_common(curl, ask, "smtp,smtps", CR_FETCH_MAIL_MS) : rc;
}

static void answer(int fd, long status, const char *error, const cr_buf *body) {
    char head[512];
    cr_err err;
    json_t *line = status ? json_pack("{s:I}", "status", (json_int_t)status) : json_pack("{s:i, s:s}", "status", 0, "error", error);
    char *json = line ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    int n = snprintf(head, sizeof head, "%s\n", json ? json : "{\"status\":0,\"error\":\"no memory\"}");
    free(json);
    if (n < (int)sizeof head && cr_write_all(fd, head, (size_t)n, &err) == CR_OK && status)
        (void)!cr_write_all(fd, cr_buf_str(body), body->len, &err);
}

/* A refusal of the server's is an answer; else there was none. */
static void serve_mail(int fd, const json_t *ask) {
    letter l = {.rest = text(ask, "mail")};
    struct curl_slist *to = NULL;
    CURL *curl = curl_easy_init();
    long status = 0;
    char why[CURL_ERROR_SIZE] = "";
    cr_auto_buf cr_buf body;
    cr_buf_init(&body, CR_FETCH_BODY_MAX);
    CURLcode rc = curl ? set_up_mail(curl, ask, &l, &to) : CURLE_OUT_OF_MEMORY;
    if (rc == CURLE_OK) {
        curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
        rc = curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    }
    if (rc != CURLE_OK && status >= 400 && status <= 599) {
        cr_text_clean(l.said);
        cr_buf_adds(&body, l.said);
        answer(fd, status, NULL, &body);
    } else if (rc != CURLE_OK) {
        answer(fd, 0, why[0] ? why : curl_easy_strerror(rc), &body);
    } else {
        answer(fd, status >= 200 && status <= 299 ? status : 250, NULL, &body);
    }
    curl_slist_free_all(to);
    curl_easy_cleanup(curl);
}

static void serve(int fd) {
    cr_auto_buf cr_buf body;
    cr_buf_init(&body, CR_FETCH_BODY_MAX);
    json_t *ask = read_ask(fd);
    const char *url = text(ask, "url");
    if (url && text(ask, "mail") && is_known_mail_server(url)) {
        serve_mail(fd, ask);
        json_decref(ask);
        return;
    }
    if (!url || text(ask, "mail") || !is_known(url)) {
        answer(fd, 0, "this address is not one of an identity provider or of the mail server", &body);
        json_decref(ask);
        return;
    }
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = NULL;
    long status = 0;
    char why[CURL_ERROR_SIZE] = "";
    CURLcode rc = curl ? set_up(curl, ask, &body, &headers) : CURLE_OUT_OF_MEMORY;
    if (rc == CURLE_OK) {
        curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
        rc = curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    }
    if (rc != CURLE_OK || status < 100)
        answer(fd, 0, body.failed ? "the answer is too large" : why[0] ? why : curl_easy_strerror(rc), &body);
    else
        answer(fd, status, NULL, &body);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (body.data)
        explicit_bzero(body.data, body.len);
    json_decref(ask);
}

static void *thread_main(void *arg) {
    const struct timeval patience = {ASK_PATIENCE_S, 0};
    for (;;) {
        int fd = accept4(CR_FETCH_LISTEN_FD, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno != EINTR && errno != ECONNABORTED)
                usleep(100 * 1000);      /* out of descriptors or memory: they come back */
            continue;
        }
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        serve(fd);
        close(fd);
    }
    return arg;
}

static cr_status begin(cr_err *err) {
    int flags = fcntl(CR_FETCH_LISTEN_FD, F_GETFL);
    if (flags < 0 || fcntl(CR_FETCH_LISTEN_FD, F_SETFL, flags & ~O_NONBLOCK) != 0)
        return CR_FAIL_ERRNO(err, "there is no listening socket; this program is started by cratond");
    if (prctl(PR_SET_DUMPABLE, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return CR_FAIL_ERRNO(err, "cannot protect this process");
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return CR_FAIL(err, CR_INTERNAL, "libcurl does not start");
    CR_TRY(cr_confine_filter(CR_FILTER_FETCH, err));
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    for (int i = 1; i < THREADS; i++)
        if (pthread_create(&thread, &attr, thread_main, NULL) != 0)
            return CR_FAIL(err, CR_MEMORY, "cannot start a thread");
    pthread_attr_destroy(&attr);
    return CR_OK;
}

int main(int argc, char **argv) {
    cr_err err = CR_ERR_INIT;
    cr_log_setup("fetch", CR_LOG_INFO, 2);
    if (argc != 2) {
        fprintf(stderr, "craton-fetch is started by cratond; it has no use of its own\n");
        return 2;
    }
    origins = argv[1];
    if (begin(&err) != CR_OK) {
        cr_log_err(CR_LOG_ERROR, "craton-fetch cannot start", &err);
        return cr_status_exit(err.status);
    }
    thread_main(NULL);
    return 0;
}
