/* SPDX-License-Identifier: MIT */
/* The rules of what goes together. */
#include "sim/sim_combine.h"

#include "core/base/fail.h"
#include "core/base/options.h"
#include "sim/camera/camera.h"
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
    if (options->screens == 1 && !opu_medium_presets[options->medium].thin) {
        return opu_fail(OPU_E_INVALID,
                        "sim: %s: screens=1 is a thin diffuser, whose answer to a tilted wave is "
                        "the same speckle moved (memory effect without end, C = exp(-2 sum sigma^2 "
                        "(1 - exp(-(z tilt)^2 / lc^2))) with z = 0), so that its matrix is not "
                        "random: wanted at least 2 screens, or medium=ground-glass",
                        opu_medium_presets[options->medium].name);
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

/* Parts of the camera's noise that `noise` leaves out; their own 0 says the same. */
static const struct {
    int noise;
    const char *key, *name;
} silent[] = {
    {OPU_SIM_NOISE_NONE, "read_noise", "none"}, {OPU_SIM_NOISE_NONE, "prnu", "none"},
    {OPU_SIM_NOISE_NONE, "dsnu", "none"},       {OPU_SIM_NOISE_NONE, "dark", "none"},
    {OPU_SIM_NOISE_SHOT, "read_noise", "shot"},
};

static int check_noise(const struct opu_sim_options *options)
{
    for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); ++i) {
        double const value = value_of(options, silent[i].key);
        if (options->noise == silent[i].noise && value > 0.0) {
            return opu_fail(OPU_E_INVALID,
                            "sim: %s=%g with noise=%s, which leaves it out: wanted one of the two",
                            silent[i].key, value, silent[i].name);
        }
    }
    struct opu_sensor sensor;
    opu_sensor_init(&sensor, options);
    if (sensor.dark_e_per_s <= 0.0 && was_changed(options, "temperature")) {
        return opu_fail(OPU_E_INVALID,
                        "sim: temperature=%g deg C moves the dark current alone, and there is none",
                        options->temperature_c);
    }
    static const char *const levels[] = {"black", "read_noise", "dsnu"};
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); ++i) {
        double const value = value_of(options, levels[i]);
        if (value >= sensor.full_well_e) {
            return opu_fail(OPU_E_INVALID,
                            "sim: %s=%g e- with a full well of %g e-: light would have the smaller "
                            "part of the converter's range; wanted less than the well",
                            levels[i], value, sensor.full_well_e);
        }
    }
    return OPU_OK;
}

int opu_sim_combine(const struct opu_sim_options *options)
{
    OPU_TRY(check_medium(options));
    OPU_TRY(check_mirrors(options));
    OPU_TRY(check_values(options));
    return check_noise(options);
}
