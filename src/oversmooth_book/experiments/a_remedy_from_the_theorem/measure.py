"""What the theorem says of deflated propagation, on untrained networks; every function returns tidy tables."""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.a_remedy_from_the_theorem.spectra import fourth_moment, second_modes
from oversmooth_book.experiments.common import clear_of_rounding, over_seeds
from oversmooth_book.experiments.settings import Setting, propagation, signs, squared_error

ROUNDING = 1e-14  # signals below are rounding, and differ from machine to machine


def certified(num_cases):
    """Whether the bounds hold, on random graphs: case, base, activation, forward, gradient, mean, violated.

    Largest ratios of a layer to its bound, for the deviation of the features (forward) and the gradient; the largest
    ‖μ(F⁽ᵏ⁾)‖ per size of its entries, 0 where it is rounding; 1 where a bound is exceeded by more than rounding.
    """
    return pd.DataFrame([{"case": case, **_certified(case)} for case in range(num_cases)])


def _certified(case):
    rng = np.random.default_rng(case)
    data = osm.largest_component(osm.csbm(40, p_in=0.4, p_out=0.1, num_features=4, seed=case))
    base = str(rng.choice(["metropolis", "max_degree", "random_walk"]))
    activation = str(rng.choice(["identity", "tanh", "elu"]))
    Q = osm.Propagation.from_data(data, kind="deflated", base=base)
    widths = [4, *rng.integers(2, 9, rng.integers(1, 6)).tolist(), 2]
    net = osm.Network(Q, widths, activation, rng.uniform(0.5, 1.5), seed=case, output_bias=True)
    signals = osm.trace(net, data.x, lambda output: (output - 1).square().mean())
    ratios = _ratios(net, data.x, signals)
    violated = int(max(ratios["forward"], ratios["gradient"]) > 1 + 1e-9)
    return {"base": base, "activation": activation, **ratios, "violated": violated}


def _ratios(net, x, signals):
    Q = net.propagation
    sizes = torch.stack([osm.deviation(s, Q) for s in [*signals.features, signals.output]])
    gradients = torch.stack([torch.linalg.matrix_norm(g) for g in signals.gradients])
    means = torch.stack([osm.mean(f, Q).norm() / f.square().mean().sqrt() for f in signals.propagated])
    return {
        "forward": float((sizes / osm.forward_bound(net, x))[1:].max()),  # layer 0 is its own bound
        "gradient": float((gradients / osm.certificate(signals).gradient).max()),
        "mean": float(clear_of_rounding(float(means.max()), floor=1e-12)),
    }


def network(setting, operator, output_bias):
    """Untrained networks with one output on an operator, one for each seed."""
    widths = [setting.data().num_features, *[setting.width] * (setting.depth - 1), 1]
    options = {"seed": list(setting.seeds), "init": setting.init, "output_bias": output_bias}
    return osm.Network(operator, widths, setting.activation, setting.weight_scale, **options)


def operators(P):
    """What the chapter compares: P and Q, by name."""
    return {"plain": P, "deflated": osm.deflate(P)}


def amplitudes(setting):
    """The second mode in untrained tanh networks: layer, seed, amplitude, predicted, difference, operator.

    ‖⟨u_2, X⁽ᵏ⁾⟩‖, its prediction (deflated networks only), and their relative difference, 0 where it is rounding.
    """
    data, P, tables = setting.data(), setting.propagation(), []
    _, modes = second_modes(P, 1)
    u = modes[:, 0]
    for name, operator in operators(P).items():
        signals = osm.trace(network(setting, operator, False), data.x, lambda output: output.square().mean((-1, -2)))
        measured = torch.stack([torch.linalg.vector_norm((P.stationary * u) @ X, dim=-1) for X in signals.features])
        table = _layered({"amplitude": measured}, setting.seeds).assign(predicted=np.nan, difference=np.nan)
        if name == "deflated":
            predicted = amplitude_prediction(P, u, measured, setting.width)
            table["predicted"] = predicted.flatten().numpy()
            apart = (table["amplitude"] / table["predicted"] - 1).abs()
            table["difference"] = pd.Series(clear_of_rounding(apart)).where(apart.notna())
        tables.append(table.assign(operator=name))
    return pd.concat(tables, ignore_index=True)


def amplitude_prediction(propagation, mode, measured, width):
    """The amplitude of the second mode in a deflated tanh network, with no free constant: (layers, seeds).

    1/a_k² = 1/a_1² + 2 m₄ (k − 1)/(d + 2) with m₄ = Σ_i π_i u_i⁴: tanh h ≈ h − h³/3, and a random rotation of d columns
    makes Σ_c a_c⁴ = 3 ‖a‖⁴/(d + 2) on average. Of ``measured`` only layer 1 is read; NaN at layer 0.
    """
    fourth = fourth_moment(propagation, mode)
    layers = torch.arange(len(measured), dtype=measured.dtype)[:, None]
    predicted = (1 / measured[1] ** 2 + 2 * fourth * (layers - 1) / (width + 2)).clamp(min=1e-300).rsqrt()
    predicted[0] = torch.nan
    return predicted


def _layered(columns, seeds):
    """One row for each layer and seed from (layers, seeds) tensors."""
    layers = len(next(iter(columns.values())))
    keys = {"layer": np.repeat(range(layers), len(seeds)), "seed": np.tile(list(seeds), layers)}
    return pd.DataFrame(keys | {name: values.flatten().numpy() for name, values in columns.items()})


def amplitude_bands(table):
    """`amplitudes` over the seeds: operator, layer, median, low, high, predicted (median), difference (largest).

    Without the layers whose amplitude is rounding.
    """
    keys = ["operator", "layer"]
    bands = over_seeds(table, keys, "amplitude")
    bands["predicted"] = over_seeds(table, keys, "predicted")["median"]
    bands["difference"] = over_seeds(table, keys, "difference")["high"]
    return bands[bands["median"] > ROUNDING].reset_index(drop=True)


def fourth_moments(bases=("metropolis", "random_walk")):
    """m₄ of the second mode on the reference graph: base, fourth."""
    rows = []
    for base in bases:
        P = propagation("CSBM", kind=base)
        rows.append({"base": base, "fourth": fourth_moment(P, second_modes(P, 1)[1][:, 0])})
    return pd.DataFrame(rows)


def moved_trap(setting, depths):
    """Linear networks with a trained last layer: operator, depth, seed, loss, gradient, unexplained, ratio, difference.

    gradient is the largest of the layers k < L, unexplained what the constant (and with deflation the second mode)
    leave of the label variance, ratio |λ_3/λ_2|, difference that of loss and unexplained, relative, 0 where rounding.
    """
    data, P = setting.data(), setting.propagation()
    y = signs(data.y)
    rates, modes = second_modes(P)
    ratio, tables = float((rates[1] / rates[0]).abs()), []
    for name, operator in operators(P).items():
        left = unexplained(y, modes[:, :1] if name == "deflated" else modes[:, :0])
        for depth in depths:
            net = network(replace(setting, depth=depth, activation="identity"), operator, True)
            signals = osm.trace(osm.train_last_layer(net, data.x, y), data.x, squared_error(y))
            gradient = torch.stack([torch.linalg.matrix_norm(g) for g in signals.gradients[:-1]]).amax(0)
            apart = clear_of_rounding((signals.loss / left - 1).abs().numpy())
            row = {"operator": name, "depth": depth, "seed": list(setting.seeds), "loss": signals.loss}
            row |= {"gradient": gradient, "unexplained": left, "ratio": ratio, "difference": apart}
            tables.append(pd.DataFrame(row))
    return pd.concat(tables, ignore_index=True)


def unexplained(targets, modes):
    """The mean squared error of the best combination of a constant and some modes (n, count), for targets (n, 1)."""
    known = torch.cat([torch.ones_like(targets), modes], dim=1)
    return float((targets - known @ torch.linalg.lstsq(known, targets).solution).square().mean())


def trap_bands(table):
    """`moved_trap` over the seeds, without rounding, two tables, of the loss and of the gradient.

    operator, depth, predicted (the unexplained variance), median, low, high, difference (the largest).  operator,
    depth, median, low, high, predicted (C |λ_3/λ_2|^depth through the last point; NaN for plain).
    """
    loss = over_seeds(table, ["operator", "depth", "unexplained"], "loss").rename(columns={"unexplained": "predicted"})
    loss["difference"] = over_seeds(table, ["operator", "depth"], "difference")["high"]
    gradient = over_seeds(table, ["operator", "depth", "ratio"], "gradient")
    deflated = gradient["operator"] == "deflated"
    powers = gradient["ratio"] ** gradient["depth"]
    constant = gradient["median"][deflated].iloc[-1] / powers[deflated].iloc[-1]
    gradient["predicted"] = (constant * powers).where(deflated)
    return loss, gradient[gradient["median"] > ROUNDING].drop(columns="ratio").reset_index(drop=True)


REFERENCE = Setting(kind="random_walk", width=16, depth=201, seeds=(10, 11, 12))
