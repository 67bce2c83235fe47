/* SPDX-License-Identifier: MIT */
/* Training configurations: keys, .ini text in and out, and what is refused with its line. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <opu/backend.h>

#include "core/train/ini.h"
#include "core/train/settings.h"
#include "data_toy.h"

static struct opu_context *context;
static struct opu_train_config *config;

static int set_up(void **state)
{
    (void)state;
    return opu_train_config_create(&config, context);
}

static int tear_down(void **state)
{
    (void)state;
    opu_train_config_destroy(config);
    return 0;
}

static void said(const char *part)
{
    if (!strstr(opu_error_message(), part)) {
        fail_msg("\"%s\" does not say \"%s\"", opu_error_message(), part);
    }
}

static void is(const char *key, const char *wanted)
{
    char text[OPU_OPTION_TEXT_SIZE];
    assert_int_equal(opu_train_config_get(config, key, text, sizeof text), OPU_OK);
    assert_string_equal(text, wanted);
}

static void every_default_is_within_its_range_and_reads_back(void **state)
{
    (void)state;
    size_t n;
    const struct opu_option *options = opu_train_options(&n);
    assert_true(n > 20);
    for (size_t i = 0; i < n; i++) {
        is(options[i].key, options[i].fallback);
        assert_int_equal(opu_train_config_set(config, options[i].key, options[i].fallback), OPU_OK);
    }
}

static void keys_of_a_section_stand_together(void **state)
{
    (void)state;
    size_t n;
    const struct opu_option *options = opu_train_options(&n);
    for (size_t i = 1; i < n; i++) {
        size_t const section = strcspn(options[i].key, ".") + 1;
        bool const same = strncmp(options[i].key, options[i - 1].key, section) == 0;
        for (size_t k = 0; k + 1 < i && !same; k++) {
            assert_int_not_equal(strncmp(options[i].key, options[k].key, section), 0);
        }
    }
}

static void ini_is_read_over_what_is_set(void **state)
{
    (void)state;
    const char *text = "; a comment\n"
                       "[train]\n"
                       "method = bp ; and another\n"
                       "epochs=7\r\n"
                       "\n"
                       "# a third\n"
                       "[optim]\n"
                       "lr: 0.25\n"
                       "[train]\n"
                       "batch = 32";
    assert_int_equal(opu_train_config_parse(config, text), OPU_OK);
    is("train.method", "bp");
    is("train.epochs", "7");
    is("train.batch", "32");
    is("train.seed", "1");
    assert_true(config->settings.optim.lr == 0.25);
}

static void what_is_written_reads_back_to_the_same(void **state)
{
    (void)state;
    /* A device as long as text may be: it is folded over lines. */
    char device[OPU_OPTION_TEXT_SIZE] = "sim:seed=7";
    while (strlen(device) + 10 < sizeof device) {
        (void)strcat(device, ",gain=1.25");
    }
    assert_true(strlen(device) > 240);
    assert_int_equal(opu_train_config_set(config, "feedback.device", device), OPU_OK);
    assert_int_equal(opu_train_config_set(config, "data.dir", "/a folder/with = signs; and: [x]"),
                     OPU_OK);
    assert_int_equal(opu_train_config_set(config, "optim.lr", "0.1"), OPU_OK);
    assert_int_equal(opu_train_config_set(config, "optim.eps", "1.2345678901234567e-300"), OPU_OK);
    assert_int_equal(opu_train_config_set(config, "train.seed", "9007199254740992"), OPU_OK);
    char *text;
    assert_int_equal(opu_train_config_write(config, &text), OPU_OK);
    struct opu_train_config *read;
    assert_int_equal(opu_train_config_create(&read, context), OPU_OK);
    assert_int_equal(opu_train_config_parse(read, text), OPU_OK);
    size_t n;
    const struct opu_option *options = opu_train_options(&n);
    for (size_t i = 0; i < n; i++) {
        char a[OPU_OPTION_TEXT_SIZE], b[OPU_OPTION_TEXT_SIZE];
        assert_int_equal(opu_train_config_get(config, options[i].key, a, sizeof a), OPU_OK);
        assert_int_equal(opu_train_config_get(read, options[i].key, b, sizeof b), OPU_OK);
        assert_string_equal(a, b);
    }
    opu_train_config_destroy(read);
    opu_context_free(context, text);
}

static void a_bad_line_is_named_and_nothing_is_changed(void **state)
{
    (void)state;
    struct {
        const char *text, *part;
        int status;
    } const cases[] = {
        {"[train]\nbatch = 3\nnonsense\n", ":3: neither", OPU_E_FORMAT},
        {"[train\nbatch = 3\n", ":1: neither", OPU_E_FORMAT},
        {"batch = 3\n", ":1: \"batch\" stands before the first [section]", OPU_E_FORMAT},
        {"[train]\nbatch = 3\nepocs = 3\n", ":3: ", OPU_E_NOT_FOUND},
        {"[train]\nbatch = 3\nepocs = 3\n", "train.epochs", OPU_E_NOT_FOUND},
        {"[train]\nbatch = 3\n\nbatch = many\n", ":4: ", OPU_E_INVALID},
        {"[train]\nbatch = 3\nbatch = 0\n[optim]\nlr = 1\n", ":3: ", OPU_E_INVALID},
        {"[train]\nbatch = 3\nbatch = nan\n", ":3: ", OPU_E_INVALID},
        {"[train]\nbatch = 3\n[optim]\nlr = inf\n", ":4: ", OPU_E_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(opu_train_config_parse(config, cases[i].text), cases[i].status);
        said(cases[i].part);
        is("train.batch", "128");
    }
}

static void probes_are_set_by_a_section_of_their_own(void **state)
{
    (void)state;
    const char *text = "[probe]\nevery = 25\nwarn = 0.9\nrecalibrate = 0\nstop = 0.5\n";
    is("probe.every", "0");
    is("probe.warn", "0.98");
    is("probe.recalibrate", "0.95");
    is("probe.stop", "0");
    assert_int_equal(opu_train_config_parse(config, text), OPU_OK);
    assert_int_equal(config->settings.probe.every, 25);
    assert_true(config->settings.probe.warn == 0.9 && config->settings.probe.recalibrate == 0.0 &&
                config->settings.probe.stop == 0.5);
    const char *const bad[][2] = {{"probe.every", "-1"},
                                  {"probe.warn", "1.1"},
                                  {"probe.recalibrate", "nan"},
                                  {"probe.stop", "-0.1"},
                                  {"probe.stop", "never"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(opu_train_config_set(config, bad[i][0], bad[i][1]), OPU_E_INVALID);
        said(bad[i][0]);
    }
    /* What moves no bit of a run may be another when it is resumed. */
    assert_true(opu_settings_may_change("probe.warn") && opu_settings_may_change("probe.stop"));
    assert_false(opu_settings_may_change("probe.every"));
    assert_false(opu_settings_may_change("probe.recalibrate"));
}

static void an_overlong_line_is_refused_with_its_number(void **state)
{
    (void)state;
    char text[600] = "[data]\n";
    (void)snprintf(text + 7, sizeof text - 7, "dir = /%0250d\n", 0);
    assert_int_equal(opu_train_config_parse(config, text), OPU_E_FORMAT);
    said(":2: a line of 257 bytes, at most 198 are read");
}

static void a_value_may_be_folded_but_not_beyond_bounds(void **state)
{
    (void)state;
    assert_int_equal(
        opu_train_config_parse(config, "[feedback]\ndevice = sim:seed=7,\n    bits=8\n"), OPU_OK);
    is("feedback.device", "sim:seed=7,bits=8");
    char text[4000] = "[data]\ndir = x\n";
    for (size_t i = 0; i < 30; i++) {
        (void)strcat(text, "  0123456789012345678901234567890123456789\n");
    }
    assert_int_equal(opu_train_config_parse(config, text), OPU_E_FORMAT);
    said("over 511 bytes");
}

static void values_an_ini_would_lose_are_refused(void **state)
{
    (void)state;
    const char *const bad[] = {" x", "x ", "a ;b", ";a", "a\nb", "\x7f"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(opu_train_config_set(config, "data.dir", bad[i]), OPU_E_INVALID);
        is("data.dir", "");
    }
}

static void unknown_keys_are_refused(void **state)
{
    (void)state;
    char text[8];
    assert_int_equal(opu_train_config_set(config, "optim.rl", "1"), OPU_E_NOT_FOUND);
    said("did you mean 'optim.lr'?");
    assert_int_equal(opu_train_config_set(config, "wavelength", "1"), OPU_E_NOT_FOUND);
    said("it has data.task, ");
    const char *const last = strrchr(opu_error_message(), ',');
    unsigned more = 0;
    assert_int_equal(sscanf(last, ", and %u more", &more), 1); /* whole keys, then a count */
    size_t n;
    (void)opu_train_options(&n);
    assert_true(more > 0 && more + 3 < n); /* the first few fit */
    assert_int_equal(opu_train_config_get(config, "optim.rl", text, sizeof text), OPU_E_NOT_FOUND);
    assert_int_equal(opu_train_config_get(config, "model.hidden", text, sizeof text),
                     OPU_E_INVALID);
}

static void a_file_is_named_in_messages(void **state)
{
    (void)state;
    char dir[256], path[300];
    toy_dir(dir);
    (void)snprintf(path, sizeof path, "%s/bad.ini", dir);
    assert_int_equal(opu_train_config_read(config, path), OPU_E_NOT_FOUND);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs("[train]\nepochs = x\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(opu_train_config_read(config, path), OPU_E_INVALID);
    said("bad.ini:2: ");
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite("[train]\n\0batch = 3", 1, 18, file), 18);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(opu_train_config_read(config, path), OPU_E_FORMAT);
    said("zero byte");
    toy_remove(dir);
}

static void keys_of_a_device_go_into_its_uri(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *uri;
    } steps[] = {
        {"feedback.device", "sim:encode=binary,seed=7", "sim:encode=binary,seed=7"},
        {"sim.tau", "3600", "sim:encode=binary,seed=7,tau=3600"},
        {"sim.medium.tau", "60", "sim:encode=binary,seed=7,tau=60"},
        {"sim.seed", "9", "sim:encode=binary,seed=9,tau=60"},
        {"encode", "ternary:0.5", "sim:encode=ternary:0.5,seed=9,tau=60"},
        {"sim.encode", "ternary", "sim:encode=ternary,seed=9,tau=60"},
        /* the default is left out: the same device has the same text */
        {"sim.tau", "0.0", "sim:encode=ternary,seed=9"},
        {"sim.seed", "1", "sim:encode=ternary"},
        {"rescale", "no", "sim:encode=ternary,rescale=no"},
        {"feedback.device", "exact:of=sim:seed=3,bits=10", "exact:of=sim:seed=3,bits=10"},
        {"encode", "binary", "exact:encode=binary,of=sim:seed=3,bits=10"},
        {"exact.of", "sim:seed=4,bits=9", "exact:encode=binary,of=sim:seed=4,bits=9"},
        {"exact.seed", "2", "exact:encode=binary,seed=2,of=sim:seed=4,bits=9"},
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        assert_int_equal(opu_train_config_set(config, steps[i].key, steps[i].value), OPU_OK);
        is("feedback.device", steps[i].uri);
    }
    is("exact.seed", "2");
    is("exact.of", "sim:seed=4,bits=9");
    is("rescale", "auto");
}

static void the_later_word_on_a_projection_counts(void **state)
{
    (void)state;
    assert_int_equal(opu_train_config_set(config, "feedback.device", "sim:"), OPU_OK);
    assert_int_equal(opu_train_config_set(config, "feedback.encode", "binary"), OPU_OK);
    assert_int_equal(opu_train_config_set(config, "feedback.bits", "12"), OPU_OK);
    assert_int_equal(opu_train_config_set(config, "sim.encode", "ternary"), OPU_OK);
    assert_int_equal(opu_train_config_set(config, "sim.bits", "10"), OPU_OK);
    is("feedback.encode", "");
    is("feedback.bits", "0");
    is("feedback.device", "sim:encode=ternary,bits=10");
}

static void keys_no_device_has_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *says;
        int status;
    } cases[] = {
        {"sim.taau", "1", "did you mean 'tau'", OPU_E_NOT_FOUND},
        {"sim.laser.tau", "1", "wanted sim.medium.tau", OPU_E_INVALID},
        {"sim.tau", "-1", "wanted a number from 0 to", OPU_E_INVALID},
        {"sim.noise", "loud", "wanted one of all|none|shot|read", OPU_E_INVALID},
        {"sim.encode", "a,b", "without a comma", OPU_E_INVALID},
        {"exact.seed", "1", "the device is sim:, wanted exact:", OPU_E_INVALID},
        {"smi.tau", "1", "no option 'smi.tau'", OPU_E_NOT_FOUND},
    };
    assert_int_equal(opu_train_config_set(config, "feedback.device", "sim:seed=2"), OPU_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(opu_train_config_set(config, cases[i].key, cases[i].value),
                         cases[i].status);
        said(cases[i].says);
        is("feedback.device", "sim:seed=2");
    }
    char full[OPU_OPTION_TEXT_SIZE] = "sim:encode=";
    memset(full + 11, 'x', OPU_OPTION_TEXT_SIZE - 12);
    assert_int_equal(opu_train_config_set(config, "feedback.device", full), OPU_OK);
    assert_int_equal(opu_train_config_set(config, "sim.tau", "1"), OPU_E_INVALID);
    said("255 fit");
    is("feedback.device", full);
}

static void a_section_of_the_device_may_stand_anywhere(void **state)
{
    (void)state;
    const char *const text = "[sim]\ntau = 60\ncamera.bits = 10\n"
                             "[sim.camera]\nread_noise = 3\n"
                             "[feedback]\ndevice = sim:seed=5\n";
    char *written;
    assert_int_equal(opu_train_config_parse(config, text), OPU_OK);
    is("feedback.device", "sim:seed=5,tau=60,bits=10,read_noise=3");
    is("sim.camera.bits", "10");
    assert_int_equal(opu_train_config_write(config, &written), OPU_OK);
    assert_int_equal(opu_train_config_set(config, "feedback.device", "exact:"), OPU_OK);
    assert_int_equal(opu_train_config_parse(config, written), OPU_OK);
    opu_context_free(context, written);
    is("feedback.device", "sim:seed=5,tau=60,bits=10,read_noise=3");
    assert_int_equal(opu_train_config_parse(config, "[sim]\nseed = 1\n\ntau = x\n"), OPU_E_INVALID);
    said(":4: ");
    assert_int_equal(
        opu_train_config_parse(config, "[sim]\ntau = 1\n[feedback]\ndevice = exact:\n"),
        OPU_E_INVALID);
    said(":2: ");
    is("feedback.device", "sim:seed=5,tau=60,bits=10,read_noise=3");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(every_default_is_within_its_range_and_reads_back),
        CASE(keys_of_a_section_stand_together),
        CASE(ini_is_read_over_what_is_set),
        CASE(what_is_written_reads_back_to_the_same),
        CASE(a_bad_line_is_named_and_nothing_is_changed),
        CASE(probes_are_set_by_a_section_of_their_own),
        CASE(an_overlong_line_is_refused_with_its_number),
        CASE(a_value_may_be_folded_but_not_beyond_bounds),
        CASE(values_an_ini_would_lose_are_refused),
        CASE(unknown_keys_are_refused),
        CASE(a_file_is_named_in_messages),
        CASE(keys_of_a_device_go_into_its_uri),
        CASE(the_later_word_on_a_projection_counts),
        CASE(keys_no_device_has_are_refused),
        CASE(a_section_of_the_device_may_stand_anywhere),
    };
    if (opu_context_create(&context, NULL) < 0) {
        return 1;
    }
    int const failed = cmocka_run_group_tests_name("config", tests, NULL, NULL);
    opu_context_destroy(context);
    return failed;
}
