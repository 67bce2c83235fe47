/* SPDX-License-Identifier: MIT */
/* Device URIs taken apart: "scheme:key=value,key=value". A key "of" takes the rest of the text, a
 * URI itself. */
#ifndef OPU_CORE_URI_H
#define OPU_CORE_URI_H

#include <opu/status.h>

#define OPU_URI_LENGTH 1023 /* bytes without the final 0 */
#define OPU_URI_PAIRS 64

struct opu_uri_pair {
    const char *key, *value;
};

struct opu_uri {
    char text[OPU_URI_LENGTH + 1]; /* cut into the strings below, so a struct is never copied */
    const char *scheme;
    size_t n_pairs;
    struct opu_uri_pair pairs[OPU_URI_PAIRS];
};

/* OPU_E_INVALID says what is malformed and where. */
OPU_NODISCARD int opu_uri_parse(struct opu_uri *uri, const char *text);

#endif
