/* SPDX-License-Identifier: MIT */
/* Fashion-MNIST: where it is found, what it must be, how rows are filled. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cpu.h"
#include "core/data/fashion.h"
#include "core/data/image_kernels.h"
#include "data_toy.h"

#define N_TRAIN 50
#define N_TEST 20

static struct opu_context *context;
static char dir[256];

static int set_up(void **state)
{
    (void)state;
    toy_dir(dir);
    toy_write(dir, N_TRAIN, N_TEST);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    toy_remove(dir);
    (void)unsetenv("OPU_DATA_DIR");
    return 0;
}

static int open_dir(struct opu_dataset **set, const char *from, size_t hold_out)
{
    struct opu_dataset_options const options = {.dir = from, .hold_out = hold_out};
    return opu_dataset_open(set, context, "fashion", &options);
}

static void refused(int status, const char *part)
{
    struct opu_dataset *set;
    assert_int_equal(open_dir(&set, dir, 0), status);
    assert_null(set);
    if (!strstr(opu_error_message(), part)) {
        fail_msg("\"%s\" does not say \"%s\"", opu_error_message(), part);
    }
}

static void both_splits_are_read(void **state)
{
    (void)state;
    struct opu_dataset *set;
    assert_int_equal(open_dir(&set, dir, 0), OPU_OK);
    assert_int_equal(set->info.n_rows[OPU_SPLIT_TRAIN], N_TRAIN);
    assert_int_equal(set->info.n_rows[OPU_SPLIT_EVALUATE], N_TEST);
    assert_int_equal(set->info.columns, TOY_PIXELS);
    assert_int_equal(set->info.classes, 10);
    assert_int_equal(set->info.n_files, 4);
    assert_true(set->info.files[0].hash != set->info.files[2].hash);
    opu_dataset_close(set);
}

static void rows_are_normalised_and_stand_with_their_labels(void **state)
{
    (void)state;
    struct opu_dataset *set;
    assert_int_equal(open_dir(&set, dir, 0), OPU_OK);
    uint32_t const rows[3] = {7, 0, 49};
    float x[3 * TOY_PIXELS];
    int32_t labels[3];
    opu_dataset_fill(set, OPU_SPLIT_TRAIN, rows, 3, x, labels);
    for (size_t i = 0; i < 3; i++) {
        for (size_t p = 0; p < TOY_PIXELS; p++) {
            /* The toy's pixels: at least 120 in the class's stripe, below 100 elsewhere. */
            double const pixel = ((double)x[i * TOY_PIXELS + p] * 0.3530 + 0.2860) * 255;
            assert_true(fabs(pixel - round(pixel)) < 1e-3); /* whole within float rounding */
            assert_int_equal(round(pixel) >= 110, p / 56 == (size_t)labels[i]);
        }
    }
    opu_dataset_close(set);
}

static void held_out_rows_are_the_last_and_not_trained_on(void **state)
{
    (void)state;
    struct opu_dataset *all, *held;
    assert_int_equal(open_dir(&all, dir, 0), OPU_OK);
    assert_int_equal(open_dir(&held, dir, 8), OPU_OK);
    assert_int_equal(held->info.n_rows[OPU_SPLIT_TRAIN], N_TRAIN - 8);
    assert_int_equal(held->info.n_rows[OPU_SPLIT_EVALUATE], 8);
    float x[TOY_PIXELS], y[TOY_PIXELS];
    int32_t a, b;
    opu_dataset_fill(all, OPU_SPLIT_TRAIN, (const uint32_t[]){N_TRAIN - 8}, 1, x, &a);
    opu_dataset_fill(held, OPU_SPLIT_EVALUATE, (const uint32_t[]){0}, 1, y, &b);
    assert_int_equal(a, b);
    assert_memory_equal(x, y, sizeof x);
    opu_dataset_close(all);
    opu_dataset_close(held);
    assert_int_equal(open_dir(&held, dir, N_TRAIN), OPU_E_INVALID);
}

static void the_first_rows_alone_can_be_had_and_no_more_than_there_are(void **state)
{
    (void)state;
    struct opu_dataset *set;
    struct opu_dataset_options options = {.dir = dir, .max_rows = {7, 3}};
    assert_int_equal(opu_dataset_open(&set, context, "fashion", &options), OPU_OK);
    assert_int_equal(set->info.n_rows[OPU_SPLIT_TRAIN], 7);
    assert_int_equal(set->info.n_rows[OPU_SPLIT_EVALUATE], 3);
    opu_dataset_close(set);
    options.max_rows[OPU_SPLIT_TRAIN] = 1000000;
    assert_int_equal(opu_dataset_open(&set, context, "fashion", &options), OPU_E_INVALID);
    assert_non_null(strstr(opu_error_message(), "1000000 training rows"));
    assert_null(set);
}

static void environment_names_the_folder_or_the_one_above(void **state)
{
    (void)state;
    struct opu_dataset *set;
    assert_int_equal(setenv("OPU_DATA_DIR", dir, 1), 0);
    assert_int_equal(open_dir(&set, NULL, 0), OPU_OK);
    assert_int_equal(set->info.n_rows[OPU_SPLIT_TRAIN], N_TRAIN);
    opu_dataset_close(set);
    char below[300];
    (void)snprintf(below, sizeof below, "%s/fashion-mnist", dir);
    assert_int_equal(mkdir(below, 0777), 0);
    toy_write(below, N_TRAIN + 1, N_TEST);
    assert_int_equal(open_dir(&set, "", 0), OPU_OK);
    assert_int_equal(set->info.n_rows[OPU_SPLIT_TRAIN], N_TRAIN + 1);
    opu_dataset_close(set);
}

static void a_folder_without_data_is_named_and_help_offered(void **state)
{
    (void)state;
    struct opu_dataset *set;
    assert_int_equal(open_dir(&set, "no/such/folder", 0), OPU_E_NOT_FOUND);
    assert_non_null(strstr(opu_error_message(), "no/such/folder"));
    assert_non_null(strstr(opu_error_message(), "apt-get install dataset-fashion-mnist"));
}

static void unknown_task_is_not_found(void **state)
{
    (void)state;
    struct opu_dataset *set;
    struct opu_dataset_options const options = {.dir = dir};
    assert_int_equal(opu_dataset_open(&set, context, "hats", &options), OPU_E_NOT_FOUND);
    assert_null(set);
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    char path[300];
    (void)snprintf(path, sizeof path, "%s/t10k-labels-idx1-ubyte.gz", dir);
    assert_int_equal(unlink(path), 0);
    refused(OPU_E_NOT_FOUND, "t10k-labels-idx1-ubyte.gz");
}

static void pictures_of_another_size_are_refused(void **state)
{
    (void)state;
    uint8_t bytes[16 + 2 * 20 * 20] = {0};
    (void)toy_header(bytes, 3, (const uint32_t[]){2, 20, 20});
    toy_write_gz(dir, "train-images-idx3-ubyte.gz", bytes, sizeof bytes);
    refused(OPU_E_FORMAT, "20 x 20");
}

static void labels_must_match_the_pictures(void **state)
{
    (void)state;
    uint8_t bytes[8 + 3] = {0};
    (void)toy_header(bytes, 1, (const uint32_t[]){3});
    toy_write_gz(dir, "t10k-labels-idx1-ubyte.gz", bytes, sizeof bytes);
    refused(OPU_E_FORMAT, "3 labels; wanted one label for each of 20 pictures");
}

static void a_label_above_nine_is_refused(void **state)
{
    (void)state;
    uint8_t bytes[8 + N_TEST] = {0};
    (void)toy_header(bytes, 1, (const uint32_t[]){N_TEST});
    bytes[8 + 5] = 10;
    toy_write_gz(dir, "t10k-labels-idx1-ubyte.gz", bytes, sizeof bytes);
    refused(OPU_E_FORMAT, "label 5 is 10");
}

static void conversion_is_the_same_at_every_vector_level(void **state)
{
    (void)state;
    typedef void convert_fn(const uint8_t *, size_t, float, float, float *);
    static convert_fn *const levels[OPU_ISA_COUNT] = {
        opu_pixels_to_float_base, opu_pixels_to_float_avx2, opu_pixels_to_float_avx512};
    uint8_t pixels[301];
    float wanted[301], seen[301];
    for (size_t i = 0; i < 301; i++) {
        pixels[i] = (uint8_t)(i * 7);
        float const scaled = (float)pixels[i] * 0.011f;
        wanted[i] = scaled - 0.81f;
    }
    for (int level = 0; level < OPU_ISA_COUNT; level++) {
        if (opu_isa_usable((enum opu_isa)level)) {
            levels[level](pixels, 301, 0.011f, -0.81f, seen);
            for (size_t i = 0; i < 301; i++) {
                /* Within one rounding: this file may be compiled with contraction. */
                assert_true(fabs((double)seen[i] - (double)wanted[i]) <= 2.5e-7);
            }
            float base[301];
            opu_pixels_to_float_base(pixels, 301, 0.011f, -0.81f, base);
            assert_memory_equal(base, seen, sizeof seen);
        }
    }
}

/* Of the real data, where it is installed: the constants that normalise it. */
static void mean_and_deviation_are_those_of_the_real_data(void **state)
{
    (void)state;
    struct opu_dataset *set;
    (void)unsetenv("OPU_DATA_DIR");
    if (open_dir(&set, NULL, 0) < 0) {
        skip();
    }
    assert_int_equal(set->info.n_rows[OPU_SPLIT_TRAIN], 60000);
    assert_int_equal(set->info.n_rows[OPU_SPLIT_EVALUATE], 10000);
    double sum = 0, square = 0;
    float *x = malloc(1000 * TOY_PIXELS * sizeof *x);
    int32_t labels[1000];
    uint32_t rows[1000];
    for (uint32_t first = 0; first < 60000; first += 1000) {
        for (uint32_t i = 0; i < 1000; i++) {
            rows[i] = first + i;
        }
        opu_dataset_fill(set, OPU_SPLIT_TRAIN, rows, 1000, x, labels);
        for (size_t i = 0; i < 1000 * (size_t)TOY_PIXELS; i++) {
            sum += (double)x[i];
            square += (double)x[i] * (double)x[i];
        }
    }
    free(x);
    double const n = 60000.0 * TOY_PIXELS, mean = sum / n;
    /* The constants have four decimals: half of the last one, over the deviation. */
    assert_true(fabs(mean) < 0.00005 / 0.353);
    assert_true(fabs(sqrt(square / n - mean * mean) - 1) < 0.00005 / 0.353);
    opu_dataset_close(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_splits_are_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rows_are_normalised_and_stand_with_their_labels, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(held_out_rows_are_the_last_and_not_trained_on, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_first_rows_alone_can_be_had_and_no_more_than_there_are,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(environment_names_the_folder_or_the_one_above, set_up,
                                        tear_down),
        cmocka_unit_test(a_folder_without_data_is_named_and_help_offered),
        cmocka_unit_test(unknown_task_is_not_found),
        cmocka_unit_test_setup_teardown(a_missing_file_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pictures_of_another_size_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(labels_must_match_the_pictures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_label_above_nine_is_refused, set_up, tear_down),
        cmocka_unit_test(conversion_is_the_same_at_every_vector_level),
        cmocka_unit_test(mean_and_deviation_are_those_of_the_real_data),
    };
    if (opu_context_create(&context, NULL) < 0) {
        return 1;
    }
    int const failed = cmocka_run_group_tests_name("fashion", tests, NULL, NULL);
    opu_context_destroy(context);
    return failed;
}
