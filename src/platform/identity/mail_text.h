/* mail_text.h - addresses of mail, and the text of the mails that the hub sends.
 *
 * Mails are plain text. What is put into them are names and addresses of this hub, in ASCII. Nothing that was typed makes a line of its own: a value with
 * any other byte is refused, so that nobody adds a header or a recipient. The texts around come from the catalogue of the reader's language; with other
 * letters than those of ASCII the mail is UTF-8 in base64.
 *
 * Sources: RFC 5321 4.5.3.1 (lengths), RFC 5322 2.1.1, 3.2.3 (dot-atom), 3.6 (fields), RFC 3834 5 (Auto-Submitted), RFC 2047 2, 4.1 (encoded
 * words), RFC 2045 6.8 (base64), RFC 3282 (Content-Language).
 */
#ifndef CR_PLATFORM_IDENTITY_MAIL_TEXT_H
#define CR_PLATFORM_IDENTITY_MAIL_TEXT_H

#include <stdint.h>
#include "base/buf.h"
#include "platform/http/texts.h"

enum { CR_MAIL_ADDRESS_MAX = 254, CR_MAIL_TEXT_MAX = 32 << 10, CR_MAIL_URL_MAX = 300 };

typedef enum cr_mail_kind { CR_MAIL_INVITE, CR_MAIL_PASSWORD, CR_MAIL_TEST, CR_MAIL_N_KINDS } cr_mail_kind;

/* As the database has it; and back, false: there is none of this text. */
const char *cr_mail_kind_text(cr_mail_kind kind);
bool cr_mail_kind_of(const char *text, cr_mail_kind *ret_kind);

/* local@domain as mail servers take it without quotes; CR_INVALID says what is wrong. ret: the same, with the domain in small letters. */
cr_status cr_mail_address(const char *typed, char ret[CR_MAIL_ADDRESS_MAX + 1], cr_err *err) CR_MUST_USE;
/* smtp://HOST[:PORT] or smtps://HOST[:PORT], and nothing behind. */
bool cr_mail_server_is_right(const char *url);

typedef struct cr_mail_words {
    cr_mail_kind kind;
    const char *from, *to;
    const char *name;         /* of the person; "": not known yet */
    const char *hub;          /* its address */
    const char *link, *life;  /* "" of a test; for how long, in words */
    const char *id;           /* of the message, unique; letters and digits */
    int64_t date_s;           /* since 1970 */
    const cr_texts *texts;    /* of the reader's language; NULL: English */
} cr_mail_words;
/* Appends the whole message, header and all, lines ended by CRLF. CR_INVALID: a value cannot be in a mail. */
cr_status cr_mail_text(const cr_mail_words *words, cr_buf *out, cr_err *err) CR_MUST_USE;

#endif
