/* SPDX-License-Identifier: MIT */
/*
 * Acceptance tests of light in a slab of phase screens, for the media group: ballistic light (M2),
 * angles (M3). Formulas: sim/medium/medium_slab.h. Lengths are in wavelengths.
 */
#include "sim/acceptance/measured.h"
#include "sim/acceptance/propagation.h"
#include "sim/acceptance/thin_slab.h"
#include "sim/wave/factor.h"

#include "core/base/fail.h"

#include <math.h>
#include <stdio.h>

#define CASES 3
#define TEXT 200

/* On the axis the mean amplitude is real, exp(-b / 2). */
static int ballistic(struct opu_acceptance *acceptance)
{
    size_t const runs = acceptance->thorough ? 128 : 64;
    for (int k = 0; k < CASES; ++k) {
        double const b = opu_accept_draw(acceptance, 1.0, 2.5);
        size_t const screens = opu_accept_draw_size(acceptance, 2, 5);
        double const lc = opu_accept_draw(acceptance, 1.0, 3.0);
        double const d = opu_accept_draw(acceptance, 5.0, 20.0);
        struct opu_estimate t = {0, 0.0, 0.0};
        struct opu_thin_slab thin;
        OPU_TRY(opu_thin_slab_init(&thin, acceptance->context, 128, 1,
                                   opu_thin_slab_of(screens, b / (double)screens, lc, d)));
        int status = OPU_OK;
        for (size_t run = 0; run < runs && status == OPU_OK; ++run) {
            status = opu_thin_slab_run(&thin, opu_accept_draw_seed(acceptance));
            opu_estimate_add(&t, (double)thin.out[0]);
        }
        opu_thin_slab_fini(&thin);
        ACCEPT_TRY(status);
        char drawn[TEXT];
        snprintf(drawn, sizeof(drawn),
                 "%zu screens, sum sigma^2 = %.3f, lc = %.2f, d = %.1f lambda", screens, b, lc, d);
        double const wanted = exp(-0.5 * b);
        double const bar = opu_accept_sigmas(runs) * opu_estimate_error(&t) / wanted;
        ACCEPT_TRY(opu_accept(
            acceptance,
            (struct opu_check_row){
                .test = "M2",
                .name = "ballistic amplitude over its formula",
                .formula =
                    "<t> = exp(-sum sigma^2 / 2) = exp(-L / (2 ls)) (sim/medium/medium_slab.h)",
                .drawn = drawn,
                .value = opu_estimate_mean(&t) / wanted,
                .low = 1.0 - bar,
                .high = 1.0 + bar,
                .samples = (double)runs}));
    }
    return OPU_OK;
}

/* Mean of sin^2 theta over the field [n][n][2] of directions. */
static double mean_angle(const float *out, size_t n, double pitch)
{
    double power = 0.0;
    double sum = 0.0;
    for (size_t y = 0; y < n; ++y) {
        for (size_t x = 0; x < n; ++x) {
            double const fx = opu_signed_index(x, n) / ((double)n * pitch);
            double const fy = opu_signed_index(y, n) / ((double)n * pitch);
            double const re = (double)out[(y * n + x) * 2];
            double const im = (double)out[(y * n + x) * 2 + 1];
            power += re * re + im * im;
            sum += (re * re + im * im) * (fx * fx + fy * fy);
        }
    }
    return sum / power;
}

/* Rms frequencies below 0.14 / pitch an axis: Nyquist's folds less than 4e-4 of the power back. */
static int angles(struct opu_acceptance *acceptance)
{
    size_t const runs = acceptance->thorough ? 96 : 48;
    for (int k = 0; k < CASES; ++k) {
        size_t const screens = opu_accept_draw_size(acceptance, 3, 6);
        double const b = opu_accept_draw(acceptance, 3.0, 6.0);
        double const lc = opu_accept_draw(acceptance, 3.0, 4.0);
        double const d = opu_accept_draw(acceptance, 5.0, 20.0);
        struct opu_estimate angle = {0, 0.0, 0.0};
        struct opu_thin_slab thin;
        OPU_TRY(opu_thin_slab_init(&thin, acceptance->context, 128, 1,
                                   opu_thin_slab_of(screens, b / (double)screens, lc, d)));
        int status = OPU_OK;
        for (size_t run = 0; run < runs && status == OPU_OK; ++run) {
            status = opu_thin_slab_run(&thin, opu_accept_draw_seed(acceptance));
            opu_estimate_add(&angle, mean_angle(thin.out, thin.n, thin.slab.pitch_m));
        }
        opu_thin_slab_fini(&thin);
        ACCEPT_TRY(status);
        char drawn[TEXT];
        snprintf(drawn, sizeof(drawn), "%zu screens, L/ls = %.2f, g = %.4f, d = %.1f lambda",
                 screens, b, thin.slab.anisotropy, d);
        double const wanted = 2.0 * b * (1.0 - thin.slab.anisotropy);
        double const bar = opu_accept_sigmas(runs) * opu_estimate_error(&angle) / wanted;
        ACCEPT_TRY(opu_accept(
            acceptance,
            (struct opu_check_row){.test = "M3",
                                   .name = "mean square angle over its formula",
                                   .formula = "<sin^2 theta> = 2 L / l* (sim/medium/medium_slab.h)",
                                   .drawn = drawn,
                                   .value = opu_estimate_mean(&angle) / wanted,
                                   .low = 1.0 - bar,
                                   .high = 1.0 + bar,
                                   .samples = (double)runs}));
    }
    return OPU_OK;
}

int opu_accept_slab(struct opu_acceptance *acceptance)
{
    ACCEPT_TRY(ballistic(acceptance));
    ACCEPT_TRY(angles(acceptance));
    return opu_accept_memory(acceptance);
}
