/* hdf5_group.h - what a group links to, and the attributes of any object: both stored in few or in many, old style or new. */
#ifndef CR_ENGINE_FORMAT_HDF5_GROUP_H
#define CR_ENGINE_FORMAT_HDF5_GROUP_H

#include "engine/format/hdf5_message.h"
#include "engine/format/hdf5_object.h"

/* ---- links ------------------------------------------------------------------------------------------------------ */

typedef enum h5_link_kind { H5_LINK_HARD, H5_LINK_SOFT, H5_LINK_ELSEWHERE } h5_link_kind;

typedef struct h5_link {
    const char *name;              /* UTF-8, in the arena `keep` */
    h5_link_kind kind;
    uint64_t addr;                 /* hard: the object header */
    const char *target;            /* soft: a path */
    uint64_t order;                /* of creation, where tracked */
} h5_link;

typedef struct h5_group {
    int n;
    h5_link *links;                /* by creation where the group tracks that, else by name (bytes) */
} h5_group;

bool h5_is_group(const h5_object *o);
bool h5_is_dataset(const h5_object *o);
cr_status h5_group_load(h5_ctx *x, const h5_object *o, h5_group *ret_group, cr_err *err) CR_MUST_USE;
/* NULL when there is none of that name. */
const h5_link *h5_group_find(const h5_group *g, const char *name);
/* The object that a link leads to, following soft links from group_addr or from root. *ret_addr is H5_UNDEF when it leads nowhere or to
 * another file. */
cr_status h5_link_follow(h5_ctx *x, uint64_t root, uint64_t group_addr, const h5_link *link, uint64_t *ret_addr, cr_err *err) CR_MUST_USE;

/* ---- attributes ------------------------------------------------------------------------------------------------- */

typedef struct h5_attr {
    const char *name;              /* UTF-8, in the arena `temp` */
    h5_type type;
    h5_space space;
    h5_cur data;                   /* space.n items as stored, checked to be there */
    uint32_t order;
} h5_attr;

/* Every attribute of an object, in the order of creation. */
cr_status h5_attrs_load(h5_ctx *x, const h5_object *o, h5_attr **ret_attrs, int *ret_n, cr_err *err) CR_MUST_USE;

#endif
