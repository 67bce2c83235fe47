/* SPDX-License-Identifier: MIT */
/* The table of tasks, and the calls that go through a data set's entries. */
#include "core/data/dataset.h"

#include <string.h>

#include "core/base/fail.h"
#include "core/data/fashion.h"

struct task {
    const char *name;
    int (*open)(struct opu_dataset **out, struct opu_context *context,
                const struct opu_dataset_options *options);
};

static const struct task tasks[] = {
    {"fashion", opu_fashion_open},
};

int opu_dataset_open(struct opu_dataset **out, struct opu_context *context, const char *task,
                     const struct opu_dataset_options *options)
{
    *out = NULL;
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        if (strcmp(tasks[i].name, task) == 0) {
            return tasks[i].open(out, context, options);
        }
    }
    return opu_fail(OPU_E_NOT_FOUND, "no data of the name \"%s\"", task);
}

void opu_dataset_close(struct opu_dataset *set)
{
    if (set) {
        set->ops->close(set);
    }
}

void opu_dataset_fill(const struct opu_dataset *set, enum opu_split split, const uint32_t *rows,
                      size_t n, float *x, int32_t *labels)
{
    set->ops->fill(set, split, rows, n, x, labels);
}
