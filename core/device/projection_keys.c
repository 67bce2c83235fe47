/* SPDX-License-Identifier: MIT */
/* The table of a URI's keys that are the projection's: what they mean, and their defaults. */
#include "core/device/projection_keys.h"

#include <opu/projection.h>

#include "core/base/options.h"

#define MAX_KEYS 128

#define KEY(member) offsetof(struct opu_projection_defaults, member)

static const struct opu_option table[] = {
    {.key = "encode",
     .type = OPU_OPTION_TEXT,
     .offset = KEY(encode),
     .help = "how rows become frames: float, binary, ternary[:threshold|:stochastic], bitplanes:k; "
             "default: ternary, float on computed devices",
     .source = "a choice: keeps signs, in two frames a row"},
    {.key = "readout",
     .type = OPU_OPTION_TEXT,
     .offset = KEY(readout),
     .help = "how counts become outputs: intensity, anchor, phase3, phase4, offaxis; default: "
             "phase4, anchor without a reference arm",
     .source = "a choice: four steps cancel what is not the signal"},
    {.key = "rescale",
     .type = OPU_OPTION_CHOICE,
     .offset = KEY(rescale),
     .fallback = "auto",
     .choices = "auto|no|yes|0|1|off|on|false|true",
     .help = "give the row's norm back after encoding",
     .source = "a choice: yes where the read-out is linear"},
    {.key = "variance",
     .type = OPU_OPTION_DOUBLE,
     .offset = KEY(variance),
     .fallback = "1",
     .min = 1e-12,
     .max = 1e12,
     .help = "variance of the matrix's entries",
     .source = "a convention: unit entries"},
    {.key = "saturation",
     .type = OPU_OPTION_DOUBLE,
     .offset = KEY(saturation),
     .fallback = "1e-6",
     .min = 1e-12,
     .max = 0.1,
     .help = "largest share of saturated pixels that calibration allows",
     .source = "a choice: one pixel in a million"},
    {.key = "pilot",
     .type = OPU_OPTION_UINT,
     .offset = KEY(pilot),
     .fallback = "0",
     .max = 1048576,
     .help = "patterns between two pilots that tell the reference's phase; 0: no pilots",
     .source = "a choice: the reference stands still unless told otherwise"},
};
#define N_KEYS (sizeof table / sizeof table[0])

const struct opu_option *opu_projection_uri_options(size_t *n)
{
    *n = N_KEYS;
    return table;
}

const struct opu_option *opu_projection_key_find(const char *key)
{
    return opu_option_find(table, N_KEYS, key);
}

void opu_projection_keys_default(struct opu_projection_defaults *defaults)
{
    opu_options_default(table, N_KEYS, defaults);
}

int opu_projection_key_set(struct opu_projection_defaults *defaults, const char *where,
                           const char *key, const char *value)
{
    return opu_option_set(table, N_KEYS, defaults, where, key, value);
}

int opu_uri_key_unknown(const struct opu_backend *backend, const char *where, const char *key)
{
    /* The few that hold everywhere first: a long list is cut at its end. */
    struct opu_option all[MAX_KEYS];
    size_t n = 0;
    for (size_t i = 0; i < N_KEYS; i++) {
        all[n++] = table[i];
    }
    for (size_t i = 0; i < backend->n_options && n < MAX_KEYS; i++) {
        all[n++] = backend->options[i];
    }
    return opu_option_unknown(all, n, where, key);
}
