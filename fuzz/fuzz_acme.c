/* fuzz_acme.c - certificates, keys and lists as the helper reads them for ACME: a byte that chooses, then two texts divided by a NUL. What is believed is
 * for our domain and good now. */
#include "fuzz_text.h"
#include "platform/daemon/acme_files.h"

enum { NOW = 1767312000 };
static const cr_config config = {.domain = "hub.example.org"};

static void list(const char *cert, const char *accounts) {
    static cr_acme_names names;
    cr_acme_wanted(&config, accounts, &names);
    fuzz_must(names.n >= 1 && names.n <= CR_ACME_NAMES_MAX && strcmp(names.at[0], config.domain) == 0);
    (void)cr_acme_look(cert, &names, NOW);
}

static void pair(const char *cert, const char *key) {
    static const cr_acme_names own = {.n = 1, .at = {"hub.example.org"}};
    if (cr_acme_check_pair(cert, key, config.domain, NOW, NULL) == CR_OK)
        fuzz_must(cr_acme_look(cert, &own, NOW) != CR_ACME_NAME);
}

static void account(const char *key) {
    char thumbprint[44];
    if (cr_acme_thumbprint(key, thumbprint, NULL) == CR_OK)
        fuzz_must(strlen(thumbprint) == 43);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1)
        return 0;
    char *first = fuzz_text(data + 1, size - 1);
    const char *second = strlen(first) < size - 1 ? first + strlen(first) + 1 : "";
    switch (data[0] % 3) {
    case 0: list(first, second); break;
    case 1: pair(first, second); break;
    default: account(first);
    }
    free(first);
    return 0;
}
