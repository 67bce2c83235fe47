/* SPDX-License-Identifier: MIT */
/*
 * The micro-mirror array. Input j is a macro-pixel of M_j mirrors; turned on it sends the amplitude
 * on_j into the medium, turned off it still sends off_j:
 *
 *   E_i = sum_on H_ij on_j + sum_off H_ij off_j = sum_on H_ij (on_j - off_j) + sum_all H_ij off_j
 *
 * so that nothing here costs work per frame. Of its mirrors those that live follow the bit; mirrors
 * stuck on or off (half of the dead ones each, drawn by seed) do not. The beam's profile is
 * exp(-r^2 / w^2) in amplitude at each macro-pixel's place. off = eps = sqrt(leakage) of a mirror
 * that is on (coherent leakage of a DMD, 1 : 1000 to 1 : 2000 in intensity). The amplitudes are
 * normalised so that the mean over inputs of |on_j - off_j|^2 is (1 - eps)^2.
 *
 * Blazed grating of pitch d, tilt theta_B, incidence alpha (mirrors turn about the diagonal):
 * orders sin theta_p + sin alpha = p lambda sqrt2 / d, envelope centred at 2 theta_B - alpha; the
 * blazed number mu = |(4 d / (sqrt2 lambda) sin theta_B cos(theta_B - alpha)) mod 2 - 1| is 1 where
 * one order takes the light, 0 where four share it (Popoff et al., arXiv 2311.17496, sec. 2).
 *
 * Frames that follow one another with the same pattern (phase steps) share one field.
 */
#ifndef OPU_SIM_DMD_H
#define OPU_SIM_DMD_H

#include <opu/context.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A chip as its data sheet describes it. */
struct opu_dmd_chip {
    const char *name;
    uint32_t columns, rows; /* mirrors */
    double pitch_m, tilt_rad;
    double rate_hz;     /* most binary patterns a second; 0: no limit */
    double fill_factor; /* area of the mirrors */
    bool diamond;       /* every other row is shifted by half a pitch */
};

enum opu_dmd_name {
    OPU_DMD_IDEAL, /* as many mirrors as there are inputs, one each */
    OPU_DMD_DLP7000,
    OPU_DMD_DLP6500,
    OPU_DMD_DLP9500,
    OPU_DMD_DLP4500
};

enum opu_dmd_layout {
    OPU_DMD_SQUARE, /* macro-pixels of b x b mirrors */
    OPU_DMD_LINE    /* macro-pixels are whole columns of mirrors, or b of them */
};

/* Indexed by enum opu_dmd_name, whose order is that of the `dmd` option. */
extern const struct opu_dmd_chip opu_dmd_chips[];

struct opu_dmd_setup {
    struct opu_context *context;
    const struct opu_dmd_chip *chip;
    enum opu_dmd_layout layout;
    size_t n_inputs;
    double leakage, dead, beam; /* as in struct opu_sim_options */
    uint64_t seed;
};

struct opu_dmd {
    struct opu_context *context;
    size_t n_inputs;
    size_t columns; /* macro-pixels in a row: input j lies at (j % columns, j / columns) */
    size_t mirrors_per_input; /* of a whole macro-pixel */
    float *step;              /* [n_inputs] on - off; real: mirrors in phase */
    float *off;               /* [n_inputs] */
    bool uniform;             /* all steps are 1 - eps and all offs eps */
    double eps;
};

/*
 * OPU_E_INVALID where the chip has not enough mirrors, naming how many macro-pixels fit. On failure
 * *dmd is empty.
 */
OPU_NODISCARD int opu_dmd_init(struct opu_dmd *dmd, const struct opu_dmd_setup *setup);
void opu_dmd_fini(struct opu_dmd *dmd);

/* The blazed number of a chip: 0..1. */
double opu_dmd_blaze(const struct opu_dmd_chip *chip, double wavelength_m, double incidence_rad);

/*
 * Runs of equal patterns in [first, end): run r covers frames start[r] .. start[r + 1] - 1. start
 * has room for end - first + 1. Returns the number of runs.
 */
size_t opu_dmd_runs(uint32_t *start, const uint8_t *bits, size_t row_bytes, size_t first,
                    size_t end);

#endif
