#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes models.safetensors beside this file: the models of graphs in PyTorch (double precision, stored as float32),
from their definitions and on dense matrices, for nn_models_golden.c. Needs Debian's python3-torch: /usr/bin/python3
gen_models.py. Run by hand; the result is committed. Dropout is off: PyTorch draws by another generator.

start, index: the adjacency by rows; x_start, x_index, x_value: the features; labels, mask of nodes; pair, target, weight
of pairs. For each model: MODEL.NAME of every parameter, MODEL.out, MODEL.loss, MODEL.error (the loss's gradient where
the error is taken), MODEL.grad.NAME by back-propagation; MODEL.tap.I, what each tap is fed, and MODEL.dfa.NAME, the
gradients then, where nothing crosses a tap."""
import math
import os

import torch
import torch.nn.functional as F

from gen_mlp import write

NODES, INPUTS, CLASSES, WIDTH, EMBEDDED, HEADS, GROUPS = 9, 7, 4, 8, 3, 2, 4
LAYERS = 3  # of dna, behind the first


def graph():
    """Node 8 has no edge."""
    a = torch.rand(NODES, NODES) < 0.4
    a = torch.triu(a, 1)
    a = a | a.T
    a[8], a[:, 8] = False, False
    return a.double()


def by_rows(matrix):
    here = matrix != 0
    start = torch.zeros(len(matrix) + 1).int()
    start[1:] = here.sum(1).cumsum(0)
    return start, here.nonzero()[:, 1].int()


class Net:
    """One model with its parameters, run twice: with taps that pass gradients, and with taps that cut them."""

    def __init__(self, data):
        self.data, self.params, self.fed, self.cut = data, {}, {}, False

    def param(self, name, *shape):
        if name not in self.params:
            # rounded to float first: the values are floats, the arithmetic is double
            self.params[name] = (0.5 * torch.randn(*shape)).double().requires_grad_()
        return self.params[name]

    def tap(self, x):
        if not self.cut:
            return x
        feedback = self.fed.setdefault(self.n_taps, (0.1 * torch.randn(*x.shape)).double())
        self.n_taps += 1
        self.below = self.below + (x * feedback).sum()
        return x.detach()

    def run(self, forward, cut):
        self.cut, self.below, self.n_taps = cut, 0.0, 0
        for p in self.params.values():
            p.grad = None
        result, at, loss = forward(self)
        at.retain_grad()
        (loss + self.below).backward()
        return result.detach(), at.grad.clone(), loss.detach()

    def nodes(self, result, fn):
        each = fn(result, self.data["labels"].long().flatten(), reduction="none")
        mask = self.data["mask"].flatten()
        return result, result, (each * mask).sum() / mask.sum()


def normalised(data):
    total = data["x"].sum(1, keepdim=True)
    return data["x"] / torch.where(total > 0, total, torch.ones_like(total))


def gcn_matrix(data):
    a = data["a"] + torch.eye(NODES).double()
    d = a.sum(1) ** -0.5
    return d[:, None] * a * d[None]


def two_layers(net, layer, x, fn, widths):
    x = net.tap(fn(layer("conv1", x, *widths[0])))
    return layer("conv2", x, *widths[1])


def gcn_layer(net):
    s = gcn_matrix(net.data)
    return lambda name, x, n_in, n_out: s @ (x @ net.param(f"{name}.weight", n_in, n_out)) + net.param(f"{name}.bias", n_out)


def gcn(net):
    out = two_layers(net, gcn_layer(net), normalised(net.data), torch.relu, [(INPUTS, WIDTH), (WIDTH, CLASSES)])
    return net.nodes(out, F.cross_entropy)


def inverse(x, power):
    return torch.where(x > 0, x, torch.ones_like(x)) ** power * (x > 0)


def cheb(net):
    a = net.data["a"]
    d = inverse(a.sum(1), -0.5)
    scaled = -d[:, None] * a * d[None]  # 2 L / lambda - I at lambda = 2

    def layer(name, x, n_in, n_out):
        w = net.param(f"{name}.weight", n_in, 2 * n_out)
        return x @ w[:, :n_out] + (scaled @ x) @ w[:, n_out:] + net.param(f"{name}.bias", n_out)

    out = two_layers(net, layer, normalised(net.data), torch.relu, [(INPUTS, WIDTH), (WIDTH, CLASSES)])
    return net.nodes(out, F.cross_entropy)


def spline(net):
    a = net.data["a"]
    degree = a.sum(1)
    u = degree / degree.max()

    def layer(name, x, n_in, n_out):
        w = net.param(f"{name}.weight", n_in, 3 * n_out)
        rows = []
        for i in range(NODES):
            near = a[i].nonzero().flatten()
            row = x[i] @ w[:, 2 * n_out:]
            for j in near:
                kernel = (1 - u[i]) * w[:, :n_out] + u[i] * w[:, n_out:2 * n_out]
                row = row + x[j] @ kernel / len(near)
            rows.append(row)
        return torch.stack(rows) + net.param(f"{name}.bias", n_out)

    out = two_layers(net, layer, net.data["x"], F.elu, [(INPUTS, WIDTH), (WIDTH, CLASSES)])
    return net.nodes(out, F.cross_entropy)


def gat(net):
    a = net.data["a"] + torch.eye(NODES).double()

    def layer(name, x, n_in, heads, width):
        h = (x @ net.param(f"{name}.weight", n_in, heads * width)).reshape(NODES, heads, width)
        to = (h * net.param(f"{name}.att_i", 1, heads * width).reshape(heads, width)).sum(2)
        source = (h * net.param(f"{name}.att_j", 1, heads * width).reshape(heads, width)).sum(2)
        score = F.leaky_relu(to[:, None] + source[None], 0.2)  # [to, from, heads]
        alpha = torch.softmax(score.masked_fill(a[:, :, None] == 0, -math.inf), 1)
        out = torch.einsum("ijh,jhd->ihd", alpha, h).reshape(NODES, heads * width)
        return out + net.param(f"{name}.bias", heads * width)

    widths = [(INPUTS, HEADS, WIDTH), (HEADS * WIDTH, 1, CLASSES)]
    return net.nodes(two_layers(net, layer, normalised(net.data), F.elu, widths), F.cross_entropy)


def dna(net):
    s = gcn_matrix(net.data)

    def grouped(name, x):
        n = WIDTH // GROUPS
        w, b = net.param(f"{name}.weight", n, WIDTH), net.param(f"{name}.bias", WIDTH)
        parts = [x[..., g * n:(g + 1) * n] @ w[:, g * n:(g + 1) * n] for g in range(GROUPS)]
        return torch.cat(parts, -1) + b

    def conv(name, history):
        """history [nodes, states, width]"""
        out = []
        for i in range(NODES):
            row = torch.zeros(WIDTH).double()
            for j in s[i].nonzero().flatten():
                q = grouped(f"{name}.multi_head.lin_q", history[i, -1])
                k = grouped(f"{name}.multi_head.lin_k", history[j])
                v = grouped(f"{name}.multi_head.lin_v", history[j])
                d = WIDTH // HEADS
                found = []
                for h in range(HEADS):
                    part = slice(h * d, (h + 1) * d)
                    e = torch.exp(k[:, part] @ q[part] / math.sqrt(d))
                    found.append((e / (1 + e.sum())) @ v[:, part])
                row = row + s[i, j] * torch.cat(found)
            out.append(row)
        return torch.stack(out)

    x = net.data["x"] @ net.param("lin1.weight", INPUTS, WIDTH) + net.param("lin1.bias", WIDTH)
    history = net.tap(torch.relu(x))[:, None]
    for layer in range(LAYERS):
        x = net.tap(torch.relu(conv(f"convs.{layer}", history)))
        history = torch.cat([history, x[:, None]], 1)
    out = history[:, -1] @ net.param("lin2.weight", WIDTH, CLASSES) + net.param("lin2.bias", CLASSES)
    return net.nodes(F.log_softmax(out, 1), F.nll_loss)


def gae(net):
    z = two_layers(net, gcn_layer(net), normalised(net.data), torch.relu, [(INPUTS, WIDTH), (WIDTH, EMBEDDED)])
    pair, target, weight = (net.data[name] for name in ("pair", "target", "weight"))
    logits = (z[pair[:, 0].long()] * z[pair[:, 1].long()]).sum(1, keepdim=True)
    each = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return logits, z, (each * weight).sum() / weight.sum()


def make(forward, data):
    net = Net(data)
    result, error, loss = net.run(forward, False)
    out = {"out": result, "loss": loss.reshape(1), "error": error}
    for name, value in net.params.items():
        out[name] = value.detach().clone()
        out[f"grad.{name}"] = value.grad.clone()
    net.run(forward, True)
    for i, feedback in net.fed.items():
        out[f"tap.{i}"] = feedback
    for name, value in net.params.items():
        out[f"dfa.{name}"] = value.grad.clone()
    return {f"{forward.__name__}.{key}": value for key, value in out.items()}


def main():
    torch.manual_seed(5)
    a = graph()
    x = torch.where(torch.rand(NODES, INPUTS) < 0.5, torch.rand(NODES, INPUTS), torch.zeros(NODES, INPUTS)).double()
    x[3] = 0  # a node without features
    n_pairs = 10
    target = (torch.arange(n_pairs) < 4).double().reshape(n_pairs, 1)
    tensors = {
        "labels": torch.randint(0, CLASSES, (NODES, 1)).int(),
        "mask": torch.tensor([1.0, 0, 1, 1, 0, 1, 0, 0, 1]).double().reshape(NODES, 1),
        "pair": torch.randint(0, NODES, (n_pairs, 2)).int(),
        "target": target,
        "weight": torch.where(target > 0, target / 4, (1 - target) / 6),
    }
    data = dict(tensors, a=a, x=x)
    data["weight"] = tensors["weight"].float().double()
    tensors["start"], tensors["index"] = by_rows(a)
    tensors["x_start"], tensors["x_index"] = by_rows(x)
    tensors["x_value"] = x[x != 0]
    for forward in (gcn, cheb, spline, gat, dna, gae):
        tensors.update(make(forward, data))
    here = os.path.dirname(os.path.abspath(__file__))
    write(os.path.join(here, "models.safetensors"), tensors, {"torch": torch.__version__})


if __name__ == "__main__":
    main()
