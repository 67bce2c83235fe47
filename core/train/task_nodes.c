/* SPDX-License-Identifier: MIT */
/*
 * Nodes of a graph, some of them with labels to learn from: every step runs the whole graph, and a
 * mask says which nodes the loss is over.
 */
#include "core/train/task.h"

#include <math.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/data/graph_folds.h"

struct nodes_task {
    struct opu_task task;
    struct opu_graph_data *data;
    struct opu_graph_store *store;
    struct opu_node_list parts[OPU_NODE_PARTS]; /* borrowed from data, or its folds */
    uint32_t *folds;                            /* NULL: the data's own parts */
    bool align_all;                             /* alignment over all labelled nodes */
    const struct opu_net *filled_net[2];
};

static void describe(const struct opu_task *task, struct opu_model_options *options)
{
    const struct nodes_task *t = (const struct nodes_task *)task;
    options->inputs = t->data->x.columns;
    options->classes = t->data->classes;
    options->nodes = t->store;
}

/* Labels and mask of the nodes that count; a graph's inputs stay, so once a net is enough. */
static struct opu_batch fill(struct opu_task *task, struct opu_net *net, enum opu_part part,
                             uint64_t step)
{
    struct nodes_task *t = (struct nodes_task *)task;
    const struct opu_graph_data *data = t->data;
    const struct opu_node_list *train = &t->parts[OPU_NODES_TRAIN];
    if (step > 0) {
        return (struct opu_batch){0};
    }
    struct opu_batch batch = {.rows = data->nodes, .counted = train->n};
    if (t->filled_net[part] == net) {
        return batch;
    }
    int32_t *labels = opu_graph_input_data(net->graph, net->values.labels);
    float *mask = opu_graph_input_data(net->graph, net->values.mask);
    bool const all = part == OPU_PART_ALIGN && t->align_all;
    for (size_t i = 0; i < data->nodes; i++) {
        labels[i] = data->labels[i];
        mask[i] = all && data->labels[i] >= 0 ? 1 : 0;
    }
    for (size_t i = 0; i < train->n; i++) {
        mask[train->node[i]] = 1;
    }
    t->filled_net[part] = net;
    return batch;
}

/* Mean cross-entropy and share of correct nodes of a part; log-probabilities are their own logits.
 */
static void score(const struct nodes_task *t, const struct opu_net *net, enum opu_node_part part,
                  double *loss, double *accuracy)
{
    size_t const n = t->data->classes;
    const float *const logits = opu_graph_value(net->graph, net->values.logits);
    const struct opu_node_list *nodes = &t->parts[part];
    double sum = 0;
    size_t correct = 0;
    for (size_t i = 0; i < nodes->n; i++) {
        const float *const x = logits + nodes->node[i] * n;
        size_t const label = (size_t)t->data->labels[nodes->node[i]];
        size_t top = 0;
        double total = 1; /* of the top */
        for (size_t j = 1; j < n; j++) {
            top = x[j] > x[top] ? j : top;
        }
        for (size_t j = 0; j < n; j++) {
            total += j == top ? 0 : exp((double)x[j] - (double)x[top]);
        }
        sum += log(total) + (double)x[top] - (double)x[label];
        correct += top == label;
    }
    *loss = sum / (double)nodes->n;
    *accuracy = (double)correct / (double)nodes->n;
}

static void evaluate(struct opu_task *task, struct opu_net *net, struct opu_scores *scores)
{
    struct nodes_task *t = (struct nodes_task *)task;
    (void)fill(task, net, OPU_PART_TRAIN, 0);
    opu_graph_forward(net->graph, t->data->nodes, false, 0);
    score(t, net, OPU_NODES_VALID, &scores->valid_loss, &scores->valid_accuracy);
    score(t, net, OPU_NODES_TEST, &scores->test_loss, &scores->test_accuracy);
}

static void close_nodes(struct opu_task *task)
{
    struct nodes_task *t = (struct nodes_task *)task;
    opu_graph_store_destroy(t->store);
    opu_graph_data_close(t->data);
    opu_context_free(task->context, t->folds);
    opu_context_free(task->context, t);
}

static const struct opu_task_ops ops = {
    .describe = describe,
    .fill = fill,
    .evaluate = evaluate,
    .close = close_nodes,
};

static int take_parts(struct nodes_task *t, const struct opu_settings *s)
{
    memcpy(t->parts, t->data->parts, sizeof t->parts);
    if (s->split == OPU_SPLIT_PUBLIC) {
        return OPU_OK;
    }
    t->folds = opu_calloc(t->task.context, t->data->nodes, sizeof *t->folds);
    if (!t->folds) {
        return OPU_E_NO_MEMORY;
    }
    return opu_graph_folds(t->task.context, t->data->labels, t->data->nodes, t->data->classes,
                           s->seed, t->folds, t->parts);
}

static int open_graph(struct nodes_task *t, const struct opu_settings *s)
{
    struct opu_task *const task = &t->task;
    OPU_TRY(opu_task_graph(&t->data, task->context, s));
    OPU_TRY(take_parts(t, s));
    OPU_TRY(opu_graph_store_create(&t->store, task->context, &t->data->adjacency, &t->data->x));
    if (s->feedback.spread > 0) {
        OPU_TRY(opu_graph_store_matrix(t->store, OPU_MATRIX_GCN, false, &task->spread));
    }
    task->steps = 1;
    task->train_rows = task->evaluate_rows = t->data->nodes;
    task->n_train = task->step_rows = t->parts[OPU_NODES_TRAIN].n;
    task->n_evaluate = t->parts[OPU_NODES_TEST].n;
    task->n_files = t->data->n_files;
    task->files = t->data->files;
    t->align_all = s->align_labels == OPU_LABELS_ALL;
    return OPU_OK;
}

int opu_task_nodes(struct opu_task **out, struct opu_context *context,
                   const struct opu_settings *settings)
{
    struct nodes_task *t = opu_calloc(context, 1, sizeof *t);
    *out = NULL;
    if (!t) {
        return OPU_E_NO_MEMORY;
    }
    t->task = (struct opu_task){.ops = &ops, .context = context};
    int const status = open_graph(t, settings);
    if (status < 0) {
        close_nodes(&t->task);
        return status;
    }
    *out = &t->task;
    return OPU_OK;
}
