/* memory_left.c - /proc/meminfo, and memory.max and memory.current of control groups (version 2). */
#include "base/memory_left.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/file.h"
#include "base/text.h"

enum { FILE_MAX = 64 << 10, NUMBER_MAX = 64 };

static uint64_t of_machine(const char *root) {
    char path[PATH_MAX];
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, FILE_MAX);
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    if (cr_file_read(path, &text, NULL) != CR_OK)
        return UINT64_MAX;
    const char *at = strstr(cr_buf_str(&text), "MemAvailable:");
    return at ? strtoull(at + strlen("MemAvailable:"), NULL, 10) * 1024 : UINT64_MAX;
}

/* UINT64_MAX: there is none, or "max". */
static uint64_t number(const char *root, const char *group, const char *name) {
    char path[PATH_MAX], *end;
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, NUMBER_MAX);
    if (snprintf(path, sizeof path, "%s/sys/fs/cgroup%s/%s", root, group, name) >= (int)sizeof path || cr_file_read(path, &text, NULL) != CR_OK)
        return UINT64_MAX;
    uint64_t value = strtoull(cr_buf_str(&text), &end, 10);
    return end == cr_buf_str(&text) ? UINT64_MAX : value;
}

static uint64_t of_groups(const char *root) {
    char path[PATH_MAX];
    uint64_t least = UINT64_MAX;
    cr_auto_buf cr_buf own;
    cr_buf_init(&own, FILE_MAX);
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    char *group = cr_file_read(path, &own, NULL) == CR_OK && own.len ? strstr(own.data, "0::/") : NULL;
    if (!group)
        return least;
    group += strlen("0::");
    group[strcspn(group, "\n")] = 0;
    for (char *slash;; *slash = 0) {
        uint64_t most = number(root, group, "memory.max"), taken = number(root, group, "memory.current");
        if (most != UINT64_MAX && taken != UINT64_MAX)
            least = CR_MIN(least, most > taken ? most - taken : 0);
        if (!(slash = strrchr(group, '/')))
            return least;
    }
}

uint64_t cr_memory_left(const char *root) { return CR_MIN(of_machine(root), of_groups(root)); }
