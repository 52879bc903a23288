"""The last layer trained alone, in three senses of "trained"."""

from __future__ import annotations

import copy

import torch

from oversmooth._arguments import checked
from oversmooth._validation import require
from oversmooth.losses import check_mask, make_objective
from oversmooth.network import Network, require_network, require_trainable
from oversmooth.signals import forward_pass

METHODS = ("budget", "descent", "exact")


@checked
def train_last_layer(
    net: Network,
    X: torch.Tensor,
    y: torch.Tensor,
    how: str = "budget",
    budget: float = 3.0,
    mask: torch.Tensor | None = None,
    steps: int = 1000,
) -> Network:
    """A copy of the network whose last layer minimises the mean squared error, the other layers as they are.

    With F = F⁽ᴸ⁾ and m training nodes, the loss (1/m) ‖F W − Y‖² is treated in one of three ways:

    - "budget": its exact minimum under ‖W‖_F ≤ budget. For one output column that is the spectral norm; for several it
      is the stricter of the two. If the budget binds, W = (FᵀF + τI)⁻¹FᵀY with the multiplier τ > 0 that makes
      ‖W‖_F = budget.
    - "descent": gradient descent from the present weights with the largest step that cannot overshoot, m/(2‖F‖₂²).
    - "exact": the least-squares solution of least norm. Singular values of F below max(m, d) eps times the largest
      count as zero (numpy's rule, eps of float64). In an oversmoothed network its norm grows like (λs)^{−L}.

    All in float64, in the singular basis of F. An output bias, if the network has one, is trained too, and no budget
    limits it: F and Y are then centred on the mask.

    Args:
        net: `Network`, single or a batch.
        X: features, (n, d_0) or (seeds, n, d_0).
        y: targets Y, (n, d_{L+1}), or (n,) for one output column.
        how: "budget", "descent" or "exact".
        budget: largest ‖W⁽ᴸ⁾‖_F, for "budget"; the default is the book's.
        mask: training nodes, (n,) booleans; None means all.
        steps: number of updates, for "descent".

    Returns:
        A new `Network` on the same `Propagation`.

    Raises:
        ValueError: data, mask or options that do not fit.

    Source: the paper's statement 4; the book's theorem thm-spurious.
    """
    require_network(net)
    require(how in METHODS, f"how is {how!r}; known: {', '.join(METHODS)}")
    require(budget > 0, f"budget is {budget}; a norm must be positive")
    require(steps >= 0, f"steps is {steps}; a number of updates is needed")
    require_trainable(net, X)
    targets = make_objective("mse", y, mask, net).targets.double()
    mask = check_mask("mask", mask, net.propagation.num_nodes)
    trained = copy.deepcopy(net)
    F = (net.propagation @ forward_pass(net, X.detach())[0][-1][0]).double()[..., mask, :]
    Y = targets[mask].expand(*F.shape[:-1], -1)
    centre = (F.mean(-2, keepdim=True), Y.mean(-2, keepdim=True)) if net.bias is not None else None
    if how == "descent":
        W, bias = _descend(F, Y, net.weights[-1].detach().double(), net.bias, steps)
    else:
        # What centring leaves of equal features is rounding of their size: the cutoff is taken before.
        cutoff = max(F.shape[-2:]) * torch.finfo(F.dtype).eps * torch.linalg.matrix_norm(F, 2)
        if centre is not None:
            F, Y = F - centre[0], Y - centre[1]
        W = _least_squares(F, Y, budget if how == "budget" else None, cutoff)
        bias = None if centre is None else centre[1] - centre[0] @ W
    with torch.no_grad():
        trained.weights[-1].copy_(W)
        if bias is not None:
            trained.bias.copy_(bias.reshape(trained.bias.shape))
    return trained


def _least_squares(F, Y, budget, cutoff):
    """The W that minimises ‖F W − Y‖²: of least norm, or under ‖W‖_F ≤ budget. Singular values up to cutoff are 0."""
    U, s, Vt = torch.linalg.svd(F, full_matrices=False)
    s = torch.where(s > cutoff[..., None], s, 0.0)
    C = s[..., None] * (U.mT @ Y)
    squares = s.square()[..., None]
    tau = torch.zeros_like(squares[..., :1, :]) if budget is None else _multiplier(squares, C, budget)
    return Vt.mT @ _ridge(squares, C, tau)


def _ridge(squares, C, tau):
    """(S² + τ)⁻¹ C where S > 0, else 0."""
    return torch.where(squares > 0, C / torch.where(squares > 0, squares + tau, 1.0), 0.0)


def _multiplier(squares, C, budget):
    """τ ≥ 0 with ‖(S² + τ)⁻¹C‖_F = budget, or 0 where the budget does not bind."""
    # The norm falls as τ grows, and τ = ‖C‖/budget makes it small enough: bisection on log τ, 40 decades wide, is safe.

    def norm(tau):
        return torch.linalg.matrix_norm(_ridge(squares, C, tau), keepdim=True)

    high = torch.linalg.matrix_norm(C, keepdim=True) / budget
    free = norm(torch.zeros_like(high)) <= budget
    high = torch.where(free, 1.0, high)
    low = 1e-40 * high
    for _ in range(120):
        middle = (low * high).sqrt()
        too_long = norm(middle) > budget
        low, high = torch.where(too_long, middle, low), torch.where(too_long, high, middle)
    return torch.where(free, 0.0, high)


def _descend(F, Y, W, bias, steps):
    """Gradient descent on (1/m) ‖F W + b − Y‖², with b as one more row of W and a column of ones in F."""
    if bias is not None:
        row = bias.detach().double()
        W = torch.cat([W, row if row.dim() == 3 else row[None]], dim=-2)
        F = torch.cat([F, torch.ones_like(F[..., :1])], dim=-1)
    gram, C = F.mT @ F, F.mT @ Y
    rate = 1 / torch.linalg.matrix_norm(F, 2, keepdim=True).square().clamp(min=torch.finfo(F.dtype).tiny)
    for _ in range(steps):
        W = W - rate * (gram @ W - C)
    return (W, None) if bias is None else (W[..., :-1, :], W[..., -1:, :])
