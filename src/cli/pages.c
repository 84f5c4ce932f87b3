/* pages.c - manual pages and completion out of the same tables as --help: the commands, the rows of their options, the operations.
 *
 * A page or a script is made by asking commands for their help in another form (cr_cli_form); what a command prints then is its part.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/expression.h"

cr_cli_form cr_cli_form_now = CR_CLI_TEXT;

static int done(void) { return fflush(stdout) == 0 && !ferror(stdout) ? 0 : cr_status_exit(CR_IO); }

/* ---- roff ---- */

/* s as text of a manual page: no character of it is a request or an escape. An empty line begins a paragraph. */
static void roff(const char *s) {
    for (bool begins = true; *s; s++) {
        if (begins && (*s == '.' || *s == '\''))
            fputs("\\&", stdout);
        begins = *s == '\n';
        if (*s == '\n' && s[1] == '\n')
            fputs("\n.PP", stdout);
        else if (*s == '\\')
            fputs("\\e", stdout);
        else if (*s == '-')
            fputs("\\-", stdout);
        else if (*s == '\'')
            fputs("\\(aq", stdout);
        else if (*s == '^')
            fputs("\\(ha", stdout);
        else if (*s == '~')
            fputs("\\(ti", stdout);
        else if (!(*s == '\n' && begins && s[1] == 0))
            putchar(*s);
    }
}

static void section(const char *title, const char *text) {
    printf(".SH %s\n", title);
    roff(text);
    putchar('\n');
}

static void example(const char *text) {
    printf(".SH EXAMPLES\n.EX\n");
    roff(text);
    printf("\n.EE\n");
}

static void exits(void) {
    printf(".SH EXIT STATUS\n");
    for (int code = 0; code < 256; code++) {
        const char *last = "";
        bool any = false;
        for (int s = 0; s < CR_STATUS_COUNT; s++) {
            const char *sentence = cr_status_sentence((cr_status)s);
            if (cr_status_exit((cr_status)s) != code || strcmp(sentence, last) == 0)
                continue;
            printf(any ? "; " : ".TP\n.B %d\n", code);
            roff(sentence);
            any = true;
            last = sentence;
        }
        if (any)
            putchar('\n');
    }
}

static void head(const char *upper, int section_number, const char *name, const char *summary) {
    printf(".\\\" Made by craton \\-\\-man out of the tables of the program.\n.TH %s %d \"\" \"craton " CRATON_VERSION "\" \"Craton\"\n.SH NAME\n",
           upper, section_number);
    roff(name);
    printf(" \\- ");
    roff(summary);
    putchar('\n');
}

static void see_also(const char *besides) {
    printf(".SH SEE ALSO\n");
    if (*besides)
        printf(".BR craton (1),\n");
    for (const cr_cli_command *k = cr_cli_commands; k->name; k++)
        if (strcmp(k->name, besides) != 0)
            printf(".BR craton\\-%s (1),\n", k->name);
    printf(".BR craton\\-expression (7)\n");
}

static void page_of_command(const cr_cli_command *k, const cr_option *rows) {
    char upper[80], name[80];
    snprintf(name, sizeof name, "craton-%s", k->name);
    snprintf(upper, sizeof upper, "CRATON\\-%s", k->name);
    for (char *c = upper; *c; c++)
        *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    head(upper, 1, name, k->summary);
    printf(".SH SYNOPSIS\n.B craton %s\n[\\fIOPTION\\fR]... \\fI", k->name);
    roff(k->operands);
    printf("\\fR\n");
    section("DESCRIPTION", k->about);
    printf(".SH OPTIONS\n");
    for (const cr_option *r = rows; r->name; r++) {
        printf(".TP\n");
        if (r->letter)
            printf("\\fB\\-%c\\fR, ", r->letter);
        printf("\\fB\\-\\-%s\\fR", r->name);
        if (r->value) {
            printf(" \\fI");
            roff(r->value);
            printf("\\fR");
        }
        putchar('\n');
        roff(r->help);
        putchar('\n');
    }
    example(k->examples);
    exits();
    see_also(k->name);
}

static int page_of_program(void) {
    head("CRATON", 1, "craton", "arrays of Earth data at the shell");
    printf(".SH SYNOPSIS\n.B craton\n\\fICOMMAND\\fR [\\fIOPTION\\fR]... \\fIOPERAND\\fR...\n.br\n.B craton \\-\\-completion\n\\fIbash\\fR|\\fIzsh\\fR\n"
           ".br\n.B craton \\-\\-version\n");
    section("DESCRIPTION", "craton shows, calculates with, converts and rechunks NetCDF files and Zarr stores of any size: it reads only what a result "
            "needs, works with all CPUs, and stays within a limit of memory. What it writes appears when it is complete. Ctrl-C ends it within "
            "a chunk and leaves nothing behind.\n\nEach command has a page of its own, and --help.");
    printf(".SH COMMANDS\n");
    for (const cr_cli_command *k = cr_cli_commands; k->name; k++) {
        printf(".TP\n.BR craton\\-%s (1)\n", k->name);
        roff(k->summary);
        putchar('\n');
    }
    section("COMPLETION", "Where it is not installed for the shell, put one line into ~/.bashrc or, behind compinit, into ~/.zshrc:");
    printf(".PP\n.EX\neval \"$(craton \\-\\-completion bash)\"\n.EE\n");
    printf(".SH ENVIRONMENT\n.TP\n.B COLUMNS\nwidth of tables, where the terminal does not tell it\n.TP\n.B NO_COLOR\nwhen it is not empty, nothing is coloured\n");
    exits();
    see_also("");
    return done();
}

static int page_of_expressions(void) {
    head("CRATON\\-EXPRESSION", 7, "craton-expression", "the language of craton calc");
    section("DESCRIPTION", "Variables and coordinates of the file are names; a name that is none stands between double quotes. Work goes from left to right: what "
            "is left of a bar is what the operation right of it works on, and arithmetic may go on behind an operation.\n\n"
            "Three spellings are the same: x | mean time lat, x.mean(time, lat), mean(x, time, lat). Inside the arguments of an operation _ is what it "
            "works on. * stands for every variable of numbers. obs.tos is tos of the file that the command calls obs=FILE, obs.* every variable of it.\n\n"
            "Dimensions are called by their names, or lat, lon, lev and time, whatever the file calls those (by units, axis, standard name). sel also takes year, month, "
            "day, hour, dayofyear and season of times: sel(month=11:2, season=DJF).\n\n"
            "Operators and what binds closer are Python's: or, and, not; ==, !=, <, <=, >, >=; +, -; *, /, //, %; sign; **.\n\n"
            "A label is a number, a date or part of one, or text. Both ends of a range are in, and either may be left out. A time may have a clock: "
            "2000-01-01T06:00. Missing values are left out of reductions.\n\n"
            "Statements are separated by semicolons; NAME = RESULT keeps a result for the next ones. The last statement is the result; when it assigns, "
            "everything that was assigned is.");
    printf(".SH OPERATIONS\n");
    for (const cr_verb *v = cr_verbs; v->name; v++) {
        printf(".TP\n\\fB%s\\fR%s", v->name, *v->arguments ? " \\fI" : "");
        roff(v->arguments);
        printf("%s\n", *v->arguments ? "\\fR" : "");
        roff(v->help);
        putchar('\n');
    }
    example("tos.sel(time=2000:2010, lat=-30:30) | monthly mean | weighted mean lat lon - 273.15\n"
            "tos.sel(season=DJF) - obs.tos | mean lat lon\n"
            "tos | where ice < 0.15 and depth > 100 | anomaly month\n"
            "c = tos | by month mean; a = tos | anomaly month; c, a\n"
            "* | yearly max");
    printf(".SH SEE ALSO\n.BR craton\\-calc (1),\n.BR craton\\-explain (1)\n");
    return done();
}

/* ---- completion ---- */

static bool is_file(const char *value) { return strcmp(value, "FILE") == 0; }
/* Names that the files on the line hold: "DIM", "NAME,NAME...", "DIM=N,...". */
static bool is_names(const char *value) { return strncmp(value, "DIM", 3) == 0 || strncmp(value, "NAME,", 5) == 0; }
static bool takes_expression(const cr_cli_command *k) { return strstr(k->operands, "EXPRESSION") != NULL; }
static bool is_choice(const char *value) { return strchr(value, '|') != NULL; }

/* "zstd|lz4" as words. */
static void choices(const char *value, char separator) {
    for (; *value; value++)
        putchar(*value == '|' ? separator : *value);
}

static void bash_arm(const cr_cli_command *k, const cr_option *rows) {
    printf("    %s)\n        case $before in\n", k->name);
    for (const cr_option *r = rows; r->name; r++) {
        if (!r->value)
            continue;
        printf("        ");
        if (r->letter)
            printf("-%c|", r->letter);
        printf("--%s) ", r->name);
        if (is_choice(r->value)) {
            printf("mapfile -t COMPREPLY < <(compgen -W \"");
            choices(r->value, ' ');
            printf("\" -- \"$word\"); ");
        } else if (is_names(r->value)) {
            printf("compopt +o default; _craton_names \"$word\"; ");
        } else if (!is_file(r->value)) {
            printf("compopt +o default; ");
        }
        printf("return ;;\n");
    }
    printf("        esac\n        options=\"");
    for (const cr_option *r = rows; r->name; r++)
        printf("%s--%s", r == rows ? "" : " ", r->name);
    printf("\" ;;\n");
}

/* Within '...' of the shell; what _arguments and _describe read as their own is escaped. */
static void zsh_text(const char *s) {
    for (; *s; s++) {
        if (*s == '\'')
            fputs("'\\'", stdout);
        else if (strchr("[]:\\", *s))
            putchar('\\');
        putchar(*s);
    }
}

static void zsh_arm(const cr_cli_command *k, const cr_option *rows) {
    printf("    %s)\n        _arguments -s -S \\\n", k->name);
    for (const cr_option *r = rows; r->name; r++) {
        const char *takes = r->value ? "=" : "";
        printf("            ");
        if (r->letter)
            printf("'(-%c --%s)'{-%c%s,--%s%s}'[", r->letter, r->name, r->letter, r->value ? "+" : "", r->name, takes);
        else
            printf("'--%s%s[", r->name, takes);
        zsh_text(r->help);
        putchar(']');
        if (r->value) {
            putchar(':');
            zsh_text(is_choice(r->value) ? r->name : r->value);
            putchar(':');
            if (is_file(r->value)) {
                printf("_files");
            } else if (is_names(r->value)) {
                printf("_craton_names");
            } else if (is_choice(r->value)) {
                putchar('(');
                choices(r->value, ' ');
                putchar(')');
            }
        }
        printf("' \\\n");
    }
    if (strncmp(k->operands, "EXPRESSION", 10) == 0)
        printf("            '1:expression:_craton_names' \\\n");
    if (strncmp(k->operands, "ACTION", 6) == 0) {
        printf("            '1:action:(");
        cr_cli_action_names();
        printf(")' \\\n            '*:name:' ;;\n");
        return;
    }
    printf("            '*:file:%s' ;;\n", takes_expression(k) ? "_craton_names_files" : "_files");
}

static int each_command(void) {
    for (const cr_cli_command *k = cr_cli_commands; k->name; k++) {
        char *const asked[] = {(char *)k->name, (char[]){"--help"}, NULL};
        int code = k->run(k, 2, (char **)asked);
        if (code)
            return code;
    }
    return 0;
}

static int bash_script(void) {
    printf("# Completion of craton in bash. Made by craton --completion bash out of the tables of the program.\n"
           "# Names in the files on the line that continue the last name of a word. They are compared, never expanded: a file may say anything.\n"
           "_craton_names() {\n"
           "    local word=${1#[\\\"\\']} part before file name i\n"
           "    part=${word##*[!A-Za-z0-9_]} before=${word%%\"${word##*[!A-Za-z0-9_]}\"}\n"
           "    for ((i = 2; i < ${#COMP_WORDS[@]}; i++)); do\n"
           "        file=${COMP_WORDS[i]/#\\~\\//$HOME/} file=${file#[\\\"\\']} file=${file%%[\\\"\\']} file=${file//\\\\/}\n"
           "        ((i != COMP_CWORD)) && [[ -e $file && $file != -* ]] || continue\n"
           "        while IFS= read -r name; do\n"
           "            [[ $name =~ ^[A-Za-z_][A-Za-z0-9_]*$ && $name == \"$part\"* ]] && COMPREPLY+=(\"$before$name\")\n"
           "        done < <(timeout 2 craton info --names \"$file\" 2>/dev/null)\n"
           "        break\n"
           "    done\n"
           "    ((${#COMPREPLY[@]})) && compopt -o nospace\n"
           "    # within quotes a single continuation would close them\n"
           "    [[ $1 = [\\\"\\']* ]] && ((${#COMPREPLY[@]} == 1)) && COMPREPLY+=(\"${COMPREPLY[0]} \")\n"
           "    return 0\n"
           "}\n"
           "_craton() {\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command='' options=''\n"
           "    COMPREPLY=()\n"
           "    # --option=value is three words here\n"
           "    if [ \"$word\" = = ]; then\n"
           "        word=\n"
           "    elif [ \"$before\" = = ] && ((COMP_CWORD > 2)); then\n"
           "        before=${COMP_WORDS[COMP_CWORD - 2]}\n"
           "    fi\n"
           "    ((COMP_CWORD > 1)) && command=${COMP_WORDS[1]}\n"
           "    case $command in\n"
           "    '') options=\"");
    for (const cr_cli_command *k = cr_cli_commands; k->name; k++)
        printf("%s ", k->name);
    printf("help --help --version --completion --man\" ;;\n    --completion) options=\"bash zsh\" ;;\n    help|--man) options=\"");
    for (const cr_cli_command *k = cr_cli_commands; k->name; k++)
        printf("%s%s", k == cr_cli_commands ? "" : " ", k->name);
    printf("\" ;;\n");
    cr_cli_form_now = CR_CLI_BASH;
    int code = each_command();
    printf("    *) return ;;\n"
           "    esac\n"
           "    if [ \"$command\" = admin ] && [[ $word != -* ]]; then\n"
           "        compopt +o default\n"
           "        ((COMP_CWORD == 2)) && mapfile -t COMPREPLY < <(compgen -W \"");
    cr_cli_action_names();
    printf("\" -- \"$word\")\n"
           "        return\n"
           "    fi\n"
           "    case $command:$word in\n"
           "    *:-*) ;;\n");
    for (const cr_cli_command *k = cr_cli_commands; k->name; k++)
        if (takes_expression(k))
            printf("    %s:*) _craton_names \"$word\"\n        [ \"$word\" ] && mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -f -- \"$word\")\n"
                   "        return ;;\n", k->name);
    printf("    esac\n"
           "    # operands are files, which is what -o default does\n"
           "    case $word:$command in\n"
           "    -*|*:|*:help|*:--*) mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\") ;;\n"
           "    esac\n"
           "}\n"
           "complete -o default -F _craton craton\n");
    return code ? code : done();
}

static int zsh_script(void) {
    printf("#compdef craton\n# Completion of craton in zsh. Made by craton --completion zsh out of the tables of the program.\n"
           "# Names in the files on the line that continue the last name of a word.\n"
           "_craton_names() {\n"
           "    local file\n    local -a names\n"
           "    for file in ${(Q)words[2,-1]}; do\n"
           "        [[ $file != -* && -e $file ]] || continue\n"
           "        names=(${(M)${(f)\"$(timeout 2 craton info --names $file 2>/dev/null)\"}:#[A-Za-z_][A-Za-z0-9_]#})\n"
           "        break\n    done\n"
           "    compset -P '*[^A-Za-z0-9_]'\n"
           "    (( $#names )) && compadd -S '' -a names\n"
           "}\n"
           "_craton_names_files() { _alternative 'names:name:_craton_names' 'files:file:_files' }\n"
           "_craton() {\n    setopt localoptions extendedglob\n    local -a commands=(\n");
    for (const cr_cli_command *k = cr_cli_commands; k->name; k++) {
        printf("        '%s:", k->name);
        zsh_text(k->summary);
        printf("'\n");
    }
    printf("    )\n"
           "    if (( CURRENT == 2 )); then\n        _describe -t commands 'command of craton' commands\n        return\n    fi\n"
           "    local command=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $command in\n"
           "    help|--man) _describe -t commands 'command of craton' commands ;;\n    --completion) _values shell bash zsh ;;\n");
    cr_cli_form_now = CR_CLI_ZSH;
    int code = each_command();
    printf("    esac\n}\n"
           "if [ \"$funcstack[1]\" = _craton ]; then\n    _craton \"$@\"\nelse\n    compdef _craton craton\nfi\n");
    return code ? code : done();
}

/* ---- what is asked ---- */

int cr_cli_help(const cr_cli_command *self, const cr_option *rows) {
    switch (cr_cli_form_now) {
    case CR_CLI_MAN: page_of_command(self, rows); break;
    case CR_CLI_BASH: bash_arm(self, rows); break;
    case CR_CLI_ZSH: zsh_arm(self, rows); break;
    default:
        printf("Usage: craton %s [OPTION...] %s\n\n%s\n\n", self->name, self->operands, self->summary);
        cr_option_help(rows, stdout);
        printf("\nExamples:\n");
        for (const char *s = self->examples; *s; s += strcspn(s, "\n") + (s[strcspn(s, "\n")] != 0))
            printf("  %.*s\n", (int)strcspn(s, "\n"), s);
    }
    return done();
}

int cr_cli_verbs(void) {
    if (cr_cli_form_now != CR_CLI_TEXT)
        return 0;                 /* they have a page of their own */
    printf("\nAn expression: variables, numbers, + - * / // %% **, == != < <= > >=, and or not, ( ), and operations, as in\n"
           "  tos.sel(lat=-30:30) | monthly mean | weighted mean lat lon\nOperations:\n");
    for (const cr_verb *v = cr_verbs; v->name; v++) {
        char left[120];
        snprintf(left, sizeof left, "%s %s", v->name, v->arguments);
        printf("  %-36s %s\n", left, v->help);
    }
    return fflush(stdout) == 0 ? 0 : cr_status_exit(CR_IO);
}

int cr_cli_page(const char *name) {
    if (!name)
        return page_of_program();
    if (strcmp(name, "expression") == 0)
        return page_of_expressions();
    for (const cr_cli_command *k = cr_cli_commands; k->name; k++)
        if (strcmp(k->name, name) == 0) {
            char *const asked[] = {(char *)name, (char[]){"--help"}, NULL};
            cr_cli_form_now = CR_CLI_MAN;
            return k->run(k, 2, (char **)asked);
        }
    fprintf(stderr, "craton: there is no manual page of \"%.64s\"\n  Pages are of commands, and of the word expression.\n", name);
    return cr_status_exit(CR_NOT_FOUND);
}

int cr_cli_completion(const char *shell) {
    if (shell && strcmp(shell, "bash") == 0)
        return bash_script();
    if (shell && strcmp(shell, "zsh") == 0)
        return zsh_script();
    fprintf(stderr, "craton: completion is for bash and zsh\n  For instance in ~/.bashrc: eval \"$(craton --completion bash)\"\n");
    return cr_status_exit(CR_INVALID);
}
