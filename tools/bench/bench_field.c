/* SPDX-License-Identifier: MIT */
/*
 * Fields of binary frames as sums of columns, against this machine's sgemm in the same rounds:
 * frames are real, so a product of m inputs and n complex outputs is 4 m n FLOP a frame. Then
 * sparse frames against frames with a tenth of the mirrors on and against what no sum can do
 * without (the matrix read, the field stored), and a step of a vocabulary's error.
 */
#include "tools/bench/bench_sim.h"

#include "core/base/rng.h"
#include "sim/matrix.h"
#include "sim/sim_options.h"

#include <cblas.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

enum { INPUTS = 1000, OUTPUTS = 10000, FRAMES = 1024, GROUP = 512, SQUARE = 2048, MAX_ROUNDS = 9 };
enum { TILE_BLOCKS = OPU_TILE_PIXELS / OPU_BLOCK_PIXELS, ROW_BYTES = (INPUTS + 7) / 8 };

static const double densities[] = {0.5, 0.1, 0.05, 0.02, 0.01};
enum { N_DENSITIES = sizeof densities / sizeof densities[0] };

enum { GEMM_SHAPE, GEMM_SQUARE, DEVICE, STORE, READ, KERNEL, N_JOBS = KERNEL + N_DENSITIES };

struct work {
    struct opu_dmd dmd;
    struct opu_medium *medium;
    struct opu_sim_matrix matrix;
    struct opu_device *device;
    uint8_t *bits; /* [N_DENSITIES][FRAMES][ROW_BYTES] */
    uint32_t *frame;
    uint64_t *number;
    uint8_t *counts;
    float *scratch;
    float *a, *b, *c; /* sgemm's */
    size_t threads;
};

static void draw_frames(uint8_t *bits, size_t n_inputs, double density, uint64_t seed)
{
    size_t const row_bytes = (n_inputs + 7) / 8;
    memset(bits, 0, FRAMES * row_bytes);
    for (size_t f = 0; f < FRAMES; f++) {
        for (size_t j = 0; j < n_inputs; j++) {
            uint32_t const word = opu_philox(seed, OPU_STREAM_TEST, (uint32_t)(j / 4), f).v[j % 4];
            bits[f * row_bytes + j / 8] |= (uint8_t)((opu_uniform(word) < density) << (j % 8));
        }
    }
}

static int make_matrix(struct work *work, struct opu_context *context)
{
    static const struct opu_sim_options options;
    struct opu_dmd_setup const mirrors = {.context = context,
                                          .chip = &opu_dmd_chips[OPU_DMD_IDEAL],
                                          .n_inputs = INPUTS,
                                          .leakage = 0.001};
    struct opu_medium_setup const medium = {.context = context,
                                            .options = &options,
                                            .seed = 1,
                                            .n_inputs = INPUTS,
                                            .n_outputs = OUTPUTS,
                                            .input_columns = 32};
    int status = opu_dmd_init(&work->dmd, &mirrors);
    if (status == OPU_OK) {
        status = opu_medium_gaussian.create(&work->medium, &medium);
    }
    if (status == OPU_OK) {
        status = opu_sim_matrix_init(&work->matrix, context, &work->dmd, work->medium, true);
    }
    if (status == OPU_OK) {
        opu_sim_matrix_load(&work->matrix, 0);
    }
    return status;
}

static int make_device(struct work *work, struct opu_context *context)
{
    double const exposure_us = 1.0;
    struct opu_frame_setup const setup = {.size = sizeof setup,
                                          .n_inputs = INPUTS,
                                          .n_pixels = OUTPUTS,
                                          .bits = 8,
                                          .n_exposures = 1,
                                          .exposures_us = &exposure_us};
    int const status = opu_device_open(&work->device, context, "sim:noise=none,way=matrix");
    return status == OPU_OK ? opu_device_configure(work->device, &setup) : status;
}

static int make_arrays(struct work *work)
{
    size_t const n = (size_t)2 * OUTPUTS * INPUTS; /* not below SQUARE^2 */
    work->bits = malloc((size_t)N_DENSITIES * FRAMES * ROW_BYTES);
    work->frame = malloc(FRAMES * sizeof *work->frame);
    work->number = malloc(FRAMES * sizeof *work->number);
    work->counts = malloc((size_t)FRAMES * OUTPUTS);
    work->scratch = malloc(work->threads * GROUP * OPU_TILE_FLOATS * sizeof *work->scratch);
    work->a = malloc((size_t)SQUARE * SQUARE * sizeof *work->a);
    work->b = malloc(n * sizeof *work->b);
    work->c = malloc((size_t)FRAMES * 2 * OUTPUTS * sizeof *work->c);
    if (work->bits == NULL || work->frame == NULL || work->number == NULL || work->counts == NULL ||
        work->scratch == NULL || work->a == NULL || work->b == NULL || work->c == NULL) {
        return OPU_E_NO_MEMORY;
    }
    for (size_t i = 0; i < (size_t)SQUARE * SQUARE; i++) {
        work->a[i] = (float)(i % 251) / 251.0f - 0.5f;
    }
    for (size_t i = 0; i < n; i++) {
        work->b[i] = (float)(i % 257) / 257.0f - 0.5f;
    }
    for (size_t f = 0; f < FRAMES; f++) {
        work->frame[f] = (uint32_t)f;
    }
    for (size_t d = 0; d < N_DENSITIES; d++) {
        draw_frames(work->bits + d * FRAMES * ROW_BYTES, INPUTS, densities[d], d + 1);
    }
    return OPU_OK;
}

static void free_work(struct work *work)
{
    opu_sim_matrix_fini(&work->matrix);
    if (work->medium != NULL) {
        work->medium->ops->destroy(work->medium);
    }
    opu_dmd_fini(&work->dmd);
    opu_device_close(work->device);
    void *const arrays[] = {work->bits,    work->frame, work->number, work->counts,
                            work->scratch, work->a,     work->b,      work->c};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        free(arrays[i]);
    }
}

static void multiply(const struct work *work, int m, int n, int k)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0f, work->a, k, work->b, n,
                0.0f, work->c, n);
}

/* What is done with a tile: some blocks from the first, GROUP frames from `frame` on. */
typedef void (*tile_fn)(const struct work *work, const uint8_t *bits, const uint32_t *frame,
                        size_t first, size_t n_blocks, float *field);

static void sum_tile(const struct work *work, const uint8_t *bits, const uint32_t *frame,
                     size_t first, size_t n_blocks, float *field)
{
    struct opu_patterns const patterns = {bits, frame, GROUP};
    opu_sim_matrix_field(&work->matrix, patterns, first, n_blocks, field, OPU_TILE_FLOATS);
}

/* The fields of dark frames, in the order of sums. */
static void store_tile(const struct work *work, const uint8_t *bits, const uint32_t *frame,
                       size_t first, size_t n_blocks, float *field)
{
    (void)bits;
    (void)frame;
    for (size_t block = 0; block < n_blocks; block++) {
        const float *const start = work->matrix.start + (first + block) * OPU_BLOCK_FLOATS;
        for (size_t f = 0; f < GROUP; f++) {
            memcpy(field + f * OPU_TILE_FLOATS + block * OPU_BLOCK_FLOATS, start,
                   OPU_BLOCK_FLOATS * sizeof *field);
        }
    }
}

/* The columns from end to end, each cache line once: faster than in any order that frames ask. */
static void read_tile(const struct work *work, const uint8_t *bits, const uint32_t *frame,
                      size_t first, size_t n_blocks, float *field)
{
    enum { LINE_FLOATS = 16 };
    size_t const block = (size_t)INPUTS * OPU_BLOCK_FLOATS;
    float sum = 0.0f;
    (void)bits;
    (void)frame;
    for (size_t at = first * block; at < (first + n_blocks) * block; at += LINE_FLOATS) {
        sum += work->matrix.entries[at];
    }
    field[0] = sum;
}

/* All fields, a tile of 256 outputs and 512 frames at a time, as the device does. */
static void pass_tiles(const struct work *work, const uint8_t *bits, tile_fn pass)
{
    size_t const groups = FRAMES / GROUP;
    size_t const n_tiles = (work->matrix.n_blocks + TILE_BLOCKS - 1) / TILE_BLOCKS;
    ptrdiff_t const n_tasks = (ptrdiff_t)(n_tiles * groups);
#pragma omp parallel for schedule(static) num_threads((int)work->threads)
    for (ptrdiff_t task = 0; task < n_tasks; ++task) {
#ifdef _OPENMP
        float *const field = work->scratch + omp_get_thread_num() * GROUP * OPU_TILE_FLOATS;
#else
        float *const field = work->scratch;
#endif
        size_t const first = (size_t)task / groups * TILE_BLOCKS;
        size_t const left = work->matrix.n_blocks - first;
        pass(work, bits, work->frame + (size_t)task % groups * GROUP, first,
             left < TILE_BLOCKS ? left : TILE_BLOCKS, field);
    }
}

static int expose(struct work *work)
{
    for (size_t f = 0; f < FRAMES; f++) {
        work->number[f] = opu_device_clock(work->device) + f;
    }
    struct opu_frame_batch batch = {.size = sizeof batch,
                                    .n_frames = FRAMES,
                                    .bits = work->bits,
                                    .number = work->number,
                                    .counts = work->counts};
    uint64_t job = 0;
    int const status = opu_device_submit(work->device, &batch, &job);
    return status == OPU_OK ? opu_device_wait(work->device, job, -1) : status;
}

static int run_job(struct work *work, int job, double *seconds)
{
    int status = OPU_OK;
    double const start = bench_seconds();
    if (job == GEMM_SHAPE) {
        multiply(work, FRAMES, 2 * OUTPUTS, INPUTS);
    } else if (job == GEMM_SQUARE) {
        multiply(work, SQUARE, SQUARE, SQUARE);
    } else if (job == DEVICE) {
        status = expose(work);
    } else if (job == STORE || job == READ) {
        pass_tiles(work, NULL, job == STORE ? store_tile : read_tile);
    } else {
        pass_tiles(work, work->bits + (size_t)(job - KERNEL) * FRAMES * ROW_BYTES, sum_tile);
    }
    *seconds = bench_seconds() - start;
    return status;
}

/* Where sparse frames stand between proportion and what they can't do without: the floor, and of
 * the rest of what a tenth on takes their share. */
static void report_floors(const double median[N_JOBS], struct bench_report *report)
{
    double const floor = median[STORE] + median[READ];
    double const rest = median[KERNEL + 1] - floor;
    char name[64];
    bench_add(report, "field store floor, relative to half on", median[STORE] / median[KERNEL], "x",
              (double)NAN, true);
    bench_add(report, "matrix read floor, relative to half on", median[READ] / median[KERNEL], "x",
              (double)NAN, true);
    for (int d = 2; d < N_DENSITIES; d++) {
        double const share = densities[d] / densities[1];
        (void)snprintf(name, sizeof name, "field, %g %% on / (floors + share of 10 %% on)",
                       100.0 * densities[d]);
        bench_add(report, name, median[KERNEL + d] / (floor + share * rest), "x", (double)NAN,
                  true);
    }
}

static void report_fields(double seconds[N_JOBS][MAX_ROUNDS], unsigned rounds,
                          struct bench_report *report)
{
    double median[N_JOBS];
    for (int job = 0; job < N_JOBS; job++) {
        median[job] = bench_median(seconds[job], rounds);
    }
    double const flop = 4.0 * INPUTS * OUTPUTS * FRAMES;
    double const shape = flop / median[GEMM_SHAPE];
    double const square = 2.0 * SQUARE * SQUARE * SQUARE / median[GEMM_SQUARE];
    double const peak = fmax(shape, square);
    bench_add(report, "sgemm, the faster of square and frames' shape", peak * 1e-9, "GFLOP/s",
              (double)NAN, false);
    bench_add(report, "field 1000 -> 10000, half on / sgemm", flop / median[KERNEL] / peak, "x",
              0.8, false);
    bench_add(report, "frames 1000 -> 10000, half on, no noise / sgemm",
              flop / median[DEVICE] / peak, "x", 0.8, false);
    char name[64];
    for (int d = 1; d < N_DENSITIES; d++) { /* in proportion from a tenth on downwards */
        (void)snprintf(name, sizeof name, "field, %g %% on / half on", 100.0 * densities[d]);
        bench_add(report, name, median[KERNEL + d] / median[KERNEL], "x", densities[d] / 0.1, true);
    }
    bench_add(report, "field, 5 % on / 10 % on", median[KERNEL + 2] / median[KERNEL + 1], "x", 0.55,
              true);
    report_floors(median, report);
}

static int bench_fields(const struct bench_options *options, struct bench_report *report)
{
    static double seconds[N_JOBS][MAX_ROUNDS];
    struct work work = {.threads = (size_t)options->threads};
    unsigned const rounds = options->rounds < MAX_ROUNDS ? options->rounds : MAX_ROUNDS;
    int status = make_arrays(&work);
    if (status == OPU_OK) {
        status = make_matrix(&work, options->context);
    }
    if (status == OPU_OK) {
        status = make_device(&work, options->context);
    }
    for (unsigned round = 0; status == OPU_OK && round <= rounds; round++) { /* 0 warms up */
        for (int job = 0; status == OPU_OK && job < N_JOBS; job++) {
            status = run_job(&work, job, &seconds[job][round > 0 ? round - 1 : 0]);
        }
    }
    if (status == OPU_OK) {
        report_fields(seconds, rounds, report);
    }
    free_work(&work);
    return status;
}

/* Rows of an error that is dense in sign, as of a softmax over a vocabulary after centring. */
static void draw_errors(float *rows, size_t n)
{
    for (size_t i = 0; i < n; i += 4) {
        float z[4];
        opu_normal4(opu_philox(5, OPU_STREAM_TEST, (uint32_t)(i / 4), 1), z);
        memcpy(rows + i, z, (n - i < 4 ? n - i : 4) * sizeof *z);
    }
}

static int bench_vocabulary(const struct bench_options *options, struct bench_report *report)
{
    enum { VOCABULARY = 50000, FEEDBACK = 512, ROWS = 1024, STEPS = 3 };
    struct opu_device *device = NULL;
    struct opu_projection *projection = NULL;
    double seconds[STEPS] = {0};
    float *const rows = malloc((size_t)ROWS * VOCABULARY * sizeof *rows);
    float *const out = malloc((size_t)ROWS * FEEDBACK * sizeof *out);
    struct opu_projection_options const plan = {.size = sizeof plan,
                                                .n_in = VOCABULARY,
                                                .n_out = FEEDBACK,
                                                .max_rows = ROWS,
                                                .encode = "ternary",
                                                .readout = "phase4"};
    int status = rows == NULL || out == NULL ? OPU_E_NO_MEMORY : OPU_OK;
    if (status == OPU_OK) {
        draw_errors(rows, (size_t)ROWS * VOCABULARY);
        status = opu_device_open(&device, options->context, "sim:");
    }
    if (status == OPU_OK) {
        status = opu_projection_create(&projection, device, &plan);
    }
    for (int step = 0; status == OPU_OK && step <= STEPS; step++) { /* 0 warms up */
        double const start = bench_seconds();
        status = opu_project(projection, rows, VOCABULARY, ROWS, out, FEEDBACK);
        seconds[step > 0 ? step - 1 : 0] = bench_seconds() - start;
    }
    if (status == OPU_OK) {
        bench_add(report, "50000 -> 512, 1024 rows dense in sign, phase4",
                  bench_median(seconds, STEPS), "s", 3.0, true);
    }
    opu_projection_destroy(projection);
    opu_device_close(device);
    free(out);
    free(rows);
    return status;
}

int bench_sim_field(const struct bench_options *options, struct bench_report *report)
{
    int const status = bench_fields(options, report);
    return status == OPU_OK ? bench_vocabulary(options, report) : status;
}
