/* group_folder.c - ids, directories, links. */
#include "platform/runner/group_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/runner/place.h"
#include "platform/runner/process.h"

enum { LIST_MAX = 64 << 10, LINK_TIMEOUT_MS = 10000 };

/* ---- ids ---- */

static int place_of(const cr_group_folders *f, const char *name) {
    for (int i = 0; i < f->names.n; i++)
        if (strcmp(f->names.name[i], name) == 0)
            return i;
    return -1;
}

/* Lines of folders that are in the setting no more stay: their ids are not for others. */
static cr_status read_list(cr_group_folders *f, const char *path, cr_buf *text, cr_err *err) {
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return CR_OK;
    CR_TRY(cr_file_read(path, text, err));
    cr_auto_free char *copy = strdup(cr_buf_str(text));
    char *rest = copy;
    for (char *line; rest && (line = strsep(&rest, "\n"));) {
        char *space = strchr(line, ' ');
        int64_t id;
        if (!*line)
            continue;
        if (!space || cr_parse_int(space + 1, 1, UINT32_MAX - 1, &id, NULL) != CR_OK)
            return CR_FAIL(err, CR_FORMAT, "%s: '%.60s' is not FOLDER ID", path, line);
        *space = 0;
        int i = place_of(f, line);
        if (i >= 0)
            f->gid[i] = (gid_t)id;
    }
    return copy ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory for the list of folders");
}

static cr_status give_ids(cr_group_folders *f, cr_accounts *accounts, cr_err *err) {
    char path[600];
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, LIST_MAX);
    snprintf(path, sizeof path, "%s/runner/folders", f->config->state_dir);
    CR_TRY(read_list(f, path, &text, err));
    size_t before = text.len;
    for (int i = 0; i < f->names.n; i++) {
        int64_t id;
        if (f->gid[i])
            continue;
        CR_TRY(cr_accounts_take_id(accounts, &id, err));
        f->gid[i] = (gid_t)id;
        cr_buf_addf(&text, "%s %lld\n", f->names.name[i], (long long)id);
    }
    CR_TRY(cr_buf_check(&text, err));
    return text.len == before ? CR_OK : cr_file_replace(path, text.data, text.len, 0600, err);
}

/* ---- directories ---- */

/* Owner and group may do everything with what is made in here, others nothing. */
static void set_default_acl(const char *path) {
    struct { struct posix_acl_xattr_header head; struct posix_acl_xattr_entry at[3]; } acl = {
        .head = {POSIX_ACL_XATTR_VERSION},
        .at = {{ACL_USER_OBJ, ACL_READ | ACL_WRITE | ACL_EXECUTE, (__le32)ACL_UNDEFINED_ID},
               {ACL_GROUP_OBJ, ACL_READ | ACL_WRITE | ACL_EXECUTE, (__le32)ACL_UNDEFINED_ID},
               {ACL_OTHER, 0, (__le32)ACL_UNDEFINED_ID}}};
    if (setxattr(path, "system.posix_acl_default", &acl, sizeof acl, 0) != 0)
        cr_log(CR_LOG_WARN, "no default ACL: people of a group must give each other the right to write", "folder=%s error=\"%s\"", path, strerror(errno));
}

static cr_status make_dirs(const cr_group_folders *f, cr_err *err) {
    char path[700];
    snprintf(path, sizeof path, "%s/groups", f->config->state_dir);
    CR_TRY(cr_place_dir(path, 0, 0, 0711, err));
    for (int i = 0; i < f->names.n; i++) {
        snprintf(path, sizeof path, "%s/groups/%s", f->config->state_dir, f->names.name[i]);
        CR_TRY(cr_place_dir(path, 0, f->gid[i], 02770, err));
        set_default_acl(path);
    }
    return CR_OK;
}

cr_status cr_group_folders_open(const cr_config *c, cr_accounts *accounts, cr_group_folders *ret_folders, cr_err *err) {
    memset(ret_folders, 0, sizeof *ret_folders);
    ret_folders->config = c;
    if (c->as_root)
        CR_TRY(cr_folders_read(c->group_folders, &ret_folders->names, err));
    if (!ret_folders->names.n)
        return CR_OK;
    CR_TRY(give_ids(ret_folders, accounts, err));
    return make_dirs(ret_folders, err);
}

/* ---- links ---- */

/* Where the link of this name leads; "" : there is none. */
static char *target_of(const cr_group_folders *f, uint32_t set, const char *name, char out[700]) {
    int i = place_of(f, name);
    if (strcmp(name, "shared") == 0)
        snprintf(out, 700, "%s", f->config->shared_dir);
    else if (i >= 0 && set & 1u << i)
        snprintf(out, 700, "%s/groups/%s", f->config->state_dir, name);
    else
        out[0] = 0;
    return out;
}

/* What is right stays: programs of the person that run use it, while a worker or another server starts. */
static void drop_wrong(const cr_group_folders *f, const char *dir, uint32_t set) {
    char target[700], is[700];
    DIR *d = opendir(dir);
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        ssize_t n = readlinkat(dirfd(d), e->d_name, is, sizeof is - 1);
        is[CR_MAX(n, (ssize_t)0)] = 0;
        target_of(f, set, e->d_name, target);
        if (!target[0] || strcmp(is, target) != 0)
            unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
}

static cr_status put_link(const cr_group_folders *f, const char *dir, uint32_t set, const char *name, cr_err *err) {
    char target[700], path[900];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (!target_of(f, set, name, target)[0] || symlink(target, path) == 0 || errno == EEXIST)
        return CR_OK;
    return CR_FAIL_ERRNO(err, "cannot make the link %s", path);
}

/* Which folders somebody has is nobody else's business. */
static cr_status make_links(const cr_group_folders *f, const char *dir, gid_t gid, uint32_t set, cr_err *err) {
    CR_TRY(cr_place_dir(dir, 0, gid, 0750, err));
    drop_wrong(f, dir, set);
    for (int i = 0; i < f->names.n; i++)
        CR_TRY(put_link(f, dir, set, f->names.name[i], err));
    return put_link(f, dir, set, "shared", err);
}

typedef struct link_order {
    uid_t uid;
    gid_t gid;
    char dir[600], path[700];
} link_order;

/* A job. */
static cr_status make_home_link(const void *what, cr_err *err) {
    const link_order *o = what;
    struct stat st;
    const char *const ln[] = {"/bin/ln", "-s", "-T", "--", o->dir, o->path, NULL};
    if (lstat(o->path, &st) == 0 || errno != ENOENT)
        return CR_OK;
    return cr_program_run(ln, o->uid, o->gid, LINK_TIMEOUT_MS, err);
}

static void on_linked(void *user, const cr_err *result) {
    (void)user;
    if (result->status != CR_OK)
        cr_log_err(CR_LOG_WARN, "no link to common folders", result);
}

/* Not a reason to refuse a start: what is of this name in the home is its person's. */
static void link_home(cr_jobs *jobs, const cr_account *u, const char *dir) {
    link_order o = {.uid = u->uid, .gid = u->gid};
    cr_err err = CR_ERR_INIT;
    snprintf(o.dir, sizeof o.dir, "%s", dir);
    snprintf(o.path, sizeof o.path, "%s/folders", u->home);
    if (cr_jobs_add(jobs, CR_LANE_LINKS, make_home_link, &o, sizeof o, 2 * LINK_TIMEOUT_MS, on_linked, NULL, &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "no link to common folders", &err);
}

void cr_group_folders_of(const cr_group_folders *f, uint32_t set, cr_account *u) {
    u->n_groups = 0;
    for (int i = 0; i < f->names.n; i++)
        if (set & 1u << i)
            u->groups[u->n_groups++] = f->gid[i];
}

char *cr_group_folders_names(const cr_group_folders *f, uint32_t set, char out[CR_FOLDER_NAMES_SIZE]) {
    size_t len = 0;
    out[0] = 0;
    for (int i = 0; i < f->names.n; i++)
        if (set & 1u << i)
            len += (size_t)snprintf(out + len, CR_FOLDER_NAMES_SIZE - len, "%s%s", len ? "," : "", f->names.name[i]);
    return out;
}

uint32_t cr_group_folders_set(const cr_group_folders *f, const char *names) {
    uint32_t set = 0;
    char name[CR_FOLDER_NAME_MAX + 1];
    for (size_t n; *names; names += n + (names[n] == ',')) {
        n = strcspn(names, ",");
        snprintf(name, sizeof name, "%.*s", (int)CR_MIN(n, sizeof name), names);
        int i = n < sizeof name ? place_of(f, name) : -1;
        set |= i >= 0 ? 1u << i : 0;
    }
    return set;
}

cr_status cr_group_folders_show(const cr_group_folders *f, cr_jobs *jobs, const char *account, const cr_account *u, uint32_t set, cr_err *err) {
    char dir[600];
    if (!f->names.n && !f->config->shared_dir[0])
        return CR_OK;
    snprintf(dir, sizeof dir, "%s/f", f->config->run_dir);
    CR_TRY(cr_place_dir(dir, 0, 0, 0711, err));
    snprintf(dir, sizeof dir, "%s/f/%s", f->config->run_dir, account);
    CR_TRY(make_links(f, dir, u->gid, set, err));
    link_home(jobs, u, dir);
    return CR_OK;
}

void cr_group_folders_forget(const cr_group_folders *f, const char *account) {
    char dir[600];
    snprintf(dir, sizeof dir, "%s/f/%s", f->config->run_dir, account);
    DIR *d = opendir(dir);
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.')
            unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    rmdir(dir);
}
