/* SPDX-License-Identifier: MIT */
/*
 * exact: the projection as mathematics, without optics. Alone it is a Gaussian matrix,
 *
 *   B_ij ~ N(0, 1) from Philox(seed, OPU_STREAM_MATRIX, j / 4, i)
 *
 * so that a row is the same however many rows there are. With of=URI it is the noise-free operator
 * that the named read-out makes of another device's field H (E|H_ij|^2 = 1), in the read-out's own
 * scale:
 *
 *   phase3, 4  rows 2k, 2k + 1 = sqrt2 Re, sqrt2 Im of H_k
 *   offaxis    the same of the k-th Fourier mode of a picture's field (core/device/sideband.h)
 *   anchor     row i = sqrt2 Re(conj(A_k) / |A_k| H_k), A = H a
 *              k: the i-th pixel with |A_k|^2 > 5 % of its mean
 *   intensity  |H_i x|^2 (not linear: kept as Re and Im, squared when it runs)
 *
 * Under uneven light inputs beside an anchor have not the mean that E|H_ij|^2 = 1 speaks of: rows
 * are divided by its root, by the rule that calibration has (core/device/measure.h).
 */
#include <opu/backend.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/gemm.h"
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/device/measure.h"
#include "core/device/readout.h"
#include "core/device/sideband.h"

#define BLOCK 64 /* rows of fields, and of intensities, at a time */
#define DIMENSION_MAX ((size_t)1 << 30)

struct options {
    uint64_t seed;
    char of[OPU_OPTION_TEXT_SIZE];
};

struct exact {
    struct opu_context *context;
    struct options options;
    struct opu_device *of; /* NULL: Gaussian */
    size_t n_in, n_out;
    size_t rows;   /* of the matrix: n_out, or 2 n_out where intensities are wanted */
    float *matrix; /* [rows][n_in] */
    float *block;  /* [BLOCK][rows], intensities only */
    bool intensity;
};

static void exact_close(void *handle)
{
    struct exact *const exact = handle;
    opu_device_close(exact->of);
    opu_context_free(exact->context, exact->matrix);
    opu_context_free(exact->context, exact->block);
    opu_context_free(exact->context, exact);
}

static int open_of(struct exact *exact)
{
    OPU_TRY(opu_device_open(&exact->of, exact->context, exact->options.of));
    if ((opu_device_caps(exact->of)->flags & OPU_CAP_FIELD) == 0) {
        return opu_fail(OPU_E_UNSUPPORTED, "exact: \"%.80s\" can't tell its noise-free field",
                        exact->options.of);
    }
    return OPU_OK;
}

static int exact_open(void **out, struct opu_context *context, const void *options)
{
    struct exact *const exact = opu_calloc(context, 1, sizeof *exact);
    if (exact == NULL) {
        return OPU_E_NO_MEMORY;
    }
    exact->context = context;
    memcpy(&exact->options, options, sizeof exact->options);
    if (exact->options.of[0] != '\0') {
        int const status = open_of(exact);
        if (status < 0) {
            exact_close(exact);
            return status;
        }
    }
    *out = exact;
    return OPU_OK;
}

static int exact_caps(void *handle, struct opu_caps *caps)
{
    const struct exact *const exact = handle;
    caps->flags = OPU_CAP_FLOATS;
    caps->max_inputs = DIMENSION_MAX;
    caps->max_pixels = DIMENSION_MAX;
    if (exact->of != NULL) {
        const struct opu_caps *const of = opu_device_caps(exact->of);
        caps->flags |=
            of->flags & (OPU_CAP_REFERENCE | OPU_CAP_WINDOW); /* whose default read-out is phase4 */
        caps->max_inputs = of->max_inputs;
        caps->max_pixels = 2 * of->max_pixels;
    }
    return OPU_OK;
}

static int exact_identity(void *handle, char *text, size_t n)
{
    const struct exact *const exact = handle;
    if (exact->of != NULL) {
        (void)snprintf(text, n, "%s", opu_device_identity(exact->of));
    } else {
        (void)snprintf(text, n, "exact:gaussian:%016llx",
                       (unsigned long long)opu_hash64(OPU_HASH_START, &exact->options.seed,
                                                      sizeof exact->options.seed));
    }
    return OPU_OK;
}

static void fill_gaussian(struct exact *exact)
{
#pragma omp parallel for schedule(static) if (exact->rows * exact->n_in > 65536)
    for (size_t i = 0; i < exact->rows; i++) {
        float *const row = exact->matrix + i * exact->n_in;
        for (size_t j = 0; j < exact->n_in; j += 4) {
            float z[4];
            opu_normal4(opu_philox(exact->options.seed, OPU_STREAM_MATRIX, (uint32_t)(j / 4), i),
                        z);
            size_t const m = exact->n_in - j < 4 ? exact->n_in - j : 4;
            memcpy(row + j, z, m * sizeof *z);
        }
    }
}

static int configure_of(struct exact *exact, const struct opu_layout *layout)
{
    const struct opu_caps *const caps = opu_device_caps(exact->of);
    struct opu_frame_setup const setup = {
        .size = sizeof setup,
        .n_inputs = layout->n_inputs,
        .output_kind = layout->region.width > 0 ? OPU_OUTPUT_REGION : OPU_OUTPUT_PIXELS,
        .n_pixels = layout->n_pixels,
        .region = layout->region,
        .n_exposures = 1,
        .exposures_us = &caps->min_exposure_us,
    };
    return opu_device_configure(exact->of, &setup);
}

/*
 * Pixels that serve and the factors that turn their fields: 1, or conj(A) / |A| where there is an
 * anchor; over the root of the inputs' light. pick[n_pixels], turn[n_pixels][2]; input and field
 * are room for one row of each.
 */
static int choose_pixels(struct exact *exact, const struct opu_layout *layout, float *input,
                         float *field, uint32_t *pick, float *turn, double *light)
{
    size_t const n = layout->n_pixels;
    double mean = 1.0;
    OPU_TRY(opu_tell_light(exact->of, layout, input, field, &mean));
    double const unit = sqrt(1.0 / mean);
    for (size_t k = 0; k < n; k++) {
        pick[k] = (uint32_t)k;
        turn[2 * k] = (float)unit;
        turn[2 * k + 1] = 0.0f;
    }
    if (layout->n_anchor == 0) {
        return OPU_OK;
    }
    for (size_t j = 0; j < layout->n_inputs; j++) {
        input[j] = j < exact->n_in ? 0.0f : 1.0f;
    }
    OPU_TRY(opu_device_field(exact->of, input, 1, field));
    bool const even = mean >= 1.0 && mean <= 1.0;
    double const anchor = even ? (double)layout->n_anchor : opu_mean_light(field, n);
    for (size_t k = 0; k < n; k++) {
        double const re = (double)field[2 * k];
        double const im = (double)field[2 * k + 1];
        light[k] = re * re + im * im;
        turn[2 * k] = (float)(unit * re / sqrt(light[k]));
        turn[2 * k + 1] = (float)(unit * -im / sqrt(light[k]));
    }
    double const least = OPU_ANCHOR_FLOOR * anchor;
    size_t const found = opu_anchor_pick(light, n, least, pick, exact->n_out);
    if (found < exact->n_out) {
        return opu_fail(OPU_E_DEVICE,
                        "exact: %zu of %zu pixels have anchor light above %g, wanted %zu", found, n,
                        least, exact->n_out);
    }
    return OPU_OK;
}

/* Columns j .. j + m - 1 of the matrix from the fields [m][n_pixels][2] of unit inputs. */
static void store_columns(struct exact *exact, const struct opu_readout *readout,
                          const struct opu_layout *layout, const uint32_t *pick, const float *turn,
                          size_t j, size_t m, const float *fields)
{
    bool const both = readout->quadratures || exact->intensity;
    float const unit = exact->intensity ? 1.0f : 1.41421356f;
    for (size_t i = 0; i < exact->rows; i++) {
        size_t const k = pick[both ? i / 2 : i];
        size_t const part = both ? i % 2 : 0;
        float *const row = exact->matrix + i * exact->n_in;
        for (size_t c = 0; c < m; c++) {
            const float *const h = fields + (c * layout->n_pixels + k) * 2;
            float const re = h[0] * turn[2 * k] - h[1] * turn[2 * k + 1];
            float const im = h[0] * turn[2 * k + 1] + h[1] * turn[2 * k];
            row[j + c] = unit * (part == 0 ? re : im);
        }
    }
}

static int read_fields(struct exact *exact, const struct opu_readout *readout,
                       const struct opu_layout *layout, float *inputs, float *fields,
                       const uint32_t *pick, const float *turn)
{
    for (size_t j = 0; j < exact->n_in; j += BLOCK) {
        size_t const m = exact->n_in - j < BLOCK ? exact->n_in - j : BLOCK;
        memset(inputs, 0, m * layout->n_inputs * sizeof *inputs);
        for (size_t c = 0; c < m; c++) {
            inputs[c * layout->n_inputs + j + c] = 1.0f;
        }
        OPU_TRY(opu_device_field(exact->of, inputs, m, fields));
        store_columns(exact, readout, layout, pick, turn, j, m, fields);
    }
    return OPU_OK;
}

/* Column j from the field of a picture, as the read-out filters its fringes. */
static void store_modes(struct exact *exact, const struct opu_sideband *sideband,
                        const struct opu_region *region, size_t j, const float *field)
{
    double const turns = 2.0 * 3.14159265358979323846;
    size_t const stride = opu_sideband_stride(sideband);
    float *const picture = opu_sideband_picture(sideband, 0);
#pragma omp parallel for schedule(static)
    for (size_t y = 0; y < region->height; y++) {
        for (size_t x = 0; x < region->width; x++) {
            const float *const s = field + (y * region->width + x) * 2;
            double const phase =
                turns * (region->carrier_x * (double)x + region->carrier_y * (double)y);
            picture[y * stride + x] =
                (float)(2.0 * ((double)s[0] * cos(phase) + (double)s[1] * sin(phase)));
        }
    }
    const float *const modes = opu_sideband_filter(sideband, 0);
    for (size_t i = 0; i < exact->rows; i++) {
        exact->matrix[i * exact->n_in + j] = 1.41421356f * modes[i];
    }
}

static int fill_offaxis(struct exact *exact, const struct opu_layout *layout)
{
    struct opu_sideband *sideband = NULL;
    float *const input = opu_calloc(exact->context, layout->n_inputs, sizeof *input);
    float *const field = opu_calloc(exact->context, layout->n_pixels, 2 * sizeof *field);
    int status = OPU_E_NO_MEMORY;
    if (input != NULL && field != NULL) {
        status = opu_sideband_create(&sideband, exact->context, &layout->region,
                                     exact->n_out / 2 + exact->n_out % 2, 1);
    }
    for (size_t j = 0; j < exact->n_in && status == OPU_OK; j++) {
        input[j] = 1.0f;
        status = opu_device_field(exact->of, input, 1, field);
        input[j] = 0.0f;
        if (status == OPU_OK) {
            store_modes(exact, sideband, &layout->region, j, field);
        }
    }
    opu_sideband_destroy(sideband);
    opu_context_free(exact->context, field);
    opu_context_free(exact->context, input);
    return status;
}

static int fill_of(struct exact *exact, const struct opu_readout *readout,
                   const struct opu_layout *layout)
{
    OPU_TRY(configure_of(exact, layout));
    if (layout->region.width > 0) {
        return fill_offaxis(exact, layout);
    }
    size_t const n = layout->n_pixels;
    float *const inputs = opu_calloc(exact->context, layout->n_inputs, BLOCK * sizeof *inputs);
    float *const fields = opu_calloc(exact->context, n, 2 * BLOCK * sizeof *fields);
    uint32_t *const pick = opu_calloc(exact->context, n, sizeof *pick);
    float *const turn = opu_calloc(exact->context, n, 2 * sizeof *turn);
    double *const light = opu_calloc(exact->context, n, sizeof *light);
    int status = OPU_E_NO_MEMORY;
    if (inputs != NULL && fields != NULL && pick != NULL && turn != NULL && light != NULL) {
        status = choose_pixels(exact, layout, inputs, fields, pick, turn, light);
    }
    if (status == OPU_OK) {
        status = read_fields(exact, readout, layout, inputs, fields, pick, turn);
    }
    opu_context_free(exact->context, light);
    opu_context_free(exact->context, turn);
    opu_context_free(exact->context, pick);
    opu_context_free(exact->context, fields);
    opu_context_free(exact->context, inputs);
    return status;
}

static int exact_plan(void *handle, size_t n_in, size_t n_out, const char *name)
{
    struct exact *const exact = handle;
    const struct opu_readout *const readout = opu_readout_find(name);
    struct opu_layout layout;
    if ((readout != NULL) != (exact->of != NULL)) {
        return opu_fail(OPU_E_UNSUPPORTED, "exact: saw read-out \"%.40s\", wanted %s", name,
                        exact->of != NULL ? OPU_READOUT_NAMES ", as it has of="
                                          : "float, or of=URI");
    }
    if (readout != NULL && !readout->layout(&layout, n_in, n_out)) {
        return opu_fail(OPU_E_INVALID, "exact: %zu x %zu is too large", n_out, n_in);
    }
    opu_context_free(exact->context, exact->matrix);
    opu_context_free(exact->context, exact->block);
    exact->block = NULL;
    exact->intensity = readout == &opu_readout_intensity;
    exact->n_in = n_in;
    exact->n_out = n_out;
    exact->rows = exact->intensity ? 2 * n_out : n_out;
    size_t n;
    exact->matrix = opu_size_mul(&n, exact->rows, n_in)
                        ? opu_calloc(exact->context, n, sizeof *exact->matrix)
                        : opu_calloc(exact->context, SIZE_MAX, 2); /* leaves the sentence */
    if (exact->matrix != NULL && exact->intensity) {
        exact->block = opu_calloc(exact->context, exact->rows, BLOCK * sizeof *exact->block);
    }
    if (exact->matrix == NULL || (exact->intensity && exact->block == NULL)) {
        return OPU_E_NO_MEMORY;
    }
    if (readout != NULL) {
        return fill_of(exact, readout, &layout);
    }
    fill_gaussian(exact);
    return OPU_OK;
}

static void multiply(const struct exact *exact, const float *in, size_t in_stride, size_t rows,
                     float *out, size_t out_stride)
{
    /* out [rows][m] = in [rows][n_in] x matrix^T */
    opu_gemm(rows, exact->rows, exact->n_in, 1.0f,
             (struct opu_matrix){.data = in, .stride = in_stride},
             (struct opu_matrix){.data = exact->matrix, .stride = exact->n_in, .transpose = true},
             0.0f, out, out_stride);
}

static int exact_project(void *handle, const float *in, size_t in_stride, size_t rows, float *out,
                         size_t out_stride)
{
    const struct exact *const exact = handle;
    if (!exact->intensity) {
        multiply(exact, in, in_stride, rows, out, out_stride);
        return OPU_OK;
    }
    for (size_t r = 0; r < rows; r += BLOCK) {
        size_t const m = rows - r < BLOCK ? rows - r : BLOCK;
        multiply(exact, in + r * in_stride, in_stride, m, exact->block, exact->rows);
        for (size_t i = 0; i < m; i++) {
            const float *const h = exact->block + i * exact->rows;
            for (size_t k = 0; k < exact->n_out; k++) {
                out[(r + i) * out_stride + k] = h[2 * k] * h[2 * k] + h[2 * k + 1] * h[2 * k + 1];
            }
        }
    }
    return OPU_OK;
}

static const struct opu_option table[] = {
    {.key = "seed",
     .type = OPU_OPTION_UINT,
     .offset = offsetof(struct options, seed),
     .fallback = "1",
     .help = "of the Gaussian matrix"},
    {.key = "of",
     .type = OPU_OPTION_TEXT,
     .offset = offsetof(struct options, of),
     .help = "URI of the device whose noise-free operator is wanted; takes the rest of the URI"},
};

static const struct opu_backend_ops ops = {
    .open = exact_open,
    .close = exact_close,
    .caps = exact_caps,
    .identity = exact_identity,
    .plan = exact_plan,
    .project = exact_project,
};

extern const struct opu_backend opu_backend_exact;
const struct opu_backend opu_backend_exact = {
    .api_version = OPU_BACKEND_API,
    .scheme = "exact",
    .summary = "the projection as mathematics: a Gaussian matrix, or of=URI another device's own",
    .options = table,
    .n_options = sizeof table / sizeof table[0],
    .options_size = sizeof(struct options),
    .ops = &ops,
};
