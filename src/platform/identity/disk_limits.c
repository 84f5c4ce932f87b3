/* disk_limits.c - reading the setting; whom it concerns. */
#include "platform/identity/disk_limits.h"

#include <stdio.h>
#include "base/text.h"

/* entry is changed: its last word is the size, the rest the name. */
static cr_status read_entry(char *entry, cr_disk_limit *ret_limit, cr_err *err) {
    cr_disk_limit l = {0};
    size_t n = strlen(entry);
    while (n && entry[n - 1] == ' ')
        entry[--n] = 0;
    char *blank = strrchr(entry, ' ');
    if (!blank || cr_parse_bytes(blank + 1, &l.bytes, NULL) != CR_OK || l.bytes > INT64_MAX)
        return CR_FAIL(err, CR_INVALID, "'%.80s' is not NAME with a size such as 20G behind it", entry);
    while (blank > entry && *blank == ' ')
        *blank-- = 0;
    if (!cr_group_name_is_right(entry))
        return CR_FAIL(err, CR_INVALID, "'%.80s' is no name of a group", entry);
    snprintf(l.group, sizeof l.group, "%s", entry);
    *ret_limit = l;
    return CR_OK;
}

cr_status cr_disk_limits_read(const char *text, cr_disk_limit ret_limits[CR_DISK_LIMITS_MAX], int *ret_n, cr_err *err) {
    int count = 0;
    for (const char *at = text + strspn(text, " ;"); *at; at += strspn(at, " ;")) {
        char entry[CR_GROUP_NAME_MAX + 64];
        size_t n = strcspn(at, ";");
        if (count == CR_DISK_LIMITS_MAX)
            return CR_FAIL(err, CR_INVALID, "more than %d groups", CR_DISK_LIMITS_MAX);
        if (n >= sizeof entry)
            return CR_FAIL(err, CR_INVALID, "'%.80s...' is too long", at);
        memcpy(entry, at, n);
        entry[n] = 0;
        CR_TRY(read_entry(entry, &ret_limits[count], err));
        for (int i = 0; i < count; i++)
            if (strcmp(ret_limits[i].group, ret_limits[count].group) == 0)
                return CR_FAIL(err, CR_INVALID, "the group '%.80s' is named twice", ret_limits[i].group);
        count++;
        at += n;
    }
    *ret_n = count;
    return CR_OK;
}

typedef struct search {
    const cr_disk_limit *limits;
    int n;
    bool found;
    uint64_t most;                    /* UINT64_MAX: no limit */
} search;

static void look(void *user, const char *group) {
    search *s = user;
    for (int i = 0; i < s->n; i++) {
        if (strcmp(s->limits[i].group, group) != 0)
            continue;
        s->found = true;
        s->most = CR_MAX(s->most, s->limits[i].bytes ? s->limits[i].bytes : UINT64_MAX);
    }
}

cr_status cr_disk_limit_of(cr_db *db, int64_t user_id, uint64_t standard, const cr_disk_limit *limits, int n, uint64_t *ret_bytes, cr_err *err) {
    search s = {limits, n, false, 0};
    if (n)
        CR_TRY(cr_groups_of(db, user_id, look, &s, err));
    *ret_bytes = !s.found ? standard : s.most == UINT64_MAX ? 0 : s.most;
    return CR_OK;
}
