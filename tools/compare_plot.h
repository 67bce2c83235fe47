/* SPDX-License-Identifier: MIT */
/* The plots of compare.html. */
#ifndef OPU_TOOLS_COMPARE_PLOT_H
#define OPU_TOOLS_COMPARE_PLOT_H

#include "tools/compare.h"

/* Without a sweep: bars of accuracy; test accuracy, loss and alignment by epoch. */
void compare_plot_arms(struct html *html, const struct comparison *c);

/* With one: accuracy, loss and alignment against the first knob, a line for each of the second's.
 */
void compare_plot_knob(struct html *html, const struct comparison *c);

#endif
