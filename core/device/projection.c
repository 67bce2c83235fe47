/* SPDX-License-Identifier: MIT */
/* Planning a projection: options resolved, memory taken, device calibrated; and what it says of
 * itself. */
#include <opu/projection.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/mem.h"
#include "core/device/projection_internal.h"
#include "core/device/sideband.h"

#define DEFAULT_ROWS 1024

static const char *first_text(const char *a, const char *b, const char *c)
{
    return a != NULL && *a != '\0' ? a : (*b != '\0' ? b : c);
}

/* What the read-out wants and the device has not. */
static int check_needs(const struct opu_projection *p)
{
    static const struct {
        uint32_t flag;
        const char *what;
    } parts[] = {
        {OPU_CAP_REFERENCE, "reference arm"},
        {OPU_CAP_REGION, "region of the camera"},
        {OPU_CAP_CARRIER, "tilted reference arm"},
    };
    uint32_t const missing = p->readout->needs & ~p->device->caps.flags;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if ((missing & parts[i].flag) != 0) {
            return opu_fail(OPU_E_UNSUPPORTED, "%s: has no %s, which read-out %s needs",
                            p->device->backend->scheme, parts[i].what, p->readout->name);
        }
    }
    return OPU_OK;
}

static int resolve_readout(struct opu_projection *p, const struct opu_projection_options *options)
{
    const struct opu_device *const device = p->device;
    bool const arm = (device->caps.flags & OPU_CAP_REFERENCE) != 0;
    const char *const fallback = arm ? "phase4" : (p->floats ? "float" : "anchor");
    const char *const name = first_text(options->readout, device->defaults.readout, fallback);
    p->readout = opu_readout_find(name);
    if (p->readout == NULL && (!p->floats || strcmp(name, "float") != 0)) {
        return opu_fail(OPU_E_INVALID, "readout: saw \"%.40s\", wanted " OPU_READOUT_NAMES "%s",
                        name, p->floats ? ", or float" : "");
    }
    p->readout_name = p->readout != NULL ? p->readout->name : "float";
    return p->floats ? OPU_OK : check_needs(p);
}

static int resolve_pilot(struct opu_projection *p, const struct opu_projection_options *options)
{
    uint64_t const said = p->device->defaults.pilot;
    p->pilot.every = (size_t)said;
    if (options->pilot_every != 0) {
        p->pilot.every = options->pilot_every > 0 ? (size_t)options->pilot_every : 0;
    }
    if (p->floats) {
        p->pilot.every = 0; /* no light, no phase */
    }
    if (p->pilot.every > 0 && (p->readout->needs & OPU_CAP_REFERENCE) == 0) {
        return opu_fail(OPU_E_UNSUPPORTED,
                        "pilot: saw one every %zu patterns with read-out %s, which has no "
                        "reference whose phase could wander: wanted 0",
                        p->pilot.every, p->readout->name);
    }
    return OPU_OK;
}

static int resolve_encoder(struct opu_projection *p, const struct opu_projection_options *options)
{
    const struct opu_projection_defaults *const defaults = &p->device->defaults;
    bool const linear = p->readout == NULL || p->readout->linear;
    const char *const fallback = p->floats ? "float" : (linear ? "ternary" : "binary");
    const char *const text = first_text(options->encode, defaults->encode, fallback);
    OPU_TRY(opu_encoder_parse(&p->encoder, text));
    enum opu_encoding const kind = p->encoder.kind;
    if (!p->floats && kind == OPU_ENCODE_FLOAT) {
        return opu_fail(OPU_E_UNSUPPORTED,
                        "%s: shows binary frames; encode=float is for devices of floats",
                        p->device->backend->scheme);
    }
    if (!linear && kind != OPU_ENCODE_BINARY && kind != OPU_ENCODE_FLOAT) {
        return opu_fail(
            OPU_E_UNSUPPORTED,
            "encode: saw \"%.40s\" with read-out intensity, which is not linear, so that parts "
            "of a row can't be added up: wanted binary",
            text);
    }
    int const said = defaults->rescale == 0 ? 0 : (defaults->rescale % 2 == 1 ? -1 : 1);
    int const rescale = options->rescale != 0 ? options->rescale : said;
    if (!linear && rescale > 0) {
        return opu_fail(OPU_E_UNSUPPORTED,
                        "rescale: saw yes with read-out intensity, which is not linear: wanted no");
    }
    p->encoder.rescale = linear && rescale >= 0;
    p->encoder.seed = options->seed;
    return OPU_OK;
}

static int resolve_numbers(struct opu_projection *p, const struct opu_projection_options *options)
{
    const struct opu_caps *const caps = &p->device->caps;
    const struct opu_projection_defaults *const defaults = &p->device->defaults;
    p->n_in = options->n_in;
    p->n_out = options->n_out;
    p->max_rows = options->max_rows > 0 ? options->max_rows : DEFAULT_ROWS;
    /* 0 means "not said"; the comparison is written so that NaN is refused below. */
    p->variance = options->variance == 0.0 ? defaults->variance : options->variance;
    p->saturation = options->saturation == 0.0 ? defaults->saturation : options->saturation;
    p->bits = options->bits > 0 ? options->bits : caps->default_bits;
    if (p->n_in == 0 || p->n_in > caps->max_inputs || p->n_out == 0 ||
        (p->floats && p->n_out > caps->max_pixels)) {
        return opu_fail(OPU_E_INVALID,
                        "projection: saw %zu inputs, %zu outputs; %s takes 1 to %zu, 1 to %zu",
                        p->n_in, p->n_out, p->device->backend->scheme, caps->max_inputs,
                        p->floats ? caps->max_pixels : 2 * caps->max_pixels);
    }
    if (p->max_rows > OPU_ROWS_MAX) {
        return opu_fail(OPU_E_INVALID, "projection: max_rows is %zu, wanted at most %zu",
                        p->max_rows, OPU_ROWS_MAX);
    }
    if (!(p->variance > 0.0) || !isfinite(p->variance) ||
        !(p->saturation > 0.0 && p->saturation <= 0.1)) {
        return opu_fail(
            OPU_E_INVALID,
            "projection: saw variance %g and saturation %g, wanted a positive variance and a "
            "share up to 0.1",
            p->variance, p->saturation);
    }
    if (!p->floats && (p->bits > 16 || (caps->adc_bits >> p->bits & 1) == 0)) {
        return opu_fail(OPU_E_INVALID, "%s: has no %u-bit counts (bit depths as a mask: 0x%x)",
                        p->device->backend->scheme, p->bits, caps->adc_bits);
    }
    return OPU_OK;
}

static int resolve(struct opu_projection *p, const struct opu_projection_options *given)
{
    struct opu_projection_options options = {.size = sizeof options};
    if (given->size < sizeof given->size) {
        return opu_fail(OPU_E_INVALID, "projection options: size is %zu, wanted %zu", given->size,
                        sizeof options);
    }
    memcpy(&options, given, given->size < sizeof options ? given->size : sizeof options);
    OPU_TRY(resolve_readout(p, &options));
    OPU_TRY(resolve_encoder(p, &options));
    OPU_TRY(resolve_numbers(p, &options));
    OPU_TRY(resolve_pilot(p, &options));
    p->layout = (struct opu_layout){.n_inputs = p->n_in, .n_pixels = p->n_out};
    if (p->readout != NULL && !p->readout->layout(&p->layout, p->n_in, p->n_out)) {
        return opu_fail(OPU_E_INVALID, "projection: %zu inputs and %zu outputs are too many",
                        p->n_in, p->n_out);
    }
    return OPU_OK;
}

static int create_patterns(struct opu_projection *p)
{
    struct opu_patterns *const patterns = &p->patterns;
    patterns->per_row = opu_encoder_patterns(&p->encoder);
    patterns->bytes = (p->n_in + 7) / 8;
    size_t const n = p->max_rows * patterns->per_row;
    patterns->bits = opu_calloc(p->context, n, patterns->bytes);
    patterns->weight = opu_calloc(p->context, n, sizeof *patterns->weight);
    patterns->n_on = opu_calloc(p->context, n, sizeof *patterns->n_on);
    patterns->slot = opu_calloc(p->context, n, sizeof *patterns->slot);
    patterns->row_start = opu_calloc(p->context, p->max_rows + 1, sizeof *patterns->row_start);
    return patterns->bits != NULL && patterns->weight != NULL && patterns->n_on != NULL &&
                   patterns->slot != NULL && patterns->row_start != NULL
               ? OPU_OK
               : OPU_E_NO_MEMORY;
}

static int create_floats(struct opu_projection *p)
{
    size_t n;
    if (!opu_size_mul(&n, p->max_rows, p->n_in)) {
        return opu_fail(OPU_E_INVALID, "projection: %zu rows of %zu inputs overflow", p->max_rows,
                        p->n_in);
    }
    p->staged = opu_calloc(p->context, n, sizeof *p->staged);
    p->patterns.per_row = opu_encoder_patterns(&p->encoder);
    p->patterns.bits = opu_calloc(p->context, p->patterns.per_row, (p->n_in + 7) / 8);
    if (p->staged == NULL || p->patterns.bits == NULL) {
        return OPU_E_NO_MEMORY;
    }
    OPU_TRY(opu_device_plan(p->device, p->n_in, p->n_out, p->readout_name));
    p->generation = p->device->generation;
    return OPU_OK;
}

static int create_frames(struct opu_projection *p)
{
    if (p->layout.n_inputs > p->device->caps.max_inputs ||
        p->layout.n_pixels > p->device->caps.max_pixels) {
        return opu_fail(
            OPU_E_INVALID,
            "%s: %zu x %zu by read-out %s takes %zu mirrors and %zu pixels, it has %zu and %zu",
            p->device->backend->scheme, p->n_out, p->n_in, p->readout->name, p->layout.n_inputs,
            p->layout.n_pixels, p->device->caps.max_inputs, p->device->caps.max_pixels);
    }
    p->kernels = opu_readout_kernels(opu_isa_best());
    p->n_threads = opu_sideband_threads();
    p->gain = opu_calloc(p->context, p->layout.n_table, sizeof *p->gain);
    p->offset = opu_calloc(p->context, 2 * p->layout.n_table, sizeof *p->offset);
    p->pick = opu_calloc(p->context, p->n_out, sizeof *p->pick);
    if (p->gain == NULL || p->offset == NULL || p->pick == NULL) {
        return OPU_E_NO_MEMORY;
    }
    OPU_TRY(create_patterns(p));
    OPU_TRY(opu_chunk_create(p));
    p->anchor = opu_calloc(p->context, p->chunk.frame_bytes, 1);
    if (p->anchor == NULL) {
        return OPU_E_NO_MEMORY;
    }
    if (p->readout->prepare != NULL) {
        OPU_TRY(p->readout->prepare(p));
    }
    OPU_TRY(opu_pilot_create(p));
    OPU_TRY(opu_probe_create(p));
    OPU_TRY(opu_calibrate(p));
    return opu_probe_store(p);
}

void opu_projection_redescribe(struct opu_projection *p)
{
    char encode[48];
    opu_encoder_format(&p->encoder, encode, sizeof encode);
    const char *const norm =
        p->encoder.kind == OPU_ENCODE_FLOAT
            ? ""
            : (p->encoder.rescale ? ", row norm given back" : ", row norm left out");
    if (p->floats) {
        (void)snprintf(p->describe, sizeof p->describe, "%s%s%s%s", encode,
                       p->readout != NULL ? ", operator of " : "",
                       p->readout != NULL ? p->readout->name : "", norm);
    } else {
        char pilot[48] = "";
        if (p->pilot.every > 0) {
            (void)snprintf(pilot, sizeof pilot, ", a pilot every %zu patterns", p->pilot.every);
        }
        (void)snprintf(p->describe, sizeof p->describe,
                       "%s, %s, %u bits, exposures %.3g-%.3g us%s%s", encode, p->readout->name,
                       p->bits, p->tables.exposure_us[p->tables.n_classes - 1],
                       p->tables.exposure_us[0], norm, pilot);
    }
    /* Neither bits nor exposures move an entry of B; the size of a picture does, and how many
     * outputs there are on some devices. */
    int const n = snprintf(p->identity, sizeof p->identity, "%s %s %zu", p->device->identity,
                           p->readout_name, p->n_in);
    if (p->layout.region.width > 0 && n > 0 && (size_t)n < sizeof p->identity) {
        (void)snprintf(p->identity + n, sizeof p->identity - (size_t)n, " of %u x %u",
                       p->layout.region.width, p->layout.region.height);
    } else if ((p->device->caps.flags & OPU_CAP_WINDOW) != 0 && n > 0 &&
               (size_t)n < sizeof p->identity) {
        (void)snprintf(p->identity + n, sizeof p->identity - (size_t)n, " to %zu", p->n_out);
    }
}

int opu_projection_create(struct opu_projection **out, struct opu_device *device,
                          const struct opu_projection_options *options)
{
    *out = NULL;
    struct opu_projection *const p = opu_calloc(device->context, 1, sizeof *p);
    if (p == NULL) {
        return OPU_E_NO_MEMORY;
    }
    p->context = device->context;
    p->device = device;
    p->floats = (device->caps.flags & OPU_CAP_FLOATS) != 0;
    int status = resolve(p, options);
    if (status == OPU_OK) {
        status = p->floats ? create_floats(p) : create_frames(p);
    }
    if (status < 0) {
        opu_projection_destroy(p);
        return status;
    }
    opu_projection_redescribe(p);
    opu_context_log(p->context, OPU_LOG_INFO, "projection", "%s: %zu x %zu, %s", p->identity,
                    p->n_out, p->n_in, p->describe);
    *out = p;
    return OPU_OK;
}

void opu_projection_destroy(struct opu_projection *p)
{
    if (p == NULL) {
        return;
    }
    opu_chunk_destroy(p);
    opu_probe_destroy(p);
    opu_pilot_destroy(p);
    opu_sideband_destroy(p->sideband);
    opu_context_free(p->context, p->staged);
    opu_context_free(p->context, p->anchor);
    opu_context_free(p->context, p->gain);
    opu_context_free(p->context, p->offset);
    opu_context_free(p->context, p->pick);
    opu_context_free(p->context, p->patterns.bits);
    opu_context_free(p->context, p->patterns.weight);
    opu_context_free(p->context, p->patterns.n_on);
    opu_context_free(p->context, p->patterns.slot);
    opu_context_free(p->context, p->patterns.row_start);
    opu_context_free(p->context, p);
}

size_t opu_projection_frames_per_row(const struct opu_projection *p)
{
    return p->floats ? 0 : opu_pilot_frames(p, p->patterns.per_row);
}

const char *opu_projection_describe(const struct opu_projection *p)
{
    return p->describe;
}

const char *opu_projection_identity(const struct opu_projection *p)
{
    return p->identity;
}

/* What belongs to the classes, and what lies beside the signal. */
static void tell_classes(const struct opu_projection *p, struct opu_calibration *found)
{
    const struct opu_tables *const tables = &p->tables;
    found->first_class = tables->lowest;
    for (size_t c = 0; c < tables->n_classes; c++) {
        double const amplitude = p->readout->n_references > 0 ? tables->amplitude[c] : 1.0;
        found->exposures_us[c] = tables->exposure_us[c];
        found->class_references[c] =
            tables->reference_rate * amplitude * amplitude * tables->exposure_us[c];
    }
    found->leak_per_us = tables->leak_rate;
    found->anchor_mirrors = p->layout.n_anchor;
    if (p->layout.n_anchor > 0) { /* gain^2 is 1 / |A|^2 but for a factor: readout_anchor.c */
        double const unit = 2.0 * tables->signal_rate * tables->reference_rate / p->variance;
        for (size_t i = 0; i < p->n_out; i++) {
            double const gain = (double)p->gain[i];
            found->anchor_inverse += unit * gain * gain / (double)p->n_out;
        }
    }
    size_t const modes = p->sideband != NULL ? opu_sideband_modes(p->sideband) : 0;
    for (size_t m = 0; m < modes; m++) {
        double const scale = (double)opu_sideband_scale(p->sideband, m);
        found->sideband_share += scale * scale * (double)p->layout.n_pixels / (double)modes;
    }
}

_Static_assert(OPU_CLASSES_MAX <= OPU_CALIBRATION_CLASSES, "a calibration tells of all classes");

int opu_projection_calibration(const struct opu_projection *p, struct opu_calibration *out)
{
    size_t const size = out->size;
    if (size < sizeof out->size) {
        return opu_fail(OPU_E_INVALID, "calibration: size is %zu, wanted %zu", size, sizeof *out);
    }
    struct opu_calibration found = {.size = size};
    if (!p->floats) {
        const struct opu_tables *const tables = &p->tables;
        size_t const top = tables->n_classes - 1;
        double const amplitude = p->readout->n_references > 0 ? tables->amplitude[top] : 1.0;
        found.bits = p->bits;
        found.n_classes = tables->n_classes;
        found.exposure_min_us = tables->exposure_us[top];
        found.exposure_max_us = tables->exposure_us[0];
        found.signal_per_us = tables->signal_rate;
        found.reference_counts =
            tables->reference_rate * amplitude * amplitude * tables->exposure_us[top];
        found.signal_counts = tables->signal_rate * (double)p->n_in * tables->exposure_us[top];
        found.saturated_share = tables->saturated_share;
        tell_classes(p, &found);
    }
    memcpy(out, &found, size < sizeof found ? size : sizeof found);
    return OPU_OK;
}
