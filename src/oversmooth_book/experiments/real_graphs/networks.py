"""Chapter real_graphs, second part: random networks on public graphs, smoothing told apart from shrinking."""

import numpy
import pandas
import torch
from torch.nn import functional

import oversmooth as osm
from oversmooth_book.experiments.common import over_seeds
from oversmooth_book.experiments.real_graphs.lanczos import quadrature_deviation
from oversmooth_book.experiments.real_graphs.measure import load

# Name of a network -> activation, initial weights, their scale. √2 makes up for the half that ReLU cuts off.
NETWORKS = {
    "orthogonal, identity": ("identity", "orthogonal", 1.0),
    "orthogonal, tanh": ("tanh", "orthogonal", 1.0),
    "Glorot, tanh": ("tanh", "glorot", 1.0),
    "Glorot, ReLU": ("relu", "glorot", 1.0),
    "He, ReLU": ("relu", "glorot", 2**0.5),
    "orthogonal, ELU": ("elu", "orthogonal", 1.0),
    "four times orthogonal, tanh": ("tanh", "orthogonal", 4.0),
}

# Whose norm is followed forward.
FORWARD = ("orthogonal, identity", "orthogonal, tanh", "Glorot, tanh", "Glorot, ReLU", "He, ReLU")

# Whose backward signal is shown: graph, name of the network.
BACKWARD = (
    ("CSBM", "orthogonal, tanh"),
    ("Cora", "orthogonal, identity"),
    ("Cora", "orthogonal, tanh"),
    ("Cora", "orthogonal, ELU"),
    ("Cora", "four times orthogonal, tanh"),
    ("Cora", "Glorot, tanh"),
    ("Cora", "Glorot, ReLU"),
)
SIGNAL = ("backward_deviation", "backward_norm", "backward_ratio")  # columns of `layer_profile`


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


def two_factors(graphs, depth, width, num_seeds):
    """Smoothing and shrinking, each alone and both: random networks with the graph and without it (P = I).

    Args:
        graphs: names.
        depth: number of layers.
        width: of every layer; the features are read into this many columns.
        num_seeds: networks of each kind.

    Returns:
        A row for each graph, network of `FORWARD`, where (graph, no graph), seed and layer k:
        deviation σ(X⁽ᵏ⁾) and norm (mean square of the rows, root), as shares of layer 0.
    """
    seeds, tables = list(range(num_seeds)), []
    for name in graphs:
        data = load(name)
        X = read_in(data.x, width, seeds)
        for where, kind in (("graph", "metropolis"), ("no graph", "identity")):
            P = osm.Propagation.from_data(data, kind=kind)
            for network in FORWARD:
                activation, init, scale = NETWORKS[network]
                widths = [width] * (depth + 1)
                net = osm.Network(P, widths, activation=activation, weight_scale=scale, seed=seeds, init=init)
                table = _shares(net, X)
                keys = {"graph": name, "network": network, "where": where}
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


def onset(bands, level=0.1):
    """The first layer at which the median over the seeds is at most `level`, for each kind of network.

    Args:
        bands: of one quantity of `two_factors`, the median over the seeds in its column median.
        level: share of the start.

    Returns:
        A Series by graph, network and where; -1 where no layer is that low.
    """
    keys = ["graph", "network", "where"]
    reached = bands[bands["median"] <= level].groupby(keys, sort=False)["layer"].min()
    everything = pandas.MultiIndex.from_frame(bands[keys].drop_duplicates())
    return reached.reindex(everything, fill_value=-1)


def depths(summary, deviation, norm):
    """The depth at which each factor bites, and both together: the second table of the chapter.

    Smoothing alone is read from the spectrum, shrinking alone is that of the norm without the graph, all else the
    deviation.

    Args:
        summary: of `smoothing`, the second table.
        deviation: bands of that column of `two_factors`, as for `onset`.
        norm: likewise.

    Returns:
        A row for each level (a tenth, a hundredth) and graph, as text, ready to be shown.
    """
    columns = {
        "shrinking alone, ReLU": ("norm", "Glorot, ReLU", "no graph"),
        "shrinking alone, tanh": ("norm", "Glorot, tanh", "no graph"),
        "both, ReLU": ("deviation", "Glorot, ReLU", "graph"),
        "both, tanh": ("deviation", "Glorot, tanh", "graph"),
        "both, ReLU × √2": ("deviation", "He, ReLU", "graph"),
    }
    rows, last = [], deviation.groupby("graph", sort=False)["layer"].max()
    alone = summary.set_index(["graph", "propagation"])
    for share, level in {"tenth": 0.1, "hundredth": 0.01}.items():
        reached = {"deviation": onset(deviation, level), "norm": onset(norm, level)}
        for graph in last.index:
            spectral = alone.loc[graph, "metropolis"]
            bound = "" if share == "tenth" or spectral["exact"] else "≥ "
            row = {"left": f"a {share}", "graph": graph, "smoothing alone": f"{bound}{spectral[share]}"}
            for label, (value, network, where) in columns.items():
                depth = reached[value][graph, network, where]
                row[label] = str(depth) if depth >= 0 else f"> {last[graph]}"
            rows.append(row)
    return pandas.DataFrame(rows).set_index(["left", "graph"])


def shrinking_exponents(norm, network="orthogonal, tanh", start=8):
    """How the norm falls without the graph: the slope of log norm against log k.

    Args:
        norm: bands of that column of `two_factors`, the median over the seeds in its column median.
        network: which.
        start: the first layer fitted.

    Returns:
        A Series by graph, of the median over the seeds.
    """
    rows = norm[(norm["network"] == network) & (norm["where"] == "no graph") & (norm["layer"] >= start)]
    return rows.set_index("graph").groupby("graph", sort=False)[["layer", "median"]].apply(_log_slope)


def backward(graphs, depth, width, num_seeds):
    """The backward signal of random networks, layer by layer, on Cora and on the book's reference graph.

    The loss is the cross-entropy of the classes, on Cora's training nodes, on all nodes of the reference graph.

    Args:
        graphs: names, of those in `BACKWARD`.
        depth: number of weight matrices.
        width: of the hidden layers.
        num_seeds: networks of each kind.

    Returns:
        A row for each graph, network, quantity (of `SIGNAL`) and layer: median, low, high over seeds.
    """
    tables = []
    for name, network in [pair for pair in BACKWARD if pair[0] in graphs]:
        data = load(name)
        P = osm.Propagation.from_data(data)
        widths = [data.num_features, *[width] * (depth - 1), int(data.y.max()) + 1]
        activation, init, scale = NETWORKS[network]
        net = osm.Network(P, widths, activation, scale, seed=list(range(num_seeds)), init=init)
        profile = osm.layer_profile(osm.trace(net, data.x, _cross_entropy(data)))
        keys = ["graph", "network", "quantity", "layer"]
        long = profile.melt(["layer", "seed"], SIGNAL, "quantity", "value")
        tables.append(over_seeds(long.assign(graph=name, network=network), keys, "value"))
    return pandas.concat(tables, ignore_index=True)


def _log_slope(rows):
    return numpy.polyfit(numpy.log(rows["layer"]), numpy.log(rows["median"]), 1)[0]


def _cross_entropy(data):
    """The mean over the training nodes, or over all where none are named; one value for each seed."""
    mask = data.train_mask if "train_mask" in data else torch.ones(data.num_nodes, dtype=torch.bool)
    return lambda output: torch.stack([functional.cross_entropy(one[mask], data.y[mask]) for one in output])


def _identity(features):
    return osm.Propagation.identity(len(features))


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
