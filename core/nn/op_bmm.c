/* SPDX-License-Identifier: MIT */
/*
 * bmm: products of blocks, groups of rows x heads of columns, with C = A B or A B^T. dA = dC B^T
 * or dC B; dB = A^T dC or dC^T A. Small blocks run side by side in kernels of our own, large ones
 * one after the other by BLAS.
 */
#include "core/nn/ops.h"

#include <string.h>

#include "core/base/fail.h"
#include "core/base/gemm.h"
#include "core/nn/bmm_kernels.h"

/* Multiplications of a block from which BLAS is faster. */
#define BLAS_ABOVE ((size_t)64 * 64 * 64)
/* Rows of a block that are one piece of work, and multiplications worth waking threads for. */
#define PIECE_ROWS 64
#define PARALLEL_ABOVE 65536

static int infer(struct opu_shape *out, const struct opu_shape *in, size_t n_in, const double *attr)
{
    size_t const heads = (size_t)attr[1];
    bool const transpose = attr[2] != 0.0;
    size_t const m = (size_t)attr[0];
    bool fit = opu_op_is_matrix(&in[0]) && opu_op_is_matrix(&in[1]) && heads > 0 &&
               in[0].columns % heads == 0 && in[1].columns % heads == 0;
    /* batches for each row of the run, or in all */
    size_t batches = 1;
    if (m == 0) {
        fit = fit && !in[1].batch;
    } else {
        batches = in[0].rows / m;
        fit = fit && in[0].rows % m == 0 && in[0].batch == in[1].batch && batches > 0 &&
              in[1].rows % batches == 0;
    }
    size_t const rows_b = fit ? in[1].rows / batches : 0;
    size_t const k = fit ? in[0].columns / heads : 0;
    fit = fit && (transpose ? in[1].columns / heads : rows_b) == k;
    if (!fit) {
        return opu_op_refuse("bmm", in, n_in,
                             "blocks of batches x heads, as long in the second as in the first");
    }
    *out = in[0];
    out->columns = heads * (transpose ? rows_b : in[1].columns / heads);
    return OPU_OK;
}

/* The blocks of a call. */
struct blocks {
    size_t batches, heads;
    size_t m, n, k;
    bool transpose;
};

static struct blocks blocks_of(const struct opu_op_call *call)
{
    size_t const heads = (size_t)call->attr[1];
    size_t const all = call->in[0].rows > 0 ? call->in[0].rows : 1;
    size_t const m = call->attr[0] > 0.0 ? (size_t)call->attr[0] : all;
    return (struct blocks){
        .batches = call->in[0].rows / m,
        .heads = heads,
        .m = m,
        .n = call->out.columns / heads,
        .k = call->in[0].columns / heads,
        .transpose = call->attr[2] != 0.0,
    };
}

/* One product for every block; from one to the next the operands move on. */
struct products {
    struct opu_small_gemm block;
    size_t batches, heads;
    size_t a_batch, a_head, b_batch, b_head, c_batch, c_head;
};

static struct opu_small_gemm block_at(const struct products *p, size_t t)
{
    struct opu_small_gemm block = p->block;
    size_t const s = t / p->heads;
    size_t const h = t % p->heads;
    block.a += s * p->a_batch + h * p->a_head;
    block.b += s * p->b_batch + h * p->b_head;
    block.c += s * p->c_batch + h * p->c_head;
    return block;
}

static void run_blas(const struct products *p)
{
    for (size_t t = 0; t < p->batches * p->heads; t++) {
        struct opu_small_gemm const g = block_at(p, t);
        bool const a_transposed = g.a_step != 1;
        opu_gemm(g.m, g.n, g.k, 1.0f,
                 (struct opu_matrix){g.a, a_transposed ? g.a_step : g.a_row, a_transposed},
                 (struct opu_matrix){g.b, g.b_stride, g.b_transposed}, g.accumulate ? 1.0f : 0.0f,
                 g.c, g.c_stride);
    }
}

static void run(const struct products *p)
{
    const struct opu_bmm_kernels *const kernels = opu_bmm_kernels_best();
    size_t const work = p->block.m * p->block.n * p->block.k;
    size_t const parts = (p->block.m + PIECE_ROWS - 1) / PIECE_ROWS;
    size_t const tasks = p->batches * p->heads * parts;
    if (work >= BLAS_ABOVE) {
        run_blas(p);
        return;
    }
#pragma omp parallel for schedule(static) if (work * p->batches * p->heads > PARALLEL_ABOVE)
    for (size_t t = 0; t < tasks; t++) {
        struct opu_small_gemm g = block_at(p, t / parts);
        size_t const first = t % parts * PIECE_ROWS;
        g.a += first * g.a_row;
        g.c += first * g.c_stride;
        g.m = g.m - first < PIECE_ROWS ? g.m - first : PIECE_ROWS;
        kernels->gemm(&g);
    }
}

static size_t rows_of_b(const struct blocks *s)
{
    return s->transpose ? s->n : s->k;
}

static void forward(const struct opu_op_call *call)
{
    struct blocks const s = blocks_of(call);
    size_t const a_columns = call->in[0].columns;
    size_t const b_columns = call->in[1].columns;
    size_t const c_columns = call->out.columns;
    run(&(struct products){
        .block = {.m = s.m,
                  .n = s.n,
                  .k = s.k,
                  .a = call->in[0].data,
                  .a_row = a_columns,
                  .a_step = 1,
                  .b = call->in[1].data,
                  .b_stride = b_columns,
                  .b_transposed = s.transpose,
                  .c = call->out.data,
                  .c_stride = c_columns},
        .batches = s.batches,
        .heads = s.heads,
        .a_batch = s.m * a_columns,
        .a_head = s.k,
        .b_batch = rows_of_b(&s) * b_columns,
        .b_head = b_columns / s.heads,
        .c_batch = s.m * c_columns,
        .c_head = s.n,
    });
}

static void a_backward(const struct opu_op_call *call, const struct blocks *s)
{
    const struct opu_operand *const a = &call->in[0];
    size_t const b_columns = call->in[1].columns;
    run(&(struct products){
        .block = {.m = s->m,
                  .n = s->k,
                  .k = s->n,
                  .a = call->out.grad,
                  .a_row = call->out.grad_stride,
                  .a_step = 1,
                  .b = call->in[1].data,
                  .b_stride = b_columns,
                  .b_transposed = !s->transpose,
                  .c = a->grad,
                  .c_stride = a->grad_stride,
                  .accumulate = a->accumulate},
        .batches = s->batches,
        .heads = s->heads,
        .a_batch = s->m * call->out.grad_stride,
        .a_head = s->n,
        .b_batch = rows_of_b(s) * b_columns,
        .b_head = b_columns / s->heads,
        .c_batch = s->m * a->grad_stride,
        .c_head = s->k,
    });
}

/* dB = A^T dC, or dC^T A: the left factor is read down its columns. */
static void b_backward(const struct opu_op_call *call, const struct blocks *s)
{
    const struct opu_operand *const b = &call->in[1];
    const float *const a = call->in[0].data;
    const float *const dc = call->out.grad;
    size_t const a_stride = call->in[0].columns;
    size_t const c_stride = call->out.grad_stride;
    size_t const left_stride = s->transpose ? c_stride : a_stride;
    size_t const right_stride = s->transpose ? a_stride : c_stride;
    run(&(struct products){
        .block = {.m = rows_of_b(s),
                  .n = s->transpose ? s->k : s->n,
                  .k = s->m,
                  .a = s->transpose ? dc : a,
                  .a_row = 1,
                  .a_step = left_stride,
                  .b = s->transpose ? a : dc,
                  .b_stride = right_stride,
                  .c = b->grad,
                  .c_stride = b->grad_stride,
                  .accumulate = b->accumulate},
        .batches = s->batches,
        .heads = s->heads,
        .a_batch = s->m * left_stride,
        .a_head = s->transpose ? s->n : s->k,
        .b_batch = s->m * right_stride,
        .b_head = s->transpose ? s->k : s->n,
        .c_batch = rows_of_b(s) * b->grad_stride,
        .c_head = b->columns / s->heads,
    });
}

static void backward(const struct opu_op_call *call)
{
    struct blocks const s = blocks_of(call);
    if (call->in[0].grad != NULL) {
        a_backward(call, &s);
    }
    if (call->in[1].grad != NULL) {
        b_backward(call, &s);
    }
}

/* Element p of the sum for c[i][j] of block (b, h): its factors' places, rows packed by stride. */
struct place {
    size_t a, b;
};

static struct place place_of(const struct opu_op_call *call, const struct blocks *s, size_t row,
                             size_t column, size_t p, size_t a_stride, size_t b_stride)
{
    size_t const h = column / s->n;
    size_t const j = column % s->n;
    size_t const first = row / s->m * rows_of_b(s);
    size_t const width = call->in[1].columns / s->heads;
    return (struct place){
        .a = row * a_stride + h * s->k + p,
        .b = s->transpose ? (first + j) * b_stride + h * width + p
                          : (first + p) * b_stride + h * width + j,
    };
}

static void forward_ref(const struct opu_op_call *call)
{
    struct blocks const s = blocks_of(call);
    const double *const a = call->in[0].data;
    const double *const b = call->in[1].data;
    double *const y = call->out.data;
    for (size_t e = 0; e < call->out.rows * call->out.columns; e++) {
        y[e] = 0.0;
        for (size_t p = 0; p < s.k; p++) {
            struct place const at = place_of(call, &s, e / call->out.columns, e % call->out.columns,
                                             p, call->in[0].columns, call->in[1].columns);
            y[e] += a[at.a] * b[at.b];
        }
    }
}

static void clear_ref(const struct opu_operand *operand)
{
    double *const grad = operand->grad;
    for (size_t i = 0; grad != NULL && !operand->accumulate && i < operand->rows; i++) {
        memset(grad + i * operand->grad_stride, 0, operand->columns * sizeof *grad);
    }
}

static void backward_ref(const struct opu_op_call *call)
{
    struct blocks const s = blocks_of(call);
    const double *const a = call->in[0].data;
    const double *const b = call->in[1].data;
    double *const da = call->in[0].grad;
    double *const db = call->in[1].grad;
    clear_ref(&call->in[0]);
    clear_ref(&call->in[1]);
    for (size_t e = 0; e < call->out.rows * call->out.columns; e++) {
        size_t const row = e / call->out.columns;
        size_t const column = e % call->out.columns;
        double const dy = ((const double *)call->out.grad)[row * call->out.grad_stride + column];
        for (size_t p = 0; p < s.k; p++) {
            struct place const at =
                place_of(call, &s, row, column, p, call->in[0].columns, call->in[1].columns);
            struct place const to = place_of(call, &s, row, column, p, call->in[0].grad_stride,
                                             call->in[1].grad_stride);
            if (da != NULL) {
                da[to.a] += dy * b[at.b];
            }
            if (db != NULL) {
                db[to.b] += dy * a[at.a];
            }
        }
    }
}

const struct opu_op opu_op_bmm = {
    .name = "bmm",
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .forward_ref = forward_ref,
    .backward_ref = backward_ref,
};
