/* SPDX-License-Identifier: MIT */
/* Pieces that the models of graphs have in common. */
#include "core/models/graph_layers.h"

#include <math.h>
#include <stdio.h>

#include "core/base/fail.h"

#define NAME_SIZE 48

static int check_widths(const struct opu_model_options *options, const struct opu_layers_want *want)
{
    if (options->n_hidden < want->min_hidden || options->n_hidden > want->max_hidden) {
        return opu_fail(OPU_E_INVALID, "%s: %zu hidden layers, wanted %zu to %zu", want->model,
                        options->n_hidden, want->min_hidden, want->max_hidden);
    }
    for (size_t i = 0; i < options->n_hidden; i++) {
        if (options->hidden[i] == 0) {
            return opu_fail(OPU_E_INVALID, "%s: hidden layer %zu is 0 wide, wanted at least 1",
                            want->model, i);
        }
    }
    if ((want->classes && options->classes < 2) || (want->heads && options->heads == 0) ||
        (want->pairs && options->pairs == 0)) {
        return opu_fail(OPU_E_INVALID,
                        "%s: %zu classes, %zu heads and %zu pairs, wanted at least %d, %d and %d",
                        want->model, options->classes, options->heads, options->pairs,
                        want->classes ? 2 : 0, want->heads, want->pairs);
    }
    return OPU_OK;
}

static int check_dropout(const struct opu_model_options *options, const char *model)
{
    double const p[] = {options->dropout, options->dropout_features, options->dropout_attention,
                        options->dropout_attention_last};
    for (size_t i = 0; i < sizeof p / sizeof p[0]; i++) {
        if (!(p[i] >= 0.0 && p[i] < 1.0)) {
            return opu_fail(OPU_E_INVALID,
                            "%s: dropout %g, of features %g, of attention %g and %g, wanted at "
                            "least 0, below 1",
                            model, p[0], p[1], p[2], p[3]);
        }
    }
    return OPU_OK;
}

static int check(const struct opu_model_options *options, const struct opu_layers_want *want)
{
    if (options->size != sizeof *options) {
        return opu_fail(OPU_E_INVALID, "%s: options of size %zu, wanted %zu", want->model,
                        options->size, sizeof *options);
    }
    if (!options->nodes) {
        return opu_fail(OPU_E_INVALID, "%s: no graph of nodes, wanted one", want->model);
    }
    OPU_TRY(check_widths(options, want));
    return check_dropout(options, want->model);
}

/* Zeros stay zeros, so dropping out the stored values is dropping out the features. */
static int add_features(struct opu_layers *layers, const struct opu_layers_want *want)
{
    double const p = layers->options->dropout_features;
    const struct opu_csr *x;
    OPU_TRY(opu_graph_store_features(layers->options->nodes, want->normalise, p > 0.0, &x));
    if (x->columns != layers->options->inputs) {
        return opu_fail(OPU_E_INVALID, "%s: %zu inputs, wanted the nodes' %zu features",
                        want->model, layers->options->inputs, x->columns);
    }
    layers->features = opu_graph_sparse(layers->graph, x);
    layers->feature_values = -1;
    if (p > 0.0) {
        int const values = opu_graph_constant(layers->graph, OPU_F32, x->count, 1, x->value);
        layers->feature_values = opu_graph_dropout(layers->graph, values, p);
    }
    return OPU_OK;
}

int opu_layers_begin(struct opu_layers *out, struct opu_graph *graph,
                     const struct opu_model_options *options, struct opu_model_values *values,
                     const struct opu_layers_want *want)
{
    OPU_TRY(check(options, want));
    *values = (struct opu_model_values){.input = -1};
    *out = (struct opu_layers){
        .graph = graph,
        .options = options,
        .values = values,
        .nodes = opu_graph_store_nodes(options->nodes),
    };
    return add_features(out, want);
}

int opu_layers_matrix(int *out, const struct opu_layers *layers, enum opu_graph_matrix_kind kind)
{
    const struct opu_csr *matrix;
    OPU_TRY(opu_graph_store_matrix(layers->options->nodes, kind, false, &matrix));
    *out = opu_graph_sparse(layers->graph, matrix);
    return OPU_OK;
}

int opu_layers_param(const struct opu_layers *layers, const char *layer, const char *name,
                     size_t rows, size_t columns, double bound)
{
    char full[NAME_SIZE];
    (void)snprintf(full, sizeof full, "%s.%s", layer, name);
    return opu_graph_param(layers->graph, full, rows, columns, (struct opu_init){.bound = bound});
}

double opu_layers_glorot(size_t n_in, size_t n_out)
{
    return sqrt(6.0 / (double)(n_in + n_out));
}

int opu_layers_multiply(const struct opu_layers *layers, int x, int weight)
{
    if (x == OPU_LAYERS_FEATURES) {
        return opu_graph_spmm(layers->graph, layers->features, layers->feature_values, weight,
                              false);
    }
    return opu_graph_bmm(layers->graph, x, weight, 0, 1, false);
}

int opu_layers_dropout(const struct opu_layers *layers, int x, double p)
{
    return p > 0.0 ? opu_graph_dropout(layers->graph, x, p) : x;
}

int opu_layers_gcn(const struct opu_layers *layers, int matrix, int x, const char *layer,
                   size_t n_in, size_t n_out)
{
    int const weight =
        opu_layers_param(layers, layer, "weight", n_in, n_out, opu_layers_glorot(n_in, n_out));
    int const bias = opu_layers_param(layers, layer, "bias", n_out, 0, 0.0);
    int const projected = opu_layers_multiply(layers, x, weight);
    return opu_graph_add(layers->graph, opu_graph_spmm(layers->graph, matrix, -1, projected, false),
                         bias);
}

int opu_layers_tap(const struct opu_layers *layers, int x, const char *name)
{
    int const tap = opu_graph_tap(layers->graph, x, name);
    layers->values->hidden[layers->values->n_hidden++] = tap;
    return tap;
}

void opu_layers_tables(const struct opu_layers *layers, enum opu_dtype labels, size_t rows)
{
    layers->values->labels = opu_graph_table(layers->graph, "labels", labels, rows, 1);
    layers->values->mask = opu_graph_table(layers->graph, "mask", OPU_F32, rows, 1);
}

void opu_layers_classify(const struct opu_layers *layers, int logits)
{
    struct opu_model_values *const values = layers->values;
    opu_layers_tables(layers, OPU_I32, layers->nodes);
    values->logits = logits;
    values->loss =
        opu_graph_softmax_xent_masked(layers->graph, logits, values->labels, values->mask);
}
