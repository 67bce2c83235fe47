# SPDX-License-Identifier: MIT
"""The guest of the hil suite: Debian's stock kernel as an uncompressed ELF, and an initial RAM disk with busybox
and the modules that the tests need. All the rest - libraries, udevd, the programs under test - is this machine's
own file system, mounted read-only over 9p, so that nothing is installed twice.

image.py DIR   makes DIR/vmlinux and DIR/initrd, unless they are there for today's kernel package."""

import gzip
import lzma
import os
import shutil
import subprocess
import sys
import tempfile

MODULES = ["virtio_pci", "9pnet_virtio", "9p", "xhci-pci", "vhci-hcd", "dummy_hcd", "libcomposite", "usb_f_fs"]
KERNEL = "linux-image-amd64"  # a package that depends on the one with the kernel in it
NEEDED = ["qemu-system-x86_64", "dpkg-deb", "depmod", "modprobe", "cpio"]
BUSYBOX = "/bin/busybox"


class Missing(Exception):
    """What this machine lacks for the suite."""


def need_tools():
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    os.environ["PATH"] = path
    for tool in NEEDED:
        if shutil.which(tool) is None:
            raise Missing(f"{tool} is not installed")
    if not os.path.exists(BUSYBOX):
        raise Missing("busybox-static is not installed")
    if not any(os.path.exists(p) for p in ("/lib/systemd/systemd-udevd", "/usr/bin/udevadm", "/bin/udevadm")):
        raise Missing("udev is not installed")


def run(*words, **more):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more).stdout


def kernel_package():
    """Today's kernel package, whatever its version."""
    try:
        depends = run("apt-cache", "depends", KERNEL)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Missing(f"apt-cache can't tell what {KERNEL} depends on: {error}") from error
    for line in depends.splitlines():
        kind, _, name = line.strip().partition(": ")
        if kind == "Depends" and name.startswith("linux-image-"):
            return name
    raise Missing(f"{KERNEL} depends on no linux-image package")


def fetch(package, folder):
    """The package's files, unpacked below folder; it is not installed."""
    try:
        run("apt-get", "-q", "download", package, cwd=folder)
    except subprocess.CalledProcessError as error:
        raise Missing(f"{package} can't be downloaded: {error.stderr.strip().splitlines()[-1:]}") from error
    deb = [name for name in os.listdir(folder) if name.endswith(".deb")][0]
    run("dpkg-deb", "-x", os.path.join(folder, deb), os.path.join(folder, "root"))
    return os.path.join(folder, "root")


def unpack_kernel(vmlinuz, vmlinux):
    """A compressed kernel takes an emulated processor seconds to unpack; an ELF is loaded as it is."""
    with open(vmlinuz, "rb") as file:
        image = file.read()
    for magic, unpack in ((b"\xfd7zXZ\0", lambda data: lzma.LZMADecompressor().decompress(data)),
                          (b"\x1f\x8b\x08", lambda data: gzip.decompress(data))):
        at = image.find(magic)
        while at >= 0:
            try:
                elf = unpack(image[at:])
            except (lzma.LZMAError, OSError, EOFError):
                elf = b""
            if elf.startswith(b"\x7fELF"):
                with open(vmlinux, "wb") as file:
                    file.write(elf)
                return
            at = image.find(magic, at + 1)
    raise Missing("the kernel is compressed in a way that image.py does not know")


def module_files(root, version):
    """The modules and all they depend on, in the order in which they must be loaded."""
    for folder in ("lib/modules", "usr/lib/modules"):
        if os.path.isdir(os.path.join(root, folder, version)):
            break
    if folder.startswith("usr"):
        os.makedirs(os.path.join(root, "lib"), exist_ok=True)
        os.symlink("../usr/lib/modules", os.path.join(root, "lib/modules"))
    run("depmod", "-b", root, version)
    files = []
    for module in MODULES:
        for line in run("modprobe", "-d", root, "-S", version, "--show-depends", module).splitlines():
            words = line.split()
            if words[0] == "insmod" and words[1] not in files:
                files.append(words[1])
    return files


def make_initrd(initrd, modules, init):
    with tempfile.TemporaryDirectory() as folder:
        for name in ("bin", "modules", "dev", "proc", "sys", "host", "share", "tmp", "run"):
            os.mkdir(os.path.join(folder, name))
        shutil.copy(BUSYBOX, os.path.join(folder, "bin/busybox"))
        for i, module in enumerate(modules):  # named so that their order is that of loading
            shutil.copy(module, os.path.join(folder, f"modules/{i:02d}-{os.path.basename(module)}"))
        shutil.copy(init, os.path.join(folder, "init"))
        os.chmod(os.path.join(folder, "init"), 0o755)
        names = [os.path.relpath(os.path.join(at, name), folder)
                 for at, folders, files in os.walk(folder) for name in folders + files]
        with open(initrd, "wb") as out:
            subprocess.run(["cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet"], cwd=folder, check=True,
                           input="\n".join(names).encode(), stdout=out)


def make(folder):
    """Returns (vmlinux, initrd). Raises Missing."""
    need_tools()
    os.makedirs(folder, exist_ok=True)
    init = os.path.join(os.path.dirname(os.path.abspath(__file__)), "init.sh")
    package = kernel_package()
    vmlinux, initrd, stamp = (os.path.join(folder, name) for name in ("vmlinux", "initrd", "stamp"))
    with open(init, encoding="utf-8") as file:
        wanted = package + "\n" + " ".join(MODULES) + "\n" + file.read()
    if os.path.exists(stamp):
        with open(stamp, encoding="utf-8") as file:
            if file.read() == wanted:
                return vmlinux, initrd
    with tempfile.TemporaryDirectory() as work:
        root = fetch(package, work)
        version = package.removeprefix("linux-image-")
        unpack_kernel(os.path.join(root, "boot", "vmlinuz-" + version), vmlinux)
        make_initrd(initrd, module_files(root, version), init)
    with open(stamp, "w", encoding="utf-8") as file:
        file.write(wanted)
    return vmlinux, initrd


if __name__ == "__main__":
    try:
        print(*make(sys.argv[1]), sep="\n")
    except Missing as missing:
        sys.exit(f"image.py: {missing}")
