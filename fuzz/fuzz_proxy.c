/* fuzz_proxy.c - HAProxy's answers about its process, routes and servers: what is read can be put into a command again. */
#include "fuzz_text.h"
#include "platform/proxy/proxy_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t lines = 1, n = 0;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    char *text = fuzz_text(data, size), *rest = text;
    int64_t pid = cr_proxy_text_pid(text);
    fuzz_must(pid >= 0 && pid <= INT32_MAX);
    const char *key, *value;
    while (cr_proxy_text_map(&rest, &key, &value)) {
        fuzz_must(++n <= lines);
        fuzz_must(key > text && value > key && value + strlen(value) <= text + size);
        fuzz_must(*key && *value && !key[strcspn(key, " ;\n\r\t\\\"'#")] && !value[strcspn(value, " ;\n\r\t\\\"'#")]);
    }
    free(text);
    text = rest = fuzz_text(data, size);
    bool off;
    for (n = 0; cr_proxy_text_server(&rest, "usock", &value, &off);) {
        fuzz_must(++n <= lines);
        fuzz_must(value > text && value + strlen(value) <= text + size && strchr(value, '.'));
        fuzz_must(!value[strcspn(value, " ;\n\r\t\\\"'#/")]);
    }
    free(text);
    return 0;
}
