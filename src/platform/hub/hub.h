/* hub.h - the hub process: what its parts share. One loop thread owns everything here.
 *
 * Parts, in the order of a request: gate.c (who is calling, is it forged), routes.c (the table), then one feature: signin.c, home.c,
 * oidc.c, signout.c, refused.c, language.c, people.c, invitations.c, groups_page.c, seat.c, user_paths.c (pages), removals.c, rest*.c, oauth*.c (calls of user servers, services and programs). lab.c is the life of a user server; control.c answers
 * root on the control socket; deeds.c is what administrators do, from wherever; auditing.c notes who did it; site.c holds templates and files. hub.c starts and ends it all.
 */
#ifndef CR_PLATFORM_HUB_HUB_H
#define CR_PLATFORM_HUB_HUB_H

#include "base/map.h"
#include "platform/daemon/config.h"
#include "platform/daemon/urls.h"
#include "platform/http/http.h"
#include "platform/http/template.h"
#include "platform/http/workers.h"
#include "platform/hub/breaker.h"
#include "platform/hub/issuer.h"
#include "platform/identity/folders.h"
#include "platform/identity/identities.h"
#include "platform/identity/onetime.h"
#include "platform/identity/role.h"
#include "platform/identity/service.h"
#include "platform/identity/session.h"
#include "platform/hub/pace.h"
#include "platform/identity/throttle.h"
#include "platform/proxy/proxy.h"
#include "platform/runner/runner.h"

typedef struct cr_site cr_site;
typedef struct cr_control cr_control;

enum { CR_TOKEN_USES_MAX = 256, CR_VISITS_MAX = 256, CR_JOINS_MAX = 64 };

struct cr_hub;
/* What a later folder of the platform does inside the hub process; daemon/main.c hands it in. */
typedef struct cr_hub_feature {
    const cr_route *routes;                                  /* looked at after the hub's own */
    cr_status (*open)(struct cr_hub *hub, cr_err *err);      /* sets hub->feature_state; database and proxy are there, the runner's list is not */
    void (*close)(struct cr_hub *hub);                       /* also after a failed open; does not answer requests that wait */
    bool (*event)(struct cr_hub *hub, const cr_runner_event *event);    /* before the hub sees it; true: it is the feature's alone */
    void (*minute)(struct cr_hub *hub);
    void (*status)(struct cr_hub *hub, cr_buf *out);         /* lines for cratond --status */
    void (*health)(const struct cr_hub *hub, json_t *late);  /* adds names of software environments that do not answer */
    void (*figures)(struct cr_hub *hub);                     /* notes its own, see figures.h */
    bool (*works)(struct cr_hub *hub, int64_t user_id);      /* does something of the person's run? It is use of the person's server */
    void (*clusters)(struct cr_hub *hub, json_t *rows);      /* adds one for each that runs, for craton admin */
    /* false: none of this name runs. Else whose it is. */
    bool (*stop_cluster)(struct cr_hub *hub, const char *name, const char *reason, char ret_user[CR_NAME_MAX + 1]);
    /* Ends what runs for the person. false: something still does; cr_people_continue_removals() follows when it has ended. */
    bool (*release)(struct cr_hub *hub, int64_t user_id);
    void (*signed_out)(struct cr_hub *hub);                  /* a session or a share has ended: what it opened is closed */
    void (*clock_set)(struct cr_hub *hub, int64_t by_ms);    /* see clock_set.h */
} cr_hub_feature;

typedef struct cr_hub {
    const cr_hub_feature *feature;            /* NULL: none */
    void *feature_state;
    cr_route *routes;                         /* the hub's and the feature's */
    const cr_config *config;
    const cr_provider_set *providers;
    const cr_service_set *services;
    const cr_role_set *roles;
    const cr_profile_set *profiles;
    cr_issuer *issuers[CR_PROVIDERS_MAX];     /* of the providers, in their order */
    struct cr_oidc_job *oidc_jobs;            /* sign-ins that wait for a provider; see oidc.c */
    int n_oidc_jobs;
    cr_pace *oidc_pace;                       /* their failures by address */
    char fetch_socket[256];
    struct cr_mailing *mailing;    /* see mailing.h */
    cr_loop *loop;
    cr_workers *workers;
    cr_http *http;
    cr_db *db;
    cr_secret secret;
    cr_throttle *throttle;
    cr_site *site;
    cr_proxy *proxy;
    cr_runner *runner;
    cr_loop_source *runner_watch, *term_watch;
    cr_control *control;
    cr_map servers;           /* see lab.h */
    size_t servers_most;      /* with more of them in memory it is time for cr_labs_trim() */
    struct cr_idle_watch *idle;    /* see idle_watch.h */
    struct cr_notices *notices;    /* see notices.h */
    struct cr_disk_watch *disk;    /* see disk.h */
    struct cr_aheads *aheads;      /* see ahead.h */
    cr_folders folders;            /* of groups, by the setting */
    struct cr_auditing *auditing;  /* see auditing.h */
    struct cr_metrics *figures;    /* see figures.h */
    cr_breaker breaker[CR_PROFILES_MAX];    /* starts that fail for several people, by the profile's place; see cr_choice_place() */
    bool recovering;          /* the runner's list is not complete yet */
    int64_t recovery_seen;    /* servers found in it */
    cr_timer minute;          /* sweeps and coalesced writes */
    cr_timer keep_alive;      /* of event streams */
    cr_timer removals, recovery;
    cr_timer places;          /* to tell those who wait for a start; and when they were told last (monotonic), see lab_queue.c */
    int64_t places_ms;
    int64_t proxy_pid;
    int64_t tls_until_s;      /* 0: not known */
    char tls_problem[256];
    struct { int64_t id, ms; } token_uses[CR_TOKEN_USES_MAX];      /* not written yet, see rest_tokens.c */
    int n_token_uses;
    struct {
        int64_t who, server_id, ms;
        uint64_t generation;
        unsigned char hash[CR_HASH_BYTES];    /* of the token: numbers are given again */
    } visits[CR_VISITS_MAX];  /* noted last (monotonic), see visits.h */
    int next_visit;
    struct {
        unsigned char link[CR_HASH_BYTES];
        int64_t user_id, ms;
    } joins[CR_JOINS_MAX];    /* by one-time links, the last ones (monotonic), see join.c; user_id 0: none */
    int next_join;
    bool rights_known;        /* what the operator's files give was compared with what they gave to the hub before this one, see given.h */
    int exit_code;
    int64_t started_ms;       /* wall */
    int64_t clock_ahead_ms;   /* wall time minus monotonic time, see clock_set.h */
    int64_t clock_back_ms;    /* by how much it was set back since the hub runs */
    char hub_origin[512], hub_host[512];    /* http://127.0.0.1:8000, 127.0.0.1:8000 */
    char hub_url[512];        /* http://127.0.0.1:8000/craton: what links begin with */
    bool secure_cookies;      /* __Host- cookies: loopback or TLS */
    char policy[6000];        /* Content-Security-Policy */
} cr_hub;

/* Who is calling; made by the gate for every request. */
typedef struct cr_caller {
    bool signed_in;           /* by a login session */
    bool by_token;            /* by an API token */
    const cr_service *service;/* whose token it is, when it is a service's; else NULL */
    cr_person person;         /* when either; for a service nobody: a negative id, "service NAME", admin as it has the role */
    int64_t session_id;
    cr_token token;           /* by_token */
    const char *session;      /* the cookie's text: makes CSRF tokens */
    const char *pre_session;  /* the pre-session cookie, NULL when there is none */
    const struct cr_scopes *scopes;    /* NULL until somebody asks: cr_rest_scopes() */
    bool stale_form;          /* a CR_CSRF_PRE form without the right token */
    bool ours;                /* not from a page of another site: may be given cookies */
} cr_caller;

/* The process; see docs/decisions/0003-helper-and-hub.md. Returns the exit code. */
int cr_hub_main(const cr_config *config, const cr_provider_set *providers, const cr_service_set *services, const cr_role_set *roles,
                const cr_profile_set *profiles, const cr_hub_feature *feature, int runner_fd, int api_fd, int control_fd);
void cr_hub_stop(cr_hub *hub, int exit_code);

static inline cr_hub *cr_hub_of(const cr_request *req) { return req->app; }
static inline cr_caller *cr_caller_of(const cr_request *req) { return req->caller; }

/* gate.c */
bool cr_gate(cr_request *req);
void cr_gate_set_login(cr_request *req, const char *token);        /* NULL: takes the cookie away */
/* This browser's device cookie (identity/device.h), NULL when there is none; and the one after a sign-in with this name. */
const char *cr_gate_device(const cr_request *req);
void cr_gate_set_device(cr_request *req, const char *name);
/* What a browser keeps while its person is at an identity provider; NULL takes it away. At most CR_SIGNIN_COOKIE_MAX bytes. */
enum { CR_SIGNIN_COOKIE_MAX = 3600 };
void cr_gate_set_signin(cr_request *req, const char *value, int64_t life_s);
const char *cr_gate_signin(const cr_request *req);
/* The language that this browser has chosen, NULL: none. Whatever a cookie can be. */
const char *cr_gate_language(cr_request *req);
void cr_gate_set_language(cr_request *req, const char *code);
/* Says at the API port that this token is right (CR_HOLDER_HEADER). */
void cr_gate_tell_holder(cr_request *req, const char *token);
/* The pre-session cookie's text, made and sent when the caller has none. */
const char *cr_gate_pre_session(cr_request *req);
/* A path of the hub that is safe to go to after sign-in, or NULL: /hub/..., no scheme, no host, no control characters. It may come with the base
 * before it, which is left out. */
const char *cr_gate_safe_next(const cr_hub *hub, const char *next);

/* routes.c */
extern const cr_route cr_hub_routes[];

/* site.c: templates and static files, read once at start. */
/* own: STATE/texts, the operator's texts and logo; what is wrong there is logged and left out. */
cr_status cr_site_new(const char *folder, const char *own, cr_site **ret_site, cr_err *err) CR_MUST_USE;
void cr_site_free(cr_site *site);
const struct cr_languages *cr_site_languages(const cr_site *site);
/* Renders a page for this caller, in the caller's language; steals values (may be NULL). Adds to them: csrf, me, what every page shows. */
void cr_site_page(cr_request *req, int status, const char *name, json_t *values);
void cr_site_error(cr_request *req, int status, const char *message, const char *hint);
void cr_site_file(cr_request *req);            /* handler of /hub/static/:file */

/* signin.c */
enum { CR_SIGNIN_STRANGERS = 64 };             /* sign-ins of unknown browsers at a time; known ones have places of their own in the queue */
void cr_login_form(cr_request *req);
void cr_login_post(cr_request *req);
/* A new session for a person who proved it, proved_ms (wall), by what (for the audit log); the browser's old one ends. false: replied. */
/* login: at which provider, NULL: none. */
bool cr_signin_session(cr_request *req, const cr_person *person, int64_t life_ms, int64_t proved_ms, const char *how, const cr_session_login *login);
void cr_signin_sessions_ended(cr_hub *hub);    /* tells the feature: what was opened in them is closed */
/* Is this the caller's own password? Counted and slowed like a sign-in, and as long for who has none. then replies; problem: "" when right. */
typedef void (*cr_signin_asked)(cr_request *req, int status, const char *problem);
void cr_signin_ask(cr_request *req, const char *password, cr_signin_asked then);
/* In the transaction of the caller: what was given under the old one ends, and whoever is in by it is put out. */
cr_status cr_signin_set_password(cr_hub *hub, int64_t id, const char *hash, cr_err *err) CR_MUST_USE;
void cr_logout(cr_request *req);
void cr_password_form(cr_request *req);
void cr_password_post(cr_request *req);
void cr_link_post(cr_request *req);            /* a provider becomes a way in to the own account, or is none any more */
void cr_unlink_post(cr_request *req);

/* join.c: one-time links */
void cr_join_form(cr_request *req);
void cr_join_post(cr_request *req);

/* oidc.c: sign-in by an identity provider */
cr_status cr_oidc_open(cr_hub *hub, cr_err *err) CR_MUST_USE;
void cr_oidc_close(cr_hub *hub);
void cr_oidc_start(cr_request *req);           /* /hub/signin/:provider */
void cr_oidc_callback(cr_request *req);        /* /hub/signin/:provider/callback, /hub/oauth_callback */
/* The caller, who has just given the password, adds an identity of this provider to the own account. */
void cr_oidc_link(cr_request *req, const char *provider);
/* The caller proves again to be who signed in, at this provider, which must ask and must not remember; then comes back to /hub/again. */
void cr_oidc_again(cr_request *req, const char *provider);
/* Buttons of the sign-in page: [{url, label, name}]; next may be NULL. */
json_t *cr_oidc_buttons(const cr_hub *hub, const char *next);
/* signout.c: a provider says that somebody has signed out there; a browser that is signed out here goes to do it there too */
void cr_oidc_backchannel(cr_request *req);     /* /hub/signin/:provider/backchannel */
void cr_oidc_signout(cr_request *req);         /* /hub/signin/:provider/signout */
json_t *cr_oidc_ways_out(const cr_hub *hub);   /* [{label, name}] */
/* refused.c: "why am I not in", and the administrator's list of such people */
void cr_refused_page(cr_request *req, const cr_provider *p, const cr_oidc_who *who);
json_t *cr_refused_rows(cr_hub *hub);          /* NULL: the database does not answer */

/* home.c */
void cr_root(cr_request *req);
void cr_home(cr_request *req);
void cr_spawn_post(cr_request *req);
void cr_spawn_form(cr_request *req);
void cr_stop_post(cr_request *req);
void cr_keep_post(cr_request *req);            /* an idle server shall not be stopped for a while */
void cr_servers_post(cr_request *req);         /* a named server is made */
void cr_servers_remove(cr_request *req);
void cr_pending(cr_request *req);
/* user_paths.c */
void cr_user_redirect(cr_request *req);
void cr_user_path(cr_request *req);            /* /hub/user/NAME/... of a server that is not there */
void cr_user_path_direct(cr_request *req);     /* /user/NAME/... that reached the hub */

/* people.c */
void cr_people(cr_request *req);
void cr_people_invite(cr_request *req);
void cr_people_act(cr_request *req);

/* invitations.c */
void cr_invitations(cr_request *req);
void cr_invitations_several(cr_request *req);
void cr_invitations_room(cr_request *req);
void cr_invitations_close(cr_request *req);

/* seat.c: the link of a room, used by who has an account */
bool cr_seat_leads_in(const cr_onetime *what); /* it puts people into a group and fixes no name */
bool cr_seat_page(cr_request *req, const cr_onetime *what);    /* false: not for this link or caller, and nothing is replied */
/* A link that is full, in the hands of somebody signed in who is in its group: shows that. false: it is not so, and nothing is replied. */
bool cr_seat_is_kept(cr_request *req);
void cr_seat_post(cr_request *req);

/* groups_page.c */
void cr_groups_page(cr_request *req);
void cr_groups_post(cr_request *req);
/* Sets "group_names", [{name}], for a field that takes a group; the oldest hundred. */
void cr_groups_add_names(cr_hub *hub, json_t *values);

/* removals.c */
typedef struct cr_removal_row {
    bool wanted;              /* the person is being removed */
    char problem[256];        /* why the last attempt failed; "" : none did */
} cr_removal_row;
/* Disables at once; servers, files, account and rows go later, whatever is killed in between. Again: tries again now. who: for the audit log. */
struct cr_actor;
cr_status cr_people_remove(cr_hub *hub, const struct cr_actor *who, const cr_person *person, cr_err *err) CR_MUST_USE;
void cr_people_continue_removals(cr_hub *hub);
cr_status cr_removal_find(cr_hub *hub, int64_t user_id, cr_removal_row *ret_row, cr_err *err) CR_MUST_USE;
void cr_removals_event(cr_hub *hub, const cr_runner_event *event);
void cr_removals_begin(cr_hub *hub);           /* when the runner's list is complete; also takes left-over demo accounts away */
void cr_removals_on_minute(cr_hub *hub);
void cr_removals_text(cr_hub *hub, cr_buf *out);

/* REST, see rest.h: rest_hub.c */
void cr_api_version(cr_request *req);
void cr_api_info(cr_request *req);
void cr_api_health(cr_request *req);
void cr_api_proxy(cr_request *req);
void cr_api_proxy_check(cr_request *req);
void cr_api_proxy_change(cr_request *req);
cr_status cr_services_open(cr_hub *hub, cr_err *err) CR_MUST_USE;    /* rest_services.c; once, when the database is open */
void cr_api_services(cr_request *req);
void cr_api_service(cr_request *req);
void cr_api_shutdown(cr_request *req);
/* rest_users.c */
void cr_api_user(cr_request *req);
void cr_api_users(cr_request *req);
void cr_api_users_make(cr_request *req);
void cr_api_user_get(cr_request *req);
void cr_api_user_make(cr_request *req);
void cr_api_user_change(cr_request *req);
void cr_api_user_remove(cr_request *req);
/* rest_servers.c */
void cr_api_activity(cr_request *req);
void cr_api_server_get(cr_request *req);
void cr_api_server_start(cr_request *req);
void cr_api_server_stop(cr_request *req);
void cr_api_progress(cr_request *req);
/* rest_named.c */
void cr_api_server_make(cr_request *req);
void cr_api_server_change(cr_request *req);
/* rest_tokens.c */
void cr_api_tokens(cr_request *req);
void cr_api_token_make(cr_request *req);
void cr_api_token_get(cr_request *req);
void cr_api_token_remove(cr_request *req);
void cr_tokens_note_use(cr_hub *hub, const cr_token *token);
void cr_tokens_write_uses(cr_hub *hub);
/* tokens_page.c: /hub/token */
void cr_tokens_page(cr_request *req);
void cr_tokens_page_make(cr_request *req);
void cr_tokens_page_remove(cr_request *req);
/* shares_page.c: /hub/shares, the own server's; /hub/accept-share, a link that was sent */
void cr_shares_page(cr_request *req);
void cr_shares_page_give(cr_request *req);
void cr_shares_page_remove(cr_request *req);
void cr_shares_page_leave(cr_request *req);
void cr_accept_page(cr_request *req);
void cr_accept_post(cr_request *req);
/* rest_groups.c */
void cr_api_groups(cr_request *req);
void cr_api_groups_make(cr_request *req);
void cr_api_group_get(cr_request *req);
void cr_api_group_make(cr_request *req);
void cr_api_group_remove(cr_request *req);
void cr_api_group_users(cr_request *req);
void cr_api_group_properties(cr_request *req);
/* rest_authorization.c */
void cr_api_authorization(cr_request *req);
void cr_api_authorization_make(cr_request *req);
/* rest_shares.c */
void cr_api_shares(cr_request *req);
void cr_api_share_codes(cr_request *req);
void cr_api_shared(cr_request *req);
void cr_api_shared_one(cr_request *req);
void cr_api_group_shared(cr_request *req);
void cr_api_group_shared_one(cr_request *req);
/* oauth.c */
void cr_oauth_authorize(cr_request *req);
void cr_oauth_token(cr_request *req);

/* control.c */
/* Days until the public certificate ends, rounded down; true: too few, of one that renews itself (ACME) fewer. */
bool cr_tls_ends_soon(const cr_hub *hub, int64_t *ret_days);
cr_status cr_control_new(cr_hub *hub, int fd, cr_control **ret_control, cr_err *err) CR_MUST_USE;
void cr_control_free(cr_control *control);

#endif
