/* SPDX-License-Identifier: MIT */
/* Options: every type set, refused with a helpful sentence, and written back; numbers in every
 * locale. */
#include "base_support.h"

#include <locale.h>
#include <math.h>

#include "core/base/number.h"
#include "core/base/options.h"

struct target {
    bool flag;
    uint64_t seed, bits;
    double rate, exposure_us;
    int medium;
    char name[OPU_OPTION_TEXT_SIZE];
};

#define ROW(name, of, member, preset, about) \
    .key = (name), .type = (of), .offset = offsetof(struct target, member), .fallback = (preset), \
    .help = (about)

static const struct opu_option table[] = {
    {ROW("flag", OPU_OPTION_BOOL, flag, "yes", "a switch")},
    {ROW("seed", OPU_OPTION_UINT, seed, "1", "a seed")},
    {ROW("bits", OPU_OPTION_UINT, bits, "8", "ADC bits"), .min = 8, .max = 16},
    {ROW("rate", OPU_OPTION_DOUBLE, rate, "3e-4", "a rate")},
    {ROW("exposure", OPU_OPTION_DOUBLE, exposure_us, "12.5", "exposure"), .min = 0.5, .max = 1000,
     .unit = "us"},
    {ROW("medium", OPU_OPTION_CHOICE, medium, "slab", "a medium"),
     .choices = "gaussian|slab|cascade"},
    {ROW("name", OPU_OPTION_TEXT, name, NULL, "a name")},
};
#define N_TABLE (sizeof table / sizeof table[0])

static int set(struct target *target, const char *key, const char *value)
{
    return opu_option_set(table, N_TABLE, target, "sim:", key, value);
}

static void defaults_are_those_of_the_table(void **state)
{
    (void)state;
    struct target target;
    memset(&target, 0xff, sizeof target);
    opu_options_default(table, N_TABLE, &target);
    assert_true(target.flag);
    assert_int_equal(target.seed, 1);
    assert_int_equal(target.bits, 8);
    assert_true(target.rate == 3e-4 && target.exposure_us == 12.5);
    assert_int_equal(target.medium, 1);
    assert_string_equal(target.name, "");
}

static void every_type_is_read(void **state)
{
    (void)state;
    struct target target;
    opu_options_default(table, N_TABLE, &target);
    const char *const words[] = {"0", "1", "no", "yes", "off", "on", "false", "true"};
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(set(&target, "flag", words[i]), OPU_OK);
        assert_int_equal(target.flag, i % 2);
    }
    assert_int_equal(set(&target, "seed", "9007199254740992"), OPU_OK);
    assert_true(target.seed == UINT64_C(1) << 53);
    assert_int_equal(set(&target, "bits", "16"), OPU_OK);
    assert_int_equal(target.bits, 16);
    assert_int_equal(set(&target, "rate", "-.5e+2"), OPU_OK);
    assert_true(target.rate == -50.0);
    assert_int_equal(set(&target, "exposure", "0.5"), OPU_OK);
    assert_true(target.exposure_us == 0.5);
    assert_int_equal(set(&target, "medium", "cascade"), OPU_OK);
    assert_int_equal(target.medium, 2);
    assert_int_equal(set(&target, "name", "two words, \xc3\xa9"), OPU_OK);
    assert_string_equal(target.name, "two words, \xc3\xa9");
}

static void an_unknown_key_is_answered_with_the_nearest(void **state)
{
    (void)state;
    struct target target;
    opu_options_default(table, N_TABLE, &target);
    assert_refused(set(&target, "sed", "1"), OPU_E_NOT_FOUND,
                   "sim: has no option 'sed'; did you mean 'seed'?");
    assert_refused(set(&target, "exposure_us", "1"), OPU_E_NOT_FOUND, "did you mean 'exposure'?");
    assert_refused(set(&target, "Seed", "1"), OPU_E_NOT_FOUND, "did you mean 'seed'?");
    /* As near to one as to the other: both are offered. */
    assert_refused(set(&target, "nate", "1"), OPU_E_NOT_FOUND, "'rate' or 'name'?");
    /* Nothing near: all of them. */
    assert_refused(set(&target, "wavelength", "1"), OPU_E_NOT_FOUND,
                   "it has flag, seed, bits, rate, exposure, medium, name");
    assert_refused(set(&target, "", "1"), OPU_E_NOT_FOUND, "has no option ''");
    /* The part after the section is near, too; else the section's keys are told. */
    static const struct opu_option dotted[] = {
        {.key = "optim.lr", .type = OPU_OPTION_BOOL},
        {.key = "optim.momentum", .type = OPU_OPTION_BOOL},
        {.key = "train.seed", .type = OPU_OPTION_BOOL},
        {.key = "feedback.seed", .type = OPU_OPTION_BOOL},
    };
    assert_refused(opu_option_unknown(dotted, 4, "x", "lr"), OPU_E_NOT_FOUND,
                   "did you mean 'optim.lr'?");
    assert_refused(opu_option_unknown(dotted, 4, "x", "sed"), OPU_E_NOT_FOUND,
                   "did you mean 'train.seed' or 'feedback.seed'?");
    assert_refused(opu_option_unknown(dotted, 4, "x", "optim.x"), OPU_E_NOT_FOUND,
                   "did you mean 'optim.lr'?");
    assert_refused(opu_option_unknown(dotted, 4, "x", "optim.wavelength"), OPU_E_NOT_FOUND,
                   "it has optim.lr, optim.momentum");
    char longest[3000];
    memset(longest, 'k', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_refused(set(&target, longest, "1"), OPU_E_NOT_FOUND, "it has flag");
    assert_refused(opu_option_set(table, 0, &target, "null:", "a", "1"), OPU_E_NOT_FOUND, "none");
}

static void bad_values_are_refused_and_change_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *sentence;
    } cases[] = {
        {"flag", "maybe", "sim: option 'flag': saw 'maybe', wanted 0 or 1, no or yes"},
        {"flag", "", "saw ''"},
        {"flag", "YES", "saw 'YES'"},
        {"bits", "7", "sim: option 'bits': saw '7', wanted a whole number from 8 to 16"},
        {"bits", "17", "saw '17', wanted a whole number from 8 to 16"},
        {"seed", "-1", "saw '-1', wanted a whole number up to 2^53"},
        {"seed", "9007199254740993", "up to 2^53"},
        {"seed", "18446744073709551617", "up to 2^53"},
        {"seed", "1.0", "saw '1.0'"},
        {"seed", "1e3", "saw '1e3'"},
        {"seed", " 1", "saw ' 1'"},
        {"seed", "1 ", "saw '1 '"},
        {"seed", "+1", "saw '+1'"},
        {"seed", "0x10", "saw '0x10'"},
        {"seed", "", "saw ''"},
        {"exposure", "0.4", "saw '0.4', wanted a number from 0.5 to 1000 us"},
        {"exposure", "1000.1", "from 0.5 to 1000 us"},
        {"rate", "nan", "saw 'nan', wanted a number"},
        {"rate", "inf", "saw 'inf'"},
        {"rate", "-infinity", "saw '-infinity'"},
        {"rate", "1e999", "saw '1e999'"},
        {"rate", "0x1p3", "saw '0x1p3'"},
        {"rate", "1,5", "saw '1,5'"},
        {"rate", " 1", "saw ' 1'"},
        {"rate", "1x", "saw '1x'"},
        {"rate", "1e", "saw '1e'"},
        {"rate", ".", "saw '.'"},
        {"rate", "-", "saw '-'"},
        {"rate", "", "saw ''"},
        {"medium", "fog", "saw 'fog', wanted one of gaussian|slab|cascade"},
        {"medium", "gauss", "saw 'gauss'"},
        {"medium", "", "saw ''"},
        {"medium", "gaussian|slab", "saw 'gaussian|slab'"},
        {"name", "a\nb", "without control characters"},
        {"name", "a\x7f", "without control characters"},
    };
    struct target target;
    memset(&target, 0, sizeof target);
    opu_options_default(table, N_TABLE, &target);
    struct target const before = target;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_refused(set(&target, cases[i].key, cases[i].value), OPU_E_INVALID,
                       cases[i].sentence);
        assert_memory_equal(&target, &before, sizeof target);
    }
}

static void text_of_255_bytes_fits_and_256_do_not(void **state)
{
    (void)state;
    struct target target;
    opu_options_default(table, N_TABLE, &target);
    char text[257];
    memset(text, 'x', 256);
    text[256] = '\0';
    assert_refused(set(&target, "name", text), OPU_E_INVALID, "255 bytes");
    text[255] = '\0';
    assert_int_equal(set(&target, "name", text), OPU_OK);
    assert_string_equal(target.name, text);
}

static void what_is_written_back_reads_the_same(void **state)
{
    (void)state;
    static const char *const settings[][2] = {
        {"flag", "0"},          {"seed", "9007199254740992"}, {"bits", "12"},
        {"rate", "0.1"},        {"rate", "1e-300"},           {"rate", "123456789.123456789"},
        {"exposure", "999.25"}, {"medium", "gaussian"},       {"name", "x y=z"},
        {"rate", "-2.5e-7"},    {"rate", "4.9e-324"},         {"name", ""},
    };
    struct target target;
    struct target again;
    opu_options_default(table, N_TABLE, &target);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        const struct opu_option *const option = opu_option_find(table, N_TABLE, settings[i][0]);
        char text[OPU_OPTION_TEXT_SIZE];
        assert_int_equal(set(&target, settings[i][0], settings[i][1]), OPU_OK);
        assert_int_equal(opu_option_format(option, &target, text, sizeof text), OPU_OK);
        opu_options_default(table, N_TABLE, &again);
        assert_int_equal(set(&again, settings[i][0], text), OPU_OK);
        size_t const size = option->type == OPU_OPTION_TEXT     ? OPU_OPTION_TEXT_SIZE
                            : option->type == OPU_OPTION_BOOL   ? sizeof(bool)
                            : option->type == OPU_OPTION_CHOICE ? sizeof(int)
                                                                : 8;
        assert_memory_equal((char *)&again + option->offset, (char *)&target + option->offset,
                            size);
    }
    char small[4];
    assert_int_equal(set(&target, "medium", "cascade"), OPU_OK);
    assert_refused(
        opu_option_format(opu_option_find(table, N_TABLE, "medium"), &target, small, sizeof small),
        OPU_E_INVALID, "room for 4 bytes, wanted 8");
}

static void shortest_text_of_a_number_is_chosen(void **state)
{
    (void)state;
    char text[32];
    opu_number_format(text, 0.1);
    assert_string_equal(text, "0.1");
    opu_number_format(text, 1000.0);
    assert_string_equal(text, "1000");
    opu_number_format(text, 1e21);
    assert_string_equal(text, "1e+21");
    opu_number_format(text, -1.0 / 3.0);
    double back;
    assert_true(opu_number_double(&back, text) && back == -1.0 / 3.0);
}

/* A locale with a decimal comma is made on the spot: few machines have one installed. */
static bool enter_comma_locale(const struct folder *folder)
{
    struct path const source = folder_path(folder, "comma.src");
    FILE *const file = fopen(source.text, "w");
    assert_non_null(file);
    assert_true(fputs("LC_NUMERIC\ndecimal_point \",\"\nthousands_sep \"\"\ngrouping -1\n"
                      "END LC_NUMERIC\n",
                      file) >= 0);
    assert_int_equal(fclose(file), 0);
    char command[1200];
    (void)snprintf(command, sizeof command, "localedef -c -i %s %s/comma >/dev/null 2>&1",
                   source.text, folder->path);
    (void)system(command); /* NOLINT(cert-env33-c): warns about the missing categories */
    assert_int_equal(setenv("LOCPATH", folder->path, 1), 0);
    return setlocale(LC_NUMERIC, "comma") != NULL;
}

static void numbers_do_not_depend_on_the_locale(void **state)
{
    (void)state;
    struct folder const folder = folder_make();
    bool const entered = enter_comma_locale(&folder);
    char text[32] = "";
    char wanted_comma[32] = "";
    (void)snprintf(wanted_comma, sizeof wanted_comma, "%.1f", 1.5);
    double value = 0.0;
    bool const reads = opu_number_double(&value, "1.5");
    bool const refuses = !opu_number_double(&value, "1,5");
    opu_number_format(text, 1.5);
    (void)setlocale(LC_NUMERIC, "C");
    char command[300];
    (void)snprintf(command, sizeof command, "rm -r %s", folder.path);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
    if (!entered) {
        skip(); /* no localedef */
    }
    assert_string_equal(wanted_comma, "1,5");
    assert_true(reads && refuses && value == 1.5);
    assert_string_equal(text, "1.5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_table),
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(an_unknown_key_is_answered_with_the_nearest),
        cmocka_unit_test(bad_values_are_refused_and_change_nothing),
        cmocka_unit_test(text_of_255_bytes_fits_and_256_do_not),
        cmocka_unit_test(what_is_written_back_reads_the_same),
        cmocka_unit_test(shortest_text_of_a_number_is_chosen),
        cmocka_unit_test(numbers_do_not_depend_on_the_locale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
