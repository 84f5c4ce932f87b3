/* settings_folder.h - folders of STATE in which the operator has a file for each of several things: NAME.conf, and a secret beside it. */
#ifndef CR_PLATFORM_DAEMON_SETTINGS_FOLDER_H
#define CR_PLATFORM_DAEMON_SETTINGS_FOLDER_H

#include <sys/types.h>
#include "base/buf.h"

/* For files that nobody else may change, and for secrets that nobody else may read. */
#define CR_SETTINGS_PLAIN ((mode_t)022)
#define CR_SETTINGS_SECRET ((mode_t)077)

/* The whole file, at most `most` bytes and what out may hold. forbidden: permission bits that it must not have; CR_DENIED says what to do. */
cr_status cr_settings_file(const char *path, mode_t forbidden, size_t most, cr_buf *out, cr_err *err) CR_MUST_USE;
/* Each NAME.conf in any order; none when there is no such folder. The first failure ends it. */
cr_status cr_settings_folder(const char *folder, cr_status (*each)(void *user, const char *folder, const char *name, cr_err *err), void *user,
                             cr_err *err) CR_MUST_USE;

#endif
