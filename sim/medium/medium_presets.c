/* SPDX-License-Identifier: MIT */
/*
 * Real samples are many transport mean free paths thick: light turns back in them, which screens
 * one behind the other can't do. A preset is the slab, L' <= 3 l*' and g >= 0.9, whose matrix has
 * what a camera can see of the real one's.
 *
 * Memory effect (k in the medium, Delta the tilt). Diffusion through L: C = (q L / sinh q L)^2, q =
 * k Delta, half at q L = 1.4915 (Feng et al., PRL 61, 834, 1988). Four screens with L' / ls' = 24
 * and g = 0.9 (L' / l*' = 2.4, sigma^2 = 6 each) turn light into all directions of the grid's band,
 * where the formula of small angles is off by far: it has C fall three times as fast. By the one
 * for any angle (sim/acceptance/memory.c), which depends on k L' Delta alone, C is half at k L'
 * Delta = 3.570. So the ranges agree where
 *
 *   L' = (3.570 / 1.4915) L = 2.393 L.
 *
 * Spectral width goes as one over the spread of delays, which is about the mean delay behind the
 * light that goes straight: L^2 / (6 D), D = c l* / (3 n), by diffusion; (n L' / c) (3 / 4) <1 /
 * cos theta - 1> for the three spaces between screens, 0.235 on average over the band, 2/3 of 1 /
 * lambda an axis. The two can't be had together with the memory effect and L' <= 3 l*': the ratio
 * stands in `unmatched`. At one wavelength nothing depends on it.
 *
 * Depolarisation: 1/2 behind many l*; a single rough surface leaves the polarisation alone.
 * Total transmission: (z0 + ze) / (L + 2 ze), z0 = l*, ze = (2/3) l* without inner reflections; the
 * flux that the camera sees is an option of its own, so this is for the record.
 *
 * A screen of ground glass of rms depth h and correlation length lc: sigma = 2 pi (n - 1) h /
 * lambda; light leaves within an rms angle of sqrt2 sigma / (k lc) an axis. For h = 2 um, n = 1.5,
 * lc = 8 um at 532 nm: sigma^2 = 139, 10 degrees. As a slab of 10 um in air: ls = 10 um / sigma^2,
 * 1 - g = 2 / (k lc)^2.
 */
#include "sim/medium/medium_presets.h"

#include "sim/medium/medium.h"
#include "sim/sim_options.h"

const struct opu_medium_preset opu_medium_presets[] = {
    [OPU_MEDIUM_GAUSSIAN] = {.name = "gaussian",
                             .depolarised = 0.5,
                             .unmatched = "no sample: the limit of a thick one"},
    [OPU_MEDIUM_SLAB] = {.name = "slab",
                         .sample = {60.0, 25.0, 1.4, 0.0, "no sample: a slab to start from"},
                         .thickness_um = 60.0,
                         .mean_free_path_um = 2.5,
                         .anisotropy = 0.9,
                         .index = 1.4,
                         .depolarised = 0.5,
                         .unmatched = "no sample"},
    [OPU_MEDIUM_CASCADE] = {.name = "cascade",
                            .depolarised = 0.5,
                            .unmatched = "no sample: diffusers and lenses"},
    [OPU_MEDIUM_PAINT] =
        {.name = "paint",
         .sample = {300.0, 3.0, 1.5, 5.0 / 304.0,
                    "white paint of 300 um as in Liutkus et al., Sci. Rep. 4, 5552 (2014); l* of "
                    "some um is usual for rutile paint, assumed"},
         .thickness_um = 718.0,
         .mean_free_path_um = 718.0 / 24.0,
         .anisotropy = 0.9,
         .index = 1.5,
         .depolarised = 0.5,
         .unmatched =
             "spectral width (about 119 times the sample's), backscattering and its open and "
             "closed channels, transmission (1 instead of 0.016)"},
    [OPU_MEDIUM_ZNO] =
        {.name = "zno",
         .sample = {80.0, 6.0, 1.4, 10.0 / 88.0,
                    "ZnO of 80 +- 25 um, l* = 6 +- 2 um, Popoff et al., PRL 104, 100601 (2010); "
                    "index of a half-filled layer, assumed"},
         .thickness_um = 191.5,
         .mean_free_path_um = 191.5 / 24.0,
         .anisotropy = 0.9,
         .index = 1.4,
         .depolarised = 0.5,
         .unmatched =
             "spectral width (about 16 times the sample's), backscattering and its open and "
             "closed channels, transmission (1 instead of 0.11)"},
    [OPU_MEDIUM_GROUND_GLASS] =
        {.name = "ground-glass",
         .sample = {10.0, 320.0, 1.0, 1.0,
                    "coarse ground glass, rms depth 2 um, correlation length 8 um: assumed, for "
                    "the 24 degrees (full width) of 120 grit"},
         .thickness_um = 10.0,
         .mean_free_path_um = 10.0 / 139.5,
         .anisotropy = 0.999776,
         .index = 1.0,
         .screens = 1,
         .depolarised = 0.0,
         .thin = true,
         .unmatched =
             "depth of the surface (one screen), shadowing on steep slopes; its memory "
             "effect has no end, as a thin diffuser's, so its matrix is not random enough"},
};

double opu_medium_depolarised(const struct opu_sim_options *options)
{
    return options->depolarised >= 0.0 ? options->depolarised
                                       : opu_medium_presets[options->medium].depolarised;
}
