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

/* exp(2 pi i k / n) times a phase, as the kernels take it. */
static void make_steps(size_t n, double phase, float *step)
{
    for (size_t k = 0; k < n; k++) {
        double at[2];
        opu_phase_step(n, k, at);
        step[2 * k] = (float)(at[0] * cos(phase) - at[1] * sin(phase));
        step[2 * k + 1] = (float)(at[0] * sin(phase) + at[1] * cos(phase));
    }
}

/* N phases of a reference that stands at `phase`, decoded with it taken off again. */
static void check_steps(size_t n_steps, double phase)
{
    float intensities[4 * N];
    float gain[N];
    float out[2 * N];
    float step[8];
    for (uint32_t k = 0; k < N; k++) {
        double const r = 2.0 + 0.01 * k;
        gain[k] = (float)(1.0 / (double)n_steps / r);
        for (uint32_t j = 0; j < n_steps; j++) {
            intensities[j * N + k] =
                interfere((double)normal(2 * k), (double)normal(2 * k + 1), r,
                          2.0 * 3.14159265358979 * j / (double)n_steps + phase);
        }
    }
    make_steps(n_steps, phase, step);
    opu_readout_kernels(OPU_ISA_BASE)
        ->steps_f32(N, intensities, N, n_steps, step, gain, 1.0f, 1, out);
    for (uint32_t i = 0; i < 2 * N; i++) {
        /* intensities up to about 40, coefficients and sums in floats: 3 * 40 * 2^-24 / (N * 2)
         * each, N of them */
        assert_true(fabs((double)out[i] - (double)normal(i)) < 6e-6);
    }
}

static void phase_steps_give_the_field_and_not_its_conjugate(void **state)
{
    (void)state;
    check_steps(4, 0.0);
    check_steps(3, 0.0);
    /* I_k holds exp(-i phase) S: turning the coefficients by +phase undoes it. */
    check_steps(4, 0.7);
    check_steps(3, -2.1);
}

/*
 * Steps that are too long by a share e, d_k = 2 pi k (1 + e) / N: the decoder's sum is N R (a S + b
 * S*) + (|S|^2 + R^2) c with a = mean of exp(i (d - d_k)), b of exp(i (d + d_k)), c = sum of exp(i
 * d); algebra of the retrieved field, without approximation.
 */
static void wrong_steps_mix_in_the_conjugate_as_algebra_says(void **state)
{
    (void)state;
    static const double errors[] = {0.01, -0.05, 0.2};
    for (size_t e = 0; e < 6; e++) {
        size_t const n = 3 + e / 3;
        double a[2] = {0};
        double b[2] = {0};
        double c[2] = {0};
        float intensities[4];
        double const s[2] = {0.8, -0.5};
        double const r = 2.0;
        for (size_t k = 0; k < n; k++) {
            double const want = 2.0 * 3.14159265358979323846 * (double)k / (double)n;
            double const is = want * (1.0 + errors[e % 3]);
            intensities[k] = interfere(s[0], s[1], r, is);
            a[0] += cos(want - is) / (double)n;
            a[1] += sin(want - is) / (double)n;
            b[0] += cos(want + is) / (double)n;
            b[1] += sin(want + is) / (double)n;
            c[0] += cos(want) / (double)n;
            c[1] += sin(want) / (double)n;
        }
        float step[8];
        float const gain = (float)(1.0 / (double)n / r);
        float out[2];
        make_steps(n, 0.0, step);
        opu_readout_kernels(OPU_ISA_BASE)
            ->steps_f32(1, intensities, 1, n, step, &gain, 1.0f, 1, out);
        double const re = a[0] * s[0] - a[1] * s[1] + b[0] * s[0] + b[1] * s[1];
        double const im = a[0] * s[1] + a[1] * s[0] - b[0] * s[1] + b[1] * s[0];
        assert_true(fabs(c[0]) + fabs(c[1]) < 1e-12); /* so that |S|^2 + R^2 drops out */
        assert_true(fabs((double)out[0] - re) < 3e-6);
        assert_true(fabs((double)out[1] - im) < 3e-6);
    }
}

static void steps_are_exact_where_they_can_be(void **state)
{
    (void)state;
    static const double four[4][2] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}};
    double step[2];
    for (size_t k = 0; k < 4; k++) {
        opu_phase_step(4, k, step);
        assert_true(step[0] == four[k][0] && step[1] == four[k][1]);
    }
    opu_phase_step(3, 2, step);
    assert_true(step[0] == -0.5 && fabs(step[1] + sqrt(0.75)) < 1e-15);
    opu_phase_step(2, 1, step);
    assert_true(step[0] == -1.0 && step[1] == 0.0);
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

/* What is compared of a level. */
enum {
    STEPS8,
    STEPS16,
    STEPS8_3,
    STEPS16_3,
    ANCHOR8,
    ANCHOR16,
    SCALE8,
    SCALE16,
    FLAT8,
    FLAT16,
    ALL
};

struct inputs {
    uint8_t c8[4 * N];
    uint16_t c16[4 * N];
    float gain[N], offset[N], step4[8], step3[6];
    uint32_t pick[N];
};

static struct inputs make_inputs(void)
{
    struct inputs in;
    for (uint32_t i = 0; i < 4 * N; i++) {
        uint32_t const u = opu_philox(SEED, OPU_STREAM_TEST, i, 1).v[0];
        in.c8[i] = (uint8_t)u;
        in.c16[i] = (uint16_t)(u >> 8);
    }
    for (uint32_t i = 0; i < N; i++) {
        in.gain[i] = normal(i);
        in.offset[i] = normal(N + i);
        in.pick[i] = (N - 1 - i / 2);
    }
    make_steps(4, 0.0, in.step4);
    make_steps(3, 0.4, in.step3);
    return in;
}

static void run_level(const struct opu_readout_kernels *kernels, const struct inputs *in, int set,
                      float w, float t, float out[ALL][2 * N])
{
    kernels->steps_u8(N, in->c8, N, 4, in->step4, in->gain, w, set, out[STEPS8]);
    kernels->steps_u16(N, in->c16, N, 4, in->step4, in->gain, w, set, out[STEPS16]);
    kernels->steps_u8(N, in->c8, N, 3, in->step3, in->gain, w, set, out[STEPS8_3]);
    kernels->steps_u16(N, in->c16, N, 3, in->step3, in->gain, w, set, out[STEPS16_3]);
    kernels->anchor_u8(N, in->c8, N, in->pick, in->gain, in->offset, t, w, set, out[ANCHOR8]);
    kernels->anchor_u16(N, in->c16, N, in->pick, in->gain, in->offset, t, w, set, out[ANCHOR16]);
    kernels->scale_u8(N, in->c8, t, w, set, out[SCALE8]);
    kernels->scale_u16(N, in->c16, t, w, set, out[SCALE16]);
    kernels->flat_u8(N, in->c8, t, in->gain, out[FLAT8]);
    kernels->flat_u16(N, in->c16, t, in->gain, out[FLAT16]);
}

/* The two parts of the sum over n steps at pixel k. */
static void plain_steps(const struct inputs *in, bool wide, size_t n, uint32_t k, float sum[2])
{
    const float *const step = n == 4 ? in->step4 : in->step3;
    for (int part = 0; part < 2; part++) {
        sum[part] = step[part] * (float)(wide ? in->c16[k] : in->c8[k]);
        for (size_t s = 1; s < n; s++) {
            float const count = (float)(wide ? in->c16[s * N + k] : in->c8[s * N + k]);
            float const term = step[2 * s + (size_t)part] * count;
            sum[part] += term;
        }
    }
}

static void run_plain(const struct inputs *in, int set, float w, float t, float out[ALL][2 * N])
{
    for (uint32_t k = 0; k < N; k++) {
        float const g = in->gain[k] * w;
        uint32_t const p = in->pick[k];
        for (int v = STEPS8; v <= STEPS16_3; v++) {
            float sum[2];
            plain_steps(in, v % 2 == 1, v < STEPS8_3 ? 4 : 3, k, sum);
            for (uint32_t part = 0; part < 2; part++) {
                float const value = sum[part] * g;
                float *const to = &out[v][2 * k + part];
                *to = set ? value : *to + value;
            }
        }
        float const values[4] = {
            ((float)(in->c8[p] - in->c8[N + p]) - in->offset[k] * t) * g,
            ((float)(in->c16[p] - in->c16[N + p]) - in->offset[k] * t) * g,
            ((float)in->c8[k] - t) * w,
            ((float)in->c16[k] - t) * w,
        };
        for (int v = ANCHOR8; v <= SCALE16; v++) {
            float *const to = &out[v][k];
            *to = set ? values[v - ANCHOR8] : *to + values[v - ANCHOR8];
        }
        out[FLAT8][k] = ((float)in->c8[k] - t) * in->gain[k];
        out[FLAT16][k] = ((float)in->c16[k] - t) * in->gain[k];
    }
}

/* Every kernel of a level against plain loops, written and added; equal to the last bit. */
static void check_level(enum opu_isa isa)
{
    struct inputs const in = make_inputs();
    for (int set = 0; set < 2; set++) {
        static float a[ALL][2 * N];
        static float b[ALL][2 * N];
        for (uint32_t i = 0; i < ALL * 2 * N; i++) {
            a[i / (2 * N)][i % (2 * N)] = b[i / (2 * N)][i % (2 * N)] = normal(5000 + i);
        }
        run_level(opu_readout_kernels(isa), &in, set, 0.37f, 1.7f, a);
        run_plain(&in, set, 0.37f, 1.7f, b);
        for (int v = 0; v < ALL; v++) {
            for (uint32_t i = 0; i < 2 * N; i++) {
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
    assert_ptr_equal(opu_readout_find("phase3"), &opu_readout_phase3);
    assert_ptr_equal(opu_readout_find("phase4"), &opu_readout_phase4);
    assert_ptr_equal(opu_readout_find("offaxis"), &opu_readout_offaxis);
    assert_ptr_equal(opu_readout_find("anchor"), &opu_readout_anchor);
    assert_ptr_equal(opu_readout_find("intensity"), &opu_readout_intensity);
    assert_null(opu_readout_find("float"));
    assert_null(opu_readout_find(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(phase_steps_give_the_field_and_not_its_conjugate),
        cmocka_unit_test(wrong_steps_mix_in_the_conjugate_as_algebra_says),
        cmocka_unit_test(steps_are_exact_where_they_can_be),
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
