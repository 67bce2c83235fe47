/* SPDX-License-Identifier: MIT */
/* Words about commands and options from their tables, for doc_help.c and doc_man.c. */
#include "tools/doc.h"

#include <string.h>

const struct doc_exit doc_exits[] = {
    {0, "done"},
    {1, "failed (memory, disk full, ...)"},
    {2, "wrong usage: command, option, value or URI"},
    {3, "device: not found, busy, gone, faulty, unable to, or its matrix has changed"},
    {4, "data: missing, malformed, not finite, or a checkpoint of another network"},
    {5, "a target was missed (check, train --target)"},
    {130, "interrupted; what was promised to be kept is kept"},
};
const size_t doc_n_exits = sizeof doc_exits / sizeof doc_exits[0];

void doc_term(char *text, size_t n, const struct cli_option *option)
{
    const char *const letter = strcmp(option->name, "help") == 0 ? "-h, " : "";
    snprintf(text, n, "%s--%s%s%s", letter, option->name, option->kind == CLI_FLAG ? "" : " ",
             option->kind == CLI_FLAG ? "" : option->value);
}

void doc_option_text(char *text, size_t n, const struct cli_option *option)
{
    size_t used = (size_t)snprintf(text, n, "%s", option->help);
    if (option->fallback != NULL && used < n) {
        used += (size_t)snprintf(text + used, n - used, " [%s]", option->fallback);
    }
    if (option->kind == CLI_LIST && used < n) {
        used += (size_t)snprintf(text + used, n - used, "; repeatable");
    }
    if (option->required && used < n) {
        snprintf(text + used, n - used, " (required)");
    }
}

void doc_paragraphs(FILE *file, const char *text, void (*put)(FILE *file, const char *paragraph))
{
    for (const char *at = text; *at != 0;) {
        size_t const length = strcspn(at, "\n");
        char paragraph[1024];
        snprintf(paragraph, sizeof paragraph, "%.*s", (int)length, at);
        put(file, paragraph);
        at += length + (at[length] == '\n');
    }
}

void cli_option_range(char *text, size_t n, const struct opu_option *option)
{
    static const char *const kinds[] = {[OPU_OPTION_BOOL] = "yes or no",
                                        [OPU_OPTION_UINT] = "whole number",
                                        [OPU_OPTION_DOUBLE] = "number",
                                        [OPU_OPTION_CHOICE] = "",
                                        [OPU_OPTION_TEXT] = "text"};
    if (option->type == OPU_OPTION_CHOICE) {
        snprintf(text, n, "%s", option->choices);
    } else if (option->min < option->max) {
        snprintf(text, n, "%.9g to %.9g", option->min, option->max);
    } else {
        snprintf(text, n, "%s", kinds[option->type]);
    }
}

static void add_device_option(const struct opu_option *option, const char *heading,
                              void (*add)(void *user, const char *group, const char *left,
                                          const char *right),
                              void *user)
{
    char left[320], right[1024], range[256];
    bool const number = option->type == OPU_OPTION_DOUBLE || option->type == OPU_OPTION_UINT;
    const char *const unit = option->unit != NULL ? option->unit : number ? "1" : NULL;
    cli_option_range(range, sizeof range, option);
    snprintf(left, sizeof left, "%s=%s", option->key,
             option->fallback != NULL ? option->fallback : "");
    snprintf(right, sizeof right, "%s (%s%s%s%s%s)", option->help, unit != NULL ? unit : "",
             unit != NULL ? ", " : "", range, option->source != NULL ? "; source: " : "",
             option->source != NULL ? option->source : "");
    add(user, heading, left, right);
}

/* Groups in the order in which the table names them first. */
void cli_device_options(const struct opu_backend_info *info,
                        void (*add)(void *user, const char *group, const char *left,
                                    const char *right),
                        void *user)
{
    for (size_t i = 0; i < info->n_options; i++) {
        const char *const group = info->options[i].group;
        bool told = false;
        for (size_t k = 0; k < i && group != NULL; k++) {
            const char *const before = info->options[k].group;
            told = told || (before != NULL && strcmp(before, group) == 0);
        }
        for (size_t k = i; k < info->n_options && !told; k++) {
            const char *const other = info->options[k].group;
            if (k == i || (group != NULL && other != NULL && strcmp(other, group) == 0)) {
                add_device_option(&info->options[k], info->options[k].group, add, user);
            }
        }
    }
}

/* Those that the device has no key of its own for. */
void cli_projection_keys(const struct opu_backend_info *info,
                         void (*add)(void *user, const char *group, const char *left,
                                     const char *right),
                         void *user)
{
    size_t n;
    const struct opu_option *const keys = opu_projection_uri_options(&n);
    for (size_t i = 0; i < n; i++) {
        bool own = false;
        for (size_t k = 0; info != NULL && k < info->n_options; k++) {
            own = own || strcmp(info->options[k].key, keys[i].key) == 0;
        }
        if (!own) {
            add_device_option(&keys[i], "Keys of every URI: how projections through it are made",
                              add, user);
        }
    }
}
