/* codec_text.h - how a variable is compressed, as words: what cr_variable.compression says, read again.
 *
 * "zstd 3", "deflate 4, shuffle", "blosc lz4 5 bitshuffle", "none". Checksums and filters of the values ("crc32c", "delta") and "sharded" may
 * stand among them and say nothing here. Pure functions.
 */
#ifndef CR_ENGINE_FORMAT_CODEC_TEXT_H
#define CR_ENGINE_FORMAT_CODEC_TEXT_H

#include <stdbool.h>

#include "craton/file.h"

typedef struct cr_codec_words {
    char name[12];                /* "none", "zstd", "lz4", "deflate", "gzip", "blosc" */
    char inner[12];               /* of blosc */
    bool has_level;
    int level;
    int shuffle;                  /* 0 none, 1 bytes, 2 bits */
} cr_codec_words;

/* CR_UNSUPPORTED names the codec that no format is written with; CR_INVALID for what is none of these. */
cr_status cr_codec_text_parse(const char *text, cr_codec_words *ret_words, cr_err *err) CR_MUST_USE;
/* Sets codec, level and shuffle of v so that it is compressed as a variable of another file, as far as the format has that; else they
 * stay as they are. v borrows the text. from_zarr: without a compressor it is meant to have none. From another format to Zarr, deflate is not kept:
 * it is what there is in NetCDF, and was not chosen over what Zarr has (docs/decisions/0039). */
void cr_codec_text_keep(const char *compression, bool from_zarr, const char *format, cr_write_variable *v);

#endif
