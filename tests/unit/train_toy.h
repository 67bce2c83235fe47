/* SPDX-License-Identifier: MIT */
/* For tests: small trainings on the toy data, and what is compared of their run folders. */
#ifndef OPU_TEST_TRAIN_TOY_H
#define OPU_TEST_TRAIN_TOY_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <opu/backend.h>

#include "core/base/safetensors.h"
#include "core/train/trainer.h"
#include "data_toy.h"

/* 330 rows in steps of 32: the eleventh has 10 rows. */
#define TOY_TRAIN 330
#define TOY_TEST 60
#define TOY_STEPS 11

static struct opu_context *context;
static char toy_data[256], toy_runs[256];

/* A device whose matrix drifts and whose camera is noisy. */
#define TOY_SIM "sim:seed=3,tau=5"
#define TOY_EXACT "exact:seed=3"

static inline struct opu_train_config *toy_config(const char *method, const char *device)
{
    const char *const pairs[][2] = {
        {"data.dir", toy_data},   {"model.hidden", "24,16"},   {"train.epochs", "3"},
        {"train.batch", "32"},    {"optim.lr", "0.003"},       {"align.rows", "50"},
        {"train.method", method}, {"feedback.device", device},
    };
    struct opu_train_config *config;
    assert_int_equal(opu_train_config_create(&config, context), OPU_OK);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        assert_int_equal(opu_train_config_set(config, pairs[i][0], pairs[i][1]), OPU_OK);
    }
    return config;
}

static inline void toy_set(struct opu_train_config *config, const char *key, const char *value)
{
    assert_int_equal(opu_train_config_set(config, key, value), OPU_OK);
}

static inline void toy_path(char path[512], const char *run, const char *file)
{
    (void)snprintf(path, 512, "%.250s/%s%s%s", toy_runs, run, *file ? "/" : "", file);
}

/* Where a run is to stop; epoch 0: nowhere. */
struct toy_stop {
    uint64_t epoch, step;
};

static inline int toy_stop_at(void *user, const struct opu_train_progress *progress)
{
    const struct toy_stop *stop = user;
    return stop->epoch > 0 && progress->epoch == stop->epoch && progress->step == stop->step;
}

/* Creates and runs; the status of the first that fails. */
static inline int toy_run(const struct opu_train_config *config, const char *run, bool resume,
                          struct toy_stop stop)
{
    char dir[512];
    struct opu_trainer *trainer;
    toy_path(dir, run, "");
    int status = opu_trainer_create(&trainer, context, config, dir, resume);
    if (status == OPU_OK) {
        status = opu_trainer_run(trainer, toy_stop_at, &stop);
    } else {
        assert_null(trainer);
    }
    opu_trainer_destroy(trainer);
    return status;
}

static inline void toy_runs_well(const struct opu_train_config *config, const char *run,
                                 bool resume)
{
    int const status = toy_run(config, run, resume, (struct toy_stop){0});
    if (status != OPU_OK) {
        fail_msg("%s: %s", opu_status_name(status), opu_error_message());
    }
}

static inline void toy_said(const char *part)
{
    if (!strstr(opu_error_message(), part)) {
        fail_msg("\"%s\" does not say \"%s\"", opu_error_message(), part);
    }
}

/* A whole file, with a 0 behind it; freed by the caller. */
static inline char *toy_read(const char *run, const char *file, size_t *n)
{
    char path[512];
    toy_path(path, run, file);
    FILE *f = fopen(path, "rb");
    if (!f) {
        fail_msg("%s is not there", path);
    }
    char *bytes = calloc(1, (size_t)8 << 20);
    *n = fread(bytes, 1, ((size_t)8 << 20) - 1, f);
    assert_int_equal(fclose(f), 0);
    return bytes;
}

static inline bool toy_same_file(const char *a, const char *b, const char *file)
{
    size_t n, m;
    char *x = toy_read(a, file, &n), *y = toy_read(b, file, &m);
    bool const same = n == m && memcmp(x, y, n) == 0;
    free(x);
    free(y);
    return same;
}

static inline struct opu_safetensors *toy_checkpoint(const char *run)
{
    char path[512];
    struct opu_safetensors *file;
    toy_path(path, run, OPU_CHECKPOINT_FILE);
    if (opu_safetensors_open(&file, context, path) < 0) {
        fail_msg("%s", opu_error_message());
    }
    return file;
}

/* Whether two checkpoints hold the same tensors, bit for bit: parameters, moments, calibration,
 * alignment. */
static inline bool toy_same_tensors(const char *a, const char *b)
{
    struct opu_safetensors *x = toy_checkpoint(a), *y = toy_checkpoint(b);
    bool same = opu_safetensors_count(x) == opu_safetensors_count(y);
    for (size_t i = 0; i < opu_safetensors_count(x) && same; i++) {
        const struct opu_tensor_ref *p = opu_safetensors_at(x, i);
        const struct opu_tensor_ref *q = opu_safetensors_find(y, p->name);
        size_t bytes = opu_dtype_size(p->dtype);
        same = q && p->rank == q->rank && p->dtype == q->dtype;
        for (size_t d = 0; d < p->rank && same; d++) {
            same = p->shape[d] == q->shape[d];
            bytes *= p->shape[d];
        }
        same = same && memcmp(p->data, q->data, bytes) == 0;
    }
    opu_safetensors_close(x);
    opu_safetensors_close(y);
    return same;
}

static inline void toy_same_run(const char *run, const char *whole)
{
    assert_true(toy_same_file(run, whole, "metrics.jsonl"));
    assert_true(toy_same_tensors(run, whole));
}

static inline void toy_copy(const char *from, const char *to, const char *file)
{
    char path[512];
    size_t n;
    char *bytes = toy_read(from, file, &n);
    toy_path(path, to, file);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    free(bytes);
}

static inline int toy_group_set_up(void **state)
{
    (void)state;
    toy_dir(toy_data);
    toy_write(toy_data, TOY_TRAIN, TOY_TEST);
    return 0;
}

static inline int toy_group_tear_down(void **state)
{
    (void)state;
    toy_remove(toy_data);
    return 0;
}

/* Each test has a context and a fresh folder for its runs. */
static inline int toy_set_up(void **state)
{
    (void)state;
    toy_dir(toy_runs);
    return opu_context_create(&context, NULL);
}

static inline int toy_tear_down(void **state)
{
    (void)state;
    opu_context_destroy(context);
    toy_remove(toy_runs);
    return 0;
}

#define TOY_TEST_CASE(name) cmocka_unit_test_setup_teardown(name, toy_set_up, toy_tear_down)

#endif
