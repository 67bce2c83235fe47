/* SPDX-License-Identifier: MIT */
/* manifest.json: everything that can move a bit of a run. It holds no time, so equal runs have
 * equal ones. */
#include "core/train/trainer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif
#ifdef _OPENMP
#include <omp.h>
#endif

#include "core/base/cpu.h"
#include "core/base/fail.h"
#include "core/base/gemm.h"

#define LINE_SIZE 512
#define MANIFEST "manifest.json"

#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

#ifdef __OPTIMIZE__
#define OPTIMISED true
#else
#define OPTIMISED false
#endif
#define EARLIER "earlier"

static int threads(void)
{
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

/* The processor's name as the kernel tells it. */
static void cpu_model(char text[LINE_SIZE])
{
    char line[LINE_SIZE];
    (void)snprintf(text, LINE_SIZE, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", strlen("model name")) == 0 && colon) {
            const char *name = colon + 1 + strspn(colon + 1, " \t");
            (void)snprintf(text, LINE_SIZE, "%.*s", (int)strcspn(name, "\n"), name);
            break;
        }
    }
    if (file) {
        (void)fclose(file);
    }
}

/* Sets what may be NULL for lack of memory; the first failure is kept. */
static void put(json_t *object, const char *key, json_t *value, bool *good)
{
    *good = json_object_set_new(object, key, value) == 0 && *good;
}

static void put_build(json_t *root, bool *good)
{
    char cpu[LINE_SIZE];
    cpu_model(cpu);
    put(root, "opu", json_string(opu_version()), good);
    put(root, "compiler", json_string(COMPILER), good);
    put(root, "optimised", json_boolean(OPTIMISED), good);
#ifdef __GLIBC__
    put(root, "libc", json_string(gnu_get_libc_version()), good);
#endif
    put(root, "blas", json_string(opu_gemm_describe()), good);
    put(root, "cpu", json_string(cpu), good);
    put(root, "vectors", json_string(opu_isa_name(opu_isa_best())), good);
    put(root, "threads", json_integer(threads()), good);
}

static void put_data(json_t *root, const struct opu_task *task, bool *good)
{
    json_t *files = json_object();
    for (size_t i = 0; i < task->n_files; i++) {
        char hash[32];
        (void)snprintf(hash, sizeof hash, "fnv1a64:%016" PRIx64, task->files[i].hash);
        put(files, task->files[i].name, json_string(hash), good);
    }
    put(root, "data", files, good);
    put(root, "train_rows", json_integer((json_int_t)task->n_train), good);
    put(root, "evaluate_rows", json_integer((json_int_t)task->n_evaluate), good);
}

static void put_device(json_t *root, const struct opu_trainer *t, bool *good)
{
    if (!t->feedback) {
        return;
    }
    const struct opu_projection *projection = opu_feedback_projection(t->feedback);
    json_t *device = json_object();
    put(device, "uri", json_string(opu_device_uri(t->device)), good);
    put(device, "identity", json_string(opu_projection_identity(projection)), good);
    put(device, "projection", json_string(opu_projection_describe(projection)), good);
    put(root, "device", device, good);
}

static void put_config(json_t *root, const struct opu_train_config *config, bool *good)
{
    size_t n;
    const struct opu_option *options = opu_train_options(&n);
    json_t *values = json_object();
    for (size_t i = 0; i < n; i++) {
        char value[OPU_OPTION_TEXT_SIZE];
        *good =
            opu_train_config_get(config, options[i].key, value, sizeof value) == OPU_OK && *good;
        put(values, options[i].key, json_string(value), good);
    }
    put(root, "config", values, good);
}

/* The manifest that lies there and those before it, oldest first. One that can't be read is gone.
 */
static void put_earlier(json_t *root, const struct opu_trainer *t, bool *good)
{
    char file[OPU_FOLDER_PATH_SIZE];
    opu_folder_file(&t->folder, MANIFEST, file);
    json_t *before = json_load_file(file, 0, NULL);
    if (!json_is_object(before)) {
        json_decref(before);
        return;
    }
    json_t *list = json_incref(json_object_get(before, EARLIER));
    (void)json_object_del(before, EARLIER);
    if (!json_is_array(list)) {
        json_decref(list);
        list = json_array();
    }
    if (!json_equal(before, root)) {
        *good = json_array_append(list, before) == 0 && *good;
    }
    if (json_array_size(list) > 0) {
        put(root, EARLIER, json_incref(list), good);
    }
    json_decref(list);
    json_decref(before);
}

int opu_manifest_write(const struct opu_trainer *trainer, bool resume)
{
    bool good = true;
    json_t *root = json_object();
    put(root, "schema", json_integer(1), &good);
    put_build(root, &good);
    put_config(root, &trainer->config, &good);
    put_device(root, trainer, &good);
    put_data(root, trainer->task, &good);
    if (resume && opu_folder_keeps(&trainer->folder)) {
        put_earlier(root, trainer, &good);
    }
    char *text = good ? json_dumps(root, JSON_INDENT(2)) : NULL;
    json_decref(root);
    if (!text) {
        return opu_fail(OPU_E_NO_MEMORY, "no memory for the manifest");
    }
    int const status = opu_folder_write(&trainer->folder, MANIFEST, text);
    free(text);
    return status;
}
