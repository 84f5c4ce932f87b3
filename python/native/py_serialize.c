/* py_serialize.c - graphs of nodes as bytes, and back. Both may read files and copy arrays: without the GIL. */
#include <stdlib.h>
#include "binding.h"

static PyObject *encode_graph(PyObject *module, PyObject *args) {
    PyObject *nodes;
    unsigned long long most;
    if (!PyArg_ParseTuple(args, "O!K:encode_graph", &PyTuple_Type, &nodes, &most))
        return NULL;
    Py_ssize_t n = PyTuple_Size(nodes);
    cr_array **arrays = PyMem_Malloc((size_t)(n + 1) * sizeof *arrays);
    if (!arrays)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < n; i++) /* borrowed: the tuple holds them */
        if (!(arrays[i] = node_array(PyTuple_GetItem(nodes, i)))) {
            PyMem_Free(arrays);
            return NULL;
        }
    cr_err err = CR_ERR_INIT;
    cr_status status;
    void *bytes = NULL;
    size_t n_bytes = 0;
    Py_BEGIN_ALLOW_THREADS
    status = cr_graph_encode(n > INT32_MAX ? -1 : (int)n, arrays, most, &bytes, &n_bytes, &err);
    Py_END_ALLOW_THREADS
    PyMem_Free(arrays);
    if (status != CR_OK)
        return raise_error(status, &err);
    PyObject *result = PyBytes_FromStringAndSize(bytes, (Py_ssize_t)n_bytes);
    cr_free(bytes);
    return result;
}

static PyObject *decode_graph(PyObject *module, PyObject *object) {
    Py_buffer view;
    if (PyObject_GetBuffer(object, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    cr_err err = CR_ERR_INIT;
    cr_status status;
    cr_array **arrays = NULL;
    int n = 0;
    Py_BEGIN_ALLOW_THREADS
    status = cr_graph_decode(view.buf, (size_t)view.len, &arrays, &n, &err);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&view);
    if (status != CR_OK)
        return raise_error(status, &err);
    PyObject *tuple = PyTuple_New(n);
    for (int i = 0; tuple && i < n; i++) {
        PyObject *node = node_wrap(cr_array_ref(arrays[i]));
        if (!node || PyTuple_SetItem(tuple, i, node) < 0) {
            Py_DECREF(tuple);
            tuple = NULL;
        }
    }
    cr_graph_free(arrays, n);
    return tuple;
}

PyMethodDef serialize_functions[] = {
    {"encode_graph", encode_graph, METH_VARARGS, "encode_graph(nodes, most_memory_bytes): bytes that decode_graph makes the same nodes from"},
    {"decode_graph", decode_graph, METH_O, "decode_graph(bytes): a tuple of nodes without recipes"},
    {NULL, NULL, 0, NULL},
};
