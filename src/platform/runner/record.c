/* record.c - the table of keys, writing and reading it. */
#include "platform/runner/record.h"

#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/daemon/urls.h"

enum { RECORD_MAX = 8192 };

typedef struct key {
    const char *name;
    bool is_text;
    size_t offset, size;
} key;

#define TEXT(name, field) {name, true, offsetof(cr_record, field), sizeof(((cr_record *)NULL)->field)}
#define NUMBER(name, field) {name, false, offsetof(cr_record, field), sizeof(((cr_record *)NULL)->field)}
static const key keys[] = {
    TEXT("account", id.account), TEXT("server", id.server), NUMBER("generation", id.generation), TEXT("user", user),
    NUMBER("memory_bytes", limits.memory_bytes), NUMBER("cpu_milli", limits.cpu_milli), NUMBER("pids", limits.pids),
    NUMBER("uid", uid), TEXT("folders", folders), TEXT("software", software),
    NUMBER("role", role), NUMBER("cluster", cluster), NUMBER("state", state), NUMBER("pid", pid), NUMBER("start_ticks", start_ticks), TEXT("boot_id", boot_id),
    NUMBER("socket_ready", socket_ready), NUMBER("preimported", preimported), NUMBER("stop_requested", stop_requested),
    NUMBER("started_ms", started_ms), NUMBER("reason", reason), NUMBER("detail", detail),
    NUMBER("memory_peak_bytes", memory_peak_bytes), TEXT("text", text),
};

static int64_t get_number(const cr_record *r, const key *k) {
    const char *at = (const char *)r + k->offset;
    return k->size == 4 ? *(const uint32_t *)at : *(const int64_t *)at;
}

static void set_number(cr_record *r, const key *k, int64_t v) {
    char *at = (char *)r + k->offset;
    if (k->size == 4)
        *(uint32_t *)at = (uint32_t)v;
    else
        *(int64_t *)at = v;
}

cr_status cr_record_format(const cr_record *r, cr_buf *out, cr_err *err) {
    for (size_t i = 0; i < CR_ARRAY_LEN(keys); i++) {
        if (keys[i].is_text)
            cr_buf_addf(out, "%s %s\n", keys[i].name, (const char *)r + keys[i].offset);
        else
            cr_buf_addf(out, "%s %lld\n", keys[i].name, (long long)get_number(r, &keys[i]));
    }
    cr_buf_adds(out, "end\n");   /* a file cut short is noticed */
    return cr_buf_check(out, err);
}

static cr_status parse_line(cr_record *r, char *line, cr_err *err) {
    char *space = strchr(line, ' ');
    if (!space)
        return CR_FAIL(err, CR_FORMAT, "'%s' is not `key value`", line);
    *space = 0;
    for (size_t i = 0; i < CR_ARRAY_LEN(keys); i++) {
        if (strcmp(keys[i].name, line) != 0)
            continue;
        if (!keys[i].is_text) {
            int64_t v;
            CR_TRY(cr_parse_int(space + 1, 0, keys[i].size == 4 ? UINT32_MAX : INT64_MAX, &v, err));
            set_number(r, &keys[i], v);
        } else if (snprintf((char *)r + keys[i].offset, keys[i].size, "%s", space + 1) >= (int)keys[i].size) {
            return CR_FAIL(err, CR_FORMAT, "%s is too long", line);
        }
        return CR_OK;
    }
    return CR_OK;   /* written by a later version: not needed by this one */
}

/* Who, what and how much: as if the hub asked for it now. */
static cr_status check_as_start(const cr_record *r, cr_err *err) {
    cr_msg m;
    cr_msg_init(&m, CR_MSG_START);
    m.as_cr_msg_start.id = r->id;
    m.as_cr_msg_start.limits = r->limits;
    memcpy(m.as_cr_msg_start.user, r->user, sizeof r->user);
    memset(m.as_cr_msg_start.token, '0', CR_RUNNER_TOKEN_LEN);
    cr_err why = CR_ERR_INIT;
    if (cr_msg_check(&m, cr_msg_size(&m), true, &why) != CR_OK)
        return CR_FAIL(err, CR_FORMAT, "the record has impossible values: %s", why.message);
    return CR_OK;
}

cr_status cr_record_parse(char *text, cr_record *ret_record, cr_err *err) {
    cr_record r = {0};
    bool ended = false;
    for (char *line; !ended && (line = strsep(&text, "\n"));) {
        ended = strcmp(line, "end") == 0;
        if (!ended)
            CR_TRY(parse_line(&r, line, err));
    }
    if (!ended)
        return CR_FAIL(err, CR_FORMAT, "the record is cut short");
    if (r.state > CR_SERVER_ENDED || r.reason > CR_STOP_FAILED_START || r.pid > INT32_MAX || r.uid > UINT32_MAX ||
        r.role > CR_ROLE_WORKER || r.cluster > INT32_MAX || !r.role != !r.cluster || (r.software[0] && !cr_profile_slug_is_right(r.software)))
        return CR_FAIL(err, CR_FORMAT, "the record has impossible values");
    CR_TRY(check_as_start(&r, err));
    *ret_record = r;
    return CR_OK;
}

static void path_of(const char *dir, const cr_record *r, char path[700]) {
    char name[CR_LINK_MAX];
    snprintf(path, 700, "%s/%s", dir, cr_link_name(r->id.account, r->id.generation, name, sizeof name));
}

cr_status cr_record_save(const char *dir, const cr_record *r, cr_err *err) {
    char path[700];
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, RECORD_MAX);
    CR_TRY(cr_record_format(r, &text, err));
    path_of(dir, r, path);
    return cr_file_replace(path, text.data, text.len, 0600, err);
}

cr_status cr_record_remove(const char *dir, const cr_record *r, cr_err *err) {
    char path[700];
    path_of(dir, r, path);
    if (unlink(path) != 0 && errno != ENOENT)
        return CR_FAIL_ERRNO(err, "cannot remove %s", path);
    return CR_OK;
}

static void read_one(const char *dir, const char *name, void (*fn)(void *user, const cr_record *r), void *user) {
    char path[700], aside[720];
    cr_err err = CR_ERR_INIT;
    cr_record r;
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, RECORD_MAX);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    cr_status status = cr_file_read(path, &text, &err);
    if (status == CR_OK)
        status = text.len ? cr_record_parse(text.data, &r, &err) : CR_FAIL(&err, CR_FORMAT, "the record is empty");
    if (status == CR_OK) {
        fn(user, &r);
        return;
    }
    snprintf(aside, sizeof aside, "%s.damaged", path);
    cr_err_context(&err, "%s", path);
    cr_log_err(CR_LOG_ERROR, "record of a server put aside", &err);
    if (rename(path, aside) != 0)
        cr_log(CR_LOG_ERROR, "cannot put it aside", "path=%s", path);
}

cr_status cr_record_each(const char *dir, void (*fn)(void *user, const cr_record *r), void *user, cr_err *err) {
    struct dirent **names;
    int n = scandir(dir, &names, NULL, alphasort);
    if (n < 0)
        return CR_FAIL_ERRNO(err, "cannot read %s", dir);
    for (int i = 0; i < n; i++) {
        const char *name = names[i]->d_name;
        if (name[0] != '.' && !strstr(name, ".tmp.") && !cr_ends_with(name, ".damaged"))
            read_one(dir, name, fn, user);
        free(names[i]);
    }
    free(names);
    return CR_OK;
}
