/* fuzz_claims.c - everything else that a provider says, over any bytes; and the settings of providers. The first byte chooses. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "platform/identity/github_text.h"
#include "platform/identity/oidc_text.h"
#include "platform/identity/user_names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static cr_provider settings(void) {
    char text[] = "preset = egi\nclient-id = hub\nallow = urn:mace:egi.eu:group:vo.example.eu:role=member#aai.egi.eu\nallow-email = @example.org\n"
                  "admin = admins\nadmin-subject = root\n";
    cr_provider p;
    if (cr_provider_parse("egi", text, &p, NULL) != CR_OK)
        abort();
    return p;
}

static void entitlement(const char *text) {
    cr_entitlement e;
    char group[CR_GROUP_NAME_MAX + 1];
    if (cr_entitlement_parse(text, &e, NULL) == CR_OK && (!e.path[0] || !e.namespace[0] || !cr_text_is_utf8(e.path, strlen(e.path))))
        abort();
    if (cr_entitlement_group(text, group) && (!group[0] || !cr_text_is_utf8(group, strlen(group))))
        abort();
    /* Whatever it is, it is no member of a group whose name does not occur in it. */
    if (cr_entitlement_matches("urn:mace:egi.eu:group:secret-group", text) && !strstr(text, "secret"))
        if (!strchr(text, '%'))
            abort();
}

static void name(const char *text) {
    char choice[CR_NAME_MAX + 1], normal[CR_NAME_MAX + 1];
    for (int n = 1; n < 12; n += 9) {
        cr_oidc_name_choice(text, n, choice);
        if (cr_name_normalize(choice, normal, NULL) != CR_OK || strcmp(choice, normal) != 0)
            abort();
    }
}

static void claims(const char *text, size_t n) {
    const cr_provider p = settings();
    json_t *value = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
    const cr_oidc_expect expect = {.nonce = "n", .access_token = "at", .alg = 1, .now_s = 1800000000};
    cr_oidc_expect asked = expect;
    cr_oidc_who who;
    asked.asked_s = expect.now_s - 100;
    if (json_is_object(value)) {
        if (cr_oidc_check_claims(&p, value, &asked, NULL) == CR_OK && cr_oidc_check_claims(&p, value, &expect, NULL) != CR_OK)
            abort();
        cr_oidc_read_who(&p, value, &who);
        if (who.n_groups < 0 || who.n_groups > CR_OIDC_GROUPS_MAX || (who.admin && !who.allowed))
            abort();
        for (int i = 0; i < who.n_groups; i++)
            entitlement(who.groups[i]);
        (void)!cr_oidc_merge_userinfo(value, text, n, NULL);
    }
    json_decref(value);
}

static void discovery(const char *text, size_t n) {
    const cr_provider p = settings();
    cr_oidc_meta m;
    if (cr_oidc_read_meta(&p, text, n, &m, NULL) == CR_OK &&
        (!cr_provider_owns(&p, m.authorize) || !cr_provider_owns(&p, m.token) || !cr_provider_owns(&p, m.keys) || !m.algs))
        abort();
}

static void logout(const char *text, size_t n) {
    const cr_provider p = settings();
    cr_oidc_logout what;
    json_t *made = json_loadb(text, n, 0, NULL);
    /* Who is signed out is somebody, and the token has a name by which it counts once. */
    if (made && cr_oidc_read_logout(&p, made, 1000, &what, NULL) == CR_OK && ((!what.subject[0] && !what.sid[0]) || !what.jti[0] || strlen(what.jti) > CR_OIDC_SUBJECT_MAX))
        abort();
    json_decref(made);
}

/* Every question gets the same answer; a person always has a number, and a group is no path further than a team. */
static void github(const char *text, size_t n) {
    json_t *made = json_object();
    for (int i = 0; i < cr_github_steps_len; i++)
        if (cr_github_take(&cr_github_steps[i], 200, text, n, made, NULL) == CR_OK && i == 0 && !json_is_string(json_object_get(made, "sub")))
            abort();
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(made, "groups"), i, one)
        if (!json_is_string(one) || strspn(json_string_value(one), "/") || json_string_length(one) > 201)
            abort();
    json_decref(made);
}

static void provider(char *text, size_t n) {
    cr_provider p;
    if (cr_provider_parse("x", text, &p, NULL) == CR_OK && cr_provider_check(&p, NULL) != CR_OK)
        abort();
    (void)!cr_provider_set_secret(&p, text, n, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1)
        return 0;
    char *text = malloc(size);
    if (!text)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    cr_arena arena;
    cr_oidc_tokens tokens;
    char origin[320];
    switch (data[0] % 8) {
    case 0: claims(text, size - 1); break;
    case 1: discovery(text, size - 1); break;
    case 2: entitlement(text); break;
    case 3:
        name(text);
        (void)!cr_url_origin(text, origin, NULL);
        break;
    case 4:
        cr_arena_init(&arena, 1 << 20);
        (void)!cr_oidc_read_tokens(200, text, size - 1, &arena, &tokens, NULL);
        cr_arena_done(&arena);
        break;
    case 6: logout(text, size - 1); break;
    case 7: github(text, size - 1); break;
    default: provider(text, size - 1);
    }
    free(text);
    return 0;
}
