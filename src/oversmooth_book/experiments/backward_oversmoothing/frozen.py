"""An intervention on the backward pass: slopes frozen at their mean row."""

import dataclasses

import pandas as pd

import oversmooth as osm
from oversmooth_book.experiments.backward_oversmoothing.networks import traces


def frozen_backward(signals, frozen):
    """The same backward pass, with the slopes of some layers frozen at one row for all nodes.

    B⁽ᵏ⁾ = ρ'(H⁽ᵏ⁾) ⊙ G⁽ᵏ⁾, and in the frozen layers B⁽ᵏ⁾ = 1ρ'(μ(H⁽ᵏ⁾))ᵀ ⊙ G⁽ᵏ⁾ = G⁽ᵏ⁾D, with
    G⁽ᵏ⁾ = Pᵀ B⁽ᵏ⁺¹⁾ W⁽ᵏ⁺¹⁾ᵀ: the term R ⊙ G⁽ᵏ⁾ of theory.md, section 3, is dropped there. The forward pass stays.

    Args:
        signals: what `trace` returned.
        frozen: the layers k < L to freeze.

    Returns:
        `Signals` with the new backward signals and gradients.

    Source: this project (†), from the author's summary: backward smoothing where the forward is smooth.
    """
    P, W, H, rho = signals.propagation, signals.weights, signals.preactivations, signals.activation
    B = [signals.backward[-1]]
    for k in reversed(range(signals.depth - 1)):
        at = osm.mean(H[k], P)[..., None, :] if k in frozen else H[k]
        B.append(rho.slope(at) * P.adjoint(B[-1] @ W[k + 1].mT))
    B.reverse()
    gradients = [F.mT @ b for F, b in zip(signals.propagated, B, strict=True)]
    return dataclasses.replace(signals, backward=B, gradients=gradients)


def interventions(data, propagation, activations, depth, num_seeds):
    """The backward ratio with slopes frozen nowhere, in the first quarter, everywhere but there, everywhere.

    Args:
        data: the graph.
        propagation: its `Propagation`.
        activations: names.
        depth: L+1.
        num_seeds: how many draws of the weights.

    Returns:
        pandas.DataFrame: columns network, frozen, layer, seed, backward_ratio.
    """
    quarter, last = depth // 4, depth - 1
    choices = {
        "nothing": range(0),
        "first quarter": range(quarter),
        "all but the first quarter": range(quarter, last),
        "everything": range(last),
    }
    tables = []
    for activation in activations:
        for seeds, signals in traces(data, propagation, activation, 1.0, depth, num_seeds):
            for name, frozen in choices.items():
                table = osm.layer_profile(frozen_backward(signals, frozen))[["layer", "seed", "backward_ratio"]]
                tables.append(table.assign(network=activation, frozen=name, seed=table["seed"] + seeds[0]))
    return pd.concat(tables, ignore_index=True)
