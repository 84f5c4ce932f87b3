/* zarr_json.h - JSON as Zarr metadata has it: bounded, with what Python writes beyond the standard, and as attributes.
 *
 * Python's json module writes NaN, Infinity and integers of any size as bare words. jansson refuses them, so the text is
 * rewritten before it is parsed: such a word becomes a string that begins with the character U+0001, a "word string". The functions
 * below understand it everywhere a number can stand. Objects keep the order of their keys.
 */
#ifndef CR_ENGINE_FORMAT_ZARR_JSON_H
#define CR_ENGINE_FORMAT_ZARR_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "craton/file.h"

enum { CR_JSON_MAX_DEPTH = 64 };
/* Refuses text nested deeper than CR_JSON_MAX_DEPTH or with more than max_values values (a value costs about 100 bytes of memory).
 * The caller frees with json_decref. CR_FORMAT with line and column; CR_LIMIT; CR_MEMORY, also where jansson itself would not notice. */
cr_status cr_json_parse(const char *text, size_t n, size_t max_values, json_t **ret_json, cr_err *err) CR_MUST_USE;

static inline void cr_json_cleanup(json_t **j) { json_decref(*j); }
#define cr_auto_json __attribute__((cleanup(cr_json_cleanup)))

/* Members of an object; CR_FORMAT naming the member when it is missing or of another type. */
cr_status cr_json_member(const json_t *object, const char *name, json_type type, json_t **ret, cr_err *err) CR_MUST_USE;
cr_status cr_json_extents(const json_t *object, const char *name, int max, int64_t *ret_values, int *ret_n, cr_err *err) CR_MUST_USE;
/* An optional integer within bounds. */
cr_status cr_json_int(const json_t *object, const char *name, int64_t min, int64_t max, int64_t otherwise, int64_t *ret,
                      cr_err *err) CR_MUST_USE;
/* Text of a string member, or otherwise. */
const char *cr_json_text(const json_t *object, const char *name, const char *otherwise);

/* The number that a value means, also "NaN", "Infinity", "-Infinity" and word strings; false when it means none. */
bool cr_json_number(const json_t *v, double *ret);
/* The exact integer, also beyond int64: sign and magnitude; floats without fraction count. false when it is none. */
bool cr_json_integer(const json_t *v, bool *ret_negative, uint64_t *ret_magnitude);
/* One item of dtype at dst; false when the value does not fit. */
bool cr_json_item(const json_t *v, cr_dtype dtype, void *dst);

/* Integers become I64 (U64 when they must), floats F64, booleans BOOL, text STRING, lists of one kind arrays of it; anything else
 * is kept as its JSON text. CR_LIMIT. */
cr_status cr_json_attr(const char *name, const json_t *v, cr_arena *arena, cr_attr *ret_attr, cr_err *err) CR_MUST_USE;
/* The way back, as xarray would write it: one value a scalar, unless its form is a list, several a list; JSON as it is, which the caller has checked. */
void cr_json_write_attr(const cr_attr *a, cr_buf *out);
void cr_json_write_text(const char *text, cr_buf *out);
/* Shortest text that reads back as the same number; NaN and Infinity bare (attributes) or quoted (fill values). */
void cr_json_write_item(cr_dtype dtype, const void *item, bool quote_special, cr_buf *out);

/* Standard base64; n of ret is at most max; -1 when the text is not base64 or too long. */
int64_t cr_base64_decode(const char *text, size_t n_text, unsigned char *ret_bytes, size_t max);
void cr_base64_write(const void *bytes, size_t n, cr_buf *out);

/* IEEE half precision, rounding to nearest even. */
uint16_t cr_half_from_double(double v);
double cr_half_to_double(uint16_t h);

#endif
