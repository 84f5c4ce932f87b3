/* prepared_parts.h - what prepared.c (the parent) and prepared_start.c (one start) have of each other. */
#ifndef CR_PLATFORM_RUNNER_PREPARED_PARTS_H
#define CR_PLATFORM_RUNNER_PREPARED_PARTS_H

#include "platform/runner/prepared.h"

struct cr_prepared {
    cr_prepared_setup setup;
    char environment[600];        /* wanted; "" : none yet */
    char running[600];            /* of the parent that runs */
    pid_t pid;                    /* 0: none */
    int pidfd, control, step;     /* -1: none; step: until it has its namespace */
    cr_watch_source *end, *word, *stepped;
    bool ready, never;            /* never: it cannot work on this machine */
    int64_t started_ms, backoff_ms;
};

/* A start failed at the parent with this pid: whatever is wrong with it, the next one begins afresh. Nothing when it is another one by now. */
void cr_prepared_give_up(cr_prepared *p, pid_t pid);

#endif
