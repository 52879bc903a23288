"""The chapter on other operators: the bounds of attention checked, the control without a graph, and training."""

from dataclasses import replace

import pandas as pd
import torch

import oversmooth as osm
from oversmooth.models.attention import backward_paths, extra_path_bound, node_weights, sequence_rates, sequence_weights
from oversmooth.models.operators import ATTENTION, trace_operator
from oversmooth.moments import backward_moments, feature_moments
from oversmooth_book.experiments.other_operators.measure import network, problem, survey_measures, swept
from oversmooth_book.experiments.settings import squared_error

SIDES = ["forward", "backward", "extra"]


def attention_bounds(setting, operator):
    """Both sides of the chapter's bounds, layer by layer, left over right: layer, rate (λ_k), SIDES, violated.

    forward, backward (attention held fixed), extra are at most 1; violated is 1 where one is larger by more than
    rounding.
    """
    net, (X, Y) = network(setting, operator), problem(setting)
    signals = trace_operator(net, X, squared_error(Y + 1))
    weights = sequence_weights(signals.attention)
    norms = [node_weights(one) for one in weights]
    rates, rows = sequence_rates(signals.attention, weights), []
    for k, (X, H, B) in enumerate(zip(signals.features, signals.preactivations, signals.backward, strict=False)):
        G, _ = backward_paths(net, k, X, B)
        spreads = (feature_moments(H, norms[k + 1]), feature_moments(X, norms[k]))
        back = (backward_moments(G, norms[k]), backward_moments(B, norms[k + 1]))
        left, right = extra_path_bound(net, k, X, B)
        row = {"layer": k, "rate": rates[k], "extra": left / right}
        for name, (after, before) in (("forward", spreads), ("backward", back)):
            row[name] = float((after[0] / before[0]).sqrt() / rates[k])
        rows.append(row | {"violated": int(max(row[side] for side in SIDES) > 1 + 1e-9)})
    return pd.DataFrame(rows)


def check_bounds(setting):
    """`attention_bounds` on the karate club: operator, seed, SIDES (the largest), violated (how many layers)."""
    karate = replace(setting, graph="karate")
    table = swept(attention_bounds, karate, {"operator": ATTENTION}, setting.seeds)
    groups = table.groupby(["operator", "seed"], sort=False)
    return groups.agg(dict.fromkeys(SIDES, "max") | {"violated": "sum"}).reset_index()


def mlp_control(setting):
    """No graph and small weights, nothing is smoothed: operator (mlp), seed, layer, forward, `survey_measures`."""
    one = replace(setting, kind="identity", activation="identity", weight_scale=0.5)
    (X, Y), edges, rows = problem(one), one.data().edge_index, []
    for seed in one.seeds:
        signals = osm.trace(replace(one, seeds=(seed,)).network(), X, squared_error(Y))
        for k, (features,) in enumerate(signals.features[1:]):
            row = {"operator": "mlp", "seed": seed, "layer": k, "forward": float(osm.relative_deviation(features))}
            rows.append(row | survey_measures(features, edges))
    return pd.DataFrame(rows)


def training(setting, operators):
    """`train` of several operators on the block model: operator, seed in front of its columns."""
    return swept(train, setting, {"operator": operators}, setting.seeds)


def train(setting, operator, record_every=5):
    """Adam on all layers: step, loss (in units of the targets' variance), gradient (largest of the operator layers)."""
    net, (X, Y) = network(setting, operator), problem(setting)
    groups = [[p for p in layer.parameters() if p.requires_grad] for layer in net.layers]
    optimizer = torch.optim.Adam(net.parameters(), lr=setting.step_size)
    rows = []
    for step in range(setting.steps + 1):
        optimizer.zero_grad()
        loss = squared_error(Y)(net(X))
        loss.backward()
        if step % record_every == 0:
            norms = [sum(float(p.grad.square().sum()) for p in group if p.grad is not None) for group in groups]
            rows.append({"step": step, "loss": loss.item(), "gradient": max(norms) ** 0.5})
        optimizer.step()
    return pd.DataFrame(rows)
