/* urls.c - addresses and names. */
#include "platform/daemon/urls.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static char *put(char *buf, size_t size, const char *fmt, ...) CR_PRINTF(3, 4);
static char *put(char *buf, size_t size, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(buf, size, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= size)
        buf[0] = 0;   /* half an address is worse than none */
    return buf;
}

static bool is_secure(const cr_config *c) { return c->tls_cert[0] || c->trusted_proxies[0]; }

/* ":PORT", or "" where the scheme says it. */
static const char *port_part(const cr_config *c, int64_t port, char buf[8]) {
    buf[0] = 0;
    if (!c->trusted_proxies[0] && port != (is_secure(c) ? 443 : 80))
        snprintf(buf, 8, ":%d", (int)port);
    return buf;
}

static const char *scheme(const cr_config *c) { return is_secure(c) ? "https" : "http"; }
static const char *domain_of_users(const cr_config *c) { return c->domain[0] ? c->domain : "localhost"; }

char *cr_url_hub_origin(const cr_config *c, char *buf, size_t size) {
    char port[8];
    bool v6 = !c->domain[0] && strchr(c->bind, ':');
    return put(buf, size, "%s://%s%s%s%s", scheme(c), v6 ? "[" : "", c->domain[0] ? c->domain : c->bind, v6 ? "]" : "",
               port_part(c, c->port, port));
}

char *cr_url_hub(const cr_config *c, char *buf, size_t size) {
    char origin[512];
    return put(buf, size, "%s%s", cr_url_hub_origin(c, origin, sizeof origin), c->base_url);
}

char *cr_url_user_origin(const cr_config *c, const char *account, char *buf, size_t size) {
    char port[8];
    return put(buf, size, "%s://%s.%s%s", scheme(c), account, domain_of_users(c), port_part(c, c->port + 1, port));
}

char *cr_url_user_origins(const cr_config *c, char *buf, size_t size) { return cr_url_user_origin(c, "*", buf, size); }

char *cr_url_api(const cr_config *c, char *buf, size_t size) {
    return put(buf, size, "http://127.0.0.1:%d%s/hub/api", (int)c->port + 2, c->base_url);
}

char *cr_url_api_at(const cr_config *c, uint64_t generation, char *buf, size_t size) {
    return put(buf, size, "http://127.0.0.1:%d%s/hub/api/at/%llu", (int)c->port + 2, c->base_url, (unsigned long long)generation);
}

char *cr_url_gateway(const cr_config *c, char *buf, size_t size) {
    return put(buf, size, "http://127.0.0.1:%d%s" CR_GATEWAY_PATH, (int)c->port + 2, c->base_url);
}

char *cr_url_dashboards(const cr_config *c, const char *account, char *buf, size_t size) {
    char origin[CR_URL_MAX];
    return put(buf, size, "%s%s" CR_GATEWAY_PATH, cr_url_user_origin(c, account, origin, sizeof origin), c->base_url);
}

/* The host of an origin; returns its length. */
static size_t host_of(const char *origin, const char **ret_host) {
    const char *sep = strstr(origin, "://");
    *ret_host = sep ? sep + 3 : origin;
    return **ret_host == '[' ? strcspn(*ret_host, "]") + 1 : strcspn(*ret_host, ":/");
}

bool cr_url_is_host_of_ours(const cr_config *c, const char *origin) {
    char hub[CR_URL_MAX];
    const char *host, *own, *users = domain_of_users(c);
    size_t n = host_of(origin, &host), m = host_of(cr_url_hub_origin(c, hub, sizeof hub), &own), k = strlen(users);
    bool below = n > k && host[n - k - 1] == '.' && strncasecmp(host + n - k, users, k) == 0;
    return below || (n == m && strncasecmp(host, own, n) == 0);
}

static bool stays(unsigned char b) {
    return (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') || (b && strchr("-._~@", b));
}

char *cr_url_segment(const char *text, char *buf, size_t size) {
    static const char digit[] = "0123456789ABCDEF";
    size_t n = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (n + 4 > size) {
            buf[0] = 0;
            return buf;
        }
        if (stays(*p)) {
            buf[n++] = (char)*p;
        } else {
            buf[n++] = '%';
            buf[n++] = digit[*p >> 4];
            buf[n++] = digit[*p & 15];
        }
    }
    buf[n] = 0;
    return buf;
}

char *cr_url_prefix(const cr_config *c, const char *user, const char *server, char *buf, size_t size) {
    char name[3 * 256 + 4], part[3 * 64 + 4];
    cr_url_segment(user, name, sizeof name);
    cr_url_segment(server, part, sizeof part);
    return put(buf, size, part[0] ? "%s/user/%s/%s/" : "%s/user/%s/", c->base_url, name, part);
}

char *cr_url_client_id(const char *account, const char *server, char *buf, size_t size) {
    return put(buf, size, server[0] ? "jupyterhub-user-%s.%s" : "jupyterhub-user-%s", account, server);
}

char *cr_url_callback(const cr_config *c, const char *account, const char *user, const char *server, char *buf, size_t size) {
    char origin[512], prefix[1024];
    cr_url_user_origin(c, account, origin, sizeof origin);
    cr_url_prefix(c, user, server, prefix, sizeof prefix);
    return put(buf, size, "%s%soauth_callback", origin, prefix);
}

char *cr_link_name(const char *account, uint64_t generation, char *buf, size_t size) {
    return put(buf, size, "%s.%llu", account, (unsigned long long)generation);
}

char *cr_proxy_address(const cr_config *c, const char *name, char *buf, size_t size) {
    if (c->as_root)
        return put(buf, size, "unix@/%s", name);
    return put(buf, size, "unix@%s/" CR_RUN_ROUTE "/%s", c->run_dir, name);
}

char *cr_run_path(const cr_config *c, const char *name, char *buf, size_t size) {
    return put(buf, size, "%s/%s", c->run_dir, name);
}
