/* SPDX-License-Identifier: MIT */
/* The read-outs' algebra on float intensities, their kernels at every vector level, the speckle's
 * tail. */
#include "base_support.h"

#include <math.h>

#include "core/base/rng.h"
#include "core/device/measure.h"
#include "core/device/readout.h"

#define SEED UINT64_C(71)
#define N 77 /* no multiple of a vector */

static float normal(uint32_t i)
{
    float z[4];
    opu_normal4(opu_philox(SEED, OPU_STREAM_TEST, i / 4, 0), z);
    return z[i % 4];
}

static double square(double x)
{
    return x * x;
}

/* |S + A exp(i phase)|^2 with A > 0 */
static float interfere(double re, double im, double amplitude, double phase)
{
    return (float)(square(re + amplitude * cos(phase)) + square(im + amplitude * sin(phase)));
}

static void four_phases_give_the_field_and_not_its_conjugate(void **state)
{
    (void)state;
    float intensities[4 * N];
    float gain[N];
    float out[2 * N];
    for (uint32_t k = 0; k < N; k++) {
        double const r = 2.0 + 0.01 * k;
        gain[k] = (float)(0.25 / r);
        for (uint32_t j = 0; j < 4; j++) {
            intensities[j * N + k] = interfere((double)normal(2 * k), (double)normal(2 * k + 1), r,
                                               0.5 * 3.14159265358979 * j);
        }
    }
    opu_readout_kernels(OPU_ISA_BASE)->phase4_f32(N, intensities, N, gain, 1.0f, 1, out);
    for (uint32_t i = 0; i < 2 * N; i++) {
        /* intensities up to about 40 in floats: 40 * 2^-24 / (4 * 2) each, four of them */
        assert_true(fabs((double)out[i] - (double)normal(i)) < 2e-6);
    }
}

static void anchors_give_the_projection_on_their_phase(void **state)
{
    (void)state;
    float intensities[2 * N];
    float gain[N];
    float offset[N];
    uint32_t pick[N];
    float out[N];
    double wanted[N];
    for (uint32_t k = 0; k < N; k++) {
        double const a_re = 1.5 * (double)normal(1000 + 2 * k);
        double const a_im = 1.5 * (double)normal(1001 + 2 * k) + 0.1;
        double const a = sqrt(a_re * a_re + a_im * a_im);
        double const re = (double)normal(2 * k);
        double const im = (double)normal(2 * k + 1);
        intensities[k] = (float)(square(re + a_re) + square(im + a_im));
        intensities[N + k] = (float)(re * re + im * im);
        pick[k] = k;
        gain[k] = (float)(0.5 / a);
        offset[k] = (float)(a * a);
        wanted[k] = (re * a_re + im * a_im) / a; /* Re(conj(A) / |A| S) */
    }
    opu_readout_kernels(OPU_ISA_BASE)
        ->anchor_f32(N, intensities, N, pick, gain, offset, 1.0f, 1.0f, 1, out);
    for (uint32_t k = 0; k < N; k++) {
        /* three roundings of intensities up to 40, divided by 2 |A| = 1 / gain */
        assert_true(fabs((double)out[k] - wanted[k]) < 3.0 * 40.0 * 6e-8 * (double)gain[k] + 1e-6);
    }
}

/* Every kernel of a level against plain loops, written and added; equal to the last bit. */
static void check_level(enum opu_isa isa)
{
    const struct opu_readout_kernels *const kernels = opu_readout_kernels(isa);
    uint8_t c8[4 * N];
    uint16_t c16[4 * N];
    float gain[N];
    float offset[N];
    uint32_t pick[N];
    for (uint32_t i = 0; i < 4 * N; i++) {
        uint32_t const u = opu_philox(SEED, OPU_STREAM_TEST, i, 1).v[0];
        c8[i] = (uint8_t)u;
        c16[i] = (uint16_t)(u >> 8);
    }
    for (uint32_t i = 0; i < N; i++) {
        gain[i] = normal(i);
        offset[i] = normal(N + i);
        pick[i] = (N - 1 - i / 2);
    }
    float const w = 0.37f;
    float const t = 1.7f;
    for (int set = 0; set < 2; set++) {
        float a[6][2 * N];
        float b[6][2 * N];
        for (uint32_t i = 0; i < 2 * N; i++) {
            for (int v = 0; v < 6; v++) {
                a[v][i] = b[v][i] = normal(5000 + i);
            }
        }
        kernels->phase4_u8(N, c8, N, gain, w, set, a[0]);
        kernels->phase4_u16(N, c16, N, gain, w, set, a[1]);
        kernels->anchor_u8(N, c8, N, pick, gain, offset, t, w, set, a[2]);
        kernels->anchor_u16(N, c16, N, pick, gain, offset, t, w, set, a[3]);
        kernels->scale_u8(N, c8, w, set, a[4]);
        kernels->scale_u16(N, c16, w, set, a[5]);
        for (uint32_t k = 0; k < N; k++) {
            float const g = gain[k] * w;
            uint32_t const p = pick[k];
            float const old[2] = {set ? 0.0f : b[0][2 * k], set ? 0.0f : b[0][2 * k + 1]};
            float const base = set ? 0.0f : b[2][k];
            b[0][2 * k] = old[0] + (float)(c8[k] - c8[2 * N + k]) * g;
            b[0][2 * k + 1] = old[1] + (float)(c8[N + k] - c8[3 * N + k]) * g;
            b[1][2 * k] = old[0] + (float)(c16[k] - c16[2 * N + k]) * g;
            b[1][2 * k + 1] = old[1] + (float)(c16[N + k] - c16[3 * N + k]) * g;
            float const f8 = (float)(c8[p] - c8[N + p]) - offset[k] * t;
            float const f16 = (float)(c16[p] - c16[N + p]) - offset[k] * t;
            b[2][k] = base + f8 * g;
            b[3][k] = base + f16 * g;
            b[4][k] = base + (float)c8[k] * w;
            b[5][k] = base + (float)c16[k] * w;
        }
        for (int v = 0; v < 6; v++) {
            for (uint32_t i = 0; i < (v < 2 ? 2 * N : N); i++) {
                if (memcmp(&a[v][i], &b[v][i], sizeof(float)) != 0) {
                    fail_msg("%s, kernel %d, set %d, element %u: %.9g, wanted %.9g",
                             opu_isa_name(isa), v, set, i, (double)a[v][i], (double)b[v][i]);
                }
            }
        }
    }
}

static void all_vector_levels_give_the_bits_of_plain_loops(void **state)
{
    (void)state;
    for (int isa = 0; isa < OPU_ISA_COUNT; isa++) {
        if (opu_isa_usable((enum opu_isa)isa)) {
            check_level((enum opu_isa)isa);
        }
    }
}

static void the_tail_without_reference_is_exponential(void **state)
{
    (void)state;
    for (double beta = 0.5; beta < 5.0; beta += 0.5) {
        /* Simpson with 128 steps of 6/128: fourth power of the step times the fourth derivative,
         * below 1e-5 */
        assert_true(fabs(opu_speckle_tail(0.0, beta) / exp(-beta * beta) - 1.0) < 1e-4);
    }
}

static void the_tail_agrees_with_drawn_speckle(void **state)
{
    (void)state;
    enum { draws = 400000 };
    static const double points[][2] = {{2.0, 3.0}, {2.0, 4.0}, {0.5, 1.5}, {4.0, 4.2}, {1.0, 0.3}};
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        unsigned over = 0;
        for (uint32_t d = 0; d < draws / 2; d++) {
            float z[4];
            opu_normal4(opu_philox(SEED, OPU_STREAM_TEST, d, 2 + i), z);
            for (int h = 0; h < 4; h += 2) {
                double const re = sqrt(0.5) * (double)z[h] + points[i][0];
                double const im = sqrt(0.5) * (double)z[h + 1];
                over += re * re + im * im > points[i][1] * points[i][1];
            }
        }
        double const p = opu_speckle_tail(points[i][0], points[i][1]);
        /* binomial, 5 deviations */
        assert_true(fabs((double)over / draws - p) < 5.0 * sqrt(p * (1.0 - p) / draws));
    }
}

static void the_tail_far_out_follows_its_asymptote(void **state)
{
    (void)state;
    /* sqrt(beta / alpha) Q(sqrt2 (beta - alpha)); the next term is of relative order 1 / (8 alpha
     * beta). */
    for (double beta = 4.5; beta < 6.5; beta += 0.5) {
        double const asymptote = sqrt(beta / 2.0) * 0.5 * erfc(beta - 2.0);
        assert_true(fabs(opu_speckle_tail(2.0, beta) / asymptote - 1.0) < 0.03);
    }
}

static void random_patterns_have_the_number_asked_for(void **state)
{
    (void)state;
    unsigned on[100] = {0};
    for (uint64_t draw = 0; draw < 1000; draw++) {
        uint8_t bits[13];
        size_t n = 0;
        opu_random_pattern(bits, 100, 30, draw);
        for (size_t i = 0; i < 100; i++) {
            n += bits[i / 8] >> i % 8 & 1;
            on[i] += bits[i / 8] >> i % 8 & 1;
        }
        assert_int_equal(n, 30);
        assert_int_equal(bits[12] >> 4, 0);
    }
    for (size_t i = 0; i < 100; i++) {
        /* binomial(1000, 0.3): deviation 14.5; 5 of them */
        assert_in_range(on[i], 300 - 73, 300 + 73);
    }
}

static void anchors_are_picked_in_order_above_the_floor(void **state)
{
    (void)state;
    double const light[6] = {1.0, 0.01, 2.0, 0.04, 0.06, 3.0};
    uint32_t pick[6] = {0};
    assert_int_equal(opu_anchor_pick(light, 6, 0.05, pick, 3), 3);
    assert_int_equal(pick[0], 0);
    assert_int_equal(pick[1], 2);
    assert_int_equal(pick[2], 4);
    assert_int_equal(opu_anchor_pick(light, 6, 0.05, pick, 6), 4);
}

static void unknown_readouts_are_not_found(void **state)
{
    (void)state;
    assert_ptr_equal(opu_readout_find("phase4"), &opu_readout_phase4);
    assert_ptr_equal(opu_readout_find("anchor"), &opu_readout_anchor);
    assert_ptr_equal(opu_readout_find("intensity"), &opu_readout_intensity);
    assert_null(opu_readout_find("float"));
    assert_null(opu_readout_find(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_phases_give_the_field_and_not_its_conjugate),
        cmocka_unit_test(anchors_give_the_projection_on_their_phase),
        cmocka_unit_test(all_vector_levels_give_the_bits_of_plain_loops),
        cmocka_unit_test(the_tail_without_reference_is_exponential),
        cmocka_unit_test(the_tail_agrees_with_drawn_speckle),
        cmocka_unit_test(the_tail_far_out_follows_its_asymptote),
        cmocka_unit_test(random_patterns_have_the_number_asked_for),
        cmocka_unit_test(anchors_are_picked_in_order_above_the_floor),
        cmocka_unit_test(unknown_readouts_are_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
