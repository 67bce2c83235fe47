/* SPDX-License-Identifier: MIT */
/*
 * The camera's noise: photon transfer (EMVA 1288), Poisson statistics at low light, the expansion
 * above, independence, saturation.
 */
#include "camera_support.h"

#include "sim/acceptance/photon_transfer.h"
#include "sim/camera/poisson.h"

/*
 * EMVA 1288: var y = K (mean y) + K^2 sigma_d^2 + 1/12, K counts per electron. Light from where no
 * electron number is clipped at 0 (6 sigma) to 80 % of the well. A variance from n samples is good
 * to sqrt(2 / n). 8 bits make quantisation visible; the converter's steps stay below the noise (K
 * sigma > 0.6), where the 1/12 holds to 2 exp(-2 pi^2 0.6^2) = 0.2 %.
 */
static void check_photon_transfer(double full_well_e, double read_noise_e, uint32_t bits)
{
    enum { levels = 10, n_frames = 8 };
    struct opu_sensor const sensor = {
        .full_well_e = full_well_e, .read_noise_e = read_noise_e, .shot_noise = true};
    struct opu_camera const camera = make_camera(&sensor, bits);
    double const k_gain = (exp2(bits) - 1.0) / full_well_e;
    double const n = (double)n_frames * TILES * OPU_TILE_PIXELS;
    double const sigma_min = 0.6 / k_gain;
    double const low =
        fmax(60.0 + 10.0 * read_noise_e, sigma_min * sigma_min - read_noise_e * read_noise_e);
    double x[levels];
    double y[levels];
    double s[levels];
    for (int k = 0; k < levels; ++k) {
        struct moments m = {0, 0, 0};
        double const lambda = low + (0.8 * full_well_e - low) * k / (levels - 1);
        expose_evenly(&camera, lambda, n_frames, add_count, &m);
        x[k] = moments_mean(&m);
        y[k] = moments_var(&m);
        s[k] = y[k] * sqrt(2.0 / n);
        assert_near(x[k], k_gain * lambda, SIGMAS * sqrt(y[k] / n) + 2e-3, "mean count");
    }
    struct opu_accept_line const line = opu_accept_fit(x, y, s, levels);
    double const intercept = k_gain * k_gain * read_noise_e * read_noise_e + 1.0 / 12.0;
    printf("# full well %.0f read %.1f bits %u: slope %.5f +- %.5f of %.5f, intercept %.3f +- %.3f "
           "of %.3f\n",
           full_well_e, read_noise_e, (unsigned)bits, line.slope, line.slope_error, k_gain,
           line.intercept, line.intercept_error, intercept);
    assert_near(line.slope, k_gain, SIGMAS * line.slope_error, "photon transfer slope");
    assert_near(line.intercept, intercept, SIGMAS * line.intercept_error, "intercept");
    assert_true(line.slope_error < 0.01 * k_gain);
}

static void photon_transfer_gives_gain_and_read_noise(void **state)
{
    (void)state;
    check_photon_transfer(13500.0, 13.0, 12);
    check_photon_transfer(32700.0, 6.83, 14);
    for (int run = 0; run < 3; ++run) {
        check_photon_transfer(draw_between(5e3, 5e4), draw_between(5.0, 40.0),
                              (uint32_t)draw_size(10, 16));
    }
}

/*
 * The 1/12 of the converter, seen alone: read noise only, at K sigma = 0.6 to 1, n = 131072
 * samples; the bar is that of the variance, some hundredths of what is looked for.
 */
static void quantisation_adds_a_twelfth(void **state)
{
    (void)state;
    for (int run = 0; run < 3; ++run) {
        double const sigma = draw_between(0.6, 1.0); /* counts */
        struct opu_sensor const sensor = {.full_well_e = 25500.0, .read_noise_e = 100.0 * sigma};
        struct opu_camera const camera = make_camera(&sensor, 8);
        struct moments m = {0, 0, 0};
        expose_evenly(&camera, draw_between(9000.0, 16000.0), 8, add_count, &m);
        double const wanted = sigma * sigma + 1.0 / 12.0;
        double const ripple = 2.0 * exp(-2.0 * 9.8696 * sigma * sigma) * (sigma * sigma + 0.2);
        double const bar = SIGMAS * wanted * sqrt(2.0 / (double)m.n) + ripple;
        assert_true(bar < 1.0 / 24.0);
        assert_near(moments_var(&m), wanted, bar, "variance of counts");
    }
}

struct histogram {
    size_t n;
    size_t of[256];
};

static void add_to_histogram(void *user, uint32_t count)
{
    struct histogram *const h = user;
    ++h->n;
    ++h->of[count < 255 ? count : 255];
}

/*
 * chi^2 over the electron numbers whose expectation is 10 or more, the rest pooled: mean df,
 * variance 2 df; its upper tail is heavier than normal at small df, so 8 sigma. P(0) has a binomial
 * bar of its own.
 */
static void check_poisson(double lambda)
{
    struct opu_camera const camera = counting_camera(true, 0.0);
    struct histogram h = {0};
    expose_evenly(&camera, lambda, 16, add_to_histogram, &h);
    double const n = (double)h.n;
    double p = exp(-lambda);
    assert_near((double)h.of[0] / n, p, SIGMAS * sqrt(p * (1.0 - p) / n) + 1.0 / n, "P(0)");
    struct moments m = {0, 0, 0};
    double chi2 = 0.0;
    double rest_seen = n;
    double rest_wanted = n;
    int bins = 0;
    for (size_t k = 0; k < 255; ++k) {
        double const wanted = n * p;
        double const seen = (double)h.of[k];
        m.n += h.of[k];
        m.sum += seen * (double)k;
        m.sum2 += seen * (double)k * (double)k;
        if (wanted >= 10.0) {
            chi2 += (seen - wanted) * (seen - wanted) / wanted;
            rest_seen -= seen;
            rest_wanted -= wanted;
            ++bins;
        }
        p *= lambda / (double)(k + 1);
    }
    if (rest_wanted >= 1.0) {
        chi2 += (rest_seen - rest_wanted) * (rest_seen - rest_wanted) / rest_wanted;
    }
    assert_near(moments_mean(&m), lambda, SIGMAS * sqrt(lambda / n), "mean");
    assert_near(moments_var(&m), lambda, SIGMAS * sqrt((lambda + 2.0 * lambda * lambda) / n),
                "variance");
    assert_near(chi2, bins, 8.0 * sqrt(2.0 * bins), "chi^2");
}

static void low_light_is_poisson(void **state)
{
    (void)state;
    check_poisson(0.5);
    check_poisson(3.0);
    check_poisson(24.5);
    for (int run = 0; run < 3; ++run) {
        check_poisson(draw_between(0.3, 24.9));
    }
}

/*
 * The ends of what 32 bits can draw, u = 2^-33 and 1 - 2^-33: P(k > 78 | 25) < 1e-16 (Chernoff:
 * e^-lambda (e lambda / k)^k), P(k <= 1 | 25) = 3.6e-10 > 2^-33. Six squarings carry exp's rounding
 * to 64 * 4 * 2^-53.
 */
static void extreme_draws_stay_within_the_distribution(void **state)
{
    (void)state;
    for (int run = 0; run < 1000; ++run) {
        double const lambda = draw_between(0.0, 25.0);
        assert_near(opu_exp_minus(lambda) / exp(-lambda), 1.0, 3e-14, "exp(-lambda)");
        assert_in_range(opu_poisson((float)lambda, opu_uniform(UINT32_MAX)), 0, 78);
        assert_in_range(opu_poisson((float)lambda, opu_uniform(0)), 0, 1);
    }
    assert_int_equal(opu_poisson(0.0f, opu_uniform(UINT32_MAX)), 0);
}

struct cumulants {
    double centre;
    struct moments m;
    double sum3;
};

static void add_cubed(void *user, uint32_t count)
{
    struct cumulants *const c = user;
    double const d = (double)count - c->centre;
    moments_add(&c->m, d);
    c->sum3 += d * d * d;
}

/*
 * Above 25 e-: mean, variance and third cumulant of Poisson + Gaussian, plus 1/12 of the converter.
 * The variance of the third central moment is about 15 v^3 / n; the expansion is short of lambda by
 * < 0.02.
 */
static void check_expansion(double lambda, double read_noise_e)
{
    struct opu_camera const camera = counting_camera(true, read_noise_e);
    struct cumulants c = {.centre = lambda};
    expose_evenly(&camera, lambda, 64, add_cubed, &c);
    double const n = (double)c.m.n;
    double const v = lambda + read_noise_e * read_noise_e + 1.0 / 12.0;
    double const mean = moments_mean(&c.m);
    assert_near(mean, 0.0, SIGMAS * sqrt(v / n), "mean");
    assert_near(moments_var(&c.m), v, SIGMAS * v * sqrt(2.2 / n), "variance");
    double const third = c.sum3 / n - 3.0 * mean * c.m.sum2 / n + 2.0 * mean * mean * mean;
    assert_near(third, lambda, SIGMAS * sqrt(16.0 * v * v * v / n) + 0.02, "third cumulant");
}

static void expansion_keeps_three_cumulants(void **state)
{
    (void)state;
    check_expansion(25.5, 0.0);
    check_expansion(30.0, 0.0);
    check_expansion(100.0, 6.83);
    for (int run = 0; run < 3; ++run) {
        check_expansion(draw_between(60.0, 300.0), draw_between(0.0, 5.0));
    }
}

/* Poisson + Gaussian below the bound too: 12 sigma of read noise above 0, so that nothing is
 * clipped. */
static void low_light_has_read_noise_of_its_own(void **state)
{
    (void)state;
    struct opu_camera const camera = counting_camera(true, 1.5);
    struct moments m = {0, 0, 0};
    double const lambda = 22.0;
    double const v = lambda + 1.5 * 1.5 + 1.0 / 12.0;
    expose_evenly(&camera, lambda, 16, add_count, &m);
    double const n = (double)m.n;
    assert_near(moments_mean(&m), lambda, SIGMAS * sqrt(v / n), "mean");
    assert_near(moments_var(&m), v, SIGMAS * v * sqrt(2.1 / n), "variance");
}

/* Neighbours, blocks and frames: n r^2 is chi^2 with one degree; 36 is six sigma. */
static void noise_is_independent_between_pixels_and_frames(void **state)
{
    (void)state;
    static const float dark[OPU_TILE_FLOATS];
    struct opu_camera const camera = counting_camera(true, 3.0);
    struct opu_light const light = {.scale = 1.0f, .reference_re = 20.0f};
    opu_camera_tile_fn const expose = opu_camera_tile_kernel(opu_isa_best());
    enum { n = 4 * OPU_TILE_PIXELS };
    static uint16_t counts[65][n];
    for (uint32_t f = 0; f < 65; ++f) {
        for (uint32_t t = 0; t < 4; ++t) {
            struct opu_exposure const exposure = {
                .field = dark, .frame = f, .tile = t, .n = OPU_TILE_PIXELS};
            expose(&camera, &light, &exposure, counts[f] + (size_t)t * OPU_TILE_PIXELS);
        }
    }
    const size_t steps[][2] = {{0, 1}, {0, 2}, {0, 64}, {0, 128}, {0, 256}, {1, 0}, {1, 64}};
    for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); ++k) {
        double sum = 0.0;
        size_t pairs = 0;
        for (size_t f = 0; f + steps[k][0] < 65; ++f) {
            for (size_t p = 0; p + steps[k][1] < n; ++p, ++pairs) {
                sum += ((double)counts[f][p] - 400.0) *
                       ((double)counts[f + steps[k][0]][p + steps[k][1]] - 400.0) / 409.0;
            }
        }
        assert_near(sum / sqrt((double)pairs), 0.0, SIGMAS, "sqrt(n) correlation");
    }
}

/* Without maps and black level; half of the pixels at the well's edge: binomial, n = 256. */
static void full_scale_is_counted(void **state)
{
    (void)state;
    static const float dark[OPU_TILE_FLOATS];
    struct opu_sensor const sensor = {
        .full_well_e = 13500.0, .read_noise_e = 13.0, .shot_noise = true};
    struct opu_camera const camera = make_camera(&sensor, 8);
    uint8_t counts[OPU_TILE_PIXELS];
    opu_camera_tile_fn const expose = opu_camera_tile_kernel(opu_isa_best());
    struct opu_exposure exposure = {.field = dark, .n = 200};
    struct opu_light light = {.scale = 1.0f, .reference_re = (float)sqrt(2.0 * 13500.0)};
    assert_int_equal(expose(&camera, &light, &exposure, counts), 200);
    assert_int_equal(counts[0], 255);
    light.reference_re = (float)sqrt(0.5 * 13500.0);
    assert_int_equal(expose(&camera, &light, &exposure, counts), 0);
    light.reference_re = (float)sqrt(13500.0 * 254.5 / 255.0);
    exposure.n = 256;
    exposure.frame = 1;
    uint32_t const half = expose(&camera, &light, &exposure, counts);
    assert_near(half, 128.0, SIGMAS * 8.0, "pixels at full scale");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(photon_transfer_gives_gain_and_read_noise),
        cmocka_unit_test(quantisation_adds_a_twelfth),
        cmocka_unit_test(low_light_is_poisson),
        cmocka_unit_test(extreme_draws_stay_within_the_distribution),
        cmocka_unit_test(expansion_keeps_three_cumulants),
        cmocka_unit_test(low_light_has_read_noise_of_its_own),
        cmocka_unit_test(noise_is_independent_between_pixels_and_frames),
        cmocka_unit_test(full_scale_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
