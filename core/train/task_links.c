/* SPDX-License-Identifier: MIT */
/*
 * Links of a graph: an auto-encoder learns to tell the edges that are left from pairs without one,
 * drawn anew for each epoch, and is judged by edges that were held out (Kipf, Welling 2016, arXiv
 * 1611.07308). Each step runs the whole graph.
 */
#include "core/train/task.h"

#include <math.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/data/graph_split.h"
#include "core/train/ranking.h"

struct links_task {
    struct opu_task task;
    struct opu_graph_data *data;
    struct opu_edge_split *split;
    struct opu_graph_store *store; /* of the edges that are left */
    size_t n_edges, n_negatives;   /* pairs that a step decodes */
    uint32_t *negative[2];         /* of this epoch, [n_negatives] */
    struct opu_scored *scored;     /* room for an evaluation */
};

static void describe(const struct opu_task *task, struct opu_model_options *options)
{
    const struct links_task *t = (const struct links_task *)task;
    options->inputs = t->data->x.columns;
    options->classes = t->data->classes;
    options->nodes = t->store;
    options->pairs = t->n_edges + t->n_negatives;
}

static void draw(struct opu_task *task, uint64_t epoch)
{
    struct links_task *t = (struct links_task *)task;
    opu_edge_split_negatives(t->split, (uint32_t)epoch, t->n_negatives, t->negative[0],
                             t->negative[1]);
}

/*
 * Edges, each once, with target 1, then the pairs without one: both halves weigh the same,
 * mean(-log p) of the edges and mean(-log(1 - p)) of the others, half the sum of the two.
 */
static struct opu_batch fill(struct opu_task *task, struct opu_net *net, enum opu_part part,
                             uint64_t step)
{
    struct links_task *t = (struct links_task *)task;
    const struct opu_csr *edges = &t->split->train;
    (void)part;
    if (step > 0) {
        return (struct opu_batch){0};
    }
    int32_t *pair = opu_graph_input_data(net->graph, net->values.pair);
    float *target = opu_graph_input_data(net->graph, net->values.labels);
    float *weight = opu_graph_input_data(net->graph, net->values.mask);
    size_t n = 0;
    for (size_t i = 0; i < edges->rows; i++) {
        for (uint32_t k = edges->start[i]; k < edges->start[i + 1]; k++) {
            if (edges->index[k] > i) {
                pair[2 * n] = (int32_t)i;
                pair[2 * n + 1] = (int32_t)edges->index[k];
                target[n] = 1;
                weight[n++] = (float)(1 / (double)t->n_edges);
            }
        }
    }
    for (size_t i = 0; i < t->n_negatives; i++, n++) {
        pair[2 * n] = (int32_t)t->negative[0][i];
        pair[2 * n + 1] = (int32_t)t->negative[1][i];
        target[n] = 0;
        weight[n] = (float)(1 / (double)t->n_negatives);
    }
    return (struct opu_batch){.rows = edges->rows, .counted = n};
}

/* -log s(x), s the sigmoid. */
static double log_loss(double x)
{
    return x > 0 ? log1p(exp(-x)) : log1p(exp(x)) - x;
}

/* Decodes the pairs of a list into scored[]; returns the sum of their losses. */
static double decode(const struct opu_pair_list *pairs, bool positive, const float *z, size_t width,
                     struct opu_scored *scored)
{
    double sum = 0;
    for (size_t i = 0; i < pairs->n; i++) {
        const float *const u = z + pairs->u[i] * width, *const v = z + pairs->v[i] * width;
        double x = 0;
        for (size_t j = 0; j < width; j++) {
            x += (double)u[j] * (double)v[j];
        }
        scored[i] = (struct opu_scored){.score = (float)x, .positive = positive};
        sum += log_loss(positive ? x : -x);
    }
    return sum;
}

static double score(const struct links_task *t, const struct opu_net *net,
                    const struct opu_pair_list *edges, const struct opu_pair_list *others,
                    struct opu_ranking *ranking)
{
    const float *const z = opu_graph_value(net->graph, net->values.embedding);
    size_t const width = opu_graph_columns(net->graph, net->values.embedding);
    double const one = decode(edges, true, z, width, t->scored) / (double)edges->n;
    double const other = decode(others, false, z, width, t->scored + edges->n) / (double)others->n;
    *ranking = opu_ranking_of(t->scored, edges->n + others->n);
    return (one + other) / 2;
}

static void evaluate(struct opu_task *task, struct opu_net *net, struct opu_scores *scores)
{
    struct links_task *t = (struct links_task *)task;
    const struct opu_edge_split *split = t->split;
    struct opu_ranking valid, test;
    (void)fill(task, net, OPU_PART_TRAIN, 0);
    opu_graph_forward(net->graph, t->data->nodes, false, 0);
    scores->valid_loss = score(t, net, &split->valid, &split->no_valid, &valid);
    scores->test_loss = score(t, net, &split->test, &split->no_test, &test);
    scores->valid_auc = valid.auc;
    scores->valid_ap = valid.ap;
    scores->test_auc = test.auc;
    scores->test_ap = test.ap;
}

static void close_links(struct opu_task *task)
{
    struct links_task *t = (struct links_task *)task;
    opu_graph_store_destroy(t->store);
    opu_edge_split_destroy(t->split);
    opu_graph_data_close(t->data);
    opu_context_free(task->context, t->negative[0]);
    opu_context_free(task->context, t->negative[1]);
    opu_context_free(task->context, t->scored);
    opu_context_free(task->context, t);
}

static const struct opu_task_ops ops = {
    .describe = describe,
    .begin = draw,
    .fill = fill,
    .evaluate = evaluate,
    .close = close_links,
};

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* As many pairs as directed edges and self edges: what PyTorch Geometric's auto-encoder draws. */
static int make_pairs(struct links_task *t)
{
    struct opu_context *const context = t->task.context;
    const struct opu_edge_split *split = t->split;
    t->n_edges = split->train.count / 2;
    t->n_negatives = split->train.count + t->data->nodes;
    for (int i = 0; i < 2; i++) {
        t->negative[i] = opu_calloc(context, t->n_negatives, sizeof *t->negative[i]);
    }
    t->scored = opu_calloc(
        context, larger(split->valid.n + split->no_valid.n, split->test.n + split->no_test.n),
        sizeof *t->scored);
    if (!t->negative[0] || !t->negative[1] || !t->scored) {
        return OPU_E_NO_MEMORY;
    }
    draw(&t->task, 0);
    return OPU_OK;
}

static int open_links(struct links_task *t, const struct opu_settings *s)
{
    struct opu_task *const task = &t->task;
    struct opu_edge_split_options const shares = {
        .valid = s->valid_links, .test = s->test_links, .seed = s->seed};
    OPU_TRY(opu_task_graph(&t->data, task->context, s));
    OPU_TRY(opu_edge_split_create(&t->split, task->context, &t->data->adjacency, &shares));
    OPU_TRY(make_pairs(t));
    OPU_TRY(opu_graph_store_create(&t->store, task->context, &t->split->train, &t->data->x));
    if (s->feedback.spread > 0) {
        OPU_TRY(opu_graph_store_matrix(t->store, OPU_MATRIX_GCN, false, &task->spread));
    }
    task->steps = 1;
    task->train_rows = task->evaluate_rows = task->step_rows = t->data->nodes;
    task->n_train = t->n_edges + t->n_negatives;
    task->n_evaluate = t->split->test.n;
    task->n_files = t->data->n_files;
    task->files = t->data->files;
    return OPU_OK;
}

int opu_task_links(struct opu_task **out, struct opu_context *context,
                   const struct opu_settings *settings)
{
    struct links_task *t = opu_calloc(context, 1, sizeof *t);
    *out = NULL;
    if (!t) {
        return OPU_E_NO_MEMORY;
    }
    t->task = (struct opu_task){.ops = &ops, .context = context};
    int const status = open_links(t, settings);
    if (status < 0) {
        close_links(&t->task);
        return status;
    }
    *out = &t->task;
    return OPU_OK;
}
