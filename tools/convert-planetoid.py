#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Planetoid's pickles to the arrays that opu reads: convert-planetoid.py FOLDER NAME OUT.

FOLDER holds ind.NAME.{x,y,tx,ty,allx,ally,graph,test.index}. The pickles name NumPy's and SciPy's classes; neither is
needed here, and no other class is made: a file from elsewhere can't run code. Written are the eight arrays that
core/data/graph_data.h tells of.
"""

import array
import collections
import copyreg
import pathlib
import pickle
import struct
import sys

VALIDATE = 500  # nodes after the training ones, by Planetoid's split
CODES = {"f4": "f", "f8": "d", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "b1": "B"}


class Refused(Exception):
    """What is wrong with the files, as a sentence."""


class Dtype:
    def __init__(self, code, *_):
        self.code, self.order = code, "<"

    def __setstate__(self, state):
        self.order = state[1]


class Array:
    """An ndarray: what is pickled of it is shape, dtype, order and bytes."""

    def __setstate__(self, state):
        _, self.shape, dtype, self.fortran, raw = state
        if dtype.code not in CODES:
            raise Refused(f"an array of '{dtype.code}', wanted numbers")
        self.values = array.array(CODES[dtype.code])
        # Python 2's strings are read as Latin-1: a character each byte.
        self.values.frombytes(raw.encode("latin-1") if isinstance(raw, str) else raw)
        if (dtype.order == ">") != (sys.byteorder == "big") and self.values.itemsize > 1:
            self.values.byteswap()

    def row(self, i):
        n, width = self.shape
        return self.values[i::n] if self.fortran else self.values[i * width:(i + 1) * width]


class Csr:
    """A csr_matrix: its attributes are pickled as they are."""

    def shape(self):
        return self.__dict__.get("_shape") or self.__dict__["shape"]

    def row(self, i):
        """Columns and values other than zero, by column."""
        start, end = self.indptr.values[i], self.indptr.values[i + 1]
        pairs = sorted(zip(self.indices.values[start:end], self.data.values[start:end]))
        return [(column, value) for column, value in pairs if value != 0]


KNOWN = {
    "object": object, "list": list, "defaultdict": collections.defaultdict,
    "_reconstructor": copyreg._reconstructor, "_reconstruct": lambda *_: Array(),
    "ndarray": Array, "dtype": Dtype, "csr_matrix": Csr, "encode": lambda text, _: text.encode("latin-1"),
}
MODULES = ("builtins", "__builtin__", "collections", "copyreg", "copy_reg", "numpy", "scipy", "_codecs")


class Reader(pickle.Unpickler):
    def find_class(self, module, name):
        if module.split(".")[0] in MODULES and name in KNOWN:
            return KNOWN[name]
        raise Refused(f"it names {module}.{name}, which no Planetoid file does")


def load(folder, name, part):
    path = folder / f"ind.{name}.{part}"
    try:
        with open(path, "rb") as file:
            return Reader(file, encoding="latin-1").load()
    except OSError as why:
        raise Refused(f"{path}: {why.strerror}") from why
    except Refused as why:
        raise Refused(f"{path}: {why}") from why
    except Exception as why:  # a pickle that is cut or spoilt fails in any of a dozen ways
        raise Refused(f"{path}: no pickle of Planetoid ({why})") from why


def test_nodes(folder, name):
    path = folder / f"ind.{name}.test.index"
    try:
        return [int(line) for line in path.read_text().split()]
    except (OSError, ValueError) as why:
        raise Refused(f"{path}: {why}") from why


def save(folder, name, code, shape, values):
    """Version 1.0, as NumPy writes it."""
    text = f"{{'descr': '{code}', 'fortran_order': False, 'shape': {shape}, }}"
    text += " " * (-(10 + len(text) + 1) % 64) + "\n"
    data = array.array("f" if code == "<f4" else "i", values)
    if sys.byteorder == "big":
        data.byteswap()
    head = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()
    (folder / f"{name}.npy").write_bytes(head + data.tobytes())


def save_list(folder, name, values, code="<i4"):
    save(folder, name, code, f"({len(values)},)", values)


def edges_of(graph, nodes):
    """Both directions and repetitions are one edge; an edge of a node with itself is none."""
    pairs = set()
    for u, others in graph.items():
        for v in others:
            if not (0 <= u < nodes and 0 <= v < nodes):
                raise Refused(f"graph: edge ({u}, {v}), wanted nodes 0 to {nodes - 1}")
            if u != v:
                pairs.add((min(u, v), max(u, v)))
    return sorted(pairs)


def convert(folder, name, out):
    tx, allx, y, ty, ally, graph = (load(folder, name, part) for part in ("tx", "allx", "y", "ty", "ally", "graph"))
    order = test_nodes(folder, name)
    known = ally.shape[0]
    if len(order) != tx.shape()[0] or len(order) != ty.shape[0] or known != allx.shape()[0]:
        raise Refused(f"{name}: {len(order)} test nodes with {tx.shape()[0]} rows and {ty.shape[0]} labels, "
                      f"{allx.shape()[0]} other rows with {known} labels")
    # Test rows come in the order of test.index; nodes that it leaves out have no features and no label.
    nodes = max(known, max(order) + 1)
    source = {i: (allx, ally, i) for i in range(known)}
    source.update({node: (tx, ty, i) for i, node in enumerate(order)})
    starts, columns, values, labels = [0], [], [], []
    for node in range(nodes):
        x, one_hot, i = source.get(node, (None, None, 0))
        for column, value in x.row(i) if x else []:
            columns.append(column)
            values.append(value)
        starts.append(len(columns))
        marks = list(one_hot.row(i)) if one_hot else [0]
        labels.append(marks.index(max(marks)) if max(marks) > 0 else -1)
    pairs = edges_of(graph, nodes)
    train = y.shape[0]
    out.mkdir(parents=True, exist_ok=True)
    save_list(out, "x_indptr", starts)
    save_list(out, "x_indices", columns)
    save_list(out, "x_values", values, "<f4")
    save_list(out, "labels", labels)
    save(out, "edges", "<i4", f"(2, {len(pairs)})", [u for u, _ in pairs] + [v for _, v in pairs])
    save_list(out, "train_idx", range(train))
    save_list(out, "val_idx", range(train, train + VALIDATE))
    save_list(out, "test_idx", sorted(order))
    print(f"{name}: {nodes} nodes, {len(pairs)} edges, {len(columns)} features, {max(labels) + 1} classes")


def main():
    if len(sys.argv) != 4:
        print(__doc__.splitlines()[0], file=sys.stderr)
        return 2
    try:
        convert(pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3]))
    except Refused as why:
        print(f"convert-planetoid.py: {why}", file=sys.stderr)
        return 4
    except (AttributeError, IndexError, OverflowError, TypeError, ValueError) as why:
        print(f"convert-planetoid.py: the files of {sys.argv[2]} are not Planetoid's ({why})", file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main())
