/* rechunk_command.c - `craton rechunk` and `craton convert SOURCE DESTINATION`: the same data in other chunks, in the other format. */
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "cli/computing.h"

enum { MOST_DIMS = 64 };

typedef struct chunking {
    char *text;                       /* names lie in it */
    const char *dims[MOST_DIMS];
    int64_t chunks[MOST_DIMS];
    int n;
} chunking;

typedef struct naming {
    char *text;                       /* names lie in it */
    const char **names;
    int n;
} naming;

/* "tos,sos" */
static cr_status parse_names(const char *text, naming *v, cr_err *err) {
    if (!text)
        return CR_OK;
    v->text = strdup(text);
    v->names = calloc(strlen(text) + 1, sizeof *v->names);
    if (!v->text || !v->names)
        return CR_FAIL(err, CR_MEMORY, "out of memory");
    char *rest = v->text;
    for (char *word; (word = strsep(&rest, ","));)
        if (*word)
            v->names[v->n++] = word;
    return v->n ? CR_OK : CR_FAIL(err, CR_INVALID, "--variables names none");
}

/* "time=-1,lat=32,lon=32", of --chunks or --shards */
static cr_status parse_sizes(const char *text, const char *what, chunking *c, cr_err *err) {
    if (!text)
        return CR_OK;
    c->text = strdup(text);
    if (!c->text)
        return CR_FAIL(err, CR_MEMORY, "out of memory");
    char *rest = c->text;
    for (char *word; (word = strsep(&rest, ","));) {
        char *equals = strrchr(word, '=');
        if (!equals || equals == word || c->n == MOST_DIMS || cr_parse_int(equals + 1, -1, INT64_MAX, &c->chunks[c->n], NULL) != CR_OK) {
            cr_status status = CR_FAIL(err, CR_INVALID, "\"%.80s\" does not say how many elements a %s has along a dimension", word, what);
            cr_err_hint(err, "for instance --%ss time=-1,lat=32,lon=32 (-1: the whole dimension)", what);
            return status;
        }
        *equals = 0;
        c->dims[c->n++] = word;
    }
    return CR_OK;
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

static cr_status copy(char **operands, const cr_rechunk_options *options, const cr_session_options *session, cr_err *err) {
    cr_context *context = NULL;
    cr_rechunk_report done;
    CR_TRY(cr_session_begin(session, &context, err));
    cr_rechunk_options how = *options;
    how.unreadable = cr_session_unreadable();
    cr_status status = cr_rechunk(operands[0], operands[1], &how, context, &done, err);
    cr_session_end(context);
    return status == CR_OK ? report(&done, err) : status;
}

static cr_status check(const cr_cli_command *self, bool convert, int n, char **operands, const cr_rechunk_options *o, cr_err *err) {
    cr_status status = CR_OK;
    if (n != 2) {
        status = CR_FAIL(err, CR_INVALID, "%s needs a source and a destination", self->name);
        cr_err_hint(err, "craton %s   (craton %s --help)", convert ? "convert in.nc out.zarr" :
                    "rechunk SOURCE DESTINATION --chunks time=-1,lat=32,lon=32", self->name);
    } else if (convert && !o->format && !cr_format_of_name(operands[1])) {
        status = CR_FAIL(err, CR_INVALID, "the name %.200s does not say which format it is", operands[1]);
        cr_err_hint(err, "End it in .nc or .zarr, or name the format: --format netcdf4");
    }
    return status;
}

/* convert is rechunk with the format from the name, and chunks as they are. */
static int begin(const cr_cli_command *self, int argc, char **argv, bool convert) {
    bool help = false;
    const char *chunks = NULL, *shards = NULL, *variables = NULL;
    cr_rechunk_options options = {0};
    cr_session_options session = {0};
    int64_t level = 0;
    const cr_option rows[] = {
        {'c', "chunks", "DIM=N,...", "elements per chunk; -1: the whole dimension; others as stored", CR_OPTION_TEXT, &chunks},
        {0, "shards", "DIM=N,...", "Zarr 3: whole chunks in one file each, elements along dimensions; -1: the whole dimension", CR_OPTION_TEXT, &shards},
        {'v', "variables", "NAME,...", "only these, with their coordinates", CR_OPTION_TEXT, &variables},
        {'f', "format", "netcdf4|zarr3|zarr2", convert ? "where the name does not say it" : "zarr3 if it is not said", CR_OPTION_TEXT, &options.format},
        {0, "codec", "zstd|lz4|deflate|none", "how values are compressed; else as in the source, but for deflate from NetCDF to Zarr", CR_OPTION_TEXT, &options.codec},
        {0, "level", "N", "of the codec", CR_OPTION_INT, &level},
        {0, "shuffle", NULL, "shuffle bytes before the codec named", CR_OPTION_FLAG, &options.shuffle},
        {'g', "group", "PATH", "group of the source, for instance a/b", CR_OPTION_TEXT, &options.group},
        {0, convert ? "force" : "overwrite", NULL, "replace what is at the destination", CR_OPTION_FLAG, &options.overwrite},
        {0, "resume", NULL, "go on with what a killed run left", CR_OPTION_FLAG, &options.resume},
        CR_SESSION_ROWS(session),
        {'h', "help", NULL, "this text", CR_OPTION_FLAG, &help},
        {0},
    };
    cr_err err = CR_ERR_INIT;
    chunking c = {0}, larger = {0};
    naming v = {0};
    int first = 0;
    if (cr_option_parse(rows, argc, argv, &first, &err) != CR_OK)
        return cr_cli_fail(&err);
    if (help)
        return cr_cli_help(self, rows);
    cr_status status = check(self, convert, argc - first, argv + first, &options, &err);
    if (status == CR_OK && (level < 0 || level > 22))
        status = CR_FAIL(&err, CR_INVALID, "a level is 0 to 22");
    if (status == CR_OK && level > 0 && !options.codec) {
        status = CR_FAIL(&err, CR_INVALID, "--level is that of a codec, and none is named");
        cr_err_hint(&err, "for instance --codec zstd --level %d", (int)level);
    }
    if (status == CR_OK)
        status = parse_sizes(chunks, "chunk", &c, &err);
    if (status == CR_OK)
        status = parse_sizes(shards, "shard", &larger, &err);
    if (status == CR_OK)
        status = parse_names(variables, &v, &err);
    if (status == CR_OK) {
        options.n = c.n;
        options.dims = c.dims;
        options.chunks = c.chunks;
        options.n_shards = larger.n;
        options.shard_dims = larger.dims;
        options.shards = larger.chunks;
        options.n_variables = v.n;
        options.variables = v.names;
        options.level = (int)level;
        if (convert && !options.format)
            options.format = cr_format_of_name(argv[first + 1]);
        status = copy(argv + first, &options, &session, &err);
        if (status == CR_EXISTS && convert) {
            err.hint[0] = 0;
            cr_err_hint(&err, "--force replaces it.");
        }
    }
    free(c.text);
    free(larger.text);
    free(v.text);
    free(v.names);
    return status == CR_OK ? 0 : cr_cli_fail(&err);
}

int cr_cli_rechunk(const cr_cli_command *self, int argc, char **argv) { return begin(self, argc, argv, false); }
int cr_cli_convert(const cr_cli_command *self, int argc, char **argv) { return begin(self, argc, argv, true); }
