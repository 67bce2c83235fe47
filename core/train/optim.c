/* SPDX-License-Identifier: MIT */
/* Runs the optimisers' kernels over a block in fixed pieces, so that the bits don't depend on the
 * threads. */
#include "core/train/optim.h"

#include <math.h>

#include "core/base/mem.h"

/* Floats of a piece: four arrays of it fit the second-level cache. */
#define PIECE ((size_t)16384)

typedef uint32_t adam_fn(size_t n, const struct opu_adam_step *step, const float *grad,
                         float *value, float *mean, float *square);
typedef uint32_t sgd_fn(size_t n, const struct opu_sgd_step *step, const float *grad, float *value,
                        float *velocity);

static adam_fn *const adam_at[OPU_ISA_COUNT] = {
    opu_adam_base,
#ifdef __x86_64__
    opu_adam_avx2,
    opu_adam_avx512,
#endif
};

static sgd_fn *const sgd_at[OPU_ISA_COUNT] = {
    opu_sgd_base,
#ifdef __x86_64__
    opu_sgd_avx2,
    opu_sgd_avx512,
#endif
};

static const char *const moment_names[2][2] = {
    [OPU_OPTIM_ADAM] = {"adam.mean", "adam.square"},
    [OPU_OPTIM_SGD] = {"sgd.velocity", NULL},
};

int opu_optim_init(struct opu_optim *optim, struct opu_context *context,
                   const struct opu_optim_settings *settings, struct opu_params all)
{
    *optim = (struct opu_optim){
        .context = context, .settings = *settings, .all = all, .isa = opu_isa_best()};
    optim->n_moments = settings->kind == OPU_OPTIM_ADAM ? 2 : 1;
    for (size_t i = 0; i < optim->n_moments; i++) {
        optim->moments[i] = opu_calloc(context, all.count, sizeof(float));
        if (!optim->moments[i]) {
            opu_optim_fini(optim);
            return OPU_E_NO_MEMORY;
        }
    }
    return OPU_OK;
}

void opu_optim_fini(struct opu_optim *optim)
{
    for (size_t i = 0; i < optim->n_moments; i++) {
        opu_context_free(optim->context, optim->moments[i]);
        optim->moments[i] = NULL;
    }
}

const char *opu_optim_moment_name(const struct opu_optim *optim, size_t i)
{
    return moment_names[optim->settings.kind][i];
}

void opu_optim_begin(struct opu_optim *optim, double lr)
{
    const struct opu_optim_settings *s = &optim->settings;
    optim->step++;
    double const t = (double)optim->step;
    optim->adam = (struct opu_adam_step){
        .beta1 = (float)s->beta1,
        .beta2 = (float)s->beta2,
        .rest1 = (float)(1 - s->beta1),
        .rest2 = (float)(1 - s->beta2),
        .step_size = (float)(lr / (1 - pow(s->beta1, t))),
        .root_scale = (float)(1 / sqrt(1 - pow(s->beta2, t))),
        .eps = (float)s->eps,
        .decay = (float)s->weight_decay,
    };
    optim->sgd = (struct opu_sgd_step){
        .lr = (float)lr, .momentum = (float)s->momentum, .decay = (float)s->weight_decay};
}

bool opu_optim_update(struct opu_optim *optim, struct opu_params block)
{
    size_t const first = (size_t)(block.values - optim->all.values);
    size_t const pieces = (block.count + PIECE - 1) / PIECE;
    bool const adam = optim->settings.kind == OPU_OPTIM_ADAM;
    uint32_t bad = 0;
#pragma omp parallel for schedule(static) reduction(| : bad)
    for (size_t p = 0; p < pieces; p++) {
        size_t const at = p * PIECE;
        size_t const n = block.count - at < PIECE ? block.count - at : PIECE;
        float *const value = block.values + at, *const first_moment =
                                                    optim->moments[0] + first + at;
        if (adam) {
            bad |= adam_at[optim->isa](n, &optim->adam, block.grads + at, value, first_moment,
                                       optim->moments[1] + first + at);
        } else {
            bad |= sgd_at[optim->isa](n, &optim->sgd, block.grads + at, value, first_moment);
        }
    }
    return bad == 0;
}
