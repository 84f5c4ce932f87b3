/* reference.h - references of kerchunk (JSON, versions 0 and 1): which bytes of which files are the values of a Zarr hierarchy.
 *
 * Source: "References specification" of kerchunk, and what fsspec's ReferenceFileSystem does where that is silent. Version 0 is one
 * object, key -> value; version 1 puts it under "refs", beside "templates" (texts by name) and "gen" (references made by counting). A value is
 * text (also "base64:..."), an object (kept as JSON text), [url], or [url, offset, length].
 *
 * What a URL may be (docs/decisions/0020): a file on this machine, absolute, "file://...", or relative to the folder of the JSON. Others are
 * CR_UNSUPPORTED when the references are opened. Within the rights of the caller a reference may name any file; cr_file_target tells which.
 *
 * Expressions between {{ and }}: names, integers, texts, + - * // %, "%02d" % i, parentheses, and calls of templates with named arguments. Jinja's
 * statements and filters are CR_UNSUPPORTED. A name that is not defined is an error, where Jinja would write nothing.
 */
#ifndef CR_ENGINE_FORMAT_REFERENCE_H
#define CR_ENGINE_FORMAT_REFERENCE_H

#include <jansson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "engine/format/model.h"

enum {
    CR_REFERENCE_URL_MAX = 4096,
    CR_REFERENCE_DEPTH_MAX = 8,       /* templates that call templates, and parentheses */
    CR_REFERENCES_MAX = 1 << 23,      /* after expansion */
    CR_REFERENCE_COUNTERS_MAX = 16,   /* dimensions of one row of "gen" */
};

/* A value that expressions can name. */
typedef struct cr_reference_name {
    const char *name;
    const char *text;             /* NULL: an integer */
    int64_t number;
} cr_reference_name;

/* What an expression sees: names (searched from the front), then the templates of the file (object of texts, or NULL). */
typedef struct cr_reference_scope {
    const cr_reference_name *names;
    int n;
    const json_t *templates;
} cr_reference_scope;

/* Appends text with what is between {{ and }} replaced by its value. The arena holds what lies between. CR_FORMAT, CR_UNSUPPORTED, CR_LIMIT. */
cr_status cr_reference_expand(const char *text, const cr_reference_scope *scope, cr_arena *arena, cr_buf *out, cr_err *err) CR_MUST_USE;

/* Opens references that were parsed: fills in f. path: of the JSON. What cr_file_open calls for files that begin with '{'. */
cr_status cr_reference_open_json(const char *path, const json_t *root, const cr_open_options *options, cr_file *f, cr_err *err) CR_MUST_USE;

#endif
