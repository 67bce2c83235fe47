/* SPDX-License-Identifier: MIT */
/* Control requests: each is answered at once, whatever the optics are at. */
#include "driver/firmware/fw_internal.h"

#include <stdio.h>
#include <string.h>

#define TYPE_MASK 0x7fu
#define TYPE_VENDOR_INTERFACE 0x41u
#define DIRECTION_IN 0x80u

/* ---- In: bytes written to `to`, OPU_WIRE_CONTROL_BYTES ---- */

static size_t get_info(struct opu_fw *fw, uint8_t *to)
{
    return opu_wire_put_info(to, &fw->info);
}

static uint32_t state(const struct opu_fw *fw)
{
    if (fw->setup_wanted || fw->calibration_wanted || fw->busy) {
        return OPU_WIRE_BUSY;
    }
    if (fw->latched || fw->failed) {
        return OPU_WIRE_FAULT;
    }
    return fw->number != 0 ? OPU_WIRE_READY : OPU_WIRE_IDLE;
}

static size_t get_status(struct opu_fw *fw, uint8_t *to)
{
    struct opu_wire_status const status = {
        .state = state(fw),
        .result = fw->result,
        .setup = fw->number,
        .epoch = fw->epoch,
        .next = fw->next,
        .queued = fw->n_waiting + (fw->working ? 1 : 0),
        .answers = fw->n_done + (fw->sending.slot != OPU_FW_NO_SLOT ? 1 : 0),
        .laser = fw->laser,
        .interlock = fw->open,
        .frames = fw->frames,
        .temperature_c = fw->temperature_c,
    };
    return opu_wire_put_status(to, &status);
}

static size_t get_statistics(struct opu_fw *fw, uint8_t *to)
{
    struct opu_wire_statistics statistics = fw->statistics;
    statistics.laser_s = opu_fw_laser_s(fw);
    return opu_wire_put_statistics(to, &statistics);
}

static size_t get_message(struct opu_fw *fw, uint8_t *to)
{
    return opu_wire_put_bytes(to, fw->message, strlen(fw->message));
}

static size_t get_state(struct opu_fw *fw, uint8_t *to)
{
    char text[48];
    int const n = snprintf(text, sizeof text, "{\"frames\":%llu}", (unsigned long long)fw->frames);
    return opu_wire_put_bytes(to, text, (size_t)n);
}

/* ---- Out: 0, or OPU_FW_E_..., having said why ---- */

/* The body of a wrapped payload. */
static int unwrap(struct opu_fw *fw, const uint8_t **body, size_t *n_body, const uint8_t *from,
                  size_t n)
{
    int const fault = opu_wire_get_bytes(body, n_body, from, n);
    if (fault == OPU_WIRE_OTHER_VERSION) {
        opu_fw_say(fw, "a request of protocol version %u; this firmware speaks version %u",
                   opu_wire_wrap_version(from, n), OPU_WIRE_VERSION);
    } else if (fault != OPU_WIRE_OK) {
        opu_fw_say(fw, "the request's payload: %s", opu_wire_fault_text(fault));
    }
    return fault == OPU_WIRE_OK ? 0 : OPU_FW_E_FORMAT;
}

static int put_piece(struct opu_fw *fw, uint16_t value, const uint8_t *from, size_t n)
{
    const uint8_t *body;
    size_t n_body;
    int const status = unwrap(fw, &body, &n_body, from, n);
    return status < 0 ? status : opu_fw_piece(fw, value, body, n_body);
}

static int configure(struct opu_fw *fw, uint16_t value, const uint8_t *from, size_t n)
{
    const uint8_t *body;
    size_t n_body;
    struct opu_wire_commit commit;
    (void)value;
    int status = unwrap(fw, &body, &n_body, from, n);
    if (status == 0 && opu_wire_get_commit(&commit, from, n) != OPU_WIRE_OK) {
        opu_fw_say(fw, "a commit of %u bytes: %s", (unsigned)n_body,
                   opu_wire_fault_text(opu_wire_get_commit(&commit, from, n)));
        status = OPU_FW_E_FORMAT;
    }
    fw->result = status < 0 ? status : opu_fw_commit(fw, &commit);
    return fw->result;
}

static int calibrate(struct opu_fw *fw, uint16_t value, const uint8_t *from, size_t n)
{
    (void)from;
    (void)n;
    if (value != 0) {
        opu_fw_say(fw, "calibration %u is not known, wanted 0", value);
        return OPU_FW_E_INVALID;
    }
    fw->calibration_wanted = true;
    fw->result = 0;
    fw->wake_due = true;
    return 0;
}

/* {"frames":N} and nothing else; spaces where JSON has them. */
static bool read_state(uint64_t *frames, const char *text)
{
    const char *const parts[] = {"{", "\"frames\"", ":", NULL, "}"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        text += strspn(text, " \t\r\n");
        if (parts[i] != NULL) {
            size_t const n = strlen(parts[i]);
            if (strncmp(text, parts[i], n) != 0) {
                return false;
            }
            text += n;
            continue;
        }
        const char *const start = text;
        *frames = 0;
        for (; *text >= '0' && *text <= '9'; text++) {
            uint64_t const digit = (uint64_t)(*text - '0');
            if (*frames > (UINT64_MAX - digit) / 10) {
                return false;
            }
            *frames = *frames * 10 + digit;
        }
        if (text == start || (*start == '0' && text > start + 1)) {
            return false;
        }
    }
    return text[strspn(text, " \t\r\n")] == '\0';
}

static int put_state(struct opu_fw *fw, uint16_t value, const uint8_t *from, size_t n)
{
    const uint8_t *body;
    size_t n_body;
    char text[OPU_WIRE_STATE_BYTES + 1];
    uint64_t frames = 0;
    (void)value;
    int const status = unwrap(fw, &body, &n_body, from, n);
    if (status < 0) {
        return status;
    }
    memcpy(text, body, n_body);
    text[n_body] = '\0';
    if (strlen(text) != n_body || !read_state(&frames, text)) {
        opu_fw_say(fw, "the state is \"%.80s\", wanted {\"frames\":N}", text);
        return OPU_FW_E_FORMAT;
    }
    fw->frames = frames;
    return 0;
}

static int reset(struct opu_fw *fw, uint16_t value, const uint8_t *from, size_t n)
{
    (void)from;
    (void)n;
    if (value != OPU_WIRE_FLUSH && value != OPU_WIRE_WHOLE) {
        opu_fw_say(fw, "reset %u is not known, wanted 0 or 1", value);
        return OPU_FW_E_INVALID;
    }
    opu_fw_flush(fw);
    if (value == OPU_WIRE_WHOLE) {
        fw->number = 0;
        fw->generation++;
        fw->setup_wanted = false;
        fw->calibration_wanted = false;
        fw->failed = false;
        fw->latched = false; /* until the look below, if it is still open */
        fw->hot = false;
        fw->result = 0;
        fw->message[0] = '\0';
        fw->n_events = 0;
        fw->frames = 0;
        memset(fw->piece_bytes, 0, sizeof fw->piece_bytes);
        fw->dark_wanted = true;
        fw->look_wanted = true;
        fw->wake_due = true;
    }
    return 0;
}

/* ---- The verb ---- */

struct request {
    uint8_t number;
    size_t (*get)(struct opu_fw *fw, uint8_t *to);
    int (*put)(struct opu_fw *fw, uint16_t value, const uint8_t *from, size_t n);
};

static const struct request requests[] = {
    {.number = OPU_WIRE_INFO, .get = get_info},
    {.number = OPU_WIRE_PIECE, .put = put_piece},
    {.number = OPU_WIRE_CONFIGURE, .put = configure},
    {.number = OPU_WIRE_CALIBRATE, .put = calibrate},
    {.number = OPU_WIRE_STATE, .get = get_state, .put = put_state},
    {.number = OPU_WIRE_STATUS, .get = get_status},
    {.number = OPU_WIRE_RESET, .put = reset},
    {.number = OPU_WIRE_STATISTICS, .get = get_statistics},
    {.number = OPU_WIRE_MESSAGE, .get = get_message},
};

static const struct request *find_request(const struct opu_fn_setup *setup)
{
    bool const in = (setup->request_type & DIRECTION_IN) != 0;
    if ((setup->request_type & TYPE_MASK) != TYPE_VENDOR_INTERFACE) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        const struct request *const request = &requests[i];
        if (request->number == setup->request &&
            (in ? request->get != NULL : request->put != NULL)) {
            return request;
        }
    }
    return NULL;
}

int opu_fw_control(void *self, const struct opu_fn_setup *setup, uint8_t *data)
{
    struct opu_fw *const fw = self;
    const struct request *const request = find_request(setup);
    int moved = OPU_FN_STALL;
    opu_fw_lock(fw);
    opu_fw_heard(fw);
    if (request == NULL) {
        opu_fw_say(fw, "request 0x%02x of type 0x%02x is not known", setup->request,
                   setup->request_type);
    } else if ((setup->request_type & DIRECTION_IN) != 0) {
        size_t const n = request->get(fw, fw->wrap);
        moved = n < setup->length ? (int)n : (int)setup->length;
        memcpy(data, fw->wrap, (size_t)moved);
    } else if (request->put(fw, setup->value, data, setup->length) == 0) {
        moved = setup->length;
    }
    opu_fw_leave(fw);
    return moved;
}
