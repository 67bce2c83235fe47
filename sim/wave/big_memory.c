/* SPDX-License-Identifier: MIT */
/* Large arrays with the wish for huge pages. */
#define _DEFAULT_SOURCE /* madvise() */
#include "sim/wave/big_memory.h"

#include "core/base/fail.h"
#include "core/base/mem.h"

#include <stdint.h>
#include <sys/mman.h>

#define HUGE_PAGE ((uintptr_t)2 << 20)

void *opu_big_alloc(struct opu_context *context, size_t n, size_t size)
{
    size_t bytes;
    if (!opu_size_mul(&bytes, n, size)) {
        opu_fail(OPU_E_NO_MEMORY, "no memory for %zu x %zu bytes", n, size);
        return NULL;
    }
    void *const memory = opu_context_alloc(context, bytes);
#ifdef MADV_HUGEPAGE
    if (memory != NULL) {
        uintptr_t const first = ((uintptr_t)memory + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
        uintptr_t const end = ((uintptr_t)memory + bytes) / HUGE_PAGE * HUGE_PAGE;
        if (end > first) {
            /* Only advice: without it all is a little slower. */
            (void)madvise((char *)memory + (first - (uintptr_t)memory), end - first, MADV_HUGEPAGE);
        }
    }
#endif
    return memory;
}
