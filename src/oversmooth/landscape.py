"""The loss around a point in the space of all weights: a plane through it, and the Hessian's extreme eigenvalues."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh

from oversmooth._arguments import checked
from oversmooth._validation import came, require, require_signal
from oversmooth.network import Network, require_network
from oversmooth.signals import evaluate


@dataclass(frozen=True)
class Curvature:
    """The ends of the Hessian's spectrum; directions are unit vectors with their largest entry positive.

    Attributes:
        highest: the largest eigenvalue.
        lowest: the smallest eigenvalue.
        highest_direction: its eigenvector, (number of weights,): all matrices in one row.
        lowest_direction: its eigenvector, (number of weights,).
    """

    highest: float
    lowest: float
    highest_direction: torch.Tensor = field(repr=False)
    lowest_direction: torch.Tensor = field(repr=False)


@checked
def hessian_product(
    network: Network, features: torch.Tensor, loss: Callable[[torch.Tensor], torch.Tensor]
) -> Callable[[torch.Tensor], torch.Tensor]:
    """The map v -> ∇²𝓛 v, by differentiating the gradient once more with autograd.

    The gradient's graph is built once and kept; each product costs one backward pass through it. P's own backward is a
    product with Pᵀ, which is differentiable again.

    Args:
        network: single `Network`, without output bias; it is not changed.
        features: X⁽⁰⁾, (n, d_0).
        loss: output -> scalar tensor.

    Returns:
        A function from (number of weights,) to (number of weights,): all matrices in one row.

    Raises:
        ValueError: a batch of seeds, an output bias, features that do not fit, or a loss that is no finite scalar.
    """
    _check(network, features)
    weights = [weight.detach().clone().requires_grad_() for weight in network.weights]
    value = evaluate(loss, _output(network, weights, features))
    require(math.isfinite(value.detach()), f"the loss is {value.detach().item()}; there are no derivatives")
    gradient = torch.autograd.grad(value, weights, create_graph=True, materialize_grads=True)

    def product(vector):
        parts = torch.autograd.grad(gradient, weights, _matrices(network, vector), retain_graph=True)
        return _row(parts)

    return product


@checked
def curvature(
    network: Network, features: torch.Tensor, loss: Callable[[torch.Tensor], torch.Tensor], tolerance: float = 1e-3
) -> Curvature:
    """The largest and the smallest eigenvalue of the Hessian in all weights, with their directions.

    Lanczos (ARPACK, by scipy's eigsh) on Hessian-vector products. Near a spurious stationary point the largest
    eigenvalue stands alone; it comes to ten digits.

    Args:
        network: single `Network`, without output bias.
        features: X⁽⁰⁾, (n, d_0).
        loss: output -> scalar tensor.
        tolerance: residual of the smallest eigenvalue, relative to it; its own error is of second order in this.

    Returns:
        `Curvature`.

    Raises:
        ValueError: a network as `hessian_product` refuses, or with fewer than 4 weights.

    Source: ours; the point is the one of the book's theorem thm-spurious.
    """
    product, size = hessian_product(network, features, loss), sum(weight.numel() for weight in network.weights)
    require(tolerance > 0, f"tolerance is {tolerance}; a positive number is needed")
    require(size >= 4, f"the network has {size} weights; a Hessian with two ends needs at least 4")
    start = torch.randn(size, generator=torch.Generator().manual_seed(0), dtype=torch.float64).numpy()

    def hessian(vector):
        return product(torch.from_numpy(np.ascontiguousarray(vector).reshape(-1))).numpy()

    operator = LinearOperator((size, size), matvec=hessian, dtype=np.float64)

    def end(which, tolerance):
        values, vectors = eigsh(operator, k=1, which=which, v0=start, tol=tolerance, ncv=min(size, 40))
        vector = vectors[:, 0]
        return float(values[0]), vector * np.sign(vector[np.abs(vector).argmax()])

    highest, steep = end("LA", 1e-10)
    lowest, down = end("SA", tolerance)
    return Curvature(highest, lowest, torch.from_numpy(steep), torch.from_numpy(down))


@checked
def loss_plane(
    network: Network,
    features: torch.Tensor,
    loss: Callable[[torch.Tensor], torch.Tensor],
    directions: torch.Tensor,
    first: Sequence[float],
    second: Sequence[float],
) -> torch.Tensor:
    """The loss on a plane of weights, 𝓛(W + a U + b V).

    Args:
        network: single `Network`, without output bias; it is not changed.
        features: X⁽⁰⁾, (n, d_0).
        loss: output (points, n, d_{L+1}) -> one value for each point, (points,).
        directions: U and V, (2, number of weights): all matrices in one row each.
        first: the values a, a sequence.
        second: the values b, a sequence.

    Returns:
        (len(first), len(second)) losses.

    Raises:
        ValueError: a network as `hessian_product` refuses, directions of another shape, or a loss of another kind.
    """
    _check(network, features)
    require_signal("directions", directions)
    start = _row([weight.detach() for weight in network.weights])
    require(
        directions.shape == (2, len(start)),
        f"directions have shape {tuple(directions.shape)}; two rows of {len(start)} weights are needed",
    )
    first, second = (torch.as_tensor(values, dtype=start.dtype) for values in (first, second))
    require(first.numel() and second.numel(), "first or second is empty; at least one value of each is needed")
    rows = []
    for a in first:  # a line of points at once: they share each sparse product
        line = start + a * directions[0] + second[:, None] * directions[1]
        with torch.no_grad():
            row = loss(_output(network, _matrices(network, line), features))
        fit = isinstance(row, torch.Tensor) and row.shape == (len(second),)
        require(fit, f"loss gave {came(row)}; one value for each point, ({len(second)},), is needed")
        rows.append(row)
    return torch.stack(rows)


def _check(network, features):
    require_network(network)
    require(network.num_seeds is None, "the network is a batch of seeds; a landscape belongs to one network")
    require(network.bias is None, "the network has an output bias; the landscape is one of weight matrices only")
    network.check(features)


def _output(network, weights, features):
    named = {f"weights.{k}": weight for k, weight in enumerate(weights)}
    return torch.func.functional_call(network, named, (features,))


def _row(matrices):
    return torch.cat([matrix.reshape(-1) for matrix in matrices])


def _matrices(network, rows):
    """(..., number of weights) as the list of matrices (..., d_k, d_{k+1})."""
    parts = rows.split([weight.numel() for weight in network.weights], dim=-1)
    shapes = [weight.shape for weight in network.weights]
    return [part.reshape(*rows.shape[:-1], *shape) for part, shape in zip(parts, shapes, strict=True)]
