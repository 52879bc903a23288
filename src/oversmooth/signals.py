"""All forward signals, backward signals and gradients of one pass."""

from dataclasses import dataclass, field

import torch

from oversmooth._validation import require
from oversmooth.activations import Activation
from oversmooth.propagation import Propagation


@dataclass(frozen=True)
class Signals:
    """One pass through a network: lists over the layers k = 0, …, L, under the names of the notation page.

    Shapes are for one network; a batch puts a seeds axis in front of each. Nothing here is attached to autograd, and
    the weights are copies: training the network further does not change them.

    Attributes:
        features: X⁽ᵏ⁾, (n, d_k).
        propagated: F⁽ᵏ⁾ = P X⁽ᵏ⁾, (n, d_k).
        preactivations: H⁽ᵏ⁾ = F⁽ᵏ⁾ W⁽ᵏ⁾, (n, d_{k+1}); the last one is the output.
        backward: B⁽ᵏ⁾ = ∂𝓛/∂H⁽ᵏ⁾, (n, d_{k+1}).
        gradients: ∂𝓛/∂W⁽ᵏ⁾, (d_k, d_{k+1}); in a batch one for each seed, even where the weights are shared.
        output: Ŷ, (n, d_{L+1}).
        loss: 𝓛, scalar, or (seeds,) if the loss function gave one value for each seed.
        weights: W⁽ᵏ⁾, (d_k, d_{k+1}).
        propagation: P.
        activation: ρ.
    """

    features: list[torch.Tensor]
    propagated: list[torch.Tensor]
    preactivations: list[torch.Tensor]
    backward: list[torch.Tensor]
    gradients: list[torch.Tensor]
    output: torch.Tensor
    loss: torch.Tensor
    weights: list[torch.Tensor] = field(repr=False)
    propagation: Propagation
    activation: Activation

    @property
    def depth(self):
        """Number of weight matrices, L+1."""
        return len(self.weights)


def trace(network, features, loss):
    """Every signal and gradient of one forward and one backward pass.

    X⁽ᵏ⁺¹⁾ = ρ(H⁽ᵏ⁾), H⁽ᵏ⁾ = P X⁽ᵏ⁾ W⁽ᵏ⁾; then from B⁽ᴸ⁾ = ∂𝓛/∂Ŷ downwards G⁽ᵏ⁾ = Pᵀ B⁽ᵏ⁺¹⁾ W⁽ᵏ⁺¹⁾ᵀ,
    B⁽ᵏ⁾ = ρ'(H⁽ᵏ⁾) ⊙ G⁽ᵏ⁾ and ∂𝓛/∂W⁽ᵏ⁾ = F⁽ᵏ⁾ᵀ B⁽ᵏ⁾. Only the loss itself goes through autograd. Parameters, their
    ``.grad``, the training mode and the random state stay as they are.

    Args:
        network: `Network`.
        features: X⁽⁰⁾, (n, d_0) or (seeds, n, d_0).
        loss: output -> scalar tensor, or for a batch one value for each seed, (seeds,).

    Returns:
        `Signals`.

    Raises:
        ValueError: features that do not fit the network, or a loss that is no scalar or ignores the output.

    Source: theory.md, section 1.
    """
    network.check(features)
    P, rho = network.propagation, network.activation
    W = [weight.detach().clone() for weight in network.weights]
    X, F, H = forward_pass(network, features.detach())
    value, error = _output_error(loss, H[-1])
    B, gradients = zip(*backward_pass(network, X, F, H, error), strict=True)
    # A batch that starts from shared features still has one signal for each seed (a view: no memory).
    X[0], F[0] = (x.expand(*H[0].shape[:-2], *x.shape[-2:]) for x in (X[0], F[0]))
    return Signals(X, F, H, list(B[::-1]), list(gradients[::-1]), H[-1], value, W, P, rho)


@torch.no_grad()
def forward_pass(network, features, propagated=None, lean=False):
    """The forward signals of all layers, detached: F⁽ᵏ⁾ = P X⁽ᵏ⁾, H⁽ᵏ⁾ = F⁽ᵏ⁾ W⁽ᵏ⁾, X⁽ᵏ⁺¹⁾ = ρ(H⁽ᵏ⁾).

    Args:
        network: `Network`.
        features: X⁽⁰⁾, (n, d_0) or (seeds, n, d_0), checked by the caller.
        propagated: F⁽⁰⁾ if known, the shape of features: training needs it once, not at every step.
        lean: whether to drop what `backward_pass` does not read: F⁽ᵏ⁾ for k > 0, and where it can, H⁽ᵏ⁾ for k < L. None
            stands in their place.

    Returns:
        The lists of X⁽ᵏ⁾, F⁽ᵏ⁾ and H⁽ᵏ⁾, k = 0, …, L.

    Source: theory.md, section 1.
    """
    P, rho = network.propagation, network.activation
    X, F, H = [features], [P @ features if propagated is None else propagated], []
    current = F[0]
    for k in range(network.depth - 1):
        preactivations = _times(current, network.weights[k])
        X.append(rho(preactivations))
        current = P @ X[k + 1]
        H.append(None if lean and rho.reads_output_only else preactivations)
        F.append(None if lean else current)
    H.append(network.preactivate(network.depth - 1, current))
    return X, F, H


@torch.no_grad()
def backward_pass(network, X, F, H, error):
    """The backward signals and gradients of all layers, detached, from the last layer to the first.

    With Q⁽ᵏ⁾ = Pᵀ B⁽ᵏ⁾: ∂𝓛/∂W⁽ᵏ⁾ = F⁽ᵏ⁾ᵀ B⁽ᵏ⁾ = X⁽ᵏ⁾ᵀ Q⁽ᵏ⁾ and B⁽ᵏ⁻¹⁾ = ρ'(H⁽ᵏ⁻¹⁾) ⊙ Q⁽ᵏ⁾ W⁽ᵏ⁾ᵀ: one sparse product
    serves both, and no F⁽ᵏ⁾ but the first is read, which spares training most of its memory.

    Args:
        network: `Network`.
        X: X⁽ᵏ⁾, as `forward_pass` returned them.
        F: F⁽ᵏ⁾, likewise.
        H: H⁽ᵏ⁾, likewise.
        error: B⁽ᴸ⁾, the shape of the output.

    Yields:
        B⁽ᵏ⁾ and ∂𝓛/∂W⁽ᵏ⁾, k = L, …, 0: one layer at a time, since training keeps no backward signal.

    Source: theory.md, section 1.
    """
    P, rho = network.propagation, network.activation
    B = error
    for k in range(network.depth - 1, 0, -1):
        Q = P.adjoint(B)
        yield B, X[k].mT @ Q
        B = rho.backward(H[k - 1], X[k], _times(Q, network.weights[k].mT))
    yield B, F[0].mT @ B


def _times(signal, weight):
    """A signal times a weight matrix; a batch is laid out node by node, which saves the sparse product its copies."""
    if signal.dim() == 2 and weight.dim() == 2:
        return signal @ weight
    seeds = signal.shape[0] if signal.dim() == 3 else weight.shape[0]
    result = signal.new_empty(signal.shape[-2], seeds, weight.shape[-1]).transpose(0, 1)
    return torch.bmm(signal.expand(seeds, -1, -1), weight.expand(seeds, -1, -1), out=result)


def _output_error(loss, output):
    """𝓛 and B⁽ᴸ⁾ = ∂𝓛/∂Ŷ."""
    with torch.enable_grad():
        leaf = output.detach().requires_grad_()
        value = loss(leaf)
        require(isinstance(value, torch.Tensor), f"loss gave a {type(value).__name__}; a scalar tensor is needed")
        require(
            value.dim() == 0 or (output.dim() == 3 and value.shape == output.shape[:1]),
            f"loss gave shape {tuple(value.shape)}; a scalar is needed, or one value for each seed of a batch",
        )
        error = None
        if value.requires_grad:
            (error,) = torch.autograd.grad(value.sum(), leaf, allow_unused=True)
        require(error is not None, "the loss does not depend on the network's output, or was detached from it")
    return value.detach(), error
