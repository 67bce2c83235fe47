/* SPDX-License-Identifier: MIT */
/**
 * @file context.h
 * @brief The context: where memory comes from and where log records go.
 *
 * A context outlives everything created with it. It holds no locks: use one per thread, or one at a
 * time. The library never prints; without a log sink it is silent.
 */
#ifndef OPU_CONTEXT_H
#define OPU_CONTEXT_H

#include <opu/status.h>

#ifdef __cplusplus
extern "C" {
#endif

struct opu_context;

enum opu_log_level { OPU_LOG_ERROR = 0, OPU_LOG_WARNING = 1, OPU_LOG_INFO = 2, OPU_LOG_DEBUG = 3 };

struct opu_log_record {
    enum opu_log_level level;
    double time_s;         /**< monotonic clock */
    const char *component; /**< such as "sim" or "train" */
    const char *message;   /**< one line, no line end */
};

/** Where log records go. write may be called from any thread the library runs. */
struct opu_log_sink {
    void *user;
    enum opu_log_level max_level; /**< records above it are not even formatted */
    void (*write)(void *user, const struct opu_log_record *record); /**< NULL: silence */
};

/** Where memory comes from. Both functions must be callable from any thread. */
struct opu_allocator {
    void *user;
    /** @return @p size bytes at a multiple of @p alignment (a power of two), or NULL */
    void *(*alloc)(void *user, size_t size, size_t alignment);
    void (*free)(void *user, void *memory); /**< memory may be NULL */
};

struct opu_context_options {
    size_t size;                    /**< sizeof(struct opu_context_options) */
    struct opu_allocator allocator; /**< alloc NULL: aligned_alloc and free */
    struct opu_log_sink log;
    int threads; /**< OpenMP threads of the calling thread's regions; 0: as OpenMP decides */
};

/**
 * Creates a context. @p options NULL: malloc, silence, all cores. On failure *out is NULL.
 * @return OPU_OK, OPU_E_INVALID, OPU_E_NO_MEMORY
 */
OPU_NODISCARD OPU_API int opu_context_create(struct opu_context **out,
                                             const struct opu_context_options *options);

/** Frees the context; everything created with it must be gone. NULL is fine. */
OPU_API void opu_context_destroy(struct opu_context *context);

/**
 * One line about this build: version, BLAS, FFT, vector level of this processor, licence of the
 * binary.
 */
OPU_API const char *opu_version(void);

#ifdef __cplusplus
}
#endif
#endif
