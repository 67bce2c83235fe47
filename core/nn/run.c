/* SPDX-License-Identifier: MIT */
/* Running a planned graph, and looking into it. Nothing here allocates or fails. */
#include "core/nn/graph.h"

#include <assert.h>

#include "core/nn/graph_impl.h"

static struct opu_operand operand(const struct opu_graph *graph, const struct opu_value *value)
{
    return (struct opu_operand){
        .data = value->data,
        .grad = value->grad,
        .rows = value->shape.batch ? graph->rows * value->shape.rows : value->shape.rows,
        .columns = value->shape.columns,
        .batch = value->shape.batch,
        .grad_stride = value->grad_stride,
    };
}

static struct opu_op_call make_call(const struct opu_graph *graph, const struct opu_value *node)
{
    struct opu_op_call call = {
        .rows = graph->rows,
        .training = graph->training,
        .seed = graph->plan.seed,
        .step = graph->step,
        .attr = node->attr,
        .n_in = node->n_in,
        .out = operand(graph, node),
        .saved = node->saved,
    };
    for (size_t k = 0; k < node->n_in; k++) {
        const struct opu_value *const in = &graph->values[node->in[k]];
        call.in[k] = operand(graph, in);
        call.in[k].accumulate = node->accumulate[k];
        if (!in->wants_grad) {
            /* a tap that cuts has a gradient of its own, but wants none from above */
            call.in[k].grad = NULL;
        }
    }
    return call;
}

enum opu_method opu_graph_method(const struct opu_graph *graph)
{
    return graph->plan.method;
}

size_t opu_graph_max_rows(const struct opu_graph *graph)
{
    return graph->plan.max_rows;
}

void *opu_graph_input_data(struct opu_graph *graph, int input)
{
    return graph->values[input].data;
}

/* The nodes of a block numbered first to end, backwards. */
static void run_backward(const struct opu_graph *graph, size_t block, size_t first, size_t end)
{
    for (size_t i = end; i-- > first;) {
        const struct opu_value *const value = &graph->values[i];
        if (value->runs_in != block) {
            continue;
        }
        struct opu_op_call call = make_call(graph, value);
        if ((value->op->flags & OPU_OP_LOSS) == 0) {
            value->op->backward(&call);
            continue;
        }
        /* A loss's gradient is there since forward. It runs only where somebody else gives one to
         * the same value: then it is handed down as a tap's would be. */
        call.out.data = call.in[0].data;
        call.out.rows = call.in[0].rows;
        call.out.columns = call.in[0].columns;
        opu_op_tap.backward(&call);
    }
}

/* Nodes from this one on have had their backward in forward: those above the error. */
static size_t first_above_error(const struct opu_graph *graph)
{
    return graph->error_value < 0 ? graph->n_values : (size_t)graph->error_value + 1;
}

void opu_graph_forward(struct opu_graph *graph, size_t rows, bool training, uint64_t step)
{
    assert(graph->planned && rows > 0 && rows <= graph->plan.max_rows);
    graph->rows = rows;
    graph->training = training;
    graph->step = step;
    for (size_t i = 0; i < graph->n_values; i++) {
        const struct opu_value *const value = &graph->values[i];
        if (value->kind != OPU_VALUE_NODE) {
            continue;
        }
        struct opu_op_call call = make_call(graph, value);
        if ((value->op->flags & OPU_OP_LOSS) != 0) {
            call.in[0].grad = value->grad;
            call.in[0].grad_stride = value->grad_stride;
        }
        value->op->forward(&call);
    }
    if (graph->plan.backward) {
        run_backward(graph, 0, first_above_error(graph), graph->n_values);
    }
}

void opu_graph_backward(struct opu_graph *graph, size_t block)
{
    assert(block < graph->n_blocks && graph->rows > 0);
    run_backward(graph, block, 0, block == 0 ? first_above_error(graph) : graph->n_values);
}

double opu_graph_loss(const struct opu_graph *graph)
{
    return graph->loss < 0 ? 0.0 : ((const struct opu_loss *)graph->values[graph->loss].data)->mean;
}

size_t opu_graph_correct(const struct opu_graph *graph)
{
    return graph->loss < 0 ? 0
                           : ((const struct opu_loss *)graph->values[graph->loss].data)->correct;
}

const float *opu_graph_value(const struct opu_graph *graph, int value)
{
    return graph->values[value].data;
}

size_t opu_graph_columns(const struct opu_graph *graph, int value)
{
    return graph->values[value].shape.columns;
}

const float *opu_graph_error(const struct opu_graph *graph)
{
    return graph->error;
}

static int error_value(const struct opu_graph *graph)
{
    return graph->error_value >= 0 || graph->loss < 0 ? graph->error_value
                                                      : graph->values[graph->loss].in[0];
}

size_t opu_graph_error_columns(const struct opu_graph *graph)
{
    int const value = error_value(graph);
    return value < 0 ? 0 : graph->values[value].shape.columns;
}

size_t opu_graph_error_rows(const struct opu_graph *graph)
{
    int const value = error_value(graph);
    return value < 0 ? 0 : operand(graph, &graph->values[value]).rows;
}

size_t opu_graph_value_rows(const struct opu_graph *graph, int value)
{
    return operand(graph, &graph->values[value]).rows;
}

size_t opu_graph_blocks(const struct opu_graph *graph)
{
    return graph->n_blocks;
}

size_t opu_graph_taps(const struct opu_graph *graph)
{
    return graph->n_taps;
}

const struct opu_tap *opu_graph_tap_at(const struct opu_graph *graph, size_t i)
{
    return i < graph->n_taps ? &graph->taps[i] : NULL;
}

void opu_graph_feedback(struct opu_graph *graph, float *feedback, size_t stride)
{
    assert(graph->plan.method == OPU_METHOD_DFA && graph->plan.backward);
    for (size_t t = 0; t < graph->n_taps; t++) {
        assert(stride >= graph->taps[t].columns);
        graph->taps[t].grad = feedback;
        graph->taps[t].grad_stride = stride;
        for (size_t i = 0; i < graph->n_values; i++) {
            struct opu_value *const value = &graph->values[i];
            if ((int)i == graph->tap_values[t] || value->grad_of == graph->tap_values[t]) {
                value->grad = feedback;
                value->grad_stride = stride;
            }
        }
    }
}

struct opu_params opu_graph_params(struct opu_graph *graph)
{
    return graph->all;
}

struct opu_params opu_graph_block_params(struct opu_graph *graph, size_t block)
{
    assert(block < graph->n_blocks);
    return graph->blocks[block];
}

size_t opu_graph_param_count(const struct opu_graph *graph)
{
    size_t n = 0;
    for (size_t i = 0; i < graph->n_values; i++) {
        n += graph->values[i].kind == OPU_VALUE_PARAM;
    }
    return n;
}

struct opu_tensor_ref opu_graph_param_at(const struct opu_graph *graph, size_t i)
{
    size_t v = 0;
    for (size_t seen = 0; v < graph->n_values; v++) {
        seen += graph->values[v].kind == OPU_VALUE_PARAM;
        if (seen == i + 1) {
            break;
        }
    }
    assert(v < graph->n_values);
    const struct opu_value *const value = &graph->values[v];
    bool const vector = value->shape.columns == 0;
    return (struct opu_tensor_ref){
        .name = value->name,
        .dtype = OPU_F32,
        .rank = vector ? 1 : 2,
        .shape = {value->shape.rows, vector ? 0 : value->shape.columns},
        .data = value->data,
    };
}

size_t opu_graph_param_total(const struct opu_graph *graph)
{
    size_t total = 0;
    for (size_t i = 0; i < graph->n_values; i++) {
        const struct opu_value *const value = &graph->values[i];
        if (value->kind == OPU_VALUE_PARAM) {
            total += value->shape.rows * (value->shape.columns > 0 ? value->shape.columns : 1);
        }
    }
    return total;
}
