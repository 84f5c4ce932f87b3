/* proxy_map.h - a map of HAProxy with plain values, kept as its owner wants it: where schedulers of Dask clusters listen.
 *
 * Like proxy.h without servers: entries are wanted or not, over a connection of its own to the runtime API; after every new connection and
 * every half minute HAProxy's map is read and each difference mended, in both directions.
 *
 * Threads: the loop's. Keys and values are words (cr_proxy_text_is_word).
 */
#ifndef CR_PLATFORM_PROXY_PROXY_MAP_H
#define CR_PLATFORM_PROXY_PROXY_MAP_H

#include "platform/http/loop.h"

enum { CR_PROXY_MAP_WORD_MAX = 95 };

typedef struct cr_proxy_map cr_proxy_map;

/* socket_path: of the runtime API; map: its name there. Both are copied. */
cr_status cr_proxy_map_new(cr_loop *loop, const char *socket_path, const char *map, cr_proxy_map **ret_map, cr_err *err) CR_MUST_USE;
void cr_proxy_map_free(cr_proxy_map *map);               /* NULL is allowed; HAProxy keeps what it has */

/* Wants key -> value. done (may be NULL) is called once when HAProxy has it; not when the entry is removed or set again before. */
cr_status cr_proxy_map_set(cr_proxy_map *map, const char *key, const char *value, cr_loop_fn done, void *user, cr_err *err) CR_MUST_USE;
void cr_proxy_map_remove(cr_proxy_map *map, const char *key);
/* HAProxy was started again: connect anew. */
void cr_proxy_map_reconnect(cr_proxy_map *map);

#endif
