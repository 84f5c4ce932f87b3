/* place.h - directories with owner and mode, and sockets pinned where HAProxy may reach them. Nothing follows a link. */
#ifndef CR_PLATFORM_RUNNER_PLACE_H
#define CR_PLATFORM_RUNNER_PLACE_H

#include <stdbool.h>
#include <sys/types.h>
#include "base/error.h"

/* Makes the directory, or takes over one that is there. Without root, owner and group are not changed. */
cr_status cr_place_dir(const char *path, uid_t uid, gid_t gid, mode_t mode, cr_err *err) CR_MUST_USE;
/* Gives the user's socket a second name in a directory that only root writes and HAProxy enters. CR_NOT_FOUND: not there yet.
 * CR_DENIED: what is there is not a socket of that user. What the user does to the first name afterwards changes nothing. */
cr_status cr_place_pin(const char *socket_path, const char *link_path, uid_t uid, cr_err *err) CR_MUST_USE;

#endif
