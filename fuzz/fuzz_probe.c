/* fuzz_probe.c - the begin of what a user's server answers, cut anywhere: a status or none, and the same for the whole and its begin; and
 * what it says of its use. */
#include <stdio.h>
#include "fuzz_text.h"
#include "platform/hub/idle.h"
#include "platform/hub/lab_ask.h"
#include "platform/hub/probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = fuzz_text(data, size);
    int status = cr_probe_status(text);
    fuzz_must(status == 0 || (status >= 100 && status <= 599));
    if (status) {
        char line[16];
        snprintf(line, sizeof line, "HTTP/1.%c %d", text[7], status);
        fuzz_must(strncmp(text, line, strlen(line)) == 0);
        for (size_t n = strlen(text); n > 0; n--) {
            char *begin = fuzz_text(data, n - 1);
            int of_begin = cr_probe_status(begin);
            fuzz_must(of_begin == 0 || of_begin == status);
            free(begin);
            if (n > 64)
                n = 64;
        }
    }
    /* What a server says of its use: the same bytes three times, which is an answer of the right form for none but odd readers. */
    const char *const texts[3] = {text, text, text};
    const size_t lens[3] = {strlen(text), strlen(text), strlen(text)};
    int64_t used = 0;
    bool busy = false;
    size_t len;
    const char *body = cr_lab_ask_body(text, strlen(text), &len);
    fuzz_must(!body || (body >= text && body + len == text + strlen(text)));
    fuzz_must(!cr_idle_read(texts, lens, 1000, 500, &used, &busy));     /* no text is an object and an array */
    const char *const kernels[3] = {"{}", text, "[]"};
    const size_t kernel_lens[3] = {2, strlen(text), 2};
    if (cr_idle_read(kernels, kernel_lens, 1000, 500, &used, &busy))
        fuzz_must(used >= 0 && used <= 1000 && (!busy || used == 1000));
    free(text);
    return 0;
}
