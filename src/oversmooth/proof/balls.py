"""Signals known up to a radius: arithmetic whose error is proved, row by row.

A `Ball` holds a matrix of integers M and says that the true signal X, a matrix of real numbers, has
‖X_i − M_i 2^-bits‖ ≤ radius_i 2^-bits for every node i. Midpoints are exact integers of any size. Radii are doubles,
rounded upwards: each is multiplied by `UP` after a few operations, which is more than a sum of a million terms loses.

One radius a node, not one a number, because the network's own contraction then works for the proof: P averages radii,
orthogonal weights and activations of slope at most 1 keep them. One ball a number would let them grow by the layer's
width in every layer, and a network of depth 100 would need 500 bits where 170 will do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse

UP = 1 + 2.0**-30
TINY = 1e-290  # more than underflow can take from a norm
ULP = 0.5 * np.finfo(np.float64).eps


class TooLargeError(ValueError):
    """A radius or a signal beyond the range of doubles."""

    def __init__(self):
        super().__init__(
            "the network's signals, or what so few bits leave unknown of them, grow beyond 1e300: weights of smaller "
            "norm, or more bits, are needed"
        )


def finite(radius):
    """A radius, or a TooLargeError if it is none."""
    if not np.isfinite(radius).all():
        raise TooLargeError
    return radius


@dataclass(frozen=True)
class Ball:
    """A signal up to a radius for each node.

    Attributes:
        middle: M, (n, d) array of Python integers.
        radius: (n,) doubles, in units of 2^-bits.
        bits: of the fixed point.
    """

    middle: np.ndarray
    radius: np.ndarray
    bits: int

    def __post_init__(self):
        finite(self.radius)

    def norms(self) -> np.ndarray:
        """‖M_i‖ 2^-bits from above, (n,) doubles."""
        return row_norms(self.middle, self.bits)

    def reach(self) -> np.ndarray:
        """The largest that ‖X_i‖ can be, (n,) doubles."""
        return (self.norms() + np.ldexp(self.radius, -self.bits)) * UP


@dataclass(frozen=True)
class Weights:
    """The entries of P or Pᵀ in fixed point, for one product after the other.

    Attributes:
        integers: P_ij 2^bits, rounded down, (entries,) array of Python integers, row by row.
        pattern: which entries there are, (n, n) CSR of their doubles, from above.
        errors: the same entries: how far each integer may be off.
    """

    integers: np.ndarray
    pattern: sparse.csr_array
    errors: sparse.csr_array

    @property
    def T(self) -> Weights:
        """The transpose."""
        places = sparse.csr_array(
            (np.arange(1, self.integers.size + 1), self.pattern.indices, self.pattern.indptr), self.pattern.shape
        )
        order = places.T.tocsr().data - 1
        return Weights(self.integers[order], self.pattern.T.tocsr(), self.errors.T.tocsr())


def row_norms(middle, bits):
    """‖M_i‖ 2^-bits of every row, from above: (n,) doubles."""
    doubles = np.abs(as_doubles(middle, bits))
    largest = doubles.max(initial=0.0)
    if largest == 0:
        return np.full(len(middle), TINY)
    return largest * np.sqrt(np.square(doubles / largest).sum(1)) * UP + TINY


def as_doubles(middle, bits):
    """Integers M as doubles of M 2^-bits, rounded to nearest; a TooLargeError if one is beyond them."""
    try:
        return (middle / (1 << bits)).astype(np.float64) if middle.size else np.zeros(middle.shape)
    except OverflowError as error:
        raise TooLargeError from error


def whole(number):
    """A Python integer of any size, for numpy's functions of arrays."""
    return np.array(number, dtype=object)


def fixed(number, bits):
    """A number of FLINT's in fixed point, at most 2 off: one for its own radius, one for rounding down."""
    import flint  # "from flint import" asks for the name each time, a fifth of a proof

    assert number.rad() < flint.arb((1, -bits - 1)), "FLINT lost the digits that it was asked for"
    top, exponent = number.mid().man_exp()
    shift = int(exponent) + bits
    return int(top) << shift if shift >= 0 else int(top) >> -shift


def doubles(tensor):
    """A tensor as numpy's doubles, exactly."""
    return tensor.detach().double().numpy(force=True)


def exact(values, bits):
    """Doubles as a ball: they are rationals, exactly, and lose at most what lies below 2^-bits.

    Args:
        values: (n, d) doubles.
        bits: of the fixed point.

    Returns:
        A `Ball`.
    """
    numerators = np.empty(values.shape, dtype=object)
    lost = np.zeros(values.shape, dtype=bool)
    for place, value in np.ndenumerate(values):
        top, bottom = float(value).as_integer_ratio()
        numerators[place], rest = divmod(top << bits, bottom)
        lost[place] = rest != 0
    return Ball(numerators, np.sqrt(lost.sum(1)) * UP, bits)


def propagate(P: Weights, signal: Ball) -> Ball:
    """PX: radii are averaged as signals are."""
    products = P.integers[:, None] * signal.middle[P.pattern.indices]
    middle = np.add.reduceat(products, P.pattern.indptr[:-1], axis=0) >> signal.bits
    radius = P.pattern @ signal.radius + P.errors @ signal.reach() + math.sqrt(middle.shape[1])
    return Ball(middle, radius * UP, signal.bits)


def multiply(signal: Ball, matrix: Ball, norm: float) -> Ball:
    """XW, for a matrix of spectral norm at most ``norm``."""
    middle = product(signal.middle, matrix.middle) >> signal.bits
    off = np.linalg.norm(matrix.radius) * UP  # ‖W − its midpoint‖_F
    radius = norm * signal.radius + off * signal.reach() + math.sqrt(middle.shape[1])
    return Ball(middle, radius * UP, signal.bits)


def product(left, right):
    """The product of two matrices of Python integers, exactly, by FLINT."""
    from flint import fmpz_mat

    if 0 in (*left.shape, *right.shape):
        return np.zeros((left.shape[0], right.shape[1]), dtype=object)
    found = fmpz_mat(*left.shape, left.ravel().tolist()) * fmpz_mat(*right.shape, right.ravel().tolist())
    return np.array([int(entry) for entry in found.entries()], dtype=object).reshape(left.shape[0], right.shape[1])


def times_slope(error: Ball, slope: Ball, wide: np.ndarray) -> Ball:
    """B ⊙ ρ'(H), for slopes between 0 and 1.

    Args:
        error: B.
        slope: ρ'(H).
        wide: (n, d) booleans: entries whose slope may be anything from 0 to 1, with the middle 1/2.

    Returns:
        A `Ball`.
    """
    bits = error.bits
    middle = (error.middle * slope.middle) >> bits
    largest = np.abs(as_doubles(error.middle, bits)).max(1) * UP + TINY
    unsure = row_norms(np.where(wide, error.middle, whole(0)), 1) if wide.any() else 0.0
    steepest = np.where(wide, 1.0, as_doubles(slope.middle, bits)).max(1) * UP + np.ldexp(slope.radius, -bits)
    radius = np.minimum(steepest, 1) * error.radius + largest * slope.radius + unsure + math.sqrt(middle.shape[1])
    return Ball(middle, radius * UP, bits)


def spectral_norm(matrix, squarings=12):
    """An upper bound of ‖W‖₂ of the doubles themselves, at most by the factor d^(2^-squarings/2) too large.

    ‖A‖² = ‖AᵀA‖, computed in doubles: an entry of a product of inner dimension k is off by at most k u of the sum of
    the products' sizes, in whatever order they are added (Higham 2002, 3.5), so the whole by k u ‖A‖_F² in norm.

    Args:
        matrix: (d, d') doubles.
        squarings: how often.

    Returns:
        A double.
    """
    size = np.abs(matrix).max(initial=0.0)
    if size == 0:
        return TINY
    scale = math.ldexp(1.0, math.frexp(size)[1])
    matrix = matrix / scale
    frobenius = float(np.linalg.norm(matrix)) * UP
    if not squarings:
        return frobenius * scale * UP + TINY
    matrix = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    square = matrix.T @ matrix
    off = 1.01 * (matrix.shape[0] + 2) * ULP * frobenius**2
    return math.sqrt(spectral_norm(square, squarings - 1) + off) * scale * UP + TINY
