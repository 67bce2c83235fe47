/* SPDX-License-Identifier: MIT */
/* The parts of `opu bench sim`, one file each; bench_sim.c runs them in order. */
#ifndef OPU_TOOLS_BENCH_SIM_H
#define OPU_TOOLS_BENCH_SIM_H

#include "tools/bench/bench.h"

int bench_sim_propagation(const struct bench_options *options, struct bench_report *report);
int bench_sim_field(const struct bench_options *options, struct bench_report *report);
int bench_sim_camera(const struct bench_options *options, struct bench_report *report);
int bench_sim_size(const struct bench_options *options, struct bench_report *report);

#endif
