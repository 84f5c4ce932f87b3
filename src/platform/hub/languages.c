/* languages.c - files, and what browsers ask for. */
#include "platform/hub/languages.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/file.h"
#include "base/text.h"
#include "platform/http/po.h"

enum { RANGES_MAX = 32 };

/* ---- files ---- */

typedef struct loading {
    cr_languages *all;
    const cr_texts *known;
    cr_texts_problem problem;      /* NULL: the files are ours, and must be right */
    void *user;
} loading;

/* de.po, pt_BR.po as gettext writes it; false: it is no catalogue. */
static bool code_of(const char *file, char code[CR_TEXTS_LANGUAGE_MAX + 1]) {
    size_t n = strlen(file);
    if (n < 5 || n - 3 > CR_TEXTS_LANGUAGE_MAX || !cr_ends_with(file, ".po"))
        return false;
    memcpy(code, file, n - 3);
    code[n - 3] = 0;
    for (char *p = code; *p; p++)
        *p = *p == '_' ? '-' : *p;
    return true;
}

static cr_status place_of(cr_languages *all, const char *code, cr_language **ret, cr_err *err) {
    int i = 0;
    for (; i < all->n; i++)
        if (strcmp(all->at[i].code, code) == 0) {
            *ret = &all->at[i];
            return CR_OK;
        }
    if (all->n == CR_LANGUAGES_MAX)
        return CR_FAIL(err, CR_LIMIT, "more than %d languages", CR_LANGUAGES_MAX);
    for (i = all->n; i > 1 && strcmp(all->at[i - 1].code, code) > 0; i--)
        all->at[i] = all->at[i - 1];
    all->at[i] = (cr_language){.texts = NULL};
    snprintf(all->at[i].code, sizeof all->at[i].code, "%s", code);
    all->n++;
    *ret = &all->at[i];
    return CR_OK;
}

static cr_status add_file(const loading *l, const char *path, const char *name, cr_err *err) {
    char code[CR_TEXTS_LANGUAGE_MAX + 1];
    cr_language *language = NULL;
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, CR_PO_BYTES_MAX);
    if (!code_of(name, code))
        return CR_OK;
    if (!cr_texts_is_language(code))
        return CR_FAIL(err, CR_INVALID, "%s: the name is no code of a language such as de.po or pt-BR.po", path);
    CR_TRY(cr_file_read(path, &text, err));
    CR_TRY(place_of(l->all, code, &language, err));
    if (!language->texts)
        CR_TRY(cr_texts_new(code, &language->texts, err));
    return cr_texts_add(language->texts, path, cr_buf_str(&text), text.len, l->known, l->problem, l->user, err);
}

/* In the order of their names, so that messages are, too. */
static cr_status read_folder(const loading *l, const char *folder, cr_err *err) {
    struct dirent **list = NULL;
    int n = scandir(folder, &list, NULL, alphasort);
    if (n < 0 && errno == ENOENT && l->problem)
        return CR_OK;
    if (n < 0) {
        cr_err own = CR_ERR_INIT;
        cr_status failed = CR_FAIL_ERRNO(&own, "reading the texts in %s", folder);
        if (l->problem)
            l->problem(l->user, own.message);
        else if (err)
            *err = own;
        return l->problem ? CR_OK : failed;
    }
    cr_status status = CR_OK;
    for (int i = 0; i < n; i++) {
        char path[1400];
        cr_err own = CR_ERR_INIT;
        snprintf(path, sizeof path, "%s/%s", folder, list[i]->d_name);
        if (status == CR_OK && list[i]->d_name[0] != '.' && add_file(l, path, list[i]->d_name, &own) != CR_OK) {
            if (l->problem) {
                l->problem(l->user, own.message);
            } else {
                status = own.status;
                if (err)
                    *err = own;
            }
        }
        free(list[i]);
    }
    free(list);
    return status;
}

static cr_status read_ids(const char *folder, cr_texts *known, cr_err *err) {
    char path[1400];
    cr_auto_buf cr_buf text;
    cr_buf_init(&text, CR_PO_BYTES_MAX);
    snprintf(path, sizeof path, "%s/craton.pot", folder);
    CR_TRY(cr_file_read(path, &text, err));
    return cr_texts_add_ids(known, path, cr_buf_str(&text), text.len, err);
}

cr_status cr_languages_load(const char *shipped, const char *own, cr_texts_problem problem, void *user, cr_languages *ret, cr_err *err) {
    cr_texts *known = NULL;
    *ret = (cr_languages){.n = 1};
    strcpy(ret->at[0].code, "en");
    CR_TRY(cr_texts_new("en", &known, err));
    cr_status status = read_ids(shipped, known, err);
    if (status == CR_OK)
        status = read_folder(&(loading){.all = ret, .known = known}, shipped, err);
    if (status == CR_OK)
        status = read_folder(&(loading){ret, known, problem, user}, own, err);
    cr_texts_free(known);
    if (status != CR_OK)
        cr_languages_free(ret);
    return status;
}

void cr_languages_free(cr_languages *all) {
    for (int i = 0; i < all->n; i++) {
        cr_templates_free(all->at[i].templates);
        cr_texts_free(all->at[i].texts);
    }
    *all = (cr_languages){.n = 0};
}

/* ---- whose ---- */

static int find(const cr_languages *all, const char *code, size_t n) {
    for (int i = 0; i < all->n; i++)
        if (strlen(all->at[i].code) == n && strncasecmp(all->at[i].code, code, n) == 0)
            return i;
    return -1;
}

int cr_languages_find(const cr_languages *all, const char *code) {
    int i = find(all, code, strlen(code));
    return i >= 0 ? i : find(all, code, strcspn(code, "-"));
}

/* Of one range: "de-CH;q=0.8". Thousandths; 0: not wanted, or no number. */
static int weight_of(const char *s, size_t n) {
    const char *q = memmem(s, n, "q=", 2);
    if (!q)
        return 1000;
    double v = cr_parse_real(q + 2, NULL);
    return v > 0 && v <= 1 ? (int)(v * 1000) : 0;
}

int cr_languages_accept(const cr_languages *all, const char *header) {
    int best = -1, best_weight = 0;
    for (int k = 0; header && *header && k < RANGES_MAX; k++) {
        char code[CR_TEXTS_LANGUAGE_MAX + 1];
        header += strspn(header, " \t,");
        size_t n = strcspn(header, ","), name = strcspn(header, ",; \t");
        int weight = weight_of(header, n);
        if (name && name < sizeof code && weight > best_weight) {
            memcpy(code, header, name);
            code[name] = 0;
            int i = cr_languages_find(all, code);
            if (i >= 0) {
                best = i;
                best_weight = weight;
            }
        }
        header += n;
    }
    return best;
}
