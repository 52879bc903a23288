"""How long a network must stay where it is, and how far away any network is that does better: lower bounds (†).

In the ball of radius D around the weights, in Frobenius norm and all layers together, ‖W⁽ᵏ⁾‖₂ ≤ s_k + d_k with
Σ d_k² ≤ D², so that Π ‖W⁽ᵏ⁾‖₂ ≤ Π s_k · exp(hD), h = (Σ s_k⁻²)^½. This holds for any s_k ≥ ‖W⁽ᵏ⁾‖₂: small ones are
raised to a common least norm, tried over `LEAST`, for h would be as large as the inverse of the smallest. Every network
of the ball has an output of deviation at most S(D) = λ^{L+1} Π s_k exp(hD) σ(X⁽⁰⁾), and a loss of at least

    f(D) = (σ(Y) − S(D))²₊ for mse,   (entropy of the label frequencies − σ(Y) S(D))₊ for cross_entropy.

The gradient flow that starts there leaves the ball at a time T with

    D ≤ ∫‖∇𝓛‖ ≤ (T ∫‖∇𝓛‖²)^½ = (T (𝓛₀ − 𝓛_T))^½, so that T ≥ D² / (𝓛₀ − f(D)).                                     (E)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import torch

from oversmooth._arguments import checked
from oversmooth._validation import require
from oversmooth.bounds import weight_norms
from oversmooth.losses import make_objective
from oversmooth.network import Network
from oversmooth.proof import activations, balls, entries
from oversmooth.proof.balls import UP
from oversmooth.proof.certify import Pass, below, require_flint, require_single, rows_of
from oversmooth.smoothness import deviation

if TYPE_CHECKING:
    import pandas as pd

RADII = 500  # that are tried
LEAST = (0.001, 0.01, 0.03, 0.1, 0.2, 0.4, 0.7, 1.0)
ROUNDED = 1e-13  # more than the few operations of doubles at the end can lose, relatively


@dataclass(frozen=True)
class Escape:
    """A lower bound of a time or of a distance; ``float()`` gives its value.

    Attributes:
        value: the bound: units of 1/learning rate, or of the weights; 0 says nothing (void), infinity never.
        distance: D, the radius of the ball that it is of.
        threshold: θ, the loss.
        quantity: "time" or "distance".
        rigorous: whether all that went in was proved: λ, norms and losses by balls, not by floats.
    """

    value: float
    distance: float
    threshold: float
    quantity: str
    rigorous: bool

    @property
    def void(self) -> bool:
        """Whether the bound says nothing."""
        return self.value == 0

    def __float__(self):
        return self.value

    def __str__(self):
        how = "Proved" if self.rigorous else "Bounded, up to rounding"
        if self.void:
            return f"Void: no {self.quantity} is bound: networks as near as one likes may have a lower loss."
        if self.quantity == "distance":
            return f"{how}: every network with a loss below {self.threshold:g} is at least {below(self.value, 3)} away."
        return f"{how}: the loss stays above {self.threshold:g} for a time of {below(self.value, 3)}, at least."


@checked
def escape_time(
    network: Network,
    features: torch.Tensor,
    targets: torch.Tensor,
    loss: str = "mse",
    threshold: float = 0.8,
    mask: torch.Tensor | None = None,
    rigorous: bool = False,
    decrease: float = 1.0,
    stride: float = 0.0,
) -> Escape:
    """A lower bound of the time for which gradient flow of all weights keeps the loss above a threshold.

    (E) of `oversmooth.proof.escape`, at the best D with f(D) ≥ θ. For gradient descent with step η whose first t steps
    lower the loss by at least c Σ η ‖∇𝓛‖², for every t, and that moves the weights by at most δ at a time,
    ηT ≥ c D² / (𝓛₀ − f(D + δ)): give c as ``decrease`` and δ as ``stride``, both from `checked_descent`. Nothing
    is claimed for Adam, whose steps do not shrink with the gradient.

    Args:
        network: a single `Network` with an activation of slope at most 1; any kind of P but gcn, whose smooth signals
            are not the constants that the losses meet.
        features: X⁽⁰⁾, (n, d_0).
        targets: Y, as for `certify`.
        loss: "mse" or "cross_entropy", as in `fit`.
        threshold: θ, the loss, at least 0.
        mask: nodes that the loss counts; None means all.
        rigorous: take λ, the norms, σ and the loss from balls, so that the bound is proved; needs python-flint.
        decrease: c, at most 1; 1 for the flow.
        stride: δ; 0 for the flow.

    Returns:
        `Escape`; its value is 0 (void) where the loss is not bound to stay above θ at all.

    Raises:
        ValueError: data, network or options that do not fit.

    Source: ours; the book's theorem thm-escape.
    """
    require(0 < decrease <= 1, f"decrease is {decrease}; more than 0 and at most 1 is needed")
    require(0 <= stride < math.inf, f"stride is {stride}; a length is needed")
    _require_loss(threshold)
    return start(network, features, targets, loss, mask, rigorous).time(threshold, decrease, stride)


@checked
def escape_distance(
    network: Network,
    features: torch.Tensor,
    targets: torch.Tensor,
    loss: str = "mse",
    threshold: float = 0.8,
    mask: torch.Tensor | None = None,
    rigorous: bool = False,
) -> Escape:
    """A lower bound of the distance, all layers together, of every network whose loss is below a threshold.

    The D at which f(D) = θ, for example log((σ(Y) − √θ)/S(0))/h for mse. It holds for any way to get there.

    Args:
        network: as for `escape_time`.
        features: X⁽⁰⁾, (n, d_0).
        targets: Y, as for `certify`.
        loss: "mse" or "cross_entropy".
        threshold: θ.
        mask: nodes that the loss counts; None means all.
        rigorous: as for `escape_time`.

    Returns:
        `Escape`; its value is 0 (void) where networks as near as one likes may have a lower loss.

    Raises:
        ValueError: data, network or options that do not fit.

    Source: ours; the book's theorem thm-escape.
    """
    _require_loss(threshold)
    return start(network, features, targets, loss, mask, rigorous).distance(threshold)


def checked_descent(table: pd.DataFrame, lr: float) -> tuple[float, float]:
    """The share c and the stride δ of a run of gradient descent, for `escape_time`: read off it, not assumed.

    Args:
        table: of the `History` of one network's `fit` with "sgd" and record_every=1: columns loss and gradient.
        lr: η, its step size.

    Returns:
        c, the least (𝓛₀ − 𝓛_t) / Σ_{τ<t} η ‖∇𝓛_τ‖² over all t, at most 1, and δ, the largest η ‖∇𝓛_t‖.

    Raises:
        ValueError: a loss that rose above the first, or fell by less than doubles can tell.
    """
    loss, gradient = table["loss"].to_numpy(), table["gradient"].to_numpy()
    fall, path = loss[0] - loss[1:], np.cumsum(lr * gradient[:-1] ** 2)
    told = bool((fall > 1e-12 * loss[0]).all())
    require(
        told, "the loss rose, or fell by less than rounding: take a smaller lr, or c = 1 − lr β/2 by its curvature β"
    )
    return min(float((fall / path).min()), 1.0), float(lr * gradient.max())


@dataclass(frozen=True)
class Start:
    """What both bounds need of a network: with it the second one costs nothing, and a rigorous pass takes minutes.

    Attributes:
        constants: of f and of (E), one for every least norm that is tried.
        rigorous: whether they are proved.
    """

    constants: list[_Constants]
    rigorous: bool

    def time(self, threshold, decrease=1.0, stride=0.0):
        """`escape_time`."""
        value, distance = 0.0, 0.0
        for one in self.constants:
            farthest = one.farthest(threshold) - stride
            if farthest == math.inf:
                return Escape(math.inf, math.inf, threshold, "time", self.rigorous)
            radii = farthest * np.arange(1, RADII + 1) / RADII if farthest > 0 else ()
            value, distance = max([(value, distance), *((one.time(D, stride), float(D)) for D in radii)])
        return Escape(float(decrease * value / (1 + ROUNDED)), distance, threshold, "time", self.rigorous)

    def distance(self, threshold):
        """`escape_distance`."""
        farthest = max(one.farthest(threshold) for one in self.constants)
        return Escape(farthest, farthest, threshold, "distance", self.rigorous)


@dataclass(frozen=True)
class _Constants:
    """The constants of f and of (E).

    Attributes:
        kind: of the loss.
        smooth: log S(0), from above.
        growth: h, from above.
        spread: σ(Y), (lower, upper).
        best: the best loss of a constant, from below.
        gap: 𝓛₀ − best, from above.
    """

    kind: str
    smooth: float
    growth: float
    spread: tuple[float, float]
    best: float
    gap: float

    def farthest(self, threshold):
        """The D with f(D) = θ, from below; 0 where there is none, infinity where S is always 0."""
        if self.kind == "mse":
            room = self.spread[0] - math.sqrt(threshold) * (1 + ROUNDED)
        else:
            room = (self.best - threshold) / self.spread[1] if self.spread[1] else 0.0
        if room <= 0:
            return 0.0
        return max((math.log(room * (1 - ROUNDED)) - self.smooth) / self.growth * (1 - ROUNDED), 0.0)

    def time(self, D, stride):
        """D²/(𝓛₀ − f(D + δ))."""
        S = math.exp(self.smooth + self.growth * (D + stride)) * (1 + ROUNDED)
        lost = S * (2 * self.spread[1] - S) if self.kind == "mse" else S * self.spread[1]
        fall = self.gap + lost + ROUNDED * (abs(self.gap) + S)
        return D**2 / fall if fall > 0 else math.inf


def _require_loss(threshold):
    require(0 <= threshold < math.inf, f"threshold is {threshold}; a loss is needed")


def start(network, features, targets, loss="mse", mask=None, rigorous=False):
    """The `Start` of a network; arguments and errors are those of `escape_time`."""
    require_single(network, features, "the bound")
    rho, P = network.activation, network.propagation
    require(rho.lipschitz <= 1, f"the activation {rho.name!r} has slope {rho.lipschitz}; at most 1 is needed")
    require(P.scaling is None, "P is of kind 'gcn', whose smooth signals are not constant; take random_walk")
    objective = make_objective(loss, targets, mask, network)
    return Start((_rigorous if rigorous else _floating)(network, features, objective), rigorous)


def _floating(network, features, objective):
    rows = objective.weights[:, 0] > 0
    norms = weight_norms([weight.detach() for weight in network.weights]).double().numpy(force=True)
    with torch.no_grad():
        loss = float(objective(network(features).double())[0])
    spread, best = _labels(objective.targets[rows])
    deviation_in = float(deviation(features, network.propagation)) * _uneven(network.propagation, int(rows.sum()))
    return _constants(
        objective.kind, network.propagation.rate, norms, deviation_in, (spread, spread), best, loss - best
    )


def _labels(targets):
    """σ(Y) and the best loss of a constant."""
    if targets.is_floating_point():
        variance = float(targets.double().var(0, correction=0).sum())
        return math.sqrt(variance), variance
    share = torch.bincount(targets).double() / targets.numel()
    return float((1 - share.square().sum()).clamp(min=0).sqrt()), float(torch.special.entr(share).sum())


def _rigorous(network, features, objective):
    entries.require_exact(network.propagation)
    rho = activations.find(network.activation)
    require_flint()
    P, depth = network.propagation, len(network.weights)
    run = Pass(network, features, objective, rho, 64 + 2 * depth)
    (middle, off), _ = run.loss()
    rows = rows_of(objective)
    weights = entries.degrees(P) + 1 if P.kind == "random_walk" else np.ones(P.num_nodes, dtype=int)
    signal = balls.exact(balls.doubles(features), run.bits)
    spread_in = _deviation(signal, weights.tolist())[1] * _uneven(P, len(rows)) * UP
    spread, best = _exact_labels(objective, rows, run.bits)
    one = Fraction(1, 1 << run.bits)
    gap = (middle + Fraction(off)) * one - best[0]
    exact_gap = float(gap) + abs(float(gap)) * ROUNDED
    least = float(best[0]) * (1 - ROUNDED)
    return _constants(objective.kind, entries.rate_bound(P), np.array(run.norms), spread_in, spread, least, exact_gap)


def _exact_labels(objective, rows, bits):
    """σ(Y) between two doubles, and the best loss of a constant between two fractions."""
    targets = objective.targets[rows]
    if objective.kind == "mse":
        ball = balls.exact(balls.doubles(targets), bits)
        lower, upper = _deviation(ball, [1] * len(rows))
        variance = _variance(ball.middle, [1] * len(rows))
        off = Fraction(2 * upper + 1) * Fraction(float(ball.radius.max(initial=0.0)))
        unit = Fraction(1, 1 << bits)
        return (lower, upper), ((variance * unit - off) * unit, (variance * unit + off) * unit)
    from flint import arb, ctx

    counts = torch.bincount(targets).tolist()
    total = sum(counts)
    with ctx.workprec(bits + 64):
        entropy = sum((-arb(count) / total * (arb(count) / total).log() for count in counts if count), arb(0))
        lower, upper = (_fraction(end) for end in (entropy.lower(), entropy.upper()))
    square = 1 - sum(Fraction(count, total) ** 2 for count in counts)
    spread = math.sqrt(square)
    return (spread * (1 - ROUNDED), spread * (1 + ROUNDED)), (lower, upper)


def _fraction(number):
    top, exponent = number.man_exp()
    return Fraction(int(top)) * Fraction(2) ** int(exponent)


def _variance(middle, weights):
    """Σ w ‖M_i − mean‖² / Σ w of integers, exactly."""
    total = sum(weights)
    column = np.array(weights, dtype=object)[:, None]
    first, second = (column * middle).sum(0), (column * middle * middle).sum()
    return Fraction(total * second - (first * first).sum(), total**2)


def _deviation(ball, weights):
    """σ, weighted, between two doubles."""
    off = float(np.sqrt(np.average(np.square(ball.radius), weights=weights))) * UP
    root = math.isqrt(math.floor(_variance(ball.middle, weights)))  # in units of 2^-bits
    unit = math.ldexp(1.0, -ball.bits)
    return max(float(root) - off, 0.0) * unit * (1 - ROUNDED), (float(root + 1) + off) * unit * (1 + ROUNDED)


def _uneven(P, seen):
    """What turns a deviation weighted by π into one that weighs the seen nodes alike: at most (m min π)^-½."""
    return 1 / math.sqrt(seen * float(P.pi.min())) * (1 + ROUNDED)


def _constants(kind, rate, norms, deviation_in, spread, best, gap):
    """`_Constants` for every least norm that is tried."""
    if rate == 0 or deviation_in == 0:
        return [_Constants(kind, -math.inf, 1.0, spread, best, gap)]
    found = []
    for least in LEAST:
        s = np.maximum(norms, least)
        parts = len(s) * math.log(rate), float(np.log(s).sum()), math.log(deviation_in)
        slack = ROUNDED * (abs(parts[0]) + float(np.abs(np.log(s)).sum()) + abs(parts[2]))
        growth = float(np.sqrt((s**-2.0).sum())) * (1 + ROUNDED)
        found.append(_Constants(kind, sum(parts) + slack, growth, spread, best, gap))
    return found
