/* leftovers.c - what is found by the kernel's tables of System V, and by find. */
#include "platform/runner/leftovers.h"

#include <grp.h>
#include <stdio.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "platform/runner/process.h"

enum { FIND_MS = 10 * 60 * 1000, JOB_MS = 60 * 60 * 1000 };

/* ---- System V ---- */

static bool is_left(const cr_leftovers *l, const struct ipc_perm *p, int64_t changed_s) {
    return (p->uid == l->uid || p->cuid == l->uid) && changed_s < l->before_s;
}

/* By place in the table, and without the right to read: their person may have taken that away. */
static void remove_shared_memory(const cr_leftovers *l) {
    struct shm_info info;
    struct shmid_ds s;
    int last = shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info), id;
    for (int i = 0; i <= last; i++)
        if ((id = shmctl(i, SHM_STAT_ANY, &s)) >= 0 && is_left(l, &s.shm_perm, s.shm_ctime))
            shmctl(id, IPC_RMID, NULL);
}

static void remove_semaphores(const cr_leftovers *l) {
    struct seminfo info;
    struct semid_ds s;
    union { int val; struct semid_ds *buf; struct seminfo *info; } arg = {.info = &info};
    int last = semctl(0, 0, SEM_INFO, arg), id;
    arg.buf = &s;
    for (int i = 0; i <= last; i++)
        if ((id = semctl(i, 0, SEM_STAT_ANY, arg)) >= 0 && is_left(l, &s.sem_perm, s.sem_ctime))
            semctl(id, 0, IPC_RMID);
}

static void remove_messages(const cr_leftovers *l) {
    struct msginfo info;
    struct msqid_ds s;
    int last = msgctl(0, MSG_INFO, (struct msqid_ds *)(void *)&info), id;
    for (int i = 0; i <= last; i++)
        if ((id = msgctl(i, MSG_STAT_ANY, &s)) >= 0 && is_left(l, &s.msg_perm, s.msg_ctime))
            msgctl(id, IPC_RMID, NULL);
}

/* ---- files ---- */

/* What it cannot enter or remove is somebody else's: that it then fails says nothing. Folders that their person has closed are opened first; that changes
 * them, so they stay, empty, until the next time. */
static void remove_files(const cr_leftovers *l, const char *folder) {
    char uid[16], before[32];
    cr_err err = CR_ERR_INIT;
    snprintf(uid, sizeof uid, "%u", (unsigned)l->uid);
    snprintf(before, sizeof before, "@%lld", (long long)l->before_s);
#define FIND "/usr/bin/find", folder, "-xdev", "-mindepth", "1", "-user", uid, "!", "-newerct", before
    const char *const open_up[] = {FIND, "-type", "d", "!", "-perm", "-0700", "-exec", "/bin/chmod", "u+rwx", "--", "{}", ";", NULL};
    const char *const remove[] = {FIND, "-delete", NULL};
#undef FIND
    if (access(folder, F_OK) != 0)
        return;
    (void)!cr_program_run(open_up, (uid_t)-1, 0, FIND_MS, &err);
    (void)!cr_program_run(remove, (uid_t)-1, 0, FIND_MS, &err);
}

/* What lies there under its name, with all that is in it. A search of all that others have there could take hours. */
static void remove_entries(const cr_leftovers *l, const char *folder) {
    char uid[16];
    cr_err err = CR_ERR_INIT;
    snprintf(uid, sizeof uid, "%u", (unsigned)l->uid);
    const char *const find[] = {"/usr/bin/find", folder, "-xdev", "-mindepth", "1", "-maxdepth", "1", "-user", uid,
                                "(", "-exec", "/bin/chmod", "-R", "u+rwX", "--", "{}", ";", "-o", "-true", ")",
                                "-exec", "/bin/rm", "-rf", "--one-file-system", "--", "{}", ";", NULL};
    if (access(folder, F_OK) == 0)
        (void)!cr_program_run(find, (uid_t)-1, 0, FIND_MS, &err);
}

static _Noreturn void run_child(const cr_leftovers *l) {
    if (setgroups(0, NULL) != 0 || setresgid(l->gid, l->gid, l->gid) != 0 || setresuid(l->uid, l->uid, l->uid) != 0)
        _exit(1);
    remove_shared_memory(l);
    remove_semaphores(l);
    remove_messages(l);
    remove_files(l, "/dev/shm");
    for (size_t i = 0; i < CR_ARRAY_LEN(l->run); i++)
        if (l->run[i][0])
            remove_files(l, l->run[i]);
    if (l->folders) {
        remove_entries(l, "/tmp");
        remove_entries(l, "/var/tmp");
    }
    _exit(0);
}

cr_status cr_leftovers_remove(const void *what, cr_err *err) {
    const cr_leftovers *l = what;
    int status = 0;
    if (l->uid == 0)
        return CR_FAIL(err, CR_INTERNAL, "root leaves nothing");
    pid_t pid = fork();
    if (pid == 0)
        run_child(l);
    if (pid < 0)
        return CR_FAIL_ERRNO(err, "cannot look for what was left in memory");
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status == 0 ? CR_OK : CR_FAIL(err, CR_IO, "cannot remove what uid %u has left in memory", (unsigned)l->uid);
}

static void on_removed(void *user, const cr_err *result) {
    (void)user;
    if (result->status != CR_OK)
        cr_log_err(CR_LOG_WARN, "removing what was left in memory", result);
}

void cr_leftovers_after(const cr_server *ended) {
    cr_servers *s = ended->table;
    cr_leftovers l = {.uid = (uid_t)ended->r.uid, .gid = (gid_t)ended->r.uid, .before_s = cr_wall_ms() / 1000};
    cr_err err = CR_ERR_INIT;
    if (!s->setup.config->as_root || ended->r.uid <= 0)      /* without root it would be all that the machine's user has */
        return;
    for (const cr_server *v = s->first; v; v = v->next)
        if (v != ended && v->r.uid == ended->r.uid && v->r.state != CR_SERVER_ENDED)
            return;
    snprintf(l.run[0], sizeof l.run[0], "%s/r/%u", s->setup.config->run_dir, (unsigned)l.uid);
    snprintf(l.run[1], sizeof l.run[1], "%s/u/%s", s->setup.config->run_dir, ended->r.id.account);
    if (cr_jobs_add(s->jobs, CR_LANE_LEFTOVERS, cr_leftovers_remove, &l, sizeof l, JOB_MS, on_removed, NULL, &err) != CR_OK)
        cr_log_err(CR_LOG_WARN, "removing what was left in memory", &err);
}
