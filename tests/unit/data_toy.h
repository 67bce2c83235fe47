/* SPDX-License-Identifier: MIT */
/* For tests: a folder of their own, and a small made-up data set in Fashion-MNIST's format. */
#ifndef OPU_TEST_DATA_TOY_H
#define OPU_TEST_DATA_TOY_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#define TOY_PIXELS 784

/* A fresh folder; the name lives in `text`. */
static inline void toy_dir(char text[256])
{
    const char *base = getenv("TMPDIR");
    (void)snprintf(text, 256, "%s/opu-test-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(text)) {
        perror(text);
        abort();
    }
}

static inline void toy_remove(const char *dir)
{
    char command[300];
    (void)snprintf(command, sizeof command, "rm -r -- '%s'", dir);
    if (system(command) != 0) {
        (void)fprintf(stderr, "# %s is left behind\n", dir);
    }
}

static inline size_t toy_header(uint8_t *out, size_t rank, const uint32_t *shape)
{
    uint8_t const magic[4] = {0, 0, 8, (uint8_t)rank};
    memcpy(out, magic, 4);
    for (size_t i = 0; i < rank; i++) {
        for (size_t b = 0; b < 4; b++) {
            out[4 + 4 * i + b] = (uint8_t)(shape[i] >> (24 - 8 * b));
        }
    }
    return 4 + 4 * rank;
}

static inline void toy_write_gz(const char *dir, const char *name, const uint8_t *bytes, size_t n)
{
    char path[400];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    gzFile file = gzopen(path, "wb");
    if (!file || gzwrite(file, bytes, (unsigned)n) != (int)n || gzclose(file) != Z_OK) {
        perror(path);
        abort();
    }
}

/* A small linear congruential generator: the toy's own, so that it shares nothing with what is
 * tested. */
static inline uint32_t toy_draw(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 16;
}

/*
 * n rows: a picture of class c is bright in its own 28 x 2 stripe and noisy elsewhere, so that ten
 * classes can be told apart by a linear rule.
 */
static inline void toy_write_split(const char *dir, const char *images_name,
                                   const char *labels_name, uint32_t n, uint32_t seed)
{
    uint8_t *images = malloc(16 + (size_t)n * TOY_PIXELS);
    uint8_t *labels = malloc(8 + (size_t)n);
    uint32_t const shape[3] = {n, 28, 28};
    size_t const at = toy_header(images, 3, shape), label_at = toy_header(labels, 1, shape);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t const label = toy_draw(&seed) % 10;
        labels[label_at + i] = (uint8_t)label;
        for (size_t p = 0; p < TOY_PIXELS; p++) {
            uint32_t const on = p / 56 == label ? 120 : 0;
            images[at + i * (size_t)TOY_PIXELS + p] = (uint8_t)(on + toy_draw(&seed) % 100);
        }
    }
    toy_write_gz(dir, images_name, images, at + (size_t)n * TOY_PIXELS);
    toy_write_gz(dir, labels_name, labels, label_at + n);
    free(images);
    free(labels);
}

static inline void toy_write(const char *dir, uint32_t n_train, uint32_t n_test)
{
    toy_write_split(dir, "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", n_train, 1);
    toy_write_split(dir, "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz", n_test, 2);
}

#endif
