/* netcdf4_writer.c - writing NetCDF-4.
 *
 * The netCDF library makes the file with all its metadata and strings, so that every convention of dimension scales is its own. It
 * does so in memory: it takes a lock of its file, which the maker of the temporary one holds already, and fails badly with a disk. Then
 * the file is opened as HDF5 and chunks are put into it whole, already compressed: the workers that compute a box also shuffle and deflate it, in
 * parallel, and only the writing of the finished bytes goes through the library.
 *
 * Both libraries keep global state and are built without locks, therefore every call to them in this file is made under
 * library_lock. A program that uses these libraries itself must not do so while a writer runs.
 *
 * The temporary file and its move into place are writer.c's. */
#include <fcntl.h>
#include <hdf5.h>
#include <limits.h>
#include <netcdf.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/fork_lock.h"
#include "base/text.h"
#include "engine/codec/codec.h"
#include "engine/format/source.h"
#include "engine/format/writer.h"

static cr_fork_lock library_lock;
static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static void make_library_lock(void) { cr_fork_lock_init(&library_lock, false); }

enum { DEFAULT_LEVEL = 4, IDLE_WORK = 64, MOST_OPEN = 1024 };

typedef struct nw_var {
    struct nw_file *w;
    const cr_write_item *item;
    int id;                                /* of netCDF, while metadata is written */
    hid_t dataset;
    hid_t memory_type;
    hid_t own_type;                        /* the same, when it is to be closed */
    size_t itemsize, chunk_bytes;
    int64_t chunks[CR_MAX_DIMS];
    bool contiguous;                       /* one box, without filters */
    cr_codec_chain chain;
    unsigned char fill[8];                 /* what pads chunks at the edge */
} nw_var;

typedef struct nw_file {
    const cr_write_model *m;
    char *path;
    hid_t file;
    nw_var *vars;
    pthread_mutex_t idle_lock;
    int n_idle;
    cr_codec_work *idle[IDLE_WORK];        /* contexts of the codecs, between boxes */
} nw_file;

/* ---- types and failures ----------------------------------------------------------------------------------------- */

static nc_type type_of(cr_dtype t) {
    switch (t) {
    case CR_BOOL: case CR_I8: return NC_BYTE;
    case CR_I16: return NC_SHORT;
    case CR_I32: return NC_INT;
    case CR_I64: return NC_INT64;
    case CR_U8: return NC_UBYTE;
    case CR_U16: return NC_USHORT;
    case CR_U32: return NC_UINT;
    case CR_U64: return NC_UINT64;
    case CR_F32: return NC_FLOAT;
    case CR_F64: return NC_DOUBLE;
    case CR_BYTES: return NC_CHAR;
    case CR_STRING: return NC_STRING;
    default: return NC_NAT;
    }
}

static hid_t memory_type_of(cr_dtype t) {
    switch (t) {
    case CR_BOOL: case CR_I8: return H5T_NATIVE_INT8;
    case CR_I16: return H5T_NATIVE_INT16;
    case CR_I32: return H5T_NATIVE_INT32;
    case CR_I64: return H5T_NATIVE_INT64;
    case CR_U8: return H5T_NATIVE_UINT8;
    case CR_U16: return H5T_NATIVE_UINT16;
    case CR_U32: return H5T_NATIVE_UINT32;
    case CR_U64: return H5T_NATIVE_UINT64;
    case CR_F32: return H5T_NATIVE_FLOAT;
    default: return H5T_NATIVE_DOUBLE;
    }
}

/* The libraries hide errno's reason but mostly leave errno itself. */
static cr_status library_failure(cr_err *err, int errnum, const char *what, const char *name, const char *reason) {
    if (errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG)
        return CR_FAIL(err, CR_NO_SPACE, "%s \"%s\": %s", what, name, strerror(errnum));
    return CR_FAIL(err, CR_IO, "%s \"%s\": %s", what, name, reason);
}

#define NC_TRY(call, what, name)                                                            \
    do {                                                                                    \
        errno = 0;                                                                          \
        int nc_ = (call);                                                                   \
        if (nc_ != NC_NOERR)                                                                \
            return library_failure(err, errno, what, name, nc_strerror(nc_));               \
    } while (0)
#define H5_TRY(call, what, name)                                                            \
    do {                                                                                    \
        errno = 0;                                                                          \
        if ((call) < 0)                                                                     \
            return library_failure(err, errno, what, name, "the HDF5 library failed");      \
    } while (0)

/* ---- check ------------------------------------------------------------------------------------------------------ */

static bool has_deflate(const cr_write_variable *v) { return !v->codec || strcmp(v->codec, "deflate") == 0; }

static cr_status check(const cr_write_variable *v, cr_err *err) {
    if (type_of(v->dtype) == NC_NAT) {
        cr_status status = CR_FAIL(err, CR_UNSUPPORTED, "\"%s\": NetCDF-4 has no type for %s", v->name, cr_dtype_name(v->dtype));
        cr_err_hint(err, v->dtype == CR_F16 ? "convert it to float32" : "write it to Zarr, or convert it");
        return status;
    }
    if (v->dtype == CR_BYTES && v->itemsize != 1) {
        cr_status status = CR_FAIL(err, CR_UNSUPPORTED, "\"%s\": items of %zu bytes in NetCDF-4", v->name, v->itemsize);
        cr_err_hint(err, "it has single characters: let a last dimension count them");
        return status;
    }
    if (v->shards)
        return CR_FAIL(err, CR_UNSUPPORTED, "\"%s\": shards in NetCDF-4; leave them out, or write Zarr version 3", v->name);
    if (!has_deflate(v) && strcmp(v->codec, "none") != 0) {
        cr_status status = CR_FAIL(err, CR_UNSUPPORTED, "\"%s\": the codec \"%s\" in NetCDF-4", v->name, v->codec);
        cr_err_hint(err, "use \"deflate\" or \"none\", which every reader of NetCDF-4 has");
        return status;
    }
    if (v->level < 0 || v->level > 9)
        return CR_FAIL(err, CR_INVALID, "\"%s\": level %d; deflate has 1 to 9", v->name, v->level);
    size_t bytes = CR_MAX(cr_write_itemsize(v), (size_t)1);
    for (int i = 0; i < v->ndim && v->chunks; i++)
        if (__builtin_mul_overflow(bytes, (size_t)CR_MIN(v->chunks[i], CR_MAX(v->shape[i], (int64_t)1)), &bytes) || bytes > UINT32_MAX)
            return CR_FAIL(err, CR_UNSUPPORTED, "\"%s\": a chunk of more than 4 GiB", v->name);
    return CR_OK;
}

/* ---- metadata --------------------------------------------------------------------------------------------------- */

static bool is_ascii(const char *s) {
    while (*s && (unsigned char)*s < 0x80)
        s++;
    return !*s;
}

static cr_status put_attr(int nc, int var, const cr_attr *a, cr_err *err) {
    static const char what[] = "cannot write the attribute";
    if (a->dtype != CR_STRING) {
        if (type_of(a->dtype) == NC_NAT)
            return CR_FAIL(err, CR_UNSUPPORTED, "the attribute \"%s\": NetCDF-4 has no type for %s", a->name, cr_dtype_name(a->dtype));
        NC_TRY(nc_put_att(nc, var, a->name, type_of(a->dtype), (size_t)a->n, a->values), what, a->name);
        return CR_OK;
    }
    const char *const *texts = a->values;
    /* Characters have no encoding in the file: h5py takes them for ASCII. Other text is a string, as netCDF4-python has it. */
    if (a->n == 1 && is_ascii(texts[0]))
        NC_TRY(nc_put_att_text(nc, var, a->name, strlen(texts[0]), texts[0]), what, a->name);
    else if (a->n == 0)
        NC_TRY(nc_put_att_text(nc, var, a->name, 0, ""), what, a->name);
    else
        NC_TRY(nc_put_att_string(nc, var, a->name, (size_t)a->n, (const char **)texts), what, a->name);
    return CR_OK;
}

static cr_status define_dims(const nw_file *w, int nc, cr_err *err) {
    for (int i = 0; i < w->m->n_dims; i++) {
        const cr_dim *d = &w->m->dims[i];
        int id;
        /* The library takes length 0 for unlimited: a dimension without length cannot be written otherwise. */
        NC_TRY(nc_def_dim(nc, d->name, d->unlimited ? NC_UNLIMITED : (size_t)d->length, &id), "cannot write the dimension", d->name);
    }
    return CR_OK;
}

static int dim_index(const cr_write_model *m, const char *name) {
    for (int i = 0; i < m->n_dims; i++)
        if (strcmp(m->dims[i].name, name) == 0)
            return i;
    return -1;
}

/* Chunks as the library accepts them: not longer than a dimension of fixed length. */
static void set_storage(nw_var *v) {
    const cr_write_variable *d = &v->item->v;
    bool growable = false, whole = true;
    v->chunk_bytes = v->itemsize = cr_write_itemsize(d);
    for (int i = 0; i < d->ndim; i++) {
        const cr_dim *dim = &v->w->m->dims[dim_index(v->w->m, d->dims[i])];
        bool grows = dim->unlimited || dim->length == 0;
        v->chunks[i] = grows ? d->chunks[i] : CR_MIN(d->chunks[i], d->shape[i]);
        v->chunk_bytes *= (size_t)v->chunks[i];
        growable = growable || grows;
        whole = whole && v->chunks[i] == d->shape[i];
    }
    bool deflate = has_deflate(d) && d->ndim > 0;
    v->contiguous = d->ndim == 0 || (!growable && whole && !deflate && !d->shuffle && !d->fletcher32);
    if (d->shuffle && !v->contiguous)
        v->chain.codecs[v->chain.n++] = (cr_codec){.id = CR_CODEC_SHUFFLE, .itemsize = (int)v->itemsize};
    if (deflate)
        v->chain.codecs[v->chain.n++] = (cr_codec){.id = CR_CODEC_ZLIB, .level = d->level ? d->level : DEFAULT_LEVEL};
    if (d->fletcher32 && !v->contiguous)
        v->chain.codecs[v->chain.n++] = (cr_codec){.id = CR_CODEC_FLETCHER32};
}

static cr_status define_storage(nw_var *v, int nc, cr_err *err) {
    static const char what[] = "cannot lay out the variable";
    const cr_write_variable *d = &v->item->v;
    size_t chunks[CR_MAX_DIMS];
    if (d->dtype == CR_STRING || d->ndim == 0)
        return CR_OK;
    set_storage(v);
    for (int i = 0; i < d->ndim; i++)
        chunks[i] = (size_t)v->chunks[i];
    NC_TRY(nc_def_var_chunking(nc, v->id, v->contiguous ? NC_CONTIGUOUS : NC_CHUNKED, v->contiguous ? NULL : chunks), what, d->name);
    if (d->shuffle || has_deflate(d))
        NC_TRY(nc_def_var_deflate(nc, v->id, d->shuffle, has_deflate(d), has_deflate(d) ? (d->level ? d->level : DEFAULT_LEVEL) : 0), what, d->name);
    if (d->fletcher32)
        NC_TRY(nc_def_var_fletcher32(nc, v->id, NC_FLETCHER32), what, d->name);
    return CR_OK;
}

/* A text of one character, or of none, which is the character 0. */
static cr_status define_fill_character(const nw_var *v, int nc, const cr_attr *attr, cr_err *err) {
    const char *text = attr->dtype == CR_STRING && attr->n == 1 ? *(const char *const *)attr->values : NULL;
    if (!text || strlen(text) > 1)
        return CR_FAIL(err, CR_INVALID, "\"%s\": its _FillValue must be one character", v->item->v.name);
    NC_TRY(nc_def_var_fill(nc, v->id, NC_FILL, text), "cannot write the variable", v->item->v.name);
    return CR_OK;
}

static cr_status define_variable(nw_var *v, int nc, cr_err *err) {
    static const char what[] = "cannot write the variable";
    const cr_write_variable *d = &v->item->v;
    int dims[CR_MAX_DIMS];
    for (int i = 0; i < d->ndim; i++) {
        dims[i] = dim_index(v->w->m, d->dims[i]);
        if (dims[i] < 0)
            return CR_FAIL(err, CR_INTERNAL, "the dimension \"%s\" is not in the model", d->dims[i]);
    }
    NC_TRY(nc_def_var(nc, d->name, type_of(d->dtype), d->ndim, dims, &v->id), what, d->name);
    CR_TRY(define_storage(v, nc, err));
    if (d->dtype != CR_STRING && d->ndim == 0)
        set_storage(v);
    /* In NetCDF-4 the storage's fill value and the attribute are one thing; the attribute, when given, is it. */
    const cr_attr *attr = cr_attr_find(d->attrs, d->n_attrs, "_FillValue");
    if (!attr && d->fill && d->dtype != CR_STRING)
        NC_TRY(nc_def_var_fill(nc, v->id, NC_FILL, d->fill), what, d->name);
    if (attr && d->dtype == CR_BYTES)
        CR_TRY(define_fill_character(v, nc, attr, err));
    else if (attr && (type_of(attr->dtype) != type_of(d->dtype) || attr->n != 1))
        return CR_FAIL(err, CR_INVALID, "\"%s\": its _FillValue must be one value of its own type, %s", d->name, cr_dtype_name(d->dtype));
    for (int i = 0; i < d->n_attrs; i++)
        if (&d->attrs[i] != attr || d->dtype != CR_BYTES)
            CR_TRY(put_attr(nc, v->id, &d->attrs[i], err));
    if (d->dtype != CR_STRING)
        NC_TRY(nc_inq_var_fill(nc, v->id, NULL, v->fill), what, d->name);
    return CR_OK;
}

static cr_status put_strings(const nw_var *v, int nc, cr_err *err) {
    const cr_write_variable *d = &v->item->v;
    size_t start[CR_MAX_DIMS] = {0}, count[CR_MAX_DIMS];
    int64_t n = 1;
    for (int i = 0; i < d->ndim; i++) {
        count[i] = (size_t)d->shape[i];
        n *= d->shape[i];
    }
    if (n > 0)
        NC_TRY(nc_put_vara_string(nc, v->id, start, count, (const char **)v->item->strings), "cannot write the strings of", d->name);
    return CR_OK;
}

static cr_status write_metadata(nw_file *w, int nc, cr_err *err) {
    CR_TRY(define_dims(w, nc, err));
    for (int i = 0; i < w->m->n_attrs; i++)
        CR_TRY(put_attr(nc, NC_GLOBAL, &w->m->attrs[i], err));
    for (int i = 0; i < w->m->n_variables; i++)
        CR_TRY(define_variable(&w->vars[i], nc, err));
    NC_TRY(nc_enddef(nc), "cannot write", w->path);
    for (int i = 0; i < w->m->n_variables; i++)
        if (w->m->items[i].strings)
            CR_TRY(put_strings(&w->vars[i], nc, err));
    return CR_OK;
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

/* The library gives a variable that is called like a dimension it does not begin with another name in the file, since the dimension has that one. */
static const char *name_in_file(const nw_file *w, const cr_write_variable *d, char *room, size_t size) {
    if (dim_index(w->m, d->name) < 0 || (d->ndim > 0 && strcmp(d->dims[0], d->name) == 0))
        return d->name;
    snprintf(room, size, "_nc4_non_coord_%s", d->name);
    return room;
}

/* The chain in the order that the library has given to its filters: whether the checksum is of compressed bytes differs between its versions. */
static cr_status take_order(nw_var *v, cr_err *err) {
    static const struct {
        H5Z_filter_t filter;
        cr_codec_id codec;
    } known[] = {{H5Z_FILTER_SHUFFLE, CR_CODEC_SHUFFLE}, {H5Z_FILTER_DEFLATE, CR_CODEC_ZLIB}, {H5Z_FILTER_FLETCHER32, CR_CODEC_FLETCHER32}};
    hid_t list = H5Dget_create_plist(v->dataset);
    int n = list >= 0 ? H5Pget_nfilters(list) : 0;
    cr_codec_chain ordered = {0};
    for (int i = 0; i < n; i++) {
        unsigned flags;
        size_t n_values = 0;
        H5Z_filter_t id = H5Pget_filter2(list, (unsigned)i, &flags, &n_values, NULL, 0, NULL, NULL);
        for (size_t k = 0; k < CR_ARRAY_LEN(known); k++)
            for (int c = 0; c < v->chain.n; c++)
                if (known[k].filter == id && known[k].codec == v->chain.codecs[c].id && ordered.n < CR_CODEC_CHAIN_MAX)
                    ordered.codecs[ordered.n++] = v->chain.codecs[c];
    }
    if (list >= 0)
        H5Pclose(list);
    if (ordered.n != v->chain.n)
        return CR_FAIL(err, CR_INTERNAL, "the filters of \"%s\" are not those that were asked for", v->item->v.name);
    v->chain = ordered;
    return CR_OK;
}

static cr_status open_datasets(nw_file *w, cr_err *err) {
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_file_locking(access, false, true);
    errno = 0;
    w->file = H5Fopen(w->path, H5F_ACC_RDWR, access);
    int errnum = errno;
    H5Pclose(access);
    if (w->file < 0)
        return library_failure(err, errnum, "cannot open", w->path, "the HDF5 library failed");
    for (int i = 0; i < w->m->n_variables; i++) {
        nw_var *v = &w->vars[i];
        const cr_write_variable *d = &v->item->v;
        hsize_t extent[CR_MAX_DIMS];
        char room[NC_MAX_NAME + 32];
        if (d->dtype == CR_STRING)
            continue;
        H5_TRY(v->dataset = H5Dopen2(w->file, name_in_file(w, d, room, sizeof room), H5P_DEFAULT), "cannot open the variable", d->name);
        if (d->fletcher32)
            CR_TRY(take_order(v, err));
        if (d->dtype == CR_BYTES)
            H5_TRY(v->own_type = H5Dget_type(v->dataset), "cannot open the variable", d->name);
        v->memory_type = d->dtype == CR_BYTES ? v->own_type : memory_type_of(d->dtype);
        for (int k = 0; k < d->ndim; k++)
            extent[k] = (hsize_t)d->shape[k];
        if (!v->contiguous)
            H5_TRY(H5Dset_extent(v->dataset, extent), "cannot extend the variable", d->name);
    }
    return CR_OK;
}

/* The file of that name that the netCDF library has open, for the HDF5 library; without a reference of its own. */
static hid_t find_open(const char *name) {
    hid_t ids[MOST_OPEN], found = -1;
    char own[PATH_MAX];
    ssize_t n = H5Fget_obj_ids(H5F_OBJ_ALL, H5F_OBJ_FILE, MOST_OPEN, ids);
    for (ssize_t i = 0; i < n && found < 0; i++) {
        ssize_t length = H5Fget_name(ids[i], own, sizeof own);
        if (length > 0 && (size_t)length < sizeof own && strcmp(own, name) == 0)
            found = ids[i];
    }
    return found;
}

/* From where the driver for files in memory has it: of H5Fget_file_image the superblock has a wrong checksum (HDF5 1.10). */
static cr_status take_image(hid_t file, const char *path, cr_buf *out, cr_err *err) {
    void **memory = NULL;
    hsize_t n = 0;
    bool done = file >= 0 && H5Fflush(file, H5F_SCOPE_GLOBAL) >= 0 && H5Fget_filesize(file, &n) >= 0 &&
                H5Fget_vfd_handle(file, H5P_DEFAULT, (void **)&memory) >= 0 && memory && *memory && n > 0 && n < SIZE_MAX / 2;
    if (!done)
        return library_failure(err, 0, "cannot make the metadata of", path, "the HDF5 library failed");
    cr_buf_add(out, *memory, (size_t)n);
    if (out->failed)
        return CR_FAIL(err, CR_MEMORY, "no memory for the metadata of %s", path);
    return CR_OK;
}

/* The file as far as the netCDF library writes it: metadata and texts, in memory. On a disk that fails or is full while it closes a file, the
 * library reads what the HDF5 library has freed already. (Of nc_create_mem the file forgets in which order names were made.) The name is of no
 * file: the libraries would find the temporary one. */
static cr_status make_image(nw_file *w, cr_buf *out, cr_err *err) {
    int nc;
    cr_auto_free char *name = NULL;
    if (asprintf(&name, "%s.nc", w->path) < 0) {
        name = NULL;
        return CR_FAIL(err, CR_MEMORY, "no memory to write %s", w->path);
    }
    NC_TRY(nc_create(name, NC_NETCDF4 | NC_DISKLESS, &nc), "cannot make the metadata of", w->path);
    cr_status status = write_metadata(w, nc, err);
    if (status == CR_OK)
        status = take_image(find_open(name), w->path, out, err);
    int closed = nc_close(nc);
    return status != CR_OK || closed == NC_NOERR ? status : library_failure(err, 0, "cannot make the metadata of", w->path, nc_strerror(closed));
}

static cr_status begin_locked(nw_file *w, cr_err *err) {
    /* After a close that failed (a full disk), HDF5's handler at exit would close the same file again and crash. Everything is closed
     * here, so that nothing is left for it to do. Has no effect if the program started the library earlier. */
    H5dont_atexit();
    cr_auto_fd int fd = open(w->path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd < 0)
        return CR_FAIL_ERRNO(err, "cannot write %s", w->path);
    cr_auto_buf cr_buf image;
    cr_buf_init(&image, SIZE_MAX / 2);
    CR_TRY(make_image(w, &image, err));
    cr_status status = cr_write_all(fd, image.data, image.len, err);
    if (status != CR_OK) {
        cr_err_context(err, "while writing %s", w->path);
        return status;
    }
    cr_buf_done(&image);
    return open_datasets(w, err);
}

static void nw_free(void *state) {
    nw_file *w = state;
    pthread_mutex_lock(&library_lock.mutex);
    for (int i = 0; w->vars && i < w->m->n_variables; i++) {
        if (w->vars[i].own_type >= 0)
            H5Tclose(w->vars[i].own_type);
        if (w->vars[i].dataset >= 0)
            H5Dclose(w->vars[i].dataset);
    }
    if (w->file >= 0)
        H5Fclose(w->file);
    pthread_mutex_unlock(&library_lock.mutex);
    for (int i = 0; i < w->n_idle; i++)
        cr_codec_work_free(w->idle[i]);
    pthread_mutex_destroy(&w->idle_lock);
    free(w->vars);
    free(w->path);
    free(w);
}

static cr_status begin(const cr_write_model *m, const char *temp_path, void **ret_state, cr_err *err) {
    nw_file *w = calloc(1, sizeof *w);
    if (!w)
        return CR_FAIL(err, CR_MEMORY, "no memory to write %s", temp_path);
    w->m = m;
    w->file = -1;
    pthread_once(&library_once, make_library_lock);
    pthread_mutex_init(&w->idle_lock, NULL);
    w->path = strdup(temp_path);
    w->vars = calloc((size_t)CR_MAX(m->n_variables, 1), sizeof *w->vars);
    for (int i = 0; w->vars && i < m->n_variables; i++)
        w->vars[i] = (nw_var){.w = w, .item = &m->items[i], .dataset = -1, .own_type = -1};
    cr_status status = w->path && w->vars ? CR_OK : CR_FAIL(err, CR_MEMORY, "no memory to write %s", temp_path);
    if (status == CR_OK) {
        pthread_mutex_lock(&library_lock.mutex);
        status = begin_locked(w, err);
        pthread_mutex_unlock(&library_lock.mutex);
    }
    if (status != CR_OK) {
        nw_free(w);
        return status;
    }
    *ret_state = w;
    return CR_OK;
}

static cr_codec_work *borrow_work(nw_file *w, cr_err *err) {
    cr_codec_work *work = NULL;
    pthread_mutex_lock(&w->idle_lock);
    if (w->n_idle)
        work = w->idle[--w->n_idle];
    pthread_mutex_unlock(&w->idle_lock);
    return work || cr_codec_work_new(&work, err) == CR_OK ? work : NULL;
}

static void return_work(nw_file *w, cr_codec_work *work) {
    pthread_mutex_lock(&w->idle_lock);
    if (w->n_idle < IDLE_WORK) {
        w->idle[w->n_idle++] = work;
        work = NULL;
    }
    pthread_mutex_unlock(&w->idle_lock);
    cr_codec_work_free(work);
}

/* The box in a chunk of full size: the library keeps chunks at the edge whole. */
static void pad(const nw_var *v, const int64_t *count, const char *box, char *chunk) {
    int ndim = v->item->v.ndim, last = ndim - 1;
    int64_t at[CR_MAX_DIMS] = {0};
    size_t row = (size_t)count[last] * v->itemsize;
    cr_source_fill(chunk, v->chunk_bytes / v->itemsize, v->fill, v->itemsize);
    for (int i = 0; i >= 0; box += row) {
        size_t to = 0;
        for (i = 0; i < ndim; i++)
            to = to * (size_t)v->chunks[i] + (size_t)at[i];
        memcpy(chunk + to * v->itemsize, box, row);
        for (i = last - 1; i >= 0 && ++at[i] == count[i]; i--)
            at[i] = 0;
    }
}

static cr_status write_whole(nw_var *v, const void *data, cr_err *err) {
    pthread_mutex_lock(&library_lock.mutex);
    errno = 0;
    herr_t failed = H5Dwrite(v->dataset, v->memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data);
    int errnum = errno;
    pthread_mutex_unlock(&library_lock.mutex);
    return failed < 0 ? library_failure(err, errnum, "cannot write the values of", v->item->v.name, "the HDF5 library failed") : CR_OK;
}

static cr_status store_chunk(nw_var *v, const int64_t *start, const void *bytes, size_t n, cr_err *err) {
    hsize_t offset[CR_MAX_DIMS];
    for (int i = 0; i < v->item->v.ndim; i++)
        offset[i] = (hsize_t)start[i];
    pthread_mutex_lock(&library_lock.mutex);
    errno = 0;
    herr_t failed = H5Dwrite_chunk(v->dataset, H5P_DEFAULT, 0, offset, n, bytes);
    int errnum = errno;
    pthread_mutex_unlock(&library_lock.mutex);
    return failed < 0 ? library_failure(err, errnum, "cannot write a chunk of", v->item->v.name, "the HDF5 library failed") : CR_OK;
}

static cr_status encode_and_store(nw_var *v, const int64_t *start, const void *chunk, cr_err *err) {
    const void *bytes = chunk;
    size_t n = v->chunk_bytes, room = cr_codec_chain_encode_room(&v->chain, n);
    if (!v->chain.n)
        return store_chunk(v, start, bytes, n, err);
    cr_auto_free void *temporary = malloc(room);
    cr_codec_work *work = temporary ? borrow_work(v->w, err) : NULL;
    if (!work)
        return CR_FAIL(err, CR_MEMORY, "no memory to compress a chunk of \"%s\"", v->item->v.name);
    cr_status status = cr_codec_chain_encode(&v->chain, work, chunk, n, temporary, &bytes, &n, err);
    return_work(v->w, work);
    CR_TRY(status);
    return store_chunk(v, start, bytes, n, err);
}

static cr_status write_box(void *user, const int64_t *start, const int64_t *count, const void *data, cr_err *err) {
    nw_var *v = user;
    if (v->contiguous)
        return write_whole(v, data, err);
    bool whole = true;
    for (int i = 0; i < v->item->v.ndim; i++)
        whole = whole && count[i] == v->chunks[i];
    if (whole)
        return encode_and_store(v, start, data, err);
    cr_auto_free char *chunk = malloc(v->chunk_bytes);
    if (!chunk)
        return CR_FAIL(err, CR_MEMORY, "no memory for a chunk of \"%s\"", v->item->v.name);
    pad(v, count, data, chunk);
    return encode_and_store(v, start, chunk, err);
}

static cr_status sink(void *state, int i, cr_sink *ret_sink, cr_err *err) {
    nw_file *w = state;
    if (i < 0 || i >= w->m->n_variables || w->m->items[i].strings)
        return CR_FAIL(err, CR_INTERNAL, "variable %d has no values", i);
    *ret_sink = (cr_sink){.chunks = w->vars[i].chunks, .serial = false, .write = write_box, .user = &w->vars[i]};
    return CR_OK;
}

/* They were written with the metadata, while the netCDF library had the file. */
static cr_status strings(void *state, int i, cr_err *err) { return CR_OK; }

static cr_status close_locked(nw_file *w, cr_err *err) {
    for (int i = 0; i < w->m->n_variables; i++) {
        hid_t dataset = w->vars[i].dataset, type = w->vars[i].own_type;
        w->vars[i].dataset = w->vars[i].own_type = -1;
        if (type >= 0)
            H5_TRY(H5Tclose(type), "cannot finish the variable", w->vars[i].item->v.name);
        if (dataset >= 0)
            H5_TRY(H5Dclose(dataset), "cannot finish the variable", w->vars[i].item->v.name);
    }
    hid_t file = w->file;
    w->file = -1;
    H5_TRY(H5Fclose(file), "cannot finish", w->path);
    return CR_OK;
}

static cr_status finish(void *state, cr_err *err) {
    nw_file *w = state;
    pthread_mutex_lock(&library_lock.mutex);
    cr_status status = close_locked(w, err);
    pthread_mutex_unlock(&library_lock.mutex);
    CR_TRY(status);
    cr_auto_fd int fd = open(w->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || cr_fsync(fd) != 0)
        return CR_FAIL_ERRNO(err, "cannot write %s to disk", w->path);
    return CR_OK;
}

const cr_output_format cr_output_netcdf4 = {"netcdf4", false, check, begin, sink, NULL, strings, finish, nw_free};
