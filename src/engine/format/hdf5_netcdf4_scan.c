/* hdf5_netcdf4_scan.c - finding dimensions and variables in groups, and the lengths of unlimited dimensions. */
#include <stdlib.h>

#include "engine/format/hdf5_heap.h"
#include "engine/format/hdf5_netcdf4.h"

static const char DIM_ONLY[] = "This is a netCDF dimension but not a netCDF variable";
static const char NON_COORD[] = "_nc4_non_coord_";   /* before the name of a variable that is called like a dimension it does not have */
enum { MAX_GROUPS = 100000, MAX_GROUP_DEPTH = 32 };

/* One more place in an array of the temporary arena. */
static cr_status grow(nc_scan *s, void *array, int n, int *cap, size_t size, cr_err *err) {
    if (n < *cap)
        return CR_OK;
    int new_cap = *cap ? *cap * 2 : 16;
    void *grown;
    CR_TRY(h5_alloc(s->x->temp, (size_t)new_cap, size, &grown, err));
    if (n)
        memcpy(grown, *(void **)array, (size_t)n * size);
    *(void **)array = grown;
    *cap = new_cap;
    return CR_OK;
}

static bool text_is(const h5_attr *a, const char *text, bool prefix) {
    size_t n = strlen(text), have = a->type.class == H5_TEXT && a->space.n == 1 ? h5_left(&a->data) : 0;
    if (have < n || memcmp(a->data.p, text, n) != 0)
        return false;
    return prefix || have == n || a->data.p[n] == 0;
}

/* DIMENSION_LIST: per axis a list of references, of which the first counts. */
static cr_status read_refs(nc_scan *s, const h5_attr *a, nc_var *v, cr_err *err) {
    if (a->type.class != H5_VLEN || a->type.base_class != H5_REFERENCE || a->space.n != v->dataset.space.ndim)
        return CR_OK;
    h5_cur stored = a->data, list;
    for (int i = 0; i < v->dataset.space.ndim; i++) {
        uint32_t count;
        CR_TRY(h5_vlen_get(s->x, &stored, &count, &list, err));
        v->refs[i] = count ? h5_addr(&list) : H5_UNDEF;
        CR_TRY(h5_cur_ok(&list, err));
    }
    v->has_refs = true;
    return CR_OK;
}

static cr_status read_marks(nc_scan *s, nc_var *v, int64_t *ret_id, cr_err *err) {
    int64_t *values;
    for (int i = 0; i < v->n_attrs; i++) {
        const h5_attr *a = &v->attrs[i];
        if (strcmp(a->name, "CLASS") == 0)
            v->is_scale = text_is(a, "DIMENSION_SCALE", false);
        else if (strcmp(a->name, "NAME") == 0)
            v->dim_only = text_is(a, DIM_ONLY, true);
        else if (strcmp(a->name, "DIMENSION_LIST") == 0)
            CR_TRY(read_refs(s, a, v, err));
        else if (strcmp(a->name, "_Netcdf4Dimid") == 0 && a->space.n == 1) {
            CR_TRY(nc_attr_integers(s->x, a, &values, err));
            *ret_id = values && values[0] >= 0 && values[0] < INT32_MAX ? values[0] : -1;
        } else if (strcmp(a->name, "_Netcdf4Coordinates") == 0 && a->space.n == v->dataset.space.ndim) {
            CR_TRY(nc_attr_integers(s->x, a, &values, err));
            v->n_ids = values ? (int)a->space.n : 0;
            for (int k = 0; k < v->n_ids; k++)
                v->ids[k] = values[k];
        }
    }
    v->is_scale = v->is_scale && v->dataset.space.ndim > 0 && !v->dataset.space.null;
    v->dim_only = v->dim_only && v->is_scale;
    return CR_OK;
}

static cr_status add_dim(nc_scan *s, const nc_var *v, int64_t id, cr_err *err) {
    CR_TRY(grow(s, &s->dims, s->n_dims, &s->cap_dims, sizeof *s->dims, err));
    if (id < 0)
        id = s->next_id;
    s->next_id = CR_MAX(s->next_id, id + 1);
    s->dims[s->n_dims++] = (nc_dim){v->name, v->addr, id, v->dataset.space.shape[0], v->dataset.space.most[0] < 0, v->group, false};
    return CR_OK;
}

static cr_status describe(nc_scan *s, const h5_link *link, const h5_object *o, int group, nc_var *ret, int64_t *ret_id, cr_err *err) {
    nc_var v = {.name = link->name, .addr = o->addr, .group = group};
    if (strncmp(v.name, NON_COORD, sizeof NON_COORD - 1) == 0 && v.name[sizeof NON_COORD - 1])
        v.name += sizeof NON_COORD - 1;
    CR_TRY(h5_dataset_parse(s->x, o, &v.dataset, err));
    CR_TRY(h5_attrs_load(s->x, o, &v.attrs, &v.n_attrs, err));
    *ret_id = -1;
    CR_TRY(read_marks(s, &v, ret_id, err));
    *ret = v;
    return CR_OK;
}

typedef cr_status (*visit_fn)(nc_scan *s, const h5_link *link, const h5_object *o, int group, void *user, cr_err *err);

/* Calls visit for every dataset and group that a group links to. */
static cr_status each_child(nc_scan *s, uint64_t addr, int group, visit_fn visit, void *user, cr_err *err) {
    h5_object o;
    h5_group g;
    CR_TRY(h5_object_load(s->x, addr, &o, err));
    CR_TRY(h5_group_load(s->x, &o, &g, err));
    for (int i = 0; i < g.n; i++) {
        uint64_t child;
        CR_TRY(h5_link_follow(s->x, s->root, addr, &g.links[i], &child, err));
        if (child == H5_UNDEF)
            continue;
        cr_status status = h5_object_load(s->x, child, &o, err);
        if (status == CR_OK && (h5_is_group(&o) || h5_is_dataset(&o)))
            status = visit(s, &g.links[i], &o, group, user, err);
        if (status != CR_OK) {
            cr_err_context(err, "in \"%s\"", g.links[i].name);
            return status;
        }
    }
    return CR_OK;
}

static cr_status note_child(nc_scan *s, const h5_link *link, const h5_object *o, int group, void *user, cr_err *err) {
    bool last = *(bool *)user;
    if (h5_is_group(o)) {
        if (!last)
            return CR_OK;
        CR_TRY(grow(s, &s->groups, s->n_groups, &s->cap_groups, sizeof *s->groups, err));
        s->groups[s->n_groups++] = link->name;
        return CR_OK;
    }
    nc_var v;
    int64_t id;
    CR_TRY(describe(s, link, o, group, &v, &id, err));
    if (v.is_scale)
        CR_TRY(add_dim(s, &v, id, err));
    CR_TRY(grow(s, &s->vars, s->n_vars, &s->cap_vars, sizeof *s->vars, err));
    s->vars[s->n_vars++] = v;
    return CR_OK;
}

cr_status nc_scan_group(nc_scan *s, uint64_t addr, int group, bool last, cr_err *err) {
    return each_child(s, addr, group, note_child, &last, err);
}

/* ---- dimensions of variables ------------------------------------------------------------------------------------ */

static int by_addr(const void *a, const void *b, void *dims) {
    const nc_dim *d = dims;
    uint64_t x = d[*(const int *)a].addr, y = d[*(const int *)b].addr;
    return x == y ? *(const int *)a - *(const int *)b : (x > y) - (x < y);
}

static int by_id(const void *a, const void *b, void *dims) {
    const nc_dim *d = dims;
    int64_t x = d[*(const int *)a].id, y = d[*(const int *)b].id;
    return x == y ? *(const int *)a - *(const int *)b : (x > y) - (x < y);
}

cr_status nc_index_dims(nc_scan *s, cr_err *err) {
    CR_TRY(h5_alloc(s->x->temp, (size_t)CR_MAX(s->n_dims, 1), sizeof *s->by_addr, &s->by_addr, err));
    CR_TRY(h5_alloc(s->x->temp, (size_t)CR_MAX(s->n_dims, 1), sizeof *s->by_id, &s->by_id, err));
    for (int i = 0; i < s->n_dims; i++)
        s->by_addr[i] = s->by_id[i] = i;
    s->n_indexed = s->n_dims;
    if (s->n_dims) {
        qsort_r(s->by_addr, (size_t)s->n_dims, sizeof *s->by_addr, by_addr, s->dims);
        qsort_r(s->by_id, (size_t)s->n_dims, sizeof *s->by_id, by_id, s->dims);
    }
    return CR_OK;
}

/* Index of the dimension whose scale lies at addr; -1: none. */
static int dim_by_addr(const nc_scan *s, uint64_t addr) {
    int low = 0, high = s->n_indexed;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (s->dims[s->by_addr[middle]].addr < addr)
            low = middle + 1;
        else
            high = middle;
    }
    return addr != H5_UNDEF && low < s->n_indexed && s->dims[s->by_addr[low]].addr == addr ? s->by_addr[low] : -1;
}

/* Of that which has this id in a group up to this one; -1: none. */
static int dim_by_id(const nc_scan *s, int64_t id) {
    int low = 0, high = s->n_indexed;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (s->dims[s->by_id[middle]].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->n_indexed && s->dims[s->by_id[low]].id == id ? s->by_id[low] : -1;
}

int nc_var_dim(const nc_scan *s, const nc_var *v, int axis) {
    int found = -1;
    if (v->n_ids == v->dataset.space.ndim && v->n_ids > 0)
        found = dim_by_id(s, v->ids[axis]);
    if (found < 0 && v->has_refs)
        found = dim_by_addr(s, v->refs[axis]);
    if (found < 0 && v->is_scale && axis == 0)
        found = dim_by_addr(s, v->addr);
    return found;
}

/* ---- lengths of unlimited dimensions ---------------------------------------------------------------------------- */

static void extend(nc_scan *s, const nc_var *v) {
    for (int i = 0; i < v->dataset.space.ndim && !v->dim_only; i++) {
        int d = nc_var_dim(s, v, i);
        if (d >= 0 && s->dims[d].unlimited)
            s->dims[d].length = CR_MAX(s->dims[d].length, v->dataset.space.shape[i]);
    }
}

static cr_status measure_child(nc_scan *s, const h5_link *link, const h5_object *o, int group, void *user, cr_err *err) {
    int depth = *(int *)user + 1;
    if (h5_is_group(o)) {
        for (int i = 0; i < s->n_seen; i++)
            if (s->seen[i] == o->addr)
                return CR_OK;
        if (depth > MAX_GROUP_DEPTH || s->n_seen >= MAX_GROUPS)
            return CR_FAIL(err, CR_LIMIT, "more than %d groups, or nested deeper than %d", MAX_GROUPS, MAX_GROUP_DEPTH);
        CR_TRY(grow(s, &s->seen, s->n_seen, &s->cap_seen, sizeof *s->seen, err));
        s->seen[s->n_seen++] = o->addr;
        return each_child(s, o->addr, group, measure_child, &depth, err);
    }
    nc_var v;
    int64_t id;
    if (depth == 1)                        /* of the path itself: known already */
        return CR_OK;
    CR_TRY(describe(s, link, o, group, &v, &id, err));
    extend(s, &v);
    return CR_OK;
}

cr_status nc_measure_unlimited(nc_scan *s, const uint64_t *path, int n_path, cr_err *err) {
    int first = -1, depth = 0;
    for (int i = 0; i < s->n_dims; i++)
        if (s->dims[i].unlimited) {
            s->dims[i].length = 0;
            first = first < 0 ? s->dims[i].group : CR_MIN(first, s->dims[i].group);
        }
    for (int i = 0; i < s->n_vars && first >= 0; i++)
        extend(s, &s->vars[i]);
    for (int i = 0; i < n_path; i++) {
        CR_TRY(grow(s, &s->seen, s->n_seen, &s->cap_seen, sizeof *s->seen, err));
        s->seen[s->n_seen++] = path[i];
    }
    for (int i = first; i >= 0 && i < n_path; i++)
        CR_TRY(each_child(s, path[i], i, measure_child, &depth, err));
    return CR_OK;
}
