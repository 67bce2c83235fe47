/* SPDX-License-Identifier: MIT */
/* The man page, opu.1, in roff. */
#include "tools/doc.h"

#include <string.h>

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
            doc_term(left, sizeof left, &table[i]);
            doc_option_text(right, sizeof right, &table[i]);
            roff_term(file, left, right);
        }
    }
}

static void man_line(void *user, const char *heading, const char *left, const char *right)
{
    struct doc_section *const section = user;
    if (strcmp(section->heading, heading) != 0) {
        fputs(".PP\n", section->file);
        roff(section->file, heading);
        fputs(":\n", section->file);
        snprintf(section->heading, sizeof section->heading, "%s", heading);
    }
    roff_term(section->file, left, right);
}

static void man_paragraph(FILE *file, const char *paragraph)
{
    fputs(".PP\n", file);
    roff(file, paragraph);
    fputs("\n", file);
}

static void man_command(FILE *file, const struct cli_command *command)
{
    struct doc_section section = {.file = file};
    fprintf(file, ".SS opu %s %s\n", command->name, command->arguments);
    doc_paragraphs(file, command->text, man_paragraph);
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
    struct doc_section *const section = user;
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
          "unit (1: a plain number), its range, and where the\ndefault comes from. The keys of "
          "every URI stand at\n.BR "
          "\"opu project\" .\n",
          file);
    for (size_t i = 0; opu_backend_info(i) != NULL; i++) {
        struct doc_section section = {.file = file};
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
    for (size_t i = 0; i < doc_n_exits; i++) {
        char code[16];
        snprintf(code, sizeof code, "%d", doc_exits[i].code);
        roff_term(file, code, doc_exits[i].meaning);
    }
    fputs(".SH ENVIRONMENT\n", file);
    roff_term(file, "OPU_LOG",
              "error, warning, info or debug; or by component: sim:debug,train:info");
    roff_term(file, "OPU_DATA_DIR", "where data sets are looked for");
    roff_term(file, "NO_COLOR", "if set, no colours");
}
