/* SPDX-License-Identifier: MIT */
/*
 * Propagation against formulas of diffraction, A5-A11, in double: apertures in the focal plane of a
 * lens, the Gaussian beam, Talbot's self-images, the Rayleigh-Sommerfeld integral,
 * Arago's spot. Apertures are sampled by the share of a pixel they cover. Lengths are in pixels
 * of the grid unless their names say otherwise. Bars: those of the strictest published suites.
 */
#include "sim/acceptance/plane.h"

#include "core/base/fail.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CASES 3
#define PI (0.5 * OPU_TWO_PI)

/* J1 by its integral over a period, where the trapezoid rule converges faster than any power. */
static double bessel1(double x)
{
    int const n = 32 + (int)fabs(x);
    double sum = 0.0;
    for (int k = 0; k < 2 * n; ++k) {
        double const t = PI * (double)k / (double)n;
        sum += cos(t - x * sin(t));
    }
    return sum / (2.0 * (double)n);
}

/* Share of a pixel at (x, y) inside the circle, by 8 x 8 points. */
static double disc_share(double x, double y, double radius)
{
    double const r = hypot(x, y);
    if (fabs(r - radius) > 1.0) {
        return r < radius ? 1.0 : 0.0;
    }
    int inside = 0;
    for (int k = 0; k < 64; ++k) {
        int const row = k / 8;
        double const u = x + ((double)(k % 8) - 3.5) / 8.0;
        double const v = y + ((double)row - 3.5) / 8.0;
        inside += u * u + v * v <= radius * radius;
    }
    return (double)inside / 64.0;
}

/* A5: U(r) = 2 J1(pi r) / (pi r), r in lambda f / D; n = 4 pixels, so that a focal pixel is about a
 * quarter of lambda f / D. */
static int airy(struct opu_acceptance *acceptance, size_t pixels, double bar, bool show)
{
    enum { SIDE = 80, FIRST = 2 };
    size_t const n = 4 * pixels;
    double const diameter = (double)pixels * opu_accept_draw(acceptance, 1.0, 1.1);
    double const cx = opu_accept_draw(acceptance, -0.5, 0.5);
    double const cy = opu_accept_draw(acceptance, -0.5, 0.5);
    size_t const side = pixels + pixels / 8 + 4;
    struct opu_plane plane;
    OPU_TRY(opu_plane_init(&plane, acceptance->context, n, OPU_PLANE_WAVELENGTH_M, side, SIDE));
    for (size_t i = 0; i < side * side; ++i) {
        plane.in[i] = disc_share(opu_plane_at(i % side, side) - cx,
                                 opu_plane_at(i / side, side) - cy, 0.5 * diameter);
    }
    struct opu_step const lens = {.kind = OPU_STEP_FORWARD};
    int status = opu_plane_send(&plane, &lens, 1);
    double const peak = cabs(plane.out[SIDE / 2 * SIDE + SIDE / 2]);
    double worst = 0.0;
    double x[SIDE / 2];
    double seen[SIDE / 2];
    double wanted[SIDE / 2];
    for (size_t i = 0; i < SIDE * SIDE; ++i) {
        double const kx = opu_plane_at(i % SIDE, SIDE);
        double const ky = opu_plane_at(i / SIDE, SIDE);
        double const r = hypot(kx, ky) * diameter / (double)n;
        double const formula = r > 0.0 ? 2.0 * bessel1(PI * r) / (PI * r) : 1.0;
        double complex const turned =
            plane.out[i] / peak *
            cexp(OPU_IMAGINARY * OPU_TWO_PI * (kx * cx + ky * cy) / (double)n);
        worst = r <= 8.0 ? opu_accept_worse(worst, cabs(turned - formula)) : worst;
        if (i / SIDE == SIDE / 2 && i % SIDE >= SIDE / 2) {
            x[i % SIDE - SIDE / 2] = r;
            seen[i % SIDE - SIDE / 2] = creal(turned);
            wanted[i % SIDE - SIDE / 2] = formula;
        }
    }
    opu_plane_fini(&plane);
    OPU_TRY(status);
    char name[80];
    char drawn[80];
    snprintf(name, sizeof(name), "Airy pattern of a circular aperture, %zu px", pixels);
    snprintf(drawn, sizeof(drawn), "D = %.2f px, centre (%.2f, %.2f) px", diameter, cx, cy);
    struct opu_check_curve const curve = {.title = "Airy pattern, field",
                                          .x_label = "radius / (lambda f / D)",
                                          .y_label = "field / peak",
                                          .n = SIDE / 2,
                                          .x = x,
                                          .measured = seen,
                                          .expected = wanted};
    return opu_accept(
        acceptance,
        (struct opu_check_row){
            .test = "A5",
            .name = name,
            .formula = "U = 2 J1(pi r) / (pi r), r < 8 (Goodman, Fourier Optics, 4.4.2); largest "
                       "|dU| / peak",
            .drawn = drawn,
            .value = worst,
            .unit = "",
            .low = 0.0,
            .high = bar,
            .curve = show ? &curve : NULL});
}

static double sinc(double x)
{
    return x == 0.0 ? 1.0 : sin(PI * x) / (PI * x);
}

/* A6: U = sinc(a fx) sinc(b fy) */
static int rectangle(struct opu_acceptance *acceptance, size_t pixels, double bar)
{
    enum { SIDE = 64 };
    size_t const n = 4 * pixels;
    double const a = (double)pixels * opu_accept_draw(acceptance, 0.75, 1.0);
    double const b = (double)pixels * opu_accept_draw(acceptance, 0.75, 1.0);
    size_t const side = pixels + 4;
    struct opu_plane plane;
    OPU_TRY(opu_plane_init(&plane, acceptance->context, n, OPU_PLANE_WAVELENGTH_M, side, SIDE));
    for (size_t i = 0; i < side * side; ++i) {
        plane.in[i] = opu_plane_share(opu_plane_at(i % side, side), -0.5 * a, 0.5 * a) *
                      opu_plane_share(opu_plane_at(i / side, side), -0.5 * b, 0.5 * b);
    }
    struct opu_step const lens = {.kind = OPU_STEP_FORWARD};
    int status = opu_plane_send(&plane, &lens, 1);
    double const peak = cabs(plane.out[SIDE / 2 * SIDE + SIDE / 2]);
    double worst = 0.0;
    for (size_t i = 0; i < SIDE * SIDE; ++i) {
        double const formula = sinc(a * opu_plane_at(i % SIDE, SIDE) / (double)n) *
                               sinc(b * opu_plane_at(i / SIDE, SIDE) / (double)n);
        worst = opu_accept_worse(worst, cabs(plane.out[i] / peak - formula));
    }
    opu_plane_fini(&plane);
    OPU_TRY(status);
    char name[80];
    char drawn[80];
    snprintf(name, sizeof(name), "rectangular aperture, %zu px", pixels);
    snprintf(drawn, sizeof(drawn), "%.2f x %.2f px", a, b);
    return opu_accept(
        acceptance, (struct opu_check_row){.test = "A6",
                                           .name = name,
                                           .formula = "U = sinc(a fx) sinc(b fy), to 8 lambda f / "
                                                      "a (Goodman, Fourier Optics, 4.4.1); largest "
                                                      "|dU| / peak",
                                           .drawn = drawn,
                                           .value = worst,
                                           .unit = "",
                                           .low = 0.0,
                                           .high = bar});
}

/* A8: width, curvature and Gouy phase of a Gaussian beam, from the field on and off the axis. */
static int gaussian_beam(struct opu_acceptance *acceptance)
{
    enum { SIDE = 64, GRID = 512 };
    double const pitch_m = 2.0 * OPU_PLANE_WAVELENGTH_M;
    double const waist = opu_accept_draw(acceptance, 5.0, 16.0);
    double const ratio = opu_accept_draw(acceptance, 0.3, 1.5); /* z / zR */
    double const rayleigh_m = PI * waist * waist * pitch_m * pitch_m / OPU_PLANE_WAVELENGTH_M;
    struct opu_plane plane;
    OPU_TRY(opu_plane_init(&plane, acceptance->context, GRID, pitch_m, GRID, SIDE));
    for (size_t i = 0; i < (size_t)GRID * GRID; ++i) {
        double const x = opu_plane_at(i % GRID, GRID);
        double const y = opu_plane_at(i / GRID, GRID);
        plane.in[i] = exp(-(x * x + y * y) / (waist * waist));
    }
    int status = opu_plane_through_space(&plane, OPU_STEP_FRESNEL, ratio * rayleigh_m);
    size_t const axis = SIDE / 2 * SIDE + SIDE / 2;
    size_t const off = (size_t)(0.5 * waist) + 1;
    double complex const on_axis = plane.out[axis];
    double complex const relative = plane.out[axis + off] / on_axis;
    opu_plane_fini(&plane);
    OPU_TRY(status);
    double const off2_m = (double)(off * off) * pitch_m * pitch_m;
    double const width_m = sqrt(-off2_m / log(cabs(relative)));
    double const radius_m = PI * off2_m / (OPU_PLANE_WAVELENGTH_M * carg(relative));
    double const z_m = ratio * rayleigh_m;
    struct {
        const char *name, *formula;
        double value;
    } const rows[] = {
        {"Gaussian beam, width",
         "w = w0 sqrt(1 + (z/zR)^2) (Siegman, Lasers, 17.1); relative error",
         fabs(width_m / (waist * pitch_m * sqrt(1.0 + ratio * ratio)) - 1.0)},
        {"Gaussian beam, curvature", "R = z (1 + (zR/z)^2) (Siegman, Lasers, 17.1); relative error",
         fabs(radius_m / (z_m * (1.0 + 1.0 / (ratio * ratio))) - 1.0)},
        {"Gaussian beam, Gouy phase", "-atan(z/zR) (Siegman, Lasers, 17); error in radians",
         fabs(carg(on_axis) + atan(ratio))},
    };
    char drawn[80];
    snprintf(drawn, sizeof(drawn), "w0 = %.1f lambda, z = %.3f zR", 2.0 * waist, ratio);
    for (size_t k = 0; k < sizeof(rows) / sizeof(*rows); ++k) {
        status = opu_accept(acceptance, (struct opu_check_row){.test = "A8",
                                                               .name = rows[k].name,
                                                               .formula = rows[k].formula,
                                                               .drawn = drawn,
                                                               .value = rows[k].value,
                                                               .unit = "",
                                                               .low = 0.0,
                                                               .high = 1e-6});
        if (status != 0) {
            return status;
        }
    }
    return OPU_OK;
}

static double correlation(const double *a, const double *b, size_t n)
{
    double sa = 0.0;
    double sb = 0.0;
    double aa = 0.0;
    double bb = 0.0;
    double ab = 0.0;
    for (size_t i = 0; i < n; ++i) {
        sa += a[i];
        sb += b[i];
        aa += a[i] * a[i];
        bb += b[i] * b[i];
        ab += a[i] * b[i];
    }
    double const m = (double)n;
    return (ab - sa * sb / m) / sqrt((aa - sa * sa / m) * (bb - sb * sb / m));
}

/* A9: a cosine grating has orders 0 and +-1 only, so its self-images are exact. */
static int talbot(struct opu_acceptance *acceptance)
{
    enum { GRID = 256 };
    double const pitch_m = 2.0 * OPU_PLANE_WAVELENGTH_M;
    double const lines = floor(opu_accept_draw(acceptance, 16.0, 33.0));
    double const period = GRID * pitch_m / (lines * OPU_PLANE_WAVELENGTH_M); /* in wavelengths */
    double const talbot_m = OPU_PLANE_WAVELENGTH_M / (1.0 - sqrt(1.0 - 1.0 / (period * period)));
    char drawn[80];
    snprintf(drawn, sizeof(drawn), "p = %.3f lambda, zT = %.1f lambda", period,
             talbot_m / OPU_PLANE_WAVELENGTH_M);
    for (int halves = 1; halves <= 2; ++halves) {
        struct opu_plane plane;
        double seen[GRID];
        double wanted[GRID];
        OPU_TRY(opu_plane_init(&plane, acceptance->context, GRID, pitch_m, GRID, GRID));
        for (size_t i = 0; i < (size_t)GRID * GRID; ++i) {
            plane.in[i] = 0.5 + 0.5 * cos(OPU_TWO_PI * lines * opu_plane_at(i % GRID, GRID) / GRID);
        }
        int status =
            opu_plane_through_space(&plane, OPU_STEP_SPACE, 0.5 * (double)halves * talbot_m);
        for (size_t i = 0; i < GRID; ++i) {
            double const shift = halves == 1 ? PI : 0.0;
            double const t =
                0.5 + 0.5 * cos(OPU_TWO_PI * lines * opu_plane_at(i, GRID) / GRID + shift);
            seen[i] = pow(cabs(plane.out[i]), 2.0);
            wanted[i] = t * t;
        }
        opu_plane_fini(&plane);
        OPU_TRY(status);
        status = opu_accept(
            acceptance,
            (struct opu_check_row){
                .test = "A9",
                .name = halves == 1 ? "Talbot image at half the distance, shifted by p / 2"
                                    : "Talbot image of a cosine grating",
                .formula =
                    "zT = lambda / (1 - sqrt(1 - (lambda/p)^2)), exact for orders 0, +-1 (Goodman, "
                    "Fourier Optics, 4.5.2, not paraxial); correlation with the image",
                .drawn = drawn,
                .value = correlation(seen, wanted, GRID),
                .unit = "",
                .low = 0.9999,
                .high = (double)INFINITY});
        if (status != 0) {
            return status;
        }
    }
    return OPU_OK;
}

/* h = z e^ikr (1/r - ik) / (2 pi r^2), less e^ikz; lengths in wavelengths. */
static double complex rayleigh_sommerfeld(double x, double y, double z)
{
    double const r = sqrt(x * x + y * y + z * z);
    return z / (OPU_TWO_PI * r * r) * (1.0 / r - OPU_IMAGINARY * OPU_TWO_PI) *
           cexp(OPU_IMAGINARY * OPU_TWO_PI * (r - z));
}

/* A10: an off-centre Gaussian spot; both are converged where the spot fills neither aperture nor
 * grid. */
static int direct_integral(struct opu_acceptance *acceptance)
{
    enum { SIDE = 64, GRID = 256, EVERY = 4 };
    double const pitch = 0.5; /* wavelengths */
    double const waist = opu_accept_draw(acceptance, 3.5, 4.5);
    double const z = opu_accept_draw(acceptance, 30.0, 80.0);
    double const cx = opu_accept_draw(acceptance, -2.0, 2.0);
    struct opu_plane plane;
    OPU_TRY(opu_plane_init(&plane, acceptance->context, GRID, pitch * OPU_PLANE_WAVELENGTH_M, SIDE,
                           SIDE));
    for (size_t i = 0; i < SIDE * SIDE; ++i) {
        double const x = pitch * opu_plane_at(i % SIDE, SIDE) - cx;
        double const y = pitch * opu_plane_at(i / SIDE, SIDE);
        plane.in[i] = exp(-(x * x + y * y) / (waist * waist));
    }
    int status = opu_plane_through_space(&plane, OPU_STEP_SPACE, z * OPU_PLANE_WAVELENGTH_M);
    double worst = 0.0;
    double largest = 0.0;
    for (size_t k = 0; k < SIDE * SIDE / (EVERY * EVERY); ++k) {
        size_t const column = k % (SIDE / EVERY) * EVERY;
        size_t const row = k / (SIDE / EVERY) * EVERY;
        double complex sum = 0.0;
        for (size_t i = 0; i < SIDE * SIDE; ++i) {
            size_t const source = i / SIDE; /* row */
            double const dx = (double)column - (double)(i % SIDE);
            double const dy = (double)row - (double)source;
            sum += plane.in[i] * rayleigh_sommerfeld(pitch * dx, pitch * dy, z);
        }
        sum *= pitch * pitch;
        worst = opu_accept_worse(worst, cabs(sum - plane.out[row * SIDE + column]));
        largest = fmax(largest, cabs(sum));
    }
    opu_plane_fini(&plane);
    OPU_TRY(status);
    char drawn[80];
    snprintf(drawn, sizeof(drawn), "w0 = %.2f lambda, z = %.1f lambda", waist, z);
    return opu_accept(acceptance, (struct opu_check_row){
                                      .test = "A10",
                                      .name = "Rayleigh-Sommerfeld integral, 64 x 64",
                                      .formula = "U = sum of U0 h dx^2, h = z e^ikr (1/r - ik) / "
                                                 "(2 pi r^2) (Goodman, Fourier Optics, 3.5); "
                                                 "largest |dU| / peak",
                                      .drawn = drawn,
                                      .value = worst / largest,
                                      .unit = "",
                                      .low = 0.0,
                                      .high = 1e-3});
}

/*
 * A11: the plane wave less the field of the disc's opening. Pixels average the disc's edge, which
 * multiplies its spectrum by sinc(p fx) sinc(p fy) = 1 - (pi p f)^2 / 6 near 0; f = sin / lambda
 * is where the light that meets on the axis comes from.
 */
static int arago(struct opu_acceptance *acceptance)
{
    enum { GRID = 2048 };
    double const pitch = 0.25; /* wavelengths */
    double const radius = opu_accept_draw(acceptance, 15.0, 25.0);
    double const z = radius * opu_accept_draw(acceptance, 3.0, 6.0);
    size_t const side = 2 * (size_t)(radius / pitch) + 6;
    struct opu_plane plane;
    OPU_TRY(
        opu_plane_init(&plane, acceptance->context, GRID, pitch * OPU_PLANE_WAVELENGTH_M, side, 1));
    plane.setup.out.x = 0;
    plane.setup.out.y = 0;
    for (size_t i = 0; i < side * side; ++i) {
        plane.in[i] =
            disc_share(opu_plane_at(i % side, side), opu_plane_at(i / side, side), radius / pitch);
    }
    int status = opu_plane_through_space(&plane, OPU_STEP_SPACE, z * OPU_PLANE_WAVELENGTH_M);
    double const intensity = pow(cabs(1.0 - plane.out[0]), 2.0);
    opu_plane_fini(&plane);
    OPU_TRY(status);
    double const path = hypot(z, radius);
    double const average = 1.0 - pow(PI * pitch * radius / path, 2.0) / 6.0;
    char drawn[80];
    snprintf(drawn, sizeof(drawn), "a = %.1f lambda, z = %.1f lambda", radius, z);
    return opu_accept(
        acceptance, (struct opu_check_row){
                        .test = "A11",
                        .name = "spot of Arago, relative to the formula",
                        .formula = "I = I0 z^2 / (z^2 + a^2), on the axis behind a disc: "
                                   "Rayleigh-Sommerfeld's integral (Goodman, Fourier Optics, 3.5)",
                        .drawn = drawn,
                        .value = intensity / pow(z / path * average, 2.0),
                        .unit = "",
                        .low = 0.99,
                        .high = 1.01});
}

int opu_accept_diffraction(struct opu_acceptance *acceptance)
{
    int status = OPU_OK;
    for (int i = 0; status == OPU_OK && i < CASES; ++i) {
        bool const first = i == 0;
        int (*const tests[])(struct opu_acceptance *) = {
            gaussian_beam,
            talbot,
            direct_integral,
            arago,
        };
        status = airy(acceptance, 512, 3e-5, first);
        status = status == OPU_OK ? airy(acceptance, 1024, 1e-5, false) : status;
        status = status == OPU_OK ? rectangle(acceptance, 512, 5e-5) : status;
        status = status == OPU_OK ? opu_accept_near_field(acceptance, first) : status;
        for (size_t k = 0; status == OPU_OK && k < sizeof(tests) / sizeof(*tests); ++k) {
            status = tests[k](acceptance);
        }
    }
    return status;
}
