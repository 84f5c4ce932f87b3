/* fuzz_people.c - lists of people that administrators paste: whatever is in them, each row is short enough for what it is shown or sent as. */
#include "fuzz_text.h"
#include "base/text.h"
#include "platform/identity/people_list.h"

static cr_status look(void *user, const cr_people_line *line, cr_err *err) {
    int *last = user;
    char name[CR_NAME_MAX + 1];
    size_t n = strlen(line->label);
    fuzz_must(line->number > *last);
    *last = line->number;
    fuzz_must(line->name[0] || line->label[0]);
    fuzz_must(n < sizeof line->label && cr_text_is_utf8(line->label, n) && !strpbrk(line->label, "\r\n\t"));
    fuzz_must(strlen(line->address) <= CR_MAIL_ADDRESS_MAX + 1 && strlen(line->name) <= CR_NAME_MAX + 1);
    if (cr_name_normalize(line->name, name, NULL) == CR_OK)
        fuzz_must(strlen(name) <= CR_NAME_MAX);
    return CR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = fuzz_text(data, size);
    bool columns = false;
    int last = 0;
    cr_err err = CR_ERR_INIT;
    if (cr_people_list_read(text, look, &last, &columns, &err) != CR_OK)
        fuzz_must(err.status == CR_INVALID || err.status == CR_LIMIT);
    free(text);
    return 0;
}
