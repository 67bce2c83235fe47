# SPDX-License-Identifier: MIT
"""Whole trainings against their bars: accuracy.py OPU.

Fashion-MNIST, the preset fashion-mlp, seeds 1 to 3, all four columns of the paper's row. Bars are means over the
seeds, a standard deviation of a mean is about 0.1 points here.
"""

import json
import pathlib
import statistics
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "build"))
from tap import Tap, run  # noqa: E402  (its folder is named above)

SEEDS = (1, 2, 3)
COLUMNS = {
    "bp": ("--method", "bp"),
    "dfa exact": ("--device", "exact:"),
    "dfa optical": (),
    "shallow": ("--method", "shallow"),
}


class Runs:
    """Documents and metrics of each column, run once, when first asked for."""

    def __init__(self, opu, folder):
        self.opu, self.folder, self.done = opu, pathlib.Path(folder), {}

    def of(self, column):
        if column not in self.done:
            self.done[column] = [self.train(column, seed) for seed in SEEDS]
        return self.done[column]

    def train(self, column, seed):
        out = self.folder / f"{column.replace(' ', '-')}-{seed}"
        words = [self.opu, "train", "fashion-mlp", *COLUMNS[column], "--seed", seed, "--out", out, "--json"]
        document = json.loads(run([str(word) for word in words]))
        metrics = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        return document, metrics

    def accuracy(self, column):
        return 100 * statistics.mean(d["metrics"]["test_accuracy"] for d, _ in self.of(column))


def reaches(runs, column, bar):
    seen = runs.accuracy(column)
    print(f"# {column}: {seen:.2f} %")
    assert seen >= bar, f"{column}: {seen:.2f} %, wanted {bar} % in the mean of seeds {SEEDS}"


def optics_beat_frozen_layers(runs):
    gain = runs.accuracy("dfa optical") - runs.accuracy("shallow")
    assert gain >= 2, f"{gain:.2f} points above shallow, wanted 2"


def alignment_rises(runs, column):
    for document, metrics in runs.of(column):
        first = {tap["tap"]: tap["mean"] for tap in metrics[1]["alignment"]}
        for tap in document["metrics"]["alignment"]:
            assert tap["mean"] > 0.1, f"{tap}: wanted a mean cosine above 0.1"
            assert tap["mean"] > first[tap["tap"]], f"{tap}: was {first[tap['tap']]} after the first epoch"


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix="opu-slow-") as folder:
        runs = Runs(sys.argv[1], folder)
        for column, bar in {"bp": 88.3, "dfa exact": 87.3, "dfa optical": 86.5}.items():
            tap.test(f"{column} reaches {bar} %", reaches, runs, column, bar)
        tap.test("dfa through optics is 2 points above frozen layers", optics_beat_frozen_layers, runs)
        for column in ("dfa exact", "dfa optical"):
            tap.test(f"{column}: alignment rises at every tap", alignment_rises, runs, column)
    tap.done()


main()
