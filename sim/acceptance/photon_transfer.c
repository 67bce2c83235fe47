/* SPDX-License-Identifier: MIT */
/*
 * A15, the camera by photon transfer (EMVA 1288, release 3.1, sec. 2, 6 to 8): of the device's own
 * sensor and of three that are drawn.
 *
 *   var y = K (mean y - K black) + K^2 read^2 + 1/12        temporal, from differences of frames
 *   s^2(50 %) - s^2(dark) = (K lambda PRNU)^2, s^2(dark) = (K DSNU)^2          spatial
 *
 * The 1/12 of the converter holds where noise spreads over its steps, K sigma >= 0.6: it is then
 * off by less than 2 exp(-2 pi^2 0.6^2) = 0.2 %. Light starts where that is so, and where even
 * bright light does not reach it, the test takes more bits. Photon noise is on throughout.
 */
#include "sim/acceptance/photon_transfer.h"

#include "core/base/mem.h"
#include "core/base/rng.h"
#include "sim/acceptance/acceptance.h"
#include "sim/camera/camera.h"
#include "sim/sim_options.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SIGMAS 5.0 /* bars: one row in two million fails by chance */
#define MAX_TILES 1024u
#define LEVELS 12
#define PAIRS 4
#define STACK 16 /* frames whose mean is the spatial picture */
#define DITHER 0.6
#define FULL_SPECKLE 5.0 /* full well over mean: e^-5 of the pixels above it */

/* Stops at an error, and where the caller's function asks to. */
#define ACCEPT(expr) \
    do { \
        int const status_ = (expr); \
        if (status_ != OPU_OK) { \
            return status_; \
        } \
    } while (0)

/* A camera under test and what it sees. */
struct rig {
    struct opu_sensor sensor;
    struct opu_camera camera;
    opu_camera_tile_fn expose;
    uint32_t n_tiles;
    uint64_t frame;
    double gain;    /* K, counts per electron */
    uint32_t *sums; /* [n_tiles][256] */
    char drawn[160];
};

static double pixels_of(const struct rig *rig)
{
    return (double)rig->n_tiles * OPU_TILE_PIXELS;
}

static void rig_fini(struct rig *rig)
{
    opu_context_free(rig->camera.context, rig->sums);
    opu_camera_fini(&rig->camera);
}

static int rig_init(struct rig *rig, struct opu_acceptance *acceptance,
                    const struct opu_sensor *sensor, uint32_t bits)
{
    *rig = (struct rig){.sensor = *sensor,
                        .expose = opu_camera_tile_kernel(opu_isa_best()),
                        .n_tiles = acceptance->thorough ? MAX_TILES : MAX_TILES / 4};
    struct opu_camera_setup const setup = {.context = acceptance->context,
                                           .sensor = &rig->sensor,
                                           .bits = bits,
                                           .n_pixels = (size_t)rig->n_tiles * OPU_TILE_PIXELS,
                                           .seed = (uint64_t)opu_accept_draw(acceptance, 0, 0x1p53),
                                           .isa = opu_isa_best()};
    ACCEPT(opu_camera_init(&rig->camera, &setup));
    rig->gain = (double)rig->camera.max_count / (sensor->full_well_e + sensor->black_e);
    rig->sums = opu_calloc(acceptance->context, rig->n_tiles, OPU_TILE_PIXELS * sizeof(*rig->sums));
    if (rig->sums == NULL) {
        rig_fini(rig);
        return OPU_E_NO_MEMORY;
    }
    (void)snprintf(rig->drawn, sizeof rig->drawn,
                   "full well %.0f e-, read noise %.2f e-, PRNU %.2f %%, DSNU %.2f e-, black %.0f "
                   "e-, %u bits",
                   sensor->full_well_e, sensor->read_noise_e, 100.0 * sensor->prnu, sensor->dsnu_e,
                   sensor->black_e, (unsigned)bits);
    return OPU_OK;
}

/* One tile under even light of lambda electrons, or under a field. */
static uint32_t expose(const struct rig *rig, double lambda, const float *field, uint32_t tile,
                       uint64_t frame, uint16_t counts[OPU_TILE_PIXELS])
{
    static const float nothing[OPU_TILE_FLOATS];
    struct opu_light const light = {.scale = field != NULL ? (float)sqrt(lambda) : 0.0f,
                                    .reference_re = field != NULL ? 0.0f : (float)sqrt(lambda)};
    struct opu_exposure const exposure = {.field = field != NULL ? field : nothing,
                                          .frame = frame,
                                          .tile = tile,
                                          .n = OPU_TILE_PIXELS};
    if (rig->camera.bits > 8) {
        return rig->expose(&rig->camera, &light, &exposure, counts);
    }
    uint8_t bytes[OPU_TILE_PIXELS];
    uint32_t const saturated = rig->expose(&rig->camera, &light, &exposure, bytes);
    for (size_t p = 0; p < OPU_TILE_PIXELS; ++p) {
        counts[p] = bytes[p];
    }
    return saturated;
}

/* Mean and temporal variance of the counts, from PAIRS pairs of frames. */
static void photon_point(struct rig *rig, double lambda, double *mean, double *var)
{
    double sum = 0.0;
    double squares = 0.0;
    for (int pair = 0; pair < PAIRS; ++pair, rig->frame += 2) {
        for (uint32_t tile = 0; tile < rig->n_tiles; ++tile) {
            uint16_t a[OPU_TILE_PIXELS];
            uint16_t b[OPU_TILE_PIXELS];
            (void)expose(rig, lambda, NULL, tile, rig->frame, a);
            (void)expose(rig, lambda, NULL, tile, rig->frame + 1, b);
            for (size_t p = 0; p < OPU_TILE_PIXELS; ++p) {
                double const d = (double)a[p] - (double)b[p];
                sum += (double)a[p] + (double)b[p];
                squares += d * d;
            }
        }
    }
    *mean = sum / (2.0 * PAIRS * pixels_of(rig));
    *var = squares / (2.0 * PAIRS * pixels_of(rig));
}

struct opu_accept_line opu_accept_fit(const double *x, const double *y, const double *s, size_t n)
{
    double w = 0.0;
    double wx = 0.0;
    double wy = 0.0;
    double wxx = 0.0;
    double wxy = 0.0;
    for (size_t k = 0; k < n; ++k) {
        double const v = 1.0 / (s[k] * s[k]);
        w += v;
        wx += v * x[k];
        wy += v * y[k];
        wxx += v * x[k] * x[k];
        wxy += v * x[k] * y[k];
    }
    double const d = w * wxx - wx * wx;
    return (struct opu_accept_line){(w * wxy - wx * wy) / d, sqrt(w / d), (wxx * wy - wx * wxy) / d,
                                    sqrt(wxx / d)};
}

/* Even light of these electrons, the mean and the variance of its counts, and their errors. */
struct transfer {
    double lambda[LEVELS], mean[LEVELS], var[LEVELS], expected[LEVELS];
    double mean_error[LEVELS], var_error[LEVELS];
};

/* Without read noise faint light comes in whole electrons, whose beat with the steps of the
 * converter dies out with exp(-lambda): from 60 of them on. */
static double dithering_light(const struct opu_sensor *sensor, double gain)
{
    double const sigma = DITHER / gain;
    double const least = sensor->read_noise_e < 1.0 ? 60.0 : 0.0;
    return fmax(least, sigma * sigma - sensor->read_noise_e * sensor->read_noise_e);
}

/* Six sigma of the brightest pixel's gain below the full well. */
static double bright_light(const struct opu_sensor *sensor)
{
    return 0.8 * sensor->full_well_e / (1.0 + 6.0 * sensor->prnu);
}

static void measure_transfer(struct rig *rig, struct transfer *t)
{
    const struct opu_sensor *const sensor = &rig->sensor;
    double const k = rig->gain;
    double const n = pixels_of(rig);
    double const high = bright_light(sensor);
    double const low = fmin(dithering_light(sensor, k), 0.5 * high);
    for (int i = 0; i < LEVELS; ++i) {
        t->lambda[i] = low + (high - low) * i / (LEVELS - 1);
        photon_point(rig, t->lambda[i], &t->mean[i], &t->var[i]);
        t->mean[i] -= k * sensor->black_e;
        t->expected[i] =
            k * k * (t->lambda[i] + sensor->read_noise_e * sensor->read_noise_e) + 1.0 / 12.0;
        t->mean_error[i] = sqrt(t->expected[i] / (2.0 * PAIRS * n));
        t->var_error[i] = t->expected[i] * sqrt(2.0 / (PAIRS * n));
    }
}

/* Largest distance of the means from a straight line, over the largest mean. */
static double nonlinearity(const struct transfer *t)
{
    struct opu_accept_line const line = opu_accept_fit(t->lambda, t->mean, t->mean_error, LEVELS);
    double worst = 0.0;
    for (int i = 0; i < LEVELS; ++i) {
        worst =
            opu_accept_worse(worst, fabs(t->mean[i] - line.intercept - line.slope * t->lambda[i]));
    }
    return worst / t->mean[LEVELS - 1];
}

static int accept_transfer(struct opu_acceptance *acceptance, struct rig *rig)
{
    struct transfer t;
    measure_transfer(rig, &t);
    double const k = rig->gain;
    double const samples = LEVELS * PAIRS * pixels_of(rig);
    struct opu_accept_line const line = opu_accept_fit(t.mean, t.var, t.var_error, LEVELS);
    struct opu_check_curve const curve = {.title = "Photon transfer",
                                          .x_label = "mean count above black",
                                          .y_label = "variance of a pixel in time",
                                          .n = LEVELS,
                                          .x = t.mean,
                                          .measured = t.var,
                                          .expected = t.expected};
    double const slope_bar = fmin(0.01, SIGMAS * line.slope_error / k);
    struct opu_check_row row = {.test = "A15",
                                .name = "photon transfer: slope over gain",
                                .formula = "d var / d mean = K (EMVA 1288, sec. 6)",
                                .drawn = rig->drawn,
                                .value = line.slope / k,
                                .unit = "",
                                .low = 1.0 - slope_bar,
                                .high = 1.0 + slope_bar,
                                .samples = samples,
                                .curve = &curve};
    ACCEPT(opu_accept(acceptance, row));
    double const read = k * rig->sensor.read_noise_e;
    double const intercept = read * read + 1.0 / 12.0;
    row.name = "photon transfer: variance without light";
    row.formula = "K^2 read^2 + 1/12 (EMVA 1288, sec. 2)";
    row.value = line.intercept;
    row.unit = "DN^2";
    row.low = intercept - SIGMAS * line.intercept_error;
    row.high = intercept + SIGMAS * line.intercept_error;
    row.curve = NULL;
    ACCEPT(opu_accept(acceptance, row));
    row.name = "linearity: largest distance from a line";
    row.formula = "mean = K (lambda + black) (EMVA 1288, sec. 2)";
    row.value = nonlinearity(&t);
    row.unit = "of the largest mean";
    row.low = 0.0;
    /* and exp(-2 pi^2 0.6^2) / pi, the converter's ripple in the mean */
    row.high = (SIGMAS * t.mean_error[LEVELS - 1] + 2.7e-4) / t.mean[LEVELS - 1];
    row.samples = 2.0 * samples; /* every frame of a pair */
    return opu_accept(acceptance, row);
}

/* Spatial variance of the mean of STACK frames, less what their temporal noise leaves in it. */
static void spatial_point(struct rig *rig, double lambda, double *mean, double *spatial_var)
{
    size_t const n = (size_t)rig->n_tiles * OPU_TILE_PIXELS;
    double squares = 0.0;
    memset(rig->sums, 0, n * sizeof(*rig->sums));
    for (int f = 0; f < STACK; ++f, ++rig->frame) {
        for (uint32_t tile = 0; tile < rig->n_tiles; ++tile) {
            uint16_t counts[OPU_TILE_PIXELS];
            (void)expose(rig, lambda, NULL, tile, rig->frame, counts);
            for (size_t p = 0; p < OPU_TILE_PIXELS; ++p) {
                rig->sums[(size_t)tile * OPU_TILE_PIXELS + p] += counts[p];
                squares += (double)counts[p] * (double)counts[p];
            }
        }
    }
    double sum = 0.0;
    double between = 0.0;
    for (size_t p = 0; p < n; ++p) {
        double const m = (double)rig->sums[p] / STACK;
        sum += m;
        between += m * m;
    }
    *mean = sum / (double)n;
    double const temporal = (squares - STACK * between) / ((double)n * (STACK - 1));
    *spatial_var = between / (double)n - *mean * *mean - temporal / STACK;
}

/* A row about an rms whose square has the error `error` (a standard deviation). */
static int accept_rms(struct opu_acceptance *acceptance, struct opu_check_row row, double square,
                      double wanted, double error)
{
    row.value = sqrt(fmax(0.0, square));
    row.low = sqrt(fmax(0.0, wanted * wanted - SIGMAS * error));
    row.high = sqrt(wanted * wanted + SIGMAS * error);
    return opu_accept(acceptance, row);
}

static int accept_maps(struct opu_acceptance *acceptance, struct rig *rig)
{
    const struct opu_sensor *const sensor = &rig->sensor;
    double const k = rig->gain;
    double const lambda = 0.5 * bright_light(sensor);
    double const step2 = 1.0 / (12.0 * k * k);
    double const dark_noise2 = sensor->read_noise_e * sensor->read_noise_e + step2;
    double const dark_var = sensor->dsnu_e * sensor->dsnu_e + dark_noise2 / STACK;
    double const gain_rms = lambda * sensor->prnu;
    double const light_var = dark_var + gain_rms * gain_rms + lambda / STACK;
    double const relative = sqrt(2.0 / pixels_of(rig)); /* error of a variance */
    double dark_mean;
    double dark2;
    double light_mean;
    double light2;
    spatial_point(rig, 0.0, &dark_mean, &dark2);
    spatial_point(rig, lambda, &light_mean, &light2);
    struct opu_check_row row = {.test = "A15",
                                .name = "DSNU from dark frames",
                                .formula = "s(dark) / K (EMVA 1288, sec. 8)",
                                .drawn = rig->drawn,
                                .unit = "e-",
                                .samples = pixels_of(rig)};
    ACCEPT(accept_rms(acceptance, row, dark2 / (k * k), sensor->dsnu_e, dark_var * relative));
    double const rise = light_mean - dark_mean;
    row.name = "PRNU from frames at half light";
    row.formula = "sqrt(s(50 %)^2 - s(dark)^2) / (mean(50 %) - mean(dark)) (EMVA 1288, sec. 8)";
    row.unit = "";
    return accept_rms(acceptance, row, (light2 - dark2) / (rise * rise), sensor->prnu,
                      hypot(light_var, dark_var) * relative / (lambda * lambda));
}

/* Share of pixels at full scale under speckle of mean mu: Simpson's rule over exp(-I / mu) / mu,
 * with noise and maps as one normal spread about I. */
static double saturated_share(const struct rig *rig, double mu)
{
    enum { n = 4000 };
    const struct opu_sensor *const sensor = &rig->sensor;
    double const threshold = sensor->full_well_e - 0.5 / rig->gain;
    double const end = 40.0 * mu;
    double sum = 0.0;
    for (int i = 0; i <= n; ++i) {
        double const light = end * i / n;
        double const spread = sqrt(light + sensor->read_noise_e * sensor->read_noise_e +
                                   sensor->dsnu_e * sensor->dsnu_e +
                                   light * light * sensor->prnu * sensor->prnu + 1e-12);
        double const above = 0.5 * erfc((threshold - light) / (spread * sqrt(2.0)));
        double const weight = i == 0 || i == n ? 1.0 : i % 2 == 1 ? 4.0 : 2.0;
        sum += weight * exp(-light / mu) * above;
    }
    return sum * end / (3.0 * n * mu);
}

/* Speckle of its own in each frame; the counts of a tile must agree with its saturated pixels. */
static int accept_saturation(struct opu_acceptance *acceptance, struct rig *rig)
{
    enum { frames = 4 };
    double const mu = rig->sensor.full_well_e / FULL_SPECKLE;
    uint64_t const seed = (uint64_t)opu_accept_draw(acceptance, 0, 0x1p53);
    double told = 0.0;
    double seen = 0.0;
    for (int f = 0; f < frames; ++f, ++rig->frame) {
        for (uint32_t tile = 0; tile < rig->n_tiles; ++tile) {
            float field[OPU_TILE_FLOATS];
            uint16_t counts[OPU_TILE_PIXELS];
            for (uint32_t v = 0; v < OPU_TILE_FLOATS; v += 4) {
                opu_normal4(
                    opu_philox(seed, OPU_STREAM_TEST, tile * OPU_TILE_FLOATS + v, (uint64_t)f),
                    field + v);
            }
            told += expose(rig, 0.5 * mu, field, tile, rig->frame, counts);
            for (size_t p = 0; p < OPU_TILE_PIXELS; ++p) {
                seen += (double)counts[p] == (double)rig->camera.max_count;
            }
        }
    }
    double const n = frames * pixels_of(rig);
    double const wanted = saturated_share(rig, mu);
    double const bar = SIGMAS * sqrt((1.0 - wanted) / (n * wanted));
    struct opu_check_row const row = {
        .test = "A15",
        .name = "pixels told as saturated under speckle of a fifth of the well, over theory",
        .formula = "P(e > well), I exponential (Goodman, Speckle, 3.2), spread by noise and PRNU "
                   "(sim/camera/camera.h)",
        .drawn = rig->drawn,
        .value = told == seen ? told / (n * wanted) : (double)NAN,
        .unit = "",
        .low = 1.0 - bar,
        .high = 1.0 + bar,
        .samples = n};
    return opu_accept(acceptance, row);
}

/* The converter alone: read noise of 0.75 to 1 count. */
static int accept_quantisation(struct opu_acceptance *acceptance)
{
    double const sigma = opu_accept_draw(acceptance, 0.75, 1.0);
    uint32_t const bits = (uint32_t)opu_accept_draw(acceptance, 6.0, 13.0);
    double const full_well = opu_accept_draw(acceptance, 5e3, 5e4);
    struct opu_sensor const sensor = {.full_well_e = full_well,
                                      .read_noise_e = sigma * full_well / (exp2(bits) - 1.0)};
    struct rig rig;
    ACCEPT(rig_init(&rig, acceptance, &sensor, bits));
    double const light = opu_accept_draw(acceptance, 0.4, 0.6) * full_well;
    double total = 0.0;
    int const runs = 2;
    for (int run = 0; run < runs; ++run) {
        double mean;
        double var;
        photon_point(&rig, light, &mean, &var);
        total += var / runs;
    }
    double const samples = runs * PAIRS * pixels_of(&rig);
    double const bar = SIGMAS * (sigma * sigma + 1.0 / 12.0) * sqrt(2.0 / samples) + 4e-5;
    struct opu_check_row const row = {.test = "A15",
                                      .name = "quantisation noise of the converter",
                                      .formula = "var - (K read)^2 = 1/12 (EMVA 1288, sec. 2)",
                                      .drawn = rig.drawn,
                                      .value = total - sigma * sigma,
                                      .unit = "DN^2",
                                      .low = 1.0 / 12.0 - bar,
                                      .high = 1.0 / 12.0 + bar,
                                      .samples = samples};
    int const status = opu_accept(acceptance, row);
    rig_fini(&rig);
    return status;
}

/* The fewest bits, from `bits` on, whose steps are small against the noise `sigma_e`. */
static uint32_t dithered_bits(const struct opu_sensor *sensor, uint32_t bits, double sigma_e)
{
    double const full_scale = sensor->full_well_e + sensor->black_e;
    while (bits < 16 && (exp2(bits) - 1.0) / full_scale * sigma_e < DITHER) {
        ++bits;
    }
    return bits;
}

/* All of a sensor; black is at least the four sigma of a dark pixel that EMVA 1288 asks for. */
static int accept_sensor(struct opu_acceptance *acceptance, struct opu_sensor sensor, uint32_t bits)
{
    double const dark_rms = hypot(sensor.read_noise_e, sensor.dsnu_e);
    double const middle = 0.5 * bright_light(&sensor);
    sensor.black_e = fmax(sensor.black_e, 4.0 * dark_rms);
    sensor.shot_noise = true;
    struct rig rig;
    ACCEPT(rig_init(&rig, acceptance, &sensor, dithered_bits(&sensor, bits, sqrt(middle))));
    int status = accept_transfer(acceptance, &rig);
    if (status == OPU_OK) {
        status = accept_saturation(acceptance, &rig);
    }
    rig_fini(&rig);
    if (status != OPU_OK) {
        return status;
    }
    ACCEPT(rig_init(&rig, acceptance, &sensor, dithered_bits(&sensor, bits, sensor.read_noise_e)));
    status = accept_maps(acceptance, &rig);
    rig_fini(&rig);
    return status;
}

int opu_accept_camera(struct opu_acceptance *acceptance)
{
    acceptance->group = "camera";
    struct opu_sensor sensor;
    opu_sensor_init(&sensor, acceptance->options);
    ACCEPT(accept_sensor(acceptance, sensor, (uint32_t)acceptance->options->bits));
    for (int run = 0; run < 3; ++run) {
        sensor = (struct opu_sensor){
            .full_well_e = opu_accept_draw(acceptance, 5e3, 5e4),
            .read_noise_e = opu_accept_draw(acceptance, 1.0, 40.0),
            .prnu = opu_accept_draw(acceptance, 0.002, 0.02),
            .dsnu_e = opu_accept_draw(acceptance, 1.0, 10.0),
        };
        sensor.black_e =
            opu_accept_draw(acceptance, 4.0, 12.0) * hypot(sensor.read_noise_e, sensor.dsnu_e);
        ACCEPT(accept_sensor(acceptance, sensor, (uint32_t)opu_accept_draw(acceptance, 8, 17)));
        ACCEPT(accept_quantisation(acceptance));
    }
    return OPU_OK;
}
