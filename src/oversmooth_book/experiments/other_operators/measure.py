"""The experiments of the chapter on other operators: every function returns one tidy table, or the rows of one cell.

All operators get the same widths, value weights, activation, loss and head; see `OperatorNetwork`.
"""

from functools import cache

import numpy as np
import pandas as pd
import torch

import oversmooth as osm
from oversmooth.models.attention import backward_paths, node_weights, sequence_weights
from oversmooth.models.operators import ATTENTION, NAMES, OperatorNetwork, trace_operator
from oversmooth.moments import backward_moments, feature_moments

WIDTH = 16
BUDGET = 3.0
JOBS = 2  # processes of a sweep; the tables do not depend on it


@cache
def graph(name):
    """A graph with a centred two-valued target: class 0 against the rest, mean 0 and variance 1.

    Args:
        name: csbm, or a name that `osm.load` takes, of which the largest component is kept.

    Returns:
        (data, targets (n, 1)).
    """
    data = osm.csbm() if name == "csbm" else osm.largest_component(osm.load(name))
    y = (data.y == 0).double()[:, None]
    return data, (y - y.mean()) / y.std(correction=0)


def network(graph_name, operator, activation, depth, seed, weight_scale=1.0):
    """The network of a cell: depth − 1 operator layers of width 16 and a head.

    Args:
        graph_name: see `graph`.
        operator: one of `NAMES`.
        activation: name of ρ.
        depth: L + 1.
        seed: of the weights.
        weight_scale: factor on the weights.

    Returns:
        (network, features, targets).
    """
    data, targets = graph(graph_name)
    x = data.x.double()
    widths = [x.shape[1], *[WIDTH] * (depth - 1), 1]
    return OperatorNetwork(operator, data, widths, activation, weight_scale, seed), x, targets


def profiles(graphs, num_seeds, depth, num_real_seeds):
    """All profiles: the block model with three activations, karate and Cora with tanh.

    Args:
        graphs: names, some of csbm, karate and Cora.
        num_seeds: draws of the weights on the block model and karate.
        depth: L + 1.
        num_real_seeds: draws on Cora.

    Returns:
        The rows of `profile` and the columns graph_name, operator, activation, seed.
    """
    cells = [("csbm", operator, activation) for activation in ("identity", "tanh") for operator in NAMES]
    cells += [("csbm", operator, "relu") for operator in ("gcn", "sum")]
    cells += [(graph_name, operator, "tanh") for graph_name in ("karate", "Cora") for operator in NAMES]
    names = ("graph_name", "operator", "activation")
    grid = [dict(zip(names, cell, strict=True)) | {"depth": depth} for cell in cells if cell[0] in graphs]
    real = [cell for cell in grid if cell["graph_name"] == "Cora"]
    small = [cell for cell in grid if cell["graph_name"] != "Cora"]
    parts = ((real, num_real_seeds), (small, num_seeds))  # the long ones first, so that both processes end together
    found = [osm.sweep(profile, part, range(seeds), jobs=JOBS) for part, seeds in parts if part]
    return pd.concat(found, ignore_index=True)


def profile(graph_name, operator, activation, depth, seed):
    """Every measure of one untrained network, layer by layer.

    Args:
        graph_name: see `graph`.
        operator: one of `NAMES`.
        activation: name of ρ.
        depth: L + 1.
        seed: of the weights.

    Returns:
        A row for each operator layer k = 0, …, L−1. forward and forward_uniform: relative deviation of X⁽ᵏ⁺¹⁾, in the
        operator's norm and in the uniform one; backward and backward_uniform: of B⁽ᵏ⁾; carriers: share of nodes that
        carry the error, (Σ‖B_i‖)²/(n Σ‖B_i‖²); those of `survey_measures` for X⁽ᵏ⁺¹⁾. For attention also fixed:
        backward with all attention held fixed; extra: share of the extra path in what layer k hands down; uneven:
        largest |P_ij d̃_i − 1|.
    """
    net, x, y = network(graph_name, operator, activation, depth, seed)
    # targets of mean 1, so that the output error has an average to be handed down
    signals = trace_operator(net, x, lambda output: (output - y - 1).square().mean())
    edges = graph(graph_name)[0].edge_index
    norms = layer_norms(net, signals)
    rows = []
    for k, (X, B) in enumerate(zip(signals.features[1:], signals.backward, strict=True)):
        row = {"layer": k, "forward": _ratio(feature_moments(X, norms[k])), "forward_uniform": _uniform(X)}
        row |= {"backward": _ratio(backward_moments(B, norms[k])), "backward_uniform": _uniform(B)}
        row |= {"carriers": float(B.norm(dim=1).sum() ** 2 / B.square().sum()) / len(B)}
        rows.append(row | survey_measures(X, edges))
    table = pd.DataFrame(rows)
    return table.assign(**_attention_columns(net, signals, norms)) if operator in ATTENTION else table


def survey_measures(features, edges):
    """The survey's measures of one signal, and its size.

    Args:
        features: X, (n, d).
        edges: (2, edges) integers.

    Returns:
        Dictionary: dirichlet, distance (MAD), rank (effective), size (root mean square of the rows' norms).
    """
    energy, distance = (measure(features, edges) for measure in (osm.dirichlet_energy, osm.mean_average_distance))
    size = features.square().sum(1).mean().sqrt()
    values = {"dirichlet": energy, "distance": distance, "rank": osm.effective_rank(features), "size": size}
    return {name: float(value) for name, value in values.items()}


def layer_norms(net, signals):
    """The norm for X⁽ᵏ⁺¹⁾ and B⁽ᵏ⁾ at each operator layer k.

    A sum's own norm belongs to activations that do not see its size; others it drives into saturation, where features
    tend to signs that are the same for all nodes: there the uniform norm is the right one.

    Args:
        net: the network.
        signals: its signals.

    Returns:
        List of L things with a ``measure``, or None for the uniform norm.
    """
    if signals.attention:
        return [node_weights(weights) for weights in sequence_weights(signals.attention)[1:]]
    saturated = net.operator == "sum" and not net.activation.homogeneous
    return [None if saturated else net.propagation] * len(net.layers)


def _attention_columns(net, signals, norms):
    """fixed, extra and uneven, a value for each layer."""
    B, fixed = signals.backward[-1], []
    for k in reversed(range(len(net.layers))):
        fixed.append(_ratio(backward_moments(B, norms[k])))
        G, _ = backward_paths(net, k, signals.features[k], B)
        if k:
            B = net.activation.backward(signals.preactivations[k - 1], signals.features[k], G)
    extra = []
    for k, B in enumerate(signals.backward):
        straight, around = (part.norm(dim=1).sum() for part in backward_paths(net, k, signals.features[k], B))
        extra.append(float(around / (straight + around)))
    degrees = [np.diff(P.indptr) for P in signals.attention]
    uneven = [np.abs(P.data * np.repeat(d, d) - 1).max() for P, d in zip(signals.attention, degrees, strict=True)]
    return {"fixed": fixed[::-1], "extra": extra, "uneven": uneven}


def _ratio(moments):
    return float(moments.relative_deviation)


def _uniform(signal):
    return float(osm.relative_deviation(signal))


def trained_heads(num_seeds, depths):
    """Tanh networks on the block model whose head was trained: see `trained_head`.

    Args:
        num_seeds: draws of the weights.
        depths: numbers of weight matrices.

    Returns:
        A row for each operator, depth and seed.
    """
    grid = {"graph_name": ["csbm"], "operator": NAMES, "depth": depths}
    return osm.sweep(trained_head, grid, range(num_seeds), jobs=JOBS)


def trained_head(graph_name, operator, depth, seed):
    """The spurious stationary point: least-squares head of norm at most 3, the operator layers untouched.

    Args:
        graph_name: see `graph`.
        operator: one of `NAMES`.
        depth: L + 1.
        seed: of the weights.

    Returns:
        A row: gradient, least: largest and smallest gradient of the operator layers, over all their parameters; where:
        the layer of the largest; before: the largest before the head was trained; head: the head's; loss, in units
        of the targets' variance.
    """
    net, x, y = network(graph_name, operator, "tanh", depth, seed)

    def loss(output):
        return (output - y).square().mean()

    before = trace_operator(net, x, loss)
    P = osm.Propagation.identity(len(x))
    head = osm.train_last_layer(osm.Network(P, [WIDTH, 1]), before.features[-1], y, budget=BUDGET)
    with torch.no_grad():
        net.head.copy_(head.weights[0])
    signals = trace_operator(net, x, loss)
    *layers, last = signals.gradients
    row = {"gradient": max(layers), "least": min(layers), "where": int(np.argmax(layers)), "head": last}
    return row | {"before": max(before.gradients[:-1]), "loss": signals.loss}
