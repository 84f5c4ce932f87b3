/* store_reference.h - a store of references: each key is a value held in memory, or a range of bytes of a file on this machine.
 *
 * What kerchunk makes of NetCDF files: the keys of a Zarr hierarchy, and where in which file the bytes of each chunk lie. format/reference.c
 * reads the JSON and fills in the store; here is only what the references lead to.
 *
 * Invariants
 *  1. Filled in by one thread (cr_references_add_*), then sealed and read-only: writing is CR_DENIED.
 *  2. A key whose file is missing, not a regular file, or too short is an error that names the file, never CR_NOT_FOUND: chunks that cannot be
 *     read must not become fill values.
 *  3. A file is the same (inode, size, time of change) as when it was first read from; later it is CR_CONFLICT.
 *  4. Files are opened with the rights of the caller, without waiting for FIFOs or devices.
 *  5. All memory is in one arena of max_bytes (CR_LIMIT).
 */
#ifndef CR_ENGINE_STORE_STORE_REFERENCE_H
#define CR_ENGINE_STORE_STORE_REFERENCE_H

#include "engine/store/store.h"

/* path: of the references, for messages. */
cr_status cr_store_open_reference(const char *path, size_t max_bytes, cr_store **ret_store, cr_err *err) CR_MUST_USE;
/* What is added is copied. A key is added at most once. */
cr_status cr_references_add_value(cr_store *s, const char *key, const void *bytes, size_t n, cr_err *err) CR_MUST_USE;
/* Room of n bytes for a value that the caller fills in before sealing. */
cr_status cr_references_add_room(cr_store *s, const char *key, size_t n, unsigned char **ret_room, cr_err *err) CR_MUST_USE;
/* Bytes [offset, offset + length) of a file; length UINT64_MAX: all of it. */
cr_status cr_references_add_range(cr_store *s, const char *key, const char *file, uint64_t offset, uint64_t length, cr_err *err) CR_MUST_USE;
/* After this the store can be used. CR_FORMAT when a key was added twice. */
cr_status cr_references_seal(cr_store *s, cr_err *err) CR_MUST_USE;
/* The files that are referred to, in the order of their first reference; NULL after the last. */
const char *cr_references_file(const cr_store *s, size_t i);

#endif
