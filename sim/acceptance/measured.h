/* SPDX-License-Identifier: MIT */
/*
 * For the acceptance tests of media: a transmission matrix measured column by column, its singular
 * values, and the laws they are held against.
 */
#ifndef OPU_SIM_ACCEPTANCE_MEASURED_H
#define OPU_SIM_ACCEPTANCE_MEASURED_H

#include "sim/acceptance/acceptance.h"
#include "sim/medium/medium.h"
#include "sim/sim_options.h"
#include "sim/wave/chain.h"

/* Hands failures and stops of the tests up; 0 goes on. */
#define ACCEPT_TRY(expr) \
    do { \
        int const accept_status_ = (expr); \
        if (accept_status_ != 0) { \
            return accept_status_; \
        } \
    } while (0)

/* Kolmogorov: sqrt(n) D exceeds it with p = 2 exp(-2 * 2.7^2) = 1e-6. */
#define ACCEPT_KOLMOGOROV 2.7
/* Bars of estimates that are normal: 6 in 10^7 by chance. */
#define ACCEPT_SIGMAS 5.0

/*
 * The same chance where the standard error is itself estimated, from n samples: Student's t with
 * n - 1 degrees of freedom, to some per cent by the formula of Wallace (Ann. Math. Stat. 30, 1124,
 * 1959). 10.4 for 12 samples, 5.6 for 64.
 */
double opu_accept_sigmas(size_t n);

/* Samples of a number: their mean, and its standard error. */
struct opu_estimate {
    size_t n;
    double sum, sum2;
};

void opu_estimate_add(struct opu_estimate *estimate, double x);
double opu_estimate_mean(const struct opu_estimate *estimate);
double opu_estimate_error(const struct opu_estimate *estimate); /* n >= 2 */

/* Begins a group: its draws depend on the seed and its name alone. */
void opu_accept_begin(struct opu_acceptance *acceptance, const char *group);
/* low .. high, and a seed of 64 bits. */
size_t opu_accept_draw_size(struct opu_acceptance *acceptance, size_t low, size_t high);
uint64_t opu_accept_draw_seed(struct opu_acceptance *acceptance);

/* The options' defaults with another medium. */
struct opu_sim_options opu_accept_defaults(enum opu_medium_name medium);

struct opu_measured {
    struct opu_context *context;
    struct opu_medium *medium;
    size_t n, m; /* inputs, outputs */
    float *h;    /* [n][m][2]: column by column */
};

/* Inputs lie in a square, as nearly as may be. *measured is empty after a failure. */
OPU_NODISCARD int opu_measured_init(struct opu_measured *measured, struct opu_context *context,
                                    const struct opu_sim_options *options, uint64_t seed, size_t n,
                                    size_t m);
void opu_measured_fini(struct opu_measured *measured);
/* Measures again, after a move of the medium. */
OPU_NODISCARD int opu_measured_again(struct opu_measured *measured);

/* s [n] ascending, mean s^2 = 1; n <= m. Double, by the eigenvalues of the Gram matrix. */
OPU_NODISCARD int opu_measured_singular(const struct opu_measured *measured, double *s);

/* Largest distance of the distribution of s [n] from Marchenko-Pastur's, gamma = m / n >= 1. */
double opu_marchenko_pastur_distance(const double *s, size_t n, double gamma);

/* sqrt(n) times the largest distance from a distribution function; sorts x. */
double opu_accept_kolmogorov(double *x, size_t n, double (*distribution)(double));

/* Energy: | |Hx|^2 / |x|^2 - 1 |; adjoint: |<Hx, y> - <x, H^y>| over |Hx| |y|, for random x, y on
 * all of the grid. Once in float, once in double. */
OPU_NODISCARD int opu_accept_unitarity_f32(const struct opu_chain_setup *setup, uint64_t seed,
                                           double *energy, double *adjoint);
OPU_NODISCARD int opu_accept_unitarity_f64(const struct opu_chain_setup *setup, uint64_t seed,
                                           double *energy, double *adjoint);

#endif
