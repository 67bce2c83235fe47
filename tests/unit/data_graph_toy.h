/* SPDX-License-Identifier: MIT */
/* A graph of six nodes in files, which tests bend one array at a time. */
#ifndef OPU_TEST_DATA_GRAPH_TOY_H
#define OPU_TEST_DATA_GRAPH_TOY_H

#include "base_support.h"
#include "core/data/graph_data.h"

#include <opu/npy.h>

#define TOY_NODES 6
#define TOY_FEATURES 5
#define TOY_EDGES 5

/*
 * Node 5 has neither edge nor feature nor label. Edges in no order:
 *   0 - 1, 0 - 2, 1 - 2, 2 - 3, 3 - 4
 */
struct toy_graph {
    int32_t indptr[TOY_NODES + 1], indices[8], labels[TOY_NODES], edges[2 * TOY_EDGES];
    float values[8];
    int32_t part[3][2];
    size_t n_indptr, n_entries, n_labels, n_edges, n_part[3];
};

static const struct toy_graph toy_plain = {
    .indptr = {0, 2, 3, 5, 6, 8, 8},
    .indices = {0, 3, 1, 1, 4, 2, 0, 4},
    .values = {1, 1, 2, 0.5f, 0.25f, 4, 1, 3},
    .labels = {0, 1, 0, 1, 0, -1},
    .edges = {2, 0, 3, 1, 4, 0, 1, 2, 2, 3},
    .part = {{0, 1}, {2, 0}, {4, 3}},
    .n_indptr = TOY_NODES + 1,
    .n_entries = 8,
    .n_labels = TOY_NODES,
    .n_edges = TOY_EDGES,
    .n_part = {2, 1, 2},
};

static const char *const toy_files[OPU_GRAPH_DATA_FILES] = {
    "x_indptr.npy", "x_indices.npy", "x_values.npy", "labels.npy",
    "edges.npy",    "train_idx.npy", "val_idx.npy",  "test_idx.npy"};

static inline void toy_save(const struct folder *folder, const char *name, enum opu_dtype dtype,
                            size_t rows, size_t n, const void *data)
{
    char copy[256]; /* the array's data is not const */
    struct opu_array array = {.dtype = dtype, .rank = 1, .shape = {n}, .data = copy};
    if (rows > 0) {
        array.rank = 2;
        array.shape[0] = rows;
        array.shape[1] = n;
    }
    size_t const bytes = opu_array_count(&array) * opu_dtype_size(dtype);
    assert_true(bytes <= sizeof copy);
    memcpy(copy, data, bytes);
    struct path const path = folder_path(folder, name);
    assert_int_equal(opu_npy_write(path.text, &array), OPU_OK);
}

static inline void toy_graph_save(const struct folder *folder, const struct toy_graph *g)
{
    toy_save(folder, "x_indptr.npy", OPU_I32, 0, g->n_indptr, g->indptr);
    toy_save(folder, "x_indices.npy", OPU_I32, 0, g->n_entries, g->indices);
    toy_save(folder, "x_values.npy", OPU_F32, 0, g->n_entries, g->values);
    toy_save(folder, "labels.npy", OPU_I32, 0, g->n_labels, g->labels);
    toy_save(folder, "edges.npy", OPU_I32, 2, g->n_edges, g->edges);
    for (size_t part = 0; part < 3; part++) {
        toy_save(folder, toy_files[5 + part], OPU_I32, 0, g->n_part[part], g->part[part]);
    }
}

static inline void toy_graph_remove(const struct folder *folder)
{
    for (size_t i = 0; i < OPU_GRAPH_DATA_FILES; i++) {
        struct path const path = folder_path(folder, toy_files[i]);
        (void)unlink(path.text);
    }
    folder_remove(folder);
}

/* Whether two sparse matrices are the same bits, transpose and all. */
static inline void assert_same_array(const void *a, const void *b, size_t bytes)
{
    assert_int_equal(a != NULL, b != NULL);
    if (a && bytes > 0) {
        assert_memory_equal(a, b, bytes);
    }
}

static inline void assert_same_csr(const struct opu_csr *a, const struct opu_csr *b)
{
    assert_int_equal(a->rows, b->rows);
    assert_int_equal(a->columns, b->columns);
    assert_int_equal(a->count, b->count);
    assert_same_array(a->start, b->start, (a->rows + 1) * sizeof *a->start);
    assert_same_array(a->index, b->index, a->count * sizeof *a->index);
    assert_same_array(a->value, b->value, a->count * sizeof *a->value);
    assert_same_array(a->start_t, b->start_t, (a->columns + 1) * sizeof *a->start);
    assert_same_array(a->index_t, b->index_t, a->count * sizeof *a->index);
    assert_same_array(a->value_t, b->value_t, a->count * sizeof *a->value);
    assert_same_array(a->order_t, b->order_t, a->count * sizeof *a->order_t);
}

#endif
