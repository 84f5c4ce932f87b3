/* fetch.h - one question to another machine, asked for the hub by craton-fetch: the hub itself has no network socket.
 *
 * A question is one connection to RUN/fetch.sock. The hub writes one line of JSON (the members of cr_fetch_ask by name) and reads
 * one line of JSON, {"status":200} or {"status":0,"error":"..."}, then the body until the end. What comes is from outside: at most
 * CR_FETCH_BODY_MAX bytes of it are kept, and an answer that is not complete in time is CR_TIMEOUT.
 *
 * Threads: everything on the loop.
 */
#ifndef CR_PLATFORM_HTTP_FETCH_H
#define CR_PLATFORM_HTTP_FETCH_H

#include "base/buf.h"
#include "platform/http/loop.h"

enum {
    CR_FETCH_LINE_MAX = 64 << 10, CR_FETCH_BODY_MAX = 256 << 10, CR_FETCH_PATIENCE_MS = 15000, CR_FETCH_TOTAL_MS = 10000,
    CR_FETCH_CONNECT_MS = 5000, CR_FETCH_MAIL_MS = 60000, CR_FETCH_MAIL_PATIENCE_MS = 65000
};

typedef struct cr_fetch_ask {
    const char *url;
    const char *form;         /* NULL: GET; else POST of application/x-www-form-urlencoded */
    const char *user, *password;      /* HTTP Basic (already form-encoded, RFC 6749 2.3.1), or NULL */
    const char *bearer;       /* access token, or NULL */
    const char *mail;         /* a message to be sent, with url the server as the settings have it; or NULL. user, password: as they are */
    const char *mail_from, *mail_to, *mail_ca;       /* mail_ca NULL: the system's authorities */
} cr_fetch_ask;

typedef struct cr_fetch cr_fetch;
/* status: of HTTP, or of SMTP, then the body is what the server said last when it refused; 0: there was no answer, err says why. The body is valid during the call, NUL-terminated. Called once, later, never
 * from inside cr_fetch_start. */
typedef void (*cr_fetch_fn)(void *user, int status, const char *body, size_t n, const cr_err *err);

cr_status cr_fetch_start(cr_loop *loop, const char *socket_path, const cr_fetch_ask *ask, cr_fetch_fn done, void *user, cr_fetch **ret_fetch,
                         cr_err *err) CR_MUST_USE;
void cr_fetch_free(cr_fetch *fetch);       /* gives up; done is not called. Not after done: it has freed itself */

#endif
