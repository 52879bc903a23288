"""Measures of smoothness side by side, in situations whose truth is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments import settings
from oversmooth_book.experiments.common import clear_of_rounding
from oversmooth_book.experiments.forward_oversmoothing.measure import network, total

# name -> (kind of propagation, activation, weight scale, what is done to the features before layer 0)
SITUATIONS = {
    "smoothed": ("metropolis", "tanh", 1.0, None),
    "only shrunk": ("identity", "identity", 0.7, None),
    "GCN limit": ("gcn", "identity", 1.0, None),
    "one positive feature": ("identity", "identity", 1.0, "absolute sum"),
    "mean removed": ("metropolis", "identity", 1.0, "centre"),
}


def measures(setting, graphs=("CSBM", "digits")):
    """Five measures of smoothness in five situations: situation, graph, measure, layer, value.

    relative energy is the squared `oversmooth.relative_deviation`, in the operator's own coordinates; the energies
    are plain, with uniform weights. Every measure is divided by its value at layer 0, unless rounding is all of that.
    """
    rows = []
    for situation, (kind, activation, scale, before) in SITUATIONS.items():
        for graph in graphs:
            one = replace(setting, graph=graph, kind=kind, activation=activation, weight_scale=scale)
            data, P = one.data(), one.propagation()
            start = _prepared(data.x, before)
            one = replace(one, width=start.shape[1])
            features = osm.trace(network(one, P, start), start, total).features
            features = [x.reshape(data.num_nodes, -1) for x in features]  # one seed
            for name, values in _measured(features, P, data.edge_index).items():
                # Where layer 0 is at the floor, rounding would be divided by rounding.
                values = values / values[0] if abs(values[0]) > 1e-12 else values
                key = {"situation": situation, "graph": graph, "measure": name}
                rows += [{**key, "layer": k, "value": value} for k, value in enumerate(values)]
    return pd.DataFrame(rows)


def _prepared(features, before):
    if before == "absolute sum":
        return features.abs().sum(1, keepdim=True)
    return features - features.mean(0) if before == "centre" else features


def _measured(features, propagation, edge_index):
    functions = {
        "energy": osm.energy,
        "Dirichlet energy": lambda x: osm.dirichlet_energy(x, edge_index),
        "mean average distance": lambda x: osm.mean_average_distance(x, edge_index),
        "effective rank − 1": lambda x: osm.effective_rank(x) - 1,
        "relative energy": lambda x: osm.relative_deviation(x, propagation).square(),
    }
    return {name: np.array([float(measure(x)) for x in features]) for name, measure in functions.items()}


def energy_identities(graphs=("CSBM", "digits"), kinds=("metropolis", "random_walk")):
    """Two identities for the energy E(X) = σ(X)², over all pairs: graph, propagation, identity, left, right, error.

    pairs: E(X) = ½ Σ_ij π_i π_j ‖X_i − X_j‖².  one layer: E(X) − E(PX) = ½ Σ_ij π_i (P²)_ij ‖X_i − X_j‖²: the energy
    that one propagation removes is a Dirichlet energy, that of two steps of P. The error is relative,
    0 where it is rounding.
    """
    rows = []
    for graph in graphs:
        data = settings.graph(graph)
        squares = torch.cdist(data.x, data.x, compute_mode="donot_use_mm_for_euclid_dist").square()
        for kind in kinds:
            P = settings.propagation(graph, kind=kind)
            pi, dense = P.stationary, P.to_dense()
            energy, after = float(osm.energy(data.x, P)), float(osm.energy(P @ data.x, P))
            pairs = float(pi @ squares @ pi) / 2
            removed = float(pi @ (dense @ dense * squares).sum(1)) / 2
            for name, left, right in (("pairs", energy, pairs), ("one layer", energy - after, removed)):
                error = float(clear_of_rounding(abs(left / right - 1)))
                key = {"graph": graph, "propagation": kind, "identity": name}
                rows.append({**key, "left": left, "right": right, "error": error})
    return pd.DataFrame(rows)
