"""Training of the whole network: the chapter on stationary points."""

import inspect
import math
from dataclasses import replace

import numpy as np
import pandas as pd

import oversmooth as osm
from oversmooth_book.experiments import common
from oversmooth_book.experiments.common import signs
from oversmooth_book.experiments.spurious_stationary_points.landscape import mean_kernel
from oversmooth_book.experiments.spurious_stationary_points.measure import MODELS, label_variance

# Step sizes are ours. Gradient descent: stable at every depth here (the largest curvature is below 10). Adam: that of
# the first figure is small enough for the deep perceptron to train without jumps.
RECIPES = {
    "figure one": {"optimizer": "adam", "step_size": 0.0002, "loss": "cross_entropy"},
    "sgd": {"optimizer": "sgd", "step_size": 0.1},
    "adam, plateaus": {"optimizer": "adam", "step_size": 0.001},
}
ENTROPY = math.log(2)  # of two equal classes: the cross-entropy of the best constant prediction
LEFT = 0.8  # a loss below this share of the label variance has left the plateau
# The shallow ones leave at once; beyond the last ones the budget does not suffice.
PLATEAU_DEPTHS = {"sgd": (3, 5, 7, 9, 11, 13, 15), "adam, plateaus": (9, 13, 17, 19, 21, 23, 25)}
CHUNK = 50  # gradient descent has no memory: it is run in pieces, until every seed has left


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


def first_steps(setting, steps):
    """Gradient descent from the start: step, seed, loss, and over their start mean_error, gradient, predicted.

    predicted is the mean error's decay, (1 − 2 η Σ_k ‖μ(F⁽ᵏ⁾)‖² ‖τ⁽ᵏ⁾‖²)^step with the `mean_kernel` at the start.
    """
    setting = replace(setting, **RECIPES["sgd"], steps=steps)
    kernel = mean_kernel(setting.trace()).numpy()
    table = fit(setting, setting.network())[["step", "seed", "loss", "mean_error", "gradient"]].copy()
    for name in ("mean_error", "gradient"):
        table[name] /= table.groupby("seed")[name].transform("first")
    table["predicted"] = (1 - 2 * setting.step_size * kernel[table["seed"]]) ** table["step"]
    return table


def first_bands(table):
    """`first_steps` over the seeds: step, median, low, high, quantity."""
    return common.bands(table, ["step"], ["loss", "gradient", "mean_error", "predicted"])


def first_check(table, step=50):
    """`first_steps` after some steps: seed, step, mean_error, predicted, quotient, moved, last.

    quotient is mean_error over predicted; moved is the largest distance of the loss from 1, last the one at the end.
    """
    after = table[table["step"] == min(step, table["step"].max())].set_index("seed")
    far = (table["loss"] - 1).abs().groupby(table["seed"])
    rows = after[["step", "mean_error", "predicted"]].assign(quotient=after["mean_error"] / after["predicted"])
    return rows.assign(moved=far.max(), last=far.last()).reset_index()


def plateaus(setting, depths=PLATEAU_DEPTHS):
    """Updates until the loss is below `LEFT` of the label variance: rate (a recipe), depth, seed, steps, left.

    From recipe -> depths, on a graph with balanced classes. Where the budget did not suffice, steps is the budget.
    """
    rows = []
    for recipe, some in depths.items():
        for depth in some:
            first = _escape(replace(setting, **RECIPES[recipe], depth=depth))
            for seed, step in zip(setting.seeds, first, strict=True):
                left = bool(np.isfinite(step))
                row = {"rate": recipe, "depth": depth, "seed": seed}
                rows.append(row | {"steps": step if left else setting.steps, "left": left})
    return pd.DataFrame(rows)


def _escape(setting):
    """The first step of each seed with a loss below `LEFT`, or infinity."""
    network = setting.network()
    chunk = CHUNK if setting.optimizer == "sgd" else setting.steps
    first = np.full(len(setting.seeds), np.inf)
    for done in range(0, setting.steps, chunk):
        table = fit(replace(setting, steps=min(chunk, setting.steps - done)), network)
        out = table[table["loss"] < LEFT].groupby("seed")["step"].min() + done
        first[out.index] = np.minimum(first[out.index], out)
        if np.isfinite(first).all():
            break
    return first


def trains(setting):
    """Whether Adam trains a network at all: seed, trained (1 where its loss falls below half the label variance)."""
    setting = replace(setting, **RECIPES["adam, plateaus"])
    best = fit(setting, setting.network()).groupby("seed")["loss"].min() / label_variance(setting)
    return (best < 0.5).astype(int).rename("trained").reset_index()
