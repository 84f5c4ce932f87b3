/* fuzz_device.c - the cookie that says who has signed in with a browser: nobody is found in what the hub did not make, and a new cookie
 * made from any old one is well-formed. */
#include "fuzz_text.h"
#include "platform/identity/device.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const cr_secret secret = {"the key of this target, 32 bytes"};
    const int64_t now = 1900000000;
    char *text = fuzz_text(data, size);
    char id[CR_DEVICE_ID_LEN + 1] = "", made[CR_DEVICE_COOKIE_MAX + 1], again[CR_DEVICE_COOKIE_MAX + 1];
    fuzz_must(!cr_device_find(&secret, text, "ada", now, id));
    cr_device_renew(&secret, text, "ada", now, made);
    size_t n = strlen(made);
    fuzz_must((n + 1) % (CR_DEVICE_ENTRY_LEN + 1) == 0 && strspn(made, "0123456789abcdef.") == n);
    fuzz_must(cr_device_find(&secret, made, "ada", now, id) && strlen(id) == CR_DEVICE_ID_LEN);
    fuzz_must(!cr_device_find(&secret, made, "mallory", now, id));
    cr_device_renew(&secret, made, "mallory", now, again);
    fuzz_must(cr_device_find(&secret, again, "ada", now, id) && cr_device_find(&secret, again, "mallory", now, id));
    free(text);
    return 0;
}
