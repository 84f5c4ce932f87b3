/* hdf5_object.h - the superblock, and object headers with their messages.
 *
 * An object header is a list of messages spread over a first block and continuation blocks. h5_object_load fetches them all
 * into the parse's temporary arena; the cursors of messages stay valid as long as that. A message that is shared (a committed
 * datatype, or one kept in a heap for many objects) is followed by h5_object_find.
 *
 * Invariants
 *  1. A block of an object header is visited once: a loop of continuations is CR_FORMAT.
 *  2. A shared message leads to a message that is not shared.
 */
#ifndef CR_ENGINE_FORMAT_HDF5_OBJECT_H
#define CR_ENGINE_FORMAT_HDF5_OBJECT_H

#include "engine/format/hdf5_io.h"

enum h5_message_type {
    H5_MSG_NIL = 0, H5_MSG_DATASPACE = 1, H5_MSG_LINK_INFO = 2, H5_MSG_DATATYPE = 3, H5_MSG_FILL_OLD = 4, H5_MSG_FILL = 5,
    H5_MSG_LINK = 6, H5_MSG_EXTERNAL = 7, H5_MSG_LAYOUT = 8, H5_MSG_GROUP_INFO = 10, H5_MSG_FILTERS = 11, H5_MSG_ATTRIBUTE = 12,
    H5_MSG_SOHM = 15, H5_MSG_CONTINUATION = 16, H5_MSG_SYMBOL_TABLE = 17, H5_MSG_ATTRIBUTE_INFO = 21
};

enum { H5_MSG_SHARED = 2 };            /* flag of a message */

typedef struct h5_msg {
    uint16_t type;
    uint8_t flags;
    uint16_t corder;                   /* creation order, where tracked */
    h5_cur data;
} h5_msg;

typedef struct h5_object {
    uint64_t addr;
    int n;
    h5_msg *msgs;
} h5_object;

/* Finds the superblock (offset 0, 512, 1024, ...), sets the base address and widths of the file, and checks that the file is
 * not shorter than it says. The address of the root group's object header, and of the superblock's extension or H5_UNDEF. */
cr_status h5_superblock_read(h5_file *f, uint64_t *ret_root, uint64_t *ret_extension, cr_err *err) CR_MUST_USE;

cr_status h5_object_load(h5_ctx *x, uint64_t addr, h5_object *ret_object, cr_err *err) CR_MUST_USE;
bool h5_object_has(const h5_object *o, unsigned type);
/* The first message of a type, followed if shared. *ret_found false (and CR_OK) when there is none. */
cr_status h5_object_find(h5_ctx *x, const h5_object *o, unsigned type, h5_cur *ret_data, bool *ret_found, cr_err *err) CR_MUST_USE;
/* data: the body of a shared message of this type; replaced by the message that it stands for. */
cr_status h5_shared_follow(h5_ctx *x, unsigned type, h5_cur *data, cr_err *err) CR_MUST_USE;
/* Reads the table of shared messages that the superblock's extension names, into x->sohm. */
cr_status h5_sohm_load(h5_ctx *x, uint64_t extension, cr_err *err) CR_MUST_USE;

#endif
