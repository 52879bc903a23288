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
from oversmooth.models.operators import ATTENTION, NAMES, OperatorNetwork, trace_operator, value_map
from oversmooth.moments import backward_moments, feature_moments
from oversmooth_book.experiments.settings import Setting, squared_error

REFERENCE = Setting(width=16, depth=33, optimizer="adam", step_size=0.003)
BUDGET = 3.0


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


def swept(measure, setting, grid, seeds, jobs=1):
    """The rows of measure(setting, operator) over a grid of operator, graph_name and fields of the setting."""
    return osm.sweep(partial(_cell, measure, setting), grid, seeds, jobs=jobs)


def _cell(measure, setting, operator, seed, graph_name=None, **changes):
    # The tables call the block model "csbm".
    graph = {None: setting.graph, "csbm": "CSBM"}.get(graph_name, graph_name)
    return measure(replace(setting, graph=graph, seeds=(seed,), **changes), operator)


def profiles(setting, graphs, num_real_seeds):
    """`profile` of every operator: the block model with three activations, karate and Cora with tanh and few seeds.

    Of ``graphs``, some of csbm, karate and Cora; in front of its columns graph_name, operator, activation and seed.
    """
    cells = [("csbm", operator, activation) for activation in ("identity", "tanh") for operator in NAMES]
    cells += [("csbm", operator, "relu") for operator in ("gcn", "sum")]
    cells += [(graph_name, operator, "tanh") for graph_name in ("karate", "Cora") for operator in NAMES]
    names = ("graph_name", "operator", "activation")
    grid = [dict(zip(names, cell, strict=True)) for cell in cells if cell[0] in graphs]
    drawn = [cell for cell in grid if cell["graph_name"] == "csbm"]
    real = [cell for cell in grid if cell["graph_name"] != "csbm"]
    parts = ((drawn, setting.seeds), (real, setting.seeds[:num_real_seeds]))
    return pd.concat([swept(profile, setting, part, seeds) for part, seeds in parts if part], ignore_index=True)


def profile(setting, operator):
    """Both ratios of one untrained network, a row for each operator layer k = 0, …, L−1.

    layer; forward, backward: relative deviation of X⁽ᵏ⁺¹⁾ and B⁽ᵏ⁾ in its norm; for attention uneven: largest
    |P_ij d̃_i − 1|. Of linear networks, where every theorem applies, also forward_uniform and backward_uniform, in the
    uniform norm; those of `survey_measures` for X⁽ᵏ⁺¹⁾; for attention fixed and extra, of `held_fixed` and `shares`.
    """
    net, (X, Y) = network(setting, operator), problem(setting)
    # targets of mean 1, so that the output error has an average to be handed down
    signals = trace_operator(net, X, squared_error(Y + 1))
    norms, linear, attentive = layer_norms(net, signals), setting.activation == "identity", operator in ATTENTION
    edges, rows = setting.data().edge_index, []
    for k, (X, B) in enumerate(zip(signals.features[1:], signals.backward, strict=True)):
        row = {"layer": k, "forward": _ratio(feature_moments(X, norms[k])), "backward": _back(B, norms[k])}
        if linear:
            row |= {"forward_uniform": _uniform(X), "backward_uniform": _uniform(B)} | survey_measures(X, edges)
        rows.append(row)
    columns = {"uneven": [_uneven(P) for P in signals.attention]} if attentive else {}
    columns |= {"fixed": held_fixed(net, signals, norms), "extra": shares(net, signals)} if attentive and linear else {}
    return pd.DataFrame(rows).assign(**columns)


def survey_measures(features, edges):
    """The survey's measures of one signal: dirichlet, distance (MAD), rank (effective)."""
    energy, distance = (measure(features, edges) for measure in (osm.dirichlet_energy, osm.mean_average_distance))
    values = {"dirichlet": energy, "distance": distance, "rank": osm.effective_rank(features)}
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


def held_fixed(net, signals, norms):
    """Relative deviation of a linear network's errors with all attention held fixed, a value for each layer.

    B⁽ᵏ⁻¹⁾ = P⁽ᵏ⁾ᵀ B⁽ᵏ⁾ W⁽ᵏ⁾ᵀ.
    """
    B, found = signals.backward[-1], []
    for norm, P, layer in reversed(list(zip(norms, signals.attention, net.layers, strict=True))):
        found.append(_back(B, norm))
        B = torch.from_numpy(P.toarray()).T @ B @ value_map(layer).weight.detach()
    return found[::-1]


def shares(net, signals):
    """Share of attention's extra path in what layer k hands down, for every second layer from the first; else NaN."""
    found = np.full(len(net.layers), np.nan)
    for k in range(0, len(found), 2):
        parts = backward_paths(net, k, signals.features[k], signals.backward[k])
        straight, around = (part.norm(dim=1).sum() for part in parts)
        found[k] = around / (straight + around)
    return found


def _uneven(P):
    degrees = np.diff(P.indptr)
    return np.abs(P.data * np.repeat(degrees, degrees) - 1).max()


def _back(signal, norm):
    return _ratio(backward_moments(signal, norm))


def _ratio(moments):
    return float(moments.relative_deviation)


def _uniform(signal):
    return float(osm.relative_deviation(signal))


def trained_heads(setting, depths):
    """`trained_head` of every operator on the block model: operator, depth, seed in front of its columns."""
    return swept(trained_head, setting, {"operator": NAMES, "depth": depths}, setting.seeds)


def trained_head(setting, operator):
    """The spurious stationary point: least-squares head of norm at most 3, the operator layers untouched. One row.

    gradient: the largest of the operator layers, over all their parameters; where: its layer; loss, in units of the
    targets' variance.
    """
    net, (X, Y) = network(setting, operator), problem(setting)
    features = X
    with torch.no_grad():
        for layer in net.layers:
            features = net.activation(net.apply_layer(layer, features))
        # The head alone is a network without graph, of one layer.
        alone = osm.Network(osm.Propagation.identity(len(X)), [setting.width, 1])
        net.head.copy_(osm.train_last_layer(alone, features, Y, budget=BUDGET).weights[0])
    signals = trace_operator(net, X, squared_error(Y))
    *layers, _ = signals.gradients
    return {"gradient": max(layers), "where": int(np.argmax(layers)), "loss": signals.loss}
