/* SPDX-License-Identifier: MIT */
/* The data sets by name, and the kinds of task by what a model reads. */
#include "core/train/task.h"

#include <math.h>
#include <string.h>

#include "core/base/fail.h"

struct source {
    const char *name;
    bool graph;
    size_t features, classes; /* of a known graph; 0: as its files say */
};

/* In the order of data.task's choices. */
static const struct source sources[] = {
    {"fashion", false, 0, 0}, {"cora", true, 1433, 7}, {"citeseer", true, 3703, 6},
    {"pubmed", true, 500, 3}, {"graph", true, 0, 0},
};

static int (*const kinds[])(struct opu_task **out, struct opu_context *context,
                            const struct opu_settings *settings) = {
    [OPU_MODEL_ROWS] = opu_task_rows,
    [OPU_MODEL_NODES] = opu_task_nodes,
    [OPU_MODEL_LINKS] = opu_task_links,
};

int opu_task_open(struct opu_task **out, struct opu_context *context,
                  const struct opu_settings *settings, const struct opu_model *model)
{
    const struct source *const source = &sources[settings->task];
    *out = NULL;
    if (source->graph != (model->data != OPU_MODEL_ROWS)) {
        return opu_fail(OPU_E_INVALID, "model.name: \"%s\" reads %s, but data.task = %s is %s",
                        model->name, source->graph ? "rows of a table" : "the nodes of a graph",
                        source->name, source->graph ? "a graph" : "a table");
    }
    return kinds[model->data](out, context, settings);
}

void opu_task_close(struct opu_task *task)
{
    if (task) {
        task->ops->close(task);
    }
}

int opu_task_graph(struct opu_graph_data **out, struct opu_context *context,
                   const struct opu_settings *settings)
{
    const struct source *const source = &sources[settings->task];
    struct opu_graph_data_options const options = {
        .dir = settings->data_dir, .features = source->features, .classes = source->classes};
    *out = NULL;
    if (source->classes == 0 && !*settings->data_dir) {
        return opu_fail(OPU_E_INVALID, "data.task = %s wants data.dir, the folder of its files",
                        source->name);
    }
    return opu_graph_data_open(out, context, source->name, &options);
}
