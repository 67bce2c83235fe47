/* SPDX-License-Identifier: MIT */
/*
 * Which vector instructions this processor has. A kernel file is compiled once per level (see
 * core/base/isa.h); its caller keeps a table indexed by level. OPU_ISA=base|avx2|avx512 in the
 * environment lowers the choice.
 */
#ifndef OPU_CORE_CPU_H
#define OPU_CORE_CPU_H

enum opu_isa { OPU_ISA_BASE = 0, OPU_ISA_AVX2 = 1, OPU_ISA_AVX512 = 2, OPU_ISA_COUNT = 3 };

/* The best level of this processor, build and environment. Cheap after the first call; any thread.
 */
enum opu_isa opu_isa_best(void);
/* Whether this processor and build can run a level (tests run every level that can). */
int opu_isa_usable(enum opu_isa isa);
const char *opu_isa_name(enum opu_isa isa);

#endif
