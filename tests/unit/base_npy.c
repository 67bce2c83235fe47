/* SPDX-License-Identifier: MIT */
/* The .npy format: round trips of every dtype and rank, and a sentence for each way to be wrong. */
#include "base_support.h"

#include <opu/npy.h>

#include "core/base/file.h"

struct image {
    size_t n;
    uint8_t bytes[1024];
};

/* A file of version 1.0 with this dictionary and n zero bytes of elements. */
static struct image compose(const char *dictionary, size_t n)
{
    size_t const length = strlen(dictionary);
    struct image image = {.n = 10 + length + n, .bytes = "\x93NUMPY\x01"};
    assert_true(image.n <= sizeof image.bytes);
    image.bytes[8] = (uint8_t)(length & 0xff);
    image.bytes[9] = (uint8_t)(length >> 8);
    memcpy(image.bytes + 10, dictionary, length);
    return image;
}

static int parse(struct opu_array *array, const struct image *image)
{
    /* A block of exactly that size, so that the sanitizer sees every step beyond it. */
    uint8_t *const exact = malloc(image->n > 0 ? image->n : 1);
    assert_non_null(exact);
    memcpy(exact, image->bytes, image->n);
    int const status = opu_npy_parse(NULL, array, exact, image->n);
    free(exact);
    return status;
}

static void every_dtype_and_rank_makes_the_round_trip(void **state)
{
    (void)state;
    struct folder const folder = folder_make();
    struct path const path = folder_path(&folder, "a.npy");
    uint8_t data[2 * 3 * 2 * 2 * 8];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 37 + 1);
    }
    for (int dtype = OPU_F32; dtype <= OPU_I64; dtype++) {
        for (size_t rank = 0; rank <= OPU_MAX_RANK; rank++) {
            struct opu_array const array = {.dtype = (enum opu_dtype)dtype,
                                            .rank = rank,
                                            .shape = {2, 3, 1, 2, 1, 1, 1, 2},
                                            .data = data};
            struct opu_array back;
            assert_int_equal(opu_npy_write(path.text, &array), OPU_OK);
            assert_int_equal(opu_npy_read(NULL, &back, path.text), OPU_OK);
            assert_int_equal(back.dtype, dtype);
            assert_int_equal(back.rank, rank);
            assert_memory_equal(back.shape, array.shape, rank * sizeof back.shape[0]);
            assert_int_equal((uintptr_t)back.data % 64, 0);
            assert_memory_equal(back.data, data,
                                opu_array_count(&array) * opu_dtype_size(array.dtype));
            opu_array_free(NULL, &back);
            assert_null(back.data);
        }
    }
    assert_int_equal(unlink(path.text), 0);
    folder_remove(&folder);
}

static void elements_start_at_a_multiple_of_64_bytes(void **state)
{
    (void)state;
    struct folder const folder = folder_make();
    struct path const path = folder_path(&folder, "a.npy");
    uint8_t one = 7;
    struct opu_array const array = {.dtype = OPU_U8, .rank = 1, .shape = {1}, .data = &one};
    assert_int_equal(opu_npy_write(path.text, &array), OPU_OK);
    uint8_t *bytes;
    size_t n;
    assert_int_equal(opu_file_read(NULL, path.text, 4096, &bytes, &n), OPU_OK);
    assert_int_equal(n % 64, 1);
    assert_int_equal(bytes[n - 2], '\n');
    opu_context_free(NULL, bytes);
    assert_int_equal(unlink(path.text), 0);
    folder_remove(&folder);
}

static void other_spellings_of_a_header_are_read(void **state)
{
    (void)state;
    const char *const headers[] = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }          \n",
        "{\"shape\":(2,3,),\"descr\":\"<f4\",\"fortran_order\":False}",
        " { 'fortran_order' : False , 'shape' : ( 2 , 3 ) , 'descr' : '<f4' } ",
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        struct image const image = compose(headers[i], 24);
        struct opu_array array;
        assert_int_equal(parse(&array, &image), OPU_OK);
        assert_int_equal(array.dtype, OPU_F32);
        assert_int_equal(array.rank, 2);
        assert_int_equal(array.shape[0], 2);
        assert_int_equal(array.shape[1], 3);
        opu_array_free(NULL, &array);
    }
}

static void version_2_is_read(void **state)
{
    (void)state;
    static const char dictionary[] = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }\n";
    struct image image = {.n = 12 + sizeof dictionary - 1 + 2,
                          .bytes = "\x93NUMPY\x02\x00" /* length */};
    image.bytes[8] = sizeof dictionary - 1;
    memcpy(image.bytes + 12, dictionary, sizeof dictionary - 1);
    image.bytes[image.n - 1] = 9;
    struct opu_array array;
    assert_int_equal(parse(&array, &image), OPU_OK);
    assert_int_equal(((const uint8_t *)array.data)[1], 9);
    opu_array_free(NULL, &array);
}

static void an_empty_array_is_an_array(void **state)
{
    (void)state;
    struct image const image =
        compose("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 5), }", 0);
    struct opu_array array;
    assert_int_equal(parse(&array, &image), OPU_OK);
    assert_int_equal(opu_array_count(&array), 0);
    assert_non_null(array.data);
    opu_array_free(NULL, &array);
}

#define HEAD(descr, order, shape) \
    "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }"

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t n;
        const char *sentence;
    } cases[] = {
        {HEAD("'<f4'", "True", "(2, 3)"), 24, "fortran_order is True, wanted rows first"},
        {HEAD("'>f4'", "False", "(2, 3)"), 24, "dtype '>f4' is big-endian float32"},
        {HEAD("'>i8'", "False", "(3,)"), 24, "dtype '>i8' is big-endian int64"},
        {HEAD("'<f2'", "False", "(3,)"), 6, "dtype '<f2' is not read, wanted float32"},
        {HEAD("'<c8'", "False", "(3,)"), 24, "dtype '<c8' is not read"},
        {HEAD("'|O'", "False", "(3,)"), 24, "dtype '|O' is not read"},
        {HEAD("''", "False", "(3,)"), 3, "dtype '' is not read"},
        {HEAD("'u1'", "False", "(3,)"), 3, "dtype 'u1' is not read"},
        {HEAD("[('a', '<f4')]", "False", "(3,)"), 12, "structured"},
        {HEAD("'<f4\\\\x'", "False", "(3,)"), 12, "wanted a dtype"},
        {HEAD("'<f4'", "False", "(2, 3)"), 23,
         "23 bytes of elements, wanted 24 for [2, 3] of "
         "float32 (cut off)"},
        {HEAD("'<f4'", "False", "(2, 3)"), 25, "25 bytes of elements, wanted 24"},
        {HEAD("'<f4'", "False", "(2, 3)"), 25, "(something follows)"},
        {HEAD("'<f4'", "False", "()"), 0, "wanted 4 for [] of float32"},
        {HEAD("'<f4'", "False", "(4294967296, 4294967296)"), 8, "larger than memory"},
        {HEAD("'<f8'", "False", "(2305843009213693952,)"), 0, "larger than memory"},
        {HEAD("'<f4'", "False", "(18446744073709551616,)"), 0, "a dimension below 2^64"},
        {HEAD("'|u1'", "False", "(1,1,1,1,1,1,1,1,1)"), 1, "more than 8 dimensions"},
        {HEAD("'<f4'", "False", "(-1,)"), 0, "saw '-1,), }', wanted a dimension"},
        {HEAD("'<f4'", "False", "(3)"), 12, "a comma after a single dimension"},
        {HEAD("'<f4'", "False", "(3 4)"), 48, "a comma or the end of the shape"},
        {HEAD("'<f4'", "False", "(,)"), 4, "wanted a dimension"},
        {HEAD("'<f4'", "False", "[3]"), 12, "wanted a shape"},
        {HEAD("'<f4'", "0", "(3,)"), 12, "True or False"},
        {"{'descr': '<f4', 'fortran_order': False}", 4, "the key 'shape' is missing"},
        {"{'descr': '<f4', 'shape': (1,)}", 4, "the key 'fortran_order' is missing"},
        {"{'fortran_order': False, 'shape': (1,)}", 4, "the key 'descr' is missing"},
        {"{'descr': '<f4', 'descr': '<f4'}", 4, "the key 'descr' comes twice"},
        {"{'descr': '<f4', 'color': 1}", 4, "saw the key 'color'"},
        {"{'descr' '<f4'}", 4, "a colon"},
        {"{'descr': '<f4' 'shape': (1,)}", 4, "a comma or the end of the dictionary"},
        {"{'descr", 0, "wanted the key"},
        {"{", 0, "wanted the key"},
        {"", 0, "a dictionary"},
        {"[]", 0, "a dictionary"},
        {HEAD("'<f4'", "False", "(1,)") " x", 4, "blanks after the dictionary"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct image const image = compose(cases[i].header, cases[i].n);
        struct opu_array array = {.data = &array};
        assert_refused(parse(&array, &image), OPU_E_FORMAT, cases[i].sentence);
        assert_null(array.data);
    }
}

static void every_cut_of_a_file_is_refused(void **state)
{
    (void)state;
    struct image const whole = compose(HEAD("'<f4'", "False", "(2, 3)"), 24);
    for (size_t n = 0; n < whole.n; n++) {
        struct image cut = whole;
        cut.n = n;
        struct opu_array array;
        assert_int_equal(parse(&array, &cut), OPU_E_FORMAT);
        assert_null(array.data);
    }
}

static void other_magic_and_versions_are_refused(void **state)
{
    (void)state;
    struct image image = compose(HEAD("'<f4'", "False", "(1,)"), 4);
    struct opu_array array;
    image.bytes[6] = 3;
    assert_refused(parse(&array, &image), OPU_E_FORMAT, "version 3.0, wanted 1.0 or 2.0");
    image.bytes[6] = 1;
    image.bytes[7] = 1;
    assert_refused(parse(&array, &image), OPU_E_FORMAT, "version 1.1");
    image.bytes[7] = 0;
    image.bytes[0] = 'P';
    assert_refused(parse(&array, &image), OPU_E_FORMAT, "no .npy file");
    image.bytes[0] = 0x93;
    image.bytes[9] = 0xff;
    assert_refused(parse(&array, &image), OPU_E_FORMAT, "within a header of");
}

static void a_read_names_its_file(void **state)
{
    (void)state;
    struct folder const folder = folder_make();
    struct path const path = folder_path(&folder, "a.npy");
    struct opu_slice const slices[] = {{"PK\x03\x04", 4}};
    struct opu_array array = {.data = &array};
    assert_refused(opu_npy_read(NULL, &array, path.text), OPU_E_NOT_FOUND, "a.npy");
    assert_null(array.data);
    assert_int_equal(opu_file_write(path.text, slices, 1), OPU_OK);
    assert_refused(opu_npy_read(NULL, &array, path.text), OPU_E_FORMAT, "a.npy: npy: the first");
    assert_null(array.data);
    assert_int_equal(unlink(path.text), 0);
    folder_remove(&folder);
}

static void what_can_not_be_written_is_refused(void **state)
{
    (void)state;
    uint8_t byte = 0;
    struct opu_array array = {.dtype = (enum opu_dtype)99, .data = &byte};
    assert_refused(opu_npy_write("/nowhere/a.npy", &array), OPU_E_INVALID, "dtype 99");
    array = (struct opu_array){.dtype = OPU_U8, .rank = 9, .data = &byte};
    assert_refused(opu_npy_write("/nowhere/a.npy", &array), OPU_E_INVALID, "rank 9");
    array = (struct opu_array){.dtype = OPU_U8};
    assert_refused(opu_npy_write("/nowhere/a.npy", &array), OPU_E_INVALID, "data NULL");
    array = (struct opu_array){.dtype = OPU_U8, .data = &byte};
    assert_refused(opu_npy_write("/nowhere/a.npy", &array), OPU_E_IO, "/nowhere/a.npy.tmp");
}

static int parse_job(struct opu_context *context, void *user)
{
    const struct image *const image = user;
    struct opu_array array;
    int const status = opu_npy_parse(context, &array, image->bytes, image->n);
    opu_array_free(context, &array);
    return status;
}

static int read_job(struct opu_context *context, void *user)
{
    const struct path *const path = user;
    struct opu_array array;
    int const status = opu_npy_read(context, &array, path->text);
    opu_array_free(context, &array);
    return status;
}

static void parsing_survives_no_memory(void **state)
{
    (void)state;
    struct image image = compose(HEAD("'<f4'", "False", "(2, 3)"), 24);
    assert_survives_no_memory(parse_job, &image);
    struct folder const folder = folder_make();
    struct path path = folder_path(&folder, "a.npy");
    struct opu_slice const slices[] = {{image.bytes, image.n}};
    assert_int_equal(opu_file_write(path.text, slices, 1), OPU_OK);
    assert_survives_no_memory(read_job, &path);
    assert_int_equal(unlink(path.text), 0);
    folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dtype_and_rank_makes_the_round_trip),
        cmocka_unit_test(elements_start_at_a_multiple_of_64_bytes),
        cmocka_unit_test(other_spellings_of_a_header_are_read),
        cmocka_unit_test(version_2_is_read),
        cmocka_unit_test(an_empty_array_is_an_array),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(every_cut_of_a_file_is_refused),
        cmocka_unit_test(other_magic_and_versions_are_refused),
        cmocka_unit_test(a_read_names_its_file),
        cmocka_unit_test(what_can_not_be_written_is_refused),
        cmocka_unit_test(parsing_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
