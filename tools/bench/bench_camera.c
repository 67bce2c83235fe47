/* SPDX-License-Identifier: MIT */
/*
 * The camera alone, from a field in memory to counts, and the entries of a gaussian medium that is
 * never stored: each on all threads against its bar, on one thread against the plain twin, and at
 * every vector level that this processor has.
 */
#include "tools/bench/bench_sim.h"

#include "core/base/cpu.h"
#include "core/base/rng.h"
#include "sim/camera/camera.h"
#include "sim/medium/medium_gaussian.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#define N_TILES 8192 /* 2^21 pixels: as many as the device has */
#define TWIN_TILES 128
#define STRIP_INPUTS 64
#define STRIPS 512
#define TWIN_STRIPS 8
#define MAX_ROUNDS 101

/* One figure for a level or for the twin: `run` does `units` pieces of work on `threads` threads.
 */
struct job {
    void (*run)(void *user, int isa, int threads);
    void *user;
    int isa; /* -1: the plain twin */
    int threads;
    double units;
    double seconds[MAX_ROUNDS];
};

/* Rounds of all jobs in turn, so that a busy neighbour slows all alike. */
static void measure(struct job *jobs, size_t n_jobs, unsigned rounds)
{
    for (unsigned round = 0; round <= rounds; round++) { /* the first warms up */
        for (size_t j = 0; j < n_jobs; j++) {
            double const start = bench_seconds();
            jobs[j].run(jobs[j].user, jobs[j].isa, jobs[j].threads);
            if (round > 0) {
                jobs[j].seconds[round - 1] = bench_seconds() - start;
            }
        }
    }
}

struct camera_work {
    struct opu_camera camera;
    float *field;
    uint8_t *counts;
    uint64_t frame;
};

static void run_camera(void *user, int isa, int threads)
{
    struct camera_work *const work = user;
    opu_camera_tile_fn const expose =
        isa < 0 ? opu_camera_tile_reference : opu_camera_tile_kernel((enum opu_isa)isa);
    struct opu_light const light = {.scale = 40.0f, .reference_re = 60.0f, .dark_e = 0.04f};
    ptrdiff_t const n_tiles = isa < 0 ? TWIN_TILES : N_TILES;
    (void)threads;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (ptrdiff_t t = 0; t < n_tiles; ++t) {
        struct opu_exposure const exposure = {.field = work->field + t * OPU_TILE_FLOATS,
                                              .frame = work->frame,
                                              .tile = (uint32_t)t,
                                              .n = OPU_TILE_PIXELS};
        (void)expose(&work->camera, &light, &exposure, work->counts + t * OPU_TILE_PIXELS);
    }
    ++work->frame;
}

/* Strips that stay in the second-level cache, as where they are used. */
struct strip_work {
    struct opu_drift_mix mix;
    float *strips; /* [threads][STRIP_INPUTS][128] */
};

static void plain_strip(uint32_t first_output, float *strip)
{
    for (uint32_t i = 0; i < OPU_BLOCK_PIXELS; i++) {
        for (uint32_t j = 0; j < STRIP_INPUTS; j += 2) {
            float z[4];
            opu_normal4(opu_philox(1, OPU_STREAM_MATRIX, j / 2, first_output + i), z);
            for (uint32_t k = 0; k < 4; k++) {
                strip[(2 * j + k) * OPU_BLOCK_PIXELS + i] = 0.70710678f * z[k];
            }
        }
    }
}

static void run_strips(void *user, int isa, int threads)
{
    typedef void (*strip_fn)(uint64_t, const struct opu_drift_mix *, uint32_t, uint32_t, uint32_t,
                             float *);
    static const strip_fn kernels[] = {
        opu_gaussian_strip_base,
#ifdef __x86_64__
        opu_gaussian_strip_avx2,
        opu_gaussian_strip_avx512,
#endif
    };
    struct strip_work *const work = user;
    ptrdiff_t const n = isa < 0 ? TWIN_STRIPS : STRIPS;
    (void)threads;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (ptrdiff_t s = 0; s < n; ++s) {
#ifdef _OPENMP
        float *const strip = work->strips + omp_get_thread_num() * STRIP_INPUTS * OPU_BLOCK_FLOATS;
#else
        float *const strip = work->strips;
#endif
        if (isa < 0) {
            plain_strip((uint32_t)s * OPU_BLOCK_PIXELS, strip);
        } else {
            kernels[isa](1, &work->mix, (uint32_t)s * OPU_BLOCK_PIXELS, 0, STRIP_INPUTS, strip);
        }
    }
}

/* What the rows of one kind of work are called, and their bars. */
struct rows {
    const char *what, *unit;
    double per_unit;              /* work of a job in that unit */
    double per_twin;              /* and of the twin */
    double wanted[OPU_ISA_COUNT]; /* on all threads where that is the best level; NaN: none */
};

static double rate(struct job *job, unsigned rounds)
{
    return job->units / bench_median(job->seconds, rounds);
}

/* Rows: every level on all threads, its bar where it is the best; then the best on one thread over
 * the twin. */
static void report_rows(const struct rows *rows, void (*run)(void *, int, int), void *user,
                        const struct bench_options *options, struct bench_report *report)
{
    struct job jobs[OPU_ISA_COUNT + 2];
    size_t n = 0;
    int const best = (int)opu_isa_best();
    for (int isa = best; isa >= 0; isa--) {
        if (opu_isa_usable((enum opu_isa)isa)) {
            jobs[n++] = (struct job){run, user, isa, options->threads, rows->per_unit, {0}};
        }
    }
    jobs[n++] = (struct job){run, user, best, 1, rows->per_unit, {0}};
    jobs[n++] = (struct job){run, user, -1, 1, rows->per_twin, {0}};
    unsigned const rounds = options->rounds > MAX_ROUNDS ? MAX_ROUNDS : options->rounds;
    measure(jobs, n, rounds);
    char name[64];
    for (size_t j = 0; j + 2 < n; j++) {
        int const isa = jobs[j].isa;
        (void)snprintf(name, sizeof name, "%s, %s, %d threads", rows->what,
                       opu_isa_name((enum opu_isa)isa), options->threads);
        bench_add(report, name, rate(&jobs[j], rounds), rows->unit,
                  isa == best ? rows->wanted[isa] : (double)NAN, false);
    }
    (void)snprintf(name, sizeof name, "%s / plain twin, 1 thread", rows->what);
    bench_add(report, name, rate(&jobs[n - 2], rounds) / rate(&jobs[n - 1], rounds), "x",
              best == OPU_ISA_BASE ? (double)NAN : 5.0, false);
}

static int bench_camera(const struct bench_options *options, struct bench_report *report)
{
    static const struct rows rows = {.what = "camera",
                                     .unit = "Mpx/s",
                                     .per_unit = N_TILES * OPU_TILE_PIXELS * 1e-6,
                                     .per_twin = TWIN_TILES * OPU_TILE_PIXELS * 1e-6,
                                     .wanted = {(double)NAN, 400.0, 400.0}};
    struct opu_sensor sensor = opu_sensors[OPU_SENSOR_CMV2000];
    sensor.black_e = 52.0;
    struct opu_camera_setup const setup = {.context = options->context,
                                           .sensor = &sensor,
                                           .bits = 8,
                                           .n_pixels = (size_t)N_TILES * OPU_TILE_PIXELS,
                                           .seed = 1,
                                           .isa = opu_isa_best()};
    struct camera_work work = {.frame = 0};
    int status = opu_camera_init(&work.camera, &setup);
    if (status < 0) {
        return status;
    }
    size_t const n = (size_t)N_TILES * OPU_TILE_FLOATS;
    work.field = malloc(n * sizeof *work.field);
    work.counts = malloc((size_t)N_TILES * OPU_TILE_PIXELS);
    status = work.field == NULL || work.counts == NULL ? OPU_E_NO_MEMORY : OPU_OK;
    for (size_t v = 0; status == OPU_OK && v < n; v++) {
        work.field[v] = (float)(v * 37 % 1009) / 504.5f - 1.0f;
    }
    if (status == OPU_OK) {
        report_rows(&rows, run_camera, &work, options, report);
    }
    free(work.field);
    free(work.counts);
    opu_camera_fini(&work.camera);
    return status;
}

static int bench_strips(const struct bench_options *options, struct bench_report *report)
{
    static const struct rows rows = {
        .what = "gaussian entries",
        .unit = "Gnormals/s",
        .per_unit = STRIPS * (double)STRIP_INPUTS * OPU_BLOCK_FLOATS * 1e-9,
        .per_twin = TWIN_STRIPS * (double)STRIP_INPUTS * OPU_BLOCK_FLOATS * 1e-9,
        .wanted = {(double)NAN, 0.8, 1.5}};
    struct strip_work work;
    opu_drift_mix_at(&work.mix, 0);
    work.strips =
        malloc((size_t)options->threads * STRIP_INPUTS * OPU_BLOCK_FLOATS * sizeof *work.strips);
    if (work.strips == NULL) {
        return OPU_E_NO_MEMORY;
    }
    report_rows(&rows, run_strips, &work, options, report);
    free(work.strips);
    return OPU_OK;
}

int bench_sim_camera(const struct bench_options *options, struct bench_report *report)
{
    int const status = bench_camera(options, report);
    return status < 0 ? status : bench_strips(options, report);
}
