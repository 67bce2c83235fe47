/* SPDX-License-Identifier: MIT */
/*
 * Matrix-free propagation: a slab of four screens, forward, screen, three times [free space,
 * screen], forward, on whole grids of 512 to 4096 points a side. Floors: its eight transforms alone
 * by FFTW (in place, measured plans), and the same chain in SciPy where that is installed.
 */
#include "tools/bench/bench_sim.h"

#include "core/base/fft_lock.h"
#include "sim/wave/chain.h"

#include <fftw3.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#ifdef _OPENMP
#include <omp.h>
#endif

enum { SCREENS = 4, TRANSFORMS = 8, STEPS = 15, MAX_ROUNDS = 15 };

#define WAVELENGTH_M 532e-9
#define PITCH_M (2.0 * WAVELENGTH_M)

static const char scipy_chain_text[] = {
#include "scipy_chain.h" /* generated: the bytes of scipy_chain.py */
};

struct bench_wave {
    size_t n;
    uint16_t *masks; /* [SCREENS][n][n] */
    float *in, *out; /* [n][n][2] */
    struct opu_chain_f32 *chain;
    fftwf_complex *grid;
    fftwf_plan plan;
};

static void close_wave(struct bench_wave *wave)
{
    opu_chain_destroy_f32(wave->chain);
    opu_fft_lock();
    if (wave->plan != NULL) {
        fftwf_destroy_plan(wave->plan);
    }
    fftwf_free(wave->grid);
    opu_fft_unlock();
    free(wave->out);
    free(wave->in);
    free(wave->masks);
}

static int make_chain(struct bench_wave *wave, struct opu_context *context)
{
    size_t const n = wave->n;
    struct opu_step steps[STEPS];
    size_t k = 0;
    struct opu_step const forward = {.kind = OPU_STEP_FORWARD};
    struct opu_step const inverse = {.kind = OPU_STEP_INVERSE};
    struct opu_step const space = {
        .kind = OPU_STEP_SPACE, .distance_m = 0.5 * (double)n * PITCH_M * PITCH_M / WAVELENGTH_M};
    steps[k++] = forward;
    for (size_t s = 0; s < SCREENS; ++s) {
        if (s > 0) {
            steps[k++] = forward;
            steps[k++] = space;
            steps[k++] = inverse;
        }
        steps[k++] = (struct opu_step){.kind = OPU_STEP_PHASE, .phase = wave->masks + s * n * n};
    }
    steps[k++] = forward;
    struct opu_chain_setup const setup = {.context = context,
                                          .n = n,
                                          .pitch_m = PITCH_M,
                                          .wavelength_m = WAVELENGTH_M,
                                          .steps = steps,
                                          .n_steps = k,
                                          .in = {0, 0, n, n},
                                          .out = {0, 0, n, n},
                                          .batch = 1};
    return opu_chain_create_f32(&wave->chain, &setup, NULL);
}

static int open_wave(struct bench_wave *wave, const struct bench_options *options, size_t n,
                     double *plan_s)
{
    *wave = (struct bench_wave){.n = n};
    wave->masks = malloc(SCREENS * n * n * sizeof(*wave->masks));
    wave->in = malloc(n * n * 2 * sizeof(float));
    wave->out = malloc(n * n * 2 * sizeof(float));
    if (wave->masks == NULL || wave->in == NULL || wave->out == NULL) {
        return OPU_E_NO_MEMORY;
    }
    for (size_t i = 0; i < SCREENS * n * n; ++i) {
        wave->masks[i] = (uint16_t)(i * UINT64_C(0x9e3779b97f4a7c15) >> 40);
    }
    for (size_t i = 0; i < 2 * n * n; ++i) {
        wave->in[i] = (float)(i % 17) / 17.0f - 0.5f;
        wave->out[i] = 0.0f;
    }
    int const status = make_chain(wave, options->context);
    if (status != OPU_OK) {
        return status;
    }
    double const start = bench_seconds();
    opu_fft_lock();
    fftwf_plan_with_nthreads(options->threads);
    wave->grid = fftwf_alloc_complex(n * n);
    if (wave->grid != NULL) {
        wave->plan =
            fftwf_plan_dft_2d((int)n, (int)n, wave->grid, wave->grid, FFTW_FORWARD, FFTW_MEASURE);
    }
    fftwf_plan_with_nthreads(1);
    opu_fft_unlock();
    *plan_s = bench_seconds() - start;
    return wave->plan != NULL ? OPU_OK : OPU_E_NO_MEMORY;
}

/* Seconds of the bare transforms; data are set anew before each, untimed, or they would overflow.
 */
static double bare_seconds(struct bench_wave *wave)
{
    double sum = 0.0;
    for (int k = 0; k < TRANSFORMS; ++k) {
        if (k % 4 == 0) {
            for (size_t i = 0; i < wave->n * wave->n; ++i) {
                wave->grid[i][0] = wave->in[2 * i];
                wave->grid[i][1] = wave->in[2 * i + 1];
            }
        }
        double const start = bench_seconds();
        fftwf_execute(wave->plan);
        sum += bench_seconds() - start;
    }
    return sum;
}

/* Seconds of the chain in SciPy, NaN where it is not installed. */
static double scipy_seconds(const struct bench_options *options, size_t n, unsigned rounds)
{
    char path[] = "/tmp/opu-bench-XXXXXX";
    int const fd = mkstemp(path);
    double seconds = (double)NAN;
    FILE *const script = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (script == NULL) {
        return seconds;
    }
    fwrite(scipy_chain_text, 1, sizeof scipy_chain_text - 1, script);
    fclose(script);
    static const char *const pythons[] = {"python3", "/usr/bin/python3"};
    for (size_t i = 0; isnan(seconds) && i < sizeof pythons / sizeof *pythons; i++) {
        char command[160];
        char line[64];
        snprintf(command, sizeof command, "%s %s %zu %d %u 2>/dev/null", pythons[i], path, n,
                 options->threads, rounds);
        FILE *const pipe = popen(command, "r");
        if (pipe == NULL) {
            continue;
        }
        if (fgets(line, sizeof line, pipe) != NULL) {
            seconds = strtod(line, NULL);
        }
        pclose(pipe);
    }
    unlink(path);
    return seconds;
}

static int bench_size(const struct bench_options *options, struct bench_report *report, size_t n,
                      double scipy_bar)
{
    double chain[MAX_ROUNDS];
    double bare[MAX_ROUNDS];
    double scipy[MAX_ROUNDS];
    unsigned const most = n >= 2048 ? 5 : MAX_ROUNDS;
    unsigned const rounds = options->rounds > most ? most : options->rounds;
    double plan_s = 0.0;
    struct bench_wave wave;
    int const status = open_wave(&wave, options, n, &plan_s);
    for (unsigned round = 0; status == OPU_OK && round <= rounds;
         ++round) { /* the first warms up */
        double const start = bench_seconds();
        opu_chain_apply_f32(wave.chain, wave.in, 1, wave.out);
        double const took = bench_seconds() - start;
        double const floor_s = bare_seconds(&wave);
        if (round > 0) {
            chain[round - 1] = took;
            bare[round - 1] = floor_s;
            scipy[round - 1] = scipy_seconds(options, n, 1);
        }
    }
    close_wave(&wave);
    if (status != OPU_OK) {
        return status;
    }
    double const chain_s = bench_median(chain, rounds);
    double const bare_s = bench_median(bare, rounds);
    double const scipy_s = bench_median(scipy, rounds);
    char name[64];
    snprintf(name, sizeof name, "propagation %zu^2, four screens", n);
    bench_add(report, name, 1e3 * chain_s, "ms", (double)NAN, false);
    snprintf(name, sizeof name, "propagation %zu^2 / its bare FFTs", n);
    bench_add(report, name, chain_s / bare_s, "x", 1.35, true);
    snprintf(name, sizeof name, "planning the bare FFTs, %zu^2", n);
    bench_add(report, name, plan_s, "s", (double)NAN, false);
    if (!isnan(scipy_s)) {
        snprintf(name, sizeof name, "SciPy / propagation %zu^2", n);
        bench_add(report, name, scipy_s / chain_s, "x", scipy_bar, false);
    }
    return OPU_OK;
}

int bench_sim_propagation(const struct bench_options *options, struct bench_report *report)
{
    static const struct {
        size_t n;
        double scipy_bar;
    } sizes[] = {{512, 1.2}, {1024, 2.0}, {2048, 1.5}, {4096, 1.0}};
    opu_fft_lock();
    fftwf_init_threads();
    opu_fft_unlock();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
        if (!options->quiet) {
            fprintf(stderr, "propagation, %zu points a side\n", sizes[i].n);
        }
        int const status = bench_size(options, report, sizes[i].n, sizes[i].scipy_bar);
        if (status < 0) {
            return status;
        }
    }
    return OPU_OK;
}
