/* craton_main.c - finds the subcommand. */
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "cli/cli.h"

static const cr_cli_command commands[] = {
    {"info", "FILE...", "what NetCDF files and Zarr stores hold", cr_cli_info},
    {"calc", "EXPRESSION FILE...", "select, calculate, reduce; into a file or a table", cr_cli_calc},
    {"explain", "EXPRESSION FILE...", "what calc would read and hold, without doing it", cr_cli_explain},
    {"convert", "SOURCE DESTINATION", "NetCDF to Zarr, Zarr to NetCDF, or a part of either", cr_cli_convert},
    {"rechunk", "SOURCE DESTINATION", "the same data in other chunks, from NetCDF or Zarr to either", cr_cli_rechunk},
};

static int usage(FILE *out) {
    fprintf(out, "craton - arrays of Earth data at the shell\n\nUsage: craton COMMAND [OPTION...] OPERAND...\n\n");
    for (size_t i = 0; i < CR_ARRAY_LEN(commands); i++)
        fprintf(out, "  %-10s %-20s %s\n", commands[i].name, commands[i].operands, commands[i].summary);
    fprintf(out, "\n  craton COMMAND --help    its options\n  craton --version\n");
    return ferror(out) ? cr_status_exit(CR_IO) : 0;
}

static const cr_cli_command *find(const char *name) {
    for (size_t i = 0; i < CR_ARRAY_LEN(commands); i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

int main(int argc, char **argv) {
    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN);     /* `craton info ... | head` ends quietly */
    if (argc < 2) {
        usage(stderr);
        return cr_status_exit(CR_INVALID);
    }
    if (strcmp(argv[1], "--version") == 0)
        return puts("craton " CRATON_VERSION) < 0 ? cr_status_exit(CR_IO) : 0;
    bool help = strcmp(argv[1], "help") == 0;
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || (help && argc == 2))
        return usage(stdout);
    const cr_cli_command *command = find(argv[help ? 2 : 1]);
    if (!command) {
        fprintf(stderr, "craton: there is no command \"%.64s\"\n\n", argv[help ? 2 : 1]);
        usage(stderr);
        return cr_status_exit(CR_INVALID);
    }
    if (help) {
        char *const asked[] = {argv[2], (char[]){"--help"}, NULL};
        return command->run(command, 2, (char **)asked);
    }
    return command->run(command, argc - 1, argv + 1);
}
