"""Smoothing alone on public graphs, predicted and measured; every function returns tidy tables."""

import warnings
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments import settings
from oversmooth_book.experiments.common import clear_of_rounding
from oversmooth_book.experiments.real_graphs.lanczos import quadrature_deviation
from oversmooth_book.experiments.settings import Setting

REFERENCES = ("CSBM", "karate")
# Dense eigenvectors take time n³: seconds up to this size.
DENSE_NODES = 4000
# Of Lanczos' method on larger graphs: what it predicts is exact below so many layers, beyond it is a lower bound.
STEPS = 65
# How far the predictions look for the depth at which little is left.
FARTHEST = 4096
SHARES = {"half": 0.5, "tenth": 0.1, "hundredth": 0.01}
# Of what products with P leave, so small a share has rounding in its ninth digit.
CLEAR = 1e-6


def references(large_nodes):
    """The graphs of the other chapters and, for the full profile, a large block model (0 nodes: none)."""
    return [*REFERENCES, *([f"CSBM {large_nodes}"] if large_nodes else [])]


@cache
def whole(name):
    """A graph with all its components; a `Setting` has the largest one."""
    family, _, size = name.partition(" ")
    if family == "CSBM":
        return settings.block_model(int(size)) if size else settings.graph(name)
    return osm.load(name)


def widths(**settings):
    """How wide the networks of each part of the chapter are: part, width."""
    return pd.DataFrame([{"part": part, "width": setting.width} for part, setting in settings.items()])


def census(setting, graphs):
    """Graphs and their components: graph, nodes, components, largest, edges, features, whole_rate, rate_is_one.

    ``largest``: nodes of the largest component; edges are undirected, ``whole_rate`` is λ of the whole graph.
    """
    rows = []
    for name in graphs:
        data, largest = whole(name), replace(setting, graph=name).data()
        P = osm.Propagation.from_data(data, setting.kind)
        row = {"graph": name, "nodes": data.num_nodes, "components": P.num_components}
        row |= {"largest": largest.num_nodes, "edges": data.num_edges // 2, "features": data.num_features}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a disconnected graph has λ = 1 is what these columns show
            rows.append(row | {"whole_rate": P.rate, "rate_is_one": int(P.rate == 1)})
    return pd.DataFrame(rows)


def smoothing(setting, graphs, kinds=("metropolis", "random_walk")):
    """Smoothing alone, σ(PᵏX)/σ(X) by products and from the spectrum; and when little will be left. Two tables.

    graph, propagation, layer (0, 1, 2, every fourth up to the depth), measured, predicted, slowest (λᵏ), difference
    (relative, 0 where it is rounding).  graph, propagation, rate (λ), half, tenth, hundredth (the first layer at which
    so much is left), exact (whether the last one is that layer, or by quadrature a lower bound of it).
    """
    curves, ends, layers = [], [], np.array([0, 1, 2, *range(4, setting.depth + 1, 4)])
    for name in graphs:
        for kind in kinds:
            one = replace(setting, graph=name, kind=kind)
            X, P = one.data().x, one.propagation()
            whole_curve, exact = _predict(P, X)
            measured, predicted = _powers(P, X, layers), whole_curve[layers].numpy()
            rows = {
                "graph": name,
                "propagation": kind,
                "layer": layers,
                "measured": measured,
                "predicted": predicted,
                "slowest": P.rate**layers,
                "difference": clear_of_rounding(np.where(measured > CLEAR, np.abs(measured / predicted - 1), 0.0)),
            }
            curves.append(pd.DataFrame(rows))
            row = {share: _first_below(whole_curve, level) for share, level in SHARES.items()}
            row["exact"] = exact or row["hundredth"] < STEPS
            ends.append({"graph": name, "propagation": kind, "rate": P.rate, **row})
    return pd.concat(curves, ignore_index=True), pd.DataFrame(ends)


def components(setting, graphs):
    """σ(PᵏX) of whole graphs, by components: graph, layer, total, inside, between, largest, change.

    σ² = Σ_c π_c σ_c² + Σ_c π_c ‖μ_c − μ‖²: the first part is smoothed component by component, the second is conserved.
    All are shares of σ(X); ``largest`` is σ on the largest component, as a share of its own start; ``change`` is the
    relative one of ``between`` since layer 0, 0 where it is rounding. Every fourth layer up to the depth.
    """
    rows = []
    for name in graphs:
        data = whole(name)
        P, label = osm.Propagation.from_data(data, setting.kind), component_labels(data)
        inside_largest = label == label.bincount().argmax()
        X = data.x
        for k in range(setting.depth + 1):
            if k % 4 == 0:
                rows.append({"graph": name, "layer": k, **_parts(X, label)})
                rows[-1]["largest"] = float(osm.deviation(X[inside_largest]))
            X = P @ X
    table = pd.DataFrame(rows)
    start = table.groupby("graph", sort=False).transform("first")
    change = (table["between"] / start["between"] - 1).abs()
    table[["inside", "between"]] = table[["inside", "between"]].div(start["total"], axis=0)
    table[["total", "largest"]] /= start[["total", "largest"]]
    return table.assign(change=clear_of_rounding(change, floor=1e-10))


def component_labels(data):
    """The connected component of each node of an undirected graph: (n,) integers from 0."""
    from scipy.sparse.csgraph import connected_components
    from torch_geometric.utils import to_scipy_sparse_matrix

    adjacency = to_scipy_sparse_matrix(data.edge_index, num_nodes=data.num_nodes)
    return torch.from_numpy(connected_components(adjacency, directed=False)[1]).long()


def _powers(P, X, layers):
    """σ(PᵏX)/σ(X) at the layers, by k products."""
    found = {}
    for k in range(layers.max() + 1):
        if k in layers:
            found[k] = float(osm.deviation(X, P))
        X = P @ X
    return np.array([found[k] / found[0] for k in layers])


def _predict(P, X):
    """σ(PᵏX)/σ(X) for k = 0..FARTHEST from the spectrum; and whether all of it is exact."""
    dense = P.num_nodes <= DENSE_NODES
    layers = range(FARTHEST + 1)
    curve = osm.spectral_deviation(P, X, layers) if dense else quadrature_deviation(P, X, layers, STEPS)
    return curve / curve[0], dense


def _first_below(curve, level):
    below = (curve <= level).nonzero()
    return int(below[0]) if len(below) else -1


def _parts(X, label):
    """Total deviation, its part inside components and its part between them, with uniform weights: P is symmetric."""
    count = label.bincount()[:, None].to(X.dtype)
    means = torch.zeros(len(count), X.shape[1], dtype=X.dtype).index_add_(0, label, X) / count
    share = count / len(X)
    centre = (share * means).sum(0)
    inside = (X - means[label]).square().sum() / len(X)
    between = (share * (means - centre).square()).sum()
    return {"total": float(osm.deviation(X)), "inside": float(inside.sqrt()), "between": float(between.sqrt())}


REFERENCE = Setting(depth=64, seeds=(10, 11, 12), loss="cross_entropy")
