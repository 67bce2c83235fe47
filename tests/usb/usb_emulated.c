/* SPDX-License-Identifier: MIT */
/*
 * Runs a command to which an emulated OPU seems to be plugged in: usb_emulated [OPTION...] --
 * COMMAND... The command is not changed and knows nothing of it; this process is its kernel, its
 * cable and its device. Exits as the command does, or with 99 where a wanted fault has not struck.
 */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NO_NODE = 77, MISSED = 99 };

struct wanted {
    struct usb_rig_options rig;
    unsigned long faults; /* of each kind whose rate is not 0, at least */
    char **command;
};

static int usage(void)
{
    (void)fprintf(stderr, "usage: usb_emulated [--optics URI] [--serial TEXT] [--faults PLAN] "
                          "[--at-least N] [--splits] -- COMMAND...\n");
    return 2;
}

static int parse(struct wanted *wanted, char **argv)
{
    char **at = argv + 1;
    for (; *at != NULL && strcmp(*at, "--") != 0; at++) {
        bool const value = at[1] != NULL;
        if (strcmp(*at, "--splits") == 0) {
            wanted->rig.splits = true;
        } else if (strcmp(*at, "--optics") == 0 && value) {
            wanted->rig.optics = *++at;
        } else if (strcmp(*at, "--serial") == 0 && value) {
            wanted->rig.serial = *++at;
        } else if (strcmp(*at, "--faults") == 0 && value) {
            wanted->rig.faults = *++at;
        } else if (strcmp(*at, "--at-least") == 0 && value) {
            wanted->faults = strtoul(*++at, NULL, 10);
        } else {
            return usage();
        }
    }
    wanted->command = *at != NULL && at[1] != NULL ? at + 1 : NULL;
    return wanted->command != NULL ? 0 : usage();
}

/* The address sanitizer wants to be the first library of a process, before umockdev's. */
static void preload(void)
{
    char line[1024], both[1200] = "";
    FILE *const maps = fopen("/proc/self/maps", "re");
    while (maps != NULL && both[0] == '\0' && fgets(line, sizeof line, maps) != NULL) {
        char *const path = strchr(line, '/');
        if (path != NULL && strstr(path, "libasan.so") != NULL) {
            path[strcspn(path, "\n")] = '\0';
            (void)snprintf(both, sizeof both, "%s ", path);
        }
    }
    if (maps != NULL) {
        (void)fclose(maps);
    }
    (void)strncat(both, "libumockdev-preload.so.0", sizeof both - strlen(both) - 1);
    (void)setenv("LD_PRELOAD", both, 1);
}

static int run(char **command)
{
    int status = 0;
    (void)fflush(NULL);
    pid_t const child = fork();
    if (child == 0) {
        preload();
        (void)execvp(command[0], command);
        perror(command[0]);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0) {
        perror(command[0]);
        return 127;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Says how often each fault has struck. */
static int report(struct usb_rig *rig, unsigned long at_least)
{
    uint64_t counts[OPU_FAULT_KINDS];
    int code = 0;
    usb_rig_faults(rig, counts);
    (void)fprintf(stderr, "# faults, seed %llu:", (unsigned long long)rig->plan.seed);
    for (size_t i = 0; i < OPU_FAULT_KINDS; i++) {
        (void)fprintf(stderr, " %s %llu", opu_fault_names[i], (unsigned long long)counts[i]);
        code = rig->plan.rate[i] > 0.0 && counts[i] < at_least ? MISSED : code;
    }
    (void)fprintf(stderr, "\n");
    return code;
}

int main(int argc, char **argv)
{
    struct wanted wanted = {.rig = {.foreign = true}};
    struct usb_rig rig;
    (void)argc;
    int const bad = parse(&wanted, argv);
    if (bad != 0) {
        return bad;
    }
    if (!usb_nodes_work()) {
        (void)fprintf(stderr, "umockdev's preload library is not there\n");
        return NO_NODE;
    }
    if (usb_rig_open(&rig, &wanted.rig) < 0) {
        return 1;
    }
    int code = run(wanted.command);
    if (wanted.rig.faults != NULL) {
        int const missed = report(&rig, wanted.faults);
        code = code == 0 ? missed : code;
    }
    usb_rig_close(&rig);
    return code;
}
