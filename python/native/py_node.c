/* py_node.c - Node: one lazy array of libcraton as a Python object. Immutable but for its recipe. */
#include <stdlib.h>
#include "binding.h"

PyObject *node_wrap(cr_array *array) {
    Node *self = PyObject_New(Node, node_type);
    if (!self) {
        cr_array_unref(array);
        return NULL;
    }
    self->array = array;
    self->recipe = NULL;
    return (PyObject *)self;
}

cr_array *node_array(PyObject *object) {
    if (!PyObject_TypeCheck(object, node_type)) {
        PyErr_SetString(PyExc_TypeError, "a craton._craton.Node is needed");
        return NULL;
    }
    return ((Node *)object)->array;
}

static void node_dealloc(PyObject *object) {
    Node *self = (Node *)object;
    PyTypeObject *type = Py_TYPE(object);
    cr_array_unref(self->array);
    Py_XDECREF(self->recipe);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyObject *node_get_dtype(PyObject *self, void *closure) {
    const cr_array *a = ((Node *)self)->array;
    return args_dtype_code(cr_array_dtype(a), cr_array_itemsize(a));
}

static PyObject *node_get_shape(PyObject *self, void *closure) {
    const cr_array *a = ((Node *)self)->array;
    return args_tuple(cr_array_shape(a), cr_array_ndim(a));
}

static PyObject *node_get_ndim(PyObject *self, void *closure) { return PyLong_FromLong(cr_array_ndim(((Node *)self)->array)); }

static PyObject *node_get_op(PyObject *self, void *closure) { return PyUnicode_FromString(cr_array_op(((Node *)self)->array)); }

/* Address of the array: equal for two Nodes of the same array. */
static PyObject *node_get_id(PyObject *self, void *closure) { return PyLong_FromVoidPtr(((Node *)self)->array); }

/* Each chunk of an axis has an entry, and a file of some hundred bytes can claim any number: as chunks.py has it. */
#define MOST_CHUNKS 10000000

static PyObject *axis_chunks(const cr_array *a, int axis) {
    int64_t n = cr_array_chunks(a, axis, NULL);
    if (n > MOST_CHUNKS)
        return PyErr_Format(PyExc_ValueError, "craton: axis %d has %lld chunks, and more than %d are not listed; choose larger chunks", axis, (long long)n,
                            MOST_CHUNKS);
    int64_t *sizes = PyMem_Malloc((size_t)(n > 0 ? n : 1) * sizeof *sizes);
    if (!sizes)
        return PyErr_NoMemory();
    cr_array_chunks(a, axis, sizes);
    PyObject *tuple = args_tuple(sizes, n);
    PyMem_Free(sizes);
    return tuple;
}

static PyObject *node_get_chunks(PyObject *self, void *closure) {
    const cr_array *a = ((Node *)self)->array;
    int ndim = cr_array_ndim(a);
    PyObject *tuple = PyTuple_New(ndim);
    for (int i = 0; tuple && i < ndim; i++) {
        PyObject *axis = axis_chunks(a, i);
        if (!axis || PyTuple_SetItem(tuple, i, axis) < 0) {
            Py_DECREF(tuple);
            return NULL;
        }
    }
    return tuple;
}

static PyObject *node_get_inputs(PyObject *self, void *closure) {
    const cr_array *a = ((Node *)self)->array;
    int n = cr_array_n_inputs(a);
    PyObject *tuple = PyTuple_New(n);
    for (int i = 0; tuple && i < n; i++) {
        PyObject *input = node_wrap(cr_array_ref(cr_array_input(a, i)));
        if (!input || PyTuple_SetItem(tuple, i, input) < 0) {
            Py_DECREF(tuple);
            return NULL;
        }
    }
    return tuple;
}

static PyObject *node_get_axes(PyObject *self, void *closure) {
    const cr_array *a = ((Node *)self)->array;
    int axes[CR_MAX_DIMS];
    int64_t values[CR_MAX_DIMS];
    if (!cr_array_permutation(a, axes))
        return Py_NewRef(Py_None);
    for (int i = 0; i < cr_array_ndim(a); i++)
        values[i] = axes[i];
    return args_tuple(values, cr_array_ndim(a));
}

static PyObject *node_get_recipe(PyObject *self, void *closure) {
    PyObject *recipe = ((Node *)self)->recipe;
    return Py_NewRef(recipe ? recipe : Py_None);
}

/* Set once, by the code that built the node: a recipe is a tree, never a cycle. */
static int node_set_recipe(PyObject *object, PyObject *value, void *closure) {
    Node *self = (Node *)object;
    if (!value || self->recipe) {
        PyErr_SetString(PyExc_AttributeError, "a recipe is set once");
        return -1;
    }
    self->recipe = Py_NewRef(value);
    return 0;
}

static PyGetSetDef node_getset[] = {
    {"dtype", node_get_dtype, NULL, "NumPy code of the stored elements, such as '<f4' or '|V12'", NULL},
    {"shape", node_get_shape, NULL, "extents", NULL},
    {"ndim", node_get_ndim, NULL, "number of axes", NULL},
    {"chunks", node_get_chunks, NULL, "sizes of the chunks along every axis", NULL},
    {"op", node_get_op, NULL, "name of the operation", NULL},
    {"inputs", node_get_inputs, NULL, "the nodes it is made from", NULL},
    {"axes", node_get_axes, NULL, "of its input, when it is a permute; else None", NULL},
    {"id", node_get_id, NULL, "equal for the same array", NULL},
    {"recipe", node_get_recipe, node_set_recipe, "how to build it again", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot node_slots[] = {
    {Py_tp_doc, "One lazy array of libcraton."},
    {Py_tp_dealloc, node_dealloc},
    {Py_tp_getset, node_getset},
    {0, NULL},
};

static PyType_Spec node_spec = {
    .name = "craton._craton.Node",
    .basicsize = sizeof(Node),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = node_slots,
};

int node_init(PyObject *module) {
    node_type = binding_add_type(module, &node_spec);
    return node_type ? 0 : -1;
}
