/* admission.c - which starts may begin now, and who is next. */
#include "platform/hub/admission.h"

cr_admission_answer cr_admission_ask(const cr_admission *a, uint64_t needs_bytes) {
    if (a->room_bytes && a->used_bytes && (a->used_bytes >= a->room_bytes || needs_bytes > a->room_bytes - a->used_bytes))
        return CR_ADMIT_NO_MEMORY;
    return a->starts_most && a->starting >= a->starts_most ? CR_ADMIT_NO_TURN : CR_ADMIT;
}

bool cr_admission_before(const cr_admission_waiting *a, const cr_admission_waiting *b) {
    if (a->servers != b->servers)
        return a->servers < b->servers;
    return a->since_ms != b->since_ms ? a->since_ms < b->since_ms : a->id < b->id;
}
