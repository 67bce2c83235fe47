/* SPDX-License-Identifier: MIT */
/*
 * Read-outs: how counts become outputs. One row of the table each, one file each. Formulas and
 * their noise: Gross & Atlan style phase stepping and Ohana et al., arXiv 2305.12988 (anchors), as
 * worked out in the comments of readout_phase4.c, readout_anchor.c, readout_intensity.c.
 */
#ifndef OPU_CORE_READOUT_H
#define OPU_CORE_READOUT_H

#include <opu/status.h>

#include "core/base/cpu.h"

struct opu_projection;

/* What a read-out needs of the device for a B of n_out x n_in. */
struct opu_layout {
    size_t n_inputs; /* mirrors: n_in and then the anchor's */
    size_t n_anchor;
    size_t n_pixels;
    size_t n_table; /* entries of the gain table */
};

struct opu_readout {
    const char *name;
    uint32_t needs; /* enum opu_capability, or-ed */
    bool linear;
    size_t frames;       /* of one pattern */
    size_t n_references; /* states of the arm that one exposure class uses */
    /* false: the numbers overflow */
    bool (*layout)(struct opu_layout *layout, size_t n_in, size_t n_out);
    /* Measures rates and fills gain and offset; classes and exposures follow from the rates. */
    int (*measure)(struct opu_projection *p);
    /*
     * out[n_out] (=, or += unless first) weight times the answer to one pattern, from its frames'
     * counts [frames][n_pixels]. row_weight: sum of the weights of all patterns of the row.
     */
    void (*decode)(const struct opu_projection *p, size_t class_index, float weight,
                   float row_weight, bool first, const void *counts, float *out);
};

extern const struct opu_readout opu_readout_phase4, opu_readout_anchor, opu_readout_intensity;

/* NULL if there is none of that name. */
const struct opu_readout *opu_readout_find(const char *name);

/* Share of the mean anchor light below which a pixel is not used (keeps exp(-0.05) = 95 %). */
#define OPU_ANCHOR_FLOOR 0.05

/* The first n_out of n pixels whose light is above `least`; returns how many there are. */
size_t opu_anchor_pick(const double *light, size_t n, double least, uint32_t *pick, size_t n_out);

/* The decoders' inner loops; see core/device/readout_kernels.c. set: out = value, else out +=
 * value. */
struct opu_readout_kernels {
    void (*phase4_u8)(size_t n, const uint8_t *counts, size_t stride, const float *gain,
                      float factor, int set, float *out);
    void (*phase4_u16)(size_t n, const uint16_t *counts, size_t stride, const float *gain,
                       float factor, int set, float *out);
    void (*phase4_f32)(size_t n, const float *counts, size_t stride, const float *gain,
                       float factor, int set, float *out);
    void (*anchor_u8)(size_t n, const uint8_t *counts, size_t stride, const uint32_t *pick,
                      const float *gain, const float *offset, float time, float factor, int set,
                      float *out);
    void (*anchor_u16)(size_t n, const uint16_t *counts, size_t stride, const uint32_t *pick,
                       const float *gain, const float *offset, float time, float factor, int set,
                       float *out);
    void (*anchor_f32)(size_t n, const float *counts, size_t stride, const uint32_t *pick,
                       const float *gain, const float *offset, float time, float factor, int set,
                       float *out);
    void (*scale_u8)(size_t n, const uint8_t *counts, float factor, int set, float *out);
    void (*scale_u16)(size_t n, const uint16_t *counts, float factor, int set, float *out);
};

const struct opu_readout_kernels *opu_readout_kernels(enum opu_isa isa);

#endif
