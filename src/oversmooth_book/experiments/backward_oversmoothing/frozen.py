"""An intervention on the backward pass: slopes frozen at their mean row."""

import dataclasses

import numpy as np
import pandas as pd

import oversmooth as osm
from oversmooth_book.experiments.backward_oversmoothing.measure import traces, valleys


def frozen_backward(signals, frozen):
    """`osm.Signals` of the same backward pass, with the slopes of the layers ``frozen`` at one row for all nodes.

    B⁽ᵏ⁾ = ρ'(H⁽ᵏ⁾) ⊙ G⁽ᵏ⁾, and in the frozen layers, all of them before the last, B⁽ᵏ⁾ = 1ρ'(μ(H⁽ᵏ⁾))ᵀ ⊙ G⁽ᵏ⁾ = G⁽ᵏ⁾D,
    with G⁽ᵏ⁾ = Pᵀ B⁽ᵏ⁺¹⁾ W⁽ᵏ⁺¹⁾ᵀ: the term R ⊙ G⁽ᵏ⁾ of one backward step is dropped there. The forward pass stays.
    """
    P, W, H, rho = signals.propagation, signals.weights, signals.preactivations, signals.activation
    B = [signals.backward[-1]]
    for k in reversed(range(signals.depth - 1)):
        at = osm.mean(H[k], P)[..., None, :] if k in frozen else H[k]
        B.append(rho.slope(at) * P.adjoint(B[-1] @ W[k + 1].mT))
    B.reverse()
    gradients = [F.mT @ b for F, b in zip(signals.propagated, B, strict=True)]
    return dataclasses.replace(signals, backward=B, gradients=gradients)


def interventions(setting, activations=("tanh", "elu")):
    """The ratio with slopes frozen in some layers: layer, seed, backward_ratio, network, frozen (which layers)."""
    quarter, last = setting.depth // 4, setting.depth - 1
    choices = {
        "nothing": range(0),
        "first quarter": range(quarter),
        "all but the first quarter": range(quarter, last),
        "everything": range(last),
    }
    tables = []
    for activation in activations:
        for seeds, signals in traces(dataclasses.replace(setting, activation=activation)):
            for name, frozen in choices.items():
                table = osm.layer_profile(frozen_backward(signals, frozen))[["layer", "seed", "backward_ratio"]]
                seed = np.take(seeds, table["seed"])
                tables.append(table.assign(network=activation, frozen=name, seed=seed))
    return pd.concat(tables, ignore_index=True)


def rises(table):
    """How far each ratio rises again towards the input: network, frozen, seed, rise (over its minimum)."""
    by = ["network", "frozen", "seed"]
    return valleys(table, by)[[*by, "rise"]]
