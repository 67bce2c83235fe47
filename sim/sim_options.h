/* SPDX-License-Identifier: MIT */
/*
 * Everything that can be said after "sim:", in one struct, one table: parsing, ranges, help, the
 * man page and the ini section [sim] come from it. Where 0 or -1 is said to mean "the preset's",
 * the number stands in the table of media, cameras or mirror arrays.
 */
#ifndef OPU_SIM_OPTIONS_H
#define OPU_SIM_OPTIONS_H

#include <opu/option.h>

struct opu_sim_options {
    uint64_t seed;

    /* medium */
    int medium;               /* enum opu_medium_name */
    double thickness_um;      /* slab; 0: the preset's */
    double mean_free_path_um; /* scattering mean free path ls; 0: the preset's */
    double anisotropy;        /* g = <cos theta>; -1: the preset's */
    double index;             /* refractive index; 0: the preset's */
    uint64_t screens;         /* phase screens of a slab; 0: as many as the thickness asks for */
    uint64_t masks;           /* diffusers of a cascade */
    uint64_t grid;            /* points a side; 0: the smallest that supports inputs and outputs */
    int boundary;             /* enum opu_sim_boundary */
    bool jacobi;              /* allow grids so small that the spectrum is Jacobi's */
    double depolarised;       /* light in the other polarisation over all; -1: the medium's */
    double tau_s;             /* decorrelation time of the transmission matrix; 0: none */

    /* polariser */
    double extinction; /* leak of the other polarisation, in intensity; 1: no polariser */

    /* dmd */
    int dmd;              /* enum opu_dmd_name */
    int mirror_layout;    /* enum opu_dmd_layout */
    double leakage;       /* intensity of an off mirror relative to one that is on */
    double dead;          /* share of mirrors that are stuck */
    double beam;          /* 1/e^2 radius of the beam over the array's half diagonal; 0: uniform */
    double incidence_deg; /* of the laser on the array */

    /* reference arm */
    double reference;         /* electrons per pixel and us of the whole arm; 0: 2^22 x flux */
    double step_error;        /* relative error of the phase steps */
    double phase_noise_rad;   /* rms of the arm's phase, first-order autoregressive */
    double phase_noise_tau_s; /* its correlation time */
    double vibration_rad;     /* amplitude of a sine on the arm's phase */
    double vibration_hz;

    /* camera */
    int camera;           /* enum opu_sensor_name */
    uint64_t bits;        /* counts, where a set-up asks for 0 */
    double full_well_e;   /* 0: the camera's */
    double read_noise_e;  /* -1: the camera's */
    double prnu;          /* rms, relative; -1: the camera's */
    double dsnu_e;        /* rms; -1: the camera's */
    double dark_e_per_s;  /* at 25 degrees; -1: the camera's */
    double temperature_c; /* of the sensor; dark current doubles every 8 degrees */
    double black_e;       /* black level; -1: four times read noise and DSNU together */
    int noise;            /* enum opu_sim_noise */

    /* laser */
    double wavelength_nm; /* in vacuum */
    double flux;          /* electrons per pixel, us and mirror on; ensemble mean */
    double rin;           /* rms of the relative intensity noise, common to a frame */
    double power_drift;   /* rms of the slow drift of its power */
    double power_drift_tau_s;

    /* device */
    double rate_hz; /* frames a second */
    uint64_t memory_mib;
    int way; /* enum opu_sim_way */
    bool deterministic;
};

enum opu_sim_noise {
    OPU_SIM_NOISE_ALL,
    OPU_SIM_NOISE_NONE,
    OPU_SIM_NOISE_SHOT,
    OPU_SIM_NOISE_READ
};

enum opu_sim_boundary { OPU_SIM_PERIODIC, OPU_SIM_ABSORBING };

/* How frames get their fields: by a matrix that is measured once, or by propagation of each. */
enum opu_sim_way { OPU_SIM_WAY_AUTO, OPU_SIM_WAY_MATRIX, OPU_SIM_WAY_FREE };

#define OPU_SIM_N_OPTIONS 45
extern const struct opu_option opu_sim_option_table[OPU_SIM_N_OPTIONS];

#endif
