/* SPDX-License-Identifier: MIT */
/* Matrices made on demand, by kind and by whether they have an order. */
#include "core/data/graph_store.h"

#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"

struct opu_graph_store {
    struct opu_context *context;
    const struct opu_csr *adjacency, *features;
    struct opu_csr feature[2][2];               /* by normalise, order */
    struct opu_csr matrix[OPU_MATRIX_KINDS][2]; /* by order */
    int32_t *rows[OPU_MATRIX_KINDS];
    float *degree;
};

int opu_graph_store_create(struct opu_graph_store **out, struct opu_context *context,
                           const struct opu_csr *adjacency, const struct opu_csr *features)
{
    *out = opu_calloc(context, 1, sizeof **out);
    if (!*out) {
        return OPU_E_NO_MEMORY;
    }
    **out =
        (struct opu_graph_store){.context = context, .adjacency = adjacency, .features = features};
    return OPU_OK;
}

void opu_graph_store_destroy(struct opu_graph_store *store)
{
    if (!store) {
        return;
    }
    for (size_t order = 0; order < 2; order++) {
        opu_csr_free(store->context, &store->feature[0][order]);
        opu_csr_free(store->context, &store->feature[1][order]);
        for (size_t kind = 0; kind < OPU_MATRIX_KINDS; kind++) {
            opu_csr_free(store->context, &store->matrix[kind][order]);
        }
    }
    for (size_t kind = 0; kind < OPU_MATRIX_KINDS; kind++) {
        opu_context_free(store->context, store->rows[kind]);
    }
    opu_context_free(store->context, store->degree);
    opu_context_free(store->context, store);
}

size_t opu_graph_store_nodes(const struct opu_graph_store *store)
{
    return store->adjacency->rows;
}

const struct opu_csr *opu_graph_store_adjacency(const struct opu_graph_store *store)
{
    return store->adjacency;
}

int opu_graph_store_features(struct opu_graph_store *store, bool normalise, bool order,
                             const struct opu_csr **out)
{
    struct opu_csr *const x = &store->feature[normalise][order];
    const struct opu_csr *const from = store->features;
    *out = NULL;
    if (!x->start) {
        struct opu_csr made;
        OPU_TRY(opu_csr_alloc(store->context, &made, from->rows, from->columns, from->count, true));
        memcpy(made.start, from->start, (from->rows + 1) * sizeof *made.start);
        memcpy(made.index, from->index, from->count * sizeof *made.index);
        for (size_t i = 0; i < from->count; i++) {
            made.value[i] = from->value ? from->value[i] : 1;
        }
        if (normalise) {
            opu_csr_normalise_rows(&made);
        }
        int const status =
            opu_csr_transpose(store->context, &made, order ? (unsigned)OPU_CSR_ORDER : 0);
        if (status < 0) {
            opu_csr_free(store->context, &made);
            return status;
        }
        *x = made;
    }
    *out = x;
    return OPU_OK;
}

int opu_graph_store_matrix(struct opu_graph_store *store, enum opu_graph_matrix_kind kind,
                           bool order, const struct opu_csr **out)
{
    struct opu_csr *const matrix = &store->matrix[kind][order];
    *out = NULL;
    if (!matrix->start) {
        OPU_TRY(opu_graph_matrix(store->context, matrix, store->adjacency, kind, order));
    }
    *out = matrix;
    return OPU_OK;
}

int opu_graph_store_rows(struct opu_graph_store *store, enum opu_graph_matrix_kind kind,
                         const int32_t **out)
{
    *out = NULL;
    if (!store->rows[kind]) {
        bool const ordered = store->matrix[kind][1].start != NULL;
        const struct opu_csr *matrix;
        OPU_TRY(opu_graph_store_matrix(store, kind, ordered, &matrix));
        store->rows[kind] =
            opu_calloc(store->context, matrix->count + 1, sizeof *store->rows[kind]);
        if (!store->rows[kind]) {
            return OPU_E_NO_MEMORY;
        }
        for (size_t i = 0; i < matrix->rows; i++) {
            for (uint32_t k = matrix->start[i]; k < matrix->start[i + 1]; k++) {
                store->rows[kind][k] = (int32_t)i;
            }
        }
    }
    *out = store->rows[kind];
    return OPU_OK;
}

int opu_graph_store_degree(struct opu_graph_store *store, const float **out)
{
    *out = NULL;
    if (!store->degree) {
        size_t const nodes = store->adjacency->rows;
        uint32_t const most = opu_graph_max_degree(store->adjacency);
        store->degree = opu_calloc(store->context, nodes, sizeof *store->degree);
        if (!store->degree) {
            return OPU_E_NO_MEMORY;
        }
        for (size_t i = 0; i < nodes && most > 0; i++) {
            store->degree[i] = (float)opu_graph_degree(store->adjacency, i) / (float)most;
        }
    }
    *out = store->degree;
    return OPU_OK;
}
