/* SPDX-License-Identifier: MIT */
/* Inside a descent, for tests. */
#ifndef OPU_CORE_TSNE_H
#define OPU_CORE_TSNE_H

#include "core/embed/affinity.h"

const struct opu_affinity *opu_tsne_affinity(const struct opu_tsne *tsne);
/* The gradient of the divergence at other positions, [n][2] both; the descent's own stay. */
void opu_tsne_gradient(struct opu_tsne *tsne, const float *positions, double *gradient);

#endif
