/* Control groups against trees made of plain directories: what is written where, in v1, v2, nested, and nowhere. */
#include "../check_main.h"
#include "../scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/file.h"
#include "platform/runner/cgroup.h"
#include "platform/runner/place.h"

static char root[64];

static void make_root(void) {
    scratch_make(root, "test");
}

static void remove_root(void) {
    scratch_remove(root);
}

static const char *at(const char *name) {
    static char path[4][512];
    static int i;
    i = (i + 1) % 4;
    snprintf(path[i], sizeof path[i], "%s/%s", root, name);
    return path[i];
}

static void put(const char *name, const char *text) {
    cr_err err = CR_ERR_INIT;
    char dir[512];
    snprintf(dir, sizeof dir, "%s", at(name));
    *strrchr(dir, '/') = 0;
    ck_assert_ok(cr_make_dirs(dir, 0755, &err));
    FILE *f = fopen(at(name), "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static void expect(const char *name, const char *text) {
    cr_auto_buf cr_buf got;
    cr_err err = CR_ERR_INIT;
    cr_buf_init(&got, 4096);
    ck_assert_ok(cr_file_read(at(name), &got, &err));
    ck_assert_msg(strcmp(cr_buf_str(&got), text) == 0, "%s holds '%s', expected '%s'", name, cr_buf_str(&got), text);
}

static cr_cgroups *open_here(const char *mounts, const char *own) {
    cr_err err = CR_ERR_INIT;
    cr_cgroups *g;
    char text[4096];
    snprintf(text, sizeof text, mounts, root, root, root, root, root);
    put("mountinfo", text);
    put("own", own);
    char mount_path[512], own_path[512];
    strcpy(mount_path, at("mountinfo"));
    strcpy(own_path, at("own"));
    const cr_cgroup_source source = {mount_path, own_path};
    ck_assert_ok(cr_cgroups_open("craton", &source, &g, &err));
    return g;
}

static const cr_server_limits limits = {1 << 30, 1500, 256};

static const char v1_mounts[] =
    "20 1 0:1 / / rw - ext4 /dev/x rw\n"
    "30 20 0:5 / %s/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
    "31 20 0:6 /outer %s/memory rw,nosuid - cgroup cgroup rw,memory\n"
    "32 20 0:7 / %s/pids rw shared:3 - cgroup cgroup rw,pids\n";

START_TEST(v1_writes_below_the_own_group) {
    cr_err err = CR_ERR_INIT;
    /* the memory hierarchy is mounted from /outer, so /outer/inner is at MOUNT/inner */
    put("cpu/slice/craton/ada.7/cpu.cfs_quota_us", "");
    put("cpu/slice/craton/ada.7/cpu.cfs_period_us", "");
    put("cpu/slice/craton/ada.7/cgroup.procs", "");
    put("memory/inner/craton/ada.7/memory.limit_in_bytes", "");
    put("memory/inner/craton/ada.7/cgroup.procs", "");
    put("memory/inner/craton/ada.7/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
    put("memory/inner/craton/ada.7/memory.max_usage_in_bytes", "12345\n");
    put("pids/craton/ada.7/pids.max", "");
    put("pids/craton/ada.7/cgroup.procs", "");
    cr_cgroups *g = open_here(v1_mounts, "4:memory:/outer/inner\n3:cpu,cpuacct:/slice\n2:pids:/\n0::/\n");
    ck_assert_int_eq(cr_cgroups_version(g), 1);
    ck_assert_str_eq(cr_cgroups_describe(g), "v1: memory cpu pids");
    ck_assert_ok(cr_cgroup_make(g, "ada.7", &limits, &err));
    expect("memory/inner/craton/ada.7/memory.limit_in_bytes", "1073741824");
    expect("cpu/slice/craton/ada.7/cpu.cfs_quota_us", "150000");
    expect("cpu/slice/craton/ada.7/cpu.cfs_period_us", "100000");
    expect("pids/craton/ada.7/pids.max", "256");
    ck_assert_ok(cr_cgroup_enter(g, "ada.7", 0, &err));
    expect("memory/inner/craton/ada.7/cgroup.procs", "0");
    expect("cpu/slice/craton/ada.7/cgroup.procs", "0");
    cr_cgroup_usage u;
    ck_assert_ok(cr_cgroup_usage_of(g, "ada.7", &u, &err));
    ck_assert_uint_eq(u.oom_kills, 3);
    ck_assert_uint_eq(u.memory_peak_bytes, 12345);
    ck_assert_uint_eq(u.memory_limit_bytes, 1 << 30);
    cr_cgroups_close(g);
}
END_TEST

START_TEST(v2_writes_beside_the_own_group) {
    cr_err err = CR_ERR_INIT;
    put("craton.slice/cgroup.controllers", "cpuset cpu io memory pids\n");
    put("craton.slice/cgroup.subtree_control", "");
    put("craton.slice/craton.service/cgroup.controllers", "cpu memory pids\n");
    put("craton.slice/craton/cgroup.controllers", "cpu memory pids\n");
    put("craton.slice/craton/cgroup.subtree_control", "");
    put("craton.slice/craton/ada.7/memory.max", "");
    put("craton.slice/craton/ada.7/cpu.max", "");
    put("craton.slice/craton/ada.7/pids.max", "");
    put("craton.slice/craton/ada.7/cgroup.procs", "");
    put("craton.slice/craton/ada.7/memory.events", "low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 0\n");
    cr_cgroups *g = open_here("40 20 0:9 / %s rw - cgroup2 cgroup2 rw\n", "0::/craton.slice/craton.service\n");
    ck_assert_int_eq(cr_cgroups_version(g), 2);
    ck_assert_ok(cr_cgroup_make(g, "ada.7", &limits, &err));
    expect("craton.slice/craton/ada.7/memory.max", "1073741824");
    expect("craton.slice/craton/ada.7/cpu.max", "150000 100000");
    expect("craton.slice/craton/ada.7/pids.max", "256");
    const cr_server_limits none = {0};
    ck_assert_ok(cr_cgroup_make(g, "ada.7", &none, &err));
    expect("craton.slice/craton/ada.7/cpu.max", "max");
    cr_cgroup_usage u;
    ck_assert_ok(cr_cgroup_usage_of(g, "ada.7", &u, &err));
    ck_assert_uint_eq(u.oom_kills, 1);
    cr_cgroups_close(g);
}
END_TEST

/* What systemd has set aside: the tree lies there, what systemd started in it steps aside, and the slice is not touched. */
START_TEST(v2_writes_into_the_unit_of_the_servers) {
    cr_err err = CR_ERR_INIT;
    put("system.slice/cgroup.controllers", "cpuset cpu io memory pids\n");
    put("system.slice/cgroup.subtree_control", "");
    put("system.slice/craton.service/cgroup.controllers", "cpu memory pids\n");
    put("system.slice/craton.service/cgroup.subtree_control", "");
    put("system.slice/craton-servers.service/cgroup.controllers", "cpu memory pids\n");
    put("system.slice/craton-servers.service/cgroup.subtree_control", "");
    put("system.slice/craton-servers.service/cgroup.procs", "4711\n");
    put("system.slice/craton-servers.service/keeper/cgroup.procs", "");
    put("system.slice/craton-servers.service/craton/cgroup.controllers", "cpu memory pids\n");
    put("system.slice/craton-servers.service/craton/cgroup.subtree_control", "");
    put("system.slice/craton-servers.service/craton/ada.7/memory.max", "");
    put("system.slice/craton-servers.service/craton/ada.7/cpu.max", "");
    put("system.slice/craton-servers.service/craton/ada.7/pids.max", "");
    put("system.slice/craton-servers.service/craton/ada.7/cgroup.procs", "");
    cr_cgroups *g = open_here("40 20 0:9 / %s rw - cgroup2 cgroup2 rw\n", "0::/system.slice/craton.service\n");
    ck_assert_int_eq(cr_cgroups_version(g), 2);
    ck_assert_str_eq(cr_cgroups_describe(g), "v2: memory cpu pids freezer, in the group of the servers' unit");
    expect("system.slice/craton-servers.service/keeper/cgroup.procs", "4711");
    expect("system.slice/craton-servers.service/cgroup.subtree_control", "+pids");   /* the last of three writes */
    expect("system.slice/craton-servers.service/craton/cgroup.subtree_control", "+pids");
    expect("system.slice/cgroup.subtree_control", "");
    expect("system.slice/craton.service/cgroup.subtree_control", "");
    ck_assert(access(at("system.slice/craton"), F_OK) != 0);
    ck_assert_ok(cr_cgroup_make(g, "ada.7", &limits, &err));
    expect("system.slice/craton-servers.service/craton/ada.7/memory.max", "1073741824");
    ck_assert_ok(cr_cgroup_enter(g, "ada.7", 0, &err));
    expect("system.slice/craton-servers.service/craton/ada.7/cgroup.procs", "0");
    cr_cgroups_close(g);
}
END_TEST

/* The unit is there but has nothing to limit with (Delegate= was taken out): as without it. */
START_TEST(v2_unit_of_the_servers_without_controllers) {
    put("system.slice/cgroup.controllers", "cpu memory pids\n");
    put("system.slice/cgroup.subtree_control", "");
    put("system.slice/craton.service/cgroup.controllers", "memory pids\n");
    put("system.slice/craton-servers.service/cgroup.controllers", "\n");
    put("system.slice/craton-servers.service/cgroup.procs", "4711\n");
    put("system.slice/craton/cgroup.controllers", "cpu memory pids\n");
    put("system.slice/craton/cgroup.subtree_control", "");
    cr_cgroups *g = open_here("40 20 0:9 / %s rw - cgroup2 cgroup2 rw\n", "0::/system.slice/craton.service\n");
    ck_assert_int_eq(cr_cgroups_version(g), 2);
    ck_assert_ptr_nonnull(strstr(cr_cgroups_describe(g), "recipes/systemd"));
    ck_assert(access(at("system.slice/craton-servers.service/keeper"), F_OK) != 0);
    cr_cgroups_close(g);
}
END_TEST

START_TEST(v2_without_controllers_is_left_alone) {
    put("u/cgroup.controllers", "hugetlb\n");
    put("u/cgroup.subtree_control", "");
    cr_cgroups *g = open_here("40 20 0:9 / %s/u rw - cgroup2 cgroup2 rw\n", "0::/\n");
    ck_assert_int_eq(cr_cgroups_version(g), 0);
    ck_assert(access(at("u/supervisor"), F_OK) != 0);
    ck_assert(access(at("u/craton"), F_OK) != 0);
    expect("u/cgroup.subtree_control", "");
    cr_cgroups_close(g);
}
END_TEST

START_TEST(nothing_mounted_degrades_clearly) {
    cr_err err = CR_ERR_INIT;
    cr_cgroups *g = open_here("20 1 0:1 / / rw - ext4 /dev/x rw\n", "");
    ck_assert_int_eq(cr_cgroups_version(g), 0);
    ck_assert_ptr_nonnull(strstr(cr_cgroups_describe(g), "no limits"));
    ck_assert_ok(cr_cgroup_make(g, "ada.7", &limits, &err));
    ck_assert_ok(cr_cgroup_enter(g, "ada.7", 0, &err));
    ck_assert_int_eq(cr_cgroup_kill(g, "ada.7"), 0);
    ck_assert_ok(cr_cgroup_remove(g, "ada.7", &err));
    cr_cgroup_usage u;
    ck_assert_fails(cr_cgroup_usage_of(g, "ada.7", &u, &err), CR_UNSUPPORTED);
    cr_cgroups_close(g);
}
END_TEST

START_TEST(killing_never_touches_ourselves_or_init) {
    char text[128];
    put("pids/craton/ada.7/pids.max", "256");
    snprintf(text, sizeof text, "0\n1\n%d\nnonsense\n-5\n99999999999999\n", (int)getpid());
    put("pids/craton/ada.7/cgroup.procs", text);
    cr_cgroups *g = open_here("32 20 0:7 / %s/pids rw - cgroup cgroup rw,pids\n", "2:pids:/\n");
    ck_assert_int_eq(cr_cgroup_kill(g, "ada.7"), 0);
    expect("pids/craton/ada.7/pids.max", "0");
    cr_cgroups_close(g);
}
END_TEST

START_TEST(garbage_in_proc_is_survived) {
    static const char *const garbage[] = {"", "x", " - ", "1 2 3 4 5 - cgroup", "::::\n:\n", "1 2 3 / /x - cgroup2\n", "a b c d e f - - - \n"};
    for (size_t i = 0; i < CR_ARRAY_LEN(garbage); i++)
        for (size_t k = 0; k < CR_ARRAY_LEN(garbage); k++)
            cr_cgroups_close(open_here(garbage[i], garbage[k]));
}
END_TEST

/* ---- pinned sockets, beside: the other thing that trusts nobody's directory ---- */

#include <sys/socket.h>
#include <sys/un.h>

static void make_socket(const char *path) {
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    close(fd);
}

START_TEST(only_a_socket_of_the_user_is_pinned) {
    cr_err err = CR_ERR_INIT;
    char sock[512], link[512], other[512];
    strcpy(sock, at("s1"));
    strcpy(link, at("ada.7"));
    strcpy(other, at("other"));
    ck_assert_fails(cr_place_pin(sock, link, getuid(), &err), CR_NOT_FOUND);
    make_socket(other);
    ck_assert_int_eq(symlink(other, sock), 0);
    ck_assert_fails(cr_place_pin(sock, link, getuid(), &err), CR_DENIED);   /* a link to somebody's socket */
    ck_assert(access(link, F_OK) != 0);
    unlink(sock);
    put("s1", "a file");
    ck_assert_fails(cr_place_pin(sock, link, getuid(), &err), CR_DENIED);
    unlink(sock);
    make_socket(sock);
    ck_assert_fails(cr_place_pin(sock, link, getuid() + 1, &err), CR_DENIED);
    ck_assert(access(link, F_OK) != 0);
    ck_assert_ok(cr_place_pin(sock, link, getuid(), &err));
    unlink(sock);
    make_socket(sock);   /* the user swaps it afterwards: the pin keeps the first */
    struct stat a, b;
    ck_assert_int_eq(lstat(sock, &a) | lstat(link, &b), 0);
    ck_assert_uint_ne(a.st_ino, b.st_ino);
}
END_TEST

START_TEST(a_linked_directory_is_not_taken_over) {
    cr_err err = CR_ERR_INIT;
    char there[512], link[512];
    strcpy(there, at("there"));
    strcpy(link, at("link"));
    ck_assert_int_eq(mkdir(there, 0755), 0);
    ck_assert_int_eq(symlink(there, link), 0);
    ck_assert_int_ne(cr_place_dir(link, getuid(), getgid(), 0700, &err), CR_OK);
    struct stat st;
    ck_assert_int_eq(stat(there, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0755);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("runner_cgroup");
    TCase *t = tcase_create("trees"), *p = tcase_create("places");
    tcase_add_checked_fixture(t, make_root, remove_root);
    tcase_add_checked_fixture(p, make_root, remove_root);
    tcase_add_test(t, v1_writes_below_the_own_group);
    tcase_add_test(t, v2_writes_beside_the_own_group);
    tcase_add_test(t, v2_writes_into_the_unit_of_the_servers);
    tcase_add_test(t, v2_unit_of_the_servers_without_controllers);
    tcase_add_test(t, v2_without_controllers_is_left_alone);
    tcase_add_test(t, nothing_mounted_degrades_clearly);
    tcase_add_test(t, killing_never_touches_ourselves_or_init);
    tcase_add_test(t, garbage_in_proc_is_survived);
    tcase_add_test(p, only_a_socket_of_the_user_is_pinned);
    tcase_add_test(p, a_linked_directory_is_not_taken_over);
    suite_add_tcase(s, t);
    suite_add_tcase(s, p);
    return s;
}

CHECK_MAIN(suite())
