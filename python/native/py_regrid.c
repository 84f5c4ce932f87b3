/* py_regrid.c - Weights: regridding weights between two grids; made, read, written, taken apart and applied.
 *
 * A grid comes as a tuple (shape, lat, lon, lat_bounds, lon_bounds, n_corners, mask): buffers of doubles (mask: of bytes), None where there is
 * none. n_corners -1: rectilinear, with ny and nx centres and ny + 1 and nx + 1 bounds. */
#include <stdlib.h>
#include <string.h>
#include "binding.h"

typedef struct Weights {
    PyObject_HEAD
    cr_weights *weights;
} Weights;

static PyTypeObject *weights_type;

static PyObject *weights_wrap(cr_weights *weights) {
    allocfunc alloc = (allocfunc)PyType_GetSlot(weights_type, Py_tp_alloc);
    Weights *self = (Weights *)alloc(weights_type, 0);
    if (!self) {
        cr_weights_unref(weights);
        return NULL;
    }
    self->weights = weights;
    return (PyObject *)self;
}

static cr_weights *weights_of(PyObject *object) {
    if (PyObject_TypeCheck(object, weights_type))
        return ((Weights *)object)->weights;
    PyErr_SetString(PyExc_TypeError, "these are no Weights");
    return NULL;
}

static void weights_dealloc(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    cr_weights_unref(((Weights *)object)->weights);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

/* ---- grids ---- */

enum { LAT, LON, LAT_BOUNDS, LON_BOUNDS, MASK, N_PARTS };

typedef struct grid_arguments {
    int ndim, n_corners;
    int64_t shape[2];
    Py_buffer parts[N_PARTS];
} grid_arguments;

static void grid_release(grid_arguments *g) {
    for (int i = 0; i < N_PARTS; i++)
        if (g->parts[i].obj)
            PyBuffer_Release(&g->parts[i]);
}

/* A shape of one or two axes with room for every product here. */
static int take_shape(PyObject *object, int64_t *shape, int *ret_ndim) {
    int64_t own[CR_MAX_DIMS];
    if (args_int64s(object, "shape", own, ret_ndim) < 0)
        return -1;
    if (*ret_ndim < 1 || *ret_ndim > 2) {
        PyErr_SetString(PyExc_ValueError, "a grid has one or two axes");
        return -1;
    }
    for (int i = 0; i < *ret_ndim; i++) {
        if (own[i] < 1 || own[i] > INT32_MAX) {
            PyErr_SetString(PyExc_ValueError, "a grid without cells, or of too many");
            return -1;
        }
        shape[i] = own[i];
    }
    return 0;
}

static int take_grid(PyObject *tuple, grid_arguments *g) {
    PyObject *shape, *parts[N_PARTS];
    memset(g, 0, sizeof *g);
    if (!PyTuple_Check(tuple)) {
        PyErr_SetString(PyExc_TypeError, "a grid is a tuple");
        return -1;
    }
    if (!PyArg_ParseTuple(tuple, "OOOOOiO:grid", &shape, &parts[LAT], &parts[LON], &parts[LAT_BOUNDS], &parts[LON_BOUNDS], &g->n_corners,
                          &parts[MASK]) ||
        take_shape(shape, g->shape, &g->ndim) < 0)
        return -1;
    bool rectilinear = g->n_corners == -1;
    if ((rectilinear && g->ndim != 2) || g->n_corners < -1 || g->n_corners > CR_GRID_CORNERS_MOST) {
        PyErr_SetString(PyExc_ValueError, "a grid of that many corners is not possible");
        return -1;
    }
    int64_t n = g->shape[0] * (g->ndim == 2 ? g->shape[1] : 1);
    int64_t sizes[N_PARTS] = {n, n, n * g->n_corners, n * g->n_corners, n};
    if (rectilinear) {
        sizes[LAT] = g->shape[0];
        sizes[LON] = g->shape[1];
        sizes[LAT_BOUNDS] = g->shape[0] + 1;
        sizes[LON_BOUNDS] = g->shape[1] + 1;
    }
    static const char *const names[] = {"lat", "lon", "lat_bounds", "lon_bounds", "mask"};
    for (int i = 0; i < N_PARTS; i++)
        if (parts[i] != Py_None && args_bytes(parts[i], names[i], (Py_ssize_t)(sizes[i] * (i == MASK ? 1 : 8)), &g->parts[i]) < 0) {
            g->parts[i].obj = NULL;
            return -1;
        }
    if (!g->parts[LAT].buf || !g->parts[LON].buf) {
        PyErr_SetString(PyExc_TypeError, "a grid needs lat and lon");
        return -1;
    }
    return 0;
}

static cr_status grid_make(cr_context *c, const grid_arguments *g, const char *which, cr_grid **ret_grid, cr_err *err) {
    cr_status status;
    if (g->n_corners == -1)
        status = cr_grid_rectilinear(g->shape[0], g->parts[LAT].buf, g->parts[LAT_BOUNDS].buf, g->shape[1], g->parts[LON].buf,
                                     g->parts[LON_BOUNDS].buf, g->parts[MASK].buf, ret_grid, err);
    else
        status = cr_grid_curvilinear(c, g->ndim, g->shape, g->parts[LAT].buf, g->parts[LON].buf, g->n_corners, g->parts[LAT_BOUNDS].buf,
                                     g->parts[LON_BOUNDS].buf, g->parts[MASK].buf, ret_grid, err);
    if (status != CR_OK)
        cr_err_context(err, "the %s grid", which);
    return status;
}

/* ---- making, reading, writing ---- */

typedef struct make_job {
    grid_arguments from, to;
    cr_weights_options options;
    cr_weights *made;
} make_job;

static cr_status run_make(void *data, cr_context *c, cr_err *err) {
    make_job *job = data;
    cr_grid *from = NULL, *to = NULL;
    cr_status status = grid_make(c, &job->from, "source", &from, err);
    if (status == CR_OK)
        status = grid_make(c, &job->to, "target", &to, err);
    if (status == CR_OK)
        status = cr_weights_make(c, from, to, &job->options, &job->made, err);
    cr_grid_unref(from);
    cr_grid_unref(to);
    return status;
}

static PyObject *finished(PyObject *ran, cr_weights *made) {
    if (!ran) {
        cr_weights_unref(made);
        return NULL;
    }
    Py_DECREF(ran);
    return weights_wrap(made);
}

static PyObject *regrid_make(PyObject *module, PyObject *args) {
    PyObject *context, *from, *to, *ran = NULL;
    const char *method;
    int dstarea, no_poles;
    if (!PyArg_ParseTuple(args, "O!OOspp:make_weights", context_type, &context, &from, &to, &method, &dstarea, &no_poles))
        return NULL;
    make_job job = {.options = {.norm = dstarea ? CR_REGRID_DSTAREA : CR_REGRID_FRACAREA, .no_poles = no_poles}};
    cr_err err = CR_ERR_INIT;
    cr_status status = cr_regrid_method_find(method, &job.options.method, &err);
    if (status != CR_OK)
        return raise_error(status, &err);
    if (take_grid(from, &job.from) == 0 && take_grid(to, &job.to) == 0)
        ran = context_run((Context *)context, run_make, &job, Py_None);
    grid_release(&job.from);
    grid_release(&job.to);
    return finished(ran, job.made);
}

static PyObject *regrid_triplets(PyObject *module, PyObject *args) {
    PyObject *src, *dst, *objects[3];
    int64_t src_shape[2], dst_shape[2];
    int src_ndim, dst_ndim, n_views = 0;
    Py_ssize_t n;
    if (!PyArg_ParseTuple(args, "OOnOOO:weights", &src, &dst, &n, &objects[0], &objects[1], &objects[2]) ||
        take_shape(src, src_shape, &src_ndim) < 0 || take_shape(dst, dst_shape, &dst_ndim) < 0)
        return NULL;
    if (n < 0 || n > PY_SSIZE_T_MAX / 8) {
        PyErr_SetString(PyExc_ValueError, "that many weights are not possible");
        return NULL;
    }
    Py_buffer views[3];
    cr_weights *made = NULL;
    cr_err err = CR_ERR_INIT;
    cr_status status = CR_OK;
    while (n_views < 3 && args_bytes(objects[n_views], "weights", n * 8, &views[n_views]) == 0)
        n_views++;
    if (n_views == 3) {
        Py_BEGIN_ALLOW_THREADS
        status = cr_weights_from_triplets(src_ndim, src_shape, dst_ndim, dst_shape, n, views[0].buf, views[1].buf, views[2].buf, &made, &err);
        Py_END_ALLOW_THREADS
    }
    for (int i = 0; i < n_views; i++)
        PyBuffer_Release(&views[i]);
    if (n_views < 3)
        return NULL;
    return status == CR_OK ? weights_wrap(made) : raise_error(status, &err);
}

typedef struct file_job {
    const char *path;
    int src_ndim, dst_ndim;
    int64_t src_shape[2], dst_shape[2];
    bool overwrite;
    cr_weights *weights;
} file_job;

static cr_status run_read(void *data, cr_context *c, cr_err *err) {
    file_job *job = data;
    return cr_weights_read(c, job->path, job->src_ndim, job->src_shape, job->dst_ndim, job->dst_shape, &job->weights, err);
}

static PyObject *regrid_read(PyObject *module, PyObject *args) {
    PyObject *context, *src, *dst;
    file_job job = {0};
    if (!PyArg_ParseTuple(args, "O!sOO:read_weights", context_type, &context, &job.path, &src, &dst) ||
        (src != Py_None && take_shape(src, job.src_shape, &job.src_ndim) < 0) ||
        (dst != Py_None && take_shape(dst, job.dst_shape, &job.dst_ndim) < 0))
        return NULL;
    PyObject *ran = context_run((Context *)context, run_read, &job, Py_None);
    return finished(ran, job.weights);
}

static cr_status run_write(void *data, cr_context *c, cr_err *err) {
    file_job *job = data;
    return cr_weights_write(c, job->weights, job->path, job->overwrite, err);
}

static PyObject *weights_write(PyObject *self, PyObject *args) {
    PyObject *context;
    int overwrite;
    file_job job = {.weights = ((Weights *)self)->weights};
    if (!PyArg_ParseTuple(args, "O!sp:write", context_type, &context, &job.path, &overwrite))
        return NULL;
    job.overwrite = overwrite;
    return context_run((Context *)context, run_write, &job, Py_None);
}

/* ---- looking and applying ---- */

static PyObject *weights_source(PyObject *self, void *closure) {
    int64_t shape[2];
    int ndim = cr_weights_source(((Weights *)self)->weights, shape);
    return args_tuple(shape, ndim);
}

static PyObject *weights_target(PyObject *self, void *closure) {
    int64_t shape[2];
    int ndim = cr_weights_target(((Weights *)self)->weights, shape);
    return args_tuple(shape, ndim);
}

/* Row, column and weight as bytes, to be looked at as int64, int64 and double. */
static PyObject *weights_triplets(PyObject *self, PyObject *nothing) {
    const cr_weights *w = ((Weights *)self)->weights;
    Py_ssize_t bytes = (Py_ssize_t)cr_weights_count(w) * 8;
    PyObject *parts[3];
    for (int i = 0; i < 3; i++)
        parts[i] = PyBytes_FromStringAndSize(NULL, bytes);
    if (parts[0] && parts[1] && parts[2])
        cr_weights_triplets(w, (void *)PyBytes_AsString(parts[0]), (void *)PyBytes_AsString(parts[1]), (void *)PyBytes_AsString(parts[2]));
    return Py_BuildValue("(NNN)", parts[0], parts[1], parts[2]);
}

static PyObject *regrid_apply(PyObject *module, PyObject *args) {
    PyObject *node, *weights;
    cr_regrid_options options;
    int skipna;
    if (!PyArg_ParseTuple(args, "OOpd:regrid", &node, &weights, &skipna, &options.na_thres))
        return NULL;
    cr_array *a = node_array(node), *made = NULL;
    cr_weights *w = a ? weights_of(weights) : NULL;
    if (!w)
        return NULL;
    options.skipna = skipna;
    cr_err err = CR_ERR_INIT;
    cr_status status = cr_array_regrid(a, w, &options, &made, &err);
    return status == CR_OK ? node_wrap(made) : raise_error(status, &err);
}

static PyMethodDef weights_methods[] = {
    {"triplets", weights_triplets, METH_NOARGS, "triplets(): bytes of row, column (int64, from 0) and weight (double)"},
    {"write", weights_write, METH_VARARGS, "write(context, path, overwrite): in ESMF's form"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef weights_attributes[] = {
    {"source_shape", weights_source, NULL, "shape of the source grid", NULL},
    {"target_shape", weights_target, NULL, "shape of the target grid", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot weights_slots[] = {
    {Py_tp_doc, "Regridding weights between two grids."},
    {Py_tp_dealloc, weights_dealloc},
    {Py_tp_methods, weights_methods},
    {Py_tp_getset, weights_attributes},
    {0, NULL},
};

static PyType_Spec weights_spec = {
    .name = "craton._craton.Weights",
    .basicsize = sizeof(Weights),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = weights_slots,
};

static PyMethodDef regrid_functions[] = {
    {"make_weights", regrid_make, METH_VARARGS, "make_weights(context, source, target, method, dstarea, no_poles)"},
    {"weights", regrid_triplets, METH_VARARGS, "weights(source_shape, target_shape, n, row, col, weight)"},
    {"read_weights", regrid_read, METH_VARARGS, "read_weights(context, path, source_shape, target_shape): None where the file says it"},
    {"regrid", regrid_apply, METH_VARARGS, "regrid(node, weights, skipna, na_thres)"},
    {NULL, NULL, 0, NULL},
};

int regrid_init(PyObject *module) {
    weights_type = binding_add_type(module, &weights_spec);
    return weights_type && PyModule_AddFunctions(module, regrid_functions) == 0 ? 0 : -1;
}
