/* lab.h - the life of a user server: one small state machine per (person, server name).
 *
 *   STOPPED -> WAITING (in the queue, lab_queue.h; or at once) -> STARTING (asked of the runner)
 *           -> CHECKING (its socket exists; is JupyterLab there?) -> ROUTING (HAProxy) -> READY
 *   any of these -> STOPPING (asked to end) -> STOPPED; an exit at any time -> STOPPED
 * Every state but STOPPED, WAITING and READY has a deadline, also after a restart of the hub. A start that is too late is stopped, and has what is left of
 * its time when a new hub finds it; a stop that is too late is repeated with force and compared with the runner's list, so no state lasts for ever. One that
 * was ready is not ended by a restart of the hub: it waits for its route for as long as that takes.
 *
 * Owner: the hub's map `servers`; a cr_lab lives from its first use until it has been stopped for a while, or its person is removed. What a handler
 * has found is there until the handler returns; who needs it longer listens to it, or finds it again.
 *
 * Invariants
 *  1. The row in the database says running = 1 before the runner is asked, and 0 only after it said that the process ended (or does
 *     not know it): nothing that runs is forgotten by a crash in between.
 *  2. A generation is used once; events of other generations are ignored.
 *  3. A route exists only from ROUTING to the end of READY.
 *  4. Memory and walks grow with the servers that run or have run lately, not with the people who are known.
 */
#ifndef CR_PLATFORM_HUB_LAB_H
#define CR_PLATFORM_HUB_LAB_H

#include "platform/hub/hub.h"
#include "platform/hub/lab_ask.h"
#include "platform/hub/probe.h"

typedef enum cr_lab_state {
    CR_LAB_STOPPED, CR_LAB_WAITING, CR_LAB_STARTING, CR_LAB_CHECKING, CR_LAB_ROUTING, CR_LAB_READY, CR_LAB_STOPPING
} cr_lab_state;

typedef struct cr_lab cr_lab;
/* Called after every change of state or progress. */
typedef void (*cr_lab_fn)(void *user, const cr_lab *server);
typedef struct cr_lab_listener {
    struct cr_lab_listener *prev, *next;
    cr_lab *server;        /* NULL: not listening */
    cr_lab_fn fn;
    void *user;
} cr_lab_listener;

enum { CR_LAB_TITLE_MAX = 120 };

struct cr_lab {
    cr_hub *hub;
    int64_t id, user_id;
    char user[CR_NAME_MAX + 1], account[CR_ACCOUNT_MAX + 1], name[CR_ACCOUNT_MAX + 1];
    char title[CR_LAB_TITLE_MAX + 1];   /* for people; "": the name */
    uint64_t generation;
    cr_lab_state state;
    bool removing;            /* its row goes when it has stopped, whatever is killed in between */
    bool routed;              /* the proxy was told a way to it, see lab_routes.h */
    bool was_ready;           /* in this generation; also in a hub before this one */
    bool start_again;         /* after the stop that is under way */
    bool seen;                /* in the runner's list */
    bool listens;             /* and there with its socket */
    bool activity_changed;    /* not written yet */
    bool unsaved;             /* its row could not be written: memory knows better */
    int percent;              /* of the start */
    char message[200];        /* what happens, for people */
    char why[200];            /* STOPPING: the reason to keep, when the hub itself stops it; "" otherwise */
    char why_word[24];        /* and its short name, such as "idle"; "" is the runner's */
    int64_t began_ms;         /* monotonic, of this start */
    int64_t stopping_ms;      /* monotonic, when it was asked to stop; 0: it was not */
    int64_t started_ms, last_activity_ms, stopped_ms;      /* wall; 0: never */
    int64_t waiting_ms;       /* wall; WAITING since, else 0 */
    int64_t ready_after_ms;   /* the last good start's; 0: not known */
    char stop_reason[24], stop_text[320];
    int64_t memory_ms;        /* wall; when something inside was last ended for memory in this generation, 0: never seen by this hub */
    uint64_t memory_limit;    /* bytes; the limit in force then */
    json_t *user_options;     /* the choice for the next start, and of the one that runs; see profile_choice.h */
    uint64_t memory_bytes;    /* limits of this start; 0: not known */
    uint32_t cpu_milli;       /* likewise; 0: none */
    uint64_t guarantee_bytes; /* that its profile gives; 0: by the settings, see lab_queue.h */
    bool failed;              /* the last start did not reach READY */
    bool cleaning;            /* this start, or the next one, is for freeing disk space; see disk.h */
    cr_breaker breaker;       /* starts of this server that fail */
    struct {                  /* see idle_watch.h */
        int64_t used_ms;      /* wall; the latest use that was found by asking */
        int64_t keep_until_ms;
        int unanswered;       /* in a row */
        cr_lab_ask *ask;      /* under way; and the hash of its token */
        char token[2 * CR_HASH_BYTES + 1];
    } idle;
    cr_timer deadline;
    cr_timer guests;          /* when guests who may not be here any more are put out */
    int64_t guests_out_ms;    /* wall; the same, also of a hub before this one; 0: not at all */
    bool guests_again;        /* and once more after that */
    bool guests_asked;        /* the proxy, which has not answered; the timer asks again */
    cr_probe *probe;
    cr_lab_listener listeners;   /* head of a ring */
};

/* name "" is the default server. Makes the record (and the row, when make) at first use; CR_NOT_FOUND without make. */
cr_status cr_lab_find(cr_hub *hub, const cr_person *person, const char *name, bool make, cr_lab **ret_server, cr_err *err) CR_MUST_USE;
/* All of a person, the default one first, then by name; those that were never made are not there. each must not remove any. */
cr_status cr_lab_each(cr_hub *hub, int64_t user_id, void (*each)(void *user, cr_lab *server), void *user, cr_err *err) CR_MUST_USE;
cr_status cr_lab_find_by_id(cr_hub *hub, int64_t id, cr_lab **ret_server, cr_err *err) CR_MUST_USE;
/* Starting what runs and stopping what is stopped is CR_OK. A start may have to wait first; one that waits is stopped at once. */
cr_status cr_lab_start(cr_lab *server, cr_err *err) CR_MUST_USE;
cr_status cr_lab_stop(cr_lab *server, const char *why, cr_err *err) CR_MUST_USE;
/* word: the short name of the reason (stop_reason), kept with the text over a restart of the hub. Without one it is "requested", and the home page of
 * its person does not say why: for stops by that person alone. */
cr_status cr_lab_stop_for(cr_lab *server, const char *word, const char *why, cr_err *err) CR_MUST_USE;
/* Stops a named server and then takes its row away, with tokens and shares; it can be gone when this returns only at the next turn of the loop. */
cr_status cr_lab_remove(cr_lab *server, cr_err *err) CR_MUST_USE;
/* Of a stopped one; the name is free (asked before). */
cr_status cr_lab_rename(cr_lab *server, const char *name, cr_err *err) CR_MUST_USE;
cr_status cr_lab_set_title(cr_lab *server, const char *title, cr_err *err) CR_MUST_USE;
/* Takes away what was to be removed, when it has stopped; stops the rest, and what runs of people who are disabled. */
void cr_labs_sweep(void *hub);
/* For lab_queue.c: a waiting server begins, or its start fails and is over; false: the database does not answer, it keeps its place. And a
 * state is told to who listens. */
bool cr_lab_begin_waiting(cr_lab *server);
void cr_lab_tell_state(cr_lab *server, cr_lab_state state, int percent, const char *message);
/* Somebody may not be a guest here any more: when the server believes that too (it remembers for a minute what the hub said), what is open
 * to it is cut. JupyterLab of those who may connects again by itself; of the others it cannot. Called before the right is
 * taken away, or in the same transaction, so that a hub that is killed meanwhile leaves the cut to the next one; it may come to cut in vain.
 * When it cannot be written the right must not be taken away: nobody would put them out. */
cr_status cr_lab_put_guests_out(cr_lab *server, cr_err *err) CR_MUST_USE;
/* The proxy has cut what was open to this one of its servers; user: the hub. */
void cr_lab_on_cut(void *user, const char *server);
/* The same at all servers of others that this person has entered (visits.h). */
cr_status cr_lab_put_person_out(cr_hub *hub, int64_t user_id, cr_err *err) CR_MUST_USE;
/* The same at all servers that are shared with this group, that its people have entered, or that are theirs and entered by others; before the
 * group goes. */
cr_status cr_lab_put_group_out(cr_hub *hub, int64_t group_id, cr_err *err) CR_MUST_USE;
/* The same at this person's own servers that others have entered. */
cr_status cr_lab_put_visitors_out(cr_hub *hub, int64_t user_id, cr_err *err) CR_MUST_USE;
/* The same at all servers that others have entered, people and services. */
cr_status cr_lab_put_all_visitors_out(cr_hub *hub, cr_err *err) CR_MUST_USE;
/* The same wherever somebody has come with an API token that has ended since. */
cr_status cr_lab_put_ended_tokens_out(cr_hub *hub, cr_err *err) CR_MUST_USE;
/* The same wherever somebody is by what this person has given to others; before it ends (cr_person_forget_given). */
cr_status cr_lab_put_given_out(cr_hub *hub, int64_t user_id, cr_err *err) CR_MUST_USE;
void cr_lab_note_activity(cr_lab *server, int64_t wall_ms);
/* Frees the records of a person whose servers are all stopped; false: something runs. */
bool cr_lab_forget(cr_hub *hub, int64_t user_id);
int cr_lab_count_running(const cr_hub *hub);
/* For whatever is started by the runner; inside a transaction of the caller or alone. */
cr_status cr_next_generation(cr_db *db, uint64_t *ret_generation, cr_err *err) CR_MUST_USE;

void cr_lab_listen(cr_lab *server, cr_lab_listener *listener, cr_lab_fn fn, void *user);
void cr_lab_unlisten(cr_lab_listener *listener);

/* hub.c: at start, on the runner's events, every minute, at the end. */
cr_status cr_labs_load(cr_hub *hub, cr_err *err) CR_MUST_USE;
/* Wants the routes of all that may run, before the proxy is first compared: what is open through them must not be cut while the hub
 * still looks for the servers behind them. */
cr_status cr_labs_claim_routes(cr_hub *hub, cr_err *err) CR_MUST_USE;
/* Asks the runner what runs; until its list is complete, hub->recovering. */
cr_status cr_labs_recover(cr_hub *hub, cr_err *err) CR_MUST_USE;
void cr_labs_event(void *hub, const cr_runner_event *event);
void cr_labs_write_activity(cr_hub *hub);
/* Stops that could not be written when they were seen (a full disk, a database that another program held) are, as soon as they can be. */
void cr_labs_write_stops(cr_hub *hub);
/* Frees records that say no more than their rows: of stopped servers at which somebody has looked. */
void cr_labs_trim(void *hub);
void cr_labs_free(cr_hub *hub);

/* For pages and API. */
char *cr_lab_origin_url(const cr_lab *server, const char *rest, char *buf, size_t size);   /* USERORIGIN/user/NAME/rest */
char *cr_lab_usual(const cr_lab *server, char buf[48]);   /* "about 9 seconds": how long the last good start took */
json_t *cr_lab_progress(const cr_lab *server);       /* one event of the progress stream */
json_t *cr_lab_model(const cr_lab *server);          /* JupyterHub's server model */

#endif
