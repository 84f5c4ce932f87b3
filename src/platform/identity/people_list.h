/* people_list.h - a list of people as an administrator types it, or pastes it from a table: who is to be invited, or put into a group.
 *
 * Plain: one person on each line, the user name before the first comma, semicolon or tab; what follows is for people's eyes.
 * A table (CSV of RFC 4180, also with semicolons or tabs): its first line names the columns. The column "user", "username", "login" ... has the
 * user names; without such a one those of "email", "e-mail" ... are the user names. The other columns are for people's eyes.
 * In both a field may stand in quotation marks, and then hold separators, line breaks and, doubled, quotation marks.
 */
#ifndef CR_PLATFORM_IDENTITY_PEOPLE_LIST_H
#define CR_PLATFORM_IDENTITY_PEOPLE_LIST_H

#include <stdbool.h>
#include "base/error.h"
#include "platform/identity/mail_text.h"
#include "platform/identity/user_names.h"

enum { CR_PEOPLE_COLUMNS_MAX = 64 };

typedef struct cr_people_line {
    int number;                               /* of the line in the text, from 1 */
    char name[CR_NAME_MAX + 2];               /* as typed; one that is too long for a name is cut and still too long */
    char label[3 * CR_NAME_MAX];              /* the other fields: one clean line, cut */
    char address[CR_MAIL_ADDRESS_MAX + 2];    /* of the column of addresses, else the first word with an @ behind the name; "": none. Not checked */
} cr_people_line;

typedef cr_status (*cr_people_each)(void *user, const cr_people_line *line, cr_err *err);

/* each is called for every person until it fails; its error is given the line and the name. ret_columns: the first line named columns.
 * CR_INVALID: a quotation mark that does not end, or more columns than are read. */
cr_status cr_people_list_read(const char *text, cr_people_each each, void *user, bool *ret_columns, cr_err *err) CR_MUST_USE;

#endif
