/* buf.h - a growable byte buffer with a maximum, always NUL-terminated after its last byte.
 *
 * Appending past the maximum, or out of memory, marks the buffer as failed and drops the bytes: callers append freely and
 * look once, with cr_buf_check(). Belongs to one thread.
 */
#ifndef CR_BASE_BUF_H
#define CR_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"

typedef struct cr_buf {
    char *data;               /* NULL while empty; else data[len] == 0 */
    size_t len, cap, max;
    bool failed;
} cr_buf;

void cr_buf_init(cr_buf *b, size_t max_bytes);
void cr_buf_done(cr_buf *b);
void cr_buf_clear(cr_buf *b);                                  /* keeps the memory */
void cr_buf_add(cr_buf *b, const void *bytes, size_t n);
void cr_buf_adds(cr_buf *b, const char *s);
void cr_buf_addc(cr_buf *b, char c);
void cr_buf_addf(cr_buf *b, const char *fmt, ...) CR_PRINTF(2, 3);
char *cr_buf_reserve(cr_buf *b, size_t n);                     /* room for n more bytes, or NULL; then cr_buf_advance */
void cr_buf_advance(cr_buf *b, size_t n);
void cr_buf_consume(cr_buf *b, size_t n);                      /* drops n bytes from the front */
const char *cr_buf_str(const cr_buf *b);                       /* never NULL */
char *cr_buf_take(cr_buf *b);                                  /* the caller frees; NULL when failed */
cr_status cr_buf_check(const cr_buf *b, cr_err *err) CR_MUST_USE; /* CR_LIMIT when something did not fit */

static inline void cr_buf_cleanup(cr_buf *b) { cr_buf_done(b); }
#define cr_auto_buf __attribute__((cleanup(cr_buf_cleanup)))

#endif
