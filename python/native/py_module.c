/* py_module.c - the module craton._craton: its types, functions and exceptions. */
#include "binding.h"

PyTypeObject *node_type, *context_type, *file_type, *writer_type;

PyTypeObject *binding_add_type(PyObject *module, PyType_Spec *spec) {
    PyObject *type = PyType_FromSpec(spec);
    if (!type)
        return NULL;
    if (PyModule_AddType(module, (PyTypeObject *)type) < 0) {
        Py_DECREF(type);
        return NULL;
    }
    return (PyTypeObject *)type;
}

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "craton._craton",
    .m_doc = "The typed door to libcraton. Private: use the package craton.",
    .m_size = -1,
};

PyMODINIT_FUNC PyInit__craton(void);

PyMODINIT_FUNC PyInit__craton(void) {
    PyObject *module = PyModule_Create(&definition);
    if (!module)
        return NULL;
    if (error_init(module) < 0 || node_init(module) < 0 || context_init(module) < 0 || file_init(module) < 0 ||
        writer_init(module) < 0 || regrid_init(module) < 0 || PyModule_AddFunctions(module, build_functions) < 0 ||
        PyModule_AddFunctions(module, serialize_functions) < 0 || PyModule_AddFunctions(module, part_functions) < 0 ||
        PyModule_AddFunctions(module, callback_functions) < 0 || PyModule_AddFunctions(module, file_functions) < 0 ||
         PyModule_AddIntConstant(module, "MAX_DIMS", CR_MAX_DIMS) < 0 ||
        PyModule_AddIntConstant(module, "GRAPH_VERSION", CR_GRAPH_VERSION) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
