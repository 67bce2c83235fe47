/* SPDX-License-Identifier: MIT */
/* From the command line's words to a configuration and a run folder. */
#include "tools/train_setup.h"
#include "tools/preset.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_folder(const char *path)
{
    struct stat seen;
    return stat(path, &seen) == 0 && S_ISDIR(seen.st_mode);
}

static bool ends_in_ini(const char *path)
{
    size_t const n = strlen(path);
    return n > 4 && strcmp(path + n - 4, ".ini") == 0;
}

/* The last part of a path, without .ini. */
static void stem(char *text, size_t n, const char *path)
{
    const char *const slash = strrchr(path, '/');
    const char *const name = slash != NULL ? slash + 1 : path;
    size_t const length = strlen(name);
    snprintf(text, n, "%.*s", (int)(ends_in_ini(name) ? length - 4 : length), name);
}

static int read_source(struct training *training, const char *source)
{
    const struct preset *const preset = preset_find(source);
    stem(training->preset, sizeof training->preset, source);
    if (preset != NULL) {
        return opu_train_config_parse(training->config, preset->text);
    }
    return ends_in_ini(source) ? opu_train_config_read(training->config, source)
                               : preset_unknown(source);
}

static int set_number(struct opu_train_config *config, const char *key,
                      const struct cli_uint *number)
{
    char text[32];
    if (!number->given) {
        return OPU_OK;
    }
    snprintf(text, sizeof text, "%" PRIu64, number->value);
    return opu_train_config_set(config, key, text);
}

static int set_text(struct opu_train_config *config, const char *key, const char *text)
{
    return text != NULL ? opu_train_config_set(config, key, text) : OPU_OK;
}

static int set_pair(struct opu_train_config *config, const char *pair)
{
    const char *const equals = strchr(pair, '=');
    char key[128];
    if (equals == NULL || (size_t)(equals - pair) >= sizeof key) {
        return opu_fail(OPU_E_INVALID, "--set: saw '%s', wanted KEY=VALUE", pair);
    }
    snprintf(key, sizeof key, "%.*s", (int)(equals - pair), pair);
    int const status = opu_train_config_set(config, key, equals + 1);
    /* A key that isn't there is wrong usage, as a wrong value is. */
    return status == OPU_E_NOT_FOUND ? opu_fail(OPU_E_INVALID, "--set: %s", opu_error_message())
                                     : status;
}

/* Whether KEY=VALUE is an option of the device's: "sim.tau=60", "encode=binary". */
static bool device_pair(const char *pair)
{
    size_t const n = strcspn(pair, ".=");
    const struct opu_backend_info *backend;
    for (size_t i = 0; (backend = opu_backend_info(i)) != NULL; i++) {
        if (strlen(backend->scheme) == n && strncmp(backend->scheme, pair, n) == 0) {
            return true;
        }
    }
    return pair[n] != '.';
}

/* The pairs that are the device's options, or the others. */
static int set_pairs(struct opu_train_config *config, const struct cli_list *list, bool device)
{
    int status = OPU_OK;
    for (size_t i = 0; i < list->n && status == OPU_OK; i++) {
        status = device_pair(list->item[i]) == device ? set_pair(config, list->item[i]) : OPU_OK;
    }
    return status;
}

/*
 * Options on top of the preset, --set first: an option of its own name is the more explicit word.
 * What --set says of the device comes last, once it is known which device that is.
 */
static int apply_options(struct training *training)
{
    const struct train_options *const wish = training->wish;
    struct opu_train_config *const config = training->config;
    int status = set_pairs(config, &wish->set, false);
    if (status == OPU_OK) {
        status = set_text(config, "train.method", wish->method);
    }
    if (status == OPU_OK) {
        status = set_text(config, "feedback.device", wish->device);
    }
    if (status == OPU_OK) {
        status = set_text(config, "data.dir", wish->data);
    }
    if (status == OPU_OK) {
        status = set_number(config, "train.epochs", &wish->epochs);
    }
    if (status == OPU_OK) {
        status = set_number(config, "train.seed", &wish->seed);
    }
    return status == OPU_OK ? set_pairs(config, &wish->set, true) : status;
}

const char *train_get(const struct training *training, const char *key,
                      char text[OPU_OPTION_TEXT_SIZE])
{
    if (opu_train_config_get(training->config, key, text, OPU_OPTION_TEXT_SIZE) < 0) {
        snprintf(text, OPU_OPTION_TEXT_SIZE, "?");
    }
    return text;
}

/* runs/PRESET-METHOD-seedN: the first free of -2, -3, ... or, to resume, the last that is there. */
static void default_dir(struct training *training)
{
    char method[OPU_OPTION_TEXT_SIZE], seed[OPU_OPTION_TEXT_SIZE], next[RUN_PATH_SIZE];
    train_get(training, "train.method", method);
    train_get(training, "train.seed", seed);
    snprintf(training->dir, sizeof training->dir, "runs/%s-%s-seed%s", training->preset, method,
             seed);
    snprintf(next, sizeof next, "%s", training->dir);
    for (int i = 2; run_folder_has(next, "config.ini") && i < 10000; i++) {
        snprintf(training->dir, sizeof training->dir, "%s", next);
        snprintf(next, sizeof next, "runs/%s-%s-seed%s-%d", training->preset, method, seed, i);
    }
    if (!training->wish->resume) {
        snprintf(training->dir, sizeof training->dir, "%s", next);
    }
}

static int empty_dir(const char *dir)
{
    static const char *const names[] = {RUN_CHECKPOINT, "metrics.jsonl", "timing.jsonl",
                                        "probes.jsonl", "manifest.json", "result.json",
                                        "report.html",  "config.ini"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char file[RUN_FILE_SIZE];
        run_folder_file(dir, names[i], file);
        if (unlink(file) != 0 && errno != ENOENT) {
            return opu_fail(OPU_E_IO, "%s: can't be removed: %s", file, strerror(errno));
        }
    }
    return OPU_OK;
}

int train_prepare_new(struct training *training, int argc, char **argv)
{
    const struct train_options *const wish = training->wish;
    if (argc < 1) {
        return opu_fail(OPU_E_INVALID, "PRESET or FILE.ini is missing: opu train fashion-mlp");
    }
    int status = read_source(training, argv[0]);
    if (status == OPU_OK) {
        status = apply_options(training);
    }
    if (status < 0) {
        return status;
    }
    if (wish->out == NULL) {
        default_dir(training);
        return OPU_OK;
    }
    snprintf(training->dir, sizeof training->dir, "%s", wish->out);
    if (!run_folder_has(wish->out, RUN_CHECKPOINT) || wish->dry_run) {
        return OPU_OK;
    }
    return wish->overwrite
               ? OPU_OK /* train_overwrite() */
               : opu_fail(
                     OPU_E_INVALID,
                     "%s already holds a run: --resume goes on with it, --overwrite replaces it, "
                     "another --out keeps both",
                     wish->out);
}

int train_overwrite(struct training *training)
{
    struct opu_trainer *trainer = NULL;
    if (!training->wish->overwrite || !run_folder_has(training->dir, RUN_CHECKPOINT)) {
        return OPU_OK;
    }
    int const status =
        opu_trainer_create(&trainer, training->cli->context, training->config, NULL, false);
    opu_trainer_destroy(trainer);
    return status == OPU_OK ? empty_dir(training->dir) : status;
}

int train_prepare_resume(struct training *training, int argc, char **argv)
{
    const struct train_options *const wish = training->wish;
    char file[RUN_FILE_SIZE];
    bool const folder_given = argc > 0 && is_folder(argv[0]);
    if (wish->out != NULL || folder_given) {
        const char *const dir = wish->out != NULL ? wish->out : argv[0];
        snprintf(training->dir, sizeof training->dir, "%s", dir);
    } else if (argc > 0 && strchr(argv[0], '/') != NULL && !ends_in_ini(argv[0])) {
        return opu_fail(OPU_E_NOT_FOUND, "%s: no such run folder to resume", argv[0]);
    } else if (argc > 0) {
        int status = read_source(training, argv[0]);
        status = status == OPU_OK ? apply_options(training) : status;
        if (status < 0) {
            return status;
        }
        default_dir(training);
    } else {
        return opu_fail(OPU_E_INVALID, "which run? opu train --resume DIR");
    }
    run_folder_file(training->dir, "config.ini", file);
    int const status = opu_train_config_read(training->config, file);
    if (status < 0) {
        return status;
    }
    train_result_preset(training->dir, training->preset, sizeof training->preset);
    return apply_options(training);
}

struct train_summary train_summary_of(const struct training *training)
{
    struct train_summary summary = {
        .preset = training->preset, .dir = training->dir, .state = "running"};
    train_get(training, "train.method", summary.method);
    train_get(training, "feedback.device", summary.device);
    train_get(training, "train.seed", summary.seed);
    train_get(training, "train.epochs", summary.epochs);
    if (strcmp(summary.method, "dfa") != 0) {
        summary.device[0] = 0;
    }
    return summary;
}

/* A device may fail in other ways; where it was the drift, the latest probe is below the bound. */
static bool drifted(const struct training *training, int status,
                    const struct opu_train_result *result)
{
    char bound[OPU_OPTION_TEXT_SIZE];
    return status == OPU_E_DEVICE &&
           result->correlation < strtod(train_get(training, "probe.stop", bound), NULL);
}

int train_close(const struct training *training, int status, struct train_summary *summary,
                struct opu_train_result *result)
{
    struct cli as_train = *training->cli; /* the document is opu train's, whoever trained */
    bool const over = status < 0 && status != OPU_E_CANCELLED;
    *summary = train_summary_of(training);
    summary->status = status;
    snprintf(summary->why, sizeof summary->why, "%s", over ? opu_error_message() : "");
    *result = (struct opu_train_result){.size = sizeof *result};
    int const told = opu_trainer_result(training->trainer, result);
    if (told < 0) {
        return told;
    }
    summary->state = status == OPU_OK                    ? "done"
                     : !over                             ? "interrupted"
                     : drifted(training, status, result) ? "stopped"
                                                         : "failed";
    as_train.command = cli_command_find("train");
    return train_result_write(&as_train, summary, result);
}
