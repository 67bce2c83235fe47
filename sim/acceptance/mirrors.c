/* SPDX-License-Identifier: MIT */
/*
 * A12: the mirror array. A small array of tilted mirrors, each of SIDE x SIDE points, is summed
 * point by point into the far field: where its orders stand, how bright they are, where the
 * envelope is centred. Two lines of mirrors are a double slit. Leakage, beam and stuck mirrors are
 * read off the amplitudes of whole chips.
 */
#include "sim/acceptance/acceptance.h"

#include "core/base/fail.h"
#include "sim/dmd.h"

#include <math.h>
#include <stdio.h>

#define PI 3.14159265358979323846
#define SQRT2 1.41421356237309504880
#define SIDE 32 /* points along a mirror's side */
#define CASES 3
#define SIGMAS 5.0 /* of a normal estimate: nine of them together, 5 runs in 10^6 by chance */

struct scene {
    const struct opu_dmd_chip *chip;
    double wavelength_m, incidence_rad;
    int mirrors; /* along a side */
    char text[96];
};

static struct scene draw_scene(struct opu_acceptance *acceptance)
{
    struct scene scene = {
        .chip = &opu_dmd_chips[1 + (int)opu_accept_draw(acceptance, 0.0, 4.0)],
        .wavelength_m = opu_accept_draw(acceptance, 450e-9, 750e-9),
        .incidence_rad = opu_accept_draw(acceptance, 0.0, 0.45),
        .mirrors = 2 * (int)opu_accept_draw(acceptance, 3.0, 6.0),
    };
    snprintf(scene.text, sizeof(scene.text), "%s, %.1f nm, incidence %.2f deg, %d x %d mirrors",
             scene.chip->name, scene.wavelength_m * 1e9, scene.incidence_rad * 180.0 / PI,
             scene.mirrors, scene.mirrors);
    return scene;
}

struct phasor {
    double re, im;
};

/* Centre of a mirror with x along the direction in which mirrors tilt. */
static struct opu_dmd_point place(const struct scene *scene, int column, int row)
{
    struct opu_dmd_point const at = opu_dmd_mirror(scene->chip, column, row);
    if (scene->chip->diamond) {
        return at;
    }
    return (struct opu_dmd_point){(at.x_m + at.y_m) / SQRT2, (at.y_m - at.x_m) / SQRT2};
}

/* The points of one mirror around its centre: heights follow the tilt. */
static struct phasor mirror_sum(const struct scene *scene, struct opu_dmd_point centre,
                                const double k[3])
{
    double const w = scene->chip->pitch_m * sqrt(scene->chip->fill_factor);
    double const tilt = scene->chip->tilt_rad;
    struct phasor sum = {0.0, 0.0};
    for (int i = 0; i < SIDE * SIDE; ++i) {
        int const row = i / SIDE;
        double const a = ((i % SIDE + 0.5) / SIDE - 0.5) * w;
        double const b = ((row + 0.5) / SIDE - 0.5) * w;
        double const u = (a + b) / SQRT2, v = (b - a) / SQRT2;
        double const phase =
            k[0] * (centre.x_m + u * cos(tilt)) + k[1] * (centre.y_m + v) - k[2] * u * sin(tilt);
        sum.re += cos(phase);
        sum.im += sin(phase);
    }
    return sum;
}

/* Intensity in direction (sx, sy), 1 where all points agree; of one mirror or of all. */
static double far_field(const struct scene *scene, double sx, double sy, int mirrors)
{
    double const n = 2.0 * PI / scene->wavelength_m;
    double const sz = sqrt(fmax(0.0, 1.0 - sx * sx - sy * sy));
    double const k[3] = {n * (sx + sin(scene->incidence_rad)), n * sy,
                         n * (sz + cos(scene->incidence_rad))};
    struct phasor sum = {0.0, 0.0};
    for (int m = 0; m < mirrors * mirrors; ++m) {
        struct phasor const one = mirror_sum(scene, place(scene, m % mirrors, m / mirrors), k);
        sum.re += one.re;
        sum.im += one.im;
    }
    double const all = (double)mirrors * mirrors * SIDE * SIDE;
    return (sum.re * sum.re + sum.im * sum.im) / (all * all);
}

/* Light of the array relative to that of one mirror: the grating alone. */
static double grating(const struct scene *scene, double angle)
{
    return far_field(scene, sin(angle), 0.0, scene->mirrors) / far_field(scene, sin(angle), 0.0, 1);
}

static double envelope(const struct scene *scene, double angle)
{
    return far_field(scene, sin(angle), 0.0, 1);
}

/* Golden section: the maximum of f within half_width of a guess, to 1e-7 of that width. */
static double find_peak(double (*f)(const struct scene *, double), const struct scene *scene,
                        double guess, double half_width)
{
    double const ratio = 0.61803398874989485;
    double low = guess - half_width, high = guess + half_width;
    double a = high - ratio * (high - low), b = low + ratio * (high - low);
    double fa = f(scene, a), fb = f(scene, b);
    for (int step = 0; step < 34; ++step) {
        if (fa > fb) {
            high = b;
            b = a;
            fb = fa;
            a = high - ratio * (high - low);
            fa = f(scene, a);
        } else {
            low = a;
            a = b;
            fa = fb;
            b = low + ratio * (high - low);
            fb = f(scene, b);
        }
    }
    return 0.5 * (low + high);
}

/* The order below the middle of the envelope; the next one is above it. */
static int order_below(const struct scene *scene)
{
    const struct opu_dmd_chip *const chip = scene->chip;
    return (int)floor(
        (sin(2.0 * chip->tilt_rad - scene->incidence_rad) + sin(scene->incidence_rad)) *
        chip->pitch_m / (SQRT2 * scene->wavelength_m));
}

/* Off its envelope an order is found where the array's light has its peak; the guess is put off by
 * up to a third of the peak's width, that the search has to find it. */
static int accept_angles(struct opu_acceptance *acceptance)
{
    struct scene const scene = draw_scene(acceptance);
    double const spacing = SQRT2 * scene.wavelength_m / scene.chip->pitch_m;
    double worst = 0.0;
    for (int p = order_below(&scene); p <= order_below(&scene) + 1; ++p) {
        double const wanted =
            opu_dmd_order_angle(scene.chip, scene.wavelength_m, scene.incidence_rad, p);
        double const width = spacing / scene.mirrors / cos(wanted);
        double const guess = wanted + width * opu_accept_draw(acceptance, -0.3, 0.3);
        double const seen = find_peak(grating, &scene, guess, 0.5 * width);
        worst = opu_accept_worse(worst, fabs(seen - wanted) / spacing);
    }
    return opu_accept(
        acceptance,
        (struct opu_check_row){
            .test = "A12",
            .name = "angles of the two orders around the blaze, error over their spacing",
            .formula = "sin theta_p + sin alpha = p lambda sqrt2 / d (arXiv 2311.17496, sec. 2)",
            .drawn = scene.text,
            .value = worst,
            .unit = "",
            .low = 0.0,
            .high = 1e-5});
}

/* Midpoint sums of SIDE points are off by (pi x / SIDE)^2 / 12 of an intensity, x < 1.5 for these
 * orders: 2e-3. */
static int accept_orders(struct opu_acceptance *acceptance)
{
    struct scene const scene = draw_scene(acceptance);
    double const unit = scene.wavelength_m / (SQRT2 * scene.chip->pitch_m);
    int const p = order_below(&scene);
    double worst = 0.0;
    for (int k = 0; k < 4; ++k) {
        int const m = p + k % 2, n = p + k / 2;
        double const seen = far_field(&scene, (m + n) * unit - sin(scene.incidence_rad),
                                      (m - n) * unit, scene.mirrors);
        worst = opu_accept_worse(worst, fabs(seen - opu_dmd_envelope(scene.chip, scene.wavelength_m,
                                                                     scene.incidence_rad, m, n)));
    }
    return opu_accept(
        acceptance,
        (struct opu_check_row){
            .test = "A12",
            .name = "brightness of the four orders around the blaze, largest error",
            .formula = "sinc^2(w (q + s) / (sqrt2 lambda)) sinc^2(w (q - s) / (sqrt2 lambda)), "
                       "sim/dmd.h",
            .drawn = scene.text,
            .value = worst,
            .unit = "",
            .low = 0.0,
            .high = 2e-3});
}

static int accept_blaze(struct opu_acceptance *acceptance)
{
    struct scene const scene = draw_scene(acceptance);
    const struct opu_dmd_chip *const chip = scene.chip;
    double const guess =
        2.0 * chip->tilt_rad - scene.incidence_rad + opu_accept_draw(acceptance, -0.005, 0.005);
    double const seen = find_peak(envelope, &scene, guess, 0.02);
    double const order =
        (sin(seen) + sin(scene.incidence_rad)) * chip->pitch_m / (SQRT2 * scene.wavelength_m);
    double const mu = fabs(fmod(2.0 * order, 2.0) - 1.0);
    return opu_accept(
        acceptance,
        (struct opu_check_row){
            .test = "A12",
            .name = "blazed number: middle of one mirror's light against the orders, error",
            .formula = "mu = |(4 d / (sqrt2 lambda) sin theta_B cos(theta_B - alpha)) mod 2 - 1| "
                       "(arXiv 2311.17496, sec. 2)",
            .drawn = scene.text,
            .value = fabs(mu - opu_dmd_blaze(chip, scene.wavelength_m, scene.incidence_rad)),
            .unit = "",
            .low = 0.0,
            .high = 1e-4});
}

static int accept_known_blaze(struct opu_acceptance *acceptance)
{
    double const alpha = opu_accept_draw(acceptance, 0.0, 15.0 * PI / 180.0);
    char text[32];
    snprintf(text, sizeof(text), "incidence %.2f deg", alpha * 180.0 / PI);
    return opu_accept(
        acceptance,
        (struct opu_check_row){
            .test = "A12",
            .name = "10.8 um mirrors at 633 nm and small incidence are near the blaze: mu",
            .formula = "arXiv 2311.17496, sec. 2: a good pair",
            .drawn = text,
            .value = opu_dmd_blaze(&opu_dmd_chips[OPU_DMD_DLP9500], 633e-9, alpha),
            .unit = "",
            .low = 0.8,
            .high = 1.0});
}

/* Two columns of flat mirrors: light at an angle in the plane across them. */
static double two_slits(const struct opu_dmd_chip *chip, int apart, double wavelength_m,
                        double sine)
{
    double const w = chip->pitch_m * sqrt(chip->fill_factor);
    struct phasor sum = {0.0, 0.0};
    for (int i = 0; i < 2 * SIDE; ++i) {
        int const column = i / SIDE * apart;
        double const x =
            opu_dmd_mirror(chip, column, 0.0).x_m + ((i % SIDE + 0.5) / SIDE - 0.5) * w;
        double const phase = 2.0 * PI / wavelength_m * x * sine;
        sum.re += cos(phase);
        sum.im += sin(phase);
    }
    return (sum.re * sum.re + sum.im * sum.im) / (4.0 * SIDE * SIDE);
}

static int accept_double_slit(struct opu_acceptance *acceptance)
{
    enum { ANGLES = 200 };
    const struct opu_dmd_chip *const chip = &opu_dmd_chips[OPU_DMD_DLP9500];
    int const apart = (int)opu_accept_draw(acceptance, 2.0, 12.0);
    double const wavelength_m = opu_accept_draw(acceptance, 450e-9, 750e-9);
    double const w = chip->pitch_m * sqrt(chip->fill_factor);
    double const fringe = wavelength_m / (apart * chip->pitch_m);
    double sine[ANGLES], seen[ANGLES], wanted[ANGLES];
    double worst = 0.0;
    for (int i = 0; i < ANGLES; ++i) {
        sine[i] = 3.0 * fringe * (i + 0.5) / ANGLES;
        double const x = PI * w * sine[i] / wavelength_m;
        double const c = cos(PI * sine[i] / fringe);
        seen[i] = two_slits(chip, apart, wavelength_m, sine[i]);
        wanted[i] = c * c * sin(x) * sin(x) / (x * x);
        worst = opu_accept_worse(worst, fabs(seen[i] - wanted[i]));
    }
    struct opu_check_curve const curve = {.title = "Two lines of mirrors",
                                          .x_label = "sin theta",
                                          .y_label = "intensity",
                                          .n = ANGLES,
                                          .x = sine,
                                          .measured = seen,
                                          .expected = wanted};
    char text[64];
    snprintf(text, sizeof(text), "%d mirrors apart, %.1f nm", apart, wavelength_m * 1e9);
    return opu_accept(
        acceptance, (struct opu_check_row){
                        .test = "A12",
                        .name = "double slit of two lines of mirrors, three fringes, largest error",
                        .formula = "cos^2(pi D s / lambda) sinc^2(w s / lambda) (Goodman, Fourier "
                                   "Optics, 4.4.1: Fraunhofer)",
                        .drawn = text,
                        .value = worst,
                        .unit = "",
                        .low = 0.0,
                        .high = 2e-3,
                        .curve = &curve});
}

/* A chip with some inputs; leakage, dead and beam are for the caller. */
static struct opu_dmd_setup draw_chip(struct opu_acceptance *acceptance)
{
    int const chip = 1 + (int)opu_accept_draw(acceptance, 0.0, 4.0);
    double const log_n = opu_accept_draw(acceptance, log(1000.0), log(20000.0));
    return (struct opu_dmd_setup){.context = acceptance->context,
                                  .chip = &opu_dmd_chips[chip],
                                  .layout = OPU_DMD_SQUARE,
                                  .n_inputs = (size_t)exp(log_n),
                                  .seed = (uint64_t)opu_accept_draw(acceptance, 0.0, 4e9)};
}

static int accept_leakage(struct opu_acceptance *acceptance)
{
    struct opu_dmd_setup setup = draw_chip(acceptance);
    setup.leakage = opu_accept_draw(acceptance, 1.0 / 2000.0, 1.0 / 500.0);
    setup.beam = opu_accept_draw(acceptance, 0.5, 2.0);
    struct opu_dmd dmd;
    OPU_TRY(opu_dmd_init(&dmd, &setup));
    double on = 0.0, off = 0.0;
    for (size_t j = 0; j < dmd.n_inputs; ++j) {
        on += (double)dmd.step[j] + (double)dmd.off[j];
        off += (double)dmd.off[j];
    }
    opu_dmd_fini(&dmd);
    char text[80];
    snprintf(text, sizeof(text), "%s, %zu inputs, contrast %.0f : 1", setup.chip->name,
             setup.n_inputs, 1.0 / setup.leakage);
    return opu_accept(
        acceptance,
        (struct opu_check_row){.test = "A12",
                               .name = "all mirrors off over all on, over the leakage",
                               .formula = "|sum off_j|^2 / |sum on_j|^2 = leakage (sim/dmd.h)",
                               .drawn = text,
                               .value = off * off / (on * on) / setup.leakage,
                               .unit = "",
                               .low = 1.0 - 1e-5,
                               .high = 1.0 + 1e-5});
}

static int accept_beam(struct opu_acceptance *acceptance)
{
    struct opu_dmd_setup setup = draw_chip(acceptance);
    setup.chip = &opu_dmd_chips[OPU_DMD_DLP7000];
    setup.beam = opu_accept_draw(acceptance, 0.3, 1.5);
    struct opu_dmd dmd;
    OPU_TRY(opu_dmd_init(&dmd, &setup));
    double const b = (double)dmd.width;
    double const w2 = setup.beam * setup.beam * 0.25 * (1024.0 * 1024.0 + 768.0 * 768.0);
    double first = 0.0, worst = 0.0, power = 0.0;
    for (size_t j = 0; j < dmd.n_inputs; ++j) {
        size_t const row = j / dmd.columns;
        double const x = (double)dmd.left + ((double)(j % dmd.columns) + 0.5) * b - 512.0;
        double const y = (double)dmd.top + ((double)row + 0.5) * b - 384.0;
        double const ratio = (double)dmd.step[j] / exp(-(x * x + y * y) / w2);
        first = j == 0 ? ratio : first;
        worst = opu_accept_worse(worst, fabs(ratio / first - 1.0));
        power += (double)dmd.step[j] * (double)dmd.step[j] / (double)dmd.n_inputs;
    }
    opu_dmd_fini(&dmd);
    char text[80];
    snprintf(text, sizeof(text), "%s, %zu inputs, beam %.3f", setup.chip->name, setup.n_inputs,
             setup.beam);
    return opu_accept(
        acceptance,
        (struct opu_check_row){
            .test = "A12",
            .name = "beam on the macro-pixels and their mean power, largest error",
            .formula = "step_j ~ exp(-r^2 / w^2), mean step_j^2 = (1 - eps)^2 (sim/dmd.h)",
            .drawn = text,
            .value = opu_accept_worse(worst, fabs(power - 1.0)),
            .unit = "",
            .low = 0.0,
            .high = 1e-5});
}

static int accept_dead(struct opu_acceptance *acceptance)
{
    struct opu_dmd_setup setup = draw_chip(acceptance);
    setup.dead = opu_accept_draw(acceptance, 1e-3, 0.1);
    struct opu_dmd dmd;
    OPU_TRY(opu_dmd_init(&dmd, &setup));
    double const n = (double)(dmd.n_inputs * dmd.mirrors_per_input);
    double const dead = (double)(dmd.n_stuck_on + dmd.n_stuck_off);
    double const p = setup.dead;
    double const m = (double)dmd.mirrors_per_input;
    double mean = 0.0, square = 0.0;
    for (size_t j = 0; j < dmd.n_inputs; ++j) {
        mean += (double)dmd.step[j] / (double)dmd.n_inputs;
        square += (double)dmd.step[j] * (double)dmd.step[j] / (double)dmd.n_inputs;
    }
    double const share_z = (dead - n * p) / sqrt(n * p * (1.0 - p));
    double const half_z = ((double)dmd.n_stuck_on - 0.5 * dead) / sqrt(0.25 * dead);
    double const spread = (square / (mean * mean) - 1.0) / (p / ((1.0 - p) * m));
    /* variance of a variance: 2 / n and the excess of a binomial share */
    double const excess = (1.0 - 6.0 * p * (1.0 - p)) / (m * p * (1.0 - p));
    double const spread_z = (spread - 1.0) / sqrt((2.0 + excess) / (double)dmd.n_inputs);
    char text[96];
    snprintf(text, sizeof(text), "%s, %zu inputs of %zu mirrors, %.4f dead", setup.chip->name,
             dmd.n_inputs, dmd.mirrors_per_input, p);
    opu_dmd_fini(&dmd);
    return opu_accept(
        acceptance,
        (struct opu_check_row){
            .test = "A12",
            .name = "stuck mirrors: their share, the half of them that is on, the spread between "
                    "macro-pixels, largest deviation",
            .formula = "binomial: N p (1 - p), N / 4, p / ((1 - p) M) (sim/dmd.h)",
            .drawn = text,
            .value = fmax(fabs(share_z), fmax(fabs(half_z), fabs(spread_z))),
            .unit = "sigma",
            .low = 0.0,
            .high = SIGMAS,
            .samples = n});
}

int opu_accept_mirrors(struct opu_acceptance *acceptance)
{
    static int (*const tests[])(struct opu_acceptance *) = {
        accept_angles,      accept_orders,  accept_blaze, accept_known_blaze,
        accept_double_slit, accept_leakage, accept_beam,  accept_dead,
    };
    acceptance->group = "mirrors";
    for (size_t t = 0; t < sizeof(tests) / sizeof(tests[0]); ++t) {
        for (int run = 0; run < CASES; ++run) {
            int const status = tests[t](acceptance);
            if (status != OPU_OK) {
                return status;
            }
        }
    }
    return OPU_OK;
}
