/* part_form.h - the head of a part as bytes, for its writer, its reader and their fuzz target; the form is told in craton/part.h. */
#ifndef CR_EXEC_PART_FORM_H
#define CR_EXEC_PART_FORM_H

#include <stdint.h>

#define CR_PART_MAGIC "\x93" "CRPART\n"
#define CR_PART_HEAD_BYTES 56

typedef struct cr_part_head {
    char magic[8];
    uint32_t version, n_arrays;
    int64_t wanted, part, n_parts;
    uint64_t bytes, sum;
} cr_part_head;

_Static_assert(sizeof(cr_part_head) == CR_PART_HEAD_BYTES, "the head has no padding");

#endif
