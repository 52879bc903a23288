"""The exact counter-example, random networks with a trained last layer, and the dial; each function returns a table.

The depth is the number of weight matrices. The MLP is the network of the same setting with P = I.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.common import clear_of_rounding, log_slope, over_seeds
from oversmooth_book.experiments.settings import Setting, signs, squared_error

REFERENCE = Setting()
# The twin's gradient is a sum of numbers of size one: rounding may decide the digits of a smaller result (M3).
ROUNDING = 1e-12
# Three activations with which an MLP of norm 1 is flat, too: linear, and two whose slopes are mostly below 1.
FLAT = ("identity", "relu", "gelu")
DIAL = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def pair(setting):
    """The two settings that the chapter compares, by name: they differ in P only."""
    return {"mlp": replace(setting, kind="identity"), "gnn": setting}


def mixture(setting, t):
    """P_t = (1−t) I + t P; for t = 0 the identity, not a product with it."""
    if t == 0:
        return replace(setting, kind="identity").propagation()
    P = setting.propagation()
    if t == 1:
        return P
    dense = P.to_dense()
    return osm.Propagation.from_matrix((1 - t) * torch.eye(len(dense), dtype=dense.dtype) + t * dense)


def network(setting, P):
    """The setting's networks, a batch of its seeds, on any P."""
    widths = [setting.data().num_features, *[setting.width] * (setting.depth - 1), 1]
    return osm.Network(P, widths, setting.activation, setting.weight_scale, seed=list(setting.seeds))


def exact_mlp(depths, widths=(1, 16), step_size=0.05):
    """The exact MLP, and one gradient step: activation, width, depth, gradient (first layer), loss, stepped, error.

    ``stepped`` is the loss after the step; ``error`` the largest difference from the closed form, over all entries of
    all gradients and the loss, divided by the depth, since every layer may round once more; 0 where it is rounding.
    """
    rows = []
    for activation in ("elu", "relu"):
        for width in widths:
            for depth in depths:
                example = osm.counterexample(depth, None, activation, width)
                gradient, error = _against_closed_form(example)
                sgd = {"optimizer": "sgd", "lr": step_size, "steps": 1}
                history = osm.fit(example.network, example.features, example.targets, **sgd)
                before, after = history.table["loss"]
                row = {"activation": activation, "width": width, "depth": depth, "gradient": gradient}
                rows.append(row | {"loss": before, "stepped": after, "error": error / depth})
    table = pd.DataFrame(rows)
    return table.assign(error=clear_of_rounding(table["error"], 1e-14))


def twin(depths):
    """‖∂𝓛/∂W⁽⁰⁾‖ of the example and of its twin on the 4-cycle: network, depth, measured, predicted, error.

    ``measured`` is left out where the closed form is below `ROUNDING`; ``error``, as for `exact_mlp` but not divided,
    is 0 below it.
    """
    rows = []
    for name, graph in (("mlp", None), ("gnn", "cycle")):
        for depth in depths:
            example = osm.counterexample(depth, graph)
            measured, error = _against_closed_form(example)
            predicted = example.gradient.norm().item()
            rows.append({"network": name, "depth": depth, "measured": measured, "predicted": predicted, "error": error})
    table = pd.DataFrame(rows)
    table["measured"] = table["measured"].where(table["predicted"] > ROUNDING)
    return table.assign(error=clear_of_rounding(table["error"], ROUNDING))


def _against_closed_form(example):
    """The norm of the first layer's gradient, and the largest difference of any number from the closed form."""
    signals = osm.trace(example.network, example.features, squared_error(example.targets))
    first, *others = signals.gradients
    errors = [(first - example.gradient).abs().max(), (signals.loss - example.loss).abs()]
    errors += [gradient.abs().max() for gradient in others]
    return first.norm().item(), float(max(errors))


def trained_last_layers(setting, depths):
    """Random networks, last layer trained under the budget 3: depth, seed, gradient, least, loss, network, rate.

    ``gradient`` is the largest ‖∂𝓛/∂W⁽ᵏ⁾‖ of the layers k < L, ``least`` the smallest; ``rate`` is λ, 1 for the MLP.
    """
    tables = []
    for name, one in pair(setting).items():
        P = one.propagation()
        for depth in depths:
            tables.append(_trained(replace(one, depth=depth), P).assign(network=name, rate=P.rate))
    return pd.concat(tables, ignore_index=True)


def flat_perceptrons(setting):
    """Random MLPs, last layer trained: activation, seed, gradient (the largest of the layers k < L), loss, best.

    best is the smallest loss of any linear map of the features; a gradient below 1e-9 of a linear MLP is rounding, 0.
    """
    X, Y = setting.data().x, signs(setting.data().y)
    best = float((Y - X @ torch.linalg.lstsq(X, Y).solution).square().mean())
    tables = []
    for activation in FLAT:
        one = replace(setting, kind="identity", activation=activation)
        table = _trained(one, one.propagation())[["seed", "gradient", "loss"]]
        if activation == "identity":
            table["gradient"] = clear_of_rounding(table["gradient"])
        tables.append(table.assign(activation=activation, best=best))
    return pd.concat(tables, ignore_index=True)


def _trained(setting, P):
    X, Y = setting.data().x, signs(setting.data().y)
    signals = osm.trace(osm.train_last_layer(network(setting, P), X, Y), X, squared_error(Y))
    norms = torch.stack([torch.linalg.matrix_norm(gradient) for gradient in signals.gradients[:-1]])
    columns = {"depth": setting.depth, "seed": list(setting.seeds)}
    return pd.DataFrame(columns | {"gradient": norms.amax(0), "least": norms.amin(0), "loss": signals.loss})


def gradient_bands(table, first):
    """`trained_last_layers` over the seeds: network, rate, depth, median, low, high, predicted.

    ``predicted`` is λ^depth through the GNN's last point, from the depth ``first`` on.
    """
    bands = over_seeds(table, ["network", "rate", "depth"], "gradient")
    gnn = bands[(bands["network"] == "gnn") & (bands["depth"] >= first)]
    powers = gnn["rate"] ** gnn["depth"]
    # the rows that have no prediction are filled with NaN
    return bands.assign(predicted=gnn["median"].iloc[-1] * powers / powers.iloc[-1])


def by_seed(table, first, depth):
    """`trained_last_layers` seed by seed: seed, slope, ratio.

    ``slope`` is that of the GNN's log gradient against depth, from ``first`` on, over log λ; ``ratio`` the MLP's
    gradient over the GNN's at one depth.
    """
    rows = []
    for seed, one in table.groupby("seed", sort=False):
        gnn = one[(one["network"] == "gnn") & (one["depth"] >= first)]
        slope = log_slope(gnn["depth"], gnn["gradient"]) / np.log(gnn["rate"].iloc[0])
        at = one[one["depth"] == depth].set_index("network")["gradient"]
        rows.append({"seed": seed, "slope": slope, "ratio": at["mlp"] / at["gnn"]})
    return pd.DataFrame(rows)


def dial(setting, depths):
    """From the MLP to the GNN, P_t = (1−t) I + t P, last layer trained: depth, seed, gradient, least, loss, t, rate.

    ``rate`` is λ_t, predicted from the eigenvalues of P as the largest |1 − t(1 − λ_j)|, j ≥ 2.
    """
    eigenvalues = np.linalg.eigvalsh(setting.propagation().to_dense().numpy())[:-1]
    tables = []
    for t in DIAL:
        rate, P = float(np.abs(1 - t * (1 - eigenvalues)).max()), mixture(setting, t)
        tables += [_trained(replace(setting, depth=depth), P).assign(t=t, rate=rate) for depth in depths]
    return pd.concat(tables, ignore_index=True)


def dial_rates(table):
    """`dial` at two depths, t by t: rate, measured, low, high, gradient, gradient_low, gradient_high, predicted.

    ``measured`` (median, and range over the seeds) is the gradient's factor per layer between the depths; the gradient
    is that at the smaller one, ``predicted`` as C λ_t^depth. The one constant C is read off at t = 1.
    """
    near, far = sorted(set(table["depth"]))
    at = {depth: table[table["depth"] == depth].set_index(["t", "seed"])["gradient"] for depth in (near, far)}
    measured = _spread((at[far] / at[near]) ** (1 / (far - near)), ["measured", "low", "high"])
    gradient = _spread(at[near], ["gradient", "gradient_low", "gradient_high"])
    rates = table.groupby("t")[["rate"]].first()
    result = pd.concat([rates, measured, gradient], axis=1).reset_index()
    powers = result["rate"] ** near
    return result.assign(predicted=result["gradient"].iloc[-1] / powers.iloc[-1] * powers)


def _spread(values, names):
    return values.groupby("t").agg(["median", "min", "max"]).set_axis(names, axis=1)


def dial_losses(table, trained):
    """The losses against t, last layer trained (`dial`) and all layers (`dial_training`): t, median, low, high, kind.

    And ``distance``: the largest one over the seeds from the label variance, 1.
    """
    near = table[table["depth"] == table["depth"].min()]
    parts = {"last layer trained": near, "all layers trained, Adam": trained}
    bands = [over_seeds(part, ["t"], "loss").assign(kind=kind) for kind, part in parts.items()]
    return with_distance(pd.concat(bands, ignore_index=True))


def with_distance(bands):
    """The column ``distance``: the largest one from the label variance, 1, over the seeds of a band."""
    return bands.assign(distance=(bands[["low", "high"]] - 1).abs().max(axis=1))
