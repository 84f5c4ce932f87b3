/* binding.h - what the files of the extension module craton._craton share.
 *
 * The module is a thin, typed door to include/craton: every function checks its Python arguments, calls one function of
 * libcraton and turns the answer back. What an operation means to NumPy or xarray is decided in python/craton/.
 * Only the stable ABI of CPython 3.11 is used, so that one build serves every later version.
 *
 * Invariants
 *  1. A Node owns one reference of its cr_array; a File and a Writer own theirs; a Context outlives its computations.
 *  2. Work of unknown length runs with the GIL released; code that the engine calls back takes it for itself.
 *  3. A failed call leaves a Python exception set and nothing allocated.
 *  4. The module has one state per process (single-phase initialisation): subinterpreters are refused by CPython.
 */
#ifndef CRATON_PYTHON_BINDING_H
#define CRATON_PYTHON_BINDING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

#include "craton/craton.h"

/* ---- module state (py_module.c) --------------------------------------------------------------------------------- */

extern PyTypeObject *node_type, *context_type, *file_type, *writer_type;
/* Adds a heap type made from spec to the module; NULL with an exception on failure. */
PyTypeObject *binding_add_type(PyObject *module, PyType_Spec *spec);

int node_init(PyObject *module);      /* each: 0, or -1 with an exception */
int context_init(PyObject *module);
int file_init(PyObject *module);
int writer_init(PyObject *module);
int regrid_init(PyObject *module);
int error_init(PyObject *module);

/* ---- errors (py_error.c) ---------------------------------------------------------------------------------------- */

/* Raises what the table in craton/error.h says for s, with message and hint of err; a Python exception that travelled through
 * the engine is raised again as it was. Returns NULL. */
PyObject *raise_error(cr_status s, const cr_err *err);
/* Moves the current Python exception into err and returns the status that a callback then gives to the engine. GIL held. */
cr_status error_from_python(cr_err *err);

/* ---- arguments (py_args.c) -------------------------------------------------------------------------------------- */

/* A sequence of at most CR_MAX_DIMS integers. 0, or -1 with an exception that names what. */
int args_int64s(PyObject *sequence, const char *what, int64_t *ret_values, int *ret_n);
int args_ints(PyObject *sequence, const char *what, int *ret_values, int *ret_n);
/* "<f4", "|V12", ... Opaque items (S, U and V) become CR_BYTES with their width. */
int args_dtype(const char *code, cr_dtype *ret_dtype, size_t *ret_itemsize);
PyObject *args_dtype_code(cr_dtype dtype, size_t itemsize);
PyObject *args_tuple(const int64_t *values, int64_t n);
/* values is a Python buffer of exactly n_bytes; released with PyBuffer_Release. */
int args_bytes(PyObject *object, const char *what, Py_ssize_t n_bytes, Py_buffer *ret_view);
/* Product of a shape; -1 with an exception when it does not fit. */
int64_t args_size(const int64_t *shape, int ndim);

/* ---- nodes (py_node.c, py_build.c) ------------------------------------------------------------------------------ */

typedef struct Node {
    PyObject_HEAD
    cr_array *array;
    PyObject *recipe;         /* how to build it again, opaque here; None when not set */
} Node;

/* Takes the reference. */
PyObject *node_wrap(cr_array *array);
/* Borrowed; NULL with TypeError when object is not a Node. */
cr_array *node_array(PyObject *object);
extern PyMethodDef build_functions[];
extern PyMethodDef file_functions[];          /* py_file.c */
extern PyMethodDef serialize_functions[];     /* py_serialize.c */
extern PyMethodDef part_functions[];          /* py_part.c */

/* ---- callbacks (py_callback.c) ---------------------------------------------------------------------------------- */

extern PyMethodDef callback_functions[];
typedef struct callback_target {
    PyObject *function;       /* borrowed; called as function(start, count, bytes) for every box */
    int ndim;
    size_t itemsize;
    int64_t chunks[CR_MAX_DIMS];
} callback_target;
/* The sink borrows target, which must outlive the computation. One box at a time. */
void callback_sink(callback_target *target, cr_sink *ret_sink);
/* function(offset, memoryview) reads bytes of a file; -1 with an exception. */
int callback_reader(PyObject *function, unsigned long long size, cr_reader **ret_reader);

/* ---- running (py_run.c) ----------------------------------------------------------------------------------------- */

typedef struct Context Context;
/* Runs job(data, context, err) on a thread of its own, with the GIL released, while the calling thread answers signals and
 * reports progress (a callable or None). NULL with an exception when it failed or was interrupted, else None. */
PyObject *context_run(Context *self, cr_status (*job)(void *data, cr_context *c, cr_err *err), void *data, PyObject *progress);

#endif
