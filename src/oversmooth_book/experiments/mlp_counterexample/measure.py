"""The experiments of the chapter on the MLP counter-example: every function returns one tidy table.

The depth is the number of weight matrices. Unless said otherwise, networks have tanh and orthogonal weights, the graph
is the two-class block model with Metropolis weights, and the MLP is the same network with P = I.
"""

import numpy as np
import pandas
import torch

import oversmooth as osm
from oversmooth_book.experiments.common import over_seeds
from oversmooth_book.experiments.mlp_counterexample.training import (
    dial_training,
    outcomes,
    propagation,
    reference,
    training_curves,
)

__all__ = [
    "DIAL",
    "ROUNDING",
    "above_rounding",
    "crossing",
    "cycle_error",
    "dial",
    "dial_losses",
    "dial_rates",
    "dial_training",
    "exact_mlp",
    "fitted_slopes",
    "gradient_bands",
    "outcomes",
    "trained_last_layers",
    "training_curves",
    "twin",
]

WIDTH = 32
# The twin's gradient is a sum of numbers of size one: rounding may decide the digits of a smaller result (M3).
ROUNDING = 1e-12
DIAL = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def exact_mlp(depths, widths=(1, 16), rate=0.05):
    """The exact counter-example: how far its loss and gradients are from their closed form, and a gradient step.

    Args:
        depths: numbers of weight matrices.
        widths: of the hidden layers.
        rate: step size of the one gradient step.

    Returns:
        A row for each activation, width and depth: gradient (norm of the first layer's), error (largest difference
        from the closed form, over all entries of all gradients and the loss), loss, stepped (loss after the step).
    """
    rows = []
    for activation in ("elu", "relu"):
        for width in widths:
            for depth in depths:
                example = osm.counterexample(depth, None, activation, width)
                history = osm.fit(example.network, example.features, example.targets, optimizer="sgd", lr=rate, steps=1)
                before, after = history.table["loss"]
                row = {"activation": activation, "width": width, "depth": depth, **_deviation(depth, activation, width)}
                rows.append(row | {"loss": before, "stepped": after})
    return pandas.DataFrame(rows)


def _deviation(depth, activation, width, graph=None):
    """The measured gradient, and its largest difference from the closed form."""
    example = osm.counterexample(depth, graph, activation, width)
    signals = _trace(example.network, example.features, example.targets)
    first, *others = signals.gradients
    errors = [(first - example.gradient).abs().max(), (signals.loss - example.loss).abs()]
    errors += [gradient.abs().max() for gradient in others]
    return {"gradient": first.norm().item(), "error": float(max(errors))}


def twin(depths):
    """The counter-example's gradient against depth, for the MLP and for its twin on the 4-cycle.

    Args:
        depths: numbers of weight matrices.

    Returns:
        A row for each network (mlp, gnn) and depth: measured ‖∂𝓛/∂W⁽⁰⁾‖, predicted (closed form), error.
    """
    rows = []
    for name, graph in (("mlp", None), ("gnn", "cycle")):
        for depth in depths:
            found = _deviation(depth, "elu", 1, graph)
            predicted = osm.counterexample(depth, graph).gradient.norm().item()
            row = {"network": name, "depth": depth, "measured": found["gradient"], "predicted": predicted}
            rows.append(row | {"error": found["error"]})
    return pandas.DataFrame(rows)


def above_rounding(table):
    """What the twin's figure draws: measured gradients end where float64 can no longer tell them, closed forms do not.

    Args:
        table: what `twin` returned.

    Returns:
        The same without error, and with NaN for measured where the closed form is below `ROUNDING`.
    """
    measured = table["measured"].where(table["predicted"] > ROUNDING)
    return table.assign(measured=measured).drop(columns="error")


def cycle_error(table, first=8, last=14):
    """How far the twin's measured gradient is from losing a factor λ = 1/3 per layer.

    Shallower, the closed form itself is no power of 1/3 yet; deeper, the logarithm's sixth digit is rounding.

    Args:
        table: what `twin` returned.
        first: the smallest depth of the fit.
        last: the largest.

    Returns:
        The relative error of the slope of log gradient against depth.
    """
    rows = table[(table["network"] == "gnn") & table["depth"].between(first, last)]
    slope = np.polyfit(rows["depth"], np.log(rows["measured"]), 1)[0]
    return float(abs(slope / np.log(1 / 3) - 1))


def trained_last_layers(depths, seeds, activation="tanh"):
    """Random networks whose last layer was trained under the budget 3: gradient and loss against depth.

    Args:
        depths: numbers of weight matrices.
        seeds: seeds of the weights.
        activation: name of ρ.

    Returns:
        A row for each network (mlp, gnn), depth and seed: gradient (the largest ‖∂𝓛/∂W⁽ᵏ⁾‖ of the layers k < L),
        least (the smallest), loss, and rate (λ, 1 for the MLP).
    """
    x, y = reference()
    tables = []
    for name, P in (("mlp", propagation(0.0)), ("gnn", propagation(1.0))):
        for depth in depths:
            table = _trained(P, x, y, depth, seeds, activation)
            tables.append(table.assign(network=name, rate=P.rate))
    return pandas.concat(tables, ignore_index=True)


def _trained(P, x, y, depth, seeds, activation):
    network = osm.Network(P, [x.shape[1], *[WIDTH] * (depth - 1), 1], activation=activation, seed=seeds)
    signals = _trace(osm.train_last_layer(network, x, y), x, y)
    norms = torch.stack([torch.linalg.matrix_norm(gradient) for gradient in signals.gradients[:-1]])
    columns = {"depth": depth, "seed": list(seeds), "gradient": norms.amax(0), "least": norms.amin(0)}
    return pandas.DataFrame(columns | {"loss": signals.loss})


def gradient_bands(table, first):
    """What the depth figure draws: the gradient's median and range, and λ^depth through the GNN's last point.

    Args:
        table: what `trained_last_layers` returned.
        first: the smallest depth with a prediction.

    Returns:
        A row for each network and depth: median, low, high, predicted (NaN for the MLP).
    """
    bands = over_seeds(table, ["network", "rate", "depth"], "gradient")
    gnn = bands[(bands["network"] == "gnn") & (bands["depth"] >= first)]
    powers = gnn["rate"] ** gnn["depth"]
    # the rows that have no prediction are filled with NaN
    return bands.assign(predicted=gnn["median"].iloc[-1] * powers / powers.iloc[-1])


def fitted_slopes(table, first):
    """The factor per layer of each GNN seed's gradient, from a straight line through log gradient against depth.

    Args:
        table: what `trained_last_layers` returned.
        first: the smallest depth of the fit.

    Returns:
        (seeds,) array: the slope divided by log λ.
    """
    rows = table[(table["network"] == "gnn") & (table["depth"] >= first)]
    logarithms = np.log(rows.pivot(index="depth", columns="seed", values="gradient"))
    return np.polyfit(logarithms.index, logarithms, 1)[0] / np.log(rows["rate"].iloc[0])


def dial(depths, seeds):
    """From the MLP to the GNN: P_t = (1−t) I + t P, last layer trained under the budget 3.

    Args:
        depths: numbers of weight matrices.
        seeds: seeds of the weights.

    Returns:
        A row for each t, depth and seed: gradient, least, loss as in `trained_last_layers`, and rate λ_t, predicted
        from the eigenvalues of P as the largest |1 − t(1 − λ_j)|, j ≥ 2.
    """
    x, y = reference()
    eigenvalues = np.linalg.eigvalsh(propagation(1.0).to_dense().numpy())[:-1]
    tables = []
    for t in DIAL:
        rate = float(np.abs(1 - t * (1 - eigenvalues)).max())
        P = propagation(t)
        for depth in depths:
            tables.append(_trained(P, x, y, depth, seeds, "tanh").assign(t=t, rate=rate))
    return pandas.concat(tables, ignore_index=True)


def dial_rates(table):
    """The measured factor per layer of the gradient between the two depths of `dial`, and the predicted gradient.

    The prediction for the smaller depth is C λ_t^depth; the one constant C is read off at t = 1.

    Args:
        table: what `dial` returned, for two depths.

    Returns:
        A row for each t: t, rate λ_t, measured (median over seeds), low, high; gradient, gradient_low, gradient_high,
        loss, loss_low, loss_high at the smaller depth; predicted gradient.
    """
    near, far = sorted(set(table["depth"]))
    at = {depth: table[table["depth"] == depth].set_index(["t", "seed"]) for depth in (near, far)}
    measured = (at[far]["gradient"] / at[near]["gradient"]) ** (1 / (far - near))
    columns = {"rate": at[near].groupby("t")["rate"].first()} | _spread("", measured)
    for name in ("gradient", "loss"):
        columns |= _spread(name, at[near][name])
    result = pandas.DataFrame(columns).reset_index()
    powers = result["rate"] ** near
    constant = result["gradient"].iloc[-1] / powers.iloc[-1]
    return result.assign(predicted=constant * powers)


def dial_losses(rates, trained):
    """The losses against t, with the last layer trained and with all layers trained.

    Args:
        rates: what `dial_rates` returned.
        trained: what `dial_training` returned.

    Returns:
        A row for each kind and t: kind, t, median, low, high.
    """
    last = rates[["t", "loss", "loss_low", "loss_high"]].set_axis(["t", "median", "low", "high"], axis=1)
    every = over_seeds(trained, ["t"], "loss")
    parts = {"last layer trained": last, "all layers trained, Adam": every}
    return pandas.concat([part.assign(kind=kind) for kind, part in parts.items()], ignore_index=True)


def _spread(name, values):
    groups = values.groupby("t")
    low, high = (f"{name}_{end}" if name else end for end in ("low", "high"))
    return {name or "measured": groups.median(), low: groups.min(), high: groups.max()}


def crossing(table, column):
    """The t at which a column of `dial_rates` falls below the MLP's gradient for good, by linear interpolation of logs.

    Args:
        table: what `dial_rates` returned.
        column: gradient or predicted.

    Returns:
        t, a float.
    """
    level = np.log(table["gradient"].iloc[0])
    logarithms, t = np.log(table[column].to_numpy()), table["t"].to_numpy()
    last = int(np.flatnonzero(logarithms > level).max())
    share = (logarithms[last] - level) / (logarithms[last] - logarithms[last + 1])
    return float(t[last] + share * (t[last + 1] - t[last]))


def _trace(network, x, y):
    return osm.trace(network, x, lambda output: (output - y).square().mean((-1, -2)))
