/* SPDX-License-Identifier: MIT */
/* The side band of a tilted reference by one Fourier transform. Formulas: core/device/sideband.h.
 */
#include "core/device/sideband.h"

#include "core/base/fail.h"
#include "core/base/fft_lock.h"
#include "core/base/mem.h"

#include <fftw3.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#define PI 3.14159265358979323846
#define CARRIER 0.35
#define EDGE 1.5 /* modes nearer than that to the pupil's rim, in steps of 1 / W, are left out */
#define FWHM_TIMES_2FC 1.0290
#define SIDE_MIN 40
#define SIDE_MAX 8192

struct mode {
    int32_t x, y;
};

struct opu_sideband {
    struct opu_context *context;
    size_t width, height, stride; /* floats from row to row: 2 (width / 2 + 1) */
    size_t n_modes, n_threads, thread_floats;
    uint32_t *place; /* [n_modes] complex number of the transform, counted from its start */
    float *scale;    /* [n_modes] */
    float *pictures; /* [n_threads][thread_floats] */
    float *modes;    /* [n_threads][mode_floats()] */
    fftwf_plan plan;
};

size_t opu_sideband_thread(void)
{
#ifdef _OPENMP
    return (size_t)omp_get_thread_num();
#else
    return 0;
#endif
}

size_t opu_sideband_threads(void)
{
#ifdef _OPENMP
    return (size_t)omp_get_max_threads();
#else
    return 1;
#endif
}

/* Modes of a square picture, whole numbers within a circle. */
static size_t count_modes(size_t side)
{
    double const radius = OPU_SIDEBAND_RADIUS * (double)side - EDGE;
    size_t n = 0;
    ptrdiff_t const most = (ptrdiff_t)floor(radius);
    for (ptrdiff_t y = -most; y <= most; y++) {
        n += 2 * (size_t)sqrt(radius * radius - (double)(y * y)) + 1;
    }
    return n;
}

static bool smooth(size_t n)
{
    static const size_t primes[] = {2, 3, 5};
    for (size_t k = 0; k < 3; k++) {
        while (n % primes[k] == 0) {
            n /= primes[k];
        }
    }
    return n == 1;
}

bool opu_sideband_region(struct opu_region *region, size_t n_modes)
{
    for (size_t side = SIDE_MIN; side <= SIDE_MAX; side += 2) {
        if (smooth(side) && count_modes(side) >= n_modes) {
            double const carrier = floor(CARRIER * (double)side) / (double)side;
            *region = (struct opu_region){
                .width = (uint32_t)side,
                .height = (uint32_t)side,
                .stride = 1,
                .binning = 1,
                .pixels_per_grain = FWHM_TIMES_2FC / (2.0 * OPU_SIDEBAND_RADIUS),
                .carrier_x = carrier,
                .carrier_y = carrier,
            };
            return true;
        }
    }
    return false;
}

/* From the middle outwards; ties by rows. */
static int by_distance(const void *a, const void *b)
{
    const struct mode *const p = a;
    const struct mode *const q = b;
    int32_t const d = p->x * p->x + p->y * p->y - q->x * q->x - q->y * q->y;
    return d != 0 ? (d > 0) - (d < 0) : (p->y != q->y ? p->y - q->y : p->x - q->x);
}

/* The first n_modes modes, and where their conjugates lie about the carrier. */
static int list_modes(struct opu_sideband *sideband, const struct opu_region *region)
{
    size_t const all = count_modes(sideband->width);
    struct mode *const modes = opu_calloc(sideband->context, all, sizeof *modes);
    if (modes == NULL) {
        return OPU_E_NO_MEMORY;
    }
    double const radius = OPU_SIDEBAND_RADIUS * (double)sideband->width - EDGE;
    size_t n = 0;
    for (int32_t y = -(int32_t)radius; y <= (int32_t)radius; y++) {
        int32_t const most = (int32_t)sqrt(radius * radius - (double)y * (double)y);
        for (int32_t x = -most; x <= most; x++) {
            modes[n++] = (struct mode){x, y};
        }
    }
    qsort(modes, n, sizeof *modes, by_distance);
    double const cycles_x = rint(region->carrier_x * (double)sideband->width);
    double const cycles_y = rint(region->carrier_y * (double)sideband->height);
    for (size_t m = 0; m < sideband->n_modes; m++) {
        size_t const x = (size_t)(cycles_x - (double)modes[m].x);
        size_t const y = (size_t)(cycles_y - (double)modes[m].y);
        sideband->place[m] = (uint32_t)(y * (sideband->stride / 2) + x);
    }
    /* v(q) / (pi B^2) stands in the first thread's picture; it is even in both parts of q. */
    for (size_t m = 0; m < sideband->n_modes; m++) {
        size_t const x = (size_t)abs(modes[m].x);
        size_t const y = (size_t)abs(modes[m].y);
        const float *const share = sideband->pictures + y * sideband->stride + 2 * x;
        double const area = (double)(sideband->width * sideband->height);
        sideband->scale[m] = (float)sqrt(1.0 / (area * (double)share[0]));
    }
    opu_context_free(sideband->context, modes);
    return OPU_OK;
}

/* 2 J1(x) / x, Abramowitz & Stegun 9.4.4 and 9.4.6, error below 1e-7. */
static double airy(double x)
{
    if (x < 3.0) {
        double const t = x * x / 9.0;
        double const sum =
            0.5 +
            t * (-0.56249985 +
                 t * (0.21093573 +
                      t * (-0.03954289 + t * (0.00443319 + t * (-0.00031761 + t * 0.00001109)))));
        return 2.0 * sum;
    }
    double const t = 3.0 / x;
    double const f =
        0.79788456 +
        t * (0.00000156 +
             t * (0.01659667 +
                  t * (0.00017105 + t * (-0.00249511 + t * (0.00113653 - t * 0.00020033)))));
    double const angle =
        x - 2.35619449 +
        t * (0.12499612 +
             t * (0.00005650 +
                  t * (-0.00637879 + t * (0.00074348 + t * (0.00079824 - t * 0.00029166)))));
    return 2.0 * f * cos(angle) / (x * sqrt(x));
}

/* The first thread's picture becomes sum over d of (1 - |d| / W) .. 2 J1 / s exp(-2 pi i q d). */
static void transform_shares(struct opu_sideband *sideband)
{
    double const width = (double)sideband->width;
    double const height = (double)sideband->height;
    for (size_t y = 0; y < sideband->height; y++) {
        for (size_t x = 0; x < sideband->width; x++) {
            double sum = 0.0;
            for (int part = 0; part < 4; part++) {
                double const dx = part % 2 == 0 ? (double)x : width - (double)x;
                double const dy = part / 2 == 0 ? (double)y : height - (double)y;
                sum += (1.0 - dx / width) * (1.0 - dy / height) *
                       airy(2.0 * PI * OPU_SIDEBAND_RADIUS * sqrt(dx * dx + dy * dy));
            }
            sideband->pictures[y * sideband->stride + x] = (float)sum;
        }
    }
    fftwf_execute(sideband->plan);
}

static int plan(struct opu_sideband *sideband)
{
    opu_fft_lock();
    /* Estimated, not measured: a measured plan may round differently the next time. */
    sideband->plan =
        fftwf_plan_dft_r2c_2d((int)sideband->height, (int)sideband->width, sideband->pictures,
                              (fftwf_complex *)sideband->pictures, FFTW_ESTIMATE);
    opu_fft_unlock();
    return sideband->plan != NULL
               ? OPU_OK
               : opu_fail(OPU_E_NO_MEMORY,
                          "offaxis: no memory for a Fourier transform of %zu x %zu",
                          sideband->height, sideband->width);
}

/* Of a thread's modes, so that no two threads share a cache line. */
static size_t mode_floats(size_t n_modes)
{
    return (2 * n_modes + 15) / 16 * 16;
}

int opu_sideband_create(struct opu_sideband **out, struct opu_context *context,
                        const struct opu_region *region, size_t n_modes, size_t n_threads)
{
    *out = NULL;
    struct opu_sideband *const sideband = opu_calloc(context, 1, sizeof *sideband);
    if (sideband == NULL) {
        return OPU_E_NO_MEMORY;
    }
    sideband->context = context;
    sideband->width = region->width;
    sideband->height = region->height;
    sideband->stride = 2 * (sideband->width / 2 + 1);
    sideband->n_modes = n_modes;
    sideband->n_threads = n_threads;
    sideband->thread_floats = (sideband->height * sideband->stride + 15) / 16 * 16;
    sideband->place = opu_calloc(context, n_modes, sizeof *sideband->place);
    sideband->scale = opu_calloc(context, n_modes, sizeof *sideband->scale);
    sideband->pictures =
        opu_calloc(context, n_threads * sideband->thread_floats, sizeof *sideband->pictures);
    sideband->modes =
        opu_calloc(context, n_threads * mode_floats(n_modes), sizeof *sideband->modes);
    int status = OPU_E_NO_MEMORY;
    if (sideband->place == NULL || sideband->scale == NULL || sideband->pictures == NULL ||
        sideband->modes == NULL) {
        goto fail;
    }
    status = plan(sideband);
    if (status < 0) {
        goto fail;
    }
    transform_shares(sideband);
    status = list_modes(sideband, region);
    if (status < 0) {
        goto fail;
    }
    *out = sideband;
    return OPU_OK;
fail:
    opu_sideband_destroy(sideband);
    return status;
}

void opu_sideband_destroy(struct opu_sideband *sideband)
{
    if (sideband == NULL) {
        return;
    }
    if (sideband->plan != NULL) {
        opu_fft_lock();
        fftwf_destroy_plan(sideband->plan);
        opu_fft_unlock();
    }
    opu_context_free(sideband->context, sideband->place);
    opu_context_free(sideband->context, sideband->scale);
    opu_context_free(sideband->context, sideband->pictures);
    opu_context_free(sideband->context, sideband->modes);
    opu_context_free(sideband->context, sideband);
}

size_t opu_sideband_modes(const struct opu_sideband *sideband)
{
    return sideband->n_modes;
}

float *opu_sideband_picture(const struct opu_sideband *sideband, size_t thread)
{
    return sideband->pictures + thread * sideband->thread_floats;
}

size_t opu_sideband_stride(const struct opu_sideband *sideband)
{
    return sideband->stride;
}

float opu_sideband_scale(const struct opu_sideband *sideband, size_t m)
{
    return sideband->scale[m];
}

const float *opu_sideband_filter(const struct opu_sideband *sideband, size_t thread)
{
    float *const picture = opu_sideband_picture(sideband, thread);
    float *const modes = sideband->modes + thread * mode_floats(sideband->n_modes);
    fftwf_execute_dft_r2c(sideband->plan, picture, (fftwf_complex *)picture);
    for (size_t m = 0; m < sideband->n_modes; m++) {
        const float *const value = picture + 2 * (size_t)sideband->place[m];
        modes[2 * m] = value[0] * sideband->scale[m];
        modes[2 * m + 1] = -value[1] * sideband->scale[m];
    }
    return modes;
}
