/* proxy_text.h - what HAProxy's runtime API answers, read line by line. Pure text: no connection, no state.
 *
 * The readers cut the text in place: strings that they give lie in it. Lines that are none of the expected form are passed over, as
 * HAProxy's comments and later additions are. What they give can be put into a command again: it is printable and without separators.
 */
#ifndef CR_PLATFORM_PROXY_PROXY_TEXT_H
#define CR_PLATFORM_PROXY_PROXY_TEXT_H

#include <stdbool.h>
#include <stdint.h>

/* The process id in the answer to "show info", 0 when there is none. */
int64_t cr_proxy_text_pid(const char *info);
/* The next "0x55d0c8 /user/ada/ ada.7" of "show map"; false at the end. */
bool cr_proxy_text_map(char **text, const char **ret_key, const char **ret_value);
/* The next server of this backend in "show servers state"; false at the end. */
bool cr_proxy_text_server(char **text, const char *backend, const char **ret_name, bool *ret_in_maintenance);
/* May this stand in a command as one word? */
bool cr_proxy_text_is_word(const char *s);

#endif
