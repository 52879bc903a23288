"""The grid behind the explore page: every combination of operator, activation, depth, weight scale and last layer."""

import contextlib
import math

import numpy as np
import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.backward_oversmoothing.networks import WIDTH, targets
from oversmooth_book.experiments.spurious_stationary_points.last_layer import BUDGET

OPERATORS = ("metropolis", "random_walk", "gcn", "identity")
ACTIVATIONS = ("identity", "tanh", "elu", "relu")
LAST_LAYERS = ("trained", "random")
# what tells one network of the grid from another, seeds aside
CHOICES = ["operator", "activation", "depth", "scale", "last_layer"]
PROFILES = ["feature_ratio", "backward_deviation", "backward_norm", "backward_ratio", "gradient", "certificate"]


def grid(data, depths, scales, num_seeds):
    """Every network of the grid, measured at every layer.

    Args:
        data: the graph; its labels are read as ±1.
        depths: the depths L+1, each at least 2.
        scales: spectral norms of all weight matrices (the trained last layer's aside).
        num_seeds: how many draws of the weights.

    Returns:
        pandas.DataFrame: a row for each network, seed and layer: the columns `CHOICES`, rate (λ), seed, layer,
        `PROFILES` (certificate NaN where the theory gives none), loss and floor.
    """
    with _one_thread():
        tables = [
            _unpacked(table, scales, num_seeds)
            for operator in OPERATORS
            for P in [osm.Propagation.from_data(data, operator)]
            for activation in ACTIVATIONS
            for depth in depths
            for table in _both(scaled(P, data.num_features, activation, depth, scales, num_seeds), data)
        ]
    columns = [*CHOICES, "rate", "seed", "layer", *PROFILES, "loss", "floor"]
    return pd.concat(tables, ignore_index=True)[columns]


def _both(net, data):
    """`measure` with the last layer trained, and as it is."""
    keys = {"operator": net.propagation.kind, "activation": net.activation.name, "rate": net.propagation.rate}
    trained = osm.train_last_layer(net, data.x, targets(data), how="budget", budget=BUDGET)
    yield without_rounding(measure(trained, data).assign(**keys, last_layer="trained"))
    yield measure(net, data).assign(**keys, last_layer="random")


@contextlib.contextmanager
def _one_thread():
    """Thousands of small products: a second thread would only wait for work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def scaled(propagation, num_features, activation, depth, scales, num_seeds):
    """One batch of networks: the same orthogonal weights at every scale, the scales one after the other.

    Args:
        propagation: `oversmooth.Propagation`.
        num_features: d_0.
        activation: name of ρ.
        depth: L+1.
        scales: the factors.
        num_seeds: draws of the weights for each scale.

    Returns:
        `oversmooth.Network`, a batch of len(scales) · num_seeds.
    """
    widths = [num_features, *[WIDTH] * (depth - 1), 1]
    net = osm.Network(propagation, widths, activation, seed=list(range(num_seeds)) * len(scales))
    factor = torch.tensor(scales, dtype=torch.float64).repeat_interleave(num_seeds)[:, None, None]
    with torch.no_grad():
        for weight in net.weights:
            weight.mul_(factor)
    return net


def measure(net, data):
    """Profile, certificate, loss and its floor of a batch of networks with one output.

    Args:
        net: `oversmooth.Network`, a batch.
        data: the graph.

    Returns:
        pandas.DataFrame: what `oversmooth.layer_profile` returns, with certificate, loss, floor and last_norm (‖W⁽ᴸ⁾‖).
    """
    Y = targets(data)
    signals = osm.trace(net, data.x, lambda output: (output - Y).square().mean((-1, -2)))
    table = osm.layer_profile(signals)
    # The theory covers the GCN matrix in the coordinates of the random walk, for homogeneous activations only.
    covered = net.propagation.scaling is None or net.activation.homogeneous
    table["certificate"] = osm.certificate(signals).gradient.mT.reshape(-1).numpy() if covered else math.nan
    table["loss"] = signals.loss.numpy()[table["seed"]]
    table["last_norm"] = torch.linalg.matrix_norm(net.weights[-1].detach()).numpy()[table["seed"]]
    table["floor"] = osm.loss_floor(net, data.x, Y).numpy()[table["seed"]]
    return table


def without_rounding(table):
    """Gradients that are zero by theory set to zero: computed, they are the rounding of a sum that cancels.

    A last layer whose budget does not bind is a least-squares fit, so its gradient is zero. In a linear network, whose
    hidden weights are orthogonal, no layer can then improve the fit: all gradients are zero.

    Args:
        table: what `measure` returned for a trained last layer, with the column activation.

    Returns:
        pandas.DataFrame: the same with these gradients 0.
    """
    fitted = table["last_norm"] < BUDGET * (1 - 1e-9)
    stationary = (table["activation"] == "identity") | (table["layer"] == table["depth"] - 1)
    return table.assign(gradient=table["gradient"].mask(fitted & stationary, 0.0))


def _unpacked(table, scales, num_seeds):
    """The batch's index taken apart into scale and seed."""
    index = table["seed"].to_numpy()
    return table.assign(scale=np.asarray(scales)[index // num_seeds], seed=index % num_seeds)


def profiles(table):
    """What the panel draws: the median over the seeds of every quantity, at every layer of every network.

    Args:
        table: what `grid` returned.

    Returns:
        pandas.DataFrame: columns `CHOICES`, layer, `PROFILES`.
    """
    return table.groupby([*CHOICES, "layer"], sort=False)[PROFILES].median().reset_index()


def networks(table):
    """One row for each network of the grid: medians over the seeds.

    Args:
        table: what `grid` returned.

    Returns:
        pandas.DataFrame: columns `CHOICES`, rate, loss, floor, gradient_max (the largest gradient of the layers k < L).
    """
    hidden = table[table["layer"] < table["depth"] - 1]
    keys = [*CHOICES, "rate", "seed"]
    one = hidden.groupby(keys, sort=False).agg(
        loss=("loss", "first"), floor=("floor", "first"), gradient_max=("gradient", "max")
    )
    return one.groupby(keys[:-1], sort=False).median().reset_index()


def checks(table, depths, scales, num_seeds, rounding=1e-12):
    """What must hold in every cell of the grid.

    Args:
        table: what `grid` returned.
        depths: as given to `grid`.
        scales: likewise.
        num_seeds: likewise.
        rounding: relative excess that counts as rounding.

    Returns:
        Dictionary: missing (networks that are not there with all their layers, or with a number that is not finite),
        covered (share of the rows that have a certificate), above (rows whose gradient exceeds it) and below (rows
        whose loss lies below its floor).
    """
    wanted = len(OPERATORS) * len(ACTIVATIONS) * len(LAST_LAYERS) * len(depths) * len(scales) * num_seeds
    numbers = table[[name for name in PROFILES if name != "certificate"] + ["loss", "floor"]]
    good = table[np.isfinite(numbers).all(axis=1)]
    layers = good.groupby([*CHOICES, "seed"])["layer"].nunique().reset_index()
    return {
        "missing": wanted - int((layers["layer"] == layers["depth"]).sum()),
        "covered": float(np.isfinite(table["certificate"]).mean()),
        "above": int((table["gradient"] > table["certificate"] * (1 + rounding)).sum()),
        "below": int((table["loss"] < table["floor"] * (1 - rounding)).sum()),
    }


def weakest_gap(table):
    """How much larger the MLP's gradient is than a graph network's, deepest networks, scale 1, last layer trained.

    The linear activation is left out: a linear MLP with square orthogonal weights and a trained last layer has fitted
    the data as well as it ever can, so its gradient is zero for another reason.

    Args:
        table: what `networks` returned.

    Returns:
        The smallest quotient over operators and activations.
    """
    deepest = (table["depth"] == table["depth"].max()) & (table["activation"] != "identity")
    rows = table[deepest & (table["scale"] == 1) & (table["last_layer"] == "trained")]
    wide = rows.pivot(index="activation", columns="operator", values="gradient_max")
    return float((wide[["identity"]].to_numpy() / wide.drop(columns="identity")).min(axis=None))


def overview(table):
    """What the figure of the whole grid draws: networks with trained last layer at scale 1.

    Args:
        table: what `networks` returned.

    Returns:
        pandas.DataFrame: columns activation, operator, depth, gradient_max.
    """
    rows = table[(table["scale"] == 1) & (table["last_layer"] == "trained")]
    return rows[["activation", "operator", "depth", "gradient_max"]].reset_index(drop=True)
