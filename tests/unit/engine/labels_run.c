/* labels_run.c - runs labelled operations from a script on standard input and prints results as JSON, for the oracle tests.
 *
 * A stack machine: each line is a word and its arguments, separated by tabs; "emit" prints the top of the stack as one line. A
 * failed operation prints {"error": STATUS, "message": TEXT} and ends the program. */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "craton/craton.h"

enum { DEPTH = 16, WORDS = 12 };
static cr_context *context;
static cr_dataset *dataset;
static cr_labelled *stack[DEPTH];
static int top;
static cr_err err = CR_ERR_INIT;

static void bad(const char *line) {
    fprintf(stderr, "labels_run: not understood: %s\n", line);
    exit(2);
}

static void push(cr_labelled *a) {
    if (top == DEPTH)
        bad("stack");
    stack[top++] = a;
}

static cr_labelled *pop(void) {
    if (top == 0)
        bad("empty stack");
    return stack[--top];
}

static json_t *real(double v) { return isfinite(v) ? json_real(v) : json_string(isnan(v) ? "nan" : v > 0 ? "inf" : "-inf"); }

static json_t *date(cr_calendar c, int64_t us) {
    if (us == CR_TIME_MISSING)
        return json_null();
    cr_date d;
    cr_date_from_us(c, us, &d);
    return json_pack("[Iiiiiii]", (json_int_t)d.year, d.month, d.day, d.hour, d.minute, d.second, d.microsecond);
}

/* IEEE 754 binary16: sign, 5 bits of exponent, 10 of the fraction. */
static double half(uint16_t h) {
    int exponent = h >> 10 & 31, fraction = h & 1023;
    double v = exponent == 31 ? (fraction ? NAN : INFINITY) : exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return h >> 15 ? -v : v;
}

#define INTS(name, T) \
    case CR_##name: return json_integer((json_int_t)((const T *)values)[i])

static json_t *item(cr_dtype t, const void *values, int64_t i) {
    switch (t) {
    case CR_BOOL: return json_boolean(((const uint8_t *)values)[i]);
    INTS(I8, int8_t);
    INTS(I16, int16_t);
    INTS(I32, int32_t);
    INTS(I64, int64_t);
    INTS(U8, uint8_t);
    INTS(U16, uint16_t);
    INTS(U32, uint32_t);
    INTS(U64, uint64_t);
    case CR_F16: return real(half(((const uint16_t *)values)[i]));
    case CR_F32: return real(((const float *)values)[i]);
    case CR_F64: return real(((const double *)values)[i]);
    case CR_STRING: return json_string(((const char *const *)values)[i]);
    default: return json_null();
    }
}

static json_t *attrs_of(cr_labelled *a) {
    json_t *all = json_object();
    for (int k = 0; k < cr_labelled_n_attrs(a); k++) {
        const cr_attr *attr = cr_labelled_attr(a, k);
        json_t *list = json_array();
        for (int64_t i = 0; i < attr->n; i++)
            json_array_append_new(list, item(attr->dtype, attr->values, i));
        json_object_set_new(all, attr->name, list);
    }
    return all;
}

static cr_status describe(cr_labelled *a, bool with_coords, json_t **ret) {
    json_t *o = json_object(), *dims = json_array(), *shape = json_array(), *values = json_array();
    int64_t n = 1;
    for (int k = 0; k < cr_labelled_ndim(a); k++) {
        json_array_append_new(dims, json_string(cr_labelled_dim(a, k)));
        json_array_append_new(shape, json_integer(cr_labelled_shape(a)[k]));
        n *= cr_labelled_shape(a)[k];
    }
    cr_kind kind = cr_labelled_kind(a);
    const void *data = cr_labelled_text_values(a);
    void *loaded = NULL;
    if (kind != CR_KIND_TEXT) {
        size_t bytes = (size_t)n * cr_array_itemsize(cr_labelled_array(a));
        data = loaded = malloc(bytes + 1);
        cr_status status = cr_labelled_load(a, loaded, bytes, &err);
        if (status != CR_OK)
            return status;
    }
    for (int64_t k = 0; k < n; k++)
        json_array_append_new(values, kind == CR_KIND_TIMES ? date(cr_labelled_calendar(a), ((int64_t *)data)[k]) : item(cr_labelled_dtype(a), data, k));
    free(loaded);
    json_object_set_new(o, "name", cr_labelled_name(a) ? json_string(cr_labelled_name(a)) : json_null());
    json_object_set_new(o, "dims", dims);
    json_object_set_new(o, "shape", shape);
    json_object_set_new(o, "dtype", json_string(kind == CR_KIND_TIMES ? cr_calendar_name(cr_labelled_calendar(a)) : cr_dtype_name(cr_labelled_dtype(a))));
    json_object_set_new(o, "values", values);
    json_object_set_new(o, "attrs", attrs_of(a));
    json_t *coords = json_object();
    for (int k = 0; with_coords && k < cr_labelled_n_coords(a); k++) {
        cr_labelled *c = NULL;
        json_t *one = NULL;
        cr_status status = cr_labelled_coord(a, cr_labelled_coord_name(a, k), &c, &err);
        if (status == CR_OK)
            status = describe(c, false, &one);
        if (status != CR_OK)
            return status;
        json_object_set_new(coords, cr_labelled_coord_name(a, k), one);
        cr_labelled_unref(c);
    }
    json_object_set_new(o, "coords", coords);
    *ret = o;
    return CR_OK;
}

static cr_status emit(void) {
    json_t *o = NULL;
    cr_labelled *a = pop();
    cr_status status = describe(a, true, &o);
    if (status != CR_OK)
        return status;
    char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(17));
    puts(text);
    free(text);
    json_decref(o);
    cr_labelled_unref(a);
    return CR_OK;
}

/* Words separated by commas, in place; "": none. */
static int split(char *text, const char **words, int most) {
    int n = 0;
    for (char *at = strtok(text, ","); at && n < most; at = strtok(NULL, ","))
        words[n++] = at;
    return n;
}

static cr_status write_all(const char *format, const char *path) {
    cr_dataset *d = NULL;
    cr_write_options options = {.format = format, .overwrite = true};
    cr_status status = cr_dataset_new(context, top, stack, 0, NULL, &d, &err);
    if (status == CR_OK)
        status = cr_dataset_write(d, path, &options, &err);
    cr_dataset_unref(d);
    while (top > 0)
        cr_labelled_unref(pop());
    return status;
}

#define IS(word) (strcmp(w[0], word) == 0)
#define NUMBER(k) strtod(w[k], NULL)
#define WHOLE(k) (strcmp(w[k], "-") == 0 ? CR_FROM_END : strtoll(w[k], NULL, 10))

static cr_status select_one(char **w, cr_labelled *a, cr_labelled **out) {
    const char *words[64];
    int64_t at[64];
    double labels[64];
    cr_match match = strcmp(w[3] ? w[3] : "", "nearest") == 0 ? CR_MATCH_NEAREST : CR_MATCH_EXACT;
    if (IS("isel"))
        return cr_isel(a, w[1], WHOLE(2), out, &err);
    if (IS("isel_range"))
        return cr_isel_range(a, w[1], WHOLE(2), WHOLE(3), WHOLE(4), out, &err);
    if (IS("sel"))
        return cr_sel(a, w[1], NUMBER(2), match, out, &err);
    if (IS("sel_range"))
        return cr_sel_range(a, w[1], NUMBER(2), NUMBER(3), out, &err);
    if (IS("sel_text"))
        return cr_sel_text(a, w[1], w[2], match, out, &err);
    if (IS("sel_text_range"))
        return cr_sel_text_range(a, w[1], strcmp(w[2], "-") ? w[2] : NULL, strcmp(w[3], "-") ? w[3] : NULL, out, &err);
    int n = split(w[2], words, 64);
    for (int k = 0; k < n; k++) {
        at[k] = strtoll(words[k], NULL, 10);
        labels[k] = strtod(words[k], NULL);
    }
    return IS("isel_list") ? cr_isel_list(a, w[1], at, n, out, &err) : cr_sel_list(a, w[1], labels, n, match, out, &err);
}

static cr_status fold(char **w, cr_labelled *a, cr_labelled **out) {
    const char *dims[16];
    cr_reduction r;
    cr_reduce_options options = {.skipna = true};
    cr_status status = cr_reduction_find(w[1], &r, &err);
    if (status != CR_OK)
        return status;
    options.skipna = strcmp(w[3], "skipna") == 0;
    options.ddof = (int)strtol(w[4], NULL, 10);
    options.min_count = w[5] ? strtoll(w[5], NULL, 10) : 0;
    if (IS("group"))
        return cr_group_reduce(r, a, w[2], &options, out, &err);
    int n = split(w[2], dims, 16);
    return cr_labelled_reduce(r, a, n, dims, &options, out, &err);
}

/* Operations on the top of the stack. */
static cr_status unary(char **w, cr_labelled *a, cr_labelled **out) {
    const char *dims[16];
    if (IS("coord"))
        return cr_labelled_coord(a, w[1], out, &err);
    if (IS("name"))
        return cr_labelled_with_name(a, w[1], out, &err);
    if (IS("without_coord"))
        return cr_labelled_without_coord(a, w[1], out, &err);
    if (IS("compute"))
        return cr_labelled_compute(a, out, &err);
    if (IS("transpose")) {
        split(w[1], dims, 16);
        return cr_labelled_transpose(a, dims, out, &err);
    }
    return IS("reduce") || IS("group") ? fold(w, a, out) : select_one(w, a, out);
}

static cr_status binary(char **w, cr_labelled *a, cr_labelled *b, cr_labelled **out) {
    const char *dims[16];
    cr_map_op op;
    if (IS("where"))
        return cr_labelled_where(a, b, NULL, out, &err);
    if (IS("with_coord"))
        return cr_labelled_with_coord(a, b, out, &err);
    if (IS("weighted")) {
        int n = split(w[1], dims, 16);
        return cr_weighted_mean(a, b, n, dims, out, &err);
    }
    cr_status status = cr_map_find(w[1], &op, &err);
    return status == CR_OK ? cr_group_map(op, a, w[2], b, out, &err) : status;
}

static cr_status run_map(const char *name) {
    cr_map_op op;
    cr_labelled *args[3], *out = NULL;
    cr_status status = cr_map_find(name, &op, &err);
    if (status != CR_OK)
        return status;
    for (int k = cr_map_arity(op) - 1; k >= 0; k--)
        args[k] = pop();
    status = cr_labelled_map(op, args, &out, &err);
    for (int k = 0; k < cr_map_arity(op); k++)
        cr_labelled_unref(args[k]);
    if (status == CR_OK)
        push(out);
    return status;
}

static cr_status align(void) {
    cr_labelled *both[2];
    cr_status status = cr_align(2, stack + top - 2, both, &err);
    for (int k = 0; k < 2 && status == CR_OK; k++) {
        cr_labelled_unref(stack[top - 2 + k]);
        stack[top - 2 + k] = both[k];
    }
    return status;
}

static cr_status run(char **w) {
    cr_labelled *a = NULL, *b = NULL, *out = NULL;
    cr_status status = CR_OK;
    if (IS("open")) {
        cr_dataset_unref(dataset);
        dataset = NULL;
        return cr_dataset_open(context, w[1], NULL, &dataset, &err);
    }
    if (IS("get") || IS("number") || IS("whole")) {
        status = IS("get") ? cr_dataset_get(dataset, w[1], &out, &err)
                 : IS("number") ? cr_labelled_number(context, NUMBER(1), &out, &err) : cr_labelled_whole(context, WHOLE(1), &out, &err);
    } else if (IS("emit")) {
        return emit();
    } else if (IS("map")) {
        return run_map(w[1]);
    } else if (IS("align")) {
        return align();
    } else if (IS("write")) {
        return write_all(w[1], w[2]);
    } else if (IS("where") || IS("weighted") || IS("group_map") || IS("with_coord")) {
        b = pop();
        a = pop();
        status = binary(w, a, b, &out);
    } else {
        a = pop();
        status = unary(w, a, &out);
    }
    cr_labelled_unref(a);
    cr_labelled_unref(b);
    if (status == CR_OK)
        push(out);
    return status;
}

int main(void) {
    char line[4096];
    cr_context_options options = {.threads = 2, .simd_level = -1, .memory_limit_bytes = 256 << 20};
    if (cr_context_new(&options, &context, &err) != CR_OK)
        return 1;
    while (fgets(line, sizeof line, stdin)) {
        char *w[WORDS] = {NULL};
        int n = 0;
        line[strcspn(line, "\n")] = 0;
        for (char *at = line; at && n < WORDS; n++)
            w[n] = strsep(&at, "\t");
        if (run(w) != CR_OK) {
            json_t *o = json_pack("{ssssss}", "error", cr_status_name(err.status), "message", err.message, "hint", err.hint);
            char *text = json_dumps(o, JSON_COMPACT);
            puts(text);
            free(text);
            json_decref(o);
            break;
        }
    }
    while (top > 0)
        cr_labelled_unref(pop());
    cr_dataset_unref(dataset);
    cr_context_free(context);
    return 0;
}
