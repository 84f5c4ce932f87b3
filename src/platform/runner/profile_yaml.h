/* profile_yaml.h - inside runner/: the part of YAML that profiles.yaml may use, as a tree that knows its lines and columns.
 *
 * libyaml reads; here is refused what is legal YAML and makes a file mean other than it seems to: a key twice, anchors and aliases, tags,
 * a second document, deep nesting. A scalar is its text as written ("yes", "1.0" and "~" are texts); an empty value is "".
 */
#ifndef CR_PLATFORM_RUNNER_PROFILE_YAML_H
#define CR_PLATFORM_RUNNER_PROFILE_YAML_H

#include "base/arena.h"

enum { CR_YAML_DEPTH_MAX = 12, CR_YAML_NODES_MAX = 8192 };

typedef enum cr_yaml_kind { CR_YAML_TEXT, CR_YAML_LIST, CR_YAML_MAP } cr_yaml_kind;
typedef struct cr_yaml {
    cr_yaml_kind kind;
    int line, column;             /* from 1 */
    const char *text;             /* TEXT; UTF-8 without NUL */
    struct cr_yaml *key;          /* of this node in its map; NULL elsewhere */
    struct cr_yaml *first, *last, *next;
    int n;                        /* how many are in it */
} cr_yaml;

/* The root of the one document; NULL in *ret_root when there is none (an empty file). Messages begin NAME:LINE:COLUMN. */
cr_status cr_yaml_parse(const char *name, const char *text, size_t n, cr_arena *arena, cr_yaml **ret_root, cr_err *err) CR_MUST_USE;
cr_status cr_yaml_fail(const char *name, int line, int column, cr_status status, cr_err *err, const char *fmt, ...) CR_PRINTF(6, 7);

#endif
