/* site.c - templates and files, read once before the process is confined; and the page around every template. */
#include "platform/hub/notices.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/file.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/text.h"

enum { FILE_MAX = 1 << 20, FILES_MAX = 64, PAGE_MAX = 4 << 20 };

typedef struct site_file {
    const char *type;
    char etag[36];
    cr_buf bytes;
} site_file;

struct cr_site {
    cr_templates *templates;
    cr_map files;
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
    if (status == CR_OK)
        status = cr_map_set(&site->files, name, f, err);
    if (status != CR_OK) {
        cr_buf_done(&f->bytes);
        free(f);
        return status;
    }
    unsigned char hash[CR_HASH_BYTES];
    cr_token_hash(cr_buf_str(&f->bytes), hash);
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
    return cr_templates_add(site->templates, stem, cr_buf_str(&text), text.len, err);
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

cr_status cr_site_new(const char *folder, cr_site **ret_site, cr_err *err) {
    cr_site *site = calloc(1, sizeof *site);
    if (!site)
        return CR_FAIL(err, CR_MEMORY, "no memory for pages");
    cr_map_init(&site->files, FILES_MAX);
    char path[1100];
    cr_status status;
    CR_TRY_GOTO(cr_templates_new(&site->templates, err), out);
    snprintf(path, sizeof path, "%s/templates", folder);
    CR_TRY_GOTO(read_folder(site, path, add_template, err), out);
    CR_TRY_GOTO(cr_templates_check(site->templates, err), out);
    snprintf(path, sizeof path, "%s/static", folder);
    CR_TRY_GOTO(read_folder(site, path, add_file, err), out);
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
    for (size_t i = 0; (i = cr_map_next(&site->files, i, NULL, &value));) {
        cr_buf_done(&((site_file *)value)->bytes);
        free(value);
    }
    cr_map_done(&site->files);
    cr_templates_free(site->templates);
    free(site);
}

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

void cr_site_page(cr_request *req, int status, const char *name, json_t *values) {
    cr_hub *hub = cr_hub_of(req);
    cr_caller *c = cr_caller_of(req);
    if (!values)
        values = json_object();
    char csrf[CR_TOKEN_LEN + 1];
    cr_notices_add(hub, values);
    json_object_set_new(values, "base", json_string(hub->config->base_url));
    if (c && c->signed_in) {
        cr_csrf_make(&hub->secret, "session", c->session, csrf);
        json_object_set_new(values, "csrf", json_string(csrf));
        json_object_set_new(values, "me", json_pack("{s:s, s:b, s:b}", "name", c->person.name, "admin", c->person.admin, "clusters",
                                                        hub->feature != NULL));
    }
    if (c && c->ours && req->route && req->route->kind == CR_ROUTE_PAGE_OPEN) {
        cr_csrf_make(&hub->secret, "pre", cr_gate_pre_session(req), csrf);
        json_object_set_new(values, "pre_csrf", json_string(csrf));
    }
    cr_auto_buf cr_buf html;
    cr_buf_init(&html, PAGE_MAX);
    cr_err err = CR_ERR_INIT;
    if (cr_template_render(hub->site->templates, name, values, &html, &err) == CR_OK) {
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
        {400, "That request was not understood"}, {403, "Not allowed"}, {404, "Nothing here"}, {405, "Not possible here"},
        {409, "Not now"}, {413, "Too large"}, {414, "The address is too long"}, {415, "Wrong kind of content"},
        {421, "Another address"}, {424, "The server is not running"}, {429, "Please wait"}, {503, "Just a moment"}, {507, "No space left"},
    };
    const char *title = "Something went wrong";
    for (size_t i = 0; i < CR_ARRAY_LEN(titles); i++)
        if (titles[i].status == status)
            title = titles[i].title;
    cr_site_page(req, status, "error", json_pack("{s:i, s:s, s:s, s:s}", "status", status, "title", title, "message", message, "hint",
                                                 hint ? hint : ""));
}
