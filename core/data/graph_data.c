/* SPDX-License-Identifier: MIT */
/*
 * Reads a graph's eight files, checks that they belong together, and takes their arrays over where
 * they can stay as they are.
 */
#include "core/data/graph_data.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <opu/npy.h>

#include "core/base/fail.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/data/graph_edges.h"
#include "core/data/places.h"

#define PATH_SIZE (OPU_PLACE_SIZE + 32)

enum { INDPTR, INDICES, VALUES, LABELS, EDGES, PARTS, N_FILES = PARTS + OPU_NODE_PARTS };

static const struct {
    const char *name;
    enum opu_dtype dtype;
    size_t rank;
} files[N_FILES] = {
    [INDPTR] = {"x_indptr.npy", OPU_I32, 1},
    [INDICES] = {"x_indices.npy", OPU_I32, 1},
    [VALUES] = {"x_values.npy", OPU_F32, 1},
    [LABELS] = {"labels.npy", OPU_I32, 1},
    [EDGES] = {"edges.npy", OPU_I32, 2},
    [PARTS + OPU_NODES_TRAIN] = {"train_idx.npy", OPU_I32, 1},
    [PARTS + OPU_NODES_VALID] = {"val_idx.npy", OPU_I32, 1},
    [PARTS + OPU_NODES_TEST] = {"test_idx.npy", OPU_I32, 1},
};

/* A folder while it is read; what the graph takes over is set to NULL here. */
struct folder {
    struct opu_context *context;
    char path[N_FILES][PATH_SIZE];
    struct opu_array array[N_FILES];
};

static const int32_t *ints(const struct folder *in, size_t file)
{
    return in->array[file].data;
}

static int find_folder(struct folder *in, const struct opu_places *places, const char *name)
{
    char list[320];
    for (size_t i = 0; i < places->n; i++) {
        for (size_t f = 0; f < N_FILES; f++) {
            (void)snprintf(in->path[f], PATH_SIZE, "%s/%s", places->dir[i], files[f].name);
        }
        struct stat seen;
        if (stat(in->path[EDGES], &seen) == 0) {
            return OPU_OK;
        }
    }
    opu_places_text(places, list, sizeof list);
    return opu_fail(OPU_E_NOT_FOUND, "no graph \"%s\" (%s) in %s; tools/get-data %s brings it",
                    name, files[EDGES].name, places->n ? list : "a folder whose name is too long",
                    name);
}

static int read_file(struct folder *in, size_t f, struct opu_dataset_file *file)
{
    uint8_t *bytes = NULL;
    size_t n = 0;
    struct opu_array *array = &in->array[f];
    OPU_TRY(opu_file_read(in->context, in->path[f], SIZE_MAX / 4, &bytes, &n));
    *file = (struct opu_dataset_file){files[f].name, opu_hash64(OPU_HASH_START, bytes, n)};
    int const status = opu_npy_parse(in->context, array, bytes, n);
    opu_context_free(in->context, bytes);
    if (status < 0) {
        return opu_fail(status, "%s: %s", in->path[f], opu_error_message());
    }
    if (array->dtype != files[f].dtype || array->rank != files[f].rank) {
        return opu_fail(OPU_E_FORMAT, "%s: %s with %zu dimensions, wanted %s with %zu", in->path[f],
                        opu_dtype_name(array->dtype), array->rank, opu_dtype_name(files[f].dtype),
                        files[f].rank);
    }
    return OPU_OK;
}

static int wrong_length(const struct folder *in, size_t f, size_t wanted, const char *of)
{
    return opu_fail(OPU_E_FORMAT, "%s: %zu elements, wanted %zu, one for each %s", in->path[f],
                    in->array[f].shape[0], wanted, of);
}

static int check_rows(const struct folder *in, size_t nodes, size_t entries)
{
    const int32_t *start = ints(in, INDPTR);
    if (start[0] != 0) {
        return opu_fail(OPU_E_FORMAT, "%s: element 0 is %" PRId32 ", wanted 0", in->path[INDPTR],
                        start[0]);
    }
    for (size_t i = 0; i < nodes; i++) {
        if (start[i + 1] < start[i]) {
            return opu_fail(OPU_E_FORMAT,
                            "%s: element %zu is %" PRId32 ", wanted at least %" PRId32,
                            in->path[INDPTR], i + 1, start[i + 1], start[i]);
        }
    }
    if ((size_t)start[nodes] != entries) {
        return opu_fail(OPU_E_FORMAT, "%s: element %zu is %" PRId32 ", wanted %zu as %s has",
                        in->path[INDPTR], nodes, start[nodes], entries, files[INDICES].name);
    }
    return OPU_OK;
}

/* One row's columns ascend and lie below `limit`, its values are finite. */
static int check_row(const struct folder *in, size_t i, size_t limit)
{
    const int32_t *start = ints(in, INDPTR), *column = ints(in, INDICES);
    const float *value = in->array[VALUES].data;
    for (size_t k = (size_t)start[i]; k < (size_t)start[i + 1]; k++) {
        if (column[k] < 0 || (size_t)column[k] >= limit) {
            return opu_fail(OPU_E_FORMAT,
                            "%s: element %zu (of node %zu) is %" PRId32 ", wanted 0 to %zu",
                            in->path[INDICES], k, i, column[k], limit - 1);
        }
        if (k > (size_t)start[i] && column[k] <= column[k - 1]) {
            return opu_fail(OPU_E_FORMAT,
                            "%s: element %zu (of node %zu) is %" PRId32
                            ", wanted more than %" PRId32 ": columns of a row ascend",
                            in->path[INDICES], k, i, column[k], column[k - 1]);
        }
        if (!isfinite(value[k])) {
            return opu_fail(OPU_E_FORMAT,
                            "%s: element %zu (node %zu, feature %" PRId32
                            ") is %g, wanted a finite number",
                            in->path[VALUES], k, i, column[k], (double)value[k]);
        }
    }
    return OPU_OK;
}

static int take_features(struct folder *in, struct opu_graph_data *graph, size_t features)
{
    size_t const entries = in->array[INDICES].shape[0];
    if (in->array[INDPTR].shape[0] < 2) {
        return opu_fail(OPU_E_FORMAT, "%s: %zu elements, wanted a start for each node and the end",
                        in->path[INDPTR], in->array[INDPTR].shape[0]);
    }
    graph->nodes = in->array[INDPTR].shape[0] - 1;
    if (entries == 0) {
        return opu_fail(OPU_E_FORMAT, "%s: no node has a feature", in->path[INDICES]);
    }
    if (in->array[VALUES].shape[0] != entries) {
        return wrong_length(in, VALUES, entries, "column index");
    }
    OPU_TRY(check_rows(in, graph->nodes, entries));
    size_t columns = 0;
    for (size_t i = 0; i < graph->nodes; i++) {
        OPU_TRY(check_row(in, i, features > 0 ? features : INT32_MAX));
        size_t const end = (size_t)ints(in, INDPTR)[i + 1];
        if (end > (size_t)ints(in, INDPTR)[i]) {
            size_t const last = (size_t)ints(in, INDICES)[end - 1];
            columns = last + 1 > columns ? last + 1 : columns;
        }
    }
    graph->x = (struct opu_csr){.rows = graph->nodes,
                                .columns = features > 0 ? features : columns,
                                .count = entries,
                                .start = in->array[INDPTR].data,
                                .index = in->array[INDICES].data,
                                .value = in->array[VALUES].data};
    in->array[INDPTR].data = in->array[INDICES].data = in->array[VALUES].data = NULL;
    return OPU_OK;
}

/* Without a number of classes given, a label that leaves lower ones unused is taken for a slip. */
static int check_gaps(const struct folder *in, size_t nodes, size_t classes, size_t highest)
{
    const int32_t *label = ints(in, LABELS);
    bool *seen = opu_calloc(in->context, classes, sizeof *seen);
    if (!seen) {
        return OPU_E_NO_MEMORY;
    }
    for (size_t i = 0; i < nodes; i++) {
        if (label[i] >= 0) {
            seen[label[i]] = true;
        }
    }
    size_t gap = 0;
    while (gap < classes && seen[gap]) {
        gap++;
    }
    opu_context_free(in->context, seen);
    return gap == classes
               ? OPU_OK
               : opu_fail(OPU_E_FORMAT, "%s: element %zu is %" PRId32 ", but no node has label %zu",
                          in->path[LABELS], highest, label[highest], gap);
}

static int take_labels(struct folder *in, struct opu_graph_data *graph, size_t classes)
{
    const int32_t *label = ints(in, LABELS);
    if (in->array[LABELS].shape[0] != graph->nodes) {
        return wrong_length(in, LABELS, graph->nodes, "node");
    }
    /* More classes than nodes would leave some without any. */
    size_t const limit = classes > 0 ? classes : graph->nodes;
    size_t highest = 0;
    for (size_t i = 0; i < graph->nodes; i++) {
        if (label[i] < -1 || (label[i] >= 0 && (size_t)label[i] >= limit)) {
            return opu_fail(OPU_E_FORMAT,
                            "%s: element %zu is %" PRId32 ", wanted 0 to %zu, or -1 for no label",
                            in->path[LABELS], i, label[i], limit - 1);
        }
        highest = label[i] > label[highest] ? i : highest;
    }
    graph->classes = classes > 0 ? classes : (size_t)(label[highest] + 1);
    if (classes == 0) {
        OPU_TRY(check_gaps(in, graph->nodes, graph->classes, highest));
    }
    graph->labels = in->array[LABELS].data;
    in->array[LABELS].data = NULL;
    return OPU_OK;
}

static int take_edges(struct folder *in, struct opu_graph_data *graph)
{
    const struct opu_array *edges = &in->array[EDGES];
    if (edges->shape[0] != 2) {
        return opu_fail(OPU_E_FORMAT,
                        "%s: %zu rows, wanted 2: an edge's two nodes stand in a column",
                        in->path[EDGES], edges->shape[0]);
    }
    graph->edges = edges->shape[1];
    const uint32_t *ends = edges->data;
    OPU_TRY(opu_edges_adjacency(in->context, &graph->adjacency, graph->nodes, ends,
                                ends + graph->edges, graph->edges, in->path[EDGES]));
    opu_array_free(in->context, &in->array[EDGES]);
    return OPU_OK;
}

/* owner[node]: 1 + the part that it is in. */
static int check_part(const struct folder *in, const struct opu_graph_data *graph, size_t part,
                      uint8_t *owner)
{
    const char *path = in->path[PARTS + part];
    const int32_t *node = ints(in, PARTS + part);
    size_t const n = in->array[PARTS + part].shape[0];
    if (n == 0) {
        return opu_fail(OPU_E_FORMAT, "%s: 0 nodes, wanted at least 1", path);
    }
    for (size_t i = 0; i < n; i++) {
        if (node[i] < 0 || (size_t)node[i] >= graph->nodes) {
            return opu_fail(OPU_E_FORMAT, "%s: element %zu is %" PRId32 ", wanted nodes 0 to %zu",
                            path, i, node[i], graph->nodes - 1);
        }
        if (owner[node[i]] > 0) {
            size_t const other = PARTS + (size_t)owner[node[i]] - 1;
            return opu_fail(OPU_E_FORMAT,
                            "%s: element %zu is %" PRId32
                            ", which is in %s already, wanted no node "
                            "twice",
                            path, i, node[i], files[other].name);
        }
        if (graph->labels[node[i]] < 0) {
            return opu_fail(OPU_E_FORMAT,
                            "%s: element %zu is %" PRId32 ", which has no label in %s", path, i,
                            node[i], files[LABELS].name);
        }
        owner[node[i]] = (uint8_t)(part + 1);
    }
    return OPU_OK;
}

static int take_parts(struct folder *in, struct opu_graph_data *graph)
{
    uint8_t *owner = opu_calloc(in->context, graph->nodes, sizeof *owner);
    int status = owner ? OPU_OK : OPU_E_NO_MEMORY;
    for (size_t part = 0; status == OPU_OK && part < OPU_NODE_PARTS; part++) {
        status = check_part(in, graph, part, owner);
        if (status == OPU_OK) {
            struct opu_array *array = &in->array[PARTS + part];
            graph->parts[part] = (struct opu_node_list){array->shape[0], array->data};
            array->data = NULL;
        }
    }
    opu_context_free(in->context, owner);
    return status;
}

static int read_folder(struct folder *in, struct opu_graph_data *graph,
                       const struct opu_graph_data_options *options)
{
    for (size_t f = 0; f < N_FILES; f++) {
        OPU_TRY(read_file(in, f, &graph->files[f]));
    }
    graph->n_files = N_FILES;
    OPU_TRY(take_features(in, graph, options->features));
    OPU_TRY(take_labels(in, graph, options->classes));
    OPU_TRY(take_edges(in, graph));
    return take_parts(in, graph);
}

int opu_graph_data_open(struct opu_graph_data **out, struct opu_context *context, const char *name,
                        const struct opu_graph_data_options *options)
{
    *out = NULL;
    struct opu_places places;
    struct opu_graph_data *graph = NULL;
    struct folder *in = opu_calloc(context, 1, sizeof *in);
    if (!in) {
        return OPU_E_NO_MEMORY;
    }
    in->context = context;
    opu_places_list(&places, options->dir, "citation", name);
    int status = find_folder(in, &places, name);
    if (status == OPU_OK) {
        status = opu_graph_data_create(&graph, context);
    }
    if (status == OPU_OK) {
        status = read_folder(in, graph, options);
    }
    for (size_t f = 0; f < N_FILES; f++) {
        opu_array_free(context, &in->array[f]);
    }
    opu_context_free(context, in);
    if (status < 0) {
        opu_graph_data_close(graph);
        return status;
    }
    *out = graph;
    return OPU_OK;
}

int opu_graph_data_create(struct opu_graph_data **out, struct opu_context *context)
{
    *out = opu_calloc(context, 1, sizeof **out);
    if (!*out) {
        return OPU_E_NO_MEMORY;
    }
    (*out)->context = context;
    return OPU_OK;
}

void opu_graph_data_close(struct opu_graph_data *graph)
{
    if (graph) {
        struct opu_context *context = graph->context;
        opu_csr_free(context, &graph->adjacency);
        opu_csr_free(context, &graph->x);
        opu_context_free(context, graph->labels);
        for (size_t part = 0; part < OPU_NODE_PARTS; part++) {
            opu_context_free(context, graph->parts[part].node);
        }
        opu_context_free(context, graph);
    }
}

int opu_graph_data_write(const struct opu_graph_data *graph, const char *dir)
{
    if (graph->nodes > INT32_MAX || graph->x.count > INT32_MAX) {
        return opu_fail(OPU_E_INVALID, "%zu nodes with %zu features, at most %" PRId32 " of each",
                        graph->nodes, graph->x.count, INT32_MAX);
    }
    uint32_t *edges = opu_calloc(graph->context, 2 * graph->edges, sizeof *edges);
    if (!edges) {
        return OPU_E_NO_MEMORY;
    }
    opu_edges_list(&graph->adjacency, edges, edges + graph->edges);
    struct opu_array arrays[N_FILES] = {
        [INDPTR] = {.shape = {graph->nodes + 1}, .data = graph->x.start},
        [INDICES] = {.shape = {graph->x.count}, .data = graph->x.index},
        [VALUES] = {.shape = {graph->x.count}, .data = graph->x.value},
        [LABELS] = {.shape = {graph->nodes}, .data = graph->labels},
        [EDGES] = {.shape = {2, graph->edges}, .data = edges},
    };
    int status = opu_dir_make(dir);
    for (size_t f = 0; status == OPU_OK && f < N_FILES; f++) {
        char path[PATH_SIZE];
        if (f >= PARTS) {
            arrays[f].shape[0] = graph->parts[f - PARTS].n;
            arrays[f].data = graph->parts[f - PARTS].node;
        }
        arrays[f].dtype = files[f].dtype;
        arrays[f].rank = files[f].rank;
        (void)snprintf(path, sizeof path, "%s/%s", dir, files[f].name);
        status = opu_npy_write(path, &arrays[f]);
    }
    opu_context_free(graph->context, edges);
    return status;
}
