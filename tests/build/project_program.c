/* SPDX-License-Identifier: MIT */
/* A program outside the tree: opens a device by its URI and projects one row. */
#include <stdio.h>
#include <opu/opu.h>

int main(int argc, char **argv)
{
    struct opu_context *context = NULL;
    struct opu_device *device = NULL;
    struct opu_projection *projection = NULL;
    struct opu_projection_options options = {.size = sizeof options, .n_in = 16, .n_out = 8};
    const float x[16] = {1.0F, -1.0F, 0.5F};
    float y[8] = {0};
    bool ok = opu_context_create(&context, NULL) == OPU_OK &&
              opu_device_open(&device, context, argc > 1 ? argv[1] : "sim:") == OPU_OK &&
              opu_projection_create(&projection, device, &options) == OPU_OK &&
              opu_project(projection, x, 16, 1, y, 8) == OPU_OK;
    for (size_t i = 0; ok && i < 8; i++) {
        printf("%.9g\n", (double)y[i]);
    }
    if (!ok) {
        fprintf(stderr, "%s\n", opu_error_message());
    }
    opu_projection_destroy(projection);
    opu_device_close(device);
    opu_context_destroy(context);
    return ok ? 0 : 1;
}
