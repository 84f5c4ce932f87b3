/* py_file.c - File: an open file or store of arrays, described in plain Python objects.
 *
 * An attribute is a tuple (name, code, payload): code is a NumPy code and payload the bytes of its items, or code is "|O" and
 * payload a list of texts. "[" before the code: a list, also of one item; "{": the one text is JSON. Everything is copied when it is asked for; opening and reading run without the GIL. */
#include <stdlib.h>
#include <string.h>
#include "binding.h"

typedef struct File {
    PyObject_HEAD
    cr_file *file;
} File;

static cr_unreadable *unreadable;     /* of all files of the process that are opened with unreadable_missing */

static PyObject *text(const char *s) { return s ? PyUnicode_DecodeUTF8(s, (Py_ssize_t)strlen(s), "replace") : Py_NewRef(Py_None); }

static PyObject *text_list(const char *const *strings, int64_t n) {
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (int64_t i = 0; list && i < n; i++) {
        PyObject *item = text(strings[i] ? strings[i] : "");
        if (!item || PyList_SetItem(list, (Py_ssize_t)i, item) < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}

/* "[" before the code: a list, also of one; "{": the text is JSON. */
static PyObject *attribute_code(const cr_attr *a) {
    PyObject *code = args_dtype_code(a->dtype, 1);
    if (!code || a->form == CR_ATTR_PLAIN)
        return code;
    PyObject *whole = PyUnicode_FromFormat("%c%U", a->form == CR_ATTR_LIST ? '[' : '{', code);
    Py_DECREF(code);
    return whole;
}

static PyObject *attribute(const cr_attr *a) {
    PyObject *payload;
    if (a->dtype == CR_STRING)
        payload = text_list(a->values, a->n);
    else
        payload = PyBytes_FromStringAndSize(a->values, (Py_ssize_t)(a->n * (int64_t)(a->dtype == CR_BYTES ? 1 : cr_dtype_size(a->dtype))));
    return Py_BuildValue("(NNN)", text(a->name), attribute_code(a), payload);
}

static PyObject *attribute_list(const cr_attr *attrs, int n) {
    PyObject *list = PyList_New(n);
    for (int i = 0; list && i < n; i++) {
        PyObject *item = attribute(&attrs[i]);
        if (!item || PyList_SetItem(list, i, item) < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}

static int put(PyObject *dict, const char *key, PyObject *value) {
    int status = value ? PyDict_SetItemString(dict, key, value) : -1;
    Py_XDECREF(value);
    return status;
}

static PyObject *variable(const cr_variable *v) {
    PyObject *dict = PyDict_New();
    if (!dict)
        return NULL;
    if (put(dict, "name", text(v->name)) < 0 || put(dict, "dtype", args_dtype_code(v->dtype, v->itemsize)) < 0 ||
        put(dict, "shape", args_tuple(v->shape, v->ndim)) < 0 || put(dict, "dims", text_list(v->dims, v->ndim)) < 0 ||
        put(dict, "chunks", v->chunks ? args_tuple(v->chunks, v->ndim) : Py_NewRef(Py_None)) < 0 ||
        put(dict, "shards", v->shards ? args_tuple(v->shards, v->ndim) : Py_NewRef(Py_None)) < 0 ||
        put(dict, "attrs", attribute_list(v->attrs, v->n_attrs)) < 0 ||
        put(dict, "fill", v->has_fill && v->fill ? PyBytes_FromStringAndSize(v->fill, (Py_ssize_t)v->itemsize) : Py_NewRef(Py_None)) < 0 ||
        put(dict, "compression", text(v->compression)) < 0 ||
        put(dict, "text_width", PyLong_FromLong(v->text_width)) < 0 || put(dict, "stored_bytes", PyLong_FromUnsignedLongLong(v->stored_bytes)) < 0 || put(dict, "problem", text(v->problem)) < 0) {
        Py_DECREF(dict);
        return NULL;
    }
    return dict;
}

static PyObject *file_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *keywords[] = {"path", "group", "metadata_limit", "unreadable_missing", "read", "size", NULL};
    PyObject *path = NULL, *read = Py_None;
    const char *group = NULL;
    unsigned long long limit = 0, size = 0;
    cr_reader *reader = NULL;
    int missing = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&|zKpOK:File", keywords, PyUnicode_FSConverter, &path, &group, &limit, &missing, &read, &size))
        return NULL;
    if (read != Py_None && callback_reader(read, size, &reader) < 0) {
        Py_DECREF(path);
        return NULL;
    }
    cr_open_options options = {.group = group, .metadata_limit_bytes = limit, .unreadable = missing ? unreadable : NULL, .reader = reader};
    cr_file *file = NULL;
    cr_err err = CR_ERR_INIT;
    cr_status status;
    const char *name = PyBytes_AsString(path);
    Py_BEGIN_ALLOW_THREADS
    status = cr_file_open(name, &options, &file, &err);
    cr_reader_unref(reader);
    Py_END_ALLOW_THREADS
    Py_DECREF(path);
    if (status != CR_OK)
        return raise_error(status, &err);
    File *self = PyObject_New(File, type);
    if (self)
        self->file = file;
    else
        cr_file_close(file);
    return (PyObject *)self;
}

static void file_dealloc(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    cr_file_close(((File *)object)->file);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyObject *file_get_path(PyObject *self, void *closure) { return PyUnicode_DecodeFSDefault(cr_file_path(((File *)self)->file)); }

static PyObject *file_get_format(PyObject *self, void *closure) { return text(cr_file_format(((File *)self)->file)); }

static PyObject *file_get_dims(PyObject *self, void *closure) {
    const cr_file *file = ((File *)self)->file;
    int n = cr_file_n_dims(file);
    PyObject *list = PyList_New(n);
    for (int i = 0; list && i < n; i++) {
        const cr_dim *d = cr_file_dim(file, i);
        PyObject *item = Py_BuildValue("(NLO)", text(d->name), (long long)d->length, d->unlimited ? Py_True : Py_False);
        if (!item || PyList_SetItem(list, i, item) < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}

static PyObject *file_get_attrs(PyObject *self, void *closure) {
    const cr_file *file = ((File *)self)->file;
    int n = cr_file_n_attrs(file);
    PyObject *list = PyList_New(n);
    for (int i = 0; list && i < n; i++) {
        PyObject *item = attribute(cr_file_attr(file, i));
        if (!item || PyList_SetItem(list, i, item) < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}

static PyObject *file_get_variables(PyObject *self, void *closure) {
    const cr_file *file = ((File *)self)->file;
    int n = cr_file_n_variables(file);
    PyObject *list = PyList_New(n);
    for (int i = 0; list && i < n; i++) {
        PyObject *item = variable(cr_file_variable(file, i));
        if (!item || PyList_SetItem(list, i, item) < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}

static PyObject *file_get_groups(PyObject *self, void *closure) {
    const cr_file *file = ((File *)self)->file;
    int n = cr_file_n_groups(file);
    PyObject *list = PyList_New(n);
    for (int i = 0; list && i < n; i++) {
        PyObject *item = text(cr_file_group(file, i));
        if (!item || PyList_SetItem(list, i, item) < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}

static PyObject *file_array(PyObject *self, PyObject *name_object) {
    const char *name = PyUnicode_AsUTF8AndSize(name_object, NULL);
    if (!name)
        return NULL;
    cr_err err = CR_ERR_INIT;
    cr_array *array = NULL;
    cr_status status = cr_file_array(((File *)self)->file, name, &array, &err);
    return status == CR_OK ? node_wrap(array) : raise_error(status, &err);
}

static PyObject *file_strings(PyObject *self, PyObject *name_object) {
    const char *name = PyUnicode_AsUTF8AndSize(name_object, NULL);
    if (!name)
        return NULL;
    cr_err err = CR_ERR_INIT;
    char **strings = NULL;
    int64_t n = 0;
    cr_status status;
    const cr_file *file = ((File *)self)->file;
    Py_BEGIN_ALLOW_THREADS
    status = cr_file_strings(file, name, &strings, &n, &err);
    Py_END_ALLOW_THREADS
    if (status != CR_OK)
        return raise_error(status, &err);
    PyObject *list = text_list((const char *const *)strings, n);
    cr_free(strings);
    return list;
}

static PyMethodDef file_methods[] = {
    {"array", file_array, METH_O, "array(name): the lazy array of a variable, values as stored"},
    {"strings", file_strings, METH_O, "strings(name): all values of a variable of text"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef file_getset[] = {
    {"path", file_get_path, NULL, "as given when it was opened", NULL},
    {"format", file_get_format, NULL, "such as 'netcdf4' or 'zarr3'", NULL},
    {"dims", file_get_dims, NULL, "list of (name, length, unlimited)", NULL},
    {"attrs", file_get_attrs, NULL, "attributes of the group", NULL},
    {"variables", file_get_variables, NULL, "list of dicts", NULL},
    {"groups", file_get_groups, NULL, "names of the groups below", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot file_slots[] = {
    {Py_tp_doc, "File(path, group=None, metadata_limit=0, unreadable_missing=False, read=None, size=0): an open file or store of arrays. "
                "read(offset, view) fills the view from so many bytes; then path is a name for messages."},
    {Py_tp_new, file_new},
    {Py_tp_dealloc, file_dealloc},
    {Py_tp_methods, file_methods},
    {Py_tp_getset, file_getset},
    {0, NULL},
};

static PyType_Spec file_spec = {
    .name = "craton._craton.File",
    .basicsize = sizeof(File),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = file_slots,
};

/* unreadable(first=0): ([texts from this one on], whether there were more than can be listed). */
static PyObject *list_unreadable(PyObject *module, PyObject *args) {
    int first = 0;
    if (!PyArg_ParseTuple(args, "|i:unreadable", &first))
        return NULL;
    int n = cr_unreadable_count(unreadable);
    bool more = cr_unreadable_more(unreadable);
    PyObject *list = PyList_New(0);
    for (int i = first > 0 ? first : 0; list && i < n; i++) {
        PyObject *item = text(cr_unreadable_text(unreadable, i));
        int failed = item ? PyList_Append(list, item) : -1;
        Py_XDECREF(item);
        if (failed < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list ? Py_BuildValue("(NO)", list, more ? Py_True : Py_False) : NULL;
}

PyMethodDef file_functions[] = {
    {"unreadable", list_unreadable, METH_VARARGS, "unreadable(first=0): (texts, more): chunks that were taken for missing so far"},
    {NULL, NULL, 0, NULL},
};

int file_init(PyObject *module) {
    cr_err err = CR_ERR_INIT;
    if (!unreadable && cr_unreadable_new(&unreadable, &err) != CR_OK) {
        raise_error(err.status, &err);
        return -1;
    }
    file_type = binding_add_type(module, &file_spec);
    return file_type ? 0 : -1;
}
