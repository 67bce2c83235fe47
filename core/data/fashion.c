/* SPDX-License-Identifier: MIT */
/*
 * Finds and checks the four files of Fashion-MNIST, keeps the pictures as bytes (47 MB) and turns
 * them into normalised floats batch by batch.
 */
#include "core/data/fashion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <opu/npy.h>

#include "core/base/cpu.h"
#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/data/idx.h"
#include "core/data/image_kernels.h"
#include "core/data/places.h"

#define PIXELS ((size_t)OPU_FASHION_SIDE * OPU_FASHION_SIDE)
#define PATH_SIZE OPU_PLACE_SIZE
/* Where Debian's package puts the files. */
#define SYSTEM_DIR "/usr/share/datasets/fashion-mnist"

enum { TRAIN_IMAGES = 0, TRAIN_LABELS = 1, TEST_IMAGES = 2, TEST_LABELS = 3, N_FILES = 4 };

static const char *const file_names[N_FILES] = {
    [TRAIN_IMAGES] = "train-images-idx3-ubyte.gz",
    [TRAIN_LABELS] = "train-labels-idx1-ubyte.gz",
    [TEST_IMAGES] = "t10k-images-idx3-ubyte.gz",
    [TEST_LABELS] = "t10k-labels-idx1-ubyte.gz",
};

typedef void pixels_to_float_fn(const uint8_t *pixels, size_t n, float scale, float shift,
                                float *out);

static pixels_to_float_fn *const pixels_to_float[OPU_ISA_COUNT] = {
    opu_pixels_to_float_base,
#ifdef __x86_64__
    opu_pixels_to_float_avx2,
    opu_pixels_to_float_avx512,
#endif
};

struct fashion {
    struct opu_dataset base;
    struct opu_array files[N_FILES];
    size_t first[2]; /* first row of each split in its arrays */
    const struct opu_array *images[2], *labels[2];
    pixels_to_float_fn *convert;
};

static void list_places(struct opu_places *places, const char *dir)
{
    opu_places_list(places, dir, "", "fashion-mnist");
    if (!dir || !*dir) {
        const char *env = getenv("OPU_DATA_DIR");
        if (env && *env) {
            opu_places_add(places, env, "");
        }
        opu_places_add(places, SYSTEM_DIR, "");
    }
}

/* The file with .gz or without it; false if neither is there. */
static bool find_file(char path[PATH_SIZE], const char *dir, const char *name)
{
    int const n = snprintf(path, PATH_SIZE, "%s/%s", dir, name);
    if (n < 0 || n >= PATH_SIZE) {
        return false;
    }
    struct stat seen;
    if (stat(path, &seen) == 0) {
        return true;
    }
    path[(size_t)n - strlen(".gz")] = 0;
    return stat(path, &seen) == 0;
}

/* The first place that has the training pictures. */
static int find_place(const struct opu_places *places, const char **dir)
{
    char path[PATH_SIZE], list[320];
    for (size_t i = 0; i < places->n; i++) {
        if (find_file(path, places->dir[i], file_names[TRAIN_IMAGES])) {
            *dir = places->dir[i];
            return OPU_OK;
        }
    }
    opu_places_text(places, list, sizeof list);
    return opu_fail(OPU_E_NOT_FOUND,
                    "no Fashion-MNIST (%s) in %s; apt-get install dataset-fashion-mnist brings it",
                    file_names[TRAIN_IMAGES], places->n ? list : "a folder whose name is too long");
}

static int check_images(const struct opu_array *images, const char *path)
{
    if (images->rank != 3 || images->shape[1] != OPU_FASHION_SIDE ||
        images->shape[2] != OPU_FASHION_SIDE) {
        return opu_fail(OPU_E_FORMAT, "%s: %zu dimensions, rows of %zu x %zu; wanted n x %d x %d",
                        path, images->rank, images->rank > 1 ? images->shape[1] : 1,
                        images->rank > 2 ? images->shape[2] : 1, OPU_FASHION_SIDE,
                        OPU_FASHION_SIDE);
    }
    return OPU_OK;
}

static int check_labels(const struct opu_array *labels, const struct opu_array *images,
                        const char *path)
{
    if (labels->rank != 1 || labels->shape[0] != images->shape[0]) {
        return opu_fail(OPU_E_FORMAT,
                        "%s: %zu dimensions, %zu labels; wanted one label for each of %zu pictures",
                        path, labels->rank, labels->shape[0], images->shape[0]);
    }
    const uint8_t *label = labels->data;
    for (size_t i = 0; i < labels->shape[0]; i++) {
        if (label[i] >= OPU_FASHION_CLASSES) {
            return opu_fail(OPU_E_FORMAT, "%s: label %zu is %d, wanted 0 to %d", path, i, label[i],
                            OPU_FASHION_CLASSES - 1);
        }
    }
    return OPU_OK;
}

static int read_files(struct fashion *f, const char *dir)
{
    char path[PATH_SIZE];
    for (size_t i = 0; i < N_FILES; i++) {
        if (!find_file(path, dir, file_names[i])) {
            return opu_fail(OPU_E_NOT_FOUND, "%s has %s but not %s", dir, file_names[TRAIN_IMAGES],
                            file_names[i]);
        }
        struct opu_dataset_file *file = &f->base.info.files[i];
        OPU_TRY(opu_idx_read(f->base.context, &f->files[i], path, &file->hash));
        file->name = file_names[i];
        OPU_TRY(i % 2 == 0 ? check_images(&f->files[i], path)
                           : check_labels(&f->files[i], &f->files[i - 1], path));
    }
    f->base.info.n_files = N_FILES;
    return OPU_OK;
}

static int split_rows(struct fashion *f, size_t hold_out)
{
    struct opu_dataset_info *info = &f->base.info;
    size_t const all = f->files[TRAIN_IMAGES].shape[0];
    if (hold_out >= all) {
        return opu_fail(OPU_E_INVALID, "%zu of %zu training rows can't be held out", hold_out, all);
    }
    bool const held = hold_out > 0;
    info->n_rows[OPU_SPLIT_TRAIN] = all - hold_out;
    info->n_rows[OPU_SPLIT_EVALUATE] = held ? hold_out : f->files[TEST_IMAGES].shape[0];
    f->first[OPU_SPLIT_EVALUATE] = held ? all - hold_out : 0;
    f->images[OPU_SPLIT_TRAIN] = &f->files[TRAIN_IMAGES];
    f->labels[OPU_SPLIT_TRAIN] = &f->files[TRAIN_LABELS];
    f->images[OPU_SPLIT_EVALUATE] = &f->files[held ? TRAIN_IMAGES : TEST_IMAGES];
    f->labels[OPU_SPLIT_EVALUATE] = &f->files[held ? TRAIN_LABELS : TEST_LABELS];
    return OPU_OK;
}

static void fill(const struct opu_dataset *set, enum opu_split split, const uint32_t *rows,
                 size_t n, float *x, int32_t *labels)
{
    const struct fashion *f = (const struct fashion *)set;
    const uint8_t *pixels = f->images[split]->data, *label = f->labels[split]->data;
    size_t const first = f->first[split];
    float const scale = 1.0f / (255.0f * OPU_FASHION_STD);
    float const shift = -OPU_FASHION_MEAN / OPU_FASHION_STD;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i++) {
        size_t const row = first + rows[i];
        f->convert(pixels + row * PIXELS, PIXELS, scale, shift, x + i * PIXELS);
        labels[i] = label[row];
    }
}

static void close_files(struct opu_dataset *set)
{
    struct fashion *f = (struct fashion *)set;
    for (size_t i = 0; i < N_FILES; i++) {
        opu_array_free(set->context, &f->files[i]);
    }
    opu_context_free(set->context, f);
}

static const struct opu_dataset_ops ops = {.fill = fill, .close = close_files};

int opu_fashion_open(struct opu_dataset **out, struct opu_context *context,
                     const struct opu_dataset_options *options)
{
    *out = NULL;
    struct opu_places places;
    const char *dir = NULL;
    list_places(&places, options->dir);
    OPU_TRY(find_place(&places, &dir));
    struct fashion *f = opu_calloc(context, 1, sizeof *f);
    if (!f) {
        return OPU_E_NO_MEMORY;
    }
    f->base = (struct opu_dataset){.ops = &ops, .context = context};
    f->base.info.columns = PIXELS;
    f->base.info.classes = OPU_FASHION_CLASSES;
    f->convert = pixels_to_float[opu_isa_best()];
    int status = read_files(f, dir);
    if (status == OPU_OK) {
        status = split_rows(f, options->hold_out);
    }
    if (status < 0) {
        close_files(&f->base);
        return status;
    }
    *out = &f->base;
    return OPU_OK;
}
