/* SPDX-License-Identifier: MIT */
/*
 * The micro-mirror array. Input j is a macro-pixel of M mirrors; turned on it sends the amplitude
 * on_j into the medium, turned off it still sends off_j:
 *
 *   E_i = sum_on H_ij on_j + sum_off H_ij off_j = sum_on H_ij (on_j - off_j) + sum_all H_ij off_j
 *
 * so that nothing here costs work per frame. Of a macro-pixel's mirrors the share l lives and
 * follows the bit, a is stuck on, z stuck off (half of the dead ones each, drawn by seed):
 *
 *   on_j = c g_j (l + a + eps z),   off_j = c g_j (eps l + a + eps z),
 *   on_j - off_j = c g_j l (1 - eps)
 *
 * eps = sqrt(leakage) of a mirror that is on (coherent leakage of a DMD, 1 : 1000 to 1 : 2000 in
 * intensity); g_j = exp(-r_j^2 / w^2) is the beam at the macro-pixel's centre, w = beam x half
 * the array's diagonal its 1/e^2 radius in intensity; c makes the mean over inputs of |on_j -
 * off_j|^2 equal to (1 - eps)^2.
 *
 * Layouts. Square: macro-pixels of b x b mirrors, b the largest with which all inputs fit, row by
 * row from floor(columns / b) in a row. Line: macro-pixels of b whole columns, b the largest.
 * Ideal: a mirror an input, ceil(sqrt(n)) in a row, any number of them. The macro-pixels in use lie
 * in the middle of the array, where the beam is centred.
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
    uint32_t columns, rows; /* mirrors; 0: as many as there are inputs */
    double pitch_m, tilt_rad;
    double rate_hz;     /* most binary patterns a second; 0: no limit */
    double fill_factor; /* area of the mirrors */
    bool diamond;       /* mirrors stand on a corner, every other row is shifted by half a column */
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
    size_t mirrors_per_input;       /* of a whole macro-pixel */
    size_t width, height;           /* of a macro-pixel, in mirrors */
    size_t left, top;               /* the mirror at the corner of the first */
    size_t n_stuck_on, n_stuck_off; /* of the mirrors in use */
    float *step;                    /* [n_inputs] on - off; real: mirrors in phase */
    float *off;                     /* [n_inputs] */
    bool uniform;                   /* all steps are 1 - eps and all offs eps */
    double eps;
};

/*
 * OPU_E_INVALID where the chip has not enough mirrors, naming how many macro-pixels fit, or where
 * all mirrors in use are stuck. On failure *dmd is empty.
 */
OPU_NODISCARD int opu_dmd_init(struct opu_dmd *dmd, const struct opu_dmd_setup *setup);
void opu_dmd_fini(struct opu_dmd *dmd);

/* How many macro-pixels a chip has room for; SIZE_MAX: any number. */
size_t opu_dmd_room(const struct opu_dmd_chip *chip, enum opu_dmd_layout layout);

struct opu_dmd_point {
    double x_m, y_m;
};

/* Centre of a mirror, from that of the first. In a diamond array columns lie d sqrt2 apart, rows d
 * / sqrt2, odd rows half a column to the right. */
struct opu_dmd_point opu_dmd_mirror(const struct opu_dmd_chip *chip, double column, double row);

/* The blazed number of a chip: 0..1. */
double opu_dmd_blaze(const struct opu_dmd_chip *chip, double wavelength_m, double incidence_rad);

/* Direction of an order in the plane of incidence; NaN where it does not propagate. */
double opu_dmd_order_angle(const struct opu_dmd_chip *chip, double wavelength_m,
                           double incidence_rad, int order);

/*
 * Intensity of the order (m, n) of the square lattice, relative to one that lies in the middle of
 * the envelope: sinc^2(w (q + s) / (sqrt2 lambda)) sinc^2(w (q - s) / (sqrt2 lambda)) with w = d
 * sqrt(fill factor) a mirror's side, q = (sin of the order, projected onto the mirror's plane) and
 * s = (m - n) lambda / (sqrt2 d). In the plane of incidence m = n = p, the number of
 * opu_dmd_order_angle(). 0 where it does not propagate.
 */
double opu_dmd_envelope(const struct opu_dmd_chip *chip, double wavelength_m, double incidence_rad,
                        int m, int n);

/* Share of the light on the array that goes into its brightest order: fill factor^2 x envelope. */
double opu_dmd_efficiency(const struct opu_dmd_chip *chip, double wavelength_m,
                          double incidence_rad);

/*
 * Runs of equal patterns in [first, end): run r covers frames start[r] .. start[r + 1] - 1. start
 * has room for end - first + 1. Returns the number of runs.
 */
size_t opu_dmd_runs(uint32_t *start, const uint8_t *bits, size_t row_bytes, size_t first,
                    size_t end);

#endif
