/* user_names.c - names and accounts. */
#include "platform/identity/user_names.h"

#include <stdio.h>

static bool is_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

bool cr_account_is_platform_log(const char *account) {
    return strcmp(account, "cratond") == 0 || strcmp(account, "haproxy") == 0 || strcmp(account, "up") == 0;
}

/* First labels of hosts that the installation may need for itself, and names whose logs would be the platform's own. */
static bool is_reserved(const char *account) {
    static const char *const names[] = {"hub", "www", "api", "localhost", "proxy"};
    if (cr_account_is_platform_log(account))
        return true;
    for (size_t i = 0; i < CR_ARRAY_LEN(names); i++)
        if (strcmp(names[i], account) == 0)
            return true;
    return false;
}

static cr_status refuse(const char *typed, const char *why, cr_err *err) {
    char proposal[CR_ACCOUNT_MAX + 1];
    cr_account_choice(typed, 1, proposal);
    cr_status status = CR_FAIL(err, CR_INVALID, "this user name cannot be used: %s", why);
    cr_err_hint(err, "use 1 to %d of the characters a-z 0-9 . _ - @, beginning and ending with a letter or digit, for example \"%s\"",
                CR_NAME_MAX, proposal);
    return status;
}

cr_status cr_name_normalize(const char *typed, char *out, cr_err *err) {
    typed += strspn(typed, " \t\r\n");
    size_t n = strlen(typed);
    while (n && strchr(" \t\r\n", typed[n - 1]))
        n--;
    if (n == 0)
        return refuse("user", "it is empty", err);
    if (n > CR_NAME_MAX)
        return refuse(typed, "it is too long", err);
    char name[CR_NAME_MAX + 1];
    for (size_t i = 0; i < n; i++)
        name[i] = lower(typed[i]);
    name[n] = 0;
    for (size_t i = 0; i < n; i++)
        if (!is_alnum(name[i]) && !strchr("._-@", name[i]))
            return refuse(name, "it contains a character other than a-z 0-9 . _ - @", err);
    if (!is_alnum(name[0]) || !is_alnum(name[n - 1]))
        return refuse(name, "its first and last character must be a letter or a digit", err);
    /* Host names beginning so are another name in disguise (internationalised domain names). */
    if (strncmp(name, "xn--", 4) == 0)
        return refuse(name + 4, "it begins with xn--", err);
    memcpy(out, name, n + 1);
    return CR_OK;
}

void cr_account_choice(const char *name, int n, char *out) {
    char base[CR_ACCOUNT_MAX + 1], suffix[16] = "";
    size_t len = 0;
    if (name[0] && !(lower(name[0]) >= 'a' && lower(name[0]) <= 'z'))
        base[len++] = 'u';
    for (const char *p = name; *p && len < CR_ACCOUNT_MAX; p++) {
        char c = lower(*p);
        if (is_alnum(c))
            base[len++] = c;
        else if (c == '-' || (len && base[len - 1] != '-'))
            base[len++] = '-';
    }
    while (len && base[len - 1] == '-')
        len--;
    if (len == 0)
        base[len++] = 'u';
    base[len] = 0;
    if (is_reserved(base))
        n++;
    if (n > 1)
        snprintf(suffix, sizeof suffix, "-%d", n);
    size_t keep = CR_MIN(len, CR_ACCOUNT_MAX - strlen(suffix));
    snprintf(out, CR_ACCOUNT_MAX + 1, "%.*s%s", (int)keep, base, suffix);
}

bool cr_account_is_demo(const char *account) {
    return strncmp(account, "demo-", 5) == 0 && strspn(account + 5, "0123456789abcdef") == 8 && account[13] == 0;
}
