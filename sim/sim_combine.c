/* SPDX-License-Identifier: MIT */
/* The rules of what goes together. */
#include "sim/sim_combine.h"

#include "core/base/fail.h"
#include "core/base/options.h"
#include "sim/dmd.h"
#include "sim/medium/medium.h"
#include "sim/medium/medium_presets.h"

#include <string.h>

#define SLABS \
    (1u << OPU_MEDIUM_SLAB | 1u << OPU_MEDIUM_PAINT | 1u << OPU_MEDIUM_ZNO | \
     1u << OPU_MEDIUM_GROUND_GLASS)
#define GRIDS (SLABS | 1u << OPU_MEDIUM_CASCADE)

/* Options that only some media have. */
static const struct {
    const char *key, *whose;
    unsigned media;
} parameters[] = {
    {"thickness", "a slab", SLABS},
    {"mean_free_path", "a slab", SLABS},
    {"anisotropy", "a slab", SLABS},
    {"index", "a slab", SLABS},
    {"screens", "a slab", SLABS},
    {"boundary", "a slab", SLABS},
    {"masks", "a cascade", 1u << OPU_MEDIUM_CASCADE},
    {"grid", "a medium on a grid (slab, cascade, samples)", GRIDS},
    {"jacobi", "a medium on a grid (slab, cascade, samples)", GRIDS},
};

/* Whether the options say something else than the table's default. */
static bool was_changed(const struct opu_sim_options *options, const char *key)
{
    const struct opu_option *const option =
        opu_option_find(opu_sim_option_table, OPU_SIM_N_OPTIONS, key);
    struct opu_sim_options plain;
    memset(&plain, 0, sizeof(plain));
    opu_options_default(opu_sim_option_table, OPU_SIM_N_OPTIONS, &plain);
    size_t const size = option->type == OPU_OPTION_BOOL     ? sizeof(bool)
                        : option->type == OPU_OPTION_CHOICE ? sizeof(int)
                                                            : 8;
    return memcmp((const char *)options + option->offset, (const char *)&plain + option->offset,
                  size) != 0;
}

static int check_medium(const struct opu_sim_options *options)
{
    for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); ++i) {
        if ((parameters[i].media >> options->medium & 1u) == 0 &&
            was_changed(options, parameters[i].key)) {
            return opu_fail(OPU_E_INVALID, "sim: %s is of %s, medium=%s has none",
                            parameters[i].key, parameters[i].whose,
                            opu_medium_presets[options->medium].name);
        }
    }
    return OPU_OK;
}

static int check_mirrors(const struct opu_sim_options *options)
{
    const struct opu_dmd_chip *const chip = &opu_dmd_chips[options->dmd];
    if (chip->rate_hz > 0.0 && options->rate_hz > chip->rate_hz) {
        return opu_fail(OPU_E_INVALID,
                        "sim: dmd=%s shows at most %g patterns a second, rate=%g wants more",
                        chip->name, chip->rate_hz, options->rate_hz);
    }
    if (options->dmd == OPU_DMD_IDEAL && was_changed(options, "incidence")) {
        return opu_fail(OPU_E_INVALID,
                        "sim: incidence=%g deg is of a chip's blaze, dmd=ideal has none",
                        options->incidence_deg);
    }
    return OPU_OK;
}

/* Options that say more of another one, which is off where it is 0. */
static const struct {
    const char *key, *of;
} details[] = {
    {"vibration_hz", "vibration"},
    {"phase_noise_tau", "phase_noise"},
    {"power_drift_tau", "power_drift"},
    {"depolarised", "extinction"},
};

/* Options of which -1 means the preset's own value, and nothing else below 0 has a meaning. */
static const char *const own_values[] = {"depolarised", "read_noise", "prnu",
                                         "dsnu",        "dark",       "black"};

static double value_of(const struct opu_sim_options *options, const char *key)
{
    const struct opu_option *const option =
        opu_option_find(opu_sim_option_table, OPU_SIM_N_OPTIONS, key);
    double value;
    memcpy(&value, (const char *)options + option->offset, sizeof(value));
    return value;
}

static int check_values(const struct opu_sim_options *options)
{
    for (size_t i = 0; i < sizeof(details) / sizeof(details[0]); ++i) {
        if (value_of(options, details[i].of) <= 0.0 && was_changed(options, details[i].key)) {
            return opu_fail(OPU_E_INVALID, "sim: %s=%g without %s, wanted both", details[i].key,
                            value_of(options, details[i].key), details[i].of);
        }
    }
    for (size_t i = 0; i < sizeof(own_values) / sizeof(own_values[0]); ++i) {
        double const value = value_of(options, own_values[i]);
        if (value < 0.0 && value != -1.0) {
            return opu_fail(OPU_E_INVALID,
                            "sim: %s=%g, wanted at least 0, or -1 for the preset's own",
                            own_values[i], value);
        }
    }
    return OPU_OK;
}

int opu_sim_combine(const struct opu_sim_options *options)
{
    OPU_TRY(check_medium(options));
    OPU_TRY(check_mirrors(options));
    return check_values(options);
}
