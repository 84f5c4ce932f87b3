/* node.h - what a lazy array is inside: one immutable node of the graph.
 *
 * A node is one allocation: the struct, its inputs, its shape, and its parameters as flat bytes ("params", one struct per op, below).
 * Flat parameters without pointers make equality and hashing plain byte work: the plan finds equal nodes by (hash, params, inputs).
 * Memory, callbacks and storage are pointed to, and compared by identity; codes of groups are pointed to, and compared by content.
 *
 * Invariants
 *  1. Immutable after making; refs is atomic. Inputs are owned references. A node never reaches itself.
 *  2. params are zeroed before they are filled, so that padding is equal when the values are.
 *  3. Nothing here recurses over the graph: its depth is in the hands of the user.
 */
#ifndef CR_ENGINE_ARRAY_NODE_H
#define CR_ENGINE_ARRAY_NODE_H

#include <stdatomic.h>
#include "craton/along.h"
#include "base/error.h"
#include "engine/array/grid.h"
#include "engine/format/source.h"

typedef enum cr_op_class { CR_CLASS_SOURCE, CR_CLASS_MAP, CR_CLASS_VIEW, CR_CLASS_REDUCE, CR_CLASS_ALONG } cr_op_class;

typedef enum cr_op_id {
    CR_OP_MEMORY, CR_OP_SCALAR, CR_OP_FULL, CR_OP_CALLBACK, CR_OP_STORED,
    CR_OP_SLICE, CR_OP_TAKE, CR_OP_PERMUTE, CR_OP_EXPAND, CR_OP_SQUEEZE, CR_OP_BROADCAST, CR_OP_CONCAT, CR_OP_RECHUNK,
    CR_OP_MAP, CR_OP_CAST, CR_OP_UNPACK,
    CR_OP_REDUCE, CR_OP_GROUP, CR_OP_QUANTILE,
    CR_OP_DIGIT, CR_OP_NARROW, CR_OP_BETWEEN,
    CR_OP_CUMULATE, CR_OP_FILL, CR_OP_WINDOW, CR_OP_REGRID,
    CR_OP_SPILLED,                /* put into the graph by a computation (exec/stage.c), never by a user */
    CR_OP_COUNT
} cr_op_id;

typedef struct cr_op {
    const char *name;             /* "map" and "reduce" show the name of their operation instead */
    cr_op_class cls;
} cr_op;
extern const cr_op cr_ops[CR_OP_COUNT];

struct cr_array {
    atomic_int refs;
    uint8_t op;                   /* cr_op_id */
    bool weak;                    /* a Python scalar in promotion */
    cr_dtype dtype;
    size_t itemsize;
    int ndim, n_inputs;
    int64_t size;
    uint64_t hash;                /* of the whole expression */
    int64_t *shape;               /* these four point behind the struct */
    cr_cuts **cuts;               /* ndim references */
    cr_array **inputs;
    void *params;
    size_t params_bytes;
    cr_array *dying;              /* list of nodes whose last reference is gone (cr_array_unref) */
};

/* ---- parameters, one struct per op ---- */

typedef struct cr_memory_params {
    const char *data;
    void (*release)(void *owner);
    void *owner;
    int64_t strides[CR_MAX_DIMS]; /* bytes */
} cr_memory_params;

typedef struct cr_value_params {  /* SCALAR, FULL */
    unsigned char value[8];
    uint64_t weak;                /* here too, because it is part of what the scalar means */
} cr_value_params;

typedef struct cr_callback_params {
    cr_read_box_fn read;
    void (*release)(void *user);
    void *user;
    void *lock;                   /* cr_fork_lock *, which is a pthread_mutex_t *; NULL: not serial */
    int64_t chunks[CR_MAX_DIMS];
} cr_callback_params;

typedef struct cr_stored_params {
    cr_source *source;            /* owned */
} cr_stored_params;

typedef struct cr_take_params {
    int64_t axis, n;
    int64_t index[];              /* made non-negative */
} cr_take_params;

/* SLICE: cr_slice[ndim of the input]. PERMUTE: int[ndim]. EXPAND, SQUEEZE, CONCAT: int axis. RECHUNK: int64_t[ndim]. MAP: int
 * cr_map_op. CAST: none. UNPACK: cr_packing. */

typedef struct cr_reduce_params {
    int32_t reduction;
    uint32_t axes_mask;           /* bit a: axis a of the input is reduced */
    cr_reduce_options options;    /* keepdims is resolved in the shape and false here when it changes nothing else */
    int64_t n_groups;             /* GROUP, as all that follows */
    /* Labels of a map are as many as its pixels, and several reductions are made with the same ones: they may lie outside. They are compared
     * by content. */
    const int32_t *codes;
    int64_t n_codes;
    void (*release)(void *owner);
    void *owner;
} cr_reduce_params;

typedef struct cr_quantile_params {
    uint32_t axes_mask;
    int32_t method, n_q;          /* n_q 0: the median */
    uint8_t skipna, own_type, keepdims, grouped;
    int64_t n_groups, n_codes;    /* 1, 0: not grouped */
    double q[];                   /* behind them: int32_t ascending[n_q], int32_t codes[n_codes] */
} cr_quantile_params;

static inline const int32_t *cr_quantile_ascending(const cr_quantile_params *p) { return (const int32_t *)(p->q + p->n_q); }
static inline const int32_t *cr_quantile_codes(const cr_quantile_params *p) { return cr_quantile_ascending(p) + p->n_q; }

/* What a plan puts in place of a quantile whose series do not fit the memory (plan/digits.c). DIGIT (elementwise): the next digit of an
 * element's key, or -1 when the digits before it are not those of `prefix`, or the element is of another group. NARROW (a reduction): counts digits, and says in which
 * of them the wanted rank lies. BETWEEN (elementwise): the result of two neighbours. */
typedef struct cr_digit_params {
    uint32_t axes_mask;           /* NARROW */
    int32_t in, out, method;      /* of the quantile */
    int32_t shift, bits;          /* DIGIT: where the digit lies in the key; NARROW: its bits */
    uint8_t skipna, own_type, median, first, above, masked;
    int32_t group;                /* masked: only elements with this code; the codes are DIGIT's last input */
    double q;
    int64_t n;                    /* elements of a series, missing ones included */
} cr_digit_params;

/* ALONG: what is made of a box of its input. REGRID: cr_regrid_params (weights.h), one input. The others: the second input, where there is one, is what the blocks of chunks along the axis leave, see cr_along_begin. */
typedef struct cr_along_params {
    int32_t op, axis;             /* CUMULATE: cr_cumulation; WINDOW: cr_window_op */
    int64_t window, limit;        /* WINDOW; FILL, 0: none */
    int64_t n_blocks;             /* 1: no second input */
    bool given;                   /* the second input was given by the user; else it follows from the first */
    cr_window_options options;    /* CUMULATE: skipna only */
} cr_along_params;

static inline const cr_along_params *cr_along_params_of(const cr_array *a) { return a->params; }
/* Position at which block b of an ALONG node begins. */
int64_t cr_along_begin(const cr_array *a, int64_t b);

/* ---- making ---- */

typedef struct cr_node_spec {
    cr_op_id op;
    cr_dtype dtype;
    size_t itemsize;              /* 0: the type's */
    int ndim;
    const int64_t *shape;
    int n_inputs;
    cr_array *const *inputs;
    const void *params;
    size_t params_bytes;
} cr_node_spec;

/* A node with references taken on the inputs and cuts all NULL: the caller sets every cuts[a] (owned) before handing it out; unref copes
 * with NULL. Checks the number of axes and that the size does not overflow. */
cr_status cr_node_new(const cr_node_spec *spec, cr_array **ret_array, cr_err *err) CR_MUST_USE;
/* Sets all cuts: one piece size per axis; chunks NULL: about 1 MiB, last axes whole. */
cr_status cr_node_cut(cr_array *a, const int64_t *chunks, cr_err *err) CR_MUST_USE;
/* Sets all cuts: those of in's axis from[i], one piece where from[i] < 0. */
cr_status cr_node_cut_along(cr_array *a, const cr_array *in, const int *from, cr_err *err) CR_MUST_USE;
/* axis made non-negative; what for messages. */
cr_status cr_axis_check(const char *what, int axis, int ndim, int *ret_axis, cr_err *err) CR_MUST_USE;
/* Bit a: axis a is named. axes NULL with n_axes 0: all. */
cr_status cr_axes_mask(const char *what, int ndim, int n_axes, const int *axes, uint32_t *ret_mask, cr_err *err) CR_MUST_USE;
/* What grouping is given; codes are as many as the product of the extents of the axes. */
cr_status cr_group_check(const char *what, const cr_array *a, int n_axes, const int *axes, const int32_t *codes, int64_t n_groups,
                         uint32_t *ret_mask, int64_t *ret_n_codes, cr_err *err) CR_MUST_USE;
/* cr_array_group() as one node, whatever it stands on. */
cr_status cr_array_group_node(cr_reduction r, cr_array *a, int n_axes, const int *axes, const int32_t *codes, int64_t n_groups,
                              const cr_reduce_options *options, cr_array **ret_array, cr_err *err) CR_MUST_USE;
/* What is the same in equal reductions, beside their codes: this many bytes of the parameters. */
#define CR_REDUCE_PLAIN_BYTES offsetof(cr_reduce_params, codes)
/* "(3, 4, 5)"; returns buf. */
char *cr_shape_text(int ndim, const int64_t *shape, char *buf, size_t size);

#endif
