/* SPDX-License-Identifier: MIT */
/* What keeps eyes and parts safe - laser, interlock, temperature, a host that is gone - and events.
 */
#include "driver/firmware/fw_internal.h"

#include <math.h>

void opu_fw_event(struct opu_fw *fw, enum opu_wire_event_kind kind, uint32_t value, uint64_t frame)
{
    if (fw->n_events == OPU_FW_EVENTS) {
        fw->first_event = (fw->first_event + 1) % OPU_FW_EVENTS;
        fw->n_events--;
    }
    fw->events[(fw->first_event + fw->n_events) % OPU_FW_EVENTS] = (struct opu_wire_event){
        .kind = (uint16_t)kind, .sequence = fw->next_event++, .value = value, .frame = frame};
    fw->n_events++;
    fw->ready_due = true;
}

void opu_fw_heard(struct opu_fw *fw)
{
    fw->heard_us = opu_fw_now_us(fw);
    if (fw->silent) {
        fw->silent = false;
        fw->wake_due = true;
    }
}

static double since_s(const struct opu_fw *fw, uint64_t then_us)
{
    return (double)(opu_fw_now_us(fw) - then_us) * 1e-6;
}

double opu_fw_laser_s(const struct opu_fw *fw)
{
    return fw->statistics.laser_s + (fw->laser ? since_s(fw, fw->laser_on_us) : 0.0);
}

/* Switches the laser. */
static int switch_laser(struct opu_fw *fw, bool on)
{
    const struct opu_optics *const optics = &fw->options.optics;
    opu_fw_unlock(fw);
    int const status = optics->reference_ops->laser(optics->reference, on);
    opu_fw_lock(fw);
    if (status < 0) {
        opu_fw_say(fw, "the laser can't be switched %s: %s", on ? "on" : "off",
                   optics->message(optics->self));
        return status;
    }
    if (on) {
        fw->laser_on_us = opu_fw_now_us(fw);
    } else {
        fw->statistics.laser_s = opu_fw_laser_s(fw);
    }
    fw->laser = on;
    return 0;
}

bool opu_fw_darken(struct opu_fw *fw)
{
    if (!fw->dark_wanted) {
        return false;
    }
    fw->dark_wanted = false;
    if (fw->laser) {
        fw->dark_owed = switch_laser(fw, false) < 0; /* the next tick asks again */
    }
    return true;
}

int opu_fw_shine(struct opu_fw *fw)
{
    fw->dark_owed = false;
    return fw->laser ? 0 : switch_laser(fw, true);
}

bool opu_fw_silence(struct opu_fw *fw)
{
    fw->silent = fw->silent || opu_fw_now_us(fw) - fw->heard_us > OPU_FW_HOST_TIMEOUT_US;
    return fw->silent;
}

bool opu_fw_look_due(const struct opu_fw *fw)
{
    return opu_fw_now_us(fw) - fw->looked_us >= OPU_FW_LOOK_US;
}

static void see_interlock(struct opu_fw *fw, bool open)
{
    if (open != fw->open) {
        fw->open = open;
        opu_fw_event(fw, OPU_WIRE_INTERLOCK, open ? 1 : 0, 0);
    }
    if (open && !fw->latched) {
        fw->latched = true;
        opu_fw_say(fw, "the laser's interlock was opened; close it and reset the device");
    }
}

/* A sensor that gives no number has failed: nobody knows how hot it is, and the laser stays off. */
static void see_temperature(struct opu_fw *fw, bool has_sensor, double temperature_c)
{
    fw->temperature_c = has_sensor ? temperature_c : (double)NAN;
    bool const failed = has_sensor && isnan(temperature_c);
    if (failed && !fw->hot) {
        fw->hot = true;
        opu_fw_event(fw, OPU_WIRE_OVER_TEMPERATURE, OPU_WIRE_NO_TEMPERATURE, 0);
        opu_fw_say(fw, "the temperature can't be read: the laser is off");
    } else if (!fw->hot && temperature_c >= OPU_FW_HOT_C) {
        fw->hot = true;
        opu_fw_event(fw, OPU_WIRE_OVER_TEMPERATURE, (uint32_t)(temperature_c * 10.0 + 0.5), 0);
        opu_fw_say(fw,
                   "the parts are at %.1f degrees C, at most %.0f are allowed: the laser is off",
                   temperature_c, OPU_FW_HOT_C);
    } else if (fw->hot && temperature_c <= OPU_FW_COOL_C) {
        fw->hot = false;
    }
}

bool opu_fw_look(struct opu_fw *fw)
{
    const struct opu_reference_ops *const ops = fw->options.optics.reference_ops;
    void *const self = fw->options.optics.reference;
    fw->look_wanted = false;
    fw->looked_us = opu_fw_now_us(fw);
    opu_fw_unlock(fw);
    bool const open = ops->interlock_open != NULL && ops->interlock_open(self);
    bool const has_sensor = ops->temperature_c != NULL;
    double const temperature_c = has_sensor ? ops->temperature_c(self) : 0.0;
    opu_fw_lock(fw);
    see_interlock(fw, open);
    see_temperature(fw, has_sensor, temperature_c);
    bool const dark = fw->latched || fw->hot;
    if (dark && fw->laser) {
        fw->dark_wanted = true;
        (void)opu_fw_darken(fw);
    }
    return !dark;
}

void opu_fw_tick(struct opu_fw *fw)
{
    opu_fw_lock(fw);
    bool const silent = opu_fw_silence(fw);
    if (fw->laser && (silent || fw->latched || fw->hot || fw->dark_owed)) {
        fw->dark_wanted = true;
        fw->wake_due = true;
    }
    if (!fw->look_wanted && opu_fw_look_due(fw)) {
        fw->look_wanted = true;
        fw->wake_due = true;
    }
    opu_fw_leave(fw);
}
