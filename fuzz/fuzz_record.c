/* fuzz_record.c - records of servers that the helper reads after a restart: what is taken could have been asked for, and is written as it
 * was read. */
#include "fuzz_text.h"
#include "platform/runner/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = fuzz_text(data, size);
    cr_record r, again;
    if (cr_record_parse(text, &r, NULL) == CR_OK) {
        fuzz_must(cr_account_is_valid(r.id.account) && cr_server_name_is_valid(r.id.server) && r.id.generation > 0);
        fuzz_must(r.user[0] && !strchr(r.user, '/') && r.limits.pids <= 1 << 22 && r.pid >= 0 && r.pid <= INT32_MAX && r.uid <= UINT32_MAX);
        cr_auto_buf cr_buf out, twice;
        cr_buf_init(&out, 8192);
        cr_buf_init(&twice, 8192);
        fuzz_must(cr_record_format(&r, &out, NULL) == CR_OK);
        char *copy = fuzz_text((const uint8_t *)out.data, out.len);
        fuzz_must(cr_record_parse(copy, &again, NULL) == CR_OK);
        fuzz_must(cr_record_format(&again, &twice, NULL) == CR_OK && strcmp(out.data, twice.data) == 0);
        free(copy);
    }
    free(text);
    return 0;
}
