/* option.c - getopt_long driven by a table. */
#include "base/option.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/text.h"

enum { MAX_ROWS = 256, LONG_BASE = 1000 };

static cr_status store(const cr_option *row, const char *text, cr_err *err) {
    cr_status s = CR_OK;
    switch (row->kind) {
    case CR_OPTION_FLAG: *(bool *)row->target = true; break;
    case CR_OPTION_TEXT: *(const char **)row->target = text; break;
    case CR_OPTION_INT: s = cr_parse_int(text, INT64_MIN, INT64_MAX, row->target, err); break;
    case CR_OPTION_BYTES: s = cr_parse_bytes(text, row->target, err); break;
    }
    if (s != CR_OK)
        cr_err_context(err, "option --%s", row->name);
    return s;
}

cr_status cr_option_parse(const cr_option *rows, int argc, char **argv, int *ret_first, cr_err *err) {
    struct option longs[MAX_ROWS + 1] = {0};
    char shorts[2 * MAX_ROWS + 2] = ":";
    size_t k = 1;
    int n = 0;
    for (; rows[n].name; n++) {
        if (n == MAX_ROWS)   /* those behind would be unknown without a word */
            return CR_FAIL(err, CR_INTERNAL, "a table of options has more than %d rows", MAX_ROWS);
        longs[n] = (struct option){rows[n].name, rows[n].value ? required_argument : no_argument, NULL, LONG_BASE + n};
        if (rows[n].letter) {
            shorts[k++] = rows[n].letter;
            if (rows[n].value)
                shorts[k++] = ':';
        }
    }
    optind = 0;
    opterr = 0;
    int c;
    while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        const char *shown = optind > 0 && optind <= argc ? argv[optind - 1] : "?";
        if (c == '?')
            return CR_FAIL(err, CR_INVALID, "unknown option %s", shown);
        if (c == ':')
            return CR_FAIL(err, CR_INVALID, "option %s needs a value", shown);
        for (int i = 0; i < n; i++)
            if (c == LONG_BASE + i || (rows[i].letter && c == rows[i].letter))
                CR_TRY(store(&rows[i], optarg, err));
    }
    *ret_first = optind;
    return CR_OK;
}

static int left_column(const cr_option *row, char *buf, size_t size) {
    char letter[8] = "    ";
    if (row->letter)
        snprintf(letter, sizeof letter, "-%c, ", row->letter);
    return snprintf(buf, size, "%s--%s%s%s", letter, row->name, row->value ? " " : "", row->value ? row->value : "");
}

void cr_option_help(const cr_option *rows, FILE *out) {
    char left[80];
    int width = 28;
    for (int i = 0; rows[i].name; i++) {
        int n = left_column(&rows[i], left, sizeof left);
        width = n > width && n <= 40 ? n : width;
    }
    for (int i = 0; rows[i].name; i++) {
        left_column(&rows[i], left, sizeof left);
        fprintf(out, "  %-*s %s\n", width, left, rows[i].help);
    }
}
