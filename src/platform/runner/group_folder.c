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

static cr_status link_to(const char *target, const char *path, cr_err *err) {
    return symlink(target, path) == 0 || errno == EEXIST ? CR_OK : CR_FAIL_ERRNO(err, "cannot make the link %s", path);
}

static void empty(const char *path) {
    DIR *d = opendir(path);
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.')
            unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
}

static cr_status make_links(const cr_group_folders *f, const char *dir, uint32_t set, cr_err *err) {
    const cr_config *c = f->config;
    char target[700], path[900];
    CR_TRY(cr_place_dir(dir, 0, 0, 0755, err));
    empty(dir);
    for (int i = 0; i < f->names.n; i++) {
        if (!(set & 1u << i))
            continue;
        snprintf(target, sizeof target, "%s/groups/%s", c->state_dir, f->names.name[i]);
        snprintf(path, sizeof path, "%s/%s", dir, f->names.name[i]);
        CR_TRY(link_to(target, path, err));
    }
    snprintf(path, sizeof path, "%s/shared", dir);
    return c->shared_dir[0] ? link_to(c->shared_dir, path, err) : CR_OK;
}

/* Not a reason to refuse a start: what is of this name in the home is its person's. */
static void link_home(const cr_account *u, const char *dir) {
    char path[700];
    struct stat st;
    cr_err err = CR_ERR_INIT;
    snprintf(path, sizeof path, "%s/folders", u->home);
    const char *const ln[] = {"/bin/ln", "-s", "-T", "--", dir, path, NULL};
    if (lstat(path, &st) != 0 && errno == ENOENT && cr_program_run(ln, u->uid, u->gid, LINK_TIMEOUT_MS, &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "no link to common folders", &err);
}

void cr_group_folders_of(const cr_group_folders *f, uint32_t set, cr_account *u) {
    u->n_groups = 0;
    for (int i = 0; i < f->names.n; i++)
        if (set & 1u << i)
            u->groups[u->n_groups++] = f->gid[i];
}

cr_status cr_group_folders_show(const cr_group_folders *f, const char *account, const cr_account *u, uint32_t set, cr_err *err) {
    char dir[600];
    if (!f->names.n && !f->config->shared_dir[0])
        return CR_OK;
    snprintf(dir, sizeof dir, "%s/f", f->config->run_dir);
    CR_TRY(cr_place_dir(dir, 0, 0, 0711, err));
    snprintf(dir, sizeof dir, "%s/f/%s", f->config->run_dir, account);
    CR_TRY(make_links(f, dir, set, err));
    link_home(u, dir);
    return CR_OK;
}
