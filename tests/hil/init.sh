#!/bin/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: MIT
# The first process of the guest: the host's file system becomes its own, read-only over 9p; then the script that the
# kernel's command line names (hil_script=) runs there. Its exit status leaves through QEMU's debug port. What may be
# written is below /run (memory) and /run/share (a folder of the host, with the results).
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
leave() {
    sync
    # shellcheck disable=SC2059
    printf "\\$(printf %o "$1")" | dd of=/dev/port bs=1 seek=244 2>/dev/null
    poweroff -f
}
for module in /modules/*; do
    insmod "$module" || echo "init: $module can't be loaded"
done
options=trans=virtio,version=9p2000.L,msize=524288
mount -t 9p -o "$options,ro,cache=loose" host /host || leave 90
for name in dev proc sys; do
    mount --bind "/$name" "/host/$name"
done
mkdir -p /dev/shm && mount -t tmpfs shm /dev/shm
mount -t tmpfs -o mode=0755 run /host/run
mkdir -p /host/run/udev /host/run/tmp /host/run/share
chmod 1777 /host/run/tmp
mount -t 9p -o "$options" share /host/run/share || leave 91
# shellcheck disable=SC2013 # words are wanted
for word in $(cat /proc/cmdline); do
    case $word in
    hil_*) export "${word?}" ;;
    esac
done
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/run/tmp TMPDIR=/run/tmp LC_ALL=C SYSTEMD_IGNORE_CHROOT=1
# shellcheck disable=SC2154
chroot /host /bin/sh "$hil_script" </dev/null
leave $?
