"""The experiments of the chapter on forward oversmoothing: every function returns one tidy table."""

import numpy as np
import pandas
import torch

import oversmooth as osm
from oversmooth_book.experiments import over_seeds
from oversmooth_book.experiments.forward_oversmoothing.draws import bound_draws
from oversmooth_book.experiments.forward_oversmoothing.measures import energy_identities, measures
from oversmooth_book.experiments.forward_oversmoothing.phase import phase, stop_contracting
from oversmooth_book.experiments.forward_oversmoothing.profiles import decay_rates, profile, random_network

__all__ = [
    "bound_draws",
    "collapse",
    "collapse_bands",
    "decay_rates",
    "energy_identities",
    "fitted_slopes",
    "measures",
    "modes",
    "phase",
    "snapshots",
    "stop_contracting",
]

ACTIVATIONS = ("identity", "tanh", "elu", "relu")
PRODUCTS = (0.5, 0.8, 1.25, 2.0)  # λs: two values on each side of 1


def snapshots(layers, seed=0):
    """The features of one tanh network, s = 1, on the two-class graph, projected on their two main directions.

    Each layer's features are centred and rotated, and not rescaled. The view "same scale" holds these coordinates,
    the view "enlarged" multiplies them by ``factor`` so that every layer is as wide as layer 0.

    Args:
        layers: the layers to show.
        seed: of the weights.

    Returns:
        A row for each view, layer and node: view, layer, label, x, y, factor.
    """
    data = osm.csbm()
    P = osm.Propagation.from_data(data)
    network = random_network(P, data.x, "tanh", 1.0, max(layers), seed)
    features = osm.trace(network, data.x, torch.sum).features
    planes = {k: _main_plane(features[k], data.y) for k in layers}
    factors = {k: float(osm.deviation(features[0], P) / osm.deviation(features[k], P)) for k in layers}
    tables = []
    for view in ("same scale", "enlarged"):
        for k, plane in planes.items():
            factor = factors[k] if view == "enlarged" else 1.0
            x, y = (factor * plane).T.numpy()
            rows = {"view": view, "layer": k, "label": data.y.numpy(), "x": x, "y": y, "factor": factor}
            tables.append(pandas.DataFrame(rows))
    return pandas.concat(tables, ignore_index=True)


def _main_plane(features, labels):
    """Coordinates on the two main directions, signs fixed: class 1 to the right, the farthest node upwards."""
    centred = features - features.mean(0)
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    plane = centred @ directions[:2].T
    right = plane[labels == 1, 0].mean().sign()
    up = plane[plane[:, 1].abs().argmax(), 1].sign()
    return plane * torch.stack([right, up])


def collapse(num_layers, seeds):
    """σ(X⁽ᵏ⁾) layer by layer on the two-class graph, for λs on both sides of 1.

    Args:
        num_layers: the last layer.
        seeds: seeds of the weights.

    Returns:
        A row for each activation, λs, layer and seed: activation, product (λs), layer, seed, deviation and bound
        (both divided by σ(X⁽⁰⁾)), ratio (the relative deviation).
    """
    data = osm.csbm()
    P = osm.Propagation.from_data(data)
    tables = []
    for activation in ACTIVATIONS:
        for product in PRODUCTS:
            network = random_network(P, data.x, activation, product / P.rate, num_layers, seeds)
            table = osm.layer_profile(osm.trace(network, data.x, torch.sum))
            start = float(osm.deviation(data.x, P))
            rows = {
                "activation": activation,
                "product": product,
                "layer": table["layer"],
                "seed": table["seed"],
                "deviation": table["feature_deviation"] / start,
                # one value a layer and seed, in the profile's order; the last one is the output's
                "bound": osm.forward_bound(network, data.x)[:, :-1].T.reshape(-1).numpy() / start,
                "ratio": table["feature_ratio"],
            }
            tables.append(pandas.DataFrame(rows))
    return pandas.concat(tables, ignore_index=True)


def collapse_bands(table):
    """What the figure draws of `collapse`: over the seeds, with the one bound that they share.

    Args:
        table: from `collapse`.

    Returns:
        A row for each activation, λs and layer: activation, product, layer, median, low, high, bound.
    """
    by = ["activation", "product", "layer"]
    bound = table.groupby(by, sort=False)["bound"].max().reset_index()
    return over_seeds(table, by, "deviation").merge(bound, on=by)


def fitted_slopes(num_graphs, num_layers=150, scale=1.0):
    """The slope of log σ(X⁽ᵏ⁾) against k of linear networks, on several two-class graphs.

    The features are centred, so that σ can be followed far below the size that the mean would give to rounding.

    Args:
        num_graphs: graphs of seeds 0, 1, …
        num_layers: the last layer; the slope is fitted to the second half, where the slowest mode has won.
        scale: s.

    Returns:
        A row for each graph: graph, rate (λ), expected (log λs), slope, and two relative errors: error of this
        slope, early_error of one fitted to layers 15 to 30.
    """
    rows = []
    for graph in range(num_graphs):
        data = osm.csbm(seed=graph)
        P = osm.Propagation.from_data(data)
        table = profile(P, data.x - data.x.mean(0), "identity", scale, num_layers, [0])
        expected = np.log(P.rate * scale)
        early, late = _slope(table.query("15 <= layer <= 30")), _slope(table.query("layer >= @num_layers / 2"))
        errors = {"error": abs(late / expected - 1), "early_error": abs(early / expected - 1)}
        rows.append({"graph": graph, "rate": P.rate, "expected": expected, "slope": late, **errors})
    return pandas.DataFrame(rows)


def _slope(table):
    return np.polyfit(table["layer"], np.log(table["feature_deviation"]), 1)[0]


def modes(num_layers):
    """Measured and predicted smoothing of linear networks on digits and on the karate club.

    Args:
        num_layers: the last layer.

    Returns:
        A row for each graph, propagation and layer: measured σ(X⁽ᵏ⁾), predicted by `oversmooth.spectral_deviation`,
        slowest λᵏ; all three divided by their value at k = 0.
    """
    tables = []
    for name in ("digits", "karate"):
        data = osm.load(name)
        for kind in ("metropolis", "random_walk"):
            P = osm.Propagation.from_data(data, kind=kind)
            table = profile(P, data.x, "identity", 1.0, num_layers, [0], width=data.x.shape[1])
            start = table["feature_deviation"][0]
            rows = {
                "graph": name,
                "propagation": kind,
                "layer": table["layer"],
                "measured": table["feature_deviation"] / start,
                "predicted": osm.spectral_deviation(P, data.x, range(num_layers + 1)).numpy() / start,
                "slowest": P.rate ** table["layer"],
            }
            tables.append(pandas.DataFrame(rows))
    return pandas.concat(tables, ignore_index=True)
