/* signin_cookie.c - the cookie of a sign-in that was begun. */
#include "platform/hub/signin_cookie.h"

#include "base/clock.h"
#include "base/hex.h"
#include "base/text.h"

enum { NEXT_MAX = 2800 };

#define STATE_PURPOSE "signin"
#define LINK_PURPOSE "signin-link"
#define AGAIN_PURPOSE "signin-again"
#define NO_MARK "-"

static void session_mark(const cr_request *req, const char *purpose, char out[CR_TOKEN_LEN + 1]) {
    cr_csrf_make(&cr_hub_of(req)->secret, purpose, cr_caller_of(req)->session, out);
}

static bool is_marked(const cr_request *req, const char *purpose, const char *given) {
    char mark[CR_TOKEN_LEN + 1];
    session_mark(req, purpose, mark);
    return strlen(given) == CR_TOKEN_LEN && cr_equal_const(given, mark, CR_TOKEN_LEN);
}

void cr_signin_cookie_make(const cr_request *req, const char *provider, const char *state, const cr_signin_begun *begun, cr_buf *out) {
    char mac[CR_TOKEN_LEN + 1], mark[CR_TOKEN_LEN + 1] = NO_MARK;
    cr_auto_buf cr_buf next;
    cr_buf_init(&next, 4 * CR_HTTP_TARGET_MAX);
    cr_percent_encode(&next, begun->next_path, "/");
    if (begun->aim != CR_AIM_SIGN_IN)
        session_mark(req, begun->aim == CR_AIM_LINK ? LINK_PURPOSE : AGAIN_PURPOSE, mark);
    cr_buf_addf(out, "%s.%s.%lld.%s.%s", provider, state, (long long)(cr_wall_ms() + CR_SIGNIN_LIFE_MS), mark,
                next.len <= NEXT_MAX ? cr_buf_str(&next) : "");
    cr_csrf_make(&cr_hub_of(req)->secret, STATE_PURPOSE, cr_buf_str(out), mac);
    cr_buf_addf(out, ".%s", mac);
}

/* false: a mark of neither, or of another session. */
static bool read_mark(const cr_request *req, const char *mark, cr_signin_aim *ret_aim) {
    *ret_aim = CR_AIM_SIGN_IN;
    if (strcmp(mark, NO_MARK) == 0)
        return true;
    if (!cr_caller_of(req)->signed_in)
        return false;
    *ret_aim = is_marked(req, AGAIN_PURPOSE, mark) ? CR_AIM_PROVE : CR_AIM_LINK;
    return *ret_aim == CR_AIM_PROVE || is_marked(req, LINK_PURPOSE, mark);
}

cr_status cr_signin_cookie_read(cr_request *req, const char *provider, const char *state, cr_signin_begun *ret_begun, cr_err *err) {
    const char *cookie = cr_gate_signin(req);
    size_t n = cookie ? strlen(cookie) : 0;
    char *text = n > CR_TOKEN_LEN + 1 && n <= CR_SIGNIN_COOKIE_MAX ? cr_arena_strdup(&req->arena, cookie) : NULL;
    cr_status wrong = CR_FAIL(err, CR_DENIED, "this sign-in was not begun in this browser, was finished before, or took longer than ten minutes");
    if (!text || text[n - CR_TOKEN_LEN - 1] != '.')
        return wrong;
    text[n - CR_TOKEN_LEN - 1] = 0;
    if (!cr_csrf_is_right(&cr_hub_of(req)->secret, STATE_PURPOSE, text, text + n - CR_TOKEN_LEN))
        return wrong;
    char *rest = text, *name = strsep(&rest, "."), *random = rest ? strsep(&rest, ".") : NULL, *end = rest ? strsep(&rest, ".") : NULL,
         *mark = rest ? strsep(&rest, ".") : NULL;
    int64_t end_ms;
    cr_signin_begun begun = {.next_path = ""};
    if (!rest || strcmp(name, provider) != 0 || !cr_token_is_wellformed(random) || !cr_token_is_wellformed(state) ||
        !cr_equal_const(random, state, CR_TOKEN_LEN) || cr_parse_int(end, 0, INT64_MAX, &end_ms, NULL) != CR_OK || cr_wall_ms() > end_ms ||
        !read_mark(req, mark, &begun.aim))
        return wrong;
    begun.at_ms = end_ms - CR_SIGNIN_LIFE_MS;
    CR_TRY(cr_percent_decode(&req->arena, rest, strlen(rest), false, &begun.next_path, err));
    *ret_begun = begun;
    return CR_OK;
}
