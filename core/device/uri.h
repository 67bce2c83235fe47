/* SPDX-License-Identifier: MIT */
/*
 * Device URIs taken apart: "scheme:key=value,key=value". A key "of" takes the rest of the text, a
 * URI itself. The first item may be a value alone, "usb:1.4": it belongs to the option that the
 * backend's table marks as positional.
 */
#ifndef OPU_CORE_URI_H
#define OPU_CORE_URI_H

#include <opu/option.h>

#define OPU_URI_LENGTH 1023 /* bytes without the final 0 */
#define OPU_URI_PAIRS 64

struct opu_uri_pair {
    const char *key, *value; /* key "": the value stood alone */
};

struct opu_uri {
    char text[OPU_URI_LENGTH + 1]; /* cut into the strings below, so a struct is never copied */
    const char *scheme;
    size_t n_pairs;
    struct opu_uri_pair pairs[OPU_URI_PAIRS];
};

/* OPU_E_INVALID says what is malformed and where. */
OPU_NODISCARD int opu_uri_parse(struct opu_uri *uri, const char *text);

/*
 * Gives a value that stands alone the key of the table's positional option. OPU_E_INVALID: the
 * table has none, or that key is there too.
 */
OPU_NODISCARD int opu_uri_name(struct opu_uri *uri, const struct opu_option *table, size_t n);

#endif
