/* SPDX-License-Identifier: MIT */
/*
 * Feedback: joins a graph planned for dfa with a projection of a device. One projection of the
 * error e gives every tap its gradient: B e has as many outputs as the widest tap, and a tap takes
 * the first of them. B's entries have variance 1 / n_out (notes: p = e B / sqrt(d_max)).
 */
#ifndef OPU_CORE_FEEDBACK_H
#define OPU_CORE_FEEDBACK_H

#include <opu/projection.h>

#include "core/nn/graph.h"

struct opu_feedback;

/* As in struct opu_projection_options, with its defaults for 0 and NULL. */
struct opu_feedback_options {
    size_t size;
    size_t max_rows; /* 0: the graph's */
    const char *encode, *readout;
    int rescale;
    uint64_t seed;
    uint32_t bits;
    double saturation;
    /* The error is multiplied so often by a square matrix of its rows before it is projected: each
     * node gets a share of its neighbours' errors, S^spread e (DFA-GNN, arXiv 2406.02040). */
    size_t spread;
    const struct opu_csr *spread_by; /* outlives the feedback; NULL with spread 0 */
};

/*
 * Makes the projection and lays the taps' gradients onto its result. The graph must be planned for
 * dfa, the device open; both must outlive the feedback. OPU_E_INVALID, OPU_E_NO_MEMORY and those of
 * opu_projection_create().
 */
OPU_NODISCARD int opu_feedback_create(struct opu_feedback **out, struct opu_device *device,
                                      struct opu_graph *graph,
                                      const struct opu_feedback_options *options);
void opu_feedback_destroy(struct opu_feedback *feedback);

/* Sends e of the graph's last forward; the head's own backward may run while the light travels. */
OPU_NODISCARD int opu_feedback_submit(struct opu_feedback *feedback, size_t rows);
/* B e is at the taps. */
OPU_NODISCARD int opu_feedback_wait(struct opu_feedback *feedback);
/* Both in one for any rows of e, [rows][n_error]: over what is at the taps. Spread too: rows are
 * then all of the matrix's. */
OPU_NODISCARD int opu_feedback_project(struct opu_feedback *feedback, const float *error,
                                       size_t rows);

/* B e, [rows][stride]; borrowed. */
const float *opu_feedback_data(const struct opu_feedback *feedback, size_t *stride);
struct opu_projection *opu_feedback_projection(const struct opu_feedback *feedback);

#endif
