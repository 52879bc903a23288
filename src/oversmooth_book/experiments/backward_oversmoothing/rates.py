"""Smoothing per layer against the scale of the weights, features beside errors, measured and predicted."""

from dataclasses import replace

import numpy as np
import pandas as pd

import oversmooth as osm
from oversmooth_book.experiments.backward_oversmoothing.measure import traces
from oversmooth_book.experiments.common import log_slope, mean_growth, over_seeds

SCALES = (1.0, 2.0, 3.0, 4.0, 6.0, 10.0)
# Scales that are predicted, for a line between those that are measured.
CURVE = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 8.0, 10.0)
# Up to this scale smoothing is fast, and little is left of a deep network's ratios: half the depth tells the rate.
FAST = 3.0
CLEAR = 1e-9
WAYS = ("feature", "backward")
# Of the weights whose MLPs tell g(s): enough for its third digit.
GROWTH_SEEDS = tuple(range(10, 50))


def smoothing_rates(setting, graph_seeds, scales=SCALES):
    """Factors per layer: graph, rate (λ), scale, seed, forward, backward, level.

    forward: of σ(X⁽ᵏ⁾)/‖X⁽ᵏ⁾‖, fitted beyond the first quarter of the layers, where it is clear of rounding.
    backward: of each network's own smallest σ(B̃)/‖B̃‖, from one depth to the double, for each layer more.
    level: the same of the geometric mean of that ratio over the middle half of the layers.
    """
    tables, layers = [], setting.depth - 1
    for graph in graph_seeds:
        for scale in scales:
            one = replace(setting, graph_seed=graph, weight_scale=scale)
            shallow, deep = (layers // 2, layers) if scale <= FAST else (layers, 2 * layers)
            before = _ratios(replace(one, depth=shallow + 1))[1]
            features, errors = _ratios(replace(one, depth=deep + 1))
            table = {"graph": graph, "rate": one.propagation().rate, "scale": scale, "seed": setting.seeds}
            table["forward"] = [_factor(ratio) for ratio in features.T]
            table["backward"] = (errors.min(0) / before.min(0)) ** (1 / (deep - shallow))
            table["level"] = (_level(errors) / _level(before)) ** (1 / (deep - shallow))
            tables.append(pd.DataFrame(table))
    return pd.concat(tables, ignore_index=True)


def predicted_rates(setting, graph_seeds, scales=CURVE):
    """What λ and g(s) predict: graph, rate, scale, growth (g), forward, backward.

    Features: λg, at most 1. Errors are smoothed by λ a layer from the output and roughened by features from the
    input; at the crossing e^{−L ab/(a+b)} is left, a = log 1/λ, b = log 1/(λg).
    """
    growth = mean_growth(replace(setting, seeds=GROWTH_SEEDS), scales)
    tables = []
    for graph in graph_seeds:
        rate = replace(setting, graph_seed=graph).propagation().rate
        forward = np.minimum(rate * growth["growth"], 1.0)
        a, b = -np.log(rate), -np.log(forward)
        tables.append(growth.assign(graph=graph, rate=rate, forward=forward, backward=np.exp(-a * b / (a + b))))
    return pd.concat(tables, ignore_index=True)


def rate_bands(table):
    """`smoothing_rates` over the seeds: graph, rate, scale, direction, median, low, high."""
    long = table.melt(["graph", "rate", "scale", "seed"], ["forward", "backward"], "direction", "factor")
    return over_seeds(long, ["graph", "rate", "scale", "direction"], "factor")


def levels(table):
    """The factor ``level`` by scale, geometric mean over graphs and seeds: scale, level."""
    means = np.log(table["level"]).groupby(table["scale"]).mean()
    return np.exp(means).reset_index()


def _ratios(setting):
    """Ratios of features and of errors, two arrays (depth, seeds)."""
    tables = []
    for _, signals in traces(setting):
        table = osm.layer_profile(signals)
        tables.append([table.pivot(index="layer", columns="seed", values=f"{way}_ratio") for way in WAYS])
    return [np.concatenate([pair[i] for pair in tables], axis=1) for i in range(2)]


def _level(ratio):
    """Geometric mean over the middle half of the layers, (seeds,)."""
    quarter = len(ratio) // 4
    return np.exp(np.log(ratio[quarter:-quarter]).mean(0))


def _factor(ratio):
    """Per layer, from the slope of log ratio over its layers beyond the first quarter that are above rounding."""
    layers = np.arange(len(ratio))
    fitted = layers[(layers >= len(ratio) // 4) & (ratio > CLEAR)]
    return float(np.exp(log_slope(fitted, ratio[fitted])))
