/* geotiff_notes.c - GDAL's tags: the value that means "no data", and a small XML of <Item name= sample= role=>value</Item>. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/text.h"
#include "engine/format/geotiff.h"
#include "engine/format/text8.h"

enum { TAG_METADATA = 42112, TAG_NODATA = 42113, MAX_METADATA = 1 << 20, MAX_NODATA = 100, MAX_ITEMS = 1000, MAX_VALUE = 4096 };

/* One item; texts are not terminated. */
typedef struct item {
    const char *name, *sample, *role, *value;
    size_t n_name, n_sample, n_role, n_value;
} item;

static bool is(const char *text, size_t n, const char *word) { return text && n == strlen(word) && strncasecmp(text, word, n) == 0; }

/* The value of an attribute within a tag's text. */
static const char *attribute(const char *tag, const char *end, const char *name, size_t *ret_n) {
    size_t n = strlen(name);
    for (const char *at = tag; at + n + 2 < end; at++)
        if (at[-1] == ' ' && memcmp(at, name, n) == 0 && at[n] == '=' && at[n + 1] == '"') {
            const char *from = at + n + 2, *to = memchr(from, '"', (size_t)(end - from));
            *ret_n = to ? (size_t)(to - from) : 0;
            return to ? from : NULL;
        }
    return NULL;
}

/* The next item at or after *at; text is terminated. */
static bool next_item(const char **at, item *ret) {
    const char *tag = strstr(*at, "<Item "), *close = tag ? strchr(tag, '>') : NULL, *end = close ? strstr(close, "</Item>") : NULL;
    if (!end)
        return false;
    *ret = (item){.value = close + 1, .n_value = (size_t)(end - close - 1)};
    const char *inside = tag + strlen("<Item ");
    ret->name = attribute(inside, close, "name", &ret->n_name);
    ret->sample = attribute(inside, close, "sample", &ret->n_sample);
    ret->role = attribute(inside, close, "role", &ret->n_role);
    *at = end;
    return true;
}

static char *unescape_once(const char *text, size_t n, cr_arena *arena) {
    static const struct {
        const char *name;
        char c;
    } entities[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    cr_auto_buf cr_buf out;
    cr_buf_init(&out, MAX_VALUE);
    n = CR_MIN(n, (size_t)MAX_VALUE);
    for (size_t i = 0; i < n;) {
        size_t used = 1;
        char c = text[i];
        for (size_t k = 0; c == '&' && k < CR_ARRAY_LEN(entities); k++)
            if (strlen(entities[k].name) <= n - i && memcmp(text + i, entities[k].name, strlen(entities[k].name)) == 0) {
                c = entities[k].c;
                used = strlen(entities[k].name);
                break;
            }
        cr_buf_addc(&out, c);
        i += used;
    }
    return cr_text8(arena, cr_buf_str(&out), out.len);
}

static bool parse_number(const item *it, double *ret) {
    char text[64];
    char *end;
    size_t n = CR_MIN(it->n_value, sizeof text - 1);
    memcpy(text, it->value, n);
    text[n] = 0;
    *ret = cr_parse_real(text, &end);
    return end != text;
}

/* A text as it is meant, in the arena. GDAL escapes what it then writes as XML, which escapes it again. */
static char *unescape(const char *text, size_t n, cr_arena *arena) {
    char *once = unescape_once(text, n, arena);
    return once ? unescape_once(once, strlen(once), arena) : NULL;
}

/* The number of one band; every band has one once one has. */
static bool set_number(const item *it, uint32_t bands, int64_t band, double otherwise, cr_arena *arena, double **numbers) {
    double v;
    if (!parse_number(it, &v))
        return true;
    if (!*numbers) {
        *numbers = cr_arena_calloc(arena, bands, sizeof **numbers);
        for (uint32_t i = 0; *numbers && i < bands; i++)
            (*numbers)[i] = otherwise;
    }
    if (*numbers)
        (*numbers)[band] = v;
    return *numbers;
}

static bool set_description(const item *it, uint32_t bands, int64_t band, cr_arena *arena, const char ***texts) {
    if (!*texts) {
        *texts = cr_arena_calloc(arena, bands, sizeof **texts);
        for (uint32_t i = 0; *texts && i < bands; i++)
            (*texts)[i] = "";
    }
    char *own = unescape(it->value, it->n_value, arena);
    if (*texts && own)
        (*texts)[band] = own;
    return *texts && own;
}

static bool add_attr(const item *it, cr_arena *arena, cr_gdal_notes *notes) {
    char *name = unescape(it->name, it->n_name, arena), *value = unescape(it->value, it->n_value, arena);
    const char **holder = cr_arena_alloc(arena, sizeof *holder);
    if (!name || !value || !holder)
        return false;
    *holder = value;
    if (*name && !cr_attr_find(notes->attrs, notes->n_attrs, name))
        notes->attrs[notes->n_attrs++] = (cr_attr){name, CR_STRING, 1, holder};
    return true;
}

static bool take_item(const item *it, uint32_t bands, cr_arena *arena, cr_gdal_notes *notes) {
    char digits[12];
    int64_t band = -1;
    if (!it->sample)
        return it->role || !it->name || notes->n_attrs == MAX_ITEMS || add_attr(it, arena, notes);
    memcpy(digits, it->sample, CR_MIN(it->n_sample, sizeof digits - 1));
    digits[CR_MIN(it->n_sample, sizeof digits - 1)] = 0;
    if (cr_parse_int(digits, 0, (int64_t)bands - 1, &band, NULL) != CR_OK)
        return true;
    if (is(it->role, it->n_role, "scale"))
        return set_number(it, bands, band, 1, arena, &notes->scales);
    if (is(it->role, it->n_role, "offset"))
        return set_number(it, bands, band, 0, arena, &notes->offsets);
    if (is(it->role, it->n_role, "description"))
        return set_description(it, bands, band, arena, &notes->descriptions);
    return true;
}

/* A copy that is terminated: tags need not be. */
static char *tag_text(const cr_tiff_handle *h, uint32_t tag, size_t max, cr_arena *arena, bool *failed) {
    uint32_t n = 0;
    const char *text = cr_tiff_tag(h, tag, TIFF_ASCII, &n);
    if (!text)
        return NULL;
    char *copy = cr_arena_strndup(arena, text, strnlen(text, CR_MIN((size_t)n, max)));
    *failed |= !copy;
    return copy;
}

cr_status cr_gdal_read(const cr_tiff_handle *h, uint32_t bands, cr_arena *arena, cr_gdal_notes *ret_notes, cr_err *err) {
    cr_gdal_notes notes = {0};
    bool failed = false;
    notes.nodata = tag_text(h, TAG_NODATA, MAX_NODATA, arena, &failed);
    notes.has_nodata = notes.nodata && *notes.nodata;
    const char *at = tag_text(h, TAG_METADATA, MAX_METADATA, arena, &failed);
    if (at) {
        item it;
        notes.attrs = cr_arena_calloc(arena, MAX_ITEMS, sizeof *notes.attrs);
        failed |= !notes.attrs;
        while (!failed && next_item(&at, &it))
            failed = !take_item(&it, bands, arena, &notes);
    }
    if (failed)
        return CR_FAIL(err, CR_LIMIT, "the metadata are larger than their limit");
    *ret_notes = notes;
    return CR_OK;
}
