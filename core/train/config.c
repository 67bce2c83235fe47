/* SPDX-License-Identifier: MIT */
/* The table of a training configuration's keys, and its calls: set, get, read, write. */
#include "core/train/settings.h"

#include <stdio.h>
#include <string.h>

#include <opu/backend.h>

#include "core/base/fail.h"
#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/options.h"
#include "core/device/uri_option.h"
#include "core/train/ini.h"

#define WHERE "training configuration"
#define MAX_INI ((size_t)1 << 20)
#define KEY_SIZE 64

#define AT(member) offsetof(struct opu_settings, member)
#define CHOICE(name, member, preset, values, text) \
    { \
        .key = (name), .type = OPU_OPTION_CHOICE, .offset = AT(member), .fallback = (preset), \
        .choices = (values), .help = (text) \
    }
#define UINT(name, member, preset, low, high, of, text) \
    { \
        .key = (name), .type = OPU_OPTION_UINT, .offset = AT(member), .fallback = (preset), \
        .min = (low), .max = (high), .unit = (of), .help = (text) \
    }
#define REAL(name, member, preset, low, high, text) \
    { \
        .key = (name), .type = OPU_OPTION_DOUBLE, .offset = AT(member), .fallback = (preset), \
        .min = (low), .max = (high), .help = (text) \
    }
#define TEXT(name, member, preset, text) \
    { \
        .key = (name), .type = OPU_OPTION_TEXT, .offset = AT(member), .fallback = (preset), \
        .help = (text) \
    }

/* Sections lie together: opu_train_config_write() starts one where the name before the dot changes.
 */
static const struct opu_option table[] = {
    CHOICE("data.task", task, "fashion", "fashion|cora|citeseer|pubmed|graph",
           "what is learnt; graph: the folder data.dir, in the form of the citation graphs"),
    TEXT("data.dir", data_dir, "", "folder of the data; empty: the usual places"),
    CHOICE("data.evaluate", evaluate, "test", "test|holdout",
           "rows that are evaluated on: the test rows, or training rows held out"),
    UINT("data.holdout", holdout, "5000", 1, 1e9, "rows",
         "last training rows held out where data.evaluate is holdout"),
    UINT("data.train_rows", train_rows, "0", 0, 1e9, "rows",
         "the first so many training rows alone; 0: all"),
    UINT("data.evaluate_rows", evaluate_rows, "0", 0, 1e9, "rows",
         "evaluate on the first so many rows alone; 0: all"),
    CHOICE("data.split", split, "public", "public|folds",
           "nodes that train, validate and test: as the graph's files say, or five stratified "
           "folds by train.seed (one, one and three)"),
    REAL("data.valid_links", valid_links, "0.05", 0, 0.5, "links: share of the edges to validate"),
    REAL("data.test_links", test_links, "0.1", 0, 0.5, "links: share of the edges to test"),
    CHOICE("model.name", model, "mlp", "mlp|gcn|cheb|spline|gat|dna|gae", "architecture"),
    TEXT("model.hidden", hidden, "1024,1024", "widths of the hidden layers"),
    CHOICE("model.activation", activation, "tanh", "tanh|relu", "of the hidden layers, mlp alone"),
    UINT("model.heads", heads, "8", 1, 64, NULL, "heads of attention, gat and dna alone"),
    UINT("model.groups", groups, "16", 1, 64, NULL,
         "groups of the linear layers inside attention, dna alone"),
    REAL("model.dropout", dropout, "0", 0, 0.99, "share of hidden values dropped in training"),
    REAL("model.dropout_features", dropout_features, "0", 0, 0.99,
         "share of the nodes' features dropped in training"),
    REAL("model.dropout_attention", dropout_attention, "0", 0, 0.99,
         "share of the attention's weights dropped in training"),
    CHOICE("train.method", method, "dfa", "bp|dfa|shallow",
           "back-propagation, Direct Feedback Alignment, or the head alone"),
    UINT("train.epochs", epochs, "5", 1, 1e6, NULL, "passes over the training rows"),
    UINT("train.batch", batch, "128", 1, 65536, "rows", "rows of a step"),
    UINT("train.seed", seed, "1", 0, 0, NULL, "of the initial weights and the order of the rows"),
    CHOICE("optim.name", optim.kind, "adam", "adam|sgd", "optimiser"),
    REAL("optim.lr", optim.lr, "0.0003", 0, 1e3, "learning rate"),
    REAL("optim.momentum", optim.momentum, "0.9", 0, 1, "of sgd"),
    REAL("optim.beta1", optim.beta1, "0.9", 0, 0.999999, "adam: decay of the mean gradient"),
    REAL("optim.beta2", optim.beta2, "0.999", 0, 0.99999999, "adam: decay of the mean square"),
    REAL("optim.eps", optim.eps, "1e-08", 0, 1, "adam: added to the root of the mean square"),
    REAL("optim.weight_decay", optim.weight_decay, "0", 0, 1e3,
         "times the weights, added to their gradient"),
    TEXT("optim.decay_only", optim.decay_only, "",
         "weights decay whose names start so, as conv1; empty: all"),
    CHOICE("optim.schedule", optim.schedule, "constant", "constant|cosine|step",
           "of the learning rate"),
    UINT("optim.step_epochs", optim.step_epochs, "1", 1, 1e6, NULL,
         "step: epochs between two falls of the rate"),
    REAL("optim.step_factor", optim.step_factor, "0.1", 0, 1, "step: what the rate falls by"),
    REAL("optim.floor", optim.floor, "0", 0, 1, "cosine: share of the rate left at the end"),
    UINT("optim.warmup_steps", optim.warmup_steps, "0", 0, 1e9, "steps",
         "steps in which the rate rises from 0"),
    TEXT("feedback.device", feedback.device, "exact:", "URI of the device that projects the error"),
    TEXT("feedback.encode", feedback.encode, "", "encoder; empty: as the device's URI says"),
    TEXT("feedback.readout", feedback.readout, "", "read-out; empty: as the device's URI says"),
    CHOICE("feedback.rescale", feedback.rescale, "auto", "auto|yes|no",
           "give the row's norm back after encoding; auto: as the device's URI says"),
    UINT("feedback.bits", feedback.bits, "0", 0, 16, "bits", "of a camera count; 0: the device's"),
    UINT("feedback.seed", feedback.seed, "0", 0, 0, NULL,
         "of stochastic rounding; 0: as train.seed"),
    UINT("feedback.spread", feedback.spread, "0", 0, 8, NULL,
         "graphs: how often the error is spread to the neighbours, S e, before it is projected "
         "(S = D^-1/2 (A + I) D^-1/2)"),
    UINT("align.every", align_every, "1", 0, 1e6, "epochs",
         "between two measures of alignment; 0: none"),
    UINT("align.rows", align_rows, "1000", 1, 1e6, "rows", "rows that alignment is measured on"),
    CHOICE("align.labels", align_labels, "train", "train|all",
           "graphs: nodes whose loss gives the gradients that are compared: those that train, or "
           "all that have a label"),
    UINT("probe.every", probe.every, "0", 0, 1e9, "steps",
         "between two probes of the device's drift; 0: twenty an epoch where its matrix "
         "drifts, else none"),
    REAL("probe.warn", probe.warn, "0.98", 0, 1,
         "correlation with the calibrated matrix below which a warning is given; 0: never"),
    REAL("probe.recalibrate", probe.recalibrate, "0.95", 0, 1,
         "correlation below which the device is calibrated again, for a fifth of its frames at "
         "most; 0: never"),
    REAL("probe.stop", probe.stop, "0", 0, 1,
         "correlation below which the run ends with a checkpoint; 0: never"),
    UINT("checkpoint.every", checkpoint_every, "1", 0, 1e6, "epochs",
         "between two checkpoints; 0: only when the run ends or is stopped"),
};

#define N_OPTIONS (sizeof table / sizeof *table)

const struct opu_option *opu_train_options(size_t *n)
{
    *n = N_OPTIONS;
    return table;
}

bool opu_settings_may_change(const char *key)
{
    static const char *const free_keys[] = {"train.epochs", "checkpoint.every", "data.dir",
                                            "probe.warn", "probe.stop"};
    for (size_t i = 0; i < sizeof free_keys / sizeof *free_keys; i++) {
        if (strcmp(key, free_keys[i]) == 0) {
            return true;
        }
    }
    return false;
}

int opu_train_config_create(struct opu_train_config **out, struct opu_context *context)
{
    *out = opu_calloc(context, 1, sizeof **out);
    if (!*out) {
        return OPU_E_NO_MEMORY;
    }
    (*out)->context = context;
    opu_options_default(table, N_OPTIONS, &(*out)->settings);
    return OPU_OK;
}

void opu_train_config_destroy(struct opu_train_config *config)
{
    if (config) {
        opu_context_free(config->context, config);
    }
}

/* Whether the key is an option of the device: "sim.tau". The table's own sections come first. */
static bool device_key(const char *key)
{
    return !opu_option_find(table, N_OPTIONS, key) && opu_device_key(key);
}

/*
 * Into the device's URI. A key of [feedback] that says the same thing would hold in place of the
 * URI's, so it goes back to "as the URI says": the later word counts.
 */
static int set_device_key(struct opu_train_config *config, const char *key, const char *value)
{
    static const char *const twins[] = {"feedback.encode", "feedback.readout", "feedback.rescale",
                                        "feedback.bits"};
    char *const uri = config->settings.feedback.device;
    OPU_TRY(opu_device_key_set(uri, sizeof config->settings.feedback.device, key, value));
    for (size_t i = 0; i < sizeof twins / sizeof *twins; i++) {
        if (strcmp(opu_device_key_name(twins[i]), opu_device_key_name(key)) == 0) {
            const struct opu_option *twin = opu_option_find(table, N_OPTIONS, twins[i]);
            OPU_TRY(opu_option_set(table, N_OPTIONS, &config->settings, WHERE, twins[i],
                                   twin->fallback));
        }
    }
    return OPU_OK;
}

int opu_train_config_set(struct opu_train_config *config, const char *key, const char *value)
{
    if (!opu_ini_can_hold(value)) {
        return opu_fail(OPU_E_INVALID,
                        "%s: the value of %s can't be kept in an .ini file (a space at an end, "
                        "\" ;\" or a control character)",
                        WHERE, key);
    }
    return device_key(key) ? set_device_key(config, key, value)
                           : opu_option_set(table, N_OPTIONS, &config->settings, WHERE, key, value);
}

int opu_train_config_get(const struct opu_train_config *config, const char *key, char *text,
                         size_t n)
{
    if (device_key(key)) {
        return opu_device_key_get(config->settings.feedback.device, key, text, n);
    }
    const struct opu_option *option = opu_option_find(table, N_OPTIONS, key);
    if (!option) {
        return opu_option_unknown(table, N_OPTIONS, WHERE, key);
    }
    return opu_option_format(option, &config->settings, text, n);
}

struct reading {
    struct opu_train_config *config;
    bool device_keys; /* the pass that takes these alone, once the device is known */
};

static int set_pair(void *user, const char *section, const char *key, const char *value)
{
    const struct reading *reading = user;
    char full[2 * KEY_SIZE];
    if (!*section) {
        return opu_fail(OPU_E_FORMAT, "\"%s\" stands before the first [section]", key);
    }
    (void)snprintf(full, sizeof full, "%.60s.%.60s", section, key);
    return device_key(full) == reading->device_keys
               ? opu_train_config_set(reading->config, full, value)
               : OPU_OK;
}

/* All of a text or nothing. A section [sim] may stand anywhere: it is read after the others. */
static int take_text(struct opu_train_config *config, const char *text, const char *where)
{
    struct opu_train_config next = *config;
    struct reading reading = {.config = &next};
    OPU_TRY(opu_ini_parse(text, where, set_pair, &reading));
    reading.device_keys = true;
    OPU_TRY(opu_ini_parse(text, where, set_pair, &reading));
    *config = next;
    return OPU_OK;
}

int opu_train_config_parse(struct opu_train_config *config, const char *text)
{
    return take_text(config, text, WHERE);
}

int opu_train_config_read(struct opu_train_config *config, const char *path)
{
    uint8_t *bytes = NULL;
    size_t n = 0;
    OPU_TRY(opu_file_read(config->context, path, MAX_INI, &bytes, &n));
    int const status = memchr(bytes, 0, n)
                           ? opu_fail(OPU_E_FORMAT, "%s: holds a zero byte, wanted text", path)
                           : take_text(config, (const char *)bytes, path);
    opu_context_free(config->context, bytes);
    return status;
}

/* Counts in *n, writes what fits. */
static int write_all(const struct opu_settings *settings, char *text, size_t size, size_t *n)
{
    char section[KEY_SIZE] = "", value[OPU_OPTION_TEXT_SIZE];
    *n = 0;
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const char *dot = strchr(table[i].key, '.');
        size_t const length = (size_t)(dot - table[i].key);
        if (strncmp(section, table[i].key, length) != 0 || section[length]) {
            (void)snprintf(section, sizeof section, "%.*s", (int)length, table[i].key);
            int const wrote = snprintf(*n < size ? text + *n : NULL, *n < size ? size - *n : 0,
                                       "%s[%s]\n", i ? "\n" : "", section);
            *n += (size_t)wrote;
        }
        OPU_TRY(opu_option_format(&table[i], settings, value, sizeof value));
        opu_ini_write(text, size, n, dot + 1, value);
    }
    return OPU_OK;
}

int opu_train_config_write(const struct opu_train_config *config, char **text)
{
    size_t n;
    *text = NULL;
    OPU_TRY(write_all(&config->settings, NULL, 0, &n));
    char *room = opu_calloc(config->context, n + 1, 1);
    if (!room) {
        return OPU_E_NO_MEMORY;
    }
    int const status = write_all(&config->settings, room, n + 1, &n);
    if (status < 0) {
        opu_context_free(config->context, room);
        return status;
    }
    *text = room;
    return OPU_OK;
}
