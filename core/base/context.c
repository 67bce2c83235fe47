/* SPDX-License-Identifier: MIT */
/* The context: its allocator, its log sink, and the memory that everything else takes from it. */
#define _DEFAULT_SOURCE /* madvise() */

#include <opu/backend.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "core/base/fail.h"
#include "core/base/mem.h"

#define MESSAGE_SIZE 1024

/* What is at least twice a huge page long is aligned to them and asked for in them: rows gathered
 * from a large matrix miss the caches anyway, and would miss the page tables too. */
#define HUGE_PAGE ((size_t)2 << 20)

struct opu_context {
    struct opu_allocator allocator;
    struct opu_log_sink log;
};

static void *libc_alloc(void *user, size_t size, size_t alignment)
{
    (void)user;
    size_t padded;
    bool const large = size >= 2 * HUGE_PAGE && alignment <= HUGE_PAGE;
    alignment = large ? HUGE_PAGE : alignment;
    if (!opu_size_add(&padded, size, alignment - 1)) {
        return NULL;
    }
    /* aligned_alloc() wants a multiple of the alignment. */
    padded = padded / alignment * alignment;
    void *const memory = aligned_alloc(alignment, padded);
#ifdef MADV_HUGEPAGE
    if (large && memory != NULL) {
        (void)madvise(memory, padded, MADV_HUGEPAGE);
    }
#endif
    return memory;
}

static void libc_free(void *user, void *memory)
{
    (void)user;
    free(memory);
}

static const struct opu_allocator libc_allocator = {.alloc = libc_alloc, .free = libc_free};

int opu_context_create(struct opu_context **out, const struct opu_context_options *options)
{
    *out = NULL;
    struct opu_context_options set = {.size = sizeof set};
    if (options != NULL) {
        if (options->size < sizeof options->size) {
            return opu_fail(OPU_E_INVALID,
                            "context options: size is %zu, wanted sizeof(struct "
                            "opu_context_options) = %zu",
                            options->size, sizeof set);
        }
        /* A program built against an older header has a shorter struct: the rest stays zero. */
        memcpy(&set, options, options->size < sizeof set ? options->size : sizeof set);
    }
    if (set.allocator.alloc == NULL) {
        set.allocator = libc_allocator;
    }
    if (set.allocator.free == NULL) {
        return opu_fail(OPU_E_INVALID, "context options: allocator has alloc but no free");
    }
    if (set.threads < 0) {
        return opu_fail(OPU_E_INVALID, "context options: threads is %d, wanted 0 or more",
                        set.threads);
    }
    struct opu_context *const context =
        set.allocator.alloc(set.allocator.user, sizeof *context, OPU_ALIGNMENT);
    if (context == NULL) {
        return opu_fail(OPU_E_NO_MEMORY, "memory: no %zu bytes to be had for a context",
                        sizeof *context);
    }
    context->allocator = set.allocator;
    context->log = set.log;
#ifdef _OPENMP
    if (set.threads > 0) {
        omp_set_num_threads(set.threads);
    }
#endif
    *out = context;
    return OPU_OK;
}

void opu_context_destroy(struct opu_context *context)
{
    if (context != NULL) {
        struct opu_allocator const allocator = context->allocator;
        allocator.free(allocator.user, context);
    }
}

const struct opu_allocator *opu_context_allocator(const struct opu_context *context)
{
    return context != NULL ? &context->allocator : &libc_allocator;
}

void *opu_context_alloc(struct opu_context *context, size_t size)
{
    const struct opu_allocator *const allocator = opu_context_allocator(context);
    void *const memory = allocator->alloc(allocator->user, size > 0 ? size : 1, OPU_ALIGNMENT);
    if (memory == NULL) {
        (void)opu_fail(OPU_E_NO_MEMORY, "memory: no %zu bytes to be had", size);
    }
    return memory;
}

void opu_context_free(struct opu_context *context, void *memory)
{
    const struct opu_allocator *const allocator = opu_context_allocator(context);
    if (memory != NULL) {
        allocator->free(allocator->user, memory);
    }
}

void *opu_calloc(struct opu_context *context, size_t n, size_t size)
{
    size_t bytes;
    if (!opu_size_mul(&bytes, n, size)) {
        (void)opu_fail(OPU_E_NO_MEMORY, "memory: %zu times %zu bytes is more than there can be", n,
                       size);
        return NULL;
    }
    void *const memory = opu_context_alloc(context, bytes);
    if (memory != NULL) {
        memset(memory, 0, bytes);
    }
    return memory;
}

void opu_context_log(struct opu_context *context, enum opu_log_level level, const char *component,
                     const char *format, ...)
{
    if (context == NULL || context->log.write == NULL || level > context->log.max_level) {
        return;
    }
    char message[MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    if (vsnprintf(message, sizeof message, format, args) < 0) {
        message[0] = '\0';
    }
    va_end(args);
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    struct opu_log_record const record = {
        .level = level,
        .time_s = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec,
        .component = component,
        .message = message,
    };
    context->log.write(context->log.user, &record);
}
