"""Training of the whole network: the chapter on stationary points."""

import numpy as np
import pandas as pd

import oversmooth as osm
from oversmooth_book.experiments.backward_networks import WIDTH, targets
from oversmooth_book.experiments.spurious_last_layer import MODELS, network

RATES = {"sgd": 0.02, "adam": 0.003}  # theory.md, section 5
LEFT = 0.8  # a loss below this share of the label variance has left the plateau


def figure_one(data, depths, num_seeds, steps, record_every):
    """The setting of the paper's Figure 1: node classification with graph networks and perceptrons, shallow and deep.

    Two classes, cross-entropy, Adam, tanh, orthogonal weights: these details are ours.

    Args:
        data: a graph with classes y.
        depths: the depths L+1, (shallow, deep).
        num_seeds: how many draws of the weights.
        steps: number of updates.
        record_every: steps between two records.

    Returns:
        pandas.DataFrame: `oversmooth.History.table` with the columns model and depth.
    """
    tables = []
    for model, kind in MODELS.items():
        P = osm.Propagation.from_data(data, kind)
        for depth in depths:
            widths = [data.num_features, *[WIDTH] * (depth - 1), int(data.y.max()) + 1]
            net = osm.Network(P, widths, "tanh", seed=list(range(num_seeds)))
            options = {"optimizer": "adam", "lr": RATES["adam"], "steps": steps, "record_every": record_every}
            history = osm.fit(net, data.x, data.y, loss="cross_entropy", **options)
            tables.append(history.table.assign(model=model, depth=depth))
    return pd.concat(tables, ignore_index=True)


def train(data, kind, depth, num_seeds, optimizer, steps, record_every=1, weight_scale=1.0):
    """Train a batch with the mean squared error to ±1 labels.

    Args:
        data: the graph.
        kind: the propagation.
        depth: L+1.
        num_seeds: how many draws of the weights.
        optimizer: "sgd" or "adam", with the rates of theory.md.
        steps: number of updates.
        record_every: steps between two records.
        weight_scale: spectral norm of every initial weight matrix.

    Returns:
        (the trained `oversmooth.Network`, `oversmooth.History.table`).
    """
    net = network(data, kind, depth, list(range(num_seeds)), weight_scale)
    options = {"optimizer": optimizer, "lr": RATES[optimizer], "steps": steps, "record_every": record_every}
    return net, osm.fit(net, data.x, targets(data), **options).table


def plateaus(data, depths, num_seeds, steps):
    """How many updates a network of each depth needs to leave the plateau, loss < 0.8 of the label variance.

    Args:
        data: the graph.
        depths: the depths L+1.
        num_seeds: how many draws of the weights.
        steps: {"sgd": budget, "adam": budget}, in updates.

    Returns:
        pandas.DataFrame: optimizer, depth, seed, steps; steps is NaN where the budget did not suffice.
    """
    rows = []
    for optimizer, budget in steps.items():
        for depth in depths:
            _, table = train(data, "metropolis", depth, num_seeds, optimizer, budget)
            for seed, part in table.groupby("seed"):
                out = part[part["loss"] < LEFT]["step"]
                first = float(out.iloc[0]) if len(out) else np.nan
                rows.append({"optimizer": optimizer, "depth": depth, "seed": seed, "steps": first})
    return pd.DataFrame(rows)


def growth(table):
    """By which factor the plateau grows with each layer: exp of the least-squares slope of log steps against depth.

    Args:
        table: rows of `plateaus` of one optimizer.

    Returns:
        The factor; 1/λ and 1/λ² are what it is compared with.
    """
    median = table.groupby("depth")["steps"].median().dropna()
    return float(np.exp(np.polyfit(median.index, np.log(median), 1)[0]))


def large_weights(data, depth, scales, num_seeds, steps, record_every):
    """Training from large initial weights: the deviation of the last features, and the loss.

    Args:
        data: the graph.
        depth: L+1.
        scales: the weight scales at the start.
        num_seeds: how many draws of the weights.
        steps: number of Adam updates.
        record_every: steps between two records.

    Returns:
        pandas.DataFrame: scale, step, seed, loss, smoothness (relative deviation of X⁽ᴸ⁾), gradient.
    """
    tables = []
    for scale in scales:
        _, table = train(data, "metropolis", depth, num_seeds, "adam", steps, record_every, scale)
        columns = {f"relative_deviation_{depth - 1}": "smoothness"}
        keep = ["step", "seed", "loss", "smoothness", "gradient"]
        tables.append(table.rename(columns=columns)[keep].assign(scale=scale))
    return pd.concat(tables, ignore_index=True)
