"""The grid behind the explore page: every combination of operator, activation, depth, weight scale and last layer."""

import contextlib
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.common import judged
from oversmooth_book.experiments.settings import signs

OPERATORS = ("metropolis", "random_walk", "gcn", "identity")
ACTIVATIONS = ("identity", "tanh", "elu", "relu")
LAST_LAYERS = ("trained", "random")
# what tells one network of the grid from another, seeds aside
CHOICES = ["operator", "activation", "depth", "scale", "last_layer"]
PROFILES = ["feature_ratio", "backward_deviation", "backward_norm", "backward_ratio", "gradient", "certificate"]
# A relative excess below it is rounding.
ROUNDING = 1e-12


def grid(setting, depths, scales):
    """Every network of the grid, a row for each layer and seed: `CHOICES`, rate, seed, layer, `PROFILES`, loss, floor.

    ``scales`` are the spectral norms of all weight matrices, the trained last layer's aside. The certificate is NaN
    where the theory gives none.
    """
    with _one_thread():
        tables = [
            _unpacked(table, scales, setting.seeds)
            for operator in OPERATORS
            for activation in ACTIVATIONS
            for depth in depths
            for table in _both(replace(setting, kind=operator, activation=activation, depth=depth), scales)
        ]
    columns = [*CHOICES, "rate", "seed", "layer", *PROFILES, "loss", "floor"]
    return pd.concat(tables, ignore_index=True)[columns]


def _both(setting, scales):
    """The networks of all scales and seeds with the last layer trained, and as it is."""
    data, P = setting.data(), setting.propagation()
    network = scaled(setting, scales)
    keys = {"operator": setting.kind, "activation": setting.activation, "rate": P.rate}
    trained = osm.train_last_layer(network, data.x, signs(data.y), how="budget", budget=setting.budget)
    yield without_rounding(judged(trained, data).assign(**keys, last_layer="trained"), setting.budget)
    yield judged(network, data).assign(**keys, last_layer="random")


@contextlib.contextmanager
def _one_thread():
    """Thousands of small products: a second thread would only wait for work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def scaled(setting, scales):
    """One batch of networks: the same orthogonal weights at every scale, the scales one after the other."""
    network = replace(setting, weight_scale=1.0, seeds=setting.seeds * len(scales)).network(1)
    factor = torch.tensor(scales, dtype=torch.float64).repeat_interleave(len(setting.seeds))[:, None, None]
    with torch.no_grad():
        for weight in network.weights:
            weight.mul_(factor)
    return network


def without_rounding(table, budget):
    """A table of trained networks whose gradients that are zero by theory are 0: computed, they are rounding.

    A last layer whose budget does not bind is a least-squares fit, so its gradient is zero. In a linear network, whose
    hidden weights are orthogonal, no layer can then improve the fit: all gradients are zero.
    """
    fitted = table["last_norm"] < budget * (1 - 1e-9)
    stationary = (table["activation"] == "identity") | (table["layer"] == table["depth"] - 1)
    return table.assign(gradient=table["gradient"].mask(fitted & stationary, 0.0))


def _unpacked(table, scales, seeds):
    """The batch's index taken apart into scale and seed."""
    index = table["seed"].to_numpy()
    return table.assign(scale=np.asarray(scales)[index // len(seeds)], seed=np.take(seeds, index % len(seeds)))


def profiles(table):
    """What the panel draws, medians over the seeds at every layer of every network: `CHOICES`, layer, `PROFILES`."""
    return table.groupby([*CHOICES, "layer"], sort=False)[PROFILES].median().reset_index()


def networks(table):
    """Medians over the seeds, a row for each network: `CHOICES`, rate, loss, floor, gradient_max (of layers k < L)."""
    hidden = table[table["layer"] < table["depth"] - 1]
    keys = [*CHOICES, "rate", "seed"]
    one = hidden.groupby(keys, sort=False).agg(
        loss=("loss", "first"), floor=("floor", "first"), gradient_max=("gradient", "max")
    )
    return one.groupby(keys[:-1], sort=False).median().reset_index()


def checks(table, setting, depths, scales):
    """What must hold in the whole grid: operator, activation, missing, layers, certified, above, below.

    missing counts networks that are not there with all their layers, or have a number that is not finite. Of the
    layers, over all networks and seeds, some are certified: have a certificate; above have a gradient above it and
    below a loss below its floor, by more than rounding.
    """
    wanted = len(LAST_LAYERS) * len(depths) * len(scales) * len(setting.seeds)
    rows = []
    for operator in OPERATORS:
        for activation in ACTIVATIONS:
            part = table[(table["operator"] == operator) & (table["activation"] == activation)]
            row = {"operator": operator, "activation": activation, "missing": wanted - _complete(part)}
            row |= {"layers": len(part), "certified": int(np.isfinite(part["certificate"]).sum())}
            row["above"] = int((part["gradient"] > part["certificate"] * (1 + ROUNDING)).sum())
            row["below"] = int((part["loss"] < part["floor"] * (1 - ROUNDING)).sum())
            rows.append(row)
    return pd.DataFrame(rows)


def _complete(table):
    """How many networks are there with all their layers, all numbers finite."""
    numbers = table[[name for name in PROFILES if name != "certificate"] + ["loss", "floor"]]
    layers = table[np.isfinite(numbers).all(axis=1)].groupby([*CHOICES, "seed"])["layer"].nunique().reset_index()
    return int((layers["layer"] == layers["depth"]).sum())


def overview(table):
    """Of `networks` those with trained last layer at scale 1: activation, operator, depth, gradient_max."""
    rows = table[(table["scale"] == 1) & (table["last_layer"] == "trained")]
    return rows[["activation", "operator", "depth", "gradient_max"]].reset_index(drop=True)
