/* info.h - `craton info`: what is known of a file before it is shown as text or JSON.
 *
 * Which variables are coordinates follows xarray: a variable of one dimension that has its name (an index), and what a
 * "coordinates" attribute names.
 */
#ifndef CR_CLI_INFO_H
#define CR_CLI_INFO_H

#include "cli/cli.h"

enum { CR_INFO_SHOWN = 3 };       /* values: the first two and the last */

typedef struct cr_info_values {
    int n;                        /* 0: none were read */
    char text[CR_INFO_SHOWN][64];
} cr_info_values;

typedef struct cr_info {
    const cr_file *file;
    cr_context *context;
    const char *path, *group;
    bool all_attributes;
    bool *is_coordinate;          /* per variable */
} cr_info;

bool cr_info_is_index(const cr_variable *v);
const char *cr_info_text_attr(const cr_variable *v, const char *name);     /* NULL: not there, or not text */
double cr_info_number_attr(const cr_variable *v, const char *name, double otherwise);
/* What a number of the variable means: its type after unpacking ("float32"), or "datetime". */
const char *cr_info_meaning(const cr_variable *v);
/* Reads a few values of a variable of at most one dimension, unpacked, times as dates. What cannot be read is left out: info is
 * also for damaged files. */
void cr_info_read_values(const cr_info *info, const cr_variable *v, cr_info_values *ret_values);
void cr_info_attr_value(cr_buf *b, const cr_attr *a, size_t most, bool utf8);

void cr_info_text(const cr_info *info, const cr_cli_screen *screen, cr_buf *out);
cr_status cr_info_json(const cr_info *info, cr_buf *out, cr_err *err) CR_MUST_USE;

/* Reads the values of all variables of numbers, in one pass. */
cr_status cr_info_stats(cr_context *context, const char *path, const char *group, bool json, const cr_cli_screen *screen, cr_buf *out,
                        cr_err *err) CR_MUST_USE;

#endif
