"""How output errors of several losses are smoothed on their way to the input, measured and predicted; tidy tables."""

from dataclasses import replace

import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.common import clear_of_rounding, over_seeds
from oversmooth_book.experiments.real_graphs.lanczos import quadrature_deviation
from oversmooth_book.experiments.real_graphs.networks import NETWORKS
from oversmooth_book.experiments.settings import cross_entropy, signs, squared_error

ONE_CLASS = "one class, all nodes"
LOSSES = ("all classes, training nodes", "all classes, uneven labels", "one class, training nodes", ONE_CLASS)
KINDS = ("metropolis", "random_walk")
FEW = 5  # training nodes that uneven labels keep of every class but the first
# Where the linear network is checked, two seeds do: its errors are the spectrum's whatever the weights.
CHOSEN = {"orthogonal, identity": 2, "orthogonal, tanh": None}


def errors(setting, graphs, kinds=KINDS):
    """Errors of orthogonal networks, each quantity as a share of its value at the output, but the ratio. Two tables.

    graph, propagation, network, loss, quantity, layer, median, low, high; the quantities are deviation, mean (norms of
    both parts of B̃⁽ᵏ⁾), predicted (the deviation, from the spectrum of P and the output error) and ratio.
    graph, propagation, network, loss, smoothing, mean: largest relative differences of the deviation from the predicted
    one and of the mean from a conserved one, median over the seeds; 0 where it is rounding. Block models have one loss.
    """
    tables, checks = [], []
    for name in graphs:
        for kind in kinds:
            for network, seeds in CHOSEN.items():
                one = replace(setting, graph=name, kind=kind, **NETWORKS[network])
                one = replace(one, seeds=one.seeds[:seeds])
                for loss in LOSSES if "train_mask" in one.data() else (ONE_CLASS,):
                    keys = {"graph": name, "propagation": kind, "network": network, "loss": loss}
                    table = _errors(one, loss)
                    long = table.melt(["layer", "seed"], var_name="quantity", value_name="value").assign(**keys)
                    tables.append(over_seeds(long, [*keys, "quantity", "layer"], "value"))
                    checks.append(keys | {"smoothing": _largest(table, "deviation"), "mean": _largest(table, "mean")})
    return pd.concat(tables, ignore_index=True), pd.DataFrame(checks)


def objective(data, loss):
    """Output -> one of `LOSSES`, and how many outputs it needs (None: one for each class)."""
    chosen = torch.ones_like(data.y, dtype=torch.bool) if loss == ONE_CLASS else data.train_mask.clone()
    if loss == "all classes, uneven labels":
        for label in range(1, int(data.y.max()) + 1):
            chosen[(chosen & (data.y == label)).nonzero()[FEW:, 0]] = False
    one = loss.startswith("one class")
    measure = squared_error(signs(data.y)[chosen]) if one else cross_entropy(data.y[chosen])
    return lambda output: measure(output[..., chosen, :]), 1 if one else None


def _errors(setting, loss):
    """A row for each layer and seed: deviation, mean, predicted, ratio."""
    data, P = setting.data(), setting.propagation()
    function, outputs = objective(data, loss)
    backward = osm.trace(setting.network(outputs), data.x, function).backward
    deviation = torch.stack([osm.backward_deviation(b, P) for b in backward])
    mean = torch.stack([osm.backward_mean(b, P).norm(dim=-1) for b in backward])
    last, layers = len(backward) - 1, range(len(backward))
    tilde = backward[-1] / P.stationary[:, None]
    predicted = torch.stack([quadrature_deviation(P, one, layers) for one in tilde], -1).flip(0)
    columns = {"deviation": deviation, "mean": mean, "predicted": predicted}
    columns = {name: values / values[last] for name, values in columns.items()}
    columns["ratio"] = deviation / (deviation.square() + mean.square()).sqrt()
    index = {"layer": torch.arange(last + 1).repeat_interleave(len(tilde)).numpy()}
    index["seed"] = list(setting.seeds) * (last + 1)
    return pd.DataFrame(index | {name: values.reshape(-1).numpy() for name, values in columns.items()})


def _largest(table, name):
    """Largest relative difference of a quantity from its prediction (a mean's is 1), median over the seeds."""
    expected = table["predicted"] if name == "deviation" else 1.0
    difference = (table[name] / expected - 1).abs()
    return float(clear_of_rounding(difference.groupby(table["seed"]).max().median()))
