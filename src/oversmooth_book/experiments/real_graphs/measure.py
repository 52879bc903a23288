"""Chapter real_graphs: smoothing on public graphs, predicted and measured, apart from shrinking weights."""

import functools
import warnings

import numpy
import pandas
import torch

import oversmooth as osm
from oversmooth_book.experiments.real_graphs.lanczos import quadrature_deviation

REFERENCES = ("CSBM", "karate", "digits")
# Dense eigenvectors take time n³: seconds up to this size.
DENSE_NODES = 4000
# How far the predictions look for the depth at which little is left.
FARTHEST = 4096


def references(large_nodes):
    """The graphs of the other chapters and, for the full profile, a large block model.

    Args:
        large_nodes: its number of nodes, or 0 for none.

    Returns:
        Names for `load`.
    """
    return [*REFERENCES, *([f"CSBM {large_nodes}"] if large_nodes else [])]


@functools.cache
def load(name, whole=False):
    """A graph by name, its largest connected component unless `whole`.

    Args:
        name: for `oversmooth.load`, or "CSBM" for the book's reference graph; "CSBM 100000": one with so many nodes
            and the same mean degree.
        whole: keep all components.

    Returns:
        `Data`, the same object at every call: read only.
    """
    family, _, size = name.partition(" ")
    if family == "CSBM":
        n = int(size or 400)
        data = osm.csbm(num_nodes=n, p_in=24 / n, p_out=8 / n)  # at 400 the defaults
    else:
        data = osm.load(name)
    return data if whole else osm.largest_component(data)


def census(graphs):
    """What the graphs are, and what the rate is of the whole graph, components and all.

    Args:
        graphs: names.

    Returns:
        A row for each graph: graph, nodes, components, largest (nodes of the largest component), edges (undirected, of
        the whole), features, whole_rate (λ with Metropolis weights).
    """
    rows = []
    for name in graphs:
        data = load(name, whole=True)
        P = osm.Propagation.from_data(data)
        row = {"graph": name, "nodes": data.num_nodes, "components": P.num_components}
        row |= {"largest": load(name).num_nodes, "edges": data.num_edges // 2, "features": data.num_features}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a disconnected graph has λ = 1 is what this column shows
            rows.append(row | {"whole_rate": P.rate})
    return pandas.DataFrame(rows)


def smoothing(graphs, depth):
    """Smoothing alone: σ(PᵏX)/σ(X) by repeated products, and from the spectrum; and when little will be left.

    Args:
        graphs: names; the largest component of each is taken.
        depth: the last k that is measured, a multiple of 4.

    Returns:
        Two tables. A row for each graph, propagation and k (0, 1, 2, every fourth): measured, predicted, slowest (λᵏ).
        A row for each graph and propagation: rate λ, and the first k at which half, a tenth, a hundredth is left; exact
        tells whether the last one is the depth itself or, by quadrature, a lower bound of it.
    """
    curves, summary, layers = [], [], numpy.array([0, 1, 2, *range(4, depth + 1, 4)])
    for name in graphs:
        data = load(name)
        for kind in ("metropolis", "random_walk"):
            P = osm.Propagation.from_data(data, kind=kind)
            predicted, exact = _predict(P, data.x, depth)
            keys = {"graph": name, "propagation": kind}
            columns = {"measured": _powers(P, data.x, layers), "predicted": predicted[layers].tolist()}
            curves.append(pandas.DataFrame({**keys, "layer": layers, **columns, "slowest": P.rate**layers}))
            row = {share: _first_below(predicted, level) for share, level in _SHARES.items()}
            exact = exact or row["hundredth"] <= depth
            summary.append({**keys, "rate": P.rate, **row, "exact": exact})
    return pandas.concat(curves, ignore_index=True), pandas.DataFrame(summary)


def overview(counts, curves, summary):
    """The first table of the chapter: sizes, rates, and what Metropolis weights leave of the features.

    Args:
        counts: of `census`.
        curves: of `smoothing`, the first table.
        summary: of `smoothing`, the second.

    Returns:
        A row for each graph, rounded and as text, ready to be shown.
    """
    rates = summary.pivot(index="graph", columns="propagation", values="rate")
    left = curves[curves["propagation"] == "metropolis"].pivot(index="graph", columns="layer", values="measured")
    table = counts.set_index("graph")[["nodes", "components", "largest", "edges"]].astype(str)
    for kind, label in {"metropolis": "λ Metropolis", "random_walk": "λ random walk"}.items():
        table[label] = rates[kind].map("{:.4f}".format)
    for layer in dict.fromkeys([8, 32, left.columns.max()]):
        table[f"left, k = {layer}"] = left[layer].map("{:.2g}".format, na_action="ignore").fillna("")
    return table.rename_axis(None)


def components(graphs, depth):
    """The whole graph, with all its components: what of σ(PᵏX) lies inside components, what between them.

    σ² = Σ_c π_c σ_c² + Σ_c π_c ‖μ_c − μ‖²: the first part is smoothed component by component, the second is conserved.

    Args:
        graphs: names.
        depth: the last k.

    Returns:
        A row for each graph and every fourth k, as shares of σ(X): total, inside, between; and largest, σ on the
        largest component alone, as a share of its own start.
    """
    rows = []
    for name in graphs:
        data = load(name, whole=True)
        P, label = osm.Propagation.from_data(data), component_labels(data)
        inside_largest = label == label.bincount().argmax()
        X = data.x
        for k in range(depth + 1):
            if k % 4 == 0:
                rows.append({"graph": name, "layer": k, **_parts(X, label)})
                rows[-1]["largest"] = float(osm.deviation(X[inside_largest]))
            X = P @ X
    table = pandas.DataFrame(rows)
    start = table.groupby("graph", sort=False).transform("first")
    table[["inside", "between"]] = table[["inside", "between"]].div(start["total"], axis=0)
    table[["total", "largest"]] /= start[["total", "largest"]]
    return table


def component_labels(data):
    """The connected component of each node, (n,) integers from 0.

    Args:
        data: an undirected graph.

    Returns:
        The labels.
    """
    from scipy.sparse.csgraph import connected_components
    from torch_geometric.utils import to_scipy_sparse_matrix

    adjacency = to_scipy_sparse_matrix(data.edge_index, num_nodes=data.num_nodes)
    return torch.from_numpy(connected_components(adjacency, directed=False)[1]).long()


_SHARES = {"half": 0.5, "tenth": 0.1, "hundredth": 0.01}


def _powers(P, X, layers):
    """σ(PᵏX)/σ(X) at the layers, by k products."""
    found = {}
    for k in range(layers.max() + 1):
        if k in layers:
            found[k] = float(osm.deviation(X, P))
        X = P @ X
    return [found[k] / found[0] for k in layers]


def _predict(P, X, depth):
    """σ(PᵏX)/σ(X) for k = 0..FARTHEST from the spectrum; and whether it is exact beyond `depth`."""
    dense = P.num_nodes <= DENSE_NODES
    layers = range(FARTHEST + 1)
    curve = osm.spectral_deviation(P, X, layers) if dense else quadrature_deviation(P, X, layers, depth + 1)
    return curve / curve[0], dense


def _first_below(curve, level):
    below = (curve <= level).nonzero()
    return int(below[0]) if len(below) else -1


def _parts(X, label):
    """Total deviation, its part inside components and its part between them (uniform weights)."""
    count = label.bincount()[:, None].to(X.dtype)
    means = torch.zeros(len(count), X.shape[1], dtype=X.dtype).index_add_(0, label, X) / count
    share = count / len(X)
    centre = (share * means).sum(0)
    inside = (X - means[label]).square().sum() / len(X)
    between = (share * (means - centre).square()).sum()
    return {"total": float(osm.deviation(X)), "inside": float(inside.sqrt()), "between": float(between.sqrt())}
