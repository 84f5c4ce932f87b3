/* datafile.c - cr_file: which format a path has, and access to the model that its opener filled in. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "engine/format/model.h"
#include "engine/format/unreadable.h"

enum { HEAD_BYTES = 4096 };
static const uint64_t DEFAULT_METADATA_BYTES = (uint64_t)256 << 20;

/* One row per format, asked in this order. */
static const cr_format *const formats[] = {
    &cr_format_netcdf3,
    &cr_format_hdf5,
    &cr_format_zarr,
    &cr_format_reference,
    &cr_format_geotiff,
};

/* First bytes of a regular file; a directory gives none. */
static cr_status look(const char *path, bool *ret_is_dir, unsigned char head[HEAD_BYTES], size_t *ret_n, cr_err *err) {
    /* O_NONBLOCK: opening a FIFO must not wait for a writer. */
    cr_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return cr_cannot_open(path, err);
    *ret_is_dir = S_ISDIR(st.st_mode);
    *ret_n = 0;
    if (*ret_is_dir)
        return CR_OK;
    if (!S_ISREG(st.st_mode))
        return CR_FAIL(err, CR_FORMAT, "%s is neither a file nor a directory", path);
    while (*ret_n < HEAD_BYTES) {
        ssize_t n = pread(fd, head + *ret_n, HEAD_BYTES - *ret_n, (off_t)*ret_n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return CR_FAIL_ERRNO(err, "cannot read %s", path);
        if (n == 0)
            break;
        *ret_n += (size_t)n;
    }
    return CR_OK;
}

static const cr_format *find_format(const char *path, bool is_dir, const unsigned char *head, size_t n) {
    for (size_t i = 0; i < CR_ARRAY_LEN(formats); i++)
        if (formats[i]->probe(path, is_dir, head, n))
            return formats[i];
    return NULL;
}

static int by_name(const void *a, const void *b) {
    return strcmp((*(const cr_model_variable *const *)a)->pub.name, (*(const cr_model_variable *const *)b)->pub.name);
}

/* Values are asked for by name: of two variables of one name in a damaged file, one would be read with the shape of the other. */
static cr_status sort_names(cr_file *f, cr_err *err) {
    cr_model_variable **sorted = cr_arena_calloc(&f->arena, (size_t)f->n_variables + 1, sizeof *sorted);
    if (!sorted)
        return CR_FAIL(err, CR_LIMIT, "the metadata are larger than their limit");
    for (int i = 0; i < f->n_variables; i++)
        sorted[i] = &f->variables[i];
    qsort(sorted, (size_t)f->n_variables, sizeof *sorted, by_name);
    for (int i = 1; i < f->n_variables; i++)
        if (by_name(&sorted[i - 1], &sorted[i]) == 0)
            return CR_FAIL(err, CR_FORMAT, "two variables are called \"%s\"", sorted[i]->pub.name);
    f->by_name = sorted;
    return CR_OK;
}

static cr_status open_with(const cr_format *format, const char *path, const cr_open_options *options, cr_file **ret_file,
                           cr_err *err) {
    cr_file *f = calloc(1, sizeof *f);
    if (!f)
        return CR_FAIL(err, CR_MEMORY, "no memory to open %s", path);
    uint64_t limit = options->metadata_limit_bytes ? options->metadata_limit_bytes : DEFAULT_METADATA_BYTES;
    cr_arena_init(&f->arena, limit > SIZE_MAX ? SIZE_MAX : (size_t)limit);
    cr_status status = CR_OK;
    f->path = cr_arena_strdup(&f->arena, path);
    f->format = format->name;
    if (!f->path)
        status = CR_FAIL(err, CR_LIMIT, "the metadata limit of %llu bytes is too small", (unsigned long long)limit);
    else
        status = format->open(path, options, f, err);
    if (status == CR_OK)
        status = sort_names(f, err);
    for (int i = 0; status == CR_OK && options->unreadable && i < f->n_variables; i++)
        if (f->variables[i].source)
            status = cr_unreadable_cover(options->unreadable, &f->variables[i].pub, &f->variables[i].source, err);
    if (status != CR_OK) {
        cr_err_context(err, "while opening %s", path);
        cr_file_close(f);
        return status;
    }
    *ret_file = f;
    return CR_OK;
}

cr_status cr_file_open(const char *path, const cr_open_options *options, cr_file **ret_file, cr_err *err) {
    static const cr_open_options defaults = {NULL, 0, NULL};
    unsigned char head[HEAD_BYTES];
    bool is_dir = false;
    size_t n = 0;
    if (!path || !*path || !ret_file)
        return CR_FAIL(err, CR_INVALID, "a path is needed");
    CR_TRY(look(path, &is_dir, head, &n, err));
    const cr_format *format = find_format(path, is_dir, head, n);
    if (format)
        return open_with(format, path, options ? options : &defaults, ret_file, err);
    cr_status status = is_dir ? CR_FAIL(err, CR_FORMAT, "%s is a directory without Zarr metadata", path)
                              : CR_FAIL(err, CR_FORMAT, "%s is not in a known format%s", path, n == 0 ? ": it is empty" : "");
    cr_err_hint(err, "NetCDF-3, NetCDF-4 (HDF5), GeoTIFF, Zarr 2 and 3 and kerchunk's JSON can be read");
    return status;
}

void cr_file_close(cr_file *f) {
    if (!f)
        return;
    for (int i = 0; f->variables && i < f->n_variables; i++)
        cr_source_unref(f->variables[i].source);
    if (f->close)
        f->close(f);
    cr_arena_done(&f->arena);
    free(f);
}

const char *cr_file_path(const cr_file *f) { return f->path; }
const char *cr_file_format(const cr_file *f) { return f->format; }
int cr_file_n_dims(const cr_file *f) { return f->n_dims; }
int cr_file_n_attrs(const cr_file *f) { return f->n_attrs; }
int cr_file_n_variables(const cr_file *f) { return f->n_variables; }
int cr_file_n_groups(const cr_file *f) { return f->n_groups; }

const cr_dim *cr_file_dim(const cr_file *f, int i) { return i >= 0 && i < f->n_dims ? &f->dims[i] : NULL; }
const cr_attr *cr_file_attr(const cr_file *f, int i) { return i >= 0 && i < f->n_attrs ? &f->attrs[i] : NULL; }
const char *cr_file_group(const cr_file *f, int i) { return i >= 0 && i < f->n_groups ? f->groups[i] : NULL; }

const char *cr_file_target(const cr_file *f, int i) { return i >= 0 && i < f->n_targets ? f->targets[i] : NULL; }

const cr_variable *cr_file_variable(const cr_file *f, int i) {
    return i >= 0 && i < f->n_variables ? &f->variables[i].pub : NULL;
}

static const cr_model_variable *find_variable(const cr_file *f, const char *name) {
    const cr_model_variable wanted = {.pub.name = name}, *key = &wanted;
    cr_model_variable *const *found = f->by_name ? bsearch(&key, f->by_name, (size_t)f->n_variables, sizeof *f->by_name, by_name) : NULL;
    return found ? *found : NULL;
}

const cr_variable *cr_file_find(const cr_file *f, const char *name) {
    const cr_model_variable *v = find_variable(f, name);
    return v ? &v->pub : NULL;
}

const cr_attr *cr_attr_find(const cr_attr *attrs, int n, const char *name) {
    for (int i = 0; i < n; i++)
        if (strcmp(attrs[i].name, name) == 0)
            return &attrs[i];
    return NULL;
}

static cr_status readable(const cr_file *f, const char *name, const cr_model_variable **ret_variable, cr_err *err) {
    const cr_model_variable *v = find_variable(f, name);
    if (!v)
        return CR_FAIL(err, CR_NOT_FOUND, "%s has no variable \"%s\"", f->path, name);
    if (v->pub.problem)
        return CR_FAIL(err, CR_UNSUPPORTED, "%s: the values of \"%s\" cannot be read: %s", f->path, name, v->pub.problem);
    *ret_variable = v;
    return CR_OK;
}

cr_status cr_file_array(const cr_file *f, const char *name, cr_array **ret_array, cr_err *err) {
    const cr_model_variable *v = NULL;
    CR_TRY(readable(f, name, &v, err));
    if (!v->source)
        return CR_FAIL(err, CR_TYPE, "%s: \"%s\" holds strings of variable length; read them whole with cr_file_strings", f->path, name);
    return cr_array_from_source(v->source, ret_array, err);
}

/* One block: n pointers, then the texts. */
static cr_status pack_strings(const char *const *strings, int64_t n, char ***ret_strings, cr_err *err) {
    size_t total;
    if (__builtin_mul_overflow((size_t)n, sizeof(char *), &total))
        return CR_FAIL(err, CR_LIMIT, "too many strings");
    for (int64_t i = 0; i < n; i++)
        if (__builtin_add_overflow(total, strlen(strings[i]) + 1, &total))
            return CR_FAIL(err, CR_LIMIT, "too many strings");
    char **block = malloc(CR_MAX(total, (size_t)1));
    if (!block)
        return CR_FAIL(err, CR_MEMORY, "no memory for %zu bytes of strings", total);
    char *text = (char *)(block + n);
    for (int64_t i = 0; i < n; i++) {
        size_t len = strlen(strings[i]) + 1;
        block[i] = memcpy(text, strings[i], len);
        text += len;
    }
    *ret_strings = block;
    return CR_OK;
}

cr_status cr_file_strings(const cr_file *f, const char *name, char ***ret_strings, int64_t *ret_n, cr_err *err) {
    const cr_model_variable *v = NULL;
    CR_TRY(readable(f, name, &v, err));
    if (!v->read_strings)
        return CR_FAIL(err, CR_TYPE, "%s: \"%s\" does not hold strings of variable length; use cr_file_array", f->path, name);
    cr_auto_arena cr_arena arena;
    cr_arena_init(&arena, (size_t)DEFAULT_METADATA_BYTES);
    const char **strings;
    int64_t n;
    cr_status status = v->read_strings(v->user, &arena, &strings, &n, err);
    if (status != CR_OK) {
        cr_err_context(err, "while reading \"%s\" of %s", name, f->path);
        return status;
    }
    CR_TRY(pack_strings(strings, n, ret_strings, err));
    *ret_n = n;
    return CR_OK;
}
