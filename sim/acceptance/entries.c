/* SPDX-License-Identifier: MIT */
/*
 * T1: entries of the device's medium are circular Gaussian (Goodman, Speckle Phenomena in Optics,
 * 2nd ed., ch. 2). One matrix of N entries t tells little of it: N |<t>|^2 / <I> is exponential
 * with mean 1, so that a bar which it never meets by chance would be wide. The mean over SEEDS
 * matrices is a Gamma variable; it is above 5 with the probability exp(-40) sum of 40^k / k!, k <
 * 8, which is 2e-10. sqrt(N) |<t^2>| / <I>, a Rayleigh variable, has the mean 1.25 and the
 * deviation 0.66: its mean lies 16 deviations below 5. The median of SEEDS Kolmogorov tests is
 * below p = 1e-3 where half of them are: 70 p^4, 7e-11.
 */
#include "sim/acceptance/statistics.h"

#include "core/base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SEEDS = 8 };

/* Of each matrix. */
struct entries {
    double n[SEEDS];
    double mean2[SEEDS];   /* n |<t>|^2 / <I> */
    double pseudo[SEEDS];  /* sqrt(n) |<t^2>| / <I> */
    double ratio[SEEDS];   /* <I^2> / <I>^2 */
    double part[2][SEEDS]; /* sqrt(n) D of real and imaginary parts */
};

static double normal_distribution(double x)
{
    return 0.5 * erfc(-x / sqrt(2.0));
}

/* p of sqrt(n) D = x. */
static double kolmogorov_tail(double x)
{
    double sum = 0.0;
    double sign = 1.0;
    for (int k = 1; k <= 20; ++k, sign = -sign) {
        sum += 2.0 * sign * exp(-2.0 * k * k * x * x);
    }
    return x > 0.2 ? fmin(fmax(sum, 0.0), 1.0) : 1.0;
}

static int ascending(const void *a, const void *b)
{
    double const x = *(const double *)a;
    double const y = *(const double *)b;
    return (x > y) - (x < y);
}

static double mean_of(const double *x)
{
    double sum = 0.0;
    for (int k = 0; k < SEEDS; ++k) {
        sum += x[k] / SEEDS;
    }
    return sum;
}

/* Sorts x. */
static double median_of(double *x)
{
    qsort(x, SEEDS, sizeof(*x), ascending);
    return 0.5 * (x[SEEDS / 2 - 1] + x[SEEDS / 2]);
}

/* room: [n m] */
static void look_at(const struct opu_measured *measured, double *room, size_t seed,
                    struct entries *entries)
{
    size_t const n = measured->n * measured->m;
    double const count = (double)n;
    double t[2] = {0.0, 0.0};
    double t2[2] = {0.0, 0.0};
    double power = 0.0;
    double power2 = 0.0;
    for (size_t e = 0; e < n; ++e) {
        double const x = (double)measured->h[2 * e];
        double const y = (double)measured->h[2 * e + 1];
        double const intensity = x * x + y * y;
        t[0] += x / count;
        t[1] += y / count;
        t2[0] += (x * x - y * y) / count;
        t2[1] += 2.0 * x * y / count;
        power += intensity / count;
        power2 += intensity * intensity / count;
    }
    entries->n[seed] = count;
    entries->mean2[seed] = count * (t[0] * t[0] + t[1] * t[1]) / power;
    entries->pseudo[seed] = sqrt(count) * hypot(t2[0], t2[1]) / power;
    entries->ratio[seed] = power2 / (power * power);
    for (size_t part = 0; part < 2; ++part) {
        for (size_t e = 0; e < n; ++e) {
            room[e] = sqrt(2.0 / power) * (double)measured->h[2 * e + part];
        }
        entries->part[part][seed] = opu_accept_kolmogorov(room, n, normal_distribution);
    }
}

static int tell(struct opu_acceptance *acceptance, struct entries *entries, const char *drawn)
{
    double const samples = SEEDS * mean_of(entries->n);
    double const bar = ACCEPT_SIGMAS * 2.0 / sqrt(samples);
    struct opu_check_row const rows[] = {
        {.name = "m n |<t>|^2 / <I>, mean over 8 media",
         .formula = "circular: exponential with mean 1 for each; |<t>|^2 / <I> < 5 / (m n) "
                    "(Goodman, Speckle, 2)",
         .value = mean_of(entries->mean2),
         .low = 0.0,
         .high = 5.0},
        {.name = "sqrt(m n) |<t^2>| / <I>, mean over 8 media",
         .formula = "circular: sqrt(pi / 2) on average; |<t^2>| / <I> < 5 / sqrt(m n) (Goodman, "
                    "Speckle, 2)",
         .value = mean_of(entries->pseudo),
         .low = 0.0,
         .high = 5.0},
        {.name = "<I^2> / <I>^2, mean over 8 media",
         .formula = "Gaussian: <I^k> = k! <I>^k, 2 for k = 2, spread 2 / sqrt(entries) (Goodman, "
                    "Speckle, 3.2)",
         .value = mean_of(entries->ratio),
         .low = 2.0 - bar,
         .high = 2.0 + bar},
        {.name = "p of Re t against N(0, 1), median of 8",
         .formula = "Re t and Im t normal (Goodman, Speckle, 2); Kolmogorov: p > 1e-3",
         .value = kolmogorov_tail(median_of(entries->part[0])),
         .low = 1e-3,
         .high = (double)INFINITY},
        {.name = "p of Im t against N(0, 1), median of 8",
         .formula = "Re t and Im t normal (Goodman, Speckle, 2); Kolmogorov: p > 1e-3",
         .value = kolmogorov_tail(median_of(entries->part[1])),
         .low = 1e-3,
         .high = (double)INFINITY},
    };
    for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); ++k) {
        struct opu_check_row row = rows[k];
        row.test = "T1";
        row.drawn = drawn;
        row.samples = samples;
        ACCEPT_TRY(opu_accept(acceptance, row));
    }
    return OPU_OK;
}

static int one_medium(struct opu_acceptance *acceptance, const struct opu_sim_options *options,
                      size_t k, struct entries *entries)
{
    size_t n;
    size_t m;
    opu_accept_draw_sizes(acceptance, options, &n, &m);
    struct opu_measured measured;
    uint64_t const seed = opu_accept_draw_seed(acceptance);
    ACCEPT_TRY(opu_measured_init(&measured, acceptance->context, options, seed, n, m));
    double *const room = opu_calloc(acceptance->context, n * m, sizeof(*room));
    if (room != NULL) {
        look_at(&measured, room, k, entries);
    }
    opu_context_free(acceptance->context, room);
    opu_measured_fini(&measured);
    return room != NULL ? OPU_OK : OPU_E_NO_MEMORY;
}

int opu_accept_entries(struct opu_acceptance *acceptance, const struct opu_sim_options *options)
{
    struct entries entries;
    char drawn[96];
    for (size_t k = 0; k < SEEDS; ++k) {
        ACCEPT_TRY(one_medium(acceptance, options, k, &entries));
    }
    snprintf(drawn, sizeof(drawn), "%s, 8 seeds, m n = %.0f to %.0f",
             opu_media[options->medium]->name, entries.n[0], entries.n[SEEDS - 1]);
    return tell(acceptance, &entries, drawn);
}
