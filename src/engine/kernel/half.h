/* half.h - float16 (IEEE 754 binary16) to and from float and double, in integer arithmetic that every compiler vectorises.
 * Rounding is to nearest, ties to even; subnormals, infinities and NaN are kept. Bits are the same with or without F16C. */
#ifndef CR_KERNEL_HALF_H
#define CR_KERNEL_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint32_t cr_float_bits(float f) { uint32_t u; memcpy(&u, &f, sizeof u); return u; }
static inline float cr_bits_float(uint32_t u) { float f; memcpy(&f, &u, sizeof f); return f; }
static inline uint64_t cr_double_bits(double f) { uint64_t u; memcpy(&u, &f, sizeof u); return u; }
static inline double cr_bits_double(uint64_t u) { double f; memcpy(&f, &u, sizeof f); return f; }

static inline float cr_half_to_float(uint16_t h) {
    uint32_t mag = h & 0x7FFFu, sign = (uint32_t)(h & 0x8000u) << 16;
    /* The fields moved to a float's places mean 2^-112 times the value; the product is exact, also for subnormals. */
    uint32_t finite = cr_float_bits(cr_bits_float(mag << 13) * 0x1p112f);
    uint32_t special = 0x7F800000u | mag << 13;
    return cr_bits_float((mag >= 0x7C00u ? special : finite) | sign);
}

static inline uint16_t cr_float_to_half(float f) {
    uint32_t u = cr_float_bits(f), sign = u >> 16 & 0x8000u;
    u &= 0x7FFFFFFFu;
    uint32_t normal = (u - (112u << 23) + 0xFFFu + (u >> 13 & 1u)) >> 13;
    /* The unit of 0.5f is 2^-24, the unit of half's subnormals: the addition rounds as wanted. */
    uint32_t small = cr_float_bits(cr_bits_float(u) + 0.5f) - 0x3F000000u;
    uint32_t r = u < 0x38800000u ? small : normal;
    r = u >= 0x477FF000u ? 0x7C00u : r;
    r = u > 0x7F800000u ? 0x7E00u | (u >> 13 & 0x3FFu) : r;
    return (uint16_t)(r | sign);
}

static inline uint16_t cr_double_to_half(double f) {
    uint64_t u = cr_double_bits(f), sign = u >> 48 & 0x8000u;
    u &= 0x7FFFFFFFFFFFFFFFu;
    uint64_t normal = (u - (1008ull << 52) + ((1ull << 41) - 1) + (u >> 42 & 1u)) >> 42;
    uint64_t small = cr_double_bits(cr_bits_double(u) + 0x1p28) - cr_double_bits(0x1p28);
    uint64_t r = u < 0x3F10000000000000ull ? small : normal;
    r = u >= 0x40EFFE0000000000ull ? 0x7C00u : r;
    r = u > 0x7FF0000000000000ull ? 0x7E00u | (u >> 42 & 0x3FFu) : r;
    return (uint16_t)(r | sign);
}

#endif
