/* mailing.c - the queue of mails at work. */
#include "platform/hub/mailing.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/http/fetch.h"
#include "platform/hub/language.h"

enum { MAIL_PAUSE_MS = 1000, LOOK_MS = 5000, TEST_LIFE_MS = 600 * 1000 };

struct cr_mailing {
    cr_hub *hub;
    cr_timer timer;
    cr_fetch *fetch;          /* under way */
    cr_mail mail;
};

static void go_on(void *user);

static void look_after(cr_mailing *m, int64_t ms) { cr_timer_start(m->hub->loop, &m->timer, ms, go_on, m); }

/* ---- one mail ---- */

/* Mailboxes that are not there, mails that are not wanted: RFC 5321 4.2.3. Other 5yz are about us (530, 535: the sign-in), and can be mended. */
static bool is_for_good(int status) { return status >= 550 && status <= 559; }

static void note_failure(cr_mailing *m, bool for_good, const char *why) {
    char problem[CR_MAIL_PROBLEM_MAX + 1];
    cr_err err = CR_ERR_INIT;
    snprintf(problem, sizeof problem, "%s", why);
    cr_text_clean(problem);
    cr_log(CR_LOG_WARN, "mail not sent", "id=%lld again=%s why=\"%s\"", (long long)m->mail.id, for_good ? "no" : "yes", problem);
    if (cr_mail_not_sent(m->hub->db, m->mail.id, for_good || m->mail.kind == CR_MAIL_TEST, problem, &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "noting that a mail was not sent", &err);
}

static void on_answer(void *user, int status, const char *body, size_t n, const cr_err *fetch_err) {
    cr_mailing *m = user;
    char why[CR_MAIL_PROBLEM_MAX + 1];
    cr_err err = CR_ERR_INIT;
    m->fetch = NULL;
    look_after(m, MAIL_PAUSE_MS);
    if (!fetch_err && status >= 200 && status < 400) {
        cr_log(CR_LOG_INFO, "mail sent", "id=%lld kind=%s", (long long)m->mail.id, cr_mail_kind_text(m->mail.kind));
        if (cr_mail_sent(m->hub->db, m->mail.id, &err) != CR_OK)      /* it is sent once more then */
            cr_log_err(CR_LOG_WARN, "noting a mail", &err);
        return;
    }
    snprintf(why, sizeof why, "%.*s", (int)CR_MIN(n, sizeof why - 1), body);
    note_failure(m, is_for_good(status), fetch_err ? fetch_err->message : why);
}

/* Of the person who is written to, when there is one already who has chosen. */
static const char *language_of(cr_hub *hub, const char *name, char language[CR_PERSON_LANGUAGE_MAX + 1]) {
    cr_person person;
    bool known = name[0] && cr_person_find(hub->db, name, &person, NULL) == CR_OK;
    snprintf(language, CR_PERSON_LANGUAGE_MAX + 1, "%s", known ? person.language : "");
    return language;
}

static cr_status compose(cr_mailing *m, const char *token, cr_buf *out, cr_err *err) {
    cr_hub *hub = m->hub;
    char link[CR_URL_MAX] = "", life[40], id[33], language[CR_PERSON_LANGUAGE_MAX + 1];
    cr_random_hex(id, 16);
    if (token[0])
        snprintf(link, sizeof link, "%s/hub/join/%s", hub->hub_url, token);
    const cr_mail_words words = {.kind = m->mail.kind, .from = hub->config->smtp_from, .to = m->mail.address, .name = m->mail.name, .hub = hub->hub_url,
                                 .link = link, .life = cr_text_span(m->mail.until_ms - cr_wall_ms(), life, sizeof life), .id = id,
                                 .date_s = cr_wall_ms() / 1000, .texts = cr_language_texts(hub, language_of(hub, m->mail.name, language))};
    cr_status status = cr_mail_text(&words, out, err);
    explicit_bzero(link, sizeof link);
    return status;
}

static cr_status hand_over(cr_mailing *m, const char *token, cr_err *err) {
    const cr_config *c = m->hub->config;
    char url[sizeof c->smtp + sizeof c->domain + 2];
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, CR_MAIL_TEXT_MAX);
    snprintf(url, sizeof url, "%s%s%s", c->smtp, c->domain[0] ? "/" : "", c->domain);      /* by this name we greet the server */
    cr_status status = compose(m, token, &text, err);
    const cr_fetch_ask ask = {.url = url, .mail = cr_buf_str(&text), .mail_from = c->smtp_from, .mail_to = m->mail.address,
                              .mail_ca = c->smtp_ca[0] ? c->smtp_ca : NULL, .user = c->smtp_user[0] ? c->smtp_user : NULL,
                              .password = c->smtp_user[0] ? c->smtp_secret : NULL};
    if (status == CR_OK)
        status = cr_fetch_start(m->hub->loop, m->hub->fetch_socket, &ask, on_answer, m, &m->fetch, err);
    if (text.data)
        explicit_bzero(text.data, text.len);
    return status;
}

static void send_one(cr_mailing *m) {
    cr_db *db = m->hub->db;
    char token[CR_TOKEN_LEN + 1] = "";
    cr_err err = CR_ERR_INIT;
    cr_status status = cr_db_begin(db, &err);
    if (status == CR_OK)
        status = cr_db_end(db, cr_mail_try(db, &m->mail, token, &err), &err);
    if (status == CR_OK)
        status = hand_over(m, token, &err);
    explicit_bzero(token, sizeof token);
    if (status == CR_OK)
        return;
    if (status == CR_NOT_FOUND)
        note_failure(m, true, N_("its link was used or closed, or was too old, before the mail was sent"));
    else
        note_failure(m, status == CR_INVALID, err.message);
    look_after(m, MAIL_PAUSE_MS);
}

static void go_on(void *user) {
    cr_mailing *m = user;
    int64_t wait_ms = -1;
    cr_err err = CR_ERR_INIT;
    if (m->fetch)
        return;
    cr_status status = cr_mail_next(m->hub->db, &m->mail, &wait_ms, &err);
    if (status == CR_OK && m->mail.until_ms > cr_wall_ms())
        send_one(m);
    else if (status == CR_OK) {
        note_failure(m, true, N_("its link was too old before a mail server took the mail"));
        look_after(m, 0);
    } else if (status != CR_NOT_FOUND) {
        cr_log_err(CR_LOG_WARN, "looking for mails to send", &err);
        look_after(m, LOOK_MS);
    } else if (wait_ms >= 0)
        look_after(m, CR_MIN(wait_ms, (int64_t)LOOK_MS));
}

/* ---- what is asked for ---- */

static void wake(cr_hub *hub) {
    if (!hub->mailing->fetch && !cr_timer_running(&hub->mailing->timer))
        look_after(hub->mailing, 0);
}

static cr_status check_on(const cr_hub *hub, cr_err *err) {
    if (cr_mailing_is_on(hub))
        return CR_OK;
    CR_FAIL(err, CR_CONFLICT, "this hub sends no mail");
    cr_err_hint(err, "the operator can give it a mail server: the settings smtp and smtp-from");
    return CR_CONFLICT;
}

static cr_status link_rows(cr_hub *hub, const cr_onetime *what, cr_mail *mail, cr_err *err) {
    char token[CR_TOKEN_LEN + 1];
    int64_t id;
    CR_TRY(cr_onetime_make(hub->db, what, mail->made_by, token, err));
    cr_token_hash(token, mail->link);      /* the secret itself is made anew when the mail is sent */
    explicit_bzero(token, sizeof token);
    return cr_mail_add(hub->db, mail, &id, err);
}

cr_status cr_mailing_link(cr_hub *hub, const cr_actor *who, const cr_onetime *what, const char *whom, const char *address, cr_err *err) {
    cr_mail mail = {.kind = what->kind == CR_ONETIME_PASSWORD ? CR_MAIL_PASSWORD : CR_MAIL_INVITE, .made_by = CR_MAX(who->id, (int64_t)0)};
    cr_onetime link = *what;
    cr_audit_text detail;
    CR_TRY(check_on(hub, err));
    CR_TRY(cr_mail_address(address, mail.address, err));
    link.life_ms = link.life_ms ? link.life_ms : CR_MAILING_LINK_MS;
    mail.until_ms = cr_wall_ms() + link.life_ms;
    snprintf(mail.name, sizeof mail.name, "%s", whom);
    snprintf(detail, sizeof detail, "%s, by mail to %s", mail.kind == CR_MAIL_PASSWORD ? N_("to set a password") : N_("invitation"), mail.address);
    CR_TRY(cr_db_begin(hub->db, err));
    CR_TRY(cr_audit_end(hub, who, link_rows(hub, &link, &mail, err), CR_AUDIT_LINK_MADE, whom, detail, err));
    wake(hub);
    return CR_OK;
}

cr_status cr_mailing_test(cr_hub *hub, const cr_actor *who, const char *address, int64_t *ret_id, cr_err *err) {
    cr_mail mail = {.kind = CR_MAIL_TEST, .made_by = CR_MAX(who->id, (int64_t)0), .until_ms = cr_wall_ms() + TEST_LIFE_MS};
    CR_TRY(check_on(hub, err));
    CR_TRY(cr_mail_address(address, mail.address, err));
    CR_TRY(cr_db_begin(hub->db, err));
    CR_TRY(cr_audit_end(hub, who, cr_mail_add(hub->db, &mail, ret_id, err), CR_AUDIT_MAIL_TEST, "", mail.address, err));
    wake(hub);
    return CR_OK;
}

static void add_problem(void *user, const cr_mail_row *row) {
    char ago[24];
    json_array_append_new(user, json_pack("{s:s, s:s, s:s, s:s, s:b}", "address", row->address, "name", row->name, "ago",
                                          cr_text_duration(CR_MAX(cr_wall_ms() - row->created_ms, 0), ago, sizeof ago), "problem", row->problem, "waits",
                                          strcmp(row->state, "waiting") == 0));
}

json_t *cr_mailing_problems(cr_hub *hub, int64_t user_id) {
    json_t *rows = json_array();
    cr_err err = CR_ERR_INIT;
    if (cr_mail_problems(hub->db, user_id, add_problem, rows, &err) == CR_OK)
        return rows;
    cr_log_err(CR_LOG_WARN, "reading mails", &err);
    json_decref(rows);
    return NULL;
}

void cr_mailing_text(cr_hub *hub, cr_buf *out) {
    int64_t waiting = 0, failed = 0;
    if (cr_mailing_is_on(hub) && cr_mail_counts(hub->db, &waiting, &failed, NULL) == CR_OK)
        cr_buf_addf(out, "  mail:    %lld waiting, %lld not sent within a week\n", (long long)waiting, (long long)failed);
}

/* ---- life ---- */

cr_status cr_mailing_open(cr_hub *hub, cr_err *err) {
    cr_mailing *m = calloc(1, sizeof *m);
    if (!m)
        return CR_FAIL(err, CR_MEMORY, "no memory for mails");
    m->hub = hub;
    hub->mailing = m;
    if (cr_mailing_is_on(hub))
        look_after(m, LOOK_MS);      /* what a hub of before has left */
    return CR_OK;
}

void cr_mailing_close(cr_hub *hub) {
    if (!hub->mailing)
        return;
    cr_timer_stop(&hub->mailing->timer);
    cr_fetch_free(hub->mailing->fetch);
    free(hub->mailing);
    hub->mailing = NULL;
}

void cr_mailing_on_minute(cr_hub *hub) {
    cr_err err = CR_ERR_INIT;
    if (cr_mail_sweep(hub->db, &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "sweeping mails", &err);
}
