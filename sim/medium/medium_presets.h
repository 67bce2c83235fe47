/* SPDX-License-Identifier: MIT */
/* Named scattering samples, and the slabs of phase screens that stand for them. */
#ifndef OPU_SIM_MEDIUM_PRESETS_H
#define OPU_SIM_MEDIUM_PRESETS_H

#include <stdbool.h>
#include <stddef.h>

struct opu_sim_options;

/* The sample on the table, and what it lets through (physics: sim/medium/medium_presets.c). */
struct opu_sample {
    double thickness_um;
    double transport_um; /* transport mean free path l* */
    double index;        /* effective refractive index */
    double transmission; /* total, (5/3) l* / (L + (4/3) l*) */
    const char *source;  /* transmission 0: none, a model */
};

struct opu_medium_preset {
    const char *name;
    struct opu_sample sample;
    /* the effective slab */
    double thickness_um;
    double mean_free_path_um; /* ls */
    double anisotropy;        /* g */
    double index;
    size_t screens;        /* 0: as many as the optical thickness asks for */
    double depolarised;    /* share of the light in the other polarisation */
    bool thin;             /* may be thinner than Gaussian statistics ask for: that is its point */
    const char *unmatched; /* what differs from the sample */
};

/* Indexed by enum opu_medium_name; those without screens have only name and depolarised. */
extern const struct opu_medium_preset opu_medium_presets[];

/* Share of the light in the other polarisation: the option, or the medium's. */
double opu_medium_depolarised(const struct opu_sim_options *options);

#endif
