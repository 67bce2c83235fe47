/* SPDX-License-Identifier: MIT */
/* Everything that is written from the tables of commands and options: help, man page, completion.
 */
#include "tools/cli.h"

#include <string.h>

static const struct {
    int code;
    const char *meaning;
} exit_meanings[] = {
    {0, "done"},
    {1, "failed (memory, disk full, ...)"},
    {2, "wrong usage: command, option, value or URI"},
    {3, "device: not found, busy, gone, faulty, unable to, or its matrix has changed"},
    {4, "data: missing, malformed, not finite, or a checkpoint of another network"},
    {5, "a target was missed (check, train --target)"},
    {130, "interrupted; what was promised to be kept is kept"},
};

static const struct cli_option *option_at(const struct cli_command *command, size_t i)
{
    if (command != NULL && i < command->n_options) {
        return &command->options[i];
    }
    i -= command != NULL ? command->n_options : 0;
    return i < cli_n_global_options ? &cli_global_options[i] : NULL;
}

static void term(char *text, size_t n, const struct cli_option *option)
{
    const char *const letter = strcmp(option->name, "help") == 0 ? "-h, " : "";
    snprintf(text, n, "%s--%s%s%s", letter, option->name, option->kind == CLI_FLAG ? "" : " ",
             option->kind == CLI_FLAG ? "" : option->value);
}

/* Words of `text` within 79 columns, every line after the first indented. */
static void wrap(FILE *file, int indent, const char *text)
{
    int column = indent;
    for (const char *at = text; *at != 0;) {
        at += strspn(at, " ");
        int const length = (int)strcspn(at, " ");
        if (column > indent && column + 1 + length > 79) {
            fprintf(file, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', file);
            column++;
        }
        fprintf(file, "%.*s", length, at);
        column += length;
        at += length;
    }
    fputc('\n', file);
}

void cli_line(FILE *file, const char *left, const char *right)
{
    enum { COLUMN = 26 };
    fprintf(file, "  %-*s", COLUMN - 2, left);
    if (strlen(left) > COLUMN - 4) {
        fprintf(file, "\n%*s", COLUMN, "");
    }
    wrap(file, COLUMN, right);
}

static void option_text(char *text, size_t n, const struct cli_option *option)
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

static void print_options(FILE *file, const struct cli_option *table, size_t n)
{
    char left[128], right[512];
    for (size_t i = 0; i < n; i++) {
        if (!table[i].hidden) {
            term(left, sizeof left, &table[i]);
            option_text(right, sizeof right, &table[i]);
            cli_line(file, left, right);
        }
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

static void add_device_option(const struct opu_option *option,
                              void (*add)(void *user, const char *group, const char *left,
                                          const char *right),
                              void *user)
{
    char left[320], right[1024], range[256];
    cli_option_range(range, sizeof range, option);
    snprintf(left, sizeof left, "%s=%s", option->key,
             option->fallback != NULL ? option->fallback : "");
    snprintf(right, sizeof right, "%s (%s%s%s%s%s)", option->help,
             option->unit != NULL ? option->unit : "", option->unit != NULL ? ", " : "", range,
             option->source != NULL ? "; source: " : "",
             option->source != NULL ? option->source : "");
    add(user, option->group, left, right);
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
                add_device_option(&info->options[k], add, user);
            }
        }
    }
}

void cli_help(FILE *file)
{
    fputs("opu - optical co-processors: simulate them, drive them, train networks through them\n\n"
          "Usage: opu COMMAND [arguments] [options]\n\nCommands:\n",
          file);
    for (size_t i = 0; cli_commands[i] != NULL; i++) {
        cli_line(file, cli_commands[i]->name, cli_commands[i]->summary);
    }
    cli_line(file, "help [COMMAND]", "this text, or all about one command");
    fputs("\nOptions everywhere:\n", file);
    print_options(file, cli_global_options, cli_n_global_options);
    cli_line(file, "-v, -vv", "log to stderr; also OPU_LOG=info, OPU_LOG=sim:debug");
    fputs("\nA device is named by a URI; nothing else changes with it:\n", file);
    for (size_t i = 0; opu_backend_info(i) != NULL; i++) {
        char scheme[64];
        snprintf(scheme, sizeof scheme, "%s:", opu_backend_info(i)->scheme);
        cli_line(file, scheme, opu_backend_info(i)->summary);
    }
    fputs("\nExamples:\n"
          "  opu train fashion-mlp                  train through a simulated optical device\n"
          "  opu check sim:seed=7                   is this device linear, Gaussian, quiet?\n"
          "  opu project exact: --in x.npy --out y.npy --n-out 1000\n"
          "\nExit codes:\n",
          file);
    for (size_t i = 0; i < sizeof exit_meanings / sizeof exit_meanings[0]; i++) {
        fprintf(file, "  %3d  %s\n", exit_meanings[i].code, exit_meanings[i].meaning);
    }
}

struct help_section {
    FILE *file;
    char heading[96];
};

static void help_line(void *user, const char *heading, const char *left, const char *right)
{
    struct help_section *const section = user;
    if (strcmp(section->heading, heading) != 0) {
        fprintf(section->file, "\n%s:\n", heading);
        snprintf(section->heading, sizeof section->heading, "%s", heading);
    }
    cli_line(section->file, left, right);
}

void cli_help_command(FILE *file, const struct cli_command *command)
{
    struct help_section section = {.file = file};
    fprintf(file, "opu %s - %s\n\nUsage: opu %s%s%s%s\n\n", command->name, command->summary,
            command->name, command->arguments[0] != 0 ? " " : "", command->arguments,
            command->n_options > 0 ? " [options]" : "");
    for (const char *at = command->text; *at != 0;) {
        size_t const length = strcspn(at, "\n");
        char paragraph[1024];
        snprintf(paragraph, sizeof paragraph, "%.*s", (int)length, at);
        wrap(file, 0, paragraph);
        at += length + (at[length] == '\n');
    }
    if (command->n_options > 0) {
        fputs("\nOptions:\n", file);
        print_options(file, command->options, command->n_options);
    }
    fputs("\nOptions everywhere:\n", file);
    print_options(file, cli_global_options, cli_n_global_options);
    cli_line(file, "-v, -vv", "log to stderr");
    fputs("\nExamples:\n", file);
    for (size_t i = 0; i < command->n_examples; i++) {
        fprintf(file, "  %s\n      %s\n", command->examples[i].line, command->examples[i].meaning);
    }
    if (command->more != NULL) {
        command->more(help_line, &section);
    }
}

/* Text for roff: backslashes and leading dots are escaped, hyphens are minus signs. */
static void roff(FILE *file, const char *text)
{
    for (const char *at = text; *at != 0; at++) {
        bool const start = at == text || at[-1] == '\n';
        if (start && (*at == '.' || *at == '\'')) {
            fputs("\\&", file);
        }
        if (*at == '\\') {
            fputs("\\e", file);
        } else if (*at == '-') {
            fputs("\\-", file);
        } else {
            fputc(*at, file);
        }
    }
}

static void roff_term(FILE *file, const char *left, const char *right)
{
    fputs(".TP\n.B ", file);
    roff(file, left);
    fputs("\n", file);
    roff(file, right);
    fputs("\n", file);
}

static void man_options(FILE *file, const struct cli_option *table, size_t n)
{
    char left[128], right[512];
    for (size_t i = 0; i < n; i++) {
        if (!table[i].hidden) {
            term(left, sizeof left, &table[i]);
            option_text(right, sizeof right, &table[i]);
            roff_term(file, left, right);
        }
    }
}

static void man_line(void *user, const char *heading, const char *left, const char *right)
{
    struct help_section *const section = user;
    if (strcmp(section->heading, heading) != 0) {
        fputs(".PP\n", section->file);
        roff(section->file, heading);
        fputs(":\n", section->file);
        snprintf(section->heading, sizeof section->heading, "%s", heading);
    }
    roff_term(section->file, left, right);
}

static void man_command(FILE *file, const struct cli_command *command)
{
    struct help_section section = {.file = file};
    fprintf(file, ".SS opu %s %s\n", command->name, command->arguments);
    for (const char *at = command->text; *at != 0;) {
        size_t const length = strcspn(at, "\n");
        char paragraph[1024];
        snprintf(paragraph, sizeof paragraph, "%.*s", (int)length, at);
        fputs(".PP\n", file);
        roff(file, paragraph);
        fputs("\n", file);
        at += length + (at[length] == '\n');
    }
    man_options(file, command->options, command->n_options);
    for (size_t i = 0; i < command->n_examples; i++) {
        fputs(".PP\n.RS\n.nf\n", file);
        roff(file, command->examples[i].line);
        fputs("\n.fi\n", file);
        roff(file, command->examples[i].meaning);
        fputs("\n.RE\n", file);
    }
    if (command->more != NULL) {
        command->more(man_line, &section);
    }
}

static void man_device_line(void *user, const char *group, const char *left, const char *right)
{
    struct help_section *const section = user;
    if (group != NULL && strcmp(section->heading, group) != 0) {
        fputs(".PP\n.I ", section->file);
        roff(section->file, group);
        fputs("\n", section->file);
        snprintf(section->heading, sizeof section->heading, "%s", group);
    }
    roff_term(section->file, left, right);
}

static void man_devices(FILE *file)
{
    fputs(".SH DEVICES\nA device is named by a URI: a scheme, a colon, and options such as\n"
          ".BR sim:seed=7,bits=10 .\nEach option stands here with its default, what it means, its "
          "unit, its range, and where the\ndefault comes from.\n",
          file);
    for (size_t i = 0; opu_backend_info(i) != NULL; i++) {
        struct help_section section = {.file = file};
        fprintf(file, ".SS %s:\n", opu_backend_info(i)->scheme);
        roff(file, opu_backend_info(i)->summary);
        fputs("\n", file);
        cli_device_options(opu_backend_info(i), man_device_line, &section);
    }
}

void cli_man(FILE *file)
{
    fprintf(file,
            ".TH OPU 1 \"\" \"opu %d.%d.%d\" \"User Commands\"\n"
            ".SH NAME\nopu \\- simulate and drive optical co\\-processors, train networks through "
            "them\n.SH SYNOPSIS\n.B opu\n.I COMMAND\n[arguments] [options]\n.SH DESCRIPTION\n"
            "An optical co\\-processor multiplies by a fixed random matrix with light. The command "
            "looks after\nsuch devices, simulated or real, and trains networks by Direct Feedback "
            "Alignment through them.\nThe result goes to standard output, talk to standard error.\n"
            ".SH OPTIONS\n",
            OPU_VERSION_MAJOR, OPU_VERSION_MINOR, OPU_VERSION_PATCH);
    man_options(file, cli_global_options, cli_n_global_options);
    roff_term(file, "-v, -vv", "log to standard error, more with each v");
    fputs(".SH COMMANDS\n", file);
    for (size_t i = 0; cli_commands[i] != NULL; i++) {
        man_command(file, cli_commands[i]);
    }
    man_devices(file);
    fputs(".SH EXIT STATUS\n", file);
    for (size_t i = 0; i < sizeof exit_meanings / sizeof exit_meanings[0]; i++) {
        char code[16];
        snprintf(code, sizeof code, "%d", exit_meanings[i].code);
        roff_term(file, code, exit_meanings[i].meaning);
    }
    fputs(".SH ENVIRONMENT\n", file);
    roff_term(file, "OPU_LOG",
              "error, warning, info or debug; or by component: sim:debug,train:info");
    roff_term(file, "OPU_DATA_DIR", "where data sets are looked for");
    roff_term(file, "NO_COLOR", "if set, no colours");
}

static void bash_words(FILE *file, const struct cli_command *command)
{
    const struct cli_option *option = option_at(command, 0);
    for (size_t i = 0; option != NULL; option = option_at(command, ++i)) {
        if (!option->hidden) {
            fprintf(file, "%s--%s", i > 0 ? " " : "", option->name);
        }
    }
}

static void bash_values(FILE *file, const struct cli_command *command)
{
    for (size_t i = 0; i < command->n_options; i++) {
        const struct cli_option *const option = &command->options[i];
        if (option->kind == CLI_TEXT && strchr(option->value, '|') != NULL) {
            fprintf(file, "    %s:--%s) COMPREPLY=($(compgen -W \"", command->name, option->name);
            for (const char *at = option->value; *at != 0; at++) {
                fputc(*at == '|' ? ' ' : *at, file);
            }
            fputs("\" -- \"$cur\")); return ;;\n", file);
        } else if (option->kind == CLI_TEXT && strcmp(option->value, "DIR") == 0) {
            fprintf(file, "    %s:--%s) COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n",
                    command->name, option->name);
        } else if (option->kind == CLI_TEXT && strcmp(option->value, "FILE") == 0) {
            fprintf(file, "    %s:--%s) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n",
                    command->name, option->name);
        }
    }
}

/* Words for the first argument, by kind: only "preset" is asked from the program itself. */
static const char *bash_first(const char *kind)
{
    static const struct {
        const char *kind, *words;
    } rows[] = {
        {"uri", "$schemes"},
        {"preset",
         "$(opu train --list 2>/dev/null | cut -d' ' -f1) $(compgen -f -X '!*.ini' -- \"$cur\")"},
        {"dir", "$(compgen -d -- \"$cur\")"},
    };
    for (size_t i = 0; kind != NULL && i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].kind, kind) == 0) {
            return rows[i].words;
        }
    }
    return "";
}

void cli_completion_bash(FILE *file)
{
    fputs("# bash completion for opu, generated by: opu --completion bash\n"
          "_opu()\n{\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    local command=${COMP_WORDS[1]} words='' schemes='",
          file);
    for (size_t i = 0; opu_backend_info(i) != NULL; i++) {
        fprintf(file, "%s%s:", i > 0 ? " " : "", opu_backend_info(i)->scheme);
    }
    fputs("'\n    if [ \"$COMP_CWORD\" -eq 1 ] || { [ \"$command\" = help ] && "
          "[ \"$COMP_CWORD\" -eq 2 ]; }; then\n        COMPREPLY=($(compgen -W \"help",
          file);
    for (size_t i = 0; cli_commands[i] != NULL; i++) {
        fprintf(file, " %s", cli_commands[i]->name);
    }
    fputs(" ", file);
    bash_words(file, NULL);
    fputs("\" -- \"$cur\"))\n        return\n    fi\n    case \"$command:$prev\" in\n", file);
    for (size_t i = 0; cli_commands[i] != NULL; i++) {
        bash_values(file, cli_commands[i]);
    }
    fputs("    esac\n    case $command in\n", file);
    for (size_t i = 0; cli_commands[i] != NULL; i++) {
        fprintf(file, "    %s)\n        case $cur in\n        -*) words='", cli_commands[i]->name);
        bash_words(file, cli_commands[i]);
        fprintf(file, "' ;;\n        *) words=\"%s\" ;;\n        esac ;;\n",
                bash_first(cli_commands[i]->completion));
    }
    fputs(
        "    esac\n    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
        "    type __ltrim_colon_completions >/dev/null 2>&1 && __ltrim_colon_completions \"$cur\"\n"
        "}\ncomplete -F _opu opu\n",
        file);
}
