/* SPDX-License-Identifier: MIT */
/* Device URIs: what is taken apart how, and what is refused with which sentence. */
#include "base_support.h"

#include <opu/device.h>

#include "core/device/uri.h"

static struct opu_uri uri;

static void assert_pair(size_t i, const char *key, const char *value)
{
    assert_true(i < uri.n_pairs);
    assert_string_equal(uri.pairs[i].key, key);
    assert_string_equal(uri.pairs[i].value, value);
}

static void scheme_alone_and_scheme_with_colon_mean_the_same(void **state)
{
    (void)state;
    assert_int_equal(opu_uri_parse(&uri, "sim"), OPU_OK);
    assert_string_equal(uri.scheme, "sim");
    assert_int_equal(uri.n_pairs, 0);
    assert_int_equal(opu_uri_parse(&uri, "usb3:"), OPU_OK);
    assert_string_equal(uri.scheme, "usb3");
    assert_int_equal(uri.n_pairs, 0);
}

static void pairs_are_cut_at_commas(void **state)
{
    (void)state;
    assert_int_equal(opu_uri_parse(&uri, "sim:seed=7,encode=ternary:0.5,empty="), OPU_OK);
    assert_int_equal(uri.n_pairs, 3);
    assert_pair(0, "seed", "7");
    assert_pair(1, "encode", "ternary:0.5");
    assert_pair(2, "empty", "");
}

static void of_takes_the_rest(void **state)
{
    (void)state;
    assert_int_equal(opu_uri_parse(&uri, "exact:seed=2,of=sim:seed=7,bits=10"), OPU_OK);
    assert_int_equal(uri.n_pairs, 2);
    assert_pair(0, "seed", "2");
    assert_pair(1, "of", "sim:seed=7,bits=10");
}

static void malformed_text_is_refused_with_what_was_seen(void **state)
{
    (void)state;
    assert_refused(opu_uri_parse(&uri, NULL), OPU_E_INVALID, "NULL");
    assert_refused(opu_uri_parse(&uri, ""), OPU_E_INVALID, "wanted a scheme");
    assert_refused(opu_uri_parse(&uri, ":seed=1"), OPU_E_INVALID, "wanted a scheme");
    assert_refused(opu_uri_parse(&uri, "Sim:"), OPU_E_INVALID, "\"Sim:\"");
    assert_refused(opu_uri_parse(&uri, "sim:seed=1,bits"), OPU_E_INVALID,
                   "saw \"bits\", wanted key=value");
    assert_refused(opu_uri_parse(&uri, "sim:seed,"), OPU_E_INVALID,
                   "saw \"seed,\", wanted key=value");
    assert_refused(opu_uri_parse(&uri, "sim:,seed=1"), OPU_E_INVALID, "wanted key=value");
    assert_refused(opu_uri_parse(&uri, "sim:=1"), OPU_E_INVALID, "wanted key=value");
    assert_refused(opu_uri_parse(&uri, "sim:seed=1,"), OPU_E_INVALID, "wanted key=value");
    assert_refused(opu_uri_parse(&uri, "sim:seed=1,,bits=8"), OPU_E_INVALID, "wanted key=value");
    assert_refused(opu_uri_parse(&uri, "sim:se ed=1"), OPU_E_INVALID, "wanted key=value");
}

static void the_first_item_may_be_a_value_alone(void **state)
{
    (void)state;
    static const struct opu_option table[] = {
        {.key = "serial", .type = OPU_OPTION_TEXT},
        {.key = "address", .type = OPU_OPTION_TEXT, .positional = true},
    };
    assert_int_equal(opu_uri_parse(&uri, "usb:1.4"), OPU_OK);
    assert_int_equal(uri.n_pairs, 1);
    assert_pair(0, "", "1.4");
    assert_int_equal(opu_uri_name(&uri, table, 2), OPU_OK);
    assert_pair(0, "address", "1.4");

    assert_int_equal(opu_uri_parse(&uri, "replay:a folder/run 1.rec,serial=7"), OPU_OK);
    assert_int_equal(uri.n_pairs, 2);
    assert_pair(0, "", "a folder/run 1.rec");
    assert_pair(1, "serial", "7");

    assert_refused(opu_uri_name(&uri, table, 1), OPU_E_INVALID,
                   "saw \"a folder/run 1.rec\", wanted key=value");
    assert_int_equal(opu_uri_parse(&uri, "usb:1.4,address=1.5"), OPU_OK);
    assert_refused(opu_uri_name(&uri, table, 2), OPU_E_INVALID,
                   "\"address\" is given twice, first as \"1.4\", then as \"1.5\"");
}

static void a_value_alone_is_refused_by_a_device_without_use_for_it(void **state)
{
    (void)state;
    struct opu_device *device;
    assert_refused(opu_device_open(&device, NULL, "null:17"), OPU_E_INVALID,
                   "saw \"17\", wanted key=value");
}

static void a_key_given_twice_is_refused(void **state)
{
    (void)state;
    assert_refused(opu_uri_parse(&uri, "sim:seed=1,bits=8,seed=2"), OPU_E_INVALID,
                   "\"seed\" is given twice, first as \"1\", then as \"2\"");
}

static void control_characters_are_refused(void **state)
{
    (void)state;
    assert_refused(opu_uri_parse(&uri, "sim:seed=1\n"), OPU_E_INVALID,
                   "byte 11 is control character 0x0a");
    assert_refused(opu_uri_parse(&uri, "sim\x7f"), OPU_E_INVALID, "0x7f");
}

static void length_and_number_of_options_are_bounded(void **state)
{
    (void)state;
    char text[OPU_URI_LENGTH + 2];
    memset(text, 'a', sizeof text);
    memcpy(text, "sim:k=", 6);
    text[OPU_URI_LENGTH] = '\0';
    assert_int_equal(opu_uri_parse(&uri, text), OPU_OK);
    text[OPU_URI_LENGTH] = 'a';
    text[OPU_URI_LENGTH + 1] = '\0';
    assert_refused(opu_uri_parse(&uri, text), OPU_E_INVALID, "at most 1023 bytes");

    size_t n = (size_t)snprintf(text, sizeof text, "sim:");
    for (int i = 0; i <= OPU_URI_PAIRS; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%sk%d=1", i > 0 ? "," : "", i);
    }
    assert_refused(opu_uri_parse(&uri, text), OPU_E_INVALID, "more than 64 options");
    assert_string_equal(uri.scheme, "sim");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scheme_alone_and_scheme_with_colon_mean_the_same),
        cmocka_unit_test(pairs_are_cut_at_commas),
        cmocka_unit_test(of_takes_the_rest),
        cmocka_unit_test(malformed_text_is_refused_with_what_was_seen),
        cmocka_unit_test(the_first_item_may_be_a_value_alone),
        cmocka_unit_test(a_value_alone_is_refused_by_a_device_without_use_for_it),
        cmocka_unit_test(a_key_given_twice_is_refused),
        cmocka_unit_test(control_characters_are_refused),
        cmocka_unit_test(length_and_number_of_options_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
