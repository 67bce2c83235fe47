/* SPDX-License-Identifier: MIT */
/*
 * The ideal strong scatterer: H_ij independent circular complex Gaussian, E|H_ij|^2 = 1 - what a
 * thick medium tends to when outputs are a speckle grain apart and both sides are few against its
 * modes (Popoff et al., PRL 104, 100601, 2010; Marchenko-Pastur spectrum).
 *
 * Entry (i, j) comes from the Philox block (seed, OPU_STREAM_MATRIX, a = j / 2, b = i), whose four
 * normals are (Re, Im) of the even and of the odd input, each divided by sqrt 2. It depends on its
 * indices alone: a larger set-up contains the smaller one. Drift adds blocks of OPU_STREAM_DRIFT
 * with b = i + node * 2^21.
 */
#include "sim/medium/medium_gaussian.h"

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "sim/medium/medium.h"

struct gaussian {
    struct opu_medium base;
    struct opu_drift_mix mix;
};

static int create(struct opu_medium **out, const struct opu_medium_setup *setup)
{
    *out = NULL;
    struct gaussian *const medium = opu_calloc(setup->context, 1, sizeof(*medium));
    if (medium == NULL) {
        return OPU_E_NO_MEMORY;
    }
    medium->base = (struct opu_medium){.ops = &opu_medium_gaussian,
                                       .context = setup->context,
                                       .seed = setup->seed,
                                       .isa = opu_isa_best(),
                                       .n_inputs = setup->n_inputs,
                                       .n_outputs = setup->n_outputs,
                                       .bytes = sizeof(*medium)};
    opu_drift_mix_at(&medium->mix, 0);
    *out = &medium->base;
    return OPU_OK;
}

static void destroy(struct opu_medium *medium)
{
    if (medium != NULL) {
        opu_context_free(medium->context, medium);
    }
}

/* The seed is all there is. */
static uint64_t hash(uint64_t start, const struct opu_sim_options *options)
{
    (void)options;
    return start;
}

static void move(struct opu_medium *medium, uint64_t step)
{
    if (medium->step != step) {
        opu_drift_mix_at(&((struct gaussian *)medium)->mix, step);
        medium->step = step;
    }
}

typedef void (*strip_fn)(uint64_t seed, const struct opu_drift_mix *mix, uint32_t first_output,
                         uint32_t first_input, uint32_t n_inputs, float *strip);

static strip_fn strip_kernel(enum opu_isa isa)
{
#if defined(__x86_64__)
    static const strip_fn kernels[OPU_ISA_COUNT] = {
        [OPU_ISA_BASE] = opu_gaussian_strip_base,
        [OPU_ISA_AVX2] = opu_gaussian_strip_avx2,
        [OPU_ISA_AVX512] = opu_gaussian_strip_avx512,
    };
    return kernels[isa];
#else
    (void)isa;
    return opu_gaussian_strip_base;
#endif
}

static void strip(const struct opu_medium *medium, uint32_t first_output, uint32_t first_input,
                  uint32_t n_inputs, float *out)
{
    const struct opu_drift_mix *const mix = &((const struct gaussian *)medium)->mix;
    strip_kernel(medium->isa)(medium->seed, mix, first_output, first_input, n_inputs, out);
}

const struct opu_medium_ops opu_medium_gaussian = {
    .name = "gaussian",
    .create = create,
    .destroy = destroy,
    .hash = hash,
    .move = move,
    .strip = strip,
};
