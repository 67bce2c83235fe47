/* SPDX-License-Identifier: MIT */
/* tests/contract/contract_frames.c, to be called by usb_contract.c. */
int usb_contract_part(int argc, char **argv);
#define main usb_contract_part
#include "tests/contract/contract_frames.c"
