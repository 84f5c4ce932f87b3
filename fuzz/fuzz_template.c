/* fuzz_template.c - any text as a template, any text as a value: no crash, and a value never becomes markup. */
#include <stdint.h>
#include <stdlib.h>
#include "platform/http/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void as_template(const char *text, size_t n) {
    cr_templates *set;
    cr_buf out;
    if (cr_templates_new(NULL, &set, NULL) != CR_OK)
        return;
    json_t *values = json_pack("{s:s, s:[{s:i},{s:i}], s:{s:s}, s:n}", "a", "<&>", "b", "c", 1, "c", 2, "d", "e", "\"'", "f");
    cr_buf_init(&out, 1 << 20);
    if (cr_templates_add(set, "p", text, n, NULL) == CR_OK && cr_templates_check(set, NULL) == CR_OK)
        (void)!cr_template_render(set, "p", values, &out, NULL);
    cr_buf_done(&out);
    json_decref(values);
    cr_templates_free(set);
}

static void as_value(const char *text, size_t n) {
    cr_templates *set;
    cr_buf out;
    json_t *value = json_stringn(text, n);
    if (!value || cr_templates_new(NULL, &set, NULL) != CR_OK) {
        json_decref(value);
        return;
    }
    json_t *values = json_pack("{s:o}", "v", value);
    cr_buf_init(&out, 8 << 20);
    if (cr_templates_add(set, "p", "{{v}}", 5, NULL) != CR_OK || cr_template_render(set, "p", values, &out, NULL) != CR_OK ||
        strpbrk(cr_buf_str(&out), "<>\"'"))
        abort();
    cr_buf_done(&out);
    json_decref(values);
    cr_templates_free(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    as_template((const char *)data, size);
    as_value((const char *)data, size);
    return 0;
}
