/* poison.h - memory that one allocation deals to several users: where the address sanitizer is compiled in, what belongs to none of them is
 * told to it, so that it sees who goes beyond his part. Without it nothing is done. */
#ifndef CR_BASE_POISON_H
#define CR_BASE_POISON_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CR_POISONS 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define CR_POISONS 1
#endif

#ifdef CR_POISONS
#include <sanitizer/asan_interface.h>
#define CR_POISON_ZONE 64         /* bytes left behind each part */
#define cr_poison(p, bytes) __asan_poison_memory_region(p, bytes)
#define cr_unpoison(p, bytes) __asan_unpoison_memory_region(p, bytes)
#else
#define CR_POISON_ZONE 0
#define cr_poison(p, bytes) ((void)(p), (void)(bytes))
#define cr_unpoison(p, bytes) ((void)(p), (void)(bytes))
#endif

#endif
