/* checksum.h - checksums of stored bytes that no library of ours has. */
#ifndef CR_ENGINE_CODEC_CHECKSUM_H
#define CR_ENGINE_CODEC_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli, RFC 3720 appendix B.4), initial value and final inversion included. */
uint32_t cr_crc32c(const void *bytes, size_t n);
/* Of more bytes, after those whose checksum is crc (0: none). */
uint32_t cr_crc32c_more(uint32_t crc, const void *bytes, size_t n);
/* Of bytes whose checksum is a and n others after them whose checksum is b. */
uint32_t cr_crc32c_join(uint32_t a, uint32_t b, uint64_t n);
/* Fletcher's sum as HDF5 stores it: over big-endian 16-bit words, an odd last byte is a high byte. */
uint32_t cr_fletcher32(const void *bytes, size_t n);

#endif
