/* db.h - the hub's SQLite database: one file, one connection, one writer (the loop).
 *
 * WAL with synchronous=NORMAL: a crash of the process loses nothing, a power cut at most the last moments. Every table is STRICT.
 * Statements are prepared once and kept by their SQL text.
 *
 * Another program that holds the file for writing is waited for by the first statement that meets it, for three seconds, and hardly by those that
 * follow, until one succeeds: they fail with CR_BUSY, and reading goes on.
 *
 * Errors: a full disk, or one that takes no writes, is CR_NO_SPACE with a hint (nothing is lost, reading goes on), a broken rule of a table CR_EXISTS,
 * a damaged file CR_FORMAT when it is opened and CR_IO later.
 *
 * Arguments of a statement are given by a type string: t text (const char *, NULL is SQL NULL), i int64_t, b blob (const void *, size_t).
 *   CR_TRY(cr_db_run(db, err, "UPDATE users SET name = ? WHERE id = ?", "ti", name, id));
 *   cr_auto_query cr_query q = CR_QUERY_INIT;
 *   CR_TRY(cr_query_open(db, &q, err, "SELECT name FROM users WHERE id = ?", "i", id));
 *   while (cr_query_next(&q)) use(cr_query_text(&q, 0));
 *   CR_TRY(cr_query_end(&q, err));
 */
#ifndef CR_PLATFORM_DB_DB_H
#define CR_PLATFORM_DB_DB_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"

typedef struct cr_db cr_db;
struct sqlite3_stmt;

typedef struct cr_migration {
    int version;              /* 1, 2, 3 ... */
    const char *what;
    const char *sql;
} cr_migration;

/* Opens or makes the file (0600), brings it to the newest version: all migrations in one transaction, so that a kill leaves the old version, after a
 * copy of the old file to PATH.before-version-N. A file of a newer version than the last row is refused with CR_CONFLICT. */
cr_status cr_db_open(const char *path, const cr_migration *migrations, int n_migrations, cr_db **ret_db, cr_err *err) CR_MUST_USE;
void cr_db_close(cr_db *db);
int cr_db_version(const cr_db *db);
/* The last write failed because the file system took none: one that an error of its disk has made read-only, most often. Looks again. */
bool cr_db_is_read_only(cr_db *db);
/* False: another file has its name now, or none has. What is saved goes into the one that is open, and is gone with it when it is closed. */
bool cr_db_is_in_place(const cr_db *db);

cr_status cr_db_run(cr_db *db, cr_err *err, const char *sql, const char *types, ...) CR_MUST_USE;
int64_t cr_db_changes(const cr_db *db);          /* rows changed by the last run */
int64_t cr_db_last_id(const cr_db *db);

/* A begin inside another transaction is a part of it that is done whole or not at all; the outermost end saves. end() commits when status is
 * CR_OK, else rolls back; it answers the first failure. Each begin that was CR_OK has one end. */
cr_status cr_db_begin(cr_db *db, cr_err *err) CR_MUST_USE;
cr_status cr_db_end(cr_db *db, cr_status status, cr_err *err) CR_MUST_USE;

typedef struct cr_query {
    cr_db *db;
    struct sqlite3_stmt *statement;
    int result;
} cr_query;
#define CR_QUERY_INIT {NULL, NULL, 0}

/* The query borrows a kept statement: the same SQL cannot be open twice (CR_INTERNAL). */
cr_status cr_query_open(cr_db *db, cr_query *q, cr_err *err, const char *sql, const char *types, ...) CR_MUST_USE;
bool cr_query_next(cr_query *q);
/* After next() said false: did the rows end well? Also ends the query. */
cr_status cr_query_end(cr_query *q, cr_err *err) CR_MUST_USE;
int64_t cr_query_int(const cr_query *q, int column);
const char *cr_query_text(const cr_query *q, int column);      /* NULL for SQL NULL; valid until the next row */
const void *cr_query_blob(const cr_query *q, int column, size_t *ret_size);
void cr_query_close(cr_query *q);
#define cr_auto_query __attribute__((cleanup(cr_query_close)))

/* Holds disk space for what is written from now on: behind the end of the file and of its log, where only SQLite writes, so that nobody else
 * can take it. Called again it holds as much as before behind what has been written, and touches no file where it still does. Where the file
 * system cannot do that, or is full, nothing happens: *ret_held says how it is now. */
void cr_db_reserve(cr_db *db, uint64_t bytes, bool *ret_held);

/* A consistent copy while the hub runs, made readable by its owner only. The target must not exist. */
cr_status cr_db_backup(cr_db *db, const char *path, cr_err *err) CR_MUST_USE;

#endif
