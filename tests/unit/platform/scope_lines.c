/* scope_lines.c - prints what scopes mean, for a comparison: each line of the input is {"user", "server", "a": [...], "b": [...]}, and gives
 * {"a", "b", "both"}: expanded, expanded, and their intersection. Nobody is in any group. */
#include <stdio.h>
#include <stdlib.h>
#include "platform/identity/scope.h"

static void fill(cr_scopes *set, const json_t *texts, const cr_scope_owner *owner) {
    for (size_t i = 0; i < json_array_size(texts); i++)
        cr_scopes_add(set, json_string_value(json_array_get(texts, i)), owner);
}

int main(void) {
    char line[65536];
    while (fgets(line, sizeof line, stdin)) {
        json_t *in = json_loads(line, 0, NULL);
        const cr_scope_owner owner = {json_string_value(json_object_get(in, "user")), json_string_value(json_object_get(in, "server"))};
        cr_auto_arena cr_arena arena;
        cr_scopes a, b, both;
        cr_arena_init(&arena, 4 << 20);
        cr_scopes_init(&a, &arena);
        cr_scopes_init(&b, &arena);
        cr_scopes_init(&both, &arena);
        fill(&a, json_object_get(in, "a"), &owner);
        fill(&b, json_object_get(in, "b"), &owner);
        cr_scopes_intersect(&both, &a, &b, NULL);
        json_t *out = json_pack("{s:o, s:o, s:o}", "a", cr_scopes_list(&a), "b", cr_scopes_list(&b), "both", cr_scopes_list(&both));
        json_dumpf(out, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(out);
        json_decref(in);
    }
    return 0;
}
