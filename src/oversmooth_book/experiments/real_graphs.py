"""Chapter real_graphs: smoothing on public graphs, predicted and measured, apart from shrinking weights."""

import pandas
import torch

import oversmooth as osm
from oversmooth_book.experiments.lanczos import quadrature_deviation

REFERENCES = ("CSBM", "karate", "digits")
OPERATORS = ("metropolis", "random_walk")
# Dense eigenvectors take time n³: seconds up to this size.
DENSE_NODES = 4000
# How far the predictions look for the depth at which little is left.
FARTHEST = 4096
# Name of a network -> activation, initial weights, their scale. √2 makes up for the half that ReLU cuts off.
NETWORKS = {
    "orthogonal, identity": ("identity", "orthogonal", 1.0),
    "Glorot, tanh": ("tanh", "glorot", 1.0),
    "Glorot, ReLU": ("relu", "glorot", 1.0),
    "He, ReLU": ("relu", "glorot", 2**0.5),
}


def load(name, whole=False):
    """A graph by name, its largest connected component unless `whole`.

    Args:
        name: for `oversmooth.load`, or "CSBM" for the book's reference graph.
        whole: keep all components.

    Returns:
        `Data`.
    """
    data = osm.csbm() if name == "CSBM" else osm.load(name)
    return data if whole else osm.largest_component(data)


def census(graphs):
    """What the graphs are: size, components, and the smoothing rate of the largest component.

    Args:
        graphs: names.

    Returns:
        A row for each graph: graph, nodes, components, largest, edges, features, metropolis, random_walk; edges
        are undirected and lie in the largest component.
    """
    rows = []
    for name in graphs:
        data, whole = load(name), load(name, whole=True)
        row = {"graph": name, "nodes": whole.num_nodes, "components": osm.Propagation.from_data(whole).num_components}
        row |= {"largest": data.num_nodes, "edges": data.num_edges // 2, "features": data.num_features}
        row |= {kind: osm.Propagation.from_data(data, kind=kind).rate for kind in OPERATORS}
        rows.append(row)
    return pandas.DataFrame(rows)


def smoothing(graphs, depth):
    """Smoothing alone: σ(PᵏX)/σ(X) by repeated products, and from the spectrum; and when little will be left.

    Args:
        graphs: names; the largest component of each is taken.
        depth: the last k that is measured.

    Returns:
        Two tables. A row for each graph, operator and k: measured, predicted, slowest (λᵏ). A row for each graph and
        operator: the first k at which half, a tenth, a hundredth is left; exact tells whether a hundredth is the depth
        itself or a lower bound of it.
    """
    curves, onsets = [], []
    for name in graphs:
        data = load(name)
        for kind in OPERATORS:
            P = osm.Propagation.from_data(data, kind=kind)
            predicted, exact = _predict(P, data.x, depth)
            layers = _layers(depth)
            curve = {"layer": layers, "measured": _powers(P, data.x, layers), "predicted": predicted[layers].tolist()}
            curves.append(pandas.DataFrame({"graph": name, "operator": kind, **curve, "slowest": P.rate ** layers}))
            row = {"graph": name, "operator": kind}
            row |= {share: _first_below(predicted, level) for share, level in _SHARES.items()}
            onsets.append(row | {"exact": exact or row["hundredth"] <= depth})
    return pandas.concat(curves, ignore_index=True), pandas.DataFrame(onsets)


def orthogonal_network(graphs, depth, width):
    """A deep linear network with square orthogonal weights against the spectral prediction (Metropolis).

    Args:
        graphs: names.
        depth: number of layers.
        width: columns of the signal; features of more columns are first read into this many, as in `read_in`.

    Returns:
        A row for each graph and k: measured and predicted σ(X⁽ᵏ⁾)/σ(X⁽⁰⁾).
    """
    tables = []
    for name in graphs:
        data = load(name)
        P = osm.Propagation.from_data(data)
        X = read_in(data.x, width, [0])[0] if data.num_features > width else data.x
        net = osm.Network(P, [X.shape[1]] * (depth + 1), activation="identity", seed=1)
        measured = torch.stack([osm.deviation(layer, P) for layer in _forward(net, X)])
        predicted = quadrature_deviation(P, X, range(depth + 1))
        columns = {"measured": measured / measured[0], "predicted": predicted / predicted[0]}
        tables.append(pandas.DataFrame({"graph": name, "layer": range(depth + 1), **columns}))
    return pandas.concat(tables, ignore_index=True)


def components(graphs, depth):
    """The whole graph, with all its components: what of σ(PᵏX) lies inside components, what between them.

    σ² = Σ_c π_c σ_c² + Σ_c π_c ‖μ_c − μ‖²: the first part is smoothed component by component, the second is conserved.

    Args:
        graphs: names.
        depth: the last k.

    Returns:
        A row for each graph and k, as shares of σ(X): total, inside, between; and largest, σ on the largest
        component alone, as a share of its own start.
    """
    rows = []
    for name in graphs:
        data = load(name, whole=True)
        P, label = osm.Propagation.from_data(data), component_labels(data)
        inside_largest = label == label.bincount().argmax()
        X, layers = data.x, _layers(depth)
        for k in range(depth + 1):
            if k in layers:
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


def two_factors(graphs, depth, width, num_seeds):
    """Smoothing and shrinking, each alone and both: random networks with the graph and without it (P = I).

    Args:
        graphs: names.
        depth: number of layers.
        width: of every layer; the features are read into this many columns.
        num_seeds: networks of each kind.

    Returns:
        A row for each graph, network of `NETWORKS`, propagation (with graph, without), seed and layer k:
        deviation σ(X⁽ᵏ⁾) and norm (mean square of the rows, root), as shares of layer 0.
    """
    seeds, tables = list(range(num_seeds)), []
    for name in graphs:
        data = load(name)
        X = read_in(data.x, width, seeds)
        for where, kind in (("with graph", "metropolis"), ("without graph", "identity")):
            P = osm.Propagation.from_data(data, kind=kind)
            for network, (activation, init, scale) in NETWORKS.items():
                widths = [width] * (depth + 1)
                net = osm.Network(P, widths, activation=activation, weight_scale=scale, seed=seeds, init=init)
                table = _shares(net, X)
                keys = {"graph": name, "network": network, "propagation": where}
                tables.append(table.assign(**keys)[[*keys, *table.columns]])
    return pandas.concat(tables, ignore_index=True)


def read_in(features, width, seeds):
    """Features turned into `width` columns by orthogonal matrices, one for each seed, and scaled to entries of size 1.

    Args:
        features: X, (n, d).
        width: columns wanted.
        seeds: list of integers.

    Returns:
        (seeds, n, width), mean square of all entries 1.
    """
    with torch.no_grad():
        first = osm.Network(_identity(features), [features.shape[1], width], activation="identity", seed=seeds)
        read = first(features)
    return read / read.square().mean((-1, -2), keepdim=True).sqrt()


def onset(table, value="deviation", level=0.1):
    """The first layer at which the median over the seeds is at most `level`, for each kind of network.

    Args:
        table: of `two_factors`.
        value: its column.
        level: share of the start.

    Returns:
        A Series by graph, network and propagation; -1 where no layer is that low.
    """
    keys = ["graph", "network", "propagation"]
    median = table.groupby([*keys, "layer"], sort=False)[value].median().reset_index()
    reached = median[median[value] <= level].groupby(keys, sort=False)["layer"].min()
    everything = pandas.MultiIndex.from_frame(median[keys].drop_duplicates())
    return reached.reindex(everything, fill_value=-1)


_SHARES = {"half": 0.5, "tenth": 0.1, "hundredth": 0.01}


def _identity(features):
    nodes = len(features)
    return osm.Propagation.from_edges(torch.zeros(2, 0, dtype=torch.int64), nodes, kind="identity")


def _layers(depth):
    """Powers of two and the depth: the layers that are measured."""
    import numpy

    powers = [2**j for j in range(depth.bit_length()) if 2**j < depth]
    return numpy.array([0, *powers, *([3 * depth // 4] if depth >= 16 else []), depth])


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


def _forward(net, X):
    """X⁽⁰⁾, X⁽¹⁾, …, one at a time; the last one is the output, activated like the others."""
    yield X
    with torch.no_grad():
        for k in range(net.depth):
            X = net.activation(net.preactivate(k, net.propagation @ X))
            yield X


def _shares(net, X):
    """A row for each layer and seed: deviation and norm as shares of layer 0."""
    deviation, norm = [], []
    for layer in _forward(net, X):
        deviation.append(osm.deviation(layer, net.propagation))
        norm.append(layer.square().sum(-1).mean(-1).sqrt())
    layers, seeds = len(norm), len(X)
    table = {"seed": [*range(seeds)] * layers, "layer": torch.arange(layers).repeat_interleave(seeds).tolist()}
    columns = {"deviation": torch.stack(deviation), "norm": torch.stack(norm)}
    return pandas.DataFrame(table | {name: (value / value[0]).ravel().tolist() for name, value in columns.items()})


def _parts(X, label):
    """Total deviation, its part inside components and its part between them (uniform weights)."""
    count = label.bincount()[:, None]
    means = torch.zeros(len(count), X.shape[1], dtype=X.dtype).index_add_(0, label, X) / count
    share = count / len(X)
    centre = (share * means).sum(0)
    inside = (X - means[label]).square().sum() / len(X)
    between = (share * (means - centre).square()).sum()
    return {"total": float(osm.deviation(X)), "inside": float(inside.sqrt()), "between": float(between.sqrt())}
