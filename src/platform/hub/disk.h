/* disk.h - how much of the disk people's homes take, what follows from too much of it, and the disk itself.
 *
 * The helper measures (runner/measuring.h); the hub keeps the last figure of each person. From CR_DISK_WARN_PERCENT of the limit on the home page
 * says so, with what is large. Who has more than the limit cannot start a server or a Dask cluster, but a server for cleaning up: JupyterLab with its file browser and
 * terminals and without kernels, for CR_DISK_CLEANING_MS. What runs is not stopped: it would lose more than space.
 * With less left on the disk than `disk-free`, or hardly an inode, or when it takes no writes, nobody starts one, and administrators are told; the database has its
 * own reserve.
 *
 * Hub's loop.
 */
#ifndef CR_PLATFORM_HUB_DISK_H
#define CR_PLATFORM_HUB_DISK_H

#include "platform/hub/lab.h"

enum { CR_DISK_WARN_PERCENT = 80, CR_DISK_ROWS_MAX = 100, CR_DISK_CLEANING_MS = 30 * 60 * 1000 };

typedef struct cr_disk {
    uint64_t bytes, limit_bytes;          /* limit 0: none */
    int64_t at_ms;                        /* wall; 0: never measured */
    bool full, warn;
    bool cut;                             /* more than bytes, see runner/disk_walk.h */
} cr_disk;

cr_status cr_disk_open(cr_hub *hub, cr_err *err) CR_MUST_USE;      /* the database is open */
void cr_disk_close(cr_hub *hub);
void cr_disk_on_minute(cr_hub *hub);
bool cr_disk_event(cr_hub *hub, const cr_runner_event *event);     /* true: it was one of these */

cr_status cr_disk_of(cr_hub *hub, int64_t user_id, cr_disk *ret_disk, cr_err *err) CR_MUST_USE;
/* May the server start as what it is (server->cleaning)? CR_CONFLICT says why not; who has too much is then measured again. */
cr_status cr_disk_admits(cr_lab *server, cr_err *err) CR_MUST_USE;
/* The same of a Dask cluster, whose workers write into the home too; those that run go on. */
cr_status cr_disk_admits_cluster(cr_hub *hub, const cr_person *person, cr_err *err) CR_MUST_USE;

/* For pages of the person: {"known", "cut", "used", "limit", "percent", "ago", "warn", "full", "low", "read_only", "top": [{"name", "size"}]}. */
json_t *cr_disk_values(cr_hub *hub, int64_t user_id);
/* For administrators: appends {"name", "used", "limit", "percent", "full", "warn", "cut", "ago"}, the largest first; at most CR_DISK_ROWS_MAX. */
cr_status cr_disk_rows(cr_hub *hub, int64_t limit, int64_t offset, json_t *rows, cr_err *err) CR_MUST_USE;
/* What is wrong with the disk itself, a sentence; "" : nothing. */
const char *cr_disk_problem(cr_hub *hub);
void cr_disk_text(cr_hub *hub, cr_buf *out);                 /* lines for cratond --status */
void cr_disk_room(const cr_hub *hub, uint64_t *ret_free, uint64_t *ret_all);
void cr_disk_page(cr_request *req);                                /* /hub/admin/disk */
void cr_disk_measure_post(cr_request *req);                        /* /hub/measure: the own home is measured again */

#endif
