/* lab_rows.h - inside hub/: the table servers, and the texts of a stop. Only lab.c and lab_routes.c call this. */
#ifndef CR_PLATFORM_HUB_LAB_ROWS_H
#define CR_PLATFORM_HUB_LAB_ROWS_H

#include "platform/hub/lab.h"

/* The ordinary one of the same person; NULL: it is not in memory, so it does not run. */
cr_lab *cr_lab_ordinary(const cr_lab *s);
/* New generation, running = 1, old tokens gone, a new server token: one transaction. */
cr_status cr_lab_rows_start(cr_lab *s, char ret_token[CR_TOKEN_LEN + 1], cr_err *err) CR_MUST_USE;
void cr_lab_rows_ready(cr_lab *s);
/* When guests are put out; 0: not at all. In the transaction of the caller or alone. Memory is changed when the row is. */
cr_status cr_lab_rows_guests(cr_lab *s, int64_t out_ms, cr_err *err) CR_MUST_USE;
/* Keeps the short name and the text of a stop that the hub itself has begun (why_word, why). */
void cr_lab_rows_stopping(cr_lab *s);
/* running = 0 with the reason, tokens gone. A failure to write is logged: the next start of the hub asks the runner again. */
void cr_lab_rows_stopped(cr_lab *s, const char *reason, const char *text, cr_hub *hub);
/* The reason's name; text for people. */
const char *cr_lab_text_stop(const cr_runner_event *event, char *text, size_t size);

#endif
