/* SPDX-License-Identifier: MIT */
/*
 * A sparse matrix by rows (CSR), and the same entries by columns for products with its transpose.
 * Entries of a row ascend by column, those of a column by row, so sums run in one order whatever
 * the threads do.
 */
#ifndef OPU_CORE_CSR_H
#define OPU_CORE_CSR_H

#include <opu/context.h>

/* What rows, columns and count may be at most. */
#define OPU_CSR_MAX ((size_t)UINT32_MAX - 1)

struct opu_csr {
    size_t rows, columns, count;
    uint32_t *start; /* [rows + 1] where each row begins; start[rows] is count */
    uint32_t *index; /* [count] column of each entry */
    float *value;    /* [count]; NULL: every entry is 1 */

    /*
     * The transpose, row j of which is column j: NULL until opu_csr_transpose(). A matrix that is
     * its own transpose shares the arrays above; only the pattern need be symmetric for start_t
     * and index_t to be shared.
     */
    uint32_t *start_t; /* [columns + 1] */
    uint32_t *index_t; /* [count] row of each entry */
    float *value_t;    /* [count]; NULL where value is */
    /* (optional) [count]: entry k of the transpose is entry order_t[k] above. Tells where a value
     * that is computed anew for each entry stands. Where the pattern is symmetric it is its own
     * inverse: the entry that mirrors entry k. */
    uint32_t *order_t;
};

enum opu_csr_flag {
    OPU_CSR_SYMMETRIC = 1 << 0,         /* value_t is value: the caller knows that it is so */
    OPU_CSR_SYMMETRIC_PATTERN = 1 << 1, /* start_t and index_t are start and index */
    OPU_CSR_ORDER = 1 << 2              /* order_t is wanted */
};

/*
 * Room for count entries: start, index and, where with_values, value, all zero. On failure *csr is
 * all zero. OPU_E_INVALID (beyond OPU_CSR_MAX), OPU_E_NO_MEMORY.
 */
OPU_NODISCARD int opu_csr_alloc(struct opu_context *context, struct opu_csr *csr, size_t rows,
                                size_t columns, size_t count, bool with_values);

/* Fills in the transpose; flags of enum opu_csr_flag. On failure the matrix is as it was.
 * OPU_E_NO_MEMORY. */
OPU_NODISCARD int opu_csr_transpose(struct opu_context *context, struct opu_csr *csr,
                                    unsigned flags);

/* Frees what the two above allocated; *csr is all zero afterwards. */
void opu_csr_free(struct opu_context *context, struct opu_csr *csr);

#endif
