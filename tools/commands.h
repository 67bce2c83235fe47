/* SPDX-License-Identifier: MIT */
/* The commands: one file each, named in the table of opu.c. */
#ifndef OPU_TOOLS_COMMANDS_H
#define OPU_TOOLS_COMMANDS_H

#include "tools/cli.h"

extern const struct cli_command cmd_devices, cmd_info, cmd_project, cmd_check, cmd_train,
    cmd_compare, cmd_report, cmd_bench;

#endif
