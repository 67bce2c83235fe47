/* SPDX-License-Identifier: MIT */
/* Trainings over whole graphs: every architecture and method, scores, spread errors, resuming. */
#include "train_toy.h"

#include <math.h>

#include "core/data/graph_data.h"

#define NODES 120
#define CLASSES 3
#define PARTS 24 /* nodes of each part */

static char toy_graph[256];

static int write_graph(void **state)
{
    (void)state;
    struct opu_graph_random const options = {
        .nodes = NODES,
        .edges = 420,
        .features = 30,
        .per_node = 6,
        .classes = CLASSES,
        .homophily = 0.8,
        .parts = {PARTS, PARTS, PARTS},
        .seed = 5,
    };
    struct opu_graph_data *graph;
    toy_dir(toy_graph);
    assert_int_equal(opu_context_create(&context, NULL), OPU_OK);
    assert_int_equal(opu_graph_data_random(&graph, context, &options), OPU_OK);
    assert_int_equal(opu_graph_data_write(graph, toy_graph), OPU_OK);
    opu_graph_data_close(graph);
    opu_context_destroy(context);
    return 0;
}

static int remove_graph(void **state)
{
    (void)state;
    toy_remove(toy_graph);
    return 0;
}

static struct opu_train_config *graph_config(const char *model, const char *method)
{
    const char *const pairs[][2] = {
        {"data.task", "graph"},   {"data.dir", toy_graph},  {"model.name", model},
        {"model.hidden", "8"},    {"model.heads", "2"},     {"train.epochs", "60"},
        {"optim.lr", "0.02"},     {"train.method", method}, {"feedback.device", TOY_EXACT},
        {"model.dropout", "0.1"}, {"align.every", "60"},    {"checkpoint.every", "20"},
    };
    struct opu_train_config *config;
    assert_int_equal(opu_train_config_create(&config, context), OPU_OK);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        toy_set(config, pairs[i][0], pairs[i][1]);
    }
    if (strcmp(model, "dna") == 0) {
        toy_set(config, "model.hidden", "32,32,32");
        toy_set(config, "model.groups", "4");
        toy_set(config, "model.dropout", "0");
        toy_set(config, "optim.lr", "0.005");
        toy_set(config, "train.epochs", "150");
    }
    return config;
}

static struct opu_train_result trained(struct opu_train_config *config)
{
    struct opu_trainer *trainer;
    struct opu_train_result result = {.size = sizeof result};
    int status = opu_trainer_create(&trainer, context, config, NULL, false);
    if (status == OPU_OK) {
        status = opu_trainer_run(trainer, NULL, NULL);
    }
    if (status != OPU_OK) {
        fail_msg("%s: %s", opu_status_name(status), opu_error_message());
    }
    assert_int_equal(opu_trainer_result(trainer, &result), OPU_OK);
    result.alignment = NULL; /* the trainer's */
    opu_trainer_destroy(trainer);
    return result;
}

/* Classes stand in the features and in two edges of three: chance is a third, and of 24 nodes three
 * quarters is four deviations above it. */
static void nodes_are_learnt_by_every_architecture_and_method(void **state)
{
    (void)state;
    static const char *const models[] = {"gcn", "cheb", "spline", "gat", "dna"};
    static const char *const methods[] = {"bp", "dfa"};
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        for (size_t k = 0; k < sizeof methods / sizeof *methods; k++) {
            struct opu_train_config *config = graph_config(models[m], methods[k]);
            struct opu_train_result const result = trained(config);
            print_message("# %s %s: valid %.2f, test there %.2f at epoch %d\n", models[m],
                          methods[k], result.best_valid_accuracy, result.best_test_accuracy,
                          (int)result.best_epoch);
            if (!(result.best_valid_accuracy >= 0.75)) {
                fail_msg("%s by %s: %.2f of the validation nodes", models[m], methods[k],
                         result.best_valid_accuracy);
            }
            assert_true(result.best_epoch >= 1 && result.best_epoch <= 150);
            assert_true(result.best_test_accuracy > 0.5);
            assert_true(isnan(result.test_auc));
            opu_train_config_destroy(config);
        }
    }
}

static void shallow_leaves_what_is_below_the_tap(void **state)
{
    (void)state;
    struct opu_train_config *config = graph_config("gcn", "shallow");
    struct opu_train_result const shallow = trained(config);
    toy_set(config, "train.method", "bp");
    struct opu_train_result const bp = trained(config);
    assert_true(bp.train_loss < shallow.train_loss);
    opu_train_config_destroy(config);
}

static void links_are_learnt_and_scored(void **state)
{
    (void)state;
    static const char *const methods[] = {"bp", "dfa"};
    for (size_t k = 0; k < 2; k++) {
        struct opu_train_config *config = graph_config("gae", methods[k]);
        toy_set(config, "model.hidden", "16,8");
        toy_set(config, "data.valid_links", "0.1");
        toy_set(config, "data.test_links", "0.2");
        toy_set(config, "train.epochs", "150");
        struct opu_train_result const result = trained(config);
        print_message("# gae %s: AUC %.3f, AP %.3f\n", methods[k], result.test_auc, result.test_ap);
        /* 84 edges against 84 pairs: chance is .5 +- .045 */
        assert_true(result.test_auc > 0.65 && result.test_ap > 0.6);
        assert_true(isnan(result.test_accuracy) && isnan(result.best_valid_accuracy));
        opu_train_config_destroy(config);
    }
}

static void a_graph_that_was_cut_goes_on_with_the_same_bits(void **state)
{
    (void)state;
    static const char *const models[] = {"gcn", "gae"};
    for (size_t m = 0; m < 2; m++) {
        struct opu_train_config *config = graph_config(models[m], "dfa");
        char whole[32], cut[32];
        (void)snprintf(whole, sizeof whole, "whole%zu", m);
        (void)snprintf(cut, sizeof cut, "cut%zu", m);
        toy_set(config, "model.hidden", m == 0 ? "8" : "16,8");
        toy_set(config, "model.dropout", "0.4");
        toy_set(config, "feedback.device", TOY_SIM ",encode=ternary:stochastic");
        toy_set(config, "train.epochs", "12");
        toy_set(config, "checkpoint.every", "5");
        toy_runs_well(config, whole, false);
        assert_int_equal(toy_run(config, cut, false, (struct toy_stop){.epoch = 7, .step = 1}),
                         OPU_E_CANCELLED);
        toy_runs_well(config, cut, true);
        size_t n[2];
        char *text[2] = {toy_read(whole, "metrics.jsonl", &n[0]),
                         toy_read(cut, "metrics.jsonl", &n[1])};
        assert_int_equal(n[0], n[1]);
        assert_memory_equal(text[0], text[1], n[0]);
        assert_non_null(strstr(text[0], m == 0 ? "valid_accuracy" : "test_auc"));
        free(text[0]);
        free(text[1]);
        opu_train_config_destroy(config);
    }
}

static void folds_take_the_place_of_the_files_parts(void **state)
{
    (void)state;
    struct opu_train_config *config = graph_config("gcn", "bp");
    struct opu_trainer *trainer;
    toy_set(config, "data.split", "folds");
    assert_int_equal(opu_trainer_create(&trainer, context, config, NULL, false), OPU_OK);
    assert_int_equal(trainer->task->n_train, NODES / 5);
    assert_int_equal(trainer->task->n_evaluate, NODES / 5 * 3);
    opu_trainer_destroy(trainer);
    opu_train_config_destroy(config);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"data.task", "fashion", "reads"},   {"model.name", "mlp", "rows of a table"},
        {"model.hidden", "8,8,8", "hidden"}, {"optim.decay_only", "nothing", "optim.decay_only"},
        {"data.dir", "", "data.dir"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct opu_train_config *config = graph_config("gcn", "dfa");
        struct opu_trainer *trainer;
        toy_set(config, cases[i][0], cases[i][1]);
        int const status = opu_trainer_create(&trainer, context, config, NULL, false);
        assert_int_equal(status, OPU_E_INVALID);
        assert_null(trainer);
        toy_said(cases[i][2]);
        opu_train_config_destroy(config);
    }
}

/* S (S e) by hand, then B; against a feedback that spreads twice. */
static void a_spread_error_is_that_of_the_neighbours(void **state)
{
    (void)state;
    enum { COLUMNS = CLASSES, WIDTH = 8 };
    struct opu_train_config *config = graph_config("gcn", "dfa");
    struct opu_trainer *plain, *spread;
    assert_int_equal(opu_trainer_create(&plain, context, config, NULL, false), OPU_OK);
    toy_set(config, "feedback.spread", "2");
    assert_int_equal(opu_trainer_create(&spread, context, config, NULL, false), OPU_OK);
    const struct opu_csr *const s = spread->task->spread;
    static float e[3][NODES * COLUMNS];
    memset(e, 0, sizeof e);
    e[0][7 * COLUMNS] = 0.5f;
    e[0][7 * COLUMNS + 2] = -0.5f;
    e[0][50 * COLUMNS + 1] = 1.0f;
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < NODES; i++) {
            for (uint32_t j = s->start[i]; j < s->start[i + 1]; j++) {
                for (size_t c = 0; c < COLUMNS; c++) {
                    e[k + 1][i * COLUMNS + c] += s->value[j] * e[k][s->index[j] * COLUMNS + c];
                }
            }
        }
    }
    assert_int_equal(opu_feedback_project(plain->feedback, e[2], NODES), OPU_OK);
    assert_int_equal(opu_feedback_project(spread->feedback, e[0], NODES), OPU_OK);
    size_t stride;
    const float *const wanted = opu_feedback_data(plain->feedback, &stride);
    const float *const seen = opu_feedback_data(spread->feedback, &stride);
    size_t reached = 0;
    for (size_t i = 0; i < NODES; i++) {
        for (size_t j = 0; j < WIDTH; j++) {
            /* values below 1; some ten roundings of 2^-24 */
            assert_true(fabsf(seen[i * stride + j] - wanted[i * stride + j]) < 1e-6f);
        }
        reached += seen[i * stride] != 0.0f;
    }
    assert_true(reached > 10);
    opu_trainer_destroy(plain);
    opu_trainer_destroy(spread);
    opu_train_config_destroy(config);
}

static void an_error_without_a_graph_is_not_spread(void **state)
{
    (void)state;
    struct opu_train_config *config = toy_config("dfa", TOY_EXACT);
    struct opu_trainer *trainer;
    toy_set(config, "feedback.spread", "1");
    char dir[256];
    toy_dir(dir);
    toy_write(dir, TOY_TRAIN, TOY_TEST);
    toy_set(config, "data.dir", dir);
    assert_int_equal(opu_trainer_create(&trainer, context, config, NULL, false), OPU_E_INVALID);
    toy_said("feedback.spread");
    toy_remove(dir);
    opu_train_config_destroy(config);
}

/* Without gradients a step of sgd at rate 1 is the decay alone. */
static void weights_decay_by_their_names(void **state)
{
    (void)state;
    struct opu_train_config *config = graph_config("gcn", "bp");
    struct opu_trainer *t;
    toy_set(config, "optim.name", "sgd");
    toy_set(config, "optim.momentum", "0");
    toy_set(config, "optim.weight_decay", "0.5");
    toy_set(config, "optim.decay_only", "conv1");
    assert_int_equal(opu_trainer_create(&t, context, config, NULL, false), OPU_OK);
    struct opu_params const all = opu_graph_params(t->train.graph);
    float *const before = malloc(all.count * sizeof *before);
    assert_non_null(before);
    memcpy(before, all.values, all.count * sizeof *before);
    memset(all.grads, 0, all.count * sizeof *all.grads);
    opu_optim_begin(&t->optim, 1.0);
    assert_true(opu_optim_update(&t->optim, all));
    size_t seen[2] = {0, 0};
    for (size_t i = 0; i < opu_graph_param_count(t->train.graph); i++) {
        struct opu_tensor_ref const param = opu_graph_param_at(t->train.graph, i);
        const float *const value = param.data;
        bool const decays = strncmp(param.name, "conv1", 5) == 0;
        size_t const n = param.shape[0] * (param.rank > 1 ? param.shape[1] : 1);
        for (size_t k = 0; k < n; k++) {
            float const was = before[(size_t)(value - all.values) + k];
            assert_true(value[k] == (decays ? 0.5f * was : was));
            seen[decays] += was != 0.0f;
        }
    }
    assert_true(seen[0] > 0 && seen[1] > 0);
    free(before);
    opu_trainer_destroy(t);
    opu_train_config_destroy(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TOY_TEST_CASE(nodes_are_learnt_by_every_architecture_and_method),
        TOY_TEST_CASE(shallow_leaves_what_is_below_the_tap),
        TOY_TEST_CASE(links_are_learnt_and_scored),
        TOY_TEST_CASE(a_graph_that_was_cut_goes_on_with_the_same_bits),
        TOY_TEST_CASE(folds_take_the_place_of_the_files_parts),
        TOY_TEST_CASE(what_does_not_fit_is_refused),
        TOY_TEST_CASE(a_spread_error_is_that_of_the_neighbours),
        TOY_TEST_CASE(an_error_without_a_graph_is_not_spread),
        TOY_TEST_CASE(weights_decay_by_their_names),
    };
    return cmocka_run_group_tests_name("graphs", tests, write_graph, remove_graph);
}
