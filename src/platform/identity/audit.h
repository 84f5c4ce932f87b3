/* audit.h - the audit log: who did what to whom, when, from where, with which result. The table audit.
 *
 * Invariants
 *  1. Rows are added and never changed; only the oldest ones of a result go, by age or when there are too many. The database itself refuses
 *     anything else (triggers).
 *  2. A row is written in the transaction of its deed: neither is there without the other, whatever is killed when.
 *  3. Rows hold names as they were at that time and no secret: no password, token, link or cookie, nor a text that could be one, such as
 *     a user name that nobody has.
 *  4. What strangers cause (refused) is counted apart from what was done, so that it cannot push that out.
 *
 * Adding a kind is adding a row to CR_AUDIT_KINDS; the texts are what filters, exports and the log say, so they stay.
 */
#ifndef CR_PLATFORM_IDENTITY_AUDIT_H
#define CR_PLATFORM_IDENTITY_AUDIT_H

#include <jansson.h>
#include <stdbool.h>
#include "platform/db/db.h"

#define CR_AUDIT_KINDS(X)                                             \
    X(SIGN_IN,         "sign-in",         "Sign-in")                  \
    X(SIGN_OUT,        "sign-out",        "Sign-out")                 \
    X(PROOF,           "proof",           "Identity proved again")    \
    X(PASSWORD,        "password",        "Password set")             \
    X(WAY_IN,          "way-in",          "Way in changed")           \
    X(PERSON_MADE,     "person-made",     "Account made")             \
    X(PERSON_RENAMED,  "person-renamed",  "Account renamed")          \
    X(PERSON_DISABLED, "person-disabled", "Account disabled")         \
    X(PERSON_ENABLED,  "person-enabled",  "Account enabled")          \
    X(PERSON_REMOVE,   "person-remove",   "Removal asked for")        \
    X(PERSON_REMOVED,  "person-removed",  "Account removed")          \
    X(ADMIN_GIVEN,     "admin-given",     "Made administrator")       \
    X(ADMIN_TAKEN,     "admin-taken",     "Administrator no more")    \
    X(LINK_MADE,       "link-made",       "Link made")                \
    X(LINK_CLOSED,     "link-closed",     "Link closed")              \
    X(MAIL_TEST,       "mail-test",       "Test mail sent")           \
    X(GROUP_MADE,      "group-made",      "Group made")               \
    X(GROUP_REMOVED,   "group-removed",   "Group removed")            \
    X(GROUP_JOINED,    "group-joined",    "Put into a group")         \
    X(GROUP_LEFT,      "group-left",      "Taken out of a group")     \
    X(GROUP_CHANGED,   "group-changed",   "Properties of a group")    \
    X(TOKEN_MADE,      "token-made",      "Token made")               \
    X(TOKEN_REVOKED,   "token-revoked",   "Token revoked")            \
    X(SERVER_STARTED,  "server-started",  "Server started")           \
    X(SERVER_STOPPED,  "server-stopped",  "Server stopped")           \
    X(SERVER_CHANGED,  "server-changed",  "Choice for a server changed") \
    X(SHARE_GIVEN,     "share-given",     "Server shared")            \
    X(SHARE_TAKEN,     "share-taken",     "Share taken away")         \
    X(SHARE_LINK,      "share-link",      "Link to a server made")    \
    X(SHARE_LINK_ENDED, "share-link-ended", "Link to a server taken away") \
    X(SHARE_ACCEPTED,  "share-accepted",  "Link to a server used")    \
    X(SERVER_ENTERED,  "server-entered",  "Another's server entered") \
    X(SERVICE_ENTERED, "service-entered", "Signed in to a service")   \
    X(DASHBOARD,       "dashboard",       "Dashboards opened")        \
    X(CLUSTER_STOPPED, "cluster-stopped", "Cluster stopped")          \
    X(AHEAD_PLANNED,   "ahead-planned",   "Servers to be started ahead") \
    X(AHEAD_CANCELLED, "ahead-cancelled", "Plan taken away")          \
    X(ANNOUNCEMENT,    "announcement",    "Announcement")             \
    X(MAINTENANCE,     "maintenance",     "Maintenance")              \
    X(BREAKER,         "breaker",         "Starts tried again")       \
    X(REFUSED_LIST,    "refused-list",    "Taken off the refused")    \
    X(BACKUP,          "backup",          "Database copied")          \
    X(ADMIN_PAGE,      "admin-page",      "Administrators' page")

typedef enum cr_audit_kind {
#define CR_AUDIT_X(name, text, words) CR_AUDIT_##name,
    CR_AUDIT_KINDS(CR_AUDIT_X)
#undef CR_AUDIT_X
    CR_AUDIT_N_KINDS
} cr_audit_kind;

enum { CR_AUDIT_DETAIL_MAX = 300, CR_AUDIT_LIST_MAX = 1000 };

typedef struct cr_audit_row {
    int64_t id, at_ms;                /* 0 in a row to be added: given by the table, now */
    const char *kind;                 /* its text; of a row to be added from cr_audit_kind_text */
    bool refused;
    const char *who;                  /* user name, "service NAME", "operator", "hub"; "" : a stranger */
    const char *via;                  /* "browser", "token aN", "service", "shell", "hub" */
    const char *source;               /* address; "" when there is none */
    const char *whom;                 /* person, group or cluster; "" : nobody in particular */
    const char *detail;
} cr_audit_row;

const char *cr_audit_kind_text(cr_audit_kind kind);
const char *cr_audit_kind_words(const char *kind);         /* for people; the text itself for a kind of another version */
/* false: there is none of this text. */
bool cr_audit_kind_is(const char *text);

/* Texts are made one line of UTF-8 and cut. Inside the transaction of the deed, or alone. */
cr_status cr_audit_add(cr_db *db, const cr_audit_row *row, cr_err *err) CR_MUST_USE;

typedef struct cr_audit_filter {
    const char *person;               /* who or whom; NULL: anybody */
    const char *kind;                 /* NULL: any */
    int64_t since_ms, until_ms;       /* at or after, before; 0: no bound */
    int64_t before_id;                /* rows older than this one; 0: from the newest */
    int64_t after_id;                 /* rows younger than this one */
    int64_t limit;                    /* 1 to CR_AUDIT_LIST_MAX */
} cr_audit_filter;
/* Newest first; texts are valid during the call. */
cr_status cr_audit_list(cr_db *db, const cr_audit_filter *filter, void (*each)(void *user, const cr_audit_row *row), void *user, cr_err *err) CR_MUST_USE;
/* {"id", "time", "kind", "result", "by", "via", "from", "on", "detail"}: a line of the log and of the export. */
json_t *cr_audit_json(const cr_audit_row *row);
cr_status cr_audit_last_id(cr_db *db, int64_t *ret_id, cr_err *err) CR_MUST_USE;
/* Deletes what is older than oldest_ms, and of done and of refused rows all but the newest `most` each. */
cr_status cr_audit_sweep(cr_db *db, int64_t oldest_ms, int64_t most, cr_err *err) CR_MUST_USE;

#endif
