"""Training of the whole network: the chapter on stationary points."""

import numpy as np
import pandas as pd

import oversmooth as osm
from oversmooth_book.experiments.backward_oversmoothing.networks import WIDTH, targets
from oversmooth_book.experiments.common import over_seeds
from oversmooth_book.experiments.spurious_stationary_points.landscape import mean_kernel
from oversmooth_book.experiments.spurious_stationary_points.last_layer import MODELS, network

# Step sizes are ours. Gradient descent: stable at every depth here (the largest curvature is below 10). Adam: the first
# is small enough for the deep perceptron to train without jumps; the second lets large weights move within the budget.
RATES = {"sgd": 0.1, "adam": 0.0002, "adam, large weights": 0.003, "adam, plateaus": 0.001}
LEFT = 0.8  # a loss below this share of the label variance has left the plateau
# The shallow ones leave at once; beyond the last ones the budget does not suffice.
PLATEAU_DEPTHS = {"sgd": (3, 5, 7, 9, 11, 13, 15), "adam, plateaus": (9, 13, 17, 19, 21, 23, 25)}
CHUNK = 50  # gradient descent has no memory: it is run in pieces, until every seed has left


def figure_one(data, depths, num_seeds, steps, record_every):
    """The setting of the paper's Figure 1: node classification with graph networks and perceptrons, shallow and deep.

    Two classes, cross-entropy, Adam, tanh, orthogonal weights: these details are ours.

    Args:
        data: a graph with classes y.
        depths: the depths L+1, (shallow, deep).
        num_seeds: how many draws of the weights.
        steps: number of updates.
        record_every: steps between two records.

    Returns:
        pandas.DataFrame: `oversmooth.History.table` with the columns model and depth.
    """
    tables = []
    for model, kind in MODELS.items():
        P = osm.Propagation.from_data(data, kind)
        for depth in depths:
            widths = [data.num_features, *[WIDTH] * (depth - 1), int(data.y.max()) + 1]
            net = osm.Network(P, widths, "tanh", seed=list(range(num_seeds)))
            options = {"optimizer": "adam", "lr": RATES["adam"], "steps": steps, "record_every": record_every}
            history = osm.fit(net, data.x, data.y, loss="cross_entropy", **options)
            tables.append(history.table.assign(model=model, depth=depth))
    return pd.concat(tables, ignore_index=True)


def layer_gradients(history, depth):
    """The gradient norm of every layer of the networks of one depth, medians over the seeds.

    Args:
        history: what `figure_one` returned.
        depth: which one.

    Returns:
        pandas.DataFrame: columns model, step, layer, median.
    """
    one = history[history["depth"] == depth]
    names = {f"gradient_{k}": k for k in range(depth)}
    median = one.groupby(["model", "step"], sort=False)[list(names)].median().rename(columns=names)
    return median.rename_axis(columns="layer").stack().rename("median").reset_index()


def train(data, kind, depth, num_seeds, rate, steps, record_every=1, weight_scale=1.0):
    """Train a batch with the mean squared error to ±1 labels.

    Args:
        data: the graph.
        kind: the propagation.
        depth: L+1.
        num_seeds: how many draws of the weights.
        rate: a name of `RATES`; the first word is the optimizer.
        steps: number of updates.
        record_every: steps between two records.
        weight_scale: spectral norm of every initial weight matrix.

    Returns:
        (the trained `oversmooth.Network`, `oversmooth.History.table`).
    """
    net = network(data, kind, depth, list(range(num_seeds)), weight_scale)
    options = {"optimizer": rate.split(",")[0], "lr": RATES[rate], "steps": steps, "record_every": record_every}
    return net, osm.fit(net, data.x, targets(data), **options).table


def first_steps(data, depth, num_seeds, steps):
    """Gradient descent from the start: mean error, gradient and loss, as shares of the start, and the predicted decay.

    Args:
        data: the graph.
        depth: L+1.
        num_seeds: how many draws of the weights.
        steps: number of updates.

    Returns:
        pandas.DataFrame: columns step, seed, loss, mean_error, gradient (the last two as shares of the start), and
        predicted, (1 − 2 η Σ_k ‖μ(F⁽ᵏ⁾)‖² ‖τ⁽ᵏ⁾‖²)^step with the sum at the start (`mean_kernel`).
    """
    Y = targets(data)
    start = network(data, "metropolis", depth, list(range(num_seeds)))
    kernel = mean_kernel(osm.trace(start, data.x, lambda output: (output - Y).square().mean((-1, -2)))).numpy()
    _, table = train(data, "metropolis", depth, num_seeds, "sgd", steps)
    table = table[["step", "seed", "loss", "mean_error", "gradient"]].copy()
    for name in ("mean_error", "gradient"):
        table[name] /= table.groupby("seed")[name].transform("first")
    table["predicted"] = (1 - 2 * RATES["sgd"] * kernel[table["seed"]]) ** table["step"]
    return table


def first_bands(table):
    """Medians and ranges over the seeds of what `first_steps` returned.

    Args:
        table: columns step, seed, loss, mean_error, gradient, predicted.

    Returns:
        pandas.DataFrame: columns step, quantity, median, low, high.
    """
    names = ["loss", "gradient", "mean_error", "predicted"]
    return pd.concat([over_seeds(table, ["step"], name).assign(quantity=name) for name in names], ignore_index=True)


def plateaus(data, depths, num_seeds, steps):
    """How many updates a network of each depth needs to leave the plateau, loss < 0.8 of the label variance.

    Args:
        data: the graph, with balanced classes.
        depths: {"sgd": depths, "adam, plateaus": depths}.
        num_seeds: how many draws of the weights.
        steps: budget, in updates.

    Returns:
        pandas.DataFrame: rate, depth, seed, steps, left; where the budget did not suffice, steps is the budget.
    """
    rows = []
    for rate, some in depths.items():
        for depth in some:
            first = _escape(data, depth, num_seeds, rate, steps)
            for seed, step in enumerate(first):
                left = bool(np.isfinite(step))
                row = {"rate": rate, "depth": depth, "seed": seed}
                rows.append(row | {"steps": step if left else steps, "left": left})
    return pd.DataFrame(rows)


def _escape(data, depth, num_seeds, rate, steps):
    """The first step of each seed with a loss below `LEFT`, or infinity."""
    net = network(data, "metropolis", depth, list(range(num_seeds)))
    chunk = CHUNK if rate == "sgd" else steps
    first = np.full(num_seeds, np.inf)
    for done in range(0, steps, chunk):
        options = {"optimizer": rate.split(",")[0], "lr": RATES[rate], "steps": min(chunk, steps - done)}
        table = osm.fit(net, data.x, targets(data), **options).table
        out = table[table["loss"] < LEFT].groupby("seed")["step"].min() + done
        first[out.index] = np.minimum(first[out.index], out)
        if np.isfinite(first).all():
            break
    return first


def growth(table, least_depth=5):
    """By which factor the plateau grows with each layer: exp of the least-squares slope of log steps against depth.

    Args:
        table: rows of `plateaus` of one rate.
        least_depth: shallower networks are left out.

    Returns:
        The factor, from the depths that every seed left; 1/λ and 1/λ² are what it is compared with.
    """
    kept = table[table["depth"] >= least_depth].groupby("depth").filter(lambda rows: rows["left"].all())
    median = kept.groupby("depth")["steps"].median()
    return float(np.exp(np.polyfit(median.index, np.log(median), 1)[0]))


def large_weights(data, depth, scales, num_seeds, steps, record_every):
    """Training from large initial weights: the deviation of the last features, and the loss.

    Args:
        data: the graph.
        depth: L+1.
        scales: the weight scales at the start.
        num_seeds: how many draws of the weights.
        steps: number of Adam updates.
        record_every: steps between two records.

    Returns:
        pandas.DataFrame: scale, step, seed, loss, smoothness (relative deviation of X⁽ᴸ⁾), gradient.
    """
    tables = []
    for scale in scales:
        _, table = train(data, "metropolis", depth, num_seeds, "adam, large weights", steps, record_every, scale)
        columns = {f"relative_deviation_{depth - 1}": "smoothness"}
        keep = ["step", "seed", "loss", "smoothness", "gradient"]
        tables.append(table.rename(columns=columns)[keep].assign(scale=scale))
    return pd.concat(tables, ignore_index=True)


def verdicts(table, smooth=1e-3, near=0.01):
    """Where training from large weights ends; the way there is chaotic, so that no number on it can be repeated.

    Args:
        table: what `large_weights` returned.
        smooth: a relative deviation below it counts as smoothed.
        near: a loss this close to 1 counts as the label variance.

    Returns:
        pandas.DataFrame: scale, seed, smoothed and at_variance (1 or 0).
    """
    end = table[table["step"] == table["step"].max()]
    result = end[["scale", "seed"]].copy()
    result["smoothed"] = (end["smoothness"] < smooth).astype(int)
    result["at_variance"] = ((end["loss"] - 1).abs() < near).astype(int)
    return result.reset_index(drop=True)
