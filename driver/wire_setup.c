/* SPDX-License-Identifier: MIT */
/* The wire's set-up: a block of 64 bytes, then exposures, then states of the reference arm. */
#include "driver/wire.h"

#include <math.h>

#include "driver/wire_bytes.h"

enum { PIXELS = 0, REGION = 1 };

size_t opu_wire_put_setup(uint8_t *to, const struct opu_wire_setup *setup)
{
    if (setup->n_exposures > OPU_WIRE_TABLE_MAX || setup->n_references > OPU_WIRE_TABLE_MAX) {
        return 0;
    }
    put_u32(to, setup->n_inputs);
    put_u32(to + 4, setup->n_pixels);
    put_u32(to + 8, setup->bits);
    put_u32(to + 12, setup->output_kind);
    put_u32(to + 16, setup->width);
    put_u32(to + 20, setup->height);
    put_u32(to + 24, setup->stride);
    put_u32(to + 28, setup->binning);
    put_f64(to + 32, setup->pixels_per_grain);
    put_f64(to + 40, setup->carrier_x);
    put_f64(to + 48, setup->carrier_y);
    put_u32(to + 56, setup->n_exposures);
    put_u32(to + 60, setup->n_references);
    uint8_t *at = to + OPU_WIRE_SETUP_HEAD;
    for (uint32_t i = 0; i < setup->n_exposures; i++, at += 8) {
        put_f64(at, setup->exposures_us[i]);
    }
    for (uint32_t i = 0; i < setup->n_references; i++, at += 16) {
        put_f64(at, setup->references[i].phase_rad);
        put_f64(at + 8, setup->references[i].amplitude);
    }
    return (size_t)(at - to);
}

static struct opu_wire_setup get_head(const uint8_t *from)
{
    return (struct opu_wire_setup){
        .n_inputs = get_u32(from),
        .n_pixels = get_u32(from + 4),
        .bits = get_u32(from + 8),
        .output_kind = get_u32(from + 12),
        .width = get_u32(from + 16),
        .height = get_u32(from + 20),
        .stride = get_u32(from + 24),
        .binning = get_u32(from + 28),
        .pixels_per_grain = get_f64(from + 32),
        .carrier_x = get_f64(from + 40),
        .carrier_y = get_f64(from + 48),
        .n_exposures = get_u32(from + 56),
        .n_references = get_u32(from + 60),
    };
}

static bool head_is_sound(const struct opu_wire_setup *setup)
{
    if (setup->n_inputs == 0 || setup->n_pixels == 0 || setup->bits == 0 || setup->bits > 16 ||
        setup->output_kind > REGION || setup->n_exposures == 0 ||
        setup->n_exposures > OPU_WIRE_TABLE_MAX || setup->n_references > OPU_WIRE_TABLE_MAX ||
        !isfinite(setup->pixels_per_grain) || !isfinite(setup->carrier_x) ||
        !isfinite(setup->carrier_y)) {
        return false;
    }
    return setup->output_kind == PIXELS ||
           (setup->stride > 0 && setup->binning > 0 &&
            (uint64_t)setup->width * setup->height == setup->n_pixels);
}

int opu_wire_get_setup(struct opu_wire_setup *to, double *exposures_us,
                       struct opu_wire_reference *references, const uint8_t *from, size_t n)
{
    if (n < OPU_WIRE_SETUP_HEAD) {
        return OPU_WIRE_SHORT;
    }
    struct opu_wire_setup setup = get_head(from);
    if (!head_is_sound(&setup)) {
        return OPU_WIRE_VALUE;
    }
    size_t const wanted =
        OPU_WIRE_SETUP_HEAD + (size_t)8 * setup.n_exposures + (size_t)16 * setup.n_references;
    if (n != wanted) {
        return n < wanted ? OPU_WIRE_SHORT : OPU_WIRE_LONG;
    }
    const uint8_t *at = from + OPU_WIRE_SETUP_HEAD;
    for (uint32_t i = 0; i < setup.n_exposures; i++, at += 8) {
        exposures_us[i] = get_f64(at);
        if (!(isfinite(exposures_us[i]) && exposures_us[i] >= 0.0)) {
            return OPU_WIRE_VALUE;
        }
    }
    for (uint32_t i = 0; i < setup.n_references; i++, at += 16) {
        references[i] =
            (struct opu_wire_reference){.phase_rad = get_f64(at), .amplitude = get_f64(at + 8)};
        if (!(isfinite(references[i].phase_rad) && references[i].amplitude >= 0.0 &&
              references[i].amplitude <= 1.0)) {
            return OPU_WIRE_VALUE;
        }
    }
    setup.exposures_us = exposures_us;
    setup.references = references;
    *to = setup;
    return OPU_WIRE_OK;
}
