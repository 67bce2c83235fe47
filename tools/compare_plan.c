/* SPDX-License-Identifier: MIT */
/* From the command line's words to arms, runs and their folders. */
#include "tools/compare.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const struct compare_name compare_names[COMPARE_N_METHODS] = {
    [COMPARE_BP] = {"bp", "BP", "bp"},
    [COMPARE_EXACT] = {"exact", "DFA exact", "dfa"},
    [COMPARE_OPTICAL] = {"optical", "DFA optical", "dfa"},
    [COMPARE_SHALLOW] = {"shallow", "SHALLOW", "shallow"},
};

/* What the comparison sets itself. */
static const char *const own_keys[] = {"train.method", "train.seed"};

static int refuse_own(const char *option, const char *pair)
{
    for (size_t i = 0; i < sizeof own_keys / sizeof own_keys[0]; i++) {
        size_t const n = strlen(own_keys[i]);
        if (strncmp(pair, own_keys[i], n) == 0 && (pair[n] == '=' || pair[n] == 0)) {
            return opu_fail(OPU_E_INVALID,
                            "%s %s: a comparison trains by --methods, over the seeds 1 to --seeds",
                            option, own_keys[i]);
        }
    }
    return OPU_OK;
}

/* --methods, else all four, or with a sweep what its plot shows. */
static int take_methods(const struct comparison *c, bool wanted[COMPARE_N_METHODS])
{
    const char *at = c->wish->methods;
    if (at == NULL) {
        for (size_t i = 0; i < COMPARE_N_METHODS; i++) {
            wanted[i] = c->n_sweeps == 0 || i != COMPARE_SHALLOW;
        }
        return OPU_OK;
    }
    for (;; at++) {
        size_t const n = strcspn(at, ",");
        size_t k = 0;
        while (k < COMPARE_N_METHODS &&
               (strlen(compare_names[k].name) != n || strncmp(compare_names[k].name, at, n) != 0)) {
            k++;
        }
        if (k == COMPARE_N_METHODS) {
            return opu_fail(OPU_E_INVALID,
                            "--methods: saw '%.*s', wanted a list of bp, exact, optical, shallow",
                            (int)(n < 40 ? n : 40), at);
        }
        wanted[k] = true;
        at += n;
        if (*at == 0) {
            break;
        }
    }
    if (c->n_sweeps > 0 && !wanted[COMPARE_OPTICAL]) {
        return opu_fail(OPU_E_INVALID,
                        "--sweep turns a knob of DFA optical, which --methods leaves out");
    }
    return OPU_OK;
}

static int take_sweeps(struct comparison *c)
{
    const struct cli_list *const list = &c->wish->sweep;
    if (list->n > COMPARE_MAX_SWEEPS) {
        return opu_fail(OPU_E_INVALID,
                        "--sweep: given %zu times; one makes a curve, two make a grid, and more "
                        "can't be shown",
                        list->n);
    }
    c->sweeps = calloc(COMPARE_MAX_SWEEPS, sizeof *c->sweeps);
    if (c->sweeps == NULL) {
        return opu_fail(OPU_E_NO_MEMORY, "no memory for the sweep");
    }
    for (size_t i = 0; i < list->n; i++) {
        int status = refuse_own("--sweep", list->item[i]);
        if (status == OPU_OK) {
            status = compare_sweep_parse(&c->sweeps[i], list->item[i]);
        }
        if (status < 0) {
            return status;
        }
    }
    if (list->n == 2 && strcmp(c->sweeps[0].key, c->sweeps[1].key) == 0) {
        return opu_fail(OPU_E_INVALID, "--sweep %s is given twice", c->sweeps[0].key);
    }
    c->n_sweeps = list->n;
    return OPU_OK;
}

const char *compare_get(const struct compare_arm *arm, const char *key,
                        char text[OPU_OPTION_TEXT_SIZE])
{
    if (opu_train_config_get(arm->config, key, text, OPU_OPTION_TEXT_SIZE) < 0) {
        snprintf(text, OPU_OPTION_TEXT_SIZE, "?");
    }
    return text;
}

/*
 * The base's configuration with the arm's method. What only matters to the optics goes back to its
 * default elsewhere, so that another device leaves those runs as they are.
 */
static int make_config(const struct comparison *c, struct compare_arm *arm)
{
    size_t n = 0;
    const struct opu_option *const table = opu_train_options(&n);
    char text[OPU_OPTION_TEXT_SIZE];
    int status = opu_train_config_create(&arm->config, c->cli->context);
    for (size_t i = 0; i < n && status == OPU_OK; i++) {
        bool const optics =
            strncmp(table[i].key, "feedback.", 9) == 0 || strncmp(table[i].key, "probe.", 6) == 0;
        if (optics && arm->method != COMPARE_OPTICAL) {
            continue;
        }
        status = opu_train_config_get(c->base.config, table[i].key, text, sizeof text);
        if (status == OPU_OK) {
            status = opu_train_config_set(arm->config, table[i].key, text);
        }
    }
    if (status == OPU_OK) {
        status =
            opu_train_config_set(arm->config, "train.method", compare_names[arm->method].train);
    }
    return status == OPU_OK && arm->method != COMPARE_OPTICAL
               ? opu_train_config_set(arm->config, "feedback.device", "exact:")
               : status;
}

/* The swept values into the arm's configuration; a refusal names the sweep. */
static int turn_knobs(const struct comparison *c, struct compare_arm *arm)
{
    size_t used = 0;
    for (size_t i = 0; i < c->n_sweeps; i++) {
        const char *const key = c->sweeps[i].key, *const value = c->sweeps[i].value[arm->at[i]];
        int const status = opu_train_config_set(arm->config, key, value);
        if (status < 0) {
            char sentence[400];
            snprintf(sentence, sizeof sentence, "%s", opu_error_message());
            return opu_fail(status == OPU_E_NOT_FOUND ? OPU_E_INVALID : status, "--sweep: %s",
                            sentence);
        }
        int const n = snprintf(arm->label + used, sizeof arm->label - used, "%s%.30s=%.40s",
                               i > 0 ? ", " : "", key, value);
        used += (size_t)n < sizeof arm->label - used ? (size_t)n : sizeof arm->label - used - 1;
    }
    return OPU_OK;
}

/* Every key and value that decides the result, but for the seed. */
static int sign(struct compare_arm *arm)
{
    size_t n = 0;
    const struct opu_option *const table = opu_train_options(&n);
    struct html all = {.text = NULL};
    char text[OPU_OPTION_TEXT_SIZE];
    for (size_t i = 0; i < n; i++) {
        if (strcmp(table[i].key, "data.dir") != 0 && strcmp(table[i].key, "train.seed") != 0 &&
            strcmp(table[i].key, "checkpoint.every") != 0) {
            html_add(&all, "%s=%s\n", table[i].key, compare_get(arm, table[i].key, text));
        }
    }
    arm->signature = all.text;
    return all.failed ? opu_fail(OPU_E_NO_MEMORY, "no memory for the comparison") : OPU_OK;
}

static int add_arm(struct comparison *c, enum compare_method method, size_t i, size_t k)
{
    if (c->n_arms == COMPARE_MAX_ARMS) {
        return opu_fail(OPU_E_INVALID, "--sweep: more than %d values in all", COMPARE_MAX_ARMS);
    }
    struct compare_arm *const arm = &c->arms[c->n_arms++];
    *arm = (struct compare_arm){
        .method = method, .swept = method == COMPARE_OPTICAL && c->n_sweeps > 0, .at = {i, k}};
    snprintf(arm->label, sizeof arm->label, "%s", compare_names[method].label);
    int status = make_config(c, arm);
    if (status == OPU_OK && arm->swept) {
        status = turn_knobs(c, arm);
    }
    if (status == OPU_OK) {
        status = sign(arm);
    }
    for (size_t a = 0; a + 1 < c->n_arms && status == OPU_OK; a++) {
        assert(c->arms[a].signature != NULL && arm->signature != NULL);
        if (strcmp(c->arms[a].signature, arm->signature) == 0) {
            status = opu_fail(OPU_E_INVALID,
                              "%s and %s are the same training: give another device or value",
                              c->arms[a].label, arm->label);
        }
    }
    return status;
}

static int add_arms(struct comparison *c, const bool wanted[COMPARE_N_METHODS])
{
    size_t const n_first = c->n_sweeps > 0 ? c->sweeps[0].n : 1;
    size_t const n_second = c->n_sweeps > 1 ? c->sweeps[1].n : 1;
    int status = OPU_OK;
    c->arms = calloc(COMPARE_MAX_ARMS, sizeof *c->arms);
    if (c->arms == NULL) {
        return opu_fail(OPU_E_NO_MEMORY, "no memory for the comparison");
    }
    for (int m = 0; m < COMPARE_N_METHODS && status == OPU_OK; m++) {
        bool const optical = m == COMPARE_OPTICAL;
        for (size_t i = 0; i < (optical ? n_first : 1) && wanted[m] && status == OPU_OK; i++) {
            for (size_t k = 0; k < (optical ? n_second : 1) && status == OPU_OK; k++) {
                status = add_arm(c, (enum compare_method)m, i, k);
            }
        }
    }
    return status;
}

/* Letters, digits and . _ = + - : as they are, other bytes as %xx: no two values share a folder. */
static void add_safe(struct html *path, const char *text)
{
    for (const char *at = text; *at != 0; at++) {
        unsigned char const byte = (unsigned char)*at;
        bool const plain = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                           (byte >= 'A' && byte <= 'Z') || strchr("._=+-:", byte) != NULL;
        html_add(path, plain ? "%c" : "%%%02x", byte);
    }
}

static char *run_path(const struct comparison *c, const struct compare_arm *arm, uint64_t seed)
{
    struct html path = {.text = NULL};
    html_add(&path, "%s/%s", c->dir, compare_names[arm->method].name);
    for (size_t i = 0; i < c->n_sweeps && arm->swept; i++) {
        html_add(&path, "-");
        add_safe(&path, c->sweeps[i].key);
        html_add(&path, "=");
        add_safe(&path, c->sweeps[i].value[arm->at[i]]);
    }
    html_add(&path, "-seed%" PRIu64, seed);
    return path.text;
}

static int add_runs(struct comparison *c)
{
    c->runs = calloc(c->n_arms * c->n_seeds, sizeof *c->runs);
    if (c->runs == NULL) {
        return opu_fail(OPU_E_NO_MEMORY, "no memory for %zu runs", c->n_arms * c->n_seeds);
    }
    for (size_t a = 0; a < c->n_arms; a++) {
        for (size_t s = 0; s < c->n_seeds; s++) {
            struct compare_run *const run = &c->runs[a * c->n_seeds + s];
            run->arm = a;
            run->seed = s + 1;
            run->dir = run_path(c, &c->arms[a], s + 1);
            if (run->dir == NULL || strlen(run->dir) >= RUN_PATH_SIZE) {
                return opu_fail(OPU_E_INVALID, "--out: the run folders' paths are too long");
            }
        }
    }
    return OPU_OK;
}

int compare_plan(struct comparison *c)
{
    bool wanted[COMPARE_N_METHODS] = {false};
    int status = OPU_OK;
    for (size_t i = 0; i < c->wish->set.n && status == OPU_OK; i++) {
        status = refuse_own("--set", c->wish->set.item[i]);
    }
    c->n_seeds = (size_t)c->wish->seeds.value;
    status = status == OPU_OK ? take_sweeps(c) : status;
    status = status == OPU_OK ? take_methods(c, wanted) : status;
    status = status == OPU_OK ? add_arms(c, wanted) : status;
    return status == OPU_OK ? add_runs(c) : status;
}

void compare_plan_free(struct comparison *c)
{
    for (size_t i = 0; c->runs != NULL && i < c->n_arms * c->n_seeds; i++) {
        struct compare_run *const run = &c->runs[i];
        free(run->dir);
        free(run->figures.epoch);
        free(run->figures.accuracy);
        free(run->figures.loss);
        for (size_t k = 0; k < run->figures.n_taps; k++) {
            free(run->figures.taps[k].mean);
        }
    }
    for (size_t i = 0; i < c->n_arms; i++) {
        opu_train_config_destroy(c->arms[i].config);
        free(c->arms[i].signature);
    }
    free(c->runs);
    free(c->arms);
    free(c->sweeps);
    c->runs = NULL;
    c->arms = NULL;
    c->sweeps = NULL;
    c->n_arms = 0;
}
