/* db.c - SQLite behind the project's errors. */
#include "platform/db/db.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/map.h"

enum {
    STATEMENTS_MAX = 1024, NAME_BYTES = 1024,
    /* For another program that writes: everybody waits with us. One that goes on for longer is waited for only shortly by what comes then. */
    BUSY_MS = 3000, BUSY_AGAIN_MS = 50,
    ST_BLOCK = 512,           /* bytes of one of st_blocks, whatever the file system */
};

struct cr_db {
    sqlite3 *handle;
    cr_map statements;        /* SQL -> sqlite3_stmt */
    int version;
    int depth;                /* of transactions */
    bool held;                /* by another program, when it was tried last */
    bool read_only;           /* its file system took no writes when it was tried last */
    bool in_use;              /* it has been opened whole */
    int fd;                   /* of the file; open as long as SQLite has it, whose locks would go with a close */
    int64_t held_to, log_held_to;      /* how far cr_db_reserve has taken disk space, from the begin of each file */
    char log_path[NAME_BYTES + 8];
};

/* A copy that root has laid there, or an sqlite3 of root's that was killed. */
static const char owner_hint[] = "the file, and those of its name with -wal and -shm, must belong to the user who owns their folder: chown them, or use ./up --restore";

static cr_status fail_read_only(cr_db *db, cr_err *err) {
    db->read_only = true;
    cr_status status = CR_FAIL(err, CR_NO_SPACE, "the file system that holds the hub's database takes no writes: this was not saved");
    cr_err_hint(err, "tell the administrator; nothing that was saved before is lost, and servers that run go on");
    return status;
}

/* What the kernel said of the log, through which all is written, or of the file. sqlite3_system_errno() knows it of few statements only. */
static int last_errno(cr_db *db) {
    sqlite3_file *log = NULL;
    int number = 0;
    if (sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK && log && log->pMethods)
        log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &number);
    if (!number)
        sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_LAST_ERRNO, &number);
    return number ? number : sqlite3_system_errno(db->handle);
}

static cr_status fail_io(cr_db *db, cr_err *err, const char *what) {
    const int number = last_errno(db);
    if (number == ENOSPC)
        return CR_FAIL(err, CR_NO_SPACE, "there is no space left on the disk that holds the hub's database: this was not saved");
    if (number == EROFS)
        return fail_read_only(db, err);
    return CR_FAIL(err, CR_IO, "%s: %s%s%s", what, sqlite3_errmsg(db->handle), number ? ": " : "", number ? strerror(number) : "");
}

static cr_status fail(cr_db *db, cr_err *err, const char *what) {
    int code = sqlite3_errcode(db->handle);
    const char *text = sqlite3_errmsg(db->handle);
    cr_status status;
    switch (code & 0xFF) {
    case SQLITE_FULL:
        status = CR_FAIL(err, CR_NO_SPACE, "there is no space left on the disk that holds the hub's database: this was not saved");
        cr_err_hint(err, "ask the administrator to free some space, then try again; nothing that was saved before is lost");
        return status;
    case SQLITE_CONSTRAINT: return CR_FAIL(err, CR_EXISTS, "%s: %s", what, text);
    case SQLITE_NOMEM: return CR_FAIL(err, CR_MEMORY, "%s: no memory", what);
    case SQLITE_BUSY: case SQLITE_LOCKED:
        if (!db->held)
            sqlite3_busy_timeout(db->handle, BUSY_AGAIN_MS);
        db->held = true;
        status = CR_FAIL(err, CR_BUSY, "the database is used by another process");
        cr_err_hint(err, "is a second hub running with this state directory?");
        return status;
    case SQLITE_CORRUPT: case SQLITE_NOTADB:
        /* Once it is in use, who asks has sent nothing damaged: the request fails and the operator's log says why. */
        status = CR_FAIL(err, db->in_use ? CR_IO : CR_FORMAT, "the database is damaged: %s", text);
        cr_err_hint(err, "restore the last backup, by ./up --restore; by hand, remove the files with -wal and -shm beside it first: they would be mixed into it");
        return status;
    case SQLITE_IOERR: return fail_io(db, err, what);
    case SQLITE_READONLY: case SQLITE_PERM: case SQLITE_CANTOPEN:
        status = CR_FAIL(err, db->in_use ? CR_IO : CR_DENIED, "%s: %s", what, text);
        cr_err_hint(err, "%s", owner_hint);
        return status;
    default: return CR_FAIL(err, CR_INTERNAL, "%s: %s", what, text);
    }
}

/* Something was written. */
static void note_free(cr_db *db) {
    if (db->held)
        sqlite3_busy_timeout(db->handle, BUSY_MS);
    db->held = db->read_only = false;
}

static cr_status exec(cr_db *db, const char *sql, const char *what, cr_err *err) {
    return sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK ? CR_OK : fail(db, err, what);
}

/* ---- statements ---- */

static cr_status prepare(cr_db *db, const char *sql, sqlite3_stmt **ret_statement, cr_err *err) {
    sqlite3_stmt *s = cr_map_get(&db->statements, sql);
    if (!s) {
        if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL) != SQLITE_OK)
            return fail(db, err, "preparing a statement");
        cr_status status = cr_map_set(&db->statements, sql, s, err);
        if (status != CR_OK) {
            sqlite3_finalize(s);
            return status;
        }
    } else if (sqlite3_stmt_busy(s)) {
        return CR_FAIL(err, CR_INTERNAL, "a query is open twice: %s", sql);
    }
    *ret_statement = s;
    return CR_OK;
}

static cr_status bind(cr_db *db, sqlite3_stmt *s, const char *types, va_list ap, cr_err *err) {
    int rc = SQLITE_OK;
    for (int i = 1; *types && rc == SQLITE_OK; types++, i++) {
        if (*types == 't') {
            const char *text = va_arg(ap, const char *);
            rc = text ? sqlite3_bind_text(s, i, text, -1, SQLITE_TRANSIENT) : sqlite3_bind_null(s, i);
        } else if (*types == 'i') {
            rc = sqlite3_bind_int64(s, i, va_arg(ap, int64_t));
        } else {
            const void *bytes = va_arg(ap, const void *);
            rc = sqlite3_bind_blob64(s, i, bytes, va_arg(ap, size_t), SQLITE_TRANSIENT);
        }
    }
    return rc == SQLITE_OK ? CR_OK : fail(db, err, "binding a value");
}

cr_status cr_db_run(cr_db *db, cr_err *err, const char *sql, const char *types, ...) {
    sqlite3_stmt *s = NULL;
    CR_TRY(prepare(db, sql, &s, err));
    va_list ap;
    va_start(ap, types);
    cr_status status = bind(db, s, types, ap, err);
    va_end(ap);
    if (status == CR_OK) {
        int rc;
        while ((rc = sqlite3_step(s)) == SQLITE_ROW)
            ;
        if (rc != SQLITE_DONE)
            status = fail(db, err, "writing to the database");
        else
            note_free(db);
    }
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return status;
}

int64_t cr_db_changes(const cr_db *db) { return sqlite3_changes64(db->handle); }
int64_t cr_db_last_id(const cr_db *db) { return sqlite3_last_insert_rowid(db->handle); }

cr_status cr_db_begin(cr_db *db, cr_err *err) {
    if (db->depth && sqlite3_get_autocommit(db->handle))
        return CR_FAIL(err, CR_INTERNAL, "the transaction around this one was rolled back already");
    CR_TRY(exec(db, db->depth ? "SAVEPOINT part" : "BEGIN IMMEDIATE", "beginning a transaction", err));
    db->depth++;
    return CR_OK;
}

cr_status cr_db_end(cr_db *db, cr_status status, cr_err *err) {
    bool whole = --db->depth == 0;
    if (status == CR_OK)
        status = exec(db, whole ? "COMMIT" : "RELEASE part", "saving to the database", err);
    if (status != CR_OK && !sqlite3_get_autocommit(db->handle))        /* SQLite may have rolled back by itself */
        sqlite3_exec(db->handle, whole ? "ROLLBACK" : "ROLLBACK TO part; RELEASE part", NULL, NULL, NULL);
    return status;
}

cr_status cr_query_open(cr_db *db, cr_query *q, cr_err *err, const char *sql, const char *types, ...) {
    sqlite3_stmt *s = NULL;
    CR_TRY(prepare(db, sql, &s, err));
    va_list ap;
    va_start(ap, types);
    cr_status status = bind(db, s, types, ap, err);
    va_end(ap);
    if (status != CR_OK)
        return status;
    *q = (cr_query){db, s, SQLITE_ROW};
    return CR_OK;
}

bool cr_query_next(cr_query *q) {
    if (!q->statement || q->result != SQLITE_ROW)
        return false;
    q->result = sqlite3_step(q->statement);
    return q->result == SQLITE_ROW;
}

cr_status cr_query_end(cr_query *q, cr_err *err) {
    cr_status status = CR_OK;
    if (q->statement && q->result != SQLITE_ROW && q->result != SQLITE_DONE)
        status = fail(q->db, err, "reading the database");
    cr_query_close(q);
    return status;
}

void cr_query_close(cr_query *q) {
    if (q->statement) {
        sqlite3_reset(q->statement);
        sqlite3_clear_bindings(q->statement);
    }
    q->statement = NULL;
}

int64_t cr_query_int(const cr_query *q, int column) { return sqlite3_column_int64(q->statement, column); }
const char *cr_query_text(const cr_query *q, int column) { return (const char *)sqlite3_column_text(q->statement, column); }
const void *cr_query_blob(const cr_query *q, int column, size_t *ret_size) {
    const void *bytes = sqlite3_column_blob(q->statement, column);
    *ret_size = (size_t)sqlite3_column_bytes(q->statement, column);
    return bytes;
}

/* ---- the file ---- */

static cr_status read_version(cr_db *db, int *ret_version, cr_err *err) {
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(db->handle, "PRAGMA user_version", -1, &s, NULL) != SQLITE_OK)
        return fail(db, err, "reading the database");
    int rc = sqlite3_step(s);
    *ret_version = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    return rc == SQLITE_ROW ? CR_OK : fail(db, err, "reading the database");
}

static cr_status migrate_one(cr_db *db, const cr_migration *m, cr_err *err) {
    char set[64];
    snprintf(set, sizeof set, "PRAGMA user_version = %d", m->version);
    CR_TRY(cr_db_begin(db, err));
    cr_status status = exec(db, m->sql, m->what, err);
    if (status == CR_OK)
        status = exec(db, set, "noting the version", err);
    status = cr_db_end(db, status, err);
    if (status == CR_OK)
        db->version = m->version;
    return status;
}

static cr_status migrate(cr_db *db, const char *path, const cr_migration *rows, int n, cr_err *err) {
    CR_TRY(read_version(db, &db->version, err));
    int newest = n ? rows[n - 1].version : 0;
    if (db->version > newest) {
        cr_status status = CR_FAIL(err, CR_CONFLICT, "the database %s was made by a newer Craton (version %d; this one knows up to %d)",
                                   path, db->version, newest);
        cr_err_hint(err, "start the newer Craton, or restore a backup made by this one");
        return status;
    }
    if (db->version > 0 && db->version < newest) {
        char copy[NAME_BYTES];
        snprintf(copy, sizeof copy, "%s.before-version-%d", path, newest);
        unlink(copy);
        CR_TRY(cr_db_backup(db, copy, err));
    }
    if (db->version == newest)
        return CR_OK;
    CR_TRY(cr_db_begin(db, err));
    cr_status status = CR_OK;
    for (int i = 0; i < n && status == CR_OK; i++) {
        if (rows[i].version <= db->version)
            continue;
        status = migrate_one(db, &rows[i], err);
        if (status != CR_OK)
            cr_err_context(err, "bringing the database to version %d (%s)", rows[i].version, rows[i].what);
    }
    return cr_db_end(db, status, err);
}

cr_status cr_db_open(const char *path, const cr_migration *migrations, int n_migrations, cr_db **ret_db, cr_err *err) {
    /* Made by us first, so that SQLite never makes it with wider rights. */
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        const bool denied = errno == EACCES;
        cr_status status = CR_FAIL_ERRNO(err, "opening %s", path);
        if (denied)
            cr_err_hint(err, "%s", owner_hint);
        return status;
    }
    cr_db *db = calloc(1, sizeof *db);
    if (!db) {
        close(fd);
        return CR_FAIL(err, CR_MEMORY, "no memory for the database");
    }
    db->fd = fd;
    snprintf(db->log_path, sizeof db->log_path, "%s-wal", path);
    cr_map_init(&db->statements, STATEMENTS_MAX);
    cr_status status = CR_OK;
    if (sqlite3_open_v2(path, &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        status = db->handle ? fail(db, err, "opening the database") : CR_FAIL(err, CR_MEMORY, "no memory for the database");
        goto out;
    }
    sqlite3_busy_timeout(db->handle, BUSY_MS);
    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    CR_TRY_GOTO(exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"
                     "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192; PRAGMA secure_delete = ON",
                     "opening the database", err), out);
    CR_TRY_GOTO(migrate(db, path, migrations, n_migrations, err), out);
    db->in_use = true;
    *ret_db = db;
    return CR_OK;
out:
    cr_err_context(err, "%s", path);
    cr_db_close(db);
    return status;
}

void cr_db_close(cr_db *db) {
    if (!db)
        return;
    void *s;
    for (size_t i = 0; (i = cr_map_next(&db->statements, i, NULL, &s));)
        sqlite3_finalize(s);
    cr_map_done(&db->statements);
    sqlite3_close(db->handle);
    close(db->fd);
    free(db);
}

int cr_db_version(const cr_db *db) { return db->version; }

bool cr_db_is_in_place(const cr_db *db) {
    char path[NAME_BYTES + 8];
    struct stat named, open_one;
    snprintf(path, sizeof path, "%.*s", (int)(strlen(db->log_path) - strlen("-wal")), db->log_path);
    return fstat(db->fd, &open_one) != 0 || (stat(path, &named) == 0 ? named.st_ino == open_one.st_ino && named.st_dev == open_one.st_dev : errno != ENOENT);
}

bool cr_db_is_read_only(cr_db *db) {
    char same[64];
    snprintf(same, sizeof same, "PRAGMA user_version = %d", db->version);
    if (db->read_only && !db->depth && exec(db, same, "looking whether the disk takes writes", NULL) == CR_OK)
        note_free(db);
    return db->read_only;
}

/* Without a change of the size: SQLite sees nothing of it. What is there already is not asked for again, since file systems note each time that a file was
 * allocated to as a change of it: a hub that does nothing would write to the disk every minute. Blocks are counted, as a truncation gives them back. */
static bool hold(int fd, uint64_t bytes, int64_t *held_to) {
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return false;
    const int64_t end = st.st_size + (int64_t)bytes;
    if (end <= *held_to && (int64_t)st.st_blocks * ST_BLOCK >= end)
        return true;
    if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, end) != 0)
        return false;
    *held_to = end;
    return true;
}

void cr_db_reserve(cr_db *db, uint64_t bytes, bool *ret_held) {
    int log = bytes ? open(db->log_path, O_RDWR | O_NOFOLLOW | O_CLOEXEC) : -1;
    bool held = bytes && hold(log, bytes / 2, &db->log_held_to);        /* the log first: everything goes through it */
    *ret_held = bytes && hold(db->fd, bytes / 2, &db->held_to) && held;
    if (log >= 0)
        close(log);           /* SQLite has no locks on its log */
}

cr_status cr_db_backup(cr_db *db, const char *path, cr_err *err) {
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return CR_FAIL_ERRNO(err, "making the backup %s", path);
    close(fd);
    cr_status status = CR_OK;
    sqlite3 *target = NULL;
    int rc = sqlite3_open_v2(path, &target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    sqlite3_backup *backup = rc == SQLITE_OK ? sqlite3_backup_init(target, "main", db->handle, "main") : NULL;
    if (backup) {
        rc = sqlite3_backup_step(backup, -1);
        sqlite3_backup_finish(backup);
    }
    /* One file, not a file and its log: the copy is carried away. */
    if (rc == SQLITE_DONE)
        rc = sqlite3_exec(target, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL) == SQLITE_OK ? SQLITE_DONE : SQLITE_IOERR;
    if (!backup || rc != SQLITE_DONE) {
        bool full = (rc & 0xFF) == SQLITE_FULL || (target && sqlite3_system_errno(target) == ENOSPC);
        status = CR_FAIL(err, full ? CR_NO_SPACE : CR_IO, "making the backup %s: %s", path,
                         full ? "no space left on the disk" : target ? sqlite3_errmsg(target) : "no memory");
    }
    sqlite3_close(target);
    if (status != CR_OK)
        unlink(path);
    return status;
}
