/* names.c - names of operations, from the tables in array.h. */
#include "base/error.h"
#include "craton/array.h"

static const struct {
    const char *name;
    int arity;
} maps[CR_MAP_COUNT] = {
#define X(id, n, a) [CR_MAP_##id] = {n, a},
    CR_MAP_TABLE(X)
#undef X
};

static const char *const reductions[CR_REDUCTION_COUNT] = {
#define X(id, n) [CR_REDUCE_##id] = n,
    CR_REDUCTION_TABLE(X)
#undef X
};

const char *cr_map_name(cr_map_op op) { return (unsigned)op < CR_MAP_COUNT ? maps[op].name : "unknown"; }
int cr_map_arity(cr_map_op op) { return (unsigned)op < CR_MAP_COUNT ? maps[op].arity : 0; }

cr_status cr_map_find(const char *name, cr_map_op *ret_op, cr_err *err) {
    for (int i = 0; i < CR_MAP_COUNT; i++)
        if (strcmp(maps[i].name, name) == 0) {
            *ret_op = (cr_map_op)i;
            return CR_OK;
        }
    return CR_FAIL(err, CR_NOT_FOUND, "there is no elementwise operation \"%.64s\"", name);
}

const char *cr_reduction_name(cr_reduction r) { return (unsigned)r < CR_REDUCTION_COUNT ? reductions[r] : "unknown"; }

cr_status cr_reduction_find(const char *name, cr_reduction *ret_reduction, cr_err *err) {
    for (int i = 0; i < CR_REDUCTION_COUNT; i++)
        if (strcmp(reductions[i], name) == 0) {
            *ret_reduction = (cr_reduction)i;
            return CR_OK;
        }
    return CR_FAIL(err, CR_NOT_FOUND, "there is no reduction \"%.64s\"", name);
}
