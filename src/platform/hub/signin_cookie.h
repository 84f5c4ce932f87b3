/* signin_cookie.h - what a browser keeps of a sign-in by a provider that it has begun: PROVIDER.RANDOM.END.MARK.NEXT.MAC
 *
 * RANDOM is the `state` that the provider is given; MARK ties the answer to the login session in which it was asked for, and to what it was
 * asked for, and is "-" for a plain sign-in; NEXT is percent-encoded; MAC is the hub's. So the hub stores nothing of what strangers begin.
 */
#ifndef CR_PLATFORM_HUB_SIGNIN_COOKIE_H
#define CR_PLATFORM_HUB_SIGNIN_COOKIE_H

#include "platform/hub/hub.h"

enum { CR_SIGNIN_LIFE_MS = 10 * 60 * 1000 };

typedef enum cr_signin_aim {
    CR_AIM_SIGN_IN,
    CR_AIM_LINK,              /* to the account of the present session */
    CR_AIM_PROVE              /* that the person of the present session is there */
} cr_signin_aim;

typedef struct cr_signin_begun {
    cr_signin_aim aim;
    int64_t at_ms;            /* wall; of one that is read */
    const char *next_path;    /* "": the home page */
} cr_signin_begun;

/* Appends the cookie's text; a way on that is too long for it is left out. */
void cr_signin_cookie_make(const cr_request *req, const char *provider, const char *state, const cr_signin_begun *begun, cr_buf *out);
/* Does this browser's cookie belong to this provider and state, is it ours, of this session where it has a mark, and not too old? Else
 * CR_DENIED, and ret_begun is as it was. The way on lies in the request's arena. */
cr_status cr_signin_cookie_read(cr_request *req, const char *provider, const char *state, cr_signin_begun *ret_begun, cr_err *err) CR_MUST_USE;

#endif
