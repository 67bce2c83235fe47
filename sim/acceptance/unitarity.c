/* SPDX-License-Identifier: MIT */
/* Whether a chain keeps energy and has the adjoint it says; once in float, once in double. */
#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "sim/acceptance/measured.h"
#include "sim/wave/real.h"

#include <math.h>

static void fill(real *field, size_t n, uint64_t seed, uint32_t which)
{
    for (size_t i = 0; i + 4 <= n; i += 4) {
        float z[4];
        opu_normal4(opu_philox(seed, OPU_STREAM_TEST, which, i), z);
        for (size_t k = 0; k < 4; ++k) {
            field[i + k] = (real)z[k];
        }
    }
}

/* sum[0] + i sum[1] = <a, b> = sum of a conj(b) over n numbers. */
static void inner(const real *a, const real *b, size_t n, double sum[2])
{
    sum[0] = 0.0;
    sum[1] = 0.0;
    for (size_t i = 0; i < 2 * n; i += 2) {
        double const ar = (double)a[i];
        double const ai = (double)a[i + 1];
        double const br = (double)b[i];
        double const bi = (double)b[i + 1];
        sum[0] += ar * br + ai * bi;
        sum[1] += ai * br - ar * bi;
    }
}

/* field: four of them, x, y, H x, H^ y. */
static void compare(struct OPU_REAL(opu_chain) * chain, real *field, size_t points, uint64_t seed,
                    double *energy, double *adjoint)
{
    real *const x = field;
    real *const y = field + 2 * points;
    real *const hx = field + 4 * points;
    real *const hy = field + 6 * points;
    fill(x, 2 * points, seed, 0);
    fill(y, 2 * points, seed, 1);
    OPU_REAL(opu_chain_apply)(chain, x, 1, hx);
    OPU_REAL(opu_chain_adjoint)(chain, y, 1, hy);
    double xx[2];
    double yy[2];
    double hxhx[2];
    double left[2];
    double right[2];
    inner(x, x, points, xx);
    inner(y, y, points, yy);
    inner(hx, hx, points, hxhx);
    inner(hx, y, points, left);
    inner(x, hy, points, right);
    *energy = fabs(hxhx[0] / xx[0] - 1.0);
    *adjoint = hypot(left[0] - right[0], left[1] - right[1]) / sqrt(hxhx[0] * yy[0]);
}

int OPU_REAL(opu_accept_unitarity)(const struct opu_chain_setup *setup, uint64_t seed,
                                   double *energy, double *adjoint)
{
    struct opu_chain_setup whole = *setup;
    whole.in = (struct opu_window){.width = setup->n, .height = setup->n};
    whole.out = whole.in;
    whole.batch = 1;
    struct OPU_REAL(opu_chain) * chain;
    OPU_TRY(OPU_REAL(opu_chain_create)(&chain, &whole, NULL));
    size_t const points = setup->n * setup->n;
    real *const field = opu_calloc(setup->context, 8 * points, sizeof(*field));
    if (field != NULL) {
        compare(chain, field, points, seed, energy, adjoint);
    }
    OPU_REAL(opu_chain_destroy)(chain);
    opu_context_free(setup->context, field);
    return field == NULL ? OPU_E_NO_MEMORY : OPU_OK;
}
