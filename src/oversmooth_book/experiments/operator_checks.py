"""The chapter on other operators: bounds of attention, fitted rates, what the measures say, and training."""

import numpy as np
import pandas as pd
import torch

import oversmooth as osm
from oversmooth.attention import backward_paths, extra_path_bound, sequence_rates, sequence_weights
from oversmooth.operator_networks import ATTENTION, fixed_propagation, trace_operator
from oversmooth.operators import adjacency_matrix
from oversmooth.smoothness import backward_moments, feature_moments
from oversmooth_book.experiments import other_operators as base
from oversmooth_book.experiments import over_seeds

FLOOR = 1e-11  # ratios below it are too close to rounding for a slope
FAMILIES = {"metropolis": "fixed averages", "random_walk": "fixed averages", "gcn": "fixed averages"}
# where the uniform norm has to stop: the direction's limit is not constant
UNEVEN = [("gcn", "forward"), ("sum", "forward")]
UNEVEN += [(name, "backward") for name in ("random_walk", "gcn", *ATTENTION, "sum")]
MEASURES = ("forward", "dirichlet", "distance", "rank")
FAMILIES |= dict.fromkeys(ATTENTION, "attention") | dict.fromkeys(("sum", "max"), "sum and maximum")


def bands(table, by, quantities):
    """Median and range over the seeds of several quantities, for the figures.

    Args:
        table: a row for each seed and each combination of ``by``; operator is one of them.
        by: list of columns.
        quantities: list of columns; rows without a value are left out.

    Returns:
        A row for each quantity and combination: family of the operator, median, low, high.
    """
    parts = [over_seeds(table.dropna(subset=[name]), by, name).assign(quantity=name) for name in quantities]
    table = pd.concat(parts, ignore_index=True)
    return table.assign(family=table["operator"].map(FAMILIES))


def predicted(table, quantity):
    """λ^k (forward) or λ^(L−k) (backward) of the random walk, through its ratio at the middle layer.

    Args:
        table: `bands` of profiles on the block model, one activation.
        quantity: forward or backward.

    Returns:
        A row for each layer where the prediction is at most 1: layer, predicted.
    """
    rows = table[(table["operator"] == "random_walk") & (table["quantity"] == quantity)]
    middle = rows["layer"].iloc[len(rows) // 2]
    sign = 1 if quantity == "forward" else -1
    level = rows.loc[rows["layer"] == middle, "median"].iloc[0]
    values = level * rate("random_walk") ** (sign * (rows["layer"] - middle))
    return pd.DataFrame({"layer": rows["layer"], "predicted": values})[values <= 1]


def paths(table):
    """The backward ratio of linear attention networks: the whole, and with all attention held fixed.

    Args:
        table: profiles.

    Returns:
        A row for each operator, path (whole, fixed) and layer: median, low, high.
    """
    by, rows = ["operator", "layer"], table[table["operator"].isin(ATTENTION)]
    parts = [
        over_seeds(rows, by, column).assign(path=path) for path, column in (("whole", "backward"), ("fixed", "fixed"))
    ]
    return pd.concat(parts, ignore_index=True)


def rate(operator, graph_name="csbm"):
    """λ of an operator: its own, and for attention that of the random walk, its limit.

    Args:
        operator: one of `NAMES` but max.
        graph_name: see `other_operators.graph`.

    Returns:
        A float.
    """
    data = base.graph(graph_name)[0]
    name = "random_walk" if operator in ATTENTION else operator
    return fixed_propagation(name, adjacency_matrix(data.edge_index, data.num_nodes)).rate


def slopes(table):
    """How fast linear networks smooth: slope of the logarithm of the ratio per layer, over log λ.

    The forward slope is fitted in the second half of the layers, the backward one in the first half; for attention it
    is that with all attention held fixed.

    Args:
        table: profiles of linear networks on the block model.

    Returns:
        A row for each operator but max, and seed: forward, backward.
    """
    rows = []
    for (operator, seed), part in table[table["operator"] != "max"].groupby(["operator", "seed"], sort=False):
        middle = part["layer"].max() / 2
        ends = part[part["layer"] >= middle], part[part["layer"] <= middle]
        columns = "forward", "fixed" if operator in ATTENTION else "backward"
        logarithm = np.log(rate(operator))
        forward, backward = (
            abs(_slope(end["layer"], end[column])) / -logarithm for end, column in zip(ends, columns, strict=True)
        )
        rows.append({"operator": operator, "seed": seed, "forward": forward, "backward": backward})
    return pd.DataFrame(rows)


def _slope(layer, ratio):
    usable = ratio > FLOOR
    return np.polyfit(layer[usable], np.log(ratio[usable]), 1)[0]


def smallest(table):
    """The smallest ratio over the layers, in the operator's norm and in the uniform one; medians over the seeds.

    Args:
        table: profiles of linear networks.

    Returns:
        A row for each operator, direction and norm (own, uniform): median, low, high; limit of the direction (constant,
        uneven).
    """
    ways = ("forward", "backward")
    columns = {(way, "own"): way for way in ways} | {(way, "uniform"): f"{way}_uniform" for way in ways}
    least = table.groupby(["operator", "seed"], sort=False)[list(columns.values())].min().reset_index()
    parts = [
        over_seeds(least, ["operator"], column).assign(direction=way, norm=norm)
        for (way, norm), column in columns.items()
    ]
    table = pd.concat(parts, ignore_index=True)
    pairs = zip(table["operator"], table["direction"], strict=True)
    return table.assign(limit=["uneven" if pair in UNEVEN else "constant" for pair in pairs])


def measures(table, depth, num_seeds):
    """The survey's measures and ours for three operators that smooth, and for the control that does not.

    Args:
        table: profiles of linear networks.
        depth: L + 1.
        num_seeds: draws of the control's weights.

    Returns:
        `bands` of forward, dirichlet, distance and rank, over operator and layer.
    """
    rows = pd.concat([table[table["operator"].isin(["random_walk", "gcn", "sum"])], mlp_control(depth, num_seeds)])
    return bands(rows, ["operator", "layer"], MEASURES)


def attention_bounds(graph_name, operator, depth, seed):
    """Both sides of the chapter's bounds for one attention network with tanh: left over right, at most 1.

    Args:
        graph_name: see `other_operators.graph`.
        operator: gat, gatv2 or transformer.
        depth: L + 1.
        seed: of the weights.

    Returns:
        A row for each layer: forward, backward (attention held fixed), extra; and the step's rate λ_k.
    """
    net, x, y = base.network(graph_name, operator, "tanh", depth, seed)
    signals = trace_operator(net, x, lambda output: (output - y - 1).square().mean())
    weights = sequence_weights(signals.attention)
    norms = [base.node_weights(one) for one in weights]
    rates = sequence_rates(signals.attention, weights)
    rows = []
    for k, (X, H, B) in enumerate(zip(signals.features, signals.preactivations, signals.backward, strict=False)):
        G, _ = backward_paths(net, k, X, B)
        spreads = (feature_moments(H, norms[k + 1]), feature_moments(X, norms[k]))
        back = (backward_moments(G, norms[k]), backward_moments(B, norms[k + 1]))
        left, right = extra_path_bound(net, k, X, B)
        row = {"layer": k, "rate": rates[k], "extra": left / right}
        for name, (after, before) in (("forward", spreads), ("backward", back)):
            row[name] = float((after[0] / before[0]).sqrt() / rates[k])
        rows.append(row)
    return pd.DataFrame(rows)


def check_bounds(depth, num_seeds):
    """`attention_bounds` on the karate club, over operators and seeds.

    Args:
        depth: L + 1.
        num_seeds: draws of the weights.

    Returns:
        The rows.
    """
    grid = {"graph_name": ["karate"], "operator": ATTENTION, "depth": [depth]}
    return osm.sweep(attention_bounds, grid, range(num_seeds))


def mlp_control(depth, num_seeds, weight_scale=0.5):
    """A network without graph and with small weights: what the survey's measures say where nothing is smoothed.

    Args:
        depth: L + 1.
        num_seeds: draws of the weights.
        weight_scale: factor on the orthogonal weights.

    Returns:
        Rows like those of `other_operators.profile`: operator "mlp", forward, dirichlet, distance, rank.
    """
    data, y = base.graph("csbm")
    P = osm.Propagation.from_data(data, kind="identity")
    rows = []
    for seed in range(num_seeds):
        widths = [data.num_features, *[base.WIDTH] * (depth - 1), 1]
        net = osm.Network(P, widths, "identity", weight_scale, seed=seed)
        signals = osm.trace(net, data.x.double(), lambda output: (output - y).square().mean())
        for k, X in enumerate(signals.features[1:]):
            row = {"operator": "mlp", "activation": "identity", "seed": seed, "layer": k}
            rows.append(row | {"forward": float(osm.relative_deviation(X)), **base.survey_measures(X, data.edge_index)})
    return pd.DataFrame(rows)


def training(operators, num_steps, num_seeds, depth, record_every=10):
    """Adam on all layers of tanh networks on the block model, step 0.003.

    Args:
        operators: names.
        num_steps: updates.
        num_seeds: draws of the weights.
        depth: L + 1.
        record_every: steps between records.

    Returns:
        A row for each operator, seed and recorded step: loss, in units of the targets' variance, and gradient, the
        largest of the operator layers.
    """
    grid = {"operator": list(operators), "num_steps": [num_steps], "depth": [depth], "record_every": [record_every]}
    return osm.sweep(train, grid, range(num_seeds), jobs=base.JOBS)


def train(operator, num_steps, depth, record_every, seed):
    """One cell of `training`.

    Args:
        operator: name.
        num_steps: updates.
        depth: L + 1.
        record_every: steps between records.
        seed: of the weights.

    Returns:
        Rows of step, loss, gradient.
    """
    net, x, y = base.network("csbm", operator, "tanh", depth, seed)
    groups = [[p for p in layer.parameters() if p.requires_grad] for layer in net.layers]
    optimizer = torch.optim.Adam(net.parameters(), lr=0.003)
    rows = []
    for step in range(num_steps + 1):
        optimizer.zero_grad()
        loss = (net(x) - y).square().mean()
        loss.backward()
        if step % record_every == 0:
            norms = [sum(float(p.grad.square().sum()) for p in group if p.grad is not None) for group in groups]
            rows.append({"step": step, "loss": loss.item(), "gradient": max(norms) ** 0.5})
        optimizer.step()
    return rows
