/* decode.h - the CF conventions between stored variables and what they mean. */
#ifndef CR_ENGINE_DATASET_DECODE_H
#define CR_ENGINE_DATASET_DECODE_H

#include "engine/dataset/variable.h"

typedef struct cr_decoding {
    bool as_stored;
    bool weak_attrs;              /* numbers in attributes are those of JSON (Zarr): plain numbers, without a type of their own */
    bool join_characters;         /* the last dimension counts characters */
    bool plain_times;             /* what counts times stays numbers */
    const char *units, *calendar; /* of a bounds variable: from the time it belongs to; NULL: its own */
} cr_decoding;

/* A stored variable with its meaning. Lazy, but for text, which is read. raw is NULL for CR_STRING, whose texts are given. */
cr_status cr_decode(cr_context *c, const cr_variable *stored, cr_array *raw, cr_labels *texts, const cr_decoding *how, cr_var **ret_var,
                    cr_err *err) CR_MUST_USE;

#endif
