/* guard.c - the origin rules. */
#include "platform/http/guard.h"

#include <stdbool.h>

static bool is(const char *value, const char *text) { return value && strcmp(value, text) == 0; }

cr_status cr_guard_check(const cr_guard_facts *f, cr_err *err) {
    static const char *const framed[] = {"iframe", "frame", "object", "embed", "fencedframe"};
    for (size_t i = 0; i < CR_ARRAY_LEN(framed); i++)
        if (is(f->fetch_dest, framed[i]))
            return CR_FAIL(err, CR_DENIED, "the hub cannot be shown inside another page");
    bool own_site = !f->fetch_site || is(f->fetch_site, "same-origin") || is(f->fetch_site, "none");
    if (f->method & (CR_GET | CR_HEAD)) {
        if (own_site || is(f->fetch_mode, "navigate"))
            return CR_OK;
        return CR_FAIL(err, CR_DENIED, "a page of another site asked for this");
    }
    if (!own_site)
        return CR_FAIL(err, CR_DENIED, "a page of another site sent this");
    if (f->origin ? !is(f->origin, f->hub_origin) : f->fetch_site != NULL) {
        cr_status status = CR_FAIL(err, CR_DENIED, "this was not sent by a page of the hub");
        cr_err_hint(err, "open %s and try again there", f->hub_origin);
        return status;
    }
    return CR_OK;
}
