/* codec_text.c - from words to how a variable is compressed. */
#include "engine/format/codec_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

enum { MOST_WORDS = 4, WORD_BYTES = 24, LEAST_LEVEL = -200000, MOST_LEVEL = 22 };

typedef struct part {
    int n;
    char words[MOST_WORDS][WORD_BYTES];
} part;

/* The words up to the next comma; what is too long or too much for a codec is CR_INVALID. */
static cr_status take_part(const char **text, part *p, cr_err *err) {
    const char *at = *text;
    *p = (part){0};
    for (at += strspn(at, " "); *at && *at != ','; at += strspn(at, " ")) {
        size_t n = strcspn(at, " ,");
        if (p->n == MOST_WORDS || n >= WORD_BYTES)
            return CR_FAIL(err, CR_INVALID, "\"%.60s\" does not name a codec", *text);
        memcpy(p->words[p->n], at, n);
        p->words[p->n++][n] = 0;
        at += n;
    }
    *text = at + (*at == ',');
    return CR_OK;
}

static cr_status level_of(const part *p, int at, cr_codec_words *w, cr_err *err) {
    int64_t level;
    if (at >= p->n)
        return CR_OK;
    if (cr_parse_int(p->words[at], LEAST_LEVEL, MOST_LEVEL, &level, NULL) != CR_OK)
        return CR_FAIL(err, CR_INVALID, "\"%s\" is no level of the codec %s", p->words[at], p->words[0]);
    w->has_level = true;
    w->level = (int)level;
    return CR_OK;
}

static cr_status blosc(const part *p, cr_codec_words *w, cr_err *err) {
    static const char *const inner[] = {"blosclz", "lz4", "lz4hc", "zlib", "zstd"};
    for (size_t i = 0; p->n > 1 && i < CR_ARRAY_LEN(inner); i++)
        if (strcmp(p->words[1], inner[i]) == 0)
            snprintf(w->inner, sizeof w->inner, "%s", inner[i]);
    if (!w->inner[0])
        return CR_FAIL(err, CR_UNSUPPORTED, "writing with Blosc and \"%s\" inside", p->n > 1 ? p->words[1] : "");
    if (p->n > 3)
        w->shuffle = strcmp(p->words[3], "bitshuffle") == 0 ? 2 : strcmp(p->words[3], "shuffle") == 0;
    return level_of(p, 2, w, err);
}

/* One row per word that a part may begin with. */
static const struct row {
    const char *word;
    bool is_codec;
    cr_status (*more)(const part *p, cr_codec_words *w, cr_err *err);
} rows[] = {
    {"none", true, NULL},         {"zstd", true, NULL},     {"lz4", true, NULL},        {"deflate", true, NULL},
    {"gzip", true, NULL},         {"blosc", true, blosc},   {"sharded", false, NULL},   {"crc32c", false, NULL},
    {"crc32", false, NULL},       {"adler32", false, NULL}, {"fletcher32", false, NULL}, {"delta", false, NULL},
    {"fixedscaleoffset", false, NULL}, {"identity", false, NULL},
};

static cr_status take_words(const part *p, cr_codec_words *w, cr_err *err) {
    const struct row *row = NULL;
    if (p->n == 1 && strcmp(p->words[0], "shuffle") == 0) {
        w->shuffle = 1;
        return CR_OK;
    }
    for (size_t i = 0; p->n && i < CR_ARRAY_LEN(rows) && !row; i++)
        row = strcmp(rows[i].word, p->words[0]) == 0 ? &rows[i] : NULL;
    if (p->n && !row) {
        cr_status status = CR_FAIL(err, CR_UNSUPPORTED, "writing with the codec \"%s\"", p->words[0]);
        cr_err_hint(err, "choose one of: zstd, lz4, deflate, none");
        return status;
    }
    if (!row || !row->is_codec)
        return CR_OK;
    if (w->name[0])
        return CR_FAIL(err, CR_UNSUPPORTED, "writing with the codecs \"%s\" and \"%s\" one after the other", w->name, row->word);
    snprintf(w->name, sizeof w->name, "%s", row->word);
    return row->more ? row->more(p, w, err) : level_of(p, 1, w, err);
}

cr_status cr_codec_text_parse(const char *text, cr_codec_words *ret_words, cr_err *err) {
    cr_codec_words w = {0};
    part p;
    while (*text) {
        CR_TRY(take_part(&text, &p, err));
        CR_TRY(take_words(&p, &w, err));
    }
    if (!w.name[0])
        snprintf(w.name, sizeof w.name, "none");
    *ret_words = w;
    return CR_OK;
}

void cr_codec_text_keep(const char *compression, bool from_zarr, const char *format, cr_write_variable *v) {
    cr_codec_words w;
    bool netcdf = format && strcmp(format, "netcdf4") == 0;
    if (!compression || cr_codec_text_parse(compression, &w, NULL) != CR_OK)
        return;
    bool none = strcmp(w.name, "none") == 0, deflate = strcmp(w.name, "deflate") == 0 || strcmp(w.name, "gzip") == 0;
    if (none && from_zarr)
        v->codec = "none";
    if (none)
        return;
    if (!netcdf) {
        if (from_zarr || !deflate)
            v->codec = compression;
        return;
    }
    if ((!deflate && strcmp(w.inner, "zlib") != 0) || !w.has_level || w.level < 1 || w.level > 9)
        return;
    v->codec = "deflate";
    v->level = w.level;
    v->shuffle = w.shuffle != 0;
}
