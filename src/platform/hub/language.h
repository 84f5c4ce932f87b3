/* language.h - in which language a reader is answered, and the form at the bottom of pages that chooses one. */
#ifndef CR_PLATFORM_HUB_LANGUAGE_H
#define CR_PLATFORM_HUB_LANGUAGE_H

#include "platform/hub/hub.h"

/* Its place among the site's languages, see languages.h. */
int cr_language_of(cr_request *req);
/* Its code there: en, de, pt-BR. */
const char *cr_language_code(cr_request *req);
/* The texts of a person who is not here now, for a mail: as the person has chosen, else by the setting. NULL speaks English. */
const cr_texts *cr_language_texts(const cr_hub *hub, const char *chosen);

void cr_language_post(cr_request *req);        /* /hub/language, of who is signed in */
void cr_language_open_post(cr_request *req);   /* /hub/login/language, of who is not */

#endif
