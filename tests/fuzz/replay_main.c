/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target over every file of a folder: the corpus as an ordinary test, with any
 * compiler. An empty or missing folder is a failure.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_LIMIT ((size_t)16 << 20)

/* The file in a block of exactly its size, so that the sanitizer sees every step beyond it. */
static uint8_t *load(const char *path, size_t *n)
{
    FILE *const file = fopen(path, "rb");
    uint8_t *const room = file != NULL ? malloc(SIZE_LIMIT) : NULL;
    uint8_t *exact = NULL;
    if (room != NULL) {
        *n = fread(room, 1, SIZE_LIMIT, file);
        exact = ferror(file) == 0 && *n < SIZE_LIMIT ? malloc(*n > 0 ? *n : 1) : NULL;
    }
    if (exact != NULL) {
        memcpy(exact, room, *n);
    }
    free(room);
    if (file != NULL) {
        (void)fclose(file);
    }
    return exact;
}

static int replay(const char *folder, const char *name)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    size_t n;
    uint8_t *const bytes = load(path, &n);
    if (bytes == NULL) {
        (void)fprintf(stderr, "%s: can't be read\n", path);
        return -1;
    }
    /* Said first: a crash then names its file. */
    printf("%s\n", name);
    (void)fflush(stdout);
    (void)LLVMFuzzerTestOneInput(bytes, n);
    free(bytes);
    return 0;
}

int main(int argc, char **argv)
{
    DIR *const dir = argc == 2 ? opendir(argv[1]) : NULL;
    if (dir == NULL) {
        (void)fprintf(stderr, "%s: wanted one argument, the folder of the corpus\n", argv[0]);
        return 2;
    }
    size_t count = 0;
    int failed = 0;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (entry->d_name[0] != '.') {
            failed |= replay(argv[1], entry->d_name);
            count++;
        }
    }
    (void)closedir(dir);
    if (count == 0) {
        (void)fprintf(stderr, "%s: the corpus is empty\n", argv[1]);
    }
    return failed != 0 || count == 0 ? 1 : 0;
}
