/* computing.h - what commands that compute share: limits, Ctrl-C, how far it is. */
#ifndef CR_CLI_COMPUTING_H
#define CR_CLI_COMPUTING_H

#include "cli/cli.h"

typedef struct cr_session_options {
    uint64_t memory_bytes;        /* 0: the context's own */
    int64_t threads;
    bool quiet;
    const char *unreadable;       /* "error", "missing"; NULL: error */
} cr_session_options;

/* Rows of the option table. */
#define CR_SESSION_ROWS(o)                                                                          \
    {'m', "memory", "SIZE", "limit, for instance 256M", CR_OPTION_BYTES, &(o).memory_bytes},        \
    {'t', "threads", "N", "0: all CPUs that may be used", CR_OPTION_INT, &(o).threads},             \
    {0, "unreadable", "error|missing", "chunks that are damaged or cannot be read; missing: go on without, and list them", CR_OPTION_TEXT, &(o).unreadable}, \
    {'q', "quiet", NULL, "no progress", CR_OPTION_FLAG, &(o).quiet}

/* A context with these limits, which Ctrl-C cancels (a second one ends the program), and which shows its progress on a terminal. One at
 * a time. */
cr_status cr_session_begin(const cr_session_options *options, cr_context **ret_context, cr_err *err) CR_MUST_USE;
void cr_session_end(cr_context *c);
/* For opening files: where chunks go that cannot be read, or NULL. Borrowed; cr_session_end says what is in it. */
cr_unreadable *cr_session_unreadable(void);

/* "craton: note" on standard error, for who has not asked for quiet; NULL: nothing. */
void cr_cli_note(const char *note, bool quiet);

/* "netcdf4" for .nc, .nc4, .cdf, .h5, "zarr3" for .zarr; NULL for others. */
const char *cr_format_of_name(const char *path);

#endif
