/* SPDX-License-Identifier: MIT */
/* The options of a projection, which several commands share. */
#ifndef OPU_TOOLS_PROJECTION_ARGS_H
#define OPU_TOOLS_PROJECTION_ARGS_H

#include "tools/cli.h"

struct projection_args {
    const char *encode, *readout, *rescale;
    struct cli_uint bits, seed;
};

/* NOLINTBEGIN(bugprone-macro-parentheses): a type and a member's name can't stand in parentheses */
/* Rows for a table of options whose struct `type` has a struct projection_args `member`. */
#define PROJECTION_ARGS_ROWS(type, member) \
    {.name = "encode", \
     .kind = CLI_TEXT, \
     .offset = offsetof(type, member.encode), \
     .value = "HOW", \
     .help = "how floats become binary frames: binary, ternary, ternary:SHARE, " \
             "ternary:stochastic, bitplanes:K; float on computed devices"}, \
        {.name = "readout", \
         .kind = CLI_TEXT, \
         .offset = offsetof(type, member.readout), \
         .value = "HOW", \
         .help = "how counts become outputs: intensity (|Hx|^2), anchor, phase3, phase4, offaxis " \
                 "(all but the first linear)"}, \
        {.name = "rescale", \
         .kind = CLI_TEXT, \
         .offset = offsetof(type, member.rescale), \
         .value = "yes|no", \
         .help = "give each row's norm back after encoding"}, \
        {.name = "bits", \
         .kind = CLI_UINT, \
         .offset = offsetof(type, member.bits), \
         .value = "N", \
         .min = 8, \
         .max = 16, \
         .help = "bits of a camera count; default: the device's"}, \
    { \
        .name = "seed", .kind = CLI_UINT, .offset = offsetof(type, member.seed), .value = "N", \
        .help = "of stochastic rounding; the matrix's own seed stands in the URI" \
    }

/* NOLINTEND(bugprone-macro-parentheses) */

/* What opu_projection_create() wants, from the options given. */
struct opu_projection_options projection_args_options(const struct projection_args *args,
                                                      size_t n_in, size_t n_out, size_t max_rows);

/* What the optics have done and would have taken, as JSON; NULL without memory. */
json_t *optical_json(const struct opu_device_stats *stats);

/* "12 000 frames, 8.3 s and 210 J on the hardware, 0.0002 % saturated", or "none" for floats. */
void optical_text(char *text, size_t n, uint64_t frames, double seconds, double joules,
                  double saturated_share);

#endif
