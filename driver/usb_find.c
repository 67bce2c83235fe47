/* SPDX-License-Identifier: MIT */
/* Devices on USB, told apart. */
#include "driver/usb_find.h"

#include <stdio.h>
#include <string.h>

#include "core/base/fail.h"

/* One to max, in decimal (base 10) or hexadecimal digits; leaves *text behind them. */
static bool take_number(unsigned *to, const char **text, unsigned base, unsigned max)
{
    static const char digits[] = "0123456789abcdef";
    unsigned value = 0;
    const char *p = *text;
    for (; *p != '\0'; p++) {
        char const c = (char)(*p >= 'A' && *p <= 'F' ? *p - 'A' + 'a' : *p);
        const char *const digit = strchr(digits, c);
        if (digit == NULL || (unsigned)(digit - digits) >= base) {
            break;
        }
        value = value * base + (unsigned)(digit - digits);
        if (value > max) {
            return false;
        }
    }
    bool const any = p != *text;
    *text = p;
    *to = value;
    return any;
}

static bool take_pair(unsigned *a, unsigned *b, const char *text, char between, unsigned base,
                      unsigned max)
{
    return take_number(a, &text, base, max) && *text++ == between &&
           take_number(b, &text, base, max) && *text == '\0';
}

int opu_usb_wish(struct opu_usb_wish *wish, const char *address, const char *serial, const char *id)
{
    unsigned a = 0, b = 0;
    *wish =
        (struct opu_usb_wish){.vendor_id = OPU_WIRE_VENDOR_ID, .product_id = OPU_WIRE_PRODUCT_ID};
    if (address[0] != '\0') {
        if (!take_pair(&a, &b, address, '.', 10, 255)) {
            return opu_fail(OPU_E_INVALID,
                            "usb: saw address '%.40s', wanted bus and address such as 1.4",
                            address);
        }
        wish->by_place = true;
        wish->bus = (uint8_t)a;
        wish->address = (uint8_t)b;
    }
    if (id[0] != '\0') {
        if (!take_pair(&a, &b, id, ':', 16, 0xffff)) {
            return opu_fail(OPU_E_INVALID,
                            "usb: saw id '%.40s', wanted vendor and product in hexadecimal such as "
                            "1209:0001",
                            id);
        }
        wish->by_id = true;
        wish->vendor_id = (uint16_t)a;
        wish->product_id = (uint16_t)b;
    }
    size_t const n = strlen(serial);
    if (n >= sizeof wish->serial) {
        return opu_fail(OPU_E_INVALID, "usb: saw a serial number of %zu bytes, wanted at most %zu",
                        n, sizeof wish->serial - 1);
    }
    wish->by_serial = n > 0;
    memcpy(wish->serial, serial, n + 1);
    return OPU_OK;
}

bool opu_usb_is_opu(const struct opu_usb_seen *seen, const struct opu_usb_wish *wish)
{
    bool const ids = seen->vendor_id == wish->vendor_id && seen->product_id == wish->product_id;
    /* Without permission the product's name can't be read; then class and version have to do. */
    bool const named = seen->access == OPU_E_IO ? seen->protocol == OPU_WIRE_VERSION
                                                : strncmp(seen->product, OPU_WIRE_PRODUCT,
                                                          strlen(OPU_WIRE_PRODUCT)) == 0;
    return seen->like_opu && (ids || (!wish->by_id && named));
}

static bool meant(const struct opu_usb_seen *seen, const struct opu_usb_wish *wish)
{
    return (!wish->by_place || (seen->bus == wish->bus && seen->address == wish->address)) &&
           (!wish->by_serial || strcmp(seen->serial, wish->serial) == 0);
}

/* "usb:1.4 (serial A), usb:1.5 (no permission)" */
static void list(char *text, size_t size, const struct opu_usb_seen *seen, size_t n)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < n && used < size; i++) {
        bool const known = seen[i].serial[0] != '\0';
        int const more = snprintf(text + used, size - used, "%susb:%u.%u (%s%s)", i > 0 ? ", " : "",
                                  seen[i].bus, seen[i].address,
                                  known                      ? "serial "
                                  : seen[i].access != OPU_OK ? "no permission"
                                                             : "no serial",
                                  seen[i].serial);
        used += more > 0 ? (size_t)more : 0;
    }
}

int opu_usb_choose(size_t *index, const struct opu_usb_seen *seen, size_t n,
                   const struct opu_usb_wish *wish)
{
    size_t found = 0;
    char there[320], wanted[112] = "";
    for (size_t i = n; i-- > 0;) {
        if (meant(&seen[i], wish)) {
            *index = i;
            found++;
        }
    }
    if (found == 1) {
        return OPU_OK;
    }
    list(there, sizeof there, seen, n);
    if (found > 1) {
        return opu_fail(OPU_E_INVALID,
                        "usb: %zu OPUs are plugged in: %s; say which, by usb:BUS.ADDRESS or "
                        "usb:serial=...",
                        found, there);
    }
    if (wish->by_place) {
        (void)snprintf(wanted, sizeof wanted, " at %u.%u", wish->bus, wish->address);
    }
    if (wish->by_serial) {
        size_t const used = strlen(wanted);
        (void)snprintf(wanted + used, sizeof wanted - used, " with serial %s", wish->serial);
    }
    if (n == 0) {
        return opu_fail(OPU_E_NOT_FOUND, "usb: no OPU is plugged in%s%s (ids %04x:%04x)",
                        wanted[0] != '\0' ? ", wanted one" : "", wanted, wish->vendor_id,
                        wish->product_id);
    }
    bool closed = false;
    for (size_t i = 0; i < n; i++) {
        closed = closed || seen[i].access == OPU_E_IO;
    }
    return opu_fail(OPU_E_NOT_FOUND, "usb: no OPU%s is plugged in; there is %s%s", wanted, there,
                    closed ? "; a serial can be read with permission alone: install the udev rule "
                             "60-opu.rules and join the group plugdev"
                           : "");
}
