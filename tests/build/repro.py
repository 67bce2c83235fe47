# SPDX-License-Identifier: MIT
"""Two builds in folders of different name and depth give the same library, bit for bit, debug information
included: repro.py SOURCE MESON CC OPENMP.
"""

import os
import pathlib
import shutil
import sys
import tempfile

from tap import Tap, run

SOURCE = pathlib.Path(sys.argv[1]).resolve()
MESON, CC, OPENMP = sys.argv[2:5]


def build(folder):
    """Configures and builds libopu with debug information and assertions, and returns its path."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MESON")}
    environment["CC"] = CC
    run([MESON, "setup", str(folder), str(SOURCE), "-Dtests=false", f"-Dopenmp={OPENMP}"],
        env=environment)
    version = run([MESON, "introspect", str(folder), "--projectinfo"])
    library = "libopu.so." + version.split('"version": "')[1].split('"')[0]
    run(["ninja", "-C", str(folder), library], env=environment)
    return folder / library


def sections(library):
    """Offset, size and name of each section of an ELF file, as readelf tells them."""
    found = []
    for line in run(["readelf", "-SW", str(library)]).splitlines():
        words = line.replace("[ ", "[").split()
        if len(words) > 6 and words[0].startswith("[") and words[0] != "[Nr]":
            found.append((int(words[4], 16), int(words[5], 16), words[1]))
    return found


def same_bits(one, other):
    a, b = one.read_bytes(), other.read_bytes()
    if a == b:
        return
    assert len(a) == len(b), f"sizes differ: {len(a)} and {len(b)} bytes"
    first = next(i for i in range(len(a)) if a[i] != b[i])
    where = [name for start, size, name in sections(one) if start <= first < start + size]
    assert False, f"byte {first} differs, in section {where}: {a[first - 40:first + 40]} {b[first - 40:first + 40]}"


def has_debug_information(library):
    names = [name for _, _, name in sections(library)]
    assert ".debug_info" in names and ".symtab" in names, f"stripped? sections: {names}"


def holds_no_folder(library, folders):
    content = library.read_bytes()
    for folder in folders:
        assert str(folder).encode() not in content, f"{library.name} holds the path {folder}"


def main():
    tap = Tap()
    work = pathlib.Path(tempfile.mkdtemp(prefix="opu-repro-"))
    folders = [work / "one", work / "a" / "deeper" / "folder-of-another-name"]
    try:
        libraries = [build(folder) for folder in folders]
        tap.test("the library carries its debug information", has_debug_information, libraries[0])
        tap.test("the library holds no path of its build", holds_no_folder, libraries[0], folders)
        tap.test("two folders give the same bits", same_bits, *libraries)
    finally:
        shutil.rmtree(work)
    tap.done()


main()
