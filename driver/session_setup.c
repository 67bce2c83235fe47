/* SPDX-License-Identifier: MIT */
/* Control requests of a session: who the device is, its set-up and state. Runs in the
 * event thread, or where there is none yet. */
#include "driver/session_internal.h"

#include <string.h>

#include "core/base/fail.h"

#define POLL_US 500u       /* of a device that is being set up; doubled up to ... */
#define POLL_MAX_US 20000u /* ... this */

/* ---- Requests ---- */

static int fail_request(struct opu_session *s, int status, const char *about)
{
    const char *const name = s->name;
    switch (status) {
    case OPU_PORT_GONE:
        return opu_fail(OPU_E_GONE, "%s: was unplugged", name);
    case OPU_PORT_STALL:
        return opu_session_refusal(s, OPU_E_DEVICE, about);
    case OPU_PORT_TIMEOUT:
        return opu_fail(OPU_E_IO, "%s: no answer within %u ms to a request for %s", name,
                        OPU_SESSION_CONTROL_MS, about);
    default:
        return opu_fail(OPU_E_IO, "%s: a request for %s failed on the bus", name, about);
    }
}

static const char *about(uint8_t request)
{
    static const char *const names[] = {
        [OPU_WIRE_INFO] = "its facts",
        [OPU_WIRE_PIECE] = "a set-up",
        [OPU_WIRE_CONFIGURE] = "a set-up",
        [OPU_WIRE_CALIBRATE] = "calibration",
        [OPU_WIRE_STATE] = "its state",
        [OPU_WIRE_STATUS] = "its status",
        [OPU_WIRE_RESET] = "a reset",
        [OPU_WIRE_STATISTICS] = "statistics",
        [OPU_WIRE_MESSAGE] = "its latest words",
    };
    return names[request];
}

int opu_session_tell(struct opu_session *s, uint8_t request, uint16_t value, const uint8_t *data,
                     size_t n)
{
    if (n > 0 && data != s->control) {
        memcpy(s->control, data, n);
    }
    int const moved = s->port->ops->control(s->port, false, request, value, s->control, n,
                                            OPU_SESSION_CONTROL_MS);
    if (moved < 0) {
        return fail_request(s, moved, about(request));
    }
    return (size_t)moved == n ? OPU_OK : fail_request(s, OPU_PORT_ERROR, about(request));
}

int opu_session_ask(struct opu_session *s, uint8_t request)
{
    int const moved = s->port->ops->control(s->port, true, request, 0, s->control,
                                            sizeof s->control, OPU_SESSION_CONTROL_MS);
    return moved < 0 ? fail_request(s, moved, about(request)) : moved;
}

/* A payload that can't be read: of another version, or damaged on the way. */
static int fail_payload(struct opu_session *s, int fault, int n, uint8_t request)
{
    if (fault == OPU_WIRE_OTHER_VERSION) {
        return opu_fail(OPU_E_UNSUPPORTED, "%s: speaks version %u of the wire, this library %u",
                        s->name, opu_wire_wrap_version(s->control, (size_t)n), OPU_WIRE_VERSION);
    }
    return opu_fail(OPU_E_IO, "%s: asked for %s, %d bytes came: %s", s->name, about(request), n,
                    opu_wire_fault_text(fault));
}

int opu_session_ask_status(struct opu_session *s, struct opu_wire_status *status)
{
    int const n = opu_session_ask(s, OPU_WIRE_STATUS);
    OPU_TRY(n);
    int const fault = opu_wire_get_status(status, s->control, (size_t)n);
    return fault == OPU_WIRE_OK ? OPU_OK : fail_payload(s, fault, n, OPU_WIRE_STATUS);
}

int opu_session_refusal(struct opu_session *s, int status, const char *what)
{
    const uint8_t *text = NULL;
    size_t n_text = 0;
    int const n = s->port->ops->control(s->port, true, OPU_WIRE_MESSAGE, 0, s->control,
                                        sizeof s->control, OPU_SESSION_CONTROL_MS);
    if (n < 0 || opu_wire_get_bytes(&text, &n_text, s->control, (size_t)n) != OPU_WIRE_OK) {
        n_text = 0;
    }
    while (n_text > 0 && text[n_text - 1] == '\0') {
        n_text--;
    }
    if (n_text == 0) {
        return opu_fail(status, "%s: the device refused %s", s->name, what);
    }
    return opu_fail(status, "%s: %.*s", s->name, (int)n_text, (const char *)text);
}

/* ---- Who it is ---- */

static int check_info(const struct opu_session *s, const struct opu_wire_info *info)
{
    size_t const least = OPU_WIRE_HEADER_BYTES + 64;
    if (info->serial[0] == '\0' || info->queue == 0 || info->max_out_bytes < least ||
        info->max_in_bytes < least || info->max_inputs == 0 || info->max_pixels == 0) {
        return opu_fail(OPU_E_DEVICE,
                        "%s: its facts lack a serial number, inputs, pixels or room for packets "
                        "(queue %u, %u bytes out, %u in)",
                        s->name, info->queue, info->max_out_bytes, info->max_in_bytes);
    }
    return OPU_OK;
}

int opu_session_greet(struct opu_session *s, bool known)
{
    OPU_TRY(opu_session_tell(s, OPU_WIRE_RESET, OPU_WIRE_WHOLE, NULL, 0));
    struct opu_wire_info info = {0};
    int const n = opu_session_ask(s, OPU_WIRE_INFO);
    OPU_TRY(n);
    int const fault = opu_wire_get_info(&info, s->control, (size_t)n);
    if (fault != OPU_WIRE_OK) {
        return fail_payload(s, fault, n, OPU_WIRE_INFO);
    }
    OPU_TRY(check_info(s, &info));
    if (!known) {
        s->info = info;
    } else if (strcmp(info.serial, s->info.serial) != 0) {
        return opu_fail(OPU_E_NOT_FOUND, "%s: was unplugged; serial %s is there now, wanted %s",
                        s->name, info.serial, s->info.serial);
    } else if (strcmp(info.identity, s->info.identity) != 0 ||
               info.max_out_bytes < s->wanted.out_bytes ||
               info.max_in_bytes < s->wanted.answer_bytes) {
        return opu_fail(OPU_E_NOT_FOUND,
                        "%s: serial %s was unplugged and is another device now: \"%.80s\", was "
                        "\"%.80s\"",
                        s->name, info.serial, info.identity, s->info.identity);
    }
    s->stranger = false;
    return OPU_OK;
}

/* ---- The set-up ---- */

static int send_pieces(struct opu_session *s)
{
    uint16_t piece = 0;
    for (size_t at = 0; at < s->block_bytes; at += OPU_WIRE_PIECE_BYTES, piece++) {
        size_t const left = s->block_bytes - at;
        size_t const n = left < OPU_WIRE_PIECE_BYTES ? left : OPU_WIRE_PIECE_BYTES;
        size_t const bytes = opu_wire_put_bytes(s->control, s->block + at, n);
        OPU_TRY(opu_session_tell(s, OPU_WIRE_PIECE, piece, s->control, bytes));
    }
    struct opu_wire_commit const commit = {
        .setup = s->setup,
        .bytes = (uint32_t)s->block_bytes,
        .crc = opu_crc32c(0, s->block, s->block_bytes),
    };
    size_t const bytes = opu_wire_put_commit(s->control, &commit);
    return opu_session_tell(s, OPU_WIRE_CONFIGURE, 0, s->control, bytes);
}

/* Until the device is no longer setting up; *status is how it then is. */
static int settle(struct opu_session *s, struct opu_wire_status *status)
{
    uint64_t const deadline = opu_session_now(s) + (uint64_t)s->options.setup_ms * 1000u;
    for (uint64_t pause = POLL_US;; pause = pause < POLL_MAX_US ? pause * 2 : pause) {
        OPU_TRY(opu_session_ask_status(s, status));
        if (status->state != OPU_WIRE_BUSY) {
            return OPU_OK;
        }
        if (opu_session_now(s) >= deadline || atomic_load(&s->closing)) {
            return opu_fail(OPU_E_DEVICE, "%s: has been setting up for %u ms", s->name,
                            s->options.setup_ms);
        }
        opu_session_doze(s, pause);
    }
}

/* Why a set-up was refused, in the device's words and by its code where it has one of ours. */
static int refuse_setup(struct opu_session *s, int32_t result)
{
    bool const told = result == OPU_E_INVALID || result == OPU_E_UNSUPPORTED ||
                      result == OPU_E_NO_MEMORY || result == OPU_E_FORMAT;
    return opu_session_refusal(s, told ? result : OPU_E_DEVICE, "the set-up");
}

static int send_setup(struct opu_session *s, struct opu_wire_status *status)
{
    int const sent = send_pieces(s);
    if (sent == OPU_E_DEVICE) {
        OPU_TRY(opu_session_ask_status(s, status));
        return refuse_setup(s, status->result);
    }
    OPU_TRY(sent);
    OPU_TRY(settle(s, status));
    return status->state == OPU_WIRE_READY && status->setup == s->setup
               ? OPU_OK
               : refuse_setup(s, status->result);
}

int opu_session_restore(struct opu_session *s, bool state)
{
    struct opu_wire_status status = {0};
    if (s->block_bytes > 0) {
        OPU_TRY(send_setup(s, &status));
    }
    if (state && s->state[0] != '\0') {
        size_t const n = opu_wire_put_bytes(s->control, s->state, strlen(s->state));
        OPU_TRY(opu_session_tell(s, OPU_WIRE_STATE, 0, s->control, n));
    }
    if (s->block_bytes == 0) {
        return OPU_OK;
    }
    (void)pthread_mutex_lock(&s->lock);
    s->epoch = status.epoch;
    s->sequence = status.next;
    int const made = opu_session_slots_create(s);
    (void)pthread_mutex_unlock(&s->lock);
    return made;
}
