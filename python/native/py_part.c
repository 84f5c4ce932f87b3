/* py_part.c - reductions in parts: how they are cut, one part, and all of them together (craton/part.h). */
#include "binding.h"

/* The arrays of a tuple of Nodes, each with a reference of its own; NULL with an exception. */
static cr_array **held_arrays(PyObject *nodes, int *ret_n) {
    Py_ssize_t n = PyTuple_Size(nodes);
    cr_array **arrays = n < INT32_MAX ? PyMem_Calloc((size_t)(n + 1), sizeof *arrays) : NULL;
    if (!arrays) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        cr_array *a = node_array(PyTuple_GetItem(nodes, i));
        if (!a) {
            for (Py_ssize_t k = 0; k < i; k++)
                cr_array_unref(arrays[k]);
            PyMem_Free(arrays);
            return NULL;
        }
        arrays[i] = cr_array_ref(a);
    }
    *ret_n = (int)n;
    return arrays;
}

static void drop_arrays(cr_array **arrays, int n) {
    for (int i = 0; i < n; i++)
        cr_array_unref(arrays[i]);
    PyMem_Free(arrays);
}

typedef struct part_job {
    int n;
    cr_array **arrays;
    int64_t wanted, part, n_parts;
    cr_part_cut *cuts;
    void *bytes;
    size_t n_bytes;
    const void **parts;
    size_t *part_bytes;
    void **out;
} part_job;

static cr_status run_look(void *data, cr_context *c, cr_err *err) {
    part_job *j = data;
    return cr_part_look(c, j->n, j->arrays, j->wanted, j->cuts, err);
}

/* part_look(context, nodes, wanted): per node (scan, parts, bytes of states, nanoseconds, order of folding). */
static PyObject *part_look(PyObject *module, PyObject *args) {
    PyObject *context, *nodes, *result = NULL;
    long long wanted;
    part_job j = {0};
    if (!PyArg_ParseTuple(args, "O!O!L:part_look", context_type, &context, &PyTuple_Type, &nodes, &wanted) || !(j.arrays = held_arrays(nodes, &j.n)))
        return NULL;
    j.wanted = wanted;
    j.cuts = PyMem_Calloc((size_t)j.n + 1, sizeof *j.cuts);
    PyObject *done = j.cuts ? context_run((Context *)context, run_look, &j, Py_None) : PyErr_NoMemory();
    if (done)
        result = PyList_New(j.n);
    for (int i = 0; i < j.n && result; i++) {
        const cr_part_cut *c = &j.cuts[i];
        PyObject *item = Py_BuildValue("(iLKdK)", (int)c->scan, (long long)c->n_parts, (unsigned long long)c->state_bytes, c->cost_ns,
                                       (unsigned long long)c->fold_order);
        if (!item || PyList_SetItem(result, i, item) < 0) {
            Py_DECREF(result);
            result = NULL;
        }
    }
    Py_XDECREF(done);
    PyMem_Free(j.cuts);
    drop_arrays(j.arrays, j.n);
    return result;
}

static cr_status run_part(void *data, cr_context *c, cr_err *err) {
    part_job *j = data;
    return cr_part_compute(c, j->n, j->arrays, j->wanted, j->part, &j->bytes, &j->n_bytes, err);
}

/* part_compute(context, nodes, wanted, part, progress=None): the bytes of one part. */
static PyObject *part_compute(PyObject *module, PyObject *args) {
    PyObject *context, *nodes, *progress = Py_None, *result = NULL;
    long long wanted, part;
    part_job j = {0};
    if (!PyArg_ParseTuple(args, "O!O!LL|O:part_compute", context_type, &context, &PyTuple_Type, &nodes, &wanted, &part, &progress) ||
        !(j.arrays = held_arrays(nodes, &j.n)))
        return NULL;
    j.wanted = wanted;
    j.part = part;
    PyObject *done = context_run((Context *)context, run_part, &j, progress);
    if (done)
        result = PyBytes_FromStringAndSize(j.bytes, (Py_ssize_t)j.n_bytes);
    Py_XDECREF(done);
    cr_free(j.bytes);
    drop_arrays(j.arrays, j.n);
    return result;
}

static cr_status run_combine(void *data, cr_context *c, cr_err *err) {
    part_job *j = data;
    return cr_part_combine(c, j->n, j->arrays, j->wanted, j->n_parts, j->parts, j->part_bytes, j->out, err);
}

static int open_buffers(PyObject *tuple, int flags, Py_buffer *views, Py_ssize_t *ret_opened) {
    Py_ssize_t n = PyTuple_Size(tuple);
    for (; *ret_opened < n; ++*ret_opened)
        if (PyObject_GetBuffer(PyTuple_GetItem(tuple, *ret_opened), &views[*ret_opened], flags) < 0)
            return -1;
    return 0;
}

static void close_buffers(Py_buffer *views, Py_ssize_t n) {
    for (Py_ssize_t i = 0; i < n; i++)
        PyBuffer_Release(&views[i]);
    PyMem_Free(views);
}

static PyObject *combine(Context *context, part_job *j, const Py_buffer *parts, const Py_buffer *out) {
    for (int64_t i = 0; i < j->n_parts; i++) {
        j->parts[i] = parts[i].buf;
        j->part_bytes[i] = (size_t)parts[i].len;
    }
    for (int i = 0; i < j->n; i++) {
        if ((uint64_t)out[i].len != (uint64_t)cr_array_size(j->arrays[i]) * cr_array_itemsize(j->arrays[i]))
            return PyErr_Format(PyExc_ValueError, "buffer %d has %zd bytes, which is not the size of the result", i, out[i].len);
        j->out[i] = out[i].buf;
    }
    return context_run(context, run_combine, j, Py_None);
}

/* part_combine(context, nodes, wanted, parts, buffers): the values of the nodes to the buffers. */
static PyObject *part_combine(PyObject *module, PyObject *args) {
    PyObject *context, *nodes, *parts, *buffers, *result = NULL;
    long long wanted;
    part_job j = {0};
    if (!PyArg_ParseTuple(args, "O!O!LO!O!:part_combine", context_type, &context, &PyTuple_Type, &nodes, &wanted, &PyTuple_Type, &parts, &PyTuple_Type,
                          &buffers))
        return NULL;
    if (PyTuple_Size(nodes) != PyTuple_Size(buffers)) {
        PyErr_SetString(PyExc_ValueError, "one buffer per node is needed");
        return NULL;
    }
    if (!(j.arrays = held_arrays(nodes, &j.n)))
        return NULL;
    Py_ssize_t n_parts = PyTuple_Size(parts), parts_opened = 0, out_opened = 0;
    Py_buffer *part_views = PyMem_Calloc((size_t)n_parts + 1, sizeof *part_views), *out_views = PyMem_Calloc((size_t)j.n + 1, sizeof *out_views);
    j.wanted = wanted;
    j.n_parts = n_parts;
    j.parts = PyMem_Calloc((size_t)n_parts + 1, sizeof *j.parts);
    j.part_bytes = PyMem_Calloc((size_t)n_parts + 1, sizeof *j.part_bytes);
    j.out = PyMem_Calloc((size_t)j.n + 1, sizeof *j.out);
    if (!part_views || !out_views || !j.parts || !j.part_bytes || !j.out)
        PyErr_NoMemory();
    else if (open_buffers(parts, PyBUF_SIMPLE, part_views, &parts_opened) == 0 && open_buffers(buffers, PyBUF_CONTIG, out_views, &out_opened) == 0)
        result = combine((Context *)context, &j, part_views, out_views);
    close_buffers(part_views, parts_opened);
    close_buffers(out_views, out_opened);
    PyMem_Free(j.parts);
    PyMem_Free(j.part_bytes);
    PyMem_Free(j.out);
    drop_arrays(j.arrays, j.n);
    return result;
}

PyMethodDef part_functions[] = {
    {"part_look", part_look, METH_VARARGS, "part_look(context, nodes, wanted): per node (scan, parts, bytes of all states, nanoseconds of the scan, order of folding)"},
    {"part_compute", part_compute, METH_VARARGS, "part_compute(context, nodes, wanted, part, progress=None): the bytes of one part"},
    {"part_combine", part_combine, METH_VARARGS, "part_combine(context, nodes, wanted, parts, buffers): the values of the nodes from all parts"},
    {NULL, NULL, 0, NULL},
};
