/* fuzz_text.h - for targets whose subject is a text that the parser changes: a copy with a NUL behind, exactly as long as the input, so
 * that a byte read too far is noticed. */
#ifndef CR_FUZZ_TEXT_H
#define CR_FUZZ_TEXT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline char *fuzz_text(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    if (!text)
        abort();
    memcpy(text, data, size);
    text[size] = 0;
    return text;
}

static inline void fuzz_must(int truth) {
    if (!truth)
        abort();
}

#endif
