/* serialize.h - what to compute, as bytes: a graph of lazy arrays that another process builds again and computes to the same bits.
 *
 * Stored arrays are named (path, group, variable) and opened again by who reads the bytes; arrays in memory travel with them. Nodes are
 * written inputs first, each once, with their operation, parameters, type and shape; operations and types are written by name. Reading goes
 * through the same constructors that any user calls, so bytes from anywhere meet every check that arguments meet; in addition what a node is made
 * into is compared with what the bytes say it is.
 *
 * The form is of one version of the library: bytes of another version are refused by name, never guessed at. Little-endian machines only.
 */
#ifndef CRATON_SERIALIZE_H
#define CRATON_SERIALIZE_H

#include "craton/array.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CR_GRAPH_VERSION 3            /* of the form; another one is CR_UNSUPPORTED */
#define CR_GRAPH_MOST_NODES 1000000
#define CR_GRAPH_MOST_OUTPUTS 65536

/* n arrays as *ret_n bytes; the caller frees them with cr_free. Relative paths become absolute. most_memory_bytes: what the values of all
 * arrays in memory may come to (CR_LIMIT, with the largest of them). CR_UNSUPPORTED: a function of the caller is part of it. */
CR_API cr_status cr_graph_encode(int n, cr_array *const *arrays, uint64_t most_memory_bytes, void **ret_bytes, size_t *ret_n, cr_err *err) CR_MUST_USE;
/* The inverse: *ret_n references in *ret_arrays, which is freed with cr_graph_free. Files are opened, once each. The bytes are not needed
 * afterwards. CR_FORMAT: damaged, with the place; CR_NO_FILE, CR_DENIED, ...: a file that cannot be opened, or is another one. */
CR_API cr_status cr_graph_decode(const void *bytes, size_t n_bytes, cr_array ***ret_arrays, int *ret_n, cr_err *err) CR_MUST_USE;
CR_API void cr_graph_free(cr_array **arrays, int n);

#ifdef __cplusplus
}
#endif
#endif
