"""Training of the whole network: the chapter on stationary points."""

import inspect
import itertools
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.common import label_variance
from oversmooth_book.experiments.settings import signs
from oversmooth_book.experiments.spurious_stationary_points.landscape import mean_kernel
from oversmooth_book.experiments.spurious_stationary_points.measure import MODELS

# Step sizes are ours. Gradient descent: on the plateau of a deep network the largest curvature is below 10, where it
# leaves it is not, and a step above 2 / curvature falls back (`fall_back`). Adam: that of the first figure is small
# enough for the deep perceptron to train without jumps.
RECIPES = {
    "figure one": {"optimizer": "adam", "step_size": 0.0002, "loss": "cross_entropy"},
    "first steps": {"optimizer": "sgd", "step_size": 0.1},
    "sgd": {"optimizer": "sgd", "step_size": 0.01},
    "karate": {"optimizer": "adam", "step_size": 0.001},
}
ENTROPY = math.log(2)  # of two equal classes: the cross-entropy of the best constant prediction
LEFT = 0.8  # a loss below this share of the label variance has left the plateau
PLATEAU_DEPTHS = (5, 7, 9)  # the shallow ones leave at once; beyond the last ones the budget does not suffice
PLATEAU_SEEDS = (10, 11)  # of the weights, on each graph; thresholds were set on seeds and graphs below 10
LONGER = 12  # a budget in steps of Adam is so many times as many of gradient descent, which are cheaper to repeat
CHUNK = 50  # gradient descent has no memory: it is run in pieces, until every seed has left
EVERY = 5  # of these steps the loss is recorded, and divides the piece: records cost as much as steps
LARGEST_SHARE = 0.2  # of the average error that one of the first steps may take
TIME_UNITS = 4  # the first steps, in units of the average error's own time
FALL_DEPTH, FALL_TIME, FALL_STEPS = 9, 10.0, (0.1, 0.02)


def fit(setting, network, record_every=1):
    """`osm.History.table` of training a network in place as the setting says."""
    data = setting.data()
    targets = data.y if setting.loss == "cross_entropy" else signs(data.y)
    options = {"loss": setting.loss, "optimizer": setting.optimizer, "lr": setting.step_size, "steps": setting.steps}
    return osm.fit(network, data.x, targets, **options, record_every=record_every).table


def recipes(setting):
    """The numbers that the text tells of how things are trained: name, value."""
    rows = [(f"step size, {name}", recipe["step_size"]) for name, recipe in RECIPES.items()]
    descent = inspect.signature(osm.train_last_layer).parameters["steps"].default
    rows += [("budget", setting.budget), ("descent steps", descent), ("steps", setting.steps)]
    return pd.DataFrame(rows, columns=["name", "value"])


def figure_one(setting, depths, record_every):
    """The setting of the paper's Figure 1, shallow and deep: `osm.History.table` with the columns model and depth.

    Two classes, cross-entropy, Adam, tanh, orthogonal weights: these details are ours.
    """
    setting, tables = replace(setting, **RECIPES["figure one"]), []
    for model, kind in MODELS.items():
        for depth in depths:
            one = replace(setting, kind=kind, depth=depth)
            tables.append(fit(one, one.network(), record_every).assign(model=model, depth=depth))
    return pd.concat(tables, ignore_index=True)


def figure_one_end(history):
    """Where `figure_one` ends: model, depth, seed, share (loss over the labels' entropy), gap (share − 1), gradient."""
    end = history[history["step"] == history["step"].max()]
    share = end["loss"] / ENTROPY
    table = end[["model", "depth", "seed"]].assign(share=share, gap=(share - 1).abs(), gradient=end["gradient"])
    return table.reset_index(drop=True)


def layer_gradients(history, depth):
    """Medians over the seeds of every layer's gradient in `figure_one`, one depth: model, step, layer, median."""
    one = history[history["depth"] == depth]
    names = {f"gradient_{k}": k for k in range(depth)}
    median = one.groupby(["model", "step"], sort=False)[list(names)].median().rename(columns=names)
    return median.rename_axis(columns="layer").stack().rename("median").reset_index()


def several_perceptrons(setting, graph_seeds):
    """The deep perceptron of `figure_one` on other graphs' features, one network each: graph_seed, share.

    share is the loss at the end over the labels' entropy. All graphs have the same labels: one batch trains them all.
    """
    one = replace(
        setting, **RECIPES["figure one"], kind="identity", seeds=tuple(graph_seeds), graph_seed=graph_seeds[0]
    )
    graphs = [replace(one, graph_seed=seed).data() for seed in graph_seeds]
    options = {"loss": one.loss, "optimizer": one.optimizer, "lr": one.step_size, "steps": one.steps}
    features = torch.stack([data.x for data in graphs])
    table = osm.fit(one.network(), features, graphs[0].y, **options, record_every=one.steps).table
    end = table[table["step"] == one.steps].sort_values("seed")["loss"]
    return pd.DataFrame({"graph_seed": list(graph_seeds), "share": end.to_numpy() / ENTROPY})


def first_steps(setting, graph_seeds):
    """Gradient descent from the start, a network on each graph: graph_seed, time, loss, mean_error, gradient.

    mean_error and gradient are over their start. A step of size η is −log(1 − 2 η K) units of time, K the `mean_kernel`
    at the start: in these units the average error is predicted to be exp(−time). A step takes at most `LARGEST_SHARE`
    of it: wide networks and large features get a smaller one.
    """
    tables = []
    for seed in graph_seeds:
        one = replace(setting, **RECIPES["first steps"], graph_seed=seed, seeds=(seed,))
        kernel = float(mean_kernel(one.trace()))
        one = replace(one, step_size=min(one.step_size, LARGEST_SHARE / (2 * kernel)))
        unit = -math.log1p(-2 * one.step_size * kernel)
        one = replace(one, steps=min(setting.steps, math.ceil(TIME_UNITS / unit)))
        table = fit(one, one.network())[["step", "loss", "mean_error", "gradient"]]
        for name in ("mean_error", "gradient"):
            table[name] /= table[name].iloc[0]
        tables.append(table.assign(graph_seed=seed, time=table.pop("step") * unit))
    return pd.concat(tables, ignore_index=True)[["graph_seed", "time", "loss", "mean_error", "gradient"]]


def first_check(table, graphs):
    """`first_steps` graph by graph: graph_seed, tenth, left, moved, last, mean_feature.

    tenth is the time at which a tenth of the average error is left over the predicted one, log 10; left the average
    error after three units; moved the largest distance of the loss from 1, last the one at the end.
    """
    rows = []
    for seed, one in table.groupby("graph_seed"):
        error, far = np.log(one["mean_error"].to_numpy()), (one["loss"] - 1).abs()
        # time against the logarithm of the error, which falls
        tenth = np.interp(math.log(10), -error, one["time"]) if error.min() < -math.log(10) else np.inf
        left = math.exp(np.interp(3, one["time"], error)) if one["time"].max() >= 3 else np.inf
        row = {"graph_seed": seed, "tenth": tenth / math.log(10), "left": left}
        rows.append(row | {"moved": far.max(), "last": far.iloc[-1]})
    return pd.DataFrame(rows).merge(graphs)


def mean_features(setting, graph_seeds):
    """The norm of μ(X⁽⁰⁾) on several graphs: graph_seed, mean_feature."""
    settings = [replace(setting, graph_seed=seed) for seed in graph_seeds]
    norms = [float(osm.mean(one.data().x, one.propagation()).norm()) for one in settings]
    return pd.DataFrame({"graph_seed": list(graph_seeds), "mean_feature": norms})


def plateaus(setting, graph_seeds, depths=PLATEAU_DEPTHS):
    """Steps of gradient descent until the loss stays below `LEFT`: graph_seed, depth, seed, steps, left, rate.

    On graphs with balanced classes (label variance 1); rate is `label_rate`. Left is who stays below for as long again
    as it took; of the others steps is the budget. A step is counted to the next `EVERY`.
    """
    rows = []
    for graph_seed, depth in itertools.product(graph_seeds, depths):
        one = replace(setting, **RECIPES["sgd"], graph_seed=graph_seed, seeds=PLATEAU_SEEDS, depth=depth)
        losses, limit = _losses(one), one.steps * LONGER
        row = {"graph_seed": graph_seed, "depth": depth, "rate": label_rate(one)}
        for seed, record in zip(one.seeds, leaving(losses), strict=True):
            left = bool(2 * record <= len(losses))
            rows.append(row | {"seed": seed, "steps": EVERY * record if left else limit, "left": left})
    return pd.DataFrame(rows)


def label_rate(setting):
    """The size of the eigenvalue whose mode carries most of the labels ±1, P symmetric.

    λ itself often belongs to a mode that lives on a single node of few neighbours and knows nothing of the labels.
    """
    labels = signs(setting.data().y)
    values, modes = torch.linalg.eigh(setting.propagation().to_dense())
    return float(values[(modes.mT @ (labels - labels.mean())).abs().argmax()].abs())


def leaving(losses):
    """The record from which on each seed's loss, (records, seeds), stays below `LEFT`; their number if it does not."""
    above = losses >= LEFT
    return np.where(above.any(0), len(losses) - above[::-1].argmax(0), 0)


def _losses(setting):
    """The loss at each `EVERY`, (records, seeds), until each seed has stayed below `LEFT` for as long as it took."""
    network, pieces, limit = setting.network(), [], setting.steps * LONGER
    for done in range(0, limit, CHUNK):
        table = fit(replace(setting, steps=min(CHUNK, limit - done)), network, EVERY)
        # a piece begins where the last one ended
        pieces.append(table.pivot(index="step", columns="seed", values="loss").to_numpy()[bool(pieces) :])
        losses = np.concatenate(pieces)
        twice = 2 * leaving(losses)
        if ((twice <= len(losses)) | (twice > limit // EVERY + 1)).all():  # settled, or too late for this budget
            break
    return losses


def fall_back(setting, graph_seeds):
    """Gradient descent with two step sizes for the same time ηt: step_size, time, graph_seed, seed, loss, below.

    A row at every 0.1 of time; below is 1 where the loss is below `LEFT`. And a table of the largest curvature where
    the smallest step size ends: graph_seed, seed, highest.
    """
    tables, curvatures = [], []
    for step_size in FALL_STEPS:
        for graph in graph_seeds:
            keys = {"step_size": step_size, "graph_seed": graph}
            one = replace(setting, optimizer="sgd", depth=FALL_DEPTH, seeds=PLATEAU_SEEDS, **keys)
            one = replace(one, steps=round(min(FALL_TIME, setting.steps / 20) / step_size))
            network = one.network()
            table = fit(one, network, record_every=round(0.1 / step_size))[["step", "seed", "loss"]]
            tables.append(table.assign(time=table.pop("step") * step_size, **keys))
            if step_size == min(FALL_STEPS):
                sharpness = _sharpness(one, network)
                curvatures += [{"graph_seed": graph, "seed": k, "highest": highest} for k, highest in sharpness]
    table = pd.concat(tables, ignore_index=True)
    return table.assign(below=(table["loss"] < LEFT).astype(int)), pd.DataFrame(curvatures)


def _sharpness(setting, networks):
    """The largest curvature of each network of a batch."""
    data = setting.data()
    for k, _ in enumerate(setting.seeds):
        single = osm.Network(networks.propagation, networks.widths, setting.activation)
        with torch.no_grad():
            for weight, batch in zip(single.weights, networks.weights, strict=True):
                weight.copy_(batch[k])
        yield k, osm.curvature(single, data.x, setting.objective()).highest


def leaving_curvature(curvatures):
    """The curvatures of `fall_back` in one row: networks, decade, the power of ten of their median.

    Single networks end where rounding leads them, one of eight at 160 or at 30.
    """
    decade = round(np.log10(curvatures["highest"].median()))
    return pd.DataFrame({"networks": [len(curvatures)], "decade": [decade]})


def fall_medians(table):
    """The loss of `fall_back`, median over the networks: step_size, time, loss. Single ones leap where they leave."""
    return table.groupby(["step_size", "time"], sort=False)["loss"].median().reset_index()


def falls(table):
    """`fall_back` by step size: step_size, networks, dipped, fell, ended; all but the first are counts.

    dipped: below `LEFT` once; fell: above it later; ended: below it at the end.
    """
    rows, keys = [], ["graph_seed", "seed"]
    for step_size, one in table.groupby("step_size", sort=False):
        below = one.pivot(index="time", columns=keys, values="below").sort_index()
        row = {"step_size": step_size, "networks": below.shape[1], "dipped": below.max().sum()}
        rows.append(row | {"fell": (below.diff() < 0).any().sum(), "ended": below.iloc[-1].sum()})
    return pd.DataFrame(rows)


def trains(setting):
    """Whether Adam trains a network at all: seed, trained (1 where a tenth step's loss is below half the variance)."""
    setting = replace(setting, **RECIPES["karate"])
    best = fit(setting, setting.network(), record_every=10).groupby("seed")["loss"].min() / label_variance(setting)
    return (best < 0.5).astype(int).rename("trained").reset_index()
