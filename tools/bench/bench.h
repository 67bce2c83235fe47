/* SPDX-License-Identifier: MIT */
/*
 * Benchmarks: each figure is a ratio to a floor measured in the same run (PyTorch, the bare matrix
 * products), because this machine's speed today says nothing about tomorrow's. `opu bench NAME`
 * prints them, --check makes a missed bar exit 5.
 */
#ifndef OPU_TOOLS_BENCH_H
#define OPU_TOOLS_BENCH_H

#include <opu/opu.h>

#include <stdbool.h>
#include <stddef.h>

/* One measured figure. */
struct bench_row {
    char name[64];    /* "dfa exact / bp" */
    double value;     /* the ratio, or the figure itself where there is no floor */
    const char *unit; /* "x", "rows/s", "MB" */
    double wanted;    /* the bar; NaN: for information */
    bool at_most;     /* the bar is an upper one */
};

#define BENCH_MAX_ROWS 64

struct bench_report {
    struct bench_row rows[BENCH_MAX_ROWS];
    size_t n_rows;
    char note[512]; /* what the figures depend on: threads, floor left out, ... */
};

struct bench_options {
    struct opu_context *context;
    int threads;
    unsigned rounds; /* odd: medians are taken over rounds */
    unsigned steps;  /* a round */
    bool quiet;      /* no talk on stderr */
    unsigned blocks; /* train: layers between taps, timed alone; 0: whole training steps */
    size_t width;    /* of those; 0: 64 to 1024 */
};

struct bench {
    const char *name, *summary;
    int (*run)(const struct bench_options *options, struct bench_report *report);
};

/* All benchmarks; the last has no name. */
extern const struct bench bench_table[];

int bench_blocks(const struct bench_options *options, struct bench_report *report);
int bench_train(const struct bench_options *options, struct bench_report *report);
int bench_sim(const struct bench_options *options, struct bench_report *report);
int bench_usb(const struct bench_options *options, struct bench_report *report);

/* Adds a row; rows past BENCH_MAX_ROWS are dropped. */
void bench_add(struct bench_report *report, const char *name, double value, const char *unit,
               double wanted, bool at_most);
/* Whether a row reaches its bar (or has none). */
bool bench_row_ok(const struct bench_row *row);

double bench_seconds(void);
/* Sorts in place. n > 0. */
double bench_median(double *values, size_t n);
/* Seconds of c = op(a) op(b), row-major m x n x k, bare cblas_sgemm: median of `rounds`. NaN
 * without memory. */
double bench_gemm_seconds(size_t m, size_t n, size_t k, bool transpose_a, bool transpose_b,
                          unsigned rounds);

#endif
