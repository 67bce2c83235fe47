# SPDX-License-Identifier: MIT
"""libopu exports what the public headers declare, and nothing else: symbols.py LIBRARY INCLUDE LIST.

LIST is the interface as reviewed; a change of the interface changes it in the same commit:
    python3 tests/build/symbols.py build/libopu.so include tests/build/libopu.symbols --write
"""

import pathlib
import re
import sys

from tap import Tap, run

LIBRARY, INCLUDE, LIST = (pathlib.Path(argument) for argument in sys.argv[1:4])


def exported():
    """Names of the dynamic symbols; the sanitizers' own start with two underscores."""
    table = run(["nm", "-D", "--defined-only", "--format=posix", str(LIBRARY)])
    names = {line.split()[0].split("@")[0] for line in table.splitlines() if line.strip()}
    return {name for name in names if not name.startswith("__")}


def declared():
    """Names of the functions that are marked OPU_API in a public header."""
    names = set()
    for header in sorted((INCLUDE / "opu").glob("*.h")):
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
        text = re.sub(r"^#.*$", "", text, flags=re.M)
        for statement in re.split(r"[;{}]", text):
            if "OPU_API" in statement:
                after = statement.split("OPU_API", 1)[1]
                names.add(re.search(r"(\w+)\s*\(", after).group(1))
    return names


def same(seen, wanted):
    more, less = sorted(seen - wanted), sorted(wanted - seen)
    assert not more and not less, "\n".join(
        [f"exported but not wanted: {name}" for name in more]
        + [f"wanted but not exported: {name}" for name in less]
    )


def prefixed(names):
    strangers = sorted(name for name in names if not name.startswith("opu_"))
    assert not strangers, f"names without the prefix opu_: {', '.join(strangers)}"


def main():
    if "--write" in sys.argv:
        LIST.write_text("\n".join(sorted(declared())) + "\n")
        return
    tap = Tap()
    wanted = set(LIST.read_text().split())
    tap.test("every exported name starts with opu_", prefixed, exported())
    tap.test("the library exports what the headers declare", same, exported(), declared())
    tap.test("the headers declare what the reviewed list holds", same, declared(), wanted)
    tap.done()


main()
