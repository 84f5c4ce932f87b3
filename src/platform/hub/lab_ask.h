/* lab_ask.h - asks a user server over its pinned socket what it is doing: three GETs, one after another, with a token.
 *
 * What comes is the user's: at most CR_LAB_ASK_MAX bytes of each answer are read, each is 200 with a JSON body (idle.h reads it), and after
 * ten seconds there was no answer.
 */
#ifndef CR_PLATFORM_HUB_LAB_ASK_H
#define CR_PLATFORM_HUB_LAB_ASK_H

#include <stdbool.h>
#include "platform/http/loop.h"

enum { CR_LAB_ASK_MAX = 256 << 10, CR_LAB_ASK_PARTS = 3 };

typedef struct cr_lab_ask cr_lab_ask;
/* used_ms, busy: as of cr_idle_read; not answered: 0, false. refused: it lives, but answers with another status than 200, as when the hub did not
 * tell it whose the token is. Called once, later; the ask rests until it is freed, which may be here. */
typedef void (*cr_lab_ask_fn)(void *user, bool answered, bool refused, int64_t used_ms, bool busy);

/* url_prefix: the server's base address, /user/NAME/. The token is copied, and wiped at the end. back_ms: as of cr_idle_read. */
cr_status cr_lab_ask_new(cr_loop *loop, const char *socket_path, const char *url_prefix, const char *token, int64_t back_ms, cr_lab_ask_fn done, void *user,
                         cr_lab_ask **ret_ask, cr_err *err) CR_MUST_USE;
void cr_lab_ask_free(cr_lab_ask *ask);         /* done is not called any more */
/* The body of a whole answer "HTTP/1.1 200 ...", text of n bytes; NULL for anything else. */
const char *cr_lab_ask_body(const char *text, size_t n, size_t *ret_len);

#endif
