/* SPDX-License-Identifier: MIT */
/* Feedback and alignment: B e at the taps, and cosines that are what plain arithmetic says. */
#include "nn_check.h"

#include "core/dfa/alignment.h"
#include "core/models/models.h"

#define ROWS 24
#define CLASSES 10
#define WIDE 96
#define NARROW 80

struct bed {
    struct opu_context *context;
    struct opu_device *device;
    struct opu_graph *graph, *twin;
    struct opu_model_values values, twin_values;
    struct opu_feedback *feedback;
};

static void need(int status)
{
    if (status < 0) {
        fail_msg("%s", opu_error_message());
    }
}

static void fill(struct opu_graph *graph, const struct opu_model_values *values)
{
    struct numbers numbers = {.seed = 23};
    float *const x = opu_graph_input_data(graph, values->input);
    int32_t *const labels = opu_graph_input_data(graph, values->labels);
    for (size_t i = 0; i < (size_t)ROWS * 30; i++) {
        x[i] = numbers_next(&numbers);
    }
    for (size_t i = 0; i < ROWS; i++) {
        labels[i] = (int32_t)(i % CLASSES);
    }
}

static struct opu_graph *make_graph(struct bed *bed, struct opu_graph_plan plan,
                                    struct opu_model_values *values)
{
    struct opu_model_options const options = {
        .size = sizeof options,
        .inputs = 30,
        .classes = CLASSES,
        .n_hidden = 2,
        .hidden = {WIDE, NARROW},
    };
    struct opu_graph *graph;
    plan.size = sizeof plan;
    plan.max_rows = ROWS;
    plan.seed = 3;
    plan.backward = true;
    need(opu_graph_create(&graph, bed->context));
    need(opu_model_mlp(graph, &options, values));
    need(opu_graph_plan(graph, &plan));
    fill(graph, values);
    return graph;
}

static int set_up(void **state)
{
    struct bed *const bed = make(1, sizeof *bed);
    need(opu_context_create(&bed->context, NULL));
    need(opu_device_open(&bed->device, bed->context, "exact:seed=5"));
    bed->graph = make_graph(bed, (struct opu_graph_plan){.method = OPU_METHOD_DFA}, &bed->values);
    bed->twin =
        make_graph(bed,
                   (struct opu_graph_plan){
                       .method = OPU_METHOD_BP, .no_param_grads = true, .params_of = bed->graph},
                   &bed->twin_values);
    struct opu_feedback_options const options = {.size = sizeof options};
    need(opu_feedback_create(&bed->feedback, bed->device, bed->graph, &options));
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *const bed = *state;
    opu_feedback_destroy(bed->feedback);
    opu_graph_destroy(bed->twin);
    opu_graph_destroy(bed->graph);
    opu_device_close(bed->device);
    opu_context_destroy(bed->context);
    free(bed);
    return 0;
}

/* B^T, [CLASSES][WIDE]: the answers to unit vectors. */
static float *matrix_of(struct bed *bed)
{
    float unit[CLASSES * CLASSES] = {0};
    for (size_t i = 0; i < CLASSES; i++) {
        unit[i * CLASSES + i] = 1.0f;
    }
    need(opu_feedback_project(bed->feedback, unit, CLASSES));
    size_t stride;
    const float *const data = opu_feedback_data(bed->feedback, &stride);
    float *const matrix = make((size_t)CLASSES * WIDE, sizeof *matrix);
    for (size_t i = 0; i < CLASSES; i++) {
        memcpy(matrix + i * WIDE, data + i * stride, WIDE * sizeof *matrix);
    }
    return matrix;
}

static void entries_have_variance_one_over_the_widest_tap(void **state)
{
    struct bed *const bed = *state;
    float *const matrix = matrix_of(bed);
    double sum = 0.0;
    double squares = 0.0;
    size_t const n = (size_t)CLASSES * WIDE;
    for (size_t i = 0; i < n; i++) {
        sum += (double)matrix[i];
        squares += (double)matrix[i] * (double)matrix[i];
    }
    /* Gaussian entries: five standard errors of the mean and of the variance (sqrt(2/n)) */
    double const variance = 1.0 / WIDE;
    check_within("mean", 0, sum / (double)n, 0.0, 5.0 * sqrt(variance / (double)n));
    check_within("variance", 0, squares / (double)n, variance,
                 5.0 * variance * sqrt(2.0 / (double)n));
    free(matrix);
}

static void every_tap_gets_the_first_columns_of_one_projection(void **state)
{
    struct bed *const bed = *state;
    float *const matrix = matrix_of(bed);
    opu_graph_forward(bed->graph, ROWS, true, 0);
    need(opu_feedback_submit(bed->feedback, ROWS));
    opu_graph_backward(bed->graph, 0);
    need(opu_feedback_wait(bed->feedback));
    const float *const e = opu_graph_error(bed->graph);
    for (size_t t = 0; t < 2; t++) {
        const struct opu_tap *const tap = opu_graph_tap_at(bed->graph, t);
        assert_int_equal(tap->columns, t == 0 ? WIDE : NARROW);
        for (size_t i = 0; i < ROWS; i++) {
            for (size_t j = 0; j < tap->columns; j++) {
                double wanted = 0.0;
                double magnitude = 0.0;
                for (size_t c = 0; c < CLASSES; c++) {
                    double const term = (double)e[i * CLASSES + c] * (double)matrix[c * WIDE + j];
                    wanted += term;
                    magnitude += fabs(term);
                }
                /* 10 products summed in any order */
                check_within(tap->name, i * tap->columns + j,
                             (double)tap->grad[i * tap->grad_stride + j], wanted,
                             (CLASSES + 4) * 0x1p-24 * magnitude);
            }
        }
    }
    free(matrix);
}

static void more_rows_than_planned_are_refused(void **state)
{
    struct bed *const bed = *state;
    assert_int_equal(opu_feedback_project(bed->feedback, opu_graph_error(bed->graph), ROWS + 1),
                     OPU_E_INVALID);
}

static void a_graph_that_takes_no_feedback_is_refused(void **state)
{
    struct bed *const bed = *state;
    struct opu_feedback_options const options = {.size = sizeof options};
    struct opu_feedback *feedback;
    assert_int_equal(opu_feedback_create(&feedback, bed->device, bed->twin, &options),
                     OPU_E_INVALID);
    assert_null(feedback);
    assert_non_null(strstr(opu_error_message(), "dfa"));
}

static double cosine(const float *a, const float *b, size_t n)
{
    double ab = 0.0;
    double aa = 0.0;
    double bb = 0.0;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

static void alignment_is_the_cosine_of_both_gradients(void **state)
{
    struct bed *const bed = *state;
    struct opu_alignment *alignment;
    need(opu_alignment_create(&alignment, bed->twin, bed->feedback));
    need(opu_alignment_measure(alignment, ROWS));
    size_t n_taps;
    const struct opu_tap_alignment *const result = opu_alignment_result(alignment, &n_taps);
    assert_int_equal(n_taps, 2);
    size_t stride;
    const float *const projected = opu_feedback_data(bed->feedback, &stride);
    for (size_t t = 0; t < 2; t++) {
        const struct opu_tap *const tap = opu_graph_tap_at(bed->twin, t);
        double cosines[ROWS];
        double mean = 0.0;
        double squares = 0.0;
        for (size_t i = 0; i < ROWS; i++) {
            cosines[i] =
                cosine(projected + i * stride, tap->grad + i * tap->grad_stride, tap->columns);
            mean += cosines[i] / ROWS;
        }
        for (size_t i = 0; i < ROWS; i++) {
            squares += (cosines[i] - mean) * (cosines[i] - mean);
        }
        assert_string_equal(result[t].tap, tap->name);
        assert_int_equal(result[t].counted, ROWS);
        assert_int_equal(result[t].left_out, 0);
        check_within("mean", t, result[t].mean, mean, 1e-12);
        check_within("std", t, result[t].std, sqrt(squares / (ROWS - 1)), 1e-12);
        /* a random B and random weights: cosines of 80 or more components have deviation near
         * 1/sqrt(80), and share B and the weights, hence no square root of ROWS */
        assert_true(fabs(result[t].mean) < 5.0 / sqrt(NARROW));
    }
    opu_alignment_reset(alignment);
    assert_int_equal(opu_alignment_result(alignment, &n_taps)[0].counted, 0);
    assert_true(isnan(opu_alignment_result(alignment, &n_taps)[0].mean));
    opu_alignment_destroy(alignment);
}

static void samples_without_a_gradient_are_left_out_and_counted(void **state)
{
    (void)state;
    static float const a[5][3] = {{1, 0, 0}, {0, 0, 0}, {1, 1, 0}, {0, 2, 0}, {3, 0, 0}};
    static float const b[5][4] = {
        {2, 0, 0, 9}, {1, 0, 0, 9}, {1, 0, 0, 9}, {0, 0, 0, 9}, {-1, 0, 0, 9}};
    struct opu_cosines sum = {0};
    opu_cosines_add(&sum, a[0], 3, b[0], 4, 2, 3);
    opu_cosines_add(&sum, a[2], 3, b[2], 4, 3, 3);
    assert_int_equal(sum.counted, 3);
    assert_int_equal(sum.left_out, 2);
    /* cosines 1, 1/sqrt(2), -1 */
    double const mean = sqrt(0.5) / 3.0;
    check_within("mean", 0, sum.mean, mean, 1e-15);
    check_within("squares", 0, sum.squares, 2.5 - 3.0 * mean * mean, 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_have_variance_one_over_the_widest_tap),
        cmocka_unit_test(every_tap_gets_the_first_columns_of_one_projection),
        cmocka_unit_test(more_rows_than_planned_are_refused),
        cmocka_unit_test(a_graph_that_takes_no_feedback_is_refused),
        cmocka_unit_test(alignment_is_the_cosine_of_both_gradients),
        cmocka_unit_test(samples_without_a_gradient_are_left_out_and_counted),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
