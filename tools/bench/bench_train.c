/* SPDX-License-Identifier: MIT */
/*
 * `opu bench train`: rows per second of the 784-1024-1024-10 network at batch 128 by
 * back-propagation, by DFA over exact: and over sim: with all noise, in turns so that a busy
 * machine slows all alike. Floors: the same network in PyTorch where it is installed, and the
 * step's bare matrix products.
 */
#include "tools/bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { BATCH = 128, INPUTS = 784, HIDDEN = 1024, CLASSES = 10, MAX_ROUNDS = 31 };

static const char torch_mlp_text[] = {
#include "torch_mlp.h" /* generated: the bytes of torch_mlp.py */
};

enum { BP, DFA_EXACT, DFA_SIM, N_RUNS };

static const struct {
    const char *name, *method, *device;
} runs[N_RUNS] = {
    {"bp", "bp", "null:"},
    {"dfa exact", "dfa", "exact:"},
    {"dfa sim", "dfa", "sim:"},
};

/* Stops a trainer after a number of steps. */
struct stop {
    unsigned left;
};

static int count_step(void *user, const struct opu_train_progress *progress)
{
    struct stop *const stop = user;
    return progress->step > 0 && --stop->left == 0;
}

static int run_steps(struct opu_trainer *trainer, unsigned steps, double *seconds)
{
    struct stop stop = {.left = steps};
    double const start = bench_seconds();
    int const status = opu_trainer_run(trainer, count_step, &stop);
    *seconds = bench_seconds() - start;
    return status == OPU_E_CANCELLED ? OPU_OK : status;
}

static int make_trainer(struct opu_trainer **out, struct opu_context *context, size_t run)
{
    const char *const pairs[][2] = {
        {"data.task", "fashion"},
        {"model.name", "mlp"},
        {"model.hidden", "1024,1024"},
        {"model.activation", "tanh"},
        {"train.method", runs[run].method},
        {"train.epochs", "1000"},
        {"train.batch", "128"},
        {"optim.name", "adam"},
        {"optim.lr", "3e-4"},
        {"feedback.device", runs[run].device},
        {"align.every", "0"},
    };
    struct opu_train_config *config = NULL;
    int status = opu_train_config_create(&config, context);
    for (size_t i = 0; status == OPU_OK && i < sizeof pairs / sizeof *pairs; i++) {
        status = opu_train_config_set(config, pairs[i][0], pairs[i][1]);
    }
    if (status == OPU_OK) {
        status = opu_trainer_create(out, context, config, NULL, false);
    }
    opu_train_config_destroy(config);
    return status;
}

/* Rows per second of PyTorch, or NaN where it is not installed. */
static double torch_rows_per_second(const struct bench_options *options)
{
    char path[] = "/tmp/opu-bench-XXXXXX";
    int const fd = mkstemp(path);
    double rate = (double)NAN;
    if (fd < 0) {
        return rate;
    }
    FILE *const script = fdopen(fd, "w");
    if (script == NULL) {
        close(fd);
        unlink(path);
        return rate;
    }
    fwrite(torch_mlp_text, 1, sizeof torch_mlp_text - 1, script);
    fclose(script);
    /*
     * Debian's PyTorch belongs to Debian's Python, whichever python3 comes first on the path. It
     * waits as it does on its own: what tools/opu.c set for our threads is not for its.
     */
    static const char *const pythons[] = {"python3", "/usr/bin/python3"};
    for (size_t i = 0; isnan(rate) && i < sizeof pythons / sizeof *pythons; i++) {
        char command[160], line[64];
        snprintf(command, sizeof command, "env -u GOMP_SPINCOUNT %s %s %d 20 %u %u 2>/dev/null",
                 pythons[i], path, options->threads, options->steps, options->rounds);
        FILE *const pipe = popen(command, "r");
        if (pipe == NULL) {
            continue;
        }
        if (fgets(line, sizeof line, pipe) != NULL) {
            rate = strtod(line, NULL);
        }
        pclose(pipe);
    }
    unlink(path);
    return rate;
}

/* The eight products of a back-propagation step, as our step calls them, each timed alone. */
static double step_gemm_seconds(unsigned rounds)
{
    static const struct {
        size_t m, n, k;
        bool transpose_a, transpose_b;
    } products[] = {
        {BATCH, HIDDEN, INPUTS, false, true},   {BATCH, HIDDEN, HIDDEN, false, true},
        {BATCH, CLASSES, HIDDEN, false, true},  {CLASSES, HIDDEN, BATCH, true, false},
        {BATCH, HIDDEN, CLASSES, false, false}, {HIDDEN, HIDDEN, BATCH, true, false},
        {BATCH, HIDDEN, HIDDEN, false, false},  {HIDDEN, INPUTS, BATCH, true, false},
    };
    double sum = 0;
    for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
        sum += bench_gemm_seconds(products[i].m, products[i].n, products[i].k,
                                  products[i].transpose_a, products[i].transpose_b, rounds);
    }
    return sum;
}

static double peak_megabytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024.0;
}

static void report_rows(struct bench_report *report, const double rate[N_RUNS], double gemm_s,
                        double torch_rate, double peak_mb)
{
    double const none = (double)NAN;
    char name[64];
    for (size_t run = 0; run < N_RUNS; run++) {
        snprintf(name, sizeof name, "%s", runs[run].name);
        bench_add(report, name, rate[run], "rows/s", none, false);
    }
    double const gemm_share = gemm_s * rate[BP] / BATCH;
    if (isnan(torch_rate)) {
        bench_add(report, "bp: share of its step that the bare products take", gemm_share, "x",
                  0.60, false);
        snprintf(report->note, sizeof report->note, "PyTorch is not installed: floor left out");
    } else {
        bench_add(report, "PyTorch bp", torch_rate, "rows/s", none, false);
        bench_add(report, "bp / PyTorch bp", rate[BP] / torch_rate, "x", 1.3, false);
        bench_add(report, "bp: share of its step that the bare products take", gemm_share, "x",
                  none, false);
    }
    bench_add(report, "dfa exact / bp", rate[DFA_EXACT] / rate[BP], "x", 1.15, false);
    bench_add(report, "dfa sim / dfa exact", rate[DFA_SIM] / rate[DFA_EXACT], "x", 0.7, false);
    bench_add(report, "peak memory, three trainers side by side", peak_mb, "MB", 600, true);
}

int bench_train(const struct bench_options *options, struct bench_report *report)
{
    if (options->blocks > 0) {
        return bench_blocks(options, report);
    }
    struct opu_trainer *trainers[N_RUNS] = {NULL};
    double seconds[N_RUNS][MAX_ROUNDS], rate[N_RUNS];
    unsigned const rounds = options->rounds > MAX_ROUNDS ? MAX_ROUNDS : options->rounds;
    int status = OPU_OK;
    for (size_t run = 0; status == OPU_OK && run < N_RUNS; run++) {
        status = make_trainer(&trainers[run], options->context, run);
    }
    for (unsigned round = 0; status == OPU_OK && round <= rounds; round++) {
        for (size_t run = 0; status == OPU_OK && run < N_RUNS; run++) {
            double took = 0;
            status = run_steps(trainers[run], options->steps, &took);
            if (round > 0) { /* the first warms up */
                seconds[run][round - 1] = took;
            }
        }
        if (!options->quiet) {
            fprintf(stderr, "round %u of %u\n", round, rounds);
        }
    }
    double const peak_mb = peak_megabytes();
    for (size_t run = 0; run < N_RUNS; run++) {
        opu_trainer_destroy(trainers[run]);
    }
    if (status != OPU_OK) {
        return status;
    }
    for (size_t run = 0; run < N_RUNS; run++) {
        rate[run] = (double)options->steps * BATCH / bench_median(seconds[run], rounds);
    }
    report_rows(report, rate, step_gemm_seconds(rounds), torch_rows_per_second(options), peak_mb);
    return OPU_OK;
}
