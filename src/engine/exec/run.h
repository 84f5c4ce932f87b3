/* run.h - running one scan: what workers share, what a worker has, and the files that do the steps.
 *
 * A worker claims a unit, walks its cells in row-major order, and for each cell: loads what the active leaves show there (load.c), runs
 * the program strip by strip (strip.c), and hands strips to the sinks: the user's memory or chunk (deliver.c), or states (fold
 * loops in strip.c, order and merging in combine.c, states of a part in part_run.c), or panels (panel.c, and sieve.c where they keep only
 * a part of each series). All memory is taken before the first unit; nothing is
 * acquired while running.
 *
 * Invariants
 *  1. For one slot of one sink, elements are folded in the order of cells, row-major inside a cell, into the state of their block;
 *     blocks are merged by combine.c in the fixed tree. Strips, row order and workers change no bits.
 *  2. Panels are ranked when they are full: who filled them, in which order, and who ranks which series changes no bits.
 *  3. The lowest failing unit gives the error: units above it are not begun, those below are finished.
 */
#ifndef CR_EXEC_RUN_H
#define CR_EXEC_RUN_H

#include <pthread.h>
#include <stdatomic.h>
#include "craton/context.h"
#include "engine/exec/slab.h"
#include "engine/exec/team.h"
#include "engine/plan/plan.h"

typedef struct cr_rates {         /* foretell.c */
    double copy_bytes_per_s, inflate_bytes_per_s, step_ns; /* of one thread; 0: not measured yet */
} cr_rates;

struct cr_context {
    int threads, simd;
    uint64_t memory_limit_bytes, keep_bytes, peak_bytes;
    uint64_t set_aside_bytes;     /* of the limit, by the call that runs: for what it holds from one of its computations to the next */
    cr_progress_fn progress;
    void *progress_user;
    atomic_bool cancelled;
    bool cancel_stays;            /* cancelled is never taken back */
    pthread_mutex_t busy;         /* recursive: held by the call that runs, which may be several computations */
    int n_operations;             /* such calls, one inside of the other: a cancel between two computations must not be lost */
    bool computing;               /* the team is at work */
    cr_slab slab;
    cr_team *team;
    pthread_mutex_t rates_lock;
    cr_rates rates;
};

/* Around a call of several computations, and around each of these: a cancel between two of them is for the whole call, and no other thread's comes
 * between, whose progress would be shown as that of the call, and whose memory is not set aside. */
void cr_context_begin(cr_context *c);
void cr_context_end(cr_context *c);
/* Around one computation, which has the team. CR_BUSY: it was called by a function that another one of this thread has called. */
cr_status cr_context_take(cr_context *c, cr_err *err) CR_MUST_USE;
void cr_context_give(cr_context *c);
static inline uint64_t cr_context_room(const cr_context *c) { return c->memory_limit_bytes - c->set_aside_bytes; }
static inline bool cr_context_cancelled(const cr_context *c) { return atomic_load_explicit(&c->cancelled, memory_order_relaxed); }

/* shown.c: the progress of several computations as one: the context's function is called for the whole, whatever each says of its part. Between
 * cr_context_begin and _end; the weights of the parts add up to the total. */
typedef struct cr_shown {
    cr_progress_fn progress;      /* the caller's; NULL: nobody looks */
    void *user;
    double total, done, part, shown;
    int64_t shown_ms;
} cr_shown;
void cr_shown_begin(cr_context *c, cr_shown *s, double total);
void cr_shown_next(cr_shown *s, double part); /* the last part is done, and the next one is this large */
void cr_shown_end(cr_context *c, cr_shown *s, bool all);

/* Where a leaf's elements of the current cell lie: base + sum over domain axes of (index[d] ? index[d][i] : i) * stride[d]. */
typedef struct cr_view {
    const char *base;
    int64_t stride[CR_MAX_DIMS];
    const int64_t *index[CR_MAX_DIMS];
} cr_view;

/* How a leaf is read along the flattened inner axes of a cell: as it lies, one element for all, gathered, or one element for each row. */
typedef enum cr_read_mode { CR_READ_FLAT, CR_READ_SAME, CR_READ_PACK, CR_READ_ROWS } cr_read_mode;

/* What a value is in the current strip: one element, an element each, or one for every row that the strip touches. */
enum { CR_STEP_SAME, CR_STEP_EACH, CR_STEP_ROWS };

typedef struct cr_leaf_state cr_leaf_state;
struct cr_leaf_state {            /* of one worker */
    cr_view view;
    cr_read_mode mode;
    bool active;
    char *chunk, *tile;           /* in the worker's load memory */
    int64_t held[CR_MAX_DIMS];    /* which chunk `chunk` holds; held[0] = -1: none */
    bool holds;
    char *stay;                   /* in the worker's block: chunks that stay decoded until the unit ends, ... */
    int64_t *stay_at;             /* ... the place of each, ndim numbers, ... */
    int64_t n_stay, stay_next;    /* ... how many there are, and which one is likely asked for next */
    cr_leaf_state *lender;        /* of a nested worker: the outer leaf, which has the chunks that stay; NULL: it has its own */
    const char *row;              /* address at the current row */
};

/* ---- states (combine.c) ---- */

typedef struct cr_state {
    struct cr_state *next;
    int64_t n_slots, cells_left;
    int32_t block;
    void *planes[CR_FOLD_MAX_PLANES];
    /* Grouped: which groups have got elements. The slots of the others are not set up, merged or read: with many blocks and few groups in
     * each (months along time), that would be most of the work. */
    uint8_t *touched;
} cr_state;

typedef struct cr_kept_box {      /* of the domain; reduced axes have n 1 */
    int64_t lo[CR_MAX_DIMS], n[CR_MAX_DIMS];
    int64_t slots;                /* per group */
} cr_kept_box;

typedef struct cr_kept_cell {     /* merging of the blocks of one kept cell */
    cr_state *section, *total, *early;
    int32_t next_block;
    bool busy, begun;
} cr_kept_cell;

typedef struct cr_sink_run {      /* shared by the workers */
    const cr_sink_plan *plan;
    const cr_array *node;
    /* memory of the result (OUT to memory, REDUCE) */
    char *out;
    int64_t out_stride[CR_MAX_DIMS];      /* per domain axis, bytes; 0 for reduced axes */
    int64_t group_stride;
    /* OUT to the user's sink */
    const cr_sink *user;
    struct cr_open *open;                 /* deliver.c */
    /* REDUCE */
    pthread_mutex_t lock;
    char *states;
    uint64_t states_bytes;
    cr_state *unused;
    int64_t never_used;                   /* states not handed out yet */
    cr_kept_cell *kept;
    uint64_t kept_bytes;
    int64_t n_kept;
    uint8_t *has_members;                 /* per group; NULL: not grouped */
    struct cr_panels *panels;             /* ranks: panel.c */
} cr_sink_run;

typedef struct cr_place {         /* of one worker and sink, for the current cell */
    /* OUT: the cell's first element, and how the result lies */
    char *out;
    int64_t out_stride[CR_MAX_DIMS];
    bool out_flat;
    char *box;                    /* the cell's values, for a user's sink or a sieve */
    /* REDUCE */
    cr_state *state;
    int64_t run_total;            /* elements of a run: the trailing reduced axes */
    int64_t slot_stride[CR_MAX_DIMS];
    int64_t kept_slots;
    /* a run is folded in segments of CR_FOLD_SEGMENT; what does not fill one waits here */
    int64_t pending, pending_at, pending_slot;
    char *pending_bytes;
    char *expanded;               /* a repeated value written out */
    cr_state **open;              /* [local kept cell * blocks of the unit + local block] */
    /* ranks: elements go to `out` as above; work space for ranking */
    char *ranking;
} cr_place;

#define CR_SIEVE_LOCKS 8          /* of a panel: each is for an eighth of its sieves */

typedef struct cr_run cr_run;
typedef struct cr_kept cr_kept;   /* decoded chunks of a column (columns_run.c) */

typedef struct cr_worker {
    cr_run *run;
    int id;
    char *block;                  /* everything below lies in it */
    uint64_t block_bytes;
    char *regs, *load, *stay;
    const void **ptr;             /* per value */
    uint8_t *step, *in_reg;       /* CR_STEP_... */
    char **dst;                   /* per value: write here instead of to the register; NULL: register */
    int32_t *chosen;              /* per value: SELECT's part in this cell */
    /* which scopes hold the cell: of each the axes along which it does not, and its place in the list of those that do */
    bool scopes_known;
    uint8_t *scope_off;
    int32_t *scope_at, *scopes, n_scopes;
    int32_t border[CR_MAX_DIMS];  /* of each axis the first that is beyond the cell's beginning */
    int32_t *active;              /* values, in order */
    int32_t n_active;
    cr_leaf_state *leaves;
    int32_t *active_leaves;
    int32_t n_active_leaves;
    int64_t *order;               /* work space of gathers */
    cr_place *places;             /* per sink */
    cr_scratch own_scratch, *scratch;     /* the scratch of a nested worker is the outer's */
    /* the current cell */
    int64_t cell[CR_MAX_DIMS], lo[CR_MAX_DIMS], n[CR_MAX_DIMS];
    int inner;                    /* first of the flattened axes */
    int64_t inner_n;
    int64_t row_n;                /* elements of a row, for CR_READ_ROWS */
    int64_t row[CR_MAX_DIMS];     /* coordinates of the current row, outer axes */
    /* the current unit, in cells */
    int64_t unit_lo[CR_MAX_DIMS], unit_hi[CR_MAX_DIMS];
} cr_worker;

struct cr_run {
    cr_context *context;
    const cr_plan *plan;
    cr_scan *scan;
    cr_sink_run *sinks;
    cr_worker *workers;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    cr_kept *kept;                /* NULL: the scan is run by itself */
    int64_t next_unit, end_unit, oldest;  /* those from next_unit to end_unit are run now */
    uint8_t *unit_done;           /* ring of window entries */
    int64_t failed_unit;          /* INT64_MAX: none */
    bool ranks;                   /* some sink does, so that workers without a unit may be of use */
    struct cr_panel *ranking;     /* full panels with pieces that nobody has begun */
    cr_status status;
    cr_err err;
    atomic_int_fast64_t cells_done;
    double done_before, total;    /* progress */
    int32_t shown_phase;
    int64_t last_report_ms;
};

/* load.c */
cr_status cr_load_cell(cr_worker *w, cr_err *err) CR_MUST_USE;
cr_status cr_load_assign(cr_worker *w, cr_err *err) CR_MUST_USE;     /* buffers of the active leaves */
/* nested.c: s->chunk and s->tile are buffers of l->chunk_bytes and l->tile_bytes */
cr_status cr_nested_begin(cr_worker *w, const cr_leaf *l, cr_leaf_state *s, cr_err *err) CR_MUST_USE;
/* What the current cell needs of the leaf to s->tile, row-major: the box at start (of the node), of count positions. */
cr_status cr_nested_load(cr_worker *w, const cr_leaf *l, cr_leaf_state *s, int64_t *start, int64_t *count, cr_err *err) CR_MUST_USE;
/* strip.c */
cr_status cr_strip_cell(cr_worker *w, cr_err *err) CR_MUST_USE;
/* combine.c */
cr_status cr_combine_init(cr_run *r, cr_sink_run *s, cr_err *err) CR_MUST_USE;
void cr_combine_done(cr_run *r, cr_sink_run *s);
cr_status cr_combine_state(cr_worker *w, int sink, cr_state **ret_state, cr_err *err) CR_MUST_USE; /* of the current cell */
cr_status cr_combine_cell_done(cr_worker *w, int sink, cr_err *err) CR_MUST_USE;
cr_status cr_combine_nothing(cr_run *r, cr_sink_run *s, cr_err *err) CR_MUST_USE;                  /* the result of no elements */
/* for part_run.c: where the result lies and which groups have members, as a part of cr_combine_init; the kept cell's box; right into left;
 * the values of a box to the result */
cr_status cr_combine_place(cr_run *r, cr_sink_run *s, cr_err *err) CR_MUST_USE;
void cr_combine_box(const cr_scan *scan, const cr_sink_plan *k, int64_t kept, cr_kept_box *ret_box);
void cr_combine_merge(const cr_sink_plan *k, cr_state *left, cr_state *right);
cr_status cr_combine_finish(const cr_run *r, const cr_sink_run *s, const cr_kept_box *b, cr_state *st, cr_err *err) CR_MUST_USE;
/* part_run.c: state number `index` of a kept cell to where the part is put together */
void cr_part_store(const cr_scan *scan, const cr_sink_plan *k, int64_t kept, const cr_state *st, int64_t index);
/* panel.c */
cr_status cr_panel_init(cr_run *r, cr_sink_run *s, cr_err *err) CR_MUST_USE;
void cr_panel_done(cr_run *r, cr_sink_run *s);
cr_status cr_panel_begin(cr_worker *w, int sink, cr_err *err) CR_MUST_USE;                         /* where the current cell goes */
cr_status cr_panel_cell_done(cr_worker *w, int sink, cr_err *err) CR_MUST_USE;
struct cr_panel *cr_panel_to_help(cr_run *r);                                                     /* NULL: none; under the run's lock */
void cr_panel_help(cr_worker *w, struct cr_panel *at);                                            /* ranks some of a full panel */
void cr_panel_nothing(cr_sink_run *s);
/* sieve.c: of the panel of a kept cell. Where the current cell goes; the cell through the sieves, with others at the same time; results of
 * piece `piece`, to s->out. */
void cr_sieve_open(const cr_sink_plan *k, char *panel);
void cr_sieve_begin(const cr_worker *w, const cr_sink_plan *k, cr_place *place);
void cr_sieve_take(const cr_worker *w, const cr_sink_plan *k, const cr_place *place, char *panel, pthread_mutex_t *locks);
int64_t cr_sieve_pieces(const cr_program *p, const cr_sink_plan *k, const int64_t *n);
void cr_sieve_rank(const cr_run *r, const cr_sink_run *s, int64_t q_stride, char *panel, const int64_t *lo, const int64_t *n, int64_t piece);
/* deliver.c */
cr_status cr_deliver_init(cr_run *r, cr_sink_run *s, cr_err *err) CR_MUST_USE;
void cr_deliver_done(cr_run *r, cr_sink_run *s);
cr_status cr_deliver_box(cr_worker *w, int sink, cr_err *err) CR_MUST_USE;
/* A finished result in memory, box by box of the user's grid. */
cr_status cr_deliver_result(cr_context *c, const cr_array *node, const void *data, const cr_sink *user, cr_err *err) CR_MUST_USE;
/* scan_run.c */
void cr_worker_ready(cr_worker *w, char *block);                     /* lays out the worker in block; block_bytes is what it takes */
cr_status cr_worker_scopes(cr_worker *w, cr_err *err) CR_MUST_USE;   /* which scopes hold the cell [lo, lo + n) */
cr_status cr_run_scan(cr_context *c, const cr_plan *plan, cr_scan *scan, double done_before, double total, cr_err *err) CR_MUST_USE;
/* The same in pieces: set up, run some units, clean up; for columns_run.c. */
cr_status cr_run_begin(cr_run *r, cr_context *c, const cr_plan *plan, cr_scan *scan, cr_err *err) CR_MUST_USE;
cr_status cr_run_units(cr_run *r, int64_t first, int64_t end, cr_err *err) CR_MUST_USE;
void cr_run_end(cr_run *r);
double cr_scan_weight(const cr_scan *scan);
double cr_scan_cells(const cr_scan *scan);
double cr_plan_weight(const cr_plan *plan);                          /* of all its scans: the total of its progress */
/* columns_run.c */
cr_status cr_run_columns(cr_context *c, const cr_plan *plan, const cr_columns *g, double *done, double total, cr_err *err) CR_MUST_USE;
/* Where chunk `at` of a kept leaf belongs. *ret_state: CR_KEPT_... ; NULL: it is not one of the column's, or none of those that are kept. */
enum { CR_KEPT_NOTHING, CR_KEPT_COMING, CR_KEPT_HERE };
char *cr_kept_chunk(const cr_kept *k, const cr_leaf *l, const int64_t *at, atomic_uchar **ret_state);

#endif
