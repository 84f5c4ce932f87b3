/* journal.h - what makes a long write resumable: a record of every chunk that is finished, beside the chunks, and of what they are of.
 *
 * The file CR_JOURNAL_NAME lies in the temporary directory of the writer. Its head holds three digests: of the layout that is written,
 * of the computation, and of the state of everything it reads from. Then follow records of fixed size: variable, chunk, stored bytes
 * and their checksum. Head and records carry a checksum of their own.
 *
 * Nothing is synced while writing. Instead nothing is believed when it is read: a record that is torn, or whose chunk on disk has other
 * bytes than it says, counts as not written. So a journal is safe against a killed process and against a power cut alike, in whatever
 * order the disk wrote.
 *
 * Threads: cr_journal_add may be called from any number of threads at once.
 */
#ifndef CR_ENGINE_FORMAT_JOURNAL_H
#define CR_ENGINE_FORMAT_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "craton/array.h"

#define CR_JOURNAL_NAME ".craton-journal"

typedef struct cr_digest {
    uint64_t h[2];
} cr_digest;
#define CR_DIGEST_INIT {{0x6a09e667f3bcc908u, 0xbb67ae8584caa73bu}}
/* Adds bytes; what comes in one call or in several is told apart. Not for secrets: two lanes of multiply and shift. */
void cr_digest_add(cr_digest *d, const void *bytes, size_t n);
void cr_digest_text(cr_digest *d, const char *text);               /* NULL and "" differ */

typedef struct cr_journal_identity {
    cr_digest layout, program, sources;
} cr_journal_identity;

/* array/digest.c: what n arrays compute, and the state of the files and stores that they read; the same in every process.
 * CR_UNSUPPORTED when a function of the caller is part of it, which cannot be compared. */
cr_status cr_array_digest(int n, cr_array *const *arrays, cr_digest *program, cr_digest *sources, cr_err *err) CR_MUST_USE;

typedef struct cr_journal cr_journal;
/* A new one in the directory; one that is there is replaced. */
cr_status cr_journal_new(const char *dir, const cr_journal_identity *identity, cr_journal **ret_journal, cr_err *err) CR_MUST_USE;
/* Whether the directory holds a journal with a whole head. */
bool cr_journal_exists(const char *dir);
/* The one in the directory. CR_CONFLICT says which of the three is another than when it was begun. */
cr_status cr_journal_open(const char *dir, const cr_journal_identity *identity, cr_journal **ret_journal, cr_err *err) CR_MUST_USE;
void cr_journal_free(cr_journal *j);                               /* NULL is allowed; the file stays */

typedef struct cr_journal_record {
    uint32_t variable;
    uint64_t chunk;               /* row-major number in the grid of stored objects */
    uint64_t bytes;               /* stored; CR_JOURNAL_ABSENT: nothing is stored, because it holds nothing but fill */
    uint32_t crc;                 /* of the stored bytes */
} cr_journal_record;
#define CR_JOURNAL_ABSENT UINT64_MAX

cr_status cr_journal_add(cr_journal *j, const cr_journal_record *record, cr_err *err) CR_MUST_USE;
/* Hands every whole record to fn, in the order of writing. */
typedef cr_status (*cr_journal_fn)(void *user, const cr_journal_record *record, cr_err *err);
cr_status cr_journal_replay(cr_journal *j, cr_journal_fn fn, void *user, cr_err *err) CR_MUST_USE;

#endif
