/* SPDX-License-Identifier: MIT */
/* Phase screens: correlation, drift of slow processes, the same bits at every vector level. */
#include "media_support.h"

#include "sim/medium/screens.h"
#include "sim/medium/screens_kernels.h"

#define N 256
#define PI 3.14159265358979323846

static struct opu_context *context;

static struct opu_screens *screens_of(struct opu_screens_setup setup)
{
    struct opu_screens *screens;
    setup.context = context;
    setup.n = N;
    setup.pitch_m = 1.0;
    assert_int_equal(opu_screens_create(&screens, &setup), OPU_OK);
    return screens;
}

/* Phases as they lie between -pi and pi: sigma is small enough here that none wraps (10 sigma). */
static double phase(const uint16_t *screen, size_t x, size_t y)
{
    return 2.0 * PI * (double)(int16_t)screen[(y % N) * N + x % N] / 65536.0;
}

/*
 * <phi phi'> = sigma^2 exp(-r^2 / lc^2). A mean over the periodic screen of products has the
 * variance sum over r of (C(r)^2 + C(r + d) C(r - d)) / N^2 <= 2 sigma^4 (pi lc^2 / 2) / N^2, here
 * averaged over 8 screens. Points x and y axes and diagonal.
 */
static void screens_have_the_correlation_asked_for(void **state)
{
    (void)state;
    for (int run = 0; run < 3; ++run) {
        double const lc = draw_between(2.0, 10.0);
        double const sigma = draw_between(0.1, 0.3);
        struct opu_screens *const screens =
            screens_of((struct opu_screens_setup){.count = 7,
                                                  .correlation_m = lc,
                                                  .variance = sigma * sigma,
                                                  .seed = draw_word(),
                                                  .slowness = 1.0});
        double const error =
            sigma * sigma * sqrt(PI * lc * lc / ((double)N * N * 7.0)) + 2.0 * PI / 65536.0 * sigma;
        for (size_t d = 0; d < 12; d += 1 + d / 3) {
            for (int direction = 0; direction < 3; ++direction) {
                size_t const dx = direction == 1 ? 0 : d;
                size_t const dy = direction == 0 ? 0 : d;
                double sum = 0.0;
                for (size_t s = 0; s < 7; ++s) {
                    const uint16_t *const screen = opu_screens_phase(screens, s);
                    for (size_t y = 0; y < N; ++y) {
                        for (size_t x = 0; x < N; ++x) {
                            sum += phase(screen, x, y) * phase(screen, x + dx, y + dy);
                        }
                    }
                }
                double const r2 = (double)(dx * dx + dy * dy);
                double const wanted = sigma * sigma * exp(-r2 / (lc * lc));
                assert_near(sum / (7.0 * N * N), wanted, SIGMAS * error, "<phi phi'>");
            }
        }
        opu_screens_destroy(screens);
    }
}

/* Real and imaginary part of one transform, and two transforms: nothing in common. */
static void screens_are_independent(void **state)
{
    (void)state;
    double const lc = 3.0;
    double const sigma = 0.3;
    struct opu_screens *const screens =
        screens_of((struct opu_screens_setup){.count = 3,
                                              .correlation_m = lc,
                                              .variance = sigma * sigma,
                                              .seed = draw_word(),
                                              .slowness = 1.0});
    for (size_t s = 1; s < 3; ++s) {
        double sum = 0.0;
        for (size_t i = 0; i < (size_t)N * N; ++i) {
            sum += phase(opu_screens_phase(screens, 0), i % N, i / N) *
                   phase(opu_screens_phase(screens, s), i % N, i / N) / ((double)N * N);
        }
        double const error = sigma * sigma * sqrt(PI * lc * lc / 2.0) / N;
        assert_near(sum, 0.0, SIGMAS * error, "<phi_1 phi_2>");
    }
    opu_screens_destroy(screens);
}

/* Each of 256 values of the upper byte as often as the others: chi square of 255 degrees. */
static void masks_are_uniform_before_and_after_a_move(void **state)
{
    (void)state;
    struct opu_screens *const screens = screens_of((struct opu_screens_setup){
        .count = 2, .variance = 100.0, .seed = draw_word(), .drifts = true, .slowness = 200.0});
    for (int moved = 0; moved < 2; ++moved) {
        opu_screens_move(screens, moved ? 777 : 0);
        for (size_t s = 0; s < 2; ++s) {
            double counts[256] = {0};
            double chi2 = 0.0;
            for (size_t i = 0; i < (size_t)N * N; ++i) {
                counts[opu_screens_phase(screens, s)[i] >> 8] += 1.0;
            }
            for (size_t k = 0; k < 256; ++k) {
                chi2 += (counts[k] - 256.0) * (counts[k] - 256.0) / 256.0;
            }
            assert_near(chi2, 255.0, SIGMAS * sqrt(2.0 * 255.0), "chi square of the phases");
        }
    }
    opu_screens_destroy(screens);
}

/* As tests of opu_drift_mix_at: exact to rounding, for processes slower than the matrix. */
static void slow_processes_decorrelate_exactly(void **state)
{
    (void)state;
    for (int run = 0; run < 300; ++run) {
        double const slowness = exp(draw_between(0.0, log(OPU_DRIFT_MAX_SLOWNESS)));
        uint64_t const step = draw_size(0, 1u << 30);
        uint64_t const lag = draw_size(0, (size_t)(1000.0 * slowness));
        struct opu_drift_mix a;
        struct opu_drift_mix b;
        opu_drift_mix_slow(&a, step, slowness);
        opu_drift_mix_slow(&b, step + lag, slowness);
        assert_in_range(a.n, 1, OPU_DRIFT_TERMS);
        double sum = 0.0;
        for (size_t k = 0; k < a.n; ++k) {
            for (size_t l = 0; l < b.n; ++l) {
                sum += a.node[k] == b.node[l] ? a.weight[k] * b.weight[l] : 0.0;
            }
        }
        double const wanted = exp(-(double)lag / (OPU_DRIFT_STEPS_PER_TAU * slowness));
        assert_near(sum, wanted, 1e-11, "correlation of a slow process");
    }
}

/* The gaussian medium's mix is that of slowness 1, bit for bit. */
static void slowness_one_is_the_matrix_own_drift(void **state)
{
    (void)state;
    for (int run = 0; run < 100; ++run) {
        uint64_t const step = draw_size(0, 1u << 24);
        struct opu_drift_mix a;
        struct opu_drift_mix b;
        opu_drift_mix_at(&a, step);
        opu_drift_mix_slow(&b, step, 1.0);
        assert_int_equal(a.n, b.n);
        assert_memory_equal(a.node, b.node, a.n * sizeof(a.node[0]));
        assert_memory_equal(a.weight, b.weight, a.n * sizeof(a.weight[0]));
    }
}

static void plain_normals(uint64_t seed, const struct opu_drift_mix *mix, uint32_t screen,
                          uint32_t counter, float z[4])
{
    memset(z, 0, 4 * sizeof(z[0]));
    for (size_t t = 0; t < mix->n; ++t) {
        float draw[4];
        opu_normal4(
            opu_philox(seed, OPU_STREAM_SCREEN, counter, OPU_SCREEN_COUNTER(screen, mix->node[t])),
            draw);
        for (size_t k = 0; k < 4; ++k) {
            z[k] += (float)mix->weight[t] * draw[k];
        }
    }
}

typedef void (*normals_fn)(uint64_t, const struct opu_drift_mix *, uint32_t, uint32_t,
                           float (*)[OPU_SCREEN_DRAWS]);
typedef void (*words_fn)(uint64_t, uint32_t, uint32_t, uint16_t *);

static void every_vector_level_draws_the_documented_bits(void **state)
{
    (void)state;
#if defined(__x86_64__)
    static const normals_fn normals[OPU_ISA_COUNT] = {
        opu_screen_normals_base, opu_screen_normals_avx2, opu_screen_normals_avx512};
    static const words_fn words[OPU_ISA_COUNT] = {opu_screen_words_base, opu_screen_words_avx2,
                                                  opu_screen_words_avx512};
#else
    static const normals_fn normals[OPU_ISA_COUNT] = {opu_screen_normals_base};
    static const words_fn words[OPU_ISA_COUNT] = {opu_screen_words_base};
#endif
    uint64_t const seed = (uint64_t)draw_word() << 32 | draw_word();
    uint32_t const first = draw_word();
    struct opu_drift_mix mix;
    opu_drift_mix_slow(&mix, draw_size(1, 1u << 20), 24.0);
    for (int isa = OPU_ISA_BASE; isa < OPU_ISA_COUNT; ++isa) {
        if (!opu_isa_usable((enum opu_isa)isa)) {
            continue;
        }
        float z[4][OPU_SCREEN_DRAWS];
        uint16_t phases[8 * OPU_SCREEN_DRAWS];
        normals[isa](seed, &mix, 5, first, z);
        words[isa](seed, 5, first, phases);
        for (uint32_t i = 0; i < OPU_SCREEN_DRAWS; ++i) {
            float wanted[4];
            struct opu_philox4 const block = opu_philox(seed, OPU_STREAM_SCREEN, first + i,
                                                        OPU_SCREEN_COUNTER(5, OPU_SCREEN_STILL));
            plain_normals(seed, &mix, 5, first + i, wanted);
            for (size_t k = 0; k < 4; ++k) {
                assert_true(z[k][i] == wanted[k]);
                assert_int_equal(phases[8 * i + 2 * k], block.v[k] & 0xffff);
                assert_int_equal(phases[8 * i + 2 * k + 1], block.v[k] >> 16);
            }
        }
    }
}

static int open_context(void **state)
{
    (void)state;
    return opu_context_create(&context, NULL);
}

static int close_context(void **state)
{
    (void)state;
    opu_context_destroy(context);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(screens_have_the_correlation_asked_for),
        cmocka_unit_test(screens_are_independent),
        cmocka_unit_test(masks_are_uniform_before_and_after_a_move),
        cmocka_unit_test(slow_processes_decorrelate_exactly),
        cmocka_unit_test(slowness_one_is_the_matrix_own_drift),
        cmocka_unit_test(every_vector_level_draws_the_documented_bits),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
