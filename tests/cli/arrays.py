# SPDX-License-Identifier: MIT
"""opu project: what comes out is B times what went in, and bad arrays are refused: arrays.py OPU."""

import json
import math
import os
import random
import signal
import struct
import sys

from command import Skip, main

N_IN, N_OUT = 12, 20


def random_rows(n, seed=3):
    draw = random.Random(seed)
    return [[draw.gauss(0, 1) for _ in range(N_IN)] for _ in range(n)]


def project(bench, uri, rows, *words, dtype="<f4"):
    bench.npy("x.npy", rows, dtype)
    bench.opu("project", uri, "--in", "x.npy", "--out", "y.npy", "--n-out", N_OUT, *words).wants(0)
    return bench.read_npy("y.npy")


def matrix_of(bench, uri):
    """B's columns, from unit rows."""
    return project(bench, uri, [[float(i == j) for j in range(N_IN)] for i in range(N_IN)])


def assert_close(seen, wanted, tolerance):
    assert len(seen) == len(wanted), f"{len(seen)} rows, wanted {len(wanted)}"
    for i, (a, b) in enumerate(zip(seen, wanted)):
        assert len(a) == len(b), f"row {i} has {len(a)} outputs, wanted {len(b)}"
        for k, (p, q) in enumerate(zip(a, b)):
            assert abs(p - q) <= tolerance, f"row {i}, output {k}: {p}, wanted {q} +- {tolerance}"


def exact_output_is_b_times_input(bench):
    columns, rows = matrix_of(bench, "exact:seed=1"), random_rows(7)
    wanted = [[sum(x * columns[j][k] for j, x in enumerate(row)) for k in range(N_OUT)] for row in rows]
    # Floats: 12 products of about 1, each rounded by 2^-24, summed: below 1e-6 a few times over.
    assert_close(project(bench, "exact:seed=1", rows), wanted, 1e-5)
    assert any(abs(a - b) > 0.1 for a, b in zip(columns[0], matrix_of(bench, "exact:seed=2")[0])), "seed moves nothing"


def batches_and_types_do_not_matter(bench):
    whole = [[float(random.Random(i).randrange(256)) for i in range(N_IN * r, N_IN * (r + 1))] for r in range(9)]
    wanted = project(bench, "exact:", whole)
    scale = max(abs(v) for row in wanted for v in row)
    for dtype in ("<f8", "|u1"):
        values = [[int(v) if dtype == "|u1" else v for v in row] for row in whole]
        assert_close(project(bench, "exact:", values, "--batch", 4, dtype=dtype), wanted, 1e-6 * scale)


def one_dimension_is_one_row(bench):
    rows = random_rows(1)
    wanted = project(bench, "exact:", rows)
    bench.npy("x.npy", rows, shape=(N_IN,))
    bench.opu("project", "exact:", "--in", "x.npy", "--out", "y.npy", "--n-out", N_OUT).wants(0)
    assert_close(bench.read_npy("y.npy"), wanted, 0)


def optics_without_noise_give_the_exact_matrix(bench):
    rows = [[float(random.Random(5 * i + r).choice((-1, 0, 1))) for i in range(N_IN)] for r in range(6)]
    wanted = project(bench, "exact:of=sim:seed=7", rows)
    seen = project(bench, "sim:seed=7,noise=none,camera=ideal,leakage=0", rows, "--bits", 16)
    rms = math.sqrt(sum(v * v for row in wanted for v in row) / (len(wanted) * N_OUT))
    # 16 bits: the read-out's error is below 1e-4 of the signal; single outputs reach five deviations.
    assert_close(seen, wanted, 1e-3 * rms)


def summary_tells_frames_and_identity(bench):
    bench.npy("x.npy", random_rows(5))
    words = ("project", "sim:seed=3", "--in", "x.npy", "--out", "y.npy", "--n-out", N_OUT)
    bench.opu(*words).wants(0, "y.npy: 5 x 20 float32*frames*identity*sim:gaussian:*", "")
    document = bench.opu(*words, "--json").wants(0, err="").document()
    assert document["rows"] == 5 and document["shape"] == [5, N_OUT], document
    optical = document["optical"]
    assert optical["frames"] >= 5 * 4 and optical["seconds"] > 0 and optical["joules"] > 0, document
    assert 0 <= optical["saturated_share"] < 1 and document["identity"].startswith("sim:"), document


def bad_arrays_are_refused_with_a_sentence(bench):
    rows = random_rows(3)
    bench.npy("good.npy", rows)
    bench.npy("int.npy", [[1, 2]], "<i4")
    bench.npy("cube.npy", rows, shape=(3, N_IN // 2, 2))
    bench.npy("none.npy", [], shape=(0, N_IN))
    good = bench.path("good.npy").read_bytes()
    bench.path("cut.npy").write_bytes(good[:-5])
    bench.path("head.npy").write_bytes(good[:40])
    bench.path("text.npy").write_text("not an array\n")
    bench.path("empty.npy").write_bytes(b"")
    bench.path("huge.npy").write_bytes(good.replace(b"(3, 12)", b"(3, 12" + b"0" * 17 + b")")[:128])
    bench.npy("nan.npy", [[0.0] * N_IN, [0.0] * 4 + [math.nan] + [0.0] * (N_IN - 5)])
    bench.npy("big.npy", [[1e300] * N_IN], "<f8")
    bench.path("out.npy").write_bytes(b"older")
    for name, code, err in (("int.npy", 4, "*int.npy*int32*wanted float32, float64 or uint8*"),
                            ("cube.npy", 4, "*cube.npy*3 dimensions, wanted 2*"),
                            ("none.npy", 4, "*none.npy*"), ("cut.npy", 4, "*cut.npy*"),
                            ("head.npy", 4, "*head.npy*"), ("text.npy", 4, "*text.npy*"),
                            ("empty.npy", 4, "*empty.npy*"), ("huge.npy", 4, "*huge.npy*"),
                            ("nan.npy", 4, "*nan.npy: row 1, column 4 is nan*"), ("big.npy", 4, "*row 0*inf*"),
                            ("missing.npy", 4, "*missing.npy*")):
        for uri in ("exact:", "sim:"):
            bench.opu("project", uri, "--in", name, "--out", "out.npy", "--n-out", 4).wants(code, "", err)
    assert bench.path("out.npy").read_bytes() == b"older", "a failure touched the older output"


def what_a_device_cannot_do_is_said(bench):
    bench.npy("x.npy", random_rows(1))
    for words, code, err in ((("exact:", "--readout", "phase4"), (2, 3), "*phase4*"),
                             (("sim:", "--readout", "phase5"), (2, 3), "*phase5*"),
                             (("sim:", "--encode", "trinary"), (2,), "*trinary*"),
                             (("sim:", "--bits", "17"), (2,), "*--bits*17*"),
                             (("sim:", "--n-out", "4000000000"), (2,), "*--n-out*")):
        seen = bench.opu("project", words[0], "--in", "x.npy", "--out", "y.npy", "--n-out", 4, *words[1:])
        assert seen.code in code, f"wanted exit code {code}\n{seen}"
        seen.wants(seen.code, "", err)
    bench.opu("project", "exact:", "--in", "x.npy", "--out", "no/such/folder/y.npy", "--n-out", 4).wants(
        1, "", "*no/such/folder/y.npy*")


def header_of_the_output_is_padded_to_64_bytes(bench):
    project(bench, "exact:", random_rows(2))
    data = bench.path("y.npy").read_bytes()
    length = struct.unpack("<H", data[8:10])[0]
    assert (10 + length) % 64 == 0 and data[9 + length : 10 + length] == b"\n", "the header is not padded to 64"


def ctrl_c_is_told_in_one_sentence(bench):
    """A pipe in place of the file: once the command has opened it, it waits for rows that never come."""
    os.mkfifo(bench.path("pipe"))
    for words in ((), ("--json",)):
        process = bench.start("project", "exact:", "--in", "pipe", "--out", "y.npy", "--n-out", N_OUT, *words)
        with open(bench.path("pipe"), "wb"):
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        assert process.returncode == 130, f"exit code {process.returncode}, wanted 130\n{out}\n{err}"
        assert err == "opu project: interrupted; no result was written\n", err
        if words:
            assert json.loads(out)["error"]["status"] == "OPU_E_CANCELLED", out
        assert not bench.path("y.npy").exists(), "a result was written"


def numpy_reads_the_output(bench):
    try:
        import numpy
    except ImportError as why:
        raise Skip(f"{sys.executable} has no numpy") from why
    project(bench, "exact:", random_rows(2))
    array = numpy.load(bench.path("y.npy"))
    assert array.dtype == numpy.float32 and array.shape == (2, N_OUT), (array.dtype, array.shape)


main(
    exact_output_is_b_times_input,
    batches_and_types_do_not_matter,
    one_dimension_is_one_row,
    optics_without_noise_give_the_exact_matrix,
    summary_tells_frames_and_identity,
    bad_arrays_are_refused_with_a_sentence,
    what_a_device_cannot_do_is_said,
    header_of_the_output_is_padded_to_64_bytes,
    ctrl_c_is_told_in_one_sentence,
    numpy_reads_the_output,
)
