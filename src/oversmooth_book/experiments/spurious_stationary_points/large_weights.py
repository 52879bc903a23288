"""Training from large weights: where a GNN learns not to oversmooth, where it is trapped, where its gradients explode.

All thresholds were set on the seeds 0 to 9 and the graphs 0 to 2; what is published uses others. Where gradients
explode, training is chaotic: another rounding is another path, and only counts and medians over networks mean anything.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.common import clear_of_rounding
from oversmooth_book.experiments.settings import signs

# Clipped: the whole gradient of a network is scaled down to norm 1. Gradients are 1e5 at the start, so plain descent
# needs a small step; the clipped one goes about as far in a step as Adam, whose 0.001 moves 20,000 weights by 0.15.
RECIPES = {
    "Adam": {"optimizer": "adam", "step_size": 1e-3, "clip": None},
    "clipped descent": {"optimizer": "sgd", "step_size": 0.1, "clip": 1.0},
    "plain descent": {"optimizer": "sgd", "step_size": 1e-3, "clip": None},
    "Adam, smaller steps": {"optimizer": "adam", "step_size": 3e-4, "clip": None},
    "clipped descent, smaller steps": {"optimizer": "sgd", "step_size": 0.02, "clip": 1.0},
    "plain descent, larger steps": {"optimizer": "sgd", "step_size": 0.02, "clip": None},
}
GRAPHS = (10, 11, 12, 13)  # draws of the block model; each has weights of its own
FIRST_SEED = 10
SMALL, REFERENCE = "CSBM 100", "CSBM"  # names of `settings.graph`; the small one has the same mean degree
# What is measured, from the chapter's num_seeds on (quick, published, full): graph, depths, scales, recipes.
PLANS = {
    1: [(SMALL, (5, 21), (1, 8), ("Adam",)), (SMALL, (21,), (1, 8), ("clipped descent",))],
    3: [
        (SMALL, (5, 13, 21, 41), (1, 2, 4, 8), ("Adam",)),
        (SMALL, (21,), (1, 8), ("clipped descent", "plain descent")),
    ],
    10: [
        (SMALL, (5, 9, 13, 17, 21, 25, 29, 33, 41, 61), (0.5, 1, 2, 3, 4, 6, 8, 12), tuple(RECIPES)),
        (REFERENCE, (13, 21, 25, 29, 41), (1, 2, 4, 8, 12), ("Adam",)),
    ],
}
NETWORKS = {1: 1, 3: 2}  # draws of the weights on each graph, from num_seeds on, too
TRAINED = (
    0.5  # a loss below it, with a label variance of 1, all through the last tenth of the steps: trained, and stays
)
SMALL_GRADIENT, LARGE_GRADIENT = 0.1, 1.0  # of all layers, median over that tenth
ROUGH = 0.1  # a relative deviation of the last features above it: they differ between nodes
NOTHING = 1e-8
OUTCOMES = ("trains", "trapped", "explodes", "neither")


def runs(setting, num_seeds):
    """Every network of the plan, trained: graph, recipe, depth, scale, and the columns of `train`."""
    plan, tables = _for(PLANS, num_seeds), []
    count = _for(NETWORKS, num_seeds)
    for graph, depths, scales, recipes in plan:
        for recipe in recipes:
            for depth in depths:
                for k, draw in enumerate(GRAPHS):
                    seeds = tuple(range(FIRST_SEED + k * count, FIRST_SEED + (k + 1) * count))
                    one = replace(setting, graph=graph, graph_seed=draw, depth=depth, seeds=seeds)
                    key = {"graph": graph, "recipe": recipe, "depth": depth}
                    tables.append(train(one, scales, **RECIPES[recipe]).assign(**key))
    return pd.concat(tables, ignore_index=True)


def train(setting, scales, optimizer, step_size, clip):
    """All scales and seeds of one setting, trained at once: scale, seed, `measures`, outcome."""
    network = at_scales(setting, scales)
    data, late = setting.data(), max(1, setting.steps // 60)
    options = {"optimizer": optimizer, "lr": step_size, "clip": clip, "steps": setting.steps, "record_every": late}
    history = osm.fit(network, data.x, signs(data.y), **options).table
    table = measures(history, setting.depth)
    seeds = len(setting.seeds)
    table.insert(0, "scale", np.repeat(np.asarray(scales, float), seeds))
    table.insert(1, "seed", np.tile(setting.seeds, len(scales)))
    return table.assign(outcome=outcomes(table))


def at_scales(setting, scales):
    """The setting's networks at every scale, as one batch: the same orthogonal draws, times the scale."""
    network = replace(setting, weight_scale=1.0, seeds=setting.seeds * len(scales)).network()
    factor = torch.tensor(scales, dtype=torch.float64).repeat_interleave(len(setting.seeds))[:, None, None]
    with torch.no_grad():
        for weight in network.weights:
            weight.mul_(factor)
    return network


def measures(history, depth):
    """Start and last tenth of each run: loss, worst, gradient_start, gradient, rough_start, rough.

    worst is the largest loss of that tenth, gradient and rough (the relative deviation of X⁽ᴸ⁾) are its medians.
    """
    rough = f"relative_deviation_{depth - 1}"
    start = history[history["step"] == 0].set_index("seed")
    late = history[history["step"] >= 0.9 * history["step"].max()].groupby("seed")
    columns = {
        "loss": late["loss"].last(),
        "worst": late["loss"].max(),
        "gradient_start": start["gradient"],
        "gradient": late["gradient"].median(),
        "rough_start": start[rough],
        "rough": late[rough].median(),
    }
    return pd.DataFrame(columns).reset_index(drop=True)


def outcomes(table):
    """One of `OUTCOMES` for each row of `measures`; trapped means smooth features and hardly any gradient."""
    trains = table["worst"] < TRAINED
    trapped = (table["gradient"] < SMALL_GRADIENT) & (table["rough"] < ROUGH)
    return np.select([trains, trapped, table["gradient"] >= LARGE_GRADIENT], OUTCOMES[:3], OUTCOMES[3])


def large_weights_map(table):
    """`runs` over the networks of each point: graph, recipe, depth, scale, networks, a count of each outcome, medians.

    kept counts those that train with rough features at the end; those of no outcome are the rest. The medians are those
    of `train`; of the gradient its logarithm to base ten (log_gradient): where training is chaotic, rounding moves it
    by factors. What is below `NOTHING` is rounding: no roughness, and the logarithm of `NOTHING`.
    """
    names = ["graph", "recipe", "depth", "scale"]
    kept = (table["outcome"] == "trains") & (table["rough"] > ROUGH)
    counts = {name: (name, "sum") for name in (*OUTCOMES[:3], "kept")}
    medians = {name: (name, "median") for name in ("gradient_start", "gradient", "rough_start", "rough")}
    flags = table.assign(kept=kept, **{name: table["outcome"] == name for name in OUTCOMES[:3]})
    groups = flags.groupby(names, sort=False)
    result = groups.agg(networks=("seed", "size"), **counts, **medians).reset_index()
    # Where tanh is saturated and all nodes are equal, roughness and gradient are rounding.
    result["rough"] = clear_of_rounding(result["rough"], NOTHING)
    result["log_gradient"] = np.log10(result.pop("gradient").clip(lower=NOTHING))
    return result


def weight_lines(setting, depths, most=16.0):
    """What theory and the untrained networks say of scales: line, depth, scale; λ is the median of the graphs'.

    bound: λ s = 1. phase: `phase_scale`, for infinite width and depth. rough: `first_rough`, where there is one.
    """
    settings = [replace(setting, graph=SMALL, graph_seed=draw) for draw in GRAPHS]
    rate = float(np.median([one.propagation().rate for one in settings]))
    scales = np.geomspace(1, most, 17)
    rows = [("rough", depth, first_rough(settings, depth, scales)) for depth in depths]
    rows += [(name, d, s) for name, s in (("bound", 1 / rate), ("phase", phase_scale(rate))) for d in depths]
    return pd.DataFrame(rows, columns=["line", "depth", "scale"]).dropna(ignore_index=True)


def first_rough(settings, depth, scales, count=3):
    """The least of the scales from which on untrained networks (their median) have rough last features, or NaN."""
    values = []
    for k, setting in enumerate(settings):
        seeds = tuple(range(FIRST_SEED + k * count, FIRST_SEED + (k + 1) * count))
        one = replace(setting, depth=depth, seeds=seeds)
        values.append(last_roughness(at_scales(one, tuple(scales)), one.data().x).reshape(len(scales), count))
    smooth = np.flatnonzero(np.median(np.concatenate(values, 1), 1) <= ROUGH)
    first = smooth.max() + 1 if len(smooth) else 0
    return float(scales[first]) if first < len(scales) else np.nan


@torch.no_grad()
def last_roughness(network, features):
    """The relative deviation of X⁽ᴸ⁾, (seeds,)."""
    for weight in network.weights[:-1]:
        features = network.activation(network.propagation @ features @ weight)
    return osm.relative_deviation(features, network.propagation).numpy()


def phase_scale(rate, most=50.0):
    """The s from which wide, deep tanh networks keep features apart: λ² s² E tanh'(h)² = 1, by bisection.

    h is normal with the variance q that a layer of equal features keeps: q = s² E tanh²(h). A small difference between
    nodes, in the slowest mode, is multiplied by λ² s² E tanh'(h)² (its square) in each layer: the criterion of Epping
    et al. for this network.
    """
    low, high = 1.0, most
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if rate**2 * slope_gain(middle) < 1 else (low, middle)
    return high


def slope_gain(scale):
    """s² E tanh'(h)², h normal with variance q = s² E tanh²(h); 1 at s = 1, where q = 0."""
    h = np.linspace(-10, 10, 2001)
    weight = np.exp(-(h**2) / 2) / np.exp(-(h**2) / 2).sum()
    q = scale**2
    for _ in range(100):
        q = scale**2 * (weight * np.tanh(np.sqrt(q) * h) ** 2).sum()
    return float(scale**2 * (weight * (1 - np.tanh(np.sqrt(q) * h) ** 2) ** 2).sum())


def _for(options, num_seeds):
    """The entry of the largest key that is at most ``num_seeds``."""
    return options[max(key for key in options if key <= num_seeds)]
