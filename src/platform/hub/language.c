/* language.c - a person's choice is in the database, a browser's in a cookie. */
#include "platform/hub/language.h"

#include <string.h>
#include "platform/hub/languages.h"

static int by_setting(const cr_hub *hub) {
    int i = cr_languages_find(cr_site_languages(hub->site), hub->config->language);
    return i < 0 ? 0 : i;
}

int cr_language_of(cr_request *req) {
    const cr_hub *hub = cr_hub_of(req);
    const cr_languages *all = cr_site_languages(hub->site);
    const cr_caller *c = cr_caller_of(req);
    const char *cookie = cr_gate_language(req);
    int i = c && c->signed_in && c->person.language[0] ? cr_languages_find(all, c->person.language) : -1;
    if (i < 0 && cookie && cr_texts_is_language(cookie))
        i = cr_languages_find(all, cookie);
    if (i < 0)
        i = cr_languages_accept(all, cr_request_header(req, "Accept-Language"));
    return i < 0 ? by_setting(hub) : i;
}

const char *cr_language_code(cr_request *req) { return cr_site_languages(cr_hub_of(req)->site)->at[cr_language_of(req)].code; }

const cr_texts *cr_language_texts(const cr_hub *hub, const char *chosen) {
    const cr_languages *all = cr_site_languages(hub->site);
    int i = *chosen ? cr_languages_find(all, chosen) : -1;
    return all->at[i < 0 ? by_setting(hub) : i].texts;
}

static void go_back(cr_request *req) {
    const char *back = cr_gate_safe_next(cr_hub_of(req), cr_pairs_get(&req->query, "back"));
    cr_reply_redirect(req, 303, back ? back : "/hub/home");
}

/* The code as the site has it; NULL: replied. */
static const char *chosen(cr_request *req) {
    const cr_languages *all = cr_site_languages(cr_hub_of(req)->site);
    const char *code = cr_request_field(req, "language");
    int i = cr_texts_is_language(code) ? cr_languages_find(all, code) : -1;
    if (i < 0)
        cr_reply_error(req, 400, "this hub does not speak that language", "choose one of those at the bottom of its pages");
    return i < 0 ? NULL : all->at[i].code;
}

/* The browser keeps it too, for the page after signing out. */
void cr_language_post(cr_request *req) {
    const char *code = chosen(req);
    cr_err err = CR_ERR_INIT;
    if (!code)
        return;
    if (cr_person_set_language(cr_hub_of(req)->db, cr_caller_of(req)->person.id, code, &err) != CR_OK) {
        cr_reply_err(req, &err);
        return;
    }
    cr_gate_set_language(req, code);
    go_back(req);
}

void cr_language_open_post(cr_request *req) {
    const char *code = chosen(req);
    if (!code)
        return;
    if (!cr_caller_of(req)->stale_form)      /* else another site's page could choose */
        cr_gate_set_language(req, code);
    go_back(req);
}
