/* SPDX-License-Identifier: MIT */
/* AUC and average precision from one pass over the sorted scores. */
#include "core/train/ranking.h"

#include <math.h>
#include <stdlib.h>

static int falling(const void *a, const void *b)
{
    float const x = ((const struct opu_scored *)a)->score;
    float const y = ((const struct opu_scored *)b)->score;
    return (x < y) - (x > y);
}

struct opu_ranking opu_ranking_of(struct opu_scored *scored, size_t n)
{
    struct opu_ranking none = {.auc = (double)NAN, .ap = (double)NAN};
    double all[2] = {0, 0}; /* negatives, positives */
    for (size_t i = 0; i < n; i++) {
        if (isnan(scored[i].score)) {
            return none;
        }
        all[scored[i].positive] += 1;
    }
    if (all[0] == 0 || all[1] == 0) {
        return none;
    }
    qsort(scored, n, sizeof *scored, falling);
    double pairs = 0, precisions = 0, above[2] = {0, 0};
    for (size_t i = 0; i < n;) {
        double here[2] = {0, 0};
        float const score = scored[i].score;
        for (; i < n && scored[i].score == score; i++) {
            here[scored[i].positive] += 1;
        }
        pairs += here[0] * (above[1] + here[1] / 2);
        above[0] += here[0];
        above[1] += here[1];
        precisions += here[1] * above[1] / (above[0] + above[1]);
    }
    return (struct opu_ranking){.auc = pairs / (all[0] * all[1]), .ap = precisions / all[1]};
}
