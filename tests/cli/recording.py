# SPDX-License-Identifier: MIT
"""opu record: another command with its device recorded, and replay: in its place: recording.py OPU."""

import os
import random

from command import main

N_IN, N_OUT = 12, 20


def rows(bench, name, seed):
    draw = random.Random(seed)
    bench.npy(name, [[draw.gauss(0, 1) for _ in range(N_IN)] for _ in range(5)], "<f4")


def project(bench, uri, x, y, *before):
    return bench.opu(*before, "project", uri, "--in", x, "--out", y, "--n-out", N_OUT)


def replay_gives_what_was_recorded(bench):
    rows(bench, "x.npy", 1)
    project(bench, "sim:seed=3", "x.npy", "plain.npy").wants(0)
    project(bench, "sim:seed=3", "x.npy", "y.npy", "record", "run.opurec").wants(0)
    project(bench, "replay:run.opurec", "x.npy", "again.npy").wants(0)
    assert bench.read_npy("y.npy") == bench.read_npy("plain.npy"), "recording moved a number"
    assert bench.read_npy("again.npy") == bench.read_npy("y.npy"), "the replay is another"


def a_divergence_is_told_by_its_frame(bench):
    rows(bench, "x.npy", 1)
    rows(bench, "other.npy", 2)
    project(bench, "sim:seed=3", "x.npy", "y.npy", "record", "run.opurec").wants(0)
    project(bench, "replay:run.opurec", "other.npy", "z.npy").wants(4, err="*diverges from run.opurec at frame *")


def a_recording_is_never_written_over(bench):
    rows(bench, "x.npy", 1)
    project(bench, "sim:", "x.npy", "y.npy", "record", "run.opurec").wants(0)
    size = os.path.getsize(bench.path("run.opurec"))
    project(bench, "sim:", "x.npy", "y.npy", "record", "run.opurec").wants(1, err="*never written over*")
    assert os.path.getsize(bench.path("run.opurec")) == size


def what_cannot_be_recorded_is_refused(bench):
    bench.opu("record").wants(2, err="*no command to record*")
    bench.opu("record", "f", "bench", "sim").wants(2, err="*wanted project, check or train*")
    bench.opu("record", "f", "train", "fashion-mlp").wants(2, err="*wanted --device URI*")
    bench.opu("record", "a,b", "project", "sim:").wants(2, err="*comma*")
    rows(bench, "x.npy", 1)
    project(bench, "exact:", "x.npy", "y.npy", "record", "f").wants(3, err="*floats*")
    bench.opu("record", "--help").wants(0, out="*replay:*")


main(replay_gives_what_was_recorded, a_divergence_is_told_by_its_frame, a_recording_is_never_written_over,
     what_cannot_be_recorded_is_refused)
