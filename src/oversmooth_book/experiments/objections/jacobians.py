"""The Jacobian of linear layers, and which of its directions the error takes before and after the last layer learns."""

import numpy as np
import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.common import clear_of_rounding, over_seeds
from oversmooth_book.experiments.settings import propagation, signs, squared_error

WIDTH = 3
STATES = ("output layer random", "output layer trained")


def lemma(setting, kinds=("metropolis", "gcn"), name="karate"):
    """Squared singular values of the Jacobian of X ↦ PXW beside {λ_i² μ_j}: propagation, layers, error.

    μ_j are the eigenvalues of WWᵀ. One layer has Gaussian-like weights; three layers orthogonal ones, where all
    μ_j = 1 and the products are λ_i⁶. By autograd and a dense SVD; the error is relative to the largest, 0 where it is
    rounding.
    """
    rows = []
    for kind in kinds:
        P = propagation(name, kind=kind)
        rates = torch.linalg.eigvalsh(P.to_dense())
        for layers, init in ((1, "glorot"), (3, "orthogonal")):
            net = osm.Network(P, [WIDTH] * (layers + 1), "identity", seed=setting.seeds[0], init=init)
            points = torch.zeros(P.num_nodes, WIDTH, dtype=torch.float64)
            jacobian = torch.autograd.functional.jacobian(net, points).reshape(points.numel(), -1)
            found = torch.linalg.svdvals(jacobian).square().sort().values
            scales = torch.linalg.svdvals(net.weights[0].detach()).square() ** layers
            expected = torch.outer(rates.square() ** layers, scales).flatten().sort().values
            error = float((found - expected).abs().max() / expected.max())
            rows.append({"propagation": kind, "layers": layers, "error": float(clear_of_rounding(error, 1e-12))})
    return pd.DataFrame(rows)


def spectrum(setting, depths=(1, 8, 32)):
    """Singular values of L linear layers with orthogonal weights, |λ_i|ᴸ, per channel: layers, index, value."""
    P = setting.propagation()
    rates = np.sort(np.abs(torch.linalg.eigvalsh(P.to_dense()).numpy()))[::-1]
    tables = [pd.DataFrame({"layers": L, "index": range(1, len(rates) + 1), "value": rates**L}) for L in depths]
    return pd.concat(tables, ignore_index=True)


def errors(setting):
    """The output error and what of it arrives, two tables: state, part, median, low, high; state, layer, median, ….

    part: of ‖B̃⁽ᴸ⁾‖², the constant mode's share and all others'. The second table has ‖B̃⁽ᵏ⁾‖/‖B̃⁽ᴸ⁾‖.
    """
    data, P = setting.data(), setting.propagation()
    parts, sizes = [], []
    for state, net in zip(STATES, (setting.network(1), setting.trained()), strict=True):
        backward = osm.trace(net, data.x, squared_error(signs(data.y))).backward
        constant = osm.backward_mean(backward[-1], P).square().sum(-1)
        rest = osm.backward_deviation(backward[-1], P).square()
        share = (constant / (constant + rest)).flatten().numpy()
        for part, values in (("constant", share), ("other modes", 1 - share)):
            parts.append(pd.DataFrame({"state": state, "part": part, "share": clear_of_rounding(values)}))
        norms = torch.stack([_size(B, P) for B in backward])
        for k, values in enumerate((norms / norms[-1]).numpy()):
            sizes.append(pd.DataFrame({"state": state, "layer": k, "size": values}))
    return (
        over_seeds(pd.concat(parts, ignore_index=True), ["state", "part"], "share"),
        over_seeds(pd.concat(sizes, ignore_index=True), ["state", "layer"], "size"),
    )


def _size(B, P):
    """‖B̃‖ = (‖μ(B̃)‖² + σ(B̃)²)^½, (seeds,)."""
    return (osm.backward_mean(B, P).square().sum(-1) + osm.backward_deviation(B, P).square()).sqrt()
