/* SPDX-License-Identifier: MIT */
/* What is measured between epochs: loss and accuracy of the evaluation rows, alignment, and the
 * optics. */
#include "core/train/trainer.h"

#include <inttypes.h>
#include <math.h>

#include "core/base/fail.h"

/* Rows first .. first + n - 1 of a split into a net's inputs. */
static void fill(struct opu_trainer *trainer, struct opu_net *net, enum opu_split split,
                 size_t first, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        trainer->rows[i] = (uint32_t)(first + i);
    }
    opu_dataset_fill(trainer->data, split, trainer->rows, n,
                     opu_graph_input_data(net->graph, net->values.input),
                     opu_graph_input_data(net->graph, net->values.labels));
}

int opu_trainer_evaluate(struct opu_trainer *trainer)
{
    struct opu_net *net = &trainer->evaluate;
    size_t const n_rows = trainer->data->info.n_rows[OPU_SPLIT_EVALUATE];
    struct opu_running sum = {0};
    for (size_t first = 0; first < n_rows; first += net->max_rows) {
        size_t const n = n_rows - first < net->max_rows ? n_rows - first : net->max_rows;
        fill(trainer, net, OPU_SPLIT_EVALUATE, first, n);
        opu_graph_forward(net->graph, n, false, 0);
        sum.loss += opu_graph_loss(net->graph) * (double)n;
        sum.correct += opu_graph_correct(net->graph);
        sum.rows += n;
    }
    if (!isfinite(sum.loss)) {
        return opu_fail(OPU_E_NUMERIC, "the loss on the evaluation rows is %g after epoch %" PRIu64,
                        sum.loss, trainer->at.epochs);
    }
    trainer->at.test_loss = opu_running_loss(&sum);
    trainer->at.test_accuracy = opu_running_accuracy(&sum);
    return OPU_OK;
}

int opu_trainer_align(struct opu_trainer *trainer)
{
    struct opu_net *net = &trainer->twin;
    size_t const all = trainer->data->info.n_rows[OPU_SPLIT_TRAIN];
    uint64_t const wanted = trainer->config.settings.align_rows;
    size_t const n_rows = wanted < all ? (size_t)wanted : all;
    opu_alignment_reset(trainer->alignment);
    for (size_t first = 0; first < n_rows; first += net->max_rows) {
        size_t const n = n_rows - first < net->max_rows ? n_rows - first : net->max_rows;
        fill(trainer, net, OPU_SPLIT_TRAIN, first, n);
        OPU_TRY(opu_alignment_measure(trainer->alignment, n));
    }
    size_t n_taps;
    const struct opu_tap_alignment *taps = opu_alignment_result(trainer->alignment, &n_taps);
    for (size_t i = 0; i < n_taps; i++) {
        trainer->taps[i] = taps[i];
    }
    trainer->n_taps = n_taps;
    return OPU_OK;
}

struct opu_optical opu_trainer_optical(const struct opu_trainer *trainer)
{
    struct opu_optical sum = trainer->at.optical;
    if (!trainer->device) {
        return sum;
    }
    struct opu_device_stats now = {.size = sizeof now};
    (void)opu_device_statistics(trainer->device, &now); /* can't fail: its size is set */
    const struct opu_device_stats *base = &trainer->optical_base;
    /* Frames that were lost and sent again are one each: metrics are the seed's, whatever the line
     * does. */
    sum.frames += (now.frames - now.retries) - (base->frames - base->retries);
    sum.pixels += now.pixels - base->pixels;
    sum.saturated += now.saturated - base->saturated;
    sum.seconds += now.optical_s - base->optical_s;
    sum.joules += now.optical_j - base->optical_j;
    return sum;
}
