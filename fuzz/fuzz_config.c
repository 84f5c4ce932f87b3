/* fuzz_config.c - the file of settings, and HAProxy's configuration that is written from it: what is taken cannot add a line there. */
#include "fuzz_text.h"
#include "base/text.h"
#include "platform/daemon/config.h"
#include "platform/daemon/haproxy_config.h"

static size_t lines_of(const cr_config *c) {
    cr_auto_buf cr_buf out;
    cr_buf_init(&out, 256 << 10);
    fuzz_must(cr_haproxy_config(c, 20000, &out, NULL) == CR_OK);
    size_t n = 0;
    for (const char *p = out.data; *p; p++)
        n += *p == '\n';
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const start[][2] = {{"bind", "127.0.0.1"}, {"port", "8000"}, {"state", "/s"}, {"run", "/r"}, {"prefix", "/p"},
                                           {"memory", "1G"}, {"pids", "1024"}, {"uid-first", "20001"}, {"uid-count", "20000"}};
    char *text = fuzz_text(data, size);
    cr_config c;
    cr_err err = CR_ERR_INIT;
    memset(&c, 0, sizeof c);
    c.as_root = true;
    for (size_t i = 0; i < CR_ARRAY_LEN(start); i++)
        fuzz_must(cr_config_set(&c, start[i][0], start[i][1], &err) == CR_OK);
    if (cr_config_read(&c, text, size, "config", &err) != CR_OK)
        fuzz_must(err.message[0] != 0);
    else if (cr_config_check(&c, NULL) == CR_OK) {
        /* The number of lines follows from which settings there are, never from what they hold. */
        cr_config plain = c;
        strcpy(plain.bind, strcmp(c.bind, "::") == 0 ? "::" : strchr(c.bind, ':') ? "::1" : "127.0.0.1");
        strcpy(plain.domain, !c.domain[0] ? "" : strcmp(c.domain, "localhost") == 0 || cr_ends_with(c.domain, ".localhost") ? "localhost" : "d");
        strcpy(plain.run_dir, "/r");
        strcpy(plain.base_url, c.base_url[0] ? "/b" : "");
        strcpy(plain.tls_cert, c.tls_cert[0] ? "/c" : "");
        strcpy(plain.trusted_proxies, c.trusted_proxies[0] ? "10.0.0.1" : "");
        fuzz_must(lines_of(&c) == lines_of(&plain));
        fuzz_must(c.port >= 1 && c.port <= 65533 && c.uid_first >= 1000 && c.cpu_milli >= 0);
    }
    free(text);
    return 0;
}
