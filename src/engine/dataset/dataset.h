/* dataset.h (engine) - what a dataset is inside: variables by name, some of which are coordinates. */
#ifndef CR_ENGINE_DATASET_DATASET_H
#define CR_ENGINE_DATASET_DATASET_H

#include "base/text.h"
#include "engine/dataset/variable.h"

struct cr_dataset {
    atomic_int refs;
    cr_context *context;
    cr_arena memory;
    int n;
    cr_var **vars;
    bool *is_coord;
    cr_attr *attrs;
    int n_attrs;
    char note[400];                   /* why some times stayed numbers; "" */
};

#endif
