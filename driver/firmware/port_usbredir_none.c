/* SPDX-License-Identifier: MIT */
/* Stands in for port_usbredir.c in a build without libusbredirparser. */
#include "driver/firmware/port_usbredir.h"

#include <unistd.h>

struct opu_gadget *opu_usbredir_create(const struct opu_gadget_options *options, const char *path,
                                       struct opu_gadget_failure *failure)
{
    (void)options;
    (void)path;
    opu_gadget_fail(failure, OPU_GADGET_UNSUPPORTED,
                    "this build has no usbredir (libusbredirparser was missing)");
    return NULL;
}

struct opu_gadget *opu_usbredir_serve(const struct opu_gadget_options *options, int fd,
                                      struct opu_gadget_failure *failure)
{
    close(fd);
    return opu_usbredir_create(options, "", failure);
}
