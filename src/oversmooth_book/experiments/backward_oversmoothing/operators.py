"""Smoothness under the random walk and GCN, in the operator's own norm and in the uniform one."""

from dataclasses import replace

import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.backward_oversmoothing.measure import flat, stack, traces
from oversmooth_book.experiments.common import clear_of_rounding, over_seeds


def norms(setting):
    """Relative deviations in two norms: operator, network, direction, norm (own, naive), layer, seed, ratio, plateau.

    plateau is where the naive ratio must stop: the uniform relative deviation of what the operator converges to.
    """
    tables = []
    for operator in ("random_walk", "gcn"):
        P = replace(setting, kind=operator).propagation()
        limit = {"forward": P.measure()[1], "backward": P.stationary[:, None] if P.scaling is None else P.measure()[1]}
        plateau = {way: 0.0 if z is None else float(osm.relative_deviation(z)) for way, z in limit.items()}
        for activation in ("identity", "tanh"):
            for seeds, signals in traces(replace(setting, kind=operator, activation=activation)):
                for (way, norm), values in _ratios(signals).items():
                    columns = flat({"ratio": values}) | _index(setting.depth, seeds)
                    row = {"operator": operator, "network": activation, "direction": way, "norm": norm}
                    tables.append(pd.DataFrame(row | columns | {"plateau": plateau[way]}))
    return pd.concat(tables, ignore_index=True)


def norm_bands(table):
    """`norms` over the seeds: operator, direction, network, norm, layer, plateau, median, low, high."""
    return over_seeds(table, ["operator", "direction", "network", "norm", "layer", "plateau"], "ratio")


def stopped(bands):
    """What is left of linear networks at the end of the road: operator, direction, plateau, naive, own (medians), gap.

    For errors the end is the input. Operators and directions whose limit is constant are left out. gap is the relative
    difference of naive from plateau, 0 where it is rounding.
    """
    rows = bands[(bands["network"] == "identity") & (bands["plateau"] > 0)]
    end = rows["direction"].map({"backward": 0, "forward": rows["layer"].max()})
    rows = rows[rows["layer"] == end]
    index = ["operator", "direction", "plateau"]
    table = rows.pivot(index=index, columns="norm", values="median").reset_index().rename_axis(columns=None)
    return table.assign(gap=clear_of_rounding((table["naive"] / table["plateau"] - 1).abs()))


def _ratios(signals):
    """Relative deviations, (depth, seeds), by direction and norm."""
    P, X, B = signals.propagation, signals.features, signals.backward
    pi, scaling = P.measure()
    tilde = [b / pi if scaling is None else b * (scaling / pi) for b in B]
    plain = [b if scaling is None else b * scaling for b in tilde]  # so that dividing by the scaling gives B̃
    return {
        ("forward", "own"): stack(osm.relative_deviation, X, P),
        ("forward", "naive"): stack(osm.relative_deviation, X),
        ("backward", "own"): stack(osm.relative_deviation, plain, P),
        ("backward", "naive"): stack(osm.relative_deviation, B),
    }


def _index(depth, seeds):
    layer = torch.arange(depth).repeat_interleave(len(seeds))
    return {"layer": layer.numpy(), "seed": torch.tensor(seeds).repeat(depth).numpy()}
