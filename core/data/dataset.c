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

/* Fewer rows, as a rehearsal wants; more than there are is an error, not all. */
static int limit_rows(struct opu_dataset *set, const size_t max_rows[2])
{
    static const char *const names[2] = {"training", "evaluation"};
    for (size_t split = 0; split < 2; split++) {
        size_t *const n = &set->info.n_rows[split];
        if (max_rows[split] > *n) {
            return opu_fail(OPU_E_INVALID, "%zu %s rows are wanted, there are %zu", max_rows[split],
                            names[split], *n);
        }
        *n = max_rows[split] > 0 ? max_rows[split] : *n;
    }
    return OPU_OK;
}

int opu_dataset_open(struct opu_dataset **out, struct opu_context *context, const char *task,
                     const struct opu_dataset_options *options)
{
    *out = NULL;
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        if (strcmp(tasks[i].name, task) == 0) {
            OPU_TRY(tasks[i].open(out, context, options));
            int const status = limit_rows(*out, options->max_rows);
            if (status < 0) {
                opu_dataset_close(*out);
                *out = NULL;
            }
            return status;
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
