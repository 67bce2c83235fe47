# SPDX-License-Identifier: MIT
"""The installed library and command work on their own: install.py BUILD SOURCE MESON CC.

`meson install` with DESTDIR goes to a temporary folder, which is then moved elsewhere. Programs outside the
tree are built there through pkg-config alone. CC is the compiler with the sanitizer flags of the build, in
one word.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from tap import Tap, run

BUILD, SOURCE = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
MESON = sys.argv[3]
CC = sys.argv[4].split()
HERE = SOURCE / "tests" / "build"


class Installed:
    """The tree that `meson install` made, after its move."""

    def __init__(self, work):
        first, moved = work / "first", work / "moved" / "elsewhere"
        run([MESON, "install", "-C", str(BUILD), "--no-rebuild", "--quiet", "--destdir", str(first)])
        moved.parent.mkdir()
        first.rename(moved)
        self.work, self.root = work, moved
        self.pc = self.one("opu.pc")
        self.command = self.one("bin/opu")
        self.library = next(p for p in moved.rglob("libopu.so.*.*") if not p.is_symlink())
        self.environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("OPU_", "PKG_CONFIG"))
        }
        self.environment.update(
            LD_LIBRARY_PATH=str(self.library.parent),
            PKG_CONFIG_PATH=str(self.pc.parent),
            PKG_CONFIG_SYSROOT_DIR=str(moved),
            HOME=str(work),
        )

    def one(self, name):
        found = list(self.root.rglob(name))
        assert len(found) == 1, f"{name}: found {len(found)} in the installed tree, wanted 1"
        return found[0]

    def pkg_config(self, *arguments):
        return run(["pkg-config", *arguments, "opu"], env=self.environment).split()

    def build(self, source):
        """Compiles one file as an outside program would and returns the program."""
        program = self.work / pathlib.Path(source).stem
        flags = ["-std=c11", "-Wall", "-Wextra", "-Werror"]
        run([*CC, *flags, str(source), *self.pkg_config("--cflags", "--libs"), "-lm", "-o", str(program)],
            env=self.environment)
        return program

    def call(self, *command):
        return run([str(word) for word in command], env=self.environment, cwd=self.work)


def soname_is_that_of_the_interface(tree, version):
    dynamic = run(["readelf", "-d", str(tree.library)])
    soname = re.search(r"SONAME.*\[(.*)\]", dynamic).group(1)
    assert soname == f"libopu.so.{version.split('.')[0]}", f"soname is {soname}"
    assert tree.library.name == f"libopu.so.{version}", f"the file is {tree.library.name}"
    for link in ("libopu.so", soname):
        assert (tree.library.parent / link).resolve() == tree.library, f"{link} is not the library"


def version_is_the_same_everywhere(tree, version):
    told = tree.pkg_config("--modversion")[0]
    assert told == version, f"pkg-config says {told}, the header {version}"
    text = tree.call(tree.command, "--version")
    assert version in text, f"opu --version says {text.strip()!r}, wanted {version} in it"


def all_headers_are_installed(tree):
    wanted = {path.name for path in (SOURCE / "include" / "opu").glob("*.h")}
    seen = {path.name for path in tree.one("backend.h").parent.glob("*")}
    assert seen == wanted, f"installed {sorted(seen)}, wanted {sorted(wanted)}"


def udev_rule_is_installed_where_udev_looks(tree):
    """Only where the driver is built."""
    if "usb:" not in tree.call(tree.command, "devices"):
        return
    rule = tree.one("60-opu.rules")
    assert rule.parent.name == "rules.d", f"the rule lies in {rule.parent}"
    text = rule.read_text()
    for part in ('TAG+="uaccess"', 'MODE="0660"', 'GROUP="plugdev"', 'ATTR{product}=="opu *"'):
        assert part in text, f"the rule lacks {part}"


def runtime_path_is_that_of_the_system(tree):
    """OpenBLAS's own folder may stand there (it picks the OpenMP build), nothing of the build may."""
    for path in [tree.library, tree.command]:
        dynamic = run(["readelf", "-d", str(path)])
        for found in re.findall(r"R(?:UN)?PATH.*\[(.*)\]", dynamic):
            for folder in found.split(":"):
                assert folder.startswith("/usr/lib/"), f"{path.name} looks for libraries in {folder!r}"


def nothing_names_the_build_machine(tree):
    """No file holds an absolute path of the source or build folder ("../src/x" of a compiler is another)."""
    folders = [re.compile(rb"(?<![\w./-])" + re.escape(str(folder).encode()) + rb"(?![\w.-])")
               for folder in (BUILD, SOURCE)]
    for path in [p for p in tree.root.rglob("*") if p.is_file() and not p.is_symlink()]:
        content = path.read_bytes()
        for folder in folders:
            found = folder.search(content)
            assert not found, f"{path.name} holds the path {found.group().decode()}"


def outside_program_projects(tree):
    program = tree.build(HERE / "project_program.c")
    for uri in ("sim:seed=7", "exact:seed=7"):
        rows = [float(word) for word in tree.call(program, uri).split()]
        assert len(rows) == 8 and any(rows), f"{uri}: printed {rows}"
        assert rows == [float(word) for word in tree.call(program, uri).split()], f"{uri}: not repeatable"


def outside_program_fails_with_a_sentence(tree):
    program = tree.build(HERE / "project_program.c")
    result = subprocess.run([program, "nosuch:"], env=tree.environment, capture_output=True, text=True,
                            check=False)
    assert result.returncode == 1, f"exit code {result.returncode}\n{result.stderr}"
    assert "nosuch" in result.stderr, f"the sentence does not name the device: {result.stderr!r}"


def outside_program_brings_a_backend(tree):
    text = tree.call(tree.build(HERE / "backend_program.c"))
    assert "walsh" in text, f"printed {text!r}"


def readme_program_works(tree):
    readme = (SOURCE / "README.md").read_text()
    blocks = [b for b in re.findall(r"^```c\n(.*?)^```", readme, flags=re.S | re.M) if "int main" in b]
    assert len(blocks) == 1, f"README.md: {len(blocks)} C programs, wanted 1"
    source = tree.work / "readme_program.c"
    source.write_text(blocks[0])
    assert tree.call(tree.build(source)).strip(), "the program of README.md prints nothing"


def command_works_without_the_source_tree(tree):
    presets = tree.call(tree.command, "train", "--list")
    assert "fashion-mlp" in presets, f"opu train --list printed {presets!r}"
    devices = tree.call(tree.command, "devices")
    assert "sim" in devices, f"opu devices printed {devices!r}"


def main():
    tap = Tap()
    header = (SOURCE / "include" / "opu" / "version.h").read_text()
    version = ".".join(re.findall(r"^#define OPU_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header, flags=re.M))
    work = pathlib.Path(tempfile.mkdtemp(prefix="opu-install-"))
    try:
        tree = Installed(work)
        tap.test("soname is that of the interface", soname_is_that_of_the_interface, tree, version)
        tap.test("version is the same everywhere", version_is_the_same_everywhere, tree, version)
        tap.test("all headers are installed", all_headers_are_installed, tree)
        tap.test("the udev rule is installed where udev looks", udev_rule_is_installed_where_udev_looks, tree)
        tap.test("the run-time path is that of the system", runtime_path_is_that_of_the_system, tree)
        tap.test("nothing names the folders of the build", nothing_names_the_build_machine, tree)
        tap.test("an outside program projects", outside_program_projects, tree)
        tap.test("an outside program gets a sentence for a failure", outside_program_fails_with_a_sentence, tree)
        tap.test("an outside program brings a backend", outside_program_brings_a_backend, tree)
        tap.test("the program of the readme works", readme_program_works, tree)
        tap.test("the command works without the source tree", command_works_without_the_source_tree, tree)
    finally:
        shutil.rmtree(work)
    tap.done()


main()
