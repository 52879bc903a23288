"""The GCN that everybody trains, at any depth, and one factor of its recipe exchanged at a time.

All seeds of a recipe are one batch, as in `oversmooth.fit`; autograd, Adam and the layers are the usual ones. Masks of
dropout come from bits of NumPy's PCG64, which are the same on every machine.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import scipy.sparse as sparse
import torch
from torch.nn import functional

import oversmooth as osm
from oversmooth.sparse import multiply
from oversmooth_book.book.book import find_book
from oversmooth_book.book.saved import read_table
from oversmooth_book.experiments.common import bands, label_entropy


@dataclass(frozen=True)
class Recipe:
    """How a GCN is built and trained; the defaults are those of the examples that people copy.

    Attributes:
        activation: of the hidden layers.
        init: "glorot" or "orthogonal".
        dropout: whether half of what enters each layer is dropped while training.
        decay: of all weights.
        decoupled: whether the decay acts on the weights themselves (AdamW), not through Adam's step.
        residual: whether a hidden layer's input is added to its output, where their widths agree.
        kind: of the propagation; "identity" is no graph.
        width: of the hidden layers.
        step_size: Adam's.
        epochs: updates; the best on the validation nodes is kept.
    """

    activation: str = "relu"
    init: str = "glorot"
    dropout: bool = True
    decay: float = 5e-4
    decoupled: bool = False
    residual: bool = False
    kind: str = "gcn"
    width: int = 16
    step_size: float = 0.01
    epochs: int = 200


# What a table shows of every recipe: of `train` and `at_the_end`.
SHOWN = ("accuracy", "loss", "mean_error", "gradient", "spectral")
# What claims ask of a few recipes; gradients of dying networks are another machine's at once.
CLAIMED = ("accuracy", "loss", "spectral")
EVERYBODY = "as everybody"
DECAYS = (EVERYBODY, "AdamW")
# Another graph than Cora is asked about fewer recipes.
FEW = (EVERYBODY, "AdamW", "tanh", "residual", "no graph")
PLAINLY = {"check_invariants": False}  # said aloud, or torch would say it
PLAIN = Recipe()
EXCHANGED = {
    "as everybody": PLAIN,
    "orthogonal": replace(PLAIN, init="orthogonal"),
    "tanh": replace(PLAIN, activation="tanh"),
    "no dropout": replace(PLAIN, dropout=False),
    "no decay": replace(PLAIN, decay=0.0),
    "AdamW": replace(PLAIN, decoupled=True),
    "residual": replace(PLAIN, residual=True),
    "no graph": replace(PLAIN, kind="identity"),
}


class Words:
    """Features as bags of words, rows summing to 1: a sparse matrix, one below the other for all seeds."""

    def __init__(self, features, seeds):
        nodes, words = features.shape
        shares = (features / features.sum(1, keepdim=True).clamp(min=1)).numpy()
        # Seed s has its own rows and its own columns, so that every seed multiplies its own weights.
        matrix = sparse.block_diag([sparse.csr_array(shares)] * seeds, format="csr")
        order = sparse.csr_array((np.arange(1, matrix.nnz + 1), matrix.indices, matrix.indptr), matrix.shape).T.tocsr()
        self.shape, self.shares = (seeds, nodes, words), torch.from_numpy(matrix.data)
        self.order = torch.from_numpy(order.data - 1)
        self.places = [[torch.from_numpy(index.astype(np.int32)) for index in (m.indptr, m.indices)]
                       for m in (matrix, order)]  # fmt: skip

    def times(self, weights, mask=None):
        """XW, (seeds, n, d'), of weights (seeds, d, d'), where ``mask`` drops words."""
        seeds, nodes, words = self.shape
        shares = self.shares if mask is None else self.shares * mask
        straight = torch.sparse_csr_tensor(*self.places[0], shares, (seeds * nodes, seeds * words), **PLAINLY)
        transposed = torch.sparse_csr_tensor(
            *self.places[1], shares[self.order], (seeds * words, seeds * nodes), **PLAINLY
        )
        return multiply(straight, transposed, weights.flatten(0, 1)).view(seeds, nodes, -1)


class GCN(torch.nn.Module):
    """Networks X⁽ᵏ⁺¹⁾ = ρ(P X⁽ᵏ⁾ W⁽ᵏ⁾ + b⁽ᵏ⁾), one for each seed, with dropout in front of each layer.

    Args:
        data: the graph with its bags of words.
        recipe: `Recipe`.
        depth: L + 1.
        seeds: of weights and masks.
    """

    def __init__(self, data, recipe, depth, seeds):
        super().__init__()
        self.recipe, self.P = recipe, osm.Propagation.from_data(data, kind=recipe.kind)
        self.words, self.bits = Words(data.x.float(), len(seeds)), np.random.default_rng(list(seeds))
        widths = [data.num_features, *[recipe.width] * (depth - 1), int(data.y.max()) + 1]
        options = {"init": recipe.init, "seed": list(seeds), "dtype": torch.float32}
        start = osm.Network(self.P, widths, recipe.activation, **options)
        self.rho, self.weights = start.activation, start.weights
        self.biases = torch.nn.ParameterList(torch.zeros(len(seeds), 1, d) for d in widths[1:])

    def mask(self, size):
        """2 where a bit says so, else 0; None where nothing is dropped."""
        if not (self.training and self.recipe.dropout):
            return None
        bits = np.unpackbits(np.frombuffer(self.bits.bytes(-(-size // 8)), np.uint8), count=size)
        return torch.from_numpy(bits).float().mul_(2)

    def enter(self, k, X, W):
        """X⁽ᵏ⁾ W⁽ᵏ⁾, half of X⁽ᵏ⁾ dropped while training."""
        if k == 0:
            return self.words.times(W, self.mask(len(self.words.shares)))
        mask = self.mask(X.numel())
        return (X if mask is None else X * mask.view_as(X)) @ W

    def forward(self):
        """Ŷ of all seeds."""
        X = None
        for k, (W, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            H = self.P @ self.enter(k, X, W) + b
            if k < len(self.weights) - 1:
                X = self.rho(H) + X if self.recipe.residual and k > 0 else self.rho(H)
        return H


def compare(graphs, depths, seeds, few=FEW, on_cora=tuple(EXCHANGED), deeper=()):
    """`train` for every graph, recipe and depth: graph, recipe, depth, median, low, high (over the seeds), quantity.

    Cora meets the recipes ``on_cora``, another graph ``few``; the depths ``deeper`` are asked of `DECAYS` on Cora only.
    Told are `SHOWN` where all recipes meet Cora, else `CLAIMED`; of another graph the accuracy.
    """
    parts = []
    for graph in graphs:
        data, cora = osm.load(graph), graph == "Cora"
        tasks = [(recipe, depth) for recipe in (on_cora if cora else few) for depth in depths]
        tasks += [(recipe, depth) for recipe in DECAYS for depth in deeper if cora]
        for recipe, depth in tasks:
            rows = train(data, EXCHANGED[recipe], depth, seeds)
            parts.append(rows.assign(graph=graph, recipe=recipe, depth=depth))
    names = SHOWN if len(on_cora) == len(EXCHANGED) else CLAIMED
    table = bands(pd.concat(parts), ["graph", "recipe", "depth"], names)
    return table[(table["graph"] == "Cora") | (table["quantity"] == "accuracy")].reset_index(drop=True)


def constants(graphs):
    """What the answer that is always the largest class gets right: graph, share of the test nodes."""
    rows = []
    for graph in graphs:
        data = osm.load(graph)
        rows.append({"graph": graph, "share": float(data.y[data.test_mask].bincount().max() / data.test_mask.sum())})
    return pd.DataFrame(rows)


def whole(table):
    """The committed bands of the full profile, or a table of more rows that was just measured."""
    file = find_book().published_full("practitioners_gcn") / "tables" / "bands.csv"
    committed = read_table(file) if file.exists() else table
    return table if len(table) > len(committed) else committed


def train(data, recipe, depth, seeds):
    """Train a batch: a row for each seed, with what `at_the_end` says of it.

    accuracy: on the test nodes, in the epoch (epoch) that was best on the validation nodes, the first if several were.
    """
    model = GCN(data, recipe, depth, seeds)
    optimizer = (torch.optim.AdamW if recipe.decoupled else torch.optim.Adam)(
        model.parameters(), lr=recipe.step_size, weight_decay=recipe.decay, foreach=True
    )
    best, found = torch.full((len(seeds),), -1.0), torch.zeros(len(seeds), 2)
    for epoch in range(recipe.epochs):
        model.train()
        optimizer.zero_grad()
        losses(model(), data).sum().backward()  # no seed's loss depends on another's weights
        optimizer.step()
        with torch.no_grad():
            right = model.eval()().argmax(-1) == data.y
        now = right[:, data.val_mask].double().mean(1).float()
        test = right[:, data.test_mask].double().mean(1).float()
        better = now > best
        best = torch.where(better, now, best)
        found = torch.where(better[:, None], torch.stack([test, torch.full_like(test, epoch + 1)], 1), found)
    rows = pd.DataFrame({"seed": seeds, "accuracy": found[:, 0].numpy(), "epoch": found[:, 1].int().numpy()})
    return rows.assign(**at_the_end(model, data))


def losses(output, data):
    """The cross-entropy on the training nodes, one for each seed."""
    rows = output[:, data.train_mask].transpose(1, 2)
    return functional.cross_entropy(rows, data.y[data.train_mask].expand(len(output), -1), reduction="none").mean(1)


def at_the_end(model, data):
    """How the networks stand after the last epoch, without dropout, one number for each seed.

    loss: on the training nodes, as a share of their labels' entropy. mean_error: the share of the output's error that
    is its mean. gradient: the median over the layers but the last of ‖∂𝓛/∂W⁽ᵏ⁾‖, without the decay. spectral: the
    median over all layers of ‖W⁽ᵏ⁾‖₂.
    """
    output = model.eval()()
    value = losses(output, data)
    error, *gradients = torch.autograd.grad(value.sum(), [output, *model.weights])
    centre = osm.backward_mean(error, model.P).norm(dim=-1)
    norms = torch.stack([torch.linalg.matrix_norm(gradient) for gradient in gradients[:-1]])
    found = {
        "loss": value.detach() / label_entropy(data.y[data.train_mask]),
        "mean_error": centre / torch.hypot(centre, osm.backward_deviation(error, model.P)),
        "gradient": norms.median(0).values,
        "spectral": torch.stack([torch.linalg.matrix_norm(W.detach(), 2) for W in model.weights]).median(0).values,
    }
    return {name: values.double().numpy() for name, values in found.items()}
