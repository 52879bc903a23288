"""Attention alone, on tokens: a row-stochastic P(X) of all pairs, plain and with what transformers put around it.

X⁽ᵏ⁺¹⁾ = P(X⁽ᵏ⁾) X⁽ᵏ⁾ V⁽ᵏ⁾ with P = softmax(X Q (X K)ᵀ/√d): no graph, no activation, no perceptron in between. "skip"
adds X⁽ᵏ⁾; "skip and norm" lets attention read the layer norm of it (Pre-LN); "deflated" takes the mean over the tokens
out of P and divides by the norm of the rest.
"""

import math
from dataclasses import replace
from functools import partial

import pandas as pd
import torch
from torch.nn import functional

import oversmooth as osm
from oversmooth_book.experiments.common import bands
from oversmooth_book.experiments.other_operators.measure import BUDGET
from oversmooth_book.experiments.settings import noisy, squared_error

KINDS = ("plain", "deflated", "skip", "skip and norm")
TOKENS, DEPTHS = 64, (2, 4, 8, 16)
NODES = 400  # of the reference graph
SILENT = 1e-20  # a gradient below this is rounding, other on every machine


def problem(setting, seed):
    """Tokens of two kinds, ±1, and which: features (n, d) of variance 1 around means two apart, targets (n, 1).

    Of the setting also what it says of a graph's nodes: how many ("CSBM 100" has a quarter of the reference's, so there
    are a quarter of `TOKENS`), in which shares and how far apart, the features' scale and shift, noise in the targets.
    These have mean 0 and variance 1.
    """
    generator = torch.Generator().manual_seed(setting.graph_seed + seed)
    count = TOKENS * int(setting.graph.removeprefix("CSBM") or NODES) // NODES
    Y = torch.ones(count, 1, dtype=torch.float64)
    Y[: round(count * (setting.shares or (0.5, 0.5))[0])] = -1
    X = torch.randn(count, setting.width, generator=generator, dtype=torch.float64)
    X = setting.feature_scale * (X + setting.separation * Y / setting.width**0.5) + setting.feature_shift
    Y = noisy(Y, setting.label_noise, setting.graph_seed)
    return X, (Y - Y.mean()) / Y.std(correction=0)


class Stack(torch.nn.Module):
    """Layers of attention, one head each; query, key and value weights are orthogonal, times ``weight_scale``."""

    def __init__(self, kind, width, depth, seed, weight_scale=1.0):
        super().__init__()
        # The library draws orthogonal matrices, three for each layer.
        widths = [width] * (3 * depth + 1)
        drawn = osm.Network(osm.Propagation.identity(1), widths, weight_scale=weight_scale, seed=seed)
        self.kind, self.weights = kind, drawn.weights

    def layers(self):
        """(Q, K, V) of each layer."""
        return list(zip(*(self.weights[i::3] for i in range(3)), strict=True))

    def forward(self, X):
        """The last features."""
        for Q, K, V in self.layers():
            Z = functional.layer_norm(X, X.shape[-1:]) if self.kind == "skip and norm" else X
            P = torch.softmax((Z @ Q) @ (Z @ K).T / Z.shape[1] ** 0.5, dim=1)
            if self.kind == "deflated":
                P = P - 1 / len(P)
                P = P / torch.linalg.matrix_norm(P.detach(), 2)
            update = P @ Z @ V
            X = X + update if self.kind.startswith("skip") else update
        return X


def read_out(setting, kind):
    """One stack whose linear read-out is trained exactly, of norm at most 3; the attention layers untouched. One row.

    before, gradient: the largest gradient of a layer, over its Q, K and V, with a random read-out and with the trained
    one; `SILENT` where it is less. loss: the trained one's, in units of the targets' variance.
    """
    seed = setting.seeds[0]
    (X, Y), stack = problem(setting, seed), Stack(kind, setting.width, setting.depth, seed, setting.weight_scale)
    head = osm.Network(osm.Propagation.identity(len(X)), [setting.width, 1], seed=seed)
    features = stack(X)
    before = _largest(stack, features, head, Y)
    head = osm.train_last_layer(head, features.detach(), Y, budget=BUDGET)
    row = {"before": before, "gradient": _largest(stack, features, head, Y)}
    return row | {"loss": squared_error(Y)(head(features.detach())).item()}


def _largest(stack, features, head, Y):
    """The largest norm of a layer's gradient, over its three matrices."""
    loss = squared_error(Y)(features @ head.weights[0].detach())
    gradients = torch.autograd.grad(loss, list(stack.weights), retain_graph=True)
    squares = [float(gradient.square().sum()) for gradient in gradients]
    return max(SILENT, *(math.sqrt(sum(squares[k : k + 3])) for k in range(0, len(squares), 3)))


def read_outs(setting, depths=DEPTHS, jobs=1):
    """`read_out` of every kind and depth, in bands over the seeds: kind, depth, median, low, high, quantity."""
    grid = {"kind": list(KINDS), "depth": list(depths)}
    table = osm.sweep(partial(_cell, setting), grid, setting.seeds, jobs=jobs)
    return bands(table, ["kind", "depth"], ["before", "gradient", "loss"])


def _cell(setting, kind, depth, seed):
    return pd.DataFrame([read_out(replace(setting, depth=depth, seeds=(seed,)), kind)])
