/* SPDX-License-Identifier: MIT */
/* AUC and average precision: cases known by heart, and pairs counted one by one. */
#include "base_support.h"

#include <math.h>

#include "core/train/ranking.h"

static struct opu_ranking rank(const float *score, const bool *positive, size_t n)
{
    struct opu_scored scored[64];
    assert_true(n <= 64);
    for (size_t i = 0; i < n; i++) {
        scored[i] = (struct opu_scored){.score = score[i], .positive = positive[i]};
    }
    return opu_ranking_of(scored, n);
}

static void a_perfect_ranking_is_one(void **state)
{
    (void)state;
    struct opu_ranking const r =
        rank((float[]){-1, 3, 0, 2}, (bool[]){false, true, false, true}, 4);
    assert_true(r.auc == 1 && r.ap == 1);
}

/* scikit-learn's own example: roc_auc_score .75, average_precision_score .8333 */
static void one_slip_costs_a_quarter(void **state)
{
    (void)state;
    struct opu_ranking const r =
        rank((float[]){0.1f, 0.4f, 0.35f, 0.8f}, (bool[]){false, false, true, true}, 4);
    assert_true(r.auc == 0.75);
    assert_true(fabs(r.ap - 5.0 / 6.0) < 1e-15);
}

static void equal_scores_are_one_threshold(void **state)
{
    (void)state;
    struct opu_ranking const r =
        rank((float[]){5, 5, 5, 5}, (bool[]){true, false, false, false}, 4);
    assert_true(r.auc == 0.5 && r.ap == 0.25);
}

static void what_can_not_be_ranked_is_not_a_number(void **state)
{
    (void)state;
    assert_true(isnan(rank((float[]){1, 2}, (bool[]){true, true}, 2).auc));
    assert_true(isnan(rank((float[]){1, 2}, (bool[]){false, false}, 2).ap));
    assert_true(isnan(rank((float[]){1, (float)NAN}, (bool[]){false, true}, 2).auc));
    assert_true(isnan(rank(NULL, NULL, 0).auc));
}

/* The area is the share of pairs in the right order, ties counting a half. */
static void the_area_is_the_share_of_pairs_in_order(void **state)
{
    (void)state;
    uint32_t draw = 12345;
    for (int run = 0; run < 50; run++) {
        float score[40];
        bool positive[40];
        double pairs = 0, right = 0;
        for (size_t i = 0; i < 40; i++) {
            draw = draw * 1664525u + 1013904223u;
            score[i] = (float)((draw >> 16) % 12); /* many ties */
            positive[i] = i == 0 || (i > 1 && draw >> 31);
        }
        for (size_t i = 0; i < 40; i++) {
            for (size_t j = 0; j < 40; j++) {
                if (positive[i] && !positive[j]) {
                    pairs += 1;
                    right += score[i] > score[j] ? 1 : score[i] == score[j] ? 0.5 : 0;
                }
            }
        }
        assert_true(fabs(rank(score, positive, 40).auc - right / pairs) < 1e-14);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_perfect_ranking_is_one),
        cmocka_unit_test(one_slip_costs_a_quarter),
        cmocka_unit_test(equal_scores_are_one_threshold),
        cmocka_unit_test(what_can_not_be_ranked_is_not_a_number),
        cmocka_unit_test(the_area_is_the_share_of_pairs_in_order),
    };
    return cmocka_run_group_tests_name("ranking", tests, NULL, NULL);
}
