/* error.h (base) - the macros with which the project's own code raises and passes errors (see craton/error.h). */
#ifndef CR_BASE_ERROR_H
#define CR_BASE_ERROR_H

#include <errno.h>
#include <string.h>
#include "craton/error.h"

/* return CR_FAIL(err, CR_INVALID, "chunk %d is empty", i); */
#define CR_FAIL(err, st, ...) cr_err_set((err), (st), __FILE__, __LINE__, __VA_ARGS__)
#define CR_FAIL_ERRNO(err, what, ...) cr_fail_errno((err), errno, __FILE__, __LINE__, what, ##__VA_ARGS__)
/* Passes a failure up. */
#define CR_TRY(call)                    \
    do {                                \
        cr_status cr_try_ = (call);     \
        if (cr_try_ != CR_OK)           \
            return cr_try_;             \
    } while (0)
/* Passes a failure to a label that cleans up; `status` must be a cr_status variable in scope. */
#define CR_TRY_GOTO(call, label)        \
    do {                                \
        status = (call);                \
        if (status != CR_OK)            \
            goto label;                 \
    } while (0)

/* Message "what: <strerror>", status by cr_status_from_errno. */
cr_status cr_fail_errno(cr_err *err, int errnum, const char *file, int line, const char *fmt, ...) CR_PRINTF(5, 6);

#define CR_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CR_MIN(a, b) ((a) < (b) ? (a) : (b))
#define CR_MAX(a, b) ((a) > (b) ? (a) : (b))

/* Cleanup attribute for function-lifetime memory: cr_auto_free char *p = NULL; */
static inline void cr_free_indirect(void *p) {
    extern void free(void *);
    free(*(void **)p);
}
#define cr_auto_free __attribute__((cleanup(cr_free_indirect)))

#endif
