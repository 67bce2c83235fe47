# SPDX-License-Identifier: MIT
"""Rules about the tree that a compiler does not see: tree.py ROOT.

Includes run one way (tools, tests -> sim, driver -> core), public headers need libc alone, each source names
its licence, each folder has its README.md, file names are unique.
"""

import pathlib
import re
import sys

from tap import Tap

ROOT = pathlib.Path(sys.argv[1])
HOUSE = ("core", "sim", "driver", "tools", "include", "tests")

# What a quoted or <opu/...> include of a file below the left side may start with. First match counts.
MAY_INCLUDE = (
    ("include/opu/", ("opu/",)),
    ("core/", ("opu/", "core/")),
    ("sim/", ("opu/", "core/base/", "sim/")),
    # What firmware is made of knows the wire, and nothing of the host's library.
    ("driver/wire", ("driver/wire",)),
    ("driver/descriptors", ("driver/descriptors.h", "driver/wire.h", "driver/wire_bytes.h")),
    ("driver/firmware/", ("driver/descriptors.h", "driver/firmware/", "driver/wire.h", "driver/wire_bytes.h")),
    ("driver/", ("opu/", "core/base/", "driver/")),
    ("tools/bench/", ("opu/", "core/", "sim/", "driver/", "tools/")),
    ("tools/", ("opu/", "tools/")),
    ("tests/contract/", ("opu/", "tests/")),
    ("tests/cli/", ("opu/", "tests/")),
    ("tests/", ("opu/", "core/", "sim/", "driver/", "tests/")),
)
LIBC = {
    "assert.h", "complex.h", "ctype.h", "errno.h", "float.h", "inttypes.h", "limits.h", "math.h",
    "stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h", "time.h",
}
# Runs on a board without an operating system: libc's headers alone, and the compiler's own. The ports beside it
# (driver/firmware/port_*, usbip_*, usbredir_*, functionfs_*) are for systems that have one.
BARE = re.compile(r"driver/(wire|descriptors)\w*\.[ch]|driver/firmware/(fw|fw_\w+|fault|fault_\w+|function|optics)\.[ch]")
COMPILER = {"nmmintrin.h", "wmmintrin.h", "stdatomic.h"}
# Libraries from outside, and the folders or files that may see their headers.
CONFINED = {
    "fftw3.h": ("sim/", "core/base/", "core/device/", "tools/bench/"),
    "cblas.h": ("core/base/", "tools/bench/"),
    "libusb.h": ("driver/port_libusb", "tests/usb/", "tests/hil/", "tools/bench/"),
    "usbredirparser.h": ("driver/firmware/", "tests/"),
    "umockdev.h": ("tests/", "tools/bench/"),
    "cmocka.h": ("tests/",),
}
SKIPPED = re.compile(r"(^|/)(build[^/]*/.*\.p|\.git|meson-[^/]*|__pycache__)(/|$)")
SPDX = "SPDX-License-Identifier: MIT"


def sources(root):
    """Every C source and header of the house, as a path relative to the root."""
    found = []
    for part in HOUSE:
        for path in sorted((root / part).rglob("*.[ch]")):
            found.append(path.relative_to(root))
    return [path for path in found if not SKIPPED.search(str(path))]


def wrong_includes(name, text, local=()):
    """Complaints about the #include lines of one file; `local` are names it may use without a folder."""
    wrong = []
    allowed = next(may for start, may in MAY_INCLUDE if name.startswith(start))
    for kind, target in re.findall(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', text, flags=re.M):
        base = target.rsplit("/", 1)[-1]
        if ".." in target.split("/"):
            wrong.append(f"{name}: \"{target}\" climbs out of its folder; name it from the root")
        elif base in CONFINED and kind == "<" and not name.startswith(CONFINED[base]):
            wrong.append(f"{name}: <{target}> is only for {', '.join(CONFINED[base])}")
        elif kind == "<" and not target.startswith("opu/"):
            if name.startswith("include/") and target not in LIBC:
                wrong.append(f"{name}: <{target}> is not of libc; public headers need libc alone")
            if BARE.fullmatch(name) and target not in LIBC | COMPILER:
                wrong.append(f"{name}: <{target}> is not of libc; firmware needs libc alone")
        elif not target.startswith(allowed) and not (kind == '"' and target in local):
            wrong.append(f"{name}: {target} is not for this folder; it may see {', '.join(allowed)}")
    return wrong


def includes_run_one_way():
    wrong = []
    everywhere = {path.name for path in sources(ROOT)}
    for path in sources(ROOT):
        text = (ROOT / path).read_text()
        bare = set(re.findall(r'#[ \t]*include[ \t]*"([^"/]+)"', text))
        generated = bare - everywhere  # lies in the build folder; without it nothing would compile
        beside = {other.name for other in (ROOT / path).parent.iterdir()}
        wrong += wrong_includes(str(path), text, beside | generated)
    assert not wrong, "\n".join(wrong)


def the_rules_catch_what_they_forbid():
    bad = (
        ("core/base/x.c", '#include "sim/camera/camera.h"\n'),
        ("core/base/x.c", '#include "driver/wire.h"\n'),
        ("core/nn/x.c", "#  include <fftw3.h>\n"),
        ("sim/x.c", '#include "driver/wire.h"\n'),
        ("sim/x.c", '#include "core/nn/graph.h"\n'),
        ("driver/x.c", '#include "sim/camera/camera.h"\n'),
        ("driver/x.c", '#include "core/device/device_internal.h"\n'),
        ("driver/session.c", "#include <libusb.h>\n"),
        ("driver/usb_backend.c", "#include <libusb-1.0/libusb.h>\n"),
        ("driver/wire_packet.c", '#include "core/base/fail.h"\n'),
        ("driver/wire_packet.c", "#include <opu/status.h>\n"),
        ("driver/descriptors.c", "#include <linux/usb/ch9.h>\n"),
        ("driver/firmware/fw_work.c", '#include "core/base/mem.h"\n'),
        ("driver/firmware/fw_work.c", "#include <opu/device.h>\n"),
        ("driver/firmware/fw_work.c", '#include "driver/board.h"\n'),
        ("driver/firmware/fw_work.c", "#include <pthread.h>\n"),
        ("driver/firmware/fault.c", "#include <unistd.h>\n"),
        ("driver/firmware/port_vhci.c", '#include "core/base/fail.h"\n'),
        ("driver/firmware/port_vhci.c", "#include <opu/emulate.h>\n"),
        ("tools/cmd_devices.c", "#include <libusb.h>\n"),
        ("tools/x.c", '#include "core/base/fail.h"\n'),
        ("tools/x.c", '#include "../core/base/fail.h"\n'),
        ("tests/cli/x.c", '#include "core/base/fail.h"\n'),
        ("include/opu/x.h", "#include <jansson.h>\n"),
        ("include/opu/x.h", '#include "core/base/fail.h"\n'),
    )
    good = (
        ("core/nn/x.c", '#include <opu/npy.h>\n#include "core/base/fail.h"\n#include <math.h>\n'),
        ("sim/x.c", '#include "core/base/rng.h"\n#include "sim/camera/camera.h"\n#include <fftw3.h>\n'),
        ("tools/x.c", '#include <opu/opu.h>\n#include "tools/cli.h"\n#include <stdio.h>\n'),
        ("tools/bench/x.c", '#include "core/base/gemm.h"\n#include <cblas.h>\n'),
        ("driver/session.c", '#include <opu/backend.h>\n#include "core/base/fail.h"\n#include <pthread.h>\n'),
        ("driver/port_libusb.c", '#include "driver/port.h"\n#include <libusb.h>\n'),
        ("driver/wire_crc.c", '#include "driver/wire_bytes.h"\n#include <nmmintrin.h>\n'),
        ("driver/firmware/fw.c", '#include "driver/wire.h"\n#include <string.h>\n'),
        ("driver/firmware/port_vhci.c", '#include "driver/descriptors.h"\n#include <sys/socket.h>\n'),
    )
    for name, text in bad:
        assert wrong_includes(name, text), f"not caught: {name}: {text}"
    for name, text in good:
        assert not wrong_includes(name, text), f"wrongly caught: {wrong_includes(name, text)}"


def sources_name_their_licence():
    bare = [str(p) for p in sources(ROOT) if SPDX not in (ROOT / p).read_text().split("\n", 1)[0]]
    assert not bare, "\n".join(f"{name}: the first line lacks {SPDX}" for name in bare)


def folders_have_a_readme():
    missing = []
    for part in HOUSE:
        folders = {ROOT / part} | {p.parent for p in (ROOT / part).rglob("meson.build")}
        for folder in sorted(folders):
            readme = folder / "README.md"
            if folder == ROOT / "include":
                continue  # holds include/opu and nothing else
            if not readme.is_file():
                missing.append(f"{folder.relative_to(ROOT)}: no README.md")
            elif len(readme.read_text().splitlines()) > 80:
                missing.append(f"{readme.relative_to(ROOT)}: more than a page (80 lines)")
    assert not missing, "\n".join(missing)


def file_names_are_unique():
    """A header may have the name of the public one of its noun, and a test that of what it tests."""
    seen = {}
    for path in sources(ROOT):
        if path.parts[0] not in ("include", "tests"):
            seen.setdefault(path.name, []).append(str(path))
    twice = [" and ".join(paths) for paths in seen.values() if len(paths) > 1]
    assert not twice, "\n".join(twice)


def main():
    tap = Tap()
    tap.test("the rules catch what they forbid", the_rules_catch_what_they_forbid)
    tap.test("includes run one way", includes_run_one_way)
    tap.test("sources name their licence", sources_name_their_licence)
    tap.test("folders have a readme", folders_have_a_readme)
    tap.test("file names are unique", file_names_are_unique)
    tap.done()


main()
