/* SPDX-License-Identifier: MIT */
/*
 * Optimisers over blocks of contiguous parameters. The formulas are PyTorch's (torch.optim.Adam,
 * torch.optim.SGD), t counting steps from 1:
 *
 *   g += weight_decay * p
 *   adam: m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
 *         p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
 *   sgd:  v = momentum v + g;  p -= lr v
 *
 * A step over several blocks is one opu_optim_begin() and one opu_optim_update() for each block, in
 * any order.
 */
#ifndef OPU_CORE_OPTIM_H
#define OPU_CORE_OPTIM_H

#include "core/base/cpu.h"
#include "core/nn/graph.h"
#include "core/train/optim_kernels.h"
#include "core/train/settings.h"

/* Neighbouring parameters that all decay, or all do not. */
struct opu_decay_span {
    size_t first, end; /* floats of all */
    bool decays;
};

struct opu_optim {
    struct opu_context *context;
    struct opu_optim_settings settings;
    struct opu_params all;
    struct opu_decay_span *spans; /* [n_spans] cover all */
    size_t n_spans;
    size_t n_moments;  /* arrays of all.count floats: adam 2, sgd 1 */
    float *moments[2]; /* adam: mean, square; sgd: velocity */
    uint64_t step;     /* steps begun; part of a checkpoint, as the moments are */
    enum opu_isa isa;
    struct opu_adam_step adam;
    struct opu_sgd_step sgd;
};

/* Moments for all the parameters, zeroed. OPU_E_NO_MEMORY. */
OPU_NODISCARD int opu_optim_init(struct opu_optim *optim, struct opu_context *context,
                                 const struct opu_optim_settings *settings, struct opu_params all);
void opu_optim_fini(struct opu_optim *optim);

/*
 * weight_decay for those parameters alone whose names start with `names` ("conv1"); "": for all, as
 * after opu_optim_init(). graph: whose parameters they are. OPU_E_INVALID (no name starts so),
 * OPU_E_NO_MEMORY.
 */
OPU_NODISCARD int opu_optim_decay_only(struct opu_optim *optim, const struct opu_graph *graph,
                                       const char *names);

/* The name of a moment in a checkpoint. */
const char *opu_optim_moment_name(const struct opu_optim *optim, size_t i);

/* Starts the next step at this rate. */
void opu_optim_begin(struct opu_optim *optim, double lr);
/* Updates a block, which lies within all. false: a parameter has become NaN or infinity. */
bool opu_optim_update(struct opu_optim *optim, struct opu_params block);

#endif
