# SPDX-License-Identifier: MIT
"""The library's t-SNE and scores beside scikit-learn's, on Cora: embedding.py LIBOPU [DATA_DIR].

Perplexity 20, and both let 3 * 20 neighbours attract a point. Trustworthiness of the two pictures at 5
neighbours differs by at most 0.01 (or ours is above), for the rows of words, each divided by its sum, and for 16
hidden units of an untrained graph convolution. Scores agree to 1e-4. Needs Debian's python3-sklearn.
"""

import ctypes
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "build"))

from tap import Skip, Tap

try:
    import numpy as np
    import scipy.sparse as sp
    from sklearn.manifold import TSNE, trustworthiness
    from sklearn.neighbors import NearestNeighbors
except ImportError as missing:
    np, MISSING = None, str(missing)

PERPLEXITY, NEIGHBOURS, LABELLED = 20.0, 5, 10
# two descents of one picture differ by about half of this from seed to seed
BAR = 0.01


class Points(ctypes.Structure):
    _fields_ = [("values", ctypes.c_void_p)] + [(name, ctypes.c_size_t) for name in ("n", "d", "stride")]

    def __init__(self, array):
        self.array = np.ascontiguousarray(array, np.float32)
        super().__init__(self.array.ctypes.data, *self.array.shape, 0)


class Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("perplexity", ctypes.c_double), ("learning_rate", ctypes.c_double),
                ("iterations", ctypes.c_uint64), ("exaggeration", ctypes.c_double),
                ("exaggerated", ctypes.c_uint64), ("neighbours", ctypes.c_size_t), ("init", ctypes.c_int),
                ("seed", ctypes.c_uint64)]


class Result(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("n", ctypes.c_size_t), ("iterations", ctypes.c_uint64),
                ("divergence", ctypes.c_double), ("learning_rate", ctypes.c_double),
                ("neighbours", ctypes.c_size_t), ("pairs", ctypes.c_uint64),
                ("perplexity_least", ctypes.c_double), ("perplexity_most", ctypes.c_double)]


class Library:
    def __init__(self, path):
        self.c = ctypes.CDLL(path)
        self.c.opu_error_message.restype = ctypes.c_char_p
        self.context = ctypes.c_void_p()
        self.check(self.c.opu_context_create(ctypes.byref(self.context), None))

    def check(self, status):
        assert status == 0, self.c.opu_error_message().decode()

    def tsne(self, array, **options):
        points, tsne = Points(array), ctypes.c_void_p()
        how = Options(size=ctypes.sizeof(Options), **options)
        self.check(self.c.opu_tsne_create(ctypes.byref(tsne), self.context, ctypes.byref(points), ctypes.byref(how)))
        self.check(self.c.opu_tsne_run(tsne, None, None))
        picture = np.empty((points.n, 2), np.float32)
        self.c.opu_tsne_positions(tsne, picture.ctypes.data_as(ctypes.c_void_p))
        result = Result(size=ctypes.sizeof(Result))
        self.check(self.c.opu_tsne_result(tsne, ctypes.byref(result)))
        self.c.opu_tsne_destroy(tsne)
        return picture, result

    def trustworthiness(self, original, picture, neighbours):
        score = ctypes.c_double()
        a, b = Points(original), Points(picture)
        self.check(self.c.opu_embed_trustworthiness(self.context, ctypes.byref(a), ctypes.byref(b),
                                                    ctypes.c_size_t(neighbours), ctypes.byref(score)))
        return score.value

    def purity(self, array, labels, neighbours):
        score, points = ctypes.c_double(), Points(array)
        labels = np.ascontiguousarray(labels, np.int32)
        self.check(self.c.opu_embed_purity(self.context, ctypes.byref(points), labels.ctypes.data_as(ctypes.c_void_p),
                                           ctypes.c_size_t(neighbours), ctypes.byref(score)))
        return score.value


def purity(picture, labels, neighbours):
    near = NearestNeighbors(n_neighbors=neighbours).fit(picture).kneighbors(return_distance=False)
    return np.mean(labels[near] == labels[:, None])


def load(folder):
    """Words of each paper, rows summing to 1; 16 hidden units of GCN with seeded weights; labels."""
    parts = {name: np.load(folder / f"{name}.npy") for name in ("x_indptr", "x_indices", "x_values", "edges", "labels")}
    n = len(parts["x_indptr"]) - 1
    words = sp.csr_matrix((parts["x_values"], parts["x_indices"], parts["x_indptr"]))
    words = sp.diags(1.0 / np.maximum(np.asarray(words.sum(1)).ravel(), 1e-9)) @ words
    edges = parts["edges"].reshape(2, -1) if parts["edges"].shape[0] == 2 else parts["edges"].T
    links = sp.coo_matrix((np.ones(edges.shape[1]), edges), (n, n)).tocsr()
    links = ((links + links.T + sp.eye(n)) > 0).astype(float)
    scale = sp.diags(1.0 / np.sqrt(np.asarray(links.sum(1)).ravel()))
    hidden = scale @ links @ scale @ (words @ np.random.default_rng(1).normal(size=(words.shape[1], 16)))
    return words.toarray(), np.maximum(hidden, 0), parts["labels"].ravel()


def pictures_are_as_trustworthy(library, points, labels, iterations):
    if np is None:
        raise Skip(MISSING)
    start = time.process_time()
    ours, result = library.tsne(points, perplexity=PERPLEXITY, iterations=iterations, seed=1,
                                neighbours=int(3 * PERPLEXITY))
    middle = time.process_time()
    theirs = TSNE(perplexity=PERPLEXITY, learning_rate="auto", init="pca", n_iter=iterations, random_state=1)
    picture = theirs.fit_transform(points.astype(np.float32))
    end = time.process_time()
    scores = [trustworthiness(points, p, n_neighbors=NEIGHBOURS) for p in (ours, picture)]
    own = [library.trustworthiness(points, p, NEIGHBOURS) for p in (ours, picture)]
    pure = [purity(p, labels, LABELLED) for p in (ours, picture)]
    print(f"# {points.shape[1]} columns: trustworthiness {own[0]:.4f}, scikit-learn's picture {own[1]:.4f}; "
          f"purity {pure[0]:.4f}, {pure[1]:.4f}; divergence {result.divergence:.4f}, {theirs.kl_divergence_:.4f}; "
          f"cpu {middle - start:.1f} s, {end - middle:.1f} s; perplexity reached {result.perplexity_least:.6f} "
          f"to {result.perplexity_most:.6f}")
    assert abs(own[0] - own[1]) <= BAR or own[0] > own[1], f"trustworthiness {own[0]}, scikit-learn's {own[1]}"
    # Equal distances, which both settle as they like, and theirs are in double: 1e-4 in trustworthiness
    for ours_by, theirs_by in zip(own, scores):
        assert abs(ours_by - theirs_by) < 1e-4, f"scored {ours_by}, by scikit-learn {theirs_by}"
    for shown, score in zip((ours, picture), pure):
        assert abs(library.purity(shown, labels, LABELLED) - score) < 1e-4, f"purity, by scikit-learn {score}"


def main():
    tap = Tap()
    data = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else os.environ.get("OPU_DATA_DIR", "")) / "citation" / "cora"
    if np is None or not data.is_dir():
        def skipped():
            raise Skip(MISSING if np is None else f"no {data}")
        tap.test("pictures of Cora are as trustworthy as scikit-learn's", skipped)
        tap.done()
        return
    library = Library(sys.argv[1])
    words, hidden, labels = load(data)
    tap.test("pictures of Cora's hidden units are as trustworthy as scikit-learn's", pictures_are_as_trustworthy,
             library, hidden, labels, 1000)
    tap.test("pictures of Cora's words are as trustworthy as scikit-learn's", pictures_are_as_trustworthy,
             library, words, labels, 1000)
    tap.done()


main()
