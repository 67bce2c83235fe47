/* SPDX-License-Identifier: MIT */
/*
 * The contract of all devices, kept by usb: with an emulated device on the fast route; its files
 * are those of tests/contract, main() and all, in this process: usb_contract OPTICS URI [splits].
 */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int usb_contract_part(int argc, char **argv);

int main(int argc, char **argv)
{
    struct usb_rig rig;
    struct usb_rig_options const options = {
        .optics = argc > 1 ? argv[1] : "sim:", .fast = true, .splits = argc > 3};
    char program[] = "contract", usual[] = "usb:";
    char *arguments[] = {program, argc > 2 ? argv[2] : usual, NULL};
    if (!usb_nodes_work()) {
        printf("1..0 # SKIP umockdev's preload library is not there\n");
        return 0;
    }
    if (usb_rig_open(&rig, &options) < 0) {
        return 1;
    }
    int const code = usb_contract_part(2, arguments);
    usb_rig_close(&rig);
    return code;
}
