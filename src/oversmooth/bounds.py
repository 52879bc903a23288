"""The statements of the theory, one function each: what bounds what, with every constant computed.

Forward signals X are measured by σ(X), backward signals by σ(B̃), B̃_i = B_i/π_i: in these units both obey one
recursion with one rate λ. It holds for every row-stochastic P with positive π: B̃ is propagated by the adjoint of P in
the π inner product, which keeps the mean and contracts the deviation by the same λ. Deflated propagation drops the mean
instead: every mean that is passed on is multiplied by `Propagation.mean_factor`, 1 or 0. For the GCN normalisation all
of it is read in the coordinates of the random walk (`Propagation.scaling`), which needs a positively homogeneous ρ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from oversmooth._arguments import checked
from oversmooth._validation import is_finite, require, require_signal
from oversmooth.losses import LOSSES, make_objective
from oversmooth.network import Network, require_network
from oversmooth.signals import Signals, require_signals
from oversmooth.smoothness import backward_deviation, backward_mean, deviation, mean


@checked
def forward_bound(network: Network, features: torch.Tensor) -> torch.Tensor:
    """Bounds on the deviation of every layer's features, from the weights and λ alone.

    σ(X⁽ᵏ⁾) ≤ (Π_{j<k} λ c s_j) σ(X⁽⁰⁾), with s_j = ‖W⁽ʲ⁾‖₂ and c = sup|ρ'| (1 under the paper's assumptions).
    The output has no activation: σ(Ŷ) ≤ λ s_L times the bound on σ(X⁽ᴸ⁾), plus the deviation of an output bias, which
    is zero but for GCN propagation: in its coordinates a constant is not constant.

    Args:
        network: `Network`. With GCN propagation the activation must be positively homogeneous.
        features: X⁽⁰⁾, (n, d_0) or (seeds, n, d_0).

    Returns:
        (depth+1,) or (seeds, depth+1): bounds on σ(X⁽⁰⁾), …, σ(X⁽ᴸ⁾), σ(Ŷ).

    Raises:
        ValueError: features that do not fit the network, or GCN propagation with another activation.

    Source: the paper's statement 1 and Theorem 1; the book's theorem thm-forward, bound (F).
    """
    require_network(network)
    network.check(features)
    _require_covered(network)
    P, rho = network.propagation, network.activation
    s = weight_norms(network.weights)
    slope = s.new_full((network.depth,), rho.lipschitz)
    slope[-1] = 1.0
    factors = P.rate * slope * s
    start = deviation(features, P).detach()[..., None]
    steps = torch.cat([torch.ones_like(factors[..., :1]), factors], dim=-1)
    bounds = start * steps.cumprod(-1)
    if P.scaling is not None and network.bias is not None:
        constant = network.bias.detach() + features.new_zeros(P.num_nodes, 1)
        bounds[..., -1] += deviation(constant, P)
    return bounds


@checked
def weight_norms(weights: Sequence[torch.Tensor]) -> torch.Tensor:
    """Spectral norms s_k = ‖W⁽ᵏ⁾‖₂.

    Args:
        weights: list of (d_k, d_{k+1}) or (seeds, d_k, d_{k+1}).

    Returns:
        (depth,) or (seeds, depth).

    Raises:
        ValueError: no weights, or such that have no norm.
    """
    require(len(weights) > 0, "weights is an empty list; at least one matrix is needed")
    for weight in weights:
        require_signal("weights", weight)
    shapes = {tuple(weight.shape[:-2]) for weight in weights}
    require(len(shapes) == 1, f"weights hold batches of shapes {sorted(shapes)}; one number of seeds is needed")
    return torch.stack([torch.linalg.matrix_norm(w.detach(), 2) for w in weights], dim=-1)


@dataclass(frozen=True)
class BackwardStep:
    """Both sides of (B1) and (B2) with their constants; each (L,) or (seeds, L), for k = 0, …, L−1.

    Attributes:
        delta: δ = ‖D‖, D = diag(ρ'(h̄)), h̄ = μ(H⁽ᵏ⁾).
        r_inf: r_∞ = max_ij |R_ij|, R = ρ'(H⁽ᵏ⁾) − 1ρ'(h̄)ᵀ.
        r_2: max_j (Σ_i π_i R_ij²)^{1/2}.
        gamma: γ = s_{k+1} (λ² σ(B̃⁽ᵏ⁺¹⁾)² + ‖μ(B̃⁽ᵏ⁺¹⁾)‖²)^{1/2}.
        deviation: σ(B̃⁽ᵏ⁾).
        deviation_bound: δ λ s_{k+1} σ(B̃⁽ᵏ⁺¹⁾) + r_∞ γ.
        departure: ‖μ(B̃⁽ᵏ⁾) − μ(B̃⁽ᵏ⁺¹⁾) W⁽ᵏ⁺¹⁾ᵀ D‖.
        departure_bound: r_2 γ.
    """

    delta: torch.Tensor
    r_inf: torch.Tensor
    r_2: torch.Tensor
    gamma: torch.Tensor
    deviation: torch.Tensor
    deviation_bound: torch.Tensor
    departure: torch.Tensor
    departure_bound: torch.Tensor


@checked
def backward_step(signals: Signals) -> BackwardStep:
    """One step of backpropagation, bounded: how rough the error may get, how far its mean may leave the linear path.

    (B1)  σ(B̃⁽ᵏ⁾) ≤ δ λ s_{k+1} σ(B̃⁽ᵏ⁺¹⁾) + r_∞ γ
    (B2)  ‖μ(B̃⁽ᵏ⁾) − μ(B̃⁽ᵏ⁺¹⁾) W⁽ᵏ⁺¹⁾ᵀ D‖ ≤ r_2 γ

    Where the forward signal is smooth, R ≈ 0 and the step is linear although the network is not.

    Args:
        signals: what `trace` returned, of a network of depth at least 2.

    Returns:
        `BackwardStep`.

    Raises:
        ValueError: depth 1, non-finite signals, or GCN propagation with an activation that is not homogeneous.

    Source: the book's theorem thm-backward-step (the constants are ours; the linearity is the paper's statement 5).
    """
    _require_usable(signals)
    require(signals.depth > 1, "signals has one layer only; a backward step needs two")
    P, B, W = signals.propagation, signals.backward, signals.weights
    s = weight_norms(W)
    sigma = [backward_deviation(b, P) for b in B]
    mu = [backward_mean(b, P) for b in B]
    steps = []
    for k in range(signals.depth - 1):
        carried = signals.propagation.mean_factor * mu[k + 1]
        size = torch.linalg.vector_norm(carried, dim=-1)
        delta, r_inf, r_2, gamma, rough, drift = _step_bounds(signals, k, s[..., k + 1], sigma[k + 1], size)
        departure = mu[k] - _transport(carried, W[k + 1], _slope_of_mean(signals, k))
        departure = torch.linalg.vector_norm(departure, dim=-1)
        steps.append((delta, r_inf, r_2, gamma, sigma[k], rough, departure, drift))
    return BackwardStep(*(torch.stack(column, -1) for column in zip(*steps, strict=True)))


@checked
def mean_transport(signals: Signals) -> list[torch.Tensor]:
    """Where backward oversmoothing leads: the average output error, sent back through one small perceptron.

    b̄⁽ᴸ⁾ = Σ_i B⁽ᴸ⁾_i and b̄⁽ᵏ⁾ = b̄⁽ᵏ⁺¹⁾ W⁽ᵏ⁺¹⁾ᵀ D⁽ᵏ⁾, D⁽ᵏ⁾ = diag(ρ'(μ(H⁽ᵏ⁾))). It predicts μ(B̃⁽ᵏ⁾) = Σ_i B⁽ᵏ⁾_i
    and, where the error is smooth, B̃⁽ᵏ⁾ ≈ 1·b̄⁽ᵏ⁾. For the identity activation the mean is conserved: the prediction
    is exact at every layer.

    Args:
        signals: what `trace` returned.

    Returns:
        L+1 tensors (d_{k+1},) or (seeds, d_{k+1}). With GCN propagation they predict Σ_i scaling_i B⁽ᵏ⁾_i.

    Raises:
        ValueError: non-finite signals, or GCN propagation with an activation that is not homogeneous.

    Source: the paper's statement 5 and its author's summary; chapter *Backward oversmoothing*, equation mean-transport.
    """
    _require_usable(signals)
    b = [backward_mean(signals.backward[-1], signals.propagation)]
    for k in reversed(range(signals.depth - 1)):
        carried = signals.propagation.mean_factor * b[0]
        b.insert(0, _transport(carried, signals.weights[k + 1], _slope_of_mean(signals, k)))
    return b


@dataclass(frozen=True)
class Certificate:
    """Upper bounds for every layer k = 0, …, L; each (L+1,) or (seeds, L+1).

    Attributes:
        gradient: on ‖∂𝓛/∂W⁽ᵏ⁾‖_F.
        deviation: S_k, on σ(B̃⁽ᵏ⁾).
        mean: M_k, on ‖μ(B̃⁽ᵏ⁾)‖.
    """

    gradient: torch.Tensor
    deviation: torch.Tensor
    mean: torch.Tensor


@checked
def certificate(signals: Signals, method: str = "transport") -> Certificate:
    """A rigorous bound on every layer's gradient, from one forward pass and the output error: no backward pass.

    ‖∂𝓛/∂W⁽ᵏ⁾‖_F ≤ ‖μ(F⁽ᵏ⁾)‖ M_k + σ(F⁽ᵏ⁾) S_k, from S_L = σ(B̃⁽ᴸ⁾), M_L = ‖μ(B̃⁽ᴸ⁾)‖ downwards.

    method "transport" (default) writes B̃⁽ᵏ⁾ = 1·b⁽ᵏ⁾ + E⁽ᵏ⁾ with b⁽ᵏ⁾ known exactly, σ(E⁽ᵏ⁾) ≤ S_k, ‖μ(E⁽ᵏ⁾)‖ ≤ e_k.
    From the slopes ρ'(H⁽ᵏ⁾) it takes, column by column, the mean D, the variance V, the midpoint C = (max + min)/2 and
    the half range r = (max − min)/2, as diagonal matrices. With g = b⁽ᵏ⁺¹⁾ W⁽ᵏ⁺¹⁾ᵀ, and S, e, W of layer k+1:
    b⁽ᵏ⁾ = gD,  S_k = λ ‖WᵀC‖₂ S + ‖Wᵀr‖₂ (λ²S² + e²)^{1/2} + (Σ_j V_j g_j²)^{1/2},
    e_k = ‖WᵀD‖₂ e + λ ‖WᵀV^{1/2}‖₂ S,  M_k = ‖b⁽ᵏ⁾‖ + e_k.
    With deflated propagation, λ = 1 and neither b nor e is passed on: b⁽ᵏ⁾ = 0 for k < L and
    S_k = (‖WᵀC‖₂ + ‖Wᵀr‖₂) S; and μ(F⁽ᵏ⁾) = 0 leaves ‖∂𝓛/∂W⁽ᵏ⁾‖_F ≤ σ(F⁽ᵏ⁾) S_k.

    method "plain" carries norms only, S_k = δ λ s_{k+1} S_{k+1} + r_∞ γ, M_k = δ s_{k+1} M_{k+1} + r_2 γ, with
    γ = s_{k+1} (λ² S²_{k+1} + M²_{k+1})^{1/2} and D, R, δ as in `backward_step`: looser, kept to show what the
    transport gains.

    Args:
        signals: what `trace` returned; of the backward signals only the last one is read.
        method: "transport" or "plain".

    Returns:
        `Certificate`.

    Raises:
        ValueError: unknown method, non-finite signals, or GCN propagation with an activation that is not homogeneous.

    Source: ours; the book's theorem thm-explore, and thm-deflated for deflated propagation. Around the mean of the
    slopes, and not the slope at the mean, the departure e_k is of second order; around their midpoint, the roughness
    that they add is least.
    """
    known = {"transport": _transported_step, "plain": _plain_step}
    require(method in known, f"method is {method!r}; known: {', '.join(known)}")
    _require_usable(signals)
    P, s = signals.propagation, weight_norms(signals.weights)
    b = backward_mean(signals.backward[-1], P)
    M = torch.linalg.vector_norm(b, dim=-1)
    state = (b, backward_deviation(signals.backward[-1], P), torch.zeros_like(M), M)
    states = [state]
    for k in reversed(range(signals.depth - 1)):
        state = known[method](signals, k, s[..., k + 1], state)
        states.insert(0, state)
    S, M = (torch.stack([state[i] for state in states], -1) for i in (1, 3))
    centre = torch.stack([torch.linalg.vector_norm(mean(F, P), dim=-1) for F in signals.propagated], -1)
    spread = torch.stack([deviation(F, P) for F in signals.propagated], -1)
    return Certificate(centre * M + spread * S, S, M)


@checked
def loss_floor(
    network: Network, features: torch.Tensor, targets: torch.Tensor, kind: str = "mse", mask: torch.Tensor | None = None
) -> float | torch.Tensor:
    """What the loss cannot fall below while the output is as smooth as it is now.

    mse: 𝓛 = mean_i ‖Ŷ_i − Y_i‖² ≥ (σ(Y) − σ(Ŷ))²₊;
    cross_entropy: 𝓛 ≥ (entropy of the label frequencies − σ(Y) σ(Ŷ))₊, Y the one-hot labels: the loss is convex, and
    its slope at the constant output that fits the frequencies is the deviation of Y.
    Mean, σ and frequencies have uniform weights and run over the mask.

    Args:
        network: `Network`.
        features: X⁽⁰⁾, (n, d_0) or (seeds, n, d_0).
        targets: Y, (n, d_{L+1}) real numbers for mse ((n,) if the output has one column); (n,) integers for
            cross_entropy.
        kind: "mse" or "cross_entropy".
        mask: (n,) booleans: the nodes that the loss sees; None means all.

    Returns:
        The floor, a float, in the units of the loss; a (seeds,) tensor for a batch.

    Raises:
        ValueError: unknown kind, or features, targets or mask that do not fit.

    Source: the book's theorems thm-spurious and thm-explore for mse; for cross_entropy ours.
    """
    require_network(network)
    require(kind in LOSSES, f"kind is {kind!r}; known: {', '.join(LOSSES)}")
    objective = make_objective(kind, targets, mask, network)
    with torch.no_grad():
        output = network(features)
    rows = objective.weights[:, 0] > 0
    seen, spread = objective.targets[rows], deviation(output[..., rows, :])
    if kind == "mse":
        floor = (deviation(seen) - spread).clamp(min=0) ** 2
    else:
        share = torch.bincount(seen).to(output.dtype) / seen.numel()
        label_spread = (1 - share.square().sum()).sqrt()
        floor = (torch.special.entr(share).sum() - label_spread * spread).clamp(min=0)
    return floor if output.dim() == 3 else float(floor)


def _transported_step(signals, k, _, state):
    """(b, S, e, M) at layer k from layer k+1, the mean carried exactly."""
    b, S, e, _ = state
    P, W = signals.propagation, signals.weights[k + 1]
    # P* keeps means and shrinks deviations: B̃ = 1b + E becomes P*B̃ = 1b + P*E, σ(P*E) ≤ λS, ‖μ(P*E)‖ = ‖μ(E)‖ ≤ e.
    # Where P is deflated it drops both means.
    b, e = P.mean_factor * b, P.mean_factor * e
    # The slopes ρ'(H), column by column, around two centres: mean D and variance V, and midpoint C and half range r.
    slopes = signals.activation.slope(signals.preactivations[k])
    D, high, low = _average(slopes, P), slopes.amax(-2), slopes.amin(-2)
    variance = _average((slopes - D[..., None, :]).square(), P)

    def norm(diagonal):
        return torch.linalg.matrix_norm(W.mT * diagonal[..., None, :], 2)

    # The known part: ρ' ⊙ 1g, g = bWᵀ, has the mean gD, and deviates by (Σ_j V_j g_j²)^{1/2}.
    g = _transport(b, W, 1.0)
    fresh = (g.square() * variance).sum(-1).sqrt()
    # The rest: ρ' = C + R, |R_ij| ≤ r_j. C keeps deviations apart from means: ‖WᵀC‖ λS. R does not: it meets all of
    # P*E, of norm at most (λ²S² + e²)^{1/2}.
    kept = P.rate * norm((high + low) / 2) * S + norm((high - low) / 2) * (P.rate**2 * S**2 + e**2).sqrt()
    # Its mean: ρ' = D + (ρ' − D), and the second part, of mean zero, sees the deviation only (Cauchy and Schwarz).
    e = norm(D) * e + P.rate * norm(variance.sqrt()) * S
    return g * D, kept + fresh, e, torch.linalg.vector_norm(g * D, dim=-1) + e


def _plain_step(signals, k, s, state):
    """The same with norms only: M bounds the mean, b and e are not used."""
    b, S, e, M = state
    M = signals.propagation.mean_factor * M
    delta, _, _, _, rough, drift = _step_bounds(signals, k, s, S, M)
    return b, rough, e, delta * s * M + drift


def _step_bounds(signals, k, s, S, M):
    """(δ, r_∞, r_2, γ, right side of (B1), right side of (B2)) from s_{k+1} and the deviation and mean at layer k+1."""
    P = signals.propagation
    D = _slope_of_mean(signals, k)
    R = signals.activation.slope(signals.preactivations[k]) - D[..., None, :]
    delta, r_inf, r_2 = D.abs().amax(-1), R.abs().amax((-1, -2)), _average(R.square(), P).amax(-1).sqrt()
    gamma = s * (P.rate**2 * S**2 + M**2).sqrt()
    return delta, r_inf, r_2, gamma, delta * P.rate * s * S + r_inf * gamma, r_2 * gamma


def _slope_of_mean(signals, k):
    """ρ'(h̄), h̄ = μ(H⁽ᵏ⁾): the diagonal of D."""
    return signals.activation.slope(mean(signals.preactivations[k], signals.propagation))


def _transport(b, W, D):
    """The product b Wᵀ D, for a row b and a diagonal D."""
    return (b[..., None, :] @ W.mT)[..., 0, :] * D


def _average(values, propagation):
    """Σ_i π_i of each column; no scaling, since slopes are the same in all coordinates."""
    pi, _ = propagation.measure(values.dtype, values.device)
    return (pi.mT @ values)[..., 0, :]


def _require_covered(network):
    """Raise ValueError where no statement of the theory covers a network (or its signals)."""
    require(
        network.propagation.scaling is None or network.activation.homogeneous,
        "with GCN propagation the theory needs a positively homogeneous activation (identity, relu, leaky_relu), not "
        f"{network.activation.name}: use kind='random_walk', or measure without a bound",
    )


def _require_usable(signals):
    require_signals(signals)
    _require_covered(signals)
    for k, (H, B) in enumerate(zip(signals.preactivations, signals.backward, strict=True)):
        require(
            is_finite(H) and is_finite(B),
            f"the signals of layer {k} have non-finite entries: the network has diverged; lower its weights or steps",
        )
