# SPDX-License-Identifier: MIT
"""opu compare: methods over seeds, sweeps, interruption, what is refused: comparing.py OPU."""

import csv
import html.parser
import json
import re
import signal
import statistics
import time

from command import main

SMALL = ("--data", "data", "--set", "model.hidden=32,24", "--set", "train.batch=64", "--set", "optim.lr=2e-3",
         "--set", "optim.schedule=constant")


def compare(bench, *words, **options):
    return bench.opu("compare", "fashion-mlp", *SMALL, *words, **options)


def result_of(bench, run):
    return json.loads(bench.path(run).joinpath("result.json").read_text())


def metrics_of(bench, run):
    return bench.path(run).joinpath("metrics.jsonl").read_bytes()


def near(seen, wanted):
    """Documents have nine digits."""
    return abs(seen - wanted) <= 1e-7 * max(1.0, abs(wanted))


class Page(html.parser.HTMLParser):
    """Collects tags and links, and complains about a tag that is not closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.links = [], [], []
        self.feed(text)
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.links += [value for key, value in attrs if key in ("src", "href", "xlink:href") and value]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"


def page_of(bench, folder, plots):
    text = bench.path(folder).joinpath("compare.html").read_text()
    page = Page(text)
    assert page.seen.count("svg") == plots, f"{page.seen.count('svg')} plots, wanted {plots}"
    assert not page.links and not re.search(r"https?://|url\(|@import|<script", text), "the page asks for another file"
    assert "nan" not in text.replace("became NaN", "").lower(), "a NaN is shown"
    return text


def four_methods_are_told_with_mean_and_deviation(bench):
    bench.data_set()
    words = ("--seeds", 3, "--epochs", 3, "--out", "four")
    document = compare(bench, *words, "--json").wants(0).document()
    assert [arm["name"] for arm in document["arms"]] == ["bp", "exact", "optical", "shallow"], document
    accuracy = {}
    for arm in document["arms"]:
        runs = [result_of(bench, f"four/{arm['name']}-seed{seed}") for seed in (1, 2, 3)]
        assert [run["state"] for run in runs] == ["done"] * 3 and [run["seed"] for run in runs] == [1, 2, 3], runs
        accuracy[arm["name"]] = [run["metrics"]["test_accuracy"] for run in runs]
        for key, values in (("test_accuracy", accuracy[arm["name"]]),
                            ("test_loss", [run["metrics"]["test_loss"] for run in runs]),
                            ("frames", [run["optical"]["frames"] for run in runs])):
            assert arm[key]["n"] == 3 and near(arm[key]["mean"], statistics.mean(values)), (arm["name"], key, arm[key])
            assert near(arm[key]["std"], statistics.stdev(values)), (arm["name"], key, arm[key], values)
        assert (arm["frames"]["mean"] > 0) == (arm["name"] == "optical"), arm["frames"]
        assert (len(arm["alignment"]) == 2) == (arm["method"] == "dfa"), arm["alignment"]
        assert all(tap["best"]["mean"] >= tap["last"]["mean"] for tap in arm["alignment"]), arm["alignment"]
    pairs = {(row["of"], row["less"]): row["test_accuracy"] for row in document["differences"]}
    assert set(pairs) == {("optical", "bp"), ("optical", "exact"), ("optical", "shallow"), ("exact", "bp"),
                          ("exact", "shallow")}, pairs
    for (one, other), seen in pairs.items():
        apart = [a - b for a, b in zip(accuracy[one], accuracy[other])]
        assert near(seen["mean"], statistics.mean(apart)) and near(seen["std"], statistics.stdev(apart)), (one, other)
    text = page_of(bench, "four", 5)
    for tap in range(2):
        # Epochs 0 to 3 of the two arms that have an alignment; titles have four digits.
        plot = re.search(rf"<svg[^>]*Alignment at layers\.{tap}.*?</svg>", text, re.DOTALL)[0]
        for arm, label in (("exact", "DFA exact"), ("optical", "DFA optical")):
            seen = re.findall(rf"<title>{label}, epoch (\d): (-?[\d.e-]+) ", plot)
            by_epoch = [[json.loads(line)["alignment"][tap]["mean"] for line in
                         metrics_of(bench, f"four/{arm}-seed{seed}").splitlines()] for seed in (1, 2, 3)]
            wanted = [statistics.mean(values) for values in zip(*by_epoch)]
            assert [int(epoch) for epoch, _ in seen] == [0, 1, 2, 3], (label, seen)
            assert all(abs(float(mean) - want) <= 6e-5 for (_, mean), want in zip(seen, wanted)), (seen, wanted)
        assert ">BP<" not in plot and ">SHALLOW<" not in plot, "an arm without alignment is drawn"
    for word in ("DFA optical", "SHALLOW", "layers.0", "four/bp-seed3", "opu compare fashion-mlp --seeds 3"):
        assert word in text, f"the page lacks {word!r}"
    again = compare(bench, *words).wants(0, "*SHALLOW*DFA optical - BP*DFA exact - SHALLOW*", "*12 of them done*")
    head, row = (re.split(r"  +", line.strip()) for line in again.out.splitlines() if
                 re.match(r"  +accuracy \(%\)|  DFA optical  +[\d.]+ \+-", line))
    frames = statistics.mean(run["optical"]["frames"] for run in
                             (result_of(bench, f"four/optical-seed{seed}") for seed in (1, 2, 3)))
    assert dict(zip(head, row[1:]))["frames"] == f"{frames:.0f}", str(again)
    assert f"{100 * statistics.mean(accuracy['optical']):.2f} +- {100 * statistics.stdev(accuracy['optical']):.2f}" in (
        again.out), str(again)


def one_seed_has_no_deviation(bench):
    bench.data_set()
    words = ("--seeds", 1, "--epochs", 1, "--methods", "shallow,bp")
    document = compare(bench, *words, "--json").wants(0).document()
    assert [arm["name"] for arm in document["arms"]] == ["bp", "shallow"], document
    assert all(arm["test_accuracy"]["std"] is None for arm in document["arms"]), document
    assert document["out"] == "runs/fashion-mlp-compare" and document["differences"] == [], document
    page_of(bench, "runs/fashion-mlp-compare", 3)


def ctrl_c_leaves_a_comparison_that_continues_to_the_same_bits(bench):
    bench.data_set()
    words = ("--methods", "shallow,optical", "--seeds", 2, "--epochs", 40)
    compare(bench, *words, "--out", "whole").wants(0)
    process = bench.start("compare", "fashion-mlp", *SMALL, *words, "--out", "cut", "--json")
    metrics, deadline = bench.path("cut/optical-seed2/metrics.jsonl"), time.monotonic() + 200
    while not (metrics.exists() and metrics.read_text().count("\n") >= 3):
        assert process.poll() is None, f"ended early: {process.communicate()}"
        assert time.monotonic() < deadline, "the third run did not begin in 200 s"
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, f"exit code {process.returncode}, wanted 130\n{out}\n{err}"
    assert json.loads(out)["error"]["status"] == "OPU_E_CANCELLED", out
    assert "2 of 4 runs done" in err and "goes on from cut" in err, err
    assert result_of(bench, "cut/optical-seed2")["state"] == "interrupted"
    kept = bench.path("cut/optical-seed1/checkpoint.safetensors")
    before = kept.stat().st_mtime_ns
    seen = compare(bench, *words, "--out", "cut").wants(0, "*", "*2 of them done*run 1/4 *as its folder tells*")
    assert kept.stat().st_mtime_ns == before, f"a finished run was trained again\n{seen}"
    for run in ("shallow-seed1", "shallow-seed2", "optical-seed1", "optical-seed2"):
        assert metrics_of(bench, f"cut/{run}") == metrics_of(bench, f"whole/{run}"), f"{run} differs"
    assert "NaN" not in bench.path("cut/compare.csv").read_text()


def folders_of_another_configuration_are_refused(bench):
    bench.data_set()
    words = ("--methods", "bp", "--seeds", 1, "--epochs", 1)
    compare(bench, *words).wants(0)
    kept = metrics_of(bench, "runs/fashion-mlp-compare/bp-seed1")
    compare(bench, *words, "--set", "optim.lr=1e-3").wants(4, "", "*bp-seed1*optim.lr = 0.002*wants 0.001*--out*")
    compare(bench, *words[:-1], 2).wants(4, "", "*train.epochs = 1*wants 2*")
    assert metrics_of(bench, "runs/fashion-mlp-compare/bp-seed1") == kept, "a refused comparison changed the folder"
    # What only matters to the optics is none of back-propagation's business.
    compare(bench, *words, "--device", "sim:seed=9").wants(0, "*", "*1 of them done*")


def sweeps_train_the_device_at_each_value(bench):
    bench.data_set()
    words = ("--sweep", "sim.camera.read_noise=0,30", "--seeds", 2, "--epochs", 2)
    document = compare(bench, *words, "--out", "sweep", "--json").wants(0).document()
    assert document["sweeps"] == [{"key": "sim.camera.read_noise", "values": ["0", "30"]}], document["sweeps"]
    assert [(arm["name"], arm["knobs"]) for arm in document["arms"]] == [
        ("bp", {}), ("exact", {}), ("optical", {"sim.camera.read_noise": "0"}),
        ("optical", {"sim.camera.read_noise": "30"})], document["arms"]
    assert document["arms"][3]["device"] == "sim:encode=ternary:stochastic,read_noise=30", document["arms"][3]
    assert metrics_of(bench, document["arms"][2]["runs"][0]["run"]) != metrics_of(
        bench, document["arms"][3]["runs"][0]["run"]), "the knob does nothing"
    rows = list(csv.DictReader(bench.path("sweep/compare.csv").read_text().splitlines()))
    assert [(row["method"], row["sim.camera.read_noise"], row["seed"]) for row in rows] == [
        ("bp", "", "1"), ("bp", "", "2"), ("exact", "", "1"), ("exact", "", "2"), ("optical", "0", "1"),
        ("optical", "0", "2"), ("optical", "30", "1"), ("optical", "30", "2")], rows
    assert all(near(float(rows[6][key]), document["arms"][3]["runs"][0][key]) for key in
               ("test_accuracy", "test_loss")), rows[6]
    text = page_of(bench, "sweep", 3)
    assert "sim.camera.read_noise (e-)" in text and "DFA optical" in text, "the plot has no knob"
    # The same run by opu train, the knob on the command line.
    bench.opu("train", "fashion-mlp", *SMALL, "--epochs", 2, "--set", "sim.read_noise=30", "--seed", 2, "--out",
              "one").wants(0)
    assert metrics_of(bench, "one") == metrics_of(bench, document["arms"][3]["runs"][1]["run"])


def ctrl_c_leaves_a_sweep_whose_finished_runs_are_kept(bench):
    bench.data_set()
    words = ("--sweep", "sim.camera.read_noise=0,30", "--methods", "optical", "--seeds", 1, "--epochs", 40,
             "--out", "cut")
    process = bench.start("compare", "fashion-mlp", *SMALL, *words)
    first, second = (f"cut/optical-sim.camera.read_noise={value}-seed1" for value in (0, 30))
    metrics, deadline = bench.path(second) / "metrics.jsonl", time.monotonic() + 200
    while not (metrics.exists() and metrics.read_text().count("\n") >= 3):
        assert process.poll() is None, f"ended early: {process.communicate()}"
        assert time.monotonic() < deadline, "the second run did not begin in 200 s"
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, f"exit code {process.returncode}, wanted 130\n{out}\n{err}"
    assert "1 of 2 runs done" in err and "goes on from cut" in err and out == "", (out, err)
    assert [result_of(bench, run)["state"] for run in (first, second)] == ["done", "interrupted"]
    assert not bench.path("cut/compare.csv").exists() and not bench.path("cut/compare.html").exists()
    kept = metrics_of(bench, first)
    compare(bench, *words).wants(0, "*", "*1 of them done*run 1/2 *as its folder tells*")
    assert metrics_of(bench, first) == kept and bench.path("cut/compare.html").exists()


def words_and_keys_of_the_configuration_are_swept(bench):
    bench.data_set()
    seen = compare(bench, "--sweep", "encode=binary,ternary:stochastic", "--sweep", "optim.lr=1e-3..1e-2*10",
                   "--methods", "optical", "--seeds", 1, "--epochs", 1, "--out", "grid")
    seen.wants(0, "*encode=binary, optim.lr=0.001 *encode down, optim.lr across*0.001*0.01*binary*ternary:stochastic*")
    assert bench.path("grid/optical-encode=ternary:stochastic-optim.lr=0.01-seed1/result.json").exists(), str(seen)
    page_of(bench, "grid", 2)


def a_run_that_diverges_is_told_and_the_others_go_on(bench):
    bench.data_set()
    # Momentum and decay multiply the weights by about -1000 a step, which no float holds for 30 steps.
    words = ("--set", "optim.name=sgd", "--set", "optim.weight_decay=1", "--sweep", "optim.lr=1e-3,1000", "--methods",
             "optical", "--seeds", 2, "--epochs", 3, "--out", "wild")
    seen = compare(bench, *words, "--json").wants(1, "*", "*2 of 4 runs ended without a result*")
    tame, wild = seen.document()["arms"]
    assert [run["state"] for run in tame["runs"]] == ["done"] * 2 and tame["test_accuracy"]["n"] == 2, tame
    assert [run["state"] for run in wild["runs"]] == ["failed"] * 2 and wild["test_accuracy"]["mean"] is None, wild
    assert all(run["error"] for run in wild["runs"]), wild
    page_of(bench, "wild", 3)
    kept = [bench.path(f"{run['run']}/timing.jsonl").stat().st_mtime_ns for run in wild["runs"]]
    again = compare(bench, *words, "--json").wants(1, "*", "*no result: *so its folder tells*").document()["arms"]
    assert [run["error"] for run in again[1]["runs"]] == [run["error"] for run in wild["runs"]], again[1]
    assert kept == [bench.path(f"{run['run']}/timing.jsonl").stat().st_mtime_ns for run in wild["runs"]], (
        "a run that diverged was trained again")


def a_run_that_drift_ended_is_told_and_not_gone_on_with(bench):
    bench.data_set()
    words = ("--device", "sim:seed=5,tau=50", "--methods", "exact,optical", "--seeds", 1, "--epochs", 6, "--set",
             "probe.every=2", "--set", "probe.stop=0.97", "--out", "gone")
    for kept in (False, True):  # the second time from the folders alone
        exact, optical = compare(bench, *words, "--json").wants(1).document()["arms"]
        assert exact["runs"][0]["state"] == "done", exact
        run = optical["runs"][0]
        assert (run["state"], run["kept"]) == ("failed", kept) and "below probe.stop = 0.97" in run["error"], run
        assert result_of(bench, run["run"])["state"] == "stopped", result_of(bench, run["run"])
        text = bench.path(run["run"]).joinpath("probes.jsonl").read_text()
        probes = [json.loads(line)["correlation"] for line in text.splitlines()]
        assert probes[-1] < 0.97 and all(seen >= 0.97 for seen in probes[:-1]), f"it went on after its stop: {probes}"
        assert "below probe.stop = 0.97" in page_of(bench, "gone", 5)


def ranges_become_values(bench):
    bench.data_set()
    for text, values in (("1..4", "1 2 3 4"), ("0..100:50", "0 50 100"), ("1e-4..1e-1*10", "0.0001 0.001 0.01 0.1"),
                         ("0,1..2,7.5", "0 1 2 7.5")):
        document = compare(bench, "--sweep", f"sim.read_noise={text}", "--methods", "optical", "--dry-run",
                           "--json").wants(0).document()
        assert document["sweeps"][0]["values"] == values.split(), f"{text}: {document['sweeps']}"
    document = compare(bench, "--sweep", "model.hidden=16;16,8", "--methods", "optical", "--dry-run", "--json")
    assert document.wants(0).document()["sweeps"][0]["values"] == ["16", "16,8"], str(document)
    assert not bench.path("runs").exists(), "a dry run wrote"


def impossible_values_are_refused_before_anything_is_trained(bench):
    bench.data_set()
    for text, err in (("sim.read_noise=0,-5", "*'-5'*from -1 to*"), ("sim.noiise=1,2", "*noiise*did you mean 'noise'?*"),
                      ("sim.laser.tau=1,2", "*wanted sim.medium.tau*"), ("encode=binary,trinary", "*trinary*wanted*"),
                      ("sim.readout=phase4,phase9", "*phase9*"), ("exact.seed=1,2", "*the device is sim:*"),
                      ("optim.lr=1e-3,fast", "*fast*"), ("nosuch.key=1,2", "*nosuch.key*"),
                      ("sim.tau=5", "*no sweep*--set*"), ("sim.tau=1,1.0", "*same training*"),
                      ("sim.tau=1..4:0", "*wanted whole numbers*"), ("sim.tau=0..4*2", "*FIRST above 0*"),
                      ("sim.tau=4..1", "*wanted whole numbers*"), ("sim.tau=", "*0 bytes*"), ("=1,2", "*KEY=VALUES*"),
                      ("sim.tau=1..99", "*more than 64*"), ("train.seed=1..3", "*seeds*")):
        compare(bench, "--sweep", text).wants(2, "", err)
    twice = ("--sweep", "sim.tau=1,2")
    compare(bench, *twice, *twice).wants(2, "", "*given twice*")
    compare(bench, *twice, "--sweep", "encode=binary,ternary", "--sweep", "optim.lr=1,2").wants(2, "", "*a grid*")
    compare(bench, *twice, "--methods", "bp").wants(2, "", "*leaves out*")
    compare(bench, "--device", "exact:").wants(2, "", "*DFA exact and DFA optical are the same*")
    compare(bench, "--methods", "bp,dfa").wants(2, "", "*saw 'dfa'*")
    compare(bench, "--set", "train.method=bp").wants(2, "", "*--methods*")
    compare(bench, "--data", "nowhere").wants(4, "", "*nowhere*")
    compare(bench, "--device", "nosuch:").wants(3, "", "*nosuch*")
    assert not bench.path("runs").exists(), "a refused comparison left a folder"


def devices_have_a_section_of_their_own(bench):
    bench.data_set()
    path = bench.path("own.ini")
    path.write_text("[sim]\ntau = 3600\ncamera.bits = 10\n[data]\ndir = data\n[feedback]\ndevice = sim:seed=4\n")
    dry = ("own.ini", "--dry-run", "--json")
    seen = bench.opu("train", *dry).wants(0).document()["config"]["feedback.device"]
    assert seen == "sim:seed=4,tau=3600,bits=10", seen
    words = ("--device", "sim:seed=5", "--set", "sim.tau=60", "--set", "encode=binary")
    seen = bench.opu("train", *dry, *words).wants(0).document()["config"]["feedback.device"]
    assert seen == "sim:seed=5,tau=60,encode=binary", seen
    path.write_text("[data]\ndir = data\n[feedback]\ndevice = exact:\n[sim]\ntau = 3600\n")
    bench.opu("train", *dry).wants(2, "*", "*own.ini:6: sim.tau: the device is exact:*")
    path.write_text("[feedback]\ndevice = sim:\n[sim]\ntua = 3600\n")
    bench.opu("train", *dry).wants(4, "*", "*own.ini:4: *'tua'; did you mean 'tau'?*")


main(
    four_methods_are_told_with_mean_and_deviation,
    one_seed_has_no_deviation,
    ctrl_c_leaves_a_comparison_that_continues_to_the_same_bits,
    folders_of_another_configuration_are_refused,
    sweeps_train_the_device_at_each_value,
    ctrl_c_leaves_a_sweep_whose_finished_runs_are_kept,
    words_and_keys_of_the_configuration_are_swept,
    a_run_that_diverges_is_told_and_the_others_go_on,
    a_run_that_drift_ended_is_told_and_not_gone_on_with,
    ranges_become_values,
    impossible_values_are_refused_before_anything_is_trained,
    devices_have_a_section_of_their_own,
)
