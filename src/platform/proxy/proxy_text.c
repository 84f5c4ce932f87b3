/* proxy_text.c - lines and words. */
#include "platform/proxy/proxy_text.h"

#include <limits.h>
#include <string.h>
#include "base/text.h"

enum { SERVER_FIELDS = 7 };

/* Cuts the next line; NULL at the end. */
static char *next_line(char **text) {
    char *line = *text;
    if (!line || !*line)
        return NULL;
    char *end = strchr(line, '\n');
    if (end)
        *end = 0;
    *text = end ? end + 1 : line + strlen(line);
    return line;
}

/* Cuts a line into at most n words; how many there are. */
static int cut(char *line, const char **words, int n) {
    int found = 0;
    char *save;
    for (char *w = strtok_r(line, " ", &save); w && found < n; w = strtok_r(NULL, " ", &save))
        words[found++] = w;
    return found;
}

bool cr_proxy_text_is_word(const char *s) {
    for (const char *p = s; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7F || strchr(";\\\"'#", *p))
            return false;
    return *s != 0;
}

int64_t cr_proxy_text_pid(const char *info) {
    const char *at = strstr(info, "\nPid: ");
    char digits[16];
    int64_t pid;
    if (!at)
        return 0;
    at += strlen("\nPid: ");
    size_t n = strspn(at, "0123456789");
    if (n >= sizeof digits || (at[n] != '\n' && at[n] != '\r' && at[n] != 0))
        return 0;
    memcpy(digits, at, n);
    digits[n] = 0;
    return cr_parse_int(digits, 1, INT_MAX, &pid, NULL) == CR_OK ? pid : 0;
}

bool cr_proxy_text_map(char **text, const char **ret_key, const char **ret_value) {
    for (char *line; (line = next_line(text));) {
        const char *word[3];
        if (cut(line, word, 3) != 3 || !cr_starts_with(word[0], "0x") || !cr_proxy_text_is_word(word[1]) || !cr_proxy_text_is_word(word[2]))
            continue;
        *ret_key = word[1];
        *ret_value = word[2];
        return true;
    }
    return false;
}

/* be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state ... */
bool cr_proxy_text_server(char **text, const char *backend, const char **ret_name, bool *ret_in_maintenance) {
    for (char *line; (line = next_line(text));) {
        const char *word[SERVER_FIELDS];
        int64_t admin;
        if (cut(line, word, SERVER_FIELDS) != SERVER_FIELDS || strcmp(word[1], backend) != 0 || !strchr(word[3], '.') ||
            strchr(word[3], '/') || !cr_proxy_text_is_word(word[3]) || cr_parse_int(word[6], 0, INT_MAX, &admin, NULL) != CR_OK)
            continue;
        *ret_name = word[3];
        *ret_in_maintenance = admin & 1;
        return true;
    }
    return false;
}
