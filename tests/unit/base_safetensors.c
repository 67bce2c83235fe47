/* SPDX-License-Identifier: MIT */
/* The safetensors format: round trips, and a sentence for each way a file can be wrong. */
#include "base_support.h"

#include "core/base/file.h"
#include "core/base/safetensors.h"

struct image {
    size_t n;
    uint8_t bytes[2048];
};

/* Length, header, n data bytes 0, 1, 2, ... */
static struct image compose(const char *header, size_t n)
{
    size_t const length = strlen(header);
    struct image image = {.n = 8 + length + n};
    assert_true(image.n <= sizeof image.bytes);
    image.bytes[0] = (uint8_t)(length & 0xff);
    image.bytes[1] = (uint8_t)(length >> 8);
    memcpy(image.bytes + 8, header, length);
    for (size_t i = 0; i < n; i++) {
        image.bytes[8 + length + i] = (uint8_t)i;
    }
    return image;
}

static int parse(struct opu_safetensors **file, const struct image *image)
{
    /* A block of exactly that size, so that the sanitizer sees every step beyond it. */
    uint8_t *const exact = malloc(image->n > 0 ? image->n : 1);
    assert_non_null(exact);
    memcpy(exact, image->bytes, image->n);
    int const status = opu_safetensors_parse(file, NULL, exact, image->n);
    free(exact);
    return status;
}

static const float weights[6] = {1.0f, -2.0f, 3.5f, 0.0f, 1e-30f, 7.0f};
static const int64_t steps[1] = {INT64_C(-5000000000)};
static const uint8_t bytes3[3] = {1, 2, 255};
static const struct opu_tensor_ref tensors[] = {
    {"w.1", OPU_F32, 2, {2, 3}, weights},
    {"bytes", OPU_U8, 1, {3}, bytes3},
    {"step", OPU_I64, 0, {0}, steps},
    {"empty", OPU_F64, 2, {0, 4}, NULL},
    {"a \"name\" \xc3\xa9", OPU_U16, 1, {1}, bytes3},
};
static const struct opu_meta meta[] = {{"identity", "sim:gaussian:91c0"}, {"note", "a\n\"b\""}};
#define N_TENSORS (sizeof tensors / sizeof tensors[0])

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct folder const folder = folder_make();
    struct path const path = folder_path(&folder, "a.safetensors");
    assert_int_equal(opu_safetensors_write(NULL, path.text, tensors, N_TENSORS, meta, 2), OPU_OK);
    struct opu_safetensors *file;
    assert_int_equal(opu_safetensors_open(&file, NULL, path.text), OPU_OK);
    assert_int_equal(opu_safetensors_count(file), N_TENSORS);
    for (size_t i = 0; i < N_TENSORS; i++) {
        const struct opu_tensor_ref *const tensor = opu_safetensors_find(file, tensors[i].name);
        assert_non_null(tensor);
        assert_ptr_equal(tensor, opu_safetensors_at(file, i));
        assert_int_equal(tensor->dtype, tensors[i].dtype);
        assert_int_equal(tensor->rank, tensors[i].rank);
        size_t n = opu_dtype_size(tensor->dtype);
        for (size_t j = 0; j < tensor->rank; j++) {
            assert_int_equal(tensor->shape[j], tensors[i].shape[j]);
            n *= tensor->shape[j];
        }
        assert_true(n == 0 || memcmp(tensor->data, tensors[i].data, n) == 0);
    }
    assert_null(opu_safetensors_find(file, "w.2"));
    assert_null(opu_safetensors_at(file, N_TENSORS));
    assert_string_equal(opu_safetensors_meta(file, "identity"), "sim:gaussian:91c0");
    assert_string_equal(opu_safetensors_meta(file, "note"), "a\n\"b\"");
    assert_null(opu_safetensors_meta(file, "nothing"));
    opu_safetensors_close(file);
    assert_int_equal(unlink(path.text), 0);
    folder_remove(&folder);
}

static void header_is_padded_to_8_bytes_with_blanks(void **state)
{
    (void)state;
    struct folder const folder = folder_make();
    struct path const path = folder_path(&folder, "a.safetensors");
    char name[16];
    for (int i = 1; i < 10; i++) {
        (void)snprintf(name, sizeof name, "%0*d", i, 7);
        struct opu_tensor_ref const tensor = {name, OPU_U8, 1, {3}, bytes3};
        assert_int_equal(opu_safetensors_write(NULL, path.text, &tensor, 1, NULL, 0), OPU_OK);
        uint8_t *bytes;
        size_t n;
        assert_int_equal(opu_file_read(NULL, path.text, 4096, &bytes, &n), OPU_OK);
        assert_int_equal(bytes[0] % 8, 0);
        assert_int_equal(n, 8 + (size_t)bytes[0] + 3);
        size_t end = 8 + (size_t)bytes[0];
        while (bytes[end - 1] == ' ') {
            end--;
        }
        assert_int_equal(bytes[end - 1], '}');
        opu_context_free(NULL, bytes);
    }
    assert_int_equal(unlink(path.text), 0);
    folder_remove(&folder);
}

static void tensors_may_be_described_in_any_order(void **state)
{
    (void)state;
    struct image const image = compose(
        "{\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[4,6]},"
        "\"a\":{\"data_offsets\":[0,4],\"shape\":[],\"dtype\":\"I32\"},\"__metadata__\":{}}   ",
        6);
    struct opu_safetensors *file;
    assert_int_equal(parse(&file, &image), OPU_OK);
    assert_int_equal(opu_safetensors_count(file), 2);
    assert_string_equal(opu_safetensors_at(file, 0)->name, "a");
    const uint8_t *const b = opu_safetensors_find(file, "b")->data;
    assert_true(b[0] == 4 && b[1] == 5);
    assert_null(opu_safetensors_meta(file, "x"));
    opu_safetensors_close(file);
}

static void a_file_without_tensors_is_a_file(void **state)
{
    (void)state;
    struct image const image = compose("{}", 0);
    struct opu_safetensors *file;
    assert_int_equal(parse(&file, &image), OPU_OK);
    assert_int_equal(opu_safetensors_count(file), 0);
    assert_null(opu_safetensors_meta(file, "x"));
    opu_safetensors_close(file);
    opu_safetensors_close(NULL);
}

#define TENSOR(name, dtype, shape, offsets) \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t n;
        const char *sentence;
    } cases[] = {
        {"{" TENSOR("a", "F32", "[2]", "[0,8]") "}", 7, "[0, 8], wanted ascending and within 7"},
        {"{" TENSOR("a", "F32", "[2]", "[0,8]") "}", 9, "9 bytes of data, wanted the 8"},
        {"{" TENSOR("a", "F32", "[2]", "[8,0]") "}", 8, "[8, 0], wanted ascending"},
        {"{" TENSOR("a", "F32", "[2]", "[0,4]") "}", 4,
         "4 bytes of data do not hold a shape of "
         "[2] of F32"},
        {"{" TENSOR("a", "F32", "[1]", "[4,8]") "}", 8, "there is a gap"},
        {"{" TENSOR("a", "U8", "[4]", "[0,4]") "," TENSOR("b", "U8", "[4]", "[3,7]") "}", 7,
         "'b' starts at byte 3 of the data, wanted 4 (it overlaps another one)"},
        {"{" TENSOR("a", "U8", "[4]", "[0,4]") "," TENSOR("b", "U8", "[4]", "[0,4]") "}", 4,
         "it overlaps another one"},
        {"{" TENSOR("a", "U8", "[1]", "[0,1]") "," TENSOR("a", "U8", "[1]", "[1,2]") "}", 2,
         "duplicate"},
        {"{" TENSOR("a", "BF16", "[1]", "[0,2]") "}", 2, "dtype 'BF16', wanted F32"},
        {"{" TENSOR("a", "f32", "[1]", "[0,4]") "}", 4, "dtype 'f32', wanted F32"},
        {"{" TENSOR("a", "F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, "9 dimensions"},
        {"{" TENSOR("a", "F32", "[4294967296,4294967296]", "[0,0]") "}", 0, "do not hold"},
        {"{" TENSOR("a", "F64", "[2305843009213693952]", "[0,0]") "}", 0, "do not hold"},
        {"{" TENSOR("a", "F32", "[-1]", "[0,4]") "}", 4, "a dimension is no whole number"},
        {"{" TENSOR("a", "F32", "[1.0]", "[0,4]") "}", 4, "a dimension is no whole number"},
        {"{" TENSOR("a", "F32", "[18446744073709551616]", "[0,4]") "}", 4, "no JSON"},
        {"{" TENSOR("a", "F32", "4", "[0,4]") "}", 4, "no shape that is a list"},
        {"{" TENSOR("a", "F32", "[1]", "[0]") "}", 4, "not two whole numbers"},
        {"{" TENSOR("a", "F32", "[1]", "[0,4,8]") "}", 4, "not two whole numbers"},
        {"{" TENSOR("a", "F32", "[1]", "[-4,0]") "}", 4, "not two whole numbers"},
        {"{" TENSOR("a", "F32", "[1]", "\"x\"") "}", 4, "not two whole numbers"},
        {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "no dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "no shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "not two whole numbers"},
        {"{\"a\":3}", 0, "tensor 'a': is described by no object"},
        {"{\"__metadata__\":3}", 0, "__metadata__ is no object"},
        {"{\"__metadata__\":{\"k\":3}}", 0, "__metadata__ 'k' is no text"},
        {"{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, "duplicate"},
        {"{} x", 0, "no JSON"},
        {"{", 0, "no JSON"},
        {"{\"a\\u0000b\":{}}", 0, "no JSON"},
        {"{\"\xff\":{}}", 0, "no JSON"},
        {"[]", 0, "does not start with '{'"},
        {" {}", 0, "does not start with '{'"},
        {"", 0, "a header of 0 bytes"},
        {"{}", 1, "1 bytes of data, wanted the 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct image const image = compose(cases[i].header, cases[i].n);
        struct opu_safetensors *file = (struct opu_safetensors *)(uintptr_t)1;
        assert_refused(parse(&file, &image), OPU_E_FORMAT, cases[i].sentence);
        assert_null(file);
    }
}

static void every_cut_of_a_file_is_refused(void **state)
{
    (void)state;
    struct image const whole = compose("{" TENSOR("a", "F32", "[2]", "[0,8]") "}", 8);
    for (size_t n = 0; n < whole.n; n++) {
        struct image cut = whole;
        cut.n = n;
        struct opu_safetensors *file;
        assert_int_equal(parse(&file, &cut), OPU_E_FORMAT);
    }
}

static void a_header_over_100_megabytes_is_refused(void **state)
{
    (void)state;
    struct image image = compose("{}", 0);
    struct opu_safetensors *file;
    uint64_t const length = 100000001;
    for (int i = 0; i < 8; i++) {
        image.bytes[i] = (uint8_t)(length >> (8 * i));
    }
    assert_refused(parse(&file, &image), OPU_E_FORMAT,
                   "a header of 100000001 bytes, wanted at most 100000000");
    memset(image.bytes, 0xff, 8);
    assert_refused(parse(&file, &image), OPU_E_FORMAT, "18446744073709551615 bytes, wanted at");
    image = compose("{}", 0);
    image.bytes[0] = 3;
    assert_refused(parse(&file, &image), OPU_E_FORMAT, "3 bytes in a file of 10 (cut off?)");
}

static void what_can_not_be_written_is_refused(void **state)
{
    (void)state;
    static const struct {
        struct opu_tensor_ref tensors[2];
        size_t n;
        const char *sentence;
    } cases[] = {
        {{{"a", OPU_U8, 1, {3}, bytes3}, {"a", OPU_U8, 1, {3}, bytes3}}, 2, "'a' comes twice"},
        {{{"a", (enum opu_dtype)9, 1, {3}, bytes3}}, 1, "dtype 9"},
        {{{"a", OPU_U8, 9, {3}, bytes3}}, 1, "rank 9"},
        {{{"a", OPU_U8, 1, {3}, NULL}}, 1, "data NULL"},
        {{{"a", OPU_F64, 2, {SIZE_MAX, 2}, bytes3}}, 1, "can't be written"},
        {{{"\xff", OPU_U8, 1, {3}, bytes3}}, 1, "UTF-8"},
        {{{NULL, OPU_U8, 1, {3}, bytes3}}, 1, "has no name"},
        {{{"__metadata__", OPU_U8, 1, {3}, bytes3}}, 1, "can't be written"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_refused(
            opu_safetensors_write(NULL, "/nowhere/a", cases[i].tensors, cases[i].n, NULL, 0),
            OPU_E_INVALID, cases[i].sentence);
    }
    struct opu_meta const twice[] = {{"k", "1"}, {"k", "2"}};
    assert_refused(opu_safetensors_write(NULL, "/nowhere/a", tensors, 1, twice, 2), OPU_E_INVALID,
                   "metadata 'k' comes twice");
    assert_refused(opu_safetensors_write(NULL, "/nowhere/a", tensors, 1, meta, 1), OPU_E_IO,
                   "/nowhere/a.tmp: can't be created");
}

static void an_open_names_its_file(void **state)
{
    (void)state;
    struct folder const folder = folder_make();
    struct path const path = folder_path(&folder, "a");
    struct opu_slice const slices[] = {{"1234", 4}};
    struct opu_safetensors *file;
    assert_refused(opu_safetensors_open(&file, NULL, path.text), OPU_E_NOT_FOUND, path.text);
    assert_int_equal(opu_file_write(path.text, slices, 1), OPU_OK);
    assert_refused(opu_safetensors_open(&file, NULL, path.text), OPU_E_FORMAT,
                   "/a: safetensors: 4 bytes, wanted at least 8");
    assert_int_equal(unlink(path.text), 0);
    folder_remove(&folder);
}

static int parse_job(struct opu_context *context, void *user)
{
    const struct image *const image = user;
    struct opu_safetensors *file;
    int const status = opu_safetensors_parse(&file, context, image->bytes, image->n);
    opu_safetensors_close(file);
    return status;
}

static int write_job(struct opu_context *context, void *user)
{
    const struct path *const path = user;
    return opu_safetensors_write(context, path->text, tensors, N_TENSORS, meta, 2);
}

static int open_job(struct opu_context *context, void *user)
{
    const struct path *const path = user;
    struct opu_safetensors *file;
    int const status = opu_safetensors_open(&file, context, path->text);
    opu_safetensors_close(file);
    return status;
}

static void no_memory_is_survived(void **state)
{
    (void)state;
    struct image image = compose("{" TENSOR("a", "F32", "[2]", "[0,8]") "}", 8);
    assert_survives_no_memory(parse_job, &image);
    struct folder const folder = folder_make();
    struct path path = folder_path(&folder, "a");
    assert_survives_no_memory(write_job, &path);
    assert_survives_no_memory(open_job, &path);
    assert_int_equal(unlink(path.text), 0);
    folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(header_is_padded_to_8_bytes_with_blanks),
        cmocka_unit_test(tensors_may_be_described_in_any_order),
        cmocka_unit_test(a_file_without_tensors_is_a_file),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(every_cut_of_a_file_is_refused),
        cmocka_unit_test(a_header_over_100_megabytes_is_refused),
        cmocka_unit_test(what_can_not_be_written_is_refused),
        cmocka_unit_test(an_open_names_its_file),
        cmocka_unit_test(no_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
