/* SPDX-License-Identifier: MIT */
/* Alignment: the twin's gradients against the feedback, row by row in double. */
#include "core/dfa/alignment.h"

#include <math.h>

#include "core/base/fail.h"
#include "core/base/mem.h"

struct opu_alignment {
    struct opu_context *context;
    struct opu_graph *twin;
    struct opu_feedback *feedback;
    size_t n_taps;
    struct opu_cosines *sums;
    struct opu_tap_alignment *results;
};

static int check(struct opu_graph *twin, struct opu_feedback *feedback)
{
    if (opu_graph_taps(twin) == 0 || opu_graph_blocks(twin) == 0 ||
        opu_graph_method(twin) != OPU_METHOD_BP) {
        return opu_fail(OPU_E_INVALID,
                        "alignment: a twin without taps, or not planned for back-propagation");
    }
    size_t stride;
    (void)opu_feedback_data(feedback, &stride);
    for (size_t i = 0; i < opu_graph_taps(twin); i++) {
        const struct opu_tap *const tap = opu_graph_tap_at(twin, i);
        if (tap->columns > stride) {
            return opu_fail(OPU_E_INVALID, "alignment: tap \"%s\" is %zu wide, the feedback %zu",
                            tap->name, tap->columns, stride);
        }
    }
    return OPU_OK;
}

int opu_alignment_create(struct opu_alignment **out, struct opu_graph *twin,
                         struct opu_feedback *feedback)
{
    *out = NULL;
    OPU_TRY(check(twin, feedback));
    struct opu_context *const context = opu_graph_context(twin);
    struct opu_alignment *const alignment = opu_calloc(context, 1, sizeof *alignment);
    if (alignment == NULL) {
        return OPU_E_NO_MEMORY;
    }
    *alignment = (struct opu_alignment){
        .context = context, .twin = twin, .feedback = feedback, .n_taps = opu_graph_taps(twin)};
    alignment->sums = opu_calloc(context, alignment->n_taps, sizeof *alignment->sums);
    alignment->results = opu_calloc(context, alignment->n_taps, sizeof *alignment->results);
    if (alignment->sums == NULL || alignment->results == NULL) {
        goto fail;
    }
    *out = alignment;
    return OPU_OK;
fail:
    opu_alignment_destroy(alignment);
    return OPU_E_NO_MEMORY;
}

void opu_alignment_destroy(struct opu_alignment *alignment)
{
    if (alignment == NULL) {
        return;
    }
    opu_context_free(alignment->context, alignment->results);
    opu_context_free(alignment->context, alignment->sums);
    opu_context_free(alignment->context, alignment);
}

void opu_alignment_reset(struct opu_alignment *alignment)
{
    for (size_t i = 0; i < alignment->n_taps; i++) {
        alignment->sums[i] = (struct opu_cosines){0};
    }
}

void opu_cosines_add(struct opu_cosines *sum, const float *a, size_t a_stride, const float *b,
                     size_t b_stride, size_t rows, size_t columns)
{
    for (size_t i = 0; i < rows; i++) {
        double ab = 0.0;
        double aa = 0.0;
        double bb = 0.0;
        for (size_t j = 0; j < columns; j++) {
            double const x = (double)a[i * a_stride + j];
            double const y = (double)b[i * b_stride + j];
            ab += x * y;
            aa += x * x;
            bb += y * y;
        }
        if (aa == 0.0 || bb == 0.0) {
            sum->left_out++;
            continue;
        }
        double const off = ab / (sqrt(aa) * sqrt(bb)) - sum->mean;
        sum->counted++;
        sum->mean += off / (double)sum->counted;
        sum->squares += off * off * (double)(sum->counted - 1) / (double)sum->counted;
    }
}

int opu_alignment_measure(struct opu_alignment *alignment, size_t rows)
{
    struct opu_graph *const twin = alignment->twin;
    opu_graph_forward(twin, rows, false, 0);
    opu_graph_backward(twin, 0);
    OPU_TRY(opu_feedback_project(alignment->feedback, opu_graph_error(twin), rows));
    size_t stride;
    const float *const projected = opu_feedback_data(alignment->feedback, &stride);
    for (size_t i = 0; i < alignment->n_taps; i++) {
        const struct opu_tap *const tap = opu_graph_tap_at(twin, i);
        opu_cosines_add(&alignment->sums[i], projected, stride, tap->grad, tap->grad_stride, rows,
                        tap->columns);
    }
    return OPU_OK;
}

const struct opu_tap_alignment *opu_alignment_result(struct opu_alignment *alignment,
                                                     size_t *n_taps)
{
    for (size_t i = 0; i < alignment->n_taps; i++) {
        const struct opu_cosines *const sum = &alignment->sums[i];
        double const n = (double)sum->counted;
        alignment->results[i] = (struct opu_tap_alignment){
            .tap = opu_graph_tap_at(alignment->twin, i)->name,
            .mean = sum->counted > 0 ? sum->mean : (double)NAN,
            .std = sum->counted > 1 ? sqrt(sum->squares / (n - 1.0)) : (double)NAN,
            .counted = sum->counted,
            .left_out = sum->left_out,
        };
    }
    *n_taps = alignment->n_taps;
    return alignment->results;
}
