# SPDX-License-Identifier: MIT
"""Each public header compiles alone, twice included, as C11 and as C++17: headers.py INCLUDE CC [CXX].

CC and CXX are given as one word each; flags follow after a blank.
"""

import pathlib
import shutil
import sys

from tap import Skip, Tap, run

INCLUDE = pathlib.Path(sys.argv[1])
CC = sys.argv[2].split()
CXX = sys.argv[3].split()
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]


def compiles(compiler, language, standard, header):
    if not shutil.which(compiler[0]):
        raise Skip(f"no compiler {compiler[0]}")
    text = f"#include <opu/{header}>\n#include <opu/{header}>\nint main(void) {{ return 0; }}\n"
    command = compiler + [f"-std={standard}", *STRICT, f"-I{INCLUDE}", "-x", language, "-"]
    run(command, input=text, stdin=None)


def is_installed(header, listed):
    assert f"'{header}'" in listed, f"{header} is not named in include/opu/meson.build"


def main():
    tap = Tap()
    listed = (INCLUDE / "opu" / "meson.build").read_text()
    headers = sorted(path.name for path in (INCLUDE / "opu").glob("*.h"))
    assert headers, f"no headers below {INCLUDE}"
    for header in headers:
        tap.test(f"{header} compiles alone as C11", compiles, CC, "c", "c11", header)
        tap.test(f"{header} compiles alone as C++17", compiles, CXX, "c++", "c++17", header)
        tap.test(f"{header} is installed", is_installed, header, listed)
    tap.done()


main()
