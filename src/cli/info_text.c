/* info_text.c - the summary of a file for people: dimensions, coordinates, variables, groups, attributes. */
#include <inttypes.h>
#include <string.h>
#include "base/text.h"
#include "cli/info.h"

typedef struct painter {
    const cr_info *info;
    const cr_cli_screen *screen;
    cr_buf *out;
    size_t name_width, dims_width, type_width;
} painter;

enum { NAME_MOST = 40, DIMS_MOST = 48, ATTR_MOST = 400, TARGETS_SHOWN = 5 };

static void heading(painter *p, const char *title) {
    cr_buf_addf(p->out, p->screen->colour ? "\033[1m%s:\033[0m\n" : "%s:\n", title);
}

/* Blanks until the line that began at byte `from` has `column` characters, one at least. */
static void pad_to(painter *p, size_t from, size_t column) {
    size_t now = cr_cli_columns(p->out, from);
    do
        cr_buf_addc(p->out, ' ');
    while (++now < column);
}

/* What still fits on the line; 0: anything does. */
static size_t room(const painter *p, size_t from) {
    if (!p->screen->columns)
        return 0;
    size_t used = cr_cli_columns(p->out, from);
    return used + 4 < (size_t)p->screen->columns ? (size_t)p->screen->columns - used : 4;
}

static void dims_of(const cr_variable *v, bool utf8, cr_buf *b) {
    cr_buf_addc(b, '(');
    for (int d = 0; d < v->ndim; d++) {
        cr_buf_adds(b, d ? ", " : "");
        cr_cli_text(b, v->dims[d], NAME_MOST, utf8);
    }
    cr_buf_addc(b, ')');
}

static void type_of(const cr_variable *v, bool utf8, cr_buf *b) {
    const char *meaning = cr_info_meaning(v);
    cr_buf_adds(b, v->dtype == CR_BYTES ? "bytes" : cr_dtype_name(v->dtype));
    if (v->dtype == CR_BYTES)
        cr_buf_addf(b, "%zu", v->itemsize);
    else if (strcmp(meaning, cr_dtype_name(v->dtype)) != 0)
        cr_buf_addf(b, utf8 ? " \u2192 %s" : " -> %s", meaning);
}

static void measure(painter *p) {
    cr_auto_buf cr_buf b;
    cr_buf_init(&b, 64 << 10);
    for (int i = 0; i < cr_file_n_variables(p->info->file); i++) {
        const cr_variable *v = cr_file_variable(p->info->file, i);
        cr_buf_clear(&b);
        p->name_width = CR_MAX(p->name_width, CR_MIN(cr_cli_text(&b, v->name, NAME_MOST, p->screen->utf8), NAME_MOST));
        cr_buf_clear(&b);
        dims_of(v, p->screen->utf8, &b);
        p->dims_width = CR_MAX(p->dims_width, CR_MIN(cr_cli_columns(&b, 0), DIMS_MOST));
        cr_buf_clear(&b);
        type_of(v, p->screen->utf8, &b);
        p->type_width = CR_MAX(p->type_width, cr_cli_columns(&b, 0));
    }
}

static void shape_of(const cr_variable *v, const int64_t *extents, cr_buf *b) {
    for (int d = 0; d < v->ndim; d++)
        cr_buf_addf(b, "%s%" PRId64, d ? " x " : "", extents[d]);
}

/* Storage of a data variable: chunks, compression, bytes when unpacked into memory. */
static void storage(const cr_variable *v, cr_buf *b) {
    char size[16];
    int64_t n = 0;
    if (v->chunks && v->ndim > 0) {
        cr_buf_adds(b, "chunks ");
        shape_of(v, v->chunks, b);
        cr_buf_adds(b, "  ");
    }
    if (v->compression[0])
        cr_buf_addf(b, "%s  ", v->compression);
    if (cr_product(v->shape, v->ndim, &n) && v->itemsize)
        cr_buf_adds(b, cr_text_bytes((uint64_t)n * v->itemsize, size, sizeof size));
}

static void values_of(painter *p, const cr_variable *v, cr_buf *b) {
    cr_info_values values;
    cr_info_read_values(p->info, v, &values);
    int64_t length = v->ndim ? v->shape[0] : 1;
    for (int i = 0; i < values.n; i++) {
        cr_buf_adds(b, i == 0 ? "" : i == CR_INFO_SHOWN - 1 && length > CR_INFO_SHOWN ? (p->screen->utf8 ? " \u2026 " : " ... ") : " ");
        cr_buf_adds(b, values.text[i]);
    }
    const char *calendar = cr_info_text_attr(v, "calendar"), *units = cr_info_text_attr(v, "units");
    if (strcmp(cr_info_meaning(v), "datetime") == 0)
        cr_buf_addf(b, "  %s", calendar ? calendar : "standard");
    else if (units)
        cr_buf_addf(b, "  %s", units);
}

static void attributes(painter *p, const char *indent, int n, const cr_attr *(*get)(const void *from, int i), const void *from) {
    for (int i = 0; i < n; i++) {
        const cr_attr *a = get(from, i);
        size_t begin = p->out->len;
        cr_buf_adds(p->out, indent);
        cr_cli_text(p->out, a->name, NAME_MOST, p->screen->utf8);
        cr_buf_adds(p->out, ": ");
        size_t most = room(p, begin);
        cr_info_attr_value(p->out, a, most ? most : ATTR_MOST, p->screen->utf8);
        cr_buf_addc(p->out, '\n');
    }
}

static const cr_attr *attr_of_variable(const void *from, int i) { return &((const cr_variable *)from)->attrs[i]; }
static const cr_attr *attr_of_file(const void *from, int i) { return cr_file_attr(from, i); }

static void variable(painter *p, const cr_variable *v, bool coordinate) {
    size_t begin = p->out->len;
    cr_buf_adds(p->out, coordinate && cr_info_is_index(v) ? "  * " : "    ");
    cr_cli_text(p->out, v->name, NAME_MOST, p->screen->utf8);
    pad_to(p, begin, 4 + p->name_width + 2);
    dims_of(v, p->screen->utf8, p->out);
    pad_to(p, begin, 4 + p->name_width + 2 + p->dims_width + 2);
    type_of(v, p->screen->utf8, p->out);
    pad_to(p, begin, 4 + p->name_width + 2 + p->dims_width + 2 + p->type_width + 2);
    cr_auto_buf cr_buf rest;
    cr_buf_init(&rest, 64 << 10);
    if (v->problem)
        cr_buf_addf(&rest, "cannot be read: %s", v->problem);
    else if (coordinate)
        values_of(p, v, &rest);
    else
        storage(v, &rest);
    cr_cli_text(p->out, cr_buf_str(&rest), room(p, begin), p->screen->utf8);
    cr_buf_addc(p->out, '\n');
    if (p->info->all_attributes)
        attributes(p, "        ", v->n_attrs, attr_of_variable, v);
}

static void variables(painter *p, const char *title, bool coordinates) {
    bool begun = false;
    for (int i = 0; i < cr_file_n_variables(p->info->file); i++) {
        if (p->info->is_coordinate[i] != coordinates)
            continue;
        if (!begun)
            heading(p, title);
        begun = true;
        variable(p, cr_file_variable(p->info->file, i), coordinates);
    }
    if (!begun && !coordinates)
        cr_buf_addf(p->out, p->screen->colour ? "\033[1m%s:\033[0m none\n" : "%s: none\n", title);
}

static void dimensions(painter *p) {
    int n = cr_file_n_dims(p->info->file);
    cr_buf_addf(p->out, p->screen->colour ? "\033[1mDimensions:\033[0m  (" : "Dimensions:  (");
    for (int i = 0; i < n; i++) {
        const cr_dim *d = cr_file_dim(p->info->file, i);
        cr_buf_adds(p->out, i ? ", " : "");
        cr_cli_text(p->out, d->name, NAME_MOST, p->screen->utf8);
        cr_buf_addf(p->out, ": %" PRId64 "%s", d->length, d->unlimited ? " unlimited" : "");
    }
    cr_buf_adds(p->out, ")\n");
}

/* References read other files with the rights of who opens them: say which. */
static void targets(painter *p) {
    int n = 0;
    while (cr_file_target(p->info->file, n))
        n++;
    if (n == 0)
        return;
    heading(p, "Values from");
    for (int i = 0; i < CR_MIN(n, (int)TARGETS_SHOWN); i++) {
        cr_buf_adds(p->out, "    ");
        cr_cli_text(p->out, cr_file_target(p->info->file, i), 0, p->screen->utf8);
        cr_buf_addc(p->out, '\n');
    }
    if (n > TARGETS_SHOWN)
        cr_buf_addf(p->out, "    and %d more files (--json lists all)\n", n - TARGETS_SHOWN);
}

void cr_info_text(const cr_info *info, const cr_cli_screen *screen, cr_buf *out) {
    painter p = {.info = info, .screen = screen, .out = out};
    measure(&p);
    if (screen->colour)
        cr_buf_adds(out, "\033[1m");
    cr_cli_text(out, info->path, 0, screen->utf8);
    cr_buf_adds(out, screen->colour ? "\033[0m" : "");
    cr_buf_addf(out, "  (%s%s", cr_file_format(info->file), info->group ? ", group " : "");
    if (info->group)
        cr_cli_text(out, info->group, 0, screen->utf8);
    cr_buf_adds(out, ")\n");
    dimensions(&p);
    variables(&p, "Coordinates", true);
    variables(&p, "Data variables", false);
    int n = cr_file_n_groups(info->file);
    if (n > 0) {
        heading(&p, "Groups");
        for (int i = 0; i < n; i++) {
            cr_buf_adds(out, "    ");
            cr_cli_text(out, cr_file_group(info->file, i), 0, screen->utf8);
            cr_buf_addc(out, '\n');
        }
    }
    targets(&p);
    if (cr_file_n_attrs(info->file) > 0) {
        heading(&p, "Attributes");
        attributes(&p, "    ", cr_file_n_attrs(info->file), attr_of_file, info->file);
    }
}
