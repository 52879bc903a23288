"""Where the error is smoothest: measured, and predicted without a backward pass."""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.backward_oversmoothing.measure import stack, traces
from oversmooth_book.experiments.common import clear_of_rounding

# What of the reference setting is varied, one thing at a time.
VARIATIONS = (
    *({"width": width} for width in (8, 32, 128, 256)),
    *({"feature_scale": scale} for scale in (0.1, 10.0)),
    *({"weight_scale": scale, "depth": 81} for scale in (1.0, 1.5, 2.0)),
    {"depth": 21},
    {"depth": 121},
    {"depth": 121, "feature_scale": 0.1},
    {"depth": 121, "width": 8},
    *({"graph_seed": seed} for seed in (11, 12)),
)
# A smallest ratio below it is rounding, and no layer is the smoothest.
ROUNDING = 1e-13
VARIED = ("width", "feature_scale", "weight_scale", "depth", "graph_seed")


def positions(setting, variations=VARIATIONS, activations=("tanh", "elu")):
    """Layers of the smallest ratio: network, `VARIED`, seed, measured, predicted, valley, least, least_predicted.

    valley: the lower of the ratios at both ends over the smallest, which is ``least``. Networks that smooth their error
    down to `ROUNDING` are left out.
    """
    tables = []
    for activation in activations:
        for changes in variations:
            one = replace(setting, activation=activation, **changes)
            keys = {"network": activation} | {name: getattr(one, name) for name in VARIED}
            for seeds, signals in traces(one):
                P = signals.propagation
                tilde = [b / P.stationary[:, None] for b in signals.backward]
                ratio, expected = (
                    part.numpy() for part in (stack(osm.relative_deviation, tilde, P), crossing(signals))
                )
                columns = {"seed": seeds, "measured": ratio.argmin(0), "predicted": expected.argmin(0)}
                columns |= {"valley": np.minimum(ratio[0], ratio[-1]) / ratio.min(0), "least": ratio.min(0)}
                columns["least_predicted"] = expected.min(0)
                tables.append(pd.DataFrame(keys | columns))
    table = pd.concat(tables, ignore_index=True)
    return table[table["least"] > ROUNDING].reset_index(drop=True)


def parts(setting):
    """The two parts of the prediction beside the ratio: layer, backward_ratio, averaged, roughened (medians)."""
    signals = setting.trace()
    ratio = osm.layer_profile(signals).groupby("layer")["backward_ratio"].median()
    medians = {one.__name__: one(signals).median(-1).values.numpy() for one in (averaged, roughened)}
    medians = {name: clear_of_rounding(values, 1e-10) for name, values in medians.items()}
    return ratio.reset_index().assign(**medians)


def crossing(signals):
    """The ratio of every layer predicted from the forward pass and the output error: (depth, seeds).

    Two parts, independent of one another: what averaging L − k times leaves of the output error, and what uneven slopes
    put in, smoothed by λ for each layer since: the root of the sum of their squares.
    """
    return (averaged(signals).square() + roughened(signals).square()).sqrt()


def averaged(signals):
    """σ/‖·‖ of (Pᵀ)^{L−k} B⁽ᴸ⁾, in units of π: the ratio if all slopes and weights were one; (depth, seeds)."""
    P, B = signals.propagation, signals.backward[-1]
    ratios = []
    for _ in range(signals.depth):
        ratios.append(osm.relative_deviation(B / P.stationary[:, None], P))
        B = P.adjoint(B)
    return torch.stack(ratios[::-1])


def roughened(signals):
    """r_k² = λ²r_{k+1}² + ‖R‖²/‖D‖² with the slopes' mean row D and the rest R = ρ'(H⁽ᵏ⁾) − 1D; (depth, seeds)."""
    P, rho = signals.propagation, signals.activation
    squares = [torch.zeros_like(signals.backward[-1][..., 0, 0])]
    for H in reversed(signals.preactivations[:-1]):
        D = rho.slope(osm.mean(H, P))[..., None, :]
        unevenness = (P.stationary[:, None] * (rho.slope(H) - D).square()).sum((-1, -2))
        squares.append(P.rate**2 * squares[-1] + unevenness / D.square().sum((-1, -2)))
    return torch.stack(squares[::-1]).sqrt()
