/* SPDX-License-Identifier: MIT */
/*
 * Labelled nodes in five stratified folds: the first trains, the second validates, the others test.
 */
#ifndef OPU_CORE_GRAPH_FOLDS_H
#define OPU_CORE_GRAPH_FOLDS_H

#include "core/data/graph_data.h"

#define OPU_FOLDS 5

/*
 * Within each class the nodes are shuffled by draws of (seed, OPU_STREAM_FOLDS, class) and dealt
 * out in turn, each class going on where the one before it stopped: folds differ by at most one
 * node, in each class and in all. parts point into room [nodes], which the caller keeps; nodes
 * ascend within a part. Nodes with label -1 are in none. OPU_E_INVALID (too few labelled nodes),
 * OPU_E_NO_MEMORY.
 */
OPU_NODISCARD int opu_graph_folds(struct opu_context *context, const int32_t *labels, size_t nodes,
                                  size_t classes, uint64_t seed, uint32_t *room,
                                  struct opu_node_list parts[OPU_NODE_PARTS]);

#endif
