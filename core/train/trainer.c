/* SPDX-License-Identifier: MIT */
/* Makes a trainer: data, graphs, optimiser, device, then the run folder. */
#include "core/train/trainer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <opu/backend.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/base/number.h"

#define MAX_WIDTH 65536

/* "1024,1024" -> widths; "" has none. */
static int parse_hidden(const char *text, struct opu_model_options *options)
{
    while (*text) {
        size_t const n = strcspn(text, ",");
        char digits[16] = "";
        uint64_t width = 0;
        if (n < sizeof digits) {
            memcpy(digits, text, n);
        }
        bool const good = opu_number_uint(&width, digits) && width >= 1 && width <= MAX_WIDTH;
        if (!good || options->n_hidden == OPU_MODEL_MAX_HIDDEN || (text[n] && !text[n + 1])) {
            return opu_fail(OPU_E_INVALID,
                            "model.hidden: saw \"%.60s\", wanted at most %d widths from 1 to %d "
                            "with commas between them",
                            text, OPU_MODEL_MAX_HIDDEN, MAX_WIDTH);
        }
        options->hidden[options->n_hidden++] = (size_t)width;
        text += n + (text[n] == ',');
    }
    return OPU_OK;
}

static int open_task(struct opu_trainer *t)
{
    const struct opu_settings *s = &t->config.settings;
    char name[OPU_OPTION_TEXT_SIZE];
    OPU_TRY(opu_train_config_get(&t->config, "model.name", name, sizeof name));
    OPU_TRY(opu_model_find(&t->architecture, name));
    OPU_TRY(opu_task_open(&t->task, t->context, s, t->architecture));
    t->model = (struct opu_model_options){
        .size = sizeof t->model,
        .activation = (enum opu_activation)s->activation,
        .heads = (size_t)s->heads,
        .groups = (size_t)s->groups,
        .dropout = s->dropout,
        .dropout_features = s->dropout_features,
        .dropout_attention = s->dropout_attention,
    };
    t->task->ops->describe(t->task, &t->model);
    return parse_hidden(s->hidden, &t->model);
}

static int make_net(struct opu_trainer *t, struct opu_net *net, const struct opu_graph_plan *plan)
{
    OPU_TRY(opu_graph_create(&net->graph, t->context));
    OPU_TRY(t->architecture->build(net->graph, &t->model, &net->values));
    net->max_rows = plan->max_rows;
    return opu_graph_plan(net->graph, plan);
}

static int make_nets(struct opu_trainer *t)
{
    const struct opu_settings *s = &t->config.settings;
    struct opu_graph_plan const train = {
        .size = sizeof train,
        .method = (enum opu_method)s->method,
        .max_rows = t->task->train_rows,
        .seed = s->seed,
        .backward = true,
    };
    OPU_TRY(make_net(t, &t->train, &train));
    struct opu_graph_plan const evaluate = {
        .size = sizeof evaluate,
        .method = (enum opu_method)s->method,
        .max_rows = t->task->evaluate_rows,
        .params_of = t->train.graph,
    };
    OPU_TRY(make_net(t, &t->evaluate, &evaluate));
    OPU_TRY(opu_optim_init(&t->optim, t->context, &s->optim, opu_graph_params(t->train.graph)));
    return opu_optim_decay_only(&t->optim, t->train.graph, s->optim.decay_only);
}

static int open_device(struct opu_trainer *t)
{
    const struct opu_feedback_settings *f = &t->config.settings.feedback;
    static const int rescale[] = {
        [OPU_RESCALE_AUTO] = 0, [OPU_RESCALE_YES] = 1, [OPU_RESCALE_NO] = -1};
    struct opu_feedback_options const options = {
        .size = sizeof options,
        .encode = *f->encode ? f->encode : NULL,
        .readout = *f->readout ? f->readout : NULL,
        .rescale = rescale[f->rescale],
        .seed = f->seed ? f->seed : t->config.settings.seed,
        .bits = (uint32_t)f->bits,
        .spread = (size_t)f->spread,
        .spread_by = t->task->spread,
    };
    if (f->spread > 0 && !t->task->spread) {
        return opu_fail(OPU_E_INVALID,
                        "feedback.spread = %" PRIu64 ": the data is no graph that an error could "
                        "be spread over, wanted 0",
                        f->spread);
    }
    OPU_TRY(opu_device_open(&t->device, t->context, f->device));
    OPU_TRY(opu_feedback_create(&t->feedback, t->device, t->train.graph, &options));
    t->optical_base = (struct opu_device_stats){.size = sizeof t->optical_base};
    t->at.calibrated = opu_device_clock(t->device);
    t->at.calibration_frames = t->at.calibrated; /* the clock began at 0 */
    return OPU_OK;
}

static int make_alignment(struct opu_trainer *t)
{
    struct opu_graph_plan const plan = {
        .size = sizeof plan,
        .method = OPU_METHOD_BP,
        .max_rows = t->train.max_rows,
        .backward = true,
        .no_param_grads = true,
        .params_of = t->train.graph,
    };
    OPU_TRY(make_net(t, &t->twin, &plan));
    OPU_TRY(opu_alignment_create(&t->alignment, t->twin.graph, t->feedback));
    t->taps = opu_calloc(t->context, opu_graph_taps(t->twin.graph), sizeof *t->taps);
    return t->taps ? OPU_OK : OPU_E_NO_MEMORY;
}

/* What the folder says about the run itself; written anew when it is resumed. */
static int describe_run(struct opu_trainer *t, bool resume)
{
    char *text;
    OPU_TRY(opu_train_config_write(&t->config, &text));
    int const status = opu_folder_write(&t->folder, "config.ini", text);
    opu_context_free(t->context, text);
    OPU_TRY(status);
    return opu_manifest_write(t, resume);
}

/* rehearse: the folder is read at most. */
static int make(struct opu_trainer *t, const char *run_dir, bool resume, bool rehearse)
{
    OPU_TRY(opu_folder_open(&t->folder, run_dir, resume));
    OPU_TRY(open_task(t));
    OPU_TRY(make_nets(t));
    if (t->config.settings.method == OPU_METHOD_DFA) {
        OPU_TRY(open_device(t));
        if (t->config.settings.align_every > 0) {
            OPU_TRY(make_alignment(t));
        }
    }
    t->folder.read_only = rehearse;
    OPU_TRY(resume ? opu_checkpoint_read(t) : opu_folder_start(&t->folder));
    return describe_run(t, resume);
}

static int create(struct opu_trainer **out, struct opu_context *context,
                  const struct opu_train_config *config, const char *run_dir, bool resume,
                  bool rehearse)
{
    *out = NULL;
    struct opu_trainer *t = opu_calloc(context, 1, sizeof *t);
    if (!t) {
        return OPU_E_NO_MEMORY;
    }
    double const none = (double)NAN;
    *t = (struct opu_trainer){.context = context, .config = *config};
    t->config.context = context;
    t->at.train_loss = t->at.train_accuracy = none;
    t->at.scores = (struct opu_scores){none, none, none, none, none, none, none, none};
    t->at.best = (struct opu_best){.valid_accuracy = none, .test_accuracy = none};
    t->at.correlation = t->at.correlation_lowest = none;
    int const status = make(t, run_dir, resume, rehearse);
    if (status < 0) {
        opu_trainer_destroy(t);
        return status;
    }
    *out = t;
    return OPU_OK;
}

int opu_trainer_create(struct opu_trainer **out, struct opu_context *context,
                       const struct opu_train_config *config, const char *run_dir, bool resume)
{
    return create(out, context, config, run_dir, resume, false);
}

int opu_trainer_rehearse(struct opu_trainer **out, struct opu_context *context,
                         const struct opu_train_config *config, const char *run_dir)
{
    return create(out, context, config, run_dir, run_dir != NULL, true);
}

void opu_trainer_destroy(struct opu_trainer *trainer)
{
    if (!trainer) {
        return;
    }
    opu_alignment_destroy(trainer->alignment);
    opu_feedback_destroy(trainer->feedback);
    opu_device_close(trainer->device);
    opu_optim_fini(&trainer->optim);
    opu_graph_destroy(trainer->twin.graph);
    opu_graph_destroy(trainer->evaluate.graph);
    opu_graph_destroy(trainer->train.graph);
    opu_task_close(trainer->task);
    opu_folder_close(&trainer->folder);
    opu_context_free(trainer->context, trainer->taps);
    opu_context_free(trainer->context, trainer);
}

int opu_trainer_result(const struct opu_trainer *trainer, struct opu_train_result *result)
{
    size_t const size = result->size;
    if (size < sizeof result->size) {
        return opu_fail(OPU_E_INVALID, "struct opu_train_result has size %zu, wanted %zu", size,
                        sizeof *result);
    }
    const struct opu_position *at = &trainer->at;
    const struct opu_projection *projection =
        trainer->feedback ? opu_feedback_projection(trainer->feedback) : NULL;
    struct opu_optical const optical = opu_trainer_optical(trainer);
    struct opu_train_result const now = {
        .size = size,
        .epochs = at->epochs,
        .train_loss = at->train_loss,
        .train_accuracy = at->train_accuracy,
        .test_loss = at->scores.test_loss,
        .test_accuracy = at->scores.test_accuracy,
        .n_taps = trainer->n_taps,
        .alignment = trainer->taps,
        .seconds = at->seconds,
        .rows_per_second = at->seconds > 0 ? (double)at->rows / at->seconds : 0,
        .frames = optical.frames,
        .optical_s = optical.seconds,
        .optical_j = optical.joules,
        .saturated_share = optical.pixels ? (double)optical.saturated / (double)optical.pixels : 0,
        .parameters = opu_graph_param_total(trainer->train.graph),
        .identity = projection ? opu_projection_identity(projection) : "",
        .projection = projection ? opu_projection_describe(projection) : "",
        .probes = at->probes,
        .recalibrations = at->recalibrations,
        .correlation = at->correlation,
        .correlation_lowest = at->correlation_lowest,
        .valid_loss = at->scores.valid_loss,
        .valid_accuracy = at->scores.valid_accuracy,
        .best_epoch = at->best.epoch,
        .best_valid_accuracy = at->best.valid_accuracy,
        .best_test_accuracy = at->best.test_accuracy,
        .valid_auc = at->scores.valid_auc,
        .valid_ap = at->scores.valid_ap,
        .test_auc = at->scores.test_auc,
        .test_ap = at->scores.test_ap,
    };
    /* A program built against an older header has a shorter struct. */
    memcpy(result, &now, size < sizeof now ? size : sizeof now);
    return OPU_OK;
}
