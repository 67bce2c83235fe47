/* SPDX-License-Identifier: MIT */
/* From the command line's words to a projection's options, and its statistics to words. */
#include "tools/projection_args.h"

#include <inttypes.h>
#include <string.h>

struct opu_projection_options projection_args_options(const struct projection_args *args,
                                                      size_t n_in, size_t n_out, size_t max_rows)
{
    int const rescale = args->rescale == NULL ? 0 : (strcmp(args->rescale, "yes") == 0 ? 1 : -1);
    return (struct opu_projection_options){
        .size = sizeof(struct opu_projection_options),
        .n_in = n_in,
        .n_out = n_out,
        .max_rows = max_rows,
        .encode = args->encode,
        .readout = args->readout,
        .rescale = rescale,
        .seed = args->seed.value,
        .bits = (uint32_t)args->bits.value,
    };
}

static double saturated_share(const struct opu_device_stats *stats)
{
    return stats->pixels > 0 ? (double)stats->saturated / (double)stats->pixels : 0.0;
}

json_t *optical_json(const struct opu_device_stats *stats)
{
    return json_pack("{s:I, s:o, s:o, s:o}", "frames", (json_int_t)stats->frames, "seconds",
                     cli_json_real(stats->optical_s), "joules", cli_json_real(stats->optical_j),
                     "saturated_share", cli_json_real(saturated_share(stats)));
}

void optical_text(char *text, size_t n, uint64_t frames, double seconds, double joules,
                  double share)
{
    char time[32], energy[32];
    if (frames == 0) {
        snprintf(text, n, "no frames: the device computes");
        return;
    }
    cli_format_seconds(time, sizeof time, seconds);
    cli_format_si(energy, sizeof energy, joules, "J");
    snprintf(text, n, "%" PRIu64 " frames: %s and %s on the hardware, %.2g %% saturated", frames,
             time, energy, 100.0 * share);
}
