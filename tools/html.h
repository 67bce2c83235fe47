/* SPDX-License-Identifier: MIT */
/* A text that grows, and the escapes of HTML. */
#ifndef OPU_TOOLS_HTML_H
#define OPU_TOOLS_HTML_H

#include <opu/status.h>

/* Starts zeroed. Once memory has run out it stays failed and takes nothing more. */
struct html {
    char *text;
    size_t n, room;
    bool failed;
};

void html_add(struct html *html, const char *format, ...) OPU_PRINTF(2, 3);
/* Adds text with & < > " ' escaped; control characters become spaces. NULL adds nothing. */
void html_escape(struct html *html, const char *text);
void html_bytes(struct html *html, const char *bytes, size_t n);
/* Adds bytes in base64. */
void html_base64(struct html *html, const uint8_t *bytes, size_t n);
void html_free(struct html *html);

#endif
