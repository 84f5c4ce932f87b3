/* py_writer.c - Writer: a new file or store, filled by one computation. Attributes look as File gives them. */
#include <stdlib.h>
#include <string.h>
#include "binding.h"

#define MAX_UNLIMITED 64

typedef struct Writer {
    PyObject_HEAD
    cr_writer *writer;
    bool running;             /* finish() has begun: the writer belongs to its thread */
} Writer;

/* Attributes in the form of the C interface. The values are borrowed from the Python objects that were given. */
typedef struct attributes {
    cr_attr *items;
    int n;
} attributes;

static void attributes_free(attributes *self) {
    for (int i = 0; i < self->n; i++)
        if (self->items[i].dtype == CR_STRING)
            PyMem_Free((void *)self->items[i].values);
    PyMem_Free(self->items);
    *self = (attributes){0};
}

/* The texts of a list, borrowed from it; free with PyMem_Free. */
static const char **texts(PyObject *list, Py_ssize_t *ret_n) {
    if (!PyList_Check(list)) {
        PyErr_SetString(PyExc_TypeError, "a list of str is needed");
        return NULL;
    }
    Py_ssize_t n = PyList_Size(list);
    const char **strings = PyMem_Calloc((size_t)(n + 1), sizeof *strings);
    if (!strings) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        strings[i] = PyUnicode_AsUTF8AndSize(PyList_GetItem(list, i), NULL);
        if (!strings[i]) {
            PyMem_Free(strings);
            return NULL;
        }
    }
    *ret_n = n;
    return strings;
}

static int attribute_from(PyObject *tuple, cr_attr *ret_attr) {
    const char *name, *code;
    PyObject *payload;
    if (!PyTuple_Check(tuple) || !PyArg_ParseTuple(tuple, "ssO", &name, &code, &payload))
        return -1;
    cr_attr a = {.name = name, .form = *code == '[' ? CR_ATTR_LIST : *code == '{' ? CR_ATTR_JSON : CR_ATTR_PLAIN};
    code += a.form != CR_ATTR_PLAIN;
    if (strcmp(code, "|O") == 0) {
        Py_ssize_t n;
        const char **strings = texts(payload, &n);
        if (!strings)
            return -1;
        a.dtype = CR_STRING;
        a.n = n;
        a.values = strings;
    } else {
        size_t itemsize;
        char *bytes;
        Py_ssize_t size;
        if (args_dtype(code, &a.dtype, &itemsize) < 0 || PyBytes_AsStringAndSize(payload, &bytes, &size) < 0)
            return -1;
        a.n = a.dtype == CR_BYTES ? size : size / (Py_ssize_t)itemsize;
        a.values = bytes;
    }
    *ret_attr = a;
    return 0;
}

static int attributes_from(PyObject *list, attributes *ret_attrs) {
    Py_ssize_t n = PyList_Check(list) ? PyList_Size(list) : -1;
    if (n < 0 || n > 1 << 20) {
        PyErr_SetString(PyExc_TypeError, "attributes are a list of (name, code, payload)");
        return -1;
    }
    attributes attrs = {.items = PyMem_Calloc((size_t)(n + 1), sizeof(cr_attr))};
    if (!attrs.items) {
        PyErr_NoMemory();
        return -1;
    }
    for (; attrs.n < n; attrs.n++) {
        if (attribute_from(PyList_GetItem(list, attrs.n), &attrs.items[attrs.n]) < 0) {
            attributes_free(&attrs);
            return -1;
        }
    }
    *ret_attrs = attrs;
    return 0;
}

static PyObject *writer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *keywords[] = {"path", "format", "overwrite", "unlimited", "resume", NULL};
    PyObject *path = NULL, *unlimited = NULL;
    const char *format = NULL, *names[MAX_UNLIMITED + 1] = {NULL};
    int overwrite = 0, resume = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&|zpO!p:Writer", keywords, PyUnicode_FSConverter, &path, &format, &overwrite,
                                     &PyTuple_Type, &unlimited, &resume))
        return NULL;
    cr_err err = CR_ERR_INIT;
    cr_writer *writer = NULL;
    Writer *self = NULL;
    Py_ssize_t n = unlimited ? PyTuple_Size(unlimited) : 0;
    if (n > MAX_UNLIMITED)
        PyErr_SetString(PyExc_ValueError, "too many unlimited dimensions");
    for (Py_ssize_t i = 0; i < n && !PyErr_Occurred(); i++)
        names[i] = PyUnicode_AsUTF8AndSize(PyTuple_GetItem(unlimited, i), NULL);
    if (PyErr_Occurred())
        goto done;
    cr_write_options options = {.format = format, .overwrite = overwrite, .unlimited = n ? names : NULL, .resume = resume};
    cr_status status = cr_writer_new(PyBytes_AsString(path), &options, &writer, &err);
    if (status != CR_OK) {
        raise_error(status, &err);
        goto done;
    }
    self = PyObject_New(Writer, type);
    if (self)
        *self = (Writer){.ob_base = self->ob_base, .writer = writer};
    else
        cr_writer_free(writer);
done:
    Py_DECREF(path);
    return (PyObject *)self;
}

static void writer_dealloc(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    cr_writer *writer = ((Writer *)object)->writer;
    Py_BEGIN_ALLOW_THREADS
    cr_writer_free(writer);
    Py_END_ALLOW_THREADS
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static cr_writer *usable(PyObject *object) {
    Writer *self = (Writer *)object;
    if (self->running) {
        PyErr_SetString(PyExc_RuntimeError, "this writer has been finished");
        return NULL;
    }
    return self->writer;
}

static PyObject *writer_attrs(PyObject *self, PyObject *list) {
    attributes attrs;
    cr_writer *writer = usable(self);
    if (!writer || attributes_from(list, &attrs) < 0)
        return NULL;
    cr_err err = CR_ERR_INIT;
    cr_status status = cr_writer_attrs(writer, attrs.items, attrs.n, &err);
    attributes_free(&attrs);
    return status == CR_OK ? Py_NewRef(Py_None) : raise_error(status, &err);
}

/* variable(name, dims, shape, chunks, shards, code, attrs, fill, codec, level, shuffle, values, fletcher32=False): values is a Node, or a list of str.
 * code "|S5" and "<U5": text of fixed width. */
static PyObject *writer_variable(PyObject *self, PyObject *args) {
    const char *name, *code, *codec;
    PyObject *dims, *shape_object, *chunks_object, *shards_object, *attrs_object, *fill, *values;
    int level, shuffle, fletcher32 = 0;
    if (!PyArg_ParseTuple(args, "sO!OOOsOOzipO|p:variable", &name, &PyList_Type, &dims, &shape_object, &chunks_object, &shards_object, &code,
                          &attrs_object, &fill, &codec, &level, &shuffle, &values, &fletcher32))
        return NULL;
    cr_writer *writer = usable(self);
    bool is_text = PyList_Check(values);
    int64_t shape[CR_MAX_DIMS], chunks[CR_MAX_DIMS], shards[CR_MAX_DIMS];
    int ndim, n_chunks = 0, n_shards = 0;
    Py_ssize_t n_dims, n_texts = 0;
    cr_dtype dtype = CR_STRING;
    size_t itemsize = 0;
    if (!writer || args_int64s(shape_object, "shape", shape, &ndim) < 0 ||
        (chunks_object != Py_None && args_int64s(chunks_object, "chunks", chunks, &n_chunks) < 0) ||
        (shards_object != Py_None && args_int64s(shards_object, "shards", shards, &n_shards) < 0) ||
        (!is_text && args_dtype(code, &dtype, &itemsize) < 0))
        return NULL;
    if (PyList_Size(dims) != ndim || (chunks_object != Py_None && n_chunks != ndim) || (shards_object != Py_None && n_shards != ndim)) {
        PyErr_Format(PyExc_ValueError, "variable %s: dims, shape, chunks and shards differ in length", name);
        return NULL;
    }
    attributes attrs = {0};
    const char **dim_names = NULL, **strings = NULL;
    Py_buffer fill_view = {0};
    PyObject *result = NULL;
    cr_err err = CR_ERR_INIT;
    cr_status status;
    if (attributes_from(attrs_object, &attrs) < 0 || !(dim_names = texts(dims, &n_dims)) ||
        (fill != Py_None && args_bytes(fill, "the fill value", (Py_ssize_t)itemsize, &fill_view) < 0))
        goto done;
    cr_write_variable v = {.name = name, .ndim = ndim, .dims = dim_names, .shape = shape,
                           .chunks = chunks_object != Py_None ? chunks : NULL, .dtype = dtype, .attrs = attrs.items, .n_attrs = attrs.n,
                           .fill = fill_view.buf, .codec = codec, .level = level, .shuffle = shuffle,
                           .shards = shards_object != Py_None ? shards : NULL, .fletcher32 = fletcher32,
                           .itemsize = dtype == CR_BYTES ? itemsize : 0, .utf32 = dtype == CR_BYTES && code[1] == 'U'};
    if (is_text) {
        int64_t size = args_size(shape, ndim);
        if (size < 0 || !(strings = texts(values, &n_texts)))
            goto done;
        if (size != n_texts) {
            PyErr_Format(PyExc_ValueError, "variable %s: %zd texts for %lld elements", name, n_texts, (long long)size);
            goto done;
        }
        status = cr_writer_strings(writer, &v, strings, &err);
    } else {
        cr_array *a = node_array(values);
        if (!a)
            goto done;
        status = cr_writer_variable(writer, &v, a, &err);
    }
    result = status == CR_OK ? Py_NewRef(Py_None) : raise_error(status, &err);
done:
    if (fill_view.obj)
        PyBuffer_Release(&fill_view);
    PyMem_Free(strings);
    PyMem_Free(dim_names);
    attributes_free(&attrs);
    return result;
}

/* begin(): the path of the hidden store. Without a thread of its own: it makes a few small files. */
static PyObject *writer_begin(PyObject *self, PyObject *unused) {
    cr_err err = CR_ERR_INIT;
    const char *path;
    cr_writer *writer = usable(self);
    if (!writer)
        return NULL;
    cr_status status;
    Py_BEGIN_ALLOW_THREADS
    status = cr_writer_begin(writer, &path, &err);
    Py_END_ALLOW_THREADS
    return status == CR_OK ? PyUnicode_DecodeFSDefault(path) : raise_error(status, &err);
}

static cr_status run_finish(void *data, cr_context *c, cr_err *err) { return cr_writer_finish(data, c, err); }

static PyObject *writer_finish(PyObject *self, PyObject *args) {
    PyObject *context, *progress = Py_None;
    if (!PyArg_ParseTuple(args, "O!|O:finish", context_type, &context, &progress))
        return NULL;
    cr_writer *writer = usable(self);
    if (!writer)
        return NULL;
    ((Writer *)self)->running = true;
    return context_run((Context *)context, run_finish, writer, progress);
}

static PyObject *writer_chunks(PyObject *self, PyObject *unused) {
    int64_t total, kept;
    cr_writer_chunks(((Writer *)self)->writer, &total, &kept);
    return Py_BuildValue("LL", (long long)total, (long long)kept);
}

/* ---- into a store that is there ---- */

typedef struct update {
    const char *path, *staging;
    int n;
    cr_update *items;
} update;

static cr_status run_update(void *data, cr_context *c, cr_err *err) {
    const update *u = data;
    return cr_zarr_update(u->path, u->staging, u->n, u->items, c, err);
}

/* update(context, path, [(name, node, start), ...], progress=None, staging=None) */
static PyObject *zarr_update(PyObject *module, PyObject *args) {
    PyObject *context, *path = NULL, *list, *progress = Py_None;
    const char *staging = NULL;
    if (!PyArg_ParseTuple(args, "O!O&O!|Oz:update", context_type, &context, PyUnicode_FSConverter, &path, &PyList_Type, &list, &progress, &staging))
        return NULL;
    Py_ssize_t n = PyList_Size(list);
    PyObject *result = NULL;
    int64_t *starts = PyMem_Calloc((size_t)n + 1, CR_MAX_DIMS * sizeof *starts);
    update u = {.path = PyBytes_AsString(path), .staging = staging, .n = (int)n, .items = PyMem_Calloc((size_t)n + 1, sizeof(cr_update))};
    bool good = starts && u.items;
    if (!good)
        PyErr_NoMemory();
    for (Py_ssize_t i = 0; good && i < n; i++) {
        PyObject *node, *start;
        int ndim;
        int64_t *at = starts + i * CR_MAX_DIMS;
        good = PyArg_ParseTuple(PyList_GetItem(list, i), "sOO", &u.items[i].name, &node, &start) && args_int64s(start, "start", at, &ndim) == 0 &&
               (u.items[i].values = node_array(node)) != NULL;
        if (good && ndim != cr_array_ndim(u.items[i].values)) {
            PyErr_Format(PyExc_ValueError, "variable %s: a start of %d axes", u.items[i].name, ndim);
            good = false;
        }
        u.items[i].start = at;
    }
    if (good)
        result = context_run((Context *)context, run_update, &u, progress);
    PyMem_Free(u.items);
    PyMem_Free(starts);
    Py_DECREF(path);
    return result;
}

static PyMethodDef writer_methods[] = {
    {"chunks", writer_chunks, METH_NOARGS, "chunks() -> (all, finished before) of a write that was resumed"},
    {"attrs", writer_attrs, METH_O, "attrs(list): attributes of the group"},
    {"variable", writer_variable, METH_VARARGS, "variable(name, dims, shape, chunks, shards, code, attrs, fill, codec, level, shuffle, values)"},
    {"begin", writer_begin, METH_NOARGS, "begin(): the store, hidden and without values, for others to write them; returns its path"},
    {"finish", writer_finish, METH_VARARGS, "finish(context, progress=None): computes, writes, and makes it visible"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot writer_slots[] = {
    {Py_tp_doc, "Writer(path, format=None, overwrite=False, unlimited=(), resume=False): a new file or store."},
    {Py_tp_new, writer_new},
    {Py_tp_dealloc, writer_dealloc},
    {Py_tp_methods, writer_methods},
    {0, NULL},
};

static PyType_Spec writer_spec = {
    .name = "craton._craton.Writer",
    .basicsize = sizeof(Writer),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = writer_slots,
};

static PyMethodDef update_functions[] = {
    {"update", zarr_update, METH_VARARGS, "update(context, path, [(name, node, start), ...], progress=None, staging=None): whole chunks of a Zarr store that is there"},
    {NULL, NULL, 0, NULL},
};

int writer_init(PyObject *module) {
    if (PyModule_AddFunctions(module, update_functions) < 0)
        return -1;
    writer_type = binding_add_type(module, &writer_spec);
    return writer_type ? 0 : -1;
}
