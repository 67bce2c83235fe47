# SPDX-License-Identifier: MIT
"""`meson dist` makes a tarball that configures, builds and tests itself: dist.py SOURCE MESON CC [SUITE...]."""

import os
import pathlib
import shutil
import sys
import tarfile
import tempfile

from tap import Skip, Tap, run

SOURCE = pathlib.Path(sys.argv[1]).resolve()
MESON, CC = sys.argv[2:4]
SUITES = sys.argv[4:] or ["contract", "golden"]


def tarball_tests_itself(work):
    if not (SOURCE / ".git").exists():
        raise Skip("not a git checkout")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MESON")}
    environment["CC"] = CC
    build = work / "build"
    run([MESON, "setup", str(build), str(SOURCE)], env=environment)
    run([MESON, "dist", "-C", str(build), "--formats", "gztar", "--allow-dirty", "--no-tests"],
        env=environment)
    tarball = next((build / "meson-dist").glob("*.tar.gz"))
    with tarfile.open(tarball) as archive:
        names = archive.getnames()
    for wanted in ("README.md", "LICENSE", "meson.build", "tests/build/dist.py", "tools/quickstart"):
        assert any(name.endswith("/" + wanted) for name in names), f"{tarball.name} lacks {wanted}"
    # All of it is built; of the tests those of the library as users link it are run, or those asked for.
    with tarfile.open(tarball) as archive:
        archive.extractall(work)
    source = work / names[0].split("/")[0]
    unpacked = work / "unpacked"
    run([MESON, "setup", str(unpacked), str(source), "--buildtype=release"], env=environment)
    run([MESON, "compile", "-C", str(unpacked)], env=environment)
    selection = [word for suite in SUITES for word in ("--suite", suite)]
    run([MESON, "test", "-C", str(unpacked), "--no-rebuild", "--print-errorlogs", *selection], env=environment)


def main():
    tap = Tap()
    work = pathlib.Path(tempfile.mkdtemp(prefix="opu-dist-"))
    work.chmod(0o755)  # hil runs programs as another user
    try:
        tap.test("the tarball tests itself", tarball_tests_itself, work)
    finally:
        shutil.rmtree(work)
    tap.done()


main()
