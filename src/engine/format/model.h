/* model.h - what a format's opener fills in: the model behind cr_file. Everything lives in the file's arena. */
#ifndef CR_ENGINE_FORMAT_MODEL_H
#define CR_ENGINE_FORMAT_MODEL_H

#include "base/arena.h"
#include "craton/file.h"
#include "engine/format/source.h"

typedef struct cr_model_variable {
    cr_variable pub;
    cr_source *source;             /* owned reference; NULL for CR_STRING without a width or when pub.problem is set */
    /* CR_STRING variables: reads all n strings into the arena given. May be NULL when problem is set. */
    cr_status (*read_strings)(void *user, cr_arena *arena, const char ***ret, int64_t *ret_n, cr_err *err);
    void *user;
} cr_model_variable;

struct cr_file {
    cr_arena arena;
    const char *path, *format;
    int n_dims, n_attrs, n_variables, n_groups;
    cr_dim *dims;
    cr_attr *attrs;
    cr_model_variable *variables;
    cr_model_variable **by_name;  /* sorted; NULL while the file is being opened */
    const char **groups;
    const char **targets;          /* files that references lead to; NULL for other formats */
    int n_targets;
    void (*close)(cr_file *f);     /* format's own state; may be NULL */
    void *state;
};

/* One row per format, in src/engine/format/datafile.c. probe looks at the first bytes (up to 4096; n may be smaller) or, for a directory, at
 * the names in it. */
typedef struct cr_format {
    const char *name;
    bool (*probe)(const char *path, bool is_dir, const unsigned char *head, size_t n);
    cr_status (*open)(const char *path, const cr_open_options *options, cr_file *f, cr_err *err);
    bool reads_bytes;              /* one file, which a cr_reader can stand for */
} cr_format;

extern const cr_format cr_format_netcdf3, cr_format_hdf5, cr_format_zarr, cr_format_reference, cr_format_geotiff;

/* array/ implements it: the lazy array of a source. Declared here because formats hand sources out. */
/* array/origin.c: format/ stands below array/, so the name is declared where it is used. */
cr_status cr_array_from_source(cr_source *source, cr_array **ret_array, cr_err *err) CR_MUST_USE;

#endif
