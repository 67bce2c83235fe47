#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes mlp_tanh.safetensors and mlp_relu.safetensors beside this file: a small network in PyTorch (double
precision, stored as float32), for nn_golden.c. Needs Debian's python3-torch: /usr/bin/python3 gen_mlp.py. Run by hand; the
results are committed.

Tensors: input, labels; the parameters by name; logits, loss, error (dL/dlogits), tap.I (dL/d of hidden layer I),
grad.NAME, and adam3.NAME after three Adam steps on the same batch (lr, beta1, beta2, eps in the metadata)."""
import json
import os
import struct

import numpy
import torch

SIZES = [13, 9, 7, 4]
ROWS = 6
ADAM = {"lr": 1e-2, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}


def network(activation):
    layers = []
    for i, (n_in, n_out) in enumerate(zip(SIZES, SIZES[1:])):
        layer = torch.nn.Linear(n_in, n_out)
        # the values are floats, the arithmetic is double
        layers.append(layer.double())
    return layers, {"tanh": torch.tanh, "relu": torch.relu}[activation]


def forward(layers, fn, x):
    hidden = []
    for layer in layers[:-1]:
        x = fn(layer(x))
        x.retain_grad()
        hidden.append(x)
    logits = layers[-1](x)
    logits.retain_grad()
    return hidden, logits


def named(layers):
    for i, layer in enumerate(layers):
        yield f"layers.{i}.weight", layer.weight
        yield f"layers.{i}.bias", layer.bias


def make(activation):
    torch.manual_seed(7)
    layers, fn = network(activation)
    x = torch.randn(ROWS, SIZES[0]).double()
    labels = torch.randint(0, SIZES[-1], (ROWS,))
    out = {"input": x, "labels": labels.int().reshape(ROWS, 1)}
    for name, parameter in named(layers):
        out[name] = parameter.detach().clone()
    optimizer = torch.optim.Adam([p for _, p in named(layers)], lr=ADAM["lr"],
                                 betas=(ADAM["beta1"], ADAM["beta2"]), eps=ADAM["eps"])
    for step in range(3):
        optimizer.zero_grad()
        hidden, logits = forward(layers, fn, x)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        loss.backward()
        if step == 0:
            out["logits"] = logits.detach().clone()
            out["loss"] = loss.detach().clone().reshape(1)
            out["error"] = logits.grad.clone()
            for i, h in enumerate(hidden):
                out[f"tap.{i}"] = h.grad.clone()
            for name, parameter in named(layers):
                out[f"grad.{name}"] = parameter.grad.clone()
        optimizer.step()
    for name, parameter in named(layers):
        out[f"adam3.{name}"] = parameter.detach().clone()
    return out


def write(path, tensors, metadata):
    header = {"__metadata__": metadata}
    blob = b""
    for name, tensor in tensors.items():
        integer = tensor.dtype == torch.int32
        data = tensor.numpy().astype(numpy.int32 if integer else numpy.float32)
        header[name] = {"dtype": "I32" if integer else "F32", "shape": list(data.shape),
                        "data_offsets": [len(blob), len(blob) + data.nbytes]}
        blob += data.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + blob)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    for activation in ("tanh", "relu"):
        metadata = {key: repr(value) for key, value in ADAM.items()}
        metadata.update(activation=activation, torch=torch.__version__)
        write(os.path.join(here, f"mlp_{activation}.safetensors"), make(activation), metadata)


if __name__ == "__main__":
    main()
