/* error.h - how every function of libcraton says that it failed.
 *
 * A function that can fail returns a cr_status and takes, as its last parameter, a cr_err that may be NULL. On failure
 * the status is not CR_OK, out-parameters are untouched, and the cr_err (when given) holds a message, a hint that says
 * what to do, and the place in the source. Callers on the way up add where they were with cr_err_context(). A function
 * either returns an error or handles it; libcraton never prints, logs or exits.
 *
 * Threads: a cr_err belongs to one call; nothing here is shared.
 *
 * Invariants
 *  1. status == CR_OK if and only if the call succeeded.
 *  2. message and hint are valid UTF-8 text, NUL-terminated, cut at a character boundary when too long.
 */
#ifndef CRATON_ERROR_H
#define CRATON_ERROR_H

#include <stdarg.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CR_API __attribute__((visibility("default")))
#define CR_MUST_USE __attribute__((warn_unused_result))
#define CR_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define CR_API
#define CR_MUST_USE
#define CR_PRINTF(f, a)
#endif

/*      name            http  exit  python                    sentence */
#define CR_STATUS_TABLE(X)                                                                                   \
    X(OK,               200,  0,    "",                       "success")                                     \
    X(INVALID,          400,  2,    "ValueError",             "an argument or input is not valid")           \
    X(TYPE,             400,  2,    "TypeError",              "the data type does not fit the operation")    \
    X(RANGE,            400,  2,    "IndexError",             "an index or size is out of range")            \
    X(NOT_FOUND,        404,  3,    "KeyError",               "no such thing")                               \
    X(NO_FILE,          404,  3,    "FileNotFoundError",      "no such file")                                \
    X(EXISTS,           409,  4,    "FileExistsError",        "it exists already")                           \
    X(CONFLICT,         409,  4,    "RuntimeError",           "the state does not allow this now")           \
    X(DENIED,           403,  5,    "PermissionError",        "not allowed")                                 \
    X(UNAUTHENTICATED,  401,  5,    "PermissionError",        "sign-in is needed")                           \
    X(FORMAT,           422,  6,    "craton.FormatError",     "a file or message is damaged or not understood") \
    X(UNSUPPORTED,      501,  7,    "NotImplementedError",    "not supported")                               \
    X(LIMIT,            413,  8,    "craton.LimitError",      "a size limit is exceeded")                    \
    X(MEMORY,           507,  9,    "MemoryError",            "the memory limit is too small")               \
    X(NO_SPACE,         507,  10,   "OSError",                "no space is left")                            \
    X(IO,               500,  11,   "OSError",                "reading or writing failed")                   \
    X(BUSY,             429,  12,   "BlockingIOError",        "too many requests, or in use")                \
    X(TIMEOUT,          504,  13,   "TimeoutError",           "no answer in time")                           \
    X(CANCELLED,        499,  130,  "KeyboardInterrupt",      "cancelled")                                   \
    X(INTERNAL,         500,  70,   "RuntimeError",           "an internal error")

typedef enum cr_status {
#define X(name, http, exitcode, python, sentence) CR_##name,
    CR_STATUS_TABLE(X)
#undef X
    CR_STATUS_COUNT
} cr_status;

typedef struct cr_err {
    cr_status status;
    int line;                 /* where it was made */
    const char *file;         /* static string */
    char message[1024];
    char hint[512];           /* what to do; may be empty */
} cr_err;

#define CR_ERR_INIT {CR_OK, 0, NULL, {0}, {0}}

/* Table look-ups; never NULL, also for values outside the enum. */
CR_API const char *cr_status_name(cr_status s);
CR_API const char *cr_status_sentence(cr_status s);
CR_API const char *cr_status_python(cr_status s);
CR_API int cr_status_http(cr_status s);
CR_API int cr_status_exit(cr_status s);
/* CR_NO_FILE, CR_DENIED, CR_NO_SPACE, CR_EXISTS, CR_MEMORY or CR_IO for an errno value. */
CR_API cr_status cr_status_from_errno(int errnum);

/* Fills err (when not NULL) and returns s. Used through CR_FAIL. */
CR_API cr_status cr_err_set(cr_err *err, cr_status s, const char *file, int line, const char *fmt, ...) CR_PRINTF(5, 6);
/* Puts "text: " before the message. */
CR_API void cr_err_context(cr_err *err, const char *fmt, ...) CR_PRINTF(2, 3);
/* Says what to do; keeps the first hint given. */
CR_API void cr_err_hint(cr_err *err, const char *fmt, ...) CR_PRINTF(2, 3);

#ifdef __cplusplus
}
#endif
#endif
