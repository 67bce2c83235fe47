/* SPDX-License-Identifier: MIT */
/*
 * For files that meson compiles once per vector level: OPU_KERNEL(name) is name_base, name_avx2 or
 * name_avx512. Such files hold plain C loops that the compiler vectorises, are built with
 * -ffp-contract=off, and therefore give the same bits at every level.
 */
#ifndef OPU_CORE_ISA_H
#define OPU_CORE_ISA_H

#ifndef OPU_ISA_SUFFIX
#define OPU_ISA_SUFFIX base
#endif

#define OPU_ISA_CAT2(a, b) a##_##b
#define OPU_ISA_CAT(a, b) OPU_ISA_CAT2(a, b)
#define OPU_KERNEL(name) OPU_ISA_CAT(name, OPU_ISA_SUFFIX)

#endif
