"""Weighted means and squared deviations of signals, without checks, and their table: what `smoothness` is made of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch

from oversmooth.propagation.averaging import Weighting

if TYPE_CHECKING:
    import pandas as pd

_BLOCK = 2**16  # entries of a block of rows: what a processor's own cache holds


class Moments(NamedTuple):
    """How far a signal is from constant, and how large that constant is, as squares: tensors or floats.

    Mean and departure are orthogonal, so that Σ π_i ‖X_i‖² = σ(X)² + ‖μ(X)‖². Squares of a signal beyond 1e±154 leave
    float64 (1e±19: float32); the signal is then measured in another unit.

    Attributes:
        spread: σ², in units of ``scale``².
        centre: ‖μ‖², in the same units.
        scale: the unit, 1 but for such signals.
    """

    spread: torch.Tensor | float
    centre: torch.Tensor | float
    scale: torch.Tensor | float = 1.0

    @property
    def deviation(self):
        """σ."""
        return self.scale * _root(self.spread)

    @property
    def mean_norm(self):
        """‖μ‖."""
        return self.scale * _root(self.centre)

    @property
    def norm(self):
        """(σ² + ‖μ‖²)^{1/2}."""
        return self.scale * _root(self.spread + self.centre)

    @property
    def energy(self):
        """σ², infinite where that is beyond the dtype."""
        return self.scale * (self.scale * self.spread)

    @property
    def ratio(self):
        """The quotient deviation/norm of two columns of a table, to their last digit; 0 for the zero signal."""
        return self.deviation / _or_one(self.norm)

    @property
    def relative_deviation(self):
        """The same quotient from the squares, which rounds once less; 0 for the zero signal."""
        return _root(self.spread / _or_one(self.spread + self.centre))


def _root(value):
    return value.sqrt() if isinstance(value, torch.Tensor) else value**0.5


def _or_one(total):
    """What to divide by: the total, or 1 where it is 0, and then so is what is divided."""
    return torch.where(total > 0, total, 1.0) if isinstance(total, torch.Tensor) else total or 1.0


def feature_moments(features: torch.Tensor, propagation: Weighting | None, spare: dict | None = None) -> Moments:
    """σ(X)² and ‖μ(X)‖², without checks: for signals that come from a pass, diverged ones too.

    Args:
        features: X, (n, d) or (seeds, n, d).
        propagation: gives π and the scaling; None means uniform weights.
        spare: a dictionary that keeps working memory for the next call with this dtype and device; None keeps none.

    Returns:
        The `Moments`, each a scalar or (seeds,).
    """
    return moments(features, feature_measure(features, propagation), {} if spare is None else spare)


def backward_moments(backward: torch.Tensor, propagation: Weighting | None, spare: dict | None = None) -> Moments:
    """σ(B̃)² and ‖μ(B̃)‖², without checks; see `feature_moments`.

    Args:
        backward: B, (n, d) or (seeds, n, d).
        propagation: gives π and the scaling; None means uniform weights.
        spare: see `feature_moments`.

    Returns:
        The `Moments`, each a scalar or (seeds,).
    """
    return moments(backward, backward_measure(backward, propagation), {} if spare is None else spare)


def weighted_mean(x, measure):
    """μ = Σ_i m_i x_i.

    Args:
        x: (n, d) or (seeds, n, d).
        measure: of `feature_measure` or `backward_measure`.

    Returns:
        (d,) or (seeds, d).
    """
    m, _, _ = measure
    return (m.mT @ x)[..., 0, :]


def moments(x: torch.Tensor, measure: tuple[torch.Tensor, torch.Tensor, torch.Tensor], spare: dict) -> Moments:
    """Σ_i a_i ‖x_i − c_i μ‖² and ‖μ‖², μ = Σ_i m_i x_i: two passes over memory, and no cancellation.

    Args:
        x: (n, d) or (seeds, n, d).
        measure: of `feature_measure` or `backward_measure`.
        spare: see `feature_moments`.

    Returns:
        The `Moments`, each a scalar or (seeds,); in float64, and another unit, where squares leave the dtype.
    """
    found = _in_own_unit(x, measure, spare)
    # Squares that vanish would pass for a smooth signal, and infinite ones for a diverged one.
    if squares_fit(found.spread + found.centre):
        return found
    scale = power_of_two(x.detach().to(wide(x)).abs().amax((-1, -2))) if x.numel() else x.new_ones(())
    found = _in_own_unit(x.to(wide(x)) / scale[..., None, None], [part.to(wide(x)) for part in measure], {})
    return found._replace(scale=scale)


def squares_fit(sums: torch.Tensor) -> bool:
    """Whether sums of squares lost nothing to their dtype: none is infinite, NaN or too small for its digits.

    Args:
        sums: any shape, not empty.

    Returns:
        A bool; false for 0, too, which may be what is left of tiny squares.
    """
    limits, (low, high) = torch.finfo(sums.dtype), torch.aminmax(sums.detach())
    return limits.tiny / limits.eps <= float(low) and float(high) < math.inf


def power_of_two(size: torch.Tensor) -> torch.Tensor:
    """The unit in which numbers of this size lie from 1 to 2, exact to divide by; 1 for 0 and for what is not finite.

    Args:
        size: any shape.

    Returns:
        The same shape.
    """
    unit = torch.ldexp(torch.ones_like(size), torch.frexp(size).exponent - 1)
    return torch.where((size > 0) & torch.isfinite(size), unit, 1.0)


def entrywise_norm(values: torch.Tensor, seeds: int = 0) -> torch.Tensor:
    """The root of the sum of squares over all axes but the first ``seeds``, of numbers of any size.

    Args:
        values: any shape.
        seeds: how many leading axes to keep, 0 or 1.

    Returns:
        A scalar, or (seeds,).
    """
    axes = tuple(range(seeds, values.dim()))
    found = torch.linalg.vector_norm(values, dim=axes)
    if not values.numel() or squares_fit(found.square()):
        return found
    scale = power_of_two(values.detach().abs().amax(axes, keepdim=True))
    return scale.reshape(found.shape) * torch.linalg.vector_norm(values / scale, dim=axes)


def _in_own_unit(x, measure, spare):
    """`moments` where squares stay within the dtype."""
    # First pass, the mean μ. The second one sums the departures from it and not Σ a_i ‖x_i‖² − ‖μ‖², of which nothing
    # but rounding would be left where the signal is smooth.
    m, c, a = measure
    centre = m.mT @ x
    # Departures are formed block by block, in memory that `spare` keeps from call to call: fresh pages, or a block that
    # no cache holds, would cost as much as the arithmetic.
    size = max(1, _BLOCK * x.shape[-2] // max(1, x.numel()))
    rows, differentiated = [], x.requires_grad and torch.is_grad_enabled()  # autograd keeps each block's own memory
    for block, scale in zip(x.split(size, -2), c.split(size), strict=True):
        if not differentiated and block.shape not in spare:
            spare[block.shape] = torch.empty_like(block)
        place = None if differentiated else spare[block.shape]
        departure = torch.addcmul(block, scale, centre, value=-1, out=place)
        rows.append(torch.linalg.vector_norm(departure, dim=-1))
    rows = rows[0] if len(rows) == 1 else torch.cat(rows, -1)
    # Σ_i a_i ‖x_i − c_i μ‖². vecdot: a matrix product with one column costs as much as a pass over X.
    return Moments(torch.linalg.vecdot(rows.square(), a[:, 0]), centre.square().sum((-1, -2)))


def wide(x):
    """The widest real dtype of a tensor's device: float64, but float32 on Apple's GPUs, which have no other.

    Args:
        x: a tensor.

    Returns:
        The dtype.
    """
    return torch.float32 if x.device.type == "mps" else torch.float64


def feature_measure(x: torch.Tensor, propagation: Weighting | None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(m, c, a), each (n, 1), for `moments`: with Z = X/scaling, μ = Σ π_i Z_i and σ² = Σ π_i ‖Z_i − μ‖²."""
    if propagation is None:
        uniform = x.new_full((x.shape[-2], 1), 1 / x.shape[-2])
        return uniform, torch.ones_like(uniform), uniform
    pi, scaling = propagation.measure(x.dtype, x.device)
    if scaling is None:
        return pi, torch.ones_like(pi), pi
    return pi / scaling, scaling, pi / scaling**2


def backward_measure(b: torch.Tensor, propagation: Weighting | None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(m, c, a) for a backward signal: with B̃ = scaling·B/π, μ = Σ π_i B̃_i and σ² = Σ π_i ‖B̃_i − μ‖²."""
    if propagation is None:
        ones = b.new_ones(b.shape[-2], 1)
        return ones, ones / len(ones), ones * len(ones)
    pi, scaling = propagation.measure(b.dtype, b.device)
    if scaling is None:
        return torch.ones_like(pi), pi, 1 / pi
    return scaling, pi / scaling, scaling**2 / pi


def profile_table(features: list[Moments], backward: list[Moments], gradients: list[torch.Tensor]) -> pd.DataFrame:
    """The table of `layer_profile` from its measures.

    Args:
        features: the `Moments` of each X⁽ᵏ⁾.
        backward: the `Moments` of each B⁽ᵏ⁾.
        gradients: ‖∂𝓛/∂W⁽ᵏ⁾‖_F, each a scalar or (seeds,).

    Returns:
        pandas.DataFrame, a row for each layer (and seed).
    """
    import pandas as pd

    columns = {}
    gradient = torch.stack(gradients)
    for name, layers in (("feature", features), ("backward", backward)):
        # features that all seeds share have one measure for all
        found = Moments(*(_stacked(values, gradient[0]) for values in zip(*layers, strict=True)))
        columns |= {f"{name}_{measure}": getattr(found, measure) for measure in ("deviation", "norm", "ratio")}
    columns["backward_mean"] = found.mean_norm  # of the second, the backward one
    columns["gradient"] = gradient
    depth, *seeds = gradient.shape
    layer = torch.arange(depth).repeat_interleave(seeds[0]) if seeds else torch.arange(depth)
    table = {"layer": layer.numpy(), "depth": depth}
    if seeds:
        table["seed"] = torch.arange(seeds[0]).repeat(depth).numpy()
    return pd.DataFrame(table | {name: value.reshape(-1).cpu().numpy() for name, value in columns.items()})


def _stacked(values, one):
    """Numbers of all layers below each other, each spread over the seeds of ``one``."""
    return torch.stack([torch.as_tensor(value, device=one.device).expand_as(one) for value in values])
