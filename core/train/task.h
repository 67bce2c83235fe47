/* SPDX-License-Identifier: MIT */
/*
 * A task: the data that is learnt from, how a step's inputs are filled from it, and what is
 * measured. One file per kind (rows of a table, nodes of a graph, links of a graph); the loop knows
 * none of them.
 */
#ifndef OPU_CORE_TASK_H
#define OPU_CORE_TASK_H

#include "core/data/dataset.h"
#include "core/data/graph_data.h"
#include "core/models/models.h"
#include "core/train/settings.h"

/* A planned graph of the model, with its inputs. */
struct opu_net {
    struct opu_graph *graph;
    struct opu_model_values values;
    size_t max_rows;
};

enum opu_part {
    OPU_PART_TRAIN = 0,
    OPU_PART_ALIGN = 1 /* rows whose alignment is measured */
};

/* What was filled in. */
struct opu_batch {
    size_t rows;    /* of the forward; 0: there is no such batch */
    size_t counted; /* of them that the loss and "correct" are over */
};

/* NaN: the task has no such figure. Accuracies, AUC and AP are shares from 0 to 1. */
struct opu_scores {
    double test_loss, test_accuracy, valid_loss, valid_accuracy;
    double valid_auc, valid_ap, test_auc, test_ap; /* links alone: core/train/ranking.h */
};

struct opu_task;

struct opu_task_ops {
    /* What the model has to know of the data. */
    void (*describe)(const struct opu_task *task, struct opu_model_options *options);
    /* Before the epoch's first step; NULL: nothing to do. Depends on (seed, epoch) alone. */
    void (*begin)(struct opu_task *task, uint64_t epoch);
    struct opu_batch (*fill)(struct opu_task *task, struct opu_net *net, enum opu_part part,
                             uint64_t step);
    void (*evaluate)(struct opu_task *task, struct opu_net *net, struct opu_scores *scores);
    void (*close)(struct opu_task *task);
};

/* The first member of every kind's own struct. */
struct opu_task {
    const struct opu_task_ops *ops;
    struct opu_context *context;
    uint64_t steps;                   /* of an epoch */
    size_t train_rows, evaluate_rows; /* most rows of a step, of an evaluation's batch */
    size_t step_rows;                 /* with an error to project, in a step */
    size_t n_train, n_evaluate;       /* rows, nodes or links in all */
    const struct opu_csr *spread;     /* what an error may be spread by; NULL: nothing */
    size_t n_files;                   /* that were read, for the manifest */
    const struct opu_dataset_file *files;
};

/*
 * Opens the data that the settings name and the model wants. On failure *out is NULL.
 * OPU_E_INVALID (model and data don't fit), OPU_E_NOT_FOUND, OPU_E_FORMAT, OPU_E_IO,
 * OPU_E_NO_MEMORY.
 */
OPU_NODISCARD int opu_task_open(struct opu_task **out, struct opu_context *context,
                                const struct opu_settings *settings, const struct opu_model *model);
/* NULL is fine. */
void opu_task_close(struct opu_task *task);

/* For task.c: one each kind. */
OPU_NODISCARD int opu_task_rows(struct opu_task **out, struct opu_context *context,
                                const struct opu_settings *settings);
OPU_NODISCARD int opu_task_nodes(struct opu_task **out, struct opu_context *context,
                                 const struct opu_settings *settings);
OPU_NODISCARD int opu_task_links(struct opu_task **out, struct opu_context *context,
                                 const struct opu_settings *settings);

/* For the graph kinds: the graph that the settings name. */
OPU_NODISCARD int opu_task_graph(struct opu_graph_data **out, struct opu_context *context,
                                 const struct opu_settings *settings);

#endif
