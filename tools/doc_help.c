/* SPDX-License-Identifier: MIT */
/* What --help prints: the command's, and each sub-command's. */
#include "tools/doc.h"

#include <string.h>

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

static void print_options(FILE *file, const struct cli_option *table, size_t n)
{
    char left[128], right[512];
    for (size_t i = 0; i < n; i++) {
        if (!table[i].hidden) {
            doc_term(left, sizeof left, &table[i]);
            doc_option_text(right, sizeof right, &table[i]);
            cli_line(file, left, right);
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
    for (size_t i = 0; i < doc_n_exits; i++) {
        fprintf(file, "  %3d  %s\n", doc_exits[i].code, doc_exits[i].meaning);
    }
}

static void help_line(void *user, const char *heading, const char *left, const char *right)
{
    struct doc_section *const section = user;
    if (strcmp(section->heading, heading) != 0) {
        fprintf(section->file, "\n%s:\n", heading);
        snprintf(section->heading, sizeof section->heading, "%s", heading);
    }
    cli_line(section->file, left, right);
}

static void put_paragraph(FILE *file, const char *paragraph)
{
    wrap(file, 0, paragraph);
}

void cli_help_command(FILE *file, const struct cli_command *command)
{
    struct doc_section section = {.file = file};
    fprintf(file, "opu %s - %s\n\nUsage: opu %s%s%s%s\n\n", command->name, command->summary,
            command->name, command->arguments[0] != 0 ? " " : "", command->arguments,
            command->n_options > 0 ? " [options]" : "");
    doc_paragraphs(file, command->text, put_paragraph);
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
