/* rechunk_command.c - `craton rechunk SOURCE DESTINATION`: the same data in other chunks. */
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/text.h"
#include "cli/cli.h"

enum { MOST_DIMS = 64 };

typedef struct chunking {
    char *text;                       /* names lie in it */
    const char *dims[MOST_DIMS];
    int64_t chunks[MOST_DIMS];
    int n;
} chunking;

/* "time=-1,lat=32,lon=32" */
static cr_status parse_chunks(const char *text, chunking *c, cr_err *err) {
    if (!text)
        return CR_OK;
    c->text = strdup(text);
    if (!c->text)
        return CR_FAIL(err, CR_MEMORY, "out of memory");
    char *rest = c->text;
    for (char *word; (word = strsep(&rest, ","));) {
        char *equals = strrchr(word, '=');
        if (!equals || equals == word || c->n == MOST_DIMS || cr_parse_int(equals + 1, -1, INT64_MAX, &c->chunks[c->n], NULL) != CR_OK) {
            cr_status status = CR_FAIL(err, CR_INVALID, "\"%.80s\" does not say how many elements a chunk has along a dimension", word);
            cr_err_hint(err, "for instance --chunks time=-1,lat=32,lon=32 (-1: the whole dimension)");
            return status;
        }
        *equals = 0;
        c->dims[c->n++] = word;
    }
    return CR_OK;
}

/* ---- Ctrl-C, and how far it is ---- */

static cr_context *running;
static void interrupted(int signal_number) {
    (void)signal_number;
    cr_context_cancel(running);
}

static void show_progress(void *user, double done, double total, int phase, int n_phases) {
    (void)user;
    (void)phase;
    (void)n_phases;
    fprintf(stderr, "\r%5.1f %%", total > 0 ? 100 * done / total : 100);
    if (done >= total)
        fputc('\n', stderr);
    fflush(stderr);
}

static cr_status report(const cr_rechunk_report *r, cr_err *err) {
    if (r->n_kept)
        fprintf(stderr, "%lld of %lld chunks were finished before.\n", (long long)r->n_kept, (long long)r->n_chunks);
    if (r->n_staged)
        fprintf(stderr, "%d of %d variables went through an intermediate store.\n", r->n_staged, r->n_variables);
    else if (r->most_reads > 1.25)
        fprintf(stderr, "Chunks of the source were read %.1f times; with more memory it is fewer.\n", r->most_reads);
    return ferror(stderr) ? CR_FAIL(err, CR_IO, "cannot write the report") : CR_OK;
}

static cr_status rechunk(char **operands, const cr_rechunk_options *options, const cr_context_options *limits, cr_err *err) {
    cr_context *context = NULL;
    cr_rechunk_report done;
    CR_TRY(cr_context_new(limits, &context, err));
    struct sigaction action = {.sa_handler = interrupted}, before;
    running = context;
    sigemptyset(&action.sa_mask);
    action.sa_flags = (int)SA_RESETHAND;  /* a second Ctrl-C ends at once */
    sigaction(SIGINT, &action, &before);
    cr_status status = cr_rechunk(operands[0], operands[1], options, context, &done, err);
    sigaction(SIGINT, &before, NULL);
    cr_context_free(context);
    return status == CR_OK ? report(&done, err) : status;
}

int cr_cli_rechunk(const cr_cli_command *self, int argc, char **argv) {
    bool help = false, quiet = false;
    const char *chunks = NULL;
    cr_rechunk_options options = {0};
    cr_context_options limits = {.simd_level = -1};
    int64_t threads = 0, level = 0;
    const cr_option rows[] = {
        {'c', "chunks", "DIM=N,...", "elements per chunk; -1: the whole dimension; others as stored", CR_OPTION_TEXT, &chunks},
        {'f', "format", "NAME", "zarr3 (default), zarr2, netcdf4", CR_OPTION_TEXT, &options.format},
        {0, "codec", "NAME", "zstd, lz4, deflate or none", CR_OPTION_TEXT, &options.codec},
        {0, "level", "N", "of the codec", CR_OPTION_INT, &level},
        {0, "shuffle", NULL, "shuffle bytes before the codec named", CR_OPTION_FLAG, &options.shuffle},
        {'g', "group", "PATH", "group of the source, for instance a/b", CR_OPTION_TEXT, &options.group},
        {'m', "memory", "SIZE", "limit, for instance 256M", CR_OPTION_BYTES, &limits.memory_limit_bytes},
        {'t', "threads", "N", "0: all CPUs that may be used", CR_OPTION_INT, &threads},
        {0, "overwrite", NULL, "replace what is at the destination", CR_OPTION_FLAG, &options.overwrite},
        {0, "resume", NULL, "go on with what a killed run left", CR_OPTION_FLAG, &options.resume},
        {'q', "quiet", NULL, "no progress", CR_OPTION_FLAG, &quiet},
        {'h', "help", NULL, "this text", CR_OPTION_FLAG, &help},
        {0},
    };
    cr_err err = CR_ERR_INIT;
    chunking c = {0};
    int first = 0;
    if (cr_option_parse(rows, argc, argv, &first, &err) != CR_OK)
        return cr_cli_fail(&err);
    if (help)
        return cr_cli_help(self, rows);
    cr_status status = CR_OK;
    if (argc - first != 2) {
        status = CR_FAIL(&err, CR_INVALID, "rechunk needs a source and a destination");
        cr_err_hint(&err, "craton rechunk SOURCE DESTINATION --chunks time=-1,lat=32,lon=32   (craton rechunk --help)");
    } else if (level < 0 || level > 22 || threads < 0 || threads > 1024) {
        status = CR_FAIL(&err, CR_INVALID, "a level is 0 to 22, threads are 0 to 1024");
    } else {
        status = parse_chunks(chunks, &c, &err);
    }
    if (status == CR_OK) {
        options.n = c.n;
        options.dims = c.dims;
        options.chunks = c.chunks;
        options.level = (int)level;
        limits.threads = (int)threads;
        limits.progress = !quiet && isatty(STDERR_FILENO) ? show_progress : NULL;
        status = rechunk(argv + first, &options, &limits, &err);
    }
    free(c.text);
    return status == CR_OK ? 0 : cr_cli_fail(&err);
}
