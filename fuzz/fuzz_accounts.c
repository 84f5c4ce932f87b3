/* fuzz_accounts.c - the helper's list of accounts: what is taken gives each account the user id of its line, and none to two. */
#include <stdio.h>
#include "fuzz_text.h"
#include "platform/runner/account.h"
#include "platform/runner/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static cr_config config = {.state_dir = "/nonexistent", .as_root = true, .uid_first = 20001, .uid_count = 20000, .account_prefix = "cr-"};
    char *text = fuzz_text(data, size), *copy = fuzz_text(data, size);
    cr_accounts *a;
    if (cr_accounts_parse(&config, text, size, "list", &a, NULL) == CR_OK) {
        int lines = 0;
        uid_t first = 0;
        for (char *rest = copy, *line; (line = strsep(&rest, "\n"));) {
            char name[64];
            long long uid;
            cr_account found;
            if (sscanf(line, "%63s %lld", name, &uid) != 2 || (strcmp(name, "next") == 0 && !lines))
                continue;
            fuzz_must(cr_account_is_valid(name) && cr_account_find(a, name, &found, NULL) == CR_OK && found.uid == (uid_t)uid);
            fuzz_must(found.gid == found.uid && !strstr(found.home, ".."));
            fuzz_must(!lines || found.uid != first);
            if (!lines++)
                first = found.uid;
        }
        cr_accounts_close(a);
    }
    free(copy);
    free(text);
    return 0;
}
