/* fuzz_words.c - short texts that come with requests, or out of programs of people, over any bytes: what is shown of them is one clean line, and what is
 * read of them lies where it says. */
#include "fuzz_text.h"
#include "base/text.h"
#include "platform/gateway/versions.h"
#include "platform/hub/hub.h"
#include "platform/hub/languages.h"
#include "platform/hub/named.h"
#include "platform/hub/rest_time.h"

static void as_line(const char *text) {
    char *line = fuzz_text((const uint8_t *)text, strlen(text)), *again;
    cr_text_clean(line);
    size_t n = strlen(line);
    fuzz_must(n == strlen(text) && cr_text_is_utf8(line, n));
    for (size_t i = 0; i < n; i++) {
        const unsigned char *p = (const unsigned char *)line + i;
        fuzz_must(p[0] >= 0x20 && p[0] != 0x7F && !(p[0] == 0xC2 && p[1] < 0xA0));
    }
    fuzz_must(!strstr(line, "\xE2\x80\xAE") && !strstr(line, "\xE2\x80\xA8") && !strstr(line, "\xE2\x81\xA6"));
    again = fuzz_text((const uint8_t *)line, n);
    cr_text_clean(again);
    fuzz_must(strcmp(line, again) == 0);
    fuzz_must(!cr_named_title_is_right(text) || (n > 0 && strcmp(line, text) == 0));
    free(again);
    free(line);
}

static void as_number(const char *text) {
    int64_t n = 0, ms = 0;
    uint64_t bytes = 0;
    if (cr_parse_int(text, -5, 1000000, &n, NULL) == CR_OK)
        fuzz_must(n >= -5 && n <= 1000000);
    if (cr_parse_bytes(text, &bytes, NULL) == CR_OK)
        fuzz_must(bytes <= INT64_MAX);
    if (cr_rest_parse_time(text, &ms))
        fuzz_must(ms > -100000000000000 && ms < 1000000000000000);      /* some thousand years */
}

/* Accept-Language, and the cookie of a browser's choice. */
static void as_language(const char *text) {
    static const cr_languages all = {.at = {{.code = "en"}, {.code = "de"}, {.code = "pt-BR"}}, .n = 3};
    int i = cr_languages_accept(&all, text);
    fuzz_must(i >= -1 && i < all.n);
    if (cr_texts_is_language(text))
        fuzz_must(strlen(text) <= CR_TEXTS_LANGUAGE_MAX && !strpbrk(text, "/.;\" \r\n") && cr_languages_find(&all, text) < all.n);
}

/* The User-Agent, and what the address of a kernel of another environment says. */
static void as_versions(const char *text) {
    char python[CR_VERSION_MAX];
    cr_versions v = {0};
    if (cr_version_of_agent(text, python))
        fuzz_must(strspn(python, "0123456789.") == strlen(python));
    if (cr_versions_of_address(text, &v)) {
        const char *const found[] = {v.python, v.dask, v.distributed};
        for (size_t i = 0; i < CR_ARRAY_LEN(found); i++)
            fuzz_must(found[i][0] && strlen(found[i]) < CR_VERSION_MAX && strspn(found[i], "0123456789.") == strlen(found[i]));
    }
}

/* Where somebody wants to be after the sign-in: a path of the hub's own pages, in one piece. */
static void as_next(const char *text) {
    static const char *const bases[] = {"", "/craton"};
    for (size_t i = 0; i < CR_ARRAY_LEN(bases); i++) {
        cr_config c = {0};
        const cr_hub hub = {.config = &c};
        strcpy(c.base_url, bases[i]);
        const char *next = cr_gate_safe_next(&hub, text);
        fuzz_must(!next || (strncmp(next, "/hub/", 5) == 0 && strncmp(next, "/hub/logout", 11) != 0 && !strpbrk(next, "\\\r\n\t ")));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = fuzz_text(data, size);
    as_line(text);
    as_number(text);
    as_language(text);
    as_versions(text);
    as_next(text);
    free(text);
    return 0;
}
