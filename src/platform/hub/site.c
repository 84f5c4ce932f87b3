/* site.c - templates, texts and files, read once before the process is confined; and the page around every template. */
#include "platform/hub/language.h"
#include "platform/hub/languages.h"
#include "platform/hub/notices.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/file.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/text.h"

enum { FILE_MAX = 1 << 20, FILES_MAX = 64, PAGE_MAX = 4 << 20, LOGO_MAX = 256 << 10 };

typedef struct site_file {
    const char *type;
    char etag[36];
    cr_buf bytes;
} site_file;

struct cr_site {
    cr_languages languages;
    cr_map files;
    char logo[16];            /* its name among the files */
};

static const struct {
    const char *suffix, *type;
} types[] = {
    {".css", "text/css; charset=utf-8"}, {".js", "text/javascript; charset=utf-8"}, {".svg", "image/svg+xml"},
    {".png", "image/png"}, {".ico", "image/x-icon"}, {".woff2", "font/woff2"},
};

static const char *type_of(const char *name) {
    for (size_t i = 0; i < CR_ARRAY_LEN(types); i++)
        if (cr_ends_with(name, types[i].suffix))
            return types[i].type;
    return NULL;
}

static void file_free(site_file *f) {
    if (!f)
        return;
    cr_buf_done(&f->bytes);
    free(f);
}

static cr_status add_file(cr_site *site, const char *name, const char *path, cr_err *err) {
    const char *type = type_of(name);
    if (!type)
        return CR_OK;
    site_file *f = calloc(1, sizeof *f);
    if (!f)
        return CR_FAIL(err, CR_MEMORY, "no memory for %s", path);
    cr_buf_init(&f->bytes, FILE_MAX);
    f->type = type;
    cr_status status = cr_file_read(path, &f->bytes, err);
    file_free(status == CR_OK ? cr_map_remove(&site->files, name) : NULL);      /* the operator's logo in the place of ours */
    if (status == CR_OK)
        status = cr_map_set(&site->files, name, f, err);
    if (status != CR_OK) {
        file_free(f);
        return status;
    }
    unsigned char hash[CR_HASH_BYTES];
    char sum[48];
    uint64_t all = 14695981039346656037u;      /* FNV-1a: pictures have zero bytes, and whose file it was is no secret */
    for (size_t i = 0; i < f->bytes.len; i++)
        all = (all ^ (unsigned char)f->bytes.data[i]) * 1099511628211u;
    snprintf(sum, sizeof sum, "%zu %016llx", f->bytes.len, (unsigned long long)all);
    cr_token_hash(sum, hash);
    f->etag[0] = '"';
    cr_hex(hash, 16, f->etag + 1);
    strcat(f->etag, "\"");
    return CR_OK;
}

static cr_status add_template(cr_site *site, const char *name, const char *path, cr_err *err) {
    if (!cr_ends_with(name, ".html"))
        return CR_OK;
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, FILE_MAX);
    CR_TRY(cr_file_read(path, &text, err));
    char stem[64];
    snprintf(stem, sizeof stem, "%.*s", (int)(strlen(name) - 5), name);
    for (int i = 0; i < site->languages.n; i++)
        CR_TRY(cr_templates_add(site->languages.at[i].templates, stem, cr_buf_str(&text), text.len, err));
    return CR_OK;
}

static cr_status read_folder(cr_site *site, const char *folder, cr_status (*add)(cr_site *, const char *, const char *, cr_err *), cr_err *err) {
    DIR *dir = opendir(folder);
    if (!dir) {
        cr_status status = CR_FAIL_ERRNO(err, "reading the pages in %s", folder);
        cr_err_hint(err, "is Craton installed under this prefix?");
        return status;
    }
    cr_status status = CR_OK;
    for (struct dirent *e; status == CR_OK && (e = readdir(dir));) {
        char path[1400];
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (e->d_name[0] != '.')
            status = add(site, e->d_name, path, err);
    }
    closedir(dir);
    return status;
}

static void tell_problem(void *user, const char *what) { cr_log(CR_LOG_WARN, "a text of the operator's is left out", "why=\"%s\"", what); }

static cr_status read_languages(cr_site *site, const char *folder, const char *own, cr_err *err) {
    char path[1100];
    snprintf(path, sizeof path, "%s/texts", folder);
    CR_TRY(cr_languages_load(path, own, tell_problem, NULL, &site->languages, err));
    for (int i = 0; i < site->languages.n; i++)
        CR_TRY(cr_templates_new(site->languages.at[i].texts, &site->languages.at[i].templates, err));
    snprintf(path, sizeof path, "%s/templates", folder);
    CR_TRY(read_folder(site, path, add_template, err));
    for (int i = 0; i < site->languages.n; i++)
        CR_TRY(cr_templates_check(site->languages.at[i].templates, err));
    return CR_OK;
}

/* logo.svg or logo.png of the operator's. One that cannot be used is told, and ours stays. */
static void read_logo(cr_site *site, const char *own) {
    static const char *const names[] = {"logo.svg", "logo.png"};
    strcpy(site->logo, names[0]);
    for (size_t i = 0; i < CR_ARRAY_LEN(names); i++) {
        char path[1100];
        cr_auto_fd int fd = -1;
        uint64_t size = 0;
        cr_err err = CR_ERR_INIT;
        snprintf(path, sizeof path, "%s/%s", own, names[i]);
        cr_status status = cr_regular_open(path, &fd, &size, &err);
        if (status == CR_NO_FILE)
            continue;
        if (status == CR_OK && size > LOGO_MAX)
            status = CR_FAIL(&err, CR_LIMIT, "%s has more than %d KiB", path, LOGO_MAX >> 10);
        if (status == CR_OK)
            status = add_file(site, names[i], path, &err);
        if (status == CR_OK)
            strcpy(site->logo, names[i]);
        else
            tell_problem(NULL, err.message);
    }
}

cr_status cr_site_new(const char *folder, const char *own, cr_site **ret_site, cr_err *err) {
    cr_site *site = calloc(1, sizeof *site);
    if (!site)
        return CR_FAIL(err, CR_MEMORY, "no memory for pages");
    cr_map_init(&site->files, FILES_MAX);
    char path[1100];
    cr_status status;
    CR_TRY_GOTO(read_languages(site, folder, own, err), out);
    snprintf(path, sizeof path, "%s/static", folder);
    CR_TRY_GOTO(read_folder(site, path, add_file, err), out);
    read_logo(site, own);
    *ret_site = site;
    return CR_OK;
out:
    cr_site_free(site);
    return status;
}

void cr_site_free(cr_site *site) {
    if (!site)
        return;
    void *value;
    for (size_t i = 0; (i = cr_map_next(&site->files, i, NULL, &value));)
        file_free(value);
    cr_map_done(&site->files);
    cr_languages_free(&site->languages);
    free(site);
}

const cr_languages *cr_site_languages(const cr_site *site) { return &site->languages; }

void cr_site_file(cr_request *req) {
    const site_file *f = cr_map_get(&cr_hub_of(req)->site->files, req->param[0]);
    if (!f) {
        cr_reply_error(req, 404, "there is no such file", "");
        return;
    }
    cr_reply_header(req, "ETag", f->etag);
    cr_reply_header(req, "Cache-Control", "public, max-age=300");
    const char *known = cr_request_header(req, "If-None-Match");
    if (known && strcmp(known, f->etag) == 0)
        cr_reply_empty(req, 304);
    else
        cr_reply(req, 200, f->type, cr_buf_str(&f->bytes), f->bytes.len);
}

/* The bottom of every page: languages to choose from, where a form can be sent; and what the operator has to say. */
static void add_foot(cr_request *req, int language, json_t *values) {
    const cr_hub *hub = cr_hub_of(req);
    const cr_config *k = hub->config;
    const cr_languages *all = &hub->site->languages;
    bool form = json_object_get(values, "csrf") || json_object_get(values, "pre_csrf");
    json_t *list = json_array();
    for (int i = 0; form && all->n > 1 && i < all->n; i++) {
        const char *name = cr_texts_get(all->at[i].texts, "English");
        json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "code", all->at[i].code, "language", i && strcmp(name, "English") == 0 ? all->at[i].code : name,
                                              "chosen", i == language));
    }
    json_object_set_new(values, "languages", list);
    json_object_set_new(values, "lang", json_string(all->at[language].code));
    cr_auto_buf cr_buf here;
    cr_buf_init(&here, 3 * CR_HTTP_TARGET_MAX);
    cr_percent_encode(&here, req->method & (CR_GET | CR_HEAD) && cr_gate_safe_next(hub, req->target) ? req->target : "/hub/home", "/");
    json_object_set_new(values, "here", json_string(cr_buf_str(&here)));
    json_object_set_new(values, "has_languages", json_boolean(json_array_size(list) > 0));
    json_object_set_new(values, "site", json_string(k->site_name[0] ? k->site_name : "Craton"));
    json_object_set_new(values, "logo", json_string(hub->site->logo));
    json_object_set_new(values, "foot_contact", json_string(k->contact));
    json_object_set_new(values, "foot_mail", json_boolean(strchr(k->contact, '@') && !strchr(k->contact, ' ')));
    json_object_set_new(values, "foot_legal", json_string(k->legal_url));
    json_object_set_new(values, "foot_privacy", json_string(k->privacy_url));
    json_object_set_new(values, "has_foot", json_boolean(json_array_size(list) || k->contact[0] || k->legal_url[0] || k->privacy_url[0]));
}

void cr_site_page(cr_request *req, int status, const char *name, json_t *values) {
    cr_hub *hub = cr_hub_of(req);
    cr_caller *c = cr_caller_of(req);
    int language = cr_language_of(req);
    if (!values)
        values = json_object();
    char csrf[CR_TOKEN_LEN + 1];
    cr_notices_add(hub, values);
    json_object_set_new(values, "base", json_string(hub->config->base_url));
    if (c && c->signed_in) {
        const char *at = cr_starts_with(req->path, "/hub/") ? req->path + strlen("/hub/") : "";
        cr_csrf_make(&hub->secret, "session", c->session, csrf);
        json_object_set_new(values, "csrf", json_string(csrf));
        json_object_set_new(values, "me", json_pack("{s:s, s:b, s:b, s:b, s:b, s:b, s:b, s:b}", "name", c->person.name, "admin", c->person.admin, "clusters",
                                                        hub->feature != NULL, "at_home", cr_starts_with(at, "home"), "at_clusters", cr_starts_with(at, "clusters"),
                                                        "at_admin", cr_starts_with(at, "admin"), "at_token", cr_starts_with(at, "token"), "at_password",
                                                        cr_starts_with(at, "password")));
    }
    if (c && c->ours && req->route && req->route->kind == CR_ROUTE_PAGE_OPEN) {
        cr_csrf_make(&hub->secret, "pre", cr_gate_pre_session(req), csrf);
        json_object_set_new(values, "pre_csrf", json_string(csrf));
    }
    add_foot(req, language, values);
    cr_auto_buf cr_buf html;
    cr_buf_init(&html, PAGE_MAX);
    cr_err err = CR_ERR_INIT;
    if (cr_template_render(hub->site->languages.at[language].templates, name, values, &html, &err) == CR_OK) {
        cr_reply_header(req, "Content-Language", hub->site->languages.at[language].code);
        cr_reply(req, status, "text/html; charset=utf-8", html.data, html.len);
    } else {
        cr_log_err(CR_LOG_ERROR, "rendering a page", &err);
        cr_reply(req, 500, "text/plain; charset=utf-8", "This page cannot be shown.\n", 27);
    }
    json_decref(values);
}

void cr_site_error(cr_request *req, int status, const char *message, const char *hint) {
    static const struct {
        int status;
        const char *title;
    } titles[] = {
        {400, N_("That request was not understood")}, {403, N_("Not allowed")}, {404, N_("Nothing here")}, {405, N_("Not possible here")},
        {409, N_("Not now")}, {413, N_("Too large")}, {414, N_("The address is too long")}, {415, N_("Wrong kind of content")},
        {421, N_("Another address")}, {424, N_("The server is not running")}, {429, N_("Please wait")}, {503, N_("Just a moment")}, {507, N_("No space left")},
    };
    const char *title = N_("Something went wrong");
    for (size_t i = 0; i < CR_ARRAY_LEN(titles); i++)
        if (titles[i].status == status)
            title = titles[i].title;
    cr_site_page(req, status, "error", json_pack("{s:i, s:s, s:s, s:s}", "status", status, "title", title, "message", message, "hint",
                                                 hint ? hint : ""));
}
