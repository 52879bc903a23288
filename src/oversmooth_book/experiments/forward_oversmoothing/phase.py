"""The phase diagram over (λ, s): rings whose reach sets λ, networks whose scale sets s."""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.common import mean_growth
from oversmooth_book.experiments.forward_oversmoothing.measure import decay_rates, profile

# Of the weights whose MLPs tell g(s), see `mean_growth`.
GROWTH_SEEDS = tuple(range(10, 50))


def phase(setting, num_points, num_nodes=60):
    """Decay rates over (λ, s) on rings, whose reach sets λ: activation, reach, rate, scale, measured, predicted.

    Features are random, drawn from the graph's seed, with the setting's scale and shift; the median over the networks;
    ``num_points`` on each axis, where rings of equal λ count once. predicted: λs without an activation, and with tanh
    λg(s), at most 1.
    """
    drawn = torch.from_numpy(np.random.default_rng(setting.graph_seed).standard_normal((num_nodes, 8)))
    features = setting.feature_scale * drawn + setting.feature_shift
    scales, rows = np.geomspace(0.5, 5.6, num_points), []
    growth = dict(zip(scales, _growth(setting, scales), strict=True))
    for reach in _reaches(num_points, num_nodes):
        P = osm.Propagation.from_edges(ring(num_nodes, reach), num_nodes)
        for scale in scales:
            # Orthogonal weights are isometries: without an activation one seed tells all.
            for activation, seeds in (("identity", setting.seeds[:1]), ("tanh", setting.seeds)):
                one = replace(setting, activation=activation, weight_scale=float(scale), seeds=seeds)
                table = profile(one, P, features)
                table = table.rename(columns={"feature_deviation": "deviation", "feature_ratio": "ratio"})
                predicted = P.rate * scale if activation == "identity" else min(1.0, P.rate * growth[scale])
                row = {"activation": activation, "reach": reach, "rate": P.rate, "scale": scale}
                rows.append(row | {"measured": decay_rates(table)["rate"].median(), "predicted": predicted})
    return pd.DataFrame(rows).sort_values(["activation", "rate", "scale"], ignore_index=True)


def edge(setting):
    """Where the smoothed state of a tanh network stops to draw features in, λg(s) = 1: scale, rate, product (λs)."""
    scales = np.geomspace(1.1, 5.6, 16)
    table = pd.DataFrame({"scale": scales, "rate": 1 / _growth(setting, scales)})
    return table.assign(product=table["rate"] * table["scale"])


def _growth(setting, scales):
    """The growth g at each scale."""
    return mean_growth(replace(setting, activation="tanh", seeds=GROWTH_SEEDS), scales)["growth"].to_numpy()


def ring(num_nodes, reach):
    """Edges of a ring on which every node hears ``reach`` neighbours on each side, (2, edges).

    With Metropolis weights all entries are 1/(2 reach + 1), and λ falls from almost 1 (reach 1) towards 0.
    """
    here = torch.arange(num_nodes)
    steps = [step for k in range(1, reach + 1) for step in (k, -k)]
    return torch.cat([torch.stack([here, (here + step) % num_nodes]) for step in steps], dim=1)


def ring_rate(num_nodes, reach):
    """λ of the ring in closed form: max over j = 1, …, n−1 of |sin((2r+1)πj/n) / ((2r+1) sin(πj/n))|."""
    j = np.arange(1, num_nodes)[:, None]
    span = 2 * np.atleast_1d(reach) + 1
    return np.abs(np.sin(span * np.pi * j / num_nodes) / (span * np.sin(np.pi * j / num_nodes))).max(0)


def _reaches(num_points, num_nodes):
    """Reaches whose λ are spread evenly over (0.15, 1)."""
    known = np.arange(1, (num_nodes - 1) // 2)
    rates = ring_rate(num_nodes, known)
    wanted = np.linspace(0.15, 1, num_points)
    return sorted({int(known[np.abs(rates - rate).argmin()]) for rate in wanted})
