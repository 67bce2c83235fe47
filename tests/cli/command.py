# SPDX-License-Identifier: MIT
"""Runs the command in a temporary folder, and makes the files it reads: .npy arrays and small data sets."""

import fnmatch
import gzip
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "build"))
from tap import Skip, Tap  # noqa: E402  (its folder is named above)

CLASSES = 10
SIDE = 28


class Result:
    def __init__(self, words, code, out, err):
        self.words, self.code, self.out, self.err = words, code, out, err

    def __str__(self):
        return (f"opu {' '.join(self.words)}\nexit code {self.code}\n"
                f"stdout: {self.out[-2000:]}\nstderr: {self.err[-2000:]}")

    def wants(self, code=0, out="*", err="*"):
        """Exit code, and globs that stdout and stderr match as a whole."""
        assert self.code == code, f"wanted exit code {code}\n{self}"
        assert fnmatch.fnmatchcase(self.out, out), f"wanted stdout {out!r}\n{self}"
        assert fnmatch.fnmatchcase(self.err, err), f"wanted stderr {err!r}\n{self}"
        return self

    def document(self):
        """The one JSON document that stdout is."""
        try:
            value = json.loads(self.out, parse_constant=lambda word: 1 / 0)
        except (ValueError, ZeroDivisionError) as why:
            raise AssertionError(f"stdout is not one JSON document ({why})\n{self}") from why
        assert value["schema"] == 1, f"schema is {value.get('schema')}, wanted 1\n{self}"
        return value


class Bench:
    """A temporary folder and the command, which runs in it."""

    def __init__(self, binary):
        self.binary = pathlib.Path(binary).resolve()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="opu-cli-"))
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("OPU_")}
        self.environment["OMP_WAIT_POLICY"] = "passive"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def start(self, *words, **options):
        return subprocess.Popen([self.binary, *map(str, words)], cwd=self.folder, env=self.environment,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, **options)

    def opu(self, *words, env=None, **options):
        environment = {**self.environment, **(env or {})}
        done = subprocess.run([self.binary, *map(str, words)], cwd=self.folder, env=environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, check=False, timeout=240, **options)
        return Result(list(map(str, words)), done.returncode, done.stdout, done.stderr)

    def path(self, name):
        return self.folder / name

    def npy(self, name, rows, dtype="<f4", shape=None):
        """Rows of numbers as .npy version 1.0."""
        letter = {"<f4": "f", "<f8": "d", "|u1": "B", "<i4": "i", "<i8": "q"}[dtype]
        flat = [value for row in rows for value in row]
        shape = shape or (len(rows), len(rows[0]) if rows else 0)
        head = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
        head += " " * (-(len(head) + 11) % 64) + "\n"
        body = struct.pack(f"<{len(flat)}{letter}", *flat)
        self.path(name).write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + body)
        return name

    def read_npy(self, name):
        """A float32 array of two dimensions as rows."""
        data = self.path(name).read_bytes()
        assert data[:8] == b"\x93NUMPY\x01\x00", f"{name}: starts with {data[:8]!r}"
        length = struct.unpack("<H", data[8:10])[0]
        head = data[10 : 10 + length].decode()
        assert "'<f4'" in head and "False" in head, f"{name}: header {head!r}"
        rows, columns = eval(head)["shape"]  # pylint: disable=eval-used
        flat = struct.unpack(f"<{rows * columns}f", data[10 + length :])
        return [flat[i * columns : (i + 1) * columns] for i in range(rows)]

    def data_set(self, name="data", train=640, test=200, seed=1):
        """Fashion-MNIST's four files, small: class c is a bright bar at its own height, under noise."""
        folder = self.path(name)
        folder.mkdir()
        draw = random.Random(seed)
        for stem, n in (("train", train), ("t10k", test)):
            labels = bytes(draw.randrange(CLASSES) for _ in range(n))
            pictures = bytearray()
            for label in labels:
                picture = bytearray(draw.randrange(120) for _ in range(SIDE * SIDE))
                first = (2 * label + 4) * SIDE
                picture[first : first + 2 * SIDE] = bytes(draw.randrange(100, 256) for _ in range(2 * SIDE))
                pictures += picture
            head = struct.pack(">4i", 0x803, n, SIDE, SIDE)
            (folder / f"{stem}-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + pictures, 1))
            head = struct.pack(">2i", 0x801, n)
            (folder / f"{stem}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(head + labels, 1))
        return folder


def main(*tests):
    """Runs each test(bench) with a fresh folder; its name, in words, is the test's."""
    tap = Tap()
    for test in tests:
        with Bench(sys.argv[1]) as bench:
            tap.test(test.__name__.replace("_", " "), test, bench)
    tap.done()
