/* fuzz_mail.c - what is typed as an address, a name or a mail server: no line of a mail that is not the table's, whatever it is. */
#include "fuzz_text.h"
#include "platform/identity/mail_text.h"

static int lines(const char *s) {
    int n = 0;
    for (; *s; s++) {
        n += *s == '\n';
        fuzz_must(*s != '\r' || s[1] == '\n');
        fuzz_must(*s == '\r' || *s == '\n' || ((unsigned char)*s >= ' ' && (unsigned char)*s < 0x7F));
    }
    return n;
}

static int lines_of(cr_mail_kind kind, const char *to, const char *name) {
    const cr_mail_words w = {.kind = kind, .from = "hub@x.test", .to = to, .name = name, .hub = "https://x.test", .link = "https://x.test/hub/join/0", .life = "1 day",
                             .id = "0", .date_s = 1795953845};
    cr_auto_buf cr_buf out;
    cr_buf_init(&out, CR_MAIL_TEXT_MAX);
    return cr_mail_text(&w, &out, NULL) == CR_OK ? lines(cr_buf_str(&out)) : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char address[CR_MAIL_ADDRESS_MAX + 1], again[CR_MAIL_ADDRESS_MAX + 1];
    char *text = fuzz_text(data, size);
    cr_mail_kind kind = size ? (cr_mail_kind)(data[0] % CR_MAIL_N_KINDS) : CR_MAIL_TEST;
    int plain = lines_of(kind, "a@b", "n"), named = lines_of(kind, "a@b", text);
    fuzz_must(plain > 0 && (named == -1 || named == plain));
    if (cr_mail_address(text, address, NULL) == CR_OK) {
        fuzz_must(lines_of(kind, address, "n") == plain);
        fuzz_must(cr_mail_address(address, again, NULL) == CR_OK && strcmp(address, again) == 0);
    }
    if (cr_mail_server_is_right(text))
        fuzz_must(!strpbrk(text, ",@\r\n ") && strncmp(text, "smtp", 4) == 0);
    free(text);
    return 0;
}
