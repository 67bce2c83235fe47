/* SPDX-License-Identifier: MIT */
/* Memory and transpose of sparse matrices. */
#include "core/base/csr.h"

#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"

int opu_csr_alloc(struct opu_context *context, struct opu_csr *csr, size_t rows, size_t columns,
                  size_t count, bool with_values)
{
    *csr = (struct opu_csr){0};
    if (rows > OPU_CSR_MAX || columns > OPU_CSR_MAX || count > OPU_CSR_MAX) {
        return opu_fail(OPU_E_INVALID,
                        "a sparse matrix of %zu x %zu with %zu entries, each is at most %zu", rows,
                        columns, count, OPU_CSR_MAX);
    }
    struct opu_csr made = {.rows = rows, .columns = columns, .count = count};
    made.start = opu_calloc(context, rows + 1, sizeof *made.start);
    made.index = opu_calloc(context, count, sizeof *made.index);
    made.value = with_values ? opu_calloc(context, count, sizeof *made.value) : NULL;
    if (!made.start || !made.index || (with_values && !made.value)) {
        opu_csr_free(context, &made);
        return OPU_E_NO_MEMORY;
    }
    *csr = made;
    return OPU_OK;
}

/* start_t from the columns' sizes. */
static void count_columns(const struct opu_csr *csr, uint32_t *start_t)
{
    memset(start_t, 0, (csr->columns + 1) * sizeof *start_t);
    for (size_t k = 0; k < csr->count; k++) {
        start_t[csr->index[k] + 1]++;
    }
    for (size_t j = 0; j < csr->columns; j++) {
        start_t[j + 1] += start_t[j];
    }
}

/* Rows are taken in their order, so a column's entries ascend by row. */
static void scatter(const struct opu_csr *csr, const struct opu_csr *t, uint32_t *next)
{
    for (size_t i = 0; i < csr->rows; i++) {
        for (uint32_t k = csr->start[i]; k < csr->start[i + 1]; k++) {
            uint32_t const to = next[csr->index[k]]++;
            if (t->index_t != csr->index) {
                t->index_t[to] = (uint32_t)i;
            }
            if (t->value_t && t->value_t != csr->value) {
                t->value_t[to] = csr->value[k];
            }
            if (t->order_t) {
                t->order_t[to] = k;
            }
        }
    }
}

static void free_transpose(struct opu_context *context, struct opu_csr *csr)
{
    opu_context_free(context, csr->start_t != csr->start ? csr->start_t : NULL);
    opu_context_free(context, csr->index_t != csr->index ? csr->index_t : NULL);
    opu_context_free(context, csr->value_t != csr->value ? csr->value_t : NULL);
    opu_context_free(context, csr->order_t);
    csr->start_t = csr->index_t = csr->order_t = NULL;
    csr->value_t = NULL;
}

int opu_csr_transpose(struct opu_context *context, struct opu_csr *csr, unsigned flags)
{
    bool const same = (flags & OPU_CSR_SYMMETRIC) != 0;
    bool const pattern = same || (flags & OPU_CSR_SYMMETRIC_PATTERN) != 0;
    bool const order = (flags & OPU_CSR_ORDER) != 0;
    size_t const n = csr->count;
    struct opu_csr t = *csr;
    t.start_t = pattern ? csr->start : opu_calloc(context, csr->columns + 1, sizeof *t.start_t);
    t.index_t = pattern ? csr->index : opu_calloc(context, n, sizeof *t.index_t);
    t.value_t = same || !csr->value ? csr->value : opu_calloc(context, n, sizeof *t.value_t);
    t.order_t = order ? opu_calloc(context, n, sizeof *t.order_t) : NULL;
    uint32_t *next = opu_calloc(context, csr->columns + 1, sizeof *next);
    if (!t.start_t || !t.index_t || (csr->value && !t.value_t) || (order && !t.order_t) || !next) {
        free_transpose(context, &t);
        opu_context_free(context, next);
        return OPU_E_NO_MEMORY;
    }
    if (!pattern) {
        count_columns(csr, t.start_t);
    }
    memcpy(next, t.start_t, (csr->columns + 1) * sizeof *next);
    if (!pattern || order || t.value_t != csr->value) {
        scatter(csr, &t, next);
    }
    opu_context_free(context, next);
    free_transpose(context, csr);
    *csr = t;
    return OPU_OK;
}

void opu_csr_free(struct opu_context *context, struct opu_csr *csr)
{
    free_transpose(context, csr);
    opu_context_free(context, csr->start);
    opu_context_free(context, csr->index);
    opu_context_free(context, csr->value);
    *csr = (struct opu_csr){0};
}
