/* plan.h - from a graph of lazy arrays to phases of scans that a team of workers can run in bounded memory.
 *
 * The way: (graph.c) number the nodes, equal ones once, and give each its phase: a reduction is a barrier, its result is memory for
 * what follows. (lower.c) for every sink, a user's output or a reduction, walk down from it and compose all views onto the
 * sources: what remains is a flat program over the sink's index space (the "domain") whose leaves are read through accesses. (cells.c)
 * cut the domain into cells along the chunks of the source with most bytes. (scan.c) put sinks of one phase over the same cells
 * and sources into one scan. (fit.c) cut the cells into units of work and prove that a number of workers fits the memory limit. (digits.c)
 * quantiles that do not fit are put in other terms, and all begins again. (columns.c) scans of several phases that read the same chunks
 * go through them together, column by column. (pieces.c) cells whose states are larger than a cache are cut into pieces. (parts.c) A plan for a part of a scan walks over a box of its cells.
 *
 * Vocabulary
 *   domain   the index space over which a sink is evaluated: the shape of the output, or of the reduction's input; axes may be
 *            reordered so that they lie as in the largest source
 *   access   how the domain's index maps to a node's index, one entry per axis of the node
 *   leaf     something read: storage, memory, a callback, a scratch file (array/spill.h), the result of an earlier phase, or what goes along an axis (running sums,
 *            windows) and is made from a box of its input larger than the cell, by a scan of its own (exec/nested.c)
 *   value    one step of the program, made strip by strip; scope: the part of the domain where it exists (below a concat), a box
 *   cell     the piece of the domain that is loaded and computed at once
 *   block    a range of cells along the reduced axes that is folded in order into one state (engine-algorithms: the fold tree)
 *   unit     what a worker claims: whole blocks of every sink
 *   panel    all elements of a kept cell, for order statistics: what is ranked at once. Or of each series only those that the wanted ranks can
 *            need, where these are near an end (a sieve, kernel/rank.h)
 *   piece    a part of a cell along a kept axis, so small that its states stay in cache; a worker goes over all cells of a unit that lie under
 *            one piece before it begins the next, while the unit's decoded chunks stay
 *   column   a box of the axes that no scan of a family needs whole before the next can begin: all of them are run over it, one after
 *            the other, while its decoded chunks are kept
 *
 * Invariants
 *  1. Cells and blocks follow from shapes, chunking and the expression of the one sink alone; never from threads, memory or other sinks.
 *     This is what makes results bit-identical.
 *  2. Nothing here is proportional to the number of chunks of an array, only to the number of cuts along single axes.
 *  3. A plan borrows the nodes; it lives within one call of cr_compute.
 */
#ifndef CR_PLAN_PLAN_H
#define CR_PLAN_PLAN_H

#include "base/arena.h"
#include "engine/array/node.h"
#include "engine/array/spill.h"
#include "engine/kernel/fold.h"
#include "engine/kernel/map_table.h"
#include "engine/kernel/rank.h"
#include "engine/plan/idtable.h"
#include "engine/plan/index_span.h"

#define CR_FOLD_MAX_BLOCKS 64
#define CR_FOLD_SECTION 8                 /* blocks in a section */
#define CR_FOLD_SLOT_ELEMENTS 16          /* that a slot of a block's state should see */
#define CR_FOLD_FEW_PIECES 16             /* blocks times kept cells that suffice where a slot sees fewer than these in all */
#define CR_CELL_LEAST_BYTES (256 << 10)   /* smaller chunks are computed several at once */
#define CR_CELL_MOST_CHUNKS 64
#define CR_CELL_WINDOW_BYTES (8 << 20)    /* moving windows want larger ones */
#define CR_NESTED_MOST 12                 /* windows of windows of windows ... */
#define CR_NESTED_BYTES (24 << 10)        /* what exec/nested.c has for one, beside buffers */

/* ---- accesses (access.c) ---- */

typedef struct cr_access_axis {
    int dim;                      /* axis of the domain; -1: the constant position start */
    int64_t start, step;          /* position = start + step * i ... */
    const int64_t *index;         /* ... or index[i] when not NULL */
} cr_access_axis;

typedef struct cr_access {
    int ndim;
    struct cr_access *next;       /* with the same hash */
    cr_access_axis axis[];
} cr_access;

/* ---- nodes (graph.c) ---- */

typedef struct cr_plan_node {
    const cr_array *node;
    const int32_t *inputs;        /* ids */
    int32_t phase;                /* in which its values can be computed; a reduction's result is there from the next phase on */
    int32_t result;               /* REDUCE class: index in results; -1: not needed (yet) */
} cr_plan_node;

typedef struct cr_result {        /* memory for the whole of a reduction */
    int32_t node;
    int32_t made, last_used;      /* phases */
    uint64_t bytes;
    uint64_t touched_bytes;       /* of the pages that are written to (looked_at.c); bytes: all of them */
    void *data;                   /* the user's memory, or the executor's */
    bool users;
    bool late;                    /* there from the first family of scans to the end, see cr_columns */
} cr_result;

/* ---- programs (lower.c) ---- */

typedef enum cr_leaf_kind { CR_LEAF_MEMORY, CR_LEAF_CALLBACK, CR_LEAF_STORED, CR_LEAF_RESULT, CR_LEAF_CODES, CR_LEAF_ALONG, CR_LEAF_SPILLED } cr_leaf_kind;

typedef struct cr_leaf {
    cr_leaf_kind kind;
    const cr_array *node;         /* CODES: the grouping node */
    const cr_access *access;      /* one entry per axis of the node; CODES: one per grouped axis */
    int result;                   /* RESULT */
    const int32_t *codes;         /* CODES, looked_at.c: instead of the node's; NULL: those */
    size_t itemsize;
    uint64_t read_bytes;          /* of the elements that the domain looks at */
    /* set by cr_cells_measure, multiples of 64 */
    uint64_t chunk_bytes;         /* to hold a decoded chunk, or of each what is looked at; 0: read where it lies, or by boxes */
    bool in_parts;                /* STORED: of each chunk only the box that is looked at is read (cr_leaf_part), ... */
    double part_again;            /* ... for which this many times as much is decoded */
    uint64_t tile_bytes;          /* to put a cell together of several chunks; 0: not needed */
    /* ALONG: chunk_bytes is all that computing it takes, tile_bytes is for the result */
    struct cr_scan *inner;        /* what the node's input is computed by, box by box; its cells are the borders that boxes may not cross */
    int32_t kept;                 /* STORED: its number among the kept sources of the scan's family (cr_columns), plus one; 0: none */
    const cr_index_span **spans;  /* of a kept one: of the lists in access, one per axis, NULL where there is none; NULL: it has no lists */
    int64_t stays;                /* STORED: chunks of it that a worker keeps decoded while it is in one unit (pieces.c); 0: one at a time */
    uint64_t raw_bytes, state_bytes, inner_bytes; /* shares of chunk_bytes: a box of the input, state or work of the loops, the inner worker */
} cr_leaf;

typedef enum cr_value_kind { CR_VALUE_CONST, CR_VALUE_LOAD, CR_VALUE_CALL, CR_VALUE_SELECT } cr_value_kind;

typedef struct cr_segment {       /* of a SELECT: positions [lo, hi) of the domain's axis come from one input */
    int64_t lo, hi;
    int32_t value;                /* of a scope that holds them, and maybe more */
} cr_segment;

typedef struct cr_value {
    uint8_t kind;
    uint8_t n_args;
    cr_dtype dtype;
    uint32_t itemsize;
    int32_t scope;                /* 0: everywhere */
    int32_t args[3];
    int32_t leaf;                 /* LOAD */
    int32_t reg;                  /* register, by linear scan; -1: none */
    cr_map_kernel kernel;         /* CALL */
    const void *data;             /* CONST: the value; CALL: what the kernel's imm is */
    const char *name;             /* for explain */
    int dim;                      /* SELECT */
    int64_t n_segments;
    const cr_segment *segments;   /* ascending, covering the axis */
} cr_value;

typedef struct cr_border {        /* position of an axis from which on something is different; no cell crosses one */
    int64_t at;
    int32_t dim, scope;           /* 0: a select shows another value */
    bool enters;                  /* the scope begins */
} cr_border;

typedef struct cr_program {
    int ndim;
    int64_t shape[CR_MAX_DIMS];
    cr_value *values;
    int32_t n_values, cap_values;
    cr_leaf *leaves;
    int32_t n_leaves, cap_leaves;
    int64_t *scopes;              /* see cr_scope_box() */
    int32_t n_scopes, cap_scopes;
    cr_idtable memo;
    /* after cr_program_finish() */
    cr_border *borders;           /* by axis and position; those of axis d begin at border_begin[d] */
    int32_t n_borders, border_begin[CR_MAX_DIMS + 1];
    int32_t *scope_begin;         /* of scope s the values, without constants, are scope_values[scope_begin[s] ..< scope_begin[s + 1]] */
    int32_t *scope_values;
    uint8_t *scope_dims;          /* axes along which it is not everything */
    int32_t n_regs;
    uint32_t strip;               /* elements */
    uint32_t reg_bytes;           /* one register: strip * widest item */
} cr_program;

/* Scope s > 0: from, to along each axis. */
static inline const int64_t *cr_scope_box(const cr_program *p, int32_t s) { return p->scopes + 2 * (size_t)p->ndim * (size_t)(s - 1); }
static inline bool cr_scope_is_cut(const cr_program *p, int32_t s, int d) {
    return cr_scope_box(p, s)[2 * d] > 0 || cr_scope_box(p, s)[2 * d + 1] < p->shape[d];
}

/* ---- cells, sinks, scans ---- */

typedef struct cr_cells {
    int64_t n[CR_MAX_DIMS];               /* cells along each axis */
    int64_t *ends[CR_MAX_DIMS];           /* in the plan's arena */
    int64_t most[CR_MAX_DIMS];            /* the longest */
} cr_cells;

typedef struct cr_part_sink cr_part_sink;

typedef struct cr_sink_plan {
    int32_t node;                 /* plan node: the output, or the reduction */
    int32_t output;               /* index of the user's array; -1: only an intermediate result */
    int32_t value;                /* of the program */
    bool reduces;
    int out_axis[CR_MAX_DIMS];    /* of the domain's axis d: axis of the result; -1: reduced */
    /* reduces: */
    const cr_reduce_params *params;
    const cr_fold *fold;
    uint32_t reduced;             /* domain axes */
    int32_t codes;                /* value; -1: not grouped */
    int group_axis;               /* of the result */
    int64_t n_groups;             /* 1 when not grouped */
    const int64_t *group_at;      /* looked_at.c: of the groups that have states where they lie along the result's axis; NULL: all have */
    int64_t blocks[CR_MAX_DIMS];  /* along each axis of the domain, a power of two; 1 for kept axes */
    int64_t n_blocks;             /* product, <= CR_FOLD_MAX_BLOCKS */
    int64_t index_stride[CR_MAX_DIMS]; /* of the position along the reduced axes, as the user counts it */
    bool runs;                    /* the innermost axis is reduced: elements come in runs into one slot; else in rows onto many */
    int run_from;                 /* first of the trailing reduced axes */
    bool by_index;                /* argmin, argmax, first, last: the position matters, the order of folding does not */
    size_t slot_bytes;
    int result;
    /* ranks: order statistics. Nothing is folded: all elements of a kept cell are put together in a panel, and ranked when the last is there */
    bool ranks;
    const cr_digit_params *narrows;       /* the sink counts digits (`params` is NULL), see plan/digits.c */
    int narrowed_before;          /* result of the pass before this one; -1: the first */
    const cr_quantile_params *quantiles;
    cr_rank rank;
    const cr_part_sink *part;     /* states are stored in part_states instead of being finished; NULL: not a part */
    char *part_states;
    /* set by fit.c */
    int64_t most_slots;           /* of one kept cell, all groups */
    int64_t state_bytes;          /* of one state buffer */
    int64_t n_states;             /* state buffers that can be in use at once */
    int64_t n_open;               /* kept cells times blocks of the largest unit */
    int64_t n_kept;               /* kept cells in all */
    int64_t n_panels, panel_bytes;        /* ranks: panels that can be open at once */
    int64_t panel_stride[CR_MAX_DIMS];    /* bytes per step along the domain's axes */
    int lane_axis;                /* the kept axis whose series are ranked side by side; -1: one series */
    int64_t lanes;
    bool in_place;                /* series lie contiguously, so that the panel itself can be reordered */
    bool side_by_side;            /* series are ranked a row of them at a time (rank.h), without being taken apart */
    bool can_sift;                /* `sift` says how: from quantiles and the length of the series */
    cr_rank_sift sift;
    bool sifts;                   /* panels are sieves, one for each `lanes` of the kept positions in a row, of sieve_bytes; rows first */
    int64_t sieve_bytes, box_bytes;       /* box: of a worker, where a cell lies before it goes through them */
    uint64_t ranking_bytes;       /* work space of a worker */
    int64_t n_chunks;             /* compute_to: chunks of the user's grid that can be open at once, ... */
    int64_t chunk_bytes;          /* ... and their size */
} cr_sink_plan;

typedef struct cr_atoms {         /* along an axis, where units may be cut */
    int64_t n;
    int64_t first, count;         /* those that are walked over: all, or those of a part */
    bool reduced;                 /* by some sink: at the borders of n blocks; else every `merge` cells */
    int64_t merge;
    const int64_t *begins;        /* pieces.c: of the n atoms the first cell, and the end of the last; NULL: as above */
} cr_atoms;

/* ---- parts (parts.c): boxes of the domain, cut where no sink has a section cut in two ---- */

#define CR_PART_MOST_BYTES ((int64_t)1 << 40)

typedef struct cr_parts {
    int64_t n_parts;
    int64_t most[CR_MAX_DIMS];            /* pieces of each axis between which can be cut: cells, or slabs of whole sections */
    int64_t pieces[CR_MAX_DIMS];          /* into which it is cut */
} cr_parts;

typedef struct cr_part_box {
    int64_t first[CR_MAX_DIMS], end[CR_MAX_DIMS]; /* of the `most` pieces */
    int64_t lo[CR_MAX_DIMS], hi[CR_MAX_DIMS];     /* positions */
} cr_part_box;

struct cr_part_sink {             /* what a part knows of one sink */
    int32_t first_block, end_block;
    int64_t n_states;             /* one per section; one for all when it begins with the first, since that is how sections are merged */
    int64_t lo[CR_MAX_DIMS], n[CR_MAX_DIMS];      /* kept positions; reduced axes 0, 1 */
    int64_t slots;                /* per group */
    int64_t state_bytes, plane_at[CR_FOLD_MAX_PLANES];
};

typedef struct cr_scan {
    int32_t phase;
    cr_program program;
    cr_cells cells;
    cr_sink_plan *sinks;
    int32_t n_sinks;
    bool empty;                   /* the domain has no elements */
    uint64_t load_bytes;          /* chunks and tiles of a cell, per worker */
    uint64_t scratch_bytes;       /* codecs, per worker */
    uint64_t stay_bytes;          /* chunks that stay decoded within a unit, per worker; 0: cells are not cut into pieces */
    bool kept_first;              /* cells of a unit are walked over as units are: the kept axes outside, the reduced ones inside */
    bool nested;                  /* the inner scan of a leaf */
    const cr_part_box *part;      /* of the domain that is gone over: of a part (parts.c), or what is looked at (looked_at.c); NULL: all of it */
    const uint8_t *wanted;        /* looked_at.c: for each cell along wanted_axis whether it is loaded; NULL: all are */
    int wanted_axis;
    int64_t n_wanted;
    int32_t columns;              /* number of the family that it is run with, plus one; 0: by itself */
    bool late;                    /* run by itself, when the families are through */
    /* set by fit.c */
    int workers, window;
    cr_atoms atoms[CR_MAX_DIMS];
    int64_t unit_n[CR_MAX_DIMS];          /* units along each axis */
    int unit_order[CR_MAX_DIMS];          /* axes, outermost of the walk over units first */
    int64_t n_units;
    int64_t refine;               /* kept axes were cut finer than chunks: chunks are decoded up to this many times */
    cr_cells whole;               /* refine > 1: cells as they were before that */
    uint64_t worker_bytes;        /* one worker */
    uint64_t state_bytes, sink_bytes;
} cr_scan;

/* ---- columns (columns.c): scans that read the same chunks, and one of which reads what another makes ---- */

typedef struct cr_chunk_box {     /* chunks of a source, along its axes; first = end: none */
    int64_t first[CR_MAX_DIMS], end[CR_MAX_DIMS];
} cr_chunk_box;

typedef struct cr_kept_source {
    const cr_array *node;
    uint64_t slot_bytes;          /* of a decoded chunk */
} cr_kept_source;

/* Units of each scan are counted over the column axes first, so that a column is a range of units. It covers one unit of the column axes
 * before `at`, `step` units of that one, and all of those behind it. */
typedef struct cr_columns {
    int32_t *scans, n_scans;      /* in the order in which they run */
    int axes[CR_MAX_DIMS], n_axes;
    int at;                       /* index in axes */
    int64_t step, n_columns;
    cr_kept_source *sources;      /* read by more than one of the scans */
    int32_t n_sources;
    uint64_t wanted_bytes;        /* decoded chunks of the largest column ... */
    int64_t wanted_chunks;        /* ... and of the one that has most */
    uint64_t keep_bytes;          /* what is kept of them: all, or the first; the others are decoded by every scan */
    uint64_t bytes;               /* all that running it takes, beside results */
    cr_arena spans;               /* of its leaves; gone when it is not used */
} cr_columns;

typedef struct cr_output_spec {   /* where the user's array goes */
    void *data;                   /* cr_compute */
    const cr_sink *sink;          /* cr_compute_to */
} cr_output_spec;

typedef struct cr_plan {
    cr_arena arena;
    int simd;
    cr_plan_node *nodes;
    int32_t n_nodes, cap_nodes;
    cr_idtable by_address, by_hash;
    cr_idtable composed, interned;        /* accesses */
    int n_outputs;
    const cr_output_spec *outputs;
    int32_t *output_nodes;
    int32_t *output_first;                /* the first output that is the same node */
    cr_result *results;
    int32_t n_results;
    cr_scan *scans;                       /* in the order in which they run */
    int32_t n_scans, cap_scans;
    cr_columns *columns;
    int32_t n_columns;
    int32_t n_phases;
    uint64_t limit_bytes, peak_bytes;     /* what the plan needs at most beyond the user's results */
    uint64_t keep_bytes;                  /* of decoded chunks that a column may keep */
    int32_t refused;              /* the scan that does not fit; -1: none */
    bool apart;                   /* sinks that rank have scans of their own, for lack of memory */
    cr_parts parts;
    cr_part_box *part;                    /* NULL: it is a plan for the whole */
    cr_array **owned;             /* what the plan was made of instead of the user's arrays; NULL: those themselves */
} cr_plan;

typedef struct cr_plan_options {
    int simd, threads;
    uint64_t limit_bytes, keep_bytes;     /* keep: see cr_context_options */
    bool only_cells;              /* nothing is fitted: the plan cannot be run */
    int64_t wanted, part;         /* wanted > 0: a part of the only scan (part.h); else CR_INVALID */
} cr_plan_options;

/* CR_MEMORY: does not fit, with the node, bytes and advice. */
cr_status cr_plan_make(cr_plan *plan, int n, cr_array *const *arrays, const cr_output_spec *outputs, const cr_plan_options *o,
                       cr_err *err) CR_MUST_USE;
void cr_plan_done(cr_plan *plan);

/* ---- between the files of the plan ---- */

/* The n arrays of a plan with those quantiles (replace[id] of its nodes) put in terms of passes over digits, or of one quantile per
 * group. *ret_changed false: none could be; then nothing is returned. The caller owns ret_arrays[0..n-1]. */
cr_status cr_digits_instead(const cr_plan *plan, const bool *replace, uint64_t room_bytes, cr_array **ret_arrays, bool *ret_changed,
                            cr_err *err) CR_MUST_USE;

cr_status cr_graph_number(cr_plan *plan, int n, cr_array *const *arrays, cr_err *err) CR_MUST_USE;
/* The node with other inputs of the same shapes and types. */
cr_status cr_graph_again(const cr_array *a, cr_array *const *inputs, cr_array **ret_array, cr_err *err) CR_MUST_USE;
/* A node of a plan made of made[] of its inputs; itself when these are its own. To be unreferenced. */
cr_status cr_graph_remade(const cr_plan *plan, int32_t id, cr_array *const *made, cr_array **ret_array, cr_err *err) CR_MUST_USE;
/* The outputs of a plan that was made, with others[id] in place of the nodes for which it is not NULL: of their shapes, types and cuts. ret_arrays: one for
 * each output, to be unreferenced. */
cr_status cr_graph_replaced(const cr_plan *plan, cr_array *const *others, cr_array **ret_arrays, cr_err *err) CR_MUST_USE;
cr_status cr_access_identity(cr_plan *plan, int ndim, const int *dims, cr_access **ret_access, cr_err *err) CR_MUST_USE;
/* The access of a view's input, given the access of the view (any VIEW but concat), or of input number `input` of a MAP. shape is the domain's. */
cr_status cr_access_through(cr_plan *plan, const int64_t *domain, int32_t view, int input, const cr_access *a, const cr_access **ret_access,
                            cr_err *err) CR_MUST_USE;
/* The same with one axis replaced. */
cr_status cr_access_replace(cr_plan *plan, const cr_access *a, int axis, const cr_access_axis *with, const cr_access **ret_access,
                            cr_err *err) CR_MUST_USE;
void cr_program_init(cr_plan *plan, cr_program *p, int ndim, const int64_t *shape); /* one program is lowered at a time */
void cr_program_done(cr_program *p);
uint64_t cr_program_bytes(const cr_program *p);
cr_status cr_program_lower(cr_plan *plan, cr_program *p, int32_t node, const cr_access *access, int32_t *ret_value, cr_err *err) CR_MUST_USE;
/* The value that loads the group codes of grouping node `node`; access: of the node's input. */
cr_status cr_program_codes(cr_plan *plan, cr_program *p, int32_t node, const cr_access *access, int32_t *ret_value, cr_err *err) CR_MUST_USE;
/* Registers and strip length; keep: values that sinks look at. */
cr_status cr_program_finish(cr_program *p, const int32_t *keep, int n_keep, cr_err *err) CR_MUST_USE;
/* Lowers what the leaves of class ALONG are made of. After all sinks are lowered. */
cr_status cr_program_nest(cr_plan *plan, cr_program *p, int depth, cr_err *err) CR_MUST_USE;
/* It is read, as opposed to what is in memory or takes the place of that: what is read decides first how cells are cut. */
bool cr_leaf_is_read(const cr_leaf *l);
/* The leaf with most bytes; -1: none. */
int32_t cr_program_largest(const cr_program *p);
cr_status cr_cells_cut(cr_plan *plan, const cr_program *p, cr_cells *ret_cells, cr_err *err) CR_MUST_USE;
/* The borders that no box of this program may cross, as cells. */
cr_status cr_cells_borders(cr_plan *plan, const cr_program *p, cr_cells *ret_cells, cr_err *err) CR_MUST_USE;
/* What loading a cell takes: tile_bytes and chunk_bytes of the leaves, load_bytes and scratch_bytes of the scan. */
cr_status cr_cells_measure(cr_scan *scan, cr_err *err) CR_MUST_USE;
bool cr_leaf_reads_boxes(const cr_leaf *l);
/* Whether boxes of the chunks of a stored leaf are read by themselves; *ret_bytes: the largest, *ret_scratch: as reads_part has it. Leaves that look at one
 * source share whole chunks, which is better where their boxes are as much together. */
bool cr_leaf_reads_parts(const cr_program *p, cr_leaf *l, uint64_t *ret_bytes, size_t *ret_scratch);
/* Of a leaf that is read in parts: the box of chunk `at` that its program looks at, in positions of the chunk. */
void cr_leaf_part(const cr_program *p, const cr_leaf *l, const int64_t *at, int64_t *ret_lo, int64_t *ret_n);
int64_t cr_cells_begin(const cr_cells *c, int d, int64_t i);
cr_status cr_scans_make(cr_plan *plan, cr_err *err) CR_MUST_USE;
/* looked_at.c: scans go only over what something looks at. After they are made. */
cr_status cr_plan_look(cr_plan *plan, cr_err *err) CR_MUST_USE;
/* Of a grouped sink, row-major over the grouped axes, by the numbers of the groups that have states. */
const int32_t *cr_sink_codes(const cr_scan *s, const cr_sink_plan *k);
/* What a sink folds, as opposed to what it stores or ranks. */
static inline cr_rank cr_digit_rank(const cr_digit_params *p) {
    return (cr_rank){.in = (cr_dtype)p->in, .out = (cr_dtype)p->out, .method = (cr_quantile_method)p->method, .skipna = p->skipna,
                     .own_type = p->own_type, .n_q = !p->median, .q = &p->q};
}
static inline bool cr_sink_folds(const cr_sink_plan *s) { return s->reduces && !s->ranks; }
cr_status cr_scan_fit(cr_plan *plan, cr_scan *scan, int threads, uint64_t room_bytes, cr_err *err) CR_MUST_USE;
/* For columns.c: atoms as for a scan by itself; what units, workers, window and order that were chosen take. */
void cr_fit_atoms(const cr_plan *plan, cr_scan *scan);
void cr_fit_count(const cr_plan *plan, cr_scan *scan);
/* Memory for the results that are there while scans of a phase are run, or families and what is late. */
uint64_t cr_plan_results_bytes(const cr_plan *plan, int32_t phase, bool late);
uint64_t cr_plan_own_bytes(const cr_plan *plan);
uint64_t cr_plan_peak(const cr_plan *plan);
/* columns.c: puts scans together, where what they keep fits. After all are fitted. */
cr_status cr_columns_make(cr_plan *plan, int threads, cr_err *err) CR_MUST_USE;
/* pieces.c: cuts cells into pieces where that saves more than it costs. After columns, which need cells as they are. */
cr_status cr_pieces_make(cr_plan *plan, int threads, cr_err *err) CR_MUST_USE;
/* The leaf whose chunks stay in a unit: this one, or what it is regridded from. NULL: none stay. */
const cr_leaf *cr_leaf_that_stays(const cr_leaf *l);
/* column_boxes.c. Of a kept leaf: what its lists look at, in l->spans; made: lists that are done, which many leaves may have in common. false:
 * the arena has no room. */
bool cr_columns_lists(cr_arena *arena, const cr_program *p, cr_leaf *l, cr_idtable *made) CR_MUST_USE;
int cr_columns_axis(const cr_columns *g, int d);   /* which of the column axes d is; -1: none */
int64_t cr_columns_count(const cr_columns *g, const cr_scan *s);
/* Column number `column`: its units of scan s, and the chunks of the kept sources in it; ret_boxes[n_sources]. */
void cr_columns_units(const cr_columns *g, const cr_scan *s, int64_t column, int64_t *ret_first, int64_t *ret_end);
void cr_columns_chunks(const cr_columns *g, const cr_scan *scans, int64_t column, cr_chunk_box *ret_boxes);
/* How many columns there are, and what the largest look at (wanted_...), of so many leaves in all; boxes[n_sources] is work space. false: there are
 * too many to look at. */
bool cr_columns_measure(cr_columns *g, const cr_scan *scans, int64_t leaves, cr_chunk_box *boxes) CR_MUST_USE;
static inline int64_t cr_chunk_box_count(const cr_chunk_box *b, int ndim) {
    int64_t n = 1;
    for (int a = 0; a < ndim; a++)
        n *= b->end[a] > b->first[a] ? b->end[a] - b->first[a] : 0;
    return n;
}
/* parts.c */
/* Running sums or fills go through this axis of the domain from its beginning, so a part of it is no less work. */
bool cr_scan_runs_along(const cr_scan *scan, int d);
bool cr_parts_can(const cr_plan *plan, const cr_scan *scan); /* all its sinks fold, from what is stored or in memory */
void cr_parts_cut(const cr_scan *scan, int64_t wanted, cr_parts *ret_parts);
void cr_parts_box(const cr_scan *scan, const cr_parts *p, int64_t part, cr_part_box *ret_box);
void cr_parts_of_sink(const cr_scan *scan, const cr_sink_plan *k, const cr_parts *p, const cr_part_box *box, cr_part_sink *ret_sink);
/* Bytes that a scan with these settings needs; fit.c and explain. */
uint64_t cr_scan_bytes(const cr_scan *scan);
uint64_t cr_scan_fixed_bytes(const cr_scan *scan);
/* First cell of unit i along axis d; i = unit_n[d] gives the end of the last. */
int64_t cr_unit_begin(const cr_scan *scan, int d, int64_t i);
/* First cell of block i of b along an axis of n cells. */
static inline int64_t cr_block_begin(int64_t n, int64_t b, int64_t i) { return i * n / b; }
static inline int64_t cr_block_of(int64_t n, int64_t b, int64_t cell) { return ((cell + 1) * b - 1) / n; }

#endif
