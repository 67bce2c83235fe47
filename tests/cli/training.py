# SPDX-License-Identifier: MIT
"""opu train: results, run folders, interruption, resumption, disks that are full: training.py OPU."""

import html.parser
import json
import re
import resource
import signal
import time

from command import main

SMALL = ("--data", "data", "--set", "model.hidden=32,24", "--set", "train.batch=64", "--set", "optim.lr=2e-3",
         "--set", "optim.schedule=constant")
SIM = ("--device", "sim:seed=5,tau=50")  # noise and drift: the hardest case to resume


def train(bench, *words, **options):
    return bench.opu("train", "fashion-mlp", *SMALL, *words, **options)


def lines_of(bench, run, name="metrics.jsonl"):
    return [json.loads(line) for line in bench.path(run).joinpath(name).read_text().splitlines()]


def metrics_of(bench, run):
    return bench.path(run).joinpath("metrics.jsonl").read_bytes()


def start_and_wait(bench, run, lines, *words):
    """Starts a training and returns it once its metrics have that many lines and there is a checkpoint."""
    process = bench.start("train", "fashion-mlp", *SMALL, "--out", run, *words)
    metrics, checkpoint = bench.path(run) / "metrics.jsonl", bench.path(run) / "checkpoint.safetensors"
    deadline = time.monotonic() + 200
    while not (metrics.exists() and metrics.read_text().count("\n") >= lines and checkpoint.exists()):
        assert process.poll() is None, f"ended early: {process.communicate()}"
        assert time.monotonic() < deadline, "no epoch was finished in 200 s"
        time.sleep(0.01)
    return process


def each_method_learns_and_tells_one_document(bench):
    bench.data_set()
    for method, device in (("bp", ""), ("dfa", "exact:"), ("dfa", "sim:"), ("shallow", "")):
        words = ("--method", method, "--epochs", 8, "--seed", 2, "--out", f"{method}{device}")
        words += ("--device", device) if device else ()
        document = train(bench, *words, "--json").wants(0).document()
        for key in ("schema", "command", "preset", "method", "device", "seed", "epochs", "metrics", "rows_per_second",
                    "seconds", "optical", "identity", "run"):
            assert key in document, f"{method}: no {key} in {document}"
        assert (document["preset"], document["method"], document["seed"], document["epochs"]) == (
            "fashion-mlp", method, 2, 8), document
        assert document["device"] == device, document
        # Ten classes of bars: chance is 0.1; a network that learns at all is far above.
        assert document["metrics"]["test_accuracy"] > 0.5, document["metrics"]
        frames = document["optical"]["frames"]
        assert (frames > 0) == (device == "sim:"), f"{method} {device}: {frames} frames"
        taps = document["metrics"]["alignment"]
        assert (len(taps) == 2) == (method == "dfa"), f"{method}: alignment {taps}"
        assert all(set(tap) == {"tap", "mean", "std"} for tap in taps), taps
        result = json.loads(bench.path(document["run"]).joinpath("result.json").read_text())
        assert result["metrics"] == document["metrics"] and result["state"] == "done", result


def same_seed_gives_the_same_metrics(bench):
    bench.data_set()
    for run, words in (("a", ()), ("b", ()), ("c", ("--threads", 1)), ("d", ("--seed", 9))):
        train(bench, *SIM, "--epochs", 2, "--out", run, *words).wants(0)
    assert metrics_of(bench, "a") == metrics_of(bench, "b"), "two runs of a seed differ"
    assert metrics_of(bench, "a") != metrics_of(bench, "d"), "the seed changes nothing"
    seen = [(a["test_accuracy"], b["test_accuracy"]) for a, b in zip(lines_of(bench, "a"), lines_of(bench, "c"))]
    # The matrix products may round otherwise with one thread: accuracy moves by a few of 200 rows at most.
    assert all(abs(a - b) <= 0.05 for a, b in seen), f"one thread learns something else: {seen}"


def ctrl_c_leaves_a_run_that_resumes_to_the_same_bits(bench):
    bench.data_set()
    epochs = 40
    train(bench, *SIM, "--epochs", epochs, "--out", "whole").wants(0)
    for number, run in ((signal.SIGINT, "int"), (signal.SIGTERM, "term")):
        process = start_and_wait(bench, run, 3, *SIM, "--epochs", epochs)
        process.send_signal(number)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 130, f"exit code {process.returncode}, wanted 130\n{out}\n{err}"
        assert out == "" and f"opu train --resume {run}" in err, f"does not say how to go on\n{err}"
        assert len(lines_of(bench, run)) < epochs + 1, "it ran to its end"
        assert json.loads(bench.path(run).joinpath("result.json").read_text())["state"] == "interrupted"
        bench.opu("train", "--resume", run).wants(0, "fashion-mlp: dfa over sim:*")
        assert metrics_of(bench, run) == metrics_of(bench, "whole"), "the resumed run is not the whole one"


def interruption_with_json_is_one_document(bench):
    bench.data_set()
    process = start_and_wait(bench, "run", 2, "--device", "exact:", "--epochs", 400, "--json")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, f"exit code {process.returncode}\n{err}"
    assert json.loads(out)["error"]["status"] == "OPU_E_CANCELLED", out


def kill_leaves_a_run_that_resumes_to_the_same_bits(bench):
    bench.data_set()
    epochs = 40
    train(bench, *SIM, "--epochs", epochs, "--out", "whole", "--set", "checkpoint.every=3").wants(0)
    process = start_and_wait(bench, "killed", 6, *SIM, "--epochs", epochs, "--set", "checkpoint.every=3")
    process.kill()
    process.communicate()
    assert len(lines_of(bench, "killed")) < epochs + 1, "it ran to its end"
    train(bench, "--resume", "--out", "killed").wants(0)
    assert metrics_of(bench, "killed") == metrics_of(bench, "whole"), "the resumed run is not the whole one"


def full_disk_keeps_the_old_checkpoint(bench):
    bench.data_set()
    epochs = 30
    train(bench, *SIM, "--epochs", epochs, "--out", "whole").wants(0)
    process = start_and_wait(bench, "full", 2, *SIM, "--epochs", epochs)
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 130, f"exit code {process.returncode}, wanted 130"
    checkpoint = bench.path("full") / "checkpoint.safetensors"
    before = checkpoint.read_bytes()
    limit = len(before) // 2

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    bench.opu("train", "--resume", "full", preexec_fn=small_files).wants(
        1, "", "*checkpoint.safetensors*too large*")
    assert checkpoint.read_bytes() == before, "the old checkpoint was touched"
    assert not list(bench.path("full").glob("*.tmp")), "a draft was left behind"
    bench.opu("train", "--resume", "full").wants(0)
    assert metrics_of(bench, "full") == metrics_of(bench, "whole"), "the resumed run is not the whole one"


def folders_are_not_overwritten_unasked(bench):
    bench.data_set()
    words = ("--method", "shallow", "--epochs", 1)
    for name in ("", "-2", "-3"):
        train(bench, *words).wants(0, f"*runs/fashion-mlp-shallow-seed1{name}\n*")
    kept = metrics_of(bench, "runs/fashion-mlp-shallow-seed1")
    train(bench, *words, "--out", "runs/fashion-mlp-shallow-seed1").wants(2, "", "*already holds a run*--resume*")
    assert metrics_of(bench, "runs/fashion-mlp-shallow-seed1") == kept, "a refused run changed the folder"
    again = (*words, "--seed", 4, "--out", "runs/fashion-mlp-shallow-seed1", "--overwrite")
    train(bench, *again, "--data", "nowhere").wants(4, "", "*nowhere*")
    assert metrics_of(bench, "runs/fashion-mlp-shallow-seed1") == kept, "a slip cost the older run"
    train(bench, *again).wants(0)
    assert metrics_of(bench, "runs/fashion-mlp-shallow-seed1") != kept, "--overwrite left the old run"


def what_cannot_be_resumed_is_said(bench):
    bench.data_set()
    bench.opu("train", "--resume", "nowhere/run").wants(4, "", "*nowhere/run*")
    train(bench, *SIM, "--epochs", 1, "--out", "run").wants(0)
    checkpoint = bench.path("run") / "checkpoint.safetensors"
    good = checkpoint.read_bytes()
    for words, codes, err in ((("--device", "sim:seed=6"), (3, 4), "*"),
                              (("--set", "model.hidden=32,20"), (4,), "*checkpoint.safetensors*"),
                              (("--seed", 7), (4,), "*train.seed*")):
        seen = bench.opu("train", "--resume", "run", "--epochs", 2, *words)
        assert seen.code in codes, f"wanted exit code {codes}\n{seen}"
        seen.wants(seen.code, "", err)
    for broken in (good[:100], good[:-1000], b"\xff" * 8 + good[8:], good[:8] + b"}" + good[9:], b""):
        checkpoint.write_bytes(broken)
        bench.opu("train", "--resume", "run", "--epochs", 2).wants(4, "", "*checkpoint.safetensors*")
    checkpoint.write_bytes(good)
    for name in ("metrics.jsonl", "timing.jsonl"):
        log = bench.path("run") / name
        kept = log.read_bytes()
        log.unlink()
        bench.opu("train", "--resume", "run", "--epochs", 2).wants(4, "", f"*run/{name}: is gone, it had*")
        log.write_bytes(kept)
    bench.opu("train", "--resume", "run", "--epochs", 2).wants(0)
    assert len(lines_of(bench, "run")) == 3, "epochs 0, 1 and 2 were wanted"


def a_dry_resumption_looks_at_the_checkpoint_and_writes_nothing(bench):
    bench.data_set()
    train(bench, *SIM, "--epochs", 1, "--out", "run").wants(0)
    kept = {path.name: path.read_bytes() for path in bench.path("run").iterdir()}
    bench.opu("train", "--resume", "run", "--epochs", 2, "--dry-run").wants(
        0, "*epochs = 2*", "*checkpoint*go on after 1 whole epochs in run*")
    seen = bench.opu("train", "--resume", "run", "--dry-run", "--json").wants(0).document()
    assert (seen["dry_run"], seen["epochs_done"]) == (True, 1), seen
    bench.opu("train", "--resume", "run", "--epochs", 2, "--seed", 7, "--dry-run").wants(4, "*", "*train.seed*")
    bench.opu("train", "--resume", "run", "--device", "sim:seed=6,tau=50", "--dry-run").wants(3, "*", "*matrix*")
    assert kept == {path.name: path.read_bytes() for path in bench.path("run").iterdir()}, "a dry run wrote"
    (bench.path("run") / "checkpoint.safetensors").write_bytes(kept["checkpoint.safetensors"][:-1000])
    bench.opu("train", "--resume", "run", "--dry-run").wants(4, "*", "*checkpoint.safetensors*")


def drift_is_warned_of_and_told_in_the_end(bench):
    bench.data_set()
    words = ("--device", "sim:seed=5,tau=50", "--epochs", 6, "--set", "probe.every=2")
    seen = train(bench, *words, "--out", "run").wants(
        0, "*drift * probes, lowest correlation 0.*calibrations again*", "*probe.warn = 0.98*")
    probes = lines_of(bench, "run", "probes.jsonl")
    low = [False] + [probe["correlation"] < 0.98 for probe in probes]
    crossings = sum(now and not before for before, now in zip(low, low[1:]))
    assert seen.err.count("matrix drifts") == crossings > 0, f"{crossings} crossings of probe.warn\n{seen}"
    document = train(bench, *words, "--out", "twin", "--json").wants(0).document()["drift"]
    assert document["probes"] == len(probes) > 5, document
    assert document["correlation_lowest"] == min(probe["correlation"] for probe in probes), document
    assert document["recalibrations"] == sum(probe["recalibrated"] for probe in probes), document
    assert lines_of(bench, "twin", "probes.jsonl") == probes, "two runs of a seed differ"


def drift_is_drawn_with_its_bounds_and_calibrations(bench):
    bench.data_set()
    words = ("--epochs", 6, "--set", "probe.every=2", "--set", "probe.warn=0.97")
    train(bench, "--device", "sim:seed=5,tau=50", *words, "--out", "run").wants(0)
    probes = lines_of(bench, "run", "probes.jsonl")
    again = [probe["correlation"] for probe in probes if probe["recalibrated"]]
    text = bench.path("run/report.html").read_text()
    plot = re.search(r"<svg[^>]*Drift.*?</figcaption>", text, re.DOTALL)
    assert plot and again, f"no plot, or nothing to show\n{probes}"
    seen = [tuple(map(float, point)) for point in
            re.findall(r"<title>correlation, device time in s ([\d.]+): ([\d.]+)</title>", plot[0])]
    # Hover titles have four digits.
    wanted = [(probe["device_s"], probe["correlation"]) for probe in probes]
    assert len(seen) == len(wanted) and all(
        abs(a - b) <= 6e-4 * b for one, other in zip(seen, wanted) for a, b in zip(one, other)), (seen, wanted)
    marks = [float(mark) for mark in re.findall(r"<title>calibrated again[^:]*: ([\d.]+)", plot[0])]
    assert len(marks) == len(again) and all(abs(a - b) <= 6e-4 for a, b in zip(marks, again)), (marks, again)
    assert plot[0].count("dashed\" points") == 2, "wanted probe.warn and probe.recalibrate, as probe.stop is 0"
    assert f"{len(probes)} probes, calibrated again after {len(again)} of them. probe.warn = 0.97. " \
        "probe.recalibrate = 0.95.</figcaption>" in plot[0], plot[0][-400:]
    # A device that keeps no time: the probes are counted.
    train(bench, "--device", "exact:", *words, "--out", "exact").wants(0)
    counted = re.findall(r"correlation, probe (\d+): 1<", bench.path("exact/report.html").read_text())
    assert counted == [str(i + 1) for i in range(30)], counted  # 10 steps an epoch
    train(bench, "--device", "exact:", "--epochs", 1, "--out", "none").wants(0)
    assert "Drift" not in bench.path("none/report.html").read_text(), "a plot of probes that were not made"


def drift_below_the_bound_ends_a_run_that_can_be_resumed(bench):
    bench.data_set()
    words = ("--device", "sim:seed=5,tau=50", "--epochs", 6, "--set", "probe.every=2")
    train(bench, *words, "--out", "run", "--set", "probe.stop=0.97").wants(
        3, "", "*has drifted: correlation 0.9*below probe.stop = 0.97, at * s of device time*(tau about *")
    result = json.loads(bench.path("run").joinpath("result.json").read_text())
    assert result["state"] == "stopped" and result["error"]["status"] == "OPU_E_DEVICE", result
    assert "below probe.stop = 0.97" in result["error"]["message"], result["error"]
    assert result["drift"]["correlation"] < 0.97 and result["epochs_done"] < 6, result
    page = bench.path("run/report.html")
    for _ in range(2):  # as opu train left it, and as opu report writes it
        assert "stopped by the drift" in page.read_text() and "below probe.stop = 0.97" in page.read_text()
        page.unlink()
        bench.opu("report", "run").wants(0)
    bench.opu("train", "--resume", "run", "--set", "probe.stop=0").wants(0)
    result = json.loads(bench.path("run").joinpath("result.json").read_text())
    assert result["state"] == "done" and "error" not in result, result
    assert "not done" not in page.read_text(), "the page of a run that is done tells of its stop"
    train(bench, *words, "--out", "whole").wants(0)
    assert metrics_of(bench, "run") == metrics_of(bench, "whole"), "the resumed run is not the whole one"


def bad_data_is_refused_with_a_sentence(bench):
    folder = bench.data_set()
    images, labels = folder / "train-images-idx3-ubyte.gz", folder / "train-labels-idx1-ubyte.gz"
    for path in (images, labels):
        good = path.read_bytes()
        for broken in (good[: len(good) // 2], b"", b"plain text, no gzip", good[:-8] + bytes(8)):
            path.write_bytes(broken)
            train(bench, "--out", "run").wants(4, "", f"*{path.name}*")
        path.write_bytes(good)
    labels.unlink()
    train(bench, "--out", "run").wants(4, "", f"*{labels.name}*")
    bench.opu("train", "fashion-mlp", "--data", "nowhere", "--out", "run").wants(4, "", "*nowhere*")
    assert not bench.path("run").joinpath("checkpoint.safetensors").exists(), "a refused run left a checkpoint"


def wrong_devices_end_with_the_devices_code(bench):
    bench.data_set()
    train(bench, "--device", "nosuch:", "--out", "run").wants(3, "", "*nosuch*")
    train(bench, "--device", "sim:sed=1", "--out", "run").wants(2, "", "*sed*")


def target_decides_the_exit_code(bench):
    bench.data_set()
    train(bench, "--method", "bp", "--epochs", 3, "--out", "a", "--target", "0.3").wants(0)
    seen = train(bench, "--method", "bp", "--epochs", 1, "--out", "b", "--target", "1", "--set", "optim.lr=1e-6")
    seen.wants(5, "*test accuracy*", "*below the target*")
    train(bench, "--method", "bp", "--epochs", 1, "--out", "c", "--target", "1", "--set", "optim.lr=1e-6",
          "--json").wants(5).document()


def dry_run_writes_nothing(bench):
    bench.data_set()
    seen = train(bench, *SIM, "--dry-run").wants(0, "*[[]optim]*lr = 0.002*", "*parameters*runs/fashion-mlp*")
    assert not bench.path("runs").exists(), "a folder was made"
    bench.path("again.ini").write_text(seen.out)
    document = bench.opu("train", "again.ini", "--dry-run", "--json").wants(0).document()
    assert document["config"]["model.hidden"] == "32,24" and document["parameters"] > 0, document


def configuration_files_are_read_and_refused(bench):
    bench.data_set()
    path = bench.path("own.ini")
    path.write_text("# mine\n[model]\nhidden = 16\n[train]\nmethod = bp\nepochs = 1\n[data]\ndir = data\n")
    bench.opu("train", "own.ini").wants(0, "own: bp, seed 1, 1 epochs*runs/own-bp-seed1*")
    for text, err in (("[model]\nhiden = 16\n", "*hiden*"), ("[model\n", "*"), ("hidden = 16\n", "*hidden*"),
                      ("[optim]\nlr = fast\n", "*fast*"), ("[optim]\nlr\n", "*")):
        path.write_text(text)
        seen = bench.opu("train", "own.ini")
        assert seen.code in (2, 4), f"wanted exit code 2 or 4\n{seen}"
        seen.wants(seen.code, "", err)


def benchmark_prints_whole_rates_and_the_rest_with_two_decimals(bench):
    bench.data_set()
    environment = {"OPU_DATA_DIR": str(bench.path("data"))}
    words = ("bench", "train", "--rounds", 1, "--steps", 1)
    seen = bench.opu(*words, env=environment).wants(0)
    rows = re.findall(r"^  (.{52}) +(\S+) (rows/s|x|MB) ", seen.out, re.MULTILINE)
    assert {unit for _, _, unit in rows} == {"rows/s", "x", "MB"}, str(seen)
    for name, value, unit in rows:
        assert re.fullmatch(r"\d+" if unit == "rows/s" else r"\d+\.\d\d", value), f"{name}: {value} {unit}\n{seen}"


class Page(html.parser.HTMLParser):
    """Collects tags and attributes, and complains about a tag that is not closed."""

    EMPTY = {"meta", "img", "br"}

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.links = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.links += [value for key, value in attrs if key in ("src", "href", "xlink:href") and value]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"


def numbers_beyond_reason_do_not_hang_a_report(bench):
    bench.data_set()
    train(bench, *SIM, "--epochs", 1, "--out", "run").wants(0)
    # One step further is the same number; sums and spans overflow; what is no object, and no JSON.
    for number in ("1e300", "9e15", "-1.7e308", "4e-320"):
        row = ",".join(f'"{key}":{number}' for key in ("epoch", "test_loss", "test_accuracy", "device_s", "correlation"))
        lines = f'{{{row}}}\n[]\n7\n{{{row},"recalibrated":true}}\n'
        for name in ("metrics.jsonl", "probes.jsonl", "timing.jsonl"):
            bench.path("run").joinpath(name).write_text(lines + "no JSON")
        bench.opu("report", "run").wants(0)
        assert bench.path("run/report.html").stat().st_size < 200_000, f"{number} swells the page"


def report_is_one_page_without_a_network(bench):
    bench.data_set()
    train(bench, *SIM, "--epochs", 2, "--out", "run & <b>").wants(0)
    path = bench.path("run & <b>") / "report.html"
    text = path.read_text()
    page = Page()
    page.feed(text)
    assert not page.open, f"left open: {page.open}"
    assert page.seen.count("svg") == 5 and page.seen.count("img") == 1, "wanted 5 plots and a picture"
    assert all(link.startswith("data:image/png;base64,") for link in page.links), "a link leads out of the page"
    assert not re.search(r"https?://|url\(|@import|<script", text), "the page asks for something from outside"
    for word in ("test accuracy", "layers.0", "camera frames", "optim", "--device", "run &amp; &lt;b&gt;"):
        assert word in text, f"the page lacks {word!r}"
    assert "nan" not in re.sub(r"base64,[^\"]*", "", text).lower().replace("finance", ""), "a NaN is shown"
    path.unlink()
    bench.opu("report", "run & <b>").wants(0, "run & <b>/report.html\n", "")
    assert path.read_text() == text, "opu report writes another page than opu train"
    train(bench, "--method", "bp", "--epochs", 1, "--out", "bp").wants(0)
    bench.opu("report", "bp", "--json").wants(0).document()


main(
    each_method_learns_and_tells_one_document,
    same_seed_gives_the_same_metrics,
    ctrl_c_leaves_a_run_that_resumes_to_the_same_bits,
    interruption_with_json_is_one_document,
    kill_leaves_a_run_that_resumes_to_the_same_bits,
    full_disk_keeps_the_old_checkpoint,
    folders_are_not_overwritten_unasked,
    what_cannot_be_resumed_is_said,
    a_dry_resumption_looks_at_the_checkpoint_and_writes_nothing,
    drift_is_warned_of_and_told_in_the_end,
    drift_is_drawn_with_its_bounds_and_calibrations,
    drift_below_the_bound_ends_a_run_that_can_be_resumed,
    bad_data_is_refused_with_a_sentence,
    wrong_devices_end_with_the_devices_code,
    target_decides_the_exit_code,
    dry_run_writes_nothing,
    configuration_files_are_read_and_refused,
    benchmark_prints_whole_rates_and_the_rest_with_two_decimals,
    numbers_beyond_reason_do_not_hang_a_report,
    report_is_one_page_without_a_network,
)
