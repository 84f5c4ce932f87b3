/* plot_command.c - `craton plot FILE [EXPRESSION]`: opens, evaluates, draws. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "cli/canvas.h"
#include "cli/computing.h"
#include "cli/picture.h"

typedef struct plotting {
    char *const *path;
    const char *text;             /* NULL: the first variable */
    const char *output, *group, *title, *low, *high;
    bool svg, ascii, force;
    int64_t width, bins;
    cr_plot_options options;
    cr_session_options session;
} plotting;

static cr_status put_file(const plotting *k, const cr_buf *b, cr_err *err) {
    if (!k->force && access(k->output, F_OK) == 0) {
        cr_err_set(err, CR_EXISTS, __FILE__, __LINE__, "%.200s exists", k->output);
        cr_err_hint(err, "--force replaces it.");
        return CR_EXISTS;
    }
    return cr_file_replace(k->output, cr_buf_str(b), b->len, 0644, err);
}

static cr_status draw(const plotting *k, cr_context *c, cr_labelled *a, cr_err *err) {
    cr_plot plot;
    cr_cli_screen screen;
    cr_auto_buf cr_buf out;
    cr_cli_screen_of(stdout, &screen);
    cr_buf_init(&out, CR_CLI_OUTPUT_MAX);
    CR_TRY(cr_plot_make(c, a, &k->options, &plot, err));
    if (k->title)
        snprintf(plot.title, sizeof plot.title, "%s", k->title);
    cr_status status = k->output ? cr_picture_file(&plot, k->svg, (int)k->width, &out, err) : cr_picture_text(&plot, &screen, k->ascii, &out, err);
    cr_plot_done(&plot);
    CR_TRY(status);
    return k->output ? put_file(k, &out, err) : cr_cli_put(&out, err);
}

/* The only result, or the variable that is drawn when none is named. */
static cr_status find(const plotting *k, const cr_program *program, const cr_inputs *in, cr_results *r, cr_labelled **ret_array, int *at,
                      cr_err *err) {
    const char *name;
    if (!k->text) {
        *at = -1;
        CR_TRY(cr_plot_choose(in->sets[0], &name, err));
        return cr_inputs_get(in, name, ret_array, err);
    }
    CR_TRY(cr_evaluate(program, in, r, at, err));
    *at = -1;
    if (r->n != 1) {
        cr_err_set(err, CR_INVALID, __FILE__, __LINE__, "the expression has %d results; a picture shows one", r->n);
        cr_err_hint(err, "Name one variable, for instance: craton plot FILE %.60s", r->n ? cr_labelled_name(r->arrays[0]) : "tos");
        return CR_INVALID;
    }
    *ret_array = cr_labelled_ref(r->arrays[0]);
    return CR_OK;
}

static int run(const plotting *k) {
    cr_err err = CR_ERR_INIT;
    cr_auto_arena cr_arena memory;
    cr_arena_init(&memory, CR_EXPR_MEMORY);
    cr_auto_free cr_results *results = calloc(1, sizeof *results);
    cr_program program = {0};
    cr_context *context = NULL;
    cr_inputs inputs = {0};
    cr_dataset_options how = {.group = k->group, .odd_times_stay = true};
    cr_labelled *array = NULL;
    int at = 0;
    if (!results) {
        (void)CR_FAIL(&err, CR_MEMORY, "no memory for results");
        return cr_cli_fail(&err);
    }
    if (k->text && cr_program_parse(k->text, &memory, &program, &at, &err) != CR_OK)
        return cr_cli_fail_in(k->text, at, &err);
    if (cr_session_begin(&k->session, &context, &err) != CR_OK)
        return cr_cli_fail(&err);
    at = -1;
    cr_status status = cr_inputs_open(context, 1, k->path, &how, NULL, &inputs, &err);
    if (status == CR_OK)
        status = find(k, &program, &inputs, results, &array, &at, &err);
    if (status == CR_OK)
        status = draw(k, context, array, &err);
    int code = status == CR_OK ? 0 : at >= 0 ? cr_cli_fail_in(k->text, at, &err) : cr_cli_fail(&err);
    cr_labelled_unref(array);
    cr_results_done(results);
    cr_inputs_close(&inputs);
    cr_session_end(context);
    return code;
}

static cr_status read_limit(const char *text, const char *option, bool *ret_has, double *ret_value, cr_err *err) {
    char *end;
    if (!text)
        return CR_OK;
    *ret_value = cr_parse_real(text, &end);
    *ret_has = end != text && !*end && isfinite(*ret_value);
    return *ret_has ? CR_OK : CR_FAIL(err, CR_INVALID, "--%s is a number, and \"%.60s\" is none", option, text);
}

static cr_status check(plotting *k, const cr_cli_command *self, int n_operands, cr_err *err) {
    if (n_operands < 1 || n_operands > 2) {
        cr_err_set(err, CR_INVALID, __FILE__, __LINE__, "%s needs the name of a file, and an expression if not the first variable is meant", self->name);
        cr_err_hint(err, "craton plot in.nc 'tos | mean time' -o tos.png   (craton plot --help)");
        return CR_INVALID;
    }
    k->svg = k->output && cr_ends_with(k->output, ".svg");
    if (k->output && !k->svg && !cr_ends_with(k->output, ".png")) {
        cr_err_set(err, CR_INVALID, __FILE__, __LINE__, "the name %.200s does not say which kind of picture it is", k->output);
        cr_err_hint(err, "End it in .png or .svg.");
        return CR_INVALID;
    }
    if (k->output && k->ascii)
        return CR_FAIL(err, CR_INVALID, "--ascii is for the terminal, --output writes a file: one of both");
    if (k->width < 200 || k->width > CR_PLOT_CELLS_MOST)
        return CR_FAIL(err, CR_INVALID, "the width of a picture is 200 to %d pixels", CR_PLOT_CELLS_MOST);
    if (k->bins < 0 || k->bins > CR_PLOT_BINS_MOST)
        return CR_FAIL(err, CR_INVALID, "a histogram has 1 to %d bins", CR_PLOT_BINS_MOST);
    CR_TRY(read_limit(k->low, "low", &k->options.has_low, &k->options.low, err));
    CR_TRY(read_limit(k->high, "high", &k->options.has_high, &k->options.high, err));
    k->options.bins = (int)k->bins;
    k->options.histogram = k->options.histogram || k->bins > 0;
    k->options.most = (int)CR_MAX(k->width, 1024);
    return CR_OK;
}

int cr_cli_plot(const cr_cli_command *self, int argc, char **argv) {
    plotting k = {.width = CR_PICTURE_POINTS};
    bool help = false;
    const cr_option rows[] = {
        {'o', "output", "FILE", "picture, PNG (.png) or SVG (.svg); without it the terminal shows it", CR_OPTION_TEXT, &k.output},
        {0, "force", NULL, "replace what is there", CR_OPTION_FLAG, &k.force},
        {0, "hist", NULL, "how often values are, instead of where", CR_OPTION_FLAG, &k.options.histogram},
        {'b', "bins", "N", "of a histogram", CR_OPTION_INT, &k.bins},
        {0, "low", "VALUE", "the first colour; least value of a line or a histogram", CR_OPTION_TEXT, &k.low},
        {0, "high", "VALUE", "the last colour; largest value of a line or a histogram", CR_OPTION_TEXT, &k.high},
        {0, "title", "TEXT", "in place of the name of the variable", CR_OPTION_TEXT, &k.title},
        {'w', "width", "PIXELS", "of the picture; 960 if it is not named", CR_OPTION_INT, &k.width},
        {0, "ascii", NULL, "in the terminal nothing but ASCII", CR_OPTION_FLAG, &k.ascii},
        {'g', "group", "PATH", "group of the file, for instance a/b", CR_OPTION_TEXT, &k.group},
        CR_SESSION_ROWS(k.session),
        {'h', "help", NULL, "this text", CR_OPTION_FLAG, &help},
        {0},
    };
    cr_err err = CR_ERR_INIT;
    int first = 0;
    if (cr_option_parse(rows, argc, argv, &first, &err) != CR_OK)
        return cr_cli_fail(&err);
    if (help)
        return cr_cli_help(self, rows);
    if (check(&k, self, argc - first, &err) != CR_OK)
        return cr_cli_fail(&err);
    /* In either order, as of `craton calc`. */
    bool last = argc - first == 2 && access(argv[first], F_OK) != 0 && access(argv[first + 1], F_OK) == 0;
    k.path = argv + first + last;
    k.text = argc - first > 1 ? argv[first + !last] : NULL;
    return run(&k);
}
