/* people_list.c - lists of people, typed or pasted. */
#include "platform/identity/people_list.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>
#include "base/text.h"

/* So much longer than an address that one which is cut is still too long. */
enum { FIELD_MAX = CR_MAIL_ADDRESS_MAX + 8, SHOWN_BYTES = 40 };
static const char separators[] = ",;\t";

/* Where the reader stands. */
typedef struct reading {
    const char *at;
    int line;                 /* of the text, from 1 */
    char separator;           /* of a table; 0: any of them */
} reading;

/* What the first line of a table says. */
typedef struct columns {
    int name, address;        /* -1: there is none */
    bool named;               /* it does say it */
} columns;

static bool ends_field(const reading *r, char c) {
    return r->separator ? c == r->separator : c && strchr(separators, c);
}

static bool ends_line(char c) { return c == 0 || c == '\r' || c == '\n'; }

static void keep(char field[FIELD_MAX + 1], size_t *len, char c) {
    if (*len < FIELD_MAX)
        field[(*len)++] = c;
}

/* Behind a line break, which may be two characters. */
static void pass_break(reading *r) {
    r->at += r->at[0] == '\r' && r->at[1] == '\n' ? 2 : 1;
    r->line++;
}

/* Up to the mark that ends what was quoted; r->at is behind the one that began it. */
static cr_status read_quoted(reading *r, char field[FIELD_MAX + 1], size_t *len, cr_err *err) {
    int began = r->line;
    while (*r->at && (r->at[0] != '"' || r->at[1] == '"')) {
        if (ends_line(*r->at)) {
            keep(field, len, ' ');
            pass_break(r);
            continue;
        }
        r->at += *r->at == '"';
        keep(field, len, *r->at++);
    }
    if (!*r->at)
        return CR_FAIL(err, CR_INVALID, "line %d: the quotation mark that begins there does not end", began);
    r->at++;
    return CR_OK;
}

static void trim(char *field, size_t len) {
    while (len && isspace((unsigned char)field[len - 1]))
        len--;
    field[len] = 0;
    size_t begin = strspn(field, " \t");
    memmove(field, field + begin, len - CR_MIN(begin, len) + 1);
}

/* One field, without the blanks around it, cut to FIELD_MAX bytes; r->at is then at what ended it. */
static cr_status read_field(reading *r, char field[FIELD_MAX + 1], cr_err *err) {
    size_t len = 0;
    while (*r->at == ' ' || (*r->at == '\t' && !ends_field(r, '\t')))
        r->at++;
    if (*r->at == '"') {
        r->at++;
        CR_TRY(read_quoted(r, field, &len, err));
    }
    while (!ends_line(*r->at) && !ends_field(r, *r->at))
        keep(field, &len, *r->at++);
    trim(field, len < FIELD_MAX ? len : cr_text_fit(field, FIELD_MAX, FIELD_MAX - 1));
    return CR_OK;
}

static bool is_one_of(const char *field, const char *const *words) {
    for (; *words; words++)
        if (strcasecmp(field, *words) == 0)
            return true;
    return false;
}

/* The column of user names, or of addresses, in the languages of the hub's pages. */
static bool is_name_column(const char *field) {
    static const char *const words[] = {"user", "username", "user name", "user_name", "login", "benutzer", "benutzername", "utilisateur", "identifiant", NULL};
    return is_one_of(field, words);
}

static bool is_address_column(const char *field) {
    static const char *const words[] = {"email", "e-mail", "email address", "e-mail address", "e-mail-adresse", "mail address", "courriel", "adresse e-mail", NULL};
    return is_one_of(field, words);
}

/* Looks at the first line, and passes it when it names columns. */
static cr_status read_columns(reading *r, columns *ret, cr_err *err) {
    reading look = *r;
    columns c = {-1, -1, false};
    char field[FIELD_MAX + 1];
    while (ends_line(*look.at) && *look.at)
        pass_break(&look);
    size_t first = strcspn(look.at, ",;\t\r\n");
    look.separator = look.at[first] && strchr(separators, look.at[first]) ? look.at[first] : ',';
    for (int i = 0; i < CR_PEOPLE_COLUMNS_MAX; i++) {
        CR_TRY(read_field(&look, field, err));
        if (c.name < 0 && is_name_column(field))
            c.name = i;
        if (c.address < 0 && is_address_column(field))
            c.address = i;
        if (ends_line(*look.at))
            break;
        look.at++;
    }
    c.named = ends_line(*look.at) && (c.name >= 0 || c.address >= 0);
    if (c.name < 0)
        c.name = c.address;
    if (c.named)
        *r = look;
    *ret = c;
    return CR_OK;
}

/* Cut where it does not fit; a name, or an address, that is cut has one byte more than it may have. */
static void put(char *out, size_t size, const char *text) {
    size_t n = cr_text_fit(text, strlen(text), size - 1);
    memcpy(out, text, n);
    out[n] = 0;
}

static void add_label(cr_people_line *line, const char *field) {
    size_t n = strlen(line->label);
    if (!*field)
        return;
    if (n && n + 2 < sizeof line->label) {
        strcpy(line->label + n, ", ");
        n += 2;
    }
    put(line->label + n, sizeof line->label - n, field);
}

/* The first word with an @. */
static void find_address(cr_people_line *line, const char *field) {
    static const char between[] = " ,;\t<>\"()";
    while (*field && !line->address[0]) {
        size_t n = strcspn(field, between);
        const char *at = memchr(field, '@', n);
        if (at)
            snprintf(line->address, sizeof line->address, "%.*s", (int)CR_MIN(n, sizeof line->address - 1), field);
        field += n + (field[n] != 0);
    }
}

/* One line of the text, or several when a field has line breaks. An empty one: line->name is "". */
static cr_status read_person(reading *r, const columns *c, cr_people_line *line, cr_err *err) {
    char field[FIELD_MAX + 1];
    memset(line, 0, sizeof *line);
    line->number = r->line;
    for (int i = 0;; i++) {
        if (i == CR_PEOPLE_COLUMNS_MAX)
            return CR_FAIL(err, CR_LIMIT, "line %d: it has more than %d columns", line->number, CR_PEOPLE_COLUMNS_MAX);
        CR_TRY(read_field(r, field, err));
        bool is_name = i == (c->named ? c->name : 0);
        if (is_name)
            put(line->name, sizeof line->name, field);
        else
            add_label(line, field);
        if (c->named && i == c->address)
            put(line->address, sizeof line->address, field);
        else if (!is_name && (!c->named || c->address < 0))
            find_address(line, field);
        if (ends_line(*r->at))
            break;
        r->at++;
    }
    cr_text_clean(line->label);
    if (*r->at)
        pass_break(r);
    return CR_OK;
}

cr_status cr_people_list_read(const char *text, cr_people_each each, void *user, bool *ret_columns, cr_err *err) {
    reading r = {.at = text, .line = 1};
    columns c;
    cr_people_line line;
    if (cr_starts_with(text, "\xEF\xBB\xBF"))      /* which spreadsheets write before the first column */
        r.at += 3;
    CR_TRY(read_columns(&r, &c, err));
    while (*r.at) {
        CR_TRY(read_person(&r, &c, &line, err));
        if (!line.name[0] && !line.label[0])
            continue;
        cr_status status = each(user, &line, err);
        if (status != CR_OK) {
            cr_err_context(err, "line %d (%.*s)", line.number, (int)cr_text_fit(line.name, strlen(line.name), SHOWN_BYTES), line.name);
            return status;
        }
    }
    *ret_columns = c.named;
    return CR_OK;
}
