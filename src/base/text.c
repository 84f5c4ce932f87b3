/* text.c - numbers to text for people, and back with checks. */
#include "base/text.h"

#include <ctype.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

char *cr_text_bytes(uint64_t bytes, char *buf, size_t size) {
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double v = (double)bytes;
    int u = 0;
    while (v >= 1024 && u < 5) {
        v /= 1024;
        u++;
    }
    snprintf(buf, size, u == 0 || v >= 100 ? "%.0f %s" : "%.1f %s", v, unit[u]);
    return buf;
}

char *cr_text_duration(int64_t ms, char *buf, size_t size) {
    if (ms < 1000)
        snprintf(buf, size, "%d ms", (int)ms);
    else if (ms < 60000)
        snprintf(buf, size, "%.1f s", (double)ms / 1000);
    else if (ms < 3600000)
        snprintf(buf, size, "%d min %d s", (int)(ms / 60000), (int)(ms / 1000 % 60));
    else
        snprintf(buf, size, "%lld h %d min", (long long)(ms / 3600000), (int)(ms / 60000 % 60));
    return buf;
}

static int add_unit(char *buf, size_t size, int64_t n, const char *unit) {
    return snprintf(buf, size, "%lld %s%s", (long long)n, unit, n == 1 ? "" : "s");
}

char *cr_text_span(int64_t ms, char *buf, size_t size) {
    int64_t s = (ms + 500) / 1000, min = (s + 30) / 60;
    if (s < 90) {
        add_unit(buf, size, s, "second");
    } else if (min < 120) {
        int n = min >= 60 ? add_unit(buf, size, 1, "hour") : 0;
        if (min % 60 || min < 60)
            add_unit(buf + n + (n > 0), size - (size_t)n - (n > 0), min % 60, "minute");
        if (n && min % 60)
            buf[n] = ' ';
    } else if (min < 48 * 60) {
        add_unit(buf, size, (min + 30) / 60, "hour");
    } else {
        add_unit(buf, size, (min + 12 * 60) / (24 * 60), "day");
    }
    return buf;
}

double cr_parse_real(const char *text, char **ret_end) {
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);     /* of glibc and musl a constant: no memory, no file */
    double v = c ? strtod_l(text, ret_end, c) : strtod(text, ret_end);
    if (c)
        freelocale(c);
    return v;
}

cr_status cr_parse_bytes(const char *text, uint64_t *ret_bytes, cr_err *err) {
    char *end;
    errno = 0;
    double v = cr_parse_real(text, &end);
    if (end == text || errno || !(v >= 0))
        return CR_FAIL(err, CR_INVALID, "'%s' is not a size; write for example 512M or 48G", text);
    while (isspace((unsigned char)*end))
        end++;
    static const struct { const char *name; double factor; } units[] = {
        {"", 1}, {"b", 1},
        {"k", 0x1p10}, {"m", 0x1p20}, {"g", 0x1p30}, {"t", 0x1p40},
        {"kib", 0x1p10}, {"mib", 0x1p20}, {"gib", 0x1p30}, {"tib", 0x1p40},
        {"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12},
    };
    for (size_t i = 0; i < CR_ARRAY_LEN(units); i++) {
        if (strcasecmp(end, units[i].name) == 0) {
            v *= units[i].factor;
            if (v >= 0x1p63)
                return CR_FAIL(err, CR_RANGE, "'%s' is too large a size", text);
            *ret_bytes = (uint64_t)v;
            return CR_OK;
        }
    }
    return CR_FAIL(err, CR_INVALID, "'%s': unknown unit '%s'; use K, M, G or T", text, end);
}

cr_status cr_parse_int(const char *text, int64_t min, int64_t max, int64_t *ret_value, cr_err *err) {
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (end == text || *end || isspace((unsigned char)*text))
        return CR_FAIL(err, CR_INVALID, "'%s' is not a whole number", text);
    if (errno == ERANGE || v < min || v > max)
        return CR_FAIL(err, CR_RANGE, "%s is not between %lld and %lld", text, (long long)min, (long long)max);
    *ret_value = v;
    return CR_OK;
}

bool cr_text_is_utf8(const char *s, size_t n) {
    const unsigned char *p = (const unsigned char *)s, *end = p + n;
    while (p < end) {
        unsigned c = *p++;
        int more = c < 0x80 ? 0 : c >= 0xC2 && c < 0xE0 ? 1 : c >= 0xE0 && c < 0xF0 ? 2 : c >= 0xF0 && c < 0xF5 ? 3 : -1;
        if (more < 0 || end - p < more)
            return false;
        if ((c == 0xE0 && p[0] < 0xA0) || (c == 0xED && p[0] > 0x9F) || (c == 0xF0 && p[0] < 0x90) || (c == 0xF4 && p[0] > 0x8F))
            return false;
        while (more--)
            if ((*p++ & 0xC0) != 0x80)
                return false;
    }
    return true;
}

size_t cr_text_fit(const char *s, size_t n, size_t most) {
    if (n <= most)
        return n;
    while (most && ((unsigned char)s[most] & 0xC0) == 0x80)
        most--;
    return most;
}

bool cr_starts_with(const char *s, const char *prefix) {
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool cr_ends_with(const char *s, const char *suffix) {
    size_t n = strlen(s), k = strlen(suffix);
    return n >= k && memcmp(s + n - k, suffix, k) == 0;
}

bool cr_product(const int64_t *extents, int n, int64_t *ret_product) {
    int64_t p = 1;
    bool zero = false;
    for (int i = 0; i < n; i++) {
        if (extents[i] < 0)
            return false;
        zero |= extents[i] == 0;
    }
    if (!zero)
        for (int i = 0; i < n; i++)
            if (__builtin_mul_overflow(p, extents[i], &p))
                return false;
    *ret_product = zero ? 0 : p;
    return true;
}

/* What steers a terminal or turns round what is read, of valid UTF-8: C1 (U+0080 to U+009F, of which U+009B begins commands), separators of lines
 * and directions of writing (U+2028 to U+202E, U+2066 to U+2069). */
size_t cr_text_steers(const char *s) {
    const unsigned char *p = (const unsigned char *)s;
    if (p[0] == 0xC2 && p[1] >= 0x80 && p[1] <= 0x9F)
        return 2;
    return p[0] == 0xE2 && ((p[1] == 0x80 && p[2] >= 0xA8 && p[2] <= 0xAE) || (p[1] == 0x81 && p[2] >= 0xA6 && p[2] <= 0xA9)) ? 3 : 0;
}

void cr_text_clean(char *s) {
    for (char *p = s; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            *p = ' ';
    if (!cr_text_is_utf8(s, strlen(s)))
        for (char *p = s; *p; p++)
            if ((unsigned char)*p >= 0x80)
                *p = '?';
    for (char *p = s; *p; p++)
        memset(p, ' ', cr_text_steers(p));
}

/* ---- nearest word ---- */

static int distance(const char *a, const char *b) {
    enum { MOST = 48 };
    int row[MOST + 1], na = (int)strlen(a), nb = (int)strlen(b);
    if (na > MOST || nb > MOST)
        return MOST;
    for (int k = 0; k <= nb; k++)
        row[k] = k;
    for (int i = 1; i <= na; i++) {
        int corner = row[0];
        row[0] = i;
        for (int k = 1; k <= nb; k++) {
            int change = corner + (a[i - 1] != b[k - 1]);
            corner = row[k];
            row[k] = CR_MIN(change, CR_MIN(row[k], row[k - 1]) + 1);
        }
    }
    return row[nb];
}

const char *cr_text_nearest(const char *word, const char *const *words, int n) {
    const char *best = NULL;
    int least = 1 + (int)strlen(word) / 3;
    for (int i = 0; i < n; i++) {
        int d = distance(word, words[i]);
        if (d <= least) {
            best = words[i];
            least = d - 1;
        }
    }
    return best;
}
