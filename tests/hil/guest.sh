#!/bin/sh
# SPDX-License-Identifier: MIT
# What runs in the guest, as root, on the real kernel. Each step leaves "ok - name" or "not ok - name" in
# /run/share/results; what it said is on the console.
# shellcheck disable=SC2154,SC2317 # hil_* come from the kernel's command line, by init.sh; step calls the functions
SHARE=/run/share
cd /run/tmp || exit 92
export OPENBLAS_NUM_THREADS=1 OMP_WAIT_POLICY=passive CMOCKA_MESSAGE_OUTPUT=STDOUT

step() { # NAME COMMAND...
    name=$1
    shift
    begin=$(date +%s)
    if "$@" >step.log 2>&1; then
        verdict=ok
    else
        verdict="not ok"
        echo "---- $name"
        tail -n 40 step.log
    fi
    echo "$verdict - $name ($(($(date +%s) - begin)) s)" >>$SHARE/results
    echo "$verdict - $name"
}

there() { # SERIAL SECONDS: waits until `opu devices` lists it
    for _ in $(seq 1 $(($2 * 5))); do
        "$hil_opu" devices | grep -q "$1" && return 0
        sleep 0.2
    done
    "$hil_opu" devices
    return 1
}

gone() { # SERIAL SECONDS
    for _ in $(seq 1 $(($2 * 5))); do
        "$hil_opu" devices | grep -q "$1" || return 0
        sleep 0.2
    done
    return 1
}

train() { # DIR URI ROWS
    "$hil_opu" train fashion-mlp --device "$2" --out "$1" --threads 1 --set train.epochs=1 --set model.hidden=128 \
        --set train.batch=32 --set data.dir="$SHARE" --set data.train_rows="$3" --set data.evaluate_rows=200 \
        --set align.every=0
}

same_metrics() { # NAME URI ROWS: as the simulator itself
    [ -d "sim-$3" ] || train "sim-$3" "$hil_optics" "$3" || return 1
    train "$1" "$2" "$3" && cmp "$1/metrics.jsonl" "sim-$3/metrics.jsonl" && [ -s "$1/metrics.jsonl" ]
}

on_device() { # URI PROGRAM
    OPU_TEST_URI=$1 "$2"
}

as_user() { # GROUP COMMAND...
    group=$1
    shift
    setpriv --reuid=nobody --regid="$group" --clear-groups -- "$@"
}

refused_with_the_rule() {
    as_user nogroup "$hil_opu" info usb:serial=HIL-CLEAN >refused.log 2>&1 && return 1
    cat refused.log
    grep -q 60-opu.rules refused.log
}

# The rule as it is installed, before udevd reads its rules.
mkdir -p /run/udev/rules.d
cp "$hil_rules" /run/udev/rules.d/
/lib/systemd/systemd-udevd --daemon --resolve-names=early
udevadm trigger --action=add --subsystem-match=usb
udevadm settle --timeout=20

step "usb-redir: both devices are listed" there HIL-CLEAN 20
step "usb-redir: without the group the refusal names the rule" refused_with_the_rule
step "usb-redir: the installed rule lets group plugdev in" as_user plugdev "$hil_opu" info usb:serial=HIL-CLEAN
step "usb-redir: contract, common part, as a user" as_user plugdev env OPU_TEST_URI=usb:serial=HIL-CLEAN "$hil_common"
step "usb-redir: contract, frames" on_device usb:serial=HIL-CLEAN "$hil_frames"
step "usb-redir: 200 steps of training give the simulator's metrics" \
    same_metrics redir usb:serial=HIL-CLEAN "$hil_rows"
step "usb-redir: and with faults at random" same_metrics faulty usb:serial=HIL-FAULTY 1600

"$hil_opu" emulate --optics "$hil_optics" --attach --serial HIL-VHCI >$SHARE/emulator-vhci.log 2>&1 &
vhci=$!
step "USB/IP: vhci_hcd plugs the device in" there HIL-VHCI 20
step "USB/IP: contract, frames" on_device usb:serial=HIL-VHCI "$hil_frames"
step "USB/IP: 20 steps of training give the simulator's metrics" same_metrics vhci usb:serial=HIL-VHCI 640
kill -INT $vhci
step "USB/IP: the device goes when its emulator ends" gone HIL-VHCI 10

GADGET=/sys/kernel/config/usb_gadget/opu
gadget() {
    mount -t configfs configfs /sys/kernel/config &&
        mkdir "$GADGET" && echo 0x1209 >"$GADGET/idVendor" && echo 0x0001 >"$GADGET/idProduct" &&
        mkdir "$GADGET/strings/0x409" && echo "opu optical co-processor" >"$GADGET/strings/0x409/product" &&
        echo HIL-FFS >"$GADGET/strings/0x409/serialnumber" && echo opu >"$GADGET/strings/0x409/manufacturer" &&
        mkdir "$GADGET/configs/c.1" "$GADGET/functions/ffs.opu" && ln -s "$GADGET/functions/ffs.opu" "$GADGET/configs/c.1/" &&
        mkdir -p /run/ffs && mount -t functionfs opu /run/ffs
}
step "FunctionFS: the gadget is set up" gadget
"$hil_opu" emulate --optics "$hil_optics" --functionfs /run/ffs --udc "$GADGET/UDC"=dummy_udc.0 --serial HIL-FFS \
    >$SHARE/emulator-ffs.log 2>&1 &
ffs=$!
step "FunctionFS: dummy_hcd plugs the device in" there HIL-FFS 20
step "FunctionFS: contract, frames" on_device usb:serial=HIL-FFS "$hil_frames"
step "FunctionFS: 20 steps of training give the simulator's metrics" same_metrics ffs usb:serial=HIL-FFS 640
kill -INT $ffs
step "FunctionFS: the device goes when its emulator ends" gone HIL-FFS 10
exit 0
