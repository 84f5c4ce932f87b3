/* scratch.h - a folder of its own for one case of a unit test: made in its setup, removed in its teardown with all that is in it. */
#ifndef CRATON_TESTS_SCRATCH_H
#define CRATON_TESTS_SCRATCH_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

/* dir gets its path, which is shorter than 64 bytes also where sockets have theirs. */
static inline void scratch_make(char dir[64], const char *name) {
    snprintf(dir, 64, "/tmp/craton-test-%s-XXXXXX", name);
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static inline void scratch_remove(const char *dir) {
    char command[80];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
}

#endif
