"""The chapter on other operators: what its figures and claims read, from the profiles of `other_operators`."""

import numpy as np
import pandas as pd

from oversmooth.models.operators import ATTENTION
from oversmooth.propagation.kinds import adjacency_matrix
from oversmooth.propagation.perron import fixed_propagation
from oversmooth_book.experiments.common import over_seeds
from oversmooth_book.experiments.other_operators import measure as base
from oversmooth_book.experiments.other_operators.checks import mlp_control

FLOOR = 1e-11  # ratios below it are too close to rounding for a slope
FAMILIES = {"metropolis": "fixed averages", "random_walk": "fixed averages", "gcn": "fixed averages"}
# where the uniform norm has to stop: the direction's limit is not constant
UNEVEN = [("gcn", "forward"), ("sum", "forward")]
UNEVEN += [(name, "backward") for name in ("random_walk", "gcn", *ATTENTION, "sum")]
MEASURES = ("forward", "dirichlet", "distance", "rank")
FAMILIES |= dict.fromkeys(ATTENTION, "attention") | dict.fromkeys(("sum", "max"), "sum and maximum")


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


def drawn(table):
    """What the figures read of the profiles: both ratios of tanh networks, and the second path of linear attention.

    Args:
        table: profiles.

    Returns:
        `bands` over graph_name, activation, operator and layer, of forward and backward, and of extra.
    """
    by = ["graph_name", "activation", "operator", "layer"]
    linear, tanh = (table[table["activation"] == name] for name in ("identity", "tanh"))
    return pd.concat([bands(tanh, by, ["forward", "backward"]), bands(linear, by, ["extra"])], ignore_index=True)


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


def slopes(table):
    """How fast linear networks smooth: slope of the logarithm of the ratio per layer, over log λ.

    Of the layers whose ratio is above rounding, the forward slope is fitted in the second half, the backward one in the
    first; for attention it is that with all attention held fixed.

    Args:
        table: profiles of linear networks on the block model.

    Returns:
        A row for each operator but max, and seed: forward, backward.
    """
    rows = []
    for (operator, seed), part in table[table["operator"] != "max"].groupby(["operator", "seed"], sort=False):
        column = "fixed" if operator in ATTENTION else "backward"
        row = {"forward": _slope(part, "forward", last=True), "backward": _slope(part, column, last=False)}
        logarithm = abs(np.log(rate(operator)))
        rows.append({"operator": operator, "seed": seed} | {way: abs(value) / logarithm for way, value in row.items()})
    return pd.DataFrame(rows)


def _slope(rows, column, last):
    """Slope of the logarithm in the last or first half of the layers where the ratio is above rounding."""
    rows = rows[rows[column] > FLOOR].sort_values("layer")
    half = rows.tail(len(rows) // 2) if last else rows.head(len(rows) // 2)
    return np.polyfit(half["layer"], np.log(half[column]), 1)[0]


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
