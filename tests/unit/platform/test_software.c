/* test_software.c - software environments: what is found in one by its folders, and who may write to it. */
#include "../check_main.h"
#include "../scratch.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "platform/runner/software.h"

static char folder[64];
static cr_err err;

static const char *at(const char *fmt, ...) CR_PRINTF(1, 2);
static const char *at(const char *fmt, ...) {
    static char paths[4][PATH_MAX];
    static int next;
    char *path = paths[next++ % 4];
    int n = snprintf(path, PATH_MAX, "%s/", folder);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(path + n, PATH_MAX - (size_t)n, fmt, ap);
    va_end(ap);
    return path;
}

static void add_folder(const char *path) { ck_assert_ok(cr_make_dirs(at("%s", path), 0755, &err)); }
static void add_package(const char *package) { add_folder(at("env/lib/python3.11/site-packages/%s.dist-info", package) + strlen(folder) + 1); }

static void add_program(const char *path) {
    ck_assert_ok(cr_file_replace(at("%s", path), "#!/bin/sh\n", 10, 0755, &err));
}

static void make_environment(void) {
    scratch_make(folder, "software");
    ck_assert_int_eq(chmod(folder, 0755), 0);
    add_folder("env/bin");
    add_folder("base");
    add_program("base/python3.11");
    ck_assert_int_eq(symlink("../../base/python3.11", at("env/bin/python3")), 0);
    add_package("ipykernel-7.1.0");
}

static void remove_environment(void) {
    scratch_remove(folder);
}

static cr_status open_as(bool whole, char *prefix) {
    const cr_software w = {"geo", "Geo", at("env"), whole};
    memset(&err, 0, sizeof err);
    return cr_software_open(&w, prefix, &err);
}

START_TEST(versions) {
    char v[CR_VERSION_MAX];
    cr_software_python(at("env"), v);
    ck_assert_str_eq(v, "3.11");
    ck_assert_int_eq(symlink("python3.11", at("env/lib/python3.1")), 0);      /* as conda has it */
    add_folder("env/lib/python3.9/site-packages");
    add_folder("env/lib/python-something");
    cr_software_python(at("env"), v);
    ck_assert_str_eq(v, "3.11");
    add_package("dask-2026.8.0");
    add_package("dask_gateway-2026.3.0");
    add_package("dask-expr-1.0.0");
    cr_software_package(at("env"), "3.11", "dask", v);
    ck_assert_str_eq(v, "2026.8.0");
    add_package("dask-2026.10.0");          /* left over by an upgrade that was cut off: the later one counts */
    cr_software_package(at("env"), "3.11", "dask", v);
    ck_assert_str_eq(v, "2026.10.0");
    cr_software_package(at("env"), "3.11", "xarray", v);
    ck_assert_str_eq(v, "");
    cr_software_python(at("nowhere"), v);
    ck_assert_str_eq(v, "");
}
END_TEST

START_TEST(what_it_must_have) {
    char prefix[PATH_MAX];
    ck_assert_ok(open_as(false, prefix));
    ck_assert_str_eq(prefix, at("env"));
    ck_assert_fails(open_as(true, prefix), CR_NO_FILE);
    ck_assert_ptr_nonnull(strstr(err.message, "has no jupyterhub, which a whole server needs"));
    add_package("jupyterlab-4.6.6");
    add_package("jupyterhub-4.1.6");
    ck_assert_fails(open_as(true, prefix), CR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "its jupyterhub is 4.1.6, and servers of this hub need 5 or later"));
    add_package("jupyterhub-6.1.1");
    ck_assert_fails(open_as(true, prefix), CR_NO_FILE);
    ck_assert_ptr_nonnull(strstr(err.message, "bin/jupyterhub-singleuser"));
    add_program("env/bin/jupyterhub-singleuser");
    ck_assert_ok(open_as(true, prefix));
    char where[PATH_MAX];
    snprintf(where, sizeof where, "%s", at("env"));
    const cr_software dask = {"geo", "Geo", where, false};
    ck_assert_fails(cr_software_open_dask(&dask, prefix, &err), CR_NO_FILE);
    add_package("distributed-2026.8.0");
    add_package("dask_gateway-2026.3.0");
    add_program("env/bin/dask");
    ck_assert_ok(cr_software_open_dask(&dask, prefix, &err));
    ck_assert_int_eq(unlink(at("env/bin/python3")), 0);
    ck_assert_fails(open_as(false, prefix), CR_NO_FILE);
    ck_assert_ptr_nonnull(strstr(err.message, "neither a venv nor a conda environment"));
}
END_TEST

/* Whatever leads to the programs: the folder, one above the interpreter, the interpreter behind its link, a link to the whole; and where modules lie. */
START_TEST(who_may_write) {
    static const char *const parts[] = {"env", "env/bin", "base", "base/python3.11", "", "env/lib", "env/lib/python3.11", "env/lib/python3.11/site-packages"};
    char prefix[PATH_MAX];
    for (size_t i = 0; i < CR_ARRAY_LEN(parts); i++) {
        ck_assert_int_eq(chmod(at("%s", parts[i]), 0757), 0);
        ck_assert_msg(open_as(false, prefix) == CR_DENIED, "taken: %s", parts[i]);
        ck_assert_msg(strstr(err.message, "can be written by others"), "%s", err.message);
        ck_assert_int_eq(chmod(at("%s", parts[i]), 0755), 0);
        ck_assert_ok(open_as(false, prefix));
        if (geteuid() != 0)
            continue;
        ck_assert_int_eq(chown(at("%s", parts[i]), 4711, 0), 0);
        ck_assert_msg(open_as(false, prefix) == CR_DENIED && strstr(err.message, "somebody else than root"), "taken: %s", parts[i]);
        ck_assert_int_eq(chown(at("%s", parts[i]), 0, 4711), 0);
        ck_assert_int_eq(chmod(at("%s", parts[i]), 0775), 0);
        ck_assert_msg(open_as(false, prefix) == CR_DENIED, "taken: %s", parts[i]);
        ck_assert_int_eq(chmod(at("%s", parts[i]), 0755), 0);
        ck_assert_int_eq(chown(at("%s", parts[i]), 0, 0), 0);
    }
    /* Nor is it enough there that nobody can exchange what others have made, as in /tmp. */
    static const char *const folders[] = {"env/bin", "env/lib/python3.11/site-packages"};
    for (size_t i = 0; i < CR_ARRAY_LEN(folders); i++) {
        ck_assert_int_eq(chmod(at("%s", folders[i]), 01777), 0);
        ck_assert_msg(open_as(false, prefix) == CR_DENIED, "taken: %s", folders[i]);
        ck_assert_int_eq(chmod(at("%s", folders[i]), 0755), 0);
    }
    ck_assert_int_eq(rename(at("env"), at("env-2")), 0);
    ck_assert_int_eq(symlink("env-2", at("env")), 0);
    ck_assert_ok(open_as(false, prefix));
    ck_assert_str_eq(prefix, at("env-2"));       /* an upgrade that turns the link changes nothing under a server that starts */
    if (geteuid() == 0) {
        ck_assert_int_eq(lchown(at("env"), 4711, 4711), 0);
        ck_assert_fails(open_as(false, prefix), CR_DENIED);
        ck_assert_int_eq(lchown(at("env"), 0, 0), 0);
        ck_assert_int_eq(chmod(at("env-2"), 0750), 0);
        ck_assert_fails(open_as(false, prefix), CR_DENIED);
        ck_assert_ptr_nonnull(strstr(err.message, "cannot be entered by people"));
    }
    ck_assert_int_eq(unlink(at("env")), 0);
    ck_assert_int_eq(symlink("env", at("env")), 0);
    ck_assert(open_as(false, prefix) != CR_OK);
}
END_TEST

START_TEST(kernels) {
    cr_config c = {0};
    char name[CR_KERNEL_NAME_MAX + 1], path[PATH_MAX];
    snprintf(c.prefix, sizeof c.prefix, "%s", folder);
    snprintf(c.run_dir, sizeof c.run_dir, "%s/run", folder);
    add_folder("run");
    ck_assert(!cr_kernel_find(&c, "no-such-kernel", name));
    ck_assert_str_eq(name, "no-such-kernel");
    add_folder("env/current/share/jupyter/kernels/julia-1.9");
    add_folder("env/current/share/jupyter/kernels/julia-1.10");
    ck_assert(cr_kernel_find(&c, "julia", name));
    ck_assert_str_eq(name, "julia-1.10");
    char where[PATH_MAX];
    snprintf(where, sizeof where, "%s", at("env"));
    const cr_software w = {"geo", "Geo \"2026\"", where, false};
    for (int i = 0; i < 2; i++)
        ck_assert_ok(cr_software_kernel(&c, &w, where, path, &err));
    ck_assert_str_eq(path, at("run/software/geo"));
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, 4096);
    ck_assert_ok(cr_file_read(at("run/software/geo/kernels/geo/kernel.json"), &text, &err));
    ck_assert_ptr_nonnull(strstr(cr_buf_str(&text), "\"Geo \\\"2026\\\"\""));
    ck_assert_ptr_nonnull(strstr(cr_buf_str(&text), "{'software': 'geo'}"));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("software");
    TCase *t = tcase_create("software");
    tcase_add_checked_fixture(t, make_environment, remove_environment);
    tcase_add_test(t, versions);
    tcase_add_test(t, what_it_must_have);
    tcase_add_test(t, who_may_write);
    tcase_add_test(t, kernels);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite())
