"""The experiments of the chapter on deflated propagation: what the theorem says, and all that the chapter calls.

The depth is the number of weight matrices; weights are orthogonal. Spectra are in `deflated_spectra`, training is in
`deflated_training`.
"""

import math

import numpy as np
import pandas
import torch

import oversmooth as osm
from oversmooth_book.experiments.a_remedy_from_the_theorem.spectra import fourth_moment, second_modes, spectra
from oversmooth_book.experiments.a_remedy_from_the_theorem.training import (
    MORE,
    comparison,
    conditions,
    depths_on_graphs,
    depths_trained,
    modes_kept,
    real_bands,
)
from oversmooth_book.experiments.common import over_seeds

__all__ = [
    "LOG_2",
    "MORE",
    "amplitude_bands",
    "amplitude_prediction",
    "amplitudes",
    "certified",
    "comparison",
    "conditions",
    "depths_on_graphs",
    "depths_trained",
    "fourth_moment",
    "modes_kept",
    "moved_trap",
    "real_bands",
    "second_modes",
    "spectra",
    "trap_bands",
    "trap_slope",
]

WIDTH = 16
LOG_2 = math.log(2)  # the entropy of two classes of equal size
ROUNDING = 1e-14  # signals below are rounding, and differ from machine to machine


def certified(num_cases):
    """Whether the bounds hold for deflated propagation: random graphs, bases, activations and weights.

    Args:
        num_cases: how many networks.

    Returns:
        A row for each: base, activation, and the largest ratio of a layer to its bound, for the deviation of the
        features (forward) and the gradient (gradient); mean, the largest ‖μ(F⁽ᵏ⁾)‖ per ‖F⁽ᵏ⁾‖.
    """
    rows = []
    for case in range(num_cases):
        rng = np.random.default_rng(case)
        data = osm.csbm(40, p_in=0.4, p_out=0.1, num_features=4, seed=case)
        base, activation = (
            rng.choice(["metropolis", "max_degree", "random_walk"]),
            rng.choice(["identity", "tanh", "elu"]),
        )
        Q = osm.Propagation.from_data(osm.largest_component(data), kind="deflated", base=str(base))
        widths = [4, *rng.integers(2, 9, rng.integers(1, 6)).tolist(), 2]
        x = osm.largest_component(data).x
        net = osm.Network(Q, widths, str(activation), rng.uniform(0.5, 1.5), seed=case, output_bias=True)
        signals = osm.trace(net, x, lambda output: (output - 1).square().mean())
        rows.append({"base": base, "activation": activation, **_ratios(net, x, signals)})
    return pandas.DataFrame(rows)


def _ratios(net, x, signals):
    Q = net.propagation
    sizes = torch.stack([osm.deviation(s, Q) for s in [*signals.features, signals.output]])
    gradients = torch.stack([torch.linalg.matrix_norm(g) for g in signals.gradients])
    means = torch.stack([osm.mean(f, Q).norm() / f.square().mean().sqrt() for f in signals.propagated])
    return {
        "forward": float((sizes / osm.forward_bound(net, x))[1:].max()),  # layer 0 is its own bound
        "gradient": float((gradients / osm.certificate(signals).gradient).max()),
        "mean": float(means.max()),
    }


def amplitudes(depth, seeds, bases=("random_walk", "metropolis"), width=WIDTH):
    """How large the features of an untrained tanh network stay, deflated and plain, on the reference graph.

    Args:
        depth: number of weight matrices.
        seeds: of the weights.
        bases: kinds of P.
        width: of the hidden layers.

    Returns:
        A row for each base, operator (plain, deflated), layer and seed: deviation σ(X⁽ᵏ⁾), amplitude ‖⟨u_2, X⁽ᵏ⁾⟩‖,
        predicted amplitude (deflated only).
    """
    data, tables = osm.csbm(), []
    for base in bases:
        P = osm.Propagation.from_data(data, kind=base)
        _, modes = second_modes(P, 1)
        for name, operator in (("plain", P), ("deflated", osm.deflate(P))):
            net = osm.Network(operator, [data.num_features, *[width] * (depth - 1), 1], seed=seeds)
            signals = osm.trace(net, data.x, lambda output: output.square().mean((-1, -2)))
            measured = torch.stack([_share(P, modes[:, 0], X) for X in signals.features])
            spread = torch.stack([osm.deviation(X, P) for X in signals.features])
            table = _layered({"deviation": spread, "amplitude": measured}, seeds)
            table["predicted"] = np.nan
            if name == "deflated":
                table["predicted"] = amplitude_prediction(P, modes[:, 0], measured, width).flatten().numpy()
            tables.append(table.assign(base=base, operator=name))
    return pandas.concat(tables, ignore_index=True)


def amplitude_prediction(propagation, mode, measured, width):
    """The amplitude of the second mode in a deflated tanh network, from its first layer on, with no free constant.

    1/a_k² = 1/a_1² + 2 m₄ (k − 1)/(d + 2) with m₄ = Σ_i π_i u_i⁴: tanh h ≈ h − h³/3, and a random rotation of d columns
    makes Σ_c a_c⁴ = 3 ‖a‖⁴/(d + 2) on average.

    Args:
        propagation: P, for π.
        mode: u, (n,).
        measured: (layers, seeds) amplitudes; only layer 1 is read.
        width: d.

    Returns:
        (layers, seeds), NaN at layer 0.
    """
    fourth = fourth_moment(propagation, mode)
    layers = torch.arange(len(measured), dtype=measured.dtype)[:, None]
    predicted = (1 / measured[1] ** 2 + 2 * fourth * (layers - 1) / (width + 2)).clamp(min=1e-300).rsqrt()
    predicted[0] = torch.nan
    return predicted


def _share(P, mode, signal):
    """‖⟨u, X⟩‖ in the π inner product, a scalar or (seeds,)."""
    return torch.linalg.vector_norm((P.stationary * mode) @ signal, dim=-1)


def _layered(columns, seeds):
    """One row for each layer and seed from (layers, seeds) tensors."""
    layers = len(next(iter(columns.values())))
    keys = {"layer": np.repeat(range(layers), len(seeds)), "seed": np.tile(list(seeds), layers)}
    return pandas.DataFrame(keys | {name: values.flatten().numpy() for name, values in columns.items()})


def moved_trap(depths, seeds, base="random_walk"):
    """The trap after deflation: the last layer trained, what loss is left and what gradient, in a linear network.

    Args:
        depths: numbers of weight matrices.
        seeds: of the weights.
        base: kind of P.

    Returns:
        A row for each operator (plain, deflated), depth and seed: loss, unexplained (what the constant, and with
        deflation the second mode, leave of the label variance), gradient (the largest of the layers k < L), ratio
        |λ_3/λ_2|.
    """
    data = osm.csbm()
    y = 2.0 * data.y[:, None].double() - 1
    P = osm.Propagation.from_data(data, kind=base)
    rates, modes = second_modes(P)
    rows = []
    for name, operator in (("plain", P), ("deflated", osm.deflate(P))):
        left = unexplained(y, modes[:, :1] if name == "deflated" else modes[:, :0])
        for depth in depths:
            widths = [data.num_features, *[WIDTH] * (depth - 1), 1]
            net = osm.Network(operator, widths, "identity", output_bias=True, seed=seeds)
            signals = osm.trace(osm.train_last_layer(net, data.x, y), data.x, _mse(y))
            gradient = torch.stack([torch.linalg.matrix_norm(g) for g in signals.gradients[:-1]]).amax(0)
            row = {"operator": name, "depth": depth, "seed": list(seeds), "loss": signals.loss, "gradient": gradient}
            rows.append(pandas.DataFrame(row | {"unexplained": left, "ratio": float((rates[1] / rates[0]).abs())}))
    return pandas.concat(rows, ignore_index=True)


def unexplained(targets, modes):
    """The mean squared error of the best combination of a constant and some modes.

    Args:
        targets: (n, 1).
        modes: (n, count).

    Returns:
        A float.
    """
    known = torch.cat([torch.ones_like(targets), modes], dim=1)
    return float((targets - known @ torch.linalg.lstsq(known, targets).solution).square().mean())


def _mse(y):
    return lambda output: (output - y).square().mean((-1, -2))


def amplitude_bands(table):
    """What the amplitude figure draws: one base, without what is rounding.

    Args:
        table: of `amplitudes`, one base.

    Returns:
        A row for each operator and layer: median, low, high, predicted (median; NaN for plain).
    """
    keys = ["operator", "layer"]
    bands = over_seeds(table, keys, "amplitude").assign(predicted=over_seeds(table, keys, "predicted")["median"])
    return bands[bands["median"] > ROUNDING].reset_index(drop=True)


def trap_bands(table):
    """What the figure of the moved trap draws, without what is rounding.

    Args:
        table: of `moved_trap`.

    Returns:
        Two tables, of the loss and of the gradient: a row for each operator and depth with median, low, high and
        predicted: the unexplained variance; C |λ_3/λ_2|^depth through the last point (NaN for plain).
    """
    loss = over_seeds(table, ["operator", "depth", "unexplained"], "loss").rename(columns={"unexplained": "predicted"})
    gradient = over_seeds(table, ["operator", "depth", "ratio"], "gradient")
    deflated = gradient["operator"] == "deflated"
    powers = gradient["ratio"] ** gradient["depth"]
    constant = gradient["median"][deflated].iloc[-1] / powers[deflated].iloc[-1]
    gradient["predicted"] = (constant * powers).where(deflated)
    return loss, gradient[gradient["median"] > ROUNDING].drop(columns="ratio").reset_index(drop=True)


def trap_slope(table, first):
    """The factor per layer of the deflated gradient, from a straight line through its logarithm.

    Args:
        table: of `moved_trap`.
        first: the smallest depth of the fit.

    Returns:
        The slope divided by log |λ_3/λ_2|, a float.
    """
    rows = table[(table["operator"] == "deflated") & (table["depth"] >= first)]
    return float(np.polyfit(rows["depth"], np.log(rows["gradient"]), 1)[0] / np.log(rows["ratio"].iloc[0]))
