/* SPDX-License-Identifier: MIT */
/* report.html of a run folder: one file, no network. */
#ifndef OPU_TOOLS_REPORT_H
#define OPU_TOOLS_REPORT_H

#include "tools/cli.h"

/*
 * Reads the run folder and writes DIR/report.html. The speckle picture is taken from the run's
 * device, or left out with a sentence. `file`, of at least 4200 bytes, receives the report's path.
 */
OPU_NODISCARD int report_write(struct cli *cli, const char *dir, char *file, size_t n);

#endif
