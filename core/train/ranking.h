/* SPDX-License-Identifier: MIT */
/* How well scores rank what is so above what is not. */
#ifndef OPU_CORE_RANKING_H
#define OPU_CORE_RANKING_H

#include <opu/context.h>

struct opu_scored {
    float score;
    bool positive;
};

struct opu_ranking {
    double auc; /* area under the receiver's curve: P(positive above negative) + half the ties */
    double ap;  /* average precision: sum over thresholds of (recall gained) x precision */
};

/*
 * Both by the definitions of scikit-learn's roc_auc_score and average_precision_score: equal scores
 * are one threshold. Sorts `scored` in place, falling. NaN where there is no positive or no
 * negative, or a score is not a number.
 */
struct opu_ranking opu_ranking_of(struct opu_scored *scored, size_t n);

#endif
