/* dataset.h - labelled arrays: values with named dimensions, coordinates and attributes, as in xarray.
 *
 * A cr_labelled is xarray's DataArray: lazy values (a cr_array, array.h), a name for each axis, coordinates, attributes. A cr_dataset
 * is several of them over common dimensions: what a file holds. Labels are looked up while an operation is built and become
 * positions and codes in the graph of array.h; nothing but labels is read before cr_labelled_load, cr_dataset_write or cr_compute.
 *
 * Three kinds of values. CR_KIND_NUMBERS: any number or bool. CR_KIND_TIMES: int64, microseconds since 1 January of year 1 of the
 * calendar of the values (cf.h turns them into dates), CR_TIME_MISSING where there is none. CR_KIND_TEXT: UTF-8, held in memory.
 *
 * Where an operation is not here (windows, quantiles, running sums, regridding), take cr_labelled_array(a), use array.h, along.h, quantile.h or regrid.h, and
 * give the result its labels with cr_labelled_with_values.
 *
 * An index is the one-dimensional coordinate that has the name of its dimension; its labels are always in memory (at most 2^25 of
 * them). Other coordinates are carried along as long as the result has all of their dimensions.
 *
 * Ownership: constructors return a new reference in ret_x (cr_labelled_unref, cr_dataset_unref when done) and keep references to
 * what they need. Text and attributes are copied. Both kinds of object belong to the context they were opened or made in, which
 * must outlive them. Threads: objects are immutable and may be shared between threads.
 *
 * Invariants
 *  1. Dimension names of one array differ; so do the names of its coordinates.
 *  2. Every coordinate has only dimensions of its array, with the same lengths. An index has as many labels as its dimension.
 *  3. Names, dimensions, coordinates, attributes and element types of a result are those of xarray 2026.9, unless the function says otherwise.
 */
#ifndef CRATON_DATASET_H
#define CRATON_DATASET_H

#include "craton/cf.h"
#include "craton/file.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cr_labelled cr_labelled;
typedef struct cr_dataset cr_dataset;

typedef enum cr_kind { CR_KIND_NUMBERS, CR_KIND_TIMES, CR_KIND_TEXT } cr_kind;

#define CR_TIME_MISSING INT64_MIN

/* ---- datasets --------------------------------------------------------------------------------------------------- */

typedef struct cr_dataset_options {
    const char *group;             /* NULL: root */
    uint64_t metadata_limit_bytes; /* 0: 256 MiB */
    bool as_stored;                /* no masks, scaling, times or joined characters: values and attributes as in the file */
    cr_unreadable *unreadable;     /* NULL: a chunk that cannot be read is an error (file.h) */
    bool odd_times_stay;           /* times whose units or calendar cannot be understood stay numbers, and cr_dataset_note says so; else they are an error */
} cr_dataset_options;

/* Opens what cr_file_open opens. Reads metadata, indexes and text (at most 64 MiB of it); all else is lazy. Decoding is xarray's:
 * _FillValue, missing_value, scale_factor, add_offset, _Unsigned (CF 8.1, 2.5.1), "UNIT since DATE" in every calendar of cf.h (CF
 * 4.4), bounds of times, characters, bools, "coordinates" attributes; their attributes leave the variable and are remembered for
 * writing. But for this: fill values are looked for among the values as they are stored, in their type, where xarray converts first (a float32
 * of 1e20 is not its double 1e20); see cr_dataset_difference. Spans of time ("days") stay numbers. A variable that cannot be read fails when it is asked for; an index that cannot, here. */
CR_API cr_status cr_dataset_open(cr_context *c, const char *path, const cr_dataset_options *options /* NULL: defaults */,
                                 cr_dataset **ret_dataset, cr_err *err) CR_MUST_USE;
/* Several named arrays and their coordinates as one dataset. CR_INVALID: an array without a name, two of one name, a dimension
 * of two lengths, coordinates of one name that differ. attrs may be NULL when n_attrs is 0. */
CR_API cr_status cr_dataset_new(cr_context *c, int n, cr_labelled *const *arrays, int n_attrs, const cr_attr *attrs,
                                cr_dataset **ret_dataset, cr_err *err) CR_MUST_USE;
CR_API cr_dataset *cr_dataset_ref(cr_dataset *d);
CR_API void cr_dataset_unref(cr_dataset *d);                            /* NULL is allowed */
/* What odd_times_stay left as it was, for people; NULL: nothing. Borrowed. */
CR_API const char *cr_dataset_note(const cr_dataset *d);
CR_API int cr_dataset_n_variables(const cr_dataset *d);                 /* coordinates included */
CR_API const char *cr_dataset_name(const cr_dataset *d, int i);
CR_API bool cr_dataset_is_coord(const cr_dataset *d, int i);
/* How variable i is decoded otherwise than by xarray 2026.9, in words that go on after its name; NULL: as by xarray. */
CR_API const char *cr_dataset_difference(const cr_dataset *d, int i);
CR_API int cr_dataset_n_attrs(const cr_dataset *d);
CR_API const cr_attr *cr_dataset_attr(const cr_dataset *d, int i);
/* The variable of that name with the coordinates that lie on its dimensions. CR_NOT_FOUND lists what there is. */
CR_API cr_status cr_dataset_get(const cr_dataset *d, const char *name, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;

/* ---- arrays ----------------------------------------------------------------------------------------------------- */

/* values: its axes get the names dims. name may be NULL. kind CR_KIND_TIMES wants int64 values, in the calendar. No coordinates yet. */
CR_API cr_status cr_labelled_new(cr_context *c, const char *name, const char *const *dims, cr_array *values, cr_kind kind,
                                 cr_calendar calendar, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;
/* texts: product of shape many, row-major; copied. */
CR_API cr_status cr_labelled_texts(cr_context *c, const char *name, int ndim, const char *const *dims, const int64_t *shape,
                                   const char *const *texts, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;
/* A plain number as an operand: no dimensions, no name; takes part in promotion as a Python float or int (array.h). */
CR_API cr_status cr_labelled_number(cr_context *c, double value, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;
CR_API cr_status cr_labelled_whole(cr_context *c, int64_t value, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;
/* a with coord as a coordinate, under the name of coord, in place of one of that name. An index is read now. */
CR_API cr_status cr_labelled_with_coord(cr_labelled *a, cr_labelled *coord, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;
/* a without one of its coordinates. CR_NOT_FOUND lists what there is. */
CR_API cr_status cr_labelled_without_coord(cr_labelled *a, const char *name, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;
/* a under another name (NULL: none); with other attributes. */
CR_API cr_status cr_labelled_with_name(cr_labelled *a, const char *name, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;
CR_API cr_status cr_labelled_with_attrs(cr_labelled *a, int n, const cr_attr *attrs, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;

/* a with other lazy values, which are numbers and have as many axes: its name, dimensions and attributes, and those coordinates whose dimensions have their
 * lengths still (a row that is as long and is not the same goes by cr_labelled_with_coord). It gives labels back to what array.h, along.h, quantile.h and regrid.h
 * make of cr_labelled_array(a). CR_INVALID: another number of axes. */
CR_API cr_status cr_labelled_with_values(cr_labelled *a, cr_array *values, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;
/* A row of n numbers along a dimension of its own name, which is an index of what cr_labelled_with_coord puts it on. values are copied; units NULL: none. */
CR_API cr_status cr_labelled_row(cr_context *c, const char *name, int64_t n, const double *values, const char *units, cr_labelled **ret_array,
                                 cr_err *err) CR_MUST_USE;

CR_API cr_labelled *cr_labelled_ref(cr_labelled *a);
CR_API void cr_labelled_unref(cr_labelled *a);                          /* NULL is allowed */
CR_API const char *cr_labelled_name(const cr_labelled *a);              /* NULL: none */
CR_API cr_kind cr_labelled_kind(const cr_labelled *a);
CR_API cr_calendar cr_labelled_calendar(const cr_labelled *a);          /* of CR_KIND_TIMES */
CR_API cr_dtype cr_labelled_dtype(const cr_labelled *a);                /* CR_STRING for text */
CR_API int cr_labelled_ndim(const cr_labelled *a);
CR_API const char *cr_labelled_dim(const cr_labelled *a, int axis);
CR_API const int64_t *cr_labelled_shape(const cr_labelled *a);
CR_API int cr_labelled_axis(const cr_labelled *a, const char *dim);     /* -1: there is no such dimension */
CR_API int cr_labelled_n_attrs(const cr_labelled *a);
CR_API const cr_attr *cr_labelled_attr(const cr_labelled *a, int i);
CR_API int cr_labelled_n_coords(const cr_labelled *a);
CR_API const char *cr_labelled_coord_name(const cr_labelled *a, int i);
/* A coordinate as an array, with the coordinates on its own dimensions. CR_NOT_FOUND lists what there is. */
CR_API cr_status cr_labelled_coord(cr_labelled *a, const char *name, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;
/* The lazy values, for array.h; borrowed; NULL for text. */
CR_API cr_array *cr_labelled_array(const cr_labelled *a);
/* The texts, row-major; borrowed; NULL unless CR_KIND_TEXT. */
CR_API const char *const *cr_labelled_text_values(const cr_labelled *a);
/* Computes the values into memory of the caller: row-major, as many as the shape holds, of cr_labelled_dtype. CR_LIMIT: bytes are
 * fewer than that. CR_RANGE: a time outside of the years that cf.h can hold. Not for text. */
CR_API cr_status cr_labelled_load(cr_labelled *a, void *ret_values, size_t bytes, cr_err *err) CR_MUST_USE;
/* The same as doubles, whatever the type of the numbers: n is the number of values there is room for. CR_TYPE: times or text. */
CR_API cr_status cr_labelled_load_doubles(cr_labelled *a, double *ret_values, size_t n, cr_err *err) CR_MUST_USE;
/* The same values computed now and held in memory; coordinates too. */
CR_API cr_status cr_labelled_compute(cr_labelled *a, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;
/* For people: name, dimensions, coordinates with their ends, attributes, and the values when there are at most 40. Caller frees
 * with cr_free. */
CR_API cr_status cr_labelled_summary(cr_labelled *a, char **ret_text, cr_err *err) CR_MUST_USE;

/* ---- selecting: one dimension per call; calls in a row cost no more than one ------------------------------------- */

#define CR_FROM_END INT64_MIN    /* of cr_isel_range: as leaving the number out of Python's slice */

/* Position at of dim (negative: from the end); dim is gone, its coordinates have no dimension. CR_NOT_FOUND: no such dimension, lists them. */
CR_API cr_status cr_isel(cr_labelled *a, const char *dim, int64_t at, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;
/* Positions start, start + step ... before stop, by the rules of Python's slices; step may be negative, not 0. */
CR_API cr_status cr_isel_range(cr_labelled *a, const char *dim, int64_t start, int64_t stop, int64_t step, cr_labelled **ret_array,
                               cr_err *err) CR_MUST_USE;
CR_API cr_status cr_isel_list(cr_labelled *a, const char *dim, const int64_t *at, int64_t n, cr_labelled **ret_array,
                              cr_err *err) CR_MUST_USE;

typedef enum cr_match {
    CR_MATCH_EXACT,               /* CR_NOT_FOUND when there is no such label */
    CR_MATCH_NEAREST              /* of two that are as near, the larger label */
} cr_match;

/* The element with a label, as a number or text; dim is gone. CR_INVALID: several elements have the label; CR_TYPE: labels of another kind.
 * Numbers are compared as double. For an index of times, text is a date in ISO 8601 or part of one: "2001", "2001-02",
 * "2001-02-03", "2001-02-03T04", "... 04:05", "... 04:05:06.5" ("T" or blank). EXACT then gives all elements in that span and keeps dim,
 * also where pandas would drop it; none is CR_NOT_FOUND. NEAREST means its beginning, and drops dim. */
CR_API cr_status cr_sel(cr_labelled *a, const char *dim, double label, cr_match match, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;
CR_API cr_status cr_sel_text(cr_labelled *a, const char *dim, const char *label, cr_match match, cr_labelled **ret_array,
                             cr_err *err) CR_MUST_USE;
/* Several labels, in their order; dim stays. */
CR_API cr_status cr_sel_list(cr_labelled *a, const char *dim, const double *labels, int64_t n, cr_match match, cr_labelled **ret_array,
                             cr_err *err) CR_MUST_USE;
/* All from one label to the other, both included, in the direction of the index (descending labels: from the larger one). NaN or
 * NULL: from the first, to the last. May be empty. CR_INVALID: the labels neither rise nor fall. A date stands for its whole span. */
CR_API cr_status cr_sel_range(cr_labelled *a, const char *dim, double from, double to, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;
CR_API cr_status cr_sel_text_range(cr_labelled *a, const char *dim, const char *from, const char *to, cr_labelled **ret_array,
                                   cr_err *err) CR_MUST_USE;

/* ---- element by element ------------------------------------------------------------------------------------------ */

/* Operations of array.h with as many arguments as their arity. Arguments are broadcast by the names of their dimensions, which come in the
 * order in which they are met. Indexes of a common dimension must be equal: CR_INVALID names the first labels that differ, since what
 * xarray does there, an inner join without a word, is the commonest way to lose data; cr_align does it on demand. Other coordinates
 * that differ are left out. As with xarray's operators, the attributes are those that do not differ between the arguments, the name is theirs if
 * it is one. Times can be compared. WHERE: see cr_labelled_where. */
CR_API cr_status cr_labelled_map(cr_map_op op, cr_labelled *const *args, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;
/* a where condition holds, else other (NULL: missing; small integers become float32, others float64, bools are CR_TYPE). Name
 * and attributes are those of a. */
CR_API cr_status cr_labelled_where(cr_labelled *a, cr_labelled *condition, cr_labelled *other, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;
/* Inner join: each array with those labels of common indexes that all have, in the order of the first. ret_arrays: n new references. */
CR_API cr_status cr_align(int n, cr_labelled *const *arrays, cr_labelled **ret_arrays, cr_err *err) CR_MUST_USE;
/* One after the other along a dimension that all have, in the order given. All have the same dimensions in the same order, and equal indexes of
 * the others (CR_INVALID names the first labels that differ). Name and attributes are those of the first; coordinates along dim are
 * joined, others that differ are left out. Values are written as they were stored when that is the same for all. */
CR_API cr_status cr_concat(int n, cr_labelled *const *arrays, const char *dim, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;
/* Same values with axes in another order: a permutation of the dimensions. */
CR_API cr_status cr_labelled_transpose(cr_labelled *a, const char *const *dims, cr_labelled **ret_array, cr_err *err) CR_MUST_USE;

/* ---- reductions -------------------------------------------------------------------------------------------------- */

/* Over the named dimensions (n 0: all). options NULL: missing values left out, as xarray does by default. Keeps name and attributes.
 * keepdims is CR_UNSUPPORTED; argmin and argmax give positions. Times: min, max and count. */
CR_API cr_status cr_labelled_reduce(cr_reduction r, cr_labelled *a, int n, const char *const *dims, const cr_reduce_options *options,
                                    cr_labelled **ret_array, cr_err *err) CR_MUST_USE;
/* Sum of a * weights over sum of weights where a is not missing; missing where that is 0. dims: of a or weights, n 0: all. Missing
 * weights are not looked for: they make the result missing. cos(latitude) is a good weight: cr_labelled_map(CR_MAP_COS, ...). */
CR_API cr_status cr_weighted_mean(cr_labelled *a, cr_labelled *weights, int n, const char *const *dims, cr_labelled **ret_array,
                                  cr_err *err) CR_MUST_USE;

/* Groups: by is "DIM.COMPONENT" with an index of times (year, month, day, hour, minute, second, dayofyear, quarter, season), or the
 * name of a one-dimensional coordinate. The group dimension has the name of the component or coordinate and takes the place of the
 * dimension it was made from; its labels are sorted; missing labels are in no group. */
CR_API cr_status cr_group_reduce(cr_reduction r, cr_labelled *a, const char *by, const cr_reduce_options *options, cr_labelled **ret_array,
                                 cr_err *err) CR_MUST_USE;
/* a op b, where b has the group dimension: each element of a meets the element of b of its group (anomalies: CR_MAP_SUBTRACT and the
 * result of cr_group_reduce). Elements whose group b has not become missing; those in no group are left out. xarray repeats
 * scalar coordinates of b along the dimension; here they stay scalars. */
CR_API cr_status cr_group_map(cr_map_op op, cr_labelled *a, const char *by, cr_labelled *b, cr_labelled **ret_array,
                              cr_err *err) CR_MUST_USE;

/* Reduces calendar periods in a row: every is a number, if it is not 1, and s, min, h, D, MS, QS, QS-DEC, YS or YS-JUL (pandas' names: 6h,
 * 5D, MS). dim has an index of times that rise. Periods of hours and days are counted from midnight of the first day; labels are where
 * periods begin. Periods without elements are missing (0 in counts, and in results of an integer type). Coordinates along dim go. */
CR_API cr_status cr_resample_reduce(cr_reduction r, cr_labelled *a, const char *dim, const char *every, const cr_reduce_options *options,
                                    cr_labelled **ret_array, cr_err *err) CR_MUST_USE;

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* Writes all variables in shared scans. What came from a file and was only selected from is packed as it was there (type, scale, fill
 * value, units of time); other floats get a NaN as _FillValue, as xarray does; other times are counted from the first of them, in the
 * largest unit from days to microseconds of which all are whole numbers. Coordinates that are no indexes are named in "coordinates"
 * attributes (CF 5). CR_RANGE: a time that its old units cannot express exactly. options as in file.h. */
CR_API cr_status cr_dataset_write(cr_dataset *d, const char *path, const cr_write_options *options, cr_err *err) CR_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
