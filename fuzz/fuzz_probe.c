/* fuzz_probe.c - the begin of what a user's server answers, cut anywhere: a status or none, and the same for the whole and its begin. */
#include <stdio.h>
#include "fuzz_text.h"
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
    free(text);
    return 0;
}
