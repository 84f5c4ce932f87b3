/* zarr_json.c - reading JSON, with Python's extensions. */
#include "engine/format/zarr_json.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/format/text8.h"

enum { WORD = 1 };                /* first character of a word string */

/* ---- memory ----------------------------------------------------------------------------------------------------------- */

/* jansson takes some allocations that fail for wrong syntax, and may lose a character of a long word without a word of its own. So the
 * thread that asked for the memory remembers. What allocates below stays what the program has chosen; set before there are threads. */
static json_malloc_t allocate_below;
static _Thread_local bool ran_out;

static void *allocate(size_t n) {
    void *p = allocate_below(n);
    if (!p)
        ran_out = true;
    return p;
}

__attribute__((constructor)) static void watch_allocations(void) {
    json_free_t release;
    json_get_alloc_funcs(&allocate_below, &release);
    json_set_alloc_funcs(allocate, release);
}

/* Before the library is unloaded. Who has put something in front of it meanwhile needs it to stay. */
__attribute__((destructor)) static void leave_allocations(void) {
    json_malloc_t now;
    json_free_t release;
    json_get_alloc_funcs(&now, &release);
    if (now == allocate)
        json_set_alloc_funcs(allocate_below, release);
}

/* ---- parsing ---------------------------------------------------------------------------------------------------------- */

static bool in_word(char c) { return isalnum((unsigned char)c) || c == '.' || c == '-' || c == '+'; }

/* Words that jansson would refuse or round although Python reads them. */
static bool must_quote(const char *word, size_t n) {
    static const char *const special[] = {"NaN", "Infinity", "-Infinity"};
    for (size_t i = 0; i < CR_ARRAY_LEN(special); i++)
        if (strlen(special[i]) == n && memcmp(word, special[i], n) == 0)
            return true;
    size_t digits = n - (word[0] == '-');
    if (digits < 18 && !memchr(word, 'e', n) && !memchr(word, 'E', n))
        return false;
    /* Checked to be a JSON number by its own parser: only long integers and large exponents. */
    const char *p = word + (word[0] == '-'), *end = word + n;
    if (p < end && *p == '0' && p + 1 < end && isdigit((unsigned char)p[1]))
        return false;
    size_t whole = 0;
    while (p < end && isdigit((unsigned char)*p))
        p++, whole++;
    if (whole == 0)
        return false;
    if (p == end)
        return whole >= 18;
    if (*p == '.') {
        const char *fraction = ++p;
        while (p < end && isdigit((unsigned char)*p))
            p++;
        if (p == fraction)
            return false;
    }
    if (p == end || (*p != 'e' && *p != 'E'))
        return false;
    p++;
    if (p < end && (*p == '+' || *p == '-'))
        p++;
    const char *exponent = p;
    while (p < end && isdigit((unsigned char)*p))
        p++;
    return p == end && p - exponent >= 3;
}

static cr_status rewrite(const char *text, size_t n, size_t max_values, cr_buf *out, cr_err *err) {
    size_t values = 0, depth = 0;
    for (size_t i = 0; i < n;) {
        char c = text[i];
        if (c == '"') {
            size_t start = i++;
            while (i < n && text[i] != '"')
                i += text[i] == '\\' ? 2 : 1;
            i = CR_MIN(i + 1, n);
            cr_buf_add(out, text + start, i - start);
        } else if (in_word(c)) {
            size_t start = i;
            while (i < n && in_word(text[i]))
                i++;
            bool quote = must_quote(text + start, i - start);
            cr_buf_adds(out, quote ? "\"\\u0001" : "");
            cr_buf_add(out, text + start, i - start);
            cr_buf_adds(out, quote ? "\"" : "");
        } else {
            depth += c == '{' || c == '[';
            depth -= (c == '}' || c == ']') && depth > 0;
            values += c == '{' || c == '[' || c == ',' || c == ':';
            if (depth > CR_JSON_MAX_DEPTH)
                return CR_FAIL(err, CR_LIMIT, "JSON is nested deeper than %d levels", CR_JSON_MAX_DEPTH);
            if (values > max_values)
                return CR_FAIL(err, CR_LIMIT, "JSON holds more than %zu values", max_values);
            cr_buf_addc(out, c);
            i++;
        }
    }
    return cr_buf_check(out, err);
}

cr_status cr_json_parse(const char *text, size_t n, size_t max_values, json_t **ret_json, cr_err *err) {
    cr_auto_buf cr_buf clean;
    cr_buf_init(&clean, n > SIZE_MAX / 8 ? n : 4 * n + 64);
    CR_TRY(rewrite(text, n, max_values, &clean, err));
    json_error_t why;
    ran_out = false;
    json_t *j = json_loadb(cr_buf_str(&clean), clean.len, JSON_ALLOW_NUL | JSON_DECODE_ANY, &why);
    if (ran_out || (!j && (why.line < 0 || json_error_code(&why) == json_error_out_of_memory))) {
        json_decref(j);
        return CR_FAIL(err, CR_MEMORY, "no memory for %zu bytes of JSON", n);
    }
    if (!j)
        return CR_FAIL(err, CR_FORMAT, "not valid JSON at line %d, column %d: %s", why.line, why.column, why.text);
    *ret_json = j;
    return CR_OK;
}

/* ---- members ------------------------------------------------------------------------------------------------------------ */

static const char *type_name(json_type t) {
    static const char *const names[] = {[JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list", [JSON_STRING] = "a string",
                                        [JSON_INTEGER] = "an integer", [JSON_REAL] = "a number", [JSON_TRUE] = "a boolean",
                                        [JSON_FALSE] = "a boolean", [JSON_NULL] = "null"};
    return (unsigned)t < CR_ARRAY_LEN(names) ? names[t] : "?";
}

cr_status cr_json_member(const json_t *object, const char *name, json_type type, json_t **ret, cr_err *err) {
    json_t *v = json_object_get(object, name);
    if (!v)
        return CR_FAIL(err, CR_FORMAT, "\"%s\" is missing", name);
    if (json_typeof(v) != type)
        return CR_FAIL(err, CR_FORMAT, "\"%s\" is %s; it must be %s", name, type_name(json_typeof(v)), type_name(type));
    *ret = v;
    return CR_OK;
}

cr_status cr_json_extents(const json_t *object, const char *name, int max, int64_t *ret_values, int *ret_n, cr_err *err) {
    json_t *list = NULL;
    CR_TRY(cr_json_member(object, name, JSON_ARRAY, &list, err));
    size_t n = json_array_size(list);
    if (n > (size_t)max)
        return CR_FAIL(err, CR_UNSUPPORTED, "\"%s\" has %zu dimensions; at most %d are supported", name, n, max);
    for (size_t i = 0; i < n; i++) {
        bool negative;
        uint64_t v;
        if (!cr_json_integer(json_array_get(list, i), &negative, &v) || negative || v > INT64_MAX)
            return CR_FAIL(err, CR_FORMAT, "\"%s\"[%zu] is not a non-negative integer", name, i);
        ret_values[i] = (int64_t)v;
    }
    *ret_n = (int)n;
    return CR_OK;
}

cr_status cr_json_int(const json_t *object, const char *name, int64_t min, int64_t max, int64_t otherwise, int64_t *ret, cr_err *err) {
    json_t *v = json_object_get(object, name);
    if (!v || json_is_null(v)) {
        *ret = otherwise;
        return CR_OK;
    }
    if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
        return CR_FAIL(err, CR_FORMAT, "\"%s\" is not an integer from %lld to %lld", name, (long long)min, (long long)max);
    *ret = json_integer_value(v);
    return CR_OK;
}

const char *cr_json_text(const json_t *object, const char *name, const char *otherwise) {
    const char *s = json_string_value(json_object_get(object, name));
    return s ? s : otherwise;
}

/* ---- numbers ---------------------------------------------------------------------------------------------------------------- */

/* The text of a word string, without its mark. */
static const char *word_of(const json_t *v) {
    const char *s = json_string_value(v);
    return s && s[0] == WORD ? s + 1 : NULL;
}

bool cr_json_number(const json_t *v, double *ret) {
    if (json_is_number(v)) {
        *ret = json_number_value(v);
        return true;
    }
    const char *word = word_of(v), *s = word ? word : json_string_value(v);
    if (!s)
        return false;
    if (strcmp(s, "NaN") == 0)
        *ret = NAN;
    else if (strcmp(s, "Infinity") == 0)
        *ret = INFINITY;
    else if (strcmp(s, "-Infinity") == 0)
        *ret = -INFINITY;
    else if (word)
        *ret = cr_parse_real(word, NULL);
    else
        return false;
    return true;
}

bool cr_json_integer(const json_t *v, bool *ret_negative, uint64_t *ret_magnitude) {
    if (json_is_integer(v)) {
        int64_t i = json_integer_value(v);
        *ret_negative = i < 0;
        *ret_magnitude = i < 0 ? -(uint64_t)i : (uint64_t)i;
        return true;
    }
    if (json_is_real(v)) {
        double d = json_real_value(v);
        if (d != floor(d) || fabs(d) >= 9007199254740992.0)
            return false;
        *ret_negative = d < 0;
        *ret_magnitude = (uint64_t)fabs(d);
        return true;
    }
    const char *word = word_of(v);
    if (!word)
        return false;
    bool negative = *word == '-';
    uint64_t sum = 0;
    for (const char *p = word + negative; *p; p++)
        if (!isdigit((unsigned char)*p) || __builtin_mul_overflow(sum, 10u, &sum) || __builtin_add_overflow(sum, (uint64_t)(*p - '0'), &sum))
            return false;
    *ret_negative = negative;
    *ret_magnitude = sum;
    return true;
}

/* "0x7fc00000": the bits of the number (Zarr v3). */
static bool hex_bits(const json_t *v, size_t width, void *dst) {
    const char *s = json_string_value(v);
    if (!s || strncmp(s, "0x", 2) != 0 || strlen(s) != 2 + 2 * width)
        return false;
    char *end;
    uint64_t bits = strtoull(s + 2, &end, 16);
    if (*end || !isxdigit((unsigned char)s[2]))
        return false;
    memcpy(dst, &bits, width);    /* little-endian host: the low bytes */
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    memcpy(dst, (char *)&bits + 8 - width, width);
#endif
    return true;
}

static bool integer_item(const json_t *v, size_t width, bool is_signed, void *dst) {
    bool negative;
    uint64_t m;
    if (!cr_json_integer(v, &negative, &m))
        return false;
    uint64_t top = ~(uint64_t)0 >> (64 - 8 * width + is_signed);
    if (negative ? (m > top + 1 || (!is_signed && m)) : m > top)
        return false;
    uint64_t bits = negative ? -m : m;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(dst, &bits, width);
#else
    memcpy(dst, (char *)&bits + 8 - width, width);
#endif
    return true;
}

bool cr_json_item(const json_t *v, cr_dtype dtype, void *dst) {
    double d;
    switch (dtype) {
    case CR_BOOL: {
        unsigned char b = json_is_true(v);
        bool negative;
        uint64_t m = 0;
        if (!json_is_boolean(v)) {
            if (!cr_json_integer(v, &negative, &m) || m > 1)
                return false;
            b = (unsigned char)m;
        }
        memcpy(dst, &b, 1);
        return true;
    }
#define X(name, bytes, sign) case CR_##name: return integer_item(v, bytes, sign, dst);
    X(I8, 1, 1) X(I16, 2, 1) X(I32, 4, 1) X(I64, 8, 1) X(U8, 1, 0) X(U16, 2, 0) X(U32, 4, 0) X(U64, 8, 0)
#undef X
    case CR_F16: {
        if (hex_bits(v, 2, dst))
            return true;
        if (!cr_json_number(v, &d))
            return false;
        uint16_t h = cr_half_from_double(d);
        memcpy(dst, &h, 2);
        return true;
    }
    case CR_F32: {
        if (hex_bits(v, 4, dst))
            return true;
        if (!cr_json_number(v, &d))
            return false;
        float f = (float)d;
        memcpy(dst, &f, 4);
        return true;
    }
    case CR_F64:
        if (hex_bits(v, 8, dst))
            return true;
        if (!cr_json_number(v, &d))
            return false;
        memcpy(dst, &d, 8);
        return true;
    default:
        return false;
    }
}

/* ---- attributes ---------------------------------------------------------------------------------------------------------------- */

/* The type of one value, or CR_DTYPE_COUNT when it is none that an attribute can have. */
static cr_dtype kind_of(const json_t *v) {
    bool negative;
    uint64_t m;
    double d;
    if (json_is_boolean(v))
        return CR_BOOL;
    if (json_is_real(v))
        return CR_F64;
    if (json_is_integer(v))
        return CR_I64;
    if (word_of(v) && cr_json_integer(v, &negative, &m))
        return negative ? (m <= (uint64_t)1 << 63 ? CR_I64 : CR_F64) : m <= INT64_MAX ? CR_I64 : CR_U64;
    if (word_of(v))
        return cr_json_number(v, &d) ? CR_F64 : CR_DTYPE_COUNT;
    return json_is_string(v) ? CR_STRING : CR_DTYPE_COUNT;
}

static cr_dtype common_kind(cr_dtype a, cr_dtype b) {
    if (a == b)
        return a;
    bool numbers = (a == CR_I64 || a == CR_U64 || a == CR_F64) && (b == CR_I64 || b == CR_U64 || b == CR_F64);
    return numbers ? CR_F64 : CR_DTYPE_COUNT;
}

static cr_status no_room(cr_err *err) { return CR_FAIL(err, CR_LIMIT, "the metadata are larger than their limit"); }

static cr_status text_attr(const json_t *const *values, size_t n, cr_arena *arena, cr_attr *a, cr_err *err) {
    const char **texts = cr_arena_calloc(arena, n, sizeof *texts);
    if (!texts)
        return no_room(err);
    for (size_t i = 0; i < n; i++) {
        texts[i] = cr_text8(arena, json_string_value(values[i]), json_string_length(values[i]));
        if (!texts[i])
            return no_room(err);
    }
    a->dtype = CR_STRING;
    a->n = (int64_t)n;
    a->values = texts;
    return CR_OK;
}

/* The JSON text of what no attribute type holds, with Python's words as they were. */
static cr_status json_text_attr(const json_t *v, cr_arena *arena, cr_attr *a, cr_err *err) {
    cr_auto_free char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
    const char **one = cr_arena_alloc(arena, sizeof *one);
    char *copy = text ? cr_arena_strdup(arena, text) : NULL;
    if (!copy || !one)
        return no_room(err);
    char *to = copy;
    for (const char *p = copy; *p;) {
        if (strncmp(p, "\"\\u0001", 7) == 0) {
            for (p += 7; *p && *p != '"';)
                *to++ = *p++;
            p += *p == '"';
        } else {
            *to++ = *p++;
        }
    }
    *to = 0;
    *one = copy;
    a->dtype = CR_STRING;
    a->n = 1;
    a->values = one;
    a->form = CR_ATTR_JSON;
    return CR_OK;
}

cr_status cr_json_attr(const char *name, const json_t *v, cr_arena *arena, cr_attr *ret_attr, cr_err *err) {
    bool is_list = json_is_array(v);
    size_t n = is_list ? json_array_size(v) : 1;
    const json_t **values = cr_arena_calloc(arena, n, sizeof *values);
    cr_attr a = {.name = cr_arena_strdup(arena, name)};
    if (!values || !a.name)
        return no_room(err);
    cr_dtype kind = CR_F64;
    for (size_t i = 0; i < n; i++) {
        values[i] = is_list ? json_array_get(v, i) : v;
        kind = i == 0 ? kind_of(values[i]) : common_kind(kind, kind_of(values[i]));
    }
    if (kind == CR_DTYPE_COUNT) {
        CR_TRY(json_text_attr(v, arena, &a, err));
    } else if (kind == CR_STRING) {
        CR_TRY(text_attr(values, n, arena, &a, err));
    } else {
        size_t width = kind == CR_BOOL ? 1 : 8;
        char *items = cr_arena_calloc(arena, n, width);
        if (!items)
            return no_room(err);
        for (size_t i = 0; i < n; i++)
            if (!cr_json_item(values[i], kind, items + i * width))
                return CR_FAIL(err, CR_INTERNAL, "attribute \"%s\" cannot be converted", name);
        a.dtype = kind;
        a.n = (int64_t)n;
        a.values = items;
    }
    if (is_list && a.n == 1 && a.form == CR_ATTR_PLAIN)
        a.form = CR_ATTR_LIST;
    *ret_attr = a;
    return CR_OK;
}
