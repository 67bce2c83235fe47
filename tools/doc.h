/* SPDX-License-Identifier: MIT */
/* What help and man page share: everything in them is written from the tables of commands and
 * options. */
#ifndef OPU_TOOLS_DOC_H
#define OPU_TOOLS_DOC_H

#include "tools/cli.h"

struct doc_exit {
    int code;
    const char *meaning;
};
extern const struct doc_exit doc_exits[];
extern const size_t doc_n_exits;

/* Where lines go, and the heading that the last of them stands under. */
struct doc_section {
    FILE *file;
    char heading[96];
};

/* "--name VALUE", and its explanation with fallback and whether it is required. */
void doc_term(char *text, size_t n, const struct cli_option *option);
void doc_option_text(char *text, size_t n, const struct cli_option *option);

/* Each line of `text` is a paragraph. */
void doc_paragraphs(FILE *file, const char *text, void (*put)(FILE *file, const char *paragraph));

#endif
