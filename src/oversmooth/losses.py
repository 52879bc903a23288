"""The training losses: value, backpropagated error at the output, and accuracy, for one network or a batch."""

from dataclasses import dataclass

import torch

from oversmooth._validation import require

LOSSES = ("mse", "cross_entropy")


@dataclass(frozen=True)
class Objective:
    """A loss with its targets and training mask, checked once and then called at every step.

    mse: 𝓛 = (1/m) Σ_{i in mask} ‖Ŷ_i − Y_i‖². cross_entropy: 𝓛 = −(1/m) Σ_{i in mask} log softmax(Ŷ_i)[y_i].

    Attributes:
        kind: "mse" or "cross_entropy".
        targets: Y, (n, d) for mse; class numbers (n,) for cross_entropy.
        weights: (n, 1), 1/m on the m nodes of the mask, 0 elsewhere.

    Source: chapter *Spurious stationary points*.
    """

    kind: str
    targets: torch.Tensor
    weights: torch.Tensor

    def __call__(self, output):
        """𝓛 and B⁽ᴸ⁾ = ∂𝓛/∂Ŷ.

        Args:
            output: Ŷ, (n, d) or (seeds, n, d).

        Returns:
            𝓛, scalar or (seeds,), and B⁽ᴸ⁾, the shape of the output; zero off the mask.
        """
        if self.kind == "mse":
            residual = output - self.targets
            error = residual * self.weights
            return (error * residual).sum((-1, -2)), 2 * error
        logarithms = torch.log_softmax(output, dim=-1)
        chosen = self.targets[:, None].expand(*output.shape[:-1], 1)
        value = -(logarithms.gather(-1, chosen) * self.weights).sum((-1, -2))
        error = logarithms.exp().scatter_add(-1, chosen, logarithms.new_full(chosen.shape, -1.0))
        return value, error * self.weights

    def accuracy(self, output, mask=None):
        """The share of nodes classified correctly, or None where the targets are no classes.

        The class is the largest output; with one output column and targets ±1, its sign.

        Args:
            output: Ŷ, (n, d) or (seeds, n, d).
            mask: nodes to count, (n,) booleans; None means the training mask.

        Returns:
            A number in [0, 1], scalar or (seeds,), or None.
        """
        if self.kind == "cross_entropy":
            correct = output.argmax(-1) == self.targets
        elif self.targets.shape[-1] == 1 and bool((self.targets.abs() == 1).all()):
            correct = (output.sign() == self.targets)[..., 0]
        else:
            return None
        counted = self.weights[:, 0] > 0 if mask is None else mask
        return correct[..., counted].to(output.dtype).mean(-1)


def make_objective(kind, targets, mask, network):
    """The `Objective` of a loss for a network, after checking that all fit together.

    Args:
        kind: "mse" or "cross_entropy".
        targets: Y, (n, d_{L+1}), or (n,) for one output column; class numbers (n,) for cross_entropy.
        mask: training nodes, (n,) booleans, or None for all.
        network: `Network`.

    Returns:
        The `Objective`.

    Raises:
        ValueError: unknown kind, or targets or a mask that do not fit.
    """
    nodes, width = network.propagation.num_nodes, network.widths[-1]
    weight = network.weights[0]
    require(kind in LOSSES, f"loss is {kind!r}; known: {', '.join(LOSSES)}")
    require(isinstance(targets, torch.Tensor), f"y is a {type(targets).__name__}; a torch.Tensor is needed")
    if kind == "mse":
        targets = _regression_targets(targets, nodes, width, weight)
    else:
        targets = _class_targets(targets, nodes, width)
    mask = check_mask("mask", mask, nodes)
    share = mask.to(weight.device, weight.dtype)[:, None] / mask.sum()
    return Objective(kind, targets.to(weight.device), share)


def check_mask(name, mask, num_nodes):
    """The mask itself, or the one of all nodes for None.

    Args:
        name: how errors call it.
        mask: (n,) booleans, at least one true, or None.
        num_nodes: n.

    Returns:
        (n,) booleans.

    Raises:
        ValueError: another shape or dtype, or an empty mask.
    """
    if mask is None:
        return torch.ones(num_nodes, dtype=torch.bool)
    require(
        isinstance(mask, torch.Tensor) and mask.dtype == torch.bool and mask.shape == (num_nodes,),
        f"{name} needs ({num_nodes},) booleans, one for each node; got "
        + (f"{tuple(mask.shape)} {mask.dtype}" if isinstance(mask, torch.Tensor) else type(mask).__name__),
    )
    require(bool(mask.any()), f"{name} selects no node; at least one is needed")
    return mask


def _regression_targets(targets, nodes, width, weight):
    if targets.dim() == 1:
        targets = targets[:, None]
    require(
        targets.shape == (nodes, width),
        f"y has shape {tuple(targets.shape)}; the network's output is ({nodes}, {width})",
    )
    targets = targets.to(weight.dtype)
    require(bool(torch.isfinite(targets).all()), "y has non-finite entries (NaN or infinity)")
    return targets


def _class_targets(targets, nodes, width):
    require(
        targets.shape == (nodes,) and not targets.is_floating_point() and targets.dtype != torch.bool,
        f"cross_entropy needs y as ({nodes},) integers, one class for each node; got {tuple(targets.shape)} "
        f"{targets.dtype}",
    )
    low, high = int(targets.min()), int(targets.max())
    require(low >= 0 and high < width, f"y has classes {low} to {high}, the {width} outputs stand for 0 to {width - 1}")
    return targets.long()
