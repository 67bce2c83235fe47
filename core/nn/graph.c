/* SPDX-License-Identifier: MIT */
/* Building a graph: values and nodes are appended and shape-checked; the first failure sticks. */
#include "core/nn/graph.h"

#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/nn/graph_impl.h"

int opu_graph_create(struct opu_graph **out, struct opu_context *context)
{
    *out = NULL;
    struct opu_graph *const graph = opu_calloc(context, 1, sizeof *graph);
    if (graph == NULL) {
        return OPU_E_NO_MEMORY;
    }
    graph->context = context;
    graph->loss = -1;
    graph->error_value = -1;
    *out = graph;
    return OPU_OK;
}

void opu_graph_destroy(struct opu_graph *graph)
{
    if (graph == NULL) {
        return;
    }
    struct opu_context *const context = graph->context;
    opu_context_free(context, graph->arena);
    opu_context_free(context, graph->own_values);
    opu_context_free(context, graph->all.grads);
    opu_context_free(context, graph->costs);
    opu_context_free(context, graph->blocks);
    opu_context_free(context, graph->tap_values);
    opu_context_free(context, graph->taps);
    opu_context_free(context, graph->values);
    opu_context_free(context, graph);
}

struct opu_context *opu_graph_context(const struct opu_graph *graph)
{
    return graph->context;
}

int opu_graph_keep(struct opu_graph *graph, int status)
{
    if (graph->status == OPU_OK) {
        graph->status = status;
        (void)snprintf(graph->message, sizeof graph->message, "%s", opu_error_message());
    }
    return -1;
}

/* One more element for an array that grows by doubling. */
static int grow(struct opu_context *context, void **array, size_t n, size_t *room, size_t size)
{
    if (n < *room) {
        return OPU_OK;
    }
    size_t const more = *room == 0 ? 32 : *room * 2;
    void *const larger = opu_calloc(context, more, size);
    if (larger == NULL) {
        return OPU_E_NO_MEMORY;
    }
    if (n > 0) {
        memcpy(larger, *array, n * size);
    }
    opu_context_free(context, *array);
    *array = larger;
    *room = more;
    return OPU_OK;
}

static int check_name(const struct opu_graph *graph, const char *name)
{
    if (name == NULL || name[0] == '\0' || strlen(name) >= OPU_GRAPH_NAME_SIZE) {
        return opu_fail(OPU_E_INVALID, "graph: name \"%.80s\", wanted 1 to %d bytes",
                        name == NULL ? "" : name, OPU_GRAPH_NAME_SIZE - 1);
    }
    for (size_t i = 0; i < graph->n_values; i++) {
        if (strcmp(graph->values[i].name, name) == 0) {
            return opu_fail(OPU_E_INVALID, "graph: the name \"%s\" is taken", name);
        }
    }
    return OPU_OK;
}

static int append(struct opu_graph *graph, const char *name, const struct opu_value *value)
{
    if (graph->planned) {
        return opu_fail(OPU_E_INVALID, "graph: it is planned; nothing can be added any more");
    }
    if (name != NULL) {
        OPU_TRY(check_name(graph, name));
    }
    void *array = graph->values;
    OPU_TRY(grow(graph->context, &array, graph->n_values, &graph->room, sizeof *value));
    graph->values = array;
    struct opu_value *const added = &graph->values[graph->n_values];
    *added = *value;
    if (name != NULL) {
        (void)snprintf(added->name, sizeof added->name, "%s", name);
    }
    graph->n_values++;
    return OPU_OK;
}

/* A value's number, or -1 with the failure kept. */
static int add(struct opu_graph *graph, const char *name, const struct opu_value *value)
{
    if (graph->status != OPU_OK) {
        return -1;
    }
    int const status = append(graph, name, value);
    return status < 0 ? opu_graph_keep(graph, status) : (int)graph->n_values - 1;
}

static int infer(const struct opu_graph *graph, struct opu_value *node)
{
    struct opu_shape shapes[OPU_OP_INPUTS] = {0};
    for (size_t i = 0; i < node->n_in; i++) {
        int const in = node->in[i];
        if (in < 0 || (size_t)in >= graph->n_values) {
            return opu_fail(OPU_E_INVALID, "%s: operand %zu is value %d, wanted 0 to %zu",
                            node->op->name, i, in, graph->n_values);
        }
        shapes[i] = graph->values[in].shape;
    }
    return node->op->infer(&node->shape, shapes, node->n_in, node->attr);
}

int opu_graph_add_node(struct opu_graph *graph, const char *name, const struct opu_op *op,
                       const int *in, size_t n_in, const double *attr)
{
    if (graph->status != OPU_OK) {
        return -1;
    }
    struct opu_value node = {.kind = OPU_VALUE_NODE, .op = op, .n_in = n_in};
    memcpy(node.in, in, n_in * sizeof *in);
    if (attr != NULL) {
        memcpy(node.attr, attr, sizeof node.attr);
    }
    int const status = infer(graph, &node);
    if (status < 0) {
        return opu_graph_keep(graph, status);
    }
    int const added = add(graph, name, &node);
    for (size_t i = 0; added >= 0 && i < n_in; i++) {
        graph->values[in[i]].users++;
    }
    return added;
}

static int add_input(struct opu_graph *graph, const char *name, const struct opu_shape *shape)
{
    if (graph->status == OPU_OK && (shape->columns == 0 || shape->rows == 0 ||
                                    (shape->dtype != OPU_F32 && shape->dtype != OPU_I32))) {
        return opu_graph_keep(
            graph, opu_fail(OPU_E_INVALID,
                            "graph: input \"%s\" of %zu rows and %zu columns of %s, wanted at "
                            "least one row and column of float32 or int32",
                            name, shape->rows, shape->columns, opu_dtype_name(shape->dtype)));
    }
    struct opu_value const value = {.kind = OPU_VALUE_INPUT, .shape = *shape};
    return add(graph, name, &value);
}

int opu_graph_input(struct opu_graph *graph, const char *name, enum opu_dtype dtype, size_t columns)
{
    struct opu_shape const shape = {.dtype = dtype, .batch = true, .rows = 1, .columns = columns};
    return add_input(graph, name, &shape);
}

int opu_graph_table(struct opu_graph *graph, const char *name, enum opu_dtype dtype, size_t rows,
                    size_t columns)
{
    struct opu_shape const shape = {.dtype = dtype, .rows = rows, .columns = columns};
    return add_input(graph, name, &shape);
}

int opu_graph_constant(struct opu_graph *graph, enum opu_dtype dtype, size_t rows, size_t columns,
                       const void *data)
{
    if (graph->status == OPU_OK &&
        (data == NULL || columns == 0 || (dtype != OPU_F32 && dtype != OPU_I32))) {
        return opu_graph_keep(
            graph, opu_fail(OPU_E_INVALID,
                            "graph: a constant of %zu rows and %zu columns of %s%s, wanted data, a "
                            "column and float32 or int32",
                            rows, columns, opu_dtype_name(dtype), data == NULL ? " at NULL" : ""));
    }
    struct opu_value const value = {
        .kind = OPU_VALUE_CONSTANT,
        .shape = {.dtype = dtype, .rows = rows, .columns = columns},
        /* never written: a constant has no gradient, and nothing is laid over it */
        .data = (void *)(uintptr_t)data,
    };
    return add(graph, NULL, &value);
}

int opu_graph_sparse(struct opu_graph *graph, const struct opu_csr *matrix)
{
    if (graph->status == OPU_OK && (matrix == NULL || matrix->start_t == NULL)) {
        return opu_graph_keep(
            graph, opu_fail(OPU_E_INVALID, "graph: %s, wanted a sparse matrix with its transpose",
                            matrix == NULL ? "nothing at NULL" : "a sparse matrix without one"));
    }
    struct opu_value const value = {
        .kind = OPU_VALUE_CONSTANT,
        /* a dtype that no operation takes for a matrix */
        .shape = {.dtype = OPU_F64,
                  .rows = matrix == NULL ? 0 : matrix->rows,
                  .columns = matrix == NULL ? 0 : matrix->columns,
                  .sparse = true,
                  .ordered = matrix != NULL && matrix->order_t != NULL,
                  .entries = matrix == NULL ? 0 : matrix->count},
        .data = (void *)(uintptr_t)matrix,
    };
    return add(graph, NULL, &value);
}

int opu_graph_param(struct opu_graph *graph, const char *name, size_t rows, size_t columns,
                    struct opu_init init)
{
    if (graph->status == OPU_OK && rows == 0) {
        return opu_graph_keep(
            graph, opu_fail(OPU_E_INVALID,
                            "graph: parameter \"%s\" has no rows, wanted at least one", name));
    }
    struct opu_value const value = {
        .kind = OPU_VALUE_PARAM,
        .shape = {.dtype = OPU_F32, .rows = rows, .columns = columns},
        .init = init,
    };
    return add(graph, name, &value);
}
