/* SPDX-License-Identifier: MIT */
/*
 * The USB driver against a bare libusb loop. The emulated device behind both wants umockdev, on
 * which neither library nor command shall depend: tests/usb/usb_bench measures, and is run where it
 * is found - named by OPU_USB_BENCH, or beside a command that lies where it was built.
 */
#include "tools/bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NO_NODES = 77 }; /* exit code of usb_bench: umockdev is not there */

static bool find(char *path, size_t n)
{
    const char *const named = getenv("OPU_USB_BENCH");
    if (named != NULL) {
        (void)snprintf(path, n, "%s", named);
        return access(path, X_OK) == 0;
    }
    char self[1024];
    ssize_t const length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0) {
        return false;
    }
    self[length] = '\0';
    char *const slash = strrchr(self, '/');
    if (slash == NULL) {
        return false;
    }
    *slash = '\0';
    (void)snprintf(path, n, "%s/../tests/usb/usb_bench", self);
    return access(path, X_OK) == 0;
}

/* "name\tvalue\tunit\tbar\tat most\n" */
static int add_line(struct bench_report *report, char *line)
{
    static const char *const units[] = {"MB/s", "x", "us", "MB"};
    char *fields[5] = {line};
    size_t n = 1;
    line[strcspn(line, "\n")] = '\0';
    for (char *tab = strchr(line, '\t'); tab != NULL && n < 5; tab = strchr(tab + 1, '\t')) {
        *tab = '\0';
        fields[n++] = tab + 1;
    }
    for (size_t i = 0; n == 5 && i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(fields[2], units[i]) == 0) {
            bench_add(report, fields[0], strtod(fields[1], NULL), units[i], strtod(fields[3], NULL),
                      strcmp(fields[4], "at most") == 0);
            return OPU_OK;
        }
    }
    return opu_fail(OPU_E_FORMAT, "usb_bench said '%.200s', wanted five fields", line);
}

static int run(FILE *pipe, struct bench_report *report)
{
    char line[512];
    int status = OPU_OK;
    while (fgets(line, sizeof line, pipe) != NULL && status == OPU_OK) {
        status = add_line(report, line);
    }
    return status;
}

/* Without the program, or without umockdev, there are no rows, and the note says why. */
int bench_usb(const struct bench_options *options, struct bench_report *report)
{
    char path[1100], command[1200];
    if (!find(path, sizeof path)) {
        (void)snprintf(report->note, sizeof report->note,
                       "not built here: tests/usb/usb_bench, which needs libusb, umockdev and the "
                       "build folder; OPU_USB_BENCH may name it");
        return OPU_OK;
    }
    (void)snprintf(command, sizeof command, "'%s' %u", path, options->rounds);
    FILE *const pipe = popen(command, "r");
    if (pipe == NULL) {
        return opu_fail(OPU_E_IO, "%.200s can't be started", path);
    }
    int const status = run(pipe, report);
    int const ended = pclose(pipe);
    int const code = WIFEXITED(ended) ? WEXITSTATUS(ended) : -1;
    if (code == NO_NODES) {
        (void)snprintf(report->note, sizeof report->note,
                       "umockdev is not installed: nothing was measured");
        return OPU_OK;
    }
    if (status == OPU_OK && code == 0) {
        (void)snprintf(report->note, sizeof report->note,
                       "an emulated device that answers with stored counts; MB/s tell of this "
                       "machine, ratios of the driver");
    }
    return status < 0  ? status
           : code == 0 ? OPU_OK
                       : opu_fail(OPU_E_IO, "usb_bench ended with %d; it said why", code);
}
