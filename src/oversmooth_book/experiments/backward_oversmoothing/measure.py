"""Experiments of the chapter on backward oversmoothing: tidy tables, nothing drawn."""

import math

import pandas as pd

import oversmooth as osm
from oversmooth_book.experiments.backward_oversmoothing.frozen import frozen_backward, interventions
from oversmooth_book.experiments.backward_oversmoothing.networks import (
    NETWORKS,
    RELU_NETWORKS,
    measure,
    targets,
    traces,
)
from oversmooth_book.experiments.backward_oversmoothing.operators import norms, stopped
from oversmooth_book.experiments.common import over_seeds

__all__ = [
    "DRAWN",
    "NETWORKS",
    "QUANTITIES",
    "RELU_NETWORKS",
    "by_depth",
    "drawn",
    "frozen_backward",
    "interventions",
    "matching_depth",
    "measure",
    "norms",
    "output_departure",
    "rises",
    "shares",
    "smoothness_map",
    "stopped",
    "summary",
    "targets",
    "traces",
    "valleys",
    "violations",
]

QUANTITIES = (
    *("backward_deviation", "backward_norm", "backward_ratio", "backward_mean"),
    *("distance", "mean_departure", "deviation_bound", "departure", "departure_bound", "mixed_signs"),
)
_THREE = ("backward_deviation", "backward_norm", "backward_ratio")
_LIMIT = ("distance", "mean_departure", "deviation_bound", "departure", "departure_bound")
_STEP = ("backward_ratio", "backward_deviation", "deviation_bound")
# What the figures draw of each network. More would be rounding: where slopes agree, the departures are zero.
DRAWN = {
    "identity": (*_THREE, "distance"),
    "tanh": (*_THREE, *_LIMIT),
    "elu": (*_THREE, *_LIMIT),
    "tanh, scale 4": _THREE,
    "relu": (*_STEP, "mixed_signs"),
    "relu, scale √2": _STEP,
}


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


def drawn(bands, networks):
    """The rows of `summary` that the figures of some networks draw, by `DRAWN`.

    Args:
        bands: columns network, layer, quantity, median, low, high.
        networks: names.

    Returns:
        pandas.DataFrame: these rows, in the same order.
    """
    pairs = zip(bands["network"], bands["quantity"], strict=True)
    keep = [network in networks and quantity in DRAWN[network] for network, quantity in pairs]
    return bands[keep].reset_index(drop=True)


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


def valleys(table, by=("network", "seed")):
    """Position and depth of the smallest backward ratio of every network and seed.

    Args:
        table: columns ``by``, layer, backward_ratio.
        by: columns that tell the networks apart.

    Returns:
        pandas.DataFrame: columns ``by``, position (layer of the minimum over L), rise (the ratio at the input over the
        minimum) and valley (the lower of the ratios at the input and at the output, over the minimum).
    """
    rows = []
    for key, part in table.groupby(list(by), sort=False):
        ratio = part.sort_values("layer")["backward_ratio"].to_numpy()
        low = ratio.argmin()
        measured = {"position": low / (len(ratio) - 1), "rise": ratio[0] / ratio[low]}
        measured["valley"] = min(ratio[0], ratio[-1]) / ratio[low]
        rows.append(dict(zip(by, key, strict=True)) | measured)
    return pd.DataFrame(rows)


def rises(table, tolerance=1e-12):
    """How many backward steps make the ratio rise.

    Args:
        table: columns network, seed, layer, backward_ratio.
        tolerance: relative rise that rounding may cause: some thousand roundings of float64.

    Returns:
        Number of pairs of neighbouring layers at which the ratio is larger nearer to the input.
    """
    count = 0
    for _, part in table.groupby(["network", "seed"]):
        ratio = part.sort_values("layer")["backward_ratio"].to_numpy()
        count += int((ratio[:-1] > ratio[1:] * (1 + tolerance)).sum())
    return count


def output_departure(table):
    """How far the averages of the errors are from the transported ones, in units of the whole output error.

    That is where the average is taken: of balanced labels it is small, and its rounding is a share of what cancels.

    Args:
        table: what `measure` returned.

    Returns:
        The largest ‖μ(B̃⁽ᵏ⁾) − b̄⁽ᵏ⁾‖ / ‖B̃⁽ᴸ⁾‖ over networks, seeds and layers.
    """
    keys = ["network", "seed"]
    output = table[table["layer"] == table["depth"] - 1].set_index(keys)["backward_norm"]
    gap = (table["mean_departure"] * table["backward_norm"]).groupby([table[key] for key in keys]).max()
    return float((gap / output).max())


def violations(table, tolerance=1e-12):
    """How often the left side of (B1) or (B2) exceeds the right one.

    Args:
        table: what `measure` returned.
        tolerance: excess, in units of the signal's norm, that rounding may cause.

    Returns:
        Number of layers, over networks and seeds.
    """
    left, right = table[["backward_deviation", "departure"]], table[["deviation_bound", "departure_bound"]]
    excess = (left.to_numpy() - right.to_numpy()) / table[["backward_norm"]].to_numpy()
    return int((excess > tolerance).sum())


def by_depth(depths, num_graphs, seeds_per_graph):
    """Where the backward ratio is smallest, and how deep its valley is, on several random graphs and depths.

    Args:
        depths: list of L+1.
        num_graphs: how many CSBM graphs.
        seeds_per_graph: draws of the weights on each.

    Returns:
        pandas.DataFrame: columns network, depth, graph, seed, position, rise, valley (see `valleys`).
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
