/* SPDX-License-Identifier: MIT */
/* opu train: trains a network, keeps a run folder, stops and resumes without losing a bit. */
#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/preset.h"
#include "tools/report.h"
#include "tools/train_setup.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Said once, however long it stays below. */
static void warn_of_drift(struct training *training, const struct opu_train_progress *progress)
{
    char warn[OPU_OPTION_TEXT_SIZE], again[OPU_OPTION_TEXT_SIZE];
    cli_progress_end(&training->progress);
    cli_say(training->cli,
            "the device's matrix drifts: correlation %.3f with the calibrated one, below "
            "probe.warn = %s; it is calibrated again below %s (%" PRIu64 " times so far)",
            progress->correlation, train_get(training, "probe.warn", warn),
            train_get(training, "probe.recalibrate", again), progress->recalibrations);
}

static int on_progress(void *user, const struct opu_train_progress *progress)
{
    struct training *const training = user;
    if (progress->drift_warning) {
        warn_of_drift(training, progress);
    }
    if (progress->step > 0) {
        char left[32];
        cli_format_seconds(left, sizeof left, progress->seconds_left);
        double const share = progress->epochs > 0 && progress->steps > 0
                                 ? ((double)progress->epoch - 1.0 +
                                    (double)progress->step / (double)progress->steps) /
                                       (double)progress->epochs
                                 : 0.0;
        cli_progress_draw(&training->progress, share,
                          "epoch %" PRIu64 "/%" PRIu64 " %" PRIu64 "/%" PRIu64
                          " loss %.3f acc %.1f%% %.0f rows/s %s left",
                          progress->epoch, progress->epochs, progress->step, progress->steps,
                          progress->train_loss, 100.0 * progress->train_accuracy,
                          progress->rows_per_second, left);
    } else {
        cli_progress_end(&training->progress);
        fprintf(stderr, "epoch %2" PRIu64 "/%" PRIu64 "  ", progress->epoch, progress->epochs);
        if (isfinite(progress->train_loss)) {
            fprintf(stderr, "train loss %.4f accuracy %.2f %%   ", progress->train_loss,
                    100.0 * progress->train_accuracy);
        }
        fprintf(stderr, "test loss %.4f", progress->test_loss);
        if (isfinite(progress->test_accuracy)) {
            fprintf(stderr, " accuracy %.2f %%", 100.0 * progress->test_accuracy);
        }
        if (isfinite(progress->test_auc)) {
            fprintf(stderr, " AUC %.2f %%", 100.0 * progress->test_auc);
        }
        if (progress->rows_per_second > 0.0) {
            fprintf(stderr, "   %.0f rows/s", progress->rows_per_second);
        }
        fputc('\n', stderr);
    }
    return interrupt_seen();
}

static int dry_run(struct training *training)
{
    struct cli *const cli = training->cli;
    size_t n = 0;
    const struct opu_option *const table = opu_train_options(&n);
    struct opu_train_result result = {.size = sizeof result};
    int const status = opu_trainer_result(training->trainer, &result);
    if (status < 0) {
        return cli_fail(cli, CLI_AT_DATA, status);
    }
    json_t *const config = json_object();
    char section[64] = "", value[OPU_OPTION_TEXT_SIZE];
    for (size_t i = 0; i < n; i++) {
        int const length = (int)strcspn(table[i].key, ".");
        train_get(training, table[i].key, value);
        json_object_set_new(config, table[i].key, json_string(value));
        if (!cli->json && strncmp(section, table[i].key, (size_t)length + 1) != 0) {
            snprintf(section, sizeof section, "%.*s.", length, table[i].key);
            printf("%s[%.*s]\n", i > 0 ? "\n" : "", length, table[i].key);
        }
        if (!cli->json) {
            printf("%s = %s\n", table[i].key + length + 1, value);
        }
    }
    if (cli->json) {
        json_t *const document = cli_json_new(cli);
        json_object_set_new(document, "dry_run", json_true());
        json_object_set_new(document, "epochs_done", json_integer((json_int_t)result.epochs));
        json_object_set_new(document, "config", config);
        json_object_set_new(document, "parameters", json_integer((json_int_t)result.parameters));
        json_object_set_new(document, "run", json_string(training->dir));
        return cli_json_write(cli, document);
    }
    json_decref(config);
    if (training->wish->resume) {
        cli_say(cli,
                "checkpoint, data, network and device are there: would go on after %" PRIu64
                " whole epochs in %s",
                result.epochs, training->dir);
        return CLI_OK;
    }
    cli_say(cli, "data, network and device are there: %" PRIu64 " parameters; would write to %s",
            result.parameters, training->dir);
    return CLI_OK;
}

/* The device is asked only after a failure, to tell a missing device from missing data. */
static enum cli_place place_of(struct training *training, int status)
{
    char uri[OPU_OPTION_TEXT_SIZE], sentence[512];
    struct opu_device *device = NULL;
    if (status != OPU_E_NOT_FOUND) {
        return CLI_AT_DATA;
    }
    snprintf(sentence, sizeof sentence, "%s", opu_error_message());
    int const seen = opu_device_open(&device, training->cli->context,
                                     train_get(training, "feedback.device", uri));
    opu_device_close(device);
    (void)opu_fail(status, "%s", sentence);
    return seen == OPU_E_NOT_FOUND ? CLI_AT_DEVICE : CLI_AT_DATA;
}

/* After the last epoch: result.json, report.html, the document or the table, and the target. */
static int finish(struct training *training)
{
    struct cli *const cli = training->cli;
    const struct cli_double *const target = &training->wish->target;
    struct opu_train_result result;
    struct train_summary summary;
    char report[RUN_FILE_SIZE] = "";
    int status = train_close(training, OPU_OK, &summary, &result);
    if (status == OPU_OK) {
        status = report_write(cli, training->dir, report, sizeof report);
    }
    if (status < 0) {
        return cli_fail(cli, CLI_AT_DATA, status);
    }
    summary.report = report;
    int code = CLI_OK;
    if (cli->json) {
        code = cli_json_write(cli, train_result_json(cli, &summary, &result));
    } else {
        train_result_print(&summary, &result);
    }
    if (target->given && !(result.test_accuracy >= target->value)) {
        cli_say(cli, "test accuracy %.4f is below the target %.4f", result.test_accuracy,
                target->value);
        return CLI_MISSED;
    }
    return code;
}

/* Stopped or failed on the way: what is kept, and how to go on. */
static int give_up(struct training *training, int status)
{
    struct cli *const cli = training->cli;
    struct opu_train_result result;
    struct train_summary summary;
    char report[RUN_FILE_SIZE];
    int told = train_close(training, status, &summary, &result);
    if (told == OPU_OK && strcmp(summary.state, "stopped") == 0) {
        told = report_write(cli, training->dir, report, sizeof report);
    }
    if (told < 0) {
        cli_say(cli, "%s", opu_error_message());
    }
    if (status == OPU_E_CANCELLED) {
        status =
            opu_fail(status, "stopped; the checkpoint is in %s, go on with: opu train --resume %s",
                     training->dir, training->dir);
    } else {
        status = opu_fail(status, "%s", summary.why);
    }
    return cli_fail(cli, CLI_AT_DEVICE, status);
}

static int train(struct training *training)
{
    struct cli *const cli = training->cli;
    bool const resume = training->wish->resume, dry = training->wish->dry_run;
    int status = dry || resume ? OPU_OK : train_overwrite(training);
    if (dry) {
        status = opu_trainer_rehearse(&training->trainer, cli->context, training->config,
                                      resume ? training->dir : NULL);
    } else if (status == OPU_OK) {
        status = opu_trainer_create(&training->trainer, cli->context, training->config,
                                    training->dir, resume);
    }
    if (status < 0) {
        return cli_fail(cli, place_of(training, status), status);
    }
    if (dry) {
        return dry_run(training);
    }
    struct train_summary const summary = train_summary_of(training);
    status = train_result_write(cli, &summary, NULL);
    if (status < 0) {
        return cli_fail(cli, CLI_AT_DATA, status);
    }
    cli_say(cli, "%s %s: %s%s%s, seed %s, %s epochs", resume ? "resuming" : "run folder",
            training->dir, summary.method, summary.device[0] != 0 ? " over " : "", summary.device,
            summary.seed, summary.epochs);
    cli_progress_begin(cli, &training->progress);
    status = opu_trainer_run(training->trainer, on_progress, training);
    cli_progress_end(&training->progress);
    return status < 0 ? give_up(training, status) : finish(training);
}

static void print_list(void)
{
    char text[128];
    for (size_t i = 0; presets[i].name != NULL; i++) {
        preset_summary(&presets[i], text, sizeof text);
        printf("%-16s %s\n", presets[i].name, text);
    }
}

static int list_presets(struct cli *cli)
{
    if (!cli->json) {
        print_list();
        return CLI_OK;
    }
    json_t *const document = cli_json_new(cli), *const list = json_array();
    for (size_t i = 0; presets[i].name != NULL; i++) {
        char text[128];
        preset_summary(&presets[i], text, sizeof text);
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", presets[i].name, "summary",
                                              text, "config", presets[i].text));
    }
    json_object_set_new(document, "presets", list);
    return cli_json_write(cli, document);
}

static int run(struct cli *cli, const void *options, int argc, char **argv)
{
    struct training training = {.cli = cli, .wish = options};
    if (training.wish->list) {
        return list_presets(cli);
    }
    if (training.wish->out != NULL && strlen(training.wish->out) >= RUN_PATH_SIZE) {
        return cli_fail(cli, CLI_AT_USAGE,
                        opu_fail(OPU_E_INVALID, "--out: longer than %d bytes", RUN_PATH_SIZE - 1));
    }
    interrupt_catch();
    int status = opu_train_config_create(&training.config, cli->context);
    if (status == OPU_OK && training.wish->resume) {
        status = train_prepare_resume(&training, argc, argv);
    } else if (status == OPU_OK) {
        status = train_prepare_new(&training, argc, argv);
    }
    int const code = status < 0 ? cli_fail(cli, CLI_AT_DATA, status) : train(&training);
    opu_trainer_destroy(training.trainer);
    opu_train_config_destroy(training.config);
    return code;
}

static void more(void (*add)(void *user, const char *heading, const char *left, const char *right),
                 void *user)
{
    char left[2 * OPU_OPTION_TEXT_SIZE], right[512];
    for (size_t i = 0; presets[i].name != NULL; i++) {
        preset_summary(&presets[i], right, sizeof right);
        add(user, "Presets", presets[i].name, right);
    }
    size_t n = 0;
    const struct opu_option *const table = opu_train_options(&n);
    for (size_t i = 0; i < n; i++) {
        const char *const choices = table[i].choices;
        snprintf(left, sizeof left, "%s=%s", table[i].key, table[i].fallback);
        snprintf(right, sizeof right, "%s%s%s%s", table[i].help, choices != NULL ? " (" : "",
                 choices != NULL ? choices : "", choices != NULL ? ")" : "");
        add(user, "Keys for --set and .ini files ([section] and key), with their defaults", left,
            right);
    }
}

static const struct cli_option table_of_options[] = {
    {.name = "method",
     .kind = CLI_TEXT,
     .offset = offsetof(struct train_options, method),
     .value = "bp|dfa|shallow",
     .help = "back-propagation, Direct Feedback Alignment, or the head alone"},
    {.name = "device",
     .kind = CLI_TEXT,
     .offset = offsetof(struct train_options, device),
     .value = "URI",
     .help = "what multiplies the error by B: sim:, exact:, ..."},
    {.name = "epochs",
     .kind = CLI_UINT,
     .offset = offsetof(struct train_options, epochs),
     .value = "N",
     .min = 1,
     .max = 1e6,
     .help = "passes over the training rows"},
    {.name = "seed",
     .kind = CLI_UINT,
     .offset = offsetof(struct train_options, seed),
     .value = "N",
     .help =
         "of the initial weights and the order of the rows; the device's own stands in its URI"},
    {.name = "set",
     .kind = CLI_LIST,
     .offset = offsetof(struct train_options, set),
     .value = "KEY=VALUE",
     .help = "any key of the configuration, such as optim.lr=1e-3, or of the device, sim.tau=3600"},
    {.name = "data",
     .kind = CLI_TEXT,
     .offset = offsetof(struct train_options, data),
     .value = "DIR",
     .help = "where the data is; default: $OPU_DATA_DIR, then Debian's packages"},
    {.name = "out",
     .kind = CLI_TEXT,
     .offset = offsetof(struct train_options, out),
     .value = "DIR",
     .help = "run folder; default: runs/PRESET-METHOD-seedN, -2, -3, ..."},
    {.name = "resume",
     .kind = CLI_FLAG,
     .offset = offsetof(struct train_options, resume),
     .help = "go on from the run folder's checkpoint: opu train --resume DIR"},
    {.name = "overwrite",
     .kind = CLI_FLAG,
     .offset = offsetof(struct train_options, overwrite),
     .help = "replace the run that --out already holds"},
    {.name = "target",
     .kind = CLI_DOUBLE,
     .offset = offsetof(struct train_options, target),
     .value = "SHARE",
     .min = 0,
     .max = 1,
     .help = "exit with code 5 if the test accuracy is below, such as 0.86"},
    {.name = "dry-run",
     .kind = CLI_FLAG,
     .offset = offsetof(struct train_options, dry_run),
     .help = "check data, network and device, print the configuration, write nothing"},
    {.name = "list",
     .kind = CLI_FLAG,
     .offset = offsetof(struct train_options, list),
     .help = "list the presets"},
};

static const struct cli_example examples[] = {
    {"opu train fashion-mlp", "Direct Feedback Alignment through a simulated optical device"},
    {"opu train fashion-mlp --method bp --seed 2", "the same network by back-propagation"},
    {"opu train fashion-mlp --device sim:bits=10 --set optim.lr=1e-3 --epochs 3",
     "another camera, another rate"},
    {"opu train my.ini --out runs/mine --json",
     "a configuration of your own; a document at the end"},
    {"opu train --resume runs/mine", "go on after Ctrl-C or a power cut, to the same bits"},
};

const struct cli_command cmd_train = {
    .name = "train",
    .summary = "train a network by DFA, back-propagation or its head alone",
    .arguments = "PRESET|FILE.ini",
    .min_arguments = 0,
    .max_arguments = 1,
    .completion = "preset",
    .text = "Trains the network that a preset or an .ini file describes. By Direct Feedback "
            "Alignment the "
            "error at the output goes once through the device's fixed random matrix, and from "
            "there to every "
            "layer at the same time.\nA run keeps a folder: config.ini, manifest.json, "
            "metrics.jsonl (the "
            "same bytes for the same seed and threads), probes.jsonl (where the device drifts), "
            "timing.jsonl, checkpoint.safetensors, result.json, "
            "report.html. "
            "Ctrl-C writes a checkpoint and exits with 130; a second Ctrl-C kills.",
    .options = table_of_options,
    .n_options = sizeof table_of_options / sizeof table_of_options[0],
    .options_size = sizeof(struct train_options),
    .examples = examples,
    .n_examples = sizeof examples / sizeof examples[0],
    .run = run,
    .more = more,
};
