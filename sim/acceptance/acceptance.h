/* SPDX-License-Identifier: MIT */
/*
 * The bench against theory: each file here is one group of tests, run by opu_device_check() and by
 * the physics suite alike. Parameters that a row says were drawn come from the printed seed, so
 * that no constant can be tuned to them; bars follow from the sample size.
 */
#ifndef OPU_SIM_ACCEPTANCE_H
#define OPU_SIM_ACCEPTANCE_H

#include <opu/check.h>
#include <opu/status.h>

#include <math.h>

struct opu_sim_options;

struct opu_acceptance {
    struct opu_context *context;
    const struct opu_sim_options *options; /* of the device under test: its medium, its camera */
    uint64_t seed;
    bool thorough;
    const char *group; /* set by the group's function */
    uint64_t draws;    /* taken so far */
    opu_check_fn fn;
    void *user;
};

/* A uniform number in [low, high), the next of the seed. */
double opu_accept_draw(struct opu_acceptance *acceptance, double low, double high);

/* The larger of two errors; a NaN counts as the largest, and stays (fmax() would drop it). */
static inline double opu_accept_worse(double worst, double error)
{
    return isnan(worst) || error <= worst ? worst : error;
}

/* Hands a row on, with size and group filled in. Returns what fn did: non-zero stops the tests. */
int opu_accept(struct opu_acceptance *acceptance, struct opu_check_row row);

/* The groups. OPU_OK, OPU_E_NO_MEMORY, or what fn returned. */
int opu_accept_propagation(struct opu_acceptance *acceptance); /* A1-A11, A13 */
int opu_accept_mirrors(struct opu_acceptance *acceptance);     /* A12 */
int opu_accept_media(
    struct opu_acceptance *acceptance); /* unitarity, adjoints, ballistic light, T7, T9, Jacobi */
int opu_accept_statistics(
    struct opu_acceptance *acceptance); /* T1-T5, T12, T13 of the device's medium */
int opu_accept_camera(struct opu_acceptance *acceptance); /* A15: photon transfer */
int opu_accept_time(struct opu_acceptance *acceptance);   /* T11 */

#endif
