/* SPDX-License-Identifier: MIT */
/* Plans of transforms along lines, and the kernels by vector level. See sim/wave/lines.h. */
#include "sim/wave/lines.h"

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "sim/wave/factor.h"

#include <string.h>

#ifdef OPU_REAL_DOUBLE
#define TABLE(level) opu_lines_f64_##level
#else
#define TABLE(level) opu_lines_f32_##level
#endif

extern const struct OPU_REAL(opu_line_kernels) TABLE(base);
#if defined(__x86_64__)
extern const struct OPU_REAL(opu_line_kernels) TABLE(avx2);
extern const struct OPU_REAL(opu_line_kernels) TABLE(avx512);
#endif

const struct OPU_REAL(opu_line_kernels) * OPU_REAL(opu_line_kernels_of)(enum opu_isa isa)
{
    static const struct OPU_REAL(opu_line_kernels) *const tables[OPU_ISA_COUNT] = {
        [OPU_ISA_BASE] = &TABLE(base),
#if defined(__x86_64__)
        [OPU_ISA_AVX2] = &TABLE(avx2),
        [OPU_ISA_AVX512] = &TABLE(avx512),
#endif
    };
    return tables[isa];
}

/* Radix 4 outside, radix 8 inside; returns how many twiddles, [.][2], all stages have. */
static size_t choose_stages(struct OPU_REAL(opu_line_plan) * plan)
{
    size_t bits = 0;
    while ((size_t)1 << bits < plan->n) {
        ++bits;
    }
    size_t fours = bits % 3 == 0 ? 0 : bits % 3 == 1 ? 2 : 1;
    size_t m = plan->n;
    size_t n_twiddles = 0;
    while (m > 1) {
        size_t const radix = fours > 0 ? 4 : 8;
        fours -= fours > 0;
        m /= radix;
        plan->stages[plan->n_stages].radix = radix;
        plan->stages[plan->n_stages].m = m;
        ++plan->n_stages;
        n_twiddles += m * (radix - 1);
    }
    return n_twiddles;
}

static void fill_twiddles(struct OPU_REAL(opu_line_plan) * plan)
{
    real *w = plan->twiddles;
    for (size_t s = 0; s < plan->n_stages; ++s) {
        size_t const radix = plan->stages[s].radix;
        size_t const m = plan->stages[s].m;
        plan->stages[s].twiddles = w;
        for (size_t k = 0; k < m; ++k) {
            for (size_t q = 1; q < radix; ++q) {
                double turn[2];
                opu_turns_to_phase(-(double)(k * q) / (double)(radix * m), turn);
                *w++ = (real)turn[0];
                *w++ = (real)turn[1];
            }
        }
    }
}

int OPU_REAL(opu_line_plan_init)(struct OPU_REAL(opu_line_plan) * plan, struct opu_context *context,
                                 size_t n)
{
    memset(plan, 0, sizeof(*plan));
    plan->context = context;
    plan->n = n;
    size_t const n_twiddles = choose_stages(plan);
    plan->twiddles = opu_calloc(context, n_twiddles, 2 * sizeof(real));
    plan->reversed = opu_calloc(context, n, sizeof(*plan->reversed));
    plan->in_order = opu_calloc(context, n, sizeof(*plan->in_order));
    if (plan->twiddles == NULL || plan->reversed == NULL || plan->in_order == NULL) {
        OPU_REAL(opu_line_plan_fini)(plan);
        return OPU_E_NO_MEMORY;
    }
    plan->bytes = n_twiddles * 2 * sizeof(real) + 2 * n * sizeof(uint16_t);
    fill_twiddles(plan);
    for (size_t k = 0; k < n; ++k) {
        size_t place = 0;
        size_t rest = k;
        for (size_t s = 0; s < plan->n_stages; ++s) {
            place += rest % plan->stages[s].radix * plan->stages[s].m;
            rest /= plan->stages[s].radix;
        }
        plan->reversed[k] = (uint16_t)place;
        plan->in_order[k] = (uint16_t)k;
    }
    return OPU_OK;
}

void OPU_REAL(opu_line_plan_fini)(struct OPU_REAL(opu_line_plan) * plan)
{
    opu_context_free(plan->context, plan->in_order);
    opu_context_free(plan->context, plan->reversed);
    opu_context_free(plan->context, plan->twiddles);
    memset(plan, 0, sizeof(*plan));
}
