/* SPDX-License-Identifier: MIT */
/*
 * How long the matrix stays the same: the projection's probe, over device time. A simulator's clock
 * is set ahead; hardware is asked again and again for a few seconds. An Ornstein-Uhlenbeck medium
 * correlates as exp(-t / tau).
 */
#include "tools/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 13 };

#define HARDWARE_S 3.0
#define PROBE_NOISE 0.02 /* a probe is a few frames of a few hundred outputs */

struct drift {
    double start_s, time_s[STEPS], seen[STEPS];
    size_t n;
};

static double device_seconds(const struct check *check)
{
    return (double)opu_device_clock(check->device) / opu_device_caps(check->device)->frame_rate_hz;
}

static int probe(struct check *check, struct drift *drift)
{
    double seen = 0.0;
    double const now = device_seconds(check);
    int const status = opu_projection_probe(check->projection, &seen);
    if (status == OPU_OK) {
        drift->time_s[drift->n] = now - drift->start_s;
        drift->seen[drift->n++] = seen;
    }
    return status;
}

/* Two steps a decade from 0.01 s, until little is left of the matrix. */
static int walk(struct check *check, struct drift *drift, bool simulated)
{
    uint64_t const start = opu_device_clock(check->device);
    double const rate = opu_device_caps(check->device)->frame_rate_hz;
    double const wall = cli_seconds();
    drift->start_s = device_seconds(check);
    int status = probe(check, drift);
    for (int i = 1; status == OPU_OK && i < STEPS; i++) {
        if (drift->seen[drift->n - 1] < 0.1) {
            break;
        }
        if (simulated) {
            double const ahead = 0.01 * pow(10.0, 0.5 * (double)(i - 1)) * rate;
            uint64_t const wanted = start + (uint64_t)ahead, now = opu_device_clock(check->device);
            opu_device_clock_set(check->device, wanted > now ? wanted : now);
        } else {
            while (cli_seconds() - wall < HARDWARE_S * i / (STEPS - 1) && status == OPU_OK) {
                status = opu_project(check->projection, check->in, check->n_in, 1, check->out,
                                     check->n_out);
            }
        }
        status = status == OPU_OK ? probe(check, drift) : status;
    }
    if (simulated) {
        opu_device_clock_set(check->device, start);
    }
    return status;
}

/* tau of exp(-t / tau), where at least a hundredth is lost; NaN: nothing is. */
static double decay(const struct drift *drift)
{
    double over = 0.0, under = 0.0;
    for (size_t i = 0; i < drift->n; i++) {
        double const c = drift->seen[i];
        if (c > 0.3 && c < 0.99) {
            over += drift->time_s[i] * drift->time_s[i];
            under += -log(c) * drift->time_s[i];
        }
    }
    return under > 0.0 ? over / under : (double)NAN;
}

static void judge(struct check *check, const struct drift *drift)
{
    double expected[STEPS];
    double const tau = decay(drift), last = drift->seen[drift->n - 1];
    for (size_t i = 0; i < drift->n; i++) {
        expected[i] = isnan(tau) ? 1.0 : exp(-drift->time_s[i] / tau);
    }
    struct opu_check_curve const curve = {.title =
                                              "Drift: how much of the matrix is still the same",
                                          .x_label = "device time (s)",
                                          .y_label = "correlation with the calibration's probe",
                                          .n = drift->n,
                                          .x = drift->time_s,
                                          .measured = drift->seen,
                                          .expected = expected};
    check_take(check,
               &(struct opu_check_row){.name = "probe right after calibration",
                                       .formula =
                                           "1: the matrix has had no time to move; correlation of "
                                           "a fixed pattern's answers (core/device/probe.c)",
                                       .value = drift->seen[0],
                                       .low = 1.0 - PROBE_NOISE,
                                       .high = 1.0 + PROBE_NOISE,
                                       .samples = 0.0},
               false, "noise of one probe");
    char why[96];
    snprintf(why, sizeof why, "%.3g left after %.3g s", last, drift->time_s[drift->n - 1]);
    check_take(
        check,
        &(struct opu_check_row){
            .name = "decorrelation time",
            .formula = "exp(-t / tau), fitted (Uhlenbeck and Ornstein, Phys. Rev. 36, 823, 1930)",
            .value = tau,
            .unit = "s",
            .low = -(double)INFINITY,
            .high = (double)INFINITY,
            .curve = &curve},
        false, why);
    struct check_curve *const drawn = check_latest_curve(check);
    if (drawn != NULL) {
        drawn->log_x = true;
    }
}

int check_drift(struct check *check)
{
    const struct opu_caps *const caps = opu_device_caps(check->device);
    if ((caps->flags & OPU_CAP_DRIFT) == 0 || !(caps->frame_rate_hz > 0.0) || !check->linear) {
        check_add(check, "drift", (double)NAN, "", CHECK_NONE, "%s",
                  (caps->flags & OPU_CAP_DRIFT) == 0 ? "the matrix stands still"
                                                     : "not for this read-out or rate");
        return OPU_OK;
    }
    struct drift drift = {.n = 0};
    int status = opu_projection_recalibrate(check->projection);
    status = status == OPU_OK ? walk(check, &drift, (caps->flags & OPU_CAP_FIELD) != 0) : status;
    if (status == OPU_E_UNSUPPORTED) {
        check_add(check, "drift", (double)NAN, "", CHECK_NONE, "%s", opu_error_message());
        return OPU_OK;
    }
    if (status == OPU_OK) {
        judge(check, &drift);
    }
    return status;
}
