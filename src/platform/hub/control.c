/* control.c - the control socket: root, or the hub's own user, asks with one line of JSON and gets one line back.
 *
 *   {"command":"status"}                   what runs; "text" is for people
 *   {"command":"admin-link"}               {"url":...,"text":...}: only this peer sees it; it is not logged
 *   {"command":"backup"}                   {"path":...}: a consistent copy below STATE/hub, for the peer to take away and delete
 *   {"command":"stop-servers"}             {"text":...} when all have ended
 *   {"command":"admin","do":...}           see operator.h
 *   {"command":"demo-create"}              {"name":...,"account":...,"password":...,"url":...}; loopback only
 *   {"command":"demo-remove","name":...}   {"text":...} when it is gone
 * Failures: {"error":...,"status":"CONFLICT","hint":...}.
 */
#include "platform/hub/deeds.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/hub/disk.h"
#include "platform/hub/lab.h"
#include "platform/hub/mailing.h"
#include "platform/hub/operator.h"

enum { PEERS_MAX = 16, LINE_MAX_BYTES = 4096, POLL_MS = 200, TEXT_MAX = 1 << 20, READ_PATIENCE_MS = 30000, ACCEPT_PAUSE_MS = 200 };

typedef struct peer {
    struct peer *next;
    cr_control *control;
    int fd;
    int64_t uid;              /* who asks */
    cr_loop_source *watch;
    cr_buf in;
    bool asked, sending;
    char *out;                /* the answer, sent up to out_done */
    size_t out_len, out_done;
    cr_timer timer;           /* while an answer waits for something, or its reader keeps us waiting */
    bool (*done)(struct peer *peer);
    cr_person person;         /* being removed */
    int64_t mail;             /* being sent */
} peer;

struct cr_control {
    cr_hub *hub;
    int fd;
    cr_loop_source *watch;
    cr_timer pause;           /* while nobody can be accepted */
    peer *peers;
    int n_peers;
};

static void close_peer(peer *p) {
    peer **at = &p->control->peers;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    p->control->n_peers--;
    cr_timer_stop(&p->timer);
    cr_loop_source_remove(p->watch);
    close(p->fd);
    cr_buf_done(&p->in);
    if (p->out)
        explicit_bzero(p->out, p->out_len);
    free(p->out);
    free(p);
}

static void give_up(void *user) { close_peer(user); }

/* Ends with the peer. The status of many servers is longer than a socket takes at once. */
static void send_rest(void *user, uint32_t events) {
    peer *p = user;
    cr_loop *loop = p->control->hub->loop;
    while (p->out_done < p->out_len) {
        ssize_t n = send(p->fd, p->out + p->out_done, p->out_len - p->out_done, MSG_NOSIGNAL);
        if (n > 0) {
            p->out_done += (size_t)n;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            break;
        cr_timer_start(loop, &p->timer, READ_PATIENCE_MS, give_up, p);
        if (p->sending)
            return;
        cr_loop_source_remove(p->watch);
        p->watch = NULL;
        p->sending = true;
        if (cr_loop_watch(loop, p->fd, EPOLLOUT, send_rest, p, &p->watch, NULL) == CR_OK)
            return;
        break;
    }
    close_peer(p);
}

/* Steals body. */
static void answer(peer *p, json_t *body) {
    p->out = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    if (p->out) {
        p->out_len = strlen(p->out) + 1;
        p->out[p->out_len - 1] = '\n';      /* in place of the terminating zero: the length is known */
    }
    send_rest(p, 0);
}

static void answer_err(peer *p, const cr_err *err) {
    answer(p, json_pack("{s:s, s:s, s:s}", "error", err->message, "status", cr_status_name(err->status), "hint", err->hint));
}

/* ---- operations ---- */

bool cr_tls_ends_soon(const cr_hub *hub, int64_t *ret_days) {
    *ret_days = (hub->tls_until_s - cr_wall_ms() / 1000) / (24 * 60 * 60);
    return hub->tls_until_s && *ret_days < (hub->config->acme[0] ? 3 : 14);
}

static void tls_text(const cr_hub *hub, cr_buf *out) {
    char date[32];
    int64_t days;
    bool soon = cr_tls_ends_soon(hub, &days);
    if (hub->tls_until_s)
        cr_buf_addf(out, "  tls:     certificate until %s, %lld days%s\n", cr_iso8601(hub->tls_until_s * 1000, date, sizeof date), (long long)days,
                    soon ? ": RENEW IT" : "");
    if (hub->tls_problem[0])
        cr_buf_addf(out, "  tls:     %s: %s\n", hub->config->acme[0] ? "NO new certificate" : "the new certificate is NOT served", hub->tls_problem);
}

static void status_text(cr_hub *hub, int64_t people, int64_t admins, const cr_proxy_state *proxy, cr_buf *out) {
    char time[24];
    cr_buf_addf(out, "Craton is running at %s since %s.\n", hub->hub_url, cr_text_duration(cr_wall_ms() - hub->started_ms, time, sizeof time));
    cr_buf_addf(out, "  users:   %lld, administrators: %lld\n", (long long)people, (long long)admins);
    cr_buf_addf(out, "  proxy:   %s\n", proxy->connected ? "connected" : "NOT connected");
    cr_buf_addf(out, "  servers: %d running\n", cr_lab_count_running(hub));
    if (hub->feature)
        hub->feature->status(hub, out);
    cr_disk_text(hub, out);
    cr_mailing_text(hub, out);
    tls_text(hub, out);
    cr_removals_text(hub, out);
    void *value;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));) {
        const cr_lab *s = value;
        if (s->state != CR_LAB_STOPPED)
            cr_buf_addf(out, "    %s%s%s  %s\n", s->user, s->name[0] ? "/" : "", s->name, s->message);
    }
}

static void op_status(peer *p, const json_t *ask) {
    cr_hub *hub = p->control->hub;
    int64_t people = 0, admins = 0;
    cr_err err = CR_ERR_INIT;
    if (cr_person_count(hub->db, &people, &admins, &err) != CR_OK) {
        answer_err(p, &err);
        return;
    }
    cr_proxy_state proxy;
    cr_proxy_get_state(hub->proxy, &proxy);
    json_t *servers = json_array();
    void *value;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));) {
        const cr_lab *s = value;
        if (s->state != CR_LAB_STOPPED)
            json_array_append_new(servers, json_pack("{s:s, s:s, s:s, s:b, s:I, s:s}", "user", s->user, "account", s->account, "server", s->name,
                                                     "ready", s->state == CR_LAB_READY, "generation", (json_int_t)s->generation, "message",
                                                     s->message));
    }
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, TEXT_MAX);
    status_text(hub, people, admins, &proxy, &text);
    answer(p, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:i, s:b, s:{s:b, s:I, s:I, s:I}, s:{s:I, s:s}, s:o}", "text", cr_buf_str(&text), "url", hub->hub_url, "pid",
                        (json_int_t)getpid(), "uptime_ms", (json_int_t)(cr_wall_ms() - hub->started_ms), "users", (json_int_t)people,
                        "administrators", (json_int_t)admins, "database_version", cr_db_version(hub->db), "recovering", hub->recovering, "proxy",
                        "connected", proxy.connected, "pid", (json_int_t)proxy.pid, "routes", (json_int_t)proxy.routes, "repairs",
                        (json_int_t)proxy.repairs, "tls", "until_s", (json_int_t)hub->tls_until_s, "problem", hub->tls_problem, "servers",
                        servers));
}

static void op_admin_link(peer *p, const json_t *ask) {
    cr_hub *hub = p->control->hub;
    cr_onetime what = {.kind = CR_ONETIME_ADMIN};
    char url[CR_URL_MAX];
    cr_actor who;
    cr_err err = CR_ERR_INIT;
    cr_actor_shell(p->uid, &who);
    if (cr_deed_link(hub, &who, &what, "", url, &err) != CR_OK) {
        answer_err(p, &err);
        return;
    }
    cr_log(CR_LOG_INFO, "administrator link made", NULL);
    answer(p, json_pack("{s:s, s:s, s:i}", "url", url, "text", url, "valid_s", CR_ONETIME_LIFE_MS / 1000));
    explicit_bzero(url, sizeof url);
}

static void op_backup(peer *p, const json_t *ask) {
    cr_hub *hub = p->control->hub;
    char path[1200], stamp[32], random[9];
    cr_err err = CR_ERR_INIT;
    time_t now = time(NULL);
    struct tm tm;
    strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", gmtime_r(&now, &tm));
    cr_random_hex(random, 4);
    snprintf(path, sizeof path, "%s/hub/backup-%s-%s.sqlite", hub->config->state_dir, stamp, random);
    cr_labs_write_activity(hub);
    if (cr_db_backup(hub->db, path, &err) != CR_OK) {
        answer_err(p, &err);
        return;
    }
    cr_actor who;
    cr_actor_shell(p->uid, &who);
    cr_audit_note(hub, &who, CR_AUDIT_BACKUP, "", "");
    answer(p, json_pack("{s:s}", "path", path));
}

static void wait_on(void *user) {
    peer *p = user;
    if (!p->done(p))
        cr_timer_start(p->control->hub->loop, &p->timer, POLL_MS, wait_on, p);
}

static bool all_stopped(peer *p) {
    if (cr_lab_count_running(p->control->hub))
        return false;
    answer(p, json_pack("{s:s}", "text", "all user servers have ended"));
    return true;
}

static void op_stop_servers(peer *p, const json_t *ask) {
    cr_hub *hub = p->control->hub;
    cr_err err = CR_ERR_INIT;
    void *value;
    for (size_t i = 0; (i = cr_map_next(&hub->servers, i, NULL, &value));) {
        if (cr_lab_stop_for(value, "platform", "The platform was stopped.", &err) != CR_OK) {
            answer_err(p, &err);
            return;
        }
    }
    cr_actor who;
    cr_actor_shell(p->uid, &who);
    cr_audit_note(hub, &who, CR_AUDIT_SERVER_STOPPED, "", "all servers");
    p->done = all_stopped;
    wait_on(p);
}

static cr_status create_demo(cr_hub *hub, const cr_actor *who, cr_person *person, char password[33], cr_err *err) {
    if (!cr_config_is_loopback(hub->config))
        return CR_FAIL(err, CR_DENIED, "a demo account is made only where the hub listens on this machine alone");
    char tail[9];
    cr_random_hex(tail, 4);
    cr_random_hex(password, 16);
    memset(person, 0, sizeof *person);
    snprintf(person->name, sizeof person->name, "demo-%s", tail);
    person->demo = true;
    /* On the loop: once per demo, and root waits for it. */
    CR_TRY(cr_password_hash(password, person->password, err));
    CR_TRY(cr_db_begin(hub->db, err));
    return cr_audit_end(hub, who, cr_person_add(hub->db, person, err), CR_AUDIT_PERSON_MADE, person->name, "for a demo", err);
}

static bool is_removed(peer *p) {
    cr_person person;
    cr_err err = CR_ERR_INIT;
    cr_removal_row removal = {0};
    cr_status status = cr_person_get(p->control->hub->db, p->person.id, &person, &err);
    if (status == CR_OK)
        status = cr_removal_find(p->control->hub, person.id, &removal, &err);
    if (status == CR_OK && removal.problem[0]) {
        status = CR_FAIL(&err, CR_BUSY, "%s is not removed yet: %s", person.name, removal.problem);
        cr_err_hint(&err, "it is tried again by itself; cratond --status shows when it fails again");
    }
    if (status == CR_OK)
        return false;
    if (status == CR_NOT_FOUND)
        answer(p, json_pack("{s:s}", "text", "the demo account is removed"));
    else
        answer_err(p, &err);
    return true;
}

static void op_demo_create(peer *p, const json_t *ask) {
    cr_hub *hub = p->control->hub;
    cr_err err = CR_ERR_INIT;
    char password[33];
    cr_actor who;
    cr_actor_shell(p->uid, &who);
    if (create_demo(hub, &who, &p->person, password, &err) != CR_OK) {
        answer_err(p, &err);
        return;
    }
    answer(p, json_pack("{s:s, s:s, s:s, s:s}", "name", p->person.name, "account", p->person.account, "password", password, "url",
                        hub->hub_url));
    explicit_bzero(password, sizeof password);
}

static void op_demo_remove(peer *p, const json_t *ask) {
    cr_hub *hub = p->control->hub;
    const char *name = json_string_value(json_object_get(ask, "name"));
    cr_actor who;
    cr_actor_shell(p->uid, &who);
    cr_err err = CR_ERR_INIT;
    cr_status status = cr_person_find(hub->db, name ? name : "", &p->person, &err);
    if (status == CR_OK && !p->person.demo)
        status = CR_FAIL(&err, CR_DENIED, "%s is not a demo account", name);
    if (status == CR_OK)
        status = cr_people_remove(hub, &who, &p->person, &err);
    if (status != CR_OK) {
        answer_err(p, &err);
        return;
    }
    p->done = is_removed;
    wait_on(p);
}

typedef struct mail_end {
    bool waits, failed;
    cr_err err;
} mail_end;

static void read_mail(void *user, const cr_mail_row *row) {
    mail_end *end = user;
    end->waits = strcmp(row->state, "waiting") == 0;
    end->failed = strcmp(row->state, "failed") == 0;
    if (end->failed) {
        (void)CR_FAIL(&end->err, CR_IO, "the mail server did not take it: %s", row->problem);
        cr_err_hint(&end->err, "look at the settings smtp, smtp-user, smtp-from and smtp-ca, and at STATE/smtp.password");
    }
}

static bool is_mailed(peer *p) {
    mail_end end = {.err = CR_ERR_INIT};
    if (cr_mail_get(p->control->hub->db, p->mail, read_mail, &end, &end.err) != CR_OK || end.failed)
        answer_err(p, &end.err);
    else if (end.waits)
        return false;
    else
        answer(p, json_pack("{s:s}", "text", "the mail server has taken the mail"));
    return true;
}

static void op_admin(peer *p, const json_t *ask) {
    json_t *body = json_object();
    cr_actor who;
    cr_err err = CR_ERR_INIT;
    cr_actor_shell(p->uid, &who);
    cr_status status = cr_operator_do(p->control->hub, &who, ask, body, &err);
    p->mail = json_integer_value(json_object_get(body, "mail"));
    if (status == CR_OK && !p->mail) {
        answer(p, body);
        return;
    }
    json_decref(body);
    if (status == CR_OK) {
        p->done = is_mailed;
        wait_on(p);
        return;
    }
    cr_text_clean(err.message);      /* a name may have been cut inside a character */
    answer_err(p, &err);
}

static const struct {
    const char *name;
    void (*fn)(peer *p, const json_t *ask);
} operations[] = {
    {"status", op_status}, {"admin-link", op_admin_link}, {"backup", op_backup}, {"stop-servers", op_stop_servers},
    {"demo-create", op_demo_create}, {"demo-remove", op_demo_remove}, {"admin", op_admin},
};

static void ask(peer *p, const char *line, size_t n) {
    json_error_t je;
    json_t *body = json_loadb(line, n, JSON_REJECT_DUPLICATES, &je);
    const char *command = json_string_value(json_object_get(body, "command"));
    for (size_t i = 0; command && i < CR_ARRAY_LEN(operations); i++) {
        if (strcmp(command, operations[i].name) == 0) {
            operations[i].fn(p, body);
            json_decref(body);
            return;
        }
    }
    json_decref(body);
    cr_err err = CR_ERR_INIT;
    (void)CR_FAIL(&err, CR_INVALID, "this is not a question that the hub knows");
    answer_err(p, &err);
}

/* ---- peers ---- */

static void on_peer(void *user, uint32_t events) {
    peer *p = user;
    char bytes[1024];
    ssize_t n = read(p->fd, bytes, sizeof bytes);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    /* A peer may shut its writing side after the question; its end while we work on it is found when we answer. */
    if (n <= 0 && p->asked) {
        cr_loop_source_remove(p->watch);
        p->watch = NULL;
        return;
    }
    if (n > 0)
        cr_buf_add(&p->in, bytes, (size_t)n);
    if (n <= 0 || p->in.failed) {
        close_peer(p);
        return;
    }
    const char *end = memchr(p->in.data, '\n', p->in.len);
    if (end && !p->asked) {
        p->asked = true;
        ask(p, p->in.data, (size_t)(end - p->in.data));
    }
}

static void accept_again(void *user) {
    cr_control *c = user;
    cr_loop_source_change(c->watch, EPOLLIN);
}

/* Out of descriptors or memory: whoever waits goes on waiting, and the loop, which would be told of it at once again, serves everybody else. */
static void pause_accepting(cr_control *c) {
    cr_loop_source_change(c->watch, 0);
    cr_timer_start(c->hub->loop, &c->pause, ACCEPT_PAUSE_MS, accept_again, c);
}

static void on_accept(void *user, uint32_t events) {
    cr_control *c = user;
    int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            pause_accepting(c);
        return;
    }
    struct ucred who = {.uid = (uid_t)-1};
    socklen_t n = sizeof who;
    peer *p = NULL;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 && (who.uid == 0 || who.uid == geteuid()) && c->n_peers < PEERS_MAX)
        p = calloc(1, sizeof *p);
    if (!p) {
        close(fd);
        return;
    }
    p->control = c;
    p->fd = fd;
    p->uid = who.uid;
    cr_buf_init(&p->in, LINE_MAX_BYTES);
    p->next = c->peers;
    c->peers = p;
    c->n_peers++;
    if (cr_loop_watch(c->hub->loop, fd, EPOLLIN, on_peer, p, &p->watch, NULL) != CR_OK)
        close_peer(p);
}

cr_status cr_control_new(cr_hub *hub, int fd, cr_control **ret_control, cr_err *err) {
    cr_control *c = calloc(1, sizeof *c);
    if (!c)
        return CR_FAIL(err, CR_MEMORY, "no memory for the control socket");
    c->hub = hub;
    c->fd = fd;
    cr_status status = cr_loop_watch(hub->loop, fd, EPOLLIN, on_accept, c, &c->watch, err);
    if (status != CR_OK) {
        free(c);
        return status;
    }
    *ret_control = c;
    return CR_OK;
}

void cr_control_free(cr_control *c) {
    if (!c)
        return;
    while (c->peers)
        close_peer(c->peers);
    cr_timer_stop(&c->pause);
    cr_loop_source_remove(c->watch);
    free(c);
}
