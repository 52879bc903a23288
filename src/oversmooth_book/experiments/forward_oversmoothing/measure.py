"""Untrained networks of the chapter on forward oversmoothing, layer by layer; every function returns a tidy table."""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.common import clear_of_rounding, log_slope, over_seeds
from oversmooth_book.experiments.settings import Setting

ACTIVATIONS = ("identity", "tanh", "elu", "relu")
PRODUCTS = (0.5, 0.8, 1.25, 2.0)  # λs: two values on each side of 1
# A signal whose deviation is below this share of its norm is close to rounding (float64: 2e-16 of the norm).
ROUNDING = 1e-9


def network(setting, propagation=None, features=None):
    """Networks with features at layers 0 to L, whose output is a layer like the others; see `profile`."""
    P = setting.propagation() if propagation is None else propagation
    inputs = setting.data().num_features if features is None else features.shape[-1]
    widths = [inputs, *[setting.width] * setting.depth]
    return osm.Network(P, widths, setting.activation, setting.weight_scale, seed=list(setting.seeds))


def profile(setting, propagation=None, features=None):
    """`osm.layer_profile` of untrained networks: a row for each layer and seed; P and X⁽⁰⁾ by default the setting's."""
    X = setting.data().x if features is None else features
    return osm.layer_profile(osm.trace(network(setting, propagation, X), X, total))


def total(output):
    """A loss for those who look at features only."""
    return output.sum((-1, -2))


def snapshots(setting, layers):
    """The features of one network projected on their two main directions: view, layer, label, x, y, factor.

    Each layer is centred and rotated, and not rescaled. The view "same scale" holds these coordinates, the view
    "enlarged" multiplies them by ``factor`` so that every layer is as wide as layer 0.
    """
    data, P = setting.data(), setting.propagation()
    features = osm.trace(network(replace(setting, depth=max(layers) + 1)), data.x, total).features
    features = [x.reshape(data.num_nodes, -1) for x in features]  # one seed
    planes = {k: _main_plane(features[k], data.y) for k in layers}
    factors = {k: float(osm.deviation(features[0], P) / osm.deviation(features[k], P)) for k in layers}
    tables = []
    for view in ("same scale", "enlarged"):
        for k, plane in planes.items():
            factor = factors[k] if view == "enlarged" else 1.0
            x, y = (factor * plane).T.numpy()
            rows = {"view": view, "layer": k, "label": data.y.numpy(), "x": x, "y": y, "factor": factor}
            tables.append(pd.DataFrame(rows))
    return pd.concat(tables, ignore_index=True)


def _main_plane(features, labels):
    """Coordinates on the two main directions, signs fixed: class 1 to the right, the farthest node upwards."""
    centred = features - features.mean(0)
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    plane = centred @ directions[:2].T
    right = plane[labels == 1, 0].mean().sign()
    up = plane[plane[:, 1].abs().argmax(), 1].sign()
    return plane * torch.stack([right, up])


def collapse(setting, activations=ACTIVATIONS, products=PRODUCTS):
    """σ(X⁽ᵏ⁾) for λs on both sides of 1: activation, product (λs), rate (λ), layer, seed, deviation, bound, ratio.

    Deviation and bound are divided by σ(X⁽⁰⁾); the ratio is the relative deviation.
    """
    X, P = setting.data().x, setting.propagation()
    start, tables = float(osm.deviation(X, P)), []
    for activation in activations:
        for product in products:
            one = replace(setting, activation=activation, weight_scale=product / P.rate)
            table = profile(one)
            rows = {
                "activation": activation,
                "product": product,
                "rate": P.rate,
                "layer": table["layer"],
                "seed": table["seed"],
                "deviation": table["feature_deviation"] / start,
                # one value a layer and seed, in the profile's order; the last one is the output's
                "bound": osm.forward_bound(network(one), X)[:, :-1].T.reshape(-1).numpy() / start,
                "ratio": table["feature_ratio"],
            }
            tables.append(pd.DataFrame(rows))
    return pd.concat(tables, ignore_index=True)


def collapse_bands(layers):
    """`collapse` over the seeds: activation, product, rate, layer, median, low, high, and the bound that they share."""
    by = ["activation", "product", "rate", "layer"]
    bound = layers.groupby(by, sort=False)["bound"].max().reset_index()
    return over_seeds(layers, by, "deviation").merge(bound, on=by)


def contrast(layers):
    """How far the relative deviation of linear networks depends on s: layer, ratio (median), difference.

    The difference is the largest over the seeds of max/min − 1 over the scales; 0 where it is rounding.
    """
    linear = layers[layers["activation"] == "identity"]
    ends = linear.groupby(["layer", "seed"])["ratio"].agg(["min", "max"])
    gap = (ends["max"] / ends["min"] - 1).groupby("layer").max()
    ratio = linear.groupby("layer")["ratio"].median()
    return pd.DataFrame({"ratio": ratio, "difference": clear_of_rounding(gap)}).reset_index()


def decay_rates(table):
    """The measured rate per layer of every seed, (σ(X⁽ᵐ⁾)/σ(X⁽ʲ⁾))^{1/(m−j)}: seed, rate.

    From deviation and ratio. m is the last layer whose features are above rounding, j the middle one before it: early
    layers still lose their fast modes.
    """
    rows = []
    for seed, one in table.groupby("seed", sort=False):
        deviation, ratio = one["deviation"].to_numpy(), one["ratio"].to_numpy()
        last = int(np.flatnonzero(ratio > ROUNDING).max())
        middle = (last + 1) // 2
        rows.append({"seed": seed, "rate": (deviation[last] / deviation[middle]) ** (1 / (last - middle))})
    return pd.DataFrame(rows)


def fitted_slopes(setting, graph_seeds):
    """Slopes of log σ(X⁽ᵏ⁾), linear nets on block models: graph, rate, expected (log λs), slope, error, early_error.

    The features are centred, so that σ can be followed far below the size that the mean would give to rounding. The
    slope is fitted to the second half of the layers, where the slowest mode has won; ``error`` is its relative one,
    ``early_error`` that of a slope fitted to layers 15 to 30.
    """
    rows = []
    for seed in graph_seeds:
        one = replace(setting, graph_seed=seed, activation="identity")
        X, P = one.data().x, one.propagation()
        table = profile(one, P, X - osm.mean(X, P))
        expected = np.log(P.rate * setting.weight_scale)
        late = _slope(table.query("layer >= @setting.depth // 2"))
        early = _slope(table.query("15 <= layer <= 30"))
        errors = {"error": abs(late / expected - 1), "early_error": abs(early / expected - 1)}
        rows.append({"graph": seed, "rate": P.rate, "expected": expected, "slope": late, **errors})
    return pd.DataFrame(rows)


def _slope(table):
    return log_slope(table["layer"], table["feature_deviation"])


def modes(setting, graphs=("digits", "karate"), kinds=("metropolis", "random_walk")):
    """Linear networks and their prediction: graph, propagation, layer, measured, predicted, slowest (λᵏ), difference.

    The three are divided by their value at k = 0; the difference is relative, 0 where it is rounding.
    """
    tables = []
    for graph in graphs:
        for kind in kinds:
            one = replace(setting, graph=graph, kind=kind, activation="identity")
            X, P = one.data().x, one.propagation()
            table = profile(replace(one, width=X.shape[1]))
            measured = table["feature_deviation"]
            predicted = osm.spectral_deviation(P, X, range(setting.depth)).numpy()
            rows = {
                "graph": graph,
                "propagation": kind,
                "layer": table["layer"],
                "measured": measured / measured[0],
                "predicted": predicted / measured[0],
                "slowest": P.rate ** table["layer"],
                "difference": clear_of_rounding((measured / predicted - 1).abs()),
            }
            tables.append(pd.DataFrame(rows))
    return pd.concat(tables, ignore_index=True)


REFERENCE = Setting(depth=31)
