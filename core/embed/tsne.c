/* SPDX-License-Identifier: MIT */
/*
 * Gradient descent on the divergence of a picture's pairs from the points'. A row's forces are
 * summed by one thread in a fixed order and rows are summed serially, so bits don't depend on the
 * threads.
 */
#include "core/embed/tsne.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/embed/start.h"

/* Up to here all pairs attract each other where the caller does not say: 36 MB. */
#define ALL_POINTS 3000
/* Rows that share a piece of columns in the cache. */
#define ROWS 16
#define DIVERGENCE_EVERY 50
#define MOMENTUM_EARLY 0.5f
#define MOMENTUM 0.8f

struct opu_tsne {
    struct opu_context *context;
    const struct opu_embed_kernels *kernels;
    struct opu_tsne_options options; /* every member set */
    struct opu_affinity affinity;
    size_t n;
    uint64_t done;
    double divergence;
    float *floats;   /* 8 of [n]: what follows */
    double *doubles; /* 5 of [n]: the forces' results */
    float *position[2], *velocity[2], *gain[2];
    struct opu_embed_forces forces;
};

static double monotonic_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int check_number(const char *name, double value, double above)
{
    if (!(value > above) || isinf(value)) {
        return opu_fail(OPU_E_INVALID, "t-SNE: %s is %g, wanted a number above %g", name, value,
                        above);
    }
    return OPU_OK;
}

/* Checks options and puts in what they leave open. */
static int settle(struct opu_tsne_options *to, const struct opu_tsne_options *from, size_t n)
{
    *to = (struct opu_tsne_options){0};
    if (from != NULL) {
        if (from->size < sizeof from->size) {
            return opu_fail(OPU_E_INVALID, "t-SNE: the options' size is %zu, wanted %zu",
                            from->size, sizeof *from);
        }
        memcpy(to, from, from->size < sizeof *to ? from->size : sizeof *to);
    }
    to->size = sizeof *to;
    if (n < 4) {
        return opu_fail(OPU_E_INVALID, "t-SNE: saw %zu points, wanted at least 4", n);
    }
    to->perplexity = to->perplexity == 0.0 ? 30.0 : to->perplexity;
    OPU_TRY(check_number("perplexity", to->perplexity, 1.0));
    if (to->perplexity >= (double)(n - 1)) {
        return opu_fail(OPU_E_INVALID, "t-SNE: perplexity is %g of %zu points, wanted below %zu",
                        to->perplexity, n, n - 1);
    }
    to->exaggeration = to->exaggeration == 0.0 ? 12.0 : to->exaggeration;
    OPU_TRY(check_number("exaggeration", to->exaggeration, 0.0));
    if (to->learning_rate == 0.0) {
        to->learning_rate = fmax((double)n / to->exaggeration / 4.0, 50.0);
    }
    OPU_TRY(check_number("learning_rate", to->learning_rate, 0.0));
    if (to->init != OPU_TSNE_PCA && to->init != OPU_TSNE_RANDOM) {
        return opu_fail(OPU_E_INVALID, "t-SNE: init is %d, wanted 0 (PCA) or 1 (random)",
                        (int)to->init);
    }
    to->iterations = to->iterations == 0 ? 1000 : to->iterations;
    to->exaggerated = to->exaggerated == 0 ? 250 : to->exaggerated;
    if (to->neighbours == 0) {
        double const near = ceil(3.0 * to->perplexity);
        to->neighbours = n <= ALL_POINTS || near >= (double)(n - 1) ? n - 1 : (size_t)near;
    }
    if (to->neighbours >= n || (double)to->neighbours <= to->perplexity) {
        return opu_fail(OPU_E_INVALID,
                        "t-SNE: neighbours is %zu, wanted above the perplexity of %g and below the "
                        "%zu points",
                        to->neighbours, to->perplexity, n);
    }
    return OPU_OK;
}

static int allocate(struct opu_tsne *tsne)
{
    size_t const n = tsne->n;
    size_t floats, doubles;
    if (!opu_size_mul(&floats, n, 6) || !opu_size_mul(&doubles, n, 5)) {
        return opu_fail(OPU_E_NO_MEMORY, "t-SNE: %zu points overflow memory", n);
    }
    tsne->floats = opu_calloc(tsne->context, floats, sizeof *tsne->floats);
    tsne->doubles = opu_calloc(tsne->context, doubles, sizeof *tsne->doubles);
    if (tsne->floats == NULL || tsne->doubles == NULL) {
        return OPU_E_NO_MEMORY;
    }
    for (size_t axis = 0; axis < 2; axis++) {
        tsne->position[axis] = tsne->floats + axis * n;
        tsne->velocity[axis] = tsne->floats + (2 + axis) * n;
        tsne->gain[axis] = tsne->floats + (4 + axis) * n;
        for (size_t i = 0; i < n; i++) {
            tsne->gain[axis][i] = 1.0f;
        }
    }
    tsne->forces = (struct opu_embed_forces){
        .x = tsne->position[0],
        .y = tsne->position[1],
        .n = n,
        .all = tsne->affinity.all,
        .start = tsne->affinity.start,
        .from = tsne->affinity.from,
        .weights = tsne->affinity.weights,
        .q_sum = tsne->doubles,
        .repel_x = tsne->doubles + n,
        .repel_y = tsne->doubles + 2 * n,
        .attract_x = tsne->doubles + 3 * n,
        .attract_y = tsne->doubles + 4 * n,
    };
    return OPU_OK;
}

/* Fills the forces' results and returns sum q over pairs of two. */
static double find_forces(const struct opu_tsne *tsne, const struct opu_embed_forces *forces)
{
    size_t const n = tsne->n, groups = (n + ROWS - 1) / ROWS;
#pragma omp parallel for schedule(static)
    for (size_t g = 0; g < groups; g++) {
        tsne->kernels->forces(forces, g * ROWS, n - g * ROWS < ROWS ? n : (g + 1) * ROWS);
    }
    double q_sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        q_sum += forces->q_sum[i] - 1.0;
    }
    return q_sum;
}

/* sum_j p ln(1 + distance^2) of a row. */
static double row_cost(const struct opu_tsne *tsne, size_t i)
{
    const struct opu_affinity *const p = &tsne->affinity;
    const float *const x = tsne->position[0], *const y = tsne->position[1];
    size_t const first = p->all != NULL ? 0 : p->start[i];
    size_t const end = p->all != NULL ? tsne->n : p->start[i + 1];
    const float *const weights = p->all != NULL ? p->all + i * tsne->n : p->weights;
    double cost = 0.0;
    for (size_t e = first; e < end; e++) {
        size_t const j = p->all != NULL ? e : p->from[e];
        double const dx = (double)x[i] - (double)x[j], dy = (double)y[i] - (double)y[j];
        cost += (double)weights[e] * log1p(dx * dx + dy * dy);
    }
    return cost;
}

/* sum p ln(p / (q / sum q)), where sum p = 1. Overwrites the forces' results. */
static double find_divergence(const struct opu_tsne *tsne)
{
    double const q_sum = find_forces(tsne, &tsne->forces);
    double *const cost = tsne->forces.q_sum;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < tsne->n; i++) {
        cost[i] = row_cost(tsne, i);
    }
    double total = tsne->affinity.constant + log(q_sum);
    for (size_t i = 0; i < tsne->n; i++) {
        total += cost[i];
    }
    return total;
}

static void centre(float *x, size_t n)
{
    double mean = 0.0;
    for (size_t i = 0; i < n; i++) {
        mean += (double)x[i];
    }
    float const shift = (float)(mean / (double)n);
    for (size_t i = 0; i < n; i++) {
        x[i] -= shift;
    }
}

static int plan(struct opu_tsne *tsne, const struct opu_points *points)
{
    OPU_TRY(opu_affinity_init(&tsne->affinity, tsne->context, points, tsne->options.neighbours,
                              tsne->options.perplexity));
    OPU_TRY(allocate(tsne));
    OPU_TRY(opu_embed_start(tsne->context, points, tsne->options.init, tsne->options.seed,
                            tsne->position[0], tsne->position[1]));
    centre(tsne->position[0], tsne->n);
    centre(tsne->position[1], tsne->n);
    return OPU_OK;
}

int opu_tsne_create(struct opu_tsne **out, struct opu_context *context,
                    const struct opu_points *points, const struct opu_tsne_options *options)
{
    *out = NULL;
    struct opu_tsne_options settled;
    OPU_TRY(settle(&settled, options, points->n));
    struct opu_tsne *const tsne = opu_calloc(context, 1, sizeof *tsne);
    if (tsne == NULL) {
        return OPU_E_NO_MEMORY;
    }
    *tsne = (struct opu_tsne){
        .context = context,
        .kernels = opu_embed_kernels_best(),
        .options = settled,
        .n = points->n,
        .divergence = (double)NAN,
        .affinity.context = context,
    };
    int const status = plan(tsne, points);
    if (status < 0) {
        opu_tsne_destroy(tsne);
        return status;
    }
    *out = tsne;
    return OPU_OK;
}

void opu_tsne_destroy(struct opu_tsne *tsne)
{
    if (tsne == NULL) {
        return;
    }
    struct opu_context *const context = tsne->context;
    opu_affinity_fini(&tsne->affinity);
    opu_context_free(context, tsne->doubles);
    opu_context_free(context, tsne->floats);
    opu_context_free(context, tsne);
}

static int iterate(struct opu_tsne *tsne)
{
    bool const early = tsne->done < tsne->options.exaggerated;
    double const q_sum = find_forces(tsne, &tsne->forces);
    for (size_t axis = 0; axis < 2; axis++) {
        struct opu_embed_step const step = {
            .attract = axis == 0 ? tsne->forces.attract_x : tsne->forces.attract_y,
            .repel = axis == 0 ? tsne->forces.repel_x : tsne->forces.repel_y,
            .exaggeration = early ? (float)tsne->options.exaggeration : 1.0f,
            .per_q = (float)(1.0 / q_sum),
            .learning_rate = (float)tsne->options.learning_rate,
            .momentum = early ? MOMENTUM_EARLY : MOMENTUM,
        };
        tsne->kernels->step(tsne->position[axis], tsne->velocity[axis], tsne->gain[axis], tsne->n,
                            &step);
        centre(tsne->position[axis], tsne->n);
        for (size_t i = 0; i < tsne->n; i++) {
            if (!isfinite(tsne->position[axis][i])) {
                return opu_fail(OPU_E_NUMERIC,
                                "t-SNE: point %zu is at %g after iteration %llu, wanted a finite "
                                "place; a learning_rate below %g may give one",
                                i, (double)tsne->position[axis][i],
                                (unsigned long long)tsne->done + 1, tsne->options.learning_rate);
            }
        }
    }
    tsne->done++;
    if (tsne->done % DIVERGENCE_EVERY == 0 || tsne->done == tsne->options.iterations) {
        tsne->divergence = find_divergence(tsne);
    }
    return OPU_OK;
}

int opu_tsne_run(struct opu_tsne *tsne, opu_tsne_progress_fn fn, void *user)
{
    double const began = monotonic_s();
    uint64_t const first = tsne->done, iterations = tsne->options.iterations;
    while (tsne->done < iterations) {
        OPU_TRY(iterate(tsne));
        if (fn == NULL) {
            continue;
        }
        double const pace = (monotonic_s() - began) / (double)(tsne->done - first);
        struct opu_tsne_progress const progress = {
            .size = sizeof progress,
            .iteration = tsne->done,
            .iterations = iterations,
            .divergence = tsne->divergence,
            .seconds_left = pace * (double)(iterations - tsne->done),
        };
        if (fn(user, &progress) != 0) {
            return opu_fail(OPU_E_CANCELLED, "t-SNE: stopped after iteration %llu of %llu",
                            (unsigned long long)tsne->done, (unsigned long long)iterations);
        }
    }
    return OPU_OK;
}

void opu_tsne_positions(const struct opu_tsne *tsne, float *positions)
{
    for (size_t i = 0; i < tsne->n; i++) {
        positions[2 * i] = tsne->position[0][i];
        positions[2 * i + 1] = tsne->position[1][i];
    }
}

int opu_tsne_result(const struct opu_tsne *tsne, struct opu_tsne_result *result)
{
    if (result->size < sizeof result->size) {
        return opu_fail(OPU_E_INVALID, "t-SNE: the result's size is %zu, wanted %zu", result->size,
                        sizeof *result);
    }
    struct opu_tsne_result const full = {
        .size = result->size,
        .n = tsne->n,
        .iterations = tsne->done,
        .divergence = find_divergence(tsne),
        .learning_rate = tsne->options.learning_rate,
        .neighbours = tsne->options.neighbours,
        .pairs = tsne->affinity.pairs,
        .perplexity_least = tsne->affinity.perplexity_least,
        .perplexity_most = tsne->affinity.perplexity_most,
    };
    memcpy(result, &full, result->size < sizeof full ? result->size : sizeof full);
    return OPU_OK;
}

const struct opu_affinity *opu_tsne_affinity(const struct opu_tsne *tsne)
{
    return &tsne->affinity;
}

void opu_tsne_gradient(struct opu_tsne *tsne, const float *positions, double *gradient)
{
    float *const own[2] = {tsne->position[0], tsne->position[1]};
    /* velocity and gain lie idle between iterations, but count: swap through the gradient's room */
    for (size_t i = 0; i < tsne->n; i++) {
        for (size_t axis = 0; axis < 2; axis++) {
            gradient[2 * i + axis] = (double)own[axis][i];
            own[axis][i] = positions[2 * i + axis];
        }
    }
    double const q_sum = find_forces(tsne, &tsne->forces);
    for (size_t i = 0; i < tsne->n; i++) {
        for (size_t axis = 0; axis < 2; axis++) {
            own[axis][i] = (float)gradient[2 * i + axis];
        }
        gradient[2 * i] = 4.0 * (tsne->forces.attract_x[i] - tsne->forces.repel_x[i] / q_sum);
        gradient[2 * i + 1] = 4.0 * (tsne->forces.attract_y[i] - tsne->forces.repel_y[i] / q_sum);
    }
}
