/* format_write.c - copies a file into another format through the interface that formats write by, for tests that compare what other
 * libraries read from it.
 *
 *   format_write IN OUT FORMAT [overwrite] [CODEC LEVEL SHUFFLE(0|1) CHUNK_DIVISOR]
 *
 * The boxes of every variable are given to its sink from several threads, in an order that is not theirs. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/format/model.h"
#include "engine/format/sibling.h"
#include "engine/format/writer.h"

enum { THREADS = 3 };

static const cr_output_format *const outputs[] = {&cr_output_zarr3, &cr_output_zarr2, &cr_output_netcdf4};

typedef struct box_job {
    const cr_sink *sink;
    const cr_write_variable *v;
    cr_source *source;
    int64_t n_boxes, next;        /* next: atomic */
    cr_status status;
    cr_err err;
} box_job;

/* One element from the source's chunk grid; slow, and obviously right. */
static cr_status read_box(box_job *j, const int64_t *start, const int64_t *count, char *box, cr_err *err) {
    cr_source *s = j->source;
    size_t n = 1;
    for (int i = 0; i < s->ndim; i++)
        n *= (size_t)count[i];
    cr_scratch scratch = {.max = (size_t)1 << 32};
    char *chunk = malloc(s->chunk_bytes);
    int64_t loaded[CR_MAX_DIMS], index[CR_MAX_DIMS];
    bool have = false, absent;
    cr_status status = CR_OK;
    for (size_t k = 0; k < n && status == CR_OK; k++) {
        size_t rest = k, at = 0;
        int64_t position[CR_MAX_DIMS];
        for (int i = s->ndim - 1; i >= 0; i--) {
            position[i] = start[i] + (int64_t)(rest % (size_t)count[i]);
            rest /= (size_t)count[i];
            index[i] = position[i] / s->chunk_shape[i];
        }
        if (!have || memcmp(index, loaded, sizeof *index * (size_t)s->ndim) != 0)
            status = s->ops->read_chunk(s, index, chunk, &scratch, &absent, err);
        memcpy(loaded, index, sizeof index);
        have = true;
        for (int i = 0; i < s->ndim; i++)
            at = at * (size_t)s->chunk_shape[i] + (size_t)(position[i] % s->chunk_shape[i]);
        memcpy(box + k * s->itemsize, chunk + at * s->itemsize, s->itemsize);
    }
    cr_scratch_done(&scratch);
    free(chunk);
    return status;
}

static cr_status give_box(box_job *j, int64_t number, cr_err *err) {
    int64_t start[CR_MAX_DIMS], count[CR_MAX_DIMS];
    size_t bytes = j->source->itemsize;
    for (int i = j->v->ndim - 1; i >= 0; i--) {
        int64_t size = j->sink->chunks ? j->sink->chunks[i] : j->v->shape[i], n = (j->v->shape[i] + size - 1) / size;
        start[i] = number % n * size;
        number /= n;
        count[i] = CR_MIN(size, j->v->shape[i] - start[i]);
        bytes *= (size_t)count[i];
    }
    char *box = malloc(bytes + 1);
    cr_status status = read_box(j, start, count, box, err);
    if (status == CR_OK)
        status = j->sink->write(j->sink->user, start, count, box, err);
    free(box);
    return status;
}

static void *give_boxes(void *user) {
    box_job *j = user;
    for (;;) {
        int64_t k = __atomic_fetch_add(&j->next, 1, __ATOMIC_RELAXED);
        if (k >= j->n_boxes)
            return NULL;
        cr_err err = CR_ERR_INIT;
        /* Backwards: nothing may rely on an order. */
        cr_status status = give_box(j, j->n_boxes - 1 - k, &err);
        if (status != CR_OK) {
            j->status = status;
            j->err = err;
        }
    }
}

static cr_status give_variable(const cr_sink *sink, const cr_write_variable *v, cr_source *source, cr_err *err) {
    box_job j = {.sink = sink, .v = v, .source = source, .n_boxes = 1};
    for (int i = 0; i < v->ndim; i++) {
        int64_t size = sink->chunks ? sink->chunks[i] : CR_MAX(v->shape[i], 1);
        j.n_boxes *= (v->shape[i] + size - 1) / size;
    }
    pthread_t threads[THREADS];
    int n = sink->serial ? 1 : THREADS;
    for (int i = 0; i < n; i++)
        if (pthread_create(&threads[i], NULL, give_boxes, &j) != 0)
            return CR_FAIL(err, CR_INTERNAL, "no thread");
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    if (j.status != CR_OK)
        *err = j.err;
    return j.status;
}

static void describe(const cr_variable *p, int argc, char **argv, cr_arena *arena, cr_write_variable *v) {
    int64_t *chunks = cr_arena_calloc(arena, (size_t)p->ndim, sizeof *chunks);
    int divisor = argc > 4 ? atoi(argv[argc - 1]) : 1;
    for (int i = 0; i < p->ndim; i++)
        chunks[i] = CR_MAX((p->shape[i] + divisor - 1) / divisor, 1);
    *v = (cr_write_variable){.name = p->name, .ndim = p->ndim, .dims = p->dims, .shape = p->shape, .chunks = chunks, .dtype = p->dtype,
                             .attrs = p->attrs, .n_attrs = p->n_attrs};
    if (argc > 4) {
        v->codec = argv[argc - 4];
        v->level = atoi(argv[argc - 3]);
        v->shuffle = atoi(argv[argc - 2]);
    }
}

static cr_status write_all(const cr_output_format *out, const cr_write_model *m, cr_file *f, void *state, cr_err *err) {
    for (int i = 0; i < m->n_variables; i++) {
        cr_sink sink;
        if (m->items[i].strings) {
            CR_TRY(out->strings(state, i, err));
            continue;
        }
        CR_TRY(out->sink(state, i, &sink, err));
        CR_TRY(give_variable(&sink, &m->items[i].v, f->variables[i].source, err));
    }
    return out->finish(state, err);
}

static cr_status copy(cr_file *f, const cr_output_format *out, cr_sibling *place, int argc, char **argv, cr_err *err) {
    cr_auto_arena cr_arena arena;
    cr_arena_init(&arena, (size_t)1 << 30);
    cr_write_item *items = cr_arena_calloc(&arena, (size_t)f->n_variables, sizeof *items);
    void *state;
    for (int i = 0; i < f->n_variables; i++) {
        const cr_model_variable *v = &f->variables[i];
        int64_t n;
        if (v->pub.problem)
            return CR_FAIL(err, CR_UNSUPPORTED, "%s", v->pub.problem);
        describe(&v->pub, argc, argv, &arena, &items[i].v);
        if (v->read_strings)
            CR_TRY(v->read_strings(v->user, &arena, (const char ***)&items[i].strings, &n, err));
        CR_TRY(out->check(&items[i].v, err));
    }
    cr_write_model m = {f->n_dims, f->n_attrs, f->n_variables, f->dims, f->attrs, items};
    CR_TRY(out->begin(&m, place->temporary, &state, err));
    cr_status status = write_all(out, &m, f, state, err);
    out->free(state);
    return status == CR_OK ? cr_sibling_commit(place, err) : status;
}

int main(int argc, char **argv) {
    cr_err err = CR_ERR_INIT;
    cr_file *f = NULL;
    cr_sibling place = {.lock = -1};
    bool overwrite = argc > 4 && strcmp(argv[4], "overwrite") == 0;
    int n = overwrite ? argc - 1 : argc;
    const cr_output_format *out = NULL;
    for (size_t i = 0; argc > 3 && i < CR_ARRAY_LEN(outputs); i++)
        if (strcmp(outputs[i]->name, argv[3]) == 0)
            out = outputs[i];
    if (!out || (n != 4 && n != 8)) {
        fprintf(stderr, "usage: format_write IN OUT FORMAT [overwrite] [CODEC LEVEL SHUFFLE CHUNK_DIVISOR]\n");
        return 2;
    }
    if (overwrite)
        memmove(argv + 4, argv + 5, sizeof *argv * (size_t)(argc - 5));
    cr_status status = cr_file_open(argv[1], NULL, &f, &err);
    if (status == CR_OK)
        status = cr_sibling_new(&place, argv[2], out->is_directory, overwrite, &err);
    if (status == CR_OK)
        status = copy(f, out, &place, n, argv, &err);
    cr_sibling_done(&place);
    cr_file_close(f);
    printf("%s: %s\n", cr_status_name(status), status == CR_OK ? "" : err.message);
    return status == CR_OK ? 0 : 1;
}
