/* SPDX-License-Identifier: MIT */
/*
 * Near fields against Fresnel's integrals, A7, in double: a rectangle in a wide window, and a half
 * plane whose edge stands alone. Lengths are in pixels of the grid unless their names say
 * otherwise.
 */
#include "sim/acceptance/plane.h"

#include "core/base/fail.h"

#include <math.h>
#include <stdio.h>

#define PI (0.5 * OPU_TWO_PI)

/* C(v) + i S(v) (Abramowitz and Stegun, 7.3.11, 7.3.13; 7.3.27, 7.3.28). */
static double complex fresnel(double v)
{
    double const x = fabs(v);
    double complex sum = 0.0;
    if (x < 3.0) {
        double complex const step = OPU_IMAGINARY * 0.5 * PI * x * x;
        double complex term = x;
        for (int k = 0; k < 80; ++k) {
            sum += term / (2.0 * (double)k + 1.0);
            term *= step / ((double)k + 1.0);
        }
    } else {
        double const u = 1.0 / (PI * x * x);
        double const f = (1.0 - 3.0 * u * u * (1.0 - 35.0 * u * u)) / (PI * x);
        double const g = u * (1.0 - 15.0 * u * u * (1.0 - 63.0 * u * u)) / (PI * x);
        double const t = 0.5 * PI * x * x;
        sum = 0.5 + f * sin(t) - g * cos(t) + OPU_IMAGINARY * (0.5 - f * cos(t) - g * sin(t));
    }
    return v < 0.0 ? -sum : sum;
}

/* Field at x behind the slit -half .. half, v = x sqrt(2 / (lambda z)) in pixels. */
static double complex slit(double x, double half, double per_pixel)
{
    double complex const across = fresnel((half - x) * per_pixel) + fresnel((half + x) * per_pixel);
    return across * (1.0 - OPU_IMAGINARY) / 2.0;
}

struct near_field {
    size_t width, side; /* of the aperture's array, of the window that is looked at */
    double half, number, per_pixel, z_m;
};

/*
 * A7: a rectangle in near field, the grid 16 times as wide. Pixels average the edge, which takes
 * (p^2 / 24) U'' off the field, and the grid folds as much back. With v = x sqrt(2 F) / half for a
 * Fresnel number F the field beside an edge has |U''| = pi v / sqrt 2 and v is up to 2.6 sqrt(2 F)
 * across the window: the error goes with F^1.5 / half^2, 0.002 for half = 64 and F = 3 as for half
 * = 128 and F = 8.
 */
static struct near_field draw_near_field(struct opu_acceptance *acceptance, double pitch_m)
{
    struct near_field near = {.number = opu_accept_draw(acceptance, 1.0, 8.0)};
    near.width = near.number > 3.0 ? 256 : 128;
    near.side = near.width * 3 / 2;
    near.half = 0.5 * (double)near.width * opu_accept_draw(acceptance, 0.8, 1.0);
    near.z_m = near.half * near.half * pitch_m * pitch_m / (near.number * OPU_PLANE_WAVELENGTH_M);
    near.per_pixel = pitch_m * sqrt(2.0 / (OPU_PLANE_WAVELENGTH_M * near.z_m));
    return near;
}

/* The largest error; x, seen and wanted [near->side] go through the middle. */
static double compare_near_field(const struct near_field *near, const double complex *out,
                                 double complex *along, double *x, double *seen, double *wanted)
{
    double worst = 0.0;
    for (size_t i = 0; i < near->side; ++i) {
        x[i] = opu_plane_at(i, near->side) / near->half;
        along[i] = slit(opu_plane_at(i, near->side), near->half, near->per_pixel);
    }
    for (size_t i = 0; i < near->side * near->side; ++i) {
        double complex const formula = along[i % near->side] * along[i / near->side];
        worst = opu_accept_worse(worst, cabs(out[i] - formula));
        if (i / near->side == near->side / 2) {
            seen[i % near->side] = pow(cabs(out[i]), 2.0);
            wanted[i % near->side] = pow(cabs(formula), 2.0);
        }
    }
    return worst;
}

/* The curve crosses the edge. */
static int near_field(struct opu_acceptance *acceptance, bool show)
{
    enum { MAX_SIDE = 384 };
    double const pitch_m = 10.0 * OPU_PLANE_WAVELENGTH_M;
    struct near_field const near = draw_near_field(acceptance, pitch_m);
    size_t const in_side = near.width + 4;
    struct opu_plane plane;
    OPU_TRY(
        opu_plane_init(&plane, acceptance->context, 16 * near.width, pitch_m, in_side, near.side));
    for (size_t i = 0; i < in_side * in_side; ++i) {
        plane.in[i] = opu_plane_share(opu_plane_at(i % in_side, in_side), -near.half, near.half) *
                      opu_plane_share(opu_plane_at(i / in_side, in_side), -near.half, near.half);
    }
    int status = opu_plane_through_space(&plane, OPU_STEP_SPACE, near.z_m);
    double complex along[MAX_SIDE];
    double x[MAX_SIDE];
    double seen[MAX_SIDE];
    double wanted[MAX_SIDE];
    double const worst = compare_near_field(&near, plane.out, along, x, seen, wanted);
    opu_plane_fini(&plane);
    OPU_TRY(status);
    char drawn[80];
    snprintf(drawn, sizeof(drawn), "half width %.2f px, Fresnel number %.2f", near.half,
             near.number);
    struct opu_check_curve const curve = {.title = "Fresnel diffraction across a slit's edges",
                                          .x_label = "x / half width",
                                          .y_label = "intensity",
                                          .n = near.side,
                                          .x = x,
                                          .measured = seen,
                                          .expected = wanted};
    return opu_accept(
        acceptance,
        (struct opu_check_row){
            .test = "A7",
            .name = "near field of a rectangle, window 16 times as wide",
            .formula = "U = products of C + iS (Goodman, Fourier Optics, 4.5.1); largest |dU|",
            .drawn = drawn,
            .value = worst,
            .unit = "",
            .low = 0.0,
            .high = 1e-2,
            .curve = show ? &curve : NULL});
}

/*
 * A7: a half plane alone. The other end of the light fades over many fringes, so that no ripple
 * comes from it; along the edge nothing changes, and the grid's period is no matter.
 */
static int edge(struct opu_acceptance *acceptance)
{
    enum { GRID = 1024, SIDE = 256, MIDDLE = 340, FADE = 60 };
    double const pitch_m = 10.0 * OPU_PLANE_WAVELENGTH_M;
    double const scale = opu_accept_draw(acceptance, 11.0, 32.0); /* sqrt(lambda z / 2), pixels */
    double const z_m = 2.0 * scale * scale * pitch_m * pitch_m / OPU_PLANE_WAVELENGTH_M;
    struct opu_plane plane;
    OPU_TRY(opu_plane_init(&plane, acceptance->context, GRID, pitch_m, GRID, SIDE));
    plane.setup.out = (struct opu_window){GRID - SIDE / 2, 0, SIDE, 1};
    for (size_t i = 0; i < (size_t)GRID * GRID; ++i) {
        double const x = opu_plane_at(i % GRID, GRID);
        plane.in[i] = opu_plane_share(x, 0.0, GRID) * 0.5 * erfc((x - MIDDLE) / FADE);
    }
    int status = opu_plane_through_space(&plane, OPU_STEP_SPACE, z_m);
    double worst = 0.0;
    for (size_t i = 0; i < SIDE; ++i) {
        double const v = opu_plane_at(i, SIDE) / scale;
        double complex const open = 0.5 + OPU_IMAGINARY * 0.5 + fresnel(v);
        double complex const formula = open * (1.0 - OPU_IMAGINARY) / 2.0;
        worst = fabs(v) <= 5.0 ? opu_accept_worse(worst, cabs(plane.out[i] - formula)) : worst;
    }
    double const on_edge = pow(cabs(plane.out[SIDE / 2]), 2.0);
    opu_plane_fini(&plane);
    OPU_TRY(status);
    char drawn[80];
    snprintf(drawn, sizeof(drawn), "sqrt(lambda z / 2) = %.1f px", scale);
    status = opu_accept(
        acceptance,
        (struct opu_check_row){
            .test = "A7",
            .name = "intensity on the edge of a shadow",
            .formula =
                "I(edge) = 1/4 of the open field (Goodman, Fourier Optics, 4.5.1: C(0) = S(0) = 0)",
            .drawn = drawn,
            .value = on_edge,
            .unit = "",
            .low = 0.24,
            .high = 0.26});
    if (status != 0) {
        return status;
    }
    return opu_accept(
        acceptance,
        (struct opu_check_row){.test = "A7",
                               .name = "field across the edge of a shadow",
                               .formula = "U = (1 - i) / 2 ((1 + i) / 2 + C(v) + i S(v)), |v| < 5 "
                                          "(Goodman, Fourier Optics, 4.5.1); largest |dU|",
                               .drawn = drawn,
                               .value = worst,
                               .unit = "",
                               .low = 0.0,
                               .high = 1e-2});
}

int opu_accept_near_field(struct opu_acceptance *acceptance, bool show)
{
    int const status = near_field(acceptance, show);
    return status == OPU_OK ? edge(acceptance) : status;
}
