/* SPDX-License-Identifier: MIT */
/* Feedback: the projection, and the array that the taps read. */
#include "core/dfa/feedback.h"

#include "core/base/fail.h"
#include "core/base/mem.h"

#define LINE (OPU_ALIGNMENT / sizeof(float))

struct opu_feedback {
    struct opu_context *context;
    struct opu_graph *graph;
    struct opu_projection *projection;
    size_t n_error, stride, max_rows;
    float *data;
    size_t n_spread;
    const struct opu_csr *spread_by;
    float *spread[2]; /* [rows][n_error], in turn; the second for more than one time */
};

static int check(struct opu_graph *graph, const struct opu_feedback_options *options)
{
    if (options == NULL || options->size != sizeof *options) {
        return opu_fail(OPU_E_INVALID, "feedback: options of size %zu, wanted %zu",
                        options == NULL ? 0 : options->size, sizeof *options);
    }
    if (opu_graph_taps(graph) == 0) {
        return opu_fail(OPU_E_INVALID, "feedback: the network has no tap, wanted at least one");
    }
    if (opu_graph_tap_at(graph, 0)->grad == NULL || opu_graph_method(graph) != OPU_METHOD_DFA) {
        return opu_fail(OPU_E_INVALID, "feedback: the network isn't planned for dfa with backward");
    }
    return OPU_OK;
}

static size_t widest_tap(const struct opu_graph *graph)
{
    size_t widest = 0;
    for (size_t i = 0; i < opu_graph_taps(graph); i++) {
        size_t const columns = opu_graph_tap_at(graph, i)->columns;
        widest = columns > widest ? columns : widest;
    }
    return widest;
}

static int make_spread(struct opu_feedback *feedback, const struct opu_feedback_options *options)
{
    size_t n;
    feedback->n_spread = options->spread;
    feedback->spread_by = options->spread_by;
    if (options->spread == 0) {
        return OPU_OK;
    }
    if (options->spread_by == NULL || options->spread_by->rows != feedback->max_rows ||
        options->spread_by->columns != feedback->max_rows) {
        return opu_fail(OPU_E_INVALID,
                        "feedback: an error of %zu rows is spread by no matrix of that size",
                        feedback->max_rows);
    }
    if (!opu_size_mul(&n, feedback->max_rows, feedback->n_error)) {
        return opu_fail(OPU_E_INVALID, "feedback: %zu rows of %zu are larger than memory",
                        feedback->max_rows, feedback->n_error);
    }
    for (size_t i = 0; i < 2 && i < options->spread; i++) {
        feedback->spread[i] = opu_calloc(feedback->context, n, sizeof(float));
        if (feedback->spread[i] == NULL) {
            return OPU_E_NO_MEMORY;
        }
    }
    return OPU_OK;
}

/* S^k e, or e itself. */
static const float *spread(struct opu_feedback *feedback, const float *error)
{
    for (size_t i = 0; i < feedback->n_spread; i++) {
        struct opu_sparse_product const product = {
            .matrix = feedback->spread_by,
            .heads = 1,
            .x = error,
            .x_stride = feedback->n_error,
            .y = feedback->spread[i % 2],
            .y_stride = feedback->n_error,
            .width = feedback->n_error,
        };
        opu_sparse_multiply(&product);
        error = product.y;
    }
    return error;
}

static int make(struct opu_feedback *feedback, struct opu_device *device,
                const struct opu_feedback_options *options)
{
    size_t const n_out = widest_tap(feedback->graph);
    feedback->n_error = opu_graph_error_columns(feedback->graph);
    feedback->stride = (n_out + LINE - 1) / LINE * LINE;
    feedback->max_rows =
        options->max_rows > 0 ? options->max_rows : opu_graph_max_rows(feedback->graph);
    size_t n;
    if (!opu_size_mul(&n, feedback->max_rows, feedback->stride)) {
        return opu_fail(OPU_E_INVALID, "feedback: %zu rows of %zu are larger than memory",
                        feedback->max_rows, feedback->stride);
    }
    feedback->data = opu_calloc(feedback->context, n, sizeof(float));
    if (feedback->data == NULL) {
        return OPU_E_NO_MEMORY;
    }
    OPU_TRY(make_spread(feedback, options));
    struct opu_projection_options const projection = {
        .size = sizeof projection,
        .n_in = feedback->n_error,
        .n_out = n_out,
        .max_rows = feedback->max_rows,
        .encode = options->encode,
        .readout = options->readout,
        .rescale = options->rescale,
        .variance = 1.0 / (double)n_out,
        .seed = options->seed,
        .bits = options->bits,
        .saturation = options->saturation,
    };
    OPU_TRY(opu_projection_create(&feedback->projection, device, &projection));
    opu_graph_feedback(feedback->graph, feedback->data, feedback->stride);
    return OPU_OK;
}

int opu_feedback_create(struct opu_feedback **out, struct opu_device *device,
                        struct opu_graph *graph, const struct opu_feedback_options *options)
{
    *out = NULL;
    OPU_TRY(check(graph, options));
    struct opu_context *const context = opu_graph_context(graph);
    struct opu_feedback *const feedback = opu_calloc(context, 1, sizeof *feedback);
    if (feedback == NULL) {
        return OPU_E_NO_MEMORY;
    }
    feedback->context = context;
    feedback->graph = graph;
    int const status = make(feedback, device, options);
    if (status < 0) {
        goto fail;
    }
    *out = feedback;
    return OPU_OK;
fail:
    opu_feedback_destroy(feedback);
    return status;
}

void opu_feedback_destroy(struct opu_feedback *feedback)
{
    if (feedback == NULL) {
        return;
    }
    opu_projection_destroy(feedback->projection);
    opu_context_free(feedback->context, feedback->spread[0]);
    opu_context_free(feedback->context, feedback->spread[1]);
    opu_context_free(feedback->context, feedback->data);
    opu_context_free(feedback->context, feedback);
}

int opu_feedback_submit(struct opu_feedback *feedback, size_t rows)
{
    return opu_project_submit(feedback->projection,
                              spread(feedback, opu_graph_error(feedback->graph)), feedback->n_error,
                              rows);
}

int opu_feedback_wait(struct opu_feedback *feedback)
{
    return opu_project_wait(feedback->projection, feedback->data, feedback->stride);
}

int opu_feedback_project(struct opu_feedback *feedback, const float *error, size_t rows)
{
    if (rows > feedback->max_rows) {
        return opu_fail(OPU_E_INVALID, "feedback: %zu rows, wanted at most %zu", rows,
                        feedback->max_rows);
    }
    return opu_project(feedback->projection, spread(feedback, error), feedback->n_error, rows,
                       feedback->data, feedback->stride);
}

const float *opu_feedback_data(const struct opu_feedback *feedback, size_t *stride)
{
    *stride = feedback->stride;
    return feedback->data;
}

struct opu_projection *opu_feedback_projection(const struct opu_feedback *feedback)
{
    return feedback->projection;
}
