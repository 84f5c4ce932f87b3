/* py_error.c - cr_err to Python exceptions, and Python exceptions through the engine and back. */
#include <string.h>
#include "binding.h"

static PyObject *format_error, *limit_error;
/* Exceptions on their way through the engine: token -> exception. The token travels in cr_err.line beside a file that is ours. */
static PyObject *travelling;
static int last_token;
static const char python_file[] = "python";

static const struct {
    const char *name;
    PyObject **type;
} exception_types[] = {
    {"ValueError", &PyExc_ValueError}, {"TypeError", &PyExc_TypeError}, {"IndexError", &PyExc_IndexError},
    {"KeyError", &PyExc_KeyError}, {"FileNotFoundError", &PyExc_FileNotFoundError},
    {"FileExistsError", &PyExc_FileExistsError}, {"RuntimeError", &PyExc_RuntimeError},
    {"PermissionError", &PyExc_PermissionError}, {"craton.FormatError", &format_error},
    {"NotImplementedError", &PyExc_NotImplementedError}, {"craton.LimitError", &limit_error},
    {"MemoryError", &PyExc_MemoryError}, {"OSError", &PyExc_OSError}, {"BlockingIOError", &PyExc_BlockingIOError},
    {"TimeoutError", &PyExc_TimeoutError}, {"KeyboardInterrupt", &PyExc_KeyboardInterrupt},
};

int error_init(PyObject *module) {
    format_error = PyErr_NewExceptionWithDoc("craton.FormatError", "A file is damaged or not understood.", PyExc_ValueError, NULL);
    limit_error = PyErr_NewExceptionWithDoc("craton.LimitError", "A size limit is exceeded.", PyExc_ValueError, NULL);
    travelling = PyDict_New();
    if (!format_error || !limit_error || !travelling)
        return -1;
    if (PyModule_AddObjectRef(module, "FormatError", format_error) < 0)
        return -1;
    return PyModule_AddObjectRef(module, "LimitError", limit_error);
}

static PyObject *exception_for(cr_status s) {
    const char *name = cr_status_python(s);
    for (size_t i = 0; i < sizeof exception_types / sizeof *exception_types; i++)
        if (strcmp(name, exception_types[i].name) == 0)
            return *exception_types[i].type;
    return PyExc_RuntimeError;
}

/* Raises the exception that error_from_python stored under token; false when it is gone. */
static bool raise_travelling(int token) {
    PyObject *key = PyLong_FromLong(token), *value = NULL;
    if (key) {
        value = PyDict_GetItemWithError(travelling, key);
        Py_XINCREF(value);
        if (value)
            (void)PyDict_DelItem(travelling, key);
        Py_DECREF(key);
    }
    PyErr_Clear();
    if (!value)
        return false;
    PyErr_SetObject((PyObject *)Py_TYPE(value), value);
    Py_DECREF(value);
    return true;
}

PyObject *raise_error(cr_status s, const cr_err *err) {
    if (err->file == python_file && raise_travelling(err->line))
        return NULL;
    PyObject *type = exception_for(s);
    const char *message = err->message[0] ? err->message : cr_status_sentence(s);
    /* The text of a KeyError is shown quoted, on one line. */
    const char *gap = !err->hint[0] ? "" : type == PyExc_KeyError ? "; " : "\n";
    PyObject *text = PyUnicode_FromFormat("%s%s%s", message, gap, err->hint);
    if (text) {
        PyErr_SetObject(type, text);
        Py_DECREF(text);
    }
    return NULL;
}

cr_status error_from_python(cr_err *err) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    cr_status s = type && PyErr_GivenExceptionMatches(type, PyExc_KeyboardInterrupt) ? CR_CANCELLED : CR_INVALID;
    if (value && traceback)
        (void)PyException_SetTraceback(value, traceback);
    last_token = last_token == 0x7fffffff ? 1 : last_token + 1;
    PyObject *key = PyLong_FromLong(last_token), *text = value ? PyObject_Str(value) : NULL;
    /* What nobody fetched (the engine reports the first of several errors) must not pile up. */
    if (PyDict_Size(travelling) > 64)
        PyDict_Clear(travelling);
    if (key && value)
        (void)PyDict_SetItem(travelling, key, value);
    const char *utf8 = text ? PyUnicode_AsUTF8AndSize(text, NULL) : NULL;
    (void)cr_err_set(err, s, python_file, last_token, "a Python function failed: %s", utf8 ? utf8 : "(no text)");
    PyErr_Clear();
    Py_XDECREF(key);
    Py_XDECREF(text);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return s;
}
