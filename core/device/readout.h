/* SPDX-License-Identifier: MIT */
/*
 * Read-outs: how counts become outputs. One row of the table each, one file each; formulas and
 * their noise stand at the top of readout_steps.c (phase3, phase4), readout_offaxis.c,
 * readout_anchor.c and readout_intensity.c.
 */
#ifndef OPU_CORE_READOUT_H
#define OPU_CORE_READOUT_H

#include <opu/device.h>

#include "core/base/cpu.h"

struct opu_projection;

/* What a read-out needs of the device for a B of n_out x n_in. */
struct opu_layout {
    size_t n_inputs; /* mirrors: n_in and then the anchor's */
    size_t n_anchor;
    size_t n_pixels;
    size_t n_table;           /* entries of the gain table */
    struct opu_region region; /* width 0: sparse pixels */
};

/* The frames of one pattern, and what is to become of them. */
struct opu_answer {
    size_t class_index;
    float weight;
    float row_weight;   /* sum of the weights of all patterns of the row */
    float turn[2];      /* factor on the field that undoes the reference's phase; (1, 0): none */
    bool first;         /* out = ..., else out += ... */
    const void *counts; /* [frames][n_pixels] */
    size_t n_out;       /* outputs wanted; n_out, or that made even where both quadratures come */
    size_t thread;      /* that decodes, below opu_projection.n_threads: whose room to use */
};

struct opu_readout {
    const char *name;
    uint32_t needs; /* enum opu_capability, or-ed */
    bool linear;
    bool quadratures;    /* outputs 2k, 2k + 1 are sqrt2 Re, sqrt2 Im of one field: can be turned */
    bool offset_is_rate; /* offsets are counts a microsecond (else: in units of the outputs) */
    size_t frames;       /* of one pattern */
    size_t n_references; /* states of the arm that one exposure class uses, evenly spread phases */
    /* false: the numbers overflow */
    bool (*layout)(struct opu_layout *layout, size_t n_in, size_t n_out);
    /* (optional) What else is to be planned; opu_projection.sideband is freed by its owner. */
    int (*prepare)(struct opu_projection *p);
    /* Measures rates and fills gain and offset; classes and exposures follow from the rates. */
    int (*measure)(struct opu_projection *p);
    void (*decode)(const struct opu_projection *p, const struct opu_answer *answer, float *out);
};

extern const struct opu_readout opu_readout_phase3, opu_readout_phase4, opu_readout_offaxis,
    opu_readout_anchor, opu_readout_intensity;

/* NULL if there is none of that name. */
const struct opu_readout *opu_readout_find(const char *name);

/* What to write where a name is unknown. */
#define OPU_READOUT_NAMES "intensity, anchor, phase3, phase4 or offaxis"

/* Share of the mean anchor light below which a pixel is not used (keeps exp(-0.05) = 95 %). */
#define OPU_ANCHOR_FLOOR 0.05

/* The first n_out of n pixels whose light is above `least`; returns how many there are. */
size_t opu_anchor_pick(const double *light, size_t n, double least, uint32_t *pick, size_t n_out);

/* exp(2 pi i k / n), exact where it is 0, 1/2 or 1. */
void opu_phase_step(size_t n, size_t k, double step[2]);

#define OPU_STEPS_MAX 4

/* The decoders' inner loops; see core/device/readout_kernels.c. set: out = value, else out +=
 * value. */
struct opu_readout_kernels {
    void (*steps_u8)(size_t n, const uint8_t *counts, size_t stride, size_t n_steps,
                     const float *step, const float *gain, float factor, int set, float *out);
    void (*steps_u16)(size_t n, const uint16_t *counts, size_t stride, size_t n_steps,
                      const float *step, const float *gain, float factor, int set, float *out);
    void (*steps_f32)(size_t n, const float *counts, size_t stride, size_t n_steps,
                      const float *step, const float *gain, float factor, int set, float *out);
    void (*anchor_u8)(size_t n, const uint8_t *counts, size_t stride, const uint32_t *pick,
                      const float *gain, const float *offset, float time, float factor, int set,
                      float *out);
    void (*anchor_u16)(size_t n, const uint16_t *counts, size_t stride, const uint32_t *pick,
                       const float *gain, const float *offset, float time, float factor, int set,
                       float *out);
    void (*anchor_f32)(size_t n, const float *counts, size_t stride, const uint32_t *pick,
                       const float *gain, const float *offset, float time, float factor, int set,
                       float *out);
    void (*scale_u8)(size_t n, const uint8_t *counts, float black, float factor, int set,
                     float *out);
    void (*scale_u16)(size_t n, const uint16_t *counts, float black, float factor, int set,
                      float *out);
    void (*flat_u8)(size_t n, const uint8_t *counts, float black, const float *gain, float *out);
    void (*flat_u16)(size_t n, const uint16_t *counts, float black, const float *gain, float *out);
};

const struct opu_readout_kernels *opu_readout_kernels(enum opu_isa isa);

#endif
