/* memory_left.h - how much memory this process may still take: of the machine, and of the control groups that it lies in. */
#ifndef CR_BASE_MEMORY_LEFT_H
#define CR_BASE_MEMORY_LEFT_H

#include <stdint.h>

/* Bytes; UINT64_MAX when nothing says. A group's limit minus all that is counted to it, so what the kernel would give back first (its cache of
 * files) counts as taken there: rather too little than too much. root: "" ; for tests a folder with proc/ and sys/ in it. */
uint64_t cr_memory_left(const char *root);

#endif
