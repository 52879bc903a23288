"""ρ and ρ' of a ball: exact where they are rational, by FLINT's balls of numbers where they are not."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from oversmooth._validation import require
from oversmooth.proof.balls import Ball, fixed, whole

# How far in units of 2^-bits a midpoint may be off after ρ and after ρ'.
OFF, SLOPE_OFF = 2, 6


class Rho(NamedTuple):
    """An activation of slope between 0 and 1, in fixed point.

    Attributes:
        value: integers of H and bits -> integers of ρ(H), at most `OFF` off.
        slope: integers of H, those of ρ(H) and bits -> integers of ρ'(H), at most `SLOPE_OFF` off.
        beta: the largest |ρ''|.
        kink: whether ρ' jumps at 0.
    """

    value: Callable
    slope: Callable
    beta: float
    kink: bool = False


def apply(rho: Rho, signal: Ball) -> Ball:
    """ρ(H): slopes of at most 1 keep radii."""
    middle = rho.value(signal.middle, signal.bits)
    return Ball(middle, signal.radius + OFF * math.sqrt(middle.shape[1]), signal.bits)


def slope(rho: Rho, signal: Ball, value: Ball) -> tuple[Ball, np.ndarray]:
    """ρ'(H), and the entries where it may be anything from 0 to 1: a kink lies within the radius.

    Args:
        rho: ρ.
        signal: H.
        value: ρ(H).

    Returns:
        A `Ball` and (n, d) booleans.
    """
    bits = signal.bits
    middle = rho.slope(signal.middle, value.middle, bits)
    radius = rho.beta * signal.radius + SLOPE_OFF * math.sqrt(middle.shape[1])
    wide = np.zeros(middle.shape, dtype=bool)
    if rho.kink:
        reach = np.array([math.ceil(r) for r in signal.radius], dtype=object)[:, None]
        wide = (np.abs(signal.middle) <= reach).astype(bool)
        middle = np.where(wide, whole(1 << (bits - 1)), middle)
    return Ball(middle, radius, bits), wide


def find(activation) -> Rho:
    """ρ by the name of an `Activation`.

    Args:
        activation: `oversmooth.Activation`.

    Returns:
        Its `Rho`.

    Raises:
        ValueError: no proof knows it.
    """
    require(activation.name in RHO, f"the activation is {activation.name!r}; a proof knows: {', '.join(RHO)}")
    return RHO[activation.name]


def by_balls(middle, bits, function):
    """A real function of numbers of fixed point, by FLINT: (n, d) integers, at most 2 off.

    Args:
        middle: integers M, (n, d): the arguments are M 2^-bits.
        bits: of the fixed point.
        function: of `flint.arb`, with values up to 2.

    Returns:
        Integers, (n, d).
    """
    import flint

    found = np.empty(middle.size, dtype=object)
    with flint.ctx.workprec(bits + 32):
        found[:] = [fixed(function(flint.arb((number, -bits))), bits) for number in middle.ravel().tolist()]
    return found.reshape(middle.shape)


def _one(bits):
    return 1 << bits


def _tanh(h, bits):
    return by_balls(h, bits, lambda x: x.tanh())


def _elu(h, bits):
    return np.where(h > 0, h, by_balls(np.minimum(h, 0), bits, lambda x: x.expm1()))


def _arctan(h, bits):
    return by_balls(h, bits, lambda x: x.atan())


def _softsign(h, bits):
    return (h << bits) // (_one(bits) + np.abs(h))


RHO = {
    "identity": Rho(lambda h, bits: h, lambda h, x, bits: np.full(h.shape, _one(bits), dtype=object), 0.0),
    "tanh": Rho(_tanh, lambda h, x, bits: _one(bits) - ((x * x) >> bits), 4 / (3 * math.sqrt(3)) * (1 + 1e-12)),
    "elu": Rho(_elu, lambda h, x, bits: np.where(h > 0, whole(_one(bits)), _one(bits) + x), 1.0),
    "arctan": Rho(
        _arctan,
        lambda h, x, bits: _one(3 * bits) // (_one(2 * bits) + h * h),
        3 * math.sqrt(3) / 8 * (1 + 1e-12),
    ),
    "softsign": Rho(_softsign, lambda h, x, bits: _one(3 * bits) // (_one(bits) + np.abs(h)) ** 2, 2.0),
    "relu": Rho(
        lambda h, bits: np.maximum(h, 0),
        lambda h, x, bits: np.where(h > 0, whole(_one(bits)), whole(0)),
        0.0,
        kink=True,
    ),
}
