/* SPDX-License-Identifier: MIT */
/* Training over optics that drift: probes, warning, calibrating again, the end, and resuming. */
#include "train_toy.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * 32 rows a step are about 256 frames, 0.13 s; a calibration takes 2 s, and four times that must
 * pass before the next: the matrix is then down to exp(-8 / 75) = 0.9. It moves every tau / 256 =
 * 0.3 s.
 */
#define TAU_S 75.0
#define DRIFTING "sim:seed=3,tau=75,rin=0.01,power_drift=0.05,power_drift_tau=20,leakage=0.001"
#define EVERY 4
#define EPOCHS 14

static struct opu_train_config *drift_config(const char *device)
{
    struct opu_train_config *const config = toy_config("dfa", device);
    toy_set(config, "probe.every", "4");
    toy_set(config, "train.epochs", "14");
    toy_set(config, "align.every", "5");
    return config;
}

struct line {
    unsigned probe, epoch, step;
    double device_s, correlation;
    bool recalibrated;
};

/* probes.jsonl, field by field; returns how many lines. */
static size_t lines_of(const char *run, struct line *lines, size_t most)
{
    size_t size, n = 0;
    char *const text = toy_read(run, "probes.jsonl", &size);
    for (const char *at = text; *at; at = strchr(at, '\n') + 1, n++) {
        char yes[8] = "";
        assert_true(n < most);
        assert_int_equal(sscanf(at,
                                "{\"probe\":%u,\"epoch\":%u,\"step\":%u,\"device_s\":%lf,"
                                "\"correlation\":%lf,\"recalibrated\":%5[a-z]}",
                                &lines[n].probe, &lines[n].epoch, &lines[n].step,
                                &lines[n].device_s, &lines[n].correlation, yes),
                         6);
        lines[n].recalibrated = strcmp(yes, "true") == 0;
    }
    free(text);
    return n;
}

#define MOST 200

struct seen {
    uint64_t probes, warnings, recalibrations;
    double lowest;
};

static int watch(void *user, const struct opu_train_progress *progress)
{
    struct seen *seen = user;
    seen->warnings += progress->drift_warning;
    assert_true(progress->probes <= seen->probes + 1);
    if (progress->probes > seen->probes) {
        assert_true(progress->step > 0);
        seen->lowest = fmin(seen->lowest, progress->correlation);
    }
    seen->probes = progress->probes;
    seen->recalibrations = progress->recalibrations;
    return 0;
}

static void drift_is_told_warned_of_and_calibrated_away(void **state)
{
    (void)state;
    struct opu_train_config *config = drift_config(DRIFTING);
    struct opu_trainer *trainer;
    struct opu_train_result result = {.size = sizeof result};
    struct seen seen = {.lowest = 1.0};
    struct line lines[MOST];
    char dir[512];
    toy_path(dir, "run", "");
    assert_int_equal(opu_trainer_create(&trainer, context, config, dir, false), OPU_OK);
    double start_s = (double)opu_device_clock(trainer->device) / 2000.0;
    assert_int_equal(opu_trainer_run(trainer, watch, &seen), OPU_OK);
    assert_int_equal(opu_trainer_result(trainer, &result), OPU_OK);
    opu_trainer_destroy(trainer);
    opu_train_config_destroy(config);

    size_t const n = lines_of("run", lines, MOST);
    uint64_t recalibrations = 0, crossings = 0;
    double lowest = 1.0;
    bool low = false;
    for (size_t i = 0; i < n; i++) {
        const struct line *line = &lines[i];
        assert_int_equal(line->probe, i + 1);
        assert_int_equal((line->epoch - 1) * TOY_STEPS + line->step, EVERY * (i + 1));
        /*
         * 24 outputs and 16 patterns of 10 inputs, which overlap: 24 x 16 / (1 + 15 / 10) = 153
         * samples, five standard deviations. Times are known to two of tau's 256 steps.
         */
        double const wanted = exp(-(line->device_s - start_s) / TAU_S);
        double const allowed = 5.0 * (1.0 - wanted * wanted) / sqrt(153.0) + 2.0 / 256.0;
        if (recalibrations == 0 && !(fabs(line->correlation - wanted) <= allowed)) {
            fail_msg("probe %u: saw %g, wanted %g +- %g", line->probe, line->correlation, wanted,
                     allowed);
        }
        assert_true(!line->recalibrated || line->correlation < 0.95);
        recalibrations += line->recalibrated;
        crossings += line->correlation < 0.98 && !low;
        low = line->correlation < 0.98;
        lowest = fmin(lowest, line->correlation);
    }
    assert_true(recalibrations >= 2 && crossings >= 2);
    assert_int_equal(n, EPOCHS * TOY_STEPS / EVERY);
    assert_int_equal(seen.probes, n);
    assert_int_equal(result.probes, n);
    assert_int_equal(seen.warnings, crossings);
    assert_int_equal(seen.recalibrations, recalibrations);
    assert_int_equal(result.recalibrations, recalibrations);
    assert_true(fabs(result.correlation_lowest - lowest) < 1e-8); /* nine digits */
    assert_true(result.correlation_lowest == seen.lowest);
    assert_true(fabs(result.correlation - lines[n - 1].correlation) < 1e-8);
}

static void a_run_cut_anywhere_in_the_drift_resumes_to_the_same_bits(void **state)
{
    (void)state;
    struct opu_train_config *config = drift_config(DRIFTING);
    struct line lines[MOST];
    toy_runs_well(config, "whole", false);
    size_t const n = lines_of("whole", lines, MOST);
    /* Between two calibrations, right at the probe that asks for the second, and right after. */
    size_t again[2] = {0, 0};
    for (size_t i = 0, k = 0; i < n && k < 2; i++) {
        if (lines[i].recalibrated) {
            again[k++] = i;
        }
    }
    assert_true(again[0] > 0 && again[1] > again[0] + 1 && again[1] + 1 < n);
    const struct line *const middle = &lines[(again[0] + again[1]) / 2], *at = &lines[again[1]];
    struct toy_stop const stops[] = {
        {1, 2},
        {middle->epoch, middle->step},
        {at->epoch, at->step},
        {at->epoch + (at->step == TOY_STEPS), at->step % TOY_STEPS + 1}};
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        assert_int_equal(toy_run(config, "often", i > 0, stops[i]), OPU_E_CANCELLED);
    }
    toy_runs_well(config, "often", true);
    assert_true(toy_same_file("often", "whole", "metrics.jsonl"));
    assert_true(toy_same_file("often", "whole", "probes.jsonl"));
    assert_true(toy_same_tensors("often", "whole"));
    opu_train_config_destroy(config);
}

/* Keeps the checkpoint of epoch 6 aside, as a kill later on would find it. */
static int keep_six(void *user, const struct opu_train_progress *progress)
{
    (void)user;
    if (progress->epoch == 6 && progress->step == 0) {
        char path[512];
        toy_path(path, "kept", "");
        assert_int_equal(mkdir(path, 0777), 0);
        toy_copy("run", "kept", OPU_CHECKPOINT_FILE);
    }
    return 0;
}

static void probes_after_the_checkpoint_are_taken_again(void **state)
{
    (void)state;
    struct opu_train_config *config = drift_config(DRIFTING);
    struct opu_trainer *trainer;
    char dir[512];
    toy_runs_well(config, "whole", false);
    toy_path(dir, "run", "");
    assert_int_equal(opu_trainer_create(&trainer, context, config, dir, false), OPU_OK);
    assert_int_equal(opu_trainer_run(trainer, keep_six, NULL), OPU_OK);
    opu_trainer_destroy(trainer);
    toy_copy("kept", "run", OPU_CHECKPOINT_FILE);
    toy_runs_well(config, "run", true);
    assert_true(toy_same_file("run", "whole", "metrics.jsonl"));
    assert_true(toy_same_file("run", "whole", "probes.jsonl"));
    assert_true(toy_same_tensors("run", "whole"));
    opu_train_config_destroy(config);
}

static void a_run_below_the_bound_ends_and_can_be_gone_on_with(void **state)
{
    (void)state;
    struct opu_train_config *config = drift_config(DRIFTING);
    struct line lines[MOST];
    toy_set(config, "probe.recalibrate", "0");
    toy_set(config, "train.epochs", "8");
    toy_runs_well(config, "whole", false);
    toy_set(config, "probe.stop", "0.95");
    assert_int_equal(toy_run(config, "run", false, (struct toy_stop){0}), OPU_E_DEVICE);
    toy_said("correlation 0.9");
    toy_said("below probe.stop = 0.95, at ");
    toy_said(" s of device time, ");
    toy_said("(tau about ");
    toy_said("resume with another probe.stop");
    size_t const n = lines_of("run", lines, MOST);
    assert_true(n > 2 && lines[n - 1].correlation < 0.95 && !lines[n - 1].recalibrated);
    for (size_t i = 0; i + 1 < n; i++) {
        assert_true(lines[i].correlation >= 0.95);
    }
    /* The bound does not move a bit. The same one ends it at the next probe. */
    assert_int_equal(toy_run(config, "run", true, (struct toy_stop){0}), OPU_E_DEVICE);
    assert_int_equal(lines_of("run", lines, MOST), n + 1);
    toy_set(config, "probe.stop", "0");
    toy_set(config, "probe.warn", "0");
    toy_runs_well(config, "run", true);
    assert_true(toy_same_file("run", "whole", "metrics.jsonl"));
    assert_true(toy_same_file("run", "whole", "probes.jsonl"));
    assert_true(toy_same_tensors("run", "whole"));
    opu_train_config_destroy(config);
}

static void what_stands_still_is_not_probed(void **state)
{
    (void)state;
    const char *const still[][2] = {
        {"dfa", TOY_EXACT}, {"dfa", "sim:seed=3"}, {"bp", ""}, {"shallow", ""}};
    for (size_t i = 0; i < sizeof still / sizeof *still; i++) {
        struct opu_train_config *config = toy_config(still[i][0], still[i][1]);
        char run[16], path[512];
        (void)snprintf(run, sizeof run, "run%zu", i);
        toy_runs_well(config, run, false);
        toy_path(path, run, "probes.jsonl");
        assert_int_not_equal(access(path, F_OK), 0);
        toy_set(config, "train.epochs", "4");
        toy_runs_well(config, run, true); /* a log that never had a line is not missed */
        opu_train_config_destroy(config);
    }
}

static void without_a_cadence_drift_is_probed_now_and_then(void **state)
{
    (void)state;
    struct opu_train_config *config = toy_config("dfa", DRIFTING);
    struct line lines[MOST] = {0};
    toy_set(config, "train.epochs", "6");
    toy_runs_well(config, "run", false);
    /* 1000 rows apart at least, 32 steps of 32; there are 66. */
    assert_int_equal(lines_of("run", lines, MOST), 2);
    assert_int_equal(lines[0].epoch * 100 + lines[0].step, 310);
    opu_train_config_destroy(config);
}

static void calibration_takes_a_fifth_of_the_light_at_most(void **state)
{
    (void)state;
    struct opu_train_config *config = drift_config("sim:seed=3,tau=0.5");
    struct opu_trainer *trainer;
    struct opu_train_result result = {.size = sizeof result};
    toy_set(config, "train.epochs", "10");
    assert_int_equal(opu_trainer_create(&trainer, context, config, NULL, false), OPU_OK);
    uint64_t const calibration = opu_device_clock(trainer->device);
    assert_int_equal(opu_trainer_run(trainer, NULL, NULL), OPU_OK);
    assert_int_equal(opu_trainer_result(trainer, &result), OPU_OK);
    /* A matrix of 0.5 s is another one at every probe, 0.5 s apart. */
    assert_true(result.probes >= 27 && result.recalibrations >= 1);
    double const share =
        (double)(result.recalibrations * calibration) / (double)opu_device_clock(trainer->device);
    assert_true(share <= 0.21); /* calibrations differ by a few frames */
    opu_trainer_destroy(trainer);
    opu_train_config_destroy(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TOY_TEST_CASE(drift_is_told_warned_of_and_calibrated_away),
        TOY_TEST_CASE(a_run_cut_anywhere_in_the_drift_resumes_to_the_same_bits),
        TOY_TEST_CASE(probes_after_the_checkpoint_are_taken_again),
        TOY_TEST_CASE(a_run_below_the_bound_ends_and_can_be_gone_on_with),
        TOY_TEST_CASE(what_stands_still_is_not_probed),
        TOY_TEST_CASE(without_a_cadence_drift_is_probed_now_and_then),
        TOY_TEST_CASE(calibration_takes_a_fifth_of_the_light_at_most),
    };
    return cmocka_run_group_tests_name("drift", tests, toy_group_set_up, toy_group_tear_down);
}
