/* SPDX-License-Identifier: MIT */
/* Floats to binary patterns; see core/device/encode.h for the formulas. */
#include "core/device/encode.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/number.h"
#include "core/base/rng.h"

#define DEFAULT_THRESHOLD 0.5

/* What every encoding wants to know of a row first. */
struct extent {
    float max;   /* largest magnitude */
    double norm; /* Euclidean */
};

static int refuse(const char *text)
{
    return opu_fail(
        OPU_E_INVALID,
        "encode: saw \"%.40s\", wanted float, binary, ternary, ternary:t with 0 <= t < 1, "
        "ternary:stochastic or bitplanes:k with k from 1 to %d",
        text, OPU_PLANES_MAX);
}

int opu_encoder_parse(struct opu_encoder *encoder, const char *text)
{
    static const struct {
        const char *name;
        enum opu_encoding kind;
    } plain[] = {
        {"float", OPU_ENCODE_FLOAT},
        {"binary", OPU_ENCODE_BINARY},
        {"ternary", OPU_ENCODE_TERNARY},
        {"ternary:stochastic", OPU_ENCODE_STOCHASTIC},
    };
    encoder->threshold = DEFAULT_THRESHOLD;
    encoder->planes = 0;
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        if (strcmp(text, plain[i].name) == 0) {
            encoder->kind = plain[i].kind;
            return OPU_OK;
        }
    }
    if (strncmp(text, "ternary:", 8) == 0) {
        encoder->kind = OPU_ENCODE_TERNARY;
        bool const number = opu_number_double(&encoder->threshold, text + 8);
        return number && encoder->threshold >= 0.0 && encoder->threshold < 1.0 ? OPU_OK
                                                                               : refuse(text);
    }
    uint64_t planes = 0;
    if (strncmp(text, "bitplanes:", 10) == 0 && opu_number_uint(&planes, text + 10) && planes > 0 &&
        planes <= OPU_PLANES_MAX) {
        encoder->kind = OPU_ENCODE_BITPLANES;
        encoder->planes = (uint32_t)planes;
        return OPU_OK;
    }
    return refuse(text);
}

void opu_encoder_format(const struct opu_encoder *encoder, char *text, size_t size)
{
    static const char *const names[] = {
        [OPU_ENCODE_FLOAT] = "float",
        [OPU_ENCODE_BINARY] = "binary",
        [OPU_ENCODE_STOCHASTIC] = "ternary:stochastic",
    };
    if (encoder->kind == OPU_ENCODE_TERNARY) {
        (void)snprintf(text, size, "ternary:%g", encoder->threshold);
    } else if (encoder->kind == OPU_ENCODE_BITPLANES) {
        (void)snprintf(text, size, "bitplanes:%u", encoder->planes);
    } else {
        (void)snprintf(text, size, "%s", names[encoder->kind]);
    }
}

size_t opu_encoder_patterns(const struct opu_encoder *encoder)
{
    switch (encoder->kind) {
    case OPU_ENCODE_TERNARY:
    case OPU_ENCODE_STOCHASTIC:
        return 2;
    case OPU_ENCODE_BITPLANES:
        return 2 * (size_t)encoder->planes;
    default:
        return 1;
    }
}

size_t opu_first_bad(const float *x, size_t n)
{
    /* x - x is 0 for every finite x: one pass that vectorises, then a search only if it must be. */
    float sum = 0.0f;
    for (size_t i = 0; i < n; i++) {
        sum += x[i] - x[i];
    }
    size_t i = 0;
    if (!isfinite(sum)) {
        while (i < n && isfinite(x[i])) {
            i++;
        }
        return i;
    }
    return n;
}

int opu_fail_numeric(size_t row, size_t column, float value)
{
    return opu_fail(OPU_E_NUMERIC, "projection: row %zu, column %zu is %g, wanted finite numbers",
                    row, column, (double)value);
}

static struct extent measure(const float *x, size_t n)
{
    struct extent extent = {0};
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        float const a = fabsf(x[i]);
        extent.max = a > extent.max ? a : extent.max;
        sum += (double)x[i] * (double)x[i];
    }
    extent.norm = sqrt(sum);
    return extent;
}

static uint32_t pack_above(const float *x, size_t n, float sign, float threshold, uint8_t *bits)
{
    uint32_t on = 0;
    for (size_t i = 0; i < n; i += 8) {
        size_t const m = n - i < 8 ? n - i : 8;
        unsigned byte = 0;
        for (size_t j = 0; j < m; j++) {
            byte |= (unsigned)(sign * x[i + j] > threshold) << j;
        }
        bits[i / 8] = (uint8_t)byte;
        on += (uint32_t)__builtin_popcount(byte);
    }
    return on;
}

static void code_thresholds(const struct opu_encoder *encoder, const float *x, size_t n,
                            struct extent extent, uint8_t *bits, struct opu_coded *coded)
{
    size_t const halves = encoder->kind == OPU_ENCODE_TERNARY ? 2 : 1;
    float const threshold = halves == 2 ? (float)(encoder->threshold * (double)extent.max) : 0.0f;
    uint32_t on = 0;
    for (size_t h = 0; h < halves; h++) {
        float const sign = h == 0 ? 1.0f : -1.0f;
        coded->n_on[h] = pack_above(x, n, sign, threshold, bits + h * ((n + 7) / 8));
        coded->weight[h] = sign;
        on += coded->n_on[h];
    }
    if (encoder->rescale && on > 0) {
        for (size_t h = 0; h < halves; h++) {
            coded->weight[h] *= (float)(extent.norm / sqrt((double)on));
        }
    }
}

/* The largest element has probability 1 and a uniform draw is below 1: a row never vanishes
 * altogether. */
static void code_stochastic(const struct opu_encoder *encoder, const float *x, size_t n,
                            struct extent extent, uint64_t key, uint8_t *bits,
                            struct opu_coded *coded)
{
    size_t const bytes = (n + 7) / 8;
    float const inverse = 1.0f / extent.max;
    memset(bits, 0, 2 * bytes);
    coded->n_on[0] = 0;
    coded->n_on[1] = 0;
    for (size_t i = 0; i < n; i += 4) {
        struct opu_philox4 const block =
            opu_philox(encoder->seed, OPU_STREAM_ENCODE, (uint32_t)(i / 4), key);
        for (size_t j = i; j < n && j < i + 4; j++) {
            float const a = fabsf(x[j]);
            /* 1 / max overflows for the smallest numbers; a division does not. */
            float const share = isfinite(inverse) ? a * inverse : a / extent.max;
            if (a >= extent.max || opu_uniformf(block.v[j - i]) < share) {
                size_t const half = x[j] < 0.0f;
                bits[half * bytes + j / 8] |= (uint8_t)(1u << j % 8);
                coded->n_on[half]++;
            }
        }
    }
    coded->weight[0] = encoder->rescale ? extent.max : 1.0f;
    coded->weight[1] = -coded->weight[0];
}

/* Patterns: planes 0 to k - 1 of the positive part, then of the negative one. */
static void code_planes(const struct opu_encoder *encoder, const float *x, size_t n,
                        struct extent extent, uint8_t *bits, struct opu_coded *coded)
{
    size_t const bytes = (n + 7) / 8;
    uint32_t const planes = encoder->planes;
    double const top = (double)((1u << planes) - 1);
    double const scale = top / (double)extent.max;
    memset(bits, 0, 2 * planes * bytes);
    memset(coded->n_on, 0, sizeof coded->n_on);
    for (size_t i = 0; i < n; i++) {
        uint32_t const q = (uint32_t)(fabs((double)x[i]) * scale + 0.5);
        uint32_t const side = x[i] < 0.0f ? planes : 0;
        for (uint32_t b = 0; b < planes; b++) {
            uint32_t const on = q >> b & 1;
            bits[(side + b) * bytes + i / 8] |= (uint8_t)(on << i % 8);
            coded->n_on[side + b] += on;
        }
    }
    double const unit = (encoder->rescale ? (double)extent.max : 1.0) / top;
    for (uint32_t b = 0; b < planes; b++) {
        coded->weight[b] = (float)(unit * (double)(1u << b));
        coded->weight[planes + b] = -coded->weight[b];
    }
}

int opu_encode_row(const struct opu_encoder *encoder, const float *x, size_t n, uint64_t key,
                   size_t row, uint8_t *bits, struct opu_coded *coded)
{
    size_t const bad = opu_first_bad(x, n);
    if (bad < n) {
        return opu_fail_numeric(row, bad, x[bad]);
    }
    struct extent const extent = measure(x, n);
    size_t const patterns = opu_encoder_patterns(encoder);
    memset(coded, 0, sizeof *coded);
    if (!(extent.max > 0.0f)) {
        return OPU_OK;
    }
    switch (encoder->kind) {
    case OPU_ENCODE_STOCHASTIC:
        code_stochastic(encoder, x, n, extent, key, bits, coded);
        break;
    case OPU_ENCODE_BITPLANES:
        code_planes(encoder, x, n, extent, bits, coded);
        break;
    default:
        code_thresholds(encoder, x, n, extent, bits, coded);
        break;
    }
    for (size_t k = 0; k < patterns; k++) {
        if (!isfinite(coded->weight[k])) {
            return opu_fail(OPU_E_NUMERIC, "projection: row %zu has norm %g, too large for a float",
                            row, extent.norm);
        }
    }
    return OPU_OK;
}

void opu_decode_row(const struct opu_encoder *encoder, const uint8_t *bits,
                    const struct opu_coded *coded, size_t n, float *out)
{
    size_t const bytes = (n + 7) / 8;
    memset(out, 0, n * sizeof *out);
    for (size_t k = 0; k < opu_encoder_patterns(encoder); k++) {
        if (coded->n_on[k] == 0) {
            continue;
        }
        const uint8_t *const pattern = bits + k * bytes;
        for (size_t i = 0; i < n; i++) {
            out[i] += (float)(pattern[i / 8] >> i % 8 & 1) * coded->weight[k];
        }
    }
}
