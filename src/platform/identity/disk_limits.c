/* disk_limits.c - reading the setting; whom it concerns. */
#include "platform/identity/disk_limits.h"

#include "base/text.h"
#include "platform/identity/group_setting.h"

typedef struct reading {
    cr_disk_limit *limits;
    int n;
} reading;

static cr_status read_entry(void *user, char *entry, cr_err *err) {
    reading *r = user;
    cr_disk_limit l = {0};
    char *word = cr_group_entry_word(entry);
    if (r->n == CR_DISK_LIMITS_MAX)
        return CR_FAIL(err, CR_INVALID, "more than %d groups", CR_DISK_LIMITS_MAX);
    if (!word || cr_parse_bytes(word, &l.bytes, NULL) != CR_OK || l.bytes > INT64_MAX)
        return CR_FAIL(err, CR_INVALID, "'%.80s' is not NAME with a size such as 20G behind it", entry);
    cr_group_entry_cut(entry, word);
    CR_TRY(cr_group_entry_name(entry, l.group, err));
    for (int i = 0; i < r->n; i++)
        if (strcmp(r->limits[i].group, l.group) == 0)
            return CR_FAIL(err, CR_INVALID, "the group '%.80s' is named twice", l.group);
    r->limits[r->n++] = l;
    return CR_OK;
}

cr_status cr_disk_limits_read(const char *text, cr_disk_limit ret_limits[CR_DISK_LIMITS_MAX], int *ret_n, cr_err *err) {
    reading r = {ret_limits, 0};
    CR_TRY(cr_group_setting_each(text, read_entry, &r, err));
    *ret_n = r.n;
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
