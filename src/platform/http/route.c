/* route.c - matching a path against the table. */
#include "platform/http/route.h"

#include <stdbool.h>
#include <stdio.h>
#include "platform/http/pairs.h"

static const struct {
    const char *name;
    cr_method method;
} method_rows[] = {
    {"GET", CR_GET}, {"HEAD", CR_HEAD}, {"POST", CR_POST}, {"PUT", CR_PUT}, {"PATCH", CR_PATCH}, {"DELETE", CR_DELETE},
    {"OPTIONS", CR_OPTIONS},
};

cr_method cr_method_parse(const char *name) {
    for (size_t i = 0; i < CR_ARRAY_LEN(method_rows); i++)
        if (strcmp(method_rows[i].name, name) == 0)
            return method_rows[i].method;
    return CR_OTHER_METHOD;
}

char *cr_method_list(unsigned methods, char *buf, size_t size) {
    size_t n = 0;
    buf[0] = 0;
    for (size_t i = 0; i < CR_ARRAY_LEN(method_rows) && n < size; i++)
        if (methods & method_rows[i].method)
            n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? ", " : "", method_rows[i].name);
    return buf;
}

typedef struct piece {
    const char *text;
    size_t len;
} piece;

/* Does the path fit? Parameters are noted, not yet decoded. */
static bool fits(const char *pattern, const char *path, piece *params, int *ret_n, bool *ret_rest) {
    int n = 0;
    *ret_rest = false;
    while (*pattern) {
        if (*pattern == '*') {
            if (n >= CR_ROUTE_PARAMS)
                return false;
            params[n++] = (piece){path, strlen(path)};
            *ret_n = n;
            *ret_rest = true;
            return true;
        }
        if (*pattern == ':') {
            size_t len = strcspn(path, "/");
            if (len == 0 || n >= CR_ROUTE_PARAMS)
                return false;
            params[n++] = (piece){path, len};
            path += len;
            pattern += strcspn(pattern, "/");
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    *ret_n = n;
    return *path == 0;
}

cr_status cr_route_find(const cr_route *routes, cr_method method, const char *path, cr_arena *arena, cr_route_match *match, cr_err *err) {
    memset(match, 0, sizeof *match);
    /* HEAD is answered wherever GET is. */
    unsigned wanted = method == CR_HEAD ? CR_HEAD | CR_GET : method;
    for (const cr_route *r = routes; r->pattern; r++) {
        piece params[CR_ROUTE_PARAMS];
        int n;
        bool rest;
        if (!fits(r->pattern, path, params, &n, &rest))
            continue;
        match->allowed |= r->methods | (r->methods & CR_GET ? CR_HEAD : 0);
        if (!(r->methods & wanted))
            continue;
        for (int i = 0; i < n; i++) {
            if (rest && i == n - 1)
                match->param[i] = params[i].text;
            else
                CR_TRY(cr_percent_decode(arena, params[i].text, params[i].len, false, &match->param[i], err));
        }
        match->n_params = n;
        match->route = r;
        return CR_OK;
    }
    return CR_OK;
}
