/* env_names.c - the table of kept names. */
#include "platform/runner/env_names.h"

#include <strings.h>
#include "base/text.h"

enum { NOBODY = 0, OPERATOR = CR_ENV_OPERATOR, PERSON = CR_ENV_PERSON };

/* A whole name, or with '*' everything that begins so; who may set it all the same. Of two rows that fit, both must allow it. */
static const struct {
    const char *name;
    int free_to;
} table[] = {
    /* who it is, and where programs are looked for */
    {"PATH", NOBODY}, {"HOME", NOBODY}, {"USER", NOBODY}, {"LOGNAME", NOBODY}, {"SHELL", NOBODY}, {"VIRTUAL_ENV", NOBODY},
    {"CONDA_PREFIX", NOBODY},
    /* where the loader, the C library and shells take code from */
    {"LD_*", NOBODY}, {"GCONV_*", NOBODY}, {"LOCPATH", NOBODY}, {"GLIBC_TUNABLES", NOBODY}, {"BASH_ENV", NOBODY}, {"BASH_FUNC_*", NOBODY},
    {"ENV", NOBODY}, {"IFS", NOBODY},
    /* read once, at the start of an interpreter: a lab is forked from one that runs already, and would follow by half */
    {"PYTHON*", PERSON}, {"LANG", PERSON}, {"LC_ALL", PERSON},
    /* where Python takes code from */
    {"PYTHONPATH", NOBODY}, {"PYTHONHOME", NOBODY}, {"PYTHONSTARTUP", NOBODY}, {"PYTHONUSERBASE", NOBODY}, {"PYTHONEXECUTABLE", NOBODY},
    {"PYTHONPLATLIBDIR", NOBODY}, {"PYTHONINSPECT", NOBODY}, {"PYTHONBREAKPOINT", NOBODY}, {"PYTHONPYCACHEPREFIX", NOBODY},
    /* what the platform says: to the lab, to a cluster, of the limits */
    {"CRATON_*", NOBODY}, {"JUPYTERHUB_*", NOBODY}, {"JPY_*", NOBODY}, {"JUPYTER_RUNTIME_DIR", NOBODY}, {"DASK_GATEWAY_*", NOBODY},
    {"DASK_GATEWAY", NOBODY}, {"DASK_DISTRIBUTED", NOBODY}, {"DASK_DISTRIBUTED__COMM", NOBODY},      /* the whole of it, as a dictionary */
    {"DASK_DISTRIBUTED__COMM__*", NOBODY}, {"DASK_TEMPORARY_DIRECTORY", NOBODY}, {"MEM_LIMIT", NOBODY}, {"MEM_GUARANTEE", NOBODY},
    {"CPU_LIMIT", NOBODY}, {"CPU_GUARANTEE", NOBODY},
    /* folders of a person's lab; a cluster has no lab */
    {"JUPYTER_PATH", PERSON}, {"JUPYTER_CONFIG_DIR", PERSON}, {"JUPYTER_CONFIG_PATH", PERSON}, {"JUPYTER_DATA_DIR", PERSON},
    {"JUPYTER_DEFAULT_PROVISIONER_NAME", PERSON}, {"XDG_RUNTIME_DIR", PERSON}, {"TMPDIR", PERSON},
    /* a cluster's processes are told on their command line what they load; a lab's Dask is the operator's to configure */
    {"DASK_DISTRIBUTED__SCHEDULER__PRELOAD*", OPERATOR}, {"DASK_DISTRIBUTED__WORKER__PRELOAD*", OPERATOR}, {"DASK_DISTRIBUTED__SCHEDULER", OPERATOR},
    {"DASK_DISTRIBUTED__WORKER", OPERATOR}, {"DASK_CONFIG", OPERATOR}, {"DASK_ROOT_CONFIG", OPERATOR},
    {"DASK_INTERNAL_INHERIT_CONFIG", OPERATOR},
};

/* Dask reads what begins with DASK_ in small letters. */
static bool same(const char *rule, const char *name, size_t n) {
    static const char dask[] = "DASK_";
    size_t k = sizeof dask - 1;
    if (n < k || memcmp(rule, dask, k) != 0)
        return memcmp(rule, name, n) == 0;
    return memcmp(name, dask, k) == 0 && strncasecmp(rule + k, name + k, n - k) == 0;
}

static bool fits(const char *rule, const char *name, size_t n) {
    if (rule[0] != name[0])      /* most rows: a start has many names, and all are asked for each */
        return false;
    size_t k = strlen(rule);
    return rule[k - 1] == '*' ? n >= k - 1 && same(rule, name, k - 1) : n == k && same(rule, name, k);
}

static bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'; }

bool cr_env_name_is_right(const char *name, size_t n) {
    if (n == 0 || n > CR_ENV_NAME_MAX || !is_letter(name[0]))
        return false;
    for (size_t i = 1; i < n; i++)
        if (!is_letter(name[i]) && !(name[i] >= '0' && name[i] <= '9'))
            return false;
    return true;
}

/* Of Python, the C library, and of what share/start/cluster-modules imports. What only Dask reads is not among them: it is imported after
 * the fork; nor is what share/start/afresh.py reads again. */
bool cr_env_name_is_early(const char *name, size_t n) {
    static const char *const beginnings[] = {"PYTHON", "LANG", "LC_", "LD_", "MALLOC_", "GLIBC_", "OPENBLAS_", "GOTO_", "OMP_", "GOMP_", "KMP_", "MKL_", "BLIS_",
                                             "HDF5_", "NETCDF", "NPY_", "NUMPY_", "NUMCODECS_", "BLOSC_", "PANDAS_", "SCIPY_", "MSGPACK_", "TORNADO_",
                                             "BOKEH_", "PSUTIL_"};
    for (size_t i = 0; i < CR_ARRAY_LEN(beginnings); i++) {
        size_t k = strlen(beginnings[i]);
        if (n >= k && memcmp(name, beginnings[i], k) == 0)
            return true;
    }
    return false;
}

bool cr_env_name_may_set(cr_env_giver giver, const char *name, size_t n, const char **ret_rule) {
    for (size_t i = 0; i < CR_ARRAY_LEN(table); i++) {
        if (!(table[i].free_to & giver) && fits(table[i].name, name, n)) {
            *ret_rule = table[i].name;
            return false;
        }
    }
    return true;
}
