/* variable.h - what labelled arrays are made of: variables (values, dimension names, attributes) and labels in memory.
 *
 * Invariants
 *  1. A cr_var is immutable once it is shared; refs is atomic. Its strings, attributes and encoding lie in its own arena.
 *  2. data is NULL exactly for text, whose values are labels then (kind 's', row-major for any number of dimensions).
 *  3. A cr_var that is an index (one dimension, of its own name) has labels.
 *  4. The encoding belongs to the values: selecting keeps it, arithmetic drops it.
 */
#ifndef CR_ENGINE_DATASET_VARIABLE_H
#define CR_ENGINE_DATASET_VARIABLE_H

#include <stdatomic.h>
#include "craton/dataset.h"
#include "base/arena.h"
#include "base/error.h"

enum { CR_VAR_MEMORY_MAX = 64 << 20, CR_LABELS_MAX = 1 << 25 };

/* Values in memory, to look labels up in. */
typedef struct cr_labels {
    atomic_int refs;
    char kind;                    /* 'i' whole numbers, 'f' floats, 't' times (whole), 's' text */
    int64_t n;
    int64_t *i;                   /* 'i', 't' */
    double *f;                    /* 'f' */
    char **s;                     /* 's': pointers, then the characters, in one block */
} cr_labels;

/* How values were stored, for writing them so again. Numbers are kept as attributes, with their types. */
typedef struct cr_encoding {
    bool has_dtype;
    cr_dtype dtype;
    const cr_attr *scale, *offset, *fill, *missing; /* NULL: none */
    const char *units, *calendar;                   /* of times */
    const char *unsigned_;                          /* the attribute _Unsigned */
    const char *coordinates;
} cr_encoding;

typedef struct cr_var {
    atomic_int refs;
    cr_arena memory;
    const char *name;             /* NULL: none */
    int ndim;
    const char *dims[CR_MAX_DIMS];
    int64_t shape[CR_MAX_DIMS];
    cr_kind kind;
    cr_calendar calendar;
    cr_array *data;
    cr_labels *labels;            /* may be NULL */
    cr_attr *attrs;
    int n_attrs;
    const cr_encoding *encoding;  /* NULL: none */
    const char *problem;          /* not NULL: why it cannot be read */
    const char *note;             /* not NULL: in what it is not as xarray decodes it; of what was opened only */
} cr_var;

struct cr_labelled {
    atomic_int refs;
    cr_context *context;
    bool number;                  /* a plain number: its name does not count */
    cr_var *var;
    int n_coords;
    cr_var **coords;
};

/* ---- labels ---- */

cr_status cr_labels_new(char kind, int64_t n, cr_labels **ret_labels, cr_err *err) CR_MUST_USE;   /* 'i', 'f', 't'; zeroed */
cr_status cr_labels_text(int64_t n, const char *const *texts, cr_labels **ret_labels, cr_err *err) CR_MUST_USE;
cr_labels *cr_labels_ref(cr_labels *l);
void cr_labels_unref(cr_labels *l);
/* Elements at[0..n-1]. */
cr_status cr_labels_take(const cr_labels *l, const int64_t *at, int64_t n, cr_labels **ret_labels, cr_err *err) CR_MUST_USE;
/* Whether label i of a and label j of b are the same; NaN is NaN, a missing time is one. Kinds differ: only 'i' and 'f' can be equal. */
bool cr_labels_same(const cr_labels *a, int64_t i, const cr_labels *b, int64_t j);
bool cr_labels_missing(const cr_labels *l, int64_t i);
/* < 0, 0, > 0; labels of one kind, none missing. */
int cr_labels_compare(const cr_labels *l, int64_t i, int64_t j);
/* Labels in order, by where they are; missing ones last. The caller frees. unique: CR_INVALID when a label comes twice. */
typedef struct cr_sorted_label {
    const cr_labels *labels;
    int64_t at;
} cr_sorted_label;
cr_status cr_labels_sort(const cr_labels *l, cr_sorted_label **ret_sorted, cr_err *err) CR_MUST_USE;
cr_status cr_labels_sort_unique(const char *dim, const cr_labels *l, cr_calendar calendar, cr_sorted_label **ret_sorted, cr_err *err) CR_MUST_USE;
/* Where the n sorted labels have label i of l; -1: nowhere. Kinds must go together. */
int64_t cr_labels_find(const cr_sorted_label *sorted, int64_t n, const cr_labels *l, int64_t i);
/* Whether labels of the two variables can be equal: numbers, texts, times of one calendar. */
bool cr_labels_comparable(const cr_var *a, const cr_var *b);
/* As people read it; returns buf. */
char *cr_labels_show(const cr_labels *l, cr_calendar calendar, int64_t i, char *buf, size_t size);
/* Values of the variable in memory: its labels, or computed now. CR_LIMIT: more than CR_LABELS_MAX. */
cr_status cr_var_labels(cr_context *c, const cr_var *v, cr_labels **ret_labels, cr_err *err) CR_MUST_USE;
/* Native values (of data's dtype, n items) as labels. */
cr_status cr_labels_of_values(const cr_var *v, const void *values, cr_labels **ret_labels, cr_err *err) CR_MUST_USE;

/* CR_LIMIT when a file or program asks for more labels than fit into memory in earnest. */
cr_status cr_labels_check(const cr_var *v, cr_err *err) CR_MUST_USE;

/* ---- variables ---- */

/* data: a reference is taken. Without attributes and encoding, and without labels. */
cr_status cr_var_new(const char *name, int ndim, const char *const *dims, cr_array *data, cr_kind kind, cr_calendar calendar,
                     cr_var **ret_var, cr_err *err) CR_MUST_USE;
/* Text: labels are referenced, product of shape many. */
cr_status cr_var_new_text(const char *name, int ndim, const char *const *dims, const int64_t *shape, cr_labels *labels, cr_var **ret_var,
                          cr_err *err) CR_MUST_USE;
/* Values of a 1-d variable that are in memory: both data and labels. dtype: the element type of the data; CR_I64 for times. */
cr_status cr_var_of_labels(const char *name, const char *dim, cr_labels *labels, cr_dtype dtype, cr_calendar calendar, cr_var **ret_var,
                           cr_err *err) CR_MUST_USE;
cr_var *cr_var_ref(cr_var *v);
void cr_var_unref(cr_var *v);
/* Only while the variable is not shared. */
cr_status cr_var_add_attr(cr_var *v, const cr_attr *attr, cr_err *err) CR_MUST_USE;
cr_status cr_var_copy_attrs(cr_var *v, int n, const cr_attr *attrs, cr_err *err) CR_MUST_USE;
cr_status cr_var_copy_encoding(cr_var *v, const cr_encoding *e, cr_err *err) CR_MUST_USE;
/* A deep copy of an attribute in an arena. */
cr_status cr_attr_copy(cr_arena *memory, const cr_attr *from, cr_attr *ret_attr, cr_err *err) CR_MUST_USE;
/* A number of an attribute; 0 for text. The first one as a whole number; INT64_MIN when it is too large. */
double cr_attr_double(const cr_attr *a, int64_t i);
int64_t cr_attr_whole(const cr_attr *a);
bool cr_attr_equal(const cr_attr *a, const cr_attr *b);
const char *cr_attr_text(const cr_attr *attrs, int n, const char *name); /* NULL: none, or not one text */
/* The same values and dimensions with a new name; attributes and encoding kept. */
cr_status cr_var_renamed(const cr_var *v, const char *name, cr_var **ret_var, cr_err *err) CR_MUST_USE;
int cr_var_axis(const cr_var *v, const char *dim);   /* -1: none */
bool cr_var_is_index(const cr_var *v);
/* "time, lat, lon" for messages; returns buf. */
char *cr_var_dims_text(const cr_var *v, char *buf, size_t size);

/* ---- labelled arrays ---- */

/* References are taken on var and on those coords that have all their dimensions in var. */
cr_status cr_labelled_make(cr_context *c, cr_var *var, int n_coords, cr_var *const *coords, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;
cr_var *cr_labelled_find_coord(const cr_labelled *a, const char *name);  /* NULL: none */
cr_var *cr_labelled_index(const cr_labelled *a, const char *dim);        /* the index of a dimension; NULL: none */
/* The axis of a dimension, or CR_NOT_FOUND with the dimensions there are. */
cr_status cr_labelled_find_dim(const cr_labelled *a, const char *what, const char *dim, int *ret_axis, cr_err *err) CR_MUST_USE;
/* Axes of n named dimensions (n 0: all), each once. */
cr_status cr_labelled_axes(const cr_labelled *a, const char *what, int n, const char *const *dims, int *axes, int *ret_n, cr_err *err) CR_MUST_USE;

/* ---- positions ---- */

typedef struct cr_pick {          /* what is taken along one dimension */
    const char *dim;
    bool drop;                    /* one element; the dimension goes */
    const int64_t *at;            /* NULL: the slice */
    int64_t n;                    /* elements */
    int64_t start, step;
} cr_pick;
cr_status cr_var_pick(const cr_var *v, const cr_pick *p, cr_var **ret_var, cr_err *err) CR_MUST_USE;
/* With all coordinates. Positions must be inside. */
cr_status cr_labelled_pick(cr_labelled *a, const cr_pick *p, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;

/* ---- broadcasting ---- */

/* Result dimensions in the order they are met, and each argument's array with its axes in that order; the arrays broadcast as
 * NumPy does. CR_INVALID: two lengths of one dimension. arrays: n new references. */
typedef struct cr_frame {
    int ndim;
    const char *dims[CR_MAX_DIMS];
    int64_t shape[CR_MAX_DIMS];
} cr_frame;
cr_status cr_broadcast(const char *what, int n, cr_labelled *const *args, cr_frame *ret_frame, cr_array **arrays, cr_err *err) CR_MUST_USE;
/* CR_INVALID when indexes of one dimension differ. */
cr_status cr_check_aligned(const char *what, int n, cr_labelled *const *args, cr_err *err) CR_MUST_USE;
/* Whether two coordinates have the same dimensions and values; they are computed. */
cr_status cr_same_values(cr_context *c, const cr_var *a, const cr_var *b, bool *ret_same, cr_err *err) CR_MUST_USE;
/* Coordinates of the arguments together: those without conflict. Owned references in a block that the caller frees. */
cr_status cr_merge_coords(cr_context *c, int n, cr_labelled *const *args, cr_var ***ret_coords, int *ret_n, cr_err *err) CR_MUST_USE;
/* The result of an operation on args: name, attributes (all that agree, or of the first alone), coordinates without the dropped
 * dimensions. data is referenced. */
typedef struct cr_result_rules {
    bool first_attrs;             /* attributes of the first alone, not those that agree */
    bool first_name;              /* and its name */
    const char *const *drop_dims; /* of coordinates; NULL-terminated, may be NULL */
} cr_result_rules;
cr_status cr_labelled_result(int n, cr_labelled *const *args, int ndim, const char *const *dims, cr_array *data, const cr_result_rules *rules,
                             cr_labelled **ret_array, cr_err *err) CR_MUST_USE;

/* Sets what is missing in a: other kinds of number become floating first. keep: a bool array that broadcasts to a. */
cr_status cr_array_where_missing(cr_array *a, cr_array *keep, cr_array **ret_array, cr_err *err) CR_MUST_USE;

/* ---- time ---- */

/* The instants [begin, end) that an ISO text stands for. CR_INVALID: not such a text; CR_RANGE: no such date. */
cr_status cr_date_span(cr_calendar calendar, const char *text, int64_t *ret_begin_us, int64_t *ret_end_us, cr_err *err) CR_MUST_USE;

/* ---- cleanup ---- */
static inline void cr_array_cleanup(cr_array **a) { cr_array_unref(*a); }
static inline void cr_labelled_cleanup(cr_labelled **a) { cr_labelled_unref(*a); }
static inline void cr_labels_cleanup(cr_labels **l) { cr_labels_unref(*l); }
static inline void cr_var_cleanup(cr_var **v) { cr_var_unref(*v); }
#define cr_auto_array __attribute__((cleanup(cr_array_cleanup)))
#define cr_auto_labelled __attribute__((cleanup(cr_labelled_cleanup)))
#define cr_auto_labels __attribute__((cleanup(cr_labels_cleanup)))
#define cr_auto_var __attribute__((cleanup(cr_var_cleanup)))

#endif
