/* SPDX-License-Identifier: MIT */
/*
 * Floats to binary patterns. A row x becomes up to P patterns p_k in {0, 1}^n with weights w_k such
 * that x is about sum_k w_k p_k:
 *
 *   binary        p = [x > 0]                                        w = f
 *   ternary:tau   p = [x > tau max|x|], [x < -tau max|x|]            w = +f, -f
 *   stochastic    P(p = 1) = |x| / max|x| in the half of x's sign    w = +f, -f
 *                 (so that E(sum w p) = x for f = max|x|)
 *   bitplanes:k   plane b, sign s of q = rint(|x| / max|x| (2^k-1))  w = s 2^b / (2^k - 1) f
 *
 * The row factor f gives the row's norm back where that is asked for: |x| / |t(x)| for binary and
 * ternary, max|x| for stochastic and bit planes; else 1. Patterns without a bit are not sent, zero
 * rows send nothing.
 */
#ifndef OPU_CORE_ENCODE_H
#define OPU_CORE_ENCODE_H

#include <opu/status.h>

enum opu_encoding {
    OPU_ENCODE_FLOAT,
    OPU_ENCODE_BINARY,
    OPU_ENCODE_TERNARY,
    OPU_ENCODE_STOCHASTIC,
    OPU_ENCODE_BITPLANES
};

#define OPU_PLANES_MAX 16
#define OPU_ROWS_MAX ((size_t)1 << 20) /* of a call: rows key the draws of stochastic rounding */

struct opu_encoder {
    enum opu_encoding kind;
    double threshold; /* ternary: share of the row's largest magnitude */
    uint32_t planes;  /* bitplanes */
    bool rescale;     /* give the row's norm back */
    uint64_t seed;    /* stochastic rounding */
};

/* From "ternary:0.5" and the like. OPU_E_INVALID lists what there is. */
OPU_NODISCARD int opu_encoder_parse(struct opu_encoder *encoder, const char *text);

/* The text that names it again. */
void opu_encoder_format(const struct opu_encoder *encoder, char *text, size_t size);

/* Most patterns of a row; 1 for float. */
size_t opu_encoder_patterns(const struct opu_encoder *encoder);

/* What became of one row. Patterns that need not be sent have n_on = 0. */
struct opu_coded {
    float weight[2 * OPU_PLANES_MAX];
    uint32_t n_on[2 * OPU_PLANES_MAX];
};

/*
 * One row. bits: room for opu_encoder_patterns() patterns of (n + 7) / 8 bytes. key numbers the row
 * among all rows ever encoded (stochastic rounding). row is for the sentence of OPU_E_NUMERIC.
 */
OPU_NODISCARD int opu_encode_row(const struct opu_encoder *encoder, const float *x, size_t n,
                                 uint64_t key, size_t row, uint8_t *bits, struct opu_coded *coded);

/* out[n] = sum of weight times pattern: what the encoding makes of the row. */
void opu_decode_row(const struct opu_encoder *encoder, const uint8_t *bits,
                    const struct opu_coded *coded, size_t n, float *out);

/* Index of the first element that is NaN or infinite, n if there is none. */
size_t opu_first_bad(const float *x, size_t n);

/* OPU_E_NUMERIC for element `column` of row `row`. */
int opu_fail_numeric(size_t row, size_t column, float value);

#endif
