/* SPDX-License-Identifier: MIT */
/*
 * Alignment: at every tap, the cosine between dfa's gradient (B e, as it comes through the device)
 * and back-propagation's, sample by sample; mean and sample standard deviation over the samples
 * measured since the last reset. A sample without a gradient on either side has no angle: it is
 * left out and counted.
 */
#ifndef OPU_CORE_ALIGNMENT_H
#define OPU_CORE_ALIGNMENT_H

#include <opu/train.h>

#include "core/dfa/feedback.h"

struct opu_alignment;

/*
 * twin: a graph of the trained model, planned with method bp, backward, no_param_grads and
 * params_of the trained graph. Both must outlive the alignment. OPU_E_INVALID, OPU_E_NO_MEMORY.
 */
OPU_NODISCARD int opu_alignment_create(struct opu_alignment **out, struct opu_graph *twin,
                                       struct opu_feedback *feedback);
void opu_alignment_destroy(struct opu_alignment *alignment);

/* Forgets all samples. */
void opu_alignment_reset(struct opu_alignment *alignment);
/*
 * Adds the first `rows` rows of the twin's inputs, which the caller has filled. Runs the twin
 * forward and backward and projects its e, which writes over the feedback and takes frames of the
 * device.
 */
OPU_NODISCARD int opu_alignment_measure(struct opu_alignment *alignment, size_t rows);
/* One entry a tap, in their order; mean and std are NaN where too few samples were counted.
 * Borrowed. */
const struct opu_tap_alignment *opu_alignment_result(struct opu_alignment *alignment,
                                                     size_t *n_taps);

/* The statistics alone: the cosines of rows [rows][columns] of a and b are added to *sum. */
struct opu_cosines {
    uint64_t counted, left_out;
    double mean, squares; /* of the cosines; sum of squared deviations (Welford) */
};
void opu_cosines_add(struct opu_cosines *sum, const float *a, size_t a_stride, const float *b,
                     size_t b_stride, size_t rows, size_t columns);

#endif
