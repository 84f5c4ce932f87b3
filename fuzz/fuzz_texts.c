/* fuzz_texts.c - any file as a catalogue, and any text as a sentence or as a translation: no crash, and no translation brings markup or a tag that its
 * message has not. The input up to a zero byte is a catalogue, what follows a sentence. */
#include "fuzz_text.h"
#include "platform/http/po.h"
#include "platform/http/template.h"

#define HEAD "#, c-format\nmsgid \"the %s of %s: %d\"\nmsgstr \"%2$s %1$s %3$d\"\n\n"

static int count(const char *text, const char *what) {
    int n = 0;
    for (; (text = strstr(text, what)); text += strlen(what))
        n++;
    return n;
}

/* The text as the translation of a message with a value, markup and an attribute around. */
static void as_translation(const char *text) {
    static const char message[] = "a {{v}} <b>c</b>", page[] = "<p title=\"{{v}}\">[[a {{v}} <b>c</b>]]</p>";
    cr_texts *t;
    cr_templates *set;
    cr_auto_buf cr_buf po, out;
    cr_buf_init(&po, CR_PO_BYTES_MAX);
    cr_buf_init(&out, 1 << 20);
    cr_buf_addf(&po, "msgid \"%s\"\nmsgstr \"", message);
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p >= ' ')
            cr_buf_addf(&po, *p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
    cr_buf_adds(&po, "\"\n");
    if (cr_texts_new("xx", &t, NULL) != CR_OK)
        return;
    json_t *values = json_pack("{s:s}", "v", "<i>\"");
    if (cr_texts_add(t, "f", cr_buf_str(&po), po.len, NULL, NULL, NULL, NULL) == CR_OK && cr_templates_new(t, &set, NULL) == CR_OK) {
        fuzz_must(cr_templates_add(set, "p", page, sizeof page - 1, NULL) == CR_OK);      /* what fits can be cut */
        if (cr_template_render(set, "p", values, &out, NULL) == CR_OK) {
            const char *html = cr_buf_str(&out);
            fuzz_must(count(html, "<") == 4 && count(html, ">") == 4 && count(html, "\"") == 2 && count(html, "<b>") == 1);
        }
        cr_templates_free(set);
    }
    json_decref(values);
    cr_texts_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cr_texts *t;
    cr_auto_buf cr_buf out;
    char *text = fuzz_text(data, size);
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    size_t n = zero ? (size_t)(zero - data) : size;
    char *sentence = fuzz_text(data + CR_MIN(n + 1, size), size - CR_MIN(n + 1, size));
    cr_buf_init(&out, 1 << 20);
    if (cr_texts_new("xx", &t, NULL) == CR_OK) {
        fuzz_must(cr_texts_add(t, "f", HEAD, sizeof HEAD - 1, NULL, NULL, NULL, NULL) == CR_OK);
        (void)!cr_texts_add(t, "f", (const char *)data, n, NULL, NULL, NULL, NULL);
        cr_texts_say(t, sentence, &out);
        cr_texts_say(t, text, &out);
        (void)cr_texts_form_of(t, (int64_t)size);
        cr_texts_free(t);
    }
    as_translation(sentence);
    as_translation(text);
    free(sentence);
    free(text);
    return 0;
}
