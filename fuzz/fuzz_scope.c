/* fuzz_scope.c - scopes of tokens over any text of UTF-8: lines, every other one against the rest. */
#include "fuzz_text.h"
#include "base/text.h"
#include "platform/identity/role.h"
#include "platform/identity/scope.h"
#include "platform/identity/service.h"

static bool same_length(void *arg, const char *group, const char *user) { return strlen(group) == strlen(user); }

static void subset(const cr_scopes *part, const cr_scopes *whole, const cr_scope_members *members) {
    for (int s = 0; s < CR_SCOPE_COUNT; s++) {
        fuzz_must(!part->at[s].all || cr_scopes_allow(whole, (cr_scope)s, CR_SCOPE_ANY, NULL, members));
        for (const cr_scope_filter *f = part->at[s].filters; f; f = f->next)
            fuzz_must(cr_scopes_allow(whole, (cr_scope)s, f->kind, f->value, members));
    }
}

/* The same bytes as the settings of a service: what is taken is right as a record, and holds nothing that is for people. */
static void as_service(const uint8_t *data, size_t size) {
    char *text = fuzz_text(data, size);
    cr_service s;
    if (cr_service_parse("x", text, &s, NULL) == CR_OK) {
        fuzz_must(cr_service_check(&s, NULL) == CR_OK);
        for (int i = 0; i < s.n_scopes; i++)
            fuzz_must(strncmp(s.scopes[i], "self", 4) != 0 && strncmp(s.scopes[i], "inherit", 7) != 0);
        for (int i = 0; i < s.n_allowed; i++)
            fuzz_must(strncmp(s.allowed[i], "inherit", 7) != 0);
        fuzz_must(s.redirect[0] ? !strpbrk(s.redirect, "?#") : !s.n_allowed && !s.no_confirm);
    }
    free(text);
}

/* And as the settings of a role. */
static void as_role(const uint8_t *data, size_t size) {
    char *text = fuzz_text(data, size);
    cr_role r;
    if (cr_role_parse("x", text, &r, NULL) == CR_OK) {
        fuzz_must(cr_role_check(&r, NULL) == CR_OK);
        for (int i = 0; i < r.n_scopes; i++)
            fuzz_must(strncmp(r.scopes[i], "inherit", 7) != 0);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    as_service(data, size);
    as_role(data, size);
    const cr_scope_owner owner = {"ann", size % 2 ? "ann/gpu" : NULL, NULL};
    const cr_scope_members members = {same_length, NULL};
    char *text = fuzz_text(data, size), *save;
    cr_arena arena;
    cr_scopes set[2], both;
    cr_arena_init(&arena, 4 << 20);
    cr_scopes_init(&set[0], &arena);
    cr_scopes_init(&set[1], &arena);
    cr_scopes_init(&both, &arena);
    int n = 0;
    for (char *line = strtok_r(text, "\n", &save); line && n < CR_SCOPE_TEXTS_MAX; line = strtok_r(NULL, "\n", &save), n++) {
        if (!cr_text_is_utf8(line, strlen(line)))
            continue;         /* they come out of JSON */
        bool good = cr_scope_check(line, NULL) == CR_OK;
        int before = set[n % 2].n_filters;
        cr_scopes_add(&set[n % 2], line, &owner);
        fuzz_must(good || strlen(line) > CR_SCOPE_VALUE_MAX || set[n % 2].n_filters == before);
    }
    cr_scopes_intersect(&both, &set[0], &set[1], &members);
    /* Nothing is gained by an intersection, and what is listed means what it meant. */
    if (!both.failed) {
        subset(&both, &set[0], &members);
        subset(&both, &set[1], &members);
        cr_scopes again;
        cr_scopes_init(&again, &arena);
        json_t *list = cr_scopes_list(&both);
        for (size_t i = 0; i < json_array_size(list); i++)
            cr_scopes_add(&again, json_string_value(json_array_get(list, i)), &owner);
        if (json_array_size(list) && !again.failed)
            subset(&both, &again, &members);
        json_decref(list);
    }
    cr_arena_done(&arena);
    free(text);
    return 0;
}
