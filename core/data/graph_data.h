/* SPDX-License-Identifier: MIT */
/*
 * A data set that is one graph: nodes with sparse features and labels, undirected edges, and which
 * nodes train, validate and test (Cora, CiteSeer, PubMed; Yang, Cohen, Salakhutdinov 2016, arXiv
 * 1603.08861). Memory goes with edges and feature entries.
 *
 * In files it is a folder of eight NumPy arrays:
 *   x_indptr int32 [nodes + 1], x_indices int32 [entries], x_values float32 [entries]: features by
 *     rows, columns ascending within a row;
 *   labels int32 [nodes]: 0 .. classes - 1, or -1 for none;
 *   edges int32 [2, edges]: each once, in any order;
 *   train_idx, val_idx, test_idx int32 [n]: nodes, none of them twice.
 */
#ifndef OPU_CORE_GRAPH_DATA_H
#define OPU_CORE_GRAPH_DATA_H

#include "core/base/csr.h"
#include "core/data/dataset.h"

enum opu_node_part {
    OPU_NODES_TRAIN = 0,
    OPU_NODES_VALID = 1,
    OPU_NODES_TEST = 2,
    OPU_NODE_PARTS = 3
};

struct opu_node_list {
    size_t n;
    uint32_t *node; /* as in the file */
};

#define OPU_GRAPH_DATA_FILES 8

struct opu_graph_data {
    struct opu_context *context;
    size_t nodes, edges, classes; /* an edge counts once */
    struct opu_csr adjacency;     /* both directions of every edge, no values, no self edges; the
                                     transpose shares its arrays */
    struct opu_csr x;             /* features [nodes][columns] as in the files, no transpose */
    int32_t *labels;              /* [nodes], -1: none */
    struct opu_node_list parts[OPU_NODE_PARTS];
    size_t n_files; /* for the manifest; 0 where made up */
    struct opu_dataset_file files[OPU_GRAPH_DATA_FILES];
};

struct opu_graph_data_options {
    const char *dir; /* the folder; "" or NULL: the usual places */
    size_t features; /* columns of the features; 0: the largest column seen */
    size_t classes;  /* 0: the largest label seen, and every label below it must occur */
};

/*
 * Reads and checks a graph ("cora"): looked for in $OPU_DATA_DIR/citation, $OPU_DATA_DIR and the
 * user's data folder ($XDG_DATA_HOME/opu, else ~/.local/share/opu). On failure *out is NULL.
 * OPU_E_NOT_FOUND (the sentence names the places), OPU_E_FORMAT (it names file, index, what was
 * seen and wanted), OPU_E_IO, OPU_E_NO_MEMORY.
 */
OPU_NODISCARD int opu_graph_data_open(struct opu_graph_data **out, struct opu_context *context,
                                      const char *name,
                                      const struct opu_graph_data_options *options);
void opu_graph_data_close(struct opu_graph_data *graph);

/* Writes the eight files into a folder, which is made. OPU_E_IO, OPU_E_INVALID (more than int32
 * counts), OPU_E_NO_MEMORY. */
OPU_NODISCARD int opu_graph_data_write(const struct opu_graph_data *graph, const char *dir);

struct opu_graph_random {
    size_t nodes;
    size_t edges;     /* distinct, at most a half of all pairs */
    size_t features;  /* columns */
    size_t per_node;  /* features that a node has, 1 .. features; 0: 16 or all */
    size_t classes;   /* node i is of class i % classes; at least 2, at most nodes and 2^20 */
    double homophily; /* share of the edges that is drawn within a class, 0 .. 1 */
    size_t parts[OPU_NODE_PARTS]; /* the first so many nodes train, the next validate, the last
                                     test; at least 1 each */
    uint64_t seed;
};

/*
 * Makes a graph up. Edges are the first distinct pairs of a stream of uniform draws, so that
 * without homophily every set of edges is as likely as any other. A feature is 1 + u on columns
 * that a node's class favours (column % classes == class), else u, u uniform in (0, 1): classes can
 * be learnt. Each draw is keyed by (seed, OPU_STREAM_GRAPH, its place). OPU_E_INVALID,
 * OPU_E_NO_MEMORY.
 */
OPU_NODISCARD int opu_graph_data_random(struct opu_graph_data **out, struct opu_context *context,
                                        const struct opu_graph_random *options);

/* For the files here: an empty one. */
OPU_NODISCARD int opu_graph_data_create(struct opu_graph_data **out, struct opu_context *context);

#endif
