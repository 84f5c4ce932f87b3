/* hdf5_datatype.c - the datatype message: which of the engine's types an HDF5 type is, if any. */
#include "engine/format/hdf5_message.h"

enum { MAX_NESTING = 8 };

static cr_dtype integer_of(uint32_t size, bool is_signed) {
    switch (size) {
    case 1: return is_signed ? CR_I8 : CR_U8;
    case 2: return is_signed ? CR_I16 : CR_U16;
    case 4: return is_signed ? CR_I32 : CR_U32;
    case 8: return is_signed ? CR_I64 : CR_U64;
    default: return CR_DTYPE_COUNT;
    }
}

static void parse_integer(h5_cur *c, uint32_t bits, h5_type *t) {
    unsigned offset = (unsigned)h5_uint(c, 2), precision = (unsigned)h5_uint(c, 2);
    t->big_endian = bits & 1 && t->size > 1;
    t->dtype = integer_of(t->size, t->class == H5_INTEGER && bits & 8);
    if (t->dtype == CR_DTYPE_COUNT)
        t->problem = "integers of this size are not supported";
    else if (offset != 0 || precision != t->size * 8)
        t->problem = "integers that use only some bits of their bytes are not supported";
}

/* Only the three IEEE types: sign at the top, then the exponent, then the mantissa with its first bit implied. */
static void parse_float(h5_cur *c, uint32_t bits, h5_type *t) {
    static const struct { uint32_t size; cr_dtype dtype; unsigned exponent_bits, mantissa_bits, bias; } ieee[] = {
        {2, CR_F16, 5, 10, 15}, {4, CR_F32, 8, 23, 127}, {8, CR_F64, 11, 52, 1023}};
    unsigned offset = (unsigned)h5_uint(c, 2), precision = (unsigned)h5_uint(c, 2);
    unsigned exponent_at = (unsigned)h5_uint(c, 1), exponent_bits = (unsigned)h5_uint(c, 1);
    unsigned mantissa_at = (unsigned)h5_uint(c, 1), mantissa_bits = (unsigned)h5_uint(c, 1);
    uint32_t bias = (uint32_t)h5_uint(c, 4);
    unsigned sign_at = bits >> 8 & 0xFF, order = (bits & 1) | (bits >> 5 & 2), normal = bits >> 4 & 3;
    t->big_endian = order & 1;
    t->dtype = CR_DTYPE_COUNT;
    for (size_t i = 0; i < CR_ARRAY_LEN(ieee); i++)
        if (t->size == ieee[i].size && offset == 0 && precision == t->size * 8 && exponent_bits == ieee[i].exponent_bits &&
            mantissa_bits == ieee[i].mantissa_bits && mantissa_at == 0 && exponent_at == mantissa_bits && bias == ieee[i].bias &&
            sign_at == precision - 1 && normal == 2 && order < 2)
            t->dtype = ieee[i].dtype;
    if (t->dtype == CR_DTYPE_COUNT)
        t->problem = "floating-point numbers that are not IEEE 754 of 2, 4 or 8 bytes are not supported";
}

static cr_status parse(h5_cur *c, int depth, h5_type *t, cr_err *err);

static cr_status parse_vlen(h5_cur *c, uint32_t bits, int depth, h5_type *t, cr_err *err) {
    h5_type base;
    CR_TRY(parse(c, depth + 1, &base, err));
    t->vlen_text = (bits & 15) == 1;
    t->base_class = base.class;
    t->base_size = base.size;
    t->dtype = t->vlen_text ? CR_STRING : CR_BYTES;
    if (!t->vlen_text)
        t->problem = "lists of variable length are not supported";
    if (t->size != 8u + c->off_size)
        return H5_DAMAGED(c, err, "a type of variable length takes %u bytes", t->size);
    return CR_OK;
}

static cr_status parse_enum(h5_cur *c, int depth, h5_type *t, cr_err *err) {
    h5_type base;
    CR_TRY(parse(c, depth + 1, &base, err));
    if (base.class != H5_INTEGER || base.size != t->size)
        return H5_DAMAGED(c, err, "an enumeration must be of integers of its size");
    t->dtype = base.dtype;
    t->big_endian = base.big_endian;
    t->problem = base.problem;
    return CR_OK;
}

static cr_status parse(h5_cur *c, int depth, h5_type *t, cr_err *err) {
    unsigned head = (unsigned)h5_uint(c, 1), class = head & 15, version = head >> 4;
    uint32_t bits = (uint32_t)h5_uint(c, 3);
    *t = (h5_type){.class = (h5_class)class, .size = (uint32_t)h5_uint(c, 4), .dtype = CR_BYTES};
    CR_TRY(h5_cur_ok(c, err));
    if (version < 1 || version > 5)
        return CR_FAIL(err, CR_UNSUPPORTED, "the datatype at offset %llu has version %u", (unsigned long long)h5_at(c), version);
    if (t->size == 0 || depth > MAX_NESTING)
        return H5_DAMAGED(c, err, t->size ? "its types are nested too deeply" : "its size is 0");
    switch (t->class) {
    case H5_INTEGER:
    case H5_BITS:
        parse_integer(c, bits, t);
        break;
    case H5_FLOAT:
        parse_float(c, bits, t);
        break;
    case H5_TEXT:
        t->space_padded = (bits & 15) == 2;
        break;
    case H5_OPAQUE:
        break;
    case H5_ENUM:
        CR_TRY(parse_enum(c, depth, t, err));
        break;
    case H5_VLEN:
        CR_TRY(parse_vlen(c, bits, depth, t, err));
        break;
    case H5_COMPOUND:
        t->problem = "compound types are not supported";
        break;
    case H5_REFERENCE:
        t->problem = "references to objects are not supported";
        break;
    case H5_ARRAY:
        t->problem = "items that are arrays are not supported";
        break;
    case H5_TIME:
        t->problem = "HDF5's type of times is not supported";
        break;
    case H5_COMPLEX:
        t->problem = "complex numbers are not supported";
        break;
    default:
        t->problem = "the type is not known";
    }
    return h5_cur_ok(c, err);
}

cr_status h5_type_parse(h5_cur *c, h5_type *ret_type, cr_err *err) {
    h5_type t;
    cr_status status = parse(c, 0, &t, err);
    if (status != CR_OK) {
        cr_err_context(err, "in a datatype");
        return status;
    }
    *ret_type = t;
    return CR_OK;
}
