/* text8.h - text found in files, made into valid UTF-8. */
#ifndef CR_ENGINE_FORMAT_TEXT8_H
#define CR_ENGINE_FORMAT_TEXT8_H

#include "base/arena.h"

/* n bytes without their NULs, in the arena. What is not UTF-8 is taken as Latin-1, as old files mean it (a degree sign, names).
 * NULL when the arena is full. */
char *cr_text8(cr_arena *a, const char *bytes, size_t n);

#endif
