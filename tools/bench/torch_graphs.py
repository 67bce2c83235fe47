# SPDX-License-Identifier: MIT
"""The graph networks of core/models in PyTorch alone, from their definitions: floor and second opinion.

    torch_graphs.py accuracy MODEL SET METHOD [--seeds N] [--first-seed S] [--threads T] [--epochs E]
    torch_graphs.py speed MODEL SET METHOD [--threads T] [--epochs E] [--rounds R | --driven]

MODEL is gcn, cheb, spline, gat, dna or gae; SET cora, citeseer or pubmed; METHOD bp, dfa or shallow. The data lie in
$OPU_DATA_DIR/citation/SET. Features and graph are sparse in all of them.

accuracy prints a JSON line for each seed (test % at the best validation; gae: AUC and AP of the test edges after the
last epoch), then one with mean and deviation. speed times training epochs (forward, backward, Adam; nothing is
evaluated). It warms up with E epochs, then prints one JSON line for R rounds of E epochs: epoch_s is their median.
With --driven it prints `ready` instead and waits: to each line on stdin it answers with the seconds an epoch took in
one more round, until stdin ends; so a benchmark in another process can take turns with it.
"""
import argparse
import json
import math
import os
import statistics
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

# lr, weight decay, dropout of what enters a layer; BP's, then DFA's, which SHALLOW uses too.
SETTINGS = {
    "gcn": {"bp": (0.01, 5e-4, 0.5), "dfa": (0.01, 1e-4, 0.1)},
    "cheb": {"bp": (0.01, 5e-4, 0.5), "dfa": (0.01, 1e-4, 0.0)},
    "spline": {"bp": (0.01, 5e-3, 0.5), "dfa": (0.01, 5e-3, 0.5)},
    "gat": {"bp": (0.005, 5e-4, 0.6), "dfa": (0.005, 1e-4, 0.1)},
    "dna": {"bp": (0.005, 5e-4, 0.8), "dfa": (0.01, 0.0, 0.0)},
    "gae": {"bp": (0.01, 0.0, 0.0), "dfa": (0.01, 0.0, 0.0)},
}
GAT_ATTENTION_DROPOUT = {"bp": (0.6, 0.6), "dfa": (0.6, 0.0)}  # of the first layer and the second
DECAY_ON_FIRST_LAYER_ONLY = ("gcn", "cheb")
ROWS_SUM_TO_ONE = ("gcn", "cheb", "gat", "gae")


def csr(indptr, indices, values, shape):
    """Without the checks that the public constructor makes each time."""
    make = getattr(torch, "_sparse_csr_tensor_unsafe", torch.sparse_csr_tensor)
    return make(indptr, indices, values, shape)


class Sparse:
    """A matrix in CSR beside its transpose. In PyTorch 1.13 COO has a backward of its own, but it takes longer."""

    def __init__(self, rows, columns, values, shape):
        rows, columns = np.asarray(rows, np.int64), np.asarray(columns, np.int64)
        self.shape = shape
        order = np.lexsort((columns, rows))
        self.indptr, self.indices = self.half(rows[order], columns[order], shape[0])
        self.values = torch.from_numpy(np.asarray(values, np.float32)[order])
        perm = np.lexsort((rows[order], columns[order]))
        self.t_indptr, self.t_indices = self.half(columns[order][perm], rows[order][perm], shape[1])
        self.perm = torch.from_numpy(perm)
        self.fixed = self.pair(self.values)

    @staticmethod
    def half(rows, columns, n_rows):
        indptr = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=n_rows))))
        return torch.from_numpy(indptr.astype(np.int32)), torch.from_numpy(columns.astype(np.int32))

    def pair(self, values):
        return (csr(self.indptr, self.indices, values, self.shape),
                csr(self.t_indptr, self.t_indices, values[self.perm], self.shape[::-1]))

    def __matmul__(self, x):
        return Product.apply(x, *self.fixed)

    def dropped_out(self, p, training):
        """The pair with dropout on its values: zeros stay zeros, so it is dropout of the dense matrix."""
        return self.pair(F.dropout(self.values, p)) if training and p > 0 else self.fixed


class Product(torch.autograd.Function):
    """S x for a constant sparse S."""

    @staticmethod
    def forward(ctx, x, s, s_transposed):
        ctx.transposed = s_transposed
        return torch.sparse.mm(s, x)

    @staticmethod
    def backward(ctx, g):
        return torch.sparse.mm(ctx.transposed, g.contiguous()), None, None


class Gather(torch.autograd.Function):
    """Rows of x by index; `back` is the sparse matrix that adds them up again (index_add is several times slower)."""

    @staticmethod
    def forward(ctx, x, index, back):
        ctx.back = back
        return x.index_select(0, index)

    @staticmethod
    def backward(ctx, g):
        return torch.sparse.mm(ctx.back, g.contiguous()), None, None


class AddUp(torch.autograd.Function):
    """Sums of the rows of x that share an index."""

    @staticmethod
    def forward(ctx, x, index, adder):
        ctx.index = index
        return torch.sparse.mm(adder, x)

    @staticmethod
    def backward(ctx, g):
        return g.index_select(0, ctx.index), None, None


class Graph:
    """Directed edges with self loops, sorted by target, and the matrices made of them."""

    def __init__(self, n, edges):
        loops = np.arange(n)
        source = np.concatenate((edges[0], edges[1], loops))
        target = np.concatenate((edges[1], edges[0], loops))
        order = np.lexsort((source, target))
        source, target = source[order], target[order]
        plain = source != target
        degree = np.bincount(target[plain], minlength=n).astype(np.float64)
        self.n, self.n_edges = n, len(source)
        self.source, self.target = torch.from_numpy(source), torch.from_numpy(target)
        scale = 1 / np.sqrt(degree + 1)
        norm = scale[source] * scale[target]
        self.norm = torch.from_numpy(norm.astype(np.float32))
        shape = (n, n)
        self.gcn = Sparse(target, source, norm, shape)
        s, t = source[plain], target[plain]
        self.cheb = Sparse(t, s, -1 / np.sqrt(degree[s] * degree[t]), shape)
        self.mean = Sparse(t, s, 1 / degree[t], shape)
        self.u = torch.from_numpy((degree / degree.max()).astype(np.float32))[:, None]
        ones, each = np.ones(len(source)), np.arange(len(source))
        self.from_sources = Sparse(source, each, ones, (n, len(source))).fixed[0]
        self.to_targets = Sparse(target, each, ones, (n, len(source))).fixed[0]

    def at_sources(self, x):
        return Gather.apply(x, self.source, self.from_sources)

    def at_targets(self, x):
        return Gather.apply(x, self.target, self.to_targets)

    def add_up(self, x):
        return AddUp.apply(x, self.target, self.to_targets)


class Data:
    def __init__(self, name, rows_sum_to_one):
        folder = os.path.join(os.environ.get("OPU_DATA_DIR", "."), "citation", name)

        def load(part):
            return np.load(os.path.join(folder, part + ".npy"))

        indptr, columns, values = load("x_indptr"), load("x_indices"), load("x_values")
        self.n = len(indptr) - 1
        self.n_features = 500 if name == "pubmed" else int(columns.max()) + 1
        rows = np.repeat(np.arange(self.n), np.diff(indptr))
        if rows_sum_to_one:
            sums = np.bincount(rows, weights=values, minlength=self.n)
            values = values / sums[rows]
        self.x = Sparse(rows, columns, values, (self.n, self.n_features))
        self.labels = load("labels").astype(np.int64)
        self.n_classes = int(self.labels.max()) + 1
        self.edges = load("edges").astype(np.int64)
        self.parts = {part: load(part + "_idx").astype(np.int64) for part in ("train", "val", "test")}

    def fold(self, rng):
        """Stratified fifths: the first trains, the second validates, the others test."""
        fold_of = np.full(self.n, -1)
        next_fold = 0
        for label in range(self.n_classes):
            members = rng.permutation(np.flatnonzero(self.labels == label))
            fold_of[members] = (next_fold + np.arange(len(members))) % 5
            next_fold += len(members)
        self.parts = {"train": np.flatnonzero(fold_of == 0), "val": np.flatnonzero(fold_of == 1),
                      "test": np.flatnonzero(fold_of >= 2)}


def uniform(*shape, bound):
    return torch.nn.Parameter((torch.rand(*shape) * 2 - 1) * bound)


def glorot(n_in, n_out, *shape):
    return uniform(*(shape or (n_in, n_out)), bound=math.sqrt(6 / (n_in + n_out)))


def zeros(n):
    return torch.nn.Parameter(torch.zeros(n))


class Net(torch.nn.Module):
    """first() .. are called by forward(tap); tap(h) stands where the feedback enters. above: what lies over the last."""

    def features(self, w, p=0.0):
        """X W, with dropout of X."""
        return Product.apply(w, *self.x.dropped_out(p, self.training))

    def drop(self, x):
        return F.dropout(x, self.dropout, self.training)


class Gcn(Net):
    width = 16

    def __init__(self, x, graph, n_features, n_out, method, dropout):
        super().__init__()
        self.x, self.graph, self.dropout = x, graph, dropout
        self.w1, self.b1 = glorot(n_features, self.width), zeros(self.width)
        self.w2, self.b2 = glorot(self.width, n_out), zeros(n_out)
        self.below = [self.w1, self.b1]

    def forward(self, tap):
        h = tap(F.relu(self.graph.gcn @ self.features(self.w1) + self.b1))
        return self.graph.gcn @ (self.drop(h) @ self.w2) + self.b2


class Gae(Gcn):
    width = 32


class Cheb(Net):
    width = 16

    def __init__(self, x, graph, n_features, n_out, method, dropout):
        super().__init__()
        self.x, self.graph, self.dropout = x, graph, dropout
        self.w1 = torch.nn.Parameter(torch.cat([glorot(n_features, self.width) for _ in range(2)], 1).detach())
        self.w2 = torch.nn.Parameter(torch.cat([glorot(self.width, n_out) for _ in range(2)], 1).detach())
        self.b1, self.b2 = zeros(self.width), zeros(n_out)
        self.below = [self.w1, self.b1]

    def convolve(self, xw, b):
        own, others = xw.chunk(2, 1)
        return own + self.graph.cheb @ others.contiguous() + b

    def forward(self, tap):
        h = tap(F.relu(self.convolve(self.features(self.w1), self.b1)))
        return self.convolve(self.drop(h) @ self.w2, self.b2)


class Spline(Net):
    width = 16

    def __init__(self, x, graph, n_features, n_out, method, dropout):
        super().__init__()
        self.x, self.graph, self.dropout = x, graph, dropout
        bounds = 1 / math.sqrt(2 * n_features), 1 / math.sqrt(2 * self.width)
        self.w1 = uniform(n_features, 3 * self.width, bound=bounds[0])  # of both ends of the spline, and the root's
        self.w2 = uniform(self.width, 3 * n_out, bound=bounds[1])
        self.b1, self.b2 = uniform(self.width, bound=bounds[0]), uniform(n_out, bound=bounds[1])
        self.below = [self.w1, self.b1]

    def convolve(self, xw, b):
        k = xw.shape[1] // 3
        at_zero, at_one = (self.graph.mean @ xw[:, :2 * k].contiguous()).chunk(2, 1)
        return torch.lerp(at_zero, at_one, self.graph.u) + xw[:, 2 * k:] + b

    def forward(self, tap):
        h = tap(F.elu(self.convolve(self.features(self.w1, self.dropout), self.b1)))
        return self.convolve(self.drop(h) @ self.w2, self.b2)


class Gat(Net):
    width, heads = 64, 8

    def __init__(self, x, graph, n_features, n_out, method, dropout):
        super().__init__()
        self.x, self.graph, self.dropout = x, graph, dropout
        self.attention_dropout = GAT_ATTENTION_DROPOUT["bp" if method == "bp" else "dfa"]
        each = self.width // self.heads
        self.w1, self.b1 = glorot(n_features, self.width), zeros(self.width)
        self.a1 = glorot(self.heads, 2 * each, self.heads, 2 * each)
        self.w2, self.b2 = glorot(self.width, n_out), zeros(n_out)
        self.a2 = glorot(1, 2 * n_out, 1, 2 * n_out)
        self.below = [self.w1, self.b1, self.a1]

    def attend(self, h, a, b, p):
        heads, each = a.shape[0], a.shape[1] // 2
        by_head = h.view(-1, heads, each)
        of_target, of_source = ((by_head * part).sum(-1) for part in a.split(each, 1))
        logits = F.leaky_relu(self.graph.at_targets(of_target) + self.graph.at_sources(of_source), 0.2)
        weights = torch.exp(logits - logits.detach().amax(0))
        weights = weights / (self.graph.at_targets(self.graph.add_up(weights)) + 1e-16)
        weights = F.dropout(weights, p, self.training)
        messages = self.graph.at_sources(h).view(-1, heads, each) * weights[:, :, None]
        return self.graph.add_up(messages.view(-1, heads * each)) + b

    def forward(self, tap):
        p1, p2 = self.attention_dropout
        h = tap(F.elu(self.attend(self.features(self.w1, self.dropout), self.a1, self.b1, p1)))
        return self.attend(self.drop(h) @ self.w2, self.a2, self.b2, p2)


class DnaLayer(torch.nn.Module):
    """Attention of a node's last state over all earlier states of each neighbour: query, key and value by groups."""
    width, heads, groups = 128, 8, 16

    def __init__(self, graph, dropout):
        super().__init__()
        self.graph, self.dropout = graph, dropout
        each = self.width // self.groups
        bound = 1 / math.sqrt(each)
        self.w = torch.nn.ParameterList(uniform(self.groups, each, each, bound=bound) for _ in range(3))
        self.b = torch.nn.ParameterList(uniform(self.width, bound=bound) for _ in range(3))

    def linear(self, i, x):
        split = x.reshape(-1, self.groups, self.width // self.groups).transpose(0, 1)
        return torch.bmm(split, self.w[i]).transpose(0, 1).reshape(-1, self.width) + self.b[i]

    def forward(self, history):
        depth, each = history.shape[1], self.width // self.heads
        query = self.graph.at_targets(self.linear(0, history[:, -1]))
        keys, values = (self.graph.at_sources(self.linear(i, history).view(-1, depth * self.width))
                        .view(-1, depth, self.heads, each) for i in (1, 2))
        scores = (query.view(-1, 1, self.heads, each) * keys).sum(-1) / math.sqrt(each)
        # Softmax beside one more score of zero: attention may go nowhere.
        top = scores.detach().amax(1, keepdim=True).clamp(min=0)
        weights = torch.exp(scores - top)
        weights = weights / (weights.sum(1, keepdim=True) + torch.exp(-top))
        weights = F.dropout(weights, self.dropout, self.training)
        messages = (weights[..., None] * values).sum(1).view(-1, self.width)
        return self.graph.add_up(messages * self.graph.norm[:, None])


class Dna(Net):
    width, depth = 128, 5

    def __init__(self, x, graph, n_features, n_out, method, dropout):
        super().__init__()
        self.x, self.graph, self.dropout = x, graph, dropout
        self.w1 = uniform(n_features, self.width, bound=1 / math.sqrt(n_features))
        self.b1 = uniform(self.width, bound=1 / math.sqrt(n_features))
        self.layers = torch.nn.ModuleList(DnaLayer(graph, dropout) for _ in range(self.depth))
        self.w2 = uniform(self.width, n_out, bound=1 / math.sqrt(self.width))
        self.b2 = uniform(n_out, bound=1 / math.sqrt(self.width))
        self.below = [self.w1, self.b1, *self.layers.parameters()]

    def forward(self, tap):
        history = [tap(F.relu(self.features(self.w1) + self.b1))]
        for layer in self.layers:
            history.append(tap(F.relu(layer(torch.stack(history, 1)))))
        return history[-1] @ self.w2 + self.b2


NETS = {"gcn": Gcn, "cheb": Cheb, "spline": Spline, "gat": Gat, "dna": Dna, "gae": Gae}


class Trainer:
    def __init__(self, model, name, method, seed):
        torch.manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        self.model, self.method = model, method
        self.data = Data(name, model in ROWS_SUM_TO_ONE)
        edges = self.data.edges
        if model == "dna":
            self.data.fold(self.rng)
        elif model == "gae":
            edges = self.split_edges()
        self.graph = Graph(self.data.n, edges)
        lr, decay, dropout = SETTINGS[model]["bp" if method == "bp" else "dfa"]
        if model == "gae" and name == "citeseer" and method != "bp":
            lr = 0.02
        n_out = 16 if model == "gae" else self.data.n_classes
        net = NETS[model](self.data.x, self.graph, self.data.n_features, n_out, method, dropout)
        self.net = net
        below = {id(p) for p in net.below}
        if method == "shallow":
            for p in net.below:
                p.requires_grad_(False)
        spared = 0.0 if model in DECAY_ON_FIRST_LAYER_ONLY else decay
        self.optimiser = torch.optim.Adam([
            {"params": [p for p in net.parameters() if id(p) in below], "weight_decay": decay},
            {"params": [p for p in net.parameters() if id(p) not in below], "weight_decay": spared}], lr=lr)
        self.feedback = (torch.rand(n_out, net.width) * 2 - 1) / math.sqrt(net.width)
        self.labels = torch.from_numpy(self.data.labels)
        self.parts = {k: torch.from_numpy(v) for k, v in self.data.parts.items()}

    # The auto-encoder: 10 % of the edges test, 5 % are for validation (unused), as many pairs without an edge.

    def split_edges(self):
        edges = self.data.edges[:, self.rng.permutation(self.data.edges.shape[1])]
        n = edges.shape[1]
        n_test, n_val = int(n * 0.1), int(n * 0.05)
        known = set((edges[0] * self.data.n + edges[1]).tolist())
        missing = []
        while len(missing) < n_test:
            a, b = sorted(self.rng.integers(0, self.data.n, 2).tolist())
            if a != b and a * self.data.n + b not in known:
                known.add(a * self.data.n + b)
                missing.append((a, b))
        self.test_edges = torch.from_numpy(edges[:, :n_test].copy()), torch.tensor(missing).T.contiguous()
        kept = edges[:, n_test + n_val:]
        self.pairs = torch.from_numpy(np.concatenate((kept, kept[::-1]), 1))
        loops = np.arange(self.data.n)
        taken = np.concatenate((self.pairs[0].numpy() * self.data.n + self.pairs[1].numpy(), loops * (self.data.n + 1)))
        self.taken = np.sort(taken)
        return kept

    def missing_pairs(self):
        """As many pairs without an edge as there are directed edges and nodes."""
        want = len(self.taken)
        codes = self.rng.integers(0, self.data.n * self.data.n, want + want // 16)
        at = np.minimum(np.searchsorted(self.taken, codes), want - 1)
        codes = torch.from_numpy(codes[self.taken[at] != codes][:want])
        return torch.stack((torch.div(codes, self.data.n, rounding_mode="floor"), codes % self.data.n))

    @staticmethod
    def decode(z, pairs):
        return (z[pairs[0]] * z[pairs[1]]).sum(1)

    def reconstruction_loss(self, z):
        there, missing = (self.decode(z, pairs) for pairs in (self.pairs, self.missing_pairs()))
        return -(torch.log(torch.sigmoid(there) + 1e-15).mean() + torch.log(1 - torch.sigmoid(missing) + 1e-15).mean())

    def ranking(self):
        """AUC and average precision of the test edges, in %."""
        self.net.eval()
        with torch.no_grad():
            z = self.net(lambda h: h)
            scores = [self.decode(z, pairs).numpy() for pairs in self.test_edges]
        score = np.concatenate(scores)
        truth = np.concatenate([np.ones(len(scores[0])), np.zeros(len(scores[1]))])
        order = np.argsort(-score, kind="stable")
        score, truth = score[order], truth[order]
        last_of_tie = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
        hits = np.cumsum(truth)[last_of_tie]
        misses = last_of_tie + 1 - hits
        auc = np.trapz(np.append(0, hits), np.append(0, misses)) / (hits[-1] * misses[-1])
        ap = np.sum(np.diff(np.append(0, hits)) / hits[-1] * hits / (hits + misses))
        return 100 * auc, 100 * ap

    # One training epoch, whatever the method.

    def epoch(self):
        self.net.train()
        self.optimiser.zero_grad(set_to_none=True)
        taps = []

        def tap(h):
            if self.method == "bp":
                return h
            taps.append(h)
            return h.detach()

        out = self.net(tap)
        if isinstance(self.net, Gae):
            error_at, loss = out, None
            loss = self.reconstruction_loss(out)
        else:
            log_p = F.log_softmax(out, 1)
            # DNA's error is taken behind the log-softmax, as in the paper: the label alone.
            error_at = log_p if isinstance(self.net, Dna) else out
            loss = F.nll_loss(log_p[self.parts["train"]], self.labels[self.parts["train"]])
        if self.method == "dfa":
            error_at.retain_grad()
        loss.backward()
        if self.method == "dfa":
            p = error_at.grad @ self.feedback
            torch.autograd.backward(taps, [p] * len(taps))
        self.optimiser.step()

    def accuracy(self):
        self.net.eval()
        with torch.no_grad():
            right = self.net(lambda h: h).argmax(1) == self.labels
        return tuple(100 * right[self.parts[k]].float().mean().item() for k in ("val", "test"))


def accuracy(options):
    results = []
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        trainer = Trainer(options.model, options.set, options.method, seed)
        gae = options.model == "gae"
        epochs = options.epochs or (250 if not gae else 200 if options.set == "citeseer" else 400)
        every = 5 if options.model == "dna" else 1
        best, spent, start = (-1, 0, 0), 0.0, time.perf_counter()
        for epoch in range(1, epochs + 1):
            begin = time.perf_counter()
            trainer.epoch()
            spent += time.perf_counter() - begin
            if not gae and epoch % every == 0:
                val, test = trainer.accuracy()
                best = max(best, (val, -epoch, test))
            if options.verbose and epoch % 25 == 0:
                print(f"epoch {epoch} best {best} {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        row = {"model": options.model, "set": options.set, "method": options.method, "seed": seed}
        if gae:
            row["auc"], row["ap"] = trainer.ranking()
        else:
            row.update(val=best[0], epoch=-best[1], test=best[2], last=test)
        row["epoch_s"] = spent / epochs
        results.append(row)
        print(json.dumps(row), flush=True)
    sums = {"seeds": len(results)}
    for key in ("auc", "ap", "test", "last"):
        if key in results[0]:
            figures = [row[key] for row in results]
            sums[key] = statistics.mean(figures)
            sums[key + "_std"] = statistics.stdev(figures) if len(figures) > 1 else None
    print(json.dumps(sums), flush=True)


def speed(options):
    trainer = Trainer(options.model, options.set, options.method, options.first_seed)
    epochs = options.epochs or 10

    def one_round():
        start = time.perf_counter()
        for _ in range(epochs):
            trainer.epoch()
        return (time.perf_counter() - start) / epochs

    one_round()
    if options.driven:
        print("ready", flush=True)
        for _ in sys.stdin:
            print(f"{one_round():.9f}", flush=True)
        return
    seconds = [one_round() for _ in range(options.rounds)]
    print(json.dumps({"epoch_s": statistics.median(seconds), "model": options.model, "set": options.set,
                      "method": options.method, "threads": options.threads, "seconds": seconds}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("mode", choices=("accuracy", "speed"))
    parser.add_argument("model", choices=tuple(NETS))
    parser.add_argument("set", choices=("cora", "citeseer", "pubmed"))
    parser.add_argument("method", choices=("bp", "dfa", "shallow"))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--driven", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    {"accuracy": accuracy, "speed": speed}[options.mode](options)


if __name__ == "__main__":
    main()
