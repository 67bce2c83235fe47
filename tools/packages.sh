# SPDX-License-Identifier: MIT
# Installs Debian packages that are missing; sourced by quickstart, test and .ci/run.
# shellcheck shell=bash disable=SC2034

# What a build needs, what the tests need on top, and what the extra checks need on top of that.
BUILD_PACKAGES=(gcc libc6-dev meson ninja-build pkgconf libopenblas-openmp-dev libfftw3-dev libusb-1.0-0-dev
    libjansson-dev zlib1g-dev libpng-dev libinih-dev dataset-fashion-mnist)
TEST_PACKAGES=(g++ libcmocka-dev python3 python3-numpy librandom123-dev locales libumockdev-dev umockdev
    libusbredirparser-dev)
# A kernel is downloaded by tests/hil/image.py, not installed.
HIL_PACKAGES=(qemu-system-x86 busybox-static kmod cpio udev)
FUZZ_PACKAGES=(clang-14 libclang-rt-14-dev)
CHECK_PACKAGES=(clang-tidy-14 libomp-14-dev cppcheck clang-format-14 shellcheck git)

missing_packages() {
    local package
    for package in "$@"; do
        if [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
            echo "$package"
        fi
    done
}

# need_packages PACKAGE...: nothing happens if all are there.
need_packages() {
    local missing as_root=()
    if ! command -v dpkg-query >/dev/null; then
        echo "This is not a Debian system: install yourself what these packages hold: $*" >&2
        return 0
    fi
    mapfile -t missing < <(missing_packages "$@")
    if [ "${#missing[@]}" -eq 0 ]; then
        return 0
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "These packages are missing, and neither root nor sudo is there to install them:" >&2
            echo "    apt-get install --no-install-recommends ${missing[*]}" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    echo "Installing ${#missing[@]} packages: ${missing[*]}" >&2
    local log
    log=$(mktemp)
    if ! { "${as_root[@]}" apt-get -q update &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
            --no-install-recommends install "${missing[@]}"; } </dev/null >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        rm -f "$log"
        echo "apt-get could not install: ${missing[*]}" >&2
        return 1
    fi
    rm -f "$log"
}
