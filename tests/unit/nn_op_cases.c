/* SPDX-License-Identifier: MIT */
/* The table of cases, a row or more for each operation. */
#include "nn_op_cases.h"

static struct opu_shape batch(size_t rows, size_t columns)
{
    return (struct opu_shape){.dtype = OPU_F32, .batch = true, .rows = rows, .columns = columns};
}

static struct opu_shape fixed(size_t rows, size_t columns)
{
    return (struct opu_shape){.dtype = OPU_F32, .rows = rows, .columns = columns};
}

static void operand(struct spec *spec, struct opu_shape shape)
{
    spec->in[spec->n_in++] = shape;
}

static void index_operand(struct spec *spec, struct opu_shape shape, size_t below)
{
    shape.dtype = OPU_I32;
    spec->fill[spec->n_in] = FILL_INDEX;
    spec->below[spec->n_in] = below;
    operand(spec, shape);
}

static void draw_linear(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    (void)numbers;
    operand(spec, batch(1, z->in));
    operand(spec, fixed(z->out, z->in));
    spec->terms = z->rows + z->in + z->out;
}

static void draw_linear_bias(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    draw_linear(spec, z, numbers);
    operand(spec, fixed(z->out, 0));
}

/* Blocks m x k times k x n: m = 1 to 70, in batches x heads. */
static void bmm_blocks(struct spec *spec, const struct sizes *z, struct numbers *numbers,
                       bool transpose)
{
    size_t const batches = 1 + numbers_below(numbers, 3);
    size_t const heads = 1 + numbers_below(numbers, 3);
    size_t const m = 1 + z->rows % 70;
    spec->rows = 2;
    operand(spec, batch(batches * m, heads * z->in));
    operand(spec, transpose ? batch(batches * z->out, heads * z->in)
                            : batch(batches * z->in, heads * z->out));
    spec->attr[0] = (double)m;
    spec->attr[1] = (double)heads;
    spec->attr[2] = transpose;
    spec->terms = m + z->in + z->out;
}

static void draw_bmm(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    bmm_blocks(spec, z, numbers, false);
}

static void draw_bmm_transposed(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    bmm_blocks(spec, z, numbers, true);
}

static void draw_bmm_grouped(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    size_t const heads = 1 + numbers_below(numbers, 4);
    operand(spec, batch(1, heads * z->in));
    operand(spec, fixed(z->in, heads * z->out));
    spec->attr[1] = (double)heads;
    spec->terms = z->rows + z->in + z->out;
}

static void draw_bmm_grouped_transposed(struct spec *spec, const struct sizes *z,
                                        struct numbers *numbers)
{
    size_t const heads = 1 + numbers_below(numbers, 4);
    operand(spec, fixed(z->rows, heads * z->in));
    operand(spec, fixed(z->out, heads * z->in));
    spec->attr[1] = (double)heads;
    spec->attr[2] = 1.0;
    spec->terms = z->rows + z->in + z->out;
}

static void draw_one(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    (void)numbers;
    operand(spec, batch(1, z->in));
}

static void draw_elu(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    draw_one(spec, z, numbers);
    spec->attr[0] = 1.0;
}

static void draw_leaky(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    draw_one(spec, z, numbers);
    spec->attr[0] = 0.2;
}

static void draw_affine(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    draw_one(spec, z, numbers);
    spec->attr[0] = -0.75;
    spec->attr[1] = 0.5;
}

static void draw_dropout(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    draw_one(spec, z, numbers);
    spec->attr[0] = 0.375;
    spec->attr[1] = 3.0;
}

static void draw_same(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    (void)numbers;
    operand(spec, batch(1, z->in));
    operand(spec, batch(1, z->in));
    spec->terms = 2;
}

static void draw_vector(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    (void)numbers;
    operand(spec, batch(1, z->in));
    operand(spec, fixed(z->in, 0));
    spec->terms = z->rows + 2;
}

static void draw_heads(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    (void)numbers;
    operand(spec, batch(1, z->in * z->out));
    operand(spec, batch(1, z->in));
    spec->terms = z->out + 2;
}

static void draw_tiled(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    size_t const times = 1 + numbers_below(numbers, 3);
    operand(spec, fixed(z->rows * times, z->in * 2));
    operand(spec, fixed(z->rows, z->in));
    spec->terms = 2 * times + 2;
}

static void draw_tiled_batch(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    (void)numbers;
    spec->rows = 3;
    operand(spec, batch(z->rows, z->in));
    operand(spec, fixed(z->rows, z->in));
    spec->terms = 5;
}

static void draw_repeated(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    size_t const few = 1 + numbers_below(numbers, 2);
    size_t const times = 1 + numbers_below(numbers, 5);
    operand(spec, batch(few * times, z->in));
    operand(spec, batch(few, z->in));
    spec->terms = times + 2;
}

static void draw_sum_columns(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    (void)numbers;
    operand(spec, batch(1, z->in * z->out));
    spec->attr[0] = (double)z->out;
    spec->terms = z->in;
}

static void draw_sum_rows(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    (void)numbers;
    spec->rows = 3;
    operand(spec, batch(2 * z->rows, z->in));
    spec->attr[0] = (double)z->rows;
    spec->terms = z->rows;
}

static void draw_concat(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    (void)numbers;
    operand(spec, batch(1, z->in));
    operand(spec, batch(1, 1));
    operand(spec, batch(1, z->out));
}

static void draw_slice(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    operand(spec, batch(1, z->in));
    size_t const first = numbers_below(numbers, z->in);
    spec->attr[0] = (double)first;
    spec->attr[1] = (double)(1 + numbers_below(numbers, z->in - first));
}

static void draw_reshape(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    (void)numbers;
    operand(spec, batch(z->out * 3, z->in));
    spec->attr[0] = (double)(z->in * 3);
}

static void draw_reshape_across(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    (void)numbers;
    operand(spec, fixed(2 * z->rows, 3 * z->in));
    spec->attr[0] = (double)(2 * z->in);
}

static void draw_gather(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    (void)numbers;
    operand(spec, fixed(z->out, z->in));
    index_operand(spec, batch(1, 2), z->out);
    spec->terms = 2 * z->rows;
}

static void draw_scatter(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    (void)numbers;
    operand(spec, fixed(z->rows, z->in));
    index_operand(spec, fixed(z->rows, 1), z->out);
    spec->attr[0] = (double)z->out;
    spec->terms = z->rows;
}

/* About four entries a row, some rows without any; with values of its own or without. */
static void draw_sparse(struct spec *spec, size_t rows, size_t columns, bool values,
                        struct numbers *numbers)
{
    bool *const here = make(rows * columns, sizeof *here);
    size_t n = 0;
    for (size_t i = 0; i < rows * columns; i++) {
        here[i] = numbers_below(numbers, columns) < 4 && i / columns % 5 != 3;
        n += here[i];
    }
    struct opu_csr *const m = &spec->matrix;
    assert_int_equal(opu_csr_alloc(NULL, m, rows, columns, n, values), OPU_OK);
    n = 0;
    for (size_t i = 0; i < rows * columns; i++) {
        if (here[i]) {
            m->index[n] = (uint32_t)(i % columns);
            if (values) {
                m->value[n] = numbers_next(numbers);
            }
            n++;
        }
        m->start[i / columns + 1] = (uint32_t)n;
    }
    free(here);
    assert_int_equal(opu_csr_transpose(NULL, m, OPU_CSR_ORDER), OPU_OK);
    spec->fill[spec->n_in] = FILL_SPARSE;
    operand(spec, (struct opu_shape){.dtype = OPU_F64,
                                     .rows = rows,
                                     .columns = columns,
                                     .sparse = true,
                                     .ordered = true,
                                     .entries = n});
    spec->terms = rows + columns;
}

static void draw_spmm(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    draw_sparse(spec, z->rows, z->in, true, numbers);
    operand(spec, fixed(z->in, 2 * z->out));
}

static void draw_spmm_transposed(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    draw_sparse(spec, z->rows, z->in, true, numbers);
    operand(spec, fixed(z->rows, z->out));
    spec->attr[0] = 1.0;
}

static void draw_spmm_weights(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    draw_sparse(spec, z->rows, z->in, true, numbers);
    operand(spec, fixed(z->in, 2 * z->out));
    operand(spec, fixed(spec->in[0].entries, 1));
    spec->terms += 2 * z->out;
}

static void draw_spmm_heads(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    draw_sparse(spec, z->rows, z->in, false, numbers);
    operand(spec, fixed(z->in, 3 * z->out));
    operand(spec, fixed(spec->in[0].entries, 3));
    spec->terms += z->out;
}

static void draw_spmm_heads_transposed(struct spec *spec, const struct sizes *z,
                                       struct numbers *numbers)
{
    draw_sparse(spec, z->rows, z->in, false, numbers);
    operand(spec, fixed(z->rows, 2 * z->out));
    operand(spec, fixed(spec->in[0].entries, 2));
    spec->attr[0] = 1.0;
    spec->terms += z->out;
}

static void draw_spmm_ones(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    draw_sparse(spec, z->rows, z->in, false, numbers);
    operand(spec, fixed(z->in, z->out));
}

static void draw_edge_softmax(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    draw_sparse(spec, z->rows, z->in, false, numbers);
    operand(spec, fixed(spec->in[0].entries, 1 + z->out % 20));
}

static void draw_softmax(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    (void)numbers;
    operand(spec, batch(1, 3 * z->in));
    spec->attr[0] = 3.0;
    spec->terms = 8;
}

static void draw_softmax_spare(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    draw_softmax(spec, z, numbers);
    spec->attr[1] = 1.0;
}

static void draw_log_softmax(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    draw_one(spec, z, numbers);
    spec->attr[0] = 1.0;
    spec->terms = z->in;
}

static void draw_labelled(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    draw_one(spec, z, numbers);
    index_operand(spec, batch(1, 1), z->in);
}

static void add_mask(struct spec *spec)
{
    spec->fill[spec->n_in] = FILL_MASK;
    operand(spec, batch(1, 1));
}

static void draw_masked(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    draw_labelled(spec, z, numbers);
    add_mask(spec);
}

static void draw_bce(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    draw_one(spec, z, numbers);
    spec->fill[1] = FILL_UNIT;
    operand(spec, batch(1, z->in));
}

static void draw_bce_masked(struct spec *spec, const struct sizes *z, struct numbers *numbers)
{
    draw_bce(spec, z, numbers);
    add_mask(spec);
}

/*
 * plus: roundings beside the terms of the sum. Functions of vmath are within 4 ULP = 8 roundings;
 * the derivative of tanh adds those of y, y^2, 1 - y^2 and the product; an exp whose argument was
 * rounded (up to 8 wide) 8 more. magnitude: largest results and slopes where inputs are within 4,
 * gradients within 1.
 */
const struct op_case op_cases[] = {
    {&opu_op_linear, "linear with bias", draw_linear_bias, .plus = 2, .blas = true},
    {&opu_op_linear, "linear without bias", draw_linear, .plus = 2, .blas = true},
    {&opu_op_bmm, "bmm", draw_bmm, .plus = 2, .blas = true},
    {&opu_op_bmm, "bmm transposed", draw_bmm_transposed, .plus = 2, .blas = true},
    {&opu_op_bmm, "bmm in groups", draw_bmm_grouped, .plus = 2, .blas = true},
    {&opu_op_bmm, "bmm in groups transposed", draw_bmm_grouped_transposed, .plus = 2, .blas = true},
    {&opu_op_relu, "relu", draw_one, .least = 1e-2, .plus = 1, .magnitude = 4},
    {&opu_op_tanh, "tanh", draw_one, .plus = 24, .magnitude = 1},
    {&opu_op_tap, "tap", draw_one, .plus = 1, .magnitude = 4},
    {&opu_op_elu, "elu", draw_elu, .least = 1e-2, .plus = 24, .magnitude = 4},
    {&opu_op_leaky_relu, "leaky_relu", draw_leaky, .least = 1e-2, .plus = 4, .magnitude = 4},
    {&opu_op_sigmoid, "sigmoid", draw_one, .plus = 24, .magnitude = 1},
    {&opu_op_affine, "affine", draw_affine, .plus = 4, .magnitude = 4},
    {&opu_op_dropout, "dropout", draw_dropout, .plus = 4},
    {&opu_op_add, "add", draw_same, .plus = 1},
    {&opu_op_add, "add a vector", draw_vector, .plus = 1},
    {&opu_op_add, "add to heads", draw_heads, .plus = 1},
    {&opu_op_add, "add in turn", draw_tiled, .plus = 1},
    {&opu_op_add, "add to samples", draw_repeated, .plus = 1},
    {&opu_op_mul, "mul", draw_same, .plus = 2},
    {&opu_op_mul, "mul by a vector", draw_vector, .plus = 2},
    {&opu_op_mul, "mul of heads", draw_heads, .plus = 2},
    {&opu_op_mul, "mul in turn", draw_tiled, .plus = 2},
    {&opu_op_mul, "mul of a batch in turn", draw_tiled_batch, .plus = 2},
    {&opu_op_mul, "mul of samples", draw_repeated, .plus = 2},
    {&opu_op_sum_columns, "sum_columns", draw_sum_columns, .plus = 1},
    {&opu_op_sum_rows, "sum_rows", draw_sum_rows, .plus = 1},
    {&opu_op_concat, "concat", draw_concat, .plus = 1},
    {&opu_op_slice, "slice", draw_slice, .plus = 1},
    {&opu_op_reshape, "reshape", draw_reshape, .plus = 1},
    {&opu_op_reshape, "reshape across rows", draw_reshape_across, .plus = 1},
    {&opu_op_gather, "gather", draw_gather, .plus = 1},
    {&opu_op_scatter_add, "scatter_add", draw_scatter, .plus = 1},
    {&opu_op_spmm, "spmm", draw_spmm, .plus = 2},
    {&opu_op_spmm, "spmm transposed", draw_spmm_transposed, .plus = 2},
    {&opu_op_spmm, "spmm with weights", draw_spmm_weights, .plus = 2},
    {&opu_op_spmm, "spmm by heads", draw_spmm_heads, .plus = 2},
    {&opu_op_spmm, "spmm by heads transposed", draw_spmm_heads_transposed, .plus = 2},
    {&opu_op_spmm, "spmm of ones", draw_spmm_ones, .plus = 2},
    {&opu_op_edge_softmax, "edge_softmax", draw_edge_softmax, .plus = 40, .magnitude = 1},
    {&opu_op_softmax, "softmax", draw_softmax, .plus = 40, .magnitude = 1},
    {&opu_op_softmax, "softmax with a spare", draw_softmax_spare, .plus = 40, .magnitude = 1},
    {&opu_op_log_softmax, "log_softmax", draw_log_softmax, .plus = 40, .magnitude = 13},
    {&opu_op_softmax_xent, "softmax_xent", draw_labelled, .plus = 40, .magnitude = 9},
    {&opu_op_softmax_xent, "softmax_xent with a mask", draw_masked, .plus = 40, .magnitude = 9},
    {&opu_op_nll, "nll", draw_labelled, .plus = 2, .magnitude = 4},
    {&opu_op_nll, "nll with a mask", draw_masked, .plus = 4, .magnitude = 4},
    {&opu_op_bce, "bce", draw_bce, .plus = 24, .magnitude = 9},
    {&opu_op_bce, "bce with a mask", draw_bce_masked, .plus = 24, .magnitude = 9},
};

const size_t n_op_cases = sizeof op_cases / sizeof op_cases[0];
