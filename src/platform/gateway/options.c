/* options.c - the table of options. */
#include "platform/gateway/options.h"

#include <math.h>
#include <stdbool.h>

typedef enum kind { INT, FLOAT } kind;
typedef struct row {
    const char *field, *label;
    kind kind;
    double min, standard;
    double (*max)(const cr_config *c);
} row;

static double most_cores(const cr_config *c) { return (double)c->gateway_cores; }

/* In GiB, what the scheduler leaves; rounded down to what people read. */
static double most_memory(const cr_config *c) {
    double left = (double)c->gateway_memory_bytes - (double)CR_SCHEDULER_MEMORY;
    double gib = floor(left / (double)((uint64_t)1 << 30) * 100) / 100;
    return gib < 0.25 ? 0.25 : gib;
}

enum { CORES, MEMORY, ROWS };
static const row rows[ROWS] = {
    [CORES] = {"worker_cores", "Worker Cores", INT, 1, 1, most_cores},
    [MEMORY] = {"worker_memory", "Worker Memory (GiB)", FLOAT, 0.25, 2, most_memory},
};

static json_t *number(const row *r, double v) { return r->kind == INT ? json_integer((json_int_t)v) : json_real(v); }

static double standard(const row *r, const cr_config *c) { return CR_MIN(r->standard, r->max(c)); }

json_t *cr_options_list(const cr_config *c) {
    json_t *all = json_array();
    for (int i = 0; i < ROWS; i++) {
        const row *r = &rows[i];
        json_array_append_new(all, json_pack("{s:s, s:s, s:o, s:{s:s, s:o, s:o}}", "field", r->field, "label", r->label, "default",
                                             number(r, standard(r, c)), "spec", "type", r->kind == INT ? "int" : "float", "min",
                                             number(r, r->min), "max", number(r, r->max(c))));
    }
    return all;
}

static const row *find(const char *field) {
    for (int i = 0; i < ROWS; i++)
        if (strcmp(rows[i].field, field) == 0)
            return &rows[i];
    return NULL;
}

static cr_status read_one(const row *r, const cr_config *c, const json_t *given, double *ret_value, cr_err *err) {
    if (r->kind == INT ? !json_is_integer(given) : !json_is_number(given))
        return CR_FAIL(err, CR_INVALID, "%s must be %s", r->field, r->kind == INT ? "an integer" : "a number");
    double v = json_number_value(given);
    if (!(v >= r->min))
        return CR_FAIL(err, CR_INVALID, "%s must be >= %g, got %g", r->field, r->min, v);
    if (!(v <= r->max(c)))
        return CR_FAIL(err, CR_INVALID, "%s must be <= %g, got %g", r->field, r->max(c), v);
    *ret_value = v;
    return CR_OK;
}

cr_status cr_options_read(const cr_config *c, const json_t *given, cr_cluster_options *ret_options, json_t **ret_all, cr_err *err) {
    double value[ROWS];
    const char *field;
    json_t *one;
    if (given && !json_is_object(given))
        return CR_FAIL(err, CR_INVALID, "cluster_options must be an object");
    json_object_foreach((json_t *)(uintptr_t)given, field, one)
        if (!find(field))
            return CR_FAIL(err, CR_INVALID, "Unknown fields ['%.80s']", field);
    for (int i = 0; i < ROWS; i++) {
        one = json_object_get(given, rows[i].field);
        value[i] = standard(&rows[i], c);
        if (one)
            CR_TRY(read_one(&rows[i], c, one, &value[i], err));
    }
    json_t *all = json_object();
    for (int i = 0; i < ROWS; i++)
        json_object_set_new(all, rows[i].field, number(&rows[i], value[i]));
    if (json_object_size(all) != ROWS) {
        json_decref(all);
        return CR_FAIL(err, CR_MEMORY, "no memory for the options of a cluster");
    }
    ret_options->cores = (int64_t)value[CORES];
    ret_options->memory_bytes = (uint64_t)(value[MEMORY] * (double)((uint64_t)1 << 30));
    *ret_all = all;
    return CR_OK;
}
