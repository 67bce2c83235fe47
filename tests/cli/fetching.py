# SPDX-License-Identifier: MIT
"""tools/get-data: data sets from a mirror, converted and checked: fetching.py OPU."""

import gzip
import os
import pathlib
import pickle
import random
import shutil
import subprocess
import sys
import types

from command import Result, Skip, main

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools" / "get-data"
ARRAYS = ("x_indptr", "x_indices", "x_values", "labels", "edges", "train_idx", "val_idx", "test_idx")


def get(bench, *words, mirror="mirror", **env):
    environment = {**bench.environment, "OPU_DATA_MIRROR": f"file://{bench.path(mirror)}",
                   "XDG_DATA_HOME": str(bench.path("home")), **env}
    done = subprocess.run([TOOL, *words], cwd=bench.folder, env=environment, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False, timeout=50)
    return Result(["get-data", *words], done.returncode, done.stdout, done.stderr)


def kept(bench, name):
    folder = bench.path("home") / "opu" / name
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def real_data(name):
    folder = pathlib.Path(os.environ.get("OPU_DATA_DIR", "/nowhere")) / "citation" / name
    if not folder.exists():
        raise Skip(f"no citation/{name} in OPU_DATA_DIR")
    return folder


def matrix_class():
    """A class that is pickled under the name that SciPy's had when Planetoid's files were made."""
    for module in ("scipy", "scipy.sparse", "scipy.sparse.csr"):
        sys.modules[module] = types.ModuleType(module)
    made = type("csr_matrix", (), {"__module__": "scipy.sparse.csr"})
    sys.modules["scipy.sparse.csr"].csr_matrix = made
    return made


def pickled(folder, name, out):
    """The arrays as Planetoid's files: test rows in another order, both directions, a loop and a repetition."""
    try:
        import numpy as np
    except ImportError as why:
        raise Skip("no numpy") from why
    csr_matrix = matrix_class()
    a = {key: np.load(folder / f"{key}.npy") for key in ARRAYS}
    n, test = len(a["labels"]), a["test_idx"]
    known, order = int(test.min()), list(test)
    random.Random(1).shuffle(order)
    one_hot = np.zeros((n, a["labels"].max() + 1), np.int32)
    one_hot[a["labels"] >= 0, a["labels"][a["labels"] >= 0]] = 1

    def rows(nodes):
        matrix = csr_matrix()
        parts = [slice(a["x_indptr"][i], a["x_indptr"][i + 1]) for i in nodes]
        # Columns backwards: SciPy does not promise an order.
        matrix.indices = np.concatenate([a["x_indices"][part][::-1] for part in parts])
        matrix.data = np.concatenate([a["x_values"][part][::-1] for part in parts]).astype(">f8")
        matrix.indptr = np.cumsum([0] + [part.stop - part.start for part in parts]).astype(np.int32)
        matrix._shape = (len(nodes), int(a["x_indices"].max()) + 1)
        return matrix

    graph = {i: [] for i in range(n)}
    for u, v in a["edges"].T.tolist():
        graph[u].append(v)
        graph[v].append(u)
    graph[3].append(3)
    graph[0].append(graph[0][0])
    train = range(len(a["train_idx"]))
    parts = {"x": rows(train), "tx": rows(order), "allx": rows(range(known)), "y": one_hot[train],
             "ty": np.asfortranarray(one_hot[order]), "ally": one_hot[:known], "graph": graph}
    out.mkdir(parents=True)
    for protocol, (part, value) in enumerate(parts.items()):
        (out / f"ind.{name}.{part}").write_bytes(pickle.dumps(value, protocol % 3))
    (out / f"ind.{name}.test.index").write_text("".join(f"{i}\n" for i in order))


def pickles_become_the_very_arrays_they_hold(bench):
    for name in ("cora", "citeseer"):  # citeseer has nodes in no file
        source = real_data(name)
        pickled(source, name, bench.path("mirror") / name)
        get(bench, name).wants(0, out=f"*home/opu/{name}\n", err="*get-data: *")
        for key in ARRAYS:
            made = (bench.path("home") / "opu" / name / f"{key}.npy").read_bytes()
            assert made == (source / f"{key}.npy").read_bytes(), f"{name}: {key}.npy differs"
        assert len(kept(bench, name)) == len(ARRAYS), kept(bench, name)


def another_graph_than_the_published_one_is_refused(bench):
    source = real_data("cora")
    pickled(source, "cora", bench.path("mirror") / "cora")
    path = bench.path("mirror") / "cora" / "ind.cora.graph"
    graph = pickle.loads(path.read_bytes())
    graph[0].append(2000)
    path.write_bytes(pickle.dumps(graph))
    get(bench, "cora").wants(4, out="", err="*edges.npy of cora has the SHA-256 sum *nothing was kept*")
    assert not kept(bench, "cora")


class Trap:
    def __reduce__(self):
        return os.mkdir, ("trap",)


def a_pickle_that_would_run_code_is_refused(bench):
    folder = bench.path("mirror") / "cora"
    folder.mkdir(parents=True)
    for part in ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index"):
        (folder / f"ind.cora.{part}").write_bytes(pickle.dumps(Trap()))
    get(bench, "cora").wants(4, out="", err="*ind.cora.tx: it names posix.mkdir, which no Planetoid file does\n")
    assert not list(bench.folder.rglob("trap")) and not kept(bench, "cora")


def a_cut_pickle_is_refused(bench):
    folder = bench.path("mirror") / "cora"
    folder.mkdir(parents=True)
    for part in ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index"):
        (folder / f"ind.cora.{part}").write_bytes(pickle.dumps({"a": [1, 2]})[:-4])
    get(bench, "cora").wants(4, out="", err="*ind.cora.tx: no pickle of Planetoid*")
    for part in ("x", "tx", "allx", "y", "ty", "ally", "graph"):
        (folder / f"ind.cora.{part}").write_bytes(pickle.dumps({"a": [1, 2]}))
    (folder / "ind.cora.test.index").write_text("5\n4\n")
    get(bench, "cora").wants(4, out="", err="*the files of cora are not Planetoid's*")


def pictures_other_than_published_are_refused(bench):
    bench.path("mirror").mkdir()
    bench.data_set("mirror/fashion-mnist")
    get(bench, "fashion-mnist").wants(4, out="", err="*train-images-idx3-ubyte.gz of fashion-mnist has *")
    assert not kept(bench, "fashion-mnist")


def a_folder_may_be_named(bench):
    source = pathlib.Path("/usr/share/datasets/fashion-mnist")
    if not source.exists():
        raise Skip("no dataset-fashion-mnist")
    # Packed by another gzip: what counts is what is in it.
    target = bench.path("mirror") / "fashion-mnist"
    shutil.copytree(source, target)
    labels = target / "t10k-labels-idx1-ubyte.gz"
    labels.write_bytes(gzip.compress(gzip.decompress(labels.read_bytes()), 1))
    get(bench, "fashion-mnist", "here").wants(0, out="here\n")
    assert len(list(bench.path("here").iterdir())) == 4, list(bench.path("here").iterdir())


def without_a_network_the_way_by_hand_is_told(bench):
    get(bench, "pubmed", mirror="nothing").wants(
        1, out="", err="*is there a network?*OPU_DATA_MIRROR=file://FOLDER tools/get-data pubmed\n")
    assert not kept(bench, "pubmed")


def without_python_the_need_of_it_is_told(bench):
    bench.path("bin").mkdir()
    for tool in ("sh", "awk", "cat", "cp", "cut", "dirname", "gzip", "mkdir", "mktemp", "mv", "rm", "sha256sum"):
        (bench.path("bin") / tool).symlink_to(shutil.which(tool))
    get(bench, "citeseer", PATH=str(bench.path("bin"))).wants(1, out="", err="*python3 *is needed to convert them\n")


def an_unknown_set_is_wrong_usage(bench):
    get(bench, "hats").wants(2, out="", err="usage: tools/get-data SET*")
    get(bench).wants(2, out="", err="usage: *")
    get(bench, "--help").wants(0, out="usage: *pubmed*", err="")


main(
    pickles_become_the_very_arrays_they_hold,
    another_graph_than_the_published_one_is_refused,
    a_pickle_that_would_run_code_is_refused,
    a_cut_pickle_is_refused,
    pictures_other_than_published_are_refused,
    a_folder_may_be_named,
    without_a_network_the_way_by_hand_is_told,
    without_python_the_need_of_it_is_told,
    an_unknown_set_is_wrong_usage,
)
