/* text8.c - text found in files. */
#include "engine/format/text8.h"

#include <stdint.h>
#include <string.h>

#include "base/text.h"

char *cr_text8(cr_arena *a, const char *bytes, size_t n) {
    size_t kept = 0, high = 0;
    for (size_t i = 0; i < n; i++) {
        kept += bytes[i] != 0;
        high += (unsigned char)bytes[i] >= 0x80;
    }
    bool utf8 = high == 0 || cr_text_is_utf8(bytes, n);
    if (kept > SIZE_MAX / 2 - 1)
        return NULL;
    char *out = cr_arena_alloc(a, kept + (utf8 ? 0 : high) + 1), *p = out;
    if (!out)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == 0)
            continue;
        if (c < 0x80 || utf8) {
            *p++ = (char)c;
        } else {
            *p++ = (char)(0xC0 | c >> 6);
            *p++ = (char)(0x80 | (c & 0x3F));
        }
    }
    return out;
}
