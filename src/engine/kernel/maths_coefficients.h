/* maths_coefficients.h - made by tools/polynomials, which says what each polynomial stands for. Errors are absolute. */
#ifndef CR_KERNEL_MATHS_COEFFICIENTS_H
#define CR_KERNEL_MATHS_COEFFICIENTS_H

#define CR_POLY1(z, a) (a)
#define CR_POLY2(z, a, b) ((a) + (z) * CR_POLY1(z, b))
#define CR_POLY3(z, a, b, c) ((a) + (z) * CR_POLY2(z, b, c))
#define CR_POLY4(z, a, b, c, d) ((a) + (z) * CR_POLY3(z, b, c, d))
#define CR_POLY5(z, a, b, c, d, e) ((a) + (z) * CR_POLY4(z, b, c, d, e))
#define CR_POLY6(z, a, b, c, d, e, f) ((a) + (z) * CR_POLY5(z, b, c, d, e, f))
#define CR_POLY7(z, a, b, c, d, e, f, g) ((a) + (z) * CR_POLY6(z, b, c, d, e, f, g))
#define CR_POLY8(z, a, b, c, d, e, f, g, h) ((a) + (z) * CR_POLY7(z, b, c, d, e, f, g, h))
#define CR_POLY9(z, a, b, c, d, e, f, g, h, i) ((a) + (z) * CR_POLY8(z, b, c, d, e, f, g, h, i))
#define CR_POLY10(z, a, b, c, d, e, f, g, h, i, j) ((a) + (z) * CR_POLY9(z, b, c, d, e, f, g, h, i, j))
#define CR_POLY11(z, a, b, c, d, e, f, g, h, i, j, k) ((a) + (z) * CR_POLY10(z, b, c, d, e, f, g, h, i, j, k))
#define CR_POLY12(z, a, b, c, d, e, f, g, h, i, j, k, l) ((a) + (z) * CR_POLY11(z, b, c, d, e, f, g, h, i, j, k, l))
#define CR_POLY13(z, a, b, c, d, e, f, g, h, i, j, k, l, m) ((a) + (z) * CR_POLY12(z, b, c, d, e, f, g, h, i, j, k, l, m))

/* EXP float: 6.5e-8 */
#define EXP_FLOAT(z) CR_POLY5(z, 0x1.0000000000000p-1f, 0x1.5554dd04e58bep-3f, 0x1.55551933893e6p-5f, 0x1.120b616c43f75p-7f, 0x1.6d10fc65baf1cp-10f)

/* EXP double: 1.0e-16 */
#define EXP_DOUBLE(z) CR_POLY10(z, 0x1.0000000000001p-1, 0x1.5555555555556p-3, 0x1.5555555553d68p-5, 0x1.11111111109b5p-7, 0x1.6c16c17889ef1p-10, \
    0x1.a01a01a7c2efep-13, 0x1.a019b9149a41cp-16, 0x1.71de0db2f6b19p-19, 0x1.28917c89a43a7p-22, 0x1.af389ecfc4b9cp-26)

/* EXP power_float: 1.4e-9 */
#define EXP_POWER_FLOAT(z) CR_POLY6(z, 0x1.0000000b8f62bp-1, 0x1.5555555a78232p-3, 0x1.5554e9114ecf9p-5, 0x1.1110e0f726534p-7, 0x1.6d431504c53d3p-10, \
    0x1.a124e3f154d32p-13)

/* ATANH float: 9.5e-8 */
#define ATANH_FLOAT(z) CR_POLY3(z, 0x1.55555b89cb004p-2f, 0x1.997c0fa8ef3fep-3f, 0x1.2eebdad0db981p-3f)

/* ATANH double: 1.6e-16 */
#define ATANH_DOUBLE(z) CR_POLY7(z, 0x1.5555555555558p-2, 0x1.99999999951f5p-3, 0x1.2492492e0b70cp-3, 0x1.c71c62c42db89p-4, 0x1.7462be245eae3p-4, \
    0x1.39fd25d62ab23p-4, 0x1.2b6776a1bf0b9p-4)

/* ATANH power_float: 5.8e-10 */
#define ATANH_POWER_FLOAT(z) CR_POLY4(z, 0x1.5555554b9d547p-2, 0x1.9999ebe5e8b5fp-3, 0x1.245c07223544ap-3, 0x1.dddba97136f27p-4)

/* ATANH power_double: 1.4e-16 */
#define ATANH_POWER_DOUBLE(z) CR_POLY5(z, 0x1.5555555555558p-2, 0x1.999999998a2f5p-3, 0x1.249249a00c12ep-3, 0x1.c719bdbfbac22p-4, 0x1.7773dccb9372ap-4)

/* SIN float: 2.1e-8 */
#define SIN_FLOAT(z) CR_POLY3(z, -0x1.5555528e31b1cp-3f, 0x1.110c0d88102f0p-7f, -0x1.9abb1e0ad4eacp-13f)

/* SIN double: 2.2e-17 */
#define SIN_DOUBLE(z) CR_POLY6(z, -0x1.5555555555555p-3, 0x1.1111111110b67p-7, -0x1.a01a019e71e41p-13, 0x1.71de377f9c63ap-19, -0x1.ae5ff33ee73e8p-26, \
    0x1.5e0296261959ap-33)

/* COS float: 2.1e-9 */
#define COS_FLOAT(z) CR_POLY3(z, 0x1.555554387967ep-5f, -0x1.6c12bd312df84p-10f, 0x1.9bcced48bf6d4p-16f)

/* COS double: 1.4e-18 */
#define COS_DOUBLE(z) CR_POLY6(z, 0x1.5555555555555p-5, -0x1.6c16c16c16941p-10, 0x1.a01a019f45ca8p-16, -0x1.27e4fa0c60750p-22, 0x1.1eeb5d0474c50p-29, \
    -0x1.90751d8249c98p-37)

/* ATAN float: 1.6e-8 */
#define ATAN_FLOAT(z) CR_POLY5(z, -0x1.5555544709c15p-2f, 0x1.9997307d57b9ap-3f, -0x1.242028b987d1dp-3f, 0x1.b80f248c9dfddp-4f, -0x1.0841e68577741p-4f)

/* ATAN double: 3.2e-17 */
#define ATAN_DOUBLE(z) CR_POLY11(z, -0x1.5555555555555p-2, 0x1.9999999999349p-3, -0x1.2492492436016p-3, 0x1.c71c71852a359p-4, -0x1.745d0b25982f3p-4, \
    0x1.3b1262bf324fdp-4, -0x1.10fa73c8057afp-4, 0x1.dfe60585956a5p-5, -0x1.a09838b71a7cfp-5, 0x1.415ebcba15fd3p-5, \
    -0x1.3a27dd63af0a7p-6)

/* ASIN float: 7.2e-8 */
#define ASIN_FLOAT(z) CR_POLY5(z, 0x1.55555d0c60135p-3f, 0x1.332731cf15102p-4f, 0x1.70a6bbf59aab0p-5f, 0x1.b311d2957c591p-6f, 0x1.37fe1555316aep-5f)

/* ASIN double: 1.5e-17 */
#define ASIN_DOUBLE(z) CR_POLY13(z, 0x1.5555555555556p-3, 0x1.3333333332ecap-4, 0x1.6db6db6e31f13p-5, 0x1.f1c71c1db0623p-6, 0x1.6e8bb1c8209a2p-6, \
    0x1.1c4d35cf95421p-6, 0x1.c9cf07674736ap-7, 0x1.782651caa6547p-7, 0x1.52420b04b37bep-7, 0x1.65a9c4dfcf8b2p-8, \
    0x1.1d189408314eep-6, -0x1.e6aaa8a0a04ccp-7, 0x1.d72b2bc8155f8p-6)

#endif
