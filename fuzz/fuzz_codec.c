/* fuzz_codec.c - any bytes through any codec: the first byte chooses it, the second the expected length. */
#include <stdint.h>
#include <stdlib.h>

#include "engine/codec/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const cr_codec codecs[] = {
    {.id = CR_CODEC_ZLIB}, {.id = CR_CODEC_GZIP}, {.id = CR_CODEC_ZSTD}, {.id = CR_CODEC_LZ4}, {.id = CR_CODEC_BLOSC}, {.id = CR_CODEC_BLOSC},
    {.id = CR_CODEC_SHUFFLE, .itemsize = 3}, {.id = CR_CODEC_CRC32C}, {.id = CR_CODEC_CRC32, .at_start = true}, {.id = CR_CODEC_FLETCHER32},
    {.id = CR_CODEC_DELTA, .dtype = CR_I64, .stored = CR_I16, .stored_swapped = true}, {.id = CR_CODEC_DELTA, .dtype = CR_F32, .stored = CR_F32},
    {.id = CR_CODEC_FIXEDSCALEOFFSET, .dtype = CR_F64, .stored = CR_U8, .scale = 10, .offset = -1},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (n < 3)
        return 0;
    cr_codec_chain chain = {1, {codecs[data[0] % CR_ARRAY_LEN(codecs)]}};
    if (data[1] & 1)
        chain.codecs[chain.n++] = codecs[data[2] % CR_ARRAY_LEN(codecs)];
    size_t cap = (size_t)1 << (data[1] >> 1) % 18, got;
    uint8_t *dst = malloc(cap), *room = malloc(cr_codec_chain_decode_room(&chain, cap) + 1);
    cr_codec_work *work;
    cr_err err = CR_ERR_INIT;
    if (cr_codec_work_new(&work, &err) != CR_OK)
        abort();
    if (cr_codec_chain_decode_within(&chain, work, data + 3, n - 3, dst, cap, room, &got, &err) == CR_OK && got > cap)
        abort();
    cr_codec_work_free(work);
    free(dst);
    free(room);
    return 0;
}
