/* netcdf3.h - NetCDF classic files: CDF-1, CDF-2 (64-bit offset) and CDF-5 (64-bit data).
 *
 * The layout is that of the NetCDF Classic Format Specification (Unidata, NUG appendix B) and, for CDF-5, of PnetCDF. Everything is
 * big-endian; names and small values are padded to 4 bytes; a record variable's slices are interleaved record by record, and
 * padded to 4 bytes unless it is the only record variable.
 *
 * Invariants
 *  1. Every count, length and offset of the header is checked against the file before it is used; memory for the header is
 *     bounded by the metadata limit, and lists cannot claim more entries than the file has bytes for.
 *  2. Values that lie beyond the end of the file: the bytes that are missing are an error (CR_FORMAT) when they are read, except
 *     for the record count of a file that is being written ("streaming"), which is computed from the file size.
 */
#ifndef CR_ENGINE_FORMAT_NETCDF3_H
#define CR_ENGINE_FORMAT_NETCDF3_H

#include "engine/format/model.h"
#include "engine/store/held_file.h"

/* One variable as the header tells it; checked. */
typedef struct cr_netcdf3_layout {
    cr_dtype dtype;
    size_t width;                 /* bytes of one value */
    bool is_record;               /* first axis is the record dimension */
    uint64_t begin;               /* offset of the first byte */
    uint64_t record_step;         /* from one record of this variable to the next; 0 when not is_record */
    int ndim;
    int64_t shape[CR_MAX_DIMS];
} cr_netcdf3_layout;

/* The open file, shared by the sources of its variables. */
typedef struct cr_netcdf3_file {
    int refs;                     /* atomic */
    cr_held_file *held;
    uint64_t size;
} cr_netcdf3_file;
cr_netcdf3_file *cr_netcdf3_file_ref(cr_netcdf3_file *f);
void cr_netcdf3_file_unref(cr_netcdf3_file *f);

cr_status cr_netcdf3_source(cr_netcdf3_file *nc, const cr_netcdf3_layout *layout, const char *file_path, const char *name,
                            cr_source **ret_source, cr_err *err) CR_MUST_USE;

#endif
