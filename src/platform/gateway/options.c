/* options.c - the table of options. */
#include "platform/gateway/options.h"

#include <math.h>
#include <stdio.h>

typedef enum kind { INT, FLOAT, BOOL, MAPPING } kind;
typedef struct row {
    const char *field, *label;
    const char *unit;                      /* of numbers, as refusals say it */
    kind kind;
    double min, standard;                  /* numbers */
    double (*max)(const cr_config *c);
} row;

static double most_cores(const cr_config *c) {
    return (double)(c->gateway_cluster_cores ? CR_MIN(c->gateway_cores, c->gateway_cluster_cores) : c->gateway_cores);
}

/* In GiB, what the scheduler leaves; rounded down to what people read. */
static double most_memory(const cr_config *c) {
    uint64_t most = c->gateway_cluster_memory_bytes ? CR_MIN(c->gateway_memory_bytes, c->gateway_cluster_memory_bytes) : c->gateway_memory_bytes;
    double left = (double)most - (double)CR_SCHEDULER_MEMORY;
    double gib = floor(left / (double)((uint64_t)1 << 30) * 100) / 100;
    return gib < 0.25 ? 0.25 : gib;
}

enum { CORES, MEMORY, ENVIRONMENT, KEEP, ROWS };
static const row rows[ROWS] = {
    [CORES] = {"worker_cores", "Worker Cores", "", INT, 1, 1, most_cores},
    [MEMORY] = {"worker_memory", "Worker Memory (GiB)", " GiB", FLOAT, 0.25, 2, most_memory},
    [ENVIRONMENT] = {"environment", "Environment Variables", "", MAPPING, 0, 0, NULL},
    [KEEP] = {"keep_after_server", "Keep It When My Server Stops", "", BOOL, 0, 0, NULL},
};

static json_t *number(const row *r, double v) { return r->kind == INT ? json_integer((json_int_t)v) : json_real(v); }

static double standard(const row *r, const cr_config *c) { return CR_MIN(r->standard, r->max(c)); }

static json_t *standard_value(const row *r, const cr_config *c) {
    if (r->kind == BOOL)
        return json_false();
    return r->kind == MAPPING ? json_object() : number(r, standard(r, c));
}

static json_t *spec(const row *r, const cr_config *c) {
    static const char *const types[] = {[INT] = "int", [FLOAT] = "float", [BOOL] = "bool", [MAPPING] = "mapping"};
    json_t *s = json_pack("{s:s}", "type", types[r->kind]);
    if (r->max) {
        json_object_set_new(s, "min", number(r, r->min));
        json_object_set_new(s, "max", number(r, r->max(c)));
    }
    return s;
}

json_t *cr_options_list(const cr_config *c) {
    json_t *all = json_array();
    for (int i = 0; i < ROWS; i++)
        json_array_append_new(all, json_pack("{s:s, s:s, s:o, s:o}", "field", rows[i].field, "label", rows[i].label, "default",
                                             standard_value(&rows[i], c), "spec", spec(&rows[i], c)));
    return all;
}

static const row *find(const char *field) {
    for (int i = 0; i < ROWS; i++)
        if (strcmp(rows[i].field, field) == 0)
            return &rows[i];
    return NULL;
}

static cr_status read_number(const row *r, const cr_config *c, const json_t *given, cr_err *err) {
    if (r->kind == INT ? !json_is_integer(given) : !json_is_number(given))
        return CR_FAIL(err, CR_INVALID, "%s must be %s%s%s, such as %g", r->field, r->kind == INT ? "an integer" : "a number", *r->unit ? " of" : "",
                       r->unit, standard(r, c));
    double v = json_number_value(given);
    if (!(v >= r->min))
        return CR_FAIL(err, CR_INVALID, "%s must be >= %g%s, got %g", r->field, r->min, r->unit, v);
    if (!(v <= r->max(c)))
        return CR_FAIL(err, CR_INVALID, "%s must be <= %g%s, got %g", r->field, r->max(c), r->unit, v);
    return CR_OK;
}

/* dask-gateway-server's words, and what there is instead: people come with the options of another platform. */
static cr_status refuse_unknown(const char *field, cr_err *err) {
    char list[128] = "";
    for (int i = 0, n = 0; i < ROWS && n < (int)sizeof list; i++)
        n += snprintf(list + n, sizeof list - (size_t)n, "%s%s", i ? ", " : "", rows[i].field);
    return CR_FAIL(err, CR_INVALID, "Unknown fields ['%.80s']. There are %s; Gateway().cluster_options() shows what they may be", field, list);
}

cr_status cr_options_environment(const json_t *given, char out[CR_DASK_ENV_MAX + 1], cr_err *err) {
    const char *name;
    json_t *value;
    size_t used = 0;
    if (!json_is_object(given))
        return CR_FAIL(err, CR_INVALID, "environment must be a mapping of names to texts");
    if (json_object_size(given) > CR_DASK_ENV_MOST)
        return CR_FAIL(err, CR_INVALID, "environment has %zu variables, and %d are allowed", json_object_size(given), CR_DASK_ENV_MOST);
    memset(out, 0, CR_DASK_ENV_MAX + 1);
    json_object_foreach((json_t *)(uintptr_t)given, name, value) {
        size_t n = strlen(name), k = json_string_length(value);
        CR_TRY(cr_dask_env_name_check(name, n, err));
        if (!json_is_string(value))
            return CR_FAIL(err, CR_INVALID, "environment: the value of %.64s must be a text", name);
        CR_TRY(cr_dask_env_value_check(name, json_string_value(value), k, err));
        if (used + n + k + 2 > CR_DASK_ENV_MAX)
            return CR_FAIL(err, CR_INVALID, "environment is longer than the %d bytes that are allowed", CR_DASK_ENV_MAX);
        memcpy(out + used, name, n);
        out[used + n] = '=';
        memcpy(out + used + n + 1, json_string_value(value), k);
        out[used + n + 1 + k] = '\n';
        used += n + k + 2;
    }
    return CR_OK;
}

static cr_status read_one(const row *r, const cr_config *c, const json_t *given, cr_cluster_options *o, cr_err *err) {
    if (r->kind == MAPPING)
        return cr_options_environment(given, o->environment, err);
    if (r->kind == BOOL)
        return json_is_boolean(given) ? CR_OK : CR_FAIL(err, CR_INVALID, "%s must be true or false", r->field);
    return read_number(r, c, given, err);
}

cr_status cr_options_read(const cr_config *c, const json_t *given, cr_cluster_options *ret_options, json_t **ret_all, cr_err *err) {
    const char *field;
    json_t *one;
    if (given && !json_is_object(given))
        return CR_FAIL(err, CR_INVALID, "cluster_options must be an object");
    json_object_foreach((json_t *)(uintptr_t)given, field, one) {
        const row *r = find(field);
        if (!r)
            return refuse_unknown(field, err);
        CR_TRY(read_one(r, c, one, ret_options, err));
    }
    json_t *all = json_object();
    for (int i = 0; i < ROWS; i++) {
        one = json_object_get(given, rows[i].field);
        json_object_set_new(all, rows[i].field, !one ? standard_value(&rows[i], c) : rows[i].max ? number(&rows[i], json_number_value(one)) : json_deep_copy(one));
    }
    if (json_object_size(all) != ROWS) {
        json_decref(all);
        return CR_FAIL(err, CR_MEMORY, "no memory for the options of a cluster");
    }
    ret_options->cores = json_integer_value(json_object_get(all, rows[CORES].field));
    ret_options->memory_bytes = (uint64_t)(json_real_value(json_object_get(all, rows[MEMORY].field)) * (double)((uint64_t)1 << 30));
    ret_options->keep = json_is_true(json_object_get(all, rows[KEEP].field));
    if (!json_object_get(given, rows[ENVIRONMENT].field))
        memset(ret_options->environment, 0, sizeof ret_options->environment);
    *ret_all = all;
    return CR_OK;
}
