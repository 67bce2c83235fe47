/* SPDX-License-Identifier: MIT */
/* What ports on Linux share: the wake-up, the clock, and how they fail. */
#include "driver/firmware/port_gadget.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 60000

int opu_gadget_fail(struct opu_gadget_failure *failure, int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure->text, sizeof failure->text, format, arguments);
    va_end(arguments);
    failure->status = status;
    return status;
}

uint64_t opu_gadget_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

int opu_gadget_init(struct opu_gadget *gadget, const struct opu_gadget_ops *ops,
                    const struct opu_gadget_options *options, struct opu_gadget_failure *failure)
{
    const char *const texts[3] = {options->identity.manufacturer, options->identity.product,
                                  options->identity.serial};
    *gadget = (struct opu_gadget){.ops = ops, .options = *options};
    const char **const kept[3] = {&gadget->options.identity.manufacturer,
                                  &gadget->options.identity.product,
                                  &gadget->options.identity.serial};
    for (int i = 0; i < 3; i++) {
        snprintf(gadget->texts[i], sizeof gadget->texts[i], "%s", texts[i]);
        *kept[i] = gadget->texts[i];
    }
    gadget->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return gadget->wake >= 0
               ? OPU_GADGET_OK
               : opu_gadget_fail(failure, OPU_GADGET_IO, "no eventfd: %s", strerror(errno));
}

void opu_gadget_fini(struct opu_gadget *gadget)
{
    if (gadget->wake >= 0) {
        close(gadget->wake);
    }
}

int opu_gadget_run(struct opu_gadget *gadget)
{
    return gadget->ops->run(gadget);
}

void opu_gadget_destroy(struct opu_gadget *gadget)
{
    if (gadget != NULL) {
        gadget->ops->destroy(gadget);
    }
}

void opu_gadget_ask(struct opu_gadget *gadget)
{
    uint64_t const one = 1;
    int const before = errno;
    ssize_t const written = write(gadget->wake, &one, sizeof one);
    (void)written; /* a full counter wakes as well */
    errno = before;
}

void opu_gadget_stop(struct opu_gadget *gadget)
{
    atomic_store(&gadget->stopped, true);
    opu_gadget_ask(gadget);
}

void opu_gadget_unplug(struct opu_gadget *gadget, uint64_t us)
{
    atomic_store(&gadget->away_us, us > 0 ? us : 1);
    opu_gadget_ask(gadget);
}

/* Rounded up, so that what is due is due after the wait. */
static int wait_ms(const struct opu_gadget *gadget, uint64_t due_us)
{
    uint64_t const now = opu_gadget_now_us();
    uint64_t wait = due_us > now ? due_us - now : 0;
    if (gadget->options.again_us != NULL) {
        uint64_t const again = gadget->options.again_us(gadget->options.user);
        wait = again < wait ? again : wait;
    }
    return wait / 1000 < WAIT_MS ? (int)((wait + 999) / 1000) : WAIT_MS;
}

bool opu_gadget_wait(struct opu_gadget *gadget, struct pollfd *fds, size_t n, uint64_t due_us)
{
    uint64_t woken;
    fds[0] = (struct pollfd){.fd = gadget->wake, .events = POLLIN};
    if (poll(fds, (nfds_t)n, wait_ms(gadget, due_us)) < 0 && errno != EINTR) {
        opu_gadget_fail(&gadget->failure, OPU_GADGET_IO, "poll: %s", strerror(errno));
        return false;
    }
    ssize_t const got = read(gadget->wake, &woken, sizeof woken);
    (void)got; /* nobody has woken us, then */
    return true;
}
