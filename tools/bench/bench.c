/* SPDX-License-Identifier: MIT */
/* What all benchmarks share: rows, medians, the clock, and the bare matrix product. */
#include "tools/bench/bench.h"

#include <cblas.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const struct bench bench_table[] = {
    {"train", "training steps against PyTorch and the bare matrix products", bench_train},
    {"sim", "the optical bench: propagation, field product, camera, size", bench_sim},
    {"usb", "the USB driver against a bare libusb loop, over an emulated device", bench_usb},
    {NULL, NULL, NULL},
};

void bench_add(struct bench_report *report, const char *name, double value, const char *unit,
               double wanted, bool at_most)
{
    if (report->n_rows == BENCH_MAX_ROWS) {
        return;
    }
    struct bench_row *const row = &report->rows[report->n_rows++];
    snprintf(row->name, sizeof row->name, "%s", name);
    row->value = value;
    row->unit = unit;
    row->wanted = wanted;
    row->at_most = at_most;
}

bool bench_row_ok(const struct bench_row *row)
{
    if (isnan(row->wanted)) {
        return true;
    }
    return row->at_most ? row->value <= row->wanted : row->value >= row->wanted;
}

double bench_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    double const x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, ascending);
    return n % 2 == 1 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

static float *ramp(size_t n)
{
    float *const data = malloc(n * sizeof *data);
    for (size_t i = 0; data != NULL && i < n; i++) {
        data[i] = (float)(i % 251) / 251.0f - 0.5f;
    }
    return data;
}

double bench_gemm_seconds(size_t m, size_t n, size_t k, bool transpose_a, bool transpose_b,
                          unsigned rounds)
{
    enum { REPEATS = 10, MAX_ROUNDS = 101 };
    double times[MAX_ROUNDS] = {0};
    double median = (double)NAN;
    float *const a = ramp(m * k), *const b = ramp(k * n), *const c = ramp(m * n);
    rounds = rounds > MAX_ROUNDS ? MAX_ROUNDS : rounds < 1 ? 1 : rounds;
    if (a != NULL && b != NULL && c != NULL) {
        for (unsigned round = 0; round <= rounds; round++) { /* the first warms up */
            double const start = bench_seconds();
            for (int repeat = 0; repeat < REPEATS; repeat++) {
                cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
                            transpose_b ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, 1.0f,
                            a, (int)(transpose_a ? m : k), b, (int)(transpose_b ? k : n), 0.0f, c,
                            (int)n);
            }
            if (round > 0) {
                times[round - 1] = (bench_seconds() - start) / REPEATS;
            }
        }
        median = bench_median(times, rounds);
    }
    free(a);
    free(b);
    free(c);
    return median;
}
