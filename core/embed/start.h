/* SPDX-License-Identifier: MIT */
/* First positions of a descent. */
#ifndef OPU_CORE_EMBED_START_H
#define OPU_CORE_EMBED_START_H

#include <opu/embed.h>

/* Finite points; n >= 2. Fills x[n] and y[n]; a direction without spread is random. */
OPU_NODISCARD int opu_embed_start(struct opu_context *context, const struct opu_points *points,
                                  enum opu_tsne_init init, uint64_t seed, float *x, float *y);

#endif
