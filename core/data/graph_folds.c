/* SPDX-License-Identifier: MIT */
/* Stratified folds: nodes by class, shuffled, dealt out. */
#include "core/data/graph_folds.h"

#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/base/rng.h"

/* Fisher-Yates by draws keyed by the class. */
static void shuffle(uint32_t *node, size_t n, uint64_t seed, uint32_t label)
{
    struct opu_philox4 block = {{0}};
    for (size_t i = 0; i + 1 < n; i++) {
        if (i % 4 == 0) {
            block = opu_philox(seed, OPU_STREAM_FOLDS, label, i / 4);
        }
        size_t const k = i + (size_t)(((uint64_t)block.v[i % 4] * (n - i)) >> 32);
        uint32_t const swap = node[i];
        node[i] = node[k];
        node[k] = swap;
    }
}

/* fold[node]: dealt class by class. */
static void deal(const int32_t *labels, size_t nodes, size_t classes, uint64_t seed,
                 uint32_t *members, uint8_t *fold)
{
    size_t dealt = 0;
    for (size_t label = 0; label < classes; label++) {
        size_t n = 0;
        for (size_t i = 0; i < nodes; i++) {
            members[n] = (uint32_t)i;
            n += labels[i] == (int32_t)label;
        }
        shuffle(members, n, seed, (uint32_t)label);
        for (size_t i = 0; i < n; i++) {
            fold[members[i]] = (uint8_t)(dealt++ % OPU_FOLDS);
        }
    }
}

int opu_graph_folds(struct opu_context *context, const int32_t *labels, size_t nodes,
                    size_t classes, uint64_t seed, uint32_t *room,
                    struct opu_node_list parts[OPU_NODE_PARTS])
{
    /* One more than the nodes: deal() writes where the next member would stand. */
    uint32_t *const members = opu_calloc(context, nodes + 1, sizeof *members);
    uint8_t *const fold = opu_calloc(context, nodes + 1, 1);
    int status = members && fold ? OPU_OK : OPU_E_NO_MEMORY;
    uint32_t *to = room;
    if (status == OPU_OK) {
        memset(fold, OPU_FOLDS, nodes);
        deal(labels, nodes, classes, seed, members, fold);
    }
    for (int part = 0; part < OPU_NODE_PARTS && status == OPU_OK; part++) {
        parts[part] = (struct opu_node_list){.node = to};
        for (size_t i = 0; i < nodes; i++) {
            bool const here = part < 2 ? fold[i] == part : fold[i] >= 2 && fold[i] < OPU_FOLDS;
            if (here) {
                *to++ = (uint32_t)i;
            }
        }
        parts[part].n = (size_t)(to - parts[part].node);
        if (parts[part].n == 0) {
            status = opu_fail(OPU_E_INVALID,
                              "data.split = folds: part %d of 3 has no node; %zu nodes with a "
                              "label were wanted, at least",
                              part + 1, (size_t)3);
        }
    }
    opu_context_free(context, members);
    opu_context_free(context, fold);
    return status;
}
