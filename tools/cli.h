/* SPDX-License-Identifier: MIT */
/*
 * The command line: one table per command drives parsing, --help, the man page and completion.
 *
 * stdout carries the result (with --json exactly one document), stderr carries talk.
 */
#ifndef OPU_TOOLS_CLI_H
#define OPU_TOOLS_CLI_H

#include <opu/opu.h>

#include <jansson.h>

#include <stdarg.h>
#include <stdio.h>

/* What the command's exit means; a table in talk.c maps each opu_status to one of them. */
enum cli_exit {
    CLI_OK = 0,
    CLI_FAILURE = 1,
    CLI_USAGE = 2,
    CLI_DEVICE = 3,
    CLI_DATA = 4,
    CLI_MISSED = 5,
    CLI_INTERRUPTED = 130
};

enum cli_kind {
    CLI_FLAG,   /* bool */
    CLI_TEXT,   /* const char *, NULL where not given and without a fallback */
    CLI_UINT,   /* struct cli_uint */
    CLI_DOUBLE, /* struct cli_double */
    CLI_LIST    /* struct cli_list, repeatable */
};

struct cli_uint {
    bool given;
    uint64_t value;
};

struct cli_double {
    bool given;
    double value;
};

#define CLI_LIST_MAX 64

struct cli_list {
    size_t n;
    const char *item[CLI_LIST_MAX];
};

struct cli_option {
    const char *name; /* long name without its dashes */
    enum cli_kind kind;
    size_t offset;        /* of the member in the command's options struct */
    const char *value;    /* what help calls the value: "FILE", or choices "yes|no" */
    const char *fallback; /* as the user would write it; NULL: none */
    double min, max;      /* of numbers, inclusive; both 0: any */
    const char *help;
    bool required, hidden;
};

struct cli_example {
    const char *line, *meaning;
};

struct cli;

struct cli_command {
    const char *name, *summary;
    const char *arguments; /* "URI", "[DIR]"; "" for none */
    int min_arguments, max_arguments;
    const char *completion; /* of the first argument: "uri", "preset", "dir", or NULL */
    const char *text;       /* paragraphs for --help and the man page */
    const struct cli_option *options;
    size_t n_options, options_size;
    const struct cli_example *examples;
    size_t n_examples;
    /* @return an enum cli_exit */
    int (*run)(struct cli *cli, const void *options, int argc, char **argv);
    /* More sections: calls add(user, heading, left, right) for each line; may be NULL. */
    void (*more)(void (*add)(void *user, const char *heading, const char *left, const char *right),
                 void *user);
};

/* One run of the command. */
struct cli {
    const struct cli_command *command; /* NULL before it is known */
    struct opu_context *context;
    bool json, help, version, hidden_man;
    const char *completion;
    unsigned verbosity;
    struct cli_uint threads;
    bool out_tty, err_tty, colour; /* colour: of stdout */
    bool document_written;
};

/* All commands; the last has no name. */
extern const struct cli_command *const cli_commands[];
extern const struct cli_option cli_global_options[];
extern const size_t cli_n_global_options;

const struct cli_command *cli_command_find(const char *name);

/*
 * Parses argv[1..]: fills *cli, allocates and fills the command's options (caller frees), leaves
 * the positional arguments at argv[0..*n_arguments). OPU_OK or OPU_E_INVALID with the sentence in
 * place.
 */
OPU_NODISCARD int cli_parse(struct cli *cli, int argc, char **argv, void **options,
                            int *n_arguments);

/* Of a table of names, the nearest to `seen`, or NULL if none is near. */
const char *cli_nearest(const char *seen, const char *const *names, size_t n);

/* doc_*.c: everything written from the tables. */
void cli_help(FILE *file);
void cli_help_command(FILE *file, const struct cli_command *command);
void cli_man(FILE *file);
void cli_completion_bash(FILE *file);

/* A line of help: words on the left, an explanation that is wrapped on the right. */
void cli_line(FILE *file, const char *left, const char *right);
/* What a value of a device's option may be: "0 to 0.5", "a|b|c", "yes or no". */
void cli_option_range(char *text, size_t n, const struct opu_option *option);
/* Calls add(user, group, "key=default", "help (unit, range; source: ...)") group by group; heading
 * NULL: the options have no groups. */
void cli_device_options(const struct opu_backend_info *info,
                        void (*add)(void *user, const char *group, const char *left,
                                    const char *right),
                        void *user);
/* The same for the keys that every device's URI takes, under one heading; info NULL: of any. */
void cli_projection_keys(const struct opu_backend_info *info,
                         void (*add)(void *user, const char *group, const char *left,
                                     const char *right),
                         void *user);

/* talk.c */

/* Where a thing was looked for that was not found: it decides the exit code. */
enum cli_place { CLI_AT_DEVICE, CLI_AT_DATA, CLI_AT_USAGE };

/*
 * Tells of a failure: "opu CMD: sentence" on stderr and, with --json, the error document on stdout.
 * @return the exit code
 */
int cli_fail(struct cli *cli, enum cli_place place, int status);

/* The exit code of a status, without a word. */
int cli_exit_code(enum cli_place place, int status);

/* Writes one line of talk to stderr: "opu CMD: ...". */
void cli_say(const struct cli *cli, const char *format, ...) OPU_PRINTF(2, 3);

/*
 * A document with "schema" and "command" set; cli_json_write() prints and frees it. A NULL from
 * jansson (no memory) is told there.
 */
json_t *cli_json_new(const struct cli *cli);
int cli_json_write(struct cli *cli, json_t *document);
/* A number, or null where it isn't finite (JSON has no NaN). */
json_t *cli_json_real(double value);

/* Log records to stderr, as -v and OPU_LOG ask. The filter is static: one context a process. */
struct opu_log_sink cli_log_sink(const struct cli *cli);

/* A bar on a terminal, nothing elsewhere: redrawn at most ten times a second. */
struct cli_progress {
    bool shown;
    double last_s;
    int width;
};
void cli_progress_begin(const struct cli *cli, struct cli_progress *progress);
/* share in 0..1; the text is put after the bar. */
void cli_progress_draw(struct cli_progress *progress, double share, const char *format, ...)
    OPU_PRINTF(3, 4);
void cli_progress_end(struct cli_progress *progress);

double cli_seconds(void);

/* "1 h 02 min", "12 s", "0.31 s", "85 us": for people. */
void cli_format_seconds(char *text, size_t n, double seconds);
/* "1.2 kJ", "35 mJ". */
void cli_format_si(char *text, size_t n, double value, const char *unit);

#endif
