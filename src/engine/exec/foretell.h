/* foretell.h - how long a plan will take, roughly: bytes to decode and elements to compute, times rates measured on this machine.
 *
 * An estimate, right to an order of magnitude: files are taken to be in the page cache, compressed chunks to inflate as deflate does, and what
 * Python functions take is not known. Rates are measured in a few milliseconds when a context is first asked, and stay.
 */
#ifndef CR_EXEC_FORETELL_H
#define CR_EXEC_FORETELL_H

#include "engine/exec/run.h"

typedef struct cr_foretold {
    double read_s, compute_s;     /* wall time by the workers of each scan */
    int64_t n_callbacks;          /* leaves whose time is not known */
    cr_rates rates;
} cr_foretold;

/* CR_MEMORY when there is none to measure in. */
cr_status cr_foretell(cr_context *c, const cr_plan *plan, cr_foretold *ret_foretold, cr_err *err) CR_MUST_USE;
/* Chunks that cells touch, over chunks there are: how often a chunk of a stored leaf is decoded. */
double cr_foretell_redecode(const cr_scan *scan, const cr_leaf *leaf);
/* Bytes of a stored leaf that are decoded: of whole chunks, also where cells look at little of them. */
double cr_foretell_decoded(const cr_scan *scan, const cr_leaf *leaf);

#endif
