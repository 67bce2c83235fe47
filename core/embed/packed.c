/* SPDX-License-Identifier: MIT */
/*
 * Squared distances between all points, a panel of rows at a time. They are sums of squared
 * differences, not |a|^2 + |b|^2 - 2 ab by a matrix product: that would cancel between near points,
 * which are the ones that count, and its bits would be those of the BLAS in use.
 */
#include "core/embed/packed.h"

#include <math.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "core/base/fail.h"
#include "core/base/mem.h"

#define LANES OPU_EMBED_PANEL

static size_t stride_of(const struct opu_points *points)
{
    return points->stride != 0 ? points->stride : points->d;
}

static int check(const struct opu_points *points, const char *what)
{
    if (points->values == NULL || points->n == 0 || points->d == 0) {
        return opu_fail(OPU_E_INVALID, "%s: saw %zu points of %zu coordinates%s, wanted some", what,
                        points->n, points->d, points->values == NULL ? " at NULL" : "");
    }
    if (points->n > UINT32_MAX - LANES) {
        return opu_fail(OPU_E_INVALID, "%s: saw %zu points, wanted below 2^32", what, points->n);
    }
    if (stride_of(points) < points->d) {
        return opu_fail(OPU_E_INVALID, "%s: the stride is %zu, wanted at least the %zu coordinates",
                        what, points->stride, points->d);
    }
    return OPU_OK;
}

/* The exponent that brings the greatest magnitude to [1/2, 1). */
static int find_scale(const struct opu_points *points, const char *what, const uint32_t *keep,
                      size_t n, int *exponent)
{
    float most = 0.0f;
    for (size_t i = 0; i < n; i++) {
        size_t const from = keep != NULL ? keep[i] : i;
        const float *const x = points->values + from * stride_of(points);
        for (size_t c = 0; c < points->d; c++) {
            float const size = fabsf(x[c]);
            if (!(size <= HUGE_VALF) || size == HUGE_VALF) {
                return opu_fail(OPU_E_NUMERIC,
                                "%s: coordinate %zu of point %zu is %g, wanted finite", what, c,
                                from, (double)x[c]);
            }
            most = size > most ? size : most;
        }
    }
    (void)frexpf(most, exponent);
    return OPU_OK;
}

static void fill(const struct opu_packed *packed, const struct opu_points *points,
                 const uint32_t *keep, int exponent)
{
    size_t const d = packed->d;
#pragma omp parallel for schedule(static)
    for (size_t p = 0; p < packed->padded / LANES; p++) {
        float *const panel = packed->panels + p * d * LANES;
        for (size_t l = 0; l < LANES; l++) {
            size_t const i = p * LANES + l < packed->n ? p * LANES + l : 0;
            const float *const x =
                points->values + (keep != NULL ? keep[i] : i) * stride_of(points);
            for (size_t c = 0; c < d; c++) {
                panel[c * LANES + l] = ldexpf(x[c], -exponent);
            }
        }
    }
}

static size_t threads_now(void)
{
#ifdef _OPENMP
    return (size_t)omp_get_max_threads();
#else
    return 1;
#endif
}

static size_t this_thread(void)
{
#ifdef _OPENMP
    return (size_t)omp_get_thread_num();
#else
    return 0;
#endif
}

static int allocate(struct opu_packed *packed, size_t scratch)
{
    size_t cells, row_floats;
    packed->threads = threads_now();
    packed->row_bytes = (scratch + OPU_ALIGNMENT - 1) / OPU_ALIGNMENT * OPU_ALIGNMENT;
    if (!opu_size_mul(&cells, packed->padded, packed->d) ||
        !opu_size_mul(&row_floats, packed->padded, LANES * packed->threads)) {
        return opu_fail(OPU_E_NO_MEMORY, "%zu points of %zu coordinates are more than memory holds",
                        packed->n, packed->d);
    }
    packed->panels = opu_calloc(packed->context, cells, sizeof *packed->panels);
    packed->rows = packed->panels == NULL
                       ? NULL
                       : opu_calloc(packed->context, row_floats, sizeof *packed->rows);
    packed->bytes = packed->rows == NULL
                        ? NULL
                        : opu_calloc(packed->context, packed->threads, packed->row_bytes);
    return packed->bytes != NULL ? OPU_OK : OPU_E_NO_MEMORY;
}

int opu_packed_init(struct opu_packed *packed, struct opu_context *context,
                    const struct opu_points *points, const char *what, const uint32_t *keep,
                    size_t n_keep, size_t scratch)
{
    *packed = (struct opu_packed){.context = context, .kernels = opu_embed_kernels_best()};
    OPU_TRY(check(points, what));
    packed->n = keep != NULL ? n_keep : points->n;
    packed->d = points->d;
    packed->padded = (packed->n + LANES - 1) / LANES * LANES;
    int exponent = 0;
    OPU_TRY(find_scale(points, what, keep, packed->n, &exponent));
    int const status = allocate(packed, scratch);
    if (status < 0) {
        opu_packed_fini(packed);
        return status;
    }
    fill(packed, points, keep, exponent);
    return OPU_OK;
}

void opu_packed_fini(struct opu_packed *packed)
{
    opu_context_free(packed->context, packed->bytes);
    opu_context_free(packed->context, packed->rows);
    opu_context_free(packed->context, packed->panels);
    packed->bytes = NULL;
    packed->rows = packed->panels = NULL;
}

void opu_packed_visit(const struct opu_packed *packed, opu_row_visit visit, void *user)
{
    size_t const panels = packed->padded / LANES, panel_floats = packed->d * LANES;
#pragma omp parallel for schedule(static) num_threads((int)packed->threads)
    for (size_t own = 0; own < panels; own++) {
        float *const rows = packed->rows + this_thread() * LANES * packed->padded;
        void *const scratch = packed->bytes + this_thread() * packed->row_bytes;
        for (size_t other = 0; other < panels; other++) {
            packed->kernels->distances(rows + other * LANES, packed->padded,
                                       packed->panels + own * panel_floats,
                                       packed->panels + other * panel_floats, packed->d);
        }
        for (size_t l = 0; l < LANES && own * LANES + l < packed->n; l++) {
            visit(user, own * LANES + l, rows + l * packed->padded, scratch);
        }
    }
}

static uint64_t key_of(float distance, size_t point)
{
    uint32_t bits;
    memcpy(&bits, &distance, sizeof bits);
    return (uint64_t)bits << 32 | point;
}

/* Lets the key at the top sink: keys[0] is the greatest of a heap. */
static void sink(uint64_t *keys, size_t k, size_t at)
{
    uint64_t const key = keys[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= k) {
            break;
        }
        child += child + 1 < k && keys[child + 1] > keys[child];
        if (keys[child] <= key) {
            break;
        }
        keys[at] = keys[child];
        at = child;
    }
    keys[at] = key;
}

void opu_nearest(uint64_t *keys, size_t k, const float *distances, size_t n, size_t self)
{
    size_t held = 0, i = 0;
    for (; held < k && i < n; i++) {
        if (i != self) {
            keys[held++] = key_of(distances[i], i);
        }
    }
    for (size_t at = held / 2; at-- > 0;) {
        sink(keys, held, at);
    }
    /* A later point at the same distance ranks behind, so only nearer ones come in. */
    float worst;
    uint32_t bits = (uint32_t)(keys[0] >> 32);
    memcpy(&worst, &bits, sizeof worst);
    for (; i < n; i++) {
        if (distances[i] < worst && i != self) {
            keys[0] = key_of(distances[i], i);
            sink(keys, held, 0);
            bits = (uint32_t)(keys[0] >> 32);
            memcpy(&worst, &bits, sizeof worst);
        }
    }
}
