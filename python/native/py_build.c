/* py_build.c - one function of the module per constructor of craton/array.h. Building is quick: the GIL stays held. */
#include <stdlib.h>
#include <string.h>
#include "binding.h"

/* Ends every constructor: a node, or the exception for what went wrong. */
#define BUILD(call)                                                                                    \
    do {                                                                                               \
        cr_err err = CR_ERR_INIT;                                                                      \
        cr_array *made = NULL;                                                                         \
        cr_status status = (call);                                                                     \
        return status == CR_OK ? node_wrap(made) : raise_error(status, &err);                          \
    } while (0)

/* ---- sources ---------------------------------------------------------------------------------------------------- */

static void release_buffer(void *owner) {
    if (!Py_IsInitialized())
        return;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyBuffer_Release(owner);
    PyMem_Free(owner);
    PyGILState_Release(gil);
}

/* Grid sizes or NULL when the object is None. -1 with an exception. */
static int optional_chunks(PyObject *object, int ndim, int64_t *storage, const int64_t **ret_chunks) {
    int n;
    *ret_chunks = NULL;
    if (object == Py_None)
        return 0;
    if (args_int64s(object, "chunks", storage, &n) < 0)
        return -1;
    if (n != ndim) {
        PyErr_Format(PyExc_ValueError, "chunks has %d entries for %d dimensions", n, ndim);
        return -1;
    }
    *ret_chunks = storage;
    return 0;
}

static PyObject *build_from_buffer(PyObject *module, PyObject *args) {
    PyObject *object, *chunks_object = Py_None;
    const char *code;
    if (!PyArg_ParseTuple(args, "Os|O:from_buffer", &object, &code, &chunks_object))
        return NULL;
    cr_dtype dtype;
    size_t itemsize;
    int64_t storage[CR_MAX_DIMS], shape[CR_MAX_DIMS], strides[CR_MAX_DIMS];
    const int64_t *chunks;
    if (args_dtype(code, &dtype, &itemsize) < 0)
        return NULL;
    Py_buffer *view = PyMem_Malloc(sizeof *view);
    if (!view)
        return PyErr_NoMemory();
    if (PyObject_GetBuffer(object, view, PyBUF_STRIDES) < 0) {
        PyMem_Free(view);
        return NULL;
    }
    cr_err err = CR_ERR_INIT;
    cr_array *made = NULL;
    cr_status status;
    if (view->ndim > CR_MAX_DIMS || (size_t)view->itemsize != itemsize) {
        PyErr_Format(PyExc_ValueError, "the memory has %d dimensions and items of %zd bytes, which does not fit %s", view->ndim,
                     view->itemsize, code);
        goto failed;
    }
    if (optional_chunks(chunks_object, view->ndim, storage, &chunks) < 0)
        goto failed;
    for (int i = 0; i < view->ndim; i++) {
        shape[i] = view->shape[i];
        strides[i] = view->strides[i];
    }
    status = cr_array_from_memory(dtype, itemsize, view->ndim, shape, strides, chunks, view->buf, release_buffer, view, &made, &err);
    if (status == CR_OK)
        return node_wrap(made);
    raise_error(status, &err);
failed:
    PyBuffer_Release(view);
    PyMem_Free(view);
    return NULL;
}

static PyObject *build_scalar(PyObject *module, PyObject *args) {
    PyObject *value;
    const char *code;
    int weak;
    if (!PyArg_ParseTuple(args, "sOp:scalar", &code, &value, &weak))
        return NULL;
    cr_dtype dtype;
    size_t itemsize;
    Py_buffer view;
    if (args_dtype(code, &dtype, &itemsize) < 0 || args_bytes(value, "the value", (Py_ssize_t)itemsize, &view) < 0)
        return NULL;
    cr_err err = CR_ERR_INIT;
    cr_array *made = NULL;
    cr_status status = cr_array_scalar(dtype, view.buf, weak, &made, &err);
    PyBuffer_Release(&view);
    return status == CR_OK ? node_wrap(made) : raise_error(status, &err);
}

static PyObject *build_full(PyObject *module, PyObject *args) {
    PyObject *value, *shape_object, *chunks_object = Py_None;
    const char *code;
    if (!PyArg_ParseTuple(args, "sOO|O:full", &code, &shape_object, &value, &chunks_object))
        return NULL;
    cr_dtype dtype;
    size_t itemsize;
    int64_t shape[CR_MAX_DIMS], storage[CR_MAX_DIMS];
    const int64_t *chunks;
    int ndim;
    Py_buffer view;
    if (args_dtype(code, &dtype, &itemsize) < 0 || args_int64s(shape_object, "shape", shape, &ndim) < 0 ||
        optional_chunks(chunks_object, ndim, storage, &chunks) < 0 ||
        args_bytes(value, "the value", (Py_ssize_t)itemsize, &view) < 0)
        return NULL;
    cr_err err = CR_ERR_INIT;
    cr_array *made = NULL;
    cr_status status = cr_array_full(dtype, ndim, shape, chunks, view.buf, &made, &err);
    PyBuffer_Release(&view);
    return status == CR_OK ? node_wrap(made) : raise_error(status, &err);
}

/* ---- views ------------------------------------------------------------------------------------------------------ */

static PyObject *build_slice(PyObject *module, PyObject *args) {
    PyObject *node, *starts, *steps, *counts;
    if (!PyArg_ParseTuple(args, "OOOO:slice", &node, &starts, &steps, &counts))
        return NULL;
    cr_array *a = node_array(node);
    int64_t start[CR_MAX_DIMS], step[CR_MAX_DIMS], count[CR_MAX_DIMS];
    int n_start, n_step, n_count;
    if (!a || args_int64s(starts, "start", start, &n_start) < 0 || args_int64s(steps, "step", step, &n_step) < 0 ||
        args_int64s(counts, "count", count, &n_count) < 0)
        return NULL;
    int ndim = cr_array_ndim(a);
    if (n_start != ndim || n_step != ndim || n_count != ndim) {
        PyErr_Format(PyExc_IndexError, "slices for %d, %d and %d axes; the array has %d", n_start, n_step, n_count, ndim);
        return NULL;
    }
    cr_slice slices[CR_MAX_DIMS];
    for (int i = 0; i < ndim; i++)
        slices[i] = (cr_slice){.start = start[i], .step = step[i], .count = count[i]};
    BUILD(cr_array_slice(a, slices, &made, &err));
}

static PyObject *build_take(PyObject *module, PyObject *args) {
    PyObject *node, *index;
    int axis;
    if (!PyArg_ParseTuple(args, "OiO:take", &node, &axis, &index))
        return NULL;
    cr_array *a = node_array(node);
    Py_buffer view;
    if (!a || PyObject_GetBuffer(index, &view, PyBUF_ND) < 0)
        return NULL;
    if (view.itemsize != sizeof(int64_t) || view.ndim != 1) {
        PyBuffer_Release(&view);
        PyErr_SetString(PyExc_TypeError, "index is a contiguous buffer of 64-bit integers");
        return NULL;
    }
    cr_err err = CR_ERR_INIT;
    cr_array *made = NULL;
    cr_status status = cr_array_take(a, axis, view.buf, view.len / (Py_ssize_t)sizeof(int64_t), &made, &err);
    PyBuffer_Release(&view);
    return status == CR_OK ? node_wrap(made) : raise_error(status, &err);
}

static PyObject *build_permute(PyObject *module, PyObject *args) {
    PyObject *node, *axes_object;
    if (!PyArg_ParseTuple(args, "OO:permute", &node, &axes_object))
        return NULL;
    cr_array *a = node_array(node);
    int axes[CR_MAX_DIMS], n;
    if (!a || args_ints(axes_object, "axes", axes, &n) < 0)
        return NULL;
    if (n != cr_array_ndim(a)) {
        PyErr_Format(PyExc_ValueError, "%d axes for an array of %d dimensions", n, cr_array_ndim(a));
        return NULL;
    }
    BUILD(cr_array_permute(a, axes, &made, &err));
}

static PyObject *build_expand(PyObject *module, PyObject *args) {
    PyObject *node;
    int axis;
    if (!PyArg_ParseTuple(args, "Oi:expand", &node, &axis))
        return NULL;
    cr_array *a = node_array(node);
    if (!a)
        return NULL;
    BUILD(cr_array_expand(a, axis, &made, &err));
}

static PyObject *build_squeeze(PyObject *module, PyObject *args) {
    PyObject *node;
    int axis;
    if (!PyArg_ParseTuple(args, "Oi:squeeze", &node, &axis))
        return NULL;
    cr_array *a = node_array(node);
    if (!a)
        return NULL;
    BUILD(cr_array_squeeze(a, axis, &made, &err));
}

static PyObject *build_broadcast(PyObject *module, PyObject *args) {
    PyObject *node, *shape_object;
    if (!PyArg_ParseTuple(args, "OO:broadcast", &node, &shape_object))
        return NULL;
    cr_array *a = node_array(node);
    int64_t shape[CR_MAX_DIMS];
    int ndim;
    if (!a || args_int64s(shape_object, "shape", shape, &ndim) < 0)
        return NULL;
    BUILD(cr_array_broadcast(a, ndim, shape, &made, &err));
}

static PyObject *build_rechunk(PyObject *module, PyObject *args) {
    PyObject *node, *chunks_object;
    if (!PyArg_ParseTuple(args, "OO:rechunk", &node, &chunks_object))
        return NULL;
    cr_array *a = node_array(node);
    int64_t storage[CR_MAX_DIMS];
    const int64_t *chunks;
    if (!a || optional_chunks(chunks_object, cr_array_ndim(a), storage, &chunks) < 0)
        return NULL;
    if (!chunks) {
        PyErr_SetString(PyExc_TypeError, "rechunk needs sizes");
        return NULL;
    }
    BUILD(cr_array_rechunk(a, chunks, &made, &err));
}

/* Arrays of a sequence of Nodes, to be freed with PyMem_Free; borrowed from the Nodes, which the caller's sequence keeps. */
static cr_array **arrays_of(PyObject *nodes, Py_ssize_t *ret_n) {
    Py_ssize_t n = PySequence_Size(nodes);
    if (n < 0)
        return NULL;
    cr_array **arrays = PyMem_Calloc((size_t)(n ? n : 1), sizeof *arrays);
    if (!arrays) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = PySequence_GetItem(nodes, i);
        arrays[i] = item ? node_array(item) : NULL;
        Py_XDECREF(item);
        if (!arrays[i]) {
            PyMem_Free(arrays);
            return NULL;
        }
    }
    *ret_n = n;
    return arrays;
}

static PyObject *build_concat(PyObject *module, PyObject *args) {
    PyObject *nodes;
    int axis;
    if (!PyArg_ParseTuple(args, "O!i:concat", &PyTuple_Type, &nodes, &axis))
        return NULL;
    Py_ssize_t n;
    cr_array **arrays = arrays_of(nodes, &n);
    if (!arrays)
        return NULL;
    cr_err err = CR_ERR_INIT;
    cr_array *made = NULL;
    cr_status status = cr_array_concat((int)n, arrays, axis, &made, &err);
    PyMem_Free(arrays);
    return status == CR_OK ? node_wrap(made) : raise_error(status, &err);
}

/* ---- element by element ----------------------------------------------------------------------------------------- */

static PyObject *build_map(PyObject *module, PyObject *args) {
    PyObject *nodes;
    const char *name;
    if (!PyArg_ParseTuple(args, "sO!:map", &name, &PyTuple_Type, &nodes))
        return NULL;
    cr_err err = CR_ERR_INIT;
    cr_map_op op;
    cr_status status = cr_map_find(name, &op, &err);
    if (status != CR_OK)
        return raise_error(status, &err);
    Py_ssize_t n;
    cr_array **arrays = arrays_of(nodes, &n);
    if (!arrays)
        return NULL;
    if (n != cr_map_arity(op)) {
        PyMem_Free(arrays);
        PyErr_Format(PyExc_TypeError, "%s takes %d arrays, not %zd", name, cr_map_arity(op), n);
        return NULL;
    }
    cr_array *made = NULL;
    status = cr_array_map(op, arrays, &made, &err);
    PyMem_Free(arrays);
    return status == CR_OK ? node_wrap(made) : raise_error(status, &err);
}

static PyObject *build_map_arity(PyObject *module, PyObject *arg) {
    const char *name = PyUnicode_AsUTF8AndSize(arg, NULL);
    cr_map_op op;
    if (!name)
        return NULL;
    return PyLong_FromLong(cr_map_find(name, &op, NULL) == CR_OK ? cr_map_arity(op) : 0);
}

static PyObject *build_cast(PyObject *module, PyObject *args) {
    PyObject *node;
    const char *code;
    if (!PyArg_ParseTuple(args, "Os:cast", &node, &code))
        return NULL;
    cr_array *a = node_array(node);
    cr_dtype dtype;
    size_t itemsize;
    if (!a || args_dtype(code, &dtype, &itemsize) < 0)
        return NULL;
    BUILD(cr_array_cast(a, dtype, &made, &err));
}

static PyObject *build_unpack(PyObject *module, PyObject *args) {
    PyObject *node, *scale, *offset, *fills;
    const char *out_code, *compare_code, *scale_code;
    if (!PyArg_ParseTuple(args, "OOOsO!ss:unpack", &node, &scale, &offset, &out_code, &PyTuple_Type, &fills, &compare_code, &scale_code))
        return NULL;
    cr_array *a = node_array(node);
    cr_packing p = {.has_scale = scale != Py_None, .has_offset = offset != Py_None, .n_fills = (int)PyTuple_Size(fills)};
    size_t itemsize;
    if (!a || args_dtype(out_code, &p.out_dtype, &itemsize) < 0 || args_dtype(compare_code, &p.compare_dtype, &itemsize) < 0 ||
        args_dtype(scale_code, &p.scale_dtype, &itemsize) < 0)
        return NULL;
    if (p.n_fills > 4) {
        PyErr_SetString(PyExc_ValueError, "at most four fill values");
        return NULL;
    }
    if (p.has_scale)
        p.scale = PyFloat_AsDouble(scale);
    if (p.has_offset)
        p.offset = PyFloat_AsDouble(offset);
    for (int i = 0; i < p.n_fills && !PyErr_Occurred(); i++) {
        PyObject *fill = PyTuple_GetItem(fills, i);
        if (PyLong_Check(fill)) {
            p.fills_exact[i] = PyLong_AsLongLong(fill);
            p.fills[i] = (double)p.fills_exact[i];
        } else {
            p.fills[i] = PyFloat_AsDouble(fill);
        }
    }
    if (PyErr_Occurred())
        return NULL;
    BUILD(cr_array_unpack(a, &p, &made, &err));
}

/* ---- reductions ------------------------------------------------------------------------------------------------- */

/* The options that reduce and group share; dtype_code may be None. */
static int reduce_options(int skipna, int keepdims, int ddof, Py_ssize_t min_count, const char *dtype_code, cr_reduce_options *ret_options) {
    size_t itemsize;
    *ret_options = (cr_reduce_options){.skipna = skipna, .keepdims = keepdims, .ddof = ddof, .min_count = min_count,
                                       .has_dtype = dtype_code != NULL};
    return dtype_code ? args_dtype(dtype_code, &ret_options->dtype, &itemsize) : 0;
}

static PyObject *build_reduce(PyObject *module, PyObject *args) {
    const char *name, *dtype_code;
    PyObject *node, *axes_object;
    int skipna, keepdims, ddof;
    Py_ssize_t min_count;
    if (!PyArg_ParseTuple(args, "sOOppinz:reduce", &name, &node, &axes_object, &skipna, &keepdims, &ddof, &min_count, &dtype_code))
        return NULL;
    cr_array *a = node_array(node);
    cr_reduce_options options;
    int axes[CR_MAX_DIMS], n;
    if (!a || args_ints(axes_object, "axes", axes, &n) < 0 || reduce_options(skipna, keepdims, ddof, min_count, dtype_code, &options) < 0)
        return NULL;
    cr_reduction reduction;
    cr_err find = CR_ERR_INIT;
    cr_status found = cr_reduction_find(name, &reduction, &find);
    if (found != CR_OK)
        return raise_error(found, &find);
    BUILD(cr_array_reduce(reduction, a, n, n ? axes : NULL, &options, &made, &err));
}

/* codes: contiguous 32-bit integers, as many as the product of the extents of axes. Of memory that cannot be written no copy is made. */
static PyObject *build_group(PyObject *module, PyObject *args) {
    const char *name, *dtype_code;
    PyObject *node, *axes_object, *codes;
    int skipna, ddof;
    Py_ssize_t n_groups, min_count;
    if (!PyArg_ParseTuple(args, "sOOOnpinz:group", &name, &node, &axes_object, &codes, &n_groups, &skipna, &ddof, &min_count, &dtype_code))
        return NULL;
    cr_array *a = node_array(node);
    cr_reduce_options options;
    int axes[CR_MAX_DIMS], n;
    if (!a || args_ints(axes_object, "axes", axes, &n) < 0 || reduce_options(skipna, 0, ddof, min_count, dtype_code, &options) < 0)
        return NULL;
    int64_t needed = 1;
    for (int i = 0; i < n; i++) {
        if (axes[i] < 0 || axes[i] >= cr_array_ndim(a)) {
            PyErr_Format(PyExc_IndexError, "axis %d of an array of %d dimensions", axes[i], cr_array_ndim(a));
            return NULL;
        }
        needed *= cr_array_shape(a)[axes[i]];
    }
    cr_reduction reduction;
    cr_err err = CR_ERR_INIT;
    cr_status status = cr_reduction_find(name, &reduction, &err);
    if (status != CR_OK)
        return raise_error(status, &err);
    Py_buffer *view = PyMem_Malloc(sizeof *view);
    if (!view)
        return PyErr_NoMemory();
    if (args_bytes(codes, "codes", (Py_ssize_t)(needed * (int64_t)sizeof(int32_t)), view) < 0) {
        PyMem_Free(view);
        return NULL;
    }
    cr_array *made = NULL;
    status = view->readonly ? cr_array_group_shared(reduction, a, n, axes, view->buf, n_groups, &options, release_buffer, view, &made, &err)
                            : cr_array_group(reduction, a, n, axes, view->buf, n_groups, &options, &made, &err);
    if (status != CR_OK || !view->readonly) {
        PyBuffer_Release(view);
        PyMem_Free(view);
    }
    return status == CR_OK ? node_wrap(made) : raise_error(status, &err);
}

/* ---- along an axis ---------------------------------------------------------------------------------------------- */

static PyObject *build_cumulate(PyObject *module, PyObject *args) {
    PyObject *node;
    int axis, product, skipna;
    if (!PyArg_ParseTuple(args, "Oipp:cumulate", &node, &axis, &product, &skipna))
        return NULL;
    cr_array *a = node_array(node);
    if (!a)
        return NULL;
    BUILD(cr_array_cumulate(product ? CR_CUMULATE_PROD : CR_CUMULATE_SUM, a, axis, skipna, &made, &err));
}

static PyObject *build_fill_forward(PyObject *module, PyObject *args) {
    PyObject *node;
    int axis;
    long long limit;
    if (!PyArg_ParseTuple(args, "OiL:fill_forward", &node, &axis, &limit))
        return NULL;
    cr_array *a = node_array(node);
    if (!a)
        return NULL;
    BUILD(cr_array_fill_forward(a, axis, limit, &made, &err));
}

static PyObject *build_carries(PyObject *module, PyObject *node) {
    cr_array *a = node_array(node);
    if (!a)
        return NULL;
    a = cr_along_carries(a);
    if (!a)
        Py_RETURN_NONE;
    return node_wrap(cr_array_ref(a));
}

static PyObject *build_with_carries(PyObject *module, PyObject *args) {
    PyObject *node, *carries;
    if (!PyArg_ParseTuple(args, "OO:with_carries", &node, &carries))
        return NULL;
    cr_array *a = node_array(node), *c = a ? node_array(carries) : NULL;
    if (!c)
        return NULL;
    BUILD(cr_along_with_carries(a, c, &made, &err));
}

static PyObject *build_window(PyObject *module, PyObject *args) {
    const char *name;
    PyObject *node;
    int axis, skipna, ddof;
    long long window, min_count = 0;
    if (!PyArg_ParseTuple(args, "sOiLpi|L:window", &name, &node, &axis, &window, &skipna, &ddof, &min_count))
        return NULL;
    cr_array *a = node_array(node);
    cr_window_op op;
    cr_err what = CR_ERR_INIT;
    if (!a)
        return NULL;
    cr_status found = cr_window_find(name, &op, &what);
    if (found != CR_OK)
        return raise_error(found, &what);
    cr_window_options options = {.skipna = skipna, .ddof = ddof, .min_count = min_count};
    BUILD(cr_array_window(op, a, axis, window, &options, &made, &err));
}

/* q: a contiguous buffer of doubles, None for the median. codes as for group, None for all elements together. */
static PyObject *build_quantile(PyObject *module, PyObject *args) {
    PyObject *node, *axes_object, *q_object, *codes_object;
    const char *method;
    int skipna, keepdims, own_type;
    Py_ssize_t n_groups;
    if (!PyArg_ParseTuple(args, "OOOspppOn:quantile", &node, &axes_object, &q_object, &method, &skipna, &keepdims, &own_type, &codes_object,
                          &n_groups))
        return NULL;
    cr_array *a = node_array(node), *made = NULL;
    cr_quantile_options options = {.skipna = skipna, .keepdims = keepdims, .own_type = own_type};
    int axes[CR_MAX_DIMS], n;
    cr_err err = CR_ERR_INIT;
    if (!a || args_ints(axes_object, "axes", axes, &n) < 0)
        return NULL;
    cr_status status = cr_quantile_method_find(method, &options.method, &err);
    if (status != CR_OK)
        return raise_error(status, &err);
    int64_t needed = 1;
    for (int i = 0; i < n; i++) {
        if (axes[i] < 0 || axes[i] >= cr_array_ndim(a)) {
            PyErr_Format(PyExc_IndexError, "axis %d of an array of %d dimensions", axes[i], cr_array_ndim(a));
            return NULL;
        }
        needed *= cr_array_shape(a)[axes[i]];
    }
    bool median = q_object == Py_None, grouped = codes_object != Py_None;
    Py_buffer q = {0}, codes = {0};
    if (!median && PyObject_GetBuffer(q_object, &q, PyBUF_ND) < 0)
        return NULL;
    if (!median && (q.ndim != 1 || q.itemsize != sizeof(double) || q.shape[0] > CR_QUANTILE_MOST)) {
        PyErr_Format(PyExc_TypeError, "quantiles are a contiguous buffer of at most %d doubles", CR_QUANTILE_MOST);
        PyBuffer_Release(&q);
        return NULL;
    }
    if (grouped && args_bytes(codes_object, "codes", (Py_ssize_t)(needed * (int64_t)sizeof(int32_t)), &codes) < 0) {
        PyBuffer_Release(&q);
        return NULL;
    }
    int n_q = median ? 0 : (int)q.shape[0];
    if (grouped && median)
        status = cr_array_median_group(a, n, axes, codes.buf, n_groups, &options, &made, &err);
    else if (grouped)
        status = cr_array_quantile_group(a, n, axes, codes.buf, n_groups, n_q, q.buf, &options, &made, &err);
    else if (median)
        status = cr_array_median(a, n, axes, &options, &made, &err);
    else
        status = cr_array_quantile(a, n, axes, n_q, q.buf, &options, &made, &err);
    if (grouped)
        PyBuffer_Release(&codes);
    if (!median)
        PyBuffer_Release(&q);
    return status == CR_OK ? node_wrap(made) : raise_error(status, &err);
}

PyMethodDef build_functions[] = {
    {"from_buffer", build_from_buffer, METH_VARARGS, "from_buffer(object, code, chunks=None): memory that is not copied"},
    {"scalar", build_scalar, METH_VARARGS, "scalar(code, value, weak): a 0-d value from its bytes"},
    {"full", build_full, METH_VARARGS, "full(code, shape, value, chunks=None): every element the same"},
    {"slice", build_slice, METH_VARARGS, "slice(node, start, step, count)"},
    {"take", build_take, METH_VARARGS, "take(node, axis, index): index is a buffer of 64-bit integers"},
    {"permute", build_permute, METH_VARARGS, "permute(node, axes)"},
    {"expand", build_expand, METH_VARARGS, "expand(node, axis)"},
    {"squeeze", build_squeeze, METH_VARARGS, "squeeze(node, axis)"},
    {"broadcast", build_broadcast, METH_VARARGS, "broadcast(node, shape)"},
    {"rechunk", build_rechunk, METH_VARARGS, "rechunk(node, chunks): one size per axis"},
    {"concat", build_concat, METH_VARARGS, "concat(nodes, axis)"},
    {"map", build_map, METH_VARARGS, "map(name, nodes): element by element"},
    {"map_arity", build_map_arity, METH_O, "map_arity(name): number of arguments, 0 when there is no such operation"},
    {"cast", build_cast, METH_VARARGS, "cast(node, code)"},
    {"unpack", build_unpack, METH_VARARGS, "unpack(node, scale, offset, out, fills, compare, scale_in)"},
    {"reduce", build_reduce, METH_VARARGS, "reduce(name, node, axes, skipna, keepdims, ddof, min_count, code)"},
    {"group", build_group, METH_VARARGS, "group(name, node, axes, codes, n_groups, skipna, ddof, min_count, code)"},
    {"cumulate", build_cumulate, METH_VARARGS, "cumulate(node, axis, product, skipna)"},
    {"fill_forward", build_fill_forward, METH_VARARGS, "fill_forward(node, axis, limit); limit 0: none"},
    {"carries", build_carries, METH_O, "carries(node): what the blocks of a running sum or fill leave, as a node without a recipe; None: it is one block"},
    {"with_carries", build_with_carries, METH_VARARGS, "with_carries(node, carries): the running sum or fill, beginning from these values"},
    {"window", build_window, METH_VARARGS, "window(name, node, axis, window, skipna, ddof, min_count=0)"},
    {"quantile", build_quantile, METH_VARARGS, "quantile(node, axes, q, method, skipna, keepdims, own_type, codes, n_groups); q None: the median"},
    {NULL, NULL, 0, NULL},
};
