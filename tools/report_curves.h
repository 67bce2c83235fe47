/* SPDX-License-Identifier: MIT */
/* The plots of report.html. */
#ifndef OPU_TOOLS_REPORT_CURVES_H
#define OPU_TOOLS_REPORT_CURVES_H

#include "tools/html.h"
#include "tools/run_folder.h"

/* Accuracy, loss, alignment and rate by epoch, and the probes of a device that was probed. */
void report_curves(struct html *html, const struct run_folder *run);

#endif
