/* calc.c - `craton calc EXPRESSION IN...` and `craton explain EXPRESSION IN...`: opens, evaluates, writes or prints. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "cli/evaluate.h"
#include "cli/computing.h"
#include "cli/split.h"
#include "cli/table.h"

typedef struct calc {
    const char *text;
    char *const *paths;
    int n_paths;
    const char *output, *format, *group, *along;
    bool json, force, explain;
    cr_session_options session;
} calc;

enum { WIDEST = 100 };

/* The line of the expression with a mark below the byte, cut to what a screen shows. */
static void show_place(const char *text, int at) {
    cr_cli_screen screen;
    cr_auto_buf cr_buf b, before;
    cr_cli_screen_of(stderr, &screen);
    cr_buf_init(&b, 64 << 10);
    cr_buf_init(&before, 64 << 10);
    int begin = at, end = at;
    while (begin > 0 && text[begin - 1] != '\n' && at - begin < WIDEST)
        begin--;
    while (text[end] && text[end] != '\n' && end - at < WIDEST)
        end++;
    while (begin > 0 && begin < at && ((unsigned char)text[begin] & 0xc0) == 0x80)
        begin++;
    while (end > at && text[end] && ((unsigned char)text[end] & 0xc0) == 0x80)
        end--;
    cr_auto_free char *line = strndup(text + begin, (size_t)(end - begin)), *left = strndup(text + begin, (size_t)(at - begin));
    if (!line || !left)
        return;
    cr_cli_text(&b, line, 0, screen.utf8);
    cr_cli_text(&before, left, 0, screen.utf8);
    fprintf(stderr, "  %s\n  %*s^\n", cr_buf_str(&b), (int)cr_cli_columns(&before, 0), "");
}

/* Message, place, hint. */
int cr_cli_fail_in(const char *text, int at, cr_err *err) {
    char hint[sizeof err->hint];
    memcpy(hint, err->hint, sizeof hint);
    err->hint[0] = 0;
    int code = cr_cli_fail(err);
    show_place(text, at);
    if (*hint) {
        cr_cli_screen screen;
        cr_auto_buf cr_buf b;
        cr_cli_screen_of(stderr, &screen);
        cr_buf_init(&b, 64 << 10);
        cr_cli_text(&b, hint, 0, screen.utf8);
        fprintf(stderr, "  %s\n", cr_buf_str(&b));
    }
    return code;
}

static bool is_csv(const calc *k) {
    return k->format ? strcmp(k->format, "csv") == 0 : k->output && cr_ends_with(k->output, ".csv");
}

static const char *text_attr(cr_labelled *a, const char *name) {
    for (int k = 0; k < cr_labelled_n_attrs(a); k++) {
        const cr_attr *own = cr_labelled_attr(a, k);
        if (strcmp(own->name, name) == 0 && own->dtype == CR_STRING && own->n == 1)
            return *(const char *const *)own->values;
    }
    return NULL;
}

static bool is_written(cr_labelled *const *arrays, int n, const char *name) {
    for (int k = 0; k < n; k++)
        if (strcmp(cr_labelled_name(arrays[k]), name) == 0)
            return true;
    return false;
}

/* coord without the attribute that names its bounds. */
static cr_status without_bounds(cr_labelled *coord, cr_labelled **ret_coord, cr_err *err) {
    int n = 0;
    cr_auto_free cr_attr *attrs = calloc((size_t)cr_labelled_n_attrs(coord) + 1, sizeof *attrs);
    if (!attrs)
        return CR_FAIL(err, CR_MEMORY, "no memory for attributes");
    for (int k = 0; k < cr_labelled_n_attrs(coord); k++)
        if (strcmp(cr_labelled_attr(coord, k)->name, "bounds") != 0)
            attrs[n++] = *cr_labelled_attr(coord, k);
    return cr_labelled_with_attrs(coord, n, attrs, ret_coord, err);
}

/* Coordinates name no bounds that are not written (they may not fit any more; CDO and others complain of names that lead nowhere). */
static cr_status tidy_bounds(cr_labelled *const *arrays, int n, cr_labelled **a, cr_err *err) {
    for (int k = 0; k < cr_labelled_n_coords(*a); k++) {
        cr_labelled *coord = NULL, *plain = NULL, *next = NULL;
        CR_TRY(cr_labelled_coord(*a, cr_labelled_coord_name(*a, k), &coord, err));
        const char *bounds = text_attr(coord, "bounds");
        cr_status status = CR_OK;
        if (bounds && !is_written(arrays, n, bounds)) {
            status = without_bounds(coord, &plain, err);
            if (status == CR_OK)
                status = cr_labelled_with_coord(*a, plain, &next, err);
            if (status == CR_OK)
                cr_labelled_become(a, next);
            cr_labelled_unref(plain);
        }
        cr_labelled_unref(coord);
        CR_TRY(status);
    }
    return CR_OK;
}

/* The results, and with them the grid mappings that they name (CF 5.6). The caller unrefs all. */
static cr_status complete(const cr_inputs *in, const cr_results *r, cr_labelled **all, int *n, cr_err *err) {
    *n = 0;
    for (int k = 0; k < r->n; k++)
        all[(*n)++] = cr_labelled_ref(r->arrays[k]);
    for (int k = 0; k < r->n; k++) {
        const char *mapping = text_attr(r->arrays[k], "grid_mapping");
        cr_labelled *found = NULL;
        if (!mapping || is_written(all, *n, mapping) || cr_inputs_get(in, mapping, &found, NULL) != CR_OK)
            continue;
        if (cr_labelled_ndim(found) == 0 && cr_labelled_kind(found) == CR_KIND_NUMBERS)
            all[(*n)++] = found;
        else
            cr_labelled_unref(found);
    }
    for (int k = 0; k < r->n; k++)
        CR_TRY(tidy_bounds(all, *n, &all[k], err));
    return CR_OK;
}

/* What write_one needs beside the results. */
typedef struct writing {
    const calc *calc;
    const cr_inputs *inputs;
} writing;

static cr_status write_one(void *user, const cr_results *r, const char *path, cr_err *err) {
    const calc *k = ((const writing *)user)->calc;
    const cr_inputs *in = ((const writing *)user)->inputs;
    const cr_dataset *first = in->sets[0];
    if (!k->force && access(path, F_OK) == 0) {
        cr_status exists = CR_FAIL(err, CR_EXISTS, "%.200s exists", path);
        cr_err_hint(err, "--force replaces it.");
        return exists;
    }
    if (!r)
        return CR_OK;
    int n = cr_dataset_n_attrs(first);
    cr_auto_free cr_attr *attrs = calloc((size_t)n + 1, sizeof *attrs);
    cr_dataset *out = NULL;
    if (!attrs)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d attributes", n);
    for (int i = 0; i < n; i++)
        attrs[i] = *cr_dataset_attr(first, i);
    if (is_csv(k)) {
        cr_auto_buf cr_buf table;
        cr_buf_init(&table, CR_CLI_OUTPUT_MAX);
        CR_TRY(cr_table_csv(r, &table, err));
        return cr_file_replace(path, cr_buf_str(&table), table.len, 0644, err);
    }
    cr_write_options options = {.format = k->format ? k->format : cr_format_of_name(path), .overwrite = k->force};
    int n_all = 0;
    cr_auto_free cr_labelled **all = calloc(2 * (size_t)r->n + 1, sizeof *all);
    cr_status status = all ? complete(in, r, all, &n_all, err) : CR_FAIL(err, CR_MEMORY, "no memory for results");
    if (status == CR_OK)
        status = cr_dataset_new(in->context, n_all, all, n, attrs, &out, err);
    for (int i = 0; i < n_all; i++)
        cr_labelled_unref(all[i]);
    if (status == CR_INVALID) {           /* the engine's advice is for C */
        err->hint[0] = 0;
        cr_err_hint(err, "They do not fit into one file: write each into one of its own, or select what they have in common.");
    }
    CR_TRY(status);
    status = cr_dataset_write(out, path, &options, err);
    if (status == CR_EXISTS) {
        err->hint[0] = 0;
        cr_err_hint(err, "--force replaces it.");
    }
    cr_dataset_unref(out);
    return status;
}

/* What is read and decoded otherwise than by xarray, each variable once. */
static void explain_notes(const cr_inputs *in, const cr_results *r, cr_buf *out) {
    bool any = false;
    for (int k = 0; k < r->n_read; k++) {
        const char *note = NULL;
        for (int s = 0; s < in->n && !note; s++)
            for (int i = 0; i < cr_dataset_n_variables(in->sets[s]) && !note; i++)
                if (strcmp(cr_dataset_name(in->sets[s], i), r->read[k]) == 0)
                    note = cr_dataset_difference(in->sets[s], i);
        if (!note)
            continue;
        if (!any)
            cr_buf_adds(out, "not as xarray decodes it:\n");
        any = true;
        cr_buf_adds(out, "    ");
        cr_cli_text(out, r->read[k], 0, true);
        cr_buf_adds(out, ": ");
        cr_cli_text(out, note, 0, true);
        cr_buf_addc(out, '\n');
    }
}

static cr_status explain_results(const cr_inputs *in, const cr_results *r, cr_buf *out, cr_err *err) {
    cr_auto_free cr_array **arrays = calloc((size_t)r->n + 1, sizeof *arrays);
    char *text = NULL;
    int n = 0;
    if (!arrays)
        return CR_FAIL(err, CR_MEMORY, "no memory for %d results", r->n);
    for (int i = 0; i < r->n; i++)
        if (cr_labelled_array(r->arrays[i]))
            arrays[n++] = cr_labelled_array(r->arrays[i]);
    CR_TRY(cr_explain(in->context, n, arrays, &text, err));
    for (char *line = text, *rest; line && *line; line = rest) {
        size_t length = strcspn(line, "\n");
        rest = line[length] ? line + length + 1 : NULL;
        line[length] = 0;
        cr_cli_text(out, line, 0, true);
        cr_buf_addc(out, '\n');
    }
    cr_free(text);
    explain_notes(in, r, out);
    return CR_OK;
}

static cr_status deliver(const calc *k, const cr_inputs *in, const cr_results *r, cr_err *err) {
    cr_cli_screen screen;
    cr_auto_buf cr_buf out;
    cr_buf_init(&out, CR_CLI_OUTPUT_MAX);
    cr_cli_screen_of(stdout, &screen);
    if (r->left_out)
        fprintf(stderr, "craton: left out %d variable%s of times or text.\n", r->left_out, r->left_out == 1 ? "" : "s");
    if (k->explain)
        CR_TRY(explain_results(in, r, &out, err));
    else if (k->output)
        return cr_split_results(in->context, r, k->output, write_one, &(writing){k, in}, err);
    else
        CR_TRY(k->json     ? cr_table_json(r, &out, err)
               : is_csv(k) ? cr_table_csv(r, &out, err)
                           : cr_table_text(r, &screen, &out, err));
    return cr_cli_put(&out, err);
}

static int run(const calc *k) {
    cr_err err = CR_ERR_INIT;
    cr_auto_arena cr_arena memory;
    cr_arena_init(&memory, CR_EXPR_MEMORY);
    cr_auto_free cr_results *results = calloc(1, sizeof *results);
    cr_program program;
    cr_context *context = NULL;
    cr_inputs inputs = {0};
    int at = 0;
    if (!results) {
        (void)CR_FAIL(&err, CR_MEMORY, "no memory for results");
        return cr_cli_fail(&err);
    }
    if (cr_program_parse(k->text, &memory, &program, &at, &err) != CR_OK)
        return cr_cli_fail_in(k->text, at, &err);
    cr_status status = cr_session_begin(&k->session, &context, &err);
    if (status != CR_OK)
        return cr_cli_fail(&err);
    int code = 0;
    const cr_dataset_options how = {.group = k->group, .unreadable = cr_session_unreadable(), .odd_times_stay = true};
    status = cr_inputs_open(context, k->n_paths, k->paths, &how, k->along, &inputs, &err);
    if (status == CR_NO_FILE && k->n_paths > 1 && !k->output && access(k->paths[k->n_paths - 1], F_OK) != 0 && !err.hint[0])
        cr_err_hint(&err, "What is written is named behind -o: -o %.200s", k->paths[k->n_paths - 1]);
    for (const cr_inputs *in = &inputs; status == CR_OK && in; in = in->next)
        for (int i = 0; i < in->n; i++)
            cr_cli_note(cr_dataset_note(in->sets[i]), k->session.quiet);
    if (status == CR_OK) {
        status = cr_evaluate(&program, &inputs, results, &at, &err);
        if (status != CR_OK)
            code = cr_cli_fail_in(k->text, at, &err);
        else
            status = deliver(k, &inputs, results, &err);
    }
    if (status != CR_OK && code == 0)
        code = cr_cli_fail(&err);
    cr_results_done(results);
    cr_inputs_close(&inputs);
    cr_session_end(context);
    return code;
}

/* As of `craton plot`, files may stand first: then the last operand is no file, and the first is one. */
static void put_expression_first(int n, char **operands) {
    if (access(operands[0], F_OK) != 0 || access(operands[n - 1], F_OK) == 0)
        return;
    char *expression = operands[n - 1];
    memmove(operands + 1, operands, (size_t)(n - 1) * sizeof *operands);
    operands[0] = expression;
}

static int begin(const cr_cli_command *self, int argc, char **argv, bool explain) {
    calc k = {.explain = explain};
    bool help = false;
    const cr_option rows[] = {
        {'o', "output", "FILE", "NetCDF-4 (.nc), Zarr (.zarr), a table (.csv); {year}, {lev}, {variable} ... in it: several files; else it is printed", CR_OPTION_TEXT, &k.output},
        {'f', "format", "netcdf4|zarr3|zarr2|csv", "where the name of the file does not say it; csv is also printed", CR_OPTION_TEXT, &k.format},
        {0, "force", NULL, "replace what is there", CR_OPTION_FLAG, &k.force},
        {0, "json", NULL, "print JSON, as xarray.Dataset.from_dict reads it", CR_OPTION_FLAG, &k.json},
        {'a', "along", "DIM", "dimension along which several files are joined; else the one with times", CR_OPTION_TEXT, &k.along},
        {'g', "group", "PATH", "group of the files, for instance a/b", CR_OPTION_TEXT, &k.group},
        CR_SESSION_ROWS(k.session),
        {'h', "help", NULL, "this text", CR_OPTION_FLAG, &help},
        {0},
    };
    cr_err err = CR_ERR_INIT;
    int first = 0;
    if (cr_option_parse(rows, argc, argv, &first, &err) != CR_OK)
        return cr_cli_fail(&err);
    if (help)
        return cr_cli_help(self, rows) ?: cr_cli_verbs();
    cr_status status = CR_OK;
    if (k.output && strcmp(k.output, "-") == 0 && (k.json || is_csv(&k)))
        k.output = NULL;              /* standard output, where tables go anyway */
    if (argc - first < 2) {
        status = CR_FAIL(&err, CR_INVALID, "%s needs an expression and the name of a file", self->name);
        cr_err_hint(&err, "craton %s 'tos | monthly mean' in.nc%s   (craton %s --help)", self->name, explain ? "" : " -o out.nc",
                    self->name);
    } else if (k.output && !k.format && !is_csv(&k) && !cr_format_of_name(k.output)) {
        status = CR_FAIL(&err, CR_INVALID, "the name %.200s does not say which format it is", k.output);
        cr_err_hint(&err, strcmp(k.output, "-") == 0 ? "To standard output goes text: --format csv, --json, or a table without -o."
                                                     : "End it in .nc, .zarr or .csv, or name the format: --format netcdf4");
    } else if (k.json && k.format) {
        status = CR_FAIL(&err, CR_INVALID, "--json is a format of its own: without --format");
    } else if (k.output && k.json) {
        status = CR_FAIL(&err, CR_INVALID, "--json prints, --output writes a file: one of both");
    }
    if (status != CR_OK)
        return cr_cli_fail(&err);
    put_expression_first(argc - first, argv + first);
    k.text = argv[first];
    k.paths = argv + first + 1;
    k.n_paths = argc - first - 1;
    return run(&k);
}

int cr_cli_calc(const cr_cli_command *self, int argc, char **argv) { return begin(self, argc, argv, false); }
int cr_cli_explain(const cr_cli_command *self, int argc, char **argv) { return begin(self, argc, argv, true); }
