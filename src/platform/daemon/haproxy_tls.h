/* haproxy_tls.h - certificate and key on their way from the operator's files into HAProxy.
 *
 * HAProxy reads RUN/tls.pem (chain and key) when it starts. A renewed pair is given to the running one through its runtime socket:
 * nothing that is open is cut. The files are looked at every ten seconds and whenever a HAProxy answers.
 *
 * Invariants
 *  1. RUN/tls.pem always holds a pair that a HAProxy has accepted.
 *  2. A pair that does not fit together, is damaged or cannot be read is refused: what was served before goes on being served, and
 *     the problem is told until it is mended.
 */
#ifndef CR_PLATFORM_DAEMON_HAPROXY_TLS_H
#define CR_PLATFORM_DAEMON_HAPROXY_TLS_H

#include <time.h>
#include "base/buf.h"
#include "platform/daemon/config.h"
#include "platform/runner/watch.h"

/* until_s: end of what is served, seconds since 1970, 0: not known. problem: "" when the files are what is served. */
typedef void (*cr_haproxy_tls_fn)(void *user, int64_t until_s, const char *problem);

typedef struct cr_haproxy_tls_stamp {
    struct timespec changed;
    uint64_t inode, size;
} cr_haproxy_tls_stamp;
typedef struct cr_haproxy_tls {
    const cr_config *config;
    cr_watch *watch;
    cr_haproxy_tls_fn on_change;
    void *user;
    cr_haproxy_tls_stamp seen[2];  /* certificate, key: at the last look */
    bool answers;                  /* a HAProxy is there to be asked */
    int64_t until_s;
    int64_t warned_ms;             /* monotonic; of the expiry; 0: not yet */
    char problem[256];
} cr_haproxy_tls;

/* Without --tls all of this does nothing. */
void cr_haproxy_tls_init(cr_haproxy_tls *t, const cr_config *c, cr_watch *w, cr_haproxy_tls_fn on_change, void *user);
/* Before a HAProxy is started with program: makes RUN/tls.pem. Fails only when there is no good pair at all. */
cr_status cr_haproxy_tls_prepare(cr_haproxy_tls *t, const char *program, cr_err *err) CR_MUST_USE;
void cr_haproxy_tls_answers(cr_haproxy_tls *t, bool answers);   /* HAProxy answers now, or has gone */
void cr_haproxy_tls_tell(const cr_haproxy_tls *t);
void cr_haproxy_tls_look(cr_haproxy_tls *t);   /* the files have just changed: they are looked at now */
void cr_haproxy_tls_done(cr_haproxy_tls *t);

/* For tests. The blocks of PEM in text without what stands between them and without empty lines, which end a command of HAProxy. */
cr_status cr_haproxy_tls_blocks(const char *text, cr_buf *out, cr_err *err) CR_MUST_USE;
/* "Nov 27 22:10:00 2026 GMT" behind notAfter in what HAProxy shows; 0: not there. */
int64_t cr_haproxy_tls_until(const char *shown);

#endif
