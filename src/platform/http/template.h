/* template.h - pages from templates: the part of mustache that we need, always escaped.
 *
 *   {{name}} {{a.b}}     the value, HTML-escaped (& < > " '): text, number; nothing for null, false and unknown names
 *   {{#name}}..{{/name}} once for true, a non-empty text, a number or an object (which becomes the scope); once per item of an array
 *   {{^name}}..{{/name}} when the section above would not be shown
 *   {{~name}}            the same value, a sentence or an amount that the program has made, in the language of the set
 *   {{>name}}            another template of the set
 *   {{!text}}            a comment
 *   [[text]]             a message: what the catalogue of the set's language has for it, tags and markup included
 *   [[?name|one|many]]   a message with a plural: the form that the number takes
 * There is no unescaped form, so a value can never become markup. Attributes in templates are written in double quotes.
 *
 * Templates are checked when loaded (balanced, known partials, no loop of partials); rendering cannot fail but for size.
 */
#ifndef CR_PLATFORM_HTTP_TEMPLATE_H
#define CR_PLATFORM_HTTP_TEMPLATE_H

#include <jansson.h>
#include "base/buf.h"
#include "platform/http/texts.h"

typedef struct cr_templates cr_templates;

/* Borrows the texts, which speak the set's language; NULL: English. */
cr_status cr_templates_new(const cr_texts *texts, cr_templates **ret_set, cr_err *err) CR_MUST_USE;
cr_status cr_templates_add(cr_templates *set, const char *name, const char *text, size_t n, cr_err *err) CR_MUST_USE;   /* copies */
cr_status cr_templates_check(const cr_templates *set, cr_err *err) CR_MUST_USE;    /* after the last add */
void cr_templates_free(cr_templates *set);

cr_status cr_template_render(const cr_templates *set, const char *name, const json_t *values, cr_buf *out, cr_err *err) CR_MUST_USE;

#endif
