"""Random networks on public graphs, smoothing told apart from shrinking; every function returns tidy tables."""

from dataclasses import replace

import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.common import clear_of_rounding, over_seeds
from oversmooth_book.experiments.real_graphs.lanczos import quadrature_deviation
from oversmooth_book.experiments.settings import cross_entropy

# Name of a network -> what of the setting makes it. √2 makes up for the half that ReLU cuts off.
NETWORKS = {
    "orthogonal, identity": {"activation": "identity", "init": "orthogonal", "weight_scale": 1.0},
    "orthogonal, tanh": {"activation": "tanh", "init": "orthogonal", "weight_scale": 1.0},
    "Glorot, tanh": {"activation": "tanh", "init": "glorot", "weight_scale": 1.0},
    "Glorot, ReLU": {"activation": "relu", "init": "glorot", "weight_scale": 1.0},
    "He, ReLU": {"activation": "relu", "init": "glorot", "weight_scale": 2**0.5},
    "orthogonal, ELU": {"activation": "elu", "init": "orthogonal", "weight_scale": 1.0},
    "four times orthogonal, tanh": {"activation": "tanh", "init": "orthogonal", "weight_scale": 4.0},
}

# Which are followed forward, with the graph and without it.
FORWARD = {
    "graph": ("orthogonal, identity", "Glorot, tanh", "Glorot, ReLU", "He, ReLU"),
    "no graph": ("orthogonal, tanh", "Glorot, tanh", "Glorot, ReLU"),
}

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
SIGNAL = ("backward_deviation", "backward_norm")  # columns of `layer_profile`


def network(setting):
    """Networks whose layers are all of one width, the last one activated like the others: see `_forward`."""
    widths, options = [setting.width] * (setting.depth + 1), {"seed": list(setting.seeds), "init": setting.init}
    return osm.Network(setting.propagation(), widths, setting.activation, setting.weight_scale, **options)


def read_in(setting):
    """The features in ``width`` columns, turned by an orthogonal matrix for each seed, entries of mean square 1.

    (seeds, n, width).
    """
    features = setting.data().x
    widths = [features.shape[1], setting.width]
    (turn,) = osm.Network(setting.propagation(), widths, seed=list(setting.seeds)).weights
    read = features @ turn.detach()
    return read / read.square().mean((-1, -2), keepdim=True).sqrt()


def orthogonal_network(setting, graphs):
    """Deep linear networks and their prediction: graph, layer, measured, predicted, difference.

    σ(X⁽ᵏ⁾)/σ(X⁽⁰⁾) with square orthogonal weights. Features of more columns than ``width`` are read in first; the
    difference is relative, 0 where it is rounding.
    """
    tables = []
    for name in graphs:
        one = replace(setting, graph=name, seeds=setting.seeds[:1], **NETWORKS["orthogonal, identity"])
        X, P = one.data().x, one.propagation()
        if X.shape[1] > one.width:
            X = read_in(one)[0]
        # another seed than the one that the features were read in with
        net = network(replace(one, width=X.shape[1], seeds=(one.seeds[0] + 1,)))
        measured = torch.cat([osm.deviation(layer, P) for layer in _forward(net, X[None])])
        predicted = quadrature_deviation(P, X, range(setting.depth + 1))
        columns = {"measured": (measured / measured[0]).numpy(), "predicted": (predicted / predicted[0]).numpy()}
        columns["difference"] = clear_of_rounding(abs(columns["measured"] / columns["predicted"] - 1))
        tables.append(pd.DataFrame({"graph": name, "layer": range(setting.depth + 1), **columns}))
    return pd.concat(tables, ignore_index=True)


def two_factors(setting, graphs):
    """Random networks with the graph and without it (P = I): graph, network, where, seed, layer, deviation, norm.

    Smoothing and shrinking, each alone and both: σ(X⁽ᵏ⁾) and the norm (mean square of the rows, root), as shares of
    layer 0, for the networks of `FORWARD`.
    """
    tables = []
    for name in graphs:
        X = read_in(replace(setting, graph=name))
        for where, kind in (("graph", setting.kind), ("no graph", "identity")):
            for chosen in FORWARD[where]:
                net = network(replace(setting, graph=name, kind=kind, **NETWORKS[chosen]))
                table = _shares(net, X)
                keys = {"graph": name, "network": chosen, "where": where}
                tables.append(table.assign(**keys)[[*keys, *table.columns]])
    return pd.concat(tables, ignore_index=True)


def factor_bands(setting, graphs):
    """`two_factors` over the seeds, two tables (deviation, norm): graph, network, where, layer, median, low, high."""
    table = two_factors(setting, graphs)
    return [over_seeds(table, ["graph", "network", "where", "layer"], value) for value in ("deviation", "norm")]


def backward(setting, graphs):
    """The backward signal of random networks: graph, network, quantity, layer, median, low, high.

    Those of `BACKWARD`. The loss is the cross-entropy of the classes, on Cora's training nodes, on all nodes of the
    reference graph.
    """
    tables = []
    for name, chosen in [pair for pair in BACKWARD if pair[0] in graphs]:
        one = replace(setting, graph=name, loss="cross_entropy", **NETWORKS[chosen])
        data = one.data()
        profile = osm.layer_profile(osm.trace(one.network(), data.x, _on_training_nodes(data)))
        long = profile.melt(["layer", "seed"], SIGNAL, "quantity", "value").assign(graph=name, network=chosen)
        tables.append(over_seeds(long, ["graph", "network", "quantity", "layer"], "value"))
    return pd.concat(tables, ignore_index=True)


def _on_training_nodes(data):
    """The cross-entropy, over all nodes where no training nodes are named; one value for each seed."""
    mask = data.train_mask if "train_mask" in data else torch.ones(data.num_nodes, dtype=torch.bool)
    loss = cross_entropy(data.y[mask])
    return lambda output: loss(output[..., mask, :])


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
    return pd.DataFrame(table | {name: (value / value[0]).ravel().tolist() for name, value in columns.items()})
