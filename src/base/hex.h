/* hex.h - bytes as lower-case hexadecimal text, random identifiers, constant-time comparison. */
#ifndef CR_BASE_HEX_H
#define CR_BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>

void cr_hex(const void *bytes, size_t n, char *out);              /* out gets 2 n characters and a NUL */
bool cr_unhex(const char *text, size_t text_len, void *bytes);     /* text_len must be even; false on a bad digit */
void cr_random_bytes(void *bytes, size_t n);                       /* from the kernel; aborts if the kernel has none */
void cr_random_hex(char *out, size_t n_bytes);                     /* out gets 2 n_bytes characters and a NUL */
bool cr_equal_const(const void *a, const void *b, size_t n);       /* time does not depend on the content */

#endif
