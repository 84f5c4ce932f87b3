/* unreadable.h - a source in front of another: chunks of it that cannot be read are missing values, and are written down (file.h).
 *
 * Only what a damaged or unreachable chunk gives is taken for that: CR_FORMAT, CR_IO, CR_DENIED, CR_NO_FILE, CR_NOT_FOUND, CR_RANGE. Too
 * little memory, a store that was replaced, what is not supported and a cancel stay errors. */
#ifndef CR_ENGINE_FORMAT_UNREADABLE_H
#define CR_ENGINE_FORMAT_UNREADABLE_H

#include "craton/file.h"
#include "engine/format/source.h"

/* Puts one in front of the source of v; *source is taken and replaced, untouched on failure. */
cr_status cr_unreadable_cover(cr_unreadable *u, const cr_variable *v, cr_source **source, cr_err *err) CR_MUST_USE;
/* Is it one? Then a graph that names its file elsewhere would be another: damage is an error there. */
bool cr_unreadable_covers(const cr_source *source);

#endif
