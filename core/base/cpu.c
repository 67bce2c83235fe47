/* SPDX-License-Identifier: MIT */
/* Vector levels: what the processor and its system can run, lowered by OPU_ISA. */
#include "core/base/cpu.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif

static const char *const names[OPU_ISA_COUNT] = {
    [OPU_ISA_BASE] = "base", [OPU_ISA_AVX2] = "avx2", [OPU_ISA_AVX512] = "avx512"};

#ifdef __x86_64__
/* The flags that meson.build gives to a level's files. */
static int has_avx2(void)
{
    unsigned a;
    unsigned b;
    unsigned c = 0;
    unsigned d;
    unsigned const f16c = 1u << 29;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __get_cpuid(1, &a, &b, &c, &d) && (c & f16c) != 0;
}

static int has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#else
static int has_avx2(void)
{
    return 0;
}

static int has_avx512(void)
{
    return 0;
}
#endif

int opu_isa_usable(enum opu_isa isa)
{
    static int (*const tests[OPU_ISA_COUNT])(void) = {NULL, has_avx2, has_avx512};
    return isa == OPU_ISA_BASE || (isa > OPU_ISA_BASE && isa < OPU_ISA_COUNT && tests[isa]());
}

static enum opu_isa find_best(void)
{
    int wanted = OPU_ISA_COUNT - 1;
    const char *const text = getenv("OPU_ISA");
    for (int i = 0; text != NULL && i < OPU_ISA_COUNT; i++) {
        if (strcmp(text, names[i]) == 0) {
            wanted = i;
        }
    }
    while (wanted > OPU_ISA_BASE && !opu_isa_usable((enum opu_isa)wanted)) {
        wanted--;
    }
    return (enum opu_isa)wanted;
}

enum opu_isa opu_isa_best(void)
{
    /* Level + 1, 0 until it is known; a race stores the same value twice. */
    static atomic_int known;
    int best = atomic_load_explicit(&known, memory_order_relaxed);
    if (best == 0) {
        best = (int)find_best() + 1;
        atomic_store_explicit(&known, best, memory_order_relaxed);
    }
    return (enum opu_isa)(best - 1);
}

const char *opu_isa_name(enum opu_isa isa)
{
    return isa >= OPU_ISA_BASE && isa < OPU_ISA_COUNT ? names[isa] : "unknown";
}
