# SPDX-License-Identifier: MIT
"""Trainings over usb: give the bytes that sim: gives: training.py OPU EMULATED [slow].

The command is the built one, unmodified, in a process of its own; EMULATED is its kernel, cable and device.
"""

import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from command import Skip, main  # noqa: E402  (its folder is named above)

OPTICS = "sim:deterministic=1"
QUICK = ("--data", "data", "--set", "model.hidden=64", "--set", "train.batch=32", "--set", "data.train_rows=1600",
         "--set", "data.evaluate_rows=500", "--epochs", 1, "--threads", 1, "--seed", 3)
# Of the 700 packets or so of a quick run each way: every kind strikes two times or more, which EMULATED checks.
# Silences (2 s each) and answers that break off (1 s) are kept few.
FAULTS = ("stall=0.01,short=0.02,zlp=0.02,partial=0.012,corrupt=0.012,stale=0.02,trigger=0.03,silence=0.006,"
          "unplug=0.006,seed=SEED")
FAULT_SEED = 21
EMULATED = pathlib.Path(sys.argv[2]).resolve()


def over_usb(bench, *words, options=(), seconds=240):
    """opu WORDS with a device plugged in; its stderr, as the faults are told there."""
    command = [EMULATED, "--optics", OPTICS, *options, "--", bench.binary, *words]
    done = subprocess.run(list(map(str, command)), cwd=bench.folder, env=bench.environment, check=False, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds)
    if done.returncode == 77:
        raise Skip(done.stderr.strip())
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stderr


def metrics(bench, run):
    return bench.path(run).joinpath("metrics.jsonl").read_bytes()


def quick_reference(bench):
    bench.data_set(train=1600, test=500)
    bench.opu("train", "fashion-mlp", *QUICK, "--device", OPTICS, "--out", "sim").wants(0)
    return metrics(bench, "sim")


def usb_trains_to_the_same_bytes_as_sim(bench):
    wanted = quick_reference(bench)
    over_usb(bench, "train", "fashion-mlp", *QUICK, "--device", "usb:", "--out", "usb")
    assert metrics(bench, "usb") == wanted, "usb: learns something else than sim:"
    lines = [json.loads(line) for line in wanted.splitlines()]
    assert lines[-1]["frames"] > 10000, f"{lines[-1]['frames']} frames are no training"


def usb_trains_to_the_same_bytes_when_transfers_are_split(bench):
    wanted = quick_reference(bench)
    over_usb(bench, "train", "fashion-mlp", *QUICK, "--device", "usb:", "--out", "usb", options=("--splits",))
    assert metrics(bench, "usb") == wanted, "usb: learns something else in pieces of 16 KiB"


def usb_trains_to_the_same_bytes_with_faults_at_random(bench):
    wanted = quick_reference(bench)
    plan = FAULTS.replace("SEED", str(FAULT_SEED))
    told = over_usb(bench, "train", "fashion-mlp", *QUICK, "--device", "usb:transfer_bytes=6144", "--out", "usb",
                    options=("--faults", plan, "--at-least", 2))
    print("".join(f"{line}\n" for line in told.splitlines() if line.startswith("# faults")), end="")
    assert metrics(bench, "usb") == wanted, f"faults came through ({plan})"


def a_recording_of_usb_replays_to_the_same_answers(bench):
    bench.npy("rows.npy", [[((7 * r + 3 * i) % 23) / 11 - 1 for i in range(40)] for r in range(12)])
    words = ("--in", "rows.npy", "--n-out", 300)
    over_usb(bench, "record", "run.opurec", "project", "usb:", *words, "--out", "first.npy")
    bench.opu("project", "replay:run.opurec", *words, "--out", "again.npy").wants(0)
    assert bench.path("first.npy").read_bytes() == bench.path("again.npy").read_bytes(), "the replay answers otherwise"


def the_full_preset_trains_to_the_same_bytes(bench):
    words = ("train", "fashion-mlp", "--threads", 1)
    bench.environment.update({k: v for k, v in os.environ.items() if k == "OPU_DATA_DIR"})
    subprocess.run(list(map(str, (bench.binary, *words, "--device", OPTICS, "--out", "sim"))), cwd=bench.folder,
                   env=bench.environment, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    over_usb(bench, *words, "--device", "usb:", "--out", "usb", seconds=3600)
    assert metrics(bench, "usb") == metrics(bench, "sim"), "usb: learns something else than sim:"


if sys.argv[3:] == ["slow"]:
    main(the_full_preset_trains_to_the_same_bytes)
else:
    main(usb_trains_to_the_same_bytes_as_sim, usb_trains_to_the_same_bytes_when_transfers_are_split,
         usb_trains_to_the_same_bytes_with_faults_at_random, a_recording_of_usb_replays_to_the_same_answers)
