/* SPDX-License-Identifier: MIT */
/*
 * The noise of every linear read-out that the device has, against the formula of check_noise.c:
 * random patterns on all mirrors, and on three shares of them that are drawn from the seed, the
 * same for every read-out; each shown many times. What the formula predicts is the variance between
 * repetitions over the variance of the signal of all mirrors, that is of entries of variance 1.
 */
#include "tools/check.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { OUTPUTS = 10240, PATTERNS = 4, REPEATS = 16, ROWS = PATTERNS * REPEATS, SHARES = 4 };

#define TO_FORMULA 0.03
/* Fewest mirrors on: one of so many. */
#define LEAST_SHARE 8
/* With coarser steps the calibration's own roundings, too, are more than the bar. */
#define LEAST_BITS 8

#define N_READOUTS 4

const char *const check_readout_names[N_READOUTS] = {"phase4", "phase3", "anchor", "offaxis"};
const size_t check_n_readouts = N_READOUTS;
/* What each is held to; in the order of check_readout_names. */
static const char *const formulas[N_READOUTS] = {
    "Var S = (ns + nr + sr^2 + sq^2) / (4 nr) (Gross et al., arXiv 1206.1475)",
    "Var S = (ns + nr + sr^2 + sq^2) / (3 nr) (Gross et al., arXiv 1206.1475)",
    "Var = E [|S + A|^2 + |S|^2 + 2 sr^2 + 2 sq^2] / (4 |A|^2) (after Ohana et al., arXiv "
    "2305.12988)",
    "Var S = eta (ns + nr + sr^2 + sq^2) / nr, eta the share of the side band in the picture's "
    "noise (core/device/sideband.h)",
};

struct trial {
    struct check *check;
    struct opu_projection *projection;
    size_t which; /* of check_readout_names */
    const char *readout;
    size_t n_in, n_out;
    const size_t *n_on; /* [SHARES] mirrors that are on */
    float *in, *out;    /* [ROWS][n_in], [ROWS][n_out] */
};

/* What all read-outs found, for one picture. */
struct harvest {
    size_t n;
    double bar; /* the widest that was asked for */
    double x[N_READOUTS * SHARES], measured[N_READOUTS * SHARES], expected[N_READOUTS * SHARES];
    char names[N_READOUTS * SHARES][32];
};

/* All mirrors, and three draws of 1/LEAST_SHARE of them up to all. */
static void draw_shares(struct check *check, size_t n_on[SHARES])
{
    size_t const n = check->n_in, least = n / LEAST_SHARE;
    n_on[0] = n;
    for (size_t s = 1; s < SHARES; s++) {
        n_on[s] = least + (size_t)(check_random(check) % (n - least));
    }
}

/* PATTERNS patterns on so many mirrors, each REPEATS times. */
static void show_share(const struct trial *trial, size_t on)
{
    size_t const n = trial->n_in;
    memset(trial->in, 0, ROWS * n * sizeof *trial->in);
    for (size_t p = 0; p < PATTERNS; p++) {
        float *const row = trial->in + p * REPEATS * n;
        for (size_t lit = 0; lit < on;) {
            size_t const j = (size_t)(check_random(trial->check) % n);
            lit += row[j] == 0.0f;
            row[j] = 1.0f;
        }
        for (size_t r = 1; r < REPEATS; r++) {
            memcpy(row + r * n, row, n * sizeof *row);
        }
    }
}

static int project(const struct trial *trial)
{
    return opu_project(trial->projection, trial->in, trial->n_in, ROWS, trial->out, trial->n_out);
}

/*
 * Variance between repetitions, mean over patterns and outputs: that of successive differences, as
 * a matrix that drifts hardly moves from one row to the next.
 */
static double variance_between(const struct trial *trial, size_t repeats)
{
    size_t const m = trial->n_out, patterns = ROWS / repeats;
    double const count = (double)m * (double)patterns * 2.0 * (double)(repeats - 1);
    double square = 0.0;
    for (size_t p = 0; p < patterns; p++) {
        const float *const rows = trial->out + p * repeats * m;
        for (size_t k = 0; k < m; k++) {
            for (size_t i = 1; i < repeats; i++) {
                double const step = (double)rows[i * m + k] - (double)rows[(i - 1) * m + k];
                square += step * step;
            }
        }
    }
    return square / count;
}

static void judge(const struct trial *trial, size_t share, double value, double wanted,
                  double scatter, uint32_t bits, struct harvest *harvest)
{
    struct check *const check = trial->check;
    char name[96], why[96], drawn[64];
    double const pixels = (double)trial->n_out;
    snprintf(name, sizeof name, "noise of %s, %s", trial->readout,
             share == 0 ? "all mirrors" : "some of the mirrors");
    snprintf(drawn, sizeof drawn, "%zu of %zu mirrors on", trial->n_on[share], trial->n_in);
    if (!(wanted > 0.0) || bits < LEAST_BITS) {
        check_add(check, name, value / wanted, "", CHECK_NONE, "%s",
                  wanted > 0.0 ? "of the formula's, for information: it is for 8 bits and more"
                               : "noise unknown");
        return;
    }
    double const bar = fmax(TO_FORMULA, 4.0 * scatter);
    assert(harvest != NULL);
    harvest->bar = fmax(harvest->bar, bar);
    snprintf(why, sizeof why, "of the formula's %.4g; sampling %.2g %%", wanted, 100.0 * scatter);
    check_take(check,
               &(struct opu_check_row){.name = name,
                                       .formula = formulas[trial->which],
                                       .drawn = drawn,
                                       .value = value / wanted,
                                       .low = 1.0 - bar,
                                       .high = 1.0 + bar,
                                       .samples = pixels * PATTERNS * (REPEATS - 1)},
               false, why);
    size_t const at = harvest->n++;
    harvest->x[at] = (double)at;
    harvest->measured[at] = value;
    harvest->expected[at] = wanted;
    snprintf(harvest->names[at], sizeof harvest->names[at], "%s %zu", trial->readout,
             trial->n_on[share]);
}

/* What one share of the mirrors gave, both over what all mirrors' signal should be: noise between
 * repetitions; light of these very patterns in these pixels over that of the ensemble. */
struct seen {
    double noise, light;
};

/* Mean square of all outputs. */
static double power_of(const struct trial *trial)
{
    size_t const n = ROWS * trial->n_out;
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)trial->out[i] * (double)trial->out[i];
    }
    return sum / (double)n;
}

/*
 * Entries of variance 1 are what a projection promises; whether they have it is for the matrix rows
 * to say: uneven light or crossed polarisation moves it, and not the noise. Shot noise follows the
 * light that is there, though, and of one pattern that may be off the mean of all: by speckle's own
 * chance, and in a picture on which a thin or an ordered medium sends more or less than its share.
 */
static int measure(const struct trial *trial, struct opu_calibration *found, struct seen *seen)
{
    double const all = (double)trial->n_in;
    int status = opu_projection_calibration(trial->projection, found);
    for (size_t s = 0; status == OPU_OK && s < SHARES; s++) {
        show_share(trial, trial->n_on[s]);
        status = project(trial);
        double const noise = variance_between(trial, REPEATS);
        seen[s].noise = noise / all;
        seen[s].light = fmax(0.0, power_of(trial) - noise) / (double)trial->n_on[s];
    }
    return status;
}

static void judge_all(const struct trial *trial, const struct opu_calibration *found,
                      const struct seen *seen, struct harvest *harvest)
{
    for (size_t s = 0; s < SHARES; s++) {
        /* An anchor's outputs hold one quadrature of the light: what frames told of it is better.
         */
        struct check_noise const of = {.caps = opu_device_caps(trial->check->device),
                                       .found = found,
                                       .readout = trial->readout,
                                       .n_in = trial->n_in,
                                       .light = seen[s].light,
                                       .n_on = trial->n_on[s]};
        /* Relative deviations: of the mean over pixels whose noise differs, of variances from
         * repetitions. */
        double const m = (double)trial->n_out, spread = check_noise_spread(trial->readout);
        double const scatter = sqrt(spread * spread / (m * PATTERNS) +
                                    3.0 / (m * PATTERNS * (REPEATS - 1)) + 4.0 / (m * ROWS));
        judge(trial, s, seen[s].noise, check_predict_noise(&of), scatter, found->bits, harvest);
    }
}

/* OPU_E_UNSUPPORTED: the device has no such read-out. */
static int try_readout(struct check *check, size_t which, const size_t *n_on,
                       struct harvest *harvest)
{
    const char *const readout = check_readout_names[which];
    const struct opu_caps *const caps = opu_device_caps(check->device);
    struct trial trial = {
        .check = check, .which = which, .readout = readout, .n_in = check->n_in, .n_on = n_on};
    trial.n_out = caps->max_pixels < OUTPUTS ? caps->max_pixels : OUTPUTS;
    struct opu_projection_options const plan = {.size = sizeof plan,
                                                .n_in = trial.n_in,
                                                .n_out = trial.n_out,
                                                .max_rows = ROWS,
                                                .variance = 1.0,
                                                .encode = "ternary",
                                                .readout = readout,
                                                .bits = check->bits};
    struct opu_calibration found = {.size = sizeof found};
    struct seen seen[SHARES] = {{0}};
    int status = opu_projection_create(&trial.projection, check->device, &plan);
    if (status < 0) {
        return status;
    }
    trial.in = malloc(ROWS * trial.n_in * sizeof *trial.in);
    trial.out = malloc(ROWS * trial.n_out * sizeof *trial.out);
    status = trial.in != NULL && trial.out != NULL
                 ? measure(&trial, &found, seen)
                 : opu_fail(OPU_E_NO_MEMORY, "no memory for %zu outputs", trial.n_out);
    free(trial.in);
    free(trial.out);
    opu_projection_destroy(trial.projection);
    if (status == OPU_OK) {
        judge_all(&trial, &found, seen, harvest);
    }
    return status;
}

static void add_picture(struct check *check, const struct harvest *harvest)
{
    struct opu_check_curve const curve = {.title = "Noise of the read-outs against their formulas",
                                          .x_label = "read-out, mirrors on",
                                          .y_label = "noise / signal of all (variance)",
                                          .n = harvest->n,
                                          .x = harvest->x,
                                          .measured = harvest->measured,
                                          .expected = harvest->expected};
    double worst = 0.0;
    for (size_t i = 0; i < harvest->n; i++) {
        worst = fmax(worst, fabs(harvest->measured[i] / harvest->expected[i] - 1.0));
    }
    check_take(check,
               &(struct opu_check_row){.name = "read-outs, worst off the formula",
                                       .value = 100.0 * worst,
                                       .unit = "%",
                                       .low = -(double)INFINITY,
                                       .high = 100.0 * harvest->bar,
                                       .curve = &curve},
               false, "variance of the noise over that of all mirrors' signal");
    struct check_curve *const drawn = check_latest_curve(check);
    if (drawn == NULL) {
        return;
    }
    drawn->shape = CHECK_BARS;
    drawn->log_y = true;
    drawn->tolerance = TO_FORMULA;
    drawn->names = calloc(harvest->n, sizeof *drawn->names);
    for (size_t i = 0; drawn->names != NULL && i < harvest->n; i++) {
        drawn->names[i] = malloc(sizeof harvest->names[i]);
        if (drawn->names[i] != NULL) {
            memcpy(drawn->names[i], harvest->names[i], sizeof harvest->names[i]);
        }
    }
}

int check_readouts(struct check *check)
{
    struct harvest *const harvest = calloc(1, sizeof *harvest);
    int status =
        harvest != NULL ? OPU_OK : opu_fail(OPU_E_NO_MEMORY, "no memory for the read-outs");
    size_t n_on[SHARES];
    draw_shares(check, n_on);
    for (size_t i = 0; status == OPU_OK && i < N_READOUTS; i++) {
        status = try_readout(check, i, n_on, harvest);
        char name[64];
        if (status == OPU_E_DEVICE) { /* not fit for this read-out: told, and the next one tried */
            snprintf(name, sizeof name, "noise of %s", check_readout_names[i]);
            check_add(check, name, (double)NAN, "", CHECK_FAIL, "%s", opu_error_message());
            status = OPU_OK;
        }
        if (status == OPU_E_UNSUPPORTED || status == OPU_E_INVALID) {
            snprintf(name, sizeof name, "noise of %s", check_readout_names[i]);
            check_add(check, name, (double)NAN, "", CHECK_NONE, "not here: %s",
                      opu_error_message());
            status = OPU_OK;
        }
    }
    if (status == OPU_OK && harvest->n > 0) {
        add_picture(check, harvest);
    }
    free(harvest);
    return status;
}
