/* SPDX-License-Identifier: MIT */
/* Ctrl-C and SIGTERM of a command that ends in order: a flag that its loop looks at. */
#ifndef OPU_TOOLS_INTERRUPT_H
#define OPU_TOOLS_INTERRUPT_H

#include <stdbool.h>

/* From here on the first signal sets the flag and gives the handlers back: the second one kills. */
void interrupt_catch(void);

/* Whether one came. */
bool interrupt_seen(void);

#endif
