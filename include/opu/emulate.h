/* SPDX-License-Identifier: MIT */
/**
 * @file emulate.h
 * @brief An OPU on USB that isn't there: the device side of the driver, with any open device as its
 * optics.
 *
 * The emulator runs the same firmware that a board would run; only the optics are borrowed. It is
 * reached through a port: the Linux kernel's USB/IP client (anyone's machine), a USB/IP listener on
 * loopback, a usbredir socket (QEMU), or FunctionFS (a board with a device port, or dummy_hcd).
 */
#ifndef OPU_EMULATE_H
#define OPU_EMULATE_H

#include <opu/device.h>

#ifdef __cplusplus
extern "C" {
#endif

struct opu_emulator;

enum opu_emulate_port {
    OPU_EMULATE_ATTACH = 0,    /**< to this machine's vhci_hcd, over a socket pair; wants root */
    OPU_EMULATE_LISTEN = 1,    /**< USB/IP over TCP on loopback */
    OPU_EMULATE_USBREDIR = 2,  /**< connects to, or listens on, a Unix socket */
    OPU_EMULATE_FUNCTIONFS = 3 /**< a mounted functionfs directory */
};

struct opu_emulator_options {
    size_t size; /**< sizeof(struct opu_emulator_options) */
    enum opu_emulate_port port;
    const char *path;  /**< usbredir: the socket; FunctionFS: the directory */
    const char *udc;   /**< FunctionFS: the gadget's UDC file to write the controller's name to,
                            "FILE=NAME"; NULL: somebody else binds it */
    uint16_t tcp_port; /**< listen; 0: 3240 */
    uint16_t vendor_id, product_id; /**< 0, 0: 1209:0001 */
    const char *serial;             /**< NULL: made of the optics' identity */
    const char *faults;             /**< such as "stall=0.01,corrupt=0.001,seed=7"; NULL: none */
    const char *user; /**< attach: runs as this user afterwards; NULL: the one who called sudo,
                           else nobody */
    double rate_hz;   /**< frames are answered no faster than this; 0: as fast as it can */
};

/**
 * Prepares firmware and port around @p optics, which must stay open and is used by the emulator's
 * thread alone until destroy. On failure *out is NULL. To attach, the process should be root's: it
 * becomes options->user in here, for good, also where something fails afterwards.
 * @return OPU_OK, OPU_E_INVALID, OPU_E_UNSUPPORTED (optics of floats; this system lacks the port),
 * OPU_E_NOT_FOUND (no vhci_hcd: the sentence says modprobe), OPU_E_BUSY (the TCP port, or all of
 * vhci_hcd's, are taken), OPU_E_IO, OPU_E_NO_MEMORY
 */
OPU_NODISCARD OPU_API int opu_emulator_create(struct opu_emulator **out,
                                              struct opu_context *context,
                                              struct opu_device *optics,
                                              const struct opu_emulator_options *options);

/**
 * Serves hosts until opu_emulator_stop() or, where there is but one (attach, usbredir), until it
 * lets go: `usbip detach`, or a guest that ends.
 * @return OPU_OK, OPU_E_IO
 */
OPU_NODISCARD OPU_API int opu_emulator_run(struct opu_emulator *emulator);

/** Makes run return soon. Any thread, and signal handlers. */
OPU_API void opu_emulator_stop(struct opu_emulator *emulator);

/** What the device side has seen. */
struct opu_emulator_stats {
    size_t size;
    uint64_t frames, packets, answers, refused, triggers_lost;
    uint64_t upload_bytes;
    double upload_s, laser_s;
    bool laser;
    uint64_t faults; /**< injected */
};
OPU_NODISCARD OPU_API int opu_emulator_statistics(const struct opu_emulator *emulator,
                                                  struct opu_emulator_stats *stats);

/** One line: "usb 1209:0001, serial SIM-91c0d1f2, attached to vhci_hcd port 0". Borrowed. */
OPU_API const char *opu_emulator_describe(const struct opu_emulator *emulator);

/** Laser off, port closed. NULL is fine. */
OPU_API void opu_emulator_destroy(struct opu_emulator *emulator);

#ifdef __cplusplus
}
#endif
#endif
