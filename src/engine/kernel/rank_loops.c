/* rank_loops.c - ranks of series that lie side by side, of one SIMD level, and their table.
 *
 * A row holds one key of each of CR_RANK_ROW_BYTES / key size series. The wanted key is found from its highest bit down: with the bit set,
 * are there more smaller keys than the rank? No branch depends on the data, and all series are counted at once. A sieve (rank.h) has such rows
 * too, and looks for the largest key that is still wanted in the same way.
 */
#include <string.h>

#include "base/error.h"
#include "engine/kernel/level.h"
#include "engine/kernel/rank.h"

enum { AHEAD = 12 };              /* rows that are asked for before they are needed */

#define S int8_t
#define U uint8_t
#define N i8
#include "engine/kernel/rank_lanes.inc"
#define S int16_t
#define U uint16_t
#define N i16
#include "engine/kernel/rank_lanes.inc"
#define S int32_t
#define U uint32_t
#define N i32
#include "engine/kernel/rank_lanes.inc"
#define S int64_t
#define U uint64_t
#define N i64
#include "engine/kernel/rank_lanes.inc"

#define S int8_t
#define U uint8_t
#define N i8
#include "engine/kernel/rank_sieve.inc"
#define S int16_t
#define U uint16_t
#define N i16
#include "engine/kernel/rank_sieve.inc"
#define S int32_t
#define U uint32_t
#define N i32
#include "engine/kernel/rank_sieve.inc"
#define S int64_t
#define U uint64_t
#define N i64
#include "engine/kernel/rank_sieve.inc"

const cr_rank_table CR_PASTE(cr_rank_table_, CR_LEVEL) = {
    .rows = {rows_i8, rows_i16, rows_i32, rows_i64}, .lanes = {lanes_i8, lanes_i16, lanes_i32, lanes_i64},
    .sift = {sift_i8, sift_i16, sift_i32, sift_i64}};
