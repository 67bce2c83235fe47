/* SPDX-License-Identifier: MIT */
/* The laser's power: intensity noise of each frame, and its slow drift in device time. */
#include "sim_support.h"

#include "sim/laser.h"

#define FRAMES 65536

static double power_at(const struct opu_laser *laser, uint64_t frame)
{
    double power;
    opu_laser_powers(laser, &frame, 1, &power);
    return power;
}

static void a_steady_laser_has_power_one(void **state)
{
    (void)state;
    struct opu_laser const laser = {.seed = draw_word(), .drift_tau_s = 1.0, .rate_hz = 2000.0};
    assert_true(power_at(&laser, 0) == 1.0 && power_at(&laser, UINT64_MAX) == 1.0);
}

/* Mean 1, the rms given, frames uncorrelated: bars of FRAMES samples. */
static void intensity_noise_is_white(void **state)
{
    (void)state;
    struct opu_laser const laser = {
        .seed = draw_word(), .rin = draw_between(0.001, 0.02), .rate_hz = 2000.0};
    struct moments m = {0, 0, 0};
    double pairs = 0.0;
    double last = 0.0;
    for (uint64_t f = 0; f < FRAMES; ++f) {
        double const x = (power_at(&laser, f) - 1.0) / laser.rin;
        moments_add(&m, x);
        pairs += x * last;
        last = x;
    }
    assert_near(moments_mean(&m), 0.0, SIGMAS / sqrt(FRAMES), "mean");
    assert_near(moments_var(&m), 1.0, SIGMAS * sqrt(2.0 / FRAMES), "variance");
    assert_near(pairs / FRAMES, 0.0, SIGMAS / sqrt(FRAMES), "correlation of neighbours");
}

/*
 * Independent lasers (seeds) at two times: n seeds give variance and correlation to sqrt(2 / n) and
 * sqrt((1 + rho^2) / n). The lag is a whole number of steps, so that rho is exact.
 */
static void drift_is_an_ornstein_uhlenbeck_process(void **state)
{
    (void)state;
    enum { seeds = 20000 };
    for (int run = 0; run < 3; ++run) {
        double const tau = draw_between(10.0, 1e5);
        double const steps = (double)draw_size(10, 600);
        struct opu_laser laser = {
            .drift = 0.01, .drift_tau_s = tau, .rate_hz = 256.0 / tau}; /* a frame is a step */
        double const rho = exp(-steps / 256.0);
        uint64_t const start = draw_size(0, 1u << 20);
        uint64_t const first = ((uint64_t)draw_word() << 32) | draw_word();
        double sum = 0.0;
        double squares = 0.0;
        double product = 0.0;
        for (uint64_t k = 0; k < seeds; ++k) {
            laser.seed = first + k;
            double const x = (power_at(&laser, start) - 1.0) / laser.drift;
            double const y = (power_at(&laser, start + (uint64_t)steps) - 1.0) / laser.drift;
            sum += x / seeds;
            squares += x * x / seeds;
            product += x * y / seeds;
        }
        assert_near(sum, 0.0, SIGMAS / sqrt(seeds), "mean");
        assert_near(squares, 1.0, SIGMAS * sqrt(2.0 / seeds), "variance");
        /* frame / rate rounds: a step more or less moves rho by 1/256 of itself */
        assert_near(product, rho, SIGMAS * sqrt((1.0 + rho * rho) / seeds) + rho / 256.0,
                    "correlation");
    }
}

/* A batch is its frames one by one, wherever it starts: a resumed run sees the same light. */
static void power_depends_on_the_frame_number_alone(void **state)
{
    (void)state;
    struct opu_laser const laser = {
        .seed = draw_word(), .rin = 0.003, .drift = 0.02, .drift_tau_s = 30.0, .rate_hz = 2000.0};
    static uint64_t number[1000];
    static double batch[1000];
    static double rest[500];
    uint64_t at = draw_size(0, 1u << 30);
    for (size_t f = 0; f < 1000; ++f) {
        number[f] = at;
        at += draw_size(1, 200);
    }
    opu_laser_powers(&laser, number, 1000, batch);
    opu_laser_powers(&laser, number + 500, 500, rest);
    assert_memory_equal(rest, batch + 500, sizeof(rest));
    for (size_t f = 0; f < 1000; ++f) {
        assert_true(power_at(&laser, number[f]) == batch[f]);
    }
}

static void power_is_never_negative(void **state)
{
    (void)state;
    struct opu_laser const wild = {
        .seed = draw_word(), .rin = 3.0, .drift = 3.0, .drift_tau_s = 1.0, .rate_hz = 10.0};
    for (uint64_t f = 0; f < 10000; ++f) {
        assert_true(power_at(&wild, f) >= 0.0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_steady_laser_has_power_one),
        cmocka_unit_test(intensity_noise_is_white),
        cmocka_unit_test(drift_is_an_ornstein_uhlenbeck_process),
        cmocka_unit_test(power_depends_on_the_frame_number_alone),
        cmocka_unit_test(power_is_never_negative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
