/* SPDX-License-Identifier: MIT */
/* opu emulate: an OPU on USB that isn't there. Serves until Ctrl-C, then tells what it has seen. */
#include "tools/commands.h"
#include "tools/interrupt.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct emulate_options {
    const char *optics;
    bool attach, listen;
    struct cli_uint port;
    const char *usbredir, *functionfs, *udc;
    struct cli_list faults;
    const char *serial, *id, *user;
    struct cli_double rate;
};

/* ---- What was asked for ---- */

static int choose_port(struct opu_emulator_options *to, const struct emulate_options *wish)
{
    int const n = (int)wish->attach + (int)wish->listen + (wish->usbredir != NULL) +
                  (wish->functionfs != NULL);
    if (n > 1) {
        return opu_fail(OPU_E_INVALID,
                        "saw %d ways to the bus, wanted one of --attach, --listen, "
                        "--usbredir and --functionfs",
                        n);
    }
    if (wish->port.given && !wish->listen) {
        return opu_fail(OPU_E_INVALID, "--port goes with --listen");
    }
    if (wish->udc != NULL && wish->functionfs == NULL) {
        return opu_fail(OPU_E_INVALID, "--udc goes with --functionfs");
    }
    to->port = wish->listen               ? OPU_EMULATE_LISTEN
               : wish->usbredir != NULL   ? OPU_EMULATE_USBREDIR
               : wish->functionfs != NULL ? OPU_EMULATE_FUNCTIONFS
                                          : OPU_EMULATE_ATTACH;
    to->path = wish->usbredir != NULL ? wish->usbredir : wish->functionfs;
    to->udc = wish->udc;
    to->tcp_port = (uint16_t)wish->port.value;
    return OPU_OK;
}

static bool read_hex(const char *text, const char *end, uint16_t *to)
{
    char *stop = NULL;
    unsigned long const value = strtoul(text, &stop, 16);
    bool const hex = strspn(text, "0123456789abcdefABCDEF") == (size_t)(end - text);
    *to = (uint16_t)value;
    return hex && stop == end && end > text && end - text <= 4;
}

static int read_id(struct opu_emulator_options *to, const char *id)
{
    const char *const colon = id != NULL ? strchr(id, ':') : NULL;
    if (id == NULL ||
        (colon != NULL && read_hex(id, colon, &to->vendor_id) &&
         read_hex(colon + 1, colon + strlen(colon), &to->product_id) && to->vendor_id != 0)) {
        return OPU_OK;
    }
    return opu_fail(OPU_E_INVALID, "--id: saw '%s', wanted VVVV:PPPP in hexadecimal", id);
}

static int join_faults(char *text, size_t n, const struct cli_list *faults)
{
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; i < faults->n; i++) {
        int const more = snprintf(text + used, n - used, "%s%s", i > 0 ? "," : "", faults->item[i]);
        if (more < 0 || (size_t)more >= n - used) {
            return opu_fail(OPU_E_INVALID, "--fault: more than %zu characters", n - 1);
        }
        used += (size_t)more;
    }
    return OPU_OK;
}

/* ---- While it serves ---- */

struct watch {
    struct cli *cli;
    struct opu_emulator *emulator;
    atomic_bool over;
};

static void draw(const struct opu_emulator *emulator)
{
    struct opu_emulator_stats seen = {.size = sizeof seen};
    if (opu_emulator_statistics(emulator, &seen) == OPU_OK) {
        fprintf(stderr, "\r%llu frames, %llu packets, %llu refused, laser %s, %llu faults\033[K",
                (unsigned long long)seen.frames, (unsigned long long)seen.packets,
                (unsigned long long)seen.refused, seen.laser ? "on" : "off",
                (unsigned long long)seen.faults);
        fflush(stderr);
    }
}

/* Ends the emulator at a signal; shows its state on a terminal. */
static void *look_on(void *user)
{
    struct watch *const watch = user;
    struct timespec const nap = {.tv_nsec = 50000000};
    for (unsigned i = 0; !atomic_load(&watch->over); i++) {
        if (interrupt_seen()) {
            opu_emulator_stop(watch->emulator);
        }
        if (watch->cli->err_tty && i % 10 == 0) {
            draw(watch->emulator);
        }
        nanosleep(&nap, NULL);
    }
    if (watch->cli->err_tty) {
        fputs("\r\033[K", stderr);
    }
    return NULL;
}

static int serve(struct cli *cli, struct opu_emulator *emulator)
{
    struct watch watch = {.cli = cli, .emulator = emulator};
    pthread_t thread;
    interrupt_catch();
    cli_say(cli, "%s", opu_emulator_describe(emulator));
    int const started = pthread_create(&thread, NULL, look_on, &watch);
    if (started != 0) {
        return opu_fail(OPU_E_NO_MEMORY, "no thread to watch with: %s", strerror(started));
    }
    int const status = opu_emulator_run(emulator);
    atomic_store(&watch.over, true);
    pthread_join(thread, NULL);
    return status;
}

/* ---- Afterwards ---- */

static json_t *document(const struct cli *cli, const char *describe, const char *optics,
                        const struct opu_emulator_stats *seen)
{
    json_t *const all = cli_json_new(cli);
    json_object_set_new(all, "device", json_string(describe));
    json_object_set_new(all, "optics", json_string(optics));
    json_object_set_new(all, "statistics",
                        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:I}", "frames",
                                  (json_int_t)seen->frames, "packets", (json_int_t)seen->packets,
                                  "answers", (json_int_t)seen->answers, "refused",
                                  (json_int_t)seen->refused, "triggers_lost",
                                  (json_int_t)seen->triggers_lost, "upload_bytes",
                                  (json_int_t)seen->upload_bytes, "upload_s", seen->upload_s,
                                  "laser_s", seen->laser_s, "faults", (json_int_t)seen->faults));
    return all;
}

static void print(const struct opu_emulator_stats *seen)
{
    char bytes[32], upload[32], laser[32];
    cli_format_si(bytes, sizeof bytes, (double)seen->upload_bytes, "B");
    cli_format_seconds(upload, sizeof upload, seen->upload_s);
    cli_format_seconds(laser, sizeof laser, seen->laser_s);
    printf("frames shown     %llu, %llu of them without a trigger\n",
           (unsigned long long)seen->frames, (unsigned long long)seen->triggers_lost);
    printf("packets          %llu taken, %llu answered, %llu refused\n",
           (unsigned long long)seen->packets, (unsigned long long)seen->answers,
           (unsigned long long)seen->refused);
    printf("patterns loaded  %s in %s\n", bytes, upload);
    printf("laser on         %s\n", laser);
    printf("faults injected  %llu\n", (unsigned long long)seen->faults);
}

static int tell(struct cli *cli, const struct opu_emulator *emulator, const char *optics)
{
    struct opu_emulator_stats seen = {.size = sizeof seen};
    int const status = opu_emulator_statistics(emulator, &seen);
    if (status < 0) {
        return cli_fail(cli, CLI_AT_DEVICE, status);
    }
    if (cli->json) {
        return cli_json_write(cli, document(cli, opu_emulator_describe(emulator), optics, &seen));
    }
    print(&seen);
    return CLI_OK;
}

static int run(struct cli *cli, const void *options, int argc, char **argv)
{
    const struct emulate_options *const wish = options;
    char faults[512];
    struct opu_emulator_options plan = {.size = sizeof plan,
                                        .serial = wish->serial,
                                        .user = wish->user,
                                        .faults = wish->faults.n > 0 ? faults : NULL,
                                        .rate_hz = wish->rate.value};
    struct opu_device *optics = NULL;
    struct opu_emulator *emulator = NULL;
    (void)argc;
    (void)argv;
    int status = choose_port(&plan, wish);
    status = status == OPU_OK ? read_id(&plan, wish->id) : status;
    status = status == OPU_OK ? join_faults(faults, sizeof faults, &wish->faults) : status;
    if (status < 0) {
        return cli_fail(cli, CLI_AT_USAGE, status);
    }
    status = opu_device_open(&optics, cli->context, wish->optics);
    status =
        status == OPU_OK ? opu_emulator_create(&emulator, cli->context, optics, &plan) : status;
    status = status == OPU_OK ? serve(cli, emulator) : status;
    int const code =
        status < 0 ? cli_fail(cli, CLI_AT_DEVICE, status) : tell(cli, emulator, wish->optics);
    opu_emulator_destroy(emulator);
    opu_device_close(optics);
    return code;
}

static const struct cli_option table[] = {
    {.name = "optics",
     .kind = CLI_TEXT,
     .offset = offsetof(struct emulate_options, optics),
     .value = "URI",
     .fallback = "sim:",
     .help = "the device whose light it is: sim: with any options, replay:FILE"},
    {.name = "attach",
     .kind = CLI_FLAG,
     .offset = offsetof(struct emulate_options, attach),
     .help = "plug it into this machine's kernel (the default): wants root and vhci-hcd"},
    {.name = "listen",
     .kind = CLI_FLAG,
     .offset = offsetof(struct emulate_options, listen),
     .help = "wait for a USB/IP client on 127.0.0.1 instead"},
    {.name = "port",
     .kind = CLI_UINT,
     .offset = offsetof(struct emulate_options, port),
     .value = "N",
     .fallback = "3240",
     .min = 1,
     .max = 65535,
     .help = "TCP port of --listen"},
    {.name = "usbredir",
     .kind = CLI_TEXT,
     .offset = offsetof(struct emulate_options, usbredir),
     .value = "SOCKET",
     .help = "speak usbredir on a Unix socket (QEMU's usb-redir): connect where somebody listens, "
             "else listen"},
    {.name = "functionfs",
     .kind = CLI_TEXT,
     .offset = offsetof(struct emulate_options, functionfs),
     .value = "DIR",
     .help = "be a USB gadget by a mounted functionfs: a board with a device port, or dummy_hcd"},
    {.name = "udc",
     .kind = CLI_TEXT,
     .offset = offsetof(struct emulate_options, udc),
     .value = "FILE=NAME",
     .help = "with --functionfs: bind the gadget by writing NAME to its UDC file"},
    {.name = "fault",
     .kind = CLI_LIST,
     .offset = offsetof(struct emulate_options, faults),
     .value = "KIND=P",
     .help = "inject faults with this probability a transfer: stall, short, zlp, partial, corrupt, "
             "stale, trigger, silence, unplug or all; also seed=N"},
    {.name = "serial",
     .kind = CLI_TEXT,
     .offset = offsetof(struct emulate_options, serial),
     .value = "TEXT",
     .help = "serial number; default: made of the optics' identity"},
    {.name = "id",
     .kind = CLI_TEXT,
     .offset = offsetof(struct emulate_options, id),
     .value = "VVVV:PPPP",
     .help = "vendor and product; default: 1209:0001"},
    {.name = "rate",
     .kind = CLI_DOUBLE,
     .offset = offsetof(struct emulate_options, rate),
     .value = "HZ",
     .min = 0.001,
     .max = 1e9,
     .help = "show no more frames a second; default: as fast as the optics go"},
    {.name = "user",
     .kind = CLI_TEXT,
     .offset = offsetof(struct emulate_options, user),
     .value = "NAME",
     .help = "with --attach: serve as this user; default: who called sudo, else nobody"},
};

static const struct cli_example examples[] = {
    {"sudo modprobe vhci-hcd", "once: load the kernel's client, which ships with Debian's kernel"},
    {"sudo opu emulate --optics sim:", "plug a simulated OPU in; then, elsewhere: opu check usb:"},
    {"sudo opu emulate --optics sim:seed=7 --fault all=0.01,seed=3",
     "one that fails now and then, for tests of programs"},
    {"opu emulate --listen", "then: sudo usbip attach -r 127.0.0.1 -b 1-1"},
    {"opu emulate --usbredir opu.sock",
     "for qemu -chardev socket,id=r,path=opu.sock -device usb-redir,chardev=r"},
    {"opu emulate --functionfs /dev/ffs --udc /sys/kernel/config/usb_gadget/opu/UDC=dummy_udc.0",
     "on a board with a USB device port, or dummy_hcd"},
};

const struct cli_command cmd_emulate = {
    .name = "emulate",
    .summary = "be an OPU on USB, with any device as its optics",
    .arguments = "",
    .text =
        "Runs the firmware of an OPU's controller with a simulated (or recorded) device as its "
        "optics, and puts it on a USB bus: this machine's own, through the kernel's USB/IP client "
        "vhci-hcd, where libusb and opu usb: see an ordinary device; a virtual machine's; or, on a "
        "board with a USB device port, the bus at its socket.\n"
        "Attaching wants root, once: all rights are laid down before a byte is served. The USB "
        "node is then yours by the udev rule, as with a real device.\n"
        "Serves until Ctrl-C, or until its one host lets go, and tells what it has seen.",
    .options = table,
    .n_options = sizeof table / sizeof table[0],
    .options_size = sizeof(struct emulate_options),
    .examples = examples,
    .n_examples = sizeof examples / sizeof examples[0],
    .run = run,
};
