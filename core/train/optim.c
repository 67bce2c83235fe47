/* SPDX-License-Identifier: MIT */
/* Runs the optimisers' kernels over a block in fixed pieces, so that the bits don't depend on the
 * threads. */
#include "core/train/optim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
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
    optim->spans = opu_calloc(context, 1, sizeof *optim->spans);
    if (!optim->spans) {
        return OPU_E_NO_MEMORY;
    }
    optim->spans[0] = (struct opu_decay_span){.end = all.count, .decays = true};
    optim->n_spans = 1;
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
    opu_context_free(optim->context, optim->spans);
    optim->spans = NULL;
}

static int by_first(const void *a, const void *b)
{
    size_t const x = ((const struct opu_decay_span *)a)->first;
    size_t const y = ((const struct opu_decay_span *)b)->first;
    return (x > y) - (x < y);
}

/* Sorted, each reaching to where the next begins, neighbours of a kind joined. */
static size_t join(struct opu_decay_span *spans, size_t n, size_t count)
{
    size_t kept = 0;
    qsort(spans, n, sizeof *spans, by_first);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || spans[kept - 1].decays != spans[i].decays) {
            spans[kept++] = spans[i];
        }
        spans[kept - 1].end = i + 1 < n ? spans[i + 1].first : count;
    }
    spans[0].first = 0;
    return kept;
}

int opu_optim_decay_only(struct opu_optim *optim, const struct opu_graph *graph, const char *names)
{
    size_t const n = opu_graph_param_count(graph);
    bool any = false;
    if (!*names || n == 0) {
        return OPU_OK;
    }
    struct opu_decay_span *const spans = opu_calloc(optim->context, n, sizeof *spans);
    if (!spans) {
        return OPU_E_NO_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        struct opu_tensor_ref const param = opu_graph_param_at(graph, i);
        bool const decays = strncmp(param.name, names, strlen(names)) == 0;
        spans[i].first = (size_t)((const float *)param.data - optim->all.values);
        spans[i].decays = decays;
        any = any || decays;
    }
    opu_context_free(optim->context, optim->spans);
    optim->spans = spans;
    optim->n_spans = join(spans, n, optim->all.count);
    return any ? OPU_OK
               : opu_fail(OPU_E_INVALID,
                          "optim.decay_only: no parameter's name starts with \"%s\"; "
                          "the first is \"%s\"",
                          names, opu_graph_param_at(graph, 0).name);
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

/* Part of one span. */
static bool update(struct opu_optim *optim, struct opu_params part, bool decays)
{
    size_t const first = (size_t)(part.values - optim->all.values);
    size_t const pieces = (part.count + PIECE - 1) / PIECE;
    bool const is_adam = optim->settings.kind == OPU_OPTIM_ADAM;
    struct opu_adam_step adam = optim->adam;
    struct opu_sgd_step sgd = optim->sgd;
    uint32_t bad = 0;
    adam.decay = decays ? adam.decay : 0;
    sgd.decay = decays ? sgd.decay : 0;
#pragma omp parallel for schedule(static) reduction(| : bad) if (pieces > 1)
    for (size_t p = 0; p < pieces; p++) {
        size_t const at = p * PIECE;
        size_t const n = part.count - at < PIECE ? part.count - at : PIECE;
        float *const value = part.values + at, *const first_moment = optim->moments[0] + first + at;
        if (is_adam) {
            bad |= adam_at[optim->isa](n, &adam, part.grads + at, value, first_moment,
                                       optim->moments[1] + first + at);
        } else {
            bad |= sgd_at[optim->isa](n, &sgd, part.grads + at, value, first_moment);
        }
    }
    return bad == 0;
}

bool opu_optim_update(struct opu_optim *optim, struct opu_params block)
{
    size_t const first = (size_t)(block.values - optim->all.values), end = first + block.count;
    bool good = true;
    for (size_t i = 0; i < optim->n_spans; i++) {
        const struct opu_decay_span *const span = &optim->spans[i];
        size_t const from = span->first > first ? span->first : first;
        size_t const to = span->end < end ? span->end : end;
        if (from < to) {
            struct opu_params const part = {.values = block.values + (from - first),
                                            .grads = block.grads + (from - first),
                                            .count = to - from};
            good = update(optim, part, span->decays) && good;
        }
    }
    return good;
}
