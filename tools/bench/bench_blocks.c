/* SPDX-License-Identifier: MIT */
/*
 * `opu bench train --blocks N`: backward and Adam's update of N equal layers between taps at batch
 * 128, the light being back: on one thread, one after the other with all threads inside each
 * product, and side by side. The projection and the head are outside of the timing.
 */
#include "tools/bench/bench.h"

#include "core/dfa/blocks.h"
#include "core/models/models.h"
#include "core/train/optim.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

enum { BATCH = 128, CLASSES = 10, MAX_ROUNDS = 31, WIDEST = 1024 };
enum { ONE_THREAD, IN_TURN, SIDE_BY_SIDE, N_WAYS };

struct work {
    struct opu_graph *graph;
    struct opu_optim optim;
    float *feedback;
};

static bool update(void *user, size_t block)
{
    struct work *const work = user;
    return opu_optim_update(&work->optim, opu_graph_block_params(work->graph, block));
}

static void free_work(struct work *work)
{
    opu_optim_fini(&work->optim);
    opu_graph_destroy(work->graph);
    free(work->feedback);
}

static int make_work(struct work *work, const struct bench_options *options, size_t width)
{
    static const struct opu_optim_settings adam = {
        .kind = OPU_OPTIM_ADAM, .lr = 1e-6, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    struct opu_model_options model = {
        .size = sizeof model, .inputs = width, .classes = CLASSES, .n_hidden = options->blocks};
    struct opu_graph_plan const plan = {.size = sizeof plan,
                                        .method = OPU_METHOD_DFA,
                                        .max_rows = BATCH,
                                        .seed = 1,
                                        .backward = true};
    struct opu_model_values values;
    for (size_t i = 0; i < options->blocks; i++) {
        model.hidden[i] = width;
    }
    *work = (struct work){.feedback = malloc(BATCH * width * sizeof *work->feedback)};
    int status =
        work->feedback == NULL ? OPU_E_NO_MEMORY : opu_graph_create(&work->graph, options->context);
    if (status == OPU_OK) {
        status = opu_model_mlp(work->graph, &model, &values);
    }
    if (status == OPU_OK) {
        status = opu_graph_plan(work->graph, &plan);
    }
    if (status == OPU_OK) {
        status =
            opu_optim_init(&work->optim, options->context, &adam, opu_graph_params(work->graph));
    }
    if (status != OPU_OK) {
        return status;
    }
    float *const x = opu_graph_input_data(work->graph, values.input);
    for (size_t i = 0; i < BATCH * width; i++) {
        x[i] = (float)(i % 251) / 251.0f - 0.5f;
        work->feedback[i] = ((float)(i % 241) / 241.0f - 0.5f) / BATCH;
    }
    memset(opu_graph_input_data(work->graph, values.labels), 0, BATCH * sizeof(int32_t));
    opu_graph_feedback(work->graph, work->feedback, width);
    opu_graph_forward(work->graph, BATCH, true, 0);
    return OPU_OK;
}

static double time_way(struct work *work, size_t way, int threads, unsigned steps)
{
#ifdef _OPENMP
    omp_set_num_threads(way == ONE_THREAD ? 1 : threads);
#else
    (void)threads;
#endif
    double const start = bench_seconds();
    for (unsigned step = 0; step < steps; step++) {
        opu_optim_begin(&work->optim, 1e-6);
        (void)opu_blocks_backward(
            work->graph, way == SIDE_BY_SIDE ? OPU_BLOCKS_SIDE_BY_SIDE : OPU_BLOCKS_IN_TURN, update,
            work);
    }
    return (bench_seconds() - start) / steps;
}

static void report_width(struct bench_report *report, size_t width, int threads,
                         const double ms[N_WAYS])
{
    static const char *const ways[N_WAYS] = {"one thread", "in turn, all threads in each product",
                                             "side by side"};
    double const none = (double)NAN;
    char name[64];
    for (size_t way = 0; way < N_WAYS; way++) {
        snprintf(name, sizeof name, "width %zu: %s", width, ways[way]);
        bench_add(report, name, ms[way], "ms", none, false);
    }
    snprintf(name, sizeof name, "width %zu: side by side against one thread", width);
    bench_add(report, name, ms[ONE_THREAD] / ms[SIDE_BY_SIDE], "x", threads > 1 ? 1.8 : none,
              false);
    snprintf(name, sizeof name, "width %zu: side by side against in turn", width);
    bench_add(report, name, ms[IN_TURN] / ms[SIDE_BY_SIDE], "x",
              threads > 1 && width == WIDEST ? 1.0 : none, false);
}

static int run_width(const struct bench_options *options, struct bench_report *report, size_t width)
{
    double seconds[N_WAYS][MAX_ROUNDS], ms[N_WAYS];
    unsigned const rounds = options->rounds > MAX_ROUNDS ? MAX_ROUNDS : options->rounds;
    /* as long a round at each width, or nearly */
    unsigned const steps = options->steps * (unsigned)(width < WIDEST ? WIDEST / width : 1);
    struct work work;
    int const status = make_work(&work, options, width);
    for (unsigned round = 0; status == OPU_OK && round <= rounds; round++) {
        for (size_t way = 0; way < N_WAYS; way++) {
            double const took = time_way(&work, way, options->threads, steps);
            if (round > 0) { /* the first warms up */
                seconds[way][round - 1] = took;
            }
        }
    }
    for (size_t way = 0; status == OPU_OK && way < N_WAYS; way++) {
        ms[way] = 1e3 * bench_median(seconds[way], rounds);
    }
    if (status == OPU_OK) {
        report_width(report, width, options->threads, ms);
    }
    free_work(&work);
    return status;
}

int bench_blocks(const struct bench_options *options, struct bench_report *report)
{
    static const size_t widths[] = {64, 128, 256, 512, WIDEST};
    int status = OPU_OK;
    for (size_t i = 0; status == OPU_OK && i < sizeof widths / sizeof widths[0]; i++) {
        if (options->width == 0 || options->width == widths[i]) {
            status = run_width(options, report, widths[i]);
        }
    }
#ifdef _OPENMP
    omp_set_num_threads(options->threads);
#endif
    snprintf(report->note, sizeof report->note,
             "%u blocks, batch %d: backward and update after the projection", options->blocks,
             BATCH);
    return status;
}
