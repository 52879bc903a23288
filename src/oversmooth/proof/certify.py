"""A certificate that is a theorem: this network, with these very weights, has a gradient below ε and a loss above θ.

Forward and backward pass run on balls (`oversmooth.proof.balls`): the weights, features and targets are rationals, for
doubles are, and P's entries are rationals or roots of rationals. Nothing is estimated; what comes out are bounds of the
real numbers that the network stands for, not of what some processor makes of them.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction

import numpy as np
import torch

from oversmooth._arguments import checked
from oversmooth._validation import require
from oversmooth.losses import make_objective
from oversmooth.network import Network, require_network
from oversmooth.proof import activations, balls, entries
from oversmooth.proof.balls import UP, Ball

RELATIVE = 4e-4  # of a gradient's bound, that may be radius: the bound is then at most 1.001 times the gradient
DOUBLINGS = 3
MOST_BITS = 1000  # beyond, radii would leave the range of doubles


@dataclass(frozen=True)
class Proof:
    """What `certify` proved: bounds of real numbers, each rounded away from what it bounds.

    Attributes:
        rate: λ is at most this.
        loss: (lower, upper): 𝓛 lies between.
        gradient: (L+1,) float64: ‖∂𝓛/∂W⁽ᵏ⁾‖_F is at most this, k = 0, …, L.
        stationarity: the norm of the whole gradient, that of the output bias included, is at most this.
        bits: of the fixed point that sufficed.
        seconds: that the proof took, all attempts together.
        relative: the largest share of a gradient's bound that is radius: 0.001 means three digits.
        num_nodes: n.
        spectral: (L+1,) float64: ‖W⁽ᵏ⁾‖₂ is at most this.
    """

    rate: float
    loss: tuple[float, float]
    gradient: torch.Tensor
    stationarity: float
    bits: int
    seconds: float
    relative: float
    num_nodes: int
    spectral: torch.Tensor = field(repr=False)

    @property
    def depth(self) -> int:
        """Number of weight matrices, L+1."""
        return len(self.gradient)

    @property
    def seconds_per_row(self) -> float:
        """Seconds for each node of each layer."""
        return self.seconds / (self.num_nodes * self.depth)

    def __str__(self):
        return (
            f"Proved, with {self.bits} bits in {self.seconds:.1f} s: the network of depth {self.depth} on "
            f"{self.num_nodes} nodes has a gradient of norm at most {above(self.stationarity)} and a loss of at least "
            f"{below(self.loss[0])} (at most {above(self.loss[1], 16)}); λ is at most {above(self.rate, 10)}."
        )


@checked
def certify(
    network: Network,
    features: torch.Tensor,
    targets: torch.Tensor,
    loss: str = "mse",
    mask: torch.Tensor | None = None,
    bits: int | None = None,
) -> Proof:
    """Prove how small a network's gradient is and how high its loss.

    Both passes are evaluated on balls: exact integers of fixed point with a radius for each node that bounds,
    rigorously, how far off they are. P averages radii, so that they grow with the depth and not with a power of it: 64
    bits and one for each layer suffice where gradients fall by up to 1/2 a layer.

    Args:
        network: a single `Network` (no batch), on a graph's Metropolis, max_degree, random_walk, gcn or identity
            propagation, with identity, tanh, elu, arctan, softsign or relu.
        features: X⁽⁰⁾, (n, d_0); taken as the exact numbers that they are.
        targets: Y, (n, d_{L+1}), or (n,) for one output column; class numbers (n,) for cross_entropy.
        loss: "mse" or "cross_entropy", as in `fit`.
        mask: nodes that the loss counts, (n,) booleans; None means all.
        bits: of the fixed point, 32 to 1000; None: begins with 64 and one for each layer, and doubles, at most three
            times, until at most 0.0004 of every layer's bound is radius. A gradient that is zero is never known to so
            many digits: its bound is then what the last attempt left.

    Returns:
        `Proof`: print it.

    Raises:
        ValueError: what is no single network, data that do not fit, an activation or propagation whose values are not
            known exactly, or a pass too large for the bits.
        ImportError: python-flint is missing: ``pip install "oversmooth[proof]"``.

    Source: ours; the point is that of the book's theorem thm-spurious.
    """
    require_single(network, features, "a proof")
    require(bits is None or 32 <= bits <= MOST_BITS, f"bits is {bits}; 32 to {MOST_BITS} are possible")
    entries.require_exact(network.propagation)
    rho = activations.find(network.activation)
    require_flint()
    objective, start = make_objective(loss, targets, mask, network), time.perf_counter()
    rate = entries.rate_bound(network.propagation)
    tries = [bits] if bits else [min((64 + len(network.weights)) << k, MOST_BITS) for k in range(DOUBLINGS + 1)]
    for attempt in dict.fromkeys(tries):
        found = Pass(network, features, objective, rho, attempt).bounds()
        if found["relative"] <= RELATIVE:
            break
    return Proof(rate=rate, bits=attempt, seconds=time.perf_counter() - start, num_nodes=len(features), **found)


def require_single(network, features, what):
    """Check that a network and its features are no batch of seeds.

    Raises:
        ValueError: they are, or do not fit each other.
    """
    require_network(network)
    require(network.num_seeds is None, f"the network is a batch of seeds; {what} is of one network")
    network.check(features)
    require(features.dim() == 2, f"features hold {len(features)} seeds; {what} is of one network: give one, (n, d_0)")


def require_flint():
    """Check that FLINT is there.

    Raises:
        ImportError: it is not; the message says what to do.
    """
    try:
        import flint  # noqa: F401
    except ImportError as error:
        raise ImportError('a proof needs python-flint: pip install "oversmooth[proof]"') from error


class Pass:
    """Forward and backward pass on balls, under the names of the notation page."""

    def __init__(self, network, features, objective, rho, bits):
        self.bits, self.rho, self.objective = bits, rho, objective
        self.P = entries.weights(network.propagation, bits)
        weights = [balls.doubles(weight) for weight in network.weights]
        self.W = [balls.exact(weight, bits) for weight in weights]
        self.norms = [balls.spectral_norm(weight) for weight in weights]
        self.forward(balls.exact(balls.doubles(features), bits), network.bias)

    def forward(self, signal, bias):
        """F⁽ᵏ⁾ = P X⁽ᵏ⁾, H⁽ᵏ⁾ = F⁽ᵏ⁾ W⁽ᵏ⁾ and X⁽ᵏ⁺¹⁾ = ρ(H⁽ᵏ⁾) of every layer."""
        self.F, self.H, self.X = [], [], []
        for W, norm in zip(self.W, self.norms, strict=True):
            self.F.append(balls.propagate(self.P, signal))
            self.H.append(balls.multiply(self.F[-1], W, norm))
            signal = activations.apply(self.rho, self.H[-1])
            self.X.append(signal)
        self.output = self.H[-1]
        if bias is not None:
            added = balls.exact(balls.doubles(bias)[None, :], self.bits)
            radius = (self.output.radius + added.radius) * UP
            self.output = Ball(self.output.middle + added.middle, radius, self.bits)

    def bounds(self):
        """What a `Proof` holds of the pass: loss, gradient, stationarity, relative, spectral."""
        (middle, off), error = self.loss()
        transposed, found = self.P.T, []
        ends = [_column_sums(error)] if self.output is not self.H[-1] else []  # the output bias's gradient
        for k in range(len(self.W) - 1, -1, -1):
            found.insert(0, _gradient(self.F[k], error))
            if k:
                error = self.backward(transposed, error, k)
        largest = max((radius / middle if middle else math.inf for middle, radius in found), default=0.0)
        whole = [_up(Fraction(size) + Fraction(radius), self.bits) for size, radius in found + ends]
        return {
            "loss": _interval(middle, off, self.bits),
            "gradient": torch.tensor(whole[: len(found)], dtype=torch.float64),
            "stationarity": float(np.linalg.norm(whole)) * UP,
            "relative": float(largest),
            "spectral": torch.tensor(self.norms, dtype=torch.float64),
        }

    def loss(self):
        """𝓛 up to a radius, in units of 2^-bits (a fraction and a double), and the ball B⁽ᴸ⁾."""
        return _LOSS[self.objective.kind](self.output, self.objective)

    def backward(self, transposed, error, k):
        """B⁽ᵏ⁻¹⁾ = (Pᵀ B⁽ᵏ⁾ W⁽ᵏ⁾ᵀ) ⊙ ρ'(H⁽ᵏ⁻¹⁾)."""
        W = Ball(self.W[k].middle.T, np.array([np.linalg.norm(self.W[k].radius) * UP]), self.bits)
        error = balls.multiply(balls.propagate(transposed, error), W, self.norms[k])
        return balls.times_slope(error, *activations.slope(self.rho, self.H[k - 1], self.X[k - 1]))


def _gradient(F, B):
    """The norm of FᵀB: of its midpoint, an integer, and of the rest, a double, in units of 2^-bits."""
    middle = balls.product(F.middle.T, B.middle) >> F.bits
    radius = float((F.reach() * B.radius + F.radius * B.norms()).sum()) + math.sqrt(middle.size) + 1
    return math.isqrt(int(np.square(middle).sum())), balls.finite(radius * UP)


def _column_sums(B):
    middle = B.middle.sum(0)
    return math.isqrt(int(np.square(middle).sum())), balls.finite(float(B.radius.sum()) * UP + 1)


def _squared_error(output, objective):
    """𝓛 = (1/m) Σ ‖Ŷ_i − Y_i‖² up to a radius, and B⁽ᴸ⁾ = 2 (Ŷ − Y)/m on the m nodes."""
    rows = rows_of(objective)
    targets = balls.exact(balls.doubles(objective.targets)[rows], output.bits)
    rest = output.middle[rows] - targets.middle
    radius = (output.radius[rows] + targets.radius) * UP
    far = balls.row_norms(rest, output.bits)
    off = float((2 * far * radius + np.ldexp(radius**2, -output.bits)).sum()) * UP
    square = Fraction(int(np.square(rest).sum()), 1 << output.bits)
    loss = square / len(rows), balls.finite(off / len(rows) * UP)
    return loss, _spread(2 * rest // len(rows), 2 * radius / len(rows), rows, output)


def _cross_entropy(output, objective):
    """𝓛 = (1/m) Σ (log Σ_c exp Ŷ_ic − Ŷ_{i y_i}) up to a radius, and B⁽ᴸ⁾ = (softmax(Ŷ) − Y)/m."""
    from flint import arb, ctx

    rows, bits = rows_of(objective), output.bits
    labels, share = (
        balls.doubles(objective.targets).astype(int)[rows],
        np.empty((len(rows), output.middle.shape[1]), object),
    )
    total = Fraction(0)
    with ctx.workprec(bits + 64):
        for place, (row, label) in enumerate(zip(output.middle[rows], labels, strict=True)):
            highest = max(row)
            powers = [arb((entry - highest, -bits)).exp() for entry in row]
            whole = sum(powers, arb(0))
            share[place] = [balls.fixed(power / whole, bits) for power in powers]
            total += Fraction(balls.fixed(whole.log(), bits) + highest - row[label])
        share[np.arange(len(rows)), labels] -= 1 << bits
    # The slope of the loss at a node is softmax − Y, of norm at most √2; that of softmax itself is at most 1/2.
    off = float((1.5 * output.radius[rows] + 2).sum()) * UP
    loss = total / len(rows), balls.finite(off / len(rows) * UP)
    radius = (output.radius[rows] / 2 + 2 * math.sqrt(share.shape[1])) / len(rows)
    return loss, _spread(share // len(rows), radius, rows, output)


_LOSS = {"mse": _squared_error, "cross_entropy": _cross_entropy}


def rows_of(objective):
    """The nodes that the loss counts."""
    return np.flatnonzero(objective.weights[:, 0].numpy(force=True) > 0)


def _spread(middle, radius, rows, output):
    """A ball on the nodes of the mask, zero on the others; division has cost a unit each entry."""
    whole, off = np.zeros(output.middle.shape, dtype=object), np.zeros(len(output.middle))
    whole[rows], off[rows] = middle, radius * UP + math.sqrt(output.middle.shape[1])
    return Ball(whole, off * UP, output.bits)


def _interval(middle, off, bits):
    """Middle ± off as doubles, for a loss: it is not negative."""
    lower, upper = middle - Fraction(off), middle + Fraction(off)
    return _down(max(lower, Fraction(0)), bits), _up(upper, bits)


def _up(value, bits):
    """A fraction times 2^-bits as a double, from above."""
    exact = value / (1 << bits)
    double = float(exact)
    return double if Fraction(double) >= exact else math.nextafter(double, math.inf)


def _down(value, bits):
    return -_up(-value, bits)


def above(number, digits=3):
    """A number for the reader, rounded upwards."""
    return f"{Context(digits, ROUND_CEILING).create_decimal(Decimal(number)).normalize():g}"


def below(number, digits=16):
    """A number for the reader, rounded downwards."""
    return f"{Context(digits, ROUND_FLOOR).create_decimal(Decimal(number)).normalize():g}"
