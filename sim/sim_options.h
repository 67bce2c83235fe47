/* SPDX-License-Identifier: MIT */
/* Everything that can be said after "sim:". One table for parsing, help and the man page. */
#ifndef OPU_SIM_OPTIONS_H
#define OPU_SIM_OPTIONS_H

#include <opu/option.h>

struct opu_sim_options {
    int medium; /* enum opu_medium_name */
    uint64_t seed;
    int camera;          /* enum opu_sensor_name */
    uint64_t bits;       /* counts, where a set-up asks for 0 */
    double full_well_e;  /* 0: the camera's */
    double read_noise_e; /* -1: the camera's */
    int noise;           /* enum opu_sim_noise */
    double flux;         /* electrons per pixel, us and mirror on; ensemble mean */
    double reference;    /* electrons per pixel and us of the whole arm; 0: 2^22 x flux */
    double leakage;      /* intensity of an off mirror relative to an on mirror */
    double rin;          /* rms of the relative intensity noise */
    double tau_s;        /* decorrelation time of the medium; 0: none */
    double rate_hz;      /* frames a second */
    uint64_t memory_mib; /* bound on the transmission matrix */
    bool deterministic;
};

enum opu_sim_noise {
    OPU_SIM_NOISE_ALL,
    OPU_SIM_NOISE_NONE,
    OPU_SIM_NOISE_SHOT,
    OPU_SIM_NOISE_READ
};

#define OPU_SIM_N_OPTIONS 15
extern const struct opu_option opu_sim_option_table[OPU_SIM_N_OPTIONS];

#endif
