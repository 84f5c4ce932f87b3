/* unreadable.c - which value is missing, and the list of chunks that it stands for. */
#include "engine/format/unreadable.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fork_lock.h"
#include "engine/format/journal.h"

enum { WIDEST_ITEM = 8 };

struct cr_unreadable {
    atomic_int refs;
    cr_fork_lock lock;
    atomic_bool more;
    atomic_int n;
    char *texts[CR_UNREADABLE_MOST];
};

cr_status cr_unreadable_new(cr_unreadable **ret_list, cr_err *err) {
    cr_unreadable *u = calloc(1, sizeof *u);
    if (!u)
        return CR_FAIL(err, CR_MEMORY, "no memory for a list of chunks");
    atomic_init(&u->refs, 1);
    cr_fork_lock_init(&u->lock, false);
    *ret_list = u;
    return CR_OK;
}

cr_unreadable *cr_unreadable_ref(cr_unreadable *u) {
    atomic_fetch_add_explicit(&u->refs, 1, memory_order_relaxed);
    return u;
}

void cr_unreadable_unref(cr_unreadable *u) {
    if (!u || atomic_fetch_sub_explicit(&u->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (int i = 0; i < u->n; i++)
        free(u->texts[i]);
    cr_fork_lock_done(&u->lock);
    free(u);
}

int cr_unreadable_count(const cr_unreadable *u) { return atomic_load(&u->n); }
bool cr_unreadable_more(const cr_unreadable *u) { return atomic_load(&u->more); }
/* Texts are written before n, and never changed. */
const char *cr_unreadable_text(const cr_unreadable *u, int i) { return i >= 0 && i < atomic_load(&u->n) ? u->texts[i] : NULL; }

/* A chunk is read again in every phase and by every computation: it is one. Takes text, NULL: there was no memory for it. */
static void note(cr_unreadable *u, char *text) {
    bool known = false;
    pthread_mutex_lock(&u->lock.mutex);
    for (int i = 0; text && i < u->n && !known; i++)
        known = strcmp(u->texts[i], text) == 0;
    if (!known && (!text || u->n == CR_UNREADABLE_MOST)) {
        atomic_store(&u->more, true);
    } else if (!known) {
        u->texts[u->n] = text;
        text = NULL;
        atomic_fetch_add(&u->n, 1);
    }
    pthread_mutex_unlock(&u->lock.mutex);
    free(text);
}

/* ---- the source ------------------------------------------------------------------------------------------------------------------ */

typedef struct covered {
    cr_source base;
    cr_source *inner;
    cr_unreadable *list;
    bool has_missing;
    unsigned char missing[WIDEST_ITEM];
} covered;

/* "(3, 0, 1)" */
static const char *place_text(int ndim, const int64_t *chunk, char *out, size_t size) {
    size_t n = (size_t)snprintf(out, size, "(");
    for (int i = 0; i < ndim && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%lld", i ? ", " : "", (long long)chunk[i]);
    if (n < size)
        snprintf(out + n, size - n, ")");
    return out;
}

static bool is_damage(cr_status status) {
    return status == CR_FORMAT || status == CR_IO || status == CR_DENIED || status == CR_NO_FILE || status == CR_NOT_FOUND || status == CR_RANGE;
}

static cr_status covered_read_chunk(cr_source *base, const int64_t *chunk, void *dst, cr_scratch *scratch, bool *ret_absent, cr_err *err) {
    covered *s = (covered *)base;
    cr_err why = CR_ERR_INIT;
    char at[256], *text = NULL;
    CR_TRY(cr_source_check_chunk(base, chunk, err));
    cr_status status = s->inner->ops->read_chunk(s->inner, chunk, dst, scratch, ret_absent, &why);
    if (status == CR_OK)
        return CR_OK;
    if (!is_damage(status) || !s->has_missing) {
        if (is_damage(status))
            cr_err_hint(&why, "the variable has no _FillValue of its type, so that no value of it could stand for a missing one");
        if (err)
            *err = why;
        return status;
    }
    if (asprintf(&text, "chunk %s of %s: %s", place_text(base->ndim, chunk, at, sizeof at), base->path, why.message) < 0)
        text = NULL;
    note(s->list, text);
    cr_source_fill(dst, base->chunk_bytes / base->itemsize, s->missing, base->itemsize);
    *ret_absent = false;
    return CR_OK;
}

static size_t covered_scratch_bytes(const cr_source *base) {
    const covered *s = (const covered *)base;
    return s->inner->ops->scratch_bytes(s->inner);
}

static size_t covered_stored_bytes(const cr_source *base, const int64_t *chunk) {
    const covered *s = (const covered *)base;
    return s->inner->ops->stored_bytes(s->inner, chunk);
}

static void covered_free(cr_source *base) {
    covered *s = (covered *)base;
    cr_source_unref(s->inner);
    cr_unreadable_unref(s->list);
    cr_source_fini(base);
    free(s);
}

/* A chunk that was written before a kill is not computed again, so that nobody would be told what was missing in it. */
static cr_status covered_fingerprint(cr_source *base, cr_digest *d, cr_err *err) {
    (void)d;
    cr_status status = CR_FAIL(err, CR_UNSUPPORTED, "a write from %s cannot be resumed: its unreadable chunks are to be missing, and the list of them ends "
                               "with the process", base->path);
    cr_err_hint(err, "write without resume, or open it so that an unreadable chunk is an error");
    return status;
}

static const cr_source_ops covered_ops = {"unreadable", covered_read_chunk, covered_scratch_bytes, covered_stored_bytes, covered_free,
                                          covered_fingerprint};

/* What xarray masks on reading; of floats also NaN, whether it is declared or not. */
static bool missing_value(const cr_variable *v, unsigned char missing[WIDEST_ITEM]) {
    static const char *const names[] = {"_FillValue", "missing_value"};
    size_t item = cr_dtype_size(v->dtype);
    double f64 = NAN;
    float f32 = NAN;
    const uint16_t f16 = 0x7E00;
    if (item == 0 || item > WIDEST_ITEM)
        return false;
    for (size_t i = 0; i < CR_ARRAY_LEN(names); i++) {
        const cr_attr *a = cr_attr_find(v->attrs, v->n_attrs, names[i]);
        if (a && a->dtype == v->dtype && a->n == 1) {
            memcpy(missing, a->values, item);
            return true;
        }
    }
    memcpy(missing, v->dtype == CR_F64 ? (const void *)&f64 : v->dtype == CR_F32 ? (const void *)&f32 : (const void *)&f16,
           CR_MIN(item, v->dtype == CR_F64 ? sizeof f64 : v->dtype == CR_F32 ? sizeof f32 : sizeof f16));
    return cr_dtype_kind(v->dtype) == 'f';
}

cr_status cr_unreadable_cover(cr_unreadable *u, const cr_variable *v, cr_source **source, cr_err *err) {
    cr_source *inner = *source;
    covered *s = calloc(1, sizeof *s);
    if (!s)
        return CR_FAIL(err, CR_MEMORY, "no memory for the source of \"%s\"", v->name);
    cr_status status = cr_source_init(&s->base, &covered_ops, inner->dtype, inner->itemsize, inner->ndim, inner->shape, inner->chunk_shape,
                                      inner->path, err);
    if (status != CR_OK) {
        free(s);
        return status;
    }
    memcpy(s->base.identity, inner->identity, sizeof inner->identity);
    memcpy(s->base.state, inner->state, sizeof inner->state);
    if (inner->identity[0] || inner->identity[1]) /* not the node of those who want the error */
        s->base.identity[1] ^= (uint64_t)(uintptr_t)u;
    s->inner = inner;
    s->list = cr_unreadable_ref(u);
    s->has_missing = missing_value(v, s->missing);
    *source = &s->base;
    return CR_OK;
}

bool cr_unreadable_covers(const cr_source *source) { return source->ops == &covered_ops; }
