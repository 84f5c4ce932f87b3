/* person.h - the people who may use the hub: rows of the table users. */
#ifndef CR_PLATFORM_IDENTITY_PERSON_H
#define CR_PLATFORM_IDENTITY_PERSON_H

#include <stdbool.h>
#include "platform/db/db.h"
#include "platform/identity/user_names.h"
#include "platform/identity/password.h"

enum { CR_PERSON_LANGUAGE_MAX = 15 };

typedef struct cr_person {
    int64_t id;
    char name[CR_NAME_MAX + 1], account[CR_ACCOUNT_MAX + 1];
    char password[CR_PASSWORD_HASH_BYTES];      /* "" : none yet */
    bool admin, disabled, demo;
    int64_t created_ms, last_activity_ms;       /* 0: never */
    char language[CR_PERSON_LANGUAGE_MAX + 1];  /* chosen for pages and mails; "" : as the browser asks */
} cr_person;

/* The columns that cr_person_read expects, for queries with other conditions; the table must be called u. */
#define CR_PERSON_COLUMNS "u.id, u.name, u.account, u.password, u.admin, u.disabled, u.demo, u.created_ms, u.last_activity_ms, u.language"
enum { CR_PERSON_N_COLUMNS = 10 };
void cr_person_read(const cr_query *q, cr_person *person);

/* CR_NOT_FOUND when there is none. */
cr_status cr_person_find(cr_db *db, const char *name, cr_person *ret_person, cr_err *err) CR_MUST_USE;
cr_status cr_person_get(cr_db *db, int64_t id, cr_person *ret_person, cr_err *err) CR_MUST_USE;
/* Finds a free account for the name; person's name, password, admin, demo are taken, id and account are filled. Inside a transaction
 * of the caller or alone. CR_EXISTS: the name is taken. */
cr_status cr_person_add(cr_db *db, cr_person *person, cr_err *err) CR_MUST_USE;
/* Also ends what was given out under the old one, which somebody else may have known: sessions, API tokens, links to set a password, and what
 * the person has given to others. */
cr_status cr_person_set_password(cr_db *db, int64_t id, const char *hash, cr_err *err) CR_MUST_USE;
/* Ends what lets others in by the rights of this person: links, tokens made for others, shares of servers, and what was made with such tokens.
 * For whoever takes rights away, in the same transaction. */
cr_status cr_person_forget_given(cr_db *db, int64_t id, cr_err *err) CR_MUST_USE;
/* Also ends sessions and tokens of a disabled person, and what the person has given. CR_CONFLICT: the last administrator. */
cr_status cr_person_set_disabled(cr_db *db, int64_t id, bool disabled, cr_err *err) CR_MUST_USE;
/* Also ends what somebody who is none any more has given. CR_CONFLICT: the last administrator. */
cr_status cr_person_set_admin(cr_db *db, int64_t id, bool admin, cr_err *err) CR_MUST_USE;
cr_status cr_person_set_language(cr_db *db, int64_t id, const char *code, cr_err *err) CR_MUST_USE;
/* The account, and so the files, stay; the name is a normal one. CR_EXISTS: it is taken. */
cr_status cr_person_rename(cr_db *db, int64_t id, const char *name, cr_err *err) CR_MUST_USE;
/* The account stays reserved. CR_CONFLICT: the last administrator. */
cr_status cr_person_remove(cr_db *db, int64_t id, cr_err *err) CR_MUST_USE;
/* How many there are: everybody, and administrators who are not disabled. */
cr_status cr_person_count(cr_db *db, int64_t *ret_all, int64_t *ret_admins, cr_err *err) CR_MUST_USE;

#endif
