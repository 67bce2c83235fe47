/* SPDX-License-Identifier: MIT */
/*
 * For the tests of the optical bench: parameters drawn from a printed seed, statistics, and a bench
 * opened with a few options changed. OPU_TEST_SEED in the environment runs a seed again.
 */
#ifndef OPU_TEST_SIM_SUPPORT_H
#define OPU_TEST_SIM_SUPPORT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/options.h"
#include "core/base/rng.h"
#include "sim/sim_device.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * Bars of random tests stand at this many standard deviations: with about a hundred of them in a
 * run and a new seed each time, fewer than one run in a million fails by chance where the estimate
 * is normal.
 */
#define SIGMAS 6.0
/* Kolmogorov: sqrt(n) D exceeds it with p = 2 exp(-2 * 2.7^2) = 1e-6. */
#define KOLMOGOROV 2.7

static inline uint64_t test_seed(void)
{
    static uint64_t seed;
    if (seed == 0) {
        const char *const text = getenv("OPU_TEST_SEED");
        seed = text != NULL ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);
        printf("# OPU_TEST_SEED=%llu\n", (unsigned long long)seed);
    }
    return seed;
}

static inline uint32_t draw_word(void)
{
    static uint64_t counter;
    return opu_philox(test_seed(), OPU_STREAM_TEST, 0, counter++).v[0];
}

static inline double draw_between(double low, double high)
{
    return low + (high - low) * opu_uniform(draw_word());
}

/* In low .. high. */
static inline size_t draw_size(size_t low, size_t high)
{
    return low + draw_word() % (high - low + 1);
}

static inline void assert_near(double seen, double wanted, double bar, const char *what)
{
    if (!(fabs(seen - wanted) <= bar)) {
        fail_msg("%s: saw %.9g, wanted %.9g +- %.3g", what, seen, wanted, bar);
    }
}

struct moments {
    size_t n;
    double sum, sum2;
};

static inline void moments_add(struct moments *m, double x)
{
    ++m->n;
    m->sum += x;
    m->sum2 += x * x;
}

static inline double moments_mean(const struct moments *m)
{
    return m->sum / (double)m->n;
}

static inline double moments_var(const struct moments *m)
{
    double const mean = moments_mean(m);
    return (m->sum2 / (double)m->n - mean * mean) * (double)m->n / (double)(m->n - 1);
}

static inline int by_value(const void *a, const void *b)
{
    double const x = *(const double *)a;
    double const y = *(const double *)b;
    return (x > y) - (x < y);
}

/* sqrt(n) times the largest distance to the distribution function; sorts x. */
static inline double kolmogorov(double *x, size_t n, double (*distribution)(double))
{
    double worst = 0.0;
    qsort(x, n, sizeof(*x), by_value);
    for (size_t i = 0; i < n; ++i) {
        double const f = distribution(x[i]);
        double const low = fabs(f - (double)i / (double)n);
        double const high = fabs(f - (double)(i + 1) / (double)n);
        worst = fmax(worst, fmax(low, high));
    }
    return sqrt((double)n) * worst;
}

static inline double normal_distribution(double x)
{
    return 0.5 * erfc(-x / sqrt(2.0));
}

static inline double exponential_distribution(double x)
{
    return x > 0.0 ? 1.0 - exp(-x) : 0.0;
}

static inline void *test_alloc(size_t n, size_t size)
{
    void *const memory = calloc(n, size);
    assert_non_null(memory);
    return memory;
}

struct bench {
    struct opu_context *context;
    struct opu_sim *sim;
};

static inline struct opu_sim_options bench_options(void)
{
    struct opu_sim_options options;
    memset(&options, 0, sizeof(options));
    opu_options_default(opu_sim_option_table, OPU_SIM_N_OPTIONS, &options);
    return options;
}

static inline struct bench bench_open(const struct opu_sim_options *options)
{
    struct bench bench = {NULL, NULL};
    void *device = NULL;
    assert_int_equal(opu_context_create(&bench.context, NULL), OPU_OK);
    assert_int_equal(opu_backend_sim.ops->open(&device, bench.context, options), OPU_OK);
    bench.sim = device;
    return bench;
}

static inline void bench_close(struct bench *bench)
{
    opu_backend_sim.ops->close(bench->sim);
    opu_context_destroy(bench->context);
}

static const struct opu_reference four_steps[4] = {
    {0.0, 1.0}, {1.5707963267948966, 1.0}, {3.141592653589793, 1.0}, {4.71238898038469, 1.0}};

/* Sparse pixels, one exposure, four phase steps of the reference with the amplitude given (0: no
 * arm). */
static inline int bench_configure(struct bench *bench, size_t n_inputs, size_t n_pixels,
                                  uint32_t bits, double exposure_us, double amplitude)
{
    struct opu_reference steps[4];
    for (size_t k = 0; k < 4; ++k) {
        steps[k] = (struct opu_reference){four_steps[k].phase_rad, amplitude};
    }
    struct opu_frame_setup const setup = {.size = sizeof(setup),
                                          .n_inputs = n_inputs,
                                          .n_pixels = n_pixels,
                                          .bits = bits,
                                          .n_exposures = 1,
                                          .exposures_us = &exposure_us,
                                          .n_references = amplitude > 0.0 ? 4 : 0,
                                          .references = amplitude > 0.0 ? steps : NULL};
    return opu_backend_sim.ops->configure(bench->sim, &setup);
}

/* Packed bits, each on with probability `density`; the unused bits of the last byte are junk. */
static inline void draw_patterns(uint8_t *bits, size_t n_frames, size_t n_inputs, double density)
{
    size_t const row_bytes = (n_inputs + 7) / 8;
    for (size_t b = 0; b < n_frames * row_bytes; ++b) {
        bits[b] = 0;
        for (int k = 0; k < 8; ++k) {
            bits[b] |= (uint8_t)((draw_between(0.0, 1.0) < density) << k);
        }
    }
}

/* [n_inputs] weights 0 and 1. */
static inline void unpack_pattern(float *weights, const uint8_t *bits, size_t n_inputs)
{
    for (size_t j = 0; j < n_inputs; ++j) {
        weights[j] = (float)(bits[j / 8] >> (j % 8) & 1);
    }
}

static inline void bench_run(struct bench *bench, struct opu_frame_batch *batch)
{
    uint64_t job = 0;
    assert_int_equal(opu_backend_sim.ops->submit(bench->sim, batch, &job), OPU_OK);
    assert_int_equal(opu_backend_sim.ops->wait(bench->sim, job, -1), OPU_OK);
}

/* A gaussian medium with the kernels of a vector level, at a drift step. */
static inline struct opu_medium *gaussian_medium(uint64_t seed, enum opu_isa isa, uint64_t step)
{
    static const struct opu_sim_options options;
    static struct opu_context *context; /* one for all, to the end of the program */
    if (context == NULL) {
        assert_int_equal(opu_context_create(&context, NULL), OPU_OK);
    }
    struct opu_medium_setup const setup = {.context = context,
                                           .options = &options,
                                           .seed = seed,
                                           .n_inputs = 512,
                                           .n_outputs = 512,
                                           .input_columns = 32};
    struct opu_medium *medium;
    assert_int_equal(opu_medium_gaussian.create(&medium, &setup), OPU_OK);
    medium->isa = isa;
    medium->ops->move(medium, step);
    return medium;
}

#endif
