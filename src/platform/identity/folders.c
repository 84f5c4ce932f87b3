/* folders.c - reading the setting; whose they are. */
#include "platform/identity/folders.h"

#include <stdio.h>
#include "platform/identity/group_setting.h"

static bool is_name(const char *s) {
    size_t n = strlen(s);
    return n && n <= CR_FOLDER_NAME_MAX && s[0] >= 'a' && s[0] <= 'z' && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == n && strcmp(s, "shared") != 0;
}

static int place_of(cr_folders *f, const char *name) {
    int i = 0;
    while (i < f->n && strcmp(f->name[i], name) != 0)
        i++;
    if (i == f->n && f->n < CR_FOLDERS_MAX)
        snprintf(f->name[f->n++], sizeof f->name[0], "%s", name);
    return i;
}

static cr_status read_entry(void *user, char *entry, cr_err *err) {
    cr_folders *f = user;
    char *word = cr_group_entry_word(entry), group[CR_GROUP_NAME_MAX + 1];
    if (!word || !is_name(word))
        return CR_FAIL(err, CR_INVALID, "'%.80s' is not GROUP with the name of a folder behind it (small letters, digits, '-'; not 'shared')", entry);
    cr_group_entry_cut(entry, word);
    CR_TRY(cr_group_entry_name(entry, group, err));
    int folder = place_of(f, word);
    if (folder == CR_FOLDERS_MAX || f->n_entries == CR_FOLDER_ENTRIES_MAX)
        return CR_FAIL(err, CR_INVALID, "more than %d folders, or %d entries", CR_FOLDERS_MAX, CR_FOLDER_ENTRIES_MAX);
    f->entry[f->n_entries].folder = folder;
    snprintf(f->entry[f->n_entries++].group, sizeof f->entry[0].group, "%s", group);
    return CR_OK;
}

cr_status cr_folders_read(const char *text, cr_folders *ret_folders, cr_err *err) {
    memset(ret_folders, 0, sizeof *ret_folders);
    return cr_group_setting_each(text, read_entry, ret_folders, err);
}

typedef struct search {
    const cr_folders *folders;
    uint32_t set;
} search;

static void look(void *user, const char *group) {
    search *s = user;
    for (int i = 0; i < s->folders->n_entries; i++)
        if (strcmp(s->folders->entry[i].group, group) == 0)
            s->set |= 1u << s->folders->entry[i].folder;
}

cr_status cr_folders_of(cr_db *db, int64_t user_id, const cr_folders *folders, uint32_t *ret_set, cr_err *err) {
    search s = {folders, 0};
    if (folders->n)
        CR_TRY(cr_groups_of(db, user_id, look, &s, err));
    *ret_set = s.set;
    return CR_OK;
}
