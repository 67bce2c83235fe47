/* SPDX-License-Identifier: MIT */
/* The firmware's life, its memory, and what its files share. */
#include "driver/firmware/fw_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ALIGNMENT 64u
#define LEAST_BYTES 4096u
#define MOST_BYTES 0x3fffffffu /* below OPU_FN_PART */
#define MOST_QUEUE 4096u

/* ---- Shared ---- */

void opu_fw_lock(struct opu_fw *fw)
{
    const struct opu_fw_platform *const platform = &fw->options.platform;
    if (platform->lock != NULL) {
        platform->lock(platform->self);
    }
}

void opu_fw_unlock(struct opu_fw *fw)
{
    const struct opu_fw_platform *const platform = &fw->options.platform;
    if (platform->unlock != NULL) {
        platform->unlock(platform->self);
    }
}

void opu_fw_leave(struct opu_fw *fw)
{
    const struct opu_fw_platform *const platform = &fw->options.platform;
    bool const wake = fw->wake_due;
    bool const ready = fw->ready_due;
    fw->wake_due = false;
    fw->ready_due = false;
    opu_fw_unlock(fw);
    if (wake && platform->wake != NULL) {
        platform->wake(platform->self);
    }
    if (ready && platform->ready != NULL) {
        platform->ready(platform->self);
    }
}

uint64_t opu_fw_now_us(const struct opu_fw *fw)
{
    return fw->options.platform.now_us(fw->options.platform.self);
}

void opu_fw_say(struct opu_fw *fw, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(fw->message, sizeof fw->message, format, arguments);
    va_end(arguments);
}

uint32_t opu_fw_take(struct opu_fw_pool *pool)
{
    return pool->n_free > 0 ? pool->free[--pool->n_free] : OPU_FW_NO_SLOT;
}

void opu_fw_give(struct opu_fw_pool *pool, uint32_t slot)
{
    if (slot != OPU_FW_NO_SLOT) {
        pool->free[pool->n_free++] = slot;
    }
}

uint8_t *opu_fw_slot(const struct opu_fw_pool *pool, uint32_t slot)
{
    return pool->memory + slot * pool->each;
}

void opu_fw_flush(struct opu_fw *fw)
{
    for (; fw->n_waiting > 0; fw->n_waiting--) {
        opu_fw_give(&fw->packets, fw->waiting[fw->first_waiting].slot);
        fw->first_waiting = (fw->first_waiting + 1) % fw->room;
    }
    for (; fw->n_done > 0; fw->n_done--) {
        opu_fw_give(&fw->answers, fw->done[fw->first_done].slot);
        fw->first_done = (fw->first_done + 1) % fw->room;
    }
    opu_fw_give(&fw->answers, fw->sending.slot);
    fw->sending.slot = OPU_FW_NO_SLOT;
    fw->epoch++;
    fw->next = 0;
    fw->standing = false;
    fw->halted = false;
    fw->ready_due = true;
}

/* ---- Life ---- */

/* Where the parts lie, from the start of the memory once that is aligned. */
struct places {
    size_t fw, block, exposures[2], references[2], waiting, done, free[2], sequence, packets,
        answers, end;
    size_t each_packet, each_answer, max_frames;
};

static size_t round_up(size_t n)
{
    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static size_t place(size_t *at, size_t n, size_t size)
{
    size_t const here = *at;
    *at = round_up(here + n * size);
    return here;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static struct places lay_out(const struct opu_fw_options *options)
{
    struct places p = {0};
    size_t const frame_bytes = OPU_WIRE_FRAME_BYTES + 1;
    size_t const count_bytes = OPU_WIRE_COUNT_BYTES + 1;
    p.max_frames = smaller(options->optics.pattern_ops->max_patterns,
                           smaller((options->max_out_bytes - OPU_WIRE_HEADER_BYTES) / frame_bytes,
                                   (options->max_in_bytes - OPU_WIRE_HEADER_BYTES) / count_bytes));
    p.each_packet = round_up(options->max_out_bytes);
    p.each_answer = round_up(options->max_in_bytes);
    p.fw = place(&p.end, 1, sizeof(struct opu_fw));
    p.block = place(&p.end, OPU_FW_PIECES, OPU_WIRE_PIECE_BYTES);
    for (size_t i = 0; i < 2; i++) {
        p.exposures[i] = place(&p.end, OPU_WIRE_TABLE_MAX, sizeof(double));
        p.references[i] = place(&p.end, OPU_WIRE_TABLE_MAX, sizeof(struct opu_wire_reference));
        p.free[i] = place(&p.end, options->queue, sizeof(uint32_t));
    }
    p.waiting = place(&p.end, options->queue + 1, sizeof(struct opu_fw_packet));
    p.done = place(&p.end, options->queue + 1, sizeof(struct opu_fw_answer));
    p.sequence = place(&p.end, p.max_frames, sizeof(struct opu_optics_frame));
    p.packets = place(&p.end, options->queue, p.each_packet);
    p.answers = place(&p.end, options->queue, p.each_answer);
    return p;
}

static bool sound(const struct opu_fw_options *options)
{
    const struct opu_optics *const optics = &options->optics;
    return optics->pattern_ops != NULL && optics->pattern_ops->max_patterns > 0 &&
           optics->camera_ops != NULL && optics->reference_ops != NULL && optics->info != NULL &&
           optics->message != NULL && options->platform.now_us != NULL &&
           (options->platform.lock == NULL) == (options->platform.unlock == NULL) &&
           options->max_out_bytes >= LEAST_BYTES && options->max_out_bytes <= MOST_BYTES &&
           options->max_in_bytes >= LEAST_BYTES && options->max_in_bytes <= MOST_BYTES &&
           options->queue >= 1 && options->queue <= MOST_QUEUE;
}

size_t opu_fw_bytes(const struct opu_fw_options *options)
{
    return sound(options) ? lay_out(options).end + ALIGNMENT : 0;
}

static void pool_init(struct opu_fw_pool *pool, uint8_t *memory, size_t each, void *slots,
                      uint32_t n)
{
    *pool = (struct opu_fw_pool){.memory = memory, .each = each, .free = slots, .n_free = n};
    for (uint32_t i = 0; i < n; i++) {
        pool->free[i] = n - 1 - i;
    }
}

/* What the firmware knows better than the optics. */
static void complete_info(struct opu_fw *fw)
{
    const struct opu_fw_options *const options = &fw->options;
    struct opu_wire_info *const info = &fw->info;
    info->firmware = OPU_FW_VERSION;
    info->max_out_bytes = options->max_out_bytes;
    info->max_in_bytes = options->max_in_bytes;
    info->queue = options->queue;
    info->max_exposures = (uint32_t)smaller(info->max_exposures, OPU_WIRE_TABLE_MAX);
    info->max_references = (uint32_t)smaller(info->max_references, OPU_WIRE_TABLE_MAX);
    if (options->serial != NULL) {
        (void)snprintf(info->serial, sizeof info->serial, "%s", options->serial);
    }
}

struct opu_fw *opu_fw_init(void *memory, const struct opu_fw_options *options)
{
    if (!sound(options)) {
        return NULL;
    }
    struct places const p = lay_out(options);
    uint8_t *const base =
        (uint8_t *)memory + (ALIGNMENT - (uintptr_t)memory % ALIGNMENT) % ALIGNMENT;
    struct opu_fw *const fw = (struct opu_fw *)(void *)(base + p.fw);
    *fw = (struct opu_fw){.options = *options,
                          .max_frames = (uint32_t)p.max_frames,
                          .room = options->queue + 1,
                          .waiting = (void *)(base + p.waiting),
                          .done = (void *)(base + p.done),
                          .block = base + p.block,
                          .sequence = (void *)(base + p.sequence),
                          .sending.slot = OPU_FW_NO_SLOT,
                          .look_wanted = true};
    struct opu_fw_setup *const setups[2] = {&fw->staged, &fw->active};
    for (size_t i = 0; i < 2; i++) {
        setups[i]->exposures_us = (void *)(base + p.exposures[i]);
        setups[i]->references = (void *)(base + p.references[i]);
    }
    pool_init(&fw->packets, base + p.packets, p.each_packet, base + p.free[0], options->queue);
    pool_init(&fw->answers, base + p.answers, p.each_answer, base + p.free[1], options->queue);
    if (options->optics.info(options->optics.self, &fw->info) < 0) {
        return NULL;
    }
    complete_info(fw);
    fw->heard_us = opu_fw_now_us(fw);
    return fw;
}

void opu_fw_close(struct opu_fw *fw)
{
    if (fw != NULL) {
        opu_fw_lock(fw);
        fw->dark_wanted = true;
        (void)opu_fw_darken(fw);
        opu_fw_unlock(fw);
    }
}

void opu_fw_peek(struct opu_fw *fw, struct opu_wire_statistics *statistics, bool *laser)
{
    opu_fw_lock(fw);
    *statistics = fw->statistics;
    statistics->laser_s = opu_fw_laser_s(fw);
    *laser = fw->laser;
    opu_fw_unlock(fw);
}
