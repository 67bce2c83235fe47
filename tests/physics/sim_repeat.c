/* SPDX-License-Identifier: MIT */
/*
 * Counts depend on nothing but the frame and its number: not on the thread count, the vector level,
 * the way a job is cut into batches, or what ran before. Everything that draws is on.
 */
#include "sim_support.h"

#include "core/base/cpu.h"

#ifdef _OPENMP
#include <omp.h>
#endif

enum { n_inputs = 75, n_pixels = 777, n_frames = 61 };

struct job {
    struct opu_sim_options options;
    uint8_t bits[n_frames][(n_inputs + 7) / 8];
    uint16_t reference[n_frames], exposure[n_frames];
    uint64_t number[n_frames];
};

struct answer {
    uint16_t counts[n_frames][n_pixels];
    uint32_t saturated[n_frames];
};

/* Runs of equal patterns, gaps in the numbers, several drift steps, low light in some frames. */
static void draw_job(struct job *job)
{
    memset(job, 0, sizeof(*job));
    job->options = bench_options();
    job->options.seed = draw_word();
    job->options.camera = (int)draw_size(0, 2);
    job->options.rin = 0.02;
    job->options.tau_s = draw_between(4.0, 20.0);
    uint64_t number = draw_word();
    for (size_t f = 0; f < n_frames; ++f) {
        if (f > 0 && draw_word() % 4 != 0) {
            memcpy(job->bits[f], job->bits[f - 1], sizeof(job->bits[f]));
        } else {
            draw_patterns(job->bits[f], 1, n_inputs, draw_between(0.0, 1.0));
        }
        job->reference[f] = (uint16_t)draw_size(0, 4);
        job->exposure[f] = (uint16_t)draw_size(0, 2);
        number += draw_size(1, 9);
        job->number[f] = number;
    }
}

static int configure(struct bench *bench)
{
    static const double exposures_us[3] = {1.0, 8.0, 60.0};
    static const struct opu_reference references[5] = {
        {0.0, 0.5}, {1.57, 0.5}, {3.14, 0.4}, {4.71, 0.01}, {0.0, 0.0}};
    struct opu_frame_setup const setup = {.size = sizeof(setup),
                                          .n_inputs = n_inputs,
                                          .n_pixels = n_pixels,
                                          .bits = 12,
                                          .n_exposures = 3,
                                          .exposures_us = exposures_us,
                                          .n_references = 5,
                                          .references = references};
    return opu_backend_sim.ops->configure(bench->sim, &setup);
}

static void run_part(struct bench *bench, const struct job *job, size_t first, size_t n,
                     struct answer *answer)
{
    struct opu_frame_batch batch = {.size = sizeof(batch),
                                    .n_frames = n,
                                    .bits = job->bits[first],
                                    .reference = job->reference + first,
                                    .exposure = job->exposure + first,
                                    .number = job->number + first,
                                    .counts = answer->counts[first],
                                    .saturated = answer->saturated + first};
    bench_run(bench, &batch);
}

static struct answer *run_job(const struct job *job, enum opu_isa isa)
{
    struct answer *const answer = test_alloc(1, sizeof(*answer));
    struct bench bench = bench_open(&job->options);
    bench.sim->isa = isa;
    assert_int_equal(configure(&bench), OPU_OK);
    run_part(&bench, job, 0, n_frames, answer);
    bench_close(&bench);
    return answer;
}

static void assert_same(struct answer *seen, const struct answer *wanted)
{
    assert_memory_equal(seen->saturated, wanted->saturated, sizeof(wanted->saturated));
    assert_memory_equal(seen->counts, wanted->counts, sizeof(wanted->counts));
    free(seen);
}

static void a_repeated_job_returns_the_same_counts(void **state)
{
    (void)state;
    for (int run = 0; run < 3; ++run) {
        struct job job;
        draw_job(&job);
        struct answer *const wanted = run_job(&job, opu_isa_best());
        assert_same(run_job(&job, opu_isa_best()), wanted);
        free(wanted);
    }
}

static void thread_count_does_not_matter(void **state)
{
    (void)state;
#ifdef _OPENMP
    int const before = omp_get_max_threads();
    for (int run = 0; run < 3; ++run) {
        struct job job;
        draw_job(&job);
        omp_set_num_threads(1);
        struct answer *const wanted = run_job(&job, opu_isa_best());
        for (int threads = 2; threads <= 5; ++threads) {
            omp_set_num_threads(threads);
            assert_same(run_job(&job, opu_isa_best()), wanted);
        }
        omp_set_num_threads(before);
        free(wanted);
    }
#else
    skip();
#endif
}

static void vector_level_does_not_matter(void **state)
{
    (void)state;
    for (int run = 0; run < 3; ++run) {
        struct job job;
        draw_job(&job);
        struct answer *const wanted = run_job(&job, OPU_ISA_BASE);
        for (int isa = OPU_ISA_AVX2; isa < OPU_ISA_COUNT; ++isa) {
            if (opu_isa_usable((enum opu_isa)isa)) {
                assert_same(run_job(&job, (enum opu_isa)isa), wanted);
            }
        }
        free(wanted);
    }
}

static void batches_may_be_cut_anywhere(void **state)
{
    (void)state;
    for (int run = 0; run < 3; ++run) {
        struct job job;
        draw_job(&job);
        struct answer *const wanted = run_job(&job, opu_isa_best());
        struct answer *const seen = test_alloc(1, sizeof(*seen));
        struct bench bench = bench_open(&job.options);
        assert_int_equal(configure(&bench), OPU_OK);
        for (size_t first = 0; first < n_frames;) {
            size_t const left = n_frames - first;
            size_t const n = draw_size(1, left < 20 ? left : 20);
            run_part(&bench, &job, first, n, seen);
            first += n;
        }
        bench_close(&bench);
        assert_same(seen, wanted);
        free(wanted);
    }
}

/* The same pixels in a larger set-up see the same light and draw the same noise. */
static void more_pixels_leave_the_first_alone(void **state)
{
    (void)state;
    struct job job;
    draw_job(&job);
    struct bench bench = bench_open(&job.options);
    double const exposure_us = 8.0;
    static uint16_t few[300];
    static uint16_t many[900];
    struct opu_frame_batch batch = {.size = sizeof(batch),
                                    .n_frames = 1,
                                    .bits = job.bits[0],
                                    .number = job.number,
                                    .counts = few};
    assert_int_equal(bench_configure(&bench, n_inputs, 300, 12, exposure_us, 0.0), OPU_OK);
    bench_run(&bench, &batch);
    assert_int_equal(bench_configure(&bench, n_inputs, 900, 12, exposure_us, 0.0), OPU_OK);
    batch.counts = many;
    bench_run(&bench, &batch);
    assert_memory_equal(few, many, sizeof(few));
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repeated_job_returns_the_same_counts),
        cmocka_unit_test(thread_count_does_not_matter),
        cmocka_unit_test(vector_level_does_not_matter),
        cmocka_unit_test(batches_may_be_cut_anywhere),
        cmocka_unit_test(more_pixels_leave_the_first_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
