/* operator.h - what `craton admin` asks at the control socket: the deeds of administrators' pages, for whoever is root on the machine.
 *
 *   {"command":"admin","do":"disable","args":["ada"]}          {"text":...}
 *   {"command":"admin","do":"people","from":"m"}               {"rows":[{...},...],"next":"name"}; next: there are more, ask again with it as "from"
 * Actions are the rows of the table in operator.c; src/cli/admin_command.c has their help. Times are ISO 8601, rows are flat.
 */
#ifndef CR_PLATFORM_HUB_OPERATOR_H
#define CR_PLATFORM_HUB_OPERATOR_H

#include "platform/hub/auditing.h"

/* Fills answer, an object. */
cr_status cr_operator_do(cr_hub *hub, const cr_actor *who, const json_t *ask, json_t *answer, cr_err *err) CR_MUST_USE;

#endif
