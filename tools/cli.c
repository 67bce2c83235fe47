/* SPDX-License-Identifier: MIT */
/* Parsing of the command line by the tables, and suggestions for what was nearly right. */
#include "tools/cli.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct cli_option cli_global_options[] = {
    {.name = "help",
     .kind = CLI_FLAG,
     .offset = offsetof(struct cli, help),
     .help = "print help, also: opu help COMMAND"},
    {.name = "version",
     .kind = CLI_FLAG,
     .offset = offsetof(struct cli, version),
     .help = "print the version, libraries and licence of this build"},
    {.name = "json",
     .kind = CLI_FLAG,
     .offset = offsetof(struct cli, json),
     .help = "print the result (or the failure) as one JSON document"},
    {.name = "threads",
     .kind = CLI_UINT,
     .offset = offsetof(struct cli, threads),
     .value = "N",
     .min = 1,
     .max = 4096,
     .help = "threads to use; default: all cores"},
    {.name = "man",
     .kind = CLI_FLAG,
     .offset = offsetof(struct cli, hidden_man),
     .hidden = true,
     .help = "print the man page"},
    {.name = "completion",
     .kind = CLI_TEXT,
     .offset = offsetof(struct cli, completion),
     .value = "bash",
     .hidden = true,
     .help = "print a shell's completion script"},
};
const size_t cli_n_global_options = sizeof cli_global_options / sizeof cli_global_options[0];

#define SUGGEST_LENGTH 40

/* Restricted Damerau-Levenshtein distance; strings longer than SUGGEST_LENGTH are never near. */
static size_t distance(const char *a, const char *b)
{
    size_t const n = strlen(a), m = strlen(b);
    if (n > SUGGEST_LENGTH || m > SUGGEST_LENGTH) {
        return SIZE_MAX;
    }
    size_t d[SUGGEST_LENGTH + 1][SUGGEST_LENGTH + 1];
    for (size_t i = 0; i <= n; i++) {
        d[i][0] = i;
    }
    for (size_t j = 0; j <= m; j++) {
        d[0][j] = j;
    }
    for (size_t i = 1; i <= n; i++) {
        for (size_t j = 1; j <= m; j++) {
            size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            best = d[i - 1][j] + 1 < best ? d[i - 1][j] + 1 : best;
            best = d[i][j - 1] + 1 < best ? d[i][j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < best) {
                best = d[i - 2][j - 2] + 1;
            }
            d[i][j] = best;
        }
    }
    return d[n][m];
}

const char *cli_nearest(const char *seen, const char *const *names, size_t n)
{
    const char *nearest = NULL;
    size_t const length = strlen(seen);
    size_t least = length / 3 > 2 ? length / 3 + 1 : 3; /* a distance below this is near */
    for (size_t i = 0; i < n; i++) {
        if (length >= 3 && strncmp(names[i], seen, length) == 0) {
            return names[i];
        }
        size_t const d = distance(seen, names[i]);
        if (d < least && d < length) {
            least = d;
            nearest = names[i];
        }
    }
    return nearest;
}

const struct cli_command *cli_command_find(const char *name)
{
    for (size_t i = 0; cli_commands[i] != NULL; i++) {
        if (strcmp(cli_commands[i]->name, name) == 0) {
            return cli_commands[i];
        }
    }
    return NULL;
}

static int unknown_command(const char *seen)
{
    const char *names[64];
    size_t n = 0;
    for (; n < 64 && cli_commands[n] != NULL; n++) {
        names[n] = cli_commands[n]->name;
    }
    const char *const near = cli_nearest(seen, names, n);
    return near != NULL
               ? opu_fail(OPU_E_INVALID,
                          "unknown command '%s'; did you mean '%s'? (opu --help lists "
                          "them all)",
                          seen, near)
               : opu_fail(OPU_E_INVALID, "unknown command '%s' (opu --help lists them all)", seen);
}

static const struct cli_option *find_in(const struct cli_option *table, size_t n, const char *name,
                                        size_t length)
{
    for (size_t i = 0; i < n; i++) {
        if (strlen(table[i].name) == length && strncmp(table[i].name, name, length) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

static int unknown_option(const struct cli_command *command, const char *seen, size_t length)
{
    const char *names[128];
    size_t n = 0;
    for (size_t i = 0; command != NULL && i < command->n_options && n < 128; i++) {
        if (!command->options[i].hidden) {
            names[n++] = command->options[i].name;
        }
    }
    for (size_t i = 0; i < cli_n_global_options && n < 128; i++) {
        if (!cli_global_options[i].hidden) {
            names[n++] = cli_global_options[i].name;
        }
    }
    char name[SUGGEST_LENGTH + 1];
    snprintf(name, sizeof name, "%.*s", (int)(length < SUGGEST_LENGTH ? length : SUGGEST_LENGTH),
             seen);
    const char *const near = cli_nearest(name, names, n);
    const char *const help = command != NULL ? command->name : "";
    return near != NULL
               ? opu_fail(OPU_E_INVALID,
                          "unknown option '--%s'; did you mean '--%s'? (opu %s%s--help)", name,
                          near, help, help[0] != 0 ? " " : "")
               : opu_fail(OPU_E_INVALID, "unknown option '--%s' (opu %s%s--help lists them)", name,
                          help, help[0] != 0 ? " " : "");
}

static bool among(const char *choices, const char *value)
{
    size_t const length = strlen(value);
    for (const char *at = choices; at != NULL; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncmp(at, value, length) == 0 && (at[length] == '|' || at[length] == 0)) {
            return true;
        }
    }
    return false;
}

static int store_uint(const struct cli_option *option, struct cli_uint *target, const char *value)
{
    char *end = NULL;
    errno = 0;
    unsigned long long const seen = strtoull(value, &end, 10);
    bool const bounded = option->min < option->max;
    if (value[0] < '0' || value[0] > '9' || *end != 0 || errno != 0 || seen > UINT64_C(1) << 53 ||
        (bounded && ((double)seen < option->min || (double)seen > option->max))) {
        return bounded
                   ? opu_fail(OPU_E_INVALID,
                              "--%s: saw '%s', wanted a whole number from %.0f to %.0f",
                              option->name, value, option->min, option->max)
                   : opu_fail(OPU_E_INVALID, "--%s: saw '%s', wanted a whole number from 0 to 2^53",
                              option->name, value);
    }
    target->value = seen;
    target->given = true;
    return OPU_OK;
}

static int store_double(const struct cli_option *option, struct cli_double *target,
                        const char *value)
{
    char *end = NULL;
    double const seen = strtod(value, &end);
    bool const bounded = option->min < option->max;
    if (end == value || *end != 0 || !isfinite(seen) ||
        (bounded && (seen < option->min || seen > option->max))) {
        return bounded ? opu_fail(OPU_E_INVALID, "--%s: saw '%s', wanted a number from %g to %g",
                                  option->name, value, option->min, option->max)
                       : opu_fail(OPU_E_INVALID, "--%s: saw '%s', wanted a number", option->name,
                                  value);
    }
    target->value = seen;
    target->given = true;
    return OPU_OK;
}

static int store(const struct cli_option *option, void *target, const char *value)
{
    void *const member = (char *)target + option->offset;
    switch (option->kind) {
    case CLI_FLAG:
        return OPU_OK; /* has no value */
    case CLI_UINT:
        return store_uint(option, member, value);
    case CLI_DOUBLE:
        return store_double(option, member, value);
    case CLI_LIST: {
        struct cli_list *const list = member;
        if (list->n == CLI_LIST_MAX) {
            return opu_fail(OPU_E_INVALID, "--%s: given more than %d times", option->name,
                            CLI_LIST_MAX);
        }
        list->item[list->n++] = value;
        return OPU_OK;
    }
    case CLI_TEXT:
        if (strchr(option->value, '|') != NULL && !among(option->value, value)) {
            return opu_fail(OPU_E_INVALID, "--%s: saw '%s', wanted one of %s", option->name, value,
                            option->value);
        }
        *(const char **)member = value;
        return OPU_OK;
    }
    return OPU_OK;
}

/* Fills the fallbacks; they come from our own tables, so they parse. */
static void defaults(const struct cli_command *command, void *options)
{
    for (size_t i = 0; i < command->n_options; i++) {
        const struct cli_option *const option = &command->options[i];
        if (option->fallback == NULL) {
            continue;
        }
        int const status = store(option, options, option->fallback);
        (void)status;
        if (option->kind == CLI_UINT) {
            ((struct cli_uint *)(void *)((char *)options + option->offset))->given = false;
        } else if (option->kind == CLI_DOUBLE) {
            ((struct cli_double *)(void *)((char *)options + option->offset))->given = false;
        }
    }
}

/* One "--name", "--name=value" or "--name value" at argv[*at]. */
static int parse_long(struct cli *cli, int argc, char **argv, int *at, void *options)
{
    const char *const name = argv[*at] + 2;
    const char *const equals = strchr(name, '=');
    size_t const length = equals != NULL ? (size_t)(equals - name) : strlen(name);
    void *target = options;
    const struct cli_option *option = NULL;
    if (cli->command != NULL && options != NULL) {
        option = find_in(cli->command->options, cli->command->n_options, name, length);
    }
    if (option == NULL) {
        option = find_in(cli_global_options, cli_n_global_options, name, length);
        target = cli;
    }
    if (option == NULL) {
        return unknown_option(cli->command, name, length);
    }
    if (option->kind == CLI_FLAG) {
        *(bool *)(void *)((char *)target + option->offset) = true;
        return equals == NULL ? OPU_OK
                              : opu_fail(OPU_E_INVALID, "--%s takes no value, saw '%s'",
                                         option->name, equals + 1);
    }
    const char *value = equals != NULL ? equals + 1 : NULL;
    if (value == NULL) {
        if (*at + 1 >= argc) {
            return opu_fail(OPU_E_INVALID, "--%s wants a value: --%s %s", option->name,
                            option->name, option->value);
        }
        value = argv[++*at];
    }
    return store(option, target, value);
}

/* "-v", "-vv", "-h". */
static int parse_short(struct cli *cli, const char *letters)
{
    for (const char *at = letters; *at != 0; at++) {
        if (*at == 'v') {
            cli->verbosity++;
        } else if (*at == 'h') {
            cli->help = true;
        } else {
            return opu_fail(OPU_E_INVALID, "unknown option '-%c' (opu --help lists them)", *at);
        }
    }
    return OPU_OK;
}

static bool is_given(const struct cli_option *option, const void *options)
{
    const void *const member = (const char *)options + option->offset;
    switch (option->kind) {
    case CLI_FLAG:
        return *(const bool *)member;
    case CLI_UINT:
        return ((const struct cli_uint *)member)->given;
    case CLI_DOUBLE:
        return ((const struct cli_double *)member)->given;
    case CLI_LIST:
        return ((const struct cli_list *)member)->n > 0;
    case CLI_TEXT:
        return *(const char *const *)member != NULL;
    }
    return false;
}

static int check_complete(const struct cli_command *command, const void *options, int n,
                          char **argv)
{
    if (n < command->min_arguments) {
        return opu_fail(OPU_E_INVALID, "%s is missing: opu %s %s", command->arguments,
                        command->name, command->arguments);
    }
    if (n > command->max_arguments) {
        return opu_fail(OPU_E_INVALID, "unexpected argument '%s' (opu %s --help)",
                        argv[command->max_arguments], command->name);
    }
    for (size_t i = 0; i < command->n_options; i++) {
        if (command->options[i].required && !is_given(&command->options[i], options)) {
            return opu_fail(OPU_E_INVALID, "--%s %s is missing (opu %s --help)",
                            command->options[i].name, command->options[i].value, command->name);
        }
    }
    return OPU_OK;
}

/* The command's name is known: make room for its options. */
static int enter_command(struct cli *cli, const char *name, void **options)
{
    cli->command = cli_command_find(name);
    if (cli->command == NULL) {
        return unknown_command(name);
    }
    *options = calloc(1, cli->command->options_size > 0 ? cli->command->options_size : 1);
    if (*options == NULL) {
        return opu_fail(OPU_E_NO_MEMORY, "no memory for the options of '%s'", name);
    }
    defaults(cli->command, *options);
    return OPU_OK;
}

int cli_parse(struct cli *cli, int argc, char **argv, void **options, int *n_arguments)
{
    int n = 0;
    bool only_arguments = false;
    *options = NULL;
    *n_arguments = 0;
    /* Known before anything can fail, so that a usage error is a document too. */
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        cli->json = cli->json || strcmp(argv[i], "--json") == 0;
    }
    for (int i = 1; i < argc; i++) {
        int status = OPU_OK;
        if (!only_arguments && strcmp(argv[i], "--") == 0) {
            only_arguments = true;
        } else if (!only_arguments && strncmp(argv[i], "--", 2) == 0) {
            status = parse_long(cli, argc, argv, &i, *options);
        } else if (!only_arguments && argv[i][0] == '-' && argv[i][1] != 0) {
            status = parse_short(cli, argv[i] + 1);
        } else if (cli->command == NULL) {
            status = enter_command(cli, argv[i], options);
        } else {
            argv[n++] = argv[i];
        }
        if (status < 0) {
            return status;
        }
    }
    *n_arguments = n;
    if (cli->command == NULL || *options == NULL || cli->help) {
        return OPU_OK;
    }
    return check_complete(cli->command, *options, n, argv);
}
