"""The chapter on other operators: what its figures and claims read, from the tables of `measure` and `checks`."""

import numpy as np
import pandas as pd

from oversmooth.models.operators import ATTENTION
from oversmooth.propagation.kinds import adjacency_matrix
from oversmooth.propagation.perron import fixed_propagation
from oversmooth_book.experiments.common import clear_of_rounding, log_slope, over_seeds
from oversmooth_book.experiments.other_operators.checks import mlp_control
from oversmooth_book.experiments.settings import graph

FLOOR = 1e-11  # ratios below it are too close to rounding for a slope
FAMILIES = {"metropolis": "fixed averages", "random_walk": "fixed averages", "gcn": "fixed averages"}
FAMILIES |= dict.fromkeys(ATTENTION, "attention") | dict.fromkeys(("sum", "max"), "sum and maximum")
# where the uniform norm has to stop: the direction's limit is not constant
UNEVEN = [("gcn", "forward"), ("sum", "forward")]
UNEVEN += [(name, "backward") for name in ("random_walk", "gcn", *ATTENTION, "sum")]
WAYS = ["forward", "backward"]
LEVELS = ["median", "low", "high"]
MEASURES = ("forward", "dirichlet", "distance", "rank")


def rate(operator):
    """λ of an operator on the block model: its own, and for attention that of the random walk, its limit."""
    data = graph("CSBM")
    name = "random_walk" if operator in ATTENTION else operator
    return fixed_propagation(name, adjacency_matrix(data.edge_index, data.num_nodes)).rate


def bands(table, by, quantities):
    """Median and range over the seeds of several columns: ``by``, median, low, high, quantity, family.

    One of ``by`` is operator, whose family it is; rows without a value are left out.
    """
    parts = [over_seeds(table.dropna(subset=[name]), by, name).assign(quantity=name) for name in quantities]
    table = pd.concat(parts, ignore_index=True)
    return table.assign(family=table["operator"].map(FAMILIES))


def drawn(profiles):
    """`bands` of what figures show of the profiles: both ratios of tanh networks, and linear attention's extra path.

    The extra path to two digits. GATv2's scores have a kink where two nodes' values cancel, so its gradient jumps: one
    edge that rounding puts on the other side moves the share of a smooth layer by 1e-4.
    """
    by = ["graph_name", "activation", "operator", "layer"]
    linear, tanh = (profiles[profiles["activation"] == name] for name in ("identity", "tanh"))
    extra = bands(linear, by, ["extra"])
    extra[LEVELS] = extra[LEVELS].map(lambda share: float(f"{share:.1e}"))
    return pd.concat([bands(tanh, by, WAYS), extra], ignore_index=True)


def predicted(table):
    """λ^k and λ^(L−k) of the random walk through its middle layer, where at most 1: quantity, layer, predicted.

    From `bands` of profiles on the block model, one activation.
    """
    parts, walk = [], table[table["operator"] == "random_walk"]
    for way, sign in zip(WAYS, (1, -1), strict=True):
        rows = walk[walk["quantity"] == way]
        middle = rows.iloc[len(rows) // 2]
        values = middle["median"] * rate("random_walk") ** (sign * (rows["layer"] - middle["layer"]))
        part = pd.DataFrame({"quantity": way, "layer": rows["layer"], "predicted": values.astype(float)})
        parts.append(part[part["predicted"] <= 1])
    return pd.concat(parts, ignore_index=True)


def paths(profiles):
    """The backward ratio of linear attention, the whole and with attention held fixed: operator, layer, …, path.

    Median, low and high over the seeds; path is whole or fixed.
    """
    by, rows = ["operator", "layer"], profiles[profiles["operator"].isin(ATTENTION)]
    ways = (("whole", "backward"), ("fixed", "fixed"))
    return pd.concat([over_seeds(rows, by, column).assign(path=path) for path, column in ways], ignore_index=True)


def last_layers(profiles):
    """The last layer of untrained networks, block model and karate: graph_name, activation, operator, and `bands`.

    Of forward, rank (effective) and, for attention, uneven.
    """
    rows = profiles[profiles["graph_name"].isin(["csbm", "karate"])]
    last = rows[rows["layer"] == rows["layer"].max()]
    return bands(last, ["graph_name", "activation", "operator"], ["forward", "rank", "uneven"])


def maximum(profiles):
    """The backward ratio of the maximum on the block model: activation, layer, median, low, high."""
    rows = profiles[(profiles["operator"] == "max") & (profiles["graph_name"] == "csbm")]
    return over_seeds(rows, ["activation", "layer"], "backward")


def slopes(profiles):
    """How fast linear networks smooth, slope of the ratio's logarithm over log λ: operator, seed, WAYS, rate (λ).

    Of the layers whose ratio is above rounding, the forward slope is fitted in the second half, the backward one in the
    first; for attention it is that with all attention held fixed. The maximum has no λ.
    """
    rows = []
    for (operator, seed), part in profiles[profiles["operator"] != "max"].groupby(["operator", "seed"], sort=False):
        column, own = "fixed" if operator in ATTENTION else "backward", rate(operator)
        ends = {"forward": _slope(part, "forward", last=True), "backward": _slope(part, column, last=False)}
        relative = {way: abs(value / np.log(own)) for way, value in ends.items()}
        rows.append({"operator": operator, "seed": seed, **relative, "rate": own})
    return pd.DataFrame(rows)


def _slope(rows, column, last):
    """Slope of the logarithm in the last or first half of the layers where the ratio is above rounding."""
    rows = rows[rows[column] > FLOOR].sort_values("layer")
    half = rows.tail(len(rows) // 2) if last else rows.head(len(rows) // 2)
    return log_slope(half["layer"], half[column])


def smallest(profiles):
    """The smallest ratio over the layers of linear networks: operator, median, low, high, direction, norm, limit.

    The norm is own or uniform; the limit of the direction constant or uneven.
    """
    columns = {(way, "own"): way for way in WAYS} | {(way, "uniform"): f"{way}_uniform" for way in WAYS}
    least = profiles.groupby(["operator", "seed"], sort=False)[list(columns.values())].min().reset_index()
    parts = [
        over_seeds(least, ["operator"], column).assign(direction=way, norm=norm)
        for (way, norm), column in columns.items()
    ]
    table = pd.concat(parts, ignore_index=True)
    pairs = zip(table["operator"], table["direction"], strict=True)
    return table.assign(limit=["uneven" if pair in UNEVEN else "constant" for pair in pairs])


def measures(profiles, setting):
    """`bands` over the layers of `MEASURES`: three operators that smooth, linear, and the control that does not."""
    smoothing = profiles[profiles["operator"].isin(["random_walk", "gcn", "sum"])]
    return bands(pd.concat([smoothing, mlp_control(setting)]), ["operator", "layer"], MEASURES)


def control(measures):
    """Our measure of the control, from `measures`: layer, ratio, change (relative, from layer 0; 0 if rounding)."""
    rows = measures[(measures["operator"] == "mlp") & (measures["quantity"] == "forward")]
    ratio = rows["median"].to_numpy()
    return pd.DataFrame(
        {"layer": rows["layer"], "ratio": ratio, "change": clear_of_rounding(abs(ratio / ratio[0] - 1))}
    )


def places(trained):
    """For how many seeds the maximum's largest gradient, head trained, is not the first layer's: depth, elsewhere."""
    rows = trained[trained["operator"] == "max"]
    return rows.assign(elsewhere=rows["where"] != 0).groupby("depth")["elsewhere"].sum().reset_index()
