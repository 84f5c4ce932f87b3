/* group_limits.c - reading the setting; whom it concerns. */
#include "platform/gateway/group_limits.h"

#include "base/text.h"
#include "platform/identity/group_setting.h"

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

typedef struct reading {
    cr_group_limit *limits;
    int n;
} reading;

/* From the end: words that are limits; what is before them is the name. */
static cr_status read_entry(void *user, char *entry, cr_err *err) {
    reading *r = user;
    cr_group_limit g = {.most = {INT64_MAX, INT64_MAX, INT64_MAX, UINT64_MAX}};
    int found = 0;
    if (r->n == CR_GROUP_LIMITS_MAX)
        return CR_FAIL(err, CR_INVALID, "more than %d groups", CR_GROUP_LIMITS_MAX);
    for (char *word; (word = cr_group_entry_word(entry)); found++) {
        bool is_one;
        CR_TRY(read_limit(word, &g.most, &is_one, err));
        if (!is_one)
            break;
        cr_group_entry_cut(entry, word);
    }
    if (!found)
        return CR_FAIL(err, CR_INVALID, "'%.80s' is not NAME with clusters=N, workers=N, cores=N or memory=SIZE behind it", entry);
    CR_TRY(cr_group_entry_name(entry, g.group, err));
    for (int i = 0; i < r->n; i++)
        if (strcmp(r->limits[i].group, g.group) == 0)
            return CR_FAIL(err, CR_INVALID, "the group '%.80s' is named twice", g.group);
    r->limits[r->n++] = g;
    return CR_OK;
}

cr_status cr_group_limits_read(const char *text, cr_group_limit ret_limits[CR_GROUP_LIMITS_MAX], int *ret_n, cr_err *err) {
    reading r = {ret_limits, 0};
    CR_TRY(cr_group_setting_each(text, read_entry, &r, err));
    *ret_n = r.n;
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
