/* SPDX-License-Identifier: MIT */
/* exact: and null: - the matrix's moments, its rows, its scale, and the operators of another
 * device. */
#include "device_fake.h"

static struct opu_projection *project_make(struct opu_device *device, size_t n_in, size_t n_out,
                                           const struct opu_projection_options *more)
{
    struct opu_projection_options options = {.size = sizeof options};
    if (more != NULL) {
        options = *more;
        options.size = sizeof options;
    }
    options.n_in = n_in;
    options.n_out = n_out;
    struct opu_projection *projection;
    if (opu_projection_create(&projection, device, &options) < 0) {
        fail_msg("%s", opu_error_message());
    }
    return projection;
}

/* B [n_out][n_in], a column from every unit row. */
static float *matrix_read(struct opu_projection *projection, size_t n_in, size_t n_out)
{
    float *const matrix = malloc(n_in * n_out * sizeof *matrix);
    float *const unit = calloc(n_in, sizeof *unit);
    float *const column = malloc(n_out * sizeof *column);
    assert_true(matrix != NULL && unit != NULL && column != NULL);
    for (size_t j = 0; j < n_in; j++) {
        memset(unit, 0, n_in * sizeof *unit);
        unit[j] = 1.0f;
        assert_int_equal(opu_project(projection, unit, n_in, 1, column, n_out), OPU_OK);
        for (size_t i = 0; i < n_out; i++) {
            matrix[i * n_in + j] = column[i];
        }
    }
    free(unit);
    free(column);
    return matrix;
}

static void assert_moments(const float *matrix, size_t n, double variance)
{
    double sum = 0.0;
    double squares = 0.0;
    double fourth = 0.0;
    for (size_t i = 0; i < n; i++) {
        double const x2 = (double)matrix[i] * (double)matrix[i] / variance;
        sum += (double)matrix[i] / sqrt(variance);
        squares += x2;
        fourth += x2 * x2;
    }
    /* Gaussian: deviations of the mean 1 / sqrt n, of the variance sqrt(2 / n), of the fourth
     * moment sqrt(96 / n); 5 of each. */
    double const root = 5.0 / sqrt((double)n);
    assert_true(fabs(sum / (double)n) < root);
    assert_true(fabs(squares / (double)n - 1.0) < root * sqrt(2.0));
    assert_true(fabs(fourth / (double)n - 3.0) < root * sqrt(96.0));
}

static void entries_are_gaussian_with_the_variance_asked_for(void **state)
{
    (void)state;
    double const variances[] = {1.0, 0.01, 4.0};
    struct opu_device *const device = device_open("exact:seed=3");
    for (size_t i = 0; i < 3; i++) {
        struct opu_projection *const projection = project_make(
            device, 101, 300, &(struct opu_projection_options){.variance = variances[i]});
        float *const matrix = matrix_read(projection, 101, 300);
        assert_moments(matrix, 101 * 300, variances[i]);
        free(matrix);
        opu_projection_destroy(projection);
    }
    opu_device_close(device);
}

static void the_uri_may_say_the_variance(void **state)
{
    (void)state;
    struct opu_device *const device = device_open("exact:seed=3,variance=0.25");
    struct opu_projection *const projection = project_make(device, 50, 200, NULL);
    float *const matrix = matrix_read(projection, 50, 200);
    assert_moments(matrix, 50 * 200, 0.25);
    free(matrix);
    opu_projection_destroy(projection);
    opu_device_close(device);
}

static void rows_do_not_depend_on_how_many_there_are(void **state)
{
    (void)state;
    struct opu_device *const device = device_open("exact:seed=3");
    struct opu_projection *projection = project_make(device, 9, 5, NULL);
    float *const few = matrix_read(projection, 9, 5);
    opu_projection_destroy(projection);
    projection = project_make(device, 9, 40, NULL);
    float *const many = matrix_read(projection, 9, 40);
    opu_projection_destroy(projection);
    assert_memory_equal(few, many, 9 * 5 * sizeof *few);
    free(few);
    free(many);
    opu_device_close(device);
}

static void seeds_give_other_matrices_and_identities(void **state)
{
    (void)state;
    struct opu_device *const a = device_open("exact:seed=1");
    struct opu_device *const b = device_open("exact:seed=2");
    struct opu_device *const c = device_open("exact:");
    assert_string_not_equal(opu_device_identity(a), opu_device_identity(b));
    assert_string_equal(opu_device_identity(a), opu_device_identity(c)); /* the default is 1 */
    opu_device_close(a);
    opu_device_close(b);
    opu_device_close(c);
}

static void null_answers_zero(void **state)
{
    (void)state;
    struct opu_device *const device = device_open("null:");
    struct opu_projection *const projection = project_make(device, 3, 4, NULL);
    float const in[6] = {1, 2, 3, 4, 5, 6};
    float out[10];
    memset(out, 0x7f, sizeof out);
    assert_int_equal(opu_project(projection, in, 3, 2, out, 5), OPU_OK);
    for (size_t i = 0; i < 9; i++) {
        assert_true(i == 4 ? out[i] > 1e38f
                           : out[i] == 0.0f); /* what lies between rows is left alone */
    }
    opu_projection_destroy(projection);
    opu_device_close(device);
}

/* Refuses blocks beyond 1 MiB, as a machine with that much memory would. */
static void *small_alloc(void *user, size_t size, size_t alignment)
{
    return size <= (size_t)1 << 20 ? counting_alloc(user, size, alignment) : NULL;
}

static void a_matrix_beyond_memory_is_refused(void **state)
{
    (void)state;
    struct counting counting = {0};
    struct opu_context_options const small = {
        .size = sizeof small,
        .allocator = {.user = &counting, .alloc = small_alloc, .free = counting_free},
    };
    struct opu_context *context;
    struct opu_device *device;
    struct opu_projection *projection;
    assert_int_equal(opu_context_create(&context, &small), OPU_OK);
    assert_int_equal(opu_device_open(&device, context, "exact:"), OPU_OK);
    struct opu_projection_options options = {.size = sizeof options, .max_rows = 1};
    static const size_t sizes[] = {1024, (size_t)1 << 16, (size_t)1 << 30};
    for (size_t i = 0; i < 3; i++) {
        options.n_in = sizes[i];
        options.n_out = sizes[i];
        assert_refused(opu_projection_create(&projection, device, &options), OPU_E_NO_MEMORY,
                       "memory");
        assert_null(projection);
    }
    opu_device_close(device);
    assert_int_equal(counting.live, 1);
    opu_context_destroy(context);
}

static void exact_without_of_has_no_readout(void **state)
{
    (void)state;
    struct opu_device *const device = device_open("exact:");
    struct opu_projection *projection;
    struct opu_projection_options options = {
        .size = sizeof options, .n_in = 2, .n_out = 2, .readout = "phase4"};
    assert_refused(opu_projection_create(&projection, device, &options), OPU_E_UNSUPPORTED,
                   "of=URI");
    assert_null(projection);
    options.readout = "phase5";
    assert_refused(opu_projection_create(&projection, device, &options), OPU_E_INVALID, "phase5");
    options.readout = NULL;
    options.n_out = (size_t)1 << 60;
    assert_refused(opu_projection_create(&projection, device, &options), OPU_E_INVALID, "outputs");
    opu_device_close(device);
}

/* H_kj of the fake, and A of its anchor. */
static void of_phase4_holds_both_quadratures_of_the_field(void **state)
{
    (void)state;
    struct opu_device *const device = device_open("exact:of=fake:seed=4");
    assert_string_equal(opu_device_identity(device), "fake:4");
    struct opu_projection *const projection = project_make(device, 6, 9, NULL);
    assert_string_equal(opu_projection_identity(projection), "fake:4 phase4 6");
    float *const matrix = matrix_read(projection, 6, 9);
    for (size_t i = 0; i < 9; i++) {
        for (size_t j = 0; j < 6; j++) {
            double const h = fake_latest->matrix[((i / 2) * 6 + j) * 2 + i % 2];
            assert_true(fabs((double)matrix[i * 6 + j] - sqrt(2.0) * h) <
                        1e-6); /* floats of size 3 */
        }
    }
    free(matrix);
    opu_projection_destroy(projection);
    opu_device_close(device);
}

static void of_anchor_turns_the_field_to_its_phase(void **state)
{
    (void)state;
    enum { n_in = 6, n_out = 40, n_all = 18 };
    struct opu_device *const device = device_open("exact:of=fake:seed=4,readout=anchor");
    struct opu_projection *const projection = project_make(device, n_in, n_out, NULL);
    assert_string_equal(opu_projection_identity(projection), "fake:4 anchor 6");
    float *const matrix = matrix_read(projection, n_in, n_out);
    size_t i = 0;
    for (size_t k = 0; i < n_out; k++) {
        const double *const h = fake_latest->matrix + k * n_all * 2;
        double re = 0.0;
        double im = 0.0;
        for (size_t j = n_in; j < n_all; j++) {
            re += h[2 * j];
            im += h[2 * j + 1];
        }
        if (re * re + im * im <= 0.05 * (n_all - n_in)) {
            continue;
        }
        double const a = sqrt(re * re + im * im);
        for (size_t j = 0; j < n_in; j++) {
            double const wanted = sqrt(2.0) * (re * h[2 * j] + im * h[2 * j + 1]) / a;
            assert_true(fabs((double)matrix[i * n_in + j] - wanted) < 2e-6);
        }
        i++;
    }
    free(matrix);
    opu_projection_destroy(projection);
    opu_device_close(device);
}

static void of_intensity_is_the_square_of_the_field(void **state)
{
    (void)state;
    enum { rows = 100, n_in = 5, n_out = 3 };
    struct opu_device *const device = device_open("exact:of=fake:seed=4");
    struct opu_projection *const projection =
        project_make(device, n_in, n_out,
                     &(struct opu_projection_options){.readout = "intensity", .variance = 2.0});
    float in[rows * n_in];
    float out[rows * n_out];
    for (size_t i = 0; i < rows * n_in; i++) {
        in[i] = (float)(i % 7) - 3.0f;
    }
    assert_int_equal(opu_project(projection, in, n_in, rows, out, n_out), OPU_OK);
    for (size_t r = 0; r < rows; r++) {
        for (size_t k = 0; k < n_out; k++) {
            double re = 0.0;
            double im = 0.0;
            for (size_t j = 0; j < n_in; j++) {
                re += fake_latest->matrix[(k * n_in + j) * 2] * (double)in[r * n_in + j];
                im += fake_latest->matrix[(k * n_in + j) * 2 + 1] * (double)in[r * n_in + j];
            }
            double const wanted = 2.0 * (re * re + im * im);
            assert_true(fabs((double)out[r * n_out + k] - wanted) < 1e-5 * (1.0 + wanted));
        }
    }
    opu_projection_destroy(projection);
    opu_device_close(device);
}

static void encoders_work_on_floats_too(void **state)
{
    (void)state;
    struct opu_device *const device = device_open("exact:encode=ternary:0.5,rescale=no");
    float const in[4] = {3.0f, -2.0f, 0.1f, 1.4f};
    float const ternary[4] = {1.0f, -1.0f, 0.0f, 0.0f};
    float out[2][8];
    struct opu_projection *projection = project_make(device, 4, 8, NULL);
    assert_string_equal(opu_projection_describe(projection), "ternary:0.5, row norm left out");
    assert_int_equal(opu_projection_frames_per_row(projection), 0);
    assert_int_equal(opu_project(projection, in, 4, 1, out[0], 8), OPU_OK);
    opu_projection_destroy(projection);
    projection = project_make(device, 4, 8, &(struct opu_projection_options){.encode = "float"});
    assert_int_equal(opu_project(projection, ternary, 4, 1, out[1], 8), OPU_OK);
    opu_projection_destroy(projection);
    assert_memory_equal(out[0], out[1], sizeof out[0]);
    opu_device_close(device);
}

static void a_second_plan_takes_the_device_over(void **state)
{
    (void)state;
    struct opu_device *const device = device_open("exact:");
    struct opu_projection *const first = project_make(device, 4, 8, NULL);
    float const in[4] = {1.0f};
    float out[8];
    assert_int_equal(opu_project_submit(first, in, 4, 1), OPU_OK);
    struct opu_projection *const second = project_make(device, 3, 2, NULL);
    assert_refused(opu_project_wait(first, out, 8), OPU_E_BUSY, "another use");
    assert_refused(opu_project(first, in, 4, 1, out, 8), OPU_E_BUSY, "another use");
    assert_int_equal(opu_project(second, in, 3, 1, out, 2), OPU_OK);
    opu_projection_destroy(first);
    opu_projection_destroy(second);
    opu_device_close(device);
}

static void planning_survives_lack_of_memory(void **state)
{
    (void)state;
    assert_survives_no_memory(plan_job, (void *)(uintptr_t) "exact:");
    assert_survives_no_memory(plan_job, (void *)(uintptr_t) "exact:of=fake:readout=anchor");
    assert_survives_no_memory(plan_job, (void *)(uintptr_t) "exact:of=fake:readout=intensity");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_gaussian_with_the_variance_asked_for),
        cmocka_unit_test(the_uri_may_say_the_variance),
        cmocka_unit_test(rows_do_not_depend_on_how_many_there_are),
        cmocka_unit_test(seeds_give_other_matrices_and_identities),
        cmocka_unit_test(null_answers_zero),
        cmocka_unit_test(a_matrix_beyond_memory_is_refused),
        cmocka_unit_test(exact_without_of_has_no_readout),
        cmocka_unit_test(of_phase4_holds_both_quadratures_of_the_field),
        cmocka_unit_test(of_anchor_turns_the_field_to_its_phase),
        cmocka_unit_test(of_intensity_is_the_square_of_the_field),
        cmocka_unit_test(encoders_work_on_floats_too),
        cmocka_unit_test(a_second_plan_takes_the_device_over),
        cmocka_unit_test(planning_survives_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, fake_register, NULL);
}
