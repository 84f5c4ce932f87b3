/* basic.c - base64 of NAME:TOKEN. */
#include "platform/gateway/basic.h"

#include <sodium.h>
#include <string.h>
#include <strings.h>

enum { TEXT_MAX = CR_NAME_MAX + 1 + CR_TOKEN_LEN };

static const char scheme[] = "Basic ";

bool cr_is_basic(const char *value) {
    return value && strncasecmp(value, scheme, sizeof scheme - 2) == 0 && (value[sizeof scheme - 2] == ' ' || !value[sizeof scheme - 2]);
}

bool cr_basic_read(const char *value, cr_basic *ret_basic) {
    unsigned char text[TEXT_MAX + 1];
    size_t n;
    if (!cr_is_basic(value))
        return false;
    const char *coded = value + sizeof scheme - 2 + strspn(value + sizeof scheme - 2, " ");
    if (sodium_base642bin(text, TEXT_MAX, coded, strlen(coded), NULL, &n, NULL, sodium_base64_VARIANT_ORIGINAL) != 0)
        return false;
    text[n] = 0;
    const char *colon = memchr(text, ':', n), *end = (const char *)text + n;
    if (!colon || colon == (const char *)text || colon - (const char *)text > CR_NAME_MAX || end - (colon + 1) != CR_TOKEN_LEN ||
        memchr(text, 0, n) || !cr_token_is_wellformed(colon + 1)) {
        explicit_bzero(text, sizeof text);
        return false;
    }
    memset(ret_basic, 0, sizeof *ret_basic);
    memcpy(ret_basic->name, text, (size_t)(colon - (const char *)text));
    memcpy(ret_basic->token, colon + 1, CR_TOKEN_LEN);
    explicit_bzero(text, sizeof text);
    return true;
}

bool cr_basic_is_name_of(const cr_basic *basic, const cr_person *person) {
    char name[CR_NAME_MAX + 1];
    return strcmp(basic->name, person->account) == 0 || (cr_name_normalize(basic->name, name, NULL) == CR_OK && strcmp(name, person->name) == 0);
}
