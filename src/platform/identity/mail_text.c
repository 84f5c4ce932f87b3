/* mail_text.c - addresses, and a table of texts. */
#include "platform/identity/mail_text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/text.h"

enum { LOCAL_MAX = 64, LABEL_MAX = 63 };

/* {words} are put in; see value_of(). */
static const struct { const char *kind, *subject, *body; } texts[] = {
    [CR_MAIL_INVITE] = {"invite", "Your account at {hub}",
                        "Hello{name},\n\nyou are invited to use the hub at {hub}\n\n"
                        "Open this address, and choose a password:\n\n    {link}\n\n"
                        "It works once, for {life}. Whoever has it can take your place: pass it on to nobody.\n\n"
                        "If you did not expect this, do nothing: without you there is no account.\n"},
    [CR_MAIL_PASSWORD] = {"password", "A new password for {hub}",
                          "Hello{name},\n\nan administrator of the hub at {hub} sends you this link, with which you set a new password:\n\n    {link}\n\n"
                          "It works once, for {life}. Whoever has it can sign in as you: pass it on to nobody.\n\n"
                          "If you did not ask for it, tell your administrator; your password stays as it is until the link is used.\n"},
    [CR_MAIL_TEST] = {"test", "A test of {hub}", "Hello,\n\nthe hub at {hub} can send mail: this is one.\n"},
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
    if (n == 4 && memcmp(name, "name", 4) == 0)
        cr_buf_addf(out, "%s%s", w->name[0] ? " " : "", w->name);
    else
        cr_buf_adds(out, n == 3 ? w->hub : name[1] == 'i' && name[2] == 'n' ? w->link : w->life);
}

/* One of the table's texts, with CRLF for its line ends. */
static void expand(const cr_mail_words *w, const char *text, cr_buf *out) {
    for (const char *p = text; *p; p++) {
        if (*p == '{') {
            size_t n = strcspn(p + 1, "}");
            add_value(w, p + 1, n, out);
            p += n + 1;
        } else {
            cr_buf_adds(out, *p == '\n' ? "\r\n" : (char[]){*p, 0});
        }
    }
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
    expand(w, texts[w->kind].subject, out);
    cr_buf_adds(out, "\r\n");
    add_date(w->date_s, out);
    cr_buf_addf(out,
                "Message-ID: <%s%s>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                "Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n",
                w->id, domain ? domain : "@localhost");
    expand(w, texts[w->kind].body, out);
    return cr_buf_check(out, err);
}
