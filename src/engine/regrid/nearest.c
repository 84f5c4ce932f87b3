/* nearest.c - the source cell whose centre is nearest. */
#include "engine/regrid/search.h"

#include <stdlib.h>

static cr_vec centre_of(const void *user, int32_t item) { return cr_grid_centre(user, item); }

static cr_box box_of(const void *user, int32_t item) {
    cr_box b = cr_box_none();
    cr_box_add(&b, cr_grid_centre(user, item));
    return b;
}

static cr_status find(const cr_search *s, int64_t cell, cr_found *f, double *ret_share, cr_err *err) {
    int32_t best = cr_box_tree_nearest(s->tree, cr_grid_centre(s->to, cell), centre_of, s->from);
    *ret_share = best >= 0;
    return best < 0 ? CR_OK : cr_found_add(f, best, 1, err);
}

cr_status cr_search_nearest(cr_search *s, cr_err *err) {
    int32_t *items, n;
    s->find = find;
    CR_TRY(cr_search_items(s->from, &items, &n, err));
    cr_status status = cr_box_tree_new(s->context, n, items, box_of, s->from, &s->tree, err);
    if (status != CR_OK)
        free(items);
    return status;
}
