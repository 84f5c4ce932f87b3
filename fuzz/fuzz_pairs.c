/* fuzz_pairs.c - forms, cookies, percent-coding and routes over any bytes: bounded, valid UTF-8, and what is encoded decodes to itself. */
#include <stdint.h>
#include <stdlib.h>
#include "base/text.h"
#include "platform/http/pairs.h"
#include "platform/http/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void nothing(struct cr_request *req) { (void)req; }

static void check(const cr_pairs *p) {
    if (p->n < 0 || p->n > CR_PAIRS_MAX)
        abort();
    for (int i = 0; i < p->n; i++)
        if (!cr_pairs_get(p, p->at[i].name) || cr_pairs_count(p, p->at[i].name) < 1)
            abort();
}

static void round_trip(const char *text) {
    cr_auto_arena cr_arena a;
    cr_auto_buf cr_buf b;
    cr_arena_init(&a, 1 << 22);
    cr_buf_init(&b, 1 << 21);
    cr_percent_encode(&b, text, NULL);
    const char *back;
    if (cr_percent_decode(&a, cr_buf_str(&b), b.len, false, &back, NULL) == CR_OK && strcmp(back, text) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const cr_route routes[] = {
        {CR_GET, "/hub/:a/x/:b", CR_ROUTE_PAGE, CR_CSRF_NONE, nothing}, {CR_GET, "/hub/:a/*", CR_ROUTE_PAGE, CR_CSRF_NONE, nothing}, {0}};
    cr_auto_arena cr_arena a;
    cr_arena_init(&a, 1 << 20);
    cr_pairs form = {0}, cookies = {0};
    if (cr_pairs_parse_form(&a, (const char *)data, size, &form, NULL) == CR_OK)
        for (int i = 0; i < form.n; i++) {
            if (!cr_text_is_utf8(form.at[i].value, strlen(form.at[i].value)))
                abort();
            round_trip(form.at[i].value);
        }
    check(&form);
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    (void)!cr_pairs_parse_cookies(&a, text, &cookies, NULL);
    check(&cookies);
    cr_route_match m;
    (void)!cr_route_find(routes, CR_GET, text, &a, &m, NULL);
    free(text);
    return 0;
}
