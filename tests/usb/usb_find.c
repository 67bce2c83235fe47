/* SPDX-License-Identifier: MIT */
/* Finding, choosing and opening OPUs on the bus, through the real libusb. */
#include "load.h"

static bool fast_route;
static struct usb_rig one, two;

static void plug(struct usb_rig *rig, struct usb_rig_options options)
{
    options.fast = fast_route;
    assert_int_equal(usb_rig_open(rig, &options), 0);
    assert_true(usb_rig_seen(rig));
}

static int tear_down(void **state)
{
    (void)state;
    usb_rig_close(&one);
    usb_rig_close(&two);
    return 0;
}

static int try_open(const char *uri)
{
    struct opu_device *device = NULL;
    int const status = opu_device_open(&device, NULL, uri);
    opu_device_close(device);
    return status;
}

static void assert_opens(const char *uri, const char *serial)
{
    struct opu_device *device = NULL;
    assert_ok(opu_device_open(&device, NULL, uri));
    if (strstr(opu_device_identity(device), serial) == NULL) {
        fail_msg("%s has opened %s, wanted serial %s", uri, opu_device_identity(device), serial);
    }
    opu_device_close(device);
}

static void at(char uri[32], const struct usb_rig *rig)
{
    (void)snprintf(uri, 32, "usb:1.%u", usb_node_address(rig->node));
}

static void the_only_device_needs_no_name(void **state)
{
    (void)state;
    plug(&one, (struct usb_rig_options){.serial = "A-1"});
    assert_opens("usb:", "A-1");
}

static void no_device_is_told(void **state)
{
    (void)state;
    plug(&one, (struct usb_rig_options){.serial = "A-1"});
    usb_node_unplug(one.node);
    assert_true(usb_rig_seen(&one));
    assert_says(try_open("usb:"), OPU_E_NOT_FOUND, "no OPU is plugged in");
}

static void of_two_devices_one_must_be_named(void **state)
{
    char uri[32], words[32];
    (void)state;
    plug(&one, (struct usb_rig_options){.serial = "A-1"});
    plug(&two, (struct usb_rig_options){.serial = "B-2", .port = 2});
    assert_says(try_open("usb:"), OPU_E_INVALID, "A-1");
    assert_says(try_open("usb:"), OPU_E_INVALID, "B-2");
    assert_opens("usb:serial=B-2", "B-2");
    assert_opens("usb:serial=A-1", "A-1");
    at(uri, &two);
    assert_opens(uri, "B-2");
    assert_says(try_open("usb:serial=C-3"), OPU_E_NOT_FOUND, "C-3");
    (void)snprintf(words, sizeof words, "1.%u", 99u);
    assert_says(try_open("usb:1.99"), OPU_E_NOT_FOUND, words);
}

static void two_devices_work_side_by_side(void **state)
{
    static struct load loads[2];
    struct opu_device *devices[2];
    uint64_t jobs[2];
    (void)state;
    plug(&one, (struct usb_rig_options){.serial = "A-1"});
    plug(&two, (struct usb_rig_options){.serial = "B-2", .port = 2});
    assert_ok(opu_device_open(&devices[0], NULL, "usb:serial=A-1"));
    assert_ok(opu_device_open(&devices[1], NULL, "usb:serial=B-2"));
    for (size_t i = 0; i < 2; i++) {
        assert_ok(load_configure(devices[i]));
        load_fill(&loads[i], 1000 * i);
        assert_ok(opu_device_submit(devices[i], &loads[i].batch, &jobs[i]));
    }
    for (size_t i = 0; i < 2; i++) {
        assert_ok(opu_device_wait(devices[i], jobs[i], -1));
        assert_right(&loads[i]);
        opu_device_close(devices[i]);
    }
}

/* aravis issue 301: plugging one camera in again broke its neighbour. */
static void a_neighbour_that_is_plugged_in_again_disturbs_nobody(void **state)
{
    static struct load load;
    struct opu_device *device = NULL;
    (void)state;
    plug(&one, (struct usb_rig_options){.serial = "A-1"});
    plug(&two, (struct usb_rig_options){.serial = "B-2", .port = 2});
    assert_ok(opu_device_open(&device, NULL, "usb:serial=A-1"));
    assert_ok(load_configure(device));
    for (uint64_t i = 0; i < 6; i++) {
        if (i % 2 == 0) {
            usb_node_unplug(two.node);
        } else {
            usb_node_plug(two.node);
        }
        load_fill(&load, 500 * i);
        assert_ok(load_run(device, &load));
        assert_right(&load);
    }
    opu_device_close(device);
    assert_int_equal(usb_node_counts(one.node).discarded, 1); /* the event transfer, at close */
}

static void other_ids_are_asked_for(void **state)
{
    (void)state;
    plug(&one, (struct usb_rig_options){
                   .serial = "A-1", .vendor_id = 0x1d50, .product_id = 0x6abc, .product = "lab 7"});
    assert_says(try_open("usb:"), OPU_E_NOT_FOUND, "1209:0001");
    assert_opens("usb:id=1d50:6abc", "A-1");
}

static void a_product_of_other_ids_is_known_by_its_name(void **state)
{
    (void)state;
    plug(&one, (struct usb_rig_options){.serial = "A-1",
                                        .vendor_id = 0x1d50,
                                        .product_id = 0x6abc,
                                        .product = "opu of lab 7"});
    assert_opens("usb:", "A-1");
}

static void a_second_opener_is_told_that_it_is_busy(void **state)
{
    struct opu_device *device = NULL;
    (void)state;
    plug(&one, (struct usb_rig_options){.serial = "A-1"});
    assert_ok(opu_device_open(&device, NULL, "usb:"));
    assert_says(try_open("usb:"), OPU_E_BUSY, "somebody else holds it");
    static struct load load;
    assert_ok(load_configure(device)); /* the first one is not disturbed */
    load_fill(&load, 1);
    assert_ok(load_run(device, &load));
    assert_right(&load);
    opu_device_close(device);
    assert_opens("usb:", "A-1");
}

static void a_refused_permission_names_the_rule(void **state)
{
    (void)state;
    plug(&one, (struct usb_rig_options){.serial = "A-1"});
    usb_node_deny(one.node, true);
    assert_says(try_open("usb:"), OPU_E_IO, "60-opu.rules");
    assert_says(try_open("usb:serial=A-1"), OPU_E_NOT_FOUND, "60-opu.rules");
    usb_node_deny(one.node, false);
    assert_opens("usb:", "A-1");
}

static void another_version_of_the_wire_is_refused_in_words(void **state)
{
    (void)state;
    plug(&one, (struct usb_rig_options){.serial = "A-1", .version = 9});
    assert_says(try_open("usb:"), OPU_E_UNSUPPORTED, "version 9");
}

static void endpoints_are_those_of_the_descriptors(void **state)
{
    static struct load load;
    struct opu_device *device = NULL;
    (void)state;
    plug(&one, (struct usb_rig_options){.serial = "A-1", .renumbered = true});
    assert_ok(opu_device_open(&device, NULL, "usb:"));
    assert_ok(load_configure(device));
    load_fill(&load, 40);
    assert_ok(load_run(device, &load));
    assert_right(&load);
    usb_rig_strike(&one, OPU_FAULT_STALL); /* halts are cleared at these addresses, too */
    load_fill(&load, 140);
    assert_ok(load_run(device, &load));
    assert_right(&load);
    opu_device_close(device);
}

static int listed(void *user, const char *uri, const char *text)
{
    char *const all = user;
    (void)snprintf(all + strlen(all), 2000 - strlen(all), "%s %s\n", uri, text);
    return 0;
}

static void what_is_plugged_in_is_listed(void **state)
{
    char all[2000] = "", uri[32];
    struct opu_device *device = NULL;
    (void)state;
    plug(&one, (struct usb_rig_options){.serial = "A-1"});
    plug(&two, (struct usb_rig_options){.serial = "B-2", .port = 2});
    assert_ok(opu_device_open(&device, NULL, "usb:serial=B-2"));
    assert_ok(opu_device_scan(NULL, listed, all));
    at(uri, &one);
    assert_non_null(strstr(all, uri));
    at(uri, &two);
    assert_non_null(strstr(all, uri));
    assert_non_null(strstr(all, "A-1"));
    assert_non_null(strstr(all, "B-2"));
    assert_non_null(strstr(all, "busy"));
    opu_device_close(device);
}

int main(int argc, char **argv)
{
    fast_route = argc > 1 && strcmp(argv[1], "fast") == 0;
#define FIND_TEST(name) cmocka_unit_test_teardown(name, tear_down)
    const struct CMUnitTest tests[] = {
        FIND_TEST(the_only_device_needs_no_name),
        FIND_TEST(no_device_is_told),
        FIND_TEST(of_two_devices_one_must_be_named),
        FIND_TEST(two_devices_work_side_by_side),
        FIND_TEST(a_neighbour_that_is_plugged_in_again_disturbs_nobody),
        FIND_TEST(other_ids_are_asked_for),
        FIND_TEST(a_product_of_other_ids_is_known_by_its_name),
        FIND_TEST(a_second_opener_is_told_that_it_is_busy),
        FIND_TEST(a_refused_permission_names_the_rule),
        FIND_TEST(another_version_of_the_wire_is_refused_in_words),
        FIND_TEST(endpoints_are_those_of_the_descriptors),
        FIND_TEST(what_is_plugged_in_is_listed),
    };
    return no_nodes() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
