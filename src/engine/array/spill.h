/* spill.h - values that lie in a file while a computation runs: what was computed before it, and is larger than memory.
 *
 * The file has no name from the moment it is made, so that nothing of it stays, however the process ends. Room for all of it is taken when it is opened:
 * a full disk is an error then, before anything is computed. Values lie in it row-major.
 *
 * The directory is that of CRATON_SCRATCH, or of TMPDIR, or /var/tmp (files in /tmp are memory on many machines).
 *
 * A spilled node stands for another one, with its shape, type and cuts. For one that was read it is read likewise, and for a reduction it is
 * what a result in memory is: so cells, and with them bits, are those of the graph without it.
 *
 * Threads: after cr_spill_open any number may read and write at once, what they read not being written at the time.
 */
#ifndef CR_ENGINE_ARRAY_SPILL_H
#define CR_ENGINE_ARRAY_SPILL_H

#include "engine/array/node.h"

typedef struct cr_spill cr_spill;

typedef struct cr_spilled_params {
    cr_spill *spill;              /* owned */
    uint64_t was_read;            /* it stands for something that was read, not for a result */
} cr_spilled_params;

/* Where files go, from the environment; borrowed. */
const char *cr_spill_directory(void);
/* A node of the shape, type and cuts of `like`. There is no file yet; plans can be made with it, but not run. */
cr_status cr_spill_array(const cr_array *like, cr_array **ret_array, cr_err *err) CR_MUST_USE;
static inline cr_spill *cr_spill_of(const cr_array *a) { return ((const cr_spilled_params *)a->params)->spill; }
/* Makes the file. CR_NO_SPACE: there is no room for it. */
cr_status cr_spill_open(cr_spill *s, cr_err *err) CR_MUST_USE;
uint64_t cr_spill_bytes(const cr_spill *s);
/* Takes any boxes; each element has to be in one of them. sink->user is the spill. */
cr_sink cr_spill_sink(cr_spill *s);
/* One axis of what is read: n positions, at start + step * i, or index[i] when not NULL. */
typedef struct cr_spill_axis {
    int64_t n, start, step;
    const int64_t *index;
} cr_spill_axis;
/* The elements at all combinations of the axes' positions, row-major. */
cr_status cr_spill_read(const cr_spill *s, const cr_spill_axis *axes, void *dst, cr_err *err) CR_MUST_USE;
cr_spill *cr_spill_ref(cr_spill *s);
void cr_spill_unref(cr_spill *s);

#endif
