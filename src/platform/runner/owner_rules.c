/* owner_rules.c - the text of the rules, and running nft: at the start of the helper at once, later by jobs, one at a time. */
#include "platform/runner/owner_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "platform/daemon/urls.h"
#include "platform/runner/process.h"

enum { TEXT_MOST = 8 << 20, NFT_TIMEOUT_MS = 5000, JOB_TIMEOUT_MS = 8000, AGAIN_MS = 30000 };

/* An account that is being put into the table. */
typedef struct admission {
    struct admission *next;
    cr_owner_rules *rules;
    uid_t uid;
} admission;

struct cr_owner_rules {
    const cr_config *config;
    const char *nft;
    cr_jobs *jobs;
    cr_owner_rules_fn admitted;
    void *user;
    admission *admissions;
    bool putting;                 /* the whole table */
    uint64_t changes, put_changes; /* of `known`; as they were when that was asked for */
    char table[64];
    bool in_force;                /* the table in the kernel knows every admitted account */
    bool said;                    /* that it is not */
    int64_t again_ms;             /* not in force: when to try again */
    uint8_t *known;               /* one bit per uid from config->uid_first */
};

static bool in_range(const cr_owner_rules *r, uid_t uid) {
    return (int64_t)uid >= r->config->uid_first && (int64_t)uid < r->config->uid_first + r->config->uid_count;
}

/* True when it was not set before. */
static bool set_bit(cr_owner_rules *r, uid_t uid) {
    size_t i = (size_t)((int64_t)uid - r->config->uid_first);
    bool fresh = !(r->known[i / 8] & (1u << i % 8));
    r->changes += fresh;
    r->known[i / 8] |= (uint8_t)(1u << i % 8);
    return fresh;
}

/* between: what stands between an account's uid and its mark, which is the same number; NULL: no mark. */
static void add_elements(const uid_t *uids, size_t n, const char *between, cr_buf *out) {
    if (!n)
        return;
    cr_buf_addf(out, " elements = { ");
    for (size_t i = 0; i < n; i++) {
        cr_buf_addf(out, "%s%u", i ? ", " : "", (unsigned)uids[i]);
        if (between)
            cr_buf_addf(out, " %s %u", between, (unsigned)uids[i]);
    }
    cr_buf_addf(out, " };");
}

/* The ports of HAProxy. Its limits are per address, and every account could come from sixteen million of the loopback; and who comes from where the
 * front proxy is would be believed about where a request comes from. */
static void add_ports(const cr_config *c, cr_buf *out) {
    static const char opening[] = "    oifname \"lo\" tcp flags & (syn | ack) == syn meta skuid @ours tcp dport";
    cr_buf_addf(out, "%s { %d, %d, %d", opening, (int)c->port, (int)c->port + 1, (int)c->port + 2);
    if (c->gateway_port)
        cr_buf_addf(out, ", %d", (int)c->gateway_port);
    cr_buf_adds(out, " } ip saddr 127.0.0.0/8 ip saddr != 127.0.0.1 drop\n");
    if (c->trusted_proxies[0])
        cr_buf_addf(out, "%s { %d, %d } drop\n", opening, (int)c->port, (int)c->port + 1);
}

void cr_owner_rules_text(const char *table, const cr_config *c, const uid_t *uids, size_t n, cr_buf *out) {
    unsigned first = (unsigned)c->uid_first, last = first + (unsigned)c->uid_count - 1;
    /* Named first, so that deleting what may not be there does not fail; all of it is one transaction. */
    cr_buf_addf(out, "table inet %s\ndelete table inet %s\ntable inet %s {\n  map marks { type uid : mark;", table, table, table);
    add_elements(uids, n, ":", out);
    cr_buf_addf(out, " }\n  set ours { type uid;");
    add_elements(uids, n, NULL, out);
    cr_buf_addf(out, " }\n  set same { type uid . mark;");
    add_elements(uids, n, ".", out);
    cr_buf_adds(out, " }\n  chain out {\n    type filter hook output priority filter; policy accept;\n");
    add_ports(c, out);
    /* Only what our own accounts answer is judged: another platform on this machine may have the same range of uids, and what it lets an
     * account of its own do, this table, which does not know that account, must not cut. */
    cr_buf_addf(out,
                "    oifname \"lo\" tcp flags & (syn | ack) == syn ct mark set meta skuid map @marks\n"
                "    oifname \"lo\" tcp flags & (syn | ack) == (syn | ack) meta skuid @ours ct mark %u-%u meta skuid . ct mark != @same drop\n  }\n}\n",
                first, last);
}

static cr_status run_text(const cr_owner_rules *r, const cr_buf *text, cr_err *err) {
    char path[CR_URL_MAX];
    CR_TRY(cr_buf_check(text, err));
    cr_run_path(r->config, "owner-rules.nft", path, sizeof path);
    CR_TRY(cr_file_replace(path, text->data, text->len, 0600, err));
    const char *const argv[] = {r->nft, "-f", path, NULL};
    cr_status status = cr_program_run(argv, (uid_t)-1, 0, NFT_TIMEOUT_MS, err);
    unlink(path);
    return status;
}

static cr_status put_table(const cr_owner_rules *r, cr_err *err) {
    cr_auto_buf cr_buf text;
    cr_auto_free uid_t *each = malloc((size_t)r->config->uid_count * sizeof *each);
    size_t n = 0;
    if (!each)
        return CR_FAIL(err, CR_MEMORY, "no memory for owner rules");
    for (size_t i = 0; i < (size_t)r->config->uid_count; i++)
        if (r->known[i / 8] & (1u << i % 8))
            each[n++] = (uid_t)(r->config->uid_first + (int64_t)i);
    cr_buf_init(&text, TEXT_MOST);
    cr_owner_rules_text(r->table, r->config, each, n, &text);
    return run_text(r, &text, err);
}

static void lost(cr_owner_rules *r, const cr_err *why) {
    r->in_force = false;
    r->again_ms = cr_now_ms() + AGAIN_MS;
    if (!r->said)
        cr_log_err(CR_LOG_WARN, "no owner rules: an account's programs can reach what another's serve on the loopback", why);
    r->said = true;
}

static void found(cr_owner_rules *r) {
    r->in_force = true;
    r->said = false;
    cr_log(CR_LOG_INFO, "owner rules are in force", "table=%s", r->table);
}

cr_status cr_owner_rules_open(const cr_config *c, const char *nft, const char *table, const uid_t *uids, size_t n, cr_jobs *jobs,
                              cr_owner_rules_fn admitted, void *user, cr_owner_rules **ret_rules, cr_err *err) {
    cr_err why = CR_ERR_INIT;
    *ret_rules = NULL;
    if (!c->as_root)
        return CR_OK;
    cr_owner_rules *r = calloc(1, sizeof *r);
    uint8_t *bits = calloc(1, (size_t)c->uid_count / 8 + 1);
    if (!r || !bits) {
        free(r);
        free(bits);
        return CR_FAIL(err, CR_MEMORY, "no memory for owner rules");
    }
    *r = (cr_owner_rules){.config = c, .nft = nft, .jobs = jobs, .admitted = admitted, .user = user, .known = bits};
    snprintf(r->table, sizeof r->table, "%s", table);
    for (size_t i = 0; i < n; i++)
        if (in_range(r, uids[i]))
            (void)set_bit(r, uids[i]);
    cr_status status = access(nft, X_OK) == 0 ? put_table(r, &why) : CR_FAIL(&why, CR_NO_FILE, "%s is not installed", nft);
    if (status == CR_OK)
        found(r);
    else
        lost(r, &why);
    *ret_rules = r;
    return CR_OK;
}

/* ---- one more account ---- */

typedef struct admit_order {
    const cr_owner_rules *rules;
    uid_t uid;
} admit_order;

/* A job. */
static cr_status admit(const void *what, cr_err *err) {
    const admit_order *o = what;
    const char *table = o->rules->table;
    unsigned u = (unsigned)o->uid;
    cr_auto_buf cr_buf b;
    cr_buf_init(&b, 400);
    cr_buf_addf(&b, "add element inet %s marks { %u : %u }\nadd element inet %s ours { %u }\nadd element inet %s same { %u . %u }\n", table, u, u, table, u,
                table, u, u);
    return run_text(o->rules, &b, err);
}

static void on_admitted(void *user, const cr_err *result) {
    admission *a = user;
    cr_owner_rules *r = a->rules;
    uid_t uid = a->uid;
    for (admission **at = &r->admissions; *at; at = &(*at)->next) {
        if (*at == a) {
            *at = a->next;
            break;
        }
    }
    free(a);
    if (result->status != CR_OK)
        lost(r, result);
    r->admitted(r->user, uid);
}

static bool is_under_way(const cr_owner_rules *r, uid_t uid) {
    for (const admission *a = r->admissions; a; a = a->next)
        if (a->uid == uid)
            return true;
    return false;
}

bool cr_owner_rules_admit(cr_owner_rules *r, uid_t uid) {
    cr_err err = CR_ERR_INIT;
    if (!r || !in_range(r, uid))
        return false;
    if (is_under_way(r, uid))
        return true;
    if (!set_bit(r, uid) || !r->in_force)      /* else it comes with the table */
        return false;
    admission *a = malloc(sizeof *a);
    const admit_order order = {r, uid};
    cr_status status = a ? cr_jobs_add(r->jobs, CR_LANE_RULES, admit, &order, sizeof order, JOB_TIMEOUT_MS, on_admitted, a, &err)
                         : CR_FAIL(&err, CR_MEMORY, "no memory for owner rules");
    if (status != CR_OK) {
        free(a);
        lost(r, &err);
        return false;
    }
    *a = (admission){r->admissions, r, uid};
    r->admissions = a;
    return true;
}

/* ---- the whole table ---- */

/* A job: with the accounts that are known when it begins. */
static cr_status put_all(const void *what, cr_err *err) { return put_table(*(cr_owner_rules *const *)what, err); }

static void on_put(void *user, const cr_err *result) {
    cr_owner_rules *r = user;
    r->putting = false;
    if (result->status != CR_OK) {
        lost(r, result);
    } else if (r->changes != r->put_changes) {      /* somebody came meanwhile, and may not be in it */
        r->again_ms = cr_now_ms();
        cr_owner_rules_again(r, r->again_ms);
    } else {
        found(r);
    }
}

void cr_owner_rules_again(cr_owner_rules *r, int64_t now_ms) {
    cr_err err = CR_ERR_INIT;
    if (!r || r->in_force || r->putting || now_ms < r->again_ms || access(r->nft, X_OK) != 0)
        return;
    r->put_changes = r->changes;
    if (cr_jobs_add(r->jobs, CR_LANE_RULES, put_all, &r, sizeof r, JOB_TIMEOUT_MS, on_put, r, &err) == CR_OK)
        r->putting = true;
    else
        lost(r, &err);
}

void cr_owner_rules_close(cr_owner_rules *r, bool remove) {
    cr_err err = CR_ERR_INIT;
    if (!r)
        return;
    const char *const argv[] = {r->nft, "delete", "table", "inet", r->table, NULL};
    if (remove && cr_program_run(argv, (uid_t)-1, 0, NFT_TIMEOUT_MS, &err) != CR_OK && r->in_force)
        cr_log_err(CR_LOG_WARN, "owner rules not removed", &err);
    for (admission *a = r->admissions, *next; a; a = next) {
        next = a->next;
        free(a);
    }
    free(r->known);
    free(r);
}
