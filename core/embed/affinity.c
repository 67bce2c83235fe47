/* SPDX-License-Identifier: MIT */
/* Conditional weights of each point by bisection, and their symmetric mean: in place where all
 * pairs stand, by a transposed list where only neighbours do. */
#include "core/embed/affinity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"

#define STEPS 100
#define BETA_MOST 1e30

double opu_affinity_fit(const struct opu_embed_kernels *kernels, float *p, const float *excess,
                        size_t n, double perplexity)
{
    double const wanted = log(perplexity);
    double mean = 0.0;
    for (size_t j = 0; j < n; j++) {
        mean += (double)excess[j];
    }
    mean /= (double)n;
    double low = 0.0, high = (double)INFINITY, entropy = 0.0;
    double beta = mean > 1.0 / BETA_MOST ? 1.0 / mean : 1.0;
    struct opu_embed_entropy sums = {0};
    for (int step = 0; step < STEPS; step++) {
        sums = kernels->entropy(p, excess, n, (float)beta);
        entropy = log(sums.sum) + (double)(float)beta * sums.moment / sums.sum;
        double const off = entropy - wanted;
        if (fabs(off) < 1e-6 || (off > 0.0 && beta >= BETA_MOST)) {
            break;
        }
        *(off > 0.0 ? &low : &high) = beta;
        beta = isinf(high) ? fmin(2.0 * beta, BETA_MOST) : 0.5 * (low + high);
    }
    float const scale = (float)(1.0 / sums.sum);
    for (size_t j = 0; j < n; j++) {
        p[j] *= scale;
    }
    return exp(entropy);
}

/* What the visits of rows share. */
struct fitting {
    const struct opu_embed_kernels *kernels;
    size_t n, k;
    double perplexity;
    float *all;         /* [n][n], or NULL and the two below */
    uint32_t *nearest;  /* [n][k], ascending */
    float *conditional; /* [n][k] */
    double *reached;    /* [n] */
};

static int by_point(const void *a, const void *b)
{
    uint32_t const i = opu_key_point(*(const uint64_t *)a), j = opu_key_point(*(const uint64_t *)b);
    return (i > j) - (i < j);
}

static void take_off_least(float *x, size_t n)
{
    float least = x[0];
    for (size_t j = 1; j < n; j++) {
        least = x[j] < least ? x[j] : least;
    }
    for (size_t j = 0; j < n; j++) {
        x[j] -= least;
    }
}

/* scratch: [k] keys, [k] excesses */
static void fit_nearest(void *user, size_t row, const float *distances, void *scratch)
{
    const struct fitting *const fitting = user;
    size_t const k = fitting->k;
    uint64_t *const keys = scratch;
    void *const after = keys + k;
    float *const excess = after;
    uint32_t *const nearest = fitting->nearest + row * k;
    opu_nearest(keys, k, distances, fitting->n, row);
    qsort(keys, k, sizeof *keys, by_point);
    for (size_t j = 0; j < k; j++) {
        nearest[j] = opu_key_point(keys[j]);
        excess[j] = distances[nearest[j]];
    }
    take_off_least(excess, k);
    fitting->reached[row] = opu_affinity_fit(fitting->kernels, fitting->conditional + row * k,
                                             excess, k, fitting->perplexity);
}

/* scratch: [n - 1] excesses */
static void fit_all(void *user, size_t row, const float *distances, void *scratch)
{
    const struct fitting *const fitting = user;
    size_t const behind = fitting->n - row - 1;
    float *const excess = scratch, *const p = fitting->all + row * fitting->n;
    memcpy(excess, distances, row * sizeof *excess);
    memcpy(excess + row, distances + row + 1, behind * sizeof *excess);
    take_off_least(excess, fitting->n - 1);
    fitting->reached[row] =
        opu_affinity_fit(fitting->kernels, p, excess, fitting->n - 1, fitting->perplexity);
    memmove(p + row + 1, p + row, behind * sizeof *p);
    p[row] = 0.0f;
}

static void mean_in_place(float *all, size_t n)
{
    float const half = (float)(0.5 / (double)n);
#pragma omp parallel for schedule(static, 16)
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i + 1; j < n; j++) {
            float const p = (all[i * n + j] + all[j * n + i]) * half;
            all[i * n + j] = all[j * n + i] = p;
        }
    }
}

/* Who has a point among his neighbours: rows in order, so sources ascend. */
struct reversed {
    size_t *start;  /* [n + 1] */
    uint32_t *from; /* [n k] */
    float *p;       /* [n k] */
};

static void reverse(const struct reversed *back, const struct fitting *fitting)
{
    size_t const n = fitting->n, k = fitting->k;
    memset(back->start, 0, (n + 1) * sizeof *back->start);
    for (size_t e = 0; e < n * k; e++) {
        back->start[fitting->nearest[e] + 1]++;
    }
    for (size_t i = 0; i < n; i++) {
        back->start[i + 1] += back->start[i];
    }
    for (size_t e = 0; e < n * k; e++) {
        size_t const at = back->start[fitting->nearest[e]]++;
        back->from[at] = (uint32_t)(e / k);
        back->p[at] = fitting->conditional[e];
    }
    /* each start has moved to its row's end, which is the next row's start */
    memmove(back->start + 1, back->start, n * sizeof *back->start);
    back->start[0] = 0;
}

/* A row of the mean of both directions; returns its entries. from NULL only counts. */
static size_t merge_row(uint32_t *from, float *p, const struct fitting *fitting,
                        const struct reversed *back, size_t row)
{
    size_t const k = fitting->k, b_end = back->start[row + 1];
    size_t a = row * k, b = back->start[row], count = 0;
    float const half = (float)(0.5 / (double)fitting->n);
    while (a < (row + 1) * k || b < b_end) {
        uint32_t const own = a < (row + 1) * k ? fitting->nearest[a] : UINT32_MAX;
        uint32_t const theirs = b < b_end ? back->from[b] : UINT32_MAX;
        float const forth = own <= theirs ? fitting->conditional[a] : 0.0f;
        float const other = theirs <= own ? back->p[b] : 0.0f;
        if (from != NULL) {
            from[count] = own < theirs ? own : theirs;
            p[count] = (forth + other) * half;
        }
        count++;
        a += own <= theirs;
        b += theirs <= own;
    }
    return count;
}

static int merge(struct opu_affinity *affinity, const struct fitting *fitting,
                 const struct reversed *back)
{
    size_t const n = affinity->n;
    affinity->start = opu_calloc(affinity->context, n + 1, sizeof *affinity->start);
    if (affinity->start == NULL) {
        return OPU_E_NO_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        affinity->start[i + 1] = affinity->start[i] + merge_row(NULL, NULL, fitting, back, i);
    }
    affinity->pairs = affinity->start[n];
    affinity->from = opu_calloc(affinity->context, affinity->pairs, sizeof *affinity->from);
    affinity->weights = opu_calloc(affinity->context, affinity->pairs, sizeof *affinity->weights);
    if (affinity->from == NULL || affinity->weights == NULL) {
        return OPU_E_NO_MEMORY;
    }
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i++) {
        (void)merge_row(affinity->from + affinity->start[i], affinity->weights + affinity->start[i],
                        fitting, back, i);
    }
    return OPU_OK;
}

static int symmetrise(struct opu_affinity *affinity, const struct fitting *fitting)
{
    if (affinity->all != NULL) {
        mean_in_place(affinity->all, affinity->n);
        affinity->pairs = (uint64_t)affinity->n * (affinity->n - 1);
        return OPU_OK;
    }
    struct opu_context *const context = affinity->context;
    struct reversed back = {.start = opu_calloc(context, fitting->n + 1, sizeof *back.start)};
    size_t const edges = fitting->n * fitting->k;
    int status = OPU_E_NO_MEMORY;
    if (back.start != NULL) {
        back.from = opu_calloc(context, edges, sizeof *back.from);
        back.p = opu_calloc(context, edges, sizeof *back.p);
    }
    if (back.from != NULL && back.p != NULL) {
        reverse(&back, fitting);
        status = merge(affinity, fitting, &back);
    }
    opu_context_free(context, back.p);
    opu_context_free(context, back.from);
    opu_context_free(context, back.start);
    return status;
}

static void sum_up(struct opu_affinity *affinity, const double *reached)
{
    size_t const cells = affinity->all != NULL ? affinity->n * affinity->n : affinity->pairs;
    const float *const p = affinity->all != NULL ? affinity->all : affinity->weights;
    for (size_t e = 0; e < cells; e++) {
        double const weight = (double)p[e];
        affinity->constant += weight > 0.0 ? weight * log(weight) : 0.0;
    }
    affinity->perplexity_least = affinity->perplexity_most = reached[0];
    for (size_t i = 1; i < affinity->n; i++) {
        affinity->perplexity_least = fmin(affinity->perplexity_least, reached[i]);
        affinity->perplexity_most = fmax(affinity->perplexity_most, reached[i]);
    }
}

static int fit(struct opu_affinity *affinity, struct fitting *fitting,
               const struct opu_points *points)
{
    struct opu_packed packed;
    bool const all = affinity->all != NULL;
    size_t const scratch = fitting->k * (all ? sizeof(float) : sizeof(uint64_t) + sizeof(float));
    OPU_TRY(opu_packed_init(&packed, affinity->context, points, "t-SNE", NULL, 0, scratch));
    fitting->kernels = packed.kernels;
    opu_packed_visit(&packed, all ? fit_all : fit_nearest, fitting);
    opu_packed_fini(&packed);
    OPU_TRY(symmetrise(affinity, fitting));
    sum_up(affinity, fitting->reached);
    return OPU_OK;
}

static int allocate(struct opu_affinity *affinity, struct fitting *fitting)
{
    size_t cells;
    bool const all = fitting->k == fitting->n - 1;
    if (!opu_size_mul(&cells, fitting->n, all ? fitting->n : fitting->k)) {
        return opu_fail(OPU_E_NO_MEMORY, "t-SNE: %zu neighbours of %zu points overflow memory",
                        fitting->k, fitting->n);
    }
    struct opu_context *const context = affinity->context;
    fitting->reached = opu_calloc(context, fitting->n, sizeof *fitting->reached);
    if (fitting->reached == NULL) {
        return OPU_E_NO_MEMORY;
    }
    if (all) {
        affinity->all = fitting->all = opu_calloc(context, cells, sizeof *fitting->all);
        return affinity->all != NULL ? OPU_OK : OPU_E_NO_MEMORY;
    }
    fitting->nearest = opu_calloc(context, cells, sizeof *fitting->nearest);
    fitting->conditional = opu_calloc(context, cells, sizeof *fitting->conditional);
    return fitting->nearest != NULL && fitting->conditional != NULL ? OPU_OK : OPU_E_NO_MEMORY;
}

int opu_affinity_init(struct opu_affinity *affinity, struct opu_context *context,
                      const struct opu_points *points, size_t neighbours, double perplexity)
{
    *affinity = (struct opu_affinity){.context = context, .n = points->n, .neighbours = neighbours};
    struct fitting fitting = {.n = points->n, .k = neighbours, .perplexity = perplexity};
    int status = allocate(affinity, &fitting);
    if (status == OPU_OK) {
        status = fit(affinity, &fitting, points);
    }
    opu_context_free(context, fitting.conditional);
    opu_context_free(context, fitting.nearest);
    opu_context_free(context, fitting.reached);
    if (status < 0) {
        opu_affinity_fini(affinity);
    }
    return status;
}

void opu_affinity_fini(struct opu_affinity *affinity)
{
    opu_context_free(affinity->context, affinity->weights);
    opu_context_free(affinity->context, affinity->from);
    opu_context_free(affinity->context, affinity->start);
    opu_context_free(affinity->context, affinity->all);
    affinity->weights = affinity->all = NULL;
    affinity->from = NULL;
    affinity->start = NULL;
}
