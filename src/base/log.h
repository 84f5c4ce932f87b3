/* log.h - one line per event, for the platform and the command line. libcraton never logs.
 *
 * cr_log(CR_LOG_INFO, "server started", "user=%s pid=%d", name, pid) writes
 *   2026-11-24T03:48:13.250Z info hub: server started user=ada pid=77
 * What follows the event are fields as logfmt has them, so that each line can be read by a program, whatever text came from outside: a value with
 * a space, '=', a quotation mark, a control character or one beyond ASCII stands in quotation marks, and in these `"` and `\` have a `\` before them, line breaks and
 * tabs are \n, \r, \t, other control characters \u001b. A value that is too long is cut, and its marks closed. A value is therefore
 * one conversion, which stands behind its '=' or in quotation marks of the format; of conversions there are %s (%.200s), %d, %u, %x with l, ll, z.
 * A format that is "%s" and no more is written as it is. Secrets are never passed here.
 * Threads: any; a line is one write(2).
 */
#ifndef CR_BASE_LOG_H
#define CR_BASE_LOG_H

#include "craton/error.h"

typedef enum cr_log_level { CR_LOG_DEBUG, CR_LOG_INFO, CR_LOG_WARN, CR_LOG_ERROR } cr_log_level;

void cr_log_setup(const char *component, cr_log_level least, int fd);   /* component is borrowed */
void cr_log(cr_log_level level, const char *event, const char *fmt, ...) CR_PRINTF(3, 4); /* fmt may be NULL */
void cr_log_err(cr_log_level level, const char *event, const cr_err *err);

/* For what strangers can cause as often as they like: of each event CR_LOG_OFTEN_MAX lines, the rest is counted until cr_log_often_tell()
 * writes "EVENT more=N" for each event with a rest, and begins anew. event must live as long as the process. One thread. */
enum { CR_LOG_OFTEN_MAX = 20 };
void cr_log_often(cr_log_level level, const char *event, const char *fmt, ...) CR_PRINTF(3, 4); /* fmt may be NULL */
void cr_log_often_tell(void);

#endif
