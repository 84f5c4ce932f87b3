/* admin_command.c - craton admin: asks cratond at its control socket to do what administrators' pages do, and prints the answer.
 *
 * The hub knows what an action means and whether its operands are right (platform/hub/operator.h); here are its help, the way there, and tables.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/asking.h"
#include "cli/cli.h"

enum { LINE_MOST = 4000, ANSWER_MOST = 8 << 20, CELL_MOST = 60, COLUMNS_MOST = 16, ROUNDS_MOST = 100000 };

static const struct { const char *name, *operands, *help; } actions[] = {
    {"people", "", "who there is"},
    {"add", "NAME", "make an account; prints a link to set a password"},
    {"link", "NAME", "a new link to set a password"},
    {"disable", "NAME", "no sign-in, no server; files stay"},
    {"enable", "NAME", "again"},
    {"make-admin", "NAME", "make an administrator"},
    {"unmake-admin", "NAME", "an administrator no more"},
    {"remove", "NAME --yes", "the account with all files"},
    {"invite", "NAME...", "links for several people; who has an account is put into --group"},
    {"room", "--seats N", "one link for a room of so many; also --group, --hours, --note"},
    {"rooms", "", "such links, and how many seats are taken"},
    {"room-close", "ID", "end one"},
    {"turned-away", "", "who came by a provider and is no member"},
    {"turned-away-remove", "ID", "take one off that list"},
    {"groups", "", "groups and who is in them"},
    {"group-add", "GROUP", "make a group"},
    {"group-remove", "GROUP", "take it away; people stay"},
    {"group-join", "GROUP NAME...", "put people into a group"},
    {"group-leave", "GROUP NAME...", "take them out"},
    {"tokens", "NAME", "API tokens of a person"},
    {"revoke", "NAME TOKEN", "take one away"},
    {"servers", "", "servers that run"},
    {"stop", "NAME", "stop the server of a person"},
    {"clusters", "", "Dask clusters that run"},
    {"stop-cluster", "CLUSTER", "stop one"},
    {"announce", "[TEXT]", "on every page; nothing: take it away"},
    {"maintenance", "on|off", "on: only administrators start servers"},
    {"try-starts", "", "end the pauses of starts that failed for several people"},
    {"disk", "", "what homes take of the disk, the largest first"},
    {"start-ahead", "--group G --hours N", "servers of a group are started at --at TIME, or now, and kept"},
    {"ahead", "", "such plans, and how far they are"},
    {"ahead-cancel", "PLAN", "take one away; servers go on"},
    {"mail-test", "ADDRESS", "send a mail there, and say whether the mail server took it"},
    {"audit", "", "who did what to whom"},
};

typedef struct request {
    const char *run, *person, *kind, *since, *until, *hours, *group, *at, *seats, *note;
    bool admin, yes, json;
    int64_t limit;            /* rows; 0: all */
} request;

int cr_cli_actions(void) {
    if (cr_cli_form_now != CR_CLI_TEXT)
        return 0;
    printf("\nActions:\n");
    for (size_t i = 0; i < CR_ARRAY_LEN(actions); i++) {
        char left[64];
        snprintf(left, sizeof left, "%s %s", actions[i].name, actions[i].operands);
        printf("  %-26s %s\n", left, actions[i].help);
    }
    return fflush(stdout) == 0 ? 0 : cr_status_exit(CR_IO);
}

void cr_cli_action_names(void) {
    for (size_t i = 0; i < CR_ARRAY_LEN(actions); i++)
        printf("%s%s", i ? " " : "", actions[i].name);
}

/* ---- the way there ---- */

/* As cratond chooses it, see its --run. */
static void socket_path(const char *run, char dir[512], char path[600]) {
    const char *xdg = getenv("XDG_RUNTIME_DIR");
    if (run)
        snprintf(dir, 512, "%s", run);
    else if (geteuid() == 0)
        snprintf(dir, 512, "/run/craton");
    else if (xdg && xdg[0] == '/' && strlen(xdg) + sizeof "/craton" <= 40)
        snprintf(dir, 512, "%s/craton", xdg);
    else
        snprintf(dir, 512, "/tmp/craton-%u", (unsigned)geteuid());
    snprintf(path, 600, "%s/control.sock", dir);
}

static json_t *question(const request *r, const char *action, int n, char **operands) {
    json_t *args = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(args, json_string(operands[i]));
    return json_pack("{s:s, s:s, s:o, s:b, s:b, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*}", "command", "admin", "do", action, "args", args, "admin", r->admin, "yes",
                     r->yes, "person", r->person, "kind", r->kind, "since", r->since, "until", r->until, "hours", r->hours, "group",
                     r->group, "at", r->at, "seats", r->seats, "note", r->note);
}

static cr_status read_answer(const cr_buf *text, json_t **ret_answer, cr_err *err) {
    json_t *answer = json_loadb(cr_buf_str(text), text->len, JSON_REJECT_DUPLICATES, NULL);
    const char *error = json_string_value(json_object_get(answer, "error")), *word = json_string_value(json_object_get(answer, "status"));
    const char *hint = json_string_value(json_object_get(answer, "hint"));
    if (!json_is_object(answer)) {
        json_decref(answer);
        return CR_FAIL(err, CR_FORMAT, "cratond's answer is not understood: it may be of another version");
    }
    if (!error) {
        *ret_answer = answer;
        return CR_OK;
    }
    cr_status status = CR_INTERNAL;
    for (int s = 0; word && s < CR_STATUS_COUNT; s++)
        if (strcmp(word, cr_status_name((cr_status)s)) == 0)
            status = (cr_status)s;
    status = CR_FAIL(err, status, "%s", error);
    if (hint && *hint)
        cr_err_hint(err, "%s", hint);
    json_decref(answer);
    return status;
}

static cr_status ask_once(const request *r, json_t *what, json_t **ret_answer, cr_err *err) {
    char dir[512], path[600];
    cr_auto_buf cr_buf out;
    cr_buf_init(&out, ANSWER_MOST);
    cr_auto_free char *line = what ? json_dumps(what, JSON_COMPACT) : NULL;
    if (!line)
        return CR_FAIL(err, CR_INVALID, "an operand or option is not UTF-8 text");
    if (strlen(line) > LINE_MOST)
        return CR_FAIL(err, CR_LIMIT, "that is too much for one question: %zu bytes, at most %d", strlen(line), LINE_MOST);
    socket_path(r->run, dir, path);
    CR_TRY(cr_ask(path, dir, line, &out, err));
    return read_answer(&out, ret_answer, err);
}

/* ---- what is printed ---- */

static void cell(cr_buf *b, const json_t *value, size_t most, bool utf8) {
    if (json_is_string(value))
        cr_cli_text(b, json_string_value(value), most, utf8);
    else if (json_is_integer(value))
        cr_buf_addf(b, "%lld", (long long)json_integer_value(value));
    else if (json_is_true(value))
        cr_buf_adds(b, "yes");
    for (size_t i = 0; json_is_array(value) && i < json_array_size(value); i++) {
        cr_buf_adds(b, i ? ", " : "");
        cell(b, json_array_get(value, i), most, utf8);
    }
}

/* A link that is cut leads nowhere. */
static size_t most_of(const char *column) { return strcmp(column, "link") == 0 ? 0 : CELL_MOST; }

static size_t width_of(const json_t *value, size_t most, bool utf8) {
    cr_auto_buf cr_buf b;
    cr_buf_init(&b, CR_CLI_OUTPUT_MAX);
    cell(&b, value, most, utf8);
    return cr_cli_columns(&b, 0);
}

/* The columns are those of the first row. */
static void print_table(const json_t *rows, cr_buf *out) {
    cr_cli_screen screen;
    const char *names[COLUMNS_MOST], *name;
    size_t widths[COLUMNS_MOST], n = 0;
    json_t *value;
    cr_cli_screen_of(stdout, &screen);
    json_object_foreach(json_array_get(rows, 0), name, value)
        if (n < COLUMNS_MOST)
            names[n++] = name;
    for (size_t c = 0; c < n; c++) {
        widths[c] = strlen(names[c]);
        for (size_t i = 0; i < json_array_size(rows); i++)
            widths[c] = CR_MAX(widths[c], width_of(json_object_get(json_array_get(rows, i), names[c]), most_of(names[c]), screen.utf8));
    }
    for (size_t i = 0; n && i <= json_array_size(rows); i++) {
        for (size_t c = 0; c < n; c++) {
            size_t begin = out->len;
            if (i == 0)
                cr_buf_adds(out, names[c]);
            else
                cell(out, json_object_get(json_array_get(rows, i - 1), names[c]), most_of(names[c]), screen.utf8);
            size_t used = cr_cli_columns(out, begin);
            if (c + 1 < n)
                cr_buf_addf(out, "%*s", (int)(widths[c] - CR_MIN(used, widths[c]) + 2), "");
        }
        cr_buf_addc(out, '\n');
    }
}

static void print_line(const json_t *object, cr_buf *out) {
    char *text = json_dumps(object, JSON_COMPACT);
    cr_buf_adds(out, text ? text : "{}");
    cr_buf_addc(out, '\n');
    free(text);
}

static cr_status print_answer(const json_t *answer, json_t *rows, bool as_json, cr_err *err) {
    const char *text = json_string_value(json_object_get(answer, "text"));
    cr_cli_screen screen;
    cr_auto_buf cr_buf out;
    cr_buf_init(&out, CR_CLI_OUTPUT_MAX);
    cr_cli_screen_of(stdout, &screen);
    if (as_json && !json_object_get(answer, "rows"))
        print_line(answer, &out);
    for (size_t i = 0; as_json && i < json_array_size(rows); i++)
        print_line(json_array_get(rows, i), &out);
    if (!as_json && text) {
        cr_cli_text(&out, text, 0, screen.utf8);
        cr_buf_addc(&out, '\n');
    }
    if (!as_json)
        print_table(rows, &out);
    CR_TRY(cr_buf_check(&out, err));
    return out.len ? cr_cli_put(&out, err) : CR_OK;
}

/* Long lists come in pieces: JSON is printed as it comes, a table when all is there. */
static cr_status carry_out(const request *r, json_t *what, cr_err *err) {
    json_t *rows = json_array(), *answer = NULL;
    cr_status status = CR_OK;
    int64_t left = r->limit > 0 ? r->limit : INT64_MAX;
    for (int round = 0; status == CR_OK && round < ROUNDS_MOST; round++) {
        json_decref(answer);
        answer = NULL;
        status = ask_once(r, what, &answer, err);
        json_t *got = json_object_get(answer, "rows"), *next = json_object_get(answer, "next");
        while (left < (int64_t)json_array_size(got))
            json_array_remove(got, json_array_size(got) - 1);
        left -= (int64_t)json_array_size(got);
        json_array_extend(rows, got);
        if (status != CR_OK || !next || left == 0)
            break;
        json_object_set(what, "from", next);
        if (r->json) {
            status = print_answer(answer, rows, true, err);
            json_array_clear(rows);
        }
    }
    if (status == CR_OK)
        status = print_answer(answer, rows, r->json, err);
    json_decref(answer);
    json_decref(rows);
    return status;
}

/* ---- the command ---- */

static bool is_action(const char *name) {
    for (size_t i = 0; i < CR_ARRAY_LEN(actions); i++)
        if (strcmp(actions[i].name, name) == 0)
            return true;
    return false;
}

int cr_cli_admin(const cr_cli_command *self, int argc, char **argv) {
    request r = {0};
    bool help = false;
    const cr_option rows[] = {
        {0, "run", "DIR", "sockets of cratond (/run/craton for root)", CR_OPTION_TEXT, &r.run},
        {0, "json", NULL, "an object a line", CR_OPTION_FLAG, &r.json},
        {0, "admin", NULL, "add: an administrator", CR_OPTION_FLAG, &r.admin},
        {0, "yes", NULL, "remove: that is meant", CR_OPTION_FLAG, &r.yes},
        {0, "hours", "N", "announce: it ends after so many hours; invite (168), room (4): links work so long; start-ahead: servers are kept so long", CR_OPTION_TEXT, &r.hours},
        {0, "group", "GROUP", "start-ahead: whose people; invite, room: into which they are put", CR_OPTION_TEXT, &r.group},
        {0, "at", "TIME", "start-ahead: when starts begin (UTC), such as 2026-11-24T08:30", CR_OPTION_TEXT, &r.at},
        {0, "seats", "N", "room: for so many people", CR_OPTION_TEXT, &r.seats},
        {0, "note", "TEXT", "room: for the list of links", CR_OPTION_TEXT, &r.note},
        {0, "person", "NAME", "audit: by whom or to whom; also a group", CR_OPTION_TEXT, &r.person},
        {0, "kind", "KIND", "audit: such as sign-in, person-disabled", CR_OPTION_TEXT, &r.kind},
        {0, "since", "TIME", "audit: from this day or time on (UTC), such as 2026-11-24", CR_OPTION_TEXT, &r.since},
        {0, "until", "TIME", "audit: before this day or time", CR_OPTION_TEXT, &r.until},
        {0, "limit", "N", "lists: so many rows at most (all)", CR_OPTION_INT, &r.limit},
        {'h', "help", NULL, "this text", CR_OPTION_FLAG, &help},
        {0},
    };
    cr_err err = CR_ERR_INIT;
    int first = 0;
    if (cr_option_parse(rows, argc, argv, &first, &err) != CR_OK)
        return cr_cli_fail(&err);
    if (help) {
        int code = cr_cli_help(self, rows);
        return code ? code : cr_cli_actions();
    }
    if (first >= argc || !is_action(argv[first])) {
        cr_err_set(&err, CR_INVALID, __FILE__, __LINE__, first < argc ? "admin has no action \"%.40s\"" : "admin needs an action",
                   first < argc ? argv[first] : "");
        cr_err_hint(&err, "craton admin --help lists them");
        return cr_cli_fail(&err);
    }
    if (r.limit < 0) {
        cr_err_set(&err, CR_INVALID, __FILE__, __LINE__, "--limit is a number from 1 on");
        return cr_cli_fail(&err);
    }
    json_t *what = question(&r, argv[first], argc - first - 1, argv + first + 1);
    cr_status status = carry_out(&r, what, &err);
    json_decref(what);
    return status == CR_OK ? 0 : cr_cli_fail(&err);
}
