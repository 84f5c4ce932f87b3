/* test_base.c - the ground floor: errors, arena, buffer, map, text, files. */
#include "../check_main.h"
#include "../scratch.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/fork_lock.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/map.h"
#include "base/memory_left.h"
#include "base/poison.h"
#include "base/setting.h"
#include "base/text.h"
#ifdef CR_POISONS
#include <sanitizer/lsan_interface.h>
#endif

START_TEST(error_context_and_hint) {
    cr_err err = CR_ERR_INIT;
    ck_assert_int_eq(CR_FAIL(&err, CR_FORMAT, "offset %d", 7), CR_FORMAT);
    cr_err_context(&err, "while reading %s", "a.nc");
    cr_err_hint(&err, "fetch it again");
    cr_err_hint(&err, "second hint is ignored");
    ck_assert_str_eq(err.message, "while reading a.nc: offset 7");
    ck_assert_str_eq(err.hint, "fetch it again");
    ck_assert_int_eq(cr_status_exit(CR_CANCELLED), 130);
    ck_assert_str_eq(cr_status_name((cr_status)999), "INTERNAL");
}
END_TEST

START_TEST(error_cuts_at_characters) {
    cr_err err = CR_ERR_INIT;
    char big[3000];
    for (size_t i = 0; i + 2 < sizeof big; i += 2)
        memcpy(big + i, "\xC3\xA9", 3);
    big[2998] = 0;
    (void)CR_FAIL(&err, CR_INVALID, "x%s", big);
    ck_assert(cr_text_is_utf8(err.message, strlen(err.message)));
    ck_assert_int_ge(strlen(err.message), 1000);
}
END_TEST

START_TEST(arena_limit_and_zero) {
    cr_auto_arena cr_arena a;
    cr_arena_init(&a, 100000);
    for (int i = 0; i < 50; i++) {
        unsigned char *p = cr_arena_alloc(&a, 1000);
        ck_assert_ptr_nonnull(p);
        ck_assert_int_eq((uintptr_t)p % 16, 0);
        for (int k = 0; k < 1000; k++)
            ck_assert_int_eq(p[k], 0);
        memset(p, 0xFF, 1000);
    }
    ck_assert_ptr_null(cr_arena_alloc(&a, 100000));
    ck_assert_ptr_null(cr_arena_calloc(&a, SIZE_MAX / 2, 4));
    ck_assert_str_eq(cr_arena_printf(&a, "%d-%s", 5, "x"), "5-x");
}
END_TEST

START_TEST(buf_maximum) {
    cr_err err = CR_ERR_INIT;
    cr_auto_buf cr_buf b;
    cr_buf_init(&b, 10);
    cr_buf_adds(&b, "12345");
    cr_buf_addf(&b, "%d", 67890);
    ck_assert_ok(cr_buf_check(&b, &err));
    ck_assert_str_eq(cr_buf_str(&b), "1234567890");
    cr_buf_consume(&b, 3);
    ck_assert_str_eq(cr_buf_str(&b), "4567890");
    cr_buf_adds(&b, "abcd");
    ck_assert_fails(cr_buf_check(&b, &err), CR_LIMIT);
}
END_TEST

START_TEST(map_many) {
    cr_err err = CR_ERR_INIT;
    cr_map m;
    cr_map_init(&m, 5000);
    char key[32];
    for (uintptr_t i = 1; i <= 5000; i++) {
        snprintf(key, sizeof key, "key%zu", (size_t)i);
        ck_assert_ok(cr_map_set(&m, key, (void *)i, &err));
    }
    ck_assert_fails(cr_map_set(&m, "one more", (void *)1, &err), CR_LIMIT);
    for (uintptr_t i = 1; i <= 5000; i += 3) {
        snprintf(key, sizeof key, "key%zu", (size_t)i);
        ck_assert_ptr_eq(cr_map_remove(&m, key), (void *)i);
    }
    for (uintptr_t i = 1; i <= 5000; i++) {
        snprintf(key, sizeof key, "key%zu", (size_t)i);
        ck_assert_ptr_eq(cr_map_get(&m, key), i % 3 == 1 ? NULL : (void *)i);
    }
    size_t n = 0;
    for (size_t i = 0; (i = cr_map_next(&m, i, NULL, NULL));)
        n++;
    ck_assert_int_eq(n, m.len);
    cr_map_done(&m);
}
END_TEST

START_TEST(text_sizes_and_numbers) {
    cr_err err = CR_ERR_INIT;
    uint64_t v = 0;
    ck_assert_ok(cr_parse_bytes("1.5 GiB", &v, &err));
    ck_assert_uint_eq(v, 1610612736u);
    ck_assert_ok(cr_parse_bytes("2MB", &v, &err));
    ck_assert_uint_eq(v, 2000000u);
    ck_assert_fails(cr_parse_bytes("12 parsecs", &v, &err), CR_INVALID);
    ck_assert_fails(cr_parse_bytes("-1", &v, &err), CR_INVALID);
    int64_t i = 0;
    ck_assert_ok(cr_parse_int("-12", -20, 20, &i, &err));
    ck_assert_int_eq(i, -12);
    ck_assert_fails(cr_parse_int("12x", -20, 20, &i, &err), CR_INVALID);
    ck_assert_fails(cr_parse_int("21", -20, 20, &i, &err), CR_RANGE);
    char buf[32];
    ck_assert_str_eq(cr_text_bytes(1536, buf, sizeof buf), "1.5 KiB");
    ck_assert(!cr_text_is_utf8("\xC0\x80", 2));
    ck_assert(!cr_text_is_utf8("\xED\xA0\x80", 3));
    ck_assert(cr_text_is_utf8("\xF0\x9F\x8C\x8D", 4));
    int64_t p = 0;
    ck_assert(!cr_product((int64_t[]){INT64_MAX, 2}, 2, &p));
    ck_assert(cr_product((int64_t[]){INT64_MAX, 2, 0}, 3, &p) && p == 0);
    ck_assert_str_eq(cr_iso8601(-1, buf, sizeof buf), "1969-12-31T23:59:59.999Z");
}
END_TEST

static cr_status keep_setting(void *user, char *key, char *value, cr_err *err) {
    if (strcmp(key, "bad") == 0)
        return CR_FAIL(err, CR_INVALID, "no such thing");
    cr_buf_addf(user, "[%s][%s]", key, value);
    return CR_OK;
}

/* What is allocated in between is not looked at. */
static void without_leaks(bool begin) {
#ifdef CR_POISONS
    if (begin)
        __lsan_disable();
    else
        __lsan_enable();
#else
    (void)begin;
#endif
}

/* A locale whose decimal point is a comma, as glibc reads it: no machine needs to have one installed. */
static locale_t comma_locale(const char *root) {
    struct {
        uint32_t magic, n, at[6];
        char point[2], separator, grouping;
        uint32_t wide_point, wide_separator;
        char codeset[8];
    } file = {0x20031115 ^ 1, 6, {32, 34, 35, 36, 40, 44}, ",", 0, 0, ',', 0, "UTF-8"};
    char path[256];
    cr_err err = CR_ERR_INIT;
    snprintf(path, sizeof path, "%s/xx", root);
    ck_assert_ok(cr_make_dirs(path, 0700, &err));
    snprintf(path, sizeof path, "%s/xx/LC_NUMERIC", root);
    ck_assert_ok(cr_file_replace(path, &file, sizeof file, 0600, &err));
    setenv("LOCPATH", root, 1);
    without_leaks(true);      /* glibc keeps its copy of LOCPATH for good */
    locale_t made = newlocale(LC_NUMERIC_MASK, "xx", (locale_t)0);
    without_leaks(false);
    return made;
}

START_TEST(numbers_have_points_in_every_locale) {
    char root[] = "/tmp/craton_locale_XXXXXX", path[64], *end;
    ck_assert_ptr_nonnull(mkdtemp(root));
    locale_t comma = comma_locale(root), before;
    uint64_t bytes = 0;
    cr_err err = CR_ERR_INIT;
    ck_assert_ptr_nonnull(comma);
    before = uselocale(comma);
    ck_assert(strtod("2.5", &end) == 2 && *end == '.');        /* else nothing is tested */
    ck_assert(cr_parse_real("2.5e1x", &end) == 25 && *end == 'x');
    ck_assert(cr_parse_real("2,5", &end) == 2 && *end == ',');
    ck_assert_ok(cr_parse_bytes("1.5K", &bytes, &err));
    ck_assert_uint_eq(bytes, 1536);
    uselocale(before);
    freelocale(comma);
    for (int k = 0; k < 3; k++) {
        snprintf(path, sizeof path, "%s%s", root, k == 0 ? "/xx/LC_NUMERIC" : k == 1 ? "/xx" : "");
        remove(path);
    }
}
END_TEST

START_TEST(settings_line_by_line) {
    cr_err err = CR_ERR_INIT;
    cr_auto_buf cr_buf got;
    cr_buf_init(&got, 100);
    char good[] = "# first = comment\n\n a = 1 \r\n\tb=x = y\nempty =\n = nothing";
    ck_assert_int_eq(cr_settings_read(good, NULL, keep_setting, &got, &err), CR_OK);
    ck_assert_str_eq(cr_buf_str(&got), "[a][1][b][x = y][empty][][][nothing]");
    char refused[] = "a = 1\n\nbad = 2\nb = 3\n";
    cr_buf_clear(&got);
    ck_assert_int_eq(cr_settings_read(refused, "/etc/x", keep_setting, &got, &err), CR_INVALID);
    ck_assert_str_eq(err.message, "/etc/x line 3: no such thing");
    ck_assert_str_eq(cr_buf_str(&got), "[a][1]");
    char shapeless[] = "a";
    ck_assert_int_eq(cr_settings_read(shapeless, NULL, keep_setting, &got, &err), CR_INVALID);
    ck_assert_str_eq(err.message, "line 1: 'a' is not of the form key = value");
}
END_TEST

START_TEST(file_replace_and_read) {
    cr_err err = CR_ERR_INIT;
    char dir[64], path[80], deep[96];
    scratch_make(dir, "file");
    snprintf(path, sizeof path, "%s/f", dir);
    snprintf(deep, sizeof deep, "%s/a/b/c", dir);
    ck_assert_ok(cr_make_dirs(deep, 0700, &err));
    ck_assert_ok(cr_file_replace(path, "old", 3, 0600, &err));
    ck_assert_ok(cr_file_replace(path, "newer", 5, 0600, &err));
    cr_auto_buf cr_buf b;
    cr_buf_init(&b, 5);
    ck_assert_ok(cr_file_read(path, &b, &err));
    ck_assert_str_eq(cr_buf_str(&b), "newer");
    cr_auto_buf cr_buf small;
    cr_buf_init(&small, 4);
    ck_assert_fails(cr_file_read(path, &small, &err), CR_LIMIT);
    ck_assert_fails(cr_file_read("/tmp/craton-no-such-file", &b, &err), CR_NO_FILE);
    ck_assert_fails(cr_make_dirs(path, 0700, &err), CR_EXISTS);
    scratch_remove(dir);
}
END_TEST

START_TEST(hex_round_trip) {
    unsigned char raw[40], back[40];
    char text[81];
    cr_random_bytes(raw, sizeof raw);
    cr_hex(raw, sizeof raw, text);
    ck_assert(cr_unhex(text, 80, back));
    ck_assert(cr_equal_const(raw, back, sizeof raw));
    back[39] ^= 1;
    ck_assert(!cr_equal_const(raw, back, sizeof raw));
    ck_assert(!cr_unhex("0g", 2, back));
}
END_TEST

static int lines_with(const char *text, const char *what) {
    int n = 0;
    for (const char *at = text; (at = strstr(at, what)); at++)
        n++;
    return n;
}

/* What strangers cause is in the log, and how often, but does not fill it; what else happens is not held back by it. */
START_TEST(log_of_what_comes_often) {
    FILE *f = tmpfile();
    char text[16384];
    ck_assert_ptr_nonnull(f);
    cr_log_setup("test", CR_LOG_INFO, fileno(f));
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 1000; i++) {
            cr_log_often(CR_LOG_WARN, "knocked", "from=%d", i);
            cr_log_often(CR_LOG_DEBUG, "whispered", NULL);
        }
        cr_log_often(CR_LOG_INFO, "rang", NULL);
        cr_log(CR_LOG_INFO, "opened", NULL);
        cr_log_often_tell();
        cr_log_often_tell();
    }
    cr_log_setup("craton", CR_LOG_INFO, 2);
    ssize_t n = pread(fileno(f), text, sizeof text - 1, 0);
    ck_assert_int_gt(n, 0);
    text[n] = 0;
    fclose(f);
    ck_assert_int_eq(lines_with(text, "warning test: knocked from="), 2 * CR_LOG_OFTEN_MAX);
    ck_assert_int_eq(lines_with(text, "warning test: knocked more=980\n"), 2);
    ck_assert_int_eq(lines_with(text, "info test: rang\n"), 2);
    ck_assert_int_eq(lines_with(text, "info test: opened\n"), 2);
    ck_assert_int_eq(lines_with(text, "\n"), 2 * (CR_LOG_OFTEN_MAX + 3));
    /* More kinds than are counted apart: none is lost without a word, and none gets round the limit. */
    static char names[50][8];
    f = tmpfile();
    ck_assert_ptr_nonnull(f);
    cr_log_setup("test", CR_LOG_INFO, fileno(f));
    for (int i = 0; i < 50 * 30; i++) {
        snprintf(names[i % 50], sizeof names[0], "k%d", i % 50);
        cr_log_often(CR_LOG_INFO, names[i % 50], NULL);
    }
    cr_log_often_tell();
    cr_log_setup("craton", CR_LOG_INFO, 2);
    static char many[1 << 18];
    n = pread(fileno(f), many, sizeof many - 1, 0);
    ck_assert_int_gt(n, 0);
    many[n] = 0;
    fclose(f);
    ck_assert_int_le(lines_with(many, "\n"), 32 * (CR_LOG_OFTEN_MAX + 1));
    ck_assert_int_gt(lines_with(many, " more="), 20);
}
END_TEST

/* Files as the kernel has them, in a folder. */
static void write_below(const char *root, const char *path, const char *text) {
    char whole[256], folder[256];
    cr_err err = CR_ERR_INIT;
    snprintf(whole, sizeof whole, "%s/%s", root, path);
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(whole, '/') - whole), whole);
    ck_assert_ok(cr_make_dirs(folder, 0700, &err));
    ck_assert_ok(cr_file_replace(whole, text, strlen(text), 0600, &err));
}

START_TEST(memory_that_is_left) {
    char root[64];
    scratch_make(root, "memory");
    ck_assert_uint_eq(cr_memory_left(root), UINT64_MAX);
    write_below(root, "proc/meminfo", "MemTotal:       4000000 kB\nMemAvailable:   1000 kB\n");
    ck_assert_uint_eq(cr_memory_left(root), 1000 * 1024);
    write_below(root, "proc/self/cgroup", "1:name=systemd:/x\n0::/a/b\n");
    ck_assert_uint_eq(cr_memory_left(root), 1000 * 1024);
    write_below(root, "sys/fs/cgroup/a/b/memory.max", "max\n");
    write_below(root, "sys/fs/cgroup/a/b/memory.current", "5000\n");
    write_below(root, "sys/fs/cgroup/a/memory.max", "65536\n");
    write_below(root, "sys/fs/cgroup/a/memory.current", "60000\n");
    ck_assert_uint_eq(cr_memory_left(root), 5536);
    write_below(root, "sys/fs/cgroup/a/memory.current", "70000\n");
    ck_assert_uint_eq(cr_memory_left(root), 0);
    write_below(root, "sys/fs/cgroup/a/memory.max", "nonsense");
    write_below(root, "proc/meminfo", "MemTotal: 1 kB\n");
    ck_assert_uint_eq(cr_memory_left(root), UINT64_MAX);
    ck_assert_uint_gt(cr_memory_left(""), 0);      /* of this machine */
    scratch_remove(root);
}
END_TEST

/* A line of a person's program is shown to root at a terminal, and to administrators beside the words of the hub. */
START_TEST(text_on_its_way_to_people) {
    static const struct { const char *from, *to; } cases[] = {
        {"na\xC3\xAFve caf\xC3\xA9, 25 \xC2\xB0\x43", "na\xC3\xAFve caf\xC3\xA9, 25 \xC2\xB0\x43"}, {"a\nb\tc\x7F\x1B[2J", "a b c  [2J"},
        {"a\xC2\x9B" "2Jb\xC2\x85\xC2\x80\xC2\x9F", "a  2Jb      "}, {"\xC2\xA0\xC3\x80", "\xC2\xA0\xC3\x80"},      /* U+00A0 is a blank that holds words together */
        {"x\xE2\x80\xA8y\xE2\x80\xAEz\xE2\x81\xA6\xE2\x81\xA9", "x   y   z      "}, {"\xE2\x80\xA7\xE2\x80\xAF\xE2\x81\xA5\xE2\x81\xAA", "\xE2\x80\xA7\xE2\x80\xAF\xE2\x81\xA5\xE2\x81\xAA"},
        {"cut \xC2", "cut ?"}, {"\xC2\x9B and \xFF", "?? and ?"}, {"", ""},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(cases); i++) {
        char text[64];
        snprintf(text, sizeof text, "%s", cases[i].from);
        cr_text_clean(text);
        ck_assert_str_eq(text, cases[i].to);
    }
    FILE *f = tmpfile();
    char line[256] = "";
    ck_assert_ptr_nonnull(f);
    cr_log_setup("test", CR_LOG_INFO, fileno(f));
    cr_log(CR_LOG_INFO, "ended", "text=%s", "a\nb\xC2\x9B" "2J\xE2\x80\xA8");
    cr_log_setup("craton", CR_LOG_INFO, 2);
    ck_assert_int_gt(pread(fileno(f), line, sizeof line - 1, 0), 0);
    fclose(f);
    ck_assert_ptr_nonnull(strstr(line, "info test: ended text=\"a\\nb  2J   \"\n"));
}
END_TEST

/* One field of a line as logfmt has it: its value without marks and escapes, and what follows it. */
static const char *read_field(const char *at, char key[64], char value[4096]) {
    size_t n = strcspn(at, "= \n");
    ck_assert_uint_lt(n, 64);
    ck_assert_int_eq(at[n], '=');
    snprintf(key, 64, "%.*s", (int)n, at);
    at += n + 1;
    bool marks = *at == '"';
    size_t len = 0;
    for (at += marks; *at != '\n' && *at != (marks ? '"' : ' '); at++) {
        ck_assert(marks || (*at != '"' && *at != '='));
        if (marks && *at == '\\') {
            at++;
            if (*at == 'u') {
                value[len++] = (char)strtol((char[]){at[1], at[2], at[3], at[4], 0}, NULL, 16);
                at += 4;
            } else {
                value[len++] = *at == 'n' ? '\n' : *at == 'r' ? '\r' : *at == 't' ? '\t' : *at;
            }
        } else {
            value[len++] = *at;
        }
    }
    if (marks)
        ck_assert_int_eq(*at++, '"');
    value[len] = 0;
    ck_assert(*at == ' ' || *at == '\n');
    return *at == ' ' ? at + 1 : at;
}

/* Whatever stands in a value, the line is one, it says what was said, and the next field is found. */
START_TEST(log_fields) {
    static const char *const values[] = {"ada", "", "two words", "say \"no\"", "a=b", "C:\\x", "\"", "\\", "line\nuser=root error=\"\"", "\r\t\x1B[2J\x7F", "caf\xC3\xA9",
                                         "ends with \\"};
    char line[8192], key[64], value[4096], vast[5000];
    for (size_t i = 0; i <= CR_ARRAY_LEN(values); i++) {
        const char *given = i < CR_ARRAY_LEN(values) ? values[i] : vast;
        FILE *f = tmpfile();
        ck_assert_ptr_nonnull(f);
        for (size_t k = 0; k + 1 < sizeof vast; k++)
            vast[k] = "\"\n\xC3\xA9x"[k % 5];
        vast[sizeof vast - 1] = 0;
        cr_err err = CR_ERR_INIT;
        (void)!CR_FAIL(&err, CR_INVALID, "%s", given);
        cr_log_setup("test", CR_LOG_INFO, fileno(f));
        cr_log(CR_LOG_INFO, "ended", "n=%d user=%s why=\"%s\" most=%llu", -7, given, given, 1ULL << 63);
        cr_log_err(CR_LOG_INFO, "failed", &err);
        cr_log_setup("craton", CR_LOG_INFO, 2);
        ssize_t n = pread(fileno(f), line, sizeof line - 1, 0);
        fclose(f);
        ck_assert_int_gt(n, 0);
        line[n] = 0;
        char *second = strchr(line, '\n') + 1;
        ck_assert_ptr_eq(strchr(second, '\n'), line + n - 1);
        const char *at = strstr(line, "ended ") + 6;
        at = read_field(at, key, value);
        ck_assert_str_eq(value, "-7");
        at = read_field(at, key, value);
        ck_assert_str_eq(key, "user");
        if (given == vast) {      /* cut, and closed */
            ck_assert_uint_gt(strlen(value), 1000);
            ck_assert_int_eq(strncmp(value, vast, strlen(value)), 0);
            ck_assert_int_eq(*at, '\n');
            continue;
        }
        ck_assert_str_eq(value, given);
        at = read_field(at, key, value);
        ck_assert_str_eq(key, "why");
        ck_assert_str_eq(value, given);
        at = read_field(at, key, value);
        ck_assert_str_eq(value, "9223372036854775808");
        at = read_field(strstr(second, "failed ") + 7, key, value);
        ck_assert_str_eq(value, "INVALID");
        (void)read_field(at, key, value);
        ck_assert_str_eq(key, "message");
        ck_assert_str_eq(value, given);
    }
}
END_TEST

typedef struct guarded {
    cr_fork_lock lock, forgetting;
    volatile int value;           /* 1 while it is being changed */
    int begun[2];                 /* pipe: the locks are held */
} guarded;

static void *change_slowly(void *user) {
    guarded *g = user;
    pthread_mutex_lock(&g->forgetting.mutex);
    pthread_mutex_lock(&g->lock.mutex);
    g->value = 1;
    (void)!write(g->begun[1], "", 1);
    usleep(100 * 1000);
    g->value = 2;
    pthread_mutex_unlock(&g->lock.mutex);
    (void)!read(g->begun[0], &(char){0}, 1);  /* until the child has ended */
    pthread_mutex_unlock(&g->forgetting.mutex);
    return NULL;
}

/* What another thread held when the process forked is free in the child, and whole. */
START_TEST(locks_and_forks) {
    guarded g = {.value = 0};
    pthread_t thread;
    char byte;
    int status = -1;
    cr_fork_lock_init(&g.lock, false);
    cr_fork_lock_init(&g.forgetting, true);
    ck_assert_int_eq(pipe(g.begun), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, change_slowly, &g), 0);
    ck_assert_int_eq(read(g.begun[0], &byte, 1), 1);
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        pthread_mutex_lock(&g.lock.mutex);
        pthread_mutex_lock(&g.forgetting.mutex);
        _exit(g.value == 2 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(write(g.begun[1], "", 1), 1);
    pthread_join(thread, NULL);
    cr_fork_lock_done(&g.forgetting);
    cr_fork_lock_done(&g.lock);
    close(g.begun[0]);
    close(g.begun[1]);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("base");
    TCase *t = tcase_create("base");
    tcase_add_test(t, error_context_and_hint);
    tcase_add_test(t, error_cuts_at_characters);
    tcase_add_test(t, arena_limit_and_zero);
    tcase_add_test(t, buf_maximum);
    tcase_add_test(t, map_many);
    tcase_add_test(t, text_sizes_and_numbers);
    tcase_add_test(t, numbers_have_points_in_every_locale);
    tcase_add_test(t, settings_line_by_line);
    tcase_add_test(t, file_replace_and_read);
    tcase_add_test(t, hex_round_trip);
    tcase_add_test(t, log_of_what_comes_often);
    tcase_add_test(t, log_fields);
    tcase_add_test(t, memory_that_is_left);
    tcase_add_test(t, text_on_its_way_to_people);
    tcase_add_test(t, locks_and_forks);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite())
