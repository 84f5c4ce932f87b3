/* profile_choice.h - what a person has chosen for a server: from a form or JupyterHub's user_options to the answers that go to the runner.
 *
 * The choice of a server is its user_options (a JSON object, in the database): {"profile": SLUG, OPTION: ANSWER, ...}, the keys that users
 * of KubeSpawner know. It is kept when it is made, shown to who may see the server, and the default of the next start. It is looked at
 * again at every start: who has left a group gets what is open to them, not what they had.
 *
 * Without profiles.yaml any object of at most CR_CHOICE_MAX bytes is kept, as JupyterHub does, and nothing of it is used.
 */
#ifndef CR_PLATFORM_HUB_PROFILE_CHOICE_H
#define CR_PLATFORM_HUB_PROFILE_CHOICE_H

#include "platform/hub/lab.h"

enum { CR_CHOICE_MAX = 4096 };

/* Keeps the choice for the next start; `given` is user_options. CR_INVALID, CR_NOT_FOUND: a sentence says what does not fit; a profile that
 * is not the person's to see is told apart from none by nobody. */
cr_status cr_choice_set(cr_lab *server, const json_t *given, cr_err *err) CR_MUST_USE;
/* The same from the fields of the home page's form; without its field `profile` nothing is changed. */
cr_status cr_choice_set_form(cr_lab *server, const cr_pairs *form, cr_err *err) CR_MUST_USE;
/* What the next start asks the runner for: profile and limits. What was chosen and fits no more is replaced by the defaults of what is open;
 * CR_DENIED: nothing is. */
cr_status cr_choice_for_start(cr_lab *server, cr_runner_start *start, cr_err *err) CR_MUST_USE;

/* Which software environments of the profiles' file are open to a person: those of profiles that are. */
cr_status cr_choice_software(cr_hub *hub, int64_t user_id, bool ret_open[CR_SOFTWARE_MAX], cr_err *err) CR_MUST_USE;
/* That the server is started from as a whole, "" for Craton's own; by what is chosen now, so right while it starts. */
const char *cr_choice_whole_software(const cr_lab *server, char out[CR_PROFILE_SLUG_MAX + 1]);

/* The place of the profile that is chosen for the server, or of this name (NULL: as chosen); the default's when there is none such, 0 without
 * profiles. */
int cr_choice_place(const cr_lab *server, const char *slug);

/* For the page, in this language (profile.h): {"ask": whether there is a choice, "none": nothing is open, "profiles": [...]}; see home.html. */
json_t *cr_choice_page(cr_lab *server, const char *language);
/* "4.0 GiB of memory, 2 CPUs"; without a limit nothing is said of it. */
char *cr_choice_amounts(uint64_t memory_bytes, int64_t cpu_milli, char out[80]);
/* The title of what was chosen, "" when there is one profile only. */
const char *cr_choice_title(const cr_lab *server, const char *language);

#endif
