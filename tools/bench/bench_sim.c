/* SPDX-License-Identifier: MIT */
/* opu bench sim: the simulator's kernels against floors of the same run; one file for each part. */
#include "tools/bench/bench_sim.h"

typedef int (*part_fn)(const struct bench_options *options, struct bench_report *report);

/* In the order they are shown. */
static const part_fn parts[] = {
    bench_sim_propagation, bench_sim_field, bench_sim_camera, bench_sim_size, NULL,
};

int bench_sim(const struct bench_options *options, struct bench_report *report)
{
    for (size_t i = 0; parts[i] != NULL; i++) {
        int const status = parts[i](options, report);
        if (status < 0) {
            return status;
        }
    }
    return OPU_OK;
}
