"""Experiments of the chapter on backward oversmoothing: tidy tables, nothing drawn."""

import dataclasses
import math

import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments import over_seeds

WIDTH = 32
CHUNK = 10  # seeds in one batch: all signals of a 41-layer batch then take about 200 MB
NETWORKS = {"identity": ("identity", 1.0), "tanh": ("tanh", 1.0), "elu": ("elu", 1.0), "tanh, scale 4": ("tanh", 4.0)}
# ReLU halves the mean square of what passes it; √2 keeps it (He et al., 2015).
RELU_NETWORKS = {"relu": ("relu", 1.0), "relu, scale √2": ("relu", math.sqrt(2))}


def targets(data):
    """±1 labels, class 0 against all others.

    Args:
        data: a graph with classes y, (n,).

    Returns:
        Y, (n, 1) float64.
    """
    return torch.where(data.y > 0, 1.0, -1.0).to(torch.float64)[:, None]


def traces(data, propagation, activation, weight_scale, depth, num_seeds):
    """Trace untrained networks, all seeds, some at a time; the loss is the mean squared error to ±1 labels.

    Args:
        data: the graph.
        propagation: its `Propagation`.
        activation: name.
        weight_scale: s, the spectral norm of every weight matrix.
        depth: L+1.
        num_seeds: how many draws of the weights.

    Yields:
        (seeds of the batch, `Signals`).
    """
    widths = [data.num_features, *[WIDTH] * (depth - 1), 1]
    Y = targets(data)
    for first in range(0, num_seeds, CHUNK):
        seeds = list(range(first, min(first + CHUNK, num_seeds)))
        network = osm.Network(propagation, widths, activation, weight_scale, seed=seeds)
        yield seeds, osm.trace(network, data.x, lambda output: (output - Y).square().mean((-1, -2)))


def measure(data, propagation, networks, depth, num_seeds, bounds=True):
    """Every layer of every network and seed: profile, departure from the limit, both sides of (B1) and (B2).

    Args:
        data: the graph.
        propagation: its `Propagation`.
        networks: name -> (activation, weight scale).
        depth: L+1.
        num_seeds: how many draws of the weights.
        bounds: whether to measure more than `oversmooth.layer_profile` does.

    Returns:
        pandas.DataFrame: a row for each network, seed and layer.
    """
    tables = []
    for name, (activation, scale) in networks.items():
        for seeds, signals in traces(data, propagation, activation, scale, depth, num_seeds):
            table = osm.layer_profile(signals).assign(**(_flat(_extra(signals)) if bounds else {}))
            tables.append(table.assign(network=name, seed=table["seed"] + seeds[0]))
    return pd.concat(tables, ignore_index=True)


def summary(table, by, quantities):
    """The median and range over the seeds of several quantities, under one another.

    Args:
        table: what `measure` returned.
        by: columns that tell the combinations apart.
        quantities: columns to summarise.

    Returns:
        pandas.DataFrame: columns ``by``, quantity, median, low, high.
    """
    parts = [over_seeds(table, by, name).assign(quantity=name) for name in quantities]
    return pd.concat(parts, ignore_index=True)


def smoothness_map(table):
    """Forward and backward ratios of every layer, medians over the seeds.

    Args:
        table: what `measure` returned.

    Returns:
        pandas.DataFrame: columns network, layer, forward (of H⁽ᵏ⁾), backward.
    """
    columns = {"preactivation_ratio": "forward", "backward_ratio": "backward"}
    medians = table.groupby(["network", "layer"], sort=False)[list(columns)].median()
    return medians.rename(columns=columns).reset_index()


def shares(tables, networks):
    """The backward ratio on several graphs, against the share of the depth.

    Args:
        tables: graph's name -> what `measure` returned.
        networks: the networks to keep.

    Returns:
        pandas.DataFrame: columns graph, network, share (layer over L), median, low, high.
    """
    parts = []
    for graph, table in tables.items():
        part = table[table["network"].isin(networks)]
        parts.append(part.assign(graph=graph, share=part["layer"] / (part["depth"] - 1)))
    return over_seeds(pd.concat(parts), ["graph", "network", "share"], "backward_ratio")


def frozen_backward(signals, frozen):
    """The same backward pass, with the slopes of some layers frozen at one row for all nodes.

    B⁽ᵏ⁾ = ρ'(H⁽ᵏ⁾) ⊙ G⁽ᵏ⁾, and in the frozen layers B⁽ᵏ⁾ = 1ρ'(μ(H⁽ᵏ⁾))ᵀ ⊙ G⁽ᵏ⁾ = G⁽ᵏ⁾D, with
    G⁽ᵏ⁾ = Pᵀ B⁽ᵏ⁺¹⁾ W⁽ᵏ⁺¹⁾ᵀ: the term R ⊙ G⁽ᵏ⁾ of theory.md, section 3, is dropped there. The forward pass stays.

    Args:
        signals: what `trace` returned.
        frozen: the layers k < L to freeze.

    Returns:
        `Signals` with the new backward signals and gradients.

    Source: this project (†), from the author's summary: backward smoothing where the forward is smooth.
    """
    P, W, H, rho = signals.propagation, signals.weights, signals.preactivations, signals.activation
    B = [signals.backward[-1]]
    for k in reversed(range(signals.depth - 1)):
        at = osm.mean(H[k], P)[..., None, :] if k in frozen else H[k]
        B.append(rho.slope(at) * P.adjoint(B[-1] @ W[k + 1].mT))
    B.reverse()
    gradients = [F.mT @ b for F, b in zip(signals.propagated, B, strict=True)]
    return dataclasses.replace(signals, backward=B, gradients=gradients)


def interventions(data, propagation, activation, depth, num_seeds):
    """The backward ratio with slopes frozen nowhere, in the first quarter, everywhere but there, everywhere.

    Args:
        data: the graph.
        propagation: its `Propagation`.
        activation: name.
        depth: L+1.
        num_seeds: how many draws of the weights.

    Returns:
        pandas.DataFrame: columns network, frozen, layer, seed, backward_ratio.
    """
    quarter, last = depth // 4, depth - 1
    choices = {
        "nothing": range(0),
        "first quarter": range(quarter),
        "all but the first quarter": range(quarter, last),
        "everything": range(last),
    }
    tables = []
    for seeds, signals in traces(data, propagation, activation, 1.0, depth, num_seeds):
        for name, frozen in choices.items():
            table = osm.layer_profile(frozen_backward(signals, frozen))[["layer", "seed", "backward_ratio"]]
            tables.append(table.assign(network=activation, frozen=name, seed=table["seed"] + seeds[0]))
    return pd.concat(tables, ignore_index=True)


def norms(data, depth, num_seeds):
    """Relative deviations in the operator's own norm and in the naive, uniform one.

    Args:
        data: the graph.
        depth: L+1.
        num_seeds: how many draws of the weights.

    Returns:
        pandas.DataFrame: columns operator, network, direction, norm, layer, seed, ratio, plateau: where the naive
        ratio must stop, the uniform relative deviation of what the operator converges to.
    """
    tables = []
    for operator in ("random_walk", "gcn"):
        P = osm.Propagation.from_data(data, kind=operator)
        limit = {"forward": P.measure()[1], "backward": P.stationary[:, None] if P.scaling is None else P.measure()[1]}
        plateau = {way: 0.0 if z is None else float(osm.relative_deviation(z)) for way, z in limit.items()}
        for activation in ("identity", "tanh"):
            for seeds, signals in traces(data, P, activation, 1.0, depth, num_seeds):
                for (way, norm), values in _ratios(signals).items():
                    columns = _flat({"ratio": values}) | _index(depth, seeds)
                    row = {"operator": operator, "network": activation, "direction": way, "norm": norm}
                    tables.append(pd.DataFrame(row | columns | {"plateau": plateau[way]}))
    return pd.concat(tables, ignore_index=True)


def by_depth(depths, num_graphs, seeds_per_graph):
    """Where the backward ratio is smallest, and how deep its valley is, on several random graphs and depths.

    Args:
        depths: list of L+1.
        num_graphs: how many CSBM graphs.
        seeds_per_graph: draws of the weights on each.

    Returns:
        pandas.DataFrame: columns network, depth, graph, seed, position, valley (see `valleys`).
    """
    tables = []
    networks = {name: NETWORKS[name] for name in ("tanh", "elu")}
    for graph in range(num_graphs):
        data = osm.largest_component(osm.csbm(seed=graph))
        P = osm.Propagation.from_data(data)
        for depth in depths:
            table = measure(data, P, networks, depth, seeds_per_graph, bounds=False)
            tables.append(valleys(table).assign(depth=depth, graph=graph))
    return pd.concat(tables, ignore_index=True)


def valleys(table):
    """Position and depth of the smallest backward ratio of every network and seed.

    Args:
        table: columns network, seed, layer, backward_ratio.

    Returns:
        pandas.DataFrame: columns network, seed, position (layer of the minimum over L) and valley (the lower of the
        ratios at the input and at the output, over the minimum).
    """
    rows = []
    for (network, seed), part in table.groupby(["network", "seed"], sort=False):
        ratio = part.sort_values("layer")["backward_ratio"].to_numpy()
        low = ratio.argmin()
        valley = min(ratio[0], ratio[-1]) / ratio[low]
        rows.append({"network": network, "seed": seed, "position": low / (len(ratio) - 1), "valley": valley})
    return pd.DataFrame(rows)


def matching_depth(propagation, reference, depth):
    """The depth at which this graph smooths as much as another does at ``depth``: equal λ^L.

    Args:
        propagation: this graph's `Propagation`.
        reference: the other's.
        depth: the other's L+1.

    Returns:
        L+1, rounded.
    """
    return 1 + round((depth - 1) * math.log(reference.rate) / math.log(propagation.rate))


def _extra(signals):
    """Per layer and seed: (depth, seeds) each; NaN at the output where a quantity needs two layers."""
    P, B, H = signals.propagation, signals.backward, signals.preactivations
    mu, spread = [osm.backward_mean(b, P) for b in B], _stack(osm.backward_deviation, B, P)
    transport = osm.mean_transport(signals)
    size = [torch.linalg.vector_norm(b, dim=-1) for b in transport]
    gap = [torch.linalg.vector_norm(m - b, dim=-1) for m, b in zip(mu, transport, strict=True)]
    gap, size = torch.stack(gap), torch.stack(size)
    norm = (torch.stack([m.square().sum(-1) for m in mu]) + spread.square()).sqrt()
    step = osm.backward_step(signals)
    padded = {name: _padded(getattr(step, name)) for name in ("deviation_bound", "departure", "departure_bound", "r_2")}
    mixed = [((h > 0).any(-2) & (h <= 0).any(-2)).double().mean(-1) for h in H]
    return padded | {
        "preactivation_ratio": _stack(osm.relative_deviation, H, P),
        "mean_departure": gap / size,
        "distance": (spread.square() + gap.square()).sqrt() / norm,
        "mixed_signs": torch.stack(mixed),
    }


def _ratios(signals):
    """Relative deviations, (depth, seeds), by direction and norm."""
    P, X, B = signals.propagation, signals.features, signals.backward
    pi, scaling = P.measure()
    tilde = [b / pi if scaling is None else b * (scaling / pi) for b in B]
    plain = [b if scaling is None else b * scaling for b in tilde]  # so that dividing by the scaling gives B̃
    return {
        ("forward", "own"): _stack(osm.relative_deviation, X, P),
        ("forward", "naive"): _stack(osm.relative_deviation, X),
        ("backward", "own"): _stack(osm.relative_deviation, plain, P),
        ("backward", "naive"): _stack(osm.relative_deviation, B),
    }


def _stack(function, signals, *arguments):
    return torch.stack([function(signal, *arguments) for signal in signals])


def _padded(values):
    """(seeds, L) to (depth, seeds), NaN at the output."""
    return torch.cat([values, values.new_full((*values.shape[:-1], 1), math.nan)], -1).mT


def _flat(columns):
    """(depth, seeds) tensors as columns in the order of `layer_profile`."""
    return {name: values.reshape(-1).numpy() for name, values in columns.items()}


def _index(depth, seeds):
    layer = torch.arange(depth).repeat_interleave(len(seeds))
    return {"layer": layer.numpy(), "seed": torch.tensor(seeds).repeat(depth).numpy()}
