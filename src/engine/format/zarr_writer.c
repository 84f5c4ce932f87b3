/* zarr_writer.c - Zarr stores as an output format: metadata first, then chunks from any thread. */
#include "engine/format/zarr_writer.h"

#include <endian.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/codec/checksum.h"
#include "engine/format/zarr_fetch.h"
#include "engine/format/zarr_json.h"
#include "engine/format/zarr_put.h"
#include "engine/format/zarr_stream.h"

static const size_t METADATA_LIMIT_BYTES = (size_t)1 << 30, TEXT_CHUNK_LIMIT_BYTES = (size_t)1 << 30;

/* What one write() needs; they are kept in a list and handed to whichever thread comes. */
typedef struct tools {
    struct tools *next;
    cr_scratch scratch;
} tools;

typedef struct zarr_state zarr_state;
typedef struct variable_state {
    zarr_state *state;
    cr_zarr_output output;
    cr_zarr_put put;
    cr_zarr_stream *stream;       /* NULL: chunks have come whole so far */
    int64_t block[CR_MAX_DIMS];
    uint32_t number;              /* in the model */
} variable_state;

struct zarr_state {
    int version;
    const cr_write_model *model;
    cr_store *store;
    variable_state *variables;
    pthread_mutex_t lock;         /* guards free_tools */
    tools *free_tools;
};

/* ---- tools ------------------------------------------------------------------------------------------------------------------------ */

static cr_status take_tools(zarr_state *s, tools **ret, cr_err *err) {
    pthread_mutex_lock(&s->lock);
    tools *t = s->free_tools;
    if (t)
        s->free_tools = t->next;
    pthread_mutex_unlock(&s->lock);
    if (!t) {
        t = calloc(1, sizeof *t);
        if (!t)
            return CR_FAIL(err, CR_MEMORY, "no memory to write chunks");
        t->scratch.max = SIZE_MAX / 2;
    }
    *ret = t;
    return CR_OK;
}

static void give_tools(zarr_state *s, tools *t) {
    pthread_mutex_lock(&s->lock);
    t->next = s->free_tools;
    s->free_tools = t;
    pthread_mutex_unlock(&s->lock);
}

/* ---- chunks ----------------------------------------------------------------------------------------------------------------------- */

/* Says in the journal that a stored object is finished. */
static cr_status note(const variable_state *v, const int64_t *index, const cr_zarr_stored *stored, cr_err *err) {
    const cr_write_variable *w = v->output.v;
    const int64_t *unit = v->output.array.stored;
    cr_journal_record record = {v->number, 0, stored->absent ? CR_JOURNAL_ABSENT : stored->bytes, stored->absent ? 0 : stored->crc};
    if (!v->state->model->journal)
        return CR_OK;
    for (int i = 0; i < w->ndim; i++)
        record.chunk = record.chunk * (uint64_t)((w->shape[i] + unit[i] - 1) / unit[i]) + (uint64_t)index[i];
    return cr_journal_add(v->state->model->journal, &record, err);
}

static cr_status write_with(variable_state *v, const int64_t *start, const int64_t *count, const void *data, tools *t, cr_err *err) {
    const cr_write_variable *w = v->output.v;
    const int64_t *unit = v->output.array.stored;
    int64_t index[CR_MAX_DIMS];
    cr_zarr_stored stored;
    for (int i = 0; i < w->ndim; i++) {
        if (start[i] % unit[i] || count[i] != CR_MIN(unit[i], w->shape[i] - start[i]))
            return CR_FAIL(err, CR_INTERNAL, "a box that is not one chunk or shard");
        index[i] = start[i] / unit[i];
    }
    CR_TRY(cr_zarr_put_box(&v->put, index, count, data, &t->scratch, &stored, err));
    return note(v, index, &stored, err);
}

static cr_status write_chunk(void *user, const int64_t *start, const int64_t *count, const void *data, cr_err *err) {
    variable_state *v = user;
    tools *t = NULL;
    CR_TRY(take_tools(v->state, &t, err));
    cr_status status = write_with(v, start, count, data, t, err);
    give_tools(v->state, t);
    if (status != CR_OK)
        cr_err_context(err, "variable \"%s\"", v->output.v->name);
    return status;
}

static cr_status zarr_sink(void *state, int i, cr_sink *ret_sink, cr_err *err) {
    zarr_state *s = state;
    *ret_sink = (cr_sink){s->variables[i].output.array.stored, false, write_chunk, &s->variables[i]};
    return CR_OK;
}

static cr_status write_piece_with(variable_state *v, const int64_t *start, const int64_t *count, const void *data, tools *t, cr_err *err) {
    int64_t index[CR_MAX_DIMS];
    cr_zarr_stored stored;
    bool whole;
    CR_TRY(cr_zarr_stream_put(v->stream, start, count, data, &t->scratch, &whole, index, &stored, err));
    return whole ? note(v, index, &stored, err) : CR_OK;
}

static cr_status write_piece(void *user, const int64_t *start, const int64_t *count, const void *data, cr_err *err) {
    variable_state *v = user;
    tools *t = NULL;
    CR_TRY(take_tools(v->state, &t, err));
    cr_status status = write_piece_with(v, start, count, data, t, err);
    give_tools(v->state, t);
    if (status != CR_OK)
        cr_err_context(err, "variable \"%s\"", v->output.v->name);
    return status;
}

static cr_status zarr_pieces(void *state, int i, cr_write_pieces *ret_pieces, cr_err *err) {
    variable_state *v = &((zarr_state *)state)->variables[i];
    if (!cr_zarr_stream_block(&v->output.array, v->block))
        return CR_OK;
    if (!v->stream)
        CR_TRY(cr_zarr_stream_new(&v->put, &v->stream, err));
    *ret_pieces = (cr_write_pieces){{v->block, false, write_piece, v}, cr_zarr_stream_open_bytes(&v->put)};
    return CR_OK;
}

/* ---- text ------------------------------------------------------------------------------------------------------------------------- */

static void add_u32(uint32_t v, cr_buf *out) {
    v = htole32(v);
    cr_buf_add(out, &v, 4);
}

/* vlen-utf8 of one chunk; items beyond the shape are empty. */
static void gather_texts(const cr_write_item *item, const int64_t *index, cr_buf *out) {
    const cr_write_variable *w = &item->v;
    int64_t at[CR_MAX_DIMS] = {0}, total = 1;
    for (int i = 0; i < w->ndim; i++)
        total *= w->chunks[i];
    add_u32((uint32_t)total, out);
    for (int64_t k = 0; k < total; k++) {
        size_t place = 0;
        bool inside = true;
        for (int i = 0; i < w->ndim; i++) {
            int64_t position = index[i] * w->chunks[i] + at[i];
            inside &= position < w->shape[i];
            place = place * (size_t)w->shape[i] + (size_t)position;
        }
        const char *text = inside ? item->strings[place] : "";
        size_t n = strlen(text);
        add_u32((uint32_t)n, out);
        if (n > UINT32_MAX)
            out->failed = true;
        cr_buf_add(out, text, n);
        for (int i = w->ndim - 1; i >= 0 && ++at[i] == w->chunks[i]; i--)
            at[i] = 0;
    }
}

static cr_status encode_and_store(variable_state *v, const int64_t *index, const cr_buf *texts, tools *t, cr_err *err) {
    char key[CR_STORE_KEY_MAX + 1];
    cr_codec_work *work;
    const void *stored;
    size_t n;
    CR_TRY(cr_scratch_need(&t->scratch, cr_codec_chain_encode_room(&v->output.array.chain, texts->len) + 64, err));
    CR_TRY(cr_scratch_work(&t->scratch, &work, err));
    CR_TRY(cr_zarr_key(&v->output.array, index, key, sizeof key, err));
    CR_TRY(cr_codec_chain_encode(&v->output.array.chain, work, texts->data, texts->len, t->scratch.bytes, &stored, &n, err));
    return cr_store_write(v->state->store, key, stored, n, err);
}

static cr_status write_texts(variable_state *v, const cr_write_item *item, tools *t, cr_err *err) {
    const cr_write_variable *w = &item->v;
    int64_t index[CR_MAX_DIMS] = {0};
    cr_auto_buf cr_buf texts;
    cr_buf_init(&texts, TEXT_CHUNK_LIMIT_BYTES);
    for (int i = 0; i < w->ndim; i++)
        if (w->shape[i] == 0)
            return CR_OK;
    for (;;) {
        cr_buf_clear(&texts);
        gather_texts(item, index, &texts);
        CR_TRY(cr_buf_check(&texts, err));
        CR_TRY(encode_and_store(v, index, &texts, t, err));
        int axis = w->ndim - 1;
        while (axis >= 0 && ++index[axis] * w->chunks[axis] >= w->shape[axis])
            index[axis--] = 0;
        if (axis < 0)
            return CR_OK;
    }
}

static cr_status zarr_strings(void *state, int i, cr_err *err) {
    zarr_state *s = state;
    tools *t = NULL;
    CR_TRY(take_tools(s, &t, err));
    cr_status status = write_texts(&s->variables[i], &s->model->items[i], t, err);
    give_tools(s, t);
    if (status != CR_OK)
        cr_err_context(err, "variable \"%s\"", s->model->items[i].v.name);
    return status;
}

/* ---- metadata ---------------------------------------------------------------------------------------------------------------------- */

static cr_status put(zarr_state *s, const char *key, const cr_buf *text, cr_err *err) {
    CR_TRY(cr_buf_check(text, err));
    return cr_store_write(s->store, key, cr_buf_str(text), text->len, err);
}

/* Writes one document below a variable and repeats it in the consolidated metadata. */
static cr_status put_document(zarr_state *s, const char *variable, const char *name, const char *consolidated_key, const cr_buf *text,
                              cr_buf *all, cr_err *err) {
    char key[CR_STORE_KEY_MAX + 1];
    snprintf(key, sizeof key, "%s/%s", variable, name);
    CR_TRY(put(s, key, text, err));
    cr_buf_adds(all, ", ");
    cr_json_write_text(consolidated_key ? consolidated_key : key, all);
    cr_buf_addf(all, ": ");
    cr_buf_add(all, cr_buf_str(text), text->len);
    return cr_buf_check(all, err);
}

static cr_status put_metadata_v3(zarr_state *s, cr_err *err) {
    cr_auto_buf cr_buf all, one;
    cr_buf_init(&all, METADATA_LIMIT_BYTES);
    cr_buf_init(&one, METADATA_LIMIT_BYTES);
    for (int i = 0; i < s->model->n_variables; i++) {
        const char *name = s->model->items[i].v.name;
        cr_buf_clear(&one);
        cr_zarr_write_array_v3(&s->variables[i].output, &one);
        CR_TRY(put_document(s, name, "zarr.json", name, &one, &all, err));
    }
    cr_buf_clear(&one);
    cr_buf_adds(&one, "{\"zarr_format\": 3, \"node_type\": \"group\", \"attributes\": ");
    cr_zarr_write_attrs(s->model->attrs, s->model->n_attrs, "", &one);
    cr_buf_adds(&one, ", \"consolidated_metadata\": {\"kind\": \"inline\", \"must_understand\": false, \"metadata\": {");
    cr_buf_adds(&one, all.len ? cr_buf_str(&all) + 2 : "");
    cr_buf_adds(&one, "}}}");
    return put(s, "zarr.json", &one, err);
}

static cr_status put_metadata_v2(zarr_state *s, cr_err *err) {
    cr_auto_buf cr_buf all, one;
    cr_buf_init(&all, METADATA_LIMIT_BYTES);
    cr_buf_init(&one, METADATA_LIMIT_BYTES);
    cr_buf_adds(&one, "{\"zarr_format\": 2}");
    CR_TRY(put(s, ".zgroup", &one, err));
    cr_buf_adds(&all, "{\"zarr_consolidated_format\": 1, \"metadata\": {\".zgroup\": {\"zarr_format\": 2}, \".zattrs\": ");
    cr_buf_clear(&one);
    cr_zarr_write_attrs(s->model->attrs, s->model->n_attrs, "", &one);
    CR_TRY(put(s, ".zattrs", &one, err));
    cr_buf_adds(&all, cr_buf_str(&one));
    for (int i = 0; i < s->model->n_variables; i++) {
        const char *name = s->model->items[i].v.name;
        cr_buf_clear(&one);
        cr_zarr_write_array_v2(&s->variables[i].output, &one);
        CR_TRY(put_document(s, name, ".zarray", NULL, &one, &all, err));
        cr_buf_clear(&one);
        cr_zarr_write_attrs_v2(&s->variables[i].output, &one);
        CR_TRY(put_document(s, name, ".zattrs", NULL, &one, &all, err));
    }
    cr_buf_adds(&all, "}}");
    return put(s, ".zmetadata", &all, err);
}

/* ---- the format --------------------------------------------------------------------------------------------------------------------- */

static void zarr_free(void *state) {
    zarr_state *s = state;
    for (tools *t = s->free_tools, *next; t; t = next) {
        next = t->next;
        cr_scratch_done(&t->scratch);
        free(t);
    }
    pthread_mutex_destroy(&s->lock);
    for (int i = 0; i < s->model->n_variables; i++)
        cr_zarr_stream_free(s->variables[i].stream);
    cr_store_unref(s->store);
    free(s->variables);
    free(s);
}

/* ---- going on with what a killed writer left ------------------------------------------------------------------------------------------ */

enum { PIECE_BYTES = 1 << 20 };

typedef struct check {
    zarr_state *s;
    char *piece;                  /* PIECE_BYTES: a shard may be large */
} check;

static cr_status give_piece(void *user, size_t n, void **ret_room, cr_err *err) {
    *ret_room = user;
    return n <= PIECE_BYTES ? CR_OK : CR_FAIL(err, CR_INTERNAL, "more than was asked for");
}

static bool is_as_recorded(check *c, const char *key, const cr_journal_record *r) {
    cr_store_info info;
    cr_status status = cr_store_stat(c->s->store, key, &info, NULL);
    if (r->bytes == CR_JOURNAL_ABSENT)
        return status == CR_NOT_FOUND;
    uint32_t crc = 0;
    size_t n = 0;
    if (status != CR_OK || info.size != r->bytes)
        return false;
    for (uint64_t at = 0; at < r->bytes; at += n) {
        cr_store_range range = {(int64_t)at, CR_MIN(r->bytes - at, (uint64_t)PIECE_BYTES)};
        if (cr_store_read(c->s->store, key, range, give_piece, c->piece, &n, NULL, NULL) != CR_OK || n != range.length)
            return false;
        crc = cr_crc32c_more(crc, c->piece, n);
    }
    return crc == r->crc;
}

static cr_status check_record(void *user, const cr_journal_record *r, cr_err *err) {
    check *c = user;
    int64_t index[CR_MAX_DIMS];
    char key[CR_STORE_KEY_MAX + 1];
    const cr_write_item *item = r->variable < (uint32_t)c->s->model->n_variables ? &c->s->model->items[r->variable] : NULL;
    if (!item || !item->done || r->chunk >= (uint64_t)item->n_chunks)
        return CR_OK;                 /* nothing that we wrote */
    const cr_zarr_array *a = &c->s->variables[r->variable].output.array;
    uint64_t rest = r->chunk;
    for (int i = a->ndim - 1; i >= 0; i--) {
        uint64_t n = (uint64_t)((a->shape[i] + a->stored[i] - 1) / a->stored[i]);
        index[i] = (int64_t)(rest % n) * (a->stored[i] / a->chunk[i]);
        rest /= n;
    }
    CR_TRY(cr_zarr_key(a, index, key, sizeof key, err));
    if (is_as_recorded(c, key, r))
        item->done[r->chunk / 64] |= UINT64_C(1) << r->chunk % 64;
    return CR_OK;
}

/* A chunk without a record, or with another content than its record says, is written over: a torn one is no fill, so it gets a file again. */
static cr_status check_records(zarr_state *s, cr_err *err) {
    if (!s->model->journal)
        return CR_OK;
    cr_auto_free char *piece = malloc(PIECE_BYTES);
    if (!piece)
        return CR_FAIL(err, CR_MEMORY, "no memory to look at what is finished");
    check c = {s, piece};
    return cr_journal_replay(s->model->journal, check_record, &c, err);
}

static cr_status prepare(zarr_state *s, const char *temp_path, cr_err *err) {
    CR_TRY(cr_store_open_dir(temp_path, true, &s->store, err));
    for (int i = 0; i < s->model->n_variables; i++) {
        variable_state *v = &s->variables[i];
        const cr_write_variable *w = &s->model->items[i].v;
        CR_TRY(cr_zarr_output_init(&v->output, s->version, w, err));
        v->state = s;
        v->number = (uint32_t)i;
        CR_TRY(cr_zarr_put_init(&v->put, s->store, &v->output.array, v->output.has_fill ? v->output.fill : NULL, false, err));
    }
    CR_TRY(check_records(s, err));
    return s->version == 3 ? put_metadata_v3(s, err) : put_metadata_v2(s, err);
}

static cr_status begin(int version, const cr_write_model *m, const char *temp_path, void **ret_state, cr_err *err) {
    zarr_state *s = calloc(1, sizeof *s);
    variable_state *variables = calloc((size_t)m->n_variables + 1, sizeof *variables);
    if (!s || !variables) {
        free(s);
        free(variables);
        return CR_FAIL(err, CR_MEMORY, "no memory");
    }
    *s = (zarr_state){.version = version, .model = m, .variables = variables};
    pthread_mutex_init(&s->lock, NULL);
    cr_status status = prepare(s, temp_path, err);
    if (status != CR_OK) {
        zarr_free(s);
        return status;
    }
    *ret_state = s;
    return CR_OK;
}

static cr_status begin_v2(const cr_write_model *m, const char *temp_path, void **ret_state, cr_err *err) {
    return begin(2, m, temp_path, ret_state, err);
}

static cr_status begin_v3(const cr_write_model *m, const char *temp_path, void **ret_state, cr_err *err) {
    return begin(3, m, temp_path, ret_state, err);
}

static cr_status check_v2(const cr_write_variable *v, cr_err *err) {
    cr_zarr_output o;
    return cr_zarr_output_init(&o, 2, v, err);
}

static cr_status check_v3(const cr_write_variable *v, cr_err *err) {
    cr_zarr_output o;
    return cr_zarr_output_init(&o, 3, v, err);
}

static cr_status zarr_finish(void *state, cr_err *err) { return cr_store_sync(((zarr_state *)state)->store, err); }

const cr_output_format cr_output_zarr3 = {"zarr3", true, check_v3, begin_v3, zarr_sink, zarr_pieces, zarr_strings, zarr_finish, zarr_free};
const cr_output_format cr_output_zarr2 = {"zarr2", true, check_v2, begin_v2, zarr_sink, zarr_pieces, zarr_strings, zarr_finish, zarr_free};
