/* SPDX-License-Identifier: MIT */
/*
 * One frame through the cascade, matrix-free, from a thousand inputs to a million: time and memory
 * of a whole frame (mirrors, propagation, camera with all its noise), and the exponent that a
 * straight line through the logarithms has.
 */
#include "tools/bench/bench_sim.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct size_case {
    size_t n_inputs, grid;     /* grid 0: the smallest that supports it */
    double seconds, megabytes; /* bars; NaN: for information */
};

/* The peak begins anew: proc(5), clear_refs. */
static void forget_peak(void)
{
    int const file = open("/proc/self/clear_refs", O_WRONLY);
    if (file >= 0) {
        ssize_t const ignored = write(file, "5", 1);
        (void)ignored;
        close(file);
    }
}

/* Peak resident memory of the process in MB since forget_peak(); NaN if it can't be had. */
static double peak_megabytes(void)
{
    double kib = (double)NAN;
    char line[256];
    FILE *const file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0) {
            kib = strtod(line + 6, NULL);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return kib * 1024.0 / 1e6;
}

/* Median seconds of a frame; every frame shows another pattern. */
static int time_frames(struct opu_device *device, size_t n_inputs, size_t n_pixels, double *seconds)
{
    enum { FRAMES = 5 };
    double times[FRAMES];
    size_t const row_bytes = (n_inputs + 7) / 8;
    uint8_t *const bits = malloc(row_bytes);
    uint8_t *const counts = malloc(n_pixels);
    int status = bits != NULL && counts != NULL ? OPU_OK : OPU_E_NO_MEMORY;
    for (uint64_t k = 0; status == OPU_OK && k < FRAMES; k++) {
        for (size_t i = 0; i < row_bytes; i++) {
            bits[i] = (uint8_t)((i + 1) * (k + 3) * 2654435761u >> 13);
        }
        struct opu_frame_batch batch = {
            .size = sizeof batch, .n_frames = 1, .bits = bits, .number = &k, .counts = counts};
        uint64_t job;
        double const start = bench_seconds();
        status = opu_device_submit(device, &batch, &job);
        if (status == OPU_OK) {
            status = opu_device_wait(device, job, -1);
        }
        times[k] = bench_seconds() - start;
    }
    free(bits);
    free(counts);
    *seconds = status == OPU_OK ? bench_median(times, FRAMES) : (double)NAN;
    return status;
}

static int run_case(const struct bench_options *options, const struct size_case *wanted,
                    struct bench_report *report, double *seconds)
{
    char uri[128], name[64];
    (void)snprintf(uri, sizeof uri, "sim:medium=cascade,way=free,grid=%zu,jacobi=%s", wanted->grid,
                   wanted->grid != 0 ? "yes" : "no");
    size_t const n_pixels = 2 * wanted->n_inputs;
    double const exposure_us = 9000.0 / (1.5 * 0.5 * (double)wanted->n_inputs * 5.0);
    struct opu_frame_setup const setup = {.size = sizeof setup,
                                          .n_inputs = wanted->n_inputs,
                                          .n_pixels = n_pixels,
                                          .bits = 8,
                                          .n_exposures = 1,
                                          .exposures_us = &exposure_us};
    struct opu_device *device;
    forget_peak();
    int status = opu_device_open(&device, options->context, uri);
    double const start = bench_seconds();
    if (status == OPU_OK) {
        status = opu_device_configure(device, &setup);
    }
    double const planning = bench_seconds() - start;
    if (status == OPU_OK) {
        status = time_frames(device, wanted->n_inputs, n_pixels, seconds);
    }
    if (status == OPU_OK) {
        double const megabytes = peak_megabytes();
        (void)snprintf(name, sizeof name, "%zu -> %zu%s: a frame", wanted->n_inputs, n_pixels,
                       wanted->grid != 0 ? " (4096^2, Jacobi)" : "");
        bench_add(report, name, 1e3 * *seconds, "ms", 1e3 * wanted->seconds, true);
        (void)snprintf(name, sizeof name, "%zu -> %zu%s: peak memory", wanted->n_inputs, n_pixels,
                       wanted->grid != 0 ? " (4096^2, Jacobi)" : "");
        bench_add(report, name, megabytes, "MB", wanted->megabytes, true);
        (void)snprintf(name, sizeof name, "%zu -> %zu%s: set-up, once", wanted->n_inputs, n_pixels,
                       wanted->grid != 0 ? " (4096^2, Jacobi)" : "");
        bench_add(report, name, 1e3 * planning, "ms", (double)NAN, true);
    }
    opu_device_close(device);
    return status;
}

int bench_sim_size(const struct bench_options *options, struct bench_report *report)
{
    static const struct size_case cases[] = {
        {1024, 0, (double)NAN, (double)NAN},
        {16384, 0, (double)NAN, (double)NAN},
        {131072, 0, (double)NAN, (double)NAN},
        {1048576, 0, 3.0, 1500.0},
    };
    static const struct size_case jacobi = {1048576, 4096, 0.7, 700.0};
    size_t const n = sizeof cases / sizeof cases[0];
    double x = 0.0, y = 0.0, xx = 0.0, xy = 0.0, seconds = (double)NAN;
    for (size_t i = 0; i < n; i++) {
        int const status = run_case(options, &cases[i], report, &seconds);
        if (status < 0) {
            return status;
        }
        double const a = log((double)cases[i].n_inputs), b = log(seconds);
        x += a;
        y += b;
        xx += a * a;
        xy += a * b;
    }
    double const slope = ((double)n * xy - x * y) / ((double)n * xx - x * x);
    bench_add(report, "exponent of time against inputs", slope, "", (double)NAN, true);
    return run_case(options, &jacobi, report, &seconds);
}
