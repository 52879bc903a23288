"""The counter-example of `oversmooth.counterexample` in rational numbers: no float, no rounding, at any depth."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from oversmooth._arguments import checked
from oversmooth._validation import require

FIRST, SECOND = (1, 1, 2, 2), (1, 2, 1, 2)
EXACT_ON_POSITIVE = ("identity", "relu", "elu")


@dataclass(frozen=True)
class ExactCounterexample:
    """What one forward and one backward pass give, as fractions.

    Attributes:
        loss: 𝓛.
        gradient: ∂𝓛/∂W⁽⁰⁾, its two entries.
        others: ∂𝓛/∂W⁽ᵏ⁾, k = 1, …, L: one entry each, all 0.
        last: w, the trained last layer.
    """

    loss: Fraction
    gradient: tuple[Fraction, Fraction]
    others: tuple[Fraction, ...]
    last: Fraction


@checked
def exact_counterexample(depth: int, graph: str | None = None, activation: str = "elu") -> ExactCounterexample:
    """The counter-example by forward and backward pass in rational numbers.

    Data and weights are those of `counterexample` of width 1: W⁽⁰⁾ passes x₁ on, W⁽ᵏ⁾ = 1, and W⁽ᴸ⁾ = w solves the
    least squares. Every signal is positive, where elu, relu and the identity are the identity with slope 1; this is
    checked, not assumed. Without a graph 𝓛 = 19/40 and ∂𝓛/∂W⁽⁰⁾ = (0, −171/200) at every depth.

    Args:
        depth: number of weight matrices, L+1, at least 2.
        graph: None for the MLP, "cycle" for its twin on the 4-cycle with Metropolis weights.
        activation: "elu", "relu" or "identity".

    Returns:
        `ExactCounterexample`.

    Raises:
        ValueError: a depth below 2, an unknown graph, or an activation that changes positive numbers.

    Source: the paper's statement 6; the book's theorem thm-counterexample.
    """
    require(depth >= 2, f"depth is {depth}; an integer of at least 2 is needed")
    require(
        graph in (None, "cycle"), f"graph is {graph!r}; known: None for the MLP, 'cycle' for its twin on the 4-cycle"
    )
    known = activation in EXACT_ON_POSITIVE
    require(known, f"activation is {activation!r}; rational on positive numbers are: {', '.join(EXACT_ON_POSITIVE)}")
    average = _mean_of_three if graph else list
    inputs = [average([Fraction(x) for x in column]) for column in (FIRST, SECOND)]  # F⁽⁰⁾ = P X⁽⁰⁾, by columns
    propagated = [inputs[0]]
    for _ in range(depth - 1):
        assert all(entry > 0 for entry in propagated[-1]), "a signal left the positive numbers"
        propagated.append(average(propagated[-1]))  # ρ(F⁽ᵏ⁾ · 1) = F⁽ᵏ⁾ where it is positive
    features, targets = propagated[-1], [Fraction(y) for y in SECOND]
    last = _dot(features, targets) / _dot(features, features)
    residual = [last * x - y for x, y in zip(features, targets, strict=True)]
    error = [2 * r / 4 for r in residual]
    gradients = [_dot(features, error)]
    error = average([last * e for e in error])
    for k in range(depth - 2, 0, -1):  # slopes and weights are 1
        gradients.insert(0, _dot(propagated[k], error))
        error = average(error)
    gradient = tuple(_dot(column, error) for column in inputs)
    return ExactCounterexample(_dot(residual, residual) / 4, gradient, tuple(gradients), last)


def _mean_of_three(signal):
    """PX on the 4-cycle: Metropolis weights of equal degrees average a node with its two neighbours."""
    return [(signal[i - 1] + signal[i] + signal[(i + 1) % 4]) / 3 for i in range(4)]


def _dot(left, right):
    return sum((a * b for a, b in zip(left, right, strict=True)), Fraction(0))
