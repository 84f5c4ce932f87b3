/* haproxy_config.c - three public faces and their backends (docs/decisions/0002-origins-and-sockets.md).
 *
 * hub    BIND:PORT      the hub's origin. Any other Host gets 421, so that no foreign name can be pointed at it. Programs (no browser) with a token that
 *        ask for /user/NAME/... are passed on to that server.
 * user   BIND:PORT+1    one origin per account. The route map gives ACCOUNT.GENERATION; the Host must be that account's. Where the gateway is
 *        switched on also the dashboards of that account's clusters, for who has the cookie (gateway/dashboards.h); the hub gives it there.
 * api    127.0.0.1:PORT+2   /hub/api only, for user servers; no cookies.
 *
 * acme   BIND:ACME-PORT with --acme and without a hook: answers to the CA (acme.h); everybody else is sent to the hub.
 *
 * front  127.0.0.1:PORT+2   where the gateway is switched on this is what listens there: TLS whose name (SNI) is that of a Dask cluster goes to
 *        its scheduler as it is, everything else to api, over a socket that only HAProxy reaches. The clusters map says where
 *        schedulers are; the hub speaks to them through RUN/schedulers.sock, since it has no network sockets.
 *
 * remote BIND:GATEWAY-PORT  with that setting: TLS for schedulers by SNI, as at front, and nothing else; for clients on other machines.
 *
 * With a base (urls.h) only what lies below it is ours. It is taken off before the hub sees a request, and stays on for user servers, which know it.
 * At the API port and at people's origins, which nobody else shares, it may be missing.
 *
 * Dynamic servers are added with weight 0: a request whose server is unknown or down then gives 503, where a default weight
 * would let HAProxy choose another user's server.
 *
 * Floods. The hub answers in milliseconds and holds few connections, so it is given whole requests only: HAProxy waits for the body, and
 * what does not fit its buffer is refused. Three doors lead to the hub (pages, event streams, the API of user servers), each with
 * an own limit of open requests, together fewer than the hub takes, so that no door can shut another. Before them stand limits per
 * address (an IPv6 network of /64 is one address): a class of thirty behind one needs about 30 x 6 connections to the hub, 30 x 25 to
 * the servers, and 30 x 25 requests in the ten seconds in which all sign in. Behind another proxy the address is the forwarded one.
 * User servers all call from 127.0.0.1: their limit is per token, and requests whose token has not been right before share one.
 */
#include "platform/daemon/haproxy_config.h"

#include <stdio.h>
#include "base/text.h"
#include "platform/daemon/acme_files.h"
#include "platform/daemon/ground.h"
#include "platform/daemon/urls.h"
#include "platform/http/http.h"

/* Names of tables, doors and pages; figures are per ten seconds where they are rates. */
enum {
    HUB_CONNECTIONS = 600, USER_CONNECTIONS = 2000,        /* of one address; twice as many are cut without a word */
    HUB_OPEN = 400, USER_OPEN = 2000,                      /* its requests at a time: HTTP/2 has many on a connection */
    HUB_RATE = 3000, API_RATE = 3000,                      /* its requests; those of user servers that are not known yet */
    TOKEN_RATE = 300, TOKEN_OPEN = 32,                     /* of one token at the API */
    HUB_SLOTS = 1024, IDLE_SLOTS = 64,
    BUFFER = 32 << 10,
};
/* Headers that HAProxy takes and the largest body lie in one buffer. */
_Static_assert((int)CR_HTTP_BODY_MAX <= BUFFER / 2, "a body must fit the buffer beside its headers");
_Static_assert(HUB_SLOTS * 5 / 2 + 3 * IDLE_SLOTS < (int)CR_HTTP_CONNECTIONS_MAX, "the hub must take what the doors let through");
_Static_assert((int)CR_HTTP_STREAMS_MAX >= (int)HUB_SLOTS, "every stream that the door lets through is given out");

typedef struct names {
    const char *base;
    char hub_origin[CR_URL_MAX], hub_url[CR_URL_MAX], hub_host[512], user_scheme[16], user_suffix[512], map[600], clusters[600], run[600];
    uint64_t connections, slots;      /* of all together; of one door to the hub */
} names;

static void put_names(const cr_config *c, uint64_t files, names *n) {
    char user[CR_URL_MAX];
    n->base = c->base_url;
    cr_url_hub_origin(c, n->hub_origin, sizeof n->hub_origin);
    cr_url_hub(c, n->hub_url, sizeof n->hub_url);
    snprintf(n->hub_host, sizeof n->hub_host, "%s", strstr(n->hub_origin, "://") + 3);
    cr_url_user_origin(c, "*", user, sizeof user);
    snprintf(n->user_scheme, sizeof n->user_scheme, "%.*s", (int)(strchr(user, '*') - user), user);
    snprintf(n->user_suffix, sizeof n->user_suffix, "%s", strchr(user, '*') + 1);
    cr_run_path(c, CR_RUN_MAP, n->map, sizeof n->map);
    cr_run_path(c, CR_RUN_CLUSTER_MAP, n->clusters, sizeof n->clusters);
    snprintf(n->run, sizeof n->run, "%s", c->run_dir);
    /* Two descriptors per connection; the rest is for listeners, the runtime socket and dynamic servers. */
    n->connections = files > 1000 ? CR_MIN((files - 500) / 2, (uint64_t)20000) : 200;
    n->slots = CR_MIN(n->connections / 4, (uint64_t)HUB_SLOTS);     /* the hub has as many descriptors as HAProxy */
}

static void put_global(const cr_config *c, const names *n, cr_buf *out) {
    cr_buf_addf(out, "global\n    maxconn %llu\n    tune.bufsize %d\n    log stderr format raw daemon notice\n",
                (unsigned long long)n->connections, BUFFER);
    if (c->as_root)
        cr_buf_addf(out,
                    "    user " CR_PROXY_USER "\n    group " CR_PROXY_USER "\n"
                    "    chroot %s/" CR_RUN_ROUTE "\n"
                    "    stats socket %s/" CR_RUN_PROXY " mode 600 user " CR_HUB_USER " level admin\n",
                    n->run, n->run);
    else
        cr_buf_addf(out, "    stats socket %s/" CR_RUN_PROXY " mode 600 level admin\n", n->run);
    cr_buf_adds(out,
                "    stats timeout 1h\n"
                "    ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets\n"
                "    hard-stop-after 30s\n\n"
                "defaults\n"
                "    mode http\n"
                "    log global\n"
                "    option dontlog-normal\n"
                "    option dontlognull\n"
                "    timeout connect 5s\n"
                "    timeout http-request 15s\n"     /* slow headers */
                "    timeout http-keep-alive 30s\n"
                "    timeout client 10m\n"
                "    timeout server 10m\n"           /* a notebook export may take minutes */
                "    timeout queue 10s\n"
                "    timeout tunnel 24h\n"           /* websockets of kernels */
                "    retries 1\n\n");
}

/* "::" is every address of both families, each by a socket of its own: an address of IPv4 that came as one of IPv6 would share its limits with all
 * others of that kind. */
static void put_bind(const cr_config *c, int port, bool tls, cr_buf *out) {
    bool v6 = strchr(c->bind, ':') != NULL, all = strcmp(c->bind, "::") == 0;
    char options[600] = "";
    if (tls && c->tls_cert[0])
        snprintf(options, sizeof options, " ssl crt %s/tls.pem alpn h2,http/1.1", c->run_dir);
    if (all)
        cr_buf_addf(out, "    bind ipv4@0.0.0.0:%d%s\n", port, options);
    cr_buf_addf(out, "    bind %s%s:%d%s%s\n", v6 ? "ipv6@" : "ipv4@", c->bind, port, all ? " v6only" : "", options);
}

/* Who has been here once by TLS comes by nothing else for a year. Not for names of this machine, which other programs have too. */
static void put_hsts(const cr_config *c, cr_buf *out) {
    bool local = strcmp(c->domain, "localhost") == 0 || cr_ends_with(c->domain, ".localhost");
    if ((c->tls_cert[0] || c->trusted_proxies[0]) && !local)
        cr_buf_adds(out, "    http-after-response set-header Strict-Transport-Security max-age=31536000\n");
}

static unsigned long long connections_of_address(const names *n, int wanted) {
    return CR_MIN((uint64_t)wanted, CR_MAX(n->connections / 5, (uint64_t)60));
}

/* Directly after what listens. Connections of a trusted proxy are many people's. */
static void put_connection_limit(const cr_config *c, const names *n, const char *face, int wanted, cr_buf *out) {
    if (c->trusted_proxies[0]) {
        cr_buf_adds(out, "    acl from_proxy src");
        for (const char *s = c->trusted_proxies; *s;) {
            size_t len = strcspn(s, ",");
            cr_buf_addc(out, ' ');
            cr_buf_add(out, s, len);
            s += len + (s[len] == ',');
        }
        cr_buf_addc(out, '\n');
    }
    cr_buf_addf(out,
                "    tcp-request connection track-sc0 src,ipmask(32,64) table %s_connections%s\n"
                "    tcp-request connection reject if { sc0_conn_cur gt %llu }\n",
                face, c->trusted_proxies[0] ? " if !from_proxy" : "", 2 * connections_of_address(n, wanted));
}

/* Exactly one forwarding address reaches the hub and the servers, and nobody but a trusted proxy can choose it. */
static void put_forwarding(const cr_config *c, cr_buf *out) {
    if (c->trusted_proxies[0]) {
        cr_buf_adds(out,
                    "    http-request deny deny_status 403 if !from_proxy\n"
                    "    http-request set-header X-Forwarded-For %[req.hdr_ip(x-forwarded-for,-1)] if { req.hdr_ip(x-forwarded-for,-1) -m found }\n"
                    "    http-request set-header X-Forwarded-For %[src] if !{ req.hdr_ip(x-forwarded-for,-1) -m found }\n");
    } else {
        cr_buf_adds(out, "    http-request set-header X-Forwarded-For %[src]\n");
    }
    static const char *const hints[] = {"Forwarded", "X-Real-IP", "X-Scheme", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Protocol",
                                        "X-Forwarded-Ssl", "X-Forwarded-Prefix", "X-Craton-Entry", "X-Craton-At", CR_SOFTWARE_HEADER};
    for (size_t i = 0; i < CR_ARRAY_LEN(hints); i++)
        cr_buf_addf(out, "    http-request del-header %s\n", hints[i]);
    cr_buf_addf(out, "    http-request set-header X-Forwarded-Proto %s\n", c->tls_cert[0] || c->trusted_proxies[0] ? "https" : "http");
}

/* ---- limits ---- */

/* A page for browsers, JSON for programs; condition: of an HAProxy rule. */
static void put_refusal(const names *n, int status, const char *page, const char *json, const char *condition, cr_buf *out) {
    const char *again = status == 429 ? " hdr Retry-After 10" : "";
    cr_buf_addf(out,
                "    http-request return status %d content-type \"text/html; charset=utf-8\" file %s/errors/%s hdr Cache-Control no-store%s"
                " if { req.hdr(accept) -m sub text/html } %s\n"
                "    http-request return status %d content-type application/json string \"{\\\"status\\\":%d,\\\"message\\\":\\\"%s\\\"}\""
                " hdr Cache-Control no-store%s if %s\n",
                status, n->run, page, again, condition, status, status, json, again, condition);
}

static void put_tables(cr_buf *out) {
    static const char *const by_address[] = {"hub_connections", "hub_requests", "user_connections", "user_requests"};
    for (size_t i = 0; i < CR_ARRAY_LEN(by_address); i++)
        cr_buf_addf(out, "backend %s\n    stick-table type ipv6 size 100k expire 1m store conn_cur,http_req_rate(10s)\n\n", by_address[i]);
    cr_buf_adds(out,
                "backend api_strangers\n    stick-table type ip size 1k expire 1m store http_req_rate(10s)\n\n"
                "backend api_tokens\n    stick-table type string len 64 size 100k expire 1d store conn_cur,http_req_rate(10s),gpt0\n\n");
}

/* rate 0: none. Comes after put_forwarding, which settles whose request it is. */
static void put_request_limits(const names *n, const char *face, int connections, int open, int rate, cr_buf *out) {
    cr_buf_addf(out,
                "    http-request track-sc1 req.hdr_ip(x-forwarded-for),ipmask(32,64) table %s_requests\n"
                "    acl too_much sc0_conn_cur gt %llu\n"
                "    acl too_much sc1_conn_cur gt %d\n",
                face, connections_of_address(n, connections), open);
    if (rate)
        cr_buf_addf(out, "    acl too_much sc1_http_req_rate gt %d\n", rate);
    put_refusal(n, 429, "many.html", "too many requests from your network address; wait some seconds and try again", "too_much", out);
}

/* The hub sees a request when it is whole. condition: which requests; "" : all. */
static void put_whole_body(const names *n, const char *seconds, const char *condition, cr_buf *out) {
    char text[96], rule[160];
    /* The hub's library ends a request whose parameters do not fit into its memory with silence. */
    snprintf(rule, sizeof rule, "{ query -m reg ^([^&]*&){200} } %s", condition);
    put_refusal(n, 414, "large.html", "the address has too many parameters", rule, out);
    snprintf(rule, sizeof rule, "{ req.hdr(transfer-encoding) -m found } %s", condition);
    put_refusal(n, 411, "length.html", "this request needs a Content-Length", rule, out);
    snprintf(text, sizeof text, "the request is larger than %d KiB", CR_HTTP_BODY_MAX / 1024);
    snprintf(rule, sizeof rule, "{ req.body_size gt %d } %s", CR_HTTP_BODY_MAX, condition);
    put_refusal(n, 413, "large.html", text, rule, out);
    cr_buf_addf(out,
                "    http-request wait-for-body time %s%s%s\n"
                "    http-request set-var(txn.body) req.body_len\n"
                "    acl whole req.body_size,sub(txn.body) eq 0\n"
                "    acl said req.hdr(content-length) -m found\n", seconds, condition[0] ? " if " : "", condition);
    /* A body of HTTP/2 may come without a length: nobody knows then whether what is here is all. */
    snprintf(rule, sizeof rule, "!said { req.body_len gt 0 } %s", condition);
    put_refusal(n, 411, "length.html", "this request needs a Content-Length", rule, out);
    snprintf(rule, sizeof rule, "!whole %s", condition);
    put_refusal(n, 413, "large.html", "the request with its headers is too large", rule, out);
}

/* condition: which requests, beside that the base is there; "" : all. */
static void put_base_off(const names *n, const char *condition, cr_buf *out) {
    if (n->base[0])
        cr_buf_addf(out, "    http-request set-path %%[path,bytes(%zu)] if %s { path_beg %s/ }\n", strlen(n->base), condition, n->base);
}

/* As JupyterHub does it: who comes without the base is taken to it, and programs that send something are not. */
static void put_base(const names *n, cr_buf *out) {
    if (!n->base[0])
        return;
    cr_buf_addf(out,
                "    http-request redirect location %s/ code 302 if { path %s } METH_GET\n"
                "    http-request redirect prefix %s code 302 if !{ path_beg %s/ } METH_GET\n"
                "    http-request return status 404 content-type application/json string \"{\\\"status\\\":404,\\\"message\\\":\\\"the hub is at %s/\\\"}\""
                " if !{ path_beg %s/ }\n",
                n->hub_url, n->base, n->hub_url, n->base, n->hub_url, n->base);
    put_base_off(n, "!routed", out);
}

/* Clients of JupyterHub that know one address ask for HUB/user/NAME/api with their token. They are let through to the server; a browser never is, as
 * what servers answer must not lie at the hub's origin: it cannot send such a header on its own, nor without saying where it comes from. */
static void put_programs(const names *n, cr_buf *out) {
    cr_buf_addf(out,
                "    acl by_token req.fhdr(authorization),lower -m beg \"token \" \"bearer \"\n"
                "    acl browser req.hdr(cookie) -m found\n"
                "    acl browser req.hdr(origin) -m found\n"
                "    acl browser req.hdr(sec-fetch-mode) -m found\n"
                "    http-request set-var(txn.route) path,map_beg(%s) if by_token !browser { path_beg %s/user/ }\n"
                "    http-request unset-var(txn.route) if { var(txn.route),field(2,.) -m str " CR_PROXY_STOPPED " }\n"
                "    acl routed var(txn.route) -m found\n"
                "    http-response del-header Set-Cookie if routed\n"
                "    http-response set-header Content-Security-Policy sandbox if routed\n"
                "    http-response set-header X-Content-Type-Options nosniff if routed\n"
                "    http-response del-header Service-Worker-Allowed if routed\n",
                n->map, n->base);
}

static void put_hub_frontend(const cr_config *c, const names *n, cr_buf *out) {
    cr_buf_adds(out,
                "frontend hub\n"
                "    timeout client 1m\n");         /* a stream of events is never silent for so long */
    put_bind(c, (int)c->port, true, out);
    put_hsts(c, out);
    /* Also of pages that HAProxy itself answers with; those of the hub say more (http.c). */
    cr_buf_adds(out,
                "    http-after-response set-header X-Frame-Options DENY\n"
                "    http-after-response set-header X-Content-Type-Options nosniff\n");
    put_connection_limit(c, n, "hub", HUB_CONNECTIONS, out);
    put_forwarding(c, out);
    put_request_limits(n, "hub", HUB_CONNECTIONS, HUB_OPEN, HUB_RATE, out);
    cr_buf_addf(out, "    acl right_host req.hdr(host),lower -m str %s\n", n->hub_host);
    if (!c->domain[0])   /* people type localhost */
        cr_buf_addf(out,
                    "    http-request redirect prefix %s code 302 if !right_host { req.hdr(host),lower -m str localhost:%d } METH_GET\n",
                    n->hub_origin, (int)c->port);
    cr_buf_addf(out,
                "    http-request return status 421 content-type text/plain string \"This address serves another name: use %s\" if !right_host\n",
                n->hub_url);
    put_programs(n, out);
    put_base(n, out);
    put_whole_body(n, "10s", "!routed", out);
    cr_buf_adds(out,
                "    http-request set-header X-Craton-Entry hub if !routed\n"
                "    use_backend " CR_PROXY_BACKEND " if routed\n"
                "    use_backend gone if by_token !browser { path_beg /user/ }\n"
                /* Requests of the gateway that wait: for a start (?wait; what is in a query is for the hub to read), and for a scheduler's answer. */
                "    use_backend hub_events if { path_end /server/progress } or { path_beg " CR_GATEWAY_PATH "/ } { query -m found }"
                " or { path_beg " CR_GATEWAY_PATH "/ } { path_end /scale /adapt }\n"
                "    default_backend hub\n\n");
}

/* To one scheduler. They stay open for as long as somebody likes, and stand beside the requests of everybody's servers. A client has one or two. */
static unsigned long long scheduler_connections(const names *n) { return CR_MAX(CR_MIN(n->connections / 32, (uint64_t)64), (uint64_t)12); }

/* Before the cookies are taken out. What is not a navigation of a browser gets no redirection: it could not sign in anyway. */
static void put_dashboards(const names *n, cr_buf *out) {
    char many[96];
    int referer = 7;      /* the field of its path that names the cluster */
    for (const char *p = n->base; *p; p++)
        referer += *p == '/';
    /* The scheduler's pages of information ask for their styles one folder too high, which is nothing at the root of a host: the page that asks
     * says of which cluster. */
    cr_buf_addf(out,
                "    http-request replace-path (.*/clusters/)(statics/.*) \\1%%[req.hdr(referer),field(%d,/)]/\\2"
                " if { path_beg " CR_GATEWAY_PATH "/clusters/statics/ } { req.hdr(referer) -m found }\n", referer);
    cr_buf_addf(out,
                "    acl dashboard path_beg " CR_GATEWAY_PATH "/clusters/\n"
                "    acl entering path " CR_GATEWAY_ENTER "\n"
                "    acl entering_oddly req.body_size gt 0\n"
                "    acl entering_oddly req.hdr(transfer-encoding) -m found\n"
                "    acl entering_oddly query -m reg ^([^&]*&){8}\n"
                "    http-request return status 405 content-type text/plain string \"Only GET is here\" if dashboard !METH_GET or entering !METH_GET\n"
                "    http-request return status 400 content-type text/plain string \"This is no way to a dashboard\" if entering entering_oddly\n"
                "    http-request track-sc2 req.hdr_ip(x-forwarded-for),ipmask(32,64) table hub_requests if entering\n"
                "    http-request set-var(txn.cluster) path,field(5,/) if dashboard\n"
                "    http-request set-var(txn.dst) str(dash-),concat(,txn.cluster,),map_str(%s) if dashboard\n"
                "    http-request set-var(txn.owner) var(txn.dst),field(1,:) if dashboard { var(txn.dst) -m found }\n"
                "    http-request set-var(txn.want) var(txn.owner),concat(%s) if dashboard { var(txn.owner) -m found }\n"
                "    http-request return status 421 content-type text/plain string \"wrong host\" if dashboard { var(txn.owner) -m found } !right_host\n"
                "    http-request set-var(txn.viewer) req.cook(" CR_DASHBOARD_COOKIE "),sha2(256),hex,map_str(%s) if dashboard\n"
                "    http-request set-var(txn.origin) str(%s),concat(,txn.host,) if dashboard\n"
                "    acl may_look var(txn.viewer),strcmp(txn.owner) eq 0\n"
                "    acl from_here req.hdr(origin),lower,strcmp(txn.origin) eq 0\n"
                "    acl from_elsewhere req.hdr(sec-fetch-site) -m str cross-site same-site\n"
                "    acl navigation req.hdr(sec-fetch-mode) -m str navigate\n"
                "    acl framed req.hdr(sec-fetch-dest) -m str iframe frame object embed\n"
                "    http-request return status 403 content-type text/plain string \"not from another site\""
                " if dashboard { req.hdr(origin) -m found } !from_here or dashboard from_elsewhere !navigation or dashboard from_elsewhere framed\n"
                "    http-request redirect location %s/hub/dashboard%%[pathq] code 302 if dashboard !may_look navigation\n"
                "    http-request redirect location %s/hub/dashboard%%[pathq] code 302 if dashboard !may_look !{ req.hdr(sec-fetch-mode) -m found }"
                " !{ req.hdr(upgrade) -m found }\n"
                "    http-request return status 403 content-type text/plain string \"sign in at the hub, and open the dashboard's link\" if dashboard !may_look\n"
                "    http-request track-sc2 var(txn.cluster) table dashboards if dashboard\n",
                n->clusters, n->user_suffix, n->clusters, n->user_scheme, n->hub_url, n->hub_url);
    snprintf(many, sizeof many, "entering { sc2_http_req_rate(hub_requests) gt %d }", HUB_RATE);
    put_refusal(n, 429, "many.html", "too many requests from your network address; wait some seconds and try again", many, out);
    snprintf(many, sizeof many, "dashboard { sc2_conn_cur(dashboards) gt %llu }", scheduler_connections(n));
    put_refusal(n, 429, "many.html", "too many requests to this dashboard at a time; wait some seconds and try again", many, out);
}

static void put_user_frontend(const cr_config *c, const names *n, cr_buf *out) {
    /* Something is left for the hub, whatever happens at the servers. */
    cr_buf_addf(out, "frontend user\n    maxconn %llu\n", (unsigned long long)(n->connections * 3 / 4));
    put_bind(c, (int)c->port + 1, true, out);
    put_hsts(c, out);
    put_connection_limit(c, n, "user", USER_CONNECTIONS, out);
    put_forwarding(c, out);
    put_request_limits(n, "user", USER_CONNECTIONS, USER_OPEN, 0, out);
    cr_buf_addf(out,
                "    http-request set-var(txn.route) path,map_beg(%s)\n"
                "    http-request set-var(txn.want) var(txn.route),field(1,.),concat(%s)\n"
                "    http-request set-var(txn.host) req.hdr(host),lower\n"
                "    acl routed var(txn.route) -m found\n"
                "    acl right_host var(txn.host),strcmp(txn.want) eq 0\n"
                "    http-request return status 421 content-type text/plain string \"wrong host\" if routed !right_host\n",
                n->map, n->user_suffix);
    /* The path of a named server that does not run beside one that does: nobody's, see hub/lab_routes.h. */
    cr_buf_adds(out, "    http-request unset-var(txn.route) if { var(txn.route),field(2,.) -m str " CR_PROXY_STOPPED " }\n");
    put_base_off(n, "!routed", out);
    if (c->gateway)
        put_dashboards(n, out);
    /* The hub's cookies never reach user code (one line strips one cookie), and user code cannot set them. Who has more than five
     * of them was made to by a page that tosses cookies: then none at all passes. */
    for (int i = 0; i < 5; i++)
        cr_buf_adds(out, "    http-request replace-header Cookie ^(.*;\\s*|)(?:__Host-)?craton-[^;=]*=[^;]*(?:;\\s*|$)(.*)$ \\1\\2\n");
    cr_buf_adds(out,
                "    http-request del-header Cookie if { req.fhdr(cookie) -m reg (?:^|;)\\s*(?:__Host-)?craton- }\n"
                "    http-response replace-header Set-Cookie (?i)^\\s*(?:__(?:Host|Secure|Http|Host-Http)-)?craton-.* x-refused=1;Max-Age=0;Path=/x-refused");
    cr_buf_adds(out, c->gateway ? " if !{ var(txn.entering) -m found }\n" : "\n");      /* what the hub itself gives */
    cr_buf_adds(out,
                "    http-response replace-header Set-Cookie (?i)^(.*);\\s*domain=[^;]*(.*)$ \\1\\2\n"
                "    http-response del-header Service-Worker-Allowed\n");
    if (c->gateway)
        cr_buf_adds(out,
                    "    http-request set-var(txn.entering) bool(true) if entering\n"
                    "    http-request set-header X-Craton-Entry enter if entering\n"
                    "    use_backend hub if entering\n"
                    "    use_backend dashboards if dashboard may_look\n");
    cr_buf_adds(out,
                "    use_backend " CR_PROXY_BACKEND " if routed\n"
                "    default_backend gone\n\n");
}

/* Whose request it is, as the hash of its token: the last word of the one header, so that spellings of it are no tokens of their own. A
 * token that the hub took once (its answer says which) is known, and its holder notices no flood of wrong ones: they are not kept. */
static void put_token_limits(const names *n, cr_buf *out) {
    char many[96];
    cr_buf_adds(out,
                "    http-request return status 400 content-type application/json"
                " string \"{\\\"status\\\":400,\\\"message\\\":\\\"more than one Authorization header\\\"}\""
                " hdr Cache-Control no-store if { req.fhdr_cnt(authorization) gt 1 }\n"
                "    http-request set-var(txn.holder) \"req.fhdr(authorization),word(-1,' '),sha2(256),hex\" if { req.fhdr(authorization) -m found }\n"
                "    http-request set-var(txn.holder) req.body_param(client_secret),url_dec(1),sha2(256),hex"
                " if { path /hub/api/oauth2/token } { req.body_param(client_secret) -m found }\n"
                /* The cookie that the gateway gives for a right token is one, too. */
                "    http-request set-var(txn.holder) req.cook(" CR_GATEWAY_COOKIE "),sha2(256),hex"
                " if gateway !{ req.fhdr(authorization) -m found } { req.cook(" CR_GATEWAY_COOKIE ") -m found }\n"
                "    acl holder var(txn.holder) -m found\n"
                "    acl known var(txn.holder),table_gpt0(api_tokens) eq 1\n"
                "    http-request track-sc0 src table api_strangers if !known\n");
    snprintf(many, sizeof many, "!known { sc0_http_req_rate gt %d }", API_RATE);
    put_refusal(n, 429, "many.html", "too many requests at the moment; wait some seconds and try again", many, out);
    cr_buf_adds(out, "    http-request track-sc1 var(txn.holder) table api_tokens if known\n");
    cr_buf_addf(out, "    acl too_much sc1_http_req_rate gt %d\n    acl too_much sc1_conn_cur gt %d\n", TOKEN_RATE, TOKEN_OPEN);
    put_refusal(n, 429, "many.html", "too many requests with this token; wait some seconds and try again", "known too_much", out);
    cr_buf_adds(out,
                "    acl taken res.hdr(" CR_HOLDER_HEADER "),strcmp(txn.holder) eq 0\n"
                "    http-response track-sc1 var(txn.holder) table api_tokens if holder !known taken\n"
                "    http-response sc-set-gpt0(1) 1 if holder taken\n"
                "    http-response del-header " CR_HOLDER_HEADER "\n");
}

/* TLS that names a cluster is let through to it, as it is; any other is cut. */
static void put_hello(const names *n, cr_buf *out) {
    cr_buf_addf(out,
                "    tcp-request inspect-delay 3s\n"
                "    acl hello req.ssl_hello_type 1\n"
                "    tcp-request content set-var(sess.dst) req.ssl_sni,lower,map_str(%s) if hello { req.ssl_sni -m beg -i daskgateway- }\n"
                "    tcp-request content track-sc1 var(sess.dst) table schedulers if hello { var(sess.dst) -m found }\n"
                "    tcp-request content reject if { sc1_conn_cur gt %llu }\n"
                "    tcp-request content accept if hello { var(sess.dst) -m found }\n"
                "    tcp-request content reject if hello\n", n->clusters, scheduler_connections(n));
}

/* For clients on other machines. Who is let in is the scheduler's to decide: the client shows the cluster's own certificate. */
static void put_remote_frontend(const cr_config *c, const names *n, cr_buf *out) {
    cr_buf_addf(out, "frontend remote\n    mode tcp\n    maxconn %llu\n    timeout client 1m\n", (unsigned long long)(n->connections / 8));
    put_bind(c, (int)c->gateway_port, false, out);
    put_connection_limit(c, n, "hub", HUB_CONNECTIONS, out);
    put_hello(n, out);
    cr_buf_adds(out, "    tcp-request content reject\n    default_backend schedulers\n\n");
}

static void put_front_frontend(const cr_config *c, const names *n, cr_buf *out) {
    cr_buf_addf(out,
                "frontend front\n"
                "    mode tcp\n"
                "    maxconn %llu\n"
                "    timeout client 1m\n"
                "    bind ipv4@127.0.0.1:%d\n", (unsigned long long)(n->connections / 4), (int)c->port + 2);
    put_hello(n, out);
    cr_buf_adds(out,
                "    tcp-request content accept if { req.len gt 0 }\n"
                "    tcp-request content reject\n"
                "    use_backend schedulers if { var(sess.dst) -m found }\n"
                "    default_backend front\n\n");
    char address[CR_URL_MAX];
    cr_buf_addf(out,
                "backend front\n    mode tcp\n    server api %s send-proxy-v2\n\n"
                "backend schedulers\n"
                "    mode tcp\n"
                "    stick-table type string len 32 size 10k expire 1m store conn_cur\n"
                "    tcp-request content set-dst var(sess.dst),field(1,:)\n"
                "    tcp-request content set-dst-port var(sess.dst),field(2,:)\n"
                "    server s 0.0.0.0:0\n\n",
                cr_proxy_address(c, "front", address, sizeof address));
}

/* A page of a scheduler is in no frame of another site. */
static void put_dashboard_backend(cr_buf *out) {
    cr_buf_adds(out,
                "backend dashboards\n"
                "    stick-table type string len 64 size 10k expire 1m store conn_cur\n"
                "    http-reuse never\n"
                "    http-request replace-path " CR_GATEWAY_PATH "/clusters/[^/]+/?(.*) /\\1\n"
                "    http-request set-dst var(txn.dst),field(2,:)\n"
                "    http-request set-dst-port var(txn.dst),field(3,:)\n"
                "    http-response set-header X-Frame-Options SAMEORIGIN\n"
                "    server s 0.0.0.0:0\n\n");
}

static void put_scheduler_api(const cr_config *c, const names *n, cr_buf *out) {
    cr_buf_addf(out,
                "frontend scheduler_api\n"
                "    timeout client 15s\n"
                "    bind unix@%s/" CR_RUN_SCHEDULERS " mode 600%s\n"
                "    http-request set-var(txn.dst) req.hdr(x-craton-cluster),map_str(%s)\n"
                "    http-request return status 404 if !{ var(txn.dst) -m found }\n"
                "    default_backend scheduler_api\n\n"
                "backend scheduler_api\n"
                "    timeout server 10s\n"
                "    http-reuse never\n"
                "    http-request set-dst var(txn.dst),field(1,:)\n"
                "    http-request set-dst-port var(txn.dst),field(2,:)\n"
                "    server s 0.0.0.0:0\n\n",
                n->run, c->as_root ? " user " CR_HUB_USER : "", n->clusters);
}

static void put_api_frontend(const cr_config *c, const names *n, cr_buf *out) {
    char place[CR_URL_MAX];
    if (c->gateway)
        snprintf(place, sizeof place, "unix@%s/" CR_RUN_API_FRONT " accept-proxy mode 600%s", n->run, c->as_root ? " user " CR_PROXY_USER : "");
    else
        snprintf(place, sizeof place, "ipv4@127.0.0.1:%d", (int)c->port + 2);
    cr_buf_addf(out,
                "frontend api\n"
                "    maxconn %llu\n"
                "    timeout http-request 3s\n"     /* all callers are on this machine */
                "    timeout client 1m\n"
                "    bind %s\n"
                "    acl gateway path_beg " CR_GATEWAY_PATH "/\n", (unsigned long long)(n->connections / 4), place);
    put_base_off(n, "", out);
    cr_buf_adds(out,
                "    http-request return status 404 content-type application/json string \"{\\\"status\\\":404,\\\"message\\\":\\\"only /hub/api is here\\\"}\""
                " if !{ path_beg /hub/api/ } !{ path /hub/api } !gateway\n"
                "    http-request deny deny_status 400 if { path -m sub /../ /./ } or { path,lower -m sub %2e }\n"
                "    http-request set-header X-Forwarded-For %[src]\n"
                "    http-request del-header Cookie if !gateway\n"
                "    http-request set-header X-Craton-Entry api\n"
                "    http-request del-header " CR_SOFTWARE_HEADER "\n"
                "    http-request set-header " CR_SOFTWARE_HEADER " %[path,field(5,/)] if { path_beg " CR_GATEWAY_WITH " }\n"
                "    http-request replace-path ^" CR_GATEWAY_WITH "[^/]*/(.*) " CR_GATEWAY_PATH "/\\1\n"
                "    http-request del-header X-Craton-At\n"
                "    acl at path_reg ^/hub/api/at/[0-9]{1,19}(/|$)\n"
                "    http-request set-header X-Craton-At %[path,field(5,/)] if at\n"
                "    http-request replace-path ^/hub/api/at/[0-9]*(.*)$ /hub/api\\1 if at\n");
    put_whole_body(n, "3s", "", out);
    put_token_limits(n, out);
    cr_buf_adds(out,
                "    use_backend hub_events if { path_end /server/progress } or gateway { query -m found } or gateway { path_end /scale /adapt }\n"
                "    default_backend hub_api\n\n");
}

/* What a CA asks (acme.h), and people who type no https. */
static void put_acme_frontend(const cr_config *c, const names *n, cr_buf *out) {
    cr_buf_adds(out, "frontend acme\n    timeout client 10s\n    timeout http-keep-alive 1s\n");
    cr_buf_addf(out, "    maxconn %llu\n", (unsigned long long)(n->connections / 8));
    put_bind(c, (int)c->acme_port, false, out);
    put_connection_limit(c, n, "hub", HUB_CONNECTIONS, out);
    cr_buf_addf(out,
                "    http-request deny deny_status 405 if !METH_GET\n"
                "    http-request return status 200 content-type text/plain lf-file %s/" CR_ACME_ANSWER
                " if { path_reg ^/[.]well-known/acme-challenge/[A-Za-z0-9_-]{8,200}$ }\n"
                "    http-request redirect location %s/ code 302\n\n",
                n->run, n->hub_url);
}

/* One of the doors to the hub. */
static void put_door(const cr_config *c, const names *n, const char *name, uint64_t slots, cr_buf *out) {
    char api[CR_URL_MAX];
    cr_buf_addf(out, "backend %s\n    timeout server 2m\n    errorfile 503 %s/errors/hub.http\n    server hub %s maxconn %llu pool-max-conn %d\n\n",
                name, n->run, cr_proxy_address(c, "api", api, sizeof api), (unsigned long long)slots, IDLE_SLOTS);
}

static void put_backends(const cr_config *c, const names *n, cr_buf *out) {
    put_door(c, n, "hub", n->slots, out);
    put_door(c, n, "hub_events", n->slots, out);
    put_door(c, n, "hub_api", n->slots / 2, out);
    cr_buf_addf(out,
                "backend " CR_PROXY_BACKEND "\n    balance roundrobin\n    errorfile 503 %s/errors/user.http\n"
                "    use-server %%[var(txn.route)] if TRUE\n\n", n->run);
    /* A backend and not rules of the frontend: those would run before the routing. Programs get 424, which JupyterLab
     * understands; people are taken to the hub, which offers to start the server. */
    cr_buf_addf(out,
                "backend gone\n"
                "    http-request return status 424 content-type application/json string \"{\\\"message\\\":\\\"server not running\\\"}\""
                " if { path_reg ^/user/[^/]+/(.*/)?api/ } || !{ req.hdr(sec-fetch-mode) -m found } || !{ req.hdr(sec-fetch-mode) navigate }\n"
                "    http-request redirect location %s/hub%%[pathq] code 302 if { path_beg /user/ }\n"
                "    http-request redirect location %s%%[pathq] code 302 if { path_beg /hub/ }\n"
                "    http-request redirect location %s/ code 302\n",
                n->hub_url, n->hub_url, n->hub_url);
}

cr_status cr_haproxy_config(const cr_config *c, uint64_t files, cr_buf *out, cr_err *err) {
    names n;
    put_names(c, files, &n);
    cr_buf_adds(out, "# Written by cratond at every start; changes here are lost.\n");
    put_global(c, &n, out);
    put_tables(out);
    put_hub_frontend(c, &n, out);
    put_user_frontend(c, &n, out);
    put_api_frontend(c, &n, out);
    if (c->acme[0] && !c->acme_hook[0])
        put_acme_frontend(c, &n, out);
    if (c->gateway) {
        put_front_frontend(c, &n, out);
        if (c->gateway_port)
            put_remote_frontend(c, &n, out);
        put_scheduler_api(c, &n, out);
        put_dashboard_backend(out);
    }
    put_backends(c, &n, out);
    return cr_buf_check(out, err);
}
