"""What batch norm converges to, whether to learn its centring, and layer norm before a branch (Pre-LN) or after it."""

from dataclasses import replace
from functools import partial

import pandas as pd
import torch

import oversmooth as osm
from oversmooth_book.experiments.a_remedy_from_the_theorem.spectra import second_modes
from oversmooth_book.experiments.common import clear_of_rounding, label_entropy, over_seeds
from oversmooth_book.experiments.objections.measure import least_losses
from oversmooth_book.experiments.settings import cross_entropy

BENDS = {"identity": lambda X: X, "tanh": torch.tanh}
RESIDUAL = ("Pre-LN", "Post-LN")
PLACES = (*RESIDUAL, "plain")
CENTRINGS = ("fixed", "learned", "none")
PROJECTIONS = ("projection", "projection, from none")
WIDTH = 8
SMALL = 0.1  # the largest τ to start from, as in the re-implementations
STABLE = 1e-5  # torch's own, under the root of a layer norm


def batch_norm(X, alpha=1.0):
    """Every column less α times its mean over the nodes, and scaled: (seeds, n, d).

    α = 1: batch norm without learned parameters; α learned, for each column: the centring of GraphNorm.
    """
    centred = X - alpha * X.mean(-2, keepdim=True)
    return centred / centred.square().mean(-2, keepdim=True).sqrt()


def project_and_scale(X, tau, modes, P):
    """X − V τ (τᵀ V* X) for every column, V* = Vᵀ diag(π), scaled as in `batch_norm`: (seeds, n, d).

    GraphNormv2's centring. V (n, m): the constant and leading modes of P, orthonormal in π's inner product;
    τ (seeds, m, d): learned. τ = (1, 0, …, 0) takes away the mean, as batch norm does; τ = 0 nothing.
    """
    inner = (modes * P.stationary[:, None]).mT @ X
    centred = X - modes @ (tau * (tau * inner).sum(-2, keepdim=True))
    return centred / centred.square().mean(-2, keepdim=True).sqrt()


def layer_norm(X):
    """Every node centred and scaled over its columns, without learned parameters: (seeds, n, d)."""
    centred = X - X.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + STABLE).sqrt()


def eigenspaces(setting, graphs=("CSBM", "digits"), layers=(0, 4, 16, 64, 128), width=WIDTH):
    """X⁽ᵏ⁺¹⁾ = ρ(BN(P X⁽ᵏ⁾ W)) of width d, two tables: graph, activation, layer, median, low, high of share and rank.

    share: that of the features' variance in the modes 2 to d + 1, the leading ones that centring leaves; rank: the
    effective one.
    """
    rows = []
    for name in graphs:
        here = replace(setting, graph=name)
        first, P = here.data().x, here.propagation()
        modes = (P.stationary[:, None] * second_modes(P, width)[1]).mT
        widths = [first.shape[1], *[width] * (max(layers) + 1)]
        for bend, rho in BENDS.items():
            weights = osm.Network(P, widths, seed=list(setting.seeds), init=setting.init)
            X = batch_norm(first @ weights.weights[0].detach())
            for k in range(max(layers) + 1):
                if k in layers:
                    keys = {"graph": name, "activation": bend, "layer": k}
                    rows += [keys | one for one in _inside(X, P, modes)]
                if k < max(layers):
                    X = rho(batch_norm((P @ X) @ weights.weights[k + 1].detach()))
    table, keys = pd.DataFrame(rows), ["graph", "activation", "layer"]
    return over_seeds(table, keys, "share"), over_seeds(table, keys, "rank")


def _inside(X, P, modes):
    """For each seed the share of the variance in some modes (count, n), weighted by π, and the effective rank."""
    centred = X - osm.mean(X, P)[:, None]
    inside = (modes @ centred).square().sum((-1, -2)) / osm.energy(X, P)
    return [{"share": float(a), "rank": float(osm.effective_rank(x))} for a, x in zip(inside, centred, strict=True)]


def placed(place, X, W, P):
    """One layer of width d: X + ρ(P LN(X) W), LN(X + ρ(PXW)), or ρ(PXW)."""
    if place == "Pre-LN":
        return X + torch.tanh((P @ layer_norm(X)) @ W)
    new = torch.tanh((P @ X) @ W)
    return layer_norm(X + new) if place == "Post-LN" else new


def placements(setting, layers):
    """Untrained networks, two tables: place, layer, median, low, high of the relative deviation and of the change.

    change: ‖X⁽ᵏ⁺¹⁾ − X⁽ᵏ⁾‖/‖X⁽ᵏ⁾‖, which is small where a layer hardly does anything.
    """
    data, P, rows = setting.data(), setting.propagation(), []
    weights = [W.detach() for W in _weights(setting, layers + 2)]
    for place in PLACES:
        X = data.x @ weights[0]
        for k in range(1, layers + 1):
            after = placed(place, X, weights[k], P)
            change = (after - X).square().sum((-1, -2)).sqrt() / X.square().sum((-1, -2)).sqrt()
            keys = {"place": place, "layer": k}
            ratio = osm.relative_deviation(X, P)
            rows += [keys | {"ratio": float(r), "change": float(c)} for r, c in zip(ratio, change, strict=True)]
            X = after
    table = pd.DataFrame(rows)
    table["ratio"] = clear_of_rounding(table["ratio"], 1e-12)
    return [over_seeds(table, ["place", "layer"], value) for value in ("ratio", "change")]


def placements_trained(setting):
    """Those with residual branches trained: place, median, low, high of `_trained`'s loss."""
    tables = []
    for place in RESIDUAL:
        layers = [partial(placed, place)] * (setting.depth - 2)
        tables.append(_trained(setting, layers).assign(place=place))
    return over_seeds(pd.concat(tables, ignore_index=True), ["place"], "loss")


def centrings_trained(setting):
    """ρ(norm(PXW)) trained: centring, seed, loss.

    centring: `batch_norm`'s α fixed to 1, learned from 1 on, or fixed to 0; then `project_and_scale`, τ learned from
    the mean on, or from near nothing.
    """
    tables = []
    for centring in CENTRINGS:
        start, count = float(centring != "none"), setting.depth - 2
        alphas = torch.full((count, len(setting.seeds), 1, setting.width), start, dtype=torch.float64)
        learned = [alpha.requires_grad_(centring == "learned") for alpha in alphas.unbind()]
        layers = [partial(_normed, alpha) for alpha in learned]
        tables.append(_trained(setting, layers, learned).assign(centring=centring))
    for centring in PROJECTIONS:
        modes, learned = _projections(setting, centring)
        layers = [partial(_projected, tau, modes) for tau in learned]
        tables.append(_trained(setting, layers, learned).assign(centring=centring))
    return pd.concat(tables, ignore_index=True)[["centring", "seed", "loss"]]


def _projections(setting, centring):
    """V, and every layer's τ where it starts: at the mean, or near nothing."""
    P = setting.propagation()
    modes = torch.cat([torch.ones(P.num_nodes, 1, dtype=torch.float64), second_modes(P, WIDTH - 1)[1]], dim=1)
    shape = setting.depth - 2, len(setting.seeds), WIDTH, setting.width
    if centring == PROJECTIONS[0]:
        taus = torch.zeros(shape, dtype=torch.float64)
        taus[:, :, 0] = 1
    else:
        taus = SMALL * torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(setting.seeds[0]))
    return modes, [tau.requires_grad_() for tau in taus.unbind()]


def _normed(alpha, X, W, P):
    return torch.tanh(batch_norm((P @ X) @ W, alpha))


def _projected(tau, modes, X, W, P):
    return torch.tanh(project_and_scale((P @ X) @ W, tau, modes, P))


def _trained(setting, layers, others=()):
    """Networks of such hidden layers after training, equal budget: seed, loss, the least as a share of the entropy.

    The first layer is a product with a matrix, the last one P X W and a bias. ``others``: what else is trained, where
    it asks for a gradient.
    """
    data, P = setting.data(), setting.propagation()
    measure, entropy = cross_entropy(data.y), label_entropy(data.y)
    weights = _weights(setting, setting.depth)
    bias = torch.zeros(len(setting.seeds), 1, weights[-1].shape[-1], dtype=torch.float64, requires_grad=True)

    def objective():
        X = data.x @ weights[0]
        for layer, W in zip(layers, weights[1:-1], strict=True):
            X = layer(X, W, P)
        return measure((P @ X) @ weights[-1] + bias)

    trained = [*weights, bias, *(other for other in others if other.requires_grad)]
    least = least_losses(trained, objective, setting.steps, setting.step_size) / entropy
    return pd.DataFrame({"seed": list(setting.seeds), "loss": least.numpy()})


def _weights(setting, depth):
    """Orthogonal weights, one for each seed: inputs, depth − 2 square ones, outputs."""
    return list(replace(setting, depth=depth).network(2).weights)
