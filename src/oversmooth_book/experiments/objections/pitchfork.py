"""Around s = 1 on the deflated operator: the second mode's amplitude, and what a sine changes on the plain one.

With all modes but one gone, Q = u(π ⊙ u)ᵀ, and a_k = ⟨u, X⁽ᵏ⁾⟩ a row of width d, a layer of tanh maps x = s a W to
x_c (1 − m₄ x_c²/3) to leading order (the chapter on deflation, thm-slow-fading), and for random rotations
Σ_c x_c⁴ = 3‖x‖⁴/(d + 2) on average. So ‖a‖² ↦ s²‖a‖² (1 − 2 m₄ s²‖a‖²/(d + 2)), which stands still at

    ‖a‖² = (s² − 1)(d + 2) / (2 m₄ s⁴ c),    c = 1,

and at 0 alone for s ≤ 1: a pitchfork, whose critical point is the slow fading 1/√k. The sine's cubic term is half of
tanh's, c = 1/2.
"""

import numpy as np
import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.a_remedy_from_the_theorem.spectra import fourth_moment, second_modes
from oversmooth_book.experiments.common import over_seeds
from oversmooth_book.experiments.objections.measure import features

SINE = osm.Activation("sine", torch.sin, torch.cos, beta=1.0, derivative_range=(-1.0, 1.0))
CUBIC = {"tanh": 1.0, "sine": 0.5}
# Layers until the start is forgotten: the distance from the fixed point falls like exp(−2(s − 1)k).
RELAXED = 5.0


def activation(name):
    """What a network takes for a name of `CUBIC`."""
    return SINE if name == "sine" else name


def amplitudes(setting, excesses):
    """‖⟨u_2, X⁽ᵏ⁾⟩‖ of deflated networks, s = 1 + excess: activation, excess, seed, amplitude, predicted.

    The root mean square over the second half of 5/excess layers; features start at a third of the prediction in mode 2.
    """
    P = setting.propagation()
    mode = second_modes(P, 1)[1]
    fourth, Q, rows = fourth_moment(P, mode[:, 0]), osm.deflate(P), []
    for name, cubic in CUBIC.items():
        for excess in excesses:
            s, d = 1 + excess, setting.width
            predicted = ((s**2 - 1) * (d + 2) / (2 * fourth * s**4 * cubic)) ** 0.5
            depth = round(RELAXED / excess)
            nets = osm.Network(Q, [d] * (depth + 1), activation(name), s, seed=list(setting.seeds))
            start = predicted / 3 / d**0.5 * mode * torch.ones(1, d, dtype=torch.float64)
            late = features(nets, start)[depth // 2 :]
            sizes = torch.stack([(P.stationary[:, None] * mode).mT @ X for X in late]).square().sum((-1, -2))
            rows += [
                {"activation": name, "excess": excess, "seed": seed, "amplitude": float(size), "predicted": predicted}
                for seed, size in zip(setting.seeds, sizes.mean(0).sqrt(), strict=True)
            ]
    return pd.DataFrame(rows)


def amplitude_bands(table):
    """`amplitudes` over the seeds: activation, excess, predicted, median, low, high."""
    return over_seeds(table, ["activation", "excess", "predicted"], "amplitude")


def plain_states(setting, scales):
    """No mode removed: activation, scale, median, low, high of the last features' relative deviation."""
    data, P, rows = setting.data(), setting.propagation(), []
    for name in CUBIC:
        for scale in scales:
            widths = [data.num_features, *[setting.width] * setting.depth]
            nets = osm.Network(P, widths, activation(name), scale, seed=list(setting.seeds))
            last = osm.relative_deviation(features(nets, data.x)[-1], P).numpy()
            rows += [{"activation": name, "scale": scale, "ratio": float(np.maximum(one, 1e-15))} for one in last]
    return over_seeds(pd.DataFrame(rows), ["activation", "scale"], "ratio")
