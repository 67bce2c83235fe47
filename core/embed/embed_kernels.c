/* SPDX-License-Identifier: MIT */
/*
 * Inner loops of embeddings. Compiled once per vector level. Sums run in a fixed number of lanes
 * over pieces of fixed length, so that they are the same bits everywhere and don't lose small
 * terms.
 */
#include "core/embed/embed_kernels.h"

#include <string.h>

#include "core/base/isa.h"
#include "core/base/vmath.h"

/* Rows of a distance tile that stay in registers, and coordinates summed before they join it. */
#define ROWS 4
#define DEPTH 64
/* Points whose sums stay in floats: their coordinates fit the first-level cache. */
#define PIECE 1024
#define LANES OPU_EMBED_PANEL
#define M OPU_EMBED_DIRECTIONS

static void tile_rows(float *out, size_t out_stride, const float *restrict a,
                      const float *restrict b, size_t depth)
{
    float acc[ROWS][LANES] = {{0}};
    for (size_t k = 0; k < depth; k++) {
        for (size_t r = 0; r < ROWS; r++) {
            float const own = a[k * LANES + r];
            for (size_t l = 0; l < LANES; l++) {
                float const diff = own - b[k * LANES + l];
                acc[r][l] += diff * diff;
            }
        }
    }
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t l = 0; l < LANES; l++) {
            out[r * out_stride + l] += acc[r][l];
        }
    }
}

static void distances(float *out, size_t out_stride, const float *a, const float *b, size_t d)
{
    for (size_t r = 0; r < LANES; r++) {
        memset(out + r * out_stride, 0, LANES * sizeof *out);
    }
    for (size_t k = 0; k < d; k += DEPTH) {
        size_t const depth = d - k < DEPTH ? d - k : DEPTH;
        for (size_t r = 0; r < LANES; r += ROWS) {
            tile_rows(out + r * out_stride, out_stride, a + k * LANES + r, b + k * LANES, depth);
        }
    }
}

static double sum_lanes(const float lane[LANES])
{
    double sum = 0.0;
    for (size_t l = 0; l < LANES; l++) {
        sum += (double)lane[l];
    }
    return sum;
}

static struct opu_embed_entropy entropy(float *restrict p, const float *restrict excess, size_t n,
                                        float beta)
{
    struct opu_embed_entropy total = {0};
    for (size_t j = 0; j < n; j++) {
        p[j] = opu_expf(-beta * excess[j]);
    }
    for (size_t first = 0; first < n; first += PIECE) {
        size_t const end = n - first < PIECE ? n : first + PIECE;
        float sum[LANES] = {0}, moment[LANES] = {0};
        size_t j = first;
        for (; j + LANES <= end; j += LANES) {
            for (size_t l = 0; l < LANES; l++) {
                sum[l] += p[j + l];
                moment[l] += p[j + l] * excess[j + l];
            }
        }
        for (size_t l = 0; j < end; j++, l++) {
            sum[l] += p[j];
            moment[l] += p[j] * excess[j];
        }
        total.sum += sum_lanes(sum);
        total.moment += sum_lanes(moment);
    }
    return total;
}

static size_t below(const float *x, size_t n, float limit)
{
    size_t total = 0;
    for (size_t first = 0; first < n; first += PIECE) {
        size_t const end = n - first < PIECE ? n : first + PIECE;
        uint32_t count = 0;
        for (size_t j = first; j < end; j++) {
            count += x[j] < limit;
        }
        total += count;
    }
    return total;
}

struct lanes {
    float q[LANES], repel_x[LANES], repel_y[LANES], attract_x[LANES], attract_y[LANES];
};

/* What point (x, y) gets from n others, without attraction. */
static void repelled(struct lanes *lanes, const float *restrict xs, const float *restrict ys,
                     size_t n, float x, float y)
{
    float sum[LANES] = {0}, sum_x[LANES] = {0}, sum_y[LANES] = {0};
    size_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            float const dx = x - xs[j + l];
            float const dy = y - ys[j + l];
            float const q = 1.0f / (1.0f + (dx * dx + dy * dy));
            float const qq = q * q;
            sum[l] += q;
            sum_x[l] += qq * dx;
            sum_y[l] += qq * dy;
        }
    }
    for (size_t l = 0; j < n; j++, l++) {
        float const dx = x - xs[j];
        float const dy = y - ys[j];
        float const q = 1.0f / (1.0f + (dx * dx + dy * dy));
        float const qq = q * q;
        sum[l] += q;
        sum_x[l] += qq * dx;
        sum_y[l] += qq * dy;
    }
    memcpy(lanes->q, sum, sizeof sum);
    memcpy(lanes->repel_x, sum_x, sizeof sum_x);
    memcpy(lanes->repel_y, sum_y, sizeof sum_y);
}

/* What it gets from n others by weights p. */
static void attracted(struct lanes *lanes, const float *restrict xs, const float *restrict ys,
                      const float *restrict p, size_t n, float x, float y)
{
    float sum_x[LANES] = {0}, sum_y[LANES] = {0};
    size_t j = 0;
    for (; j + LANES <= n; j += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            float const dx = x - xs[j + l];
            float const dy = y - ys[j + l];
            float const pq = p[j + l] / (1.0f + (dx * dx + dy * dy));
            sum_x[l] += pq * dx;
            sum_y[l] += pq * dy;
        }
    }
    for (size_t l = 0; j < n; j++, l++) {
        float const dx = x - xs[j];
        float const dy = y - ys[j];
        float const pq = p[j] / (1.0f + (dx * dx + dy * dy));
        sum_x[l] += pq * dx;
        sum_y[l] += pq * dy;
    }
    memcpy(lanes->attract_x, sum_x, sizeof sum_x);
    memcpy(lanes->attract_y, sum_y, sizeof sum_y);
}

/* The listed others. */
static void attracted_by(const struct opu_embed_forces *work, size_t row)
{
    float const x = work->x[row], y = work->y[row];
    double total_x = 0.0, total_y = 0.0;
    float xs[LANES], ys[LANES];
    for (size_t k = work->start[row]; k < work->start[row + 1]; k += LANES) {
        size_t const left = work->start[row + 1] - k;
        size_t const n = left < LANES ? left : LANES;
        for (size_t l = 0; l < n; l++) {
            xs[l] = work->x[work->from[k + l]];
            ys[l] = work->y[work->from[k + l]];
        }
        struct lanes lanes;
        attracted(&lanes, xs, ys, work->weights + k, n, x, y);
        total_x += sum_lanes(lanes.attract_x);
        total_y += sum_lanes(lanes.attract_y);
    }
    work->attract_x[row] = total_x;
    work->attract_y[row] = total_y;
}

static void add_piece(const struct opu_embed_forces *work, size_t row, size_t first, size_t n)
{
    struct lanes lanes;
    float const x = work->x[row], y = work->y[row];
    repelled(&lanes, work->x + first, work->y + first, n, x, y);
    work->q_sum[row] += sum_lanes(lanes.q);
    work->repel_x[row] += sum_lanes(lanes.repel_x);
    work->repel_y[row] += sum_lanes(lanes.repel_y);
    if (work->all != NULL) {
        attracted(&lanes, work->x + first, work->y + first, work->all + row * work->n + first, n, x,
                  y);
        work->attract_x[row] += sum_lanes(lanes.attract_x);
        work->attract_y[row] += sum_lanes(lanes.attract_y);
    }
}

static void forces(const struct opu_embed_forces *work, size_t first, size_t end)
{
    for (size_t row = first; row < end; row++) {
        work->q_sum[row] = work->repel_x[row] = work->repel_y[row] = 0.0;
        work->attract_x[row] = work->attract_y[row] = 0.0;
        if (work->start != NULL) {
            attracted_by(work, row);
        }
    }
    for (size_t piece = 0; piece < work->n; piece += PIECE) {
        size_t const n = work->n - piece < PIECE ? work->n - piece : PIECE;
        for (size_t row = first; row < end; row++) {
            add_piece(work, row, piece, n);
        }
    }
}

static void step(float *restrict position, float *restrict velocity, float *restrict gain, size_t n,
                 const struct opu_embed_step *how)
{
    for (size_t i = 0; i < n; i++) {
        float const attract = (float)how->attract[i], repel = (float)how->repel[i];
        float const grad = 4.0f * (how->exaggeration * attract - how->per_q * repel);
        float const grown = velocity[i] * grad < 0.0f ? gain[i] + 0.2f : gain[i] * 0.8f;
        gain[i] = grown < 0.01f ? 0.01f : grown;
        velocity[i] = how->momentum * velocity[i] - how->learning_rate * (gain[i] * grad);
        position[i] += velocity[i];
    }
}

static void project(double *restrict along, const float *restrict x, const double *restrict mean,
                    const double *restrict directions, size_t d)
{
    double sum[M] = {0};
    for (size_t c = 0; c < d; c++) {
        double const value = (double)x[c] - mean[c];
        for (size_t m = 0; m < M; m++) {
            sum[m] += value * directions[c * M + m];
        }
    }
    memcpy(along, sum, sizeof sum);
}

static void gather(double *restrict directions, const float *restrict x,
                   const double *restrict mean, const double *restrict along, size_t d)
{
    for (size_t c = 0; c < d; c++) {
        double const value = (double)x[c] - mean[c];
        for (size_t m = 0; m < M; m++) {
            directions[c * M + m] += value * along[m];
        }
    }
}

extern const struct opu_embed_kernels OPU_KERNEL(opu_embed_kernels);
const struct opu_embed_kernels OPU_KERNEL(opu_embed_kernels) = {
    .distances = distances,
    .entropy = entropy,
    .below = below,
    .forces = forces,
    .step = step,
    .project = project,
    .gather = gather,
};
