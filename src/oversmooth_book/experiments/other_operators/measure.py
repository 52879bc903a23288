"""Networks on one operator each, untrained and with a trained head; every function returns a tidy table.

All operators get the same widths, value weights, activation, loss and head; see `OperatorNetwork`.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import torch

import oversmooth as osm
from oversmooth.models.attention import backward_paths, node_weights, sequence_weights
from oversmooth.models.operators import ATTENTION, NAMES, OperatorNetwork, trace_operator
from oversmooth.moments import backward_moments, feature_moments
from oversmooth_book.experiments.settings import Setting, squared_error

REFERENCE = Setting(width=16, depth=33, optimizer="adam", step_size=0.003)
BUDGET = 3.0
JOBS = 2  # processes of a sweep; the tables do not depend on it


def problem(setting):
    """Features X, and a centred two-valued target: class 0 against the rest, mean 0 and variance 1."""
    data = setting.data()
    Y = (data.y == 0).double()[:, None]
    return data.x.double(), (Y - Y.mean()) / Y.std(correction=0)


def network(setting, operator):
    """The setting's network on one of `NAMES`: depth − 1 operator layers and a head; of the first seed."""
    data = setting.data()
    widths = [data.num_features, *[setting.width] * (setting.depth - 1), 1]
    return OperatorNetwork(operator, data, widths, setting.activation, setting.weight_scale, setting.seeds[0])


def swept(measure, setting, grid, seeds, jobs=JOBS):
    """The rows of measure(setting, operator) over a grid of operator, graph_name and fields of the setting."""
    return osm.sweep(partial(_cell, measure, setting), grid, seeds, jobs=jobs)


def _cell(measure, setting, operator, seed, graph_name=None, **changes):
    # The tables call the block model "csbm".
    graph = {None: setting.graph, "csbm": "CSBM"}.get(graph_name, graph_name)
    return measure(replace(setting, graph=graph, seeds=(seed,), **changes), operator)


def profiles(setting, graphs, num_real_seeds):
    """`profile` of every operator: the block model with three activations, karate and Cora with tanh.

    Of ``graphs``, some of csbm, karate and Cora; in front of its columns graph_name, operator, activation and seed.
    """
    cells = [("csbm", operator, activation) for activation in ("identity", "tanh") for operator in NAMES]
    cells += [("csbm", operator, "relu") for operator in ("gcn", "sum")]
    cells += [(graph_name, operator, "tanh") for graph_name in ("karate", "Cora") for operator in NAMES]
    names = ("graph_name", "operator", "activation")
    grid = [dict(zip(names, cell, strict=True)) for cell in cells if cell[0] in graphs]
    real = [cell for cell in grid if cell["graph_name"] == "Cora"]
    small = [cell for cell in grid if cell["graph_name"] != "Cora"]
    # the long ones first, so that both processes end together
    parts = ((real, setting.seeds[:num_real_seeds]), (small, setting.seeds))
    return pd.concat([swept(profile, setting, part, seeds) for part, seeds in parts if part], ignore_index=True)


def profile(setting, operator):
    """Every measure of one untrained network, a row for each operator layer k = 0, …, L−1.

    layer; forward and forward_uniform: relative deviation of X⁽ᵏ⁺¹⁾, in the operator's norm and in the uniform one;
    backward and backward_uniform: of B⁽ᵏ⁾; those of `survey_measures` for X⁽ᵏ⁺¹⁾. For attention also fixed: backward
    with all attention held fixed; extra: share of the extra path in what layer k hands down; uneven: largest
    |P_ij d̃_i − 1|.
    """
    net, (X, Y) = network(setting, operator), problem(setting)
    # targets of mean 1, so that the output error has an average to be handed down
    signals = trace_operator(net, X, squared_error(Y + 1))
    edges, norms, rows = setting.data().edge_index, layer_norms(net, signals), []
    for k, (X, B) in enumerate(zip(signals.features[1:], signals.backward, strict=True)):
        row = {"layer": k, "forward": _ratio(feature_moments(X, norms[k])), "forward_uniform": _uniform(X)}
        row |= {"backward": _ratio(backward_moments(B, norms[k])), "backward_uniform": _uniform(B)}
        rows.append(row | survey_measures(X, edges))
    table = pd.DataFrame(rows)
    return table.assign(**_attention_columns(net, signals, norms)) if operator in ATTENTION else table


def survey_measures(features, edges):
    """The survey's measures of one signal: dirichlet, distance (MAD), rank (effective).

    And its size, the root mean square of the rows' norms.
    """
    energy, distance = (measure(features, edges) for measure in (osm.dirichlet_energy, osm.mean_average_distance))
    size = features.square().sum(1).mean().sqrt()
    values = {"dirichlet": energy, "distance": distance, "rank": osm.effective_rank(features), "size": size}
    return {name: float(value) for name, value in values.items()}


def layer_norms(net, signals):
    """The norm for X⁽ᵏ⁺¹⁾ and B⁽ᵏ⁾ at each operator layer k: something with a ``measure``, None for the uniform one.

    A sum's own norm belongs to activations that do not see its size; others it drives into saturation, where features
    tend to signs that are the same for all nodes: there the uniform norm is the right one.
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


def trained_heads(setting, depths):
    """`trained_head` of every operator on the block model: operator, depth, seed in front of its columns."""
    return swept(trained_head, setting, {"operator": NAMES, "depth": depths}, setting.seeds)


def trained_head(setting, operator):
    """The spurious stationary point: least-squares head of norm at most 3, the operator layers untouched. One row.

    gradient, least: largest and smallest gradient of the operator layers, over all their parameters; where: the layer
    of the largest; before: the largest before the head was trained; head: the head's; loss, in units of the targets'
    variance.
    """
    net, (X, Y) = network(setting, operator), problem(setting)
    loss = squared_error(Y)
    before = trace_operator(net, X, loss)
    # The head alone is a network without graph, of one layer.
    alone = osm.Network(osm.Propagation.identity(len(X)), [setting.width, 1])
    head = osm.train_last_layer(alone, before.features[-1], Y, budget=BUDGET)
    with torch.no_grad():
        net.head.copy_(head.weights[0])
    signals = trace_operator(net, X, loss)
    *layers, last = signals.gradients
    row = {"gradient": max(layers), "least": min(layers), "where": int(np.argmax(layers)), "head": last}
    return row | {"before": max(before.gradients[:-1]), "loss": signals.loss}
