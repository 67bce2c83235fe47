/* SPDX-License-Identifier: MIT */
/* The commands: one file each, named in the table of opu.c. */
#ifndef OPU_TOOLS_COMMANDS_H
#define OPU_TOOLS_COMMANDS_H

#include "tools/cli.h"

extern const struct cli_command cmd_devices, cmd_info, cmd_project, cmd_check, cmd_train,
    cmd_compare, cmd_report, cmd_emulate, cmd_record, cmd_bench;

/*
 * "opu record FILE COMMAND ..." becomes COMMAND with its device's URI wrapped; other words stay as
 * they are. OPU_E_INVALID with the sentence in place.
 */
OPU_NODISCARD int record_rewrite(int *argc, char **argv);

#endif
