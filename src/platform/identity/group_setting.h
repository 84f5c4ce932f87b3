/* group_setting.h - settings that say something of groups (gateway-groups, disk-groups, group-folders): how they are written.
 *
 *   GROUP WORD ...; GROUP WORD ...
 *
 * Names are those of the hub's pages, and may have blanks inside; so an entry is read from its end.
 */
#ifndef CR_PLATFORM_IDENTITY_GROUP_SETTING_H
#define CR_PLATFORM_IDENTITY_GROUP_SETTING_H

#include "platform/identity/groups.h"

/* entry has no blanks at its ends, and may be changed. */
typedef cr_status cr_group_entry_fn(void *user, char *entry, cr_err *err);

/* Calls fn for each entry. CR_INVALID: one is too long; else what fn says. */
cr_status cr_group_setting_each(const char *text, cr_group_entry_fn *fn, void *user, cr_err *err) CR_MUST_USE;
/* The last word of an entry; NULL: it has but one. */
char *cr_group_entry_word(char *entry);
/* Takes that word, and the blanks before it, off the entry; the word itself stays readable. */
void cr_group_entry_cut(char *entry, char *word);
/* What is left of an entry, as the name of a group. */
cr_status cr_group_entry_name(const char *entry, char ret_name[CR_GROUP_NAME_MAX + 1], cr_err *err) CR_MUST_USE;

#endif
