/* py_args.c - Python arguments to C and back. */
#include <stdlib.h>
#include <string.h>
#include "binding.h"

int args_int64s(PyObject *sequence, const char *what, int64_t *ret_values, int *ret_n) {
    Py_ssize_t n = PySequence_Size(sequence);
    if (n < 0)
        return -1;
    if (n > CR_MAX_DIMS) {
        PyErr_Format(PyExc_ValueError, "%s has %zd entries; an array has at most %d dimensions", what, n, CR_MAX_DIMS);
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = PySequence_GetItem(sequence, i);
        if (!item)
            return -1;
        ret_values[i] = PyLong_AsLongLong(item);
        Py_DECREF(item);
        if (ret_values[i] == -1 && PyErr_Occurred())
            return -1;
    }
    *ret_n = (int)n;
    return 0;
}

int args_ints(PyObject *sequence, const char *what, int *ret_values, int *ret_n) {
    int64_t wide[CR_MAX_DIMS];
    int n;
    if (args_int64s(sequence, what, wide, &n) < 0)
        return -1;
    for (int i = 0; i < n; i++) {
        if (wide[i] < INT32_MIN || wide[i] > INT32_MAX) {
            PyErr_Format(PyExc_ValueError, "%s: %lld is out of range", what, (long long)wide[i]);
            return -1;
        }
        ret_values[i] = (int)wide[i];
    }
    *ret_n = n;
    return 0;
}

int args_dtype(const char *code, cr_dtype *ret_dtype, size_t *ret_itemsize) {
    if (strlen(code) > 2 && strchr("SUV", code[1])) {
        char *end;
        long n = strtol(code + 2, &end, 10);
        if (*end || n <= 0 || n > (1 << 28)) {
            PyErr_Format(PyExc_TypeError, "%s is not an element type", code);
            return -1;
        }
        *ret_dtype = CR_BYTES;
        *ret_itemsize = (size_t)n * (code[1] == 'U' ? 4 : 1);
        return 0;
    }
    cr_err err = CR_ERR_INIT;
    cr_dtype dtype;
    cr_status s = cr_dtype_from_numpy(code, &dtype, &err);
    if (s != CR_OK) {
        PyErr_Format(PyExc_TypeError, "arrays of type %s cannot be computed lazily by craton", code);
        return -1;
    }
    *ret_dtype = dtype;
    *ret_itemsize = cr_dtype_size(dtype);
    return 0;
}

PyObject *args_dtype_code(cr_dtype dtype, size_t itemsize) {
    switch (dtype) {
#define X(name, numpy, bytes, kind) case CR_##name: return PyUnicode_FromString(numpy);
    CR_DTYPE_TABLE(X)
#undef X
    case CR_BYTES: return PyUnicode_FromFormat("|V%zu", itemsize);
    default: return PyUnicode_FromString("|O");
    }
}

PyObject *args_tuple(const int64_t *values, int64_t n) {
    PyObject *tuple = PyTuple_New((Py_ssize_t)n);
    for (int64_t i = 0; tuple && i < n; i++) {
        PyObject *item = PyLong_FromLongLong(values[i]);
        if (!item || PyTuple_SetItem(tuple, (Py_ssize_t)i, item) < 0) {
            Py_DECREF(tuple);
            return NULL;
        }
    }
    return tuple;
}

int args_bytes(PyObject *object, const char *what, Py_ssize_t n_bytes, Py_buffer *ret_view) {
    if (PyObject_GetBuffer(object, ret_view, PyBUF_SIMPLE) < 0)
        return -1;
    if (ret_view->len != n_bytes) {
        PyErr_Format(PyExc_ValueError, "%s has %zd bytes, %zd are needed", what, ret_view->len, n_bytes);
        PyBuffer_Release(ret_view);
        return -1;
    }
    return 0;
}

int64_t args_size(const int64_t *shape, int ndim) {
    int64_t size = 1;
    for (int i = 0; i < ndim; i++) {
        if (shape[i] < 0 || __builtin_mul_overflow(size, shape[i], &size)) {
            PyErr_SetString(PyExc_ValueError, "the shape is negative or too large");
            return -1;
        }
    }
    return size;
}
