/* SPDX-License-Identifier: MIT */
/* The builders: one a node, which put its operands in their places and leave the checks to infer.
 */
#include "core/base/fail.h"
#include "core/nn/graph_impl.h"

static int unary(struct opu_graph *graph, const struct opu_op *op, int x, double a, double b)
{
    return opu_graph_add_node(graph, NULL, op, &x, 1, (double[OPU_OP_ATTRS]){a, b});
}

/* With a last operand that may be left out. */
static int with_optional(struct opu_graph *graph, const struct opu_op *op, const int in[3],
                         const double *attr)
{
    return opu_graph_add_node(graph, NULL, op, in, in[2] < 0 ? 2 : 3, attr);
}

int opu_graph_linear(struct opu_graph *graph, int x, int weight, int bias)
{
    return with_optional(graph, &opu_op_linear, (int[]){x, weight, bias}, NULL);
}

int opu_graph_bmm(struct opu_graph *graph, int a, int b, size_t a_rows, size_t heads,
                  bool transpose_b)
{
    return opu_graph_add_node(
        graph, NULL, &opu_op_bmm, (int[]){a, b}, 2,
        (double[OPU_OP_ATTRS]){(double)a_rows, (double)heads, transpose_b ? 1.0 : 0.0});
}

int opu_graph_relu(struct opu_graph *graph, int x)
{
    return unary(graph, &opu_op_relu, x, 0.0, 0.0);
}

int opu_graph_tanh(struct opu_graph *graph, int x)
{
    return unary(graph, &opu_op_tanh, x, 0.0, 0.0);
}

int opu_graph_sigmoid(struct opu_graph *graph, int x)
{
    return unary(graph, &opu_op_sigmoid, x, 0.0, 0.0);
}

int opu_graph_elu(struct opu_graph *graph, int x)
{
    return unary(graph, &opu_op_elu, x, 1.0, 0.0);
}

int opu_graph_leaky_relu(struct opu_graph *graph, int x, double slope)
{
    return unary(graph, &opu_op_leaky_relu, x, slope, 0.0);
}

int opu_graph_affine(struct opu_graph *graph, int x, double a, double b)
{
    return unary(graph, &opu_op_affine, x, a, b);
}

int opu_graph_dropout(struct opu_graph *graph, int x, double p)
{
    int const value = unary(graph, &opu_op_dropout, x, p, (double)graph->n_dropouts);
    graph->n_dropouts += value >= 0;
    return value;
}

int opu_graph_softmax(struct opu_graph *graph, int x, size_t groups, bool spare)
{
    return unary(graph, &opu_op_softmax, x, (double)groups, spare ? 1.0 : 0.0);
}

int opu_graph_log_softmax(struct opu_graph *graph, int x)
{
    return unary(graph, &opu_op_log_softmax, x, 1.0, 0.0);
}

int opu_graph_add(struct opu_graph *graph, int a, int b)
{
    return opu_graph_add_node(graph, NULL, &opu_op_add, (int[]){a, b}, 2, NULL);
}

int opu_graph_mul(struct opu_graph *graph, int a, int b)
{
    return opu_graph_add_node(graph, NULL, &opu_op_mul, (int[]){a, b}, 2, NULL);
}

int opu_graph_sum_columns(struct opu_graph *graph, int x, size_t groups)
{
    return unary(graph, &opu_op_sum_columns, x, (double)groups, 0.0);
}

int opu_graph_sum_rows(struct opu_graph *graph, int x, size_t per)
{
    return unary(graph, &opu_op_sum_rows, x, (double)per, 0.0);
}

int opu_graph_concat(struct opu_graph *graph, const int *x, size_t n)
{
    if (graph->status == OPU_OK && (n == 0 || n > OPU_OP_INPUTS)) {
        return opu_graph_keep(
            graph, opu_fail(OPU_E_INVALID, "concat: %zu values, wanted 1 to %d", n, OPU_OP_INPUTS));
    }
    return opu_graph_add_node(graph, NULL, &opu_op_concat, x, n, NULL);
}

int opu_graph_slice(struct opu_graph *graph, int x, size_t first, size_t columns)
{
    return unary(graph, &opu_op_slice, x, (double)first, (double)columns);
}

int opu_graph_reshape(struct opu_graph *graph, int x, size_t columns)
{
    return unary(graph, &opu_op_reshape, x, (double)columns, 0.0);
}

int opu_graph_gather(struct opu_graph *graph, int x, int index)
{
    return opu_graph_add_node(graph, NULL, &opu_op_gather, (int[]){x, index}, 2, NULL);
}

int opu_graph_scatter_add(struct opu_graph *graph, int x, int index, size_t rows)
{
    return opu_graph_add_node(graph, NULL, &opu_op_scatter_add, (int[]){x, index}, 2,
                              (double[OPU_OP_ATTRS]){(double)rows});
}

int opu_graph_spmm(struct opu_graph *graph, int sparse, int weights, int x, bool transpose)
{
    return with_optional(graph, &opu_op_spmm, (int[]){sparse, x, weights},
                         (double[OPU_OP_ATTRS]){transpose ? 1.0 : 0.0});
}

int opu_graph_edge_softmax(struct opu_graph *graph, int sparse, int scores)
{
    return opu_graph_add_node(graph, NULL, &opu_op_edge_softmax, (int[]){sparse, scores}, 2, NULL);
}

int opu_graph_tap(struct opu_graph *graph, int x, const char *name)
{
    int const value = opu_graph_add_node(graph, name, &opu_op_tap, &x, 1, NULL);
    graph->n_taps += value >= 0;
    return value;
}

static int loss(struct opu_graph *graph, const struct opu_op *op, int x, int wanted, int mask)
{
    if (graph->status == OPU_OK && graph->loss >= 0) {
        return opu_graph_keep(graph, opu_fail(OPU_E_INVALID, "graph: a second loss, wanted one"));
    }
    int const value = with_optional(graph, op, (int[]){x, wanted, mask}, NULL);
    if (value >= 0) {
        graph->loss = value;
    }
    return value;
}

int opu_graph_softmax_xent(struct opu_graph *graph, int logits, int labels)
{
    return loss(graph, &opu_op_softmax_xent, logits, labels, -1);
}

int opu_graph_softmax_xent_masked(struct opu_graph *graph, int logits, int labels, int mask)
{
    return loss(graph, &opu_op_softmax_xent, logits, labels, mask);
}

int opu_graph_nll(struct opu_graph *graph, int x, int labels, int mask)
{
    return loss(graph, &opu_op_nll, x, labels, mask);
}

int opu_graph_bce(struct opu_graph *graph, int logits, int targets, int mask)
{
    return loss(graph, &opu_op_bce, logits, targets, mask);
}

void opu_graph_error_at(struct opu_graph *graph, int value)
{
    if (graph->status == OPU_OK && (value < 0 || (size_t)value >= graph->n_values)) {
        (void)opu_graph_keep(graph, opu_fail(OPU_E_INVALID,
                                             "graph: the error at value %d, wanted 0 to %zu", value,
                                             graph->n_values));
        return;
    }
    graph->error_value = value;
}
