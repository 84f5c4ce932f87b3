/* info.c - `craton info FILE...`: opens each file and shows it. */
#include "cli/info.h"

#include <stdlib.h>
#include <string.h>

bool cr_info_is_index(const cr_variable *v) { return v->ndim == 1 && strcmp(v->name, v->dims[0]) == 0; }

/* Marks the variables that a "coordinates" attribute names, words between blanks. */
static void mark_named(const cr_info *info, const char *names) {
    int n = cr_file_n_variables(info->file);
    for (const char *at = names; *at;) {
        size_t length = strcspn(at, " \t\n");
        for (int i = 0; length > 0 && i < n; i++) {
            const char *name = cr_file_variable(info->file, i)->name;
            if (strlen(name) == length && memcmp(name, at, length) == 0)
                info->is_coordinate[i] = true;
        }
        at += length;
        at += strspn(at, " \t\n");
    }
}

static void find_coordinates(const cr_info *info) {
    for (int i = 0; i < cr_file_n_variables(info->file); i++) {
        const cr_variable *v = cr_file_variable(info->file, i);
        const char *names = cr_info_text_attr(v, "coordinates");
        if (names)
            mark_named(info, names);
        if (cr_info_is_index(v))
            info->is_coordinate[i] = true;
    }
    const cr_attr *global = NULL;
    for (int i = 0; i < cr_file_n_attrs(info->file); i++)
        if (strcmp(cr_file_attr(info->file, i)->name, "coordinates") == 0)
            global = cr_file_attr(info->file, i);
    if (global && global->dtype == CR_STRING && global->n == 1)
        mark_named(info, *(const char *const *)global->values);
}

/* Variables, then dimensions that are none of them. */
static void add_names(const cr_file *f, bool utf8, cr_buf *out) {
    for (int i = 0; i < cr_file_n_variables(f); i++) {
        cr_cli_text(out, cr_file_variable(f, i)->name, 0, utf8);
        cr_buf_addc(out, '\n');
    }
    for (int i = 0; i < cr_file_n_dims(f); i++) {
        const char *dim = cr_file_dim(f, i)->name;
        bool known = false;
        for (int k = 0; k < cr_file_n_variables(f) && !known; k++)
            known = strcmp(cr_file_variable(f, k)->name, dim) == 0;
        if (known)
            continue;
        cr_cli_text(out, dim, 0, utf8);
        cr_buf_addc(out, '\n');
    }
}

static cr_status show(const char *path, const char *group, bool all_attributes, bool json, bool names, const cr_cli_screen *screen, cr_context *context,
                      cr_err *err) {
    cr_open_options options = {.group = group};
    cr_file *file = NULL;
    CR_TRY(cr_file_open(path, &options, &file, err));
    cr_info info = {.file = file, .context = context, .path = path, .group = group, .all_attributes = all_attributes};
    info.is_coordinate = calloc((size_t)cr_file_n_variables(file) + 1, sizeof *info.is_coordinate);
    cr_auto_buf cr_buf out;
    cr_buf_init(&out, CR_CLI_OUTPUT_MAX);
    cr_status status = CR_OK;
    if (!info.is_coordinate) {
        status = CR_FAIL(err, CR_MEMORY, "out of memory");
    } else {
        find_coordinates(&info);
        if (names)
            add_names(file, screen->utf8, &out);
        else if (json)
            status = cr_info_json(&info, &out, err);
        else
            cr_info_text(&info, screen, &out);
    }
    if (status == CR_OK)
        status = cr_cli_put(&out, err);
    free(info.is_coordinate);
    cr_file_close(file);
    return status;
}

static cr_status show_stats(const char *path, const char *group, bool json, const cr_cli_screen *screen, cr_context *context, cr_err *err) {
    cr_auto_buf cr_buf out;
    cr_buf_init(&out, CR_CLI_OUTPUT_MAX);
    CR_TRY(cr_info_stats(context, path, group, json, screen, &out, err));
    return cr_cli_put(&out, err);
}

int cr_cli_info(const cr_cli_command *self, int argc, char **argv) {
    bool json = false, attributes = false, names = false, stats = false, help = false;
    const char *group = NULL;
    const cr_option rows[] = {
        {'a', "attrs", NULL, "also the attributes of every variable", CR_OPTION_FLAG, &attributes},
        {'g', "group", "PATH", "look into a group, for instance a/b", CR_OPTION_TEXT, &group},
        {0, "json", NULL, "one JSON object per file", CR_OPTION_FLAG, &json},
        {0, "names", NULL, "nothing but the names of variables and dimensions, one a line", CR_OPTION_FLAG, &names},
        {'s', "stats", NULL, "how many values are there and missing, and the least, mean and largest; reads all of them", CR_OPTION_FLAG, &stats},
        {'h', "help", NULL, "this text", CR_OPTION_FLAG, &help},
        {0},
    };
    cr_err err = CR_ERR_INIT;
    int first = 0, code = 0;
    if (cr_option_parse(rows, argc, argv, &first, &err) != CR_OK)
        return cr_cli_fail(&err);
    if (help)
        return cr_cli_help(self, rows);
    if (first >= argc) {
        cr_err_set(&err, CR_INVALID, __FILE__, __LINE__, "info needs the name of a file");
        cr_err_hint(&err, "Usage: craton info FILE...   (craton info --help)");
        return cr_cli_fail(&err);
    }
    cr_context *context = NULL;
    if (cr_context_new(NULL, &context, &err) != CR_OK)
        return cr_cli_fail(&err);
    cr_cli_screen screen;
    cr_cli_screen_of(stdout, &screen);
    /* One file that cannot be read does not keep the others from being shown; the first failure gives the exit code. */
    for (int i = first; i < argc; i++) {
        cr_err one = CR_ERR_INIT;
        if (i > first && !json && !names)
            putchar('\n');
        if ((stats ? show_stats(argv[i], group, json, &screen, context, &one)
                   : show(argv[i], group, attributes, json, names, &screen, context, &one)) != CR_OK) {
            int failed = cr_cli_fail(&one);
            code = code ? code : failed;
        }
    }
    cr_context_free(context);
    return code;
}
