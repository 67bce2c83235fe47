/* SPDX-License-Identifier: MIT */
/*
 * The device "sim:": laser, DMD, medium, reference arm and camera joined into one backend. This
 * file opens, describes and sets up; sim_frames.c runs the frames.
 */
#include "sim/sim_device.h"

#include "core/base/fail.h"
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "sim/medium/medium_presets.h"
#include "sim/sim_combine.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

/* The reference arm where the options leave it open: 4 x the signal of all mirrors there can be. */
#define REFERENCE_PER_FLUX (4.0 * (double)OPU_SIM_MAX_INPUTS)
#define POWER_W 30.0 /* arXiv 2409.12965: 1500 TeraOPS under 30 W */
#define MAX_TABLE 1024
#define MIN_EXPOSURE_US 1e-4 /* a pulsed laser: what 2^20 mirrors send fills a well in 9 ns */
#define MAX_EXPOSURE_US 100000.0

static void release_setup(struct opu_sim *sim)
{
    opu_camera_fini(&sim->camera);
    opu_context_free(sim->context, sim->exposures_us);
    opu_context_free(sim->context, sim->references);
    opu_context_free(sim->context, sim->modes);
    opu_context_free(sim->context, sim->whole);
    opu_context_free(sim->context, sim->scratch);
    opu_sim_region_destroy(sim->region);
    sim->exposures_us = NULL;
    sim->references = NULL;
    sim->modes = NULL;
    sim->whole = NULL;
    sim->scratch = NULL;
    sim->region = NULL;
    sim->n_pixels = 0;
}

static void release_fields(struct opu_sim *sim)
{
    opu_fields_fini(&sim->fields[0]);
    opu_fields_fini(&sim->fields[1]);
    opu_dmd_fini(&sim->dmd);
    sim->n_inputs = 0;
    sim->n_outputs = 0;
}

static void sim_close(void *device)
{
    struct opu_sim *const sim = device;
    if (sim == NULL) {
        return;
    }
    release_setup(sim);
    release_fields(sim);
    opu_context_free(sim->context, sim->runs);
    opu_context_free(sim->context, sim->power);
    opu_context_free(sim->context, sim->lights);
    opu_context_free(sim->context, sim);
}

/* Crossed light over the light that interferes: a share d of all is crossed before the polariser.
 */
static double crossed_light(const struct opu_sim_options *options)
{
    double const d = opu_medium_depolarised(options);
    return options->extinction * d / (1.0 - d);
}

static int sim_open(void **device, struct opu_context *context, const void *options)
{
    OPU_TRY(opu_sim_combine(options));
    struct opu_sim *const sim = opu_calloc(context, 1, sizeof(*sim));
    if (sim == NULL) {
        return OPU_E_NO_MEMORY;
    }
    sim->context = context;
    sim->options = *(const struct opu_sim_options *)options;
    sim->isa = opu_isa_best();
    sim->crossed = crossed_light(&sim->options);
    sim->n_fields = sim->crossed > 0.0 ? 2 : 1;
    opu_sensor_init(&sim->sensor, &sim->options);
    sim->reference_e_per_us = sim->options.reference > 0.0 ? sim->options.reference
                                                           : REFERENCE_PER_FLUX * sim->options.flux;
    sim->runs = opu_calloc(context, OPU_SIM_MAX_FRAMES + 1, sizeof(*sim->runs));
    sim->lights = opu_calloc(context, OPU_SIM_MAX_FRAMES, sizeof(*sim->lights));
    sim->power = opu_calloc(context, OPU_SIM_MAX_FRAMES, sizeof(*sim->power));
    if (sim->runs == NULL || sim->lights == NULL || sim->power == NULL) {
        sim_close(sim);
        return OPU_E_NO_MEMORY;
    }
    *device = sim;
    return OPU_OK;
}

static int sim_caps(void *device, struct opu_caps *caps)
{
    const struct opu_sim *const sim = device;
    caps->flags = OPU_CAP_FRAMES | OPU_CAP_REFERENCE | OPU_CAP_REFERENCE_LEVELS | OPU_CAP_REGION |
                  OPU_CAP_CARRIER | OPU_CAP_FIELD | (sim->options.tau_s > 0.0 ? OPU_CAP_DRIFT : 0) |
                  (opu_media[sim->options.medium]->strip == NULL ? OPU_CAP_WINDOW : 0);
    caps->adc_bits = 0x1fffeu;
    caps->default_bits = (uint32_t)sim->options.bits;
    size_t const room = opu_dmd_room(&opu_dmd_chips[sim->options.dmd],
                                     (enum opu_dmd_layout)sim->options.mirror_layout);
    caps->max_inputs = room < OPU_SIM_MAX_INPUTS ? room : OPU_SIM_MAX_INPUTS;
    caps->max_pixels = OPU_SIM_MAX_PIXELS;
    caps->max_frames = OPU_SIM_MAX_FRAMES;
    caps->max_exposures = MAX_TABLE;
    caps->max_references = MAX_TABLE;
    caps->min_exposure_us = MIN_EXPOSURE_US;
    /* within a frame */
    caps->max_exposure_us = fmin(MAX_EXPOSURE_US, 1e6 / sim->options.rate_hz);
    caps->frame_rate_hz = sim->options.rate_hz;
    caps->power_w = POWER_W;
    /* one mirror turned on: it leaked eps before (sim/dmd.h) */
    double const step = 1.0 - sqrt(sim->options.leakage);
    double const full_scale_e = sim->sensor.full_well_e + sim->sensor.black_e;
    caps->signal_per_us = step * step * (1.0 + sim->crossed) * sim->options.flux / full_scale_e;
    caps->reference_per_us = sim->reference_e_per_us / full_scale_e;
    caps->full_well_e = sim->sensor.full_well_e;
    caps->read_noise_e = sim->sensor.read_noise_e;
    caps->shot_noise = sim->sensor.shot_noise;
    caps->black_level = sim->sensor.black_e / full_scale_e;
    return OPU_OK;
}

static uint64_t hash_double(uint64_t hash, double value)
{
    uint8_t bytes[sizeof(value)];
    memcpy(bytes, &value, sizeof(value));
    return opu_hash64(hash, bytes, sizeof(bytes));
}

/* Mirrors and polariser, where they are more than a factor common to all entries. */
static uint64_t hash_bench(uint64_t hash, const struct opu_sim *sim)
{
    const struct opu_sim_options *const options = &sim->options;
    if (options->dmd != OPU_DMD_IDEAL || options->mirror_layout != OPU_DMD_SQUARE ||
        options->dead > 0.0 || options->beam > 0.0) {
        hash = hash_double(hash, (double)options->dmd);
        hash = hash_double(hash, (double)options->mirror_layout);
        hash = hash_double(hash, options->dead);
        hash = hash_double(hash, options->beam);
    }
    return sim->crossed > 0.0 ? hash_double(hash, sim->crossed) : hash;
}

/* Only what moves an entry of the matrix: the seed, the medium, the mirrors. */
static int sim_identity(void *device, char *text, size_t n)
{
    const struct opu_sim *const sim = device;
    const struct opu_medium_ops *const medium = opu_media[sim->options.medium];
    const char *const name = medium->name;
    uint8_t seed[8];
    for (size_t k = 0; k < 8; ++k) {
        seed[k] = (uint8_t)(sim->options.seed >> (8 * k));
    }
    uint64_t hash = opu_hash64(OPU_HASH_START, name, strlen(name));
    hash = opu_hash64(hash, seed, sizeof(seed));
    hash = hash_bench(medium->hash(hash, &sim->options), sim);
    int const length = snprintf(text, n, "sim:%s:%016" PRIx64, name, hash);
    if (length < 0 || (size_t)length >= n) {
        return opu_fail(OPU_E_INVALID, "sim: the identity takes %d bytes, room for %zu", length, n);
    }
    return OPU_OK;
}

static int copy_tables(struct opu_sim *sim, const struct opu_frame_setup *setup)
{
    sim->n_exposures = setup->n_exposures;
    sim->n_references = setup->n_references;
    sim->exposures_us = opu_calloc(sim->context, setup->n_exposures, sizeof(*sim->exposures_us));
    sim->references = opu_calloc(sim->context, setup->n_references, sizeof(*sim->references));
    if (sim->exposures_us == NULL || sim->references == NULL) {
        return OPU_E_NO_MEMORY;
    }
    for (size_t k = 0; k < setup->n_exposures; ++k) {
        sim->exposures_us[k] = setup->exposures_us[k];
    }
    for (size_t k = 0; k < setup->n_references; ++k) {
        sim->references[k] = opu_sim_reference_arm(setup->references[k], sim->reference_e_per_us,
                                                   sim->options.step_error);
    }
    return OPU_OK;
}

/* The crossed polarisation goes through a medium of its own. */
static uint64_t polarisation_seed(uint64_t seed, size_t polarisation)
{
    return polarisation == 0 ? seed : seed ^ UINT64_C(0x9e3779b97f4a7c15);
}

/* Mirrors and media for n_outputs; those at hand stay if they are that. */
static int prepare_fields(struct opu_sim *sim, size_t n_inputs, size_t n_outputs)
{
    const struct opu_sim_options *const options = &sim->options;
    if (sim->n_inputs != n_inputs || sim->n_outputs != n_outputs) {
        release_fields(sim);
        struct opu_dmd_setup const mirrors = {.context = sim->context,
                                              .chip = &opu_dmd_chips[options->dmd],
                                              .layout = (enum opu_dmd_layout)options->mirror_layout,
                                              .n_inputs = n_inputs,
                                              .leakage = options->leakage,
                                              .dead = options->dead,
                                              .beam = options->beam,
                                              .seed = options->seed};
        OPU_TRY(opu_dmd_init(&sim->dmd, &mirrors));
        for (size_t k = 0; k < sim->n_fields; ++k) {
            struct opu_fields_setup const setup = {.context = sim->context,
                                                   .options = options,
                                                   .dmd = &sim->dmd,
                                                   .seed = polarisation_seed(options->seed, k),
                                                   .n_polarisations = sim->n_fields,
                                                   .n_inputs = n_inputs,
                                                   .n_outputs = n_outputs,
                                                   .isa = sim->isa};
            OPU_TRY(opu_fields_init(&sim->fields[k], &setup));
        }
        sim->n_inputs = n_inputs;
        sim->n_outputs = n_outputs;
    }
    for (size_t k = 0; k < sim->n_fields; ++k) {
        opu_fields_move(&sim->fields[k], 0);
    }
    return OPU_OK;
}

static int prepare_scratch(struct opu_sim *sim, size_t n_pixels)
{
#ifdef _OPENMP
    sim->n_threads = (size_t)omp_get_max_threads();
#else
    sim->n_threads = 1;
#endif
    size_t const n_tiles = (n_pixels + OPU_TILE_PIXELS - 1) / OPU_TILE_PIXELS;
    sim->field_floats = n_tiles * OPU_TILE_FLOATS;
    sim->modes = opu_calloc(sim->context, sim->fields[0].n_blocks + 3,
                            OPU_BLOCK_FLOATS * sizeof(*sim->modes));
    if (sim->modes == NULL) {
        return OPU_E_NO_MEMORY;
    }
    if (sim->region == NULL && opu_fields_by_tile(&sim->fields[0])) {
        sim->scratch = opu_calloc(sim->context, sim->n_threads * sim->n_fields,
                                  OPU_SIM_PATTERNS * OPU_TILE_FLOATS * sizeof(*sim->scratch));
        return sim->scratch == NULL ? OPU_E_NO_MEMORY : OPU_OK;
    }
    size_t const batch = sim->region != NULL ? 1 : sim->fields[0].batch;
    sim->whole =
        opu_calloc(sim->context, sim->n_fields * batch, sim->field_floats * sizeof(*sim->whole));
    return sim->whole == NULL ? OPU_E_NO_MEMORY : OPU_OK;
}

static int try_configure(struct opu_sim *sim, const struct opu_frame_setup *setup)
{
    size_t n_pixels = setup->n_pixels;
    size_t n_outputs = n_pixels;
    if (setup->output_kind == OPU_OUTPUT_REGION) {
        OPU_TRY(opu_sim_region_create(&sim->region, &n_outputs, sim->context, &setup->region,
                                      sim->options.deterministic));
        n_pixels = (size_t)setup->region.width * setup->region.height;
    }
    if (n_outputs > OPU_SIM_MAX_PIXELS) {
        return opu_fail(OPU_E_INVALID, "sim: the region has %zu modes, at most %u are simulated",
                        n_outputs, (unsigned)OPU_SIM_MAX_PIXELS);
    }
    OPU_TRY(copy_tables(sim, setup));
    OPU_TRY(prepare_fields(sim, setup->n_inputs, n_outputs));
    OPU_TRY(prepare_scratch(sim, n_pixels));
    uint32_t const bits = setup->bits != 0 ? setup->bits : (uint32_t)sim->options.bits;
    struct opu_camera_setup const camera = {.context = sim->context,
                                            .sensor = &sim->sensor,
                                            .bits = bits,
                                            .n_pixels = n_pixels,
                                            .seed = sim->options.seed,
                                            .isa = sim->isa};
    OPU_TRY(opu_camera_init(&sim->camera, &camera));
    sim->camera_tile = opu_camera_tile_kernel(sim->isa);
    sim->n_pixels = n_pixels;
    return OPU_OK;
}

static int sim_configure(void *device, const struct opu_frame_setup *setup)
{
    struct opu_sim *const sim = device;
    release_setup(sim);
    int const status = try_configure(sim, setup);
    if (status != OPU_OK) {
        release_setup(sim);
        release_fields(sim);
    }
    return status;
}

/* A sample whose slab is the preset's own: what it stands for, and what it is not. */
static void describe_sample(const struct opu_sim *sim, char *text, size_t n)
{
    const struct opu_sim_options *const options = &sim->options;
    const struct opu_medium_preset *const preset = &opu_medium_presets[options->medium];
    size_t const used = strlen(text);
    if (preset->sample.transmission > 0.0 && options->thickness_um <= 0.0 &&
        options->mean_free_path_um <= 0.0 && options->anisotropy < 0.0 && options->index <= 0.0) {
        (void)snprintf(text + used, n - used, "; %s stands for: %s; not matched: %s", preset->name,
                       preset->sample.source, preset->unmatched);
    }
}

static int sim_describe(void *device, char *text, size_t n)
{
    const struct opu_sim *const sim = device;
    const struct opu_dmd_chip *const chip = &opu_dmd_chips[sim->options.dmd];
    opu_way_describe(&sim->fields[0].way, sim->fields[0].medium, text, n);
    describe_sample(sim, text, n);
    size_t const used = strlen(text);
    if (sim->options.dmd != OPU_DMD_IDEAL) {
        double const wavelength_m = 1e-9 * sim->options.wavelength_nm;
        double const incidence_rad = sim->options.incidence_deg * 0.017453292519943295;
        (void)snprintf(text + used, n - used,
                       "; %s: %zu mirrors an input, blazed number %.2f, %.0f %% of the light in "
                       "the brightest order",
                       chip->name, sim->dmd.mirrors_per_input,
                       opu_dmd_blaze(chip, wavelength_m, incidence_rad),
                       100.0 * opu_dmd_efficiency(chip, wavelength_m, incidence_rad));
    }
    return OPU_OK;
}

/* Frames are done when submit returns. */
static int sim_wait(void *device, uint64_t job, int timeout_ms)
{
    const struct opu_sim *const sim = device;
    (void)timeout_ms;
    if (job == 0 || job > sim->job) {
        return opu_fail(OPU_E_NOT_FOUND, "sim: job %" PRIu64 " was never submitted", job);
    }
    return OPU_OK;
}

static const struct opu_backend_ops ops = {
    .open = sim_open,
    .close = sim_close,
    .caps = sim_caps,
    .identity = sim_identity,
    .configure = sim_configure,
    .submit = opu_sim_submit,
    .wait = sim_wait,
    .field = opu_sim_field,
    .describe = sim_describe,
    .check = opu_sim_check,
};

const struct opu_backend opu_backend_sim = {
    .api_version = OPU_BACKEND_API,
    .scheme = "sim",
    .summary = "simulated optical bench: laser, mirrors, scattering medium, camera",
    .options = opu_sim_option_table,
    .n_options = OPU_SIM_N_OPTIONS,
    .options_size = sizeof(struct opu_sim_options),
    .ops = &ops,
};
