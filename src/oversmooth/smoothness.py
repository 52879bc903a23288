"""How smooth a signal is over the graph: means, deviations, energies, ranks, layer by layer.

All averages are weighted by the stationary distribution π. For the GCN normalisation, whose fixed point is √d̃ and not a
constant, a signal is first divided by `Propagation.scaling` (backward signals are multiplied by it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from oversmooth._arguments import checked
from oversmooth._validation import is_finite, require, require_edges, require_signal
from oversmooth.moments import (
    backward_measure,
    backward_moments,
    entrywise_norm,
    feature_measure,
    feature_moments,
    moments,
    power_of_two,
    profile_table,
    squares_fit,
    weighted_mean,
)
from oversmooth.propagation.averaging import Weighting
from oversmooth.signals import Signals, require_signals

if TYPE_CHECKING:
    import pandas as pd

_BLOCK = 2**16  # entries of a block of edges: what a processor's own cache holds


@checked
def mean(features: torch.Tensor, propagation: Weighting | None = None) -> torch.Tensor:
    """The weighted mean μ(X) = Σ_i π_i X_i.

    Args:
        features: X, (n, d) or (seeds, n, d).
        propagation: gives π; None means uniform weights.

    Returns:
        μ(X), (d,) or (seeds, d).

    Raises:
        ValueError: not a finite signal, or not of this graph.

    Example:
        >>> import oversmooth as osm, torch
        >>> osm.mean(torch.tensor([[0.0], [1.0], [5.0]]))
        tensor([2.])

    Source: the book's page *Notation*.
    """
    _check("features", features, propagation)
    return _representable("features", weighted_mean(features, feature_measure(features, propagation)), features)


@checked
def deviation(features: torch.Tensor, propagation: Weighting | None = None) -> torch.Tensor:
    """The deviation from the mean, σ(X) = (Σ_i π_i ‖X_i − μ(X)‖²)^{1/2}.

    Args:
        features: X, (n, d) or (seeds, n, d).
        propagation: gives π; None means uniform weights.

    Returns:
        σ(X), scalar or (seeds,), in the units of X.

    Raises:
        ValueError: not a finite signal, or not of this graph.

    Example:
        >>> import oversmooth as osm, torch
        >>> float(osm.deviation(torch.tensor([[1.0], [3.0]])))
        1.0

    Source: the book's page *Notation*.
    """
    _check("features", features, propagation)
    return _representable("features", feature_moments(features, propagation).deviation, features)


@checked
def energy(features: torch.Tensor, propagation: Weighting | None = None) -> torch.Tensor:
    """The paper's measure E(X) = σ(X)²; with uniform weights (1/2n²) Σ_ij ‖X_i − X_j‖².

    Args:
        features: X, (n, d) or (seeds, n, d).
        propagation: gives π; None means uniform weights.

    Returns:
        E(X), scalar or (seeds,), in the units of X squared.

    Raises:
        ValueError: not a finite signal, or not of this graph.

    Example:
        The two definitions agree:

        >>> import oversmooth as osm, torch
        >>> X = torch.tensor([[0.0], [1.0], [5.0]], dtype=torch.float64)
        >>> pairs = sum(float((a - b).square().sum()) for a in X for b in X)
        >>> round(float(osm.energy(X)), 6), round(pairs / (2 * 3**2), 6)
        (4.666667, 4.666667)

    Source: the paper's setting; the book's page *Notation*.
    """
    _check("features", features, propagation)
    return _representable("features", feature_moments(features, propagation).energy, features)


@checked
def relative_deviation(features: torch.Tensor, propagation: Weighting | None = None) -> torch.Tensor:
    """The share of a signal that is not constant: σ(X) / (Σ_i π_i ‖X_i‖²)^{1/2}.

    0 for a constant signal, 1 for one of mean zero; 0 for the zero signal, by convention.

    Args:
        features: X, (n, d) or (seeds, n, d).
        propagation: gives π; None means uniform weights.

    Returns:
        A number in [0, 1], scalar or (seeds,).

    Raises:
        ValueError: not a finite signal, or not of this graph.

    Example:
        >>> import oversmooth as osm, torch
        >>> float(osm.relative_deviation(torch.ones(4, 2)))
        0.0
        >>> float(osm.relative_deviation(torch.tensor([[-1.0], [1.0]])))
        1.0

    Source: ours; chapter *Forward oversmoothing* says why growing is not the same as staying apart.
    """
    _check("features", features, propagation)
    return feature_moments(features, propagation).relative_deviation.to(features.dtype)


@checked
def backward_mean(backward: torch.Tensor, propagation: Weighting | None = None) -> torch.Tensor:
    """The mean of a backward signal per unit of π, μ(B̃) = Σ_i B_i with B̃_i = B_i/π_i.

    For GCN propagation it is Σ_i scaling_i B_i, which is what that operator preserves.

    Args:
        backward: B, (n, d) or (seeds, n, d).
        propagation: gives π and the scaling; None means uniform weights.

    Returns:
        μ(B̃), (d,) or (seeds, d).

    Raises:
        ValueError: not a finite signal, or not of this graph.

    Example:
        >>> import oversmooth as osm, torch
        >>> osm.backward_mean(torch.tensor([[0.5], [-0.25]]))
        tensor([0.2500])

    Source: the book's page *Notation*.
    """
    _check("backward", backward, propagation)
    return _representable("backward", weighted_mean(backward, backward_measure(backward, propagation)), backward)


@checked
def backward_deviation(backward: torch.Tensor, propagation: Weighting | None = None) -> torch.Tensor:
    """The deviation of a backward signal per unit of π: σ(B̃) with B̃_i = B_i/π_i.

    In these units the backward pass contracts at the same rate, in the same norm, as the forward pass.

    Args:
        backward: B, (n, d) or (seeds, n, d).
        propagation: gives π and the scaling; None means uniform weights, B̃ = nB.

    Returns:
        σ(B̃), scalar or (seeds,).

    Raises:
        ValueError: not a finite signal, or not of this graph.

    Example:
        With uniform weights, the deviation of nB:

        >>> import oversmooth as osm, torch
        >>> float(osm.backward_deviation(torch.tensor([[0.5], [-0.5]])))
        1.0

    Source: the book's page *Notation*.
    """
    _check("backward", backward, propagation)
    return _representable("backward", backward_moments(backward, propagation).deviation, backward)


@checked
def dirichlet_energy(features: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
    """The Dirichlet energy (1/n) Σ_i Σ_{j ∈ N(i)} ‖X_i − X_j‖².

    Args:
        features: X, (n, d).
        edge_index: (2, edges) integers; an undirected edge stands in both directions.

    Returns:
        A scalar, in the units of X squared.

    Raises:
        ValueError: not a finite signal, or edges that name other nodes.

    Example:
        Two nodes and the edge between them, in both directions:

        >>> import oversmooth as osm, torch
        >>> edge_index = torch.tensor([[0, 1], [1, 0]])
        >>> float(osm.dirichlet_energy(torch.tensor([[0.0], [3.0]], dtype=torch.float64), edge_index))
        9.0

    Source: Rusch, Bronstein and Mishra (2023), whose definition this is.
    """
    x, source, target = _edges(features, edge_index)
    energy = _squared_differences(x, source, target) / len(x)
    if squares_fit(energy):
        return energy
    scale = power_of_two(x.detach().abs().amax())
    energy = _squared_differences(x / scale, source, target) / len(x)
    return _representable("features", scale * (scale * energy), features)


@checked
def mean_average_distance(features: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
    """The mean average (cosine) distance (1/n) Σ_i Σ_{j ∈ N(i)} (1 − cos(X_i, X_j)).

    It sees directions only: for one feature of one sign it is 0 whatever the signal. Two zero rows are at distance 0, a
    zero row and another at distance 1. Computed as half the squared distance of the unit rows, which keeps its digits
    where 1 − cos would not.

    Args:
        features: X, (n, d).
        edge_index: (2, edges) integers; an undirected edge stands in both directions.

    Returns:
        A scalar without unit.

    Raises:
        ValueError: not a finite signal, or edges that name other nodes.

    Example:
        Two orthogonal features, however large:

        >>> import oversmooth as osm, torch
        >>> edge_index = torch.tensor([[0, 1], [1, 0]])
        >>> float(osm.mean_average_distance(torch.tensor([[0.0, 7.0], [3.0, 0.0]], dtype=torch.float64), edge_index))
        1.0

    Source: Rusch, Bronstein and Mishra (2023); first in Chen et al. (2020), with another normalisation.
    """
    x, source, target = _edges(features, edge_index)
    norm = x.norm(dim=1, keepdim=True)
    if not squares_fit(norm.square()):  # row by row, since a direction has no size
        x = x / power_of_two(x.detach().abs().amax(1, keepdim=True))
        norm = x.norm(dim=1, keepdim=True)
    unit = x / torch.where(norm > 0, norm, 1.0)
    zero = norm[:, 0] == 0
    # Half a squared distance where one row is zero, and one by convention.
    one_zero = (zero[source] ^ zero[target]).sum() if bool(zero.any()) else 0
    return (_squared_differences(unit, source, target) + one_zero) / (2 * len(x))


@checked
def effective_rank(features: torch.Tensor) -> torch.Tensor:
    """The effective rank exp(−Σ_i p_i log p_i), p_i = s_i / Σ_j s_j over the singular values s of X.

    Args:
        features: X, (n, d) or (seeds, n, d); not centred.

    Returns:
        A number from 1 (one direction) to min(n, d), scalar or (seeds,); 0 for the zero signal.

    Raises:
        ValueError: not a finite signal.

    Example:
        >>> import oversmooth as osm, torch
        >>> round(float(osm.effective_rank(torch.eye(3, dtype=torch.float64))), 6)
        3.0

    Source: Roy and Vetterli (2007).
    """
    require_signal("features", features)
    size = features.detach().abs().amax((-1, -2), keepdim=True)
    singular = _singular_values(features / power_of_two(size))  # which changes no share, and squares stay in range
    total = singular.sum(-1, keepdim=True)
    share = singular / torch.where(total > 0, total, 1.0)
    entropy = torch.special.entr(share).sum(-1)
    return torch.where(total[..., 0] > 0, entropy.exp(), 0.0)


@checked
def layer_profile(signals: Signals) -> pd.DataFrame:
    """A table of one pass: how smooth and how large the signals and gradients are, layer by layer.

    Columns: layer, depth, then, under the names used all over the book: feature_deviation σ(X⁽ᵏ⁾), feature_norm
    (Σ π_i ‖X_i‖²)^{1/2}, feature_ratio their quotient; backward_deviation σ(B̃⁽ᵏ⁾), backward_norm, backward_ratio
    likewise; backward_mean ‖μ(B̃⁽ᵏ⁾)‖; gradient ‖∂𝓛/∂W⁽ᵏ⁾‖_F. For a batch also seed, the index in the batch.

    Args:
        signals: what `trace` returned.

    Returns:
        pandas.DataFrame, a row for each layer (and seed).

    Example:
        The gradient, as autograd gives it:

        >>> import oversmooth as osm, torch
        >>> P = osm.Propagation.from_matrix([[0.5, 0.5], [0.5, 0.5]])
        >>> net = osm.Network(P, widths=[1, 1], activation="identity", seed=0)
        >>> def loss(output):
        ...     return output.square().mean()
        >>> table = osm.layer_profile(osm.trace(net, torch.tensor([[1.0], [3.0]], dtype=torch.float64), loss))
        >>> round(float(table["gradient"][0]), 6), round(float(table["backward_ratio"][0]), 6)
        (8.0, 0.0)

    Source: the book's page *Notation*.
    """
    require_signals(signals)
    P, spare = signals.propagation, {}
    X, B = signals.features, signals.backward
    feature, backward = feature_measure(X[0], P), backward_measure(B[0], P)
    return profile_table(
        [moments(x, feature, spare) for x in X],
        [moments(b, backward, spare) for b in B],
        [entrywise_norm(gradient, seeds=gradient.dim() - 2) for gradient in signals.gradients],
    )


def _check(name, signal, propagation):
    require_signal(name, signal, None if propagation is None else propagation.num_nodes)


def _representable(name, value, signal):
    """A measure in the signal's dtype, unless that cannot hold it."""
    value = value.to(signal.dtype)
    require(is_finite(value), f"{name} is so large that this measure exceeds {signal.dtype}: divide it by a constant")
    return value


def _singular_values(x):
    """Singular values, from the small Gram matrix in float64 where that loses no digit: many times faster."""
    double = x.double()
    gram = double.mT @ double if x.shape[-1] <= x.shape[-2] else double @ double.mT
    squares = torch.linalg.eigvalsh(gram)
    # The root of a rounding is 1e-8 of the largest: less than float32 resolves, too much for float64.
    if x.dtype != torch.float64 or bool((squares[..., 0] > 1e-6 * squares[..., -1]).all()):
        return squares.clamp(min=0).sqrt().to(x.dtype)
    return torch.linalg.svdvals(x)


def _squared_differences(x, source, target):
    """Σ ‖x_s − x_t‖² over the edges (s, t), in blocks of edges that a cache holds, each in memory of its own.

    Difference by difference: Σ ‖x_s‖² + ‖x_t‖² − 2 x_s·x_t would cancel where neighbours are alike.

    Args:
        x: (n, d).
        source: (edges,) integers.
        target: (edges,) integers.

    Returns:
        A scalar.
    """
    size, total = max(1, _BLOCK // max(1, x.shape[1])), x.new_zeros(())
    for s, t in zip(source.split(size), target.split(size), strict=True):
        difference = x.index_select(0, s).sub_(x.index_select(0, t)).view(-1)
        total = total + torch.dot(difference, difference)
    return total


def _edges(features, edge_index):
    require_signal("features", features)
    require(features.dim() == 2, f"features has shape {tuple(features.shape)}; (nodes, features) is needed")
    require_edges(edge_index, len(features), "features")
    return features, edge_index[0], edge_index[1]
