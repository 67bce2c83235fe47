/* SPDX-License-Identifier: MIT */
/* A set-up out of its pieces: gathered, checked by length and CRC, held against the limits of the
 * optics. What no device could take, driver/wire.h refuses. */
#include "driver/firmware/fw_internal.h"

#include <string.h>

int opu_fw_piece(struct opu_fw *fw, uint16_t i, const uint8_t *from, size_t n)
{
    if (i >= OPU_FW_PIECES || n == 0) {
        opu_fw_say(fw, "piece %u of a set-up with %u bytes, wanted piece 0 to %u with 1 to %u", i,
                   (unsigned)n, (unsigned)OPU_FW_PIECES - 1, OPU_WIRE_PIECE_BYTES);
        return OPU_FW_E_INVALID;
    }
    memcpy(fw->block + i * OPU_WIRE_PIECE_BYTES, from, n);
    fw->piece_bytes[i] = (uint16_t)n;
    return 0;
}

/* The wire holds commit->bytes to what the block has room for. */
static int gather(struct opu_fw *fw, const struct opu_wire_commit *commit)
{
    uint32_t at = 0;
    for (uint32_t i = 0; at < commit->bytes; i++, at += OPU_WIRE_PIECE_BYTES) {
        uint32_t const left = commit->bytes - at;
        uint32_t const wanted = left < OPU_WIRE_PIECE_BYTES ? left : OPU_WIRE_PIECE_BYTES;
        if (fw->piece_bytes[i] != wanted) {
            opu_fw_say(fw, "piece %u of the set-up has %u bytes, wanted %u", i, fw->piece_bytes[i],
                       wanted);
            return OPU_FW_E_FORMAT;
        }
    }
    uint32_t const crc = opu_crc32c(0, fw->block, commit->bytes);
    if (crc != commit->crc) {
        opu_fw_say(fw, "the set-up's CRC is %08x, wanted %08x", crc, commit->crc);
        return OPU_FW_E_FORMAT;
    }
    return 0;
}

static int check_count(struct opu_fw *fw, const char *what, uint32_t seen, uint32_t low,
                       uint32_t high)
{
    if (seen < low || seen > high) {
        opu_fw_say(fw, "%s is %u, wanted %u to %u", what, seen, low, high);
        return OPU_FW_E_INVALID;
    }
    return 0;
}

static int want(struct opu_fw *fw, bool needed, uint32_t capability, const char *what)
{
    if (needed && (fw->info.flags & capability) == 0) {
        opu_fw_say(fw, "this device has no %s", what);
        return OPU_FW_E_UNSUPPORTED;
    }
    return 0;
}

static int check_tables(struct opu_fw *fw, const struct opu_wire_setup *setup)
{
    const struct opu_wire_info *const info = &fw->info;
    for (uint32_t i = 0; i < setup->n_exposures; i++) {
        double const t = setup->exposures_us[i];
        if (!(t >= info->min_exposure_us && t <= info->max_exposure_us)) {
            opu_fw_say(fw, "exposure %u is %g us, wanted %g to %g", i, t, info->min_exposure_us,
                       info->max_exposure_us);
            return OPU_FW_E_INVALID;
        }
    }
    bool levels = false;
    for (uint32_t i = 0; i < setup->n_references; i++) {
        double const a = setup->references[i].amplitude;
        levels = levels || (a > 0.0 && a < 1.0);
    }
    return want(fw, levels, OPU_FW_CAP_LEVELS, "reference arm that can be dimmed");
}

/* Whether a frame and its counts go into a packet each. */
static int check_packets(struct opu_fw *fw, const struct opu_wire_setup *setup)
{
    size_t const out = opu_wire_packet_bytes(opu_wire_frames_payload(1, setup->n_inputs));
    size_t const in =
        opu_wire_packet_bytes(opu_wire_counts_payload(1, setup->n_pixels, setup->bits));
    if (out > fw->options.max_out_bytes || in > fw->options.max_in_bytes) {
        opu_fw_say(fw,
                   "a frame takes a packet of %llu bytes and an answer of %llu, at most %u and %u",
                   (unsigned long long)out, (unsigned long long)in, fw->options.max_out_bytes,
                   fw->options.max_in_bytes);
        return OPU_FW_E_INVALID;
    }
    return 0;
}

static int check_setup(struct opu_fw *fw, const struct opu_wire_setup *setup)
{
    const struct opu_wire_info *const info = &fw->info;
    bool const tilted =
        setup->output_kind != 0 && (setup->carrier_x != 0.0 || setup->carrier_y != 0.0);
    if ((info->adc_bits >> setup->bits & 1) == 0) {
        opu_fw_say(fw, "this camera has no %u-bit counts (bit depths as a mask: 0x%x)", setup->bits,
                   info->adc_bits);
        return OPU_FW_E_INVALID;
    }
    int status = check_count(fw, "n_inputs", setup->n_inputs, 1, info->max_inputs);
    status =
        status < 0 ? status : check_count(fw, "n_pixels", setup->n_pixels, 1, info->max_pixels);
    status = status < 0
                 ? status
                 : check_count(fw, "n_exposures", setup->n_exposures, 1, info->max_exposures);
    status = status < 0 ? status
                        : want(fw, setup->n_references > 0, OPU_FW_CAP_REFERENCE, "reference arm");
    status = status < 0
                 ? status
                 : check_count(fw, "n_references", setup->n_references, 0, info->max_references);
    status = status < 0
                 ? status
                 : want(fw, setup->output_kind != 0, OPU_FW_CAP_REGION, "region of the camera");
    status = status < 0 ? status
                        : want(fw, tilted, OPU_FW_CAP_CARRIER, "reference arm that can be tilted");
    status = status < 0 ? status : check_tables(fw, setup);
    return status < 0 ? status : check_packets(fw, setup);
}

int opu_fw_commit(struct opu_fw *fw, const struct opu_wire_commit *commit)
{
    int status = gather(fw, commit);
    memset(fw->piece_bytes, 0, sizeof fw->piece_bytes);
    if (status < 0) {
        return status;
    }
    struct opu_fw_setup *const staged = &fw->staged;
    if (fw->setup_wanted) { /* one that the work has not begun with is gone now, whatever comes */
        fw->setup_wanted = false;
        fw->failed = true;
    }
    int const fault = opu_wire_get_setup(&staged->setup, staged->exposures_us, staged->references,
                                         fw->block, commit->bytes);
    if (fault != OPU_WIRE_OK) {
        opu_fw_say(fw, "the set-up: %s", opu_wire_fault_text(fault));
        return OPU_FW_E_FORMAT;
    }
    status = check_setup(fw, &staged->setup);
    if (status < 0) {
        return status;
    }
    fw->staged_number = commit->setup;
    fw->number = 0;
    fw->failed = false;
    fw->generation++;
    fw->setup_wanted = true;
    fw->wake_due = true;
    return 0;
}
