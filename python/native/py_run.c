/* py_run.c - Context: running computations so that Python stays alive around them.
 *
 * The engine works on a thread of its own; the thread that called waits without the GIL and wakes twenty times a second to
 * answer signals (Ctrl-C cancels, and is raised when the engine has stopped) and to report progress. Computations of one
 * context run one after the other. What is over within a moment (a coordinate, while a file is opened) is done by the thread
 * that called, if the context is free: to start a thread would take longer. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include "binding.h"

struct Context {
    PyObject_HEAD
    cr_context *context;
    pthread_mutex_t mutex;    /* busy, and the fields of the jobs that wait for it */
    pthread_cond_t changed;
    bool busy;
};

typedef struct job {
    Context *context;
    cr_status (*function)(void *data, cr_context *c, cr_err *err);
    void *data;
    cr_err err;
    cr_status status;
    bool started, finished, abandoned;
    bool has_progress;
    double done, total;       /* progress, valid when has_progress */
    int phase, n_phases;
} job;

static void job_progress(void *user, double done, double total, int phase, int n_phases) {
    job *self = user;
    pthread_mutex_lock(&self->context->mutex);
    self->has_progress = true;
    self->done = done;
    self->total = total;
    self->phase = phase;
    self->n_phases = n_phases;
    pthread_mutex_unlock(&self->context->mutex);
}

static void *job_main(void *argument) {
    job *self = argument;
    Context *context = self->context;
    pthread_mutex_lock(&context->mutex);
    while (context->busy && !self->abandoned)
        pthread_cond_wait(&context->changed, &context->mutex);
    bool run = !self->abandoned;
    if (run)
        context->busy = self->started = true;
    pthread_mutex_unlock(&context->mutex);

    cr_status status = CR_CANCELLED;
    if (run) {
        cr_context_set_progress(context->context, job_progress, self);
        status = self->function(self->data, context->context, &self->err);
        cr_context_set_progress(context->context, NULL, NULL);
    }
    pthread_mutex_lock(&context->mutex);
    if (run)
        context->busy = false;
    self->status = status;
    self->finished = true;
    pthread_cond_broadcast(&context->changed);
    pthread_mutex_unlock(&context->mutex);
    return NULL;
}

/* Waits up to 50 ms for the end; called without the GIL. */
static bool wait_a_little(job *self) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 50 * 1000 * 1000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&self->context->mutex);
    int status = 0;
    while (!self->finished && status != ETIMEDOUT)
        status = pthread_cond_timedwait(&self->context->changed, &self->context->mutex, &until);
    bool finished = self->finished;
    pthread_mutex_unlock(&self->context->mutex);
    return finished;
}

/* Cancels under the lock: when this job has ended in the meantime, it would be the next one that is cancelled. */
static void stop(job *self) {
    pthread_mutex_lock(&self->context->mutex);
    self->abandoned = true;
    if (self->started && !self->finished)
        cr_context_cancel(self->context->context);
    pthread_cond_broadcast(&self->context->changed);
    pthread_mutex_unlock(&self->context->mutex);
}

/* Calls progress(done, total, phase, n_phases) when there is news. -1 with an exception. */
static int report(job *self, PyObject *progress) {
    if (progress == Py_None)
        return 0;
    pthread_mutex_lock(&self->context->mutex);
    bool news = self->has_progress;
    double done = self->done, total = self->total;
    int phase = self->phase, n_phases = self->n_phases;
    self->has_progress = false;
    pthread_mutex_unlock(&self->context->mutex);
    if (!news)
        return 0;
    PyObject *result = PyObject_CallFunction(progress, "ddii", done, total, phase, n_phases);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

PyObject *context_run(Context *self, cr_status (*function)(void *data, cr_context *c, cr_err *err), void *data, PyObject *progress) {
    job work = {.context = self, .function = function, .data = data, .err = CR_ERR_INIT};
    PyObject *type = NULL, *value = NULL, *traceback = NULL;
    pthread_t thread;
    int failed = pthread_create(&thread, NULL, job_main, &work);
    if (failed) {
        errno = failed;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    bool finished = false;
    while (!finished) {
        Py_BEGIN_ALLOW_THREADS
        finished = wait_a_little(&work);
        Py_END_ALLOW_THREADS
        if (!type && (PyErr_CheckSignals() < 0 || report(&work, progress) < 0)) {
            PyErr_Fetch(&type, &value, &traceback);
            stop(&work);
        } else if (type && !finished) {
            stop(&work);                          /* again: it may have started between the request and now */
        }
    }
    pthread_join(thread, NULL);
    if (type) {
        PyErr_Restore(type, value, traceback);
        return NULL;
    }
    return work.status == CR_OK ? Py_NewRef(Py_None) : raise_error(work.status, &work.err);
}

/* On this thread, unless the context is busy: then *ret_done is false. Signals are answered afterwards. */
static PyObject *context_run_here(Context *self, cr_status (*function)(void *data, cr_context *c, cr_err *err), void *data, bool *ret_done) {
    cr_err err = CR_ERR_INIT;
    cr_status status = CR_OK;
    Py_BEGIN_ALLOW_THREADS
    pthread_mutex_lock(&self->mutex);
    *ret_done = !self->busy;
    self->busy = true;
    pthread_mutex_unlock(&self->mutex);
    if (*ret_done) {
        status = function(data, self->context, &err);
        pthread_mutex_lock(&self->mutex);
        self->busy = false;
        pthread_cond_broadcast(&self->changed);
        pthread_mutex_unlock(&self->mutex);
    }
    Py_END_ALLOW_THREADS
    if (*ret_done && PyErr_CheckSignals() < 0)
        return NULL;
    return status == CR_OK ? Py_NewRef(Py_None) : raise_error(status, &err);
}

/* ---- the type --------------------------------------------------------------------------------------------------- */

static PyObject *context_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *keywords[] = {"threads", "memory_limit", "simd_level", "keep", NULL};
    int threads = 0, simd_level = -1;
    unsigned long long memory_limit = 0, keep = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|iKiK:Context", keywords, &threads, &memory_limit, &simd_level, &keep))
        return NULL;
    cr_context_options options = {.threads = threads, .memory_limit_bytes = memory_limit, .simd_level = simd_level, .keep_bytes = keep};
    cr_context *context = NULL;
    cr_err err = CR_ERR_INIT;
    cr_status status;
    Py_BEGIN_ALLOW_THREADS
    status = cr_context_new(&options, &context, &err);
    Py_END_ALLOW_THREADS
    if (status != CR_OK)
        return raise_error(status, &err);
    Context *self = PyObject_New(Context, type);
    if (!self) {
        cr_context_free(context);
        return NULL;
    }
    self->context = context;
    self->busy = false;
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->changed, NULL);
    return (PyObject *)self;
}

static void context_dealloc(PyObject *object) {
    Context *self = (Context *)object;
    PyTypeObject *type = Py_TYPE(object);
    Py_BEGIN_ALLOW_THREADS
    cr_context_free(self->context);
    Py_END_ALLOW_THREADS
    pthread_mutex_destroy(&self->mutex);
    pthread_cond_destroy(&self->changed);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

typedef struct compute_job {
    int n;
    cr_array **arrays;
    void **out;
    cr_sink *sinks;
} compute_job;

static cr_status run_compute(void *data, cr_context *c, cr_err *err) {
    compute_job *work = data;
    return cr_compute(c, work->n, work->arrays, work->out, err);
}

static cr_status run_compute_to(void *data, cr_context *c, cr_err *err) {
    compute_job *work = data;
    return cr_compute_to(c, work->n, work->arrays, work->sinks, err);
}

/* The arrays of n Nodes, each with a reference of its own, so that another thread may drop the Nodes meanwhile. */
static int hold_arrays(PyObject *nodes, Py_ssize_t n, cr_array **arrays) {
    for (Py_ssize_t i = 0; i < n; i++) {
        cr_array *a = node_array(PyTuple_GetItem(nodes, i));
        if (!a)
            return -1;
        arrays[i] = cr_array_ref(a);
    }
    return 0;
}

static void drop_arrays(cr_array **arrays, Py_ssize_t n) {
    for (Py_ssize_t i = 0; arrays && i < n; i++)
        cr_array_unref(arrays[i]);
    PyMem_Free(arrays);
}

/* compute(nodes, buffers, progress=None, short=False): each buffer is writable memory for the whole result. short: it takes a moment, and calls
 * nothing back; do it here. */
static PyObject *context_compute(PyObject *object, PyObject *args) {
    PyObject *nodes, *buffers, *progress = Py_None, *result = NULL;
    int is_short = 0;
    if (!PyArg_ParseTuple(args, "O!O!|Op:compute", &PyTuple_Type, &nodes, &PyTuple_Type, &buffers, &progress, &is_short))
        return NULL;
    Py_ssize_t n = PyTuple_Size(nodes), n_views = 0;
    if (n != PyTuple_Size(buffers) || n > INT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "one buffer per node is needed");
        return NULL;
    }
    cr_array **arrays = PyMem_Calloc((size_t)(n + 1), sizeof *arrays);
    void **out = PyMem_Calloc((size_t)(n + 1), sizeof *out);
    Py_buffer *views = PyMem_Calloc((size_t)(n + 1), sizeof *views);
    if (!arrays || !out || !views) {
        PyErr_NoMemory();
        goto done;
    }
    if (hold_arrays(nodes, n, arrays) < 0)
        goto done;
    for (; n_views < n; n_views++) {
        Py_buffer *view = &views[n_views];
        if (PyObject_GetBuffer(PyTuple_GetItem(buffers, n_views), view, PyBUF_CONTIG) < 0)
            goto done;
        if ((uint64_t)view->len != (uint64_t)cr_array_size(arrays[n_views]) * cr_array_itemsize(arrays[n_views])) {
            PyErr_Format(PyExc_ValueError, "buffer %zd has %zd bytes, which is not the size of the result", n_views, view->len);
            PyBuffer_Release(view);
            goto done;
        }
        out[n_views] = view->buf;
    }
    compute_job work = {.n = (int)n, .arrays = arrays, .out = out};
    bool did = false;
    if (is_short)
        result = context_run_here((Context *)object, run_compute, &work, &did);
    if (!did) {
        Py_XDECREF(result);
        result = context_run((Context *)object, run_compute, &work, progress);
    }
done:
    for (Py_ssize_t i = 0; i < n_views; i++)
        PyBuffer_Release(&views[i]);
    PyMem_Free(views);
    PyMem_Free(out);
    drop_arrays(arrays, n);
    return result;
}

/* compute_to(nodes, functions, chunks, progress=None): functions[i](start, count, bytes) gets every box of grid chunks[i]. */
static PyObject *context_compute_to(PyObject *object, PyObject *args) {
    PyObject *nodes, *functions, *chunks, *progress = Py_None, *result = NULL;
    if (!PyArg_ParseTuple(args, "O!O!O!|O:compute_to", &PyTuple_Type, &nodes, &PyTuple_Type, &functions, &PyTuple_Type, &chunks, &progress))
        return NULL;
    Py_ssize_t n = PyTuple_Size(nodes);
    if (n != PyTuple_Size(functions) || n != PyTuple_Size(chunks) || n > INT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "one function and one grid per node are needed");
        return NULL;
    }
    cr_array **arrays = PyMem_Calloc((size_t)(n + 1), sizeof *arrays);
    callback_target *targets = PyMem_Calloc((size_t)(n + 1), sizeof *targets);
    cr_sink *sinks = PyMem_Calloc((size_t)(n + 1), sizeof *sinks);
    if (!arrays || !targets || !sinks) {
        PyErr_NoMemory();
        goto done;
    }
    if (hold_arrays(nodes, n, arrays) < 0)
        goto done;
    for (Py_ssize_t i = 0; i < n; i++) {
        int n_chunks;
        targets[i] = (callback_target){.function = PyTuple_GetItem(functions, i), .ndim = cr_array_ndim(arrays[i]),
                                       .itemsize = cr_array_itemsize(arrays[i])};
        if (args_int64s(PyTuple_GetItem(chunks, i), "chunks", targets[i].chunks, &n_chunks) < 0)
            goto done;
        if (n_chunks != targets[i].ndim) {
            PyErr_Format(PyExc_ValueError, "chunks has %d entries for %d dimensions", n_chunks, targets[i].ndim);
            goto done;
        }
        callback_sink(&targets[i], &sinks[i]);
    }
    compute_job work = {.n = (int)n, .arrays = arrays, .sinks = sinks};
    result = context_run((Context *)object, run_compute_to, &work, progress);
done:
    PyMem_Free(sinks);
    PyMem_Free(targets);
    drop_arrays(arrays, n);
    return result;
}

static PyObject *context_explain(PyObject *object, PyObject *nodes) {
    if (!PyTuple_Check(nodes)) {
        PyErr_SetString(PyExc_TypeError, "a tuple of nodes is needed");
        return NULL;
    }
    Py_ssize_t n = PyTuple_Size(nodes);
    cr_array **arrays = PyMem_Calloc((size_t)(n + 1), sizeof *arrays);
    if (!arrays)
        return PyErr_NoMemory();
    PyObject *result = NULL;
    if (hold_arrays(nodes, n, arrays) == 0) {
        cr_err err = CR_ERR_INIT;
        char *text = NULL;
        cr_status status;
        cr_context *context = ((Context *)object)->context;
        Py_BEGIN_ALLOW_THREADS                             /* it may read where chunks lie, and wait for who does */
        status = cr_explain(context, (int)n, arrays, &text, &err);
        Py_END_ALLOW_THREADS
        result = status == CR_OK ? PyUnicode_FromString(text) : raise_error(status, &err);
        cr_free(text);
    }
    drop_arrays(arrays, n);
    return result;
}

static PyObject *context_cancel(PyObject *object, PyObject *unused) {
    cr_context_cancel(((Context *)object)->context);
    return Py_NewRef(Py_None);
}

static PyObject *context_get_threads(PyObject *self, void *closure) {
    return PyLong_FromLong(cr_context_threads(((Context *)self)->context));
}

static PyObject *context_get_memory_limit(PyObject *self, void *closure) {
    return PyLong_FromUnsignedLongLong(cr_context_memory_limit(((Context *)self)->context));
}

static PyObject *context_get_peak_bytes(PyObject *self, void *closure) {
    return PyLong_FromUnsignedLongLong(cr_context_peak_bytes(((Context *)self)->context));
}

static PyMethodDef context_methods[] = {
    {"compute", context_compute, METH_VARARGS, "compute(nodes, buffers, progress=None, short=False)"},
    {"compute_to", context_compute_to, METH_VARARGS, "compute_to(nodes, functions, chunks, progress=None)"},
    {"explain", context_explain, METH_O, "explain(nodes): what a computation would do, as text"},
    {"cancel", context_cancel, METH_NOARGS, "cancel(): stops the running computation"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef context_getset[] = {
    {"threads", context_get_threads, NULL, "worker threads", NULL},
    {"memory_limit", context_get_memory_limit, NULL, "bytes that a computation may hold beyond its results", NULL},
    {"peak_bytes", context_get_peak_bytes, NULL, "bytes that the last computation held beyond its results", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot context_slots[] = {
    {Py_tp_doc, "Context(threads=0, memory_limit=0, simd_level=-1): worker threads and a memory budget."},
    {Py_tp_new, context_new},
    {Py_tp_dealloc, context_dealloc},
    {Py_tp_methods, context_methods},
    {Py_tp_getset, context_getset},
    {0, NULL},
};

static PyType_Spec context_spec = {
    .name = "craton._craton.Context",
    .basicsize = sizeof(Context),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = context_slots,
};

int context_init(PyObject *module) {
    context_type = binding_add_type(module, &context_spec);
    return context_type ? 0 : -1;
}
