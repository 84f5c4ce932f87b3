/* encode.h - values as they are stored: the way back from decode.h. */
#ifndef CR_ENGINE_DATASET_ENCODE_H
#define CR_ENGINE_DATASET_ENCODE_H

#include "engine/dataset/variable.h"

/* v as it is written: packed as it was, with the attributes that say so; in *ret_var, whose data has the stored type. Times
 * are read now. Texts come back as they are. */
cr_status cr_encode(cr_context *c, const cr_var *v, cr_var **ret_var, cr_err *err) CR_MUST_USE;

#endif
