/* software.c - who could write to it, what is in it. */
#include "platform/runner/software.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/text.h"
#include "platform/runner/place.h"

enum { KERNEL_FILE_MAX = 8192, HUB_LEAST = 5, LINKS_MOST = 16 };

/* ---- versions, by names of folders ---- */

/* Versions are compared number by number: 3.9 is before 3.10. */
static bool is_later(const char *a, const char *b) {
    while (*a || *b) {
        char *end_a, *end_b;
        unsigned long x = strtoul(a, &end_a, 10), y = strtoul(b, &end_b, 10);
        if (x != y)
            return x > y;
        if (end_a == a || end_b == b)
            return end_a != a;
        a = end_a + (*end_a == '.');
        b = end_b + (*end_b == '.');
    }
    return false;
}

/* The latest VERSION of the entries PREFIX<VERSION>SUFFIX of the folder. */
static void find_latest(const char *folder, const char *prefix, const char *suffix, char out[CR_VERSION_MAX]) {
    DIR *d = opendir(folder);
    size_t extra = strlen(prefix) + strlen(suffix);
    out[0] = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t n = strlen(e->d_name);
        char version[CR_VERSION_MAX];
        if (n <= extra || n - extra >= sizeof version || !cr_starts_with(e->d_name, prefix) || !cr_ends_with(e->d_name, suffix))
            continue;
        memcpy(version, e->d_name + strlen(prefix), n - extra);
        version[n - extra] = 0;
        if (version[0] >= '0' && version[0] <= '9' && strspn(version, "0123456789.abcdefghijklmnopqrstuvwxyz+") == n - extra && is_later(version, out))
            strcpy(out, version);
    }
    if (d)
        closedir(d);
}

void cr_software_python(const char *prefix, char out[CR_VERSION_MAX]) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s/lib", prefix);
    find_latest(folder, "python", "", out);      /* conda's link python3.1 is not the latest */
}

void cr_software_package(const char *prefix, const char *python, const char *package, char out[CR_VERSION_MAX]) {
    char folder[PATH_MAX], begins[64];
    snprintf(folder, sizeof folder, "%s/lib/python%s/site-packages", prefix, python);
    snprintf(begins, sizeof begins, "%s-", package);
    out[0] = 0;
    if (python[0])
        find_latest(folder, begins, ".dist-info", out);
}

bool cr_software_is_conda(const char *prefix) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/conda-meta", prefix);
    return access(path, F_OK) == 0;
}

/* ---- who could write ---- */

/* In a folder like /tmp others may write, but not exchange what is root's. */
static cr_status check_one(const char *path, const struct stat *st, bool last, cr_err *err) {
    bool others = (st->st_mode & S_IWOTH) || ((st->st_mode & S_IWGRP) && st->st_gid != 0);
    bool sticky = S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX) && !last;
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return CR_FAIL(err, CR_DENIED, "%s belongs to somebody else than root", path);
    if (!S_ISLNK(st->st_mode) && others && !sticky)
        return CR_FAIL(err, CR_DENIED, "%s can be written by others", path);
    if (S_ISDIR(st->st_mode) && geteuid() == 0 && !(st->st_mode & S_IXOTH))
        return CR_FAIL(err, CR_DENIED, "%s cannot be entered by people", path);
    return CR_OK;
}

/* Each part of the path as it is written, and of where its links lead. */
static cr_status check_way(const char *path, int links, cr_err *err) {
    char part[PATH_MAX], target[PATH_MAX], whole[PATH_MAX];
    struct stat st;
    if (links > LINKS_MOST)
        return CR_FAIL(err, CR_INVALID, "%s has too many links", path);
    for (size_t n = 1; n <= strlen(path); n++) {
        if (path[n] && path[n] != '/')
            continue;
        snprintf(part, sizeof part, "%.*s", (int)n, path);
        if (lstat(part, &st) != 0)
            return errno == ENOENT || errno == ENOTDIR ? CR_FAIL(err, CR_NO_FILE, "there is no %s", part) : CR_FAIL_ERRNO(err, "cannot look at %s", part);
        CR_TRY(check_one(part, &st, !path[n], err));
        if (!S_ISLNK(st.st_mode))
            continue;
        ssize_t k = readlink(part, target, sizeof target);
        if (k <= 0 || k >= (ssize_t)sizeof target)
            return CR_FAIL(err, CR_INVALID, "%s is no link that can be followed", part);
        target[k] = 0;
        int used = target[0] == '/' ? snprintf(whole, sizeof whole, "%s", target)
                                    : snprintf(whole, sizeof whole, "%.*s/%s", (int)(strrchr(part, '/') - part), part, target);
        if (used >= (int)sizeof whole)
            return CR_FAIL(err, CR_INVALID, "%s leads to a path that is too long", part);
        CR_TRY(check_way(whole, links + 1, err));
    }
    return CR_OK;
}

static cr_status check_program(const char *prefix, const char *name, const char *missing, cr_err *err) {
    char path[PATH_MAX + 64];
    struct stat st;
    snprintf(path, sizeof path, "%s/bin/%s", prefix, name);
    if (stat(path, &st) != 0)
        return CR_FAIL(err, CR_NO_FILE, "there is no %s%s", path, missing);
    CR_TRY(check_way(path, 0, err));
    if (!S_ISREG(st.st_mode) || !(st.st_mode & (geteuid() == 0 ? S_IXOTH : S_IXUSR)))
        return CR_FAIL(err, CR_DENIED, "%s is no program that people can run", path);
    return CR_OK;
}

/* ---- can it be used ---- */

static cr_status need(const char *prefix, const char *python, const char *package, const char *for_what, cr_err *err) {
    char version[CR_VERSION_MAX];
    cr_software_package(prefix, python, package, version);
    if (version[0])
        return CR_OK;
    return CR_FAIL(err, CR_NO_FILE, "it has no %s, which %s (%s/bin/python3 -m pip install %s, or conda install)", package, for_what, prefix, package);
}

static cr_status check_hub(const char *prefix, const char *python, cr_err *err) {
    char version[CR_VERSION_MAX];
    CR_TRY(need(prefix, python, "jupyterhub", "a whole server needs", err));
    CR_TRY(need(prefix, python, "jupyterlab", "a whole server needs", err));
    cr_software_package(prefix, python, "jupyterhub", version);
    if (atoi(version) < HUB_LEAST)
        return CR_FAIL(err, CR_INVALID, "its jupyterhub is %s, and servers of this hub need %d or later", version, HUB_LEAST);
    return check_program(prefix, "jupyterhub-singleuser", "", err);
}

/* Where programs and modules lie: who may add one runs it as the person. Modules are missing where there is no package, which is said later. */
static cr_status check_contents(const char *prefix, const char *python, cr_err *err) {
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/bin", prefix);
    CR_TRY(check_way(path, 0, err));
    snprintf(path, sizeof path, "%s/lib/python%s", prefix, python);
    CR_TRY(check_way(path, 0, err));
    strcat(path, "/site-packages");
    return access(path, F_OK) == 0 ? check_way(path, 0, err) : CR_OK;
}

static cr_status look_at(const cr_software *w, char *prefix, char python[CR_VERSION_MAX], cr_err *err) {
    CR_TRY(check_way(w->prefix, 0, err));
    if (!realpath(w->prefix, prefix))
        return CR_FAIL_ERRNO(err, "cannot look at %s", w->prefix);
    CR_TRY(check_program(prefix, "python3", ": it is neither a venv nor a conda environment", err));
    cr_software_python(prefix, python);
    if (!python[0])
        return CR_FAIL(err, CR_NO_FILE, "there is no %s/lib/python3...", prefix);
    return check_contents(prefix, python, err);
}

static cr_status say_which(const cr_software *w, cr_status status, cr_err *err) {
    if (status != CR_OK)
        cr_err_context(err, "The software '%s' (%s) cannot be used", w->title, w->prefix);
    return status;
}

cr_status cr_software_open(const cr_software *w, char *prefix, cr_err *err) {
    char python[CR_VERSION_MAX];
    cr_status status = look_at(w, prefix, python, err);
    if (status == CR_OK)
        status = w->whole ? check_hub(prefix, python, err) : need(prefix, python, "ipykernel", "a kernel needs", err);
    return say_which(w, status, err);
}

cr_status cr_software_open_dask(const cr_software *w, char *prefix, cr_err *err) {
    char python[CR_VERSION_MAX];
    cr_status status = look_at(w, prefix, python, err);
    if (status == CR_OK)
        status = need(prefix, python, "distributed", "a Dask cluster needs", err);
    if (status == CR_OK)
        status = need(prefix, python, "dask_gateway", "a Dask cluster needs", err);
    if (status == CR_OK)
        status = check_program(prefix, "dask", ", which a Dask cluster needs", err);
    return say_which(w, status, err);
}

/* ---- the kernel ---- */

char *cr_software_options(const char *slug, char *buf, size_t size) {
    snprintf(buf, size, "{'software': '%s'}", slug);       /* Dask reads it as Python */
    return buf;
}

/* Prefixes have neither `$` nor `{`, which jupyter_client would replace. */
static cr_status describe_kernel(const cr_software *w, const char *prefix, cr_buf *out, cr_err *err) {
    char options[80], program[PATH_MAX + 16], path[PATH_MAX + 64];
    snprintf(program, sizeof program, "%s/bin/python3", prefix);
    snprintf(path, sizeof path, "%s/bin:/usr/local/bin:/usr/bin:/bin", prefix);
    json_t *spec = json_pack("{s:[s, s, s, s, s], s:s, s:s, s:{s:b}, s:{s:s, s:s, s:s}}", "argv", program, "-m", "ipykernel_launcher", "-f", "{connection_file}",
                             "display_name", w->title, "language", "python", "metadata", "debugger", 1, "env", "PATH", path, "VIRTUAL_ENV", prefix,
                             "DASK_GATEWAY__CLUSTER__OPTIONS", cr_software_options(w->slug, options, sizeof options));
    if (cr_software_is_conda(prefix))
        json_object_set_new(json_object_get(spec, "env"), "CONDA_PREFIX", json_string(prefix));
    cr_auto_free char *text = json_dumps(spec, JSON_INDENT(1));
    json_decref(spec);
    if (!text)
        return CR_FAIL(err, CR_MEMORY, "no memory for the kernel of a software environment");
    cr_buf_adds(out, text);
    return cr_buf_check(out, err);
}

static cr_status write_if_new(const char *path, const cr_buf *text, cr_err *err) {
    cr_auto_buf cr_buf there;
    cr_buf_init(&there, KERNEL_FILE_MAX);
    if (cr_file_read(path, &there, NULL) == CR_OK && there.len == text->len && memcmp(there.data, text->data, text->len) == 0)
        return CR_OK;
    return cr_file_replace(path, text->data, text->len, 0644, err);
}

cr_status cr_software_kernel(const cr_config *c, const cr_software *w, const char *prefix, char *ret_jupyter_path, cr_err *err) {
    char path[PATH_MAX + 128];
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, KERNEL_FILE_MAX);
    snprintf(path, sizeof path, "%s/software", c->run_dir);
    CR_TRY(cr_place_dir(path, 0, 0, c->as_root ? 0711 : 0700, err));
    snprintf(ret_jupyter_path, PATH_MAX, "%s/%s", path, w->slug);
    const char *const below[] = {"", "/kernels", "/"};
    snprintf(path, sizeof path, "%s", ret_jupyter_path);
    for (size_t i = 0; i < CR_ARRAY_LEN(below); i++) {
        size_t n = strlen(path);
        snprintf(path + n, sizeof path - n, "%s%s", below[i], i == 2 ? w->slug : "");
        CR_TRY(cr_place_dir(path, 0, 0, c->as_root ? 0755 : 0700, err));
    }
    snprintf(path + strlen(path), sizeof path - strlen(path), "/kernel.json");
    CR_TRY(describe_kernel(w, prefix, &text, err));
    return write_if_new(path, &text, err);
}

/* ---- kernels of everybody ---- */

bool cr_kernel_find(const cr_config *c, const char *name, char out[CR_KERNEL_NAME_MAX + 1]) {
    const char *const roots[] = {c->prefix, "/usr/local", "/usr"};
    const char *const below[] = {"/env/current", "", ""};
    char path[PATH_MAX], version[CR_VERSION_MAX];
    snprintf(out, CR_KERNEL_NAME_MAX + 1, "%s", name);
    for (size_t i = 0; i < CR_ARRAY_LEN(roots); i++) {
        snprintf(path, sizeof path, "%s%s/share/jupyter/kernels/%s/kernel.json", roots[i], below[i], name);
        if (access(path, R_OK) == 0)
            return true;
    }
    for (size_t i = 0; strcmp(name, "julia") == 0 && i < CR_ARRAY_LEN(roots); i++) {
        snprintf(path, sizeof path, "%s%s/share/jupyter/kernels", roots[i], below[i]);
        find_latest(path, "julia-", "", version);
        if (!version[0])
            continue;
        snprintf(out, CR_KERNEL_NAME_MAX + 1, "julia-%s", version);
        return true;
    }
    return false;
}
