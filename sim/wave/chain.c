/* SPDX-License-Identifier: MIT */
/* A chain of planes, step by step. Layout: see sim/wave/chain.h. */
#include "sim/wave/chain.h"

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "sim/wave/check_setup.h"
#include "sim/wave/factor.h"
#include "sim/wave/real.h"

#include <math.h>
#include <string.h>

struct OPU_REAL(opu_chain) {
    struct opu_context *context;
    struct opu_chain_setup setup;
    struct opu_step *steps;
    double *tapers; /* [n_steps][n] */
    double *field;  /* [n][n][2] */
    double *line;   /* [2 n][2] */
};

/* Unitary but for n^1/2, radix 2, decimation in time. */
static void transform(double *x, double *work, size_t n, size_t stride, double sign)
{
    if (n == 1) {
        return;
    }
    size_t const half = n / 2;
    for (size_t k = 0; k < half; ++k) {
        for (int c = 0; c < 2; ++c) {
            work[2 * k + c] = x[2 * (2 * k) * stride + c];
            work[2 * (half + k) + c] = x[2 * (2 * k + 1) * stride + c];
        }
    }
    memcpy(x, work, 2 * n * sizeof(*x));
    transform(x, work, half, 1, sign);
    transform(x + n, work, half, 1, sign);
    for (size_t k = 0; k < half; ++k) {
        double w[2];
        opu_turns_to_phase(sign * (double)k / (double)n, w);
        double *const a = x + 2 * k;
        double *const b = x + 2 * (half + k);
        double const re = w[0] * b[0] - w[1] * b[1];
        double const im = w[0] * b[1] + w[1] * b[0];
        b[0] = a[0] - re;
        b[1] = a[1] - im;
        a[0] += re;
        a[1] += im;
    }
}

static void transform_plane(struct OPU_REAL(opu_chain) * chain, double sign)
{
    size_t const n = chain->setup.n;
    double const scale = 1.0 / sqrt((double)n);
    for (int axis = 0; axis < 2; ++axis) {
        size_t const stride = axis == 0 ? 1 : n;
        for (size_t i = 0; i < n; ++i) {
            double *const first = chain->field + 2 * i * (axis == 0 ? n : 1);
            for (size_t k = 0; k < n; ++k) {
                chain->line[2 * k] = first[2 * k * stride];
                chain->line[2 * k + 1] = first[2 * k * stride + 1];
            }
            transform(chain->line, chain->line + 2 * n, n, 1, sign);
            for (size_t k = 0; k < n; ++k) {
                first[2 * k * stride] = scale * chain->line[2 * k];
                first[2 * k * stride + 1] = scale * chain->line[2 * k + 1];
            }
        }
    }
}

static void factor_at(const struct OPU_REAL(opu_chain) * chain, size_t k, size_t x, size_t y,
                      double factor[2])
{
    const struct opu_chain_setup *const s = &chain->setup;
    const struct opu_step *const step = &chain->steps[k];
    double const kx = opu_signed_index(x, s->n);
    double const ky = opu_signed_index(y, s->n);
    struct opu_space space;
    switch (step->kind) {
    case OPU_STEP_PHASE:
        opu_turns_to_phase(step->phase[y * s->n + x] / 65536.0, factor);
        return;
    case OPU_STEP_SPACE:
        space = opu_space_make(s->n, s->pitch_m, s->wavelength_m, step->distance_m);
        opu_space_factor(&space, kx, ky, factor);
        return;
    case OPU_STEP_FRESNEL:
        opu_turns_to_phase(
            opu_fresnel_turns(s->n, s->pitch_m, s->wavelength_m, step->distance_m, kx) +
                opu_fresnel_turns(s->n, s->pitch_m, s->wavelength_m, step->distance_m, ky),
            factor);
        return;
    case OPU_STEP_TAPER:
        factor[0] = chain->tapers[k * s->n + x] * chain->tapers[k * s->n + y];
        factor[1] = 0.0;
        return;
    case OPU_STEP_APERTURE:
        factor[0] = kx * kx + ky * ky <= step->radius * step->radius ? 1.0 : 0.0;
        factor[1] = 0.0;
        return;
    case OPU_STEP_LENS:
        opu_turns_to_phase(opu_lens_turns(s->pitch_m, s->wavelength_m, step->focal_m, kx) +
                               opu_lens_turns(s->pitch_m, s->wavelength_m, step->focal_m, ky),
                           factor);
        return;
    case OPU_STEP_FORWARD:
    case OPU_STEP_INVERSE:
        return;
    }
}

static void run_step(struct OPU_REAL(opu_chain) * chain, size_t k, bool adjoint)
{
    size_t const n = chain->setup.n;
    enum opu_step_kind const kind = chain->steps[k].kind;
    if (kind == OPU_STEP_FORWARD || kind == OPU_STEP_INVERSE) {
        transform_plane(chain, (kind == OPU_STEP_FORWARD) != adjoint ? -1.0 : 1.0);
        return;
    }
    for (size_t y = 0; y < n; ++y) {
        for (size_t x = 0; x < n; ++x) {
            double f[2] = {0.0, 0.0};
            factor_at(chain, k, x, y, f);
            double *const e = chain->field + 2 * (y * n + x);
            double const im = adjoint ? -f[1] : f[1];
            double const re = e[0] * f[0] - e[1] * im;
            e[1] = e[0] * im + e[1] * f[0];
            e[0] = re;
        }
    }
}

static void run(struct OPU_REAL(opu_chain) * chain, const real *in, real *out, bool adjoint)
{
    const struct opu_chain_setup *const s = &chain->setup;
    struct opu_window const from = adjoint ? s->out : s->in;
    struct opu_window const to = adjoint ? s->in : s->out;
    size_t const n = s->n;
    memset(chain->field, 0, n * n * 2 * sizeof(*chain->field));
    for (size_t i = 0; i < from.width * from.height; ++i) {
        size_t const x = (from.x + i % from.width) % n;
        size_t const y = (from.y + i / from.width) % n;
        chain->field[2 * (y * n + x)] = (double)in[2 * i];
        chain->field[2 * (y * n + x) + 1] = (double)in[2 * i + 1];
    }
    for (size_t k = 0; k < s->n_steps; ++k) {
        run_step(chain, adjoint ? s->n_steps - 1 - k : k, adjoint);
    }
    for (size_t i = 0; i < to.width * to.height; ++i) {
        size_t const x = (to.x + i % to.width) % n;
        size_t const y = (to.y + i / to.width) % n;
        out[2 * i] = (real)chain->field[2 * (y * n + x)];
        out[2 * i + 1] = (real)chain->field[2 * (y * n + x) + 1];
    }
}

int OPU_REAL(opu_chain_create)(struct OPU_REAL(opu_chain) * *out,
                               const struct opu_chain_setup *setup, size_t *bytes)
{
    *out = NULL;
    OPU_TRY(opu_chain_check(setup));
    size_t const n = setup->n;
    size_t const k = setup->n_steps;
    struct OPU_REAL(opu_chain) *const chain = opu_calloc(setup->context, 1, sizeof(*chain));
    if (chain == NULL) {
        return OPU_E_NO_MEMORY;
    }
    chain->context = setup->context;
    chain->setup = *setup;
    chain->steps = opu_calloc(setup->context, k, sizeof(*chain->steps));
    chain->tapers = opu_calloc(setup->context, k * n, sizeof(double));
    chain->field = opu_calloc(setup->context, n * n, 2 * sizeof(double));
    chain->line = opu_calloc(setup->context, n, 4 * sizeof(double));
    if (chain->steps == NULL || chain->tapers == NULL || chain->field == NULL ||
        chain->line == NULL) {
        OPU_REAL(opu_chain_destroy)(chain);
        return OPU_E_NO_MEMORY;
    }
    for (size_t i = 0; i < k; ++i) {
        chain->steps[i] = setup->steps[i];
        if (setup->steps[i].kind == OPU_STEP_TAPER) {
            memcpy(chain->tapers + i * n, setup->steps[i].taper, n * sizeof(double));
        }
    }
    chain->setup.steps = chain->steps;
    if (bytes != NULL) {
        *bytes = n * n * 2 * sizeof(double) + 4 * n * sizeof(double) + k * n * sizeof(double);
    }
    *out = chain;
    return OPU_OK;
}

void OPU_REAL(opu_chain_destroy)(struct OPU_REAL(opu_chain) * chain)
{
    if (chain == NULL) {
        return;
    }
    opu_context_free(chain->context, chain->line);
    opu_context_free(chain->context, chain->field);
    opu_context_free(chain->context, chain->tapers);
    opu_context_free(chain->context, chain->steps);
    opu_context_free(chain->context, chain);
}

void OPU_REAL(opu_chain_apply)(struct OPU_REAL(opu_chain) * chain, const real *in, size_t batch,
                               real *out)
{
    size_t const from = 2 * chain->setup.in.width * chain->setup.in.height;
    size_t const to = 2 * chain->setup.out.width * chain->setup.out.height;
    for (size_t b = 0; b < batch; ++b) {
        run(chain, in + b * from, out + b * to, false);
    }
}

void OPU_REAL(opu_chain_adjoint)(struct OPU_REAL(opu_chain) * chain, const real *in, size_t batch,
                                 real *out)
{
    size_t const from = 2 * chain->setup.out.width * chain->setup.out.height;
    size_t const to = 2 * chain->setup.in.width * chain->setup.in.height;
    for (size_t b = 0; b < batch; ++b) {
        run(chain, in + b * from, out + b * to, true);
    }
}
