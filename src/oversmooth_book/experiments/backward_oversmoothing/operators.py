"""Smoothness under the random walk and GCN, in the operator's own norm and in the uniform one."""

import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.backward_oversmoothing.networks import flat, stack, traces


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
                    columns = flat({"ratio": values}) | _index(depth, seeds)
                    row = {"operator": operator, "network": activation, "direction": way, "norm": norm}
                    tables.append(pd.DataFrame(row | columns | {"plateau": plateau[way]}))
    return pd.concat(tables, ignore_index=True)


def stopped(bands):
    """What is left of the ratios of linear networks at the end of the road: at the input for errors.

    Args:
        bands: `norms`, over the seeds; operators and directions whose limit is constant are left out.

    Returns:
        pandas.DataFrame: columns operator, direction, plateau, naive, own (medians).
    """
    rows = bands[(bands["network"] == "identity") & (bands["plateau"] > 0)]
    end = rows["direction"].map({"backward": 0, "forward": rows["layer"].max()})
    rows = rows[rows["layer"] == end]
    index = ["operator", "direction", "plateau"]
    return rows.pivot(index=index, columns="norm", values="median").reset_index()


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
