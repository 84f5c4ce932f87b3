/* held_file.h - a regular file that is read at offsets for as long as arrays need it, without holding more descriptors than a process may have;
 * or bytes that a program hands over (cr_reader of craton/file.h).
 *
 * Twenty years of daily files are 7,305 of them, and a process may have 1,024 descriptors (RLIMIT_NOFILE). Files that are opened while few are
 * held keep theirs until they are closed. When half of what the process may have is held, a further file is opened for each read, which costs some
 * microseconds. The other half is for what else the process opens.
 *
 * A file is shared by those who read it, on any thread, and closed by its owner; a forked child may go on with it.
 *
 * Invariants
 *  1. No byte past the size that the file had when it was opened is read.
 *  2. What was read is of the file as it was when it was opened, by device, inode, size and time of change, or reading fails with CR_CONFLICT: where
 *     things lie was read from it then, and a file that is written anew in its place has other bytes there.
 */
#ifndef CR_ENGINE_STORE_HELD_FILE_H
#define CR_ENGINE_STORE_HELD_FILE_H

#include <stddef.h>
#include <stdint.h>
#include "craton/file.h"

typedef struct cr_held_file cr_held_file;

/* CR_FORMAT: it is no regular file (opening a device or a pipe could wait). reader: the bytes; path is then a name for messages. NULL: those at path. */
cr_status cr_held_open(const char *path, cr_reader *reader, cr_held_file **ret_file, cr_err *err) CR_MUST_USE;
void cr_held_close(cr_held_file *f);                /* NULL is allowed */
uint64_t cr_held_size(const cr_held_file *f);
/* Exactly n bytes at offset. CR_FORMAT: they would lie past the end. */
cr_status cr_held_read(const cr_held_file *f, uint64_t offset, void *dst, size_t n, cr_err *err) CR_MUST_USE;

/* For who opens a file: size of its bytes, and exactly n of them, which lie within. */
uint64_t cr_reader_size(const cr_reader *r);
cr_status cr_reader_read(const cr_reader *r, uint64_t offset, void *dst, size_t n, cr_err *err) CR_MUST_USE;

#endif
