/* SPDX-License-Identifier: MIT */
/* Large arrays of a context, not zeroed, with the wish for huge pages: a pass over the columns of a
 * grid touches a new page with every row. */
#ifndef OPU_SIM_WAVE_BIG_MEMORY_H
#define OPU_SIM_WAVE_BIG_MEMORY_H

#include <opu/context.h>

#include <stddef.h>

/* n * size bytes; NULL leaves a sentence. Freed by opu_context_free(). */
void *opu_big_alloc(struct opu_context *context, size_t n, size_t size);

#endif
