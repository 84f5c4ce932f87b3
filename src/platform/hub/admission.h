/* admission.h - which starts may begin now, and who is next: decisions only.
 *
 * The memory of the room is given away by guarantee: the sum over all servers that run, start or stop stays within it. A start that does not
 * fit, or comes while as many as may are starting, waits. Who has the fewest servers goes first, then who has waited longest; nobody is
 * overtaken because they need more.
 */
#ifndef CR_PLATFORM_HUB_ADMISSION_H
#define CR_PLATFORM_HUB_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cr_admission {
    uint64_t room_bytes, used_bytes;      /* room 0: no limit */
    int starts_most, starting;            /* most 0: no limit */
} cr_admission;
typedef enum cr_admission_answer { CR_ADMIT, CR_ADMIT_NO_MEMORY, CR_ADMIT_NO_TURN } cr_admission_answer;

/* What is larger than the room may run alone. */
cr_admission_answer cr_admission_ask(const cr_admission *now, uint64_t needs_bytes);

typedef struct cr_admission_waiting {
    int64_t since_ms, id;                 /* id: decides between those of one moment */
    int servers;                          /* that the person has running or starting */
} cr_admission_waiting;
/* Does a start before b? */
bool cr_admission_before(const cr_admission_waiting *a, const cr_admission_waiting *b);

#endif
