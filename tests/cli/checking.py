# SPDX-License-Identifier: MIT
"""opu check: light that is uneven, rare bright pixels, interruption: checking.py OPU."""

import fcntl
import json
import os
import select
import signal
import time

from command import main

# What Linux calls F_SETPIPE_SZ; older Pythons have no name for it.
SET_PIPE_SIZE = 1031
INTERRUPTED = "opu check: interrupted; no result was written\n"


def rows_of(bench, *words, code=0):
    document = bench.opu("check", *words, "--json").wants(code).document()
    return {row["name"]: row for row in document["rows"] if not row["own"]}


def uneven_light_is_no_fault_of_the_medium(bench):
    """Columns of unequal variance: over all entries together a kurtosis of 3.9 would be seen, and an anchor's
    noise 7 % below what even light has."""
    rows = rows_of(bench, "sim:beam=1,dead=0.001,dmd=dlp6500", "--group", "matrix")
    assert rows["entries' kurtosis"]["verdict"] == "PASS", rows["entries' kurtosis"]
    words = ("check", "sim:beam=1", "--n-in", 64, "--group", "read-out", "--json")
    rows = bench.opu(*words).wants(0).document()["rows"]
    judged = [row for row in rows if row["name"].startswith("noise of anchor")]
    assert len(judged) == 4 and all(row["verdict"] == "PASS" for row in judged), judged


def entries_that_are_not_gaussian_fail(bench):
    """Ground glass, thin: entries share the ballistic light."""
    row = rows_of(bench, "sim:medium=ground-glass", "--n-in", 64, "--group", "matrix", code=5)["entries' kurtosis"]
    assert row["verdict"] == "FAIL" and row["value"] > 3.0, row


def a_pixel_of_fifteen_times_the_mean_is_calibrated(bench):
    """This matrix has one behind the inputs' mirrors; one of 300 has."""
    rows = rows_of(bench, "sim:medium=cascade,seed=3", "--group", "read-out")
    assert rows["noise of anchor, all mirrors"]["verdict"] == "PASS", rows["noise of anchor, all mirrors"]


def noise_below_eight_bits_is_told_and_not_judged(bench):
    rows = rows_of(bench, "sim:bits=6", "--n-in", 64, "--group", "read-out")
    noise = [row for name, row in rows.items() if name.startswith("noise of ")]
    assert noise and all(row["verdict"] == "-" for row in noise), noise
    assert all("for information" in row["wanted"] for row in noise if row["value"] is not None), noise


def ctrl_c_ends_a_check_at_once(bench):
    for number in (signal.SIGINT, signal.SIGTERM):
        process = bench.start("check", "sim:", "-v", "--thorough", "--report", "check.html", "--json")
        assert process.stderr.readline(), "nothing is logged"
        begun = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert time.monotonic() - begun < 10.0, "it went on measuring"
        assert process.returncode == 130, f"exit code {process.returncode}, wanted 130\n{out}\n{err}"
        assert err.endswith(INTERRUPTED), err
        assert json.loads(out)["error"]["status"] == "OPU_E_CANCELLED", out
        assert not list(bench.folder.iterdir()), list(bench.folder.iterdir())


def ctrl_c_while_the_report_is_written_leaves_the_older_one(bench):
    """A pipe stands for the draft: once its first bytes are here, the command waits for room for the rest."""
    bench.path("check.html").write_text("older")
    os.mkfifo(bench.path("check.html.tmp"))
    reader = os.open(bench.path("check.html.tmp"), os.O_RDONLY | os.O_NONBLOCK)
    try:
        fcntl.fcntl(reader, SET_PIPE_SIZE, 4096)
        process = bench.start("check", "exact:", "--n-in", 32, "--n-out", 64, "--report", "check.html")
        assert select.select([reader], [], [], 120)[0], "no report was begun in 120 s"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        os.close(reader)
    assert process.returncode == 130, f"exit code {process.returncode}, wanted 130\n{out}\n{err}"
    assert (out, err) == ("", INTERRUPTED), (out, err)
    assert [entry.name for entry in bench.folder.iterdir()] == ["check.html"], list(bench.folder.iterdir())
    assert bench.path("check.html").read_text() == "older"


main(
    uneven_light_is_no_fault_of_the_medium,
    entries_that_are_not_gaussian_fail,
    a_pixel_of_fifteen_times_the_mean_is_calibrated,
    noise_below_eight_bits_is_told_and_not_judged,
    ctrl_c_ends_a_check_at_once,
    ctrl_c_while_the_report_is_written_leaves_the_older_one,
)
