/* record.h - what the helper must know of a server after it was itself restarted: one small file per server.
 *
 * STATE/runner/servers/ACCOUNT.GENERATION, lines `key value`, replaced as a whole (and synced) at each change of state. No secret is
 * in it. Only the helper reads and writes the directory (root 0700).
 */
#ifndef CR_PLATFORM_RUNNER_RECORD_H
#define CR_PLATFORM_RUNNER_RECORD_H

#include <sys/types.h>
#include "base/buf.h"
#include "platform/runner/process.h"
#include "platform/runner/protocol.h"

typedef enum cr_server_state { CR_SERVER_STARTING, CR_SERVER_RUNNING, CR_SERVER_ENDED } cr_server_state;

typedef struct cr_record {
    cr_server_id id;
    cr_server_limits limits;
    char user[256];
    int64_t uid;
    char folders[CR_FOLDER_NAMES_SIZE];          /* by name, see group_folder.h; for what is forked later */
    char software[CR_PROFILE_SLUG_MAX + 1];      /* environment that the whole server runs from; "": Craton's own, with what is forked for it */
    int64_t role, cluster;        /* cr_server_role; number of the cluster, 0: none */
    int64_t state;                /* cr_server_state */
    int64_t pid;                  /* 0: not yet */
    int64_t start_ticks;
    char boot_id[CR_BOOT_ID_SIZE];
    int64_t socket_ready, preimported, stop_requested;
    int64_t started_ms;           /* wall clock */
    int64_t reason, detail, memory_peak_bytes;   /* once ended */
    char text[256];
} cr_record;

cr_status cr_record_save(const char *dir, const cr_record *r, cr_err *err) CR_MUST_USE;
cr_status cr_record_remove(const char *dir, const cr_record *r, cr_err *err) CR_MUST_USE;
/* Text to record and back; the record is checked as if it came from the hub. */
cr_status cr_record_format(const cr_record *r, cr_buf *out, cr_err *err) CR_MUST_USE;
cr_status cr_record_parse(char *text, cr_record *ret_record, cr_err *err) CR_MUST_USE;
/* Calls fn for each record of the directory; one that is damaged is moved to NAME.damaged and logged. */
cr_status cr_record_each(const char *dir, void (*fn)(void *user, const cr_record *r), void *user, cr_err *err) CR_MUST_USE;

#endif
