/* account.c - the list of accounts, useradd, homes. */
#include "platform/runner/account.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/identity/user_names.h"
#include "platform/runner/leftovers.h"
#include "platform/runner/place.h"
#include "platform/runner/quota.h"
#include "platform/runner/process.h"
#include "platform/runner/protocol.h"

enum { TOOL_TIMEOUT_MS = 20000, PURGE_TIMEOUT_MS = 6 * 3600 * 1000, FILE_MAX = 4 << 20 };

typedef struct entry {
    char account[CR_RUNNER_NAME_MAX + 1];
    int64_t uid;
} entry;
struct cr_accounts {
    const cr_config *config;
    entry *entries;
    size_t n, cap;
    int64_t next_uid;
};

static void list_path(const cr_config *c, char path[600]) { snprintf(path, 600, "%s/runner/accounts", c->state_dir); }

static entry *find(const cr_accounts *a, const char *account) {
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->entries[i].account, account) == 0)
            return &a->entries[i];
    return NULL;
}

static cr_status add(cr_accounts *a, const char *account, int64_t uid, cr_err *err) {
    if (a->n == a->cap) {
        size_t cap = a->cap ? a->cap * 2 : 64;
        entry *grown = reallocarray(a->entries, cap, sizeof *grown);
        if (!grown)
            return CR_FAIL(err, CR_MEMORY, "no memory for the list of accounts");
        a->entries = grown;
        a->cap = cap;
    }
    entry *e = &a->entries[a->n++];
    memset(e, 0, sizeof *e);
    snprintf(e->account, sizeof e->account, "%s", account);
    e->uid = uid;
    return CR_OK;
}

static cr_status save(const cr_accounts *a, cr_err *err) {
    char path[600];
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, FILE_MAX);
    cr_buf_addf(&text, "next %lld\n", (long long)a->next_uid);
    for (size_t i = 0; i < a->n; i++)
        cr_buf_addf(&text, "%s %lld\n", a->entries[i].account, (long long)a->entries[i].uid);
    CR_TRY(cr_buf_check(&text, err));
    list_path(a->config, path);
    return cr_file_replace(path, text.data, text.len, 0600, err);
}

static cr_status load_line(cr_accounts *a, char *line, bool is_first, cr_err *err) {
    char *space = strchr(line, ' ');
    int64_t uid;
    if (!space)
        return CR_FAIL(err, CR_FORMAT, "'%s' is not NAME UID", line);
    *space = 0;
    CR_TRY(cr_parse_int(space + 1, 0, UINT32_MAX - 1, &uid, err));
    if (is_first && strcmp(line, "next") == 0) {   /* an account may have that name too, also the first account */
        a->next_uid = CR_MAX(a->next_uid, uid);
        return CR_OK;
    }
    if (!cr_account_is_valid(line) || find(a, line))
        return CR_FAIL(err, CR_FORMAT, "'%s' is not an account, or is there twice", line);
    a->next_uid = CR_MAX(a->next_uid, uid + 1);
    return add(a, line, uid, err);
}

static int by_uid(const void *x, const void *y) {
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return (a > b) - (a < b);
}

static cr_status check_uids(const cr_accounts *a, const char *path, cr_err *err) {
    cr_auto_free int64_t *uids = calloc(a->n + 1, sizeof *uids);
    if (!uids)
        return CR_FAIL(err, CR_MEMORY, "no memory for the list of accounts");
    size_t n = 0;
    for (size_t i = 0; i < a->n; i++)
        if (a->config->as_root || !cr_account_is_demo(a->entries[i].account))   /* without root it has the uid that all have */
            uids[n++] = a->entries[i].uid;
    qsort(uids, n, sizeof *uids, by_uid);
    for (size_t i = 1; i < n; i++)
        if (uids[i] == uids[i - 1])
            return CR_FAIL(err, CR_FORMAT, "%s gives the user id %lld to two accounts", path, (long long)uids[i]);
    return CR_OK;
}

static cr_status load(cr_accounts *a, char *text, size_t n, const char *path, cr_err *err) {
    int number = 0;
    cr_status status = strlen(text) == n ? CR_OK : CR_FAIL(err, CR_FORMAT, "%s contains a NUL byte", path);
    for (char *rest = text, *line; status == CR_OK && (line = strsep(&rest, "\n"));) {
        number++;
        status = *line ? load_line(a, line, number == 1, err) : CR_OK;
        if (status != CR_OK)
            cr_err_context(err, "%s line %d", path, number);
    }
    if (status == CR_OK)
        status = check_uids(a, path, err);
    if (status != CR_OK)
        cr_err_hint(err, "put the file back from a backup: a wrong list would give one account's files to another");
    return status;
}

cr_status cr_accounts_open(const cr_config *c, cr_accounts **ret_accounts, cr_err *err) {
    char path[600], nothing[1] = "";
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, FILE_MAX);
    list_path(c, path);
    if (access(path, F_OK) == 0 || errno != ENOENT)
        CR_TRY(cr_file_read(path, &text, err));
    return cr_accounts_parse(c, text.len ? text.data : nothing, text.len, path, ret_accounts, err);
}

cr_status cr_accounts_parse(const cr_config *c, char *text, size_t n, const char *path, cr_accounts **ret_accounts, cr_err *err) {
    cr_accounts *a = calloc(1, sizeof *a);
    if (!a)
        return CR_FAIL(err, CR_MEMORY, "no memory for the list of accounts");
    a->config = c;
    a->next_uid = c->uid_first;
    cr_status status = load(a, text, n, path, err);
    if (status != CR_OK) {
        cr_accounts_close(a);
        return status;
    }
    *ret_accounts = a;
    return CR_OK;
}

void cr_accounts_close(cr_accounts *a) {
    if (!a)
        return;
    free(a->entries);
    free(a);
}

static void describe(const cr_accounts *a, const char *account, int64_t uid, cr_account *ret) {
    memset(ret, 0, sizeof *ret);
    ret->uid = (uid_t)uid;
    ret->gid = a->config->as_root ? (gid_t)uid : getegid();
    snprintf(ret->home, sizeof ret->home, "%s/home/%s", a->config->state_dir, account);
    if (a->config->as_root) {
        snprintf(ret->linux_name, sizeof ret->linux_name, "%s%s", a->config->account_prefix, account);
    } else {
        const struct passwd *p = getpwuid(geteuid());
        snprintf(ret->linux_name, sizeof ret->linux_name, "%s", p ? p->pw_name : account);
    }
}

cr_status cr_account_find(const cr_accounts *a, const char *account, cr_account *ret_account, cr_err *err) {
    const entry *e = find(a, account);
    if (!e)
        return CR_FAIL(err, CR_NOT_FOUND, "there is no account %s", account);
    describe(a, account, e->uid, ret_account);
    return CR_OK;
}

/* A uid that neither we nor the machine have given to anybody. */
static cr_status choose_uid(cr_accounts *a, int64_t *ret_uid, cr_err *err) {
    int64_t end = a->config->uid_first + a->config->uid_count;
    for (int64_t uid = CR_MAX(a->next_uid, a->config->uid_first); uid < end; uid++) {
        if (getpwuid((uid_t)uid) || getgrgid((gid_t)uid))
            continue;
        *ret_uid = uid;
        return CR_OK;
    }
    CR_FAIL(err, CR_LIMIT, "all user ids from %lld to %lld are used", (long long)a->config->uid_first, (long long)end - 1);
    cr_err_hint(err, "raise uid-count in STATE/config");
    return CR_LIMIT;
}

cr_status cr_accounts_take_id(cr_accounts *a, int64_t *ret_id, cr_err *err) {
    int64_t before = a->next_uid, id;
    CR_TRY(choose_uid(a, &id, err));
    a->next_uid = id + 1;
    cr_status status = save(a, err);
    if (status != CR_OK)
        a->next_uid = before;
    else
        *ret_id = id;
    return status;
}

/* Without root: whose this platform is. A demo account is the same person's for the time of a demo. */
static const entry *the_one_account(const cr_accounts *a) {
    for (size_t i = 0; i < a->n; i++)
        if (!cr_account_is_demo(a->entries[i].account))
            return &a->entries[i];
    return NULL;
}

static cr_status ensure_entry(cr_accounts *a, const char *account, int64_t *ret_uid, cr_err *err) {
    const entry *e = find(a, account);
    if (e) {
        *ret_uid = e->uid;
        return CR_OK;
    }
    int64_t uid = geteuid();
    const entry *only = a->config->as_root || cr_account_is_demo(account) ? NULL : the_one_account(a);
    if (only) {
        CR_FAIL(err, CR_DENIED, "without root there is one account, %s", only->account);
        cr_err_hint(err, "start cratond as root to give every account its own user id");
        return CR_DENIED;
    }
    if (a->config->as_root)
        CR_TRY(choose_uid(a, &uid, err));
    CR_TRY(add(a, account, uid, err));
    if (a->config->as_root)
        a->next_uid = uid + 1;
    cr_status status = save(a, err);   /* before the uid is used anywhere */
    if (status != CR_OK) {
        a->n--;
        return status;
    }
    *ret_uid = uid;
    return CR_OK;
}

static cr_status ensure_linux_user(const cr_account *u, cr_err *err) {
    const struct passwd *p = getpwnam(u->linux_name);
    if (p) {
        if (p->pw_uid != u->uid || p->pw_gid != u->gid)
            return CR_FAIL(err, CR_CONFLICT, "the Linux user %s exists with another uid (%u, expected %u)", u->linux_name,
                           (unsigned)p->pw_uid, (unsigned)u->uid);
        return CR_OK;
    }
    char id[16];
    snprintf(id, sizeof id, "%u", (unsigned)u->uid);
    const char *const add_group[] = {"/usr/sbin/groupadd", "--gid", id, u->linux_name, NULL};
    const char *const add_user[] = {"/usr/sbin/useradd", "--uid", id, "--gid", id, "--no-create-home", "--no-log-init", "--home-dir", u->home,
                                    "--shell", "/bin/bash", u->linux_name, NULL};
    const struct group *g = getgrnam(u->linux_name);
    if (g && g->gr_gid != u->gid)
        return CR_FAIL(err, CR_CONFLICT, "the Linux group %s exists with another gid", u->linux_name);
    if (!g)
        CR_TRY(cr_program_run(add_group, (uid_t)-1, 0, TOOL_TIMEOUT_MS, err));
    return cr_program_run(add_user, (uid_t)-1, 0, TOOL_TIMEOUT_MS, err);
}

/* As the user, so that no trick inside the tree makes root remove anything else; rm walks by descriptors. Only the top directory is
 * then left, in a directory of root. */
static cr_status remove_tree(const char *path, uid_t uid, gid_t gid, cr_err *err) {
    const char *const rm[] = {"/bin/rm", "-rf", "--one-file-system", "--", path, NULL};
    const char *const open_up[] = {"/bin/chmod", "-R", "u+rwx", "--", path, NULL};
    cr_err rest = CR_ERR_INIT;   /* rm cannot remove the top itself and says so; what counts is whether the directory is empty then */
    if (access(path, F_OK) == 0 && cr_program_run(rm, uid, gid, PURGE_TIMEOUT_MS, &rest) == CR_OK)
        return CR_OK;
    if (rmdir(path) == 0 || errno == ENOENT)
        return CR_OK;
    /* People may have closed folders to themselves. */
    if (cr_program_run(open_up, uid, gid, PURGE_TIMEOUT_MS, &rest) == CR_OK && cr_program_run(rm, uid, gid, PURGE_TIMEOUT_MS, &rest) == CR_OK)
        return CR_OK;
    if (rmdir(path) == 0 || errno == ENOENT)
        return CR_OK;
    return CR_FAIL(err, CR_CONFLICT, "cannot empty %s: %s", path, rest.message);
}

/* The notebooks every account begins with, and a first state of JupyterLab in which their folder is shown. JupyterLab looks for it under
 * this name (the digits are of a checksum of "default") and keeps it from then on: whoever goes elsewhere finds himself there later. */
static cr_status fill_home(const cr_config *c, const cr_account *u, const char *path, cr_err *err) {
    char from[700], to[700];
    snprintf(from, sizeof from, "%s/share/craton/welcome", c->prefix);
    snprintf(to, sizeof to, "%s/welcome", path);
    if (access(from, R_OK | X_OK) != 0) {
        cr_log(CR_LOG_WARN, "no welcome notebooks", "path=%s", from);
        return CR_OK;
    }
    const char *const cp[] = {"/bin/cp", "-R", "--no-preserve=all", "--", from, to, NULL};
    CR_TRY(cr_program_run(cp, u->uid, u->gid, TOOL_TIMEOUT_MS, err));
    snprintf(from, sizeof from, "%s/share/craton/start/first.jupyterlab-workspace", c->prefix);
    snprintf(to, sizeof to, "%s/.jupyter/lab/workspaces/default-37a8.jupyterlab-workspace", path);
    const char *const first[] = {"/usr/bin/install", "-D", "-m", "644", "--", from, to, NULL};
    if (access(from, R_OK) == 0)
        CR_TRY(cr_program_run(first, u->uid, u->gid, TOOL_TIMEOUT_MS, err));
    /* What they read, at a path that a person can type. */
    snprintf(from, sizeof from, "%s/share/craton/data", c->prefix);
    snprintf(to, sizeof to, "%s/welcome/data", path);
    const char *const ln[] = {"/bin/ln", "-s", "--", from, to, NULL};
    return access(from, R_OK | X_OK) == 0 ? cr_program_run(ln, u->uid, u->gid, TOOL_TIMEOUT_MS, err) : CR_OK;
}

/* Before anything is in it: what is made there belongs to the project from the beginning. */
static cr_status mark_home(const cr_config *c, const cr_account *u, const char *path, cr_err *err) {
    char base[600];
    snprintf(base, sizeof base, "%s/home", c->state_dir);
    if (!c->as_root || !cr_quota_is_on(base))
        return CR_OK;
    cr_auto_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return CR_FAIL_ERRNO(err, "cannot open %s", path);
    CR_TRY(cr_quota_mark(fd, u->uid, true, err));
    return cr_quota_home_note(fd, u->uid, err);
}

static cr_status ensure_home(const cr_config *c, const cr_account *u, const char *account, cr_err *err) {
    struct stat st;
    if (lstat(u->home, &st) == 0) {
        if (!S_ISDIR(st.st_mode) || st.st_uid != u->uid)
            return CR_FAIL(err, CR_CONFLICT, "%s is not a directory of uid %u", u->home, (unsigned)u->uid);
        return CR_OK;
    }
    char path[700];
    snprintf(path, sizeof path, "%s/home/.new-%s", c->state_dir, account);
    CR_TRY(remove_tree(path, u->uid, u->gid, err));   /* of an attempt that was interrupted */
    CR_TRY(cr_place_dir(path, u->uid, u->gid, 0700, err));
    CR_TRY(mark_home(c, u, path, err));
    cr_status status = fill_home(c, u, path, err);
    if (status == CR_OK && rename(path, u->home) != 0)
        status = CR_FAIL_ERRNO(err, "cannot move %s into place", path);
    if (status != CR_OK)
        (void)!remove_tree(path, u->uid, u->gid, NULL);   /* on a full disk half a home would keep others from starting */
    return status;
}

static void work_of(const cr_accounts *a, const char *account, const cr_account *u, bool purge, cr_account_work *ret) {
    memset(ret, 0, sizeof *ret);
    ret->config = a->config;
    ret->account = *u;
    ret->purge = purge;
    snprintf(ret->name, sizeof ret->name, "%s", account);
}

cr_status cr_account_claim(cr_accounts *a, const char *account, cr_account *ret_account, cr_account_work *ret_work, cr_err *err) {
    int64_t uid;
    CR_TRY(ensure_entry(a, account, &uid, err));
    describe(a, account, uid, ret_account);
    work_of(a, account, ret_account, false, ret_work);
    return CR_OK;
}

bool cr_account_is_made(const cr_accounts *a, const cr_account *u) {
    struct stat st;
    const struct passwd *p = a->config->as_root ? getpwnam(u->linux_name) : NULL;
    return (!a->config->as_root || (p && p->pw_uid == u->uid && p->pw_gid == u->gid)) && lstat(u->home, &st) == 0 && S_ISDIR(st.st_mode) &&
           st.st_uid == u->uid;
}

cr_status cr_account_make(const void *what, cr_err *err) {
    const cr_account_work *w = what;
    if (w->config->as_root)
        CR_TRY(ensure_linux_user(&w->account, err));
    return ensure_home(w->config, &w->account, w->name, err);
}

/* ---- removal: each step may find that it was done before, wholly or in part ---- */

cr_status cr_account_leave(const cr_accounts *a, const char *account, bool purge, cr_account_work *ret_work, cr_err *err) {
    cr_account u;
    CR_TRY(cr_account_find(a, account, &u, err));
    work_of(a, account, &u, purge, ret_work);
    return CR_OK;
}

/* Its folders of RUN, with what its programs may have left there, and what an interrupted start has left of a home. */
static cr_status clear_smaller_folders(const cr_account_work *w, cr_err *err) {
    const cr_account *u = &w->account;
    char path[700];
    snprintf(path, sizeof path, "%s/r/%u", w->config->run_dir, (unsigned)u->uid);
    CR_TRY(remove_tree(path, u->uid, u->gid, err));
    snprintf(path, sizeof path, "%s/u/%s", w->config->run_dir, w->name);
    CR_TRY(remove_tree(path, u->uid, u->gid, err));
    snprintf(path, sizeof path, "%s/home/.new-%s", w->config->state_dir, w->name);
    return remove_tree(path, u->uid, u->gid, err);
}

cr_status cr_account_clear(const void *what, cr_err *err) {
    const cr_account_work *w = what;
    const cr_account *u = &w->account;
    char dir[700], path[800];
    snprintf(dir, sizeof dir, "%s/home/.removed", w->config->state_dir);
    snprintf(path, sizeof path, "%s/%s.%u", dir, w->name, (unsigned)u->uid);
    CR_TRY(clear_smaller_folders(w, err));
    if (w->purge && w->config->as_root)
        CR_TRY(cr_leftovers_remove(&(cr_leftovers){.uid = u->uid, .gid = u->gid, .before_s = cr_wall_ms() / 1000 + 1, .folders = true}, err));
    /* Passable only while rm works as the user. */
    CR_TRY(cr_place_dir(dir, 0, 0, w->purge && w->config->as_root ? 0711 : 0700, err));
    if (w->purge && access(u->home, F_OK) == 0)
        CR_TRY(remove_tree(path, u->uid, u->gid, err));   /* rename wants the place free */
    if (rename(u->home, path) != 0 && errno != ENOENT)
        return CR_FAIL_ERRNO(err, "cannot move %s away", u->home);
    return w->purge ? remove_tree(path, u->uid, u->gid, err) : CR_OK;
}

cr_status cr_account_unmake(const void *what, cr_err *err) {
    const cr_account_work *w = what;
    const char *name = w->account.linux_name;
    const char *const del_user[] = {"/usr/sbin/userdel", name, NULL}, *const del_group[] = {"/usr/sbin/groupdel", name, NULL};
    if (!w->config->as_root)
        return CR_OK;
    if (getpwnam(name))
        CR_TRY(cr_program_run(del_user, (uid_t)-1, 0, TOOL_TIMEOUT_MS, err));
    if (getgrnam(name))           /* userdel has usually removed it */
        CR_TRY(cr_program_run(del_group, (uid_t)-1, 0, TOOL_TIMEOUT_MS, err));
    return CR_OK;
}

cr_status cr_account_forget(cr_accounts *a, const char *account, cr_err *err) {
    entry *e = find(a, account);
    if (!e)
        return CR_OK;
    const entry kept = *e;
    *e = a->entries[--a->n];
    cr_status status = save(a, err);
    if (status != CR_OK) {        /* as on disk */
        a->entries[a->n++] = *e;
        *e = kept;
    }
    return status;
}
