/* group_limits.c - reading the setting; whom it concerns. */
#include "platform/gateway/group_limits.h"

#include <stdio.h>
#include "base/text.h"

static cr_status read_limit(const char *word, cr_cluster_limits *l, bool *ret_is_one, cr_err *err) {
    static const char *const keys[] = {"clusters=", "workers=", "cores=", "memory="};
    int64_t *const numbers[] = {&l->clusters, &l->workers, &l->cores};
    *ret_is_one = false;
    for (size_t i = 0; i < CR_ARRAY_LEN(keys); i++) {
        if (!cr_starts_with(word, keys[i]))
            continue;
        const char *value = word + strlen(keys[i]);
        *ret_is_one = true;
        return i < 3 ? cr_parse_int(value, 0, 1000000, numbers[i], err) : cr_parse_bytes(value, &l->memory_bytes, err);
    }
    return CR_OK;
}

/* From the end: words that are limits; what is before them is the name. entry is changed. */
static cr_status read_entry(char *entry, cr_group_limit *ret_limit, cr_err *err) {
    cr_group_limit g = {.most = {INT64_MAX, INT64_MAX, INT64_MAX, UINT64_MAX}};
    int found = 0;
    for (;;) {
        size_t n = strlen(entry);
        while (n && entry[n - 1] == ' ')
            entry[--n] = 0;
        char *blank = strrchr(entry, ' ');
        bool is_one = false;
        if (blank)
            CR_TRY(read_limit(blank + 1, &g.most, &is_one, err));
        if (!is_one)
            break;
        *blank = 0;
        found++;
    }
    if (!found)
        return CR_FAIL(err, CR_INVALID, "'%.80s' is not NAME with clusters=N, workers=N, cores=N or memory=SIZE behind it", entry);
    if (!cr_group_name_is_right(entry))
        return CR_FAIL(err, CR_INVALID, "'%.80s' is no name of a group", entry);
    snprintf(g.group, sizeof g.group, "%s", entry);
    *ret_limit = g;
    return CR_OK;
}

cr_status cr_group_limits_read(const char *text, cr_group_limit ret_limits[CR_GROUP_LIMITS_MAX], int *ret_n, cr_err *err) {
    int count = 0;
    for (const char *at = text + strspn(text, " ;"); *at; at += strspn(at, " ;")) {
        char entry[CR_GROUP_NAME_MAX + 256];
        size_t n = strcspn(at, ";");
        if (count == CR_GROUP_LIMITS_MAX)
            return CR_FAIL(err, CR_INVALID, "more than %d groups", CR_GROUP_LIMITS_MAX);
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
    const cr_group_limit *limits;
    int n;
    uint32_t groups;
} search;

static void look(void *user, const char *group) {
    search *s = user;
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->limits[i].group, group) == 0)
            s->groups |= 1u << i;
}

cr_status cr_group_limits_of(cr_db *db, int64_t user_id, const cr_group_limit *limits, int n, uint32_t *ret_groups, cr_err *err) {
    search s = {limits, n, 0};
    if (n)
        CR_TRY(cr_groups_of(db, user_id, look, &s, err));
    *ret_groups = s.groups;
    return CR_OK;
}
