/* SPDX-License-Identifier: MIT */
/*
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a draw is
 * a pure function of (seed, stream, counter), so draws are the same bits for any thread count, tile
 * and order.
 */
#ifndef OPU_CORE_RNG_H
#define OPU_CORE_RNG_H

#include <stdint.h>

/* Who draws. Values are part of every reproducible result: append only. */
enum opu_stream {
    OPU_STREAM_MATRIX = 1,  /* entries of a transmission or feedback matrix */
    OPU_STREAM_DRIFT = 2,   /* drift of a matrix */
    OPU_STREAM_CAMERA = 3,  /* shot and read noise */
    OPU_STREAM_ENCODE = 4,  /* stochastic rounding */
    OPU_STREAM_INIT = 5,    /* initial weights */
    OPU_STREAM_SHUFFLE = 6, /* order of the training rows */
    OPU_STREAM_DROPOUT = 7,
    OPU_STREAM_CALIBRATE = 8, /* calibration patterns */
    OPU_STREAM_LASER = 9,
    OPU_STREAM_SCREEN = 10, /* phase screens and masks of a medium; a = point, b = screen, node */
    OPU_STREAM_PIXEL = 11,  /* PRNU and DSNU maps */
    OPU_STREAM_MIRROR = 12, /* dead mirrors, phases of mirrors that are off */
    OPU_STREAM_REFERENCE = 13, /* phase noise of the reference arm */
    OPU_STREAM_GRAPH = 14,     /* a made-up graph: edges and features; a = which of them */
    OPU_STREAM_EDGES = 15,     /* which edges are held out, and pairs without an edge */
    OPU_STREAM_FOLDS = 16,     /* which nodes train, validate and test; a = class */
    OPU_STREAM_EMBED = 17,     /* first positions of an embedding; a = which coordinate */
    OPU_STREAM_TEST = 100
};

struct opu_philox4 {
    uint32_t v[4];
};

/* One block of four words. Counter words: (a, low b, high b, stream); key: (low seed, high seed).
 */
struct opu_philox4 opu_philox(uint64_t seed, uint32_t stream, uint32_t a, uint64_t b);

/* Uniform in (0, 1): (u + 0.5) / 2^32 in double; as float an odd multiple of 2^-24. Never 0,
 * never 1. */
double opu_uniform(uint32_t u);
float opu_uniformf(uint32_t u);

/* Four standard normal draws from one block (Box-Muller on words 0,1 and 2,3). */
void opu_normal4(struct opu_philox4 block, float z[4]);

#endif
