/* dask_env.c - names and values of a person's variables. */
#include "platform/runner/dask_env.h"

#include "base/text.h"
#include "platform/runner/env_names.h"

cr_status cr_dask_env_name_check(const char *name, size_t n, cr_err *err) {
    const char *rule;
    if (!cr_env_name_is_right(name, n))
        return CR_FAIL(err, CR_INVALID, "environment: '%.*s' is no name of a variable (letters, digits and _, at most %d)", (int)CR_MIN(n, (size_t)64), name,
                       CR_ENV_NAME_MAX);
    if (!cr_env_name_may_set(CR_ENV_PERSON, name, n, &rule))
        return CR_FAIL(err, CR_INVALID, "environment: %.*s is set by the platform and cannot be given", (int)n, name);
    return CR_OK;
}

cr_status cr_dask_env_value_check(const char *name, const char *value, size_t n, cr_err *err) {
    bool right = cr_text_is_utf8(value, n);
    for (size_t i = 0; right && i < n; i++)
        right = (unsigned char)value[i] >= 0x20 && value[i] != 0x7F;
    if (!right)
        return CR_FAIL(err, CR_INVALID, "environment: the value of %.64s has control characters or is not UTF-8", name);
    return CR_OK;
}

bool cr_dask_env_next(const char **at, const char **ret_line, size_t *ret_n) {
    const char *end = strchr(*at, '\n');
    if (!end)
        return false;
    *ret_line = *at;
    *ret_n = (size_t)(end - *at);
    *at = end + 1;
    return true;
}

cr_status cr_dask_env_check(const char *lines, cr_err *err) {
    const char *at = lines, *line;
    size_t n, count = 0, length = strlen(lines);
    if (length && lines[length - 1] != '\n')
        return CR_FAIL(err, CR_INVALID, "environment: the last line has no end");
    while (cr_dask_env_next(&at, &line, &n)) {
        const char *equals = memchr(line, '=', n);
        char name[CR_ENV_NAME_MAX + 1];
        if (!equals || ++count > CR_DASK_ENV_MOST)
            return CR_FAIL(err, CR_INVALID, "environment: a line is not NAME=VALUE, or there are more than %d", CR_DASK_ENV_MOST);
        size_t k = (size_t)(equals - line);
        CR_TRY(cr_dask_env_name_check(line, k, err));
        memcpy(name, line, k);
        name[k] = 0;
        CR_TRY(cr_dask_env_value_check(name, equals + 1, n - k - 1, err));
    }
    return CR_OK;
}

bool cr_dask_env_is_early(const char *lines) {
    const char *line;
    size_t n;
    while (cr_dask_env_next(&lines, &line, &n))
        if (cr_env_name_is_early(line, strcspn(line, "=\n")))
            return true;
    return false;
}

bool cr_dask_env_has(const char *lines, const char *name) {
    const char *line;
    size_t n, k = strlen(name);
    while (cr_dask_env_next(&lines, &line, &n))
        if (n > k && line[k] == '=' && memcmp(line, name, k) == 0)
            return true;
    return false;
}
