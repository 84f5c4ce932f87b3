/* mail_text.c - addresses, and a table of texts. */
#include "platform/identity/mail_text.h"

#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/text.h"

enum { LOCAL_MAX = 64, LABEL_MAX = 63, LINE = 57 };      /* LINE: bytes that are 76 digits of base64 */

/* {words} are put in; see add_value(). */
static const struct { const char *kind, *subject, *body; } texts[] = {
    [CR_MAIL_INVITE] = {"invite", N_("Your account at {hub}"),
                        N_("Hello{name},\n\nyou are invited to use the hub at {hub}\n\n"
                        "Open this address, and choose a password:\n\n    {link}\n\n"
                        "It works once, for {life}. Whoever has it can take your place: pass it on to nobody.\n\n"
                        "If you did not expect this, do nothing: without you there is no account.\n")},
    [CR_MAIL_PASSWORD] = {"password", N_("A new password for {hub}"),
                          N_("Hello{name},\n\nan administrator of the hub at {hub} sends you this link, with which you set a new password:\n\n    {link}\n\n"
                          "It works once, for {life}. Whoever has it can sign in as you: pass it on to nobody.\n\n"
                          "If you did not ask for it, tell your administrator; your password stays as it is until the link is used.\n")},
    [CR_MAIL_TEST] = {"test", N_("A test of {hub}"), N_("Hello,\n\nthe hub at {hub} can send mail: this is one.\n")},
};

const char *cr_mail_kind_text(cr_mail_kind kind) { return texts[kind].kind; }

bool cr_mail_kind_of(const char *text, cr_mail_kind *ret_kind) {
    for (int k = 0; k < CR_MAIL_N_KINDS; k++) {
        if (strcmp(texts[k].kind, text) != 0)
            continue;
        *ret_kind = (cr_mail_kind)k;
        return true;
    }
    return false;
}

/* ---- addresses ---- */

static bool is_ascii_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

static bool is_local(const char *s, size_t n) {
    if (n == 0 || n > LOCAL_MAX || s[0] == '.' || s[n - 1] == '.')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_ascii_alnum(s[i]) && !strchr("!#$%&'*+-/=?^_`{|}~", s[i]) && (s[i] != '.' || s[i + 1] == '.'))
            return false;
    return true;
}

static bool is_domain(const char *s) {
    size_t label = 0;
    for (;; s++) {
        if (*s == '.' || *s == 0) {
            if (label == 0 || label > LABEL_MAX || s[-1] == '-')
                return false;
            if (*s == 0)
                return true;
            label = 0;
        } else if (is_ascii_alnum(*s) || (*s == '-' && label > 0)) {
            label++;
        } else {
            return false;
        }
    }
}

cr_status cr_mail_address(const char *typed, char ret[CR_MAIL_ADDRESS_MAX + 1], cr_err *err) {
    const char *at = strrchr(typed, '@');
    if (!at || strlen(typed) > CR_MAIL_ADDRESS_MAX || !is_local(typed, (size_t)(at - typed)) || !is_domain(at + 1)) {
        char shown[61];
        snprintf(shown, sizeof shown, "%s", typed);
        cr_text_clean(shown);
        CR_FAIL(err, CR_INVALID, "'%s' is not a mail address such as ada@example.org", shown);
        cr_err_hint(err, "an address has letters, digits and signs of ASCII, no blanks and no quotes; write other domains as xn--...");
        return CR_INVALID;
    }
    size_t n = strlen(typed);
    memcpy(ret, typed, n + 1);
    for (char *p = ret + (at - typed); *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return CR_OK;
}

bool cr_mail_server_is_right(const char *url) {
    size_t head = cr_starts_with(url, "smtps://") ? 8 : cr_starts_with(url, "smtp://") ? 7 : 0;
    char host[CR_MAIL_ADDRESS_MAX + 1];
    int64_t port;
    if (!head || strlen(url) > CR_MAIL_ADDRESS_MAX)
        return false;
    const char *begin = url + head, *close = strchr(begin, ']');
    const char *colon = strchr(begin[0] == '[' && close ? close : begin, ':');
    size_t n = colon ? (size_t)(colon - begin) : strlen(begin);
    if (colon && (!isdigit((unsigned char)colon[1]) || cr_parse_int(colon + 1, 1, 65535, &port, NULL) != CR_OK))
        return false;
    memcpy(host, begin, n);
    host[n] = 0;
    if (host[0] == '[')
        return n > 3 && host[n - 1] == ']' && strspn(host + 1, "0123456789abcdefABCDEF:.") == n - 2;
    return is_domain(host);
}

/* ---- the text ---- */

static bool is_plain(const char *s) {
    for (; *s; s++)
        if ((unsigned char)*s < ' ' || (unsigned char)*s >= 0x7F)
            return false;
    return true;
}

static void add_value(const cr_mail_words *w, const char *name, size_t n, cr_buf *out) {
    const struct { const char *name, *value; } values[] = {{"hub", w->hub}, {"link", w->link}, {"name", w->name}};
    if (n == 4 && memcmp(name, "life", 4) == 0)
        cr_texts_say(w->texts, w->life, out);
    for (size_t i = 0; i < CR_ARRAY_LEN(values); i++)
        if (strlen(values[i].name) == n && memcmp(values[i].name, name, n) == 0)
            cr_buf_addf(out, "%s%s", i == 2 && w->name[0] ? " " : "", values[i].value);
}

/* One of the table's texts in the reader's language, with CRLF for its line ends. */
static void expand(const cr_mail_words *w, const char *text, cr_buf *out) {
    for (const char *p = cr_texts_get(w->texts, text); *p; p++) {
        size_t n = *p == '{' ? strcspn(p + 1, "}\n") : 0;
        if (*p == '{' && p[n + 1] == '}') {
            add_value(w, p + 1, n, out);
            p += n + 1;
        } else {
            cr_buf_adds(out, *p == '\n' ? "\r\n" : (char[]){*p, 0});
        }
    }
}

/* ---- letters that ASCII does not have ---- */

static bool is_ascii(const char *s) {
    for (; *s; s++)
        if ((unsigned char)*s >= 0x80)
            return false;
    return true;
}

/* n: at most LINE. */
static void add_base64(cr_buf *out, const char *s, size_t n) {
    char digits[sodium_base64_ENCODED_LEN(LINE, sodium_base64_VARIANT_ORIGINAL)];
    cr_buf_adds(out, sodium_bin2base64(digits, sizeof digits, (const unsigned char *)s, n, sodium_base64_VARIANT_ORIGINAL));
}

/* One line; another one from a catalogue would be a header of its own. As encoded words, none of which cuts a letter, in lines of at most 76 bytes, the
 * first with the name of the field. */
static void add_subject(const cr_mail_words *w, const char *subject, cr_buf *out) {
    enum { PIECE = 39 };
    cr_auto_buf cr_buf line;
    cr_buf_init(&line, 2 * CR_MAIL_URL_MAX);
    expand(w, subject, &line);
    for (char *p = line.data; p && *p; p++)
        *p = (unsigned char)*p < ' ' ? ' ' : *p;
    const char *s = cr_buf_str(&line);
    if (is_ascii(s)) {
        cr_buf_adds(out, s);
        return;
    }
    for (size_t n = strlen(s), piece; n; s += piece, n -= piece) {
        piece = CR_MIN(n, (size_t)PIECE);
        while (piece < n && ((unsigned char)s[piece] & 0xC0) == 0x80)
            piece--;
        cr_buf_adds(out, "=?UTF-8?B?");
        add_base64(out, s, piece);
        cr_buf_adds(out, piece < n ? "?=\r\n " : "?=");
    }
}

static void add_body(const cr_mail_words *w, const char *text, cr_buf *out) {
    cr_auto_buf cr_buf body;
    cr_buf_init(&body, CR_MAIL_TEXT_MAX / 2);
    expand(w, text, &body);
    bool ascii = is_ascii(cr_buf_str(&body));
    cr_buf_addf(out, "Content-Language: %s\r\nContent-Type: text/plain; charset=%s\r\nContent-Transfer-Encoding: %s\r\n\r\n", cr_texts_language(w->texts),
                ascii ? "us-ascii" : "utf-8", ascii ? "7bit" : "base64");
    if (ascii)
        cr_buf_add(out, cr_buf_str(&body), body.len);
    for (size_t i = 0; !ascii && i < body.len; i += LINE) {
        add_base64(out, body.data + i, CR_MIN(body.len - i, (size_t)LINE));
        cr_buf_adds(out, "\r\n");
    }
    out->failed = out->failed || body.failed;
    if (body.data)
        explicit_bzero(body.data, body.len);      /* the link */
}

/* RFC 5322 3.3, in UTC; strftime would speak the locale's language. */
static void add_date(int64_t date_s, cr_buf *out) {
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const time_t t = (time_t)date_s;
    struct tm tm = {0};
    gmtime_r(&t, &tm);
    cr_buf_addf(out, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour,
                tm.tm_min, tm.tm_sec);
}

cr_status cr_mail_text(const cr_mail_words *w, cr_buf *out, cr_err *err) {
    const char *const values[] = {w->from, w->to, w->name, w->hub, w->link, w->life, w->id};
    for (size_t i = 0; i < CR_ARRAY_LEN(values); i++)
        if (strlen(values[i]) > CR_MAIL_URL_MAX || !is_plain(values[i]))
            return CR_FAIL(err, CR_INVALID, "a mail cannot hold a value that is long, or is not plain ASCII");
    const char *domain = strrchr(w->from, '@');
    cr_buf_addf(out, "From: <%s>\r\nTo: <%s>\r\nSubject: ", w->from, w->to);
    add_subject(w, texts[w->kind].subject, out);
    cr_buf_adds(out, "\r\n");
    add_date(w->date_s, out);
    cr_buf_addf(out, "Message-ID: <%s%s>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n", w->id, domain ? domain : "@localhost");
    add_body(w, texts[w->kind].body, out);
    return cr_buf_check(out, err);
}
