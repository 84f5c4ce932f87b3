/* netcdf3_source.c - the values of NetCDF classic variables, in virtual chunks of about 4 MiB.
 *
 * The chunk grid is made so that a chunk is always `records` runs of contiguous bytes, `record_step` apart; for a variable without
 * records it is one run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/codec/order.h"
#include "engine/format/netcdf3.h"

enum { CHUNK_BYTES = 4 << 20, SPAN_BYTES = 1 << 20, NEAR_BYTES = 4096 };

typedef struct netcdf3_source {
    cr_source base;
    cr_netcdf3_file *nc;
    cr_netcdf3_layout layout;
} netcdf3_source;

static cr_status read_at(const netcdf3_source *s, uint64_t offset, size_t n, void *dst, cr_err *err) {
    if (offset > s->nc->size || n > s->nc->size - offset)
        return CR_FAIL(err, CR_FORMAT, "%s: the file ends at byte %llu, inside its values (bytes %llu to %llu): it is truncated",
                       s->base.path, (unsigned long long)s->nc->size, (unsigned long long)offset, (unsigned long long)(offset + n));
    cr_status status = cr_held_read(s->nc->held, offset, dst, n, err);
    if (status != CR_OK)
        cr_err_context(err, "%s", s->base.path);
    return status;
}

/* Records that lie close together are read with what is between them; others one by one. */
static bool reads_spans(const cr_netcdf3_layout *l, size_t run) {
    return l->record_step > run && l->record_step <= SPAN_BYTES && l->record_step <= CR_MAX(2 * run, (size_t)NEAR_BYTES);
}

static cr_status read_records(const netcdf3_source *s, uint64_t offset, size_t run, size_t records, char *dst, cr_scratch *scratch,
                              cr_err *err) {
    const uint64_t step = s->layout.record_step;
    if (records == 1 || step == run)
        return read_at(s, offset, run * records, dst, err);
    if (!reads_spans(&s->layout, run)) {
        for (size_t i = 0; i < records; i++)
            CR_TRY(read_at(s, offset + i * step, run, dst + i * run, err));
        return CR_OK;
    }
    CR_TRY(cr_scratch_need(scratch, SPAN_BYTES, err));
    for (size_t done = 0; done < records;) {
        size_t n = CR_MIN(records - done, (SPAN_BYTES - run) / step + 1);
        CR_TRY(read_at(s, offset + done * step, (n - 1) * step + run, scratch->bytes, err));
        for (size_t i = 0; i < n; i++)
            memcpy(dst + (done + i) * run, (const char *)scratch->bytes + i * step, run);
        done += n;
    }
    return CR_OK;
}

/* Offset of the first byte, bytes of one run and number of records of a chunk. */
static void locate(const netcdf3_source *s, const int64_t *chunk, uint64_t *ret_offset, size_t *ret_run, size_t *ret_records) {
    const cr_netcdf3_layout *l = &s->layout;
    uint64_t offset = l->begin, stride = l->width;
    size_t run = l->width;
    for (int i = s->base.ndim - 1; i >= l->is_record; i--) {
        offset += (uint64_t)(chunk[i] * s->base.chunk_shape[i]) * stride;
        stride *= (uint64_t)s->base.shape[i];
        run *= (size_t)cr_source_extent(&s->base, i, chunk[i]);
    }
    *ret_records = 1;
    if (l->is_record) {
        offset += (uint64_t)(chunk[0] * s->base.chunk_shape[0]) * l->record_step;
        *ret_records = (size_t)cr_source_extent(&s->base, 0, chunk[0]);
    }
    *ret_offset = offset;
    *ret_run = run;
}

static cr_status netcdf3_read_chunk(cr_source *base, const int64_t *chunk, void *dst, cr_scratch *scratch, bool *ret_absent, cr_err *err) {
    const netcdf3_source *s = (const netcdf3_source *)base;
    uint64_t offset;
    size_t run, records;
    CR_TRY(cr_source_check_chunk(base, chunk, err));
    locate(s, chunk, &offset, &run, &records);
    CR_TRY(read_records(s, offset, run, records, dst, scratch, err));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    cr_byteswap(dst, run * records / s->layout.width, s->layout.width);
#endif
    *ret_absent = false;
    return CR_OK;
}

static size_t netcdf3_scratch_bytes(const cr_source *base) { return ((const netcdf3_source *)base)->layout.is_record ? SPAN_BYTES : 0; }

static size_t netcdf3_stored_bytes(const cr_source *base, const int64_t *chunk) {
    uint64_t offset;
    size_t run, records;
    if (cr_source_check_chunk(base, chunk, NULL) != CR_OK)
        return 0;
    locate((const netcdf3_source *)base, chunk, &offset, &run, &records);
    return run * records;
}

static void netcdf3_free(cr_source *base) {
    cr_netcdf3_file_unref(((netcdf3_source *)base)->nc);
    cr_source_fini(base);
    free(base);
}

static const cr_source_ops netcdf3_ops = {"netcdf3", netcdf3_read_chunk, netcdf3_scratch_bytes, netcdf3_stored_bytes, netcdf3_free, NULL};

static void choose_chunks(const cr_netcdf3_layout *l, int64_t *chunk) {
    if (!l->is_record) {
        cr_source_virtual_chunks(l->ndim, l->shape, l->width, CHUNK_BYTES, chunk);
        return;
    }
    cr_source_virtual_chunks(l->ndim - 1, l->shape + 1, l->width, CHUNK_BYTES, chunk + 1);
    int64_t room = CHUNK_BYTES / (int64_t)l->width;
    bool whole = true;
    for (int i = 1; i < l->ndim; i++) {
        whole &= chunk[i] >= l->shape[i];
        room = CR_MAX(room / chunk[i], 1);
    }
    chunk[0] = whole ? CR_MAX(CR_MIN(room, l->shape[0]), 1) : 1;
}

cr_status cr_netcdf3_source(cr_netcdf3_file *nc, const cr_netcdf3_layout *layout, const char *file_path, const char *name,
                            cr_source **ret_source, cr_err *err) {
    int64_t chunk[CR_MAX_DIMS];
    cr_auto_free char *path = NULL;
    choose_chunks(layout, chunk);
    if (asprintf(&path, "%s:/%s", file_path, name) < 0) {
        path = NULL;
        return CR_FAIL(err, CR_MEMORY, "no memory");
    }
    netcdf3_source *s = calloc(1, sizeof *s);
    if (!s)
        return CR_FAIL(err, CR_MEMORY, "no memory");
    cr_status status = cr_source_init(&s->base, &netcdf3_ops, layout->dtype, layout->width, layout->ndim, layout->shape, chunk, path, err);
    if (status != CR_OK) {
        free(s);
        return status;
    }
    s->nc = cr_netcdf3_file_ref(nc);
    s->layout = *layout;
    cr_source_identify(&s->base, file_path, name);
    *ret_source = &s->base;
    return CR_OK;
}
