/* SPDX-License-Identifier: MIT */
/* Which device on the bus is meant. */
#include "base_support.h"

#include "driver/usb_find.h"

static struct opu_usb_wish wish;

static const struct opu_usb_seen tested = {.bus = 1,
                                           .address = 4,
                                           .vendor_id = 0x1209,
                                           .product_id = 0x0001,
                                           .like_opu = true,
                                           .protocol = OPU_WIRE_VERSION,
                                           .product = "opu emulated",
                                           .serial = "A"};

static void places_serials_and_ids_are_read(void **state)
{
    (void)state;
    assert_int_equal(opu_usb_wish(&wish, "", "", ""), OPU_OK);
    assert_false(wish.by_place || wish.by_serial || wish.by_id);
    assert_int_equal(wish.vendor_id, 0x1209);
    assert_int_equal(opu_usb_wish(&wish, "12.255", "S 7", "1d6B:00fF"), OPU_OK);
    assert_true(wish.by_place && wish.bus == 12 && wish.address == 255);
    assert_true(wish.by_serial && strcmp(wish.serial, "S 7") == 0);
    assert_true(wish.by_id && wish.vendor_id == 0x1d6b && wish.product_id == 0xff);
}

static void what_is_no_place_or_id_is_refused(void **state)
{
    (void)state;
    static const char *const places[] = {"1", "1.", ".4", "1.256", "1.4.2", "a.b", "1:4", "-1.4"};
    static const char *const ids[] = {"1209",       "1209:",     ":1",
                                      "12090:0001", "1209:000g", "1209.0001"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        assert_refused(opu_usb_wish(&wish, places[i], "", ""), OPU_E_INVALID, "such as 1.4");
    }
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        assert_refused(opu_usb_wish(&wish, "", "", ids[i]), OPU_E_INVALID, "such as 1209:0001");
    }
    char serial[OPU_WIRE_SERIAL_BYTES + 1];
    memset(serial, 's', sizeof serial);
    serial[OPU_WIRE_SERIAL_BYTES] = '\0';
    assert_refused(opu_usb_wish(&wish, "", serial, ""), OPU_E_INVALID, "64 bytes");
}

static void an_opu_is_known_by_its_ids_or_its_name_and_always_by_its_class(void **state)
{
    (void)state;
    struct opu_usb_seen seen = tested;
    assert_int_equal(opu_usb_wish(&wish, "", "", ""), OPU_OK);
    assert_true(opu_usb_is_opu(&seen, &wish));
    seen.product[0] = '\0';
    assert_true(opu_usb_is_opu(&seen, &wish));
    seen.vendor_id = 0x1234;
    assert_false(opu_usb_is_opu(&seen, &wish));
    (void)snprintf(seen.product, sizeof seen.product, "opu two");
    assert_true(opu_usb_is_opu(&seen, &wish));
    (void)snprintf(seen.product, sizeof seen.product, "opus");
    assert_false(opu_usb_is_opu(&seen, &wish));
    seen.product[0] = '\0';
    seen.access = OPU_E_IO; /* the name can't be read */
    assert_true(opu_usb_is_opu(&seen, &wish));
    seen = tested;
    seen.like_opu = false;
    assert_false(opu_usb_is_opu(&seen, &wish));
    seen.like_opu = true;
    assert_int_equal(opu_usb_wish(&wish, "", "", "1234:0001"), OPU_OK);
    assert_false(opu_usb_is_opu(&seen, &wish));
    seen.vendor_id = 0x1234;
    assert_true(opu_usb_is_opu(&seen, &wish));
}

static void the_only_one_is_meant_and_several_are_listed(void **state)
{
    (void)state;
    struct opu_usb_seen seen[3] = {tested, tested, tested};
    size_t index = 99;
    seen[1].address = 5;
    (void)snprintf(seen[1].serial, sizeof seen[1].serial, "B");
    seen[2].address = 6;
    seen[2].serial[0] = '\0';
    seen[2].access = OPU_E_IO;
    assert_int_equal(opu_usb_wish(&wish, "", "", ""), OPU_OK);
    assert_int_equal(opu_usb_choose(&index, seen, 1, &wish), OPU_OK);
    assert_int_equal(index, 0);
    assert_refused(opu_usb_choose(&index, seen, 3, &wish), OPU_E_INVALID,
                   "3 OPUs are plugged in: usb:1.4 (serial A), usb:1.5 (serial B), usb:1.6 (no "
                   "permission)");
    assert_refused(opu_usb_choose(&index, seen, 0, &wish), OPU_E_NOT_FOUND,
                   "no OPU is plugged in (ids 1209:0001)");
    assert_int_equal(opu_usb_wish(&wish, "1.5", "", ""), OPU_OK);
    assert_int_equal(opu_usb_choose(&index, seen, 3, &wish), OPU_OK);
    assert_int_equal(index, 1);
    assert_int_equal(opu_usb_wish(&wish, "", "B", ""), OPU_OK);
    assert_int_equal(opu_usb_choose(&index, seen, 3, &wish), OPU_OK);
    assert_int_equal(index, 1);
    assert_int_equal(opu_usb_wish(&wish, "", "C", ""), OPU_OK);
    assert_refused(opu_usb_choose(&index, seen, 2, &wish), OPU_E_NOT_FOUND,
                   "no OPU with serial C is plugged in; there is usb:1.4 (serial A)");
    assert_int_equal(opu_usb_wish(&wish, "1.4", "B", ""), OPU_OK);
    assert_int_equal(opu_usb_choose(&index, seen, 3, &wish), OPU_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_serials_and_ids_are_read),
        cmocka_unit_test(what_is_no_place_or_id_is_refused),
        cmocka_unit_test(an_opu_is_known_by_its_ids_or_its_name_and_always_by_its_class),
        cmocka_unit_test(the_only_one_is_meant_and_several_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
