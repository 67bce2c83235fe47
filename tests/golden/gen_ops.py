#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes ops.safetensors beside this file: small compositions of the graph's operations in PyTorch (double precision,
stored as float32), for nn_ops_golden.c. Needs Debian's python3-torch: /usr/bin/python3 gen_ops.py. Run by hand; the
result is committed. Dropout is not here: PyTorch draws by another generator.

For each case: CASE.NAME of every parameter, constant and index; CASE.out, CASE.loss, CASE.error (the loss's gradient
with respect to its operand, or to CASE.at where that is named), CASE.grad.NAME of every parameter."""
import math
import os

import torch
import torch.nn.functional as F

from gen_mlp import write

CLASSES = 4


class Case:
    """Tensors of one case: parameters drawn by param(), everything else put in by keep()."""

    def __init__(self, name):
        self.name, self.params, self.out = name, {}, {}

    def param(self, name, *shape):
        # rounded to float first: the values are floats, the arithmetic is double
        value = torch.randn(*shape).double().requires_grad_()
        self.params[name] = value
        self.out[name] = value.detach().clone()
        return value

    def keep(self, name, value):
        self.out[name] = value.clone()
        return value

    def finish(self, loss, result, at):
        at.retain_grad()
        loss.backward()
        self.out.update(out=result.detach(), loss=loss.detach().reshape(1), error=at.grad.clone())
        for name, value in self.params.items():
            self.out[f"grad.{name}"] = value.grad.clone()
        return {f"{self.name}.{key}": value for key, value in self.out.items()}

    def classify(self, result):
        """Cross-entropy on the result's rows."""
        result = result * 1.0
        result.retain_grad()
        labels = self.keep("labels", torch.randint(0, result.shape[1], (result.shape[0], 1)).int())
        return self.finish(F.cross_entropy(result, labels.long().flatten()), result, result)


def maps(case):
    x = case.param("x", 5, 3)
    return case.classify(torch.cat([F.elu(x), F.leaky_relu(x, 0.2), torch.sigmoid(x), -2.0 * x + 0.5], 1))


def attention(case):
    """2 sentences of 3 tokens, 2 heads of 4; a causal mask."""
    q, k, v = (case.param(name, 6, 8) for name in "qkv")
    mask = torch.triu(torch.full((3, 3), -30.0).double(), 1)
    case.keep("mask", mask.repeat(1, 2))
    split = lambda t: t.reshape(2, 3, 2, 4).transpose(1, 2)
    weights = torch.softmax(split(q) @ split(k).transpose(2, 3) / math.sqrt(4) + mask, 3)
    return case.classify((weights @ split(v)).transpose(1, 2).reshape(6, 8))


def grouped(case):
    """A linear layer in 3 groups, a weight for each group in the columns."""
    x, w = case.param("x", 5, 6), case.param("w", 2, 9)
    parts = [x[:, 2 * g:2 * g + 2] @ w[:, 3 * g:3 * g + 3] for g in range(3)]
    return case.classify(torch.cat(parts, 1))


def spare(case):
    """Softmax that may attend to nothing, in 2 groups of 3."""
    x = case.param("x", 5, 6)
    y = x.reshape(5, 2, 3)
    shift = y.max(2, keepdim=True)[0].clamp(min=0)
    e = torch.exp(y - shift)
    return case.classify((e / (e.sum(2, keepdim=True) + torch.exp(-shift))).reshape(5, 6))


def broadcast(case):
    a, heads, bias, place = case.param("a", 6, 8), case.param("heads", 6, 2), case.param("bias", 8), case.param("place", 3, 8)
    y = a * heads.repeat_interleave(4, 1) + bias
    return case.classify(y * place.repeat(2, 1) + a * a)


def sums(case):
    """Slices, sums within groups of columns and over neighbouring rows, reshape."""
    x = case.param("x", 6, 8)
    columns = x[:, 2:8].reshape(6, 3, 2).sum(2)
    rows = x.reshape(3, 2, 8).sum(1)
    return case.classify(torch.cat([columns.reshape(3, 6), rows], 1))


def machine(case):
    """A factorisation machine: 4 fields of an embedding of 3."""
    table = case.param("table", 7, 3)
    index = case.keep("index", torch.randint(0, 7, (5, 4)).int())
    target = case.keep("target", torch.rand(5, 1).double().float().double())
    e = table[index.long()]
    logits = 0.5 * (e.sum(1) ** 2 - (e ** 2).sum(1)).sum(1, keepdim=True)
    logits.retain_grad()
    return case.finish(F.binary_cross_entropy_with_logits(logits, target), logits, logits)


def pattern(case, rows, columns):
    """A sparse pattern by rows; row 2 is empty."""
    here = torch.rand(rows, columns) < 0.45
    here[2] = False
    pairs = here.nonzero()
    start = torch.zeros(rows + 1).int()
    start[1:] = here.sum(1).cumsum(0)
    case.keep("start", start)
    case.keep("index", pairs[:, 1].int())
    return pairs[:, 0], pairs[:, 1]


def products(case):
    """A matrix with values of its own, and its transpose."""
    to, source = pattern(case, 6, 5)
    values = case.keep("values", torch.randn(len(to)).double())
    dense = torch.zeros(6, 5).double()
    dense[to, source] = values
    return case.classify(dense @ (case.param("x", 5, 4) + dense.T @ case.param("z", 6, 4)))


def attending(case):
    """A layer of graph attention: 2 heads of 3."""
    to, source = pattern(case, 6, 6)
    h, a, b = case.param("h", 6, 6), case.param("a", 1, 6), case.param("b", 1, 6)
    score = lambda w: (h * w).reshape(6, 2, 3).sum(2)
    e = F.leaky_relu(score(a)[to] + score(b)[source], 0.2)
    top = torch.exp(e)
    alpha = top / torch.zeros(6, 2).double().index_add(0, to, top)[to]
    messages = alpha.repeat_interleave(3, 1) * h[source]
    return case.classify(torch.zeros(6, 6).double().index_add(0, to, messages))


def scatter(case):
    x = case.param("x", 7, CLASSES)
    index = case.keep("index", torch.randint(0, 4, (7, 1)).int())
    return case.classify(torch.zeros(4, CLASSES).double().index_add(0, index.long().flatten(), x))


def masked(case):
    """Cross-entropy on some rows, weighed."""
    x = case.param("x", 6, CLASSES) * 1.0
    x.retain_grad()
    labels = case.keep("labels", torch.randint(0, CLASSES, (6, 1)).int())
    mask = case.keep("mask", torch.tensor([1.0, 0, 2, 0, 1, 0]).double().reshape(6, 1))
    each = F.cross_entropy(x, labels.long().flatten(), reduction="none")
    return case.finish((each * mask.flatten()).sum() / mask.sum(), x, x)


def likelihood(case):
    """log-softmax and NLL on some rows: the error is that of the log-probabilities."""
    x = F.log_softmax(case.param("x", 6, CLASSES), 1)
    labels = case.keep("labels", torch.randint(0, CLASSES, (6, 1)).int())
    mask = case.keep("mask", torch.tensor([0, 1.0, 1, 0, 1, 1]).double().reshape(6, 1))
    picked = F.nll_loss(x, labels.long().flatten(), reduction="none")
    return case.finish((picked * mask.flatten()).sum() / mask.sum(), x, x)


def decoder(case):
    """Inner products of pairs of embeddings; the error is that of the embeddings."""
    z = case.param("x", 6, 3) @ case.param("w", 3, 3)
    i, j = (case.keep(name, torch.randint(0, 6, (8, 1)).int()).long().flatten() for name in ("from", "to"))
    target = case.keep("target", (torch.arange(8) % 2).double().reshape(8, 1))
    logits = (z[i] * z[j]).sum(1, keepdim=True)
    return case.finish(F.binary_cross_entropy_with_logits(logits, target), logits, z)


CASES = [maps, attention, grouped, spare, broadcast, sums, machine, products, attending, scatter, masked, likelihood,
         decoder]


def main():
    torch.manual_seed(11)
    tensors = {}
    for make in CASES:
        tensors.update(make(Case(make.__name__)))
    here = os.path.dirname(os.path.abspath(__file__))
    write(os.path.join(here, "ops.safetensors"), tensors, {"torch": torch.__version__})


if __name__ == "__main__":
    main()
