/* group_setting.c - entries and their words. */
#include "platform/identity/group_setting.h"

#include <stdio.h>

enum { ENTRY_MAX = CR_GROUP_NAME_MAX + 256 };

static void trim(char *entry, size_t n) {
    while (n && entry[n - 1] == ' ')
        n--;
    entry[n] = 0;
}

cr_status cr_group_setting_each(const char *text, cr_group_entry_fn *fn, void *user, cr_err *err) {
    for (const char *at = text + strspn(text, " ;"); *at; at += strspn(at, " ;")) {
        char entry[ENTRY_MAX];
        size_t n = strcspn(at, ";");
        if (n >= sizeof entry)
            return CR_FAIL(err, CR_INVALID, "'%.80s...' is too long", at);
        memcpy(entry, at, n);
        trim(entry, n);
        CR_TRY(fn(user, entry, err));
        at += n;
    }
    return CR_OK;
}

char *cr_group_entry_word(char *entry) {
    char *blank = strrchr(entry, ' ');
    return blank ? blank + 1 : NULL;
}

void cr_group_entry_cut(char *entry, char *word) { trim(entry, (size_t)(word - entry)); }

cr_status cr_group_entry_name(const char *entry, char ret_name[CR_GROUP_NAME_MAX + 1], cr_err *err) {
    if (!cr_group_name_is_right(entry))
        return CR_FAIL(err, CR_INVALID, "'%.80s' is no name of a group", entry);
    snprintf(ret_name, CR_GROUP_NAME_MAX + 1, "%s", entry);
    return CR_OK;
}
