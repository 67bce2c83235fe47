/* SPDX-License-Identifier: MIT */
/*
 * Drift of the device, watched between steps. A probe tells how much of the matrix is what the
 * latest calibration saw; what follows is a warning, another calibration, or the run's end. All of
 * it is a function of the step and the device clock: a repeated or a resumed run does the same.
 */
#include "core/train/trainer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include <opu/backend.h>

#include "core/base/fail.h"

/*
 * Automatic probes of an epoch, as long as there are so many rows between two: a probe costs 8 to
 * 64 patterns, a row two.
 */
#define PROBES_PER_EPOCH 20
#define ROWS_BETWEEN 1000
/*
 * A calibration again waits until the run has used so many times its frames: where the matrix
 * drifts faster than it can be calibrated, light would go into nothing else. A fifth at most does.
 */
#define CALIBRATION_SHARE 4

/* Steps between two probes; 0: none. */
static uint64_t cadence(const struct opu_trainer *t)
{
    uint64_t const every = t->config.settings.probe.every;
    if (every > 0 || (opu_device_caps(t->device)->flags & OPU_CAP_DRIFT) == 0) {
        return every;
    }
    uint64_t const rows = t->task->step_rows;
    uint64_t const least = (ROWS_BETWEEN + rows - 1) / rows;
    uint64_t const wanted = t->task->steps / PROBES_PER_EPOCH;
    return wanted > least ? wanted : least;
}

static double seconds(const struct opu_trainer *t, uint64_t frames)
{
    double const rate = opu_device_caps(t->device)->frame_rate_hz;
    return rate > 0.0 ? (double)frames / rate : (double)NAN;
}

static int write_line(struct opu_trainer *t, uint64_t clock, bool recalibrated)
{
    struct opu_probe_metrics const metrics = {
        .probe = t->at.probes,
        .epoch = t->at.epochs + 1,
        .step = t->at.step,
        .device_s = seconds(t, clock),
        .correlation = t->at.correlation,
        .recalibrated = recalibrated,
    };
    char line[OPU_METRICS_LINE_SIZE];
    opu_probe_line(line, &metrics);
    return opu_folder_append(&t->folder, OPU_LOG_PROBES, line);
}

/* ", at 12 s of device time, 3 s after its calibration (tau about 100 s)": what is known of it. */
static void describe_time(const struct opu_trainer *t, uint64_t clock, char *text, size_t n)
{
    double const age_s = seconds(t, clock - t->at.calibrated);
    double const tau_s = -age_s / log(t->at.correlation);
    *text = 0;
    if (isfinite(age_s)) {
        int const wrote =
            snprintf(text, n, ", at %.4g s of device time, %.4g s after its calibration",
                     seconds(t, clock), age_s);
        if (t->at.correlation > 0.0 && t->at.correlation < 1.0 && wrote > 0 && (size_t)wrote < n) {
            (void)snprintf(text + wrote, n - (size_t)wrote, " (tau about %.2g s)", tau_s);
        }
    }
}

static int stop(struct opu_trainer *t, uint64_t clock)
{
    char time[128];
    describe_time(t, clock, time, sizeof time);
    OPU_TRY(opu_checkpoint_write(t));
    return opu_fail(OPU_E_DEVICE,
                    "the device's matrix has drifted: correlation %.3f, below probe.stop = %g%s, "
                    "in epoch %" PRIu64 " after step %" PRIu64 "%s",
                    t->at.correlation, t->config.settings.probe.stop, time, t->at.epochs + 1,
                    t->at.step,
                    opu_folder_keeps(&t->folder) ? "; resume with another probe.stop" : "");
}

static int recalibrate(struct opu_trainer *t)
{
    uint64_t const start = opu_device_clock(t->device);
    OPU_TRY(opu_projection_recalibrate(opu_feedback_projection(t->feedback)));
    t->at.recalibrations++;
    t->at.calibrated = opu_device_clock(t->device);
    t->at.calibration_frames = t->at.calibrated - start;
    return OPU_OK;
}

/* What a probe leads to. */
static int act(struct opu_trainer *t)
{
    const struct opu_probe_settings *const s = &t->config.settings.probe;
    double const seen = t->at.correlation;
    uint64_t const clock = opu_device_clock(t->device);
    bool const drifted = seen < s->warn;
    bool const end = s->stop > 0.0 && seen < s->stop;
    bool const low = s->recalibrate > 0.0 && seen < s->recalibrate;
    uint64_t const used = clock - t->at.calibrated;
    bool const again = !end && low && used / CALIBRATION_SHARE >= t->at.calibration_frames;
    t->drift_warning = drifted && t->at.drifted == 0;
    t->at.drifted = drifted;
    opu_context_log(t->context, OPU_LOG_INFO, "train",
                    "probe %" PRIu64 ": correlation %.4f at %g s of device time%s", t->at.probes,
                    seen, seconds(t, clock), again ? ": calibrating again" : "");
    if (again) {
        OPU_TRY(recalibrate(t));
    }
    OPU_TRY(write_line(t, clock, again));
    return end ? stop(t, clock) : OPU_OK;
}

int opu_trainer_watch(struct opu_trainer *t)
{
    t->drift_warning = false;
    if (!t->feedback) {
        return OPU_OK;
    }
    uint64_t const every = cadence(t);
    if (every == 0 || (t->at.epochs * t->task->steps + t->at.step) % every != 0) {
        return OPU_OK;
    }
    double correlation;
    OPU_TRY(opu_projection_probe(opu_feedback_projection(t->feedback), &correlation));
    t->at.probes++;
    t->at.correlation = correlation;
    t->at.correlation_lowest = fmin(t->at.correlation_lowest, correlation); /* of NaN: the other */
    return act(t);
}
