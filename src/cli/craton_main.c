/* craton_main.c - finds the subcommand. */
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "cli/cli.h"
#include "cli/expression.h"

const cr_cli_command cr_cli_commands[] = {
    {"info", "FILE...", "what NetCDF files and Zarr stores hold", cr_cli_info,
     "craton info in.nc\ncraton info --attrs in.zarr\ncraton info --json *.nc\ncraton info --stats in.nc",
     "Shows dimensions, coordinates with their ends, variables with types, chunks and compression, and attributes. Times are shown as dates. Only "
     "metadata and coordinates are read, but for --stats."},
    {"calc", "EXPRESSION FILE...", "select, calculate, reduce; into a file or a table", cr_cli_calc,
     "craton calc 'tos.sel(lat=-30:30) | monthly mean | weighted mean lat lon - 273.15' in.nc\n"
     "craton calc 'tos | anomaly month' tos_*.nc -o anomaly.nc\n"
     "craton calc 'tos - obs.tos | mean time' model.nc obs=obs.nc -o bias.nc\n"
     "craton calc 'tos | mean member' run1.nc run2.nc --along member -o ensemble.nc\n"
     "craton calc 'tos | points lat=[52.5, 48.1] lon=[13.4, 11.6]' in.nc -o stations.csv\n"
     "craton calc '*' in.nc -o 'out_{year}.nc'",
     "Evaluates an expression over the variables of NetCDF files and Zarr stores, and writes or prints the result. Several files are joined along the "
     "dimension with times, or --along, in the order of their labels; along a dimension that no file has they are put beside each other. NAME=FILE gives a file "
     "a name, by which an expression asks for its variables: NAME.tos; FILE may be a pattern.\n\n"
     "The name behind -o may have fields in braces, for one file each: {variable}, {year}, {month}, {season}, {day}, {hour}, {dayofyear}, or a dimension.\n\n"
     "Times whose units or calendar cannot be understood stay numbers, and a note says so.\n\nThe language is described in craton-expression(7). An expression that begins "
     "with - comes after --."},
    {"explain", "EXPRESSION FILE...", "what calc would read and hold, without doing it", cr_cli_explain,
     "craton explain 'tos | by month mean' in.nc --memory 1G",
     "Plans what craton calc would do with the same expression and files, and says in which phases, what it would read, and how much memory it "
     "would hold at most. No values are read but labels."},
    {"diff", "FILE FILE", "which variables of two files differ, and by how much", cr_cli_diff,
     "craton diff a.nc b.nc\ncraton diff a.nc b.zarr --rel 1e-6 --variables tos,sos",
     "Compares the variables of two files or stores by their names, value by value, in one pass over both; formats, chunks, packing and compression do not "
     "matter. Of each variable that differs it says in how many values, how many are missing in one of the files alone, and the largest difference, also as a "
     "share of the larger value; or that shapes, calendars or units differ, or that one file lacks it.\n\n"
     "Differences up to --abs, and differences up to --rel, count as none. The exit status is 0 when nothing differs and 1 when something does."},
    {"plot", "FILE [EXPRESSION]", "a picture, in a file or on the terminal", cr_cli_plot,
     "craton plot in.nc\ncraton plot in.nc 'tos | mean time' -o tos.png\ncraton plot in.nc 'tos | weighted mean lat lon' -o series.svg\n"
     "craton plot in.zarr tos --hist",
     "Draws a variable or the result of an expression, as craton-expression(7) describes them: two dimensions as a map, one as a line, with --hist how "
     "often values are. Without an expression it is the first of the variables with most dimensions; of dimensions before latitude and longitude (or before "
     "the last two) the first element, as the line below the title says.\n\n"
     "Latitudes and longitudes are told by their units, standard names or names, for rows and columns or for each cell. Colours go from the least to the "
     "largest value, and from a white 0 to both sides where both signs weigh; missing is grey. Arrays of any size are drawn within the memory limit: a "
     "cell of a picture is the mean of all that lies in it, a line shows the least and the largest value of each place.\n\n"
     "The terminal shows colours if it has them and NO_COLOR is not set; all of them when COLORTERM is truecolor, else 216."},
    {"convert", "SOURCE DESTINATION", "NetCDF to Zarr, Zarr to NetCDF, or a part of either", cr_cli_convert,
     "craton convert in.nc out.zarr\ncraton convert in.zarr out.nc --variables tos,sos --codec deflate --level 4",
     "Copies variables as they are stored, packed and with their attributes, chunks and unlimited dimensions. The name of the destination says the "
     "format, or --format.\n\nVariables that are named take along what they need to be understood: coordinates, bounds, grid mappings, cell measures, "
     "terms of formulas. What was there stays until the new file is complete."},
    {"rechunk", "SOURCE DESTINATION", "the same data in other chunks, from NetCDF or Zarr to either", cr_cli_rechunk,
     "craton rechunk in.nc out.zarr --chunks time=-1,lat=32,lon=32 --memory 512M",
     "Writes the same values in other chunks, in bounded memory, reading each chunk of the source as few times as the limit allows. Where that is too "
     "often, a variable goes through an intermediate store beside the destination, which is removed at the end.\n\n"
     "A run that was killed goes on with --resume."},
    {"admin", "ACTION [NAME...]", "people, groups, tokens, servers of a hub, for who runs it", cr_cli_admin,
     "craton admin add ada\ncraton admin disable ada\ncraton admin announce 'On Friday the storage is exchanged' --hours 48\n"
     "craton admin audit --person ada --since 2026-11-24 --json",
     "Asks the cratond that runs on this machine, as root or as the user that runs it, to do what the pages of administrators do. Everything that changes "
     "something is in the audit log, by operator.\n\n"
     "Actions: people; add NAME (makes the account and prints a link to set a password; with --admin for an administrator); link NAME (a new link); disable, "
     "enable, make-admin, unmake-admin NAME; remove NAME --yes (with all files); invite NAME... (links for several, into --group); room --seats N (one link for so many), "
     "rooms, room-close ID; turned-away, turned-away-remove ID (who came by a provider and is no member); groups; group-add, group-remove GROUP; group-join, group-leave GROUP "
     "NAME...; tokens NAME; revoke NAME TOKEN; servers; stop NAME; clusters; stop-cluster CLUSTER; announce [TEXT] (none: takes it away); maintenance on|off; "
     "try-starts (ends pauses of starts that failed); disk (what homes take); start-ahead --group GROUP --hours N, ahead, ahead-cancel PLAN (servers before a course); "
     "mail-test ADDRESS; audit.\n\nLists are tables, or with --json an object a line."},
    {0},
};

static int usage(FILE *out) {
    fprintf(out, "craton - arrays of Earth data at the shell\n\nUsage: craton COMMAND [OPTION...] OPERAND...\n\n");
    for (const cr_cli_command *k = cr_cli_commands; k->name; k++)
        fprintf(out, "  %-10s %-20s %s\n", k->name, k->operands, k->summary);
    fprintf(out, "\n  craton COMMAND --help            its options\n"
                 "  craton --man [COMMAND]           its manual page, for man -l -; --man expression: the language of calc\n"
                 "  craton --completion bash|zsh     to be read by the shell: eval \"$(craton --completion bash)\"\n"
                 "  craton --version\n");
    return ferror(out) ? cr_status_exit(CR_IO) : 0;
}

/* Who types yearmean, or -yearmean,..., is told what it is here. */
static int no_command(const char *name) {
    char here[200];
    bool whole;
    const char *word = name + strspn(name, "-");
    fprintf(stderr, "craton: there is no command \"%.64s\"\n", name);
    if (cr_known_elsewhere(word, strcspn(word, ","), here, sizeof here, &whole)) {
        fprintf(stderr, whole ? "  %.*s is here: %s\n" : "  %.*s is here: craton calc '* | %s' in.nc -o out.nc\n", (int)CR_MIN(strcspn(word, ","), 60), word, here);
    } else {
        fputc('\n', stderr);
        usage(stderr);
    }
    return cr_status_exit(CR_INVALID);
}

static const cr_cli_command *find(const char *name) {
    for (const cr_cli_command *k = cr_cli_commands; k->name; k++)
        if (strcmp(name, k->name) == 0)
            return k;
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
    if (strcmp(argv[1], "--man") == 0)
        return cr_cli_page(argv[2]);
    if (strcmp(argv[1], "--completion") == 0)
        return cr_cli_completion(argv[2]);
    bool help = strcmp(argv[1], "help") == 0;
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || (help && argc == 2))
        return usage(stdout);
    const cr_cli_command *command = find(argv[help ? 2 : 1]);
    if (!command)
        return no_command(argv[help ? 2 : 1]);
    if (help) {
        char *const asked[] = {argv[2], (char[]){"--help"}, NULL};
        return command->run(command, 2, (char **)asked);
    }
    return command->run(command, argc - 1, argv + 1);
}
