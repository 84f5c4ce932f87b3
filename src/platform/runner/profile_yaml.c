/* profile_yaml.c - events of libyaml become a tree. */
#include "platform/runner/profile_yaml.h"

#include <stdio.h>
#include <yaml.h>
#include "base/text.h"

typedef struct builder {
    const char *name;
    cr_arena *arena;
    yaml_parser_t parser;
    cr_yaml *stack[CR_YAML_DEPTH_MAX], *root;
    cr_yaml *key[CR_YAML_DEPTH_MAX];      /* read, its value not yet */
    int depth, nodes, documents;
} builder;

cr_status cr_yaml_fail(const char *name, int line, int column, cr_status status, cr_err *err, const char *fmt, ...) {
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    cr_text_clean(text);
    return CR_FAIL(err, status, "%s:%d:%d: %s", name, line, column, text);
}

static cr_status fail_at(const builder *b, yaml_mark_t m, cr_status status, cr_err *err, const char *why) {
    return cr_yaml_fail(b->name, (int)m.line + 1, (int)m.column + 1, status, err, "%s", why);
}

/* Into the map or list that is open, or as the root. */
static cr_status place(builder *b, cr_yaml *node, yaml_mark_t at, cr_err *err) {
    if (!b->depth) {
        b->root = node;
        return CR_OK;
    }
    cr_yaml *into = b->stack[b->depth - 1], **key = &b->key[b->depth - 1];
    if (into->kind == CR_YAML_MAP && !*key) {
        if (node->kind != CR_YAML_TEXT)
            return fail_at(b, at, CR_INVALID, err, "a key must be a word");
        for (const cr_yaml *o = into->first; o; o = o->next)
            if (strcmp(o->key->text, node->text) == 0)
                return cr_yaml_fail(b->name, node->line, node->column, CR_INVALID, err, "'%.60s' is there already, in line %d", node->text, o->key->line);
        *key = node;
        return CR_OK;
    }
    node->key = into->kind == CR_YAML_MAP ? *key : NULL;
    *key = NULL;
    *(into->last ? &into->last->next : &into->first) = node;
    into->last = node;
    into->n++;
    return CR_OK;
}

static cr_status add(builder *b, const yaml_event_t *e, cr_yaml_kind kind, cr_err *err) {
    const yaml_char_t *anchor = e->type == YAML_SCALAR_EVENT ? e->data.scalar.anchor : e->type == YAML_SEQUENCE_START_EVENT ? e->data.sequence_start.anchor
                                : e->data.mapping_start.anchor;
    const yaml_char_t *tag = e->type == YAML_SCALAR_EVENT ? e->data.scalar.tag : e->type == YAML_SEQUENCE_START_EVENT ? e->data.sequence_start.tag
                             : e->data.mapping_start.tag;
    if (anchor)
        return fail_at(b, e->start_mark, CR_INVALID, err, "anchors (&name) are not used here; write it out");
    if (tag)
        return fail_at(b, e->start_mark, CR_INVALID, err, "tags (!name) are not used here");
    if (++b->nodes > CR_YAML_NODES_MAX)
        return fail_at(b, e->start_mark, CR_LIMIT, err, "the file has too many parts");
    cr_yaml *node = cr_arena_alloc(b->arena, sizeof *node);
    if (!node)
        return fail_at(b, e->start_mark, CR_MEMORY, err, "the file is too large for its memory");
    *node = (cr_yaml){.kind = kind, .line = (int)e->start_mark.line + 1, .column = (int)e->start_mark.column + 1};
    if (kind == CR_YAML_TEXT) {
        const char *text = (const char *)e->data.scalar.value;
        if (strlen(text) != e->data.scalar.length || !cr_text_is_utf8(text, e->data.scalar.length))
            return fail_at(b, e->start_mark, CR_INVALID, err, "this text is not UTF-8, or has a NUL");
        node->text = cr_arena_strndup(b->arena, text, e->data.scalar.length);
        if (!node->text)
            return fail_at(b, e->start_mark, CR_MEMORY, err, "the file is too large for its memory");
    }
    CR_TRY(place(b, node, e->start_mark, err));
    if (kind == CR_YAML_TEXT)
        return CR_OK;
    if (b->depth == CR_YAML_DEPTH_MAX)
        return fail_at(b, e->start_mark, CR_LIMIT, err, "too deep: one thing in another in another");
    b->key[b->depth] = NULL;
    b->stack[b->depth++] = node;
    return CR_OK;
}

static cr_status take(builder *b, const yaml_event_t *e, cr_err *err) {
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        return ++b->documents > 1 ? fail_at(b, e->start_mark, CR_INVALID, err, "a second document (---) begins here; one file is one document")
                                  : CR_OK;
    case YAML_ALIAS_EVENT:
        return fail_at(b, e->start_mark, CR_INVALID, err, "references (*name) are not used here; write it out");
    case YAML_SCALAR_EVENT:
        return add(b, e, CR_YAML_TEXT, err);
    case YAML_SEQUENCE_START_EVENT:
        return add(b, e, CR_YAML_LIST, err);
    case YAML_MAPPING_START_EVENT:
        return add(b, e, CR_YAML_MAP, err);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        b->depth--;
        return CR_OK;
    default:
        return CR_OK;
    }
}

static cr_status next(builder *b, yaml_event_t *e, cr_err *err) {
    if (yaml_parser_parse(&b->parser, e))
        return CR_OK;
    yaml_mark_t at = b->parser.problem_mark;
    if (b->parser.error == YAML_MEMORY_ERROR)
        return CR_FAIL(err, CR_MEMORY, "no memory to read %s", b->name);
    if (b->parser.error == YAML_READER_ERROR) {   /* it tells an offset only */
        char why[120];
        snprintf(why, sizeof why, "%s, at byte %zu of the file", b->parser.problem ? b->parser.problem : "not readable", b->parser.problem_offset);
        return fail_at(b, b->parser.mark, CR_INVALID, err, why);
    }
    return fail_at(b, at, CR_INVALID, err, b->parser.problem ? b->parser.problem : "this is not YAML");
}

cr_status cr_yaml_parse(const char *name, const char *text, size_t n, cr_arena *arena, cr_yaml **ret_root, cr_err *err) {
    builder b = {.name = name, .arena = arena};
    cr_status status = CR_OK;
    if (!yaml_parser_initialize(&b.parser))
        return CR_FAIL(err, CR_MEMORY, "no memory to read %s", name);
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, n);
    for (bool end = false; status == CR_OK && !end;) {
        yaml_event_t e;
        status = next(&b, &e, err);
        if (status != CR_OK)
            break;
        end = e.type == YAML_STREAM_END_EVENT;
        status = take(&b, &e, err);
        yaml_event_delete(&e);
    }
    yaml_parser_delete(&b.parser);
    if (status == CR_OK)
        *ret_root = b.root;
    return status;
}
