/* level.c - which SIMD level this CPU has. */
#include "engine/kernel/level.h"

#include "base/error.h"

static int best_level(void) {
#if defined(__x86_64__) && CR_KERNEL_LEVELS > 1
    __builtin_cpu_init();
    bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
              __builtin_cpu_supports("fma");
    bool v4 = CR_MATHS_LEVELS > 2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
              __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    return v3 && v4 ? 2 : v3 ? 1 : 0;
#else
    return 0;
#endif
}

int cr_simd_pick(int wanted) {
    int best = best_level();
    return wanted < 0 ? best : CR_MIN(wanted, best);
}

int cr_simd_pick_of(int wanted, int levels) { return CR_MIN(cr_simd_pick(wanted), levels - 1); }
