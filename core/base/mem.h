/* SPDX-License-Identifier: MIT */
/* Memory of a context: aligned, overflow-checked, and arenas whose parts are planned before they
 * are used. */
#ifndef OPU_CORE_MEM_H
#define OPU_CORE_MEM_H

#include <opu/backend.h>

#define OPU_ALIGNMENT 64

/* n * size bytes, zeroed, 64-byte aligned; NULL leaves a sentence. n or size 0 gives a small block.
 */
void *opu_calloc(struct opu_context *context, size_t n, size_t size);

/* The context that opu_calloc() and opu_context_alloc() use, as a struct of the public header. */
const struct opu_allocator *opu_context_allocator(const struct opu_context *context);

#endif
