# SPDX-License-Identifier: MIT
"""Hardware in the loop without a board: hil.py OPU CONTRACT_COMMON CONTRACT_FRAMES RULES BUILD_DIR

Boots Debian's stock kernel once, in QEMU without KVM, with two emulated OPUs on its USB 3 controller (over usb-redir,
one of them faulty), and runs guest.sh there: the built command and the contract suite on the real kernel and the real
libusb; then over USB/IP with vhci_hcd, and over FunctionFS with dummy_hcd. The results come back as TAP.

With OPU_TEST_URI=usb: the contract suite runs on the hardware that is plugged in, and nothing is emulated."""

import gzip
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time

import image

LIMIT_S = float(os.environ.get("OPU_HIL_LIMIT_S", "290"))
TRAIN_ROWS, TEST_ROWS = 6400, 200
SERIALS = {"clean": "HIL-CLEAN", "faulty": "HIL-FAULTY"}
FAULTS = "all=0.02,partial=0.01,silence=0.01,unplug=0.01,seed={seed}"
FAULTS_WANTED = 3  # of about a dozen that these rates give in the run's 130 transfers
OPTICS = "sim:deterministic=1"


def tap(results):
    print(f"1..{len(results)}")
    for i, (good, name) in enumerate(results, 1):
        print(f"{'ok' if good else 'not ok'} {i} - {name}")


def skip(reason):
    """On a user's machine; in CI nothing may be skipped."""
    if os.environ.get("CI") == "true":
        tap([(False, f"hardware in the loop: {reason}")])
        sys.exit(1)
    print(f"1..0 # SKIP {reason}")
    sys.exit(0)


def on_hardware(contracts):
    """The same programs on what is plugged in."""
    results = []
    for program in contracts:
        results.append((subprocess.run([program], check=False).returncode == 0,
                        f"{os.path.basename(program)} on {os.environ['OPU_TEST_URI']}"))
    tap(results)


def read_idx(path):
    """Header and body of an IDX file, whichever way it is kept."""
    if os.path.exists(path):
        with open(path, "rb") as file:
            return file.read()
    with gzip.open(path + ".gz") as file:
        return file.read()


def small_data(folder):
    """The first rows of Fashion-MNIST, uncompressed: an emulated processor takes half a minute to unpack all."""
    for place in (os.path.join(os.environ.get("OPU_DATA_DIR", ""), "fashion-mnist"),
                  os.environ.get("OPU_DATA_DIR", ""), "/usr/share/datasets/fashion-mnist"):
        if os.path.exists(os.path.join(place, "train-images-idx3-ubyte.gz")):
            break
    else:
        skip("no Fashion-MNIST: apt-get install dataset-fashion-mnist, or set OPU_DATA_DIR")
    for split, rows in (("train", TRAIN_ROWS), ("t10k", TEST_ROWS)):
        for kind, rank, size in (("images-idx3", 3, 28 * 28), ("labels-idx1", 1, 1)):
            whole = read_idx(os.path.join(place, f"{split}-{kind}-ubyte"))
            head = 4 + 4 * rank
            with open(os.path.join(folder, f"{split}-{kind}-ubyte"), "wb") as file:
                file.write(whole[:4] + struct.pack(">I", rows) + whole[8:head + rows * size])


def emulator(opu, folder, kind, *more):
    log = open(os.path.join(folder, f"emulator-{kind}.log"), "wb")  # pylint: disable=consider-using-with
    socket = os.path.join(folder, f"{kind}.sock")
    process = subprocess.Popen([opu, "emulate", "--optics", OPTICS, "--usbredir", socket,  # pylint: disable=R1732
                                "--serial", SERIALS[kind], *more], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    for _ in range(100):
        if os.path.exists(socket) or process.poll() is not None:
            break
        time.sleep(0.05)
    return process, socket


def qemu(kernel, initrd, share, sockets, words):
    command = ["qemu-system-x86_64", "-accel", "tcg", "-M", "q35", "-cpu", "max", "-m", "1024", "-smp", "1",
               "-nodefaults", "-no-reboot", "-display", "none", "-monitor", "none", "-serial", "stdio",
               "-kernel", kernel, "-initrd", initrd,
               "-append", "console=ttyS0 quiet panic=-1 mitigations=off " + words,
               "-virtfs", "local,path=/,mount_tag=host,readonly=on,security_model=none,multidevs=remap",
               "-virtfs", f"local,path={share},mount_tag=share,security_model=none",
               "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-device", "qemu-xhci,id=x"]
    for i, socket in enumerate(sockets):
        command += ["-chardev", f"socket,id=r{i},path={socket}", "-device", f"usb-redir,chardev=r{i},bus=x.0"]
    return command


def read_results(share):
    path = os.path.join(share, "results")
    results = []
    if os.path.exists(path):
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                verdict, _, name = line.rstrip("\n").partition(" - ")
                if verdict in ("ok", "not ok"):
                    results.append((verdict == "ok", name))
    return results


def faults_injected(share):
    with open(os.path.join(share, "emulator-faulty.log"), encoding="utf-8", errors="replace") as file:
        found = re.search(r"faults injected +(\d+)", file.read())
    return int(found.group(1)) if found else 0


def stop(process):
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main():
    opu, *contracts, rules, build = (os.path.abspath(path) for path in sys.argv[1:])  # the guest's folder is another
    if os.environ.get("OPU_TEST_URI"):
        on_hardware(contracts)
        return
    started = time.monotonic()
    try:
        kernel, initrd = image.make(os.path.join(build, "hil-image"))
    except image.Missing as missing:
        skip(str(missing))
    seed = int(os.environ.get("OPU_TEST_SEED", time.time_ns() % 1000000))
    with tempfile.TemporaryDirectory(prefix="opu-hil-") as share:
        os.chmod(share, 0o755)
        small_data(share)
        processes, sockets = [], []
        for kind, more in (("clean", []), ("faulty", ["--fault", FAULTS.format(seed=seed)])):
            process, socket = emulator(opu, share, kind, *more)
            processes.append(process)
            sockets.append(socket)
        here = os.path.dirname(os.path.abspath(__file__))
        words = (f"hil_script={here}/guest.sh hil_opu={opu} hil_common={contracts[0]} hil_frames={contracts[1]} "
                 f"hil_rules={rules} hil_optics={OPTICS} hil_rows={TRAIN_ROWS}")
        console = os.path.join(share, "console")
        with open(console, "wb") as out:
            left = LIMIT_S - (time.monotonic() - started)
            try:
                code = subprocess.run(qemu(kernel, initrd, share, sockets, words), stdin=subprocess.DEVNULL,
                                      stdout=out, stderr=out, timeout=left, check=False).returncode
            except subprocess.TimeoutExpired:
                code = None
        for process in processes:
            stop(process)
        results = read_results(share)
        results.append((faults_injected(share) >= FAULTS_WANTED,
                        f"at least {FAULTS_WANTED} faults were injected (seed {seed})"))
        # QEMU's debug port makes 2 n + 1 of the guest's exit status n.
        results.append((code == 1, f"the guest ran to its end within {LIMIT_S:.0f} s (fault seed {seed})"))
        tap(results)
        print(f"# {time.monotonic() - started:.0f} s in all")
        if not all(good for good, _ in results):
            for name in ["console"] + [n for n in sorted(os.listdir(share)) if n.endswith(".log")]:
                with open(os.path.join(share, name), encoding="utf-8", errors="replace") as file:
                    text = file.read()[-6000:]
                print("".join(f"# {name}: {line}\n" for line in text.splitlines()[-60:]), end="")
        sys.exit(0 if all(good for good, _ in results) else 1)


if __name__ == "__main__":
    main()
