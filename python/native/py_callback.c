/* py_callback.c - arrays that Python code fills, sinks that hand boxes to Python code, and bytes that Python code reads. */
#include <stdlib.h>
#include <string.h>
#include "binding.h"

typedef struct source {
    PyObject *function;       /* function(start, count, memoryview) fills the view, row-major */
    int ndim;
    size_t itemsize;
} source;

/* The memory is the engine's: a function that kept the view would write into someone else's data later. */
static cr_status release_view(PyObject *view, cr_status status, cr_err *err) {
    PyObject *released = view ? PyObject_CallMethod(view, "release", NULL) : NULL;
    if (view && !released) {
        if (status == CR_OK)
            status = error_from_python(err);
        PyErr_Clear();
    }
    Py_XDECREF(released);
    Py_XDECREF(view);
    return status;
}

static int64_t box_bytes(const int64_t *count, int ndim, size_t itemsize) {
    int64_t n = (int64_t)itemsize;
    for (int i = 0; i < ndim; i++)
        n *= count[i];            /* a box of an array whose size was checked */
    return n;
}

static cr_status source_read(void *user, const int64_t *start, const int64_t *count, void *dst, cr_err *err) {
    source *self = user;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *result = NULL, *starts = args_tuple(start, self->ndim), *counts = args_tuple(count, self->ndim);
    PyObject *view = PyMemoryView_FromMemory(dst, (Py_ssize_t)box_bytes(count, self->ndim, self->itemsize), PyBUF_WRITE);
    if (starts && counts && view)
        result = PyObject_CallFunctionObjArgs(self->function, starts, counts, view, NULL);
    cr_status status = result ? CR_OK : error_from_python(err);
    status = release_view(view, status, err);
    Py_XDECREF(result);
    Py_XDECREF(counts);
    Py_XDECREF(starts);
    PyGILState_Release(gil);
    return status;
}

static void source_release(void *user) {
    source *self = user;
    if (!Py_IsInitialized())
        return;
    PyGILState_STATE gil = PyGILState_Ensure();
    Py_DECREF(self->function);
    PyMem_Free(self);
    PyGILState_Release(gil);
}

static PyObject *callback_node(PyObject *module, PyObject *args) {
    PyObject *function, *shape_object, *chunks_object;
    const char *code;
    int serial;
    if (!PyArg_ParseTuple(args, "OsOOp:callback", &function, &code, &shape_object, &chunks_object, &serial))
        return NULL;
    cr_dtype dtype;
    size_t itemsize;
    int64_t shape[CR_MAX_DIMS], chunks[CR_MAX_DIMS];
    int ndim, n_chunks;
    if (args_dtype(code, &dtype, &itemsize) < 0 || args_int64s(shape_object, "shape", shape, &ndim) < 0 ||
        args_int64s(chunks_object, "chunks", chunks, &n_chunks) < 0)
        return NULL;
    if (ndim != n_chunks || !PyCallable_Check(function)) {
        PyErr_SetString(PyExc_TypeError, "a function and one chunk size per dimension are needed");
        return NULL;
    }
    source *self = PyMem_Malloc(sizeof *self);
    if (!self)
        return PyErr_NoMemory();
    *self = (source){.function = Py_NewRef(function), .ndim = ndim, .itemsize = itemsize};
    cr_err err = CR_ERR_INIT;
    cr_array *made = NULL;
    cr_status status = cr_array_from_callback(dtype, itemsize, ndim, shape, chunks, serial, source_read, source_release, self, &made, &err);
    if (status == CR_OK)
        return node_wrap(made);
    Py_DECREF(function);
    PyMem_Free(self);
    return raise_error(status, &err);
}

/* ---- bytes of a file ----------------------------------------------------------------------------------------------------- */

static cr_status bytes_read(void *user, uint64_t offset, void *dst, size_t n, cr_err *err) {
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *view = PyMemoryView_FromMemory(dst, (Py_ssize_t)n, PyBUF_WRITE);
    PyObject *at = PyLong_FromUnsignedLongLong(offset), *result = view && at ? PyObject_CallFunctionObjArgs(user, at, view, NULL) : NULL;
    cr_status status = release_view(view, result ? CR_OK : error_from_python(err), err);
    Py_XDECREF(result);
    Py_XDECREF(at);
    PyGILState_Release(gil);
    return status;
}

static void bytes_release(void *user) {
    if (!Py_IsInitialized())
        return;
    PyGILState_STATE gil = PyGILState_Ensure();
    Py_DECREF((PyObject *)user);
    PyGILState_Release(gil);
}

int callback_reader(PyObject *function, unsigned long long size, cr_reader **ret_reader) {
    cr_err err = CR_ERR_INIT;
    if (!PyCallable_Check(function)) {
        PyErr_SetString(PyExc_TypeError, "read must be a function of an offset and a memoryview");
        return -1;
    }
    cr_status status = cr_reader_new(size, bytes_read, bytes_release, Py_NewRef(function), ret_reader, &err);
    if (status == CR_OK)
        return 0;
    Py_DECREF(function);
    raise_error(status, &err);
    return -1;
}

static cr_status target_write(void *user, const int64_t *start, const int64_t *count, const void *data, cr_err *err) {
    callback_target *self = user;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *result = NULL, *starts = args_tuple(start, self->ndim), *counts = args_tuple(count, self->ndim);
    /* A copy: what Python code does with the box after the call is its own affair. */
    PyObject *bytes = PyBytes_FromStringAndSize(data, (Py_ssize_t)box_bytes(count, self->ndim, self->itemsize));
    if (starts && counts && bytes)
        result = PyObject_CallFunctionObjArgs(self->function, starts, counts, bytes, NULL);
    cr_status status = result ? CR_OK : error_from_python(err);
    Py_XDECREF(result);
    Py_XDECREF(bytes);
    Py_XDECREF(counts);
    Py_XDECREF(starts);
    PyGILState_Release(gil);
    return status;
}

void callback_sink(callback_target *target, cr_sink *ret_sink) {
    *ret_sink = (cr_sink){.chunks = target->chunks, .serial = true, .write = target_write, .user = target};
}

PyMethodDef callback_functions[] = {
    {"callback", callback_node, METH_VARARGS, "callback(function, code, shape, chunks, serial): function(start, count, view) fills a box"},
    {NULL, NULL, 0, NULL},
};
