/* smtp.h - what belongs to the settings of mail and lies in files: the password, and the authorities of the server's certificate.
 *
 * STATE/smtp.password is one line, mode 600, of the user that runs cratond. It goes from the helper to the hub with the settings, and from there with each mail
 * to craton-fetch, which speaks to the server: never into an argument, an environment or a log.
 */
#ifndef CR_PLATFORM_DAEMON_SMTP_H
#define CR_PLATFORM_DAEMON_SMTP_H

#include "platform/daemon/config.h"

/* Fills config->smtp_secret. CR_DENIED: others can read it, or nobody can read the authorities. */
cr_status cr_smtp_load(cr_config *config, cr_err *err) CR_MUST_USE;

#endif
