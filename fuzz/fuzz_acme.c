/* fuzz_acme.c - certificates, keys and lists as the helper reads them for ACME: two texts, divided by a NUL. What is believed is for our domain and
 * good now, and what is looked at needs no second look. */
#include "fuzz_text.h"
#include "platform/daemon/acme_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const cr_config config = {.domain = "hub.example.org"};
    enum { NOW = 1767312000 };
    static cr_acme_names names;
    char *first = fuzz_text(data, size), thumbprint[44];
    const char *second = strlen(first) < size ? first + strlen(first) + 1 : "";
    cr_acme_wanted(&config, second, &names);
    fuzz_must(names.n >= 1 && names.n <= CR_ACME_NAMES_MAX && strcmp(names.at[0], config.domain) == 0);
    cr_acme_need need = cr_acme_look(first, &names, NOW);
    if (cr_acme_check_pair(first, second, config.domain, NOW, NULL) == CR_OK) {
        const cr_acme_names own = {.n = 1, .at = {"hub.example.org"}};
        fuzz_must(cr_acme_look(first, &own, NOW) != CR_ACME_NAME);
    }
    fuzz_must(need == cr_acme_look(first, &names, NOW));
    if (cr_acme_thumbprint(second, thumbprint, NULL) == CR_OK)
        fuzz_must(strlen(thumbprint) == 43);
    free(first);
    return 0;
}
