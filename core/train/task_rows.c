/* SPDX-License-Identifier: MIT */
/* Rows of a table, in batches, shuffled for each epoch. */
#include "core/train/task.h"

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/train/metrics.h"

#define EVALUATE_ROWS ((size_t)1000)

struct rows_task {
    struct opu_task task;
    struct opu_dataset *data;
    uint64_t seed;
    size_t align_rows;
    uint32_t *order;   /* [training rows] in this epoch */
    uint32_t *natural; /* [the largest batch] rows one after the other */
};

static void describe(const struct opu_task *task, struct opu_model_options *options)
{
    const struct rows_task *t = (const struct rows_task *)task;
    options->inputs = t->data->info.columns;
    options->classes = t->data->info.classes;
}

/*
 * Fisher-Yates from the rows' natural order, so that an epoch's order depends on (seed, epoch)
 * alone. A 32-bit draw times the number of choices favours some by less than n / 2^32.
 */
static void shuffle(struct opu_task *task, uint64_t epoch)
{
    struct rows_task *t = (struct rows_task *)task;
    uint32_t *const order = t->order;
    size_t const n = task->n_train;
    struct opu_philox4 block = {{0}};
    for (size_t i = 0; i < n; i++) {
        order[i] = (uint32_t)i;
    }
    for (size_t i = 0; i + 1 < n; i++) {
        if (i % 4 == 0) {
            block = opu_philox(t->seed, OPU_STREAM_SHUFFLE, (uint32_t)epoch, i / 4);
        }
        size_t const k = i + (size_t)(((uint64_t)block.v[i % 4] * (n - i)) >> 32);
        uint32_t const swap = order[i];
        order[i] = order[k];
        order[k] = swap;
    }
}

/* Rows order[0 .. n) of a split into a net's inputs. */
static struct opu_batch fill_rows(const struct rows_task *t, struct opu_net *net,
                                  enum opu_split split, const uint32_t *rows, size_t n)
{
    opu_dataset_fill(t->data, split, rows, n, opu_graph_input_data(net->graph, net->values.input),
                     opu_graph_input_data(net->graph, net->values.labels));
    return (struct opu_batch){.rows = n, .counted = n};
}

/* Batch `step` of the first `all` rows of a split in their natural order. */
static struct opu_batch fill_natural(struct rows_task *t, struct opu_net *net, enum opu_split split,
                                     size_t all, uint64_t step)
{
    size_t const first = (size_t)step * net->max_rows;
    if (first >= all) {
        return (struct opu_batch){0};
    }
    size_t const n = all - first < net->max_rows ? all - first : net->max_rows;
    for (size_t i = 0; i < n; i++) {
        t->natural[i] = (uint32_t)(first + i);
    }
    return fill_rows(t, net, split, t->natural, n);
}

static struct opu_batch fill(struct opu_task *task, struct opu_net *net, enum opu_part part,
                             uint64_t step)
{
    struct rows_task *t = (struct rows_task *)task;
    if (part == OPU_PART_ALIGN) {
        return fill_natural(t, net, OPU_SPLIT_TRAIN, t->align_rows, step);
    }
    size_t const first = (size_t)step * net->max_rows;
    size_t const left = task->n_train - first;
    return fill_rows(t, net, OPU_SPLIT_TRAIN, t->order + first,
                     left < net->max_rows ? left : net->max_rows);
}

static void evaluate(struct opu_task *task, struct opu_net *net, struct opu_scores *scores)
{
    struct rows_task *t = (struct rows_task *)task;
    struct opu_running sum = {0};
    for (uint64_t step = 0;; step++) {
        struct opu_batch const batch =
            fill_natural(t, net, OPU_SPLIT_EVALUATE, task->n_evaluate, step);
        if (batch.rows == 0) {
            break;
        }
        opu_graph_forward(net->graph, batch.rows, false, 0);
        sum.loss += opu_graph_loss(net->graph) * (double)batch.rows;
        sum.correct += opu_graph_correct(net->graph);
        sum.rows += batch.rows;
    }
    scores->test_loss = opu_running_loss(&sum);
    scores->test_accuracy = opu_running_accuracy(&sum);
}

static void close_rows(struct opu_task *task)
{
    struct rows_task *t = (struct rows_task *)task;
    opu_dataset_close(t->data);
    opu_context_free(task->context, t->order);
    opu_context_free(task->context, t->natural);
    opu_context_free(task->context, t);
}

static const struct opu_task_ops ops = {
    .describe = describe,
    .begin = shuffle,
    .fill = fill,
    .evaluate = evaluate,
    .close = close_rows,
};

static int open_data(struct rows_task *t, const struct opu_settings *s)
{
    struct opu_dataset_options const options = {
        .dir = s->data_dir,
        .hold_out = s->evaluate == OPU_EVALUATE_HOLDOUT ? (size_t)s->holdout : 0,
        .max_rows = {(size_t)s->train_rows, (size_t)s->evaluate_rows},
    };
    struct opu_task *const task = &t->task;
    OPU_TRY(opu_dataset_open(&t->data, task->context, "fashion", &options));
    const struct opu_dataset_info *info = &t->data->info;
    size_t const batch = (size_t)s->batch;
    task->n_train = info->n_rows[OPU_SPLIT_TRAIN];
    task->n_evaluate = info->n_rows[OPU_SPLIT_EVALUATE];
    task->n_files = info->n_files;
    task->files = info->files;
    task->steps = (task->n_train + batch - 1) / batch;
    task->train_rows = task->step_rows = batch;
    task->evaluate_rows = task->n_evaluate < EVALUATE_ROWS ? task->n_evaluate : EVALUATE_ROWS;
    t->seed = s->seed;
    t->align_rows = s->align_rows < task->n_train ? (size_t)s->align_rows : task->n_train;
    size_t const most = task->evaluate_rows > batch ? task->evaluate_rows : batch;
    t->order = opu_calloc(task->context, task->n_train, sizeof *t->order);
    t->natural = opu_calloc(task->context, most, sizeof *t->natural);
    return t->order && t->natural ? OPU_OK : OPU_E_NO_MEMORY;
}

int opu_task_rows(struct opu_task **out, struct opu_context *context,
                  const struct opu_settings *settings)
{
    struct rows_task *t = opu_calloc(context, 1, sizeof *t);
    *out = NULL;
    if (!t) {
        return OPU_E_NO_MEMORY;
    }
    t->task = (struct opu_task){.ops = &ops, .context = context};
    int const status = open_data(t, settings);
    if (status < 0) {
        close_rows(&t->task);
        return status;
    }
    *out = &t->task;
    return OPU_OK;
}
