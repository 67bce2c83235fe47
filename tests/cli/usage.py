# SPDX-License-Identifier: MIT
"""Wrong and right usage: usage.py OPU. One row a case: words, exit code, globs of stdout and stderr."""

import html.parser
import json
import subprocess

from command import main

COMMANDS = ("devices", "info", "project", "check", "train", "compare", "report", "bench")

# Words; exit code; stdout; stderr.
CASES = (
    ("--version", 0, "opu 0.*GPL*", ""),
    ("--help", 0, "*Commands:*devices*train*Exit codes:*130*", ""),
    ("help", 0, "*Commands:*", ""),
    ("", 2, "", "*Commands:*"),
    ("help train", 0, "opu train -*Examples:*Presets:*fashion-mlp*optim.lr=*", ""),
    ("trian fashion-mlp", 2, "", "opu: unknown command 'trian'; did you mean 'train'?*"),
    ("xyzzy", 2, "", "opu: unknown command 'xyzzy' (*"),
    ("train --mehtod bp", 2, "", "opu train: unknown option '--mehtod'; did you mean '--method'?*"),
    ("train --qqqqqq", 2, "", "opu train: unknown option '--qqqqqq' (*"),
    ("train -x", 2, "", "opu train: unknown option '-x'*"),
    ("train fashion-mlp --method xx", 2, "", "*--method: saw 'xx', wanted one of bp|dfa|shallow*"),
    ("train fashion-mlp --epochs -1", 2, "", "*--epochs: saw '-1', wanted a whole number from 1 to*"),
    ("train fashion-mlp --epochs 1e9", 2, "", "*--epochs: saw '1e9'*"),
    ("train fashion-mlp --epochs", 2, "", "*--epochs wants a value*"),
    ("train fashion-mlp --target 86", 2, "", "*--target: saw '86', wanted a number from 0 to 1*"),
    ("train fashion-mlp --dry-run=yes", 2, "", "*--dry-run takes no value*"),
    ("train fashion-mpl", 2, "", "*no preset 'fashion-mpl'; did you mean 'fashion-mlp'?*"),
    ("train", 2, "", "*PRESET*missing*"),
    ("train --resume", 2, "", "*which run?*"),
    ("train none.ini", 4, "", "*none.ini*"),
    ("train fashion-mlp --set lr=1", 2, "", "*--set: *no option 'lr'; did you mean 'optim.lr'?*"),
    ("train fashion-mlp --set optim.lrr=1", 2, "", "*'optim.lrr'; did you mean 'optim.lr'?*"),
    ("train fashion-mlp --set optim.weights=1", 2, "", "*no option 'optim.weights'; it has optim.name, optim.lr, *"),
    ("train fashion-mlp --set optim.lr", 2, "", "*--set: saw 'optim.lr', wanted KEY=VALUE*"),
    ("train fashion-mlp --set optim.lr=fast", 2, "", "*optim.lr*fast*"),
    ("train one two", 2, "", "*unexpected argument 'two'*"),
    ("train --list", 0, "fashion-mlp *\n", ""),
    ("train fashion-mlp --set sim.taau=1", 2, "", "*--set: sim: has no option 'taau'; did you mean 'tau'?*"),
    ("train fashion-mlp --device exact: --set sim.tau=1", 2, "", "*sim.tau: the device is exact:, wanted sim:*"),
    ("compare", 2, "", "*PRESET*missing*"),
    ("compare fashion-mpl", 2, "", "*no preset 'fashion-mpl'; did you mean 'fashion-mlp'?*"),
    ("compare fashion-mlp --seeds 0", 2, "", "*--seeds: saw '0'*"),
    ("compare fashion-mlp --sweeep x=1", 2, "", "*did you mean '--sweep'?*"),
    ("info", 2, "", "*URI is missing*"),
    ("info exact: --n-in 4", 2, "", "*--n-in and --n-out go together*"),
    ("info exact: --n-in=4 --n-out=6", 0, "*identity*Projection:*Options of exact:*seed*", ""),
    ("info sim: --n-in 16 --n-out 32", 0, "*frame rate*frames a row*exposures*Options of sim:*", ""),
    ("info exact:", 0, "*Options of exact:*Keys of every URI*encode=*readout=*variance=1*saturation=1e-6*pilot=0*", ""),
    ("project --help", 0, "*Keys of every URI*encode=*readout=*variance=1*saturation=1e-6*pilot=0*", ""),
    ("--man", 0, "*.SS opu project*Keys of every URI*.B pilot=0*.SH DEVICES*", ""),
    ("info smi:", 3, "", "*smi*"),
    ("info sim:xyzzy=1", 2, "", "*no option 'xyzzy'; it has encode, readout, rescale, variance, saturation, pilot, seed, *"),
    ("info sim:sed=1", 2, "", "*sed*seed*"),
    ("info sim:seed=x", 2, "", "*seed*x*"),
    ("info sim:bits=99", 2, "", "*bits*99*"),
    ("info sim:readout=phase5", 2, "", '*readout*"phase5"*'),
    ("info sim:encode=bitplanes:99", 2, "", '*encode*"bitplanes:99"*'),
    ("info exact:of=sim:encode=trinary", 2, "", '*encode*"trinary"*'),
    ("project exact: --in . --out y.npy --n-out 4", 4, "", "*.: is a directory, wanted a file*"),
    ("info nocolon", 3, "", "*nocolon*"),
    ("devices", 0, "*sim:*exact:*null:*", ""),
    ("devices more", 2, "", "*unexpected argument 'more'*"),
    ("report", 2, "", "*DIR is missing*"),
    ("report nowhere", 4, "", "*nowhere*No such file*"),
    ("project exact: --in x.npy --n-out 4", 2, "", "*--out FILE is missing*"),
    ("project exact: --in none.npy --out y.npy --n-out 4", 4, "", "*none.npy*"),
    ("check exact: --n-in 100", 2, "", "*--n-in*100*power of two*"),
    ("check exact: --n-in 32 --n-out 256", 0, "*linearity error*PASS*rate here*", ""),
    ("check null: --n-in 32 --n-out 64", 5, "*linearity error*FAIL*", "*"),
    ("check sim:readout=intensity --n-in 32 --n-out 256 --group projection", 0, "*intensity*repeated answer*PASS*", ""),
    ("check sim:readout=anchor,seed=26 --seed 1 --group projection", 0, "*saturated pixels*PASS*", ""),
    ("check sim:seed=30 --n-in 16 --n-out 64 --group projection", 0, "*saturated pixels*PASS*", ""),
    ("check sim:readout=intensity,seed=4 --seed 4 --n-in 64 --n-out 256 --group projection", 0,
     "*saturated pixels*PASS*", ""),
    ("check sim:saturation=0.01 --group projection", 5, "*saturated pixels*FAIL*", ""),
    ("check sim: --n-in 64 --n-out 256 --group matrix --seed 7", 0,
     "*seed 7\n*matrix\n*Marchenko-Pastur*PASS*largest singular*PASS*smallest singular*PASS*", ""),
    ("check sim: --n-in 64 --group speckle", 0, "*contrast*PASS*exp(-I/I0)*PASS*grain*PASS*Airy*PASS*", ""),
    ("check sim: --n-in 64 --n-out 256 --group media", 0, "*A3 slab: energy*A4 cascade: adjoint*M2 *T7 *T9 *M5 *", "*"),
    ("check sim:medium=ground-glass --n-in 64 --n-out 256 --group matrix", 5,
     "*distance from Marchenko-Pastur*FAIL*rows failed*", "*"),
    ("check sim:readout=phase3 --n-in 64 --n-out 256 --group projection", 0, "*phase3*signal to noise*PASS*", ""),
    ("check sim:readout=offaxis --n-in 64 --n-out 256 --group projection", 0, "*offaxis*signal to noise*PASS*", ""),
    ("check exact: --n-in 32 --n-out 64 --group nothing", 2, "", "*--group: saw 'nothing'*wanted projection, matrix,*"),
    ("check exact: --report .", 1, "", "*.: is a folder, wanted a file*"),
    ("check exact: --n-in 32 --n-out 64 --report no/such/folder.html", 1, "", "*folder.html: can't be written: *"),
    ("info sim:", 0, "*\n camera\n*read_noise=-1 *(e-, -1 to 1000000;*source: sim/camera/camera.c)*", ""),
    ("check nosuch:", 3, "", "*nosuch*"),
)


def every_case_ends_as_documented(bench):
    wrong = []
    for words, code, out, err in CASES:
        try:
            bench.opu(*words.split()).wants(code, out, err)
        except AssertionError as why:
            wrong.append(str(why))
    assert not wrong, "\n\n".join(wrong)


def failures_with_json_are_one_document(bench):
    for words, code, _, _ in CASES:
        if code in (0, 5) or words == "":
            continue
        seen = bench.opu(*words.split(), "--json").wants(code)
        error = seen.document()["error"]
        assert error["status"].startswith("OPU_E_") and error["message"], str(seen)
        assert error["message"] in seen.err, f"stderr does not tell the same\n{seen}"


def results_with_json_are_one_document(bench):
    for words in ("devices", "info exact:", "info sim: --n-in 16 --n-out 32", "train --list", "--version",
                  "check exact: --n-in 32 --n-out 256", "check sim: --n-in 64 --n-out 256 --group projection"):
        document = bench.opu(*words.split(), "--json").wants(0).document()
        assert document["command"], json.dumps(document)


def every_command_has_help_with_examples(bench):
    for name in COMMANDS:
        by_option = bench.opu(name, "--help").wants(0, f"opu {name} - *Usage: opu {name}*Examples:*opu {name}*", "")
        by_command = bench.opu("help", name).wants(0)
        assert by_option.out == by_command.out, f"opu {name} --help and opu help {name} differ"
        long = [line for line in by_option.out.splitlines() if len(line) > 100]
        assert not long, f"lines over 100 columns: {long}"


def options_without_a_default_are_told(bench):
    text = bench.opu("info", "exact:").wants(0, "*\n  of= *").out + bench.opu("--man").wants(0).out
    assert "(null)" not in text, "a missing default is printed as (null)"
    document = bench.opu("info", "exact:", "--json").wants(0).document()
    assert {"seed", "of"} <= {option["key"] for option in document["options"]}, document["options"]


def every_device_option_is_told_with_its_group_range_and_source(bench):
    page = bench.opu("--man").wants(0).out.replace("\\-", "-")
    text = " ".join(bench.opu("info", "sim:").wants(0).out.split())
    for option in bench.opu("info", "sim:", "--json").wants(0).document()["options"]:
        term = f"{option['key']}={option['default']}"
        entry = page.split(f".B {term}\n", 1)[-1].split("\n", 1)[0]
        assert term in text and option["help"] in entry, f"{term} is not documented: {entry}"
        assert option["group"] and f".I {option['group']}\n" in page, f"{term} has no group"
        for fact in ("unit", "range", "source"):
            assert not option[fact] or option[fact] in entry, f"{term}: its {fact} is not told: {entry}"


def check_writes_one_page_without_outside_references(bench):
    seen = bench.opu("check", "sim:", "--n-in", "64", "--n-out", "256", "--group", "speckle", "--report", "page.html")
    seen.wants(0, "*report page.html*", "")
    page = bench.path("page.html").read_text()
    assert "http" not in page and page.count('src="') == page.count('src="data:image/png;base64,') == 1, "references"
    for words in ("exp(-I / I0)", "Autocorrelation", "badge pass", "sim:gaussian", "Goodman", "samples"):
        assert words in page, f"the report lacks {words!r}"
    assert page.count("<svg") == page.count("</svg>") == 2, "the report has other than two curves"
    again = bench.opu("check", "sim:", "--n-in", "64", "--n-out", "256", "--group", "speckle", "--json").document()
    curves = [row["curve"] for row in again["rows"] if "curve" in row]
    assert len(curves) == 2 and all(len(c["x"]) == len(c["measured"]) == len(c["expected"]) for c in curves)
    assert again["seed"] == 1 and again["failed"] == 0, again["failed"]
    assert not list(bench.folder.glob("*.tmp")), "a draft was left behind"


class Page(html.parser.HTMLParser):
    """Cells of all tables; every element must be closed in its turn."""
    EMPTY = ("meta", "img", "link", "br", "hr", "input", "line", "circle", "path", "rect", "polyline")

    def __init__(self, text):
        super().__init__()
        self.open, self.cells = [], []
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        if tag in ("td", "th"):
            self.cells.append("")
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.EMPTY:
            assert self.open and self.open[-1] == tag, f"</{tag}> in {self.open}"
            self.open.pop()

    def handle_data(self, data):
        if self.open and ("td" in self.open or "th" in self.open):
            self.cells[-1] += data


def check_holds_every_readout_against_its_formula(bench):
    words = ("check", "sim:", "--n-in", "64", "--n-out", "256", "--group", "read-out", "--report", "noise.html", "--json")
    document = bench.opu(*words).wants(0).document()
    names = [f"noise of {readout}, {share}" for readout in ("phase4", "phase3", "anchor", "offaxis")
             for share in ("all mirrors", "some of the mirrors")]
    rows = [row for row in document["rows"] if row["name"] in names]
    assert len(rows) == 4 * 4, f"all mirrors and three draws of each read-out, not {len(rows)} rows"
    assert len({row["drawn"] for row in rows}) > 2, "nothing was drawn"
    page = Page(bench.path("noise.html").read_text())
    for row in rows:
        assert abs(row["value"] - 1) <= 0.03 and row["samples"] > 0, row
        assert row["formula"].startswith("Var"), row
    for name in names:
        assert any(name in cell for cell in page.cells), f"the report lacks {name!r}"


def check_says_the_same_twice(bench):
    words = ("check", "sim:", "--n-in", "32", "--n-out", "128", "--group", "speckle", "--seed", "5")
    assert bench.opu(*words).out == bench.opu(*words).out, "the same seed gave other figures"


def options_may_stand_anywhere(bench):
    bench.opu("--json", "info", "--n-in", "4", "exact:", "--n-out=6").wants(0).document()
    bench.opu("info", "--", "exact:").wants(0)
    bench.opu("-vv", "--threads", "1", "info", "exact:").wants(0)


def logs_go_to_stderr_as_asked(bench):
    quiet = bench.opu("info", "sim:", "--n-in", "16", "--n-out", "32").wants(0, "*", "")
    loud = bench.opu("info", "sim:", "--n-in", "16", "--n-out", "32", "-v").wants(0, "*", "*calibrate*")
    assert quiet.out == loud.out, "talk changed the result"
    bench.opu("info", "sim:", "--n-in", "16", "--n-out", "32", env={"OPU_LOG": "info"}).wants(0, "*", "*calibrate*")
    bench.opu("info", "sim:", "--n-in", "16", "--n-out", "32", env={"OPU_LOG": "calibrate:info"}).wants(
        0, "*", "*calibrate*")
    bench.opu("info", "sim:", "--n-in", "16", "--n-out", "32", env={"OPU_LOG": "calibrate:error"}).wants(0, "*", "")
    bench.opu("info", "exact:", env={"OPU_LOG": "loud"}).wants(0, "*", "*OPU_LOG*'loud'*")


def threads_wait_politely_whatever_the_command_is_called(bench):
    """The command starts itself again once; the loader, which grumbles at every start, tells how often."""
    environment = {k: v for k, v in bench.environment.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    for extra, starts in (({}, 2), ({"GOMP_SPINCOUNT": "1"}, 1), ({"OMP_WAIT_POLICY": "passive"}, 1)):
        for name in ("opu", "", "/no/such/opu"):
            done = subprocess.run([name, "--version"], executable=bench.binary, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, check=False,
                                  env={**environment, **extra, "LD_PRELOAD": "/no/such.so"})
            assert done.returncode == 0 and done.stdout.startswith("opu 0"), f"{extra} '{name}': {done}"
            assert done.stderr.count("/no/such.so") == starts, f"{extra} '{name}': wanted {starts} starts: {done}"
    environment["LD_PRELOAD"] = "/no/vgpreload_core.so"
    valgrind = subprocess.run([bench.binary, "--version"], env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False)
    assert valgrind.stderr.count("vgpreload") == 1, f"started itself again under valgrind\n{valgrind}"


def output_that_cannot_be_written_is_a_failure(bench):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([bench.binary, "info", "sim:"], stdout=full, stderr=subprocess.PIPE, text=True,
                              env=bench.environment, check=False)
    assert done.returncode == 1 and "standard output" in done.stderr, f"{done.returncode}: {done.stderr}"


def man_page_and_completion_name_every_command_and_option(bench):
    page = bench.opu("--man").wants(0).out.replace("\\-", "-")
    script = bench.opu("--completion", "bash").wants(0).out
    for name in COMMANDS:
        assert f".SS opu {name}" in page, f"the man page lacks {name}"
        assert f"    {name})" in script, f"the completion lacks {name}"
        for line in bench.opu(name, "--help").out.splitlines():
            if line.startswith("  --"):
                option = line.split()[0]
                assert option in page and option in script, f"{name} {option} is not documented"


def completion_completes(bench):
    bench.path("opu.bash").write_text(bench.opu("--completion", "bash").out)
    for words, wanted in ((["opu", "tr"], "train"), (["opu", "train", "--me"], "--method"),
                          (["opu", "train", "--method", "d"], "dfa"), (["opu", "check", "ex"], "exact:")):
        script = (f". ./opu.bash; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _opu; "
                  'echo "${COMPREPLY[@]}"')
        seen = subprocess.run(["bash", "-c", script], cwd=bench.folder, stdout=subprocess.PIPE, text=True,
                              check=True).stdout.split()
        assert wanted in seen, f"{words}: completed to {seen}, wanted {wanted}"


main(
    every_case_ends_as_documented,
    failures_with_json_are_one_document,
    results_with_json_are_one_document,
    every_command_has_help_with_examples,
    options_without_a_default_are_told,
    every_device_option_is_told_with_its_group_range_and_source,
    check_writes_one_page_without_outside_references,
    check_holds_every_readout_against_its_formula,
    check_says_the_same_twice,
    options_may_stand_anywhere,
    logs_go_to_stderr_as_asked,
    threads_wait_politely_whatever_the_command_is_called,
    output_that_cannot_be_written_is_a_failure,
    man_page_and_completion_name_every_command_and_option,
    completion_completes,
)
