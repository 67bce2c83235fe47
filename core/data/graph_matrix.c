/* SPDX-License-Identifier: MIT */
/*
 * Normalised adjacencies. Each entry depends on its two nodes' degrees alone, so rows are filled
 * side by side without a sum between them.
 */
#include "core/data/graph_matrix.h"

#include <assert.h>
#include <math.h>

#include "core/base/fail.h"
#include "core/base/mem.h"

/* How an entry follows from row scale r and column scale c: factor r_i c_j. */
struct recipe {
    bool diagonal, values, symmetric;
    bool self_degree;           /* the degree counts the node itself */
    double factor, on_diagonal; /* on_diagonal: NaN: as the other entries */
    double row_power, column_power;
};

static const struct recipe recipes[OPU_MATRIX_KINDS] = {
    [OPU_MATRIX_GCN] = {true, true, true, true, 1, (double)NAN, -0.5, -0.5},
    [OPU_MATRIX_CHEB] = {false, true, true, false, -1, 0, -0.5, -0.5},
    [OPU_MATRIX_MEAN] = {false, true, false, false, 1, 0, -1, 0},
    [OPU_MATRIX_SELF] = {true, false, true, true, 1, 1, 0, 0},
};

/* degree^power for the three powers there are; 0 for a node without any. */
static double scale(double degree, double power)
{
    if (degree == 0) {
        return 0;
    }
    return power == 0 ? 1 : power == -1 ? 1 / degree : 1 / sqrt(degree);
}

static void fill_scales(const struct opu_csr *a, const struct recipe *how, double power,
                        double *out)
{
    double const self = how->self_degree ? 1 : 0;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < a->rows; i++) {
        out[i] = scale((double)opu_graph_degree(a, i) + self, power);
    }
}

static float entry(const struct recipe *how, const double *row, const double *column, size_t i,
                   size_t j)
{
    if (i == j && !isnan(how->on_diagonal)) {
        return (float)how->on_diagonal;
    }
    return (float)(how->factor * row[i] * column[j]);
}

/* The row of a, and the node itself in its place where the diagonal is wanted. */
static void fill_row(struct opu_csr *m, const struct opu_csr *a, const struct recipe *how,
                     const double *row, const double *column, size_t i)
{
    uint32_t to = m->start[i];
    bool missing = how->diagonal;
    for (uint32_t k = a->start[i]; k <= a->start[i + 1]; k++) {
        bool const end = k == a->start[i + 1];
        if (missing && (end || a->index[k] > i)) {
            m->index[to++] = (uint32_t)i;
            missing = false;
        }
        if (!end) {
            m->index[to++] = a->index[k];
        }
    }
    for (uint32_t k = m->start[i]; m->value && k < to; k++) {
        m->value[k] = entry(how, row, column, i, m->index[k]);
    }
}

static int make(struct opu_context *context, struct opu_csr *m, const struct opu_csr *a,
                const struct recipe *how, unsigned flags)
{
    size_t const own = how->diagonal ? 1 : 0;
    OPU_TRY(opu_csr_alloc(context, m, a->rows, a->rows, a->count + own * a->rows, how->values));
    double *row = opu_calloc(context, a->rows, sizeof *row);
    double *column = opu_calloc(context, a->rows, sizeof *column);
    int status = row && column ? OPU_OK : OPU_E_NO_MEMORY;
    if (status == OPU_OK) {
        fill_scales(a, how, how->row_power, row);
        fill_scales(a, how, how->column_power, column);
        for (size_t i = 0; i <= a->rows; i++) {
            m->start[i] = (uint32_t)(a->start[i] + own * i);
        }
#pragma omp parallel for schedule(static)
        for (size_t i = 0; i < a->rows; i++) {
            fill_row(m, a, how, row, column, i);
        }
        status = opu_csr_transpose(context, m, flags);
    }
    opu_context_free(context, row);
    opu_context_free(context, column);
    if (status < 0) {
        opu_csr_free(context, m);
    }
    return status;
}

int opu_graph_matrix(struct opu_context *context, struct opu_csr *out,
                     const struct opu_csr *adjacency, enum opu_graph_matrix_kind kind, bool order)
{
    const struct recipe *how = &recipes[kind];
    unsigned const flags = how->symmetric ? OPU_CSR_SYMMETRIC : OPU_CSR_SYMMETRIC_PATTERN;
    return make(context, out, adjacency, how, flags | (order ? OPU_CSR_ORDER : 0u));
}

int opu_graph_cheb(struct opu_context *context, struct opu_csr *out,
                   const struct opu_csr *adjacency, double lambda)
{
    *out = (struct opu_csr){0};
    if (!(lambda > 0) || isinf(lambda)) {
        return opu_fail(OPU_E_INVALID, "largest eigenvalue %g, wanted a positive number", lambda);
    }
    struct recipe how = recipes[OPU_MATRIX_CHEB];
    how.factor = -2 / lambda;
    how.on_diagonal = 2 / lambda - 1;
    how.diagonal = lambda < 2 || lambda > 2;
    return make(context, out, adjacency, &how, OPU_CSR_SYMMETRIC);
}

uint32_t opu_graph_max_degree(const struct opu_csr *adjacency)
{
    uint32_t most = 0;
    for (size_t i = 0; i < adjacency->rows; i++) {
        uint32_t const degree = opu_graph_degree(adjacency, i);
        most = degree > most ? degree : most;
    }
    return most;
}

static double row_sum(const struct opu_csr *csr, size_t i)
{
    double sum = 0;
    for (uint32_t k = csr->start[i]; k < csr->start[i + 1]; k++) {
        sum += (double)csr->value[k];
    }
    return sum;
}

void opu_csr_normalise_rows(struct opu_csr *csr)
{
    assert(csr->value && !csr->value_t);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < csr->rows; i++) {
        double const sum = row_sum(csr, i);
        for (uint32_t k = csr->start[i]; sum != 0 && k < csr->start[i + 1]; k++) {
            csr->value[k] = (float)((double)csr->value[k] / sum);
        }
    }
}
